/*
 * launch.h: who started this process, read from the environment before MPI is touched.
 */
#ifndef LOCKSTEP_COMM_LAUNCH_H
#define LOCKSTEP_COMM_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ls__launch {
    bool parallel;        /* a launcher started this process: MPI is to be initialised */
    size_t size;          /* how many ranks the launcher says there are; 0: it does not say */
    size_t rank;          /* which one this is */
    const char *launcher; /* for messages */
} ls__launch;

ls__launch ls__launch_read(void);

/**
 * What slows a job of several hosts down though it works, or NULL. `folder` is where the kernel lists InfiniBand
 * devices, /sys/class/infiniband.
 */
const char *ls__launch_advice(const char *folder);

#endif
