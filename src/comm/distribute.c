#include "comm/reducer.h"

static size_t length_of(ls__range range) {
    return range.end - range.begin;
}

/* Weights go straight from and into the node's one copy. */
static ls_status send_weights(ls_reducer *r, ls__seat *seat, ls__range range, size_t node) {
    if (length_of(range) == 0) return LS_OK;
    return ls__send(r->comm, r->weights + range.begin, length_of(range) * sizeof *r->weights,
                    ls__cut_carrier(&r->cut, seat->lane, node), ls__seat_tag(r, seat),
                    &seat->request[seat->requests++]);
}

static ls_status receive_weights(ls_reducer *r, ls__seat *seat, ls__range range, size_t node) {
    if (length_of(range) == 0) return LS_OK;
    return ls__receive(r->comm, r->weights + range.begin, length_of(range) * sizeof *r->weights,
                       ls__cut_carrier(&r->cut, seat->lane, node), ls__seat_tag(r, seat),
                       &seat->request[seat->requests++]);
}

/* Any nodes: the owner of a part sends it to everybody. */
static ls_status start_direct(ls_reducer *r, ls__seat *seat) {
    for (size_t n = 0; n < r->grouping->nodes; n++) {
        if (n == r->grouping->node) continue;
        size_t position = ls__cut_position(&r->cut, n);
        LS_TRY(receive_weights(r, seat, ls__cut_parts(&r->cut, seat->range, position, position + 1), n));
    }
    for (size_t n = 0; n < r->grouping->nodes; n++)
        if (n != r->grouping->node) LS_TRY(send_weights(r, seat, seat->part, n));
    return LS_OK;
}

/* A power of two: what halving split last is joined first. */
static ls_status start_doubling_step(ls_reducer *r, ls__seat *seat) {
    size_t level = seat->steps - 1 - seat->step, partner = r->grouping->node ^ (size_t)1 << level;
    size_t held = r->grouping->nodes >> (level + 1), position = ls__cut_position(&r->cut, r->grouping->node);
    size_t ours = position / held * held, theirs = ours ^ held;
    seat->requests = 0;
    LS_TRY(receive_weights(r, seat, ls__cut_parts(&r->cut, seat->range, theirs, theirs + held), partner));
    return send_weights(r, seat, ls__cut_parts(&r->cut, seat->range, ours, ours + held), partner);
}

/* What reduction did last comes first: the lowest layers' weights. */
static const ls__job *job_of(const ls_reducer *r, size_t turn) {
    return &r->job[r->jobs - 1 - turn];
}

static ls_status begin_job(ls_reducer *r, size_t turn) {
    ls__seat *seat = ls__seat_of(r, turn);
    ls__seat_take(r, seat, job_of(r, turn), LS__SEAT_MESSAGES);
    if (!r->cut.bucket[seat->bucket].weights) {
        seat->state = LS__SEAT_DONE;
        return LS_OK;
    }
    return r->cut.halving_order ? start_doubling_step(r, seat) : start_direct(r, seat);
}

static ls_status advance_seat(ls_reducer *r, ls__seat *seat) {
    while (seat->state == LS__SEAT_MESSAGES) {
        size_t open;
        LS_TRY(ls__test(seat->requests, seat->request, &open));
        if (open) return LS_OK;
        seat->step++;
        if (r->cut.halving_order && seat->step < seat->steps)
            LS_TRY(start_doubling_step(r, seat));
        else
            seat->state = LS__SEAT_DONE;
    }
    return LS_OK;
}

/* Tells the node below which offset all weights are there that this rank carries. */
static void announce(ls_reducer *r) {
    uint64_t whole = r->stride;
    uint64_t end = r->retired < r->jobs ? r->cut.bucket[job_of(r, r->retired)->bucket].range.begin : whole;
    atomic_store_explicit(&r->progress[r->grouping->rank].arrived, r->step * (whole + 1) + end, memory_order_release);
}

ls_status ls__distribute_poll(ls_reducer *r) {
    if (r->grouping->nodes == 1) r->next = r->retired = r->jobs;
    for (size_t before = (size_t)-1; before != r->retired;) {
        before = r->retired;
        for (; r->next < r->jobs && r->next - r->retired < LS__SEATS; r->next++) LS_TRY(begin_job(r, r->next));
        for (size_t turn = r->retired; turn < r->next; turn++) LS_TRY(advance_seat(r, ls__seat_of(r, turn)));
        for (; r->retired < r->next && ls__seat_of(r, r->retired)->state == LS__SEAT_DONE; r->retired++)
            ls__seat_of(r, r->retired)->state = LS__SEAT_FREE;
        announce(r);
    }
    return LS_OK;
}
