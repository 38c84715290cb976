/*
 * blas.c: the products by OpenBLAS, one GEMM per micro-batch, always on the calling thread: concurrent calls into a
 * single-threaded build of OpenBLAS have returned garbage. A convolution is a GEMM per sample over the window's taps
 * written out as a matrix (im2col). Weights lie as in files.
 */
#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <string.h>

#include "lockstep/memory.h"
#include "tensor/panels.h"
#include "tensor/tables.h"

static int blas_int(size_t n) {
    assert(n <= INT_MAX);
    return (int)n;
}

/* C (m, n) = op(A) op(B) + beta C, rows contiguous; k is the inner length. */
static void gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const float *a, const float *b,
                 float beta, float *c) {
    if (m == 0 || n == 0) return;
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
                blas_int(m), blas_int(n), blas_int(k), 1.0f, a, blas_int(transpose_a ? m : k), b,
                blas_int(transpose_b ? k : n), beta, c, blas_int(n));
}

static void add_to(size_t count, const float *from, float *to) {
    for (size_t i = 0; i < count; i++) to[i] = from[i] + to[i];
}

/* Column sums of (rows, n), in row order. */
static void sum_columns(size_t rows, size_t n, const float *values, float *sums) {
    memset(sums, 0, n * sizeof *sums);
    for (size_t r = 0; r < rows; r++) add_to(n, values + r * n, sums);
}

/* ---- the tree over micro-batches ---- */

/* Gradient of one micro-batch, rows first .. end - 1, `count` numbers. */
typedef void partial_gradient(const void *argument, size_t first, size_t end, float *sums);

/* The sum of block b, left in `stack`, which holds the sums that wait, `count` numbers each. */
static void sum_block(const ls_microbatches *micro, size_t b, size_t count, partial_gradient *partial,
                      const void *argument, float *stack) {
    size_t depth = 0, first = micro->block[b];
    for (size_t m = first; m < micro->block[b + 1]; m++) {
        partial(argument, micro->row[m], micro->row[m + 1], stack + depth++ * count);
        for (size_t joins = ls_microbatches_joins(m - first); joins > 0; joins--, depth--)
            add_to(count, stack + (depth - 1) * count, stack + (depth - 2) * count);
    }
    for (; depth > 1; depth--) add_to(count, stack + (depth - 1) * count, stack + (depth - 2) * count);
}

/* ---- dense ---- */

size_t ls__blas_weight_size(size_t out, size_t in) {
    return out * in;
}

void ls__blas_copy_rows(size_t out, size_t in, const float *from, float *to) {
    memcpy(to, from, out * in * sizeof *to);
}

size_t ls__blas_dense_scratch(const ls_team *team, size_t rows, size_t micros, size_t out, size_t in) {
    (void)team, (void)rows;
    return ls_microbatches_depth(micros) * (out * in + out) * sizeof(float);
}

void ls__blas_dense_forward(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *x,
                            const float *weight, const float *bias, ls_activation f, float slope, float *y,
                            void *scratch) {
    (void)scratch;
    size_t rows = ls_microbatches_rows(micro);
    for (size_t r = 0; r < rows; r++) {
        if (bias) memcpy(y + r * out, bias, out * sizeof *y);
        else memset(y + r * out, 0, out * sizeof *y);
    }
    for (size_t m = 0; m < micro->count; m++) {
        size_t first = micro->row[m];
        gemm(false, true, micro->row[m + 1] - first, out, in, x + first * in, weight, 1.0f, y + first * out);
    }
    if (f != LS_ACTIVATION_NONE) ls__exact_kernels()->activate(team, rows * out, f, slope, y, y);
}

void ls__blas_dense_backward_data(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *dz,
                                  const float *weight, float *dx, void *scratch) {
    (void)team, (void)scratch;
    for (size_t m = 0; m < micro->count; m++) {
        size_t first = micro->row[m];
        gemm(false, false, micro->row[m + 1] - first, in, out, dz + first * out, weight, 0.0f, dx + first * in);
    }
}

typedef struct dense_product {
    size_t out, in;
    const float *x, *dz;
} dense_product;

static void dense_partial(const void *argument, size_t first, size_t end, float *sums) {
    const dense_product *d = argument;
    gemm(true, false, d->out, d->in, end - first, d->dz + first * d->out, d->x + first * d->in, 0.0f, sums);
    sum_columns(end - first, d->out, d->dz + first * d->out, sums + d->out * d->in);
}

void ls__blas_dense_backward_weight(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *x,
                                    const float *dz, ls_gradient dw, ls_gradient db, void *scratch) {
    (void)team;
    dense_product d = {out, in, x, dz};
    float *sums = scratch;
    for (size_t b = 0; b < micro->blocks; b++) {
        sum_block(micro, b, out * in + out, dense_partial, &d, sums);
        memcpy(dw.base + b * dw.stride, sums, out * in * sizeof *sums);
        if (db.base) memcpy(db.base + b * db.stride, sums + out * in, out * sizeof *sums);
    }
}

/* ---- convolution ---- */

size_t ls__blas_conv_weight_size(const ls_window *window) {
    return window->filters * ls__group_taps(window);
}

void ls__blas_conv_copy_rows(const ls_window *window, const float *from, float *to) {
    memcpy(to, from, ls__blas_conv_weight_size(window) * sizeof *to);
}

static size_t out_pixels(const ls_window *w) {
    return w->out_height * w->out_width;
}

/* One group's taps of one sample as a matrix (taps, pixels), and the gradients that wait in the tree. */
size_t ls__blas_conv_scratch(const ls_team *team, size_t rows, size_t micros, const ls_window *w) {
    (void)team, (void)rows;
    size_t matrix = ls__group_taps(w) * out_pixels(w);
    size_t gradient = ls__blas_conv_weight_size(w) + w->filters;
    return (matrix + ls_microbatches_depth(micros) * gradient) * sizeof(float);
}

