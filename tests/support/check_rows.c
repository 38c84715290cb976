#include "check_rows.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { MOST_FAMILIES = 64, HOLDER_SPACE = 1 << 16, LONGEST_SENTENCE = 160 };

/* Families refer to each other, some to themselves; each is checked once. */
typedef struct visit {
    const ls_family *families[MOST_FAMILIES];
    size_t count;
} visit;

static void check_family(visit *v, const ls_family *family);
static void check_rows(visit *v, const char *noun, const ls_option *rows, const ls_option *common);

static size_t count_key(const ls_option *rows, const char *key) {
    size_t count = 0;
    for (; rows && rows->kind != LS_KIND_END; rows++) count += strcmp(rows->key, key) == 0;
    return count;
}

static bool is_name(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    return text && *text && strspn(text, letters) == strlen(text);
}

/* The row alone, its default bound into an empty holder. */
static void check_default(const char *noun, const ls_option *row) {
    if (!row->fallback || strcmp(row->fallback, LS_REQUIRED) == 0) return;
    if (row->kind == LS_KIND_TABLE && strcmp(row->fallback, "{}") == 0) return;
    const ls_option rows[] = {*row, LS_OPTION_END};
    ls_pool *pool = NULL;
    void *holder = calloc(1, HOLDER_SPACE);
    assert_non_null(holder);
    assert_works(ls_pool_create(&pool));
    ls_status status = ls_options_bind(rows, noun, NULL, pool, holder);
    ls_pool_destroy(pool);
    free(holder);
    assert_works(status);
}

static void check_row(const char *noun, const ls_option *row) {
    bool family = row->kind == LS_KIND_CHOICE || row->kind == LS_KIND_CHOICES;
    if (!is_name(row->key)) fail_msg("%s: \"%s\" is no key", noun, row->key ? row->key : "");
    if (!row->doc || !*row->doc || strlen(row->doc) > LONGEST_SENTENCE || strchr(row->doc, '\n'))
        fail_msg("%s.%s: needs a sentence of at most %d characters", noun, row->key, (int)LONGEST_SENTENCE);
    if (!(row->low <= row->high)) fail_msg("%s.%s: its range is none", noun, row->key);
    if (family != (row->family != NULL)) fail_msg("%s.%s: a family belongs to choices only", noun, row->key);
    if ((row->kind == LS_KIND_TABLE) != (row->rows != NULL)) fail_msg("%s.%s: rows belong to tables", noun, row->key);
    if ((row->kind == LS_KIND_DURATION) != (row->units != 0)) fail_msg("%s.%s: units and durations", noun, row->key);
    bool word = row->kind == LS_KIND_WORD;
    if (word && !row->words) fail_msg("%s.%s: has no words", noun, row->key);
    if (!word && (row->words != NULL) != (row->word_offset > 0))
        fail_msg("%s.%s: words need a place that is not the first of its struct", noun, row->key);
    check_default(noun, row);
}

static void check_rows(visit *v, const char *noun, const ls_option *rows, const ls_option *common) {
    size_t main_rows = 0;
    for (const ls_option *row = rows; row && row->kind != LS_KIND_END; row++) {
        check_row(noun, row);
        if (count_key(rows, row->key) + count_key(common, row->key) != 1)
            fail_msg("%s.%s stands twice", noun, row->key);
        main_rows += row->main;
        if (row->kind == LS_KIND_TABLE) check_rows(v, row->key, row->rows, NULL);
        if (row->family) check_family(v, row->family);
    }
    if (main_rows > 1) fail_msg("%s: has %zu main rows", noun, main_rows);
}

static void check_family(visit *v, const ls_family *family) {
    for (size_t i = 0; i < v->count; i++)
        if (v->families[i] == family) return;
    assert_true(v->count < MOST_FAMILIES);
    v->families[v->count++] = family;
    if (!family->noun || !family->types) fail_msg("a family has no noun or no types");
    check_rows(v, family->noun, family->common, NULL);
    for (const ls_type *const *type = family->types; *type; type++) {
        if (!is_name((*type)->name)) fail_msg("%s: \"%s\" is no name", family->noun, (*type)->name);
        if (ls_family_find(family, (*type)->name) != *type) fail_msg("%s stands twice", (*type)->name);
        if (!(*type)->doc || !*(*type)->doc) fail_msg("%s %s has no sentence", family->noun, (*type)->name);
        if ((*type)->rows && (*type)->rows->kind != LS_KIND_END && (*type)->options_size == 0)
            fail_msg("%s %s has options but no struct for them", family->noun, (*type)->name);
        check_rows(v, (*type)->name, (*type)->rows, family->common);
    }
}

void support_check_rows(const char *noun, const ls_option *rows) {
    visit v = {0};
    check_rows(&v, noun, rows, NULL);
}

void support_check_family(const ls_family *family) {
    visit v = {0};
    check_family(&v, family);
}
