/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot_fields.c - the words of a snapshot's text form, one table per object */

#include "plan/snapshot_fields.h"

#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>

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
static const struct word vlan_protocol_words[] = {
	{ "802.1q", ETH_P_8021Q }, { "802.1ad", ETH_P_8021AD }, { NULL, 0 },
};
static const struct word macvlan_mode_words[] = {
	{ "private", MACVLAN_MODE_PRIVATE }, { "vepa", MACVLAN_MODE_VEPA },
	{ "bridge", MACVLAN_MODE_BRIDGE }, { "passthru", MACVLAN_MODE_PASSTHRU }, { NULL, 0 },
};
static const struct word vf_link_words[] = {
	{ "auto", IFLA_VF_LINK_STATE_AUTO }, { "on", IFLA_VF_LINK_STATE_ENABLE },
	{ "off", IFLA_VF_LINK_STATE_DISABLE }, { NULL, 0 },
};
static const struct word addr_protocol_words[] = {
	{ "lo", 1 }, { "ra", 2 }, { "ll", 3 }, { NULL, 0 },
};

static const struct word checksum_words[] = {
	{ "open", CHECKSUM_OPEN }, { "stale", CHECKSUM_STALE }, { "guarded", CHECKSUM_GUARDED },
	{ NULL, 0 },
};

#define LINK_FLAG_WORDS (IFF_UP | IFF_RUNNING | IFF_LOWER_UP | IFF_LOOPBACK | IFF_POINTOPOINT)

const struct field link_fields[] = {
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
	F(TRUE, "wireless", link, is_wireless),
	F(TRUE, "netns_peer", link, has_netns_peer),
	FE("checksum", link, checksum, CHECKSUM_OPEN, checksum_words),
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
	FE("vlan_protocol", link, bridge.vlan_protocol, ETH_P_8021Q, vlan_protocol_words),
	F(UINT, "default_pvid", link, bridge.default_pvid, 1),
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
	F(TRUE, "proxy_arp", link, port.proxy_arp),
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

static const struct field sub_vlan_fields[] = {
	F(UINT, "id", link, vlan.id),
	FE("protocol", link, vlan.protocol, ETH_P_8021Q, vlan_protocol_words),
	{ 0 },
};

static const struct field macvlan_fields[] = {
	FE("mode", link, macvlan.mode, MACVLAN_MODE_BRIDGE, macvlan_mode_words),
	F(UINT, "macvlan_flags", link, macvlan.flags),
	{ 0 },
};

static const struct field gre_fields[] = {
	F(IP, "local", link, gre.local),
	F(IP, "remote", link, gre.remote),
	F(TRUE, "keyed", link, gre.has_key),
	F(UINT, "key", link, gre.key),
	F(UINT, "ttl", link, gre.ttl, 64),
	F(UINT, "tos", link, gre.tos),
	F(FALSE, "no_pmtudisc", link, gre.pmtudisc),
	F(TRUE, "ignore_df", link, gre.ignore_df),
	F(TRUE, "encap_limit", link, gre.has_encap_limit),
	{ 0 },
};

static const struct field vxlan_fields[] = {
	F(UINT, "vni", link, vxlan.vni),
	F(IP, "local", link, vxlan.local),
	F(UINT, "port", link, vxlan.port, 4789),
	F(UINT, "ttl", link, vxlan.ttl, 64),
	F(UINT, "tos", link, vxlan.tos),
	F(FALSE, "no_peer_learning", link, vxlan.learning),
	F(UINT, "df", link, vxlan.df),
	{ 0 },
};

static const struct field feature_fields[] = {
	F(TRUE, "features", link, features.is_known),
	F(FALSE, "no_rx", link, features.rx),
	F(FALSE, "no_tx", link, features.tx),
	F(FALSE, "no_sg", link, features.sg),
	F(FALSE, "no_tso", link, features.tso),
	F(FALSE, "no_gso", link, features.gso),
	F(FALSE, "no_gro", link, features.gro),
	{ 0 },
};

#define DEFINE_IS_KIND(name, ...) \
	static bool name(const struct link *link) \
	{ \
		static const char *const kinds[] = { __VA_ARGS__ }; \
\
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) \
			if (strcmp(link->kind, kinds[i]) == 0) \
				return true; \
		return false; \
	} \
	struct vnet_swallow_semicolon

DEFINE_IS_KIND(is_bridge, "bridge");
DEFINE_IS_KIND(is_tun, "tun");
DEFINE_IS_KIND(is_vlan, "vlan");
DEFINE_IS_KIND(is_macvlan, "macvlan", "macvtap");
DEFINE_IS_KIND(is_gre, "gretap", "ip6gretap");
DEFINE_IS_KIND(is_vxlan, "vxlan");

