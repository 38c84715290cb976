#include "cli/experiment.h"

#include <stdlib.h>
#include <string.h>

ls_status cli_read_text(cli *c, const char *path, char **out) {
    ls_text text = {0};
    ls_status status = ls_comm_first(c->comm) ? ls_config_read_file(path, &text) : LS_OK;
    status = ls_comm_agree(c->comm, status);
    if (status == LS_OK) status = ls_comm_broadcast_text(c->comm, 0, text.bytes ? text.bytes : "", out);
    ls_text_free(&text);
    return status;
}

ls_status cli_read_experiment(cli *c, const char *path, const cli_words *overrides, ls_experiment *out) {
    char *bytes = NULL;
    LS_TRY(cli_read_text(c, path, &bytes));
    ls_status status = ls_config_parse(c->pool, path, bytes, strlen(bytes), overrides->items, overrides->count, out);
    free(bytes);
    return ls_comm_agree(c->comm, status);
}

ls_status cli_checkpoint_experiment(cli *c, const char *path, const cli_words *overrides, ls_experiment *out) {
    ls_checkpoint *checkpoint = NULL;
    ls_status status = ls_comm_first(c->comm) ? ls_checkpoint_open(path, &checkpoint) : LS_OK;
    status = ls_comm_agree(c->comm, status);
    char *bytes = NULL;
    if (status == LS_OK)
        status = ls_comm_broadcast_text(c->comm, 0, checkpoint ? ls_checkpoint_config(checkpoint) : NULL, &bytes);
    ls_checkpoint_close(checkpoint);
    LS_TRY(status);
    status = ls_config_parse(c->pool, path, bytes, strlen(bytes), overrides->items, overrides->count, out);
    free(bytes);
    return ls_comm_agree(c->comm, status);
}

ls_status cli_local_experiment(cli *c, const char *path, ls_experiment *out) {
    ls_checkpoint *checkpoint = NULL;
    LS_TRY(ls_checkpoint_open(path, &checkpoint));
    const char *text = ls_checkpoint_config(checkpoint);
    ls_status status = ls_config_parse(c->pool, path, text, strlen(text), NULL, 0, out);
    ls_checkpoint_close(checkpoint);
    return status;
}

ls_status cli_add_quoted(ls_text *out, const char *text) {
    LS_TRY(ls_text_add(out, "\""));
    for (const char *c = text; *c; c++) LS_TRY(ls_text_add(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c));
    return ls_text_add(out, "\"");
}

ls_display_mode cli_display_mode(const cli *c) {
    if (c->quiet || c->json || strcmp(c->progress, "none") == 0) return LS_DISPLAY_NONE;
    if (strcmp(c->progress, "bar") == 0) return LS_DISPLAY_BAR;
    return strcmp(c->progress, "line") == 0 ? LS_DISPLAY_LINES : LS_DISPLAY_AUTO;
}
