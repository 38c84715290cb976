#include "lockstep/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml.h"

/* Keys that name files: another path may hold the same data, which digests tell, not names. */
static const char *const path_keys[] = {"data.train", "data.valid", "data.test", NULL};

/* A zero byte would end the text for whoever hears of it from rank 0. */
static ls_status need_no_zero(const char *path, const ls_text *text) {
    const char *zero = text->length ? memchr(text->bytes, '\0', text->length) : NULL;
    if (!zero) return LS_OK;
    ls_place place = {.file = path, .line = 1, .column = 1};
    for (const char *c = text->bytes; c < zero; c++) {
        place.line += *c == '\n';
        place.column = *c == '\n' ? 1 : place.column + 1;
    }
    return ls_document_fail(place, LS_ERR_CONFIG, "byte 0x00 is a control character; is this a configuration?");
}

ls_status ls_config_read_file(const char *path, ls_text *out) {
    FILE *file = fopen(path, "rb");
    if (!file) return LS_FAIL(LS_ERR_CONFIG, "%s: cannot be opened: %s", path, strerror(errno));
    char bytes[8192];
    size_t count = 0;
    ls_status status = LS_OK;
    while (status == LS_OK && (count = fread(bytes, 1, sizeof bytes, file)) > 0)
        status = ls_text_add_bytes(out, bytes, count);
    if (status == LS_OK && ferror(file)) status = LS_FAIL(LS_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    fclose(file);
    return status == LS_OK ? need_no_zero(path, out) : status;
}

static ls_status folder_of(ls_pool *pool, const char *file, const char **out) {
    const char *slash = strrchr(file, '/');
    if (!slash) return ls_pool_text(pool, ".", out);
    if (slash == file) return ls_pool_text(pool, "/", out);
    return ls_pool_format(pool, out, "%.*s", (int)(slash - file), file);
}

/* ---- paths: relative ones start from the configuration file's folder ---- */

/* "FILE:/GROUP" below `folder`; an absolute path, or a number (a fraction to split off), stays as it is. */
static ls_status resolve_path(ls_pool *pool, const char *folder, ls_document *value) {
    double number = 0;
    if (value->kind != LS_DOCUMENT_SCALAR || value->text[0] == '/' || ls_parse_real(value->text, &number)) return LS_OK;
    return ls_pool_format(pool, &value->text, "%s/%s", folder, value->text);
}

static ls_status resolve_paths(ls_pool *pool, const char *folder, ls_document *value) {
    if (!value) return LS_OK;
    if (value->kind != LS_DOCUMENT_LIST) return resolve_path(pool, folder, value);
    for (size_t i = 0; i < value->count; i++) LS_TRY(resolve_path(pool, folder, value->items[i]));
    return LS_OK;
}

/* `from` names a file wherever an initialisation may stand, below `init` of the configuration or of a layer. */
static ls_status resolve_init(ls_pool *pool, const char *folder, ls_document *value, bool inside) {
    for (size_t i = 0; value->kind != LS_DOCUMENT_SCALAR && i < value->count; i++) {
        ls_document *item = value->items[i];
        const char *key = value->kind == LS_DOCUMENT_MAP ? value->keys[i] : "";
        if (inside && strcmp(key, "from") == 0)
            LS_TRY(resolve_paths(pool, folder, item->kind == LS_DOCUMENT_MAP ? ls_document_find(item, "file") : item));
        else
            LS_TRY(resolve_init(pool, folder, item, inside || strcmp(key, "init") == 0));
    }
    return LS_OK;
}

/* So that the resolved configuration means the same from anywhere: in a run directory, in a checkpoint. */
static ls_status resolve_document(ls_pool *pool, const char *file, ls_document *root) {
    const char *folder = NULL;
    LS_TRY(folder_of(pool, file, &folder));
    char *absolute = realpath(folder, NULL);
    ls_status status = absolute ? ls_pool_text(pool, absolute, &folder) : LS_OK;
    free(absolute);
    LS_TRY(status);
    ls_document *data = ls_document_find(root, "data");
    for (size_t i = 0; data && data->kind == LS_DOCUMENT_MAP && path_keys[i]; i++)
        LS_TRY(resolve_paths(pool, folder, ls_document_find(data, path_keys[i] + strlen("data."))));
    return resolve_init(pool, folder, root, false);
}

/* One override "key.path=value": its value is parsed by the same YAML as the file. */
static ls_status apply_override(ls_pool *pool, ls_document *root, const char *text) {
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return LS_FAIL(LS_ERR_USAGE, "--set %s: write it as KEY.PATH=VALUE, for example --set batch=128", text);
    const char *path = NULL, *name = NULL;
    LS_TRY(ls_pool_format(pool, &path, "%.*s", (int)(equals - text), text));
    LS_TRY(ls_pool_format(pool, &name, "--set %s", path));
    ls_document *value = NULL;
    LS_TRY(ls_yaml_value(pool, name, equals + 1, &value));
    return ls_options_set(ls_experiment_rows, pool, root, path, value);
}

/* A comment line "# import: COMMAND" of the file, or NULL: shown where the data are missing. */
static ls_status find_import(ls_pool *pool, const char *bytes, size_t length, const char **out) {
    static const char mark[] = "# import: ";
    const size_t begin = sizeof mark - 1;
    for (const char *line = bytes, *end = bytes + length, *next; line < end; line = next + 1) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (!next) next = end;
        size_t size = (size_t)(next - line);
        if (size < begin || memcmp(line, mark, begin) != 0) continue;
        if (line[size - 1] == '\r') size--;
        return ls_pool_format(pool, out, "%.*s", (int)(size - begin), line + begin);
    }
    return LS_OK;
}

