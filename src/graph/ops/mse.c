/*
 * mse: loss = mean over n outputs of (y - t)^2, without a factor 1/2; dy = 2 g (y - t) / n.
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
            sum += d * d;
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
        real factor = 2 * ((const real *)run->gradient)[r] / (real)n;
        for (size_t j = 0; j < n; j++) {
            real d = y[j] - t[j], slope = factor * d;
            if (dy) dy[r * n + j] = slope;
            if (dt) dt[r * n + j] = -slope;
        }
    }
}

static void backward(const ls_op_run *run) {
    ls__each_row(run, spread);
}

const ls_op LS_REAL(ls_op_mse) = {
    .name = "mse",
    .doc = "the mean over outputs of (y - t)^2",
    .least_inputs = 2,
    .most_inputs = 2,
    .infer = ls__infer_pairwise_loss,
    .forward = forward,
    .backward = backward,
    .example = ls__example_pair,
    .twin = LS_TWIN(ls_op_mse),
};
