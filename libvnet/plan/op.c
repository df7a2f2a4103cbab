/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op.c - operations: list, words and JSON; what they do to a snapshot is in op_apply.c */

#include "plan/op.h"

#include "base/strbuf.h"
#include "nft/ruleset.h"

#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

struct op *op_add(op_vec *ops, enum op_kind kind, const char *network)
{
	struct op *op = vec_add(ops);

	op->kind = kind;
	snprintf(op->network, sizeof(op->network), "%s", network ? network : "");
	return op;
}

void op_vec_free(op_vec *ops)
{
	vec_each(op, ops)
		if (op->kind == OP_NFT)
			nft_txn_free(op->nft);
	vec_free(ops);
}

/* Seconds from the kernel's hundredths, without needless digits: "2", "0.5". */
static void put_seconds(struct strbuf *out, const char *word, uint32_t centiseconds)
{
	if (centiseconds % 100 == 0)
		strbuf_printf(out, ", %s %" PRIu32 " s", word, centiseconds / 100);
	else
		strbuf_printf(out, ", %s %" PRIu32 ".%02" PRIu32 " s", word, centiseconds / 100,
			      centiseconds % 100);
}

static void put_bridge(struct strbuf *out, const struct bridge_state *bridge)
{
	strbuf_printf(out, ", stp %s", bridge->stp ? "on" : "off");
	put_seconds(out, "forward delay", bridge->forward_delay);
	if (bridge->stp) {
		put_seconds(out, "hello", bridge->hello_time);
		put_seconds(out, "max age", bridge->max_age);
		strbuf_printf(out, ", priority %u", bridge->priority);
	}
	put_seconds(out, "ageing", bridge->ageing);
	strbuf_printf(out, ", multicast snooping %s", bridge->multicast_snooping ? "on" : "off");
	if (bridge->group_fwd_mask)
		strbuf_printf(out, ", group_fwd_mask 0x%04x", bridge->group_fwd_mask);
	if (bridge->nf_call_iptables || bridge->nf_call_ip6tables || bridge->nf_call_arptables)
		strbuf_append(out, ", nf_call on");
	if (bridge->linklocal_learn)
		strbuf_append(out, ", learn from link-local frames");
}

/* "1" of the two numbers an operator cannot remember. */
static const char *addr_gen_text(int8_t mode)
{
	switch (mode) {
	case 0:
		return "eui64";
	case 1:
		return "none";
	case 2:
		return "stable";
	case 3:
		return "random";
	default:
		return "?";
	}
}

