/*
 * softsign: a = z / (1 + |z|), da/dz = 1 / (1 + |z|)^2 = (1 - |a|)^2. The slope itself has a kink at 0, where
 * differences are wrong by half their step.
 */
#include "graph/ops.h"

const ls_op LS_REAL(ls_op_softsign) = {
    .name = "softsign",
    .doc = "z / (1 + |z|)",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = ls__infer_same,
    .forward = LS_REAL(ls__activation_forward),
    .backward = LS_REAL(ls__activation_backward),
    .activation = LS_ACTIVATION_SOFTSIGN,
    .kinks = LS_REAL(ls__kink_at_0),
    .example = ls__example_any,
    .twin = LS_TWIN(ls_op_softsign),
};
