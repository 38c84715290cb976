/* A data set written anew, as it is read fastest: contiguous, native, uncompressed; optionally shuffled once for all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/data.h"
#include "lockstep/random.h"

const ls_option ls_repack_rows[] = {
    LS_OPTION_BOOL(ls_repack_options, shuffle, "false",
                   "lay samples down in a random order: block shuffling then mixes as well as a full one"),
    {LS_OPTION_ROW(ls_repack_options, seed, LS_KIND_SEED, "1", "seed of the order")},
    LS_OPTION_END};

enum { PIECE_BYTES = 8 << 20 };

typedef struct repack {
    const ls_repack_options *options;
    ls_store *store;
    ls_store_writer *writer;
    ls_arrays arrays;
    size_t *index; /* of each array in the writer; SIZE_MAX: left out */
} repack;

/* What the writer makes itself. */
static bool is_checksum(const ls_array *array) {
    return strncmp(array->path, "/checksums/", 11) == 0;
}

static size_t group_length(const ls_array *array) {
    return (size_t)(strrchr(array->path, '/') - array->path);
}

/*
 * Rows are samples where an array is as long as its group's x, or, without an x, as the longest array of numbers there.
 * The words of classes never are.
 */
static bool holds_samples(const repack *r, const ls_array *array) {
    size_t group = group_length(array), samples = 0;
    for (size_t i = 0; i < r->arrays.count; i++) {
        const ls_array *other = r->arrays.items[i];
        if (group_length(other) != group || strncmp(other->path, array->path, group) != 0) continue;
        if (other->rank == 0 || other->dtype == LS_DTYPE_TEXT) continue;
        if (other->rows > samples) samples = other->rows;
        if (strcmp(other->path + group, "/x") != 0) continue;
        samples = other->rows;
        break;
    }
    return array->rank > 0 && array->rows == samples && strcmp(array->path, "/classes") != 0;
}

/* The row of the input that comes to `row` of the output: one permutation serves all arrays of a group. */
static size_t source_row(const repack *r, const ls_array *array, bool shuffled, size_t row) {
    ls_permutation order = ls_permutation_make(r->options->seed, LS_PURPOSE_IMPORT, 0, array->rows);
    return shuffled ? (size_t)ls_permutation_at(&order, row) : row;
}

/* Length of the longest text of an array. */
static ls_status longest_text(ls_store *store, const ls_array *array, size_t *out) {
    *out = array->item_bytes;
    for (size_t i = 0; array->item_bytes == 0 && i < array->rows; i++) {
        ls_text text = {0};
        ls_status status = ls_store_read_text(store, array, i, &text);
        if (text.length > *out) *out = text.length;
        ls_text_free(&text);
        LS_TRY(status);
    }
    if (*out == 0) *out = 1;
    return LS_OK;
}

static ls_status add_array(repack *r, size_t i) {
    const ls_array *array = r->arrays.items[i];
    r->index[i] = SIZE_MAX;
    if (is_checksum(array)) return LS_OK;
    if (array->refusal) return LS_FAIL(LS_ERR_DATA, "%s: %s %s", ls_store_path(r->store), array->path, array->refusal);
    if (array->dtype == LS_DTYPE_TEXT) {
        size_t length = 0;
        if (array->rank > 1)
            return LS_FAIL(LS_ERR_DATA, "%s: %s is text of more than one axis", ls_store_path(r->store), array->path);
        if (array->rows == 0) return LS_OK; /* no text, and no list that the writer could make of it */
        LS_TRY(longest_text(r->store, array, &length));
        return ls_store_add_text(r->writer, array->path, length, array->rank ? array->rows : 0, LS_PART_STATE,
                                 &r->index[i]);
    }
    ls_dtype dtype = array->dtype == LS_DTYPE_F16 ? LS_DTYPE_F32 : array->dtype;
    LS_TRY(ls_store_add(r->writer, array->path, dtype, array->rank, array->dim, LS_PART_STATE, &r->index[i]));
    return array->rank > 0 ? ls_store_add_blocks(r->writer, r->index[i]) : LS_OK;
}

