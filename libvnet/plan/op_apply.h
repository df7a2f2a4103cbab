/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_OP_APPLY_H
#define VNET_PLAN_OP_APPLY_H

/*
 * op_apply.h - what the parts of op_apply() share, and the planner's way in
 *
 * The parts: op_apply_link.c and op_apply_delete.c devices, op_apply_ip.c
 * addresses and routes, op_apply_sysctl.c switches, op_apply_port.c what hangs on
 * one device (VLANs, forwarding entries, shapers, offloads, virtual functions).
 */

#include "plan/link_names.h"
#include "plan/op.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1 << 16) /* linux/if.h, which net/if.h excludes */
#endif

struct applier {
	struct snapshot *snap;
	struct link_names *names; /* NULL: devices are looked for one by one */
	struct vnet_error *err;
};

int op_apply_to(const struct op *op, struct applier *a);

/* op_apply_link.c */
struct link *apply_find_link(const struct applier *a, const char *name);
int apply_no_device(const struct applier *a, const char *name);
int apply_bridge_create(const struct op_link *op, struct applier *a);
int apply_link_create(const struct op_link *op, struct applier *a);
int apply_tap_create(const struct op_tap *op, struct applier *a);
int apply_link_set(const struct op_link *op, struct applier *a);
void apply_skip_index(struct snapshot *snap, int ifindex); /* it is never given again */

/* op_apply_delete.c */
int apply_link_delete(const struct op_link *op, struct applier *a);
int apply_group_delete(const struct op_link *op, struct applier *a);

/* op_apply_ip.c */
int apply_addr_add(const struct op_addr *op, struct applier *a);
int apply_addr_del(const struct op_addr *op, struct applier *a);
int apply_route_add(const struct op_route *op, struct applier *a);
int apply_route_del(const struct op_route *op, struct applier *a);
/* A device that is raised has connected routes; one that is lowered loses routes. */
void apply_ip_raised(struct snapshot *snap, const struct link *link);
void apply_ip_lowered(struct snapshot *snap, const struct link *link);

/* op_apply_sysctl.c */
int apply_sysctl(const struct op_sysctl *op, struct applier *a);
/* A new device starts with the values of "default", as far as the snapshot knows them. */
void apply_new_conf(struct applier *a, const char *ifname);
/* A device's own switches end with it; names are sorted. */
void apply_drop_conf(struct applier *a, const char *const *names, size_t n);
/*
 * For a plan that makes thousands of devices: with names, apply_new_conf() only
 * sets switches that are there, and nothing drops them.  This puts them there.
 */
void apply_expect_conf(struct snapshot *snap, const char *const *names, size_t n);

/* op_apply_port.c */
int apply_vlan(enum op_kind kind, const struct op_vlan *op, struct applier *a);
int apply_fdb(enum op_kind kind, const struct op_fdb *op, struct applier *a);
int apply_shape(const struct op_shape *op, struct applier *a);
int apply_shape_root(const struct op_shape_root *op, struct applier *a);
int apply_checksum(enum op_kind kind, const struct op_checksum *op, struct applier *a);
int apply_features(const struct op_features *op, struct applier *a);
int apply_vf(const struct op_vf *op, struct applier *a);
/* VLANs are the bridge's: gone when the device leaves it, the default one given when it joins. */
void apply_vlans_left(struct snapshot *snap, int ifindex);
void apply_vlans_joined(struct snapshot *snap, int ifindex, const struct bridge_state *bridge);
void apply_vlans_default(struct snapshot *snap, int ifindex, unsigned was, unsigned is);

/* Where in n items of a sorted array the item belongs, behind its equals. */
size_t apply_place(const void *v, size_t n, size_t size, const void *item,
		   int (*compare)(const void *a, const void *b));

/*
 * Inserting keeps the order of snapshot_sort(): a plan of thousands of
 * operations must not sort thousands of times.
 */
#define DEFINE_INSERT(name, type, member, compare) \
	static void name(struct snapshot *snap, const struct type *item) \
	{ \
		size_t n = snap->member.n; \
		size_t i = apply_place(snap->member.v, n, sizeof(*item), item, compare); \
\
		vec_add(&snap->member); \
		memmove(&snap->member.v[i + 1], &snap->member.v[i], (n - i) * sizeof(*item)); \
		snap->member.v[i] = *item; \
	} \
	struct vnet_swallow_semicolon

#endif
