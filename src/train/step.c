/*
 * One update: load, forward, backward, reduce, decide, update, distribute.
 */
#include <math.h>
#include <string.h>

#include "train/trainer.h"

static size_t my_rows(const ls_trainer *t) {
    return t->micro.count ? t->micro.row[t->micro.count] : 0;
}

/* Which micro-batches are this rank's. */
static void take_share(ls_trainer *t, const ls_span *batch) {
    t->micro.epoch = batch->epoch;
    t->micro.position = batch->first;
    ls_microplan_share(&t->plan, batch->count, ls_comm_rank(t->comm), t->row, t->block, &t->micro);
}

static ls_status load(ls_trainer *t) {
    ls_comm_note(t->comm, "load", t->state.step);
    return ls_loader_fill(t->feed, t->micro.epoch, t->micro.position + t->micro.first_sample, my_rows(t), NULL);
}

/* What backward tells the reducer while layers remain, */
static ls_status ready(void *reducer, size_t mark) {
    return ls_reducer_ready(reducer, mark);
}

/* and what forward asks it: weights of the last step may still be on their way. */
static ls_status need(void *reducer, size_t end) {
    return ls_reducer_await(reducer, end);
}

static ls_status forward(ls_trainer *t) {
    ls_comm_note(t->comm, "forward", t->state.step);
    if (my_rows(t) == 0) return LS_OK;
    LS_TRY(ls_model_forward(t->model, &t->micro, true, need, t->reducer));
    ls__tally_add(&t->tally, my_rows(t), t->exchange);
    return LS_OK;
}

static ls_status backward(ls_trainer *t) {
    ls_comm_note(t->comm, "backward", t->state.step);
    if (my_rows(t) > 0) LS_TRY(ls_model_backward(t->model, &t->micro, ready, t->reducer));
    return ls_reducer_ready(t->reducer, 0);
}

static ls_status compute(ls_trainer *t, size_t samples) {
    LS_TRY(load(t));
    ls__step_section(t, LS_SECTION_DATA);
    LS_TRY(forward(t));
    LS_TRY(ls_reducer_start(t->reducer, samples));
    ls__step_section(t, LS_SECTION_FORWARD);
    return backward(t);
}

static ls_status compute_in_waves(ls_trainer *t, size_t samples) {
    ls_comm_note(t->comm, "waves", t->state.step);
    LS_TRY(ls_reducer_start(t->reducer, samples));
    LS_TRY(ls__compute_in_waves(t));
    return ls_reducer_ready(t->reducer, 0);
}

/* ---- decide ------------------------------------------------------------------------------------------------------ */

static void add_norms(ls_trainer *t) {
    const ls_params *params = ls_model_params(t->model);
    for (size_t i = 0; i < t->piece_count; i++) {
        const ls_piece *piece = &t->pieces[i];
        const ls_param *param = ls_params_at(params, piece->param);
        if (!piece->finite) *ls_exchange_flags(t->exchange) |= LS_FLAG_NONFINITE;
        if (param->role == LS_ROLE_STATISTIC) continue;
        if (t->wants_norm)
            for (size_t b = 0; b < piece->count / LS_GRAIN; b++)
                ls_sum_add(ls_exchange_sum(t->exchange, t->norm_sum), piece->norms[b]);
        if (!t->wants_penalty) continue;
        /* The L2 penalty whose gradient weight decay is: decay / 2 times the squared norm. */
        double decay = ls_optimizer_decay(&t->experiment->optimizer, param, t->samples);
        for (size_t b = 0; b < piece->count; b += LS_GRAIN)
            ls_sum_add(ls_exchange_sum(t->exchange, t->penalty_sum),
                       0.5 * decay * ls_block_squares(LS_GRAIN, piece->weights + b));
    }
}

