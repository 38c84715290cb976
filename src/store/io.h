/*
 * io.h: whole reads and writes at a place in a file, by plain system calls that tests can interpose.
 * Interrupted and short calls are continued; what cannot be is worded with the path. Local, thread-safe.
 */
#ifndef LS_STORE_IO_H
#define LS_STORE_IO_H

#include <stddef.h>
#include <stdint.h>

#include "lockstep/status.h"

/** Fills `out` from byte `offset` on; a file that ends before is a failure. */
ls_status ls__read_at(int fd, const char *path, uint64_t offset, void *out, size_t count) LS_MUST_USE;
ls_status ls__write_at(int fd, const char *path, uint64_t offset, const void *bytes, size_t count) LS_MUST_USE;
ls_status ls__sync(int fd, const char *path) LS_MUST_USE;
/** Makes a rename in the folder of `path` last. */
ls_status ls__sync_folder(const char *path) LS_MUST_USE;

#endif
