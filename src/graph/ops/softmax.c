/*
 * softmax: p_i = exp(z_i) / sum over j of exp(z_j), over the last axis. Backward: dz = p (dp - sum over j of dp_j p_j).
 */
#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__infer_same(shapes));
    if (shapes->input[0].rank == 0) return ls__want_rank(shapes, 0, 1, "a vector");
    shapes->flops *= 4;
    return LS_OK;
}

static size_t last(const ls_op_run *run) {
    return run->shape.dim[run->shape.rank - 1];
}

static ls_status forward(const ls_op_run *run) {
    LS_REAL(ls__kernels)
    (run)->softmax(run->team, run->rows * (run->size / last(run)), last(run), run->input[0].value, run->value, NULL);
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    LS_REAL(ls__kernels)
    (run)->softmax_backward(run->team, run->rows * (run->size / last(run)), last(run), run->value, run->gradient,
                            run->input[0].gradient);
}

const ls_op LS_REAL(ls_op_softmax) = {
    .name = "softmax",
    .doc = "exp(z) divided by its sum over the last axis",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_softmax),
};
