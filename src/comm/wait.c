#include "comm/wait.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "comm/comm.h"
#include "lockstep/clock.h"
#include "lockstep/memory.h"

/* ---- lines -------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Texts travel in words of 8 bytes, cut to fit, always with a NUL. */
static void write_text(_Atomic uint64_t *words, size_t count, const char *text) {
    size_t left = strlen(text);
    if (left > 8 * count - 1) left = 8 * count - 1;
    for (size_t w = 0; w < count; w++) {
        size_t part = left < 8 ? left : 8;
        uint64_t word = 0;
        memcpy(&word, text, part);
        atomic_store_explicit(&words[w], word, memory_order_relaxed);
        text += part;
        left -= part;
    }
}

static void read_text(const _Atomic uint64_t *words, size_t count, char *out) {
    for (size_t w = 0; w < count; w++) {
        uint64_t word = atomic_load_explicit(&words[w], memory_order_relaxed);
        memcpy(out + 8 * w, &word, 8);
    }
    out[8 * count - 1] = '\0';
}

void ls_comm_note(ls_comm *comm, const char *phase, uint64_t step) {
    write_text(comm->line->phase, LS__PHASE_WORDS, phase);
    atomic_store_explicit(&comm->line->step, step, memory_order_relaxed);
    atomic_store_explicit(&comm->line->changed, now_ns(), memory_order_relaxed);
}

void ls_comm_note_io(ls_comm *comm, const char *text) {
    write_text(comm->line->io, LS__IO_WORDS, text);
}

/* What is known of a rank: a line at one moment, with ages instead of times so that hosts' clocks do not matter. */
typedef struct view {
    uint64_t step;
    double still;   /* seconds since the line changed; -1: nothing is known */
    double waiting; /* seconds since the rank looked up from a wait; -1: it does not wait */
    char phase[8 * LS__PHASE_WORDS];
    char io[8 * LS__IO_WORDS];
} view;

static view view_of(const ls__line *line) {
    uint64_t now = now_ns(), changed = atomic_load_explicit(&line->changed, memory_order_relaxed);
    uint64_t looked = atomic_load_explicit(&line->looked, memory_order_relaxed);
    view v = {.step = atomic_load_explicit(&line->step, memory_order_relaxed),
              .still = changed < now ? 1e-9 * (double)(now - changed) : 0,
              .waiting = looked == 0    ? -1
                         : looked < now ? 1e-9 * (double)(now - looked)
                                        : 0};
    read_text(line->phase, LS__PHASE_WORDS, v.phase);
    read_text(line->io, LS__IO_WORDS, v.io);
    return v;
}

/* ---- what ranks tell each other when somebody does not come --------------------------------------------------- */

typedef enum alarm_kind { ALARM_BEAT, ALARM_REPORT } alarm_kind;

/* A report says "I wait", and what its whole host looks like. */
typedef struct alarm_message {
    uint64_t kind;
    uint64_t first, count; /* the host's ranks */
    view views[];
} alarm_message;

struct ls__alarm {
    alarm_message *out, *in;
    size_t out_bytes, in_bytes;
    ls__request reports[2]; /* to rank 0, and to rank 1 in case that 0 is silent */
    uint64_t beat;          /* the message of that kind */
    ls__request *beats;     /* one a rank */
    double last_beat;
    view *known;   /* of every rank; still < 0: nothing */
    bool *waiting; /* it said so itself */
};

ls_status ls__alarm_create(ls_comm *comm) {
    ls__alarm *alarm = calloc(1, sizeof *alarm);
    if (!alarm) return LS_FAIL(LS_ERR_MEMORY, "no memory for the deadline's table");
    comm->alarm = alarm;
    alarm->beat = ALARM_BEAT;
    alarm->reports[0] = alarm->reports[1] = LS__NO_REQUEST;
    size_t largest = 0;
    for (size_t n = 0; n < comm->machine->nodes; n++) {
        size_t ranks = comm->machine->first[n + 1] - comm->machine->first[n];
        if (ranks > largest) largest = ranks;
    }
    alarm->out_bytes = sizeof *alarm->out + comm->machine->size * sizeof(view);
    alarm->in_bytes = sizeof *alarm->in + largest * sizeof(view);
    alarm->out = calloc(1, alarm->out_bytes);
    alarm->in = calloc(1, alarm->in_bytes);
    alarm->beats = calloc(comm->size, sizeof *alarm->beats);
    alarm->known = calloc(comm->size, sizeof *alarm->known);
    alarm->waiting = calloc(comm->size, sizeof *alarm->waiting);
    if (!alarm->out || !alarm->in || !alarm->beats || !alarm->known || !alarm->waiting)
        return LS_FAIL(LS_ERR_MEMORY, "no memory for the deadline's table of %zu ranks", comm->size);
    for (size_t r = 0; r < comm->size; r++) alarm->beats[r] = LS__NO_REQUEST;
    return LS_OK;
}

