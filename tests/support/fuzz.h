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

#endif
