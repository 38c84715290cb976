#include "comm/reducer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "comm/wait.h"

/* ---- how much memory ---------------------------------------------------------------------------------------- */

enum { PAGE = 4096 };

/*
 * A node's segment:
 *
 *      | progress lines | weights | gradients of rank 0 | slots of rank 0 | gradients of rank 1 | ...
 */
typedef struct segment_layout {
    size_t weights; /* where the weights begin; the lines end before */
    size_t ranks;   /* where the first rank's gradients begin */
    size_t bytes;
} segment_layout;

/* What a rank has in its node's segment, in bytes. */
static size_t rank_bytes(const ls__cut *cut, size_t rank, size_t gradients, size_t slots) {
    return gradients + ls__cut_owned(cut, rank) * slots * sizeof(float);
}

static size_t gradient_bytes(const ls_params *params, size_t blocks) {
    return blocks * ls_params_gradient_arena(params) * sizeof(float);
}

static segment_layout lay_out_segment(const ls__cut *cut, size_t node, size_t gradients, size_t slots) {
    segment_layout layout = {.weights =
                                 ls_round_up((cut->first[node + 1] - cut->first[node]) * sizeof(ls__progress), PAGE)};
    layout.ranks = layout.weights + ls_params_arena(cut->params) * sizeof(float);
    layout.bytes = layout.ranks;
    for (size_t rank = cut->first[node]; rank < cut->first[node + 1]; rank++)
        layout.bytes += rank_bytes(cut, rank, gradients, slots);
    return layout;
}

/* What one seat needs for messages, at most. */
typedef struct seat_needs {
    size_t lane, part;                 /* elements */
    size_t spare, received, shortened; /* elements of the buffers */
    size_t requests;
} seat_needs;

static seat_needs measure_seat(const ls__cut *cut, const ls_microplan *plan, size_t node) {
    seat_needs needs = {0};
    size_t own = ls__full_cover(plan, cut->first, node), others = 0;
    for (size_t n = 0; n < cut->nodes; n++) others += n == node ? 0 : ls__full_cover(plan, cut->first, n);
    for (size_t b = 0; b < cut->buckets; b++) {
        for (size_t lane = 0; lane < cut->lanes; lane++) {
            size_t position = ls__cut_position(cut, node);
            ls__range range = ls__cut_lane(cut, b, lane), part = ls__cut_parts(cut, range, position, position + 1);
            if (range.end - range.begin > needs.lane) needs.lane = range.end - range.begin;
            if (part.end - part.begin > needs.part) needs.part = part.end - part.begin;
        }
    }
    if (cut->nodes > 1) {
        needs.spare = (own - 1) * needs.lane;
        needs.received = others * needs.part > needs.lane ? others * needs.part : needs.lane;
        needs.shortened = own * needs.lane;
        needs.requests = others + (cut->nodes - 1) * (own > 1 ? own : 2);
    }
    return needs;
}

static size_t seat_bytes(const seat_needs *needs, ls_wire wire) {
    size_t bytes = (needs->spare + needs->received) * sizeof(float);
    if (wire == LS_WIRE_BF16) bytes += (needs->shortened + needs->received) * sizeof(uint16_t);
    return bytes;
}

ls_status ls_reducer_measure(const ls_microplan *plan, size_t ranks_per_node, const ls_params *params, size_t slots,
                             ls_wire wire, ls_reducer_memory *out) {
    size_t per_node = ranks_per_node ? ranks_per_node : plan->ranks, nodes = (plan->ranks + per_node - 1) / per_node;
    size_t *first = calloc(nodes + 1, sizeof *first);
    if (!first) return LS_FAIL(LS_ERR_MEMORY, "no memory for a table of %zu nodes", nodes);
    for (size_t n = 0; n <= nodes; n++) first[n] = n < nodes ? n * per_node : plan->ranks;
    ls__cut cut = {0};
    ls_status status = ls__cut_create(params, nodes, first, 0, &cut);
    if (status == LS_OK) {
        *out = (ls_reducer_memory){.blocks = ls_microplan_max_blocks(plan),
                                   .weights = ls_params_arena(params) * sizeof(float)};
        size_t gradients = gradient_bytes(params, out->blocks), ranks = first[1] - first[0];
        segment_layout layout = lay_out_segment(&cut, 0, gradients, slots);
        seat_needs needs = measure_seat(&cut, plan, 0);
        out->node = layout.bytes;
        out->gradients = ranks * gradients;
        out->slots = layout.bytes - layout.ranks - out->gradients;
        out->rank = LS__SEATS * seat_bytes(&needs, wire) +
                    ls__tree_depth(ls_microplan_count(plan, plan->batch)) * LS_GRAIN * sizeof(float);
    }
    ls__cut_destroy(&cut);
    free(first);
    return status;
}

