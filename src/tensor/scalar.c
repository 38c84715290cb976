/*
 * scalar.c: the oracle. Every product as its definition in kernels.h says it, one number at a time, for any processor.
 * Compiled for float and for double (gradient checks).
 */
#include "tensor/panels.h"
#include "tensor/rowwise.h"
#include "tensor/tables.h"

/* y = f(y) over n numbers */
static void activate_some(ls_activation f, real slope, size_t n, real *y) {
    if (f == LS_ACTIVATION_NONE) return;
    for (size_t j = 0; j < n; j += LANES)
        lanes_store_some(y + j, group(n, j),
                         lanes_activate(f, lanes_set(slope), lanes_load_some(y + j, group(n, j), 0)));
}

/* ---- sums over micro-batches ---- */

/* One element of a weight gradient: its sum over the samples of a micro-batch. */
typedef real partial_sum(const void *argument, size_t first_row, size_t end_row);

/* The tree over the micro-batches of block b, by a stack: each entry is a finished node that waits for its sibling. */
static real sum_block(const ls_microbatches *micro, size_t b, partial_sum *partial, const void *argument) {
    real stack[8 * sizeof(size_t)];
    size_t depth = 0, first = micro->block[b];
    for (size_t m = first; m < micro->block[b + 1]; m++) {
        real node = partial(argument, micro->row[m], micro->row[m + 1]);
        for (size_t joins = ls_microbatches_joins(m - first); joins > 0; joins--) node = stack[--depth] + node;
        stack[depth++] = node;
    }
    real sum = stack[--depth];
    while (depth > 0) sum = stack[--depth] + sum;
    return sum;
}

/* ---- dense ---- */

typedef struct dense_work {
    const ls_microbatches *micro;
    size_t rows, out, in;
    const real *x, *weight, *bias, *dz;
    ls_activation f;
    real slope;
    real *y, *dx;
    LS_REAL(ls_gradient) dw, db;
} dense_work;

static size_t dense_scratch(const ls_team *team, size_t rows, size_t micros, size_t out, size_t in) {
    (void)team, (void)rows, (void)micros, (void)out, (void)in;
    return 0;
}

static void dense_forward_work(void *argument, size_t part, size_t parts) {
    const dense_work *d = argument;
    for (size_t r = cut(d->rows, 1, part, parts); r < cut(d->rows, 1, part + 1, parts); r++) {
        for (size_t o = 0; o < d->out; o++) {
            const real *w = d->weight + ls__panels_at(d->out, d->in, o, 0), *x = d->x + r * d->in;
            size_t step = ls__panel_width(d->out, o / LS_PANEL * LS_PANEL);
            real y = d->bias ? d->bias[o] : 0;
            for (size_t i = 0; i < d->in; i++) y = lane_fma(x[i], w[i * step], y);
            d->y[r * d->out + o] = y;
        }
        activate_some(d->f, d->slope, d->out, d->y + r * d->out);
    }
}

static void dense_forward(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const real *x,
                          const real *weight, const real *bias, ls_activation f, real slope, real *y, void *scratch) {
    (void)scratch;
    dense_work d = {.rows = ls_microbatches_rows(micro),
                    .out = out,
                    .in = in,
                    .x = x,
                    .weight = weight,
                    .bias = bias,
                    .f = f,
                    .slope = slope,
                    .y = y};
    ls_team_run(team, parts_for(team, d.rows * out * in / PRODUCTS_AN_ELEMENT), dense_forward_work, &d);
}

static void dense_backward_data_work(void *argument, size_t part, size_t parts) {
    const dense_work *d = argument;
    for (size_t r = cut(d->rows, 1, part, parts); r < cut(d->rows, 1, part + 1, parts); r++)
        for (size_t i = 0; i < d->in; i++) {
            real dx = 0;
            for (size_t o = 0; o < d->out; o++)
                dx = lane_fma(d->weight[ls__panels_at(d->out, d->in, o, i)], d->dz[r * d->out + o], dx);
            d->dx[r * d->in + i] = dx;
        }
}

