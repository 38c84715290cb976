#include <math.h>
#include <stdlib.h>

#include "lockstep/tensor.h"
#include "support.h"

/* A V^T = V^T L and V V^T = 1, descending values, largest component positive. */
static void check_decomposition(size_t n, const double *a, const double *values, const double *vectors) {
    for (size_t i = 0; i < n; i++) {
        size_t largest = 0;
        for (size_t k = 0; k < n; k++) {
            double image = 0, dot = 0;
            for (size_t j = 0; j < n; j++) {
                image += (j <= k ? a[k * n + j] : a[j * n + k]) * vectors[i * n + j];
                dot += vectors[i * n + j] * vectors[k * n + j];
            }
            assert_true(fabs(image - values[i] * vectors[i * n + k]) < 1e-12 * (double)n);
            assert_true(fabs(dot - (i == k)) < 1e-13 * (double)n);
            if (fabs(vectors[i * n + k]) > fabs(vectors[i * n + largest])) largest = k;
        }
        assert_true(vectors[i * n + largest] > 0);
        if (i) assert_true(values[i] <= values[i - 1]);
    }
}

static void random_matrices_decompose(void **state) {
    (void)state;
    for (size_t n = 1; n <= 40; n += 3) {
        double *a = calloc(3 * n * n + n, sizeof *a), *vectors = a + n * n, *values = vectors + n * n;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) a[i * n + j] = j <= i ? support_random(n, i * n + j) : 1e9;
        assert_works(ls_symmetric_eigen(n, a, values, vectors));
        check_decomposition(n, a, values, vectors);
        free(a);
    }
}

static void a_known_matrix_has_its_known_values(void **state) {
    (void)state;
    const double a[9] = {2, 0, 0, -1, 2, 0, 0, -1, 2};
    double values[3], vectors[9];
    assert_works(ls_symmetric_eigen(3, a, values, vectors));
    assert_true(fabs(values[0] - (2 + sqrt(2))) < 1e-14);
    assert_true(fabs(values[1] - 2) < 1e-14);
    assert_true(fabs(values[2] - (2 - sqrt(2))) < 1e-14);
}

/* Rank 1 and the zero matrix: what constant features lead to. */
static void degenerate_matrices_decompose(void **state) {
    (void)state;
    double ones[16], values[4], vectors[16], zero[16] = {0};
    for (int i = 0; i < 16; i++) ones[i] = 1;
    assert_works(ls_symmetric_eigen(4, ones, values, vectors));
    check_decomposition(4, ones, values, vectors);
    assert_true(fabs(values[0] - 4) < 1e-14);
    assert_works(ls_symmetric_eigen(4, zero, values, vectors));
    check_decomposition(4, zero, values, vectors);
    assert_works(ls_symmetric_eigen(0, zero, values, vectors));
}

/* X^T X of few samples with constant, equal and tiny features, of any unit: eigenvalues from 1 down to rounding. */
static void graded_matrices_of_low_rank_decompose(void **state) {
    (void)state;
    enum { SIZE = 90, SAMPLES = 50 };
    static const double units[] = {1, 0x1p-900, 0x1p1000};
    double *a = calloc(4 * SIZE * SIZE, sizeof *a), *x = a + SIZE * SIZE, *values = x + SIZE * SIZE;
    double *vectors = calloc(SIZE * SIZE, sizeof *vectors);
    for (size_t r = 0; r < SAMPLES; r++)
        for (size_t j = 0; j < SIZE; j++)
            x[r * SIZE + j] = j % 7 == 0   ? 0.05
                              : j % 5 == 0 ? x[r * SIZE + 1]
                                           : support_random(3, r * SIZE + j) / (double)(1 + j * j) / 10;
    for (size_t unit = 0; unit < 3; unit++) {
        for (size_t i = 0; i < SIZE; i++)
            for (size_t j = 0; j < SIZE; j++) {
                a[i * SIZE + j] = 0;
                for (size_t r = 0; r < SAMPLES; r++) a[i * SIZE + j] += x[r * SIZE + i] * x[r * SIZE + j];
                a[i * SIZE + j] *= units[unit];
            }
        assert_works(ls_symmetric_eigen(SIZE, a, values, vectors));
        for (size_t i = 0; i < SIZE * SIZE; i++) a[i] /= units[unit];
        for (size_t i = 0; i < SIZE; i++) values[i] /= units[unit];
        check_decomposition(SIZE, a, values, vectors);
        assert_true(fabs(values[SIZE - 1]) < 1e-14);
    }
    free(a);
    free(vectors);
}

static void what_is_not_finite_is_refused(void **state) {
    (void)state;
    const double a[4] = {1, 0, NAN, 1};
    double values[2], vectors[4];
    assert_refuses(ls_symmetric_eigen(2, a, values, vectors), LS_ERR_NUMERIC, "(1, 0)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_matrices_decompose),
        cmocka_unit_test(a_known_matrix_has_its_known_values),
        cmocka_unit_test(degenerate_matrices_decompose),
        cmocka_unit_test(graded_matrices_of_low_rank_decompose),
        cmocka_unit_test(what_is_not_finite_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
