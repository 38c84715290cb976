/**
 * graph.h: the computational graph: what is computed, in which order, and its derivative.
 *
 * A graph is an array of nodes in creation order. A node applies one operator to nodes that exist already, so the array
 * is sorted: forward walks it up, backward walks the same array down.
 *
 *      node   0 x      1 dense_1   2 relu_1   3 dense_2   4 y       5 cross_entropy
 *             (784) -->(64)------->(64)------>(10)------------------>() one loss a sample
 *                                                         () index -->
 *
 * Shapes are those of one sample; a value is an array (rows, shape), row-major, rows being the samples of this rank.
 * Shapes are inferred and checked when a node is added: what is wrong with a network is said before anything is
 * allocated.
 *
 * A graph lives in phases, each done once and in this order:
 *
 *     build    ls_graph_input, ls_graph_add, ls_graph_loss ...      shapes are checked
 *     plan     ls_graph_plan                                        everything is allocated
 *     bind     ls_graph_bind                                        parameters and gradients are somewhere
 *     run      fill inputs, ls_graph_forward, ls_graph_backward     nothing is allocated, repeat at will
 *
 * Invariants
 *  - Backward of an operator assigns the gradients of its inputs, never adds. Where a node has several consumers (or
 *    one consumer twice) the graph adds the contributions, in the order in which it walks: last consumer first, and
 *    within one consumer by input. So the sum's order is fixed and operators stay simple.
 *  - Nodes that reach no loss, and those that nothing trainable or wanted reaches from below (inputs, frozen parts),
 *    have no gradient.
 *  - Before each node forward says `need(context, end)`: it is about to read trained weights, all below arena offset
 *    `end` (0: none). The first layers' weights have the lowest offsets.
 *  - After each node backward says `ready(context, mark)`: all parameter gradients at or above arena offset `mark` are
 *    final. The marks fall; the last is 0. Statistics of batch normalisation are final when forward returns.
 *  - Everything that is summed over samples is summed within a micro-batch and then over micro-batches in their tree
 *    (tensor.h), and everything random is drawn by global sample position: so a value, a loss or a gradient block does
 *    not depend on which rank computes it, or together with which other micro-batches.
 *
 * Example: y = a (a + b) and its gradient (each call stands within LS_TRY)
 *
 *     ls_graph_input(graph, "a", (ls_shape){0}, LS_ELEMENT_REAL, &a);
 *     ls_graph_input(graph, "b", (ls_shape){0}, LS_ELEMENT_REAL, &b);
 *     ls_graph_add(graph, &(ls_node_spec){&ls_op_add, "s", .inputs = 2, .input = (size_t[]){a, b}}, &s);
 *     ls_graph_add(graph, &(ls_node_spec){&ls_op_multiply, "y", .inputs = 2, .input = (size_t[]){a, s}}, &y);
 *     ls_graph_want_gradient(graph, a);
 *     ls_graph_want_seed(graph, y);
 *     ls_graph_plan(graph, &(ls_plan){.rows = 1, .microbatches = 1, .training = true});
 *     ls_graph_jacobian(graph, &micro, y, a, 0, &slope);
 *
 * All functions are local.
 */
#ifndef LOCKSTEP_GRAPH_H
#define LOCKSTEP_GRAPH_H

#include "lockstep/tensor.h"

typedef struct ls_graph ls_graph;
typedef struct ls_op ls_op;

/** Training is in float. Double is for gradient checks: every operator has a twin. */
typedef enum ls_precision { LS_PRECISION_FLOAT, LS_PRECISION_DOUBLE } ls_precision;

/** What a node's value consists of. */
typedef enum ls_element {
    LS_ELEMENT_REAL,  /* float or double, by the graph's precision */
    LS_ELEMENT_INDEX, /* int32_t: a class or a token; never has a gradient */
    LS_ELEMENT_LOSS,  /* double in either precision, shape (): one loss a sample; its gradient is real */
} ls_element;

