#include <string.h>

#include "base/options_inner.h"

/*
 * The reference is YAML in which every key with a default stands as it is, and everything else is a comment that
 * becomes YAML when its first "# " is taken away:
 *
 *     # share of the velocity that is kept
 *     # default 0; allowed: a number from 0 to 1
 *     momentum: 0
 */
enum { MOST_FAMILIES = 64 };

typedef struct family_set {
    const ls_family *items[MOST_FAMILIES];
    size_t count;
} family_set;

typedef struct writer {
    ls_text *out;
    family_set printed; /* in full */
    family_set outer; /* named by a key that is in no family: such a key prints the family, wherever else it is named */
    int comment_from; /* the column from which lines are comments; -1: they are not */
    bool inside_family;
} writer;

static bool has(const family_set *set, const ls_family *family) {
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i] == family) return true;
    return false;
}

static void add(family_set *set, const ls_family *family) {
    if (!has(set, family) && set->count < MOST_FAMILIES) set->items[set->count++] = family;
}

static void collect_outer(const ls_option *rows, family_set *set) {
    for (LS__EACH_ROW(row, rows)) {
        if (row->family) add(set, row->family);
        if (row->kind == LS_KIND_TABLE) collect_outer(row->rows, set);
    }
}

/* The start of a line: blanks up to `indent`, with "# " where comments begin. */
static ls_status start_line(writer *w, int indent) {
    if (w->comment_from < 0) return ls_text_add(w->out, "%*s", indent, "");
    return ls_text_add(w->out, "%*s# %*s", w->comment_from, "", indent - w->comment_from, "");
}

static bool is_required(const ls_option *row) {
    return row->fallback && strcmp(row->fallback, LS_REQUIRED) == 0;
}

static bool is_open_table(const ls_option *row) {
    return row->kind == LS_KIND_TABLE && row->fallback && (is_required(row) || strcmp(row->fallback, "{}") == 0);
}

/* True where a key can stand as it is: it has a default, or holds a key that has. */
static bool is_live(const ls_option *row) {
    if (!is_open_table(row)) return row->fallback && !is_required(row);
    for (LS__EACH_ROW(inner, row->rows))
        if (is_live(inner)) return true;
    return false;
}

/* "default 0; allowed: a number", "required, may stand alone; allowed: ..."; a table's keys follow anyway. */
static ls_status add_terms(const ls_option *row, ls_text *out) {
    bool table = row->kind == LS_KIND_TABLE, open = is_open_table(row) && !is_required(row);
    const ls_option *main_row = table ? ls__sets_main(ls__sets_of_table(row)) : NULL;
    if (!row->fallback)
        LS_TRY(ls_text_add(out, "optional"));
    else if (is_required(row))
        LS_TRY(ls_text_add(out, "required"));
    else
        LS_TRY(open ? ls_text_add(out, "a map") : ls_text_add(out, "default %s", row->fallback));
    if (row->main) LS_TRY(ls_text_add(out, ", may stand alone"));
    if (main_row) LS_TRY(ls_text_add(out, "; a value without keys means %s", main_row->key));
    if (table) return LS_OK;
    LS_TRY(ls_text_add(out, "; allowed: "));
    return ls__describe(row, out);
}

static ls_status print_head(writer *w, const ls_option *row, int indent) {
    LS_TRY(start_line(w, indent));
    LS_TRY(ls_text_add(w->out, "# %s\n", row->doc));
    LS_TRY(start_line(w, indent));
    LS_TRY(ls_text_add(w->out, "# "));
    LS_TRY(add_terms(row, w->out));
    return ls_text_add(w->out, "\n");
}

static ls_status print_rows(writer *w, const ls_option *rows, int indent);

static bool has_rows(const ls_option *rows) {
    return rows && rows->kind != LS_KIND_END;
}

static ls_status print_member(writer *w, const ls_type *type, const char *dash, int indent) {
    int inner = indent + (int)strlen(dash) + 2;
    LS_TRY(start_line(w, indent));
    LS_TRY(ls_text_add(w->out, "# %s\n", type->doc));
    LS_TRY(start_line(w, indent));
    LS_TRY(ls_text_add(w->out, "%s%s%s\n", dash, type->name, has_rows(type->rows) ? ":" : ""));
    return print_rows(w, type->rows, inner);
}

static ls_status print_family(writer *w, const ls_option *row, int indent) {
    const ls_family *family = row->family;
    const char *dash = row->kind == LS_KIND_CHOICES ? "- " : "";
    bool was_inside = w->inside_family;
    w->inside_family = true;
    add(&w->printed, family);
    for (const ls_type *const *type = family->types; *type; type++) LS_TRY(print_member(w, *type, dash, indent));
    if (has_rows(family->common)) {
        LS_TRY(start_line(w, indent));
        LS_TRY(ls_text_add(w->out, "# every %s also takes\n", family->noun));
        LS_TRY(print_rows(w, family->common, indent + (int)strlen(dash) + 2));
    }
    w->inside_family = was_inside;
    return LS_OK;
}

/* The members of a family, or the rows of a table that is not there by default: comments below their key. */
static ls_status print_commented(writer *w, const ls_option *row, int indent) {
    bool outermost = w->comment_from < 0;
    if (outermost) w->comment_from = indent;
    LS_TRY(start_line(w, indent));
    LS_TRY(ls_text_add(w->out, "%s:\n", row->key));
    if (row->family)
        LS_TRY(print_family(w, row, indent + 2));
    else
        LS_TRY(print_rows(w, row->rows, indent + 2));
    if (outermost) w->comment_from = -1;
    return LS_OK;
}

