#include "lockstep/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* The wishes, and above these bits the tenth of a second at which the first wish to stop came. */
enum { WISHES = LS_SIGNAL_SAVE | LS_SIGNAL_STOP | LS_SIGNAL_STOP_NOW, TIME_SHIFT = 3, TIME_MASK = 0xfffffff };
static volatile sig_atomic_t ls__signals;

static int tenths(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int)((now.tv_sec * 10 + now.tv_nsec / 100000000) & TIME_MASK);
}

static int wish_of(int number, int before) {
    if (number == SIGUSR1) return LS_SIGNAL_SAVE;
    if (!(before & LS_SIGNAL_STOP)) return LS_SIGNAL_STOP | tenths() << TIME_SHIFT;
    /* Nearer ones are one request: timeout(1) sends TERM twice. */
    bool again = ((tenths() - (before >> TIME_SHIFT)) & TIME_MASK) > 1;
    return number != SIGUSR2 && again ? LS_SIGNAL_STOP_NOW : 0;
}

/* Two threads may each run a handler. */
static void note(int number) {
    int before = ls__signals;
    while (!__atomic_compare_exchange_n(&ls__signals, &before, before | wish_of(number, before), false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
}

void ls_signals_install(void) {
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT};
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaction(numbers[i], &action, NULL);
}

unsigned ls_signals_noted(void) {
    return (unsigned)ls__signals & WISHES;
}

void ls_signals_saved(void) {
    __atomic_fetch_and(&ls__signals, ~LS_SIGNAL_SAVE, __ATOMIC_RELAXED);
}
