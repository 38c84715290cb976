#include "optim/schedule.h"

#include "lockstep/elementary.h"

typedef struct cosine_options {
    ls_duration epochs;
    int per;
} cosine_options;

static const ls_option rows[] = {LS__OPTION_LENGTH(cosine_options, epochs, "where it reaches 0"),
                                 LS__OPTION_PER(cosine_options), LS_OPTION_END};

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)state;
    const cosine_options *o = options;
    double x = ls__position_along(progress, o->epochs, o->per);
    if (x >= o->epochs.value) return 0;
    return (1 + ls_cos(3.141592653589793 * x / o->epochs.value)) / 2;
}

const ls_schedule_type ls__schedule_cosine = {
    .type = {"cosine", "Half a cosine from 1 to 0 over the epochs.", rows, sizeof(cosine_options)},
    .factor = factor,
};
