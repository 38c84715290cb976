/* Data in the node's memory: loading, checking, and the digest. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "data/dataset.h"
#include "lockstep/signals.h"

/* What one rank found while it loaded its share of a column: one line a rank and column behind the data. */
typedef struct finding {
    int64_t least, largest;
    uint64_t bad; /* first row with a number that is not finite, + 1; 0: none */
    uint64_t beyond_float;
} finding;

enum { LOAD_BYTES = 4 << 20 };

ls_status ls__asked_to_stop(void) {
    if (!(ls_signals_noted() & (LS_SIGNAL_STOP | LS_SIGNAL_STOP_NOW))) return LS_OK;
    return LS_FAIL(LS_ERR_STOPPED, "stopped by a signal while the data were read");
}

size_t ls__cache_bytes(size_t cache) {
    if (cache) return cache;
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size / 4 : (size_t)1 << 30;
}

#define RANGE(type)                                                                                                    \
    do {                                                                                                               \
        const type *x = rows;                                                                                          \
        type low = x[0], high = x[0];                                                                                  \
        for (size_t i = 1; i < elements; i++) {                                                                        \
            low = x[i] < low ? x[i] : low;                                                                             \
            high = x[i] > high ? x[i] : high;                                                                          \
        }                                                                                                              \
        *least = (int64_t)low;                                                                                         \
        *largest = (int64_t)high;                                                                                      \
    } while (0)

static void rows_range(const ls_column *column, const void *rows, size_t count, int64_t *least, int64_t *largest) {
    size_t elements = count * ls_shape_size(column->shape);
    switch (column->dtype) {
    case LS_DTYPE_U8: RANGE(uint8_t); return;
    case LS_DTYPE_I8: RANGE(int8_t); return;
    case LS_DTYPE_U16: RANGE(uint16_t); return;
    case LS_DTYPE_I16: RANGE(int16_t); return;
    case LS_DTYPE_U32: RANGE(uint32_t); return;
    case LS_DTYPE_I32: RANGE(int32_t); return;
    case LS_DTYPE_U64:
        RANGE(uint64_t);
        if (*least < 0) *least = INT64_MAX; /* beyond int64 */
        if (*largest < 0) *largest = INT64_MAX;
        return;
    case LS_DTYPE_I64: RANGE(int64_t); return;
    default: *least = *largest = 0;
    }
}

static void inspect(const ls_column *column, const unsigned char *rows, size_t first, size_t count, finding *f) {
    int64_t least = 0, largest = 0;
    rows_range(column, rows, count, &least, &largest);
    if (least < f->least) f->least = least;
    if (largest > f->largest) f->largest = largest;
    f->beyond_float |= !ls__rows_fit_floats(column, rows, count);
    if (f->bad || ls__rows_finite(column, rows, count)) return;
    for (size_t i = 0; i < count && !f->bad; i++)
        if (!ls__rows_finite(column, rows + i * column->row_bytes, 1)) f->bad = first + i + 1;
}

/* ---- loading ---------------------------------------------------------------------------------------------------- */

/* This rank's share of a column, in pieces that stay in the cache between reading and looking. */
static ls_status load_share(const ls_storage *s, ls_column *column, unsigned char *rows, finding *f) {
    size_t first, end;
    ls__rows_share(s->rows, ls_comm_memory_rank(s->memory), ls_comm_memory_size(s->memory), &first, &end);
    size_t step = column->row_bytes < LOAD_BYTES ? LOAD_BYTES / column->row_bytes : 1;
    *f = (finding){.least = INT64_MAX, .largest = INT64_MIN};
    for (size_t at = first; at < end; at += step) {
        size_t count = end - at < step ? end - at : step;
        unsigned char *to = rows + at * column->row_bytes;
        LS_TRY(ls__asked_to_stop());
        ls_comm_beat(s->comm);
        LS_TRY(ls__storage_read(s, column, at, count, to));
        inspect(column, to, at, count, f);
    }
    return LS_OK;
}

static ls_status conclude(const ls_storage *s, ls_column *column, const finding *findings, size_t stride) {
    column->least = INT64_MAX;
    column->largest = INT64_MIN;
    for (size_t r = 0; r < ls_comm_memory_size(s->memory); r++) {
        const finding *f = &findings[r * stride];
        if (f->bad)
            return ls__row_fail(s, column, (size_t)f->bad - 1, "holds a number that is not finite (NaN or infinity)");
        if (f->least < column->least) column->least = f->least;
        if (f->largest > column->largest) column->largest = f->largest;
        column->beyond_float |= f->beyond_float != 0;
    }
    return LS_OK;
}

/* Which columns go to memory: all, or the small ones. */
static size_t plan_memory(const ls_storage *s, bool all, size_t *offset) {
    size_t bytes = 0;
    for (size_t i = 0; i < s->columns; i++) {
        offset[i] = SIZE_MAX;
        if (!all && !s->column[i].small) continue;
        offset[i] = bytes;
        bytes += ls_round_up(s->rows * s->column[i].row_bytes, LS_ALIGNMENT);
    }
    return bytes;
}

static ls_status load_columns(ls_storage *s, unsigned char *base, const size_t *offset, finding *findings) {
    ls_status status = LS_OK;
    size_t rank = ls_comm_memory_rank(s->memory);
    for (size_t i = 0; i < s->columns && status == LS_OK; i++)
        if (offset[i] != SIZE_MAX)
            status = load_share(s, &s->column[i], base + offset[i], &findings[rank * s->columns + i]);
    LS_TRY(ls_comm_agree(s->comm, status));
    for (size_t i = 0; i < s->columns && status == LS_OK; i++) {
        if (offset[i] == SIZE_MAX) continue;
        status = conclude(s, &s->column[i], &findings[i], s->columns);
        s->column[i].rows = base + offset[i];
    }
    return ls_comm_agree(s->comm, status);
}

