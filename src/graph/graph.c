/* graph.c: building a graph, and looking at it. */
#include "lockstep/graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "graph/internal.h"

ls_status ls_graph_create(const ls_graph_setup *setup, ls_graph **out) {
    *out = NULL;
    assert(setup->params && setup->math && setup->team);
    ls_graph *graph = calloc(1, sizeof *graph);
    if (!graph) return LS_FAIL(LS_ERR_MEMORY, "no memory for a graph");
    ls_status status = ls_pool_create(&graph->pool);
    if (status != LS_OK) {
        free(graph);
        return status;
    }
    graph->setup = *setup;
    graph->numbers = setup->precision == LS_PRECISION_DOUBLE ? &ls__numbers_of_double : &ls__numbers_of;
    graph->kernels = graph->numbers->kernels(setup->math);
    *out = graph;
    return LS_OK;
}

void ls_graph_destroy(ls_graph *graph) {
    if (!graph) return;
    ls_block_destroy(graph->values);
    ls_block_destroy(graph->gradients);
    ls_block_destroy(graph->caches);
    ls_block_destroy(graph->scratch);
    ls_pool_destroy(graph->pool);
    free(graph->nodes);
    free(graph);
}

size_t ls__element_bytes(const ls_graph *graph, ls_element element) {
    switch (element) {
    case LS_ELEMENT_INDEX: return sizeof(int32_t);
    case LS_ELEMENT_LOSS: return sizeof(double);
    case LS_ELEMENT_REAL: return graph->numbers->bytes;
    }
    return graph->numbers->bytes;
}

/* Appends a node; everything that it points to is in place already. */
static ls_status append(ls_graph *graph, const ls__node *node, size_t *number) {
    if (graph->count == graph->space) {
        size_t space = graph->space ? 2 * graph->space : 32;
        ls__node *nodes = realloc(graph->nodes, space * sizeof *nodes);
        if (!nodes) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu nodes", space);
        graph->nodes = nodes;
        graph->space = space;
    }
    graph->nodes[graph->count] = *node;
    *number = graph->count++;
    graph->planned = false;
    return LS_OK;
}

ls_status ls_graph_input(ls_graph *graph, const char *name, ls_shape shape, ls_element element, size_t *number) {
    assert(element != LS_ELEMENT_LOSS);
    ls__node node = {.size = ls_shape_size(shape), .keep = true, .sample_weight = LS_NO_NODE};
    node.view.shape = shape;
    node.view.element = element;
    LS_TRY(ls_pool_text(graph->pool, name, &node.view.name));
    return append(graph, &node, number);
}

static ls_status copy_bytes(ls_pool *pool, const void *bytes, size_t count, void *out) {
    void *copy = NULL;
    LS_TRY(ls_pool_take(pool, count, &copy));
    if (count) memcpy(copy, bytes, count);
    *(void **)out = copy;
    return LS_OK;
}

static ls_status count_fits(const char *what, size_t count, size_t least, size_t most) {
    if (count >= least && count <= most) return LS_OK;
    if (least == most) return LS_FAIL(LS_ERR_CONFIG, "takes %zu %s, not %zu", least, what, count);
    return LS_FAIL(LS_ERR_CONFIG, "takes %s %zu %s, not %zu", count < least ? "at least" : "at most",
                   count < least ? least : most, what, count);
}

/* Asks the operator for the shape of its output. */
static ls_status infer(const ls_graph *graph, const ls_node_spec *spec, ls_op_shapes *shapes) {
    LS_TRY(count_fits("inputs", spec->inputs, spec->op->least_inputs, spec->op->most_inputs));
    LS_TRY(count_fits("parameters", spec->params, spec->op->least_params, spec->op->most_params));
    ls_shape *shape = NULL;
    ls_element *element = NULL;
    const ls_param **param = NULL;
    LS_TRY(ls_pool_take(graph->pool, spec->inputs * sizeof *shape, (void **)&shape));
    LS_TRY(ls_pool_take(graph->pool, spec->inputs * sizeof *element, (void **)&element));
    LS_TRY(ls_pool_take(graph->pool, spec->params * sizeof *param, (void **)&param));
    for (size_t i = 0; i < spec->inputs; i++) {
        assert(spec->input[i] < graph->count);
        shape[i] = graph->nodes[spec->input[i]].view.shape;
        element[i] = graph->nodes[spec->input[i]].view.element;
    }
    for (size_t i = 0; i < spec->params; i++) param[i] = ls_params_at(graph->setup.params, spec->param[i].index);
    *shapes = (ls_op_shapes){.options = spec->options,
                             .inputs = spec->inputs,
                             .input = shape,
                             .element = element,
                             .params = spec->params,
                             .param = param};
    LS_TRY(spec->op->infer(shapes));
    char text[96];
    if (ls_shape_fits(shapes->output)) return LS_OK;
    return LS_FAIL(LS_ERR_CONFIG, "its value has shape %s; expected at most %zu numbers a sample",
                   ls_shape_text(shapes->output, text, sizeof text), LS_MAX_SIZE);
}

