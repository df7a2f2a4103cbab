/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_OP_H
#define VNET_PLAN_OP_H

/*
 * op.h - the closed list of things vnet ever does to the kernel
 *
 * Every operation is idempotent: the back end treats "is so already" (EEXIST
 * on an equal object, ENODEV/ESRCH on a delete) as success, because a lost
 * reply means it may have run.  Operations name devices by name; the back end
 * resolves indexes when it runs them.
 */

#include "plan/snapshot.h"
#include "vnet/error.h"

#include <jansson.h>

#include <sys/types.h>

struct nft_txn; /* nft/ruleset.h */

enum op_kind {
	OP_BRIDGE_CREATE,  /* down; link.name/mac/mtu/alias and bridge options */
	OP_LINK_CREATE,    /* down; link.kind/name/mac/mtu/alias/parent and what the kind has */
	OP_TAP_CREATE,     /* persistent TAP without descriptors; tap.* */
	OP_LINK_SET,       /* the fields in link.set, one RTM_SETLINK/NEWLINK */
	OP_LINK_DELETE,    /* refuses a device without our alias unless force */
	/*
	 * All devices of link.group at once, which costs one wait for the kernel's grace periods
	 * instead of one each.  Refuses the whole group when one of it does not carry our mark.
	 */
	OP_GROUP_DELETE,
	OP_ADDR_ADD, OP_ADDR_DEL,
	OP_ROUTE_ADD, OP_ROUTE_DEL,
	OP_VLAN_ADD, OP_VLAN_DEL, /* of a bridge port, or of the bridge itself */
	OP_FDB_ADD, OP_FDB_DEL,   /* of a VXLAN device; with a peer goes what was learnt from it */
	OP_SHAPE,          /* a port's limits; both rates 0 take them away, also when the port is gone */
	OP_SHAPE_ROOT,     /* the IFB's HTB and the limits of all */
	/*
	 * The checksum guard of a port (docs/firewall.md); adding it takes the place of an older one.
	 * Nothing is done on a kernel that does not take it, which kernel_guards_checksums() tells.
	 */
	OP_CHECKSUM_ADD, OP_CHECKSUM_DEL,
	OP_FEATURES,       /* offloads that differ from TRI_DEFAULT */
	OP_VF,             /* all of a virtual function */
	OP_SYSCTL,         /* writes sysctl.value to sysctl.path; -ENOENT is success when optional */
	OP_NFT,            /* one nftables transaction */
	OP_SERVICE,        /* start, reload, restart or stop a network's dnsmasq; not for the kernel back end */
};

enum link_field {           /* what OP_LINK_SET sets */
	LINK_SET_UP = 1 << 0,       /* up */
	LINK_SET_MTU = 1 << 1,
	LINK_SET_MAC = 1 << 2,
	LINK_SET_ALIAS = 1 << 3,
	LINK_SET_TXQUEUELEN = 1 << 4,
	LINK_SET_MASTER = 1 << 5,   /* master: name, or "" to take it out */
	LINK_SET_ADDR_GEN = 1 << 6, /* addr_gen_mode */
	LINK_SET_BRIDGE = 1 << 7,   /* all of bridge; without vlan_protocol not what is of VLANs */
	LINK_SET_ISOLATED = 1 << 8, /* bridge port option port.isolated */
	LINK_SET_GROUP = 1 << 9,
	LINK_SET_STATE = 1 << 10,   /* bridge port option port.state */
	LINK_SET_ROOT_GUARD = 1 << 11, /* bridge port option port.root_guard */
	LINK_SET_LEARNING = 1 << 12, /* bridge port options of the same names */
	LINK_SET_FLOOD = 1 << 13,
	LINK_SET_MCAST_FLOOD = 1 << 14,
	LINK_SET_HAIRPIN = 1 << 15,
	LINK_SET_PROXY_ARP = 1 << 16,
	LINK_SET_NAME = 1 << 18,    /* it is called old_name; set down first, as kernels want it */
	LINK_SET_KIND = 1 << 17,    /* what the kind has and lets change: gre, vxlan (not its identity); names kind and parent */
};

