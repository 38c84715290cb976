/*
 * simulate.c: steps of training on many simulated nodes, one rank each. The reducer, its schedule, its messages and the
 * moments at which forward asks it and backward feeds it are the program's own; layers are replaced by their measured
 * durations.
 *
 *     bench.simulate NETWORK PROFILE [--samples N] [--steps N] [--wire bf16] [--hollow] [--message S] [--byte S]
 *                    [--latency S] [--bandwidth B]
 *
 * PROFILE is what bench.profile printed, of 64 samples; with --samples layers take so much longer. --message and --byte
 * are processor seconds for a message and for a byte of it; --latency and --bandwidth say what the formula beside the
 * simulation assumes. A first step is not counted. Prints one line: nodes, and of a step
 * milliseconds in all, the formula's milliseconds, then waiting for gradients, deciding, updating, waiting for
 * weights.
 * Without --hollow the sums are first compared with their definition, bit by bit.
 */
#include <getopt.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "lockstep/reducer.h"
#include "networks.h"
#include "simulated.h"

enum { MOST_LAYERS = 64, WARM_UP = 1 };

typedef struct settings {
    const bench_network *network;
    const char *profile;
    size_t samples, steps; /* samples a rank */
    ls_wire wire;
    simulated_costs costs;
    double latency, bandwidth;
} settings;

/* What forward or backward does, in order: an offset of the arena, and seconds after or before it. */
typedef struct layers {
    size_t count;
    size_t offset[MOST_LAYERS];
    double seconds[MOST_LAYERS];
} layers;

typedef struct profile {
    layers forward, backward;
    double add, norm, update; /* seconds an element */
} profile;

/* Sections of a step, in seconds. */
typedef struct sections {
    double step, gradients, decide, update, weights;
} sections;

static void must(ls_status status) {
    if (status == LS_OK) return;
    fprintf(stderr, "%s\n", ls_status_message(status));
    exit(ls_status_exit(status));
}

/* ---- options and the profile ----------------------------------------------------------------------------------- */

static settings read_settings(int argc, char **argv) {
    static const struct option options[] = {
        {"steps", 1, NULL, 's'},     {"wire", 1, NULL, 'w'},    {"hollow", 0, NULL, 'h'},
        {"message", 1, NULL, 'm'},   {"byte", 1, NULL, 'b'},    {"latency", 1, NULL, 'l'},
        {"bandwidth", 1, NULL, 'B'}, {"samples", 1, NULL, 'n'}, {0}};
    settings s = {.samples = SAMPLES, .steps = 3, .latency = 1e-6, .bandwidth = 12.5e9};
    optind = 0; /* every rank reads the same words */
    for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (key) {
        case 'n': s.samples = strtoull(optarg, NULL, 10); break;
        case 's': s.steps = strtoull(optarg, NULL, 10); break;
        case 'w': s.wire = strcmp(optarg, "bf16") == 0 ? LS_WIRE_BF16 : LS_WIRE_FLOAT32; break;
        case 'h': s.costs.hollow = true; break;
        case 'm': s.costs.message = strtod(optarg, NULL); break;
        case 'b': s.costs.byte = strtod(optarg, NULL); break;
        case 'l': s.latency = strtod(optarg, NULL); break;
        case 'B': s.bandwidth = strtod(optarg, NULL); break;
        default: exit(64);
        }
    }
    if (optind + 2 == argc) {
        s.network = find_network(argv[optind]);
        s.profile = argv[optind + 1];
    }
    if (s.network && s.steps > 0 && s.samples >= MICROBATCH) return s;
    fprintf(stderr, "usage: %s NETWORK PROFILE [options]\n", argv[0]);
    exit(64);
}

static void read_layer(const char *numbers, double factor, layers *out) {
    if (out->count == MOST_LAYERS) return;
    char *end;
    out->offset[out->count] = strtoull(numbers, &end, 10);
    out->seconds[out->count++] = factor * strtod(end, NULL);
}

static profile read_profile(const char *path, size_t samples) {
    profile p = {0};
    double factor = (double)samples / SAMPLES;
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(74);
    }
    char line[200];
    while (fgets(line, sizeof line, file)) {
        char *end = line + strcspn(line, " ");
        if (line[0] == '#' || *end == '\0') continue;
        *end++ = '\0';
        if (strcmp(line, "add") == 0) p.add = strtod(end, NULL);
        if (strcmp(line, "norm") == 0) p.norm = strtod(end, NULL);
        if (strcmp(line, "update") == 0) p.update = strtod(end, NULL);
        if (strcmp(line, "need") == 0) read_layer(end, factor, &p.forward);
        if (strcmp(line, "ready") == 0) read_layer(end, factor, &p.backward);
    }
    fclose(file);
    return p;
}

/* ---- the formula ------------------------------------------------------------------------------------------------- */

/*
 * Halving and doubling over N nodes take log2 N messages and (N-1)/N of the bytes each. Weights travel while forward
 * goes on, which waits for those that it needs next; so do the gradients that backward has finished. The processor adds
 * and copies between layers; the rest and the decision are waited for.
 */
