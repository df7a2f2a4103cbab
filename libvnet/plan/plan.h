/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_PLAN_H
#define VNET_PLAN_PLAN_H

/*
 * plan.h - from what is wanted and what is there to what must be done
 *
 * Pure.  plan_make() reads like the order in which a careful operator works:
 *
 *   1. take away what is no longer wanted: uplinks go home; devices and bridges
 *      (never one that still carries something), many in one go; routes, addresses;
 *   2. create and adjust bridges, VLAN devices, tunnels, companions, IFBs and
 *      persistent TAPs, down, with their sysctls;
 *   3. one nftables transaction: rules stand before a frame can pass;
 *   4. raise, join, address, take uplinks over, enslave ports, route; bridges that
 *      their ports have left now can go;
 *   5. switch forwarding on, last, and off where nobody needs it.
 *
 * dnsmasq is the daemon's business, after these (docs/planning.md).
 *
 * Applying a plan and planning again gives an empty plan (tests/unit/test_plan.c
 * holds every golden case to it).
 */

#include "model/network.h"
#include "model/port.h"
#include "plan/op.h"

/* Sysctls (and bridge membership of a NIC) as they were before us, to be put back. */
struct saved_sysctl { struct sysctl sysctl; /* the value before */ };

/* What a NIC had before it was taken into our bridge. */
struct takeover {
	char network[16], uplink[16], bridge[16];
	struct mac mac;
	bool was_down;
	VEC(struct addr) addrs;
	VEC(struct route) routes;
};

struct takeover_key { char network[16], uplink[16]; };
void takeover_free(struct takeover *takeover); /* what it holds, not itself */

struct desired {
	/* Networks to run now: started ones, complete (subnet: auto resolved). */
	VEC(const struct network *) networks;
	/* Ports whose device exists or (persistent) must exist. */
	VEC(const struct port *) ports;
	/* Security groups that are defined, by name, and whether the kernel can hold ports to them. */
	VEC(struct security_group *) groups;
	bool has_conntrack;
	bool guards_checksums;            /* the kernel takes the checksum guard */
	VEC(struct saved_sysctl) saved;   /* recorded when first changed, in that order */
	VEC(struct takeover) takeovers;   /* NICs that are in our bridges now */
};
void desired_free(struct desired *d); /* not what networks and ports point to */

/* The sysctl paths the planner wants in the snapshot, given its links and routes.  Sorted, unique. */
typedef VEC(struct sysctl) sysctl_vec;
void plan_wanted_sysctls(const struct desired *d, const struct snapshot *snap, sysctl_vec *ret);

struct plan {
	op_vec ops;
	/* To be recorded durably before the operations run. */
	VEC(struct saved_sysctl) to_save; /* in this order, behind those of desired.saved */
	VEC(struct takeover) to_take_over; /* in place of a record of the same network and uplink */
	/* To be forgotten once all operations ran (never before). */
	VEC(struct saved_sysctl) to_forget; /* by path */
	VEC(struct takeover_key) given_back;
	/* One sentence each, for the operator: what is switched globally, what could not be done. */
	VEC(char *) notes;
};
void plan_free(struct plan *plan);
#define AUTO_PLAN __attribute__((cleanup(plan_free)))

int plan_make(const struct desired *d, const struct snapshot *snap, struct plan *ret,
	      struct vnet_error *err);

/*
 * What the host must offer for the network to run, checked against the
 * snapshot: no foreign device by the bridge's name, uplink present and fit for
 * what is wanted of it, no overlap with a route or address of the host, the
 * existing bridge exists, links start at an address of the host and fit the
 * underlay.  others: networks that run or will, for what stands on their bridges;
 * may hold net.  The error has the network's source.
 */
int plan_check_host(const struct network *net, struct network *const *others, size_t n_others,
		    const struct snapshot *snap, struct vnet_error *err);

/* Does the port need the checksum guard (OP_CHECKSUM_ADD)? */
bool port_wants_checksum_guard(const struct network *net, const struct port *port);

/*
 * The attach path: the operations for one port whose device exists already
 * (down, no master): one nftables transaction, the checksum guard, then one
 * LINK_SET that enslaves and raises.  Before that its shaper and offloads, between
 * joining and rising its VLANs, where it has any.  No snapshot is read.  net: with the MTU in force.
 */
void plan_port_attach(const struct network *net, const struct port *port, op_vec *ret);
/* The port is gone or goes: its elements; the device too if nothing else would end it. */
void plan_port_detach(const struct network *net, const struct port *port, bool device_exists, op_vec *ret);
/*
 * Many at once, of any networks (a network that is stopped by force): one
 * nftables transaction, and all devices deleted in one go.  Those that were
 * adopted are only taken off.
 */
struct plan_detach {
	const struct network *net;
	const struct port *port;
	bool device_exists;
};
void plan_ports_detach(const struct plan_detach *v, size_t n, op_vec *ret);
/* From before to after, on a running port. */
void plan_port_update(const struct network *net, const struct port *before, const struct port *after,
		      op_vec *ret);

#endif
