/*
 * One shared step against MPI_Allreduce and a replicated update: gradients of 3 M parameters, momentum SGD, alternating
 * in one run. Prints the medians and the ratio of the pairs.
 *
 *     mpirun -n 2 tests/bench.reducer [parameters] [rounds] [ranks per node]
 */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/clock.h"
#include "lockstep/memory.h"
#include "lockstep/reducer.h"
#include "tensor/clones.h"

enum { FEW = 1024 };

typedef struct rival {
    float *weights, *gradient, *sum, *velocity;
    size_t count;
} rival;

static void must(ls_status status) {
    if (status == LS_OK) return;
    fprintf(stderr, "%s\n", ls_status_message(status));
    exit(ls_status_exit(status));
}

/* Blocks of a constant length are vectorised at every level of optimisation. */
LS_CLONES static void update(size_t count, float *restrict w, const float *restrict g, float *restrict v) {
    for (size_t at = 0; at < count; at += LS_GRAIN) {
        for (size_t i = at; i < at + LS_GRAIN; i++) {
            v[i] = 0.9f * v[i] + g[i];
            w[i] -= 0.01f * v[i];
        }
    }
}

static void fill(float *gradient, size_t count, size_t round) {
    for (size_t i = 0; i < count; i++) gradient[i] = (float)((i + round) % 1000) * 1e-5f;
}

static double step_of_reducer(ls_reducer *r, ls_exchange *x, size_t count, size_t round) {
    size_t stride, pieces;
    const ls_piece *piece;
    fill(ls_reducer_gradients(r, &stride), count, round);
    MPI_Barrier(MPI_COMM_WORLD);
    double begin = ls_clock_now();
    must(ls_reducer_start(r, FEW));
    must(ls_reducer_ready(r, 0));
    must(ls_reducer_finish(r));
    ls_reducer_pieces(r, &piece, &pieces);
    ls_exchange_clear(x);
    for (size_t p = 0; p < pieces; p++)
        for (size_t g = 0; g < piece[p].count / LS_GRAIN; g++) ls_sum_add(ls_exchange_sum(x, 0), piece[p].norms[g]);
    must(ls_exchange_run(x));
    for (size_t p = 0; p < pieces; p++) update(piece[p].count, piece[p].weights, piece[p].gradient, piece[p].slots[0]);
    must(ls_reducer_distribute(r));
    must(ls_reducer_await(r, LS_ALL_WEIGHTS));
    return ls_clock_now() - begin;
}

static double step_of_allreduce(rival *v, size_t round) {
    fill(v->gradient, v->count, round);
    MPI_Barrier(MPI_COMM_WORLD);
    double begin = ls_clock_now();
    MPI_Allreduce(v->gradient, v->sum, (int)v->count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    update(v->count, v->weights, v->sum, v->velocity);
    MPI_Barrier(MPI_COMM_WORLD);
    return ls_clock_now() - begin;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

static float *block_of(size_t count) {
    void *block = NULL;
    must(ls_block_create(count, sizeof(float), "a benchmark", &block));
    return block;
}

int main(int argc, char **argv) {
    size_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 3000000;
    size_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 101;
    const ls_comm_options start = {.deadline = 60, .ranks_per_node = argc > 3 ? strtoull(argv[3], NULL, 10) : 0};
    ls_comm *comm;
    must(ls_comm_start(&start, &comm));
    if (ls_comm_size(comm) == 1) {
        printf("to be run with two ranks or more: mpirun -n 2 %s\n", argv[0]);
        return 77;
    }
    ls_params *params;
    size_t index;
    must(ls_params_create(ls_math_find("exact-scalar"), &params));
    must(ls_params_add(params, &(ls_param){.layer = "all", .name = "weight", .shape = {1, {wanted}}, .groups = 1},
                       &index));
    must(ls_params_layout(params));
    size_t count = ls_params_arena(params);
    const ls_reducer_options options = {
        .params = params, .batch = FEW, .microbatch = FEW / ls_comm_size(comm), .slots = 1};
    ls_reducer *r;
    ls_exchange *x;
    must(ls_reducer_create(comm, &options, &r));
    must(ls_exchange_create(comm, 1, 0, &x));
    rival v = {block_of(count), block_of(count), block_of(count), block_of(count), count};
    double *ours = calloc(rounds, sizeof *ours), *theirs = calloc(rounds, sizeof *theirs),
           *ratio = calloc(rounds, sizeof *ratio);
    for (size_t i = 0; i < 5; i++) (void)step_of_reducer(r, x, count, i), (void)step_of_allreduce(&v, i);
    for (size_t i = 0; i < rounds; i++) {
        ours[i] = step_of_reducer(r, x, count, i);
        theirs[i] = step_of_allreduce(&v, i);
        ratio[i] = theirs[i] / ours[i];
    }
    if (ls_comm_first(comm))
        printf(
            "%zu parameters, %zu ranks, %zu nodes: shared step %.3f ms, MPI_Allreduce and replicated update %.3f ms, "
            "median ratio %.2f\n",
            count, ls_comm_size(comm), ls_comm_nodes(comm), 1e3 * median(ours, rounds), 1e3 * median(theirs, rounds),
            median(ratio, rounds));
    free(ours), free(theirs), free(ratio);
    ls_block_destroy(v.weights), ls_block_destroy(v.gradient), ls_block_destroy(v.sum), ls_block_destroy(v.velocity);
    ls_exchange_destroy(x);
    ls_reducer_destroy(r);
    ls_params_destroy(params);
    ls_comm_finish(comm);
    return 0;
}
