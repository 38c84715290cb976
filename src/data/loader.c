/* Batches: positions to samples to buffers. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment.h"
#include "data/pack.h"
#include "data/stream.h"

/* A run of positions of an epoch. */
typedef struct run {
    uint32_t epoch;
    uint64_t first;
    size_t count;
} run;

/* The buffers of one batch. */
typedef struct buffers {
    void **field;
    uint64_t *sample;
    run of;
} buffers;

typedef enum ahead_state { AHEAD_IDLE, AHEAD_ASKED, AHEAD_DONE, AHEAD_END } ahead_state;

struct ls_loader {
    const ls_dataset *set;
    ls_sampler sampler;
    ls_loader_field *field;
    size_t fields, capacity;
    const ls_choices *augment;
    uint64_t seed;
    double weight_scale;
    ls_stream *stream;
    buffers now, next; /* next: where the thread packs; unused without one */
    void *row;         /* one stored row, for streamed fields without a window; one for either thread */
    void *row_ahead;
    /* the thread that packs ahead */
    bool ahead;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    ahead_state state;
    ls_status ahead_status;
};

/* ---- packing ---------------------------------------------------------------------------------------------------- */

/* Where a row in memory lies tells the processor what to fetch while the one before is packed. */
enum { FETCH_AHEAD = 4, FETCH_LINES = 8 };

static void fetch(const ls_loader *l, const ls_column *column, uint64_t sample) {
    const unsigned char *row = column->rows + ls__dataset_row(l->set, sample) * column->row_bytes;
    for (size_t i = 0; i < FETCH_LINES && i * 64 < column->row_bytes; i++) __builtin_prefetch(row + i * 64);
}

static ls_status stored_row(const ls_loader *l, size_t field, const run *r, size_t i, const buffers *b, void *scratch,
                            const void **out) {
    const ls_column *column = ls__dataset_column(l->set, field);
    uint64_t sample = b->sample[i];
    if (column->rows) {
        *out = column->rows + ls__dataset_row(l->set, sample) * column->row_bytes;
        return LS_OK;
    }
    if (l->stream) return ls__stream_row(l->stream, field, r->epoch, r->first + i, sample, scratch, out);
    *out = scratch;
    return ls__storage_read(l->set->storage, column, ls__dataset_row(l->set, sample), 1, scratch);
}

static bool augments(const ls_loader *l, const ls_loader_field *f) {
    return f->augment && l->augment && l->augment->count > 0;
}

/* Matrix products are for whole batches; so is what follows an augmentation that way. */
static bool transforms_batch(const ls_loader_field *f) {
    return f->preprocess && f->preprocess->type->apply;
}

static void pack_floats(const ls_loader *l, const ls_loader_field *f, const ls_column *column, const run *r, size_t i,
                        const void *row, float *out) {
    const ls_field *field = &l->set->field[f->field];
    size_t size = ls_shape_size(field->shape);
    const ls_preprocess *preprocess = transforms_batch(f) ? NULL : f->preprocess;
    if (!augments(l, f)) {
        ls__pack_sample(column->dtype, preprocess, size, row, out);
    } else {
        ls__pack_sample(column->dtype, NULL, size, row, out);
        ls__augment(l->augment, l->seed, r->epoch, r->first + i, field->shape, out);
        if (preprocess) ls_preprocess_apply(preprocess, 1, out, out);
    }
    if (field->role == LS_FIELD_WEIGHT) *out = (float)((double)*out * l->weight_scale);
}

/* What lies in memory was looked at when it was loaded, but numbers of 64 bits may be more than a float can hold. */
static ls_status check_floats(const ls_loader *l, const ls_loader_field *f, const ls_column *column, uint64_t sample,
                              const void *row, const float *packed) {
    const ls_field *field = &l->set->field[f->field];
    if (field->integral || (column->rows && column->dtype != LS_DTYPE_F64)) return LS_OK;
    if (ls__finite(LS_DTYPE_F32, ls_shape_size(field->shape), packed)) return LS_OK;
    if (ls__rows_finite(column, row, 1))
        return ls__large_fail(l->set->storage, column, ls__dataset_row(l->set, sample));
    return ls__row_fail(l->set->storage, column, ls__dataset_row(l->set, sample),
                        "holds a number that is not finite (NaN or infinity)");
}

