/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot_text.c - a snapshot as text, one object a line
 *
 *   link 2 eth0 mac 52:54:00:00:00:01 up running
 *   link 3 vn-blue kind bridge mac 52:54:00:00:00:02 up alias vnet:bridge:blue
 *   addr 192.168.5.1/24 dev vn-blue
 *   route 0.0.0.0/0 via 192.0.2.1 dev eth0 proto dhcp metric 100
 *   sysctl net/ipv4/ip_forward 0
 *
 * One table per object drives both the writer and the parser.  A field at its
 * default is left out, so that a case written by hand stays short.  Bytes that
 * would break a word are written %XX.  The parser also takes empty lines and
 * comments from '#' at the start of a word; the firewall is written as such
 * comments, for reading only.
 */

#include "plan/snapshot.h"

#include "base/strbuf.h"
#include "nft/ruleset.h"
#include "vnet/error.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1 << 16) /* linux/if.h, which net/if.h excludes */
#endif

enum field_type {
	FIELD_UINT,  /* "word N" unless value */
	FIELD_TRUE,  /* "word" when the bool is true */
	FIELD_FALSE, /* "word" when the bool is false */
	FIELD_BIT,   /* "word" when the bit `value` is set */
	FIELD_BITS,  /* "word 0x…": the bits outside of the mask `value` */
	FIELD_NAME,  /* "word text" unless empty */
	FIELD_MAC,
	FIELD_IP,
	FIELD_DEVICE, /* an ifindex, written as the device's name */
	FIELD_ENUM,  /* "word name" or "word N" unless value */
};

struct word {
	const char *name;
	uint64_t value;
};

struct field {
	const char *word;
	enum field_type type;
	size_t offset, size;
	uint64_t value; /* default, bit or mask */
	const struct word *words;
};

#define VALUE(...) ((uint64_t)0 __VA_OPT__(+ (__VA_ARGS__)))
#define F(type_, word_, object, member, ...) \
	{ .word = word_, .type = FIELD_##type_, .offset = offsetof(struct object, member), \
	  .size = sizeof(((struct object *)0)->member), .value = VALUE(__VA_ARGS__) }
#define FE(word_, object, member, value_, words_) \
	{ .word = word_, .type = FIELD_ENUM, .offset = offsetof(struct object, member), \
	  .size = sizeof(((struct object *)0)->member), .value = value_, .words = words_ }

static const struct word addr_gen_words[] = {
	{ "eui64", 0 }, { "none", 1 }, { "stable", 2 },
	{ "random", 3 }, { "off", 0xff }, { NULL, 0 },
};
static const struct word port_state_words[] = {
	{ "disabled", 0 }, { "listening", 1 }, { "learning", 2 },
	{ "forwarding", 3 }, { "blocking", 4 }, { NULL, 0 },
};
static const struct word protocol_words[] = {
	{ "redirect", RTPROT_REDIRECT }, { "kernel", RTPROT_KERNEL }, { "boot", RTPROT_BOOT },
	{ "static", RTPROT_STATIC }, { "ra", RTPROT_RA }, { "dhcp", RTPROT_DHCP },
	{ "vnet", ROUTE_PROTOCOL_VNET }, { NULL, 0 },
};
static const struct word type_words[] = {
	{ "unicast", RTN_UNICAST }, { "local", RTN_LOCAL }, { "broadcast", RTN_BROADCAST },
	{ "anycast", RTN_ANYCAST }, { "multicast", RTN_MULTICAST }, { "blackhole", RTN_BLACKHOLE },
	{ "unreachable", RTN_UNREACHABLE }, { "prohibit", RTN_PROHIBIT }, { "throw", RTN_THROW },
	{ NULL, 0 },
};
static const struct word scope_words[] = {
	{ "global", RT_SCOPE_UNIVERSE }, { "site", RT_SCOPE_SITE }, { "link", RT_SCOPE_LINK },
	{ "host", RT_SCOPE_HOST }, { NULL, 0 },
};
static const struct word table_words[] = {
	{ "main", RT_TABLE_MAIN }, { "local", RT_TABLE_LOCAL }, { NULL, 0 },
};
static const struct word addr_protocol_words[] = {
	{ "lo", 1 }, { "ra", 2 }, { "ll", 3 }, { NULL, 0 },
};

