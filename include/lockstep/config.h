/**
 * config.h: from YAML to an experiment.
 *
 * Precedence: defaults < file < overrides ("key.path=value"). Every mistake is refused with FILE:LINE:COL, the value,
 * what is allowed and the nearest known name. The grammar:
 *
 *  - A choice is a name (`relu`), a name with options (`dense: {units: 128}`), or a name with its one main option.
 *  - A list of choices is allowed where the reference says list. Names match [A-Za-z0-9_]+. Only true and false are
 *    booleans. Durations are 10ep, 500st, 90s, 15min, 2h; sizes 512MB, 64MiB.
 *  - In an override a number indexes a list from 0, and naming another kind replaces the choice.
 *
 * Relative data paths are relative to the configuration file; in the resolved configuration they are absolute, so that
 * it means the same in a run directory or a checkpoint.
 *
 * A comment line `# import: COMMAND` says how the data are made; the message about missing data shows it.
 *
 * All functions are local: rank 0 reads the file and broadcasts its bytes, then every rank parses the same text.
 */
#ifndef LOCKSTEP_CONFIG_H
#define LOCKSTEP_CONFIG_H

#include "lockstep/train.h"

/**
 * Parses `bytes` (the content of `file`) with `count` overrides into an experiment that lives in `pool`. Its `text` is
 * the resolved configuration: every key with its value, itself a configuration that gives the same experiment.
 */
ls_status ls_config_parse(ls_pool *pool, const char *file, const char *bytes, size_t length,
                          const char *const *overrides, size_t count, ls_experiment *out) LS_MUST_USE;

/** Reads a whole text file into `out`; refuses one that holds a zero byte, where a text ends. Local. */
ls_status ls_config_read_file(const char *path, ls_text *out) LS_MUST_USE;

/**
 * Compares two resolved configurations: the keys that differ and may not when a run is continued, one a line with both
 * values, go to `out` (empty: the second may continue the first). Free to differ: stop, checkpoint, run,
 * topology.ranks_per_node, metrics, data.cache, and file paths (whose content is compared by digest).
 */
ls_status ls_config_compare(const char *older, const char *newer, ls_text *out) LS_MUST_USE;

/** The reference of every key: configs/reference.yaml. */
ls_status ls_config_reference(ls_text *out) LS_MUST_USE;

/** What one key means. A failure names the nearest known key. */
ls_status ls_config_explain(const char *key, ls_text *out) LS_MUST_USE;

#endif