ls_status ls_config_parse(ls_pool *pool, const char *file, const char *bytes, size_t length,
                          const char *const *overrides, size_t count, ls_experiment *out) {
    *out = (ls_experiment){0};
    ls_document *root = NULL;
    LS_TRY(ls_yaml_parse(pool, file, bytes, length, &root));
    if (root->kind != LS_DOCUMENT_MAP)
        return ls_document_fail(root->place, LS_ERR_CONFIG, "the configuration is no map of KEY: VALUE lines");
    for (size_t i = 0; i < count; i++) LS_TRY(apply_override(pool, root, overrides[i]));
    LS_TRY(resolve_document(pool, file, root));
    LS_TRY(ls_options_bind(ls_experiment_rows, "the configuration", root, pool, out));
    LS_TRY(find_import(pool, bytes, length, &out->data.import));
    LS_TRY(ls_experiment_check(out));

    ls_text resolved = {0};
    ls_status status = ls_options_print(ls_experiment_rows, out, 0, &resolved);
    if (status == LS_OK) status = ls_pool_text(pool, resolved.bytes, &out->text);
    ls_text_free(&resolved);
    return status;
}

ls_status ls_config_reference(ls_text *out) {
    LS_TRY(ls_text_add(out, "# Every key of a configuration: its default, what is allowed and one sentence.\n"
                            "# Generated by `lockstep config --reference`; a test compares the two.\n"));
    return ls_options_reference(ls_experiment_rows, 0, out);
}

ls_status ls_config_explain(const char *key, ls_text *out) {
    return ls_options_explain(ls_experiment_rows, key, out);
}

/* ---- may one configuration continue the run of another? ---- */

/* Keys whose change cannot change a bit of what was computed, as dotted paths; a table stands for all below it. */
static const char *const free_keys[] = {"stop",    "checkpoint", "run", "topology.ranks_per_node",
                                        "metrics", "data.cache", NULL};
static bool is_listed(const char *const *list, const char *path) {
    for (size_t i = 0; list[i]; i++)
        if (strcmp(list[i], path) == 0) return true;
    return false;
}

static bool is_path_value(const ls_document *value) {
    double number = 0;
    return value && (value->kind == LS_DOCUMENT_LIST ||
                     (value->kind == LS_DOCUMENT_SCALAR && !ls_parse_real(value->text, &number)));
}

