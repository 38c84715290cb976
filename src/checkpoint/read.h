/*
 * read.h (private): parts of a checkpoint that restoring and saving share with reading.
 */
#ifndef LS_CHECKPOINT_READ_H
#define LS_CHECKPOINT_READ_H

#include "lockstep/checkpoint.h"

/** The file's path of a parameter, or of its slot where `slot` is not NULL. */
void ls__param_path(const ls_param *param, const char *slot, char *out, size_t size);

/** Elements of the largest parameter in file layout. */
size_t ls__largest_parameter(const ls_params *params);

/** LS_ERR_DATA, with all misfits of names and shapes; `with_slots`: also where the file has other slots than these. */
ls_status ls__checkpoint_check(ls_checkpoint *checkpoint, const ls_params *params, size_t slots,
                               const char *const *slot_names, bool with_slots) LS_MUST_USE;

/** The values of one parameter, or of its slot, in file layout. */
ls_status ls__checkpoint_read_param(ls_checkpoint *checkpoint, const ls_param *param, const char *slot,
                                    float *values) LS_MUST_USE;

#endif
