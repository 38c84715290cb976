#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/options_inner.h"

/* Where binding stands: a path from the root, on the stack. */
typedef struct site {
    const struct site *up;
    const char *key; /* NULL at the root */
    ls_pool *pool;
    bool preset; /* what is bound is a default */
} site;

enum { PATH_SPACE = 256 };

static site below(const site *up, const char *key) {
    return (site){.up = up, .key = key, .pool = up->pool, .preset = up->preset};
}

static size_t write_path(const site *s, char out[PATH_SPACE]) {
    size_t used = 0;
    out[0] = '\0';
    if (s->up) used = write_path(s->up, out);
    if (!s->key) return used;
    int length = snprintf(out + used, PATH_SPACE - used, "%s%s", used ? "." : "", s->key);
    size_t end = used + (size_t)length;
    return end < PATH_SPACE ? end : PATH_SPACE - 1;
}

/* "PATH: VALUE WHY; allowed: ..." */
static ls_status refuse(const site *s, const ls_option *row, const ls_document *value, const char *why) {
    static const char *const shapes[] = {[LS_DOCUMENT_LIST] = "a list", [LS_DOCUMENT_MAP] = "a map"};
    char path[PATH_SPACE], shown[72];
    write_path(s, path);
    if (value->kind == LS_DOCUMENT_SCALAR)
        snprintf(shown, sizeof shown, "\"%.64s\"", value->text);
    else
        snprintf(shown, sizeof shown, "%s", shapes[value->kind]);
    ls_text allowed = {0};
    ls_status status = ls__describe(row, &allowed);
    if (status == LS_OK)
        status =
            ls_document_fail(value->place, LS_ERR_CONFIG, "%s: %s %s; allowed: %s", path, shown, why, allowed.bytes);
    ls_text_free(&allowed);
    return status;
}

static bool is_empty(const ls_document *value) {
    return value->kind == LS_DOCUMENT_SCALAR && !value->quoted && value->text[0] == '\0';
}

static ls_status need_scalar(const site *s, const ls_option *row, const ls_document *value) {
    if (value->kind != LS_DOCUMENT_SCALAR) return refuse(s, row, value, "cannot stand here");
    return is_empty(value) ? refuse(s, row, value, "is no value") : LS_OK;
}

static ls_status need_range(const site *s, const ls_option *row, const ls_document *value, double number) {
    if (row->low == 0 && row->high == 0) return LS_OK;
    assert(row->low <= row->high);
    bool fits = (row->open_low ? number > row->low : number >= row->low) &&
                (row->open_high ? number < row->high : number <= row->high);
    return fits ? LS_OK : refuse(s, row, value, "is out of range");
}

/* ---- scalars ---- */

static ls_status bind_bool(const site *s, const ls_option *row, const ls_document *value, bool *out) {
    LS_TRY(need_scalar(s, row, value));
    *out = strcmp(value->text, "true") == 0;
    bool known = *out || strcmp(value->text, "false") == 0;
    return known && !value->quoted ? LS_OK : refuse(s, row, value, "is not a boolean");
}

static bool parse_seed(const char *text, uint64_t *out) {
    int64_t negative = 0;
    size_t positive = 0;
    bool is_negative = ls_parse_integer(text, &negative);
    if (!is_negative && !ls_parse_count(text, &positive)) return false;
    *out = is_negative ? (uint64_t)negative : positive;
    return true;
}

static ls_status need_number(const site *s, const ls_option *row, const ls_document *value) {
    LS_TRY(need_scalar(s, row, value));
    return value->quoted ? refuse(s, row, value, "is a text for its quotes; write the number without") : LS_OK;
}

static ls_status bind_count(const site *s, const ls_option *row, const ls_document *value, size_t *out) {
    LS_TRY(need_number(s, row, value));
    if (!ls_parse_count(value->text, out)) return refuse(s, row, value, "is not a whole number, written in digits");
    return need_range(s, row, value, (double)*out);
}

static ls_status bind_integer(const site *s, const ls_option *row, const ls_document *value, int64_t *out) {
    LS_TRY(need_number(s, row, value));
    if (!ls_parse_integer(value->text, out)) return refuse(s, row, value, "is not a whole number, written in digits");
    return need_range(s, row, value, (double)*out);
}

static ls_status bind_seed(const site *s, const ls_option *row, const ls_document *value, uint64_t *out) {
    LS_TRY(need_number(s, row, value));
    return parse_seed(value->text, out) ? LS_OK : refuse(s, row, value, "is not a whole number of 64 bits");
}

static ls_status bind_real(const site *s, const ls_option *row, const ls_document *value, double *out) {
    LS_TRY(need_number(s, row, value));
    if (!ls_parse_real(value->text, out)) return refuse(s, row, value, "is not a number");
    return need_range(s, row, value, *out);
}

