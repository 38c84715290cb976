/*
 * trainer.h: the state of a run, shared by the files of train.
 *
 *     setup.c      experiment -> data, model, plan, memory          feed.c       a data set to the model's inputs
 *     step.c       one update                                       evaluate.c   loss and metrics of a whole set
 *     nonfinite.c  where a number went bad                          replay.c     the last steps once more
 *     run.c        the loop, resume, the end                        hooks/       what happens after a step or an epoch
 *     view.c       a checkpoint on a data set                       predict.c    what its model says of one
 *     network.c    a checkpoint's network without data          threads.c    how many threads a rank has
 *     state.c      what a checkpoint keeps of all this              stop.c       when a run ends
 */
#ifndef LOCKSTEP_TRAIN_TRAINER_H
#define LOCKSTEP_TRAIN_TRAINER_H

#include <assert.h>

#include "lockstep/clock.h"
#include "lockstep/reducer.h"
#include "lockstep/report.h"
#include "lockstep/train.h"
#include "train/stop.h"

/* ---- a data set on its way into the model --------------------------------------------------------------------- */

/* Preprocessing by field; one that changes nothing is NULL. */
typedef struct ls_transforms {
    size_t count;
    const char **field;
    ls_preprocess **item;
} ls_transforms;

/*
 * One transform per real field of the model that the data set has (NULL: all), to be fitted on the training set or
 * restored; targets of values take preprocess_y.
 */
ls_status ls__transforms_create(const ls_data_options *options, const ls_model *model, const ls_dataset *dataset,
                                ls_pool *pool, ls_transforms *out) LS_MUST_USE;
ls_status ls__transforms_fit(ls_transforms *transforms, const ls_dataset *train, ls_comm *comm) LS_MUST_USE;
void ls__transforms_destroy(ls_transforms *transforms);
const ls_preprocess *ls__transform_of(const ls_transforms *transforms, const char *field);

typedef struct ls_feed_plan {
    ls_model *model; /* planned */
    const ls_dataset *dataset;
    const ls_dataset *train; /* whose sample weights have mean 1; NULL: the data set itself */
    const ls_transforms *transforms;
    const ls_data_options *data;
    ls_sampler sampler;
    size_t rows;  /* most that a rank asks for at once */
    size_t batch; /* positions between two points where all ranks meet; 0: rows of every rank */
    bool augment; /* training only */
    uint64_t seed;
    ls_comm *comm;
    ls_logger *logger;
} ls_feed_plan;

/* Refuses what ls__feed_create() would, and takes no memory of size. Local. */
ls_status ls__feed_check(const ls_feed_plan *plan) LS_MUST_USE;
/* Reads what is streamed and refuses what training would meet; gives the bytes read. Collective. */
ls_status ls__feed_inspect(const ls_feed_plan *plan, uint64_t *bytes) LS_MUST_USE;
/* A loader that fills the model's slots, whatever they are. Collective. */
ls_status ls__feed_create(const ls_feed_plan *plan, ls_loader **out) LS_MUST_USE;

/* ---- sums of losses and metrics ---------------------------------------------------------------------------------- */

/*
 * What is summed over samples, in a fixed order: the total loss, every single loss where there are several, then the
 * sums of each metric. A tally knows the layout; the sums themselves lie in an exchange or an epoch's array.
 */
typedef struct ls_tally {
    const ls_model *model;
    const ls_choices *metrics;
    const ls_preprocess *units; /* of the targets; predictions and targets are judged in original units */
    size_t losses;              /* sums of single losses: 0 where there is one loss */
    size_t *metric_first;       /* index of each metric's first sum */
    size_t sums;
    size_t values;              /* numbers that the sums make: 1 + losses + metrics */
    const char **names;         /* "loss", "loss.dense_2", "accuracy" */
    bool *higher;               /* better direction of each value */
    double *numbers;            /* the values of one metric's sums, while they are looked at */
    float *prediction, *target; /* in original units */
} ls_tally;

ls_status ls__tally_create(ls_model *model, const ls_choices *metrics, const ls_transforms *transforms, size_t rows,
                           ls_pool *pool, ls_tally *out) LS_MUST_USE;
