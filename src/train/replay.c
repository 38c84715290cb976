/*
 * The last steps of a run once more, from an older checkpoint, to be compared with the newest bit by bit. Nothing is
 * written but a checkpoint in a folder of its own, which goes away again.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

/* What is repeated, and where its outcome lies. */
typedef struct replay {
    ls_checkpoint *target, *base;   /* rank 0 */
    uint64_t first, last;           /* steps of base and target */
    uint64_t open;                  /* samples of the target's epoch so far; more than none at its end: it owes that */
    uint64_t left_out, left_out_by; /* a newest checkpoint that is no target, and whose parameters it holds; 0: none */
    char folder[256];               /* of the scratch checkpoint; "": none yet */
} replay;

/* ---- which checkpoints ------------------------------------------------------------------------------------------- */

/* Rank 0: the newest one up to step `most` that is whole, else the oldest one. `steps` are those before the newest. */
static ls_status find_base(const ls_trainer *t, replay *r, const uint64_t *steps, size_t count, uint64_t most) {
    const char *folder = t->experiment->run.dir;
    size_t far = 0;
    while (far < count && steps[far] > most) far++;
    for (size_t i = far; i < count && !r->base; i++)
        ls_status_free(ls_checkpoint_open_step(folder, steps[i], &r->base));
    for (size_t i = far; i-- > 0 && !r->base;) ls_status_free(ls_checkpoint_open_step(folder, steps[i], &r->base));
    if (r->base) return ls_items_get_count(ls_checkpoint_items(r->base), "/state/step", &r->first);
    return LS_FAIL(LS_ERR_DATA,
                   "%s: holds no other checkpoint than that of step %" PRIu64
                   " to repeat steps from: raise checkpoint.keep",
                   folder, r->last);
}

static ls_status read_end(const ls_checkpoint *checkpoint, bool *ended, bool *early) {
    char *reason = NULL;
    LS_TRY(ls_items_get_text(ls_checkpoint_items(checkpoint), "/state/ended_by", &reason));
    *ended = reason[0] != '\0';
    *early = strncmp(reason, "early", 5) == 0;
    free(reason);
    return LS_OK;
}

/* Rank 0: did early stopping put the best parameters in the place of the last? */
static ls_status holds_best(const ls_trainer *t, const replay *r, uint64_t *best, bool *out) {
    bool ended = false;
    LS_TRY(read_end(r->target, &ended, out));
    LS_TRY(ls_items_get_count(ls_checkpoint_items(r->target), "/state/best_step", best));
    *out = *out && t->experiment->stop.early.restore && *best != r->last;
    return LS_OK;
}

/*
 * Rank 0: passes over the newest checkpoint, whose last steps nothing is left of, to one in the course of the run.
 * `older` is its place in the list, and moves on.
 */
static ls_status pass_over(const ls_trainer *t, replay *r, uint64_t best, const uint64_t *steps, size_t count,
                           size_t *older) {
    const char *folder = t->experiment->run.dir;
    r->left_out = r->last;
    r->left_out_by = best;
    for (bool ended = true, early; ended && *older < count; ++*older) {
        ls_checkpoint_close(r->target);
        r->target = NULL;
        ls_status status = ls_checkpoint_open_step(folder, steps[*older], &r->target);
        if (status == LS_OK) status = read_end(r->target, &ended, &early);
        if (status == LS_OK && !ended) r->last = steps[*older];
        ls_status_free(status);
    }
    if (r->last != r->left_out) return LS_OK;
    return LS_FAIL(LS_ERR_DATA,
                   "%s: the checkpoint of step %" PRIu64 " holds the best parameters, of step %" PRIu64
                   ", since the run stopped early; there is no other one to compare with: raise checkpoint.keep",
                   folder, r->left_out, best);
}

static ls_status find_both(ls_trainer *t, const ls_run_request *request, uint64_t wanted, replay *r) {
    uint64_t *steps = NULL, best = 0;
    size_t count = 0, older = 0;
    bool replaced = false;
    LS_TRY(ls__find_newest(t, request, &r->target));
    if (!r->target)
        return LS_FAIL(LS_ERR_DATA, "run.dir: %s holds no checkpoint to compare with", t->experiment->run.dir);
    LS_TRY(ls_items_get_count(ls_checkpoint_items(r->target), "/state/step", &r->last));
    LS_TRY(holds_best(t, r, &best, &replaced));
    LS_TRY(ls_checkpoint_list(t->experiment->run.dir, &steps, &count));
    while (older < count && steps[older] >= r->last) older++;
    ls_status status = replaced ? pass_over(t, r, best, steps, count, &older) : LS_OK;
    if (status == LS_OK)
        status = find_base(t, r, steps + older, count - older, r->last > wanted ? r->last - wanted : 0);
    if (status == LS_OK) status = ls_items_get_count(ls_checkpoint_items(r->target), "/state/epoch_samples", &r->open);
    free(steps);
    return status;
}

/* ---- the scratch checkpoint -------------------------------------------------------------------------------------- */

