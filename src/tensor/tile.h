/*
 * tile.h: the one loop that multiplies, and the transposition beside it. Every product, dense or convolution, forward
 * or backward, is this:
 *
 *      C[i][j] = start[i][j] + sum over k of A[i][k] B[k][j]        one accumulator each, fma, k ascending
 *
 *           B: row k of a panel, `vectors` registers          the accumulators of 6 x 64 floats fill 24 of AVX-512's
 *            |                                                32 registers; AVX2 has room for 6 x 16
 *      A ----+---- C  `rows` broadcasts a step
 *
 * What differs is where A's element (i, k) lies: row[i] + k * step, or row[i] + at[k] for the taps of a convolution;
 * and what is done with C. C may be stored after any k and be the start of the next piece: that rounds nothing. And k
 * may be cut into chains, each summed by itself and joined by a stack, as the tree of the micro-batches has it: without
 * leaving the loop, so that the stores of one chain go on below the multiplications of the next.
 */
#ifndef LOCKSTEP_TENSOR_TILE_H
#define LOCKSTEP_TENSOR_TILE_H

#include "tensor/panels.h"
#include "tensor/rowwise.h"

#if defined(__AVX512F__)

typedef __m512 vec;
enum { VEC = 16, MOST_VECTORS = 4, MOST_ROWS = 8 };
static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline vec vec_set(float a) { return _mm512_set1_ps(a); }
static inline void vec_store(float *p, vec a) { _mm512_storeu_ps(p, a); }
static inline void vec_stream(float *p, vec a) { _mm512_stream_ps(p, a); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }

#else

typedef __m256 vec;
enum { VEC = 8, MOST_VECTORS = 2, MOST_ROWS = 6 };
static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline vec vec_set(float a) { return _mm256_set1_ps(a); }
static inline void vec_store(float *p, vec a) { _mm256_storeu_ps(p, a); }
static inline void vec_stream(float *p, vec a) { _mm256_stream_ps(p, a); }
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }

#endif

/* A stretch of k that has accumulators of its own, and how many of the sums that wait are then added to them. */
typedef struct chain {
    size_t k, joins;
} chain;

typedef struct tile {
    const chain *chains; /* one after the other along k; the first begins with `start`, the others with 0 */
    size_t count;
    const float *row[MOST_ROWS];
    size_t step;       /* between A's elements along k, */
    const int32_t *at; /* or their offsets */
    const float *b;
    size_t b_step;
    const float *start; /* rows start_step apart; 0: the same row for all */
    size_t start_step;
    float *c; /* where the last chain ends */
    size_t c_step;
    bool stream;    /* past the caches: C is aligned and larger than they are */
    float *waiting; /* the top of a stack of sums: the newest lies waiting_step before. A chain takes `joins` of them */
    size_t waiting_step; /* from it, the newest first, and all chains but the last leave their sum there */
    size_t waiting_row;
} tile;

#define UNROLL _Pragma("GCC unroll 8")

ALWAYS_INLINE void join_waiting(vec (*c)[MOST_VECTORS], size_t rows, size_t vectors, const float *from, size_t step) {
    UNROLL for (size_t i = 0; i < rows; i++, from += step)
        UNROLL for (size_t v = 0; v < vectors; v++) c[i][v] = vec_add(vec_load(from + v * VEC), c[i][v]);
}

ALWAYS_INLINE void store_tile(vec (*c)[MOST_VECTORS], size_t rows, size_t vectors, float *to, size_t step) {
    UNROLL for (size_t i = 0; i < rows; i++, to += step)
        UNROLL for (size_t v = 0; v < vectors; v++) vec_store(to + v * VEC, c[i][v]);
}

ALWAYS_INLINE void stream_tile(vec (*c)[MOST_VECTORS], size_t rows, size_t vectors, float *to, size_t step) {
    UNROLL for (size_t i = 0; i < rows; i++, to += step)
        UNROLL for (size_t v = 0; v < vectors; v++) vec_stream(to + v * VEC, c[i][v]);
}

