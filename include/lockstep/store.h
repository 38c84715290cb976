/**
 * store.h: named arrays in files.
 *
 * A store is an HDF5 file seen as a set of arrays with paths ("/train/x", "/parameters/dense_1/weight"). Data sets and
 * checkpoints are stores. No other module includes <hdf5.h>.
 *
 * Reading. ls_store_find() describes an array; ls_store_read() fills a buffer with some of its rows in the stored type:
 *
 *     ls_store *store;
 *     const ls_array *x;
 *     LS_TRY(ls_store_open("digits.h5", &store));
 *     LS_TRY(ls_store_find(store, "/train/x", &x));             // x->dtype, x->dim[0], x->row_bytes
 *     LS_TRY(ls_store_read(store, x, 128, 64, buffer));         // rows 128..191: 64 * x->row_bytes bytes
 *
 * An array that is contiguous, native and unfiltered is read by pread(2) at its place in the file, without HDF5: about
 * 0.5 µs a row, from any number of threads at once. All others go through HDF5, one call at a time.
 *
 * Writing has two phases, so that a thread which must not call HDF5 can write files of any size:
 *
 *     create -> add, add, ... -> seal | fill, fill, ... -> commit
 *     HDF5 lays the file out          | plain pwrite(2), any thread
 *
 * The file grows beside its target under a temporary name. Commit writes checksums, forces all to the disk, reads it
 * back from there, compares, and only then renames it over the target: at every moment the target is the old file or
 * the new one, whole. Whatever fails, the old one stays.
 *
 * Checksums are XXH3 of 64 bits and live in the file:
 *
 *     /checksums/datasets   a line per array, sorted by path: 16 hex digits, "state" or "-", the path
 *     /checksums/state      over the lines marked "state": equal for equal runs
 *     /checksums/file       over the file's size and every byte that belongs to no array above, with itself as zeros;
 *                           so it covers the lines, hence the arrays, and HDF5's own structures
 *     /checksums/blocks/PATH    of arrays that ask for it: how many rows a block has, then a checksum for each block
 *
 * The checksum of an array covers path, type, shape and bytes. That of a block is of its rows' bytes alone, in C order
 * and little-endian: whoever reads a few rows of a large array can tell whether they are what was written
 * (ls_store_read_checked()). A block has as many rows as fit into 16 KiB, and at least one; the last may be short.
 *
 * Behind HDF5's last byte stands the file's seal (src/store/seal.h), by which the file's structure is verified without
 * HDF5: its library crashes on some damaged files. ls_store_open() refuses a sealed file whose structure is damaged
 * before HDF5 sees it, and ls_store_verify() looks at the arrays as well. Another program that changes the file by HDF5
 * cuts the seal off: it is then read like any HDF5 file, and verify still compares each array with its checksum.
 *
 * All functions are local. Different stores, and different arrays of one, may be used by different threads; one writer
 * may be filled by several threads.
 */
#ifndef LOCKSTEP_STORE_H
#define LOCKSTEP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/memory.h"
#include "lockstep/status.h"

/** "HDF5 1.10.8": what files are read and written with, for provenance. */
const char *ls_store_library(void);

/* ---- types of elements ---------------------------------------------------------------------------------------- */

typedef enum ls_dtype {
    LS_DTYPE_U8,
    LS_DTYPE_I8,
    LS_DTYPE_U16,
    LS_DTYPE_I16,
    LS_DTYPE_U32,
    LS_DTYPE_I32,
    LS_DTYPE_U64,
    LS_DTYPE_I64,
    LS_DTYPE_F16, /* IEEE half */
    LS_DTYPE_F32,
    LS_DTYPE_F64,
    LS_DTYPE_TEXT,  /* strings of item_bytes bytes each, padded with NUL; item_bytes 0: of any length */
    LS_DTYPE_OTHER, /* anything else; ls_array.refusal says what, and reading it is refused with those words */
} ls_dtype;

/** "uint8", "float32", "text", ... */
const char *ls_dtype_name(ls_dtype dtype);
/** Bytes of an element; 0 for text and other. */
size_t ls_dtype_size(ls_dtype dtype);
/** True for the integer types, signed or not. */
bool ls_dtype_is_integer(ls_dtype dtype);

/**
 * Numbers of one type into another; `to` is LS_DTYPE_F32, F64 or I64, `from` any number. To i64 only whole numbers in
 * range will go: false otherwise, and the first misfit's index in *misfit. `from` and `to` need no alignment. Pure.
 */
bool ls_dtype_convert(ls_dtype from, const void *in, ls_dtype to, void *out, size_t count, size_t *misfit);

/* ---- reading -------------------------------------------------------------------------------------------------- */

