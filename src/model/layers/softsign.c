#include "model/families.h"

const ls_layer_type ls__layer_softsign = {
    .type = {.name = "softsign", .doc = "z / (1 + |z|)"},
    .op = &ls_op_softsign,
};
