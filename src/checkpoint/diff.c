#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/checkpoint.h"

/* Comparing goes by rows, about this many bytes at a time. */
#define PART_BYTES ((size_t)1 << 20)

/* Two arrays while they are compared. */
typedef struct pair {
    const ls_array *a, *b;
    size_t items, differing;
    double most; /* the largest absolute difference of numbers that are finite in both */
} pair;

static bool same_kind(const ls_array *a, const ls_array *b) {
    bool same = a->dtype == b->dtype && a->rank == b->rank && a->item_bytes == b->item_bytes;
    for (size_t i = 0; same && i < a->rank; i++) same = a->dim[i] == b->dim[i];
    return same;
}

static double distance(ls_dtype dtype, const void *a, const void *b) {
    double x = 0.0, y = 0.0;
    if (dtype >= LS_DTYPE_TEXT) return 0.0;
    ls_dtype_convert(dtype, a, LS_DTYPE_F64, &x, 1, NULL);
    ls_dtype_convert(dtype, b, LS_DTYPE_F64, &y, 1, NULL);
    double apart = x > y ? x - y : y - x;
    return isfinite(apart) ? apart : 0.0;
}

static void compare_items(pair *p, const char *a, const char *b, size_t count) {
    size_t size = p->a->item_bytes;
    p->items += count;
    if (memcmp(a, b, count * size) == 0) return;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(a + i * size, b + i * size, size) == 0) continue;
        double apart = distance(p->a->dtype, a + i * size, b + i * size);
        p->differing++;
        if (apart > p->most) p->most = apart;
    }
}

static ls_status compare_rows(ls_checkpoint *a, ls_checkpoint *b, pair *p) {
    size_t row = p->a->row_bytes, rows = row && row < PART_BYTES ? PART_BYTES / row : 1;
    void *buffer;
    LS_TRY(ls_block_create(2 * rows, row, "a comparison", &buffer));
    char *first = buffer, *second = first + rows * row;
    ls_status status = LS_OK;
    for (size_t at = 0; status == LS_OK && row && at < p->a->rows; at += rows) {
        size_t count = rows < p->a->rows - at ? rows : p->a->rows - at;
        status = ls_store_read(ls_checkpoint_store(a), p->a, at, count, first);
        if (status == LS_OK) status = ls_store_read(ls_checkpoint_store(b), p->b, at, count, second);
        if (status == LS_OK) compare_items(p, first, second, count * row / p->a->item_bytes);
    }
    ls_block_destroy(buffer);
    return status;
}

static ls_status compare_pair(ls_checkpoint *a, ls_checkpoint *b, pair *p, ls_checkpoint_difference *out) {
    if (!same_kind(p->a, p->b)) {
        out->differing++;
        return ls_text_add(&out->lines, "%s: the shapes or types differ\n", p->a->path);
    }
    LS_TRY(compare_rows(a, b, p));
    if (p->differing == 0) return LS_OK;
    out->differing++;
    return ls_text_add(&out->lines, "%s: %zu of %zu differ, by at most %.3g\n", p->a->path, p->differing, p->items,
                       p->most);
}

/* Walks two lists that are sorted by path. */
static ls_status compare_lists(ls_checkpoint *a, ls_checkpoint *b, const ls_arrays *x, const ls_arrays *y,
                               ls_checkpoint_difference *out) {
    for (size_t i = 0, j = 0; i < x->count || j < y->count;) {
        int order = i == x->count ? 1 : j == y->count ? -1 : strcmp(x->items[i]->path, y->items[j]->path);
        out->arrays++;
        if (order == 0) {
            pair both = {.a = x->items[i++], .b = y->items[j++]};
            LS_TRY(compare_pair(a, b, &both, out));
            continue;
        }
        out->differing++;
        const char *path = order < 0 ? x->items[i++]->path : y->items[j++]->path;
        LS_TRY(ls_text_add(&out->lines, "%s: only in the %s\n", path, order < 0 ? "first" : "second"));
    }
    return LS_OK;
}

static bool left_out(const char *path) {
    return strcmp(path, "/state/ended_by") == 0;
}

/* The list without what is not compared. */
static void thin(ls_arrays *arrays) {
    size_t kept = 0;
    for (size_t i = 0; i < arrays->count; i++)
        if (!left_out(arrays->items[i]->path)) arrays->items[kept++] = arrays->items[i];
    arrays->count = kept;
}

static ls_status list_group(ls_checkpoint *checkpoint, const char *group, ls_arrays *out) {
    *out = (ls_arrays){0};
    ls_store *store = ls_checkpoint_store(checkpoint);
    if (ls_store_exists(store, group)) LS_TRY(ls_store_list(store, group, out));
    thin(out);
    return LS_OK;
}

static ls_status compare_group(ls_checkpoint *a, ls_checkpoint *b, const char *group, ls_checkpoint_difference *out) {
    ls_arrays x, y = {0};
    ls_status status = list_group(a, group, &x);
    if (status == LS_OK) status = list_group(b, group, &y);
    if (status == LS_OK) status = compare_lists(a, b, &x, &y, out);
    ls_arrays_free(&x);
    ls_arrays_free(&y);
    return status;
}

ls_status ls_checkpoint_diff(ls_checkpoint *a, ls_checkpoint *b, ls_checkpoint_difference *out) {
    LS_TRY(compare_group(a, b, "/parameters", out));
    return compare_group(a, b, "/statistics", out);
}

ls_status ls_checkpoint_diff_state(ls_checkpoint *a, ls_checkpoint *b, ls_checkpoint_difference *out) {
    LS_TRY(ls_checkpoint_diff(a, b, out));
    LS_TRY(compare_group(a, b, "/optimizer", out));
    return compare_group(a, b, "/state", out);
}
