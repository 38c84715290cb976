/*
 * graphs.h: a graph with everything it needs, for tests of graphs and models.
 */
#ifndef LOCKSTEP_TESTS_GRAPHS_H
#define LOCKSTEP_TESTS_GRAPHS_H

#include "lockstep/graph.h"
#include "support.h"

/** Micro-batches of at most `grain` samples, cut into blocks as the whole batch of one rank would be: one block. */
typedef struct support_micro {
    ls_microbatches micro;
    size_t row[65], block[65];
} support_micro;

/** `rows` samples in micro-batches of `grain`. */
void support_cut(support_micro *cut, size_t rows, size_t grain);
/** Micro-batches [first, end) of a batch of `rows` samples in micro-batches of `grain`, as one rank has them. */
void support_cut_part(support_micro *cut, size_t rows, size_t grain, size_t first, size_t end);

typedef struct support_graph {
    ls_graph *graph;
    ls_params *params;
    ls_team *team;
    ls_precision precision;
    void *weights, *gradients; /* after support_graph_ready() */
    size_t stride, blocks;
} support_graph;

/** A graph of exact arithmetic ("exact-scalar" where `math` is NULL). */
support_graph support_graph_create(ls_precision precision, const char *math);
void support_graph_destroy(support_graph *g);

/** Lays out parameters, plans, allocates arenas of zeros with room for `blocks` gradient blocks, and binds. */
void support_graph_ready(support_graph *g, const ls_plan *plan, size_t blocks);

/** Adds a node; the test fails where this does. */
size_t support_node(support_graph *g, const ls_op *op, const char *name, const void *options, size_t inputs,
                    const size_t *input, size_t params, const ls_param_use *param);
size_t support_input(support_graph *g, const char *name, ls_shape shape, ls_element element);
/** Adds a parameter of layer `layer`. */
ls_param_use support_param(support_graph *g, ls_param param);

/** Sets element `index` (file order) ... all elements of a parameter from doubles. */
void support_set_param(support_graph *g, size_t index, const double *values);
/** The sum over blocks and uses of a parameter's gradient, in file order. */
void support_get_gradient(support_graph *g, size_t index, size_t blocks, double *values);
/** Fills all parameters with draws in [low, high]. */
void support_draw_params(support_graph *g, uint64_t seed, double low, double high);

/** Element access in the graph's precision. */
double support_get(const support_graph *g, const void *values, size_t index);
void support_set(const support_graph *g, void *values, size_t index, double value);

#endif
