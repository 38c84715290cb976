#include "model/families.h"

const ls_layer_type ls__layer_multiply = {
    .type = {.name = "multiply", .doc = "the elementwise product of its inputs"},
    .op = &ls_op_multiply,
};
