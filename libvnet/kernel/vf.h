/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_VF_H
#define VNET_KERNEL_VF_H

/* vf.h - virtual functions of SR-IOV devices */

#include "kernel/linux.h"

/* kernel_vf_address() on Linux. */
int linux_vf_address(struct kernel *k, const char *ifname, unsigned vf, char ret[32],
		     struct vnet_error *err);
/* The device of an RTM_NEWLINK has hardware behind it, so it may have functions. */
bool vf_is_candidate(const struct nlmsghdr *m);
/* The functions of a device, appended to snap->vfs. */
int vf_snapshot(struct kernel_linux *k, int ifindex, struct snapshot *snap,
		struct vnet_error *err);
/* OP_VF */
int vf_set(struct kernel_linux *k, const struct op *op, struct vnet_error *err);

#endif
