/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_PLANNER_H
#define VNET_PLAN_PLANNER_H

/*
 * planner.h - what the parts of the planner share; nobody else includes it
 *
 * Each operation is applied to a copy of the snapshot as it is added, so every
 * later decision sees the devices, addresses and routes as they will be then.
 * A part asks what is in `now`, adds what differs, and is done; that a second
 * plan finds nothing to do follows from op_apply().
 */

#include "plan/plan.h"

struct planned_network {
	const struct network *net;
	/*
	 * A shallow copy of *net for the rules, with what only the host knows:
	 * the MAC that the bridge got from its uplink, and no device that is not
	 * there.
	 */
	struct network effective;
	char bridge[16];
	bool is_ours;      /* we make the bridge */
	bool is_usable;    /* the bridge can be had; else a note said why */
	bool has_takeover; /* bridged, and the uplink is there to be taken or is ours already */
};

/* What is found by its name, in alphabetical order. */
struct plan_name {
	const char *name;
	int value;
};
typedef VEC(struct plan_name) plan_names;

struct planner {
	const struct desired *d;
	const struct snapshot *snap; /* as it was observed */
	struct snapshot now;         /* as it is after the operations so far; without nft */
	struct plan *plan;
	struct vnet_error *err;
	int result;                  /* of the first operation that op_apply() refused */
	VEC(struct planned_network) nets;
	plan_names link_names;       /* of snap; value: ifindex */
	int snap_highest;            /* ifindex */
	plan_names net_names, bridge_names; /* value: place in nets */
	plan_names port_names;       /* by ifname; value: place in d->ports */
};

/* An operation filled in by the caller: added to the plan and applied to `now`. */
struct op plan_op(enum op_kind kind, const char *network);
void plan_emit(struct planner *p, const struct op *op);
void plan_emit_sysctl(struct planner *p, const char *network, const char *path, int64_t value);
void plan_emit_addr(struct planner *p, enum op_kind kind, const char *network, const char *ifname,
		    const struct addr *addr);
void plan_emit_route(struct planner *p, enum op_kind kind, const char *network, const char *ifname,
		     const struct route *route);
void plan_note(struct planner *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The addresses of one device in `now`, which is sorted by device; NULL: none. */
const struct addr *plan_first_addr(const struct planner *p, int ifindex);
const struct addr *plan_next_addr(const struct planner *p, const struct addr *addr);
#define plan_each_addr(it, p, index) \
	for (const struct addr *it = plan_first_addr(p, index); it; it = plan_next_addr(p, it))
const struct link *plan_link(const struct planner *p, const char *name);
bool plan_bridge_has_ports(const struct planner *p, const char *bridge);
const struct planned_network *plan_network(const struct planner *p, const char *name);
const struct port *plan_port(const struct planner *p, const char *ifname);
/* The one that makes it, or else one that uses it. */
const struct planned_network *plan_network_of_bridge(const struct planner *p, const char *bridge);
/* "net/ipv6/conf/eth0/accept_ra"; family AF_INET or AF_INET6. */
void plan_conf_path(char ret[96], int family, const char *ifname, const char *leaf);
/*
 * Emits the write unless the value is so already.  Where the snapshot does not
 * know the switch the kernel has none: a new device has what "default" has.
 */
void plan_want_conf(struct planner *p, const char *network, int family, const char *ifname,
		    const char *leaf, int64_t value);
/* The value now, or fallback. */
int64_t plan_conf(const struct planner *p, int family, const char *ifname, const char *leaf,
		  int64_t fallback);
/* Records the value that a foreign switch had, once; forgets it when the plan is done. */
void plan_save(struct planner *p, const char *path, int64_t was);
bool plan_saved(const struct planner *p, const char *path, int64_t *ret);
void plan_forget(struct planner *p, const char *path);
bool plan_has_path(const struct saved_sysctl *v, size_t n, const char *path);

/* plan_bridge.c */
/* A bridge that we made: by our mark, or (someone took that off) by the MAC that only we give. */
bool plan_bridge_is_ours(const struct link *link, const struct network *net);
void plan_bridges(struct planner *p);
void plan_bridges_raise(struct planner *p);
/* Deletes bridges of ours that nobody wants; when is_last those that cannot go get a note. */
void plan_bridges_delete(struct planner *p, bool is_last);

/* plan_address.c */
void plan_addresses_remove(struct planner *p);
void plan_addresses_add(struct planner *p);
void plan_routes_remove(struct planner *p);
void plan_routes_add(struct planner *p);
uint8_t plan_addr_scope(const struct prefix *prefix);

/* plan_port.c */
void plan_taps_create(struct planner *p);
void plan_ports(struct planner *p);
void plan_orphans(struct planner *p);
void plan_strays(struct planner *p);
/* The port's device is there, or will be after plan_taps_create(). */
bool plan_port_is_usable(const struct planner *p, const struct port *port);

/* plan_takeover.c */
void plan_give_back(struct planner *p);
void plan_take_over(struct planner *p);
struct mac plan_uplink_bridge_mac(const struct planner *p, const struct planned_network *pn);

/* plan_forwarding.c */
void plan_forwarding(struct planner *p);

#endif
