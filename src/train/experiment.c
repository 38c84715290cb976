#include "lockstep/train.h"

#include "train/trainer.h"

/* The rows of a configuration's sections that train owns, and of the whole. */

#define IN_STEPS (1u << LS_UNIT_STEPS)
#define IN_SECONDS (1u << LS_UNIT_SECONDS)

static const ls_option plateau_rows[] = {
    {LS_OPTION_ROW(ls_stop_plateau, metric, LS_KIND_TEXT, "train.loss", "what must improve"),
     .place_offset = offsetof(ls_stop_plateau, metric_place)},
    LS_OPTION_REAL(ls_stop_plateau, delta, "1e-4", 0, INFINITY, "what counts as an improvement, absolute"),
    LS_OPTION_COUNT(ls_stop_plateau, patience, "5", 1, INFINITY, "epochs without an improvement"),
    LS_OPTION_END};

static const ls_option early_rows[] = {
    {LS_OPTION_ROW(ls_stop_early, metric, LS_KIND_TEXT, "valid.loss", "what must improve"),
     .place_offset = offsetof(ls_stop_early, metric_place)},
    LS_OPTION_REAL(ls_stop_early, delta, "0", 0, INFINITY, "what counts as an improvement, absolute"),
    LS_OPTION_COUNT(ls_stop_early, patience, "5", 1, INFINITY, "epochs without an improvement"),
    LS_OPTION_BOOL(ls_stop_early, restore, "true", "end with the best parameters"),
    LS_OPTION_END};

static const ls_option stop_rows[] = {
    LS_OPTION_COUNT(ls_stop_options, epochs, NULL, 1, 1e9, "epochs to train"),
    LS_OPTION_COUNT(ls_stop_options, steps, NULL, 1, 1e15, "steps to train"),
    LS_OPTION_DURATION(ls_stop_options, time, NULL, IN_SECONDS, "time to train; the one stop that depends on timing"),
    {LS_OPTION_ROW(ls_stop_options, metric, LS_KIND_TEXT, NULL, "a condition such as \"valid.accuracy >= 0.98\""),
     .place_offset = offsetof(ls_stop_options, metric_place)},
    {LS_OPTION_NUMBER(ls_stop_options, gradient_norm, LS_KIND_REAL, NULL, 0, INFINITY,
                      "norm of the epoch's mean gradient, before clipping, at which training has converged"),
     .open_low = true},
    LS_OPTION_TABLE(ls_stop_options, plateau, NULL, plateau_rows, "stop where a metric no longer improves"),
    LS_OPTION_TABLE(ls_stop_options, early, NULL, early_rows,
                    "stop where a metric gets worse, with the best parameters"),
    LS_OPTION_END};

static const char *const nonfinite_words[] = {"stop", "skip", NULL};
static const char *const auto_words[] = {"auto", NULL};
static const char *const full_words[] = {"full", NULL};
static const char *const math_words[] = {"exact", "blas", NULL};
static const char *const wire_words[] = {"float32", "bf16", NULL};

static const ls_option run_rows[] = {
    {LS_OPTION_ROW(ls_run_options, dir, LS_KIND_TEXT, LS_REQUIRED, "directory of this run, made if it does not exist"),
     .place_offset = offsetof(ls_run_options, dir_place)},
    {LS_OPTION_NUMBER(ls_run_options, threads, LS_KIND_COUNT, "auto", 1, 1024, "threads of each rank"),
     .words = auto_words, .word_offset = offsetof(ls_run_options, threads_word)},
    LS_OPTION_DURATION(ls_run_options, deadline, "5min", IN_SECONDS, "longest wait for another rank"),
    {LS_OPTION_NUMBER(ls_run_options, memory, LS_KIND_BYTES, "auto", 0, INFINITY, "for the activations of one rank"),
     .words = auto_words, .word_offset = offsetof(ls_run_options, memory_word)},
    LS_OPTION_WORD(ls_run_options, on_nonfinite, "stop", nonfinite_words,
                   "what a loss or gradient that is not finite does"),
    LS_OPTION_DURATION(ls_run_options, digest_every, "100st", IN_STEPS, "how often nodes compare their weights"),
    LS_OPTION_BOOL(ls_run_options, ledger, "false", "write which samples each step consumed"),
    LS_OPTION_BOOL(ls_run_options, trace, "false", "write when each rank did what"),
    LS_OPTION_BOOL(ls_run_options, tensorboard, "true", "write event files for TensorBoard"),
    LS_OPTION_DURATION(ls_run_options, log_every, "10s", IN_SECONDS, "between two lines of progress"),
    LS_OPTION_END};

static const ls_option topology_rows[] = {{LS_OPTION_NUMBER(ls_topology_options, ranks_per_node, LS_KIND_COUNT, "auto",
                                                            1, 1e6, "ranks that share one copy of the weights"),
                                           .words = auto_words,
                                           .word_offset = offsetof(ls_topology_options, ranks_per_node_word)},
                                          LS_OPTION_WORD(ls_topology_options, wire, "float32", wire_words,
                                                         "how gradients travel between nodes; bf16 changes bits"),
                                          LS_OPTION_END};

