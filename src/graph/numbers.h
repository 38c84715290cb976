/*
 * numbers.h: the few loops over numbers that the graph itself needs, in one precision. The graph is compiled once and
 * holds void pointers; numbers.c and the operators are compiled for float and for double.
 */
#ifndef LOCKSTEP_GRAPH_NUMBERS_H
#define LOCKSTEP_GRAPH_NUMBERS_H

#include "lockstep/graph.h"

typedef struct ls__numbers {
    size_t bytes; /* of a real */
    const void *(*kernels)(const ls_math *math);
    /* sum += part, element by element */
    void (*add)(const void *kernels, ls_team *team, size_t count, void *sum, const void *part);
    /* seed[r] = factor * weight[r]; weight NULL: 1 */
    void (*seed)(size_t rows, double factor, const void *weight, void *seed);
    /* loss[r] *= weight[r] */
    void (*weigh)(size_t rows, const void *weight, double *loss);
    /* the first index that is not finite, or `count` */
    size_t (*find_bad)(size_t count, const void *values);
    double (*get)(const void *values, size_t index);
    void (*set)(void *values, size_t index, double value);
} ls__numbers;

extern const ls__numbers ls__numbers_of, ls__numbers_of_double;

#endif
