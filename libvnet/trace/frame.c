/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frame.c - finding the way through a frame's headers; frame_l4.c says what is in them
 *
 * A cursor holds what is left; taking more than that yields NULL, and the text ends
 * with "cut short".
 */

#include "trace/frame_text.h"

#include <stdio.h>
#include <string.h>

#define ETHERNET_SIZE 14
#define IP4_SIZE 20
#define IP6_SIZE 40

#define TYPE_IP4 0x0800
#define TYPE_ARP 0x0806
#define TYPE_RARP 0x8035
#define TYPE_IP6 0x86dd
#define TYPE_LLC_MAX 0x05ff     /* a length, up to here: IEEE 802.3 */

const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *at = c->at;

	if (c->left < n)
		return NULL;
	c->at += n;
	c->left -= n;
	return at;
}

void text_cut(struct strbuf *b)
{
	strbuf_append(b, " (cut short)");
}

void text_mac(struct strbuf *b, const uint8_t *bytes)
{
	char buf[ADDR_TEXT_MAX];
	struct mac mac;

	memcpy(mac.b, bytes, sizeof(mac.b));
	strbuf_append(b, mac_format(&mac, buf));
}

void text_ip(struct strbuf *b, int family, const uint8_t *bytes)
{
	struct ip ip = { .family = (uint8_t)family };
	char buf[ADDR_TEXT_MAX];

	memcpy(ip.b, bytes, ip_size(&ip));
	strbuf_append(b, ip_format(&ip, buf));
}

void text_named(struct strbuf *b, const struct named *names, size_t n, const char *what, unsigned number)
{
	for (size_t i = 0; i < n; i++) {
		if (names[i].number != number)
			continue;
		strbuf_append(b, names[i].name);
		return;
	}
	strbuf_printf(b, "%s %u", what, number);
}

void frame_put(struct frame_head *frame, const void *bytes, size_t size)
{
	size_t room = sizeof(frame->bytes) - frame->size;

	if (size > room)
		size = room;
	if (size)
		memcpy(frame->bytes + frame->size, bytes, size);
	frame->size = (uint16_t)(frame->size + size);
}

/* --- ARP --- */

static void text_arp(struct strbuf *b, struct cursor c, bool is_rarp, const uint8_t *link_source)
{
	static const uint8_t ethernet_ip4[6] = { 0, 1, 8, 0, 6, 4 };
	const uint8_t *p = take(&c, 28);
	unsigned operation;

	strbuf_append(b, is_rarp ? "RARP" : "ARP");
	if (!p) {
		text_cut(b);
		return;
	}
	operation = be16(p + 6);
	if (memcmp(p, ethernet_ip4, sizeof(ethernet_ip4)) != 0) {
		strbuf_append(b, " of another kind than Ethernet and IPv4");
	} else if (is_rarp) {
		strbuf_printf(b, " operation %u about ", operation);
		text_mac(b, p + 18);
	} else if (operation == 1) {
		strbuf_append(b, " who-has ");
		text_ip(b, AF_INET, p + 24);
		strbuf_append(b, " tell ");
		text_ip(b, AF_INET, p + 14);
	} else if (operation == 2) {
		strbuf_append(b, " ");
		text_ip(b, AF_INET, p + 14);
		strbuf_append(b, " is-at ");
		text_mac(b, p + 8);
	} else {
		strbuf_printf(b, " operation %u", operation);
	}
	if (link_source && operation != 2 && memcmp(link_source, p + 8, 6) != 0) {
		strbuf_append(b, ", its sender within ");
		text_mac(b, p + 8);
	}
}

/* --- IPv4, IPv6 --- */

static void text_end(struct strbuf *b, const struct packet_ends *ends, bool is_source)
{
	unsigned port = is_source ? ends->source_port : ends->destination_port;
	bool brackets = ends->has_ports && ends->family == AF_INET6;

	strbuf_append(b, brackets ? "[" : "");
	text_ip(b, ends->family, is_source ? ends->source : ends->destination);
	strbuf_append(b, brackets ? "]" : "");
	if (ends->has_ports)
		strbuf_printf(b, ":%u", port);
}

