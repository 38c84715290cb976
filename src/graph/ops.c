/* ops.c: the table of operators, and the words that they share. */
#include "graph/ops.h"

#include <assert.h>
#include <string.h>

#include "lockstep/random.h"

const ls_op *const ls_ops[] = {
    &ls_op_dense,
    &ls_op_conv2d,
    &ls_op_max_pool,
    &ls_op_avg_pool,
    &ls_op_global_avg_pool,
    &ls_op_flatten,
    &ls_op_reshape,
    &ls_op_batch_norm,
    &ls_op_layer_norm,
    &ls_op_dropout,
    &ls_op_embedding,
    &ls_op_add,
    &ls_op_multiply,
    &ls_op_concat,
    &ls_op_sum,
    &ls_op_softmax,
    &ls_op_power,
    &ls_op_sin,
    &ls_op_abs,
    &ls_op_sigmoid,
    &ls_op_tanh,
    &ls_op_hard_tanh,
    &ls_op_softsign,
    &ls_op_relu,
    &ls_op_leaky_relu,
    &ls_op_gelu,
    &ls_op_cross_entropy,
    &ls_op_binary_cross_entropy,
    &ls_op_mse,
    &ls_op_mae,
    &ls_op_huber,
    &ls_op_hinge,
    &ls_op_margin,
    NULL,
};

const ls_op *ls_op_find(const char *name) {
    for (size_t i = 0; ls_ops[i]; i++)
        if (strcmp(ls_ops[i]->name, name) == 0) return ls_ops[i];
    return NULL;
}

ls_status ls__want_element(const ls_op_shapes *shapes, size_t which, ls_element element) {
    if (shapes->element[which] == element) return LS_OK;
    static const char *const words[] = {"numbers", "integers (classes or tokens)", "losses"};
    return LS_FAIL(LS_ERR_CONFIG, "input %zu holds %s; expected %s", which + 1, words[shapes->element[which]],
                   words[element]);
}

ls_status ls__want_reals(const ls_op_shapes *shapes) {
    for (size_t i = 0; i < shapes->inputs; i++) LS_TRY(ls__want_element(shapes, i, LS_ELEMENT_REAL));
    return LS_OK;
}

ls_status ls__want_rank(const ls_op_shapes *shapes, size_t which, size_t rank, const char *picture) {
    if (shapes->input[which].rank == rank) return LS_OK;
    char text[96];
    return LS_FAIL(LS_ERR_CONFIG, "input %zu has shape %s; expected %s", which + 1,
                   ls_shape_text(shapes->input[which], text, sizeof text), picture);
}

ls_status ls__want_param(const ls_op_shapes *shapes, size_t which, ls_shape shape) {
    const ls_param *param = shapes->param[which];
    if (ls_shape_equal(param->shape, shape)) return LS_OK;
    char got[96], expected[96];
    return LS_FAIL(LS_ERR_CONFIG, "parameter %s/%s has shape %s; this input needs %s", param->layer, param->name,
                   ls_shape_text(param->shape, got, sizeof got), ls_shape_text(shape, expected, sizeof expected));
}

ls_status ls__infer_pairwise_loss(ls_op_shapes *shapes) {
    LS_TRY(ls__want_reals(shapes));
    char output[96], target[96];
    if (ls_shape_size(shapes->input[0]) != ls_shape_size(shapes->input[1]))
        return LS_FAIL(LS_ERR_CONFIG, "the output has shape %s, the target %s; expected the same number of elements",
                       ls_shape_text(shapes->input[0], output, sizeof output),
                       ls_shape_text(shapes->input[1], target, sizeof target));
    shapes->output_element = LS_ELEMENT_LOSS;
    shapes->flops = 3.0 * (double)ls_shape_size(shapes->input[0]);
    return LS_OK;
}

ls_status ls__infer_same(ls_op_shapes *shapes) {
    LS_TRY(ls__want_reals(shapes));
    shapes->output = shapes->input[0];
    shapes->flops = (double)ls_shape_size(shapes->output);
    return LS_OK;
}

size_t ls__window_steps(size_t extent, size_t kernel, size_t stride, size_t padding, size_t dilation) {
    /* Larger windows fit nothing; up to here neither reach nor padding leave size_t. */
    const size_t most = (size_t)1 << 30;
    if (kernel > most || padding > most || dilation > most) return 0;
    size_t reach = (kernel - 1) * dilation + 1, padded = extent + 2 * padding;
    return padded < reach ? 0 : (padded - reach) / stride + 1;
}

ls_status ls__window_fits(const ls_window *window) {
    if (window->out_height > 0 && window->out_width > 0) return LS_OK;
    return LS_FAIL(LS_ERR_CONFIG,
                   "a window of (%zu, %zu), dilation (%zu, %zu), does not fit into the input (%zu, %zu, %zu) with "
                   "padding (%zu, %zu)",
                   window->kernel[0], window->kernel[1], window->dilation[0], window->dilation[1], window->channels,
                   window->height, window->width, window->padding[0], window->padding[1]);
}