/* Where parameters came from at the start matters no more once there is a checkpoint. */
static bool is_init_file(const char *path) {
    const char *init = strstr(path, "init.");
    size_t length = strlen(path);
    return init && length > 10 && strcmp(path + length - 10, ".from.file") == 0;
}

/* A short form of any value, for the line that shows a difference. */
static ls_status add_value(ls_text *out, const ls_document *value) {
    if (!value) return ls_text_add(out, "nothing");
    if (value->kind == LS_DOCUMENT_SCALAR) return ls_text_add(out, "%s", value->text);
    LS_TRY(ls_text_add(out, value->kind == LS_DOCUMENT_LIST ? "[" : "{"));
    for (size_t i = 0; i < value->count; i++) {
        if (i) LS_TRY(ls_text_add(out, ", "));
        if (value->kind == LS_DOCUMENT_MAP) LS_TRY(ls_text_add(out, "%s: ", value->keys[i]));
        LS_TRY(add_value(out, value->items[i]));
    }
    return ls_text_add(out, value->kind == LS_DOCUMENT_LIST ? "]" : "}");
}

static ls_status compare_values(ls_pool *pool, const char *path, const ls_document *a, const ls_document *b,
                                ls_text *out);

static ls_status compare_maps(ls_pool *pool, const char *path, const ls_document *a, const ls_document *b,
                              ls_text *out) {
    for (size_t side = 0; side < 2; side++) {
        const ls_document *from = side ? b : a, *to = side ? a : b;
        for (size_t i = 0; i < from->count; i++) {
            const ls_document *other = ls_document_find(to, from->keys[i]);
            if (side && other) continue; /* was compared from the other side */
            const char *below = NULL;
            LS_TRY(ls_pool_format(pool, &below, "%s%s%s", path, *path ? "." : "", from->keys[i]));
            LS_TRY(compare_values(pool, below, side ? other : from->items[i], side ? from->items[i] : other, out));
        }
    }
    return LS_OK;
}

static ls_status compare_values(ls_pool *pool, const char *path, const ls_document *a, const ls_document *b,
                                ls_text *out) {
    if (is_listed(free_keys, path)) return LS_OK;
    if (is_listed(path_keys, path) && is_path_value(a) && is_path_value(b)) return LS_OK;
    if (is_init_file(path)) return LS_OK;
    bool same_kind = a && b && a->kind == b->kind;
    if (same_kind && a->kind == LS_DOCUMENT_MAP) return compare_maps(pool, path, a, b, out);
    if (same_kind && a->kind == LS_DOCUMENT_SCALAR && strcmp(a->text, b->text) == 0) return LS_OK;
    if (same_kind && a->kind == LS_DOCUMENT_LIST && a->count == b->count) {
        for (size_t i = 0; i < a->count; i++) {
            const char *below = NULL;
            LS_TRY(ls_pool_format(pool, &below, "%s.%zu", path, i));
            LS_TRY(compare_values(pool, below, a->items[i], b->items[i], out));
        }
        return LS_OK;
    }
    LS_TRY(ls_text_add(out, "  %s: ", path));
    LS_TRY(add_value(out, a));
    LS_TRY(ls_text_add(out, " -> "));
    LS_TRY(add_value(out, b));
    return ls_text_add(out, "\n");
}

ls_status ls_config_compare(const char *older, const char *newer, ls_text *out) {
    ls_pool *pool = NULL;
    LS_TRY(ls_pool_create(&pool));
    ls_document *a = NULL, *b = NULL;
    ls_status status = ls_yaml_parse(pool, "the checkpoint's configuration", older, strlen(older), &a);
    if (status == LS_OK) status = ls_yaml_parse(pool, "the configuration", newer, strlen(newer), &b);
    if (status == LS_OK) status = compare_values(pool, "", a, b, out);
    ls_pool_destroy(pool);
    return status;
}
