/*
 * options_inner.h: what the files of options share.
 *
 *   options_text.c      numbers, durations and sizes to and from text; the nearest word
 *   options_flow.c      a default's text to a document
 *   options_rows.c      questions to rows: what a map may hold, what a value may be, in words
 *   options_bind.c      document to struct
 *   options_set.c       a value to a place in a document
 *   options_print.c     struct to YAML
 *   options_reference.c rows to the reference, and to the explanation of one
 */
#ifndef LOCKSTEP_BASE_OPTIONS_INNER_H
#define LOCKSTEP_BASE_OPTIONS_INNER_H

#include "lockstep/options.h"

/* What one map may hold: the rows of a table, or the rows of a family's member and those common to the family. */
typedef struct ls_option_sets {
    const ls_option *rows[2]; /* own, common; NULL: none */
} ls_option_sets;

enum { LS_OPTION_SETS = 2 };

/* for (LS__EACH_ROW(row, rows)): every row of one set, which may be NULL. */
#define LS__EACH_ROW(row, first)                                                                                       \
    const ls_option *row = (first);                                                                                    \
    row && row->kind != LS_KIND_END;                                                                                   \
    row++

ls_option_sets ls__sets_of_table(const ls_option *row);
ls_option_sets ls__sets_of_type(const ls_family *family, const ls_type *type);

/* The row with this key and, through `set`, where it was found; or NULL. `set` may be NULL. */
const ls_option *ls__sets_find(ls_option_sets sets, const char *key, int *set);

/* The row that a bare value means, or NULL. */
const ls_option *ls__sets_main(ls_option_sets sets);

bool ls__sets_empty(ls_option_sets sets);

/* The index of a scalar among the row's words, or -1; one in quotes is a word where it cannot mean a text. */
int ls__find_word(const ls_option *row, const ls_document *value);

/*
 * The map that `value` stands for: itself if it is one with keys of these rows, else {MAIN: value}. Refuses a bare
 * value where there is no main row; `where` is the path for the message.
 */
ls_status ls__spell_out(ls_option_sets sets, ls_pool *pool, const char *where, ls_document *value,
                        ls_document **out) LS_MUST_USE;

/* "unknown key "x" in NOUN; did you mean "y"? allowed: ..." */
ls_status ls__unknown_key(ls_option_sets sets, ls_place place, ls_code code, const char *key,
                          const char *noun) LS_MUST_USE;
/* The same for a name that is not in a family. */
ls_status ls__unknown_name(const ls_family *family, ls_place place, ls_code code, const char *where,
                           const char *name) LS_MUST_USE;

/* Appends what a row allows, without its default: "a number above 0, or auto". */
ls_status ls__describe(const ls_option *row, ls_text *out) LS_MUST_USE;
/* Appends "a, b, c". */
ls_status ls__list_keys(ls_option_sets sets, ls_text *out) LS_MUST_USE;
ls_status ls__list_names(const ls_family *family, ls_text *out) LS_MUST_USE;

/* Reads YAML's flow style, as defaults are written: a scalar, "quoted", [a, b], {a: b}. All nodes get `place`. */
ls_status ls__flow_read(ls_pool *pool, ls_place place, const char *text, ls_document **out) LS_MUST_USE;

/* As ls_parse_duration with the units of a row; refuses units that are not among them. */
bool ls__read_duration(const ls_option *row, const char *text, ls_duration *out);

/* Appends a text so that YAML reads the same text: plain where that is safe, else in double quotes. */
ls_status ls__print_text(const char *text, bool quote, ls_text *out) LS_MUST_USE;

/* True for a struct's field that holds nothing but zeros: not given. */
bool ls__is_unset(const ls_option *row, const void *holder);

#endif
