/*
 * add.h: the reducer's loops over blocks of LS_GRAIN elements.
 */
#ifndef LOCKSTEP_COMM_ADD_H
#define LOCKSTEP_COMM_ADD_H

#include <stddef.h>
#include <stdint.h>

/** sum = a + b over LS_GRAIN elements; sum may be a or b. */
void ls__add(float *sum, const float *a, const float *b);

/** Rounds to bfloat16, to nearest even; NaNs stay NaNs. `count` is a multiple of LS_GRAIN. */
void ls__to_bf16(size_t count, const float *from, uint16_t *to);
void ls__from_bf16(size_t count, const uint16_t *from, float *to);

#endif
