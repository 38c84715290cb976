#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/checksum.h"
#include "store/io.h"
#include "store/store.h"

/* Converting goes through a buffer of about this many bytes. */
#define CONVERT_BYTES ((size_t)1 << 20)

static ls_status check_readable(const ls_store *store, const ls_array *array) {
    if (!array->refusal) return LS_OK;
    return LS_FAIL(LS_ERR_DATA, "%s: %s %s, which cannot be read", store->path, array->path, array->refusal);
}

/* Reads a box of an array through HDF5; of a scalar there is only the whole. Between enter and leave. */
static herr_t read_box(const ls__entry *entry, const hsize_t *start, const hsize_t *count, void *out) {
    if (entry->array.rank == 0) return H5Dread(entry->dataset, entry->memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
    hid_t file = H5Dget_space(entry->dataset);
    hid_t memory = H5Screate_simple((int)entry->array.rank, count, NULL);
    herr_t done = H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL);
    if (done >= 0) done = H5Dread(entry->dataset, entry->memory_type, memory, file, H5P_DEFAULT, out);
    H5Sclose(memory);
    H5Sclose(file);
    return done;
}

static ls_status read_rows_library(ls_store *store, const ls_array *array, size_t first, size_t count, void *out) {
    hsize_t start[LS_STORE_MAX_RANK] = {first}, box[LS_STORE_MAX_RANK] = {count};
    for (size_t i = 1; i < array->rank; i++) box[i] = array->dim[i];
    ls__hdf5_enter();
    herr_t done = read_box((const ls__entry *)array, start, box, out);
    ls__reason reason = {""};
    if (done < 0) reason = ls__hdf5_reason();
    ls__hdf5_leave();
    if (done >= 0) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: cannot read rows %zu to %zu of %s: the file is damaged, or its disk: %s",
                   store->path, first, first + count - 1, array->path, reason.text);
}

ls_status ls_store_read(ls_store *store, const ls_array *array, size_t first, size_t count, void *out) {
    LS_TRY(check_readable(store, array));
    assert(first <= array->rows && count <= array->rows - first);
    assert(array->item_bytes > 0 && "text of any length is read by ls_store_read_text");
    if (count == 0 || array->row_bytes == 0) return LS_OK;
    if (!array->direct) return read_rows_library(store, array, first, count, out);
    return ls__read_at(store->fd, store->path, array->offset + (uint64_t)first * array->row_bytes, out,
                       count * array->row_bytes);
}

/* ---- blocks with checksums ---------------------------------------------------------------------------------- */

/* Compares rows [first, first + count), which are whole blocks, with their checksums. */
static ls_status compare_blocks(ls_store *store, const ls__entry *entry, size_t first, size_t count, const char *rows) {
    enum { AT_ONCE = 128 };
    uint64_t sums[AT_ONCE];
    const ls_array *array = &entry->array;
    size_t step = AT_ONCE * array->block_rows;
    for (size_t done = 0; done < count; done += step) {
        size_t some = count - done < step ? count - done : step;
        LS_TRY(ls_store_read(store, entry->blocks, 1 + (first + done) / array->block_rows,
                             ls__block_count(some, array->block_rows), sums));
        for (size_t at = 0; at < some; at += array->block_rows) {
            size_t in_block = some - at < array->block_rows ? some - at : array->block_rows;
            const char *bytes = rows + (done + at) * array->row_bytes;
            if (XXH3_64bits(bytes, in_block * array->row_bytes) == sums[at / array->block_rows]) continue;
            size_t row = first + done + at;
            return LS_FAIL(LS_ERR_IO,
                           "%s:%s: rows %zu to %zu differ from their checksum: the file is damaged, or was changed "
                           "after it was written; import it again (or remove /checksums from it, if the change stays)",
                           store->path, array->path, row, row + in_block - 1);
        }
    }
    return LS_OK;
}

/* Some rows of one block, through the whole of it. */
static ls_status read_within(ls_store *store, const ls__entry *entry, size_t first, size_t count, void *out) {
    const ls_array *array = &entry->array;
    char block[LS__BLOCK_BYTES];
    size_t at = first % array->block_rows, begin = first - at;
    size_t rows = array->rows - begin < array->block_rows ? array->rows - begin : array->block_rows;
    LS_TRY(ls_store_read(store, array, begin, rows, block));
    LS_TRY(compare_blocks(store, entry, begin, rows, block));
    memcpy(out, block + at * array->row_bytes, count * array->row_bytes);
    return LS_OK;
}

ls_status ls_store_read_checked(ls_store *store, const ls_array *array, size_t first, size_t count, void *out) {
    const ls__entry *entry = (const ls__entry *)array;
    if (!entry->blocks) return ls_store_read(store, array, first, count, out);
    if (entry->blocks_misfit)
        return LS_FAIL(LS_ERR_IO, "%s: %s does not fit %s: the file is damaged, or was changed after it was written",
                       store->path, entry->blocks->path, array->path);
    char *next = out;
    for (size_t some; count > 0; first += some, count -= some, next += some * array->row_bytes) {
        size_t lacking = array->block_rows - first % array->block_rows;
        bool to_end = first + count == array->rows;
        if (lacking < array->block_rows || (count < array->block_rows && !to_end)) {
            some = count < lacking ? count : lacking;
            LS_TRY(read_within(store, entry, first, some, next));
            continue;
        }
        some = to_end ? count : count - count % array->block_rows;
        LS_TRY(ls_store_read(store, array, first, some, next));
        LS_TRY(compare_blocks(store, entry, first, some, next));
    }
    return LS_OK;
}

