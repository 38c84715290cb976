/* shift: images move by up to so many pixels each way; what comes in is 0. */
#include <string.h>

#include "data/augment.h"

typedef struct shift_options {
    size_t pixels;
} shift_options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(shift_options, pixels, LS_KIND_COUNT, "2", 1, 4096, "largest move, in each direction"),
     .main = true},
    LS_OPTION_END};

/* Moves the items of a row of `count` items by `by` (to higher indices where positive) and clears what comes in. */
static void move(float *x, size_t count, size_t item, ptrdiff_t by) {
    size_t distance = (size_t)(by < 0 ? -by : by);
    if (distance > count) distance = count;
    size_t kept = (count - distance) * item, gone = distance * item;
    if (by > 0) {
        memmove(x + gone, x, kept * sizeof *x);
        memset(x, 0, gone * sizeof *x);
    } else {
        memmove(x, x + gone, kept * sizeof *x);
        memset(x + kept, 0, gone * sizeof *x);
    }
}

static ptrdiff_t draw_move(const ls_augment_key *key, uint32_t draw, size_t pixels) {
    return (ptrdiff_t)ls_random_below(ls__augment_draw(key, draw), 2 * pixels + 1) - (ptrdiff_t)pixels;
}

static void apply(const void *options, const ls_augment_key *key, ls_shape shape, float *x) {
    size_t pixels = ((const shift_options *)options)->pixels;
    size_t width = shape.dim[shape.rank - 1], height = shape.dim[shape.rank - 2];
    size_t planes = ls_shape_size(shape) / (width * height);
    ptrdiff_t down = draw_move(key, 0, pixels), right = draw_move(key, 1, pixels);
    for (size_t p = 0; p < planes; p++, x += width * height) {
        move(x, height, width, down);
        for (size_t line = 0; line < height; line++) move(x + line * width, width, 1, right);
    }
}

const ls_augment_type ls_augment_shift = {
    .type = {"shift", "move images by a few pixels", rows, sizeof(shift_options)}, .images = true, .apply = apply};
