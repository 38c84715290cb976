/* Preprocessing: the family, fitting, and the affine maps that most of its members are. */
#include "data/preprocess.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/clones.h"

static const char *const per_words[] = {"feature", "channel", NULL};

const ls_option ls__per_rows[] = {
    LS_OPTION_WORD(ls_per_options, per, "feature", per_words,
                   "statistics of each element, or of all elements of a channel of images (channels, height, width)"),
    LS_OPTION_END};

static const ls_type *const types[] = {&ls_preprocess_none.type,
                                       &ls_preprocess_center.type,
                                       &ls_preprocess_scale.type,
                                       &ls_preprocess_standardize.type,
                                       &ls_preprocess_range.type,
                                       &ls_preprocess_whiten.type,
                                       NULL};

const ls_family ls_preprocess_family = {.noun = "preprocessing", .types = types};

/* ---- making ----------------------------------------------------------------------------------------------------- */

static ls_status plan_groups(ls_preprocess *p, const ls_choice *choice) {
    p->size = ls_shape_size(p->shape);
    p->groups = p->size;
    p->group_size = 1;
    bool has_per = p->type->type.rows == ls__per_rows;
    if (!has_per || ((const ls_per_options *)p->options)->per == LS_PER_FEATURE) return LS_OK;
    char shape[96];
    if (p->shape.rank != 3)
        return ls_document_fail(choice->place, LS_ERR_CONFIG,
                                "per: channel wants samples of (channels, height, width), these are %s",
                                ls_shape_text(p->shape, shape, sizeof shape));
    p->groups = p->shape.dim[0];
    p->group_size = p->size / p->groups;
    return LS_OK;
}

static ls_status take(size_t count, size_t size, void *out) {
    void *block = NULL;
    LS_TRY(ls_block_create(count, size, "preprocessing", &block));
    memcpy(out, &block, sizeof block);
    return LS_OK;
}

static ls_status plan_statistics(ls_preprocess *p) {
    const ls_preprocess_type *type = p->type;
    for (size_t i = 0; i < type->statistics; i++) {
        bool square = type->square && i + 1 == type->statistics;
        ls_statistic *s = &p->statistic[i];
        *s = (ls_statistic){.name = type->statistic[i],
                            .shape = {.rank = square ? 2 : 1, .dim = {p->groups, p->groups}}};
        if (!square) s->shape.dim[1] = 0;
        LS_TRY(take(ls_shape_size(s->shape), sizeof(double), &s->values));
    }
    LS_TRY(take(p->size, sizeof(double), &p->shift));
    LS_TRY(take(p->size, sizeof(double), &p->factor));
    LS_TRY(take(p->size, sizeof(float), &p->shift_single));
    LS_TRY(take(p->size, sizeof(float), &p->factor_single));
    return type->square ? take(p->size * p->size, sizeof(float), &p->matrix) : LS_OK;
}

static ls_status make(ls_preprocess *p, const ls_choice *choice) {
    size_t bytes = p->type->type.options_size;
    LS_TRY(take(bytes, 1, &p->options));
    if (bytes) memcpy(p->options, choice->options, bytes);
    LS_TRY(plan_groups(p, choice));
    if (p->type->square && p->size > LS_MOST_SQUARE)
        return ls_document_fail(choice->place, LS_ERR_CONFIG, "%s of %zu features; at most %d are possible",
                                p->type->type.name, p->size, LS_MOST_SQUARE);
    if (p->type == &ls_preprocess_none) return LS_OK;
    return plan_statistics(p);
}

ls_status ls_preprocess_create(const ls_choice *choice, ls_shape shape, ls_preprocess **out) {
    *out = NULL;
    ls_preprocess *p = calloc(1, sizeof *p);
    if (!p) return LS_FAIL(LS_ERR_MEMORY, "no memory for preprocessing");
    p->type = choice->type ? (const ls_preprocess_type *)choice->type : &ls_preprocess_none;
    p->shape = shape;
    ls_status status = make(p, choice);
    if (status != LS_OK) {
        ls_preprocess_destroy(p);
        return status;
    }
    *out = p;
    return LS_OK;
}

void ls_preprocess_destroy(ls_preprocess *preprocess) {
    if (!preprocess) return;
    for (size_t i = 0; i < LS_STATISTICS; i++) ls_block_destroy(preprocess->statistic[i].values);
    ls_block_destroy(preprocess->options);
    ls_block_destroy(preprocess->shift);
    ls_block_destroy(preprocess->factor);
    ls_block_destroy(preprocess->shift_single);
    ls_block_destroy(preprocess->factor_single);
    ls_block_destroy(preprocess->matrix);
    free(preprocess);
}

bool ls_preprocess_is_identity(const ls_preprocess *preprocess) {
    return preprocess->type == &ls_preprocess_none;
}

size_t ls_preprocess_statistics(const ls_preprocess *preprocess) {
    return preprocess->type->statistics;
}

const ls_statistic *ls_preprocess_statistic(const ls_preprocess *preprocess, size_t index) {
    assert(index < preprocess->type->statistics);
    return &preprocess->statistic[index];
}

/* ---- learning --------------------------------------------------------------------------------------------------- */