void ls__alarm_destroy(ls_comm *comm) {
    ls__alarm *alarm = comm->alarm;
    if (!alarm) return;
    size_t from, open;
    /* What nobody read would be in MPI's way when it ends. */
    if (comm->size > 1 && alarm->waiting) {
        ls_status_free(ls_comm_barrier(comm));
        while (ls__alarm_receive(comm, alarm->in, alarm->in_bytes, &from) > 0) continue;
        ls_status_free(ls__test(2, alarm->reports, &open));
        ls_status_free(ls__test(comm->size, alarm->beats, &open));
    }
    free(alarm->out);
    free(alarm->in);
    free(alarm->beats);
    free(alarm->known);
    free(alarm->waiting);
    free(alarm);
    comm->alarm = NULL;
}

void ls_comm_beat(ls_comm *comm) {
    atomic_fetch_add_explicit(&comm->line->beats, 1, memory_order_relaxed);
    atomic_store_explicit(&comm->line->changed, now_ns(), memory_order_relaxed);
    ls__alarm *alarm = comm->alarm;
    if (comm->machine->nodes == 1 || comm->deadline <= 0) return;
    double now = ls_clock_now();
    if (now - alarm->last_beat < comm->deadline / 8) return;
    alarm->last_beat = now;
    size_t first = comm->machine->first[comm->machine->node], open;
    for (size_t r = 0; r < comm->size; r++) {
        bool here = r >= first && r < first + comm->machine->size; /* sees the line */
        if (here) continue;
        ls_status_free(ls__test(1, &alarm->beats[r], &open));
        if (!open) ls__alarm_send(comm, &alarm->beat, sizeof alarm->beat, r, &alarm->beats[r]);
    }
}

static void send_report(ls_comm *comm) {
    ls__alarm *alarm = comm->alarm;
    size_t open;
    ls_status_free(ls__test(2, alarm->reports, &open));
    if (open) return; /* an earlier report is still on its way */
    /* Without a board a rank sees only itself. */
    alarm->out->kind = ALARM_REPORT;
    alarm->out->first = comm->board ? comm->machine->first[comm->machine->node] : comm->rank;
    alarm->out->count = comm->board ? comm->machine->size : 1;
    for (size_t i = 0; i < alarm->out->count; i++)
        alarm->out->views[i] = view_of(comm->board ? &comm->lines[i] : comm->line);
    for (size_t to = 0; to < 2 && to < comm->size; to++)
        if (to != comm->rank) ls__alarm_send(comm, alarm->out, alarm->out_bytes, to, &alarm->reports[to]);
}

/* Reads what has come; says whether there was a sign of life. */
static bool hear(ls__wait *wait, double now) {
    ls_comm *comm = wait->comm;
    ls__alarm *alarm = comm->alarm;
    bool alive = false;
    size_t from = 0;
    while (ls__alarm_receive(comm, alarm->in, alarm->in_bytes, &from) > 0) {
        if (alarm->in->kind == ALARM_BEAT) {
            alive = true;
            continue;
        }
        /* A report that lay here before this wait had lasted belongs to a wait that may be over. */
        if (now - wait->begin < comm->deadline / 8) continue;
        if (wait->complaint <= 0) wait->complaint = now;
        alarm->waiting[from] = true;
        for (size_t i = 0; i < alarm->in->count && alarm->in->first + i < comm->size; i++)
            alarm->known[alarm->in->first + i] = alarm->in->views[i];
    }
    return alive;
}

/* ---- the deadline's block ------------------------------------------------------------------------------------- */

