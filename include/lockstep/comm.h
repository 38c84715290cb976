/**
 * comm.h: ranks and nodes: who takes part, how they agree, what they share, and how they fail together.
 *
 * Started by mpirun or srun the program is `size` ranks; started by hand it is one rank and MPI is never touched. Ranks
 * are renumbered node by node, so that the ranks of a node are neighbours, and so are their micro-batches:
 *
 *      rank          0   1   2 | 3   4   5 | 6   7
 *      node          0         | 1         | 2            node_rank 0, 1, 2 ...; the first of a node is its leader
 *
 * Three rules that every caller can rely on:
 *
 *  - *All leave together.* A failure that one rank decides becomes everybody's at the next ls_comm_agree(), and rank 0
 *    has the words. A failure in the middle of a step, where no agreement is near, is ls_comm_abort().
 *  - *No wait is for ever.* Every wait in this library ends at the deadline with one block on stderr that names the
 *    ranks that did not come, where they are and what they did last; then the job ends with exit code 1. A rank that
 *    works long on its own (loading, saving) calls ls_comm_beat() per item.
 *  - *Nothing remains.* Shared memory has no name once it is attached: whatever kills the job, the memory goes too.
 *
 * "Collective" means that all ranks call it, in the same order; "collective over the node" that all ranks of a node do.
 * Only the main thread calls these functions, but for ls_comm_note_io(). MPI runs as MPI_THREAD_FUNNELED.
 */
#ifndef LOCKSTEP_COMM_H
#define LOCKSTEP_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/logger.h"
#include "lockstep/status.h"
#include "lockstep/sum.h"

typedef struct ls_comm ls_comm;

typedef struct ls_comm_options {
    size_t ranks_per_node; /* 0: as the machine has them; else nodes are cut into groups of at most so many ranks */
    double deadline;       /* seconds that a wait may last without a sign of life; 0: for ever */
    ls_logger *logger;     /* for warnings; may be NULL. Borrowed */
} ls_comm_options;

/**
 * Joins the ranks of this job. Collective over the job. MPI is initialised only if a launcher started the program and
 * the caller has not done so, and MPI_COMM_WORLD is duplicated, never used. A launcher of another MPI, which would
 * start N jobs of one rank each, is refused with the one to use. `options` NULL: all defaults (no deadline).
 */
ls_status ls_comm_start(const ls_comm_options *options, ls_comm **out) LS_MUST_USE;

/** Leaves. Collective. Finalises MPI if ls_comm_start() initialised it. All memory must be destroyed before. */
void ls_comm_finish(ls_comm *comm);

/**
 * The first `ranks` ranks as a communicator of their own: to measure how a job scales. Collective over `comm`; *out is
 * NULL on the other ranks. It ends with ls_comm_finish(), before `comm` does.
 */
ls_status ls_comm_first_ranks(ls_comm *comm, size_t ranks, ls_comm **out) LS_MUST_USE;

/** The configuration is read after the ranks have joined; these set what it says. Local; equal on all ranks. */
void ls_comm_set_deadline(ls_comm *comm, double seconds);
void ls_comm_set_logger(ls_comm *comm, ls_logger *logger);

/**
 * From here on nodes have at most `ranks_per_node` ranks (0: as the machine has them). Collective. Memory, exchanges
 * and reducers made before keep the nodes they were made with.
 */
ls_status ls_comm_group(ls_comm *comm, size_t ranks_per_node) LS_MUST_USE;

size_t ls_comm_rank(const ls_comm *comm);
size_t ls_comm_size(const ls_comm *comm);
size_t ls_comm_nodes(const ls_comm *comm);
size_t ls_comm_node(const ls_comm *comm);                    /* this rank's node, 0 .. nodes-1 */
size_t ls_comm_node_rank(const ls_comm *comm);               /* this rank's number within its node */
size_t ls_comm_node_size(const ls_comm *comm);               /* ranks of this node */
size_t ls_comm_node_first(const ls_comm *comm, size_t node); /* first rank of a node; `nodes` gives `size` */
const char *ls_comm_host(const ls_comm *comm, size_t rank);  /* the host name of any rank; borrowed */
/** Who shares cores and memory, whatever ls_comm_group() made of nodes: the first rank on the machine of `rank`, and
    the ranks of this rank's machine. Local. */
