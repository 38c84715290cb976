#include <string.h>

#include "base/options_inner.h"

/* A path cut at its dots, and what is to stand at its end. */
typedef struct setter {
    ls_pool *pool;
    char **parts;
    size_t count;
    ls_document *value;
} setter;

enum { WHERE_SPACE = 256 };

/* The first `depth` parts as a path, for messages. */
static void write_where(const setter *s, size_t depth, char out[WHERE_SPACE]) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < depth; i++) {
        size_t length = strlen(s->parts[i]);
        if (used + length + 2 > WHERE_SPACE) return;
        if (i) out[used++] = '.';
        memcpy(out + used, s->parts[i], length + 1);
        used += length;
    }
}

static ls_status cut_path(setter *s, const char *path) {
    void *copy = NULL, *parts = NULL;
    size_t bytes = strlen(path) + 1;
    LS_TRY(ls_pool_take(s->pool, bytes, &copy));
    LS_TRY(ls_pool_take(s->pool, bytes * sizeof *s->parts, &parts));
    memcpy(copy, path, bytes);
    s->parts = parts;
    for (char *at = copy; at;) {
        char *dot = strchr(at, '.');
        if (dot) *dot = '\0';
        if (*at == '\0')
            return ls_document_fail(s->value->place, LS_ERR_CONFIG, "\"%s\" is no path; it is KEY.KEY.KEY", path);
        s->parts[s->count++] = at;
        at = dot ? dot + 1 : NULL;
    }
    return LS_OK;
}

static ls_status set_value(const setter *s, const ls_option *row, ls_document *current, size_t depth,
                           ls_document **out);

static bool leads_inside(const ls_option *main_row, const char *part) {
    size_t index = 0;
    if (!main_row) return false;
    switch (main_row->kind) {
    case LS_KIND_CHOICES:
        if (ls_parse_count(part, &index)) return true;
        return ls_family_find(main_row->family, part) != NULL;
    case LS_KIND_CHOICE: return ls_family_find(main_row->family, part) != NULL;
    case LS_KIND_TABLE: return ls__sets_find(ls__sets_of_table(main_row), part, NULL) != NULL;
    default: return false;
    }
}

/* Sets parts[depth] of a map; the part may also name what is inside the main row's value. */
static ls_status set_in_map(const setter *s, ls_option_sets sets, const char *noun, ls_document *map, size_t depth) {
    const char *key = s->parts[depth];
    const ls_option *row = ls__sets_find(sets, key, NULL), *main_row = ls__sets_main(sets);
    size_t next = depth + 1;
    if (!row && leads_inside(main_row, key)) {
        row = main_row;
        next = depth;
    }
    if (!row) return ls__unknown_key(sets, s->value->place, LS_ERR_CONFIG, key, noun);
    ls_document *item = NULL;
    LS_TRY(set_value(s, row, ls_document_find(map, row->key), next, &item));
    return ls_document_put(s->pool, map, row->key, s->value->place, item);
}

static ls_status set_in_table(const setter *s, const ls_option *row, ls_document *current, size_t depth,
                              ls_document **out) {
    char where[WHERE_SPACE];
    write_where(s, depth, where);
    ls_option_sets sets = ls__sets_of_table(row);
    if (current && ls__find_word(row, current) >= 0) current = NULL;
    if (current)
        LS_TRY(ls__spell_out(sets, s->pool, where, current, out));
    else
        LS_TRY(ls_document_map(s->pool, s->value->place, out));
    return set_in_map(s, sets, row->key, *out, depth);
}

/* The options of a choice that is `name` already, or NULL. */
static ls_document *options_of(const ls_document *current, const char *name) {
    if (!current || current->kind != LS_DOCUMENT_MAP || current->count != 1) return NULL;
    return ls_document_find(current, name);
}

static ls_status set_in_choice(const setter *s, const ls_family *family, ls_document *current, size_t depth,
                               ls_document **out) {
    char where[WHERE_SPACE];
    write_where(s, depth, where);
    const char *name = s->parts[depth];
    const ls_type *type = ls_family_find(family, name);
    if (!type) return ls__unknown_name(family, s->value->place, LS_ERR_CONFIG, where, name);
    ls_document *options = s->value;
    if (depth + 1 < s->count) {
        ls_option_sets sets = ls__sets_of_type(family, type);
        ls_document *before = options_of(current, name);
        write_where(s, depth + 1, where);
        if (before)
            LS_TRY(ls__spell_out(sets, s->pool, where, before, &options));
        else
            LS_TRY(ls_document_map(s->pool, s->value->place, &options));
        LS_TRY(set_in_map(s, sets, type->name, options, depth + 1));
    }
    LS_TRY(ls_document_map(s->pool, current ? current->place : s->value->place, out));
    return ls_document_put(s->pool, *out, name, s->value->place, options);
}

