/*
 * optimizer.h: what the files of optimizers/ share: the rows that every optimizer takes, and small helpers.
 */
#ifndef LOCKSTEP_OPTIM_OPTIMIZER_H
#define LOCKSTEP_OPTIM_OPTIMIZER_H

#include "lockstep/optim.h"

extern const ls_optimizer_type ls__optimizer_sgd, ls__optimizer_adagrad, ls__optimizer_rmsprop, ls__optimizer_adam,
    ls__optimizer_adamw, ls__optimizer_lars, ls__optimizer_lamb;

/* Rows of `weight_decay`, whose default is 0, or 0.01 where it is apart from the gradient. */
extern const ls_option ls__weight_decay_none[], ls__weight_decay_some[];
extern const char *const ls__decay_words[];

/* The rows of ls_optimizer_options, with which every option struct begins. */
#define LS__OPTIMIZER_RATE_ROWS(rate, decay_rows)                                                                      \
    LS_OPTION_REAL(ls_optimizer_options, learning_rate, rate, 0, INFINITY, "step size, before schedules"),             \
        LS_OPTION_TABLE(ls_optimizer_options, weight_decay, "{}", decay_rows, "pull of the weights towards 0"),        \
        LS_OPTION_BOOL(ls_optimizer_options, fan_in_scaling, "false",                                                  \
                       "divide a weight's rate by the root of its number of inputs")
#define LS__OPTIMIZER_ROWS(rate, decay_rows)                                                                           \
    LS__OPTIMIZER_RATE_ROWS(rate, decay_rows),                                                                         \
        LS_OPTION_WORD(ls_optimizer_options, decay, "all", ls__decay_words,                                            \
                       "which parameters decay: all, or weights, which spares biases and norms")

/* A factor of a running average or velocity: 0 <= value < 1. */
#define LS__OPTION_FRACTION(holder, field, preset, sentence)                                                           \
    { LS_OPTION_NUMBER(holder, field, LS_KIND_REAL, preset, 0, 1, sentence), .open_high = true }

/* The epsilon of a denominator, above 0: padding divides 0 by it. */
#define LS__OPTION_EPSILON(holder, preset)                                                                             \
    {LS_OPTION_NUMBER(holder, epsilon, LS_KIND_REAL, preset, 0, INFINITY, "keeps the denominator from 0"),             \
     .open_low = true},                                                                                                \
        LS_OPTION_BOOL(holder, epsilon_inside, "false", "put epsilon under the root")

/* root(x + inside) + outside is the denominator with epsilon inside or outside of the root: the other one is 0. */
typedef struct ls__epsilon {
    float inside, outside;
} ls__epsilon;

static inline ls__epsilon ls__epsilon_of(double epsilon, bool inside) {
    return inside ? (ls__epsilon){(float)epsilon, 0} : (ls__epsilon){0, (float)epsilon};
}

/* Adds the squares of a piece to a sum, block by block. */
void ls__add_squares(ls_sum *sum, size_t count, const float *values);

#endif
