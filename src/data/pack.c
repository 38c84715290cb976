#include "data/pack.h"

#include <assert.h>
#include <string.h>

#include "tensor/clones.h"

#define PLAIN(name, type)                                                                                              \
    LS_CLONES static void plain_##name(size_t count, const void *in, float *restrict out) {                            \
        const type *restrict x = in;                                                                                   \
        for (size_t i = 0; i < count; i++) out[i] = (float)x[i];                                                       \
    }

#define NARROW(name, type)                                                                                             \
    PLAIN(name, type)                                                                                                  \
    LS_CLONES static void affine_##name(size_t count, const void *in, const ls_preprocess *p, float *restrict out) {   \
        const type *restrict x = in;                                                                                   \
        const float *restrict shift = p->shift_single, *restrict factor = p->factor_single;                            \
        for (size_t i = 0; i < count; i++) out[i] = ((float)x[i] - shift[i]) * factor[i];                              \
    }

#define WIDE(name, type)                                                                                               \
    PLAIN(name, type)                                                                                                  \
    LS_CLONES static void affine_##name(size_t count, const void *in, const ls_preprocess *p, float *restrict out) {   \
        const type *restrict x = in;                                                                                   \
        const double *restrict shift = p->shift, *restrict factor = p->factor;                                         \
        for (size_t i = 0; i < count; i++) out[i] = (float)(((double)x[i] - shift[i]) * factor[i]);                    \
    }

NARROW(u8, uint8_t)
NARROW(i8, int8_t)
NARROW(u16, uint16_t)
NARROW(i16, int16_t)
NARROW(f32, float)
WIDE(u32, uint32_t)
WIDE(i32, int32_t)
WIDE(u64, uint64_t)
WIDE(i64, int64_t)
WIDE(f64, double)

static void plain_f16(size_t count, const void *in, float *out) {
    ls_dtype_convert(LS_DTYPE_F16, in, LS_DTYPE_F32, out, count, NULL);
}

static void affine_f16(size_t count, const void *in, const ls_preprocess *p, float *out) {
    plain_f16(count, in, out);
    for (size_t i = 0; i < count; i++) out[i] = (out[i] - p->shift_single[i]) * p->factor_single[i];
}

typedef struct packer {
    void (*plain)(size_t count, const void *in, float *out);
    void (*affine)(size_t count, const void *in, const ls_preprocess *p, float *out);
} packer;

static const packer packers[] = {
    [LS_DTYPE_U8] = {plain_u8, affine_u8},    [LS_DTYPE_I8] = {plain_i8, affine_i8},
    [LS_DTYPE_U16] = {plain_u16, affine_u16}, [LS_DTYPE_I16] = {plain_i16, affine_i16},
    [LS_DTYPE_U32] = {plain_u32, affine_u32}, [LS_DTYPE_I32] = {plain_i32, affine_i32},
    [LS_DTYPE_U64] = {plain_u64, affine_u64}, [LS_DTYPE_I64] = {plain_i64, affine_i64},
    [LS_DTYPE_F16] = {plain_f16, affine_f16}, [LS_DTYPE_F32] = {plain_f32, affine_f32},
    [LS_DTYPE_F64] = {plain_f64, affine_f64},
};

void ls__pack_sample(ls_dtype dtype, const ls_preprocess *preprocess, size_t count, const void *in, float *out) {
    if (!preprocess || ls_preprocess_is_identity(preprocess)) {
        packers[dtype].plain(count, in, out);
        return;
    }
    assert(!preprocess->type->apply);
    packers[dtype].affine(count, in, preprocess, out);
}

bool ls__pack_indices(ls_dtype dtype, size_t count, const void *in, size_t entries, int32_t *out, size_t *misfit) {
    assert(ls_dtype_is_integer(dtype));
    size_t width = ls_dtype_size(dtype);
    for (size_t i = 0; i < count; i++) {
        int64_t value = 0;
        *misfit = i;
        if (!ls_dtype_convert(dtype, (const char *)in + i * width, LS_DTYPE_I64, &value, 1, &(size_t){0})) return false;
        if (value < 0 || value > INT32_MAX || (entries && (uint64_t)value >= entries)) return false;
        out[i] = (int32_t)value;
    }
    return true;
}
