/*
 * augment.h: random changes to samples. Each is a function of the sample's values and of draws keyed by (seed, epoch,
 * position), so it is the same on any rank, and for all fields of a sample.
 */
#ifndef LOCKSTEP_DATA_AUGMENT_H
#define LOCKSTEP_DATA_AUGMENT_H

#include "lockstep/data.h"
#include "lockstep/random.h"

/** The address of a sample's draws. Draw d of the k-th augmentation is number k 2^24 + d. */
typedef struct ls_augment_key {
    uint64_t seed, position;
    uint32_t epoch, first_draw;
} ls_augment_key;

static inline ls_draw ls__augment_draw(const ls_augment_key *key, uint32_t draw) {
    return ls_random(key->seed, LS_PURPOSE_AUGMENT, key->epoch, key->position, key->first_draw + draw);
}

typedef struct ls_augment_type {
    ls_type type;
    bool images; /* samples must have height and width as their last two axes */
    void (*apply)(const void *options, const ls_augment_key *key, ls_shape shape, float *x);
} ls_augment_type;

extern const ls_augment_type ls_augment_flip, ls_augment_shift, ls_augment_noise;

/** Applies all of them to one sample, in order. */
void ls__augment(const ls_choices *choices, uint64_t seed, uint32_t epoch, uint64_t position, ls_shape shape, float *x);

/** LS_ERR_CONFIG where one does not fit samples of this shape. */
ls_status ls__augment_check(const ls_choices *choices, ls_shape shape) LS_MUST_USE;

#endif
