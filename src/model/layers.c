/* layers.c: the table of layers, what they have in common, and how a list of them becomes a graph. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/families.h"
#include "model/internal.h"

static const ls_type *const types[] = {
    &ls__layer_dense.type,
    &ls__layer_conv2d.type,
    &ls__layer_max_pool.type,
    &ls__layer_avg_pool.type,
    &ls__layer_global_avg_pool.type,
    &ls__layer_flatten.type,
    &ls__layer_reshape.type,
    &ls__layer_batch_norm.type,
    &ls__layer_layer_norm.type,
    &ls__layer_dropout.type,
    &ls__layer_embedding.type,
    &ls__layer_add.type,
    &ls__layer_multiply.type,
    &ls__layer_concat.type,
    &ls__layer_softmax.type,
    &ls__layer_power.type,
    &ls__layer_sin.type,
    &ls__layer_abs.type,
    &ls__layer_sigmoid.type,
    &ls__layer_tanh.type,
    &ls__layer_hard_tanh.type,
    &ls__layer_softsign.type,
    &ls__layer_relu.type,
    &ls__layer_leaky_relu.type,
    &ls__layer_gelu.type,
    NULL,
};

static const ls_option common[] = {
    LS_OPTION_NAME(ls_layer_options, name, NULL, "its name; by default its kind and an ordinal, dense_1"),
    LS_OPTION_TEXTS(ls_layer_options, from, NULL, "the layers or inputs it reads; by default the layer before it"),
    LS_OPTION_NAME(ls_layer_options, share, NULL, "an earlier layer of its kind whose parameters it uses"),
    LS_OPTION_BOOL(ls_layer_options, freeze, "false", "its parameters keep their initial values"),
    LS_OPTION_TABLE(ls_layer_options, init, "{}", ls_init_rows, "initial values, instead of those of the model"),
    LS_OPTION_REAL(ls_layer_options, learning_rate_factor, "1", 0, INFINITY, "times the learning rate"),
    LS_OPTION_REAL(ls_layer_options, decay_factor, "1", 0, INFINITY, "times the weight decay"),
    LS_OPTION_END,
};

const ls_family ls_layer_family = {
    .noun = "layer", .types = types, .common = common, .common_size = sizeof(ls_layer_options)};

/* ---- names ---------------------------------------------------------------------------------------------------- */

static size_t find_layer(const ls_model *model, const char *name, size_t end) {
    for (size_t i = 0; i < end; i++)
        if (strcmp(model->layer[i].name, name) == 0) return i;
    return LS_NONE;
}

static size_t find_input(const ls_model *model, const char *name) {
    for (size_t i = 0; i < model->setup.input_count; i++)
        if (strcmp(model->setup.inputs[i].name, name) == 0) return i;
    return LS_NONE;
}

/* The names that a layer may refer to: the layers before it, and the inputs. Ends with NULL. */
static ls_status candidates(const ls_model *model, size_t end, bool inputs, const char *const **out) {
    size_t count = 0;
    const char **names = NULL;
    LS_TRY(ls_pool_take(model->pool, (end + model->setup.input_count + 1) * sizeof *names, (void **)&names));
    for (size_t i = 0; i < end; i++) names[count++] = model->layer[i].name;
    for (size_t i = 0; inputs && i < model->setup.input_count; i++) names[count++] = model->setup.inputs[i].name;
    *out = names;
    return LS_OK;
}

static ls_status unknown(const ls_model *model, size_t which, const char *key, const char *word, bool inputs) {
    const char *const *names = NULL;
    const char *hint;
    LS_TRY(candidates(model, which, inputs, &names));
    LS_TRY(ls__model_hint(model, word, names, &hint));
    bool later = find_layer(model, word, model->layers) != LS_NONE;
    return LS_FAIL(LS_ERR_CONFIG, "%s: %s: %s \"%s\"%s", model->layer[which].name, key,
                   later    ? "there is no earlier layer"
                   : inputs ? "there is no layer or input"
                            : "there is no layer",
                   word, hint);
}

static ls_status give_name(ls_model *model, size_t which) {
    ls__layer *layer = &model->layer[which];
    size_t ordinal = 1;
    for (size_t i = 0; i < which; i++) ordinal += model->layer[i].type == layer->type;
    layer->name = layer->common->name;
    if (!layer->name) LS_TRY(ls_pool_format(model->pool, &layer->name, "%s_%zu", layer->type->type.name, ordinal));
    if (find_layer(model, layer->name, which) != LS_NONE)
        return LS_FAIL(LS_ERR_CONFIG, "there are two layers called \"%s\"", layer->name);
    if (find_input(model, layer->name) != LS_NONE)
        return LS_FAIL(LS_ERR_CONFIG, "layer \"%s\" is called like an input of the data", layer->name);
    return LS_OK;
}

