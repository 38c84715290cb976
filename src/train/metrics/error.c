#include "train/metric.h"

static void accumulate(const void *options, const ls_metric_view *view, ls_sum *sums) {
    (void)options;
    ls__mean_accumulate(view, ls__row_error, 0, sums);
}

const ls_metric_type ls__metric_error = {
    .type = {.name = "error", .doc = "Share of wrong decisions (0-1 loss)."},
    .higher_is_better = false,
    .targets = LS_LOSS_CLASSES | LS_LOSS_LABELS,
    .sums = ls__mean_sums,
    .accumulate = accumulate,
    .value = ls__mean_value,
};
