#include "model/families.h"

const ls_layer_type ls__layer_hard_tanh = {
    .type = {.name = "hard_tanh", .doc = "z, clipped to [-1, 1]"},
    .op = &ls_op_hard_tanh,
};
