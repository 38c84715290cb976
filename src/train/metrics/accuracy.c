#include "train/metric.h"

static double row_accuracy(const ls_metric_view *view, size_t row, size_t unused) {
    return 1 - ls__row_error(view, row, unused);
}

static void accumulate(const void *options, const ls_metric_view *view, ls_sum *sums) {
    (void)options;
    ls__mean_accumulate(view, row_accuracy, 0, sums);
}

const ls_metric_type ls__metric_accuracy = {
    .type = {.name = "accuracy", .doc = "Share of right decisions."},
    .higher_is_better = true,
    .targets = LS_LOSS_CLASSES | LS_LOSS_LABELS,
    .sums = ls__mean_sums,
    .accumulate = accumulate,
    .value = ls__mean_value,
};