size_t ls_comm_machine_first(const ls_comm *comm, size_t rank);
size_t ls_comm_machine_size(const ls_comm *comm);
/** What slows this job down though it works (InfiniBand that is not used): a sentence to print, or NULL. Local. */
const char *ls_comm_advice(const ls_comm *comm);
/** True on one rank of the job: the one that prints, and writes files. */
static inline bool ls_comm_first(const ls_comm *comm) {
    return ls_comm_rank(comm) == 0;
}

/* ---- agreement ---------------------------------------------------------------------------------------------- */

/**
 * Turns the failure of any rank into a failure of all. Collective; takes `status` and returns this rank's new one.
 * LS_OK everywhere: LS_OK everywhere. Otherwise the failure of the lowest failing rank wins: rank 0 gets it in full,
 * with "rank 3 on HOST: " before it unless it was rank 0's own, so that the one who prints has the words; all others
 * get ls_status_reported() with its exit code. The idiom at every collective boundary:
 *
 *     LS_TRY(ls_comm_agree(comm, open_my_part(...)));
 */
ls_status ls_comm_agree(ls_comm *comm, ls_status status) LS_MUST_USE;

/**
 * The least of what the ranks say, to all of them. Collective. Nodes need not be alike: what follows from a node's
 * memory, and decides which collective calls come next, has to be decided for all by the one that has least.
 */
ls_status ls_comm_least(ls_comm *comm, size_t mine, size_t *out) LS_MUST_USE;

/* ---- moving bytes ------------------------------------------------------------------------------------------- */

/** All ranks have come here. Collective. */
ls_status ls_comm_barrier(ls_comm *comm) LS_MUST_USE;

/** `bytes` bytes of rank `root` to all. Collective; `bytes` and `root` equal on all ranks, of any size. */
ls_status ls_comm_broadcast(ls_comm *comm, size_t root, void *data, size_t bytes) LS_MUST_USE;

/**
 * A text of rank `root` to all. Collective. On root `text` is read; on every rank `out` receives a copy, which is yours
 * to free(). A NULL text arrives as NULL.
 */
ls_status ls_comm_broadcast_text(ls_comm *comm, size_t root, const char *text, char **out) LS_MUST_USE;

/** `bytes` bytes of every rank to rank 0, in rank order: `all` has room for size * bytes there. */
ls_status ls_comm_gather(ls_comm *comm, const void *mine, size_t bytes, void *all) LS_MUST_USE;

/**
 * A gather of large parts that takes its time: rank r's `bytes` bytes arrive on rank 0 at into[r], in parts of
 * 1 MiB, while training goes on; only ls_collect_test() and ls_collect_wait() move anything. A part of rank 0 itself is
 * copied at once (unless it is where it should be). create and wait are collective, test is local.
 */
typedef struct ls_collect ls_collect;

/** `sizes` (bytes of every rank) and `into` matter on rank 0 only, and are copied. `mine` must stay until done. */
ls_status ls_collect_create(ls_comm *comm, const void *mine, size_t bytes, const size_t *sizes, void *const *into,
                            ls_collect **out) LS_MUST_USE;
/** Moves what can be moved now; `done` says whether this rank's part is over (on rank 0: everybody's). */
ls_status ls_collect_test(ls_collect *collect, bool *done) LS_MUST_USE;
ls_status ls_collect_wait(ls_collect *collect) LS_MUST_USE;
/** Only when done. Local. */
void ls_collect_destroy(ls_collect *collect);

/** What the way between two ranks is like. */
typedef struct ls_comm_speed {
    double latency;   /* seconds for a small message, one way */
    double bandwidth; /* bytes per second of large messages */
    double ahead;     /* seconds by which the other's clock is ahead */
} ls_comm_speed;

/**
 * Measures the way between rank 0 and `peer`, about 0.1 s, while all others wait. Collective; rank 0 has the result.
 * All zero for peer 0.
 */