#define LINK_FLAG_WORDS (IFF_UP | IFF_RUNNING | IFF_LOWER_UP | IFF_LOOPBACK | IFF_POINTOPOINT)
/* Every device that vnet touches is a broadcast device; leave the pair out. */
#define LINK_FLAGS_DEFAULT (IFF_BROADCAST | IFF_MULTICAST)

static const struct field link_fields[] = {
	F(NAME, "kind", link, kind),
	F(DEVICE, "master", link, master),
	F(DEVICE, "parent", link, parent),
	F(MAC, "mac", link, mac),
	F(UINT, "mtu", link, mtu, 1500),
	F(UINT, "txqueuelen", link, txqueuelen, 1000),
	F(UINT, "group", link, group),
	F(BIT, "up", link, flags, IFF_UP),
	F(BIT, "running", link, flags, IFF_RUNNING),
	F(BIT, "lower_up", link, flags, IFF_LOWER_UP),
	F(BIT, "loopback", link, flags, IFF_LOOPBACK),
	F(BIT, "pointopoint", link, flags, IFF_POINTOPOINT),
	F(BITS, "flags", link, flags, LINK_FLAG_WORDS | LINK_FLAGS_DEFAULT),
	FE("addrgen", link, addr_gen_mode, 0, addr_gen_words),
	F(NAME, "alias", link, alias),
	{ 0 },
};

/* The kernel's defaults (br_dev_setup(), br_stp_init). */
static const struct field bridge_fields[] = {
	F(TRUE, "stp", link, bridge.stp),
	F(UINT, "forward_delay", link, bridge.forward_delay, 1500),
	F(UINT, "hello_time", link, bridge.hello_time, 200),
	F(UINT, "max_age", link, bridge.max_age, 2000),
	F(UINT, "ageing", link, bridge.ageing, 30000),
	F(UINT, "priority", link, bridge.priority, 0x8000),
	F(FALSE, "no_mcast_snooping", link, bridge.multicast_snooping),
	F(UINT, "group_fwd_mask", link, bridge.group_fwd_mask),
	F(TRUE, "vlan_filtering", link, bridge.vlan_filtering),
	F(TRUE, "nf_call_iptables", link, bridge.nf_call_iptables),
	F(TRUE, "nf_call_ip6tables", link, bridge.nf_call_ip6tables),
	F(TRUE, "nf_call_arptables", link, bridge.nf_call_arptables),
	F(TRUE, "linklocal_learn", link, bridge.linklocal_learn),
	{ 0 },
};

static const struct field port_fields[] = {
	FE("state", link, port.state, 3, port_state_words),
	F(TRUE, "isolated", link, port.isolated),
	F(FALSE, "no_learning", link, port.learning),
	F(TRUE, "hairpin", link, port.hairpin),
	F(FALSE, "no_flood", link, port.flood),
	F(FALSE, "no_mcast_flood", link, port.multicast_flood),
	F(TRUE, "root_guard", link, port.root_guard),
	{ 0 },
};

static const struct field tun_fields[] = {
	F(FALSE, "tun", link, tun.is_tap),
	F(TRUE, "persistent", link, tun.is_persistent),
	F(TRUE, "multi_queue", link, tun.is_multi_queue),
	F(TRUE, "vnet_hdr", link, tun.has_vnet_hdr),
	F(UINT, "tun_owner", link, tun.owner, UINT32_MAX),
	F(UINT, "tun_group", link, tun.group, UINT32_MAX),
	{ 0 },
};

