/*
 * whiten: uncorrelated features of variance 1. Rows of X' are the N centred samples, X' = U S V^T, and
 *
 *     Z = X' V sqrt(N - 1) / s            Z^T Z / (N - 1) = I
 *
 * in the directions with s >= epsilon times the largest; the others are dropped to 0. V and s^2 are the eigenvectors
 * and values of the scatter matrix X'^T X', each vector signed so that its largest component is positive. They are
 * found once, on rank 0, and stored. (Dividing U by s instead, as some texts do, gives covariance I / N.)
 */
#include <math.h>
#include <string.h>

#include "data/preprocess.h"
#include "tensor/clones.h"

typedef struct whiten_options {
    double epsilon;
} whiten_options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(whiten_options, epsilon, LS_KIND_REAL, "1e-5", 0, 1,
                      "directions whose singular value is below this share of the largest become 0"),
     .open_low = true, .open_high = true, .main = true},
    LS_OPTION_END};

enum { MEAN, DEVIATION, VECTORS }; /* deviation: s / sqrt(N - 1) of each direction, 0 where dropped; vectors are rows */

static void learn(ls_preprocess *p, const ls_moments *m) {
    memcpy(p->statistic[MEAN].values, m->mean, p->size * sizeof *m->mean);
}

/* From eigenvalues s^2 (descending) to deviations. */
static void find_deviations(const ls_preprocess *p, size_t samples, const double *values, double *deviation) {
    double epsilon = ((const whiten_options *)p->options)->epsilon;
    double largest = values[0] > 0 ? sqrt(values[0]) : 0;
    for (size_t i = 0; i < p->size; i++) {
        double s = values[i] > 0 ? sqrt(values[i]) : 0;
        bool kept = s > 0 && s >= epsilon * largest && samples > 1;
        deviation[i] = kept ? s / sqrt((double)(samples - 1)) : 0;
    }
}

static ls_status fit(ls_preprocess *p, const ls_dataset *train, size_t field, ls_comm *comm) {
    size_t n = p->size;
    void *scatter = NULL;
    double *deviation = p->statistic[DEVIATION].values, *vectors = p->statistic[VECTORS].values;
    LS_TRY(ls_comm_agree(comm, ls_block_create(n * n + n, sizeof(double), "the scatter matrix", &scatter)));
    double *values = (double *)scatter + n * n;
    ls_status status = ls__scatter_fit(train, field, comm, p->statistic[MEAN].values, scatter);
    if (status == LS_OK) {
        if (ls_comm_rank(comm) == 0) status = ls_symmetric_eigen(n, scatter, values, vectors);
        status = ls_comm_agree(comm, status);
    }
    if (status == LS_OK && ls_comm_rank(comm) == 0) find_deviations(p, train->samples, values, deviation);
    ls_block_destroy(scatter);
    LS_TRY(status);
    LS_TRY(ls_comm_broadcast(comm, 0, deviation, n * sizeof *deviation));
    return ls_comm_broadcast(comm, 0, vectors, n * n * sizeof *vectors);
}

/* z = (x - mean) matrix; column j of it is vector j over its deviation. */
static ls_status ready(ls_preprocess *p) {
    size_t n = p->size;
    for (size_t j = 0; j < n; j++) {
        double deviation = p->statistic[DEVIATION].values[j];
        if (deviation < 0) return LS_FAIL(LS_ERR_DATA, "whiten: a standard deviation is %g", deviation);
        for (size_t k = 0; k < n; k++)
            p->matrix[k * n + j] = deviation > 0 ? (float)(p->statistic[VECTORS].values[j * n + k] / deviation) : 0;
    }
    for (size_t k = 0; k < n; k++) {
        p->shift[k] = p->statistic[MEAN].values[k];
        p->factor[k] = 1;
    }
    return LS_OK;
}

enum { TILE_ROWS = 4, TILE_COLUMNS = 64 };

/*
 * One tile of z: every element is one accumulator over k ascending, whatever the tile; so a row's bits do not depend on
 * the rows around it. `d` holds TILE_ROWS centred rows.
 */
LS_CLONES static void multiply_tile(size_t n, size_t columns, const float *restrict d, const float *restrict matrix,
                                    float *restrict out) {
    float sum[TILE_ROWS][TILE_COLUMNS] = {{0}};
    for (size_t k = 0; k < n; k++)
        for (size_t r = 0; r < TILE_ROWS; r++)
            for (size_t j = 0; j < TILE_COLUMNS; j++) sum[r][j] += d[r * n + k] * (j < columns ? matrix[k * n + j] : 0);
    memcpy(out, sum, sizeof sum);
}

/* As above where the tile is whole, which the compiler can keep in registers. */
LS_CLONES static void multiply_whole_tile(size_t n, const float *restrict d, const float *restrict matrix,
                                          float *restrict out) {
    float sum[TILE_ROWS][TILE_COLUMNS] = {{0}};
    for (size_t k = 0; k < n; k++)
        for (size_t r = 0; r < TILE_ROWS; r++)
            for (size_t j = 0; j < TILE_COLUMNS; j++) sum[r][j] += d[r * n + k] * matrix[k * n + j];
    memcpy(out, sum, sizeof sum);
}

static void whiten_rows(const ls_preprocess *p, size_t count, const float *centred, float *z) {
    size_t n = p->size;
    float tile[TILE_ROWS * TILE_COLUMNS];
    for (size_t j = 0; j < n; j += TILE_COLUMNS) {
        size_t columns = n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS;
        if (columns == TILE_COLUMNS)
            multiply_whole_tile(n, centred, p->matrix + j, tile);
        else
            multiply_tile(n, columns, centred, p->matrix + j, tile);
        for (size_t r = 0; r < count; r++) memcpy(z + r * n + j, tile + r * TILE_COLUMNS, columns * sizeof *z);
    }
}

static void apply(const ls_preprocess *p, size_t count, const float *x, float *z) {
    size_t n = p->size;
    float centred[TILE_ROWS * LS_MOST_SQUARE];
    for (size_t r = 0; r < count; r += TILE_ROWS) {
        size_t now = count - r < TILE_ROWS ? count - r : TILE_ROWS;
        for (size_t i = 0; i < TILE_ROWS; i++)
            for (size_t k = 0; k < n; k++) centred[i * n + k] = i < now ? x[(r + i) * n + k] - p->shift_single[k] : 0;
        whiten_rows(p, now, centred, z + r * n);
    }
}

/* x = mean + sum over directions of z_j deviation_j v_j: what was dropped comes back as the mean. */
static void invert(const ls_preprocess *p, size_t count, const float *z, float *x) {
    size_t n = p->size;
    const double *deviation = p->statistic[DEVIATION].values, *vectors = p->statistic[VECTORS].values;
    double sum[LS_MOST_SQUARE];
    for (size_t r = 0; r < count; r++) {
        memcpy(sum, p->shift, n * sizeof *sum);
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < n; k++) sum[k] += (double)z[r * n + j] * deviation[j] * vectors[j * n + k];
        for (size_t k = 0; k < n; k++) x[r * n + k] = (float)sum[k];
    }
}

const ls_preprocess_type ls_preprocess_whiten = {
    .type = {"whiten", "uncorrelated features of variance 1", rows, sizeof(whiten_options)},
    .statistics = 3,
    .statistic = {"mean", "deviation", "vectors"},
    .square = true,
    .learn = learn,
    .fit = fit,
    .ready = ready,
    .apply = apply,
    .invert = invert};
