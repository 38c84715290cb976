/*
 * A checkpoint put to use: its model, with its parameters and its preprocessing, on any data set.
 * Evaluation is here, prediction in predict.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

/* The experiment's data, with the training set `data` and no other where that is named. */
static ls_status open_data(ls_trainer *t, const char *data, ls_data *out) {
    const ls_experiment *experiment = t->experiment;
    const char *const *targets = NULL;
    LS_TRY(ls__loss_targets(t, &targets));
    ls_data_options options = experiment->data;
    if (data) {
        options.train = (ls_texts){1, &data};
        options.valid = options.test = (ls_texts){0};
        options.fold_given = false;
        options.limit = 0;
    }
    return ls_data_open(&options, data ? NULL : experiment->folder, experiment->seed, targets, t->comm, t->logger, out);
}

/* Sample weights and balanced classes are scaled by the training set, whatever set is looked at. */
static bool scales(const ls_experiment *experiment) {
    bool scales = experiment->data.weight != NULL;
    for (size_t i = 0; i < experiment->loss.count; i++) {
        const ls_choice *loss = &experiment->loss.items[i];
        const ls_loss_type *type = (const ls_loss_type *)(const void *)loss->type;
        scales = scales || (type->balances && type->balances(loss->options));
    }
    return scales;
}

/* Without the training set it is the other that scales. */
static ls_status open_beside_training_set(ls_trainer *t, const char *data, const ls_dataset **out) {
    ls_status status = open_data(t, NULL, &t->data);
    if (status != LS_OK) {
        /* Not the code: a rank that hears of another's failure has the exit code alone. */
        int code = ls_status_exit(status);
        if (code != ls_code_exit(LS_ERR_DATA) && code != ls_code_exit(LS_ERR_IO)) return status;
        ls_logger_say(t->logger, LS_LOG_WARNING, "weights are scaled by %s, for want of the training set: %s", data,
                      ls_status_message(status));
        ls_status_free(status);
        return LS_OK;
    }
    LS_TRY(open_data(t, data, &t->view_data));
    *out = t->view_data.train;
    return ls_comm_agree(t->comm, ls_dataset_check_fields(t->data.train, *out));
}

/* The data set to look at: the one that is named, else the validation set of the experiment, else its training set. */
static ls_status open_view_data(ls_trainer *t, const char *data, const ls_dataset **out) {
    *out = NULL;
    if (data && scales(t->experiment)) LS_TRY(open_beside_training_set(t, data, out));
    if (*out) return LS_OK;
    LS_TRY(open_data(t, data, &t->data));
    *out = t->data.valid ? t->data.valid : t->data.train;
    return LS_OK;
}

/* Inputs alone: what is to be predicted has no targets, or none that should matter. */
static ls_status open_inputs(ls_trainer *t, const char *data, const ls_dataset **out) {
    const ls_data_options *options = &t->experiment->data;
    void *memory = NULL;
    LS_TRY(ls_pool_take(t->pool, (1 + options->inputs.count) * sizeof(ls_field_request), &memory));
    ls_field_request *fields = memory;
    fields[0] = (ls_field_request){
        .name = "x", .dataset = options->x, .role = LS_FIELD_INPUT, .optional = options->inputs.count > 0};
    for (size_t i = 0; i < options->inputs.count; i++)
        fields[1 + i] = (ls_field_request){
            .name = options->inputs.keys[i], .dataset = options->inputs.values[i], .role = LS_FIELD_INPUT};
    ls_texts paths = {1, &data};
    ls_dataset_source source = {
        .paths = &paths, .fields = fields, .field_count = 1 + options->inputs.count, .cache = options->cache};
    LS_TRY(ls_dataset_open(&source, t->comm, t->logger, &t->data.train));
    *out = t->data.train;
    return LS_OK;
}

/*
 * The training set, where it is at hand, says how classes are balanced, also where another set is looked at. Without
 * losses layers may be idle which are none of the user's mistake: no warnings.
 */
static ls_status build_view(ls_trainer *t, bool inference) {
    LS_TRY(ls__model_build(t->experiment, t->data.train, t->pool, t->team, t->math, LS_PRECISION_FLOAT, inference,
                           inference ? NULL : t->logger, &t->model));
    return ls__transforms_create(&t->experiment->data, t->model, t->data.train, t->pool, &t->transforms);
}

