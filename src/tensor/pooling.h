/*
 * pooling.h: pooling over the planes (sample, channel), a part of rowwise.h.
 */
#ifndef LOCKSTEP_TENSOR_POOLING_H
#define LOCKSTEP_TENSOR_POOLING_H

#include "tensor/rowwise.h"

typedef struct pool_work {
    const ls_window *window;
    size_t planes;
    const real *in;
    real *out;
    uint32_t *where;
    const uint32_t *where_in;
} pool_work;

/* Taps of a window that lie inside the plane: rows row[0] .. row[1] - 1 and columns likewise, `step` apart. */
typedef struct tap_range {
    size_t row[2], column[2];
} tap_range;

/* First and end of the taps t with 0 <= at * stride + t * dilation - padding < size. */
static void taps_of_axis(const ls_window *w, int axis, size_t at, size_t size, size_t bound[2]) {
    size_t start = at * w->stride[axis], step = w->dilation[axis], padding = w->padding[axis];
    bound[0] = start < padding ? (padding - start + step - 1) / step : 0;
    bound[1] = w->kernel[axis];
    while (bound[1] > bound[0] && start + (bound[1] - 1) * step >= size + padding) bound[1]--;
}

static tap_range taps_of(const ls_window *w, size_t oh, size_t ow) {
    tap_range t;
    taps_of_axis(w, 0, oh, w->height, t.row);
    taps_of_axis(w, 1, ow, w->width, t.column);
    return t;
}

/* Position of tap (kh, kw) of output (oh, ow) in its plane. */
static inline size_t tap_position(const ls_window *w, size_t oh, size_t ow, size_t kh, size_t kw) {
    size_t row = oh * w->stride[0] + kh * w->dilation[0] - w->padding[0];
    return row * w->width + ow * w->stride[1] + kw * w->dilation[1] - w->padding[1];
}

static void max_pool_plane(const ls_window *w, const real *x, real *y, uint32_t *where) {
    for (size_t oh = 0; oh < w->out_height; oh++)
        for (size_t ow = 0; ow < w->out_width; ow++) {
            tap_range t = taps_of(w, oh, ow);
            size_t best = tap_position(w, oh, ow, t.row[0], t.column[0]);
            for (size_t kh = t.row[0]; kh < t.row[1]; kh++)
                for (size_t kw = t.column[0]; kw < t.column[1]; kw++) {
                    size_t at = tap_position(w, oh, ow, kh, kw);
                    if (x[at] > x[best]) best = at;
                }
            y[oh * w->out_width + ow] = x[best];
            where[oh * w->out_width + ow] = (uint32_t)best;
        }
}

static void avg_pool_plane(const ls_window *w, const real *x, real *y) {
    real size = (real)(w->kernel[0] * w->kernel[1]);
    for (size_t oh = 0; oh < w->out_height; oh++)
        for (size_t ow = 0; ow < w->out_width; ow++) {
            tap_range t = taps_of(w, oh, ow);
            real sum = 0;
            for (size_t kh = t.row[0]; kh < t.row[1]; kh++)
                for (size_t kw = t.column[0]; kw < t.column[1]; kw++) sum += x[tap_position(w, oh, ow, kh, kw)];
            y[oh * w->out_width + ow] = sum / size;
        }
}

static void avg_pool_backward_plane(const ls_window *w, const real *dy, real *dx) {
    real size = (real)(w->kernel[0] * w->kernel[1]);
    for (size_t oh = 0; oh < w->out_height; oh++)
        for (size_t ow = 0; ow < w->out_width; ow++) {
            tap_range t = taps_of(w, oh, ow);
            real share = dy[oh * w->out_width + ow] / size;
            for (size_t kh = t.row[0]; kh < t.row[1]; kh++)
                for (size_t kw = t.column[0]; kw < t.column[1]; kw++) dx[tap_position(w, oh, ow, kh, kw)] += share;
        }
}

#if defined(LANES_REGISTERS)

/* The common window, 2 by 2 in steps of 2: sixteen outputs at a time. */
static bool is_halving(const ls_window *w) {
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] != 2 || w->stride[i] != 2 || w->padding[i] != 0 || w->dilation[i] != 1) return false;
    return true;
}

ALWAYS_INLINE void take_larger(lanes x, lanes_int at, lanes *best, lanes_int *where) {
    lanes_mask larger = lanes_greater(x, *best);
    *best = lanes_select(larger, x, *best);
    *where = lanes_int_select(larger, at, *where);
}

static void max_halve_plane(const ls_window *w, const real *x, real *y, uint32_t *where) {
    lanes_int two = lanes_int_left(lanes_int_count(), 1), one = lanes_int_set(1), row = lanes_int_set((int)w->width);
    for (size_t oh = 0; oh < w->out_height; oh++)
        for (size_t ow = 0; ow < w->out_width; ow += LANES) {
            size_t at = 2 * oh * w->width + 2 * ow, n = group(w->out_width, ow), out = oh * w->out_width + ow;
            lanes best, right, below, corner;
            lanes_load_pairs(x + at, n, &best, &right);
            lanes_load_pairs(x + at + w->width, n, &below, &corner);
            lanes_int first = lanes_int_add(two, lanes_int_set((int)at)), place = first;
            lanes_int second = lanes_int_add(first, row);
            take_larger(right, lanes_int_add(first, one), &best, &place);
            take_larger(below, second, &best, &place);
            take_larger(corner, lanes_int_add(second, one), &best, &place);
            lanes_store_some(y + out, n, best);
            lanes_int_store_some(where + out, n, place);
        }
}

