#include "train/metric.h"

/* Sums for each output, and one of the weights behind them. */
enum { OF_RESIDUALS, OF_TARGETS, OF_SQUARES, PER_OUTPUT };

static size_t sums_of(size_t outputs) {
    return PER_OUTPUT * outputs + 1;
}

static void accumulate(const void *options, const ls_metric_view *view, ls_sum *sums) {
    (void)options;
    for (size_t row = 0; row < view->rows; row++) {
        double weight = ls__sample_weight(view, row);
        for (size_t j = 0; j < view->outputs; j++) {
            double y = (double)view->values[row * view->outputs + j];
            double residual = (double)view->prediction[row * view->outputs + j] - y;
            ls_sum *of = sums + PER_OUTPUT * j;
            ls_sum_add(&of[OF_RESIDUALS], weight * residual * residual);
            ls_sum_add(&of[OF_TARGETS], weight * y);
            ls_sum_add(&of[OF_SQUARES], weight * y * y);
        }
        ls_sum_add(&sums[PER_OUTPUT * view->outputs], weight);
    }
}

/* The mean over the outputs of 1 - sum (y - yhat)^2 / sum (y - mean y)^2. Outputs that never vary are left out. */
static double value(const void *options, size_t outputs, const double *sums) {
    (void)options;
    double total = 0, weight = sums[PER_OUTPUT * outputs];
    size_t varying = 0;
    for (size_t j = 0; j < outputs; j++) {
        const double *of = sums + PER_OUTPUT * j;
        double variation = of[OF_SQUARES] - of[OF_TARGETS] * (of[OF_TARGETS] / weight);
        /* What is left of a constant is rounding. */
        if (!(variation > 1e-15 * of[OF_SQUARES])) continue;
        total += 1 - of[OF_RESIDUALS] / variation;
        varying++;
    }
    return varying ? total / (double)varying : NAN;
}

const ls_metric_type ls__metric_r2 = {
    .type = {.name = "r2", .doc = "Share of the targets' variance that is explained."},
    .higher_is_better = true,
    .targets = LS_LOSS_VALUES,
    .sums = sums_of,
    .accumulate = accumulate,
    .value = value,
};
