/*
 * flatten: the same numbers as one vector.
 */
#include <string.h>

#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_reals(shapes));
    shapes->output = ls__vector(ls_shape_size(shapes->input[0]));
    return LS_OK;
}

static ls_status forward(const ls_op_run *run) {
    memcpy(run->value, run->input[0].value, run->rows * run->size * sizeof(real));
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    memcpy(run->input[0].gradient, run->gradient, run->rows * run->size * sizeof(real));
}

const ls_op LS_REAL(ls_op_flatten) = {
    .name = "flatten",
    .doc = "the same numbers as one vector",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .example = ls__example_image,
    .twin = LS_TWIN(ls_op_flatten),
};
