#include "lockstep/signals.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t ls__signals;

static void note(int number) {
    int wish = LS_SIGNAL_STOP;
    if (number == SIGUSR1) wish = LS_SIGNAL_SAVE;
    else if (number != SIGUSR2 && (ls__signals & LS_SIGNAL_STOP)) wish = LS_SIGNAL_STOP_NOW;
    /* Two threads may each run a handler. */
    __atomic_fetch_or(&ls__signals, wish, __ATOMIC_RELAXED);
}

void ls_signals_install(void) {
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT};
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaction(numbers[i], &action, NULL);
}

unsigned ls_signals_noted(void) {
    return (unsigned)ls__signals;
}

void ls_signals_saved(void) {
    __atomic_fetch_and(&ls__signals, ~LS_SIGNAL_SAVE, __ATOMIC_RELAXED);
}
