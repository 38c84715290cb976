/*
 * simulated.h: what stands for the machine in a simulation: comm/transport.h and comm/wait.h over SimGrid's MPI.
 *
 * All ranks are threads of control in one process, and time is what the simulator says. Processor time passes only
 * where simulated_work() says so: for a message, for its bytes, and for what the caller declares (layers, norms,
 * updates). Waiting blocks in MPI_Waitany until a message of this rank is complete; Open MPI would poll. Each rank is a
 * node.
 */
#ifndef LOCKSTEP_BENCH_SIMULATED_H
#define LOCKSTEP_BENCH_SIMULATED_H

#include <stdbool.h>
#include <stddef.h>

/** What the processor does for messages; the network itself is the platform's. Equal on all ranks. */
typedef struct simulated_costs {
    double message; /* seconds for each message sent or received */
    double byte;    /* seconds for each byte sent or received: 0 where the network card does it */
    bool hollow;    /* messages of the reducer have their sizes but no contents, so that many ranks fit into memory */
} simulated_costs;

/** Before ls_comm_start(), on every rank. */
void simulated_set_costs(const simulated_costs *costs);
/** From now on each byte of a received message costs this much more: the addition of a gradient. */
void simulated_set_addition(double seconds_per_byte);

/** Seconds of processor time. */
void simulated_work(double seconds);
/** Simulated seconds. */
double simulated_now(void);

#endif
