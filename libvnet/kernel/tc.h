/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_TC_H
#define VNET_KERNEL_TC_H

/* tc.h - traffic control: what the shaper and the checksum guard share */

#include "kernel/linux.h"

#include <linux/pkt_sched.h>

/* Where filters of clsact are: frames that come in by the device, and that go out by it. */
#define TC_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define TC_EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

/* Begins a message about a queue, class or filter. */
struct nlmsghdr *tc_add(struct nl *nl, uint16_t type, uint16_t flags, int ifindex, uint32_t parent,
			uint32_t handle);
/* The same about a filter of all protocols; TCA_KIND is the caller's. */
struct nlmsghdr *tc_add_filter(struct nl *nl, uint16_t type, uint16_t flags, int ifindex,
			       uint32_t hook, uint16_t priority, uint32_t handle);
/* Asks for clsact; -EEXIST: it is there. */
void tc_add_clsact(struct nl *nl, int ifindex);
/* clsact costs every frame a look; it goes when nobody's filter is left in it. */
void tc_drop_clsact(struct kernel_linux *k, int ifindex);

#endif
