/* scale: z = x / sd, the population's standard deviation. A constant feature tells nothing and becomes 0. */
#include "data/preprocess.h"

/* The mean is what a constant feature comes back as. */
static ls_status ready(ls_preprocess *p) {
    for (size_t g = 0; g < p->groups; g++) {
        double deviation = p->statistic[1].values[g];
        if (deviation < 0) return LS_FAIL(LS_ERR_DATA, "scale: a standard deviation is %g", deviation);
        if (deviation > 0)
            ls__affine_set(p, g, 0, 1 / deviation);
        else
            ls__affine_set(p, g, p->statistic[0].values[g], 0);
    }
    return LS_OK;
}

const ls_preprocess_type ls_preprocess_scale = {
    .type = {"scale", "divide by the standard deviation", ls__per_rows, sizeof(ls_per_options)},
    .statistics = 2,
    .statistic = {"mean", "deviation"},
    .learn = ls__mean_deviation_learn,
    .ready = ready};
