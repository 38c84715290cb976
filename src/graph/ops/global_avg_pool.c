/*
 * global_avg_pool: y_c = the mean of channel c over height and width.
 */
#include "graph/ops.h"

/* One window as large as the input. */
static ls_window window_of(ls_shape x) {
    return (ls_window){.channels = x.dim[0],
                       .height = x.dim[1],
                       .width = x.dim[2],
                       .filters = x.dim[0],
                       .out_height = 1,
                       .out_width = 1,
                       .kernel = {x.dim[1], x.dim[2]},
                       .stride = {1, 1},
                       .dilation = {1, 1},
                       .groups = x.dim[0]};
}

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_reals(shapes));
    LS_TRY(ls__want_rank(shapes, 0, 3, "(channels, height, width)"));
    shapes->output = ls__vector(shapes->input[0].dim[0]);
    shapes->flops = (double)ls_shape_size(shapes->input[0]);
    return LS_OK;
}

static ls_window window(const ls_op_run *run) {
    return window_of(run->input[0].shape);
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

const ls_op LS_REAL(ls_op_global_avg_pool) = {
    .name = "global_avg_pool",
    .doc = "the mean of each channel",
    .least_inputs = 1,
    .most_inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .example = ls__example_image,
    .twin = LS_TWIN(ls_op_global_avg_pool),
};
