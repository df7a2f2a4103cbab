/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_LINUX_H
#define VNET_KERNEL_LINUX_H

/* linux.h - the Linux back end's inside, shared by linux.c and execute.c */

#include "kernel/backend.h"
#include "kernel/ethtool.h"
#include "kernel/events.h"
#include "kernel/nl.h"
#include "nft/netlink.h"

struct kernel_linux {
	struct kernel base;
	struct nl rt;                   /* changes; events have sockets of their own */
	struct nl query;                /* lookups, while changes are being gathered in rt */
	struct nl conntrack;            /* connections */
	int control;                    /* for device ioctls */
	int proc_sys;                   /* /proc/sys */
	int sysfs;                      /* detached.h; opened when first needed */
	struct feature_bits features;
	struct checksum_program *checksum; /* checksum_programs(); NULL before, or not to be had */
	const char *checksum_problem;   /* why not */
	VEC(int) hardware;              /* devices with some behind them, as of the last list */
	struct mnl_socket *nft;
	bool has_conntrack, conntrack_was_tried; /* rules on a bridge can tell connections */
	struct nft_devices devices;
	struct events *events;
	/* The last TAP made: its rules come next, several elements in one transaction. */
	char opened[16];
	int opened_index;
	bool opened_is_checked; /* in the transaction that is being sent */
};

/* Reads one link.  -ENODEV without touching err: there is none. */
int linux_find(struct kernel_linux *k, const char *name, struct link *ret, struct vnet_error *err);
/*
 * Takes away what was to be made under this name, whether it came to be or not: an
 * answer may have been lost.  Only a device with this very mark.
 */
void linux_delete_marked(struct kernel_linux *k, const char *name, const char *alias);
int linux_execute(struct kernel *base, const struct op *ops, size_t n, size_t *ret_done,
		  struct vnet_error *err);

#endif
