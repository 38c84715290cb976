#include "model/families.h"

const ls_layer_type ls__layer_flatten = {
    .type = {.name = "flatten", .doc = "the same numbers as one vector"},
    .op = &ls_op_flatten,
    .transparent = true,
};
