/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guard.c - what ports are held to, as values; see guard.h. */

#include "model/guard.h"

#include "model/port.h"
#include "model/check_internal.h"
#include "model/schema_wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const policy_names[] = {
	[GUARD_INHERIT] = "default", [GUARD_MAC] = "mac", [GUARD_STRICT] = "strict",
	[GUARD_OFF] = "off", NULL
};

static const char *const reason_names[GUARD_REASONS_END] = {
	[GUARD_REASON_MAC] = "mac",
	[GUARD_REASON_VLAN_TAG] = "vlan-tag",
	[GUARD_REASON_ETHERTYPE] = "ethertype",
	[GUARD_REASON_IPV4_SOURCE] = "ipv4-source",
	[GUARD_REASON_IPV6_SOURCE] = "ipv6-source",
	[GUARD_REASON_ARP] = "arp",
	[GUARD_REASON_ARP_ADDRESS] = "arp-address",
	[GUARD_REASON_ND] = "nd",
	[GUARD_REASON_ND_TARGET] = "nd-target",
	[GUARD_REASON_ROUTER] = "router",
	[GUARD_REASON_DHCP_SERVER] = "dhcp-server",
	[GUARD_REASON_DHCP_CLIENT] = "dhcp-client",
	[GUARD_REASON_HEADER] = "header",
	[GUARD_REASON_LLC] = "llc",
	[GUARD_REASON_TUNNEL] = "tunnel",
	[GUARD_REASON_STORM] = "storm",
	[GUARD_REASON_EGRESS_GROUP] = "egress-group",
	[GUARD_REASON_INGRESS_GROUP] = "ingress-group",
	[GUARD_REASON_CHECKSUM] = "checksum",
};

static const char *const reason_texts[GUARD_REASONS_END] = {
	[GUARD_REASON_MAC] = "its source MAC address is not the port's",
	[GUARD_REASON_VLAN_TAG] = "a VLAN tag that the port may not use",
	[GUARD_REASON_ETHERTYPE] = "a protocol that the port may not use",
	[GUARD_REASON_IPV4_SOURCE] = "its IPv4 source address is not the port's",
	[GUARD_REASON_IPV6_SOURCE] = "its IPv6 source address is not the port's",
	[GUARD_REASON_ARP] = "ARP that is malformed, or in the name of a foreign MAC address",
	[GUARD_REASON_ARP_ADDRESS] = "ARP in the name of an address that is not the port's",
	[GUARD_REASON_ND] = "neighbour discovery that is malformed, or in the name of a foreign MAC address",
	[GUARD_REASON_ND_TARGET] = "neighbour discovery about an address that is not the port's",
	[GUARD_REASON_ROUTER] = "the port is no router's",
	[GUARD_REASON_DHCP_SERVER] = "the port is no DHCP server's",
	[GUARD_REASON_DHCP_CLIENT] = "a DHCP request for a foreign MAC address",
	[GUARD_REASON_HEADER] = "a header that cannot be read to its end",
	[GUARD_REASON_LLC] = "802.2 (STP and the like), which the port may not use",
	[GUARD_REASON_TUNNEL] = "a packet within a packet",
	[GUARD_REASON_STORM] = "more broadcasts or multicasts a second than the port may send",
	[GUARD_REASON_EGRESS_GROUP] = "no egress rule of its security groups allows it",
	[GUARD_REASON_INGRESS_GROUP] = "no ingress rule of its security groups allows it",
	[GUARD_REASON_CHECKSUM] = "its checksum would be written over what the rules have read",
};

#define R(reason) (1u << GUARD_REASON_##reason)

static const struct {
	const char *name;
	uint32_t reasons;
} allows[GUARD_ALLOWS] = {
	[GUARD_ALLOW_ANY_ADDRESS] = { "any-address", R(IPV4_SOURCE) | R(IPV6_SOURCE) |
						     R(ARP_ADDRESS) | R(ND_TARGET) },
	[GUARD_ALLOW_ANY_ETHERTYPE] = { "any-ethertype", R(ETHERTYPE) },
	[GUARD_ALLOW_DHCP_SERVER] = { "dhcp-server", R(DHCP_SERVER) },
	[GUARD_ALLOW_LLC] = { "llc", R(LLC) },
	[GUARD_ALLOW_ROUTER] = { "router", R(ROUTER) },
	[GUARD_ALLOW_TUNNELS] = { "tunnels", R(TUNNEL) },
	[GUARD_ALLOW_VLAN_TAGS] = { "vlan-tags", R(VLAN_TAG) },
};
#undef R

