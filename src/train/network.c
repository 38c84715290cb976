/*
 * A checkpoint's network without data: what it reads stands in the checkpoint.
 */
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

struct ls_network {
    ls_pool *pool;
    ls_team *team;
    ls_model *model;
    ls_transforms transforms;
    ls_preprocess *units;
    void *weights;
};

/* ---- what the loss says of the output ------------------------------------------------------------------------ */

const ls_choice *ls__judging_loss(const ls_experiment *experiment, const ls_model *model) {
    for (size_t i = 0; i < experiment->loss.count; i++) {
        const ls_loss_options *common = experiment->loss.items[i].common;
        if (!common->of || ls_model_layer(model, common->of) == ls_model_output_node(model))
            return &experiment->loss.items[i];
    }
    return NULL;
}

ls_status ls__units_restore(const ls_experiment *experiment, ls_model *model, const ls_items *items,
                            ls_preprocess **out) {
    *out = NULL;
    const ls_choice *loss = ls__judging_loss(experiment, model), *choice = &experiment->data.preprocess_y;
    if (!loss || ((const ls_loss_type *)(const void *)loss->type)->target != LS_LOSS_VALUES || !choice->type)
        return LS_OK;
    const ls_loss_options *common = loss->common;
    const char *target = common->target ? common->target : "y";
    ls_shape shape = ls_graph_at(ls_model_graph(model), ls_model_output_node(model))->shape;
    LS_TRY(ls_preprocess_create(choice, shape, out));
    ls_transforms one = {1, &target, out};
    ls_status status = ls_preprocess_is_identity(*out) ? LS_OK : ls__transforms_restore(&one, items);
    if (status == LS_OK && !ls_preprocess_is_identity(*out)) return LS_OK;
    ls_preprocess_destroy(*out);
    *out = NULL;
    return status;
}

/* ---- the network --------------------------------------------------------------------------------------------- */

static const char inputs_path[] = "/state/inputs/";

static bool is_input(const ls_item *item) {
    return strncmp(item->path, inputs_path, strlen(inputs_path)) == 0 && item->dtype == LS_DTYPE_U64 &&
           item->bytes >= sizeof(uint64_t) && item->bytes <= (1 + LS_MAX_RANK) * sizeof(uint64_t);
}

static ls_status list_inputs(ls_pool *pool, const ls_items *items, ls_source **out, size_t *count) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(pool, (ls_items_count(items) + 1) * sizeof **out, &memory));
    *out = memory;
    *count = 0;
    for (size_t i = 0; i < ls_items_count(items); i++) {
        const ls_item *item = ls_items_at(items, i);
        if (!is_input(item)) continue;
        uint64_t numbers[1 + LS_MAX_RANK];
        memcpy(numbers, item->data, item->bytes);
        ls_source *source = &(*out)[(*count)++];
        source->integral = numbers[0] != 0;
        source->shape.rank = item->bytes / sizeof(uint64_t) - 1;
        for (size_t k = 0; k < source->shape.rank; k++) source->shape.dim[k] = (size_t)numbers[1 + k];
        LS_TRY(ls_pool_text(pool, item->path + strlen(inputs_path), &source->name));
    }
    if (*count) return LS_OK;
    return LS_FAIL(LS_ERR_DATA, "the checkpoint does not say what its network reads: it has no %s", inputs_path);
}

/* The first input is the default of the first layer; items come back sorted by name, and "x" is what it is called. */
static void put_x_first(ls_source *sources, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(sources[i].name, "x") != 0) continue;
        ls_source x = sources[i];
        sources[i] = sources[0];
        sources[0] = x;
        return;
    }
}

static ls_status build(ls_network *n, const ls_experiment *experiment, const ls_items *items) {
    ls_source *inputs = NULL;
    size_t count = 0;
    LS_TRY(ls_team_create(1, &n->team));
    LS_TRY(list_inputs(n->pool, items, &inputs, &count));
    put_x_first(inputs, count);
    ls_model_setup setup = {.inputs = inputs,
                            .input_count = count,
                            .inference = true,
                            .math = ls__experiment_math(experiment),
                            .team = n->team,
                            .precision = LS_PRECISION_FLOAT,
                            .seed = experiment->seed};
    void *memory = NULL; /* the options must outlive the model */
    LS_TRY(ls_pool_take(n->pool, sizeof(ls_model_options), &memory));
    ls_model_options *options = memory;
    *options = (ls_model_options){experiment->model, experiment->loss, experiment->init};
    LS_TRY(ls_model_create(options, &setup, &n->model));
    return ls__transforms_create(&experiment->data, n->model, NULL, n->pool, &n->transforms);
}

static ls_status load(ls_network *n, const ls_experiment *experiment, ls_checkpoint *checkpoint) {
    const ls_items *items = ls_checkpoint_items(checkpoint);
    LS_TRY(build(n, experiment, items));
    const ls_params *params = ls_model_params(n->model);
    LS_TRY(ls_block_create(ls_params_arena(params), sizeof(float), "the parameters", &n->weights));
    LS_TRY(ls_checkpoint_read_parameters(checkpoint, params, n->weights));
    LS_TRY(ls__transforms_restore(&n->transforms, items));
    return ls__units_restore(experiment, n->model, items, &n->units);
}

ls_status ls_network_open(const ls_experiment *experiment, const char *path, ls_network **out) {
    *out = NULL;
    ls_network *n = calloc(1, sizeof *n);
    if (!n) return LS_FAIL(LS_ERR_MEMORY, "no memory for a network");
    ls_checkpoint *checkpoint = NULL;
    ls_status status = ls_pool_create(&n->pool);
    if (status == LS_OK) status = ls_checkpoint_open(path, &checkpoint);
    if (status == LS_OK) status = load(n, experiment, checkpoint);
    ls_checkpoint_close(checkpoint);
    if (status == LS_OK)
        *out = n;
    else
        ls_network_close(n);
    return status;
}

void ls_network_close(ls_network *n) {
    if (!n) return;
    ls_model_destroy(n->model);
    ls__transforms_destroy(&n->transforms);
    ls_preprocess_destroy(n->units);
    ls_block_destroy(n->weights);
    ls_team_destroy(n->team);
    ls_pool_destroy(n->pool);
    free(n);
}

ls_model *ls_network_model(const ls_network *n) {
    return n->model;
}

const float *ls_network_weights(const ls_network *n) {
    return n->weights;
}

const ls_preprocess *ls_network_preprocess(const ls_network *n, const char *name) {
    return ls__transform_of(&n->transforms, name);
}

const ls_preprocess *ls_network_units(const ls_network *n) {
    return n->units;
}
