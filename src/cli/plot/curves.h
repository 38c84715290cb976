/*
 * curves.h: what metrics.jsonl of one or more runs says, as curves over epochs.
 */
#ifndef LOCKSTEP_CLI_PLOT_CURVES_H
#define LOCKSTEP_CLI_PLOT_CURVES_H

#include "lockstep/memory.h"

typedef struct cli_point {
    double x, y;
} cli_point;

/* One number of one run: "loss" of its steps or of its validation set. */
typedef struct cli_curve {
    const char *run, *name, *set; /* set: "train", "valid", ... */
    bool steps;                   /* a point a step, not an evaluation */
    double steps_per_epoch;       /* of its run; 0: no epoch has ended yet */
    size_t count, space;
    cli_point *points;
} cli_curve;

enum { CLI_MOST_NAMES = 64 };

typedef struct cli_curves {
    size_t count, space;
    cli_curve *items;
    bool in_epochs;                       /* else x is the step: some run has not ended an epoch yet */
    const char *seen[CLI_MOST_NAMES + 1]; /* the names of all numbers there are, wanted or not */
} cli_curves;

/*
 * Adds the curves of the run in the folder `run`, which is its name in legends. `names` (NULL-terminated) says which
 * numbers; NULL: loss, and every metric that was evaluated. Texts live in `pool`.
 */
ls_status cli_curves_read(const char *run, const char *const *names, ls_pool *pool, cli_curves *curves) LS_MUST_USE;

/*
 * When all runs are read: x becomes the epoch, curves of steps are smoothed, and of two that tell the same the coarser
 * one is left empty.
 */
void cli_curves_finish(cli_curves *curves);
void cli_curves_free(cli_curves *curves);

#endif
