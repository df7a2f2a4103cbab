/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_HOLDER_H
#define CLI_LAB_HOLDER_H

/*
 * holder.h - the first process of a lab, on which everything of it hangs
 *
 * It is PID 1 of a PID namespace and the only way into the mount namespace in which the
 * lab's network namespaces are bound: when it ends, by whatever signal, the kernel ends
 * the lab.  While the lab is being built it also ends when its caller does.
 */

#include "cli/lab/build.h"
#include "cli/lab/place.h"

/* Called with each line of progress. */
typedef void (*holder_listener)(void *context, const char *what);

/*
 * Starts it, lets it build the lab, waits until that is done, and returns; the place
 * gets its pid.  On failure, and on SIGINT or SIGTERM (-EINTR), nothing of it is left
 * but the place.
 */
int holder_start(struct place *place, const struct lab *lab, const struct lab_programs *programs,
		 holder_listener listener, void *context, struct vnet_error *err);

#endif
