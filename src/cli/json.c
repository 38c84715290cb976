#include <jansson.h>

#include "cli/cli.h"

ls_status cli_print_json(struct json_t *root, size_t flags) {
    int failed = json_dumpf(root, stdout, flags);
    printf("\n");
    json_decref(root);
    return failed ? LS_FAIL(LS_ERR_IO, "cannot write JSON to standard output") : LS_OK;
}