void ls__tally_destroy(ls_tally *tally);
/* Adds the samples that the model has just seen to the first sums of `exchange`. */
void ls__tally_add(const ls_tally *tally, size_t rows, ls_exchange *exchange);
/* The values of `samples` samples. */
void ls__tally_values(const ls_tally *tally, const ls_sum *sums, uint64_t samples, double *values);
/* What the model's first loss looks at, in original units; for the confusion matrix. */
ls_metric_view ls__tally_view(const ls_tally *tally, size_t rows);

/* ---- evaluation -------------------------------------------------------------------------------------------------- */

typedef struct ls_evaluator {
    const char *set; /* "valid", "test", "train" */
    const ls_dataset *dataset;
    ls_loader *feed;
    ls_exchange *exchange;
    ls_exchange *look; /* now and then: what was asked from outside */
    ls_sum *sums;
    double *values; /* of the last evaluation, by the tally's names */
    bool done;      /* there has been one */
    size_t classes; /* of the confusion matrix; 0: none */
    uint64_t *confusion; /* (classes, classes) of the last evaluation, what this rank has seen of it */
} ls_evaluator;

/* ---- named results ----------------------------------------------------------------------------------------------- */

/* The newest value of everything that can be watched: "train.loss", "valid.accuracy". */
typedef struct ls_score {
    char name[64];
    double value;
    bool higher;
    bool known;
} ls_score;

/* ---- where the time goes ----------------------------------------------------------------------------------------- */

typedef enum ls_section {
    LS_SECTION_DATA,
    LS_SECTION_FORWARD,
    LS_SECTION_BACKWARD,
    LS_SECTION_WAIT, /* for other ranks, wherever in a step */
    LS_SECTION_REDUCE,
    LS_SECTION_DECIDE,
    LS_SECTION_UPDATE,
    LS_SECTION_DISTRIBUTE,
    LS_SECTION_HOOKS,
    LS_SECTION_EVALUATE,
    LS_SECTION_SAVE,
    LS_SECTION_COUNT,
} ls_section;

/*
 * Samples per second without the first tenth of the steps, whose number is known only at the end: cumulative times are
 * kept at steps that grow by a fifth, and the first of them behind a tenth is subtracted.
 */
enum { LS_SPEED_MARKS = 160 };
typedef struct ls_speed {
    uint64_t steps, samples;
    double seconds;
    uint64_t next; /* step of the next mark */
    size_t marks;
    uint64_t mark_steps[LS_SPEED_MARKS], mark_samples[LS_SPEED_MARKS];
    double mark_seconds[LS_SPEED_MARKS];
} ls_speed;

/* summary.c: as the end report calls it. */
const char *ls__section_name(ls_section section);

/* hooks/trace.c */
typedef struct ls_trace ls_trace;
void ls__trace_note(ls_trace *trace, uint64_t step, size_t section, double begin, double end);

void ls__speed_add(ls_speed *speed, uint64_t samples, double seconds);
double ls__speed_value(const ls_speed *speed);

/* What a rank computes at once: all its micro-batches, or where run.memory does not hold them 2^k; see waves.c. */
typedef struct ls_wave_plan {
    size_t microbatches, rows;
    size_t bytes; /* of activations */
} ls_wave_plan;

/* ---- the trainer ------------------------------------------------------------------------------------------------- */

#define LS_STOP_TIME "stop.time" /* the reason of a stop by it */

/* What travels as flags in the step's message. */
enum {
    LS_FLAG_SAVE = 1,       /* somebody was asked to save */
    LS_FLAG_STOP = 2,       /* save and stop, resumable */
    LS_FLAG_STOP_NOW = 4,   /* stop without a save */
    LS_FLAG_TIME_OVER = 8,  /* stop.time */
    LS_FLAG_NONFINITE = 16, /* a loss or gradient is not finite */
    LS_FLAG_STOP_FILE = 32,
    LS_FLAG_SAVER_BUSY = 64, /* rank 0 is still writing */
    LS_FLAG_SUPERSEDED = 128,
    LS_FLAG_FAILED = 256, /* a rank cannot go on with an evaluation */
};

