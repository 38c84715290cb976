/*
 * dataset.h: what an open data set is made of.
 *
 *     parts     files with the rows they hold: [first, first + rows) of the whole
 *     columns   one dataset of the group over all parts; in this node's memory, or streamed
 *     fields    what the caller asked for; each shows one column (two fields may show the same)
 *     map       of a split: which row stands at a sample; NULL: they are the same
 */
#ifndef LOCKSTEP_DATA_DATASET_H
#define LOCKSTEP_DATA_DATASET_H

#include "lockstep/comm.h"
#include "lockstep/data.h"

/** A group of a file, and which rows of the whole it holds. */
typedef struct ls_part {
    ls_store *store;
    const char *path, *group; /* "digits.h5", "/train" */
    size_t first, rows;
} ls_part;

typedef struct ls_column {
    const char *dataset;
    ls_dtype dtype;
    ls_shape shape;
    size_t row_bytes, chunk_rows;
    const ls_array **array; /* for each part */
    bool small;             /* targets and weights: always in memory */
    unsigned char *rows;    /* in memory, or NULL */
    int64_t least, largest; /* of integers in memory */
    bool beyond_float;      /* some number in memory is finite, but not as a float */
    bool filtered;          /* compressed in some part */
} ls_column;

/** What splits share. */
typedef struct ls_storage {
    ls_pool *pool;
    ls_comm *comm;
    ls_part *part;
    size_t parts, rows;
    ls_column *column;
    size_t columns;
    ls_comm_memory *memory;
    uint64_t cached;
} ls_storage;

struct ls_dataset {
    ls_storage *storage;
    bool owner; /* false for the parts of a split */
    const char *name;
    ls_field *field;
    size_t *column_of; /* for each field */
    size_t fields, samples;
    const uint64_t *map;
    ls_comm_memory *map_memory;
    uint64_t digest;
    ls_pool *pool; /* of the names of a split */
};

/** The row that a sample, as a caller counts it, stands in. */
static inline size_t ls__dataset_row(const ls_dataset *dataset, size_t sample) {
    return dataset->map ? dataset->map[sample] : sample;
}

static inline const ls_column *ls__dataset_column(const ls_dataset *dataset, size_t field) {
    return &dataset->storage->column[dataset->column_of[field]];
}

/** The part that holds a row. */
const ls_part *ls__storage_part(const ls_storage *storage, size_t row);

/**
 * Rows [first, first + count) of a column in the stored type, from memory, or from the file, whose checksums of blocks
 * are compared. Any thread.
 */
ls_status ls__storage_read(const ls_storage *storage, const ls_column *column, size_t first, size_t count,
                           void *out) LS_MUST_USE;

/**
 * Samples [first, first + count) of a field as doubles into `out`; `scratch` has room for count rows as stored. A
 * failure where a number is not finite.
 */
ls_status ls__dataset_doubles(const ls_dataset *dataset, size_t field, size_t first, size_t count, void *scratch,
                              double *out) LS_MUST_USE;

/** Rows [*first, *end) of `rows` that fall to one of `ranks` ranks: contiguous shares, as even as may be. */
static inline void ls__rows_share(size_t rows, size_t rank, size_t ranks, size_t *first, size_t *end) {
    size_t left = rows % ranks;
    *first = rows / ranks * rank + (rank < left ? rank : left);
    *end = *first + rows / ranks + (rank < left);
}

/** Whether all numbers of `count` rows, as stored, are finite. */
bool ls__rows_finite(const ls_column *column, const void *rows, size_t count);

/** Whether all numbers of `count` rows, as stored, are finite as floats, too. */
bool ls__rows_fit_floats(const ls_column *column, const void *rows, size_t count);

/** LS_ERR_DATA: "FILE:/GROUP/DATASET: sample 17: ", where the row stands in its own file, then the words. */
ls_status ls__row_fail(const ls_storage *storage, const ls_column *column, size_t row, const char *format, ...)
    LS_PRINTF(4, 5) LS_MUST_USE;

/** The same of a number of that row that is no index below `entries` (0: any). */
ls_status ls__index_fail(const ls_storage *storage, const ls_column *column, size_t row, const void *number,
                         size_t entries) LS_MUST_USE;

/** The same of a row with a number that is finite, but not as a float. */
ls_status ls__large_fail(const ls_storage *storage, const ls_column *column, size_t row) LS_MUST_USE;

/** Files and groups that texts mean: "FILE:/GROUP", globs in FILE sorted bytewise, relative to `folder`. */
typedef struct ls_location {
    const char *file, *group;
} ls_location;
ls_status ls__locations(const ls_texts *paths, ls_place place, const char *folder, ls_pool *pool, ls_location **out,
                        size_t *count) LS_MUST_USE;

/** What `cache` bytes are on this node: so many, or for 0 a quarter of its memory. */
size_t ls__cache_bytes(size_t cache);

/** Loads all where it fits into `cache` bytes on every node, else the small columns, and checks it. Collective. */
ls_status ls__storage_load(ls_storage *storage, size_t cache, ls_logger *log) LS_MUST_USE;

/** A window of an epoch: its number, and the positions that it holds. */
typedef struct ls_window_range {
    uint64_t window, first, count;
} ls_window_range;

/**
 * The window of `sampler->window` blocks that a position of an epoch lies in, and the block (of the file's order) that
 * is `at`-th in an epoch. Orders but block shuffling are taken as file order. Pure.
 */
ls_window_range ls__sampler_window(const ls_sampler *sampler, uint32_t epoch, uint64_t position);
uint64_t ls__sampler_block(const ls_sampler *sampler, uint32_t epoch, uint64_t at);

/** The digest of all columns; the same on all ranks. Collective. */
ls_status ls__storage_digest(const ls_storage *storage, uint64_t *out) LS_MUST_USE;

/** LS_ERR_STOPPED where this process is asked to stop: what reads much data asks once a piece. Local. */
ls_status ls__asked_to_stop(void) LS_MUST_USE;

#endif
