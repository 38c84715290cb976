/**
 * document.h: a parsed configuration before it means anything.
 *
 * config/ makes a document from YAML; options.h gives it meaning. Keeping the two apart leaves <yaml.h> in one folder
 * and lets programs build documents of their own. Every node remembers where it stood, so that any later complaint can
 * say FILE:LINE:COL. A document lives in one ls_pool and is read-only once built, but for ls_options_set() of
 * options.h. All functions are local.
 */
#ifndef LOCKSTEP_DOCUMENT_H
#define LOCKSTEP_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lockstep/memory.h"
#include "lockstep/status.h"

typedef enum ls_document_kind { LS_DOCUMENT_SCALAR, LS_DOCUMENT_LIST, LS_DOCUMENT_MAP } ls_document_kind;

/** Where a node stands: a file with line and column, or "--set key" with line 0. */
typedef struct ls_place {
    const char *file;
    int line, column; /* from 1; 0: none */
} ls_place;

typedef struct ls_document ls_document;
struct ls_document {
    ls_document_kind kind;
    ls_place place;
    const char *text;    /* scalar: its text, "" if empty */
    bool quoted;         /* scalar: stood in quotes, so it is text whatever it looks like */
    size_t count;        /* list, map: number of items */
    const char **keys;   /* map: the keys, in the order of the file; no two are equal */
    ls_place *key_place; /* map: where each key stands */
    ls_document **items; /* list, map */
};

/** The item of a map under `key`, or NULL. */
ls_document *ls_document_find(const ls_document *map, const char *key);

/* Building. Items and texts are borrowed; arrays grow in the pool. */
ls_status ls_document_scalar(ls_pool *pool, ls_place place, const char *text, bool quoted,
                             ls_document **out) LS_MUST_USE;
ls_status ls_document_list(ls_pool *pool, ls_place place, ls_document **out) LS_MUST_USE;
ls_status ls_document_map(ls_pool *pool, ls_place place, ls_document **out) LS_MUST_USE;

/** Appends an item to a list. */
ls_status ls_document_add(ls_pool *pool, ls_document *list, ls_document *item) LS_MUST_USE;

/** Puts an item into a map. An item that stands under the key already is replaced; the key keeps its place. */
ls_status ls_document_put(ls_pool *pool, ls_document *map, const char *key, ls_place place,
                          ls_document *item) LS_MUST_USE;

/** A failure "FILE:LINE:COL: sentence"; without a line "FILE: sentence", without a file the bare sentence. */
ls_status ls_document_fail(ls_place place, ls_code code, const char *format, ...) LS_PRINTF(3, 4) LS_MUST_USE;

/** Puts the place before the sentence of a failure, as above; LS_OK stays LS_OK. */
ls_status ls_document_locate(ls_status status, ls_place place) LS_MUST_USE;

#endif
