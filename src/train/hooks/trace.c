/*
 * run.trace: when each rank did what. Every rank notes its sections of time in a ring of constant size, so of a long
 * run the last steps remain. At the end rank 0 gathers the rings into trace.json, in the format of Chrome's trace
 * viewer and of Perfetto: a line a rank, times in microseconds since the rank's loop began, as all do at about the same
 * time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lockstep/file.h"
#include "train/trainer.h"

enum { MOST_EVENTS = 1 << 15, MOST_EVENTS_OF_ALL = 1 << 22 };

typedef struct event {
    double begin, end;
    uint64_t step, section;
} event;

struct ls_trace {
    size_t space, count; /* the newest event is count - 1, at its remainder by space */
    event *ring;         /* and one more behind it: when the loop began, and the count as its step */
};

void ls__trace_note(ls_trace *trace, uint64_t step, size_t section, double begin, double end) {
    trace->ring[trace->count++ % trace->space] = (event){begin, end, step, section};
}

static void destroy(void *state) {
    ls_trace *trace = state;
    ls_block_destroy(trace->ring);
    free(trace);
}

static ls_status start(ls_trainer *t, void **state) {
    if (!t->experiment->run.trace) return LS_OK;
    ls_trace *trace = calloc(1, sizeof *trace);
    if (!trace) return LS_FAIL(LS_ERR_MEMORY, "no memory for a trace");
    *state = trace;
    trace->space = MOST_EVENTS_OF_ALL / ls_comm_size(t->comm) + 1;
    if (trace->space > MOST_EVENTS) trace->space = MOST_EVENTS;
    void *ring = NULL;
    LS_TRY(ls_block_create(trace->space + 1, sizeof *trace->ring, "a trace", &ring));
    trace->ring = ring;
    t->trace = trace;
    return LS_OK;
}

/* {"name":"forward","ph":"X","ts":12.5,"dur":80.1,"pid":0,"tid":3,"args":{"step":7}} */
static void write_rank(FILE *file, const ls_trainer *t, size_t rank, const event *ring) {
    size_t space = t->trace->space, count = (size_t)ring[space].step;
    double started = ring[space].begin;
    fprintf(file, "%s{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":0,\"tid\":%zu,\"args\":{\"name\":\"%s\"}}",
            rank ? ",\n" : "", rank, ls_comm_host(t->comm, rank));
    for (size_t i = count > space ? count - space : 0; i < count; i++) {
        const event *e = &ring[i % space];
        fprintf(file,
                ",\n{\"name\":\"%s\",\"ph\":\"X\",\"ts\":%.1f,\"dur\":%.1f,\"pid\":0,\"tid\":%zu,"
                "\"args\":{\"step\":%" PRIu64 "}}",
                ls__section_name((ls_section)e->section), (e->begin - started) * 1e6, (e->end - e->begin) * 1e6, rank,
                e->step);
    }
}

static ls_status write_file(const ls_trainer *t, const event *all) {
    char path[4096];
    ls_new_file file;
    snprintf(path, sizeof path, "%s/trace.json", t->experiment->run.dir);
    LS_TRY(ls_new_file_open(&file, path));
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", file.stream);
    for (size_t r = 0; r < ls_comm_size(t->comm); r++) write_rank(file.stream, t, r, all + r * (t->trace->space + 1));
    fputs("\n]}\n", file.stream);
    return ls_new_file_finish(&file, LS_OK, false);
}

static ls_status finish(ls_trainer *t, void *state, const ls_summary *summary) {
    (void)summary;
    ls_trace *trace = state;
    if (!trace) return LS_OK;
    void *all = NULL;
    ls_status status = LS_OK;
    trace->ring[trace->space] = (event){.begin = t->started, .step = trace->count};
    size_t bytes = (trace->space + 1) * sizeof *trace->ring;
    if (ls_comm_first(t->comm)) status = ls_block_create(ls_comm_size(t->comm), bytes, "the traces of all ranks", &all);
    LS_TRY(ls_comm_agree(t->comm, status));
    status = ls_comm_gather(t->comm, trace->ring, bytes, all);
    if (status == LS_OK && all) status = write_file(t, all);
    ls_block_destroy(all);
    return status;
}

const ls_hook ls__hook_trace = {
    .name = "trace", .doc = "Writes when each rank did what.", .start = start, .finish = finish, .destroy = destroy};
