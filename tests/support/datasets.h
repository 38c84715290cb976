/*
 * datasets.h: small data sets for tests, and data options without a configuration file.
 */
#ifndef LOCKSTEP_TESTS_DATASETS_H
#define LOCKSTEP_TESTS_DATASETS_H

#include "lockstep/data.h"

typedef struct support_array {
    const char *path; /* "/train/x" */
    ls_dtype dtype;
    size_t rank, dim[5];
    const void *bytes;
} support_array;

/** Writes a file of arrays; a path of NULL ends the list. Fails the test where that fails. */
void support_write_arrays(const char *path, const support_array *arrays);
/** The same, each with checksums of blocks of its rows. */
void support_write_checked_arrays(const char *path, const support_array *arrays);

/** Turns one bit of byte `at` of an array in a file. Fails the test where the array is not stored plainly. */
void support_flip(const char *file, const char *array, size_t at);

/** The options of `data:` with these keys and values, NULL-terminated; the rest are defaults. */
ls_data_options support_data_options(ls_pool *pool, ...);

#endif
