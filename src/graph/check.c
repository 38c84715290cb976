/* check.c: derivatives, one component at a time, and compared with differences. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/internal.h"
#include "tensor/kernels.h"

static void clear_seeds(ls_graph *graph, size_t rows) {
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        if (node->seeded) memset(node->gradient, 0, rows * node->size * graph->numbers->bytes);
    }
}

ls_status ls_graph_jacobian(ls_graph *graph, const ls_microbatches *micro, size_t of, size_t wrt, size_t row,
                            double *out) {
    assert(graph->planned && graph->plan.training && graph->nodes[of].seeded && graph->nodes[wrt].wanted);
    size_t rows = ls_microbatches_rows(micro), n = graph->nodes[wrt].size;
    assert(row < rows);
    for (size_t i = 0; i < graph->count; i++) assert(!graph->nodes[i].loss);
    LS_TRY(ls_graph_forward(graph, micro, true, NULL, NULL));
    for (size_t i = 0; i < graph->nodes[of].size; i++) {
        clear_seeds(graph, rows);
        graph->numbers->set(graph->nodes[of].gradient, row * graph->nodes[of].size + i, 1.0);
        LS_TRY(ls__graph_descend(graph, micro, NULL, NULL));
        for (size_t j = 0; j < n; j++) out[i * n + j] = graph->numbers->get(graph->nodes[wrt].gradient, row * n + j);
    }
    return LS_OK;
}

/* One array whose elements are moved: a parameter, in file order, or an input. */
typedef struct variable {
    size_t param, node; /* one of them is (size_t)-1 */
    size_t count;
    double *values, *analytic;
} variable;

typedef struct checker {
    ls_graph *graph;
    const ls_microbatches *micro;
    size_t most;
    double *seeds;                    /* of all seeded nodes, one after the other: backward overwrites them */
    double *values, *analytic, *part; /* room for the largest variable */
    ls_gradient_report *report;
} checker;

/* The total loss at the present values, and on which side of its kinks every operator is. */
static ls_status evaluate(const checker *check, double *loss, uint64_t *signature) {
    ls_graph *graph = check->graph;
    size_t rows = ls_microbatches_rows(check->micro);
    const double *seed = check->seeds;
    LS_TRY(ls_graph_forward(graph, check->micro, true, NULL, NULL));
    *loss = 0;
    *signature = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < graph->count; i++) {
        const ls__node *node = &graph->nodes[i];
        const double *value = node->value;
        if (node->op && node->op->kinks) {
            ls_op_run run = ls__graph_run(graph, node, check->micro, true);
            node->op->kinks(&run, signature);
        }
        if (node->loss)
            for (size_t r = 0; r < rows; r++) *loss += node->weight / (double)check->micro->batch * value[r];
        if (node->seeded)
            for (size_t k = 0; k < rows * node->size; k++) *loss += *seed++ * value[k];
    }
    return LS_OK;
}

/* Writes the moved values where the graph reads them. */
static void apply(const checker *check, const variable *subject) {
    if (subject->node != LS_NO_NODE) {
        memcpy(check->graph->nodes[subject->node].value, subject->values, subject->count * sizeof(double));
        return;
    }
    ls_param_import_double(check->graph->setup.params, subject->param, subject->values,
                           (double *)(uintptr_t)check->graph->weights);
}

/* A central difference, its two points checked for kinks. */
static ls_status difference(const checker *check, const variable *subject, size_t element, double step, double *slope,
                            uint64_t signature[2]) {
    double here = subject->values[element], above = 0, below = 0;
    subject->values[element] = here + step;
    apply(check, subject);
    ls_status status = evaluate(check, &above, &signature[0]);
    subject->values[element] = here - step;
    apply(check, subject);
    if (status == LS_OK) status = evaluate(check, &below, &signature[1]);
    subject->values[element] = here;
    apply(check, subject);
    *slope = (above - below) / (2 * step);
    return status;
}

static void note(const checker *check, const variable *subject, size_t element, double numeric) {
    ls_gradient_report *report = check->report;
    double analytic = subject->analytic[element];
    double scale = fmax(1.0, fmax(fabs(analytic), fabs(numeric))), error = fabs(analytic - numeric) / scale;
    report->checked++;
    if (isnan(error)) error = INFINITY;
    if (report->owner && error <= report->worst) return;
    const ls_params *params = check->graph->setup.params;
    report->worst = error;
    report->analytic = analytic;
    report->numeric = numeric;
    report->element = element;
    bool is_node = subject->node != LS_NO_NODE;
    report->owner =
        is_node ? check->graph->nodes[subject->node].view.name : ls_params_at(params, subject->param)->layer;
    report->part = is_node ? NULL : ls_params_at(params, subject->param)->name;
}

