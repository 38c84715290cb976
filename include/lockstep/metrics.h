/**
 * metrics.h: how good predictions are: accuracy, error, mean squared error and their kin.
 *
 * A metric is a few sums over samples and a function of them:
 *
 *      accumulate   (view of some samples)  ->  sums += contribution of each sample    every rank, any piece of a set
 *      value        (sums over the set)     ->  one number                             after the sums were exchanged
 *
 * so the root of rmse is taken once, over the whole set, and never of a batch. A contribution depends on its sample
 * alone and is added exactly (sum.h), hence a metric has the same bits for any number of ranks and micro-batches.
 *
 * All functions are local.
 */
#ifndef LOCKSTEP_METRICS_H
#define LOCKSTEP_METRICS_H

#include "lockstep/model.h"
#include "lockstep/sum.h"

/** What predictions are compared with: the loss decides. */
typedef ls_loss_target ls_target;

/** Some samples with what the model says of them. Arrays are borrowed; those that `target` does not use are NULL. */
typedef struct ls_metric_view {
    ls_target target;
    size_t rows, outputs;
    const float *prediction; /* (rows, outputs) scores, logits or values, in the units of `values` */
    const int32_t *classes;  /* CLASSES: (rows), each in 0 .. outputs - 1 */
    const float *values;     /* LABELS: (rows, outputs) of 0 and 1, a logit above 0 says 1; VALUES: (rows, outputs) */
    const float *corrupt;    /* PAIRS: (rows, outputs) scores of the corrupt inputs */
    const float *weights;    /* (rows) how much each sample counts, or NULL: 1 */
} ls_metric_view;

typedef struct ls_metric_type {
    ls_type type;
    bool higher_is_better;
    unsigned targets; /* the ls_loss_target bits it has a meaning for */

    /** How many sums it keeps for so many outputs. */
    size_t (*sums)(size_t outputs);

    /** Adds the contribution of each row. */
    void (*accumulate)(const void *options, const ls_metric_view *view, ls_sum *sums);

    /** The metric of the sums' values; NaN where it is undefined (no samples). */
    double (*value)(const void *options, size_t outputs, const double *sums);
} ls_metric_type;

/** accuracy, error, top_k, pair_accuracy, mse, rmse, mae, r2, precision, recall, f1: the choices of `metrics`. */
extern const ls_family ls_metric_family;

static inline const ls_metric_type *ls_metric_of(const ls_choice *metric) {
    return (const ls_metric_type *)(const void *)metric->type;
}

/** Refuses metrics that mean nothing for this kind of target, naming those that do. `loss` is named in the sentence. */
ls_status ls_metrics_check(const ls_choices *metrics, ls_target target, const char *loss) LS_MUST_USE;

/** The class that scores highest; of equal scores the lowest index. */
size_t ls_metric_argmax(const float *scores, size_t outputs);

/**
 * Counts every row of a view of CLASSES in counts[actual * outputs + predicted]. Whole numbers: ranks may add them in
 * any order.
 */
void ls_confusion_count(const ls_metric_view *view, uint64_t *counts);

#endif
