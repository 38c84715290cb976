/*
 * kernels.c: how near the products come to this core's peak. Built with the tests, never run by them.
 *
 *      kernels [math ...]      exact and blas where none is named; one thread
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/clock.h"
#include "lockstep/memory.h"
#include "lockstep/tensor.h"
#include "tensor/kernels.h"

static float *numbers(size_t count) {
    void *block = NULL;
    if (ls_block_create(count + 4096, sizeof(float), "numbers", &block) != LS_OK) abort();
    float *value = block;
    for (size_t i = 0; i < count; i++) value[i] = (float)((i * 7919) % 1000) * 1e-3f - 0.5f;
    return value;
}

/* ---- products ---- */

typedef struct bench {
    ls_team *team;
    const ls_kernels *kernels;
    ls_microbatches micro;
    double peak;
} bench;

/* Best time of one call; every trial lasts some milliseconds. */
typedef void call(void *argument);
static double best_time(call *f, void *argument) {
    double best = 1e9;
    size_t repeat = 1;
    for (int trial = 0; trial < 25; trial++) {
        double start = ls_clock_now();
        for (size_t i = 0; i < repeat; i++) f(argument);
        double time = (ls_clock_now() - start) / (double)repeat;
        if (time < best) best = time;
        if (trial == 0 && time < 5e-3) repeat = (size_t)(5e-3 / (time + 1e-9)) + 1;
    }
    return best;
}

typedef struct layer {
    bench *b;
    size_t out, in;
    const ls_window *window; /* NULL: dense */
    float *x, *weight, *bias, *y, *dz, *dx, *dw, *db;
    void *scratch;
} layer;

static void run_forward(void *argument) {
    layer *l = argument;
    if (l->window)
        l->b->kernels->conv_forward(l->b->team, &l->b->micro, l->window, l->x, l->weight, l->bias, LS_ACTIVATION_RELU,
                                    0, l->y, l->scratch);
    else
        l->b->kernels->dense_forward(l->b->team, &l->b->micro, l->out, l->in, l->x, l->weight, l->bias,
                                     LS_ACTIVATION_RELU, 0, l->y, l->scratch);
}
static void run_data(void *argument) {
    layer *l = argument;
    if (l->window)
        l->b->kernels->conv_backward_data(l->b->team, &l->b->micro, l->window, l->dz, l->weight, l->dx, l->scratch);
    else
        l->b->kernels->dense_backward_data(l->b->team, &l->b->micro, l->out, l->in, l->dz, l->weight, l->dx,
                                           l->scratch);
}
static void run_weight(void *argument) {
    layer *l = argument;
    ls_gradient dw = {l->dw, 0}, db = {l->db, 0};
    if (l->window)
        l->b->kernels->conv_backward_weight(l->b->team, &l->b->micro, l->window, l->x, l->dz, dw, db, l->scratch);
    else
        l->b->kernels->dense_backward_weight(l->b->team, &l->b->micro, l->out, l->in, l->x, l->dz, dw, db, l->scratch);
}

static size_t rows_of(const bench *b) {
    return ls_microbatches_rows(&b->micro);
}

static void make_layer(bench *b, size_t out, size_t in, const ls_window *w, layer *l) {
    size_t rows = rows_of(b), micros = b->micro.count;
    size_t x = w ? w->channels * w->height * w->width : in, y = w ? w->filters * w->out_height * w->out_width : out;
    size_t weights = w ? b->kernels->conv_weight_size(w) : b->kernels->weight_size(out, in);
    size_t scratch = w ? b->kernels->conv_scratch(b->team, rows, micros, w)
                       : b->kernels->dense_scratch(b->team, rows, micros, out, in);
    *l = (layer){b, out, in, w, numbers(rows * x), numbers(weights), numbers(y), numbers(rows * y), numbers(rows * y),
                 numbers(rows * x), numbers(weights), numbers(y), numbers(scratch / sizeof(float))};
}

