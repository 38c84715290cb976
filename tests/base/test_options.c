#include "support.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/options_inner.h"
#include "lockstep/random.h"
#include "sample_rows.h"

typedef struct fixture {
    ls_pool *pool;
} fixture;

static int make_pool(void **state) {
    static fixture f;
    assert_works(ls_pool_create(&f.pool));
    *state = &f;
    return 0;
}

static int end_pool(void **state) {
    ls_pool_destroy(((fixture *)*state)->pool);
    return 0;
}

/* Documents are written in flow style; all nodes stand at t.yaml:1:1. */
static ls_document *flow(void **state, const char *text) {
    ls_document *document = NULL;
    assert_works(ls__flow_read(((fixture *)*state)->pool, (ls_place){"t.yaml", 1, 1}, text, &document));
    return document;
}

static ls_status bind(void **state, const char *text, sample *out) {
    *out = (sample){0};
    return ls_options_bind(sample_rows, "the configuration", flow(state, text), ((fixture *)*state)->pool, out);
}

/* Binds a document to which whatever else is required has been added. */
static ls_status bind_completed(void **state, const char *text) {
    static const struct {
        const char *key, *value;
    } required[] = {{"batch", "8"}, {"model", "relu"}, {"optimizer", "sgd"}, {"run", "{dir: d}"}};
    sample ignored = {0};
    ls_pool *pool = ((fixture *)*state)->pool;
    ls_document *root = flow(state, text);
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (!ls_document_find(root, required[i].key))
            assert_works(ls_document_put(pool, root, required[i].key, (ls_place){0}, flow(state, required[i].value)));
    return ls_options_bind(sample_rows, "the configuration", root, pool, &ignored);
}

static ls_status bind_fails(void **state, const char *text) {
    sample ignored;
    return bind(state, text, &ignored);
}

/* What stands around the key under test: everything that is required. */
#define REST "batch: 8, model: [relu], optimizer: sgd, run: {dir: d}"

/* ---- numbers ---- */

static void reals_are_strict(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},      {"1e-4", 1e-4}, {".5", 0.5},      {"1.", 1},    {"-3", -3},         {"1e3", 1000},
                {"0.05", .05}, {"1E+2", 100},  {"-.5e-1", -.05}, {"0.1e1", 1}, {"5e-324", 5e-324}, {"0e5", 0}};
    static const char *const bad[] = {"",    " ",    "abc", "0.1abc", "0x10",   "010", "00",   "-010",     "nan",
                                      "inf", "-inf", "+1",  "1 ",     " 1",     "1e",  "1e+",  "e5",       ".",
                                      "-",   "1_0",  "1,5", "1e999",  "1e-999", "--1", "1..2", "infinity", "0x1p3"};
    double value = 7;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(ls_parse_real(good[i].text, &value));
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ls_parse_real(bad[i], &value)) fail_msg("\"%s\" was taken for a number", bad[i]);
}

static void whole_numbers_are_strict(void **state) {
    (void)state;
    static const char *const bad[] = {"", "-", "+1", "01", "1.0", "1e3", "0x1", " 1", "1 ", "18446744073709551616"};
    size_t count = 0;
    int64_t integer = 0;
    assert_true(ls_parse_count("18446744073709551615", &count) && count == SIZE_MAX);
    assert_true(ls_parse_count("0", &count) && count == 0);
    assert_false(ls_parse_count("-1", &count));
    assert_true(ls_parse_integer("-9223372036854775808", &integer) && integer == INT64_MIN);
    assert_true(ls_parse_integer("9223372036854775807", &integer) && integer == INT64_MAX);
    assert_false(ls_parse_integer("9223372036854775808", &integer));
    assert_false(ls_parse_integer("-9223372036854775809", &integer));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(ls_parse_count(bad[i], &count));
        assert_false(ls_parse_integer(bad[i], &integer));
    }
}

