/* Opening and describing data sets. */
#include "data/dataset.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- parts: files and their lengths ------------------------------------------------------------------------------ */

/* Made by a command that the configuration names, or meant as FILE:/GROUP and written without the slash. */
static ls_status no_file(const ls_part *part, const ls_dataset_source *source) {
    int code = errno;
    char file[4096];
    snprintf(file, sizeof file, "%s", part->path);
    char *colon = strrchr(file, ':');
    if (colon) *colon = '\0';
    if (colon && access(file, F_OK) == 0)
        return ls_document_fail(source->place, LS_ERR_DATA, "%s: %s; did you mean %s:/%s?", part->path, strerror(code),
                                file, colon + 1);
    return ls_document_fail(source->place, LS_ERR_DATA, "%s: %s%s%s", part->path, strerror(code),
                            source->import ? "; make it by: " : "", source->import ? source->import : "");
}

/* Several groups of one file share its store. */
static ls_status open_part(ls_storage *s, const ls_dataset_source *source, const ls_location *where, ls_part *part) {
    part->path = where->file;
    part->group = where->group;
    for (ls_part *earlier = s->part; earlier < part; earlier++)
        if (strcmp(earlier->path, part->path) == 0) {
            part->store = earlier->store;
            return LS_OK;
        }
    /* A name that leads nowhere is the configuration's mistake; what is wrong inside a file is the file's. */
    if (access(part->path, F_OK) != 0) return no_file(part, source);
    return ls_store_open(part->path, &part->store);
}

static void close_parts(ls_storage *s) {
    for (size_t i = 0; i < s->parts; i++) {
        bool shared = false;
        for (size_t j = 0; j < i; j++) shared |= s->part[j].store == s->part[i].store;
        if (!shared) ls_store_close(s->part[i].store);
    }
}

const ls_part *ls__storage_part(const ls_storage *storage, size_t row) {
    size_t low = 0, high = storage->parts;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (storage->part[middle].first <= row)
            low = middle;
        else
            high = middle;
    }
    return &storage->part[low];
}

/* "FILE:/GROUP/DATASET" */
static ls_status add_path(const ls_part *part, const char *dataset, ls_text *out) {
    return ls_text_add(out, "%s:%s%s%s", part->path, part->group, part->group[1] ? "/" : "", dataset);
}

static ls_status part_fail(const ls_part *part, const char *dataset, const char *format, ...) LS_PRINTF(3, 4);
static ls_status part_fail(const ls_part *part, const char *dataset, const char *format, ...) {
    ls_text path = {0};
    ls_status status = add_path(part, dataset, &path);
    if (status == LS_OK) {
        char words[512];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(words, sizeof words, format, arguments);
        va_end(arguments);
        status = LS_FAIL(LS_ERR_DATA, "%s: %s", path.bytes, words);
    }
    ls_text_free(&path);
    return status;
}

