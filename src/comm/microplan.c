#include <assert.h>

#include "comm/tree.h"
#include "lockstep/reducer.h"

size_t ls_microplan_count(const ls_microplan *plan, size_t samples) {
    assert(plan->microbatch > 0);
    return (samples + plan->microbatch - 1) / plan->microbatch;
}

bool ls_microplan_fits(const ls_microplan *plan) {
    return plan->ranks <= ls_microplan_count(plan, plan->batch);
}

size_t ls_microplan_advice(size_t batch, size_t ranks) {
    return batch / ranks;
}

size_t ls_microplan_first(const ls_microplan *plan, size_t rank) {
    /* floor(rank * V / ranks) without overflow */
    size_t count = ls_microplan_count(plan, plan->batch);
    return rank * (count / plan->ranks) + rank * (count % plan->ranks) / plan->ranks;
}

size_t ls_microplan_max_count(const ls_microplan *plan) {
    return (ls_microplan_count(plan, plan->batch) + plan->ranks - 1) / plan->ranks;
}

size_t ls_microplan_max_rows(const ls_microplan *plan) {
    size_t rows = ls_microplan_max_count(plan) * plan->microbatch;
    return rows < plan->batch ? rows : plan->batch;
}

size_t ls_microplan_max_blocks(const ls_microplan *plan) {
    size_t total = ls_microplan_count(plan, plan->batch), most = 0;
    for (size_t rank = 0; rank < plan->ranks; rank++) {
        size_t blocks = ls__tree_cover(ls_microplan_first(plan, rank), ls_microplan_first(plan, rank + 1), total, NULL);
        if (blocks > most) most = blocks;
    }
    return most;
}

size_t ls_microplan_better_ranks(const ls_microplan *plan) {
    ls_microplan other = *plan;
    while (other.ranks > 1 && ls_microplan_max_blocks(&other) > 1) other.ranks--;
    return other.ranks;
}

void ls_microplan_share(const ls_microplan *plan, size_t samples, size_t rank, size_t *row, size_t *block,
                        ls_microbatches *out) {
    assert(samples > 0 && samples <= plan->batch && rank < plan->ranks);
    size_t total = ls_microplan_count(plan, samples);
    size_t begin = ls_microplan_first(plan, rank), end = ls_microplan_first(plan, rank + 1);
    if (begin > total) begin = total;
    if (end > total) end = total;
    size_t first_sample = begin * plan->microbatch < samples ? begin * plan->microbatch : samples;
    for (size_t m = begin; m <= end; m++) {
        size_t sample = m * plan->microbatch < samples ? m * plan->microbatch : samples;
        row[m - begin] = sample - first_sample;
    }
    out->count = end - begin;
    out->row = row;
    out->blocks = ls__tree_cover(begin, end, total, block);
    for (size_t b = 0; b <= out->blocks; b++) block[b] -= begin;
    out->block = block;
    out->first_sample = first_sample;
    out->batch = samples;
}
