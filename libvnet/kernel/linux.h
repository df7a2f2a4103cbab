/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_LINUX_H
#define VNET_KERNEL_LINUX_H

/* linux.h - the Linux back end's inside, shared by linux.c and execute.c */

#include "kernel/backend.h"
#include "kernel/events.h"
#include "kernel/nl.h"
#include "nft/netlink.h"

/* A device and the index that it has or had. */
struct known_device { char name[16]; int ifindex; };

#define GONE_MAX 4096

struct kernel_linux {
	struct kernel base;
	struct nl rt;                   /* changes; events have sockets of their own */
	struct nl query;                /* lookups, while changes are being gathered in rt */
	int control;                    /* for device ioctls */
	int proc_sys;                   /* /proc/sys */
	struct mnl_socket *nft;
	struct nft_devices devices;
	struct events *events;
	struct known_device opened;     /* the last TAP made: its rules come next */
	/* Devices that went, the oldest overwritten: their elements are still to go. */
	VEC(struct known_device) gone;
	size_t next_gone;
};

/* Reads one link.  -ENODEV without touching err: there is none. */
int linux_find(struct kernel_linux *k, const char *name, struct link *ret, struct vnet_error *err);
int linux_execute(struct kernel *base, const struct op *ops, size_t n, size_t *ret_done,
		  struct vnet_error *err);

#endif
