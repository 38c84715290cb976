#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml.h"
#include "fuzz.h"
#include "lockstep/random.h"
#include "sample_rows.h"

static int make_pool(void **state) {
    ls_pool *pool = NULL;
    assert_works(ls_pool_create(&pool));
    *state = pool;
    return 0;
}

static int end_pool(void **state) {
    ls_pool_destroy(*state);
    return 0;
}

static ls_status parse(void **state, const char *text, ls_document **out) {
    return ls_yaml_parse(*state, "t.yaml", text, strlen(text), out);
}

static ls_status parse_fails(void **state, const char *text) {
    ls_document *ignored = NULL;
    return parse(state, text, &ignored);
}

static const char example[] = "# Everything that there is.\n"
                              "batch: 64   # a comment\n"
                              "microbatch: 8\n"
                              "seed: -3\n"
                              "shift: -7\n"
                              "cache: 64MiB\n"
                              "shuffle: full\n"
                              "greeting: \"a \\\"b\\\" \\u00e4\"\n"
                              "note: 'it''s'\n"
                              "every: 500st\n"
                              "pause: 1.5\n"
                              "scales: [0.25, 1e-3]\n"
                              "kernel: 5\n"
                              "files:\n"
                              "  - digits.h5:/train\n"
                              "  - more.h5:/train\n"
                              "inputs: {left: x1, right: x2}\n"
                              "init: {weight: {constant: 0.1}, bias: zeros}\n"
                              "decay: 0.01\n"
                              "early: {patience: 3}\n"
                              "model:\n"
                              "  - dense: {units: 64}\n"
                              "  - relu\n"
                              "  - dense:\n"
                              "      units: 10\n"
                              "      name: out\n"
                              "optimizer:\n"
                              "  sgd: {learning_rate: 0.05, momentum: 0.9}\n"
                              "run:\n"
                              "  dir: runs/digits\n";

static void every_node_knows_its_place(void **state) {
    ls_document *root = NULL;
    assert_works(parse(state, example, &root));
    assert_int_equal(root->kind, LS_DOCUMENT_MAP);
    assert_string_equal(root->keys[0], "batch");
    assert_int_equal(root->key_place[0].line, 2);
    assert_int_equal(root->key_place[0].column, 1);
    const ls_document *batch = root->items[0];
    assert_string_equal(batch->text, "64");
    assert_false(batch->quoted);
    assert_int_equal(batch->place.column, 8);
    const ls_document *greeting = ls_document_find(root, "greeting");
    assert_true(greeting->quoted);
    assert_string_equal(greeting->text, "a \"b\" \xc3\xa4");
    const ls_document *model = ls_document_find(root, "model");
    assert_int_equal(model->kind, LS_DOCUMENT_LIST);
    assert_int_equal(model->count, 3);
    assert_int_equal(model->items[1]->place.line, 23);
    const ls_document *dense = ls_document_find(model->items[2], "dense");
    assert_int_equal(dense->place.line, 25);
    assert_int_equal(dense->place.column, 7);
    assert_string_equal(dense->place.file, "t.yaml");
}

