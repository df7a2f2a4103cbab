/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * expr.c - expressions in the kernel's terms: load into registers, compare, act
 *
 * tests/backend/test_nft_kernel.c holds the result against nft's own reading of
 * the same text.
 */

#include "nft/batch.h"

#include <linux/if_arp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <arpa/inet.h>
#include <string.h>

#define REG(word) (NFT_REG32_00 + (word))

/* EXPR (b, name) { attributes } */
#define EXPR(b, name)                                                                              \
	for (size_t nests_[2], once_ = (batch_begin_expr(b, nests_, NFTA_LIST_ELEM, name), 1);     \
	     once_; once_ = (batch_end_expr(b, nests_), 0))

struct load { /* how a field gets into a register */
	enum { LOAD_META, LOAD_PAYLOAD, LOAD_ETHERNET, LOAD_CT, LOAD_FIB, LOAD_EXTHDR } from;
	uint8_t key;	      /* or payload base, or fib flags */
	uint8_t offset, size; /* payload */
};

static const struct load loads[NFT_FIELDS] = {
	[NFT_F_IIF] = { LOAD_META, NFT_META_IIF, 0, 0 },
	[NFT_F_OIF] = { LOAD_META, NFT_META_OIF, 0, 0 },
	[NFT_F_IIFGROUP] = { LOAD_META, NFT_META_IIFGROUP, 0, 0 },
	[NFT_F_OIFGROUP] = { LOAD_META, NFT_META_OIFGROUP, 0, 0 },
	[NFT_F_IIFNAME] = { LOAD_META, NFT_META_IIFNAME, 0, 0 },
	[NFT_F_OIFNAME] = { LOAD_META, NFT_META_OIFNAME, 0, 0 },
	[NFT_F_NFPROTO] = { LOAD_META, NFT_META_NFPROTO, 0, 0 },
	[NFT_F_L4PROTO] = { LOAD_META, NFT_META_L4PROTO, 0, 0 },
	[NFT_F_ETHER_DADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_LL_HEADER, 0, 6 },
	[NFT_F_ETHER_SADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_LL_HEADER, 6, 6 },
	[NFT_F_IP_SADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 12, 4 },
	[NFT_F_IP_DADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 16, 4 },
	[NFT_F_IP6_SADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8, 16 },
	[NFT_F_IP6_DADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 24, 16 },
	[NFT_F_SPORT] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2 },
	[NFT_F_DPORT] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2 },
	[NFT_F_ICMP6_TYPE] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1 },
	[NFT_F_CT_STATE] = { LOAD_CT, NFT_CT_STATE, 0, 0 },
	[NFT_F_CT_STATUS] = { LOAD_CT, NFT_CT_STATUS, 0, 0 },
	[NFT_F_CT_DIRECTION] = { LOAD_CT, NFT_CT_DIRECTION, 0, 0 },
	[NFT_F_FIB_SADDR] = { LOAD_FIB, NFTA_FIB_F_SADDR, 0, 0 },
	[NFT_F_FIB_DADDR] = { LOAD_FIB, NFTA_FIB_F_DADDR, 0, 0 },
	[NFT_F_FIB_DADDR_IIF] = { LOAD_FIB, NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF, 0, 0 },
	[NFT_F_FIB_SADDR_IIF_OIF] = { LOAD_FIB, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF |
				      NFTA_FIB_F_PRESENT, 0, 0 },
	[NFT_F_ROUTED_ETHER_DADDR] = { LOAD_ETHERNET, NFT_PAYLOAD_LL_HEADER, 0, 6 },
	[NFT_F_ETHER_TYPE] = { LOAD_PAYLOAD, NFT_PAYLOAD_LL_HEADER, 12, 2 },
	[NFT_F_INNER_TYPE] = { LOAD_PAYLOAD, NFT_PAYLOAD_LL_HEADER, 16, 2 },
	[NFT_F_VNI] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 12, 4 },
	[NFT_F_ICMP_TYPE] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1 },
	[NFT_F_TCP_FLAGS] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1 },
	[NFT_F_IBRNAME] = { LOAD_META, NFT_META_BRI_IIFNAME, 0, 0 },
	[NFT_F_IIFTYPE] = { LOAD_META, NFT_META_IIFTYPE, 0, 0 },
	[NFT_F_PROTOCOL] = { LOAD_META, NFT_META_PROTOCOL, 0, 0 },
	[NFT_F_PKTTYPE] = { LOAD_META, NFT_META_PKTTYPE, 0, 0 },
	[NFT_F_MARK] = { LOAD_META, NFT_META_MARK, 0, 0 },
	[NFT_F_ARP_HEADER] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 0, 8 },
	[NFT_F_RARP_HEADER] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 0, 8 },
	[NFT_F_ARP_SADDR_ETHER] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8, 6 },
	[NFT_F_ARP_SADDR_IP] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 14, 4 },
	[NFT_F_ARP_DADDR_IP] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 24, 4 },
	[NFT_F_RARP_SADDR_ETHER] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8, 6 },
	[NFT_F_RARP_DADDR_ETHER] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 18, 6 },
	[NFT_F_IP_FRAGMENT] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 6, 2 },
	[NFT_F_IP6_FRAGMENT] = { LOAD_EXTHDR, IPPROTO_FRAGMENT, 2, 2 },
	[NFT_F_IP6_FRAGMENTED] = { LOAD_EXTHDR, IPPROTO_FRAGMENT, 0, 1 },
	[NFT_F_IP6_LENGTH] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 4, 2 },
	[NFT_F_IP6_NEXTHDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 6, 1 },
	[NFT_F_IP6_HOPLIMIT] = { LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 7, 1 },
	[NFT_F_DHCP_HEADER] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 3 },
	[NFT_F_DHCP_CHADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 36, 6 },
	[NFT_F_ND_TARGET] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16 },
	[NFT_F_RS_OPTION] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 2 },
	[NFT_F_RS_LLADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 10, 6 },
	[NFT_F_ND_OPTION] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 24, 2 },
	[NFT_F_ND_LLADDR] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 26, 6 },
	[NFT_F_ND_OPTION2] = { LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 32, 2 },
};

