/*
 * embedding: each token t of the input becomes row t of the weight (entries, size); (s) gives (s, size), () gives
 * (size). Backward: the gradient of row t is the sum of dy over all places where t stands, in sample order.
 */
#include <string.h>

#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__want_element(shapes, 0, LS_ELEMENT_INDEX));
    ls_shape tokens = shapes->input[0], weight = shapes->param[0]->shape;
    if (tokens.rank >= LS_MAX_RANK || weight.rank != 2) return ls__want_rank(shapes, 0, 1, "a vector of tokens");
    shapes->output = tokens;
    shapes->output.dim[shapes->output.rank++] = weight.dim[1];
    return LS_OK;
}

static size_t entries(const ls_op_run *run) {
    return run->param[0].spec->shape.dim[0];
}

static size_t width(const ls_op_run *run) {
    return run->param[0].spec->shape.dim[1];
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    out->scratch = ls_microbatches_depth(run->microbatches) * entries(run) * width(run) * sizeof(real);
}

static void look_up(const ls_op_run *run, size_t first, size_t end) {
    const int32_t *token = run->input[0].value;
    const real *weight = run->param[0].value;
    real *y = run->value;
    for (size_t i = first * run->input[0].size; i < end * run->input[0].size; i++)
        memcpy(y + i * width(run), weight + (size_t)token[i] * width(run), width(run) * sizeof *y);
}

static ls_status forward(const ls_op_run *run) {
    LS_TRY(ls__want_classes(run, 0, entries(run)));
    ls__each_row(run, look_up);
    return LS_OK;
}

static void weight_leaf(const void *context, size_t m, real *out) {
    const ls_op_run *run = context;
    const int32_t *token = run->input[0].value;
    const real *dy = run->gradient;
    size_t tokens = run->input[0].size, n = width(run);
    memset(out, 0, entries(run) * n * sizeof *out);
    for (size_t i = run->micro->row[m] * tokens; i < run->micro->row[m + 1] * tokens; i++)
        for (size_t j = 0; j < n; j++) out[(size_t)token[i] * n + j] += dy[i * n + j];
}

static void backward(const ls_op_run *run) {
    if (run->param[0].gradient)
        LS_REAL(ls__sum_tree)
        (run->micro, entries(run) * width(run), weight_leaf, run, LS_REAL(ls__gradient)(run, 0), run->scratch);
}

static void example(uint64_t number, ls_op_example *out) {
    out->inputs = 1;
    out->input[0] = ls__vector(ls__pick(number, 0, 1, 4));
    out->element[0] = LS_ELEMENT_INDEX;
    out->classes[0] = ls__pick(number, 1, 2, 6);
    out->params = 1;
    out->param[0] = ls__example_param("weight", LS_ROLE_WEIGHT, LS_LAYOUT_PLAIN,
                                      (ls_shape){2, {out->classes[0], ls__pick(number, 2, 1, 5)}});
}

const ls_op LS_REAL(ls_op_embedding) = {
    .name = "embedding",
    .doc = "each token becomes its row of the weight",
    .least_inputs = 1,
    .most_inputs = 1,
    .least_params = 1,
    .most_params = 1,
    .infer = infer,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_embedding),
};
