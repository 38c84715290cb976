/* Which setting is best, and the files and the table that say so. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/sweep/sweep.h"
#include "lockstep/file.h"

/* ---- order --------------------------------------------------------------------------------------------------- */

static void average(const cli_grid *s, cli_setting *setting) {
    double sum = 0, squares = 0;
    setting->done = setting->failed = 0;
    for (size_t i = 0; i < setting->count; i++) {
        const cli_sweep_run *run = &s->runs[setting->first + i];
        setting->failed += run->result == CLI_RUN_FAILED;
        if (run->result != CLI_RUN_DONE) continue;
        setting->done++;
        sum += run->value;
    }
    /* A mean over what did not fail would praise the settings that fail. */
    setting->mean = setting->done && !setting->failed ? sum / (double)setting->done : NAN;
    for (size_t i = 0; i < setting->count; i++) {
        const cli_sweep_run *run = &s->runs[setting->first + i];
        if (run->result == CLI_RUN_DONE) squares += (run->value - setting->mean) * (run->value - setting->mean);
    }
    setting->deviation = setting->done > 1 ? sqrt(squares / (double)(setting->done - 1)) : NAN;
}

/* NaN is worse than any number; equals keep their order. */
static bool is_better(const cli_grid *s, double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(b) && !isnan(a);
    return s->higher ? a > b : a < b;
}

void cli_sweep_rank(cli_grid *s) {
    for (size_t i = 0; i < s->setting_count; i++) average(s, &s->settings[i]);
    /* Insertion keeps the order of equals, which qsort() does not promise. */
    for (size_t i = 0; i < s->setting_count; i++) {
        const cli_setting *setting = &s->settings[i];
        size_t k = i;
        for (; k > 0 && is_better(s, setting->mean, s->ranked[k - 1]->mean); k--) s->ranked[k] = s->ranked[k - 1];
        s->ranked[k] = setting;
    }
}

const cli_sweep_run *cli_sweep_best(const cli_grid *s) {
    const cli_setting *setting = s->ranked[0];
    if (isnan(setting->mean)) return NULL;
    const cli_sweep_run *best = NULL;
    for (size_t i = 0; i < setting->count; i++) {
        const cli_sweep_run *run = &s->runs[setting->first + i];
        if (run->result == CLI_RUN_DONE && (!best || is_better(s, run->value, best->value))) best = run;
    }
    return best;
}

/* ---- sweep.json ---------------------------------------------------------------------------------------------- */

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static const char *result_word(cli_run_result result) {
    static const char *const words[] = {"pending", "done", "failed"};
    return words[result];
}

static json_t *run_json(const cli_grid *s, const cli_sweep_run *run) {
    json_t *object = json_pack("{s:s, s:s, s:o}", "name", run->name, "result", result_word(run->result), "value",
                               number(run->value));
    if (run->step) json_object_set_new(object, "step", json_integer((json_int_t)run->step));
    if (s->by_seed) json_object_set_new(object, "seed", json_integer((json_int_t)run->seed));
    if (s->by_fold) json_object_set_new(object, "fold", json_integer((json_int_t)run->fold));
    return object;
}

static json_t *setting_json(const cli_grid *s, const cli_setting *setting) {
    json_t *keys = json_object(), *runs = json_array();
    for (size_t i = 0; i < s->axis_count; i++) {
        double real = 0;
        bool is_number = ls_parse_real(setting->values[i], &real);
        json_object_set_new(keys, s->axes[i].key, is_number ? json_real(real) : json_string(setting->values[i]));
    }
    for (size_t i = 0; i < setting->count; i++) json_array_append_new(runs, run_json(s, &s->runs[setting->first + i]));
    return json_pack("{s:o, s:o, s:o, s:o}", "keys", keys, "mean", number(setting->mean), "deviation",
                     number(setting->deviation), "runs", runs);
}

char *cli_sweep_json(const cli_grid *s) {
    json_t *settings = json_array();
    for (size_t i = 0; i < s->setting_count; i++) json_array_append_new(settings, setting_json(s, s->ranked[i]));
    const cli_sweep_run *best = cli_sweep_best(s);
    json_t *root = json_pack("{s:s, s:b, s:o, s:o}", "by", s->by, "higher_is_better", s->higher, "best",
                             best ? json_string(best->name) : json_null(), "settings", settings);
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(root);
    return text;
}

static ls_status link_best(const cli_grid *s) {
    const cli_sweep_run *best = cli_sweep_best(s);
    char path[4096], beside[4200];
    snprintf(path, sizeof path, "%s/best", s->folder);
    snprintf(beside, sizeof beside, "%s.tmp", path);
    if (!best) {
        (void)unlink(path);
        return LS_OK;
    }
    (void)unlink(beside);
    if (symlink(best->name, beside) != 0 || rename(beside, path) != 0)
        return LS_FAIL(LS_ERR_IO, "%s: the link cannot be made: %s", path, strerror(errno));
    return LS_OK;
}

ls_status cli_sweep_write(const cli_grid *s) {
    char path[4096];
    snprintf(path, sizeof path, "%s/sweep.json", s->folder);
    char *text = cli_sweep_json(s);
    if (!text) return LS_FAIL(LS_ERR_MEMORY, "no memory for %s", path);
    ls_new_file file;
    ls_status status = ls_new_file_open(&file, path);
    if (status == LS_OK) {
        fprintf(file.stream, "%s\n", text);
        status = ls_new_file_finish(&file, LS_OK, false);
    }
    free(text);
    return status == LS_OK ? link_best(s) : status;
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

static int wider(int width, const char *text) {
    int length = (int)strlen(text);
    return length > width ? length : width;
}

static int column_width(const cli_axis *axis) {
    int width = wider(0, axis->label);
    for (size_t i = 0; i < axis->count; i++) width = wider(width, axis->values[i]);
    return width;
}

static ls_status add_row(const cli_grid *s, size_t rank, ls_text *out) {
    const cli_setting *setting = s->ranked[rank];
    int width = wider(12, s->by);
    LS_TRY(ls_text_add(out, "%4zu  %*.6g", rank + 1, width, setting->mean));
    if (setting->count > 1) LS_TRY(ls_text_add(out, "  %9.3g", setting->deviation));
    for (size_t i = 0; i < s->axis_count; i++)
        LS_TRY(ls_text_add(out, "  %-*s", column_width(&s->axes[i]), setting->values[i]));
    if (setting->failed)
        LS_TRY(ls_text_add(out, "  %zu of %zu failed", setting->failed, setting->count));
    else if (setting->done < setting->count)
        LS_TRY(ls_text_add(out, "  %zu of %zu done", setting->done, setting->count));
    return ls_text_add(out, "\n");
}

ls_status cli_sweep_table(const cli_grid *s, ls_text *out) {
    LS_TRY(ls_text_add(out, "rank  %*s", wider(12, s->by), s->by));
    if (s->settings[0].count > 1) LS_TRY(ls_text_add(out, "  %9s", "deviation"));
    for (size_t i = 0; i < s->axis_count; i++)
        LS_TRY(ls_text_add(out, "  %-*s", column_width(&s->axes[i]), s->axes[i].label));
    LS_TRY(ls_text_add(out, "\n"));
    for (size_t i = 0; i < s->setting_count; i++) LS_TRY(add_row(s, i, out));
    return LS_OK;
}