static void dense_backward_data(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const real *dz,
                                const real *weight, real *dx, void *scratch) {
    (void)scratch;
    dense_work d = {.rows = ls_microbatches_rows(micro), .out = out, .in = in, .weight = weight, .dz = dz, .dx = dx};
    ls_team_run(team, parts_for(team, d.rows * out * in / PRODUCTS_AN_ELEMENT), dense_backward_data_work, &d);
}

/* One weight: column i of x, column o of dz, and how long their rows are. For a bias x is NULL. */
typedef struct weight_place {
    const real *x, *dz;
    size_t in, out;
} weight_place;

static real dense_partial(const void *argument, size_t first_row, size_t end_row) {
    const weight_place *p = argument;
    real sum = 0;
    for (size_t r = first_row; r < end_row; r++)
        sum = p->x ? lane_fma(p->x[r * p->in], p->dz[r * p->out], sum) : sum + p->dz[r * p->out];
    return sum;
}

static void dense_backward_weight_work(void *argument, size_t part, size_t parts) {
    const dense_work *d = argument;
    size_t padded = ls_round_up(d->out, LS_LANES);
    for (size_t b = 0; b < d->micro->blocks; b++)
        for (size_t o = cut(padded, 1, part, parts); o < cut(padded, 1, part + 1, parts); o++) {
            real *dw = d->dw.base + b * d->dw.stride;
            for (size_t i = 0; i < d->in; i++) {
                weight_place p = {d->x + i, d->dz + o, d->in, d->out};
                dw[ls__panels_at(d->out, d->in, o, i)] = o < d->out ? sum_block(d->micro, b, dense_partial, &p) : 0;
            }
            weight_place p = {NULL, d->dz + o, d->in, d->out};
            if (d->db.base && o < d->out) d->db.base[b * d->db.stride + o] = sum_block(d->micro, b, dense_partial, &p);
        }
}

static void dense_backward_weight(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const real *x,
                                  const real *dz, LS_REAL(ls_gradient) dw, LS_REAL(ls_gradient) db, void *scratch) {
    (void)scratch;
    dense_work d = {.micro = micro, .out = out, .in = in, .x = x, .dz = dz, .dw = dw, .db = db};
    ls_team_run(team, parts_for(team, ls_microbatches_rows(micro) * out * in / PRODUCTS_AN_ELEMENT),
                dense_backward_weight_work, &d);
}

/* ---- convolution ---- */

typedef struct conv_work {
    const ls_microbatches *micro;
    const ls_window *window;
    size_t rows;
    const real *x, *weight, *bias, *dz;
    ls_activation f;
    real slope;
    real *y, *dx;
    LS_REAL(ls_gradient) dw, db;
} conv_work;

/* Where the weight of filter f, channel c (of its group) and tap (kh, kw) lies. */
static size_t conv_at(const ls_window *w, size_t f, size_t c, size_t kh, size_t kw) {
    size_t filters = ls__group_filters(w), tap = (c * w->kernel[0] + kh) * w->kernel[1] + kw;
    return f / filters * ls__group_size(w) + ls__panels_at(filters, ls__group_taps(w), f % filters, tap);
}

/* The value at (row, column) of a plane, or 0 in its border. */
static real bordered(const real *plane, size_t height, size_t width, ptrdiff_t row, ptrdiff_t column) {
    bool inside = row >= 0 && row < (ptrdiff_t)height && column >= 0 && column < (ptrdiff_t)width;
    return inside ? plane[(size_t)row * width + (size_t)column] : 0;
}

static size_t conv_scratch(const ls_team *team, size_t rows, size_t micros, const ls_window *window) {
    (void)team, (void)rows, (void)micros, (void)window;
    return 0;
}

/* x at the tap (kh, kw) of output (oh, ow), `plane` being one channel of one sample. */
static real input_at(const ls_window *w, const real *plane, size_t oh, size_t ow, size_t kh, size_t kw) {
    ptrdiff_t row = (ptrdiff_t)(oh * w->stride[0] + kh * w->dilation[0]) - (ptrdiff_t)w->padding[0];
    ptrdiff_t column = (ptrdiff_t)(ow * w->stride[1] + kw * w->dilation[1]) - (ptrdiff_t)w->padding[1];
    return bordered(plane, w->height, w->width, row, column);
}

