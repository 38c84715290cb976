/*
 * import.h: what the formats share: input files in memory, places in them, and the set that grows out of them.
 *
 * A format reads its inputs with ls__import_read(), declares fields, appends samples row by row, and is done. Splitting
 * and writing are the same for all (import.c).
 */
#ifndef LOCKSTEP_DATA_IMPORT_H
#define LOCKSTEP_DATA_IMPORT_H

#include "lockstep/data.h"
#include "lockstep/random.h"

/** An input in memory, already unpacked where it was gzip. */
typedef struct ls_file {
    const char *name;
    const unsigned char *bytes;
    size_t length;
} ls_file;

/** Reads a whole file, unpacking gzip. The bytes are yours: ls__file_free(). The name is borrowed. */
ls_status ls__file_read(const char *path, ls_file *out) LS_MUST_USE;
void ls__file_free(ls_file *file);

/** A failure (LS_ERR_DATA) at a byte of a text file: "FILE:LINE:COLUMN: sentence", both from 1, columns in bytes. */
ls_status ls__file_fail(const ls_file *file, size_t at, const char *format, ...) LS_PRINTF(3, 4) LS_MUST_USE;
/** The same for a binary file: "FILE: byte AT: sentence". */
ls_status ls__file_fail_binary(const ls_file *file, size_t at, const char *format, ...) LS_PRINTF(3, 4) LS_MUST_USE;

/** A growing array of bytes. */
typedef struct ls_bytes {
    unsigned char *items;
    size_t count, space;
} ls_bytes;

/** Room for `count` more bytes at the end, counted as used; their first goes to `out` (valid until the next call). */
ls_status ls__bytes_grow(ls_bytes *bytes, size_t count, void **out) LS_MUST_USE;

/** A field that is being imported. */
typedef struct ls_import_field {
    const char *name; /* of the dataset */
    ls_dtype dtype;
    ls_shape shape;
    size_t row_bytes;
    ls_bytes rows;
} ls_import_field;

enum { LS_IMPORT_FIELDS = 4, LS_IMPORT_LISTS = 2 };

/** Words that belong to the set as a whole: classes, features, vocabulary. */
typedef struct ls_import_list {
    const char *name;
    ls_texts words;
} ls_import_list;

struct ls_import {
    ls_pool *pool; /* for names and words */
    ls_logger *log;
    const ls_import_common *common;
    ls_import_field field[LS_IMPORT_FIELDS];
    size_t fields;
    ls_import_list list[LS_IMPORT_LISTS];
    size_t lists;
    bool ordered;          /* neighbours overlap: the test part is the end of the file, not drawn */
    unsigned char *part;   /* 0 train, 1 test, for each sample; set by ls__import_split() or at the end */
    size_t parted;         /* for how many samples */
    const ls_file *preset; /* files in memory that stand for paths of the same name (tests, fuzzing) */
    size_t presets;
};

void ls__import_free(ls_import *import);

/** ls__file_read(), or the preset of that name. End it with ls__import_release(). */
ls_status ls__import_read(const ls_import *import, const char *path, ls_file *out) LS_MUST_USE;
void ls__import_release(const ls_import *import, ls_file *file);

/** Declares the next field (borrowed until the import ends). */
ls_status ls__import_field(ls_import *import, const char *name, ls_dtype dtype, ls_shape shape,
                           ls_import_field **out) LS_MUST_USE;
/** Room for the next `count` samples of a field. */
ls_status ls__import_rows(ls_import_field *field, size_t count, void **out) LS_MUST_USE;
/** Words in the pool, sorted and used as they are. */
void ls__import_words(ls_import *import, const char *name, ls_texts words);

/**
 * Draws which samples are tested. A format calls it only if it must know the training part itself (means of missing
 * values). `labels` are class numbers below `classes`, or NULL.
 */
ls_status ls__import_split(ls_import *import, size_t samples, const uint32_t *labels, size_t classes) LS_MUST_USE;

/** What the formats left: checks, splits where nobody did yet, writes `output`, and says so. */
ls_status ls__import_write(ls_import *import, const char *output) LS_MUST_USE;

/** Samples of a part: fraction * count, rounded up. */
size_t ls__split_share(double fraction, size_t count);

/**
 * Marks with 1 the samples of a drawn part of ls__split_share() samples, where labels are given in proportion from each
 * class, to within one sample. A function of its arguments alone. `part` and `labels` have `samples` items.
 */
ls_status ls__split_mark(uint64_t seed, ls_purpose purpose, double fraction, size_t samples, const uint32_t *labels,
                         size_t classes, unsigned char *part) LS_MUST_USE;

/** The least integer type that holds 0 .. largest. */
ls_dtype ls__dtype_for(uint64_t largest);
/** Stores a number below 2^32 in an integer type of 1, 2 or 4 bytes. */
void ls__dtype_store(ls_dtype dtype, uint32_t value, void *out);

extern const ls_format_type ls_format_csv, ls_format_idx, ls_format_text, ls_format_npy, ls_format_images;

#endif
