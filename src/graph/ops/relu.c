/*
 * relu: a = max(0, z), da/dz = 1 for z > 0, else 0.
 */
#include "graph/ops.h"

static int activation(const void *options, double *slope) {
    (void)options, (void)slope;
    return LS_ACTIVATION_RELU;
}

static void kinks(const ls_op_run *run, uint64_t *signature) {
    LS_REAL(ls__mix_signs)(run->rows * run->size, run->input[0].value, signature);
}

const ls_op LS_REAL(ls_op_relu) = {
    .name = "relu",
    .doc = "max(0, z)",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = ls__infer_same,
    .forward = LS_REAL(ls__activation_forward),
    .backward = LS_REAL(ls__activation_backward),
    .activation = activation,
    .kinks = kinks,
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_relu),
};
