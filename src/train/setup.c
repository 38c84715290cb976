/*
 * From an experiment to a trainer: everything about configuration and data is checked before any memory of size is
 * taken, so that `check` does just this much.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

/* ---- data and model ---------------------------------------------------------------------------------------------- */

ls_status ls__loss_targets(const ls_trainer *t, const char *const **out) {
    const ls_choices *losses = &t->experiment->loss;
    void *memory = NULL;
    LS_TRY(ls_pool_take(t->pool, (losses->count + 1) * sizeof(char *), &memory));
    const char **targets = memory;
    size_t count = 0;
    for (size_t i = 0; i < losses->count; i++) {
        const ls_loss_options *common = losses->items[i].common;
        if (common->target) targets[count++] = common->target;
    }
    *out = targets;
    return LS_OK;
}

static ls_status open_data(ls_trainer *t) {
    const char *const *targets = NULL;
    LS_TRY(ls__loss_targets(t, &targets));
    ls_comm_note(t->comm, "open data", 0);
    return ls_data_open(&t->experiment->data, t->experiment->folder, t->experiment->seed, targets, t->comm, t->logger,
                        &t->data);
}

/* What a data set offers to a model. */
typedef struct sources {
    ls_source *inputs, *targets;
    size_t input_count, target_count;
    const ls_source *corrupt;
    bool weighted;
} sources;

static ls_status count_classes(ls_pool *pool, const ls_dataset *dataset, size_t field, ls_source *source) {
    source->classes = ls_dataset_field(dataset, field)->classes;
    if (!source->classes) return LS_OK;
    void *counts = NULL;
    LS_TRY(ls_pool_take(pool, source->classes * sizeof(size_t), &counts));
    ls_dataset_count_classes(dataset, field, counts);
    source->class_counts = counts;
    return LS_OK;
}

static ls_status list_sources(ls_pool *pool, const ls_dataset *dataset, sources *out) {
    size_t fields = ls_dataset_fields(dataset);
    void *inputs = NULL, *targets = NULL, *corrupt = NULL;
    LS_TRY(ls_pool_take(pool, fields * sizeof(ls_source), &inputs));
    LS_TRY(ls_pool_take(pool, fields * sizeof(ls_source), &targets));
    LS_TRY(ls_pool_take(pool, sizeof(ls_source), &corrupt));
    *out = (sources){.inputs = inputs, .targets = targets};
    for (size_t i = 0; i < fields; i++) {
        const ls_field *field = ls_dataset_field(dataset, i);
        ls_source source = {.name = field->name, .shape = field->shape, .integral = field->integral};
        if (field->role == LS_FIELD_WEIGHT) {
            out->weighted = true;
        } else if (field->role == LS_FIELD_TARGET) {
            LS_TRY(count_classes(pool, dataset, i, &source));
            out->targets[out->target_count++] = source;
        } else if (strcmp(field->name, "x_c") == 0) {
            memcpy(corrupt, &source, sizeof source);
            out->corrupt = corrupt;
        } else {
            out->inputs[out->input_count++] = source;
        }
    }
    return LS_OK;
}

ls_status ls__model_build(const ls_experiment *experiment, const ls_dataset *dataset, ls_pool *pool, ls_team *team,
                          const ls_math *math, ls_precision precision, bool inference, ls_logger *logger,
                          ls_model **out) {
    sources from = {0};
    LS_TRY(list_sources(pool, dataset, &from));
    ls_model_setup setup = {.inputs = from.inputs,
                            .input_count = from.input_count,
                            .targets = from.targets,
                            .target_count = from.target_count,
                            .corrupt = from.corrupt,
                            .weighted = from.weighted,
                            .inference = inference,
                            .math = math,
                            .team = team,
                            .precision = precision,
                            .seed = experiment->seed,
                            .logger = logger};
    void *memory = NULL; /* the options must outlive the model */
    LS_TRY(ls_pool_take(pool, sizeof(ls_model_options), &memory));
    ls_model_options *options = memory;
    *options = (ls_model_options){experiment->model, experiment->loss, experiment->init};
    return ls_model_create(options, &setup, out);
}

/* ---- the plan of a batch ----------------------------------------------------------------------------------------- */

