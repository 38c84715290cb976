/*
 * param_layout.c: between the arena and the layout of files. Compiled for float and for double.
 */
#include <string.h>

#include "tensor/kernels.h"
#include "tensor/params.h"

void LS_REAL(ls_param_import)(const ls_params *params, size_t index, const real *values, real *arena) {
    const ls_param *param = ls_params_at(params, index);
    const LS_REAL(ls_kernels) *kernels = LS_REAL(ls_math_kernels)(ls__params_math(params));
    real *place = arena + param->offset;
    memset(place, 0, param->count * sizeof *place);
    if (param->layout == LS_LAYOUT_DENSE) {
        kernels->weight_import(param->shape.dim[0], param->shape.dim[1], values, place);
    } else if (param->layout == LS_LAYOUT_CONV) {
        ls_window window = ls__param_window(param);
        kernels->conv_import(&window, values, place);
    } else {
        memcpy(place, values, ls_shape_size(param->shape) * sizeof *place);
    }
}

void LS_REAL(ls_param_export)(const ls_params *params, size_t index, const real *arena, real *values) {
    const ls_param *param = ls_params_at(params, index);
    const LS_REAL(ls_kernels) *kernels = LS_REAL(ls_math_kernels)(ls__params_math(params));
    const real *place = arena + param->offset;
    if (param->layout == LS_LAYOUT_DENSE) {
        kernels->weight_export(param->shape.dim[0], param->shape.dim[1], place, values);
    } else if (param->layout == LS_LAYOUT_CONV) {
        ls_window window = ls__param_window(param);
        kernels->conv_export(&window, place, values);
    } else {
        memcpy(values, place, ls_shape_size(param->shape) * sizeof *place);
    }
}