/* Memory for the whole set; where the node has too little for that, for the small columns. */
static ls_status reserve(ls_storage *s, bool all, ls_logger *log, size_t *offset, void **base) {
    size_t ranks = ls_comm_node_size(s->comm);
    for (;; all = false) {
        size_t data = plan_memory(s, all, offset);
        size_t bytes = data + ranks * s->columns * sizeof(finding);
        ls_status status = ls_comm_memory_create(s->comm, bytes, "the data", base, &s->memory);
        ls_status agreed = ls_comm_agree(s->comm, status);
        s->cached = data;
        if (agreed == LS_OK || !all) return agreed;
        ls_comm_memory_destroy(s->memory);
        s->memory = NULL;
        ls_logger_say(log, LS_LOG_WARNING, "%s; the data are streamed from their file instead",
                      ls_status_message(agreed));
        ls_status_free(agreed);
    }
}

static void warn_of_streaming(const ls_storage *s, ls_logger *log, const size_t *offset) {
    for (size_t i = 0; i < s->columns; i++)
        if (offset[i] == SIZE_MAX && s->column[i].filtered)
            ls_logger_say(log, LS_LOG_WARNING,
                          "%s: \"%s\" is compressed and does not fit into data.cache: reading it sample by sample is "
                          "slow; lockstep repack lays it out for that",
                          s->part[0].path, s->column[i].dataset);
}

ls_status ls__storage_load(ls_storage *s, size_t cache, ls_logger *log) {
    void *memory = NULL, *base = NULL;
    size_t all = 0;
    LS_TRY(ls_comm_agree(s->comm, ls_pool_take(s->pool, s->columns * sizeof(size_t), &memory)));
    size_t *offset = memory;
    LS_TRY(ls_comm_least(s->comm, plan_memory(s, true, offset) <= ls__cache_bytes(cache), &all));
    LS_TRY(reserve(s, all, log, offset, &base));
    warn_of_streaming(s, log, offset);
    finding *findings = (finding *)(void *)((unsigned char *)base + s->cached);
    return load_columns(s, base, offset, findings);
}

/* ---- the digest ------------------------------------------------------------------------------------------------- */

enum { DIGEST_PIECES = 1024, DIGEST_BYTES = 64 << 10 };

/* Bytes [first, first + count) of a column, through whole rows. */
static ls_status read_bytes(const ls_storage *s, const ls_column *column, size_t first, size_t count,
                            unsigned char *rows, XXH3_state_t *hash) {
    if (column->rows) {
        XXH3_64bits_update(hash, column->rows + first, count);
        return LS_OK;
    }
    size_t row = first / column->row_bytes, end = (first + count + column->row_bytes - 1) / column->row_bytes;
    LS_TRY(ls__storage_read(s, column, row, end - row, rows));
    XXH3_64bits_update(hash, rows + (first - row * column->row_bytes), count);
    return LS_OK;
}

static ls_status digest_column(const ls_storage *s, const ls_column *column, XXH3_state_t *hash) {
    uint64_t head[3 + LS_MAX_RANK] = {(uint64_t)column->dtype, s->rows, column->shape.rank};
    for (size_t i = 0; i < column->shape.rank; i++) head[3 + i] = column->shape.dim[i];
    XXH3_64bits_update(hash, head, sizeof head);
    size_t bytes = s->rows * column->row_bytes;
    if (bytes <= (size_t)DIGEST_PIECES * DIGEST_BYTES && column->rows)
        return read_bytes(s, column, 0, bytes, NULL, hash);
    void *rows = NULL;
    LS_TRY(ls_block_create(DIGEST_BYTES + 2 * column->row_bytes, 1, "a piece of the data", &rows));
    ls_status status = LS_OK;
    size_t pieces = (bytes + DIGEST_BYTES - 1) / DIGEST_BYTES;
    if (pieces > DIGEST_PIECES) pieces = DIGEST_PIECES;
    for (size_t i = 0; i < pieces && status == LS_OK; i++) {
        /* Where they cover all the pieces follow each other; else they lie evenly spread, the last at the end. */
        bool whole = bytes <= (size_t)DIGEST_PIECES * DIGEST_BYTES;
        size_t first =
            whole ? i * DIGEST_BYTES : (size_t)((double)(bytes - DIGEST_BYTES) * ((double)i / (DIGEST_PIECES - 1)));
        size_t count = bytes - first < DIGEST_BYTES ? bytes - first : DIGEST_BYTES;
        ls_comm_beat(s->comm);
        status = ls__asked_to_stop();
        if (status == LS_OK) status = read_bytes(s, column, first, count, rows, hash);
    }
    ls_block_destroy(rows);
    return status;
}

static ls_status digest_columns(const ls_storage *s, uint64_t *out) {
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) return LS_FAIL(LS_ERR_MEMORY, "no memory for a digest");
    XXH3_64bits_reset(hash);
    ls_status status = LS_OK;
    for (size_t i = 0; i < s->columns && status == LS_OK; i++) status = digest_column(s, &s->column[i], hash);
    *out = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    return status;
}

/* One rank reads, so that a streamed set is not read by all. */
ls_status ls__storage_digest(const ls_storage *s, uint64_t *out) {
    ls_status status = ls_comm_rank(s->comm) == 0 ? digest_columns(s, out) : LS_OK;
    LS_TRY(ls_comm_agree(s->comm, status));
    return ls_comm_broadcast(s->comm, 0, out, sizeof *out);
}
