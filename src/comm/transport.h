/*
 * transport.h: the only calls of MPI, and the only barrier in shared memory.
 *
 * A simulated build replaces transport.c and the pause in wait.c; nothing else waits or sends. Messages are
 * point-to-point and non-blocking, or collectives that are started, tested and given up at the deadline. Every function
 * turns an MPI error into a status.
 */
#ifndef LOCKSTEP_COMM_TRANSPORT_H
#define LOCKSTEP_COMM_TRANSPORT_H

#include <mpi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/status.h"

struct ls_comm;

typedef MPI_Request ls__request;
#define LS__NO_REQUEST MPI_REQUEST_NULL

/** A set of ranks that can talk. */
typedef struct ls__channel {
    MPI_Comm comm; /* MPI_COMM_NULL: a single rank without MPI */
} ls__channel;

typedef struct ls__transport {
    ls__channel world; /* ranks numbered node by node */
    ls__channel alarm; /* the same ranks, for what is said about ranks that do not come */
    bool finalise;     /* MPI was initialised here */
} ls__transport;

/** The largest message, in bytes. */
#define LS__MESSAGE_BYTES ((size_t)1 << 30)

/** The physical machine as rank 0 .. size-1 of the finished world see it. `leader[r]`: the first rank on r's host. */
typedef struct ls__machine {
    size_t rank, size;
    size_t *leader; /* yours */
} ls__machine;

/** Starts MPI if a launcher started this process. Without one: a world of one rank. */
ls_status ls__transport_start(ls__transport *transport, ls__machine *machine) LS_MUST_USE;
void ls__transport_finish(ls__transport *transport);

/** A channel of the ranks with the same `color`. Collective over the world. */
ls_status ls__channel_split(const ls__transport *transport, size_t color, ls__channel *out) LS_MUST_USE;
void ls__channel_free(ls__channel *channel);

/* Point-to-point on the world; at most LS__MESSAGE_BYTES. */
ls_status ls__send(struct ls_comm *comm, const void *data, size_t bytes, size_t to, size_t tag,
                   ls__request *request) LS_MUST_USE;
ls_status ls__receive(struct ls_comm *comm, void *data, size_t bytes, size_t from, size_t tag,
                      ls__request *request) LS_MUST_USE;

/** Tests requests; `open` is how many are not complete. Completed ones become LS__NO_REQUEST. */
ls_status ls__test(size_t count, ls__request *requests, size_t *open) LS_MUST_USE;
/** Waits for all, with the deadline. `what` names them in its message. */
ls_status ls__await(struct ls_comm *comm, size_t count, ls__request *requests, const char *what) LS_MUST_USE;

/* Collectives of a channel, with the deadline. */
ls_status ls__broadcast(struct ls_comm *comm, ls__channel channel, size_t root, void *data, size_t bytes,
                        const char *what) LS_MUST_USE;
ls_status ls__least(struct ls_comm *comm, ls__channel channel, int64_t mine, int64_t *least,
                    const char *what) LS_MUST_USE;
ls_status ls__gather(struct ls_comm *comm, ls__channel channel, const void *mine, size_t bytes, void *all,
                     const char *what) LS_MUST_USE;

/* The alarm channel never fails aloud: what it carries only improves a message. */
void ls__alarm_send(struct ls_comm *comm, const void *data, size_t bytes, size_t to, ls__request *request);
/** The next message, if there is one: its size in bytes, at most `room`, and who sent it; 0: none. */
size_t ls__alarm_receive(struct ls_comm *comm, void *data, size_t room, size_t *from);

/** Ends the job at once. Arms an alarm first, since MPI_Abort may hang. */
_Noreturn void ls__transport_abort(struct ls_comm *comm, int exit_code);

/** A barrier in shared memory: spins briefly, then yields. Zero bytes are a barrier at rest. */
typedef struct ls__barrier {
    _Alignas(64) _Atomic uint32_t arrived;
    _Alignas(64) _Atomic uint32_t generation;
} ls__barrier;

void ls__barrier_wait(struct ls_comm *comm, ls__barrier *barrier, size_t size, const char *what);

#endif