#define ADDR_FLAG_WORDS (IFA_F_TEMPORARY | IFA_F_NODAD | IFA_F_DADFAILED | IFA_F_DEPRECATED | \
			 IFA_F_TENTATIVE | IFA_F_PERMANENT | IFA_F_MANAGETEMPADDR | \
			 IFA_F_NOPREFIXROUTE)

static const struct field addr_fields[] = {
	F(DEVICE, "dev", addr, ifindex),
	F(IP, "peer", addr, peer),
	FE("scope", addr, scope, RT_SCOPE_NOWHERE, scope_words),
	F(UINT, "valid", addr, valid, UINT32_MAX),
	F(UINT, "preferred", addr, preferred, UINT32_MAX),
	F(UINT, "metric", addr, metric),
	F(NAME, "label", addr, label),
	FE("proto", addr, protocol, 0, addr_protocol_words),
	F(BIT, "temporary", addr, flags, IFA_F_TEMPORARY), /* "secondary" in IPv4 */
	F(BIT, "nodad", addr, flags, IFA_F_NODAD),
	F(BIT, "dadfailed", addr, flags, IFA_F_DADFAILED),
	F(BIT, "deprecated", addr, flags, IFA_F_DEPRECATED),
	F(BIT, "tentative", addr, flags, IFA_F_TENTATIVE),
	F(BIT, "mngtmpaddr", addr, flags, IFA_F_MANAGETEMPADDR),
	F(BIT, "noprefixroute", addr, flags, IFA_F_NOPREFIXROUTE),
	F(BITS, "flags", addr, flags, ADDR_FLAG_WORDS),
	{ 0 },
};

static const struct field route_fields[] = {
	FE("type", route, type, RTN_UNICAST, type_words),
	F(IP, "via", route, gateway),
	F(DEVICE, "dev", route, oif),
	FE("table", route, table, RT_TABLE_MAIN, table_words),
	FE("proto", route, protocol, RTPROT_BOOT, protocol_words),
	FE("scope", route, scope, RT_SCOPE_NOWHERE, scope_words),
	F(UINT, "metric", route, metric),
	F(IP, "src", route, prefsrc),
	F(BIT, "onlink", route, flags, RTNH_F_ONLINK),
	F(BITS, "flags", route, flags, RTNH_F_ONLINK),
	F(UINT, "mtu", route, mtu),
	F(UINT, "pref", route, preference),
	F(UINT, "expires", route, expires),
	{ 0 },
};

static uint64_t get_uint(const void *object, const struct field *f)
{
	const char *p = (const char *)object + f->offset;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;

	switch (f->size) {
	case 1:
		memcpy(&u8, p, 1);
		return u8;
	case 2:
		memcpy(&u16, p, 2);
		return u16;
	default:
		memcpy(&u32, p, 4);
		return u32;
	}
}

/* False when the value does not fit. */
static bool set_uint(void *object, const struct field *f, uint64_t value)
{
	char *p = (char *)object + f->offset;
	uint8_t u8 = (uint8_t)value;
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (f->size) {
	case 1:
		memcpy(p, &u8, 1);
		return value == u8;
	case 2:
		memcpy(p, &u16, 2);
		return value == u16;
	default:
		memcpy(p, &u32, 4);
		return value == u32;
	}
}

/* What the kernel gives when nobody says otherwise. */
static uint8_t addr_scope(const struct addr *addr)
{
	if (ip_is_loopback(&addr->prefix.addr))
		return RT_SCOPE_HOST;
	if (addr->prefix.addr.family == AF_INET6 && ip_is_link_local(&addr->prefix.addr))
		return RT_SCOPE_LINK;
	return RT_SCOPE_UNIVERSE;
}

static uint8_t route_scope(const struct route *route)
{
	if (route->family == AF_INET6)
		return RT_SCOPE_UNIVERSE;
	if (route->type == RTN_LOCAL)
		return RT_SCOPE_HOST;
	if (route->type == RTN_BROADCAST || route->type == RTN_MULTICAST)
		return RT_SCOPE_LINK;
	return !route->gateway.family && route->oif ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/* Writing. */

static void put_text(struct strbuf *out, const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f || strchr("%#@", *text))
			strbuf_printf(out, "%%%02X", (unsigned char)*text);
		else
			strbuf_append_n(out, text, 1);
}

