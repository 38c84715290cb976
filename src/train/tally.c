#include <string.h>

#include "train/trainer.h"

/* Arrays of the layout live in the pool, the two buffers of converted numbers apart. */
static ls_status take(ls_pool *pool, size_t count, size_t size, void *out) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(pool, count * size, &memory));
    memcpy(out, &memory, sizeof memory);
    return LS_OK;
}

/* loss.LAYER, and loss.LAYER.LOSS where several losses judge the layer. */
static ls_status name_losses(ls_tally *tally, ls_pool *pool) {
    size_t losses = ls_model_losses(tally->model);
    tally->losses = losses > 1 ? losses : 0;
    tally->names[0] = "loss";
    for (size_t i = 0; i < tally->losses; i++) {
        const ls_model_loss *loss = ls_model_loss_at(tally->model, i);
        size_t judges = 0;
        for (size_t k = 0; k < losses; k++) judges += strcmp(ls_model_loss_at(tally->model, k)->of, loss->of) == 0;
        LS_TRY(ls_pool_format(pool, &tally->names[1 + i], "loss.%s%s%s", loss->of, judges > 1 ? "." : "",
                              judges > 1 ? loss->name : ""));
    }
    tally->sums = tally->values = 1 + tally->losses;
    return LS_OK;
}

static void add_metrics(ls_tally *tally) {
    if (tally->metrics->count == 0) return;
    size_t outputs = ls_shape_size(ls_model_loss_at(tally->model, 0)->shape);
    for (size_t i = 0; i < tally->metrics->count; i++) {
        const ls_metric_type *metric = ls_metric_of(&tally->metrics->items[i]);
        tally->metric_first[i] = tally->sums;
        tally->sums += metric->sums(outputs);
        tally->higher[tally->values] = metric->higher_is_better;
        tally->names[tally->values++] = metric->type.name;
    }
}

ls_status ls__tally_create(ls_model *model, const ls_choices *metrics, const ls_transforms *transforms, size_t rows,
                           ls_pool *pool, ls_tally *out) {
    *out = (ls_tally){.model = model, .metrics = metrics};
    size_t most = 1 + ls_model_losses(model) + metrics->count;
    LS_TRY(take(pool, metrics->count, sizeof *out->metric_first, &out->metric_first));
    LS_TRY(take(pool, most, sizeof *out->names, &out->names));
    LS_TRY(take(pool, most, sizeof *out->higher, &out->higher));
    LS_TRY(name_losses(out, pool));
    add_metrics(out);
    LS_TRY(take(pool, out->sums, sizeof *out->numbers, &out->numbers));
    const ls_model_loss *first = ls_model_loss_at(model, 0);
    if (first->target_kind != LS_LOSS_VALUES) return LS_OK;
    out->units = ls__transform_of(transforms, ls_model_slot(model, first->target)->name);
    if (!out->units) return LS_OK;
    size_t count = rows * ls_shape_size(first->shape);
    void *prediction = NULL, *target = NULL;
    LS_TRY(ls_block_create(count, sizeof(float), "predictions", &prediction));
    out->prediction = prediction;
    LS_TRY(ls_block_create(count, sizeof(float), "targets", &target));
    out->target = target;
    return LS_OK;
}

void ls__tally_destroy(ls_tally *tally) {
    ls_block_destroy(tally->prediction);
    ls_block_destroy(tally->target);
    *tally = (ls_tally){0};
}

static const float *weights_of(const ls_model *model) {
    for (size_t i = 0; i < ls_model_slots(model); i++)
        if (ls_model_slot(model, i)->role == LS_SLOT_WEIGHT) return ls_model_slot(model, i)->values;
    return NULL;
}

ls_metric_view ls__tally_view(const ls_tally *tally, size_t rows) {
    const ls_model_loss *loss = ls_model_loss_at(tally->model, 0);
    ls_metric_view view = {.target = (ls_target)loss->target_kind,
                           .rows = rows,
                           .outputs = ls_shape_size(loss->shape),
                           .prediction = loss->output,
                           .weights = weights_of(tally->model)};
    if (loss->target_kind == LS_LOSS_PAIRS) {
        view.corrupt = loss->corrupt;
        return view;
    }
    const void *target = ls_model_slot(tally->model, loss->target)->values;
    if (loss->target_kind == LS_LOSS_CLASSES) {
        view.classes = target;
        return view;
    }
    view.values = target;
    if (tally->units) {
        ls_preprocess_invert(tally->units, rows, loss->output, tally->prediction);
        ls_preprocess_invert(tally->units, rows, target, tally->target);
        view.prediction = tally->prediction;
        view.values = tally->target;
    }
    return view;
}

static void add_losses(const ls_tally *tally, size_t rows, ls_exchange *exchange) {
    for (size_t i = 0; i < ls_model_losses(tally->model); i++) {
        const ls_model_loss *loss = ls_model_loss_at(tally->model, i);
        ls_sum *total = ls_exchange_sum(exchange, 0);
        ls_sum *single = tally->losses ? ls_exchange_sum(exchange, 1 + i) : NULL;
        for (size_t r = 0; r < rows; r++) {
            ls_sum_add(total, loss->weight * loss->values[r]);
            if (single) ls_sum_add(single, loss->values[r]);
        }
    }
}

void ls__tally_add(const ls_tally *tally, size_t rows, ls_exchange *exchange) {
    if (rows == 0) return;
    add_losses(tally, rows, exchange);
    if (tally->metrics->count == 0) return;
    ls_metric_view view = ls__tally_view(tally, rows);
    for (size_t i = 0; i < tally->metrics->count; i++) {
        const ls_choice *metric = &tally->metrics->items[i];
        ls_metric_of(metric)->accumulate(metric->options, &view, ls_exchange_sum(exchange, tally->metric_first[i]));
    }
}

void ls__tally_values(const ls_tally *tally, const ls_sum *sums, uint64_t samples, double *values) {
    size_t losses = 1 + tally->losses;
    for (size_t i = 0; i < losses; i++) values[i] = ls_sum_value(&sums[i]) / (double)samples;
    size_t outputs = ls_shape_size(ls_model_loss_at(tally->model, 0)->shape);
    for (size_t i = 0; i < tally->metrics->count; i++) {
        const ls_choice *choice = &tally->metrics->items[i];
        const ls_metric_type *metric = ls_metric_of(choice);
        for (size_t k = 0; k < metric->sums(outputs); k++)
            tally->numbers[k] = ls_sum_value(&sums[tally->metric_first[i] + k]);
        values[losses + i] = metric->value(choice->options, outputs, tally->numbers);
    }
}
