/*
 * power: a = z^p, da/dz = p z^(p - 1). Where p is not a whole number z must be positive.
 */
#include "graph/ops.h"

static double exponent(const ls_op_run *run) {
    return ((const ls_op_number_options *)run->options)->value;
}

static ls_status forward(const ls_op_run *run) {
    return LS_REAL(ls__function_forward)(run, LS_FUNCTION_POWER, exponent(run));
}

static void backward(const ls_op_run *run) {
    LS_REAL(ls__function_backward)(run, LS_FUNCTION_POWER, exponent(run));
}

static void example(uint64_t number, ls_op_example *out) {
    static const double exponents[] = {2, 3, 0.5, -1, 1.7};
    ls__example_any(number, out);
    ls__example_number(exponents[number % 5], out);
    out->low = 0.5;
}

const ls_op LS_REAL(ls_op_power) = {
    .name = "power",
    .doc = "z to a constant power",
    .least_inputs = 1,
    .most_inputs = 1,
    .options_size = sizeof(ls_op_number_options),
    .infer = ls__infer_same,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_power),
};
