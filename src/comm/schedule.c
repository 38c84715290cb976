#include "comm/reducer.h"

#include <assert.h>

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The micro-batches of ranks [first, end) in a batch of `total` micro-batches. */
static ls__range run_of(const ls_microplan *plan, size_t first, size_t end, size_t total) {
    return (ls__range){least(ls_microplan_first(plan, first), total), least(ls_microplan_first(plan, end), total)};
}

size_t ls__full_cover(const ls_microplan *plan, const size_t *node_first, size_t node) {
    size_t total = ls_microplan_count(plan, plan->batch);
    ls__range run = run_of(plan, node_first[node], node_first[node + 1], total);
    return ls__tree_cover(run.begin, run.end, total, NULL);
}

static ls_status take_program(ls_pool *pool, size_t leaves, ls__program *program) {
    void *ops = NULL;
    LS_TRY(ls_pool_take(pool, 2 * leaves * sizeof *program->ops, &ops));
    *program = (ls__program){.ops = ops};
    return LS_OK;
}

ls_status ls__schedule_create(ls_reducer *r) {
    const ls__grouping *node = r->grouping;
    ls__schedule *s = &r->schedule;
    size_t covers = 0, mine = ls__full_cover(&r->plan, node->first, node->node), blocks = node->size * r->blocks;
    for (size_t n = 0; n < node->nodes; n++) covers += ls__full_cover(&r->plan, node->first, n);
    void *block = NULL;
    LS_TRY(ls_pool_take(r->pool, (node->nodes + 1) * sizeof *s->cover_first, &block));
    s->cover_first = block;
    LS_TRY(ls_pool_take(r->pool, covers * sizeof *s->cover, &block));
    s->cover = block;
    LS_TRY(ls_pool_take(r->pool, (node->size + 1) * sizeof *s->block_first, &block));
    s->block_first = block;
    LS_TRY(ls_pool_take(r->pool, blocks * sizeof *s->block, &block));
    s->block = block;
    LS_TRY(ls_pool_take(r->pool, blocks * sizeof *s->leaf, &block));
    s->leaf = block;
    LS_TRY(ls_pool_take(r->pool, mine * sizeof *s->partial, &block));
    s->partial = block;
    for (size_t j = 0; j < mine; j++) LS_TRY(take_program(r->pool, blocks, &s->partial[j]));
    LS_TRY(ls_pool_take(r->pool, covers * sizeof *r->root_leaf, &block));
    r->root_leaf = block;
    return take_program(r->pool, covers, &s->root);
}

/*
 * Appends the cover of a run of micro-batches to ranges [count ..) and returns the new count. A cover has at most two
 * nodes a level of the tree.
 */
static size_t append_cover(ls__range run, size_t total, ls__range *out, size_t count) {
    size_t bound[2 * 64 + 1];
    size_t n = ls__tree_cover(run.begin, run.end, total, bound);
    for (size_t i = 0; i < n; i++) out[count + i] = (ls__range){bound[i], bound[i + 1]};
    return count + n;
}

/* True where node n's run is the n-th tree node of one level, for a power of two of nodes. */
static bool is_halving(const ls_reducer *r) {
    const ls__grouping *node = r->grouping;
    if ((node->nodes & (node->nodes - 1)) != 0) return false;
    size_t total = ls_microplan_count(&r->plan, r->plan.batch), span = 1;
    while (span * node->nodes < total) span *= 2;
    for (size_t n = 0; n < node->nodes; n++)
        if (ls_microplan_first(&r->plan, node->first[n]) != n * span) return false;
    return true;
}

void ls__schedule_make(ls_reducer *r, size_t samples) {
    const ls__grouping *node = r->grouping;
    ls__schedule *s = &r->schedule;
    size_t total = ls_microplan_count(&r->plan, samples), first = node->first[node->node];
    s->samples = samples;
    s->halving = is_halving(r);
    for (size_t n = 0, count = 0; n < node->nodes; n++) {
        count = append_cover(run_of(&r->plan, node->first[n], node->first[n + 1], total), total, s->cover, count);
        s->cover_first[n + 1] = count;
    }
    for (size_t i = 0, count = 0; i < node->size; i++) {
        count = append_cover(run_of(&r->plan, first + i, first + i + 1, total), total, s->block, count);
        for (size_t b = s->block_first[i]; b < count; b++)
            s->leaf[b] = (ls__leaf){r->gradients[i] + (b - s->block_first[i]) * r->stride, 0};
        s->block_first[i + 1] = count;
    }
    const ls__range *cover = s->cover + s->cover_first[node->node];
    size_t partials = s->cover_first[node->node + 1] - s->cover_first[node->node], b = 0;
    s->in_place = 0;
    for (size_t j = 0; j < partials; j++) {
        size_t low = b;
        while (b < s->block_first[node->size] && s->block[b].begin < cover[j].end) b++;
        ls__tree_program(s->block, low, b - low, &s->partial[j]);
        size_t own = s->block_first[node->rank];
        if (own < s->block_first[node->rank + 1] && own >= low && own < b) s->in_place = j;
    }
    ls__tree_program(s->cover, 0, s->cover_first[node->nodes], &s->root);
}