static ls_status refer(ls_model *model, size_t which, const char *word, ls__reference *out) {
    size_t layer = find_layer(model, word, which), input = find_input(model, word);
    if (layer == LS_NONE && input == LS_NONE) return unknown(model, which, "from", word, true);
    *out = (ls__reference){.is_source = layer == LS_NONE, .index = layer == LS_NONE ? input : layer};
    if (layer != LS_NONE) model->layer[layer].used = true;
    return LS_OK;
}

static ls_status resolve_inputs(ls_model *model, size_t which) {
    ls__layer *layer = &model->layer[which];
    const ls_texts *from = &layer->common->from;
    layer->inputs = from->count ? from->count : 1;
    LS_TRY(ls_pool_take(model->pool, layer->inputs * sizeof *layer->input, (void **)&layer->input));
    for (size_t j = 0; j < from->count; j++) LS_TRY(refer(model, which, from->items[j], &layer->input[j]));
    if (from->count) return LS_OK;
    layer->input[0] = (ls__reference){.is_source = which == 0, .index = which ? which - 1 : 0};
    if (which) model->layer[which - 1].used = true;
    return LS_OK;
}

static ls_status resolve_share(ls_model *model, size_t which) {
    ls__layer *layer = &model->layer[which];
    const ls_layer_options *options = layer->common;
    layer->owner = which;
    if (!options->share) return LS_OK;
    size_t owner = find_layer(model, options->share, which);
    if (owner == LS_NONE) return unknown(model, which, "share", options->share, false);
    if (model->layer[owner].type != layer->type)
        return LS_FAIL(LS_ERR_CONFIG, "%s: share: %s is of kind %s, not %s", layer->name, options->share,
                       model->layer[owner].type->type.name, layer->type->type.name);
    bool factors = options->learning_rate_factor != 1 || options->decay_factor != 1;
    if (options->freeze || factors || options->init.weight.type || options->init.bias.type)
        return LS_FAIL(LS_ERR_CONFIG, "%s: freeze, init and factors belong to %s, whose parameters it shares",
                       layer->name, options->share);
    layer->owner = model->layer[owner].owner;
    return LS_OK;
}

/* A layer feeds a rectifier where a reader is one, or passes on what it reads to one. */
static void find_rectifiers(ls_model *model) {
    for (size_t i = model->layers; i-- > 0;) {
        const ls__layer *reader = &model->layer[i];
        if (!reader->type->rectifier && !(reader->type->transparent && reader->feeds_rectifier)) continue;
        for (size_t j = 0; j < reader->inputs; j++)
            if (!reader->input[j].is_source) model->layer[reader->input[j].index].feeds_rectifier = true;
    }
}

ls_status ls__model_resolve(ls_model *model) {
    model->layers = model->options->model.count;
    if (!model->layers) return LS_FAIL(LS_ERR_CONFIG, "model: there are no layers");
    LS_TRY(ls_pool_take(model->pool, model->layers * sizeof *model->layer, (void **)&model->layer));
    for (size_t i = 0; i < model->layers; i++) {
        ls__layer *layer = &model->layer[i];
        layer->choice = &model->options->model.items[i];
        layer->type = (const ls_layer_type *)(const void *)layer->choice->type;
        layer->common = layer->choice->common;
        LS_TRY(ls_document_locate(give_name(model, i), layer->choice->place));
    }
    for (size_t i = 0; i < model->layers; i++) {
        LS_TRY(ls_document_locate(resolve_inputs(model, i), model->layer[i].choice->place));
        LS_TRY(ls_document_locate(resolve_share(model, i), model->layer[i].choice->place));
    }
    find_rectifiers(model);
    return LS_OK;
}

/* ---- parameters ----------------------------------------------------------------------------------------------- */

static ls_status note_start(ls_model *model, ls__start start) {
    if (model->starts == model->start_space) {
        size_t space = model->start_space ? 2 * model->start_space : 32;
        ls__start *items = realloc(model->start, space * sizeof *items);
        if (!items) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu parameters", space);
        model->start = items;
        model->start_space = space;
    }
    model->start[model->starts++] = start;
    return LS_OK;
}

/* The layer's choice, else the model's; a file given for weights holds for everything. */
static ls_choice initialisation(const ls_model *model, const ls_layer_options *options, ls_role role) {
    const ls_choice *weight = options->init.weight.type ? &options->init.weight : &model->options->init.weight;
    const ls_choice *bias = options->init.bias.type ? &options->init.bias : &model->options->init.bias;
    if (role == LS_ROLE_WEIGHT) return *weight;
    if (role == LS_ROLE_BIAS && bias->type) return *bias;
    return ls__init_is_from(weight) ? *weight : (ls_choice){0};
}

