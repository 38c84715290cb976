/*
 * Sums over the training set that do not depend on the number of ranks.
 *
 * The samples are cut into at most 64 leaves of ceil(samples / 64) in file order. A leaf belongs to one rank, which
 * adds its samples in order; every leaf is then given to all, and all join them in the same binary tree:
 *
 *     leaf 0 + leaf 1   leaf 2 + leaf 3   leaf 4            (an absent partner is passed over)
 *            +------- + -------+            |
 *                     +-------- + ----------+
 *
 * To bound memory the elements are worked on in blocks of columns, each with a pass over the data.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/preprocess.h"
#include "tensor/clones.h"

enum { MOST_LEAVES = 64, CHUNK_BYTES = 512 << 10, PARTIAL_BYTES = 64 << 20 };

typedef struct leaves {
    const ls_dataset *set;
    size_t field, size; /* elements of a sample */
    ls_comm *comm;
    size_t count, samples; /* leaves, and samples in all but the last */
    size_t chunk;          /* samples converted at once */
    void *scratch;         /* chunk samples as stored */
    double *rows;          /* chunk samples as doubles */
} leaves;

/* Collective; to be closed in all cases. */
static ls_status leaves_open(const ls_dataset *set, size_t field, ls_comm *comm, leaves *out) {
    const ls_column *column = ls__dataset_column(set, field);
    size_t size = ls_shape_size(column->shape);
    *out = (leaves){.set = set, .field = field, .size = size, .comm = comm};
    out->samples = (set->samples + MOST_LEAVES - 1) / MOST_LEAVES;
    out->count = (set->samples + out->samples - 1) / out->samples;
    out->chunk = CHUNK_BYTES / (size * sizeof(double));
    if (out->chunk == 0) out->chunk = 1;
    void *rows = NULL;
    ls_status status = ls_block_create(out->chunk, column->row_bytes, "a piece of the data", &out->scratch);
    if (status == LS_OK) status = ls_block_create(out->chunk * size, sizeof(double), "a piece of the data", &rows);
    out->rows = rows;
    return ls_comm_agree(comm, status);
}

static void leaves_close(leaves *l) {
    ls_block_destroy(l->scratch);
    ls_block_destroy(l->rows);
}

static size_t leaf_owner(const leaves *l, size_t leaf) {
    return leaf * ls_comm_size(l->comm) / l->count;
}

/* Adds `count` samples in l->rows to a leaf's partial sums; `context` says of what. */
typedef void (*leaf_add)(const leaves *l, size_t count, void *context, double *partial);

static ls_status add_leaf(leaves *l, size_t leaf, leaf_add add, void *context, double *partial) {
    size_t first = leaf * l->samples;
    size_t end = first + l->samples < l->set->samples ? first + l->samples : l->set->samples;
    for (size_t at = first; at < end; at += l->chunk) {
        size_t count = end - at < l->chunk ? end - at : l->chunk;
        LS_TRY(ls__asked_to_stop());
        ls_comm_beat(l->comm);
        LS_TRY(ls__dataset_doubles(l->set, l->field, at, count, l->scratch, l->rows));
        add(l, count, context, partial);
    }
    return LS_OK;
}

/* Fills `partials` (count leaves of `width` doubles) on all ranks. */
static ls_status run_leaves(leaves *l, size_t width, leaf_add add, void *context, double *partials) {
    ls_status status = LS_OK;
    size_t rank = ls_comm_rank(l->comm);
    for (size_t i = 0; i < l->count && status == LS_OK; i++)
        if (leaf_owner(l, i) == rank) status = add_leaf(l, i, add, context, partials + i * width);
    LS_TRY(ls_comm_agree(l->comm, status));
    for (size_t i = 0; i < l->count; i++)
        LS_TRY(ls_comm_broadcast(l->comm, leaf_owner(l, i), partials + i * width, width * sizeof *partials));
    return LS_OK;
}

/* Joins columns [0, width) of all leaves in the tree; the sum ends in leaf 0. */
static void join(double *partials, size_t count, size_t stride, size_t width) {
    for (size_t step = 1; step < count; step *= 2)
        for (size_t i = 0; i + step < count; i += 2 * step)
            for (size_t j = 0; j < width; j++) partials[i * stride + j] += partials[(i + step) * stride + j];
}

