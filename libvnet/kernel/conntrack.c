/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conntrack.c - the kernel's table of connections (ctnetlink)
 *
 * A connection is named by the tuple that opened it, which is sent back as it
 * came: whatever the protocol has in it, the kernel finds its own.
 */

#include "kernel/conntrack.h"
#include "kernel/addr.h"
#include "kernel/backend.h"
#include "nft/ruleset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#define LABELS_SIZE 16

static uint16_t get_be16(const struct nlattr *attr)
{
	return ntohs(nl_u16(attr));
}

static bool parse_ips(const struct nlattr *nest, struct ip *ret_src, struct ip *ret_dst)
{
	const struct nlattr *tb[CTA_IP_MAX + 1];

	nl_attrs_nested(nest, tb, ARRAY_SIZE(tb));
	return (ip_from_attr(tb[CTA_IP_V4_SRC], AF_INET, ret_src) &&
		ip_from_attr(tb[CTA_IP_V4_DST], AF_INET, ret_dst)) ||
	       (ip_from_attr(tb[CTA_IP_V6_SRC], AF_INET6, ret_src) &&
		ip_from_attr(tb[CTA_IP_V6_DST], AF_INET6, ret_dst));
}

static void parse_original(const struct nlattr *nest, struct kernel_flow *flow)
{
	const struct nlattr *tb[CTA_PROTO_MAX + 1];

	nl_attrs_nested(nest, tb, ARRAY_SIZE(tb));
	flow->protocol = nl_u8(tb[CTA_PROTO_NUM]);
	flow->sport = get_be16(tb[CTA_PROTO_SRC_PORT]);
	flow->dport = get_be16(tb[CTA_PROTO_DST_PORT]);
	flow->type = nl_u8(tb[tb[CTA_PROTO_ICMP_TYPE] ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE]);
}

static bool has_label(const struct nlattr *attr)
{
	const uint8_t *labels = attr ? mnl_attr_get_payload(attr) : NULL;

	return labels && mnl_attr_get_payload_len(attr) >= LABELS_SIZE &&
	       labels[NFT_CUT_LABEL / 8] & 1u << NFT_CUT_LABEL % 8;
}

int conntrack_parse(const struct nlmsghdr *m, struct kernel_flow *ret)
{
	const struct nlattr *tb[CTA_MAX + 1], *original[CTA_TUPLE_MAX + 1], *reply[CTA_TUPLE_MAX + 1],
		*reply_proto[CTA_PROTO_MAX + 1];
	struct kernel_flow flow = { 0 };

	nl_attrs_of(m, sizeof(struct nfgenmsg), tb, ARRAY_SIZE(tb));
	nl_attrs_nested(tb[CTA_TUPLE_ORIG], original, ARRAY_SIZE(original));
	nl_attrs_nested(tb[CTA_TUPLE_REPLY], reply, ARRAY_SIZE(reply));
	if (!tb[CTA_TUPLE_ORIG] || mnl_attr_get_payload_len(tb[CTA_TUPLE_ORIG]) > sizeof(flow.tuple) ||
	    !parse_ips(original[CTA_TUPLE_IP], &flow.src, &flow.dst) ||
	    !parse_ips(reply[CTA_TUPLE_IP], &flow.reply_src, &flow.reply_dst))
		return -EINVAL;
	flow.tuple_size = (uint8_t)mnl_attr_get_payload_len(tb[CTA_TUPLE_ORIG]);
	memcpy(flow.tuple, mnl_attr_get_payload(tb[CTA_TUPLE_ORIG]), flow.tuple_size);
	parse_original(original[CTA_TUPLE_PROTO], &flow);
	nl_attrs_nested(reply[CTA_TUPLE_PROTO], reply_proto, ARRAY_SIZE(reply_proto));
	flow.reply_sport = get_be16(reply_proto[CTA_PROTO_SRC_PORT]);
	flow.zone = get_be16(tb[CTA_ZONE]);
	flow.is_expected = tb[CTA_TUPLE_MASTER];
	flow.is_cut = has_label(tb[CTA_LABELS]);
	*ret = flow;
	return 0;
}

/* --- requests --- */

static struct nlmsghdr *request(struct nl *nl, uint8_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *m = nl_add(nl, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), flags);
	struct nfgenmsg *gen = nl_header(m, sizeof(*gen));

	gen->nfgen_family = family;
	gen->version = NFNETLINK_V0;
	return m;
}

struct listing { const ip_vec *addresses; flow_vec flows; };

static int compare_ips(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool is_listed(const ip_vec *addresses, const struct ip *ip)
{
	bool found;

	vec_search(addresses, ip, compare_ips, &found);
	return found;
}

static void each_flow(const struct nlmsghdr *m, void *context)
{
	struct listing *listing = context;
	struct kernel_flow flow;

	if (conntrack_parse(m, &flow) == 0 && (is_listed(listing->addresses, &flow.src) ||
					       is_listed(listing->addresses, &flow.reply_src)))
		vec_push(&listing->flows, flow);
}

static void restart(void *context)
{
	((struct listing *)context)->flows.n = 0;
}

int conntrack_list(struct nl *nl, ip_vec *addresses, flow_vec *ret, struct vnet_error *err)
{
	struct listing listing = { .addresses = addresses };
	int r;

	vec_sort(addresses, compare_ips);
	request(nl, IPCTNL_MSG_CT_GET, 0, AF_UNSPEC);
	r = nl_dump(nl, &(struct nl_dump){ each_flow, restart, &listing });
	if (r < 0)
		r = kernel_error(err, r, nl_text(nl, 0), "cannot list connections");
	vec_each(flow, &listing.flows)
		if (r >= 0)
			vec_push(ret, *flow);
	vec_free(&listing.flows);
	return r;
}

/* An entry from before any rule set labels has no room for one: it goes, and its packets find no other. */
int conntrack_change(struct nl *nl, const struct kernel_flow *flow, enum flow_change change,
		     struct vnet_error *err)
{
	uint8_t labels[LABELS_SIZE] = { 0 }, mask[LABELS_SIZE] = { 0 };
	bool is_deletion = change == FLOW_FORGET;
	struct nlmsghdr *m = request(nl, is_deletion ? IPCTNL_MSG_CT_DELETE : IPCTNL_MSG_CT_NEW,
				     NLM_F_ACK, flow->src.family);
	int r;

	mnl_attr_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, flow->tuple_size, flow->tuple);
	mnl_attr_put_u16(m, CTA_ZONE, htons(flow->zone));
	if (!is_deletion) {
		mask[NFT_CUT_LABEL / 8] = 1u << NFT_CUT_LABEL % 8;
		if (change == FLOW_CUT)
			memcpy(labels, mask, sizeof(labels));
		mnl_attr_put(m, CTA_LABELS, sizeof(labels), labels);
		mnl_attr_put(m, CTA_LABELS_MASK, sizeof(mask), mask);
	}
	r = nl_send_all(nl, NULL);
	if (r == -ENOSPC && change == FLOW_CUT)
		return conntrack_change(nl, flow, FLOW_FORGET, err);
	/* It has ended by itself. */
	if (r == -ENOENT)
		return 0;
	return r < 0 ? kernel_error(err, r, nl_text(nl, 0), "cannot change a connection") : 0;
}
