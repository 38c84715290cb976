#include "comm/cut.h"

#include <assert.h>
#include <stdlib.h>

/* 1 MiB of float: larger buckets make single pokes long, smaller ones waste messages. */
static const size_t default_elements = (size_t)1 << 18;

/* A run of the arena that is cut on its own: neighbours with one use each, or one use of a shared parameter. */
typedef struct region {
    ls__range range;
    bool shared, weights;
} region;

static int by_offset(const void *a, const void *b) {
    const region *left = a, *right = b;
    return left->range.begin < right->range.begin ? -1 : left->range.begin > right->range.begin;
}

/* Every gradient range, by offset; neighbours that need no cut between them are joined. */
static ls_status list_regions(const ls_params *params, region **out, size_t *count) {
    size_t uses = 0, n = 0;
    for (size_t p = 0; p < ls_params_count(params); p++) uses += ls_params_at(params, p)->uses;
    region *list = calloc(uses + 1, sizeof *list);
    if (!list) return LS_FAIL(LS_ERR_MEMORY, "no memory for the list of %zu gradients", uses);
    for (size_t p = 0; p < ls_params_count(params); p++) {
        const ls_param *param = ls_params_at(params, p);
        for (size_t u = 0; u < param->uses && !param->frozen; u++) {
            size_t begin = param->use_offset[u];
            list[n++] = (region){{begin, begin + param->count}, param->uses > 1, u == 0};
        }
    }
    qsort(list, n, sizeof *list, by_offset);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        assert(kept == 0 || list[i].range.begin == list[kept - 1].range.end);
        if (kept && !list[i].shared && !list[kept - 1].shared)
            list[kept - 1].range.end = list[i].range.end;
        else
            list[kept++] = list[i];
    }
    *out = list;
    *count = kept;
    return LS_OK;
}

/* The i-th of n nearly equal parts of a range, cut at multiples of LS_GRAIN. */
static ls__range part_of(ls__range range, size_t from, size_t to, size_t n) {
    size_t grains = (range.end - range.begin) / LS_GRAIN;
    return (ls__range){range.begin + grains * from / n * LS_GRAIN, range.begin + grains * to / n * LS_GRAIN};
}

/* The lowest place in [from, to) where a parameter begins, or `to`. */
static size_t lowest_begin(const ls_params *params, size_t from, size_t to) {
    size_t found = to;
    for (size_t p = 0; p < ls_params_count(params); p++) {
        size_t begin = ls_params_at(params, p)->offset;
        if (begin >= from && begin < found) found = begin;
    }
    return found;
}

/* The highest place in [from, to) where a parameter begins, or `from`. */
static size_t highest_begin(const ls_params *params, size_t from, size_t to) {
    size_t found = from;
    for (size_t p = 0; p < ls_params_count(params); p++) {
        size_t begin = ls_params_at(params, p)->offset;
        if (begin > found && begin < to) found = begin;
    }
    return found;
}

/*
 * Where what is left of a region is cut next, from its end. Backward finishes whole layers, so cuts where a parameter
 * begins let a bucket leave when its layers are done; and as nothing hides what travels last, the lowest layers have a
 * small bucket of their own. No other cut leaves owners without a block of the bucket, or some would own too much.
 */
static size_t next_cut(const ls__cut *cut, ls__range left, size_t elements) {
    size_t least = cut->lanes * cut->nodes * LS_GRAIN, whole = left.end - left.begin;
    if (whole <= elements) {
        size_t small = whole < elements / 4 ? whole : elements / 4;
        size_t begin = highest_begin(cut->params, left.begin, left.begin + small);
        return left.end - begin >= elements / 16 ? begin : left.begin;
    }
    if (least < elements / 16) least = elements / 16;
    size_t begin = lowest_begin(cut->params, left.end - elements, left.end);
    return left.end - begin >= least ? begin : highest_begin(cut->params, left.begin, left.end - elements);
}

