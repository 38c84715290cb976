#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options_inner.h"

/* ctype.h asks the locale; these do not. */
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t count_digits(const char *text) {
    size_t n = 0;
    while (is_digit(text[n])) n++;
    return n;
}

/* The length of a whole number without sign or needless leading zero; 0: there is none. */
static size_t scan_whole(const char *text) {
    size_t digits = count_digits(text);
    return digits > 1 && text[0] == '0' ? 0 : digits;
}

/* The length of a number in decimal notation at the start of `text`; 0: there is none. */
static size_t scan_real(const char *text) {
    const char *at = text;
    if (*at == '-') at++;
    size_t whole = scan_whole(at), fraction = 0;
    if (whole == 0 && is_digit(*at)) return 0;
    at += whole;
    if (*at == '.') {
        fraction = count_digits(at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0) return 0;
    if (*at != 'e' && *at != 'E') return (size_t)(at - text);
    const char *exponent = at + 1;
    if (*exponent == '-' || *exponent == '+') exponent++;
    size_t digits = count_digits(exponent);
    return (size_t)((digits ? exponent + digits : at) - text); /* the e of "10ep" is none */
}

/* glibc hands out its constant C locale here: nothing is allocated. */
static locale_t plain_locale(void) {
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static double convert(const char *text, char **end) {
    locale_t plain = plain_locale();
    double value = strtod_l(text, end, plain);
    freelocale(plain);
    return value;
}

/* A number at the start of `text`; returns its length, or 0 where there is none that a double can hold. */
static size_t take_real(const char *text, double *out) {
    size_t length = scan_real(text);
    if (length == 0) return 0;
    char *end = NULL;
    double value = convert(text, &end);
    if (end != text + length || !isfinite(value)) return 0;
    char first = text[strcspn(text, "123456789eE")];
    if (value == 0 && is_digit(first)) return 0; /* it underflowed */
    *out = value;
    return length;
}

bool ls_parse_real(const char *text, double *out) {
    size_t length = take_real(text, out);
    return length > 0 && text[length] == '\0';
}

bool ls_parse_count(const char *text, size_t *out) {
    size_t length = scan_whole(text), value = 0;
    if (length == 0 || text[length] != '\0') return false;
    for (size_t i = 0; i < length; i++) {
        if (__builtin_mul_overflow(value, (size_t)10, &value)) return false;
        if (__builtin_add_overflow(value, (size_t)(text[i] - '0'), &value)) return false;
    }
    *out = value;
    return true;
}

bool ls_parse_integer(const char *text, int64_t *out) {
    bool negative = text[0] == '-';
    size_t magnitude = 0;
    if (!ls_parse_count(text + negative, &magnitude)) return false;
    if (magnitude > (size_t)INT64_MAX + negative) return false;
    *out = negative ? (int64_t)(0 - (uint64_t)magnitude) : (int64_t)magnitude;
    return true;
}

typedef struct unit_name {
    const char *name;
    double factor;
    ls_unit unit;
} unit_name;

static const unit_name durations[] = {
    {"ep", 1, LS_UNIT_EPOCHS},    {"st", 1, LS_UNIT_STEPS},     {"s", 1, LS_UNIT_SECONDS},
    {"min", 60, LS_UNIT_SECONDS}, {"h", 3600, LS_UNIT_SECONDS}, {"d", 86400, LS_UNIT_SECONDS},
};

bool ls_parse_duration(const char *text, ls_duration *out) {
    double value = 0;
    size_t length = take_real(text, &value);
    if (length == 0 || signbit(value)) return false;
    const unit_name *found = NULL;
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++)
        if (strcmp(text + length, durations[i].name) == 0) found = &durations[i];
    if (!found) return false;
    const ls_duration duration = {value * found->factor, found->unit};
    if (!isfinite(duration.value)) return false;
    if (duration.unit == LS_UNIT_STEPS && duration.value != floor(duration.value)) return false;
    *out = duration;
    return true;
}

bool ls__read_duration(const ls_option *row, const char *text, ls_duration *out) {
    if ((row->units & 1u << LS_UNIT_NONE) && ls_parse_real(text, &out->value)) {
        out->unit = LS_UNIT_NONE;
        return !signbit(out->value);
    }
    return ls_parse_duration(text, out) && (row->units & (1u << out->unit));
}

static const struct {
    const char *name;
    size_t factor;
} sizes[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
    {"KiB", (size_t)1 << 10},
    {"MiB", (size_t)1 << 20},
    {"GiB", (size_t)1 << 30},
    {"TiB", (size_t)1 << 40},
};

bool ls_parse_bytes(const char *text, size_t *out) {
    if (ls_parse_count(text, out)) return true;
    double value = 0;
    size_t length = take_real(text, &value);
    if (length == 0 || signbit(value)) return false;
    for (size_t i = 1; i < sizeof sizes / sizeof *sizes; i++) {
        if (strcmp(text + length, sizes[i].name) != 0) continue;
        double bytes = value * (double)sizes[i].factor;
        if (bytes != floor(bytes) || bytes > 0x1p53) return false;
        *out = (size_t)bytes;
        return true;
    }
    return false;
}

void ls_real_print(double value, char out[LS_REAL_SPACE]) {
    if (value == floor(value) && fabs(value) < 1e15) {
        snprintf(out, LS_REAL_SPACE, "%.0f", value);
        return;
    }
    locale_t plain = plain_locale();
    locale_t before = uselocale(plain);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, LS_REAL_SPACE, "%.*g", digits, value);
        if (strtod(out, NULL) == value) break;
    }
    uselocale(before);
    freelocale(plain);
}

enum { LONGEST_WORD = 63 };

static char fold(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '-' ? '_' : c;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Damerau-Levenshtein: insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
static size_t edit_distance(const char *a, const char *b) {
    size_t rows[3][LONGEST_WORD + 1];
    size_t *older = rows[0], *last = rows[1], *row = rows[2];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *free_row = older;
        older = last, last = row, row = free_row;
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            bool same = fold(a[i - 1]) == fold(b[j - 1]);
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + !same);
            bool swapped = i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]);
            if (swapped) row[j] = least(row[j], older[j - 2] + 1);
        }
    }
    return row[width];
}

const char *ls_nearest(const char *word, const char *const *candidates) {
    const char *nearest = NULL;
    size_t best = SIZE_MAX, length = strlen(word);
    if (length == 0 || length > LONGEST_WORD) return NULL;
    for (; *candidates; candidates++) {
        size_t other = strlen(*candidates);
        if (other > LONGEST_WORD) continue;
        /* One slip for short words, one more for every four letters; never a wholly different word. */
        size_t limit = least(1 + (length > other ? length : other) / 4, least(length, other) - (other > 0));
        size_t distance = edit_distance(word, *candidates);
        if (distance > limit || distance >= best) continue;
        best = distance;
        nearest = *candidates;
    }
    return nearest;
}
