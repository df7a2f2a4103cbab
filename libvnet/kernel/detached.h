/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_DETACHED_H
#define VNET_KERNEL_DETACHED_H

/* detached.h - file systems that are mounted nowhere: reached by a descriptor, gone with it */

#include "vnet/error.h"

/*
 * Opens the sysfs of the calling thread's network namespace, whatever /sys
 * shows, if anything.  Read-only.  *fd is kept: nothing is done when it is
 * open already.
 */
int detached_sysfs(int *fd, struct vnet_error *err);
/* An empty tmpfs in which device nodes work. */
int detached_tmpfs(int *fd, struct vnet_error *err);

#endif
