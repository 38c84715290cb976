#include "lockstep/tensor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/memory.h"
#include "tensor/kernels.h"
#include "tensor/panels.h"
#include "tensor/params.h"

/* One gradient range: a use of a parameter, in creation order over all parameters. */
typedef struct use {
    size_t param, number;
} use;

struct ls_params {
    const ls_math *math;
    ls_pool *pool;
    size_t count, space;
    ls_param *item;
    size_t use_count, use_space;
    use *uses;
    bool fixed;
    size_t trainable, gradient_arena, arena;
};

ls_status ls_params_create(const ls_math *math, ls_params **out) {
    *out = NULL;
    ls_params *params = calloc(1, sizeof *params);
    if (!params) return LS_FAIL(LS_ERR_MEMORY, "no memory for the list of parameters");
    params->math = math;
    ls_status status = ls_pool_create(&params->pool);
    if (status != LS_OK) {
        free(params);
        return status;
    }
    *out = params;
    return LS_OK;
}

void ls_params_destroy(ls_params *params) {
    if (!params) return;
    ls_pool_destroy(params->pool);
    free(params->item);
    free(params->uses);
    free(params);
}

/* Room for one more item of `size` bytes. */
static ls_status grow(void **items, size_t count, size_t *space, size_t size) {
    if (count < *space) return LS_OK;
    size_t more = *space ? 2 * *space : 32;
    void *larger = realloc(*items, more * size);
    if (!larger) return LS_FAIL(LS_ERR_MEMORY, "no memory for %zu parameters", more);
    *items = larger;
    *space = more;
    return LS_OK;
}

static ls_status note_use(ls_params *params, size_t index, size_t number) {
    LS_TRY(grow((void **)&params->uses, params->use_count, &params->use_space, sizeof *params->uses));
    params->uses[params->use_count++] = (use){index, number};
    return LS_OK;
}

ls_status ls_params_add(ls_params *params, const ls_param *param, size_t *index) {
    assert(!params->fixed && param->shape.rank <= LS_MAX_RANK);
    assert(param->layout != LS_LAYOUT_DENSE || param->shape.rank == 2);
    assert(param->layout != LS_LAYOUT_CONV || (param->shape.rank == 4 && param->groups > 0));
    char shape[96];
    if (!ls_shape_fits(param->shape))
        return LS_FAIL(LS_ERR_CONFIG, "%s/%s has shape %s; expected at most %zu numbers", param->layer, param->name,
                       ls_shape_text(param->shape, shape, sizeof shape), LS_MAX_SIZE);
    LS_TRY(grow((void **)&params->item, params->count, &params->space, sizeof *params->item));
    ls_param copy = *param;
    LS_TRY(ls_pool_text(params->pool, param->layer, &copy.layer));
    LS_TRY(ls_pool_text(params->pool, param->name, &copy.name));
    copy.uses = 1;
    copy.use_offset = NULL;
    LS_TRY(note_use(params, params->count, 0));
    params->item[params->count] = copy;
    *index = params->count++;
    return LS_OK;
}

ls_status ls_params_share(ls_params *params, size_t index, size_t *use_number) {
    assert(!params->fixed && index < params->count);
    LS_TRY(note_use(params, index, params->item[index].uses));
    *use_number = params->item[index].uses++;
    return LS_OK;
}

ls_window ls__param_window(const ls_param *param) {
    return (ls_window){.channels = param->shape.dim[1] * param->groups,
                       .filters = param->shape.dim[0],
                       .kernel = {param->shape.dim[2], param->shape.dim[3]},
                       .groups = param->groups};
}

size_t ls__param_rows(const ls_param *param) {
    return param->shape.rank ? param->shape.dim[0] : 1;
}

size_t ls_param_part_rows(const ls_params *params, size_t index) {
    const ls_param *param = ls_params_at(params, index);
    if (param->layout == LS_LAYOUT_PLAIN) return 1;
    return param->layout == LS_LAYOUT_CONV && param->groups > 1 ? ls__param_rows(param) : LS_PANEL;
}

const ls_math *ls__params_math(const ls_params *params) {
    return params->math;
}

/* Elements in the arena: room for the layout of the arithmetic and for the panels of the double kernels. */
static size_t arena_count(const ls_params *params, const ls_param *param) {
    const ls_kernels *kernels = ls_math_kernels(params->math);
    size_t size = ls_shape_size(param->shape), panels = 0;
    if (param->layout == LS_LAYOUT_DENSE) {
        size = kernels->weight_size(param->shape.dim[0], param->shape.dim[1]);
        panels = ls__panels_size(param->shape.dim[0], param->shape.dim[1]);
    } else if (param->layout == LS_LAYOUT_CONV) {
        ls_window window = ls__param_window(param);
        size = kernels->conv_weight_size(&window);
        panels = ls__conv_panels_size(&window);
    }
    return ls_round_up(size > panels ? size : panels, LS_GRAIN);
}

typedef enum region { REGION_TRAINABLE, REGION_STATISTIC, REGION_FROZEN } region;

static region region_of(const ls_param *param) {
    if (param->frozen) return REGION_FROZEN;
    return param->role == LS_ROLE_STATISTIC ? REGION_STATISTIC : REGION_TRAINABLE;
}

/* Lays out the uses that belong to one region from `offset` on; returns the end. */
static size_t lay_out_region(ls_params *params, region which, size_t offset) {
    for (size_t i = 0; i < params->use_count; i++) {
        ls_param *param = &params->item[params->uses[i].param];
        size_t number = params->uses[i].number;
        if (region_of(param) != which) continue;
        if (which == REGION_FROZEN && number > 0) { /* no gradient, so no range of its own */
            param->use_offset[number] = param->offset;
            continue;
        }
        param->use_offset[number] = offset;
        if (number == 0) param->offset = offset;
        offset += param->count;
    }
    return offset;
}

ls_status ls_params_layout(ls_params *params) {
    assert(!params->fixed);
    for (size_t i = 0; i < params->count; i++) {
        ls_param *param = &params->item[i];
        param->count = arena_count(params, param);
        void *offsets = NULL;
        LS_TRY(ls_pool_take(params->pool, param->uses * sizeof *param->use_offset, &offsets));
        param->use_offset = offsets;
    }
    params->trainable = lay_out_region(params, REGION_TRAINABLE, 0);
    params->gradient_arena = lay_out_region(params, REGION_STATISTIC, params->trainable);
    params->arena = lay_out_region(params, REGION_FROZEN, params->gradient_arena);
    params->fixed = true;
    return LS_OK;
}

size_t ls_params_count(const ls_params *params) {
    return params->count;
}

const ls_param *ls_params_at(const ls_params *params, size_t index) {
    assert(index < params->count);
    return &params->item[index];
}

size_t ls_params_find(const ls_params *params, const char *layer, const char *name) {
    for (size_t i = 0; i < params->count; i++)
        if (strcmp(params->item[i].layer, layer) == 0 && strcmp(params->item[i].name, name) == 0) return i;
    return LS_NOT_FOUND;
}

size_t ls_params_arena(const ls_params *params) {
    return params->arena;
}

size_t ls_params_gradient_arena(const ls_params *params) {
    return params->gradient_arena;
}

size_t ls_params_trainable(const ls_params *params) {
    return params->trainable;
}

size_t ls_params_values(const ls_params *params) {
    size_t values = 0;
    for (size_t i = 0; i < params->count; i++)
        if (params->item[i].role != LS_ROLE_STATISTIC) values += ls_shape_size(params->item[i].shape);
    return values;
}