static ls_status plan_view(ls_trainer *t, const ls_dataset *dataset) {
    size_t samples = ls_dataset_samples(dataset), ranks = ls_comm_size(t->comm);
    size_t batch = t->experiment->batch && t->experiment->batch < samples ? t->experiment->batch : samples;
    size_t micro = t->experiment->microbatch ? t->experiment->microbatch : ls__default_microbatch(batch);
    if (micro > batch) micro = batch;
    /* Whole micro-batches, so that all but the set's last are full ones on any number of ranks. */
    batch = ls_round_up(batch, micro);
    /* More ranks than micro-batches have nothing to do here, which is no reason to refuse them. */
    size_t least = ranks * micro;
    t->plan = (ls_microplan){.batch = batch < least ? least : batch, .microbatch = micro, .ranks = ranks};
    /* How many at once changes nothing: as many as run.memory holds, on the rank that has least of it. */
    ls_wave_plan wave = {0};
    size_t at_once = 0;
    LS_TRY(ls_comm_agree(t->comm, ls__waves_plan(t, &t->plan, ls_comm_machine_size(t->comm), &wave)));
    LS_TRY(ls_comm_least(t->comm, wave.microbatches, &at_once));
    if (at_once < ls_microplan_max_count(&t->plan)) t->plan.batch = least * at_once;
    t->wave.rows = ls_microplan_max_rows(&t->plan);
    t->wave.microbatches = ls_microplan_max_count(&t->plan);
    LS_TRY(ls__waves_allocate(t));
    ls_plan plan = {.rows = t->wave.rows, .microbatches = ls_microplan_max_count(&t->plan), .training = false};
    LS_TRY(ls_model_plan(t->model, &plan));
    void *row = NULL, *block = NULL;
    LS_TRY(ls_pool_take(t->pool, (plan.microbatches + 1) * sizeof(size_t), &row));
    LS_TRY(ls_pool_take(t->pool, (ls_microplan_max_blocks(&t->plan) + 1) * sizeof(size_t), &block));
    t->row = row;
    t->block = block;
    return LS_OK;
}

static ls_status load_checkpoint(ls_trainer *t, const char *path) {
    ls_checkpoint *checkpoint = NULL;
    LS_TRY(ls_checkpoint_open(path, &checkpoint));
    ls_status status =
        ls_block_create(ls_params_arena(ls_model_params(t->model)), sizeof(float), "the parameters", &t->view_weights);
    if (status == LS_OK) status = ls_checkpoint_read_parameters(checkpoint, ls_model_params(t->model), t->view_weights);
    if (status == LS_OK) status = ls__transforms_restore(&t->transforms, ls_checkpoint_items(checkpoint));
    if (status == LS_OK) ls_model_bind(t->model, t->view_weights, NULL, 0);
    ls_checkpoint_close(checkpoint);
    return status;
}

ls_status ls__view_open(ls_trainer *t, const char *checkpoint, const char *data, bool inference,
                        const ls_dataset **dataset) {
    t->math = ls__experiment_math(t->experiment);
    LS_TRY(ls_team_create(1, &t->team));
    LS_TRY(inference ? open_inputs(t, data, dataset) : open_view_data(t, data, dataset));
    LS_TRY(ls_comm_agree(t->comm, build_view(t, inference)));
    LS_TRY(plan_view(t, *dataset));
    return load_checkpoint(t, checkpoint);
}

ls_status ls__view_create(const ls_experiment *experiment, ls_comm *comm, ls_logger *logger, ls_trainer **out) {
    ls_trainer *t = calloc(1, sizeof *t);
    if (!t) return LS_FAIL(LS_ERR_MEMORY, "no memory for a view");
    t->experiment = experiment;
    t->comm = comm;
    t->logger = logger;
    *out = t;
    return ls_pool_create(&t->pool);
}

static ls_status evaluate_view(ls_trainer *t, const ls_dataset *dataset, ls_pool *pool, ls_result **results,
                               size_t *count) {
    const ls_model_loss *first = ls_model_loss_at(t->model, 0);
    LS_TRY(ls_metrics_check(&t->experiment->metrics, (ls_target)first->target_kind, first->name));
    LS_TRY(ls__tally_create(t->model, &t->experiment->metrics, &t->transforms, t->wave.rows, t->pool, &t->tally));
    ls_evaluator *evaluator = &t->evaluator[t->evaluators++];
    LS_TRY(ls__evaluator_create(t, "data", dataset, evaluator));
    LS_TRY(ls__evaluate(t, evaluator));
    void *memory = NULL;
    LS_TRY(ls_pool_take(pool, t->tally.values * sizeof **results, &memory));
    *results = memory;
    for (size_t i = 0; i < t->tally.values; i++) {
        snprintf((*results)[i].name, sizeof(*results)[i].name, "%s", t->tally.names[i]);
        (*results)[i].value = evaluator->values[i];
    }
    *count = t->tally.values;
    return LS_OK;
}

ls_status ls_evaluate(const ls_experiment *experiment, const char *checkpoint, const char *data, ls_comm *comm,
                      ls_logger *logger, ls_pool *pool, ls_result **results, size_t *count, uint64_t *samples) {
    ls_trainer *t = NULL;
    const ls_dataset *dataset = NULL;
    ls_status status = ls__view_create(experiment, comm, logger, &t);
    if (status == LS_OK) status = ls__view_open(t, checkpoint, data, false, &dataset);
    status = ls_comm_agree(comm, status);
    if (status == LS_OK) status = evaluate_view(t, dataset, pool, results, count);
    if (status == LS_OK) *samples = ls_dataset_samples(dataset);
    ls_trainer_destroy(t);
    return status;
}