struct op_link {
	char name[16], old_name[16];
	uint32_t set;           /* enum link_field */
	bool up;
	bool force;             /* OP_LINK_DELETE without our alias: an adopted TAP's owner died */
	uint32_t mtu, txqueuelen, group;
	struct mac mac;
	char alias[LINK_ALIAS_MAX];
	char master[16];
	int8_t addr_gen_mode;
	struct bridge_state bridge;
	struct bridge_port_state port;
	char kind[16];          /* OP_LINK_CREATE: vlan, macvlan, vxlan, gretap, ip6gretap, ifb */
	char parent[16];        /* "": none */
	struct vlan_state vlan;
	struct macvlan_state macvlan;
	struct gre_state gre;
	struct vxlan_state vxlan;
};

/* Devices on their way out are gathered in this group ("vnet" in ASCII), for OP_GROUP_DELETE. */
#define LINK_GROUP_DELETE 0x766e6574

struct op_tap {
	char name[16];
	bool multi_queue, vnet_hdr;
	uint32_t owner, group;  /* who may open it; UINT32_MAX: only root and who has CAP_NET_ADMIN */
	char alias[LINK_ALIAS_MAX];
};

struct op_addr { char ifname[16]; struct addr addr; /* .ifindex unused */ };
struct op_route { char ifname[16]; struct route route; /* .oif unused; ifname "": none */ };
struct op_vlan { char ifname[16]; bool is_bridge; /* the bridge itself */ struct vlan_member vlan; /* .ifindex unused */ };
struct op_fdb { char ifname[16]; struct vxlan_fdb fdb; /* .ifindex unused */ };
struct op_shape { char ifname[16], ifb[16]; struct shaper shaper; /* .ifindex, .ifb unused */ };
struct op_shape_root { char ifb[16]; struct bandwidth in, out; };
struct op_checksum { char ifname[16], kind[16]; /* as the link's: macvtap, or another */ };
struct op_features { char ifname[16]; struct port_options options; /* the offloads of it */ };
struct op_vf { char ifname[16]; struct vf vf; /* .ifindex unused */ };
struct op_sysctl { struct sysctl sysctl; bool optional; };
enum service_action { SERVICE_START, SERVICE_RELOAD, SERVICE_RESTART, SERVICE_STOP };

struct op {
	enum op_kind kind;
	char network[16];       /* whose it is; "": the host's.  A failure skips the later ones of the same network. */
	bool loses_traffic;     /* running guests notice: apply asks for it (--disruptive) */
	const char *why;        /* they do: a part of a sentence, static */
	union {
		struct op_link link;
		struct op_tap tap;
		struct op_addr addr;
		struct op_route route;
		struct op_vlan vlan;
		struct op_fdb fdb;
		struct op_shape shape;
		struct op_shape_root shape_root;
		struct op_checksum checksum;
		struct op_features features;
		struct op_vf vf;
		struct op_sysctl sysctl;
		struct nft_txn *nft;    /* owned */
		enum service_action service;
	};
};

typedef VEC(struct op) op_vec;
struct op *op_add(op_vec *ops, enum op_kind kind, const char *network);
void op_vec_free(op_vec *ops);
#define AUTO_OPS __attribute__((cleanup(op_vec_free)))

/* The device that it is about, or "". */
const char *op_device(const struct op *op);
/* One line in words: "create bridge vn-blue (52:54:00:…, mtu 1500)".  For --dry-run, logs, golden tests. */
char *op_to_text(const struct op *op);
json_t *op_to_json(const struct op *op); /* {"op","network","text","losesTraffic"}, and "why" then */
static inline void op_loses(struct op *op, bool loses, const char *why)
{
	op->loses_traffic = loses;
	op->why = loses ? why : NULL;
}

/* What the operation makes of a snapshot: the fake kernel, and the proof that plan ∘ apply = nothing left. */
int op_apply(const struct op *op, struct snapshot *snap, struct vnet_error *err);

#endif
