/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link_kind.c - what each kind of device has of its own; see link_kind.h */

#include "kernel/link_kind.h"
#include "kernel/addr.h"

#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/if_tunnel.h>
#include <linux/ip6_tunnel.h>

#define IPV6_TCLASS_SHIFT 20 /* in IFLA_GRE_FLOWINFO */
#define TOS_INHERIT 1        /* the tunnelled packet's, in IPv4's TOS byte */

/* An address that is not the unspecified one. */
static struct ip given_ip(const struct nlattr *attr, int family)
{
	struct ip ip = {0};

	if (!ip_from_attr(attr, family, &ip) || ip_is_any(&ip))
		return (struct ip){0};
	return ip;
}

static void put_given_ip(struct nlmsghdr *m, uint16_t type, const struct ip *ip)
{
	if (ip->family)
		ip_put(m, type, ip);
}

/* Bridge. */

/* Kernels before 5.0 have no such option: false, as nobody can have it otherwise there. */
static bool parse_linklocal_learn(const struct nlattr *attr)
{
	const struct br_boolopt_multi *options = attr ? mnl_attr_get_payload(attr) : NULL;

	return options && mnl_attr_get_payload_len(attr) >= sizeof(*options) &&
	       !(options->optval & 1u << BR_BOOLOPT_NO_LL_LEARN);
}

static void parse_bridge(const struct nlattr *const *tb, struct link *ret)
{
	const struct nlattr *protocol = tb[IFLA_BR_VLAN_PROTOCOL];

	ret->bridge = (struct bridge_state){
		.stp = nl_u32(tb[IFLA_BR_STP_STATE]) != 0,
		.forward_delay = nl_u32(tb[IFLA_BR_FORWARD_DELAY]),
		.hello_time = nl_u32(tb[IFLA_BR_HELLO_TIME]),
		.max_age = nl_u32(tb[IFLA_BR_MAX_AGE]),
		.ageing = nl_u32(tb[IFLA_BR_AGEING_TIME]),
		.priority = nl_u16(tb[IFLA_BR_PRIORITY]),
		.multicast_snooping = nl_u8(tb[IFLA_BR_MCAST_SNOOPING]),
		.group_fwd_mask = nl_u16(tb[IFLA_BR_GROUP_FWD_MASK]),
		.vlan_filtering = nl_u8(tb[IFLA_BR_VLAN_FILTERING]),
		.nf_call_iptables = nl_u8(tb[IFLA_BR_NF_CALL_IPTABLES]),
		.nf_call_ip6tables = nl_u8(tb[IFLA_BR_NF_CALL_IP6TABLES]),
		.nf_call_arptables = nl_u8(tb[IFLA_BR_NF_CALL_ARPTABLES]),
		.linklocal_learn = parse_linklocal_learn(tb[IFLA_BR_MULTI_BOOLOPT]),
		/* A kernel built without VLAN filtering says neither: what others begin with. */
		.vlan_protocol = protocol ? ntohs(nl_u16(protocol)) : ETH_P_8021Q,
		.default_pvid = nl_u16(tb[IFLA_BR_VLAN_DEFAULT_PVID]),
	};
}

/*
 * Without a protocol all VLAN settings are left as they are.  A kernel built
 * without VLAN filtering takes no IFLA_BR_VLAN_FILTERING at all, so a new bridge
 * gets it only to switch it on.
 */
static void put_bridge_vlans(struct nlmsghdr *m, const struct bridge_state *b, bool is_new)
{
	if (!b->vlan_protocol)
		return;
	if (b->vlan_filtering || !is_new)
		mnl_attr_put_u8(m, IFLA_BR_VLAN_FILTERING, b->vlan_filtering);
	mnl_attr_put_u16(m, IFLA_BR_VLAN_PROTOCOL, htons(b->vlan_protocol));
	mnl_attr_put_u16(m, IFLA_BR_VLAN_DEFAULT_PVID, b->default_pvid);
}

