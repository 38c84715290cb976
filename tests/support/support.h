/*
 * support.h: what every test includes: cmocka, and words for statuses, temporary folders and ranks.
 */
#ifndef LOCKSTEP_TESTS_SUPPORT_H
#define LOCKSTEP_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "lockstep/comm.h"
#include "lockstep/status.h"

/** The call succeeds; otherwise the test fails with the failure's words. */
#define assert_works(call) support_works((call), #call, __FILE__, __LINE__)
void support_works(ls_status status, const char *call, const char *file, int line);

/** The call fails with this code, and its sentence contains `words`. */
#define assert_refuses(call, code, words) support_refuses((call), (code), (words), #call, __FILE__, __LINE__)
void support_refuses(ls_status status, ls_code code, const char *words, const char *call, const char *file, int line);

/** A fresh folder for one test, removed with all it holds by support_remove_folder(). The text is yours to free. */
char *support_make_folder(void);
void support_remove_folder(char *path);

/** The same for all ranks: one folder, made and removed by the first, whose text every rank has. Collective. */
char *support_make_shared_folder(ls_comm *comm);
void support_remove_shared_folder(ls_comm *comm, char *path);

/** "folder/name" in a static buffer that lives until the eighth next call. */
const char *support_path(const char *folder, const char *name);

/** The file `name` of LOCKSTEP_TEST_DATA; skips the test, saying so, where the folder is not set. */
const char *support_data(const char *name);

/** Deterministic pseudo-random numbers for test data: uniform in [-1, 1). */
double support_random(uint64_t seed, uint64_t position);

#endif
