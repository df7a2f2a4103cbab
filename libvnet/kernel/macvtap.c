/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtap.c - macvtap devices and their descriptors */

#include "kernel/macvtap.h"
#include "kernel/backend.h"

#include <errno.h>

int linux_macvtap_open(struct kernel *k, struct kernel_macvtap *macvtap, struct vnet_error *err)
{
	(void)k;
	return kernel_error(err, -EOPNOTSUPP, NULL, "macvtap %s: cannot open it", macvtap->name);
}