static const char *state_text(uint8_t state)
{
	static const char *const names[] = { "disabled", "listening", "learning", "forwarding",
					     "blocking" };

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

static void put_link_fields(struct strbuf *out, const struct op_link *link)
{
	char buf[ADDR_TEXT_MAX];

	if (link->set & LINK_SET_MASTER && link->master[0])
		strbuf_printf(out, ", join %s", link->master);
	else if (link->set & LINK_SET_MASTER)
		strbuf_append(out, ", leave its bridge");
	if (link->set & LINK_SET_MAC)
		strbuf_printf(out, ", mac %s", mac_format(&link->mac, buf));
	if (link->set & LINK_SET_MTU)
		strbuf_printf(out, ", mtu %" PRIu32, link->mtu);
	if (link->set & LINK_SET_TXQUEUELEN)
		strbuf_printf(out, ", txqueuelen %" PRIu32, link->txqueuelen);
	if (link->set & LINK_SET_GROUP)
		strbuf_printf(out, ", group %" PRIu32, link->group);
	if (link->set & LINK_SET_ADDR_GEN)
		strbuf_printf(out, ", ipv6 link-local %s", addr_gen_text(link->addr_gen_mode));
	if (link->set & LINK_SET_ALIAS)
		strbuf_printf(out, ", alias \"%s\"", link->alias);
	if (link->set & LINK_SET_ISOLATED)
		strbuf_append(out, link->port.isolated ? ", isolated" : ", not isolated");
	if (link->set & LINK_SET_ROOT_GUARD)
		strbuf_append(out, link->port.root_guard ? ", root guard" : ", no root guard");
	if (link->set & LINK_SET_STATE)
		strbuf_printf(out, ", state %s", state_text(link->port.state));
	if (link->set & LINK_SET_BRIDGE)
		put_bridge(out, &link->bridge);
	if (link->set & LINK_SET_UP)
		strbuf_append(out, link->up ? ", up" : ", down");
}

static void put_link_set(struct strbuf *out, const struct op_link *link)
{
	AUTO_STRBUF struct strbuf fields = { 0 };

	put_link_fields(&fields, link);
	strbuf_printf(out, "set %s: %s", link->name, fields.s ? fields.s + 2 : "nothing");
}

static void put_bridge_create(struct strbuf *out, const struct op_link *link)
{
	char buf[ADDR_TEXT_MAX];

	strbuf_printf(out, "create bridge %s (%s, mtu %" PRIu32, link->name,
		      mac_format(&link->mac, buf), link->mtu);
	put_bridge(out, &link->bridge);
	if (link->set & LINK_SET_ADDR_GEN)
		strbuf_printf(out, ", ipv6 link-local %s", addr_gen_text(link->addr_gen_mode));
	strbuf_append(out, ")");
}

static void put_tap_create(struct strbuf *out, const struct op_tap *tap)
{
	strbuf_printf(out, "create persistent tap %s (%s, vnet_hdr %s", tap->name,
		      tap->multi_queue ? "many queues" : "one queue", tap->vnet_hdr ? "on" : "off");
	if (tap->owner != UINT32_MAX)
		strbuf_printf(out, ", owner %" PRIu32, tap->owner);
	if (tap->group != UINT32_MAX)
		strbuf_printf(out, ", group %" PRIu32, tap->group);
	strbuf_append(out, ")");
}

static void put_addr(struct strbuf *out, const struct op *op)
{
	const struct addr *addr = &op->addr.addr;
	char buf[ADDR_TEXT_MAX];

	if (op->kind == OP_ADDR_DEL) {
		strbuf_printf(out, "remove address %s from %s", prefix_format(&addr->prefix, buf),
			      op->addr.ifname);
		return;
	}
	strbuf_printf(out, "add address %s to %s", prefix_format(&addr->prefix, buf),
		      op->addr.ifname);
	if (addr->peer.family)
		strbuf_printf(out, ", peer %s", ip_format(&addr->peer, buf));
	if (addr->metric)
		strbuf_printf(out, ", metric %" PRIu32, addr->metric);
	if (addr->valid != UINT32_MAX)
		strbuf_printf(out, ", valid %" PRIu32 " s", addr->valid);
}

static void put_route_type(struct strbuf *out, uint8_t type)
{
	if (type == RTN_BLACKHOLE)
		strbuf_append(out, "blackhole ");
	else if (type == RTN_UNREACHABLE)
		strbuf_append(out, "unreachable ");
	else if (type == RTN_PROHIBIT)
		strbuf_append(out, "prohibit ");
}

static void put_route(struct strbuf *out, const struct op *op)
{
	const struct route *route = &op->route.route;
	char buf[ADDR_TEXT_MAX];

	strbuf_append(out, op->kind == OP_ROUTE_ADD ? "add route " : "remove route ");
	put_route_type(out, route->type);
	strbuf_append(out, prefix_format(&route->dst, buf));
	if (route->gateway.family)
		strbuf_printf(out, " via %s", ip_format(&route->gateway, buf));
	if (op->route.ifname[0])
		strbuf_printf(out, " dev %s", op->route.ifname);
	if (route->metric)
		strbuf_printf(out, " metric %" PRIu32, route->metric);
	if (route->prefsrc.family)
		strbuf_printf(out, " src %s", ip_format(&route->prefsrc, buf));
	if (route->table && route->table != RT_TABLE_MAIN)
		strbuf_printf(out, " table %" PRIu32, route->table);
	if (route->flags & RTNH_F_ONLINK)
		strbuf_append(out, " onlink");
}

static const char *service_text(enum service_action action)
{
	switch (action) {
	case SERVICE_START:
		return "start dnsmasq";
	case SERVICE_RELOAD:
		return "reload dnsmasq";
	case SERVICE_RESTART:
		return "restart dnsmasq";
	case SERVICE_STOP:
		return "stop dnsmasq";
	}
	return "?";
}

char *op_to_text(const struct op *op)
{
	struct strbuf out = { 0 };

	switch (op->kind) {
	case OP_BRIDGE_CREATE:
		put_bridge_create(&out, &op->link);
		break;
	case OP_TAP_CREATE:
		put_tap_create(&out, &op->tap);
		break;
	case OP_LINK_SET:
		put_link_set(&out, &op->link);
		break;
	case OP_LINK_DELETE:
		strbuf_printf(&out, "delete device %s", op->link.name);
		break;
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
		put_addr(&out, op);
		break;
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		put_route(&out, op);
		break;
	case OP_SYSCTL:
		strbuf_printf(&out, "set sysctl %s to %" PRId64, op->sysctl.sysctl.path,
			      op->sysctl.sysctl.value);
		break;
	case OP_NFT: {
		AUTO_FREE char *summary = nft_txn_summary(op->nft);

		strbuf_printf(&out, "firewall: %s", summary);
		break;
	}
	case OP_SERVICE:
		strbuf_append(&out, service_text(op->service));
		break;
	}
	return strbuf_take(&out);
}

static const char *op_kind_name(enum op_kind kind)
{
	static const char *const names[] = {
		[OP_BRIDGE_CREATE] = "bridge-create", [OP_TAP_CREATE] = "tap-create",
		[OP_LINK_SET] = "link-set",           [OP_LINK_DELETE] = "link-delete",
		[OP_ADDR_ADD] = "address-add",        [OP_ADDR_DEL] = "address-delete",
		[OP_ROUTE_ADD] = "route-add",         [OP_ROUTE_DEL] = "route-delete",
		[OP_SYSCTL] = "sysctl",               [OP_NFT] = "nft",
		[OP_SERVICE] = "service",
	};

	return names[kind];
}

json_t *op_to_json(const struct op *op)
{
	AUTO_FREE char *text = op_to_text(op);

	json_t *json = json_pack("{s:s, s:s, s:s, s:b}", "op", op_kind_name(op->kind), "network",
				 op->network, "text", text, "losesTraffic", op->loses_traffic);

	if (!json) /* a foreign device's name or alias may be bytes that are no UTF-8 */
		json = json_pack("{s:s, s:s, s:s, s:b}", "op", op_kind_name(op->kind), "network",
				 op->network, "text", "(names that are not UTF-8)", "losesTraffic",
				 op->loses_traffic);
	return json;
}
