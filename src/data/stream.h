/*
 * stream.h: a node's window onto data that do not fit into its memory.
 *
 * Samples come in blocks of neighbours, and so many blocks make a window; within it the sampler mixes as it likes. The
 * node holds two windows: the one that is being used and the next. Every rank has a
 * thread that reads its share of the blocks; neither it nor the wait for a block calls MPI. All they share are words in
 * memory of the node:
 *
 *     ready[slot]    1 + the number of the window whose block lies there
 *     passed[rank]   windows that this rank has left behind: their slots may be overwritten once all have
 *     failure        the words of the first rank that cannot go on: the others, which wait for it, end with the same
 *
 * Windows are numbered through the epochs.
 */
#ifndef LOCKSTEP_DATA_STREAM_H
#define LOCKSTEP_DATA_STREAM_H

#include "data/dataset.h"

typedef struct ls_stream ls_stream;

/**
 * For the fields that are not in memory. `out` is NULL where there is nothing to stream, where the order has no windows
 * (full, sample), where two windows do not fit into `cache`, where a batch (`batch` positions over all ranks) may be
 * longer than a window, or where the node has no memory to share: rows are then read one by one. Collective.
 * `cache` and `batch` are equal on all ranks. LS_ERR_CONFIG where `cache` is smaller than one window.
 */
ls_status ls__stream_create(const ls_dataset *dataset, const ls_sampler *sampler, size_t cache, size_t batch,
                            ls_comm *comm, ls_logger *log, ls_stream **out) LS_MUST_USE;
/** Refuses what ls__stream_create() would. Local. */
ls_status ls__stream_check(const ls_dataset *dataset, const ls_sampler *sampler, size_t cache,
                           size_t batch) LS_MUST_USE;
/** Collective over the node: ends the thread. */
void ls__stream_destroy(ls_stream *stream);

/** Starts reading at this position. Collective. */
ls_status ls__stream_seek(ls_stream *stream, uint32_t epoch, uint64_t position) LS_MUST_USE;

/** This rank needs nothing of the windows before this position any more. */
void ls__stream_pass(ls_stream *stream, uint32_t epoch, uint64_t position);

/**
 * The stored row of `sample` of a field, which stands at `position`: waits for its block. Borrowed until passed. A row
 * of a window that was passed is read from the file, into `scratch` (one row).
 */
ls_status ls__stream_row(ls_stream *stream, size_t field, uint32_t epoch, uint64_t position, uint64_t sample,
                         void *scratch, const void **out) LS_MUST_USE;

/** This rank goes no further because of `status` (borrowed): nobody on the node shall wait for it. Any thread. */
void ls__stream_fail(ls_stream *stream, ls_status status);

#endif
