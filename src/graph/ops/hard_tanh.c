/*
 * hard_tanh: a = clip(z, -1, 1), da/dz = 1 for -1 < z < 1, else 0.
 */
#include "graph/ops.h"

static void kinks(const ls_op_run *run, uint64_t *signature) {
    const real *z = run->input[0].value;
    for (size_t i = 0; i < run->rows * run->size; i++) ls__mix(signature, z[i] <= -1 ? 0u : z[i] < 1 ? 1u : 2u);
}

const ls_op LS_REAL(ls_op_hard_tanh) = {
    .name = "hard_tanh",
    .doc = "z, clipped to [-1, 1]",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = ls__infer_same,
    .forward = LS_REAL(ls__activation_forward),
    .backward = LS_REAL(ls__activation_backward),
    .activation = LS_ACTIVATION_HARD_TANH,
    .kinks = kinks,
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_hard_tanh),
};
