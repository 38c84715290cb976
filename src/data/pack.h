/*
 * pack.h: one sample from its stored type into a batch.
 *
 * Types that float holds exactly (8 and 16 bits, half, single) are converted first and then preprocessed in float;
 * wider ones are preprocessed in double, so that a large mean does not cost the digits behind it.
 */
#ifndef LOCKSTEP_DATA_PACK_H
#define LOCKSTEP_DATA_PACK_H

#include "data/preprocess.h"

/** One sample as floats, by an affine preprocessing (or NULL). */
void ls__pack_sample(ls_dtype dtype, const ls_preprocess *preprocess, size_t count, const void *in, float *out);

/** `count` integers as int32; false where one is no index below `entries` (its place goes to *misfit). */
bool ls__pack_indices(ls_dtype dtype, size_t count, const void *in, size_t entries, int32_t *out, size_t *misfit);

/** Whether `count` numbers are all finite; integers always are. */
bool ls__finite(ls_dtype dtype, size_t count, const void *numbers);

#endif
