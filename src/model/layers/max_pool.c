#include "model/families.h"

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(ls_op_pool_options, size, LS_KIND_COUNTS2, LS_REQUIRED, 1, INFINITY,
                      "height and width of the window"),
     .main = true},
    LS_OPTION_COUNTS2(ls_op_pool_options, stride, NULL, 1, INFINITY, "steps of the window; by default its size"),
    LS_OPTION_COUNTS2(ls_op_pool_options, padding, "0", 0, INFINITY, "rows and columns added on each side"),
    LS_OPTION_END,
};

static ls_status build(ls_layer_build *build) {
    ls_op_pool_options options = *(const ls_op_pool_options *)build->options;
    for (size_t axis = 0; axis < 2; axis++)
        if (!options.stride[axis]) options.stride[axis] = options.size[axis];
    return ls_layer_add_node(build, &ls_op_max_pool, &options, 0, NULL);
}

const ls_layer_type ls__layer_max_pool = {
    .type = {.name = "max_pool",
             .doc = "the largest element of each window",
             .rows = rows,
             .options_size = sizeof(ls_op_pool_options)},
    .build = build,
    .transparent = true,
};