#define LS_STORE_MAX_RANK 8

typedef struct ls_store ls_store;

/** A stored array. Borrowed from its store, constant. */
typedef struct ls_array {
    const char *path; /* from the root: "/train/x" */
    ls_dtype dtype;   /* bool and enumerations count as their integers; big-endian numbers are turned on reading */
    size_t rank;      /* 0: a scalar, which is one row of one element */
    size_t dim[LS_STORE_MAX_RANK];
    size_t rows;       /* dim[0], 1 for a scalar */
    size_t row_bytes;  /* of one row in the stored type */
    size_t item_bytes; /* of one element; text: the width; 0: strings of any length */
    size_t bytes;      /* rows * row_bytes */
    size_t stored;     /* bytes in the file: less where compressed */
    bool direct;       /* contiguous, native, unfiltered: read by pread at `offset` */
    uint64_t offset;   /* of the first byte in the file, where direct */
    size_t chunk_rows; /* rows of a chunk, 0 where not chunked */
    size_t block_rows; /* rows of a block with a checksum of its own, 0 where there are none */
    bool filtered;     /* compressed: a random row costs a whole chunk */
    const char *refusal;
} ls_array;

/**
 * Opens a file for reading. Failures: LS_ERR_IO where it cannot be opened, is truncated, or is sealed and its structure
 * is damaged, LS_ERR_DATA where it is no HDF5 file (and what it seems to be). Yours: ls_store_close().
 */
ls_status ls_store_open(const char *path, ls_store **out) LS_MUST_USE;
void ls_store_close(ls_store *store);

/** The path given to ls_store_open(). Borrowed. */
const char *ls_store_path(const ls_store *store);
/** Bytes of the whole file. */
uint64_t ls_store_bytes(const ls_store *store);

/** True where an array or a group stands at `path`. */
bool ls_store_exists(ls_store *store, const char *path);

/** The array at `path`. LS_ERR_DATA names what there is instead, or the nearest name. Borrowed from the store. */
ls_status ls_store_find(ls_store *store, const char *path, const ls_array **out) LS_MUST_USE;

typedef struct ls_arrays {
    size_t count;
    const ls_array **items; /* free() it; the arrays are the store's */
} ls_arrays;

/** All arrays below a group ("/", "/train"), at any depth, sorted bytewise by path. ls_arrays_free() it. */
ls_status ls_store_list(ls_store *store, const char *group, ls_arrays *out) LS_MUST_USE;
void ls_arrays_free(ls_arrays *arrays);

/**
 * The path of a link that ls_store_list() does not follow: a soft or external one, or one of several names of an array
 * or group. Appended to `out`, which stays as it is where there is none.
 */
ls_status ls_store_find_link(ls_store *store, ls_text *out) LS_MUST_USE;

/**
 * Rows [first, first + count) in the stored type, native byte order, into `out` (count * row_bytes bytes). The range
 * lies within the array (asserted). Not for text of any length.
 */
ls_status ls_store_read(ls_store *store, const ls_array *array, size_t first, size_t count, void *out) LS_MUST_USE;

/**
 * As ls_store_read(), and compares every block that these rows lie in with its checksum, where the array has such: a
 * row costs the reading of its block. LS_ERR_IO names file, array and rows where one differs.
 */
ls_status ls_store_read_checked(ls_store *store, const ls_array *array, size_t first, size_t count,
                                void *out) LS_MUST_USE;

/** As ls_store_read(), converted to LS_DTYPE_F32, F64 or I64; LS_ERR_DATA where a number does not fit. */
ls_status ls_store_read_as(ls_store *store, const ls_array *array, size_t first, size_t count, ls_dtype dtype,
                           void *out) LS_MUST_USE;

/** Item `index` (row-major) of a text array, of any kind, appended to `out`. */
ls_status ls_store_read_text(ls_store *store, const ls_array *array, size_t index, ls_text *out) LS_MUST_USE;

/**
 * Shorthands for one item at `path`: find and read. LS_ERR_DATA where it is missing, has more than one element or does
 * not convert. The text is appended.
 */
ls_status ls_store_get_real(ls_store *store, const char *path, double *out) LS_MUST_USE;
ls_status ls_store_get_integer(ls_store *store, const char *path, int64_t *out) LS_MUST_USE;
ls_status ls_store_get_text(ls_store *store, const char *path, ls_text *out) LS_MUST_USE;

/** Splits "FILE:/GROUP" at its last ":/". `group` is "/" where none is given. Both are copies in the pool. */
ls_status ls_store_split(ls_pool *pool, const char *text, const char **file, const char **group) LS_MUST_USE;

/* ---- writing -------------------------------------------------------------------------------------------------- */