static bool prints_family(const writer *w, const ls_option *row) {
    if (!row->family || has(&w->printed, row->family)) return false;
    return !w->inside_family || !has(&w->outer, row->family);
}

static ls_status print_row(writer *w, const ls_option *row, int indent) {
    bool live = is_live(row);
    LS_TRY(print_head(w, row, indent));
    if (is_open_table(row) && live) {
        LS_TRY(start_line(w, indent));
        LS_TRY(ls_text_add(w->out, "%s:\n", row->key));
        return print_rows(w, row->rows, indent + 2);
    }
    if (live) {
        LS_TRY(start_line(w, indent));
        LS_TRY(ls_text_add(w->out, "%s: %s\n", row->key, row->fallback));
    }
    if (row->kind == LS_KIND_TABLE || prints_family(w, row)) return print_commented(w, row, indent);
    if (live) return LS_OK;
    LS_TRY(start_line(w, indent));
    return ls_text_add(w->out, "# %s:\n", row->key);
}

static ls_status print_rows(writer *w, const ls_option *rows, int indent) {
    for (LS__EACH_ROW(row, rows)) {
        bool apart = w->comment_from < 0 && w->out->length > 0 && row != rows;
        if (apart) LS_TRY(ls_text_add(w->out, "\n"));
        LS_TRY(print_row(w, row, indent));
    }
    return LS_OK;
}

ls_status ls_options_reference(const ls_option *rows, int indent, ls_text *out) {
    writer w = {.out = out, .comment_from = -1};
    collect_outer(rows, &w.outer);
    return print_rows(&w, rows, indent);
}

/* ---- one key ---- */

/* What a path leads to: a row, or the member `type` of the row's family. */
typedef struct found {
    const ls_option *row;
    const ls_type *type;
} found;

static ls_option_sets sets_of(const found *f, const ls_option *rows) {
    if (f->type) return ls__sets_of_type(f->row->family, f->type);
    if (f->row) return ls__sets_of_table(f->row);
    return (ls_option_sets){{rows, NULL}};
}

/* Goes from a map to its row `part`, or, where a bare value is meant, into the main row. */
static ls_status step_into_map(found *f, ls_option_sets sets, const char *part, const char *noun) {
    const ls_option *row = ls__sets_find(sets, part, NULL), *main_row = ls__sets_main(sets);
    const ls_type *type = !row && main_row && main_row->family ? ls_family_find(main_row->family, part) : NULL;
    if (!row && !type) return ls__unknown_key(sets, (ls_place){0}, LS_ERR_USAGE, part, noun);
    *f = (found){row ? row : main_row, type};
    return LS_OK;
}

static ls_status step(found *f, const ls_option *rows, const char *part) {
    size_t index = 0;
    bool picks = f->row && f->row->family && !f->type;
    if (picks && f->row->kind == LS_KIND_CHOICES && ls_parse_count(part, &index)) return LS_OK;
    if (picks) {
        f->type = ls_family_find(f->row->family, part);
        if (f->type) return LS_OK;
        return ls__unknown_name(f->row->family, (ls_place){0}, LS_ERR_USAGE, f->row->key, part);
    }
    const char *noun = f->type ? f->type->name : f->row ? f->row->key : "the configuration";
    if (f->row && !f->type && f->row->kind != LS_KIND_TABLE)
        return LS_FAIL(LS_ERR_USAGE, "\"%s\": %s is a single value; nothing stands inside it", part, noun);
    return step_into_map(f, sets_of(f, rows), part, noun);
}

static ls_status follow(const ls_option *rows, const char *path, found *f) {
    char part[80];
    for (const char *at = path;;) {
        size_t length = strcspn(at, ".");
        if (length == 0 || length >= sizeof part)
            return LS_FAIL(LS_ERR_USAGE, "\"%s\" is no path; it is KEY.KEY.KEY", path);
        memcpy(part, at, length);
        part[length] = '\0';
        LS_TRY(step(f, rows, part));
        if (at[length] == '\0') return LS_OK;
        at += length + 1;
    }
}

static ls_status explain_row(const ls_option *row, ls_text *out) {
    LS_TRY(ls_text_add(out, "    %s\n    ", row->doc));
    LS_TRY(add_terms(row, out));
    LS_TRY(ls_text_add(out, "\n"));
    if (!row->family) return LS_OK;
    for (const ls_type *const *type = row->family->types; *type; type++)
        LS_TRY(ls_text_add(out, "    %-20s %s\n", (*type)->name, (*type)->doc));
    return LS_OK;
}

static ls_status list_rows(ls_option_sets sets, ls_text *out) {
    for (int i = 0; i < LS_OPTION_SETS; i++) {
        for (LS__EACH_ROW(row, sets.rows[i])) {
            const char *preset = !row->fallback ? "optional" : is_required(row) ? "required" : row->fallback;
            LS_TRY(ls_text_add(out, "    %-20s %s (%s)\n", row->key, row->doc, preset));
        }
    }
    return LS_OK;
}

ls_status ls_options_explain(const ls_option *rows, const char *path, ls_text *out) {
    found f = {0};
    LS_TRY(follow(rows, path, &f));
    LS_TRY(ls_text_add(out, "%s\n", path));
    if (f.type)
        LS_TRY(ls_text_add(out, "    %s\n", f.type->doc));
    else
        LS_TRY(explain_row(f.row, out));
    return f.type || f.row->kind == LS_KIND_TABLE ? list_rows(sets_of(&f, rows), out) : LS_OK;
}
