/*
 * dense: y = f(x W^T + b). Backward: dW = dz^T x, db = column sums of dz, dx = dz W. A sample of any shape counts as
 * the vector of its values in row-major order, so images and windows of embeddings need no flatten before it.
 */
#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_reals(shapes));
    size_t in = ls_shape_size(shapes->input[0]), out = shapes->param[0]->shape.dim[0];
    LS_TRY(ls__want_param(shapes, 0, (ls_shape){2, {out, in}}));
    if (shapes->params > 1) LS_TRY(ls__want_param(shapes, 1, ls__vector(out)));
    shapes->output = ls__vector(out);
    shapes->flops = 2.0 * (double)in * (double)out;
    return LS_OK;
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    out->scratch = LS_REAL(ls__kernels)(run)->dense_scratch(run->team, run->rows, run->microbatches, run->size,
                                                            run->input[0].size);
}

static ls_status forward(const ls_op_run *run) {
    const real *bias = run->params > 1 ? run->param[1].value : NULL;
    LS_REAL(ls__kernels)
    (run)->dense_forward(run->team, run->micro, run->size, run->input[0].size, run->input[0].value, run->param[0].value,
                         bias, (ls_activation)run->activation, (real)run->slope, run->value, run->scratch);
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    const LS_REAL(ls_kernels) *k = LS_REAL(ls__kernels)(run);
    const ls_op_input *x = &run->input[0];
    LS_REAL(ls_gradient) dw = LS_REAL(ls__gradient)(run, 0), db = LS_REAL(ls__gradient)(run, 1);
    if (dw.base)
        k->dense_backward_weight(run->team, run->micro, run->size, x->size, x->value, run->gradient, dw, db,
                                 run->scratch);
    if (x->gradient)
        k->dense_backward_data(run->team, run->micro, run->size, x->size, run->gradient, run->param[0].value,
                               x->gradient, run->scratch);
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_vector(number, out);
    size_t units = ls__pick(number, 1, 1, 20);
    out->params = 1 + number % 2;
    out->param[0] =
        ls__example_param("weight", LS_ROLE_WEIGHT, LS_LAYOUT_DENSE, (ls_shape){2, {units, out->input[0].dim[0]}});
    out->param[1] = ls__example_param("bias", LS_ROLE_BIAS, LS_LAYOUT_PLAIN, ls__vector(units));
}

const ls_op LS_REAL(ls_op_dense) = {
    .name = "dense",
    .doc = "y = x W^T + b",
    .least_inputs = 1,
    .most_inputs = 1,
    .least_params = 1,
    .most_params = 2,
    .infer = infer,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .fuses = true,
    .example = example,
    .twin = LS_TWIN(ls_op_dense),
};
