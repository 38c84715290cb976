#include "model/families.h"

const ls_layer_type ls__layer_relu = {
    .type = {.name = "relu", .doc = "max(0, z)"},
    .op = &ls_op_relu,
    .rectifier = true,
};
