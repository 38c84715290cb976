#include "models.h"

#include <string.h>

#include "config/yaml.h"

void support_model_setup(support_model *m, ls_shape x, size_t classes) {
    *m = (support_model){0};
    assert_works(ls_pool_create(&m->pool));
    assert_works(ls_team_create(1, &m->team));
    m->inputs[0] = (ls_source){.name = "x", .shape = x};
    m->inputs[1] = (ls_source){.name = "tokens", .shape = {1, {3}}, .integral = true};
    m->targets[0] = (ls_source){.name = "y", .integral = true, .classes = classes};
    m->targets[1] = (ls_source){.name = "t", .shape = {1, {2}}};
    m->targets[2] = (ls_source){.name = "u"};
    m->corrupt = (ls_source){.name = "x_c", .shape = x};
    m->setup = (ls_model_setup){.inputs = m->inputs,
                                .input_count = 2,
                                .targets = m->targets,
                                .target_count = 3,
                                .math = ls_math_find("exact"),
                                .team = m->team,
                                .seed = 11};
}

static const ls_option model_rows[] = {
    LS_OPTION_CHOICES(ls_model_options, model, LS_REQUIRED, &ls_layer_family, "the layers"),
    LS_OPTION_CHOICES(ls_model_options, loss, LS_REQUIRED, &ls_loss_family, "what is minimised"),
    LS_OPTION_TABLE(ls_model_options, init, "{}", ls_init_rows, "initial values of parameters"), LS_OPTION_END};

ls_status support_model_build(support_model *m, const char *yaml) {
    ls_document *document = NULL;
    LS_TRY(ls_yaml_parse(m->pool, "model.yaml", yaml, strlen(yaml), &document));
    LS_TRY(ls_options_bind(model_rows, "model", document, m->pool, &m->options));
    return ls_model_create(&m->options, &m->setup, &m->model);
}

static size_t bytes(const support_model *m) {
    return m->setup.precision == LS_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
}

void support_model_ready(support_model *m, size_t rows, size_t microbatches, size_t blocks) {
    const ls_params *params = ls_model_params(m->model);
    assert_works(ls_model_plan(m->model, &(ls_plan){.rows = rows, .microbatches = microbatches, .training = true}));
    m->stride = ls_params_gradient_arena(params);
    ls_block_destroy(m->weights);
    ls_block_destroy(m->gradients);
    assert_works(ls_block_create(ls_params_arena(params), bytes(m), "weights", &m->weights));
    assert_works(ls_block_create(blocks * m->stride, bytes(m), "gradients", &m->gradients));
    ls_model_bind(m->model, m->weights, m->gradients, m->stride);
    assert_works(ls_model_initialise(m->model, 0, 1, m->weights));
}

void support_model_free(support_model *m) {
    ls_model_destroy(m->model);
    ls_team_destroy(m->team);
    ls_pool_destroy(m->pool);
    ls_block_destroy(m->weights);
    ls_block_destroy(m->gradients);
}

void support_model_fill(support_model *m, uint64_t seed, size_t first, size_t rows) {
    for (size_t i = 0; i < ls_model_slots(m->model); i++) {
        const ls_slot *slot = ls_model_slot(m->model, i);
        size_t size = ls_shape_size(slot->shape);
        for (size_t k = 0; k < rows * size; k++) {
            double unit = 0.5 * (1 + support_random(seed + 1000 * i, first * size + k));
            if (slot->element == LS_ELEMENT_INDEX)
                ((int32_t *)slot->values)[k] = (int32_t)(unit * (double)slot->entries);
            else if (m->setup.precision == LS_PRECISION_DOUBLE)
                ((double *)slot->values)[k] = slot->role == LS_SLOT_WEIGHT ? unit : 2 * unit - 1;
            else
                ((float *)slot->values)[k] = (float)(slot->role == LS_SLOT_WEIGHT ? unit : 2 * unit - 1);
        }
    }
}

double support_model_loss(const support_model *m, size_t rows) {
    double total = 0;
    for (size_t i = 0; i < ls_model_losses(m->model); i++) {
        const ls_model_loss *loss = ls_model_loss_at(m->model, i);
        for (size_t r = 0; r < rows; r++) total += loss->weight * loss->values[r];
    }
    return total;
}
