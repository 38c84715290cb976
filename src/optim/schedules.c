#include "optim/schedule.h"

static const ls_type *const types[] = {
    &ls__schedule_constant.type,
    &ls__schedule_exponential.type,
    &ls__schedule_inverse_time.type,
    &ls__schedule_step.type,
    &ls__schedule_search_then_converge.type,
    &ls__schedule_cosine.type,
    &ls__schedule_polynomial.type,
    &ls__schedule_warmup.type,
    &ls__schedule_plateau.type,
    NULL,
};

const ls_family ls_schedule_family = {.noun = "schedule", .types = types};

const char *const ls__per_words[] = {"epoch", "step", NULL};

ls_status ls_schedules_check(const ls_choices *schedules) {
    for (size_t i = 0; i < schedules->count; i++) {
        const ls_choice *schedule = &schedules->items[i];
        const ls_schedule_type *type = ls_schedule_of(schedule);
        if (type->check) LS_TRY(type->check(schedule->options, schedule->place));
    }
    return LS_OK;
}

void ls_schedules_start(const ls_choices *schedules, ls_schedule_state *states) {
    for (size_t i = 0; i < schedules->count; i++) {
        const ls_schedule_type *type = ls_schedule_of(&schedules->items[i]);
        states[i] = (ls_schedule_state){{0}};
        if (type->start) type->start(schedules->items[i].options, &states[i]);
    }
}

double ls_schedules_factor(const ls_choices *schedules, const ls_schedule_state *states, const ls_progress *progress) {
    double factor = 1;
    for (size_t i = 0; i < schedules->count; i++)
        factor *= ls_schedule_of(&schedules->items[i])->factor(schedules->items[i].options, &states[i], progress);
    return factor;
}
