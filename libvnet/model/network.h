/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_NETWORK_H
#define VNET_MODEL_NETWORK_H

/*
 * network.h - a network as its administrator declared it
 *
 * Plain data.  A network owns every string and array below it; network_free()
 * releases all.  Strings are NULL when not given.  "0: default" fields keep 0
 * in memory, so that what is written back is what was declared; the effective
 * value comes from the accessor named beside the field.
 *
 * The YAML reference (docs/reference-network.md) is the manual of these keys.
 */

#include "base/addr.h"
#include "base/mem.h"
#include "model/egress.h"
#include "model/group.h"
#include "model/guard.h"
#include "model/source.h"
#include "vnet/error.h"

#include <jansson.h>

#define NETWORK_NAME_MAX 15     /* bytes; letters, digits, '-', '_', '.'; first is a letter or digit */
#define NETWORK_BRIDGE_PREFIX "vn-"
#define NETWORK_VLAN_PREFIX "vl-"      /* the 802.1Q device below a network's bridge */
#define NETWORK_COMPANION_PREFIX "vc-" /* the host's own macvlan beside macvtap ports */
#define NETWORK_IFB_PREFIX "vi-"       /* where the bandwidth of a network's ports is shaped */
#define NETWORK_LINKS_MAX 16           /* interconnects of one network */
#define NETWORK_PEERS_MAX 256          /* of one interconnect */
#define VLAN_ID_MAX 4094               /* 0 is the priority tag, 4095 reserved (IEEE 802.1Q) */
#define VLAN_RANGES_MAX 128            /* of one port or uplink */
#define NETWORKS_MAX 4096       /* per daemon */
#define NETWORK_ADDRESSES_MAX 64
#define NETWORK_HOSTS_MAX 8192  /* static DHCP hosts of one network */
#define NETWORK_RECORDS_MAX 4096 /* DNS records of one network */
#define NETWORK_FORWARDS_MAX 1024 /* entries of one network */
#define NETWORK_FORWARD_PORTS_MAX 4096 /* ports forwarded by one network, ranges counted out */
#define NETWORK_ROUTES_MAX 256
#define NETWORK_RANGES_MAX 256  /* DHCP ranges of one family */
#define NETWORK_OPTIONS_MAX 256 /* DHCP options */
#define NETWORK_FORWARDERS_MAX 64

enum network_mode {
	NETWORK_NAT,      /* guests leave with a host address */
	NETWORK_ROUTED,   /* guests leave with their own */
	NETWORK_OPEN,     /* no layer-3 rules of ours */
	NETWORK_ISOLATED, /* no forwarding */
	NETWORK_BRIDGED,  /* on an existing bridge, or on a NIC taken into ours */
	NETWORK_MACVTAP,  /* devices of their own on a NIC, without a bridge */
	NETWORK_SRIOV,    /* virtual functions of a NIC, passed to guests by VFIO */
};
const char *network_mode_name(enum network_mode mode);

enum vlan_protocol { VLAN_8021Q, VLAN_8021AD }; /* tag protocol 0x8100, 0x88a8 */
uint16_t vlan_protocol_ethertype(enum vlan_protocol protocol);

/* `vlan:` of a network: one bridge for this id of its uplink. */
struct vlan_config {
	unsigned id;            /* 1..VLAN_ID_MAX; 0: none */
	enum vlan_protocol protocol; /* of the tag with this id */
	unsigned service;       /* id of an outer 802.1ad tag (QinQ); 0: none */
};

struct vlan_range { uint16_t first, last; }; /* both included */
typedef VEC(struct vlan_range) vlan_range_vec;

/* `vlan:` of a port on a VLAN-aware bridge. */
struct port_vlans {
	bool is_given;          /* else an access port of the bridge's native id */
	unsigned native;        /* of untagged frames, both ways; 0: none pass */
	vlan_range_vec tagged;  /* sorted, disjoint, without native; empty: an access port */
};

/* A limit in one direction. */
struct bandwidth {
	uint64_t rate;          /* bit/s, 8000..1e12; 0: none */
	uint64_t guaranteed;    /* bit/s out of the network's own limit; 0: a fair share */
	uint32_t burst;         /* bytes; 0: derived from rate, shaper_burst() */
};

