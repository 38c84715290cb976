#include "optim/schedule.h"

typedef struct inverse_time_options {
    double k;
    int per;
} inverse_time_options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(inverse_time_options, k, LS_KIND_REAL, LS_REQUIRED, 0, INFINITY, "how fast it falls"),
     .main = true},
    LS__OPTION_PER(inverse_time_options),
    LS_OPTION_END};

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)state;
    const inverse_time_options *o = options;
    return 1 / (o->k * ls__position(progress, o->per) + 1);
}

const ls_schedule_type ls__schedule_inverse_time = {
    .type = {"inverse_time", "1 / (k x + 1).", rows, sizeof(inverse_time_options)},
    .factor = factor,
};
