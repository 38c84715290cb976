/* standardize: z = (x - mean) / sd, the population's standard deviation. A constant feature becomes 0. */
#include "data/preprocess.h"

static ls_status ready(ls_preprocess *p) {
    for (size_t g = 0; g < p->groups; g++) {
        double deviation = p->statistic[1].values[g];
        if (deviation < 0) return LS_FAIL(LS_ERR_DATA, "standardize: a standard deviation is %g", deviation);
        ls__affine_set(p, g, p->statistic[0].values[g], deviation > 0 ? 1 / deviation : 0);
    }
    return LS_OK;
}

const ls_preprocess_type ls_preprocess_standardize = {.type = {"standardize",
                                                               "subtract the mean and divide by the standard deviation",
                                                               ls__per_rows, sizeof(ls_per_options)},
                                                      .statistics = 2,
                                                      .statistic = {"mean", "deviation"},
                                                      .learn = ls__mean_deviation_learn,
                                                      .ready = ready};
