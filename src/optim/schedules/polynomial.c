#include "optim/schedule.h"

#include "lockstep/elementary.h"

typedef struct polynomial_options {
    ls_duration epochs;
    double power, end;
    int per;
} polynomial_options;

static const ls_option rows[] = {
    LS__OPTION_LENGTH(polynomial_options, epochs, "where it reaches its end"),
    {LS_OPTION_NUMBER(polynomial_options, power, LS_KIND_REAL, "1", 0, INFINITY, "1: a straight line"),
     .open_low = true},
    LS_OPTION_REAL(polynomial_options, end, "0", 0, INFINITY, "the factor from there on"),
    LS__OPTION_PER(polynomial_options),
    LS_OPTION_END};

static double factor(const void *options, const ls_schedule_state *state, const ls_progress *progress) {
    (void)state;
    const polynomial_options *o = options;
    double x = ls__position_along(progress, o->epochs, o->per);
    if (x >= o->epochs.value) return o->end;
    return o->end + (1 - o->end) * ls_pow(1 - x / o->epochs.value, o->power);
}

const ls_schedule_type ls__schedule_polynomial = {
    .type = {"polynomial", "end + (1 - end) (1 - x / epochs)^power.", rows, sizeof(polynomial_options)},
    .factor = factor,
};
