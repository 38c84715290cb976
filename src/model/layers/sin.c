#include "model/families.h"

const ls_layer_type ls__layer_sin = {
    .type = {.name = "sin", .doc = "sin z"},
    .op = &ls_op_sin,
};
