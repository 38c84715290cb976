#include "optim/optimizer.h"
#include "tensor/clones.h"

#include <stddef.h>

/* `decay` is the factor of the running average here; the words of the others' `decay` may stand in its place. */
typedef struct rmsprop_options {
    ls_optimizer_options common;
    double decay, momentum, epsilon;
    bool epsilon_inside;
} rmsprop_options;

#define DEFAULT_DECAY 0.99

/* In this order the word's number (from 1; 0: a number was given) is LS_DECAY_WEIGHTS for the first, and not for the
 * second. */
static const char *const decay_words[] = {"weights", "all", NULL};
_Static_assert(LS_DECAY_WEIGHTS == 1, "the first word means LS_DECAY_WEIGHTS");

static const ls_option rows[] = {
    LS__OPTIMIZER_RATE_ROWS("0.01", ls__weight_decay_none),
    {LS_OPTION_NUMBER(rmsprop_options, decay, LS_KIND_REAL, "0.99", 0, 1,
                      "share of the average of squares that is kept; or, leaving it at 0.99, which parameters weight "
                      "decay applies to: all, or weights, which spares biases and norms"),
     .open_high = true, .words = decay_words, .word_offset = offsetof(rmsprop_options, common.decay)},
    LS__OPTION_FRACTION(rmsprop_options, momentum, "0", "share of the velocity that is kept"),
    LS__OPTION_EPSILON(rmsprop_options, "1e-8"),
    LS_OPTION_END};

static size_t slots(const void *options, const char *names[LS_OPTIMIZER_SLOTS]) {
    const rmsprop_options *rmsprop = options;
    names[0] = "squares";
    names[1] = "velocity";
    return rmsprop->momentum > 0 ? 2 : 1;
}

typedef struct terms {
    float scale, decay, rate, kept, fresh, momentum;
    ls__epsilon epsilon;
} terms;

/* c = kept c + fresh g^2, w -= rate g / (sqrt(c) + epsilon), with fresh = 1 - kept; Hinton's lecture 6e, 2012. */
LS_CLONES static void step(size_t count, float *restrict w, const float *restrict gradient, float *restrict c,
                           terms t) {
    for (size_t i = 0; i < count; i++) {
        float g = t.scale * gradient[i] + t.decay * w[i];
        c[i] = t.kept * c[i] + t.fresh * (g * g);
        w[i] -= t.rate * g / (__builtin_sqrtf(c[i] + t.epsilon.inside) + t.epsilon.outside);
    }
}

/* The same with b = momentum b + g / (..), w -= rate b. */
LS_CLONES static void step_with_momentum(size_t count, float *restrict w, const float *restrict gradient,
                                         float *restrict c, float *restrict b, terms t) {
    for (size_t i = 0; i < count; i++) {
        float g = t.scale * gradient[i] + t.decay * w[i];
        c[i] = t.kept * c[i] + t.fresh * (g * g);
        b[i] = t.momentum * b[i] + g / (__builtin_sqrtf(c[i] + t.epsilon.inside) + t.epsilon.outside);
        w[i] -= t.rate * b[i];
    }
}

static void update(const void *options, const ls_update *u) {
    const rmsprop_options *rmsprop = options;
    double kept = rmsprop->common.decay ? DEFAULT_DECAY : rmsprop->decay;
    terms t = {.scale = (float)u->gradient_scale,
               .decay = (float)u->weight_decay,
               .rate = (float)u->learning_rate,
               .kept = (float)kept,
               .fresh = (float)(1 - kept),
               .momentum = (float)rmsprop->momentum,
               .epsilon = ls__epsilon_of(rmsprop->epsilon, rmsprop->epsilon_inside)};
    if (rmsprop->momentum > 0)
        step_with_momentum(u->count, u->weights, u->gradient, u->slots[0], u->slots[1], t);
    else
        step(u->count, u->weights, u->gradient, u->slots[0], t);
}

const ls_optimizer_type ls__optimizer_rmsprop = {
    .type = {"rmsprop", "Divides by the root of a running average of squared gradients.", rows,
             sizeof(rmsprop_options)},
    .slots = slots,
    .update = update,
};
