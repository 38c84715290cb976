#include "model/families.h"

const ls_layer_type ls__layer_tanh = {
    .type = {.name = "tanh", .doc = "tanh z"},
    .op = &ls_op_tanh,
};
