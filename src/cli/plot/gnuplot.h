/*
 * gnuplot.h: the program that draws. It is called without a shell, reads its script from standard input, and every text
 * of the user reaches it as a quoted string.
 */
#ifndef LOCKSTEP_CLI_PLOT_GNUPLOT_H
#define LOCKSTEP_CLI_PLOT_GNUPLOT_H

#include "lockstep/memory.h"

/* Appends `text` as a string of gnuplot in which nothing is special. */
ls_status cli_gnuplot_quote(const char *text, ls_text *out) LS_MUST_USE;

/* Runs a script. LS_ERR_RUNTIME where there is no gnuplot, or where it fails (its own words are on standard error). */
ls_status cli_gnuplot_run(const ls_text *script) LS_MUST_USE;

#endif
