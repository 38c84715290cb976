#include "comm/reducer.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "comm/add.h"

static size_t length_of(ls__range range) {
    return range.end - range.begin;
}

static size_t partials_of(const ls_reducer *r, size_t node) {
    return r->schedule.cover_first[node + 1] - r->schedule.cover_first[node];
}

void ls__seat_take(ls_reducer *r, ls__seat *seat, const ls__job *job, ls__seat_state state) {
    assert(seat->state == LS__SEAT_FREE);
    size_t position = ls__cut_position(&r->cut, r->grouping->node);
    seat->state = state;
    seat->bucket = job->bucket;
    seat->lane = job->lane;
    seat->range = ls__cut_lane(&r->cut, seat->bucket, seat->lane);
    seat->part = ls__cut_parts(&r->cut, seat->range, position, position + 1);
    seat->requests = 0;
    seat->step = 0;
    seat->steps = 0;
    for (size_t n = 1; n < r->grouping->nodes; n *= 2) seat->steps++;
    seat->from = 0;
    seat->to = r->grouping->nodes;
}

/* ---- the node's own sum ------------------------------------------------------------------------------------- */

/* Room for a partial of this node that is not in place. */
static float *spare_of(const ls_reducer *r, const ls__seat *seat, size_t j) {
    return seat->spare + (j < r->schedule.in_place ? j : j - 1) * length_of(seat->range);
}

/* Where partial `j` of this node lies, as a leaf. */
static ls__leaf partial_leaf(const ls_reducer *r, const ls__seat *seat, size_t j) {
    if (j == r->schedule.in_place) return (ls__leaf){r->mine, 0};
    return (ls__leaf){spare_of(r, seat, j), seat->range.begin};
}

/* All ranks of the node that have gradients of this bucket have finished them. */
static bool gradients_are_final(const ls_reducer *r, const ls__seat *seat) {
    const ls__schedule *s = &r->schedule;
    uint64_t whole = ls_params_gradient_arena(r->options.params);
    uint64_t need = r->step * (whole + 1) + (whole - r->cut.bucket[seat->bucket].range.begin);
    for (size_t i = 0; i < r->grouping->size; i++) {
        if (s->block_first[i] == s->block_first[i + 1]) continue;
        if (atomic_load_explicit(&r->progress[i].mark, memory_order_acquire) < need) return false;
    }
    return true;
}

/* Sums the node's blocks along the tree, LS_GRAIN elements at a time so that what is between stays in L1. */
static void sum_node(ls_reducer *r, ls__seat *seat) {
    const ls__schedule *s = &r->schedule;
    size_t partials = partials_of(r, r->grouping->node);
    if (partials == 0) return;
    r->summed++;
    for (size_t at = seat->range.begin; at < seat->range.end; at += LS_GRAIN) {
        for (size_t j = 0; j < partials; j++) {
            if (j == s->in_place) continue;
            float *out = spare_of(r, seat, j) + (at - seat->range.begin);
            ls__program_run(&s->partial[j], s->leaf, at, r->stack, out);
        }
        ls__program_run(&s->partial[s->in_place], s->leaf, at, r->stack, r->mine + at);
    }
}

/* ---- messages of floats, maybe shortened -------------------------------------------------------------------- */

static ls_status send_values(ls_reducer *r, ls__seat *seat, const float *values, ls__range range, size_t node,
                             uint16_t *shortened) {
    size_t count = length_of(range), to = ls__cut_carrier(&r->cut, seat->lane, node);
    ls__request *request = &seat->request[seat->requests++];
    if (r->options.wire == LS_WIRE_FLOAT32)
        return ls__send(r->comm, values, count * sizeof *values, to, ls__seat_tag(r, seat), request);
    ls__to_bf16(count, values, shortened);
    return ls__send(r->comm, shortened, count * sizeof *shortened, to, ls__seat_tag(r, seat), request);
}

/* Values arrive at `offset` elements into the seat's room for them. */
static ls_status receive_values(ls_reducer *r, ls__seat *seat, size_t offset, size_t count, size_t node) {
    size_t from = ls__cut_carrier(&r->cut, seat->lane, node);
    ls__request *request = &seat->request[seat->requests++];
    if (r->options.wire == LS_WIRE_FLOAT32)
        return ls__receive(r->comm, seat->received + offset, count * sizeof *seat->received, from,
                           ls__seat_tag(r, seat), request);
    return ls__receive(r->comm, seat->received_bf16 + offset, count * sizeof *seat->received_bf16, from,
                       ls__seat_tag(r, seat), request);
}

