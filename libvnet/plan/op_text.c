/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op_text.c - an operation in words, for people: dry runs, logs, golden files */

#include "plan/op.h"

#include "base/strbuf.h"
#include "nft/ruleset.h"

#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>

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
	if (bridge->vlan_filtering)
		strbuf_printf(out, ", VLAN-aware%s",
			      bridge->vlan_protocol == ETH_P_8021AD ? " (802.1ad)" : "");
	if (bridge->vlan_filtering && bridge->default_pvid)
		strbuf_printf(out, ", default VLAN %u", bridge->default_pvid);
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

/* Port options of the bridge: "isolated", or "not isolated". */
static void put_port_options(struct strbuf *out, const struct op_link *link)
{
	const struct {
		uint32_t field;
		bool is_on;
		const char *on, *off;
	} options[] = {
		{ LINK_SET_ISOLATED, link->port.isolated, "isolated", "not isolated" },
		{ LINK_SET_ROOT_GUARD, link->port.root_guard, "root guard", "no root guard" },
		{ LINK_SET_LEARNING, link->port.learning, "learning", "no learning" },
		{ LINK_SET_FLOOD, link->port.flood, "flood", "no flood" },
		{ LINK_SET_MCAST_FLOOD, link->port.multicast_flood, "multicast flood",
		  "no multicast flood" },
		{ LINK_SET_HAIRPIN, link->port.hairpin, "hairpin", "no hairpin" },
		{ LINK_SET_PROXY_ARP, link->port.proxy_arp, "proxy arp", "no proxy arp" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (link->set & options[i].field)
			strbuf_printf(out, ", %s",
				      options[i].is_on ? options[i].on : options[i].off);
}

static void put_gre(struct strbuf *out, const struct gre_state *gre)
{
	strbuf_printf(out, ", ttl %u, tos %u, path MTU discovery %s%s", gre->ttl, gre->tos,
		      gre->pmtudisc ? "on" : "off", gre->has_encap_limit ? ", encap limit" : "");
}

static void put_vxlan(struct strbuf *out, const struct vxlan_state *vxlan)
{
	strbuf_printf(out, ", ttl %u, tos %u, learning %s, don't fragment %s", vxlan->ttl,
		      vxlan->tos, vxlan->learning ? "on" : "off", vxlan->df ? "on" : "off");
}

static bool is_gre(const char *kind)
{
	return strcmp(kind, "gretap") == 0 || strcmp(kind, "ip6gretap") == 0;
}

static void put_link_fields(struct strbuf *out, const struct op_link *link)
{
	char buf[ADDR_TEXT_MAX];

	if (link->set & LINK_SET_NAME)
		strbuf_printf(out, ", no longer called %s", link->old_name);
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
	if (link->set & LINK_SET_GROUP && link->group == LINK_GROUP_DELETE)
		strbuf_append(out, ", marked for deletion");
	else if (link->set & LINK_SET_GROUP && link->group == NFT_PORT_GROUP)
		strbuf_append(out, ", group of ports");
	else if (link->set & LINK_SET_GROUP)
		strbuf_printf(out, ", group %" PRIu32, link->group);
	if (link->set & LINK_SET_ADDR_GEN)
		strbuf_printf(out, ", ipv6 link-local %s", addr_gen_text(link->addr_gen_mode));
	if (link->set & LINK_SET_ALIAS)
		strbuf_printf(out, ", alias \"%s\"", link->alias);
	put_port_options(out, link);
	if (link->set & LINK_SET_STATE)
		strbuf_printf(out, ", state %s", state_text(link->port.state));
	if (link->set & LINK_SET_BRIDGE)
		put_bridge(out, &link->bridge);
	if (link->set & LINK_SET_KIND && is_gre(link->kind))
		put_gre(out, &link->gre);
	else if (link->set & LINK_SET_KIND)
		put_vxlan(out, &link->vxlan);
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

/* What tells one device of its kind from another. */
static void put_identity(struct strbuf *out, const struct op_link *link)
{
	static const char *const modes[] = { [MACVLAN_MODE_PRIVATE] = "private",
					     [MACVLAN_MODE_VEPA] = "vepa",
					     [MACVLAN_MODE_BRIDGE] = "bridge",
					     [MACVLAN_MODE_PASSTHRU] = "passthru" };
	char local[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX];

	if (strcmp(link->kind, "vlan") == 0) {
		strbuf_printf(out, ", id %u", link->vlan.id);
		if (link->vlan.protocol == ETH_P_8021AD)
			strbuf_append(out, ", 802.1ad");
	} else if (strcmp(link->kind, "macvlan") == 0) {
		strbuf_printf(out, ", mode %s", link->macvlan.mode < ARRAY_SIZE(modes) &&
			      modes[link->macvlan.mode] ? modes[link->macvlan.mode] : "?");
	} else if (strcmp(link->kind, "vxlan") == 0) {
		strbuf_printf(out, ", vni %" PRIu32 ", local %s, port %u", link->vxlan.vni,
			      ip_format(&link->vxlan.local, local), link->vxlan.port);
		put_vxlan(out, &link->vxlan);
	} else if (is_gre(link->kind)) {
		strbuf_printf(out, ", %s to %s", ip_format(&link->gre.local, local),
			      ip_format(&link->gre.remote, remote));
		if (link->gre.has_key)
			strbuf_printf(out, ", key %" PRIu32, link->gre.key);
		put_gre(out, &link->gre);
	}
}

static void put_link_create(struct strbuf *out, const struct op_link *link)
{
	AUTO_STRBUF struct strbuf fields = { 0 };
	char buf[ADDR_TEXT_MAX];

	strbuf_printf(out, "create %s %s", link->kind, link->name);
	if (link->parent[0])
		strbuf_printf(out, " on %s", link->parent);
	put_identity(&fields, link);
	if (!mac_is_zero(&link->mac))
		strbuf_printf(&fields, ", mac %s", mac_format(&link->mac, buf));
	if (link->mtu)
		strbuf_printf(&fields, ", mtu %" PRIu32, link->mtu);
	if (link->set & LINK_SET_ADDR_GEN)
		strbuf_printf(&fields, ", ipv6 link-local %s", addr_gen_text(link->addr_gen_mode));
	if (fields.s)
		strbuf_printf(out, " (%s)", fields.s + 2);
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

static void put_vlan(struct strbuf *out, const struct op *op)
{
	const struct vlan_member *vlan = &op->vlan.vlan;

	strbuf_printf(out, op->kind == OP_VLAN_ADD ? "add VLAN%s %u" : "remove VLAN%s %u",
		      vlan->first == vlan->last ? "" : "s", vlan->first);
	if (vlan->first != vlan->last)
		strbuf_printf(out, "-%u", vlan->last);
	strbuf_printf(out, op->kind == OP_VLAN_ADD ? " to %s" : " from %s", op->vlan.ifname);
	if (op->kind == OP_VLAN_ADD)
		strbuf_printf(out, " (%s%s)", vlan->is_pvid ? "native, " : "",
			      vlan->is_untagged ? "untagged" : "tagged");
}

static void put_fdb(struct strbuf *out, const struct op *op)
{
	const struct vxlan_fdb *fdb = &op->fdb.fdb;
	char mac[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];

	ip_format(&fdb->dst, dst);
	if (mac_is_zero(&fdb->mac))
		strbuf_printf(out, op->kind == OP_FDB_ADD ? "add peer %s to %s" :
							    "remove peer %s from %s",
			      dst, op->fdb.ifname);
	else
		strbuf_printf(out, op->kind == OP_FDB_ADD ? "add forwarding of %s to %s by %s" :
							    "remove forwarding of %s to %s by %s",
			      mac_format(&fdb->mac, mac), dst, op->fdb.ifname);
}

/* "10mbit", "1500kbit", "9001bit": the largest unit without a fraction. */
static void put_rate(struct strbuf *out, uint64_t rate)
{
	static const struct {
		uint64_t unit;
		const char *name;
	} units[] = { { 1000000000, "gbit" }, { 1000000, "mbit" }, { 1000, "kbit" }, { 1, "bit" } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (rate % units[i].unit == 0) {
			strbuf_printf(out, "%" PRIu64 "%s", rate / units[i].unit, units[i].name);
			return;
		}
}

static void put_bandwidth(struct strbuf *out, const char *direction, const struct bandwidth *b)
{
	if (!b->rate) {
		strbuf_printf(out, "%s unlimited", direction);
		return;
	}
	strbuf_printf(out, "%s ", direction);
	put_rate(out, b->rate);
	if (b->guaranteed) {
		strbuf_append(out, " guaranteed ");
		put_rate(out, b->guaranteed);
	}
	strbuf_printf(out, " burst %" PRIu32, b->burst);
}

static void put_shape(struct strbuf *out, const struct op_shape *shape)
{
	if (!shape->shaper.in.rate && !shape->shaper.out.rate) {
		strbuf_printf(out, "stop shaping %s", shape->ifname);
		return;
	}
	strbuf_printf(out, "shape %s by %s: ", shape->ifname, shape->ifb);
	put_bandwidth(out, "in", &shape->shaper.in);
	put_bandwidth(out, ", out", &shape->shaper.out);
	strbuf_printf(out, ", slot %u", shape->shaper.slot);
}

static void put_shape_root(struct strbuf *out, const struct op_shape_root *root)
{
	strbuf_printf(out, "limit of all on %s: ", root->ifb);
	put_bandwidth(out, "in", &root->in);
	put_bandwidth(out, ", out", &root->out);
}

static void put_features(struct strbuf *out, const struct op_features *features)
{
	const struct {
		const char *name;
		enum tristate value;
	} all[] = {
		{ "rx", features->options.rx },   { "tx", features->options.tx },
		{ "sg", features->options.sg },   { "tso", features->options.tso },
		{ "gso", features->options.gso }, { "gro", features->options.gro },
	};
	const char *comma = "";

	strbuf_printf(out, "offloads of %s: ", features->ifname);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].value == TRI_DEFAULT)
			continue;
		strbuf_printf(out, "%s%s %s", comma, all[i].name,
			      all[i].value == TRI_TRUE ? "on" : "off");
		comma = ", ";
	}
}

static void put_vf(struct strbuf *out, const struct op_vf *op)
{
	static const char *const states[] = { ", link auto", ", link on", ", link off" };
	const struct vf *vf = &op->vf;
	char buf[ADDR_TEXT_MAX];

	strbuf_printf(out, "set virtual function %" PRIu32 " of %s: mac %s", vf->index, op->ifname,
		      mac_format(&vf->mac, buf));
	if (vf->vlan)
		strbuf_printf(out, ", vlan %u%s", vf->vlan,
			      vf->vlan_protocol == ETH_P_8021AD ? " (802.1ad)" : "");
	else
		strbuf_append(out, ", no vlan");
	strbuf_printf(out, ", spoofchk %s, trust %s", vf->spoofchk ? "on" : "off",
		      vf->trust ? "on" : "off");
	if (vf->max_rate)
		strbuf_printf(out, ", at most %" PRIu32 " Mbit/s", vf->max_rate);
	if (vf->min_rate)
		strbuf_printf(out, ", at least %" PRIu32 " Mbit/s", vf->min_rate);
	if (vf->link_state < ARRAY_SIZE(states))
		strbuf_append(out, states[vf->link_state]);
}

char *op_to_text(const struct op *op)
{
	struct strbuf out = { 0 };

	switch (op->kind) {
	case OP_BRIDGE_CREATE:
		put_bridge_create(&out, &op->link);
		break;
	case OP_LINK_CREATE:
		put_link_create(&out, &op->link);
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
	case OP_GROUP_DELETE:
		if (op->link.group == LINK_GROUP_DELETE)
			strbuf_append(&out, "delete the marked devices");
		else
			strbuf_printf(&out, "delete the devices of group %" PRIu32,
				      op->link.group);
		break;
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
		put_addr(&out, op);
		break;
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		put_route(&out, op);
		break;
	case OP_VLAN_ADD:
	case OP_VLAN_DEL:
		put_vlan(&out, op);
		break;
	case OP_FDB_ADD:
	case OP_FDB_DEL:
		put_fdb(&out, op);
		break;
	case OP_SHAPE:
		put_shape(&out, &op->shape);
		break;
	case OP_SHAPE_ROOT:
		put_shape_root(&out, &op->shape_root);
		break;
	case OP_CHECKSUM_ADD:
		strbuf_printf(&out, "guard the checksums of %s", op->checksum.ifname);
		break;
	case OP_CHECKSUM_DEL:
		strbuf_printf(&out, "no longer guard the checksums of %s", op->checksum.ifname);
		break;
	case OP_FEATURES:
		put_features(&out, &op->features);
		break;
	case OP_VF:
		put_vf(&out, &op->vf);
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
