#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/experiment.h"
#include "lockstep/checkpoint.h"
#include "lockstep/store.h"

typedef struct settings {
    const char *path;
    bool config, dot;
} settings;

enum { KEY_DOT = 0x500 };

static const struct argp_option options[] = {
    {"config", 'c', 0, 0, "Print the configuration that a checkpoint holds, and nothing else", 0},
    {"dot", KEY_DOT, 0, 0, "Print the graph of a checkpoint's network for Graphviz, and nothing else", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case 'c': s->config = true; return 0;
    case KEY_DOT: s->dot = true; return 0;
    case ARGP_KEY_ARG: return cli_take_argument(&s->path, argument, state);
    case ARGP_KEY_END: return s->path ? 0 : cli_refuse(state, "which file?");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void shape_text(const ls_array *array, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "(");
    for (size_t i = 0; i < array->rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%zu", i ? ", " : "", array->dim[i]);
    if (used < size) snprintf(out + used, size - used, ")");
}

/* Small numbers and short texts are shown with their value. */
static void value_text(ls_store *store, const ls_array *array, char *out, size_t size) {
    *out = '\0';
    ls_status status = LS_OK;
    ls_text text = {0};
    double number = 0;
    if (array->dtype == LS_DTYPE_TEXT && array->rank == 0 && array->bytes <= 64) {
        status = ls_store_read_text(store, array, 0, &text);
        if (status == LS_OK && text.bytes && !strchr(text.bytes, '\n')) snprintf(out, size, "%s", text.bytes);
    } else if (array->rank == 0 && array->dtype == LS_DTYPE_U64) {
        uint64_t whole = 0;
        status = ls_store_read(store, array, 0, 1, &whole);
        if (status == LS_OK) snprintf(out, size, "%" PRIu64, whole);
    } else if (array->rank == 0 && ls_dtype_is_integer(array->dtype)) {
        int64_t whole = 0;
        status = ls_store_read_as(store, array, 0, 1, LS_DTYPE_I64, &whole);
        if (status == LS_OK) snprintf(out, size, "%" PRId64, whole);
    } else if (array->rank == 0 && (array->dtype == LS_DTYPE_F32 || array->dtype == LS_DTYPE_F64)) {
        status = ls_store_read_as(store, array, 0, 1, LS_DTYPE_F64, &number);
        if (status == LS_OK) snprintf(out, size, "%.17g", number);
    }
    ls_status_free(status); /* a value that cannot be shown is left out */
    ls_text_free(&text);
}

static void print_array(ls_store *store, const ls_array *array) {
    char shape[160], value[128];
    shape_text(array, shape, sizeof shape);
    value_text(store, array, value, sizeof value);
    if (array->block_rows)
        snprintf(value, sizeof value, "checksums of %zu row%s each", array->block_rows,
                 array->block_rows == 1 ? "" : "s");
    printf("%-44s %-8s %-18s %s\n", array->path, ls_dtype_name(array->dtype), shape, value);
}

static json_t *array_json(ls_store *store, const ls_array *array) {
    json_t *shape = json_array();
    for (size_t i = 0; i < array->rank; i++) json_array_append_new(shape, json_integer((json_int_t)array->dim[i]));
    char value[128];
    value_text(store, array, value, sizeof value);
    json_t *object = json_pack("{s:s, s:s, s:o, s:I}", "path", array->path, "type", ls_dtype_name(array->dtype),
                               "shape", shape, "bytes", (json_int_t)array->bytes);
    if (*value) json_object_set_new(object, "value", json_string(value));
    if (array->block_rows) json_object_set_new(object, "block_rows", json_integer((json_int_t)array->block_rows));
    return object;
}

static ls_status print_json(ls_store *store, const ls_arrays *arrays) {
    json_t *list = json_array();
    for (size_t i = 0; i < arrays->count; i++) json_array_append_new(list, array_json(store, arrays->items[i]));
    json_t *root = json_pack("{s:s, s:I, s:o}", "file", ls_store_path(store), "bytes",
                             (json_int_t)ls_store_bytes(store), "arrays", list);
    return cli_print_json(root, JSON_INDENT(1));
}

static ls_status print_config(const char *path) {
    ls_checkpoint *checkpoint = NULL;
    LS_TRY(ls_checkpoint_open(path, &checkpoint));
    fputs(ls_checkpoint_config(checkpoint), stdout);
    ls_checkpoint_close(checkpoint);
    return LS_OK;
}

static ls_status print_graph(cli *c, const char *path, bool dot) {
    ls_experiment experiment;
    ls_network *network = NULL;
    ls_text text = {0};
    LS_TRY(cli_local_experiment(c, path, &experiment));
    LS_TRY(ls_network_open(&experiment, path, &network));
    const ls_graph *graph = ls_model_graph(ls_network_model(network));
    ls_status status = dot ? ls_graph_print_dot(graph, &text) : ls_graph_print(graph, &text);
    if (status == LS_OK) printf("%s%s", dot ? "" : "\n", text.bytes);
    ls_text_free(&text);
    ls_network_close(network);
    return status;
}

static bool is_checkpoint(const ls_arrays *arrays) {
    for (size_t i = 0; i < arrays->count; i++)
        if (strcmp(arrays->items[i]->path, "/state/step") == 0) return true;
    return false;
}

static ls_status print_store(cli *c, const char *path) {
    ls_store *store = NULL;
    LS_TRY(ls_store_open(path, &store));
    ls_arrays arrays = {0};
    ls_status status = ls_store_list(store, "/", &arrays);
    if (status == LS_OK && c->json) {
        status = print_json(store, &arrays);
    } else if (status == LS_OK) {
        printf("%s: %zu arrays, %" PRIu64 " bytes\n", path, arrays.count, ls_store_bytes(store));
        for (size_t i = 0; i < arrays.count; i++) print_array(store, arrays.items[i]);
        if (is_checkpoint(&arrays)) status = print_graph(c, path, false);
    }
    ls_arrays_free(&arrays);
    ls_store_close(store);
    return status;
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    if (s->dot) return print_graph(c, s->path, true);
    return s->config ? print_config(s->path) : print_store(c, s->path);
}

const cli_command cli_info = {.name = "info",
                              .arguments = "FILE",
                              .doc = "What a checkpoint or data set holds",
                              .options = options,
                              .settings_size = sizeof(settings),
                              .parse = parse,
                              .run = run};
