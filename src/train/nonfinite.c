/*
 * A number went bad: where, and with which batch.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lockstep/file.h"
#include "train/trainer.h"

/* Repeats the step, which has the same bits, with a check after every node. Gives what this rank finds. */
static ls_status search(ls_trainer *t) {
    /* Waves load their samples again, from the start of the batch. */
    LS_TRY(ls_loader_seek(t->feed, t->micro.epoch, t->micro.position));
    if (t->micro.count == 0) return LS_OK;
    ls_graph_check_finite(ls_model_graph(t->model), true);
    ls_status found = ls__fits(t) ? ls_model_forward(t->model, &t->micro, true, NULL, NULL) : ls__compute_in_waves(t);
    if (found == LS_OK && ls__fits(t)) found = ls_model_backward(t->model, &t->micro, NULL, NULL);
    ls_graph_check_finite(ls_model_graph(t->model), false);
    return ls_status_prefix(found, "step %" PRIu64 ", rank %zu", t->state.step, ls_comm_rank(t->comm));
}

/* {"step": 5, "epoch": 0, "position": 320, "message": "...", "samples": [17, 3, ...]} */
static ls_status describe(const ls_trainer *t, const char *message, FILE *out) {
    ls_span batch = ls__batch_span(t, t->state.step);
    ls_sampler sampler = ls_sampler_make(&t->experiment->data, t->data.train, t->experiment->seed);
    void *memory = NULL;
    LS_TRY(ls_block_create(batch.count, sizeof(uint64_t), "the samples of a batch", &memory));
    const uint64_t *samples = memory;
    ls_sampler_run(&sampler, batch.epoch, batch.first, batch.count, memory);
    fprintf(out, "{\"step\": %" PRIu64 ", \"epoch\": %" PRIu32 ", \"position\": %" PRIu64 ", \"message\": \"",
            t->state.step, batch.epoch, batch.first);
    for (const char *c = message; *c; c++) {
        if (*c == '"' || *c == '\\') fputc('\\', out);
        fputc((unsigned char)*c < ' ' ? ' ' : *c, out);
    }
    fprintf(out, "\", \"samples\": [");
    for (size_t i = 0; i < batch.count; i++) fprintf(out, "%s%" PRIu64, i ? ", " : "", samples[i]);
    fprintf(out, "]}\n");
    ls_block_destroy(memory);
    return LS_OK;
}

/* The batch's file beside the checkpoints; that it cannot be written is said, and changes nothing. */
static void leave_batch(const ls_trainer *t, const char *message) {
    char path[4096];
    snprintf(path, sizeof path, "%s/nonfinite-step-%" PRIu64 ".json", t->experiment->run.dir, t->state.step);
    ls_new_file file;
    ls_status status = ls_new_file_open(&file, path);
    if (status == LS_OK) status = ls_new_file_finish(&file, describe(t, message, file.stream), true);
    if (status == LS_OK)
        ls_logger_say(t->logger, LS_LOG_INFO, "the batch that went bad is described in %s", path);
    else
        ls_logger_say(t->logger, LS_LOG_WARNING, "%s", ls_status_message(status));
    ls_status_free(status);
}

ls_status ls__locate_bad_number(ls_trainer *t) {
    ls_comm_note(t->comm, "locate", t->state.step);
    ls_status found = ls_comm_agree(t->comm, search(t));
    if (found == LS_OK)
        found = LS_FAIL(LS_ERR_NUMERIC,
                        "step %" PRIu64 ": the sum of the gradients is not finite, though every rank's part is",
                        t->state.step);
    if (ls_comm_first(t->comm) && !t->replaying) leave_batch(t, ls_status_message(found));
    return found;
}
