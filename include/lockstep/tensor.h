/**
 * tensor.h: shapes, the two arenas, and the choice of arithmetic.
 *
 * All parameters lie in one block, the parameter arena; their gradients lie in another, at equal offsets:
 *
 *      offset   0            |dense_1/weight|dense_1/bias|..|dense_2/weight|..|
 *      parameters            [ w w w w w w 0|b b b 0 0 0 |..|              |..|      one copy per node
 *      gradients             [ g g g g g g 0|g g g 0 0 0 |..|              |..|      one block or more per rank
 *
 * so an optimizer, the reduction, a snapshot and a digest are loops over ranges (offset, count) of floats.
 *
 * Invariants
 *  - A parameter's offset follows its first use in the graph, hence backward finishes gradients from high offsets to
 *    low ones. A further use of a shared parameter has a gradient range of its own (`uses`); the same range of the
 *    parameter arena is unused. The owner of a piece adds the uses in order after the global sum.
 *  - Trainable parameters come first, then statistics (which ride on the reduction), then frozen ones, which no
 *    gradient has: the gradient arena ends before them.
 *  - Every parameter starts at a multiple of LS_GRAIN elements. Padding is 0 and stays 0, and counts in no norm.
 *  - A parameter lies in the layout its kernels want. ls_param_import/export are the only translation to the layout of
 *    files, in which a dense weight is (out, in) and a convolution weight (out, in/groups, kh, kw).
 */
#ifndef LOCKSTEP_TENSOR_H
#define LOCKSTEP_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/options.h"

/* ---- shapes ------------------------------------------------------------------------------------------------- */

#define LS_MAX_RANK 4

/** A shape, outermost axis first. In a graph it is the shape of one sample; rank 0 is a scalar per sample. */
typedef struct ls_shape {
    size_t rank;
    size_t dim[LS_MAX_RANK];
} ls_shape;

static inline size_t ls_shape_size(ls_shape shape) {
    size_t size = 1;
    for (size_t i = 0; i < shape.rank; i++) size *= shape.dim[i];
    return size;
}

/** False where it has more than LS_MAX_SIZE elements, which no memory holds and whose bytes no size_t may count. */
#define LS_MAX_SIZE ((size_t)1 << 40)
bool ls_shape_fits(ls_shape shape);

bool ls_shape_equal(ls_shape a, ls_shape b);

/** Writes "(1, 28, 28)" into `out` and returns it; 96 bytes suffice. */
const char *ls_shape_text(ls_shape shape, char *out, size_t size);

/* ---- micro-batches ------------------------------------------------------------------------------------------ */

/**
 * The samples that a rank works on together: `count` micro-batches, rows row[m] .. row[m + 1] - 1 each, and how their
 * sums join. Row-wise work ignores the boundaries. What sums over samples sums within a micro-batch in sample order,
 * then over the micro-batches of a block in the fixed tree (node(l, i) = node(l-1, 2i) + node(l-1, 2i+1),
 * absent nodes passed over). A block is one maximal aligned subtree of the batch's tree; each leaves one gradient:
 *
 *     micro-batch   3  | 4  5 | 6        batch of 7, a rank with 3..6
 *     block         0  |   1     |       {3}, {4, 5, 6}: node(0, 3) and node(2, 1), whose right half is cut short
 */
typedef struct ls_microbatches {
    size_t count;
    const size_t *row;   /* count + 1 bounds, in rows of this rank; row[0] is 0 */
    size_t blocks;       /* how many subtrees, 0 where count is 0 */
    const size_t *block; /* blocks + 1 bounds, in micro-batches of this rank */
    size_t first_sample; /* position of row 0 in the whole batch, for draws keyed by global position */
    size_t batch;        /* samples of the whole batch, over all ranks: the loss is seeded with 1 / batch */
    uint64_t position;   /* position of the batch's first sample in the epoch */
    uint32_t epoch;
} ls_microbatches;

/** How many waiting sums of the tree the micro-batch at `index` of its block completes, in the order of a stack. */
static inline size_t ls_microbatches_joins(size_t index) {
    size_t joins = 0;
    for (; index & 1; index >>= 1) joins++;
    return joins;
}

