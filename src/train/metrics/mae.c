#include "train/metric.h"

/* The mean over the outputs of |yhat - y|. */
static double row_distance(const ls_metric_view *view, size_t row, size_t unused) {
    (void)unused;
    const float *prediction = view->prediction + row * view->outputs, *y = view->values + row * view->outputs;
    double total = 0;
    for (size_t j = 0; j < view->outputs; j++) total += fabs((double)prediction[j] - (double)y[j]);
    return total / (double)view->outputs;
}

static void accumulate(const void *options, const ls_metric_view *view, ls_sum *sums) {
    (void)options;
    ls__mean_accumulate(view, row_distance, 0, sums);
}

const ls_metric_type ls__metric_mae = {
    .type = {.name = "mae", .doc = "Mean absolute error."},
    .higher_is_better = false,
    .targets = LS_LOSS_VALUES,
    .sums = ls__mean_sums,
    .accumulate = accumulate,
    .value = ls__mean_value,
};