/* ---- converting --------------------------------------------------------------------------------------------- */

static ls_status convert_rows(const ls_store *store, const ls_array *array, size_t first, const void *rows,
                              size_t count, ls_dtype dtype, void *out) {
    size_t items = array->row_bytes / array->item_bytes, misfit;
    if (ls_dtype_convert(array->dtype, rows, dtype, out, count * items, &misfit)) return LS_OK;
    return LS_FAIL(LS_ERR_DATA, "%s: %s holds a number in row %zu that is no integer of 64 bits", store->path,
                   array->path, first + misfit / items);
}

ls_status ls_store_read_as(ls_store *store, const ls_array *array, size_t first, size_t count, ls_dtype dtype,
                           void *out) {
    LS_TRY(check_readable(store, array));
    if (array->dtype == LS_DTYPE_TEXT)
        return LS_FAIL(LS_ERR_DATA, "%s: %s holds text where numbers are needed", store->path, array->path);
    if (array->dtype == dtype || count == 0 || array->row_bytes == 0)
        return ls_store_read(store, array, first, count, out);
    size_t rows = CONVERT_BYTES / array->row_bytes;
    rows = rows == 0 ? 1 : rows < count ? rows : count;
    void *buffer;
    LS_TRY(ls_block_create(rows, array->row_bytes, "the conversion of an array", &buffer));
    size_t row_out = array->row_bytes / array->item_bytes * ls_dtype_size(dtype);
    ls_status status = LS_OK;
    for (size_t done = 0; status == LS_OK && done < count; done += rows) {
        if (rows > count - done) rows = count - done;
        status = ls_store_read(store, array, first + done, rows, buffer);
        if (status == LS_OK)
            status = convert_rows(store, array, first + done, buffer, rows, dtype, (char *)out + done * row_out);
    }
    ls_block_destroy(buffer);
    return status;
}

/* ---- text --------------------------------------------------------------------------------------------------- */

/* One item as HDF5 gives it: bytes of a fixed string, or a pointer to memory that is HDF5's. */
static ls_status read_item(ls_store *store, const ls_array *array, size_t index, void *out) {
    hsize_t start[LS_STORE_MAX_RANK] = {0}, one[LS_STORE_MAX_RANK];
    for (size_t i = array->rank; i-- > 0;) {
        start[i] = index % array->dim[i];
        index /= array->dim[i];
        one[i] = 1;
    }
    ls__hdf5_enter();
    herr_t done = read_box((const ls__entry *)array, start, one, out);
    ls__reason reason = {""};
    if (done < 0) reason = ls__hdf5_reason();
    ls__hdf5_leave();
    if (done >= 0) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: cannot read %s: the file is damaged, or its disk: %s", store->path, array->path,
                   reason.text);
}

static ls_status read_text_of_any_length(ls_store *store, const ls_array *array, size_t index, ls_text *out) {
    char *text = NULL;
    LS_TRY(read_item(store, array, index, &text));
    ls_status status = ls_text_add(out, "%s", text ? text : "");
    ls__hdf5_enter();
    H5free_memory(text);
    ls__hdf5_leave();
    return status;
}

ls_status ls_store_read_text(ls_store *store, const ls_array *array, size_t index, ls_text *out) {
    LS_TRY(check_readable(store, array));
    if (array->dtype != LS_DTYPE_TEXT)
        return LS_FAIL(LS_ERR_DATA, "%s: %s holds %s where text is needed", store->path, array->path,
                       ls_dtype_name(array->dtype));
    if (array->item_bytes == 0) return read_text_of_any_length(store, array, index, out);
    assert(index < array->bytes / array->item_bytes);
    if (!array->filtered && array->item_bytes > store->bytes)
        return LS_FAIL(LS_ERR_DATA, "%s: %s claims texts of %zu bytes, more than the file has: it is damaged",
                       store->path, array->path, array->item_bytes);
    void *item;
    LS_TRY(ls_block_create(array->item_bytes, 1, "a text", &item));
    ls_status status = array->direct ? ls__read_at(store->fd, store->path, array->offset + index * array->item_bytes,
                                                   item, array->item_bytes)
                                     : read_item(store, array, index, item);
    if (status == LS_OK) status = ls_text_add_bytes(out, item, strnlen(item, array->item_bytes));
    ls_block_destroy(item);
    return status;
}

/* ---- one item ----------------------------------------------------------------------------------------------- */

static ls_status find_single(ls_store *store, const char *path, const ls_array **out) {
    LS_TRY(ls_store_find(store, path, out));
    LS_TRY(check_readable(store, *out));
    size_t items = 1;
    for (size_t i = 0; i < (*out)->rank; i++) items *= (*out)->dim[i];
    if (items == 1) return LS_OK;
    return LS_FAIL(LS_ERR_DATA, "%s: %s holds %zu items where one is needed", store->path, path, items);
}

ls_status ls_store_get_real(ls_store *store, const char *path, double *out) {
    const ls_array *array;
    LS_TRY(find_single(store, path, &array));
    return ls_store_read_as(store, array, 0, 1, LS_DTYPE_F64, out);
}

ls_status ls_store_get_integer(ls_store *store, const char *path, int64_t *out) {
    const ls_array *array;
    LS_TRY(find_single(store, path, &array));
    return ls_store_read_as(store, array, 0, 1, LS_DTYPE_I64, out);
}

ls_status ls_store_get_text(ls_store *store, const char *path, ls_text *out) {
    const ls_array *array;
    LS_TRY(find_single(store, path, &array));
    return ls_store_read_text(store, array, 0, out);
}