static void put_device(struct strbuf *out, const struct snapshot *snap, int ifindex)
{
	const struct link *link = snapshot_link_by_index(snap, ifindex);

	if (link)
		put_text(out, link->name);
	else
		strbuf_printf(out, "@%d", ifindex);
}

static void put_enum(struct strbuf *out, const struct field *f, uint64_t value)
{
	for (const struct word *w = f->words; w->name; w++)
		if (w->value == value) {
			strbuf_printf(out, " %s %s", f->word, w->name);
			return;
		}
	strbuf_printf(out, " %s %" PRIu64, f->word, value);
}

static void put_field(struct strbuf *out, const struct snapshot *snap, const struct field *f,
		      const void *object)
{
	const char *p = (const char *)object + f->offset;
	char buf[ADDR_TEXT_MAX];
	uint64_t u;

	switch (f->type) {
	case FIELD_UINT:
		if ((u = get_uint(object, f)) != f->value)
			strbuf_printf(out, " %s %" PRIu64, f->word, u);
		break;
	case FIELD_TRUE:
	case FIELD_FALSE:
		if (*(const bool *)p == (f->type == FIELD_TRUE))
			strbuf_printf(out, " %s", f->word);
		break;
	case FIELD_BIT:
		if (get_uint(object, f) & f->value)
			strbuf_printf(out, " %s", f->word);
		break;
	case FIELD_BITS:
		if ((u = get_uint(object, f) & ~f->value))
			strbuf_printf(out, " %s 0x%" PRIx64, f->word, u);
		break;
	case FIELD_NAME:
		if (*p) {
			strbuf_printf(out, " %s ", f->word);
			put_text(out, p);
		}
		break;
	case FIELD_MAC:
		if (!mac_is_zero((const struct mac *)p))
			strbuf_printf(out, " %s %s", f->word,
				      mac_format((const struct mac *)p, buf));
		break;
	case FIELD_IP:
		if (((const struct ip *)p)->family)
			strbuf_printf(out, " %s %s", f->word, ip_format((const struct ip *)p, buf));
		break;
	case FIELD_DEVICE:
		if ((u = get_uint(object, f))) {
			strbuf_printf(out, " %s ", f->word);
			put_device(out, snap, (int)u);
		}
		break;
	case FIELD_ENUM:
		if ((u = get_uint(object, f)) != f->value)
			put_enum(out, f, u);
		break;
	}
}

static void put_fields(struct strbuf *out, const struct snapshot *snap, const struct field *fields,
		       const void *object)
{
	for (const struct field *f = fields; f->word; f++)
		put_field(out, snap, f, object);
}

static void put_link(struct strbuf *out, const struct snapshot *snap, const struct link *link)
{
	strbuf_printf(out, "link %d ", link->ifindex);
	put_text(out, link->name);
	put_fields(out, snap, link_fields, link);
	if (strcmp(link->kind, "bridge") == 0)
		put_fields(out, snap, bridge_fields, link);
	if (link->master)
		put_fields(out, snap, port_fields, link);
	if (strcmp(link->kind, "tun") == 0)
		put_fields(out, snap, tun_fields, link);
	strbuf_append(out, "\n");
}

static void put_nft(struct strbuf *out, const struct nft_ruleset *nft)
{
	AUTO_FREE char *text = nft ? nft_ruleset_to_text(nft) : NULL;

	for (const char *line = text; line && *line;) {
		size_t n = strcspn(line, "\n");

		strbuf_append(out, "# ");
		strbuf_append_n(out, line, n);
		strbuf_append(out, "\n");
		line += n + (line[n] == '\n');
	}
}

