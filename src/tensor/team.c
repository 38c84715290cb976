/*
 * team.c: a pool of threads that wait for the next piece of work.
 *
 * One word, the ticket, says which run it is, how many parts it has and which part is next; whoever raises it by one,
 * the caller too, has that part. The caller returns when all parts are done, and does not wait for threads that took
 * none: one that sleeps, or has no core, costs a run nothing. A thread with a valid part may read work and argument,
 * since its own part keeps the run from ending; one that comes too late sees so in the ticket it got.
 *
 *     ticket   | run, 32 bits | parts, 16 bits | next part, 16 bits |
 */
#include "tensor/team.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SPINS = 2000, PART_BITS = 16, PART_MASK = (1 << PART_BITS) - 1 };

struct ls_team {
    size_t size;
    pthread_t *thread; /* size - 1 of them */
    pthread_mutex_t lock;
    pthread_cond_t start;
    size_t sleepers; /* under lock */
    void (*work)(void *argument, size_t part, size_t parts);
    void *argument;
    atomic_bool stop;
    atomic_uint run; /* raised when the ticket of a new run is out */
    atomic_uint_fast64_t ticket;
    atomic_size_t done; /* parts */
    pthread_t creator;
    void (*poke)(void *poked);
    void *poked;
};

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

/* Waits until a run other than `seen` is announced; returns its number. */
static unsigned await_run(ls_team *team, unsigned seen) {
    for (int i = 0; i < SPINS; i++) {
        unsigned run = atomic_load_explicit(&team->run, memory_order_acquire);
        if (run != seen) return run;
        pause_briefly();
    }
    pthread_mutex_lock(&team->lock);
    team->sleepers++;
    while (atomic_load(&team->run) == seen) pthread_cond_wait(&team->start, &team->lock);
    team->sleepers--;
    unsigned run = atomic_load(&team->run);
    pthread_mutex_unlock(&team->lock);
    return run;
}

static void announce(ls_team *team) {
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add_explicit(&team->run, 1, memory_order_release);
    if (team->sleepers) pthread_cond_broadcast(&team->start);
    pthread_mutex_unlock(&team->lock);
}

static void take_parts(ls_team *team) {
    for (;;) {
        uint64_t ticket = atomic_fetch_add_explicit(&team->ticket, 1, memory_order_acq_rel);
        size_t part = ticket & PART_MASK, parts = ticket >> PART_BITS & PART_MASK;
        if (part >= parts) return;
        team->work(team->argument, part, parts);
        atomic_fetch_add_explicit(&team->done, 1, memory_order_release);
    }
}

static void *worker(void *argument) {
    ls_team *team = argument;
    for (unsigned seen = 0;;) {
        seen = await_run(team, seen);
        if (atomic_load(&team->stop)) return NULL;
        take_parts(team);
    }
}

static void end_workers(ls_team *team, size_t started) {
    if (!started) return;
    atomic_store(&team->stop, true);
    announce(team);
    for (size_t i = 0; i < started; i++) pthread_join(team->thread[i], NULL);
}

static void free_team(ls_team *team) {
    pthread_cond_destroy(&team->start);
    pthread_mutex_destroy(&team->lock);
    free(team->thread);
    free(team);
}

ls_status ls_team_create(size_t threads, ls_team **out) {
    *out = NULL;
    assert(threads > 0);
    ls_team *team = calloc(1, sizeof *team);
    if (!team) return LS_FAIL(LS_ERR_MEMORY, "no memory for a team of %zu threads", threads);
    team->size = threads;
    team->creator = pthread_self();
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->start, NULL);
    team->thread = calloc(threads, sizeof *team->thread);
    if (!team->thread) {
        free_team(team);
        return LS_FAIL(LS_ERR_MEMORY, "no memory for a team of %zu threads", threads);
    }
    for (size_t i = 0; i + 1 < threads; i++) {
        int error = pthread_create(&team->thread[i], NULL, worker, team);
        if (!error) continue;
        end_workers(team, i);
        free_team(team);
        return LS_FAIL(LS_ERR_RUNTIME, "cannot start thread %zu of %zu: %s", i + 2, threads, strerror(error));
    }
    *out = team;
    return LS_OK;
}

void ls_team_destroy(ls_team *team) {
    if (!team) return;
    end_workers(team, team->size - 1);
    free_team(team);
}

size_t ls_team_size(const ls_team *team) {
    return team->size;
}

void ls_team_set_poke(ls_team *team, void (*poke)(void *poked), void *poked) {
    team->poke = poke;
    team->poked = poked;
}

void ls__team_poke(ls_team *team) {
    if (team->poke && pthread_equal(pthread_self(), team->creator)) team->poke(team->poked);
}

void ls_team_run(ls_team *team, size_t parts, void (*work)(void *argument, size_t part, size_t parts), void *argument) {
    ls__team_poke(team);
    if (team->size == 1 || parts <= 1) {
        for (size_t part = 0; part < parts; part++) work(argument, part, parts);
        return;
    }
    /* Threads that come too late raise the ticket past its parts: leave room for them. */
    assert(parts + team->size < PART_MASK);
    team->work = work;
    team->argument = argument;
    atomic_store_explicit(&team->done, 0, memory_order_relaxed);
    uint64_t run = atomic_load_explicit(&team->run, memory_order_relaxed) + (uint64_t)1;
    atomic_store_explicit(&team->ticket, run << 2 * PART_BITS | parts << PART_BITS, memory_order_release);
    announce(team);
    take_parts(team);
    for (int spins = 0; atomic_load_explicit(&team->done, memory_order_acquire) < parts; spins++)
        if (spins < SPINS)
            pause_briefly();
        else
            sched_yield();
}
