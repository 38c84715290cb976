/* elementwise.c: what operators on single numbers share. Compiled for float and for double. */
#include "graph/ops.h"

ls_status LS_REAL(ls__activation_forward)(const ls_op_run *run) {
    LS_REAL(ls__kernels)
    (run)->activate(run->team, run->rows * run->size, (ls_activation)run->activation, (real)run->slope,
                    run->input[0].value, run->value);
    return LS_OK;
}

void LS_REAL(ls__activation_backward)(const ls_op_run *run) {
    LS_REAL(ls__kernels)
    (run)->activate_backward(run->team, run->rows * run->size, (ls_activation)run->activation, (real)run->slope,
                             run->value, run->gradient, run->input[0].gradient);
}

void LS_REAL(ls__kink_at_0)(const ls_op_run *run, uint64_t *signature) {
    const real *z = run->input[0].value;
    for (size_t i = 0; i < run->rows * run->size; i++) ls__mix(signature, z[i] > 0);
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