static void what_a_configuration_needs_not_is_refused(void **state) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "t.yaml:1:1: nothing is in it"},
        {"# only a comment\n", "t.yaml:1:1: nothing is in it"},
        {"---\n...\n", "t.yaml:1:1: nothing is in it"},
        {"a: &x 1\n", "t.yaml:1:4: anchors and aliases (\"x\") are not taken"},
        {"a: *x\n", "t.yaml:1:4: anchors and aliases (\"x\")"},
        {"a: &x [1]\n", "anchors and aliases"},
        {"a: &x {b: 1}\n", "anchors and aliases"},
        {"a: !!str 1\n", "t.yaml:1:4: tags (\"tag:yaml.org,2002:str\")"},
        {"a: !x [1]\n", "tags (\"!x\")"},
        {"a: !x {b: 1}\n", "tags (\"!x\")"},
        {"a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document starts"},
        {"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "t.yaml:5:3: key \"c\" stands here and in line 3; take one away"},
        {"{a: 1, a: 2}", "t.yaml:1:8: key \"a\" stands here and in line 1"},
        {"[a, b]: 1\n", "t.yaml:1:1: a key is a name"},
        {"? {a: 1}\n: 2\n", "a key is a name"},
        {"a: \"x\\0y\"\n", "t.yaml:1:4: a text cannot hold the character 0"},
        {"a: 1\n b: 2\n", "t.yaml:2:3: not YAML: mapping values are not allowed in this context"},
        {"a: [1, 2\nb: 3\n", "t.yaml:2:2: not YAML: "},
        {"a:\n  - 1\n b: 2\n", "did not find expected key (while parsing a block mapping that starts in line 1)"},
        {"a: \"x\n", "found unexpected end of stream (while scanning a quoted scalar that starts in line 1)"},
        {"a:\n\tb: 1\n", "t.yaml:2:1: a tab indents this line"},
        {"a: @x\n", "t.yaml:1:4: not YAML: found character that cannot start any token"},
        {"a: 1\nb: \xff\n", "t.yaml:2:4: byte 0xFF is not UTF-8"},
        {"a: \xc0\x80\n", "t.yaml:1:4: byte 0xC0 is not UTF-8"},
        {"a: \xed\xa0\x80\n", "byte 0xED is not UTF-8"},
        {"a: \xf4\x90\x80\x80\n", "byte 0xF4 is not UTF-8"},
        {"a: \xe2\x82", "byte 0xE2 is not UTF-8"},
        {"\x89HDF\r\n\x1a\n", "t.yaml:1:1: byte 0x89 is not UTF-8; is this a configuration"},
        {"a: \x01\n", "t.yaml:1:4: byte 0x01 is a control character"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refuses(parse_fails(state, cases[i].text), LS_ERR_CONFIG, cases[i].words);
    ls_document *out = NULL;
    assert_refuses(ls_yaml_parse(*state, "t.yaml", "a: b\0c", 6, &out), LS_ERR_CONFIG, "byte 0x00");
    assert_null(out);
}

static void a_byte_order_mark_and_crlf_are_fine(void **state) {
    ls_document *root = NULL;
    assert_works(parse(state,
                       "\xef\xbb\xbf"
                       "a: 1\r\nb: 2\r\n",
                       &root));
    assert_int_equal(root->count, 2);
    assert_string_equal(root->keys[0], "a");
    assert_string_equal(root->items[1]->text, "2");
}

/* `count` times `piece`, then `end`. Yours to free. */
static char *repeat(const char *piece, size_t count, const char *end) {
    size_t length = strlen(piece);
    char *text = calloc(1, length * count + strlen(end) + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) memcpy(text + i * length, piece, length);
    memcpy(text + length * count, end, strlen(end));
    return text;
}

