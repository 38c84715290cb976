/*
 * conv.h: the three products of a convolution over tile.h, without writing the window's taps out as a matrix.
 *
 *      forward  C[pixel][filter]   A = x, at (corner of the pixel's window) + (offset of the tap)   B = W
 *      dx       C[pixel][channel]  A = dy, likewise, for one phase of the stride at a time          B = W, repacked
 *      dW       C[tap][filter]     A = x, at (offset of the tap) + (corner of the pixel's window)   B = dy^T
 *
 * All are vectorised over filters or channels, whose panels are full for common layers, so C is transposed into planes
 * (or dy out of them) once, which costs little against the products. Planes are copied with a border of zeros first
 * where a window reaches over the edge; the two offsets of an element come from tables made once a call. Samples of a
 * batch seldom stay in a core's cache between layers: while one is worked on, what the next one reads and writes is
 * fetched.
 */
#ifndef LOCKSTEP_TENSOR_CONV_H
#define LOCKSTEP_TENSOR_CONV_H

#include "tensor/dense.h"

enum {
    PIXEL_CHUNK = 192,     /* pixels whose accumulators pass together: 48 KiB */
    SAMPLE_CHUNK = 16,     /* samples that are made ready before a team turns to the products of dW */
    NEAR_SAMPLE = 1 << 16, /* floats of a sample that a core's cache holds beside those of the sample before */
};

/* Planes with a border: `above` and `left` of the first element, so many high and wide in all. */
typedef struct border {
    size_t above, left, height, width;
    bool copy; /* there is a border, or the planes are too few */
} border;

/* The taps that count at one phase of the stride, and the pixels of the input that are at it (dx only). */
typedef struct phase {
    size_t taps, pixels;
    int32_t *tap_at, *pixel_at;
    uint32_t *place;      /* of each pixel in its plane of dx; NULL where they are all in order */
    size_t weight_offset; /* of its repacked weights, in a group */
} phase;

typedef struct conv_work {
    ls_team *team;
    const ls_microbatches *micro;
    const ls_window *window;
    size_t rows;
    const float *x, *weight, *bias, *dz;
    ls_activation f;
    float slope;
    float *y, *dx;
    ls_gradient dw, db;
    border border;
    int32_t *tap_at, *pixel_at; /* forward and dW */
    phase *phases;              /* dx */
    float *packed;              /* dx: W by (filter, tap); dW: dy^T of a chunk of samples */
    float *bordered;            /* dW: planes of a chunk of samples */
    float *stack;               /* dW: sums that wait in the tree */
    size_t depth;
    float *private;
    size_t private_size;
    /* dW: what the present run of the team is to do */
    size_t first_sample, samples, joins;
    bool opens, closes; /* the first, the last samples of a micro-batch */
    bool ends_block;
    size_t block;
} conv_work;

static inline size_t out_pixels(const ls_window *w) {
    return w->out_height * w->out_width;
}
static inline size_t kernel_size(const ls_window *w) {
    return w->kernel[0] * w->kernel[1];
}

/* The sample after sample r, whose x and output (or its gradient) are fetched evenly over `units` of work. */
typedef struct upcoming {
    ahead all[2];
    size_t unit, units;
} upcoming;

static upcoming after_sample(const conv_work *v, size_t r, const float *x, const float *y, size_t units) {
    size_t in = v->window->channels * v->window->height * v->window->width;
    size_t out = v->window->filters * out_pixels(v->window);
    upcoming next = {.units = units};
    if (r + 1 == v->rows || in + out > NEAR_SAMPLE) return next;
    next.all[0] = (ahead){x + (r + 1) * in, in};
    next.all[1] = (ahead){y + (r + 1) * out, out};
    return next;
}

/* Its part for `count` pixels of the present unit. */
static void look_ahead(const upcoming *next, size_t pixel, size_t count, size_t pixels, product *p) {
    size_t all = next->units * pixels, first = next->unit * pixels + pixel;
    for (size_t i = 0; i < 2; i++) {
        size_t at = next->all[i].size * first / all, end = next->all[i].size * (first + count) / all;
        p->ahead[i] = (ahead){next->all[i].from + at, end - at};
    }
}

