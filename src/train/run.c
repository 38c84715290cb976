/*
 * A run: directory, start or resume, the loop, the end.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lockstep/file.h"
#include "train/trainer.h"

/* ---- the run directory ------------------------------------------------------------------------------------------- */

/* Looks at every folder of a path from the top, and makes those that are missing; or leaves off at the first. */
static ls_status walk_folders(const char *path, bool make) {
    char part[4096];
    size_t length = strlen(path);
    if (length >= sizeof part) return LS_FAIL(LS_ERR_CONFIG, "run.dir: the path is too long: %s", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        struct stat info;
        bool there = stat(part, &info) == 0;
        if (!there && !make) return LS_OK;
        if (!there && mkdir(part, 0777) != 0 && errno != EEXIST)
            return LS_FAIL(LS_ERR_IO, "run.dir: %s cannot be made: %s", part, strerror(errno));
        if (there && !S_ISDIR(info.st_mode))
            return LS_FAIL(LS_ERR_IO, "run.dir: %s is there already, and is no directory", part);
    }
    return LS_OK;
}

ls_status ls__folder_check(const ls_run_options *run) {
    return ls_document_locate(walk_folders(run->dir, false), run->dir_place);
}

static ls_status prepare_folder(ls_trainer *t) {
    if (!ls_comm_first(t->comm)) return LS_OK;
    const char *folder = t->experiment->run.dir;
    char path[4096];
    LS_TRY(ls_document_locate(walk_folders(folder, true), t->experiment->run.dir_place));
    snprintf(path, sizeof path, "%s/log.txt", folder);
    return ls_logger_open_file(t->logger, path);
}

/* What was asked of this run is not asked of the next one; unless that lives already. */
static void remove_stop_file(const ls_trainer *t) {
    char path[4096];
    snprintf(path, sizeof path, "%s/stop", t->experiment->run.dir);
    if (ls_comm_first(t->comm) && !t->superseded) (void)unlink(path);
}

