#include "optim/schedule.h"

typedef struct warmup_options {
    size_t steps;
} warmup_options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(warmup_options, steps, LS_KIND_COUNT, LS_REQUIRED, 1, INFINITY, "updates until 1 is reached"),
     .main = true},
    LS_OPTION_END};

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)state;
    const warmup_options *o = options;
    double risen = ((double)progress->step + 1) / (double)o->steps;
    return risen < 1 ? risen : 1;
}

const ls_schedule_type ls__schedule_warmup = {
    .type = {"warmup", "Rises in equal steps to 1.", rows, sizeof(warmup_options)},
    .factor = factor,
};
