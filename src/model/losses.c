/* losses.c: the table of losses, what they have in common, and how they are put on a graph. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "model/families.h"
#include "model/internal.h"

static const ls_type *const types[] = {
    &ls__loss_cross_entropy.type, &ls__loss_binary_cross_entropy.type,
    &ls__loss_mse.type,           &ls__loss_mae.type,
    &ls__loss_huber.type,         &ls__loss_hinge.type,
    &ls__loss_margin.type,        NULL,
};

static const ls_option common[] = {
    LS_OPTION_NAME(ls_loss_options, of, NULL, "the layer whose output is judged; by default the last"),
    LS_OPTION_TEXT(ls_loss_options, target, NULL, "the dataset it is compared with; by default y"),
    LS_OPTION_REAL(ls_loss_options, weight, "1", 0, INFINITY, "its share in the sum of losses"),
    LS_OPTION_END,
};

const ls_family ls_loss_family = {
    .noun = "loss", .types = types, .common = common, .common_size = sizeof(ls_loss_options)};

ls_status ls_loss_add_node(ls_loss_build *build, const ls_op *op, const void *options) {
    size_t second = build->target != LS_NO_NODE ? build->target : build->corrupt;
    ls_node_spec spec = {
        .op = op, .name = build->name, .options = options, .inputs = 2, .input = (size_t[]){build->output, second}};
    return ls_graph_add(build->model->graph, &spec, &build->result);
}

ls_status ls__loss_fit_classes(const ls_loss_build *build) {
    const ls_source *source = build->source;
    size_t outputs = ls_shape_size(build->shape);
    char text[96];
    if (source->shape.rank > 0)
        return LS_FAIL(LS_ERR_DATA, "%s: dataset \"%s\" has shape %s a sample; expected one class a sample",
                       build->name, source->name, ls_shape_text(source->shape, text, sizeof text));
    if (source->classes > outputs)
        return LS_FAIL(LS_ERR_CONFIG, "%s: dataset \"%s\" has %zu classes, but %s has %zu outputs", build->name,
                       source->name, source->classes, ls_graph_at(build->model->graph, build->output)->name, outputs);
    if (build->shape.rank == 1 && source->classes && source->classes < outputs)
        ls_logger_say(build->model->setup.logger, LS_LOG_WARNING,
                      "%s: %s has %zu outputs for the %zu classes of \"%s\"", build->name,
                      ls_graph_at(build->model->graph, build->output)->name, outputs, source->classes, source->name);
    return LS_OK;
}

/* The name: its kind, and an ordinal where there are several of the kind. */
static ls_status name_loss(ls_model *model, size_t which, const char **out) {
    const ls_choices *all = &model->options->loss;
    size_t ordinal = 1, same = 0;
    for (size_t i = 0; i < all->count; i++) {
        bool alike = all->items[i].type == all->items[which].type;
        same += alike;
        ordinal += alike && i < which;
    }
    *out = all->items[which].type->name;
    return same > 1 ? ls_pool_format(model->pool, out, "%s_%zu", *out, ordinal) : LS_OK;
}

static ls_status find_output(ls_model *model, const char *name, const char *of, ls__layer **out) {
    *out = &model->layer[model->layers - 1];
    if (!of) return LS_OK;
    const char **names;
    LS_TRY(ls_pool_take(model->pool, (model->layers + 1) * sizeof *names, (void **)&names));
    for (size_t i = 0; i < model->layers; i++) {
        names[i] = model->layer[i].name;
        if (strcmp(names[i], of) != 0) continue;
        *out = &model->layer[i];
        return LS_OK;
    }
    const char *hint;
    LS_TRY(ls__model_hint(model, of, names, &hint));
    return LS_FAIL(LS_ERR_CONFIG, "%s: of: there is no layer \"%s\"%s", name, of, hint);
}

static ls_status find_target(ls_model *model, const char *name, const char *target, const ls_source **out) {
    const ls_model_setup *setup = &model->setup;
    const char *word = target ? target : "y", **names;
    LS_TRY(ls_pool_take(model->pool, (setup->target_count + 1) * sizeof *names, (void **)&names));
    for (size_t i = 0; i < setup->target_count; i++) {
        names[i] = setup->targets[i].name;
        *out = &setup->targets[i];
        if (strcmp(names[i], word) == 0) return LS_OK;
    }
    const char *hint;
    LS_TRY(ls__model_hint(model, word, names, &hint));
    return LS_FAIL(LS_ERR_DATA, "%s: target: the data have no dataset \"%s\"%s", name, word, hint);
}

