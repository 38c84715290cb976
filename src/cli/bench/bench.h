/*
 * bench.h: how fast this machine trains, against its own limits, by the product itself: a data set in a file, a
 * configuration, the trainer. machine.c measures what the machine can do, network.c has the networks and their data,
 * measure.c trains one of them.
 */
#ifndef LOCKSTEP_CLI_BENCH_H
#define LOCKSTEP_CLI_BENCH_H

#include "cli/experiment.h"

typedef struct cli_bench_machine {
    double peak;               /* FLOP/s of a core */
    double one_copy, all_copy; /* bytes/s read and written, by one rank and by all at once */
    double reduction;          /* bytes/s of gradients read and of their sums written, by all; 1 rank: 0 */
} cli_bench_machine;

/* Collective; all but the peak is set on rank 0. */
ls_status cli_bench_measure(ls_comm *comm, cli_bench_machine *out) LS_MUST_USE;

typedef struct cli_network {
    const char *name;
    const char *layers; /* as in a configuration */
    ls_shape input;
    double flops; /* about, a sample: to choose how many steps to take */
    bool large;   /* left out by --quick */
} cli_network;

enum { CLI_BENCH_CLASSES = 10, CLI_BENCH_SECTIONS = 8, CLI_BENCH_MICROBATCH = 32 };

/* The sections of a step, by the names of report.json. */
extern const char *const cli_bench_sections[CLI_BENCH_SECTIONS];

/* All networks; the last has no name. */
extern const cli_network cli_networks[];

/* Writes `samples` random samples: /train/x float32, /train/y classes. Local. */
ls_status cli_bench_write_data(const cli_network *network, size_t samples, const char *path) LS_MUST_USE;

typedef struct cli_bench_plan {
    const char *folder;  /* of temporary files, the same on all nodes */
    double peak;         /* of one core */
    double seconds;      /* about, a network */
    size_t rank_samples; /* a step and rank */
    size_t threads;      /* 0: auto */
    bool warns;          /* once is enough */
} cli_bench_plan;

typedef struct cli_bench_result {
    const cli_network *network;
    size_t batch, steps;
    uint64_t parameters, threads;
    double flops;                       /* a sample, forward and backward */
    double seconds;                     /* a step */
    double section[CLI_BENCH_SECTIONS]; /* of it, mean over ranks */
    double samples_per_second;          /* without the first tenth of the steps */
    double share;                       /* of the peak of all cores in use */
} cli_bench_result;

/* Trains one network. Collective; the result is set on rank 0. */
ls_status cli_bench_train(cli *cli, const cli_bench_plan *plan, const cli_network *network,
                          cli_bench_result *out) LS_MUST_USE;

#endif
