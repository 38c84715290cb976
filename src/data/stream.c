#include "data/stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lockstep/random.h"

enum { HELD = 2 }; /* windows in memory */

/* Why a rank of the node cannot go on; the first one's stays. */
typedef struct failure {
    _Atomic uint64_t state; /* 0: none, CLAIMED, SAID */
    uint64_t code;          /* ls_code; valid once said, as the words are */
    char words[1008];
} failure;
enum { CLAIMED = 1, SAID = 2 };

struct ls_stream {
    const ls_dataset *set;
    ls_sampler sampler;
    ls_comm *comm;
    uint64_t blocks, windows; /* in an epoch */
    size_t *offset;           /* of a field's rows within a slot; SIZE_MAX: in memory */
    ls_window_range here;     /* the window that was last asked for */
    uint32_t here_epoch;
    ls_permutation order; /* of the blocks of that epoch */
    size_t slot_bytes;
    /* of the node */
    ls_comm_memory *memory;
    failure *failure;
    _Atomic uint64_t *ready, *passed;
    unsigned char *slots;
    /* the thread */
    pthread_t thread;
    bool running;
    atomic_bool stop;
    uint64_t start; /* window to begin with */
};

static void rest_a_moment(void) {
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

static bool is_here(const ls_stream *s, uint32_t epoch, uint64_t position) {
    return s->here.count > 0 && epoch == s->here_epoch && position >= s->here.first &&
           position - s->here.first < s->here.count;
}

/* The number of the window around a position; looked up where it is another one than before. */
static uint64_t window_of(ls_stream *s, uint32_t epoch, uint64_t position) {
    if (!is_here(s, epoch, position)) {
        s->here = ls__sampler_window(&s->sampler, epoch, position);
        s->here_epoch = epoch;
        s->order = ls_permutation_make(s->sampler.seed, LS_PURPOSE_BLOCKS, epoch, s->blocks);
    }
    return (uint64_t)epoch * s->windows + s->here.window;
}

static uint64_t slot_of(const ls_stream *s, uint64_t window, uint64_t in_window) {
    return window % HELD * s->sampler.window + in_window;
}

/* ---- the thread: reads blocks ----------------------------------------------------------------------------------- */

/* True once every rank has left the window that holds this one's slots. */
static bool room_for(const ls_stream *s, uint64_t window) {
    if (window < s->start + HELD) return true;
    for (size_t r = 0; r < ls_comm_memory_size(s->memory); r++)
        if (atomic_load_explicit(&s->passed[r], memory_order_acquire) + HELD <= window) return false;
    return true;
}

/* Samples of one block, through the map of a split, run by run. */
static ls_status read_block(const ls_stream *s, size_t field, uint64_t block, unsigned char *to) {
    const ls_column *column = ls__dataset_column(s->set, field);
    uint64_t first = block * s->sampler.block, end = first + s->sampler.block;
    if (end > s->set->samples) end = s->set->samples;
    for (uint64_t i = first, run; i < end; i += run) {
        size_t row = ls__dataset_row(s->set, i);
        for (run = 1; i + run < end && ls__dataset_row(s->set, i + run) == row + run;) run++;
        LS_TRY(ls__storage_read(s->set->storage, column, row, run, to + (i - first) * column->row_bytes));
    }
    return LS_OK;
}

static ls_status read_slot(const ls_stream *s, uint64_t window, uint64_t in_window) {
    uint32_t epoch = (uint32_t)(window / s->windows);
    uint64_t at = window % s->windows * s->sampler.window + in_window;
    uint64_t block = ls__sampler_block(&s->sampler, epoch, at), slot = slot_of(s, window, in_window);
    for (size_t f = 0; f < s->set->fields; f++)
        if (s->offset[f] != SIZE_MAX) LS_TRY(read_block(s, f, block, s->slots + slot * s->slot_bytes + s->offset[f]));
    atomic_store_explicit(&s->ready[slot], window + 1, memory_order_release);
    return LS_OK;
}

static ls_status read_window(ls_stream *s, uint64_t window) {
    uint64_t first = window % s->windows * s->sampler.window;
    size_t ranks = ls_comm_memory_size(s->memory);
    for (uint64_t k = ls_comm_memory_rank(s->memory); k < s->sampler.window && first + k < s->blocks; k += ranks) {
        if (atomic_load(&s->stop)) return LS_OK;
        LS_TRY(read_slot(s, window, k));
    }
    return LS_OK;
}

void ls__stream_fail(ls_stream *stream, ls_status status) {
    failure *f = stream->failure;
    uint64_t none = 0;
    if (!atomic_compare_exchange_strong(&f->state, &none, CLAIMED)) return;
    f->code = (uint64_t)ls_status_code(status);
    snprintf(f->words, sizeof f->words, "%s", ls_status_message(status));
    atomic_store_explicit(&f->state, SAID, memory_order_release);
}

static void *read_ahead(void *argument) {
    ls_stream *s = argument;
    for (uint64_t window = s->start;; window++) {
        while (!atomic_load(&s->stop) && !room_for(s, window)) rest_a_moment();
        if (atomic_load(&s->stop)) return NULL;
        ls_status status = read_window(s, window);
        if (status == LS_OK) continue;
        ls__stream_fail(s, status);
        ls_status_free(status);
        return NULL;
    }
}

static void end_thread(ls_stream *s) {
    if (!s->running) return;
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    s->running = false;
}

static ls_status begin_thread(ls_stream *s) {
    atomic_store(&s->stop, false);
    if (pthread_create(&s->thread, NULL, read_ahead, s) != 0)
        return LS_FAIL(LS_ERR_RUNTIME, "cannot start the thread that reads ahead");
    s->running = true;
    return LS_OK;
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

/* A slot holds a block of every streamed field. */
static ls_status plan_slots(ls_stream *s) {
    s->offset = calloc(s->set->fields, sizeof *s->offset);
    if (!s->offset) return LS_FAIL(LS_ERR_MEMORY, "no memory for a stream");
    for (size_t f = 0; f < s->set->fields; f++) {
        const ls_column *column = ls__dataset_column(s->set, f);
        s->offset[f] = column->rows ? SIZE_MAX : s->slot_bytes;
        if (!column->rows) s->slot_bytes += ls_round_up(s->sampler.block * column->row_bytes, LS_ALIGNMENT);
    }
    return LS_OK;
}

/*
 * Ranks wait for each other at the end of a batch, so what one needs for it must never wait for another to get there:
 * a batch touches two windows at most, which is certain where it is a block shorter than a window.
 */
static ls_status plan(ls_stream *s, size_t cache, size_t batch, ls_logger *log, bool *possible) {
    *possible = false;
    if (s->sampler.shuffle != LS_SHUFFLE_BLOCK && s->sampler.shuffle != LS_SHUFFLE_NONE) return LS_OK;
    LS_TRY(plan_slots(s));
    if (s->slot_bytes == 0) return LS_OK;
    s->blocks = (s->sampler.samples + s->sampler.block - 1) / s->sampler.block;
    if (s->sampler.window > s->blocks) s->sampler.window = s->blocks; /* the same order, in less memory */
    s->windows = (s->blocks + s->sampler.window - 1) / s->sampler.window;
    uint64_t bytes = s->sampler.window * s->slot_bytes;
    if (bytes > cache)
        return LS_FAIL(
            LS_ERR_CONFIG,
            "%s: a window of %llu bytes does not fit into %zu bytes of data.cache; raise data.cache or lower "
            "data.window",
            s->set->name, (unsigned long long)bytes, cache);
    *possible = HELD * bytes <= cache && batch <= (s->sampler.window - 1) * s->sampler.block;
    if (!*possible)
        ls_logger_say(
            log, LS_LOG_WARNING,
            "%s: samples are read one by one; reading ahead takes %llu bytes of data.cache (two windows) and a "
            "data.window longer than a batch",
            s->set->name, (unsigned long long)(HELD * bytes));
    return LS_OK;
}

/* failure | ready | passed | slots */
static ls_status take_memory(ls_stream *s, ls_logger *log, bool *possible) {
    uint64_t slots = HELD * s->sampler.window;
    size_t words =
        ls_round_up(sizeof *s->failure + (slots + ls_comm_node_size(s->comm)) * sizeof *s->ready, LS_ALIGNMENT);
    void *base = NULL;
    ls_status status =
        ls_comm_memory_create(s->comm, words + slots * s->slot_bytes, "the window of streamed data", &base, &s->memory);
    status = ls_comm_agree(s->comm, status);
    if (status != LS_OK) {
        ls_logger_say(log, LS_LOG_WARNING, "%s; samples are read one by one", ls_status_message(status));
        ls_status_free(status);
        *possible = false;
        return LS_OK;
    }
    s->failure = base;
    s->ready = (_Atomic uint64_t *)(s->failure + 1);
    s->passed = s->ready + slots;
    s->slots = (unsigned char *)base + words;
    return LS_OK;
}

ls_status ls__stream_check(const ls_dataset *dataset, const ls_sampler *sampler, size_t cache, size_t batch) {
    bool possible = false;
    ls_stream s = {.set = dataset, .sampler = *sampler};
    ls_status status = plan(&s, cache, batch, NULL, &possible);
    free(s.offset);
    return status;
}

ls_status ls__stream_create(const ls_dataset *dataset, const ls_sampler *sampler, size_t cache, size_t batch,
                            ls_comm *comm, ls_logger *log, ls_stream **out) {
    *out = NULL;
    bool possible = false;
    ls_stream *s = calloc(1, sizeof *s);
    ls_status status = LS_OK;
    if (s) {
        s->set = dataset;
        s->sampler = *sampler;
        s->comm = comm;
        status = plan(s, cache, batch, log, &possible);
    } else {
        status = LS_FAIL(LS_ERR_MEMORY, "no memory for a stream");
    }
    status = ls_comm_agree(comm, status);
    if (status == LS_OK && possible) status = take_memory(s, log, &possible);
    if (status == LS_OK && possible) {
        *out = s;
        return LS_OK;
    }
    ls__stream_destroy(s);
    return status;
}

void ls__stream_destroy(ls_stream *stream) {
    if (!stream) return;
    /* Others may still wait for what this rank's thread has to read. Who cannot meet them has nothing to wait for. */
    if (stream->memory) ls_status_free(ls_comm_memory_barrier(stream->memory));
    end_thread(stream);
    ls_comm_memory_destroy(stream->memory);
    free(stream->offset);
    free(stream);
}

/* ---- using ------------------------------------------------------------------------------------------------------ */

ls_status ls__stream_seek(ls_stream *stream, uint32_t epoch, uint64_t position) {
    LS_TRY(ls_comm_memory_barrier(stream->memory)); /* nobody waits any more for what this rank's thread has to read */
    end_thread(stream);
    LS_TRY(ls_comm_memory_barrier(stream->memory));
    stream->here.count = 0;
    stream->start = window_of(stream, epoch, position);
    size_t rank = ls_comm_memory_rank(stream->memory);
    atomic_store(&stream->passed[rank], stream->start);
    for (uint64_t i = 0; rank == 0 && i < HELD * stream->sampler.window; i++) atomic_store(&stream->ready[i], 0);
    if (rank == 0) atomic_store(&stream->failure->state, 0);
    LS_TRY(ls_comm_memory_barrier(stream->memory));
    return ls_comm_agree(stream->comm, begin_thread(stream));
}

void ls__stream_pass(ls_stream *stream, uint32_t epoch, uint64_t position) {
    if (is_here(stream, epoch, position)) return;
    uint64_t window = window_of(stream, epoch, position);
    _Atomic uint64_t *mine = &stream->passed[ls_comm_memory_rank(stream->memory)];
    if (window > atomic_load(mine)) atomic_store_explicit(mine, window, memory_order_release);
}

/* Where a block of the present epoch stands in its window. */
static uint64_t place_in_window(const ls_stream *s, uint64_t block) {
    bool permuted = s->sampler.shuffle == LS_SHUFFLE_BLOCK;
    return (permuted ? ls_permutation_find(&s->order, block) : block) % s->sampler.window;
}

ls_status ls__stream_row(ls_stream *stream, size_t field, uint32_t epoch, uint64_t position, uint64_t sample,
                         void *scratch, const void **out) {
    const ls_column *column = ls__dataset_column(stream->set, field);
    uint64_t window = window_of(stream, epoch, position);
    if (window < atomic_load(&stream->passed[ls_comm_memory_rank(stream->memory)])) {
        *out = scratch;
        return ls__storage_read(stream->set->storage, column, ls__dataset_row(stream->set, sample), 1, scratch);
    }
    uint64_t slot = slot_of(stream, window, place_in_window(stream, sample / stream->sampler.block));
    while (atomic_load_explicit(&stream->ready[slot], memory_order_acquire) != window + 1) {
        const failure *f = stream->failure;
        if (atomic_load_explicit(&f->state, memory_order_acquire) == SAID)
            return LS_FAIL((ls_code)f->code, "%s", f->words);
        rest_a_moment();
    }
    *out = stream->slots + slot * stream->slot_bytes + stream->offset[field] +
           sample % stream->sampler.block * column->row_bytes;
    return LS_OK;
}
