/*
 * tables.h: the tables that there are, and the products of blas, which each instruction set combines with its loops.
 */
#ifndef LOCKSTEP_TENSOR_TABLES_H
#define LOCKSTEP_TENSOR_TABLES_H

#include "tensor/kernels.h"

#if defined(__x86_64__)
#define LS_VECTOR /* there are tables for AVX2 and AVX-512 */
#endif

extern const LS_REAL(ls_kernels) LS_REAL(ls__scalar_kernels);

#ifndef LS_DOUBLE
extern const ls_kernels ls__scalar_blas_kernels;
#if defined(LS_VECTOR)
extern const ls_kernels ls__avx2_kernels, ls__avx2_blas_kernels;
extern const ls_kernels ls__avx512_kernels, ls__avx512_blas_kernels;
#endif

/* The exact table of the best instruction set of this processor. */
const ls_kernels *ls__exact_kernels(void);

size_t ls__blas_weight_size(size_t out, size_t in);
void ls__blas_copy_rows(size_t out, size_t in, const float *from, float *to);
size_t ls__blas_dense_scratch(const ls_team *team, size_t rows, size_t micros, size_t out, size_t in);
void ls__blas_dense_forward(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *x,
                            const float *weight, const float *bias, ls_activation f, float slope, float *y,
                            void *scratch);
void ls__blas_dense_backward_data(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *dz,
                                  const float *weight, float *dx, void *scratch);
void ls__blas_dense_backward_weight(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *x,
                                    const float *dz, ls_gradient dw, ls_gradient db, void *scratch);
size_t ls__blas_conv_weight_size(const ls_window *window);
void ls__blas_conv_copy_rows(const ls_window *window, const float *from, float *to);
size_t ls__blas_conv_scratch(const ls_team *team, size_t rows, size_t micros, const ls_window *window);
void ls__blas_conv_forward(ls_team *team, const ls_microbatches *micro, const ls_window *window, const float *x,
                           const float *weight, const float *bias, ls_activation f, float slope, float *y,
                           void *scratch);
void ls__blas_conv_backward_data(ls_team *team, const ls_microbatches *micro, const ls_window *window, const float *dz,
                                 const float *weight, float *dx, void *scratch);
void ls__blas_conv_backward_weight(ls_team *team, const ls_microbatches *micro, const ls_window *window,
                                   const float *x, const float *dz, ls_gradient dw, ls_gradient db, void *scratch);

#define BLAS_PRODUCTS                                                                                                \
    .weight_size = ls__blas_weight_size, .weight_import = ls__blas_copy_rows, .weight_export = ls__blas_copy_rows,   \
    .dense_scratch = ls__blas_dense_scratch, .dense_forward = ls__blas_dense_forward,                                \
    .dense_backward_data = ls__blas_dense_backward_data,                                                             \
    .dense_backward_weight = ls__blas_dense_backward_weight, .conv_weight_size = ls__blas_conv_weight_size,          \
    .conv_import = ls__blas_conv_copy_rows, .conv_export = ls__blas_conv_copy_rows,                                  \
    .conv_scratch = ls__blas_conv_scratch, .conv_forward = ls__blas_conv_forward,                                    \
    .conv_backward_data = ls__blas_conv_backward_data, .conv_backward_weight = ls__blas_conv_backward_weight
#endif

#endif
