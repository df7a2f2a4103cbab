/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame_l4.c - TCP, UDP, ICMP, and of what they carry what a network lives by */

#include "trace/frame_text.h"

#include <string.h>

#define DHCP_OPTIONS 240        /* behind the fixed part and its magic cookie: RFC 2131 */
#define DHCP_CHADDR 28

#define NAMED(b, names, what, number) text_named(b, names, ARRAY_SIZE(names), what, number)

static void text_tcp(struct strbuf *b, struct cursor c)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG" };
	const uint8_t *p = take(&c, 14);
	const char *separator = " ";

	strbuf_append(b, "TCP");
	if (!p) {
		text_cut(b);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(p[13] & 1u << i))
			continue;
		strbuf_printf(b, "%s%s", separator, names[i]);
		separator = ",";
	}
}

/* The message type's option, or 0. */
static unsigned dhcp_type(struct cursor c)
{
	if (!take(&c, DHCP_OPTIONS))
		return 0;
	while (c.left >= 3 && c.at[0] != 255) {
		if (c.at[0] == 53)
			return c.at[2];
		if (!take(&c, c.at[0] == 0 ? 1 : 2u + c.at[1]))
			break;
	}
	return 0;
}

static void text_dhcp(struct strbuf *b, struct cursor c)
{
	static const struct named types[] = {
		{ 1, "discover" }, { 2, "offer" }, { 3, "request" }, { 4, "decline" },
		{ 5, "ack" }, { 6, "nak" }, { 7, "release" }, { 8, "inform" },
	};
	unsigned type = dhcp_type(c);

	strbuf_append(b, ", DHCP ");
	if (type)
		NAMED(b, types, "message type", type);
	else
		strbuf_append(b, c.left && c.at[0] == 2 ? "from a server" : "from a client");
	if (c.left >= DHCP_CHADDR + 6) {
		strbuf_append(b, " for ");
		text_mac(b, c.at + DHCP_CHADDR);
	}
}

static void text_dhcp6(struct strbuf *b, struct cursor c)
{
	static const struct named types[] = {
		{ 1, "solicit" }, { 2, "advertise" }, { 3, "request" }, { 4, "confirm" }, { 5, "renew" },
		{ 6, "rebind" }, { 7, "reply" }, { 8, "release" }, { 9, "decline" },
		{ 10, "reconfigure" }, { 11, "information-request" },
	};

	strbuf_append(b, ", DHCPv6 ");
	if (c.left)
		NAMED(b, types, "message type", c.at[0]);
}

static bool is_between(const struct packet_ends *ends, unsigned a, unsigned b)
{
	return ends->destination_port == a || ends->destination_port == b;
}

static void text_udp(struct strbuf *b, const struct packet_ends *ends, struct cursor c)
{
	const uint8_t *p = take(&c, 8);

	strbuf_append(b, "UDP");
	if (!p) {
		text_cut(b);
		return;
	}
	strbuf_printf(b, " %u bytes", be16(p + 4) >= 8 ? be16(p + 4) - 8 : 0);
	if (ends->family == AF_INET && is_between(ends, 67, 68))
		text_dhcp(b, c);
	else if (ends->family == AF_INET6 && is_between(ends, 546, 547))
		text_dhcp6(b, c);
}

static void text_icmp(struct strbuf *b, struct cursor c)
{
	static const struct named types[] = {
		{ 0, "echo reply" }, { 3, "unreachable" }, { 5, "redirect" }, { 8, "echo request" },
		{ 9, "router advertisement" }, { 10, "router solicitation" }, { 11, "time exceeded" },
		{ 12, "parameter problem" },
	};

	strbuf_append(b, "ICMP ");
	if (c.left)
		NAMED(b, types, "type", c.at[0]);
	else
		text_cut(b);
}

/* The first option is usually the only one: source or target link-layer address. */
static void text_nd_option(struct strbuf *b, struct cursor c)
{
	const uint8_t *p = take(&c, 8);

	if (!p || p[0] < 1 || p[0] > 2 || p[1] != 1)
		return;
	strbuf_append(b, p[0] == 1 ? ", sender at " : ", at ");
	text_mac(b, p + 2);
}

static void text_icmp6(struct strbuf *b, struct cursor c)
{
	static const struct named types[] = {
		{ 1, "unreachable" }, { 2, "packet too big" }, { 3, "time exceeded" },
		{ 4, "parameter problem" }, { 128, "echo request" }, { 129, "echo reply" },
		{ 130, "multicast listener query" }, { 131, "multicast listener report" },
		{ 132, "multicast listener done" }, { 133, "router solicitation" },
		{ 134, "router advertisement" }, { 135, "neighbour solicitation for " },
		{ 136, "neighbour advertisement of " }, { 137, "redirect to " },
		{ 143, "multicast listener report" },
	};
	unsigned type = c.left ? c.at[0] : 0;
	const uint8_t *target;

	strbuf_append(b, "ICMPv6 ");
	if (!c.left) {
		text_cut(b);
		return;
	}
	NAMED(b, types, "type", type);
	if (type < 135 || type > 137)
		return;
	take(&c, 8);
	target = take(&c, 16);
	if (!target) {
		text_cut(b);
		return;
	}
	text_ip(b, AF_INET6, target);
	if (type != 137)
		text_nd_option(b, c);
}

void text_l4(struct strbuf *b, const struct packet_ends *ends, unsigned protocol, struct cursor c,
	     bool is_fragment)
{
	static const struct named names[] = {
		{ 1, "ICMP" }, { 2, "IGMP" }, { 4, "IPv4 within" }, { PROTOCOL_TCP, "TCP" },
		{ PROTOCOL_UDP, "UDP" }, { 41, "IPv6 within" }, { 47, "GRE" }, { 50, "ESP" },
		{ PROTOCOL_ICMP6, "ICMPv6" }, { 89, "OSPF" }, { 112, "VRRP" }, { PROTOCOL_SCTP, "SCTP" },
		{ 59, "nothing" },
	};

	if (is_fragment) {
		NAMED(b, names, "protocol", protocol);
		return;
	}
	switch (protocol) {
	case PROTOCOL_TCP:
		text_tcp(b, c);
		break;
	case PROTOCOL_UDP:
		text_udp(b, ends, c);
		break;
	case 1:
		text_icmp(b, c);
		break;
	case PROTOCOL_ICMP6:
		text_icmp6(b, c);
		break;
	default:
		NAMED(b, names, "protocol", protocol);
		break;
	}
}