/** The most sums that wait at once while a block of `micros` micro-batches is summed, the newest one included. */
static inline size_t ls_microbatches_depth(size_t micros) {
    size_t depth = 1;
    for (; micros > 1; micros >>= 1) depth++;
    return depth;
}

/** Rows of a rank. */
static inline size_t ls_microbatches_rows(const ls_microbatches *micro) {
    return micro->count ? micro->row[micro->count] : 0;
}

/* ---- arithmetic --------------------------------------------------------------------------------------------- */

/**
 * A kind of arithmetic: `exact` (own kernels; the fastest instruction set of this processor, and the same bits on all
 * of them) or `blas` (OpenBLAS on one thread; bits hold for one processor family). Constant and global.
 */
typedef struct ls_math ls_math;

/** "exact" or "blas"; for tests also "exact-avx512", "exact-avx2", "exact-scalar". NULL: unknown or unsupported. */
const ls_math *ls_math_find(const char *name);
const char *ls_math_name(const ls_math *math);
/** What computes, for provenance and for comparing ranks: "exact-avx512", "OpenBLAS 0.3.21 SkylakeX". */
const char *ls_math_description(const ls_math *math);

/**
 * The most floating-point operations a second that one core does: independent fused multiply-adds in the widest
 * registers of this processor, the best of some tries. What speeds are compared with; it takes about a tenth of a
 * second.
 */
double ls_math_peak(void);

/* ---- threads ------------------------------------------------------------------------------------------------ */

/** Threads that share one rank's work; a team of one has no thread of its own. Results never depend on its size. */
typedef struct ls_team ls_team;

ls_status ls_team_create(size_t threads, ls_team **out) LS_MUST_USE;
void ls_team_destroy(ls_team *team);
size_t ls_team_size(const ls_team *team);

/** Calls work(argument, part, parts) once for every part of 0..parts-1, on all threads; returns when all are done. */
void ls_team_run(ls_team *team, size_t parts, void (*work)(void *argument, size_t part, size_t parts), void *argument);

/**
 * While the team's products go on, the thread that created it calls poke(poked) now and then, about every 0.1 ms, for
 * what cannot wait for the end of a long one: messages move only when somebody calls MPI. NULL: nothing is called.
 */
void ls_team_set_poke(ls_team *team, void (*poke)(void *poked), void *poked);

/* ---- parameters --------------------------------------------------------------------------------------------- */

/** Offsets and counts of arena ranges, in elements. Pieces of the reduction are cut at multiples of this. */
#define LS_GRAIN ((size_t)1024)

typedef enum ls_role {
    LS_ROLE_WEIGHT,    /* multiplies activations: decays */
    LS_ROLE_BIAS,      /* spared by `decay: weights` */
    LS_ROLE_NORM,      /* gain and shift of a normalisation: spared by `decay: weights` */
    LS_ROLE_STATISTIC, /* running average of batch norm: no optimizer touches it */
} ls_role;

/** How a parameter lies in the arena. */
typedef enum ls_layout {
    LS_LAYOUT_PLAIN, /* as in files */
    LS_LAYOUT_DENSE, /* (out, in) in the panels of the arithmetic */
    LS_LAYOUT_CONV,  /* (out, in/groups, kh, kw) likewise */
} ls_layout;

typedef struct ls_param {
    const char *layer; /* "dense_1" */
    const char *name;  /* "weight" */
    ls_shape shape;    /* in files */
    ls_role role;
    ls_layout layout;
    bool frozen;
    size_t groups;          /* of a convolution weight, else 1 */
    size_t fan_in, fan_out; /* for initialisation; 0 where they mean nothing */
    double learning_rate_factor, decay_factor;
    double momentum;      /* of a statistic: running = (1 - momentum) running + momentum * new */
    ls_choice init;       /* type NULL: model's default */
    bool feeds_rectifier; /* the layer's output goes to relu, leaky_relu or gelu: he_normal is its default */
    /* set by ls_params_layout() */
    size_t offset;      /* of its values, and of its first use's gradient */
    size_t count;       /* elements in the arena, padding included: a multiple of LS_GRAIN */
    size_t uses;        /* gradient ranges: 1, or more where layers share it */
    size_t *use_offset; /* their offsets, in creation order; use_offset[0] == offset */
} ls_param;

