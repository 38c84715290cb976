/* What all imports share: the family, the growing set, and writing it as a data set. */
#include "data/import.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ls_option common_rows[] = {
    {LS_OPTION_NUMBER(ls_import_common, split, LS_KIND_REAL, "0", 0, 1,
                      "share of the samples that goes to /test, stratified by class; 0: all go to /train"),
     .open_high = true},
    {LS_OPTION_ROW(ls_import_common, seed, LS_KIND_SEED, "1", "seed of the split and of drawn samples")},
    LS_OPTION_TEXT(ls_import_common, source, NULL,
                   "where the data come from and under which licence: kept in the file"),
    LS_OPTION_END};

static const ls_type *const types[] = {&ls_format_csv.type,  &ls_format_idx.type,    &ls_format_npy.type,
                                       &ls_format_text.type, &ls_format_images.type, NULL};

const ls_family ls_format_family = {
    .noun = "format", .types = types, .common = common_rows, .common_size = sizeof(ls_import_common)};

/* ---- the growing set ---- */

ls_status ls__import_read(const ls_import *import, const char *path, ls_file *out) {
    for (size_t i = 0; i < import->presets; i++)
        if (strcmp(import->preset[i].name, path) == 0) {
            *out = import->preset[i];
            return LS_OK;
        }
    return ls__file_read(path, out);
}

void ls__import_release(const ls_import *import, ls_file *file) {
    for (size_t i = 0; i < import->presets; i++)
        if (file->bytes == import->preset[i].bytes) return;
    ls__file_free(file);
}

ls_status ls__import_field(ls_import *import, const char *name, ls_dtype dtype, ls_shape shape, ls_import_field **out) {
    assert(import->fields < LS_IMPORT_FIELDS);
    ls_import_field *field = &import->field[import->fields++];
    *field = (ls_import_field){
        .name = name, .dtype = dtype, .shape = shape, .row_bytes = ls_shape_size(shape) * ls_dtype_size(dtype)};
    *out = field;
    return LS_OK;
}

ls_status ls__import_rows(ls_import_field *field, size_t count, void **out) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, field->row_bytes, &bytes))
        return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu samples of \"%s\"", count, field->name);
    return ls__bytes_grow(&field->rows, bytes, out);
}

void ls__import_words(ls_import *import, const char *name, ls_texts words) {
    assert(import->lists < LS_IMPORT_LISTS);
    import->list[import->lists++] = (ls_import_list){.name = name, .words = words};
}

void ls__import_free(ls_import *import) {
    for (size_t i = 0; i < import->fields; i++) free(import->field[i].rows.items);
    free(import->part);
    ls_pool_destroy(import->pool);
    *import = (ls_import){0};
}

ls_dtype ls__dtype_for(uint64_t largest) {
    return largest <= UINT8_MAX ? LS_DTYPE_U8 : largest <= UINT16_MAX ? LS_DTYPE_U16 : LS_DTYPE_I32;
}

void ls__dtype_store(ls_dtype dtype, uint32_t value, void *out) {
    uint8_t byte = (uint8_t)value;
    uint16_t pair = (uint16_t)value;
    switch (ls_dtype_size(dtype)) {
    case 1: memcpy(out, &byte, 1); return;
    case 2: memcpy(out, &pair, 2); return;
    default: memcpy(out, &value, 4); return;
    }
}

/* ---- the split ---- */

ls_status ls__import_split(ls_import *import, size_t samples, const uint32_t *labels, size_t classes) {
    import->part = calloc(samples ? samples : 1, 1);
    if (!import->part) return LS_FAIL(LS_ERR_MEMORY, "no memory for the split of %zu samples", samples);
    import->parted = samples;
    double fraction = import->common->split;
    if (fraction <= 0) return LS_OK;
    size_t tested = ls__split_share(fraction, samples);
    if (tested == 0 || tested == samples)
        return LS_FAIL(LS_ERR_USAGE, "--split %g of %zu samples leaves %s empty", fraction, samples,
                       tested ? "/train" : "/test");
    if (import->ordered) {
        memset(import->part + (samples - tested), 1, tested);
        return LS_OK;
    }
    return ls__split_mark(import->common->seed, LS_PURPOSE_IMPORT, fraction, samples, labels, classes, import->part);
}

