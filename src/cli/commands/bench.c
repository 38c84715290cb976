#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/bench/bench.h"
#include "lockstep/clock.h"
#include "lockstep/report.h"

enum { KEY_SAMPLES = 'n', KEY_THREADS = 't', KEY_QUICK = 0x500 };
enum { MOST_NETWORKS = 16, COPY_TRIES = 5 };
static const size_t copy_bytes = (size_t)128 << 20; /* far more than the caches hold */

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

/* What the machine can do, and what came of it. */
typedef struct bench {
    double peak;               /* FLOP/s of a core */
    double one_copy, all_copy; /* bytes/s read and written, by one rank and by all at once */
    size_t count;
    cli_bench_result results[MOST_NETWORKS];
} bench;

/* ---- the machine --------------------------------------------------------------------------------------------- */

static double copy_rate(char *to, const char *from) {
    double best = 0;
    for (size_t i = 0; i < COPY_TRIES; i++) {
        double start = ls_clock_now();
        memcpy(to, from, copy_bytes);
        __asm__ volatile("" ::: "memory"); /* the copy is wanted, though nobody reads it */
        double rate = 2 * (double)copy_bytes / (ls_clock_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static ls_status add_up(ls_comm *comm, double mine, double *total) {
    void *all = NULL;
    ls_status status = ls_block_create(ls_comm_size(comm), sizeof(double), "the rates of all ranks", &all);
    status = ls_comm_agree(comm, status);
    if (status == LS_OK) status = ls_comm_gather(comm, &mine, sizeof mine, all);
    const double *rates = all;
    *total = 0;
    for (size_t i = 0; status == LS_OK && ls_comm_first(comm) && i < ls_comm_size(comm); i++) *total += rates[i];
    ls_block_destroy(all);
    return status;
}

/* First rank 0 alone, then all together. */
static ls_status measure_machine(cli *c, bench *b) {
    void *from = NULL, *to = NULL;
    ls_status status = ls_block_create(copy_bytes, 1, "the copies", &from);
    if (status == LS_OK) status = ls_block_create(copy_bytes, 1, "the copies", &to);
    status = ls_comm_agree(c->comm, status);
    if (status == LS_OK && ls_comm_first(c->comm)) {
        memset(from, 1, copy_bytes);
        b->peak = ls_math_peak();
        b->one_copy = copy_rate(to, from);
    }
    if (status == LS_OK) status = ls_comm_broadcast(c->comm, 0, &b->peak, sizeof b->peak);
    if (status == LS_OK) {
        memset(from, 1, copy_bytes);
        memset(to, 1, copy_bytes);
        status = ls_comm_barrier(c->comm);
    }
    if (status == LS_OK) status = add_up(c->comm, copy_rate(to, from), &b->all_copy);
    ls_block_destroy(from);
    ls_block_destroy(to);
    return status;
}

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

static void print_machine(const cli *c, const bench *b) {
    size_t ranks = ls_comm_size(c->comm), nodes = ls_comm_nodes(c->comm);
    printf("machine   %zu rank%s on %zu node%s, %s\n", ranks, ranks == 1 ? "" : "s", nodes, nodes == 1 ? "" : "s",
           ls_math_description(ls_math_find("exact")));
    printf("peak      %.1f GFLOP/s a core, multiply-adds in registers\n", 1e-9 * b->peak);
    printf("memory    %.1f GB/s read and written by one rank that copies", 1e-9 * b->one_copy);
    if (ranks > 1) printf(", %.1f by all together", 1e-9 * b->all_copy);
    printf("\n\n%-20s %7s %8s", "microseconds a step", "samples", "step");
    for (size_t i = 0; i < CLI_BENCH_SECTIONS; i++) printf(" %10s", cli_bench_sections[i]);
    printf(" %8s %10s\n", "of peak", "samples/s");
}

static void print_result(const cli_bench_result *r) {
    printf("%-20s %7zu %8.0f", r->network->name, r->batch, 1e6 * r->seconds);
    for (size_t i = 0; i < CLI_BENCH_SECTIONS; i++) printf(" %10.1f", 1e6 * r->section[i]);
    printf(" %6.1f %% %10.0f\n", 100 * r->share, r->samples_per_second);
}

static json_t *result_json(const cli_bench_result *r) {
    json_t *sections = json_object();
    for (size_t i = 0; i < CLI_BENCH_SECTIONS; i++)
        json_object_set_new(sections, cli_bench_sections[i], json_real(r->section[i]));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "network", r->network->name, "parameters",
                     (json_int_t)r->parameters, "samples_per_step", (json_int_t)r->batch, "steps", (json_int_t)r->steps,
                     "threads", (json_int_t)r->threads, "flop_per_sample", r->flops, "seconds_per_step", r->seconds,
                     "samples_per_second", r->samples_per_second, "share_of_peak", r->share, "sections", sections);
}

static ls_status print_json(const cli *c, const bench *b) {
    json_t *networks = json_array();
    for (size_t i = 0; i < b->count; i++) json_array_append_new(networks, result_json(&b->results[i]));
    json_t *root = json_pack("{s:I, s:I, s:s, s:f, s:f, s:f, s:o}", "ranks", (json_int_t)ls_comm_size(c->comm), "nodes",
                             (json_int_t)ls_comm_nodes(c->comm), "math", ls_math_description(ls_math_find("exact")),
                             "peak_flops", b->peak, "copy_bytes_per_second", b->one_copy,
                             "copy_bytes_per_second_all_ranks", b->all_copy, "networks", networks);
    return cli_print_json(root, JSON_INDENT(1));
}

/* ---- the command --------------------------------------------------------------------------------------------- */

static ls_status run_networks(cli *c, const settings *s, const char *folder, bench *b) {
    bool tells = ls_comm_first(c->comm) && !c->json;
    cli_bench_plan plan = {.folder = folder,
                           .peak = b->peak,
                           .seconds = s->quick ? 0.15 : 2,
                           .rank_samples = s->samples,
                           .threads = s->threads};
    if (tells) print_machine(c, b);
    for (const cli_network *network = cli_networks; network->name && b->count < MOST_NETWORKS; network++) {
        if (network->large && s->quick) continue;
        LS_TRY(cli_bench_train(c, &plan, network, &b->results[b->count]));
        if (tells) print_result(&b->results[b->count]);
        b->count++;
    }
    return LS_OK;
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    bench b = {0};
    char *folder = NULL;
    ls_status status = measure_machine(c, &b);
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
        "the cores in use could have done. mpirun -n N measures N ranks.",
    .options = options,
    .settings_size = sizeof(settings),
    .parse = parse,
    .run = run,
    .parallel = true};
