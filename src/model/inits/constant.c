#include "model/families.h"

typedef struct options {
    double value;
} options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(options, value, LS_KIND_REAL, LS_REQUIRED, -INFINITY, INFINITY, "the value"), .main = true},
    LS_OPTION_END,
};

static double draw(const void *choice, const ls_param *param, uint64_t seed, uint32_t number, uint64_t index) {
    (void)param, (void)seed, (void)number, (void)index;
    return ((const options *)choice)->value;
}

const ls_init_type ls__init_constant = {
    .type = {.name = "constant", .doc = "one value", .rows = rows, .options_size = sizeof(options)},
    .draw = draw,
};
