/* Any two files are refused or make a data set. The first byte says where the first file ends. */
#include "choose.h"
#include "fuzz.h"
#include "imports.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0) return 0;
    size_t first = (length - 1) * bytes[0] / 255;
    const ls_file files[] = {{.name = "images", .bytes = bytes + 1, .length = first},
                             {.name = "labels", .bytes = bytes + 1 + first, .length = length - 1 - first}};
    ls_pool *pool = NULL;
    ls_choice idx = {0};
    ls_import import = {0};
    ls_status status = ls_pool_create(&pool);
    if (status == LS_OK) status = support_try_choose(&idx, pool, &ls_format_family, "idx", NULL);
    if (status == LS_OK) status = support_import(&idx, files, 2, &import);
    ls_status_free(status);
    ls__import_free(&import);
    ls_pool_destroy(pool);
    return 0;
}
