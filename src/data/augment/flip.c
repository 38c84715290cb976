/* flip: left becomes right, with a probability. */
#include "data/augment.h"

typedef struct flip_options {
    double probability;
} flip_options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(flip_options, probability, LS_KIND_REAL, "0.5", 0, 1, "share of the samples that are flipped"),
     .main = true},
    LS_OPTION_END};

static void apply(const void *options, const ls_augment_key *key, ls_shape shape, float *x) {
    ls_draw draw = ls__augment_draw(key, 0);
    if (ls_random_unit_double(draw.word[0], draw.word[1]) >= ((const flip_options *)options)->probability) return;
    size_t width = shape.dim[shape.rank - 1], lines = ls_shape_size(shape) / width;
    for (size_t line = 0; line < lines; line++, x += width)
        for (size_t i = 0; i < width / 2; i++) {
            float left = x[i];
            x[i] = x[width - 1 - i];
            x[width - 1 - i] = left;
        }
}

const ls_augment_type ls_augment_flip = {
    .type = {"flip", "mirror images horizontally", rows, sizeof(flip_options)}, .images = true, .apply = apply};
