#include "model/families.h"

const ls_layer_type ls__layer_sigmoid = {
    .type = {.name = "sigmoid", .doc = "1 / (1 + exp(-z))"},
    .op = &ls_op_sigmoid,
};
