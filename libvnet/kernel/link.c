/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.c - struct link and op_link as rtnetlink messages
 *
 * One OP_LINK_SET is several messages of the same send, because within one
 * message the kernel's order is not ours to choose, and differs:
 *
 *  - IFF_UP and IFLA_MASTER: kernels from 6.1 (a4abfa627c38) to January 2024
 *    (ec4ffd100ffb, in the stable series too) enslave first, all others raise
 *    first.  A port that is up outside of its bridge is an interface of the host.
 *  - IFLA_AF_SPEC comes after both, so that a device raised in the same message
 *    has already got its IPv6 link-local address and announced it to the guest.
 *  - bridge port options (IFLA_INFO_SLAVE_DATA) are applied first of all and
 *    need the master to be there.
 *
 * Hence: lower (only with a master taken out); everything else; then port
 * options together with the raise.  The kernel runs the last message even when
 * the one before failed, but refuses it whole without a master that takes
 * port options, which is why a raise with a new master carries them even if
 * there are none: then it stays down.
 *
 * Of the states of LINK_SET_STATE only "forwarding" lasts: without STP the
 * kernel lets a blocked port forward at once, and a disabled one at the next
 * change of the device.
 */

#include "kernel/link.h"
#include "kernel/link_kind.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#define BRIDGE_MTU_INITIAL 1500
/* The options of a bridge port. */
#define LINK_SET_PORT \
	((uint32_t)(LINK_SET_ISOLATED | LINK_SET_STATE | LINK_SET_ROOT_GUARD | LINK_SET_LEARNING | \
		    LINK_SET_FLOOD | LINK_SET_MCAST_FLOOD | LINK_SET_HAIRPIN | LINK_SET_PROXY_ARP))

static void parse_port(const struct nlattr *data, struct bridge_port_state *ret);
static int8_t parse_addr_gen_mode(const struct nlattr *af_spec);
static int parse_common(const struct nlmsghdr *m, const struct nlattr **tb, struct link *ret);
static void put_bridge_stp(struct nlmsghdr *m, bool stp);
static void put_port(struct nlmsghdr *m, uint32_t set, const struct bridge_port_state *p);
static void put_addr_gen_mode(struct nlmsghdr *m, int8_t mode);
static void put_fields(struct nlmsghdr *m, const struct op_link *op, uint32_t set, int master);
static struct ifinfomsg *set_message(struct nl *nl, uint16_t type, const char *name,
				     struct nlmsghdr **ret);

int link_message_family(const struct nlmsghdr *m)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(m);

	return mnl_nlmsg_get_payload_len(m) >= sizeof(*ifi) ? ifi->ifi_family : -1;
}

int link_parse(const struct nlmsghdr *m, struct link *ret)
{
	const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	char slave_kind[16];
	struct link link;
	int r;

	r = parse_common(m, tb, &link);
	if (r < 0)
		return r;
	link.txqueuelen = nl_u32(tb[IFLA_TXQLEN]);
	link.group = nl_u32(tb[IFLA_GROUP]);
	link.parent = (int)nl_u32(tb[IFLA_LINK]);
	nl_str(tb[IFLA_IFALIAS], link.alias, sizeof(link.alias));
	link.addr_gen_mode = parse_addr_gen_mode(tb[IFLA_AF_SPEC]);

	nl_attrs_nested(tb[IFLA_LINKINFO], info, ARRAY_SIZE(info));
	nl_str(info[IFLA_INFO_KIND], link.kind, sizeof(link.kind));
	nl_str(info[IFLA_INFO_SLAVE_KIND], slave_kind, sizeof(slave_kind));
	link_kind_parse(info[IFLA_INFO_DATA], &link);
	/* The index is one of that namespace, and says nothing here. */
	if (tb[IFLA_LINK_NETNSID])
		link.parent = 0;
	link.has_netns_peer = tb[IFLA_LINK_NETNSID] && !strcmp(link.kind, "veth");
	if (!strcmp(slave_kind, "bridge"))
		parse_port(info[IFLA_INFO_SLAVE_DATA], &link.port);
	*ret = link;
	return 0;
}