/* What is needed after a store is copied first: the compiler must believe that vectors overwrite anything. */
ALWAYS_INLINE void multiply_tile(const tile *t, size_t rows, size_t vectors, bool table) {
    vec c[MOST_ROWS][MOST_VECTORS];
    const float *row[MOST_ROWS], *start = t->start, *b = t->b;
    const size_t b_step = t->b_step, step = t->step, waiting_step = t->waiting_step, waiting_row = t->waiting_row;
    UNROLL for (size_t i = 0; i < rows; i++, start += t->start_step) {
        row[i] = t->row[i];
        UNROLL for (size_t v = 0; v < vectors; v++) c[i][v] = vec_load(start + v * VEC);
    }
    const int32_t *next = t->at;
    ptrdiff_t at = 0;
    float *waiting = t->waiting;
    for (const chain *n = t->chains, *last = n + t->count - 1;; n++) {
        for (size_t k = n->k; k > 0; k--) {
            vec right[MOST_VECTORS];
            if (table) at = *next++;
            UNROLL for (size_t v = 0; v < vectors; v++) right[v] = vec_load(b + v * VEC);
            UNROLL for (size_t i = 0; i < rows; i++) {
                vec left = vec_set(row[i][at]);
                UNROLL for (size_t v = 0; v < vectors; v++) c[i][v] = vec_fma(left, right[v], c[i][v]);
            }
            if (!table) at += (ptrdiff_t)step;
            b += b_step;
        }
        for (size_t join = n->joins; join > 0; join--) {
            waiting -= waiting_step;
            join_waiting(c, rows, vectors, waiting, waiting_row);
        }
        if (n == last) break;
        store_tile(c, rows, vectors, waiting, waiting_row);
        waiting += waiting_step;
        UNROLL for (size_t i = 0; i < rows; i++)
            UNROLL for (size_t v = 0; v < vectors; v++) c[i][v] = vec_set(0);
    }
    if (t->stream)
        stream_tile(c, rows, vectors, t->c, t->c_step);
    else
        store_tile(c, rows, vectors, t->c, t->c_step);
}

#define TILE(rows, vectors)                                                                                  \
    static void tile_##rows##_##vectors(const tile *t) { multiply_tile(t, rows, vectors, false); }           \
    static void tile_##rows##_##vectors##_at(const tile *t) { multiply_tile(t, rows, vectors, true); }
#define TILES(vectors) \
    TILE(1, vectors) TILE(2, vectors) TILE(3, vectors) TILE(4, vectors) TILE(5, vectors) TILE(6, vectors)
#define TILE_ROW(vectors, suffix)                                                                            \
    tile_1_##vectors##suffix, tile_2_##vectors##suffix, tile_3_##vectors##suffix, tile_4_##vectors##suffix,  \
        tile_5_##vectors##suffix, tile_6_##vectors##suffix

typedef void tile_product(const tile *t);

#if defined(__AVX512F__)
TILES(1)
TILE(7, 1)
TILE(8, 1)
TILES(2)
TILE(7, 2)
TILE(8, 2)
TILES(3)
TILE(7, 3)
TILE(8, 3)
TILES(4)
static tile_product *const tile_products[2][MOST_VECTORS][MOST_ROWS] = {
    {{TILE_ROW(1, ), tile_7_1, tile_8_1},
     {TILE_ROW(2, ), tile_7_2, tile_8_2},
     {TILE_ROW(3, ), tile_7_3, tile_8_3},
     {TILE_ROW(4, )}},
    {{TILE_ROW(1, _at), tile_7_1_at, tile_8_1_at},
     {TILE_ROW(2, _at), tile_7_2_at, tile_8_2_at},
     {TILE_ROW(3, _at), tile_7_3_at, tile_8_3_at},
     {TILE_ROW(4, _at)}},
};
#else
TILES(1)
TILES(2)
static tile_product *const tile_products[2][MOST_VECTORS][MOST_ROWS] = {
    {{TILE_ROW(1, )}, {TILE_ROW(2, )}},
    {{TILE_ROW(1, _at)}, {TILE_ROW(2, _at)}},
};
#endif

/* Rows that the accumulators of so many vectors leave room for. */
static inline size_t most_rows(size_t vectors) {
    return vectors == 4 ? 6 : MOST_ROWS;
}

/* `count` rows in tiles of nearly equal height: how many tiles, and where tile t begins. */
static inline size_t tile_count(size_t count, size_t vectors) {
    return (count + most_rows(vectors) - 1) / most_rows(vectors);
}

ALWAYS_INLINE void run_tile(const tile *t, size_t rows, size_t vectors) {
    tile_products[t->at != NULL][vectors - 1][rows - 1](t);
}

/* What will be wanted soon: so many floats from there on. */
typedef struct ahead {
    const float *from;
    size_t size;
} ahead;

/* A product of `rows` rows with a panel of `width` columns. Of `t` all but row[] and chains is set, for row 0 and
   column 0. */
typedef struct product {
    tile t;
    chain chain;
    size_t rows, width;
    const float *a;
    size_t a_row;          /* A's rows are so far apart, */
    const int32_t *row_at; /* or lie at these offsets */
    ahead ahead[2];        /* to be fetched meanwhile */
} product;

