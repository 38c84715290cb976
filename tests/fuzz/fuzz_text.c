/* Any bytes are refused or make samples. The first byte chooses what a token is, and the rest of the options. */
#include "choose.h"
#include "fuzz.h"
#include "imports.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const char *const tokens[] = {"words", "characters", "bytes"}, *const windows[] = {"1", "2", "5", "16"};
    if (length == 0) return 0;
    unsigned choice = bytes[0];
    const ls_file file = {.name = "fuzz.txt", .bytes = bytes + 1, .length = length - 1};
    ls_pool *pool = NULL;
    ls_choice text = {0};
    ls_import import = {0};
    ls_status status = ls_pool_create(&pool);
    if (status == LS_OK)
        status = support_try_choose(&text, pool, &ls_format_family, "text", "tokens", tokens[choice % 3], "window",
                                    windows[choice / 3 % 4], "pairs", choice & 64 ? "corrupt" : "next", "vocabulary",
                                    choice & 128 ? "3" : "1000", NULL);
    if (status == LS_OK) status = support_import(&text, &file, 1, &import);
    ls_status_free(status);
    ls__import_free(&import);
    ls_pool_destroy(pool);
    return 0;
}
