#include "optim/optimizer.h"
#include "tensor/clones.h"

typedef struct sgd_options {
    ls_optimizer_options common;
    double momentum, dampening;
    bool nesterov, rate_in_velocity;
} sgd_options;

static const ls_option rows[] = {
    LS__OPTIMIZER_ROWS("0.01", ls__weight_decay_none),
    LS__OPTION_FRACTION(sgd_options, momentum, "0", "share of the velocity that is kept"),
    LS__OPTION_FRACTION(sgd_options, dampening, "0",
                        "share of the gradient that does not enter the velocity; equal to momentum: an average"),
    LS_OPTION_BOOL(sgd_options, nesterov, "false", "take the gradient at the point looked ahead"),
    LS_OPTION_BOOL(sgd_options, rate_in_velocity, "false", "the velocity holds steps rather than gradients"),
    LS_OPTION_END};

static ls_status check(const void *options, ls_place place) {
    const sgd_options *sgd = options;
    if (sgd->nesterov && sgd->momentum <= 0)
        return ls_document_fail(place, LS_ERR_CONFIG, "nesterov needs a momentum above 0, such as momentum: 0.9");
    if (sgd->nesterov && sgd->dampening > 0)
        return ls_document_fail(place, LS_ERR_CONFIG, "nesterov and dampening exclude each other; leave out dampening");
    return LS_OK;
}

static size_t slots(const void *options, const char *names[LS_OPTIMIZER_SLOTS]) {
    const sgd_options *sgd = options;
    names[0] = "velocity";
    return sgd->momentum > 0 ? 1 : 0;
}

LS_CLONES static void step(size_t count, float *restrict w, const float *restrict g, float scale, float decay,
                           float rate) {
    for (size_t i = 0; i < count; i++) w[i] -= rate * (scale * g[i] + decay * w[i]);
}

/*
 * v = momentum v + gain g,  w += along v + direct g, which with rate r and keep = 1 - dampening is
 *
 *                          gain      along          direct
 *      momentum            keep      -r             0             w -= r v
 *        nesterov          1         -r momentum    -r            w -= r (g + momentum v)
 *      rate_in_velocity    -r keep   1              0             w += v
 *        nesterov          -r        momentum       -r            w += momentum v - r g
 *
 * Nesterov's point is the one looked ahead to, in the change of variables of Sutskever et al., ICML 2013.
 */
LS_CLONES static void step_with_momentum(size_t count, float *restrict w, const float *restrict gradient,
                                         float *restrict v, float scale, float decay, float momentum, float gain,
                                         float along, float direct) {
    for (size_t i = 0; i < count; i++) {
        float g = scale * gradient[i] + decay * w[i];
        v[i] = momentum * v[i] + gain * g;
        w[i] += along * v[i] + direct * g;
    }
}

static void update(const void *options, const ls_update *u) {
    const sgd_options *sgd = options;
    float scale = (float)u->gradient_scale, decay = (float)u->weight_decay;
    double rate = u->learning_rate, momentum = sgd->momentum, keep = 1 - sgd->dampening;
    if (momentum <= 0) {
        step(u->count, u->weights, u->gradient, scale, decay, (float)(rate * keep));
        return;
    }
    double gain = sgd->rate_in_velocity ? -rate * keep : keep;
    double along = (sgd->rate_in_velocity ? 1 : -rate) * (sgd->nesterov ? momentum : 1);
    double direct = sgd->nesterov ? -rate : 0;
    step_with_momentum(u->count, u->weights, u->gradient, u->slots[0], scale, decay, (float)momentum, (float)gain,
                       (float)along, (float)direct);
}

const ls_optimizer_type ls__optimizer_sgd = {
    .type = {"sgd", "Gradient descent, with momentum if wanted.", rows, sizeof(sgd_options)},
    .check = check,
    .slots = slots,
    .update = update,
};
