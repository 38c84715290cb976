/* Any bytes are refused or make a data set, whatever the options. The first byte chooses them. */
#include "choose.h"
#include "fuzz.h"
#include "imports.h"

static void import_with(const ls_file *file, const char *header, const char *missing, const char *categories) {
    ls_pool *pool = NULL;
    ls_choice csv = {0};
    ls_import import = {0};
    ls_status status = ls_pool_create(&pool);
    if (status == LS_OK)
        status = support_try_choose(&csv, pool, &ls_format_family, "csv", "header", header, "missing", missing,
                                    "categories", categories, "split", "0.3", NULL);
    if (status == LS_OK) status = support_import(&csv, file, 1, &import);
    ls_status_free(status);
    ls__import_free(&import);
    ls_pool_destroy(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const char *const headers[] = {"auto", "yes", "no"}, *const missing[] = {"mean", "drop", "refuse"};
    if (length == 0) return 0;
    unsigned choice = bytes[0];
    const ls_file file = {.name = "fuzz.csv", .bytes = bytes + 1, .length = length - 1};
    import_with(&file, headers[choice % 3], missing[choice / 3 % 3], choice & 128 ? "codes" : "one_hot");
    return 0;
}
