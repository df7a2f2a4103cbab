/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network_schema.c - every key of a network's definition, as tables; those of
 * DHCP, RA, DNS and of what lies below the bridge are in files of their own.
 *
 * What a single value may be is here; how values must fit each other is in
 * check.c.  docs/reference-network.md is the manual.
 */

#include "model/network_schema.h"

#include "model/endpoint.h"
#include "model/names.h"
#include "model/network.h"
#include "model/schema_wire.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

/* --- bridge --- */

static const struct schema_field bridge_fields[] = {
#define B(member) offsetof(struct bridge_options, member)
	FIELD("name", type_string, B(name), .check = ifname_check),
	FIELD("mac", type_mac, B(mac), .has = HAS(struct bridge_options, has_mac)),
	FIELD("stp", type_bool, B(stp)),
	FIELD("forward_delay", type_duration, B(forward_delay), .min = 2, .max = 30),
	FIELD("hello_time", type_duration, B(hello_time), .min = 1, .max = 10),
	FIELD("max_age", type_duration, B(max_age), .min = 6, .max = 40),
	FIELD("priority", type_uint, B(priority), .max = 65535,
	      .has = HAS(struct bridge_options, has_priority)),
	FIELD("ageing", type_duration, B(ageing), .max = 1000000,
	      .has = HAS(struct bridge_options, has_ageing)),
	FIELD("mtu", type_uint, B(mtu), .min = 68, .max = 65535),
	FIELD("multicast_snooping", type_bool, B(multicast_snooping)),
	FIELD("group_fwd_mask", type_uint, B(group_fwd_mask), .max = 65535),
	FIELD("vlan_filtering", type_bool, B(vlan_filtering)),
	FIELD("vlan_protocol", type_enum, B(vlan_protocol), .names = vlan_protocol_names),
	FIELD("native", type_vlan_id, B(native), .has = HAS(struct bridge_options, has_native)),
	FIELD("uplink_vlans", type_vlan_ranges, B(uplink_vlans)),
#undef B
};
static const struct schema bridge_schema = {
	.what = "bridge",
	.size = sizeof(struct bridge_options),
	SCHEMA_FIELDS(bridge_fields),
};

/* --- subnet: auto --- */

static int auto_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		       void *value)
{
	const char *text = decode_text(d, n, "the word auto");
	char buf[TEXT_QUOTE_MAX];

	(void)f;
	if (!text)
		return -EINVAL;
	if (strcmp(text, "auto") != 0)
		return node_error(
			n, d->err, "bad-value",
			"%s is not the word auto; write a chosen subnet into addresses instead",
			text_quote(text, buf));
	*(bool *)value = true;
	return 0;
}

static json_t *auto_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)value;
	(void)root;
	return json_string("auto");
}

static const struct schema_type type_auto = {
	.size = sizeof(bool),
	.decode = auto_decode,
	.encode = auto_encode,
};

static const struct schema_field subnet_fields[] = {
	FIELD("ipv4", type_auto, offsetof(struct network, auto4)),
	FIELD("ipv6", type_auto, offsetof(struct network, auto6)),
};
static const struct schema subnet_schema = {
	.what = "subnet",
	.size = sizeof(struct network),
	SCHEMA_FIELDS(subnet_fields),
	.short_key = "ipv4",
};

/* --- NAT, forwards, routes --- */

static unsigned long long nat4_default(const void *root)
{
	return ((const struct network *)root)->mode == NETWORK_NAT;
}

static const struct schema_field nat_fields[] = {
#define N(member) offsetof(struct nat_config, member)
	FIELD("ipv4", type_bool, N(ipv4), .default_of = nat4_default),
	FIELD("ipv6", type_bool, N(ipv6)),
	FIELD("uplink", type_string, N(uplink), .check = ifname_check),
	FIELD("source", type_ip_range, N(source), .family = AF_INET),
	FIELD("source6", type_ip_range, N(source6), .family = AF_INET6),
	FIELD("ports", type_port_range, N(ports)),
#undef N
};
static const struct schema nat_schema = {
	.what = "nat",
	.size = sizeof(struct nat_config),
	SCHEMA_FIELDS(nat_fields),
};

#define LISTEN_WANTED "ports, or address:ports, like 8080, 192.0.2.1:8000-8010 or [2001:db8::1]:80"
#define TARGET_WANTED                                                                              \
	"a guest's address, with ports if they differ, like 192.168.10.5:80 or [fd00::5]:80"

static int listen_parse(struct decoder *d, const struct node *n, const char *text,
			struct forward *forward)
{
	char buf[TEXT_QUOTE_MAX];
	struct endpoint e;

