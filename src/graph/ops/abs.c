/*
 * abs: a = |z|, da/dz = the sign of z, 0 at 0.
 */
#include "graph/ops.h"

static ls_status forward(const ls_op_run *run) {
    return LS_REAL(ls__function_forward)(run, LS_FUNCTION_ABS, 0);
}

static void backward(const ls_op_run *run) {
    LS_REAL(ls__function_backward)(run, LS_FUNCTION_ABS, 0);
}

const ls_op LS_REAL(ls_op_abs) = {
    .name = "abs",
    .doc = "|z|",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = ls__infer_same,
    .forward = forward,
    .backward = backward,
    .kinks = LS_REAL(ls__kink_at_0),
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_abs),
};