static double predict(const settings *s, const profile *p, size_t elements, size_t nodes) {
    double levels = ceil(log2((double)nodes)), share = (double)(nodes - 1) / (double)nodes;
    double bytes = s->wire == LS_WIRE_BF16 ? 2 : 4;
    double small = levels * (s->latency + 2 * s->costs.message);
    double now = 0, sent = 0;
    size_t there = 0;
    for (size_t i = 0; i <= p->forward.count; i++) {
        size_t need = i < p->forward.count ? p->forward.offset[i] : elements;
        if (need > there) {
            now = fmax(now, small + share * (double)need * 4 / s->bandwidth);
            now += share * (double)(need - there) * 4 * 2 * s->costs.byte;
            there = need;
        }
        if (i < p->forward.count) now += p->forward.seconds[i];
    }
    for (size_t i = 0, mark = elements; i < p->backward.count; mark = p->backward.offset[i++]) {
        double travels = share * (double)(mark - p->backward.offset[i]);
        now += p->backward.seconds[i];
        sent = fmax(sent, now) + travels * bytes / s->bandwidth;
        now += travels * (p->add + 2 * bytes * s->costs.byte);
    }
    double reduced = fmax(now, sent) + small, owned = (double)elements / (double)nodes;
    return reduced + small + owned * (p->norm + p->update);
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

typedef struct trainer {
    ls_comm *comm;
    ls_reducer *reducer;
    ls_exchange *exchange;
    size_t batch, owned;
} trainer;

/* A layer. The program's own call the reducer about so often while they compute. */
static void work(trainer *t, double seconds) {
    static const double between_pokes = 100e-6;
    for (; seconds > between_pokes; seconds -= between_pokes) {
        simulated_work(between_pokes);
        must(ls_reducer_poll(t->reducer));
    }
    simulated_work(seconds);
}

/* Waits for weights, and gives the seconds. */
static double await(trainer *t, size_t end) {
    double begin = simulated_now();
    must(ls_reducer_poll(t->reducer));
    must(ls_reducer_await(t->reducer, end));
    return simulated_now() - begin;
}

static void run_step(trainer *t, const profile *p, sections *sum, double bytes) {
    double begin = simulated_now();
    for (size_t i = 0; i < p->forward.count; i++) {
        sum->weights += await(t, p->forward.offset[i]);
        work(t, p->forward.seconds[i]);
    }
    sum->weights += await(t, LS_ALL_WEIGHTS);
    must(ls_reducer_start(t->reducer, t->batch));
    simulated_set_addition(p->add / bytes);
    for (size_t i = 0; i < p->backward.count; i++) {
        work(t, p->backward.seconds[i]);
        must(ls_reducer_ready(t->reducer, p->backward.offset[i]));
    }
    must(ls_reducer_ready(t->reducer, 0));
    double backward = simulated_now();
    must(ls_reducer_finish(t->reducer));
    simulated_set_addition(0);
    simulated_work((double)t->owned * p->norm);
    double reduced = simulated_now();
    ls_exchange_clear(t->exchange);
    ls_sum_add(ls_exchange_sum(t->exchange, 0), 1);
    must(ls_exchange_run(t->exchange));
    double decided = simulated_now();
    simulated_work((double)t->owned * p->update);
    double updated = simulated_now();
    must(ls_reducer_distribute(t->reducer));
    double end = simulated_now();
    sum->step += end - begin;
    sum->gradients += reduced - backward;
    sum->decide += decided - reduced;
    sum->update += updated - decided;
    sum->weights += end - updated;
}

static size_t owned_elements(const ls_reducer *reducer) {
    const ls_piece *piece;
    size_t count, owned = 0;
    ls_reducer_pieces(reducer, &piece, &count);
    for (size_t i = 0; i < count; i++) owned += piece[i].count;
    return owned;
}

static void simulate(const settings *s, const profile *p, const ls_params *params) {
    trainer t = {0};
    must(ls_comm_start(NULL, &t.comm));
    size_t ranks = ls_comm_size(t.comm);
    t.batch = s->samples * ranks;
    const ls_reducer_options options = {
        .params = params, .batch = t.batch, .microbatch = MICROBATCH, .slots = 1, .wire = s->wire};
    must(ls_reducer_create(t.comm, &options, &t.reducer));
    must(ls_exchange_create(t.comm, 3, 0, &t.exchange));
    t.owned = owned_elements(t.reducer);
    if (!s->costs.hollow) must(ls_reducer_selftest(t.reducer));
    sections sum = {0};
    double bytes = s->wire == LS_WIRE_BF16 ? 2 : 4;
    MPI_Barrier(MPI_COMM_WORLD);
    for (size_t i = 0; i < WARM_UP + s->steps; i++) {
        if (i == WARM_UP) sum = (sections){0};
        run_step(&t, p, &sum, bytes);
    }
    double ms = 1e3 / (double)s->steps;
    if (ls_comm_first(t.comm))
        printf("%zu %.3f %.3f %.3f %.3f %.3f %.3f\n", ranks, ms * sum.step,
               1e3 * predict(s, p, ls_params_gradient_arena(params), ranks), ms * sum.gradients, ms * sum.decide,
               ms * sum.update, ms * sum.weights);
    MPI_Barrier(MPI_COMM_WORLD);
    ls_exchange_destroy(t.exchange);
    ls_reducer_destroy(t.reducer);
    ls_comm_finish(t.comm);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    settings s = read_settings(argc, argv);
    profile p = read_profile(s.profile, s.samples);
    simulated_set_costs(&s.costs);
    support_model m;
    support_model_setup(&m, s.network->input, CLASSES);
    must(support_model_build(&m, s.network->yaml));
    simulate(&s, &p, ls_model_params(m.model));
    support_model_free(&m);
    MPI_Finalize();
    return 0;
}
