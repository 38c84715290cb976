#include "model/families.h"

static double draw(const void *choice, const ls_param *param, uint64_t seed, uint32_t number, uint64_t index) {
    (void)choice;
    return __builtin_sqrt(2.0 / (double)param->fan_in) * ls__init_draw_normal(seed, number, index);
}

const ls_init_type ls__init_he_normal = {
    .type = {.name = "he_normal", .doc = "normal with variance 2 / fan_in"},
    .draw = draw,
};