ls_window ls__pool_window(const ls_op_pool_options *options, ls_shape x) {
    ls_window w = {.channels = x.dim[0],
                   .height = x.dim[1],
                   .width = x.dim[2],
                   .filters = x.dim[0],
                   .dilation = {1, 1},
                   .groups = x.dim[0]};
    memcpy(w.kernel, options->size, sizeof w.kernel);
    memcpy(w.stride, options->stride, sizeof w.stride);
    memcpy(w.padding, options->padding, sizeof w.padding);
    w.out_height = ls__window_steps(w.height, w.kernel[0], w.stride[0], w.padding[0], 1);
    w.out_width = ls__window_steps(w.width, w.kernel[1], w.stride[1], w.padding[1], 1);
    return w;
}

ls_status ls__infer_pool(ls_op_shapes *shapes) {
    const ls_op_pool_options *options = shapes->options;
    LS_TRY(ls__want_reals(shapes));
    LS_TRY(ls__want_rank(shapes, 0, 3, "(channels, height, width)"));
    /* A window that lies in the padding altogether would have no largest element. */
    if (options->padding[0] >= options->size[0] || options->padding[1] >= options->size[1])
        return LS_FAIL(LS_ERR_CONFIG, "padding (%zu, %zu) must be smaller than the window (%zu, %zu)",
                       options->padding[0], options->padding[1], options->size[0], options->size[1]);
    ls_window w = ls__pool_window(options, shapes->input[0]);
    LS_TRY(ls__window_fits(&w));
    shapes->output = (ls_shape){3, {w.channels, w.out_height, w.out_width}};
    shapes->flops = (double)(ls_shape_size(shapes->output) * w.kernel[0] * w.kernel[1]);
    return LS_OK;
}

ls_status ls__want_classes(const ls_op_run *run, size_t input, size_t bound) {
    const int32_t *classes = run->input[input].value;
    size_t count = run->rows * run->input[input].size;
    for (size_t i = 0; i < count; i++)
        if (classes[i] < 0 || (size_t)classes[i] >= bound)
            return LS_FAIL(LS_ERR_DATA, "sample %zu of the batch holds %d; expected 0 to %zu",
                           run->micro->first_sample + i / run->input[input].size, (int)classes[i], bound - 1);
    return LS_OK;
}

size_t ls__pick(uint64_t number, uint32_t draw, size_t low, size_t high) {
    return low + (size_t)ls_random_below(ls_random(number, LS_PURPOSE_TEST, 1, 0, draw), high - low + 1);
}

void ls__example_vector(uint64_t number, ls_op_example *out) {
    out->inputs = 1;
    out->input[0] = ls__vector(ls__pick(number, 0, 1, 9));
    out->low = -1.5;
    out->high = 1.5;
}

void ls__example_image(uint64_t number, ls_op_example *out) {
    ls__example_vector(number, out);
    out->input[0] = (ls_shape){3, {ls__pick(number, 1, 1, 3), ls__pick(number, 2, 3, 6), ls__pick(number, 3, 3, 6)}};
}

void ls__example_any(uint64_t number, ls_op_example *out) {
    if (number % 2)
        ls__example_image(number, out);
    else
        ls__example_vector(number, out);
}

void ls__example_pool(uint64_t number, ls_op_example *out) {
    ls__example_image(number, out);
    ls_op_pool_options options = {.size = {ls__pick(number, 4, 1, 3), ls__pick(number, 5, 1, 3)},
                                  .stride = {ls__pick(number, 6, 1, 3), ls__pick(number, 7, 1, 3)}};
    options.padding[0] = ls__pick(number, 8, 0, options.size[0] - 1);
    options.padding[1] = ls__pick(number, 9, 0, options.size[1] - 1);
    memcpy(out->options, &options, sizeof options);
}

void ls__example_pair(uint64_t number, ls_op_example *out) {
    ls__example_any(number, out);
    out->inputs = 2;
    out->input[1] = out->input[0];
}

void ls__example_classes(uint64_t number, ls_op_example *out) {
    ls__example_vector(number, out);
    out->input[0] = ls__vector(ls__pick(number, 4, 2, 7));
    out->inputs = 2;
    out->input[1] = (ls_shape){0};
    out->element[1] = LS_ELEMENT_INDEX;
    out->classes[1] = out->input[0].dim[0];
}

ls_param ls__example_param(const char *name, ls_role role, ls_layout layout, ls_shape shape) {
    return (ls_param){.layer = "op",
                      .name = name,
                      .shape = shape,
                      .role = role,
                      .layout = layout,
                      .groups = 1,
                      .learning_rate_factor = 1,
                      .decay_factor = 1};
}

void ls__example_number(double value, ls_op_example *out) {
    ls_op_number_options options = {value};
    memcpy(out->options, &options, sizeof options);
}

typedef struct row_work {
    const ls_op_run *run;
    void (*work)(const ls_op_run *run, size_t first, size_t end);
} row_work;

static void work_on_part(void *argument, size_t part, size_t parts) {
    const row_work *job = argument;
    size_t rows = job->run->rows;
    job->work(job->run, rows * part / parts, rows * (part + 1) / parts);
}

void ls__each_row(const ls_op_run *run, void (*work)(const ls_op_run *run, size_t first, size_t end)) {
    row_work job = {run, work};
    ls_team_run(run->team, ls_team_size(run->team), work_on_part, &job);
}