/* What defines the run at a step boundary; state.c saves and restores it. */
typedef struct ls_state {
    uint64_t step;    /* steps taken */
    uint64_t updates; /* of them, those that were not skipped */
    uint64_t skipped;
    ls_sum *epoch_sums; /* the tally's sums over the present epoch's steps */
    uint64_t epoch_samples;
    uint64_t best_step; /* 0: none yet */
    double best;
    ls_watch plateau, early;
    ls_schedule_state *schedules;
    double train_seconds; /* of all starts together, for stop.time */
} ls_state;

struct ls_trainer {
    const ls_experiment *experiment;
    ls_comm *comm;
    ls_logger *logger;
    ls_pool *pool;
    ls_team *team;
    const ls_math *math;

    ls_data data;
    ls_transforms transforms;
    ls_model *model;
    ls_microplan plan;
    uint64_t samples; /* of the training set */
    uint64_t steps_per_epoch;
    ls_wave_plan wave; /* what a rank computes at once */
    size_t *wave_row, wave_block[2];
    float *wave_arena;

    ls_reducer *reducer;
    const ls_piece *pieces;
    size_t piece_count;
    ls_exchange *exchange; /* the step's message: the tally's sums, then the norm and penalty sums */
    ls_exchange *trust;    /* lars and lamb: norms of each parameter; else NULL */
    size_t norm_sum, penalty_sum;
    size_t *row, *block; /* behind micro */
    ls_microbatches micro;
    ls_loader *feed;
    ls_tally tally;
    ls_evaluator evaluator[3];
    size_t evaluators;

    void *view_weights; /* private parameters, where a checkpoint is only looked at */
    ls_data view_data;  /* what it is looked at with, where `data` only says how weights are scaled */
    ls_state state;
    double *step_values; /* of the last step, by the tally's names */
    double learning_rate, gradient_norm, penalty;
    bool wants_norm, wants_penalty;
    double *epoch_values; /* of the last epoch's steps */
    ls_score *scores;
    size_t score_count;

    ls_run_lock *lock; /* rank 0 */
    ls_saver *saver;
    size_t slot_count;
    const char *slot_names[LS_OPTIMIZER_SLOTS + 1];
    ls_checkpoint_position saved;
    bool save_wanted;
    bool superseded;     /* rank 0: a later start has taken over the run directory */
    double save_seconds; /* of the slowest save so far */
    uint64_t failed_saves; /* rank 0: since one was made */
    bool untidy;         /* rank 0: it was said that a checkpoint is made, but a link or an older file is not right */
    ls_status last_save; /* rank 0: why the newest save was not made */
    bool lines_wait;     /* rank 0: it was said that lines of metrics.jsonl or the ledger cannot be written */
    void *hook_state[16];
    double seconds[LS_SECTION_COUNT];
    uint64_t calls[LS_SECTION_COUNT];
    double mark;    /* ls_clock_now() where the present section began */
    double waited;  /* ls_comm_waited() there */
    double started; /* when the loop began */
    ls_trace *trace; /* run.trace; or NULL. Borrowed from its hook */
    ls_speed speed;
    uint64_t last_step; /* where stop.steps and stop.epochs end the run */
    ls_stop_metric stop_metric;

    double over_at; /* ls_clock_now() at which --max-time is over; 0: never */
    uint64_t flags; /* of the last step's message */
    ls_display_mode display;
    bool quiet;          /* no end report on the terminal */
    uint64_t generation; /* of run.lock */
    char newest[64];     /* the newest checkpoint's file name */
    double looked;       /* when the file `stop` was last looked for */
    bool stopping;       /* the loop ends after this step */
    bool interrupted;    /* ends resumable: exit 75 */
    bool no_save;        /* ends without a last checkpoint */
    bool was_over;       /* resumed a run that had ended */
    /*
     * The last step of an epoch is done, but what follows it (evaluation, stop conditions, the best) was put off by a
     * wish to stop. It is made up for when the run goes on; a checkpoint tells by its sums of an epoch that is over.
     */
    bool owes_end_of_epoch;
    bool making_up;      /* the hooks are called once more for a step that was recorded before */
    bool replaying;      /* steps are taken once more, to be compared: nothing is written */
    ls_status failure;   /* a numerical failure that all ranks share */
    char stop_reason[160];
};

