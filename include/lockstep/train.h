/**
 * train.h: the experiment and the loop.
 *
 * train conducts what the other modules know how to do. One step of data-parallel stochastic gradient descent reads
 *
 *     load        this rank's micro-batches of the batch
 *     forward     the loss of each of its samples
 *     backward    the gradient, layer by layer from the top; each finished range starts its reduction
 *     reduce      every piece of the gradient is summed over all micro-batches by the one rank that owns the piece
 *     decide      one small message: losses, metrics, norms, flags; from it everybody draws the same conclusions
 *     update      each owner applies the optimizer to its pieces, with the only copy of their optimizer state
 *     distribute  the new weights reach every node
 *
 * The weights after update t, and every loss and metric, are a function of configuration, data and seed: not of the
 * number of ranks, nodes or threads, of restarts, or of timing.
 *
 *     ls_trainer *trainer = NULL;
 *     LS_TRY(ls_trainer_create(&experiment, comm, logger, &trainer));
 *     ls_run_request request = {.resume = LS_RESUME_AUTO};
 *     ls_outcome outcome;
 *     ls_status status = ls_trainer_run(trainer, &request, &outcome);
 *     ls_trainer_destroy(trainer);
 */
#ifndef LOCKSTEP_TRAIN_H
#define LOCKSTEP_TRAIN_H

#include "lockstep/checkpoint.h"
#include "lockstep/comm.h"
#include "lockstep/data.h"
#include "lockstep/logger.h"
#include "lockstep/metrics.h"
#include "lockstep/model.h"
#include "lockstep/optim.h"
#include "lockstep/report.h"

/* ---- the experiment: what a configuration says -------------------------------------------------------------- */

/** stop.plateau: no absolute improvement above `delta` for `patience` epochs. */
typedef struct ls_stop_plateau {
    const char *metric; /* NULL: not asked for */
    ls_place metric_place;
    double delta;
    size_t patience;
} ls_stop_plateau;

/** stop.early: no improvement for `patience` evaluations; `restore` ends with the best parameters. */
typedef struct ls_stop_early {
    const char *metric; /* NULL: not asked for */
    ls_place metric_place;
    double delta;
    size_t patience;
    bool restore;
} ls_stop_early;

/** The first condition to hold ends the run; at least one must be given. */
typedef struct ls_stop_options {
    size_t epochs, steps; /* 0: not given */
    ls_duration time;     /* the one condition that depends on timing */
    const char *metric;   /* "valid.accuracy >= 0.98" */
    ls_place metric_place;
    double gradient_norm; /* of the epoch's mean gradient before clipping; 0: not given */
    ls_stop_plateau plateau;
    ls_stop_early early;
} ls_stop_options;

typedef enum ls_nonfinite { LS_NONFINITE_STOP, LS_NONFINITE_SKIP } ls_nonfinite;

/** How a run behaves; none of it decides a bit. */
typedef struct ls_run_options {
    const char *dir;
    ls_place dir_place;
    size_t threads;       /* 0: auto */
    int threads_word;     /* which word stood there, 0: a number; so for all *_word */
    ls_duration deadline; /* of every wait */
    size_t memory;        /* for activations of one rank; 0: auto */
    int memory_word;
    int on_nonfinite; /* ls_nonfinite */
    ls_duration digest_every;
    bool ledger, trace, tensorboard;
    ls_duration log_every;
} ls_run_options;

typedef struct ls_topology_options {
    size_t ranks_per_node; /* 0: as the machine is */
    int ranks_per_node_word;
    int wire; /* ls_wire */
} ls_topology_options;

