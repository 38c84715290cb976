/**
 * options.h: option rows, from which the YAML parser, --set, --help, configs/reference.yaml and the checks all follow.
 *
 * Everything that can be configured is a field of a plain struct, described by one row:
 *
 *     typedef struct { double learning_rate, momentum; bool nesterov; } sgd_options;
 *
 *     static const ls_option rows[] = {
 *         LS_OPTION_REAL(sgd_options, learning_rate, "0.01", 0, 1e6, "step size"),
 *         LS_OPTION_REAL(sgd_options, momentum, "0", 0, 1, "share of the velocity that is kept"),
 *         LS_OPTION_BOOL(sgd_options, nesterov, "false", "look ahead"),
 *         LS_OPTION_END};
 *
 * Things of which the user picks one (an optimizer, a layer, a loss ...) are described by an ls_type: name, sentence,
 * rows, size of the option struct. A family is the table of those types. A pick is an ls_choice: the type and a filled
 * option struct. In YAML (the grammar is the README's):
 *
 *     relu                         a name: defaults
 *     dense: {units: 128}          a name with options
 *     from: init.h5:/init          a name with its main option (the row marked main)
 *
 * A table (nested rows) with a main row accepts the main row's value in its own place: `weight_decay: 0.01` is
 * `weight_decay: {value: 0.01}`, and `init: {normal: {std: 0.1}}` is `init: {weight: {normal: {std: 0.1}}}`.
 *
 * Rows hold for one struct; a type may have a second set of rows that its whole family shares (name, from, ... of a
 * layer). Strings and lists that binding makes live in the pool. All functions are local.
 */
#ifndef LOCKSTEP_OPTIONS_H
#define LOCKSTEP_OPTIONS_H

#include <math.h>
#include <stdint.h>

#include "lockstep/document.h"

typedef struct ls_option ls_option;
typedef struct ls_type ls_type;
typedef struct ls_family ls_family;

/** The head of every descriptor: ls_optimizer_type, ls_layer_type, ... have it as first member `type`. */
struct ls_type {
    const char *name;      /* as in YAML */
    const char *doc;       /* one sentence */
    const ls_option *rows; /* ends with LS_OPTION_END; NULL: no options */
    size_t options_size;   /* bytes of the option struct; 0: none */
};

struct ls_family {
    const char *noun;            /* "optimizer", for messages */
    const ls_type *const *types; /* NULL-terminated */
    const ls_option *common;     /* rows that every member takes, or NULL */
    size_t common_size;          /* bytes of the struct behind the common rows */
};

/** A pick out of a family. type NULL: nothing was picked. */
typedef struct ls_choice {
    const ls_type *type;
    void *options; /* options_size bytes */
    void *common;  /* common_size bytes */
    ls_place place;
} ls_choice;

typedef struct ls_choices {
    size_t count;
    ls_choice *items;
} ls_choices;

typedef struct ls_texts {
    size_t count;
    const char **items;
} ls_texts;

typedef struct ls_reals {
    size_t count;
    double *items;
} ls_reals;

/** A map of names to texts (data.inputs). */
typedef struct ls_pairs {
    size_t count;
    const char **keys, **values;
} ls_pairs;

/** "10ep", "500st", "90s", "15min", "2h". unit LS_UNIT_NONE: not given. A bare number has the row's default unit. */
typedef enum ls_unit { LS_UNIT_NONE, LS_UNIT_EPOCHS, LS_UNIT_STEPS, LS_UNIT_SECONDS } ls_unit;
typedef struct ls_duration {
    double value;
    ls_unit unit;
} ls_duration;

typedef enum ls_option_kind {
    LS_KIND_END,
    LS_KIND_BOOL,     /* bool: only true and false */
    LS_KIND_COUNT,    /* size_t */
    LS_KIND_INTEGER,  /* int64_t */
    LS_KIND_SEED,     /* uint64_t: any 64-bit integer, a negative one by its two's complement */
    LS_KIND_REAL,     /* double, finite */
    LS_KIND_BYTES,    /* size_t: "512MB" (10^6), "64MiB" (2^20), or plain bytes */
    LS_KIND_TEXT,     /* const char *; NULL where not given */
    LS_KIND_NAME,     /* const char * that matches [A-Za-z0-9_]+ */
    LS_KIND_WORD,     /* int: the index in `words` */
    LS_KIND_DURATION, /* ls_duration; `units` says which units are allowed */
    LS_KIND_CHOICE,   /* ls_choice of `family` */
    LS_KIND_CHOICES,  /* ls_choices; a single choice stands for a list of one */
    LS_KIND_TEXTS,    /* ls_texts; a single text stands for a list of one */
    LS_KIND_REALS,    /* ls_reals */
    LS_KIND_COUNTS2,  /* size_t[2]: one number for both, or a list of two (kernel, stride, ...) */
    LS_KIND_PAIRS,    /* ls_pairs */
    LS_KIND_TABLE,    /* a nested struct, described by `rows` */
} ls_option_kind;

