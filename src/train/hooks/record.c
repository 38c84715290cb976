/* metrics.jsonl and TensorBoard: one event a step, and one for every result at an epoch's end. Rank 0 only. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

/* Above so many steps an epoch only every so many of them is recorded, at steps that do not depend on timing. */
enum { STEPS_RECORDED_PER_EPOCH = 1000 };

typedef struct record {
    ls_journal *journal;
    ls_tensorboard *board;
    ls_value *values; /* room for one event */
    uint64_t stride;
    double last_time;
    uint64_t last_samples;
} record;

/* How many bytes of lines may wait for room on the disk before the run ends for the lack of it. */
enum { MOST_WAITING = 64 << 20 };

ls_status ls__journal_outcome(ls_trainer *t, ls_status status, const ls_journal *journal) {
    if (status == LS_OK || ls_status_code(status) != LS_ERR_IO || ls_journal_waiting(journal) > MOST_WAITING)
        return status;
    if (!t->lines_wait)
        ls_logger_say(t->logger, LS_LOG_WARNING,
                      "%s; training goes on, and lines wait in memory: each step tries again to write them",
                      ls_status_message(status));
    t->lines_wait = true;
    ls_status_free(status);
    return LS_OK;
}

/* Event files are a copy of what stands in metrics.jsonl: without them the run goes on. */
static void drop_board(ls_trainer *t, record *r, ls_status cause) {
    ls_logger_say(t->logger, LS_LOG_WARNING, "%s; no more event files for TensorBoard until the next start",
                  ls_status_message(cause));
    ls_status_free(cause);
    ls_status_free(ls_tensorboard_close(r->board));
    r->board = NULL;
}

static ls_status write_event(ls_trainer *t, record *r, const ls_event *event) {
    LS_TRY(ls__journal_outcome(t, ls_journal_write(r->journal, event), r->journal));
    ls_status status = r->board ? ls_tensorboard_write(r->board, event) : LS_OK;
    if (status != LS_OK) drop_board(t, r, status);
    return LS_OK;
}

static void destroy(void *state) {
    record *r = state;
    ls_status_free(r->journal ? ls_journal_close(r->journal) : LS_OK);
    ls_status_free(r->board ? ls_tensorboard_close(r->board) : LS_OK);
    ls_block_destroy(r->values);
    free(r);
}

static ls_status open_files(ls_trainer *t, record *r) {
    char path[4096];
    snprintf(path, sizeof path, "%s/metrics.jsonl", t->experiment->run.dir);
    /* A new run keeps nothing of what an earlier one left here. */
    uint64_t last = t->state.step ? t->state.step : LS_REPORT_KEEP_NONE;
    LS_TRY(ls_journal_open(path, last, &r->journal));
    if (!t->experiment->run.tensorboard) return LS_OK;
    if (ls_tensorboard_missing()) {
        ls_logger_say(t->logger, LS_LOG_WARNING, "run.tensorboard: %s", ls_tensorboard_missing());
        return LS_OK;
    }
    snprintf(path, sizeof path, "%s/tensorboard", t->experiment->run.dir);
    return ls_tensorboard_open(path, last, &r->board);
}

static ls_status start(ls_trainer *t, void **state) {
    if (!ls_comm_first(t->comm)) return LS_OK;
    record *r = calloc(1, sizeof *r);
    if (!r) return LS_FAIL(LS_ERR_MEMORY, "no memory for the record");
    *state = r;
    void *values = NULL;
    LS_TRY(ls_block_create(t->tally.values + 8, sizeof(ls_value), "an event", &values));
    r->values = values;
    r->stride = (t->steps_per_epoch + STEPS_RECORDED_PER_EPOCH - 1) / STEPS_RECORDED_PER_EPOCH;
    r->last_time = t->speed.seconds;
    return open_files(t, r);
}

static size_t add_tally(const ls_trainer *t, ls_value *values, size_t count, const double *numbers) {
    for (size_t i = 0; i < t->tally.values; i++) values[count++] = (ls_value){t->tally.names[i], numbers[i], NULL};
    return count;
}

static ls_status record_step(ls_trainer *t, record *r) {
    size_t count = 0;
    for (size_t i = 0; i < 1 + t->tally.losses; i++)
        r->values[count++] = (ls_value){t->tally.names[i], t->step_values[i], NULL};
    double base = ((const ls_optimizer_options *)t->experiment->optimizer.options)->learning_rate;
    r->values[count++] = (ls_value){"learning_rate", base * t->learning_rate, NULL};
    if (t->experiment->clip_norm > 0) r->values[count++] = (ls_value){"gradient_norm", t->gradient_norm, NULL};
    if (t->wants_penalty) r->values[count++] = (ls_value){"penalty", t->penalty, NULL};
    double seconds = t->speed.seconds - r->last_time;
    uint64_t samples = t->speed.samples - r->last_samples;
    r->values[count++] = (ls_value){"samples_per_second", seconds > 0 ? (double)samples / seconds : NAN, NULL};
    r->last_time = t->speed.seconds;
    r->last_samples = t->speed.samples;
    ls_event event = {.event = "step",
                      .step = t->state.step,
                      .epoch = (t->state.step - 1) / t->steps_per_epoch,
                      .count = count,
                      .values = r->values};
    return write_event(t, r, &event);
}

static ls_status record_evaluation(ls_trainer *t, record *r, const ls_evaluator *evaluator) {
    const ls_event event = {.event = "eval",
                            .step = t->state.step,
                            .epoch = ls__epoch(t),
                            .set = evaluator->set,
                            .count = add_tally(t, r->values, 0, evaluator->values),
                            .values = r->values};
    return write_event(t, r, &event);
}

static ls_status record_epoch(ls_trainer *t, record *r) {
    const ls_event event = {.event = "epoch",
                            .step = t->state.step,
                            .epoch = ls__epoch(t),
                            .set = "train",
                            .count = add_tally(t, r->values, 0, t->epoch_values),
                            .values = r->values};
    LS_TRY(write_event(t, r, &event));
    for (size_t i = 0; i < t->evaluators; i++) LS_TRY(record_evaluation(t, r, &t->evaluator[i]));
    return LS_OK;
}

static ls_status step(ls_trainer *t, void *state) {
    record *r = state;
    if (!r) return LS_OK;
    bool recorded = t->state.step % r->stride == 0 || ls__last_of_epoch(t);
    if (recorded && !t->making_up) LS_TRY(record_step(t, r));
    return ls__epoch_ended(t) ? record_epoch(t, r) : LS_OK;
}

/* Lines that still wait are lost with the process: the run does not end as if all were well. */
static ls_status finish(ls_trainer *t, void *state, const ls_summary *summary) {
    (void)summary;
    record *r = state;
    if (!r) return LS_OK;
    const ls_evaluator *last = t->evaluators ? &t->evaluator[t->evaluators - 1] : NULL;
    if (last && last->dataset == t->data.test && last->done) LS_TRY(record_evaluation(t, r, last));
    return ls_journal_flush(r->journal);
}

const ls_hook ls__hook_record = {.name = "record",
                                 .doc = "Writes metrics.jsonl and TensorBoard's event files.",
                                 .start = start,
                                 .step = step,
                                 .finish = finish,
                                 .destroy = destroy};