static bool has_master(const struct link *link)
{
	return link->master;
}

static bool has_features(const struct link *link)
{
	return link->features.is_known;
}

const struct link_table link_tables[] = {
	{ bridge_fields, is_bridge, NULL },	    { port_fields, has_master, "master" },
	{ tun_fields, is_tun, NULL },		    { sub_vlan_fields, is_vlan, NULL },
	{ macvlan_fields, is_macvlan, NULL },	    { gre_fields, is_gre, NULL },
	{ vxlan_fields, is_vxlan, NULL },	    { feature_fields, has_features, "features" },
	{ NULL, NULL, NULL },
};

#define ADDR_FLAG_WORDS (IFA_F_TEMPORARY | IFA_F_NODAD | IFA_F_DADFAILED | IFA_F_DEPRECATED | \
			 IFA_F_TENTATIVE | IFA_F_PERMANENT | IFA_F_MANAGETEMPADDR | \
			 IFA_F_NOPREFIXROUTE)

const struct field addr_fields[] = {
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

const struct field route_fields[] = {
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

const struct field vlan_fields[] = {
	F(DEVICE, "dev", vlan_member, ifindex),
	F(TRUE, "pvid", vlan_member, is_pvid),
	F(TRUE, "untagged", vlan_member, is_untagged),
	{ 0 },
};

const struct field fdb_fields[] = {
	F(DEVICE, "dev", vxlan_fdb, ifindex),
	F(IP, "dst", vxlan_fdb, dst),
	F(TRUE, "external", vxlan_fdb, is_external),
	{ 0 },
};

#define BANDWIDTH_FIELDS(object) \
	F(UINT, "in", object, in.rate), F(UINT, "in_guaranteed", object, in.guaranteed), \
	F(UINT, "in_burst", object, in.burst), F(UINT, "out", object, out.rate), \
	F(UINT, "out_guaranteed", object, out.guaranteed), F(UINT, "out_burst", object, out.burst)

const struct field shaper_fields[] = {
	F(DEVICE, "ifb", shaper, ifb),
	F(UINT, "slot", shaper, slot),
	BANDWIDTH_FIELDS(shaper),
	{ 0 },
};

const struct field shaper_root_fields[] = {
	BANDWIDTH_FIELDS(shaper_root),
	{ 0 },
};

const struct field vf_fields[] = {
	F(DEVICE, "dev", vf, ifindex),
	F(MAC, "mac", vf, mac),
	F(UINT, "vlan", vf, vlan),
	FE("protocol", vf, vlan_protocol, ETH_P_8021Q, vlan_protocol_words),
	F(UINT, "qos", vf, qos),
	F(FALSE, "no_spoofchk", vf, spoofchk),
	F(TRUE, "trust", vf, trust),
	F(UINT, "min_rate", vf, min_rate),
	F(UINT, "max_rate", vf, max_rate),
	FE("link", vf, link_state, IFLA_VF_LINK_STATE_AUTO, vf_link_words),
	{ 0 },
};

uint64_t field_get(const void *object, const struct field *f)
{
	const char *p = (const char *)object + f->offset;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (f->size) {
	case 1:
		memcpy(&u8, p, 1);
		return u8;
	case 2:
		memcpy(&u16, p, 2);
		return u16;
	case 4:
		memcpy(&u32, p, 4);
		return u32;
	default:
		memcpy(&u64, p, 8);
		return u64;
	}
}

bool field_set(void *object, const struct field *f, uint64_t value)
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
	case 4:
		memcpy(p, &u32, 4);
		return value == u32;
	default:
		memcpy(p, &value, 8);
		return true;
	}
}

void field_set_defaults(const struct field *fields, void *object)
{
	for (const struct field *f = fields; f->word; f++)
		if (f->type == FIELD_UINT || f->type == FIELD_ENUM)
			field_set(object, f, f->value);
		else if (f->type == FIELD_FALSE)
			*(bool *)((char *)object + f->offset) = true;
}

uint8_t addr_default_scope(const struct addr *addr)
{
	if (ip_is_loopback(&addr->prefix.addr))
		return RT_SCOPE_HOST;
	if (addr->prefix.addr.family == AF_INET6 && ip_is_link_local(&addr->prefix.addr))
		return RT_SCOPE_LINK;
	return RT_SCOPE_UNIVERSE;
}

uint8_t route_default_scope(const struct route *route)
{
	if (route->family == AF_INET6)
		return RT_SCOPE_UNIVERSE;
	if (route->type == RTN_LOCAL)
		return RT_SCOPE_HOST;
	if (route->type == RTN_BROADCAST || route->type == RTN_MULTICAST)
		return RT_SCOPE_LINK;
	return !route->gateway.family && route->oif ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}
