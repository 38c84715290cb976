#include "comm/add.h"

#include <string.h>

#include "lockstep/tensor.h"
#include "tensor/clones.h"

LS_CLONES void ls__add(float *sum, const float *a, const float *b) {
    for (size_t i = 0; i < LS_GRAIN; i++) sum[i] = a[i] + b[i];
}

static inline uint16_t round_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    /* Half a unit of what is dropped, less one where the kept part is even; a NaN must not round to infinity. */
    uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16, quiet = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
}

LS_CLONES void ls__to_bf16(size_t count, const float *from, uint16_t *to) {
    for (size_t i = 0; i < count; i++) to[i] = round_to_bf16(from[i]);
}

LS_CLONES void ls__from_bf16(size_t count, const uint16_t *from, float *to) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)from[i] << 16;
        memcpy(&to[i], &bits, sizeof bits);
    }
}