static void put_cmp(struct batch *b, enum nft_cmp_ops op, const void *value, size_t size)
{
	EXPR (b, "cmp") {
		batch_be32(b, NFTA_CMP_SREG, REG(0));
		batch_be32(b, NFTA_CMP_OP, op);
		batch_value(b, NFTA_CMP_DATA, value, size);
	}
}

/* These tables see devices without Ethernet header, too. */
static void put_is_ethernet(struct batch *b)
{
	uint16_t ethernet = ARPHRD_ETHER;

	EXPR (b, "meta") {
		batch_be32(b, NFTA_META_DREG, REG(0));
		batch_be32(b, NFTA_META_KEY, NFT_META_IIFTYPE);
	}
	put_cmp(b, NFT_CMP_EQ, &ethernet, sizeof(ethernet));
}

/* size 0: the whole field. */
static void put_load(struct batch *b, enum nft_field field, uint32_t reg, size_t size)
{
	const struct load *load = &loads[field];

	switch (load->from) {
	case LOAD_META:
		EXPR (b, "meta") {
			batch_be32(b, NFTA_META_DREG, reg);
			batch_be32(b, NFTA_META_KEY, load->key);
		}
		break;
	case LOAD_ETHERNET:
		put_is_ethernet(b);
		__attribute__((fallthrough));
	case LOAD_PAYLOAD:
		EXPR (b, "payload") {
			batch_be32(b, NFTA_PAYLOAD_DREG, reg);
			batch_be32(b, NFTA_PAYLOAD_BASE, load->key);
			batch_be32(b, NFTA_PAYLOAD_OFFSET, load->offset);
			batch_be32(b, NFTA_PAYLOAD_LEN, size ? (uint32_t)size : load->size);
		}
		break;
	case LOAD_CT:
		EXPR (b, "ct") {
			batch_be32(b, NFTA_CT_DREG, reg);
			batch_be32(b, NFTA_CT_KEY, load->key);
		}
		break;
	case LOAD_EXTHDR:
		EXPR (b, "exthdr") {
			batch_be32(b, NFTA_EXTHDR_DREG, reg);
			batch_u8(b, NFTA_EXTHDR_TYPE, load->key);
			batch_be32(b, NFTA_EXTHDR_OFFSET, load->offset);
			batch_be32(b, NFTA_EXTHDR_LEN, load->size);
			batch_be32(b, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
		}
		break;
	case LOAD_FIB:
		EXPR (b, "fib") {
			batch_be32(b, NFTA_FIB_DREG, reg);
			batch_be32(b, NFTA_FIB_RESULT, load->key & NFTA_FIB_F_PRESENT ?
							       NFT_FIB_RESULT_OIF :
							       NFT_FIB_RESULT_ADDRTYPE);
			batch_be32(b, NFTA_FIB_FLAGS, load->key);
		}
		break;
	}
}

static void put_hton(struct batch *b, uint32_t reg)
{
	EXPR (b, "byteorder") {
		batch_be32(b, NFTA_BYTEORDER_SREG, reg);
		batch_be32(b, NFTA_BYTEORDER_DREG, reg);
		batch_be32(b, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
		batch_be32(b, NFTA_BYTEORDER_LEN, 4);
		batch_be32(b, NFTA_BYTEORDER_SIZE, 4);
	}
}

/* Several fields make one key, each padded to whole registers. */
static void put_loads(struct batch *b, const struct nft_expr *e)
{
	bool is_ordered = nft_expr_uses_set(e) && nft_sets[e->set].kind == NFT_INTERVALS;
	uint32_t word = 0;

	for (unsigned i = 0; i < e->n_fields; i++) {
		put_load(b, e->fields[i], REG(word), 0);
		if (is_ordered && nft_fields[e->fields[i]].type == NFT_T_IFINDEX)
			put_hton(b, REG(word));
		word += NFT_PAD(nft_types[nft_fields[e->fields[i]].type].kernel_size) / 4;
	}
}

static void put_bitwise(struct batch *b, const void *mask, size_t size)
{
	static const uint8_t zero[16];

	EXPR (b, "bitwise") {
		batch_be32(b, NFTA_BITWISE_SREG, REG(0));
		batch_be32(b, NFTA_BITWISE_DREG, REG(0));
		batch_be32(b, NFTA_BITWISE_LEN, (uint32_t)size);
		batch_value(b, NFTA_BITWISE_MASK, mask, size);
		batch_value(b, NFTA_BITWISE_XOR, zero, size);
	}
}

static void put_match(struct batch *b, const struct nft_expr *e)
{
	enum nft_cmp_ops op = e->kind == NFT_E_LESS ? NFT_CMP_LT :
			      e->negate		    ? NFT_CMP_NEQ :
						      NFT_CMP_EQ;
	enum nft_type type = nft_fields[e->fields[0]].type;
	size_t size = nft_types[type].kernel_size;
	uint32_t fib = e->match.value[0];

	/* A prefix of whole bytes is a shorter load: no mask, and one fast compare. */
	if (e->match.is_masked && (type == NFT_T_IP4 || type == NFT_T_IP6) &&
	    e->match.prefix_len % 8 == 0)
		size = e->match.prefix_len / 8;
	put_load(b, e->fields[0], REG(0), loads[e->fields[0]].from == LOAD_PAYLOAD ? size : 0);
	if (e->match.is_masked && size == nft_types[type].kernel_size)
		put_bitwise(b, e->match.mask, size);
	put_cmp(b, op, loads[e->fields[0]].from == LOAD_FIB ? (const void *)&fib : e->match.value, size);
}

static void put_flags(struct batch *b, const struct nft_expr *e)
{
	uint32_t zero = 0;

	put_load(b, e->fields[0], REG(0), 0);
	put_bitwise(b, &e->flags, sizeof(e->flags));
	put_cmp(b, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void put_lookup(struct batch *b, const struct nft_expr *e, int dreg)
{
	char name[NFT_SET_NAME_MAX];

	put_loads(b, e);
	EXPR (b, "lookup") {
		batch_string(b, NFTA_LOOKUP_SET, nft_set_name(e->set, e->instance, name));
		batch_be32(b, NFTA_LOOKUP_SREG, REG(0));
		if (dreg >= 0)
			batch_be32(b, NFTA_LOOKUP_DREG, (uint32_t)dreg);
		if (e->negate)
			batch_be32(b, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	}
}

static void put_dnat(struct batch *b, const struct nft_expr *e)
{
	bool is_v4 = nft_sets[e->set].data[0] == NFT_T_IP4;

	put_lookup(b, e, REG(0));
	EXPR (b, "nat") {
		batch_be32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
		batch_be32(b, NFTA_NAT_FAMILY, is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
		batch_be32(b, NFTA_NAT_REG_ADDR_MIN, REG(0));
		batch_be32(b, NFTA_NAT_REG_PROTO_MIN, REG(is_v4 ? 1 : 4));
	}
}

static void put_immediate(struct batch *b, uint32_t reg, const void *value, size_t size)
{
	EXPR (b, "immediate") {
		batch_be32(b, NFTA_IMMEDIATE_DREG, reg);
		batch_value(b, NFTA_IMMEDIATE_DATA, value, size);
	}
}

static void put_immediate_port(struct batch *b, uint32_t reg, uint16_t port)
{
	port = htons(port);
	put_immediate(b, reg, &port, sizeof(port));
}

static void put_masquerade(struct batch *b, const struct nft_expr *e)
{
	const struct port_range *ports = &e->nat.ports;

	if (ports->first) {
		put_immediate_port(b, REG(0), ports->first);
		put_immediate_port(b, REG(1), ports->last);
	}
	EXPR (b, "masq") {
		if (ports->first) {
			batch_be32(b, NFTA_MASQ_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
			batch_be32(b, NFTA_MASQ_REG_PROTO_MIN, REG(0));
			batch_be32(b, NFTA_MASQ_REG_PROTO_MAX, REG(1));
		}
	}
}

static void put_snat(struct batch *b, const struct nft_expr *e)
{
	const struct ip_range *to = &e->nat.to;
	const struct port_range *ports = &e->nat.ports;
	bool is_v4 = to->first.family == AF_INET, is_range = ip_cmp(&to->first, &to->last) != 0;
	uint32_t words = is_v4 ? 1 : 4;
	uint32_t flags = (is_range ? NF_NAT_RANGE_PERSISTENT : 0) |
			 (ports->first ? NF_NAT_RANGE_PROTO_SPECIFIED : 0);

	put_immediate(b, REG(0), to->first.b, ip_size(&to->first));
	if (is_range)
		put_immediate(b, REG(words), to->last.b, ip_size(&to->last));
	if (ports->first) {
		put_immediate_port(b, REG(2 * words), ports->first);
		put_immediate_port(b, REG(2 * words + 1), ports->last);
	}
	EXPR (b, "nat") {
		batch_be32(b, NFTA_NAT_TYPE, NFT_NAT_SNAT);
		batch_be32(b, NFTA_NAT_FAMILY, is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
		batch_be32(b, NFTA_NAT_REG_ADDR_MIN, REG(0));
		if (is_range)
			batch_be32(b, NFTA_NAT_REG_ADDR_MAX, REG(words));
		if (ports->first) {
			batch_be32(b, NFTA_NAT_REG_PROTO_MIN, REG(2 * words));
			batch_be32(b, NFTA_NAT_REG_PROTO_MAX, REG(2 * words + 1));
		}
		if (flags)
			batch_be32(b, NFTA_NAT_FLAGS, flags);
	}
}

void nft_put_limit(struct batch *b, uint32_t rate, uint32_t burst)
{
	batch_be64(b, NFTA_LIMIT_RATE, rate);
	batch_be64(b, NFTA_LIMIT_UNIT, 1);
	batch_be32(b, NFTA_LIMIT_BURST, burst);
	batch_be32(b, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
}

static void put_set_mark(struct batch *b, uint32_t mark)
{
	put_immediate(b, REG(0), &mark, sizeof(mark));
	EXPR (b, "meta") {
		batch_be32(b, NFTA_META_KEY, NFT_META_MARK);
		batch_be32(b, NFTA_META_SREG, REG(0));
	}
}

static void put_trace(struct batch *b)
{
	uint8_t on = 1;

	put_immediate(b, REG(0), &on, sizeof(on));
	EXPR (b, "meta") {
		batch_be32(b, NFTA_META_KEY, NFT_META_NFTRACE);
		batch_be32(b, NFTA_META_SREG, REG(0));
	}
}

/* The counter is the set's: each element that is added gets one. */
static void put_count(struct batch *b, const struct nft_expr *e)
{
	put_loads(b, e);
	EXPR (b, "dynset") {
		batch_string(b, NFTA_DYNSET_SET_NAME, nft_sets[e->set].name);
		batch_be32(b, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
		batch_be32(b, NFTA_DYNSET_SREG_KEY, REG(0));
	}
}

static void put_range(struct batch *b, const struct nft_expr *e)
{
	const uint16_t first = htons(e->nat.ports.first), last = htons(e->nat.ports.last);

	put_load(b, e->fields[0], REG(0), 0);
	put_cmp(b, NFT_CMP_GTE, &first, sizeof(first));
	put_cmp(b, NFT_CMP_LTE, &last, sizeof(last));
}

static void put_ct_set(struct batch *b, uint32_t key, const void *value, size_t size)
{
	put_immediate(b, REG(0), value, size);
	EXPR (b, "ct") {
		batch_be32(b, NFTA_CT_KEY, key);
		batch_be32(b, NFTA_CT_SREG, REG(0));
	}
}

static const uint8_t *cut_label(uint8_t buf[16])
{
	memset(buf, 0, 16);
	buf[NFT_CUT_LABEL / 8] = 1u << NFT_CUT_LABEL % 8;
	return buf;
}

static void put_label(struct batch *b)
{
	static const uint8_t zero[16];
	uint8_t label[16];

	EXPR (b, "ct") {
		batch_be32(b, NFTA_CT_DREG, REG(0));
		batch_be32(b, NFTA_CT_KEY, NFT_CT_LABELS);
	}
	put_bitwise(b, cut_label(label), sizeof(label));
	put_cmp(b, NFT_CMP_NEQ, zero, sizeof(zero));
}

void nft_encode_expr(struct batch *b, const struct nft_expr *e)
{
	uint8_t label[16];


	switch (e->kind) {
	case NFT_E_MATCH:
	case NFT_E_LESS:
		put_match(b, e);
		break;
	case NFT_E_FLAGS:
		put_flags(b, e);
		break;
	case NFT_E_LOOKUP:
		put_lookup(b, e, -1);
		break;
	case NFT_E_VMAP:
		put_lookup(b, e, NFT_REG_VERDICT);
		break;
	case NFT_E_DNAT:
		put_dnat(b, e);
		break;
	case NFT_E_VERDICT:
		EXPR (b, "immediate") {
			batch_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
			batch_verdict(b, NFTA_IMMEDIATE_DATA, e->verdict.code, e->verdict.chain);
		}
		break;
	case NFT_E_COUNTER:
		EXPR (b, "counter")
			;
		break;
	case NFT_E_LOG:
		EXPR (b, "log") {
			batch_be16(b, NFTA_LOG_GROUP, e->log.group);
			batch_be32(b, NFTA_LOG_SNAPLEN, e->log.snaplen);
			if (e->log.prefix[0])
				batch_string(b, NFTA_LOG_PREFIX, e->log.prefix);
		}
		break;
	case NFT_E_LIMIT:
		EXPR (b, "limit")
			nft_put_limit(b, e->limit.rate, e->limit.burst);
		break;
	case NFT_E_REJECT:
		EXPR (b, "reject") {
			batch_be32(b, NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
			batch_u8(b, NFTA_REJECT_ICMP_CODE, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
		}
		break;
	case NFT_E_MASQUERADE:
		put_masquerade(b, e);
		break;
	case NFT_E_SNAT:
		put_snat(b, e);
		break;
	case NFT_E_RANGE:
		put_range(b, e);
		break;
	case NFT_E_LABEL:
		put_label(b);
		break;
	case NFT_E_SET_LABEL:
		put_ct_set(b, NFT_CT_LABELS, cut_label(label), sizeof(label));
		break;
	case NFT_E_SET_ZONE:
		put_ct_set(b, NFT_CT_ZONE, &(uint16_t){ (uint16_t)e->mark }, 2);
		break;
	case NFT_E_SET_MARK:
		put_set_mark(b, e->mark);
		break;
	case NFT_E_TRACE:
		put_trace(b);
		break;
	case NFT_E_COUNT:
		put_count(b, e);
		break;
	}
}