/* Copies planes into their borders, which are zero already. */
static void copy_bordered(const border *b, size_t planes, size_t height, size_t width, const float *from, float *to) {
    for (size_t c = 0; c < planes; c++, to += b->height * b->width)
        for (size_t row = 0; row < height; row++, from += width)
            memcpy(to + (b->above + row) * b->width + b->left, from, width * sizeof *to);
}

static border input_border(const ls_window *w) {
    size_t high = (w->out_height - 1) * w->stride[0] + (w->kernel[0] - 1) * w->dilation[0] + 1;
    size_t wide = (w->out_width - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    border b = {.above = w->padding[0],
                .left = w->padding[1],
                .height = w->padding[0] + w->height,
                .width = w->padding[1] + w->width};
    if (b.height < high) b.height = high;
    if (b.width < wide) b.width = wide;
    b.copy = b.height != w->height || b.width != w->width;
    return b;
}

/* Offsets of taps and of window corners in bordered planes. */
static void fill_input_tables(const ls_window *w, const border *b, int32_t *tap_at, int32_t *pixel_at) {
    for (size_t c = 0; c < ls__group_channels(w); c++)
        for (size_t kh = 0; kh < w->kernel[0]; kh++)
            for (size_t kw = 0; kw < w->kernel[1]; kw++)
                *tap_at++ = (int32_t)((c * b->height + kh * w->dilation[0]) * b->width + kw * w->dilation[1]);
    for (size_t oh = 0; oh < w->out_height; oh++)
        for (size_t ow = 0; ow < w->out_width; ow++)
            *pixel_at++ = (int32_t)(oh * w->stride[0] * b->width + ow * w->stride[1]);
}

/* A group's panel of filters: where its weights lie and, in dW, its biases in a node and its dy in a sample. */
typedef struct unit {
    size_t number, group, first, width;
    size_t weights, biases, packed;
} unit;

static size_t unit_count(const ls_window *w) {
    return w->groups * panel_count(ls__group_filters(w));
}

static unit unit_at(const ls_window *w, size_t number) {
    size_t filters = ls__group_filters(w), padded = ls_round_up(filters, LS_LANES), panels = panel_count(filters);
    unit u = {.number = number, .group = number / panels, .first = number % panels * LS_PANEL};
    u.width = ls__panel_width(filters, u.first);
    u.weights = u.group * ls__group_size(w) + u.first * ls__group_taps(w);
    u.biases = ls__conv_panels_size(w) + u.group * padded + u.first;
    u.packed = (u.group * padded + u.first) * out_pixels(w);
    return u;
}

/* ---- y ---- */

static void plan_conv_forward(carver *c, const ls_team *team, conv_work *v) {
    const ls_window *w = v->window;
    v->border = input_border(w);
    v->tap_at = carve(c, ls__group_taps(w), sizeof(int32_t));
    v->pixel_at = carve(c, out_pixels(w), sizeof(int32_t));
    size_t planes = v->border.copy ? w->channels * v->border.height * v->border.width : 0;
    v->private_size = ls_round_up(planes, LANES) + (PIXEL_CHUNK + 1) * LS_PANEL;
    v->private = carve(c, v->private_size * ls_team_size(team), sizeof(float));
}

/* The next taps of a product begin with the sums of those before. */
static void go_on_from(float *sums, product *p) {
    p->t.start = sums;
    p->t.start_step = p->width;
    p->ahead[0].size = p->ahead[1].size = 0;
}

/* One unit of one sample; `sums` has room for a row of biases and a chunk. */
static void conv_forward_unit(const conv_work *v, size_t sample, const unit *u, const upcoming *next,
                              const float *planes, float *sums) {
    const ls_window *w = v->window;
    size_t filters = ls__group_filters(w), taps = ls__group_taps(w), pixels = out_pixels(w), width = u->width;
    size_t filter = u->group * filters + u->first, columns = smaller(LS_PANEL, filters - u->first);
    float *bias = sums + PIXEL_CHUNK * LS_PANEL, *y = v->y + (sample * w->filters + filter) * pixels;
    for (size_t j = 0; j < width; j++) bias[j] = v->bias && j < columns ? v->bias[filter + j] : 0;
    for (size_t pixel = 0; pixel < pixels; pixel += PIXEL_CHUNK) {
        product p = {.rows = smaller(PIXEL_CHUNK, pixels - pixel), .width = width};
        p.a = planes + u->group * ls__group_channels(w) * v->border.height * v->border.width;
        p.row_at = v->pixel_at + pixel;
        p.t = (tile){.b_step = width, .start = bias, .c = sums, .c_step = width};
        look_ahead(next, pixel, p.rows, pixels, &p);
        for (size_t k = 0; k < taps; k += K_BLOCK) {
            p.chain.k = smaller(K_BLOCK, taps - k);
            p.t.at = v->tap_at + k;
            p.t.b = v->weight + u->weights + k * width;
            multiply_panel(&p);
            go_on_from(sums, &p);
        }
        if (v->f != LS_ACTIVATION_NONE) store_rows(v->f, v->slope, p.rows, width, sums, width, sums, width);
        transpose(p.rows, columns, sums, width, y + pixel, pixels);
    }
}

static void conv_forward_work(void *argument, size_t part, size_t parts) {
    const conv_work *v = argument;
    const ls_window *w = v->window;
    float *sums = v->private + part * v->private_size, *copy = sums + (PIXEL_CHUNK + 1) * LS_PANEL;
    if (v->border.copy) memset(copy, 0, w->channels * v->border.height * v->border.width * sizeof *copy);
    for (size_t r = cut(v->rows, 1, part, parts); r < cut(v->rows, 1, part + 1, parts); r++) {
        ls__team_poke(v->team);
        const float *planes = v->x + r * w->channels * w->height * w->width;
        if (v->border.copy) {
            copy_bordered(&v->border, w->channels, w->height, w->width, planes, copy);
            planes = copy;
        }
        upcoming next = after_sample(v, r, v->x, v->y, unit_count(w));
        for (; next.unit < next.units; next.unit++) {
            unit u = unit_at(w, next.unit);
            conv_forward_unit(v, r, &u, &next, planes, sums);
        }
    }
}

static void conv_forward(ls_team *team, const ls_microbatches *micro, const ls_window *window, const float *x,
                         const float *weight, const float *bias, ls_activation f, float slope, float *y,
                         void *scratch) {
    conv_work v = {.team = team,
                   .window = window,
                   .rows = ls_microbatches_rows(micro),
                   .x = x,
                   .weight = weight,
                   .bias = bias,
                   .f = f,
                   .slope = slope,
                   .y = y};
    carver c = {scratch, 0};
    plan_conv_forward(&c, team, &v);
    fill_input_tables(window, &v.border, v.tap_at, v.pixel_at);
    ls_team_run(team, ls_team_size(team), conv_forward_work, &v);
}

/* ---- dx ---- */

/*
 * Input row ih takes part in output row oh by tap kh where ih + padding = oh * stride + kh * dilation. With
 * ih + padding = u * stride + a and kh * dilation = t * stride + a, a being the phase, oh = u - t: for each phase a
 * convolution of stride 1 over dy, bordered so that u - t never leaves it.
 */
static void output_border(const ls_window *w, int axis, size_t in, size_t out, size_t *before, size_t *size) {
    size_t reach = (w->kernel[axis] - 1) * w->dilation[axis] / w->stride[axis]; /* the largest t */
    size_t first = w->padding[axis] / w->stride[axis], last = (in - 1 + w->padding[axis]) / w->stride[axis];
    *before = reach > first ? reach - first : 0;
    size_t end = last + 1 > out ? last + 1 : out;
    *size = *before + end;
}

static border gradient_border(const ls_window *w) {
    border b = {0};
    output_border(w, 0, w->height, w->out_height, &b.above, &b.height);
    output_border(w, 1, w->width, w->out_width, &b.left, &b.width);
    b.copy = b.height != w->out_height || b.width != w->out_width;
    return b;
}

/* Which of `count` positions (taps: from 0, step dilation; pixels: from the padding, step 1) are at the phase. */
static bool at_phase(const ls_window *w, int axis, size_t position, size_t at) {
    return position % w->stride[axis] == at;
}

static size_t phase_count(const ls_window *w) {
    return w->stride[0] * w->stride[1];
}

/* Fills the tables of phase (a, b); the tables hold offsets of (filter, tap) and of pixels in bordered dy. */
static void fill_phase(const ls_window *w, const border *b, size_t a0, size_t a1, phase *p) {
    p->taps = p->pixels = 0;
    for (size_t f = 0; f < ls__group_filters(w); f++)
        for (size_t kh = 0; kh < w->kernel[0]; kh++)
            for (size_t kw = 0; kw < w->kernel[1]; kw++) {
                size_t row = kh * w->dilation[0], column = kw * w->dilation[1];
                if (!at_phase(w, 0, row, a0) || !at_phase(w, 1, column, a1)) continue;
                size_t back = row / w->stride[0] * b->width + column / w->stride[1];
                p->tap_at[p->taps++] = (int32_t)(f * b->height * b->width) - (int32_t)back;
            }
    for (size_t ih = 0; ih < w->height; ih++)
        for (size_t iw = 0; iw < w->width; iw++) {
            size_t row = ih + w->padding[0], column = iw + w->padding[1];
            if (!at_phase(w, 0, row, a0) || !at_phase(w, 1, column, a1)) continue;
            size_t at = (row / w->stride[0] + b->above) * b->width + column / w->stride[1] + b->left;
            p->place[p->pixels] = (uint32_t)(ih * w->width + iw);
            p->pixel_at[p->pixels++] = (int32_t)at;
        }
}

static void plan_conv_data(carver *c, const ls_team *team, conv_work *v) {
    const ls_window *w = v->window;
    v->border = gradient_border(w);
    size_t padded = ls_round_up(ls__group_channels(w), LS_LANES), taps = ls__group_filters(w) * kernel_size(w);
    v->phases = carve(c, phase_count(w), sizeof *v->phases);
    v->tap_at = carve(c, taps, sizeof(int32_t));
    v->pixel_at = carve(c, w->height * w->width, sizeof(int32_t));
    uint32_t *place = carve(c, w->height * w->width, sizeof(uint32_t));
    if (v->phases) v->phases[0].place = place;
    v->packed = carve(c, w->groups * taps * padded, sizeof(float));
    size_t planes = v->border.copy ? w->filters * v->border.height * v->border.width : 0;
    v->private_size = ls_round_up(planes, LANES) + PIXEL_CHUNK * LS_PANEL;
    v->private = carve(c, v->private_size * ls_team_size(team), sizeof(float));
}

/* Weights of one phase of one group as panels of channels: (panel, filter and tap, channels). */
static void repack_weights(const conv_work *v, size_t g, const phase *p, size_t a0, size_t a1, float *to) {
    const ls_window *w = v->window;
    size_t channels = ls__group_channels(w), filters = ls__group_filters(w), taps = ls__group_taps(w);
    const float *from = v->weight + g * ls__group_size(w);
    for (size_t first = 0; first < channels; first += LS_PANEL) {
        size_t width = ls__panel_width(channels, first), k = 0;
        for (size_t f = 0; f < filters; f++)
            for (size_t tap = 0; tap < kernel_size(w); tap++) {
                size_t row = tap / w->kernel[1] * w->dilation[0], column = tap % w->kernel[1] * w->dilation[1];
                if (!at_phase(w, 0, row, a0) || !at_phase(w, 1, column, a1)) continue;
                size_t step = ls__panel_width(filters, f / LS_PANEL * LS_PANEL) * kernel_size(w);
                const float *weight = from + ls__panels_at(filters, taps, f, first * kernel_size(w) + tap);
                float *row_to = to + first * p->taps + k++ * width;
                for (size_t c = 0; c < width; c++) row_to[c] = first + c < channels ? weight[c * step] : 0;
            }
    }
}

/* All phases' tables and weights, laid one after the other. */
static void prepare_phases(conv_work *v) {
    const ls_window *w = v->window;
    size_t padded = ls_round_up(ls__group_channels(w), LS_LANES), taps = ls__group_filters(w) * kernel_size(w);
    phase next = {.tap_at = v->tap_at, .pixel_at = v->pixel_at, .place = v->phases[0].place};
    for (size_t i = 0; i < phase_count(w); i++) {
        size_t a0 = i / w->stride[1], a1 = i % w->stride[1];
        phase *p = &v->phases[i];
        *p = next;
        fill_phase(w, &v->border, a0, a1, p);
        for (size_t g = 0; g < w->groups; g++)
            repack_weights(v, g, p, a0, a1, v->packed + g * taps * padded + p->weight_offset);
        next.tap_at += p->taps;
        next.pixel_at += p->pixels;
        next.place += p->pixels;
        next.weight_offset += p->taps * padded;
    }
}

static void conv_data_panel(const conv_work *v, const phase *s, size_t g, size_t first, const upcoming *next,
                            const float *planes, float *dx, float *sums) {
    const ls_window *w = v->window;
    size_t channels = ls__group_channels(w), in = w->height * w->width;
    size_t width = ls__panel_width(channels, first), columns = smaller(LS_PANEL, channels - first);
    size_t group = ls__group_filters(w) * kernel_size(w) * ls_round_up(channels, LS_LANES);
    for (size_t pixel = 0; pixel < s->pixels; pixel += PIXEL_CHUNK) {
        product p = {.rows = smaller(PIXEL_CHUNK, s->pixels - pixel), .width = width};
        p.a = planes + g * ls__group_filters(w) * v->border.height * v->border.width;
        p.row_at = s->pixel_at + pixel;
        p.t = (tile){.b_step = width, .start = zero_row, .c = sums, .c_step = width};
        look_ahead(next, pixel, p.rows, s->pixels, &p);
        for (size_t k = 0; k < s->taps || k == 0; k += K_BLOCK) {
            p.chain.k = smaller(K_BLOCK, s->taps - k);
            p.t.at = s->tap_at + k;
            p.t.b = v->packed + g * group + s->weight_offset + first * s->taps + k * width;
            multiply_panel(&p);
            go_on_from(sums, &p);
        }
        if (phase_count(w) == 1) {
            transpose(p.rows, columns, sums, width, dx + first * in + pixel, in);
            continue;
        }
        for (size_t c = 0; c < columns; c++)
            for (size_t i = 0; i < p.rows; i++) dx[(first + c) * in + s->place[pixel + i]] = sums[i * width + c];
    }
}

static void conv_data_work(void *argument, size_t part, size_t parts) {
    const conv_work *v = argument;
    const ls_window *w = v->window;
    size_t channels = ls__group_channels(w);
    float *sums = v->private + part * v->private_size, *copy = sums + PIXEL_CHUNK * LS_PANEL;
    if (v->border.copy) memset(copy, 0, w->filters * v->border.height * v->border.width * sizeof *copy);
    for (size_t r = cut(v->rows, 1, part, parts); r < cut(v->rows, 1, part + 1, parts); r++) {
        ls__team_poke(v->team);
        const float *planes = v->dz + r * w->filters * out_pixels(w);
        if (v->border.copy) {
            copy_bordered(&v->border, w->filters, w->out_height, w->out_width, planes, copy);
            planes = copy;
        }
        upcoming next = after_sample(v, r, v->dx, v->dz, w->groups * phase_count(w) * panel_count(channels));
        for (size_t g = 0; g < w->groups; g++)
            for (size_t i = 0; i < phase_count(w); i++)
                for (size_t c = 0; c < channels; c += LS_PANEL, next.unit++)
                    conv_data_panel(v, &v->phases[i], g, c, &next, planes,
                                    v->dx + (r * w->channels + g * channels) * w->height * w->width, sums);
    }
}

static void conv_backward_data(ls_team *team, const ls_microbatches *micro, const ls_window *window, const float *dz,
                               const float *weight, float *dx, void *scratch) {
    conv_work v = {
        .team = team, .window = window, .rows = ls_microbatches_rows(micro), .weight = weight, .dz = dz, .dx = dx};
    carver c = {scratch, 0};
    plan_conv_data(&c, team, &v);
    prepare_phases(&v);
    ls_team_run(team, ls_team_size(team), conv_data_work, &v);
}

/* ---- dW, db ---- */

/* Filters of all groups, each group padded to whole lanes. */
static size_t padded_filters(const ls_window *w) {
    return w->groups * ls_round_up(ls__group_filters(w), LS_LANES);
}

/* Samples that are made ready at once: one where nobody shares the work, so that they are still in L1. */
static size_t sample_chunk(const ls_team *team, size_t rows) {
    return smaller(ls_team_size(team) > 1 ? SAMPLE_CHUNK : 1, rows);
}

/* A node of the tree: dW as in the arena, then db, padded likewise. */
static size_t node_size(const ls_window *w) {
    return ls__conv_panels_size(w) + padded_filters(w);
}

static void plan_conv_weight(carver *c, const ls_team *team, size_t rows, size_t micros, conv_work *v) {
    const ls_window *w = v->window;
    size_t samples = sample_chunk(team, rows);
    v->border = input_border(w);
    v->tap_at = carve(c, ls__group_taps(w), sizeof(int32_t));
    v->pixel_at = carve(c, out_pixels(w), sizeof(int32_t));
    v->packed = carve(c, samples * padded_filters(w) * out_pixels(w), sizeof(float));
    size_t planes = v->border.copy ? w->channels * v->border.height * v->border.width : 0;
    v->bordered = carve(c, samples * planes, sizeof(float));
    v->stack = carve(c, ls_microbatches_depth(micros) * node_size(w), sizeof(float));
}

/* Planes with borders, and dy as (group, panel, pixel, filters), of the samples of this run. */
static void prepare_samples(void *argument, size_t part, size_t parts) {
    const conv_work *v = argument;
    const ls_window *w = v->window;
    size_t filters = ls__group_filters(w), pixels = out_pixels(w), planes = v->border.height * v->border.width;
    for (size_t s = cut(v->samples, 1, part, parts); s < cut(v->samples, 1, part + 1, parts); s++) {
        size_t r = v->first_sample + s;
        if (v->border.copy)
            copy_bordered(&v->border, w->channels, w->height, w->width, v->x + r * w->channels * w->height * w->width,
                          v->bordered + s * w->channels * planes);
        float *to = v->packed + s * padded_filters(w) * pixels;
        for (size_t g = 0; g < w->groups; g++)
            for (size_t f = 0; f < filters; f += LS_PANEL) {
                size_t width = ls__panel_width(filters, f), columns = smaller(LS_PANEL, filters - f);
                transpose(columns, pixels, v->dz + (r * w->filters + g * filters + f) * pixels, pixels, to, width);
                to += width * pixels;
            }
    }
}

/*
 * Rows of dW (or db, `bias`) over a block of pixels of sample s of this run. Sums go on where they were left, at
 * the top of the stack; the last pixels of a micro-batch join the nodes that wait, and those of a block of
 * micro-batches leave the result in the gradient.
 */
static void sum_taps(const conv_work *v, const unit *u, size_t s, size_t pixel, const product *block, size_t first,
                     size_t rows, bool bias) {
    static const float one = 1;
    const ls_window *w = v->window;
    size_t node = node_size(w), plane = v->border.height * v->border.width;
    size_t at = bias ? u->biases : u->weights + first * u->width;
    float *top = v->stack + v->depth * node + at;
    const float *x = v->border.copy ? v->bordered : v->x + v->first_sample * w->channels * plane;
    bool opens = v->opens && s == 0 && pixel == 0;
    bool closes = v->closes && s + 1 == v->samples && pixel + block->chain.k == out_pixels(w);
    product p = *block;
    p.rows = rows;
    if (!bias && v->samples == 1) {
        upcoming next = after_sample(v, v->first_sample, v->x, v->dz, unit_count(w));
        next.unit = u->number;
        look_ahead(&next, pixel, p.chain.k, out_pixels(w), &p);
    }
    p.a = bias ? &one : x + (s * w->channels + u->group * ls__group_channels(w)) * plane;
    p.row_at = bias ? NULL : v->tap_at + first;
    if (bias) p.t.at = NULL;
    p.t.start = opens ? zero_row : top;
    p.t.start_step = opens ? 0 : u->width;
    p.t.c = top;
    p.t.c_step = u->width;
    if (closes) {
        p.chain.joins = v->joins;
        p.t.waiting = top;
        p.t.waiting_step = node;
        p.t.waiting_row = u->width;
        p.t.c = v->ends_block && !bias ? v->dw.base + v->block * v->dw.stride + at : top - v->joins * node;
    }
    multiply_panel(&p);
}

/* This part's taps of a unit, a block of pixels at a time, whose dy stays in L1 meanwhile. */
static void sum_unit(const conv_work *v, const unit *u, size_t part, size_t parts) {
    size_t taps = ls__group_taps(v->window), pixels = out_pixels(v->window), padded = padded_filters(v->window);
    size_t first = cut(taps, MOST_ROWS, part, parts), end = cut(taps, MOST_ROWS, part + 1, parts);
    size_t step = pixels > 2 * K_BLOCK ? K_BLOCK : pixels; /* sums go in and out of registers once a block */
    for (size_t s = 0; s < v->samples; s++)
        for (size_t pixel = 0; pixel < pixels; pixel += step) {
            product block = {.width = u->width, .chain.k = smaller(step, pixels - pixel)};
            block.t = (tile){.at = v->pixel_at + pixel, .b_step = u->width};
            block.t.b = v->packed + s * padded * pixels + u->packed + pixel * u->width;
            if (first < end) sum_taps(v, u, s, pixel, &block, first, end - first, false);
            if (part == 0 && v->db.base) sum_taps(v, u, s, pixel, &block, 0, 1, true);
        }
}

static void sum_samples(void *argument, size_t part, size_t parts) {
    const conv_work *v = argument;
    for (size_t i = 0; i < unit_count(v->window); i++) {
        unit u = unit_at(v->window, i);
        sum_unit(v, &u, part, parts);
    }
}

/* db of a finished block, from the bottom of the stack, where the padding between groups is left out. */
static void store_bias(const conv_work *v) {
    const ls_window *w = v->window;
    size_t filters = ls__group_filters(w), padded = ls_round_up(filters, LS_LANES);
    for (size_t g = 0; g < w->groups && v->db.base; g++)
        memcpy(v->db.base + v->block * v->db.stride + g * filters, v->stack + ls__conv_panels_size(w) + g * padded,
               filters * sizeof(float));
}

static void sum_micro(ls_team *team, conv_work *v, size_t m, size_t chunk) {
    size_t row = v->micro->row[m], end = v->micro->row[m + 1];
    v->opens = true;
    for (; row < end; row += chunk) {
        v->first_sample = row;
        v->samples = smaller(chunk, end - row);
        v->closes = row + chunk >= end;
        ls_team_run(team, ls_team_size(team), prepare_samples, v);
        ls_team_run(team, ls_team_size(team), sum_samples, v);
        v->opens = false;
    }
    v->depth -= v->joins;
}

static void conv_backward_weight(ls_team *team, const ls_microbatches *micro, const ls_window *window, const float *x,
                                 const float *dz, ls_gradient dw, ls_gradient db, void *scratch) {
    conv_work v = {
        .micro = micro, .window = window, .rows = ls_microbatches_rows(micro), .x = x, .dz = dz, .dw = dw, .db = db};
    carver c = {scratch, 0};
    size_t chunk = sample_chunk(team, v.rows);
    plan_conv_weight(&c, team, v.rows, micro->count, &v);
    if (v.rows == 0) return;
    memset(v.packed, 0, (size_t)((char *)v.stack - (char *)v.packed)); /* borders and absent filters */
    fill_input_tables(window, &v.border, v.tap_at, v.pixel_at);
    for (v.block = 0; v.block < micro->blocks; v.block++) {
        size_t first = micro->block[v.block], end = micro->block[v.block + 1];
        v.depth = 0;
        for (size_t m = first; m < end; m++) {
            v.ends_block = m + 1 == end;
            v.joins = v.ends_block ? v.depth : ls_microbatches_joins(m - first);
            sum_micro(team, &v, m, chunk);
            v.depth++;
        }
        store_bias(&v);
    }
}

static size_t conv_scratch(const ls_team *team, size_t rows, size_t micros, const ls_window *window) {
    conv_work v = {.window = window};
    carver forward = {0}, data = {0}, weight = {0};
    plan_conv_forward(&forward, team, &v);
    plan_conv_data(&data, team, &v);
    plan_conv_weight(&weight, team, rows, micros, &v);
    size_t most = forward.used > data.used ? forward.used : data.used;
    return most > weight.used ? most : weight.used;
}

#endif
