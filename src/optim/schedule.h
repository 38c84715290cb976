/*
 * schedule.h: what the files of schedules/ share: the axis x, which is the epoch or the step.
 */
#ifndef LOCKSTEP_OPTIM_SCHEDULE_H
#define LOCKSTEP_OPTIM_SCHEDULE_H

#include "lockstep/optim.h"

extern const ls_schedule_type ls__schedule_constant, ls__schedule_exponential, ls__schedule_inverse_time,
    ls__schedule_step, ls__schedule_search_then_converge, ls__schedule_cosine, ls__schedule_polynomial,
    ls__schedule_warmup, ls__schedule_plateau;

enum { LS__PER_EPOCH, LS__PER_STEP };
extern const char *const ls__per_words[];

#define LS__OPTION_PER(holder) LS_OPTION_WORD(holder, per, "epoch", ls__per_words, "what x counts: epochs or steps")

/* A length on the axis: a bare number counts what `per` says, a duration in epochs or steps sets `per`. Above 0. */
#define LS__OPTION_LENGTH(holder, field, sentence)                                                                     \
    {                                                                                                                  \
        LS_OPTION_ROW(holder, field, LS_KIND_DURATION, LS_REQUIRED, sentence),                                         \
            .high = INFINITY, .open_low = true, .main = true,                                                          \
            .units = 1u << LS_UNIT_NONE | 1u << LS_UNIT_EPOCHS | 1u << LS_UNIT_STEPS                                   \
    }

static inline double ls__position(const ls_progress *progress, int per) {
    return (double)(per == LS__PER_STEP ? progress->step : progress->epoch);
}

/* x where a length decides what it counts. */
static inline double ls__position_along(const ls_progress *progress, ls_duration length, int per) {
    if (length.unit != LS_UNIT_NONE) per = length.unit == LS_UNIT_STEPS ? LS__PER_STEP : LS__PER_EPOCH;
    return ls__position(progress, per);
}

#endif