static void say_rank(ls_text *text, const ls_comm *comm, size_t rank, const view *v) {
    ls_status status = ls_text_add(text, "lockstep:   rank %zu on %s: ", rank, comm->hosts[rank]);
    if (v->still < 0)
        status = ls_status_first(status, ls_text_add(text, "nothing is heard from it\n"));
    else
        status =
            ls_status_first(status, ls_text_add(text, "%s, step %llu, since %.1f s; last input/output: %s\n", v->phase,
                                                (unsigned long long)v->step, v->still, v->io[0] ? v->io : "none"));
    ls_status_free(status); /* with no memory for the words the job still ends */
}

/* A rank that waits looks up all the time; one that was stopped while it waited does not. */
static bool is_missing(const ls_comm *comm, size_t rank, view *v) {
    const ls__alarm *alarm = comm->alarm;
    size_t first = comm->machine->first[comm->machine->node];
    double stale = comm->deadline / 4 > 0.05 ? comm->deadline / 4 : 0.05;
    if (rank == comm->rank) return false;
    if (rank >= first && rank < first + comm->machine->size && comm->board) {
        *v = view_of(&comm->lines[rank - first]);
        return v->waiting < 0 || v->waiting > stale;
    }
    *v = alarm->known[rank];
    return !alarm->waiting[rank] && (v->still < 0 || v->waiting < 0 || v->waiting > stale);
}

static _Noreturn void give_up(const ls__wait *wait, double now) {
    enum { MOST_NAMED = 16 };
    ls_comm *comm = wait->comm;
    ls_text list = {0}, text = {0};
    size_t missing = 0;
    atomic_store(&comm->lines->abort, 1);
    for (size_t r = 0; r < comm->size; r++) {
        view v;
        if (!is_missing(comm, r, &v)) continue;
        if (missing++ < MOST_NAMED) say_rank(&list, comm, r, &v);
    }
    if (missing > MOST_NAMED) ls_status_free(ls_text_add(&list, "lockstep:   and %zu more\n", missing - MOST_NAMED));
    char mine[8 * LS__PHASE_WORDS];
    read_text(comm->line->phase, LS__PHASE_WORDS, mine);
    ls_status_free(ls_text_add(&text,
                               "lockstep: error: rank %zu on %s waited %.1f s for %s (%s, step %llu), longer than "
                               "run.deadline; %zu of %zu ranks "
                               "do not come%s\n%s"
                               "lockstep:   remedy: look at these ranks' hosts; if they are only slow, raise "
                               "run.deadline; started again, a run "
                               "goes on from its last checkpoint\n",
                               comm->rank, comm->hosts[comm->rank], now - wait->begin, wait->what, mine,
                               (unsigned long long)atomic_load(&comm->line->step), missing, comm->size,
                               missing ? ":" : ", all wait", list.bytes ? list.bytes : ""));
    if (text.bytes && write(STDERR_FILENO, text.bytes, text.length) < 0) { /* nobody is left to tell */
    }
    ls__transport_abort(comm, ls_code_exit(LS_ERR_RUNTIME));
}

/* ---- waiting -------------------------------------------------------------------------------------------------- */

enum { SPINS = 100, LOOK_EVERY = 64, NAP_NANOSECONDS = 20000 };
static const double crowded_seconds = 100e-6;

static uint64_t latest_change(const ls_comm *comm) {
    uint64_t latest = 0;
    for (size_t i = 0; i < comm->machine->size; i++) {
        uint64_t changed = atomic_load_explicit(&comm->lines[i].changed, memory_order_relaxed);
        if (changed > latest) latest = changed;
    }
    return latest;
}

ls__wait ls__wait_begin(ls_comm *comm, const char *what) {
    return (ls__wait){.comm = comm, .what = what};
}

void ls__wait_worked(ls__wait *wait) {
    if (wait->idle > 0) wait->comm->waited += wait->rested - wait->idle;
    wait->idle = 0;
}

void ls__wait_end(ls__wait *wait) {
    if (wait->idle > 0) wait->comm->waited += ls_clock_now() - wait->idle;
    if (wait->begin > 0) atomic_store_explicit(&wait->comm->line->looked, 0, memory_order_relaxed);
}

static void begin_looking(ls__wait *wait, double now) {
    ls_comm *comm = wait->comm;
    wait->begin = wait->sign = wait->looked = now;
    wait->latest = latest_change(comm);
    if (!comm->alarm) return;
    for (size_t r = 0; r < comm->size; r++) {
        comm->alarm->waiting[r] = false;
        comm->alarm->known[r].still = -1;
    }
}

