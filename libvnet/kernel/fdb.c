/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fdb.c - the forwarding entries of VXLAN devices as rtnetlink messages */

#include "kernel/fdb.h"
#include "kernel/addr.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

static bool is_learnt(const struct nlmsghdr *m)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(m);

	return !(ndm->ndm_flags & NTF_EXT_LEARNED) && !(ndm->ndm_state & (NUD_PERMANENT | NUD_NOARP));
}

static int parse(const struct nlmsghdr *m, struct vxlan_fdb *ret)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(m);
	const struct nlattr *tb[NDA_MAX + 1];
	struct vxlan_fdb fdb = {0};

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*ndm) || m->nlmsg_type != RTM_NEWNEIGH ||
	    ndm->ndm_family != AF_BRIDGE || ndm->ndm_ifindex <= 0 || !(ndm->ndm_flags & NTF_SELF))
		return -EINVAL;
	fdb.is_external = ndm->ndm_flags & NTF_EXT_LEARNED;
	nl_attrs_of(m, sizeof(*ndm), tb, ARRAY_SIZE(tb));
	if (!tb[NDA_LLADDR] || mnl_attr_get_payload_len(tb[NDA_LLADDR]) != sizeof(fdb.mac) ||
	    /* The message's family is the bridge's: only the size tells the address's, longest first. */
	    (!ip_from_attr(tb[NDA_DST], AF_INET6, &fdb.dst) &&
	     !ip_from_attr(tb[NDA_DST], AF_INET, &fdb.dst)))
		return -EINVAL;
	memcpy(&fdb.mac, mnl_attr_get_payload(tb[NDA_LLADDR]), sizeof(fdb.mac));
	fdb.ifindex = ndm->ndm_ifindex;
	*ret = fdb;
	return 0;
}

int fdb_parse_vxlan(const struct nlmsghdr *m, struct vxlan_fdb *ret)
{
	struct vxlan_fdb fdb;
	int r = parse(m, &fdb);

	if (r == 0 && is_learnt(m))
		r = -EINVAL;
	if (r == 0)
		*ret = fdb;
	return r;
}

int fdb_parse_learnt(const struct nlmsghdr *m, struct vxlan_fdb *ret)
{
	struct vxlan_fdb fdb;
	int r = parse(m, &fdb);

	if (r == 0 && !is_learnt(m))
		r = -EINVAL;
	if (r == 0)
		*ret = fdb;
	return r;
}

void fdb_add_dump(struct nl *nl, int ifindex)
{
	struct nlmsghdr *m = nl_add(nl, RTM_GETNEIGH, 0);
	struct ndmsg *ndm = nl_header(m, sizeof(*ndm));

	ndm->ndm_family = AF_BRIDGE;
	mnl_attr_put_u32(m, NDA_IFINDEX, (uint32_t)ifindex);
}

/*
 * A unicast address has one remote, which is replaced; frames to the zero
 * address (all that are unknown) and to groups are copied to each that was
 * appended.
 */
int fdb_add_request(struct nl *nl, bool is_add, const struct vxlan_fdb *fdb, int ifindex)
{
	bool is_list = mac_is_zero(&fdb->mac) || mac_is_multicast(&fdb->mac);
	uint16_t flags = is_add ? NLM_F_CREATE | (is_list ? NLM_F_APPEND : NLM_F_REPLACE) : 0;
	struct nlmsghdr *m;
	struct ndmsg *ndm;

	if (!fdb->dst.family)
		return -EINVAL;
	m = nl_add(nl, is_add ? RTM_NEWNEIGH : RTM_DELNEIGH, flags);
	ndm = nl_header(m, sizeof(*ndm));
	ndm->ndm_family = AF_BRIDGE;
	ndm->ndm_ifindex = ifindex;
	ndm->ndm_flags = NTF_SELF | (fdb->is_external ? NTF_EXT_LEARNED : 0);
	ndm->ndm_state = NUD_PERMANENT | NUD_NOARP;
	mnl_attr_put(m, NDA_LLADDR, sizeof(fdb->mac), &fdb->mac);
	ip_put(m, NDA_DST, &fdb->dst);
	return 0;
}