static ls_status bind_bytes(const site *s, const ls_option *row, const ls_document *value, size_t *out) {
    LS_TRY(need_scalar(s, row, value));
    if (!ls_parse_bytes(value->text, out)) return refuse(s, row, value, "is not a size");
    return need_range(s, row, value, (double)*out);
}

static ls_status bind_duration(const site *s, const ls_option *row, const ls_document *value, ls_duration *out) {
    assert(row->units);
    LS_TRY(need_scalar(s, row, value));
    if (!ls__read_duration(row, value->text, out)) return refuse(s, row, value, "is not such a duration");
    return need_range(s, row, value, out->value);
}

static ls_status bind_word(const site *s, const ls_option *row, const ls_document *value, int *out) {
    LS_TRY(need_scalar(s, row, value));
    *out = ls__find_word(row, value);
    if (*out >= 0) return LS_OK;
    const char *near = ls_nearest(value->text, row->words);
    if (!near) return refuse(s, row, value, "is none of these words");
    char why[128];
    snprintf(why, sizeof why, "is not known (did you mean \"%s\"?)", near);
    return refuse(s, row, value, why);
}

static ls_status bind_text(const site *s, const ls_option *row, const ls_document *value, const char **out) {
    LS_TRY(need_scalar(s, row, value));
    return ls_pool_text(s->pool, value->text, out);
}

static bool is_name(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    size_t length = strlen(text);
    return length > 0 && strspn(text, letters) == length;
}

static ls_status bind_name(const site *s, const ls_option *row, const ls_document *value, const char **out) {
    LS_TRY(bind_text(s, row, value, out));
    return is_name(*out) ? LS_OK : refuse(s, row, value, "is not a name");
}

/* ---- lists ---- */

/* A value that is no list stands for a list of one. */
static size_t list_count(const ls_document *value) {
    return value->kind == LS_DOCUMENT_LIST ? value->count : 1;
}

static const ls_document *list_item(const ls_document *value, size_t i) {
    return value->kind == LS_DOCUMENT_LIST ? value->items[i] : value;
}

static ls_status take_list(const site *s, const ls_option *row, const ls_document *value, size_t size, void **out) {
    size_t count = list_count(value);
    bool required = row->fallback && strcmp(row->fallback, LS_REQUIRED) == 0;
    if (count == 0 && required) return refuse(s, row, value, "is empty");
    return count ? ls_pool_take(s->pool, count * size, out) : LS_OK;
}

static ls_status bind_texts(const site *s, const ls_option *row, const ls_document *value, ls_texts *out) {
    void *items = NULL;
    LS_TRY(take_list(s, row, value, sizeof *out->items, &items));
    *out = (ls_texts){.count = list_count(value), .items = items};
    for (size_t i = 0; i < out->count; i++) LS_TRY(bind_text(s, row, list_item(value, i), &out->items[i]));
    return LS_OK;
}

static ls_status bind_reals(const site *s, const ls_option *row, const ls_document *value, ls_reals *out) {
    void *items = NULL;
    if (value->kind != LS_DOCUMENT_LIST) return refuse(s, row, value, "is not a list");
    LS_TRY(take_list(s, row, value, sizeof *out->items, &items));
    *out = (ls_reals){.count = value->count, .items = items};
    for (size_t i = 0; i < out->count; i++) LS_TRY(bind_real(s, row, value->items[i], &out->items[i]));
    return LS_OK;
}

static ls_status bind_counts2(const site *s, const ls_option *row, const ls_document *value, size_t out[2]) {
    bool list = value->kind == LS_DOCUMENT_LIST;
    if (list && value->count != 2) return refuse(s, row, value, "of another length than two cannot stand here");
    LS_TRY(bind_count(s, row, list ? value->items[0] : value, &out[0]));
    return bind_count(s, row, list ? value->items[1] : value, &out[1]);
}

static ls_status bind_pairs(const site *s, const ls_option *row, const ls_document *value, ls_pairs *out) {
    if (value->kind != LS_DOCUMENT_MAP) return refuse(s, row, value, "is not a map");
    if (value->count == 0) return LS_OK;
    void *keys = NULL, *values = NULL;
    LS_TRY(ls_pool_take(s->pool, value->count * sizeof *out->keys, &keys));
    LS_TRY(ls_pool_take(s->pool, value->count * sizeof *out->values, &values));
    *out = (ls_pairs){.count = value->count, .keys = keys, .values = values};
    for (size_t i = 0; i < value->count; i++) {
        site inner = below(s, value->keys[i]);
        if (!is_name(value->keys[i])) return refuse(&inner, row, value->items[i], "stands under a key that is no name");
        LS_TRY(ls_pool_text(s->pool, value->keys[i], &out->keys[i]));
        LS_TRY(bind_text(&inner, row, value->items[i], &out->values[i]));
    }
    return LS_OK;
}