static ls_status make_folder(replay *r) {
    const char *base = getenv("TMPDIR");
    int length = snprintf(r->folder, sizeof r->folder, "%s/lockstep-replay-XXXXXX", base && *base ? base : "/tmp");
    if (length > 0 && (size_t)length < sizeof r->folder && mkdtemp(r->folder)) return LS_OK;
    ls_status status =
        LS_FAIL(LS_ERR_IO, "%s: cannot make a folder for the repeated steps: %s", r->folder, strerror(errno));
    r->folder[0] = '\0';
    return status;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void end(ls_trainer *t, replay *r) {
    ls_saver_destroy(t->saver);
    t->saver = NULL;
    if (ls_comm_first(t->comm) && r->folder[0]) nftw(r->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    ls_checkpoint_close(r->target);
    ls_checkpoint_close(r->base);
}

/* ---- the steps --------------------------------------------------------------------------------------------------- */

static ls_status prepare(ls_trainer *t, replay *r) {
    LS_TRY(ls_comm_agree(t->comm, ls_comm_first(t->comm) ? make_folder(r) : LS_OK));
    LS_TRY(ls_comm_broadcast(t->comm, 0, r->folder, sizeof r->folder));
    LS_TRY(ls__trainer_allocate(t));
    LS_TRY(ls__saver_make(t, r->folder));
    LS_TRY(ls__trainer_restore(t, r->base));
    return ls_loader_seek(t->feed, (uint32_t)ls__epoch(t), ls__batch_span(t, t->state.step).first);
}

static ls_status repeat(ls_trainer *t, const replay *r) {
    t->started = t->mark = ls_clock_now();
    LS_TRY(ls__make_up(t));
    while (t->state.step < r->last) {
        t->stopping = false;
        LS_TRY(ls__trainer_step(t));
        if (t->failure != LS_OK) {
            ls_status failure = t->failure;
            t->failure = LS_OK;
            return failure;
        }
        t->owes_end_of_epoch = t->state.step == r->last && ls__last_of_epoch(t) && r->open > 0;
        LS_TRY(ls__hooks_step(t));
    }
    LS_TRY(ls__trainer_save(t, false));
    LS_TRY(ls__saver_wait(t));
    ls_status saved = t->last_save;
    t->last_save = LS_OK;
    return ls_comm_agree(t->comm, saved);
}

/* ---- the comparison ---------------------------------------------------------------------------------------------- */

/* Rank 0. */
static ls_status compare(const replay *r, uint64_t wanted, ls_text *out) {
    ls_checkpoint *again = NULL;
    ls_checkpoint_difference found = {0};
    LS_TRY(ls_checkpoint_open_step(r->folder, r->last, &again));
    ls_status status = ls_checkpoint_diff_state(r->target, again, &found);
    if (status == LS_OK && found.differing > 0)
        status = LS_FAIL(
            LS_ERR_RUNTIME,
            "the steps from %" PRIu64 " to %" PRIu64 ", repeated, end otherwise: %zu of %zu arrays differ: %.*s",
            r->first, r->last, found.differing, found.arrays, (int)strcspn(found.lines.bytes, "\n"), found.lines.bytes);
    if (status == LS_OK)
        status =
            ls_text_add(out, "the steps from %" PRIu64 " to %" PRIu64 " repeat bit by bit: %zu arrays are the same",
                        r->first, r->last, found.arrays);
    if (status == LS_OK && r->last - r->first != wanted)
        status = ls_text_add(out, " (%" PRIu64 " steps: the nearest checkpoint that is kept)", r->last - r->first);
    if (status == LS_OK && r->left_out)
        status = ls_text_add(out,
                             "; the newest checkpoint, of step %" PRIu64 ", is left out: the run stopped early, and it "
                             "holds the best parameters, of step %" PRIu64,
                             r->left_out, r->left_out_by);
    ls_text_free(&found.lines);
    ls_checkpoint_close(again);
    return status;
}

static ls_status run(ls_trainer *t, const ls_run_request *request, uint64_t steps, replay *r, ls_text *out) {
    bool first = ls_comm_first(t->comm);
    LS_TRY(ls_comm_agree(t->comm, first ? find_both(t, request, steps, r) : LS_OK));
    LS_TRY(ls_comm_broadcast(t->comm, 0, &r->last, sizeof r->last));
    LS_TRY(ls_comm_broadcast(t->comm, 0, &r->open, sizeof r->open));
    LS_TRY(prepare(t, r));
    ls_status status = repeat(t, r);
    /* As in a run, what a single rank meets in the middle of a step nobody waits for. */
    if (status != LS_OK && ls_comm_size(t->comm) > 1 && ls_status_code(status) != LS_ERR_NUMERIC &&
        ls_status_code(status) != LS_ERR_REPORTED)
        ls_comm_abort(t->comm, status);
    LS_TRY(status);
    return ls_comm_agree(t->comm, first ? compare(r, steps, out) : LS_OK);
}

ls_status ls_trainer_verify_resume(ls_trainer *t, const ls_run_request *request, uint64_t steps, ls_text *out) {
    replay r = {0};
    t->replaying = true;
    ls_status status = run(t, request, steps, &r, out);
    end(t, &r);
    return status;
}
