/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_SNAPSHOT_H
#define VNET_PLAN_SNAPSHOT_H

/*
 * snapshot.h - what the kernel has, as plain values
 *
 * Filled by a kernel back end, read by the planner.  Only what the planner
 * compares is kept.
 */

#include "base/addr.h"
#include "base/mem.h"
#include "model/network.h"

#include <linux/if_link.h>

#define LINK_ALIAS_MAX 256
/*
 * Our mark in IFLA_IFALIAS: "vnet:bridge:NETWORK", "vnet:port:NETWORK:PORT",
 * "vnet:vlan:NETWORK", "vnet:service:UPLINK:ID" (an outer tag, for all networks that share it),
 * "vnet:companion:NETWORK", "vnet:ifb:NETWORK", "vnet:link:NETWORK:LINK:PEER" (PEER "*" for VXLAN).
 */
#define LINK_ALIAS_PREFIX "vnet:"
/* RTM_NEWROUTE's rtm_protocol of our routes; unassigned in rtnetlink.h and iproute2's rt_protos. */
#define ROUTE_PROTOCOL_VNET 118
/* The same mark on the addresses that we add (struct addr.protocol), where the kernel keeps it. */
#define ADDR_PROTOCOL_VNET 118

struct bridge_state {           /* kind "bridge"; times in centiseconds, the kernel's USER_HZ */
	bool stp;
	uint32_t forward_delay, hello_time, max_age, ageing;
	uint16_t priority;
	bool multicast_snooping;
	uint16_t group_fwd_mask;
	bool vlan_filtering;
	bool nf_call_iptables, nf_call_ip6tables, nf_call_arptables;
	bool linklocal_learn;   /* addresses from frames to 01:80:c2:00:00:0X; Linux's default */
	uint16_t vlan_protocol; /* ETH_P_8021Q or ETH_P_8021AD */
	uint16_t default_pvid;  /* 0: none */
};

struct bridge_port_state {      /* of a link whose master is a bridge */
	uint8_t state;          /* BR_STATE_*: 0 disabled .. 3 forwarding, 4 blocking */
	bool isolated, learning, hairpin, flood, multicast_flood;
	bool root_guard;        /* never the way to the spanning tree's root */
	bool proxy_arp;
};

struct tun_state {              /* kind "tun" */
	bool is_tap, is_persistent, is_multi_queue, has_vnet_hdr;
	uint32_t owner, group;  /* UINT32_MAX: none */
};

struct vlan_state { uint16_t id, protocol; };          /* kind "vlan"; on link.parent */
struct macvlan_state { uint32_t mode; uint16_t flags; }; /* "macvlan", "macvtap": MACVLAN_MODE_*; on link.parent */

struct gre_state {              /* "gretap", "ip6gretap"; on link.parent or 0 */
	struct ip local, remote;
	bool has_key;           /* both ways */
	uint32_t key;
	uint8_t ttl, tos;
	bool pmtudisc, ignore_df; /* IPv4 */
	bool has_encap_limit;   /* IPv6: RFC 2473's option, 8 bytes more; we never want it */
};

struct vxlan_state {            /* "vxlan"; on link.parent or 0 */
	uint32_t vni;
	struct ip local;
	uint16_t port;
	uint8_t ttl, tos;
	bool learning;
	uint8_t df;             /* VXLAN_DF_* */
};

/* Offloads of a device, as ETHTOOL_G* tell; only where they were asked for. */
struct feature_state { bool is_known, rx, tx, sg, tso, gso, gro; };

/* What keeps a port's sender from writing over what rules have read; see kernel/checksum.bpf.c. */
enum checksum_guard {
	CHECKSUM_OPEN,
	CHECKSUM_STALE,         /* an older program, or one that this netd cannot tell from it */
	CHECKSUM_GUARDED,
};

struct link {
	int ifindex;
	char name[16];
	char kind[16];          /* IFLA_INFO_KIND or "" */
	struct mac mac;
	uint32_t mtu, txqueuelen;
	uint32_t group;
	uint32_t flags;         /* IFF_* */
	int master;             /* ifindex or 0 */
	int parent;             /* IFLA_LINK or 0 */
	char alias[LINK_ALIAS_MAX];
	int8_t addr_gen_mode;   /* IN6_ADDR_GEN_MODE_*, -1: no IPv6 on it */
	struct bridge_state bridge;
	struct bridge_port_state port;
	struct tun_state tun;
	struct vlan_state vlan;
	struct macvlan_state macvlan;
	struct gre_state gre;
	struct vxlan_state vxlan;
	struct feature_state features;
	enum checksum_guard checksum; /* of our ports */
	bool is_wireless;       /* IEEE 802.11: takes frames of one MAC only, so no macvtap, no bridge */
	bool has_netns_peer;    /* veth whose other end is in another namespace */
};

/* A VLAN of a bridge port, or of the bridge itself. */
struct vlan_member {
	int ifindex;
	uint16_t first, last;
	bool is_pvid;           /* first == last then */
	bool is_untagged;
};