static void avg_halve_plane(const ls_window *w, const real *x, real *y) {
    for (size_t oh = 0; oh < w->out_height; oh++)
        for (size_t ow = 0; ow < w->out_width; ow += LANES) {
            size_t at = 2 * oh * w->width + 2 * ow, n = group(w->out_width, ow);
            lanes left, right, below, corner;
            lanes_load_pairs(x + at, n, &left, &right);
            lanes_load_pairs(x + at + w->width, n, &below, &corner);
            lanes sum = lanes_add(lanes_add(lanes_add(lanes_add(lanes_set(0), left), right), below), corner);
            lanes_store_some(y + oh * w->out_width + ow, n, lanes_div(sum, lanes_set(4)));
        }
}

#else

static bool is_halving(const ls_window *w) {
    (void)w;
    return false;
}
#define max_halve_plane max_pool_plane
#define avg_halve_plane avg_pool_plane

#endif

static size_t in_plane(const ls_window *w) {
    return w->height * w->width;
}
static size_t out_plane(const ls_window *w) {
    return w->out_height * w->out_width;
}

static void max_pool_forward_work(void *argument, size_t part, size_t parts) {
    const pool_work *p = argument;
    size_t in = in_plane(p->window), out = out_plane(p->window);
    bool halving = is_halving(p->window);
    for (size_t i = cut(p->planes, 1, part, parts); i < cut(p->planes, 1, part + 1, parts); i++) {
        if (halving) max_halve_plane(p->window, p->in + i * in, p->out + i * out, p->where + i * out);
        else max_pool_plane(p->window, p->in + i * in, p->out + i * out, p->where + i * out);
    }
}

static void max_pool_backward_work(void *argument, size_t part, size_t parts) {
    const pool_work *p = argument;
    size_t in = in_plane(p->window), out = out_plane(p->window);
    for (size_t i = cut(p->planes, 1, part, parts); i < cut(p->planes, 1, part + 1, parts); i++) {
        real *dx = p->out + i * in;
        memset(dx, 0, in * sizeof *dx);
        for (size_t j = i * out; j < (i + 1) * out; j++) dx[p->where_in[j]] += p->in[j];
    }
}

static void avg_pool_forward_work(void *argument, size_t part, size_t parts) {
    const pool_work *p = argument;
    size_t in = in_plane(p->window), out = out_plane(p->window);
    bool halving = is_halving(p->window);
    for (size_t i = cut(p->planes, 1, part, parts); i < cut(p->planes, 1, part + 1, parts); i++) {
        if (halving) avg_halve_plane(p->window, p->in + i * in, p->out + i * out);
        else avg_pool_plane(p->window, p->in + i * in, p->out + i * out);
    }
}

static void avg_pool_backward_work(void *argument, size_t part, size_t parts) {
    const pool_work *p = argument;
    size_t in = in_plane(p->window), out = out_plane(p->window);
    for (size_t i = cut(p->planes, 1, part, parts); i < cut(p->planes, 1, part + 1, parts); i++) {
        memset(p->out + i * in, 0, in * sizeof *p->out);
        avg_pool_backward_plane(p->window, p->in + i * out, p->out + i * in);
    }
}

static void max_pool_forward(ls_team *team, size_t rows, const ls_window *window, const real *x, real *y,
                             uint32_t *where) {
    pool_work p = {.window = window, .planes = rows * window->channels, .in = x, .out = y, .where = where};
    ls_team_run(team, parts_for(team, p.planes * in_plane(window)), max_pool_forward_work, &p);
}

static void max_pool_backward(ls_team *team, size_t rows, const ls_window *window, const real *dy,
                              const uint32_t *where, real *dx) {
    pool_work p = {.window = window, .planes = rows * window->channels, .in = dy, .out = dx, .where_in = where};
    ls_team_run(team, parts_for(team, p.planes * in_plane(window)), max_pool_backward_work, &p);
}

static void avg_pool_forward(ls_team *team, size_t rows, const ls_window *window, const real *x, real *y) {
    pool_work p = {.window = window, .planes = rows * window->channels, .in = x, .out = y};
    ls_team_run(team, parts_for(team, p.planes * in_plane(window)), avg_pool_forward_work, &p);
}

static void avg_pool_backward(ls_team *team, size_t rows, const ls_window *window, const real *dy, real *dx) {
    pool_work p = {.window = window, .planes = rows * window->channels, .in = dy, .out = dx};
    ls_team_run(team, parts_for(team, p.planes * in_plane(window)), avg_pool_backward_work, &p);
}

#endif
