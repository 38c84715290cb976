/*
 * kernels.h: the table of loops that operators are made of.
 *
 * One table per arithmetic and instruction set; operators call through it and never loop over samples for anything that
 * costs time. All arrays are row-major, rows are samples, and have the alignment of LS_ALIGNMENT at row 0 only.
 *
 * The exact tables obey one law, so that they agree to the last bit with the scalar one (the oracle):
 *   products     C[i][j] is one accumulator, acc = fma(A[i][k], B[k][j], acc), k ascending, from the bias or 0;
 *   convolution  a product whose k runs over (channel, kh, kw) forward, over (filter, kh, kw) for dx, and over the
 *                pixels of one sample after the other for dW. Padding is zeros that take part like any other value
 *                (for dx: the border of dy); taps that fall between strides do not exist;
 *   row sums     16 lanes, element j to lane j mod 16, joined as (0+8)(1+9).. then +4, +2, +1;
 *   elementwise  the formula as written, one rounding an operation, fma only where it says fma.
 * Sums over samples go by ls_microbatches: in row order within a micro-batch (one accumulator from 0), then in its
 * tree.
 * A row's result never depends on the other rows, nor anything on the size of the team.
 *
 * The blas tables share everything but the products, which are one GEMM per micro-batch: the shape of a call, and with
 * it the bits, follows from the micro-batch and not from how many of them a rank holds.
 */
#ifndef LOCKSTEP_TENSOR_KERNELS_H
#define LOCKSTEP_TENSOR_KERNELS_H

#include "lockstep/tensor.h"
#include "tensor/real.h"

/** Activations that a product can apply while its tile is in registers. The derivative is a function of a = f(z). */
typedef enum ls_activation {
    LS_ACTIVATION_NONE,
    LS_ACTIVATION_RELU,
    LS_ACTIVATION_LEAKY_RELU,
    LS_ACTIVATION_SIGMOID,
    LS_ACTIVATION_TANH,
    LS_ACTIVATION_HARD_TANH,
    LS_ACTIVATION_SOFTSIGN,
} ls_activation;

/** Elementwise functions of one argument; the derivative takes z and a = f(z). */
typedef enum ls_function {
    LS_FUNCTION_GELU,
    LS_FUNCTION_SIN,
    LS_FUNCTION_ABS,
    LS_FUNCTION_POWER, /* z^parameter */
} ls_function;

/** A convolution or pooling window over (channels, height, width). */
typedef struct ls_window {
    size_t channels, height, width;          /* of the input */
    size_t filters, out_height, out_width;   /* of the output; pooling: filters == channels */
    size_t kernel[2], stride[2], padding[2], dilation[2];
    size_t groups;
} ls_window;

/** Where a parameter gradient goes: one array per block of the micro-batches, `stride` elements apart. */
typedef struct LS_REAL(ls_gradient) {
    real *base;
    size_t stride;
} LS_REAL(ls_gradient);