static void durations_and_sizes_have_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
        ls_unit unit;
    } good[] = {{"10ep", 10, LS_UNIT_EPOCHS},    {"500st", 500, LS_UNIT_STEPS}, {"90s", 90, LS_UNIT_SECONDS},
                {"15min", 900, LS_UNIT_SECONDS}, {"2h", 7200, LS_UNIT_SECONDS}, {"1d", 86400, LS_UNIT_SECONDS},
                {"0.5ep", 0.5, LS_UNIT_EPOCHS}};
    static const char *const bad[] = {"",   "7",    "ep",   "-5s",  "1.5st", "5 s",
                                      "5m", "5sec", "010s", "nans", "5ss",   "1e308h"};
    ls_duration duration;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(ls_parse_duration(good[i].text, &duration));
        assert_true(duration.value == good[i].value && duration.unit == good[i].unit);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ls_parse_duration(bad[i], &duration)) fail_msg("\"%s\" was taken for a duration", bad[i]);
    size_t bytes = 0;
    assert_true(ls_parse_bytes("512MB", &bytes) && bytes == 512000000);
    assert_true(ls_parse_bytes("64MiB", &bytes) && bytes == 64 << 20);
    assert_true(ls_parse_bytes("1.5GB", &bytes) && bytes == 1500000000);
    assert_true(ls_parse_bytes("4096", &bytes) && bytes == 4096);
    static const char *const no_sizes[] = {"", "MB", "-1", "1.5", "0.3B", "1mb", "1 MB", "1e300TB", "99999999TiB"};
    for (size_t i = 0; i < sizeof no_sizes / sizeof *no_sizes; i++) assert_false(ls_parse_bytes(no_sizes[i], &bytes));
}