int link_parse_port(const struct nlmsghdr *m, struct link *ret)
{
	const struct nlattr *tb[IFLA_MAX + 1];
	struct link link;
	int r;

	r = parse_common(m, tb, &link);
	if (r < 0)
		return r;
	parse_port(tb[IFLA_PROTINFO], &link.port);
	*ret = link;
	return 0;
}

static int parse_common(const struct nlmsghdr *m, const struct nlattr **tb, struct link *ret)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(m);

	memset(ret, 0, sizeof(*ret));
	if (mnl_nlmsg_get_payload_len(m) < sizeof(*ifi) || ifi->ifi_index <= 0)
		return -EINVAL;
	nl_attrs_of(m, sizeof(*ifi), tb, IFLA_MAX + 1);
	ret->ifindex = ifi->ifi_index;
	ret->flags = ifi->ifi_flags;
	nl_str(tb[IFLA_IFNAME], ret->name, sizeof(ret->name));
	if (!ret->name[0])
		return -EINVAL;
	/* Tunnels have addresses of other sizes: not a MAC. */
	if (tb[IFLA_ADDRESS] && mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) == sizeof(ret->mac))
		memcpy(&ret->mac, mnl_attr_get_payload(tb[IFLA_ADDRESS]), sizeof(ret->mac));
	ret->mtu = nl_u32(tb[IFLA_MTU]);
	ret->master = (int)nl_u32(tb[IFLA_MASTER]);
	ret->addr_gen_mode = -1;
	return 0;
}

static void parse_port(const struct nlattr *data, struct bridge_port_state *ret)
{
	const struct nlattr *tb[IFLA_BRPORT_MAX + 1];

	nl_attrs_nested(data, tb, ARRAY_SIZE(tb));
	*ret = (struct bridge_port_state){
		.state = nl_u8(tb[IFLA_BRPORT_STATE]),
		.isolated = nl_u8(tb[IFLA_BRPORT_ISOLATED]),
		.learning = nl_u8(tb[IFLA_BRPORT_LEARNING]),
		.hairpin = nl_u8(tb[IFLA_BRPORT_MODE]),
		.flood = nl_u8(tb[IFLA_BRPORT_UNICAST_FLOOD]),
		.multicast_flood = nl_u8(tb[IFLA_BRPORT_MCAST_FLOOD]),
		.root_guard = nl_u8(tb[IFLA_BRPORT_PROTECT]),
		.proxy_arp = nl_u8(tb[IFLA_BRPORT_PROXYARP]),
	};
}

static int8_t parse_addr_gen_mode(const struct nlattr *af_spec)
{
	const struct nlattr *family[AF_INET6 + 1], *tb[IFLA_INET6_MAX + 1];

	nl_attrs_nested(af_spec, family, ARRAY_SIZE(family));
	if (!family[AF_INET6])
		return -1;
	nl_attrs_nested(family[AF_INET6], tb, ARRAY_SIZE(tb));
	return tb[IFLA_INET6_ADDR_GEN_MODE] ? (int8_t)nl_u8(tb[IFLA_INET6_ADDR_GEN_MODE]) : -1;
}

void link_add_get(struct nl *nl, const char *name)
{
	struct nlmsghdr *m = nl_add(nl, RTM_GETLINK, 0);

	nl_header(m, sizeof(struct ifinfomsg));
	/* Counters are most of a link's message, and nobody reads them here. */
	mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (name)
		mnl_attr_put_strz(m, IFLA_IFNAME, name);
}

void link_add_change(struct nl *nl, const struct op_link *op, int parent)
{
	struct nlmsghdr *m;

	set_message(nl, RTM_NEWLINK, op->name, &m);
	link_kind_put(m, op->kind, op, parent, false);
}

