#include "comm/comm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/clock.h"
#include "lockstep/memory.h"

enum { MEASURE_TAG = 3, WARM_ROUNDS = 10, ROUNDS = 100, STREAMS = 4, STREAM_TRIES = 4 };

static const size_t stream_bytes = (size_t)4 << 20;

static ls_status send_now(ls_comm *comm, const void *data, size_t bytes, size_t to) {
    ls__request request = LS__NO_REQUEST;
    LS_TRY(ls__send(comm, data, bytes, to, MEASURE_TAG, &request));
    return ls__await(comm, 1, &request, "a measurement");
}

static ls_status receive_now(ls_comm *comm, void *data, size_t bytes, size_t from) {
    ls__request request = LS__NO_REQUEST;
    LS_TRY(ls__receive(comm, data, bytes, from, MEASURE_TAG, &request));
    return ls__await(comm, 1, &request, "a measurement");
}

/*
 * Rank 0 asks, the peer answers with its clock. The shortest round counts: what made others longer was not the network.
 * Half way through it the peer's clock was read (Cristian: Probabilistic clock synchronization, 1989).
 */
static ls_status measure_rounds(ls_comm *comm, size_t peer, ls_comm_speed *out) {
    double clock = 0, shortest = INFINITY;
    for (int i = 0; i < WARM_ROUNDS + ROUNDS; i++) {
        if (comm->rank == peer) {
            LS_TRY(receive_now(comm, &clock, sizeof clock, 0));
            clock = ls_clock_wall();
            LS_TRY(send_now(comm, &clock, sizeof clock, 0));
            continue;
        }
        double wall = ls_clock_wall(), began = ls_clock_now();
        LS_TRY(send_now(comm, &clock, sizeof clock, peer));
        LS_TRY(receive_now(comm, &clock, sizeof clock, peer));
        double round = ls_clock_now() - began;
        if (i < WARM_ROUNDS || round >= shortest) continue;
        shortest = round;
        out->ahead = clock - (wall + round / 2);
    }
    out->latency = shortest / 2;
    return LS_OK;
}

/* The peer sends large messages; the fastest try counts. */
static ls_status measure_stream(ls_comm *comm, size_t peer, void *bytes, ls_comm_speed *out) {
    char go = 0;
    for (int t = 0; t < STREAM_TRIES; t++) {
        if (comm->rank == peer) {
            LS_TRY(receive_now(comm, &go, 1, 0));
            for (int i = 0; i < STREAMS; i++) LS_TRY(send_now(comm, bytes, stream_bytes, 0));
            continue;
        }
        double began = ls_clock_now();
        LS_TRY(send_now(comm, &go, 1, peer));
        for (int i = 0; i < STREAMS; i++) LS_TRY(receive_now(comm, bytes, stream_bytes, peer));
        double rate = (double)STREAMS * (double)stream_bytes / (ls_clock_now() - began);
        if (rate > out->bandwidth) out->bandwidth = rate;
    }
    return LS_OK;
}

ls_status ls_comm_measure(ls_comm *comm, size_t peer, ls_comm_speed *out) {
    *out = (ls_comm_speed){0};
    bool takes_part = comm->rank == 0 || comm->rank == peer;
    void *bytes = NULL;
    ls_status status = takes_part ? ls_block_create(stream_bytes, 1, "a measurement", &bytes) : LS_OK;
    status = ls_comm_agree(comm, status);
    if (status == LS_OK && takes_part && peer > 0) {
        status = measure_rounds(comm, peer, out);
        if (status == LS_OK) status = measure_stream(comm, peer, bytes, out);
    }
    ls_block_destroy(bytes);
    return ls_comm_agree(comm, status);
}
