/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vlan.c - the VLANs of bridge ports as rtnetlink messages */

#include "kernel/vlan.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#define VID_LAST 4094

static void take_range(int ifindex, const struct bridge_vlan_info *first,
		       const struct bridge_vlan_info *last, vlan_member_vec *ret)
{
	struct vlan_member member = {
		.ifindex = ifindex,
		.first = first->vid,
		.last = last->vid,
		.is_pvid = first->flags & BRIDGE_VLAN_INFO_PVID && first->vid == last->vid,
		.is_untagged = first->flags & BRIDGE_VLAN_INFO_UNTAGGED,
	};

	if (member.first && member.first <= member.last && member.last <= VID_LAST)
		vec_push(ret, member);
}

/* A range is told by two attributes: its first and its last id. */
void vlan_parse(const struct nlmsghdr *m, vlan_member_vec *ret)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(m);
	const struct nlattr *tb[IFLA_MAX + 1], *spec[IFLA_BRIDGE_MAX + 1];
	struct bridge_vlan_info begin = {0}, info;
	struct nl_attr_reader reader;
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*ifi) || m->nlmsg_type != RTM_NEWLINK ||
	    ifi->ifi_family != AF_BRIDGE || ifi->ifi_index <= 0)
		return;
	nl_attrs_of(m, sizeof(*ifi), tb, ARRAY_SIZE(tb));
	nl_attrs_nested(tb[IFLA_AF_SPEC], spec, ARRAY_SIZE(spec));
	/* Only a device's own switch (a NIC's, not a bridge) names flags here. */
	if (!tb[IFLA_AF_SPEC] || spec[IFLA_BRIDGE_FLAGS])
		return;
	reader = nl_attr_reader(tb[IFLA_AF_SPEC]);
	while ((attr = nl_attr_next(&reader))) {
		if (mnl_attr_get_type(attr) != IFLA_BRIDGE_VLAN_INFO ||
		    mnl_attr_get_payload_len(attr) < sizeof(info))
			continue;
		memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
		if (info.flags & BRIDGE_VLAN_INFO_RANGE_BEGIN)
			begin = info;
		else if (info.flags & BRIDGE_VLAN_INFO_RANGE_END)
			take_range(ifi->ifi_index, &begin, &info, ret);
		else
			take_range(ifi->ifi_index, &info, &info, ret);
	}
}

static int compare_members(const void *a, const void *b)
{
	const struct vlan_member *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

void vlan_normalise(vlan_member_vec *members)
{
	size_t n = 0;

	if (members->n)
		qsort(members->v, members->n, sizeof(*members->v), compare_members);
	for (size_t i = 0; i < members->n; i++) {
		struct vlan_member *last = n ? &members->v[n - 1] : NULL, *next = &members->v[i];

		if (last && last->ifindex == next->ifindex && next->first <= last->last + 1 &&
		    !last->is_pvid && !next->is_pvid && last->is_untagged == next->is_untagged) {
			if (last->last < next->last)
				last->last = next->last;
		} else {
			members->v[n++] = *next;
		}
	}
	members->n = n;
}

void vlan_add_dump(struct nl *nl)
{
	struct nlmsghdr *m = nl_add(nl, RTM_GETLINK, 0);
	struct ifinfomsg *ifi = nl_header(m, sizeof(*ifi));

	ifi->ifi_family = AF_BRIDGE;
	mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
}

static void put_info(struct nlmsghdr *m, uint16_t vid, uint16_t flags)
{
	const struct bridge_vlan_info info = {.flags = flags, .vid = vid};

	mnl_attr_put(m, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
}

int vlan_add_request(struct nl *nl, bool is_add, const struct op_vlan *op, int ifindex)
{
	const struct vlan_member *vlan = &op->vlan;
	uint16_t flags = 0;
	struct nlmsghdr *m;
	struct ifinfomsg *ifi;
	struct nlattr *spec;

	if (!vlan->first || vlan->first > vlan->last || vlan->last > VID_LAST ||
	    (vlan->is_pvid && vlan->first != vlan->last))
		return -EINVAL;
	if (is_add && vlan->is_pvid)
		flags |= BRIDGE_VLAN_INFO_PVID;
	if (is_add && vlan->is_untagged)
		flags |= BRIDGE_VLAN_INFO_UNTAGGED;
	m = nl_add(nl, is_add ? RTM_SETLINK : RTM_DELLINK, 0);
	ifi = nl_header(m, sizeof(*ifi));
	ifi->ifi_family = AF_BRIDGE;
	ifi->ifi_index = ifindex;
	spec = mnl_attr_nest_start(m, IFLA_AF_SPEC);
	mnl_attr_put_u16(m, IFLA_BRIDGE_FLAGS, op->is_bridge ? BRIDGE_FLAGS_SELF
							     : BRIDGE_FLAGS_MASTER);
	if (vlan->first == vlan->last) {
		put_info(m, vlan->first, flags);
	} else {
		put_info(m, vlan->first, flags | BRIDGE_VLAN_INFO_RANGE_BEGIN);
		put_info(m, vlan->last, flags | BRIDGE_VLAN_INFO_RANGE_END);
	}
	mnl_attr_nest_end(m, spec);
	return 0;
}