static ls_status decide(ls_trainer *t, size_t samples) {
    ls_comm_note(t->comm, "decide", t->state.step);
    add_norms(t);
    *ls_exchange_flags(t->exchange) |= ls__requests(t);
    LS_TRY(ls_exchange_run(t->exchange));
    t->flags = *ls_exchange_flags(t->exchange);
    ls__tally_values(&t->tally, ls_exchange_sum(t->exchange, 0), samples, t->step_values);
    t->gradient_norm = t->wants_norm ? sqrt(ls_sum_value(ls_exchange_sum(t->exchange, t->norm_sum))) : NAN;
    t->penalty = t->wants_penalty ? ls_sum_value(ls_exchange_sum(t->exchange, t->penalty_sum)) : NAN;
    return LS_OK;
}

static bool went_bad(const ls_trainer *t) {
    return (t->flags & LS_FLAG_NONFINITE) || !isfinite(t->step_values[0]);
}

/* ---- update ------------------------------------------------------------------------------------------------------ */

static ls_update update_of(const ls_trainer *t, const ls_piece *piece, const ls_param *param, double clip) {
    const ls_choice *optimizer = &t->experiment->optimizer;
    return (ls_update){
        .count = piece->count,
        .weights = piece->weights,
        .gradient = piece->gradient,
        .slots = piece->slots,
        .learning_rate = ls_optimizer_rate(optimizer, param, t->learning_rate),
        .weight_decay = ls_optimizer_decay(optimizer, param, t->samples),
        .gradient_scale = clip,
        .number = t->state.updates + 1,
        .trust = 1,
    };
}

/* lars and lamb: norms over whole parameters, whose pieces lie with several owners. */
static ls_status measure(ls_trainer *t, double clip) {
    const ls_choice *optimizer = &t->experiment->optimizer;
    ls_exchange_clear(t->trust);
    for (size_t i = 0; i < t->piece_count; i++) {
        const ls_param *param = ls_params_at(ls_model_params(t->model), t->pieces[i].param);
        if (param->role == LS_ROLE_STATISTIC) continue;
        ls_update update = update_of(t, &t->pieces[i], param, clip);
        ls_optimizer_of(optimizer)->measure(optimizer->options, &update,
                                            ls_exchange_sum(t->trust, LS_OPTIMIZER_NORMS * t->pieces[i].param));
    }
    return ls_exchange_run(t->trust);
}

static double trust_of(ls_trainer *t, const ls_piece *piece, const ls_update *update) {
    const ls_choice *optimizer = &t->experiment->optimizer;
    double squares[LS_OPTIMIZER_NORMS];
    for (size_t k = 0; k < LS_OPTIMIZER_NORMS; k++)
        squares[k] = ls_sum_value(ls_exchange_sum(t->trust, LS_OPTIMIZER_NORMS * piece->param + k));
    return ls_optimizer_of(optimizer)->trust(optimizer->options, update, squares);
}

/* stop.gradient_norm: the mean gradient of the epoch so far, in the slot behind the optimizer's. */
static void add_to_epoch_gradient(const ls_trainer *t, const ls_piece *piece, size_t samples) {
    const char *names[LS_OPTIMIZER_SLOTS];
    float *sum = piece->slots[ls_optimizer_slots(&t->experiment->optimizer, names)];
    float share = (float)((double)samples / (double)t->samples);
    for (size_t i = 0; i < piece->count; i++) sum[i] += share * piece->gradient[i];
}

ls_status ls__epoch_gradient_norm(ls_trainer *t, double *norm) {
    const char *names[LS_OPTIMIZER_SLOTS];
    size_t slot = ls_optimizer_slots(&t->experiment->optimizer, names);
    ls_exchange_clear(t->exchange);
    for (size_t i = 0; i < t->piece_count; i++) {
        const ls_piece *piece = &t->pieces[i];
        if (!piece->slots) continue;
        for (size_t b = 0; b < piece->count; b += LS_GRAIN)
            ls_sum_add(ls_exchange_sum(t->exchange, t->norm_sum), ls_block_squares(LS_GRAIN, piece->slots[slot] + b));
        memset(piece->slots[slot], 0, piece->count * sizeof(float));
    }
    LS_TRY(ls_exchange_run(t->exchange));
    *norm = sqrt(ls_sum_value(ls_exchange_sum(t->exchange, t->norm_sum)));
    return LS_OK;
}

