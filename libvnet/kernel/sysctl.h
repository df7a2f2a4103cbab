/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_SYSCTL_H
#define VNET_KERNEL_SYSCTL_H

/* sysctl.h - numbers in /proc/sys, below "net/" only; root is a descriptor of /proc/sys */

#include <stdbool.h>
#include <stdint.h>

/* -ENOENT: no such file; -EINVAL: not a path below net/, or not a number in it. */
int sysctl_read(int root, const char *path, int64_t *ret);
int sysctl_write(int root, const char *path, int64_t value);

#endif
