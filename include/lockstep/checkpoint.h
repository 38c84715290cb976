/**
 * checkpoint.h: what is saved, when, verified, retained, and restored.
 *
 * A checkpoint is one HDF5 file, the same on any number of ranks, and holds all that decides how a run goes on:
 *
 *     /parameters/<layer>/<param>         in file layout (a dense weight is (out, in)), float32
 *     /optimizer/<slot>/<layer>/<param>   the optimizer's state, as the parameter it belongs to
 *     /statistics/<layer>/<name>          running averages of batch norm; preprocessing (as items)
 *     /state/...                          step, epoch, seed, best, sums, schedules, stops: items of the training loop
 *     /config                             the resolved configuration
 *     /provenance/...                     format, version, ranks, host, time; more as items
 *     /checksums/...                      see store.h; `state` leaves out /config (it names folders), /provenance, and
 *                                         items that say so (times)
 *
 * Who has what at a save: a node has all weights; each piece of optimizer state has one owner in the whole job. Rank 0
 * writes. A save goes through these stages, and training goes on from the second on:
 *
 *     start     all ranks     owners copy their pieces into a snapshot: ranks of rank 0's node into memory that they
 *                             share, others into a parcel of their own; the weights' digests are compared over nodes;
 *                             rank 0 lays the file out (HDF5)
 *     collect   all ranks     parcels travel to rank 0 in parts of 1 MiB, moved by ls_saver_poll()
 *     write     a thread      of rank 0: parameters into file layout, pwrite, fsync, read back, compare, rename, links,
 *                             old files away; it calls neither HDF5 nor MPI
 *     outcome   rank 0        ls_saver_poll() hands it out
 *
 * A run's folder holds checkpoints/step-000001234.h5, checkpoints/latest.h5 and best.h5 (symbolic links) and run.lock.
 * Invariants: an older file is deleted only after a newer one was read back and compared; what best.h5 names is never
 * deleted; a save that fails leaves all older files as they were, and does not end the run.
 *
 * Restoring is rank 0's reading, and broadcasts: no other rank needs to see the files. The number of ranks then and now
 * does not matter.
 */
#ifndef LOCKSTEP_CHECKPOINT_H
#define LOCKSTEP_CHECKPOINT_H

#include "lockstep/comm.h"
#include "lockstep/options.h"
#include "lockstep/reducer.h"
#include "lockstep/store.h"
#include "lockstep/tensor.h"

/** The version of the layout above, in /provenance/format. Files of a later one are refused. */
#define LS_CHECKPOINT_FORMAT 1

/* ---- items: small things with names ------------------------------------------------------------------------- */

/**
 * An ordered list of named numbers and texts: what the training loop wants to find again, and provenance. Checkpoint
 * does not know what they mean. Paths are those of the file ("/state/step", "/statistics/preprocess/mean"); each is
 * added once.
 *
 *     ls_items_add_count(items, "/state/step", step);
 *     ...
 *     LS_TRY(ls_items_get_count(items, "/state/step", &step));
 */
typedef struct ls_items ls_items;

typedef struct ls_item {
    const char *path;
    ls_dtype dtype; /* a number's, or LS_DTYPE_TEXT with rank 0 */
    size_t rank;
    size_t dim[LS_STORE_MAX_RANK];
    ls_store_part part;
    size_t bytes;
    const void *data; /* bytes; a text is not ended by NUL */
} ls_item;

ls_status ls_items_create(ls_items **out) LS_MUST_USE;
void ls_items_destroy(ls_items *items);
void ls_items_clear(ls_items *items);
size_t ls_items_count(const ls_items *items);
const ls_item *ls_items_at(const ls_items *items, size_t index);
/** The item at `path`, or NULL. */
const ls_item *ls_items_find(const ls_items *items, const char *path);

