#include "lockstep/checkpoint.h"

#define ALL_UNITS (1u << LS_UNIT_EPOCHS | 1u << LS_UNIT_STEPS | 1u << LS_UNIT_SECONDS)

const ls_option ls_checkpoint_rows[] = {
    {LS_OPTION_ROW(ls_checkpoint_options, every, LS_KIND_DURATION, "1ep", "time between saves"), .units = ALL_UNITS,
     .low = 0, .open_low = true, .high = INFINITY},
    LS_OPTION_COUNT(ls_checkpoint_options, keep, "3", 1, 1e6, "newest checkpoints that stay; older ones are deleted"),
    {LS_OPTION_ROW(ls_checkpoint_options, best, LS_KIND_TEXT, "valid.loss",
                   "the metric whose best checkpoint best.h5 names and is never deleted"),
     .given_offset = offsetof(ls_checkpoint_options, best_given),
     .place_offset = offsetof(ls_checkpoint_options, best_place)},
    LS_OPTION_END};

/* How many multiples of `every` lie at or below `position`. */
static double multiples(double position, double every) {
    return __builtin_floor(position / every);
}

bool ls_checkpoint_due(const ls_checkpoint_options *options, ls_checkpoint_position last, ls_checkpoint_position now) {
    double every = options->every.value;
    switch (options->every.unit) {
    case LS_UNIT_EPOCHS: return multiples(now.epochs, every) > multiples(last.epochs, every);
    case LS_UNIT_STEPS: return multiples((double)now.step, every) > multiples((double)last.step, every);
    case LS_UNIT_SECONDS: return now.seconds - last.seconds >= every;
    case LS_UNIT_NONE: return false;
    }
    return false;
}