/* ---- moments ---------------------------------------------------------------------------------------------------- */

/* Which columns a pass is about. Partials of the first pass: sums | minima | maxima; of the second: squares. */
typedef struct pass {
    size_t first, count;
    const double *mean;
} pass;

LS_CLONES static void add_row(size_t count, const double *restrict x, double *restrict sum, double *restrict least,
                              double *restrict largest) {
    for (size_t j = 0; j < count; j++) {
        sum[j] += x[j];
        least[j] = x[j] < least[j] ? x[j] : least[j];
        largest[j] = x[j] > largest[j] ? x[j] : largest[j];
    }
}

LS_CLONES static void add_squares(size_t count, const double *restrict x, const double *restrict mean,
                                  double *restrict sum) {
    for (size_t j = 0; j < count; j++) sum[j] += (x[j] - mean[j]) * (x[j] - mean[j]);
}

static void add_sums(const leaves *l, size_t count, void *context, double *partial) {
    const pass *p = context;
    for (size_t i = 0; i < count; i++)
        add_row(p->count, l->rows + i * l->size + p->first, partial, partial + p->count, partial + 2 * p->count);
}

static void add_deviations(const leaves *l, size_t count, void *context, double *partial) {
    const pass *p = context;
    for (size_t i = 0; i < count; i++)
        add_squares(p->count, l->rows + i * l->size + p->first, p->mean + p->first, partial);
}

static void start_extremes(double *partials, size_t leaf_count, size_t columns) {
    for (size_t i = 0; i < leaf_count; i++)
        for (size_t j = 0; j < columns; j++) {
            partials[(3 * i + 0) * columns + j] = 0;
            partials[(3 * i + 1) * columns + j] = INFINITY;
            partials[(3 * i + 2) * columns + j] = -INFINITY;
        }
}

static ls_status sum_columns(leaves *l, const pass *p, double *partials, ls_moments *m) {
    size_t width = 3 * p->count;
    start_extremes(partials, l->count, p->count);
    LS_TRY(run_leaves(l, width, add_sums, (void *)(uintptr_t)p, partials));
    for (size_t i = 0; i < l->count; i++)
        for (size_t j = 0; j < p->count; j++) {
            double least = partials[i * width + p->count + j], largest = partials[i * width + 2 * p->count + j];
            if (i == 0 || least < m->least[p->first + j]) m->least[p->first + j] = least;
            if (i == 0 || largest > m->largest[p->first + j]) m->largest[p->first + j] = largest;
        }
    join(partials, l->count, width, p->count);
    for (size_t j = 0; j < p->count; j++) m->mean[p->first + j] = partials[j] / (double)m->samples;
    return LS_OK;
}

static ls_status square_columns(leaves *l, pass *p, double *partials, ls_moments *m) {
    p->mean = m->mean;
    memset(partials, 0, l->count * p->count * sizeof *partials);
    LS_TRY(run_leaves(l, p->count, add_deviations, p, partials));
    join(partials, l->count, p->count, p->count);
    for (size_t j = 0; j < p->count; j++) {
        size_t at = p->first + j;
        /* Rounding of the mean leaves a trace of a deviation where there is none. */
        bool constant = m->least[at] == m->largest[at];
        if (constant) m->mean[at] = m->least[at];
        m->deviation[at] = constant ? 0 : sqrt(partials[j] / (double)m->samples);
    }
    return LS_OK;
}

static ls_status fit_columns(leaves *l, ls_moments *m) {
    size_t most = PARTIAL_BYTES / (3 * sizeof(double) * l->count);
    size_t columns = l->size < most ? l->size : most;
    void *partials = NULL;
    LS_TRY(
        ls_comm_agree(l->comm, ls_block_create(3 * l->count * columns, sizeof(double), "sums of the data", &partials)));
    ls_status status = LS_OK;
    for (size_t first = 0; first < l->size && status == LS_OK; first += columns) {
        pass p = {.first = first, .count = l->size - first < columns ? l->size - first : columns};
        status = sum_columns(l, &p, partials, m);
        if (status == LS_OK) status = square_columns(l, &p, partials, m);
    }
    ls_block_destroy(partials);
    return status;
}