/** Everything that defines a run. Plain data; config/ fills it from YAML, a program may fill it by hand. */
typedef struct ls_experiment {
    ls_data_options data;
    ls_choices model, loss, metrics;
    ls_init_options init;
    size_t batch; /* samples per step over all ranks; 0: the whole training set ("full") */
    int batch_word;
    size_t microbatch; /* 0: min(32, ceil(batch / 8)), at least 1 */
    int microbatch_word;
    uint64_t seed;
    int math; /* index into "exact", "blas" */
    ls_choice optimizer;
    ls_choices schedule;
    double clip_norm; /* 0: none */
    ls_stop_options stop;
    ls_checkpoint_options checkpoint;
    ls_run_options run;
    ls_topology_options topology;
    /* Not keys of the file: */
    ls_place batch_place, microbatch_place, stop_place;
    bool best_chosen;   /* checkpoint.best was asked for, not derived */
    const char *folder; /* that relative data paths are relative to; NULL: the working directory */
    const char *text;   /* the resolved configuration, as the checkpoint keeps it */
} ls_experiment;

/** The rows of an experiment, ending with LS_OPTION_END. */
extern const ls_option ls_experiment_rows[];

/** Refuses what single rows cannot see (no stop condition, ...); chooses checkpoint.best where it is open. Local. */
ls_status ls_experiment_check(ls_experiment *experiment) LS_MUST_USE;

/* ---- the trainer ---------------------------------------------------------------------------------------------- */

typedef struct ls_trainer ls_trainer;

/**
 * Opens and validates the data, builds the model, plans batches: finds every mistake there is to find, and takes no
 * memory of size but that for data. Collective. `experiment`, `comm` and `logger` are borrowed for the trainer's life.
 */
ls_status ls_trainer_create(const ls_experiment *experiment, ls_comm *comm, ls_logger *logger,
                            ls_trainer **out) LS_MUST_USE;
/** Collective. */
void ls_trainer_destroy(ls_trainer *trainer);

/**
 * Appends what `check` prints: parameters, memory per rank and node, steps per epoch, the window of the reduction, size
 * of a checkpoint and free space; for `ranks` ranks, `ranks_per_node` on a node (0: all on one). Local.
 */
ls_status ls_trainer_describe(ls_trainer *trainer, size_t ranks, size_t ranks_per_node, ls_text *out) LS_MUST_USE;

/**
 * Reads all data, also what training would stream, and refuses numbers that are not finite and integers that are no
 * index (LS_ERR_DATA, the first one named). Appends what was read. Collective.
 */
ls_status ls_trainer_check_data(ls_trainer *trainer, ls_text *out) LS_MUST_USE;

/** Appends the model's graph in the language of Graphviz. Local. */
ls_status ls_trainer_print_dot(ls_trainer *trainer, ls_text *out) LS_MUST_USE;

/**
 * Floating-point operations that a step costs per sample: forward, and as much again for each gradient that backward
 * gives (of an operator's inputs, and of its parameters). After ls_trainer_run(), which plans backward. Local.
 */
double ls_trainer_flops(const ls_trainer *trainer);

/**
 * The gradient check of this model on the first samples of its training set, in double: see ls_gradient_check().
 * Appends what it found. Local; LS_ERR_NUMERIC names the worst element.
 */
ls_status ls_trainer_check_gradients(ls_trainer *trainer, ls_text *out) LS_MUST_USE;

typedef enum ls_resume { LS_RESUME_AUTO, LS_RESUME_NEVER, LS_RESUME_FILE } ls_resume;

typedef struct ls_run_request {
    ls_resume resume;        /* auto: the newest checkpoint of run.dir that verifies; never: refuse a used run.dir */
    const char *resume_file; /* of LS_RESUME_FILE */
    /* Which keys forbid that `newer` continues the run of `older`, as lines (ls_config_compare); NULL: any may. */
    ls_status (*compare)(const char *older, const char *newer, ls_text *lines);
    double max_seconds; /* from the call on: save and stop in time for this (--max-time); 0: none */
    ls_display_mode display;
    bool quiet; /* the end report goes to its files only */
} ls_run_request;

/** How a run ended. */
typedef struct ls_outcome {
    bool finished;    /* a stop condition held: exit 0 */
    bool interrupted; /* stopped early and resumable: exit 75 */
    char stop_reason[160];
    uint64_t step;
} ls_outcome;