static void text_packet(struct strbuf *b, struct packet_ends *ends, unsigned protocol, struct cursor c,
			bool is_later_fragment)
{
	bool has_ports = protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;

	if (has_ports && !is_later_fragment && c.left >= 4) {
		ends->has_ports = true;
		ends->source_port = be16(c.at);
		ends->destination_port = be16(c.at + 2);
	}
	strbuf_append(b, ends->family == AF_INET ? "IPv4 " : "IPv6 ");
	text_end(b, ends, true);
	strbuf_append(b, " > ");
	text_end(b, ends, false);
	strbuf_append(b, " ");
	text_l4(b, ends, protocol, is_later_fragment ? (struct cursor){ 0 } : c, is_later_fragment);
}

static void text_ip4(struct strbuf *b, struct cursor c)
{
	const uint8_t *p = take(&c, IP4_SIZE);
	size_t options = p ? (p[0] & 15u) * 4u : 0;
	struct packet_ends ends = { .family = AF_INET };
	unsigned fragment;

	if (!p || p[0] >> 4 != 4 || options < IP4_SIZE) {
		strbuf_append(b, "IPv4");
		if (p)
			strbuf_append(b, " with a header that is none");
		else
			text_cut(b);
		return;
	}
	if (!take(&c, options - IP4_SIZE))
		c.left = 0;
	ends.source = p + 12;
	ends.destination = p + 16;
	fragment = be16(p + 6);
	text_packet(b, &ends, p[9], c, fragment & 0x1fff);
	if (fragment & 0x3fff)
		strbuf_printf(b, ", fragment at %u", (fragment & 0x1fff) * 8);
}

/* Past the extension headers; returns the protocol behind them. */
static unsigned skip_extensions(struct cursor *c, unsigned next, unsigned *ret_fragment, bool *ret_is_fragment)
{
	for (unsigned i = 0; i < 16; i++) {
		const uint8_t *p;
		size_t size;

		if (next != 0 && next != 43 && next != 44 && next != 60 && next != 51)
			return next;
		p = c->at;
		if (c->left < 8)
			return next;
		size = next == 44 ? 8 : next == 51 ? (p[1] + 2u) * 4u : (p[1] + 1u) * 8u;
		if (next == 44) {
			*ret_is_fragment = true;
			*ret_fragment = be16(p + 2) & 0xfff8u;
		}
		next = p[0];
		if (!take(c, size))
			c->left = 0;
		if (*ret_fragment)
			return next;
	}
	return next;
}

static void text_ip6(struct strbuf *b, struct cursor c)
{
	const uint8_t *p = take(&c, IP6_SIZE);
	struct packet_ends ends = { .family = AF_INET6 };
	unsigned fragment = 0, protocol;
	bool is_fragment = false;

	if (!p || p[0] >> 4 != 6) {
		strbuf_append(b, "IPv6");
		if (p)
			strbuf_append(b, " with a header that is none");
		else
			text_cut(b);
		return;
	}
	ends.source = p + 8;
	ends.destination = p + 24;
	protocol = skip_extensions(&c, p[6], &fragment, &is_fragment);
	text_packet(b, &ends, protocol, c, fragment);
	if (is_fragment)
		strbuf_printf(b, ", fragment at %u", fragment);
	if (p[6] != protocol && !is_fragment)
		strbuf_append(b, ", behind extension headers");
}

/* --- the link layer --- */

/* A frame may be nothing but tags. */
#define TAGS_TOLD 4

