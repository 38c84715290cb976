/**
 * clock.h: time. Timing may decide when to save or to stop, never what is computed.
 */
#ifndef LOCKSTEP_CLOCK_H
#define LOCKSTEP_CLOCK_H

#include <stddef.h>

/** Seconds of a monotonic clock with an arbitrary origin (the same for all processes of one host). */
double ls_clock_now(void);

/** The present wall-clock time as "2031-05-17T12:34:56Z", at most `size` bytes with the NUL (21 suffice). */
void ls_clock_text(char *out, size_t size);

/** Seconds since 1970, for event files. */
double ls_clock_wall(void);

#endif
