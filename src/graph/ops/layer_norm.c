/*
 * layer_norm: y = gain (x - mean) / sqrt(variance + epsilon) + shift over the last axis of every sample.
 * Backward, with xhat the normalised x: dshift = sum dy, dgain = sum dy xhat; dx by the kernel.
 */
#include "graph/ops.h"

enum { GAIN, SHIFT };

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__infer_same(shapes));
    if (shapes->input[0].rank == 0) return ls__want_rank(shapes, 0, 1, "a vector");
    size_t last = shapes->output.dim[shapes->output.rank - 1];
    LS_TRY(ls__want_param(shapes, GAIN, ls__vector(last)));
    LS_TRY(ls__want_param(shapes, SHIFT, ls__vector(last)));
    shapes->flops *= 8;
    return LS_OK;
}

static size_t width(const ls_op_run *run) {
    return run->shape.dim[run->shape.rank - 1];
}

/* Rows of the kernel: a sample has one for each index of the axes before the last. */
static size_t lines(const ls_op_run *run) {
    return run->size / width(run);
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    out->cache = 2 * run->rows * lines(run) * sizeof(real);
    out->scratch = ls_microbatches_depth(run->microbatches) * width(run) * sizeof(real);
}

static real *means(const ls_op_run *run) {
    return run->cache;
}

static real *inverses(const ls_op_run *run) {
    return means(run) + run->rows * lines(run);
}

static ls_status forward(const ls_op_run *run) {
    const ls_op_norm_options *options = run->options;
    LS_REAL(ls__kernels)
    (run)->layer_norm(run->team, run->rows * lines(run), width(run), (real)options->epsilon, run->input[0].value,
                      run->param[GAIN].value, run->param[SHIFT].value, run->value, means(run), inverses(run));
    return LS_OK;
}

static void gain_leaf(const void *context, size_t m, real *out) {
    const ls_op_run *run = context;
    for (size_t i = 0; i < width(run); i++) out[i] = 0;
    for (size_t line = run->micro->row[m] * lines(run); line < run->micro->row[m + 1] * lines(run); line++) {
        const real *x = (const real *)run->input[0].value + line * width(run);
        const real *dy = (const real *)run->gradient + line * width(run);
        real mean = means(run)[line], inverse = inverses(run)[line];
        for (size_t i = 0; i < width(run); i++) out[i] += dy[i] * ((x[i] - mean) * inverse);
    }
}

static void shift_leaf(const void *context, size_t m, real *out) {
    const ls_op_run *run = context;
    for (size_t i = 0; i < width(run); i++) out[i] = 0;
    for (size_t line = run->micro->row[m] * lines(run); line < run->micro->row[m + 1] * lines(run); line++)
        for (size_t i = 0; i < width(run); i++) out[i] += ((const real *)run->gradient)[line * width(run) + i];
}

static void backward(const ls_op_run *run) {
    if (run->input[0].gradient)
        LS_REAL(ls__kernels)
        (run)->layer_norm_backward(run->team, run->rows * lines(run), width(run), run->input[0].value,
                                   run->param[GAIN].value, means(run), inverses(run), run->gradient,
                                   run->input[0].gradient);
    if (!run->param[GAIN].gradient) return;
    LS_REAL(ls__sum_tree)(run->micro, width(run), gain_leaf, run, LS_REAL(ls__gradient)(run, GAIN), run->scratch);
    LS_REAL(ls__sum_tree)(run->micro, width(run), shift_leaf, run, LS_REAL(ls__gradient)(run, SHIFT), run->scratch);
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_any(number, out);
    size_t last = out->input[0].dim[out->input[0].rank - 1];
    out->params = 2;
    out->param[GAIN] = ls__example_param("weight", LS_ROLE_NORM, LS_LAYOUT_PLAIN, ls__vector(last));
    out->param[SHIFT] = ls__example_param("bias", LS_ROLE_NORM, LS_LAYOUT_PLAIN, ls__vector(last));
    ls__example_number(1e-2, out);
}

const ls_op LS_REAL(ls_op_layer_norm) = {
    .name = "layer_norm",
    .doc = "the last axis of every sample normalised, then scaled and shifted",
    .least_inputs = 1,
    .most_inputs = 1,
    .least_params = 2,
    .most_params = 2,
    .options_size = sizeof(ls_op_norm_options),
    .infer = infer,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_layer_norm),
};
