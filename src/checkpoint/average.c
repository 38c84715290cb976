#include <stdlib.h>
#include <string.h>

#include "lockstep/checkpoint.h"

/* Several checkpoints on their way to one. */
typedef struct average {
    ls_checkpoint *const *checkpoints;
    size_t count;
    ls_arrays arrays; /* of the first, all that is written */
    size_t *index;
    ls_store_writer *writer;
} average;

/* Parameters and running averages; what stands beside these in double is preprocessing. */
static bool is_averaged(const ls_array *array) {
    bool model = strncmp(array->path, "/parameters/", 12) == 0 || strncmp(array->path, "/statistics/", 12) == 0;
    return model && array->dtype == LS_DTYPE_F32;
}

static bool is_left_out(const ls_array *array) {
    return strncmp(array->path, "/optimizer/", 11) == 0 || strncmp(array->path, "/checksums/", 11) == 0;
}

/* All must be of one model: no parameter may differ in shape, or be in some only. */
static ls_status check_one_model(const average *all) {
    for (size_t i = 1; i < all->count; i++) {
        ls_checkpoint_difference difference = {0};
        ls_status status = ls_checkpoint_diff(all->checkpoints[0], all->checkpoints[i], &difference);
        const char *lines = difference.lines.bytes ? difference.lines.bytes : "";
        const char *bad = strstr(lines, ": the shapes");
        if (!bad) bad = strstr(lines, ": only in");
        while (bad && bad > lines && bad[-1] != '\n') bad--;
        if (status == LS_OK && bad)
            status = LS_FAIL(LS_ERR_DATA, "%s and %s are not of one model: %.*s",
                             ls_store_path(ls_checkpoint_store(all->checkpoints[0])),
                             ls_store_path(ls_checkpoint_store(all->checkpoints[i])), (int)strcspn(bad, "\n"), bad);
        ls_text_free(&difference.lines);
        LS_TRY(status);
    }
    return LS_OK;
}

static ls_status lay_out(average *all) {
    for (size_t i = 0; i < all->arrays.count; i++) {
        const ls_array *array = all->arrays.items[i];
        if (is_left_out(array)) continue;
        bool state = strncmp(array->path, "/provenance/", 12) != 0 && strcmp(array->path, "/config") != 0;
        ls_store_part part = state ? LS_PART_STATE : LS_PART_OTHER;
        if (array->dtype == LS_DTYPE_TEXT)
            LS_TRY(ls_store_add_text(all->writer, array->path, array->item_bytes, array->rank ? array->rows : 0, part,
                                     &all->index[i]));
        else
            LS_TRY(ls_store_add(all->writer, array->path, array->dtype, array->rank, array->dim, part, &all->index[i]));
    }
    return ls_store_seal(all->writer);
}

/* Where all are equal, down to the bit, the mean is that, and not what rounding makes of it. */
static ls_status mean(const average *all, const ls_array *array, double *sum, double *term, char *bytes) {
    size_t items = array->bytes / array->item_bytes;
    bool equal = true;
    LS_TRY(ls_store_read(ls_checkpoint_store(all->checkpoints[0]), array, 0, array->rows, bytes));
    ls_dtype_convert(array->dtype, bytes, LS_DTYPE_F64, sum, items, NULL);
    for (size_t i = 1; i < all->count; i++) {
        ls_store *store = ls_checkpoint_store(all->checkpoints[i]);
        const ls_array *other;
        LS_TRY(ls_store_find(store, array->path, &other));
        LS_TRY(ls_store_read(store, other, 0, other->rows, term));
        equal = equal && memcmp(bytes, term, array->bytes) == 0;
        LS_TRY(ls_store_read_as(store, other, 0, other->rows, LS_DTYPE_F64, term));
        for (size_t j = 0; j < items; j++) sum[j] += term[j];
    }
    if (equal) return LS_OK;
    for (size_t j = 0; j < items; j++) sum[j] /= (double)all->count;
    ls_dtype_convert(LS_DTYPE_F64, sum, LS_DTYPE_F32, bytes, items, NULL);
    return LS_OK;
}

static ls_status write_array(const average *all, const ls_array *array, size_t index) {
    size_t items = array->bytes / array->item_bytes;
    void *block;
    LS_TRY(ls_block_create(2 * items * sizeof(double) + array->bytes, 1, "an average", &block));
    double *sum = block, *term = sum + items;
    char *bytes = (char *)(term + items);
    ls_status status = is_averaged(array)
                           ? mean(all, array, sum, term, bytes)
                           : ls_store_read(ls_checkpoint_store(all->checkpoints[0]), array, 0, array->rows, bytes);
    if (status == LS_OK) status = ls_store_fill(all->writer, index, 0, bytes, array->bytes);
    ls_block_destroy(block);
    return status;
}

static ls_status write_average(average *all, const char *path) {
    LS_TRY(check_one_model(all));
    LS_TRY(ls_store_list(ls_checkpoint_store(all->checkpoints[0]), "/", &all->arrays));
    all->index = calloc(all->arrays.count + 1, sizeof *all->index);
    if (!all->index) return LS_FAIL(LS_ERR_MEMORY, "no memory for a list of arrays");
    LS_TRY(ls_store_create(path, NULL, &all->writer));
    LS_TRY(lay_out(all));
    for (size_t i = 0; i < all->arrays.count; i++)
        if (!is_left_out(all->arrays.items[i])) LS_TRY(write_array(all, all->arrays.items[i], all->index[i]));
    return ls_store_commit(all->writer, NULL, NULL);
}

ls_status ls_checkpoint_average(ls_checkpoint *const *checkpoints, size_t count, const char *path) {
    average all = {.checkpoints = checkpoints, .count = count};
    ls_status status = write_average(&all, path);
    ls_store_writer_destroy(all.writer);
    ls_arrays_free(&all.arrays);
    free(all.index);
    return status;
}