static ls_status pack_row(const ls_loader *l, size_t at, const run *r, size_t i, const buffers *b, void *scratch) {
    const ls_loader_field *f = &l->field[at];
    const ls_column *column = ls__dataset_column(l->set, f->field);
    size_t size = ls_shape_size(l->set->field[f->field].shape), misfit = 0;
    unsigned char *out = (unsigned char *)b->field[at] + 4 * size * i;
    const void *row = NULL;
    if (column->rows && i + FETCH_AHEAD < r->count) fetch(l, column, b->sample[i + FETCH_AHEAD]);
    LS_TRY(stored_row(l, f->field, r, i, b, scratch, &row));
    if (f->buffer == LS_BUFFER_FLOAT) {
        pack_floats(l, f, column, r, i, row, (float *)(void *)out);
        return check_floats(l, f, column, b->sample[i], row, (float *)(void *)out);
    }
    if (!ls__pack_indices(column->dtype, size, row, f->entries, (int32_t *)(void *)out, &misfit))
        return ls__index_fail(l->set->storage, column, ls__dataset_row(l->set, b->sample[i]),
                              (const char *)row + misfit * ls_dtype_size(column->dtype), f->entries);
    return LS_OK;
}

/* Sample by sample: what lies behind the present one is needed no more, also where a batch is longer than a window. */
static ls_status pack(const ls_loader *l, const run *r, buffers *b, void *scratch) {
    ls_sampler_run(&l->sampler, r->epoch, r->first, r->count, b->sample);
    for (size_t i = 0; i < r->count; i++) {
        if (l->stream) ls__stream_pass(l->stream, r->epoch, r->first + i);
        for (size_t k = 0; k < l->fields; k++) LS_TRY(pack_row(l, k, r, i, b, scratch));
    }
    for (size_t k = 0; k < l->fields; k++)
        if (transforms_batch(&l->field[k]))
            ls_preprocess_apply(l->field[k].preprocess, r->count, b->field[k], b->field[k]);
    b->of = *r;
    return LS_OK;
}

/* ---- packing ahead ---------------------------------------------------------------------------------------------- */

