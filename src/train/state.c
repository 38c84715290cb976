/*
 * What a checkpoint keeps of a run: everything that defines how it goes on, under names.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

/* ---- into items -------------------------------------------------------------------------------------------------- */

/* Sums have one form once their carries are settled, whatever ranks they came from. */
static ls_status add_sums(ls_trainer *t, ls_items *items) {
    for (size_t i = 0; i < t->tally.sums; i++) {
        size_t first = 0, last = 0;
        ls_sum_normalise(&t->state.epoch_sums[i], &first, &last);
    }
    ls_item item = {.path = "/state/epoch_sums",
                    .dtype = LS_DTYPE_I64,
                    .rank = 2,
                    .dim = {t->tally.sums, LS_SUM_WORDS},
                    .part = LS_PART_STATE,
                    .bytes = t->tally.sums * sizeof(ls_sum),
                    .data = t->state.epoch_sums};
    return ls_items_add(items, &item);
}

static ls_status add_watch(ls_items *items, const char *path, const ls_watch *watch) {
    const double numbers[] = {watch->best, watch->since, watch->seen};
    return ls_items_add_reals(items, path, numbers, 3);
}

static ls_status add_statistics(const ls_trainer *t, ls_items *items) {
    for (size_t i = 0; i < t->transforms.count; i++) {
        const ls_preprocess *item = t->transforms.item[i];
        for (size_t s = 0; s < ls_preprocess_statistics(item); s++) {
            const ls_statistic *statistic = ls_preprocess_statistic(item, s);
            char path[256];
            snprintf(path, sizeof path, "/statistics/%s/%s", t->transforms.field[i], statistic->name);
            LS_TRY(ls_items_add_reals(items, path, statistic->values, ls_shape_size(statistic->shape)));
        }
    }
    return LS_OK;
}

static ls_status add_schedules(const ls_trainer *t, ls_items *items) {
    for (size_t i = 0; i < t->experiment->schedule.count; i++) {
        const ls_schedule_type *type = ls_schedule_of(&t->experiment->schedule.items[i]);
        for (size_t n = 0; type->names && type->names[n]; n++) {
            char path[128];
            snprintf(path, sizeof path, "/state/schedule_%zu/%s", i, type->names[n]);
            LS_TRY(ls_items_add_real(items, path, t->state.schedules[i].number[n]));
        }
    }
    return LS_OK;
}

/* What the network reads, so that it can be built again without data: 1 for integers, then the shape of a sample. */
static ls_status add_inputs(const ls_trainer *t, ls_items *items) {
    for (size_t i = 0; i < ls_model_slots(t->model); i++) {
        const ls_slot *slot = ls_model_slot(t->model, i);
        char path[256];
        snprintf(path, sizeof path, "/state/inputs/%s", slot->name);
        if (slot->role != LS_SLOT_INPUT || ls_items_find(items, path)) continue;
        const ls_field *field = ls_dataset_field(t->data.train, ls_dataset_find(t->data.train, slot->name));
        uint64_t numbers[1 + LS_MAX_RANK] = {field->integral};
        for (size_t k = 0; k < slot->shape.rank; k++) numbers[1 + k] = slot->shape.dim[k];
        LS_TRY(ls_items_add_counts(items, path, numbers, 1 + slot->shape.rank));
    }
    return LS_OK;
}

static ls_status add_provenance(const ls_trainer *t, ls_items *items) {
    LS_TRY(ls_items_add_text(items, "/provenance/math", ls_math_description(t->math)));
    LS_TRY(ls_items_add_count(items, "/provenance/data_digest", ls_dataset_digest(t->data.train)));
    double seconds = t->state.train_seconds + (ls_clock_now() - t->started);
    /* What stop.time left for this save is used up as well: started again, the run is over. */
    if (ls__stopped_by_time(t) && seconds < t->experiment->stop.time.value) seconds = t->experiment->stop.time.value;
    return ls_items_add_real(items, "/provenance/train_seconds", seconds);
}

