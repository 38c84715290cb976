/*
 * binary_cross_entropy: of logits z and targets t, mean over n outputs, p = sigmoid(z):
 *
 *     loss = mean of max(z, 0) - z t + log(1 + exp(-|z|))        (= -t log p - (1 - t) log(1 - p), without overflow)
 *     dz = g (p - t) / n,   dt = -g z / n
 */
#include "graph/ops.h"
#include "lockstep/elementary.h"

static void memory(const ls_op_run *run, ls_op_memory *out) {
    out->cache = run->rows * run->input[0].size * sizeof(real);
}

static void take_losses(const ls_op_run *run, size_t first, size_t end) {
    size_t n = run->input[0].size;
    double *loss = run->value;
    for (size_t r = first; r < end; r++) {
        const real *logit = (const real *)run->input[0].value + r * n,
                   *target = (const real *)run->input[1].value + r * n;
        loss[r] = 0;
        for (size_t j = 0; j < n; j++) {
            double z = (double)logit[j], t = (double)target[j];
            loss[r] += (z > 0 ? z : 0) - z * t + ls_log1p(ls_exp(z > 0 ? -z : z));
        }
        loss[r] /= (double)n;
    }
}

static ls_status forward(const ls_op_run *run) {
    LS_REAL(ls__kernels)
    (run)->activate(run->team, run->rows * run->input[0].size, LS_ACTIVATION_SIGMOID, 0, run->input[0].value,
                    run->cache);
    ls__each_row(run, take_losses);
    return LS_OK;
}

static void spread(const ls_op_run *run, size_t first, size_t end) {
    size_t n = run->input[0].size;
    for (size_t r = first; r < end; r++) {
        const real *p = (const real *)run->cache + r * n, *t = (const real *)run->input[1].value + r * n;
        const real *z = (const real *)run->input[0].value + r * n;
        real *dz = run->input[0].gradient, *dt = run->input[1].gradient;
        real factor = ((const real *)run->gradient)[r] / (real)n;
        for (size_t j = 0; j < n; j++) {
            if (dz) dz[r * n + j] = factor * (p[j] - t[j]);
            if (dt) dt[r * n + j] = -factor * z[j];
        }
    }
}

static void backward(const ls_op_run *run) {
    ls__each_row(run, spread);
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_pair(number, out);
    out->ones = true;
}

const ls_op LS_REAL(ls_op_binary_cross_entropy) = {
    .name = "binary_cross_entropy",
    .doc = "cross entropy of logits with targets in [0, 1], mean over outputs",
    .least_inputs = 2,
    .most_inputs = 2,
    .infer = ls__infer_pairwise_loss,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_binary_cross_entropy),
};