/* Appends the buckets of a region by descending offset, or counts them where there is no list yet. */
static void append_buckets(ls__cut *cut, const region *run, size_t elements) {
    ls__range left = run->range;
    while (left.end > left.begin) {
        size_t begin = run->shared ? left.begin : next_cut(cut, left, elements);
        ls__range part = {begin, left.end};
        /* A parameter of several buckets, with the small ones above it. */
        size_t n = (part.end - part.begin + elements / 2) / elements;
        if (n == 0) n = 1;
        for (size_t k = n; k-- > 0; cut->buckets++)
            if (cut->bucket) cut->bucket[cut->buckets] = (ls__bucket){part_of(part, k, k + 1, n), run->weights};
        left.end = begin;
    }
}

static ls_status make_buckets(ls__cut *cut, const region *regions, size_t count, size_t elements) {
    for (size_t i = count; i-- > 0;) append_buckets(cut, &regions[i], elements);
    cut->bucket = calloc(cut->buckets + 1, sizeof *cut->bucket);
    if (!cut->bucket) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu buckets", cut->buckets);
    cut->buckets = 0;
    for (size_t i = count; i-- > 0;) append_buckets(cut, &regions[i], elements);
    return LS_OK;
}

ls_status ls__cut_create(const ls_params *params, size_t nodes, const size_t *first, size_t elements, ls__cut *out) {
    *out = (ls__cut){.params = params, .nodes = nodes, .first = first, .halving_order = (nodes & (nodes - 1)) == 0};
    for (size_t n = 0; n < nodes; n++)
        if (first[n + 1] - first[n] > out->lanes) out->lanes = first[n + 1] - first[n];
    /* With very many ranks a bucket still has a block for each, or some would own nothing and others too much. */
    if (!elements) elements = default_elements;
    if (elements < out->lanes * nodes * LS_GRAIN) elements = out->lanes * nodes * LS_GRAIN;
    region *regions = NULL;
    size_t count = 0;
    LS_TRY(list_regions(params, &regions, &count));
    ls_status status = make_buckets(out, regions, count, elements);
    free(regions);
    return status;
}

void ls__cut_destroy(ls__cut *cut) {
    free(cut->bucket);
    cut->bucket = NULL;
}

ls__range ls__cut_lane(const ls__cut *cut, size_t bucket, size_t lane) {
    return part_of(cut->bucket[bucket].range, lane, lane + 1, cut->lanes);
}

ls__range ls__cut_parts(const ls__cut *cut, ls__range lane, size_t from, size_t to) {
    return part_of(lane, from, to, cut->nodes);
}

size_t ls__cut_position(const ls__cut *cut, size_t node) {
    if (!cut->halving_order) return node;
    size_t reversed = 0;
    for (size_t bit = 1; bit < cut->nodes; bit *= 2) reversed = reversed * 2 + (node & bit ? 1 : 0);
    return reversed;
}

size_t ls__cut_carrier(const ls__cut *cut, size_t lane, size_t node) {
    return cut->first[node] + lane % (cut->first[node + 1] - cut->first[node]);
}

size_t ls__cut_owned(const ls__cut *cut, size_t rank) {
    size_t node = 0, owned = 0, trainable = ls_params_trainable(cut->params);
    while (cut->first[node + 1] <= rank) node++;
    size_t position = ls__cut_position(cut, node);
    for (size_t b = 0; b < cut->buckets; b++) {
        if (!cut->bucket[b].weights) continue;
        for (size_t lane = 0; lane < cut->lanes; lane++) {
            if (ls__cut_carrier(cut, lane, node) != rank) continue;
            ls__range part = ls__cut_parts(cut, ls__cut_lane(cut, b, lane), position, position + 1);
            if (part.end > trainable) part.end = trainable;
            if (part.begin < part.end) owned += part.end - part.begin;
        }
    }
    return owned;
}

size_t ls__cut_param_at(const ls_params *params, size_t at) {
    for (size_t p = 0; p < ls_params_count(params); p++) {
        const ls_param *param = ls_params_at(params, p);
        if (at >= param->offset && at < param->offset + param->count) return p;
    }
    assert(false && "no parameter lies there");
    return LS_NOT_FOUND;
}