static ls_status fill_items(ls_trainer *t, ls_items *items) {
    ls_state *state = &t->state;
    LS_TRY(ls_items_add_count(items, "/state/step", state->step));
    LS_TRY(ls_items_add_count(items, "/state/updates", state->updates));
    LS_TRY(ls_items_add_count(items, "/state/skipped", state->skipped));
    LS_TRY(ls_items_add_count(items, "/state/epoch", ls__epoch(t)));
    LS_TRY(ls_items_add_count(items, "/state/seed", t->experiment->seed));
    LS_TRY(ls_items_add_count(items, "/state/epoch_samples", state->epoch_samples));
    LS_TRY(add_sums(t, items));
    LS_TRY(ls_items_add_text(items, "/state/best_metric", ls__best_metric(t)));
    LS_TRY(ls_items_add_real(items, "/state/best", state->best));
    LS_TRY(ls_items_add_count(items, "/state/best_step", state->best_step));
    LS_TRY(add_watch(items, "/state/stop_plateau", &state->plateau));
    LS_TRY(add_watch(items, "/state/stop_early", &state->early));
    bool ended = t->stopping && !t->interrupted;
    LS_TRY(ls_items_add_text(items, "/state/ended_by", ended ? t->stop_reason : ""));
    LS_TRY(add_schedules(t, items));
    LS_TRY(add_inputs(t, items));
    LS_TRY(add_statistics(t, items));
    return add_provenance(t, items);
}

/* ---- out of items ------------------------------------------------------------------------------------------------ */

static ls_status get_watch(const ls_items *items, const char *path, ls_watch *watch) {
    double numbers[3];
    LS_TRY(ls_items_get_reals(items, path, numbers, 3));
    *watch = (ls_watch){numbers[0], numbers[1], numbers[2]};
    return LS_OK;
}

/*
 * Metrics may differ from those of the run before. The sums of losses stand first and go on in any case; those of other
 * metrics would miss the start of this epoch, and are no numbers until the next.
 */
static void get_sums(ls_trainer *t, const ls_items *items) {
    const ls_item *item = ls_items_find(items, "/state/epoch_sums");
    size_t saved = item ? item->bytes / sizeof(ls_sum) : 0, losses = 1 + t->tally.losses;
    bool same = saved == t->tally.sums;
    size_t kept = same ? saved : saved < losses ? saved : losses;
    if (item) memcpy(t->state.epoch_sums, item->data, kept * sizeof(ls_sum));
    for (size_t i = kept; i < t->tally.sums && t->state.epoch_samples > 0; i++)
        ls_sum_add(&t->state.epoch_sums[i], NAN);
}

ls_status ls__transforms_restore(ls_transforms *transforms, const ls_items *items) {
    for (size_t i = 0; i < transforms->count; i++) {
        ls_preprocess *item = transforms->item[i];
        for (size_t s = 0; s < ls_preprocess_statistics(item); s++) {
            const ls_statistic *statistic = ls_preprocess_statistic(item, s);
            char path[256];
            snprintf(path, sizeof path, "/statistics/%s/%s", transforms->field[i], statistic->name);
            LS_TRY(ls_items_get_reals(items, path, statistic->values, ls_shape_size(statistic->shape)));
        }
        LS_TRY(ls_preprocess_ready(item));
    }
    return LS_OK;
}

static ls_status get_schedules(ls_trainer *t, const ls_items *items) {
    for (size_t i = 0; i < t->experiment->schedule.count; i++) {
        const ls_schedule_type *type = ls_schedule_of(&t->experiment->schedule.items[i]);
        for (size_t n = 0; type->names && type->names[n]; n++) {
            char path[128];
            snprintf(path, sizeof path, "/state/schedule_%zu/%s", i, type->names[n]);
            LS_TRY(ls_items_get_real(items, path, &t->state.schedules[i].number[n]));
        }
    }
    return LS_OK;
}

/* The best so far counts only for the metric that it was the best of. */
static ls_status get_best(ls_trainer *t, const ls_items *items) {
    char *metric = NULL;
    LS_TRY(ls_items_get_text(items, "/state/best_metric", &metric));
    bool same = strcmp(metric, ls__best_metric(t)) == 0;
    free(metric);
    if (!same) return LS_OK;
    LS_TRY(ls_items_get_real(items, "/state/best", &t->state.best));
    return ls_items_get_count(items, "/state/best_step", &t->state.best_step);
}

