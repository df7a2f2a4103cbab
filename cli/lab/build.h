/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_BUILD_H
#define CLI_LAB_BUILD_H

/* build.h - a lab from nothing, in the order in which its parts need each other */

#include "lab/lab.h"

#include <sys/types.h>

struct lab_programs {
	const char *netd, *vnetctl; /* absolute paths */
};

/* Called with "attaching 200 ports": returns false when nobody waits any more. */
typedef bool (*build_progress)(void *context, const char *what);

/*
 * In the lab's first process.  0 when all stands; notes (an address that did not come)
 * are progress that begins with "note: ".  What was made before a failure stays: it
 * goes with the process.
 */
int build_lab(const struct lab *lab, const struct lab_programs *programs, build_progress progress, void *context,
	      struct vnet_error *err);

#endif