char *snapshot_to_text(const struct snapshot *snap)
{
	struct strbuf out = { 0 };
	char buf[ADDR_TEXT_MAX];

	vec_each(link, &snap->links)
		put_link(&out, snap, link);
	vec_each(addr, &snap->addrs) {
		struct addr shown = *addr;

		if (shown.scope == addr_scope(addr))
			shown.scope = RT_SCOPE_NOWHERE;
		strbuf_printf(&out, "addr %s", prefix_format(&addr->prefix, buf));
		put_fields(&out, snap, addr_fields, &shown);
		strbuf_append(&out, "\n");
	}
	vec_each(route, &snap->routes) {
		struct route shown = *route;

		if (shown.scope == route_scope(route))
			shown.scope = RT_SCOPE_NOWHERE;
		strbuf_printf(&out, "route %s", prefix_format(&route->dst, buf));
		put_fields(&out, snap, route_fields, &shown);
		strbuf_append(&out, "\n");
	}
	vec_each(sysctl, &snap->sysctls)
		strbuf_printf(&out, "sysctl %s %" PRId64 "\n", sysctl->path, sysctl->value);
	put_nft(&out, snap->nft);
	return strbuf_take(&out);
}

/* Reading. */

struct reader {
	struct snapshot *snap;
	struct vnet_error *err;
	unsigned line;
	char **words; /* of the line, decoded in place */
	size_t n, next;
};

static int bad(struct reader *r, const char *what, const char *word)
{
	vnet_error_set(r->err, -EINVAL, "bad-snapshot", "%s: %s", word ? word : "end of line",
		       what);
	vnet_error_at(r->err, NULL, r->line, 1, NULL);
	return -EINVAL;
}

static const char *next_word(struct reader *r)
{
	return r->next < r->n ? r->words[r->next++] : NULL;
}

static bool parse_uint(const char *text, uint64_t *ret)
{
	char *end;

	if (strcmp(text, "forever") == 0) {
		*ret = UINT32_MAX;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 0);
	return !*end && !errno;
}

static bool parse_enum(const struct field *f, const char *text, uint64_t *ret)
{
	for (const struct word *w = f->words; w->name; w++)
		if (strcmp(w->name, text) == 0) {
			*ret = w->value;
			return true;
		}
	return parse_uint(text, ret);
}

static bool parse_device(struct reader *r, const char *text, uint64_t *ret)
{
	const struct link *link = snapshot_link(r->snap, text);

	if (link) {
		*ret = (uint64_t)link->ifindex;
		return true;
	}
	return text[0] == '\x01' && parse_uint(text + 1, ret);
}

static int read_value(struct reader *r, const struct field *f, void *object)
{
	char *p = (char *)object + f->offset;
	const char *text = next_word(r);
	uint64_t u;
	bool ok;

	if (!text)
		return bad(r, "wants a value", f->word);
	switch (f->type) {
	case FIELD_NAME:
		ok = strlen(text) < f->size;
		if (ok)
			memcpy(p, text, strlen(text) + 1);
		break;
	case FIELD_MAC:
		ok = mac_parse(text, (struct mac *)p) == 0;
		break;
	case FIELD_IP:
		ok = ip_parse(text, (struct ip *)p) == 0;
		break;
	case FIELD_DEVICE:
		ok = parse_device(r, text, &u) && set_uint(object, f, u);
		break;
	case FIELD_ENUM:
		ok = parse_enum(f, text, &u) && set_uint(object, f, u);
		break;
	case FIELD_BITS:
		ok = parse_uint(text, &u) && set_uint(object, f, get_uint(object, f) | u);
		break;
	default:
		ok = parse_uint(text, &u) && set_uint(object, f, u);
		break;
	}
	return ok ? 0 : bad(r, "is not a value for this field", text);
}

static void set_defaults(const struct field *fields, void *object)
{
	for (const struct field *f = fields; f->word; f++)
		if (f->type == FIELD_UINT || f->type == FIELD_ENUM)
			set_uint(object, f, f->value);
		else if (f->type == FIELD_FALSE)
			*(bool *)((char *)object + f->offset) = true;
}

