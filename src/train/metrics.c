#include "train/metric.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const ls_type *const types[] = {
    &ls__metric_accuracy.type,  &ls__metric_error.type,  &ls__metric_top_k.type, &ls__metric_pair_accuracy.type,
    &ls__metric_mse.type,       &ls__metric_rmse.type,   &ls__metric_mae.type,   &ls__metric_r2.type,
    &ls__metric_precision.type, &ls__metric_recall.type, &ls__metric_f1.type,    NULL,
};

const ls_family ls_metric_family = {.noun = "metric", .types = types};

/* "accuracy, error, top_k": the names of those that mean something for `target`. */
static const char *names_for(ls_target target, char *out, size_t size) {
    size_t length = 0;
    out[0] = '\0';
    for (const ls_type *const *type = types; *type && length < size; type++) {
        const ls_metric_type *metric = (const ls_metric_type *)(const void *)*type;
        if (!(metric->targets & target)) continue;
        int more = snprintf(out + length, size - length, "%s%s", length ? ", " : "", (*type)->name);
        length += more < 0 ? size : (size_t)more;
    }
    return out;
}

ls_status ls_metrics_check(const ls_choices *metrics, ls_target target, const char *loss) {
    for (size_t i = 0; i < metrics->count; i++) {
        const ls_choice *metric = &metrics->items[i];
        char names[256];
        if (!(ls_metric_of(metric)->targets & target))
            return ls_document_fail(metric->place, LS_ERR_CONFIG,
                                    "the metric %s has no meaning with the loss %s; allowed: %s", metric->type->name,
                                    loss, names_for(target, names, sizeof names));
        for (size_t j = 0; j < i; j++)
            if (strcmp(metrics->items[j].type->name, metric->type->name) == 0)
                return ls_document_fail(metric->place, LS_ERR_CONFIG, "the metric %s is listed twice",
                                        metric->type->name);
    }
    return LS_OK;
}

size_t ls_metric_argmax(const float *scores, size_t outputs) {
    size_t best = 0;
    for (size_t j = 1; j < outputs; j++)
        if (scores[j] > scores[best]) best = j;
    return best;
}

void ls_confusion_count(const ls_metric_view *view, uint64_t *counts) {
    assert(view->target == LS_LOSS_CLASSES);
    for (size_t row = 0; row < view->rows; row++) {
        size_t predicted = ls_metric_argmax(view->prediction + row * view->outputs, view->outputs);
        counts[(size_t)view->classes[row] * view->outputs + predicted]++;
    }
}

/* ---- means over samples ---- */

size_t ls__mean_sums(size_t outputs) {
    (void)outputs;
    return LS__MEAN_SUMS;
}

void ls__mean_accumulate(const ls_metric_view *view,
                         double (*of_row)(const ls_metric_view *, size_t row, size_t argument), size_t argument,
                         ls_sum *sums) {
    for (size_t row = 0; row < view->rows; row++) {
        double weight = ls__sample_weight(view, row);
        ls_sum_add(&sums[LS__SUM_OF_WEIGHTS], weight);
        ls_sum_add(&sums[LS__SUM_OF_VALUES], weight * of_row(view, row, argument));
    }
}

double ls__mean_value(const void *options, size_t outputs, const double *sums) {
    (void)options, (void)outputs;
    return sums[LS__SUM_OF_VALUES] / sums[LS__SUM_OF_WEIGHTS];
}

double ls__row_squared_error(const ls_metric_view *view, size_t row, size_t unused) {
    (void)unused;
    const float *prediction = view->prediction + row * view->outputs, *y = view->values + row * view->outputs;
    double total = 0;
    for (size_t j = 0; j < view->outputs; j++) {
        double residual = (double)prediction[j] - (double)y[j];
        total += residual * residual;
    }
    return total / (double)view->outputs;
}

/* ---- decisions ---- */

static bool says_yes(float logit) {
    return logit > 0;
}

static bool is_yes(float label) {
    return label > 0.5f;
}

double ls__row_error(const ls_metric_view *view, size_t row, size_t unused) {
    (void)unused;
    const float *prediction = view->prediction + row * view->outputs;
    if (view->target == LS_LOSS_CLASSES)
        return ls_metric_argmax(prediction, view->outputs) == (size_t)view->classes[row] ? 0 : 1;
    const float *labels = view->values + row * view->outputs;
    double wrong = 0;
    for (size_t j = 0; j < view->outputs; j++) wrong += says_yes(prediction[j]) != is_yes(labels[j]);
    return wrong / (double)view->outputs;
}

/* ---- means over classes ---- */

enum { HITS, PREDICTED, ACTUAL, COUNTS };

size_t ls__class_sums(size_t outputs) {
    return COUNTS * outputs;
}

void ls__class_accumulate(const void *options, const ls_metric_view *view, ls_sum *sums) {
    (void)options;
    for (size_t row = 0; row < view->rows; row++) {
        const float *prediction = view->prediction + row * view->outputs;
        double weight = ls__sample_weight(view, row);
        bool classes = view->target == LS_LOSS_CLASSES;
        size_t best = classes ? ls_metric_argmax(prediction, view->outputs) : 0;
        for (size_t j = 0; j < view->outputs; j++) {
            bool predicted = classes ? j == best : says_yes(prediction[j]);
            bool actual = classes ? j == (size_t)view->classes[row] : is_yes(view->values[row * view->outputs + j]);
            if (predicted && actual) ls_sum_add(&sums[COUNTS * j + HITS], weight);
            if (predicted) ls_sum_add(&sums[COUNTS * j + PREDICTED], weight);
            if (actual) ls_sum_add(&sums[COUNTS * j + ACTUAL], weight);
        }
    }
}

double ls__class_mean(size_t outputs, const double *sums, double (*score)(ls__class_counts counts)) {
    double total = 0;
    size_t occurring = 0;
    for (size_t j = 0; j < outputs; j++) {
        const double *of = sums + COUNTS * j;
        if (of[PREDICTED] + of[ACTUAL] <= 0) continue;
        total += score((ls__class_counts){.hits = of[HITS], .predicted = of[PREDICTED], .actual = of[ACTUAL]});
        occurring++;
    }
    return occurring ? total / (double)occurring : NAN;
}