/* ---- maps: tables and choices ---- */

static ls_status bind_map(const site *s, ls_option_sets sets, void *const holders[LS_OPTION_SETS], const char *noun,
                          const ls_document *map, ls_place place);

static ls_status bind_table(const site *s, const ls_option *row, ls_document *value, void *out) {
    char path[PATH_SPACE];
    write_path(s, path);
    ls_option_sets sets = ls__sets_of_table(row);
    ls_document *map = NULL;
    LS_TRY(ls__spell_out(sets, s->pool, path, value, &map));
    void *const holders[] = {out, NULL};
    return bind_map(s, sets, holders, row->key, map, value->place);
}

static ls_status fill_choice(const site *s, const ls_family *family, const ls_type *type, ls_document *options,
                             ls_place place, ls_choice *out) {
    char path[PATH_SPACE];
    site inner = below(s, type->name);
    write_path(&inner, path);
    *out = (ls_choice){.type = type, .place = place};
    if (type->options_size) LS_TRY(ls_pool_take(s->pool, type->options_size, &out->options));
    if (family->common_size) LS_TRY(ls_pool_take(s->pool, family->common_size, &out->common));
    ls_option_sets sets = ls__sets_of_type(family, type);
    ls_document *map = NULL;
    if (options) LS_TRY(ls__spell_out(sets, s->pool, path, options, &map));
    void *const holders[] = {out->options, out->common};
    return bind_map(&inner, sets, holders, type->name, map, place);
}

/* A choice with two names: two picks, or one pick whose options were not indented below it. */
static ls_status refuse_two_names(const char *path, const ls_family *family, const ls_document *value) {
    const char *first = value->keys[0], *second = value->keys[1];
    const ls_type *type = ls_family_find(family, first);
    if (!type || !ls__sets_find(ls__sets_of_type(family, type), second, NULL))
        return ls_document_fail(value->key_place[1], LS_ERR_CONFIG,
                                "%s: a second name \"%s\" beside \"%s\", where one %s is meant; take one away", path,
                                second, first, family->noun);
    const ls_option *main = ls__sets_main(ls__sets_of_type(family, type));
    bool bare = main && value->items[0]->kind != LS_DOCUMENT_MAP && !is_empty(value->items[0]);
    return ls_document_fail(value->key_place[1], LS_ERR_CONFIG,
                            "%s: \"%s\" is an option of %s and stands inside its braces: %s: {%s%s%s: VALUE}; "
                            "or indent it further",
                            path, second, first, first, bare ? main->key : "", bare ? ": VALUE, " : "", second);
}

static ls_status bind_choice(const site *s, const ls_family *family, const ls_document *value, ls_choice *out) {
    char path[PATH_SPACE];
    write_path(s, path);
    if (value->kind == LS_DOCUMENT_MAP && value->count > 1) return refuse_two_names(path, family, value);
    bool map = value->kind == LS_DOCUMENT_MAP && value->count == 1;
    if (is_empty(value) || (!map && value->kind != LS_DOCUMENT_SCALAR)) {
        const ls_option row = {.kind = LS_KIND_CHOICE, .family = family};
        return refuse(s, &row, value, "is no choice, which is NAME or {NAME: {KEY: VALUE}}");
    }
    const char *name = map ? value->keys[0] : value->text;
    ls_place place = map ? value->key_place[0] : value->place;
    const ls_type *type = ls_family_find(family, name);
    if (!type) return ls__unknown_name(family, place, LS_ERR_CONFIG, path, name);
    return fill_choice(s, family, type, map ? value->items[0] : NULL, place, out);
}

static ls_status bind_choices(const site *s, const ls_option *row, const ls_document *value, ls_choices *out) {
    void *items = NULL;
    LS_TRY(take_list(s, row, value, sizeof *out->items, &items));
    *out = (ls_choices){.count = list_count(value), .items = items};
    if (value->kind != LS_DOCUMENT_LIST) return bind_choice(s, row->family, value, &out->items[0]);
    for (size_t i = 0; i < out->count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        site inner = below(s, number);
        LS_TRY(bind_choice(&inner, row->family, value->items[i], &out->items[i]));
    }
    return LS_OK;
}

