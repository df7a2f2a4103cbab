/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* filter_xt.c - extensions of xtables, which iptables brings into nftables' rules and its own */

#include "kernel/filters.h"

#include <endian.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/rtnetlink.h>

static void put_be32(uint32_t value, uint8_t *ret)
{
	value = htobe32(value);
	memcpy(ret, &value, sizeof(value));
}

static void put_states(struct filter_rule *rule, uint32_t bits, bool is_negated)
{
	struct rule_match *match = filter_match_add(rule, FIELD_CT_STATE);
	uint32_t states = bits & (CT_INVALID | CT_ESTABLISHED | CT_RELATED | CT_NEW);

	if (bits & XT_CONNTRACK_STATE_UNTRACKED)
		states |= CT_UNTRACKED;
	match->is_bits = true;
	match->is_negated = is_negated;
	memset(match->mask, 0, sizeof(match->mask));
	put_be32(states, match->mask);
}

static bool read_conntrack(struct filter_rule *rule, const void *info, size_t size)
{
	struct xt_conntrack_mtinfo3 m;

	if (size < sizeof(m))
		return false;
	memcpy(&m, info, sizeof(m));
	if ((m.match_flags & ~XT_CONNTRACK_STATE_ALIAS) != XT_CONNTRACK_STATE ||
	    (m.state_mask & (XT_CONNTRACK_STATE_SNAT | XT_CONNTRACK_STATE_DNAT)))
		return false;
	put_states(rule, m.state_mask, m.invert_flags & XT_CONNTRACK_STATE);
	return true;
}

static bool read_state(struct filter_rule *rule, const void *info, size_t size)
{
	struct xt_state_info s;

	if (size < sizeof(s))
		return false;
	memcpy(&s, info, sizeof(s));
	put_states(rule, s.statemask, false);
	return true;
}

static bool read_addrtype(struct filter_rule *rule, const void *info, size_t size)
{
	struct xt_addrtype_info_v1 a;
	struct rule_match *match;

	if (size < sizeof(a))
		return false;
	memcpy(&a, info, sizeof(a));
	if (a.source || !a.dest || (a.flags & (XT_ADDRTYPE_INVERT_SOURCE | XT_ADDRTYPE_LIMIT_IFACE_IN |
					       XT_ADDRTYPE_LIMIT_IFACE_OUT)))
		return false;
	match = filter_match_add(rule, FIELD_DADDR_TYPE);
	match->is_negated = a.flags & XT_ADDRTYPE_INVERT_DEST;
	for (uint32_t type = 0; type < __RTN_MAX; type++) {
		uint8_t value[4];

		put_be32(type, value);
		if (a.dest & 1u << type)
			filter_match_value(match, value, sizeof(value));
	}
	return true;
}

static bool read_mark(struct filter_rule *rule, const void *info, size_t size)
{
	struct xt_mark_mtinfo1 m;
	struct rule_match *match;
	uint8_t value[4];

	if (size < sizeof(m))
		return false;
	memcpy(&m, info, sizeof(m));
	match = filter_match_add(rule, FIELD_MARK);
	match->is_negated = m.invert;
	put_be32(m.mask, match->mask);
	put_be32(m.mark, value);
	filter_match_value(match, value, sizeof(value));
	return true;
}

static void put_ports(struct rule_match *match, uint16_t first, uint16_t last)
{
	struct value_range *range = vec_add(&match->ranges);
	uint16_t be;

	be = htobe16(first);
	memcpy(range->first, &be, sizeof(be));
	be = htobe16(last);
	memcpy(range->last, &be, sizeof(be));
}

static void put_port_range(struct filter_rule *rule, enum packet_field field, const uint16_t range[2],
			   bool is_negated)
{
	struct rule_match *match;

	if (!is_negated && range[0] == 0 && range[1] == 0xffff)
		return;
	match = filter_match_add(rule, field);
	match->is_negated = is_negated;
	put_ports(match, range[0], range[1]);
}

static bool read_tcp(struct filter_rule *rule, const void *info, size_t size)
{
	struct xt_tcp t;

	if (size < sizeof(t))
		return false;
	memcpy(&t, info, sizeof(t));
	put_port_range(rule, FIELD_SPORT, t.spts, t.invflags & XT_TCP_INV_SRCPT);
	put_port_range(rule, FIELD_DPORT, t.dpts, t.invflags & XT_TCP_INV_DSTPT);
	return !t.option && !t.flg_mask;
}