static void sizes_are_limited(void **state) {
    char *text = repeat("[", 32, "a]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    ls_document *root = NULL;
    assert_works(parse(state, text, &root));
    free(text);
    static const struct {
        const char *piece;
        size_t count;
        const char *end, *words;
    } cases[] = {
        {"[", 33, "a]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "t.yaml:1:33: lists and maps are nested more than 32 deep"},
        {"[", 2000000, "", "nested more than 32 deep"},
        {"- ", 2000000, "a", "nested more than 32 deep"},
        {"{a: ", 1000000, "a", "nested more than 32 deep"},
        {"- a\n", 100001, "", "more than 100000 values are no configuration"},
        {"#", (4 << 20) + 1, "", "t.yaml:1:1: 4194305 bytes are no configuration; at most 4194304 are read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text = repeat(cases[i].piece, cases[i].count, cases[i].end);
        assert_refuses(parse_fails(state, text), LS_ERR_CONFIG, cases[i].words);
        free(text);
    }
    ls_text many = {0};
    for (int i = 0; i <= LS_YAML_KEYS; i++) assert_works(ls_text_add(&many, "k%d: 1\n", i));
    assert_refuses(parse_fails(state, many.bytes), LS_ERR_CONFIG, "t.yaml:1001:1: a map of more than 1000 keys");
    ls_text_free(&many);
}

static void a_value_names_its_option(void **state) {
    ls_document *value = NULL;
    assert_works(ls_yaml_value(*state, "--set scales", "[1, 2]", &value));
    assert_int_equal(value->count, 2);
    assert_string_equal(value->place.file, "--set scales");
    assert_int_equal(value->place.line, 0);
    assert_refuses(ls_yaml_value(*state, "--set a", "", &value), LS_ERR_CONFIG, "--set a: nothing is in it");
    assert_refuses(ls_yaml_value(*state, "--set a", "[1", &value), LS_ERR_CONFIG, "--set a: not YAML: ");
    assert_refuses(ls_yaml_value(*state, "--set a", "{b: 1, b: 2}", &value), LS_ERR_CONFIG,
                   "--set a: key \"b\" stands twice");
}

/* ---- binding what was read ---- */

static ls_status bind(void **state, const char *text, sample *out) {
    ls_document *root = NULL;
    *out = (sample){0};
    LS_TRY(parse(state, text, &root));
    return ls_options_bind(sample_rows, "the configuration", root, *state, out);
}

static ls_status bind_fails(void **state, const char *text) {
    sample ignored;
    return bind(state, text, &ignored);
}

static void messages_point_at_the_mistake(void **state) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"batch: 1\nmodel:\n  - dense:\n    units: 64\n",
         "t.yaml:4:5: model.0: \"units\" is an option of dense and stands inside its braces"},
        {"batch: 1\nmodel:\n  - dense: 64\n    name: a\n",
         "\"name\" is an option of dense and stands inside its braces: dense: {units: VALUE, name: VALUE}"},
        {"batch: 1\nmodel:\n  - dense:\n", "t.yaml:3:11: model.0.dense: nothing stands behind the colon"},
        {"batch:\n", "t.yaml:1:7: batch: \"\" is no value"},
        {"batch: 1\nmodel: [relu]\noptimizer:\n  sgd:\n    lerning_rate: 1\n",
         "t.yaml:5:5: unknown key \"lerning_rate\" in sgd; did you mean \"learning_rate\"?"},
        {"batch: 1\nmodel: [relu]\noptimizer:\n  sgd: {learning_rate: fast}\n",
         "t.yaml:4:24: optimizer.sgd.learning_rate: \"fast\" is not a number; allowed: a number above 0"},
        {"batch: 1\nmodel:\n  - dense: {bias: false}\n", "t.yaml:3:5: model.0.dense: missing required key \"units\""},
        {"batch: 1\nmodel: [relu]\noptimizer: sgd\nrun:\n  threads: 2\n",
         "t.yaml:5:3: run: missing required key \"dir\""},
        {"- batch\n", "t.yaml:1:1: the configuration: a map of KEY: VALUE lines is meant here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refuses(bind_fails(state, cases[i].text), LS_ERR_CONFIG, cases[i].words);
}

static void the_reference_is_yaml(void **state) {
    ls_text out = {0};
    ls_document *root = NULL;
    assert_works(ls_options_reference(sample_rows, 0, &out));
    assert_works(parse(state, out.bytes, &root));
    assert_string_equal(ls_document_find(root, "microbatch")->text, "32");
    assert_string_equal(ls_document_find(ls_document_find(root, "run"), "threads")->text, "auto");
    assert_null(ls_document_find(root, "batch"));
    ls_text_free(&out);
}

/* ---- printing binds back: random configurations ---- */

static uint64_t draw(uint64_t seed, uint32_t *next, uint64_t bound) {
    return ls_random_below(ls_random(seed, LS_PURPOSE_TEST, 0, 0, (*next)++), bound);
}

static double draw_real(uint64_t seed, uint32_t *next) {
    return (double)draw(seed, next, UINT64_C(1) << 53) / (double)(1 + draw(seed, next, 1000000)) * 1e-12;
}

/* A text of all kinds of characters that YAML treats in its own way. */
static const char *draw_text(uint64_t seed, uint32_t *next, ls_pool *pool) {
    static const char *const pieces[] = {"a",    "Z",    "0",        "-",
                                         " ",    ":",    "#",        "\"",
                                         "'",    "\\",   "\n",       "\t",
                                         "{",    "]",    ",",        "&",
                                         "*",    "!",    "|",        ">",
                                         "%",    "@",    "\xc3\xa4", "\xe2\x80\xa8",
                                         "true", "~",    "\x01",     "\xf0\x9f\x98\x80",
                                         ".",    "/",    "\xc2\x85", "\xef\xbb\xbf",
                                         "\r",   "\x7f", "\xc2\x9e", "\xef\xbf\xbe"};
    ls_text text = {0};
    const char *copy = NULL;
    size_t length = draw(seed, next, 8);
    assert_works(ls_text_add(&text, "%s", ""));
    for (size_t i = 0; i < length; i++)
        assert_works(ls_text_add(&text, "%s", pieces[draw(seed, next, sizeof pieces / sizeof *pieces)]));
    assert_works(ls_pool_text(pool, text.bytes, &copy));
    ls_text_free(&text);
    return copy;
}

static void make_choice(const ls_family *family, uint64_t seed, uint32_t *next, ls_pool *pool, ls_choice *out) {
    size_t count = 0;
    while (family->types[count]) count++;
    out->type = family->types[draw(seed, next, count)];
    void *options = NULL, *common = NULL;
    assert_works(ls_pool_take(pool, 64, &options));
    assert_works(ls_pool_take(pool, 64, &common));
    out->options = options;
    out->common = common;
    if (out->type == &sample_sgd)
        *(sample_sgd_options *)options = (sample_sgd_options){1e-9 + draw_real(seed, next), 0.25, draw(seed, next, 2)};
    if (out->type == &sample_dense)
        *(sample_dense_options *)options = (sample_dense_options){1 + draw(seed, next, 64), draw(seed, next, 2)};
    if (out->type == &sample_normal) *(sample_normal_options *)options = (sample_normal_options){draw_real(seed, next)};
    if (out->type == &sample_constant)
        *(sample_constant_options *)options = (sample_constant_options){-draw_real(seed, next)};
    if (family == &sample_layers && draw(seed, next, 2)) ((sample_common *)common)->name = "layer_1";
}

static void make_sample(uint64_t seed, ls_pool *pool, sample *s) {
    uint32_t next = 0;
    static const double steps[] = {0, 60, 3600, 5400, 0.1, 86400, 1e6 + 1};
    *s = (sample){.batch = 1 + draw(seed, &next, 100), .batch_given = true, .microbatch = 1 + draw(seed, &next, 9)};
    if (draw(seed, &next, 3) == 0) s->batch = 0, s->batch_word = 1;
    s->microbatch_given = true;
    s->seed = draw(seed, &next, UINT64_MAX);
    s->shift = (int64_t)draw(seed, &next, 201) - 100;
    s->cache = draw(seed, &next, 4) << (10 * draw(seed, &next, 5));
    s->shuffle = (int)draw(seed, &next, 3);
    s->greeting = draw_text(seed, &next, pool);
    s->note = draw(seed, &next, 2) ? draw_text(seed, &next, pool) : NULL;
    s->every = (ls_duration){(double)draw(seed, &next, 50), draw(seed, &next, 2) ? LS_UNIT_STEPS : LS_UNIT_EPOCHS};
    s->pause = (ls_duration){steps[draw(seed, &next, 7)], draw(seed, &next, 2) ? LS_UNIT_SECONDS : LS_UNIT_NONE};
    static double scales[3];
    for (size_t i = 0; i < 3; i++) scales[i] = (double)draw(seed, &next, 1000003) / 1000003.0;
    s->scales = (ls_reals){draw(seed, &next, 4), scales};
    s->kernel[0] = 1 + draw(seed, &next, 9), s->kernel[1] = 1 + draw(seed, &next, 9);
    static const char *files[3], *keys[2] = {"left", "y"}, *values[2];
    for (size_t i = 0; i < 3; i++) files[i] = draw_text(seed, &next, pool);
    for (size_t i = 0; i < 2; i++) values[i] = draw_text(seed, &next, pool);
    s->files = (ls_texts){draw(seed, &next, 4), files};
    s->inputs = (ls_pairs){draw(seed, &next, 3), keys, values};
    make_choice(&sample_inits, seed, &next, pool, &s->init.weight);
    if (draw(seed, &next, 2)) make_choice(&sample_inits, seed, &next, pool, &s->init.bias);
    s->decay = (sample_decay){draw_real(seed, &next), draw(seed, &next, 2) ? draw_real(seed, &next) : 0};
    s->early_given = draw(seed, &next, 2);
    if (s->early_given) s->early = (sample_early){1 + draw(seed, &next, 9), draw_real(seed, &next)};
    static ls_choice layers[4];
    for (size_t i = 0; i < 4; i++) make_choice(&sample_layers, seed, &next, pool, &layers[i]);
    s->model = (ls_choices){1 + draw(seed, &next, 4), layers};
    make_choice(&sample_optimizers, seed, &next, pool, &s->optimizer);
    s->run = (sample_run){"runs/a b", draw(seed, &next, 2), 0};
    s->run.threads_word = s->run.threads == 0;
}

static void assert_same_choice(const ls_choice *a, const ls_choice *b) {
    assert_ptr_equal(a->type, b->type);
    if (a->type && a->type->options_size) assert_memory_equal(a->options, b->options, a->type->options_size);
}

static void assert_same_text(const char *a, const char *b) {
    assert_int_equal(a == NULL, b == NULL);
    if (a) assert_string_equal(a, b);
}

static void assert_same_sample(const sample *a, const sample *b) {
    assert_true(a->batch == b->batch && a->batch_word == b->batch_word && a->microbatch == b->microbatch);
    assert_true(a->batch_given == b->batch_given && a->microbatch_given == b->microbatch_given);
    assert_true(a->seed == b->seed && a->shift == b->shift && a->cache == b->cache && a->shuffle == b->shuffle);
    assert_same_text(a->greeting, b->greeting);
    assert_same_text(a->note, b->note);
    assert_true(a->every.value == b->every.value && a->every.unit == b->every.unit);
    assert_true(a->pause.value == b->pause.value && a->pause.unit == b->pause.unit);
    assert_int_equal(a->scales.count, b->scales.count);
    for (size_t i = 0; i < a->scales.count; i++) assert_true(a->scales.items[i] == b->scales.items[i]);
    assert_memory_equal(a->kernel, b->kernel, sizeof a->kernel);
    assert_int_equal(a->files.count, b->files.count);
    for (size_t i = 0; i < a->files.count; i++) assert_same_text(a->files.items[i], b->files.items[i]);
    assert_int_equal(a->inputs.count, b->inputs.count);
    for (size_t i = 0; i < a->inputs.count; i++) assert_same_text(a->inputs.values[i], b->inputs.values[i]);
    assert_same_choice(&a->init.weight, &b->init.weight);
    assert_same_choice(&a->init.bias, &b->init.bias);
    assert_memory_equal(&a->decay, &b->decay, sizeof a->decay);
    assert_true(a->early_given == b->early_given);
    assert_memory_equal(&a->early, &b->early, sizeof a->early);
    assert_int_equal(a->model.count, b->model.count);
    for (size_t i = 0; i < a->model.count; i++) {
        assert_same_choice(&a->model.items[i], &b->model.items[i]);
        assert_same_text(((const sample_common *)a->model.items[i].common)->name,
                         ((const sample_common *)b->model.items[i].common)->name);
    }
    assert_same_choice(&a->optimizer, &b->optimizer);
    assert_same_text(a->run.dir, b->run.dir);
    assert_true(a->run.threads == b->run.threads && a->run.threads_word == b->run.threads_word);
}

static void what_is_printed_binds_to_the_same(void **state) {
    for (uint64_t seed = 0; seed < 1000; seed++) {
        sample made, bound;
        ls_text out = {0};
        make_sample(seed, *state, &made);
        assert_works(ls_options_print(sample_rows, &made, 0, &out));
        ls_status status = bind(state, out.bytes, &bound);
        if (status != LS_OK) print_error("%s\n", out.bytes);
        assert_works(status);
        ls_text_free(&out);
        assert_same_sample(&made, &bound);
    }
}

static void the_example_prints_and_binds_to_the_same(void **state) {
    sample first, second;
    ls_text out = {0};
    assert_works(bind(state, example, &first));
    assert_works(ls_options_print(sample_rows, &first, 0, &out));
    assert_works(bind(state, out.bytes, &second));
    assert_same_sample(&first, &second);
    assert_int_equal(first.kernel[1], 5);
    assert_string_equal(first.note, "it's");
    ls_text_free(&out);
}

/* ---- bytes that somebody else chose ---- */

static void mutated_files_neither_crash_nor_leak(void **state) {
    (void)state;
    support_fuzz(example, sizeof example - 1, 5000, LLVMFuzzerTestOneInput);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pool, end_pool)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_node_knows_its_place),
        TEST(what_a_configuration_needs_not_is_refused),
        TEST(a_byte_order_mark_and_crlf_are_fine),
        TEST(sizes_are_limited),
        TEST(a_value_names_its_option),
        TEST(messages_point_at_the_mistake),
        TEST(the_reference_is_yaml),
        TEST(the_example_prints_and_binds_to_the_same),
        TEST(what_is_printed_binds_to_the_same),
        TEST(mutated_files_neither_crash_nor_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
