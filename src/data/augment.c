#include "data/augment.h"

static const ls_type *const types[] = {&ls_augment_flip.type, &ls_augment_shift.type, &ls_augment_noise.type, NULL};

const ls_family ls_augment_family = {.noun = "augmentation", .types = types};

void ls__augment(const ls_choices *choices, uint64_t seed, uint32_t epoch, uint64_t position, ls_shape shape,
                 float *x) {
    for (size_t i = 0; i < choices->count; i++) {
        const ls_augment_type *type = (const ls_augment_type *)choices->items[i].type;
        ls_augment_key key = {.seed = seed, .position = position, .epoch = epoch, .first_draw = (uint32_t)i << 24};
        type->apply(choices->items[i].options, &key, shape, x);
    }
}

ls_status ls__augment_check(const ls_choices *choices, ls_shape shape) {
    char text[96];
    for (size_t i = 0; i < choices->count; i++) {
        const ls_augment_type *type = (const ls_augment_type *)choices->items[i].type;
        if (type->images && shape.rank < 2)
            return ls_document_fail(choices->items[i].place, LS_ERR_CONFIG,
                                    "%s wants images, with height and width as last axes; these samples are %s",
                                    type->type.name, ls_shape_text(shape, text, sizeof text));
    }
    return LS_OK;
}
