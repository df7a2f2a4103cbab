/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * macvtap.c - macvtap devices and their descriptors
 *
 * rtnetlink makes the device; its descriptors are those of a character device
 * that belongs to it.  udev would make /dev/tapN, but a namespace has no udev,
 * and where there is one nobody knows when it is done.  So the number is read
 * from sysfs, and the node is made in a file system nobody else sees.
 *
 * Unlike a TAP's, header size and flags belong to each descriptor, and a new
 * device has all offloads.
 */

#include "kernel/macvtap.h"
#include "kernel/link.h"
#include "kernel/linux.h"
#include "kernel/privileged.h"
#include "kernel/tap.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int create(struct kernel_linux *k, const struct kernel_macvtap *macvtap, int *ret_ifindex,
		  struct vnet_error *err);
static int check(struct kernel_linux *k, const struct kernel_macvtap *macvtap, int *ret_ifindex,
		 struct vnet_error *err);
static int open_queues(struct kernel_macvtap *macvtap, int ifindex, struct vnet_error *err);

int linux_macvtap_open(struct kernel *base, struct kernel_macvtap *macvtap, struct vnet_error *err)
{
	struct kernel_linux *k = (struct kernel_linux *)base;
	int ifindex, r;

	r = macvtap->must_exist ? check(k, macvtap, &ifindex, err)
				: create(k, macvtap, &ifindex, err);
	if (r < 0)
		return r;
	r = open_queues(macvtap, ifindex, err);
	if (r >= 0) {
		macvtap->ret_ifindex = ifindex;
		return 0;
	}
	for (unsigned i = 0; i < macvtap->queues; i++) {
		if (macvtap->ret_fds[i] >= 0)
			close(macvtap->ret_fds[i]);
		macvtap->ret_fds[i] = -1;
	}
	if (!macvtap->must_exist) {
		link_add_delete(&k->rt, ifindex);
		nl_send(&k->rt);
	}
	return r;
}

/* Creation takes neither alias nor IPv6 settings, and in mode passthru the parent's MAC. */
static void add_create(struct nl *nl, const struct kernel_macvtap *macvtap, int parent)
{
	struct nlmsghdr *m = nl_add(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct op_link rest = {.set = LINK_SET_ALIAS};
	struct nlattr *info, *data;

	nl_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(m, IFLA_IFNAME, macvtap->name);
	mnl_attr_put_u32(m, IFLA_LINK, (uint32_t)parent);
	mnl_attr_put(m, IFLA_ADDRESS, sizeof(macvtap->mac), &macvtap->mac);
	mnl_attr_put_u32(m, IFLA_NUM_TX_QUEUES, macvtap->queues);
	mnl_attr_put_u32(m, IFLA_NUM_RX_QUEUES, macvtap->queues);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "macvtap");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	mnl_attr_put_u32(m, IFLA_MACVLAN_MODE, macvtap->mode);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);

	memcpy(rest.name, macvtap->name, sizeof(rest.name));
	memcpy(rest.alias, macvtap->alias, sizeof(rest.alias));
	if (macvtap->mode == MACVLAN_MODE_PASSTHRU) {
		rest.set |= LINK_SET_MAC;
		rest.mac = macvtap->mac;
	}
	link_add_set(nl, &rest, 0);
	/* The host has no business on it: what it sent would carry the guest's MAC. */
	rest.set = LINK_SET_ADDR_GEN;
	rest.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	link_add_set(nl, &rest, 0);
}

static int create(struct kernel_linux *k, const struct kernel_macvtap *macvtap, int *ret_ifindex,
		  struct vnet_error *err)
{
	int parent = device_index(k->control, macvtap->parent), r;
	struct link link;
	unsigned failed;

	if (!parent)
		return vnet_error_set(err, -ENODEV, "no-device", "macvtap %s: no device %s",
				      macvtap->name, macvtap->parent);
	/* Looked at first: the message that marks it goes out with the one that makes it. */
	r = linux_find(k, macvtap->name, &link, err);
	if (r == 0)
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "macvtap %s: a device of this name exists already",
				      macvtap->name);
	if (r != -ENODEV)
		return r;
	add_create(&k->rt, macvtap, parent);
	r = nl_send_all(&k->rt, &failed);
	/* A host without IPv6 has nothing to switch off. */
	if (r == -EAFNOSUPPORT && failed == 2)
		r = 0;
	*ret_ifindex = device_index(k->control, macvtap->name);
	if (r >= 0 && !*ret_ifindex)
		return vnet_error_set(err, -ENODEV, "no-device",
				      "macvtap %s: it was removed while being made", macvtap->name);
	if (r >= 0)
		return 0;
	kernel_error(err, r, nl_text(&k->rt, failed), "macvtap %s: cannot %s it on %s",
		     macvtap->name, failed ? "set up" : "create", macvtap->parent);
	if (failed)
		link_add_delete(&k->rt, *ret_ifindex);
	else if (r == -EEXIST) /* made by somebody else since we looked: take the mark back */
		link_add_alias(&k->rt, *ret_ifindex, "");
	else
		linux_delete_marked(k, macvtap->name, macvtap->alias);
	nl_send(&k->rt);
	return r;
}

static int check(struct kernel_linux *k, const struct kernel_macvtap *macvtap, int *ret_ifindex,
		 struct vnet_error *err)
{
	struct link link;
	int r = linux_find(k, macvtap->name, &link, err);

	if (r == -ENODEV)
		return vnet_error_set(err, r, "no-device", "macvtap %s: there is no such device",
				      macvtap->name);
	if (r < 0)
		return r;
	if (strcmp(link.kind, "macvtap") || strcmp(link.alias, macvtap->alias))
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "a device named %s exists already, not this macvtap of ours",
				      macvtap->name);
	*ret_ifindex = link.ifindex;
	return 0;
}

static int set_queue(int fd, const struct kernel_macvtap *macvtap, struct vnet_error *err)
{
	struct ifreq ifr = {.ifr_flags = (short)tap_flags(macvtap->queues > 1, macvtap->vnet_hdr)};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", macvtap->name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return kernel_error(err, -errno, NULL, "macvtap %s: cannot set its flags",
				    macvtap->name);
	return macvtap->vnet_hdr ? tap_set_header(fd, "macvtap", macvtap->name, err) : 0;
}

static int open_queues(struct kernel_macvtap *macvtap, int ifindex, struct vnet_error *err)
{
	int r = privileged_get()->macvtap(macvtap->name, ifindex, macvtap->queues, macvtap->ret_fds, err);

	for (unsigned i = 0; i < macvtap->queues && r >= 0; i++)
		r = set_queue(macvtap->ret_fds[i], macvtap, err);
	if (r >= 0 && macvtap->vnet_hdr)
		r = tap_set_offload(macvtap->ret_fds[0], macvtap->offload, "macvtap",
				    macvtap->name, err);
	return r;
}
