/**
 * optim.h: from a gradient to new weights: optimizers, schedules, clipping.
 *
 * An optimizer is a loop over a range of the parameter arena. It knows nothing of layers, ranks or messages: whoever
 * owns a piece (a range within one parameter) calls it with the piece's weights, its reduced gradient and its slots,
 * the arrays of state that lie at the same offsets as the weights:
 *
 *      weights      |w w w w w w w w|                 one copy per node
 *      gradient     |g g g g g g g g|                 after the sum over all ranks
 *      slots[0]     |m m m m m m m m|                 with the owner only
 *      slots[1]     |v v v v v v v v|
 *
 * One update of a parameter is
 *
 *      rate   = learning_rate * ls_schedules_factor(..) * factors of the parameter          ls_optimizer_rate()
 *      decay  = weight_decay, or 0 where the parameter is spared                            ls_optimizer_decay()
 *      scale  = ls_clip_factor(norm of all gradients, clip_norm)
 *      trust  = 1, or for lars and lamb a ratio of norms over the whole parameter           type->measure, type->trust
 *      type->update(options, {count, weights, gradient, slots, rate, decay, scale, number, trust})
 *
 * Invariants
 *  - Element i of the new weights and slots depends on element i of the old ones and on the scalars alone, so it does
 *    not matter how a parameter is cut into pieces. Scalars are formed in double, once a call; elements are float,
 *    every operation rounded once, never contracted: the same bits on every machine.
 *  - Padding stays what it is: where weight, gradient and slots are 0 they remain 0.
 *  - A weight changes only in `update`; `measure` changes nothing.
 *
 * g below is the gradient of the batch's mean loss times `scale`; weight decay is added to it (g + decay * w) by all
 * but adamw and lamb, which apply it apart. All functions are local.
 */
#ifndef LOCKSTEP_OPTIM_H
#define LOCKSTEP_OPTIM_H

#include "lockstep/options.h"
#include "lockstep/sum.h"
#include "lockstep/tensor.h"

/* ---- optimizers --------------------------------------------------------------------------------------------- */

/** At most so many arrays of state, and so many norms for a trust ratio. */
#define LS_OPTIMIZER_SLOTS 2
#define LS_OPTIMIZER_NORMS 2

/** `weight_decay: 0.01`, or `weight_decay: {lambda: 5.0}`, the textbook's lambda / n with n training samples. */
typedef struct ls_weight_decay {
    double value, lambda;
    bool value_given, lambda_given;
} ls_weight_decay;

enum { LS_DECAY_ALL, LS_DECAY_WEIGHTS };

/** What every optimizer takes. Its option struct begins with this. */
typedef struct ls_optimizer_options {
    double learning_rate;
    ls_weight_decay weight_decay;
    int decay;           /* LS_DECAY_ALL, or LS_DECAY_WEIGHTS: biases and norms are spared */
    bool fan_in_scaling; /* a weight's rate is divided by the root of its fan-in */
} ls_optimizer_options;

/** One piece of one parameter, and the scalars of this update. */
typedef struct ls_update {
    size_t count;
    float *weights;        /* (count) */
    const float *gradient; /* (count), unscaled */
    float *const *slots;   /* each (count), in the order of `slots` of the type; zero before the first update */
    double learning_rate;  /* after schedules and factors */
    double weight_decay;   /* after factor and role */
    double gradient_scale; /* of clipping; 1 if none */
    uint64_t number;       /* t: updates applied to this parameter so far, plus 1 */
    double trust;          /* the ratio of type->trust, 1 where the type has none */
} ls_update;

