/* Any bytes are refused or are a configuration, whose resolved text is a configuration that resolves to the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "lockstep/config.h"

/* The resolved text, in the pool; NULL where the bytes are refused. */
static const char *resolve(ls_pool *pool, const char *bytes, size_t length) {
    ls_experiment experiment;
    ls_status status = ls_config_parse(pool, "fuzz.yaml", bytes, length, NULL, 0, &experiment);
    bool parsed = status == LS_OK;
    ls_status_free(status);
    return parsed ? experiment.text : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    ls_pool *pool = NULL;
    ls_status status = ls_pool_create(&pool);
    const char *first = status == LS_OK ? resolve(pool, (const char *)bytes, length) : NULL;
    if (first) {
        const char *second = resolve(pool, first, strlen(first));
        if (!second || strcmp(first, second) != 0) abort();
    }
    ls_status_free(status);
    ls_pool_destroy(pool);
    return 0;
}
