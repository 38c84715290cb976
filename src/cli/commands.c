#include "cli/cli.h"

extern const cli_command cli_train, cli_check, cli_eval, cli_predict, cli_info, cli_verify, cli_diff, cli_average,
    cli_export, cli_import, cli_repack, cli_plot, cli_status, cli_stop, cli_sweep, cli_bench, cli_config;

const cli_command *const cli_commands[] = {
    &cli_train,  &cli_check,  &cli_eval, &cli_predict, &cli_info, &cli_verify, &cli_diff,  &cli_average, &cli_export,
    &cli_import, &cli_repack, &cli_plot, &cli_status,  &cli_stop, &cli_sweep,  &cli_bench, &cli_config,  NULL,
};
