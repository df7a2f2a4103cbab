/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_VF_H
#define VNET_KERNEL_VF_H

/* vf.h - virtual functions of SR-IOV devices */

#include "kernel/kernel.h"

/* kernel_vf_address() on Linux. */
int linux_vf_address(struct kernel *k, const char *ifname, unsigned vf, char ret[32],
		     struct vnet_error *err);

#endif