/* ---- tables that need no segment ---------------------------------------------------------------------------- */

/* Splits this rank's part of a job at parameters; counts only where `piece` is NULL. */
static size_t list_job_pieces(const ls_reducer *r, const ls__job *job, ls_piece *piece) {
    if (!r->cut.bucket[job->bucket].weights) return 0;
    size_t position = ls__cut_position(&r->cut, r->grouping->node), count = 0;
    ls__range part = ls__cut_parts(&r->cut, ls__cut_lane(&r->cut, job->bucket, job->lane), position, position + 1);
    for (size_t end = part.end; end > part.begin; count++) {
        size_t number = ls__cut_param_at(r->options.params, end - 1);
        size_t offset = ls_params_at(r->options.params, number)->offset;
        if (offset < part.begin) offset = part.begin;
        if (piece) piece[count] = (ls_piece){.param = number, .offset = offset, .count = end - offset};
        end = offset;
    }
    return count;
}

static ls_status list_jobs(ls_reducer *r) {
    void *block = NULL;
    LS_TRY(ls_pool_take(r->pool, r->cut.buckets * r->cut.lanes * sizeof *r->job, &block));
    r->job = block;
    for (size_t b = 0; b < r->cut.buckets; b++) {
        for (size_t lane = r->cut.lanes; lane-- > 0;) {
            if (ls__cut_carrier(&r->cut, lane, r->grouping->node) != r->comm->rank) continue;
            ls__job *job = &r->job[r->jobs++];
            *job = (ls__job){.bucket = b, .lane = lane, .piece_first = r->pieces};
            r->pieces += list_job_pieces(r, job, NULL);
            job->piece_end = r->pieces;
        }
    }
    LS_TRY(ls_pool_take(r->pool, (r->pieces + 1) * sizeof *r->piece, &block));
    r->piece = block;
    for (size_t j = 0; j < r->jobs; j++) list_job_pieces(r, &r->job[j], r->piece + r->job[j].piece_first);
    return LS_OK;
}

static ls_status take_norms(ls_reducer *r) {
    void *block = NULL;
    size_t grains = 0;
    for (size_t p = 0; p < r->pieces; p++) grains += r->piece[p].count / LS_GRAIN;
    LS_TRY(ls_pool_take(r->pool, (grains + 1) * sizeof *r->norms, &block));
    r->norms = block;
    LS_TRY(ls_pool_take(r->pool, (r->pieces + 1) * sizeof *r->norm_first, &block));
    r->norm_first = block;
    for (size_t p = 0; p < r->pieces; p++) {
        r->piece[p].norms = r->norms + r->norm_first[p];
        r->norm_first[p + 1] = r->norm_first[p] + r->piece[p].count / LS_GRAIN;
    }
    return LS_OK;
}

static ls_status take_seats(ls_reducer *r) {
    seat_needs needs = measure_seat(&r->cut, &r->plan, r->grouping->node);
    size_t bytes = ls_round_up(seat_bytes(&needs, r->options.wire), LS_ALIGNMENT);
    LS_TRY(ls_block_create(LS__SEATS, bytes + LS_ALIGNMENT, "messages of gradients", &r->buffers));
    for (size_t i = 0; i < LS__SEATS; i++) {
        ls__seat *seat = &r->seat[i];
        void *requests = NULL;
        LS_TRY(ls_pool_take(r->pool, needs.requests * sizeof *seat->request, &requests));
        seat->request = requests;
        for (size_t k = 0; k < needs.requests; k++) seat->request[k] = LS__NO_REQUEST;
        seat->spare = (float *)(void *)((char *)r->buffers + i * bytes);
        seat->received = seat->spare + needs.spare;
        seat->received_bf16 = (uint16_t *)(void *)(seat->received + needs.received);
        seat->sent_bf16 = seat->received_bf16 + needs.received;
    }
    void *stack = NULL;
    size_t depth = ls__tree_depth(ls_microplan_count(&r->plan, r->plan.batch));
    LS_TRY(ls_block_create(depth, LS_GRAIN * sizeof *r->stack, "sums of gradients", &stack));
    r->stack = stack;
    return LS_OK;
}

static ls_status prepare(ls_reducer *r) {
    LS_TRY(ls_pool_create(&r->pool));
    LS_TRY(ls__cut_create(r->options.params, r->grouping->nodes, r->grouping->first, r->options.bucket, &r->cut));
    r->blocks = ls_microplan_max_blocks(&r->plan);
    r->stride = r->here = ls_params_gradient_arena(r->options.params);
    LS_TRY(list_jobs(r));
    LS_TRY(take_norms(r));
    LS_TRY(take_seats(r));
    void *block = NULL;
    LS_TRY(ls_pool_take(r->pool, r->grouping->size * sizeof *r->gradients, &block));
    r->gradients = block;
    return ls__schedule_create(r);
}