/* 1 when the word is none of these fields. */
static int read_field(struct reader *r, const struct field *fields, void *object, const char *word)
{
	for (const struct field *f = fields; f->word; f++) {
		if (strcmp(f->word, word) != 0)
			continue;
		if (f->type == FIELD_TRUE || f->type == FIELD_FALSE) {
			*(bool *)((char *)object + f->offset) = f->type == FIELD_TRUE;
			return 0;
		}
		if (f->type == FIELD_BIT) {
			set_uint(object, f, get_uint(object, f) | f->value);
			return 0;
		}
		return read_value(r, f, object);
	}
	return 1;
}

static int read_link_field(struct reader *r, struct link *link, const char *word)
{
	int had_master = link->master, rc = read_field(r, link_fields, link, word);

	if (!rc && strcmp(word, "kind") == 0) {
		if (strcmp(link->kind, "bridge") == 0)
			set_defaults(bridge_fields, link);
		if (strcmp(link->kind, "tun") == 0)
			set_defaults(tun_fields, link);
	}
	if (!rc && link->master && !had_master)
		set_defaults(port_fields, link);
	if (rc == 1 && strcmp(link->kind, "bridge") == 0)
		rc = read_field(r, bridge_fields, link, word);
	if (rc == 1 && strcmp(link->kind, "tun") == 0)
		rc = read_field(r, tun_fields, link, word);
	if (rc == 1 && link->master)
		rc = read_field(r, port_fields, link, word);
	return rc;
}

static int read_link(struct reader *r, const char *index)
{
	struct link *link;
	const char *word;
	uint64_t u;
	int rc;

	if (!parse_uint(index, &u) ||
	    !(link = (struct link *)snapshot_link_by_index(r->snap, (int)u)))
		return bad(r, "is not an interface index", index);
	next_word(r); /* the name, read by read_link_names() */
	while ((word = next_word(r)))
		if ((rc = read_link_field(r, link, word)))
			return rc < 0 ? rc : bad(r, "unknown word", word);
	return 0;
}

static int read_addr(struct reader *r, const char *text)
{
	struct addr addr = { 0 };
	const char *word;
	int rc;

	set_defaults(addr_fields, &addr);
	if (prefix_parse(text, &addr.prefix) < 0)
		return bad(r, "is not ADDRESS/LENGTH", text);
	while ((word = next_word(r)))
		if ((rc = read_field(r, addr_fields, &addr, word)))
			return rc < 0 ? rc : bad(r, "unknown word", word);
	if (!addr.ifindex)
		return bad(r, "wants dev NAME", text);
	if (addr.scope == RT_SCOPE_NOWHERE)
		addr.scope = addr_scope(&addr);
	/* As in the kernel, where what routers advertise is not permanent even if for ever. */
	if (addr.valid == UINT32_MAX && !(addr.flags & IFA_F_MANAGETEMPADDR))
		addr.flags |= IFA_F_PERMANENT;
	vec_push(&r->snap->addrs, addr);
	return 0;
}

static int read_route(struct reader *r, const char *text)
{
	struct route route = { 0 };
	const char *word;
	int rc;

	set_defaults(route_fields, &route);
	if (prefix_parse(text, &route.dst) < 0)
		return bad(r, "is not ADDRESS/LENGTH", text);
	route.family = route.dst.addr.family;
	while ((word = next_word(r)))
		if ((rc = read_field(r, route_fields, &route, word)))
			return rc < 0 ? rc : bad(r, "unknown word", word);
	if (route.scope == RT_SCOPE_NOWHERE)
		route.scope = route_scope(&route);
	vec_push(&r->snap->routes, route);
	return 0;
}

