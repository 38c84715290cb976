/*
 * fuzz.h: entries for bytes that somebody else chose. libFuzzer calls them (see LOCKSTEP_FUZZ in tests/CMakeLists.txt),
 * and so do tests with mutations of good inputs.
 */
#ifndef LOCKSTEP_TESTS_FUZZ_H
#define LOCKSTEP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** One entry per program, under the name that libFuzzer looks for. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/** What fuzz_dataset.c does with a file: lists and reads it. Gives the arrays listed. */
size_t support_read_store(const char *path);

/** Puts bytes into a file, as HDF5 opens no nameless ones, which `use` may look at; it is removed then. */
void support_fuzz_file(const uint8_t *bytes, size_t length, void (*use)(const char *path));

/** Changes a few bytes, the same ones for one seed; `length` of `space` are used. Returns the new length. */
size_t support_mutate(uint64_t seed, uint8_t *bytes, size_t length, size_t space);

/** Calls an entry with so many mutations of a good input. */
void support_fuzz(const void *bytes, size_t length, uint64_t mutations, int (*entry)(const uint8_t *, size_t));

#endif