/* Ends the present section of time and begins another. */
static inline void ls__section(struct ls_trainer *t, ls_section section) {
    double now = ls_clock_now();
    /* A step has its number when it is counted, behind its update. */
    if (t->trace) ls__trace_note(t->trace, t->state.step + (section <= LS_SECTION_UPDATE), section, t->mark, now);
    t->seconds[section] += now - t->mark;
    t->calls[section]++;
    t->mark = now;
    t->waited = ls_comm_waited(t->comm);
}

/* The same for a section of a step: what of it was waiting for other ranks is kept apart. */
static inline void ls__step_section(struct ls_trainer *t, ls_section section) {
    double waited = ls_comm_waited(t->comm) - t->waited;
    t->seconds[LS_SECTION_WAIT] += waited;
    t->seconds[section] -= waited;
    ls__section(t, section);
}

static inline uint64_t ls__epoch(const struct ls_trainer *t) {
    return t->state.step / t->steps_per_epoch;
}

/* Where the batch of a step (from 0) begins in its epoch, and its samples: the last of an epoch may be short. */
typedef struct ls_span {
    uint32_t epoch;
    uint64_t first;
    size_t count;
} ls_span;

static inline ls_span ls__batch_span(const struct ls_trainer *t, uint64_t step) {
    uint64_t first = step % t->steps_per_epoch * t->plan.batch, left = t->samples - first;
    return (ls_span){(uint32_t)(step / t->steps_per_epoch), first, left < t->plan.batch ? (size_t)left : t->plan.batch};
}

/* Where the run stands, now or after an earlier step, for the policy of saves. */
static inline ls_checkpoint_position ls__position_at(const struct ls_trainer *t, uint64_t step) {
    return (ls_checkpoint_position){step, (double)step / (double)t->steps_per_epoch, ls_clock_now()};
}

static inline ls_checkpoint_position ls__position(const struct ls_trainer *t) {
    return ls__position_at(t, t->state.step);
}

/* Was this step the last of an epoch? */
static inline bool ls__last_of_epoch(const struct ls_trainer *t) {
    return t->state.step > 0 && t->state.step % t->steps_per_epoch == 0;
}

/* True after the last step of an epoch, where its end is not put off. */
static inline bool ls__epoch_ended(const struct ls_trainer *t) {
    return ls__last_of_epoch(t) && !t->owes_end_of_epoch;
}

/* All micro-batches of the present step are computed at once. */
static inline bool ls__fits(const struct ls_trainer *t) {
    return t->micro.count <= t->wave.microbatches;
}

/* experiment.c: what `math` names. */
const ls_math *ls__experiment_math(const ls_experiment *experiment);

/* setup.c */
ls_status ls__trainer_allocate(ls_trainer *t) LS_MUST_USE;
/* The datasets that the losses name, NULL-terminated, in the trainer's pool. */
ls_status ls__loss_targets(const ls_trainer *t, const char *const **out) LS_MUST_USE;
/* The model of an experiment on what a data set offers. `inference`: no losses. */
ls_status ls__model_build(const ls_experiment *experiment, const ls_dataset *dataset, ls_pool *pool, ls_team *team,
                          const ls_math *math, ls_precision precision, bool inference, ls_logger *logger,
                          ls_model **out) LS_MUST_USE;
size_t ls__default_microbatch(size_t batch);
ls_feed_plan ls__training_feed(const ls_trainer *t);
/* Refuses ranks whose arithmetic has other bits than the first's. Collective. */
ls_status ls__arithmetic_agree(const ls_math *math, bool blas, ls_comm *comm) LS_MUST_USE;
/* The threads of this rank: `wanted`, equal on all ranks, or with 0 its share of the cores it may use. Collective. */
ls_status ls__threads_choose(size_t wanted, ls_comm *comm, size_t *out) LS_MUST_USE;
/* Warns where a machine has fewer cores than its ranks, of so many threads each, have threads. Collective. */
ls_status ls__threads_warn(size_t threads, ls_comm *comm, ls_logger *logger) LS_MUST_USE;
/* Refuses more ranks than micro-batches, with what would do. */
ls_status ls__plan_check(const ls_experiment *experiment, const ls_microplan *plan) LS_MUST_USE;
/* The names of the slots that the reducer keeps: the optimizer's, and one for stop.gradient_norm. */
size_t ls__slot_names(const ls_experiment *experiment, const char **names);

