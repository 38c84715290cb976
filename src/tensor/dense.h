/*
 * dense.h: the three products of a dense layer over tile.h.
 */
#ifndef LOCKSTEP_TENSOR_DENSE_H
#define LOCKSTEP_TENSOR_DENSE_H

#include "tensor/team.h"
#include "tensor/tile.h"

enum {
    K_BLOCK = 128,     /* rows of a weight panel that stay in L1 while the rows of x pass: 32 KiB */
    IN_CHUNK = 96,     /* inputs worked on together in the backward products: whole tiles and whole cache lines */
    ROW_CHUNK = 256,   /* rows of x that pass together */
    SAMPLE_PANEL = 64, /* samples that dx is vectorised over */
};

/* Beyond these sizes weights come from afar, and gradients go to memory: larger than a core's cache, than a chip's. */
#define FAR_WEIGHTS ((size_t)1 << 18)
#define FAR_GRADIENT ((size_t)1 << 21)

typedef struct dense_work {
    ls_team *team;
    const ls_microbatches *micro;
    size_t rows, out, in;
    const float *x, *weight, *bias, *dz;
    ls_activation f;
    float slope;
    float *y, *dx;
    ls_gradient dw, db;
    bool stream;    /* dW is large and aligned */
    chain *chains;  /* dW: of every micro-batch */
    float *packed;  /* dz, by panels or transposed */
    float *private; /* one piece a part, */
    size_t private_size;
} dense_work;

static inline size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static inline size_t panel_count(size_t out) {
    return (out + LS_PANEL - 1) / LS_PANEL;
}

/* ---- y = f(x W^T + bias) ---- */

static void plan_forward(carver *c, const ls_team *team, size_t rows, dense_work *d) {
    d->private_size = (smaller(rows, ROW_CHUNK) + 1) * LS_PANEL;
    d->private = carve(c, d->private_size * ls_team_size(team), sizeof(float));
}

/* Rows of the accumulators go out through the activation. */
static void store_rows(ls_activation f, float slope, size_t rows, size_t columns, const float *from, size_t from_step,
                       float *to, size_t to_step) {
    lanes k = lanes_set(slope);
    for (size_t r = 0; r < rows; r++, from += from_step, to += to_step)
        for (size_t j = 0; j < columns; j += LANES) {
            lanes a = lanes_activate(f, k, lanes_load(from + j));
            if (columns - j >= LANES)
                lanes_store(to + j, a);
            else
                lanes_store_some(to + j, columns - j, a);
        }
}

static void forward_panel(const dense_work *d, size_t first_out, size_t first_row, size_t rows, float *scratch) {
    size_t width = ls__panel_width(d->out, first_out), columns = smaller(LS_PANEL, d->out - first_out);
    float *sums = scratch + LS_PANEL;
    for (size_t j = 0; j < width; j++) scratch[j] = d->bias && j < columns ? d->bias[first_out + j] : 0;
    product p = {.rows = rows, .width = width, .a_row = d->in};
    p.t = (tile){.step = 1, .b_step = width, .start = scratch, .c = sums, .c_step = width};
    for (size_t k = 0; k < d->in; k += K_BLOCK) {
        p.a = d->x + first_row * d->in + k;
        p.chain.k = smaller(K_BLOCK, d->in - k);
        p.t.b = d->weight + first_out * d->in + k * width;
        multiply_panel(&p);
        p.t.start = sums;
        p.t.start_step = width;
    }
    store_rows(d->f, d->slope, rows, columns, sums, width, d->y + first_row * d->out + first_out, d->out);
}

/* Units are panels; where they are fewer than parts, the rows are cut as well. */
static void forward_work(void *argument, size_t part, size_t parts) {
    const dense_work *d = argument;
    size_t panels = panel_count(d->out), cuts = panels < parts ? parts : 1;
    size_t chunks = (d->rows + ROW_CHUNK - 1) / ROW_CHUNK;
    if (cuts < chunks) cuts = chunks;
    for (size_t unit = cut(panels * cuts, 1, part, parts); unit < cut(panels * cuts, 1, part + 1, parts); unit++) {
        ls__team_poke(d->team);
        size_t row = cut(d->rows, 1, unit % cuts, cuts), end = cut(d->rows, 1, unit % cuts + 1, cuts);
        if (row < end) forward_panel(d, unit / cuts * LS_PANEL, row, end - row, d->private + part * d->private_size);
    }
}

