/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_LAB_CLI_H
#define CLI_LAB_LAB_CLI_H

/* lab_cli.h - what the lab commands share */

#include "base/strbuf.h"
#include "cli/command.h"
#include "cli/lab/place.h"

/* Reads and checks a file.  Reports; 0 or an exit status. */
int lab_load(const struct cli *cli, const char *path, struct strbuf *ret_text, struct lab **ret);
/* What a lab that is or was there was made from; NULL with the error. */
struct lab *lab_at(const struct place *place, struct vnet_error *err);
/* A lab that is up.  Reports; 0 or an exit status. */
int lab_open(struct cli *cli, const char *name, struct place *ret_place, struct lab **ret);
/*
 * Runs a function in the lab and returns its exit status: in a child that enters the
 * lab's namespaces, and whose own child is then in its PID namespace.
 */
int lab_run_inside(struct cli *cli, const struct place *place, int (*run)(struct cli *cli, void *context),
		   void *context);

#endif
