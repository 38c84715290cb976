#include "optim/schedule.h"

#include "lockstep/elementary.h"

typedef struct exponential_options {
    double k;
    int per;
} exponential_options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(exponential_options, k, LS_KIND_REAL, LS_REQUIRED, 0, INFINITY, "how fast it falls"),
     .main = true},
    LS__OPTION_PER(exponential_options),
    LS_OPTION_END};

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)state;
    const exponential_options *o = options;
    return ls_exp(-o->k * ls__position(progress, o->per));
}

const ls_schedule_type ls__schedule_exponential = {
    .type = {"exponential", "exp(-k x).", rows, sizeof(exponential_options)},
    .factor = factor,
};
