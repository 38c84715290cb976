/* range: z = (x - least) / (largest - least), so the training set lies in [0, 1]. A constant feature becomes 0. */
#include "data/preprocess.h"

static void learn(ls_preprocess *p, const ls_moments *m) {
    for (size_t g = 0; g < p->groups; g++) {
        p->statistic[0].values[g] = m->least[g];
        p->statistic[1].values[g] = m->largest[g];
    }
}

static ls_status ready(ls_preprocess *p) {
    for (size_t g = 0; g < p->groups; g++) {
        double least = p->statistic[0].values[g], largest = p->statistic[1].values[g];
        if (largest < least) return LS_FAIL(LS_ERR_DATA, "range: from %g to %g", least, largest);
        ls__affine_set(p, g, least, largest > least ? 1 / (largest - least) : 0);
    }
    return LS_OK;
}

const ls_preprocess_type ls_preprocess_range = {
    .type = {"range", "map least .. largest to 0 .. 1", ls__per_rows, sizeof(ls_per_options)},
    .statistics = 2,
    .statistic = {"least", "largest"},
    .learn = learn,
    .ready = ready};
