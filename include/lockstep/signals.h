/**
 * signals.h: what the user or the batch system asks of a running job.
 *
 * A handler only notes; the loop looks once a step, and all ranks act on it at the same step (the wish travels in the
 * step's message). What takes long besides steps looks as well: reading data and learning their preprocessing end with
 * LS_ERR_STOPPED, and an evaluation is put off to the next start. The library's one global that changes lives behind
 * these functions.
 *
 *     USR1                       save and go on
 *     USR2, TERM, INT            save and stop, exit 75
 *     TERM or INT after these    stop now, without a save; at least 0.2 s after, for nearer ones are one request
 *
 * Under mpirun only USR1 and USR2 leave time for a save; lockstep-run turns the others into USR2.
 */
#ifndef LOCKSTEP_SIGNALS_H
#define LOCKSTEP_SIGNALS_H

enum { LS_SIGNAL_SAVE = 1, LS_SIGNAL_STOP = 2, LS_SIGNAL_STOP_NOW = 4 };

/** From here on the four signals are noted instead of ending the process. Local to the process. */
void ls_signals_install(void);

/** The wishes noted so far, which stay noted for the life of the process, but for LS_SIGNAL_SAVE. */
unsigned ls_signals_noted(void);

/** Forgets LS_SIGNAL_SAVE: it has been done. Wishes to stop stay. */
void ls_signals_saved(void);

#endif
