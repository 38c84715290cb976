/*
 * conv2d: cross-correlation, y[f][i][j] = b[f] + sum over (c, u, v) of w[f][c][u][v] x[c][i s + u d - p][j s + v d -
 * p], the channels of a filter being those of its group. Backward: dw correlates x with dz, db sums dz, dx spreads dz
 * over w.
 */
#include <string.h>

#include "graph/ops.h"

static ls_window window_of(const ls_op_conv2d_options *options, ls_shape x, ls_shape weight) {
    ls_window w = {.channels = x.dim[0],
                   .height = x.dim[1],
                   .width = x.dim[2],
                   .filters = weight.dim[0],
                   .kernel = {weight.dim[2], weight.dim[3]},
                   .groups = options->groups};
    memcpy(w.stride, options->stride, sizeof w.stride);
    memcpy(w.padding, options->padding, sizeof w.padding);
    memcpy(w.dilation, options->dilation, sizeof w.dilation);
    w.out_height = ls__window_steps(w.height, w.kernel[0], w.stride[0], w.padding[0], w.dilation[0]);
    w.out_width = ls__window_steps(w.width, w.kernel[1], w.stride[1], w.padding[1], w.dilation[1]);
    return w;
}

static ls_status infer(ls_op_shapes *shapes) {
    const ls_op_conv2d_options *options = shapes->options;
    LS_TRY(ls__want_reals(shapes));
    LS_TRY(ls__want_rank(shapes, 0, 3, "(channels, height, width)"));
    ls_shape x = shapes->input[0], weight = shapes->param[0]->shape;
    ls_window w = window_of(options, x, weight);
    if (w.channels % w.groups || w.filters % w.groups)
        return LS_FAIL(LS_ERR_CONFIG, "%zu channels and %zu filters do not both divide into %zu groups", w.channels,
                       w.filters, w.groups);
    LS_TRY(ls__want_param(shapes, 0, (ls_shape){4, {w.filters, w.channels / w.groups, w.kernel[0], w.kernel[1]}}));
    if (shapes->params > 1) LS_TRY(ls__want_param(shapes, 1, ls__vector(w.filters)));
    LS_TRY(ls__window_fits(&w));
    shapes->output = (ls_shape){3, {w.filters, w.out_height, w.out_width}};
    shapes->flops = 2.0 * (double)ls_shape_size(weight) * (double)(w.out_height * w.out_width);
    return LS_OK;
}

static ls_window window(const ls_op_run *run) {
    return window_of(run->options, run->input[0].shape, run->param[0].spec->shape);
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    ls_window w = window(run);
    out->scratch = LS_REAL(ls__kernels)(run)->conv_scratch(run->team, run->rows, run->microbatches, &w);
}

static ls_status forward(const ls_op_run *run) {
    ls_window w = window(run);
    const real *bias = run->params > 1 ? run->param[1].value : NULL;
    LS_REAL(ls__kernels)
    (run)->conv_forward(run->team, run->micro, &w, run->input[0].value, run->param[0].value, bias,
                        (ls_activation)run->activation, (real)run->slope, run->value, run->scratch);
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    const LS_REAL(ls_kernels) *k = LS_REAL(ls__kernels)(run);
    ls_window w = window(run);
    const ls_op_input *x = &run->input[0];
    LS_REAL(ls_gradient) dw = LS_REAL(ls__gradient)(run, 0), db = LS_REAL(ls__gradient)(run, 1);
    if (dw.base) k->conv_backward_weight(run->team, run->micro, &w, x->value, run->gradient, dw, db, run->scratch);
    if (x->gradient)
        k->conv_backward_data(run->team, run->micro, &w, run->gradient, run->param[0].value, x->gradient, run->scratch);
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_image(number, out);
    size_t groups = ls__pick(number, 4, 1, 2), filters = groups * ls__pick(number, 5, 1, 3);
    size_t kernel[2] = {ls__pick(number, 6, 1, 3), ls__pick(number, 7, 1, 3)};
    out->input[0].dim[0] *= groups;
    ls_op_conv2d_options options = {.stride = {ls__pick(number, 8, 1, 2), ls__pick(number, 9, 1, 2)},
                                    .padding = {ls__pick(number, 10, 0, 1), ls__pick(number, 11, 0, 2)},
                                    .dilation = {1, 1},
                                    .groups = groups};
    if (kernel[0] < 3) options.dilation[0] = ls__pick(number, 12, 1, 2);
    memcpy(out->options, &options, sizeof options);
    out->params = 1 + number % 2;
    ls_shape shape = {4, {filters, out->input[0].dim[0] / groups, kernel[0], kernel[1]}};
    out->param[0] = ls__example_param("weight", LS_ROLE_WEIGHT, LS_LAYOUT_CONV, shape);
    out->param[0].groups = groups;
    out->param[1] = ls__example_param("bias", LS_ROLE_BIAS, LS_LAYOUT_PLAIN, ls__vector(filters));
}

const ls_op LS_REAL(ls_op_conv2d) = {
    .name = "conv2d",
    .doc = "cross-correlation of (channels, height, width) with filters",
    .least_inputs = 1,
    .most_inputs = 1,
    .least_params = 1,
    .most_params = 2,
    .options_size = sizeof(ls_op_conv2d_options),
    .infer = infer,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .fuses = true,
    .example = example,
    .twin = LS_TWIN(ls_op_conv2d),
};