static void reals_print_shortest_and_read_back(void **state) {
    (void)state;
    char out[LS_REAL_SPACE];
    static const struct {
        double value;
        const char *text;
    } known[] = {{0.05, "0.05"}, {1e-5, "1e-05"}, {0, "0"}, {-0.0, "-0"}, {0.1 + 0.2, "0.30000000000000004"},
                 {30, "30"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ls_real_print(known[i].value, out);
        assert_string_equal(out, known[i].text);
    }
    for (uint64_t i = 0; i < 20000; i++) {
        ls_draw draw = ls_random(5, LS_PURPOSE_TEST, 0, i, 0);
        uint64_t bits = (uint64_t)draw.word[0] << 32 | draw.word[1];
        double value, back = 0;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        ls_real_print(value, out);
        if (!ls_parse_real(out, &back)) fail_msg("%s does not read back", out);
        assert_memory_equal(&value, &back, sizeof value);
    }
}

static void numbers_do_not_depend_on_the_locale(void **state) {
    if (!setlocale(LC_ALL, "de_DE.UTF-8")) skip();
    char out[LS_REAL_SPACE];
    double value = 0;
    ls_real_print(0.5, out);
    bool parsed = ls_parse_real("0.5", &value);
    setlocale(LC_ALL, "C");
    assert_string_equal(out, "0.5");
    assert_true(parsed && value == 0.5);
    (void)state;
}

static void the_nearest_word_is_near(void **state) {
    (void)state;
    static const char *const words[] = {"learning_rate", "momentum", "sgd", "relu", "nesterov", NULL};
    assert_string_equal(ls_nearest("lerning_rate", words), "learning_rate");
    assert_string_equal(ls_nearest("learning-rate", words), "learning_rate");
    assert_string_equal(ls_nearest("momentmu", words), "momentum");
    assert_string_equal(ls_nearest("sdg", words), "sgd");
    assert_string_equal(ls_nearest("ReLU", words), "relu");
    assert_null(ls_nearest("adam", words));
    assert_null(ls_nearest("", words));
    assert_null(ls_nearest("x", words));
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[299] = '\0';
    assert_null(ls_nearest(longest, words));
}

/* ---- binding ---- */

static void defaults_fill_what_is_not_given(void **state) {
    sample s;
    assert_works(bind(state, "{" REST "}", &s));
    assert_int_equal(s.batch, 8);
    assert_true(s.batch_given);
    assert_int_equal(s.batch_word, 0);
    assert_int_equal(s.microbatch, 32);
    assert_false(s.microbatch_given);
    assert_true(s.seed == 1);
    assert_true(s.cache == 1000000);
    assert_true(s.optimizer.type == &sample_sgd);
    const sample_sgd_options *sgd = s.optimizer.options;
    assert_true(sgd->learning_rate == 0.01 && sgd->momentum == 0 && !sgd->nesterov);
    assert_int_equal(s.model.count, 1);
    assert_true(s.model.items[0].type == &sample_relu);
    assert_true(s.init.weight.type == &sample_normal);
    assert_true(((const sample_normal_options *)s.init.weight.options)->std == 0.1);
    assert_null(s.init.bias.type);
    assert_true(s.every.unit == LS_UNIT_EPOCHS && s.every.value == 1);
    assert_int_equal(s.scales.count, 2);
    assert_true(s.scales.items[1] == 0.5);
    assert_int_equal(s.kernel[0], 3);
    assert_int_equal(s.kernel[1], 5);
    assert_string_equal(s.greeting, "hello, \"you\"");
    assert_null(s.note);
    assert_int_equal(s.shuffle, 0);
    assert_int_equal(s.run.threads_word, 1);
    assert_false(s.early_given);
}

static void every_form_of_a_choice_binds(void **state) {
    sample s;
    assert_works(bind(state,
                      "{batch: full, optimizer: {sgd: {learning_rate: 1e-3, momentum: .5, nesterov: true}},"
                      " model: [{dense: {units: 4, name: a}}, relu, {dense: 7}, {relu: {name: b}}],"
                      " run: {dir: d, threads: 3}, init: {constant: 2}, decay: 0.25}",
                      &s));
    assert_int_equal(s.batch_word, 1);
    assert_int_equal(s.batch, 0);
    assert_int_equal(s.model.count, 4);
    assert_int_equal(((const sample_dense_options *)s.model.items[0].options)->units, 4);
    assert_string_equal(((const sample_common *)s.model.items[0].common)->name, "a");
    assert_null(((const sample_common *)s.model.items[1].common)->name);
    assert_int_equal(((const sample_dense_options *)s.model.items[2].options)->units, 7);
    assert_string_equal(((const sample_common *)s.model.items[3].common)->name, "b");
    assert_true(s.init.weight.type == &sample_constant);
    assert_true(((const sample_constant_options *)s.init.weight.options)->value == 2);
    assert_true(s.decay.value == 0.25);
    assert_int_equal(s.run.threads, 3);
    assert_int_equal(s.run.threads_word, 0);

    assert_works(bind(state, "{batch: \"full\", model: [relu], optimizer: sgd, run: {dir: d}}", &s));
    assert_int_equal(s.batch_word, 1);

    assert_works(bind(state, "{" REST ", init: {weight: {normal: {std: 2}}, bias: zeros}, decay: {lambda: 5}}", &s));
    assert_true(((const sample_normal_options *)s.init.weight.options)->std == 2);
    assert_true(s.init.bias.type == &sample_zeros);
    assert_true(s.decay.value == 0 && s.decay.lambda == 5);

    assert_works(bind(state, "{batch: 8, model: {dense: 3}, optimizer: sgd, run: {dir: d}, kernel: 2, files: f}", &s));
    assert_int_equal(s.model.count, 1);
    assert_int_equal(s.kernel[0], 2);
    assert_int_equal(s.kernel[1], 2);
    assert_int_equal(s.files.count, 1);
}

static void the_user_is_told_apart_from_the_default(void **state) {
    sample s;
    assert_works(bind(state, "{" REST ", microbatch: 32, early: {patience: 3}}", &s));
    assert_true(s.microbatch_given);
    assert_string_equal(s.microbatch_place.file, "t.yaml");
    assert_true(s.early_given);
    assert_int_equal(s.early.patience, 3);
    assert_true(s.early.delta == 0.5);
}

static void wrong_values_are_refused(void **state) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"optimizer: {sgd: {learning_rate: fast}}",
         "t.yaml:1:1: optimizer.sgd.learning_rate: \"fast\" is not a number; allowed: a number above 0"},
        {"optimizer: {sgd: {momentum: 1.5}}",
         "optimizer.sgd.momentum: \"1.5\" is out of range; allowed: a number at least 0 and below 1"},
        {"optimizer: {sgd: {momentum: \"0.5\"}}", "is a text for its quotes"},
        {"optimizer: {sgd: {lerning_rate: 1}}", "t.yaml:1:1: unknown key \"lerning_rate\" in sgd; did you mean "
                                                "\"learning_rate\"? allowed: learning_rate, momentum, nesterov"},
        {"optimizer: {sgd: {nesterov: yes}}",
         "optimizer.sgd.nesterov: \"yes\" is not a boolean; allowed: true or false"},
        {"optimizer: {sgd: {nesterov: True}}", "is not a boolean"},
        {"optimizer: sdg", "optimizer: unknown optimizer \"sdg\"; did you mean \"sgd\"? allowed: sgd, plain"},
        {"optimizer: {sgd: {}, plain: {}}", "a second name \"plain\" beside \"sgd\""},
        {"optimizer: {sgd: {}, momentum: 0}", "\"momentum\" is an option of sgd and stands inside its braces"},
        {"optimizer: [sgd]", "optimizer: a list is no choice"},
        {"optimizer: {}", "is no choice"},
        {"optimizer: {sgd: 0.1}", "optimizer.sgd: its options stand in braces"},
        {"optimizer: {plain: 0.1}", "optimizer.plain: takes no options; write the name alone"},
        {"optimizer: {plain: {a: 1}}", "unknown key \"a\" in plain, which takes no options"},
        {"model: [{dense: {}}]", "model.0.dense: missing required key \"units\": number of outputs"},
        {"model: [relu, dense]", "model.1.dense: missing required key \"units\""},
        {"model: []", "model: a list is empty"},
        {"model: [{dense: {units: 0}}]",
         "model.0.dense.units: \"0\" is out of range; allowed: a whole number from 1 to 64"},
        {"model: [{dense: 010}]", "\"010\" is not a whole number"},
        {"model: [{dense: 1e1}]", "\"1e1\" is not a whole number"},
        {"model: [{relu: {name: a b}}]", "\"a b\" is not a name"},
        {"batch: ful",
         "batch: \"ful\" is not a whole number, written in digits; allowed: a whole number at least 1; or full"},
        {"batch: [1]", "batch: a list cannot stand here"},
        {"shuffle: fulll", "shuffle: \"fulll\" is not known (did you mean \"full\"?); allowed: auto, full, none"},
        {"every: 5min", "every: \"5min\" is not such a duration; allowed: a duration like 10ep, 500st"},
        {"cache: 5mb", "cache: \"5mb\" is not a size"},
        {"scales: 1", "scales: \"1\" is not a list"},
        {"scales: [1, 2]", "scales: \"2\" is out of range; allowed: a list of numbers from 0 to 1"},
        {"kernel: [1, 2, 3]", "kernel: a list of another length than two"},
        {"inputs: [a]", "inputs: a list is not a map"},
        {"inputs: {a b: c}", "inputs.a b: \"c\" stands under a key that is no name"},
        {"init: {wieght: zeros}", "unknown key \"wieght\" in init; did you mean \"weight\"?"},
        {"init: normle", "init.weight: unknown initialisation \"normle\"; did you mean \"normal\"?"},
        {"bacth: 3", "unknown key \"bacth\" in the configuration; did you mean \"batch\"?"},
        {"early: {}", "early: missing required key \"patience\""},
        {"seed: 1.5", "seed: \"1.5\" is not a whole number of 64 bits"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "{%s}", cases[i].text);
        assert_refuses(bind_completed(state, text), LS_ERR_CONFIG, cases[i].words);
    }
    assert_refuses(
        bind_fails(state, "{model: [relu], optimizer: sgd, run: {dir: d}}"), LS_ERR_CONFIG,
        "the configuration: missing required key \"batch\": samples per step; allowed: a whole number at least 1");
    assert_refuses(bind_fails(state, "{batch: 1, model: [relu], optimizer: sgd, run: {}}"), LS_ERR_CONFIG,
                   "run: missing required key \"dir\"");
    assert_refuses(bind_fails(state, "[a]"), LS_ERR_CONFIG, "t.yaml:1:1: the configuration: a map of KEY: VALUE");
}

