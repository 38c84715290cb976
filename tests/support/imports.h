/*
 * imports.h: imports of bytes in memory, for tests of good and bad inputs and for fuzzing.
 */
#ifndef LOCKSTEP_TESTS_IMPORTS_H
#define LOCKSTEP_TESTS_IMPORTS_H

#include "data/import.h"

/** Imports files that exist in memory only. `import` ends with ls__import_free(), also after a failure. */
ls_status support_import(const ls_choice *format, const ls_file *files, size_t count, ls_import *import) LS_MUST_USE;

#endif