static real conv_output(const conv_work *v, size_t r, size_t f, size_t oh, size_t ow) {
    const ls_window *w = v->window;
    size_t channels = ls__group_channels(w), first = f / ls__group_filters(w) * channels;
    real y = v->bias ? v->bias[f] : 0;
    for (size_t c = 0; c < channels; c++) {
        const real *plane = v->x + (r * w->channels + first + c) * w->height * w->width;
        for (size_t kh = 0; kh < w->kernel[0]; kh++)
            for (size_t kw = 0; kw < w->kernel[1]; kw++)
                y = lane_fma(v->weight[conv_at(w, f, c, kh, kw)], input_at(w, plane, oh, ow, kh, kw), y);
    }
    return y;
}

static void conv_forward_work(void *argument, size_t part, size_t parts) {
    const conv_work *v = argument;
    const ls_window *w = v->window;
    size_t pixels = w->out_height * w->out_width, planes = v->rows * w->filters;
    for (size_t i = cut(planes, 1, part, parts); i < cut(planes, 1, part + 1, parts); i++) {
        for (size_t p = 0; p < pixels; p++)
            v->y[i * pixels + p] = conv_output(v, i / w->filters, i % w->filters, p / w->out_width, p % w->out_width);
        activate_some(v->f, v->slope, pixels, v->y + i * pixels);
    }
}

static void conv_forward(ls_team *team, const ls_microbatches *micro, const ls_window *window, const real *x,
                         const real *weight, const real *bias, ls_activation f, real slope, real *y, void *scratch) {
    (void)scratch;
    conv_work v = {.window = window,
                   .rows = ls_microbatches_rows(micro),
                   .x = x,
                   .weight = weight,
                   .bias = bias,
                   .f = f,
                   .slope = slope,
                   .y = y};
    ls_team_run(team, ls_team_size(team), conv_forward_work, &v);
}

/* dx at one input: over the filters of its group and the taps that hit an output, or the border of dy. */
static real conv_input_gradient(const conv_work *v, size_t r, size_t channel, size_t ih, size_t iw) {
    const ls_window *w = v->window;
    size_t filters = ls__group_filters(w), channels = ls__group_channels(w), first = channel / channels * filters;
    real dx = 0;
    for (size_t f = first; f < first + filters; f++) {
        const real *plane = v->dz + (r * w->filters + f) * w->out_height * w->out_width;
        for (size_t kh = 0; kh < w->kernel[0]; kh++)
            for (size_t kw = 0; kw < w->kernel[1]; kw++) {
                ptrdiff_t row = (ptrdiff_t)(ih + w->padding[0]) - (ptrdiff_t)(kh * w->dilation[0]);
                ptrdiff_t column = (ptrdiff_t)(iw + w->padding[1]) - (ptrdiff_t)(kw * w->dilation[1]);
                ptrdiff_t step[2] = {(ptrdiff_t)w->stride[0], (ptrdiff_t)w->stride[1]};
                if (row % step[0] != 0 || column % step[1] != 0) continue;
                real dz = bordered(plane, w->out_height, w->out_width, row / step[0], column / step[1]);
                dx = lane_fma(v->weight[conv_at(w, f, channel % channels, kh, kw)], dz, dx);
            }
    }
    return dx;
}

static void conv_backward_data_work(void *argument, size_t part, size_t parts) {
    const conv_work *v = argument;
    const ls_window *w = v->window;
    size_t pixels = w->height * w->width, planes = v->rows * w->channels;
    for (size_t i = cut(planes, 1, part, parts); i < cut(planes, 1, part + 1, parts); i++)
        for (size_t p = 0; p < pixels; p++)
            v->dx[i * pixels + p] =
                conv_input_gradient(v, i / w->channels, i % w->channels, p / w->width, p % w->width);
}

static void conv_backward_data(ls_team *team, const ls_microbatches *micro, const ls_window *window, const real *dz,
                               const real *weight, real *dx, void *scratch) {
    (void)scratch;
    conv_work v = {.window = window, .rows = ls_microbatches_rows(micro), .weight = weight, .dz = dz, .dx = dx};
    ls_team_run(team, ls_team_size(team), conv_backward_data_work, &v);
}

