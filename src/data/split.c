/* Which samples go to the second part of a split: for `import --split` and for fractions of the training set. */
#include <assert.h>
#include <stdlib.h>

#include <math.h>
#include <stdio.h>
#include <xxhash.h>

#include "data/dataset.h"
#include "data/import.h"

/* Rounded up, but for what the fraction's own rounding adds (0.1 of 30 is 3). */
size_t ls__split_share(double fraction, size_t count) {
    return (size_t)ceil(fraction * (double)count * (1 - 1e-12));
}

/*
 * Samples of class c are ordered by a permutation of their own; the first of them go to the part. How many is the
 * difference of two rounded running totals: each class is off by less than one sample, as is the whole.
 */
ls_status ls__split_mark(uint64_t seed, ls_purpose purpose, double fraction, size_t samples, const uint32_t *labels,
                         size_t classes, unsigned char *part) {
    if (!labels) classes = 1;
    typedef struct stratum {
        uint64_t count, taken, seen;
        ls_permutation order;
    } stratum;
    stratum *strata = calloc(classes ? classes : 1, sizeof *strata);
    if (!strata) return LS_FAIL(LS_ERR_MEMORY, "no memory for a split over %zu classes", classes);
    for (size_t i = 0; i < samples; i++) strata[labels ? labels[i] : 0].count++;
    uint64_t before = 0;
    for (size_t c = 0; c < classes; c++) {
        uint64_t after = before + strata[c].count;
        strata[c].taken = ls__split_share(fraction, after) - ls__split_share(fraction, before);
        strata[c].order = ls_permutation_make(seed, purpose, (uint32_t)c, strata[c].count);
        before = after;
    }
    for (size_t i = 0; i < samples; i++) {
        stratum *s = &strata[labels ? labels[i] : 0];
        part[i] = ls_permutation_at(&s->order, s->seen++) < s->taken;
    }
    free(strata);
    return LS_OK;
}

/* ---- splitting an open data set ------------------------------------------------------------------------------ */

/* Class labels of field y, malloc'd; NULL where the target has none. */
static ls_status labels_of(const ls_dataset *d, uint32_t **out, size_t *classes) {
    *out = NULL;
    *classes = 0;
    size_t y = ls_dataset_find(d, "y");
    if (y == LS_NOT_FOUND || d->field[y].classes == 0 || d->field[y].classes > UINT32_MAX) return LS_OK;
    const ls_column *column = ls__dataset_column(d, y);
    uint32_t *labels = calloc(d->samples, sizeof *labels);
    if (!labels) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu labels", d->samples);
    for (size_t i = 0; i < d->samples; i++) {
        int64_t label = 0;
        const unsigned char *row = column->rows + ls__dataset_row(d, i) * column->row_bytes;
        ls_dtype_convert(column->dtype, row, LS_DTYPE_I64, &label, 1, NULL);
        labels[i] = (uint32_t)label;
    }
    *out = labels;
    *classes = d->field[y].classes;
    return LS_OK;
}

/* What is split off: a fraction, or one of `folds` parts. */
typedef struct ls_cut {
    double fraction;
    size_t folds, fold;
    uint64_t seed;
} ls_cut;

/*
 * The samples, class after class and each class in a drawn order, are dealt out to the folds in turn: so the folds are
 * a partition, and each has its share of every class to within one sample.
 */
static ls_status mark_fold(const ls_cut *cut, size_t samples, const uint32_t *labels, size_t classes,
                           unsigned char *part) {
    if (!labels) classes = 1;
    typedef struct stratum {
        uint64_t count, before, seen;
        ls_permutation order;
    } stratum;
    stratum *strata = calloc(classes ? classes : 1, sizeof *strata);
    if (!strata) return LS_FAIL(LS_ERR_MEMORY, "no memory for folds over %zu classes", classes);
    for (size_t i = 0; i < samples; i++) strata[labels ? labels[i] : 0].count++;
    for (size_t c = 0; c < classes; c++) {
        strata[c].before = c ? strata[c - 1].before + strata[c - 1].count : 0;
        strata[c].order = ls_permutation_make(cut->seed, LS_PURPOSE_SPLIT, (uint32_t)c, strata[c].count);
    }
    for (size_t i = 0; i < samples; i++) {
        stratum *s = &strata[labels ? labels[i] : 0];
        part[i] = (s->before + ls_permutation_at(&s->order, s->seen++)) % cut->folds == cut->fold;
    }
    free(strata);
    return LS_OK;
}

static ls_status mark(const ls_cut *cut, size_t samples, const uint32_t *labels, size_t classes, unsigned char *part) {
    if (cut->folds) return mark_fold(cut, samples, labels, classes, part);
    return ls__split_mark(cut->seed, LS_PURPOSE_SPLIT, cut->fraction, samples, labels, classes, part);
}

