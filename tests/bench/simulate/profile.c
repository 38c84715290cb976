/*
 * profile.c: where the time of one step of one rank goes, as text for bench.simulate:
 *
 *      need 803840 0.0006      forward, in order: seconds of work that needs the weights below the offset
 *      ready 1884160 0.0003    backward, in order: seconds until the gradients at or above the mark are final
 *      add 2.1e-10             seconds an element: one addition of the tree, a squared norm, a momentum update
 *
 * Of many steps the one whose duration is the median; of the last three the fastest. One thread.
 *
 *     bench.profile cnn|dense [steps]
 */
#include <stdio.h>
#include <stdlib.h>

#include "comm/add.h"
#include "config/yaml.h"
#include "lockstep/clock.h"
#include "lockstep/memory.h"
#include "lockstep/optim.h"
#include "networks.h"

enum { MOST_MOMENTS = 128 };

/* The moments of a step, and the offsets that belong to them: needs, the end of forward, marks. */
typedef struct profile {
    size_t needs, moments;
    size_t offset[MOST_MOMENTS];
    double moment[MOST_MOMENTS];
} profile;

static ls_status note(void *context, size_t offset) {
    profile *p = context;
    assert_true(p->moments < MOST_MOMENTS);
    p->offset[p->moments] = offset;
    p->moment[p->moments++] = ls_clock_now();
    return LS_OK;
}

static ls_status note_need(void *context, size_t end) {
    profile *p = context;
    p->needs++;
    return note(p, end);
}

static profile measure_step(support_model *m, const support_micro *cut) {
    profile p = {0};
    assert_works(ls_model_forward(m->model, &cut->micro, true, note_need, &p));
    assert_works(note(&p, 0));
    assert_works(ls_model_backward(m->model, &cut->micro, note, &p));
    return p;
}

static double duration(const profile *p) {
    return p->moment[p->moments - 1] - p->moment[0];
}

static int by_duration(const void *a, const void *b) {
    double left = duration(a), right = duration(b);
    return left < right ? -1 : left > right;
}

/* ---- what the reducer and the optimizer do with every element -------------------------------------------------- */

typedef struct momentum {
    ls_choice optimizer;
} momentum;

static const ls_option momentum_rows[] = {
    LS_OPTION_CHOICE(momentum, optimizer, LS_REQUIRED, &ls_optimizer_family, "how weights are updated"), LS_OPTION_END};

typedef struct elements {
    size_t count;
    float *weights, *gradient, *slot;
    ls_choice optimizer;
    double ignored;
} elements;

static void add_all(elements *e) {
    for (size_t at = 0; at < e->count; at += LS_GRAIN) ls__add(e->gradient + at, e->gradient + at, e->slot + at);
}

static void square_all(elements *e) {
    for (size_t at = 0; at < e->count; at += LS_GRAIN) e->ignored += ls_block_squares(LS_GRAIN, e->gradient + at);
}

static void update_all(elements *e) {
    ls_optimizer_update(&e->optimizer, &(ls_update){.count = e->count,
                                                    .weights = e->weights,
                                                    .gradient = e->gradient,
                                                    .slots = &e->slot,
                                                    .learning_rate = 1e-3,
                                                    .gradient_scale = 1,
                                                    .number = 1,
                                                    .trust = 1});
}

static double time_of(void (*work)(elements *), elements *e) {
    double start = ls_clock_now();
    work(e);
    return (ls_clock_now() - start) / (double)e->count;
}

static ls_choice momentum_sgd(support_model *m) {
    static const char sgd[] = "optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}\n";
    ls_document *document = NULL;
    momentum options = {0};
    assert_works(ls_yaml_parse(m->pool, "optimizer.yaml", sgd, sizeof sgd - 1, &document));
    assert_works(ls_options_bind(momentum_rows, "optimizer", document, m->pool, &options));
    return options.optimizer;
}

/* ---- a run ------------------------------------------------------------------------------------------------------- */

static double least(double a, double b) {
    return a < b ? a : b;
}

static void run(support_model *m, const support_micro *cut, size_t steps) {
    profile *all = calloc(steps, sizeof *all);
    assert_non_null(all);
    double add = 1e9, norm = 1e9, update = 1e9;
    void *slot = NULL;
    assert_works(ls_block_create(m->stride, sizeof(float), "a slot", &slot));
    elements e = {m->stride, m->weights, m->gradients, slot, momentum_sgd(m), 0};
    for (size_t i = 0; i < steps; i++) {
        all[i] = measure_step(m, cut);
        /* After a step, so that the caches hold what they hold then. */
        add = least(add, time_of(add_all, &e));
        norm = least(norm, time_of(square_all, &e));
        update = least(update, time_of(update_all, &e));
    }
    qsort(all, steps, sizeof *all, by_duration);
    const profile *p = &all[steps / 2];
    double forward = p->moment[p->needs] - p->moment[0];
    printf("# forward %.2f ms, backward %.2f ms, %d samples a step, math exact\n", 1e3 * forward,
           1e3 * (duration(p) - forward), SAMPLES);
    for (size_t k = 0; k < p->needs; k++) printf("need %zu %.3g\n", p->offset[k], p->moment[k + 1] - p->moment[k]);
    for (size_t k = p->needs + 1; k < p->moments; k++)
        printf("ready %zu %.3g\n", p->offset[k], p->moment[k] - p->moment[k - 1]);
    printf("add %.3g\nnorm %.3g\nupdate %.3g\n", add, norm, update);
    ls_block_destroy(slot);
    free(all);
}

int main(int argc, char **argv) {
    const bench_network *network = argc > 1 ? find_network(argv[1]) : NULL;
    size_t steps = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;
    if (!network || steps == 0) {
        fprintf(stderr, "usage: %s cnn|dense [steps]\n", argv[0]);
        return 64;
    }
    support_model m;
    support_model_setup(&m, network->input, CLASSES);
    assert_works(support_model_build(&m, network->yaml));
    support_model_ready(&m, SAMPLES, SAMPLES / MICROBATCH, 1);
    support_model_fill(&m, 1, 0, SAMPLES);
    support_micro cut;
    support_cut(&cut, SAMPLES, MICROBATCH);
    printf("# %s: %zu parameters\n", network->name, ls_params_values(ls_model_params(m.model)));
    run(&m, &cut, steps);
    support_model_free(&m);
    return 0;
}