/* Times of 0 that the kernel never accepts mean: as it is. */
static void put_bridge(struct nlmsghdr *m, const struct op_link *op, int parent, bool is_new)
{
	struct br_boolopt_multi options = { .optmask = 1u << BR_BOOLOPT_NO_LL_LEARN };
	const struct bridge_state *b = &op->bridge;

	(void)parent;
	mnl_attr_put_u32(m, IFLA_BR_FORWARD_DELAY, b->forward_delay);
	if (b->hello_time)
		mnl_attr_put_u32(m, IFLA_BR_HELLO_TIME, b->hello_time);
	if (b->max_age)
		mnl_attr_put_u32(m, IFLA_BR_MAX_AGE, b->max_age);
	mnl_attr_put_u32(m, IFLA_BR_AGEING_TIME, b->ageing);
	mnl_attr_put_u32(m, IFLA_BR_STP_STATE, b->stp);
	mnl_attr_put_u16(m, IFLA_BR_PRIORITY, b->priority);
	mnl_attr_put_u8(m, IFLA_BR_MCAST_SNOOPING, b->multicast_snooping);
	mnl_attr_put_u16(m, IFLA_BR_GROUP_FWD_MASK, b->group_fwd_mask);
	put_bridge_vlans(m, b, is_new);
	/* Ignored by a kernel built without br_netfilter. */
	mnl_attr_put_u8(m, IFLA_BR_NF_CALL_IPTABLES, b->nf_call_iptables);
	mnl_attr_put_u8(m, IFLA_BR_NF_CALL_IP6TABLES, b->nf_call_ip6tables);
	mnl_attr_put_u8(m, IFLA_BR_NF_CALL_ARPTABLES, b->nf_call_arptables);
	if (!b->linklocal_learn)
		options.optval = options.optmask;
	mnl_attr_put(m, IFLA_BR_MULTI_BOOLOPT, sizeof(options), &options);
}

/* TUN and TAP. */

static void parse_tun(const struct nlattr *const *tb, struct link *ret)
{
	ret->tun = (struct tun_state){
		.is_tap = nl_u8(tb[IFLA_TUN_TYPE]) == IFF_TAP,
		.is_persistent = nl_u8(tb[IFLA_TUN_PERSIST]),
		.is_multi_queue = nl_u8(tb[IFLA_TUN_MULTI_QUEUE]),
		.has_vnet_hdr = nl_u8(tb[IFLA_TUN_VNET_HDR]),
		.owner = tb[IFLA_TUN_OWNER] ? nl_u32(tb[IFLA_TUN_OWNER]) : UINT32_MAX,
		.group = tb[IFLA_TUN_GROUP] ? nl_u32(tb[IFLA_TUN_GROUP]) : UINT32_MAX,
	};
}

/* 802.1Q and 802.1ad. */

static void parse_vlan(const struct nlattr *const *tb, struct link *ret)
{
	ret->vlan.id = nl_u16(tb[IFLA_VLAN_ID]);
	ret->vlan.protocol = ntohs(nl_u16(tb[IFLA_VLAN_PROTOCOL]));
}

/* Both are fixed for life. */
static void put_vlan(struct nlmsghdr *m, const struct op_link *op, int parent, bool is_new)
{
	(void)parent;
	if (!is_new)
		return;
	mnl_attr_put_u16(m, IFLA_VLAN_ID, op->vlan.id);
	mnl_attr_put_u16(m, IFLA_VLAN_PROTOCOL, htons(op->vlan.protocol));
}

static bool is_same_vlan(const struct link *link, const struct op_link *op)
{
	return link->vlan.id == op->vlan.id && link->vlan.protocol == op->vlan.protocol;
}

/* Macvlan and macvtap. */

static void parse_macvlan(const struct nlattr *const *tb, struct link *ret)
{
	ret->macvlan.mode = nl_u32(tb[IFLA_MACVLAN_MODE]);
	ret->macvlan.flags = nl_u16(tb[IFLA_MACVLAN_FLAGS]);
}

static void put_macvlan(struct nlmsghdr *m, const struct op_link *op, int parent, bool is_new)
{
	(void)parent;
	(void)is_new;
	mnl_attr_put_u32(m, IFLA_MACVLAN_MODE, op->macvlan.mode);
	mnl_attr_put_u16(m, IFLA_MACVLAN_FLAGS, op->macvlan.flags);
}

static bool is_same_macvlan(const struct link *link, const struct op_link *op)
{
	return link->macvlan.mode == op->macvlan.mode;
}

/* GRE with Ethernet frames inside. */

