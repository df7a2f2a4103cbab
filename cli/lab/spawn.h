/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_SPAWN_H
#define CLI_LAB_SPAWN_H

/* spawn.h - processes of a lab's machines */

#include "vnet/error.h"

#include <sys/types.h>

/*
 * Starts a command in the machine, its output in SPACE_RUN/log/LOG.  In the lab's first
 * process.  Returns its pid.  A command that cannot be run says so in the log and ends.
 */
pid_t spawn(const char *machine, const char *log, const char *const *argv, struct vnet_error *err);
/* The same for a function of ours, whose value is the exit status. */
pid_t spawn_function(const char *machine, const char *log, int (*run)(const void *context), const void *context,
		     struct vnet_error *err);
/* The last line of a log, or "".  Free with free(). */
char *spawn_last_words(const char *log);

#endif
