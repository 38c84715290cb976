#include "optim/schedule.h"

typedef struct search_then_converge_options {
    ls_duration tau;
    int per;
} search_then_converge_options;

static const ls_option rows[] = {LS__OPTION_LENGTH(search_then_converge_options, tau, "where the search ends"),
                                 LS__OPTION_PER(search_then_converge_options), LS_OPTION_END};

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)state;
    const search_then_converge_options *o = options;
    double x = ls__position_along(progress, o->tau, o->per);
    return x > o->tau.value ? o->tau.value / x : 1;
}

const ls_schedule_type ls__schedule_search_then_converge = {
    .type = {"search_then_converge", "1 up to tau, then tau / x.", rows, sizeof(search_then_converge_options)},
    .factor = factor,
};
