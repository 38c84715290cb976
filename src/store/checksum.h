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

/** The checksum of an array from its bytes at array->offset. `buffer` is LS__BUFFER_BYTES of scratch. */
#define LS__BUFFER_BYTES ((size_t)1 << 20)
ls_status ls__checksum_array(int fd, const char *file, const ls_array *array, XXH3_state_t *hash, void *buffer,
                             uint64_t *out) LS_MUST_USE;

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
