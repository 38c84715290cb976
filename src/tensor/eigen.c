/*
 * eigen.c: cyclic Jacobi. Each rotation makes one element a[p][q] zero; a sweep goes through all p < q in row order.
 * What decides bits is + - * / and square root only, in a fixed order.
 */
#include "lockstep/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/memory.h"
#include "tensor/clones.h"

enum { MOST_SWEEPS = 60 }; /* convergence is quadratic: ten are common, this never ends the loop in practice */

/* The rotation (cosine, sine) that makes a[p][q] zero, and t = sine / cosine. */
typedef struct rotation {
    double cosine, sine, tangent;
} rotation;

static rotation rotation_for(double pp, double qq, double pq) {
    double theta = (qq - pp) / (2 * pq);
    double root = sqrt(theta * theta + 1);
    double tangent = theta >= 0 ? 1 / (theta + root) : -1 / (root - theta);
    if (isinf(root)) tangent = 0.5 / theta;
    double cosine = 1 / sqrt(tangent * tangent + 1);
    return (rotation){cosine, tangent * cosine, tangent};
}

/* x' = c x - s y, y' = s x + c y over n numbers */
LS_CLONES static void rotate(size_t n, double *restrict x, double *restrict y, rotation r) {
    for (size_t k = 0; k < n; k++) {
        double a = x[k], b = y[k];
        x[k] = r.cosine * a - r.sine * b;
        y[k] = r.sine * a + r.cosine * b;
    }
}

/* A' = J^T A J on the full symmetric matrix; the vectors (in rows) turn likewise. */
static void eliminate(size_t n, double *m, double *vectors, size_t p, size_t q) {
    rotation r = rotation_for(m[p * n + p], m[q * n + q], m[p * n + q]);
    double shift = r.tangent * m[p * n + q], pp = m[p * n + p] - shift, qq = m[q * n + q] + shift;
    rotate(n, m + p * n, m + q * n, r);
    for (size_t k = 0; k < n; k++) {
        m[k * n + p] = m[p * n + k];
        m[k * n + q] = m[q * n + k];
    }
    m[p * n + p] = pp;
    m[q * n + q] = qq;
    m[p * n + q] = m[q * n + p] = 0;
    rotate(n, vectors + p * n, vectors + q * n, r);
}

/* Whether a[p][q] no longer changes the two eigenvalues. */
static bool negligible(double pp, double qq, double pq, double floor) {
    double size = fabs(pq);
    return size <= floor || (fabs(pp) + size == fabs(pp) && fabs(qq) + size == fabs(qq));
}

static bool sweep(size_t n, double *m, double *vectors, double floor) {
    bool changed = false;
    for (size_t p = 0; p + 1 < n; p++)
        for (size_t q = p + 1; q < n; q++) {
            if (negligible(m[p * n + p], m[q * n + q], m[p * n + q], floor)) continue;
            eliminate(n, m, vectors, p, q);
            changed = true;
        }
    return changed;
}

/* Sorts by descending value (equal ones keep their order) and fixes the signs. */
static void order(size_t n, const double *m, double *values, double *vectors, double *spare) {
    memcpy(spare, vectors, n * n * sizeof *spare);
    for (size_t i = 0; i < n; i++) {
        size_t place = 0, largest = 0;
        for (size_t j = 0; j < n; j++)
            place += m[j * n + j] > m[i * n + i] || (m[j * n + j] == m[i * n + i] && j < i);
        const double *from = spare + i * n;
        for (size_t k = 1; k < n; k++)
            if (fabs(from[k]) > fabs(from[largest])) largest = k;
        double sign = from[largest] < 0 ? -1 : 1;
        values[place] = m[i * n + i];
        for (size_t k = 0; k < n; k++) vectors[place * n + k] = sign * from[k];
    }
}

ls_status ls_symmetric_eigen(size_t n, const double *a, double *values, double *vectors) {
    void *block = NULL;
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            if (!isfinite(a[i * n + j]))
                return LS_FAIL(LS_ERR_NUMERIC, "element (%zu, %zu) of a matrix to be decomposed is not finite", i, j);
            if (fabs(a[i * n + j]) > largest) largest = fabs(a[i * n + j]);
        }
    LS_TRY(ls_block_create(2 * n * n, sizeof(double), "an eigenvalue decomposition", &block));
    double *m = block, *spare = m + n * n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            m[i * n + j] = j <= i ? a[i * n + j] : a[j * n + i];
            vectors[i * n + j] = i == j;
        }
    double floor = largest * 0x1p-80;
    for (int sweeps = 0; sweeps < MOST_SWEEPS && sweep(n, m, vectors, floor); sweeps++) continue;
    order(n, m, values, vectors, spare);
    ls_block_destroy(block);
    return LS_OK;
}
