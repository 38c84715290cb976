#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/run_folder.h"

enum { WATCH_SECONDS = 2 };

typedef struct settings {
    const char *folder;
    bool watch;
} settings;

static const struct argp_option options[] = {{"watch", 'w', 0, 0, "Go on telling until the run is over", 0}, {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case 'w': s->watch = true; return 0;
    case ARGP_KEY_ARG: return cli_take_argument(&s->folder, argument, state);
    case ARGP_KEY_END: return s->folder ? 0 : cli_refuse(state, "which run? lockstep status RUN_DIR");
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* JSON has no word for what is not finite. */
static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text(const char *value) {
    return value ? json_string(value) : json_null();
}

static ls_status print_json(const char *folder, const cli_run_view *view) {
    const ls_run_state *s = &view->state;
    json_t *root = json_object();
    json_object_set_new(root, "run", json_string(folder));
    json_object_set_new(root, "phase", text(view->known ? s->phase : "starting"));
    json_object_set_new(root, "over", json_boolean(view->over));
    json_object_set_new(root, "stale", json_boolean(view->stale));
    if (view->known) {
        json_object_set_new(root, "age", number(view->age));
        json_object_set_new(root, "step", json_integer((json_int_t)s->step));
        json_object_set_new(root, "steps", json_integer((json_int_t)s->steps));
        json_object_set_new(root, "epoch", json_integer((json_int_t)s->epoch));
        json_object_set_new(root, "epochs", json_integer((json_int_t)s->epochs));
        json_object_set_new(root, "loss", number(s->loss));
        json_object_set_new(root, "learning_rate", number(s->learning_rate));
        json_object_set_new(root, "samples_per_second", number(s->samples_per_second));
        json_object_set_new(root, "elapsed", number(s->elapsed));
        json_object_set_new(root, "remaining", number(s->remaining));
        json_object_set_new(root, "ranks", json_integer((json_int_t)s->ranks));
        json_object_set_new(root, "nodes", json_integer((json_int_t)s->nodes));
        json_object_set_new(root, "generation", json_integer((json_int_t)s->generation));
        json_object_set_new(root, "host", text(s->host));
        json_object_set_new(root, "pid", json_integer((json_int_t)s->pid));
        json_object_set_new(root, "checkpoint", text(s->checkpoint));
        json_object_set_new(root, "updated", text(s->updated));
    }
    return cli_print_json(root, JSON_COMPACT);
}

static void print_age(const cli_run_view *view) {
    char age[24];
    ls_report_seconds(view->age, age);
    if (view->stale)
        printf("no word for %s: a long step, or the run is dead (%s, process %lld)\n", age,
               view->state.host ? view->state.host : "?", (long long)view->state.pid);
    else if (!view->over)
        printf("written %s ago\n", age);
}

static void print_whole(const char *folder, const cli_run_view *view) {
    const ls_run_state *s = &view->state;
    if (!view->known) {
        printf("%s: starting\n", folder);
        return;
    }
    char line[256];
    printf("%s: %s, %llu rank%s on %llu node%s, start %llu, %s\n", folder, s->phase ? s->phase : "?",
           (unsigned long long)s->ranks, s->ranks == 1 ? "" : "s", (unsigned long long)s->nodes,
           s->nodes == 1 ? "" : "s", (unsigned long long)s->generation, s->host ? s->host : "?");
    printf("%s\n", ls_run_state_line(s, line, sizeof line));
    if (s->checkpoint) printf("checkpoint %s\n", s->checkpoint);
    print_age(view);
}

/* One line that follows the run; redrawn in place on a terminal. */
static void print_line(const cli_run_view *view, bool redraw) {
    char line[256] = "starting", silence[64] = "", age[24];
    if (view->known) ls_run_state_line(&view->state, line, sizeof line);
    if (view->stale) snprintf(silence, sizeof silence, "  (no word for %s)", ls_report_seconds(view->age, age));
    printf("%s%s%s%s", redraw ? "\r\033[K" : "", line, silence, redraw ? "" : "\n");
    fflush(stdout);
}

static ls_status watch(cli *c, const settings *s) {
    bool redraw = isatty(STDOUT_FILENO) && !c->json;
    for (;;) {
        ls_pool *pool = NULL;
        cli_run_view view;
        LS_TRY(ls_pool_create(&pool));
        ls_status status = cli_run_look(s->folder, pool, &view);
        bool over = view.over;
        if (status == LS_OK && c->json)
            status = print_json(s->folder, &view);
        else if (status == LS_OK && !over)
            print_line(&view, redraw);
        else if (status == LS_OK && redraw)
            printf("\r\033[K");
        if (status == LS_OK && over && !c->json) print_whole(s->folder, &view);
        ls_pool_destroy(pool);
        if (status != LS_OK || over) return status;
        sleep(WATCH_SECONDS);
    }
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    LS_TRY(cli_run_check(s->folder));
    if (s->watch) return watch(c, s);
    cli_run_view view;
    LS_TRY(cli_run_look(s->folder, c->pool, &view));
    if (c->json) return print_json(s->folder, &view);
    print_whole(s->folder, &view);
    return LS_OK;
}

const cli_command cli_status = {.name = "status",
                                .arguments = "RUN_DIR",
                                .doc = "Tell what a run is doing",
                                .options = options,
                                .settings_size = sizeof(settings),
                                .parse = parse,
                                .run = run};