	if (endpoint_parse(text, &e) < 0 || !e.ports.first)
		return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf),
				  LISTEN_WANTED);
	forward->listen = e.ip;
	forward->ports = e.ports;
	return 0;
}

static int listen_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	const char *text = decode_text(d, n, LISTEN_WANTED);

	(void)f;
	return text ? listen_parse(d, n, text, value) : -EINVAL;
}

static json_t *listen_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct forward *forward = value;

	(void)f;
	(void)root;
	return endpoint_to_json(&forward->listen, &forward->ports);
}

static bool listen_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct forward *x = a, *y = b;

	(void)f;
	return ip_cmp(&x->listen, &y->listen) == 0 &&
	       memcmp(&x->ports, &y->ports, sizeof(x->ports)) == 0;
}

static const struct schema_type type_listen = {
	.decode = listen_decode,
	.encode = listen_encode,
	.equal = listen_equal,
};

static int target_parse(struct decoder *d, const struct node *n, const char *text,
			struct forward *forward)
{
	char buf[TEXT_QUOTE_MAX];
	struct endpoint e;

	if (endpoint_parse(text, &e) < 0 || !e.ip.family)
		return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf),
				  TARGET_WANTED);
	forward->to = e.ip;
	forward->to_ports = e.ports;
	return 0;
}

static int target_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	const char *text = decode_text(d, n, TARGET_WANTED);

	(void)f;
	return text ? target_parse(d, n, text, value) : -EINVAL;
}

static json_t *target_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct forward *forward = value;

	(void)f;
	(void)root;
	return endpoint_to_json(&forward->to, &forward->to_ports);
}

static bool target_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct forward *x = a, *y = b;

	(void)f;
	return ip_cmp(&x->to, &y->to) == 0 &&
	       memcmp(&x->to_ports, &y->to_ports, sizeof(x->to_ports)) == 0;
}

static const struct schema_type type_target = {
	.decode = target_decode,
	.encode = target_encode,
	.equal = target_equal,
};

/* The enum's values are protocol numbers; the table of names is short. */
static int protocol_parse(struct decoder *d, const struct node *n, const char *text,
			  enum forward_protocol *ret)
{
	char buf[TEXT_QUOTE_MAX];

	if (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0)
		return node_error(n, d->err, "bad-value",
				  "%s is not a protocol that can be forwarded; accepted: tcp, udp",
				  text_quote(text, buf));
	*ret = text[0] == 't' ? FORWARD_TCP : FORWARD_UDP;
	return 0;
}

static int protocol_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			   void *value)
{
	const char *text = decode_text(d, n, "tcp or udp");

	(void)f;
	return text ? protocol_parse(d, n, text, value) : -EINVAL;
}

static json_t *protocol_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_string(*(const enum forward_protocol *)value == FORWARD_UDP ? "udp" : "tcp");
}

static const struct schema_type type_protocol = {
	.size = sizeof(enum forward_protocol),
	.decode = protocol_decode,
	.encode = protocol_encode,
};

/* Cuts the next word off *text in place; NULL at the end. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, " ");
	size_t len = strcspn(word, " ");

	if (!len)
		return NULL;
	*text = word + len + (word[len] ? 1 : 0);
	word[len] = '\0';
	return word;
}

/* "tcp 8080 -> 192.168.10.5:80" */
static int forward_short_form(struct decoder *d, const struct node *n, void *value)
{
	AUTO_FREE char *copy = mem_strdup(n->text);
	struct forward *forward = value;
	char *rest = copy, *words[5] = { 0 };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!(words[i] = next_word(&rest)))
			break;
	if (!words[3] || words[4] || strcmp(words[2], "->") != 0)
		return node_error(
			n, d->err, "bad-value",
			"a forward in one line is written \"tcp 8080 -> 192.168.10.5:80\"");
	r = protocol_parse(d, n, words[0], &forward->protocol);
	if (r == 0)
		r = listen_parse(d, n, words[1], forward);
	return r < 0 ? r : target_parse(d, n, words[3], forward);
}

/* Target ports follow the listening ones; any-address of the target's family is no address. */
static int forward_finish(struct decoder *d, const struct node *n, void *value)
{
	struct forward *forward = value;
	unsigned count = forward->ports.last - forward->ports.first;

	if (!forward->to_ports.first)
		forward->to_ports = forward->ports;
	if (forward->listen.family && ip_is_any(&forward->listen) &&
	    forward->listen.family == forward->to.family)
		forward->listen = (struct ip){ 0 };
	if ((unsigned)(forward->to_ports.last - forward->to_ports.first) == count)
		return 0;
	return node_error(
		n, d->err, "port-count",
		"%u ports are forwarded to %u; give ranges of the same size, or leave the "
		"target's ports out to keep the numbers",
		count + 1, forward->to_ports.last - forward->to_ports.first + 1u);
}

