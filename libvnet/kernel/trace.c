/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * trace.c - messages of nftables' tracing and of the log, read as values
 *
 * The kernel takes the first VLAN tag off a frame and tells it apart; here it is
 * put back, so that what is read is the frame as it was on the wire.
 */

#include "kernel/trace.h"
#include "kernel/nl.h"
#include "nft/ruleset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#define ETHERNET_SIZE 14
#define ETHERNET_TYPE_AT 12

static uint32_t be32_of(const struct nlattr *attr)
{
	return ntohl(nl_u32(attr));
}

static void put(struct frame_head *frame, const struct nlattr *attr)
{
	if (attr)
		frame_put(frame, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

static enum trace_verdict verdict_of(uint32_t code)
{
	static const struct { int32_t code; enum trace_verdict verdict; } verdicts[] = {
		{ NF_DROP, TRACE_DROP }, { NF_ACCEPT, TRACE_ACCEPT }, { NFT_CONTINUE, TRACE_CONTINUE },
		{ NFT_BREAK, TRACE_CONTINUE }, { NFT_JUMP, TRACE_JUMP }, { NFT_GOTO, TRACE_GOTO },
		{ NFT_RETURN, TRACE_RETURN },
	};

	/* Those of the kernel have an error or a queue's number in their upper bits. */
	if (code <= INT32_MAX)
		code &= NF_VERDICT_MASK;
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		if (verdicts[i].code == (int32_t)code)
			return verdicts[i].verdict;
	return TRACE_TAKEN;
}

/* nft takes letters and digits only; who writes others does not choose what a terminal is sent. */
static void read_name(const struct nlattr *attr, char ret[TRACE_NAME_MAX])
{
	nl_str(attr, ret, TRACE_NAME_MAX);
	for (char *c = ret; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void read_decision(const struct nlattr *const *tb, struct trace_step *step)
{
	const struct nlattr *verdict[NFTA_VERDICT_MAX + 1];

	step->is_policy = be32_of(tb[NFTA_TRACE_TYPE]) == NFT_TRACETYPE_POLICY;
	if (step->is_policy) {
		step->verdict = verdict_of(be32_of(tb[NFTA_TRACE_POLICY]));
		return;
	}
	nl_attrs_nested(tb[NFTA_TRACE_VERDICT], verdict, ARRAY_SIZE(verdict));
	step->verdict = verdict_of(be32_of(verdict[NFTA_VERDICT_CODE]));
	read_name(verdict[NFTA_VERDICT_CHAIN], step->to);
}

int trace_parse(const struct nlmsghdr *m, struct trace_message *ret)
{
	const struct nlattr *tb[NFTA_TRACE_MAX + 1];
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(m);
	struct trace_step *step = &ret->step;

	if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE) ||
	    mnl_nlmsg_get_payload_len(m) < sizeof(*gen))
		return -EINVAL;
	nl_attrs_of(m, sizeof(*gen), tb, ARRAY_SIZE(tb));
	if (!tb[NFTA_TRACE_ID] || !tb[NFTA_TRACE_TYPE] || !tb[NFTA_TRACE_TABLE] || !tb[NFTA_TRACE_CHAIN])
		return -EINVAL;
	*ret = (struct trace_message){
		.id = be32_of(tb[NFTA_TRACE_ID]),
		.mark = be32_of(tb[NFTA_TRACE_MARK]),
		.iif = (int)be32_of(tb[NFTA_TRACE_IIF]),
		.oif = (int)be32_of(tb[NFTA_TRACE_OIF]),
	};
	step->family = gen->nfgen_family;
	step->handle = be64toh(nl_u64(tb[NFTA_TRACE_RULE_HANDLE]));
	read_name(tb[NFTA_TRACE_TABLE], step->table);
	read_name(tb[NFTA_TRACE_CHAIN], step->chain);
	read_decision(tb, step);
	put(&ret->head, tb[NFTA_TRACE_LL_HEADER]);
	/* Something else than Ethernet is no address of a guest's. */
	if (ret->head.size < ETHERNET_SIZE)
		ret->head.size = 0;
	ret->head.link_size = ret->head.size;
	put(&ret->head, tb[NFTA_TRACE_NETWORK_HEADER]);
	put(&ret->head, tb[NFTA_TRACE_TRANSPORT_HEADER]);
	/* The chain's end is told, too, without the frame. */
	ret->is_first = ret->head.size && step->family == NFPROTO_BRIDGE &&
			strcmp(step->table, NFT_TABLE_NAME) == 0 &&
			strcmp(step->chain, NFT_CHAIN_TRACE) == 0;
	return 0;
}

/* What the kernel has taken out of the header. */
static void put_tag(struct frame_head *frame, const struct nlattr *nest)
{
	const struct nlattr *tb[NFULA_VLAN_MAX + 1];
	uint16_t tag[2];

	nl_attrs_nested(nest, tb, ARRAY_SIZE(tb));
	if (!tb[NFULA_VLAN_PROTO] || !tb[NFULA_VLAN_TCI])
		return;
	tag[0] = nl_u16(tb[NFULA_VLAN_PROTO]);
	tag[1] = nl_u16(tb[NFULA_VLAN_TCI]);
	frame_put(frame, tag, sizeof(tag));
}

/*
 * A bridge's rules have the payload begin behind the header, which is told apart.
 * Where a device sends, the payload is the whole frame, and the header is told as well.
 */
static void read_frame(const struct nlattr *const *tb, bool is_whole, struct frame_head *ret)
{
	const struct nlattr *link = tb[NFULA_L2HDR] ? tb[NFULA_L2HDR] : tb[NFULA_HWHEADER];
	const char *bytes;

	ret->link_size = ETHERNET_SIZE;
	if (!is_whole && link && mnl_attr_get_payload_len(link) >= ETHERNET_SIZE) {
		bytes = mnl_attr_get_payload(link);
		frame_put(ret, bytes, ETHERNET_TYPE_AT);
		if (tb[NFULA_VLAN])
			put_tag(ret, tb[NFULA_VLAN]);
		frame_put(ret, bytes + ETHERNET_TYPE_AT,
			  mnl_attr_get_payload_len(link) - ETHERNET_TYPE_AT);
	}
	put(ret, tb[NFULA_PAYLOAD]);
}

int trace_parse_sample(const struct nlmsghdr *m, struct trace_sample *ret)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(m);
	const struct nlattr *tb[NFULA_MAX + 1], *device;
	uint32_t reason;

	if (m->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
	    mnl_nlmsg_get_payload_len(m) < sizeof(*gen))
		return -EINVAL;
	nl_attrs_of(m, sizeof(*gen), tb, ARRAY_SIZE(tb));
	reason = be32_of(tb[NFULA_MARK]);
	device = tb[NFULA_IFINDEX_PHYSINDEV] ? tb[NFULA_IFINDEX_PHYSINDEV] : tb[NFULA_IFINDEX_INDEV];
	/* Taken from what goes to a port; or a macvtap's guest sends, by its device. */
	if (reason == GUARD_REASON_INGRESS_GROUP)
		device = tb[NFULA_IFINDEX_PHYSOUTDEV];
	if (!device)
		device = tb[NFULA_IFINDEX_OUTDEV];
	*ret = (struct trace_sample){ .ifindex = (int)be32_of(device), .reason = reason };
	if (ret->ifindex <= 0)
		return -EINVAL;
	read_frame(tb, gen->nfgen_family == NFPROTO_NETDEV, &ret->head);
	return 0;
}
