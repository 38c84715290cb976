/**
 * memory.h: aligned blocks, and pools that are freed as a whole.
 *
 * Three kinds of memory live in this program:
 *  - blocks of numbers: ls_block_create(), zeroed and aligned to 64 bytes (one AVX-512 register, one cache line);
 *  - small things with one common end (a configuration, a graph): an ls_pool hands them out and frees all at once;
 *  - parameters and gradients: the arenas of tensor.h, in memory that comm.h provides.
 *
 * All functions are local.
 */
#ifndef LOCKSTEP_MEMORY_H
#define LOCKSTEP_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "lockstep/status.h"

/** Alignment of every block of numbers, in bytes. */
#define LS_ALIGNMENT ((size_t)64)

/** The least multiple of `unit` that holds `count`. */
static inline size_t ls_round_up(size_t count, size_t unit) {
    return (count + unit - 1) / unit * unit;
}

/**
 * A zeroed block of `count` items of `size` bytes, aligned to LS_ALIGNMENT. `what` is named in the error
 * ("the activations"). count 0 gives a valid pointer. Yours: ls_block_destroy().
 */
ls_status ls_block_create(size_t count, size_t size, const char *what, void **out) LS_MUST_USE;
void ls_block_destroy(void *block);

/** A bump allocator. Everything it hands out lives until ls_pool_destroy() and is zeroed. */
typedef struct ls_pool ls_pool;

ls_status ls_pool_create(ls_pool **out) LS_MUST_USE;
void ls_pool_destroy(ls_pool *pool);

/** `bytes` zeroed bytes, aligned for any object. Borrowed from the pool. */
ls_status ls_pool_take(ls_pool *pool, size_t bytes, void **out) LS_MUST_USE;

/** A copy of `text` in the pool. */
ls_status ls_pool_text(ls_pool *pool, const char *text, const char **out) LS_MUST_USE;

/** A formatted text in the pool. */
ls_status ls_pool_format(ls_pool *pool, const char **out, const char *format, ...) LS_PRINTF(3, 4) LS_MUST_USE;

/** A growing text: resolved configurations, reports, JSON lines. Starts as {0}; ls_text_free() ends it. */
typedef struct ls_text {
    char *bytes;   /* NUL-terminated; NULL while empty */
    size_t length; /* without the NUL */
    size_t space;
} ls_text;

ls_status ls_text_add(ls_text *text, const char *format, ...) LS_PRINTF(2, 3) LS_MUST_USE;
ls_status ls_text_add_bytes(ls_text *text, const void *bytes, size_t length) LS_MUST_USE;
void ls_text_free(ls_text *text);

#endif
