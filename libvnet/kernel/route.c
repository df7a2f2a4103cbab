/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* route.c - struct route as rtnetlink messages */

#include "kernel/route.h"
#include "kernel/addr.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#define IP6_RT_PRIO_USER 1024 /* the metric an IPv6 route gets when none is given */

static uint32_t effective_metric(const struct route *r);
static void parse_gateway(const struct nlattr **tb, int family, struct ip *ret);
static void put_gateway(struct nlmsghdr *m, const struct route *route);

int route_parse(const struct nlmsghdr *m, struct route *ret)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(m);
	const struct nlattr *tb[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	const struct rta_cacheinfo *cache;
	struct route r = {0};

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*rtm) || rtm->rtm_flags & RTM_F_CLONED ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6))
		return -EINVAL;
	nl_attrs_of(m, sizeof(*rtm), tb, ARRAY_SIZE(tb));
	r.family = rtm->rtm_family;
	r.table = tb[RTA_TABLE] ? nl_u32(tb[RTA_TABLE]) : rtm->rtm_table;
	r.protocol = rtm->rtm_protocol;
	r.type = rtm->rtm_type;
	r.scope = rtm->rtm_scope;
	r.flags = rtm->rtm_flags & RTNH_F_ONLINK;
	r.dst.addr.family = r.family;
	r.dst.len = rtm->rtm_dst_len;
	ip_from_attr(tb[RTA_DST], r.family, &r.dst.addr);
	if (r.dst.len > ip_bits(&r.dst.addr))
		return -EINVAL;
	parse_gateway(tb, r.family, &r.gateway);
	if (!tb[RTA_MULTIPATH])
		r.oif = (int)nl_u32(tb[RTA_OIF]);
	r.metric = nl_u32(tb[RTA_PRIORITY]);
	ip_from_attr(tb[RTA_PREFSRC], r.family, &r.prefsrc);
	nl_attrs_nested(tb[RTA_METRICS], metrics, ARRAY_SIZE(metrics));
	r.mtu = nl_u32(metrics[RTAX_MTU]);
	r.preference = nl_u8(tb[RTA_PREF]);
	if (tb[RTA_CACHEINFO] && mnl_attr_get_payload_len(tb[RTA_CACHEINFO]) >= sizeof(*cache)) {
		cache = mnl_attr_get_payload(tb[RTA_CACHEINFO]);
		/* Clock ticks of USER_HZ; a route about to expire is still one that does. */
		if (cache->rta_expires > 0)
			r.expires = cache->rta_expires > 100 ? (uint32_t)cache->rta_expires / 100
							     : 1;
	}
	*ret = r;
	return 0;
}

void route_add_dump(struct nl *nl, int family)
{
	struct rtmsg *rtm = nl_header(nl_add(nl, RTM_GETROUTE, 0), sizeof(*rtm));

	rtm->rtm_family = (unsigned char)family;
}

int route_ask(struct nl *nl, int iif, const struct ip *from, const struct ip *to, int *ret_oif)
{
	struct nlmsghdr *m = nl_add(nl, RTM_GETROUTE, 0);
	struct rtmsg *rtm = nl_header(m, sizeof(*rtm));
	const struct nlattr *tb[RTA_MAX + 1];
	const struct nlmsghdr *answer;
	int r;

	rtm->rtm_family = from->family;
	rtm->rtm_src_len = rtm->rtm_dst_len = (uint8_t)ip_bits(from);
	mnl_attr_put(m, RTA_SRC, ip_size(from), from->b);
	mnl_attr_put(m, RTA_DST, ip_size(to), to->b);
	mnl_attr_put_u32(m, RTA_IIF, (uint32_t)iif);
	r = nl_get(nl, &answer);
	if (r < 0)
		return r;
	nl_attrs_of(answer, sizeof(*rtm), tb, ARRAY_SIZE(tb));
	*ret_oif = (int)nl_u32(tb[RTA_OIF]);
	return 0;
}

