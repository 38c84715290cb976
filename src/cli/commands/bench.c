#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/bench/bench.h"
#include "lockstep/report.h"

enum { KEY_SAMPLES = 'n', KEY_THREADS = 't', KEY_QUICK = 0x500 };
enum { MOST_NETWORKS = 16, MOST_POINTS = 65 };

typedef struct settings {
    size_t samples, threads;
    bool quick;
} settings;

static const struct argp_option options[] = {
    {"samples", KEY_SAMPLES, "N", 0, "Samples per step and rank (default: 64)", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads of each rank (default: as run.threads: auto has them)", 0},
    {"quick", KEY_QUICK, 0, 0, "Leave the large network out, and measure the others for a shorter time", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case ARGP_KEY_INIT: s->samples = 64; return 0;
    case KEY_SAMPLES:
        if (ls_parse_count(argument, &s->samples) && s->samples > 0 && s->samples <= 65536) return 0;
        return cli_refuse(state, "--samples=%s: a number from 1 to 65536 is wanted", argument);
    case KEY_THREADS:
        if (ls_parse_count(argument, &s->threads) && s->threads > 0 && s->threads <= 1024) return 0;
        return cli_refuse(state, "--threads=%s: a number from 1 to 1024 is wanted", argument);
    case KEY_QUICK: s->quick = true; return 0;
    case ARGP_KEY_ARG: return cli_refuse(state, "unexpected argument \"%s\"", argument);
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* How many ranks share the work: 1, 2, 4, .. and all; and the samples/s that come of it. */
typedef struct scaling {
    size_t count, ranks[MOST_POINTS];
    double speed[MOST_NETWORKS][MOST_POINTS];
} scaling;

/* What the machine can do, and what came of it. */
typedef struct bench {
    cli_bench_machine machine;
    scaling scaling;
    size_t count;
    cli_bench_result results[MOST_NETWORKS];
} bench;

/* ---- temporary files ----------------------------------------------------------------------------------------- */

/* Rank 0 names a folder, the first rank of every node makes it. */
static ls_status make_folder(cli *c, char **out) {
    ls_status status = LS_OK;
    char path[4096] = "";
    const char *base = getenv("TMPDIR");
    if (ls_comm_first(c->comm)) {
        snprintf(path, sizeof path, "%s/lockstep-bench-XXXXXX", base && *base ? base : "/tmp");
        if (!mkdtemp(path)) status = LS_FAIL(LS_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
    }
    LS_TRY(ls_comm_agree(c->comm, status));
    LS_TRY(ls_comm_broadcast_text(c->comm, 0, path, out));
    if (ls_comm_node_rank(c->comm) == 0 && mkdir(*out, 0700) != 0 && errno != EEXIST)
        status = LS_FAIL(LS_ERR_IO, "%s: cannot be made: %s", *out, strerror(errno));
    return ls_comm_agree(c->comm, status);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    (void)remove(path); /* what cannot go stays: nothing depends on it */
    return 0;
}

static void remove_folder(const cli *c, const char *folder) {
    if (folder && ls_comm_node_rank(c->comm) == 0) (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- telling ------------------------------------------------------------------------------------------------- */

static void print_machine(const cli *c, const cli_bench_machine *m) {
    size_t ranks = ls_comm_size(c->comm), nodes = ls_comm_nodes(c->comm);
    printf("machine   %zu rank%s on %zu node%s, %s\n", ranks, ranks == 1 ? "" : "s", nodes, nodes == 1 ? "" : "s",
           ls_math_description(ls_math_find("exact")));
    printf("peak      %.1f GFLOP/s a core, multiply-adds in registers\n", 1e-9 * m->peak);
    printf("memory    %.1f GB/s read and written by one rank that copies", 1e-9 * m->one_copy);
    if (ranks > 1)
        printf(", %.1f by all together\nreduction %.1f GB/s of gradients read and written, %.0f %% of copying",
               1e-9 * m->all_copy, 1e-9 * m->reduction, 100 * m->reduction / m->all_copy);
    printf("\n\n%-20s %7s %8s", "microseconds a step", "samples", "step");
    for (size_t i = 0; i < CLI_BENCH_SECTIONS; i++) printf(" %10s", cli_bench_sections[i]);
    printf(" %8s %10s\n", "of peak", "samples/s");
}

static void print_result(const cli_bench_result *r) {
    printf("%-20s %7zu %8.0f", r->network->name, r->batch, 1e6 * r->seconds);
    for (size_t i = 0; i < CLI_BENCH_SECTIONS; i++) printf(" %10.1f", 1e6 * r->section[i]);
    printf(" %6.1f %% %10.0f\n", 100 * r->share, r->samples_per_second);
}

/* A step on one rank over a step on so many, with the same samples a rank. */
static double efficiency(const scaling *s, size_t network, size_t point) {
    return s->speed[network][point] / (s->speed[network][0] * (double)s->ranks[point]);
}

static void print_scaling(const bench *b) {
    const scaling *s = &b->scaling;
    if (s->count == 1) return;
    printf("\n%-20s", "step on 1 / on ranks");
    for (size_t i = 0; i < s->count; i++) printf(" %7zu", s->ranks[i]);
    printf("\n");
    for (size_t n = 0; n < b->count; n++) {
        printf("%-20s", b->results[n].network->name);
        for (size_t i = 0; i < s->count; i++) printf(" %7.2f", efficiency(s, n, i));
        printf("\n");
    }
}

static json_t *scaling_json(const scaling *s, size_t network) {
    json_t *points = json_array();
    for (size_t i = 0; i < s->count; i++)
        json_array_append_new(points,
                              json_pack("{s:I, s:f, s:f}", "ranks", (json_int_t)s->ranks[i], "samples_per_second",
                                        s->speed[network][i], "efficiency", efficiency(s, network, i)));
    return points;
}

static json_t *result_json(const bench *b, size_t network) {
    const cli_bench_result *r = &b->results[network];
    json_t *sections = json_object();
    for (size_t i = 0; i < CLI_BENCH_SECTIONS; i++)
        json_object_set_new(sections, cli_bench_sections[i], json_real(r->section[i]));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o, s:o}", "network", r->network->name,
                     "parameters", (json_int_t)r->parameters, "samples_per_step", (json_int_t)r->batch, "steps",
                     (json_int_t)r->steps, "threads", (json_int_t)r->threads, "flop_per_sample", r->flops,
                     "seconds_per_step", r->seconds, "samples_per_second", r->samples_per_second, "share_of_peak",
                     r->share, "sections", sections, "scaling", scaling_json(&b->scaling, network));
}

static ls_status print_json(const cli *c, const bench *b) {
    json_t *networks = json_array();
    for (size_t i = 0; i < b->count; i++) json_array_append_new(networks, result_json(b, i));
    const cli_bench_machine *m = &b->machine;
    json_t *reduction = ls_comm_size(c->comm) > 1 ? json_real(m->reduction) : json_null();
    json_t *root =
        json_pack("{s:I, s:I, s:s, s:f, s:f, s:f, s:o, s:o}", "ranks", (json_int_t)ls_comm_size(c->comm), "nodes",
                  (json_int_t)ls_comm_nodes(c->comm), "math", ls_math_description(ls_math_find("exact")), "peak_flops",
                  m->peak, "copy_bytes_per_second", m->one_copy, "copy_bytes_per_second_all_ranks", m->all_copy,
                  "reduction_bytes_per_second", reduction, "networks", networks);
    return cli_print_json(root, JSON_INDENT(1));
}

/* ---- the command --------------------------------------------------------------------------------------------- */

/* Trains one network on the first `ranks` ranks, while the others wait. */
static ls_status train_on(cli *c, const cli_bench_plan *plan, const cli_network *network, size_t ranks,
                          cli_bench_result *out) {
    ls_comm *all = c->comm, *some = NULL;
    if (ranks == ls_comm_size(all)) return cli_bench_train(c, plan, network, out);
    LS_TRY(ls_comm_first_ranks(all, ranks, &some));
    ls_status status = LS_OK;
    if (some) {
        c->comm = some;
        status = cli_bench_train(c, plan, network, out);
        c->comm = all;
    }
    ls_comm_finish(some);
    return ls_comm_agree(all, status);
}

static void choose_points(size_t ranks, scaling *s) {
    for (size_t n = 1; n < ranks && s->count < MOST_POINTS - 1; n *= 2) s->ranks[s->count++] = n;
    s->ranks[s->count++] = ranks;
}

static ls_status run_networks(cli *c, const settings *s, const char *folder, bench *b) {
    bool tells = ls_comm_first(c->comm) && !c->json;
    cli_bench_plan plan = {.folder = folder,
                           .peak = b->machine.peak,
                           .seconds = s->quick ? 0.15 : 2,
                           .rank_samples = s->samples,
                           .threads = s->threads};
    choose_points(ls_comm_size(c->comm), &b->scaling);
    if (tells) print_machine(c, &b->machine);
    for (const cli_network *network = cli_networks; network->name && b->count < MOST_NETWORKS; network++) {
        if (network->large && s->quick) continue;
        cli_bench_result *result = &b->results[b->count];
        for (size_t i = 0; i < b->scaling.count; i++) {
            plan.warns = b->count == 0 && i + 1 == b->scaling.count;
            LS_TRY(train_on(c, &plan, network, b->scaling.ranks[i], result));
            b->scaling.speed[b->count][i] = result->samples_per_second;
        }
        if (tells) print_result(result);
        b->count++;
    }
    if (tells) print_scaling(b);
    return LS_OK;
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    bench b = {0};
    char *folder = NULL;
    ls_status status = cli_bench_measure(c->comm, &b.machine);
    if (status == LS_OK) status = make_folder(c, &folder);
    if (status == LS_OK) status = run_networks(c, s, folder, &b);
    remove_folder(c, folder);
    free(folder);
    LS_TRY(status);
    return c->json && ls_comm_first(c->comm) ? print_json(c, &b) : LS_OK;
}

const cli_command cli_bench = {
    .name = "bench",
    .arguments = "",
    .doc =
        "How fast this machine trains, against its own limits\vTrains some networks on random data, with momentum SGD "
        "and micro-batches of 32, by the same program that train is. A step's time is split as in the end report, mean "
        "over ranks; \"reduce\" is what of the reduction backward did not hide. The share is of the multiply-adds that "
        "the cores in use could have done. mpirun -n N measures N ranks, and how a step scales from 1 to N of them "
        "with the same samples a rank.",
    .options = options,
    .settings_size = sizeof(settings),
    .parse = parse,
    .run = run,
    .parallel = true};
