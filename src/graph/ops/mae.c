/*
 * mae: loss = mean over n outputs of |y - t|; dy = g sign(y - t) / n, 0 where y = t.
 */
#include "graph/ops.h"

static void take_losses(const ls_op_run *run, size_t first, size_t end) {
    size_t n = run->input[0].size;
    double *loss = run->value;
    for (size_t r = first; r < end; r++) {
        const real *y = (const real *)run->input[0].value + r * n, *t = (const real *)run->input[1].value + r * n;
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            double d = (double)y[j] - (double)t[j];
            sum += d < 0 ? -d : d;
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
    for (size_t r = first; r < end; r++) {
        const real *y = (const real *)run->input[0].value + r * n, *t = (const real *)run->input[1].value + r * n;
        real *dy = run->input[0].gradient, *dt = run->input[1].gradient;
        real factor = ((const real *)run->gradient)[r] / (real)n;
        for (size_t j = 0; j < n; j++) {
            real d = y[j] - t[j], slope = factor * (real)((d > 0) - (d < 0));
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
    for (size_t i = 0; i < run->rows * run->input[0].size; i++) {
        real d = y[i] - t[i];
        ls__mix(signature, d > 0);
    }
}

const ls_op LS_REAL(ls_op_mae) = {
    .name = "mae",
    .doc = "the mean over outputs of |y - t|",
    .least_inputs = 2,
    .most_inputs = 2,
    .infer = ls__infer_pairwise_loss,
    .forward = forward,
    .backward = backward,
    .kinks = kinks,
    .example = ls__example_pair,
    .twin = LS_TWIN(ls_op_mae),
};
