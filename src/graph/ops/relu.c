/*
 * relu: a = max(0, z), da/dz = 1 for z > 0, else 0.
 */
#include "graph/ops.h"

const ls_op LS_REAL(ls_op_relu) = {
    .name = "relu",
    .doc = "max(0, z)",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = ls__infer_same,
    .forward = LS_REAL(ls__activation_forward),
    .backward = LS_REAL(ls__activation_backward),
    .activation = LS_ACTIVATION_RELU,
    .kinks = LS_REAL(ls__kink_at_0),
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_relu),
};
