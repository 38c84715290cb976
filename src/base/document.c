#include "lockstep/document.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static ls_status make_node(ls_pool *pool, ls_document_kind kind, ls_place place, ls_document **out) {
    void *node = NULL;
    LS_TRY(ls_pool_take(pool, sizeof(ls_document), &node));
    *out = node;
    (*out)->kind = kind;
    (*out)->place = place;
    return LS_OK;
}

ls_status ls_document_scalar(ls_pool *pool, ls_place place, const char *text, bool quoted, ls_document **out) {
    LS_TRY(make_node(pool, LS_DOCUMENT_SCALAR, place, out));
    (*out)->text = text;
    (*out)->quoted = quoted;
    return LS_OK;
}

ls_status ls_document_list(ls_pool *pool, ls_place place, ls_document **out) {
    return make_node(pool, LS_DOCUMENT_LIST, place, out);
}

ls_status ls_document_map(ls_pool *pool, ls_place place, ls_document **out) {
    return make_node(pool, LS_DOCUMENT_MAP, place, out);
}

/* A copy of an array of `count` items with room for twice as many. */
static ls_status grow(ls_pool *pool, size_t count, size_t size, const void *array, void **out) {
    LS_TRY(ls_pool_take(pool, (count ? 2 * count : 1) * size, out));
    if (count) memcpy(*out, array, count * size);
    return LS_OK;
}

/* Arrays hold the next power of two: one is full where its count is a power of two, or 0. */
static bool is_full(size_t count) {
    return (count & (count - 1)) == 0;
}

ls_status ls_document_add(ls_pool *pool, ls_document *list, ls_document *item) {
    assert(list->kind == LS_DOCUMENT_LIST);
    if (is_full(list->count)) {
        void *items = NULL;
        LS_TRY(grow(pool, list->count, sizeof *list->items, list->items, &items));
        list->items = items;
    }
    list->items[list->count++] = item;
    return LS_OK;
}

static size_t index_of(const ls_document *map, const char *key) {
    size_t i = 0;
    while (i < map->count && strcmp(map->keys[i], key) != 0) i++;
    return i;
}

ls_status ls_document_put(ls_pool *pool, ls_document *map, const char *key, ls_place place, ls_document *item) {
    assert(map->kind == LS_DOCUMENT_MAP);
    size_t i = index_of(map, key);
    if (i == map->count && is_full(map->count)) {
        void *keys = NULL, *places = NULL, *items = NULL;
        LS_TRY(grow(pool, map->count, sizeof *map->keys, map->keys, &keys));
        LS_TRY(grow(pool, map->count, sizeof *map->key_place, map->key_place, &places));
        LS_TRY(grow(pool, map->count, sizeof *map->items, map->items, &items));
        map->keys = keys;
        map->key_place = places;
        map->items = items;
    }
    map->items[i] = item;
    if (i < map->count) return LS_OK;
    map->keys[i] = key;
    map->key_place[i] = place;
    map->count++;
    return LS_OK;
}

ls_document *ls_document_find(const ls_document *map, const char *key) {
    assert(map->kind == LS_DOCUMENT_MAP);
    size_t i = index_of(map, key);
    return i < map->count ? map->items[i] : NULL;
}

ls_status ls_document_fail(ls_place place, ls_code code, const char *format, ...) {
    char sentence[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return ls_document_locate(LS_FAIL(code, "%s", sentence), place);
}

ls_status ls_document_locate(ls_status status, ls_place place) {
    if (!place.file) return status;
    if (place.line <= 0) return ls_status_prefix(status, "%s", place.file);
    return ls_status_prefix(status, "%s:%d:%d", place.file, place.line, place.column);
}