static size_t cut_size(const ls_cut *cut, size_t samples) {
    if (!cut->folds) return ls__split_share(cut->fraction, samples);
    return samples > cut->fold ? (samples - cut->fold + cut->folds - 1) / cut->folds : 0;
}

/* One rank of the node marks and writes both maps. */
static ls_status write_maps(const ls_dataset *whole, const ls_cut *cut, uint64_t *rest, uint64_t *part) {
    uint32_t *labels = NULL;
    size_t classes = 0;
    LS_TRY(labels_of(whole, &labels, &classes));
    unsigned char *taken = calloc(whole->samples, 1);
    ls_status status = taken ? mark(cut, whole->samples, labels, classes, taken)
                             : LS_FAIL(LS_ERR_MEMORY, "no memory to split %zu samples", whole->samples);
    for (size_t i = 0; i < whole->samples && status == LS_OK; i++)
        *(taken[i] ? part++ : rest++) = ls__dataset_row(whole, i);
    free(taken);
    free(labels);
    return status;
}

/* `which`: 0 the rest, 1 the part; folds count on from there. */
static uint64_t mix_digest(const ls_dataset *whole, const ls_cut *cut, uint64_t which) {
    struct {
        uint64_t digest, seed, which;
        double fraction;
    } key = {whole->digest, cut->seed, which + 2 * (cut->folds ? 1 + cut->fold : 0), cut->fraction};
    return XXH3_64bits(&key, sizeof key);
}

static ls_status make_part(const ls_dataset *whole, const char *words, size_t samples, ls_dataset **out) {
    ls_dataset *d = calloc(1, sizeof *d);
    if (!d) return LS_FAIL(LS_ERR_MEMORY, "no memory for a data set");
    *d = *whole;
    d->owner = false;
    d->map_memory = NULL;
    d->map = NULL;
    d->samples = samples;
    *out = d;
    d->pool = NULL;
    LS_TRY(ls_pool_create(&d->pool));
    return ls_pool_format(d->pool, &d->name, "%s (%s)", whole->name, words);
}

static ls_status make_parts(const ls_dataset *whole, const ls_cut *cut, size_t taken, ls_dataset **rest,
                            ls_dataset **part) {
    char words[64];
    if (cut->folds)
        snprintf(words, sizeof words, "fold %zu of %zu", cut->fold, cut->folds);
    else
        snprintf(words, sizeof words, "%g of it", cut->fraction);
    LS_TRY(make_part(whole, "the rest", whole->samples - taken, rest));
    return make_part(whole, words, taken, part);
}

/* The maps lie one behind the other in memory of the node that `rest` owns; `part` borrows from it. */
static ls_status fill_parts(const ls_dataset *whole, const ls_cut *cut, ls_dataset *rest, ls_dataset *part) {
    ls_comm *comm = whole->storage->comm;
    void *base = NULL;
    ls_status status = ls_comm_memory_create(comm, whole->samples * sizeof(uint64_t), "the split of the data", &base,
                                             &rest->map_memory);
    LS_TRY(ls_comm_agree(comm, status));
    uint64_t *map = base;
    if (ls_comm_memory_rank(rest->map_memory) == 0) status = write_maps(whole, cut, map, map + rest->samples);
    LS_TRY(ls_comm_agree(comm, status));
    rest->map = map;
    part->map = map + rest->samples;
    rest->digest = mix_digest(whole, cut, 0);
    part->digest = mix_digest(whole, cut, 1);
    return ls_comm_memory_barrier(rest->map_memory);
}

static ls_status split(const ls_dataset *whole, const ls_cut *cut, ls_dataset **rest, ls_dataset **part) {
    *rest = *part = NULL;
    size_t taken = cut_size(cut, whole->samples);
    if (taken == 0 || taken == whole->samples)
        return LS_FAIL(LS_ERR_CONFIG, "%s: a fraction of %g of %zu samples leaves %s", whole->name, cut->fraction,
                       whole->samples, taken ? "nothing to train on" : "nothing to evaluate");
    ls_status status = ls_comm_agree(whole->storage->comm, make_parts(whole, cut, taken, rest, part));
    if (status == LS_OK) status = fill_parts(whole, cut, *rest, *part);
    if (status == LS_OK) return LS_OK;
    ls_dataset_destroy(*part);
    ls_dataset_destroy(*rest);
    *rest = *part = NULL;
    return status;
}

ls_status ls_dataset_split(const ls_dataset *whole, double fraction, uint64_t seed, ls_dataset **rest,
                           ls_dataset **part) {
    const ls_cut cut = {.fraction = fraction, .seed = seed};
    return split(whole, &cut, rest, part);
}

ls_status ls_dataset_fold(const ls_dataset *whole, size_t folds, size_t fold, uint64_t seed, ls_dataset **rest,
                          ls_dataset **part) {
    assert(fold < folds);
    const ls_cut cut = {.fraction = 1 / (double)folds, .folds = folds, .fold = fold, .seed = seed};
    return split(whole, &cut, rest, part);
}
