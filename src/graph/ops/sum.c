/*
 * sum: y = the sum of a sample's elements, in order. Backward: dx_i = dy.
 */
#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_reals(shapes));
    shapes->output = (ls_shape){0};
    shapes->flops = (double)ls_shape_size(shapes->input[0]);
    return LS_OK;
}

static ls_status forward(const ls_op_run *run) {
    const real *x = run->input[0].value;
    real *y = run->value;
    for (size_t r = 0; r < run->rows; r++) {
        real sum = 0;
        for (size_t i = 0; i < run->input[0].size; i++) sum += *x++;
        y[r] = sum;
    }
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    const real *dy = run->gradient;
    real *dx = run->input[0].gradient;
    for (size_t r = 0; r < run->rows; r++)
        for (size_t i = 0; i < run->input[0].size; i++) *dx++ = dy[r];
}

const ls_op LS_REAL(ls_op_sum) = {
    .name = "sum",
    .doc = "the sum of a sample's elements",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_sum),
};
