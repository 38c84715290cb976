#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/bench/bench.h"

const char *const cli_bench_sections[CLI_BENCH_SECTIONS] = {"data",   "forward", "backward", "wait",
                                                            "reduce", "decide",  "update",   "distribute"};

enum { LEAST_STEPS = 20, MOST_STEPS = 5000 };
/* Of inputs, at most: an epoch need not be longer than the caches are large. */
static const size_t most_data = (size_t)64 << 20;

/* How many steps, from a guess of half the peak; the same on all ranks. */
static size_t choose_steps(const cli_bench_plan *plan, const cli_network *network) {
    double step = network->flops * (double)plan->rank_samples / (0.5 * plan->peak);
    double steps = plan->seconds / step;
    return steps < LEAST_STEPS ? LEAST_STEPS : steps > MOST_STEPS ? MOST_STEPS : (size_t)steps;
}

/* Whole batches, so that no step is short. */
static size_t choose_samples(const cli_network *network, size_t batch, size_t steps) {
    size_t most = most_data / (batch * ls_shape_size(network->input) * sizeof(float));
    return batch * (steps < most ? steps : most ? most : 1);
}

/* One checkpoint, at the end: what is measured is training. */
static ls_status write_experiment(const cli_bench_plan *plan, const cli_bench_result *r, const char *data,
                                  const char *run, ls_text *out) {
    LS_TRY(ls_text_add(out, "data:\n  train: "));
    LS_TRY(cli_add_quoted(out, data));
    LS_TRY(ls_text_add(out, "\nmodel: %s\nloss: cross_entropy\nbatch: %zu\nmicrobatch: %d\n", r->network->layers,
                       r->batch, CLI_BENCH_MICROBATCH));
    LS_TRY(
        ls_text_add(out, "optimizer:\n  sgd: {learning_rate: 0.001, momentum: 0.9}\nstop:\n  steps: %zu\n", r->steps));
    LS_TRY(ls_text_add(out, "checkpoint:\n  every: 1000000000st\n  keep: 1\nrun:\n  tensorboard: false\n  dir: "));
    LS_TRY(cli_add_quoted(out, run));
    return plan->threads ? ls_text_add(out, "\n  threads: %zu\n", plan->threads) : ls_text_add(out, "\n");
}

static ls_status parse_experiment(cli *c, const cli_bench_plan *plan, const cli_bench_result *r, const char *data,
                                  const char *run, ls_experiment *out) {
    ls_text text = {0};
    ls_status status = write_experiment(plan, r, data, run, &text);
    if (status == LS_OK) status = ls_config_parse(c->pool, "bench", text.bytes, text.length, NULL, 0, out);
    ls_text_free(&text);
    return status;
}

static ls_status train(cli *c, const ls_experiment *experiment, bool warns, cli_bench_result *r) {
    ls_logger *logger = NULL; /* of its own: what a run says is not what is measured */
    ls_trainer *trainer = NULL;
    ls_outcome outcome;
    ls_run_request request = {.resume = LS_RESUME_NEVER, .display = LS_DISPLAY_NONE, .quiet = true};
    bool speaks = warns && ls_comm_first(c->comm);
    LS_TRY(ls_comm_agree(c->comm, cli_create_logger(c, LS_LOG_WARNING, speaks, &logger)));
    ls_status status = ls_trainer_create(experiment, c->comm, logger, &trainer);
    if (status == LS_OK) status = ls_trainer_run(trainer, &request, &outcome);
    if (status == LS_OK) r->flops = ls_trainer_flops(trainer);
    ls_trainer_destroy(trainer);
    ls_logger_destroy(logger);
    return status;
}

/* Cores in use: no more on a node than it has. */
static double cores_in_use(const ls_comm *comm, size_t threads) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    double wanted = (double)(ls_comm_node_size(comm) * threads);
    double have = online > 0 && wanted > (double)online ? (double)online : wanted;
    return have * (double)ls_comm_nodes(comm);
}

static ls_status read_report(const cli *c, const cli_bench_plan *plan, const char *run, cli_bench_result *r) {
    char path[4096];
    snprintf(path, sizeof path, "%s/report.json", run);
    json_error_t error;
    json_t *report = json_load_file(path, 0, &error);
    if (!report) return LS_FAIL(LS_ERR_IO, "%s: %s", path, error.text);
    const json_t *sections = json_object_get(report, "sections");
    for (size_t i = 0; i < CLI_BENCH_SECTIONS; i++) {
        const json_t *section = json_object_get(sections, cli_bench_sections[i]);
        r->section[i] = json_number_value(json_object_get(section, "avg")) / (double)r->steps;
        r->seconds += r->section[i];
    }
    r->samples_per_second = json_number_value(json_object_get(report, "samples_per_second"));
    r->parameters = (uint64_t)json_integer_value(json_object_get(report, "parameters"));
    r->threads = (uint64_t)json_integer_value(json_object_get(report, "threads"));
    r->share = r->samples_per_second * r->flops / (plan->peak * cores_in_use(c->comm, (size_t)r->threads));
    json_decref(report);
    return LS_OK;
}

ls_status cli_bench_train(cli *c, const cli_bench_plan *plan, const cli_network *network, cli_bench_result *out) {
    size_t index = (size_t)(network - cli_networks);
    *out = (cli_bench_result){.network = network, .batch = plan->rank_samples * ls_comm_size(c->comm)};
    out->steps = choose_steps(plan, network);
    size_t samples = choose_samples(network, out->batch, out->steps);
    const char *file = NULL, *data = NULL, *run = NULL;
    LS_TRY(ls_pool_format(c->pool, &file, "%s/data-%zu.h5", plan->folder, index));
    LS_TRY(ls_pool_format(c->pool, &data, "%s:/train", file));
    LS_TRY(ls_pool_format(c->pool, &run, "%s/run-%zu-%zu", plan->folder, index, ls_comm_size(c->comm)));

    ls_experiment experiment;
    ls_status status = parse_experiment(c, plan, out, data, run, &experiment);
    if (status == LS_OK && ls_comm_node_rank(c->comm) == 0) status = cli_bench_write_data(network, samples, file);
    status = ls_comm_agree(c->comm, status);
    if (status == LS_OK) status = train(c, &experiment, plan->warns, out);
    if (status == LS_OK && ls_comm_first(c->comm)) status = read_report(c, plan, run, out);
    if (ls_comm_node_rank(c->comm) == 0) (void)unlink(file);
    return ls_comm_agree(c->comm, status);
}
