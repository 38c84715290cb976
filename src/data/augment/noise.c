/* noise: adds independent normal numbers, in the units of the stored data. */
#include "data/augment.h"

typedef struct noise_options {
    double std;
} noise_options;

static const ls_option rows[] = {{LS_OPTION_NUMBER(noise_options, std, LS_KIND_REAL, LS_REQUIRED, 0, 1e30,
                                                   "standard deviation, in units of the data"),
                                  .main = true},
                                 LS_OPTION_END};

static void apply(const void *options, const ls_augment_key *key, ls_shape shape, float *x) {
    double std = ((const noise_options *)options)->std, normal[2];
    for (size_t i = 0; i < ls_shape_size(shape); i++) {
        if (i % 2 == 0) ls_random_normal(ls__augment_draw(key, (uint32_t)(i / 2)), normal);
        x[i] += (float)(std * normal[i % 2]);
    }
}

const ls_augment_type ls_augment_noise = {.type = {"noise", "add normal noise", rows, sizeof(noise_options)},
                                          .apply = apply};
