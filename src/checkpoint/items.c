#include "checkpoint/items.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct ls_items {
    size_t count, space;
    ls_item *items;
};

ls_status ls_items_create(ls_items **out) {
    *out = calloc(1, sizeof **out);
    return *out ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for the items of a checkpoint");
}

void ls_items_clear(ls_items *items) {
    for (size_t i = 0; i < items->count; i++) {
        free((char *)items->items[i].path);
        free((void *)items->items[i].data);
    }
    items->count = 0;
}

void ls_items_destroy(ls_items *items) {
    if (!items) return;
    ls_items_clear(items);
    free(items->items);
    free(items);
}

size_t ls_items_count(const ls_items *items) {
    return items->count;
}

const ls_item *ls_items_at(const ls_items *items, size_t index) {
    assert(index < items->count);
    return &items->items[index];
}

const ls_item *ls_items_find(const ls_items *items, const char *path) {
    for (size_t i = 0; i < items->count; i++)
        if (strcmp(items->items[i].path, path) == 0) return &items->items[i];
    return NULL;
}

/* ---- adding --------------------------------------------------------------------------------------------------- */

static bool has_place(const char *path) {
    return strncmp(path, "/state/", 7) == 0 || strncmp(path, "/statistics/", 12) == 0 ||
           strncmp(path, "/provenance/", 12) == 0;
}

ls_status ls_items_add(ls_items *items, const ls_item *item) {
    assert(has_place(item->path) && !ls_items_find(items, item->path));
    if (items->count == items->space) {
        size_t space = items->space ? 2 * items->space : 32;
        ls_item *larger = realloc(items->items, space * sizeof *larger);
        if (!larger) return LS_FAIL(LS_ERR_MEMORY, "no memory for the items of a checkpoint");
        items->items = larger;
        items->space = space;
    }
    char *path = strdup(item->path);
    void *data = malloc(item->bytes + 1);
    if (!path || !data) {
        free(path);
        free(data);
        return LS_FAIL(LS_ERR_MEMORY, "no memory for the items of a checkpoint");
    }
    if (item->bytes) memcpy(data, item->data, item->bytes);
    ls_item *copy = &items->items[items->count++];
    *copy = *item;
    copy->path = path;
    copy->data = data;
    return LS_OK;
}

static ls_status add_numbers(ls_items *items, const char *path, ls_dtype dtype, size_t rank, size_t count,
                             const void *values) {
    bool state = strncmp(path, "/provenance/", 12) != 0;
    ls_item item = {.path = path, .dtype = dtype, .rank = rank, .dim = {count}, .data = values};
    item.part = state ? LS_PART_STATE : LS_PART_OTHER;
    item.bytes = count * (dtype == LS_DTYPE_TEXT ? 1 : ls_dtype_size(dtype));
    return ls_items_add(items, &item);
}

ls_status ls_items_add_count(ls_items *items, const char *path, uint64_t value) {
    return add_numbers(items, path, LS_DTYPE_U64, 0, 1, &value);
}

ls_status ls_items_add_real(ls_items *items, const char *path, double value) {
    return add_numbers(items, path, LS_DTYPE_F64, 0, 1, &value);
}

ls_status ls_items_add_text(ls_items *items, const char *path, const char *text) {
    return add_numbers(items, path, LS_DTYPE_TEXT, 0, strlen(text), text);
}

ls_status ls_items_add_reals(ls_items *items, const char *path, const double *values, size_t count) {
    return add_numbers(items, path, LS_DTYPE_F64, 1, count, values);
}

ls_status ls_items_add_floats(ls_items *items, const char *path, const float *values, size_t count) {
    return add_numbers(items, path, LS_DTYPE_F32, 1, count, values);
}

ls_status ls_items_add_counts(ls_items *items, const char *path, const uint64_t *values, size_t count) {
    return add_numbers(items, path, LS_DTYPE_U64, 1, count, values);
}

/* ---- getting -------------------------------------------------------------------------------------------------- */

static ls_status get(const ls_items *items, const char *path, ls_dtype dtype, size_t count, void *out) {
    const ls_item *item = ls_items_find(items, path);
    if (!item) return LS_FAIL(LS_ERR_DATA, "the checkpoint holds no %s", path);
    if (item->dtype != dtype || item->bytes != count * ls_dtype_size(dtype))
        return LS_FAIL(LS_ERR_DATA, "%s of the checkpoint is %zu bytes of %s where %zu of %s are needed", path,
                       item->bytes, ls_dtype_name(item->dtype), count * ls_dtype_size(dtype), ls_dtype_name(dtype));
    if (item->bytes) memcpy(out, item->data, item->bytes);
    return LS_OK;
}

ls_status ls_items_get_count(const ls_items *items, const char *path, uint64_t *out) {
    return get(items, path, LS_DTYPE_U64, 1, out);
}

ls_status ls_items_get_real(const ls_items *items, const char *path, double *out) {
    return get(items, path, LS_DTYPE_F64, 1, out);
}

ls_status ls_items_get_text(const ls_items *items, const char *path, char **out) {
    *out = NULL;
    const ls_item *item = ls_items_find(items, path);
    if (!item) return LS_FAIL(LS_ERR_DATA, "the checkpoint holds no %s", path);
    if (item->dtype != LS_DTYPE_TEXT)
        return LS_FAIL(LS_ERR_DATA, "%s of the checkpoint is %s where text is needed", path,
                       ls_dtype_name(item->dtype));
    *out = strndup(item->data, item->bytes);
    return *out ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for a text");
}

ls_status ls_items_get_reals(const ls_items *items, const char *path, double *out, size_t count) {
    return get(items, path, LS_DTYPE_F64, count, out);
}

ls_status ls_items_get_floats(const ls_items *items, const char *path, float *out, size_t count) {
    return get(items, path, LS_DTYPE_F32, count, out);
}

ls_status ls_items_get_counts(const ls_items *items, const char *path, uint64_t *out, size_t count) {
    return get(items, path, LS_DTYPE_U64, count, out);
}

/* ---- as bytes ------------------------------------------------------------------------------------------------- */

/* An item is this head, its path, its bytes. */
typedef struct head {
    ls_item item; /* its pointers mean nothing */
    size_t path_length;
} head;

ls_status ls__items_encode(const ls_items *items, ls_text *out) {
    for (size_t i = 0; i < items->count; i++) {
        head h;
        memset(&h, 0, sizeof h);
        h.item = items->items[i];
        h.path_length = strlen(h.item.path);
        const char *path = h.item.path, *data = h.item.data;
        h.item.path = NULL;
        h.item.data = NULL;
        LS_TRY(ls_text_add_bytes(out, &h, sizeof h));
        LS_TRY(ls_text_add_bytes(out, path, h.path_length));
        if (h.item.bytes) LS_TRY(ls_text_add_bytes(out, data, h.item.bytes));
    }
    return LS_OK;
}

ls_status ls__items_decode(const char *bytes, size_t length, ls_items *items) {
    for (size_t at = 0; at < length;) {
        head h;
        memcpy(&h, bytes + at, sizeof h);
        at += sizeof h;
        char *path = strndup(bytes + at, h.path_length);
        if (!path) return LS_FAIL(LS_ERR_MEMORY, "no memory for the items of a checkpoint");
        at += h.path_length;
        h.item.path = path;
        h.item.data = bytes + at;
        at += h.item.bytes;
        ls_status status = ls_items_add(items, &h.item);
        free(path);
        LS_TRY(status);
    }
    return LS_OK;
}