static void seeds_are_any_64_bits(void **state) {
    sample s;
    assert_works(bind(state, "{" REST ", seed: -1}", &s));
    assert_true(s.seed == UINT64_MAX);
    assert_works(bind(state, "{" REST ", seed: 18446744073709551615}", &s));
    assert_true(s.seed == UINT64_MAX);
}

static void a_choice_can_be_made_without_a_document(void **state) {
    ls_pool *pool = ((fixture *)*state)->pool;
    ls_choice choice;
    assert_works(ls_choice_make(&sample_optimizers, &sample_sgd, pool, &choice));
    assert_true(((const sample_sgd_options *)choice.options)->learning_rate == 0.01);
    assert_refuses(ls_choice_make(&sample_layers, &sample_dense, pool, &choice), LS_ERR_CONFIG,
                   "layer.dense: missing required key \"units\"");
    assert_works(ls_choice_bind(&sample_layers, flow(state, "{dense: 5}"), pool, &choice));
    assert_int_equal(((const sample_dense_options *)choice.options)->units, 5);
    assert_null(ls_family_find(&sample_layers, "Dense"));
}

/* ---- setting ---- */

static ls_status set(void **state, ls_document *root, const char *path, const char *value) {
    ls_document *node = NULL;
    ls_pool *pool = ((fixture *)*state)->pool;
    assert_works(ls__flow_read(pool, (ls_place){"--set", 0, 0}, value, &node));
    return ls_options_set(sample_rows, pool, root, path, node);
}