static bool is_tag(unsigned type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static void text_llc(struct strbuf *b, struct cursor c)
{
	const uint8_t *llc = take(&c, 3), *snap = take(&c, 5);

	strbuf_append(b, "802.2");
	if (!llc)
		text_cut(b);
	else if (llc[0] == 0x42)
		strbuf_append(b, " STP");
	else if (llc[0] == 0xaa && snap)
		strbuf_printf(b, " SNAP 0x%04x", be16(snap + 3));
	else
		strbuf_printf(b, " to service 0x%02x", llc[0]);
}

static void text_type(struct strbuf *b, unsigned type, struct cursor c, const uint8_t *link_source)
{
	static const struct named names[] = {
		{ 0x88cc, "LLDP" }, { 0x888e, "802.1X" }, { 0x8847, "MPLS" }, { 0x8863, "PPPoE discovery" },
		{ 0x8864, "PPPoE" }, { 0x8809, "slow protocols (LACP)" }, { 0x88f7, "PTP" },
		{ 0x8906, "FCoE" }, { 0x88e5, "MACsec" },
	};

	switch (type) {
	case TYPE_IP4:
		text_ip4(b, c);
		return;
	case TYPE_IP6:
		text_ip6(b, c);
		return;
	case TYPE_ARP:
	case TYPE_RARP:
		text_arp(b, c, type == TYPE_RARP, link_source);
		return;
	}
	if (type <= TYPE_LLC_MAX) {
		text_llc(b, c);
		return;
	}
	strbuf_printf(b, "ethertype 0x%04x", type);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].number == type)
			strbuf_printf(b, " %s", names[i].name);
}

/* Past the tags; *ret_type is what follows them. b: says them, or NULL. */
static bool skip_tags(struct strbuf *b, struct cursor *c, unsigned *ret_type)
{
	unsigned n = 0;

	for (; is_tag(*ret_type); n++) {
		const uint8_t *tag = take(c, 4);
		bool is_told = b && n < TAGS_TOLD;

		if (is_told)
			strbuf_append(b, *ret_type == 0x8100 ? "VLAN" : "service VLAN");
		else if (b && n == TAGS_TOLD)
			strbuf_append(b, "more tags");
		if (!tag)
			return false;
		if (is_told)
			strbuf_printf(b, " %u, ", be16(tag) & 0xfffu);
		*ret_type = be16(tag + 2);
	}
	if (b && n > TAGS_TOLD)
		strbuf_append(b, ", ");
	return true;
}

void frame_text(const struct frame_head *frame, struct strbuf *ret)
{
	struct cursor c = { frame->bytes, frame->size };
	const uint8_t *link = frame->link_size ? take(&c, ETHERNET_SIZE) : NULL;
	unsigned type;

	if (!link && (frame->link_size || !c.left)) {
		strbuf_append(ret, "a frame");
		text_cut(ret);
		return;
	}
	if (!link) {
		text_type(ret, c.at[0] >> 4 == 6 ? TYPE_IP6 : TYPE_IP4, c, NULL);
		return;
	}
	text_mac(ret, link + 6);
	strbuf_append(ret, " > ");
	text_mac(ret, link);
	strbuf_append(ret, " ");
	type = be16(link + 12);
	if (skip_tags(ret, &c, &type))
		text_type(ret, type, c, link + 6);
	else
		text_cut(ret);
}

/* --- which packet it is --- */

static void put(struct frame_key *key, size_t *at, const uint8_t *bytes, size_t size)
{
	if (size > sizeof(key->b) - *at)
		size = sizeof(key->b) - *at;
	memcpy(key->b + *at, bytes, size);
	*at += size;
}

struct frame_key frame_key(const struct frame_head *frame)
{
	struct cursor c = { frame->bytes, frame->size };
	const uint8_t *link = frame->link_size ? take(&c, ETHERNET_SIZE) : NULL, *p;
	unsigned type = link ? be16(link + 12) : 0;
	struct frame_key key = { 0 };
	size_t at = 0, options;

	if (!link || !skip_tags(NULL, &c, &type))
		return key;
	put(&key, &at, link + 6, 6);
	p = c.at;
	if (type == TYPE_IP4 && c.left >= IP4_SIZE) {
		put(&key, &at, p + 4, 2);  /* identification */
		put(&key, &at, p + 9, 1);  /* protocol */
		put(&key, &at, p + 12, 4); /* source */
		options = (p[0] & 15u) * 4u;
		if (take(&c, options) && c.left >= 2)
			put(&key, &at, c.at, 2); /* source port, or ICMP's type and code */
	} else if (type == TYPE_IP6 && c.left >= IP6_SIZE) {
		put(&key, &at, p, 7);      /* flow, length, next header */
		put(&key, &at, p + 8, 16); /* source */
		take(&c, IP6_SIZE);
		if (c.left >= 2)
			put(&key, &at, c.at, 2);
	} else {
		put(&key, &at, p, c.left < 40 ? c.left : 40);
	}
	return key;
}
