/* sums.c: sums over samples, in the tree of the micro-batches. Compiled for float and for double. */
#include "graph/ops.h"

static void join(size_t count, real *left, const real *right) {
    for (size_t i = 0; i < count; i++) left[i] += right[i];
}

void LS_REAL(ls__sum_tree)(const ls_microbatches *micro, size_t count,
                           void (*leaf)(const void *context, size_t m, real *out), const void *context,
                           LS_REAL(ls_gradient) out, real *stack) {
    for (size_t b = 0; b < micro->blocks; b++) {
        size_t depth = 0;
        for (size_t m = micro->block[b]; m < micro->block[b + 1]; m++) {
            leaf(context, m, stack + depth++ * count);
            /* A block is an aligned subtree, so its own count says which neighbours are complete. */
            for (size_t done = m + 1 - micro->block[b]; done % 2 == 0; done /= 2, depth--)
                join(count, stack + (depth - 2) * count, stack + (depth - 1) * count);
        }
        for (; depth > 1; depth--) join(count, stack + (depth - 2) * count, stack + (depth - 1) * count);
        for (size_t i = 0; i < count; i++) out.base[b * out.stride + i] = stack[i];
    }
}
