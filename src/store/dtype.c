#include "lockstep/store.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [LS_DTYPE_U8] = {"uint8", 1},      [LS_DTYPE_I8] = {"int8", 1},     [LS_DTYPE_U16] = {"uint16", 2},
    [LS_DTYPE_I16] = {"int16", 2},     [LS_DTYPE_U32] = {"uint32", 4},  [LS_DTYPE_I32] = {"int32", 4},
    [LS_DTYPE_U64] = {"uint64", 8},    [LS_DTYPE_I64] = {"int64", 8},   [LS_DTYPE_F16] = {"float16", 2},
    [LS_DTYPE_F32] = {"float32", 4},   [LS_DTYPE_F64] = {"float64", 8}, [LS_DTYPE_TEXT] = {"text", 0},
    [LS_DTYPE_OTHER] = {"unknown", 0},
};

const char *ls_dtype_name(ls_dtype dtype) {
    return types[dtype].name;
}

size_t ls_dtype_size(ls_dtype dtype) {
    return types[dtype].size;
}

bool ls_dtype_is_integer(ls_dtype dtype) {
    return dtype <= LS_DTYPE_I64;
}

/* An IEEE half: 1 bit sign, 5 bits exponent with bias 15, 10 bits fraction. Every half is a float. */
static float half_to_float(uint16_t half) {
    int exponent = half >> 10 & 31;
    float fraction = (float)(half & 1023);
    float size = exponent == 31  ? (fraction == 0.0f ? INFINITY : NAN)
                 : exponent == 0 ? fraction * 0x1p-24f
                                 : ldexpf(1024.0f + fraction, exponent - 25);
    return half & 0x8000 ? -size : size;
}

/* Number i of a row of any type. Integers of 64 bits round to the nearest double. */
static double number_at(ls_dtype dtype, const char *in, size_t i) {
#define TAKE(type)                                                                                                     \
    {                                                                                                                  \
        type value;                                                                                                    \
        memcpy(&value, in + i * sizeof value, sizeof value);                                                           \
        return (double)value;                                                                                          \
    }
    switch (dtype) {
    case LS_DTYPE_U8: TAKE(uint8_t)
    case LS_DTYPE_I8: TAKE(int8_t)
    case LS_DTYPE_U16: TAKE(uint16_t)
    case LS_DTYPE_I16: TAKE(int16_t)
    case LS_DTYPE_U32: TAKE(uint32_t)
    case LS_DTYPE_I32: TAKE(int32_t)
    case LS_DTYPE_U64: TAKE(uint64_t)
    case LS_DTYPE_I64: TAKE(int64_t)
    case LS_DTYPE_F32: TAKE(float)
    case LS_DTYPE_F64: TAKE(double)
    case LS_DTYPE_F16: {
        uint16_t half;
        memcpy(&half, in + i * sizeof half, sizeof half);
        return (double)half_to_float(half);
    }
    case LS_DTYPE_TEXT:
    case LS_DTYPE_OTHER: break;
    }
    assert(false && "text is no number");
    return 0.0;
#undef TAKE
}

static bool integer_at(ls_dtype dtype, const char *in, size_t i, int64_t *out) {
    uint64_t word;
    if (dtype == LS_DTYPE_I64 || dtype == LS_DTYPE_U64) {
        memcpy(&word, in + i * sizeof word, sizeof word);
        *out = (int64_t)word;
        return dtype == LS_DTYPE_I64 || word <= INT64_MAX;
    }
    double value = number_at(dtype, in, i);
    if (!(value >= -0x1p63 && value < 0x1p63) || value != floor(value)) return false;
    *out = (int64_t)value;
    return true;
}

/* The plain loops of the common pairs, which the compiler turns into vector code. */
static bool convert_fast(ls_dtype from, const void *in, ls_dtype to, void *out, size_t count) {
    if (from == to) {
        memcpy(out, in, count * ls_dtype_size(to));
        return true;
    }
    if (from != LS_DTYPE_U8 || to != LS_DTYPE_F32) return false;
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) {
        float value = (float)bytes[i];
        memcpy((char *)out + i * sizeof value, &value, sizeof value);
    }
    return true;
}

bool ls_dtype_convert(ls_dtype from, const void *in, ls_dtype to, void *out, size_t count, size_t *misfit) {
    assert(to == LS_DTYPE_F32 || to == LS_DTYPE_F64 || to == LS_DTYPE_I64);
    assert(from < LS_DTYPE_TEXT);
    if (convert_fast(from, in, to, out, count)) return true;
    char *next = out;
    for (size_t i = 0; i < count; i++) {
        if (to == LS_DTYPE_I64) {
            int64_t value;
            if (!integer_at(from, in, i, &value)) {
                if (misfit) *misfit = i;
                return false;
            }
            memcpy(next + i * sizeof value, &value, sizeof value);
        } else if (to == LS_DTYPE_F64) {
            double value = number_at(from, in, i);
            memcpy(next + i * sizeof value, &value, sizeof value);
        } else {
            float value = (float)number_at(from, in, i);
            memcpy(next + i * sizeof value, &value, sizeof value);
        }
    }
    return true;
}