static void lengthen(const ls_reducer *r, const ls__seat *seat, size_t count) {
    if (r->options.wire == LS_WIRE_BF16) ls__from_bf16(count, seat->received_bf16, seat->received);
}

/* ---- any nodes: every partial goes to the owner of its part -------------------------------------------------- */

/* Receives are posted before the own gradients are there, so that nothing has to be buffered by MPI. */
static ls_status expect_partials(ls_reducer *r, ls__seat *seat) {
    size_t count = length_of(seat->part), offset = 0;
    for (size_t n = 0; n < r->grouping->nodes && count > 0; n++) {
        for (size_t j = 0; n != r->grouping->node && j < partials_of(r, n); j++, offset += count)
            LS_TRY(receive_values(r, seat, offset, count, n));
    }
    return LS_OK;
}

static ls_status send_partials(ls_reducer *r, ls__seat *seat) {
    for (size_t n = 0; n < r->grouping->nodes; n++) {
        size_t position = ls__cut_position(&r->cut, n);
        ls__range part = ls__cut_parts(&r->cut, seat->range, position, position + 1);
        if (n == r->grouping->node || length_of(part) == 0) continue;
        for (size_t j = 0; j < partials_of(r, r->grouping->node); j++) {
            ls__leaf leaf = partial_leaf(r, seat, j);
            uint16_t *shortened = seat->sent_bf16 + j * length_of(seat->range) + (part.begin - seat->range.begin);
            LS_TRY(send_values(r, seat, leaf.base + (part.begin - leaf.origin), part, n, shortened));
        }
    }
    return LS_OK;
}

/* The owner adds all nodes' partials in the order of the tree. */
static void sum_partials(ls_reducer *r, ls__seat *seat) {
    size_t count = length_of(seat->part), leaf = 0, offset = 0;
    for (size_t n = 0; n < r->grouping->nodes; n++) {
        for (size_t j = 0; j < partials_of(r, n); j++, leaf++) {
            if (n == r->grouping->node) {
                r->root_leaf[leaf] = partial_leaf(r, seat, j);
                continue;
            }
            r->root_leaf[leaf] = (ls__leaf){seat->received + offset, seat->part.begin};
            offset += count;
        }
    }
    lengthen(r, seat, offset);
    for (size_t at = seat->part.begin; at < seat->part.end; at += LS_GRAIN)
        ls__program_run(&r->schedule.root, r->root_leaf, at, r->stack, r->mine + at);
}

/* ---- a power of two of equal nodes: neighbour-first recursive halving ------------------------------------------ */

/* A group of 2^step nodes has a sum unless the short batch ends before it. */
static bool group_has_sum(const ls_reducer *r, size_t node, size_t step) {
    return partials_of(r, node >> step << step) > 0;
}

/* At this step: the positions that stay this node's, and those that go to the partner. */
static void split_positions(const ls_reducer *r, const ls__seat *seat, ls__range *keep, ls__range *give) {
    size_t half = (seat->to - seat->from) / 2, middle = seat->from + half;
    bool upper = ls__cut_position(&r->cut, r->grouping->node) & half;
    *keep = upper ? (ls__range){middle, seat->to} : (ls__range){seat->from, middle};
    *give = upper ? (ls__range){seat->from, middle} : (ls__range){middle, seat->to};
}

static ls_status start_halving_step(ls_reducer *r, ls__seat *seat) {
    size_t node = r->grouping->node, partner = node ^ (size_t)1 << seat->step;
    ls__range keep, give;
    split_positions(r, seat, &keep, &give);
    ls__range in = ls__cut_parts(&r->cut, seat->range, keep.begin, keep.end);
    ls__range out = ls__cut_parts(&r->cut, seat->range, give.begin, give.end);
    seat->requests = 0;
    if (group_has_sum(r, partner, seat->step) && length_of(in) > 0)
        LS_TRY(receive_values(r, seat, 0, length_of(in), partner));
    if (group_has_sum(r, node, seat->step) && length_of(out) > 0)
        LS_TRY(send_values(r, seat, r->mine + out.begin, out, partner, seat->sent_bf16));
    return LS_OK;
}

