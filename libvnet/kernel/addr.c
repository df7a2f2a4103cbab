/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* addr.c - struct addr as rtnetlink messages */

#include "kernel/addr.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

int addr_parse(const struct nlmsghdr *m, struct addr *ret)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(m);
	const struct ifa_cacheinfo *cache;
	const struct nlattr *tb[IFA_MAX + 1];
	struct addr addr = {.valid = UINT32_MAX, .preferred = UINT32_MAX};
	struct ip remote = {0};

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*ifa) || (int)ifa->ifa_index <= 0 ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return -EINVAL;
	nl_attrs_of(m, sizeof(*ifa), tb, ARRAY_SIZE(tb));
	addr.ifindex = (int)ifa->ifa_index;
	addr.prefix.len = ifa->ifa_prefixlen;
	addr.scope = ifa->ifa_scope;
	addr.flags = tb[IFA_FLAGS] ? nl_u32(tb[IFA_FLAGS]) : ifa->ifa_flags;
	addr.metric = nl_u32(tb[IFA_RT_PRIORITY]);
	addr.protocol = nl_u8(tb[IFA_PROTO]);
	addr.no_broadcast = ifa->ifa_family == AF_INET && !tb[IFA_BROADCAST];
	nl_str(tb[IFA_LABEL], addr.label, sizeof(addr.label));

	/* IFA_ADDRESS is the peer where IFA_LOCAL differs; IPv6 has IFA_LOCAL only with a peer. */
	ip_from_attr(tb[IFA_ADDRESS], ifa->ifa_family, &remote);
	if (!ip_from_attr(tb[IFA_LOCAL], ifa->ifa_family, &addr.prefix.addr))
		addr.prefix.addr = remote;
	else if (remote.family && ip_cmp(&addr.prefix.addr, &remote))
		addr.peer = remote;
	if (!addr.prefix.addr.family || addr.prefix.len > ip_bits(&addr.prefix.addr))
		return -EINVAL;
	if (tb[IFA_CACHEINFO] && mnl_attr_get_payload_len(tb[IFA_CACHEINFO]) >= sizeof(*cache)) {
		cache = mnl_attr_get_payload(tb[IFA_CACHEINFO]);
		addr.valid = cache->ifa_valid;
		addr.preferred = cache->ifa_prefered;
	}
	*ret = addr;
	return 0;
}

void addr_add_dump(struct nl *nl)
{
	nl_header(nl_add(nl, RTM_GETADDR, 0), sizeof(struct ifaddrmsg));
}

void addr_add_request(struct nl *nl, uint16_t type, uint16_t flags, const struct addr *addr)
{
	/* The others are the kernel's to say. */
	const uint32_t settable = IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS |
				  IFA_F_MANAGETEMPADDR | IFA_F_MCAUTOJOIN;
	const struct ip *ip = &addr->prefix.addr;
	struct nlmsghdr *m = nl_add(nl, type, flags);
	struct ifaddrmsg *ifa = nl_header(m, sizeof(*ifa));

	ifa->ifa_family = ip->family;
	ifa->ifa_prefixlen = addr->prefix.len;
	ifa->ifa_index = (unsigned)addr->ifindex;
	ifa->ifa_scope = addr->scope;
	ip_put(m, IFA_LOCAL, ip);
	ip_put(m, IFA_ADDRESS, addr->peer.family ? &addr->peer : ip);
	if (type == RTM_DELADDR)
		return;
	mnl_attr_put_u32(m, IFA_FLAGS, addr->flags & settable);
	/* What "brd +" does, and what address configuration everywhere else does by itself. */
	if (ip->family == AF_INET && !addr->no_broadcast && !addr->peer.family &&
	    addr->prefix.len <= 30 && !ip_is_loopback(ip)) {
		struct ip broadcast = prefix_last(&addr->prefix);

		ip_put(m, IFA_BROADCAST, &broadcast);
	}
	if (addr->label[0] && ip->family == AF_INET)
		mnl_attr_put_strz(m, IFA_LABEL, addr->label);
	/* Unknown before 5.18, which then ignores it: no strict checking in RTM_NEWADDR. */
	if (addr->protocol)
		mnl_attr_put_u8(m, IFA_PROTO, addr->protocol);
	if (addr->metric)
		mnl_attr_put_u32(m, IFA_RT_PRIORITY, addr->metric);
	/* A lifetime of 0 exists nowhere: not given. */
	if (addr->valid && addr->valid != UINT32_MAX) {
		struct ifa_cacheinfo cache = {.ifa_valid = addr->valid,
					      .ifa_prefered = addr->preferred};

		mnl_attr_put(m, IFA_CACHEINFO, sizeof(cache), &cache);
	}
}

bool ip_from_attr(const struct nlattr *attr, int family, struct ip *ret)
{
	struct ip ip = {.family = (uint8_t)family};

	if (!attr || mnl_attr_get_payload_len(attr) < ip_size(&ip))
		return false;
	memcpy(ip.b, mnl_attr_get_payload(attr), ip_size(&ip));
	*ret = ip;
	return true;
}

void ip_put(struct nlmsghdr *m, uint16_t type, const struct ip *ip)
{
	mnl_attr_put(m, type, ip_size(ip), ip->b);
}