static void dense_forward(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *x,
                          const float *weight, const float *bias, ls_activation f, float slope, float *y,
                          void *scratch) {
    dense_work d = {.team = team,
                    .rows = ls_microbatches_rows(micro),
                    .out = out,
                    .in = in,
                    .x = x,
                    .weight = weight,
                    .bias = bias,
                    .f = f,
                    .slope = slope,
                    .y = y};
    carver c = {scratch, 0};
    if (d.rows == 0) return;
    plan_forward(&c, team, d.rows, &d);
    ls_team_run(team, parts_for(team, d.rows * out * in / PRODUCTS_AN_ELEMENT), forward_work, &d);
}

/* ---- dx = dz W: vectorised over samples, so that W is read as it lies ---- */

static inline size_t sample_panels(size_t rows) {
    return (rows + SAMPLE_PANEL - 1) / SAMPLE_PANEL;
}

/* Samples of panel q, rounded up to whole lanes. */
static inline size_t sample_width(size_t rows, size_t q) {
    return smaller(SAMPLE_PANEL, ls_round_up(rows - q * SAMPLE_PANEL, LANES));
}

static void plan_backward_data(carver *c, const ls_team *team, size_t rows, dense_work *d) {
    size_t padded = ls_round_up(rows, LANES);
    d->packed = carve(c, padded * d->out, sizeof(float));
    d->private_size = IN_CHUNK * padded;
    d->private = carve(c, d->private_size * ls_team_size(team), sizeof(float));
}

/* dz^T in panels of samples: (panel, out, samples); absent samples are 0 */
static void pack_transposed(const dense_work *d) {
    for (size_t q = 0; q < sample_panels(d->rows); q++) {
        size_t width = sample_width(d->rows, q), samples = smaller(width, d->rows - q * SAMPLE_PANEL);
        float *to = d->packed + q * SAMPLE_PANEL * d->out;
        transpose(samples, d->out, d->dz + q * SAMPLE_PANEL * d->out, d->out, to, width);
        for (size_t o = 0; o < d->out && samples < width; o++)
            memset(to + o * width + samples, 0, (width - samples) * sizeof *to);
    }
}

/* Inputs first .. first + count - 1 for all samples. */
static void backward_data_chunk(const dense_work *d, size_t first, size_t count, float *sums) {
    for (size_t o = 0; o < d->out; o += LS_PANEL) {
        size_t panel = ls__panel_width(d->out, o), next = o + LS_PANEL < d->out ? o + LS_PANEL : 0;
        for (size_t q = 0; q < sample_panels(d->rows); q++) {
            size_t width = sample_width(d->rows, q);
            float *c = sums + q * SAMPLE_PANEL * count;
            product p = {.rows = count, .width = width, .a_row = panel, .chain.k = smaller(LS_PANEL, d->out - o)};
            p.a = d->weight + o * d->in + first * panel;
            p.t = (tile){.step = 1, .b_step = width, .c = c, .c_step = width};
            p.t.b = d->packed + q * SAMPLE_PANEL * d->out + o * width;
            p.t.start = o ? c : zero_row;
            p.t.start_step = o ? width : 0;
            if (q == 0 && d->out * d->in > FAR_WEIGHTS) {
                size_t from = next || first + 2 * count > d->in ? first : first + count;
                p.ahead[0].from = d->weight + next * d->in + from * ls__panel_width(d->out, next);
                p.ahead[0].size = count * ls__panel_width(d->out, next);
            }
            multiply_panel(&p);
        }
    }
    for (size_t q = 0; q < sample_panels(d->rows); q++) {
        size_t width = sample_width(d->rows, q), samples = smaller(width, d->rows - q * SAMPLE_PANEL);
        transpose(count, samples, sums + q * SAMPLE_PANEL * count, width, d->dx + q * SAMPLE_PANEL * d->in + first,
                  d->in);
    }
}

