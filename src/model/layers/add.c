#include "model/families.h"

const ls_layer_type ls__layer_add = {
    .type = {.name = "add", .doc = "the sum of its inputs"},
    .op = &ls_op_add,
};