/* Did a stop condition end the run before, one that this configuration still has? Then there is nothing left to do. */
static ls_status get_end(ls_trainer *t, const ls_items *items) {
    char *reason = NULL;
    LS_TRY(ls_items_get_text(items, "/state/ended_by", &reason));
    const ls_stop_options *stop = &t->experiment->stop;
    bool holds = (strncmp(reason, "metric", 6) == 0 && stop->metric) ||
                 (strncmp(reason, "plateau", 7) == 0 && stop->plateau.metric) ||
                 (strncmp(reason, "early", 5) == 0 && stop->early.metric) ||
                 (strncmp(reason, "gradient_norm", 13) == 0 && stop->gradient_norm > 0) ||
                 (strcmp(reason, LS_STOP_TIME) == 0 && stop->time.unit != LS_UNIT_NONE &&
                  t->state.train_seconds >= stop->time.value) ||
                 (t->last_step && t->state.step >= t->last_step);
    if (holds && !t->owes_end_of_epoch) {
        t->was_over = true;
        ls__trainer_stop(t, false, *reason ? reason : "the run was over already");
    }
    free(reason);
    return LS_OK;
}

static ls_status read_items(ls_trainer *t, const ls_items *items) {
    uint64_t digest = 0;
    LS_TRY(ls_items_get_count(items, "/provenance/data_digest", &digest));
    if (digest != ls_dataset_digest(t->data.train))
        return LS_FAIL(LS_ERR_CONFIG,
                       "the training data are not those of this run: their digest is %016" PRIx64
                       ", the checkpoint's is %016" PRIx64 "; choose another run.dir, or the old data",
                       ls_dataset_digest(t->data.train), digest);
    LS_TRY(ls_items_get_count(items, "/state/step", &t->state.step));
    LS_TRY(ls_items_get_count(items, "/state/updates", &t->state.updates));
    LS_TRY(ls_items_get_count(items, "/state/skipped", &t->state.skipped));
    LS_TRY(ls_items_get_count(items, "/state/epoch_samples", &t->state.epoch_samples));
    t->owes_end_of_epoch = ls__last_of_epoch(t) && t->state.epoch_samples > 0;
    LS_TRY(ls_items_get_real(items, "/provenance/train_seconds", &t->state.train_seconds));
    get_sums(t, items);
    LS_TRY(get_best(t, items));
    LS_TRY(get_watch(items, "/state/stop_plateau", &t->state.plateau));
    LS_TRY(get_watch(items, "/state/stop_early", &t->state.early));
    LS_TRY(get_schedules(t, items));
    LS_TRY(ls__transforms_restore(&t->transforms, items));
    return get_end(t, items);
}

/* ---- the saver --------------------------------------------------------------------------------------------------- */

const char *ls__best_metric(const ls_trainer *t) {
    return t->experiment->checkpoint.best;
}

ls_status ls__lock_take(ls_trainer *t) {
    const char *job = getenv("SLURM_JOB_ID");
    ls_status status = LS_OK;
    if (ls_comm_first(t->comm)) {
        status = ls_run_lock_create(t->experiment->run.dir, job ? job : "", &t->lock);
        if (status == LS_OK) t->generation = ls_run_lock_generation(t->lock);
    }
    return ls_comm_agree(t->comm, status);
}

ls_status ls__saver_make(ls_trainer *t, const char *folder) {
    t->slot_count = ls__slot_names(t->experiment, t->slot_names);
    ls_saver_options options = {.comm = t->comm,
                                .reducer = t->reducer,
                                .params = ls_model_params(t->model),
                                .slots = t->slot_count,
                                .slot_names = t->slot_names,
                                .folder = folder,
                                .config = t->experiment->text,
                                .keep = t->experiment->checkpoint.keep,
                                .lock = t->lock};
    return ls_saver_create(&options, &t->saver);
}

/* "at step 46 and at the end": when the next save is due. */
static const char *next_try(const ls_trainer *t, char *out, size_t size) {
    const ls_duration *every = &t->experiment->checkpoint.every;
    double spe = (double)t->steps_per_epoch, step = (double)t->state.step;
    double grain = every->unit == LS_UNIT_EPOCHS ? every->value * spe : every->value;
    if (t->stopping) return "";
    if (every->unit == LS_UNIT_SECONDS)
        snprintf(out, size, "; the next try is in %.0f s, and at the end", every->value);
    else
        snprintf(out, size, "; the next try is at step %.0f, or at the end", ceil((floor(step / grain) + 1) * grain));
    return out;
}

/*
 * Says that a save failed. While a disk stays full every save fails, and each line says the same: the 1st, 2nd, 4th,
 * 8th failure in a row is told.
 */