ls_status ls__moments_fit(const ls_dataset *train, size_t field, ls_comm *comm, ls_moments *out) {
    leaves l;
    *out = (ls_moments){.samples = train->samples};
    void *block = NULL;
    ls_status status = leaves_open(train, field, comm, &l);
    if (status == LS_OK)
        status = ls_comm_agree(comm, ls_block_create(4 * l.size, sizeof(double), "moments of the data", &block));
    out->mean = block;
    if (status == LS_OK) {
        out->size = l.size;
        out->least = out->mean + l.size;
        out->largest = out->least + l.size;
        out->deviation = out->largest + l.size;
        status = fit_columns(&l, out);
    }
    leaves_close(&l);
    if (status != LS_OK) ls__moments_free(out);
    return status;
}

void ls__moments_free(ls_moments *moments) {
    ls_block_destroy(moments->mean);
    *moments = (ls_moments){0};
}

/* ---- scatter matrix --------------------------------------------------------------------------------------------- */

/* Rows [first, first + count) of the matrix; of row i only columns 0 .. i. */
typedef struct band {
    size_t first, count;
    const double *mean;
} band;

/* row += d0 x0 + d1 x1 + d2 x2 + d3 x3, one after the other: sample order, with a quarter of the memory traffic. */
LS_CLONES static void add_products(size_t count, const double *restrict x, size_t size, const double d[4],
                                   double *restrict row) {
    const double *restrict x1 = x + size, *restrict x2 = x + 2 * size, *restrict x3 = x + 3 * size;
    for (size_t j = 0; j < count; j++) row[j] = (((row[j] + d[0] * x[j]) + d[1] * x1[j]) + d[2] * x2[j]) + d[3] * x3[j];
}

LS_CLONES static void add_product(size_t count, const double *restrict x, double d, double *restrict row) {
    for (size_t j = 0; j < count; j++) row[j] += d * x[j];
}

static void add_scatter(const leaves *l, size_t count, void *context, double *partial) {
    const band *b = context;
    size_t n = l->size;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < n; j++) l->rows[i * n + j] -= b->mean[j];
    for (size_t s = 0; s < count;) {
        size_t together = count - s >= 4 ? 4 : 1;
        const double *x = l->rows + s * n;
        for (size_t r = 0; r < b->count; r++) {
            size_t i = b->first + r;
            double d[4] = {x[i]};
            for (size_t k = 1; k < together; k++) d[k] = x[k * n + i];
            if (together == 4)
                add_products(i + 1, x, n, d, partial + r * n);
            else
                add_product(i + 1, x, d[0], partial + r * n);
        }
        s += together;
    }
}

static ls_status fit_bands(leaves *l, const double *mean, double *out) {
    size_t n = l->size, most = PARTIAL_BYTES / (sizeof(double) * l->count * n);
    size_t rows = most == 0 ? 1 : most < n ? most : n;
    void *partials = NULL;
    LS_TRY(ls_comm_agree(l->comm,
                         ls_block_create(l->count * rows * n, sizeof(double), "products of the data", &partials)));
    ls_status status = LS_OK;
    for (size_t first = 0; first < n && status == LS_OK; first += rows) {
        band b = {.first = first, .count = n - first < rows ? n - first : rows, .mean = mean};
        memset(partials, 0, l->count * rows * n * sizeof(double));
        status = run_leaves(l, b.count * n, add_scatter, &b, partials);
        if (status != LS_OK) break;
        join(partials, l->count, b.count * n, b.count * n);
        memcpy(out + first * n, partials, b.count * n * sizeof *out);
    }
    ls_block_destroy(partials);
    return status;
}

ls_status ls__scatter_fit(const ls_dataset *train, size_t field, ls_comm *comm, const double *mean, double *out) {
    leaves l;
    ls_status status = leaves_open(train, field, comm, &l);
    if (status == LS_OK) status = fit_bands(&l, mean, out);
    leaves_close(&l);
    return status;
}
