/*
 * run.ledger: which samples each step consumed, a line a step in ledger.jsonl. Rank 0 writes it; what stands at a
 * position of an epoch is a pure function, so nobody needs to be asked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/trainer.h"

typedef struct ledger {
    ls_journal *journal;
    ls_sampler sampler;
    uint64_t *samples; /* of one batch */
    ls_text line;
} ledger;

static void destroy(void *state) {
    ledger *l = state;
    ls_status_free(l->journal ? ls_journal_close(l->journal) : LS_OK);
    ls_block_destroy(l->samples);
    ls_text_free(&l->line);
    free(l);
}

static ls_status start(ls_trainer *t, void **state) {
    if (!t->experiment->run.ledger || !ls_comm_first(t->comm)) return LS_OK;
    ledger *l = calloc(1, sizeof *l);
    if (!l) return LS_FAIL(LS_ERR_MEMORY, "no memory for the ledger");
    *state = l;
    l->sampler = ls_sampler_make(&t->experiment->data, t->data.train, t->experiment->seed);
    void *samples = NULL;
    LS_TRY(ls_block_create(t->plan.batch, sizeof *l->samples, "the samples of a batch", &samples));
    l->samples = samples;
    char path[4096];
    snprintf(path, sizeof path, "%s/ledger.jsonl", t->experiment->run.dir);
    return ls_journal_open(path, t->state.step ? t->state.step : LS_REPORT_KEEP_NONE, &l->journal);
}

/* {"event":"samples","step":5,"epoch":0,"samples":[17,3,...]} */
static ls_status write_line(ls_trainer *t, ledger *l, const ls_span *batch) {
    ls_sampler_run(&l->sampler, batch->epoch, batch->first, batch->count, l->samples);
    l->line.length = 0;
    LS_TRY(ls_text_add(&l->line, "{\"event\":\"samples\",\"step\":%" PRIu64 ",\"epoch\":%" PRIu32 ",\"samples\":[",
                       t->state.step, batch->epoch));
    for (size_t i = 0; i < batch->count; i++) LS_TRY(ls_text_add(&l->line, "%s%" PRIu64, i ? "," : "", l->samples[i]));
    LS_TRY(ls_text_add(&l->line, "]}\n"));
    return ls_journal_write_line(l->journal, &l->line);
}

static ls_status step(ls_trainer *t, void *state) {
    ledger *l = state;
    if (!l || t->making_up) return LS_OK;
    ls_span batch = ls__batch_span(t, t->state.step - 1);
    return ls__journal_outcome(t, write_line(t, l, &batch), l->journal);
}

static ls_status finish(ls_trainer *t, void *state, const ls_summary *summary) {
    (void)t, (void)summary;
    ledger *l = state;
    return l ? ls_journal_flush(l->journal) : LS_OK;
}

const ls_hook ls__hook_ledger = {.name = "ledger",
                                 .doc = "Writes which samples each step consumed.",
                                 .start = start,
                                 .step = step,
                                 .finish = finish,
                                 .destroy = destroy};
