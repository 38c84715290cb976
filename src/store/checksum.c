#include "store/checksum.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/io.h"

/* The head is text, so that the checksum does not hang on how this program numbers its types. */
void ls__checksum_begin(XXH3_state_t *hash, const ls_array *array) {
    char head[256];
    int length =
        snprintf(head, sizeof head, "\n%s %zu rank %zu:", ls_dtype_name(array->dtype), array->item_bytes, array->rank);
    for (size_t i = 0; i < array->rank; i++)
        length += snprintf(head + length, sizeof head - (size_t)length, " %zu", array->dim[i]);
    XXH3_64bits_reset(hash);
    XXH3_64bits_update(hash, array->path, strlen(array->path));
    XXH3_64bits_update(hash, head, (size_t)length + 1);
}

/* ---- blocks of rows ----------------------------------------------------------------------------------------- */

size_t ls__block_rows(size_t row_bytes) {
    return row_bytes < LS__BLOCK_BYTES ? LS__BLOCK_BYTES / row_bytes : 1;
}

size_t ls__block_count(size_t rows, size_t block_rows) {
    return rows / block_rows + (rows % block_rows != 0);
}

void ls__blocks_end(ls__blocks *blocks) {
    if (blocks->within == 0) return;
    blocks->sums[blocks->count++] = XXH3_64bits_digest(blocks->hash);
    blocks->within = 0;
}

void ls__blocks_add(ls__blocks *blocks, const void *bytes, size_t count) {
    const char *next = bytes;
    for (size_t part; count > 0; next += part, count -= part) {
        size_t lacking = blocks->bytes - blocks->within;
        part = count < lacking ? count : lacking;
        if (blocks->within == 0) XXH3_64bits_reset(blocks->hash);
        XXH3_64bits_update(blocks->hash, next, part);
        blocks->within += part;
        if (part == lacking) ls__blocks_end(blocks);
    }
}

/* ---- arrays and files --------------------------------------------------------------------------------------- */

/* Adds the file's bytes [from, to), those of [own, own + 8) as zeros. */
static ls_status add_range(int fd, const char *file, uint64_t from, uint64_t to, uint64_t own, XXH3_state_t *hash,
                           ls__blocks *blocks, char *buffer) {
    while (from < to) {
        size_t count = to - from < LS__BUFFER_BYTES ? (size_t)(to - from) : LS__BUFFER_BYTES;
        LS_TRY(ls__read_at(fd, file, from, buffer, count));
        for (uint64_t at = own; at < own + sizeof(uint64_t); at++)
            if (at >= from && at < from + count) buffer[at - from] = 0;
        XXH3_64bits_update(hash, buffer, count);
        if (blocks) ls__blocks_add(blocks, buffer, count);
        from += count;
    }
    return LS_OK;
}

/* Where no byte is to be blanked: beyond any file, and 8 more do not wrap. */
#define NOWHERE (UINT64_MAX - sizeof(uint64_t))

ls_status ls__checksum_array(int fd, const char *file, const ls_array *array, XXH3_state_t *hash, ls__blocks *blocks,
                             void *buffer, uint64_t *out) {
    ls__checksum_begin(hash, array);
    LS_TRY(add_range(fd, file, array->offset, array->offset + array->bytes, NOWHERE, hash, blocks, buffer));
    if (blocks) ls__blocks_end(blocks);
    *out = XXH3_64bits_digest(hash);
    return LS_OK;
}

ls_status ls__checksum_line(ls_text *lines, uint64_t checksum, ls_store_part part, const char *path) {
    return ls_text_add(lines, "%016" PRIx64 " %s %s\n", checksum, part == LS_PART_STATE ? "state" : "-", path);
}

uint64_t ls__checksum_state(XXH3_state_t *hash, const ls_text *lines) {
    XXH3_64bits_reset(hash);
    const char *line = lines->length ? lines->bytes : "";
    for (const char *end; (end = strchr(line, '\n')); line = end + 1)
        if (end - line > 16 && strncmp(line + 16, " state ", 7) == 0)
            XXH3_64bits_update(hash, line, (size_t)(end - line) + 1);
    return XXH3_64bits_digest(hash);
}

static int by_offset(const void *a, const void *b) {
    uint64_t x = ((const ls__extent *)a)->offset, y = ((const ls__extent *)b)->offset;
    return (x > y) - (x < y);
}

ls_status ls__checksum_file(int fd, const char *file, uint64_t bytes, ls__extent *extents, size_t count, uint64_t own,
                            XXH3_state_t *hash, void *buffer, uint64_t *out) {
    qsort(extents, count, sizeof *extents, by_offset);
    XXH3_64bits_reset(hash);
    XXH3_64bits_update(hash, &bytes, sizeof bytes);
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (extents[i].bytes == 0) continue;
        if (extents[i].offset < at) return LS_FAIL(LS_ERR_IO, "%s: damaged: arrays lie one upon another", file);
        LS_TRY(add_range(fd, file, at, extents[i].offset, own, hash, NULL, buffer));
        at = extents[i].offset + extents[i].bytes;
    }
    LS_TRY(add_range(fd, file, at, bytes, own, hash, NULL, buffer));
    *out = XXH3_64bits_digest(hash);
    return LS_OK;
}
