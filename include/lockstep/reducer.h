/**
 * reducer.h: one shared step: reduce-scatter, optimizer, allgather.
 *
 * This is an allreduce with the optimizer step between its halves. A node holds the weights once; every rank has
 * gradient blocks of its own. The gradient arena is cut into pieces, each with exactly one owner in the whole job. The
 * owner alone gets the summed gradient of its piece, keeps its optimizer state and updates its weights; then the
 * weights travel:
 *
 *      rank 0   [g g g g g g g g]  \                       owner 0  w -= ..  |                 every node
 *      rank 1   [g g g g g g g g]   > reduce: [s s|s s|..] owner 1  w -= ..  | distribute  ->  [w w w w w w w w]
 *      rank 2   [g g g g g g g g]  /                       owner 2  w -= ..  |
 *
 * so nothing is updated twice and no gradient is stored more often than it was computed.
 *
 * The sum is defined without ranks. A batch is V micro-batches, and the gradient is the sum over a fixed binary tree:
 * node(0, i) is micro-batch i, node(l, i) = node(l-1, 2i) + node(l-1, 2i+1), an absent node is passed over, the root is
 * the gradient. Whatever ranks, nodes and groupings there are, the bits are those of this tree (wire float32).
 *
 * The reducer calls nobody; whoever trains drives it. A step:
 *
 *     ...forward...   ls_reducer_await(r, end);      // many times: the weights below `end` are there
 *     ls_reducer_start(r, samples);
 *     ...backward...  ls_reducer_ready(r, mark);     // many times: gradients at or above `mark` are final on this rank
 *     ls_reducer_finish(r);                          // my pieces are summed: norms, finiteness
 *     ...decide together (ls_exchange)...
 *     for each piece: update piece->weights from piece->gradient and piece->slots
 *     ls_reducer_distribute(r);                      // the weights set out, in the order in which forward wants them
 *
 * So gradients travel behind backward, the last layer's first, and weights behind the next forward, the first layer's
 * first.
 *
 * Invariants
 *  - Pieces partition [0, gradient arena) less the ranges of further uses of shared parameters. Cuts fall on multiples
 *    of LS_GRAIN and no piece crosses a parameter.
 *  - Between start and finish a rank's gradient blocks are its own to write at offsets below its last mark only. finish
 *    returns after every rank of the node has called ready(0): no rank reads weights any more.
 *  - distribute ends every step, also one that updated nothing. From then on until await has returned for an offset,
 *    nobody reads or writes weights below it. Gradients may be written again once all ranks have finished: after the
 *    exchange that decides.
 *
 * "Collective" functions are called by all ranks, in the same order. The run phase allocates nothing.
 */
#ifndef LOCKSTEP_REDUCER_H
#define LOCKSTEP_REDUCER_H

#include "lockstep/comm.h"
#include "lockstep/tensor.h"

/* ---- which micro-batches are whose -------------------------------------------------------------------------- */

/**
 * How batches are shared. Micro-batch i of a batch is samples [i * microbatch, (i + 1) * microbatch), the last may be
 * short. In a full batch of V = ceil(batch / microbatch), rank p has micro-batches [p V / ranks, (p + 1) V / ranks); in
 * a short batch micro-batch i belongs to the rank that has it in a full one, so the last ranks may have none. Pure
 * functions.
 */
typedef struct ls_microplan {
    size_t batch;      /* samples of a full batch */
    size_t microbatch; /* samples of a micro-batch */
    size_t ranks;
} ls_microplan;

/** Micro-batches of a batch of `samples` samples: ceil(samples / microbatch). */
size_t ls_microplan_count(const ls_microplan *plan, size_t samples);

/** The most ranks that can share a full batch is its number of micro-batches: true where plan->ranks are not more. */
bool ls_microplan_fits(const ls_microplan *plan);
/** The largest microbatch that divides the batch among `ranks` ranks: what to advise where they do not fit; 0: none. */
size_t ls_microplan_advice(size_t batch, size_t ranks);

/** The first micro-batch of `rank` in a full batch; for rank == ranks their number. */
size_t ls_microplan_first(const ls_microplan *plan, size_t rank);

/** The most micro-batches, rows and blocks (gradient blocks, "c") that any rank ever has. */
size_t ls_microplan_max_count(const ls_microplan *plan);
size_t ls_microplan_max_rows(const ls_microplan *plan);
size_t ls_microplan_max_blocks(const ls_microplan *plan);
/** The largest number of ranks, at most plan->ranks, for which one block is enough: what `check` advises. */
size_t ls_microplan_better_ranks(const ls_microplan *plan);

/**
 * The share of `rank` in a batch of `samples` (1 .. batch) samples. `row` has room for max_count + 1 numbers, `block`
 * for max_blocks + 1; `out` points into both. Sets count, row, blocks, block, first_sample and batch; epoch and
 * position are the caller's and stay.
 */
void ls_microplan_share(const ls_microplan *plan, size_t samples, size_t rank, size_t *row, size_t *block,
                        ls_microbatches *out);

/* ---- the reducer -------------------------------------------------------------------------------------------- */

/** How gradients travel between nodes. bf16 halves the traffic; then bits depend on the number of nodes
    and of their ranks: what a rank adds to its own piece is not rounded. */