/** Adds a copy. `item->path` begins with "/state/", "/statistics/" or "/provenance/". */
ls_status ls_items_add(ls_items *items, const ls_item *item) LS_MUST_USE;
/** Shorthands, all of part LS_PART_STATE but for paths below /provenance. */
ls_status ls_items_add_count(ls_items *items, const char *path, uint64_t value) LS_MUST_USE;
ls_status ls_items_add_real(ls_items *items, const char *path, double value) LS_MUST_USE;
ls_status ls_items_add_text(ls_items *items, const char *path, const char *text) LS_MUST_USE;
ls_status ls_items_add_reals(ls_items *items, const char *path, const double *values, size_t count) LS_MUST_USE;
ls_status ls_items_add_floats(ls_items *items, const char *path, const float *values, size_t count) LS_MUST_USE;
ls_status ls_items_add_counts(ls_items *items, const char *path, const uint64_t *values, size_t count) LS_MUST_USE;

/** LS_ERR_DATA where the item is missing or of another type or size. A text is a copy of yours, to free(). */
ls_status ls_items_get_count(const ls_items *items, const char *path, uint64_t *out) LS_MUST_USE;
ls_status ls_items_get_real(const ls_items *items, const char *path, double *out) LS_MUST_USE;
ls_status ls_items_get_text(const ls_items *items, const char *path, char **out) LS_MUST_USE;
ls_status ls_items_get_reals(const ls_items *items, const char *path, double *out, size_t count) LS_MUST_USE;
ls_status ls_items_get_floats(const ls_items *items, const char *path, float *out, size_t count) LS_MUST_USE;
ls_status ls_items_get_counts(const ls_items *items, const char *path, uint64_t *out, size_t count) LS_MUST_USE;

/* ---- when --------------------------------------------------------------------------------------------------- */

/** `checkpoint: {every: 1ep, keep: 3, best: valid.loss}` */
typedef struct ls_checkpoint_options {
    ls_duration every; /* epochs, steps or time between saves */
    size_t keep;       /* newest ones that stay */
    const char *best;  /* the metric whose best checkpoint best.h5 names */
    bool best_given;
    ls_place best_place;
} ls_checkpoint_options;

extern const ls_option ls_checkpoint_rows[];

/** Where a run stands, or stood at its last save. */
typedef struct ls_checkpoint_position {
    uint64_t step;
    double epochs;  /* done, with fraction */
    double seconds; /* ls_clock_now() */
} ls_checkpoint_position;

/**
 * Is a save due? For epochs and steps: where a multiple of `every` lies in (last, now]; so a run that was resumed saves
 * at the steps of one that was not. For time: where `every` has passed since `last`. Pure.
 */
bool ls_checkpoint_due(const ls_checkpoint_options *options, ls_checkpoint_position last, ls_checkpoint_position now);

/* ---- the right to write in a run's folder -------------------------------------------------------------------- */

/**
 * run.lock of a run's folder: "generation host pid job" of who wrote last. Each start raises the generation; a commit
 * asks whether it is still its own just before the rename, so that a forgotten writer of an earlier start changes
 * nothing. A start is refused (LS_ERR_IO) while the holder lives: by a lock on the file, or, where the file system has
 * no locks, by a status.json younger than 10 s, unless the holder has left in order (its pid is then 0).
 */
typedef struct ls_run_lock ls_run_lock;

/** Rank 0 calls it. `job` names the job in messages (a scheduler's number), may be "". The folder exists. Local. */
ls_status ls_run_lock_create(const char *folder, const char *job, ls_run_lock **out) LS_MUST_USE;
void ls_run_lock_destroy(ls_run_lock *lock);
uint64_t ls_run_lock_generation(const ls_run_lock *lock);
/** LS_OK while no later start has taken over; else LS_ERR_RUNTIME, naming it. Any thread. */
ls_status ls_run_lock_check(const ls_run_lock *lock) LS_MUST_USE;

/* ---- saving ------------------------------------------------------------------------------------------------- */

typedef struct ls_saver ls_saver;

typedef struct ls_saver_options {
    ls_comm *comm;           /* all are borrowed for the saver's life */
    ls_reducer *reducer;
    const ls_params *params;
    size_t slots;            /* of the optimizer, with their names ("velocity") */
    const char *const *slot_names;
    const char *folder;      /* the run's: "runs/digits" */
    const char *config;      /* resolved */
    size_t keep;
    const ls_run_lock *lock; /* on rank 0; NULL: no such check (tests) */
} ls_saver_options;

