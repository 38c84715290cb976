#include "model/families.h"

const ls_layer_type ls__layer_softmax = {
    .type = {.name = "softmax", .doc = "exp(z) over its sum along the last axis; cross_entropy has it built in"},
    .op = &ls_op_softmax,
};