const char *guard_reason_name(unsigned reason)
{
	return reason < GUARD_REASONS_END ? reason_names[reason] : NULL;
}

const char *guard_reason_text(unsigned reason)
{
	const char *text = reason < GUARD_REASONS_END ? reason_texts[reason] : NULL;

	return text ? text : "for a reason that this version does not know";
}

const char *guard_policy_name(enum guard_policy policy)
{
	return policy_names[policy];
}

uint32_t guard_allow_reasons(enum guard_allow allow)
{
	return allows[allow].reasons;
}

/* --- keys --- */

static const char *const allow_words[] = {
	"any-address", "any-ethertype", "dhcp-server", "llc", "router", "tunnels", "vlan-tags", NULL,
};
_Static_assert(ARRAY_SIZE(allow_words) == GUARD_ALLOWS + 1, "a word for each");

/* An address alone is its prefix of full length; of a prefix, host bits are an error. */
static int source_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	static const char wanted[] = "an address like 192.168.10.5 or a prefix like 10.7.0.0/24";
	const char *text = decode_text(d, n, wanted);
	struct prefix *prefix = value, clean;
	char buf[TEXT_QUOTE_MAX];
	struct ip ip;

	(void)f;
	if (!text)
		return -EINVAL;
	if (ip_parse(text, &ip) == 0) {
		*prefix = (struct prefix){ ip, (uint8_t)ip_bits(&ip) };
		return 0;
	}
	if (prefix_parse(text, prefix) < 0)
		return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf),
				  wanted);
	clean = prefix_network(prefix);
	if (prefix_cmp(&clean, prefix) != 0)
		return node_error(n, d->err, "bad-address",
				  "the prefix has host bits set; clear what is behind its length");
	return 0;
}

static json_t *source_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct prefix *prefix = value;
	char text[ADDR_TEXT_MAX];

	if (prefix->len == ip_bits(&prefix->addr))
		return json_string(ip_format(&prefix->addr, text));
	return type_prefix.encode(f, value, root);
}

static const struct schema_type type_source = {
	.size = sizeof(struct prefix),
	.decode = source_decode,
	.encode = source_encode,
};

/* Names of ethertypes that guests have a use for. IEEE 802 numbers. */
static const struct {
	const char *name;
	uint16_t number;
} ethertypes[] = {
	{ "lldp", 0x88cc }, { "eapol", 0x888e }, { "lacp", 0x8809 },
	{ "mpls", 0x8847 }, { "ptp", 0x88f7 },	 { "wol", 0x0842 },
};
#define ETHERTYPE_WANTED "lldp, eapol, lacp, mpls, ptp, wol or a number from 0x0600 to 0xffff"

static int unknown_ethertype(struct decoder *d, const struct node *n, const char *text)
{
	const char *names[ARRAY_SIZE(ethertypes)], *near;
	char buf[TEXT_QUOTE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(ethertypes); i++)
		names[i] = ethertypes[i].name;
	near = nearest_word(text, names, ARRAY_SIZE(names));
	return node_error(n, d->err, "bad-value", "%s is not " ETHERTYPE_WANTED "%s%s%s",
			  text_quote(text, buf), near ? " (did you mean \"" : "", near ? near : "",
			  near ? "\"?)" : "");
}

/* Types that have checks of their own, or are not one. */
static const char *ethertype_problem(unsigned long long number)
{
	switch (number) {
	case 0x0800: case 0x86dd: case 0x0806: case 0x8035:
		return "IPv4, IPv6, ARP and RARP pass by their own checks";
	case 0x8100: case 0x88a8: case 0x9100:
		return "a VLAN tag is no ethertype to pass; use vlan, or allow: [vlan-tags]";
	default:
		return number < 0x0600 ? "below 0x0600 the field is a length; use allow: [llc]" : NULL;
	}
}