/* A forwarding entry of a VXLAN device of ours that was not learnt. */
struct vxlan_fdb {
	int ifindex;
	struct mac mac;         /* zero: where frames to unknown addresses are copied to */
	struct ip dst;
	bool is_external;       /* NTF_EXT_LEARNED: a control plane's */
};

/*
 * How a port is shaped: its classes of the network's IFB.  Frames from the port
 * (clsact ingress) and to it (egress) pass that device and come back.
 */
struct shaper {
	int ifindex;            /* the port */
	int ifb;
	uint16_t slot;          /* which classes; kernel/shaper.c */
	struct bandwidth in, out; /* as shaper_normal() makes it; rate 0: not redirected in that direction */
};
/* The limits of all ports of the IFB together; a rate of 0: none. */
struct shaper_root { int ifindex; struct bandwidth in, out; };

struct vf {                     /* a virtual function of an SR-IOV device */
	int ifindex;            /* the physical function */
	uint32_t index;
	struct mac mac;
	uint16_t vlan, vlan_protocol; /* 0: none */
	uint8_t qos;
	bool spoofchk, trust;
	uint32_t min_rate, max_rate; /* Mbit/s; 0: none */
	uint8_t link_state;     /* IFLA_VF_LINK_STATE_* */
};

struct addr {
	int ifindex;
	struct prefix prefix;
	struct ip peer;         /* family 0: none */
	uint32_t flags;         /* IFA_F_* */
	uint8_t scope;
	uint32_t valid, preferred; /* s, UINT32_MAX: for ever */
	uint32_t metric;        /* IFA_RT_PRIORITY, 0: none */
	char label[16];         /* IPv4 only, or "" */
	bool no_broadcast;      /* IPv4: given without one; not compared, but kept when it moves */
	/* IFA_PROTO (kernel 5.18): 1 lo, 2 router advertisement, 3 link-local; 0: none known */
	uint8_t protocol;
};

struct route {
	uint8_t family;
	uint32_t table;
	struct prefix dst;      /* len 0: default */
	struct ip gateway;      /* family 0: on link; may be of the other family (RTA_VIA) */
	int oif;                /* of a single-path route; 0 with several next hops */
	uint32_t metric;
	uint8_t protocol, type, scope;
	struct ip prefsrc;
	uint32_t flags;         /* RTNH_F_ONLINK */
	uint32_t mtu;           /* RTAX_MTU or 0 */
	uint8_t preference;     /* RTA_PREF, IPv6 */
	uint32_t expires;       /* s, 0: never (RA routes have one) */
};

struct sysctl {
	char path[96];          /* below /proc/sys: "net/ipv4/conf/eth0/forwarding" */
	int64_t value;
};

struct nft_ruleset; /* nft/ruleset.h; names of devices in place of their indexes */

struct snapshot {
	VEC(struct link) links; /* sorted by ifindex */
	VEC(struct addr) addrs;
	VEC(struct route) routes; /* main and local tables of both families, no cache entries */
	VEC(struct sysctl) sysctls; /* only the paths asked for, sorted by path */
	struct nft_ruleset *nft; /* our tables only; NULL: none exists */
	VEC(struct vlan_member) vlans; /* sorted by ifindex, first */
	VEC(struct vxlan_fdb) fdb;     /* sorted by ifindex, mac, dst */
	VEC(struct shaper) shapers;    /* sorted by ifindex */
	VEC(struct shaper_root) shaper_roots; /* sorted by ifindex */
	VEC(struct vf) vfs;            /* sorted by ifindex, index */
	int next_ifindex;        /* of the device that op_apply() makes next; never used twice */
};

void snapshot_free(struct snapshot *snap);
#define AUTO_SNAPSHOT __attribute__((cleanup(snapshot_free)))
void snapshot_copy(const struct snapshot *from, struct snapshot *to);
void snapshot_sort(struct snapshot *snap);
/* Its orders, for qsort() and bsearch() over the arrays. */
int snapshot_cmp_addrs(const void *a, const void *b);
int snapshot_cmp_routes(const void *a, const void *b);
int snapshot_cmp_sysctls(const void *a, const void *b);
int snapshot_cmp_vlans(const void *a, const void *b);
int snapshot_cmp_fdb(const void *a, const void *b);
int snapshot_cmp_shapers(const void *a, const void *b);
int snapshot_cmp_shaper_roots(const void *a, const void *b);
int snapshot_cmp_vfs(const void *a, const void *b);
const struct link *snapshot_link(const struct snapshot *snap, const char *name);
const struct link *snapshot_link_by_index(const struct snapshot *snap, int ifindex);
/* 0 and *ret, or -ENOENT where the kernel has no such file. */
int snapshot_sysctl(const struct snapshot *snap, const char *path, int64_t *ret);
bool link_is_ours(const struct link *link); /* by its alias */

/* A compact text form, one object a line, and its parser: for golden tests and bug reports. */
char *snapshot_to_text(const struct snapshot *snap);
struct vnet_error;
int snapshot_from_text(const char *text, struct snapshot *ret, struct vnet_error *err);

#endif