/* The label of a sample; false where it is no number of a class. */
static bool label_at(const ls_import_field *field, size_t sample, uint32_t *out) {
    int64_t label = -1;
    const unsigned char *row = field->rows.items + sample * field->row_bytes;
    bool fits = ls_dtype_convert(field->dtype, row, LS_DTYPE_I64, &label, 1, NULL) && label >= 0 && label <= UINT16_MAX;
    *out = fits ? (uint32_t)label : 0;
    return fits;
}

/* Labels of field y, where it holds one small integer a sample. They are malloc'd; NULL where there are none. */
static ls_status labels_of(const ls_import *import, size_t samples, uint32_t **out, size_t *classes) {
    *out = NULL;
    *classes = 0;
    for (size_t f = 0; f < import->fields; f++) {
        const ls_import_field *field = &import->field[f];
        if (strcmp(field->name, "y") != 0 || field->shape.rank != 0 || !ls_dtype_is_integer(field->dtype)) continue;
        uint32_t *labels = calloc(samples ? samples : 1, sizeof *labels);
        if (!labels) return LS_FAIL(LS_ERR_MEMORY, "no memory for the labels of %zu samples", samples);
        bool small = true;
        for (size_t i = 0; i < samples && small; i++) {
            small = label_at(field, i, &labels[i]);
            if (labels[i] >= *classes) *classes = labels[i] + 1;
        }
        *out = small ? labels : NULL;
        if (!small) free(labels);
    }
    return LS_OK;
}

static ls_status split_if_needed(ls_import *import, size_t samples) {
    if (import->part) {
        assert(import->parted == samples);
        return LS_OK;
    }
    uint32_t *labels = NULL;
    size_t classes = 0;
    LS_TRY(labels_of(import, samples, &labels, &classes));
    ls_status status = ls__import_split(import, samples, labels, classes);
    free(labels);
    return status;
}

/* ---- writing ---- */

static const char *const group_of_part[2] = {"/train", "/test"};

static ls_status add_field(ls_store_writer *writer, const ls_import_field *field, unsigned part, size_t samples,
                           size_t *index) {
    char path[64];
    snprintf(path, sizeof path, "%s/%s", group_of_part[part], field->name);
    size_t dim[1 + LS_MAX_RANK] = {samples};
    memcpy(dim + 1, field->shape.dim, field->shape.rank * sizeof dim[0]);
    LS_TRY(ls_store_add(writer, path, field->dtype, 1 + field->shape.rank, dim, LS_PART_STATE, index));
    return ls_store_add_blocks(writer, *index);
}

/* Runs of samples of one part go to the file in one piece. */
static ls_status fill_field(ls_store_writer *writer, const ls_import_field *field, const unsigned char *parts,
                            size_t samples, unsigned part, size_t index) {
    for (size_t i = 0, end; i < samples; i = end) {
        for (end = i + 1; end < samples && parts[end] == parts[i];) end++;
        if (parts[i] == part) LS_TRY(ls_store_append(writer, index, field->rows.items + i * field->row_bytes, end - i));
    }
    return LS_OK;
}

static size_t longest(const ls_texts *words) {
    size_t most = 1;
    for (size_t i = 0; i < words->count; i++)
        if (strlen(words->items[i]) > most) most = strlen(words->items[i]);
    return most;
}

static ls_status fill_words(ls_store_writer *writer, const ls_texts *words, size_t index) {
    size_t width = longest(words);
    void *rows = NULL;
    LS_TRY(ls_block_create(words->count, width, "a list of words", &rows));
    for (size_t i = 0; i < words->count; i++)
        memcpy((char *)rows + i * width, words->items[i], strlen(words->items[i]));
    ls_status status = ls_store_append(writer, index, rows, words->count);
    ls_block_destroy(rows);
    return status;
}