static ls_status create_param(ls_model *model, ls__layer *owner, const ls_layer_param *want, size_t *index) {
    const ls_layer_options *options = owner->common;
    ls_param param = {.layer = owner->name,
                      .name = want->name,
                      .shape = want->shape,
                      .role = want->role,
                      .layout = want->layout,
                      .frozen = options->freeze,
                      .groups = want->groups ? want->groups : 1,
                      .fan_in = want->fan_in,
                      .fan_out = want->fan_out,
                      .learning_rate_factor = options->learning_rate_factor,
                      .decay_factor = options->decay_factor,
                      .momentum = want->momentum,
                      .init = initialisation(model, options, want->role),
                      .feeds_rectifier = owner->feeds_rectifier};
    LS_TRY(ls_params_add(model->params, &param, index));
    LS_TRY(note_start(model, (ls__start){.start = want->start, .normal = want->normal}));
    assert(owner->params < LS_LAYER_PARAMS);
    owner->param[owner->params++] = (ls__named_param){want->name, *index};
    return LS_OK;
}

ls_status ls_layer_add_param(ls_layer_build *build, const ls_layer_param *want, ls_param_use *use) {
    ls_model *model = build->model;
    ls__layer *owner = &model->layer[build->layer->owner];
    for (size_t i = 0; i < owner->params; i++) {
        if (strcmp(owner->param[i].name, want->name) != 0) continue;
        use->index = owner->param[i].index;
        const ls_param *param = ls_params_at(model->params, use->index);
        char there[96], here[96];
        if (!ls_shape_equal(param->shape, want->shape))
            return LS_FAIL(LS_ERR_CONFIG, "%s: it shares %s/%s of shape %s, but needs %s", build->name, owner->name,
                           want->name, ls_shape_text(param->shape, there, sizeof there),
                           ls_shape_text(want->shape, here, sizeof here));
        return ls_params_share(model->params, use->index, &use->use);
    }
    if (&model->layer[build->layer->owner] != build->layer)
        return LS_FAIL(LS_ERR_CONFIG, "%s: it shares %s, which has no %s", build->name, owner->name, want->name);
    use->use = 0;
    return create_param(model, owner, want, &use->index);
}

/* ---- building ------------------------------------------------------------------------------------------------- */

ls_status ls_layer_add_node(ls_layer_build *build, const ls_op *op, const void *options, size_t params,
                            const ls_param_use *param) {
    ls_node_spec spec = {.op = op,
                         .name = build->name,
                         .options = options,
                         .inputs = build->inputs,
                         .input = build->input,
                         .params = params,
                         .param = param};
    return ls_graph_add(build->model->graph, &spec, &build->result);
}

static ls_status input_node(ls_model *model, const ls__layer *layer, const ls__reference *reference, size_t *node) {
    if (!reference->is_source) {
        *node = model->layer[reference->index].node[model->branch];
        return LS_OK;
    }
    bool corrupt = model->branch == 1 && reference->index == 0;
    const ls_source *source = corrupt ? model->setup.corrupt : &model->setup.inputs[reference->index];
    size_t entries = 0;
    if (layer->type->input == LS_ELEMENT_INDEX) entries = SIZE_MAX; /* the layer narrows it down */
    ls_status status = ls__model_source_node(model, source, corrupt ? LS_SLOT_CORRUPT : LS_SLOT_INPUT,
                                             layer->type->input, entries, node);
    return ls_status_prefix(status, "%s", layer->name);
}

static ls_status build_layer(ls_model *model, ls__layer *layer) {
    ls_layer_build build = {.model = model,
                            .name = layer->name,
                            .options = layer->choice->options,
                            .inputs = layer->inputs,
                            .layer = layer,
                            .result = LS_NO_NODE};
    size_t *input;
    ls_shape *shape;
    LS_TRY(ls_pool_take(model->pool, layer->inputs * sizeof *input, (void **)&input));
    LS_TRY(ls_pool_take(model->pool, layer->inputs * sizeof *shape, (void **)&shape));
    for (size_t j = 0; j < layer->inputs; j++) {
        LS_TRY(input_node(model, layer, &layer->input[j], &input[j]));
        shape[j] = ls_graph_at(model->graph, input[j])->shape;
    }
    build.input = input;
    build.shape = shape;
    if (model->branch == 1) LS_TRY(ls_pool_format(model->pool, &build.name, "%s@x_c", layer->name));
    LS_TRY(layer->type->op ? ls_layer_add_node(&build, layer->type->op, build.options, 0, NULL)
                           : layer->type->build(&build));
    assert(build.result != LS_NO_NODE);
    layer->node[model->branch] = build.result;
    return LS_OK;
}

ls_status ls__model_build_layers(ls_model *model, size_t branch) {
    model->branch = branch;
    for (size_t i = 0; i < model->layers; i++)
        LS_TRY(ls_document_locate(build_layer(model, &model->layer[i]), model->layer[i].choice->place));
    return LS_OK;
}

void ls__layer_limit_indices(ls_layer_build *build, size_t entries) {
    ls_model *model = build->model;
    for (size_t i = 0; i < model->slots; i++)
        if (model->slot_node[i] == build->input[0] && entries < model->slot[i].entries)
            model->slot[i].entries = entries;
}
