/* From what is asked for to the list of runs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sweep/sweep.h"
#include "lockstep/metrics.h"

enum { MOST_RUNS = 10000, LONGEST_NAME = 200 };

static ls_status take(ls_pool *pool, size_t count, size_t size, void *out) {
    void *memory = NULL;
    LS_TRY(ls_pool_take(pool, count * size, &memory));
    memcpy(out, &memory, sizeof memory);
    return LS_OK;
}

/* ---- axes: KEY=V,V... ---------------------------------------------------------------------------------------- */

/* The end of the value at `text`: a comma outside all quotes and brackets, or the end. NULL: something stays open. */
static const char *value_end(const char *text) {
    char open[64];
    size_t depth = 0;
    for (const char *c = text;; c++) {
        char last = depth ? open[depth - 1] : '\0';
        if (*c == '\0') return depth ? NULL : c;
        if (last == '"' || last == '\'') {
            if (last == '"' && *c == '\\' && c[1])
                c++;
            else if (*c == last)
                depth--;
        } else if (*c == '"' || *c == '\'' || *c == '[' || *c == '{') {
            if (depth == sizeof open) return NULL;
            open[depth++] = *c == '[' ? ']' : *c == '{' ? '}' : *c;
        } else if (*c == ']' || *c == '}') {
            if (last != *c) return NULL;
            depth--;
        } else if (*c == ',' && depth == 0) {
            return c;
        }
    }
}

static ls_status split_values(ls_pool *pool, const char *word, const char *text, cli_axis *axis) {
    LS_TRY(take(pool, strlen(text) + 1, sizeof *axis->values, &axis->values));
    for (const char *from = text;; from++) {
        const char *end = value_end(from);
        if (!end) return LS_FAIL(LS_ERR_USAGE, "--vary %s: a quote or bracket has no partner", word);
        while (*from == ' ') from++;
        size_t length = (size_t)(end - from);
        while (length && from[length - 1] == ' ') length--;
        if (!length) return LS_FAIL(LS_ERR_USAGE, "--vary %s: a value is empty", word);
        LS_TRY(ls_pool_format(pool, &axis->values[axis->count], "%.*s", (int)length, from));
        for (size_t i = 0; i < axis->count; i++)
            if (strcmp(axis->values[i], axis->values[axis->count]) == 0)
                return LS_FAIL(LS_ERR_USAGE, "--vary %s: %s stands there twice", word, axis->values[i]);
        axis->count++;
        from = end;
        if (!*end) return LS_OK;
    }
}

static ls_status parse_axis(ls_pool *pool, const char *word, cli_axis *axis) {
    static const char *const own[] = {"run.dir", "checkpoint.best", "data.fold"};
    const char *equals = strchr(word, '=');
    if (!equals || equals == word)
        return LS_FAIL(LS_ERR_USAGE, "--vary %s: write it as KEY.PATH=VALUE,VALUE,...", word);
    LS_TRY(ls_pool_format(pool, &axis->key, "%.*s", (int)(equals - word), word));
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(axis->key, own[i]) == 0)
            return LS_FAIL(LS_ERR_USAGE, "--vary %s: the sweep itself sets this key", axis->key);
    return split_values(pool, word, equals + 1, axis);
}