/* ---- the segment -------------------------------------------------------------------------------------------- */

/* Gives every piece its addresses; slots lie one after another, each slot's pieces by ascending offset. */
static ls_status bind_pieces(ls_reducer *r, float *slots) {
    size_t owned = ls__cut_owned(&r->cut, r->comm->rank), at = 0;
    void *block = NULL;
    LS_TRY(ls_pool_take(r->pool, (r->pieces * r->options.slots + 1) * sizeof(float *), &block));
    float **pointers = block;
    for (size_t p = r->pieces; p-- > 0;) {
        ls_piece *piece = &r->piece[p];
        piece->weights = r->weights + piece->offset;
        piece->gradient = r->mine + piece->offset;
        if (ls_params_at(r->options.params, piece->param)->role == LS_ROLE_STATISTIC) continue;
        for (size_t s = 0; s < r->options.slots; s++) pointers[p * r->options.slots + s] = slots + s * owned + at;
        piece->slots = pointers + p * r->options.slots;
        at += piece->count;
    }
    return LS_OK;
}

/* Takes the node's segment; every rank reserves what it owns and a stripe of the rest. */
static ls_status take_segment(ls_reducer *r) {
    const ls__grouping *node = r->grouping;
    size_t gradients = gradient_bytes(r->options.params, r->blocks), slots = r->options.slots;
    segment_layout layout = lay_out_segment(&r->cut, node->node, gradients, slots);
    size_t first = node->first[node->node], begin = layout.ranks;
    for (size_t rank = first; rank < r->comm->rank; rank++) begin += rank_bytes(&r->cut, rank, gradients, slots);
    const ls__range mine[2] = {
        {layout.ranks * node->rank / node->size, layout.ranks * (node->rank + 1) / node->size},
        {begin, begin + rank_bytes(&r->cut, r->comm->rank, gradients, slots)},
    };
    void *base = NULL;
    LS_TRY(ls__memory_create(r->comm, node, layout.bytes, 2, mine, "weights, gradients and optimizer state", &base,
                             &r->memory));
    char *bytes = base;
    r->progress = base;
    r->weights = (float *)(void *)(bytes + layout.weights);
    size_t at = layout.ranks;
    for (size_t i = 0; i < node->size; i++) {
        r->gradients[i] = (float *)(void *)(bytes + at);
        at += rank_bytes(&r->cut, first + i, gradients, slots);
    }
    r->mine = r->gradients[node->rank];
    return bind_pieces(r, (float *)(void *)(bytes + begin + gradients));
}

/* One attempt with the nodes as they are. `room` says whether shared memory sufficed on all nodes. */
static ls_status create(ls_comm *comm, const ls_reducer_options *options, ls_reducer **out, bool *room) {
    *out = NULL;
    *room = true;
    ls_reducer *r = calloc(1, sizeof *r);
    ls_status status = r ? LS_OK : LS_FAIL(LS_ERR_MEMORY, "no memory for the reducer");
    if (r) {
        r->comm = comm;
        r->grouping = comm->grouping;
        r->options = *options;
        r->plan = (ls_microplan){options->batch, options->microbatch, comm->size};
        assert(ls_microplan_fits(&r->plan));
        status = prepare(r);
    }
    status = ls_comm_agree(comm, status);
    if (status == LS_OK) {
        status = ls_comm_agree(comm, take_segment(r));
        *room = status == LS_OK;
    }
    if (status != LS_OK) {
        ls_reducer_destroy(r);
        return status;
    }
    *out = r;
    return LS_OK;
}

ls_status ls_reducer_create(ls_comm *comm, const ls_reducer_options *options, ls_reducer **out) {
    bool room;
    ls_status status = create(comm, options, out, &room);
    if (room || comm->grouping->nodes == comm->size) return status;
    ls_logger_say(comm->logger, LS_LOG_WARNING,
                  "every rank runs as a node of its own, with its own copy of the weights: %s",
                  ls_status_message(status));
    ls_status_free(status);
    LS_TRY(ls_comm_group(comm, 1));
    return create(comm, options, out, &room);
}

void ls_reducer_destroy(ls_reducer *r) {
    if (!r) return;
    ls_status_free(ls_reducer_await(r, LS_ALL_WEIGHTS));
    if (r->comm->poked == r) r->comm->poke = NULL; /* what failed is not gone on with */
    ls_comm_memory_destroy(r->memory);
    ls__cut_destroy(&r->cut);
    ls_block_destroy(r->buffers);
    ls_block_destroy(r->stack);
    ls_pool_destroy(r->pool);
    free(r);
}

/* ---- a step ------------------------------------------------------------------------------------------------- */

float *ls_reducer_weights(ls_reducer *r) {
    return r->weights;
}

