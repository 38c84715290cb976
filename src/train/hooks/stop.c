/* The stop conditions: after every step those that count, after every epoch those that watch. */
#include <math.h>
#include <stdio.h>

#include "train/trainer.h"

static ls_status check(const ls_trainer *t) {
    const ls_stop_options *stop = &t->experiment->stop;
    if (stop->metric) LS_TRY(ls__score_check(t, t->stop_metric.name, stop->metric_place, "stop.metric"));
    if (stop->plateau.metric)
        LS_TRY(ls__score_check(t, stop->plateau.metric, stop->plateau.metric_place, "stop.plateau"));
    if (stop->early.metric) LS_TRY(ls__score_check(t, stop->early.metric, stop->early.metric_place, "stop.early"));
    return LS_OK;
}

static void stop_at(ls_trainer *t, const char *key, const char *format, ...) LS_PRINTF(3, 4);

static void stop_at(ls_trainer *t, const char *key, const char *format, ...) {
    char reason[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    char whole[160];
    snprintf(whole, sizeof whole, "%s: %s", key, reason);
    ls__trainer_stop(t, false, whole);
}

static bool watch(ls_trainer *t, ls_watch *seen, const char *metric, double delta, size_t patience) {
    const ls_score *score = ls__score(t, metric);
    return score->known && ls__watch_observe(seen, score->value, score->higher, delta, patience);
}

static ls_status check_epoch(ls_trainer *t) {
    const ls_stop_options *stop = &t->experiment->stop;
    if (stop->metric) {
        const ls_score *score = ls__score(t, t->stop_metric.name);
        if (score->known && ls__stop_metric_holds(&t->stop_metric, score->value))
            stop_at(t, "metric", "%s", stop->metric);
    }
    if (stop->plateau.metric &&
        watch(t, &t->state.plateau, stop->plateau.metric, stop->plateau.delta, stop->plateau.patience))
        stop_at(t, "plateau", "%s did not improve by %g in %zu epochs", stop->plateau.metric, stop->plateau.delta,
                stop->plateau.patience);
    if (stop->early.metric && watch(t, &t->state.early, stop->early.metric, stop->early.delta, stop->early.patience))
        stop_at(t, "early", "%s did not improve in %zu epochs", stop->early.metric, stop->early.patience);
    if (stop->gradient_norm > 0) {
        double norm = NAN;
        LS_TRY(ls__epoch_gradient_norm(t, &norm));
        if (norm <= stop->gradient_norm) stop_at(t, "gradient_norm", "%g", norm);
    }
    return LS_OK;
}

static ls_status step(ls_trainer *t, void *state) {
    (void)state;
    const ls_stop_options *stop = &t->experiment->stop;
    if (t->owes_end_of_epoch) return LS_OK;
    if (ls__epoch_ended(t)) LS_TRY(check_epoch(t));
    if (stop->steps && t->state.step >= stop->steps) stop_at(t, "steps", "%zu", stop->steps);
    if (stop->epochs && t->state.step >= stop->epochs * t->steps_per_epoch) stop_at(t, "epochs", "%zu", stop->epochs);
    return LS_OK;
}

const ls_hook ls__hook_stop = {
    .name = "stop", .doc = "Ends the run when a stop condition holds.", .check = check, .step = step, .replays = true};
