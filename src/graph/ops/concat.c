/*
 * concat: inputs one after the other along their first axis (channels of images, elements of vectors).
 */
#include <string.h>

#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_reals(shapes));
    shapes->output = shapes->input[0].rank ? shapes->input[0] : ls__vector(1);
    for (size_t i = 1; i < shapes->inputs; i++) {
        ls_shape shape = shapes->input[i].rank ? shapes->input[i] : ls__vector(1), alike = shapes->output;
        alike.dim[0] = shape.dim[0];
        char first[96], other[96];
        if (!ls_shape_equal(shape, alike))
            return LS_FAIL(LS_ERR_CONFIG, "input %zu has shape %s, input 1 has %s; only the first axis may differ",
                           i + 1, ls_shape_text(shape, other, sizeof other),
                           ls_shape_text(shapes->input[0], first, sizeof first));
        shapes->output.dim[0] += shape.dim[0];
    }
    return LS_OK;
}

static ls_status forward(const ls_op_run *run) {
    real *y = run->value;
    for (size_t r = 0; r < run->rows; r++)
        for (size_t i = 0; i < run->inputs; i++) {
            size_t size = run->input[i].size;
            memcpy(y, (const real *)run->input[i].value + r * size, size * sizeof *y);
            y += size;
        }
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    const real *dy = run->gradient;
    for (size_t r = 0; r < run->rows; r++)
        for (size_t i = 0; i < run->inputs; i++) {
            size_t size = run->input[i].size;
            if (run->input[i].gradient) memcpy((real *)run->input[i].gradient + r * size, dy, size * sizeof *dy);
            dy += size;
        }
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_any(number, out);
    out->inputs = ls__pick(number, 8, 1, 4);
    for (size_t i = 1; i < out->inputs; i++) {
        out->input[i] = out->input[0];
        out->input[i].dim[0] = ls__pick(number, 8 + (uint32_t)i, 1, 4);
    }
}

const ls_op LS_REAL(ls_op_concat) = {
    .name = "concat",
    .doc = "inputs one after the other along the first axis",
    .least_inputs = 1,
    .most_inputs = SIZE_MAX,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_concat),
};
