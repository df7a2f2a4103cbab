/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_TEST_H
#define CLI_LAB_TEST_H

/* test.h - all expectations of a lab, several at a time */

#include "cli/lab/probe.h"

/*
 * In a process of the lab.  results has one for each expectation.  Those of rates run
 * alone, after the others.
 */
void test_run(const struct lab *lab, struct probe_result *results);

/* TAP version 13, one line an expectation, the reason as a diagnostic below it. */
void test_print_tap(FILE *f, const struct lab *lab, const struct probe_result *results);
/* JUnit's XML, as continuous integration reads it. */
void test_print_junit(FILE *f, const char *name, const struct lab *lab, const struct probe_result *results);

#endif
