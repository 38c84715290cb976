/*
 * What is asked of a run from outside: signals, the file `stop`, and the time that is over. They are noticed by single
 * ranks and travel as flags in the step's message, so that all ranks act at the same step.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/signals.h"
#include "train/trainer.h"

/* What the last report and the launcher take besides a save: mpirun looks a second after ranks that end with 75. */
static const double leaving_seconds = 1.5;

static bool stop_file_exists(const ls_trainer *t) {
    char path[4096];
    snprintf(path, sizeof path, "%s/stop", t->experiment->run.dir);
    return access(path, F_OK) == 0;
}

uint64_t ls__requests(ls_trainer *t) {
    uint64_t flags = 0;
    unsigned noted = ls_signals_noted();
    if (noted & LS_SIGNAL_SAVE) flags |= LS_FLAG_SAVE;
    if (noted & LS_SIGNAL_STOP) flags |= LS_FLAG_STOP;
    if (noted & LS_SIGNAL_STOP_NOW) flags |= LS_FLAG_STOP_NOW;
    if (!ls_comm_first(t->comm)) return flags;
    double now = ls_clock_now();
    if (ls_saver_busy(t->saver)) flags |= LS_FLAG_SAVER_BUSY;
    if (t->superseded) flags |= LS_FLAG_SUPERSEDED;
    const ls_duration *every = &t->experiment->checkpoint.every;
    if (every->unit == LS_UNIT_SECONDS && now - t->saved.seconds >= every->value) flags |= LS_FLAG_SAVE;
    if (now - t->looked > 0.5) {
        t->looked = now;
        if (stop_file_exists(t)) flags |= LS_FLAG_STOP_FILE;
    }
    const ls_duration *time = &t->experiment->stop.time;
    if (time->unit != LS_UNIT_NONE && t->state.train_seconds + (now - t->started) + ls__save_seconds(t) >= time->value)
        flags |= LS_FLAG_TIME_OVER;
    if (t->over_at > 0 && now + ls__save_seconds(t) + leaving_seconds >= t->over_at) flags |= LS_FLAG_STOP;
    return flags;
}

void ls__trainer_stop(ls_trainer *t, bool resumable, const char *reason) {
    /* Who is asked to stop at the very step at which the run is over must not go past it when started again. */
    bool over = !resumable && t->interrupted && !t->no_save;
    if (t->stopping && !over) return;
    t->stopping = true;
    t->interrupted = resumable;
    snprintf(t->stop_reason, sizeof t->stop_reason, "%s", reason);
}

void ls__obey(ls_trainer *t, uint64_t flags) {
    if (flags & LS_FLAG_SAVE) {
        t->save_wanted = true;
        ls_signals_saved();
    }
    if (flags & (LS_FLAG_STOP_NOW | LS_FLAG_SUPERSEDED)) {
        t->no_save = true;
        ls__trainer_stop(t, true, flags & LS_FLAG_STOP_NOW ? "a second signal" : "a later start took over run.dir");
    }
    if (flags & LS_FLAG_STOP) ls__trainer_stop(t, true, "a signal, or the time allowed");
    if (flags & LS_FLAG_STOP_FILE) ls__trainer_stop(t, true, "the file \"stop\" in the run directory");
    if (flags & LS_FLAG_TIME_OVER) ls__trainer_stop(t, false, LS_STOP_TIME);
}

bool ls__stopped_by_time(const ls_trainer *t) {
    return t->stopping && strcmp(t->stop_reason, LS_STOP_TIME) == 0;
}
