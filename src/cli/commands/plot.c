#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/plot/curves.h"
#include "cli/plot/gnuplot.h"
#include "cli/run_folder.h"

enum { PANEL_WIDTH = 960, PANEL_HEIGHT = 360 };

typedef struct settings {
    cli_words runs;
    const char *output, *metrics;
    const char *terminal; /* of gnuplot, by the output's name */
} settings;

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "The picture to write, .svg or .png (default: curves.svg in the first run's directory)",
     0},
    {"metric", 'm', "NAME,...", 0, "What to draw: loss, accuracy, learning_rate, ... (default: loss and all metrics)",
     0},
    {0}};

static error_t take_output(settings *s, const char *path, const struct argp_state *state) {
    const char *dot = strrchr(path, '.');
    if (s->output) return cli_refuse(state, "-o is given twice");
    s->output = path;
    if (dot && strcmp(dot, ".svg") == 0)
        s->terminal = "svg";
    else if (dot && strcmp(dot, ".png") == 0)
        s->terminal = "pngcairo";
    else
        return cli_refuse(state, "-o %s: the name ends with .svg or .png", path);
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case 'o': return take_output(s, argument, state);
    case 'm': s->metrics = argument; return 0;
    case ARGP_KEY_ARG: return cli_words_add(&s->runs, argument, state);
    case ARGP_KEY_END: return s->runs.count ? 0 : cli_refuse(state, "which run? lockstep plot RUN_DIR...");
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* "loss,accuracy" as a list of names, NULL-terminated. */
static ls_status split_names(ls_pool *pool, const char *text, const char *const **out) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(pool, (strlen(text) + 2) * sizeof(char *), &memory));
    const char **names = memory;
    size_t count = 0;
    for (const char *word = text; word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL) {
        size_t length = strcspn(word, ",");
        if (length == 0) return LS_FAIL(LS_ERR_USAGE, "--metric %s: a name is empty", text);
        LS_TRY(ls_pool_format(pool, &names[count++], "%.*s", (int)length, word));
    }
    *out = names;
    return LS_OK;
}

/* ---- the script ---------------------------------------------------------------------------------------------- */

/* The distinct names among the curves, one panel each, in the order of their first appearance. */
static ls_status list_panels(ls_pool *pool, const cli_curves *curves, const char ***out, size_t *count) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(pool, (curves->count + 1) * sizeof(char *), &memory));
    *out = memory;
    *count = 0;
    for (size_t i = 0; i < curves->count; i++) {
        size_t k = 0;
        while (k < *count && strcmp((*out)[k], curves->items[i].name) != 0) k++;
        if (k == *count && curves->items[i].count) (*out)[(*count)++] = curves->items[i].name;
    }
    return LS_OK;
}

static ls_status add_data(const cli_curves *curves, ls_text *script) {
    for (size_t i = 0; i < curves->count; i++) {
        const cli_curve *c = &curves->items[i];
        if (c->count == 0) continue;
        LS_TRY(ls_text_add(script, "$curve%zu << END\n", i));
        for (size_t p = 0; p < c->count; p++)
            LS_TRY(ls_text_add(script, "%.9g %.9g\n", c->points[p].x, c->points[p].y));
        LS_TRY(ls_text_add(script, "END\n"));
    }
    return LS_OK;
}

/* A color a run, a kind of line a set. */
static ls_status add_curve(const cli_curves *curves, size_t index, size_t color, bool name_run, ls_text *script) {
    const cli_curve *c = &curves->items[index];
    const char *look = c->steps ? "lw 1 dt 1" : strcmp(c->set, "train") == 0 ? "lw 2 dt 2" : "lw 2 dt 1";
    bool single = c->count == 1; /* a line of one point is not seen */
    char title[512];
    if (name_run)
        snprintf(title, sizeof title, "%s %s", c->run, c->set);
    else
        snprintf(title, sizeof title, "%s", c->set);
    LS_TRY(ls_text_add(script, "$curve%zu using 1:2 with %s %s lc %zu title ", index, single ? "points" : "lines",
                       single ? "pt 7" : look, color));
    return cli_gnuplot_quote(title, script);
}

/* Where all points of a panel lie at one place of an axis, gnuplot would choose a range and warn of it. */
static ls_status set_range(char axis, double least, double largest, ls_text *script) {
    if (least != largest) return ls_text_add(script, "set autoscale %c\n", axis);
    double around = least != 0 ? 0.1 * fabs(least) : 1;
    return ls_text_add(script, "set %crange [%.9g:%.9g]\n", axis, least - around, least + around);
}

static ls_status set_ranges(const cli_curves *curves, const char *name, ls_text *script) {
    cli_point least = {INFINITY, INFINITY}, largest = {-INFINITY, -INFINITY};
    for (size_t i = 0; i < curves->count; i++) {
        const cli_curve *c = &curves->items[i];
        for (size_t k = 0; k < c->count && strcmp(c->name, name) == 0; k++) {
            least = (cli_point){fmin(least.x, c->points[k].x), fmin(least.y, c->points[k].y)};
            largest = (cli_point){fmax(largest.x, c->points[k].x), fmax(largest.y, c->points[k].y)};
        }
    }
    LS_TRY(set_range('x', least.x, largest.x, script));
    return set_range('y', least.y, largest.y, script);
}

