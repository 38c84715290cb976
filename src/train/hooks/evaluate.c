/* At the end of an epoch: the mean loss of its steps, then loss and metrics of the validation set. */
#include "train/trainer.h"

static void close_epoch(ls_trainer *t) {
    if (t->state.epoch_samples) {
        ls__tally_values(&t->tally, t->state.epoch_sums, t->state.epoch_samples, t->epoch_values);
        ls__scores_set(t, "train", t->epoch_values);
    }
    for (size_t i = 0; i < t->tally.sums; i++) ls_sum_clear(&t->state.epoch_sums[i]);
    t->state.epoch_samples = 0;
}

static ls_status step(ls_trainer *t, void *state) {
    (void)state;
    if (!ls__epoch_ended(t)) return LS_OK;
    close_epoch(t);
    t->mark = ls_clock_now();
    for (size_t i = 0; i < t->evaluators; i++) {
        LS_TRY(ls__evaluate(t, &t->evaluator[i]));
        ls__scores_set(t, t->evaluator[i].set, t->evaluator[i].values);
    }
    ls__section(t, LS_SECTION_EVALUATE);
    return LS_OK;
}

const ls_hook ls__hook_evaluate = {
    .name = "evaluate", .doc = "Evaluates at the end of an epoch.", .step = step, .replays = true};