typedef struct LS_REAL(ls_kernels) {
    const char *name;

    /* -- weights: elements in the arena's layout; translation from and to rows (out, in) -- */
    size_t (*weight_size)(size_t out, size_t in);
    void (*weight_import)(size_t out, size_t in, const real *rows, real *weight);
    void (*weight_export)(size_t out, size_t in, const real *weight, real *rows);

    /* -- products with weights: `micro` bounds the rows; scratch bytes for at most
          `rows` rows in at most `micros` micro-batches on this team -- */
    size_t (*dense_scratch)(const ls_team *team, size_t rows, size_t micros, size_t out, size_t in);
    /* y (rows, out) = f(x (rows, in) W^T + bias); bias may be NULL */
    void (*dense_forward)(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const real *x,
                          const real *weight, const real *bias, ls_activation f, real slope, real *y, void *scratch);
    /* dx (rows, in) = dz (rows, out) W */
    void (*dense_backward_data)(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const real *dz,
                                const real *weight, real *dx, void *scratch);
    /* dW = dz^T x and db = column sums of dz, per micro-batch, joined by the tree, one result per block; db may be
       absent (base NULL) */
    void (*dense_backward_weight)(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const real *x,
                                  const real *dz, LS_REAL(ls_gradient) dw, LS_REAL(ls_gradient) db, void *scratch);

    /* -- convolution (cross-correlation); x (rows, c, h, w), y (rows, filters, oh, ow), weights by conv_import;
          conv_weight_size looks at channels, filters, kernel and groups only -- */
    size_t (*conv_weight_size)(const ls_window *window);
    void (*conv_import)(const ls_window *window, const real *rows, real *weight);
    void (*conv_export)(const ls_window *window, const real *weight, real *rows);
    size_t (*conv_scratch)(const ls_team *team, size_t rows, size_t micros, const ls_window *window);
    void (*conv_forward)(ls_team *team, const ls_microbatches *micro, const ls_window *window, const real *x,
                         const real *weight, const real *bias, ls_activation f, real slope, real *y, void *scratch);
    void (*conv_backward_data)(ls_team *team, const ls_microbatches *micro, const ls_window *window, const real *dz,
                               const real *weight, real *dx, void *scratch);
    void (*conv_backward_weight)(ls_team *team, const ls_microbatches *micro, const ls_window *window, const real *x,
                                 const real *dz, LS_REAL(ls_gradient) dw, LS_REAL(ls_gradient) db, void *scratch);

    /* -- pooling; `where` keeps the position of each maximum (the first in row order); the average divides by the
          window's whole size, padding counted as 0 -- */
    void (*max_pool_forward)(ls_team *team, size_t rows, const ls_window *window, const real *x, real *y,
                             uint32_t *where);
    void (*max_pool_backward)(ls_team *team, size_t rows, const ls_window *window, const real *dy,
                              const uint32_t *where, real *dx);
    void (*avg_pool_forward)(ls_team *team, size_t rows, const ls_window *window, const real *x, real *y);
    void (*avg_pool_backward)(ls_team *team, size_t rows, const ls_window *window, const real *dy, real *dx);

    /* -- elementwise over `count` elements -- */
    void (*activate)(ls_team *team, size_t count, ls_activation f, real slope, const real *z, real *a);
    /* dz = da * f'(a) */
    void (*activate_backward)(ls_team *team, size_t count, ls_activation f, real slope, const real *a, const real *da,
                              real *dz);
    void (*apply)(ls_team *team, size_t count, ls_function f, real parameter, const real *z, real *a);
    /* dz = da * f'(z) */
    void (*apply_backward)(ls_team *team, size_t count, ls_function f, real parameter, const real *z, const real *a,
                           const real *da, real *dz);
    void (*add)(ls_team *team, size_t count, const real *a, const real *b, real *out);      /* out may be a or b */
    void (*multiply)(ls_team *team, size_t count, const real *a, const real *b, real *out); /* out may be a or b */
    void (*scale)(ls_team *team, size_t count, real factor, const real *a, real *out);      /* out may be a */

    /* -- rows -- */
    /* p (rows, n) = softmax of each row of z; log_sum[r] = log sum exp z_r (may be NULL) */
    void (*softmax)(ls_team *team, size_t rows, size_t n, const real *z, real *p, real *log_sum);
    /* dz = p (dp - sum_j dp_j p_j) */
    void (*softmax_backward)(ls_team *team, size_t rows, size_t n, const real *p, const real *dp, real *dz);
    /* y = gain (x - mean) / sqrt(var + epsilon) + shift over each row; mean and 1/sqrt(..) kept for backward */
    void (*layer_norm)(ls_team *team, size_t rows, size_t n, real epsilon, const real *x, const real *gain,
                       const real *shift, real *y, real *mean, real *inverse);
    void (*layer_norm_backward)(ls_team *team, size_t rows, size_t n, const real *x, const real *gain, const real *mean,
                                const real *inverse, const real *dy, real *dx);
} LS_REAL(ls_kernels);

/** The table of an arithmetic. In double it is always the scalar one, whatever `math` is. */
const LS_REAL(ls_kernels) *LS_REAL(ls_math_kernels)(const ls_math *math);

#endif
