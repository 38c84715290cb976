/*
 * text: windows of a running text. Tokens get numbers by how often they occur (the most frequent is 0); a sample is
 *
 *     next       x: a window of tokens                     y: the token behind it
 *     corrupt    x: a window of tokens                     x_c: the same, the middle one replaced by another at random
 *
 * Neighbouring windows overlap, so the test part is the end of the text and not drawn from all over it.
 */
#include <stdlib.h>
#include <string.h>

#include "data/import.h"

typedef enum tokens { TOKENS_WORDS, TOKENS_CHARACTERS, TOKENS_BYTES } tokens;
typedef enum pairs { PAIRS_NEXT, PAIRS_CORRUPT } pairs;

typedef struct text_options {
    int tokens, pairs;
    size_t window, stride, vocabulary;
    bool lower;
} text_options;

static const char *const token_words[] = {"words", "characters", "bytes", NULL};
static const char *const pair_words[] = {"next", "corrupt", NULL};

static const ls_option rows[] = {
    LS_OPTION_WORD(text_options, tokens, "words", token_words, "what a token is; words are runs of letters and digits"),
    LS_OPTION_COUNT(text_options, window, "5", 1, 65536, "tokens of a sample"),
    LS_OPTION_WORD(text_options, pairs, "next", pair_words,
                   "next: predict the token behind the window; corrupt: tell it from one with another middle"),
    LS_OPTION_COUNT(text_options, stride, "1", 1, 1000000, "tokens from one window to the next"),
    LS_OPTION_COUNT(text_options, vocabulary, "65535", 2, 65535,
                    "numbers of tokens at most; where there are more tokens, the rarest share the last"),
    LS_OPTION_BOOL(text_options, lower, "false", "words in capitals are the same words"),
    LS_OPTION_END};

typedef struct token {
    size_t at, length;
    uint32_t number;
} token;

typedef struct work {
    const text_options *options;
    ls_import *import;
    const ls_file *file;
    unsigned char *bytes; /* the text, lowered where asked for */
    token *token;
    size_t count;
    size_t distinct;
} work;

/* ---- cutting ---- */

/* Bytes of UTF-8 beyond ASCII count as letters. */
static bool is_letter(unsigned char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte >= 0x80 || byte == '\'';
}

static bool is_space(unsigned char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Bytes of one character of UTF-8; a stray byte is a character of its own. */
static size_t character_length(const unsigned char *bytes, size_t left) {
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : bytes[0] >= 0xc0 ? 2 : 1;
    if (length > left) return 1;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80) return 1;
    return length;
}

/* The token at `at`; length 0 where nothing but space is left. Punctuation marks are words of their own. */
static token next_token(const work *w, size_t at) {
    size_t end = w->file->length;
    if (w->options->tokens == TOKENS_BYTES) return (token){.at = at, .length = at < end};
    if (w->options->tokens == TOKENS_CHARACTERS)
        return (token){.at = at, .length = at < end ? character_length(w->bytes + at, end - at) : 0};
    while (at < end && is_space(w->bytes[at])) at++;
    size_t stop = at;
    while (stop < end && is_letter(w->bytes[stop])) stop++;
    return (token){.at = at, .length = stop > at ? stop - at : at < end};
}

static ls_status cut(work *w) {
    ls_bytes memory = {0};
    size_t at = 0;
    for (token t; (t = next_token(w, at)).length > 0; at = t.at + t.length) {
        void *room = NULL;
        ls_status status = ls__bytes_grow(&memory, sizeof t, &room);
        if (status != LS_OK) {
            free(memory.items);
            return status;
        }
        memcpy(room, &t, sizeof t);
    }
    w->token = (token *)(void *)memory.items;
    w->count = memory.count / sizeof(token);
    size_t least = w->options->window + (w->options->pairs == PAIRS_NEXT);
    if (w->count < least)
        return ls__file_fail(w->file, 0, "the text has %zu tokens, a sample needs %zu", w->count, least);
    return LS_OK;
}

/* ---- numbering ---- */

typedef struct word {
    size_t first, count; /* range in the sorted tokens */
} word;

static int compare_tokens(const void *a, const void *b, void *context) {
    const work *w = context;
    const token *x = &w->token[*(const size_t *)a], *y = &w->token[*(const size_t *)b];
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(w->bytes + x->at, w->bytes + y->at, shorter);
    if (order == 0) order = (x->length > y->length) - (x->length < y->length);
    return order;
}

/* More frequent first, then bytewise: their ranges are in that order already. */
static int compare_words(const void *a, const void *b) {
    const word *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return x->first < y->first ? -1 : 1;
}

