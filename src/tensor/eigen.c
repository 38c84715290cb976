/*
 * eigen.c: a symmetric matrix is brought to tridiagonal form by Householder reflections, and that to diagonal form by
 * implicit QL steps (Bowdler, Martin, Reinsch, Wilkinson: The QR and QL algorithms for symmetric matrices, 1968; Golub
 * and Van Loan, 8.3). With A = Q T Q^T and T = S L S^T the eigenvectors are the rows of S^T Q^T: each rotation of a QL
 * step turns two neighbouring rows.
 *
 * What decides bits is + - * / and square root only, in a fixed order; dot products have eight interleaved sums.
 */
#include "lockstep/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/memory.h"
#include "tensor/clones.h"

enum { LANES = 8, MOST_STEPS = 60 }; /* of QL for one eigenvalue: two are common, this never ends the loop */

/* The matrix is scaled to a largest element of 1/2 .. 2: what is smaller than this is the rounding of larger ones. */
static const double precision = 0x1p-53;

/* ---- loops over rows -------------------------------------------------------------------------------------------- */

LS_CLONES static double dot(size_t n, const double *restrict x, const double *restrict y) {
    double lane[LANES] = {0};
    size_t whole = n / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += x[i + l] * y[i + l];
    for (size_t i = whole; i < n; i++) lane[i - whole] += x[i] * y[i];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* y += a x */
LS_CLONES static void add_row(size_t n, double a, const double *restrict x, double *restrict y) {
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

/* y -= a u + b q */
LS_CLONES static void subtract_two(size_t n, double a, const double *restrict u, double b, const double *restrict q,
                                   double *restrict y) {
    for (size_t i = 0; i < n; i++) y[i] -= a * u[i] + b * q[i];
}

/* y' = c y + s x, x' = c x - s y */
LS_CLONES static void rotate(size_t n, double c, double s, double *restrict x, double *restrict y) {
    for (size_t i = 0; i < n; i++) {
        double a = x[i], b = y[i];
        x[i] = c * a - s * b;
        y[i] = s * a + c * b;
    }
}

/* ---- to tridiagonal form ---------------------------------------------------------------------------------------- */

/*
 * The reflection H = 1 - scale u u^T that maps x to (beta, 0, 0, ..); u takes the place of x. Returns scale, 0 where
 * there is nothing to do.
 */
static double reflection(size_t n, double *x, double *beta) {
    double square = dot(n - 1, x + 1, x + 1);
    *beta = x[0];
    if (square <= precision * precision * precision) return 0;
    double norm = sqrt(x[0] * x[0] + square);
    *beta = x[0] > 0 ? -norm : norm;
    x[0] -= *beta;
    return 2 / (x[0] * x[0] + square);
}

/* A := H A H over the lower triangle of the n last rows and columns: A -= u q^T + q u^T. */
static void reflect_both_sides(size_t n, size_t stride, double *a, const double *u, double scale, double *q) {
    memset(q, 0, n * sizeof *q);
    for (size_t i = 0; i < n; i++) {
        const double *row = a + i * stride;
        q[i] += dot(i, row, u) + row[i] * u[i];
        add_row(i, u[i], row, q);
    }
    for (size_t i = 0; i < n; i++) q[i] *= scale;
    double half = scale / 2 * dot(n, u, q);
    for (size_t i = 0; i < n; i++) q[i] -= half * u[i];
    for (size_t i = 0; i < n; i++) subtract_two(i + 1, u[i], q, q[i], u, a + i * stride);
}

/*
 * T in `diagonal` and `beside` (beside[i] stands between i and i + 1), numbered from the last row of A to the first:
 * so the largest elements tend to stand at the end, where QL wants them. Reflection k is kept in row k of
 * `reflections` from k + 1 on, its scale in scale[k].
 */
static void tridiagonalise(size_t n, double *a, double *diagonal, double *beside, double *reflections, double *scale,
                           double *spare) {
    for (size_t k = 0; k < n; k++) {
        size_t left = n - k - 1;
        double *u = reflections + k * n + k + 1;
        diagonal[left] = a[k * n + k];
        if (left == 0) break;
        for (size_t i = 0; i < left; i++) u[i] = a[(k + 1 + i) * n + k];
        scale[k] = reflection(left, u, &beside[left - 1]);
        if (scale[k] > 0) reflect_both_sides(left, n, a + (k + 1) * n + k + 1, u, scale[k], spare);
    }
}

/*
 * Q^T = .. H_1 H_0 from the last reflection on, its rows from the last to the first. While reflection k is multiplied,
 * rows and columns 0 .. k are still those of the identity.
 */
static void multiply_reflections(size_t n, const double *reflections, const double *scale, double *vectors) {
    memset(vectors, 0, n * n * sizeof *vectors);
    for (size_t i = 0; i < n; i++) vectors[(n - 1 - i) * n + i] = 1;
    for (size_t left = 1; left < n; left++) {
        size_t k = n - 1 - left;
        const double *u = reflections + k * n + k + 1;
        for (size_t i = 0; i < left && scale[k] > 0; i++) {
            double *row = vectors + i * n + k + 1;
            add_row(left, -scale[k] * dot(left, row, u), u, row);
        }
    }
}

/* ---- to diagonal form ------------------------------------------------------------------------------------------- */

/* The end of the block that begins at `first`: no element beside the diagonal of it is negligible. */
static size_t block_end(size_t n, const double *diagonal, const double *beside, size_t first) {
    size_t last = first;
    while (last + 1 < n) {
        double size = fabs(diagonal[last]) + fabs(diagonal[last + 1]);
        if (fabs(beside[last]) <= precision * (size > 1 ? size : 1)) break;
        last++;
    }
    return last;
}

/* The shift: what the eigenvalue of the leading 2x2 block that is nearer to its first element leaves of `last`. */
static double shifted(const double *d, const double *e, size_t first, size_t last) {
    double g = (d[first + 1] - d[first]) / (2 * e[first]), root = sqrt(g * g + 1);
    return d[last] - d[first] + e[first] / (g >= 0 ? g + root : g - root);
}

/* One implicit QL step on the block first .. last. */
static void ql_step(size_t n, double *d, double *e, size_t first, size_t last, double *vectors) {
    double g = shifted(d, e, first, last), sine = 1, cosine = 1, shift = 0;
    for (size_t i = last; i-- > first;) {
        double f = sine * e[i], b = cosine * e[i], r = sqrt(f * f + g * g);
        e[i + 1] = r;
        if (!(r > 0)) { /* the block falls apart here */
            d[i + 1] -= shift;
            e[last] = 0;
            return;
        }
        sine = f / r;
        cosine = g / r;
        g = d[i + 1] - shift;
        r = (d[i] - g) * sine + 2 * cosine * b;
        shift = sine * r;
        d[i + 1] = g + shift;
        g = cosine * r - b;
        rotate(n, cosine, sine, vectors + i * n, vectors + (i + 1) * n);
    }
    d[first] -= shift;
    e[first] = g;
    e[last] = 0;
}

static ls_status diagonalise(size_t n, double *diagonal, double *beside, double *vectors) {
    for (size_t first = 0; first < n; first++) {
        size_t steps = 0, last;
        while ((last = block_end(n, diagonal, beside, first)) > first) {
            if (steps++ == MOST_STEPS)
                return LS_FAIL(LS_ERR_NUMERIC, "eigenvalue %zu of %zu was not found in %d steps", first, n, MOST_STEPS);
            ql_step(n, diagonal, beside, first, last, vectors);
        }
    }
    return LS_OK;
}

/* ---- the decomposition ------------------------------------------------------------------------------------------ */

/* Sorts by descending value (equal ones keep their order), scales the values back and fixes the signs. */
static void order(size_t n, const double *found, double scale, const double *from, double *values, double *vectors) {
    for (size_t i = 0; i < n; i++) {
        size_t place = 0, largest = 0;
        for (size_t j = 0; j < n; j++) place += found[j] > found[i] || (found[j] == found[i] && j < i);
        const double *row = from + i * n;
        for (size_t k = 1; k < n; k++)
            if (fabs(row[k]) > fabs(row[largest])) largest = k;
        double sign = row[largest] < 0 ? -1 : 1;
        values[place] = scale * found[i];
        for (size_t k = 0; k < n; k++) vectors[place * n + k] = sign * row[k];
    }
}

static ls_status decompose(size_t n, const double *a, double scale, double *values, double *vectors) {
    void *block = NULL;
    LS_TRY(ls_block_create(2 * n * n + 4 * n, sizeof(double), "an eigenvalue decomposition", &block));
    double *m = block, *reflections = m + n * n, *diagonal = reflections + n * n, *beside = diagonal + n;
    double *factor = beside + n, *spare = factor + n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) m[i * n + j] = a[i * n + j] / scale;
    tridiagonalise(n, m, diagonal, beside, reflections, factor, spare);
    multiply_reflections(n, reflections, factor, m);
    ls_status status = diagonalise(n, diagonal, beside, m);
    if (status == LS_OK) order(n, diagonal, scale, m, values, vectors);
    ls_block_destroy(block);
    return status;
}

ls_status ls_symmetric_eigen(size_t n, const double *a, double *values, double *vectors) {
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            if (!isfinite(a[i * n + j]))
                return LS_FAIL(LS_ERR_NUMERIC, "element (%zu, %zu) of a matrix to be decomposed is not finite", i, j);
            if (fabs(a[i * n + j]) > largest) largest = fabs(a[i * n + j]);
        }
    double scale = 1; /* a power of two: nothing is rounded */
    while (scale < largest / 2) scale *= 2;
    while (largest > 0 && scale / 2 >= largest) scale /= 2;
    return decompose(n, a, scale, values, vectors);
}
