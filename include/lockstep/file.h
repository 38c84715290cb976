/**
 * file.h: files that are replaced as a whole.
 *
 * A new file grows beside its target as TARGET.new and takes its name when it is finished, so that a reader finds the
 * old file or the new one, and never half of either:
 *
 *     ls_new_file file;
 *     LS_TRY(ls_new_file_open(&file, path));
 *     return ls_new_file_finish(&file, ls_new_file_write(&file, bytes, count), true);
 *
 * For data sets and checkpoints, which are large and verified, see store.h. All functions are local.
 */
#ifndef LOCKSTEP_FILE_H
#define LOCKSTEP_FILE_H

#include <stdio.h>

#include "lockstep/status.h"

typedef struct ls_new_file {
    FILE *stream; /* may be printed to */
    const char *path; /* of the target; borrowed */
    char beside[4096];
} ls_new_file;

/** LS_ERR_IO where the folder does not let it be made; then there is nothing to finish. */
ls_status ls_new_file_open(ls_new_file *file, const char *path) LS_MUST_USE;
ls_status ls_new_file_write(ls_new_file *file, const void *bytes, size_t count) LS_MUST_USE;

/**
 * Ends the file. Where `status` is LS_OK and all was written it replaces its target (`durable`: after it has reached
 * the disk), else it goes away and the target stays. Gives the first failure; `status` is consumed.
 */
ls_status ls_new_file_finish(ls_new_file *file, ls_status status, bool durable) LS_MUST_USE;

#endif