/* Moments of all elements of a group, from those of each: means of equal numbers of values, and the law of total
 * variance. */
static void pool_group(const ls_preprocess *p, ls_moments *m, size_t group) {
    size_t first = group * p->group_size;
    double mean = 0, square = 0, least = m->least[first], largest = m->largest[first];
    for (size_t i = first; i < first + p->group_size; i++) {
        mean += m->mean[i];
        if (m->least[i] < least) least = m->least[i];
        if (m->largest[i] > largest) largest = m->largest[i];
    }
    mean /= (double)p->group_size;
    for (size_t i = first; i < first + p->group_size; i++)
        square += m->deviation[i] * m->deviation[i] + (m->mean[i] - mean) * (m->mean[i] - mean);
    bool constant = least == largest;
    m->mean[group] = constant ? least : mean;
    m->least[group] = least;
    m->largest[group] = largest;
    m->deviation[group] = constant ? 0 : sqrt(square / (double)p->group_size);
}

ls_status ls_preprocess_fit(ls_preprocess *preprocess, const ls_dataset *train, size_t field, ls_comm *comm) {
    if (ls_preprocess_is_identity(preprocess)) return LS_OK;
    assert(ls_shape_size(train->field[field].shape) == preprocess->size);
    ls_moments m;
    LS_TRY(ls__moments_fit(train, field, comm, &m));
    if (preprocess->group_size > 1)
        for (size_t g = 0; g < preprocess->groups; g++) pool_group(preprocess, &m, g);
    preprocess->type->learn(preprocess, &m);
    ls__moments_free(&m);
    if (preprocess->type->fit) LS_TRY(preprocess->type->fit(preprocess, train, field, comm));
    return ls_comm_agree(comm, ls_preprocess_ready(preprocess));
}

ls_status ls_preprocess_ready(ls_preprocess *preprocess) {
    if (ls_preprocess_is_identity(preprocess)) return LS_OK;
    for (size_t i = 0; i < preprocess->type->statistics; i++) {
        const ls_statistic *s = &preprocess->statistic[i];
        for (size_t k = 0; k < ls_shape_size(s->shape); k++)
            if (!isfinite(s->values[k]))
                return LS_FAIL(LS_ERR_DATA, "%s: statistic \"%s\" has %g at %zu", preprocess->type->type.name, s->name,
                               s->values[k], k);
    }
    LS_TRY(preprocess->type->ready(preprocess));
    for (size_t i = 0; i < preprocess->size; i++) {
        preprocess->shift_single[i] = (float)preprocess->shift[i];
        preprocess->factor_single[i] = (float)preprocess->factor[i];
    }
    preprocess->learnt = true;
    return LS_OK;
}

/* ---- affine maps ------------------------------------------------------------------------------------------------ */

void ls__affine_set(ls_preprocess *p, size_t group, double shift, double factor) {
    for (size_t i = group * p->group_size; i < (group + 1) * p->group_size; i++) {
        p->shift[i] = shift;
        p->factor[i] = factor;
    }
}

void ls__mean_deviation_learn(ls_preprocess *p, const ls_moments *m) {
    for (size_t g = 0; g < p->groups; g++) {
        p->statistic[0].values[g] = m->mean[g];
        p->statistic[1].values[g] = m->deviation[g];
    }
}

LS_CLONES static void apply_row(size_t size, const float *shift, const float *factor, const float *x, float *z) {
    for (size_t i = 0; i < size; i++) z[i] = (x[i] - shift[i]) * factor[i];
}

static void invert_row(const ls_preprocess *p, const float *z, float *x) {
    for (size_t i = 0; i < p->size; i++)
        x[i] = (float)(p->factor[i] == 0 ? p->shift[i] : (double)z[i] / p->factor[i] + p->shift[i]);
}

void ls_preprocess_apply(const ls_preprocess *preprocess, size_t rows, const float *x, float *z) {
    size_t size = preprocess->size;
    if (ls_preprocess_is_identity(preprocess)) {
        if (z != x) memcpy(z, x, rows * size * sizeof *x);
        return;
    }
    assert(preprocess->learnt);
    if (preprocess->type->apply) {
        preprocess->type->apply(preprocess, rows, x, z);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        apply_row(size, preprocess->shift_single, preprocess->factor_single, x + r * size, z + r * size);
}

void ls_preprocess_invert(const ls_preprocess *preprocess, size_t rows, const float *z, float *x) {
    size_t size = preprocess->size;
    if (ls_preprocess_is_identity(preprocess)) {
        if (z != x) memcpy(x, z, rows * size * sizeof *x);
        return;
    }
    assert(preprocess->learnt);
    if (preprocess->type->invert) {
        preprocess->type->invert(preprocess, rows, z, x);
        return;
    }
    for (size_t r = 0; r < rows; r++) invert_row(preprocess, z + r * size, x + r * size);
}

void ls_preprocess_tables(const ls_preprocess *preprocess, const float **shift, const float **factor,
                          const float **matrix) {
    bool identity = ls_preprocess_is_identity(preprocess);
    *shift = identity ? NULL : preprocess->shift_single;
    *matrix = identity ? NULL : preprocess->matrix;
    *factor = identity || preprocess->matrix ? NULL : preprocess->factor_single;
}
