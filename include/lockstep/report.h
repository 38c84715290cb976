/**
 * report.h: what a run leaves for people and programs to read: plain structs into lines and files.
 *
 * Nothing here knows the training loop. The loop fills structs and hands them over; each writer is on its own:
 *
 *      ls_journal       metrics.jsonl     one event a line: steps, evaluations, saves    appended
 *      ls_run_state     status.json       what the run is doing now                      replaced every 2 s
 *      ls_display       the terminal      a bar, or a full line about every 10 s
 *      ls_tensorboard   tensorboard/      the same curves as event files                 appended
 *      ls_summary       report.json|.txt  how it ended and where the time went           once
 *
 * Invariants
 *  - A number is written in the fewest digits that read back as the same double; what is not finite is written as null,
 *    since JSON has no word for it, and reads back as NaN.
 *  - A reader never sees half a file of those that are replaced: they are written beside and renamed.
 *  - Resuming at step s cuts what was appended to events of steps up to s; a torn last line or record goes as well.
 *
 * All functions are local; only rank 0 has anything to write. Writers cost a few microseconds a call and allocate only
 * while their line buffer grows.
 */
#ifndef LOCKSTEP_REPORT_H
#define LOCKSTEP_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "lockstep/memory.h"

/* ---- values and events -------------------------------------------------------------------------------------- */

/** A named number, or where `text` is not NULL a named text. */
typedef struct ls_value {
    const char *name;
    double number;
    const char *text;
} ls_value;

/**
 * One event: what happened at which step, with values.
 *
 *     {"event":"step","step":20,"epoch":0,"loss":0.71,"learning_rate":0.05,"samples_per_second":48000.0}
 *     {"event":"eval","step":23,"epoch":1,"set":"valid","loss":0.4,"accuracy":0.88}
 *
 * Kinds in use: start, step, eval, save, skip, stop, end. Readers pass over kinds that they do not know.
 */
typedef struct ls_event {
    const char *event;
    uint64_t step, epoch;
    const char *set; /* "train", "valid", "test", or NULL */
    size_t count;
    const ls_value *values;
} ls_event;

/* ---- metrics.jsonl ------------------------------------------------------------------------------------------ */

typedef struct ls_journal ls_journal;

/** In place of a last step: keep everything that a file holds, or nothing of it (a new run). */
#define LS_REPORT_KEEP_ALL UINT64_MAX
#define LS_REPORT_KEEP_NONE (UINT64_MAX - 1)

/**
 * Opens a journal for appending; makes the file if there is none. Events of steps above `last_step` and a torn last
 * line are removed first; it is the step of the checkpoint that is resumed, LS_REPORT_KEEP_NONE or LS_REPORT_KEEP_ALL.
 */
ls_status ls_journal_open(const char *path, uint64_t last_step, ls_journal **out) LS_MUST_USE;
/** Writes one line, in one call of the system, so that a killed program leaves whole lines. */
ls_status ls_journal_write(ls_journal *journal, const ls_event *event) LS_MUST_USE;
/** The same for a line that is no list of numbers: an object with "event", "step" and "epoch", and a line end. */
ls_status ls_journal_write_line(ls_journal *journal, const ls_text *line) LS_MUST_USE;
/**
 * Bytes of lines that could not be written (the disk is full): a failure to write loses nothing, for the rest waits in
 * memory and is written before the next line.
 */
size_t ls_journal_waiting(const ls_journal *journal);
/** Writes the lines that wait; ls_journal_close() does so too. */
ls_status ls_journal_flush(ls_journal *journal) LS_MUST_USE;
ls_status ls_journal_close(ls_journal *journal) LS_MUST_USE;

/** Removes events of steps above `last_step`, and a torn last line. A file that does not exist is fine. */
ls_status ls_journal_truncate(const char *path, uint64_t last_step) LS_MUST_USE;

/**
 * Calls `visit` for each event, in order; what it is given is borrowed for the call. A failure of `visit` ends the
 * reading and is returned. A torn last line is passed over (a run may be writing it); a bad line elsewhere is a failure
 * with FILE:LINE.
 */
ls_status ls_journal_read(const char *path, ls_status (*visit)(void *context, const ls_event *event),
                          void *context) LS_MUST_USE;

/** The number called `name` among an event's values, NaN where it is absent. */
double ls_event_number(const ls_event *event, const char *name);

/** Appends `number` as in all these files: "0.71", "48000.0", "null". At most 32 bytes with the NUL. Returns `out`. */
const char *ls_report_number(double number, char out[32]);

/* ---- status.json -------------------------------------------------------------------------------------------- */

/** What a run is doing. Texts are borrowed; NaN and NULL where unknown. */
typedef struct ls_run_state {
    const char *phase; /* "loading", "training", "evaluating", "saving", "done", "stopped", "failed" */
    uint64_t step, steps;   /* steps: planned, 0 where the stop condition does not tell */
    uint64_t epoch, epochs; /* epochs: likewise */
    double loss;            /* running mean of the epoch */
    double learning_rate;
    double samples_per_second;
    double elapsed, remaining; /* seconds */
    uint64_t ranks, nodes;
    uint64_t generation; /* of run.lock: raised by each start */
    const char *host;
    int64_t pid;
    const char *job;        /* of the batch system */
    const char *checkpoint; /* newest verified one */
    const char *updated;    /* set by ls_run_state_read: when it was written, "2031-05-17T12:34:56Z" */
} ls_run_state;