/*
 * How long after the deadline a rank speaks. Rank 0 speaks; where it is silent itself rank 1 does, then anyone. Where
 * rank 0 waits too, or has spoken on this host, its word takes 2 s to end ranks elsewhere.
 */
static double patience(const ls_comm *comm) {
    view v;
    if (comm->rank == 0) return 0;
    if (comm->rank > 1) return 6;
    return atomic_load(&comm->lines->abort) == 0 && is_missing(comm, 0, &v) ? 2 : 4;
}

/* Now and then: the clock, the neighbours, the alarm channel. Does not return where the deadline has passed. */
static void look(ls__wait *wait) {
    ls_comm *comm = wait->comm;
    double now = ls_clock_now(), deadline = comm->deadline;
    atomic_store_explicit(&comm->line->looked, now_ns(), memory_order_relaxed);
    if (wait->begin <= 0) begin_looking(wait, now);
    /* Who was not running itself (a suspended job, a debugger) cannot blame others. */
    if (now - wait->looked > 1) wait->sign = now;
    wait->looked = now;
    if (now - wait->begin > 0.1) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    if (now - wait->begin < 0.01 || deadline <= 0 || !comm->alarm) return;
    uint64_t latest = latest_change(comm);
    bool alive = hear(wait, now) || latest != wait->latest;
    wait->latest = latest;
    if (alive) {
        wait->sign = now;
        wait->complaint = 0;
    }
    if (!wait->reported && now - wait->sign > deadline / 2) {
        send_report(comm);
        wait->reported = true;
    }
    double end = wait->sign + deadline;
    if (wait->complaint > 0 && wait->complaint + deadline / 2 < end) end = wait->complaint + deadline / 2;
    if (now > end && now > end + patience(comm)) give_up(wait, now);
}

void ls__wait_pause(ls__wait *wait) {
    if (wait->idle <= 0) wait->idle = wait->rested = ls_clock_now();
    if (wait->comm->poke) wait->comm->poke(wait->comm->poked);
    if (++wait->pauses <= SPINS) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        return;
    }
    if (wait->pauses % LOOK_EVERY == 0) look(wait);
    if (wait->crowded) {
        const struct timespec nap = {.tv_nsec = NAP_NANOSECONDS};
        nanosleep(&nap, NULL);
        wait->rested = ls_clock_now();
        return;
    }
    double before = ls_clock_now();
    sched_yield();
    wait->rested = ls_clock_now();
    /* Somebody else had work for this core. Who sleeps is put on a core sooner than who yields again and again. */
    wait->crowded = wait->rested - before > crowded_seconds;
}

/* ---- a failure that one rank alone knows ---------------------------------------------------------------------- */

/* One speaks, and ends the others meanwhile: what several ranks meet at once (damaged data) is told once. */
static bool is_first_to_speak(ls_comm *comm, ls_status status) {
    return ls_status_code(status) != LS_ERR_REPORTED && atomic_exchange(&comm->lines->abort, 1) == 0;
}

static void rest_2_seconds(void) {
    struct timespec rest = {.tv_sec = 2};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) { /* the launcher's TERM comes ahead of its KILL */
    }
}

void ls_comm_abort(ls_comm *comm, ls_status status) {
    int exit_code = ls_status_exit(status);
    if (!is_first_to_speak(comm, status)) rest_2_seconds();
    if (ls_status_code(status) != LS_ERR_REPORTED) {
        view v = view_of(comm->line);
        ls_text text = {0};
        ls_status_free(ls_text_add(&text, "lockstep: error: rank %zu on %s, %s, step %llu: %s\n", comm->rank,
                                   comm->hosts[comm->rank], v.phase, (unsigned long long)v.step,
                                   ls_status_message(status)));
        if (v.io[0]) ls_status_free(ls_text_add(&text, "lockstep:   last input/output: %s\n", v.io));
        if (exit_code == 1 || exit_code == 74)
            ls_status_free(
                ls_text_add(&text, "lockstep:   remedy: started again, a run goes on from its last checkpoint\n"));
        if (text.bytes && write(STDERR_FILENO, text.bytes, text.length) < 0) { /* nobody is left to tell */
        }
    }
    ls__transport_abort(comm, exit_code ? exit_code : 1);
}
