/*
 * param_layout.c: between the arena and the layout of files. Compiled for float and for double.
 */
#include <assert.h>
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

void LS_REAL(ls_param_export_rows)(const ls_params *params, size_t index, size_t first, size_t count, const real *arena,
                                   real *values) {
    const ls_param *param = ls_params_at(params, index);
    const LS_REAL(ls_kernels) *kernels = LS_REAL(ls_math_kernels)(ls__params_math(params));
    size_t rows = ls__param_rows(param), row = ls_shape_size(param->shape) / rows;
    const real *place = arena + param->offset;
    assert(first % ls_param_part_rows(params, index) == 0 && first <= rows && count <= rows - first);
    if (param->layout == LS_LAYOUT_PLAIN) {
        memcpy(values, place + first * row, count * row * sizeof *values);
    } else if (param->layout == LS_LAYOUT_CONV && param->groups > 1) {
        ls_window window = ls__param_window(param);
        kernels->conv_export(&window, place, values);
    } else {
        /* A convolution of one group has the layout of a dense weight (filters, taps); so has a run of whole parts. */
        kernels->weight_export(count, row, place + first * row, values);
    }
}

void LS_REAL(ls_param_export)(const ls_params *params, size_t index, const real *arena, real *values) {
    LS_REAL(ls_param_export_rows)(params, index, 0, ls__param_rows(ls_params_at(params, index)), arena, values);
}