ls_status ls__row_fail(const ls_storage *storage, const ls_column *column, size_t row, const char *format, ...) {
    char words[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    const ls_part *part = ls__storage_part(storage, row);
    char place[64];
    snprintf(place, sizeof place, "sample %zu", row - part->first);
    return part_fail(part, column->dataset, "%s: %s", place, words);
}

/* As a double, since one of 64 bits may be beyond int64. */
ls_status ls__index_fail(const ls_storage *storage, const ls_column *column, size_t row, const void *number,
                         size_t entries) {
    double value = 0;
    ls_dtype_convert(column->dtype, number, LS_DTYPE_F64, &value, 1, NULL);
    return ls__row_fail(storage, column, row, "is %.0f; allowed: 0 .. %zu", value,
                        entries ? entries - 1 : (size_t)INT32_MAX);
}

ls_status ls__large_fail(const ls_storage *storage, const ls_column *column, size_t row) {
    return ls__row_fail(storage, column, row,
                        "holds a number that is too large for float32, in which it is trained on");
}

/* ---- columns: one dataset over all parts ------------------------------------------------------------------------ */

static ls_status find_array(const ls_part *part, const char *dataset, ls_pool *pool, const ls_array **out) {
    const char *path = NULL;
    LS_TRY(ls_pool_format(pool, &path, "%s%s%s", part->group, part->group[1] ? "/" : "", dataset));
    return ls_store_find(part->store, path, out);
}

static bool array_exists(const ls_part *part, const char *dataset, ls_pool *pool, ls_status *status) {
    const char *path = NULL;
    *status = ls_pool_format(pool, &path, "%s%s%s", part->group, part->group[1] ? "/" : "", dataset);
    return *status == LS_OK && ls_store_exists(part->store, path);
}

static ls_shape shape_of(const ls_array *array) {
    ls_shape shape = {.rank = array->rank - 1};
    for (size_t i = 0; i < shape.rank; i++) shape.dim[i] = array->dim[i + 1];
    return shape;
}

static ls_status check_array(const ls_part *part, const char *dataset, const ls_array *array) {
    if (array->refusal) return part_fail(part, dataset, "%s", array->refusal);
    if (array->dtype == LS_DTYPE_TEXT) return part_fail(part, dataset, "holds text; numbers are wanted");
    if (array->rank == 0) return part_fail(part, dataset, "is one number; the first axis must be samples");
    if (array->rank > 1 + LS_MAX_RANK)
        return part_fail(part, dataset, "has %zu axes; at most %d are possible", array->rank, 1 + LS_MAX_RANK);
    if (array->rows == 0) return part_fail(part, dataset, "has no samples");
    if (array->row_bytes == 0) return part_fail(part, dataset, "has samples of no elements");
    return LS_OK;
}

/* All parts hold the same kind of samples. */
static ls_status check_alike(const ls_storage *s, const ls_column *column, size_t at) {
    const ls_part *part = &s->part[at];
    const ls_array *array = column->array[at];
    ls_shape shape = shape_of(array);
    char here[96], there[96];
    if (!ls_shape_equal(shape, column->shape))
        return part_fail(part, column->dataset, "samples are %s, but %s in %s", ls_shape_text(shape, here, sizeof here),
                         ls_shape_text(column->shape, there, sizeof there), s->part[0].path);
    if (array->dtype != column->dtype)
        return part_fail(part, column->dataset, "holds %s, but %s has %s", ls_dtype_name(array->dtype), s->part[0].path,
                         ls_dtype_name(column->dtype));
    return LS_OK;
}

/* The first column decides how many samples a part has. */
static ls_status check_length(const ls_storage *s, const ls_column *column, size_t at) {
    const ls_part *part = &s->part[at];
    const ls_column *first = &s->column[0];
    if (column == first || column->array[at]->rows == first->array[at]->rows) return LS_OK;
    return part_fail(part, column->dataset, "has %zu samples, but \"%s\" has %zu", column->array[at]->rows,
                     first->dataset, first->array[at]->rows);
}

static ls_status open_column(ls_storage *s, const char *dataset, ls_column *column) {
    void *arrays = NULL;
    LS_TRY(ls_pool_take(s->pool, s->parts * sizeof *column->array, &arrays));
    *column = (ls_column){.dataset = dataset, .array = arrays};
    for (size_t i = 0; i < s->parts; i++) {
        LS_TRY(find_array(&s->part[i], dataset, s->pool, &column->array[i]));
        const ls_array *array = column->array[i];
        LS_TRY(check_array(&s->part[i], dataset, array));
        if (i == 0) {
            column->shape = shape_of(array);
            column->dtype = array->dtype;
            column->row_bytes = array->row_bytes;
        }
        LS_TRY(check_alike(s, column, i));
        LS_TRY(check_length(s, column, i));
        if (array->chunk_rows > column->chunk_rows) column->chunk_rows = array->chunk_rows;
        column->filtered = column->filtered || array->filtered;
    }
    return LS_OK;
}

/* ---- fields: what was asked for --------------------------------------------------------------------------------- */

static ls_status column_for(ls_storage *s, const char *dataset, size_t *out) {
    for (*out = 0; *out < s->columns; ++*out)
        if (strcmp(s->column[*out].dataset, dataset) == 0) return LS_OK;
    const char *name = NULL;
    LS_TRY(ls_pool_text(s->pool, dataset, &name));
    LS_TRY(open_column(s, name, &s->column[s->columns]));
    s->columns++;
    return LS_OK;
}

/* (samples) and (samples, 1) are one number a sample; an input has one feature then, a target is a scalar. */
static ls_shape field_shape(ls_field_role role, ls_shape stored) {
    bool single = stored.rank <= 1 && ls_shape_size(stored) == 1;
    if (!single) return stored;
    return role == LS_FIELD_INPUT ? (ls_shape){.rank = 1, .dim = {1}} : (ls_shape){.rank = 0};
}

static ls_status add_field(ls_dataset *d, const ls_field_request *request) {
    ls_storage *s = d->storage;
    ls_status status = LS_OK;
    if (request->optional && !array_exists(&s->part[0], request->dataset, s->pool, &status)) return status;
    size_t at = 0;
    LS_TRY(column_for(s, request->dataset, &at));
    ls_column *column = &s->column[at];
    ls_field *field = &d->field[d->fields];
    *field = (ls_field){.dataset = column->dataset,
                        .role = request->role,
                        .dtype = column->dtype,
                        .shape = field_shape(request->role, column->shape),
                        .row_bytes = column->row_bytes,
                        .integral = ls_dtype_is_integer(column->dtype)};
    LS_TRY(ls_pool_text(s->pool, request->name, &field->name));
    if (field->role == LS_FIELD_WEIGHT && field->shape.rank != 0)
        return part_fail(&s->part[0], column->dataset, "a weight is one number a sample");
    if (field->role != LS_FIELD_INPUT) column->small = true;
    d->column_of[d->fields++] = at;
    return LS_OK;
}

/* After loading: ranges of integers. */
static void describe_fields(ls_dataset *d) {
    for (size_t i = 0; i < d->fields; i++) {
        ls_field *field = &d->field[i];
        const ls_column *column = ls__dataset_column(d, i);
        field->least = column->least;
        field->largest = column->largest;
        bool classes = field->role == LS_FIELD_TARGET && field->integral && field->shape.rank == 0 &&
                       field->least >= 0 && field->largest < LS_MOST_CLASSES;
        field->classes = classes ? (size_t)field->largest + 1 : 0;
    }
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* Sizes that a file of a few kB can claim, and that no memory will ever hold, must not wrap round to small ones. */
static ls_status count_rows(ls_storage *s, size_t limit) {
    size_t bytes = 0, all = 0;
    bool wraps = false;
    for (size_t i = 0; i < s->parts; i++) {
        s->part[i].first = s->rows;
        s->part[i].rows = s->column[0].array[i]->rows;
        wraps |= __builtin_add_overflow(s->rows, s->part[i].rows, &s->rows);
    }
    for (size_t i = 0; i < s->columns; i++) {
        wraps |= __builtin_mul_overflow(s->rows, s->column[i].row_bytes, &bytes);
        wraps |= __builtin_add_overflow(all, bytes, &all);
    }
    if (wraps || all > SIZE_MAX / 2)
        return LS_FAIL(LS_ERR_DATA, "%s: claims more bytes than a computer can hold", s->part[0].path);
    if (limit && limit < s->rows) s->rows = limit;
    return LS_OK;
}

static ls_status name_dataset(ls_dataset *d) {
    const ls_storage *s = d->storage;
    if (s->parts == 1) return ls_pool_format(s->pool, &d->name, "%s:%s", s->part[0].path, s->part[0].group);
    return ls_pool_format(s->pool, &d->name, "%s:%s and %zu more", s->part[0].path, s->part[0].group, s->parts - 1);
}

static ls_status open_files(ls_dataset *d, const ls_dataset_source *source) {
    ls_storage *s = d->storage;
    ls_location *where = NULL;
    size_t parts = 0;
    void *room = NULL;
    LS_TRY(ls__locations(source->paths, source->place, source->folder, s->pool, &where, &parts));
    LS_TRY(ls_pool_take(s->pool, parts * sizeof *s->part, &room));
    s->part = room;
    for (size_t i = 0; i < parts; i++) {
        LS_TRY(open_part(s, source, &where[i], &s->part[i]));
        s->parts++;
    }
    LS_TRY(ls_pool_take(s->pool, source->field_count * sizeof *s->column, &room));
    s->column = room;
    LS_TRY(ls_pool_take(s->pool, source->field_count * sizeof *d->field, &room));
    d->field = room;
    LS_TRY(ls_pool_take(s->pool, source->field_count * sizeof *d->column_of, &room));
    d->column_of = room;
    for (size_t i = 0; i < source->field_count; i++)
        LS_TRY(ls_document_locate(add_field(d, &source->fields[i]), source->place));
    if (d->fields == 0) return LS_FAIL(LS_ERR_DATA, "%s: has none of the datasets asked for", s->part[0].path);
    LS_TRY(count_rows(s, source->limit));
    d->samples = s->rows;
    return name_dataset(d);
}

ls_status ls_dataset_open(const ls_dataset_source *source, ls_comm *comm, ls_logger *log, ls_dataset **out) {
    *out = NULL;
    ls_dataset *d = calloc(1, sizeof *d);
    ls_storage *s = calloc(1, sizeof *s);
    ls_status status = d && s ? ls_pool_create(&s->pool) : LS_FAIL(LS_ERR_MEMORY, "no memory for a data set");
    if (status != LS_OK) {
        free(s);
        free(d);
        return ls_comm_agree(comm, status);
    }
    d->storage = s;
    d->owner = true;
    s->comm = comm;
    LS_TRY_ELSE(status, ls_comm_agree(comm, open_files(d, source)), failed);
    LS_TRY_ELSE(status, ls__storage_load(s, source->cache, log), failed);
    LS_TRY_ELSE(status, ls__storage_digest(s, &d->digest), failed);
    describe_fields(d);
    *out = d;
    return LS_OK;
failed:
    ls_dataset_destroy(d);
    return status;
}

void ls_dataset_destroy(ls_dataset *dataset) {
    if (!dataset) return;
    ls_comm_memory_destroy(dataset->map_memory);
    ls_pool_destroy(dataset->pool);
    if (dataset->owner) {
        ls_storage *s = dataset->storage;
        ls_comm_memory_destroy(s->memory);
        close_parts(s);
        ls_pool_destroy(s->pool);
        free(s);
    }
    free(dataset);
}

/* ---- describing ------------------------------------------------------------------------------------------------- */

const char *ls_dataset_name(const ls_dataset *dataset) {
    return dataset->name;
}

size_t ls_dataset_samples(const ls_dataset *dataset) {
    return dataset->samples;
}

size_t ls_dataset_fields(const ls_dataset *dataset) {
    return dataset->fields;
}

const ls_field *ls_dataset_field(const ls_dataset *dataset, size_t index) {
    assert(index < dataset->fields);
    return &dataset->field[index];
}

size_t ls_dataset_find(const ls_dataset *dataset, const char *name) {
    for (size_t i = 0; i < dataset->fields; i++)
        if (strcmp(dataset->field[i].name, name) == 0) return i;
    return LS_NOT_FOUND;
}

uint64_t ls_dataset_bytes(const ls_dataset *dataset) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < dataset->storage->columns; i++)
        bytes += (uint64_t)dataset->samples * dataset->storage->column[i].row_bytes;
    return bytes;
}

