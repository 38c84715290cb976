/*
 * stop.h: the conditions that end a run. Each is a row of a table: is it asked for, does it hold, what to say.
 *
 * All but `time` are functions of the run's own numbers and so hold at the same step on any number of ranks; time is
 * decided by rank 0 and travels with the step's message.
 */
#ifndef LOCKSTEP_TRAIN_STOP_H
#define LOCKSTEP_TRAIN_STOP_H

#include "lockstep/train.h"

/** A parsed `stop.metric`: "valid.accuracy >= 0.98". */
typedef struct ls_stop_metric {
    char name[64];
    bool at_least; /* >= (or >); else <= (or <) */
    bool strict;
    double bound;
} ls_stop_metric;

/** Parses the text; false if it is not "SET.METRIC OPERATOR NUMBER". */
bool ls__stop_metric_parse(const char *text, ls_stop_metric *out);
bool ls__stop_metric_holds(const ls_stop_metric *condition, double value);

/** What watches for improvement (stop.plateau, stop.early): the best value so far and the epochs since. */
typedef struct ls_watch {
    double best;
    double since; /* epochs without an improvement; a double, as all saved state */
    double seen;  /* observations so far */
} ls_watch;

/** Takes one observation; true where `patience` observations brought no improvement above `delta`. */
bool ls__watch_observe(ls_watch *watch, double value, bool higher_is_better, double delta, size_t patience);

#endif
