/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_SOURCE_H
#define VNET_MODEL_SOURCE_H

/* source.h - where something was declared, for errors that come later than the parser's. */

#include "base/mem.h"

struct source {
	char *file;             /* or NULL: it came over the API */
	unsigned line, column;  /* 1-based, 0: unknown */
};

/* The same for keys whose values have no `struct source` of their own. */
struct key_source {
	char *path;             /* "nat.source", "addresses[1]" */
	unsigned line, column;
};
typedef VEC(struct key_source) key_source_vec;

#endif
