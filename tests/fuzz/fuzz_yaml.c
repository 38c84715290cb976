/*
 * Any bytes are either refused or bind to a configuration, and what that prints binds to the same again. Nothing
 * crashes, and nothing leaks.
 */
#include <stdlib.h>
#include <string.h>

#include "config/yaml.h"
#include "fuzz.h"
#include "sample_rows.h"

/* Reads, binds and prints; false where the bytes are refused. */
static bool resolve(const char *bytes, size_t length, ls_text *out) {
    ls_pool *pool = NULL;
    ls_document *document = NULL;
    sample s = {0};
    ls_status status = ls_pool_create(&pool);
    if (status == LS_OK) status = ls_yaml_parse(pool, "fuzz.yaml", bytes, length, &document);
    if (status == LS_OK) status = ls_options_bind(sample_rows, "the configuration", document, pool, &s);
    if (status == LS_OK) status = ls_options_print(sample_rows, &s, 0, out);
    bool bound = status == LS_OK;
    ls_status_free(status);
    ls_pool_destroy(pool);
    return bound;
}

static void set(const char *text) {
    ls_pool *pool = NULL;
    ls_document *root = NULL, *value = NULL;
    ls_status status = ls_pool_create(&pool);
    if (status == LS_OK) status = ls_document_map(pool, (ls_place){0}, &root);
    if (status == LS_OK) status = ls_yaml_value(pool, "--set", text, &value);
    if (status == LS_OK) status = ls_options_set(sample_rows, pool, root, text, value);
    ls_status_free(status);
    ls_pool_destroy(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    ls_text first = {0}, second = {0};
    if (resolve((const char *)bytes, length, &first)) {
        if (!resolve(first.bytes, first.length, &second)) abort();
        if (strcmp(first.bytes, second.bytes) != 0) abort();
    }
    ls_text_free(&first);
    ls_text_free(&second);
    char *text = calloc(1, length + 1);
    if (!text) return 0;
    if (length) memcpy(text, bytes, length);
    set(text);
    free(text);
    return 0;
}
