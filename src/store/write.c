#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/io.h"
#include "store/library.h"
#include "store/seal.h"
#include "store/writer.h"

/* The type in the file. To be closed by H5Tclose. */
static hid_t file_type(const ls_array *array) {
    switch (array->dtype) {
    case LS_DTYPE_U8: return H5Tcopy(H5T_STD_U8LE);
    case LS_DTYPE_I8: return H5Tcopy(H5T_STD_I8LE);
    case LS_DTYPE_U16: return H5Tcopy(H5T_STD_U16LE);
    case LS_DTYPE_I16: return H5Tcopy(H5T_STD_I16LE);
    case LS_DTYPE_U32: return H5Tcopy(H5T_STD_U32LE);
    case LS_DTYPE_I32: return H5Tcopy(H5T_STD_I32LE);
    case LS_DTYPE_U64: return H5Tcopy(H5T_STD_U64LE);
    case LS_DTYPE_I64: return H5Tcopy(H5T_STD_I64LE);
    case LS_DTYPE_F16: return ls__half_type();
    case LS_DTYPE_F32: return H5Tcopy(H5T_IEEE_F32LE);
    case LS_DTYPE_F64: return H5Tcopy(H5T_IEEE_F64LE);
    case LS_DTYPE_TEXT: {
        hid_t type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, array->item_bytes);
        H5Tset_strpad(type, H5T_STR_NULLPAD);
        H5Tset_cset(type, H5T_CSET_UTF8);
        return type;
    }
    case LS_DTYPE_OTHER: break;
    }
    assert(false && "a type that cannot be written");
    return H5I_INVALID_HID;
}

static char *temporary_name(const char *path, const char *tag) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *temporary = NULL, number[32];
    snprintf(number, sizeof number, "%ld", (long)getpid());
    if (asprintf(&temporary, "%.*s.%s.%s.tmp", (int)(name - path), path, name, tag ? tag : number) < 0) return NULL;
    return temporary;
}

/* Times of objects are not kept, so that equal contents give equal files. */
static ls_status create_file(ls_store_writer *writer) {
    unlink(writer->temporary);
    writer->fd = open(writer->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (writer->fd < 0) return LS_FAIL(LS_ERR_IO, "%s: cannot create: %s", writer->temporary, strerror(errno));
    ls__hdf5_enter();
    hid_t access = ls__file_access(), creation = H5Pcreate(H5P_FILE_CREATE);
    /* Arrays of a page and more begin at a page: they can be mapped, and written past the page cache. */
    H5Pset_alignment(access, LS_STORE_PAGE, LS_STORE_PAGE);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18); /* all structures carry checksums of their own */
    H5Pset_obj_track_times(creation, false);
    writer->file = H5Fcreate(writer->temporary, H5F_ACC_TRUNC, creation, access);
    ls__reason reason = {""};
    if (writer->file < 0) reason = ls__hdf5_reason();
    H5Pclose(creation);
    H5Pclose(access);
    ls__hdf5_leave();
    if (writer->file >= 0) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: cannot create: %s", writer->temporary, reason.text);
}

ls_status ls_store_create(const char *path, const char *tag, ls_store_writer **out) {
    *out = NULL;
    ls_store_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return LS_FAIL(LS_ERR_MEMORY, "no memory for a file's writer");
    pthread_mutex_init(&writer->mutex, NULL);
    writer->fd = writer->direct = -1;
    writer->file = H5I_INVALID_HID;
    writer->target = strdup(path);
    writer->temporary = temporary_name(path, tag);
    ls_status status = writer->target && writer->temporary ? create_file(writer)
                                                           : LS_FAIL(LS_ERR_MEMORY, "no memory for a file's writer");
    if (status == LS_OK)
        *out = writer;
    else
        ls_store_writer_destroy(writer);
    return status;
}

void ls_store_writer_destroy(ls_store_writer *writer) {
    if (!writer) return;
    if (writer->file >= 0) {
        ls__hdf5_enter();
        H5Fclose(writer->file);
        ls__hdf5_leave();
    }
    if (writer->direct >= 0) close(writer->direct);
    if (writer->fd >= 0) {
        close(writer->fd);
        if (writer->stage != LS__COMMITTED) unlink(writer->temporary);
    }
    for (size_t i = 0; i < ls__slots(writer) && i < writer->space; i++) {
        XXH3_freeState(writer->slots[i].hash);
        XXH3_freeState(writer->slots[i].blocks.hash);
        free(writer->slots[i].table);
        free(writer->slots[i].path);
    }
    pthread_mutex_destroy(&writer->mutex);
    ls_text_free(&writer->lines);
    free(writer->slots);
    free(writer->sorted);
    free(writer->temporary);
    free(writer->target);
    free(writer);
}