static void parse_gre_common(const struct nlattr *const *tb, int family, struct link *ret)
{
	ret->gre = (struct gre_state){
		.local = given_ip(tb[IFLA_GRE_LOCAL], family),
		.remote = given_ip(tb[IFLA_GRE_REMOTE], family),
		.has_key = nl_u16(tb[IFLA_GRE_OFLAGS]) & GRE_KEY &&
			   nl_u16(tb[IFLA_GRE_IFLAGS]) & GRE_KEY &&
			   nl_u32(tb[IFLA_GRE_IKEY]) == nl_u32(tb[IFLA_GRE_OKEY]),
		.ttl = nl_u8(tb[IFLA_GRE_TTL]),
	};
	if (ret->gre.has_key)
		ret->gre.key = ntohl(nl_u32(tb[IFLA_GRE_OKEY]));
	ret->parent = (int)nl_u32(tb[IFLA_GRE_LINK]);
}

static void parse_gretap(const struct nlattr *const *tb, struct link *ret)
{
	parse_gre_common(tb, AF_INET, ret);
	ret->gre.tos = nl_u8(tb[IFLA_GRE_TOS]);
	ret->gre.pmtudisc = nl_u8(tb[IFLA_GRE_PMTUDISC]);
	ret->gre.ignore_df = nl_u8(tb[IFLA_GRE_IGNORE_DF]);
}

static void parse_ip6gretap(const struct nlattr *const *tb, struct link *ret)
{
	uint32_t flags = nl_u32(tb[IFLA_GRE_FLAGS]);

	parse_gre_common(tb, AF_INET6, ret);
	ret->gre.tos = flags & IP6_TNL_F_USE_ORIG_TCLASS ? TOS_INHERIT :
		(uint8_t)(ntohl(nl_u32(tb[IFLA_GRE_FLOWINFO])) >> IPV6_TCLASS_SHIFT);
	ret->gre.has_encap_limit = !(flags & IP6_TNL_F_IGN_ENCAP_LIMIT);
}

/* A change takes all anew: what a message leaves out goes back to nothing. */
static void put_gre_common(struct nlmsghdr *m, const struct gre_state *gre, int parent)
{
	if (parent)
		mnl_attr_put_u32(m, IFLA_GRE_LINK, (uint32_t)parent);
	put_given_ip(m, IFLA_GRE_LOCAL, &gre->local);
	put_given_ip(m, IFLA_GRE_REMOTE, &gre->remote);
	if (gre->has_key) {
		mnl_attr_put_u16(m, IFLA_GRE_IFLAGS, GRE_KEY);
		mnl_attr_put_u16(m, IFLA_GRE_OFLAGS, GRE_KEY);
		mnl_attr_put_u32(m, IFLA_GRE_IKEY, htonl(gre->key));
		mnl_attr_put_u32(m, IFLA_GRE_OKEY, htonl(gre->key));
	}
	mnl_attr_put_u8(m, IFLA_GRE_TTL, gre->ttl);
}

static void put_gretap(struct nlmsghdr *m, const struct op_link *op, int parent, bool is_new)
{
	(void)is_new;
	put_gre_common(m, &op->gre, parent);
	mnl_attr_put_u8(m, IFLA_GRE_TOS, op->gre.tos);
	mnl_attr_put_u8(m, IFLA_GRE_PMTUDISC, op->gre.pmtudisc);
	mnl_attr_put_u8(m, IFLA_GRE_IGNORE_DF, op->gre.ignore_df);
}

static void put_ip6gretap(struct nlmsghdr *m, const struct op_link *op, int parent, bool is_new)
{
	bool inherits = op->gre.tos == TOS_INHERIT;
	uint32_t flags = inherits ? IP6_TNL_F_USE_ORIG_TCLASS : 0;

	(void)is_new;
	put_gre_common(m, &op->gre, parent);
	mnl_attr_put_u32(m, IFLA_GRE_FLOWINFO,
			 inherits ? 0 : htonl((uint32_t)op->gre.tos << IPV6_TCLASS_SHIFT));
	if (op->gre.has_encap_limit)
		mnl_attr_put_u8(m, IFLA_GRE_ENCAP_LIMIT, IPV6_DEFAULT_TNL_ENCAP_LIMIT);
	else
		flags |= IP6_TNL_F_IGN_ENCAP_LIMIT;
	mnl_attr_put_u32(m, IFLA_GRE_FLAGS, flags);
}

static bool is_same_gre(const struct link *link, const struct op_link *op)
{
	return !ip_cmp(&link->gre.local, &op->gre.local) &&
	       !ip_cmp(&link->gre.remote, &op->gre.remote) &&
	       link->gre.has_key == op->gre.has_key &&
	       (!op->gre.has_key || link->gre.key == op->gre.key);
}

