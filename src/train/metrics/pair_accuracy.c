#include "train/metric.h"

/* The mean over the outputs of s > s_c; a tie is no success. */
static double row_success(const ls_metric_view *view, size_t row, size_t unused) {
    (void)unused;
    const float *s = view->prediction + row * view->outputs, *corrupt = view->corrupt + row * view->outputs;
    double right = 0;
    for (size_t j = 0; j < view->outputs; j++) right += s[j] > corrupt[j];
    return right / (double)view->outputs;
}

static void accumulate(const void *options, const ls_metric_view *view, ls_sum *sums) {
    (void)options;
    ls__mean_accumulate(view, row_success, 0, sums);
}

const ls_metric_type ls__metric_pair_accuracy = {
    .type = {.name = "pair_accuracy", .doc = "Share of pairs whose true input scores higher than the corrupt one."},
    .higher_is_better = true,
    .targets = LS_LOSS_PAIRS,
    .sums = ls__mean_sums,
    .accumulate = accumulate,
    .value = ls__mean_value,
};