static void tell_failure(const ls_trainer *t, const ls_saver_outcome *outcome) {
    if (t->failed_saves & (t->failed_saves - 1)) return;
    char when[96], row[64] = "";
    if (t->failed_saves > 1) snprintf(row, sizeof row, " (the failure is no. %" PRIu64 " in a row)", t->failed_saves);
    ls_logger_say(t->logger, LS_LOG_WARNING,
                  "the checkpoint of step %" PRIu64 " was not made: %s%s; the older ones stay%s", outcome->step,
                  ls_status_message(outcome->status), row, next_try(t, when, sizeof when));
}

/* Says what came of a save; only rank 0 has something to say. */
static void take_outcome(ls_trainer *t, ls_saver_outcome *outcome) {
    if (!outcome->finished) return;
    if (outcome->seconds > t->save_seconds) t->save_seconds = outcome->seconds;
    if (outcome->superseded) t->superseded = true;
    ls_status_free(t->last_save);
    t->last_save = outcome->status;
    if (outcome->untidy != LS_OK && !t->untidy)
        ls_logger_say(t->logger, LS_LOG_WARNING, "the checkpoint of step %" PRIu64 " is made, but %s", outcome->step,
                      ls_status_message(outcome->untidy));
    if (outcome->untidy != LS_OK) t->untidy = true;
    ls_status_free(outcome->untidy);
    if (outcome->status == LS_OK) {
        if (t->failed_saves)
            ls_logger_say(t->logger, LS_LOG_INFO, "checkpoints are made again, after %" PRIu64 " that failed",
                          t->failed_saves);
        t->failed_saves = 0;
        ls_checkpoint_name(outcome->step, t->newest, sizeof t->newest);
        ls_logger_say(t->logger, LS_LOG_DEBUG, "saved %s, %" PRIu64 " bytes in %.3f s, state %016" PRIx64,
                      outcome->path, outcome->bytes, outcome->seconds, outcome->state);
        return;
    }
    t->failed_saves++;
    tell_failure(t, outcome);
}

ls_status ls__saver_poll(ls_trainer *t) {
    ls_saver_outcome outcome = {0};
    LS_TRY(ls_saver_poll(t->saver, &outcome));
    take_outcome(t, &outcome);
    return LS_OK;
}

ls_status ls__saver_wait(ls_trainer *t) {
    ls_saver_outcome outcome = {0};
    LS_TRY(ls_saver_wait(t->saver, &outcome));
    take_outcome(t, &outcome);
    return LS_OK;
}

ls_status ls__trainer_save(ls_trainer *t, bool best) {
    ls_comm_note(t->comm, "save", t->state.step);
    ls_items *items = NULL;
    ls_status status = LS_OK;
    if (ls_comm_first(t->comm)) {
        status = ls_items_create(&items);
        if (status == LS_OK) status = fill_items(t, items);
    }
    status = ls_comm_agree(t->comm, status);
    if (status == LS_OK) status = ls_saver_start(t->saver, t->state.step, items, best);
    ls_items_destroy(items);
    t->saved = ls__position(t);
    return status;
}

double ls__save_seconds(const ls_trainer *t) {
    return 2 * t->save_seconds;
}

/* ---- resume ------------------------------------------------------------------------------------------------------ */

/* What decides whether a checkpoint may be gone on from. */
typedef struct candidate {
    const ls_trainer *t;
    const ls_run_request *request;
} candidate;

static ls_status may_continue(void *context, const ls_checkpoint *checkpoint) {
    const candidate *c = context;
    if (!c->request->compare) return LS_OK;
    ls_text lines = {0};
    ls_status status = c->request->compare(ls_checkpoint_config(checkpoint), c->t->experiment->text, &lines);
    if (status == LS_OK && lines.length) {
        bool file = c->request->resume == LS_RESUME_FILE;
        status = LS_FAIL(LS_ERR_CONFIG,
                         "%s%s holds another experiment; these keys differ:\n%schoose another %s, or set the keys as "
                         "they were",
                         file ? "--resume " : "run.dir: ", file ? c->request->resume_file : c->t->experiment->run.dir,
                         lines.bytes, file ? "file" : "run.dir");
    }
    ls_text_free(&lines);
    return status;
}

static ls_status open_file(candidate *c, ls_checkpoint **out) {
    LS_TRY(ls_checkpoint_open(c->request->resume_file, out));
    return may_continue(c, *out);
}

