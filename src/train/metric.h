/*
 * metric.h: what the files of metrics/ share.
 */
#ifndef LOCKSTEP_TRAIN_METRIC_H
#define LOCKSTEP_TRAIN_METRIC_H

#include "lockstep/metrics.h"

extern const ls_metric_type ls__metric_accuracy, ls__metric_error, ls__metric_top_k, ls__metric_pair_accuracy,
    ls__metric_mse, ls__metric_rmse, ls__metric_mae, ls__metric_r2, ls__metric_precision, ls__metric_recall,
    ls__metric_f1;

/* What a sample counts. */
static inline double ls__sample_weight(const ls_metric_view *view, size_t row) {
    return view->weights ? (double)view->weights[row] : 1;
}

/* ---- metrics that are the weighted mean of a number per sample: sums {of weights, of weight times number} ---- */

enum { LS__SUM_OF_WEIGHTS, LS__SUM_OF_VALUES, LS__MEAN_SUMS };

size_t ls__mean_sums(size_t outputs);

/* Adds of_row(view, row, argument) for each row. */
void ls__mean_accumulate(const ls_metric_view *view,
                         double (*of_row)(const ls_metric_view *, size_t row, size_t argument), size_t argument,
                         ls_sum *sums);

double ls__mean_value(const void *options, size_t outputs, const double *sums);

/* The mean over a row's outputs of (yhat - y)^2. */
double ls__row_squared_error(const ls_metric_view *view, size_t row, size_t unused);

/* ---- right and wrong decisions ---- */

/* The share of a row's decisions that are wrong: 0 or 1 for a class, a mean over the outputs for labels. */
double ls__row_error(const ls_metric_view *view, size_t row, size_t unused);

/* ---- metrics that are the plain mean over classes (or labels) of a function of three counts ---- */

typedef struct ls__class_counts {
    double hits;      /* predicted and so */
    double predicted; /* predicted */
    double actual;    /* so */
} ls__class_counts;

size_t ls__class_sums(size_t outputs);
void ls__class_accumulate(const void *options, const ls_metric_view *view, ls_sum *sums);

/* The mean of score(counts) over the classes that occur, predicted or actual; NaN if none does. */
double ls__class_mean(size_t outputs, const double *sums, double (*score)(ls__class_counts counts));

#endif
