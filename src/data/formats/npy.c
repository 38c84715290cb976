/*
 * npy: arrays saved by NumPy. A file is
 *
 *     "\x93NUMPY", major, minor | length of the header, 2 bytes (4 from version 2 on) | the header | the elements
 *
 * where the header is "{'descr': '<f4', 'fortran_order': False, 'shape': (100, 64), }".
 */
#include <stdio.h>
#include <string.h>

#include "data/import.h"

typedef struct npy_array {
    ls_file file;
    ls_dtype dtype;
    bool swapped;
    size_t rank, dim[1 + LS_MAX_RANK];
    size_t start;
} npy_array;

static const struct {
    const char *code;
    ls_dtype dtype;
} codes[] = {
    {"u1", LS_DTYPE_U8},  {"b1", LS_DTYPE_U8},  {"i1", LS_DTYPE_I8},  {"u2", LS_DTYPE_U16},
    {"i2", LS_DTYPE_I16}, {"u4", LS_DTYPE_U32}, {"i4", LS_DTYPE_I32}, {"u8", LS_DTYPE_U64},
    {"i8", LS_DTYPE_I64}, {"f2", LS_DTYPE_F16}, {"f4", LS_DTYPE_F32}, {"f8", LS_DTYPE_F64},
};

/* Where the value of a key stands in the header; 0: nowhere. */
static size_t value_of(const npy_array *a, const char *key) {
    char quoted[32];
    int length = snprintf(quoted, sizeof quoted, "'%s':", key);
    const unsigned char *from = a->file.bytes;
    const unsigned char *found = memmem(from, a->start, quoted, (size_t)length);
    if (!found) return 0;
    size_t at = (size_t)(found - from) + (size_t)length;
    while (at < a->start && from[at] == ' ') at++;
    return at < a->start ? at : 0;
}

/* Of the type in quotes that begins at `at`, as far as it can be shown. */
static size_t type_length(const npy_array *a, size_t at) {
    const unsigned char *text = a->file.bytes + at + 1;
    size_t length = 0;
    while (length < 16 && at + 1 + length < a->start && text[length] > ' ' && text[length] < 127 &&
           text[length] != '\'')
        length++;
    return length;
}

static ls_status read_type(npy_array *a) {
    size_t at = value_of(a, "descr");
    const char *text = (const char *)a->file.bytes + at;
    if (at == 0 || a->start - at < 5 || text[0] != '\'')
        return ls__file_fail_binary(&a->file, at, "the header names no simple element type");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (memcmp(text + 2, codes[i].code, 2) == 0 && text[4] == '\'' && strchr("<>|=", text[1])) {
            a->dtype = codes[i].dtype;
            bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
            a->swapped = text[1] == (little ? '>' : '<') && ls_dtype_size(a->dtype) > 1;
            return LS_OK;
        }
    return ls__file_fail_binary(&a->file, at,
                                "element type '%.*s' is not supported; allowed: b1, u1 to u8, i1 to i8, f2, f4, f8",
                                (int)type_length(a, at), text + 1);
}

static ls_status read_shape(npy_array *a) {
    size_t order = value_of(a, "fortran_order"), at = value_of(a, "shape");
    const char *bytes = (const char *)a->file.bytes;
    if (order == 0 || a->start - order < 5 || strncmp(bytes + order, "False", 5) != 0)
        return ls__file_fail_binary(&a->file, order,
                                    "the array is in Fortran order; save numpy.ascontiguousarray of it");
    if (at == 0 || bytes[at] != '(') return ls__file_fail_binary(&a->file, at, "the header has no shape");
    for (at++; at < a->start && bytes[at] != ')';) {
        if (bytes[at] == ',' || bytes[at] == ' ') {
            at++;
            continue;
        }
        size_t value = 0, digits = 0;
        for (; at < a->start && bytes[at] >= '0' && bytes[at] <= '9' && digits < 18; at++, digits++)
            value = 10 * value + (size_t)(bytes[at] - '0');
        if (digits > 0 && value == 0) return ls__file_fail_binary(&a->file, at - 1, "axis %zu has size 0", a->rank);
        if (digits == 0) return ls__file_fail_binary(&a->file, at, "the shape has an axis that is no size");
        if (a->rank == 1 + LS_MAX_RANK) return ls__file_fail_binary(&a->file, at, "more than %d axes", 1 + LS_MAX_RANK);
        a->dim[a->rank++] = value;
    }
    return a->rank > 0 ? LS_OK
                       : ls__file_fail_binary(&a->file, at, "the array is one number; the first axis must be samples");
}

