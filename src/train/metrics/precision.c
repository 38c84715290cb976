#include "train/metric.h"

static double score(ls__class_counts counts) {
    return counts.predicted > 0 ? counts.hits / counts.predicted : 0;
}

static double value(const void *options, size_t outputs, const double *sums) {
    (void)options;
    return ls__class_mean(outputs, sums, score);
}

const ls_metric_type ls__metric_precision = {
    .type = {.name = "precision", .doc = "Share of right ones among those predicted, averaged over the classes."},
    .higher_is_better = true,
    .targets = LS_LOSS_CLASSES | LS_LOSS_LABELS,
    .sums = ls__class_sums,
    .accumulate = ls__class_accumulate,
    .value = value,
};
