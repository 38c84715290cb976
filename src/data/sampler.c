/* The order of samples: a pure function of (seed, epoch, position). */
#include <assert.h>
#include <string.h>

#include "data/dataset.h"
#include "lockstep/random.h"

/* ---- block shuffling ------------------------------------------------------------------------------------------------
 *
 * Blocks of `block` neighbouring samples are permuted; `window` of them in a row make a window, and the samples of a
 * window are permuted among themselves. The last block of the file may be short; where it comes to stand, everything
 * behind moves up:
 *
 *     position  | block 7 | block 2 | short 8 | block 0 | ...
 *               |------ window 0 -----------|----- window 1
 */
typedef struct blocks {
    ls_permutation order;
    uint64_t samples, block, window;
    uint64_t short_at; /* where the last block of the file stands in the order */
    uint64_t lacking;  /* samples that it lacks */
} blocks;

static blocks blocks_of(const ls_sampler *s, uint32_t epoch) {
    uint64_t count = (s->samples + s->block - 1) / s->block;
    blocks b = {.order = ls_permutation_make(s->seed, LS_PURPOSE_BLOCKS, epoch, count),
                .samples = s->samples,
                .block = s->block,
                .window = s->window,
                .lacking = count * s->block - s->samples};
    b.short_at = ls_permutation_find(&b.order, count - 1);
    return b;
}

/* Position of the first sample of the block that is `at`-th in the order. */
static uint64_t block_start(const blocks *b, uint64_t at) {
    return at * b->block - (at > b->short_at ? b->lacking : 0);
}

/* Which unit of `unit` blocks holds a position: the short block lets later ones begin earlier, by less than a block. */
static uint64_t unit_at(const blocks *b, uint64_t position, uint64_t unit) {
    uint64_t at = position / (unit * b->block);
    uint64_t next = (at + 1) * unit;
    return next < b->order.count && block_start(b, next) <= position ? at + 1 : at;
}

/* Keys of different windows differ in the seed. */
static ls_permutation window_order(const ls_sampler *s, uint32_t epoch, uint64_t window, uint64_t count) {
    ls_draw draw = ls_random(s->seed, LS_PURPOSE_SHUFFLE, epoch, window, UINT32_MAX);
    uint64_t key = ((uint64_t)draw.word[0] << 32) | draw.word[1];
    return ls_permutation_make(key, LS_PURPOSE_SHUFFLE, epoch, count);
}

/* One window of an epoch, ready to be asked for its positions. */
typedef struct window_view {
    uint64_t first, count; /* positions */
    ls_permutation order;
} window_view;

static window_view view_window(const ls_sampler *s, const blocks *b, uint32_t epoch, uint64_t window) {
    uint64_t end = (window + 1) * b->window;
    window_view v = {.first = block_start(b, window * b->window)};
    v.count = (end < b->order.count ? block_start(b, end) : b->samples) - v.first;
    v.order = window_order(s, epoch, window, v.count);
    return v;
}

static uint64_t sample_in_window(const blocks *b, const window_view *v, uint64_t position) {
    uint64_t place = v->first + ls_permutation_at(&v->order, position - v->first);
    uint64_t at = unit_at(b, place, 1);
    return ls_permutation_at(&b->order, at) * b->block + (place - block_start(b, at));
}

static void run_blocks(const ls_sampler *s, uint32_t epoch, uint64_t first, size_t count, uint64_t *out) {
    blocks b = blocks_of(s, epoch);
    window_view v = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t position = first + i;
        if (v.count == 0 || position >= v.first + v.count)
            v = view_window(s, &b, epoch, unit_at(&b, position, b.window));
        out[i] = sample_in_window(&b, &v, position);
    }
}

ls_window_range ls__sampler_window(const ls_sampler *s, uint32_t epoch, uint64_t position) {
    ls_window_range range;
    if (s->shuffle != LS_SHUFFLE_BLOCK) {
        uint64_t size = s->block * s->window;
        range.window = position / size;
        range.first = range.window * size;
        range.count = s->samples - range.first < size ? s->samples - range.first : size;
        return range;
    }
    blocks b = blocks_of(s, epoch);
    range.window = unit_at(&b, position, b.window);
    window_view v = view_window(s, &b, epoch, range.window);
    range.first = v.first;
    range.count = v.count;
    return range;
}

uint64_t ls__sampler_block(const ls_sampler *s, uint32_t epoch, uint64_t at) {
    if (s->shuffle != LS_SHUFFLE_BLOCK) return at;
    uint64_t count = (s->samples + s->block - 1) / s->block;
    ls_permutation order = ls_permutation_make(s->seed, LS_PURPOSE_BLOCKS, epoch, count);
    return ls_permutation_at(&order, at);
}

/* ---- all orders ------------------------------------------------------------------------------------------------- */

void ls_sampler_run(const ls_sampler *sampler, uint32_t epoch, uint64_t first, size_t count, uint64_t *out) {
    assert(count == 0 || (first < sampler->samples && count <= sampler->samples - first));
    ls_permutation order = ls_permutation_make(sampler->seed, LS_PURPOSE_SHUFFLE, epoch, sampler->samples);
    switch (sampler->shuffle) {
    case LS_SHUFFLE_BLOCK: run_blocks(sampler, epoch, first, count, out); return;
    case LS_SHUFFLE_FULL: ls_permutation_run(&order, first, count, out); return;
    case LS_SHUFFLE_SAMPLE:
        for (size_t i = 0; i < count; i++)
            out[i] =
                ls_random_below(ls_random(sampler->seed, LS_PURPOSE_SAMPLE, epoch, first + i, 0), sampler->samples);
        return;
    default:
        for (size_t i = 0; i < count; i++) out[i] = first + i;
    }
}

uint64_t ls_sampler_at(const ls_sampler *sampler, uint32_t epoch, uint64_t position) {
    uint64_t sample = 0;
    ls_sampler_run(sampler, epoch, position, 1, &sample);
    return sample;
}

/* The field that sizes are measured by: x, or whatever comes first. */
static const ls_column *main_column(const ls_dataset *d) {
    size_t x = ls_dataset_find(d, "x");
    return ls__dataset_column(d, x == LS_NOT_FOUND ? 0 : x);
}

ls_sampler ls_sampler_sequential(const ls_data_options *options, const ls_dataset *dataset) {
    const ls_column *x = main_column(dataset);
    uint64_t block = options->block / x->row_bytes;
    if (block == 0) block = 1;
    /* A block holds whole chunks: a chunk is read, and unpacked, as a whole anyway. */
    if (x->chunk_rows) block = ls_round_up(block, x->chunk_rows);
    if (block > dataset->samples) block = dataset->samples;
    uint64_t window = options->window / (block * x->row_bytes);
    return (ls_sampler){
        .shuffle = LS_SHUFFLE_NONE, .samples = dataset->samples, .block = block, .window = window ? window : 1};
}

ls_sampler ls_sampler_make(const ls_data_options *options, const ls_dataset *dataset, uint64_t seed) {
    ls_sampler s = ls_sampler_sequential(options, dataset);
    s.seed = seed;
    s.shuffle = (ls_shuffle)options->shuffle;
    if (s.shuffle != LS_SHUFFLE_AUTO) return s;
    const uint64_t most = UINT64_C(4) << 30;
    s.shuffle =
        main_column(dataset)->row_bytes * (uint64_t)dataset->samples <= most ? LS_SHUFFLE_FULL : LS_SHUFFLE_BLOCK;
    return s;
}
