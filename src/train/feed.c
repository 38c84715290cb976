#include <string.h>

#include "train/trainer.h"

/* ---- transforms -------------------------------------------------------------------------------------------------- */

static bool is_value_target(const ls_model *model, size_t slot) {
    for (size_t i = 0; i < ls_model_losses(model); i++) {
        const ls_model_loss *loss = ls_model_loss_at(model, i);
        if (loss->target == slot) return loss->target_kind == LS_LOSS_VALUES;
    }
    return false;
}

/* Which choice of preprocessing a slot takes; NULL: none. */
static const ls_choice *choice_of(const ls_data_options *options, const ls_model *model, size_t index) {
    const ls_slot *slot = ls_model_slot(model, index);
    if (slot->element != LS_ELEMENT_REAL) return NULL;
    switch (slot->role) {
    case LS_SLOT_INPUT: return &options->preprocess;
    case LS_SLOT_TARGET: return is_value_target(model, index) ? &options->preprocess_y : NULL;
    case LS_SLOT_CORRUPT: /* goes through the same parameters as x, hence through the same preprocessing */
    case LS_SLOT_WEIGHT: return NULL;
    }
    return NULL;
}

ls_status ls__transforms_create(const ls_data_options *options, const ls_model *model, const ls_dataset *dataset,
                                ls_pool *pool, ls_transforms *out) {
    *out = (ls_transforms){0};
    size_t slots = ls_model_slots(model);
    void *fields = NULL, *items = NULL;
    LS_TRY(ls_pool_take(pool, slots * sizeof *out->field, &fields));
    LS_TRY(ls_pool_take(pool, slots * sizeof *out->item, &items));
    out->field = fields;
    out->item = items;
    for (size_t i = 0; i < slots; i++) {
        const ls_choice *choice = choice_of(options, model, i);
        const ls_slot *slot = ls_model_slot(model, i);
        if (!choice || !choice->type || (dataset && ls_dataset_find(dataset, slot->name) == LS_NOT_FOUND)) continue;
        ls_preprocess *item = NULL;
        LS_TRY(ls_preprocess_create(choice, slot->shape, &item));
        if (ls_preprocess_is_identity(item)) {
            ls_preprocess_destroy(item);
            continue;
        }
        out->field[out->count] = slot->name;
        out->item[out->count++] = item;
    }
    return LS_OK;
}

ls_status ls__transforms_fit(ls_transforms *transforms, const ls_dataset *train, ls_comm *comm) {
    for (size_t i = 0; i < transforms->count; i++)
        LS_TRY(ls_preprocess_fit(transforms->item[i], train, ls_dataset_find(train, transforms->field[i]), comm));
    return LS_OK;
}

void ls__transforms_destroy(ls_transforms *transforms) {
    for (size_t i = 0; i < transforms->count; i++) ls_preprocess_destroy(transforms->item[i]);
    *transforms = (ls_transforms){0};
}

const ls_preprocess *ls__transform_of(const ls_transforms *transforms, const char *field) {
    for (size_t i = 0; i < transforms->count; i++)
        if (strcmp(transforms->field[i], field) == 0) return transforms->item[i];
    return NULL;
}

/* ---- feeds ------------------------------------------------------------------------------------------------------- */

/* A feed is a loader whose fields are the model's slots, in their order and at their places. */
static ls_loader_field field_of_slot(const ls_feed_plan *plan, const ls_slot *slot) {
    bool corrupt = slot->role == LS_SLOT_CORRUPT;
    bool input = slot->role == LS_SLOT_INPUT || corrupt;
    return (ls_loader_field){
        .field = ls_dataset_find(plan->dataset, slot->name),
        .buffer = slot->element == LS_ELEMENT_INDEX ? LS_BUFFER_INDEX : LS_BUFFER_FLOAT,
        .preprocess = ls__transform_of(plan->transforms, corrupt ? "x" : slot->name),
        .augment = plan->augment && input && slot->element == LS_ELEMENT_REAL,
        .entries = slot->entries,
        .into = slot->values,
    };
}

static ls_status weight_scale(const ls_feed_plan *plan, double *scale) {
    const ls_dataset *train = plan->train ? plan->train : plan->dataset;
    size_t field = ls_dataset_find(train, "weight");
    *scale = 1;
    return field == LS_NOT_FOUND ? LS_OK : ls_dataset_weight_scale(train, field, scale);
}

/* What the loader is asked for; `fields` has room for all slots. */
static ls_status plan_loader(const ls_feed_plan *plan, ls_loader_field *fields, ls_loader_plan *out) {
    size_t slots = ls_model_slots(plan->model);
    double scale = 1;
    for (size_t i = 0; i < slots; i++) {
        fields[i] = field_of_slot(plan, ls_model_slot(plan->model, i));
        if (fields[i].field == LS_NOT_FOUND)
            return LS_FAIL(LS_ERR_DATA, "%s has no dataset \"%s\", which the model reads",
                           ls_dataset_name(plan->dataset), ls_model_slot(plan->model, i)->name);
    }
    LS_TRY(weight_scale(plan, &scale));
    *out = (ls_loader_plan){.dataset = plan->dataset,
                            .sampler = plan->sampler,
                            .fields = fields,
                            .field_count = slots,
                            .augment = plan->augment ? &plan->data->augment : NULL,
                            .seed = plan->seed,
                            .weight_scale = scale,
                            .capacity = plan->rows,
                            .batch = plan->batch,
                            .cache = plan->data->cache,
                            .cache_place = plan->data->cache_place,
                            .comm = plan->comm,
                            .log = plan->logger};
    return LS_OK;
}

/* A loader's plan and the fields it points to, which are to be destroyed in all cases. */
static ls_status make_plan(const ls_feed_plan *plan, void **fields, ls_loader_plan *out) {
    LS_TRY(ls_block_create(ls_model_slots(plan->model), sizeof(ls_loader_field), "a loader's fields", fields));
    return plan_loader(plan, *fields, out);
}

ls_status ls__feed_check(const ls_feed_plan *plan) {
    void *fields = NULL;
    ls_loader_plan loader;
    ls_status status = make_plan(plan, &fields, &loader);
    if (status == LS_OK) status = ls_loader_check(&loader);
    ls_block_destroy(fields);
    return status;
}

ls_status ls__feed_inspect(const ls_feed_plan *plan, uint64_t *bytes) {
    void *fields = NULL;
    ls_loader_plan loader;
    ls_status status = make_plan(plan, &fields, &loader);
    if (status == LS_OK) status = ls_loader_inspect(&loader, bytes);
    ls_block_destroy(fields);
    return status;
}

ls_status ls__feed_create(const ls_feed_plan *plan, ls_loader **out) {
    *out = NULL;
    void *fields = NULL;
    ls_loader_plan loader;
    ls_status status = make_plan(plan, &fields, &loader);
    if (status == LS_OK) status = ls_loader_create(&loader, out);
    ls_block_destroy(fields);
    return status;
}
