/* Command-line options made of option rows: one description serves YAML, the command line and --help. */
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "cli/cli.h"
#include "config/yaml.h"

static ls_status dashed(ls_pool *pool, const char *key, const char **out) {
    void *copy = NULL;
    LS_TRY(ls_pool_take(pool, strlen(key) + 1, &copy));
    char *text = copy;
    for (size_t i = 0; key[i]; i++) text[i] = key[i] == '_' ? '-' : key[i];
    *out = text;
    return LS_OK;
}

static const char *value_word(const ls_option *row) {
    switch (row->kind) {
    case LS_KIND_BOOL: return "BOOL";
    case LS_KIND_COUNT:
    case LS_KIND_INTEGER:
    case LS_KIND_SEED: return "N";
    case LS_KIND_REAL: return "X";
    case LS_KIND_BYTES: return "SIZE";
    case LS_KIND_WORD: return "WORD";
    case LS_KIND_TEXTS: return "LIST";
    default: return "TEXT";
    }
}

ls_status cli_rows_list(cli *c, const ls_option *rows, struct argp_option *table, size_t *count, size_t room) {
    for (const ls_option *row = rows; row && row->kind != LS_KIND_END && *count < room; row++) {
        struct argp_option *option = &table[*count];
        LS_TRY(dashed(c->pool, row->key, &option->name));
        option->key = CLI_ROW_KEY + (int)*count;
        option->arg = value_word(row);
        option->flags = row->kind == LS_KIND_BOOL ? OPTION_ARG_OPTIONAL : 0;
        ls_text doc = {0};
        ls_status status = ls_text_add(&doc, "%c%s", toupper((unsigned char)row->doc[0]), row->doc + 1);
        for (size_t i = 0; row->words && row->words[i] && status == LS_OK; i++)
            status = ls_text_add(&doc, "%s%s", i ? ", " : ": ", row->words[i]);
        if (status == LS_OK && row->fallback && strcmp(row->fallback, LS_REQUIRED) != 0)
            status = ls_text_add(&doc, " (default: %s)", row->fallback);
        if (status == LS_OK) status = ls_pool_text(c->pool, doc.bytes, &option->doc);
        ls_text_free(&doc);
        LS_TRY(status);
        (*count)++;
    }
    return LS_OK;
}

static const ls_option *row_at(const ls_option *const *rows, size_t index) {
    for (size_t t = 0; rows[t]; t++)
        for (const ls_option *row = rows[t]; row->kind != LS_KIND_END; row++)
            if (index-- == 0) return row;
    return NULL;
}

ls_status cli_rows_take(cli *c, const ls_option *const *rows, int key, const char *value, ls_document **map) {
    const ls_option *row = row_at(rows, (size_t)(key - CLI_ROW_KEY));
    assert(row);
    ls_place nowhere = {0};
    if (!*map) LS_TRY(ls_document_map(c->pool, nowhere, map));
    const char *name = NULL, *dash = NULL;
    LS_TRY(dashed(c->pool, row->key, &dash));
    LS_TRY(ls_pool_format(c->pool, &name, "--%s", dash));
    if (ls_document_find(*map, row->key)) return LS_FAIL(LS_ERR_USAGE, "%s is given twice", name);
    ls_document *item = NULL;
    bool is_text = row->kind == LS_KIND_TEXT || row->kind == LS_KIND_NAME;
    if (is_text)
        LS_TRY(ls_document_scalar(c->pool, (ls_place){name, 0, 0}, value, true, &item));
    else
        LS_TRY(ls_yaml_value(c->pool, name, value ? value : "true", &item));
    return ls_document_put(c->pool, *map, row->key, item->place, item);
}