static const char *last_part(const char *key) {
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

static ls_status parse_axes(ls_pool *pool, const cli_sweep_request *request, cli_grid *s) {
    s->axis_count = request->vary->count;
    LS_TRY(take(pool, s->axis_count, sizeof *s->axes, &s->axes));
    for (size_t i = 0; i < s->axis_count; i++) LS_TRY(parse_axis(pool, request->vary->items[i], &s->axes[i]));
    for (size_t i = 0; i < s->axis_count; i++) {
        s->axes[i].label = last_part(s->axes[i].key);
        for (size_t k = 0; k < s->axis_count; k++) {
            if (k == i) continue;
            if (strcmp(s->axes[k].key, s->axes[i].key) == 0)
                return LS_FAIL(LS_ERR_USAGE, "--vary %s is given twice; list all values in one", s->axes[i].key);
            if (strcmp(last_part(s->axes[k].key), last_part(s->axes[i].key)) == 0) s->axes[i].label = s->axes[i].key;
        }
        if (request->seeds && strcmp(s->axes[i].key, "seed") == 0)
            return LS_FAIL(LS_ERR_USAGE, "--vary seed and --seeds exclude each other");
    }
    return LS_OK;
}

/* ---- names of folders ---------------------------------------------------------------------------------------- */

static ls_status add_word(ls_text *name, const char *key, const char *value) {
    LS_TRY(ls_text_add(name, "%s%s=", name->length ? "," : "", key));
    for (const char *c = value; *c; c++) {
        bool plain =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("._+-", *c);
        if (*c != ' ') LS_TRY(ls_text_add(name, "%c", plain ? *c : '_'));
    }
    return LS_OK;
}

static ls_status compose_name(const cli_grid *s, const cli_sweep_run *run, ls_text *name) {
    const cli_setting *setting = &s->settings[run->setting];
    char number[32];
    for (size_t i = 0; i < s->axis_count; i++) LS_TRY(add_word(name, s->axes[i].label, setting->values[i]));
    snprintf(number, sizeof number, "%" PRIu64, run->seed);
    if (s->by_seed) LS_TRY(add_word(name, "seed", number));
    snprintf(number, sizeof number, "%zu", run->fold);
    return s->by_fold ? add_word(name, "fold", number) : LS_OK;
}

/* A name follows from the values alone, so that a sweep with more of them finds its runs again. */
static ls_status name_run(ls_pool *pool, const cli_grid *s, size_t index) {
    cli_sweep_run *run = &s->runs[index];
    ls_text name = {0};
    ls_status status = compose_name(s, run, &name);
    if (status == LS_OK && name.length > LONGEST_NAME) {
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (size_t i = 0; i < name.length; i++) hash = (hash ^ (unsigned char)name.bytes[i]) * 1099511628211u;
        status = ls_pool_format(pool, &run->name, "%.*s-%016" PRIx64, LONGEST_NAME - 40, name.bytes, hash);
    } else if (status == LS_OK) {
        status = ls_pool_text(pool, name.bytes, &run->name);
    }
    ls_text_free(&name);
    LS_TRY(status);
    size_t alike = 0; /* values that differ only in what a folder's name cannot show */
    for (size_t i = 0; i < index; i++) alike += strcmp(s->runs[i].name, run->name) == 0;
    return alike ? ls_pool_format(pool, &run->name, "%s~%zu", run->name, alike + 1) : LS_OK;
}

/* ---- settings and runs --------------------------------------------------------------------------------------- */

static ls_status count_runs(cli_grid *s, size_t seeds, size_t folds) {
    s->setting_count = 1;
    for (size_t i = 0; i < s->axis_count && s->setting_count <= MOST_RUNS; i++) s->setting_count *= s->axes[i].count;
    if (s->setting_count > MOST_RUNS || seeds > MOST_RUNS || folds > MOST_RUNS ||
        s->setting_count * seeds > MOST_RUNS || s->setting_count * seeds * folds > MOST_RUNS)
        return LS_FAIL(LS_ERR_USAGE, "the sweep has more than %d runs", MOST_RUNS);
    s->run_count = s->setting_count * seeds * folds;
    return LS_OK;
}

/* The last axis turns fastest. */
static ls_status list_settings(ls_pool *pool, cli_grid *s, size_t runs_each) {
    LS_TRY(take(pool, s->setting_count, sizeof *s->settings, &s->settings));
    LS_TRY(take(pool, s->setting_count, sizeof *s->ranked, &s->ranked));
    for (size_t n = 0; n < s->setting_count; n++) {
        cli_setting *setting = &s->settings[n];
        s->ranked[n] = setting;
        setting->first = n * runs_each;
        setting->count = runs_each;
        LS_TRY(take(pool, s->axis_count, sizeof *setting->values, &setting->values));
        size_t rest = n;
        for (size_t i = s->axis_count; i-- > 0; rest /= s->axes[i].count)
            setting->values[i] = s->axes[i].values[rest % s->axes[i].count];
    }
    return LS_OK;
}

static ls_status path_override(ls_pool *pool, const char *key, const char *folder, const char *name, const char **out) {
    const char *path = NULL;
    ls_text text = {0};
    LS_TRY(ls_pool_format(pool, &path, "%s/%s", folder, name));
    ls_status status = ls_text_add(&text, "%s=", key);
    if (status == LS_OK) status = cli_add_quoted(&text, path);
    if (status == LS_OK) status = ls_pool_text(pool, text.bytes, out);
    ls_text_free(&text);
    return status;
}

typedef struct source {
    const char *path, *bytes;
    const cli_sweep_request *request;
    size_t folds;
} source;

static ls_status parse_run(ls_pool *pool, const cli_grid *s, const source *from, cli_sweep_run *run) {
    const cli_words *base = from->request->overrides;
    const cli_setting *setting = &s->settings[run->setting];
    const char **words = NULL;
    size_t count = base->count;
    LS_TRY(take(pool, base->count + s->axis_count + 5, sizeof *words, &words));
    if (count) memcpy(words, base->items, count * sizeof *words);
    for (size_t i = 0; i < s->axis_count; i++)
        LS_TRY(ls_pool_format(pool, &words[count++], "%s=%s", s->axes[i].key, setting->values[i]));
    if (s->by_seed) LS_TRY(ls_pool_format(pool, &words[count++], "seed=%" PRIu64, run->seed));
    if (s->by_fold) {
        char share[LS_REAL_SPACE];
        ls_real_print(1 / (double)from->folds, share);
        LS_TRY(ls_pool_format(pool, &words[count++], "data.valid=%s", share));
        LS_TRY(ls_pool_format(pool, &words[count++], "data.fold=%zu", run->fold));
    }
    LS_TRY(ls_pool_format(pool, &words[count++], "checkpoint.best=%s", s->by));
    LS_TRY(path_override(pool, "run.dir", s->folder, run->name, &words[count++]));
    ls_status status =
        ls_config_parse(pool, from->path, from->bytes, strlen(from->bytes), words, count, &run->experiment);
    return ls_status_prefix(status, "run %s", run->name);
}

static ls_status list_runs(ls_pool *pool, cli_grid *s, const source *from, uint64_t seed, size_t seeds) {
    LS_TRY(take(pool, s->run_count, sizeof *s->runs, &s->runs));
    for (size_t i = 0; i < s->run_count; i++) {
        cli_sweep_run *run = &s->runs[i];
        run->fold = i % from->folds;
        run->seed = seed + i / from->folds % seeds;
        run->setting = i / from->folds / seeds;
        LS_TRY(name_run(pool, s, i));
        LS_TRY(parse_run(pool, s, from, run));
    }
    return LS_OK;
}

/* ---- by what runs are compared ------------------------------------------------------------------------------- */

static ls_status find_direction(cli_grid *s) {
    const char *dot = strchr(s->by, '.');
    if (!dot || strncmp(s->by, "test.", 5) == 0)
        return LS_FAIL(LS_ERR_USAGE,
                       dot ? "--by %s: what is chosen by the test set can no longer be tested with it; use "
                             "valid.loss or valid.METRIC"
                           : "--by %s: write it as SET.NAME, for example valid.loss",
                       s->by);
    if (strcmp(dot + 1, "loss") == 0 || strncmp(dot + 1, "loss.", 5) == 0) return LS_OK;
    const ls_type *type = ls_family_find(&ls_metric_family, dot + 1);
    const char *names[64] = {"loss"};
    for (size_t i = 0; ls_metric_family.types[i] && i < 62; i++) names[i + 1] = ls_metric_family.types[i]->name;
    const char *near = type ? NULL : ls_nearest(dot + 1, names);
    if (!type)
        return LS_FAIL(LS_ERR_USAGE, "--by %s: there is no metric \"%s\"%s%s%s", s->by, dot + 1,
                       near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    s->higher = ((const ls_metric_type *)(const void *)type)->higher_is_better;
    return LS_OK;
}

static ls_status plan(cli *c, const cli_sweep_request *request, const char *bytes, cli_grid *s) {
    ls_experiment base;
    double fraction = 0;
    LS_TRY(ls_config_parse(c->pool, request->config, bytes, strlen(bytes), request->overrides->items,
                           request->overrides->count, &base));
    if (request->folds && base.data.valid.count && !ls_data_fraction(&base.data.valid, &fraction))
        return LS_FAIL(LS_ERR_USAGE, "--folds splits the validation set off data.train, but data.valid names files; "
                                     "remove it, or override it (--set data.valid=0.2)");
    s->folder = base.run.dir;
    s->by = request->by ? request->by : request->folds ? "valid.loss" : base.checkpoint.best;
    s->by_seed = request->seeds > 0;
    s->by_fold = request->folds > 0;
    size_t seeds = s->by_seed ? request->seeds : 1;
    source from = {request->config, bytes, request, s->by_fold ? request->folds : 1};
    LS_TRY(find_direction(s));
    LS_TRY(parse_axes(c->pool, request, s));
    LS_TRY(count_runs(s, seeds, from.folds));
    LS_TRY(list_settings(c->pool, s, seeds * from.folds));
    return list_runs(c->pool, s, &from, base.seed, seeds);
}

ls_status cli_sweep_plan(cli *c, const cli_sweep_request *request, cli_grid *out) {
    *out = (cli_grid){0};
    char *bytes = NULL;
    LS_TRY(cli_read_text(c, request->config, &bytes));
    ls_status status = plan(c, request, bytes, out);
    free(bytes);
    return ls_comm_agree(c->comm, status);
}
