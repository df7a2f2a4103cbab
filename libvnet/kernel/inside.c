/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inside.c - interfaces in other network namespaces */

#include "kernel/inside.h"
#include "kernel/backend.h"

#include <errno.h>

int linux_inside_create(struct kernel *k, struct kernel_inside *inside, struct vnet_error *err)
{
	(void)k;
	return kernel_error(err, -EOPNOTSUPP, NULL, "namespace %s: cannot create a %s in it",
			    inside->netns, inside->kind);
}

int linux_inside_delete(struct kernel *k, const char *netns, const char *ifname,
			struct vnet_error *err)
{
	(void)k;
	return kernel_error(err, -EOPNOTSUPP, NULL, "namespace %s: cannot delete %s in it", netns,
			    ifname);
}
