/*
 * nodes_program.c: what nodes.sh runs across nodes, in the program's place.
 *
 *     nodes_program places              every rank tells "rank 3 of 6 on n2, 2 here", then all meet
 *     nodes_program train RUN_DIR N     with N ranks or more it steps for ever, with fewer for 20 steps; rank 0 keeps
 *                                       RUN_DIR/status.json as the program does
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int write_status(const char *folder, int step) {
    char path[4096], fresh[4096 + 8];
    snprintf(path, sizeof path, "%s/status.json", folder);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    if (!file) return -1;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(file, "{\"step\": %d, \"time\": %lld.%03ld, \"result\": null}\n", step, (long long)now.tv_sec,
            now.tv_nsec / 1000000);
    return fclose(file) || rename(fresh, path);
}

static void train(const char *folder, int full, int rank, int size) {
    for (int step = 1; size >= full || step <= 20; ++step) {
        int sum = 0;
        MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        if (sum != size * (size - 1) / 2) MPI_Abort(MPI_COMM_WORLD, 3);
        if (rank == 0 && write_status(folder, step)) MPI_Abort(MPI_COMM_WORLD, 74);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

static void tell_place(int rank, int size) {
    char host[MPI_MAX_PROCESSOR_NAME];
    int length, here;
    MPI_Comm node;
    MPI_Get_processor_name(host, &length);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &here);
    MPI_Comm_free(&node);
    printf("rank %d of %d on %s, %d here\n", rank, size, host, here);
    MPI_Barrier(MPI_COMM_WORLD);
}

int main(int count, char **words) {
    int rank, size;
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (count == 4 && strcmp(words[1], "train") == 0) {
        train(words[2], (int)strtol(words[3], NULL, 10), rank, size);
    } else {
        tell_place(rank, size);
    }
    MPI_Finalize();
    return 0;
}