static ls_status check_subject(const checker *check, const variable *subject) {
    size_t most = check->most && check->most < subject->count ? check->most : subject->count;
    for (size_t k = 0; k < most; k++) {
        size_t element = k * subject->count / most;
        uint64_t wide[2], narrow[2];
        double coarse = 0, fine = 0;
        LS_TRY(difference(check, subject, element, LS_GRADIENT_KINK, &coarse, wide));
        LS_TRY(difference(check, subject, element, LS_GRADIENT_KINK / 2, &fine, narrow));
        if (wide[0] != wide[1] || narrow[0] != narrow[1] || wide[0] != narrow[0])
            check->report->skipped++;
        else
            note(check, subject, element, (4 * fine - coarse) / 3);
    }
    return LS_OK;
}

/* The gradient of a parameter in file order: all blocks, all uses. */
static void collect(const checker *check, size_t index) {
    const ls_graph *graph = check->graph;
    const ls_param *param = ls_params_at(graph->setup.params, index);
    size_t count = ls_shape_size(param->shape);
    memset(check->analytic, 0, count * sizeof(double));
    for (size_t u = 0; u < param->uses; u++)
        for (size_t b = 0; b < check->micro->blocks; b++) {
            const double *block = (const double *)graph->arena_gradients + b * graph->stride;
            ls_param_export_double(graph->setup.params, index, block + (param->use_offset[u] - param->offset),
                                   check->part);
            for (size_t i = 0; i < count; i++) check->analytic[i] += check->part[i];
        }
}

static ls_status check_all(const checker *check) {
    ls_graph *graph = check->graph;
    const ls_params *params = graph->setup.params;
    size_t rows = ls_microbatches_rows(check->micro);
    /* Analytic gradients of everything first: evaluations in between write over what backward reads. */
    double unused;
    uint64_t signature;
    LS_TRY(evaluate(check, &unused, &signature));
    LS_TRY(ls__graph_descend(graph, check->micro, NULL, NULL));
    for (size_t p = 0; p < ls_params_count(params); p++) {
        const ls_param *param = ls_params_at(params, p);
        if (param->frozen || param->role == LS_ROLE_STATISTIC) continue;
        variable subject = {.param = p,
                            .node = LS_NO_NODE,
                            .count = ls_shape_size(param->shape),
                            .values = check->values,
                            .analytic = check->analytic};
        collect(check, p);
        ls_param_export_double(params, p, graph->weights, check->values);
        LS_TRY(check_subject(check, &subject));
    }
    for (size_t i = 0; i < graph->count; i++) {
        ls__node *node = &graph->nodes[i];
        if (node->op || !node->wanted) continue;
        variable subject = {.param = LS_NOT_FOUND,
                            .node = i,
                            .count = rows * node->size,
                            .values = check->values,
                            .analytic = node->gradient};
        memcpy(check->values, node->value, subject.count * sizeof(double));
        LS_TRY(check_subject(check, &subject));
    }
    return LS_OK;
}

/* Room for the largest variable, and a copy of the seeds. */
static ls_status prepare(checker *check) {
    ls_graph *graph = check->graph;
    size_t rows = ls_microbatches_rows(check->micro), largest = 0, seeds = 0;
    for (size_t p = 0; p < ls_params_count(graph->setup.params); p++) {
        size_t size = ls_shape_size(ls_params_at(graph->setup.params, p)->shape);
        if (size > largest) largest = size;
    }
    for (size_t i = 0; i < graph->count; i++) {
        size_t size = rows * graph->nodes[i].size;
        if (graph->nodes[i].wanted && size > largest) largest = size;
        if (graph->nodes[i].seeded) seeds += size;
    }
    LS_TRY(ls_block_create(seeds, sizeof(double), "a gradient check", (void **)&check->seeds));
    LS_TRY(ls_block_create(3 * largest, sizeof(double), "a gradient check", (void **)&check->values));
    check->analytic = check->values + largest;
    check->part = check->analytic + largest;
    double *seed = check->seeds;
    for (size_t i = 0; i < graph->count; i++) {
        const ls__node *node = &graph->nodes[i];
        if (!node->seeded) continue;
        memcpy(seed, node->gradient, rows * node->size * sizeof *seed);
        seed += rows * node->size;
    }
    return LS_OK;
}

ls_status ls_gradient_check(ls_graph *graph, const ls_microbatches *micro, size_t most, ls_gradient_report *report) {
    assert(graph->setup.precision == LS_PRECISION_DOUBLE && graph->planned && graph->plan.training);
    *report = (ls_gradient_report){0};
    checker check = {.graph = graph, .micro = micro, .most = most, .report = report};
    ls_status status = prepare(&check);
    if (status == LS_OK) status = check_all(&check);
    ls_block_destroy(check.seeds);
    ls_block_destroy(check.values);
    LS_TRY(status);
    if (report->worst <= LS_GRADIENT_TOLERANCE) return LS_OK;
    return LS_FAIL(LS_ERR_NUMERIC, "the gradient of %s%s%s, element %zu, is %.12g by backward and %.12g by differences",
                   report->owner, report->part ? "/" : "", report->part ? report->part : "", report->element,
                   report->analytic, report->numeric);
}
