/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_BACKEND_H
#define VNET_KERNEL_BACKEND_H

/* backend.h - what a back end implements; kernel.c forwards kernel.h's calls to it */

#include "kernel/kernel.h"

struct kernel_ops {
	void (*free)(struct kernel *k);
	size_t (*fds)(struct kernel *k, int ret_fds[KERNEL_FDS_MAX]);
	int (*dispatch)(struct kernel *k, kernel_handler handler, void *context,
			struct vnet_error *err);
	int (*snapshot)(struct kernel *k, unsigned parts, struct snapshot *ret,
			struct vnet_error *err);
	int (*read_sysctls)(struct kernel *k, struct snapshot *snap, struct vnet_error *err);
	int (*execute)(struct kernel *k, const struct op *ops, size_t n, size_t *ret_done,
		       struct vnet_error *err);
	/* -ENODEV without touching err: there is none. */
	int (*find_link)(struct kernel *k, const char *name, struct link *ret,
			 struct vnet_error *err);
	/* The request was checked: name, number of queues. */
	int (*tap_open)(struct kernel *k, struct kernel_tap *tap, struct vnet_error *err);
	/* The requests were checked: names, queues, that there is a path. */
	int (*macvtap_open)(struct kernel *k, struct kernel_macvtap *macvtap,
			    struct vnet_error *err);
	int (*inside_create)(struct kernel *k, struct kernel_inside *inside,
			     struct vnet_error *err);
	int (*inside_delete)(struct kernel *k, const char *netns, const char *ifname,
			     struct vnet_error *err);
	int (*inside_find)(struct kernel *k, const char *netns, int ifindex, char ret_name[16],
			   struct vnet_error *err);
	int (*vf_address)(struct kernel *k, const char *ifname, unsigned vf, char ret[32],
			  struct vnet_error *err);
	int (*vhost_open)(struct kernel *k, unsigned n, int *ret_fds, struct vnet_error *err);
	int (*list_fdb)(struct kernel *k, int bridge, fdb_vec *ret, struct vnet_error *err);
	int (*drop_counters)(struct kernel *k, const char *ifname, drop_counter_vec *ret,
			     struct vnet_error *err);
	int (*read_filters)(struct kernel *k, filter_table_vec *ret, struct vnet_error *err);
	int (*fix_filters)(struct kernel *k, const fix_rule_vec *add, const fix_present_vec *remove,
			   struct vnet_error *err);
	int (*ask_route)(struct kernel *k, const char *iif, const struct ip *from, const struct ip *to,
			 char ret_oif[16]);
	void (*list_listeners)(struct kernel *k, doctor_socket_vec *ret);
	int (*watch_fdb)(struct kernel *k, struct vnet_error *err);
	int (*trace)(struct kernel *k, bool is_on, struct vnet_error *err);
	int (*read_place)(struct kernel *k, const struct filter_place *place, filter_table_vec *ret,
			  struct vnet_error *err);
	int (*probe_neigh)(struct kernel *k, const char *ifname, const struct ip *ip,
			   struct vnet_error *err);
	const char *(*note)(struct kernel *k, size_t i);
	bool (*has_conntrack)(struct kernel *k);
	bool (*guards_checksums)(struct kernel *k, const char **ret_why);
	int (*list_flows)(struct kernel *k, ip_vec *addresses, flow_vec *ret, struct vnet_error *err);
	int (*change_flow)(struct kernel *k, const struct kernel_flow *flow, enum flow_change change,
			   struct vnet_error *err);
};

struct kernel {
	const struct kernel_ops *ops;
};

/* A name that the kernel would take as it is: no '%' pattern, no alias, not too long. */
bool kernel_ifname_ok(const char *name);

/*
 * Sets err from a failed system call or request: "WHAT: cannot TASK: strerror",
 * with the code that callers tell failures apart by and the kernel's text
 * (NULL: none).  Returns number.
 */
int kernel_error(struct vnet_error *err, int number, const char *text, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