/* waves.c: the plan by run.memory, and what a step does where not all micro-batches fit. */
ls_status ls__waves_plan(const ls_trainer *t, const ls_microplan *plan, size_t ranks_on_machine,
                         ls_wave_plan *out) LS_MUST_USE;
ls_status ls__waves_allocate(ls_trainer *t) LS_MUST_USE;
/* Micro-batches [first, first + count) of `whole`, as one block with rows from 0; holds until the next call. */
ls_microbatches ls__wave_of(ls_trainer *t, const ls_microbatches *whole, size_t first, size_t count);
/* Loads and computes all of t->micro into this rank's gradient blocks, and tallies. */
ls_status ls__compute_in_waves(ls_trainer *t) LS_MUST_USE;

/* requests.c: what this rank was asked from outside, and what all do about the flags of all. */
uint64_t ls__requests(ls_trainer *t);
void ls__obey(ls_trainer *t, uint64_t flags);
bool ls__stopped_by_time(const ls_trainer *t);
/* Ends the loop after this step; the first reason counts. */
void ls__trainer_stop(ls_trainer *t, bool resumable, const char *reason);

/* run.c: nothing that is no directory stands where run.dir is to be. Local. */
ls_status ls__folder_check(const ls_run_options *run) LS_MUST_USE;

/* run.c: what is owed of the end of an epoch, before the steps go on. Collective. */
ls_status ls__make_up(ls_trainer *t) LS_MUST_USE;

/* run.c: the run stops early, and has to end with the best parameters, which are not the present ones. */
bool ls__ended_early(const ls_trainer *t);

/* step.c: the next update. Failures are of this rank alone. */
ls_status ls__trainer_step(ls_trainer *t) LS_MUST_USE;
/* The norm of the epoch's mean gradient, which starts anew; for stop.gradient_norm. Collective. */
ls_status ls__epoch_gradient_norm(ls_trainer *t, double *norm) LS_MUST_USE;

/*
 * nonfinite.c: a loss or gradient is not finite, and no weight has changed. Repeats the step with a check after every
 * node, so that the failure, which is returned on all ranks, names layer, rank and sample; rank 0 leaves the batch in
 * RUN_DIR/nonfinite-step-N.json. Collective.
 */
ls_status ls__locate_bad_number(ls_trainer *t) LS_MUST_USE;

/* evaluate.c: loss and metrics of a whole set into evaluator->values. Collective. */
ls_feed_plan ls__evaluator_plan(const ls_trainer *t, const ls_dataset *dataset);
ls_status ls__evaluator_create(ls_trainer *t, const char *set, const ls_dataset *dataset,
                               ls_evaluator *out) LS_MUST_USE;
void ls__evaluator_destroy(ls_evaluator *evaluator);
ls_status ls__evaluate(ls_trainer *t, ls_evaluator *evaluator) LS_MUST_USE;
/* The same, unless the run is asked to stop before it is through: then *cut, and there is no result. Collective. */
ls_status ls__evaluate_unless_stopped(ls_trainer *t, ls_evaluator *evaluator, bool *cut) LS_MUST_USE;

/* view.c: a checkpoint's model on a data set. `inference`: inputs only, no losses. Collective. */
/* *out is to be destroyed by ls_trainer_destroy(), also where this fails. */
ls_status ls__view_create(const ls_experiment *experiment, ls_comm *comm, ls_logger *logger,
                          ls_trainer **out) LS_MUST_USE;
ls_status ls__view_open(ls_trainer *t, const char *checkpoint, const char *data, bool inference,
                        const ls_dataset **dataset) LS_MUST_USE;

