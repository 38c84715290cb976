/*
 * leaky_relu: a = max(z, k z) with 0 < k < 1, da/dz = 1 for z > 0, else k.
 */
#include "graph/ops.h"

static int activation(const void *options, double *slope) {
    *slope = ((const ls_op_number_options *)options)->value;
    return LS_ACTIVATION_LEAKY_RELU;
}

static void kinks(const ls_op_run *run, uint64_t *signature) {
    LS_REAL(ls__mix_signs)(run->rows * run->size, run->input[0].value, signature);
}

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
    .activation = activation,
    .kinks = kinks,
    .example = example,
    .twin = LS_TWIN(ls_op_leaky_relu),
};
