/* center: z = x - mean. */
#include "data/preprocess.h"

static void learn(ls_preprocess *p, const ls_moments *m) {
    for (size_t g = 0; g < p->groups; g++) p->statistic[0].values[g] = m->mean[g];
}

static ls_status ready(ls_preprocess *p) {
    for (size_t g = 0; g < p->groups; g++) ls__affine_set(p, g, p->statistic[0].values[g], 1);
    return LS_OK;
}

const ls_preprocess_type ls_preprocess_center = {
    .type = {"center", "subtract the mean", ls__per_rows, sizeof(ls_per_options)},
    .statistics = 1,
    .statistic = {"mean"},
    .learn = learn,
    .ready = ready};
