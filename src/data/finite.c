/* Whether numbers are finite, by their bits: loops without an order, which the compiler can vectorise. */
#include <math.h>

#include "data/pack.h"
#include "tensor/clones.h"

LS_CLONES static bool finite_f16(const uint16_t *x, size_t count) {
    unsigned bad = 0;
    for (size_t i = 0; i < count; i++) bad |= (x[i] & 0x7c00u) == 0x7c00u;
    return !bad;
}

LS_CLONES static bool finite_f32(const uint32_t *x, size_t count) {
    unsigned bad = 0;
    for (size_t i = 0; i < count; i++) bad |= (x[i] & 0x7f800000u) == 0x7f800000u;
    return !bad;
}

LS_CLONES static bool finite_f64(const uint64_t *x, size_t count) {
    const uint64_t exponent = 0x7ff0000000000000u;
    uint64_t bad = 0;
    for (size_t i = 0; i < count; i++) bad |= (x[i] & exponent) == exponent;
    return !bad;
}

bool ls__finite(ls_dtype dtype, size_t count, const void *numbers) {
    switch (dtype) {
    case LS_DTYPE_F16: return finite_f16(numbers, count);
    case LS_DTYPE_F32: return finite_f32(numbers, count);
    case LS_DTYPE_F64: return finite_f64(numbers, count);
    default: return true;
    }
}

bool ls__rows_finite(const ls_column *column, const void *rows, size_t count) {
    return ls__finite(column->dtype, count * ls_shape_size(column->shape), rows);
}

LS_CLONES static bool fit_floats(const double *x, size_t count) {
    unsigned bad = 0;
    for (size_t i = 0; i < count; i++) bad |= fabs(x[i]) >= 0x1.ffffffp127; /* rounds to infinity */
    return !bad;
}

bool ls__rows_fit_floats(const ls_column *column, const void *rows, size_t count) {
    return column->dtype != LS_DTYPE_F64 || fit_floats(rows, count * ls_shape_size(column->shape));
}