/* ---- operators ---------------------------------------------------------------------------------------------- */

/** What an operator is asked before a node exists: are these inputs and parameters right, and what comes out? */
typedef struct ls_op_shapes {
    const void *options; /* the operator's own struct */
    size_t inputs;
    const ls_shape *input;
    const ls_element *element;
    size_t params;
    const ls_param *const *param;
    /* to be set */
    ls_shape output;
    ls_element output_element; /* LS_ELEMENT_REAL unless set */
    double flops;              /* floating-point operations of forward for one sample */
} ls_op_shapes;

typedef struct ls_op_input {
    ls_shape shape;
    size_t size;       /* elements of one sample */
    const void *value; /* (rows, shape), real or int32_t */
    void *gradient;    /* to be assigned by backward; NULL where nobody needs it */
} ls_op_input;

typedef struct ls_op_param {
    const ls_param *spec;
    const void *value; /* at its place in the arena, in the arena's layout */
    void *gradient;    /* of block 0 (block b lies b * stride elements further); NULL: frozen */
} ls_op_param;

/** Everything an operator works on. Pointers to numbers are void: operators assign them to `real *` (tensor/real.h). */
typedef struct ls_op_run {
    const ls_op *op;
    const void *kernels; /* ls_kernels or ls_kernels_double */
    ls_team *team;
    const ls_microbatches *micro; /* NULL while planning */
    size_t rows;                  /* samples; while planning the most there can be */
    size_t microbatches;          /* their count; while planning the most there can be */
    bool training;                /* draw masks, take statistics over the micro-batch; else neither */
    uint64_t seed;
    uint32_t ordinal;    /* of this node among those of its operator: a coordinate of draws */
    const void *options; /* the operator's own struct */
    size_t inputs;
    const ls_op_input *input;
    ls_shape shape; /* of the output */
    size_t size;
    void *value;          /* forward assigns it, backward reads it */
    const void *gradient; /* of the output; backward only */
    size_t params;
    const ls_op_param *param;
    size_t stride;  /* between gradient blocks, in elements */
    void *cache;    /* from forward to backward of the same rows; this node's own */
    void *scratch;  /* shared by all nodes: worthless after return */
    int activation; /* the ls_activation (tensor/kernels.h) that this is, or that a product applies while it writes */
    double slope;   /* its parameter */
} ls_op_run;

/** Bytes that a node needs beside its value and gradient. */
typedef struct ls_op_memory {
    size_t cache, scratch;
} ls_op_memory;

/** A random small instance of an operator, for tests and checks that run over the whole table. */
typedef struct ls_op_example {
    size_t inputs;
    ls_shape input[4];
    ls_element element[4];
    size_t classes[4]; /* index inputs lie in [0, classes) */
    size_t params;
    ls_param param[4];
    double low, high;   /* where real inputs are drawn */
    bool ones;          /* real inputs after the first are 0 or 1: targets of a binary loss */
    double options[32]; /* room for the operator's struct */
} ls_op_example;

/**
 * One operator: one file in src/graph/ops, one line in the table src/graph/ops.c. Sources are compiled twice, for float
 * and (LS_DOUBLE) for double; the float descriptor names its twin.
 */
struct ls_op {
    const char *name;
    const char *doc;                  /* one sentence, with the mathematics */
    size_t least_inputs, most_inputs; /* SIZE_MAX: any number */
    size_t least_params, most_params;
    size_t options_size;
    /* Fails with LS_ERR_CONFIG: got, expected. The graph puts the node's name before it. */
    ls_status (*infer)(ls_op_shapes *shapes);
    /* Bytes of cache and scratch. NULL: none. */
    void (*memory)(const ls_op_run *run, ls_op_memory *out);
    /* Fails only where the data do (a class out of range): LS_ERR_DATA. */
    ls_status (*forward)(const ls_op_run *run);
    /* Assigns every non-NULL input and parameter gradient. NULL: the operator has no derivative. */
    void (*backward)(const ls_op_run *run);
    int activation; /* the ls_activation that it is, its slope being its number option; a product before it may apply
                       it. 0: none */
    bool fuses;     /* a product that applies run->activation */
    /* Mixes into `signature` on which side of its kinks every element lies. NULL: smooth. */
    void (*kinks)(const ls_op_run *run, uint64_t *signature);
    /* The instance number `number` of a series of random ones. */
    void (*example)(uint64_t number, ls_op_example *out);
    const ls_op *twin; /* for double */
};

