/*
 * yaml.h: text to documents. The only place that knows libyaml.
 *
 * What a configuration needs of YAML is maps, lists and scalars. Everything else is refused with its place, because it
 * hides what a file says (anchors, aliases, tags, several documents, a key given twice) or cannot be meant (nesting
 * deeper than 32, more than 4 MiB, bytes that are no text). Any bytes whatever may be given. Failures are
 * LS_ERR_CONFIG.
 */
#ifndef LOCKSTEP_CONFIG_YAML_H
#define LOCKSTEP_CONFIG_YAML_H

#include "lockstep/document.h"

enum {
    LS_YAML_BYTES = 4 << 20, /* the largest text */
    LS_YAML_DEPTH = 32,      /* lists and maps inside each other */
    LS_YAML_KEYS = 1000,     /* keys of one map */
    LS_YAML_NODES = 100000,  /* of a document */
};

/* The document in `bytes`; `file` is named in messages and in places, and borrowed by them. Nothing in it is refused.
 */
ls_status ls_yaml_parse(ls_pool *pool, const char *file, const char *bytes, size_t length,
                        ls_document **out) LS_MUST_USE;

/*
 * The value that stands on a command line, for ls_options_set(); `origin` ("--set optimizer.sgd.momentum") takes the
 * place of file, line and column.
 */
ls_status ls_yaml_value(ls_pool *pool, const char *origin, const char *text, ls_document **out) LS_MUST_USE;

#endif
