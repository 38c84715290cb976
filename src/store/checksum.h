/*
 * checksum.h: the checksums of store.h, computed from a file without HDF5, so that the thread that writes it and the
 * command that verifies it share every line.
 */
#ifndef LS_STORE_CHECKSUM_H
#define LS_STORE_CHECKSUM_H

#include <xxhash.h>

#include "lockstep/store.h"

#define LS__CHECKSUMS "/checksums/"
#define LS__LINE_BYTES(path) (16 + 1 + 5 + 1 + strlen(path) + 1) /* the longest line of a path */

/** Begins the checksum of an array: its path, type and shape; the bytes follow by XXH3_64bits_update(). */
void ls__checksum_begin(XXH3_state_t *hash, const ls_array *array);

/** Checksums of blocks of rows, while an array's bytes come by from front to back. */
typedef struct ls__blocks {
    XXH3_state_t *hash; /* over the bytes of the present block */
    size_t bytes;       /* of a block */
    size_t within;      /* bytes in `hash` */
    size_t count;       /* blocks that are over */
    uint64_t *sums;     /* theirs; room for all */
} ls__blocks;

#define LS__BLOCKS LS__CHECKSUMS "blocks" /* and the path of the array */
#define LS__BLOCK_BYTES ((size_t)16 << 10)
/** Rows of a block of `row_bytes` a row, as they are written; and how many blocks `rows` rows make. */
size_t ls__block_rows(size_t row_bytes);
size_t ls__block_count(size_t rows, size_t block_rows);

void ls__blocks_add(ls__blocks *blocks, const void *bytes, size_t count);
/** After the last byte: the last block may be short. */
void ls__blocks_end(ls__blocks *blocks);

/**
 * The checksum of an array from its bytes at array->offset; `blocks` (or NULL) sees them, too. `buffer` is
 * LS__BUFFER_BYTES of scratch.
 */
#define LS__BUFFER_BYTES ((size_t)1 << 20)
ls_status ls__checksum_array(int fd, const char *file, const ls_array *array, XXH3_state_t *hash, ls__blocks *blocks,
                             void *buffer, uint64_t *out) LS_MUST_USE;

/** Appends an array's line to the text of /checksums/datasets. */
ls_status ls__checksum_line(ls_text *lines, uint64_t checksum, ls_store_part part, const char *path) LS_MUST_USE;

/** The checksum `state` of the lines. */
uint64_t ls__checksum_state(XXH3_state_t *hash, const ls_text *lines);

/** An array of the file, or its 8 bytes that hold the checksum `file`. */
typedef struct ls__extent {
    uint64_t offset, bytes;
} ls__extent;

/**
 * The checksum `file`: over the size and all bytes outside `extents` (which get sorted), the 8 bytes at `own` as zeros.
 */
ls_status ls__checksum_file(int fd, const char *file, uint64_t bytes, ls__extent *extents, size_t count, uint64_t own,
                            XXH3_state_t *hash, void *buffer, uint64_t *out) LS_MUST_USE;

#endif