typedef struct ls_store_writer ls_store_writer;

/**
 * Begins a file that will replace `path`. It grows as ".NAME.TAG.tmp" in the same folder; `tag` is unique to this
 * process among all that may write the same path (NULL: the process number). Yours: ls_store_writer_destroy(), which
 * removes the temporary file unless it was committed. Calls HDF5.
 */
ls_status ls_store_create(const char *path, const char *tag, ls_store_writer **out) LS_MUST_USE;
void ls_store_writer_destroy(ls_store_writer *writer);

/** Does the array count for the checksum `state`? Not where it names times, hosts, or how a run was cut over ranks. */
typedef enum ls_store_part { LS_PART_STATE, LS_PART_OTHER } ls_store_part;

/**
 * Adds an array before the file is sealed; groups come into being. Its number (0, 1, ...) goes to `index`.
 * ls_store_add_text() makes one string of `length` bytes (0: an empty one, with nothing to fill), or, where `count` >
 * 0, a list of `count` strings of `length` bytes each, padded with NUL. Calls HDF5.
 */
ls_status ls_store_add(ls_store_writer *writer, const char *path, ls_dtype dtype, size_t rank, const size_t *dim,
                       ls_store_part part, size_t *index) LS_MUST_USE;
ls_status ls_store_add_text(ls_store_writer *writer, const char *path, size_t length, size_t count,
                            ls_store_part part, size_t *index) LS_MUST_USE;

/**
 * Array `index`, numbers with rows, shall have a checksum for each block of its rows, which ls_store_read_checked()
 * compares. It must be filled from front to back (asserted). Before the file is sealed.
 */
ls_status ls_store_add_blocks(ls_store_writer *writer, size_t index) LS_MUST_USE;

/** Ends the layout: HDF5 closes the file, its space is reserved (a full disk shows here). Calls HDF5, as the last. */
ls_status ls_store_seal(ls_store_writer *writer) LS_MUST_USE;

/** Arrays of a page and more begin at a page of the file. */
#define LS_STORE_PAGE ((size_t)4096)

/**
 * Writes bytes [first, first + count) of array `index`. Any thread, any order; every byte once. Filling an array from
 * front to back is best: its checksum is then taken from the caller's memory, and covers the way to the disk. Parts of
 * 64 KiB and more that begin at a page boundary, in the array and in memory, cost least: their whole pages go to the
 * disk without a copy, where the file system can do that.
 */
ls_status ls_store_fill(ls_store_writer *writer, size_t index, size_t first, const void *bytes,
                        size_t count) LS_MUST_USE;
/** Writes the next `rows` rows of array `index`. One thread per array. */
ls_status ls_store_append(ls_store_writer *writer, size_t index, const void *bytes, size_t rows) LS_MUST_USE;

/**
 * Checksums, fsync, read back, compare, rename, fsync of the folder. `permit` (or NULL) is asked just before the
 * rename; its failure is passed on. All arrays are full (asserted). After a failure the temporary file is gone and the
 * target is as it was, but where the folder alone could not be synced: then it is the new one. Never calls HDF5.
 */
ls_status ls_store_commit(ls_store_writer *writer, ls_status (*permit)(void *argument), void *argument) LS_MUST_USE;

/** After ls_store_commit(): the file's checksum `state`, and its size. */
uint64_t ls_store_writer_state(const ls_store_writer *writer);
uint64_t ls_store_writer_bytes(const ls_store_writer *writer);

/* ---- verifying ------------------------------------------------------------------------------------------------ */

typedef struct ls_store_report {
    size_t arrays;       /* that were checked */
    size_t blocks;       /* of rows, likewise */
    uint64_t bytes;      /* of the whole file */
    size_t damaged;      /* findings */
    bool has_checksums;  /* false: not written by lockstep, nothing to compare with */
    uint64_t state;      /* recomputed */
    ls_text findings;    /* a line for each: "/parameters/dense_1/weight: its bytes differ from its checksum" */
} ls_store_report;

/**
 * Recomputes every checksum of a file and compares; HDF5 sees nothing of it before its structure is found good. LS_OK
 * only where all agree; LS_ERR_IO where the file is damaged or truncated, LS_ERR_DATA where it has no checksums.
 * `report` (or NULL) starts as {0} and is filled in all cases: end it with ls_store_report_free().
 */
ls_status ls_store_verify(const char *path, ls_store_report *report) LS_MUST_USE;
void ls_store_report_free(ls_store_report *report);

/** The checksum `state` as it stands in the file, unverified. LS_ERR_DATA where there is none. */
ls_status ls_store_state(ls_store *store, uint64_t *out) LS_MUST_USE;

#endif
