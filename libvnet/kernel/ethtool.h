/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_ETHTOOL_H
#define VNET_KERNEL_ETHTOOL_H

/* ethtool.h - offloads of devices, as `ethtool -k` and `-K` have them */

#include "plan/op.h"

#define FEATURE_WORDS 4 /* of 32 bits; Linux 6.18 has two */

/* Which bits of the kernel's feature words each of our names stands for; zero-initialise. */
struct feature_bits {
	bool is_known;
	struct { uint32_t words[FEATURE_WORDS]; } of[6];
};

/* control is any socket of the namespace.  false: there is no such device. */
bool features_read(int control, struct feature_bits *bits, const char *ifname,
		   struct feature_state *ret);
/* OP_FEATURES; -EOPNOTSUPP names the offload that the device has fixed. */
int features_set(int control, struct feature_bits *bits, const struct op_features *op,
		 struct vnet_error *err);

#endif
