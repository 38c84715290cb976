#include "support.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/report.h"

/*
 * A reader of event files that shares nothing with the writer: CRC32C bit by bit, messages by a recursive walk.
 */
static uint32_t crc32c(const unsigned char *bytes, size_t length) {
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}

static uint32_t unmask(uint32_t masked) {
    uint32_t rotated = masked - UINT32_C(0xa282ead8);
    return (rotated >> 17) | (rotated << 15);
}

typedef struct scalar {
    char tag[64];
    float number;
    uint64_t step;
} scalar;

typedef struct events {
    size_t records, scalars;
    scalar scalar[64];
    uint64_t step; /* of the record being read */
    char version[32];
} events;

enum { IN_EVENT, IN_SUMMARY, IN_VALUE };

static uint64_t varint(const unsigned char **at) {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        unsigned char byte = *(*at)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
}

static void walk(events *e, int kind, const unsigned char *at, size_t length) {
    const unsigned char *end = at + length;
    while (at < end) {
        uint64_t key = varint(&at);
        if (key == (2 << 3 | 0) && kind == IN_EVENT) {
            e->step = varint(&at);
        } else if ((key & 7) == 1) {
            at += 8;
        } else if (key == (2 << 3 | 5) && kind == IN_VALUE) {
            memcpy(&e->scalar[e->scalars].number, at, 4);
            e->scalar[e->scalars].step = e->step;
            e->scalars++;
            at += 4;
        } else {
            assert_int_equal(key & 7, 2);
            uint64_t size = varint(&at);
            if (kind == IN_EVENT && key >> 3 == 3) memcpy(e->version, at, size);
            if (kind == IN_EVENT && key >> 3 == 5) walk(e, IN_SUMMARY, at, size);
            if (kind == IN_SUMMARY) walk(e, IN_VALUE, at, size);
            if (kind == IN_VALUE) memcpy(e->scalar[e->scalars].tag, at, size);
            at += size;
        }
    }
    assert_ptr_equal(at, end);
}

static void read_file(const char *path, events *e) {
    static unsigned char bytes[65536];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t at = 0; at < length;) {
        uint64_t size;
        uint32_t crc;
        memcpy(&size, bytes + at, 8);
        memcpy(&crc, bytes + at + 8, 4);
        assert_int_equal(unmask(crc), crc32c(bytes + at, 8));
        assert_true(size <= length - at - 16);
        memcpy(&crc, bytes + at + 12 + size, 4);
        assert_int_equal(unmask(crc), crc32c(bytes + at + 12, size));
        e->step = 0;
        walk(e, IN_EVENT, bytes + at + 12, size);
        e->records++;
        at += 16 + size;
    }
}

/* The only event file of a folder. */
static const char *the_file(const char *folder) {
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    const char *path = NULL;
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_name[0] == '.') continue;
        assert_null(path);
        path = support_path(folder, entry->d_name);
    }
    closedir(entries);
    assert_non_null(path);
    return path;
}

static int set_up(void **state) {
    *state = support_make_folder();
    return 0;
}

static int tear_down(void **state) {
    support_remove_folder(*state);
    return 0;
}

static void needs_library(void) {
    if (!ls_tensorboard_missing()) return;
    print_message("skipped: %s\n", ls_tensorboard_missing());
    skip();
}

static void the_reader_knows_the_check_value(void **state) {
    (void)state;
    assert_int_equal(crc32c((const unsigned char *)"123456789", 9), 0xE3069283);
}

static void write_some(const char *folder, uint64_t last_step) {
    ls_tensorboard *board = NULL;
    assert_works(ls_tensorboard_open(folder, last_step, &board));
    for (uint64_t step = 100; step <= 300; step += 100) {
        const ls_value values[] = {{"loss", 0.5, NULL}, {"note", 0, "no number"}, {"accuracy", 0.25, NULL}};
        const ls_event eval = {.event = "eval", .step = step, .set = "valid", .count = 3, .values = values};
        assert_works(ls_tensorboard_write(board, &eval));
        const ls_event line = {.event = "step", .step = step, .count = 1, .values = values};
        assert_works(ls_tensorboard_write(board, &line));
        const ls_event silent = {.event = "save", .step = step};
        assert_works(ls_tensorboard_write(board, &silent)); /* no number, no record */
    }
    assert_works(ls_tensorboard_close(board));
}

static void records_read_back(void **state) {
    needs_library();
    const char *folder = support_path(*state, "tensorboard");
    write_some(folder, LS_REPORT_KEEP_NONE);
    events e = {0};
    read_file(the_file(folder), &e);
    assert_int_equal(e.records, 7);
    assert_string_equal(e.version, "brain.Event:2");
    assert_int_equal(e.scalars, 9);
    assert_string_equal(e.scalar[0].tag, "valid/loss");
    assert_true(e.scalar[0].number == 0.5f);
    assert_string_equal(e.scalar[1].tag, "valid/accuracy");
    assert_int_equal(e.scalar[1].step, 100);
    assert_string_equal(e.scalar[8].tag, "step/loss");
    assert_int_equal(e.scalar[8].step, 300);
}

/* What an older start left: kept up to the step, whatever is torn or later cut. */
static void older_files_are_cut(void **state) {
    needs_library();
    const char *folder = support_path(*state, "tensorboard");
    write_some(folder, LS_REPORT_KEEP_NONE);
    const char *old = support_path(folder, "events.out.tfevents.0000000001.old.1");
    assert_int_equal(rename(the_file(folder), old), 0);
    ls_tensorboard *board = NULL;
    assert_works(ls_tensorboard_open(folder, 200, &board));
    assert_works(ls_tensorboard_close(board));
    events e = {0};
    read_file(old, &e);
    assert_int_equal(e.records, 5);
    assert_int_equal(e.scalar[e.scalars - 1].step, 200);

    FILE *file = fopen(old, "ab");
    assert_non_null(file);
    fwrite("\x10\0\0\0\0\0\0\0torn", 1, 12, file);
    fclose(file);
    assert_works(ls_tensorboard_open(folder, LS_REPORT_KEEP_ALL, &board));
    assert_works(ls_tensorboard_close(board));
    e = (events){0};
    read_file(old, &e);
    assert_int_equal(e.records, 5);

    assert_works(ls_tensorboard_open(folder, LS_REPORT_KEEP_NONE, &board));
    assert_works(ls_tensorboard_close(board));
    assert_int_not_equal(access(old, F_OK), 0);
}

static void a_folder_that_cannot_be_made_is_refused(void **state) {
    needs_library();
    ls_tensorboard *board = NULL;
    assert_refuses(ls_tensorboard_open(support_path(*state, "no/folder"), 0, &board), LS_ERR_IO, "no/folder");
    assert_null(board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reader_knows_the_check_value),
        cmocka_unit_test_setup_teardown(records_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(older_files_are_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
