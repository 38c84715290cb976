#include "comm/tree.h"

#include <assert.h>
#include <string.h>

#include "comm/add.h"
#include "lockstep/tensor.h"

size_t ls__tree_cover(size_t begin, size_t end, size_t total, size_t *bound) {
    assert(end <= total);
    size_t count = 0, at = begin;
    while (at < end) {
        if (bound) bound[count] = at;
        size_t span = 1;
        /* The parent begins here too and ends within the run; at the right edge it cannot grow any more. */
        while (at + span < total && at % (2 * span) == 0 && (at + 2 * span <= end || end == total)) span *= 2;
        at = at + span < total ? at + span : total;
        count++;
    }
    if (bound) bound[count] = end > begin ? end : begin;
    return count;
}

size_t ls__tree_depth(size_t total) {
    size_t levels = 2;
    while (total > (size_t)1 << (levels - 2)) levels++;
    return levels;
}

/* The sum of leaves low .. high-1, which make up the node of size `span` (maybe cut short) at `begin`. */
static void emit(const ls__range *leaf, size_t low, size_t high, size_t begin, size_t span, ls__program *program) {
    if (high - low == 1) {
        program->ops[program->count++] = (int32_t)low;
        return;
    }
    assert(span > 1);
    size_t half = span / 2, middle = low;
    while (middle < high && leaf[middle].begin < begin + half) middle++;
    emit(leaf, low, middle, begin, half, program);
    if (middle == high) return; /* the right child is absent: passed over */
    emit(leaf, middle, high, begin + half, half, program);
    program->ops[program->count++] = LS__ADD;
}

void ls__tree_program(const ls__range *leaf, size_t first, size_t count, ls__program *program) {
    program->count = 0;
    if (count == 0) return;
    size_t begin = leaf[first].begin, length = leaf[first + count - 1].end - begin, span = 1;
    while (span < length) span *= 2;
    assert(begin % span == 0);
    emit(leaf, first, first + count, begin, span, program);
}

void ls__program_run(const ls__program *program, const ls__leaf *leaf, size_t at, float *stack, float *out) {
    enum { DEPTH = 72 };
    const float *value[DEPTH];
    size_t depth = 0;
    for (size_t i = 0; i < program->count; i++) {
        int32_t op = program->ops[i];
        if (op >= 0) {
            assert(depth < DEPTH);
            value[depth++] = leaf[op].base + (at - leaf[op].origin);
            continue;
        }
        depth--;
        float *sum = i + 1 == program->count ? out : stack + (depth - 1) * LS_GRAIN;
        ls__add(sum, value[depth - 1], value[depth]);
        value[depth - 1] = sum;
    }
    if (program->count == 1 && value[0] != out) memcpy(out, value[0], LS_GRAIN * sizeof *out);
}
