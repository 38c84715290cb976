#include "cli/plot/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_folder.h"

/* Curves of steps are averaged over about this share of their length; shorter ones are shown as they are. */
enum { SMOOTH_PARTS = 50 };

typedef struct reading {
    const char *run;
    const char *const *names;
    ls_pool *pool;
    cli_curves *curves;
    size_t first;           /* of this run's curves */
    double steps_per_epoch; /* 0: not known yet */
} reading;

static bool is_wanted(const reading *r, const ls_event *event, const char *name) {
    if (!r->names) return event->set || strcmp(name, "loss") == 0;
    for (size_t i = 0; r->names[i]; i++)
        if (strcmp(r->names[i], name) == 0) return true;
    return false;
}

/* For the message where nothing is found: what could have been asked for. */
static ls_status note_name(reading *r, const char *name) {
    for (size_t i = 0; i < CLI_MOST_NAMES; i++) {
        if (!r->curves->seen[i]) return ls_pool_text(r->pool, name, &r->curves->seen[i]);
        if (strcmp(r->curves->seen[i], name) == 0) return LS_OK;
    }
    return LS_OK;
}

/* The curve that this number belongs to, made where it is the first one. */
static ls_status find_curve(reading *r, const ls_event *event, const char *name, cli_curve **out) {
    cli_curves *all = r->curves;
    bool steps = !event->set;
    const char *set = steps ? "train" : event->set;
    for (size_t i = r->first; i < all->count; i++) {
        cli_curve *c = &all->items[i];
        *out = c;
        if (c->steps == steps && strcmp(c->name, name) == 0 && strcmp(c->set, set) == 0) return LS_OK;
    }
    if (all->count == all->space) {
        size_t space = all->space ? 2 * all->space : 16;
        cli_curve *items = realloc(all->items, space * sizeof *items);
        if (!items) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu curves", space);
        all->items = items;
        all->space = space;
    }
    *out = &all->items[all->count];
    **out = (cli_curve){.run = r->run, .steps = steps};
    LS_TRY(ls_pool_text(r->pool, name, &(*out)->name));
    LS_TRY(ls_pool_text(r->pool, set, &(*out)->set));
    all->count++;
    return LS_OK;
}

static ls_status add_point(cli_curve *curve, double x, double y) {
    if (curve->count == curve->space) {
        size_t space = curve->space ? 2 * curve->space : 256;
        cli_point *points = realloc(curve->points, space * sizeof *points);
        if (!points) return LS_FAIL(LS_ERR_MEMORY, "no memory for a curve of %zu points", space);
        curve->points = points;
        curve->space = space;
    }
    curve->points[curve->count++] = (cli_point){x, y};
    return LS_OK;
}

static ls_status visit(void *context, const ls_event *event) {
    reading *r = context;
    bool step = strcmp(event->event, "step") == 0;
    if (!step && !event->set) return LS_OK;
    if (!step && event->epoch > 0 && r->steps_per_epoch == 0)
        r->steps_per_epoch = (double)event->step / (double)event->epoch;
    for (size_t i = 0; i < event->count; i++) {
        const ls_value *value = &event->values[i];
        if (value->text || !isfinite(value->number)) continue;
        LS_TRY(note_name(r, value->name));
        if (!is_wanted(r, event, value->name)) continue;
        cli_curve *curve = NULL;
        LS_TRY(find_curve(r, event, value->name, &curve));
        LS_TRY(add_point(curve, (double)event->step, value->number));
    }
    return LS_OK;
}

ls_status cli_curves_read(const char *run, const char *const *names, ls_pool *pool, cli_curves *curves) {
    const char *path = NULL;
    LS_TRY(cli_run_path(pool, run, "metrics.jsonl", &path));
    reading r = {.run = run, .names = names, .pool = pool, .curves = curves, .first = curves->count};
    LS_TRY(ls_journal_read(path, visit, &r));
    for (size_t i = r.first; i < curves->count; i++) curves->items[i].steps_per_epoch = r.steps_per_epoch;
    return LS_OK;
}

static void count_epochs(cli_curves *curves) {
    curves->in_epochs = true;
    for (size_t i = 0; i < curves->count; i++)
        if (curves->items[i].steps_per_epoch == 0) curves->in_epochs = false;
    for (size_t i = 0; i < curves->count && curves->in_epochs; i++)
        for (size_t p = 0; p < curves->items[i].count; p++)
            curves->items[i].points[p].x /= curves->items[i].steps_per_epoch;
}

/* An exponential mean over about count / SMOOTH_PARTS points, corrected for its start. */
static void smooth(cli_curve *curve) {
    if (curve->count <= 2 * SMOOTH_PARTS) return;
    double keep = 1 - 2 / ((double)curve->count / SMOOTH_PARTS + 1), sum = 0, weight = 0;
    for (size_t i = 0; i < curve->count; i++) {
        sum = keep * sum + curve->points[i].y;
        weight = keep * weight + 1;
        curve->points[i].y = sum / weight;
    }
}

/* The epoch's mean of a number whose steps are shown tells nothing more. */
static bool is_told_by_steps(const cli_curves *curves, const cli_curve *coarse) {
    if (coarse->steps || strcmp(coarse->set, "train") != 0) return false;
    for (size_t i = 0; i < curves->count; i++) {
        const cli_curve *c = &curves->items[i];
        if (c->steps && c->run == coarse->run && strcmp(c->name, coarse->name) == 0) return true;
    }
    return false;
}

void cli_curves_finish(cli_curves *curves) {
    count_epochs(curves);
    for (size_t i = 0; i < curves->count; i++) {
        if (curves->items[i].steps)
            smooth(&curves->items[i]);
        else if (is_told_by_steps(curves, &curves->items[i]))
            curves->items[i].count = 0;
    }
}

void cli_curves_free(cli_curves *curves) {
    for (size_t i = 0; i < curves->count; i++) free(curves->items[i].points);
    free(curves->items);
    *curves = (cli_curves){0};
}
