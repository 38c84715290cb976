/*
 * faults.h: makes the system calls of this process fail on purpose. A test program that calls these functions gets its
 * own open, write, pwrite, fsync, ftruncate, fallocate, rename and unlink; they count, and do as asked at the k-th call
 * from faults_begin() on. Single-threaded.
 */
#ifndef LOCKSTEP_TESTS_FAULTS_H
#define LOCKSTEP_TESTS_FAULTS_H

typedef enum faults_kind {
    FAULTS_COUNT,   /* only count */
    FAULTS_FAIL,    /* the call returns -1 with errno EIO, once */
    FAULTS_FULL,    /* this and all later writes return -1 with ENOSPC */
    FAULTS_SHORT,   /* a write takes half of its bytes, once; other calls work */
    FAULTS_CORRUPT, /* a write flips one bit, once; other calls work */
    FAULTS_DIE,     /* the process ends at once, with exit code 99, before the call */
} faults_kind;

void faults_begin(faults_kind kind, long call);
/** Back to normal. Returns how many calls were counted. */
long faults_end(void);

#endif
