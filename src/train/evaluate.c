#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

ls_feed_plan ls__evaluator_plan(const ls_trainer *t, const ls_dataset *dataset) {
    return (ls_feed_plan){.model = t->model,
                          .dataset = dataset,
                          .train = t->data.train,
                          .transforms = &t->transforms,
                          .data = &t->experiment->data,
                          .sampler = ls_sampler_sequential(&t->experiment->data, dataset),
                          .rows = t->wave.rows,
                          .batch = t->plan.batch,
                          .seed = t->experiment->seed,
                          .comm = t->comm,
                          .logger = t->logger};
}

/* Above so many classes nobody reads a matrix of their confusions. */
enum { MOST_CLASSES = 64 };

static ls_status create_confusion(ls_trainer *t, ls_evaluator *e) {
    const ls_model_loss *loss = ls_model_loss_at(t->model, 0);
    size_t outputs = ls_shape_size(loss->shape);
    if (loss->target_kind != LS_LOSS_CLASSES || outputs > MOST_CLASSES) return LS_OK;
    void *counts = NULL;
    LS_TRY(ls_pool_take(t->pool, outputs * outputs * sizeof *e->confusion, &counts));
    e->confusion = counts;
    e->classes = outputs;
    return LS_OK;
}

ls_status ls__evaluator_create(ls_trainer *t, const char *set, const ls_dataset *dataset, ls_evaluator *out) {
    *out = (ls_evaluator){.set = set, .dataset = dataset};
    ls_feed_plan plan = ls__evaluator_plan(t, dataset);
    LS_TRY(ls__feed_create(&plan, &out->feed));
    LS_TRY(ls_exchange_create(t->comm, t->tally.sums, 1, &out->exchange));
    LS_TRY(ls_exchange_create(t->comm, 0, 1, &out->look));
    void *sums = NULL, *values = NULL;
    LS_TRY(ls_pool_take(t->pool, t->tally.sums * sizeof *out->sums, &sums));
    LS_TRY(ls_pool_take(t->pool, t->tally.values * sizeof *out->values, &values));
    out->sums = sums;
    out->values = values;
    return create_confusion(t, out);
}

void ls__evaluator_destroy(ls_evaluator *evaluator) {
    ls_loader_destroy(evaluator->feed);
    ls_exchange_destroy(evaluator->exchange);
    ls_exchange_destroy(evaluator->look);
    *evaluator = (ls_evaluator){0};
}

static void count_confusions(const ls_trainer *t, ls_evaluator *e, size_t rows) {
    ls_metric_view view = ls__tally_view(&t->tally, rows);
    ls_confusion_count(&view, e->confusion);
}

static ls_status evaluate_wave(ls_trainer *t, ls_evaluator *e, const ls_microbatches *micro, size_t first,
                               size_t count) {
    ls_microbatches wave = ls__wave_of(t, micro, first, count);
    size_t rows = ls_microbatches_rows(&wave);
    LS_TRY(ls_loader_fill(e->feed, 0, wave.position + wave.first_sample, rows, NULL));
    LS_TRY(ls_model_forward(t->model, &wave, false, NULL, NULL));
    ls__tally_add(&t->tally, rows, e->exchange);
    if (e->classes) count_confusions(t, e, rows);
    ls_comm_beat(t->comm);
    return LS_OK;
}

/* This rank's share of a chunk of samples from `first` on. */
static ls_status evaluate_chunk(ls_trainer *t, ls_evaluator *e, uint64_t first) {
    uint64_t left = ls_dataset_samples(e->dataset) - first;
    ls_microbatches micro = {.position = first};
    ls_microplan_share(&t->plan, left < t->plan.batch ? (size_t)left : t->plan.batch, ls_comm_rank(t->comm), t->row,
                       t->block, &micro);
    if (micro.count == 0) return ls_loader_fill(e->feed, 0, first + micro.first_sample, 0, NULL);
    for (size_t m = 0; m < micro.count; m += t->wave.microbatches)
        LS_TRY(evaluate_wave(t, e, &micro, m,
                             micro.count - m < t->wave.microbatches ? micro.count - m : t->wave.microbatches));
    return LS_OK;
}

/* What ranks are asked and what befalls them, they tell each other after so many chunks, about as long as few steps. */
enum { LOOK_EVERY = 8 };

static ls_status look(ls_trainer *t, ls_evaluator *e, bool failed, uint64_t *flags) {
    ls_exchange_clear(e->look);
    *ls_exchange_max(e->look, 0) = 0;
    *ls_exchange_flags(e->look) = ls__requests(t) | (failed ? LS_FLAG_FAILED : 0);
    LS_TRY(ls_exchange_run(e->look));
    *flags = *ls_exchange_flags(e->look);
    return LS_OK;
}

/*
 * The set is walked in chunks of one batch, each shared among the ranks as a training batch is: so what a rank holds at
 * once fits the plan, and the micro-batches are the same on any number of ranks. `cut`, where it is not NULL, tells
 * that the run is to stop.
 */
static ls_status walk(ls_trainer *t, ls_evaluator *e, bool *cut) {
    uint64_t samples = ls_dataset_samples(e->dataset), flags = 0;
    size_t chunks = 0;
    LS_TRY(ls_loader_seek(e->feed, 0, 0));
    ls_status status = LS_OK;
    for (uint64_t first = 0; first < samples; first += t->plan.batch) {
        if (status == LS_OK) status = evaluate_chunk(t, e, first);
        if (!cut || ++chunks % LOOK_EVERY != 0) continue;
        status = ls_status_first(status, look(t, e, status != LS_OK, &flags));
        if (status != LS_OK || (flags & LS_FLAG_FAILED)) return status;
        /* stop.time ends the run with a result: this one. */
        ls__obey(t, flags & ~(uint64_t)LS_FLAG_TIME_OVER);
        *cut = t->stopping && t->interrupted;
        if (*cut) return LS_OK;
    }
    return status;
}

static ls_status evaluate(ls_trainer *t, ls_evaluator *e, bool *cut) {
    ls_comm_note(t->comm, "evaluate", t->state.step);
    if (t->reducer) LS_TRY(ls_reducer_await(t->reducer, LS_ALL_WEIGHTS)); /* not where a checkpoint is looked at */
    ls_exchange_clear(e->exchange);
    if (e->classes) memset(e->confusion, 0, e->classes * e->classes * sizeof *e->confusion);
    LS_TRY(ls_comm_agree(t->comm, walk(t, e, cut)));
    if (cut && *cut) return LS_OK;
    LS_TRY(ls_exchange_run(e->exchange));
    for (size_t i = 0; i < t->tally.sums; i++) e->sums[i] = *ls_exchange_sum(e->exchange, i);
    ls__tally_values(&t->tally, e->sums, ls_dataset_samples(e->dataset), e->values);
    e->done = true;
    return LS_OK;
}

ls_status ls__evaluate(ls_trainer *t, ls_evaluator *e) {
    return evaluate(t, e, NULL);
}

ls_status ls__evaluate_unless_stopped(ls_trainer *t, ls_evaluator *e, bool *cut) {
    *cut = t->stopping && t->interrupted;
    return *cut ? LS_OK : evaluate(t, e, cut);
}
