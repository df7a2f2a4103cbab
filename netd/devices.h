/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_DEVICES_H
#define NETD_DEVICES_H

/*
 * devices.h - which networks a device by some name matters to
 *
 * An event names a device. Whether it is one of ours, or one that we stand on, is
 * told by a sorted table of all names in all definitions, made when it is first
 * asked for after a network came, changed or went: comparing each event with each
 * network made 256 networks cost 256 times 256 comparisons.
 */

#include "netd/registry.h"
#include "plan/op.h"

enum device_role {
	DEVICE_BRIDGE,   /* the network's own, or the host's interface beside macvtap ports */
	DEVICE_VLAN,     /* between uplink and bridge */
	DEVICE_LINK,     /* a way to other hosts; on the bridge */
	DEVICE_SHAPER,   /* the IFB */
	DEVICE_UPLINK,   /* somebody's: what the network stands on */
	DEVICE_UNDERLAY, /* somebody's: what a link stands on */
};

struct device {
	char name[16];
	enum device_role role;
	struct network_entry *network;
	int ifindex;     /* as it was when netd looked last; 0: not there */
	uint32_t mtu;
	bool is_up;
	char *mark;      /* of ours: its alias then; NULL: it was not there, or bore no mark */
	struct link_look look, seen; /* of ours: as it was then, and as the last event told */
	bool is_suspect; /* its last event did not fit */
};

struct devices; /* opaque */

/* All of that name, *ret_n of them, in the order of their networks. Valid until a network changes. */
struct device *devices_find(struct registry *reg, const char *name, size_t *ret_n);
/* All there are. */
struct device *devices_all(struct registry *reg, size_t *ret_n);
/* Records how they are, in the table and in their networks (bridge_*, missing). */
void devices_note(struct registry *reg, const struct snapshot *snap);
/*
 * Devices of ours, and of ports, that have lost their mark or name since, by which alone a
 * plan would know them: the operations that give it back.
 */
void devices_claim(struct registry *reg, const struct snapshot *snap, op_vec *ops);
/*
 * A device by which a link's peers may be reached, for none is declared, has another
 * MTU than when netd looked last: the network's follows from it.
 */
bool devices_narrows(struct registry *reg, const struct link *link);
/* Is it ours to make and to keep? */
bool device_is_own(const struct device *device);
/* What somebody else's device was like when netd looked last is not so any more. */
bool device_differs(const struct device *device, const struct link *link);
/* The kernel's index of a device by this name, or 0: if_nametoindex(3) opens a socket each time. */
unsigned devices_index(const char *name);
/*
 * A network came, changed or goes: the table is made anew when it is asked for next. What is
 * known of devices by their names stays. NULL is fine.
 */
void devices_outdate(struct devices *devices);
struct devices *devices_free(struct devices *devices);

#endif
