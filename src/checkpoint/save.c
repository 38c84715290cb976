#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "checkpoint/saver.h"
#include "lockstep/clock.h"

/* ---- plan ------------------------------------------------------------------------------------------------------ */

static size_t snapshot_floats(const ls_params *params, size_t slots) {
    return ls_params_arena(params) + slots * ls_params_trainable(params);
}

ls_saver_memory ls_saver_measure(const ls_params *params, size_t slots) {
    const size_t overhead = 64 << 10; /* of HDF5 and of a page a parameter */
    size_t arrays = ls_params_count(params) * (1 + slots);
    return (ls_saver_memory){
        .snapshot = snapshot_floats(params, slots) * sizeof(float),
        .parcel = slots * ls_params_trainable(params) * sizeof(float),
        .file =
            (ls_params_values(params) + slots * ls_params_trainable(params)) * sizeof(float) + overhead + 4608 * arrays,
    };
}

/* Rank 0 learns who owns what, once: pieces are fixed for the reducer's life. */
static ls_status gather_ranges(ls_saver *saver) {
    const ls_piece *pieces;
    size_t count, size = ls_comm_size(saver->comm);
    ls_reducer_pieces(saver->reducer, &pieces, &count);
    LS_TRY(ls_comm_gather(saver->comm, &count, sizeof count, saver->range_count));
    if (ls_comm_first(saver->comm))
        for (size_t rank = 0; rank < size; rank++)
            if (saver->range_count[rank] > saver->most_ranges) saver->most_ranges = saver->range_count[rank];
    LS_TRY(ls_comm_broadcast(saver->comm, 0, &saver->most_ranges, sizeof saver->most_ranges));
    size_t bytes = (saver->most_ranges + 1) * sizeof(ls__range);
    ls__range *mine = calloc(1, bytes);
    if (ls_comm_first(saver->comm)) saver->ranges = calloc(size, bytes);
    bool allocated = mine && (saver->ranges || !ls_comm_first(saver->comm));
    ls_status status =
        ls_comm_agree(saver->comm, allocated ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for a table of pieces"));
    /* Statistics have no slots: an empty range. */
    for (size_t i = 0; status == LS_OK && i < count; i++)
        mine[i] = (ls__range){pieces[i].offset, pieces[i].slots ? pieces[i].count : 0};
    if (status == LS_OK) status = ls_comm_gather(saver->comm, mine, bytes, saver->ranges);
    saver->most_ranges++;
    free(mine);
    return status;
}

/* Rank 0: a place for each far rank's parcel to arrive at. */
static ls_status make_inboxes(ls_saver *saver) {
    size_t near = ls_comm_node_first(saver->comm, 1), size = ls_comm_size(saver->comm);
    for (size_t rank = near; rank < size; rank++) {
        for (size_t i = 0; i < saver->range_count[rank]; i++)
            saver->sizes[rank] += saver->slots * saver->ranges[rank * saver->most_ranges + i].count * sizeof(float);
        LS_TRY(ls_block_create(saver->sizes[rank], 1, "the optimizer state of other nodes", &saver->inbox[rank]));
    }
    return LS_OK;
}

static ls_status make_parcel(ls_saver *saver) {
    const ls_piece *pieces;
    size_t count;
    ls_reducer_pieces(saver->reducer, &pieces, &count);
    for (size_t i = 0; i < count; i++)
        if (pieces[i].slots) saver->parcel_bytes += saver->slots * pieces[i].count * sizeof(float);
    void *parcel;
    LS_TRY(ls_block_create(saver->parcel_bytes, 1, "a snapshot of the optimizer state", &parcel));
    saver->parcel = parcel;
    return LS_OK;
}

static ls_status make_snapshot(ls_saver *saver) {
    void *base;
    size_t bytes = snapshot_floats(saver->params, saver->slots) * sizeof(float);
    LS_TRY(ls_comm_memory_create(saver->comm, bytes, "the snapshot of a checkpoint", &base, &saver->memory));
    saver->snapshot.weights = base;
    saver->snapshot.slots = saver->snapshot.weights + ls_params_arena(saver->params);
    return LS_OK;
}

/* Rank 0: room for the largest part of a parameter, for the rest of the part before, below a page, and for aligning. */
static ls_status make_values(ls_saver *saver) {
    size_t largest = 0;
    for (size_t i = 0; i < ls_params_count(saver->params); i++) {
        size_t bytes = ls__job_part_rows(saver->params, i) * ls__job_row_bytes(saver->params, i);
        if (bytes > largest) largest = bytes;
    }
    LS_TRY(ls_block_create(largest + 2 * LS_STORE_PAGE, 1, "a part of a parameter in file layout", &saver->block));
    saver->values = (char *)ls_round_up((uintptr_t)saver->block, LS_STORE_PAGE);
    return LS_OK;
}

static ls_status make_tables(ls_saver *saver) {
    size_t size = ls_comm_size(saver->comm);
    saver->range_count = calloc(size, sizeof *saver->range_count);
    saver->sizes = calloc(size, sizeof *saver->sizes);
    saver->inbox = calloc(size, sizeof *saver->inbox);
    if (!saver->range_count || !saver->sizes || !saver->inbox)
        return LS_FAIL(LS_ERR_MEMORY, "no memory for a checkpoint's tables");
    LS_TRY(make_values(saver));
    return ls__folder_prepare(saver->folder, saver->lock ? ls_run_lock_generation(saver->lock) : 0);
}

static ls_status copy_options(ls_saver *saver, const ls_saver_options *options) {
    saver->comm = options->comm;
    saver->reducer = options->reducer;
    saver->params = options->params;
    saver->keep = options->keep;
    saver->lock = options->lock;
    saver->near = ls_comm_node(saver->comm) == 0;
    saver->snapshot.trainable = ls_params_trainable(saver->params);
    saver->folder = ls__path_join(options->folder, "checkpoints");
    saver->config = strdup(options->config);
    saver->slot_names = calloc(options->slots + 1, sizeof(char *));
    if (!saver->folder || !saver->config || !saver->slot_names) return LS_FAIL(LS_ERR_MEMORY, "no memory for a saver");
    saver->slots = options->slots;
    for (size_t i = 0; i < saver->slots; i++) {
        saver->slot_names[i] = strdup(options->slot_names[i]);
        if (!saver->slot_names[i]) return LS_FAIL(LS_ERR_MEMORY, "no memory for a saver");
    }
    snprintf(saver->tag, sizeof saver->tag, "g%" PRIu64, saver->lock ? ls_run_lock_generation(saver->lock) : 0);
    return LS_OK;
}

static ls_status plan(ls_saver *saver, const ls_saver_options *options) {
    ls_comm *comm = options->comm;
    LS_TRY(ls_comm_agree(comm, copy_options(saver, options)));
    LS_TRY(ls_comm_agree(comm, ls_comm_first(comm) ? make_tables(saver) : LS_OK));
    LS_TRY(ls_comm_agree(comm, saver->near ? make_snapshot(saver) : make_parcel(saver)));
    LS_TRY(gather_ranges(saver));
    return ls_comm_agree(comm, ls_comm_first(comm) ? make_inboxes(saver) : LS_OK);
}

ls_status ls_saver_create(const ls_saver_options *options, ls_saver **out) {
    *out = NULL;
    ls_saver *saver = calloc(1, sizeof *saver);
    ls_status status = ls_comm_agree(options->comm, saver ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for a saver"));
    if (status == LS_OK) status = plan(saver, options);
    if (status == LS_OK)
        *out = saver;
    else
        ls_saver_destroy(saver);
    return status;
}

void ls_saver_destroy(ls_saver *saver) {
    if (!saver) return;
    if (saver->job && saver->job->has_thread) pthread_join(saver->job->thread, NULL);
    if (saver->job) ls_status_free(ls_status_first(saver->job->outcome.status, saver->job->outcome.untidy));
    ls__job_destroy(saver->job);
    ls_collect_destroy(saver->collect);
    ls_comm_memory_destroy(saver->memory);
    ls_block_destroy(saver->parcel);
    ls_block_destroy(saver->block);
    for (size_t rank = 0; saver->inbox && rank < ls_comm_size(saver->comm); rank++)
        ls_block_destroy(saver->inbox[rank]);
    for (size_t i = 0; i < saver->slots; i++) free(saver->slot_names[i]);
    free(saver->slot_names);
    free(saver->range_count);
    free(saver->ranges);
    free(saver->sizes);
    free(saver->inbox);
    free(saver->folder);
    free(saver->config);
    free(saver);
}

bool ls_saver_busy(const ls_saver *saver) {
    return saver->job != NULL;
}

/* ---- snapshot --------------------------------------------------------------------------------------------------- */

/* This rank's share of the weights, cut at multiples of the grain. */
static void copy_weights(ls_saver *saver) {
    size_t grains = ls_params_arena(saver->params) / LS_GRAIN, tail = ls_params_arena(saver->params) % LS_GRAIN;
    size_t rank = ls_comm_memory_rank(saver->memory), size = ls_comm_memory_size(saver->memory);
    size_t first = grains * rank / size * LS_GRAIN, end = grains * (rank + 1) / size * LS_GRAIN;
    if (rank + 1 == size) end += tail;
    memcpy(saver->snapshot.weights + first, ls_reducer_weights(saver->reducer) + first, (end - first) * sizeof(float));
}

static void copy_slots(ls_saver *saver) {
    const ls_piece *pieces;
    size_t count;
    float *parcel = saver->parcel;
    ls_reducer_pieces(saver->reducer, &pieces, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t slot = 0; pieces[i].slots && slot < saver->slots; slot++) {
            float *to = saver->snapshot.slots + slot * saver->snapshot.trainable + pieces[i].offset;
            if (!saver->near) {
                to = parcel;
                parcel += pieces[i].count;
            }
            memcpy(to, pieces[i].slots[slot], pieces[i].count * sizeof(float));
        }
}

/* Rank 0: what came in goes where its owner's pieces lie. The order is that of copy_slots(). */
static void unpack(ls_saver *saver) {
    for (size_t rank = ls_comm_node_first(saver->comm, 1); rank < ls_comm_size(saver->comm); rank++) {
        const float *from = saver->inbox[rank];
        for (size_t i = 0; i < saver->range_count[rank]; i++) {
            const ls__range *range = &saver->ranges[rank * saver->most_ranges + i];
            for (size_t slot = 0; slot < saver->slots; slot++) {
                float *to = saver->snapshot.slots + slot * saver->snapshot.trainable + range->offset;
                memcpy(to, from, range->count * sizeof(float));
                from += range->count;
            }
        }
    }
}

/* ---- the nodes' weights are one ---------------------------------------------------------------------------------- */

/* The digest of a range of the weights, by the first rank of each node; `all` holds those of all ranks on rank 0. */
static ls_status gather_digests(ls_saver *saver, size_t offset, size_t count, uint64_t *mine, uint64_t *all) {
    *mine = 0;
    if (ls_comm_node_rank(saver->comm) == 0)
        *mine = XXH3_64bits(ls_reducer_weights(saver->reducer) + offset, count * sizeof(float));
    return ls_comm_gather(saver->comm, mine, sizeof *mine, all);
}

/* The first node whose digest is not node 0's; 0: all are equal. */
static uint64_t odd_node(const ls_comm *comm, const uint64_t *digests) {
    for (size_t node = 1; node < ls_comm_nodes(comm); node++)
        if (digests[ls_comm_node_first(comm, node)] != digests[0]) return node;
    return 0;
}

/* The nodes differ: which parameter is it? Collective. Fails on all ranks. */
static ls_status name_difference(ls_saver *saver, uint64_t node, uint64_t *all) {
    ls_comm *comm = saver->comm;
    const ls_param *found = NULL;
    for (size_t i = 0; i < ls_params_count(saver->params); i++) {
        const ls_param *param = ls_params_at(saver->params, i);
        uint64_t mine;
        LS_TRY(gather_digests(saver, param->offset, param->count, &mine, all));
        if (ls_comm_first(comm) && !found && odd_node(comm, all) == node) found = param;
    }
    if (!ls_comm_first(comm)) return ls_comm_agree(comm, LS_OK);
    size_t rank = ls_comm_node_first(comm, node);
    return ls_comm_agree(comm,
                         LS_FAIL(LS_ERR_RUNTIME,
                                 "the weights of node %" PRIu64 " (%s) differ from those of node 0 (%s), in %s%s%s: "
                                 "memory or network of one of them fails; the last checkpoint is good",
                                 node, ls_comm_host(comm, rank), ls_comm_host(comm, 0),
                                 found ? found->layer : "the padding", found ? "/" : "", found ? found->name : ""));
}

static ls_status compare_nodes(ls_saver *saver, uint64_t *all, uint64_t *out) {
    ls_comm *comm = saver->comm;
    uint64_t told[2] = {0}; /* rank 0's digest, and the node that differs */
    LS_TRY(gather_digests(saver, 0, ls_params_arena(saver->params), &told[0], all));
    if (ls_comm_first(comm)) told[1] = odd_node(comm, all);
    LS_TRY(ls_comm_broadcast(comm, 0, told, sizeof told));
    if (told[1]) return name_difference(saver, told[1], all);
    if (out) *out = told[0];
    return LS_OK;
}

ls_status ls_saver_compare_nodes(ls_saver *saver, uint64_t *out) {
    uint64_t *all = ls_comm_first(saver->comm) ? calloc(ls_comm_size(saver->comm), sizeof *all) : NULL;
    bool allocated = all || !ls_comm_first(saver->comm);
    ls_status status = ls_comm_agree(saver->comm, allocated ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for digests"));
    if (status == LS_OK) status = ls_reducer_await(saver->reducer, LS_ALL_WEIGHTS);
    if (status == LS_OK) status = compare_nodes(saver, all, out);
    free(all);
    return status;
}

/* ---- a save ------------------------------------------------------------------------------------------------------ */

static ls_status add_provenance(const ls_saver *saver, ls_items *items) {
    char time[32];
    ls_clock_text(time, sizeof time);
    LS_TRY(ls_items_add_count(items, "/provenance/format", LS_CHECKPOINT_FORMAT));
    LS_TRY(ls_items_add_text(items, "/provenance/version", LOCKSTEP_VERSION));
    LS_TRY(ls_items_add_text(items, "/provenance/hdf5", ls_store_library()));
    LS_TRY(ls_items_add_count(items, "/provenance/ranks", ls_comm_size(saver->comm)));
    LS_TRY(ls_items_add_count(items, "/provenance/nodes", ls_comm_nodes(saver->comm)));
    LS_TRY(ls_items_add_text(items, "/provenance/host", ls_comm_host(saver->comm, 0)));
    return ls_items_add_text(items, "/provenance/time", time);
}

static ls_status fill_job(const ls_saver *saver, ls__job *job, const ls_items *items) {
    LS_TRY(ls_items_create(&job->items));
    for (size_t i = 0; i < ls_items_count(items); i++) LS_TRY(ls_items_add(job->items, ls_items_at(items, i)));
    return add_provenance(saver, job->items);
}

static ls_status make_job(ls_saver *saver, uint64_t step, const ls_items *items, bool best) {
    ls__job *job = calloc(1, sizeof *job);
    if (!job) return LS_FAIL(LS_ERR_MEMORY, "no memory for a checkpoint");
    char name[32];
    job->step = job->outcome.step = step;
    job->best = best;
    job->began = ls_clock_now();
    int length = snprintf(job->outcome.path, sizeof job->outcome.path, "%s/%s", saver->folder,
                          ls_checkpoint_name(step, name, sizeof name));
    ls_status status = fill_job(saver, job, items);
    if (status == LS_OK && (size_t)length >= sizeof job->outcome.path)
        status = LS_FAIL(LS_ERR_IO, "%s: the path is too long", saver->folder);
    if (status != LS_OK) {
        ls__job_destroy(job);
        return status;
    }
    saver->job = job;
    return LS_OK;
}

/* The last save's parcel has arrived, for rank 0 is ready for another; only this rank may not know yet. */
static ls_status settle(ls_saver *saver) {
    if (!saver->collect) return LS_OK;
    LS_TRY(ls_collect_wait(saver->collect));
    ls_collect_destroy(saver->collect);
    saver->collect = NULL;
    return LS_OK;
}

ls_status ls_saver_start(ls_saver *saver, uint64_t step, const ls_items *items, bool best) {
    assert(!saver->job && "a save in flight is waited for");
    bool first = ls_comm_first(saver->comm);
    LS_TRY(settle(saver));
    LS_TRY(ls_reducer_await(saver->reducer, LS_ALL_WEIGHTS));
    LS_TRY(ls_comm_agree(saver->comm, first ? make_job(saver, step, items, best) : LS_OK));
    if (saver->near) copy_weights(saver);
    copy_slots(saver);
    if (saver->near) LS_TRY(ls_comm_memory_barrier(saver->memory));
    if (ls_comm_nodes(saver->comm) > 1) LS_TRY(ls_saver_compare_nodes(saver, NULL));
    if (first) ls__job_lay_out(saver, saver->job);
    if (ls_comm_nodes(saver->comm) > 1)
        return ls_collect_create(saver->comm, saver->parcel, saver->parcel_bytes, saver->sizes, saver->inbox,
                                 &saver->collect);
    if (first) ls__job_launch(saver);
    return LS_OK;
}

/* Rank 0: the thread is over, or there was none: its result goes out. */
static void hand_out(ls_saver *saver, ls_saver_outcome *outcome) {
    if (saver->job->has_thread) pthread_join(saver->job->thread, NULL);
    *outcome = saver->job->outcome;
    outcome->finished = true;
    ls__job_destroy(saver->job);
    saver->job = NULL;
}

ls_status ls_saver_poll(ls_saver *saver, ls_saver_outcome *outcome) {
    *outcome = (ls_saver_outcome){0};
    if (saver->collect) {
        bool done;
        LS_TRY(ls_collect_test(saver->collect, &done));
        if (!done) return LS_OK;
        LS_TRY(settle(saver));
    }
    if (!saver->job) return LS_OK;
    if (!saver->job->launched) {
        unpack(saver);
        ls__job_launch(saver);
    }
    if (saver->job->done) hand_out(saver, outcome);
    return LS_OK;
}

ls_status ls_saver_wait(ls_saver *saver, ls_saver_outcome *outcome) {
    LS_TRY(settle(saver));
    LS_TRY(ls_saver_poll(saver, outcome));
    uint64_t progress = 0;
    while (saver->job) {
        const struct timespec pause = {.tv_nsec = 2000000};
        nanosleep(&pause, NULL);
        if (saver->job->progress != progress) ls_comm_beat(saver->comm);
        progress = saver->job->progress;
        LS_TRY(ls_saver_poll(saver, outcome));
    }
    return LS_OK;
}
