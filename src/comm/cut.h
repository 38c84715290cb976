/*
 * cut.h: how the gradient arena is cut, and who carries and owns what. Pure: no communication.
 *
 *      arena     | bucket | bucket | bucket | ...                 about 1 MiB each, reduced from the high end down
 *      bucket    | lane 0      | lane 1      |                          one for each rank of the largest node
 *      lane      | part | part | part | part |                          one for each node
 *
 * Lane l is carried on a node of R ranks by its rank l mod R: it sums the node's gradients there and talks to the
 * carriers of the same lane on other nodes. The part of node n is owned by its carrier. All cuts are multiples of
 * LS_GRAIN. Buckets begin where parameters begin, as far as sizes allow, since that is where backward's mark stops.
 *
 * Where the number of nodes is a power of two, parts stand in bit-reversed order of nodes, so that halving with partner
 * node XOR 1, 2, 4, ... always splits a contiguous range.
 *
 * Every use of a shared parameter has buckets of its own, cut alike, so all uses of an element have one owner.
 */
#ifndef LOCKSTEP_COMM_CUT_H
#define LOCKSTEP_COMM_CUT_H

#include "comm/comm.h"
#include "lockstep/tensor.h"

typedef struct ls__bucket {
    ls__range range;
    bool weights; /* has weights of its own: not a further use */
} ls__bucket;

typedef struct ls__cut {
    const ls_params *params;
    size_t nodes, lanes;
    const size_t *first; /* nodes + 1: the first rank of each; borrowed */
    bool halving_order;
    size_t buckets;
    ls__bucket *bucket; /* by descending offset */
} ls__cut;

/** Cuts into buckets of about `elements` elements (0: 1 MiB). `first` is borrowed for the cut's life. */
ls_status ls__cut_create(const ls_params *params, size_t nodes, const size_t *first, size_t elements,
                         ls__cut *out) LS_MUST_USE;
void ls__cut_destroy(ls__cut *cut);

ls__range ls__cut_lane(const ls__cut *cut, size_t bucket, size_t lane);
/** The parts at positions [from, to) of a lane. */
ls__range ls__cut_parts(const ls__cut *cut, ls__range lane, size_t from, size_t to);
/** Where in a lane the part of a node stands. */
size_t ls__cut_position(const ls__cut *cut, size_t node);
/** The rank that carries a lane on a node. */
size_t ls__cut_carrier(const ls__cut *cut, size_t lane, size_t node);

/** Elements of trainable parameters that a rank owns. */
size_t ls__cut_owned(const ls__cut *cut, size_t rank);

/** The parameter whose first use lies at element `at`. */
size_t ls__cut_param_at(const ls_params *params, size_t at);

#endif
