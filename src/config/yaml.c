#include "config/yaml.h"

#include <string.h>
#include <yaml.h>

/* libyaml's events, turned into nodes by recursive descent. */
typedef struct loader {
    yaml_parser_t parser;
    ls_pool *pool;
    const char *file;
    bool has_lines; /* false: the text is one value, and its origin is all that can be said of its place */
    const char *bytes;
    size_t length;
    size_t nodes;
} loader;

static ls_place place_of(const loader *l, size_t line, size_t column) {
    ls_place place = {.file = l->file};
    if (!l->has_lines) return place;
    place.line = (int)line + 1;
    place.column = (int)column + 1;
    return place;
}

static ls_place mark_place(const loader *l, yaml_mark_t mark) {
    return place_of(l, mark.line, mark.column);
}

/* ---- bytes that are text ---- */

/* The length of the UTF-8 character at `at`, or 0 where there is none (overlong forms and surrogates are none). */
static size_t take_character(const unsigned char *at, size_t left) {
    static const struct {
        unsigned char mask, lead;
        size_t length;
        unsigned long least;
    } forms[] = {{0x80, 0x00, 1, 0}, {0xE0, 0xC0, 2, 0x80}, {0xF0, 0xE0, 3, 0x800}, {0xF8, 0xF0, 4, 0x10000}};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        if ((at[0] & forms[f].mask) != forms[f].lead) continue;
        unsigned long code = at[0] & (unsigned char)~forms[f].mask;
        if (forms[f].length > left) return 0;
        for (size_t i = 1; i < forms[f].length; i++) {
            if ((at[i] & 0xC0) != 0x80) return 0;
            code = code << 6 | (at[i] & 0x3Fu);
        }
        bool fits = code >= forms[f].least && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
        return fits ? forms[f].length : 0;
    }
    return 0;
}

static bool is_control(unsigned char c) {
    return (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F;
}

static ls_status need_text(const loader *l) {
    const unsigned char *bytes = (const unsigned char *)l->bytes;
    size_t line = 0, column = 0;
    if (l->length > LS_YAML_BYTES)
        return ls_document_fail(place_of(l, 0, 0), LS_ERR_CONFIG, "%zu bytes are no configuration; at most %d are read",
                                l->length, LS_YAML_BYTES);
    for (size_t i = 0; i < l->length;) {
        size_t step = take_character(bytes + i, l->length - i);
        if (step == 0)
            return ls_document_fail(place_of(l, line, column), LS_ERR_CONFIG,
                                    "byte 0x%02X is not UTF-8; is this a configuration, and saved as UTF-8?", bytes[i]);
        if (is_control(bytes[i]))
            return ls_document_fail(place_of(l, line, column), LS_ERR_CONFIG,
                                    "byte 0x%02X is a control character; is this a configuration?", bytes[i]);
        column++;
        if (bytes[i] == '\n') line++, column = 0;
        i += step;
    }
    return LS_OK;
}

/* ---- libyaml's complaints ---- */

/* True where the indentation of a line holds a tab, which YAML forbids and no editor shows. */
static bool is_indented_by_tab(const loader *l, size_t line) {
    const char *at = l->bytes, *end = l->bytes + l->length;
    for (; line > 0 && at < end; line--) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    while (at < end && *at == ' ') at++;
    return at < end && *at == '\t';
}

static ls_status refuse_syntax(const loader *l) {
    const yaml_parser_t *p = &l->parser;
    if (p->error == YAML_MEMORY_ERROR) return LS_FAIL(LS_ERR_MEMORY, "%s: no memory to read it", l->file);
    const char *problem = p->problem ? p->problem : "it cannot be read";
    ls_place place = mark_place(l, p->problem_mark);
    if (p->error != YAML_SCANNER_ERROR && p->error != YAML_PARSER_ERROR)
        return ls_document_fail(place_of(l, 0, 0), LS_ERR_CONFIG, "not YAML: %s", problem);
    if (is_indented_by_tab(l, p->problem_mark.line))
        return ls_document_fail(place, LS_ERR_CONFIG, "a tab indents this line; YAML is indented by blanks only");
    if (!p->context || !l->has_lines) return ls_document_fail(place, LS_ERR_CONFIG, "not YAML: %s", problem);
    return ls_document_fail(place, LS_ERR_CONFIG, "not YAML: %s (%s that starts in line %zu)", problem, p->context,
                            p->context_mark.line + 1);
}

/* ---- events to nodes ---- */

/* The next event, which the caller deletes. */
static ls_status next_event(loader *l, yaml_event_t *out) {
    return yaml_parser_parse(&l->parser, out) ? LS_OK : refuse_syntax(l);
}

static ls_status refuse_extras(const loader *l, const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT: anchor = event->data.alias.anchor; break;
    case YAML_SCALAR_EVENT: anchor = event->data.scalar.anchor, tag = event->data.scalar.tag; break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
        break;
    default: break;
    }
    ls_place place = mark_place(l, event->start_mark);
    if (anchor)
        return ls_document_fail(place, LS_ERR_CONFIG,
                                "anchors and aliases (\"%.60s\") are not taken; write the value out, or in quotes",
                                (const char *)anchor);
    if (tag)
        return ls_document_fail(place, LS_ERR_CONFIG,
                                "tags (\"%.60s\") are not taken; leave it out, or write the text in quotes",
                                (const char *)tag);
    return LS_OK;
}

static ls_status load_scalar(loader *l, const yaml_event_t *event, ls_document **out) {
    const char *value = (const char *)event->data.scalar.value, *text = NULL;
    ls_place place = mark_place(l, event->start_mark);
    if (strlen(value) != event->data.scalar.length)
        return ls_document_fail(place, LS_ERR_CONFIG, "a text cannot hold the character 0");
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    LS_TRY(ls_pool_text(l->pool, value, &text));
    return ls_document_scalar(l->pool, place, text, quoted, out);
}