static int ethertype_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			    void *value)
{
	const char *text = decode_text(d, n, ETHERTYPE_WANTED), *problem;
	unsigned long long number = 0;
	char buf[TEXT_QUOTE_MAX];

	(void)f;
	if (!text)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(ethertypes); i++)
		if (strcmp(text, ethertypes[i].name) == 0)
			number = ethertypes[i].number;
	if ((!number && number_parse(text, &number) < 0) || number > 0xffff)
		return unknown_ethertype(d, n, text);
	problem = ethertype_problem(number);
	if (problem)
		return node_error(n, d->err, "bad-value", "%s: %s", text_quote(text, buf), problem);
	*(uint16_t *)value = (uint16_t)number;
	return 0;
}

static json_t *ethertype_encode(const struct schema_field *f, const void *value, const void *root)
{
	uint16_t number = *(const uint16_t *)value;
	char text[8];

	(void)f;
	(void)root;
	for (size_t i = 0; i < ARRAY_SIZE(ethertypes); i++)
		if (ethertypes[i].number == number)
			return json_string(ethertypes[i].name);
	snprintf(text, sizeof(text), "0x%04x", number);
	return json_string(text);
}

static const struct schema_type type_ethertype = {
	.size = sizeof(uint16_t),
	.decode = ethertype_decode,
	.encode = ethertype_encode,
};

#define G(member) offsetof(struct guard, member)
static const struct schema_field storm_fields[] = {
	FIELD("broadcast", type_uint, G(broadcast), .min = 1, .max = 10000000),
	FIELD("multicast", type_uint, G(multicast), .min = 1, .max = 10000000),
};
static const struct schema storm_schema = {
	.what = "storm",
	.size = sizeof(struct guard),
	SCHEMA_FIELDS(storm_fields),
};

static const struct schema_field allow_item = ITEM("allow", type_enum, .names = allow_words);
static const struct schema_field source_item = ITEM("addresses", type_source);
static const struct schema_field mac_item = ITEM("macs", type_mac);
static const struct schema_field ethertype_item = ITEM("ethertypes", type_ethertype);
static const struct schema_field guard_fields[] = {
	FIELD("policy", type_enum, G(policy), .names = policy_names),
	FIELD("allow", type_list, G(allow), .item = &allow_item, .max = GUARD_ALLOWS),
	FIELD("addresses", type_list, G(addresses), .item = &source_item, .max = GUARD_ADDRESSES_MAX),
	FIELD("macs", type_list, G(macs), .item = &mac_item, .max = GUARD_MACS_MAX),
	FIELD("ethertypes", type_list, G(ethertypes), .item = &ethertype_item,
	      .max = GUARD_ETHERTYPES_MAX),
	FIELD("storm", type_struct, 0, .schema = &storm_schema),
	FIELD("learn", type_tristate, G(learn)),
};
#undef G

const struct schema guard_schema = {
	.what = "guard",
	.size = sizeof(struct guard),
	SCHEMA_FIELDS(guard_fields),
	.short_key = "policy",
	.starts_anew = true,
};

/* --- in force --- */

struct port_guard port_guard(const struct port *port, const struct network *net)
{
	struct port_guard in_force = { GUARD_MAC, &port->guard };

	if (!port->has_guard && net)
		in_force.guard = &net->port_defaults.guard;
	if (port->guard.policy)
		in_force.policy = port->guard.policy;
	else if (net && net->port_defaults.guard.policy)
		in_force.policy = net->port_defaults.guard.policy;
	return in_force;
}

json_t *port_guard_to_json(const struct port_guard *guard)
{
	struct guard all = *guard->guard;

	all.policy = guard->policy;
	return schema_encode(&guard_schema, &all, &all);
}

bool guard_is_default(const struct guard *guard)
{
	return !guard->policy && !guard->allow.n && !guard->addresses.n && !guard->macs.n &&
	       !guard->ethertypes.n && !guard->broadcast && !guard->multicast && !guard->learn;
}

struct ip ip_from_eui64(const struct prefix *prefix, const struct mac *mac)
{
	struct ip ip = prefix->addr;

	memcpy(ip.b + 8, mac->b, 3);
	ip.b[8] ^= 0x02;
	ip.b[11] = 0xff;
	ip.b[12] = 0xfe;
	memcpy(ip.b + 13, mac->b + 3, 3);
	return ip;
}

static const struct prefix link_local = { { AF_INET6, { 0xfe, 0x80 } }, 64 };

