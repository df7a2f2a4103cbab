/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vf.c - virtual functions of SR-IOV devices */

#include "kernel/vf.h"
#include "kernel/backend.h"

#include <errno.h>

int linux_vf_address(struct kernel *k, const char *ifname, unsigned vf, char ret[32],
		     struct vnet_error *err)
{
	(void)k;
	(void)ret;
	return kernel_error(err, -EOPNOTSUPP, NULL, "device %s: cannot find virtual function %u",
			    ifname, vf);
}