static int read_sysctl(struct reader *r, const char *path)
{
	struct sysctl *sysctl;
	const char *value = next_word(r);
	char *end;

	if (strlen(path) >= sizeof(sysctl->path))
		return bad(r, "path is too long", path);
	if (!value || !*value)
		return bad(r, "wants a value", path);
	sysctl = vec_add(&r->snap->sysctls);
	strcpy(sysctl->path, path);
	sysctl->value = strtoll(value, &end, 10);
	return *end || next_word(r) ? bad(r, "is not one number", value) : 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * %XX to its byte.  "@12" is an index whose device is not in the snapshot; the
 * '@' becomes a control character here, so that a device named "@12" (written
 * %4012) is not taken for it.
 */
static void decode_word(char *word)
{
	char *out = word;

	if (*word == '@')
		*word = '\x01';
	for (const char *in = word; *in; in++) {
		if (*in == '%' && hex_digit(in[1]) >= 0 && hex_digit(in[2]) >= 0 &&
		    hex_digit(in[1]) * 16 + hex_digit(in[2])) {
			*out++ = (char)(hex_digit(in[1]) * 16 + hex_digit(in[2]));
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

typedef VEC(char *) word_vec;

static void split_line(char *line, word_vec *ret)
{
	char *save = NULL;

	ret->n = 0;
	for (char *w = strtok_r(line, " \t\r", &save); w; w = strtok_r(NULL, " \t\r", &save)) {
		if (*w == '#')
			break;
		decode_word(w);
		vec_push(ret, w);
	}
}

/* First pass: every link's index and name, so that lines may refer to later ones. */
static int read_link_name(struct reader *r)
{
	const char *index, *name;
	struct link *link;
	uint64_t u;

	if (strcmp(r->words[0], "link") != 0)
		return 0;
	r->next = 1;
	index = next_word(r);
	name = next_word(r);
	if (!index || !parse_uint(index, &u) || !u || u > INT32_MAX)
		return bad(r, "is not an interface index", index);
	if (!name || strlen(name) >= sizeof(link->name))
		return bad(r, "is not an interface name", name);
	vec_each(other, &r->snap->links)
		if (other->ifindex == (int)u || strcmp(other->name, name) == 0)
			return bad(r, "index or name stands twice", name);
	link = vec_add(&r->snap->links);
	set_defaults(link_fields, link);
	link->ifindex = (int)u;
	link->flags = LINK_FLAGS_DEFAULT;
	strcpy(link->name, name);
	return 0;
}

static int read_object(struct reader *r)
{
	static const struct {
		const char *word;
		int (*read)(struct reader *r, const char *first);
	} objects[] = {
		{ "link", read_link }, { "addr", read_addr },
		{ "route", read_route }, { "sysctl", read_sysctl },
	};

	r->next = 2;
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (strcmp(objects[i].word, r->words[0]) != 0)
			continue;
		return r->n > 1 ? objects[i].read(r, r->words[1]) : bad(r, "is alone", r->words[0]);
	}
	return bad(r, "is none of link, addr, route, sysctl", r->words[0]);
}

static int read_lines(struct reader *r, const char *text, int (*read)(struct reader *r))
{
	AUTO_FREE char *copy = mem_strdup(text);
	char *line = copy;
	word_vec words = { 0 };
	int rc = 0;

	for (r->line = 1; line && !rc; r->line++) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		split_line(line, &words);
		r->words = words.v;
		r->n = words.n;
		if (words.n)
			rc = read(r);
		line = end;
	}
	vec_free(&words);
	return rc;
}

int snapshot_from_text(const char *text, struct snapshot *ret, struct vnet_error *err)
{
	struct snapshot snap = { 0 };
	struct reader r = { .snap = &snap, .err = err };
	int rc;

	rc = read_lines(&r, text, read_link_name);
	snapshot_sort(&snap);
	if (!rc)
		rc = read_lines(&r, text, read_object);
	if (rc < 0) {
		snapshot_free(&snap);
		return rc;
	}
	snapshot_sort(&snap);
	*ret = snap;
	return 0;
}
