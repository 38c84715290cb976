#include "optim/schedule.h"

typedef struct plateau_options {
    const char *metric;
    double factor, delta;
    size_t patience;
} plateau_options;

static const ls_option rows[] = {
    LS_OPTION_TEXT(plateau_options, metric, "train.loss", "what it watches, at the end of each epoch"),
    {LS_OPTION_NUMBER(plateau_options, factor, LS_KIND_REAL, "0.1", 0, 1, "on the learning rate at each plateau"),
     .open_low = true, .open_high = true},
    LS_OPTION_COUNT(plateau_options, patience, "5", 1, INFINITY, "epochs without improvement that make a plateau"),
    LS_OPTION_REAL(plateau_options, delta, "1e-4", 0, INFINITY, "an improvement is more than this"),
    LS_OPTION_END};

enum { FACTOR, BEST, WAITED };
static const char *const names[] = {[FACTOR] = "factor", [BEST] = "best", [WAITED] = "waited", NULL};
_Static_assert(WAITED < LS_SCHEDULE_STATE, "a state has room for all numbers");

static void start(const void *options, ls_schedule_state *state) {
    (void)options;
    state->number[FACTOR] = 1;
    state->number[BEST] = NAN;
    state->number[WAITED] = 0;
}

static const char *metric(const void *options) {
    return ((const plateau_options *)options)->metric;
}

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)options, (void)progress;
    return state->number[FACTOR];
}

static void observe(const void *options, ls_schedule_state *state, double value, bool higher_is_better) {
    const plateau_options *plateau = options;
    double best = state->number[BEST];
    double gain = higher_is_better ? value - best : best - value;
    if (gain > plateau->delta || (isnan(best) && !isnan(value))) {
        state->number[BEST] = value;
        state->number[WAITED] = 0;
        return;
    }
    state->number[WAITED] += 1;
    if (state->number[WAITED] < (double)plateau->patience) return;
    state->number[FACTOR] *= plateau->factor;
    state->number[WAITED] = 0;
}

const ls_schedule_type ls__schedule_plateau = {
    .type = {"plateau", "Falls by a factor whenever a metric stops improving.", rows, sizeof(plateau_options)},
    .factor = factor,
    .names = names,
    .start = start,
    .metric = metric,
    .observe = observe,
};
