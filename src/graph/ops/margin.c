/*
 * margin: of the score s of a true input and s_c of a corrupt one: loss = max(0, margin + s_c - s).
 * Where it is positive ds = -g and ds_c = g, elsewhere both are 0. (Collobert and Weston, 2008.)
 */
#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__infer_pairwise_loss(shapes));
    char text[96];
    if (ls_shape_size(shapes->input[0]) != 1)
        return LS_FAIL(LS_ERR_CONFIG, "the output has shape %s; expected one score a sample",
                       ls_shape_text(shapes->input[0], text, sizeof text));
    return LS_OK;
}

/* margin + s_c - s of row r. */
static double term(const ls_op_run *run, size_t r) {
    const real *s = run->input[0].value, *corrupt = run->input[1].value;
    return ((const ls_op_number_options *)run->options)->value + (double)corrupt[r] - (double)s[r];
}

static ls_status forward(const ls_op_run *run) {
    double *loss = run->value;
    for (size_t r = 0; r < run->rows; r++) loss[r] = term(run, r) > 0 ? term(run, r) : 0;
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    const real *g = run->gradient;
    real *ds = run->input[0].gradient, *corrupt = run->input[1].gradient;
    for (size_t r = 0; r < run->rows; r++) {
        real slope = term(run, r) > 0 ? g[r] : 0;
        if (ds) ds[r] = -slope;
        if (corrupt) corrupt[r] = slope;
    }
}

static void kinks(const ls_op_run *run, uint64_t *signature) {
    for (size_t r = 0; r < run->rows; r++) ls__mix(signature, term(run, r) > 0);
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_pair(number, out);
    out->input[0] = out->input[1] = number % 2 ? ls__vector(1) : (ls_shape){0};
    ls__example_number(0.1 * (double)ls__pick(number, 8, 1, 20), out);
}

const ls_op LS_REAL(ls_op_margin) = {
    .name = "margin",
    .doc = "max(0, margin + s_c - s) of a true and a corrupt input",
    .least_inputs = 2,
    .most_inputs = 2,
    .options_size = sizeof(ls_op_number_options),
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .kinks = kinks,
    .example = example,
    .twin = LS_TWIN(ls_op_margin),
};