/* How a port behaves beyond addresses; TRI_DEFAULT: as the network says, or Linux. */
struct port_options {
	enum tristate learning; /* of source addresses, by the bridge; default true */
	enum tristate flood;    /* of unknown unicast to the port; default true */
	enum tristate multicast_flood; /* default true */
	enum tristate hairpin;  /* frames may leave where they came in; default false */
	enum tristate proxy_arp; /* the bridge answers for neighbours that it knows; default false */
	/* Offloads of the host's end, by the names of `ethtool -K`. */
	enum tristate rx, tx, sg, tso, gso, gro;
};

struct bridge_options {
	char *name;             /* NULL: NETWORK_BRIDGE_PREFIX + network name; see network_bridge() */
	bool has_mac;
	struct mac mac;         /* pinned; else derived from the name: network_bridge_mac() */
	bool stp;
	unsigned forward_delay; /* s, 2..30 with STP; 0: default (2 with STP, 0 without) */
	unsigned hello_time;    /* s, 1..10; 0: kernel default */
	unsigned max_age;       /* s, 6..40; 0: kernel default */
	unsigned priority;      /* 0..65535; has_priority */
	bool has_priority;
	unsigned ageing;        /* s, 0..1000000; has_ageing */
	bool has_ageing;
	unsigned mtu;           /* 68..65535 (1280.. with IPv6); 0: 1500 */
	bool multicast_snooping; /* default false: the safe one for IPv6 and mDNS */
	unsigned group_fwd_mask; /* 16 bits; the kernel refuses bits 0..2 */
	/* A VLAN-aware bridge: ports are told apart by VLAN id, guests may tag. */
	bool vlan_filtering;
	enum vlan_protocol vlan_protocol;
	unsigned native;        /* 0..VLAN_ID_MAX, the host's and unspecified ports' id; see has_native */
	bool has_native;        /* else 1 */
	vlan_range_vec uplink_vlans; /* tagged on the uplink; empty: all but native */
};

struct dhcp_host {
	struct source source;
	bool has_mac;
	struct mac mac;
	char *name;             /* host name; a host has a MAC, a name, a DUID or several of them */
	char *duid;             /* of a DHCPv6 client, "00:03:00:01:..", or NULL */
	struct ip address;      /* IPv4; family 0: none */
	struct ip address6;
	unsigned lease_time;    /* s; 0: the network's; UINT_MAX: infinite */
};

struct dhcp_option {
	struct source source;
	bool is_v6;
	char *name;             /* dnsmasq's option name or NULL */
	unsigned number;        /* 1..254 (v4), 1..65535 (v6); 0: by name */
	char *value;            /* as dnsmasq takes it; "" sends the option empty */
	bool force;             /* send even when not asked for */
};

struct dhcp_boot {              /* PXE */
	char *file;             /* NULL: none */
	char *server_name;
	struct ip server;
	char *tftp_root;        /* absolute directory served by TFTP; NULL: no TFTP */
};

struct dhcp_config {            /* v4 */
	bool enabled;           /* `dhcp:` present and not `false` */
	VEC(struct ip_range) ranges; /* empty: the whole of the first IPv4 subnet but our own addresses */
	bool reserved_only;     /* no ranges at all: addresses only for whom they are reserved */
	unsigned lease_time;    /* s; 0: 3600; UINT_MAX: infinite */
	VEC(struct dhcp_host) hosts; /* serve both families */
	VEC(struct dhcp_option) options; /* both families */
	struct dhcp_boot boot;
	bool authoritative;     /* default true */
};

enum ra_mode {
	RA_OFF,
	RA_SLAAC,      /* A flag, no managed addresses */
	RA_STATELESS,  /* A + O: options by DHCPv6 */
	RA_MANAGED,    /* M: addresses by DHCPv6 */
};

struct ipv6_config {
	enum ra_mode ra;        /* default: SLAAC with an IPv6 address, MANAGED with dhcp6 ranges */
	bool has_ra;
	VEC(struct ip_range) ranges; /* dhcp6.ranges */
	bool reserved_only;     /* dhcp6.reserved_only */
	bool dhcp6_enabled;
	unsigned lease_time;    /* s; 0: 3600 */
	unsigned ra_interval;   /* s, 4..1800; 0: dnsmasq's default */
	unsigned router_lifetime; /* s, 0..9000; has_router_lifetime */
	bool has_router_lifetime;
};

struct dns_host { struct source source; char *name; VEC(struct ip) addresses; VEC(char *) aliases; };
struct dns_srv { struct source source; char *service, *protocol, *domain, *target; unsigned port, priority, weight; };
struct dns_txt { struct source source; char *name, *value; };
struct dns_ptr { struct source source; char *name, *target; };
struct dns_cname { struct source source; char *name, *target; };
struct dns_forwarder { struct source source; struct ip address; unsigned port; /* 0: 53 */ char *domain; /* only for this, or NULL */ };

