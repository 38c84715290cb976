/*
 * folder.h (private): the folder of checkpoints: names, links, what stays. No HDF5.
 */
#ifndef LS_CHECKPOINT_FOLDER_H
#define LS_CHECKPOINT_FOLDER_H

#include "lockstep/checkpoint.h"

/** "FOLDER/NAME"; NULL where memory is out. Yours to free(). */
char *ls__path_join(const char *folder, const char *name);

/** The steps of all checkpoints in `folder`, newest first. Yours to free(). */
ls_status ls__folder_list(const char *folder, uint64_t **steps, size_t *count) LS_MUST_USE;

/** Makes the symbolic link FOLDER/`name` point to the checkpoint of `step`; `tag` makes the name in between unique. */
ls_status ls__folder_link(const char *folder, const char *name, uint64_t step, const char *tag) LS_MUST_USE;

/**
 * After a verified save of `step`: deletes all but the `keep` newest up to it and what best.h5 names. Checkpoints of
 * later steps belong to a course that the run has left; they are set aside as "superseded-step-...", so that nothing
 * resumes from them and nothing is lost; best.h5 goes where it names one of them.
 */
ls_status ls__folder_retain(const char *folder, uint64_t step, size_t keep) LS_MUST_USE;

/** Makes the folder (and its parents), and removes temporary files of generations before `generation`. */
ls_status ls__folder_prepare(const char *folder, uint64_t generation) LS_MUST_USE;

#endif