static ls_status keep_vocabulary(work *w, const word *words, const size_t *sorted, size_t count, bool rare) {
    void *room = NULL;
    LS_TRY(ls_pool_take(w->import->pool, (count + rare) * sizeof(char *), &room));
    ls_texts list = {.count = count + rare, .items = room};
    for (size_t i = 0; i < count; i++) {
        const token *t = &w->token[sorted[words[i].first]];
        LS_TRY(ls_pool_format(w->import->pool, &list.items[i], "%.*s", (int)t->length, (const char *)w->bytes + t->at));
    }
    if (rare) list.items[count] = "<rare>";
    w->distinct = list.count;
    ls__import_words(w->import, "vocabulary", list);
    return LS_OK;
}

static ls_status number_words(work *w, size_t *sorted, word *words) {
    for (size_t i = 0; i < w->count; i++) sorted[i] = i;
    qsort_r(sorted, w->count, sizeof *sorted, compare_tokens, w);
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (i == 0 || compare_tokens(&sorted[i - 1], &sorted[i], w) != 0) words[count++] = (word){.first = i};
        words[count - 1].count++;
    }
    qsort(words, count, sizeof *words, compare_words);
    bool rare = count > w->options->vocabulary;
    size_t own = rare ? w->options->vocabulary - 1 : count;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < words[i].count; k++)
            w->token[sorted[words[i].first + k]].number = (uint32_t)(i < own ? i : own);
    return keep_vocabulary(w, words, sorted, own, rare);
}

static ls_status number(work *w) {
    size_t *sorted = malloc(w->count * sizeof *sorted);
    word *words = malloc(w->count * sizeof *words);
    ls_status status =
        sorted && words ? number_words(w, sorted, words) : LS_FAIL(LS_ERR_MEMORY, "no memory for %zu tokens", w->count);
    free(sorted);
    free(words);
    return status;
}

/* ---- samples ---- */

/* Another token than the true one, uniformly. */
static uint32_t other_number(const work *w, uint64_t sample, uint32_t truth) {
    ls_draw draw = ls_random(w->import->common->seed, LS_PURPOSE_IMPORT, 0, sample, 1);
    uint32_t number = (uint32_t)ls_random_below(draw, w->distinct - 1);
    return number < truth ? number : number + 1;
}

static ls_status make_samples(work *w) {
    size_t window = w->options->window, middle = window / 2;
    bool next = w->options->pairs == PAIRS_NEXT;
    size_t samples = (w->count - window - next) / w->options->stride + 1;
    ls_dtype dtype = ls__dtype_for(w->distinct - 1);
    size_t width = ls_dtype_size(dtype);
    ls_import_field *x = NULL, *other = NULL;
    void *to = NULL, *other_to = NULL;
    ls_shape shape = {.rank = 1, .dim = {window}};
    LS_TRY(ls__import_field(w->import, "x", dtype, shape, &x));
    LS_TRY(ls__import_field(w->import, next ? "y" : "x_c", dtype, next ? (ls_shape){0} : shape, &other));
    LS_TRY(ls__import_rows(x, samples, &to));
    LS_TRY(ls__import_rows(other, samples, &other_to));
    for (size_t i = 0; i < samples; i++) {
        const token *t = w->token + i * w->options->stride;
        unsigned char *row = (unsigned char *)to + i * x->row_bytes,
                      *twin = (unsigned char *)other_to + i * other->row_bytes;
        for (size_t k = 0; k < window; k++) ls__dtype_store(dtype, t[k].number, row + k * width);
        if (next) {
            ls__dtype_store(dtype, t[window].number, twin);
            continue;
        }
        memcpy(twin, row, x->row_bytes);
        ls__dtype_store(dtype, other_number(w, i, t[middle].number), twin + middle * width);
    }
    w->import->ordered = true;
    return LS_OK;
}

static ls_status import_tokens(work *w) {
    memcpy(w->bytes, w->file->bytes, w->file->length);
    for (size_t i = 0; w->options->lower && i < w->file->length; i++)
        if (w->bytes[i] >= 'A' && w->bytes[i] <= 'Z') w->bytes[i] = (unsigned char)(w->bytes[i] + 32);
    LS_TRY(cut(w));
    LS_TRY(number(w));
    if (w->distinct < 2) return ls__file_fail(w->file, 0, "the text has one distinct token, there is nothing to learn");
    return make_samples(w);
}

static ls_status import_text(const void *options, const ls_texts *inputs, ls_import *import) {
    if (inputs->count != 1) return LS_FAIL(LS_ERR_USAGE, "import text takes one file, not %zu", inputs->count);
    ls_file file;
    LS_TRY(ls__import_read(import, inputs->items[0], &file));
    work w = {.options = options, .import = import, .file = &file, .bytes = malloc(file.length + 1)};
    ls_status status = w.bytes ? import_tokens(&w) : LS_FAIL(LS_ERR_MEMORY, "no memory for %s", file.name);
    free(w.token);
    free(w.bytes);
    ls__import_release(import, &file);
    return status;
}

const ls_format_type ls_format_text = {
    .type = {"text", "windows of a running text, as numbers of words, characters or bytes", rows, sizeof(text_options)},
    .usage = "FILE",
    .import = import_text};
