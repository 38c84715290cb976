/*
 * Waves: a rank whose activations would not fit `run.memory` computes its micro-batches in groups, one after the other.
 *
 * A wave is 2^k micro-batches, aligned within its block, so its gradient is one node of the batch's tree; the waves of
 * a block join along that tree, in the order of a stack: level 0 is the gradient block itself, the others are arenas of
 * the rank's own, log2(waves) of them. So the bits are those of a rank that computes all at once. Only when the last
 * wave is done are gradients final: nothing of the reduction hides behind backward.
 */
#include <string.h>
#include <unistd.h>

#include "train/trainer.h"

/* ---- how many at once ----------------------------------------------------------------------------------------- */

/* Half of the machine's memory, evenly over its ranks: the rest is for weights, gradients, data and the system. */
static size_t memory_limit(const ls_experiment *experiment, size_t ranks_on_machine) {
    if (experiment->run.memory) return experiment->run.memory;
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || bytes <= 0) return SIZE_MAX;
    return (size_t)pages * (size_t)bytes / 2 / ranks_on_machine;
}

static ls_status measure(const ls_trainer *t, const ls_microplan *plan, size_t microbatches, ls_wave_plan *out) {
    size_t rows = microbatches * plan->microbatch, most = ls_microplan_max_rows(plan);
    ls_plan wave = {.rows = rows < most ? rows : most, .microbatches = microbatches, .training = true};
    ls_graph_memory memory = {0};
    LS_TRY(ls_model_measure(t->model, &wave, &memory));
    *out = (ls_wave_plan){.microbatches = microbatches,
                          .rows = wave.rows,
                          .bytes = memory.values + memory.gradients + memory.caches + memory.scratch};
    return LS_OK;
}

ls_status ls__waves_plan(const ls_trainer *t, const ls_microplan *plan, size_t ranks_on_machine, ls_wave_plan *out) {
    size_t most = ls_microplan_max_count(plan), limit = memory_limit(t->experiment, ranks_on_machine), wave = 1;
    LS_TRY(measure(t, plan, most, out));
    while (2 * wave < most) wave *= 2;
    for (; out->bytes > limit && out->microbatches > 1; wave /= 2) LS_TRY(measure(t, plan, wave, out));
    return LS_OK;
}

ls_status ls__waves_allocate(ls_trainer *t) {
    size_t most = ls_microplan_max_count(&t->plan), elements = ls_params_gradient_arena(ls_model_params(t->model));
    void *memory = NULL;
    LS_TRY(ls_pool_take(t->pool, (most + 1) * sizeof *t->wave_row, &memory));
    t->wave_row = memory;
    if (t->wave.microbatches >= most) return LS_OK;
    size_t levels = ls_microbatches_depth((most + t->wave.microbatches - 1) / t->wave.microbatches);
    LS_TRY(ls_block_create((levels - 1) * elements, sizeof(float), "the gradients of waves", &memory));
    t->wave_arena = memory;
    return LS_OK;
}

/* ---- the waves of a step ---------------------------------------------------------------------------------------- */

ls_microbatches ls__wave_of(ls_trainer *t, const ls_microbatches *whole, size_t first, size_t count) {
    ls_microbatches wave = *whole;
    for (size_t i = 0; i <= count; i++) t->wave_row[i] = whole->row[first + i] - whole->row[first];
    t->wave_block[0] = 0;
    t->wave_block[1] = count;
    wave.count = count;
    wave.row = t->wave_row;
    wave.blocks = 1;
    wave.block = t->wave_block;
    wave.first_sample += whole->row[first];
    return wave;
}

/* Level 0 of a block's stack is the block; the others are shared by all blocks, which are summed one by one. */
static float *level_of(const ls_trainer *t, size_t block, size_t level) {
    size_t stride = 0;
    float *gradients = ls_reducer_gradients(t->reducer, &stride);
    if (level == 0) return gradients + block * stride;
    return t->wave_arena + (level - 1) * ls_params_gradient_arena(ls_model_params(t->model));
}

static ls_status compute_wave(ls_trainer *t, size_t first, size_t count, float *gradients) {
    ls_microbatches wave = ls__wave_of(t, &t->micro, first, count);
    size_t rows = ls_microbatches_rows(&wave);
    LS_TRY(ls_loader_fill(t->feed, wave.epoch, wave.position + wave.first_sample, rows, NULL));
    ls__step_section(t, LS_SECTION_DATA);
    ls_model_bind(t->model, ls_reducer_weights(t->reducer), gradients, 0);
    LS_TRY(ls_model_forward(t->model, &wave, true, NULL, NULL));
    ls__tally_add(&t->tally, rows, t->exchange);
    ls__step_section(t, LS_SECTION_FORWARD);
    LS_TRY(ls_model_backward(t->model, &wave, NULL, NULL));
    ls__step_section(t, LS_SECTION_BACKWARD);
    return LS_OK;
}

static void join(const ls_trainer *t, float *left, const float *right) {
    size_t count = ls_params_gradient_arena(ls_model_params(t->model));
    for (size_t i = 0; i < count; i++) left[i] += right[i];
}

static ls_status compute_block(ls_trainer *t, size_t block) {
    size_t depth = 0, index = 0, end = t->micro.block[block + 1];
    for (size_t m = t->micro.block[block]; m < end; m += t->wave.microbatches, index++) {
        size_t count = end - m < t->wave.microbatches ? end - m : t->wave.microbatches;
        LS_TRY(compute_wave(t, m, count, level_of(t, block, depth++)));
        for (size_t joins = ls_microbatches_joins(index); joins > 0; joins--, depth--)
            join(t, level_of(t, block, depth - 2), level_of(t, block, depth - 1));
    }
    for (; depth > 1; depth--) join(t, level_of(t, block, depth - 2), level_of(t, block, depth - 1));
    return LS_OK;
}

ls_status ls__compute_in_waves(ls_trainer *t) {
    for (size_t b = 0; b < t->micro.blocks; b++) LS_TRY(compute_block(t, b));
    /* A short last batch may fit at once again, and then writes its blocks itself. */
    size_t stride = 0;
    float *gradients = ls_reducer_gradients(t->reducer, &stride);
    ls_model_bind(t->model, ls_reducer_weights(t->reducer), gradients, stride);
    return LS_OK;
}
