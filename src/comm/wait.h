/*
 * wait.h: waiting that ends.
 *
 *     ls__wait wait = ls__wait_begin(comm, "the gradients");
 *     while (!condition) ls__wait_pause(&wait);
 *     ls__wait_end(&wait);
 *
 * A pause spins a hundred times, then yields; now and then it looks at the clock, the neighbours' lines and the alarm
 * channel. At the deadline it names the missing and ends the job: it does not return. A short wait costs nothing.
 */
#ifndef LOCKSTEP_COMM_WAIT_H
#define LOCKSTEP_COMM_WAIT_H

#include "lockstep/comm.h"

typedef struct ls__wait {
    ls_comm *comm;
    const char *what;
    unsigned pauses;
    double idle;      /* since when there has been nothing to do; 0: there is */
    double rested;    /* when the last pause ended, but for the shortest */
    double begin;     /* when it first looked at the clock; 0: not yet */
    double sign;      /* the last sign of life of anyone who does not wait */
    double looked;    /* when it last looked at the clock */
    double complaint; /* when a peer first complained during this wait; 0: nobody */
    uint64_t latest;  /* when a line of this host last changed */
    bool reported;
    bool crowded;     /* a yield took long: others want this core */
} ls__wait;

ls__wait ls__wait_begin(ls_comm *comm, const char *what);
void ls__wait_pause(ls__wait *wait);
/** What was done since the last pause was work: it does not count as waiting (ls_comm_waited()). */
void ls__wait_worked(ls__wait *wait);
void ls__wait_end(ls__wait *wait);

/** What the deadline needs to know of peers. Created and destroyed with the communicator. */
ls_status ls__alarm_create(ls_comm *comm) LS_MUST_USE;
void ls__alarm_destroy(ls_comm *comm);

#endif
