/* model.c: a model's life, its slots, and running it. */
#include "lockstep/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

ls_status ls__model_hint(const ls_model *model, const char *word, const char *const *candidates, const char **out) {
    const char *near = ls_nearest(word, candidates);
    *out = "";
    return near ? ls_pool_format(model->pool, out, " (did you mean \"%s\"?)", near) : LS_OK;
}

ls_status ls__model_source_node(ls_model *model, const ls_source *source, ls_slot_role role, ls_element element,
                                size_t entries, size_t *node) {
    for (size_t i = 0; i < model->slots; i++) {
        const ls_slot *slot = &model->slot[i];
        if (strcmp(slot->name, source->name) != 0 || slot->element != element || slot->role != role) continue;
        /* Two readers of one dataset: indices must suit both. */
        if (entries && entries < slot->entries) model->slot[i].entries = entries;
        *node = model->slot_node[i];
        return LS_OK;
    }
    if (element == LS_ELEMENT_INDEX && !source->integral)
        return LS_FAIL(LS_ERR_DATA, "needs integers, but dataset \"%s\" holds numbers with fractions", source->name);
    LS_TRY(ls_graph_input(model->graph, source->name, source->shape, element, node));
    assert(model->slots < model->slot_space);
    model->slot_node[model->slots] = *node;
    model->slot[model->slots++] =
        (ls_slot){.name = source->name, .role = role, .element = element, .shape = source->shape, .entries = entries};
    return LS_OK;
}

static void warn_unused(const ls_model *model) {
    for (size_t i = 0; i < model->layers; i++) {
        const ls__layer *layer = &model->layer[i];
        if (layer->used) continue;
        ls_place place = layer->choice->place;
        ls_logger_say(model->setup.logger, LS_LOG_WARNING, "%s%s%d:%d: layer %s: nothing uses its output",
                      place.file ? place.file : "", place.file ? ":" : "", place.line, place.column, layer->name);
    }
}

static ls_status build(ls_model *model) {
    const ls_model_setup *setup = &model->setup;
    assert(setup->input_count > 0);
    LS_TRY(ls_params_create(setup->math, &model->params));
    ls_graph_setup graph = {.params = model->params,
                            .math = setup->math,
                            .team = setup->team,
                            .precision = setup->precision,
                            .seed = setup->seed};
    LS_TRY(ls_graph_create(&graph, &model->graph));
    /* Every dataset at most twice (as numbers and as indices), and the weights. */
    model->slot_space = 2 * (setup->input_count + setup->target_count + 1) + 1;
    LS_TRY(ls_pool_take(model->pool, model->slot_space * sizeof *model->slot, (void **)&model->slot));
    LS_TRY(ls_pool_take(model->pool, model->slot_space * sizeof *model->slot_node, (void **)&model->slot_node));
    LS_TRY(ls__model_resolve(model));
    LS_TRY(ls__model_build_layers(model, 0));
    model->layer[model->layers - 1].used = true;
    ls_graph_keep(model->graph, model->layer[model->layers - 1].node[0]);
    if (!setup->inference) LS_TRY(ls__model_build_losses(model));
    warn_unused(model);
    return ls_params_layout(model->params);
}

ls_status ls_model_create(const ls_model_options *options, const ls_model_setup *setup, ls_model **out) {
    *out = NULL;
    ls_model *model = calloc(1, sizeof *model);
    if (!model) return LS_FAIL(LS_ERR_MEMORY, "no memory for a model");
    model->options = options;
    model->setup = *setup;
    ls_status status = ls_pool_create(&model->pool);
    if (status == LS_OK) status = build(model);
    if (status != LS_OK) {
        ls_model_destroy(model);
        return status;
    }
    *out = model;
    return LS_OK;
}

void ls_model_destroy(ls_model *model) {
    if (!model) return;
    ls_graph_destroy(model->graph);
    ls_params_destroy(model->params);
    ls_pool_destroy(model->pool);
    free(model->start);
    free(model);
}

ls_graph *ls_model_graph(ls_model *model) {
    return model->graph;
}

ls_params *ls_model_params(ls_model *model) {
    return model->params;
}

ls_pool *ls_model_pool(ls_model *model) {
    return model->pool;
}

ls_status ls_model_measure(ls_model *model, const ls_plan *plan, ls_graph_memory *out) {
    return ls_graph_measure(model->graph, plan, out);
}

ls_status ls_model_plan(ls_model *model, const ls_plan *plan) {
    LS_TRY(ls_graph_plan(model->graph, plan));
    for (size_t i = 0; i < model->slots; i++) model->slot[i].values = ls_graph_value(model->graph, model->slot_node[i]);
    for (size_t i = 0; i < model->losses; i++) {
        ls_model_loss *loss = &model->loss[i];
        loss->values = ls_graph_value(model->graph, model->loss_node[i]);
        loss->output = ls_graph_value(model->graph, model->loss_output[i]);
        if (model->loss_corrupt[i] != LS_NO_NODE) loss->corrupt = ls_graph_value(model->graph, model->loss_corrupt[i]);
    }
    return LS_OK;
}

void ls_model_bind(ls_model *model, const void *weights, void *gradients, size_t stride) {
    ls_graph_bind(model->graph, weights, gradients, stride);
}

size_t ls_model_slots(const ls_model *model) {
    return model->slots;
}

const ls_slot *ls_model_slot(const ls_model *model, size_t index) {
    assert(index < model->slots);
    return &model->slot[index];
}

ls_status ls_model_forward(ls_model *model, const ls_microbatches *micro, bool training, ls_need need, void *context) {
    return ls_graph_forward(model->graph, micro, training, need, context);
}

ls_status ls_model_backward(ls_model *model, const ls_microbatches *micro, ls_ready ready, void *context) {
    return ls_graph_backward(model->graph, micro, ready, context);
}

size_t ls_model_losses(const ls_model *model) {
    return model->losses;
}

const ls_model_loss *ls_model_loss_at(const ls_model *model, size_t index) {
    assert(index < model->losses);
    return &model->loss[index];
}

size_t ls_model_output_node(const ls_model *model) {
    return model->layer[model->layers - 1].node[0];
}

const void *ls_model_output(const ls_model *model, ls_shape *shape) {
    size_t node = ls_model_output_node(model);
    *shape = ls_graph_at(model->graph, node)->shape;
    return ls_graph_value(model->graph, node);
}

size_t ls_model_layer(const ls_model *model, const char *name) {
    for (size_t i = 0; i < model->layers; i++)
        if (strcmp(model->layer[i].name, name) == 0) return model->layer[i].node[0];
    return LS_NO_NODE;
}
