/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neigh.c - neighbours and bridge forwarding entries */

#include "kernel/neigh.h"
#include "kernel/addr.h"
#include "kernel/backend.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#define USER_HZ_MS 10 /* ndm_updated counts clock ticks of USER_HZ, 100 a second everywhere */

static bool mac_from_attr(const struct nlattr *attr, struct mac *ret)
{
	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(*ret))
		return false;
	memcpy(ret, mnl_attr_get_payload(attr), sizeof(*ret));
	return true;
}

int neigh_parse(const struct nlmsghdr *m, struct kernel_event *ret)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(m);
	const struct nlattr *tb[NDA_MAX + 1];
	struct kernel_event event = {.kind = KERNEL_EVENT_NEIGH};

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*ndm) || m->nlmsg_type != RTM_NEWNEIGH ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) ||
	    !(ndm->ndm_state & (NUD_REACHABLE | NUD_FAILED)))
		return -EINVAL;
	nl_attrs_of(m, sizeof(*ndm), tb, ARRAY_SIZE(tb));
	if (!ip_from_attr(tb[NDA_DST], ndm->ndm_family, &event.ip))
		return -EINVAL;
	event.link.ifindex = ndm->ndm_ifindex;
	event.is_reachable = ndm->ndm_state & NUD_REACHABLE;
	mac_from_attr(tb[NDA_LLADDR], &event.mac);
	*ret = event;
	return 0;
}

int fdb_parse(const struct nlmsghdr *m, struct fdb_entry *ret)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(m);
	const struct nlattr *tb[NDA_MAX + 1];
	struct fdb_entry entry = {0};
	struct nda_cacheinfo cache = {0};
	unsigned flags;

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*ndm) || m->nlmsg_type != RTM_NEWNEIGH ||
	    ndm->ndm_family != AF_BRIDGE)
		return -EINVAL;
	nl_attrs_of(m, sizeof(*ndm), tb, ARRAY_SIZE(tb));
	flags = ndm->ndm_flags;
	if (!mac_from_attr(tb[NDA_LLADDR], &entry.mac))
		return -EINVAL;
	if (!ip_from_attr(tb[NDA_DST], AF_INET6, &entry.dst))
		ip_from_attr(tb[NDA_DST], AF_INET, &entry.dst);
	/* NTF_SELF: the device's own receive filter, or a tunnel's table, which has remotes. */
	if (flags & NTF_SELF && !entry.dst.family)
		return -EINVAL;
	if (tb[NDA_CACHEINFO] && mnl_attr_get_payload_len(tb[NDA_CACHEINFO]) >= sizeof(cache))
		memcpy(&cache, mnl_attr_get_payload(tb[NDA_CACHEINFO]), sizeof(cache));
	entry.ifindex = ndm->ndm_ifindex;
	entry.vlan = nl_u16(tb[NDA_VLAN]);
	entry.is_local = ndm->ndm_state & NUD_PERMANENT;
	entry.is_static = ndm->ndm_state & NUD_NOARP;
	entry.is_extern_learn = flags & NTF_EXT_LEARNED;
	entry.age_ms = cache.ndm_updated > UINT32_MAX / USER_HZ_MS ? UINT32_MAX
								   : cache.ndm_updated * USER_HZ_MS;
	*ret = entry;
	return 0;
}

static void each_fdb(const struct nlmsghdr *m, void *context)
{
	fdb_vec *entries = context;
	struct fdb_entry entry;

	if (fdb_parse(m, &entry) == 0)
		vec_push(entries, entry);
}

static void restart_fdb(void *context)
{
	((fdb_vec *)context)->n = 0;
}

int neigh_list_fdb(struct nl *nl, int bridge, fdb_vec *ret, struct vnet_error *err)
{
	fdb_vec entries = {0};
	struct nlmsghdr *m = nl_add(nl, RTM_GETNEIGH, 0);
	struct ndmsg *ndm = nl_header(m, sizeof(*ndm));
	int r;

	ndm->ndm_family = AF_BRIDGE;
	mnl_attr_put_u32(m, NDA_MASTER, (uint32_t)bridge);
	r = nl_dump(nl, &(struct nl_dump){each_fdb, restart_fdb, &entries});
	if (r < 0)
		r = kernel_error(err, r, nl_text(nl, 0),
				 "cannot list the forwarding entries of bridge %d", bridge);
	vec_each(entry, &entries)
		if (r >= 0)
			vec_push(ret, *entry);
	vec_free(&entries);
	return r;
}

static struct nlmsghdr *neigh_request(struct nl *nl, uint16_t type, uint16_t flags, int ifindex,
				      const struct ip *ip, struct ndmsg **ret)
{
	struct nlmsghdr *m = nl_add(nl, type, flags);
	struct ndmsg *ndm = nl_header(m, sizeof(*ndm));

	ndm->ndm_family = ip->family;
	ndm->ndm_ifindex = ifindex;
	ip_put(m, NDA_DST, ip);
	*ret = ndm;
	return m;
}

/*
 * A neighbour that is known is asked again at its address (NUD_PROBE); for one
 * that is not, NTF_USE begins to resolve as a packet to it would.
 */
int neigh_probe(struct nl *nl, int ifindex, const struct ip *ip, struct vnet_error *err)
{
	const struct nlmsghdr *answer;
	struct nlmsghdr *m;
	struct ndmsg *ndm;
	struct mac mac;
	bool is_known = false;
	char text[ADDR_TEXT_MAX];
	int r;

	neigh_request(nl, RTM_GETNEIGH, 0, ifindex, ip, &ndm);
	r = nl_get(nl, &answer);
	if (r >= 0 && mnl_nlmsg_get_payload_len(answer) >= sizeof(struct ndmsg)) {
		const struct ndmsg *have = mnl_nlmsg_get_payload(answer);
		const struct nlattr *tb[NDA_MAX + 1];

		nl_attrs_of(answer, sizeof(*have), tb, ARRAY_SIZE(tb));
		is_known = have->ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE) &&
			   mac_from_attr(tb[NDA_LLADDR], &mac);
	}
	m = neigh_request(nl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, ifindex, ip, &ndm);
	if (is_known) {
		ndm->ndm_state = NUD_PROBE;
		mnl_attr_put(m, NDA_LLADDR, sizeof(mac), &mac);
	} else {
		ndm->ndm_flags = NTF_USE;
	}
	r = nl_send(nl);
	if (r >= 0)
		r = nl->answers[0].result;
	return r < 0 ? kernel_error(err, r, nl_text(nl, 0), "neighbour %s: cannot probe it",
				    ip_format(ip, text)) : 0;
}
