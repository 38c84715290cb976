#include <string.h>

#include "cli/bench/bench.h"
#include "lockstep/clock.h"
#include "lockstep/memory.h"
#include "lockstep/reducer.h"

enum { TRIES = 5 };
/* Far more than the caches hold. */
static const size_t copy_bytes = (size_t)128 << 20, gradient_count = (size_t)16 << 20;

/* ---- copying -------------------------------------------------------------------------------------------------- */

static double copy_rate(char *to, const char *from) {
    double best = 0;
    for (size_t i = 0; i < TRIES; i++) {
        double start = ls_clock_now();
        memcpy(to, from, copy_bytes);
        __asm__ volatile("" ::: "memory"); /* the copy is wanted, though nobody reads it */
        double rate = 2 * (double)copy_bytes / (ls_clock_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static ls_status add_up(ls_comm *comm, double mine, double *total) {
    void *all = NULL;
    ls_status status = ls_block_create(ls_comm_size(comm), sizeof(double), "the rates of all ranks", &all);
    status = ls_comm_agree(comm, status);
    if (status == LS_OK) status = ls_comm_gather(comm, &mine, sizeof mine, all);
    const double *rates = all;
    *total = 0;
    for (size_t i = 0; status == LS_OK && ls_comm_first(comm) && i < ls_comm_size(comm); i++) *total += rates[i];
    ls_block_destroy(all);
    return status;
}

/* First rank 0 alone, then all together. */
static ls_status measure_copies(ls_comm *comm, cli_bench_machine *out) {
    void *from = NULL, *to = NULL;
    ls_status status = ls_block_create(copy_bytes, 1, "the copies", &from);
    if (status == LS_OK) status = ls_block_create(copy_bytes, 1, "the copies", &to);
    status = ls_comm_agree(comm, status);
    if (status == LS_OK && ls_comm_first(comm)) {
        memset(from, 1, copy_bytes);
        out->peak = ls_math_peak();
        out->one_copy = copy_rate(to, from);
    }
    if (status == LS_OK) status = ls_comm_broadcast(comm, 0, &out->peak, sizeof out->peak);
    if (status == LS_OK) {
        memset(from, 1, copy_bytes);
        memset(to, 1, copy_bytes);
        status = ls_comm_barrier(comm);
    }
    if (status == LS_OK) status = add_up(comm, copy_rate(to, from), &out->all_copy);
    ls_block_destroy(from);
    ls_block_destroy(to);
    return status;
}

/* ---- reduction ------------------------------------------------------------------------------------------------ */

/* Every rank's gradient is read once, and every node's sum written once. */
static ls_status time_reductions(ls_comm *comm, const ls_params *params, ls_reducer *reducer, double *rate) {
    double bytes =
        (double)((ls_comm_size(comm) + ls_comm_nodes(comm)) * ls_params_gradient_arena(params)) * sizeof(float);
    for (size_t i = 0; i < TRIES; i++) {
        LS_TRY(ls_comm_barrier(comm));
        double start = ls_clock_now();
        LS_TRY(ls_reducer_start(reducer, ls_comm_size(comm)));
        LS_TRY(ls_reducer_ready(reducer, 0));
        LS_TRY(ls_reducer_finish(reducer));
        LS_TRY(ls_reducer_distribute(reducer));
        LS_TRY(ls_reducer_await(reducer, LS_ALL_WEIGHTS));
        double found = bytes / (ls_clock_now() - start);
        if (found > *rate) *rate = found;
    }
    return LS_OK;
}

static ls_status add_weight(ls_params *params) {
    ls_param weight = {.layer = "all", .name = "weight", .shape = {1, {gradient_count}}, .groups = 1};
    size_t index;
    LS_TRY(ls_params_add(params, &weight, &index));
    return ls_params_layout(params);
}

static ls_status measure_reduction(ls_comm *comm, double *rate) {
    ls_params *params = NULL;
    ls_reducer *reducer = NULL;
    ls_status status = ls_params_create(ls_math_find("exact"), &params);
    if (status == LS_OK) status = add_weight(params);
    status = ls_comm_agree(comm, status);
    ls_reducer_options options = {.params = params, .batch = ls_comm_size(comm), .microbatch = 1};
    if (status == LS_OK) status = ls_reducer_create(comm, &options, &reducer);
    if (status == LS_OK) status = time_reductions(comm, params, reducer, rate);
    ls_reducer_destroy(reducer);
    ls_params_destroy(params);
    return status;
}

ls_status cli_bench_measure(ls_comm *comm, cli_bench_machine *out) {
    *out = (cli_bench_machine){0};
    LS_TRY(measure_copies(comm, out));
    return ls_comm_size(comm) > 1 ? measure_reduction(comm, &out->reduction) : LS_OK;
}
