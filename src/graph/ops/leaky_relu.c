/*
 * leaky_relu: a = max(z, k z) with 0 < k < 1, da/dz = 1 for z > 0, else k.
 */
#include "graph/ops.h"

static void example(uint64_t number, ls_op_example *out) {
    ls__example_any(number, out);
    ls__example_number(0.01 * (double)ls__pick(number, 8, 1, 90), out);
}

const ls_op LS_REAL(ls_op_leaky_relu) = {
    .name = "leaky_relu",
    .doc = "max(z, slope z)",
    .least_inputs = 1,
    .most_inputs = 1,
    .options_size = sizeof(ls_op_number_options),
    .infer = ls__infer_same,
    .forward = LS_REAL(ls__activation_forward),
    .backward = LS_REAL(ls__activation_backward),
    .activation = LS_ACTIVATION_LEAKY_RELU,
    .kinks = LS_REAL(ls__kink_at_0),
    .example = example,
    .twin = LS_TWIN(ls_op_leaky_relu),
};
