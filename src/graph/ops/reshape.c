/*
 * reshape: the same numbers in another shape, row-major before and after.
 */
#include <string.h>

#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_reals(shapes));
    ls_shape to = ((const ls_op_reshape_options *)shapes->options)->shape;
    if (ls_shape_size(to) != ls_shape_size(shapes->input[0])) {
        char got[96], wanted[96];
        return LS_FAIL(LS_ERR_CONFIG, "input 1 has shape %s, %zu numbers; they cannot become %s, %zu numbers",
                       ls_shape_text(shapes->input[0], got, sizeof got), ls_shape_size(shapes->input[0]),
                       ls_shape_text(to, wanted, sizeof wanted), ls_shape_size(to));
    }
    shapes->output = to;
    return LS_OK;
}

static ls_status forward(const ls_op_run *run) {
    memcpy(run->value, run->input[0].value, run->rows * run->size * sizeof(real));
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    memcpy(run->input[0].gradient, run->gradient, run->rows * run->size * sizeof(real));
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_image(number, out);
    ls_shape image = out->input[0];
    ls_op_reshape_options options = {{2, {image.dim[0] * image.dim[1], image.dim[2]}}};
    memcpy(out->options, &options, sizeof options);
}

const ls_op LS_REAL(ls_op_reshape) = {
    .name = "reshape",
    .doc = "the same numbers in another shape",
    .least_inputs = 1,
    .most_inputs = 1,
    .options_size = sizeof(ls_op_reshape_options),
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_reshape),
};
