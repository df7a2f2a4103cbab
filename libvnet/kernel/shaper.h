/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_SHAPER_H
#define VNET_KERNEL_SHAPER_H

/* shaper.h - limits of ports: traffic control on the network's IFB */

#include "kernel/linux.h"

/* OP_SHAPE, OP_SHAPE_ROOT */
int shaper_set(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
int shaper_set_root(struct kernel_linux *k, const struct op *op, struct vnet_error *err);
/* SNAPSHOT_SHAPERS; snap has the links. */
int shaper_snapshot(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err);

#endif
