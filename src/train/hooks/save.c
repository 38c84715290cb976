/* Checkpoints: when one is due, when the result is the best so far, when one was asked for, and at the end. */
#include <math.h>

#include "train/trainer.h"

/* Below this a save is finished before training goes on: it takes milliseconds, and each comes when it is due. */
static const double small_state = 20e6;

static bool is_small(const ls_trainer *t) {
    return (double)ls_saver_measure(ls_model_params(t->model), t->slot_count).file < small_state;
}

static ls_status check(const ls_trainer *t) {
    return ls__score_check(t, ls__best_metric(t), t->experiment->checkpoint.best_place, "checkpoint.best");
}

/*
 * Is this an epoch whose result may become the best? The training loss, where nobody asked for it, improves with almost
 * every epoch: it is looked at only where `every` puts a save. Saves that someone or the clock asked for do not count:
 * what is best would depend on them.
 */
static bool may_be_best(const ls_trainer *t, bool last) {
    if (!ls__epoch_ended(t)) return false;
    if (t->data.valid || t->experiment->best_chosen) return true;
    const ls_checkpoint_options *options = &t->experiment->checkpoint;
    if (options->every.unit == LS_UNIT_SECONDS) return last && !t->interrupted;
    return ls_checkpoint_due(options, ls__position_at(t, t->state.step - 1), ls__position(t));
}

/* Is this the best result so far? A tie keeps the earlier one. */
static bool is_best(ls_trainer *t, bool last) {
    if (!may_be_best(t, last)) return false;
    const ls_score *score = ls__score(t, ls__best_metric(t));
    if (!score->known || isnan(score->value)) return false;
    bool better = score->higher ? score->value > t->state.best : score->value < t->state.best;
    if (t->state.best_step && !better) return false;
    t->state.best = score->value;
    t->state.best_step = t->state.step;
    return true;
}

static bool is_due(const ls_trainer *t) {
    const ls_checkpoint_options *options = &t->experiment->checkpoint;
    /* Time is rank 0's to tell, and arrives as LS_FLAG_SAVE. */
    if (options->every.unit == LS_UNIT_SECONDS) return false;
    return ls_checkpoint_due(options, t->saved, ls__position(t));
}

/* A replay notes the save that the run made here, and makes none. */
static ls_status pass_over(ls_trainer *t) {
    if (t->save_wanted) t->saved = ls__position(t);
    t->save_wanted = false;
    return LS_OK;
}

static ls_status step(ls_trainer *t, void *state) {
    (void)state;
    t->mark = ls_clock_now();
    LS_TRY(ls__saver_poll(t));
    bool last = t->stopping && !t->no_save;
    if (is_due(t)) t->save_wanted = true;
    bool best = is_best(t, last);
    if (t->replaying) return pass_over(t);
    if (!best && !last && !t->save_wanted) return LS_OK;
    /* The end makes one with the best parameters. Killed before that, the run has not ended, and comes here again. */
    if (ls__ended_early(t)) return LS_OK;
    /* A large state that is still on its way to disk is not waited for, unless this one cannot wait. */
    bool busy = t->flags & LS_FLAG_SAVER_BUSY;
    if (busy && !best && !last && !is_small(t)) return LS_OK;
    LS_TRY(ls__saver_wait(t));
    LS_TRY(ls__trainer_save(t, best));
    t->save_wanted = false;
    if (is_small(t) || last) LS_TRY(ls__saver_wait(t));
    ls__section(t, LS_SECTION_SAVE);
    return LS_OK;
}

const ls_hook ls__hook_save = {
    .name = "save", .doc = "Makes checkpoints.", .check = check, .step = step, .replays = true};
