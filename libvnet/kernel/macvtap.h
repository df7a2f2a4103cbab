/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_MACVTAP_H
#define VNET_KERNEL_MACVTAP_H

/* macvtap.h - macvtap devices and their descriptors */

#include "kernel/kernel.h"

/* kernel_macvtap_open() on Linux. */
int linux_macvtap_open(struct kernel *k, struct kernel_macvtap *macvtap, struct vnet_error *err);

#endif
