/*
 * tree.h: the fixed binary tree over micro-batches, and sums along it.
 *
 * The tree over `total` micro-batches has node(l, i) over [i 2^l, (i+1) 2^l), cut short at the right edge; a node that
 * is cut short to its left child is that child. So a node is known by its range of micro-batches, and whatever
 * partition into nodes is at hand, their sum along the tree is a postfix program: push leaf k, push leaf k+1, add, ...
 */
#ifndef LOCKSTEP_COMM_TREE_H
#define LOCKSTEP_COMM_TREE_H

#include "comm/comm.h"

/**
 * The fewest nodes of the tree over `total` micro-batches that make up [begin, end): their number, and their bounds,
 * number + 1 of them, in `bound` unless that is NULL.
 */
size_t ls__tree_cover(size_t begin, size_t end, size_t total, size_t *bound);

/** An operation: the number of a leaf to push, or LS__ADD for the sum of the two on top, the lower one on the left. */
enum { LS__ADD = -1 };

typedef struct ls__program {
    size_t count; /* 0: no leaves, no sum */
    int32_t *ops; /* at most 2 leaves - 1 */
} ls__program;

/**
 * The sum of leaf[first .. first+count-1], consecutive nodes whose union is one node, along the tree. Leaves are known
 * to the program by their number in `leaf`.
 */
void ls__tree_program(const ls__range *leaf, size_t first, size_t count, ls__program *program);

/** Values that can be on the stack at once, for trees over `total` micro-batches. */
size_t ls__tree_depth(size_t total);

/** A leaf's values: element `e` of the arena is base[e - origin]. */
typedef struct ls__leaf {
    const float *base;
    size_t origin;
} ls__leaf;

/**
 * Runs a program over LS_GRAIN elements from element `at` on. `stack` has room for depth * LS_GRAIN. `out` may be where
 * a leaf lies.
 */
void ls__program_run(const ls__program *program, const ls__leaf *leaf, size_t at, float *stack, float *out);

#endif