struct ls_option {
    const char *key;
    ls_option_kind kind;
    size_t offset;
    const char *fallback;     /* the default, as YAML; NULL: not given stays zero; "!" : required */
    double low, high;         /* numbers: inclusive range */
    bool open_low, open_high; /* numbers: the bound itself is excluded */
    bool main;                /* the row that a bare value means */
    const char *const *words; /* WORD: all words. Numbers, REALS, TABLE: words allowed in place of the value */
    ptrdiff_t word_offset;    /* numbers, REALS with words: where an int holds the word's index + 1, or 0 for a number */
    unsigned units;           /* DURATION: bits 1 << LS_UNIT_x; the lowest allowed one is the unit of a bare number */
    const ls_family *family;  /* CHOICE, CHOICES */
    const ls_option *rows;    /* TABLE */
    ptrdiff_t given_offset;   /* where a bool says whether the user gave a value; -1: nowhere */
    ptrdiff_t place_offset;   /* where an ls_place says where it was given; -1: nowhere */
    const char *doc;          /* one sentence */
};

#define LS_OPTION_END {.kind = LS_KIND_END}
#define LS_REQUIRED "!"

#define LS_OPTION_ROW(holder, field, row_kind, row_default, sentence)                                          \
    .key = #field, .kind = (row_kind), .offset = offsetof(holder, field), .fallback = (row_default),           \
    .word_offset = -1, .given_offset = -1, .place_offset = -1, .low = -INFINITY, .high = INFINITY, .doc = (sentence)

#define LS_OPTION_BOOL(holder, field, preset, sentence) {LS_OPTION_ROW(holder, field, LS_KIND_BOOL, preset, sentence)}

/* `.low` and `.high` stand once more after LS_OPTION_ROW: in C the later initialiser wins. */
#define LS_OPTION_NUMBER(holder, field, row_kind, preset, least, most, sentence)                               \
    .key = #field, .kind = (row_kind), .offset = offsetof(holder, field), .fallback = (preset),                \
    .word_offset = -1, .given_offset = -1, .place_offset = -1, .low = (least), .high = (most), .doc = (sentence)
#define LS_OPTION_REAL(holder, field, preset, least, most, sentence)                                           \
    {LS_OPTION_NUMBER(holder, field, LS_KIND_REAL, preset, least, most, sentence)}
#define LS_OPTION_COUNT(holder, field, preset, least, most, sentence)                                          \
    {LS_OPTION_NUMBER(holder, field, LS_KIND_COUNT, preset, least, most, sentence)}

/** A failure, or the struct behind `rows` filled from `map` (NULL: all defaults). `noun` names the thing in messages. */
ls_status ls_options_bind(const ls_option *rows, const char *noun, const ls_document *map, ls_pool *pool,
                          void *out) LS_MUST_USE;

/** As ls_options_bind for a pick out of a family. */
ls_status ls_choice_bind(const ls_family *family, const ls_document *value, ls_pool *pool, ls_choice *out) LS_MUST_USE;

/** A choice with all defaults: for programs that use the library. Fails where an option is required. */
ls_status ls_choice_make(const ls_family *family, const ls_type *type, ls_pool *pool, ls_choice *out) LS_MUST_USE;

/** The member of a family with this name, or NULL. */
const ls_type *ls_family_find(const ls_family *family, const char *name);

/** Appends the struct as YAML that binds to the same struct: every key, defaults included, indented by `indent`. */
ls_status ls_options_print(const ls_option *rows, const void *options, int indent, ls_text *out) LS_MUST_USE;
/** Appends a choice in one line, as in a list or after a key. */
ls_status ls_choice_print(const ls_family *family, const ls_choice *choice, ls_text *out) LS_MUST_USE;

/** Appends the reference: every key with default, range and sentence as comments, nested families in full. */
ls_status ls_options_reference(const ls_option *rows, int indent, ls_text *out) LS_MUST_USE;

/** Finds the row at a dotted path ("optimizer.sgd.momentum"). A failure names the nearest known key. */
ls_status ls_options_explain(const ls_option *rows, const char *path, ls_text *out) LS_MUST_USE;

/** The candidate nearest to `word` by edit distance, or NULL if none is near; `candidates` ends with NULL. */
const char *ls_nearest(const char *word, const char *const *candidates);

/** Parses one strict number; false if the text is anything else ("0.1abc", "0x10", "010", "nan", "1e3" for a count). */
bool ls_parse_real(const char *text, double *out);
bool ls_parse_integer(const char *text, int64_t *out);
bool ls_parse_count(const char *text, size_t *out);
/** Parses "10ep", "500st", "90s", "15min", "2h", "1d"; a bare number gets `bare` (LS_UNIT_NONE: refused). */
bool ls_parse_duration(const char *text, ls_unit bare, ls_duration *out);
/** Parses "512MB", "1GiB", "4096". */
bool ls_parse_bytes(const char *text, size_t *out);

#endif