struct dns_config {
	bool enabled;           /* default true where the network has addresses and is not bridged */
	bool local_only;        /* never forward the network's own domain; default true with a domain */
	bool forward_plain_names; /* default false */
	bool use_host_resolvers; /* default true without forwarders: /etc/resolv.conf of the host */
	VEC(struct dns_forwarder) forwarders;
	VEC(struct dns_host) hosts;
	VEC(struct dns_srv) srv;
	VEC(struct dns_txt) txt;
	VEC(struct dns_ptr) ptr;
	VEC(struct dns_cname) cname;
};

struct nat_config {
	bool ipv4;              /* default true with mode nat */
	bool ipv6;              /* opt-in */
	char *uplink;           /* interface name; NULL: whatever the routes say */
	struct ip_range source; /* first.family 0: masquerade */
	struct ip_range source6;
	struct port_range ports; /* 0,0: the kernel's choice */
};

enum forward_protocol { FORWARD_TCP = 6, FORWARD_UDP = 17 };

struct forward {
	struct source source;
	enum forward_protocol protocol;
	struct ip listen;       /* family 0: every address of the host, of the target's family */
	struct port_range ports; /* on the host */
	struct ip to;           /* the guest */
	struct port_range to_ports; /* same count as ports */
};

struct static_route {
	struct source source;
	struct prefix to;
	struct ip via;          /* family 0: on link */
	unsigned metric;        /* 0: kernel default */
};

#define VXLAN_PORT 4789 /* RFC 7348 */

enum link_kind { LINK_GRETAP, LINK_VXLAN };
const char *link_kind_name(enum link_kind kind);

/* An interconnect of the network's bridge with other hosts' bridges. */
struct network_link {
	struct source source;
	char *name;             /* unique in the network */
	enum link_kind kind;
	struct ip local;        /* ours; its family is the underlay's (IPv6: ip6gretap) */
	char *device;           /* underlay interface; NULL: whatever the routes say */
	VEC(struct ip) peers;   /* the other hosts; of local's family, unique, not local */
	bool has_key;
	uint32_t key;           /* GRE key; VXLAN: the VNI, 1..2^24-1, required */
	unsigned ttl;           /* 1..255; 0: 64 */
	unsigned tos;           /* 0..255; 1: inherited */
	bool pmtudisc;          /* default true: never fragment the outer packets */
	bool split_horizon;     /* default true: never from one peer to another */
	/* VXLAN */
	unsigned port;          /* UDP; 0: VXLAN_PORT */
	bool learning;          /* default true */
	bool external;          /* forwarding entries come from a control plane; peers stays empty */
};

enum macvtap_mode { MACVTAP_BRIDGE, MACVTAP_VEPA, MACVTAP_PRIVATE, MACVTAP_PASSTHRU };

struct macvtap_config {
	enum macvtap_mode mode;
	bool companion;         /* an interface of the host beside the guests; has `addresses` */
};

struct sriov_config {
	bool has_vfs;
	unsigned first_vf, last_vf; /* which to hand out; else all */
	bool spoofchk;          /* default true */
	bool trust;             /* default false: may the guest change MAC and receive mode */
};

struct port_defaults {
	unsigned mtu;           /* 0: the bridge's */
	bool isolated;          /* ports cannot talk to each other */
	unsigned queues;        /* 0: 1 */
	unsigned txqueuelen;    /* 0: 1000 */
	struct port_vlans vlan;
	struct port_options options;
	struct bandwidth in, out; /* of each port */
	struct guard guard;
	group_name_vec groups;  /* security groups; see port_groups() */
};

struct network {
	struct source source;
	char *name;
	enum network_mode mode;
	bool autostart;         /* default true */
	bool host_access;       /* default true */
	char *domain;           /* DNS domain of the guests, or NULL */
	/*
	 * bridged without vlan: the NIC taken into our bridge; NULL: bridge.name exists already.
	 * With vlan, in every mode with a bridge: the device that carries the VLAN.
	 * macvtap: the NIC below.  sriov: the physical function.
	 */
	char *uplink;
	struct vlan_config vlan; /* sriov: of the VFs */
	struct bridge_options bridge;
	VEC(struct prefix) addresses; /* of the bridge, both families */
	bool auto4, auto6;      /* `subnet: auto`: an address is chosen from the pool and put in addresses */
	struct dhcp_config dhcp;
	struct ipv6_config ipv6;
	struct dns_config dns;
	struct nat_config nat;
	VEC(struct forward) forwards;
	VEC(struct static_route) routes;
	VEC(struct network_link) links;
	bool has_egress;        /* guests connect only to these; with none of them, to nothing */
	egress_vec egress;
	struct macvtap_config macvtap;
	struct sriov_config sriov;
	struct bandwidth in, out; /* all ports together; guarantees are shares of it */
	struct port_defaults port_defaults;
	key_source_vec keys;    /* positions of the keys above, when read from YAML */
};

