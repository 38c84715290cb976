#include "optim/optimizer.h"

#include "lockstep/sum.h"
#include "tensor/clones.h"

/* You et al.: Large batch training of convolutional networks, 2017, algorithm 1: the velocity holds steps. */

typedef struct lars_options {
    ls_optimizer_options common;
    double trust, momentum;
} lars_options;

static const ls_option rows[] = {
    LS__OPTIMIZER_ROWS("0.01", ls__weight_decay_none),
    {LS_OPTION_NUMBER(lars_options, trust, LS_KIND_REAL, "0.001", 0, INFINITY,
                      "how far a step may go, as a share of the parameter's norm"),
     .open_low = true},
    LS__OPTION_FRACTION(lars_options, momentum, "0.9", "share of the velocity that is kept"),
    LS_OPTION_END};

static size_t slots(const void *options, const char *names[LS_OPTIMIZER_SLOTS]) {
    (void)options;
    names[0] = "velocity";
    return 1;
}

enum { OF_WEIGHTS, OF_GRADIENT };

static void measure(const void *options, const ls_update *u, ls_sum *sums) {
    (void)options;
    ls__add_squares(&sums[OF_WEIGHTS], u->count, u->weights);
    ls__add_squares(&sums[OF_GRADIENT], u->count, u->gradient);
}

/* trust * norm(w) / (norm(g) + decay norm(w)); 1 where that is 0 or 0 / 0, so that parameters can leave 0. */
static double trust(const void *options, const ls_update *u, const double *squares) {
    const lars_options *lars = options;
    double w = __builtin_sqrt(squares[OF_WEIGHTS]), g = u->gradient_scale * __builtin_sqrt(squares[OF_GRADIENT]);
    double whole = g + u->weight_decay * w;
    return w > 0 && whole > 0 ? lars->trust * w / whole : 1;
}

/* v = momentum v + rate (g + decay w), w -= v */
LS_CLONES static void step(size_t count, float *restrict w, const float *restrict g, float *restrict v, float scale,
                           float decay, float momentum, float rate) {
    for (size_t i = 0; i < count; i++) {
        v[i] = momentum * v[i] + rate * (scale * g[i] + decay * w[i]);
        w[i] -= v[i];
    }
}

static void update(const void *options, const ls_update *u) {
    const lars_options *lars = options;
    step(u->count, u->weights, u->gradient, u->slots[0], (float)u->gradient_scale, (float)u->weight_decay,
         (float)lars->momentum, (float)(u->learning_rate * u->trust));
}

const ls_optimizer_type ls__optimizer_lars = {
    .type = {"lars", "Momentum with a rate for each parameter, by the ratio of its norm to its gradient's.", rows,
             sizeof(lars_options)},
    .slots = slots,
    .update = update,
    .measure = measure,
    .trust = trust,
};
