/*
 * check_rows.h: whether option rows keep the promises of options.h, for every table of rows that there is.
 */
#ifndef LOCKSTEP_TESTS_CHECK_ROWS_H
#define LOCKSTEP_TESTS_CHECK_ROWS_H

#include "lockstep/options.h"

/**
 * Fails the test where a row has no sentence, a key that is no name or stands twice, a default that does not bind,
 * a range that is none, words without a place, a second main row; in these rows and in all tables and families below.
 */
void support_check_rows(const char *noun, const ls_option *rows);
void support_check_family(const ls_family *family);

#endif