static ls_status check_size(const npy_array *a) {
    size_t bytes = ls_dtype_size(a->dtype);
    for (size_t i = 0; i < a->rank; i++)
        if (__builtin_mul_overflow(bytes, a->dim[i], &bytes))
            return ls__file_fail_binary(&a->file, a->start, "the shape is too large to be true");
    if (a->file.length - a->start != bytes)
        return ls__file_fail_binary(&a->file, a->start, "%zu bytes follow, but the shape asks for %zu",
                                    a->file.length - a->start, bytes);
    return LS_OK;
}

static ls_status read_header(npy_array *a) {
    const unsigned char *b = a->file.bytes;
    if (a->file.length < 12 || memcmp(b, "\x93NUMPY", 6) != 0)
        return ls__file_fail_binary(&a->file, 0, "this is no NumPy array: it does not start with \\x93NUMPY");
    size_t length = b[8] | (size_t)b[9] << 8, before = 10;
    if (b[6] >= 2) {
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
        before = 12;
    }
    a->start = before + length;
    if (a->start > a->file.length) return ls__file_fail_binary(&a->file, 8, "the file ends within its header");
    LS_TRY(read_type(a));
    LS_TRY(read_shape(a));
    return check_size(a);
}

static ls_status import_array(ls_import *import, const char *name, const npy_array *a) {
    ls_shape shape = {.rank = a->rank - 1};
    memcpy(shape.dim, a->dim + 1, shape.rank * sizeof shape.dim[0]);
    ls_import_field *field = NULL;
    void *out = NULL;
    bool half = a->dtype == LS_DTYPE_F16; /* is never written */
    LS_TRY(ls__import_field(import, name, half ? LS_DTYPE_F32 : a->dtype, shape, &field));
    LS_TRY(ls__import_rows(field, a->dim[0], &out));
    size_t bytes = a->file.length - a->start, width = ls_dtype_size(a->dtype);
    const unsigned char *in = a->file.bytes + a->start;
    unsigned char *to = (unsigned char *)out + (half ? bytes : 0); /* the upper half: read before it is written over */
    memcpy(to, in, bytes);
    for (size_t i = 0; a->swapped && i < bytes; i += width)
        for (size_t k = 0; k < width; k++) to[i + k] = in[i + width - 1 - k];
    if (half) ls_dtype_convert(LS_DTYPE_F16, to, LS_DTYPE_F32, out, bytes / width, NULL);
    return LS_OK;
}

static ls_status import_arrays(const ls_texts *inputs, ls_import *import, npy_array *a) {
    static const char *const names[] = {"x", "y"};
    for (size_t i = 0; i < inputs->count; i++) {
        LS_TRY(ls__import_read(import, inputs->items[i], &a[i].file));
        LS_TRY(read_header(&a[i]));
        if (a[i].dim[0] != a[0].dim[0])
            return ls__file_fail_binary(&a[i].file, 0, "%zu samples, but %s has %zu", a[i].dim[0], a[0].file.name,
                                        a[0].dim[0]);
        LS_TRY(import_array(import, names[i], &a[i]));
    }
    return LS_OK;
}

static ls_status import_npy(const void *options, const ls_texts *inputs, ls_import *import) {
    (void)options;
    if (inputs->count < 1 || inputs->count > 2)
        return LS_FAIL(LS_ERR_USAGE, "import npy takes a file of inputs and a file of targets, not %zu files",
                       inputs->count);
    npy_array a[2] = {{.rank = 0}};
    ls_status status = import_arrays(inputs, import, a);
    for (size_t i = 0; i < 2; i++) ls__import_release(import, &a[i].file);
    return status;
}

const ls_format_type ls_format_npy = {
    .type = {"npy", "arrays saved by NumPy: inputs, then targets", NULL, 0}, .usage = "X [Y]", .import = import_npy};