static ls_status update(ls_trainer *t, size_t samples) {
    ls_comm_note(t->comm, "update", t->state.step);
    double clip = t->experiment->clip_norm > 0 ? ls_clip_factor(t->gradient_norm, t->experiment->clip_norm) : 1;
    if (t->trust) LS_TRY(measure(t, clip));
    for (size_t i = 0; i < t->piece_count; i++) {
        const ls_piece *piece = &t->pieces[i];
        const ls_param *param = ls_params_at(ls_model_params(t->model), piece->param);
        if (param->role == LS_ROLE_STATISTIC) {
            ls_statistic_update(param, piece->count, piece->gradient, piece->weights);
            continue;
        }
        ls_update one = update_of(t, piece, param, clip);
        if (t->trust) one.trust = trust_of(t, piece, &one);
        if (t->experiment->stop.gradient_norm > 0) add_to_epoch_gradient(t, piece, samples);
        ls_optimizer_update(&t->experiment->optimizer, &one);
    }
    t->state.updates++;
    return LS_OK;
}

/* Says the first, second, fourth, eighth, ... time that a step was skipped: a run that diverged skips every step. */
static void say_skipped(const ls_trainer *t) {
    uint64_t count = t->state.skipped;
    if (count & (count - 1)) return;
    ls_logger_say(t->logger, LS_LOG_WARNING,
                  "step %llu changed no weight: its loss or gradient is not finite (skipped updates so far: %llu)",
                  (unsigned long long)t->state.step, (unsigned long long)count);
}

/* A skipped step is a step of the epoch, but its losses are no numbers to add. */
static void count_step(ls_trainer *t, size_t samples, bool skipped) {
    t->state.step++;
    if (skipped) {
        t->state.skipped++;
        say_skipped(t);
        return;
    }
    for (size_t i = 0; i < t->tally.sums; i++) ls_sum_merge(&t->state.epoch_sums[i], ls_exchange_sum(t->exchange, i));
    t->state.epoch_samples += samples;
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

ls_status ls__trainer_step(ls_trainer *t) {
    ls_span batch = ls__batch_span(t, t->state.step);
    size_t samples = batch.count;
    double began = t->mark = ls_clock_now();
    t->waited = ls_comm_waited(t->comm);
    t->calls[LS_SECTION_WAIT]++;
    take_share(t, &batch);
    ls_exchange_clear(t->exchange);
    LS_TRY(ls__fits(t) ? compute(t, samples) : compute_in_waves(t, samples));
    ls__step_section(t, LS_SECTION_BACKWARD);
    LS_TRY(ls_reducer_finish(t->reducer));
    ls__step_section(t, LS_SECTION_REDUCE);

    ls_progress progress = {t->state.step, ls__epoch(t)};
    t->learning_rate = ls_schedules_factor(&t->experiment->schedule, t->state.schedules, &progress);
    LS_TRY(decide(t, samples));
    ls__step_section(t, LS_SECTION_DECIDE);

    bool bad = went_bad(t);
    if (bad && t->experiment->run.on_nonfinite == LS_NONFINITE_STOP) {
        t->failure = ls__locate_bad_number(t);
        t->stopping = true;
        return ls_reducer_distribute(t->reducer);
    }
    if (!bad) LS_TRY(update(t, samples));
    ls__step_section(t, LS_SECTION_UPDATE);
    LS_TRY(ls_reducer_distribute(t->reducer));
    count_step(t, samples, bad);
    ls__step_section(t, LS_SECTION_DISTRIBUTE);
    ls__speed_add(&t->speed, samples, t->mark - began);
    return LS_OK;
}