typedef struct ls_optimizer_type {
    ls_type type;

    /** Refuses options that do not go together, at `place`. NULL: all do. */
    ls_status (*check)(const void *options, ls_place place);

    /** Writes the names of the slots that these options need ("velocity") and returns how many. */
    size_t (*slots)(const void *options, const char *names[LS_OPTIMIZER_SLOTS]);

    void (*update)(const void *options, const ls_update *update);

    /**
     * Where a scalar depends on a whole parameter, which lies in pieces on several ranks: adds this piece's share of up
     * to LS_OPTIMIZER_NORMS squared norms to exact sums. The owner of the sums exchanges them; `trust` then makes the
     * ratio from their values over the whole parameter. Both NULL: nothing to measure. Pieces begin at multiples of
     * LS_GRAIN, so the blocks that are summed are the same however the parameter was cut.
     */
    void (*measure)(const void *options, const ls_update *update, ls_sum *sums);
    double (*trust)(const void *options, const ls_update *update, const double *squares);
} ls_optimizer_type;

/** sgd, adagrad, rmsprop, adam, adamw, lars, lamb: the choices of `optimizer`. */
extern const ls_family ls_optimizer_family;

/** The descriptor of a bound choice. */
static inline const ls_optimizer_type *ls_optimizer_of(const ls_choice *optimizer) {
    return (const ls_optimizer_type *)(const void *)optimizer->type;
}

/** Refuses options that do not go together; the sentence has the place of the choice. */
ls_status ls_optimizer_check(const ls_choice *optimizer) LS_MUST_USE;

/** The names of the slots, at most LS_OPTIMIZER_SLOTS; returns how many. Names are constant. */
size_t ls_optimizer_slots(const ls_choice *optimizer, const char *names[LS_OPTIMIZER_SLOTS]);

/** The learning rate of a parameter: base, times `factor` of the schedules and its own, by fan-in if asked. */
double ls_optimizer_rate(const ls_choice *optimizer, const ls_param *param, double factor);

/** The weight decay of a parameter, with its own factor; `samples` is the size of the training set. */
double ls_optimizer_decay(const ls_choice *optimizer, const ls_param *param, uint64_t samples);

/** Applies one update to one piece. */
void ls_optimizer_update(const ls_choice *optimizer, const ls_update *update);

/** The factor on all gradients that brings their common norm down to `limit`: limit / norm, or 1 where it is less. */
double ls_clip_factor(double norm, double limit);

/* ---- schedules ---------------------------------------------------------------------------------------------- */

/** Where training stands. `epoch` and `step` count from 0 and are those of the update to come. */
typedef struct ls_progress {
    uint64_t step;
    uint64_t epoch;
} ls_progress;

/** Numbers that a schedule with a memory keeps; they are saved in checkpoints under their names. */
#define LS_SCHEDULE_STATE 3
typedef struct ls_schedule_state {
    double number[LS_SCHEDULE_STATE];
} ls_schedule_state;

typedef struct ls_schedule_type {
    ls_type type;

    /** Refuses options that do not go together, at `place`. NULL: all do. */
    ls_status (*check)(const void *options, ls_place place);

    /** The factor on the learning rate: a pure function of its arguments. */
    double (*factor)(const void *options, const ls_schedule_state *state, const ls_progress *progress);

    /**
     * A schedule with a memory (plateau). `names` are those of its numbers, NULL-terminated; `start` sets them;
     * `metric` says what it watches ("valid.loss"); `observe` takes that metric's value at an epoch's end.
     * All NULL: the schedule has none.
     */
    const char *const *names;
    void (*start)(const void *options, ls_schedule_state *state);
    const char *(*metric)(const void *options);
    void (*observe)(const void *options, ls_schedule_state *state, double value, bool higher_is_better);
} ls_schedule_type;

/** constant, exponential, inverse_time, step, search_then_converge, cosine, polynomial, warmup, plateau. */
extern const ls_family ls_schedule_family;

static inline const ls_schedule_type *ls_schedule_of(const ls_choice *schedule) {
    return (const ls_schedule_type *)(const void *)schedule->type;
}

ls_status ls_schedules_check(const ls_choices *schedules) LS_MUST_USE;

/** Sets the numbers of each schedule; `states` has schedules->count elements. */
void ls_schedules_start(const ls_choices *schedules, ls_schedule_state *states);

/** The product of all factors; 1 for an empty list. */
double ls_schedules_factor(const ls_choices *schedules, const ls_schedule_state *states, const ls_progress *progress);

#endif
