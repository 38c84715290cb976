#include "model/families.h"

typedef struct options {
    double std;
} options;

static const ls_option rows[] = {
    {LS_OPTION_NUMBER(options, std, LS_KIND_REAL, "0.01", 0, INFINITY, "standard deviation"), .main = true},
    LS_OPTION_END,
};

static double draw(const void *choice, const ls_param *param, uint64_t seed, uint32_t number, uint64_t index) {
    (void)param;
    return ((const options *)choice)->std * ls__init_draw_normal(seed, number, index);
}

const ls_init_type ls__init_normal = {
    .type = {.name = "normal", .doc = "normal around 0", .rows = rows, .options_size = sizeof(options)},
    .draw = draw,
};