static void backward_data_work(void *argument, size_t part, size_t parts) {
    const dense_work *d = argument;
    size_t end = cut(d->in, IN_CHUNK, part + 1, parts);
    for (size_t i = cut(d->in, IN_CHUNK, part, parts); i < end; i += IN_CHUNK) {
        ls__team_poke(d->team);
        backward_data_chunk(d, i, smaller(IN_CHUNK, end - i), d->private + part * d->private_size);
    }
}

static void dense_backward_data(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *dz,
                                const float *weight, float *dx, void *scratch) {
    dense_work d = {
        .team = team, .rows = ls_microbatches_rows(micro), .out = out, .in = in, .weight = weight, .dz = dz, .dx = dx};
    carver c = {scratch, 0};
    if (d.rows == 0) return;
    plan_backward_data(&c, team, d.rows, &d);
    pack_transposed(&d);
    ls_team_run(team, parts_for(team, d.rows * out * in / PRODUCTS_AN_ELEMENT), backward_data_work, &d);
}

/* ---- dW = dz^T x, db: a micro-batch is a chain, and the tree of a tile is kept on a stack in L1 ---- */

static void plan_backward_weight(carver *c, const ls_team *team, size_t rows, size_t micros, dense_work *d) {
    d->chains = carve(c, micros, sizeof *d->chains);
    d->packed = carve(c, rows * ls_round_up(d->out, LS_LANES), sizeof(float));
    d->private_size = rows * IN_CHUNK + ls_microbatches_depth(micros) * MOST_ROWS * LS_PANEL;
    d->private = carve(c, d->private_size * ls_team_size(team), sizeof(float));
}

/* dz in panels of outputs, as W lies: (panel, row, outputs); absent outputs are 0 */
static void pack_panels(const dense_work *d) {
    for (size_t o = 0; o < d->out; o += LS_PANEL) {
        size_t width = ls__panel_width(d->out, o), columns = smaller(LS_PANEL, d->out - o);
        float *to = d->packed + o * d->rows;
        for (size_t r = 0; r < d->rows; r++, to += width)
            for (size_t j = 0; j < width; j += LANES) {
                const float *from = d->dz + r * d->out + o + j;
                lanes_store(to + j, columns - j < LANES ? lanes_load_some(from, columns - j, 0) : lanes_load(from));
            }
    }
}

/* The tree of each block: what a micro-batch completes joins it, and the last one joins all that waits. */
static void fill_chains(const ls_microbatches *micro, chain *chains) {
    for (size_t b = 0; b < micro->blocks; b++) {
        size_t waiting = 0, first = micro->block[b], end = micro->block[b + 1];
        for (size_t m = first; m < end; m++) {
            size_t joins = m + 1 == end ? waiting : ls_microbatches_joins(m - first);
            chains[m] = (chain){micro->row[m + 1] - micro->row[m], joins};
            waiting += 1 - joins;
        }
    }
}

/* One tile of the gradient of block b. Of `t` row[] and b are set for row 0 of the batch. */
static void sum_tile(const dense_work *d, size_t b, tile t, size_t rows, size_t vectors, float *stack) {
    size_t first = d->micro->block[b], at = d->micro->row[first];
    for (size_t i = 0; i < rows; i++) t.row[i] += at * t.step;
    t.b += at * t.b_step;
    t.chains = d->chains + first;
    t.count = d->micro->block[b + 1] - first;
    t.start = zero_row;
    t.waiting = stack;
    t.waiting_row = vectors * VEC;
    t.waiting_step = rows * t.waiting_row;
    if (!t.stream) fetch(&(ahead){t.c, rows * t.c_step}, 0, 1); /* so that what the stores replace is there by then */
    run_tile(&t, rows, vectors);
}