static const struct schema_field forward_fields[] = {
	FIELD("protocol", type_protocol, offsetof(struct forward, protocol), .required = true),
	FIELD("listen", type_listen, 0, .required = true),
	FIELD("to", type_target, 0, .required = true),
};
static const struct schema forward_schema = {
	.what = "a forward",
	.size = sizeof(struct forward),
	SCHEMA_FIELDS(forward_fields),
	.source = HAS(struct forward, source),
	.short_form = forward_short_form,
	.finish = forward_finish,
};

static const struct schema_field route_fields[] = {
#define R(member) offsetof(struct static_route, member)
	FIELD("to", type_prefix, R(to), .required = true),
	FIELD("via", type_ip, R(via)),
	FIELD("metric", type_uint, R(metric), .min = 1, .max = UINT_MAX),
#undef R
};
static const struct schema route_schema = {
	.what = "a route",
	.size = sizeof(struct static_route),
	SCHEMA_FIELDS(route_fields),
	.source = HAS(struct static_route, source),
};

/* --- the network --- */

static const char *const mode_names[] = {
	[NETWORK_NAT] = "nat",		 [NETWORK_ROUTED] = "routed",	[NETWORK_OPEN] = "open",
	[NETWORK_ISOLATED] = "isolated", [NETWORK_BRIDGED] = "bridged",
	[NETWORK_MACVTAP] = "macvtap",	 [NETWORK_SRIOV] = "sriov",	NULL
};

const char *network_mode_name(enum network_mode mode)
{
	return mode_names[mode];
}

static const struct schema_field bridge_address_item = ITEM("addresses", type_prefix);
static const struct schema_field forward_item =
	ITEM("forwards", type_struct, .schema = &forward_schema);
static const struct schema_field route_item = ITEM("routes", type_struct, .schema = &route_schema);
static const struct schema_field egress_item = ITEM("egress", type_egress);
static const struct schema_field link_item = ITEM("links", type_struct, .schema = &link_schema);

static const struct schema_field network_fields[] = {
#define N(member) offsetof(struct network, member)
	FIELD("mode", type_enum, N(mode), .required = true, .names = mode_names),
	FIELD("autostart", type_bool, N(autostart), .def = true),
	FIELD("host_access", type_bool, N(host_access), .def = true),
	FIELD("domain", type_string, N(domain), .check = domain_check),
	FIELD("uplink", type_string, N(uplink), .check = ifname_check),
	FIELD("vlan", type_struct, N(vlan), .schema = &vlan_schema),
	FIELD("vlans", type_vlans, 0, .input_only = true),
	FIELD("bridge", type_struct, N(bridge), .schema = &bridge_schema),
	FIELD("addresses", type_list, N(addresses), .item = &bridge_address_item,
	      .max = NETWORK_ADDRESSES_MAX),
	FIELD("subnet", type_struct, 0, .schema = &subnet_schema),
	FIELD("dhcp", type_struct, N(dhcp), .schema = &dhcp_schema),
	FIELD("dhcp6", type_struct, N(ipv6), .schema = &dhcp6_schema),
	FIELD("ra", type_struct, N(ipv6), .schema = &ra_schema),
	FIELD("dns", type_struct, N(dns), .schema = &dns_schema),
	FIELD("nat", type_struct, N(nat), .schema = &nat_schema),
	FIELD("forwards", type_list, N(forwards), .item = &forward_item,
	      .max = NETWORK_FORWARDS_MAX),
	FIELD("routes", type_list, N(routes), .item = &route_item, .max = NETWORK_ROUTES_MAX),
	FIELD("egress", type_list, N(egress), .item = &egress_item, .max = EGRESS_MAX,
	      .has = HAS(struct network, has_egress)),
	FIELD("links", type_list, N(links), .item = &link_item, .max = NETWORK_LINKS_MAX),
	FIELD("macvtap", type_struct, N(macvtap), .schema = &macvtap_schema),
	FIELD("sriov", type_struct, N(sriov), .schema = &sriov_schema),
	FIELD("bandwidth", type_struct, 0, .schema = &bandwidth_schema),
	FIELD("ports", type_struct, N(port_defaults), .schema = &ports_schema),
#undef N
};

const struct schema network_schema = {
	.what = "a network",
	.size = sizeof(struct network),
	SCHEMA_FIELDS(network_fields),
};
