/*
 * io.h: whole reads and writes at a place in a file, by plain system calls that tests can interpose.
 * Interrupted and short calls are continued; what cannot be is worded with the path. Local, thread-safe.
 */
#ifndef LS_STORE_IO_H
#define LS_STORE_IO_H

#include <stddef.h>
#include <stdint.h>

#include "lockstep/store.h"

/** Fills `out` from byte `offset` on; a file that ends before is a failure. */
ls_status ls__read_at(int fd, const char *path, uint64_t offset, void *out, size_t count) LS_MUST_USE;
ls_status ls__write_at(int fd, const char *path, uint64_t offset, const void *bytes, size_t count) LS_MUST_USE;
ls_status ls__sync(int fd, const char *path) LS_MUST_USE;

/*
 * Direct input and output, between the caller's memory and the disk: no copy through the page cache, whose pages would
 * have to be found, filled, written out and thrown away again. It wants whole pages (LS_STORE_PAGE) at page boundaries,
 * in the file and in memory, and not every file system has it.
 */
/** A second handle on the file that is open as `fd`; -1 where there is none to be had. */
int ls__open_direct(int fd, const char *path);
/**
 * Moves the whole pages at the front of a range, and returns how many bytes that were: 0 for ranges that are small or
 * lie askew, or for `fd` -1; less than all after any error. It is no failure: what is left goes the usual way, which
 * words the error if it is met again.
 */
size_t ls__read_direct(int fd, uint64_t offset, void *out, size_t count);
size_t ls__write_direct(int fd, uint64_t offset, const void *bytes, size_t count);
/** Makes a rename in the folder of `path` last. */
ls_status ls__sync_folder(const char *path) LS_MUST_USE;

#endif
