#include "lockstep/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ls_status ls_block_create(size_t count, size_t size, const char *what, void **out) {
    *out = NULL;
    assert(size > 0);
    size_t bytes = 0;
    bool overflow = __builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - LS_ALIGNMENT;
    void *block = overflow ? NULL : aligned_alloc(LS_ALIGNMENT, ls_round_up(bytes ? bytes : 1, LS_ALIGNMENT));
    if (!block)
        return LS_FAIL(LS_ERR_MEMORY, "no memory for %s: %zu items of %zu bytes", what, count, size);
    memset(block, 0, ls_round_up(bytes ? bytes : 1, LS_ALIGNMENT));
    *out = block;
    return LS_OK;
}

void ls_block_destroy(void *block) {
    free(block);
}

/* A pool is a list of chunks; only the newest has room. */
typedef struct chunk {
    struct chunk *older;
    size_t used, size;
    max_align_t bytes[];
} chunk;

struct ls_pool {
    chunk *newest;
};

enum { CHUNK_BYTES = 16 << 10 };

ls_status ls_pool_create(ls_pool **out) {
    *out = calloc(1, sizeof **out);
    return *out ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for a pool");
}

void ls_pool_destroy(ls_pool *pool) {
    if (!pool) return;
    for (chunk *c = pool->newest; c;) {
        chunk *older = c->older;
        free(c);
        c = older;
    }
    free(pool);
}

ls_status ls_pool_take(ls_pool *pool, size_t bytes, void **out) {
    *out = NULL;
    if (bytes > SIZE_MAX / 2) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu bytes", bytes);
    size_t need = ls_round_up(bytes ? bytes : 1, sizeof(max_align_t));
    if (!pool->newest || pool->newest->size - pool->newest->used < need) {
        size_t size = need > CHUNK_BYTES ? need : CHUNK_BYTES;
        chunk *c = calloc(1, sizeof *c + size);
        if (!c) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu bytes", size);
        c->size = size;
        c->older = pool->newest;
        pool->newest = c;
    }
    *out = (char *)pool->newest->bytes + pool->newest->used;
    pool->newest->used += need;
    return LS_OK;
}

ls_status ls_pool_text(ls_pool *pool, const char *text, const char **out) {
    void *copy = NULL;
    LS_TRY(ls_pool_take(pool, strlen(text) + 1, &copy));
    memcpy(copy, text, strlen(text) + 1);
    *out = copy;
    return LS_OK;
}

ls_status ls_pool_format(ls_pool *pool, const char **out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    void *copy = NULL;
    ls_status status = ls_pool_take(pool, (size_t)(length < 0 ? 0 : length) + 1, &copy);
    if (status == LS_OK) {
        vsnprintf(copy, (size_t)(length < 0 ? 0 : length) + 1, format, arguments);
        *out = copy;
    }
    va_end(arguments);
    return status;
}

/* Room for `more` bytes and the NUL. */
static ls_status text_reserve(ls_text *text, size_t more) {
    size_t need = text->length + more + 1;
    if (need <= text->space) return LS_OK;
    size_t space = text->space ? text->space : 256;
    while (space < need) space *= 2;
    char *bytes = realloc(text->bytes, space);
    if (!bytes) return LS_FAIL(LS_ERR_MEMORY, "no memory for a text of %zu bytes", space);
    text->bytes = bytes;
    text->space = space;
    return LS_OK;
}

ls_status ls_text_add_bytes(ls_text *text, const void *bytes, size_t length) {
    LS_TRY(text_reserve(text, length));
    if (length) memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
    return LS_OK;
}

ls_status ls_text_add(ls_text *text, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    ls_status status = text_reserve(text, (size_t)(length < 0 ? 0 : length));
    if (status == LS_OK) {
        vsnprintf(text->bytes + text->length, text->space - text->length, format, arguments);
        text->length += (size_t)(length < 0 ? 0 : length);
    }
    va_end(arguments);
    return status;
}

void ls_text_free(ls_text *text) {
    free(text->bytes);
    *text = (ls_text){0};
}
