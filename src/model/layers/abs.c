#include "model/families.h"

const ls_layer_type ls__layer_abs = {
    .type = {.name = "abs", .doc = "|z|"},
    .op = &ls_op_abs,
};
