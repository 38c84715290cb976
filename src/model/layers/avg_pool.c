#include "model/families.h"

static ls_status build(ls_layer_build *build) {
    return ls__pool_build(build, &ls_op_avg_pool);
}

const ls_layer_type ls__layer_avg_pool = {
    .type = {.name = "avg_pool",
             .doc = "the mean of each window, padding counted as 0",
             .rows = ls__pool_rows,
             .options_size = sizeof(ls_op_pool_options)},
    .build = build,
    .transparent = true,
};