static void *pack_ahead(void *argument) {
    ls_loader *l = argument;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (l->state != AHEAD_ASKED && l->state != AHEAD_END) pthread_cond_wait(&l->changed, &l->lock);
        if (l->state == AHEAD_END) break;
        run asked = l->next.of;
        pthread_mutex_unlock(&l->lock);
        ls_status status = pack(l, &asked, &l->next, l->row_ahead);
        pthread_mutex_lock(&l->lock);
        l->ahead_status = status;
        if (l->state == AHEAD_ASKED) l->state = AHEAD_DONE;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static ls_status begin_ahead(ls_loader *l) {
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    if (pthread_create(&l->thread, NULL, pack_ahead, l) == 0) return LS_OK;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    l->ahead = false;
    return LS_FAIL(LS_ERR_RUNTIME, "cannot start the thread that packs batches");
}

/* Waits until nothing is being packed. What was packed is kept if `wanted` asks for it. */
static ls_status settle(ls_loader *l, const run *wanted, bool *fits) {
    *fits = false;
    if (!l->ahead) return LS_OK;
    pthread_mutex_lock(&l->lock);
    while (l->state == AHEAD_ASKED) pthread_cond_wait(&l->changed, &l->lock);
    bool done = l->state == AHEAD_DONE;
    l->state = AHEAD_IDLE;
    ls_status status = l->ahead_status;
    l->ahead_status = LS_OK;
    pthread_mutex_unlock(&l->lock);
    const run *r = &l->next.of;
    *fits = done && wanted && r->epoch == wanted->epoch && r->first == wanted->first && r->count == wanted->count;
    if (*fits) return status;
    ls_status_free(status);
    return LS_OK;
}

void ls_loader_expect(ls_loader *loader, uint32_t epoch, uint64_t first, size_t count) {
    assert(count <= loader->capacity);
    bool fits = false;
    if (!loader->ahead) return;
    ls_status_free(settle(loader, NULL, &fits));
    pthread_mutex_lock(&loader->lock);
    loader->next.of = (run){.epoch = epoch, .first = first, .count = count};
    loader->state = AHEAD_ASKED;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

/* Values of integer fields in memory are known: whatever is no index is refused before training. */
static ls_status check_indices(const ls_dataset *set, const ls_loader_field *f) {
    const ls_field *field = &set->field[f->field];
    const ls_column *column = ls__dataset_column(set, f->field);
    if (!field->integral)
        return ls__row_fail(set->storage, column, ls__dataset_row(set, 0),
                            "holds %s, but the model wants whole numbers here", ls_dtype_name(field->dtype));
    int64_t most = f->entries ? (int64_t)f->entries - 1 : INT32_MAX;
    if (!column->rows || (column->least >= 0 && column->largest <= most)) return LS_OK;
    size_t size = ls_shape_size(field->shape);
    for (size_t i = 0; i < set->samples; i++) {
        const unsigned char *row = column->rows + ls__dataset_row(set, i) * column->row_bytes;
        for (size_t k = 0; k < size; k++) {
            int64_t value = -1;
            bool whole = ls_dtype_convert(column->dtype, row + k * ls_dtype_size(column->dtype), LS_DTYPE_I64, &value,
                                          1, &(size_t){0});
            if (whole && value >= 0 && value <= most) continue;
            return ls__index_fail(set->storage, column, ls__dataset_row(set, i), row + k * ls_dtype_size(column->dtype),
                                  f->entries);
        }
    }
    return LS_OK;
}

/* What preprocessing makes of a large number is seen when it is packed. */
static ls_status check_sizes(const ls_dataset *set, const ls_loader_field *f) {
    const ls_column *column = ls__dataset_column(set, f->field);
    if (!column->rows || !column->beyond_float || !ls__packs_as_stored(f->preprocess)) return LS_OK;
    for (size_t i = 0; i < set->samples; i++)
        if (!ls__rows_fit_floats(column, column->rows + ls__dataset_row(set, i) * column->row_bytes, 1))
            return ls__large_fail(set->storage, column, ls__dataset_row(set, i));
    return LS_OK;
}

static ls_status check_fields(const ls_loader_plan *plan) {
    for (size_t i = 0; i < plan->field_count; i++) {
        const ls_loader_field *f = &plan->fields[i];
        assert(f->field < plan->dataset->fields);
        LS_TRY(f->buffer == LS_BUFFER_INDEX ? check_indices(plan->dataset, f) : check_sizes(plan->dataset, f));
        if (f->augment && plan->augment) LS_TRY(ls__augment_check(plan->augment, plan->dataset->field[f->field].shape));
    }
    return LS_OK;
}

static ls_status create_buffers(const ls_loader *l, buffers *b) {
    void *memory = NULL;
    LS_TRY(ls_block_create(l->fields, sizeof *b->field, "the loader", &memory));
    b->field = memory;
    LS_TRY(ls_block_create(l->capacity, sizeof *b->sample, "the loader", &memory));
    b->sample = memory;
    for (size_t i = 0; i < l->fields; i++) {
        size_t size = ls_shape_size(l->set->field[l->field[i].field].shape);
        if (l->field[i].into && b == &l->now)
            b->field[i] = l->field[i].into;
        else
            LS_TRY(ls_block_create(l->capacity * size, sizeof(float), "the buffers of a batch", &b->field[i]));
    }
    return LS_OK;
}

static void destroy_buffers(const ls_loader *l, buffers *b) {
    for (size_t i = 0; b->field && i < l->fields; i++)
        if (b == &l->next || !l->field[i].into) ls_block_destroy(b->field[i]);
    ls_block_destroy(b->field);
    ls_block_destroy(b->sample);
}

static ls_status create_local(ls_loader *l, const ls_loader_plan *plan) {
    void *memory = NULL;
    LS_TRY(ls_block_create(plan->field_count, sizeof *l->field, "the loader", &memory));
    l->field = memory;
    memcpy(l->field, plan->fields, plan->field_count * sizeof *l->field);
    l->fields = plan->field_count;
    LS_TRY(check_fields(plan));
    LS_TRY(create_buffers(l, &l->now));
    size_t widest = 1;
    for (size_t i = 0; i < l->set->storage->columns; i++)
        if (l->set->storage->column[i].row_bytes > widest) widest = l->set->storage->column[i].row_bytes;
    LS_TRY(ls_block_create(1, widest, "a row", &l->row));
    LS_TRY(ls_block_create(1, widest, "a row", &l->row_ahead));
    if (!plan->ahead) return LS_OK;
    LS_TRY(create_buffers(l, &l->next));
    l->ahead = true;
    return begin_ahead(l);
}

static size_t batch_of(const ls_loader_plan *plan) {
    return plan->batch ? plan->batch : plan->capacity * ls_comm_size(plan->comm);
}

ls_status ls_loader_check(const ls_loader_plan *plan) {
    LS_TRY(check_fields(plan));
    ls_status status = ls__stream_check(plan->dataset, &plan->sampler, ls__cache_bytes(plan->cache), batch_of(plan));
    return ls_document_locate(status, plan->cache_place);
}

/* All ranks stream, or none: by the most positions that a batch can have, and the node with the least memory. */
static ls_status create_stream(ls_loader *l, const ls_loader_plan *plan) {
    const size_t most = INT64_MAX;
    size_t room = 0, cache = 0;
    LS_TRY(ls_comm_least(plan->comm, most - batch_of(plan), &room));
    LS_TRY(ls_comm_least(plan->comm, ls__cache_bytes(plan->cache), &cache));
    return ls__stream_create(plan->dataset, &plan->sampler, cache, most - room, plan->comm, plan->log, &l->stream);
}

ls_status ls_loader_create(const ls_loader_plan *plan, ls_loader **out) {
    *out = NULL;
    ls_loader *l = calloc(1, sizeof *l);
    ls_status status = l ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for a loader");
    if (l) {
        l->set = plan->dataset;
        l->sampler = plan->sampler;
        l->capacity = plan->capacity;
        l->augment = plan->augment;
        l->seed = plan->seed;
        l->weight_scale = plan->weight_scale != 0 ? plan->weight_scale : 1;
        status = create_local(l, plan);
    }
    status = ls_comm_agree(plan->comm, status);
    if (status == LS_OK) status = create_stream(l, plan);
    if (status != LS_OK) {
        ls_loader_destroy(l);
        return status;
    }
    *out = l;
    return LS_OK;
}

void ls_loader_destroy(ls_loader *loader) {
    if (!loader) return;
    if (loader->ahead) {
        bool fits = false;
        ls_status_free(settle(loader, NULL, &fits));
        pthread_mutex_lock(&loader->lock);
        loader->state = AHEAD_END;
        pthread_cond_broadcast(&loader->changed);
        pthread_mutex_unlock(&loader->lock);
        pthread_join(loader->thread, NULL);
        pthread_cond_destroy(&loader->changed);
        pthread_mutex_destroy(&loader->lock);
    }
    ls__stream_destroy(loader->stream);
    destroy_buffers(loader, &loader->now);
    destroy_buffers(loader, &loader->next);
    ls_block_destroy(loader->row);
    ls_block_destroy(loader->row_ahead);
    ls_block_destroy(loader->field);
    free(loader);
}

/* ---- using ------------------------------------------------------------------------------------------------------ */

ls_status ls_loader_seek(ls_loader *loader, uint32_t epoch, uint64_t position) {
    bool fits = false;
    LS_TRY(settle(loader, NULL, &fits));
    return loader->stream ? ls__stream_seek(loader->stream, epoch, position) : LS_OK;
}

/* What was packed ahead becomes the present batch: buffers change places, but the caller's own are written. */
static void take_next(ls_loader *l) {
    for (size_t i = 0; i < l->fields; i++) {
        size_t bytes = l->next.of.count * ls_shape_size(l->set->field[l->field[i].field].shape) * sizeof(float);
        if (l->field[i].into) {
            memcpy(l->now.field[i], l->next.field[i], bytes);
        } else {
            void *field = l->now.field[i];
            l->now.field[i] = l->next.field[i];
            l->next.field[i] = field;
        }
    }
    uint64_t *sample = l->now.sample;
    l->now.sample = l->next.sample;
    l->next.sample = sample;
    l->now.of = l->next.of;
}

static ls_status fill(ls_loader *l, const run *wanted) {
    bool fits = false;
    LS_TRY(settle(l, wanted, &fits));
    if (l->stream && wanted->first < l->sampler.samples) ls__stream_pass(l->stream, wanted->epoch, wanted->first);
    if (!fits) return pack(l, wanted, &l->now, l->row);
    take_next(l);
    return LS_OK;
}

ls_status ls_loader_fill(ls_loader *loader, uint32_t epoch, uint64_t first, size_t count, ls_batch *out) {
    assert(count <= loader->capacity);
    ls_status status = fill(loader, &(run){.epoch = epoch, .first = first, .count = count});
    if (status != LS_OK && loader->stream) ls__stream_fail(loader->stream, status);
    LS_TRY(status);
    if (out) *out = (ls_batch){.rows = count, .field = loader->now.field, .sample = loader->now.sample};
    return LS_OK;
}
