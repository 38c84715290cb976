/*
 * reducer.h (private): the parts of a reducer.
 *
 * One job is one lane of one bucket that this rank carries. Jobs are reduced in order, by descending offset, several at
 * a time: each occupies one seat of a ring with its messages and buffers.
 *
 *      reduce       wait for the node's gradients -> sum them in place of the own block 0 -> messages -> retire
 *      distribute   messages, straight from and into the node's weights; in the opposite order, as forward needs them
 *
 * Where sums lie: a node's partial sums are written over this rank's own gradient block 0, in the lanes it carries:
 * nobody else reads them there. Where a node has several partials, the one that contains that block goes there, being
 * summed last, and the others into the seat's `spare`.
 */
#ifndef LOCKSTEP_COMM_REDUCER_PRIVATE_H
#define LOCKSTEP_COMM_REDUCER_PRIVATE_H

#include "comm/cut.h"
#include "comm/tree.h"
#include "lockstep/memory.h"
#include "lockstep/reducer.h"

/** How far a rank has come, in a line of its own: monotone over steps, so nothing is ever reset. */
typedef struct ls__progress {
    _Alignas(64) _Atomic uint64_t mark; /* of its backward */
    _Atomic uint64_t arrived;           /* weights below, in the lanes that it carries */
} ls__progress;

/** What is summed where for a batch of `samples` samples: full ones, or the short last one of an epoch. */
typedef struct ls__schedule {
    size_t samples;
    size_t *cover_first;  /* nodes + 1: each node's nodes of the tree, its partials ... */
    ls__range *cover;     /* ... as ranges of micro-batches */
    size_t *block_first;  /* ranks of this node + 1: each rank's gradient blocks ... */
    ls__range *block;     /* ... as ranges of micro-batches */
    ls__leaf *leaf;       /* the blocks' values */
    ls__program *partial; /* this node's partials from its blocks */
    size_t in_place;      /* the partial that is written over this rank's block 0 */
    ls__program root;     /* the sum from all nodes' partials */
    bool halving;         /* neighbour-first halving is the tree */
} ls__schedule;

typedef enum ls__seat_state { LS__SEAT_FREE, LS__SEAT_GRADIENTS, LS__SEAT_MESSAGES, LS__SEAT_DONE } ls__seat_state;

typedef struct ls__seat {
    ls__seat_state state;
    size_t bucket, lane;
    ls__range range, part; /* the whole lane, and this node's part of it */
    size_t step, steps;    /* of halving or doubling */
    size_t from, to;       /* halving: the positions that are still this rank's */
    size_t requests;
    ls__request *request;
    float *spare; /* partials that are not in place */
    float *received;
    uint16_t *sent_bf16, *received_bf16;
} ls__seat;

typedef struct ls__job {
    size_t bucket, lane;
    size_t piece_first, piece_end;
} ls__job;

/* Distributing lasts until this rank's own jobs are done; from then on only its view of the others' is behind. */
typedef enum ls__reducer_state {
    LS__REDUCER_IDLE,
    LS__REDUCER_REDUCING,
    LS__REDUCER_REDUCED,
    LS__REDUCER_DISTRIBUTING
} ls__reducer_state;

enum { LS__SEATS = 4 };

struct ls_reducer {
    ls_comm *comm;
    const ls__grouping *grouping;
    ls_reducer_options options;
    ls_microplan plan;
    ls_pool *pool;
    ls__cut cut;
    size_t blocks, stride; /* gradient blocks a rank, and their distance in elements */

    ls_comm_memory *memory;
    ls__progress *progress; /* of the node's ranks */
    float *weights;
    float **gradients; /* of the node's ranks: block 0 of each */
    float *mine;       /* this rank's */

    ls__job *job;
    size_t jobs;
    ls_piece *piece;
    size_t pieces;
    double *norms;      /* of all pieces ... */
    size_t *norm_first; /* ... and where those of each begin */

    ls__schedule schedule;
    ls__seat seat[LS__SEATS];
    void *buffers;
    float *stack;
    ls__leaf *root_leaf;

    ls__reducer_state state;
    uint64_t step;
    size_t next, retired; /* jobs that have a seat, or had one; jobs that are done */
    size_t summed;        /* counts the times that something was added: what a poll did, if anything */
    size_t here;          /* weights below this offset are known to have arrived on the node */
    ls_status failure;    /* of a poke; the next poll returns it */
};

/* ---- schedule.c ---- */

/** Space for schedules, for the full batch as the largest. */
ls_status ls__schedule_create(ls_reducer *reducer) LS_MUST_USE;
/** Makes the schedule of a batch. Allocates nothing. */
void ls__schedule_make(ls_reducer *reducer, size_t samples);
/** The partials of a node of a full batch: the most it ever has. */
size_t ls__full_cover(const ls_microplan *plan, const size_t *node_first, size_t node);

/* ---- reduce.c ---- */

/** Does what can be done without waiting. Over when `retired` is `jobs`. */
ls_status ls__reduce_poll(ls_reducer *reducer) LS_MUST_USE;

/* ---- distribute.c ---- */

/** The same for weights on their way to other nodes. Jobs are counted from the last one. */
ls_status ls__distribute_poll(ls_reducer *reducer) LS_MUST_USE;

/* ---- for both ---- */

/** The seat of the job that is the turn-th to have one. */
static inline ls__seat *ls__seat_of(ls_reducer *reducer, size_t turn) {
    return &reducer->seat[turn % LS__SEATS];
}

/** The tag of a seat's messages. One pair of ranks has at most one lane of a bucket in common at a time. */
static inline size_t ls__seat_tag(const ls_reducer *reducer, const ls__seat *seat) {
    enum { FIRST_TAG = 16 };
    return FIRST_TAG + seat->bucket * reducer->cut.lanes + seat->lane;
}

/** Sits down: the seat knows the job's ranges, and has no requests. */
void ls__seat_take(ls_reducer *reducer, ls__seat *seat, const ls__job *job, ls__seat_state state);

#endif
