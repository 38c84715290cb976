/* Schedules with a memory see their metric at the end of an epoch. */
#include "train/trainer.h"

static ls_status check(const ls_trainer *t) {
    const ls_choices *schedules = &t->experiment->schedule;
    for (size_t i = 0; i < schedules->count; i++) {
        const ls_schedule_type *type = ls_schedule_of(&schedules->items[i]);
        if (!type->metric) continue;
        LS_TRY(ls__score_check(t, type->metric(schedules->items[i].options), schedules->items[i].place,
                               "the schedule's metric"));
    }
    return LS_OK;
}

static ls_status step(ls_trainer *t, void *state) {
    (void)state;
    if (!ls__epoch_ended(t)) return LS_OK;
    const ls_choices *schedules = &t->experiment->schedule;
    for (size_t i = 0; i < schedules->count; i++) {
        const ls_schedule_type *type = ls_schedule_of(&schedules->items[i]);
        if (!type->metric) continue;
        const ls_score *score = ls__score(t, type->metric(schedules->items[i].options));
        if (score->known)
            type->observe(schedules->items[i].options, &t->state.schedules[i], score->value, score->higher);
    }
    return LS_OK;
}

const ls_hook ls__hook_plateau = {.name = "plateau",
                                  .doc = "Shows schedules the metric that they watch.",
                                  .check = check,
                                  .step = step,
                                  .replays = true};