/* VXLAN. */

static void parse_vxlan(const struct nlattr *const *tb, struct link *ret)
{
	ret->vxlan = (struct vxlan_state){
		.vni = nl_u32(tb[IFLA_VXLAN_ID]),
		.local = given_ip(tb[IFLA_VXLAN_LOCAL], AF_INET),
		.port = ntohs(nl_u16(tb[IFLA_VXLAN_PORT])),
		.ttl = nl_u8(tb[IFLA_VXLAN_TTL]),
		.tos = nl_u8(tb[IFLA_VXLAN_TOS]),
		.learning = nl_u8(tb[IFLA_VXLAN_LEARNING]),
		.df = nl_u8(tb[IFLA_VXLAN_DF]),
	};
	if (!ret->vxlan.local.family)
		ret->vxlan.local = given_ip(tb[IFLA_VXLAN_LOCAL6], AF_INET6);
	/* IFLA_LINK does not tell of it. */
	ret->parent = (int)nl_u32(tb[IFLA_VXLAN_LINK]);
}

/* VNI and UDP port are fixed for life; what a change leaves out stays. */
static void put_vxlan(struct nlmsghdr *m, const struct op_link *op, int parent, bool is_new)
{
	const struct vxlan_state *vxlan = &op->vxlan;

	if (is_new) {
		mnl_attr_put_u32(m, IFLA_VXLAN_ID, vxlan->vni);
		mnl_attr_put_u16(m, IFLA_VXLAN_PORT, htons(vxlan->port));
	}
	if (parent)
		mnl_attr_put_u32(m, IFLA_VXLAN_LINK, (uint32_t)parent);
	put_given_ip(m, vxlan->local.family == AF_INET6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL,
		     &vxlan->local);
	mnl_attr_put_u8(m, IFLA_VXLAN_TTL, vxlan->ttl);
	mnl_attr_put_u8(m, IFLA_VXLAN_TOS, vxlan->tos);
	mnl_attr_put_u8(m, IFLA_VXLAN_LEARNING, vxlan->learning);
	mnl_attr_put_u8(m, IFLA_VXLAN_DF, vxlan->df);
}

static bool is_same_vxlan(const struct link *link, const struct op_link *op)
{
	return link->vxlan.vni == op->vxlan.vni && link->vxlan.port == op->vxlan.port &&
	       !ip_cmp(&link->vxlan.local, &op->vxlan.local);
}

/* All of them. */

static const struct link_kind_ops kinds[] = {
	{"bridge", parse_bridge, put_bridge, NULL},
	{"tun", parse_tun, NULL, NULL},
	{"vlan", parse_vlan, put_vlan, is_same_vlan},
	{"macvlan", parse_macvlan, put_macvlan, is_same_macvlan},
	{"macvtap", parse_macvlan, put_macvlan, is_same_macvlan},
	{"gretap", parse_gretap, put_gretap, is_same_gre},
	{"ip6gretap", parse_ip6gretap, put_ip6gretap, is_same_gre},
	{"vxlan", parse_vxlan, put_vxlan, is_same_vxlan},
	{"ifb", NULL, NULL, NULL},
};

const struct link_kind_ops *link_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

void link_kind_parse(const struct nlattr *data, struct link *link)
{
	const struct link_kind_ops *kind = link_kind_find(link->kind);
	const struct nlattr *tb[LINK_KIND_ATTRS];

	if (!kind || !kind->parse)
		return;
	nl_attrs_nested(data, tb, ARRAY_SIZE(tb));
	kind->parse(tb, link);
}

void link_kind_put(struct nlmsghdr *m, const char *name, const struct op_link *op, int parent,
		   bool is_new)
{
	const struct link_kind_ops *kind = link_kind_find(name);
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(m, IFLA_INFO_KIND, name);
	if (kind && kind->put) {
		data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
		kind->put(m, op, parent, is_new);
		mnl_attr_nest_end(m, data);
	}
	mnl_attr_nest_end(m, info);
}

bool link_kind_is_same(const struct link *link, const struct op_link *op, int parent)
{
	const struct link_kind_ops *kind = link_kind_find(op->kind);

	return kind && !strcmp(link->kind, op->kind) && link->parent == parent &&
	       (!kind->is_same || kind->is_same(link, op));
}