void route_add_request(struct nl *nl, uint16_t type, uint16_t flags, const struct route *route)
{
	struct nlmsghdr *m = nl_add(nl, type, flags);
	struct rtmsg *rtm = nl_header(m, sizeof(*rtm));
	struct prefix dst = prefix_network(&route->dst);

	rtm->rtm_family = route->family;
	rtm->rtm_dst_len = dst.len;
	rtm->rtm_table = route->table < 256 ? (unsigned char)route->table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = route->protocol;
	rtm->rtm_type = route->type ? route->type : RTN_UNICAST;
	rtm->rtm_scope = route->scope;
	rtm->rtm_flags = route->flags & RTNH_F_ONLINK;
	if (dst.len)
		ip_put(m, RTA_DST, &dst.addr);
	mnl_attr_put_u32(m, RTA_TABLE, route->table);
	put_gateway(m, route);
	if (route->oif)
		mnl_attr_put_u32(m, RTA_OIF, (uint32_t)route->oif);
	/* Without a metric, a delete of IPv6 takes the first of any. */
	if (effective_metric(route))
		mnl_attr_put_u32(m, RTA_PRIORITY, effective_metric(route));
	if (type == RTM_DELROUTE)
		return;
	if (route->prefsrc.family)
		ip_put(m, RTA_PREFSRC, &route->prefsrc);
	if (route->mtu) {
		struct nlattr *metrics = mnl_attr_nest_start(m, RTA_METRICS);

		mnl_attr_put_u32(m, RTAX_MTU, route->mtu);
		mnl_attr_nest_end(m, metrics);
	}
	if (route->family == AF_INET6 && route->preference)
		mnl_attr_put_u8(m, RTA_PREF, route->preference);
	if (route->family == AF_INET6 && route->expires)
		mnl_attr_put_u32(m, RTA_EXPIRES, route->expires);
}

bool route_same_key(const struct route *a, const struct route *b)
{
	struct prefix pa = prefix_network(&a->dst), pb = prefix_network(&b->dst);

	return a->family == b->family && a->table == b->table && !prefix_cmp(&pa, &pb) &&
	       effective_metric(a) == effective_metric(b);
}

bool route_is(const struct route *have, const struct route *want)
{
	uint8_t type = want->type ? want->type : RTN_UNICAST;
	/* IPv6 says that a blackhole is on lo. */
	bool same_device = have->oif == want->oif || (type != RTN_UNICAST && !want->oif);

	return route_same_key(have, want) && same_device && have->type == type &&
	       have->protocol == want->protocol && !ip_cmp(&have->gateway, &want->gateway) &&
	       (have->family == AF_INET6 || have->scope == want->scope) &&
	       !ip_cmp(&have->prefsrc, &want->prefsrc) && have->mtu == want->mtu &&
	       have->flags == (want->flags & RTNH_F_ONLINK) && have->preference == want->preference;
}

static uint32_t effective_metric(const struct route *r)
{
	return r->family == AF_INET6 && !r->metric ? IP6_RT_PRIO_USER : r->metric;
}

/* RTA_VIA carries a gateway of the other family: a 2-byte family, then the address. */
static void parse_gateway(const struct nlattr **tb, int family, struct ip *ret)
{
	struct ip ip = {0};
	uint16_t via;

	if (ip_from_attr(tb[RTA_GATEWAY], family, ret) || !tb[RTA_VIA])
		return;
	via = nl_u16(tb[RTA_VIA]);
	ip.family = via == AF_INET || via == AF_INET6 ? (uint8_t)via : 0;
	if (!ip.family || mnl_attr_get_payload_len(tb[RTA_VIA]) < sizeof(via) + ip_size(&ip))
		return;
	memcpy(ip.b, (const char *)mnl_attr_get_payload(tb[RTA_VIA]) + sizeof(via), ip_size(&ip));
	*ret = ip;
}

static void put_gateway(struct nlmsghdr *m, const struct route *route)
{
	uint8_t via[sizeof(uint16_t) + 16];
	uint16_t family = route->gateway.family;

	if (!family)
		return;
	if (family == route->family) {
		ip_put(m, RTA_GATEWAY, &route->gateway);
		return;
	}
	memcpy(via, &family, sizeof(family));
	memcpy(via + sizeof(family), route->gateway.b, ip_size(&route->gateway));
	mnl_attr_put(m, RTA_VIA, sizeof(family) + ip_size(&route->gateway), via);
}