size_t ls__default_microbatch(size_t batch) {
    size_t eighth = (batch + 7) / 8;
    return eighth < 32 ? eighth : 32;
}

static ls_status plan_batches(ls_trainer *t, size_t ranks) {
    t->samples = ls_dataset_samples(t->data.train);
    size_t batch = t->experiment->batch ? t->experiment->batch : (size_t)t->samples;
    if (batch > t->samples) {
        ls_logger_say(t->logger, LS_LOG_WARNING,
                      "batch: %zu is more than the %llu training samples; an epoch is one step", batch,
                      (unsigned long long)t->samples);
        batch = (size_t)t->samples;
    }
    size_t micro = t->experiment->microbatch ? t->experiment->microbatch : ls__default_microbatch(batch);
    if (micro > batch) micro = batch;
    t->plan = (ls_microplan){.batch = batch, .microbatch = micro, .ranks = ranks};
    t->steps_per_epoch = (t->samples + batch - 1) / batch;
    return ls__plan_check(t->experiment, &t->plan);
}

ls_status ls__plan_check(const ls_experiment *experiment, const ls_microplan *plan) {
    if (ls_microplan_fits(plan)) return LS_OK;
    size_t most = ls_microplan_count(plan, plan->batch), advice = ls_microplan_advice(plan->batch, plan->ranks);
    if (!advice)
        return ls_document_fail(experiment->batch_place, LS_ERR_CONFIG,
                                "%zu ranks cannot share a batch of %zu samples: use at most %zu ranks", plan->ranks,
                                plan->batch, plan->batch);
    return ls_document_fail(
        experiment->batch_place, LS_ERR_CONFIG,
        "%zu ranks cannot share a batch of %zu samples cut into %zu micro-batches of %zu: set microbatch: %zu, "
        "or use at most %zu ranks",
        plan->ranks, plan->batch, most, plan->microbatch, advice, most);
}

static void plan_end(ls_trainer *t) {
    const ls_stop_options *stop = &t->experiment->stop;
    t->last_step = stop->steps;
    uint64_t by_epochs = stop->epochs * t->steps_per_epoch;
    if (by_epochs && (!t->last_step || by_epochs < t->last_step)) t->last_step = by_epochs;
    if (stop->metric) (void)ls__stop_metric_parse(stop->metric, &t->stop_metric); /* was checked with the experiment */
}

/* ---- feeds ------------------------------------------------------------------------------------------------------- */

ls_feed_plan ls__training_feed(const ls_trainer *t) {
    const ls_data_options *data = &t->experiment->data;
    return (ls_feed_plan){.model = t->model,
                          .dataset = t->data.train,
                          .transforms = &t->transforms,
                          .data = data,
                          .sampler = ls_sampler_make(data, t->data.train, t->experiment->seed),
                          .rows = t->wave.rows,
                          .batch = t->plan.batch,
                          .augment = true,
                          .seed = t->experiment->seed,
                          .comm = t->comm,
                          .logger = t->logger};
}

/* Also the sets that are looked at late: what is wrong with them is said before the work, not behind it. */
static ls_status check_feeds(const ls_trainer *t) {
    const ls_dataset *const others[] = {t->data.valid, t->data.test};
    ls_feed_plan plan = ls__training_feed(t);
    LS_TRY(ls__feed_check(&plan));
    for (size_t i = 0; i < 2; i++) {
        if (!others[i]) continue;
        plan = ls__evaluator_plan(t, others[i]);
        LS_TRY(ls__feed_check(&plan));
    }
    return LS_OK;
}

/* Who scales targets that no loss takes as numbers means something else. */
static ls_status check_preprocess_y(const ls_trainer *t) {
    const ls_choice *choice = &t->experiment->data.preprocess_y;
    if (!choice->type || strcmp(choice->type->name, "none") == 0) return LS_OK;
    for (size_t i = 0; i < ls_model_losses(t->model); i++)
        if (ls_model_loss_at(t->model, i)->target_kind == LS_LOSS_VALUES) return LS_OK;
    return ls_document_fail(choice->place, LS_ERR_CONFIG,
                            "data.preprocess_y: %s is for targets of a regression, and no loss here has any",
                            choice->type->name);
}