/**
 * Trains until a stop condition holds. Collective. Signals are honoured once ls_signals_install() was called. A failure
 * that all ranks share (LS_ERR_NUMERIC with step, layer, rank and samples) is returned; one that a rank has alone in
 * the middle of a step ends the job through ls_comm_abort().
 */
ls_status ls_trainer_run(ls_trainer *trainer, const ls_run_request *request, ls_outcome *out) LS_MUST_USE;

/**
 * Does continuing a run give the bits that not stopping it gave? Repeats the last `steps` (> 0) steps before the newest
 * checkpoint from the newest one that lies so far before it (else from the oldest), and compares parameters, optimizer
 * state, statistics and all numbers of the state bit by bit. Nothing in run.dir changes. Appends one line to `out` on
 * rank 0. LS_ERR_RUNTIME names the first array that differs; LS_ERR_DATA: there are no two checkpoints. In place of
 * ls_trainer_run(), of whose request it takes `compare`. Collective.
 *
 * What timing decided is not repeated: saves that a signal asked for, and how the run ended.
 * After an early stop the newest checkpoint holds the best parameters, and of its own last steps nothing is left: the
 * one before it is compared, and the line says so.
 */
ls_status ls_trainer_verify_resume(ls_trainer *trainer, const ls_run_request *request, uint64_t steps,
                                   ls_text *out) LS_MUST_USE;

/* ---- a checkpoint put to use ------------------------------------------------------------------------------------ */

/** Loss and metrics of a checkpoint on a data set. */
typedef struct ls_result {
    char name[64];
    double value;
} ls_result;

/**
 * Evaluates the parameters in `checkpoint` (whose experiment is given) on `data` ("FILE:/GROUP"; NULL: the experiment's
 * validation set, else its training set). Collective. `results` live in `pool`.
 */
ls_status ls_evaluate(const ls_experiment *experiment, const char *checkpoint, const char *data, ls_comm *comm,
                      ls_logger *logger, ls_pool *pool, ls_result **results, size_t *count,
                      uint64_t *samples) LS_MUST_USE;

/**
 * Writes what the model in `checkpoint` says of every sample of `data` to the HDF5 file `output`. Collective; the same
 * bits on any number of ranks. `data` needs the inputs alone.
 *
 *     /prediction    (samples, outputs)   the last layer's output, in original units (preprocess_y is undone)
 *     /class         (samples)            the class with the largest score
 *     /probability   (samples, outputs)   softmax of cross_entropy's logits, sigmoid of binary_cross_entropy's
 *
 * The last two are there where the loss gives them a meaning; of labels (binary_cross_entropy) /class has the shape of
 * /prediction and holds 1 where the probability is above one half. `samples` (or NULL) receives their number.
 */
ls_status ls_predict(const ls_experiment *experiment, const char *checkpoint, const char *data, const char *output,
                     ls_comm *comm, ls_logger *logger, uint64_t *samples) LS_MUST_USE;

/**
 * The network of a checkpoint alone, for exports: no data, no losses, no ranks. It is built for inference,
 * neither planned nor bound. All of it is local and borrowed from the network.
 */
typedef struct ls_network ls_network;

/** LS_ERR_DATA where the checkpoint does not say what its network reads. `experiment` is borrowed. */
ls_status ls_network_open(const ls_experiment *experiment, const char *checkpoint, ls_network **out) LS_MUST_USE;
void ls_network_close(ls_network *network);
ls_model *ls_network_model(const ls_network *network);
/** The parameter arena. */
const float *ls_network_weights(const ls_network *network);
/** What is done to the input called `name`; NULL: nothing. */
const ls_preprocess *ls_network_preprocess(const ls_network *network, const char *name);
/** What was done to the targets, to be undone on the output; NULL: nothing. */
const ls_preprocess *ls_network_units(const ls_network *network);

#endif