ls_status ls_graph_add(ls_graph *graph, const ls_node_spec *spec, size_t *number) {
    *number = LS_NO_NODE;
    assert(spec->op && spec->name && (spec->options || spec->op->options_size == 0));
    ls_op_shapes shapes;
    LS_TRY(ls_status_prefix(infer(graph, spec, &shapes), "%s", spec->name));
    ls__node node = {.size = ls_shape_size(shapes.output), .sample_weight = LS_NO_NODE};
    node.op = graph->setup.precision == LS_PRECISION_DOUBLE ? spec->op->twin : spec->op;
    assert(node.op);
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].op == node.op) node.ordinal++;
    node.keep = shapes.output_element == LS_ELEMENT_LOSS;
    node.view = (ls_graph_node){.op = spec->op,
                                .shape = shapes.output,
                                .element = shapes.output_element,
                                .inputs = spec->inputs,
                                .params = spec->params,
                                .flops = shapes.flops};
    LS_TRY(ls_pool_text(graph->pool, spec->name, &node.view.name));
    LS_TRY(copy_bytes(graph->pool, spec->options, spec->op->options_size, &node.view.options));
    LS_TRY(copy_bytes(graph->pool, spec->input, spec->inputs * sizeof *spec->input, &node.view.input));
    LS_TRY(copy_bytes(graph->pool, spec->param, spec->params * sizeof *spec->param, &node.view.param));
    LS_TRY(ls_pool_take(graph->pool, spec->inputs * sizeof *node.in, (void **)&node.in));
    LS_TRY(ls_pool_take(graph->pool, spec->inputs * sizeof *node.partial, (void **)&node.partial));
    LS_TRY(ls_pool_take(graph->pool, spec->inputs * sizeof *node.partial_slot, (void **)&node.partial_slot));
    LS_TRY(ls_pool_take(graph->pool, spec->params * sizeof *node.par, (void **)&node.par));
    return append(graph, &node, number);
}

void ls_graph_loss(ls_graph *graph, size_t node, double weight, size_t sample_weight) {
    assert(node < graph->count && graph->nodes[node].view.element == LS_ELEMENT_LOSS);
    assert(sample_weight == LS_NO_NODE || graph->nodes[sample_weight].size == 1);
    graph->nodes[node].loss = true;
    graph->nodes[node].weight = weight;
    graph->nodes[node].sample_weight = sample_weight;
    graph->planned = false;
}

void ls_graph_keep(ls_graph *graph, size_t node) {
    assert(node < graph->count);
    graph->nodes[node].keep = true;
    graph->planned = false;
}

void ls_graph_want_gradient(ls_graph *graph, size_t node) {
    assert(node < graph->count && graph->nodes[node].view.element == LS_ELEMENT_REAL);
    graph->nodes[node].wanted = true;
    graph->planned = false;
}

void ls_graph_want_seed(ls_graph *graph, size_t node) {
    assert(node < graph->count && graph->nodes[node].view.element == LS_ELEMENT_REAL);
    graph->nodes[node].seeded = graph->nodes[node].keep = true;
    graph->planned = false;
}

size_t ls_graph_count(const ls_graph *graph) {
    return graph->count;
}

const ls_graph_node *ls_graph_at(const ls_graph *graph, size_t node) {
    assert(node < graph->count);
    return &graph->nodes[node].view;
}

size_t ls_graph_find(const ls_graph *graph, const char *name) {
    for (size_t i = 0; i < graph->count; i++)
        if (strcmp(graph->nodes[i].view.name, name) == 0) return i;
    return LS_NO_NODE;
}

const ls_params *ls_graph_params(const ls_graph *graph) {
    return graph->setup.params;
}