static ls_status refuse_used(const ls_trainer *t) {
    char *path = NULL;
    LS_TRY(ls_checkpoint_find(t->experiment->run.dir, t->logger, &path));
    if (!path) return LS_OK;
    ls_status status = LS_FAIL(LS_ERR_CONFIG,
                               "run.dir: %s holds a run already (%s), and --resume never was given: choose "
                               "another run.dir, or remove it",
                               t->experiment->run.dir, path);
    free(path);
    return status;
}

ls_status ls__find_newest(ls_trainer *t, const ls_run_request *request, ls_checkpoint **out) {
    candidate c = {t, request};
    return ls_checkpoint_choose(t->experiment->run.dir, t->logger, may_continue, &c, out);
}

/* Rank 0: the checkpoint to go on from, or NULL where the run starts. */
static ls_status find_checkpoint(ls_trainer *t, const ls_run_request *request, ls_checkpoint **out) {
    *out = NULL;
    if (!ls_comm_first(t->comm)) return LS_OK;
    candidate c = {t, request};
    if (request->resume == LS_RESUME_FILE) return open_file(&c, out);
    if (request->resume == LS_RESUME_NEVER) return refuse_used(t);
    LS_TRY(ls__find_newest(t, request, out));
    if (*out) ls_logger_say(t->logger, LS_LOG_INFO, "going on from %s", ls_store_path(ls_checkpoint_store(*out)));
    return LS_OK;
}

ls_status ls__trainer_restore(ls_trainer *t, ls_checkpoint *checkpoint) {
    ls_items *items = NULL;
    ls_status status = ls_checkpoint_restore(checkpoint, t->comm, t->reducer, ls_model_params(t->model), t->slot_count,
                                             t->slot_names, &items);
    if (status == LS_OK) status = ls_comm_agree(t->comm, read_items(t, items));
    ls_items_destroy(items);
    t->saved = ls__position(t);
    return status;
}

ls_status ls__trainer_resume(ls_trainer *t, const ls_run_request *request, bool *resumed) {
    ls_comm_note(t->comm, "resume", 0);
    ls_checkpoint *checkpoint = NULL;
    ls_status status = ls_comm_agree(t->comm, find_checkpoint(t, request, &checkpoint));
    uint64_t found = checkpoint != NULL;
    if (status == LS_OK) status = ls_comm_broadcast(t->comm, 0, &found, sizeof found);
    if (status == LS_OK && found) status = ls__trainer_restore(t, checkpoint);
    ls_checkpoint_close(checkpoint);
    *resumed = found != 0;
    t->saved = ls__position(t);
    return status;
}

/* Rank 0: the best checkpoint, or NULL where its save failed or the file went bad: then the present one must do. */
static ls_status open_best(ls_trainer *t, ls_checkpoint **out) {
    char path[4096];
    uint64_t step = 0;
    snprintf(path, sizeof path, "%s/checkpoints/best.h5", t->experiment->run.dir);
    *out = NULL;
    ls_status status = ls_checkpoint_open(path, out);
    if (status == LS_OK) status = ls_items_get_count(ls_checkpoint_items(*out), "/state/step", &step);
    if (status == LS_OK && step == t->state.best_step) return LS_OK;
    ls_checkpoint_close(*out);
    *out = NULL;
    if (status == LS_OK) status = LS_FAIL(LS_ERR_DATA, "%s is that of step %" PRIu64, path, step);
    ls_logger_say(t->logger, LS_LOG_WARNING,
                  "the best parameters, of step %" PRIu64 ", cannot be brought back: %s; the last ones are used",
                  t->state.best_step, ls_status_message(status));
    ls_status_free(status);
    return LS_OK;
}

ls_status ls__restore_best(ls_trainer *t) {
    if (!t->state.best_step || t->state.best_step == t->state.step) return LS_OK;
    LS_TRY(ls__saver_wait(t));
    ls_checkpoint *best = NULL;
    ls_status status = ls_comm_agree(t->comm, ls_comm_first(t->comm) ? open_best(t, &best) : LS_OK);
    uint64_t found = best != NULL;
    if (status == LS_OK) status = ls_comm_broadcast(t->comm, 0, &found, sizeof found);
    ls_items *items = NULL;
    if (status == LS_OK && found)
        status = ls_checkpoint_restore(best, t->comm, t->reducer, ls_model_params(t->model), t->slot_count,
                                       t->slot_names, &items);
    ls_items_destroy(items);
    ls_checkpoint_close(best);
    return status;
}
