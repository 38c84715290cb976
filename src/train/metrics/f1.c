#include "train/metric.h"

static double score(ls__class_counts counts) {
    return 2 * counts.hits / (counts.predicted + counts.actual);
}

static double value(const void *options, size_t outputs, const double *sums) {
    (void)options;
    return ls__class_mean(outputs, sums, score);
}

const ls_metric_type ls__metric_f1 = {
    .type = {.name = "f1", .doc = "Harmonic mean of precision and recall, averaged over the classes."},
    .higher_is_better = true,
    .targets = LS_LOSS_CLASSES | LS_LOSS_LABELS,
    .sums = ls__class_sums,
    .accumulate = ls__class_accumulate,
    .value = value,
};