ls_status ls_comm_measure(ls_comm *comm, size_t peer, ls_comm_speed *out) LS_MUST_USE;

/* ---- the one small message of a step ------------------------------------------------------------------------ */

/**
 * What a step has to decide on travels in one message: exact sums, flags that are OR-ed, and maxima. Every rank gets
 * the same bits, whatever the number of ranks and their order. A step does:
 *
 *     ls_exchange_clear(x);
 *     ls_sum_add(ls_exchange_sum(x, LOSS), loss);
 *     *ls_exchange_flags(x) |= SAVE_WANTED;
 *     *ls_exchange_max(x, 0) = seconds;
 *     LS_TRY(ls_exchange_run(x));               // now they are those of all ranks
 */
typedef struct ls_exchange ls_exchange;

/** An exchange of `sums` sums and `maxima` maxima. Collective. */
ls_status ls_exchange_create(ls_comm *comm, size_t sums, size_t maxima, ls_exchange **out) LS_MUST_USE;
/** Collective over the node. */
void ls_exchange_destroy(ls_exchange *exchange);

/** Sums 0, flags 0, maxima -infinity. Local. */
void ls_exchange_clear(ls_exchange *exchange);
ls_sum *ls_exchange_sum(ls_exchange *exchange, size_t index);
double *ls_exchange_max(ls_exchange *exchange, size_t index);
uint64_t *ls_exchange_flags(ls_exchange *exchange);

/** Collective. A NaN among the maxima wins. Allocates nothing. */
ls_status ls_exchange_run(ls_exchange *exchange) LS_MUST_USE;

/* ---- memory that a node shares ------------------------------------------------------------------------------ */

/**
 * One zeroed block that all ranks of a node see, aligned to 64 bytes or better. Every rank reserves, and so first
 * touches, an even share of it. With one rank on the node it is private memory.
 */
typedef struct ls_comm_memory ls_comm_memory;

/**
 * Collective over the node; `bytes` equal on its ranks. `what` is named in the failure ("the data cache"). Where the
 * shared memory file system is too small it fails on all ranks of the node (LS_ERR_MEMORY, with size and remedy) before
 * anything is written; other nodes may have succeeded, so agree before going on.
 */
ls_status ls_comm_memory_create(ls_comm *comm, size_t bytes, const char *what, void **base,
                                ls_comm_memory **out) LS_MUST_USE;
/** Local: the block lives on with the others until the last one leaves. */
void ls_comm_memory_destroy(ls_comm_memory *memory);

/** This rank's number among those that share the block, and how many they are: to divide the work of filling it. */
size_t ls_comm_memory_rank(const ls_comm_memory *memory);
size_t ls_comm_memory_size(const ls_comm_memory *memory);

/** All that share the block have come here, and see what the others wrote before. Collective over the block's ranks. */
ls_status ls_comm_memory_barrier(ls_comm_memory *memory) LS_MUST_USE;

/* ---- what a rank is doing, and the end of a job ------------------------------------------------------------- */

/** Notes the phase ("load", "forward"; at most 23 bytes are kept) and step for the deadline's message. Local. */
void ls_comm_note(ls_comm *comm, const char *phase, uint64_t step);

/** Notes the last input or output ("read train.h5 row 60000"); at most 95 bytes are kept. Any thread. */
void ls_comm_note_io(ls_comm *comm, const char *text);

/** A sign of life of a rank that works long on its own while others wait. Local in effect; call it per item. */
void ls_comm_beat(ls_comm *comm);

/** Seconds since the start in which this rank had nothing to do but wait for others. Local. */
double ls_comm_waited(const ls_comm *comm);

/**
 * Ends the job because of a failure that only this rank knows: prints one block (host, rank, phase, step, the failure,
 * the last input/output, remedy) on stderr, then MPI_Abort with the failure's exit code. Local; never returns. Where
 * the failure is one that another rank has reported it prints nothing; where several ranks of a host meet one at the
 * same time the first speaks. The others leave it 2 s to end them.
 */
_Noreturn void ls_comm_abort(ls_comm *comm, ls_status status);

#endif
