/* Which samples go to the second part of a split: for `import --split` and for fractions of the training set. */
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

/* ---- splitting an open data set ------------------------------------------------------------------------------------
 */

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

/* One rank of the node marks and writes both maps. */
static ls_status write_maps(const ls_dataset *whole, double fraction, uint64_t seed, uint64_t *rest, uint64_t *part) {
    uint32_t *labels = NULL;
    size_t classes = 0;
    LS_TRY(labels_of(whole, &labels, &classes));
    unsigned char *mark = calloc(whole->samples, 1);
    ls_status status = mark ? ls__split_mark(seed, LS_PURPOSE_SPLIT, fraction, whole->samples, labels, classes, mark)
                            : LS_FAIL(LS_ERR_MEMORY, "no memory to split %zu samples", whole->samples);
    for (size_t i = 0; i < whole->samples && status == LS_OK; i++)
        *(mark[i] ? part++ : rest++) = ls__dataset_row(whole, i);
    free(mark);
    free(labels);
    return status;
}

static uint64_t mix_digest(const ls_dataset *whole, double fraction, uint64_t seed, uint64_t which) {
    struct {
        uint64_t digest, seed, which;
        double fraction;
    } key = {whole->digest, seed, which, fraction};
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

static ls_status make_parts(const ls_dataset *whole, double fraction, size_t taken, ls_dataset **rest,
                            ls_dataset **part) {
    char words[64];
    snprintf(words, sizeof words, "%g of it", fraction);
    LS_TRY(make_part(whole, "the rest", whole->samples - taken, rest));
    return make_part(whole, words, taken, part);
}

/* The maps lie one behind the other in memory of the node that `rest` owns; `part` borrows from it. */
static ls_status fill_parts(const ls_dataset *whole, double fraction, uint64_t seed, ls_dataset *rest,
                            ls_dataset *part) {
    ls_comm *comm = whole->storage->comm;
    void *base = NULL;
    ls_status status = ls_comm_memory_create(comm, whole->samples * sizeof(uint64_t), "the split of the data", &base,
                                             &rest->map_memory);
    LS_TRY(ls_comm_agree(comm, status));
    uint64_t *map = base;
    if (ls_comm_memory_rank(rest->map_memory) == 0)
        status = write_maps(whole, fraction, seed, map, map + rest->samples);
    LS_TRY(ls_comm_agree(comm, status));
    rest->map = map;
    part->map = map + rest->samples;
    rest->digest = mix_digest(whole, fraction, seed, 0);
    part->digest = mix_digest(whole, fraction, seed, 1);
    return ls_comm_memory_barrier(rest->map_memory);
}

ls_status ls_dataset_split(const ls_dataset *whole, double fraction, uint64_t seed, ls_dataset **rest,
                           ls_dataset **part) {
    *rest = *part = NULL;
    size_t taken = ls__split_share(fraction, whole->samples);
    if (taken == 0 || taken == whole->samples)
        return LS_FAIL(LS_ERR_CONFIG, "%s: a fraction of %g of %zu samples leaves %s", whole->name, fraction,
                       whole->samples, taken ? "nothing to train on" : "nothing to evaluate");
    ls_status status = ls_comm_agree(whole->storage->comm, make_parts(whole, fraction, taken, rest, part));
    if (status == LS_OK) status = fill_parts(whole, fraction, seed, *rest, *part);
    if (status == LS_OK) return LS_OK;
    ls_dataset_destroy(*part);
    ls_dataset_destroy(*rest);
    *rest = *part = NULL;
    return status;
}