/** Memory and disk that saving takes, in bytes: for `check`. Pure. */
typedef struct ls_saver_memory {
    size_t snapshot; /* shared on rank 0's node: weights and slots once more */
    size_t parcel;   /* at most, on every other node: its share of the slots */
    size_t file;     /* a checkpoint, about; keep + 2 of them must fit the disk */
} ls_saver_memory;
ls_saver_memory ls_saver_measure(const ls_params *params, size_t slots);

/** Bytes that are free on the disk of a folder, or of its nearest parent that exists. Local. */
ls_status ls_checkpoint_free_space(const char *folder, uint64_t *out) LS_MUST_USE;

/** Allocates all that saves will need. Collective; makes FOLDER/checkpoints, and removes what dead jobs left there. */
ls_status ls_saver_create(const ls_saver_options *options, ls_saver **out) LS_MUST_USE;
/** Collective over the node. No save is in flight (ls_saver_wait()), or the job is ending by a failure. */
void ls_saver_destroy(ls_saver *saver);

/** On rank 0: a save is in flight, so that the next one has to wait. Local; false on other ranks. */
bool ls_saver_busy(const ls_saver *saver);

/**
 * Begins a save of step `step`; returns when the snapshot is taken. Collective, when no save is in flight on rank 0
 * (train sends ls_saver_busy() of rank 0 along with its wish to save). `items` (rank 0) are copied. `best`: best.h5
 * shall name this checkpoint. A failure ends the run: the nodes' weights differ, or a peer is lost. What goes wrong
 * with the file shows in the outcome.
 */
ls_status ls_saver_start(ls_saver *saver, uint64_t step, const ls_items *items, bool best) LS_MUST_USE;

/** What came of a save; on rank 0. */
typedef struct ls_saver_outcome {
    bool finished;     /* false: nothing to say yet, and nothing below is set */
    ls_status status;  /* LS_OK, or why no checkpoint was made: yours to log and free. The run goes on, unless: */
    bool superseded;   /* a later start has taken over this run: end it */
    ls_status untidy;  /* the checkpoint is made, but a link to it is not, or an older one stays: yours, likewise */
    uint64_t step;
    uint64_t state;    /* checksum of the state */
    uint64_t bytes;
    double seconds;    /* from start to rename */
    char path[1024];   /* of the file */
} ls_saver_outcome;

/** Moves what can be moved and hands out the outcome once. Call it every step. Local, never waits. */
ls_status ls_saver_poll(ls_saver *saver, ls_saver_outcome *outcome) LS_MUST_USE;
/** Waits for the save in flight, if any. Collective. */
ls_status ls_saver_wait(ls_saver *saver, ls_saver_outcome *outcome) LS_MUST_USE;

/**
 * Compares a digest of the weights over all nodes: LS_ERR_RUNTIME with the node that differs, and in which parameter.
 * Collective; saves do it first, and train every `run.digest_every`. The digest, equal everywhere, goes to `out` (or
 * NULL).
 */
ls_status ls_saver_compare_nodes(ls_saver *saver, uint64_t *out) LS_MUST_USE;

/* ---- finding and opening ------------------------------------------------------------------------------------- */

/** Writes "step-000001234.h5"; 32 bytes suffice. */
const char *ls_checkpoint_name(uint64_t step, char *out, size_t size);

typedef struct ls_checkpoint ls_checkpoint;

/**
 * The newest checkpoint of a run's folder that is whole: it verifies, has a format that is known here, holds the step
 * that its name says, and `accept` (or NULL) takes it. `out` is open and yours, NULL where there is none. Each one that
 * is passed over is said in a warning. Damage (LS_ERR_IO) is never a failure; another refusal, by its format or by
 * `accept`, is one where no older checkpoint will do, for then the folder is somebody else's. Local.
 */
ls_status ls_checkpoint_choose(const char *folder, ls_logger *logger,
                               ls_status (*accept)(void *context, const ls_checkpoint *checkpoint), void *context,
                               ls_checkpoint **out) LS_MUST_USE;
