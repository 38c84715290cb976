/*
 * huber: with d = y - t, mean over n outputs of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2);
 * dy = g clip(d, -delta, delta) / n. (Huber, 1964.)
 */
#include "graph/ops.h"

static double delta_of(const ls_op_run *run) {
    return ((const ls_op_number_options *)run->options)->value;
}

static void take_losses(const ls_op_run *run, size_t first, size_t end) {
    size_t n = run->input[0].size;
    double *loss = run->value;
    double delta = delta_of(run);
    for (size_t r = first; r < end; r++) {
        const real *y = (const real *)run->input[0].value + r * n, *t = (const real *)run->input[1].value + r * n;
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            double d = (double)y[j] - (double)t[j];
            sum += (d < 0 ? -d : d) <= delta ? 0.5 * d * d : delta * ((d < 0 ? -d : d) - 0.5 * delta);
        }
        loss[r] = sum / (double)n;
    }
}

static ls_status forward(const ls_op_run *run) {
    ls__each_row(run, take_losses);
    return LS_OK;
}

static void spread(const ls_op_run *run, size_t first, size_t end) {
    size_t n = run->input[0].size;
    real delta = (real)delta_of(run);
    for (size_t r = first; r < end; r++) {
        const real *y = (const real *)run->input[0].value + r * n, *t = (const real *)run->input[1].value + r * n;
        real *dy = run->input[0].gradient, *dt = run->input[1].gradient;
        real factor = ((const real *)run->gradient)[r] / (real)n;
        for (size_t j = 0; j < n; j++) {
            real d = y[j] - t[j], slope = factor * (d > delta ? delta : d < -delta ? -delta : d);
            if (dy) dy[r * n + j] = slope;
            if (dt) dt[r * n + j] = -slope;
        }
    }
}

static void backward(const ls_op_run *run) {
    ls__each_row(run, spread);
}

static void kinks(const ls_op_run *run, uint64_t *signature) {
    const real *y = run->input[0].value, *t = run->input[1].value;
    real delta = (real)delta_of(run);
    for (size_t i = 0; i < run->rows * run->input[0].size; i++) {
        real d = y[i] - t[i];
        ls__mix(signature, d > delta ? 2u : d < -delta ? 0u : 1u);
    }
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_pair(number, out);
    ls__example_number(0.1 * (double)ls__pick(number, 8, 1, 20), out);
}

const ls_op LS_REAL(ls_op_huber) = {
    .name = "huber",
    .doc = "squared near 0, linear beyond delta",
    .least_inputs = 2,
    .most_inputs = 2,
    .options_size = sizeof(ls_op_number_options),
    .infer = ls__infer_pairwise_loss,
    .forward = forward,
    .backward = backward,
    .kinks = kinks,
    .example = example,
    .twin = LS_TWIN(ls_op_huber),
};
