/*
 * sigmoid: a = 1 / (1 + exp(-z)), da/dz = a (1 - a).
 */
#include "graph/ops.h"

const ls_op LS_REAL(ls_op_sigmoid) = {
    .name = "sigmoid",
    .doc = "1 / (1 + exp(-z))",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = ls__infer_same,
    .forward = LS_REAL(ls__activation_forward),
    .backward = LS_REAL(ls__activation_backward),
    .activation = LS_ACTIVATION_SIGMOID,
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_sigmoid),
};