/* ---- create and destroy ------------------------------------------------------------------------------------------ */

static ls_status build(ls_trainer *t) {
    t->math = ls__experiment_math(t->experiment);
    LS_TRY(ls__arithmetic_agree(t->math, t->experiment->math != 0, t->comm));
    size_t threads = 0;
    LS_TRY(ls__threads_choose(t->experiment->run.threads, t->comm, &threads));
    LS_TRY(ls_comm_agree(t->comm, ls_team_create(threads, &t->team)));
    LS_TRY(open_data(t));
    LS_TRY(plan_batches(t, ls_comm_size(t->comm)));
    LS_TRY(ls__model_build(t->experiment, t->data.train, t->pool, t->team, t->math, LS_PRECISION_FLOAT, false,
                           t->logger, &t->model));
    if (ls_params_trainable(ls_model_params(t->model)) == 0)
        return ls_document_fail(t->experiment->model.items[0].place, LS_ERR_CONFIG,
                                "model: nothing to train: no layer has a parameter that is not frozen");
    LS_TRY(check_preprocess_y(t));
    const ls_model_loss *first = ls_model_loss_at(t->model, 0);
    LS_TRY(ls_metrics_check(&t->experiment->metrics, (ls_target)first->target_kind, first->name));
    LS_TRY(ls__waves_plan(t, &t->plan, ls_comm_machine_size(t->comm), &t->wave));
    if (t->wave.microbatches < ls_microplan_max_count(&t->plan))
        ls_logger_say(t->logger, LS_LOG_INFO,
                      "run.memory: the activations of %zu micro-batches do not fit; each rank computes %zu at once",
                      ls_microplan_max_count(&t->plan), t->wave.microbatches);
    plan_end(t);
    LS_TRY(ls__transforms_create(&t->experiment->data, t->model, t->data.train, t->pool, &t->transforms));
    LS_TRY(ls__tally_create(t->model, &t->experiment->metrics, &t->transforms, t->wave.rows, t->pool, &t->tally));
    LS_TRY(ls__scores_create(t));
    LS_TRY(ls__hooks_check(t));
    return check_feeds(t);
}

ls_status ls_trainer_create(const ls_experiment *experiment, ls_comm *comm, ls_logger *logger, ls_trainer **out) {
    *out = NULL;
    ls_trainer *t = calloc(1, sizeof *t);
    if (!t) return LS_FAIL(LS_ERR_MEMORY, "no memory for the trainer");
    t->experiment = experiment;
    t->comm = comm;
    t->logger = logger;
    ls_status status = ls_pool_create(&t->pool);
    if (status == LS_OK) status = build(t);
    status = ls_comm_agree(comm, status);
    if (status != LS_OK) {
        ls_trainer_destroy(t);
        return status;
    }
    *out = t;
    return LS_OK;
}

void ls_trainer_destroy(ls_trainer *t) {
    if (!t) return;
    ls__hooks_destroy(t);
    ls_status_free(t->failure);
    ls_status_free(t->last_save);
    for (size_t i = 0; i < t->evaluators; i++) ls__evaluator_destroy(&t->evaluator[i]);
    ls__tally_destroy(&t->tally);
    ls_loader_destroy(t->feed);
    ls_saver_destroy(t->saver);
    ls_run_lock_destroy(t->lock);
    ls_exchange_destroy(t->exchange);
    ls_exchange_destroy(t->trust);
    ls_reducer_destroy(t->reducer);
    ls_model_destroy(t->model);
    ls__transforms_destroy(&t->transforms);
    ls_data_close(&t->data);
    ls_data_close(&t->view_data);
    ls_block_destroy(t->view_weights);
    ls_block_destroy(t->wave_arena);
    ls_team_destroy(t->team);
    ls_pool_destroy(t->pool);
    free(t);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

size_t ls__slot_names(const ls_experiment *experiment, const char **names) {
    size_t count = ls_optimizer_slots(&experiment->optimizer, names);
    if (experiment->stop.gradient_norm > 0) names[count++] = "epoch_gradient";
    return count;
}

static ls_status take(ls_trainer *t, size_t count, size_t size, void *out) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(t->pool, count * size, &memory));
    memcpy(out, &memory, sizeof memory);
    return LS_OK;
}

