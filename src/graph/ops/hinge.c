/*
 * hinge: of scores s and class y: loss = sum over j != y of max(0, margin + s_j - s_y).
 * ds_j = g where the term is positive, ds_y = -g times their number. (Crammer and Singer, 2001, summed.)
 */
#include "graph/ops.h"

static ls_status infer(ls_op_shapes *shapes) {
    return ls_op_cross_entropy.infer(shapes);
}

static double margin_of(const ls_op_run *run) {
    return ((const ls_op_number_options *)run->options)->value;
}

static void take_losses(const ls_op_run *run, size_t first, size_t end) {
    size_t n = run->input[0].size;
    const int32_t *class = run->input[1].value;
    double *loss = run->value;
    for (size_t r = first; r < end; r++) {
        const real *s = (const real *)run->input[0].value + r * n;
        loss[r] = 0;
        for (size_t j = 0; j < n; j++) {
            double term = margin_of(run) + (double)s[j] - (double)s[class[r]];
            if (j != (size_t) class[r] && term > 0) loss[r] += term;
        }
    }
}

static ls_status forward(const ls_op_run *run) {
    LS_TRY(ls__want_classes(run, 1, run->input[0].size));
    ls__each_row(run, take_losses);
    return LS_OK;
}

static void spread(const ls_op_run *run, size_t first, size_t end) {
    size_t n = run->input[0].size;
    const int32_t *class = run->input[1].value;
    for (size_t r = first; r < end; r++) {
        const real *s = (const real *)run->input[0].value + r * n;
        real *ds = (real *)run->input[0].gradient + r * n, g = ((const real *)run->gradient)[r];
        size_t violated = 0;
        for (size_t j = 0; j < n; j++) {
            bool counts = j != (size_t) class[r] && margin_of(run) + (double)s[j] - (double)s[class[r]] > 0;
            ds[j] = counts ? g : 0;
            violated += counts;
        }
        ds[class[r]] = -g * (real)violated;
    }
}

static void backward(const ls_op_run *run) {
    ls__each_row(run, spread);
}

static void kinks(const ls_op_run *run, uint64_t *signature) {
    size_t n = run->input[0].size;
    const int32_t *class = run->input[1].value;
    for (size_t r = 0; r < run->rows; r++) {
        const real *s = (const real *)run->input[0].value + r * n;
        for (size_t j = 0; j < n; j++) ls__mix(signature, margin_of(run) + (double)s[j] - (double)s[class[r]] > 0);
    }
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_classes(number, out);
    ls__example_number(0.1 * (double)ls__pick(number, 8, 1, 20), out);
}

const ls_op LS_REAL(ls_op_hinge) = {
    .name = "hinge",
    .doc = "the sum over wrong classes of max(0, margin + s_j - s_y)",
    .least_inputs = 2,
    .most_inputs = 2,
    .options_size = sizeof(ls_op_number_options),
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .kinks = kinks,
    .example = example,
    .twin = LS_TWIN(ls_op_hinge),
};
