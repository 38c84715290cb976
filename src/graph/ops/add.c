/*
 * add: y = x1 + x2 + ..., from the left. Backward: dx_i = dy.
 */
#include <string.h>

#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__infer_same(shapes));
    char first[96], other[96];
    for (size_t i = 1; i < shapes->inputs; i++)
        if (!ls_shape_equal(shapes->input[i], shapes->input[0]))
            return LS_FAIL(LS_ERR_CONFIG, "input %zu has shape %s, input 1 has %s; expected equal shapes", i + 1,
                           ls_shape_text(shapes->input[i], other, sizeof other),
                           ls_shape_text(shapes->input[0], first, sizeof first));
    shapes->flops *= (double)(shapes->inputs - 1);
    return LS_OK;
}

static ls_status forward(const ls_op_run *run) {
    const LS_REAL(ls_kernels) *k = LS_REAL(ls__kernels)(run);
    const real *sum = run->input[0].value;
    for (size_t i = 1; i < run->inputs; i++) {
        k->add(run->team, run->rows * run->size, sum, run->input[i].value, run->value);
        sum = run->value;
    }
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    for (size_t i = 0; i < run->inputs; i++)
        if (run->input[i].gradient) memcpy(run->input[i].gradient, run->gradient, run->rows * run->size * sizeof(real));
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_any(number, out);
    out->inputs = ls__pick(number, 8, 2, 4);
    for (size_t i = 1; i < out->inputs; i++) out->input[i] = out->input[0];
}

const ls_op LS_REAL(ls_op_add) = {
    .name = "add",
    .doc = "the sum of inputs of one shape",
    .least_inputs = 2,
    .most_inputs = SIZE_MAX,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_add),
};
