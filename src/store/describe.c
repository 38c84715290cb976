#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

static void refuse(ls__entry *entry, const char *format, ...) LS_PRINTF(2, 3);

static void refuse(ls__entry *entry, const char *format, ...) {
    if (entry->array.refusal) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(entry->refusal, sizeof entry->refusal, format, arguments);
    va_end(arguments);
    entry->array.refusal = entry->refusal;
    entry->array.dtype = LS_DTYPE_OTHER;
    entry->array.direct = false;
}

/* The dtype of an integer type, if it is one that C knows. */
static ls_dtype integer_dtype(hid_t type) {
    size_t size = H5Tget_size(type);
    if (H5Tget_precision(type) != 8 * size || H5Tget_offset(type) != 0) return LS_DTYPE_OTHER;
    bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
    switch (size) {
    case 1: return is_signed ? LS_DTYPE_I8 : LS_DTYPE_U8;
    case 2: return is_signed ? LS_DTYPE_I16 : LS_DTYPE_U16;
    case 4: return is_signed ? LS_DTYPE_I32 : LS_DTYPE_U32;
    case 8: return is_signed ? LS_DTYPE_I64 : LS_DTYPE_U64;
    }
    return LS_DTYPE_OTHER;
}

static bool is_half(hid_t type) {
    hid_t half = ls__half_type();
    bool little = H5Tequal(type, half) > 0;
    H5Tset_order(half, H5T_ORDER_BE);
    bool big = H5Tequal(type, half) > 0;
    H5Tclose(half);
    return little || big;
}

static ls_dtype float_dtype(hid_t type) {
    if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0) return LS_DTYPE_F32;
    if (H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0) return LS_DTYPE_F64;
    return is_half(type) ? LS_DTYPE_F16 : LS_DTYPE_OTHER;
}

static const char *class_words(H5T_class_t class) {
    switch (class) {
    case H5T_COMPOUND: return "a compound type (complex numbers, or records with fields)";
    case H5T_REFERENCE: return "references to other objects";
    case H5T_VLEN: return "rows of varying length";
    case H5T_ARRAY: return "an array type per element";
    case H5T_OPAQUE: return "opaque bytes";
    case H5T_BITFIELD: return "bit fields";
    case H5T_TIME: return "an HDF5 time type";
    default: return "a number type that is neither IEEE nor of a whole number of bytes";
    }
}

/* Takes dtype, item_bytes and the type that memory wants: that of the file, with the bytes in native order. */
static void describe_type(ls__entry *entry, hid_t type) {
    ls_array *array = &entry->array;
    H5T_class_t class = H5Tget_class(type);
    array->dtype = LS_DTYPE_OTHER;
    array->item_bytes = H5Tget_size(type);
    if (class == H5T_INTEGER) array->dtype = integer_dtype(type);
    if (class == H5T_FLOAT) array->dtype = float_dtype(type);
    if (class == H5T_STRING) array->dtype = LS_DTYPE_TEXT;
    if (class == H5T_ENUM) {
        hid_t base = H5Tget_super(type);
        array->dtype = integer_dtype(base);
        H5Tclose(base);
    }
    if (array->dtype == LS_DTYPE_OTHER) {
        refuse(entry, "holds %s", class_words(class));
        return;
    }
    if (class == H5T_STRING) {
        if (H5Tis_variable_str(type) > 0) array->item_bytes = 0;
        entry->memory_type = H5Tcopy(type);
    } else if (class == H5T_ENUM) {
        entry->memory_type = H5Tget_native_type(type, H5T_DIR_ASCEND);
    } else {
        entry->memory_type = H5Tcopy(type);
        H5Tset_order(entry->memory_type, H5T_ORDER_LE);
    }
}

/* Takes rank, dimensions and sizes. */
static void describe_shape(ls__entry *entry, hid_t space) {
    ls_array *array = &entry->array;
    if (H5Sget_simple_extent_type(space) == H5S_NULL) {
        refuse(entry, "is empty (it has a type but no shape)");
        return;
    }
    int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0 || rank > LS_STORE_MAX_RANK) {
        refuse(entry, "has %d dimensions; up to %d can be read", rank, LS_STORE_MAX_RANK);
        return;
    }
    hsize_t dims[LS_STORE_MAX_RANK];
    H5Sget_simple_extent_dims(space, dims, NULL);
    array->rank = (size_t)rank;
    array->row_bytes = array->item_bytes;
    bool overflow = false;
    for (size_t i = 0; i < array->rank; i++) {
        array->dim[i] = (size_t)dims[i];
        if (i > 0) overflow |= __builtin_mul_overflow(array->row_bytes, array->dim[i], &array->row_bytes);
    }
    array->rows = array->rank ? array->dim[0] : 1;
    overflow |= __builtin_mul_overflow(array->row_bytes, array->rows, &array->bytes);
    if (overflow) refuse(entry, "claims more bytes than a computer can hold: the file is damaged");
}