ls_status ls_run_state_write(const char *path, const ls_run_state *state) LS_MUST_USE;

/** Reads a status.json. Texts live in `pool`. */
ls_status ls_run_state_read(const char *path, ls_pool *pool, ls_run_state *out) LS_MUST_USE;

/* ---- progress ----------------------------------------------------------------------------------------------- */

typedef enum ls_display_mode {
    LS_DISPLAY_AUTO, /* a bar on a terminal of its own, else lines */
    LS_DISPLAY_LINES,
    LS_DISPLAY_BAR,
    LS_DISPLAY_NONE,
} ls_display_mode;

typedef struct ls_display ls_display;

/**
 * Shows progress on `output`: every `interval` seconds a line, or about ten times a second a bar that is redrawn in
 * place. Under a launcher standard output is a terminal even when it is redirected, so AUTO draws a bar only where
 * `output` is a terminal with columns and no launcher's variable is set.
 */
ls_status ls_display_create(FILE *output, ls_display_mode mode, double interval, ls_display **out) LS_MUST_USE;
void ls_display_destroy(ls_display *display);

/** Shows `state` if it is time: call it as often as you like. `now` is ls_clock_now(). */
void ls_display_update(ls_display *display, const ls_run_state *state, double now);

/** Takes a bar away, so that other lines can be printed; the next update draws it again. */
void ls_display_clear(ls_display *display);

/** True where a bar is drawn. */
bool ls_display_is_bar(const ls_display *display);

/** A progress line, without line end: "epoch 3/30  step 120/690  loss 0.412  48000 samples/s  left 1m20s". */
const char *ls_run_state_line(const ls_run_state *state, char *out, size_t size);

/** "0.4s", "12s", "3m05s", "2h04m", "3d02h"; "?" for what is not finite. At most 24 bytes. Returns `out`. */
const char *ls_report_seconds(double seconds, char out[24]);

/* ---- TensorBoard -------------------------------------------------------------------------------------------- */

typedef struct ls_tensorboard ls_tensorboard;

/** NULL where event files can be written, else a sentence that says which library the program was built without. */
const char *ls_tensorboard_missing(void);

/**
 * Opens a new event file in `folder` (made if there is none). Older event files there are cut after `last_step`, as
 * by ls_journal_open.
 */
ls_status ls_tensorboard_open(const char *folder, uint64_t last_step, ls_tensorboard **out) LS_MUST_USE;

/** Writes the numbers of an event as scalars "<set>/<name>", or "<event>/<name>" without a set. */
ls_status ls_tensorboard_write(ls_tensorboard *board, const ls_event *event) LS_MUST_USE;
ls_status ls_tensorboard_close(ls_tensorboard *board) LS_MUST_USE;

/* ---- the end report ----------------------------------------------------------------------------------------- */

/** Seconds that a part of the work took: least, mean and most over the ranks, and its share of the whole. */
typedef struct ls_report_section {
    const char *name; /* "forward" */
    double least, mean, most;
    double share; /* of the mean time, 0 .. 1 */
    uint64_t calls;
} ls_report_section;

/** Final values of one set of data. */
typedef struct ls_report_set {
    const char *name; /* "valid" */
    uint64_t samples;
    size_t count;
    const ls_value *values; /* "loss", "accuracy", ... */
} ls_report_set;

/** How a run ended. Texts and arrays are borrowed; NULL, 0 or NaN where there is nothing to say. */
typedef struct ls_summary {
    const char *result;      /* "done", "stopped", "failed" */
    const char *stop_reason; /* "epochs: 30" */
    uint64_t steps, updates, epochs;
    const char *best_metric; /* "valid.loss" */
    double best;             /* its value, */
    uint64_t best_step;      /* and when */
    const char *best_checkpoint, *last_checkpoint;
    double samples_per_second; /* in training steps, without the first 10 % of them */
    double seconds;            /* wall clock of this start */
    uint64_t ranks, nodes, threads, parameters;
    const char *math; /* "exact-avx512" */
    size_t section_count;
    const ls_report_section *sections;
    size_t memory_count;
    const ls_value *memory; /* bytes by use, over the fullest node */
    size_t set_count;
    const ls_report_set *sets;
    size_t classes; /* of the confusion matrix; 0: none */
    const uint64_t *confusion; /* (classes, classes): [actual][predicted] */
    const char *confusion_set; /* "valid" */
    size_t extra_count;
    const ls_value *extra; /* anything else: "restarts", "weights_digest", ... */
} ls_summary;

/** Writes report.json, replacing an older one. */
ls_status ls_summary_write_json(const char *path, const ls_summary *summary) LS_MUST_USE;
/** Writes the report as people read it, replacing an older one. */
ls_status ls_summary_write_text(const char *path, const ls_summary *summary) LS_MUST_USE;
/** Prints the short form for the terminal: result, final values, the table of sections. */
ls_status ls_summary_print(FILE *output, const ls_summary *summary) LS_MUST_USE;

#endif