/* ---- laying out --------------------------------------------------------------------------------------------- */

/* Makes the groups above a path that do not exist yet. Between enter and leave. */
static bool create_groups(hid_t file, char *path) {
    bool made = true;
    hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(creation, false);
    for (char *slash = strchr(path + 1, '/'); slash && made; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (H5Lexists(file, path, H5P_DEFAULT) <= 0) {
            hid_t group = H5Gcreate2(file, path, H5P_DEFAULT, creation, H5P_DEFAULT);
            made = group >= 0;
            if (made) H5Gclose(group);
        }
        *slash = '/';
    }
    H5Pclose(creation);
    return made;
}

/* Makes a contiguous dataset whose space is allocated now and not touched. Between enter and leave. */
static bool create_dataset(hid_t file, ls__slot *slot) {
    ls_array *array = &slot->array;
    hsize_t dims[LS_STORE_MAX_RANK];
    for (size_t i = 0; i < array->rank; i++) dims[i] = array->dim[i];
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(creation, H5D_CONTIGUOUS);
    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(creation, false);
    hid_t type = file_type(array);
    hid_t space = array->rank ? H5Screate_simple((int)array->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t dataset = H5Dcreate2(file, slot->path, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    haddr_t offset = dataset >= 0 && array->bytes > 0 ? H5Dget_offset(dataset) : 0;
    array->offset = offset;
    if (dataset >= 0) H5Dclose(dataset);
    H5Sclose(space);
    H5Tclose(type);
    H5Pclose(creation);
    return dataset >= 0 && offset != HADDR_UNDEF;
}

static ls_status grow(ls_store_writer *writer) {
    if (ls__slots(writer) < writer->space) return LS_OK;
    size_t space = writer->space ? 2 * writer->space : 32;
    ls__slot *larger = realloc(writer->slots, space * sizeof *larger);
    if (!larger) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu arrays", space);
    memset(larger + writer->space, 0, (space - writer->space) * sizeof *larger);
    writer->slots = larger;
    writer->space = space;
    return LS_OK;
}

/* Lays out slot `index` from what its array says; rows and bytes follow from it. */
static ls_status lay_out(ls_store_writer *writer, size_t index, const char *path, ls_array array, ls_store_part part) {
    ls__slot *slot = &writer->slots[index];
    array.row_bytes = array.item_bytes;
    for (size_t i = 1; i < array.rank; i++) array.row_bytes *= array.dim[i];
    array.rows = array.rank ? array.dim[0] : 1;
    array.bytes = array.stored = array.rows * array.row_bytes;
    array.direct = true;
    slot->path = strdup(path);
    slot->hash = XXH3_createState();
    if (!slot->path || !slot->hash) return LS_FAIL(LS_ERR_MEMORY, "no memory for an array");
    array.path = slot->path;
    slot->array = array;
    slot->part = part;
    ls__hdf5_enter();
    bool made = create_groups(writer->file, slot->path) && create_dataset(writer->file, slot);
    ls__reason reason = {""};
    if (!made) reason = ls__hdf5_reason();
    ls__hdf5_leave();
    if (!made) return LS_FAIL(LS_ERR_IO, "%s: cannot lay out %s: %s", writer->temporary, path, reason.text);
    ls__checksum_begin(slot->hash, &slot->array);
    return LS_OK;
}

static ls_status add(ls_store_writer *writer, const char *path, ls_array array, ls_store_part part, size_t *index) {
    assert(writer->stage == LS__LAYING_OUT);
    assert(path[0] == '/' && path[1] != '\0' && !strchr(path, '\n') && !strstr(path, "//"));
    assert(strncmp(path, LS__CHECKSUMS, strlen(LS__CHECKSUMS)) != 0);
    LS_TRY(grow(writer));
    LS_TRY(lay_out(writer, writer->count, path, array, part));
    *index = writer->count++;
    return LS_OK;
}

ls_status ls_store_add(ls_store_writer *writer, const char *path, ls_dtype dtype, size_t rank, const size_t *dim,
                       ls_store_part part, size_t *index) {
    assert(rank <= LS_STORE_MAX_RANK && ls_dtype_size(dtype) > 0);
    ls_array array = {.dtype = dtype, .rank = rank, .item_bytes = ls_dtype_size(dtype)};
    for (size_t i = 0; i < rank; i++) array.dim[i] = dim[i];
    return add(writer, path, array, part, index);
}

ls_status ls_store_add_text(ls_store_writer *writer, const char *path, size_t length, size_t count, ls_store_part part,
                            size_t *index) {
    assert(length > 0 || count == 0);
    ls_array array = {.dtype = LS_DTYPE_TEXT, .rank = count > 0, .item_bytes = length ? length : 1};
    array.dim[0] = count;
    LS_TRY(add(writer, path, array, part, index));
    if (length > 0) return LS_OK;
    /* HDF5 has no strings of no bytes: an empty text is one NUL, which the new file holds already. */
    ls__slot *slot = &writer->slots[*index];
    XXH3_64bits_update(slot->hash, "", 1);
    slot->filled = slot->hashed = 1;
    return LS_OK;
}

ls_status ls_store_add_blocks(ls_store_writer *writer, size_t index) {
    assert(writer->stage == LS__LAYING_OUT && index < writer->count);
    ls__slot *slot = &writer->slots[index];
    assert(slot->array.rank > 0 && slot->array.dtype < LS_DTYPE_TEXT && !slot->table);
    if (slot->array.bytes == 0) return LS_OK;
    size_t rows = ls__block_rows(slot->array.row_bytes);
    slot->table = calloc(1 + ls__block_count(slot->array.rows, rows), sizeof *slot->table);
    slot->blocks.hash = XXH3_createState();
    if (!slot->table || !slot->blocks.hash) return LS_FAIL(LS_ERR_MEMORY, "no memory for the checksums of an array");
    slot->table[0] = rows;
    slot->blocks.sums = slot->table + 1;
    slot->blocks.bytes = rows * slot->array.row_bytes;
    return LS_OK;
}

/* ---- sealing ------------------------------------------------------------------------------------------------ */

static int by_path(const void *a, const void *b, void *slots) {
    const ls__slot *all = slots;
    return strcmp(all[*(const size_t *)a].path, all[*(const size_t *)b].path);
}

static ls_status sort_slots(ls_store_writer *writer) {
    writer->sorted = calloc(writer->count + 1, sizeof *writer->sorted);
    if (!writer->sorted) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu arrays", writer->count);
    for (size_t i = 0; i < writer->count; i++) writer->sorted[i] = i;
    qsort_r(writer->sorted, writer->count, sizeof *writer->sorted, by_path, writer->slots);
    return LS_OK;
}

static ls_status lay_out_tables(ls_store_writer *writer) {
    for (size_t i = 0; i < writer->count; i++) {
        const ls_array *array = &writer->slots[i].array;
        if (!writer->slots[i].table) continue;
        char *path = NULL;
        if (asprintf(&path, "%s%s", LS__BLOCKS, array->path) < 0) return LS_FAIL(LS_ERR_MEMORY, "no memory for a path");
        ls_array table = {.dtype = LS_DTYPE_U64, .item_bytes = sizeof(uint64_t), .rank = 1};
        table.dim[0] = 1 + ls__block_count(array->rows, (size_t)writer->slots[i].table[0]);
        size_t at = ls__slots(writer);
        writer->tables++;
        ls_status status = grow(writer);
        if (status == LS_OK) status = lay_out(writer, at, path, table, LS_PART_OTHER);
        free(path);
        LS_TRY(status);
        writer->slots[i].table_slot = at;
    }
    return LS_OK;
}

/* Composes the lines of /checksums/datasets. Their length does not depend on the checksums. */
static ls_status lay_out_checksums(ls_store_writer *writer) {
    ls_array lines = {.dtype = LS_DTYPE_TEXT}, word = {.dtype = LS_DTYPE_U64, .item_bytes = sizeof(uint64_t)};
    for (size_t i = 0; i < writer->count; i++) {
        const ls__slot *slot = &writer->slots[writer->sorted[i]];
        LS_TRY(ls__checksum_line(&writer->lines, 0, slot->part, slot->path));
    }
    LS_TRY(grow(writer));
    lines.item_bytes = writer->lines.length ? writer->lines.length : 1;
    size_t own = writer->count;
    LS_TRY(lay_out(writer, own + LS__SLOT_LINES, LS__CHECKSUMS "datasets", lines, LS_PART_OTHER));
    LS_TRY(lay_out(writer, own + LS__SLOT_STATE, LS__CHECKSUMS "state", word, LS_PART_OTHER));
    LS_TRY(lay_out(writer, own + LS__SLOT_FILE, LS__CHECKSUMS "file", word, LS_PART_OTHER));
    return lay_out_tables(writer);
}

static ls_status close_library(ls_store_writer *writer) {
    ls__hdf5_enter();
    herr_t closed = H5Fclose(writer->file);
    ls__reason reason = {""};
    if (closed < 0) reason = ls__hdf5_reason();
    ls__hdf5_leave();
    writer->file = H5I_INVALID_HID;
    if (closed >= 0) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: cannot lay out the file: %s", writer->temporary, reason.text);
}

/* Does the file, read again, say of an array what was laid out? */
static ls_status check_slot(ls_store *store, const ls__slot *slot) {
    const ls_array *array, *wanted = &slot->array;
    LS_TRY(ls_store_find(store, slot->path, &array));
    bool equal = array->direct && array->dtype == wanted->dtype && array->rank == wanted->rank &&
                 array->bytes == wanted->bytes && (array->bytes == 0 || array->offset == wanted->offset);
    if (equal) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: %s was not laid out as asked", ls_store_path(store), slot->path);
}

/* The commit's checksums cover HDF5's structures as they stand in the file: here is seen that they stand there well. */
static ls_status check_layout(ls_store_writer *writer) {
    ls_store *store;
    ls_status status = ls_store_open(writer->temporary, &store);
    for (size_t i = 0; status == LS_OK && i < ls__slots(writer); i++) status = check_slot(store, &writer->slots[i]);
    ls_store_close(store);
    if (status == LS_OK) return LS_OK;
    /* Whatever is wrong with it, the file is ours and fresh: it is the disk. */
    ls_status worded = LS_FAIL(LS_ERR_IO, "what was just written does not read back: the disk or its memory fails (%s)",
                               ls_status_message(status));
    ls_status_free(status);
    return worded;
}

/* Composes the seal, which says where HDF5 laid everything, for a file that HDF5 ended at `begin`. */
static ls_status compose_seal(const ls_store_writer *writer, uint64_t begin, ls_text *text) {
    for (size_t i = 0; i < writer->count; i++) {
        const ls_array *array = &writer->slots[writer->sorted[i]].array;
        LS_TRY(ls__seal_add(text, (ls__extent){array->offset, array->bytes}));
    }
    return ls__seal_end(text, writer->slots[writer->count + LS__SLOT_FILE].array.offset, begin);
}

/* Reserves the file's space and puts the seal behind what HDF5 made. */
static ls_status write_seal(ls_store_writer *writer, uint64_t begin, const ls_text *text, void *again) {
    writer->bytes = begin + text->length;
    /* Not posix_fallocate, which would write every page where the file system cannot reserve. */
    if (fallocate(writer->fd, 0, 0, (off_t)writer->bytes) != 0 && errno != EOPNOTSUPP && errno != ENOSYS &&
        errno != EINTR)
        return LS_FAIL(LS_ERR_IO, "%s: no space for %ju bytes: %s", writer->temporary, (uintmax_t)writer->bytes,
                       strerror(errno));
    LS_TRY(ls__write_at(writer->fd, writer->temporary, begin, text->bytes, text->length));
    LS_TRY(ls__read_at(writer->fd, writer->temporary, begin, again, text->length));
    if (memcmp(again, text->bytes, text->length) == 0) return LS_OK;
    return LS_FAIL(LS_ERR_IO, "%s: what was just written does not read back: the disk or its memory fails",
                   writer->temporary);
}

static ls_status add_seal(ls_store_writer *writer) {
    struct stat info;
    if (fstat(writer->fd, &info) != 0)
        return LS_FAIL(LS_ERR_IO, "%s: cannot be examined: %s", writer->temporary, strerror(errno));
    ls_text text = {0};
    void *again = NULL;
    ls_status status = compose_seal(writer, (uint64_t)info.st_size, &text);
    if (status == LS_OK) status = ls_block_create(text.length, 1, "the seal of a file", &again);
    if (status == LS_OK) status = write_seal(writer, (uint64_t)info.st_size, &text, again);
    ls_block_destroy(again);
    ls_text_free(&text);
    return status;
}

ls_status ls_store_seal(ls_store_writer *writer) {
    assert(writer->stage == LS__LAYING_OUT);
    LS_TRY(sort_slots(writer));
    LS_TRY(lay_out_checksums(writer));
    LS_TRY(close_library(writer));
    LS_TRY(check_layout(writer));
    LS_TRY(add_seal(writer));
    writer->direct = ls__open_direct(writer->fd, writer->temporary);
    writer->stage = LS__FILLING;
    return LS_OK;
}
