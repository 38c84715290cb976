#include <math.h>

#include "model/families.h"

typedef struct options {
    ls_reals shape;
} options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(options, shape, LS_KIND_REALS, LS_REQUIRED, 1, 1e9, "the new shape, for example [1, 28, 28]"),
     .main = true},
    LS_OPTION_END,
};

static ls_status build(ls_layer_build *build) {
    const ls_reals *shape = &((const options *)build->options)->shape;
    ls_op_reshape_options to = {.shape = {.rank = shape->count}};
    if (shape->count > LS_MAX_RANK)
        return LS_FAIL(LS_ERR_CONFIG, "shape has %zu axes; allowed: at most %d", shape->count, LS_MAX_RANK);
    for (size_t i = 0; i < shape->count; i++) {
        if (shape->items[i] != floor(shape->items[i]))
            return LS_FAIL(LS_ERR_CONFIG, "shape: %g is not a whole number", shape->items[i]);
        to.shape.dim[i] = (size_t)shape->items[i];
    }
    return ls_layer_add_node(build, &ls_op_reshape, &to, 0, NULL);
}

const ls_layer_type ls__layer_reshape = {
    .type = {.name = "reshape",
             .doc = "the same numbers in another shape: an image out of a row",
             .rows = rows,
             .options_size = sizeof(options)},
    .transparent = true,
    .build = build,
};
