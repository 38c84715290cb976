#include "model/families.h"

static double draw(const void *choice, const ls_param *param, uint64_t seed, uint32_t number, uint64_t index) {
    (void)choice;
    return __builtin_sqrt(6.0 / (double)param->fan_in) * ls__init_draw_uniform(seed, number, index);
}

const ls_init_type ls__init_he_uniform = {
    .type = {.name = "he_uniform", .doc = "uniform within sqrt(6 / fan_in)"},
    .draw = draw,
};