float *ls_reducer_gradients(ls_reducer *r, size_t *stride) {
    *stride = r->stride;
    return r->mine;
}

void ls_reducer_pieces(const ls_reducer *r, const ls_piece **pieces, size_t *count) {
    *pieces = r->piece;
    *count = r->pieces;
}

ls_status ls_reducer_barrier(ls_reducer *r) {
    return ls_comm_memory_barrier(r->memory);
}

/* Tells the node that gradients at or above `mark` are final. */
static void announce(ls_reducer *r, size_t mark) {
    uint64_t whole = r->stride;
    atomic_store_explicit(&r->progress[r->grouping->rank].mark, r->step * (whole + 1) + (whole - mark),
                          memory_order_release);
}

ls_status ls_reducer_start(ls_reducer *r, size_t samples) {
    assert(samples > 0 && samples <= r->plan.batch);
    LS_TRY(ls_reducer_await(r, LS_ALL_WEIGHTS));
    assert(r->state == LS__REDUCER_IDLE);
    if (samples != r->schedule.samples) ls__schedule_make(r, samples);
    r->state = LS__REDUCER_REDUCING;
    r->step++;
    r->next = r->retired = 0;
    announce(r, r->stride);
    return LS_OK;
}

/* Goes on with whatever is under way. */
static ls_status advance(ls_reducer *r) {
    if (r->state == LS__REDUCER_REDUCING) return ls__reduce_poll(r);
    if (r->state != LS__REDUCER_DISTRIBUTING) return LS_OK;
    LS_TRY(ls__distribute_poll(r));
    if (r->retired < r->jobs) return LS_OK;
    r->state = LS__REDUCER_IDLE;
    r->comm->poke = NULL;
    return LS_OK;
}

ls_status ls_reducer_poll(ls_reducer *r) {
    ls_status status = r->failure == LS_OK ? advance(r) : r->failure;
    r->failure = LS_OK;
    return status;
}

void ls_reducer_poke(void *reducer) {
    ls_reducer *r = reducer;
    if (r->failure == LS_OK) r->failure = advance(r);
}

ls_status ls_reducer_ready(ls_reducer *r, size_t mark) {
    assert(r->state == LS__REDUCER_REDUCING && mark <= r->stride);
    announce(r, mark);
    return ls_reducer_poll(r);
}

/* Every rank of the node has ended its backward, so nobody reads weights any more. */
static bool node_is_ready(const ls_reducer *r) {
    for (size_t i = 0; i < r->grouping->size; i++)
        if (atomic_load_explicit(&r->progress[i].mark, memory_order_acquire) < r->step * (r->stride + 1) + r->stride)
            return false;
    return true;
}

ls_status ls_reducer_finish(ls_reducer *r) {
    assert(r->state == LS__REDUCER_REDUCING);
    ls_status status = LS_OK;
    ls__wait wait = ls__wait_begin(r->comm, "the gradients");
    for (;;) {
        size_t summed = r->summed;
        LS_TRY_ELSE(status, ls_reducer_poll(r), done);
        if (r->summed != summed) ls__wait_worked(&wait);
        if (r->retired == r->jobs && node_is_ready(r)) break;
        ls__wait_pause(&wait);
    }
    r->state = LS__REDUCER_REDUCED;
done:
    ls__wait_end(&wait);
    return status;
}

/* ---- weights on their way ------------------------------------------------------------------------------------ */

ls_status ls_reducer_distribute(ls_reducer *r) {
    assert(r->state == LS__REDUCER_REDUCED);
    r->state = LS__REDUCER_DISTRIBUTING;
    r->next = r->retired = r->here = 0;
    r->comm->poke = ls_reducer_poke; /* a rank that waits for anything: others may wait for what passes through it */
    r->comm->poked = r;
    return ls_reducer_poll(r);
}

bool ls_reducer_has(ls_reducer *r, size_t end) {
    uint64_t whole = r->stride, least = whole;
    if (end > r->stride) end = r->stride;
    if (end <= r->here) return true;
    for (size_t i = 0; i < r->grouping->size; i++) {
        uint64_t arrived = atomic_load_explicit(&r->progress[i].arrived, memory_order_acquire);
        uint64_t offset = arrived < r->step * (whole + 1) ? 0 : arrived - r->step * (whole + 1);
        if (offset < least) least = offset;
    }
    r->here = (size_t)least;
    return end <= r->here;
}

ls_status ls_reducer_await(ls_reducer *r, size_t end) {
    ls_status status = LS_OK;
    ls__wait wait = ls__wait_begin(r->comm, "the weights");
    for (;;) {
        LS_TRY_ELSE(status, ls_reducer_poll(r), done);
        if (ls_reducer_has(r, end)) break;
        ls__wait_pause(&wait);
    }
done:
    ls__wait_end(&wait);
    return status;
}
