#include <math.h>

#include "train/trainer.h"

void ls__speed_add(ls_speed *speed, uint64_t samples, double seconds) {
    speed->steps++;
    speed->samples += samples;
    speed->seconds += seconds;
    if (speed->steps < speed->next || speed->marks == LS_SPEED_MARKS) return;
    speed->mark_steps[speed->marks] = speed->steps;
    speed->mark_samples[speed->marks] = speed->samples;
    speed->mark_seconds[speed->marks++] = speed->seconds;
    speed->next = speed->steps + 1 + speed->steps / 5;
}

double ls__speed_value(const ls_speed *speed) {
    uint64_t samples = speed->samples;
    double seconds = speed->seconds;
    for (size_t i = 0; i < speed->marks; i++) {
        if (speed->mark_steps[i] * 10 < speed->steps || speed->mark_steps[i] == speed->steps) continue;
        samples -= speed->mark_samples[i];
        seconds -= speed->mark_seconds[i];
        break;
    }
    return seconds > 0 ? (double)samples / seconds : NAN;
}
