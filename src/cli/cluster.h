/*
 * cluster.h: what `check --cluster` finds out about the machines of a job.
 */
#ifndef LOCKSTEP_CLI_CLUSTER_H
#define LOCKSTEP_CLI_CLUSTER_H

#include "cli/cli.h"

/*
 * Prints a table of the nodes: ranks, cores, kernels, shared memory, and latency, bandwidth and clock as seen from rank
 * 0. Warns of what differs or will not do; refuses what would change bits: other versions and byte orders, and, where
 * `blas` says that the experiment has math: blas, other types of cores. Collective.
 */
ls_status cli_check_cluster(cli *cli, bool blas) LS_MUST_USE;

#endif
