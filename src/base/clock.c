#include "lockstep/clock.h"

#include <stdio.h>
#include <time.h>

static double read_clock(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double ls_clock_now(void) {
    return read_clock(CLOCK_MONOTONIC);
}

double ls_clock_wall(void) {
    return read_clock(CLOCK_REALTIME);
}

void ls_clock_text(char *out, size_t size) {
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    if (strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0 && size) out[0] = '\0';
}