static bool read_udp(struct filter_rule *rule, const void *info, size_t size)
{
	struct xt_udp u;

	if (size < sizeof(u))
		return false;
	memcpy(&u, info, sizeof(u));
	put_port_range(rule, FIELD_SPORT, u.spts, u.invflags & XT_UDP_INV_SRCPT);
	put_port_range(rule, FIELD_DPORT, u.dpts, u.invflags & XT_UDP_INV_DSTPT);
	return true;
}

static bool read_multiport(struct filter_rule *rule, const void *info, size_t size)
{
	struct xt_multiport_v1 m;
	struct rule_match *match;

	if (size < sizeof(m))
		return false;
	memcpy(&m, info, sizeof(m));
	if (m.flags == XT_MULTIPORT_EITHER || m.count > XT_MULTI_PORTS)
		return false;
	match = filter_match_add(rule, m.flags == XT_MULTIPORT_SOURCE ? FIELD_SPORT : FIELD_DPORT);
	match->is_negated = m.invert;
	for (unsigned i = 0; i < m.count; i++) {
		bool is_range = m.pflags[i] && i + 1u < m.count;

		put_ports(match, m.ports[i], m.ports[is_range ? i + 1 : i]);
		i += is_range;
	}
	return true;
}

/* ip6t_icmp is the same. */
static bool read_icmp(struct filter_rule *rule, const void *info, size_t size)
{
	struct ipt_icmp icmp;
	struct rule_match *match;

	if (size < sizeof(icmp))
		return false;
	memcpy(&icmp, info, sizeof(icmp));
	if (icmp.type == 0xff) /* any */
		return !icmp.invflags;
	if (icmp.code[0] != 0 || icmp.code[1] != 0xff)
		return false;
	match = filter_match_add(rule, FIELD_ICMP_TYPE);
	match->is_negated = icmp.invflags & IPT_ICMP_INV;
	filter_match_value(match, &icmp.type, sizeof(icmp.type));
	return true;
}

/* Whatever is asked of the header, negated or not: without one it does not match. */
static bool read_extension(struct filter_rule *rule, const void *info, size_t size)
{
	(void)info;
	(void)size;
	filter_match_add(rule, FIELD_EXTENSION);
	return true;
}

static bool read_comment(struct filter_rule *rule, const void *info, size_t size)
{
	if (!rule->comment && info)
		rule->comment = mem_strndup(info, strnlen(info, size));
	return true;
}

void filter_xt_match(struct filter_rule *rule, const char *name, unsigned revision, const void *info,
		     size_t size)
{
	static const struct {
		const char *name;
		unsigned revision;
		bool (*read)(struct filter_rule *, const void *, size_t);
	} matches[] = {
		{ "conntrack", 3, read_conntrack }, { "state", 0, read_state }, { "addrtype", 1, read_addrtype },
		{ "mark", 1, read_mark }, { "tcp", 0, read_tcp }, { "udp", 0, read_udp },
		{ "multiport", 1, read_multiport }, { "comment", 0, read_comment },
		{ "rt", 0, read_extension }, { "frag", 0, read_extension }, { "hbh", 0, read_extension },
		{ "dst", 0, read_extension }, { "icmp", 0, read_icmp }, { "icmp6", 0, read_icmp },
	};

	for (size_t i = 0; i < ARRAY_SIZE(matches); i++)
		if (strcmp(matches[i].name, name) == 0 && matches[i].revision == revision &&
		    matches[i].read(rule, info, size))
			return;
	filter_match_add(rule, FIELD_OTHER);
}

enum rule_verdict filter_xt_target(const char *name)
{
	static const char *const go_on[] = {
		"LOG", "NFLOG", "MARK", "CONNMARK", "CONNSECMARK", "SECMARK", "CT", "NOTRACK", "TCPMSS",
		"CHECKSUM", "CLASSIFY", "DSCP", "TOS", "TTL", "HL", "TRACE", "SET", "AUDIT", "RATEEST", "TEE",
	};
	static const char *const nat[] = { "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP" };

	if (strcmp(name, "REJECT") == 0 || strcmp(name, "DROP") == 0)
		return name[0] == 'R' ? RULE_REJECT : RULE_DROP;
	for (size_t i = 0; i < ARRAY_SIZE(go_on); i++)
		if (strcmp(go_on[i], name) == 0)
			return RULE_CONTINUE;
	for (size_t i = 0; i < ARRAY_SIZE(nat); i++)
		if (strcmp(nat[i], name) == 0)
			return RULE_ACCEPT;
	return RULE_OTHER;
}
