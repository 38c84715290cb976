#include <string.h>

#include "cli/bench/bench.h"
#include "lockstep/random.h"
#include "lockstep/store.h"

#define DENSE2(a, b) "[{dense: {units: " #a "}}, relu, {dense: {units: " #b "}}, relu, {dense: {units: 10}}]"
#define CONV(filters) "{conv2d: {filters: " #filters ", kernel: 3, padding: 1}}, relu, {max_pool: {size: 2}}"

const cli_network cli_networks[] = {
    {.name = "784-512-512-10", .layers = DENSE2(512, 512), .input = {1, {784}}, .flops = 3.2e6},
    {.name = "784-128-64-10", .layers = DENSE2(128, 64), .input = {1, {784}}, .flops = 4.5e5},
    {.name = "784-1024-1024-10", .layers = DENSE2(1024, 1024), .input = {1, {784}}, .flops = 9.6e6},
    {.name = "3072-4096-4096-10", .layers = DENSE2(4096, 4096), .input = {1, {3072}}, .flops = 1.5e8, .large = true},
    {.name = "conv 32-64, 128-10",
     .layers = "[" CONV(32) ", " CONV(64) ", flatten, {dense: {units: 128}}, relu, {dense: {units: 10}}]",
     .input = {3, {1, 28, 28}},
     .flops = 2.5e7},
    {0},
};

/* Four values in [0, 1) a draw; a value is a function of its position. */
static void draw_rows(const cli_network *network, size_t first, size_t rows, float *x, int32_t *y) {
    size_t width = ls_shape_size(network->input);
    for (size_t i = 0; i < rows * width; i += 4) {
        ls_draw draw = ls_random(1, LS_PURPOSE_TEST, 0, (uint64_t)first * width + i, 0);
        for (size_t k = 0; k < 4 && i + k < rows * width; k++) x[i + k] = ls_random_unit(draw.word[k]);
    }
    for (size_t i = 0; i < rows; i++)
        y[i] = (int32_t)ls_random_below(ls_random(1, LS_PURPOSE_TEST, 1, first + i, 0), CLI_BENCH_CLASSES);
}

enum { ROWS_AT_ONCE = 256 };

static ls_status write_rows(ls_store_writer *writer, const cli_network *network, size_t samples, size_t xs, size_t ys) {
    void *x = NULL, *y = NULL;
    LS_TRY(ls_block_create(ROWS_AT_ONCE * ls_shape_size(network->input), sizeof(float), "random samples", &x));
    ls_status status = ls_block_create(ROWS_AT_ONCE, sizeof(int32_t), "random classes", &y);
    for (size_t first = 0; first < samples && status == LS_OK; first += ROWS_AT_ONCE) {
        size_t rows = samples - first < ROWS_AT_ONCE ? samples - first : ROWS_AT_ONCE;
        draw_rows(network, first, rows, x, y);
        status = ls_store_append(writer, xs, x, rows);
        if (status == LS_OK) status = ls_store_append(writer, ys, y, rows);
    }
    ls_block_destroy(x);
    ls_block_destroy(y);
    return status;
}

ls_status cli_bench_write_data(const cli_network *network, size_t samples, const char *path) {
    ls_store_writer *writer = NULL;
    size_t dim[1 + LS_MAX_RANK] = {samples}, xs = 0, ys = 0;
    memcpy(dim + 1, network->input.dim, network->input.rank * sizeof *dim);
    LS_TRY(ls_store_create(path, NULL, &writer));
    ls_status status = ls_store_add(writer, "/train/x", LS_DTYPE_F32, 1 + network->input.rank, dim, LS_PART_STATE, &xs);
    if (status == LS_OK) status = ls_store_add(writer, "/train/y", LS_DTYPE_I32, 1, dim, LS_PART_STATE, &ys);
    if (status == LS_OK) status = ls_store_seal(writer);
    if (status == LS_OK) status = write_rows(writer, network, samples, xs, ys);
    if (status == LS_OK) status = ls_store_commit(writer, NULL, NULL);
    ls_store_writer_destroy(writer);
    return status;
}