/* One weight of a convolution. */
typedef struct tap_place {
    const conv_work *v;
    size_t f, channel, kh, kw;
} tap_place;

static real conv_partial(const void *argument, size_t first_row, size_t end_row) {
    const tap_place *t = argument;
    const ls_window *w = t->v->window;
    real sum = 0;
    for (size_t r = first_row; r < end_row; r++) {
        const real *dz = t->v->dz + (r * w->filters + t->f) * w->out_height * w->out_width;
        const real *plane = t->v->x + (r * w->channels + t->channel) * w->height * w->width;
        for (size_t oh = 0; oh < w->out_height; oh++)
            for (size_t ow = 0; ow < w->out_width; ow++)
                sum = lane_fma(input_at(w, plane, oh, ow, t->kh, t->kw), dz[oh * w->out_width + ow], sum);
    }
    return sum;
}

static real conv_bias_partial(const void *argument, size_t first_row, size_t end_row) {
    const tap_place *t = argument;
    size_t pixels = t->v->window->out_height * t->v->window->out_width;
    real sum = 0;
    for (size_t r = first_row; r < end_row; r++) {
        const real *dz = t->v->dz + (r * t->v->window->filters + t->f) * pixels;
        for (size_t p = 0; p < pixels; p++) sum += dz[p];
    }
    return sum;
}

static void conv_backward_weight_work(void *argument, size_t part, size_t parts) {
    const conv_work *v = argument;
    const ls_window *w = v->window;
    size_t channels = ls__group_channels(w);
    for (size_t b = 0; b < v->micro->blocks; b++)
        for (size_t f = cut(w->filters, 1, part, parts); f < cut(w->filters, 1, part + 1, parts); f++) {
            for (size_t i = 0; i < ls__group_taps(w); i++) {
                size_t kw = i % w->kernel[1], kh = i / w->kernel[1] % w->kernel[0];
                size_t c = i / w->kernel[1] / w->kernel[0];
                tap_place t = {v, f, f / ls__group_filters(w) * channels + c, kh, kw};
                v->dw.base[b * v->dw.stride + conv_at(w, f, c, kh, kw)] = sum_block(v->micro, b, conv_partial, &t);
            }
            tap_place t = {.v = v, .f = f};
            if (v->db.base) v->db.base[b * v->db.stride + f] = sum_block(v->micro, b, conv_bias_partial, &t);
        }
}

static void conv_backward_weight(ls_team *team, const ls_microbatches *micro, const ls_window *window, const real *x,
                                 const real *dz, LS_REAL(ls_gradient) dw, LS_REAL(ls_gradient) db, void *scratch) {
    (void)scratch;
    conv_work v = {.micro = micro, .window = window, .x = x, .dz = dz, .dw = dw, .db = db};
    for (size_t b = 0; b < micro->blocks; b++)
        memset(dw.base + b * dw.stride, 0, ls__conv_panels_size(window) * sizeof *dw.base);
    ls_team_run(team, ls_team_size(team), conv_backward_weight_work, &v);
}

const LS_REAL(ls_kernels) LS_REAL(ls__scalar_kernels) = {
    .name = "scalar",
    .weight_size = ls__panels_size,
    .weight_import = LS_REAL(ls__panels_import),
    .weight_export = LS_REAL(ls__panels_export),
    .dense_scratch = dense_scratch,
    .dense_forward = dense_forward,
    .dense_backward_data = dense_backward_data,
    .dense_backward_weight = dense_backward_weight,
    .conv_weight_size = ls__conv_panels_size,
    .conv_import = LS_REAL(ls__conv_panels_import),
    .conv_export = LS_REAL(ls__conv_panels_export),
    .conv_scratch = conv_scratch,
    .conv_forward = conv_forward,
    .conv_backward_data = conv_backward_data,
    .conv_backward_weight = conv_backward_weight,
    ROWWISE_KERNELS,
};

#ifdef LS_DOUBLE
const ls_kernels_double *ls_math_kernels_double(const ls_math *math) {
    (void)math;
    return &ls__scalar_kernels_double;
}
#else
const ls_kernels ls__scalar_blas_kernels = {.name = "OpenBLAS", BLAS_PRODUCTS, ROWWISE_KERNELS};
#endif
