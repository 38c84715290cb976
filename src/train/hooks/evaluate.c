/*
 * At the end of an epoch: the mean loss of its steps, and loss and metrics of the validation set. A wish to stop does
 * not wait for them: the run ends as it is after the step, and begins with the evaluation when it goes on.
 */
#include "train/trainer.h"

static void close_epoch(ls_trainer *t) {
    if (t->state.epoch_samples) {
        ls__tally_values(&t->tally, t->state.epoch_sums, t->state.epoch_samples, t->epoch_values);
        ls__scores_set(t, "train", t->epoch_values);
    }
    for (size_t i = 0; i < t->tally.sums; i++) ls_sum_clear(&t->state.epoch_sums[i]);
    t->state.epoch_samples = 0;
}

/* The sums of the epoch stay open, which tells the next start. Where all its steps were skipped there are none. */
static void put_off(ls_trainer *t) {
    t->owes_end_of_epoch = true;
    if (t->state.epoch_samples == 0) t->no_save = true;
}

static ls_status step(ls_trainer *t, void *state) {
    (void)state;
    if (!ls__epoch_ended(t)) return LS_OK;
    bool cut = false;
    t->mark = ls_clock_now();
    for (size_t i = 0; i < t->evaluators && !cut; i++)
        LS_TRY(t->replaying ? ls__evaluate(t, &t->evaluator[i])
                            : ls__evaluate_unless_stopped(t, &t->evaluator[i], &cut));
    ls__section(t, LS_SECTION_EVALUATE);
    if (cut) {
        put_off(t);
        return LS_OK;
    }
    close_epoch(t);
    for (size_t i = 0; i < t->evaluators; i++) ls__scores_set(t, t->evaluator[i].set, t->evaluator[i].values);
    return LS_OK;
}

const ls_hook ls__hook_evaluate = {
    .name = "evaluate", .doc = "Evaluates at the end of an epoch.", .step = step, .replays = true};
