/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

/* wait.h - `port wait` */

#include "cli/command.h"

struct wait_options {
	unsigned timeout;       /* s; 0: 60 */
	const char *what;       /* "lease" (default) or "up" */
};
extern const struct cli_option wait_option_table[];

int port_wait(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest);

#endif
