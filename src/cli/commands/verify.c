#include <stdio.h>

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

static ls_status run(cli *c, void *argument) {
    const settings *s = argument;
    ls_store_report report = {0};
    ls_status status = ls_store_verify(s->path, &report);
    char blocks[64] = "";
    if (report.blocks) snprintf(blocks, sizeof blocks, " (%zu blocks of rows)", report.blocks);
    if (c->json)
        printf("{\"file\":\"%s\",\"intact\":%s,\"arrays\":%zu,\"blocks\":%zu,\"bytes\":%llu,\"damaged\":%zu,"
               "\"state\":\"%016llx\"}\n",
               s->path, status == LS_OK ? "true" : "false", report.arrays, report.blocks,
               (unsigned long long)report.bytes, report.damaged, (unsigned long long)report.state);
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