static void free_layer(layer *l) {
    float *all[] = {l->x, l->weight, l->bias, l->y, l->dz, l->dx, l->dw, l->db, l->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ls_block_destroy(all[i]);
}

/* Seconds of forward, dW and (unless it is the first layer) dx; prints shares of peak. */
static double bench_layer(bench *b, size_t out, size_t in, const ls_window *w, bool first) {
    layer l;
    make_layer(b, out, in, w, &l);
    double flops = 2 * (double)rows_of(b) * (double)out * (double)in;
    if (w) flops *= (double)(w->out_height * w->out_width);
    double forward = best_time(run_forward, &l), data = best_time(run_data, &l), weight = best_time(run_weight, &l);
    printf("    %4zux%zux%zu%s: forward %5.1f %%, dx %5.1f %%, dW %5.1f %%   (%.0f, %.0f, %.0f us)\n", rows_of(b), in,
           out, w ? " conv" : "", 100 * flops / forward / b->peak, 100 * flops / data / b->peak,
           100 * flops / weight / b->peak, 1e6 * forward, 1e6 * data, 1e6 * weight);
    free_layer(&l);
    return forward + weight + (first ? 0 : data);
}

static double bench_network(bench *b, const size_t *size, size_t layers) {
    double time = 0, flops = 0;
    for (size_t i = 0; i < layers; i++) {
        time += bench_layer(b, size[i + 1], size[i], NULL, i == 0);
        flops += 2 * (double)rows_of(b) * (double)size[i] * (double)size[i + 1] * (i ? 3 : 2);
    }
    printf("    sum: %.1f us, %.1f %% of peak\n", 1e6 * time, 100 * flops / time / b->peak);
    return time;
}

/* ---- loops that are no products ---- */

typedef struct loops {
    bench *b;
    size_t rows, n;
    ls_window window;
    float *x, *y, *z, *mean, *inverse;
    uint32_t *where;
    ls_activation f;
} loops;

static void run_activation(void *argument) {
    loops *l = argument;
    l->b->kernels->activate(l->b->team, l->rows * l->n, l->f, 0.01f, l->x, l->y);
}
static void run_gelu(void *argument) {
    loops *l = argument;
    l->b->kernels->apply(l->b->team, l->rows * l->n, LS_FUNCTION_GELU, 0, l->x, l->y);
}
static void run_sin(void *argument) {
    loops *l = argument;
    l->b->kernels->apply(l->b->team, l->rows * l->n, LS_FUNCTION_SIN, 0, l->x, l->y);
}
static void run_softmax(void *argument) {
    loops *l = argument;
    l->b->kernels->softmax(l->b->team, l->rows, l->n, l->x, l->y, l->mean);
}
static void run_layer_norm(void *argument) {
    loops *l = argument;
    l->b->kernels->layer_norm(l->b->team, l->rows, l->n, 1e-5f, l->x, l->z, l->z, l->y, l->mean, l->inverse);
}
static void run_max_pool(void *argument) {
    loops *l = argument;
    l->b->kernels->max_pool_forward(l->b->team, l->rows, &l->window, l->x, l->y, l->where);
}
static void run_max_pool_backward(void *argument) {
    loops *l = argument;
    l->b->kernels->max_pool_backward(l->b->team, l->rows, &l->window, l->y, l->where, l->x);
}
static void run_avg_pool(void *argument) {
    loops *l = argument;
    l->b->kernels->avg_pool_forward(l->b->team, l->rows, &l->window, l->x, l->y);
}

static void bench_loop(const char *name, call *run, loops *l) {
    double time = best_time(run, l);
    printf("    %-20s %4zux%-6zu %7.3f ns an element, %.1f us\n", name, l->rows, l->n,
           1e9 * time / (double)(l->rows * l->n), 1e6 * time);
}

static void bench_loops(bench *b) {
    loops l = {.b = b, .rows = 64, .n = 6272, .window = {32, 28, 28, 32, 14, 14, {2, 2}, {2, 2}, {0, 0}, {1, 1}, 1}};
    size_t count = 64 * 32 * 28 * 28;
    l.x = numbers(count);
    l.y = numbers(count);
    l.z = numbers(count);
    l.mean = numbers(64);
    l.inverse = numbers(64);
    l.where = (uint32_t *)(void *)numbers(count);
    static const char *const names[] = {"none", "relu", "leaky_relu", "sigmoid", "tanh", "hard_tanh", "softsign"};
    l.n = 512;
    for (l.f = LS_ACTIVATION_RELU; l.f <= LS_ACTIVATION_SOFTSIGN; l.f++) bench_loop(names[l.f], run_activation, &l);
    bench_loop("gelu", run_gelu, &l);
    bench_loop("sin", run_sin, &l);
    bench_loop("softmax", run_softmax, &l);
    bench_loop("layer_norm", run_layer_norm, &l);
    l.n = 10;
    bench_loop("softmax", run_softmax, &l);
    l.n = 32 * 28 * 28;
    bench_loop("max_pool 2", run_max_pool, &l);
    bench_loop("max_pool 2 backward", run_max_pool_backward, &l);
    bench_loop("avg_pool 2", run_avg_pool, &l);
    float *all[] = {l.x, l.y, l.z, l.mean, l.inverse, (float *)(void *)l.where};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ls_block_destroy(all[i]);
}

static void cut_rows(bench *b, size_t *row, size_t rows, size_t size) {
    static const size_t block[1][2] = {{0, 0}};
    size_t count = 0;
    for (size_t r = 0; r < rows; r += size) row[count++] = r;
    row[count] = rows;
    b->micro = (ls_microbatches){.count = count, .row = row, .blocks = 1, .block = block[0], .batch = rows};
}

static void bench_math(const char *name, double peak) {
    const ls_math *math = ls_math_find(name);
    if (!math) {
        printf("%s: not on this machine\n", name);
        return;
    }
    bench b = {.kernels = ls_math_kernels(math), .peak = peak};
    if (ls_team_create(1, &b.team) != LS_OK) abort();
    printf("%s: %s\n", name, ls_math_description(math));
    size_t row[1024], block[2] = {0, 0};
    static const struct {
        size_t rows, micro, layers, size[5];
    } networks[] = {
        {64, 32, 3, {784, 512, 512, 10}}, {64, 8, 3, {784, 128, 64, 10}},      {16, 16, 3, {784, 512, 512, 10}},
        {64, 32, 2, {1024, 1024, 1024}},  {64, 32, 3, {3072, 4096, 4096, 10}}, {256, 32, 3, {784, 512, 512, 10}},
    };
    for (size_t n = 0; n < sizeof networks / sizeof *networks; n++) {
        cut_rows(&b, row, networks[n].rows, networks[n].micro);
        block[1] = b.micro.count;
        b.micro.block = block;
        printf("  %zu samples in micro-batches of %zu\n", networks[n].rows, networks[n].micro);
        bench_network(&b, networks[n].size, networks[n].layers);
    }
    const ls_window windows[] = {
        {1, 28, 28, 32, 28, 28, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1},
        {32, 14, 14, 64, 14, 14, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1},
        {64, 16, 16, 128, 8, 8, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 1},
    };
    cut_rows(&b, row, 64, 32);
    block[1] = b.micro.count;
    b.micro.block = block;
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        bench_layer(&b, windows[i].filters, windows[i].channels * 9, &windows[i], i == 0);
    bench_loops(&b);
    ls_team_destroy(b.team);
}

int main(int argc, char **argv) {
    double peak = ls_math_peak();
    printf("peak of one core: %.1f GFLOP/s\n", 1e-9 * peak);
    if (argc == 1) {
        bench_math("exact", peak);
        bench_math("blas", peak);
    }
    for (int i = 1; i < argc; i++) bench_math(argv[i], peak);
    return 0;
}