void link_add_set(struct nl *nl, const struct op_link *op, int master)
{
	uint32_t first = op->set & ~(LINK_SET_PORT | LINK_SET_KIND | LINK_SET_NAME), last = op->set & LINK_SET_PORT;
	struct ifinfomsg *ifi;
	struct nlmsghdr *m;

	if (first & LINK_SET_UP && op->up &&
	    (last || first & (LINK_SET_MASTER | LINK_SET_ADDR_GEN))) {
		first &= ~(uint32_t)LINK_SET_UP;
		last |= LINK_SET_UP;
	}
	if (first & LINK_SET_UP && first & LINK_SET_MASTER && !master) {
		ifi = set_message(nl, RTM_SETLINK, op->name, &m);
		ifi->ifi_change = IFF_UP;
		first &= ~(uint32_t)LINK_SET_UP;
	}
	/* The kernel checks the delay first, against the STP that still runs. */
	if (first & LINK_SET_BRIDGE && !op->bridge.stp) {
		set_message(nl, RTM_NEWLINK, op->name, &m);
		put_bridge_stp(m, false);
	}
	if (first) {
		/* Only RTM_NEWLINK looks at IFLA_LINKINFO. */
		ifi = set_message(nl, first & LINK_SET_BRIDGE ? RTM_NEWLINK : RTM_SETLINK, op->name,
				  &m);
		if (first & LINK_SET_UP) {
			ifi->ifi_change = IFF_UP;
			ifi->ifi_flags = op->up ? IFF_UP : 0;
		}
		put_fields(m, op, first, master);
	}
	if (last) {
		bool is_port = last & LINK_SET_PORT || (first & LINK_SET_MASTER && master);

		ifi = set_message(nl, is_port ? RTM_NEWLINK : RTM_SETLINK, op->name, &m);
		if (last & LINK_SET_UP)
			ifi->ifi_change = ifi->ifi_flags = IFF_UP;
		if (is_port)
			put_port(m, last, &op->port);
	}
}

void link_add_create(struct nl *nl, const struct op_link *op, int parent)
{
	const char *kind = op->kind[0] ? op->kind : "bridge";
	bool is_bridge = !strcmp(kind, "bridge");
	uint32_t create = op->set & (LINK_SET_TXQUEUELEN | LINK_SET_GROUP);
	uint32_t mark = LINK_SET_ALIAS | (op->set & LINK_SET_ADDR_GEN);
	struct nlmsghdr *m = nl_add(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);

	nl_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(m, IFLA_IFNAME, op->name);
	if (!mac_is_zero(&op->mac))
		create |= LINK_SET_MAC;
	if (op->mtu)
		*(is_bridge ? &mark : &create) |= LINK_SET_MTU;
	/*
	 * A bridge's MTU follows the smallest of its ports until it is changed
	 * once; setting what it has already is no change.
	 */
	if (is_bridge && op->mtu == BRIDGE_MTU_INITIAL)
		mnl_attr_put_u32(m, IFLA_MTU, BRIDGE_MTU_INITIAL + 1);
	if (parent)
		mnl_attr_put_u32(m, IFLA_LINK, (uint32_t)parent);
	put_fields(m, op, create, 0);
	link_kind_put(m, kind, op, parent, true);

	set_message(nl, RTM_SETLINK, op->name, &m);
	put_fields(m, op, mark, 0);
}

