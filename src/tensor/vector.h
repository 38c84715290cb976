/*
 * vector.h: the exact table of an instruction set, and that of blas. Included by avx2.c and avx512.c, which differ in
 * their compiler flags only.
 */
#ifndef LOCKSTEP_TENSOR_VECTOR_H
#define LOCKSTEP_TENSOR_VECTOR_H

#include "tensor/conv.h"
#include "tensor/tables.h"

#define VECTOR_PRODUCTS                                                                                              \
    .weight_size = ls__panels_size, .weight_import = ls__panels_import, .weight_export = ls__panels_export,          \
    .dense_scratch = dense_scratch, .dense_forward = dense_forward, .dense_backward_data = dense_backward_data,      \
    .dense_backward_weight = dense_backward_weight, .conv_weight_size = ls__conv_panels_size,                        \
    .conv_import = ls__conv_panels_import, .conv_export = ls__conv_panels_export, .conv_scratch = conv_scratch,      \
    .conv_forward = conv_forward, .conv_backward_data = conv_backward_data,                                          \
    .conv_backward_weight = conv_backward_weight

#endif
