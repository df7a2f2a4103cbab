/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot_text.c - a snapshot as text, one object a line
 *
 *   link 2 eth0 mac 52:54:00:00:00:01 up running
 *   link 3 vn-blue kind bridge mac 52:54:00:00:00:02 up alias vnet:bridge:blue
 *   addr 192.168.5.1/24 dev vn-blue
 *   route 0.0.0.0/0 via 192.0.2.1 dev eth0 proto dhcp metric 100
 *   sysctl net/ipv4/ip_forward 0
 *   vlan 20-30 dev vp0
 *   fdb 00:00:00:00:00:00 dev vx1 dst 10.0.0.2
 *   shaper vp0 ifb vi-blue slot 1 in 10000000 in_burst 15140
 *   shaper_root vi-blue in 1000000000 in_burst 625000
 *   vf 0 dev eth0 mac 52:54:00:00:00:01 vlan 100
 *
 * Bytes that would break a word are written %XX.  The firewall is written as
 * comments, for reading only.  The words are in snapshot_fields.c, the parser in
 * snapshot_parse.c.
 */

#include "plan/snapshot_fields.h"

#include "base/strbuf.h"
#include "nft/ruleset.h"

#include <inttypes.h>
#include <linux/rtnetlink.h>

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
		if ((u = field_get(object, f)) != f->value)
			strbuf_printf(out, " %s %" PRIu64, f->word, u);
		break;
	case FIELD_TRUE:
	case FIELD_FALSE:
		if (*(const bool *)p == (f->type == FIELD_TRUE))
			strbuf_printf(out, " %s", f->word);
		break;
	case FIELD_BIT:
		if (field_get(object, f) & f->value)
			strbuf_printf(out, " %s", f->word);
		break;
	case FIELD_BITS:
		if ((u = field_get(object, f) & ~f->value))
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
		if ((u = field_get(object, f))) {
			strbuf_printf(out, " %s ", f->word);
			put_device(out, snap, (int)u);
		}
		break;
	case FIELD_ENUM:
		if ((u = field_get(object, f)) != f->value)
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
	for (const struct link_table *table = link_tables; table->fields; table++)
		if (table->applies(link))
			put_fields(out, snap, table->fields, link);
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

static void put_addr(struct strbuf *out, const struct snapshot *snap, const struct addr *addr)
{
	struct addr shown = *addr;
	char buf[ADDR_TEXT_MAX];

	if (shown.scope == addr_default_scope(addr))
		shown.scope = RT_SCOPE_NOWHERE;
	strbuf_printf(out, "addr %s", prefix_format(&addr->prefix, buf));
	put_fields(out, snap, addr_fields, &shown);
	strbuf_append(out, "\n");
}

static void put_route(struct strbuf *out, const struct snapshot *snap, const struct route *route)
{
	struct route shown = *route;
	char buf[ADDR_TEXT_MAX];

	if (shown.scope == route_default_scope(route))
		shown.scope = RT_SCOPE_NOWHERE;
	strbuf_printf(out, "route %s", prefix_format(&route->dst, buf));
	put_fields(out, snap, route_fields, &shown);
	strbuf_append(out, "\n");
}

static void put_wires(struct strbuf *out, const struct snapshot *snap)
{
	char buf[ADDR_TEXT_MAX];

	vec_each(vlan, &snap->vlans) {
		strbuf_printf(out, "vlan %u", vlan->first);
		if (vlan->last != vlan->first)
			strbuf_printf(out, "-%u", vlan->last);
		put_fields(out, snap, vlan_fields, vlan);
		strbuf_append(out, "\n");
	}
	vec_each(fdb, &snap->fdb) {
		strbuf_printf(out, "fdb %s", mac_format(&fdb->mac, buf));
		put_fields(out, snap, fdb_fields, fdb);
		strbuf_append(out, "\n");
	}
	vec_each(shaper, &snap->shapers) {
		strbuf_append(out, "shaper ");
		put_device(out, snap, shaper->ifindex);
		put_fields(out, snap, shaper_fields, shaper);
		strbuf_append(out, "\n");
	}
	vec_each(root, &snap->shaper_roots) {
		strbuf_append(out, "shaper_root ");
		put_device(out, snap, root->ifindex);
		put_fields(out, snap, shaper_root_fields, root);
		strbuf_append(out, "\n");
	}
	vec_each(vf, &snap->vfs) {
		strbuf_printf(out, "vf %" PRIu32, vf->index);
		put_fields(out, snap, vf_fields, vf);
		strbuf_append(out, "\n");
	}
}

char *snapshot_to_text(const struct snapshot *snap)
{
	struct strbuf out = { 0 };

	vec_each(link, &snap->links)
		put_link(&out, snap, link);
	vec_each(addr, &snap->addrs)
		put_addr(&out, snap, addr);
	vec_each(route, &snap->routes)
		put_route(&out, snap, route);
	vec_each(sysctl, &snap->sysctls)
		strbuf_printf(&out, "sysctl %s %" PRId64 "\n", sysctl->path, sysctl->value);
	put_wires(&out, snap);
	put_nft(&out, snap->nft);
	return strbuf_take(&out);
}
