/* Compiled for float and for double. */
#include "graph/numbers.h"

#include <math.h>

#include "tensor/kernels.h"

static const void *kernels_of(const ls_math *math) {
    return LS_REAL(ls_math_kernels)(math);
}

static void add(const void *kernels, ls_team *team, size_t count, void *sum, const void *part) {
    const LS_REAL(ls_kernels) *k = kernels;
    k->add(team, count, sum, part, sum);
}

static void seed(size_t rows, double factor, const void *weight, void *out) {
    const real *w = weight;
    real *s = out;
    for (size_t r = 0; r < rows; r++) s[r] = (real)(w ? factor * (double)w[r] : factor);
}

static void weigh(size_t rows, const void *weight, double *loss) {
    const real *w = weight;
    for (size_t r = 0; r < rows; r++) loss[r] *= (double)w[r];
}

static size_t find_bad(size_t count, const void *values) {
    const real *v = values;
    size_t i = 0;
    while (i < count && isfinite(v[i])) i++;
    return i;
}

static double get(const void *values, size_t index) {
    return (double)((const real *)values)[index];
}

static void set(void *values, size_t index, double value) {
    ((real *)values)[index] = (real)value;
}

const ls__numbers LS_REAL(ls__numbers_of) = {.bytes = sizeof(real),
                                             .kernels = kernels_of,
                                             .add = add,
                                             .seed = seed,
                                             .weigh = weigh,
                                             .find_bad = find_bad,
                                             .get = get,
                                             .set = set};
