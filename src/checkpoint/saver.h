/*
 * saver.h (private): what a save is made of: save.c runs its collective half, layout.c and write.c rank 0's.
 */
#ifndef LS_CHECKPOINT_SAVER_H
#define LS_CHECKPOINT_SAVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "checkpoint/folder.h"
#include "checkpoint/items.h"
#include "checkpoint/read.h"

/** A range of the arena that some rank owns the slots of. */
typedef struct ls__range {
    uint64_t offset, count;
} ls__range;

/** What rank 0's node keeps of a save: arenas, in arena layout. */
typedef struct ls__snapshot {
    float *weights; /* ls_params_arena() */
    float *slots;   /* slots times ls_params_trainable() */
    size_t trainable;
} ls__snapshot;

/** A save in flight, on rank 0. The thread owns it from launch until `done`. */
typedef struct ls__job {
    ls_store_writer *writer;
    ls_items *items;
    size_t *param_index; /* the file's array of each parameter */
    size_t *slot_index;  /* of each slot and parameter: [slot * parameters + parameter], LS_NOT_FOUND for none */
    size_t *item_index;  /* of each item */
    size_t config_index;
    uint64_t step;
    bool best;
    double began;
    ls_saver_outcome outcome;
    bool launched;
    pthread_t thread;
    bool has_thread;
    _Atomic bool done;
    _Atomic uint64_t progress; /* parts written, for signs of life */
} ls__job;

struct ls_saver {
    ls_comm *comm;
    ls_reducer *reducer;
    const ls_params *params;
    size_t slots;
    char **slot_names;
    char *folder; /* of the checkpoints */
    char *config;
    char tag[32]; /* of temporary names */
    size_t keep;
    const ls_run_lock *lock;

    bool near;              /* on rank 0's node: writes into the snapshot itself */
    ls_comm_memory *memory; /* near: holds the snapshot */
    ls__snapshot snapshot;
    float *parcel; /* not near: the slots of this rank's pieces */
    size_t parcel_bytes;
    ls_collect *collect; /* parcels on their way */

    /* rank 0 */
    size_t *range_count; /* of each rank */
    ls__range *ranges;   /* [rank * most_ranges + i] */
    size_t most_ranges;
    size_t *sizes; /* bytes of each rank's parcel */
    void **inbox;  /* where it arrives */
    void *block;
    char *values; /* a part of a parameter in file layout, from a page boundary in `block` on */
    ls__job *job; /* NULL: no save in flight */
};

/** Rows of a parameter that are written at once. */
size_t ls__job_part_rows(const ls_params *params, size_t index);
size_t ls__job_row_bytes(const ls_params *params, size_t index);

/** Rank 0: lays out the file of a save (HDF5). The failure, if any, stands in the job's outcome. */
void ls__job_lay_out(const ls_saver *saver, ls__job *job);

/** Rank 0: starts the thread; where there is none to be had, writes at once. */
void ls__job_launch(ls_saver *saver);

void ls__job_destroy(ls__job *job);

#endif
