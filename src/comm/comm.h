/*
 * comm.h (private): what a communicator is made of.
 *
 * Two divisions into nodes exist: `machine` is the physical one and carries the board, a segment with a line per rank
 * of the host; `grouping` is what ls_comm_group() made of it and what everything else uses. Groupings are never freed
 * before the communicator, so that memory and reducers can keep the one they were made with.
 */
#ifndef LOCKSTEP_COMM_PRIVATE_H
#define LOCKSTEP_COMM_PRIVATE_H

#include <stdatomic.h>

#include "comm/transport.h"
#include "lockstep/comm.h"

enum { LS__HOST_BYTES = 64, LS__PHASE_WORDS = 3, LS__IO_WORDS = 12 };

/**
 * What a rank is doing, as its neighbours and the deadline's message see it. Texts are kept in atomic words, so that
 * any reader sees bytes that were written; a line that changes while it is read may mix two texts, which harms nobody.
 */
typedef struct ls__line {
    _Alignas(64) _Atomic uint64_t step;
    _Atomic uint64_t beats;   /* signs of life during long work */
    _Atomic uint64_t changed; /* nanoseconds on the host's clock when the phase, step or beat last changed */
    _Atomic uint64_t looked;  /* the same, when it last looked up from a wait; 0: not waiting */
    _Atomic uint64_t phase[LS__PHASE_WORDS];
    _Atomic uint64_t io[LS__IO_WORDS];
    _Atomic uint64_t abort; /* of the host's first line: a rank of it has told why the job ends */
} ls__line;

typedef struct ls__grouping ls__grouping;
struct ls__grouping {
    ls__grouping *older;
    ls__channel channel; /* of the node's ranks; none where there is one */
    size_t nodes, node;
    size_t rank, size; /* within the node */
    size_t *first;     /* nodes + 1: the first rank of each */
};

typedef struct ls__alarm ls__alarm;

struct ls_comm {
    ls__transport transport;
    size_t rank, size;
    double deadline;
    double waited; /* seconds */
    ls_logger *logger;
    char (*hosts)[LS__HOST_BYTES]; /* size of them */
    ls__grouping *machine, *grouping;
    ls_comm_memory *board;
    ls__line *lines; /* of the host's ranks */
    ls__line *line;  /* this rank's */
    ls__alarm *alarm;
    void (*poke)(void *poked); /* at every pause of every wait: others may wait for what passes through here; or NULL */
    void *poked;
};

/** The node of a rank. */
size_t ls__grouping_node(const ls__grouping *grouping, size_t rank);

/** From begin to before end: bytes, micro-batches, elements. */
typedef struct ls__range {
    size_t begin, end;
} ls__range;

/**
 * As ls_comm_memory_create(), for a given grouping, and each rank reserves `count` ranges of bytes of its own; those of
 * all ranks together are the whole block.
 */
ls_status ls__memory_create(ls_comm *comm, const ls__grouping *grouping, size_t bytes, size_t count,
                            const ls__range *mine, const char *what, void **base, ls_comm_memory **out) LS_MUST_USE;

#endif