typedef struct layout {
    size_t samples, in_part[2];
    size_t field[LS_IMPORT_FIELDS][2], list[LS_IMPORT_LISTS], source;
} layout;

static ls_status lay_out(const ls_import *import, ls_store_writer *writer, layout *l) {
    for (unsigned part = 0; part < 2; part++)
        for (size_t f = 0; f < import->fields && l->in_part[part]; f++)
            LS_TRY(add_field(writer, &import->field[f], part, l->in_part[part], &l->field[f][part]));
    for (size_t i = 0; i < import->lists; i++) {
        const ls_import_list *list = &import->list[i];
        char path[64];
        snprintf(path, sizeof path, "/%s", list->name);
        LS_TRY(ls_store_add_text(writer, path, longest(&list->words), list->words.count, LS_PART_STATE, &l->list[i]));
    }
    const char *source = import->common->source;
    if (source) LS_TRY(ls_store_add_text(writer, "/source", strlen(source), 0, LS_PART_OTHER, &l->source));
    return ls_store_seal(writer);
}

static ls_status fill(const ls_import *import, ls_store_writer *writer, const layout *l) {
    for (unsigned part = 0; part < 2; part++)
        for (size_t f = 0; f < import->fields && l->in_part[part]; f++)
            LS_TRY(fill_field(writer, &import->field[f], import->part, l->samples, part, l->field[f][part]));
    for (size_t i = 0; i < import->lists; i++) LS_TRY(fill_words(writer, &import->list[i].words, l->list[i]));
    const char *source = import->common->source;
    if (source) LS_TRY(ls_store_fill(writer, l->source, 0, source, strlen(source)));
    return ls_store_commit(writer, NULL, NULL);
}

static void say_what_was_written(const ls_import *import, const char *output, const layout *l) {
    for (size_t f = 0; f < import->fields; f++) {
        const ls_import_field *field = &import->field[f];
        char shape[96];
        ls_logger_say(import->log, LS_LOG_INFO, "%s: %s %s of a sample, %s", output, field->name,
                      ls_shape_text(field->shape, shape, sizeof shape), ls_dtype_name(field->dtype));
    }
    for (size_t i = 0; i < import->lists; i++)
        ls_logger_say(import->log, LS_LOG_INFO, "%s: %zu %s", output, import->list[i].words.count,
                      import->list[i].name);
    ls_logger_say(import->log, LS_LOG_INFO, "%s: %zu samples in /train, %zu in /test", output, l->in_part[0],
                  l->in_part[1]);
}

ls_status ls__import_write(ls_import *import, const char *output) {
    assert(import->fields > 0);
    layout l = {.samples = import->field[0].rows.count / import->field[0].row_bytes};
    for (size_t f = 0; f < import->fields; f++)
        assert(import->field[f].rows.count == l.samples * import->field[f].row_bytes);
    if (l.samples == 0) return LS_FAIL(LS_ERR_DATA, "the input has no samples");
    LS_TRY(split_if_needed(import, l.samples));
    for (size_t i = 0; i < l.samples; i++) l.in_part[import->part[i]]++;
    ls_store_writer *writer = NULL;
    LS_TRY(ls_store_create(output, NULL, &writer));
    ls_status status = lay_out(import, writer, &l);
    if (status == LS_OK) status = fill(import, writer, &l);
    ls_store_writer_destroy(writer);
    if (status == LS_OK) say_what_was_written(import, output, &l);
    return status;
}

ls_status ls_import_run(const ls_choice *format, const ls_texts *inputs, const char *output, ls_logger *log) {
    const ls_format_type *type = (const ls_format_type *)format->type;
    ls_import import = {.log = log, .common = format->common};
    LS_TRY(ls_pool_create(&import.pool));
    ls_status status = type->import(format->options, inputs, &import);
    if (status == LS_OK) status = ls__import_write(&import, output);
    ls__import_free(&import);
    return status;
}