static void a_path_sets_what_it_names(void **state) {
    ls_document *root =
        flow(state, "{batch: 8, model: [relu, {dense: 4}], optimizer: plain, run: {dir: d}, decay: 0.5}");
    assert_works(set(state, root, "batch", "16"));
    assert_works(set(state, root, "optimizer.sgd.momentum", "0.5"));
    assert_works(set(state, root, "optimizer.sgd.learning_rate", "2"));
    assert_works(set(state, root, "model.0.relu.name", "r"));
    assert_works(set(state, root, "model.1.dense.bias", "false"));
    assert_works(set(state, root, "run.threads", "4"));
    assert_works(set(state, root, "early.patience", "9"));
    assert_works(set(state, root, "decay.lambda", "5"));
    assert_works(set(state, root, "init.normal.std", "3"));
    assert_works(set(state, root, "inputs.left", "x1"));
    assert_works(set(state, root, "kernel.1", "9"));
    sample s = {0};
    assert_works(ls_options_bind(sample_rows, "the configuration", root, ((fixture *)*state)->pool, &s));
    assert_int_equal(s.batch, 16);
    const sample_sgd_options *sgd = s.optimizer.options;
    assert_true(s.optimizer.type == &sample_sgd && sgd->momentum == 0.5 && sgd->learning_rate == 2);
    assert_string_equal(((const sample_common *)s.model.items[0].common)->name, "r");
    const sample_dense_options *dense = s.model.items[1].options;
    assert_true(dense->units == 4 && !dense->bias);
    assert_int_equal(s.run.threads, 4);
    assert_int_equal(s.early.patience, 9);
    assert_true(s.decay.value == 0.5 && s.decay.lambda == 5);
    assert_true(((const sample_normal_options *)s.init.weight.options)->std == 3);
    assert_string_equal(s.inputs.values[0], "x1");
    assert_true(s.kernel[0] == 3 && s.kernel[1] == 9);
}

static void naming_another_kind_replaces_the_choice(void **state) {
    ls_document *root = flow(state, "{" REST "}");
    assert_works(set(state, root, "optimizer.sgd.momentum", "0.5"));
    assert_works(set(state, root, "optimizer", "plain"));
    assert_string_equal(ls_document_find(root, "optimizer")->text, "plain");
    assert_works(set(state, root, "optimizer.sgd.learning_rate", "2"));
    assert_works(set(state, root, "model.0.dense.units", "2"));
    assert_works(set(state, root, "model.0.dense", "{units: 3}"));
    sample s = {0};
    assert_works(ls_options_bind(sample_rows, "the configuration", root, ((fixture *)*state)->pool, &s));
    assert_true(((const sample_sgd_options *)s.optimizer.options)->momentum == 0);
    assert_int_equal(((const sample_dense_options *)s.model.items[0].options)->units, 3);
}

