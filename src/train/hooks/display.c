/* The progress line or bar, and status.json about every 2 s. Rank 0 only. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "train/trainer.h"

enum { STATUS_SECONDS = 2 };

typedef struct display {
    ls_display *terminal;
    char path[4096];
    double written;
    bool warned;
} display;

static void destroy(void *state) {
    display *d = state;
    ls_display_destroy(d->terminal);
    free(d);
}

static ls_status start(ls_trainer *t, void **state) {
    if (!ls_comm_first(t->comm)) return LS_OK;
    display *d = calloc(1, sizeof *d);
    if (!d) return LS_FAIL(LS_ERR_MEMORY, "no memory for the display");
    *state = d;
    snprintf(d->path, sizeof d->path, "%s/status.json", t->experiment->run.dir);
    ls_display_mode mode = ls_logger_speaks(t->logger) ? t->display : LS_DISPLAY_NONE;
    return ls_display_create(stdout, mode, t->experiment->run.log_every.value, &d->terminal);
}

static ls_run_state state_of(const ls_trainer *t, const char *phase) {
    double speed = ls__speed_value(&t->speed);
    double left = t->last_step > t->state.step ? (double)(t->last_step - t->state.step) : 0;
    double base = ((const ls_optimizer_options *)t->experiment->optimizer.options)->learning_rate;
    return (ls_run_state){
        .phase = phase,
        .step = t->state.step,
        .steps = t->last_step,
        .epoch = ls__epoch(t),
        .epochs = t->last_step / t->steps_per_epoch,
        .loss = t->step_values[0],
        .learning_rate = base * t->learning_rate,
        .samples_per_second = speed,
        .elapsed = ls_clock_now() - t->started,
        .remaining = t->last_step ? left * (double)t->plan.batch / speed : NAN,
        .ranks = ls_comm_size(t->comm),
        .nodes = ls_comm_nodes(t->comm),
        .generation = t->generation,
        .host = ls_comm_host(t->comm, 0),
        .pid = getpid(),
        .checkpoint = t->newest[0] ? t->newest : NULL,
    };
}

/* A status that cannot be written is no reason to end a run; it is said once. */
static void write_status(ls_trainer *t, display *d, const ls_run_state *now) {
    ls_status status = ls_run_state_write(d->path, now);
    if (status != LS_OK && !d->warned) {
        ls_logger_say(t->logger, LS_LOG_WARNING, "%s", ls_status_message(status));
        d->warned = true;
    }
    ls_status_free(status);
}

static ls_status step(ls_trainer *t, void *state) {
    display *d = state;
    if (!d) return LS_OK;
    double now = ls_clock_now();
    ls_run_state what = state_of(t, "training");
    ls_display_update(d->terminal, &what, now);
    if (now - d->written < STATUS_SECONDS) return LS_OK;
    d->written = now;
    write_status(t, d, &what);
    return LS_OK;
}

static ls_status finish(ls_trainer *t, void *state, const ls_summary *summary) {
    display *d = state;
    if (!d) return LS_OK;
    ls_display_clear(d->terminal);
    ls_run_state what = state_of(t, summary->result);
    write_status(t, d, &what);
    return LS_OK;
}

const ls_hook ls__hook_display = {.name = "display",
                                  .doc = "Shows progress on the terminal and in status.json.",
                                  .start = start,
                                  .step = step,
                                  .finish = finish,
                                  .destroy = destroy};