void network_free(struct network *net);
DEFINE_AUTO(struct network, network_free);
struct network *network_copy(const struct network *net);
/* True when both declare the same (sources are not compared). */
bool network_equal(const struct network *a, const struct network *b);

/* Effective values. */
const char *network_bridge(const struct network *net, char buf[16]); /* the bridge's name, or the companion's */
bool network_has_bridge(const struct network *net); /* all modes but macvtap and sriov */
bool network_owns_bridge(const struct network *net); /* false: none, or bridged on a foreign bridge */
bool network_takes_uplink(const struct network *net); /* bridged, and the NIC itself becomes a bridge port */
/*
 * Pinned, or stable from the name; with links from the first one's local address too, for
 * bridges that meet on one segment must differ.
 */
struct mac network_bridge_mac(const struct network *net);
/* A device beside the bridge: prefix + name, or prefix + a hash where that is too long. */
const char *network_device(const struct network *net, const char *prefix, char buf[16]);
/* The bridge port of a link: to this peer (gretap: one device each), or of all (VXLAN: peer NULL). */
const char *network_link_device(const struct network *net, const struct network_link *link,
				const struct ip *peer, char buf[16]);
/* Bytes that the link adds to a frame's payload: outer headers and the inner Ethernet header. */
unsigned network_link_overhead(const struct network_link *link);
unsigned network_native_vlan(const struct network *net); /* of a VLAN-aware bridge */
bool vlan_ranges_contain(const vlan_range_vec *ranges, unsigned id);
/* Bytes of a shaper's bucket: 5 ms at rate, at least 10 full frames. */
uint32_t shaper_burst(const struct bandwidth *bandwidth);
unsigned network_mtu(const struct network *net);
/* Of connections within its bridge: 0x8000 to 0xffff, by its name. */
uint16_t network_zone(const struct network *net);
bool network_has_family(const struct network *net, int family); /* has an address of it */
bool network_wants_dnsmasq(const struct network *net); /* DHCP, DNS or RA to serve */
enum ra_mode network_ra(const struct network *net); /* what is sent, defaults applied */

/*
 * The canonical JSON form: what the YAML would be, defaults left out, and
 * without the name, which is the key in `networks`.  An address chosen for
 * `subnet: auto` is not declared and left out too.  New reference.
 */
json_t *network_to_json(const struct network *net);
/* {"networks": {NAME: ...}}: networks_from_json() gives equal networks back. */
json_t *networks_to_json(struct network *const *nets, size_t n);

/*
 * Reads definitions.  Text form: a mapping `networks: {NAME: {...}, ...}`; the
 * same shape as JSON, where the inner mapping alone does too (no network may
 * be called "networks").  Every problem is an error with its position; nothing
 * is returned from a text with an error.  Texts are at most NETWORKS_TEXT_MAX.
 * Groups in it are checked and left out: definitions.h.
 */
#define NETWORKS_TEXT_MAX (4 * 1024 * 1024)
typedef VEC(struct network *) network_vec;
void network_vec_free(network_vec *nets);
#define AUTO_NETWORKS __attribute__((cleanup(network_vec_free)))
int networks_from_yaml(const char *text, size_t size, const char *file, network_vec *ret,
		       struct vnet_error *err);
int networks_from_json(const json_t *json, network_vec *ret, struct vnet_error *err);

/*
 * Where the key at path ("nat.source", "addresses[1]") of a network was
 * declared; without a record of it, where the network was.  Adds
 * file:line:column and "NAME.path" to the error.
 */
void network_locate(const struct network *net, const char *path, struct vnet_error *err);

/* Name rule shared by networks and ports; says what is wrong. */
int name_check(const char *name, size_t max, struct vnet_error *err);
/* What the kernel takes as an interface name (dev_valid_name), 1..15 bytes, no '%'. */
int ifname_check(const char *name, struct vnet_error *err);

#endif