static void paths_that_lead_nowhere_are_refused(void **state) {
    static const struct {
        const char *path, *words;
    } cases[] = {
        {"", "\"\" is no path"},
        {"a..b", "is no path"},
        {"bacth", "--set: unknown key \"bacth\" in the configuration; did you mean \"batch\"?"},
        {"optimizer.sdg.momentum", "optimizer: unknown optimizer \"sdg\"; did you mean \"sgd\"?"},
        {"optimizer.sgd.momentun", "unknown key \"momentun\" in sgd; did you mean \"momentum\"?"},
        {"model.7.dense.units", "model: has no item 7; it has 2, counted from 0"},
        {"model.dense.units", "model: is a list of 2; say which one by its number from 0, not by \"dense\""},
        {"batch.x", "batch: is a single value; nothing stands inside it"},
        {"optimizer.sgd.momentum.x", "optimizer.sgd.momentum: is a single value"},
        {"files.0.x", "files.0: is a single value"},
        {"files.0", "files: has no item 0; it has 0"},
        {"kernel.2", "kernel: has no item 2; it has 2"},
    };
    ls_document *root = flow(state, "{batch: 1, model: [relu, relu], optimizer: sgd, run: {dir: d}}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refuses(set(state, root, cases[i].path, "1"), LS_ERR_CONFIG, cases[i].words);
}

/* ---- printing ---- */

static void a_choice_prints_in_one_line(void **state) {
    ls_pool *pool = ((fixture *)*state)->pool;
    static const char *const lines[] = {
        "relu",
        "{relu: {name: a}}",
        "{dense: {units: 4, bias: true}}",
        "{dense: {units: 64, bias: false, name: hidden_1}}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ls_choice choice;
        ls_text out = {0};
        assert_works(ls_choice_bind(&sample_layers, flow(state, lines[i]), pool, &choice));
        assert_works(ls_choice_print(&sample_layers, &choice, &out));
        assert_string_equal(out.bytes, lines[i]);
        ls_text_free(&out);
    }
}

static void the_resolved_configuration_reads_well(void **state) {
    sample s;
    ls_text out = {0};
    assert_works(bind(state,
                      "{batch: full, model: [{dense: {units: 64}}, relu], optimizer: sgd, run: {dir: runs/a},"
                      " inputs: {left: x1}, every: 15ep}",
                      &s));
    assert_works(ls_options_print(sample_rows, &s, 0, &out));
    assert_string_equal(out.bytes, "batch: full\n"
                                   "# microbatch: 32\n"
                                   "seed: 1\n"
                                   "cache: 1MB\n"
                                   "shuffle: auto\n"
                                   "greeting: \"hello, \\\"you\\\"\"\n"
                                   "every: 15ep\n"
                                   "scales: [1, 0.5]\n"
                                   "kernel: [3, 5]\n"
                                   "inputs: {\"left\": x1}\n"
                                   "init:\n"
                                   "  weight: {normal: {std: 0.1}}\n"
                                   "decay:\n"
                                   "  value: 0\n"
                                   "model:\n"
                                   "  - dense: {units: 64, bias: true}\n"
                                   "  - relu\n"
                                   "optimizer: {sgd: {learning_rate: 0.01, momentum: 0, nesterov: false}}\n"
                                   "run:\n"
                                   "  dir: runs/a\n"
                                   "  threads: auto\n");
    ls_text_free(&out);
}

static void texts_print_so_that_they_stay_texts(void **state) {
    (void)state;
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"digits.h5:/train", "digits.h5:/train"},
        {"", "\"\""},
        {"true", "\"true\""},
        {"12", "\"12\""},
        {"a b", "\"a b\""},
        {"a:", "\"a:\""},
        {"#x", "\"#x\""},
        {"- a", "\"- a\""},
        {"a\"b\\c\n\x01", "\"a\\\"b\\\\c\\n\\x01\""},
        {"\xc3\xa4", "\"\xc3\xa4\""},
        {"x\xe2\x80\xa8y", "\"x\\Ly\""},
        {"\xc2\x9ex\xef\xbf\xbf", "\"\\x9ex\\uFFFF\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ls_text out = {0};
        assert_works(ls__print_text(cases[i].text, false, &out));
        assert_string_equal(out.bytes, cases[i].printed);
        ls_text_free(&out);
    }
}

/* ---- reference, explanation ---- */