/* With one run the colors tell sets apart, with several they tell runs. */
static ls_status add_panel(const cli_curves *curves, const char *name, size_t runs, ls_text *script) {
    LS_TRY(set_ranges(curves, name, script));
    LS_TRY(ls_text_add(script, "set ylabel "));
    LS_TRY(cli_gnuplot_quote(name, script));
    LS_TRY(ls_text_add(script, "\nplot "));
    size_t drawn = 0, run = 0;
    for (size_t i = 0; i < curves->count; i++) {
        const cli_curve *c = &curves->items[i];
        if (i == 0 || c->run != curves->items[i - 1].run) run++;
        if (c->count == 0 || strcmp(c->name, name) != 0) continue;
        LS_TRY(ls_text_add(script, drawn ? ", " : ""));
        drawn++;
        LS_TRY(add_curve(curves, i, runs > 1 ? run : drawn, runs > 1, script));
    }
    return ls_text_add(script, "\n");
}

static ls_status write_script(cli *c, const settings *s, const cli_curves *curves, const char *path, ls_text *script) {
    const char **panels = NULL;
    size_t count = 0;
    LS_TRY(list_panels(c->pool, curves, &panels, &count));
    LS_TRY(ls_text_add(script, "set terminal %s noenhanced size %d,%zu background 'white'\nset output ",
                       s->terminal ? s->terminal : "svg", PANEL_WIDTH, PANEL_HEIGHT * count));
    LS_TRY(cli_gnuplot_quote(path, script));
    LS_TRY(ls_text_add(script, "\nset grid\nset key outside right\nset xlabel '%s'\n",
                       curves->in_epochs ? "epoch" : "step"));
    LS_TRY(add_data(curves, script));
    LS_TRY(ls_text_add(script, "set multiplot layout %zu,1\n", count));
    for (size_t i = 0; i < count; i++) LS_TRY(add_panel(curves, panels[i], s->runs.count, script));
    return ls_text_add(script, "unset multiplot\nset output\n");
}

/* ---- the command --------------------------------------------------------------------------------------------- */

static ls_status nothing_to_draw(cli *c, const settings *s, const cli_curves *curves) {
    if (!s->metrics) return LS_FAIL(LS_ERR_DATA, "%s has nothing to draw yet", s->runs.items[0]);
    const char *list = "nothing";
    for (size_t i = 0; curves->seen[i]; i++)
        LS_TRY(ls_pool_format(c->pool, &list, "%s%s%s", i ? list : "", i ? ", " : "", curves->seen[i]));
    const char *near = ls_nearest(s->metrics, curves->seen);
    return LS_FAIL(LS_ERR_DATA, "--metric %s%s%s%s: recorded are %s", s->metrics, near ? " (did you mean \"" : "",
                   near ? near : "", near ? "\"?)" : "", list);
}

static ls_status read_runs(cli *c, const settings *s, cli_curves *curves) {
    const char *const *names = NULL;
    if (s->metrics) LS_TRY(split_names(c->pool, s->metrics, &names));
    for (size_t i = 0; i < s->runs.count; i++) {
        LS_TRY(cli_run_check(s->runs.items[i]));
        LS_TRY(cli_curves_read(s->runs.items[i], names, c->pool, curves));
    }
    cli_curves_finish(curves);
    bool any = false;
    for (size_t i = 0; i < curves->count; i++) any = any || curves->items[i].count;
    return any ? LS_OK : nothing_to_draw(c, s, curves);
}

/* Drawn beside its place and renamed, so that a picture is the old one or the new one. */
static ls_status draw(cli *c, const settings *s, const cli_curves *curves, const char *path) {
    const char *beside = NULL;
    LS_TRY(ls_pool_format(c->pool, &beside, "%s.tmp", path));
    FILE *file = fopen(beside, "wb");
    if (!file) return LS_FAIL(LS_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
    fclose(file);
    ls_text script = {0};
    ls_status status = write_script(c, s, curves, beside, &script);
    if (status == LS_OK) status = cli_gnuplot_run(&script);
    ls_text_free(&script);
    if (status == LS_OK && rename(beside, path) != 0)
        status = LS_FAIL(LS_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (status != LS_OK) unlink(beside);
    return status;
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    cli_curves curves = {0};
    const char *path = s->output;
    if (!path) LS_TRY(cli_run_path(c->pool, s->runs.items[0], "curves.svg", &path));
    ls_status status = read_runs(c, s, &curves);
    if (status == LS_OK) status = draw(c, s, &curves, path);
    cli_curves_free(&curves);
    if (status == LS_OK) ls_logger_say(c->logger, LS_LOG_INFO, "drew %s", path);
    return status;
}

const cli_command cli_plot = {.name = "plot",
                              .arguments = "RUN_DIR...",
                              .doc = "Draw the curves of runs as PNG or SVG\vgnuplot draws; it has to be installed.",
                              .options = options,
                              .settings_size = sizeof(settings),
                              .parse = parse,
                              .run = run};