uint64_t ls_dataset_cached(const ls_dataset *dataset) {
    return dataset->storage->cached;
}

uint64_t ls_dataset_digest(const ls_dataset *dataset) {
    return dataset->digest;
}

bool ls_dataset_has_checksums(const ls_dataset *dataset) {
    const ls_storage *s = dataset->storage;
    for (size_t i = 0; i < s->columns; i++)
        for (size_t p = 0; p < s->parts; p++)
            if (!s->column[i].array[p]->block_rows) return false;
    return true;
}

ls_status ls_dataset_place(const ls_dataset *dataset, size_t field, size_t sample, ls_text *out) {
    size_t row = ls__dataset_row(dataset, sample);
    const ls_part *part = ls__storage_part(dataset->storage, row);
    LS_TRY(add_path(part, dataset->field[field].dataset, out));
    return ls_text_add(out, ", sample %zu", row - part->first);
}

ls_status ls_dataset_class_name(const ls_dataset *dataset, size_t label, ls_text *out) {
    const ls_part *part = &dataset->storage->part[0];
    const ls_array *classes = NULL;
    if (!ls_store_exists(part->store, "/classes")) return ls_text_add(out, "%zu", label);
    LS_TRY(ls_store_find(part->store, "/classes", &classes));
    bool named = classes->dtype == LS_DTYPE_TEXT && classes->rank == 1 && label < classes->rows;
    return named ? ls_store_read_text(part->store, classes, label, out) : ls_text_add(out, "%zu", label);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

ls_status ls__storage_read(const ls_storage *storage, const ls_column *column, size_t first, size_t count, void *out) {
    assert(count <= storage->rows && first <= storage->rows - count);
    if (column->rows) {
        memcpy(out, column->rows + first * column->row_bytes, count * column->row_bytes);
        return LS_OK;
    }
    unsigned char *to = out;
    while (count > 0) {
        const ls_part *part = ls__storage_part(storage, first);
        size_t at = first - part->first;
        size_t rows = part->rows - at < count ? part->rows - at : count;
        LS_TRY(ls_store_read_checked(part->store, column->array[part - storage->part], at, rows, to));
        to += rows * column->row_bytes;
        first += rows;
        count -= rows;
    }
    return LS_OK;
}

/* Samples of a split are read row by row, unless neighbours in the file. */
ls_status ls__dataset_doubles(const ls_dataset *dataset, size_t field, size_t first, size_t count, void *scratch,
                              double *out) {
    const ls_column *column = ls__dataset_column(dataset, field);
    size_t size = ls_shape_size(column->shape);
    for (size_t i = 0, run; i < count; i += run) {
        size_t row = ls__dataset_row(dataset, first + i);
        for (run = 1; i + run < count && ls__dataset_row(dataset, first + i + run) == row + run;) run++;
        LS_TRY(ls__storage_read(dataset->storage, column, row, run, (char *)scratch + i * column->row_bytes));
    }
    ls_dtype_convert(column->dtype, scratch, LS_DTYPE_F64, out, count * size, NULL);
    for (size_t k = 0; k < count * size; k++)
        if (!isfinite(out[k]))
            return ls__row_fail(dataset->storage, column, ls__dataset_row(dataset, first + k / size),
                                "element %zu is %g; every number must be finite", k % size, out[k]);
    return LS_OK;
}

static int64_t integer_at(const ls_column *column, size_t row) {
    int64_t value = 0;
    ls_dtype_convert(column->dtype, column->rows + row * column->row_bytes, LS_DTYPE_I64, &value, 1, NULL);
    return value;
}

void ls_dataset_count_classes(const ls_dataset *dataset, size_t field, size_t *counts) {
    const ls_column *column = ls__dataset_column(dataset, field);
    size_t classes = dataset->field[field].classes;
    assert(classes > 0 && column->rows);
    memset(counts, 0, classes * sizeof *counts);
    for (size_t i = 0; i < dataset->samples; i++) counts[integer_at(column, ls__dataset_row(dataset, i))]++;
}

ls_status ls_dataset_weight_scale(const ls_dataset *train, size_t field, double *out) {
    const ls_column *column = ls__dataset_column(train, field);
    assert(train->field[field].shape.rank == 0 && column->rows);
    ls_sum sum;
    ls_sum_clear(&sum);
    for (size_t i = 0; i < train->samples; i++) {
        size_t row = ls__dataset_row(train, i);
        double weight = 0;
        ls_dtype_convert(column->dtype, column->rows + row * column->row_bytes, LS_DTYPE_F64, &weight, 1, NULL);
        if (weight < 0)
            return ls__row_fail(train->storage, column, row, "the weight is %g; negative ones mean nothing", weight);
        ls_sum_add(&sum, weight);
    }
    double total = ls_sum_value(&sum);
    if (total <= 0) return LS_FAIL(LS_ERR_DATA, "%s: all weights are 0", train->name);
    *out = (double)train->samples / total;
    return LS_OK;
}
