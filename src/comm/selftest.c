#include "comm/reducer.h"

#include <string.h>

/* In every grain these elements are tested; the others stay zero. */
enum { PROBES = 4 };
static const size_t probes[PROBES] = {0, 17, 685, LS_GRAIN - 1};

/*
 * The gradient of micro-batch m at element e: either sign, magnitudes from 2^-16 to 2^15, full mantissas, so that any
 * other order of additions rounds differently somewhere. (splitmix64 by S. Vigna, of the pair.)
 */
static float pattern(size_t m, size_t e) {
    uint64_t x = ((uint64_t)m << 40) + (uint64_t)e + UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    uint32_t bits = (uint32_t)(x & 0x807FFFFFu) | (uint32_t)(111 + (x >> 40) % 32) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The definition: the node of `span` micro-batches at `begin`, absent nodes passed over. */
static float define(size_t begin, size_t span, size_t total, size_t e) {
    if (span == 1) return pattern(begin, e);
    float left = define(begin, span / 2, total, e);
    if (begin + span / 2 >= total) return left;
    return left + define(begin + span / 2, span / 2, total, e);
}

static size_t span_of(size_t length) {
    size_t span = 1;
    while (span < length) span *= 2;
    return span;
}

/* Sets this rank's blocks to the patterns' sums, or to zero where `total` is 0. */
static void fill(ls_reducer *r, size_t total) {
    const ls__schedule *s = &r->schedule;
    size_t first = s->block_first[r->grouping->rank], end = s->block_first[r->grouping->rank + 1];
    for (size_t b = 0; b < r->blocks; b++) {
        for (size_t at = 0; at < r->stride; at += LS_GRAIN) {
            for (size_t k = 0; k < PROBES; k++) {
                size_t e = at + probes[k];
                float *place = r->mine + b * r->stride + e;
                *place = 0;
                if (!total || first + b >= end) continue;
                ls__range block = s->block[first + b];
                *place = define(block.begin, span_of(block.end - block.begin), total, e);
            }
        }
    }
}

/* The first element of a piece that is not what the definition says; its count where all are. */
static size_t find_wrong(const ls_reducer *r, const ls_piece *piece, size_t total) {
    const ls_param *param = ls_params_at(r->options.params, piece->param);
    for (size_t at = 0; at < piece->count; at += LS_GRAIN) {
        for (size_t k = 0; k < PROBES; k++) {
            float sum = 0;
            for (size_t u = 0; u < param->uses; u++) {
                size_t e = param->use_offset[u] + (piece->offset - param->offset) + at + probes[k];
                float use = define(0, span_of(total), total, e);
                sum = u ? sum + use : use;
            }
            if (memcmp(&sum, &piece->gradient[at + probes[k]], sizeof sum) != 0) return at + probes[k];
        }
    }
    return piece->count;
}

static ls_status check(const ls_reducer *r, size_t total) {
    for (size_t p = 0; p < r->pieces; p++) {
        const ls_piece *piece = &r->piece[p];
        size_t wrong = find_wrong(r, piece, total);
        if (wrong == piece->count) continue;
        const ls_param *param = ls_params_at(r->options.params, piece->param);
        return LS_FAIL(
            LS_ERR_RUNTIME,
            "the self-test of the gradient sum failed at element %zu of %s/%s over %zu micro-batches: memory or "
            "network of the ranks does not compute as it should",
            piece->offset - param->offset + wrong, param->layer, param->name, total);
    }
    return LS_OK;
}

static ls_status test_batch(ls_reducer *r, size_t samples) {
    size_t total = ls_microplan_count(&r->plan, samples);
    LS_TRY(ls_reducer_start(r, samples));
    fill(r, total);
    LS_TRY(ls_reducer_ready(r, 0));
    LS_TRY(ls_reducer_finish(r));
    ls_status status = r->options.wire == LS_WIRE_FLOAT32 ? check(r, total) : LS_OK;
    status = ls_status_first(status, ls_reducer_distribute(r));
    status = ls_status_first(status, ls_reducer_await(r, LS_ALL_WEIGHTS));
    fill(r, 0);
    return ls_comm_agree(r->comm, status);
}

ls_status ls_reducer_selftest(ls_reducer *r) {
    LS_TRY(test_batch(r, r->plan.batch));
    /* A short last batch, which may leave ranks without work. */
    return r->plan.batch > 1 ? test_batch(r, (r->plan.batch + 1) / 2) : LS_OK;
}
