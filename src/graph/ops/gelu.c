/*
 * gelu: a = z Phi(z), exactly (erf); da/dz = Phi(z) + z phi(z).
 */
#include "graph/ops.h"

static ls_status forward(const ls_op_run *run) {
    return LS_REAL(ls__function_forward)(run, LS_FUNCTION_GELU, 0);
}

static void backward(const ls_op_run *run) {
    LS_REAL(ls__function_backward)(run, LS_FUNCTION_GELU, 0);
}

const ls_op LS_REAL(ls_op_gelu) = {
    .name = "gelu",
    .doc = "z Phi(z), Phi being the normal distribution",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = ls__infer_same,
    .forward = forward,
    .backward = backward,
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_gelu),
};
