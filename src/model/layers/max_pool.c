#include "model/families.h"

static ls_status build(ls_layer_build *build) {
    return ls__pool_build(build, &ls_op_max_pool);
}

const ls_layer_type ls__layer_max_pool = {
    .type = {.name = "max_pool",
             .doc = "the largest element of each window",
             .rows = ls__pool_rows,
             .options_size = sizeof(ls_op_pool_options)},
    .build = build,
    .transparent = true,
};
