#include <string.h>

#include "cli/experiment.h"
#include "lockstep/config.h"
#include "lockstep/export.h"

typedef struct format {
    const char *name;
    const char *(*missing)(void); /* what the program was built without; NULL: nothing can be missing */
    ls_status (*write)(const char *path, const ls_export *what);
} format;

static const format formats[] = {
    {"onnx", ls_export_onnx_missing, ls_export_onnx},
    {"safetensors", NULL, ls_export_safetensors},
};
enum { FORMATS = sizeof formats / sizeof *formats };

typedef struct settings {
    const format *format;
    const char *checkpoint, *output;
} settings;

static const struct argp_option options[] = {{"output", 'o', "FILE", 0, "The file to write", 0}, {0}};

static error_t take_format(settings *s, const char *word, const struct argp_state *state) {
    const char *names[FORMATS + 1] = {0};
    for (size_t i = 0; i < FORMATS; i++) {
        names[i] = formats[i].name;
        if (strcmp(word, formats[i].name) == 0) s->format = &formats[i];
    }
    if (s->format) return 0;
    const char *near = ls_nearest(word, names);
    return cli_refuse(state, "unknown format \"%s\"%s%s%s; there are onnx and safetensors", word,
                      near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case 'o': return s->output ? cli_refuse(state, "-o is given twice") : (s->output = argument, 0);
    case ARGP_KEY_ARG:
        return s->format ? cli_take_argument(&s->checkpoint, argument, state) : take_format(s, argument, state);
    case ARGP_KEY_END:
        if (!s->format) return cli_refuse(state, "which format? lockstep export onnx|safetensors CHECKPOINT -o FILE");
        if (!s->checkpoint) return cli_refuse(state, "which checkpoint?");
        return s->output ? 0 : cli_refuse(state, "where to? Give -o FILE");
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* The network as an export wants it; `inputs` has room for all slots. */
static void describe(const ls_network *network, ls_export_input *inputs, ls_export *out) {
    ls_model *model = ls_network_model(network);
    const ls_graph *graph = ls_model_graph(model);
    *out = (ls_export){.graph = graph,
                       .weights = ls_network_weights(network),
                       .inputs = inputs,
                       .output = ls_model_output_node(model),
                       .target = ls_export_affine_of(ls_network_units(network))};
    for (size_t i = 0; i < ls_model_slots(model); i++) {
        const ls_slot *slot = ls_model_slot(model, i);
        const ls_preprocess *preprocess = ls_network_preprocess(network, slot->name);
        if (slot->element != LS_ELEMENT_REAL || !preprocess) continue;
        inputs[out->input_count++] =
            (ls_export_input){ls_graph_find(graph, slot->name), ls_export_affine_of(preprocess)};
    }
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    const char *missing = s->format->missing ? s->format->missing() : NULL;
    if (missing) return LS_FAIL(LS_ERR_RUNTIME, "%s", missing);
    ls_experiment experiment;
    ls_network *network = NULL;
    void *inputs = NULL;
    LS_TRY(cli_local_experiment(c, s->checkpoint, &experiment));
    LS_TRY(ls_network_open(&experiment, s->checkpoint, &network));
    ls_export what;
    ls_status status =
        ls_pool_take(c->pool, ls_model_slots(ls_network_model(network)) * sizeof(ls_export_input), &inputs);
    if (status == LS_OK) describe(network, inputs, &what);
    if (status == LS_OK) status = s->format->write(s->output, &what);
    if (status == LS_OK)
        ls_logger_say(c->logger, LS_LOG_INFO, "%s: %zu parameters as %s", s->output,
                      ls_params_values(ls_model_params(ls_network_model(network))), s->format->name);
    ls_network_close(network);
    return status;
}

const cli_command cli_export = {
    .name = "export",
    .arguments = "onnx|safetensors CHECKPOINT -o FILE",
    .doc = "Write a checkpoint's network for other programs\vonnx: the whole way from raw inputs to predictions in "
           "original "
           "units. safetensors: the arrays, in the layout of checkpoints. Neither needs the data.",
    .options = options,
    .settings_size = sizeof(settings),
    .parse = parse,
    .run = run};
