/* run.c: forward up the array of nodes, backward down. Allocates nothing. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "graph/internal.h"
#include "tensor/kernels.h"

void ls_graph_bind(ls_graph *graph, const void *weights, void *gradients, size_t stride) {
    assert(graph->planned);
    size_t bytes = graph->numbers->bytes;
    graph->weights = weights;
    graph->arena_gradients = gradients;
    graph->stride = stride;
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        for (size_t p = 0; p < node->view.params; p++) {
            const ls_param *spec = node->par[p].spec;
            size_t use = node->view.param[p].use;
            node->par[p].value = (const char *)weights + spec->offset * bytes;
            bool has_gradient = gradients && !spec->frozen && graph->plan.training;
            node->par[p].gradient = has_gradient ? (char *)gradients + spec->use_offset[use] * bytes : NULL;
        }
    }
}

void *ls_graph_value(const ls_graph *graph, size_t node) {
    assert(graph->planned && node < graph->count && graph->nodes[node].keep);
    return graph->nodes[node].value;
}

void *ls_graph_gradient(const ls_graph *graph, size_t node) {
    assert(graph->planned && node < graph->count && (graph->nodes[node].wanted || graph->nodes[node].seeded));
    return graph->nodes[node].gradient;
}

void ls_graph_check_finite(ls_graph *graph, bool on) {
    graph->finite = on;
}

ls_op_run ls__graph_run(const ls_graph *graph, const ls__node *node, const ls_microbatches *micro, bool training) {
    ls_op_run run = {
        .op = node->op, .kernels = graph->kernels, .team = graph->setup.team, .micro = micro, .training = training};
    run.rows = micro ? ls_microbatches_rows(micro) : graph->plan.rows;
    run.microbatches = micro ? micro->count : graph->plan.microbatches;
    run.seed = graph->setup.seed;
    run.ordinal = node->ordinal;
    run.options = node->view.options;
    run.inputs = node->view.inputs;
    run.input = node->in;
    run.shape = node->view.shape;
    run.size = node->size;
    run.value = node->value;
    run.gradient = node->gradient;
    run.params = node->view.params;
    run.param = node->par;
    run.stride = graph->stride;
    run.cache = node->cache;
    run.scratch = graph->scratch;
    const ls__node *activation = node->fused_into == LS_NO_NODE ? node : &graph->nodes[node->fused_into];
    run.activation = activation->op->activation;
    if (run.activation && activation->op->options_size)
        run.slope = ((const ls_op_number_options *)activation->view.options)->value;
    return run;
}

/* In finite mode: the first bad value of (rows, size), by row and by sample of the batch. */
static ls_status check_rows(const ls_graph *graph, const ls__node *node, const char *what, const void *values,
                            const ls_microbatches *micro) {
    if (!graph->finite || !values) return LS_OK;
    size_t rows = ls_microbatches_rows(micro);
    const ls__numbers *numbers =
        node->view.element == LS_ELEMENT_LOSS && values == node->value ? &ls__numbers_of_double : graph->numbers;
    size_t bad = numbers->find_bad(rows * node->size, values);
    if (bad == rows * node->size) return LS_OK;
    size_t row = bad / node->size;
    return LS_FAIL(LS_ERR_NUMERIC, "%s: its %s is not finite (%g) in row %zu, sample %zu of the batch", node->view.name,
                   what, numbers->get(values, bad), row, micro->first_sample + row);
}

ls_status ls_graph_forward(ls_graph *graph, const ls_microbatches *micro, bool training, ls_need need, void *context) {
    assert(graph->planned && ls_microbatches_rows(micro) <= graph->plan.rows);
    assert(micro->count <= graph->plan.microbatches && (graph->plan.training || !training));
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        if (node->op && !node->view.fused) {
            if (need) LS_TRY(need(context, node->need));
            ls_op_run run = ls__graph_run(graph, node, micro, training);
            LS_TRY(ls_status_prefix(node->op->forward(&run), "%s", node->view.name));
            if (node->loss && node->sample_weight != LS_NO_NODE)
                graph->numbers->weigh(run.rows, graph->nodes[node->sample_weight].value, node->value);
        }
        if (node->view.element != LS_ELEMENT_INDEX)
            LS_TRY(check_rows(graph, node, node->op ? "value" : "input", node->value, micro));
    }
    return LS_OK;
}

static void seed_losses(ls_graph *graph, const ls_microbatches *micro, const ls__node *node) {
    const void *weight = node->sample_weight == LS_NO_NODE ? NULL : graph->nodes[node->sample_weight].value;
    graph->numbers->seed(ls_microbatches_rows(micro), node->weight / (double)micro->batch, weight, node->gradient);
}

static void add_partials(ls_graph *graph, const ls__node *node, size_t rows) {
    for (size_t j = 0; j < node->view.inputs; j++) {
        if (!node->partial[j]) continue;
        const ls__node *input = &graph->nodes[node->view.input[j]];
        graph->numbers->add(graph->kernels, graph->setup.team, rows * input->size, input->gradient, node->partial[j]);
    }
}

static ls_status check_gradients(const ls_graph *graph, const ls__node *node, const ls_microbatches *micro) {
    if (!graph->finite) return LS_OK;
    for (size_t j = 0; j < node->view.inputs; j++) {
        const ls__node *input = &graph->nodes[node->view.input[j]];
        if (node->in[j].gradient)
            LS_TRY(
                ls_status_prefix(check_rows(graph, input, "gradient", input->gradient, micro), "%s", node->view.name));
    }
    for (size_t p = 0; p < node->view.params; p++) {
        const ls_op_param *param = &node->par[p];
        for (size_t b = 0; param->gradient && b < micro->blocks; b++) {
            const char *block = (const char *)param->gradient + b * graph->stride * graph->numbers->bytes;
            if (graph->numbers->find_bad(param->spec->count, block) < param->spec->count)
                return LS_FAIL(LS_ERR_NUMERIC,
                               "%s: the gradient of %s/%s is not finite, samples %zu to %zu of the batch",
                               node->view.name, param->spec->layer, param->spec->name,
                               micro->first_sample + micro->row[micro->block[b]],
                               micro->first_sample + micro->row[micro->block[b + 1]] - 1);
        }
    }
    return LS_OK;
}

ls_status ls__graph_descend(ls_graph *graph, const ls_microbatches *micro, ls_ready ready, void *context) {
    size_t mark = graph->top_mark;
    if (ready) LS_TRY(ready(context, mark));
    for (size_t i = graph->count; i-- > 0;) {
        ls__node *node = &graph->nodes[i];
        if (!node->descends) continue;
        if (node->loss) seed_losses(graph, micro, node);
        ls_op_run run = ls__graph_run(graph, node, micro, true);
        node->op->backward(&run);
        add_partials(graph, node, run.rows);
        LS_TRY(check_gradients(graph, node, micro));
        if (node->mark < mark) mark = node->mark;
        if (ready) LS_TRY(ready(context, mark));
    }
    return ready && mark > 0 ? ready(context, 0) : LS_OK;
}

ls_status ls_graph_backward(ls_graph *graph, const ls_microbatches *micro, ls_ready ready, void *context) {
    assert(graph->planned && graph->plan.training);
    return ls__graph_descend(graph, micro, ready, context);
}

void ls_statistic_update(const ls_param *param, size_t count, const float *sum, float *running) {
    assert(param->role == LS_ROLE_STATISTIC);
    float kept = (float)(1.0 - param->momentum), taken = (float)(param->momentum / (double)param->uses);
    for (size_t i = 0; i < count; i++) running[i] = kept * running[i] + taken * sum[i];
}
