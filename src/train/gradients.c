/* The gradient check of a configured model: the same experiment, built once more in double. */
#include <inttypes.h>
#include <string.h>

#include "train/trainer.h"

enum { CHECKED_ROWS = 4, CHECKED_PER_PARAMETER = 64 };

/* Fills the double model's slots with what the float feed packed; integers are as they are. */
static void widen_slots(const ls_model *from, ls_model *to, size_t rows) {
    for (size_t i = 0; i < ls_model_slots(to); i++) {
        const ls_slot *a = ls_model_slot(from, i), *b = ls_model_slot(to, i);
        size_t count = rows * ls_shape_size(a->shape);
        if (a->element == LS_ELEMENT_INDEX) {
            memcpy(b->values, a->values, count * sizeof(int32_t));
            continue;
        }
        const float *narrow = a->values;
        double *wide = b->values;
        for (size_t k = 0; k < count; k++) wide[k] = (double)narrow[k];
    }
}

static ls_status fill(ls_trainer *t, ls_model *precise, size_t rows) {
    ls_plan plan = {.rows = rows, .microbatches = 1};
    LS_TRY(ls_model_plan(t->model, &plan));
    LS_TRY(ls__transforms_fit(&t->transforms, t->data.train, t->comm));
    const ls_data_options *data = &t->experiment->data;
    ls_feed_plan feed_plan = {.model = t->model,
                              .dataset = t->data.train,
                              .transforms = &t->transforms,
                              .data = data,
                              .sampler = ls_sampler_make(data, t->data.train, t->experiment->seed),
                              .rows = rows,
                              .augment = true,
                              .seed = t->experiment->seed,
                              .comm = t->comm,
                              .logger = t->logger};
    ls_loader *feed = NULL;
    LS_TRY(ls__feed_create(&feed_plan, &feed));
    ls_status status = ls_loader_seek(feed, 0, 0);
    if (status == LS_OK) status = ls_loader_fill(feed, 0, 0, rows, NULL);
    if (status == LS_OK) widen_slots(t->model, precise, rows);
    ls_loader_destroy(feed);
    return status;
}

static ls_status check(ls_trainer *t, ls_model *precise, double *weights, double *gradients,
                       ls_gradient_report *report) {
    size_t rows = t->samples < CHECKED_ROWS ? (size_t)t->samples : CHECKED_ROWS;
    ls_plan plan = {.rows = rows, .microbatches = 1, .training = true};
    LS_TRY(ls_model_plan(precise, &plan));
    LS_TRY(ls_model_initialise(precise, 0, 1, weights));
    ls_model_bind(precise, weights, gradients, ls_params_gradient_arena(ls_model_params(precise)));
    LS_TRY(fill(t, precise, rows));
    const size_t row[] = {0, rows}, block[] = {0, 1};
    ls_microbatches micro = {.count = 1, .row = row, .blocks = 1, .block = block, .batch = rows};
    return ls_gradient_check(ls_model_graph(precise), &micro, CHECKED_PER_PARAMETER, report);
}

ls_status ls_trainer_check_gradients(ls_trainer *t, ls_text *out) {
    ls_model *precise = NULL;
    LS_TRY(ls__model_build(t->experiment, t->data.train, t->pool, t->team, t->math, LS_PRECISION_DOUBLE, false,
                           t->logger, &precise));
    const ls_params *params = ls_model_params(precise);
    void *weights = NULL, *gradients = NULL;
    ls_gradient_report report = {0};
    ls_status status = ls_block_create(ls_params_arena(params), sizeof(double), "the parameters", &weights);
    if (status == LS_OK)
        status = ls_block_create(ls_params_gradient_arena(params), sizeof(double), "the gradients", &gradients);
    if (status == LS_OK) status = check(t, precise, weights, gradients, &report);
    if (report.checked || report.skipped) {
        const char *part = report.part ? report.part : "";
        status = ls_status_first(
            status,
            ls_text_add(out, "%-10s %zu elements compared, %zu near a kink skipped; worst %.1e at %s%s%s[%zu]\n",
                        "gradients", report.checked, report.skipped, report.worst, report.owner ? report.owner : "",
                        *part ? "/" : "", part, report.element));
    }
    ls_block_destroy(weights);
    ls_block_destroy(gradients);
    ls_model_destroy(precise);
    return status;
}
