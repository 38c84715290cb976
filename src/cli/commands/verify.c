#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

#include "cli/cli.h"
#include "lockstep/store.h"

typedef struct settings {
    const char *path;
} settings;

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = ((cli_parse *)state->input)->settings;
    switch (key) {
    case ARGP_KEY_ARG: return cli_take_argument(&s->path, argument, state);
    case ARGP_KEY_END: return s->path ? 0 : cli_refuse(state, "which file?");
    default: return ARGP_ERR_UNKNOWN;
    }
}

static ls_status print_json(const char *path, const ls_store_report *report, bool intact) {
    char state[17];
    snprintf(state, sizeof state, "%016" PRIx64, report->state);
    json_t *root = json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:s}", "file", path, "intact", intact, "arrays",
                             (json_int_t)report->arrays, "blocks", (json_int_t)report->blocks, "bytes",
                             (json_int_t)report->bytes, "damaged", (json_int_t)report->damaged, "state", state);
    return cli_print_json(root, JSON_COMPACT);
}

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    ls_store_report report = {0};
    ls_status status = ls_store_verify(s->path, &report);
    char blocks[64] = "";
    if (report.blocks) snprintf(blocks, sizeof blocks, " (%zu blocks of rows)", report.blocks);
    if (c->json)
        status = ls_status_first(status, print_json(s->path, &report, status == LS_OK));
    else if (status == LS_OK)
        printf("%s: intact: %zu arrays%s, %llu bytes, state %016llx\n", s->path, report.arrays, blocks,
               (unsigned long long)report.bytes, (unsigned long long)report.state);
    else if (report.findings.bytes)
        fputs(report.findings.bytes, stdout);
    ls_store_report_free(&report);
    return status;
}

const cli_command cli_verify = {.name = "verify",
                                .arguments = "FILE",
                                .doc = "Recompute and compare every checksum of a file",
                                .settings_size = sizeof(settings),
                                .parse = parse,
                                .run = run};