/* Piece n of `pieces`, into the second cache. */
static inline void fetch(const ahead *a, size_t n, size_t pieces) {
    for (size_t i = a->size * n / pieces; i < a->size * (n + 1) / pieces; i += LANES)
        _mm_prefetch((const char *)(a->from + i), _MM_HINT_T1);
}

static inline void multiply_columns(const product *p, size_t column, size_t vectors) {
    tile t = p->t;
    size_t tiles = tile_count(p->rows, vectors);
    t.chains = &p->chain;
    t.count = 1;
    t.b += column;
    for (size_t n = 0; n < tiles; n++) {
        size_t first = p->rows * n / tiles, rows = p->rows * (n + 1) / tiles - first;
        for (size_t i = 0; i < rows; i++)
            t.row[i] = p->a + (p->row_at ? (ptrdiff_t)p->row_at[first + i] : (ptrdiff_t)((first + i) * p->a_row));
        t.start = p->t.start + first * p->t.start_step + column;
        t.c = p->t.c + first * p->t.c_step + column;
        if (t.waiting) t.waiting = p->t.waiting + first * p->t.waiting_row + column;
        for (size_t i = 0; i < 2 && column == 0; i++) fetch(&p->ahead[i], n, tiles);
        run_tile(&t, rows, vectors);
    }
}

static void multiply_panel(const product *p) {
    for (size_t column = 0; column < p->width; column += MOST_VECTORS * VEC) {
        size_t vectors = (p->width - column) / VEC;
        multiply_columns(p, column, vectors < MOST_VECTORS ? vectors : MOST_VECTORS);
    }
}

/* ---- transposition ---- */

#if defined(__AVX512F__)

/* to[c][r] = from[r][c], at most 16 by 16 */
static void transpose_block(size_t rows, size_t columns, const float *from, size_t from_step, float *to,
                            size_t to_step) {
    __m512 a[16], b[16];
    UNROLL for (size_t i = 0; i < 16; i++)
        a[i] = i < rows ? _mm512_maskz_loadu_ps(first_lanes(columns), from + i * from_step) : _mm512_setzero_ps();
    UNROLL for (size_t i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    UNROLL for (size_t i = 0; i < 16; i += 4) {
        for (size_t h = 0; h < 2; h++) {
            __m512d x = _mm512_castps_pd(b[i + h]), y = _mm512_castps_pd(b[i + h + 2]);
            a[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
            a[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
        }
    }
    UNROLL for (size_t i = 0; i < 4; i++) {
        b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
        b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
        b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
        b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
    }
    UNROLL for (size_t i = 0; i < 4; i++) {
        a[i] = _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88);
        a[i + 8] = _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd);
        a[i + 4] = _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0x88);
        a[i + 12] = _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0xdd);
    }
    UNROLL for (size_t i = 0; i < 16; i++)
        if (i < columns) _mm512_mask_storeu_ps(to + i * to_step, first_lanes(rows), a[i]);
}

#else

/* to[c][r] = from[r][c], 8 by 8 */
static void transpose_eight(const float *from, size_t from_step, float *to, size_t to_step) {
    __m256 a[8], b[8];
    UNROLL for (size_t i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(from + i * from_step);
    UNROLL for (size_t i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    UNROLL for (size_t i = 0; i < 8; i += 4) {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    UNROLL for (size_t i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * to_step, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * to_step, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}

/* to[c][r] = from[r][c], at most 16 by 16 */
static void transpose_block(size_t rows, size_t columns, const float *from, size_t from_step, float *to,
                            size_t to_step) {
    size_t whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
    for (size_t r = 0; r < whole_rows; r += 8)
        for (size_t c = 0; c < whole_columns; c += 8)
            transpose_eight(from + r * from_step + c, from_step, to + c * to_step + r, to_step);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
            to[c * to_step + r] = from[r * from_step + c];
}

#endif

/* to (columns, rows) = transpose of from (rows, columns) */
static void transpose(size_t rows, size_t columns, const float *from, size_t from_step, float *to, size_t to_step) {
    for (size_t r = 0; r < rows; r += 16)
        for (size_t c = 0; c < columns; c += 16)
            transpose_block(rows - r < 16 ? rows - r : 16, columns - c < 16 ? columns - c : 16,
                            from + r * from_step + c, from_step, to + c * to_step + r, to_step);
}

/* ---- scratch ---- */

/* Cuts one block into pieces; without a block it only counts. */
typedef struct carver {
    char *base;
    size_t used;
} carver;

static inline void *carve(carver *c, size_t count, size_t size) {
    void *piece = c->base ? c->base + c->used : NULL;
    c->used += ls_round_up(count * size, LS_ALIGNMENT);
    return piece;
}

static const float zero_row[LS_PANEL];

#endif