/* The place of parts[depth] in a list; a single value stands for a list of one. */
static ls_status find_item(const setter *s, ls_document *list, size_t depth, ls_document ***out) {
    char where[WHERE_SPACE];
    write_where(s, depth, where);
    size_t index = 0, count = list ? list->count : 0;
    if (!ls_parse_count(s->parts[depth], &index))
        return ls_document_fail(s->value->place, LS_ERR_CONFIG,
                                "%s: is a list of %zu; say which one by its number from 0, not by \"%s\"", where, count,
                                s->parts[depth]);
    if (index >= count)
        return ls_document_fail(s->value->place, LS_ERR_CONFIG, "%s: has no item %zu; it has %zu, counted from 0",
                                where, index, count);
    *out = &list->items[index];
    return LS_OK;
}

/* Makes `current` a list that holds it, unless it is one. */
static ls_status wrap_in_list(const setter *s, ls_document *current, ls_document **out) {
    *out = current;
    if (current && current->kind == LS_DOCUMENT_LIST) return LS_OK;
    LS_TRY(ls_document_list(s->pool, current ? current->place : s->value->place, out));
    return current ? ls_document_add(s->pool, *out, current) : LS_OK;
}

static ls_status set_in_choices(const setter *s, const ls_option *row, ls_document *current, size_t depth,
                                ls_document **out) {
    size_t index = 0;
    bool list = current && current->kind == LS_DOCUMENT_LIST;
    if (!list && !ls_parse_count(s->parts[depth], &index)) return set_in_choice(s, row->family, current, depth, out);
    ls_document **item = NULL;
    LS_TRY(wrap_in_list(s, current, out));
    LS_TRY(find_item(s, *out, depth, &item));
    if (depth + 1 < s->count) return set_in_choice(s, row->family, *item, depth + 1, item);
    *item = s->value;
    return LS_OK;
}

static ls_status refuse_inside(const setter *s, size_t depth) {
    char where[WHERE_SPACE];
    write_where(s, depth, where);
    return ls_document_fail(s->value->place, LS_ERR_CONFIG, "%s: is a single value; nothing stands inside it", where);
}

static ls_status set_in_values(const setter *s, const ls_option *row, ls_document *current, size_t depth,
                               ls_document **out) {
    ls_document **item = NULL;
    if (depth + 1 < s->count) return refuse_inside(s, depth + 1);
    LS_TRY(wrap_in_list(s, current, out));
    bool both = row->kind == LS_KIND_COUNTS2 && current && current->kind != LS_DOCUMENT_LIST;
    if (both) LS_TRY(ls_document_add(s->pool, *out, current));
    LS_TRY(find_item(s, *out, depth, &item));
    *item = s->value;
    return LS_OK;
}

static ls_status set_in_pairs(const setter *s, ls_document *current, size_t depth, ls_document **out) {
    *out = current;
    if (depth + 1 < s->count) return refuse_inside(s, depth + 1);
    if (!current || current->kind != LS_DOCUMENT_MAP) LS_TRY(ls_document_map(s->pool, s->value->place, out));
    return ls_document_put(s->pool, *out, s->parts[depth], s->value->place, s->value);
}

/* What stands at a row's key once the path from parts[depth] on is set in it; what is not there is its default. */
static ls_status set_value(const setter *s, const ls_option *row, ls_document *current, size_t depth,
                           ls_document **out) {
    *out = s->value;
    if (depth == s->count) return LS_OK;
    bool preset = !current && row->fallback && strcmp(row->fallback, LS_REQUIRED) != 0;
    if (preset) LS_TRY(ls__flow_read(s->pool, s->value->place, row->fallback, &current));
    switch (row->kind) {
    case LS_KIND_TABLE: return set_in_table(s, row, current, depth, out);
    case LS_KIND_CHOICE: return set_in_choice(s, row->family, current, depth, out);
    case LS_KIND_CHOICES: return set_in_choices(s, row, current, depth, out);
    case LS_KIND_PAIRS: return set_in_pairs(s, current, depth, out);
    case LS_KIND_TEXTS:
    case LS_KIND_REALS:
    case LS_KIND_COUNTS2: return set_in_values(s, row, current, depth, out);
    default: return refuse_inside(s, depth);
    }
}

ls_status ls_options_set(const ls_option *rows, ls_pool *pool, ls_document *root, const char *path,
                         ls_document *value) {
    setter s = {.pool = pool, .value = value};
    LS_TRY(cut_path(&s, path));
    if (root->kind != LS_DOCUMENT_MAP)
        return ls_document_fail(root->place, LS_ERR_CONFIG, "the configuration is no map of KEY: VALUE lines");
    return set_in_map(&s, (ls_option_sets){{rows, NULL}}, "the configuration", root, 0);
}
