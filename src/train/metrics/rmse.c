#include "train/metric.h"

static void accumulate(const void *options, const ls_metric_view *view, ls_sum *sums) {
    (void)options;
    ls__mean_accumulate(view, ls__row_squared_error, 0, sums);
}

static double value(const void *options, size_t outputs, const double *sums) {
    return __builtin_sqrt(ls__mean_value(options, outputs, sums));
}

const ls_metric_type ls__metric_rmse = {
    .type = {.name = "rmse", .doc = "Root of the mean squared error over the whole set."},
    .higher_is_better = false,
    .targets = LS_LOSS_VALUES,
    .sums = ls__mean_sums,
    .accumulate = accumulate,
    .value = value,
};
