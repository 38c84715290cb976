/* elementwise.c: what operators on single numbers share. Compiled for float and for double. */
#include "graph/ops.h"

static ls_activation activation_of(const ls_op_run *run, double *slope) {
    *slope = 0;
    return (ls_activation)run->op->activation(run->options, slope);
}

ls_status LS_REAL(ls__activation_forward)(const ls_op_run *run) {
    double slope;
    ls_activation f = activation_of(run, &slope);
    LS_REAL(ls__kernels)
    (run)->activate(run->team, run->rows * run->size, f, (real)slope, run->input[0].value, run->value);
    return LS_OK;
}

void LS_REAL(ls__activation_backward)(const ls_op_run *run) {
    double slope;
    ls_activation f = activation_of(run, &slope);
    LS_REAL(ls__kernels)
    (run)->activate_backward(run->team, run->rows * run->size, f, (real)slope, run->value, run->gradient,
                             run->input[0].gradient);
}

void LS_REAL(ls__mix_signs)(size_t count, const void *values, uint64_t *signature) {
    const real *v = values;
    for (size_t i = 0; i < count; i++) ls__mix(signature, v[i] > 0);
}

ls_status LS_REAL(ls__function_forward)(const ls_op_run *run, ls_function f, double parameter) {
    LS_REAL(ls__kernels)
    (run)->apply(run->team, run->rows * run->size, f, (real)parameter, run->input[0].value, run->value);
    return LS_OK;
}

void LS_REAL(ls__function_backward)(const ls_op_run *run, ls_function f, double parameter) {
    LS_REAL(ls__kernels)
    (run)->apply_backward(run->team, run->rows * run->size, f, (real)parameter, run->input[0].value, run->value,
                          run->gradient, run->input[0].gradient);
}
