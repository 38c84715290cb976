#include <assert.h>
#include <string.h>

#include "base/options_inner.h"

ls_option_sets ls__sets_of_table(const ls_option *row) {
    assert(row->kind == LS_KIND_TABLE);
    return (ls_option_sets){{row->rows, NULL}};
}

ls_option_sets ls__sets_of_type(const ls_family *family, const ls_type *type) {
    return (ls_option_sets){{type->rows, family->common}};
}

const ls_option *ls__sets_find(ls_option_sets sets, const char *key, int *set) {
    for (int i = 0; i < LS_OPTION_SETS; i++) {
        for (LS__EACH_ROW(row, sets.rows[i])) {
            if (strcmp(row->key, key) != 0) continue;
            if (set) *set = i;
            return row;
        }
    }
    return NULL;
}

const ls_option *ls__sets_main(ls_option_sets sets) {
    for (int i = 0; i < LS_OPTION_SETS; i++)
        for (LS__EACH_ROW(row, sets.rows[i]))
            if (row->main) return row;
    return NULL;
}

bool ls__sets_empty(ls_option_sets sets) {
    for (int i = 0; i < LS_OPTION_SETS; i++)
        if (sets.rows[i] && sets.rows[i]->kind != LS_KIND_END) return false;
    return true;
}

const ls_type *ls_family_find(const ls_family *family, const char *name) {
    for (const ls_type *const *type = family->types; *type; type++)
        if (strcmp((*type)->name, name) == 0) return *type;
    return NULL;
}

int ls__find_word(const ls_option *row, const ls_document *value) {
    if (!row->words || value->kind != LS_DOCUMENT_SCALAR) return -1;
    /* A word in quotes is one too, but for kinds that could mean the text itself. */
    bool text = row->kind == LS_KIND_TEXT || row->kind == LS_KIND_TEXTS || row->kind == LS_KIND_NAME;
    if (value->quoted && text) return -1;
    for (int i = 0; row->words[i]; i++)
        if (strcmp(row->words[i], value->text) == 0) return i;
    return -1;
}

/* True where a map can be the value of this row, judged by its first key. */
static bool takes_map(const ls_option *row, const ls_document *map) {
    switch (row->kind) {
    case LS_KIND_CHOICE:
    case LS_KIND_CHOICES: return ls_family_find(row->family, map->keys[0]) != NULL;
    case LS_KIND_TABLE: {
        ls_option_sets sets = ls__sets_of_table(row);
        const ls_option *inner = ls__sets_main(sets);
        return ls__sets_find(sets, map->keys[0], NULL) || (inner && takes_map(inner, map));
    }
    case LS_KIND_PAIRS: return true;
    default: return false;
    }
}

static bool is_spelt_out(ls_option_sets sets, const ls_option *main_row, const ls_document *value) {
    if (value->kind != LS_DOCUMENT_MAP) return false;
    for (size_t i = 0; i < value->count; i++)
        if (ls__sets_find(sets, value->keys[i], NULL)) return true;
    return value->count == 0 || !main_row || !takes_map(main_row, value);
}

static ls_status refuse_bare(ls_option_sets sets, const char *where, const ls_document *value) {
    if (ls__sets_empty(sets))
        return ls_document_fail(value->place, LS_ERR_CONFIG, "%s: takes no options; write the name alone", where);
    ls_text keys = {0};
    ls_status status = ls__list_keys(sets, &keys);
    if (status == LS_OK)
        status = ls_document_fail(value->place, LS_ERR_CONFIG,
                                  "%s: its options stand in braces, {KEY: VALUE}; keys: %s", where, keys.bytes);
    ls_text_free(&keys);
    return status;
}

ls_status ls__spell_out(ls_option_sets sets, ls_pool *pool, const char *where, ls_document *value, ls_document **out) {
    const ls_option *main_row = ls__sets_main(sets);
    *out = value;
    if (is_spelt_out(sets, main_row, value)) return LS_OK;
    bool empty = value->kind == LS_DOCUMENT_SCALAR && !value->quoted && value->text[0] == '\0';
    if (empty) return ls_document_fail(value->place, LS_ERR_CONFIG, "%s: nothing stands behind the colon", where);
    if (!main_row) return refuse_bare(sets, where, value);
    LS_TRY(ls_document_map(pool, value->place, out));
    return ls_document_put(pool, *out, main_row->key, value->place, value);
}

/* ---- what is allowed, in words ---- */

static ls_status add_item(const char *word, bool *first, ls_text *out) {
    const char *comma = *first ? "" : ", ";
    *first = false;
    return ls_text_add(out, "%s%s", comma, word);
}

