/*
 * multiply: y = x1 x2 ..., element by element, from the left. Backward: dx_i = dy times the product of the others.
 */
#include <string.h>

#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    return ls_op_add.infer(shapes);
}

static ls_status forward(const ls_op_run *run) {
    const LS_REAL(ls_kernels) *k = LS_REAL(ls__kernels)(run);
    const real *product = run->input[0].value;
    for (size_t i = 1; i < run->inputs; i++) {
        k->multiply(run->team, run->rows * run->size, product, run->input[i].value, run->value);
        product = run->value;
    }
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    const LS_REAL(ls_kernels) *k = LS_REAL(ls__kernels)(run);
    for (size_t i = 0; i < run->inputs; i++) {
        real *dx = run->input[i].gradient;
        const real *product = run->gradient;
        for (size_t j = 0; dx && j < run->inputs; j++) {
            if (j == i) continue;
            k->multiply(run->team, run->rows * run->size, product, run->input[j].value, dx);
            product = dx;
        }
    }
}

static void example(uint64_t number, ls_op_example *out) {
    ls_op_add.example(number, out);
}

const ls_op LS_REAL(ls_op_multiply) = {
    .name = "multiply",
    .doc = "the elementwise product of inputs of one shape",
    .least_inputs = 2,
    .most_inputs = SIZE_MAX,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_multiply),
};
