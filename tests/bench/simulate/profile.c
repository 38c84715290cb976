/*
 * profile.c: where the time of one step of one rank goes, as text for bench.simulate:
 *
 *      forward 0.0016          seconds
 *      ready 1884160 0.0003    backward, in order: seconds until the gradients at or above the mark are final
 *      add 2.1e-10             seconds an element: one addition of the tree, a squared norm, a momentum update
 *
 * Of many steps the fastest, since what else a machine does only ever makes steps longer. One thread.
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

enum { MOST_MARKS = 64 };

typedef struct profile {
    double forward, backward;
    size_t marks;
    size_t mark[MOST_MARKS];
    double seconds[MOST_MARKS]; /* since the mark before */
    double last;
} profile;

static void note(void *context, size_t mark) {
    profile *p = context;
    double now = ls_clock_now();
    assert_true(p->marks < MOST_MARKS);
    p->mark[p->marks] = mark;
    p->seconds[p->marks++] = now - p->last;
    p->last = now;
}

static profile measure_step(support_model *m, const support_micro *cut) {
    profile p = {.forward = -ls_clock_now()};
    assert_works(ls_model_forward(m->model, &cut->micro, true));
    p.last = ls_clock_now();
    p.forward += p.last;
    p.backward = -p.last;
    assert_works(ls_model_backward(m->model, &cut->micro, note, &p));
    p.backward += p.last;
    return p;
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
    profile best = {.forward = 1e9};
    double add = 1e9, norm = 1e9, update = 1e9;
    void *slot = NULL;
    assert_works(ls_block_create(m->stride, sizeof(float), "a slot", &slot));
    elements e = {m->stride, m->weights, m->gradients, slot, momentum_sgd(m), 0};
    for (size_t i = 0; i < steps; i++) {
        profile p = measure_step(m, cut);
        if (p.forward + p.backward < best.forward + best.backward) best = p;
        /* After a step, so that the caches hold what they hold then. */
        add = least(add, time_of(add_all, &e));
        norm = least(norm, time_of(square_all, &e));
        update = least(update, time_of(update_all, &e));
    }
    printf("# forward %.2f ms, backward %.2f ms, %d samples a step, math exact\n", 1e3 * best.forward,
           1e3 * best.backward, SAMPLES);
    printf("forward %.3g\n", best.forward);
    for (size_t i = 0; i < best.marks; i++) printf("ready %zu %.3g\n", best.mark[i], best.seconds[i]);
    printf("add %.3g\nnorm %.3g\nupdate %.3g\n", add, norm, update);
    ls_block_destroy(slot);
}

int main(int argc, char **argv) {
    const bench_network *network = argc > 1 ? find_network(argv[1]) : NULL;
    size_t steps = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;
    if (!network) {
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