ls_status ls__list_keys(ls_option_sets sets, ls_text *out) {
    bool first = true;
    for (int i = 0; i < LS_OPTION_SETS; i++)
        for (LS__EACH_ROW(row, sets.rows[i])) LS_TRY(add_item(row->key, &first, out));
    return LS_OK;
}

ls_status ls__list_names(const ls_family *family, ls_text *out) {
    bool first = true;
    for (const ls_type *const *type = family->types; *type; type++) LS_TRY(add_item((*type)->name, &first, out));
    return LS_OK;
}

static ls_status list_words(const char *const *words, ls_text *out) {
    bool first = true;
    for (; *words; words++) LS_TRY(add_item(*words, &first, out));
    return LS_OK;
}

static ls_status add_bound(const char *relation, double bound, ls_text *out) {
    char digits[LS_REAL_SPACE];
    ls_real_print(bound, digits);
    return ls_text_add(out, " %s %s", relation, digits);
}

static ls_status add_range(const ls_option *row, ls_text *out) {
    if (row->low == 0 && row->high == 0) return LS_OK;
    bool natural = row->kind == LS_KIND_COUNT || row->kind == LS_KIND_COUNTS2 || row->kind == LS_KIND_BYTES;
    bool low = isfinite(row->low) && !(natural && row->low == 0 && !row->open_low), high = isfinite(row->high);
    if (low && high && !row->open_low && !row->open_high) {
        LS_TRY(add_bound("from", row->low, out));
        return add_bound("to", row->high, out);
    }
    if (low) LS_TRY(add_bound(row->open_low ? "above" : "at least", row->low, out));
    if (low && high) LS_TRY(ls_text_add(out, " and"));
    if (high) LS_TRY(add_bound(row->open_high ? "below" : "at most", row->high, out));
    return LS_OK;
}

static ls_status add_units(const ls_option *row, ls_text *out) {
    static const char *const examples[] = {"a bare number", "10ep", "500st", "90s, 15min, 2h, 1d"};
    bool first = true;
    LS_TRY(ls_text_add(out, "a duration like "));
    for (unsigned unit = 0; unit < sizeof examples / sizeof *examples; unit++)
        if (row->units & (1u << unit)) LS_TRY(add_item(examples[unit], &first, out));
    return LS_OK;
}

static ls_status describe_value(const ls_option *row, ls_text *out) {
    switch (row->kind) {
    case LS_KIND_END: break;
    case LS_KIND_BOOL: return ls_text_add(out, "true or false");
    case LS_KIND_COUNT:
    case LS_KIND_INTEGER: return ls_text_add(out, "a whole number");
    case LS_KIND_SEED: return ls_text_add(out, "a whole number of 64 bits");
    case LS_KIND_REAL: return ls_text_add(out, "a number");
    case LS_KIND_BYTES: return ls_text_add(out, "a size like 512MB, 64MiB or 4096");
    case LS_KIND_TEXT: return ls_text_add(out, "a text");
    case LS_KIND_NAME: return ls_text_add(out, "a name of letters, digits and _");
    case LS_KIND_WORD: return list_words(row->words, out);
    case LS_KIND_DURATION: return add_units(row, out);
    case LS_KIND_CHOICES: LS_TRY(ls_text_add(out, "one or a list of: ")); return ls__list_names(row->family, out);
    case LS_KIND_CHOICE: return ls__list_names(row->family, out);
    case LS_KIND_TEXTS: return ls_text_add(out, "a text or a list of texts");
    case LS_KIND_REALS: return ls_text_add(out, "a list of numbers");
    case LS_KIND_COUNTS2: return ls_text_add(out, "a whole number or a list of two, each");
    case LS_KIND_PAIRS: return ls_text_add(out, "a map of names to texts");
    case LS_KIND_TABLE: LS_TRY(ls_text_add(out, "a map with ")); return ls__list_keys(ls__sets_of_table(row), out);
    }
    return LS_OK;
}

ls_status ls__describe(const ls_option *row, ls_text *out) {
    LS_TRY(describe_value(row, out));
    LS_TRY(add_range(row, out));
    const ls_option *main_row = row->kind == LS_KIND_TABLE ? ls__sets_main(ls__sets_of_table(row)) : NULL;
    if (main_row) {
        LS_TRY(ls_text_add(out, "; or the value of %s alone: ", main_row->key));
        LS_TRY(ls__describe(main_row, out));
    }
    if (!row->words || row->kind == LS_KIND_WORD) return LS_OK;
    LS_TRY(ls_text_add(out, "; or "));
    return list_words(row->words, out);
}

