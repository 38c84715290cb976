#include "cli/cli.h"

extern const cli_command cli_train, cli_check, cli_eval, cli_info, cli_verify, cli_diff, cli_import, cli_repack,
    cli_config;

const cli_command *const cli_commands[] = {
    &cli_train, &cli_check, &cli_eval, &cli_info, &cli_verify, &cli_diff, &cli_import, &cli_repack, &cli_config, NULL,
};
