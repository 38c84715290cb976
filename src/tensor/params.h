/*
 * params.h: what the translation of layouts (compiled for float and for double) asks of the list of parameters.
 */
#ifndef LOCKSTEP_TENSOR_PARAMS_H
#define LOCKSTEP_TENSOR_PARAMS_H

#include "tensor/kernels.h"

const ls_math *ls__params_math(const ls_params *params);

/* Of the shape's first dimension; a scalar is one. */
size_t ls__param_rows(const ls_param *param);

/* What a convolution weight says of its window: channels, filters, kernel and groups. */
ls_window ls__param_window(const ls_param *param);

#endif