/** All operators, NULL-terminated, and the one with a name, or NULL. */
extern const ls_op *const ls_ops[];
const ls_op *ls_op_find(const char *name);

extern const ls_op ls_op_dense, ls_op_conv2d, ls_op_max_pool, ls_op_avg_pool, ls_op_global_avg_pool, ls_op_flatten,
    ls_op_reshape, ls_op_batch_norm, ls_op_layer_norm, ls_op_dropout, ls_op_embedding, ls_op_add, ls_op_multiply,
    ls_op_concat, ls_op_sum, ls_op_softmax, ls_op_power, ls_op_sin, ls_op_abs, ls_op_sigmoid, ls_op_tanh,
    ls_op_hard_tanh, ls_op_softsign, ls_op_relu, ls_op_leaky_relu, ls_op_gelu, ls_op_cross_entropy,
    ls_op_binary_cross_entropy, ls_op_mse, ls_op_mae, ls_op_huber, ls_op_hinge, ls_op_margin;

/** Options of the operators that have any. */
typedef struct ls_op_conv2d_options {
    size_t stride[2], padding[2], dilation[2], groups;
} ls_op_conv2d_options;
typedef struct ls_op_pool_options {
    size_t size[2], stride[2], padding[2];
} ls_op_pool_options;
typedef struct ls_op_reshape_options {
    ls_shape shape;
} ls_op_reshape_options;
typedef struct ls_op_norm_options { /* batch_norm, layer_norm */
    double epsilon;
} ls_op_norm_options;
typedef struct ls_op_dropout_options {
    double rate;
} ls_op_dropout_options;
typedef struct ls_op_number_options { /* operators with one number */
    double value; /* power's exponent, leaky_relu's slope, huber's delta, the margin of hinge and margin */
} ls_op_number_options;
typedef struct ls_op_cross_entropy_options {
    double label_smoothing;
    const double *class_weights; /* one a class, borrowed for the graph's life; NULL: all 1 */
} ls_op_cross_entropy_options;

/* ---- build -------------------------------------------------------------------------------------------------- */

typedef struct ls_graph_setup {
    ls_params *params; /* borrowed; may be empty, not NULL */
    const ls_math *math;
    ls_team *team; /* borrowed */
    ls_precision precision;
    uint64_t seed; /* of dropout */
} ls_graph_setup;

ls_status ls_graph_create(const ls_graph_setup *setup, ls_graph **out) LS_MUST_USE;
void ls_graph_destroy(ls_graph *graph);

/** A node that the caller fills before forward. Its number goes to `node`. */
ls_status ls_graph_input(ls_graph *graph, const char *name, ls_shape shape, ls_element element,
                         size_t *node) LS_MUST_USE;

/** One use of a parameter: its number in ls_params and which of its uses this is (0: the first). */
typedef struct ls_param_use {
    size_t index, use;
} ls_param_use;

typedef struct ls_node_spec {
    const ls_op *op;     /* the float descriptor in either precision */
    const char *name;    /* for messages and print; copied */
    const void *options; /* op->options_size bytes, copied; NULL where the size is 0 */
    size_t inputs;
    const size_t *input; /* numbers of nodes that exist */
    size_t params;
    const ls_param_use *param; /* in the operator's order */
} ls_node_spec;

