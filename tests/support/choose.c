#include "choose.h"

#include <string.h>

#include "support.h"

static const ls_place place = {"test.yaml", 1, 1};

/* Puts a value under "key" or "table.key". */
static ls_status put(ls_pool *pool, ls_document *map, const char *key, const char *value) {
    ls_document *scalar = NULL;
    LS_TRY(ls_document_scalar(pool, place, value, false, &scalar));
    const char *dot = strchr(key, '.');
    if (!dot) return ls_document_put(pool, map, key, place, scalar);
    const char *outer = NULL;
    LS_TRY(ls_pool_format(pool, &outer, "%.*s", (int)(dot - key), key));
    ls_document *table = ls_document_find(map, outer);
    if (!table) {
        LS_TRY(ls_document_map(pool, place, &table));
        LS_TRY(ls_document_put(pool, map, outer, place, table));
    }
    return ls_document_put(pool, table, dot + 1, place, scalar);
}

static ls_status choose(ls_choice *out, ls_pool *pool, const ls_family *family, const char *name, va_list pairs) {
    ls_document *options = NULL, *choice = NULL;
    LS_TRY(ls_document_map(pool, place, &options));
    for (const char *key = va_arg(pairs, const char *); key; key = va_arg(pairs, const char *))
        LS_TRY(put(pool, options, key, va_arg(pairs, const char *)));
    if (options->count == 0) {
        LS_TRY(ls_document_scalar(pool, place, name, false, &choice));
        return ls_choice_bind(family, choice, pool, out);
    }
    LS_TRY(ls_document_map(pool, place, &choice));
    LS_TRY(ls_document_put(pool, choice, name, place, options));
    return ls_choice_bind(family, choice, pool, out);
}

ls_status support_try_choose(ls_choice *out, ls_pool *pool, const ls_family *family, const char *name, ...) {
    va_list pairs;
    va_start(pairs, name);
    ls_status status = choose(out, pool, family, name, pairs);
    va_end(pairs);
    return status;
}

ls_choice support_choose(ls_pool *pool, const ls_family *family, const char *name, ...) {
    ls_choice out = {0};
    va_list pairs;
    va_start(pairs, name);
    ls_status status = choose(&out, pool, family, name, pairs);
    va_end(pairs);
    assert_works(status);
    return out;
}
