/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_GUARD_H
#define VNET_MODEL_GUARD_H

/*
 * guard.h - what a port is held to: the policy against pretending to be another
 *
 * A guard is part of a network's `ports:` and may be replaced by a port's own.
 * docs/firewall.md tells what each check looks at; nft/compile_guard.c makes
 * the rules.
 */

#include "base/addr.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define GUARD_ADDRESSES_MAX 64
#define GUARD_MACS_MAX 16
#define GUARD_ETHERTYPES_MAX 16
#define GUARD_HELD_MAX 32       /* addresses of one port that were learned */

struct network;
struct port;

enum tristate { TRI_DEFAULT, TRI_FALSE, TRI_TRUE };

enum guard_policy {
	GUARD_INHERIT,  /* none given: the network's; there: GUARD_MAC */
	GUARD_MAC,      /* source MAC addresses */
	GUARD_STRICT,   /* every check below */
	GUARD_OFF,
};

/*
 * Why a frame was taken from a port.  The numbers are in the kernel (meta mark
 * of a dropped frame, keys of set drops) and stay what they are.
 */
enum guard_reason {
	GUARD_REASON_MAC = 1,
	GUARD_REASON_VLAN_TAG,
	GUARD_REASON_ETHERTYPE,
	GUARD_REASON_IPV4_SOURCE,
	GUARD_REASON_IPV6_SOURCE,
	GUARD_REASON_ARP,         /* malformed, or of a foreign MAC */
	GUARD_REASON_ARP_ADDRESS,
	GUARD_REASON_ND,          /* malformed, or of a foreign MAC */
	GUARD_REASON_ND_TARGET,
	GUARD_REASON_ROUTER,
	GUARD_REASON_DHCP_SERVER,
	GUARD_REASON_DHCP_CLIENT, /* for a foreign MAC */
	GUARD_REASON_HEADER,      /* cannot be read to its end */
	GUARD_REASON_LLC,
	GUARD_REASON_TUNNEL,
	GUARD_REASON_STORM,
	GUARD_REASON_EGRESS_GROUP = 18,
	GUARD_REASON_INGRESS_GROUP,
	GUARD_REASON_CHECKSUM,    /* to be written where rules have read */
	GUARD_REASONS_END
};
/* "dhcp-server"; NULL for a number that is no reason. */
const char *guard_reason_name(unsigned reason);
/* "ARP for an address that is not the port's": for people; never NULL. */
const char *guard_reason_text(unsigned reason);

/* Checks that can be switched off one by one. */
enum guard_allow {
	GUARD_ALLOW_ANY_ADDRESS, GUARD_ALLOW_ANY_ETHERTYPE, GUARD_ALLOW_DHCP_SERVER,
	GUARD_ALLOW_LLC, GUARD_ALLOW_ROUTER, GUARD_ALLOW_TUNNELS, GUARD_ALLOW_VLAN_TAGS,
	GUARD_ALLOWS
};
/* Bit GUARD_REASON_x set: frames are not taken for that reason. */
uint32_t guard_allow_reasons(enum guard_allow allow);

typedef VEC(struct ip) ip_vec;
typedef VEC(struct prefix) prefix_vec;
typedef VEC(struct mac) mac_vec;

/* An address that a port was seen to have. */
struct held_address {
	struct ip ip;
	uint64_t expires;       /* s since the epoch; 0: never */
};
typedef VEC(struct held_address) held_vec;

struct guard {
	enum guard_policy policy;
	VEC(unsigned) allow;          /* enum guard_allow */
	prefix_vec addresses;         /* beside the port's own; a whole prefix for routed guests */
	mac_vec macs;                 /* beside the port's own (VRRP, CARP) */
	VEC(uint16_t) ethertypes;     /* beside IPv4, IPv6, ARP and RARP; host order */
	unsigned broadcast, multicast; /* frames a second from the guest; 0: any number */
	enum tristate learn;          /* addresses, from DHCP and DAD; default true */
};

/* What holds for a port: policy is never GUARD_INHERIT; guard's other members are in force. */
struct port_guard {
	enum guard_policy policy;
	const struct guard *guard;
};
/* net NULL: the port's own. Borrowed from both. */
struct port_guard port_guard(const struct port *port, const struct network *net);
const char *guard_policy_name(enum guard_policy policy);
/* As in YAML, with the policy. New reference. */
json_t *port_guard_to_json(const struct port_guard *guard);
/* Says nothing: as good as none. */
bool guard_is_default(const struct guard *guard);

/*
 * Sources of a strict port: whole addresses to ret_addresses, prefixes to
 * ret_prefixes (both the caller's, to be freed, may hold an address twice).
 * Declared ones, those of static DHCP hosts with its MAC or name, its held ones;
 * for IPv6 what its MAC makes of fe80::/64 and of the prefixes that its network
 * announces (EUI-64, RFC 4291 appendix A).
 */
void port_sources(const struct port *port, const struct network *net, ip_vec *ret_addresses,
		  prefix_vec *ret_prefixes);
/* The same without what the guard allows beside them: addresses that nobody else may have. */
void port_own_addresses(const struct port *port, const struct network *net, ip_vec *ret);
/*
 * May a strict port learn that it has this address?  Not of a family in which
 * its addresses are declared (but IPv6 link-local ones), nor outside the network's
 * subnets, nor the host's.  Other ports are not looked at.
 */
bool port_may_learn(const struct port *port, const struct network *net, const struct ip *ip);
/* Are there addresses that it may learn at all? */
bool port_learns_addresses(const struct port *port, const struct network *net);
/* The address that a MAC makes of a /64. */
struct ip ip_from_eui64(const struct prefix *prefix, const struct mac *mac);

extern const struct schema guard_schema;

#endif
