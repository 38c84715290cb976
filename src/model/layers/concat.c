#include "model/families.h"

const ls_layer_type ls__layer_concat = {
    .type = {.name = "concat", .doc = "its inputs one after the other along the first axis"},
    .op = &ls_op_concat,
};