static void the_reference_names_everything(void **state) {
    (void)state;
    ls_text out = {0};
    assert_works(ls_options_reference(sample_rows, 0, &out));
    static const char *const lines[] = {
        "# samples per step\n# required; allowed: a whole number at least 1; or full\n# batch:\n",
        "# the grain of a step\n# default 32; allowed: a whole number at least 1\nmicrobatch: 32\n",
        ("#   # gradient descent\n#   sgd:\n#     # step size\n#     # default 0.01; allowed: a number above 0\n"
         "#     learning_rate: 0.01\n"),
        "#   # max(0, z)\n#   - relu\n",
        "#   # every layer also takes\n#       # its name\n",
        "run:\n  # where the run writes\n  # required; allowed: a text\n  # dir:\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(out.bytes, lines[i])) fail_msg("the reference lacks\n%s\nit is\n%s", lines[i], out.bytes);
    ls_text_free(&out);
}

static ls_status explain(const char *path, const char *words) {
    ls_text out = {0};
    ls_status status = ls_options_explain(sample_rows, path, &out);
    if (status == LS_OK && !strstr(out.bytes, words)) fail_msg("%s lacks \"%s\"", out.bytes, words);
    ls_text_free(&out);
    return status;
}

static void a_key_is_explained(void **state) {
    (void)state;
    assert_works(explain("optimizer.sgd.momentum", "optimizer.sgd.momentum\n    share of the velocity that is kept\n"
                                                   "    default 0; allowed: a number at least 0 and below 1\n"));
    assert_works(explain("optimizer", "sgd                  gradient descent"));
    assert_works(explain("optimizer.sgd", "momentum             share of the velocity that is kept (0)"));
    assert_works(explain("model.0.dense.units", "required, may stand alone; allowed: a whole number from 1 to 64"));
    assert_works(explain("model.dense.name", "its name"));
    assert_works(explain("init.normal.std", "standard deviation"));
    assert_works(explain("run", "threads "));
    assert_works(explain("decay", "a map; a value without keys means value"));
    assert_refuses(explain("optimizer.sgd.momentun", ""), LS_ERR_USAGE, "did you mean \"momentum\"?");
    assert_refuses(explain("optimzer", ""), LS_ERR_USAGE, "did you mean \"optimizer\"?");
    assert_refuses(explain("optimizer.sdg", ""), LS_ERR_USAGE, "did you mean \"sgd\"?");
    assert_refuses(explain("batch.x", ""), LS_ERR_USAGE, "is a single value");
    assert_refuses(explain("", ""), LS_ERR_USAGE, "no path");
    assert_refuses(explain("run..dir", ""), LS_ERR_USAGE, "no path");
}

static void defaults_that_cannot_be_read_are_refused(void **state) {
    static const char *const bad[] = {"",    "[1, 2", "{a: 1",  "{a}",          "[1] 2",
                                      "\"a", "\"a\\", "[1,,2]", "{a: 1, a: 2}", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1"};
    ls_document *document = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refuses(ls__flow_read(((fixture *)*state)->pool, (ls_place){0}, bad[i], &document), LS_ERR_CONFIG,
                       "cannot be read");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pool, end_pool)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reals_are_strict),
        TEST(whole_numbers_are_strict),
        TEST(durations_and_sizes_have_units),
        TEST(reals_print_shortest_and_read_back),
        TEST(numbers_do_not_depend_on_the_locale),
        TEST(the_nearest_word_is_near),
        TEST(defaults_fill_what_is_not_given),
        TEST(every_form_of_a_choice_binds),
        TEST(the_user_is_told_apart_from_the_default),
        TEST(wrong_values_are_refused),
        TEST(seeds_are_any_64_bits),
        TEST(a_choice_can_be_made_without_a_document),
        TEST(a_path_sets_what_it_names),
        TEST(naming_another_kind_replaces_the_choice),
        TEST(paths_that_lead_nowhere_are_refused),
        TEST(a_choice_prints_in_one_line),
        TEST(the_resolved_configuration_reads_well),
        TEST(texts_print_so_that_they_stay_texts),
        TEST(the_reference_names_everything),
        TEST(a_key_is_explained),
        TEST(defaults_that_cannot_be_read_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
