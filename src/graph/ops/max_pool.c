/*
 * max_pool: y = the largest element of each window, the first of equals; padding is never the largest.
 * Backward: dy goes to where the largest came from.
 */
#include "graph/ops.h"

static ls_window window(const ls_op_run *run) {
    return ls__pool_window(run->options, run->input[0].shape);
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    out->cache = run->rows * run->size * sizeof(uint32_t);
}

static ls_status forward(const ls_op_run *run) {
    ls_window w = window(run);
    LS_REAL(ls__kernels)(run)->max_pool_forward(run->team, run->rows, &w, run->input[0].value, run->value, run->cache);
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    ls_window w = window(run);
    LS_REAL(ls__kernels)
    (run)->max_pool_backward(run->team, run->rows, &w, run->gradient, run->cache, run->input[0].gradient);
}

static void kinks(const ls_op_run *run, uint64_t *signature) {
    const uint32_t *where = run->cache;
    for (size_t i = 0; i < run->rows * run->size; i++) ls__mix(signature, where[i]);
}

const ls_op LS_REAL(ls_op_max_pool) = {
    .name = "max_pool",
    .doc = "the largest element of each window",
    .least_inputs = 1,
    .most_inputs = 1,
    .options_size = sizeof(ls_op_pool_options),
    .infer = ls__infer_pool,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .kinks = kinks,
    .example = ls__example_pool,
    .twin = LS_TWIN(ls_op_max_pool),
};