void link_add_alias(struct nl *nl, int ifindex, const char *alias)
{
	struct nlmsghdr *m = nl_add(nl, RTM_SETLINK, 0);
	struct ifinfomsg *ifi = nl_header(m, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	mnl_attr_put_strz(m, IFLA_IFALIAS, alias);
}

void link_add_lower(struct nl *nl, int ifindex)
{
	struct ifinfomsg *ifi = nl_header(nl_add(nl, RTM_SETLINK, 0), sizeof(*ifi));

	ifi->ifi_index = ifindex;
	ifi->ifi_change = IFF_UP;
}

void link_add_rename(struct nl *nl, int ifindex, const char *name)
{
	struct nlmsghdr *m = nl_add(nl, RTM_SETLINK, 0);
	struct ifinfomsg *ifi = nl_header(m, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	mnl_attr_put_strz(m, IFLA_IFNAME, name);
}

void link_add_delete_group(struct nl *nl, uint32_t group)
{
	struct nlmsghdr *m = nl_add(nl, RTM_DELLINK, 0);

	nl_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(m, IFLA_GROUP, group);
}

void link_add_delete(struct nl *nl, int ifindex)
{
	struct nlmsghdr *m = nl_add(nl, RTM_DELLINK, 0);
	struct ifinfomsg *ifi = nl_header(m, sizeof(*ifi));

	ifi->ifi_index = ifindex;
}

/*
 * Begins a change.  The kernel finds the device by name itself, under its lock:
 * no index that could have become another device's.
 */
static struct ifinfomsg *set_message(struct nl *nl, uint16_t type, const char *name,
				     struct nlmsghdr **ret)
{
	struct nlmsghdr *m = nl_add(nl, type, 0);
	struct ifinfomsg *ifi = nl_header(m, sizeof(*ifi));

	mnl_attr_put_strz(m, IFLA_IFNAME, name);
	*ret = m;
	return ifi;
}

static void put_fields(struct nlmsghdr *m, const struct op_link *op, uint32_t set, int master)
{
	if (set & LINK_SET_MTU)
		mnl_attr_put_u32(m, IFLA_MTU, op->mtu);
	if (set & LINK_SET_MAC)
		mnl_attr_put(m, IFLA_ADDRESS, sizeof(op->mac), &op->mac);
	if (set & LINK_SET_ALIAS)
		mnl_attr_put_strz(m, IFLA_IFALIAS, op->alias);
	if (set & LINK_SET_TXQUEUELEN)
		mnl_attr_put_u32(m, IFLA_TXQLEN, op->txqueuelen);
	if (set & LINK_SET_GROUP)
		mnl_attr_put_u32(m, IFLA_GROUP, op->group);
	if (set & LINK_SET_MASTER)
		mnl_attr_put_u32(m, IFLA_MASTER, (uint32_t)master);
	if (set & LINK_SET_ADDR_GEN && op->addr_gen_mode >= 0)
		put_addr_gen_mode(m, op->addr_gen_mode);
	if (set & LINK_SET_BRIDGE)
		link_kind_put(m, "bridge", op, 0, false);
}

static void put_bridge_stp(struct nlmsghdr *m, bool stp)
{
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(m, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	mnl_attr_put_u32(m, IFLA_BR_STP_STATE, stp);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
}

static void put_port(struct nlmsghdr *m, uint32_t set, const struct bridge_port_state *p)
{
	const struct { uint32_t field; uint16_t attr; bool value; } options[] = {
		{LINK_SET_ISOLATED, IFLA_BRPORT_ISOLATED, p->isolated},
		{LINK_SET_ROOT_GUARD, IFLA_BRPORT_PROTECT, p->root_guard},
		{LINK_SET_LEARNING, IFLA_BRPORT_LEARNING, p->learning},
		{LINK_SET_FLOOD, IFLA_BRPORT_UNICAST_FLOOD, p->flood},
		{LINK_SET_MCAST_FLOOD, IFLA_BRPORT_MCAST_FLOOD, p->multicast_flood},
		{LINK_SET_HAIRPIN, IFLA_BRPORT_MODE, p->hairpin},
		{LINK_SET_PROXY_ARP, IFLA_BRPORT_PROXYARP, p->proxy_arp},
	};
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(m, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(m, IFLA_INFO_SLAVE_DATA);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (set & options[i].field)
			mnl_attr_put_u8(m, options[i].attr, options[i].value);
	if (set & LINK_SET_STATE)
		mnl_attr_put_u8(m, IFLA_BRPORT_STATE, p->state);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
}

static void put_addr_gen_mode(struct nlmsghdr *m, int8_t mode)
{
	struct nlattr *spec = mnl_attr_nest_start(m, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(m, AF_INET6);

	mnl_attr_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, (uint8_t)mode);
	mnl_attr_nest_end(m, inet6);
	mnl_attr_nest_end(m, spec);
}