/* ---- refusing what is unknown ---- */

enum { MOST_CANDIDATES = 256 };

static size_t add_names(const ls_family *family, const char **candidates, size_t count) {
    for (const ls_type *const *type = family->types; *type && count + 1 < MOST_CANDIDATES; type++)
        candidates[count++] = (*type)->name;
    return count;
}

static const char *nearest_key(ls_option_sets sets, const char *key) {
    const char *candidates[MOST_CANDIDATES];
    size_t count = 0;
    for (int i = 0; i < LS_OPTION_SETS; i++)
        for (LS__EACH_ROW(row, sets.rows[i]))
            if (count + 1 < MOST_CANDIDATES) candidates[count++] = row->key;
    const ls_option *main_row = ls__sets_main(sets);
    if (main_row && main_row->family) count = add_names(main_row->family, candidates, count);
    candidates[count] = NULL;
    return ls_nearest(key, candidates);
}

/* "WRONG; did you mean "NEAR"? allowed: ALL" */
static ls_status unknown(ls_place place, ls_code code, const char *wrong, const char *near, const char *all) {
    if (!near) return ls_document_fail(place, code, "%s; allowed: %s", wrong, all);
    return ls_document_fail(place, code, "%s; did you mean \"%s\"? allowed: %s", wrong, near, all);
}

ls_status ls__unknown_key(ls_option_sets sets, ls_place place, ls_code code, const char *key, const char *noun) {
    if (ls__sets_empty(sets))
        return ls_document_fail(place, code, "unknown key \"%s\" in %s, which takes no options", key, noun);
    ls_text wrong = {0}, all = {0};
    ls_status status = ls_text_add(&wrong, "unknown key \"%.80s\" in %s", key, noun);
    if (status == LS_OK) status = ls__list_keys(sets, &all);
    if (status == LS_OK) status = unknown(place, code, wrong.bytes, nearest_key(sets, key), all.bytes);
    ls_text_free(&wrong);
    ls_text_free(&all);
    return status;
}

ls_status ls__unknown_name(const ls_family *family, ls_place place, ls_code code, const char *where, const char *name) {
    const char *candidates[MOST_CANDIDATES];
    candidates[add_names(family, candidates, 0)] = NULL;
    ls_text wrong = {0}, all = {0};
    ls_status status = ls_text_add(&wrong, "%s: unknown %s \"%.80s\"", where, family->noun, name);
    if (status == LS_OK) status = ls__list_names(family, &all);
    if (status == LS_OK) status = unknown(place, code, wrong.bytes, ls_nearest(name, candidates), all.bytes);
    ls_text_free(&wrong);
    ls_text_free(&all);
    return status;
}

/* ---- what is not given ---- */

static bool value_is_zero(const ls_option *row, const void *field) {
    switch (row->kind) {
    case LS_KIND_END: break;
    case LS_KIND_BOOL: return !*(const bool *)field;
    case LS_KIND_WORD: return *(const int *)field == 0;
    case LS_KIND_COUNT:
    case LS_KIND_BYTES: return *(const size_t *)field == 0;
    case LS_KIND_INTEGER:
    case LS_KIND_SEED: return *(const uint64_t *)field == 0;
    case LS_KIND_REAL: return *(const double *)field == 0 && !signbit(*(const double *)field);
    case LS_KIND_TEXT:
    case LS_KIND_NAME: return *(const char *const *)field == NULL;
    case LS_KIND_DURATION: return ((const ls_duration *)field)->unit == 0 && ((const ls_duration *)field)->value == 0;
    case LS_KIND_CHOICE: return ((const ls_choice *)field)->type == NULL;
    case LS_KIND_CHOICES: return ((const ls_choices *)field)->count == 0;
    case LS_KIND_TEXTS: return ((const ls_texts *)field)->count == 0;
    case LS_KIND_REALS: return ((const ls_reals *)field)->count == 0;
    case LS_KIND_PAIRS: return ((const ls_pairs *)field)->count == 0;
    case LS_KIND_COUNTS2: return ((const size_t *)field)[0] == 0 && ((const size_t *)field)[1] == 0;
    case LS_KIND_TABLE:
        for (LS__EACH_ROW(inner, row->rows))
            if (!ls__is_unset(inner, field)) return false;
        return true;
    }
    return true;
}

bool ls__is_unset(const ls_option *row, const void *holder) {
    const char *base = holder;
    bool word =
        row->kind != LS_KIND_WORD && row->word_offset > 0 && *(const int *)(const void *)(base + row->word_offset);
    return !word && value_is_zero(row, base + row->offset);
}