static ls_status create_reducer(ls_trainer *t) {
    const char *names[LS_OPTIMIZER_SLOTS + 1];
    ls_reducer_options options = {.params = ls_model_params(t->model),
                                  .batch = t->plan.batch,
                                  .microbatch = t->plan.microbatch,
                                  .slots = ls__slot_names(t->experiment, names),
                                  .wire = (ls_wire)t->experiment->topology.wire};
    if (options.wire == LS_WIRE_BF16 && ls_comm_nodes(t->comm) > 1)
        ls_logger_say(t->logger, LS_LOG_WARNING,
                      "topology.wire: bf16 rounds gradients between nodes: results depend on the number of nodes (%zu) "
                      "and of their ranks",
                      ls_comm_nodes(t->comm));
    LS_TRY(ls_reducer_create(t->comm, &options, &t->reducer));
    ls_team_set_poke(t->team, ls_reducer_poke, t->reducer);
    ls_reducer_pieces(t->reducer, &t->pieces, &t->piece_count);
    size_t stride = 0;
    float *gradients = ls_reducer_gradients(t->reducer, &stride);
    ls_plan plan = {.rows = t->wave.rows, .microbatches = t->wave.microbatches, .training = true};
    LS_TRY(ls_comm_agree(t->comm, ls_model_plan(t->model, &plan)));
    ls_model_bind(t->model, ls_reducer_weights(t->reducer), gradients, stride);
    return ls_reducer_selftest(t->reducer);
}

/* Which sums travel: the tally's, then the norm of the gradient and the penalty where somebody asks for them. */
static ls_status create_exchanges(ls_trainer *t) {
    const ls_choice *optimizer = &t->experiment->optimizer;
    const ls_optimizer_options *common = optimizer->options;
    t->wants_norm = t->experiment->clip_norm > 0;
    t->wants_penalty = common->weight_decay.value > 0 || common->weight_decay.lambda > 0;
    t->norm_sum = t->tally.sums;
    t->penalty_sum = t->tally.sums + 1;
    LS_TRY(ls_exchange_create(t->comm, t->tally.sums + 2, 0, &t->exchange));
    if (!ls_optimizer_of(optimizer)->measure) return LS_OK;
    return ls_exchange_create(t->comm, LS_OPTIMIZER_NORMS * ls_params_count(ls_model_params(t->model)), 0, &t->trust);
}

static ls_status create_state(ls_trainer *t) {
    LS_TRY(ls__waves_allocate(t));
    LS_TRY(take(t, ls_microplan_max_count(&t->plan) + 1, sizeof(size_t), &t->row));
    LS_TRY(take(t, ls_microplan_max_blocks(&t->plan) + 1, sizeof(size_t), &t->block));
    LS_TRY(take(t, t->tally.sums, sizeof(ls_sum), &t->state.epoch_sums));
    LS_TRY(take(t, t->tally.values, sizeof(double), &t->step_values));
    LS_TRY(take(t, t->tally.values, sizeof(double), &t->epoch_values));
    LS_TRY(take(t, t->experiment->schedule.count, sizeof(ls_schedule_state), &t->state.schedules));
    ls_schedules_start(&t->experiment->schedule, t->state.schedules);
    return LS_OK;
}

static ls_status create_feeds(ls_trainer *t) {
    ls_feed_plan plan = ls__training_feed(t);
    LS_TRY(ls__feed_create(&plan, &t->feed));
    if (t->experiment->data.eval_train)
        LS_TRY(ls__evaluator_create(t, "train", t->data.train, &t->evaluator[t->evaluators++]));
    if (t->data.valid) LS_TRY(ls__evaluator_create(t, "valid", t->data.valid, &t->evaluator[t->evaluators++]));
    return LS_OK;
}

ls_status ls__trainer_allocate(ls_trainer *t) {
    LS_TRY(create_reducer(t));
    LS_TRY(create_exchanges(t));
    LS_TRY(ls_comm_agree(t->comm, create_state(t)));
    return create_feeds(t);
}