/* Only once it is certain that the directory is this experiment's: another's configuration is not overwritten. */
static ls_status write_configuration(const ls_trainer *t) {
    char path[4096];
    if (!ls_comm_first(t->comm)) return LS_OK;
    snprintf(path, sizeof path, "%s/config.yaml", t->experiment->run.dir);
    ls_new_file file;
    LS_TRY(ls_new_file_open(&file, path));
    return ls_new_file_finish(&file, ls_new_file_write(&file, t->experiment->text, strlen(t->experiment->text)), false);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static ls_status initialise(ls_trainer *t) {
    ls_comm_note(t->comm, "initialise", 0);
    LS_TRY(ls__transforms_fit(&t->transforms, t->data.train, t->comm));
    ls_status status = ls_model_initialise(t->model, ls_comm_node_rank(t->comm), ls_comm_node_size(t->comm),
                                           ls_reducer_weights(t->reducer));
    LS_TRY(ls_comm_agree(t->comm, status));
    return ls_reducer_barrier(t->reducer);
}

/* What a killed process left undone; a link that cannot be made is no reason not to go on. */
static void relink(const ls_trainer *t, const ls_run_request *request) {
    if (!ls_comm_first(t->comm) || request->resume == LS_RESUME_FILE) return;
    ls_status status = ls_checkpoint_relink(t->experiment->run.dir, t->state.step, t->state.best_step);
    if (status != LS_OK) ls_logger_say(t->logger, LS_LOG_WARNING, "%s", ls_status_message(status));
    ls_status_free(status);
}

static ls_status start(ls_trainer *t, const ls_run_request *request) {
    ls_comm_note(t->comm, "start", 0);
    LS_TRY(ls_comm_agree(t->comm, prepare_folder(t)));
    LS_TRY(ls__lock_take(t));
    LS_TRY(ls__trainer_allocate(t));
    LS_TRY(ls__saver_make(t, t->experiment->run.dir));
    bool resumed = false;
    LS_TRY(ls__trainer_resume(t, request, &resumed));
    if (resumed)
        relink(t, request);
    else
        LS_TRY(initialise(t));
    LS_TRY(ls_comm_agree(t->comm, write_configuration(t)));
    t->display = request->display;
    t->quiet = request->quiet;
    LS_TRY(ls_comm_agree(t->comm, ls__hooks_start(t)));
    uint32_t epoch = (uint32_t)ls__epoch(t);
    LS_TRY(ls_loader_seek(t->feed, epoch, t->state.step % t->steps_per_epoch * t->plan.batch));
    return LS_OK;
}

static void say_start(const ls_trainer *t) {
    char when[64] = "";
    if (t->last_step) snprintf(when, sizeof when, " of %llu", (unsigned long long)t->last_step);
    ls_logger_say(
        t->logger, LS_LOG_INFO,
        "%zu rank%s on %zu node%s, %zu thread%s each; %s; %zu parameters; %llu samples, %llu steps an epoch of "
        "%zu samples in micro-batches of %zu; step %llu%s",
        ls_comm_size(t->comm), ls_comm_size(t->comm) == 1 ? "" : "s", ls_comm_nodes(t->comm),
        ls_comm_nodes(t->comm) == 1 ? "" : "s", ls_team_size(t->team), ls_team_size(t->team) == 1 ? "" : "s",
        ls_math_description(t->math), ls_params_values(ls_model_params(t->model)), (unsigned long long)t->samples,
        (unsigned long long)t->steps_per_epoch, t->plan.batch, t->plan.microbatch, (unsigned long long)t->state.step,
        when);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

ls_status ls__make_up(ls_trainer *t) {
    if (!t->owes_end_of_epoch) return LS_OK;
    t->owes_end_of_epoch = false;
    t->making_up = true;
    ls_status status = ls__hooks_step(t);
    t->making_up = false;
    return status;
}

static ls_status loop(ls_trainer *t) {
    LS_TRY(ls__make_up(t));
    while (!t->stopping) {
        LS_TRY(ls__trainer_step(t));
        if (t->failure != LS_OK) return LS_OK;
        ls__obey(t, t->flags);
        LS_TRY(ls__hooks_step(t));
        ls__section(t, LS_SECTION_HOOKS);
    }
    return LS_OK;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* The test set is looked at once, with the best parameters there were. */
static ls_status evaluate_test(ls_trainer *t) {
    if (!t->data.test) return LS_OK;
    LS_TRY(ls__restore_best(t));
    ls_evaluator *test = &t->evaluator[t->evaluators++];
    LS_TRY(ls__evaluator_create(t, "test", t->data.test, test));
    LS_TRY(ls__evaluate(t, test));
    ls__scores_set(t, "test", test->values);
    return LS_OK;
}

bool ls__ended_early(const ls_trainer *t) {
    bool early = t->stopping && strncmp(t->stop_reason, "early", 5) == 0;
    return early && t->experiment->stop.early.restore && t->state.best_step != t->state.step;
}

/* Early stopping ends with the best parameters, and the last checkpoint holds them. */
static ls_status restore_after_early_stop(ls_trainer *t) {
    if (!ls__ended_early(t)) return LS_OK;
    LS_TRY(ls__restore_best(t));
    return ls__trainer_save(t, false);
}

/* A run whose last state is not on the disk has not ended well: the next start repeats the steps since the last one. */
static ls_status require_last_save(ls_trainer *t) {
    ls_status status = t->last_save;
    t->last_save = LS_OK;
    return ls_comm_agree(t->comm,
                         ls_status_prefix(status, "the last checkpoint was not made; start again to go on from "
                                                  "the one before"));
}

static ls_status finish(ls_trainer *t) {
    bool complete = t->failure == LS_OK && !t->interrupted && !t->was_over;
    if (complete) LS_TRY(restore_after_early_stop(t));
    LS_TRY(ls__saver_wait(t));
    if (complete) LS_TRY(evaluate_test(t));
    if (t->was_over) return LS_OK;
    LS_TRY(ls__summarise(t));
    return t->failure == LS_OK && !t->no_save ? require_last_save(t) : LS_OK;
}

ls_status ls_trainer_run(ls_trainer *t, const ls_run_request *request, ls_outcome *out) {
    *out = (ls_outcome){0};
    t->started = t->mark = ls_clock_now();
    if (request->max_seconds > 0) t->over_at = t->started + request->max_seconds;
    LS_TRY(start(t, request));
    say_start(t);
    LS_TRY(ls__threads_warn(ls_team_size(t->team), t->comm, t->logger));
    t->started = t->mark = ls_clock_now();
    ls_status status = loop(t);
    /* What a single rank meets in the middle of a step nobody waits for: the job ends here, with its words. */
    if (status != LS_OK && ls_comm_size(t->comm) > 1) ls_comm_abort(t->comm, status);
    LS_TRY(status);
    LS_TRY(finish(t));
    remove_stop_file(t);
    out->finished = !t->interrupted && t->failure == LS_OK;
    out->interrupted = t->interrupted;
    out->step = t->state.step;
    memcpy(out->stop_reason, t->stop_reason, sizeof out->stop_reason);
    status = t->failure;
    t->failure = LS_OK;
    return status;
}
