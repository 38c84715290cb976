/* print.c: a graph as a table, and as a drawing. */

#include "graph/internal.h"

/* Values of a node's parameters, shared ones counted where they are first used. */
static size_t parameters_of(const ls_graph *graph, const ls_graph_node *node) {
    size_t values = 0;
    for (size_t p = 0; p < node->params; p++) {
        const ls_param *param = ls_params_at(graph->setup.params, node->param[p].index);
        if (node->param[p].use == 0 && param->role != LS_ROLE_STATISTIC) values += ls_shape_size(param->shape);
    }
    return values;
}

static const char *kind(const ls_graph_node *node) {
    return node->op ? node->op->name : "input";
}

ls_status ls_graph_print(const ls_graph *graph, ls_text *out) {
    size_t values = 0;
    double flops = 0;
    char shape[96];
    LS_TRY(ls_text_add(out, "%-24s %-20s %-18s %12s %16s\n", "name", "operator", "shape", "parameters", "flop/sample"));
    for (size_t i = 0; i < graph->count; i++) {
        const ls_graph_node *node = &graph->nodes[i].view;
        LS_TRY(ls_text_add(out, "%-24s %-20s %-18s %12zu %16.0f\n", node->name, kind(node),
                           ls_shape_text(node->shape, shape, sizeof shape), parameters_of(graph, node), node->flops));
        values += parameters_of(graph, node);
        flops += node->flops;
    }
    return ls_text_add(out, "%-24s %-20s %-18s %12zu %16.0f\n", "total", "", "", values, flops);
}

ls_status ls_graph_print_dot(const ls_graph *graph, ls_text *out) {
    char shape[96];
    LS_TRY(ls_text_add(out, "digraph model {\n    rankdir=BT;\n    node [shape=box];\n"));
    for (size_t i = 0; i < graph->count; i++) {
        const ls_graph_node *node = &graph->nodes[i].view;
        LS_TRY(ls_text_add(out, "    n%zu [label=\"%s\\n%s %s\"%s];\n", i, node->name, kind(node),
                           ls_shape_text(node->shape, shape, sizeof shape), node->op ? "" : ", style=rounded"));
        for (size_t j = 0; j < node->inputs; j++) LS_TRY(ls_text_add(out, "    n%zu -> n%zu;\n", node->input[j], i));
    }
    return ls_text_add(out, "}\n");
}
