#include "optim/schedule.h"

#include "lockstep/elementary.h"

typedef struct step_options {
    ls_duration every;
    double factor;
    int per;
} step_options;

static const ls_option rows[] = {
    LS__OPTION_LENGTH(step_options, every, "how long each level lasts"),
    {LS_OPTION_NUMBER(step_options, factor, LS_KIND_REAL, LS_REQUIRED, 0, INFINITY, "from one level to the next"),
     .open_low = true},
    LS__OPTION_PER(step_options),
    LS_OPTION_END};

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)state;
    const step_options *o = options;
    double x = ls__position_along(progress, o->every, o->per);
    return ls_pow(o->factor, __builtin_floor(x / o->every.value));
}

const ls_schedule_type ls__schedule_step = {
    .type = {"step", "factor to the power floor(x / every).", rows, sizeof(step_options)},
    .factor = factor,
};
