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

/** "10ep", "500st", "90s", "15min", "2h". unit LS_UNIT_NONE: not given. */
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

/**
 * One row. What is left out is zero, and zero means "none" everywhere: a row names only what it needs,
 *
 *     {LS_OPTION_NUMBER(holder, delta, LS_KIND_REAL, "1", 0, INFINITY, "..."), .open_low = true, .main = true}
 *     {LS_OPTION_NUMBER(holder, batch, LS_KIND_COUNT, LS_REQUIRED, 1, INFINITY, "..."),
 *      .words = batch_words, .word_offset = offsetof(holder, batch_word)}
 *
 * and hence the fields behind word_offset, given_offset and place_offset cannot stand first in their struct.
 */
struct ls_option {
    const char *key;
    ls_option_kind kind;
    size_t offset;
    const char *fallback;     /* the default, as YAML ("1ep", "[1, 2]", "{normal: {std: 0.1}}"; "{}" for a table whose
                                 rows have their own); NULL: not given stays zero; LS_REQUIRED: the user must give it,
                                 and a list must not be empty */
    double low, high;         /* numbers, sizes, durations and lists of numbers: inclusive range; both 0: any */
    bool open_low, open_high; /* the bound itself is excluded */
    bool main;                /* the row that a bare value means */
    const char *const *words; /* WORD: all words. Others: words allowed in place of the value. Ends with NULL */
    ptrdiff_t word_offset;    /* others with words: where an int holds the word's index + 1, or 0 for a value; then the
                                 value itself stays zero */
    unsigned units;           /* DURATION: bits 1 << LS_UNIT_x. With LS_UNIT_NONE among them a number without unit is
                                 allowed, and its meaning another option's to say */
    const ls_family *family;  /* CHOICE, CHOICES */
    const ls_option *rows;    /* TABLE */
    ptrdiff_t given_offset;   /* where a bool says whether the user gave a value; <= 0: nowhere */
    ptrdiff_t place_offset;   /* where an ls_place says where it stands, or what stands around it; <= 0: nowhere */
    const char *doc;          /* one sentence */
};

#define LS_OPTION_END {.kind = LS_KIND_END}
#define LS_REQUIRED "!"

/* The inside of a row: put further fields behind it. */
#define LS_OPTION_ROW(holder, field, row_kind, preset, sentence)                                               \
    .key = #field, .kind = (row_kind), .offset = offsetof(holder, field), .fallback = (preset), .doc = (sentence)
#define LS_OPTION_NUMBER(holder, field, row_kind, preset, least, most, sentence)                               \
    LS_OPTION_ROW(holder, field, row_kind, preset, sentence), .low = (least), .high = (most)

/* Whole rows. */
#define LS_OPTION_BOOL(holder, field, preset, sentence) {LS_OPTION_ROW(holder, field, LS_KIND_BOOL, preset, sentence)}
#define LS_OPTION_REAL(holder, field, preset, least, most, sentence)                                           \
    {LS_OPTION_NUMBER(holder, field, LS_KIND_REAL, preset, least, most, sentence)}
#define LS_OPTION_COUNT(holder, field, preset, least, most, sentence)                                          \
    {LS_OPTION_NUMBER(holder, field, LS_KIND_COUNT, preset, least, most, sentence)}
#define LS_OPTION_COUNTS2(holder, field, preset, least, most, sentence)                                        \
    {LS_OPTION_NUMBER(holder, field, LS_KIND_COUNTS2, preset, least, most, sentence)}
#define LS_OPTION_BYTES(holder, field, preset, least, most, sentence)                                          \
    {LS_OPTION_NUMBER(holder, field, LS_KIND_BYTES, preset, least, most, sentence)}
#define LS_OPTION_TEXT(holder, field, preset, sentence) {LS_OPTION_ROW(holder, field, LS_KIND_TEXT, preset, sentence)}
#define LS_OPTION_TEXTS(holder, field, preset, sentence)                                                       \
    {LS_OPTION_ROW(holder, field, LS_KIND_TEXTS, preset, sentence)}
#define LS_OPTION_NAME(holder, field, preset, sentence) {LS_OPTION_ROW(holder, field, LS_KIND_NAME, preset, sentence)}
#define LS_OPTION_WORD(holder, field, preset, all_words, sentence)                                             \
    {LS_OPTION_ROW(holder, field, LS_KIND_WORD, preset, sentence), .words = (all_words)}
#define LS_OPTION_DURATION(holder, field, preset, unit_bits, sentence)                                         \
    {LS_OPTION_ROW(holder, field, LS_KIND_DURATION, preset, sentence), .units = (unit_bits)}
#define LS_OPTION_CHOICE(holder, field, preset, of_family, sentence)                                           \
    {LS_OPTION_ROW(holder, field, LS_KIND_CHOICE, preset, sentence), .family = (of_family)}