/** Adds a node. LS_ERR_CONFIG "NAME: what is wrong" if shapes do not fit; the graph is then as before. */
ls_status ls_graph_add(ls_graph *graph, const ls_node_spec *spec, size_t *node) LS_MUST_USE;

#define LS_NO_NODE ((size_t)-1)

/**
 * Makes `node` (of LS_ELEMENT_LOSS) a loss: backward starts there with weight / batch, times the sample's weight where
 * `sample_weight` (a real input of shape (), or LS_NO_NODE) is given; the loss's values are multiplied by it, too.
 */
void ls_graph_loss(ls_graph *graph, size_t node, double weight, size_t sample_weight);

/** The value of `node` can be read after forward: not fused away, its memory not reused. Inputs and losses are kept. */
void ls_graph_keep(ls_graph *graph, size_t node);
/** The gradient of `node` (also of an input) is computed, and can be read after backward. */
void ls_graph_want_gradient(ls_graph *graph, size_t node);
/** Backward starts also at `node` (real), with what the caller wrote to ls_graph_gradient(). Losses need no call. */
void ls_graph_want_seed(ls_graph *graph, size_t node);

/* ---- plan --------------------------------------------------------------------------------------------------- */

typedef struct ls_plan {
    size_t rows, microbatches; /* at most so many at once */
    bool training;             /* backward is wanted */
    bool unfused;              /* apply no activation inside a product: the same bits under `exact`, for tests */
} ls_plan;

/** Bytes by purpose, so that `check` can print them before anything is allocated. */
typedef struct ls_graph_memory {
    size_t values, gradients, caches, scratch;
} ls_graph_memory;

/** What ls_graph_plan would allocate. */
ls_status ls_graph_measure(ls_graph *graph, const ls_plan *plan, ls_graph_memory *out) LS_MUST_USE;
/** Allocates everything; a second plan replaces the first. After ls_params_layout(). */
ls_status ls_graph_plan(ls_graph *graph, const ls_plan *plan) LS_MUST_USE;

/* ---- run ---------------------------------------------------------------------------------------------------- */

/**
 * Where the arenas are, in the graph's precision: `weights` has ls_params_arena() elements, gradient block b starts at
 * `gradients` + b * `stride` and has ls_params_gradient_arena() elements (NULL where there is no backward). Gradient
 * memory must be zero before its first use: nobody writes padding.
 */
void ls_graph_bind(ls_graph *graph, const void *weights, void *gradients, size_t stride);

/** The array behind a node: (rows, shape). Inputs are filled here. Borrowed, fixed by the plan. */
void *ls_graph_value(const ls_graph *graph, size_t node);
/** The gradient of a node, where ls_graph_want_gradient() or _seed() was called. */
void *ls_graph_gradient(const ls_graph *graph, size_t node);

typedef ls_status (*ls_need)(void *context, size_t end);

/**
 * Computes all values. `training` (under a plan for it) draws masks and takes statistics over micro-batches, and writes
 * the statistics' ranges of the gradient blocks. Fails on data out of range, in finite mode on the first non-finite
 * value, and where `need` (may be NULL) does.
 */
ls_status ls_graph_forward(ls_graph *graph, const ls_microbatches *micro, bool training, ls_need need,
                           void *context) LS_MUST_USE;

typedef ls_status (*ls_ready)(void *context, size_t mark);

/**
 * After forward with the same micro-batches in training: assigns all gradient blocks. Fails where `ready` (may be NULL)
 * does.
 */
ls_status ls_graph_backward(ls_graph *graph, const ls_microbatches *micro, ls_ready ready, void *context) LS_MUST_USE;

/**
 * In finite mode forward and backward check every value and gradient and fail with LS_ERR_NUMERIC on the first bad one:
 * node, row, sample. It is switched on to repeat a step that went bad; the bits are the same.
 */
void ls_graph_check_finite(ls_graph *graph, bool on);