/** The parameters of a model, in creation order. */
typedef struct ls_params ls_params;

ls_status ls_params_create(const ls_math *math, ls_params **out) LS_MUST_USE;
void ls_params_destroy(ls_params *params);

/** Adds a copy of `param` (layer and name are copied too); its number goes to `index`. Before ls_params_layout(). */
ls_status ls_params_add(ls_params *params, const ls_param *param, size_t *index) LS_MUST_USE;
/** Notes one more use of parameter `index` by a later layer; the use's number goes to `use`. */
ls_status ls_params_share(ls_params *params, size_t index, size_t *use) LS_MUST_USE;
/** Fixes all offsets. Afterwards nothing can be added. */
ls_status ls_params_layout(ls_params *params) LS_MUST_USE;

size_t ls_params_count(const ls_params *params);
const ls_param *ls_params_at(const ls_params *params, size_t index);
/** The number of "layer/name", or LS_NOT_FOUND. */
size_t ls_params_find(const ls_params *params, const char *layer, const char *name);
#define LS_NOT_FOUND ((size_t)-1)

/** Elements of the parameter arena, and of one gradient block (less by the frozen ones). */
size_t ls_params_arena(const ls_params *params);
size_t ls_params_gradient_arena(const ls_params *params);
/** End of the trainable part: gradients in [0, trainable) are the optimizer's, the rest up to gradient_arena are
    statistics. */
size_t ls_params_trainable(const ls_params *params);
/** Values without padding, frozen ones too but no statistics: what a user calls "number of parameters". */
size_t ls_params_values(const ls_params *params);

/**
 * A parameter between arena and file layout. `values` holds shape's elements, row-major; `arena` is the base of a whole
 * arena (parameters, gradients or an optimizer slot). Import writes the padding too.
 */
void ls_param_import(const ls_params *params, size_t index, const float *values, float *arena);
void ls_param_export(const ls_params *params, size_t index, const float *arena, float *values);
/**
 * Export in parts that fit a cache: rows [first, first + count) of the first dimension (a scalar is one row). `first`,
 * and `count` unless it reaches the end, are multiples of ls_param_part_rows(): the fewest rows that lie together in
 * the arena.
 */
size_t ls_param_part_rows(const ls_params *params, size_t index);
void ls_param_export_rows(const ls_params *params, size_t index, size_t first, size_t count, const float *arena,
                          float *values);
/** The same in double, for gradient checks. */
void ls_param_export_rows_double(const ls_params *params, size_t index, size_t first, size_t count, const double *arena,
                                 double *values);
void ls_param_import_double(const ls_params *params, size_t index, const double *values, double *arena);
void ls_param_export_double(const ls_params *params, size_t index, const double *arena, double *values);

/**
 * The sum of squares of a block of at most LS_GRAIN elements, in double: every norm of gradients or parameters is an
 * exact sum (sum.h) of these blocks, and so does not depend on how the arena is cut. 16 lanes, element j to lane
 * j mod 16, joined as (0+8)(1+9).. then +4, +2, +1. It is finite exactly if every element is.
 */
double ls_block_squares(size_t count, const float *values);

/* ---- decomposition ------------------------------------------------------------------------------------------ */

/**
 * Eigenvalues and orthonormal eigenvectors of the symmetric matrix `a` (n, n), of which only the lower triangle is
 * read. values[i] descend; vectors (n, n) has the i-th vector in row i, signed so that its largest component (the first
 * of equals) is positive. Householder reflections and implicit QL steps in a fixed order (Golub and Van Loan, 8.3):
 * the same bits on every machine, O(n^3), one thread. Errors are of the order of the largest value times 1e-16. Fails
 * with LS_ERR_NUMERIC where `a` is not finite.
 */
ls_status ls_symmetric_eigen(size_t n, const double *a, double *values, double *vectors) LS_MUST_USE;

#endif