#define LS_OPTION_CHOICES(holder, field, preset, of_family, sentence)                                          \
    {LS_OPTION_ROW(holder, field, LS_KIND_CHOICES, preset, sentence), .family = (of_family)}
#define LS_OPTION_TABLE(holder, field, preset, inner_rows, sentence)                                           \
    {LS_OPTION_ROW(holder, field, LS_KIND_TABLE, preset, sentence), .rows = (inner_rows)}

/**
 * A failure, or the struct behind `rows` filled from `map` (NULL: all defaults). Defaults take the path of user values.
 * `noun` names the thing in messages ("unknown key ... in NOUN"). Every failure is LS_ERR_CONFIG and reads
 *
 *     digits.yaml:12:18: optimizer.sgd.learning_rate: "fast" is not a number; allowed: a number above 0
 *     digits.yaml:4:3: unknown key "lerning_rate" in sgd; did you mean "learning_rate"? allowed: learning_rate, ...
 *
 * `out` starts as zeros. The file name of an ls_place is borrowed from the document; everything else lives in `pool`.
 */
ls_status ls_options_bind(const ls_option *rows, const char *noun, const ls_document *map, ls_pool *pool,
                          void *out) LS_MUST_USE;

/** As ls_options_bind for a pick out of a family; what `out` held is overwritten. */
ls_status ls_choice_bind(const ls_family *family, const ls_document *value, ls_pool *pool, ls_choice *out) LS_MUST_USE;

/**
 * A choice with all defaults: for programs that use the library. Fails where an option is required. `type` need not be
 * in the family's table.
 */
ls_status ls_choice_make(const ls_family *family, const ls_type *type, ls_pool *pool, ls_choice *out) LS_MUST_USE;

/** The member of a family with this name, or NULL. */
const ls_type *ls_family_find(const ls_family *family, const char *name);

/**
 * Puts `value` at a dotted path of a document that `rows` describe ("optimizer.sgd.momentum", "model.0.dense.units"; a
 * number indexes a list from 0), making the maps that do not exist. Naming another kind replaces the choice; a bare
 * `relu` or `weight_decay: 0.01` is spelt out before something is put inside it, and what is not there starts as its
 * default. Unknown keys and indices are refused.
 */
ls_status ls_options_set(const ls_option *rows, ls_pool *pool, ls_document *root, const char *path,
                         ls_document *value) LS_MUST_USE;

/**
 * Appends the struct as YAML that binds to the same struct: every key that has a value, defaults included, indented by
 * `indent`. A key with a given_offset that the user did not give is a comment (its default may be somebody's to derive;
 * who does so sets the bool).
 */
ls_status ls_options_print(const ls_option *rows, const void *options, int indent, ls_text *out) LS_MUST_USE;
/** Appends a choice in one line, as in a list or after a key: `relu` or `{dense: {units: 128, bias: true}}`. */
ls_status ls_choice_print(const ls_family *family, const ls_choice *choice, ls_text *out) LS_MUST_USE;

/**
 * Appends the reference, itself a YAML file: every key with its default, and as comments what is allowed and the
 * sentence; each family once and in full, every member with all its options.
 */
ls_status ls_options_reference(const ls_option *rows, int indent, ls_text *out) LS_MUST_USE;

/**
 * Appends what the row at a dotted path means ("optimizer.sgd.momentum", "optimizer.sgd", "model.dense.units"). A
 * failure (LS_ERR_USAGE) names the nearest known key.
 */
ls_status ls_options_explain(const ls_option *rows, const char *path, ls_text *out) LS_MUST_USE;

/** The candidate nearest to `word` by edit distance, or NULL if none is near; `candidates` ends with NULL. */
const char *ls_nearest(const char *word, const char *const *candidates);

/**
 * Parses one strict number; false if the text is anything else ("0.1abc", "0x10", "010", "nan", "", "1e3" for a count).
 * No number depends on the locale.
 */
bool ls_parse_real(const char *text, double *out);
bool ls_parse_integer(const char *text, int64_t *out);
bool ls_parse_count(const char *text, size_t *out);
/**
 * Parses "10ep", "500st", "90s", "15min", "2h", "1d". A number without unit is none. Steps are whole; times become
 * seconds; nothing is negative.
 */
bool ls_parse_duration(const char *text, ls_duration *out);
/** Parses "512MB", "1.5GB", "1GiB", "4096". */
bool ls_parse_bytes(const char *text, size_t *out);

/** Writes a finite number in the shortest form that ls_parse_real reads back to the same bits ("0.05", "1e-05"). */
enum { LS_REAL_SPACE = 32 };
void ls_real_print(double value, char out[LS_REAL_SPACE]);

#endif
