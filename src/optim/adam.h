/*
 * adam.h: the step that adam, adamw and lamb have in common.
 *
 *     g = scale * gradient + coupled * w                       weight decay in the gradient: adam
 *     m = beta1 m + (1 - beta1) g,    v = beta2 v + (1 - beta2) g^2
 *     d = mhat / (sqrt(vhat) + epsilon) + apart * w            weight decay apart: adamw, lamb
 *     w -= rate d
 *
 * with mhat = m / (1 - beta1^t) and vhat = v / (1 - beta2^t) at update t, counted from 1.
 * Kingma, Ba: Adam, ICLR 2015. Loshchilov, Hutter: Decoupled weight decay regularization, ICLR 2019.
 */
#ifndef LOCKSTEP_OPTIM_ADAM_H
#define LOCKSTEP_OPTIM_ADAM_H

#include "optim/optimizer.h"

typedef struct ls__adam_options {
    ls_optimizer_options common;
    double beta1, beta2, epsilon;
    bool epsilon_inside;
} ls__adam_options;

#define LS__ADAM_ROWS(decay_rows, epsilon_default)                                                                     \
    LS__OPTIMIZER_ROWS("0.001", decay_rows),                                                                           \
        LS__OPTION_FRACTION(ls__adam_options, beta1, "0.9", "share of the gradient's average that is kept"),           \
        LS__OPTION_FRACTION(ls__adam_options, beta2, "0.999", "share of the average of squares that is kept"),         \
        LS__OPTION_EPSILON(ls__adam_options, epsilon_default), LS_OPTION_END

/* The scalars of one call. */
typedef struct ls__adam_terms {
    float scale, coupled, apart, rate;
    float beta1, fresh1, correction1;
    float beta2, fresh2, correction2;
    ls__epsilon epsilon;
} ls__adam_terms;

/* Makes the scalars; the update's weight decay goes into the gradient, or apart from it. */
ls__adam_terms ls__adam_prepare(const ls__adam_options *options, const ls_update *update, bool apart);

size_t ls__adam_slots(const void *options, const char *names[LS_OPTIMIZER_SLOTS]);

/* Moves weights and moments by one step. */
void ls__adam_step(const ls_update *update, ls__adam_terms terms);

/* Writes d without changing anything: what the step would go along. `count` elements from `from` on. */
void ls__adam_direction(const ls_update *update, ls__adam_terms terms, size_t from, size_t count, float *direction);

#endif
