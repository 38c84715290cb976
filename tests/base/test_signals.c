#include "support.h"

#include <signal.h>
#include <time.h>

#include "lockstep/clock.h"
#include "lockstep/signals.h"

/* The wishes are noted for the life of the process, so the order of these tests matters. */

static void a_save_is_forgotten_when_it_is_done(void **state) {
    (void)state;
    ls_signals_install();
    assert_int_equal(ls_signals_noted(), 0);
    raise(SIGUSR1);
    assert_int_equal(ls_signals_noted(), LS_SIGNAL_SAVE);
    ls_signals_saved();
    assert_int_equal(ls_signals_noted(), 0);
}

static void two_at_once_are_one(void **state) {
    (void)state;
    double before = ls_clock_now();
    raise(SIGTERM);
    raise(SIGTERM);
    unsigned noted = ls_signals_noted();
    if (ls_clock_now() - before > 0.1) skip(); /* this process had no core: they were not at once */
    assert_int_equal(noted, LS_SIGNAL_STOP);
}

static void a_later_one_stops_now(void **state) {
    (void)state;
    nanosleep(&(struct timespec){.tv_nsec = 250000000}, NULL);
    raise(SIGUSR2);
    raise(SIGUSR1);
    ls_signals_saved();
    assert_int_equal(ls_signals_noted() & ~(unsigned)LS_SIGNAL_STOP_NOW, LS_SIGNAL_STOP);
    raise(SIGINT);
    assert_int_equal(ls_signals_noted(), LS_SIGNAL_STOP | LS_SIGNAL_STOP_NOW);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_save_is_forgotten_when_it_is_done),
        cmocka_unit_test(two_at_once_are_one),
        cmocka_unit_test(a_later_one_stops_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
