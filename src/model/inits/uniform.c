#include "model/families.h"

typedef struct options {
    double range;
} options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(options, range, LS_KIND_REAL, LS_REQUIRED, 0, INFINITY, "the largest absolute value"),
     .main = true},
    LS_OPTION_END,
};

static double draw(const void *choice, const ls_param *param, uint64_t seed, uint32_t number, uint64_t index) {
    (void)param;
    return ((const options *)choice)->range * ls__init_draw_uniform(seed, number, index);
}

const ls_init_type ls__init_uniform = {
    .type = {.name = "uniform",
             .doc = "uniform within a range around 0",
             .rows = rows,
             .options_size = sizeof(options)},
    .draw = draw,
};
