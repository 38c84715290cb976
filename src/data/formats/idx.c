/*
 * idx: the format of the MNIST files. A file is
 *
 *     0, 0, type, rank | rank sizes of 32 bits, big-endian | the elements, big-endian, last axis fastest
 *
 * with type 8 u8, 9 i8, 11 i16, 12 i32, 13 f32, 14 f64.
 */
#include <string.h>

#include "data/import.h"

typedef struct idx_options {
    bool flat;
} idx_options;

static const ls_option rows[] = {
    LS_OPTION_BOOL(idx_options, flat, "false", "store images as plain rows of numbers instead of (1, height, width)"),
    LS_OPTION_END};

typedef struct idx_array {
    ls_file file;
    ls_dtype dtype;
    size_t rank, dim[1 + LS_MAX_RANK];
    size_t start; /* byte of the first element */
} idx_array;

static bool idx_dtype(unsigned char code, ls_dtype *out) {
    switch (code) {
    case 8: *out = LS_DTYPE_U8; return true;
    case 9: *out = LS_DTYPE_I8; return true;
    case 11: *out = LS_DTYPE_I16; return true;
    case 12: *out = LS_DTYPE_I32; return true;
    case 13: *out = LS_DTYPE_F32; return true;
    case 14: *out = LS_DTYPE_F64; return true;
    default: return false;
    }
}

static size_t big_endian_32(const unsigned char *b) {
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

static ls_status read_header(idx_array *a) {
    const ls_file *file = &a->file;
    const unsigned char *b = file->bytes;
    if (file->length < 4) return ls__file_fail_binary(file, 0, "the file has %zu bytes, too few for IDX", file->length);
    if (b[0] || b[1])
        return ls__file_fail_binary(file, 0, "an IDX file starts with two zero bytes, this one with %d, %d", b[0],
                                    b[1]);
    if (!idx_dtype(b[2], &a->dtype))
        return ls__file_fail_binary(file, 2, "unknown element type %d; allowed: 8, 9, 11, 12, 13, 14", b[2]);
    a->rank = b[3];
    if (a->rank < 1 || a->rank > 1 + LS_MAX_RANK)
        return ls__file_fail_binary(file, 3, "%zu axes; allowed: 1 to %d", a->rank, 1 + LS_MAX_RANK);
    a->start = 4 + 4 * a->rank;
    if (file->length < a->start)
        return ls__file_fail_binary(file, file->length, "the file ends within its %zu sizes", a->rank);
    size_t bytes = ls_dtype_size(a->dtype);
    for (size_t i = 0; i < a->rank; i++) {
        a->dim[i] = big_endian_32(b + 4 + 4 * i);
        if (a->dim[i] == 0) return ls__file_fail_binary(file, 4 + 4 * i, "axis %zu has size 0", i);
        if (__builtin_mul_overflow(bytes, a->dim[i], &bytes))
            return ls__file_fail_binary(file, 4 + 4 * i, "the sizes are too large to be true");
    }
    if (file->length - a->start != bytes)
        return ls__file_fail_binary(file, a->start, "%zu bytes follow, but the sizes ask for %zu",
                                    file->length - a->start, bytes);
    return LS_OK;
}

/* Elements in native order into a field's rows. */
static void copy_native(const idx_array *a, unsigned char *out) {
    size_t width = ls_dtype_size(a->dtype), bytes = a->file.length - a->start;
    const unsigned char *in = a->file.bytes + a->start;
    memcpy(out, in, bytes);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (size_t i = 0; width > 1 && i < bytes; i += width)
        for (size_t k = 0; k < width; k++) out[i + k] = in[i + width - 1 - k];
#endif
}

static ls_shape sample_shape(const idx_array *a, bool flat) {
    ls_shape shape = {.rank = a->rank - 1};
    memcpy(shape.dim, a->dim + 1, shape.rank * sizeof shape.dim[0]);
    if (flat && shape.rank > 1) return (ls_shape){.rank = 1, .dim = {ls_shape_size(shape)}};
    if (shape.rank == 2) return (ls_shape){.rank = 3, .dim = {1, shape.dim[0], shape.dim[1]}};
    return shape;
}

static ls_status import_array(ls_import *import, const char *name, const idx_array *a, bool flat) {
    ls_import_field *field = NULL;
    void *out = NULL;
    LS_TRY(ls__import_field(import, name, a->dtype, sample_shape(a, flat), &field));
    LS_TRY(ls__import_rows(field, a->dim[0], &out));
    copy_native(a, out);
    return LS_OK;
}

static ls_status check_labels(const idx_array *images, const idx_array *labels) {
    if (labels->rank != 1)
        return ls__file_fail_binary(&labels->file, 3, "labels have one axis, this file has %zu (are the two swapped?)",
                                    labels->rank);
    if (labels->dim[0] != images->dim[0])
        return ls__file_fail_binary(&labels->file, 4, "%zu labels, but %s has %zu images", labels->dim[0],
                                    images->file.name, images->dim[0]);
    return LS_OK;
}

static ls_status import_both(const idx_options *options, const ls_texts *inputs, ls_import *import, idx_array *a) {
    for (size_t i = 0; i < inputs->count; i++) {
        LS_TRY(ls__import_read(import, inputs->items[i], &a[i].file));
        LS_TRY(read_header(&a[i]));
    }
    if (inputs->count > 1) LS_TRY(check_labels(&a[0], &a[1]));
    LS_TRY(import_array(import, "x", &a[0], options->flat));
    return inputs->count > 1 ? import_array(import, "y", &a[1], false) : LS_OK;
}

static ls_status import_idx(const void *options, const ls_texts *inputs, ls_import *import) {
    if (inputs->count < 1 || inputs->count > 2)
        return LS_FAIL(LS_ERR_USAGE, "import idx takes a file of images and a file of labels, not %zu files",
                       inputs->count);
    idx_array a[2] = {{.rank = 0}};
    ls_status status = import_both(options, inputs, import, a);
    for (size_t i = 0; i < 2; i++) ls__import_release(import, &a[i].file);
    return status;
}

const ls_format_type ls_format_idx = {
    .type = {"idx", "the MNIST files, plain or gzip: images, then labels", rows, sizeof(idx_options)},
    .usage = "IMAGES [LABELS]",
    .import = import_idx};
