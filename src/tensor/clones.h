/*
 * clones.h: one loop, compiled for several instruction sets.
 *
 * LS_CLONES before a function makes the compiler emit it for AVX-512, AVX2 and the baseline; the fastest that the
 * processor has is bound when the program is loaded. Only for elementwise loops and fixed lanes, in which every
 * operation is rounded by itself: then all versions give the same bits (contraction is off, and no target implies it).
 * LS_NO_CLONES leaves the version that the compiler's own options name, so that a test can compare them. So does a
 * clang before 18, which gives the clones names that cannot be linked.
 */
#ifndef LOCKSTEP_TENSOR_CLONES_H
#define LOCKSTEP_TENSOR_CLONES_H

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(LS_NO_CLONES) &&                                         \
    (!defined(__clang__) || __clang_major__ >= 18)
#define LS_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LS_CLONES
#endif

#endif