static void end_halving_step(ls_reducer *r, ls__seat *seat) {
    size_t node = r->grouping->node, partner = node ^ (size_t)1 << seat->step;
    ls__range keep, give;
    split_positions(r, seat, &keep, &give);
    ls__range range = ls__cut_parts(&r->cut, seat->range, keep.begin, keep.end);
    bool ours = group_has_sum(r, node, seat->step), theirs = group_has_sum(r, partner, seat->step);
    if (theirs) lengthen(r, seat, length_of(range));
    for (size_t i = 0; theirs && i < length_of(range); i += LS_GRAIN) {
        float *here = r->mine + range.begin + i;
        const float *there = seat->received + i;
        if (!ours)
            memcpy(here, there, LS_GRAIN * sizeof *here);
        else if (node < partner)
            ls__add(here, here, there);
        else
            ls__add(here, there, here);
    }
    r->summed += theirs;
    seat->from = keep.begin;
    seat->to = keep.end;
    seat->step++;
}

/* ---- a job's life ------------------------------------------------------------------------------------------- */

static ls_status begin_job(ls_reducer *r, size_t job) {
    ls__seat_take(r, ls__seat_of(r, job), &r->job[job], LS__SEAT_GRADIENTS);
    if (r->schedule.halving) return LS_OK;
    return expect_partials(r, ls__seat_of(r, job));
}

static ls_status start_messages(ls_reducer *r, ls__seat *seat) {
    seat->state = LS__SEAT_MESSAGES;
    if (!r->schedule.halving) return send_partials(r, seat);
    return seat->step < seat->steps ? start_halving_step(r, seat) : LS_OK;
}

/* Goes on as far as messages have come. */
static ls_status advance_messages(ls_reducer *r, ls__seat *seat) {
    for (;;) {
        size_t open;
        LS_TRY(ls__test(seat->requests, seat->request, &open));
        if (open) return LS_OK;
        if (!r->schedule.halving) {
            sum_partials(r, seat);
            break;
        }
        if (seat->step == seat->steps) break;
        end_halving_step(r, seat);
        if (seat->step == seat->steps) break;
        LS_TRY(start_halving_step(r, seat));
    }
    seat->state = LS__SEAT_DONE;
    return LS_OK;
}

/* The sum of all uses, and the norms. Further uses have higher offsets in buckets cut alike, so they are done. */
static void end_piece(ls_reducer *r, ls_piece *piece, double *norms) {
    const ls_param *param = ls_params_at(r->options.params, piece->param);
    piece->finite = true;
    for (size_t at = 0; at < piece->count; at += LS_GRAIN) {
        float *sum = piece->gradient + at;
        for (size_t u = 1; u < param->uses; u++)
            ls__add(sum, sum, r->mine + param->use_offset[u] + (piece->offset - param->offset) + at);
        norms[at / LS_GRAIN] = ls_block_squares(LS_GRAIN, sum);
        if (!isfinite(norms[at / LS_GRAIN])) piece->finite = false;
    }
}

static void end_job(ls_reducer *r, size_t job) {
    r->summed++;
    for (size_t p = r->job[job].piece_first; p < r->job[job].piece_end; p++)
        end_piece(r, &r->piece[p], r->norms + r->norm_first[p]);
    ls__seat_of(r, job)->state = LS__SEAT_FREE;
    r->retired++;
}

static ls_status advance_seat(ls_reducer *r, ls__seat *seat) {
    if (seat->state == LS__SEAT_GRADIENTS && gradients_are_final(r, seat)) {
        sum_node(r, seat);
        LS_TRY(start_messages(r, seat));
    }
    return seat->state == LS__SEAT_MESSAGES ? advance_messages(r, seat) : LS_OK;
}

ls_status ls__reduce_poll(ls_reducer *r) {
    for (size_t before = (size_t)-1; before != r->retired;) {
        before = r->retired;
        for (; r->next < r->jobs && r->next - r->retired < LS__SEATS; r->next++) LS_TRY(begin_job(r, r->next));
        for (size_t job = r->retired; job < r->next; job++) LS_TRY(advance_seat(r, ls__seat_of(r, job)));
        while (r->retired < r->next && ls__seat_of(r, r->retired)->state == LS__SEAT_DONE) end_job(r, r->retired);
    }
    return LS_OK;
}
