#include "graphs.h"

#include <stdlib.h>

#include "lockstep/memory.h"

void support_cut_part(support_micro *cut, size_t rows, size_t grain, size_t first, size_t end) {
    *cut = (support_micro){0};
    size_t count = (rows + grain - 1) / grain;
    assert_true(end <= count && end - first < 65);
    cut->micro = (ls_microbatches){.count = end - first,
                                   .row = cut->row,
                                   .block = cut->block,
                                   .batch = rows,
                                   .first_sample = first * grain,
                                   .position = 1000,
                                   .epoch = 3};
    for (size_t m = first; m < end; m++) {
        size_t stop = (m + 1) * grain < rows ? (m + 1) * grain : rows;
        cut->row[m - first + 1] = stop - first * grain;
    }
    /* Maximal aligned subtrees: the largest power of two that divides the start and does not pass the end, unless the
       end is the batch's own, where a subtree may be cut short. */
    for (size_t m = first; m < end;) {
        size_t size = 1;
        while (m % (2 * size) == 0 && (m + 2 * size <= end || end == count) && size < count) size *= 2;
        m = m + size < end ? m + size : end;
        cut->block[++cut->micro.blocks] = m - first;
    }
}

void support_cut(support_micro *cut, size_t rows, size_t grain) {
    support_cut_part(cut, rows, grain, 0, (rows + grain - 1) / grain);
}

support_graph support_graph_create(ls_precision precision, const char *math) {
    support_graph g = {.precision = precision};
    const ls_math *found = ls_math_find(math ? math : "exact-scalar");
    assert_non_null(found);
    assert_works(ls_params_create(found, &g.params));
    assert_works(ls_team_create(1, &g.team));
    ls_graph_setup setup = {.params = g.params, .math = found, .team = g.team, .precision = precision, .seed = 7};
    assert_works(ls_graph_create(&setup, &g.graph));
    return g;
}

void support_graph_destroy(support_graph *g) {
    ls_graph_destroy(g->graph);
    ls_params_destroy(g->params);
    ls_team_destroy(g->team);
    ls_block_destroy(g->weights);
    ls_block_destroy(g->gradients);
}

static size_t bytes(const support_graph *g) {
    return g->precision == LS_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
}

void support_graph_ready(support_graph *g, const ls_plan *plan, size_t blocks) {
    assert_works(ls_params_layout(g->params));
    assert_works(ls_graph_plan(g->graph, plan));
    g->stride = ls_params_gradient_arena(g->params);
    g->blocks = blocks;
    assert_works(ls_block_create(ls_params_arena(g->params), bytes(g), "weights", &g->weights));
    assert_works(ls_block_create(blocks * g->stride, bytes(g), "gradients", &g->gradients));
    ls_graph_bind(g->graph, g->weights, g->gradients, g->stride);
}

size_t support_node(support_graph *g, const ls_op *op, const char *name, const void *options, size_t inputs,
                    const size_t *input, size_t params, const ls_param_use *param) {
    size_t node;
    ls_node_spec spec = {op, name, options, inputs, input, params, param};
    assert_works(ls_graph_add(g->graph, &spec, &node));
    return node;
}

size_t support_input(support_graph *g, const char *name, ls_shape shape, ls_element element) {
    size_t node;
    assert_works(ls_graph_input(g->graph, name, shape, element, &node));
    return node;
}

ls_param_use support_param(support_graph *g, ls_param param) {
    size_t index;
    if (!param.groups) param.groups = 1;
    assert_works(ls_params_add(g->params, &param, &index));
    return (ls_param_use){index, 0};
}

double support_get(const support_graph *g, const void *values, size_t index) {
    return g->precision == LS_PRECISION_DOUBLE ? ((const double *)values)[index]
                                               : (double)((const float *)values)[index];
}

void support_set(const support_graph *g, void *values, size_t index, double value) {
    if (g->precision == LS_PRECISION_DOUBLE)
        ((double *)values)[index] = value;
    else
        ((float *)values)[index] = (float)value;
}

void support_set_param(support_graph *g, size_t index, const double *values) {
    if (g->precision == LS_PRECISION_DOUBLE) {
        ls_param_import_double(g->params, index, values, g->weights);
        return;
    }
    size_t count = ls_shape_size(ls_params_at(g->params, index)->shape);
    float *narrow = malloc(count * sizeof *narrow);
    assert_non_null(narrow);
    for (size_t i = 0; i < count; i++) narrow[i] = (float)values[i];
    ls_param_import(g->params, index, narrow, g->weights);
    free(narrow);
}

void support_get_gradient(support_graph *g, size_t index, size_t blocks, double *values) {
    const ls_param *param = ls_params_at(g->params, index);
    size_t count = ls_shape_size(param->shape);
    double *wide = malloc(count * sizeof *wide);
    float *narrow = malloc(count * sizeof *narrow);
    assert_true(wide && narrow);
    for (size_t i = 0; i < count; i++) values[i] = 0;
    for (size_t u = 0; u < param->uses; u++)
        for (size_t b = 0; b < blocks; b++) {
            size_t shift = b * g->stride + param->use_offset[u] - param->offset;
            if (g->precision == LS_PRECISION_DOUBLE)
                ls_param_export_double(g->params, index, (const double *)g->gradients + shift, wide);
            else
                ls_param_export(g->params, index, (const float *)g->gradients + shift, narrow);
            for (size_t i = 0; i < count; i++)
                values[i] += g->precision == LS_PRECISION_DOUBLE ? wide[i] : (double)narrow[i];
        }
    free(wide);
    free(narrow);
}

void support_draw_params(support_graph *g, uint64_t seed, double low, double high) {
    for (size_t p = 0; p < ls_params_count(g->params); p++) {
        size_t count = ls_shape_size(ls_params_at(g->params, p)->shape);
        double *values = malloc(count * sizeof *values);
        assert_non_null(values);
        for (size_t i = 0; i < count; i++) values[i] = low + (high - low) * 0.5 * (1 + support_random(seed + p, i));
        support_set_param(g, p, values);
        free(values);
    }
}
