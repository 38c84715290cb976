#include "model/families.h"

const ls_layer_type ls__layer_gelu = {
    .type = {.name = "gelu", .doc = "z Phi(z), Phi being the normal distribution"},
    .op = &ls_op_gelu,
    .rectifier = true,
};
