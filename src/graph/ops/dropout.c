/*
 * dropout (inverted; Srivastava et al., 2014): in training y = x m, m = 0 with probability `rate`, else 1 / (1 - rate);
 * otherwise y = x. Backward: dx = dy m.
 *
 * Unit u of the sample at global position s in epoch e is dropped where word u mod 4 of the draw at
 * (seed, DROPOUT, e, s + o / 256 * 2^48, o mod 256 * 2^24 + u / 4) is below `rate`, o being the ordinal of the node:
 * who computes it plays no part.
 */
#include <string.h>

#include "graph/ops.h"
#include "lockstep/random.h"

enum {
    UNIT_BITS = 24,   /* draws of one node */
    ORDINAL_BITS = 8, /* nodes beside each other in a draw's last coordinate; the others stand behind */
    SAMPLE_BITS = 48  /* the samples */
};

static ls_status infer(ls_op_shapes *shapes) {
    LS_TRY(ls__infer_same(shapes));
    if (ls_shape_size(shapes->output) / 4 >= (size_t)1 << UNIT_BITS)
        return LS_FAIL(LS_ERR_CONFIG, "%zu units; at most %zu", ls_shape_size(shapes->output), (size_t)4 << UNIT_BITS);
    return LS_OK;
}

static void memory(const ls_op_run *run, ls_op_memory *out) {
    out->cache = run->training ? run->rows * run->size * sizeof(real) : 0;
}

static void draw_rows(const ls_op_run *run, size_t first, size_t end) {
    double rate = ((const ls_op_dropout_options *)run->options)->rate;
    real kept = (real)(1.0 / (1.0 - rate));
    const ls_microbatches *micro = run->micro;
    for (size_t r = first; r < end; r++) {
        real *mask = (real *)run->cache + r * run->size;
        uint64_t position = micro->position + micro->first_sample + r;
        position += (uint64_t)(run->ordinal >> ORDINAL_BITS) << SAMPLE_BITS;
        ls_draw draw = {{0}};
        for (size_t u = 0; u < run->size; u++) {
            if (u % 4 == 0)
                draw = ls_random(run->seed, LS_PURPOSE_DROPOUT, micro->epoch, position,
                                 (run->ordinal << UNIT_BITS) | (uint32_t)(u / 4));
            mask[u] = (double)ls_random_unit(draw.word[u % 4]) < rate ? 0 : kept;
        }
    }
}

static ls_status forward(const ls_op_run *run) {
    size_t count = run->rows * run->size;
    if (!run->training) {
        memcpy(run->value, run->input[0].value, count * sizeof(real));
        return LS_OK;
    }
    ls__each_row(run, draw_rows);
    LS_REAL(ls__kernels)(run)->multiply(run->team, count, run->input[0].value, run->cache, run->value);
    return LS_OK;
}

static void backward(const ls_op_run *run) {
    LS_REAL(ls__kernels)
    (run)->multiply(run->team, run->rows * run->size, run->gradient, run->cache, run->input[0].gradient);
}

static void example(uint64_t number, ls_op_example *out) {
    ls__example_any(number, out);
    ls__example_number(0.1 * (double)ls__pick(number, 8, 0, 9), out);
}

const ls_op LS_REAL(ls_op_dropout) = {
    .name = "dropout",
    .doc = "in training a share of the units is set to 0 and the rest scaled up",
    .least_inputs = 1,
    .most_inputs = 1,
    .options_size = sizeof(ls_op_dropout_options),
    .infer = infer,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .example = example,
    .twin = LS_TWIN(ls_op_dropout),
};
