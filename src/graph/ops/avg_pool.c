/*
 * avg_pool: y = the sum over a window divided by its whole size, padding counted as 0. Backward: dy is shared out
 * evenly.
 */
#include "graph/ops.h"

static ls_window window(const ls_op_run *run) {
    return ls__pool_window(run->options, run->input[0].shape);
}

static ls_status forward(const ls_op_run *run) {
    ls_window w = window(run);
    LS_REAL(ls__kernels)(run)->avg_pool_forward(run->team, run->rows, &w, run->input[0].value, run->value);
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    ls_window w = window(run);
    LS_REAL(ls__kernels)(run)->avg_pool_backward(run->team, run->rows, &w, run->gradient, run->input[0].gradient);
}

const ls_op LS_REAL(ls_op_avg_pool) = {
    .name = "avg_pool",
    .doc = "the mean of each window",
    .least_inputs = 1,
    .most_inputs = 1,
    .options_size = sizeof(ls_op_pool_options),
    .infer = ls__infer_pool,
    .forward = forward,
    .backward = backward,
    .example = ls__example_pool,
    .twin = LS_TWIN(ls_op_avg_pool),
};
