/*
 * preprocess.h: how a preprocessing is made.
 *
 * A type learns from moments of the training set and either is affine per element, z = (x - shift) factor, by the two
 * tables that its `ready` writes, or brings functions of its own (whiten).
 */
#ifndef LOCKSTEP_DATA_PREPROCESS_H
#define LOCKSTEP_DATA_PREPROCESS_H

#include "data/dataset.h"

typedef enum ls_per { LS_PER_FEATURE, LS_PER_CHANNEL } ls_per;

/** Options of all but none and whiten. */
typedef struct ls_per_options {
    int per; /* ls_per */
} ls_per_options;
extern const ls_option ls__per_rows[];

/** What is known of the elements of all samples, each alone. Equal on all ranks. */
typedef struct ls_moments {
    size_t samples, size; /* size: elements of a sample */
    double *mean, *least, *largest;
    double *deviation; /* population standard deviation; exactly 0 where all values are equal */
} ls_moments;

enum { LS_STATISTICS = 4, LS_MOST_SQUARE = 4096 /* elements of a sample where a statistic is square */ };

typedef struct ls_preprocess_type {
    ls_type type;
    size_t statistics; /* how many, with these names, for every element (or channel) one number */
    const char *statistic[LS_STATISTICS];
    bool square; /* the last statistic is a (size, size) matrix */
    /* Fills the statistics. `m` is pooled already where the choice is per channel. NULL: nothing to learn. */
    void (*learn)(ls_preprocess *p, const ls_moments *m);
    /* Learns more than moments. Collective. NULL: no more. */
    ls_status (*fit)(ls_preprocess *p, const ls_dataset *train, size_t field, ls_comm *comm);
    /* From the statistics to the tables. */
    ls_status (*ready)(ls_preprocess *p);
    /* NULL: affine by the tables. */
    void (*apply)(const ls_preprocess *p, size_t rows, const float *x, float *z);
    void (*invert)(const ls_preprocess *p, size_t rows, const float *z, float *x);
} ls_preprocess_type;

struct ls_preprocess {
    const ls_preprocess_type *type;
    void *options; /* a copy */
    ls_shape shape;
    size_t size, groups, group_size; /* elements; channels, and elements of one. Per feature groups == size */
    ls_statistic statistic[LS_STATISTICS];
    double *shift, *factor;              /* of every element: z = (x - shift) factor */
    float *shift_single, *factor_single; /* the same, rounded */
    float *matrix;                       /* whiten: (size, size), for z = (x - shift) matrix */
    bool learnt;
};

/** True where packing makes floats of numbers as they stand: preprocessing is none, or follows for whole batches. */
static inline bool ls__packs_as_stored(const ls_preprocess *p) {
    return !p || ls_preprocess_is_identity(p) || p->type->apply;
}

/** Fills the tables of an affine type for the elements of a group. */
void ls__affine_set(ls_preprocess *p, size_t group, double shift, double factor);
/** As ls_preprocess_type.learn of types with the statistics mean and deviation. */
void ls__mean_deviation_learn(ls_preprocess *p, const ls_moments *m);

/** Sums over samples, by leaves that do not depend on the ranks. Collective; the same bits on any number of ranks. */
ls_status ls__moments_fit(const ls_dataset *train, size_t field, ls_comm *comm, ls_moments *out) LS_MUST_USE;
void ls__moments_free(ls_moments *moments);
/**
 * Rows of sum over samples of (x - mean)(x - mean)^T into the lower triangle of `out` (size, size), where `mean` has
 * one number an element. Collective.
 */
ls_status ls__scatter_fit(const ls_dataset *train, size_t field, ls_comm *comm, const double *mean,
                          double *out) LS_MUST_USE;

extern const ls_preprocess_type ls_preprocess_none, ls_preprocess_center, ls_preprocess_scale,
    ls_preprocess_standardize, ls_preprocess_range, ls_preprocess_whiten;

#endif
