#include "optim/schedule.h"

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)options, (void)state, (void)progress;
    return 1;
}

const ls_schedule_type ls__schedule_constant = {.type = {.name = "constant", .doc = "1: the learning rate stays."},
                                                .factor = factor};
