/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_PORT_H
#define VNET_MODEL_PORT_H

/*
 * port.h - a guest's port on a network
 *
 * Plain data, owned like struct network.  A port comes from an AttachPort
 * request, is completed by port_complete() and kept by the daemon as JSON for
 * as long as its device lives.
 */

#include "base/addr.h"
#include "base/mem.h"
#include "model/network.h"

#define PORT_NAME_MAX 63
#define PORT_MACS_MAX 16
#define PORT_ADDRESSES_MAX 64
#define PORT_QUEUES_MAX 64       /* the kernel's MAX_TAP_QUEUES is 256; QEMU's limit is what counts */
#define PORT_IFNAME_PREFIX "vp"

enum port_kind {
	PORT_TAP,       /* descriptors; on a bridge */
	PORT_MACVTAP,   /* descriptors; on a macvtap network's uplink */
	PORT_MACVLAN,   /* an interface in a namespace; on a macvtap network's uplink */
	PORT_VETH,      /* an interface in a namespace; on a bridge */
	PORT_VF,        /* a virtual function, handed over by VFIO */
};
#define PORT_SLOT_MAX 1023 /* what a bridge can carry */
const char *port_kind_name(enum port_kind kind);

enum port_vhost { VHOST_AUTO, VHOST_ON, VHOST_OFF };

/* What a veth or macvlan port has inside its namespace. */
struct port_inside {
	char ifname[16];        /* "": eth0 */
	VEC(struct prefix) addresses;
	VEC(struct static_route) routes; /* to length 0: the default route */
};

struct port {
	char *name;             /* unique in the daemon; default: the interface's name */
	char *network;
	char ifname[16];        /* unique in the namespace; "" until netd chose one */
	enum port_kind kind;
	bool has_kind;          /* else what the network's mode has */
	struct mac mac;         /* the guest's; zero while learns_mac and nothing learned */
	bool has_mac;
	bool learns_mac;        /* hold the first source MAC that is seen; stays set with has_mac then */
	ip_vec addresses;       /* reserved for the guest in DHCP; a strict guard holds it to them */
	unsigned queues;        /* 1..PORT_QUEUES_MAX; 0: network's default */
	enum port_vhost vhost;
	bool vnet_hdr;          /* default true */
	bool offload;           /* default true: TUN_F_CSUM, TSO4, TSO6, TSO_ECN, USO where known */
	unsigned mtu;           /* 0: network's default */
	unsigned txqueuelen;    /* 0: network's default */
	bool isolated;
	bool has_isolated;      /* else the network's default */
	bool persistent;        /* the device outlives its descriptors */
	bool adopted;           /* the device was made by someone else (qemu-ifup) */
	bool link_down;         /* administratively down */
	struct port_vlans vlan; /* on a VLAN-aware bridge */
	struct port_options options;
	struct bandwidth in, out; /* to the guest, from the guest; with rate 0 a guarantee alone */
	bool has_in, has_out;   /* else the network's default */
	struct guard guard;     /* see port_guard() */
	bool has_guard;         /* else the network's */
	bool is_traced;         /* somebody looks at what is taken from it: run time only, never saved */
	held_vec held;          /* the oldest first, at most GUARD_HELD_MAX: see netd/held.c */
	group_name_vec groups;  /* security groups; see port_groups() */
	bool has_groups;        /* else the network's default */
	bool is_logged;         /* netd's: one of these has log */
	char *netns;            /* veth, macvlan: path of the namespace, /run/netns/NAME or /proc/PID/ns/net */
	struct port_inside inside;
	unsigned vf;            /* of a PORT_VF; without has_vf netd chooses */
	bool has_vf;
	unsigned slot;          /* 1..PORT_SLOT_MAX, unique in the network, netd's choice: its shaping classes */
	char *machine;          /* what it belongs to, with other ports; a name of the client's choice, or NULL */
	uint32_t owner_uid, owner_gid;
	int32_t owner_pid;
	uint64_t created;       /* s since the epoch */
};

void port_free(struct port *port);
DEFINE_AUTO(struct port, port_free);
struct port *port_copy(const struct port *port);
bool port_equal(const struct port *a, const struct port *b);
json_t *port_to_json(const struct port *port);
/* A state file, as port_to_json() wrote it: AttachPort's keys, ownerUid, ownerGid, created. */
int port_from_json(const json_t *json, struct port **ret, struct vnet_error *err);
/* Parameters of AttachPort from a peer: nothing that the kernel says of the peer is accepted. */
int port_from_request(const json_t *json, struct port **ret, struct vnet_error *err);
/* Changes only the keys present: UpdatePort.  On error port is untouched. */
int port_update_from_json(struct port *port, const json_t *changes, struct vnet_error *err);

/*
 * Fills what the request left open from the network's mode and defaults (its
 * bridge.mtu is the one in force, which links may have decided); a MAC is
 * derived from network and port name (52:54:00 + 24 bits of a hash), so the
 * same name gets the same MAC on every host and at every start.
 */
void port_complete(struct port *port, const struct network *net);
/* The security groups it is in, by the network as it is now. None: nothing is filtered. */
const group_name_vec *port_groups(const struct port *port, const struct network *net);
/*
 * What a shaper has to hold a completed port to.  Without a limit of its own a
 * port still shares the network's, if there is one.
 */
void port_limits(const struct port *port, const struct network *net, struct bandwidth *ret_in,
		 struct bandwidth *ret_out);
/*
 * Adds to a PortInfo what the varlink file types as objects of their own: vlan,
 * learning to proxyArp, offloads, bandwidth, netns, inside, vf.
 */
void port_describe(const struct port *port, json_t *info);
struct mac port_mac_from_name(const char *network, const char *port, unsigned attempt);

#endif