/**
 * The running averages that batch normalisation keeps (LS_ROLE_STATISTIC). What rides on the reduction are finished
 * averages over the batch, so plain sums suffice. With N the values per channel in the whole batch, and n the values, S
 * the sum and D the sum of squared deviations from the own mean in a micro-batch, micro-batches contribute
 *
 *     mean       S / N                            (their sum: the batch's mean)
 *     variance   D / N * n / max(n - 1, 1)        (their sum: the unbiased variances, averaged with weights n / N)
 *
 * and one update a step is running = (1 - momentum) running + momentum * sum / uses. `sum` is the reduced range, all
 * uses of a shared parameter added; any piece [0, count) of a parameter may be updated on its own. Pure.
 */
void ls_statistic_update(const ls_param *param, size_t count, const float *sum, float *running);

/* ---- look --------------------------------------------------------------------------------------------------- */

/** A node as others may see it: to print, export or check it. */
typedef struct ls_graph_node {
    const char *name;
    const ls_op *op; /* NULL: an input */
    const void *options;
    ls_shape shape;
    ls_element element;
    size_t inputs;
    const size_t *input;
    size_t params;
    const ls_param_use *param;
    double flops;        /* of forward, one sample */
    bool needs_gradient; /* it is wanted, or something below it is trained or wanted (after plan) */
    bool fused;          /* its value is written by its input (after plan) */
} ls_graph_node;

size_t ls_graph_count(const ls_graph *graph);
const ls_graph_node *ls_graph_at(const ls_graph *graph, size_t node);
/** The number of the node with this name, or LS_NO_NODE. */
size_t ls_graph_find(const ls_graph *graph, const char *name);
const ls_params *ls_graph_params(const ls_graph *graph);

/** Appends a table: name, operator, shape, parameters, operations a sample. */
ls_status ls_graph_print(const ls_graph *graph, ls_text *out) LS_MUST_USE;
/** Appends the graph in the language of Graphviz. */
ls_status ls_graph_print_dot(const ls_graph *graph, ls_text *out) LS_MUST_USE;

/* ---- derivatives, checked ----------------------------------------------------------------------------------- */

/**
 * The Jacobian d of / d wrt of row `row` at the present input values: `out` (size of `of`, size of `wrt`), row-major.
 * `of` needs ls_graph_want_seed(), `wrt` ls_graph_want_gradient(). Runs forward once and backward once per component.
 */
ls_status ls_graph_jacobian(ls_graph *graph, const ls_microbatches *micro, size_t of, size_t wrt, size_t row,
                            double *out) LS_MUST_USE;

/** What a gradient check found. */
typedef struct ls_gradient_report {
    size_t checked, skipped;  /* elements of parameters and wanted inputs; skipped: within 1e-4 of a kink */
    double worst;             /* the largest |a - n| / max(1, |a|, |n|) */
    double analytic, numeric; /* there */
    const char *owner;        /* a layer's or an input's name; borrowed from graph and params; NULL: nothing checked */
    const char *part;         /* the layer's parameter, NULL for an input */
    size_t element;           /* its index in file order, in an input row * size + element */
} ls_gradient_report;

#define LS_GRADIENT_TOLERANCE 1e-6
#define LS_GRADIENT_KINK 1e-4

/**
 * Compares backward with central differences, in a graph of double precision planned for training, at its present
 * inputs and bound weights (changed and restored). The loss is the sum over all losses and seeded nodes (with their
 * seeds). Steps of 1e-4 and half that, extrapolated (Richardson): the error is of fourth order. An element whose step
 * of 1e-4 takes any operator across a kink is skipped and counted. At most `most` elements of each parameter, evenly
 * spread (0: all). A difference above LS_GRADIENT_TOLERANCE is a failure LS_ERR_NUMERIC that names the worst element;
 * the report is filled in either case.
 */
ls_status ls_gradient_check(ls_graph *graph, const ls_microbatches *micro, size_t most,
                            ls_gradient_report *report) LS_MUST_USE;

#endif