static void add_autoconfigured(const struct port *port, const struct network *net, ip_vec *ret)
{
	if (!port->has_mac)
		return;
	vec_push(ret, ip_from_eui64(&link_local, &port->mac));
	if (!net || (network_ra(net) != RA_SLAAC && network_ra(net) != RA_STATELESS))
		return;
	vec_each(address, &net->addresses)
		if (address->addr.family == AF_INET6 && address->len == 64)
			vec_push(ret, ip_from_eui64(address, &port->mac));
}

static bool is_host(const struct dhcp_host *host, const struct port *port)
{
	if (host->has_mac)
		return port->has_mac && mac_cmp(&host->mac, &port->mac) == 0;
	return host->name && port->name && strcmp(host->name, port->name) == 0;
}

static void add_reserved(const struct port *port, const struct network *net, ip_vec *ret)
{
	vec_each(host, &net->dhcp.hosts) {
		if (!is_host(host, port))
			continue;
		if (host->address.family)
			vec_push(ret, host->address);
		if (host->address6.family)
			vec_push(ret, host->address6);
	}
}

/* --- learning --- */

/* Of the family; IPv6 link-local addresses are nobody's to declare. */
static bool has_declared(const struct port *port, const struct network *net, int family)
{
	ip_vec reserved = { 0 };
	bool found = false;

	add_reserved(port, net, &reserved);
	vec_each(ip, &port->addresses)
		found |= ip->family == family && !ip_is_link_local(ip);
	vec_each(ip, &reserved)
		found |= ip->family == family;
	vec_each(prefix, &port_guard(port, net).guard->addresses)
		found |= prefix->addr.family == family;
	vec_free(&reserved);
	return found;
}

/*
 * ::1, ::53: what routers and servers have, and no guest comes by on its own: its
 * interface identifiers are made of its MAC or of 64 random bits.
 */
static bool is_chosen_by_hand(const struct ip *ip)
{
	static const uint8_t zero[6];

	return memcmp(ip->b + 8, zero, sizeof(zero)) == 0;
}

static bool is_in_network(const struct network *net, const struct ip *ip)
{
	const struct prefix *subnet = network_subnet_of(net, ip);

	/* A bridged network's subnets are not ours to know. */
	if (!network_has_family(net, ip->family))
		return ip->family == AF_INET || !is_chosen_by_hand(ip);
	return subnet && subnet_host_is_usable(subnet, ip) && !network_has_address(net, ip);
}

bool port_learns_addresses(const struct port *port, const struct network *net)
{
	struct port_guard guard = port_guard(port, net);

	return guard.policy == GUARD_STRICT && guard.guard->learn != TRI_FALSE;
}

bool port_may_learn(const struct port *port, const struct network *net, const struct ip *ip)
{
	if (!port_learns_addresses(port, net) || ip_is_any(ip) || ip_is_multicast(ip) ||
	    ip_is_loopback(ip))
		return false;
	if (ip->family == AF_INET6 && ip_is_link_local(ip)) {
		struct mac bridge = network_bridge_mac(net);
		struct ip host = ip_from_eui64(&link_local, &bridge);

		return ip_cmp(ip, &host) != 0 && !is_chosen_by_hand(ip);
	}
	return !has_declared(port, net, ip->family) && is_in_network(net, ip);
}

void port_own_addresses(const struct port *port, const struct network *net, ip_vec *ret)
{
	vec_each(ip, &port->addresses)
		vec_push(ret, *ip);
	/* What was declared since goes before what was learned. */
	vec_each(held, &port->held)
		if (!net || port_may_learn(port, net, &held->ip))
			vec_push(ret, held->ip);
	if (net)
		add_reserved(port, net, ret);
	add_autoconfigured(port, net, ret);
}

void port_sources(const struct port *port, const struct network *net, ip_vec *ret_addresses,
		  prefix_vec *ret_prefixes)
{
	const struct guard *guard = port_guard(port, net).guard;

	vec_each(prefix, &guard->addresses) {
		if (prefix->len == ip_bits(&prefix->addr))
			vec_push(ret_addresses, prefix->addr);
		else
			vec_push(ret_prefixes, *prefix);
	}
	port_own_addresses(port, net, ret_addresses);
}
