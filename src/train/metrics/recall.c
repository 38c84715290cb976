#include "train/metric.h"

static double score(ls__class_counts counts) {
    return counts.actual > 0 ? counts.hits / counts.actual : 0;
}

static double value(const void *options, size_t outputs, const double *sums) {
    (void)options;
    return ls__class_mean(outputs, sums, score);
}

const ls_metric_type ls__metric_recall = {
    .type = {.name = "recall", .doc = "Share of the actual ones that are found, averaged over the classes."},
    .higher_is_better = true,
    .targets = LS_LOSS_CLASSES | LS_LOSS_LABELS,
    .sums = ls__class_sums,
    .accumulate = ls__class_accumulate,
    .value = value,
};