typedef enum ls_wire { LS_WIRE_FLOAT32, LS_WIRE_BF16 } ls_wire;

typedef struct ls_reducer_options {
    const ls_params *params; /* laid out; borrowed for the reducer's life */
    size_t batch;            /* of the plan; its ranks are the communicator's */
    size_t microbatch;
    size_t slots; /* arrays of optimizer state */
    ls_wire wire;
    size_t bucket; /* elements that travel together; 0: as measured best, 1 MiB. Never changes a bit */
} ls_reducer_options;

/** A range of one parameter that this rank owns. Addresses are fixed for the reducer's life. */
typedef struct ls_piece {
    size_t param;        /* its number in ls_params; role STATISTIC: no optimizer, slots is NULL */
    size_t offset;       /* in the arena; the piece starts `offset - param's offset` elements into the parameter */
    size_t count;        /* elements, a multiple of LS_GRAIN */
    float *weights;      /* count; in the node's one copy */
    float *gradient;     /* count; after finish the sum over the batch, all uses added in creation order */
    float *const *slots; /* `slots` arrays of count elements, zero at first */
    const double *norms; /* count / LS_GRAIN squared norms, one a block of LS_GRAIN, for an ls_sum; set by finish */
    bool finite;         /* no gradient is NaN or infinite; set by finish */
} ls_piece;

typedef struct ls_reducer ls_reducer;

/** What a reducer takes, in bytes: for `check`, without MPI. */
typedef struct ls_reducer_memory {
    size_t blocks;  /* gradient blocks a rank */
    size_t node;    /* shared by a full node: weights once, gradients, slots */
    size_t rank;    /* private to a rank, at most */
    size_t weights; /* parts of `node` */
    size_t gradients;
    size_t slots;
} ls_reducer_memory;

/** For the ranks of `plan`, `ranks_per_node` on a node (0: all on one). Local; only without memory it fails. */
ls_status ls_reducer_measure(const ls_microplan *plan, size_t ranks_per_node, const ls_params *params, size_t slots,
                             ls_wire wire, ls_reducer_memory *out) LS_MUST_USE;

/**
 * Lays out one segment per node. Collective. Where a node's shared memory is too small, every rank becomes a node of
 * its own (ls_comm_group(comm, 1)), which the communicator's logger says. Weights, gradients and slots are zero. The
 * plan must fit (ls_microplan_fits): more ranks than micro-batches are the caller's to refuse, in the words of its
 * configuration.
 */
ls_status ls_reducer_create(ls_comm *comm, const ls_reducer_options *options, ls_reducer **out) LS_MUST_USE;
/** Collective over the node. */
void ls_reducer_destroy(ls_reducer *reducer);

/** The node's weights: the whole parameter arena, with frozen parameters and statistics. Only owners write. */
float *ls_reducer_weights(ls_reducer *reducer);
/** This rank's gradient blocks: block b starts at b * *stride; each is a gradient arena. */
float *ls_reducer_gradients(ls_reducer *reducer, size_t *stride);

/** The pieces that this rank owns, by descending offset. Borrowed. */
void ls_reducer_pieces(const ls_reducer *reducer, const ls_piece **pieces, size_t *count);

/** All ranks of the node have come here: after one of them wrote the weights by hand (initial values, restore). */
ls_status ls_reducer_barrier(ls_reducer *reducer) LS_MUST_USE;

/** Begins the reduction of a step over `samples` samples of the whole batch. Awaits all weights first. Collective. */
ls_status ls_reducer_start(ls_reducer *reducer, size_t samples) LS_MUST_USE;

/**
 * Every gradient of this rank at or above element offset `mark` is final; marks descend to 0. Does what can be done
 * without waiting. Ranks without micro-batches call ready(0). Local.
 */
ls_status ls_reducer_ready(ls_reducer *reducer, size_t mark) LS_MUST_USE;

/**
 * Pokes: Open MPI makes progress only inside MPI calls. Never waits. Local. A rank that waits in any other collective
 * function of its communicator pokes too, so these may come while weights are on their way.
 */
ls_status ls_reducer_poll(ls_reducer *reducer) LS_MUST_USE;

/** Waits until all pieces of this rank are summed, with norms and finiteness. After ready(0). Collective. */
ls_status ls_reducer_finish(ls_reducer *reducer) LS_MUST_USE;

/** Sends every piece's weights on their way to every node, and does not wait. Ends the step. */
ls_status ls_reducer_distribute(ls_reducer *reducer) LS_MUST_USE;

/** ls_reducer_poll() as a callback (ls_team_set_poke): the next call that returns a status has what failed in it. */
void ls_reducer_poke(void *reducer);

/** Have all weights at offsets below `end` arrived on this node? Of all weights: LS_ALL_WEIGHTS. Local. */
bool ls_reducer_has(ls_reducer *reducer, size_t end);
/** Waits until they have. Other ranks need not wait for the same. */
ls_status ls_reducer_await(ls_reducer *reducer, size_t end) LS_MUST_USE;
#define LS_ALL_WEIGHTS SIZE_MAX

/**
 * Reduces known patterns and compares with the serial definition, bit by bit: a rank, node or network that adds wrongly
 * is found before training. Collective; uses the gradient blocks before the first step and leaves them zero.
 */
ls_status ls_reducer_selftest(ls_reducer *reducer) LS_MUST_USE;

#endif