/* The whole network once more, on the corrupt twin of the first input, with the same parameters. */
static ls_status need_corrupt(ls_model *model, const char *name) {
    const ls_model_setup *setup = &model->setup;
    if (model->has_corrupt) return LS_OK;
    if (!setup->corrupt)
        return LS_FAIL(LS_ERR_DATA, "%s: it compares inputs with corrupt ones, but data.x_c names no dataset", name);
    char corrupt[96], plain[96];
    if (!ls_shape_equal(setup->corrupt->shape, setup->inputs[0].shape))
        return LS_FAIL(LS_ERR_DATA, "%s: dataset \"%s\" has shape %s, but \"%s\" has %s", name, setup->corrupt->name,
                       ls_shape_text(setup->corrupt->shape, corrupt, sizeof corrupt), setup->inputs[0].name,
                       ls_shape_text(setup->inputs[0].shape, plain, sizeof plain));
    model->has_corrupt = true;
    return ls__model_build_layers(model, 1);
}

static ls_status sample_weights(ls_model *model, size_t *node) {
    static const ls_source weights = {.name = "weight"};
    *node = LS_NO_NODE;
    if (!model->setup.weighted) return LS_OK;
    return ls__model_source_node(model, &weights, LS_SLOT_WEIGHT, LS_ELEMENT_REAL, 0, node);
}

static size_t slot_of(const ls_model *model, size_t node) {
    for (size_t i = 0; i < model->slots; i++)
        if (model->slot_node[i] == node) return i;
    return LS_NOT_FOUND;
}

static ls_status build_loss(ls_model *model, size_t which) {
    const ls_choice *choice = &model->options->loss.items[which];
    const ls_loss_type *type = (const ls_loss_type *)(const void *)choice->type;
    const ls_loss_options *options = choice->common;
    ls_loss_build build = {
        .model = model, .options = choice->options, .target = LS_NO_NODE, .corrupt = LS_NO_NODE, .result = LS_NO_NODE};
    ls__layer *layer;
    size_t weight;
    LS_TRY(name_loss(model, which, &build.name));
    LS_TRY(find_output(model, build.name, options->of, &layer));
    if (type->target == LS_LOSS_PAIRS) LS_TRY(need_corrupt(model, build.name));
    layer->used = true;
    build.output = layer->node[0];
    build.shape = ls_graph_at(model->graph, build.output)->shape;
    if (type->target == LS_LOSS_PAIRS) {
        build.corrupt = layer->node[1];
        ls_graph_keep(model->graph, build.corrupt);
    } else {
        LS_TRY(find_target(model, build.name, options->target, &build.source));
        bool classes = type->target == LS_LOSS_CLASSES;
        ls_status status =
            ls__model_source_node(model, build.source, LS_SLOT_TARGET, classes ? LS_ELEMENT_INDEX : LS_ELEMENT_REAL,
                                  classes ? ls_shape_size(build.shape) : 0, &build.target);
        LS_TRY(ls_status_prefix(status, "%s", build.name));
        if (classes) LS_TRY(ls__loss_fit_classes(&build));
    }
    ls_graph_keep(model->graph, build.output);
    LS_TRY(type->op ? ls_loss_add_node(&build, type->op, build.options) : type->build(&build));
    LS_TRY(sample_weights(model, &weight));
    ls_graph_loss(model->graph, build.result, options->weight, weight);
    model->loss_node[which] = build.result;
    model->loss_output[which] = build.output;
    model->loss_corrupt[which] = build.corrupt;
    model->loss[which] = (ls_model_loss){.name = build.name,
                                         .choice = choice,
                                         .target_kind = type->target,
                                         .weight = options->weight,
                                         .of = layer->name,
                                         .shape = build.shape,
                                         .target = slot_of(model, build.target)};
    return LS_OK;
}

ls_status ls__model_build_losses(ls_model *model) {
    size_t count = model->options->loss.count;
    if (!count) return LS_FAIL(LS_ERR_CONFIG, "loss: there is none");
    LS_TRY(ls_pool_take(model->pool, count * sizeof *model->loss, (void **)&model->loss));
    LS_TRY(ls_pool_take(model->pool, count * sizeof *model->loss_node, (void **)&model->loss_node));
    LS_TRY(ls_pool_take(model->pool, count * sizeof *model->loss_output, (void **)&model->loss_output));
    LS_TRY(ls_pool_take(model->pool, count * sizeof *model->loss_corrupt, (void **)&model->loss_corrupt));
    for (size_t i = 0; i < count; i++)
        LS_TRY(ls_document_locate(build_loss(model, i), model->options->loss.items[i].place));
    model->losses = count;
    return LS_OK;
}
