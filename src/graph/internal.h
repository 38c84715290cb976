/*
 * internal.h: the graph as its own files see it: graph.c builds, plan.c allocates, run.c computes, print.c and check.c
 * look.
 */
#ifndef LOCKSTEP_GRAPH_INTERNAL_H
#define LOCKSTEP_GRAPH_INTERNAL_H

#include "graph/numbers.h"
#include "lockstep/graph.h"
#include "lockstep/memory.h"

#define LS_NO_SLOT ((size_t)-1)

typedef struct ls__node {
    ls_graph_node view;
    const ls_op *op; /* for the graph's precision; NULL: an input */
    size_t size;     /* elements of one sample */
    uint32_t ordinal;
    bool keep, wanted, seeded;
    bool loss;
    double weight;        /* of the loss */
    size_t sample_weight; /* of the loss: a node or LS_NO_NODE */

    /* By plan.c. Slots are pieces of memory that several nodes may use one after the other. */
    bool active;       /* has a gradient: it or something below is trained or wanted, and a loss lies above */
    bool descends;     /* has a backward to run: an input or a parameter of it has a gradient, too */
    size_t fused_into; /* the activation that this product applies, or LS_NO_NODE */
    size_t consumers;  /* inputs of other nodes that this one is */
    size_t value_slot, gradient_slot;
    size_t cache_offset, cache_bytes;
    size_t *partial_slot; /* one an input: where its contribution waits to be added, or LS_NO_SLOT: assigned directly */
    void *value, *gradient, *cache;
    ls_op_input *in;
    void **partial;
    ls_op_param *par; /* pointers set by ls_graph_bind() */
    size_t need;      /* trained weights that forward reads lie below this offset */
    size_t mark;      /* all gradients at or above this offset are final after this node's backward */
} ls__node;

struct ls_graph {
    ls_graph_setup setup;
    const ls__numbers *numbers;
    const void *kernels;
    ls_pool *pool;
    size_t count, space;
    ls__node *nodes;
    bool finite; /* check every value */

    ls_plan plan;
    bool planned;
    void *values, *gradients, *caches, *scratch;
    size_t top_mark;     /* before the first node of backward */
    const void *weights; /* arenas, by ls_graph_bind() */
    void *arena_gradients;
    size_t stride; /* between gradient blocks */
};

/* Bytes of an element of a node. */
size_t ls__element_bytes(const ls_graph *graph, ls_element element);

/* What the operator of a node works on. */
ls_op_run ls__graph_run(const ls_graph *graph, const ls__node *node, const ls_microbatches *micro, bool training);

/* Backward from seeds that are already in place. */
ls_status ls__graph_descend(ls_graph *graph, const ls_microbatches *micro, ls_ready ready, void *context) LS_MUST_USE;

#endif
