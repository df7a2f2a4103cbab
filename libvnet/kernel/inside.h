/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_INSIDE_H
#define VNET_KERNEL_INSIDE_H

/* inside.h - interfaces in other network namespaces */

#include "kernel/kernel.h"

/* kernel_inside_create(), kernel_inside_delete() and kernel_inside_find() on Linux. */
int linux_inside_create(struct kernel *k, struct kernel_inside *inside, struct vnet_error *err);
int linux_inside_delete(struct kernel *k, const char *netns, const char *ifname,
			struct vnet_error *err);

int linux_inside_find(struct kernel *k, const char *netns, int ifindex, char ret_name[16],
		      struct vnet_error *err);

#endif