static void check_filters(ls__entry *entry, hid_t plist) {
    int filters = H5Pget_nfilters(plist);
    entry->array.filtered = filters > 0;
    for (int i = 0; i < filters; i++) {
        unsigned flags, config;
        size_t values = 0;
        char name[64] = "";
        H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, sizeof name - 1, name, &config);
        if (H5Zfilter_avail(filter) <= 0)
            refuse(entry,
                   "is compressed by filter %d (%s), which this HDF5 lacks: write it with gzip, or h5repack -f NONE",
                   (int)filter, name[0] ? name : "unnamed");
    }
}

/* An external link leads to an array in another file than the one that is read directly. */
static bool in_this_file(const ls__entry *entry, const ls_store *store) {
    H5O_info_t array, root;
    return H5Oget_info2(entry->dataset, &array, H5O_INFO_BASIC) >= 0 &&
           H5Oget_info2(store->file, &root, H5O_INFO_BASIC) >= 0 && array.fileno == root.fileno;
}

/* Decides how rows will be read: straight from the file, or by HDF5 with a cache that holds a row of chunks. */
static size_t describe_layout(ls__entry *entry, hid_t plist, hid_t type, const ls_store *store) {
    ls_array *array = &entry->array;
    H5D_layout_t layout = H5Pget_layout(plist);
    if (layout == H5D_VIRTUAL) {
        refuse(entry, "is a virtual dataset, whose missing sources would read as zeros: list its source files instead");
        return 0;
    }
    array->stored = (size_t)H5Dget_storage_size(entry->dataset);
    check_filters(entry, plist);
    if (layout == H5D_CHUNKED && array->rank > 0) {
        hsize_t chunk[LS_STORE_MAX_RANK];
        H5Pget_chunk(plist, (int)array->rank, chunk);
        array->chunk_rows = (size_t)chunk[0];
        size_t band = array->item_bytes ? array->item_bytes : 16;
        bool overflow = __builtin_mul_overflow(band, array->chunk_rows, &band);
        for (size_t i = 1; i < array->rank; i++) {
            size_t whole = ls_round_up(array->dim[i], (size_t)chunk[i]);
            overflow |= __builtin_mul_overflow(band, whole, &band);
        }
        return overflow ? 0 : band;
    }
    if (layout != H5D_CONTIGUOUS || array->filtered || H5Pget_external_count(plist) > 0 || array->item_bytes == 0)
        return 0;
    if (entry->memory_type < 0 || H5Tequal(type, entry->memory_type) <= 0) return 0;
    if (!in_this_file(entry, store)) return 0;
    if (array->stored < array->bytes) return 0; /* never written: it has no place yet, and reads as its fill value */
    haddr_t offset = H5Dget_offset(entry->dataset);
    if (array->bytes > 0 && (offset == HADDR_UNDEF || offset > store->bytes || array->bytes > store->bytes - offset))
        return 0;
    array->direct = true;
    array->offset = array->bytes > 0 ? offset : 0;
    return 0;
}

/* HDF5's default cache of 1 MiB a dataset makes a random row of a larger chunk cost the whole chunk every time. */
static void widen_cache(ls__entry *entry, const ls_store *store, size_t band) {
    const size_t usual = (size_t)1 << 20, most = (size_t)256 << 20;
    if (band <= usual / 2) return;
    size_t bytes = band < most / 2 ? 2 * band : most;
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(access, 12421, bytes, 1.0);
    hid_t wide = H5Dopen2(store->file, entry->path, access);
    H5Pclose(access);
    if (wide < 0) return;
    H5Dclose(entry->dataset);
    entry->dataset = wide;
}

void ls__array_describe(ls__entry *entry, const ls_store *store) {
    entry->array.path = entry->path;
    entry->memory_type = H5I_INVALID_HID;
    hid_t type = H5Dget_type(entry->dataset);
    hid_t space = H5Dget_space(entry->dataset);
    hid_t plist = H5Dget_create_plist(entry->dataset);
    describe_type(entry, type);
    describe_shape(entry, space);
    size_t band = describe_layout(entry, plist, type, store);
    H5Pclose(plist);
    H5Sclose(space);
    H5Tclose(type);
    widen_cache(entry, store, band);
}