/* dW of inputs first .. first + count - 1 and one panel of outputs; `packed` is x (row, inputs of the chunk). */
static void backward_weight_panel(const dense_work *d, size_t first, size_t count, size_t out, const float *packed,
                                  float *stack) {
    size_t width = ls__panel_width(d->out, out);
    for (size_t column = 0; column < width; column += MOST_VECTORS * VEC) {
        size_t vectors = smaller((width - column) / VEC, MOST_VECTORS), tiles = tile_count(count, vectors);
        for (size_t n = 0; n < tiles; n++) {
            size_t i = count * n / tiles, rows = count * (n + 1) / tiles - i;
            tile t = {.step = IN_CHUNK, .b = d->packed + out * d->rows + column, .b_step = width, .c_step = width};
            for (size_t r = 0; r < rows; r++) t.row[r] = packed + i + r;
            t.c = d->dw.base + out * d->in + (first + i) * width + column;
            t.stream = d->stream;
            for (size_t b = 0; b < d->micro->blocks; b++, t.c += d->dw.stride) sum_tile(d, b, t, rows, vectors, stack);
        }
    }
}

/* db is the same tree with x = 1. */
static void backward_bias(const dense_work *d, float *stack) {
    static const float one = 1;
    for (size_t j = 0; j < d->out; j += VEC) {
        size_t out = j / LS_PANEL * LS_PANEL, width = ls__panel_width(d->out, out);
        for (size_t b = 0; b < d->micro->blocks; b++) {
            float sums[VEC];
            tile t = {.row = {&one}, .b = d->packed + out * d->rows + j - out, .b_step = width, .c = sums};
            sum_tile(d, b, t, 1, 1, stack);
            memcpy(d->db.base + b * d->db.stride + j, sums, smaller(VEC, d->out - j) * sizeof *sums);
        }
    }
}

/* Units are chunks of inputs, cut further by panels where they are fewer than parts. */
static void backward_weight_work(void *argument, size_t part, size_t parts) {
    const dense_work *d = argument;
    float *packed = d->private + part * d->private_size, *stack = packed + d->rows * IN_CHUNK;
    size_t chunks = (d->in + IN_CHUNK - 1) / IN_CHUNK, panels = panel_count(d->out);
    size_t cuts = chunks < 4 * parts ? smaller(parts, panels) : 1;
    if (part == 0 && d->db.base) backward_bias(d, stack);
    for (size_t unit = cut(chunks * cuts, 1, part, parts); unit < cut(chunks * cuts, 1, part + 1, parts); unit++) {
        ls__team_poke(d->team);
        size_t first = unit / cuts * IN_CHUNK, count = smaller(IN_CHUNK, d->in - first);
        for (size_t r = 0; r < d->rows; r++)
            memcpy(packed + r * IN_CHUNK, d->x + r * d->in + first, count * sizeof *packed);
        for (size_t p = cut(panels, 1, unit % cuts, cuts); p < cut(panels, 1, unit % cuts + 1, cuts); p++)
            backward_weight_panel(d, first, count, p * LS_PANEL, packed, stack);
    }
    if (d->stream) _mm_sfence();
}

static void dense_backward_weight(ls_team *team, const ls_microbatches *micro, size_t out, size_t in, const float *x,
                                  const float *dz, ls_gradient dw, ls_gradient db, void *scratch) {
    dense_work d = {.team = team,
                    .micro = micro,
                    .rows = ls_microbatches_rows(micro),
                    .out = out,
                    .in = in,
                    .x = x,
                    .dz = dz,
                    .dw = dw,
                    .db = db};
    carver c = {scratch, 0};
    if (micro->blocks == 0) return;
    plan_backward_weight(&c, team, d.rows, micro->count, &d);
    d.stream = out * in > FAR_GRADIENT && (uintptr_t)dw.base % LS_ALIGNMENT == 0 && dw.stride % LS_LANES == 0;
    fill_chains(micro, d.chains);
    pack_panels(&d);
    ls_team_run(team, parts_for(team, d.rows * out * in / PRODUCTS_AN_ELEMENT), backward_weight_work, &d);
}

static size_t dense_scratch(const ls_team *team, size_t rows, size_t micros, size_t out, size_t in) {
    dense_work d = {.out = out, .in = in};
    carver forward = {0}, data = {0}, weight = {0};
    plan_forward(&forward, team, rows, &d);
    plan_backward_data(&data, team, rows, &d);
    plan_backward_weight(&weight, team, rows, micros, &d);
    size_t most = forward.used > data.used ? forward.used : data.used;
    return most > weight.used ? most : weight.used;
}

#endif