/* Where tap (kh, kw) of output (oh, ow) lies in its plane; false in the border. */
static bool tap_at(const ls_window *w, size_t oh, size_t ow, size_t kh, size_t kw, size_t *at) {
    size_t row = oh * w->stride[0] + kh * w->dilation[0], column = ow * w->stride[1] + kw * w->dilation[1];
    if (row < w->padding[0] || row - w->padding[0] >= w->height) return false;
    if (column < w->padding[1] || column - w->padding[1] >= w->width) return false;
    *at = (row - w->padding[0]) * w->width + column - w->padding[1];
    return true;
}

/* matrix (taps, pixels) = the window's taps of the planes of one group, or the other way round, added up in `planes` */
static void unfold(const ls_window *w, const float *planes, float *matrix) {
    for (size_t tap = 0; tap < ls__group_taps(w); tap++) {
        size_t kw = tap % w->kernel[1], kh = tap / w->kernel[1] % w->kernel[0];
        const float *plane = planes + tap / w->kernel[1] / w->kernel[0] * w->height * w->width;
        for (size_t p = 0; p < out_pixels(w); p++, matrix++) {
            size_t at = 0;
            *matrix = tap_at(w, p / w->out_width, p % w->out_width, kh, kw, &at) ? plane[at] : 0;
        }
    }
}

static void fold(const ls_window *w, const float *matrix, float *planes) {
    for (size_t tap = 0; tap < ls__group_taps(w); tap++) {
        size_t kw = tap % w->kernel[1], kh = tap / w->kernel[1] % w->kernel[0];
        float *plane = planes + tap / w->kernel[1] / w->kernel[0] * w->height * w->width;
        for (size_t p = 0; p < out_pixels(w); p++, matrix++) {
            size_t at = 0;
            if (tap_at(w, p / w->out_width, p % w->out_width, kh, kw, &at)) plane[at] += *matrix;
        }
    }
}

void ls__blas_conv_forward(ls_team *team, const ls_microbatches *micro, const ls_window *w, const float *x,
                           const float *weight, const float *bias, ls_activation f, float slope, float *y,
                           void *scratch) {
    float *matrix = scratch;
    size_t rows = ls_microbatches_rows(micro), pixels = out_pixels(w), taps = ls__group_taps(w);
    size_t filters = ls__group_filters(w), plane = ls__group_channels(w) * w->height * w->width;
    for (size_t i = 0; i < rows * w->filters; i++)
        for (size_t p = 0; p < pixels; p++) y[i * pixels + p] = bias ? bias[i % w->filters] : 0;
    for (size_t i = 0; i < rows * w->groups; i++) {
        unfold(w, x + i * plane, matrix);
        gemm(false, false, filters, pixels, taps, weight + i % w->groups * filters * taps, matrix, 1.0f,
             y + i * filters * pixels);
    }
    if (f != LS_ACTIVATION_NONE) ls__exact_kernels()->activate(team, rows * w->filters * pixels, f, slope, y, y);
}

void ls__blas_conv_backward_data(ls_team *team, const ls_microbatches *micro, const ls_window *w, const float *dz,
                                 const float *weight, float *dx, void *scratch) {
    (void)team;
    float *matrix = scratch;
    size_t pixels = out_pixels(w), taps = ls__group_taps(w);
    size_t filters = ls__group_filters(w), plane = ls__group_channels(w) * w->height * w->width;
    for (size_t i = 0; i < ls_microbatches_rows(micro) * w->groups; i++) {
        memset(dx + i * plane, 0, plane * sizeof *dx);
        gemm(true, false, taps, pixels, filters, weight + i % w->groups * filters * taps, dz + i * filters * pixels,
             0.0f, matrix);
        fold(w, matrix, dx + i * plane);
    }
}

typedef struct conv_product {
    const ls_window *window;
    const float *x, *dz;
    float *matrix;
} conv_product;

static void conv_partial(const void *argument, size_t first, size_t end, float *sums) {
    const conv_product *v = argument;
    const ls_window *w = v->window;
    size_t pixels = out_pixels(w), taps = ls__group_taps(w), filters = ls__group_filters(w);
    size_t plane = ls__group_channels(w) * w->height * w->width;
    float *bias = sums + w->filters * taps;
    memset(sums, 0, (w->filters * taps + w->filters) * sizeof *sums);
    for (size_t i = first * w->groups; i < end * w->groups; i++) {
        unfold(w, v->x + i * plane, v->matrix);
        gemm(false, true, filters, taps, pixels, v->dz + i * filters * pixels, v->matrix, 1.0f,
             sums + i % w->groups * filters * taps);
    }
    for (size_t i = first * w->filters; i < end * w->filters; i++)
        for (size_t p = 0; p < pixels; p++) bias[i % w->filters] += v->dz[i * pixels + p];
}

void ls__blas_conv_backward_weight(ls_team *team, const ls_microbatches *micro, const ls_window *w, const float *x,
                                   const float *dz, ls_gradient dw, ls_gradient db, void *scratch) {
    (void)team;
    float *matrix = scratch, *sums = matrix + ls__group_taps(w) * out_pixels(w);
    conv_product v = {w, x, dz, matrix};
    size_t size = ls__blas_conv_weight_size(w);
    for (size_t b = 0; b < micro->blocks; b++) {
        sum_block(micro, b, size + w->filters, conv_partial, &v, sums);
        memcpy(dw.base + b * dw.stride, sums, size * sizeof *sums);
        if (db.base) memcpy(db.base + b * db.stride, sums + size, w->filters * sizeof *sums);
    }
}