/* network.c: the loss that judges the last layer's output, or NULL; and what undoes preprocess_y on it, or NULL. */
const ls_choice *ls__judging_loss(const ls_experiment *experiment, const ls_model *model);
ls_status ls__units_restore(const ls_experiment *experiment, ls_model *model, const ls_items *items,
                            ls_preprocess **out) LS_MUST_USE;

/* Scores: set one, find one (NULL: no such name), and the names there are, for messages. */
ls_status ls__scores_create(ls_trainer *t) LS_MUST_USE;
void ls__scores_set(ls_trainer *t, const char *set, const double *values);
const ls_score *ls__score(const ls_trainer *t, const char *name);
/* Refuses a name that nothing will ever set, with the names there are; `what` begins the sentence. */
ls_status ls__score_check(const ls_trainer *t, const char *name, ls_place place, const char *what) LS_MUST_USE;

/* summary.c: the end report. Collective. */
ls_status ls__summarise(ls_trainer *t) LS_MUST_USE;

/* state.c: saving and going on. */
const char *ls__best_metric(const ls_trainer *t);
double ls__save_seconds(const ls_trainer *t); /* what a last save may take: twice the slowest so far */
ls_status ls__transforms_restore(ls_transforms *transforms, const ls_items *items) LS_MUST_USE;
/* Takes the run's lock. Collective. */
ls_status ls__lock_take(ls_trainer *t) LS_MUST_USE;
ls_status ls__saver_poll(ls_trainer *t) LS_MUST_USE; /* local */
ls_status ls__saver_wait(ls_trainer *t) LS_MUST_USE; /* collective */
/* A saver of this run into a folder: the run's own, or one of a replay. Collective. */
ls_status ls__saver_make(ls_trainer *t, const char *folder) LS_MUST_USE;
/* Begins a save of the present state. Collective; none is in flight. */
ls_status ls__trainer_save(ls_trainer *t, bool best) LS_MUST_USE;
/* Goes on from a checkpoint, if there is one. Collective. */
ls_status ls__trainer_resume(ls_trainer *t, const ls_run_request *request, bool *resumed) LS_MUST_USE;
/* The newest checkpoint of the run's directory that is whole and this experiment's, NULL where there is none. Local. */
ls_status ls__find_newest(ls_trainer *t, const ls_run_request *request, ls_checkpoint **out) LS_MUST_USE;
/* The state of a checkpoint (on rank 0) becomes the trainer's. Collective. */
ls_status ls__trainer_restore(ls_trainer *t, ls_checkpoint *checkpoint) LS_MUST_USE;
/* Brings back the parameters of the best result, if they are not the present ones. Collective. */
ls_status ls__restore_best(ls_trainer *t) LS_MUST_USE;

/* ---- hooks ------------------------------------------------------------------------------------------------------- */

/* Something that happens around the loop: one file in hooks/, one line in the table of hooks.c, called in its order. */
typedef struct ls_hook {
    const char *name;
    const char *doc;
    ls_status (*check)(
        const ls_trainer *t); /* refuses what is configured and cannot be; before anything is made. Local */
    ls_status (*start)(ls_trainer *t, void **state);
    ls_status (*step)(ls_trainer *t, void *state); /* after every step; ls__epoch_ended() tells the last of an epoch */
    ls_status (*finish)(ls_trainer *t, void *state, const ls_summary *summary);
    void (*destroy)(void *state);
    bool replays; /* its step decides on the state, and so belongs to a replay */
} ls_hook;

extern const ls_hook *const ls__hooks[];

/* record.c: what becomes of a line that could not be written: it waits, which is said once, but not without end. */
ls_status ls__journal_outcome(ls_trainer *t, ls_status status, const ls_journal *journal) LS_MUST_USE;

ls_status ls__hooks_check(const ls_trainer *t) LS_MUST_USE;
ls_status ls__hooks_start(ls_trainer *t) LS_MUST_USE;
ls_status ls__hooks_step(ls_trainer *t) LS_MUST_USE;
ls_status ls__hooks_finish(ls_trainer *t, const ls_summary *summary) LS_MUST_USE;
void ls__hooks_destroy(ls_trainer *t);

#endif
