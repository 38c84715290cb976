#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/random.h"
#include "support.h"

static uint64_t draw(uint64_t seed, uint32_t *next, uint64_t bound) {
    return ls_random_below(ls_random(seed, LS_PURPOSE_TEST, 0, 0, (*next)++), bound);
}

size_t support_mutate(uint64_t seed, uint8_t *bytes, size_t length, size_t space) {
    static const char spice[] = "{}[]:,#&*!|>'\"%@-? \n\t\\~0123456789\xff\xc3";
    uint32_t next = 0;
    size_t changes = 1 + draw(seed, &next, 6);
    for (size_t i = 0; i < changes && length > 0; i++) {
        size_t at = draw(seed, &next, length);
        switch (draw(seed, &next, 5)) {
        case 0: bytes[at] = (uint8_t)draw(seed, &next, 256); break;
        case 1: bytes[at] = (uint8_t)spice[draw(seed, &next, sizeof spice - 1)]; break;
        case 2: length = at; break;
        case 3: memmove(bytes + at, bytes + at + 1, --length - at); break;
        default: {
            size_t count = draw(seed, &next, 40), from = draw(seed, &next, length);
            if (count > length - from) count = length - from;
            if (length + count > space) break;
            memmove(bytes + at + count, bytes + at, length - at);
            memmove(bytes + at, bytes + from, count);
            length += count;
        }
        }
    }
    return length;
}

void support_fuzz(const void *bytes, size_t length, uint64_t mutations, int (*entry)(const uint8_t *, size_t)) {
    size_t space = 2 * length + 64;
    uint8_t *work = malloc(space);
    assert_non_null(work);
    for (uint64_t seed = 0; seed < mutations; seed++) {
        memcpy(work, bytes, length);
        size_t now = support_mutate(seed, work, length, space);
        /* Exactly as long as the input, so that a sanitizer sees every read beyond it. */
        uint8_t *exact = malloc(now ? now : 1);
        assert_non_null(exact);
        memcpy(exact, work, now);
        assert_int_equal(entry(exact, now), 0);
        free(exact);
    }
    free(work);
}

void support_fuzz_file(const uint8_t *bytes, size_t length, void (*use)(const char *path)) {
    const char *base = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/lockstep-fuzz-XXXXXX", base ? base : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length) abort();
    close(fd);
    use(path);
    unlink(path);
}
