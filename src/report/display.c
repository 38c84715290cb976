#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lockstep/report.h"

struct ls_display {
    FILE *output;
    bool bar;
    bool quiet;
    bool drawn; /* a bar stands on the current line */
    double interval;
    double next; /* when to show again; NaN before the first update */
};

/* Redrawing faster than this is flicker. */
#define BAR_INTERVAL 0.1

/* Launchers give every rank a terminal, also where the output is redirected: so isatty() alone says nothing. */
static bool own_terminal(FILE *output) {
    int file = fileno(output);
    struct winsize size = {0};
    return file >= 0 && isatty(file) && ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
           !getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMIX_RANK") && !getenv("SLURM_STEP_ID");
}

static size_t columns(FILE *output) {
    struct winsize size = {0};
    int file = fileno(output);
    return file >= 0 && ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

ls_status ls_display_create(FILE *output, ls_display_mode mode, double interval, ls_display **out) {
    *out = calloc(1, sizeof **out);
    if (!*out) return LS_FAIL(LS_ERR_MEMORY, "no memory for the display of progress");
    bool bar = mode == LS_DISPLAY_BAR || (mode == LS_DISPLAY_AUTO && own_terminal(output));
    **out = (ls_display){.output = output,
                         .bar = bar,
                         .quiet = mode == LS_DISPLAY_NONE,
                         .interval = bar ? BAR_INTERVAL : interval,
                         .next = (double)NAN};
    return LS_OK;
}

void ls_display_destroy(ls_display *display) {
    if (!display) return;
    ls_display_clear(display);
    free(display);
}

bool ls_display_is_bar(const ls_display *display) {
    return display->bar;
}

void ls_display_clear(ls_display *display) {
    if (!display->drawn) return;
    fputs("\r\033[K", display->output);
    fflush(display->output);
    display->drawn = false;
}

/* Done so far as a share of what is planned, 0 .. 1; below 0 where that is unknown. */
static double share_done(const ls_run_state *state) {
    if (state->steps) return fmin(1, (double)state->step / (double)state->steps);
    if (state->epochs) return fmin(1, (double)state->epoch / (double)state->epochs);
    return -1;
}

/* "[#####.....] 48%  epoch 3/30 ...", cut to the width. */
static void draw_bar(ls_display *display, const ls_run_state *state) {
    enum { CELLS = 20 };
    char cells[CELLS + 1], line[512], text[256];
    double share = share_done(state);
    for (int i = 0; i < CELLS; i++) cells[i] = share * CELLS > i ? '#' : '.';
    cells[CELLS] = '\0';
    ls_run_state_line(state, text, sizeof text);
    if (share >= 0)
        snprintf(line, sizeof line, "[%s] %3.0f%%  %s", cells, 100 * share, text);
    else
        snprintf(line, sizeof line, "%s", text);
    fprintf(display->output, "\r\033[K%.*s", (int)columns(display->output) - 1, line);
    display->drawn = true;
}

void ls_display_update(ls_display *display, const ls_run_state *state, double now) {
    if (display->quiet) return;
    if (isnan(display->next)) display->next = now + display->interval;
    if (now < display->next) return;
    display->next = now + display->interval;
    char line[256];
    if (display->bar)
        draw_bar(display, state);
    else
        fprintf(display->output, "%s\n", ls_run_state_line(state, line, sizeof line));
    fflush(display->output);
}

/* Appends to a line of `size` bytes of which `length` are used; gives the new length, at most size - 1. */
static size_t append(char *out, size_t size, size_t length, const char *format, ...) LS_PRINTF(4, 5);
static size_t append(char *out, size_t size, size_t length, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(out + length, size - length, format, arguments);
    va_end(arguments);
    size_t sum = length + (more < 0 ? 0 : (size_t)more);
    return sum < size ? sum : size - 1;
}

static size_t append_of(char *out, size_t size, size_t length, const char *noun, uint64_t done, uint64_t planned) {
    const char *gap = length ? "  " : "";
    if (planned) return append(out, size, length, "%s%s %" PRIu64 "/%" PRIu64, gap, noun, done, planned);
    return append(out, size, length, "%s%s %" PRIu64, gap, noun, done);
}

const char *ls_run_state_line(const ls_run_state *state, char *out, size_t size) {
    assert(size > 0);
    size_t length = 0;
    out[0] = '\0';
    char left[24];
    if (state->phase && strcmp(state->phase, "training") != 0) length = append(out, size, length, "%s", state->phase);
    length = append_of(out, size, length, "epoch", state->epoch, state->epochs);
    length = append_of(out, size, length, "step", state->step, state->steps);
    if (isfinite(state->loss)) length = append(out, size, length, "  loss %.4g", state->loss);
    if (isfinite(state->samples_per_second))
        length = append(out, size, length, "  %.0f samples/s", state->samples_per_second);
    if (isfinite(state->remaining)) append(out, size, length, "  left %s", ls_report_seconds(state->remaining, left));
    return out;
}

const char *ls_report_seconds(double seconds, char out[24]) {
    enum { SIZE = 24 };
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e12) {
        snprintf(out, SIZE, "?");
        return out;
    }
    uint64_t whole = (uint64_t)(seconds + 0.5);
    if (seconds < 9.95)
        snprintf(out, SIZE, "%.1fs", seconds);
    else if (whole < 60)
        snprintf(out, SIZE, "%" PRIu64 "s", whole);
    else if (whole < 3600)
        snprintf(out, SIZE, "%" PRIu64 "m%02" PRIu64 "s", whole / 60, whole % 60);
    else if (whole < 86400)
        snprintf(out, SIZE, "%" PRIu64 "h%02" PRIu64 "m", whole / 3600, whole % 3600 / 60);
    else
        snprintf(out, SIZE, "%" PRIu64 "d%02" PRIu64 "h", whole / 86400, whole % 86400 / 3600);
    return out;
}
