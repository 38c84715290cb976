/*
 * ops.h: what operators share: words for their checks, draws for their examples, sums over samples.
 *
 * An operator's file is compiled for float and for double. It defines
 *
 *     const ls_op LS_REAL(ls_op_dense) = {.name = "dense", ..., .twin = LS_TWIN(ls_op_dense)};
 */
#ifndef LOCKSTEP_GRAPH_OPS_H
#define LOCKSTEP_GRAPH_OPS_H

#include "lockstep/graph.h"
#include "tensor/kernels.h"

#define LS_TWIN(name) (&name##_double)

extern const ls_op ls_op_dense_double, ls_op_conv2d_double, ls_op_max_pool_double, ls_op_avg_pool_double,
    ls_op_global_avg_pool_double, ls_op_flatten_double, ls_op_reshape_double, ls_op_batch_norm_double,
    ls_op_layer_norm_double, ls_op_dropout_double, ls_op_embedding_double, ls_op_add_double, ls_op_multiply_double,
    ls_op_concat_double, ls_op_sum_double, ls_op_softmax_double, ls_op_power_double, ls_op_sin_double, ls_op_abs_double,
    ls_op_sigmoid_double, ls_op_tanh_double, ls_op_hard_tanh_double, ls_op_softsign_double, ls_op_relu_double,
    ls_op_leaky_relu_double, ls_op_gelu_double, ls_op_cross_entropy_double, ls_op_binary_cross_entropy_double,
    ls_op_mse_double, ls_op_mae_double, ls_op_huber_double, ls_op_hinge_double, ls_op_margin_double;

/* ---- checks: each fails with "what was got, what was expected" ------------------------------------------------ */

/* Input `which` consists of numbers, or of indices. */
ls_status ls__want_element(const ls_op_shapes *shapes, size_t which, ls_element element) LS_MUST_USE;
/* All inputs consist of numbers. */
ls_status ls__want_reals(const ls_op_shapes *shapes) LS_MUST_USE;
/* Input `which` has this rank; `picture` says what the axes are: "(channels, height, width)". */
ls_status ls__want_rank(const ls_op_shapes *shapes, size_t which, size_t rank, const char *picture) LS_MUST_USE;
/* Parameter `which` has this shape in files. */
ls_status ls__want_param(const ls_op_shapes *shapes, size_t which, ls_shape shape) LS_MUST_USE;
/* Both inputs of a loss on values have the same number of elements; sets the output. */
ls_status ls__infer_pairwise_loss(ls_op_shapes *shapes) LS_MUST_USE;
/* One input, output alike; for elementwise operators. */
ls_status ls__infer_same(ls_op_shapes *shapes) LS_MUST_USE;
/* Pooling: the window over an input, and the shape that comes out. */
ls_window ls__pool_window(const ls_op_pool_options *options, ls_shape x);
ls_status ls__infer_pool(ls_op_shapes *shapes) LS_MUST_USE;
/* The extent of the output along one axis. 0: the window does not fit. */
size_t ls__window_steps(size_t extent, size_t kernel, size_t stride, size_t padding, size_t dilation);
ls_status ls__window_fits(const ls_window *window) LS_MUST_USE;

/* A class is out of range: LS_ERR_DATA that names row, value and bound. */
ls_status ls__want_classes(const ls_op_run *run, size_t input, size_t bound) LS_MUST_USE;

/* ---- examples ------------------------------------------------------------------------------------------------- */

/* A whole number in [low, high], the draw `draw` of example `number`. */
size_t ls__pick(uint64_t number, uint32_t draw, size_t low, size_t high);
/* One real input of shape (n) or (c, h, w), drawn in [-1.5, 1.5]. */
void ls__example_any(uint64_t number, ls_op_example *out);
void ls__example_vector(uint64_t number, ls_op_example *out);
void ls__example_image(uint64_t number, ls_op_example *out);
void ls__example_pool(uint64_t number, ls_op_example *out);
/* Predictions and targets of the same shape. */
void ls__example_pair(uint64_t number, ls_op_example *out);
/* Scores of a few classes, and a class. */
void ls__example_classes(uint64_t number, ls_op_example *out);
ls_param ls__example_param(const char *name, ls_role role, ls_layout layout, ls_shape shape);
/* Puts a number in place of the options. */
void ls__example_number(double value, ls_op_example *out);

static inline ls_shape ls__vector(size_t size) {
    return (ls_shape){1, {size}};
}

/* Mixes one side of a kink into a signature (FNV-1a over words). */
static inline void ls__mix(uint64_t *signature, uint64_t side) {
    *signature = (*signature ^ side) * UINT64_C(1099511628211);
}

/* ---- work ----------------------------------------------------------------------------------------------------- */

/* Calls work on all rows, a range per thread. */
void ls__each_row(const ls_op_run *run, void (*work)(const ls_op_run *run, size_t first, size_t end));

static inline const LS_REAL(ls_kernels) * LS_REAL(ls__kernels)(const ls_op_run *run) {
    return run->kernels;
}

static inline LS_REAL(ls_gradient) LS_REAL(ls__gradient)(const ls_op_run *run, size_t param) {
    bool exists = param < run->params;
    return (LS_REAL(ls_gradient)){.base = exists ? run->param[param].gradient : NULL, .stride = run->stride};
}

/* Forward and backward of an operator that is an activation of the kernels (op->activation says which). */
ls_status LS_REAL(ls__activation_forward)(const ls_op_run *run) LS_MUST_USE;
void LS_REAL(ls__activation_backward)(const ls_op_run *run);
/* Kinks of a function of single numbers that has its only one at 0. */
void LS_REAL(ls__kink_at_0)(const ls_op_run *run, uint64_t *signature);
/* Forward and backward of an elementwise function of the kernels. */
ls_status LS_REAL(ls__function_forward)(const ls_op_run *run, ls_function f, double parameter) LS_MUST_USE;
void LS_REAL(ls__function_backward)(const ls_op_run *run, ls_function f, double parameter);

/*
 * A gradient of `count` elements: leaf(context, m, out) assigns the sum over micro-batch m; they are joined in the
 * tree, one result per block. `stack` has room for ls_microbatches_depth() vectors.
 */
void LS_REAL(ls__sum_tree)(const ls_microbatches *micro, size_t count,
                           void (*leaf)(const void *context, size_t m, real *out), const void *context,
                           LS_REAL(ls_gradient) out, real *stack);

#endif
