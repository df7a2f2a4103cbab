/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_MUST_H
#define TESTS_FUZZ_MUST_H

/* must.h - what has to hold for every input; what does not is told, and is a finding */

#include <stdio.h>
#include <stdlib.h>

#define must(holds) \
	((holds) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds), abort()))

#endif
