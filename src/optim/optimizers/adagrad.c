#include "optim/optimizer.h"
#include "tensor/clones.h"

typedef struct adagrad_options {
    ls_optimizer_options common;
    double epsilon;
    bool epsilon_inside;
} adagrad_options;

static const ls_option rows[] = {LS__OPTIMIZER_ROWS("0.01", ls__weight_decay_none),
                                 LS__OPTION_EPSILON(adagrad_options, "1e-10"), LS_OPTION_END};

static size_t slots(const void *options, const char *names[LS_OPTIMIZER_SLOTS]) {
    (void)options;
    names[0] = "squares";
    return 1;
}

/* c += g^2, w -= rate g / (sqrt(c) + epsilon); Duchi et al., JMLR 2011 (diagonal form). */
LS_CLONES static void step(size_t count, float *restrict w, const float *restrict gradient, float *restrict c,
                           float scale, float decay, float rate, ls__epsilon epsilon) {
    for (size_t i = 0; i < count; i++) {
        float g = scale * gradient[i] + decay * w[i];
        c[i] += g * g;
        w[i] -= rate * g / (__builtin_sqrtf(c[i] + epsilon.inside) + epsilon.outside);
    }
}

static void update(const void *options, const ls_update *u) {
    const adagrad_options *adagrad = options;
    step(u->count, u->weights, u->gradient, u->slots[0], (float)u->gradient_scale, (float)u->weight_decay,
         (float)u->learning_rate, ls__epsilon_of(adagrad->epsilon, adagrad->epsilon_inside));
}

const ls_optimizer_type ls__optimizer_adagrad = {
    .type = {"adagrad", "Divides by the root of the sum of squared gradients.", rows, sizeof(adagrad_options)},
    .slots = slots,
    .update = update,
};