static ls_status bind_value(const site *s, const ls_option *row, ls_document *value, void *field) {
    switch (row->kind) {
    case LS_KIND_END: break;
    case LS_KIND_BOOL: return bind_bool(s, row, value, field);
    case LS_KIND_COUNT: return bind_count(s, row, value, field);
    case LS_KIND_INTEGER: return bind_integer(s, row, value, field);
    case LS_KIND_SEED: return bind_seed(s, row, value, field);
    case LS_KIND_REAL: return bind_real(s, row, value, field);
    case LS_KIND_BYTES: return bind_bytes(s, row, value, field);
    case LS_KIND_TEXT: return bind_text(s, row, value, field);
    case LS_KIND_NAME: return bind_name(s, row, value, field);
    case LS_KIND_WORD: return bind_word(s, row, value, field);
    case LS_KIND_DURATION: return bind_duration(s, row, value, field);
    case LS_KIND_CHOICE: return bind_choice(s, row->family, value, field);
    case LS_KIND_CHOICES: return bind_choices(s, row, value, field);
    case LS_KIND_TEXTS: return bind_texts(s, row, value, field);
    case LS_KIND_REALS: return bind_reals(s, row, value, field);
    case LS_KIND_COUNTS2: return bind_counts2(s, row, value, field);
    case LS_KIND_PAIRS: return bind_pairs(s, row, value, field);
    case LS_KIND_TABLE: return bind_table(s, row, value, field);
    }
    assert(false);
    return LS_OK;
}

static void *at(void *holder, ptrdiff_t offset) {
    return (char *)holder + offset;
}

static ls_status bind_row(const site *s, const ls_option *row, ls_document *value, void *holder) {
    site inner = below(s, row->key);
    if (row->given_offset > 0) *(bool *)at(holder, row->given_offset) = !s->preset;
    if (row->place_offset > 0) *(ls_place *)at(holder, row->place_offset) = value->place;
    int word = row->kind == LS_KIND_WORD ? -1 : ls__find_word(row, value);
    if (word < 0) return bind_value(&inner, row, value, at(holder, (ptrdiff_t)row->offset));
    assert(row->word_offset > 0);
    *(int *)at(holder, row->word_offset) = word + 1;
    return LS_OK;
}

static ls_status missing_key(const site *s, const ls_option *row, const char *noun, ls_place place) {
    char path[PATH_SPACE];
    write_path(s, path);
    ls_text allowed = {0};
    ls_status status = ls__describe(row, &allowed);
    if (status == LS_OK)
        status = ls_document_fail(place, LS_ERR_CONFIG, "%s: missing required key \"%s\": %s; allowed: %s",
                                  path[0] ? path : noun, row->key, row->doc, allowed.bytes);
    ls_text_free(&allowed);
    return status;
}

static ls_status bind_default(const site *s, const ls_option *row, const char *noun, ls_place place, void *holder) {
    if (row->place_offset > 0) *(ls_place *)at(holder, row->place_offset) = place;
    if (!row->fallback) return LS_OK;
    if (strcmp(row->fallback, LS_REQUIRED) == 0) return missing_key(s, row, noun, place);
    ls_document *value = NULL;
    LS_TRY(ls__flow_read(s->pool, place, row->fallback, &value));
    site preset = *s;
    preset.preset = true;
    return bind_row(&preset, row, value, holder);
}

static ls_status bind_map(const site *s, ls_option_sets sets, void *const holders[LS_OPTION_SETS], const char *noun,
                          const ls_document *map, ls_place place) {
    for (size_t i = 0; map && i < map->count; i++)
        if (!ls__sets_find(sets, map->keys[i], NULL))
            return ls__unknown_key(sets, map->key_place[i], LS_ERR_CONFIG, map->keys[i], noun);
    for (int i = 0; i < LS_OPTION_SETS; i++) {
        for (LS__EACH_ROW(row, sets.rows[i])) {
            ls_document *value = map ? ls_document_find(map, row->key) : NULL;
            LS_TRY(value ? bind_row(s, row, value, holders[i]) : bind_default(s, row, noun, place, holders[i]));
        }
    }
    return LS_OK;
}

/* ---- entries ---- */

ls_status ls_options_bind(const ls_option *rows, const char *noun, const ls_document *map, ls_pool *pool, void *out) {
    const site root = {.pool = pool};
    if (map && map->kind != LS_DOCUMENT_MAP)
        return ls_document_fail(map->place, LS_ERR_CONFIG, "%s: a map of KEY: VALUE lines is meant here", noun);
    const ls_option_sets sets = {{rows, NULL}};
    void *const holders[] = {out, NULL};
    return bind_map(&root, sets, holders, noun, map, map ? map->place : (ls_place){0});
}

ls_status ls_choice_bind(const ls_family *family, const ls_document *value, ls_pool *pool, ls_choice *out) {
    const site root = {.key = family->noun, .pool = pool};
    return bind_choice(&root, family, value, out);
}

ls_status ls_choice_make(const ls_family *family, const ls_type *type, ls_pool *pool, ls_choice *out) {
    const site root = {.key = family->noun, .pool = pool};
    return fill_choice(&root, family, type, NULL, (ls_place){0}, out);
}
