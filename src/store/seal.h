/*
 * seal.h: what stands behind HDF5's last byte in a file of this module: where its arrays lie, and with that which bytes
 * are structure. So the structure is verified before HDF5, which does not survive all that a damaged file may hold,
 * sees any of it. It vouches for the rest: HDF5 then finds the arrays and their checksums.
 *
 *     12288 4800                    offset and bytes, a line for each array of the user
 *     8192 64
 *     ...
 *     FILE SEAL lockstep seal 1     16 hex digits each: where /checksums/file lies, and where the seal begins
 *
 * The checksum `file` covers it. HDF5 passes over it when reading. A program that writes into the file by HDF5 cuts it
 * off; then HDF5 has to do without, and the arrays still have their checksums.
 */
#ifndef LS_STORE_SEAL_H
#define LS_STORE_SEAL_H

#include "store/checksum.h"

typedef struct ls__seal {
    uint64_t file, begin;
    size_t count;
    ls__extent *arrays; /* of the user */
} ls__seal;

/** Appends an array's line, and after all of them the last line. */
ls_status ls__seal_add(ls_text *text, ls__extent array) LS_MUST_USE;
ls_status ls__seal_end(ls_text *text, uint64_t file, uint64_t begin) LS_MUST_USE;

/**
 * Reads the seal of a file of so many bytes. *sealed is false where it has none. A damaged seal is refused, or read as
 * one whose places all lie within the file. ls__seal_free() it in all cases.
 */
ls_status ls__seal_read(int fd, const char *file, uint64_t bytes, ls__seal *out, bool *sealed) LS_MUST_USE;
void ls__seal_free(ls__seal *seal);

/**
 * LS_ERR_IO unless the bytes that belong to no array, the seal's own among them, agree with the checksum `file`. Sorts
 * the seal's arrays.
 */
ls_status ls__seal_check(int fd, const char *file, uint64_t bytes, ls__seal *seal) LS_MUST_USE;

#endif
