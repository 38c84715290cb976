#include "optim/adam.h"

#include <assert.h>

#include "lockstep/elementary.h"
#include "tensor/clones.h"

ls__adam_terms ls__adam_prepare(const ls__adam_options *options, const ls_update *u, bool apart) {
    assert(u->number >= 1);
    double t = (double)u->number;
    return (ls__adam_terms){
        .scale = (float)u->gradient_scale,
        .coupled = apart ? 0 : (float)u->weight_decay,
        .apart = apart ? (float)u->weight_decay : 0,
        .rate = (float)u->learning_rate,
        .beta1 = (float)options->beta1,
        .fresh1 = (float)(1 - options->beta1),
        .correction1 = (float)(1 / (1 - ls_pow(options->beta1, t))),
        .beta2 = (float)options->beta2,
        .fresh2 = (float)(1 - options->beta2),
        .correction2 = (float)(1 / (1 - ls_pow(options->beta2, t))),
        .epsilon = ls__epsilon_of(options->epsilon, options->epsilon_inside),
    };
}

size_t ls__adam_slots(const void *options, const char *names[LS_OPTIMIZER_SLOTS]) {
    (void)options;
    names[0] = "first_moment";
    names[1] = "second_moment";
    return 2;
}

/* d of one element; m and v become the new moments. */
static inline float direction_of(const ls__adam_terms *t, float w, float gradient, float *m, float *v) {
    float g = t->scale * gradient + t->coupled * w;
    *m = t->beta1 * *m + t->fresh1 * g;
    *v = t->beta2 * *v + t->fresh2 * (g * g);
    float root = __builtin_sqrtf(t->correction2 * *v + t->epsilon.inside) + t->epsilon.outside;
    return t->correction1 * *m / root + t->apart * w;
}

LS_CLONES static void step(size_t count, float *restrict w, const float *restrict g, float *restrict m,
                           float *restrict v, ls__adam_terms t) {
    for (size_t i = 0; i < count; i++) w[i] -= t.rate * direction_of(&t, w[i], g[i], &m[i], &v[i]);
}

LS_CLONES static void look_along(size_t count, const float *restrict w, const float *restrict g,
                                 const float *restrict m, const float *restrict v, ls__adam_terms t,
                                 float *restrict d) {
    for (size_t i = 0; i < count; i++) {
        float first = m[i], second = v[i];
        d[i] = direction_of(&t, w[i], g[i], &first, &second);
    }
}

void ls__adam_step(const ls_update *u, ls__adam_terms terms) {
    step(u->count, u->weights, u->gradient, u->slots[0], u->slots[1], terms);
}

void ls__adam_direction(const ls_update *u, ls__adam_terms terms, size_t from, size_t count, float *direction) {
    look_along(count, u->weights + from, u->gradient + from, u->slots[0] + from, u->slots[1] + from, terms, direction);
}