static ls_status copy_text(repack *r, size_t i) {
    const ls_array *array = r->arrays.items[i];
    size_t width = 0;
    LS_TRY(longest_text(r->store, array, &width));
    bool shuffled = r->options->shuffle && holds_samples(r, array);
    for (size_t k = 0; k < array->rows; k++) {
        ls_text text = {0};
        void *row = NULL;
        ls_status status = ls_block_create(1, width, "a text", &row);
        if (status == LS_OK) status = ls_store_read_text(r->store, array, source_row(r, array, shuffled, k), &text);
        if (status == LS_OK && text.length) memcpy(row, text.bytes, text.length < width ? text.length : width);
        if (status == LS_OK) status = ls_store_fill(r->writer, r->index[i], k * width, row, width);
        ls_text_free(&text);
        ls_block_destroy(row);
        LS_TRY(status);
    }
    return LS_OK;
}

static ls_status read_run(const repack *r, const ls_array *array, size_t row, size_t count, void *out) {
    if (array->dtype == LS_DTYPE_F16) return ls_store_read_as(r->store, array, row, count, LS_DTYPE_F32, out);
    return ls_store_read_checked(r->store, array, row, count, out);
}

/* Half floats become single ones. */
static ls_status read_rows(const repack *r, const ls_array *array, size_t first, size_t count, void *out) {
    size_t row_bytes = array->dtype == LS_DTYPE_F16 ? 2 * array->row_bytes : array->row_bytes;
    bool shuffled = r->options->shuffle && holds_samples(r, array);
    for (size_t i = 0; i < count;) {
        size_t run = shuffled ? 1 : count - i;
        size_t row = source_row(r, array, shuffled, first + i);
        LS_TRY(read_run(r, array, row, run, (char *)out + i * row_bytes));
        i += run;
    }
    return LS_OK;
}

static ls_status copy_numbers(repack *r, size_t i) {
    const ls_array *array = r->arrays.items[i];
    size_t row_bytes = array->dtype == LS_DTYPE_F16 ? 2 * array->row_bytes : array->row_bytes;
    if (row_bytes == 0) return LS_OK;
    size_t step = row_bytes < PIECE_BYTES ? PIECE_BYTES / row_bytes : 1;
    void *piece = NULL;
    LS_TRY(ls_block_create(step, row_bytes, "a piece of the data", &piece));
    ls_status status = LS_OK;
    for (size_t at = 0; at < array->rows && status == LS_OK; at += step) {
        size_t count = array->rows - at < step ? array->rows - at : step;
        status = read_rows(r, array, at, count, piece);
        if (status == LS_OK) status = ls_store_append(r->writer, r->index[i], piece, count);
    }
    ls_block_destroy(piece);
    return status;
}

static ls_status copy_all(repack *r) {
    for (size_t i = 0; i < r->arrays.count; i++) LS_TRY(add_array(r, i));
    LS_TRY(ls_store_seal(r->writer));
    for (size_t i = 0; i < r->arrays.count; i++) {
        if (r->index[i] == SIZE_MAX) continue;
        LS_TRY(r->arrays.items[i]->dtype == LS_DTYPE_TEXT ? copy_text(r, i) : copy_numbers(r, i));
    }
    return ls_store_commit(r->writer, NULL, NULL);
}

/* Every name must lead to an array of its own: a copy that lacks some would be found out by whoever looks for them. */
static ls_status refuse_links(ls_store *store) {
    ls_text link = {0};
    ls_status status = ls_store_find_link(store, &link);
    if (status == LS_OK && link.length)
        status = LS_FAIL(LS_ERR_DATA,
                         "%s: %s is a link, or one of several names: repack copies arrays, each under one name "
                         "(h5copy -f soft,ext makes arrays of links)",
                         ls_store_path(store), link.bytes);
    ls_text_free(&link);
    return status;
}

static ls_status repack_open(repack *r, const char *output) {
    LS_TRY(refuse_links(r->store));
    LS_TRY(ls_store_list(r->store, "/", &r->arrays));
    r->index = calloc(r->arrays.count + 1, sizeof *r->index);
    if (!r->index) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu arrays", r->arrays.count);
    LS_TRY(ls_store_create(output, NULL, &r->writer));
    return copy_all(r);
}

ls_status ls_repack(const ls_repack_options *options, const char *input, const char *output, ls_logger *log) {
    repack r = {.options = options};
    LS_TRY(ls_store_open(input, &r.store));
    ls_status status = repack_open(&r, output);
    if (status == LS_OK)
        ls_logger_say(log, LS_LOG_INFO, "%s: %zu arrays, %llu bytes (%llu before)", output, r.arrays.count,
                      (unsigned long long)ls_store_writer_bytes(r.writer), (unsigned long long)ls_store_bytes(r.store));
    ls_store_writer_destroy(r.writer);
    ls_arrays_free(&r.arrays);
    free(r.index);
    ls_store_close(r.store);
    return status;
}