/* Loads the next node into `out`; sets it to NULL where the list or map ends instead. */
static ls_status load_next(loader *l, int depth, ls_document **out);

static ls_status load_list(loader *l, ls_place place, int depth, ls_document **out) {
    LS_TRY(ls_document_list(l->pool, place, out));
    for (;;) {
        ls_document *item = NULL;
        LS_TRY(load_next(l, depth, &item));
        if (!item) return LS_OK;
        LS_TRY(ls_document_add(l->pool, *out, item));
    }
}

static ls_status need_new_key(const loader *l, const ls_document *map, const ls_document *key) {
    if (key->kind != LS_DOCUMENT_SCALAR)
        return ls_document_fail(key->place, LS_ERR_CONFIG, "a key is a name, not a list or a map");
    if (map->count >= LS_YAML_KEYS)
        return ls_document_fail(key->place, LS_ERR_CONFIG, "a map of more than %d keys is no configuration",
                                LS_YAML_KEYS);
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->keys[i], key->text) != 0) continue;
        if (!l->has_lines) return ls_document_fail(key->place, LS_ERR_CONFIG, "key \"%s\" stands twice", key->text);
        return ls_document_fail(key->place, LS_ERR_CONFIG, "key \"%s\" stands here and in line %d; take one away",
                                key->text, map->key_place[i].line);
    }
    return LS_OK;
}

static ls_status load_map(loader *l, ls_place place, int depth, ls_document **out) {
    LS_TRY(ls_document_map(l->pool, place, out));
    for (;;) {
        ls_document *key = NULL, *item = NULL;
        LS_TRY(load_next(l, depth, &key));
        if (!key) return LS_OK;
        LS_TRY(need_new_key(l, *out, key));
        LS_TRY(load_next(l, depth, &item));
        LS_TRY(ls_document_put(l->pool, *out, key->text, key->place, item));
    }
}

static ls_status load_node(loader *l, const yaml_event_t *event, int depth, ls_document **out) {
    ls_place place = mark_place(l, event->start_mark);
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    LS_TRY(refuse_extras(l, event));
    if (++l->nodes > LS_YAML_NODES)
        return ls_document_fail(place, LS_ERR_CONFIG, "more than %d values are no configuration", LS_YAML_NODES);
    if (event->type == YAML_SCALAR_EVENT) return load_scalar(l, event, out);
    if (depth >= LS_YAML_DEPTH)
        return ls_document_fail(place, LS_ERR_CONFIG, "lists and maps are nested more than %d deep", LS_YAML_DEPTH);
    return list ? load_list(l, place, depth + 1, out) : load_map(l, place, depth + 1, out);
}

static ls_status load_next(loader *l, int depth, ls_document **out) {
    yaml_event_t event;
    LS_TRY(next_event(l, &event));
    bool ends = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
    ls_status status = ends ? LS_OK : load_node(l, &event, depth, out);
    yaml_event_delete(&event);
    return status;
}

/* Takes one event and says of what kind it was. */
static ls_status pass_event(loader *l, yaml_event_type_t *type, ls_place *place) {
    yaml_event_t event;
    LS_TRY(next_event(l, &event));
    *type = event.type;
    *place = mark_place(l, event.start_mark);
    yaml_event_delete(&event);
    return LS_OK;
}

static ls_status load_document(loader *l, ls_document **out) {
    yaml_event_type_t type = YAML_NO_EVENT;
    ls_place place;
    LS_TRY(pass_event(l, &type, &place)); /* the stream starts */
    LS_TRY(pass_event(l, &type, &place)); /* the document starts */
    if (type != YAML_STREAM_END_EVENT) LS_TRY(load_next(l, 0, out));
    bool empty = !*out || ((*out)->kind == LS_DOCUMENT_SCALAR && !(*out)->quoted && (*out)->text[0] == '\0');
    if (empty) return ls_document_fail(place_of(l, 0, 0), LS_ERR_CONFIG, "nothing is in it");
    LS_TRY(pass_event(l, &type, &place)); /* the document ends */
    LS_TRY(pass_event(l, &type, &place)); /* the stream ends */
    if (type == YAML_STREAM_END_EVENT) return LS_OK;
    return ls_document_fail(place, LS_ERR_CONFIG, "a second document starts; one is read");
}

/* Some editors put a byte order mark before UTF-8; it means nothing there. */
static void skip_byte_order_mark(loader *l) {
    static const char mark[] = "\xEF\xBB\xBF";
    if (l->length < 3 || memcmp(l->bytes, mark, 3) != 0) return;
    l->bytes += 3;
    l->length -= 3;
}

static ls_status load(loader *l, ls_document **out) {
    *out = NULL;
    skip_byte_order_mark(l);
    LS_TRY(need_text(l));
    if (!yaml_parser_initialize(&l->parser)) return LS_FAIL(LS_ERR_MEMORY, "%s: no memory to read it", l->file);
    yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l->parser, (const unsigned char *)l->bytes, l->length);
    ls_status status = load_document(l, out);
    yaml_parser_delete(&l->parser);
    if (status != LS_OK) *out = NULL;
    return status;
}

ls_status ls_yaml_parse(ls_pool *pool, const char *file, const char *bytes, size_t length, ls_document **out) {
    loader l = {.pool = pool, .file = file, .has_lines = true, .bytes = bytes, .length = length};
    return load(&l, out);
}

ls_status ls_yaml_value(ls_pool *pool, const char *origin, const char *text, ls_document **out) {
    loader l = {.pool = pool, .file = origin, .bytes = text, .length = strlen(text)};
    return load(&l, out);
}