/** The path of that one, with no `accept`; yours to free(), NULL where there is none. */
ls_status ls_checkpoint_find(const char *folder, ls_logger *logger, char **path) LS_MUST_USE;

/** The steps of all checkpoints of a run's folder by their names, newest first; free() them. Local. */
ls_status ls_checkpoint_list(const char *folder, uint64_t **steps, size_t *count) LS_MUST_USE;
/** Opens the one of a step, verified. LS_ERR_IO where it is damaged, or holds another step. Local. */
ls_status ls_checkpoint_open_step(const char *folder, uint64_t step, ls_checkpoint **out) LS_MUST_USE;

/**
 * Opens a checkpoint for reading, verified as a whole before. LS_ERR_IO where it is damaged, LS_ERR_DATA where the file
 * is none, or of a later format. Local.
 */
ls_status ls_checkpoint_open(const char *path, ls_checkpoint **out) LS_MUST_USE;
void ls_checkpoint_close(ls_checkpoint *checkpoint);

/** The resolved configuration of the run. Borrowed. */
const char *ls_checkpoint_config(const ls_checkpoint *checkpoint);
/** All items: what is below /state, /statistics and /provenance. Borrowed. */
const ls_items *ls_checkpoint_items(const ls_checkpoint *checkpoint);
/** The file, for all else. Borrowed. */
ls_store *ls_checkpoint_store(ls_checkpoint *checkpoint);

/**
 * Reads all parameters and statistics of a model into an arena (ls_params_arena() elements). Local. LS_ERR_DATA lists
 * what the file lacks, has in another shape, or has too much, by name and shape.
 */
ls_status ls_checkpoint_read_parameters(ls_checkpoint *checkpoint, const ls_params *params, float *arena) LS_MUST_USE;

/**
 * Restores weights (all nodes), slots (their owners) and items (all ranks; yours: ls_items_destroy()). Collective.
 * `checkpoint` matters on rank 0 only. `slot_names` as in ls_saver_options; LS_ERR_DATA where the file has other slots.
 */
ls_status ls_checkpoint_restore(ls_checkpoint *checkpoint, ls_comm *comm, ls_reducer *reducer, const ls_params *params,
                                size_t slots, const char *const *slot_names, ls_items **items) LS_MUST_USE;

/**
 * Makes latest.h5 name the checkpoint of `step` and best.h5 that of `best` (0: there is none) where they name others: a
 * process that was killed between a rename and a link has left them behind. best.h5 stays where the best is not there.
 * For the holder of run.lock. Local.
 */
ls_status ls_checkpoint_relink(const char *folder, uint64_t step, uint64_t best) LS_MUST_USE;

/* ---- comparing and averaging --------------------------------------------------------------------------------- */

typedef struct ls_checkpoint_difference {
    size_t arrays;    /* compared: /parameters and /statistics */
    size_t differing; /* not bit-identical, of another shape, or in one file only */
    ls_text lines;    /* one for each differing: "/parameters/dense_1/weight: 12 of 640 differ, by at most 1.2e-07" */
} ls_checkpoint_difference;

/**
 * Compares bit by bit. LS_OK also where they differ: ask `differing`. `out` starts as {0}; ls_text_free(&out->lines).
 */
ls_status ls_checkpoint_diff(ls_checkpoint *a, ls_checkpoint *b, ls_checkpoint_difference *out) LS_MUST_USE;
/** The same for all that decides how the run goes on: also /optimizer and /state, but not how the run ended. */
ls_status ls_checkpoint_diff_state(ls_checkpoint *a, ls_checkpoint *b, ls_checkpoint_difference *out) LS_MUST_USE;

/**
 * Writes a checkpoint of `count` > 0 checkpoints' mean parameters and statistics (summed in double, in the order
 * given), with configuration and preprocessing of the first, and no optimizer state. LS_ERR_DATA where they do not
 * match.
 */
ls_status ls_checkpoint_average(ls_checkpoint *const *checkpoints, size_t count, const char *path) LS_MUST_USE;

#endif