const ls_option ls_experiment_rows[] = {
    LS_OPTION_TABLE(ls_experiment, data, LS_REQUIRED, ls_data_rows, "what to train on"),
    LS_OPTION_CHOICES(ls_experiment, model, LS_REQUIRED, &ls_layer_family, "the layers, from input to output"),
    LS_OPTION_CHOICES(ls_experiment, loss, LS_REQUIRED, &ls_loss_family, "what is minimised"),
    LS_OPTION_TABLE(ls_experiment, init, "{}", ls_init_rows, "initial values of the parameters"),
    LS_OPTION_CHOICES(ls_experiment, metrics, NULL, &ls_metric_family,
                      "what is reported of each evaluation beside the loss"),
    {LS_OPTION_NUMBER(ls_experiment, batch, LS_KIND_COUNT, LS_REQUIRED, 1, 1e9,
                      "samples per optimizer step, over all ranks together; full: the training set"),
     .words = full_words, .word_offset = offsetof(ls_experiment, batch_word),
     .place_offset = offsetof(ls_experiment, batch_place)},
    {LS_OPTION_NUMBER(ls_experiment, microbatch, LS_KIND_COUNT, "auto", 1, 1e9,
                      "samples whose gradients are summed as one; auto: min(32, ceil(batch / 8))"),
     .words = auto_words, .word_offset = offsetof(ls_experiment, microbatch_word),
     .place_offset = offsetof(ls_experiment, microbatch_place)},
    {LS_OPTION_ROW(ls_experiment, seed, LS_KIND_SEED, "1", "of all that is random")},
    LS_OPTION_WORD(ls_experiment, math, "exact", math_words, "own kernels with the same bits everywhere, or OpenBLAS"),
    LS_OPTION_CHOICE(ls_experiment, optimizer, LS_REQUIRED, &ls_optimizer_family, "how gradients change parameters"),
    LS_OPTION_CHOICES(ls_experiment, schedule, NULL, &ls_schedule_family,
                      "factors on the learning rate; a list is multiplied"),
    {LS_OPTION_NUMBER(ls_experiment, clip_norm, LS_KIND_REAL, NULL, 0, INFINITY,
                      "most that the norm of the whole gradient may be"),
     .open_low = true},
    {LS_OPTION_ROW(ls_experiment, stop, LS_KIND_TABLE, LS_REQUIRED, "when to end: the first condition that holds"),
     .rows = stop_rows, .place_offset = offsetof(ls_experiment, stop_place)},
    LS_OPTION_TABLE(ls_experiment, checkpoint, "{}", ls_checkpoint_rows, "when to save, and how much to keep"),
    LS_OPTION_TABLE(ls_experiment, run, LS_REQUIRED, run_rows, "where and how to run"),
    LS_OPTION_TABLE(ls_experiment, topology, "{}", topology_rows, "how ranks are grouped"),
    LS_OPTION_END};

const ls_math *ls__experiment_math(const ls_experiment *experiment) {
    const ls_math *math = ls_math_find(math_words[experiment->math]);
    assert(math);
    return math;
}

static bool has_stop(const ls_stop_options *stop) {
    return stop->epochs || stop->steps || stop->time.unit != LS_UNIT_NONE || stop->metric || stop->gradient_norm > 0 ||
           stop->plateau.metric || stop->early.metric;
}

static ls_status check_stop(const ls_experiment *experiment) {
    const ls_stop_options *stop = &experiment->stop;
    ls_stop_metric condition;
    if (!has_stop(stop))
        return ls_document_fail(experiment->stop_place, LS_ERR_CONFIG,
                                "stop: no condition is given; name one, for example stop: {epochs: 30}");
    if (stop->metric && !ls__stop_metric_parse(stop->metric, &condition))
        return ls_document_fail(stop->metric_place, LS_ERR_CONFIG,
                                "stop.metric: \"%s\" is no condition; write it as \"valid.accuracy >= 0.98\"",
                                stop->metric);
    return LS_OK;
}

/* With validation data the best is the least validation loss, else the least training loss; stop.early says better. */
static void choose_best(ls_experiment *experiment) {
    ls_checkpoint_options *checkpoint = &experiment->checkpoint;
    experiment->best_chosen = checkpoint->best_given || experiment->stop.early.metric;
    if (checkpoint->best_given) return;
    checkpoint->best_given = true; /* so that the resolved configuration says it */
    if (experiment->stop.early.metric)
        checkpoint->best = experiment->stop.early.metric;
    else
        checkpoint->best = experiment->data.valid.count ? "valid.loss" : "train.loss";
}

ls_status ls_experiment_check(ls_experiment *experiment) {
    LS_TRY(check_stop(experiment));
    LS_TRY(ls_optimizer_check(&experiment->optimizer));
    LS_TRY(ls_schedules_check(&experiment->schedule));
    if (experiment->batch && experiment->microbatch > experiment->batch)
        return ls_document_fail(experiment->microbatch_place, LS_ERR_CONFIG,
                                "microbatch: %zu is more than batch: %zu; allowed: 1 to %zu", experiment->microbatch,
                                experiment->batch, experiment->batch);
    choose_best(experiment);
    return LS_OK;
}
