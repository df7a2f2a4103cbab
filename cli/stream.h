/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

/* stream.h - events of a method that goes on, printed as they come */

#include "cli/output.h"

/*
 * Until the stream ends or count events (0: any number) were printed: by print() as a
 * table; as JSON one object per line; as YAML one document each.  Takes parameters.
 */
int stream_run(struct cli *cli, const char *method, json_t *parameters, unsigned count,
	       void (*print)(const struct cli *cli, const json_t *event));
/* "2026-03-01 12:00:00.123", or without the date. */
void stream_print_time(json_int_t microseconds, bool with_date);

#endif
