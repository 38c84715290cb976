/* pool.c: what the pooling layers have in common. */
#include "model/families.h"

const ls_option ls__pool_rows[] = {
    {LS_OPTION_NUMBER(ls_op_pool_options, size, LS_KIND_COUNTS2, LS_REQUIRED, 1, INFINITY,
                      "height and width of the window"),
     .main = true},
    LS_OPTION_COUNTS2(ls_op_pool_options, stride, NULL, 1, INFINITY, "steps of the window; by default its size"),
    LS_OPTION_COUNTS2(ls_op_pool_options, padding, "0", 0, INFINITY, "rows and columns added on each side"),
    LS_OPTION_END,
};

ls_status ls__pool_build(ls_layer_build *build, const ls_op *op) {
    ls_op_pool_options options = *(const ls_op_pool_options *)build->options;
    for (size_t axis = 0; axis < 2; axis++)
        if (!options.stride[axis]) options.stride[axis] = options.size[axis];
    return ls_layer_add_node(build, op, &options, 0, NULL);
}
