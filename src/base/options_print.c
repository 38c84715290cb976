#include <assert.h>
#include <string.h>

#include "base/options_inner.h"

static const void *field_of(const void *holder, ptrdiff_t offset) {
    return (const char *)holder + offset;
}

/* ---- scalars ---- */

static bool is_plain(const char *text) {
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./";
    static const char later[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:+-@%=";
    static const char *const special[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
    size_t length = strlen(text);
    if (length == 0 || !strchr(first, text[0]) || strspn(text, later) != length) return false;
    if (text[length - 1] == ':' || text[0] == '.' || (text[0] >= '0' && text[0] <= '9')) return false;
    /* Other readers of YAML would take these for something else. */
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (strcasecmp(text, special[i]) == 0) return false;
    return true;
}

/* What YAML would take for its own, or not take: quotes, backslashes, all its kinds of line breaks, no characters. */
static const char *find_escape(const char *at, size_t *length) {
    static const struct {
        const char *bytes, *escape;
    } escapes[] = {{"\"", "\\\""},
                   {"\\", "\\\\"},
                   {"\n", "\\n"},
                   {"\t", "\\t"},
                   {"\xc2\x85", "\\N"},
                   {"\xe2\x80\xa8", "\\L"},
                   {"\xe2\x80\xa9", "\\P"},
                   {"\xef\xbb\xbf", "\\uFEFF"},
                   {"\xef\xbf\xbe", "\\uFFFE"},
                   {"\xef\xbf\xbf", "\\uFFFF"}};
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        *length = strlen(escapes[i].bytes);
        if (strncmp(at, escapes[i].bytes, *length) == 0) return escapes[i].escape;
    }
    return NULL;
}

/* A control character at `at`, or 0; those from U+0080 on are two bytes. YAML takes none of them as they are. */
static unsigned control(const char *at, size_t *length) {
    const unsigned char *c = (const unsigned char *)at;
    bool wide = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
    *length = wide ? 2 : 1;
    return wide ? c[1] : c[0] < 0x20 || c[0] == 0x7f ? c[0] : 0;
}

ls_status ls__print_text(const char *text, bool quote, ls_text *out) {
    if (!quote && is_plain(text)) return ls_text_add_bytes(out, text, strlen(text));
    LS_TRY(ls_text_add_bytes(out, "\"", 1));
    for (const char *at = text; *at;) {
        size_t special, length;
        const char *escape = find_escape(at, &special);
        unsigned code = control(at, &length);
        if (escape)
            LS_TRY(ls_text_add(out, "%s", escape));
        else if (code)
            LS_TRY(ls_text_add(out, "\\x%02x", code));
        else
            LS_TRY(ls_text_add_bytes(out, at, 1));
        at += escape ? special : length;
    }
    return ls_text_add_bytes(out, "\"", 1);
}

static ls_status print_real(double value, ls_text *out) {
    char digits[LS_REAL_SPACE];
    ls_real_print(value, digits);
    return ls_text_add(out, "%s", digits);
}

/* The largest unit that leaves a whole number. */
static ls_status print_bytes(size_t bytes, ls_text *out) {
    static const struct {
        const char *name;
        size_t factor;
    } units[] = {{"TiB", (size_t)1 << 40}, {"TB", 1000000000000}, {"GiB", (size_t)1 << 30}, {"GB", 1000000000},
                 {"MiB", (size_t)1 << 20}, {"MB", 1000000},       {"KiB", (size_t)1 << 10}, {"kB", 1000}};
    for (size_t i = 0; bytes > 0 && bytes <= (size_t)1 << 53 && i < sizeof units / sizeof *units; i++)
        if (bytes % units[i].factor == 0) return ls_text_add(out, "%zu%s", bytes / units[i].factor, units[i].name);
    return ls_text_add(out, "%zu", bytes);
}

/* Seconds as hours or minutes where that is a whole number, which reads back exactly. */
static ls_status print_duration(ls_duration duration, ls_text *out) {
    static const char *const names[] = {"", "ep", "st", "s"};
    const char *name = names[duration.unit];
    double value = duration.value;
    bool seconds = duration.unit == LS_UNIT_SECONDS && value > 0 && value < 1e9;
    if (seconds && fmod(value, 3600) == 0)
        value /= 3600, name = "h";
    else if (seconds && fmod(value, 60) == 0)
        value /= 60, name = "min";
    LS_TRY(print_real(value, out));
    return ls_text_add(out, "%s", name);
}

/* A text that is also a word of its row is quoted, so that it stays a text. */
static ls_status print_row_text(const ls_option *row, const char *text, ls_text *out) {
    const ls_document scalar = {.kind = LS_DOCUMENT_SCALAR, .text = text};
    return ls__print_text(text, ls__find_word(row, &scalar) >= 0, out);
}

/* ---- lists, tables, choices in one line ---- */

static ls_status print_line(const ls_option *row, const void *field, ls_text *out);

static ls_status print_texts(const ls_option *row, const ls_texts *texts, ls_text *out) {
    if (texts->count == 1) return print_row_text(row, texts->items[0], out);
    LS_TRY(ls_text_add(out, "["));
    for (size_t i = 0; i < texts->count; i++) {
        LS_TRY(ls_text_add(out, "%s", i ? ", " : ""));
        LS_TRY(ls__print_text(texts->items[i], false, out));
    }
    return ls_text_add(out, "]");
}

static ls_status print_reals(const ls_reals *reals, ls_text *out) {
    LS_TRY(ls_text_add(out, "["));
    for (size_t i = 0; i < reals->count; i++) {
        LS_TRY(ls_text_add(out, "%s", i ? ", " : ""));
        LS_TRY(print_real(reals->items[i], out));
    }
    return ls_text_add(out, "]");
}

static ls_status print_pairs(const ls_pairs *pairs, ls_text *out) {
    LS_TRY(ls_text_add(out, "{"));
    for (size_t i = 0; i < pairs->count; i++) {
        LS_TRY(ls_text_add(out, "%s", i ? ", " : ""));
        LS_TRY(ls__print_text(pairs->keys[i], true, out));
        LS_TRY(ls_text_add(out, ": "));
        LS_TRY(ls__print_text(pairs->values[i], false, out));
    }
    return ls_text_add(out, "}");
}

/* What a row that is not printed leaves to be said. */
typedef enum presence { PRESENT, ABSENT, PRESET } presence;

static presence presence_of(const ls_option *row, const void *holder) {
    bool given = row->given_offset <= 0 || *(const bool *)field_of(holder, row->given_offset);
    bool unset = ls__is_unset(row, holder);
    bool pointer = row->kind == LS_KIND_TEXT || row->kind == LS_KIND_NAME || row->kind == LS_KIND_CHOICE;
    if (unset && pointer) return ABSENT;
    if (row->fallback) return given ? PRESENT : PRESET;
    if (row->given_offset > 0) return given ? PRESENT : ABSENT;
    return unset ? ABSENT : PRESENT;
}

/* The value of a row or the word in its place. */
static ls_status print_item(const ls_option *row, const void *holder, ls_text *out) {
    int word = 0;
    if (row->kind != LS_KIND_WORD && row->word_offset > 0) word = *(const int *)field_of(holder, row->word_offset);
    if (word > 0) return ls_text_add(out, "%s", row->words[word - 1]);
    return print_line(row, field_of(holder, (ptrdiff_t)row->offset), out);
}

/* "{a: 1, b: 2}" of the rows that are present; nothing at all where `optional` and there are none. */
static ls_status print_braces(ls_option_sets sets, const void *const holders[LS_OPTION_SETS], const char *before,
                              bool optional, ls_text *out) {
    bool first = true;
    for (int i = 0; i < LS_OPTION_SETS; i++) {
        for (LS__EACH_ROW(row, sets.rows[i])) {
            if (presence_of(row, holders[i]) != PRESENT) continue;
            LS_TRY(ls_text_add(out, "%s%s%s: ", first ? before : "", first ? "{" : ", ", row->key));
            LS_TRY(print_item(row, holders[i], out));
            first = false;
        }
    }
    if (!first) return ls_text_add(out, "}");
    return optional ? LS_OK : ls_text_add(out, "%s{}", before);
}

static bool has_options(const ls_family *family, const ls_choice *choice) {
    const void *const holders[] = {choice->options, choice->common};
    ls_option_sets sets = ls__sets_of_type(family, choice->type);
    for (int i = 0; i < LS_OPTION_SETS; i++)
        for (LS__EACH_ROW(row, sets.rows[i]))
            if (presence_of(row, holders[i]) == PRESENT) return true;
    return false;
}

/* `relu` or `dense: {units: 128}`, which needs braces of its own but behind a list's dash. */
static ls_status print_bare_choice(const ls_family *family, const ls_choice *choice, ls_text *out) {
    const void *const holders[] = {choice->options, choice->common};
    LS_TRY(ls_text_add(out, "%s", choice->type->name));
    return print_braces(ls__sets_of_type(family, choice->type), holders, ": ", true, out);
}

ls_status ls_choice_print(const ls_family *family, const ls_choice *choice, ls_text *out) {
    assert(choice->type);
    bool braces = has_options(family, choice);
    LS_TRY(ls_text_add(out, "%s", braces ? "{" : ""));
    LS_TRY(print_bare_choice(family, choice, out));
    return ls_text_add(out, "%s", braces ? "}" : "");
}

static ls_status print_choices(const ls_family *family, const ls_choices *choices, ls_text *out) {
    LS_TRY(ls_text_add(out, "["));
    for (size_t i = 0; i < choices->count; i++) {
        LS_TRY(ls_text_add(out, "%s", i ? ", " : ""));
        LS_TRY(ls_choice_print(family, &choices->items[i], out));
    }
    return ls_text_add(out, "]");
}

static ls_status print_line(const ls_option *row, const void *field, ls_text *out) {
    const void *const holders[] = {field, NULL};
    const size_t *counts = field;
    switch (row->kind) {
    case LS_KIND_END: break;
    case LS_KIND_BOOL: return ls_text_add(out, "%s", *(const bool *)field ? "true" : "false");
    case LS_KIND_COUNT: return ls_text_add(out, "%zu", *(const size_t *)field);
    case LS_KIND_INTEGER: return ls_text_add(out, "%lld", (long long)*(const int64_t *)field);
    case LS_KIND_SEED: return ls_text_add(out, "%llu", (unsigned long long)*(const uint64_t *)field);
    case LS_KIND_REAL: return print_real(*(const double *)field, out);
    case LS_KIND_BYTES: return print_bytes(*(const size_t *)field, out);
    case LS_KIND_TEXT:
    case LS_KIND_NAME: return print_row_text(row, *(const char *const *)field, out);
    case LS_KIND_WORD: return ls_text_add(out, "%s", row->words[*(const int *)field]);
    case LS_KIND_DURATION: return print_duration(*(const ls_duration *)field, out);
    case LS_KIND_CHOICE: return ls_choice_print(row->family, field, out);
    case LS_KIND_CHOICES: return print_choices(row->family, field, out);
    case LS_KIND_TEXTS: return print_texts(row, field, out);
    case LS_KIND_REALS: return print_reals(field, out);
    case LS_KIND_COUNTS2: return ls_text_add(out, "[%zu, %zu]", counts[0], counts[1]);
    case LS_KIND_PAIRS: return print_pairs(field, out);
    case LS_KIND_TABLE: return print_braces(ls__sets_of_table(row), holders, "", false, out);
    }
    return LS_OK;
}

/* ---- a key to a line, or to a block ---- */

static ls_status print_list_of_choices(const ls_option *row, const ls_choices *choices, int indent, ls_text *out) {
    LS_TRY(ls_text_add(out, "%*s%s:\n", indent, "", row->key));
    for (size_t i = 0; i < choices->count; i++) {
        LS_TRY(ls_text_add(out, "%*s- ", indent + 2, ""));
        LS_TRY(print_bare_choice(row->family, &choices->items[i], out));
        LS_TRY(ls_text_add(out, "\n"));
    }
    return LS_OK;
}

static bool has_present_row(const ls_option *rows, const void *holder) {
    for (LS__EACH_ROW(row, rows))
        if (presence_of(row, holder) == PRESENT) return true;
    return false;
}

static ls_status print_key(const ls_option *row, const void *holder, int indent, ls_text *out) {
    const void *field = field_of(holder, (ptrdiff_t)row->offset);
    bool word = row->kind != LS_KIND_WORD && row->word_offset > 0 && *(const int *)field_of(holder, row->word_offset);
    if (!word && row->kind == LS_KIND_TABLE && has_present_row(row->rows, field)) {
        LS_TRY(ls_text_add(out, "%*s%s:\n", indent, "", row->key));
        return ls_options_print(row->rows, field, indent + 2, out);
    }
    if (!word && row->kind == LS_KIND_CHOICES && ((const ls_choices *)field)->count > 0)
        return print_list_of_choices(row, field, indent, out);
    LS_TRY(ls_text_add(out, "%*s%s: ", indent, "", row->key));
    LS_TRY(print_item(row, holder, out));
    return ls_text_add(out, "\n");
}

ls_status ls_options_print(const ls_option *rows, const void *options, int indent, ls_text *out) {
    for (LS__EACH_ROW(row, rows)) {
        presence here = presence_of(row, options);
        if (here == PRESENT) LS_TRY(print_key(row, options, indent, out));
        if (here == PRESET) LS_TRY(ls_text_add(out, "%*s# %s: %s\n", indent, "", row->key, row->fallback));
    }
    return LS_OK;
}
