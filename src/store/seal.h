/*
 * seal.h: what stands behind HDF5's last byte in a file of this module: where its arrays and its checksums lie. With it
 * a file is verified before HDF5, which does not survive all that a damaged file may hold, sees any of it.
 *
 *     12288 float32 4 300 4                             a line per line of /checksums/datasets, in its order:
 *     8192 uint64 8                                     offset, type, bytes of an element, dimensions
 *     ...
 *     DATASETS BYTES STATE FILE SEAL lockstep seal 1    16 hex digits each: where /checksums/datasets lies and how long
 *                                                       it is, where state and file lie, where the seal begins
 *
 * The checksum `file` covers it. HDF5 passes over it when reading. A program that writes into the file by HDF5 cuts it
 * off; then HDF5 has to find the arrays, whose checksums still vouch for them.
 */
#ifndef LS_STORE_SEAL_H
#define LS_STORE_SEAL_H

#include "store/checksum.h"

typedef struct ls__seal {
    uint64_t datasets, datasets_bytes, state, file, begin;
    size_t count;
    ls_array *arrays; /* of the user; without paths */
} ls__seal;

/** Appends an array's line, and after all of them the last line. */
ls_status ls__seal_add(ls_text *text, const ls_array *array) LS_MUST_USE;
ls_status ls__seal_end(ls_text *text, const ls__seal *places) LS_MUST_USE;

/**
 * Reads the seal of a file of so many bytes. *sealed is false where it has none. A damaged seal is refused, or read as
 * one whose places all lie within the file. ls__seal_free() it in all cases.
 */
ls_status ls__seal_read(int fd, const char *file, uint64_t bytes, ls__seal *out, bool *sealed) LS_MUST_USE;
void ls__seal_free(ls__seal *seal);

/** LS_ERR_IO unless the bytes that belong to no array, the seal's own among them, agree with the checksum `file`. */
ls_status ls__seal_check(int fd, const char *file, uint64_t bytes, const ls__seal *seal) LS_MUST_USE;

#endif
