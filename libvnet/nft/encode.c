/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * encode.c - transactions as netlink batches
 *
 * The attributes are written straight into one growing buffer: a port's
 * transaction is three short messages and costs no allocation per object.
 * tests/backend/test_nft_kernel.c holds the result against nft's own encoding
 * of the same text.
 *
 * The kernel runs a batch while it is being sent; what it has to say waits in
 * the socket when sendmsg() returns.  Only the last message asks for an
 * acknowledgement, so a batch of any size has one answer, or its errors.
 */

#include "nft/edge.h"

#include "base/strbuf.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* A nested attribute holds at most 64 KiB; an element takes 120 bytes at most. */
#define ELEMS_PER_MESSAGE 500
#define SOCKET_TIMEOUT_S 5
#define REG(word) (NFT_REG32_00 + (word))

struct batch {
	uint8_t *buf;
	size_t len, cap;
	size_t message;         /* offset of the open one */
	uint32_t seq;           /* of BATCH_BEGIN; the nth message has seq + 1 + n */
	VEC(uint32_t) op_of_message;
	const struct nft_devices *devices;
	bool add_before_del;
	size_t unknown_device;  /* the op that names it */
};

static void batch_free(struct batch *b)
{
	free(b->buf);
	vec_free(&b->op_of_message);
}

static void *put(struct batch *b, const void *data, size_t size)
{
	size_t padded = NFT_PAD(size);
	uint8_t *at;

	if (b->len + padded > b->cap) {
		b->cap = b->cap ? b->cap * 2 : 4096;
		while (b->cap < b->len + padded)
			b->cap *= 2;
		b->buf = mem_resize(b->buf, b->cap, 1);
	}
	at = b->buf + b->len;
	if (data)
		memcpy(at, data, size);
	else
		memset(at, 0, size);
	memset(at + size, 0, padded - size);
	b->len += padded;
	return at;
}

static void put_attr(struct batch *b, uint16_t type, const void *data, size_t size)
{
	struct nlattr attr = { .nla_len = (uint16_t)(sizeof(attr) + size), .nla_type = type };

	put(b, &attr, sizeof(attr));
	put(b, data, size);
}

static void put_string(struct batch *b, uint16_t type, const char *s)
{
	put_attr(b, type, s, strlen(s) + 1);
}

static void put_u8(struct batch *b, uint16_t type, uint8_t value)
{
	put_attr(b, type, &value, sizeof(value));
}

static void put_be16(struct batch *b, uint16_t type, uint16_t value)
{
	value = htons(value);
	put_attr(b, type, &value, sizeof(value));
}

static void put_be32(struct batch *b, uint16_t type, uint32_t value)
{
	value = htonl(value);
	put_attr(b, type, &value, sizeof(value));
}

static void put_be64(struct batch *b, uint16_t type, uint64_t value)
{
	value = htobe64(value);
	put_attr(b, type, &value, sizeof(value));
}

static size_t begin_nest(struct batch *b, uint16_t type)
{
	size_t at = b->len;

	put_attr(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

static void end_nest(struct batch *b, size_t at)
{
	((struct nlattr *)(void *)(b->buf + at))->nla_len = (uint16_t)(b->len - at);
}

static void begin_message(struct batch *b, uint16_t type, uint8_t family, uint16_t flags,
			  uint16_t res_id)
{
	struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags };
	struct nfgenmsg gen = { .nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(res_id) };

	b->message = b->len;
	put(b, &head, sizeof(head));
	put(b, &gen, sizeof(gen));
}

static void end_message(struct batch *b, uint32_t seq)
{
	struct nlmsghdr *head = (void *)(b->buf + b->message);

	head->nlmsg_len = (uint32_t)(b->len - b->message);
	head->nlmsg_seq = seq;
}

static void begin_op(struct batch *b, uint16_t type, enum nft_family family, uint16_t flags, size_t op)
{
	vec_push(&b->op_of_message, (uint32_t)op);
	begin_message(b, NFNL_SUBSYS_NFTABLES << 8 | type,
		      family == NFT_BRIDGE ? NFPROTO_BRIDGE : NFPROTO_INET, flags, 0);
}

static void end_op(struct batch *b)
{
	end_message(b, b->seq + (uint32_t)b->op_of_message.n);
}

/* Expressions. */

static void begin_expr(struct batch *b, size_t ret_nests[2], uint16_t type, const char *name)
{
	ret_nests[0] = begin_nest(b, type);
	put_string(b, NFTA_EXPR_NAME, name);
	ret_nests[1] = begin_nest(b, NFTA_EXPR_DATA);
}

static void end_expr(struct batch *b, const size_t nests[2])
{
	end_nest(b, nests[1]);
	end_nest(b, nests[0]);
}

/* EXPR (b, name) { attributes } */
#define EXPR(b, name) \
	for (size_t nests_[2], once_ = (begin_expr(b, nests_, NFTA_LIST_ELEM, name), 1); once_; \
	     once_ = (end_expr(b, nests_), 0))

static void put_value(struct batch *b, uint16_t type, const void *value, size_t size)
{
	size_t nest = begin_nest(b, type);

	put_attr(b, NFTA_DATA_VALUE, value, size);
	end_nest(b, nest);
}

static void put_verdict(struct batch *b, uint16_t type, enum nft_verdict code, const char *chain)
{
	static const int codes[] = {
		[NFT_V_ACCEPT] = NF_ACCEPT, [NFT_V_DROP] = NF_DROP, [NFT_V_RETURN] = NFT_RETURN,
		[NFT_V_JUMP] = NFT_JUMP, [NFT_V_GOTO] = NFT_GOTO,
	};
	size_t data = begin_nest(b, type), nest = begin_nest(b, NFTA_DATA_VERDICT);

	put_be32(b, NFTA_VERDICT_CODE, (uint32_t)codes[code]);
	if (code == NFT_V_JUMP || code == NFT_V_GOTO)
		put_string(b, NFTA_VERDICT_CHAIN, chain);
	end_nest(b, nest);
	end_nest(b, data);
}

struct load {                   /* how a field gets into a register */
	enum { LOAD_META, LOAD_PAYLOAD, LOAD_CT, LOAD_FIB } from;
	uint8_t key;            /* or payload base, or fib flags */
	uint8_t offset, size;   /* payload */
};

static const struct load loads[NFT_FIELDS] = {
	[NFT_F_IIF] = { LOAD_META, NFT_META_IIF, 0, 0 },
	[NFT_F_OIF] = { LOAD_META, NFT_META_OIF, 0, 0 },
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
};

/* size 0: the whole field. */
static void put_load(struct batch *b, enum nft_field field, uint32_t reg, size_t size)
{
	const struct load *load = &loads[field];

	switch (load->from) {
	case LOAD_META:
		EXPR (b, "meta") {
			put_be32(b, NFTA_META_DREG, reg);
			put_be32(b, NFTA_META_KEY, load->key);
		}
		break;
	case LOAD_PAYLOAD:
		EXPR (b, "payload") {
			put_be32(b, NFTA_PAYLOAD_DREG, reg);
			put_be32(b, NFTA_PAYLOAD_BASE, load->key);
			put_be32(b, NFTA_PAYLOAD_OFFSET, load->offset);
			put_be32(b, NFTA_PAYLOAD_LEN, size ? (uint32_t)size : load->size);
		}
		break;
	case LOAD_CT:
		EXPR (b, "ct") {
			put_be32(b, NFTA_CT_DREG, reg);
			put_be32(b, NFTA_CT_KEY, load->key);
		}
		break;
	case LOAD_FIB:
		EXPR (b, "fib") {
			put_be32(b, NFTA_FIB_DREG, reg);
			put_be32(b, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
			put_be32(b, NFTA_FIB_FLAGS, load->key);
		}
		break;
	}
}

/* Several fields make one key, each padded to whole registers. */
static void put_loads(struct batch *b, const struct nft_expr *e)
{
	uint32_t word = 0;

	for (unsigned i = 0; i < e->n_fields; i++) {
		put_load(b, e->fields[i], REG(word), 0);
		word += NFT_PAD(nft_types[nft_fields[e->fields[i]].type].kernel_size) / 4;
	}
}

static void put_bitwise(struct batch *b, const void *mask, size_t size)
{
	static const uint8_t zero[16];

	EXPR (b, "bitwise") {
		put_be32(b, NFTA_BITWISE_SREG, REG(0));
		put_be32(b, NFTA_BITWISE_DREG, REG(0));
		put_be32(b, NFTA_BITWISE_LEN, (uint32_t)size);
		put_value(b, NFTA_BITWISE_MASK, mask, size);
		put_value(b, NFTA_BITWISE_XOR, zero, size);
	}
}

static void put_cmp(struct batch *b, enum nft_cmp_ops op, const void *value, size_t size)
{
	EXPR (b, "cmp") {
		put_be32(b, NFTA_CMP_SREG, REG(0));
		put_be32(b, NFTA_CMP_OP, op);
		put_value(b, NFTA_CMP_DATA, value, size);
	}
}

static void put_match(struct batch *b, const struct nft_expr *e)
{
	enum nft_cmp_ops op = e->negate ? NFT_CMP_NEQ : NFT_CMP_EQ;
	enum nft_type type = nft_fields[e->fields[0]].type;
	size_t size = nft_types[type].kernel_size;
	uint32_t fib = e->match.value[0];

	/* A prefix of whole bytes is a shorter load: no mask, and one fast compare. */
	if (e->match.is_masked && type != NFT_T_ETHER && e->match.prefix_len % 8 == 0)
		size = e->match.prefix_len / 8;
	put_load(b, e->fields[0], REG(0), loads[e->fields[0]].from == LOAD_PAYLOAD ? size : 0);
	if (e->match.is_masked && size == nft_types[type].kernel_size)
		put_bitwise(b, e->match.mask, size);
	put_cmp(b, op, type == NFT_T_FIB_TYPE ? (const void *)&fib : e->match.value, size);
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
	put_loads(b, e);
	EXPR (b, "lookup") {
		put_string(b, NFTA_LOOKUP_SET, nft_sets[e->set].name);
		put_be32(b, NFTA_LOOKUP_SREG, REG(0));
		if (dreg >= 0)
			put_be32(b, NFTA_LOOKUP_DREG, (uint32_t)dreg);
		if (e->negate)
			put_be32(b, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	}
}

static void put_dnat(struct batch *b, const struct nft_expr *e)
{
	bool is_v4 = nft_sets[e->set].data[0] == NFT_T_IP4;

	put_lookup(b, e, REG(0));
	EXPR (b, "nat") {
		put_be32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
		put_be32(b, NFTA_NAT_FAMILY, is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
		put_be32(b, NFTA_NAT_REG_ADDR_MIN, REG(0));
		put_be32(b, NFTA_NAT_REG_PROTO_MIN, REG(is_v4 ? 1 : 4));
	}
}

static void put_immediate(struct batch *b, uint32_t reg, const void *value, size_t size)
{
	EXPR (b, "immediate") {
		put_be32(b, NFTA_IMMEDIATE_DREG, reg);
		put_value(b, NFTA_IMMEDIATE_DATA, value, size);
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
			put_be32(b, NFTA_MASQ_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
			put_be32(b, NFTA_MASQ_REG_PROTO_MIN, REG(0));
			put_be32(b, NFTA_MASQ_REG_PROTO_MAX, REG(1));
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
		put_be32(b, NFTA_NAT_TYPE, NFT_NAT_SNAT);
		put_be32(b, NFTA_NAT_FAMILY, is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
		put_be32(b, NFTA_NAT_REG_ADDR_MIN, REG(0));
		if (is_range)
			put_be32(b, NFTA_NAT_REG_ADDR_MAX, REG(words));
		if (ports->first) {
			put_be32(b, NFTA_NAT_REG_PROTO_MIN, REG(2 * words));
			put_be32(b, NFTA_NAT_REG_PROTO_MAX, REG(2 * words + 1));
		}
		if (flags)
			put_be32(b, NFTA_NAT_FLAGS, flags);
	}
}

static void put_limit(struct batch *b, const struct nft_expr *e)
{
	EXPR (b, "limit") {
		put_be64(b, NFTA_LIMIT_RATE, e->limit.rate);
		put_be64(b, NFTA_LIMIT_UNIT, 1);
		put_be32(b, NFTA_LIMIT_BURST, e->limit.burst);
		put_be32(b, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	}
}

static void put_expr(struct batch *b, const struct nft_expr *e)
{
	switch (e->kind) {
	case NFT_E_MATCH:
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
			put_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
			put_verdict(b, NFTA_IMMEDIATE_DATA, e->verdict.code, e->verdict.chain);
		}
		break;
	case NFT_E_COUNTER:
		EXPR (b, "counter")
			;
		break;
	case NFT_E_LOG:
		EXPR (b, "log") {
			put_be16(b, NFTA_LOG_GROUP, e->log.group);
			put_be32(b, NFTA_LOG_SNAPLEN, e->log.snaplen);
		}
		break;
	case NFT_E_LIMIT:
		put_limit(b, e);
		break;
	case NFT_E_REJECT:
		EXPR (b, "reject") {
			put_be32(b, NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
			put_u8(b, NFTA_REJECT_ICMP_CODE, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
		}
		break;
	case NFT_E_MASQUERADE:
		put_masquerade(b, e);
		break;
	case NFT_E_SNAT:
		put_snat(b, e);
		break;
	}
}

/* Objects. */

static void encode_table(struct batch *b, const struct nft_op *op, size_t i)
{
	bool is_add = op->kind == NFT_OP_ADD_TABLE;

	begin_op(b, is_add ? NFT_MSG_NEWTABLE : NFT_MSG_DELTABLE, op->family,
		 is_add ? NLM_F_CREATE : 0, i);
	put_string(b, NFTA_TABLE_NAME, NFT_TABLE_NAME);
	if (is_add) {
		struct { uint8_t type, size; char text[64]; } udata = { .type = NFT_UDATA_COMMENT };
		int n = snprintf(udata.text, sizeof(udata.text), NFT_TABLE_COMMENT_PREFIX "%d", NFT_LAYOUT);

		udata.size = (uint8_t)(n + 1);
		put_attr(b, NFTA_TABLE_USERDATA, &udata, 2u + udata.size);
	}
	end_op(b);
}

static void encode_chain(struct batch *b, const struct nft_op *op, size_t i)
{
	bool is_add = op->kind == NFT_OP_ADD_CHAIN;

	begin_op(b, is_add ? NFT_MSG_NEWCHAIN : NFT_MSG_DELCHAIN, op->family,
		 is_add ? NLM_F_CREATE : 0, i);
	put_string(b, NFTA_CHAIN_TABLE, NFT_TABLE_NAME);
	put_string(b, NFTA_CHAIN_NAME, op->chain);
	if (is_add && op->base.is_base) {
		size_t nest = begin_nest(b, NFTA_CHAIN_HOOK);

		put_be32(b, NFTA_HOOK_HOOKNUM, op->base.hook);
		put_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)op->base.priority);
		end_nest(b, nest);
		put_be32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
		put_string(b, NFTA_CHAIN_TYPE, op->base.is_nat ? "nat" : "filter");
	}
	end_op(b);
}

static void encode_flush(struct batch *b, const struct nft_op *op, size_t i)
{
	begin_op(b, NFT_MSG_DELRULE, op->family, 0, i);
	put_string(b, NFTA_RULE_TABLE, NFT_TABLE_NAME);
	put_string(b, NFTA_RULE_CHAIN, op->chain);
	end_op(b);
}

static void put_rule_udata(struct batch *b, const struct nft_rule *rule)
{
	uint8_t udata[2 + NFT_COMMENT_MAX + 2 + 8];
	size_t n = 0, size = strlen(rule->comment) + 1;

	udata[n++] = NFT_UDATA_COMMENT;
	udata[n++] = (uint8_t)size;
	memcpy(udata + n, rule->comment, size);
	n += size;
	udata[n++] = NFT_UDATA_FINGERPRINT;
	udata[n++] = 8;
	memcpy(udata + n, &(uint64_t){ htobe64(rule->fingerprint) }, 8);
	put_attr(b, NFTA_RULE_USERDATA, udata, n + 8);
}

static void encode_rule(struct batch *b, const struct nft_op *op, size_t i)
{
	size_t nest;

	begin_op(b, NFT_MSG_NEWRULE, op->family, NLM_F_CREATE | NLM_F_APPEND, i);
	put_string(b, NFTA_RULE_TABLE, NFT_TABLE_NAME);
	put_string(b, NFTA_RULE_CHAIN, op->chain);
	nest = begin_nest(b, NFTA_RULE_EXPRESSIONS);
	vec_each (e, &op->rule.exprs)
		put_expr(b, e);
	end_nest(b, nest);
	put_rule_udata(b, &op->rule);
	end_op(b);
}

/* nft(8) needs this note in the user data to print indexes and names; the kernel does not. */
static void put_set_udata(struct batch *b, const struct nft_set_def *def)
{
	enum { KEY_BYTE_ORDER = 0, HOST_ORDER = 1, NETWORK_ORDER = 2 };
	bool is_host = def->key[0] == NFT_T_IFINDEX || def->key[0] == NFT_T_IFNAME ||
		       def->key[0] == NFT_T_FIB_TYPE;
	struct { uint8_t type, size, value[4]; } udata = { KEY_BYTE_ORDER, 4, { 0 } };
	uint32_t order = is_host ? HOST_ORDER : NETWORK_ORDER;

	memcpy(udata.value, &order, sizeof(order));
	put_attr(b, NFTA_SET_USERDATA, &udata, sizeof(udata));
}

static void encode_set(struct batch *b, const struct nft_op *op, size_t i)
{
	const struct nft_set_def *def = &nft_sets[op->set];
	bool is_add = op->kind == NFT_OP_ADD_SET;
	size_t nests[2];

	begin_op(b, is_add ? NFT_MSG_NEWSET : NFT_MSG_DELSET, op->family, is_add ? NLM_F_CREATE : 0, i);
	put_string(b, NFTA_SET_TABLE, NFT_TABLE_NAME);
	put_string(b, NFTA_SET_NAME, def->name);
	if (is_add) {
		put_be32(b, NFTA_SET_FLAGS, def->n_data ? NFT_SET_MAP : 0);
		put_be32(b, NFTA_SET_KEY_TYPE, nft_kernel_type(def->key, def->n_key));
		put_be32(b, NFTA_SET_KEY_LEN, (uint32_t)nft_kernel_size(def->key, def->n_key));
		put_be32(b, NFTA_SET_ID, (uint32_t)op->set + 1);
		if (def->n_data && def->data[0] == NFT_T_VERDICT) {
			put_be32(b, NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
		} else if (def->n_data) {
			put_be32(b, NFTA_SET_DATA_TYPE, nft_kernel_type(def->data, def->n_data));
			put_be32(b, NFTA_SET_DATA_LEN,
				 (uint32_t)nft_kernel_size(def->data, def->n_data));
		}
		put_set_udata(b, def);
		if (def->has_counter) {
			begin_expr(b, nests, NFTA_SET_EXPR, "counter");
			end_expr(b, nests);
		}
	}
	end_op(b);
}

/* From our form (names, no padding) to the kernel's; false: a device that nobody knows. */
static bool to_kernel(const struct nft_devices *devices, const uint8_t *types, unsigned n,
		      const uint8_t *v, uint8_t *ret)
{
	for (unsigned i = 0; i < n; i++) {
		const struct nft_type_def *def = &nft_types[types[i]];
		uint32_t word;

		switch (types[i]) {
		case NFT_T_IFINDEX:
			word = nft_device_index(devices, (const char *)v);
			if (!word)
				return false;
			memcpy(ret, &word, sizeof(word));
			break;
		case NFT_T_FIB_TYPE:
			word = *v;
			memcpy(ret, &word, sizeof(word));
			break;
		default:
			memcpy(ret, v, def->size);
			break;
		}
		v += def->size;
		ret += NFT_PAD(def->kernel_size);
	}
	return true;
}

static bool put_elem(struct batch *b, enum nft_set_id set, const struct nft_elem *elem)
{
	const struct nft_set_def *def = &nft_sets[set];
	uint8_t bytes[NFT_KERNEL_KEY_MAX] = { 0 };
	size_t nest;

	if (!to_kernel(b->devices, def->key, def->n_key, elem->key, bytes))
		return false;
	nest = begin_nest(b, NFTA_LIST_ELEM);
	put_value(b, NFTA_SET_ELEM_KEY, bytes, nft_kernel_size(def->key, def->n_key));
	if (def->n_data && def->data[0] == NFT_T_VERDICT) {
		put_verdict(b, NFTA_SET_ELEM_DATA, elem->data[0], (const char *)elem->data + 1);
	} else if (def->n_data) {
		memset(bytes, 0, sizeof(bytes));
		to_kernel(b->devices, def->data, def->n_data, elem->data, bytes);
		put_value(b, NFTA_SET_ELEM_DATA, bytes, nft_kernel_size(def->data, def->n_data));
	}
	end_nest(b, nest);
	return true;
}

/* One message. */
static int encode_some_elems(struct batch *b, const struct nft_txn *txn, size_t i, bool is_add,
			     size_t first, size_t n)
{
	const struct nft_op *op = &txn->ops.v[i];
	size_t nest;

	begin_op(b, is_add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, op->family,
		 is_add ? NLM_F_CREATE : 0, i);
	put_string(b, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE_NAME);
	put_string(b, NFTA_SET_ELEM_LIST_SET, nft_sets[op->set].name);
	nest = begin_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t j = first; j < first + n; j++) {
		if (put_elem(b, op->set, &txn->elems.v[op->first + j]))
			continue;
		b->unknown_device = op->first + j;
		return -ENODEV;
	}
	end_nest(b, nest);
	end_op(b);
	return 0;
}

static int encode_elems(struct batch *b, const struct nft_txn *txn, size_t i)
{
	const struct nft_op *op = &txn->ops.v[i];
	bool is_add = op->kind == NFT_OP_ADD_ELEMS;
	int r = 0;

	for (size_t first = 0; r == 0 && first < op->n; first += ELEMS_PER_MESSAGE) {
		size_t n = op->n - first < ELEMS_PER_MESSAGE ? op->n - first : ELEMS_PER_MESSAGE;

		if (!is_add && b->add_before_del)
			r = encode_some_elems(b, txn, i, true, first, n);
		if (r == 0)
			r = encode_some_elems(b, txn, i, is_add, first, n);
	}
	return r;
}

static int encode_op(struct batch *b, const struct nft_txn *txn, size_t i)
{
	const struct nft_op *op = &txn->ops.v[i];

	switch (op->kind) {
	case NFT_OP_ADD_TABLE:
	case NFT_OP_DEL_TABLE:
		encode_table(b, op, i);
		return 0;
	case NFT_OP_ADD_CHAIN:
	case NFT_OP_DEL_CHAIN:
		encode_chain(b, op, i);
		return 0;
	case NFT_OP_FLUSH_CHAIN:
		encode_flush(b, op, i);
		return 0;
	case NFT_OP_ADD_RULE:
		encode_rule(b, op, i);
		return 0;
	case NFT_OP_ADD_SET:
	case NFT_OP_DEL_SET:
		encode_set(b, op, i);
		return 0;
	case NFT_OP_ADD_ELEMS:
	case NFT_OP_DEL_ELEMS:
		return encode_elems(b, txn, i);
	}
	return 0;
}

static int encode(struct batch *b, const struct nft_txn *txn)
{
	b->seq = nft_reserve_seq(0);
	begin_message(b, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES);
	end_message(b, b->seq);
	for (size_t i = 0; i < txn->ops.n; i++) {
		int r = encode_op(b, txn, i);

		if (r < 0)
			return r;
	}
	if (b->op_of_message.n) /* still the open one */
		((struct nlmsghdr *)(void *)(b->buf + b->message))->nlmsg_flags |= NLM_F_ACK;
	begin_message(b, NFNL_MSG_BATCH_END, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES);
	end_message(b, b->seq + (uint32_t)b->op_of_message.n + 1);
	nft_reserve_seq((uint32_t)b->op_of_message.n + 2);
	return 0;
}

/* Sending, and what comes back. */

struct answer {
	int number;             /* 0, or the first error */
	uint32_t seq;           /* whose */
	bool is_acked;
	char text[160];         /* extended ack */
};

static void read_extended_ack(const struct nlmsghdr *head, char *ret, size_t size)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(head);
	size_t offset = sizeof(*e);
	const struct nlattr *attr;

	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(head->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(head) - sizeof(*e) > e->msg.nlmsg_len ?
				  e->msg.nlmsg_len - sizeof(e->msg) : 0;
	mnl_attr_for_each(attr, head, offset)
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(ret, size, "%s", mnl_attr_get_str(attr));
}

static void read_message(const struct batch *b, const struct nlmsghdr *head, struct answer *ret)
{
	uint32_t last = b->seq + (uint32_t)b->op_of_message.n;
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(head);

	if (head->nlmsg_type != NLMSG_ERROR || head->nlmsg_seq - b->seq > last - b->seq + 1)
		return; /* stale */
	if (e->error && !ret->number) {
		ret->number = e->error;
		ret->seq = head->nlmsg_seq;
		read_extended_ack(head, ret->text, sizeof(ret->text));
	}
	ret->is_acked |= head->nlmsg_seq == last;
}

/* The kernel has answered already; its answers end with the last message's. */
static int read_answers(struct mnl_socket *socket, const struct batch *b, struct answer *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buf[8192];

	while (!ret->is_acked) {
		ssize_t n = recv(mnl_socket_get_fd(socket), buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *head = (const void *)buf;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || ret->number ? 0 : -errno;
		for (; mnl_nlmsg_ok(head, left); head = mnl_nlmsg_next(head, &left))
			read_message(b, head, ret);
	}
	return 0;
}

/* netlink refuses a message that is larger than half of the buffer's accounted size. */
static void make_room(struct mnl_socket *socket, size_t size)
{
	int fd = mnl_socket_get_fd(socket), have = 0, want = (int)size + 4096;
	socklen_t len = sizeof(have);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &len) == 0 && have / 2 >= want)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof(want)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want));
}

static int send_batch(struct mnl_socket *socket, const struct batch *b, struct answer *ret)
{
	ssize_t n;
	int r;

	if (b->len > 32 * 1024) /* the smallest default there is takes this */
		make_room(socket, b->len);
	do
		n = mnl_socket_sendto(socket, b->buf, b->len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r = read_answers(socket, b, ret);
	if (r == 0 && !ret->number && !ret->is_acked)
		r = -EPROTO;
	return r;
}

static int refused(const struct nft_txn *txn, const struct batch *b, const struct answer *a,
		   struct vnet_error *err)
{
	uint32_t message = a->seq - b->seq - 1;
	AUTO_FREE char *object = NULL;
	const char *code = "rules-refused";

	if (message < b->op_of_message.n)
		object = nft_op_object(txn, &txn->ops.v[b->op_of_message.v[message]]);
	if (a->number == -ENOENT)
		code = "rules-missing";
	if (a->number == -EPERM)
		code = "not-permitted";
	vnet_error_set(err, a->number, code, "nftables: %s: %s",
		       object ? object : "tables " NFT_TABLE_NAME, strerror(-a->number));
	if (err && !err->kernel[0])
		snprintf(err->kernel, sizeof(err->kernel), "%s", a->text);
	return a->number;
}

static bool is_unknown(const struct nft_devices *devices, const struct nft_txn *txn,
		       const struct nft_op *op, size_t i)
{
	return nft_sets[op->set].key[0] == NFT_T_IFINDEX &&
	       !nft_device_index(devices, (const char *)txn->elems.v[op->first + i].key);
}

static bool has_element_deletion(const struct nft_txn *txn)
{
	vec_each (op, &txn->ops)
		if (op->kind == NFT_OP_DEL_ELEMS)
			return true;
	return false;
}

/* Appends the elements of a set whose device is gone. */
static int sweep(struct mnl_socket *socket, enum nft_set_id set, const struct nft_devices *devices,
		 struct nft_txn *txn)
{
	nft_elem_vec elems = { 0 };
	int r = nft_dump_elems(socket, set, devices, &elems);

	for (int i = 0; r == -EINTR && i < 5; i++) {
		elems.n = 0;
		r = nft_dump_elems(socket, set, devices, &elems);
	}
	vec_each (elem, &elems)
		if (r == 0 && elem->key[0] == '#')
			nft_txn_add_elem(txn, NFT_OP_DEL_ELEMS, set, elem);
	vec_free(&elems);
	return r;
}

/* The same transaction with deletions by unknown names replaced by those of all that is stale. */
static int replace_unknown(struct mnl_socket *socket, const struct nft_txn *txn,
			   const struct nft_devices *devices, struct nft_txn *ret,
			   struct vnet_error *err)
{
	bool is_swept[NFT_SETS] = { false };

	vec_each (op, &txn->ops) {
		struct nft_op *copy;

		if (op->kind == NFT_OP_DEL_ELEMS) {
			for (size_t i = 0; i < op->n; i++) {
				if (is_unknown(devices, txn, op, i))
					is_swept[op->set] = true;
				else
					nft_txn_add_elem(ret, op->kind, op->set,
							 &txn->elems.v[op->first + i]);
			}
			continue;
		}
		if (op->kind == NFT_OP_ADD_ELEMS) {
			for (size_t i = 0; i < op->n; i++)
				nft_txn_add_elem(ret, op->kind, op->set, &txn->elems.v[op->first + i]);
			continue;
		}
		copy = vec_push(&ret->ops, *op);
		nft_rule_copy(&copy->rule, &op->rule);
	}
	for (int set = 0; set < NFT_SETS; set++) {
		int r = is_swept[set] ? sweep(socket, set, devices, ret) : 0;

		if (r < 0)
			return vnet_error_set(err, r, r == -ENOENT ? "rules-missing" : "rules-refused",
					      "nftables: set %s of table bridge " NFT_TABLE_NAME ": %s",
					      nft_sets[set].name, strerror(-r));
	}
	return 0;
}

static int commit_once(struct mnl_socket *socket, const struct nft_txn *txn,
		       const struct nft_devices *devices, bool add_before_del,
		       bool *ret_unknown_in_deletion, struct vnet_error *err)
{
	struct batch b __attribute__((cleanup(batch_free))) = {
		.devices = devices, .add_before_del = add_before_del,
	};
	struct answer answer = { 0 };
	int r = encode(&b, txn);

	if (r < 0) {
		uint32_t op = b.op_of_message.v[b.op_of_message.n - 1];

		*ret_unknown_in_deletion = txn->ops.v[op].kind == NFT_OP_DEL_ELEMS;
		return vnet_error_set(err, r, "unknown-device", "nftables: there is no device %.16s",
				      (const char *)txn->elems.v[b.unknown_device].key);
	}
	if (!b.op_of_message.n)
		return 0;
	r = send_batch(socket, &b, &answer);
	if (r < 0)
		return vnet_error_set(err, r, "rules-refused", "nftables: sending %zu bytes: %s", b.len,
				      strerror(-r));
	return answer.number ? refused(txn, &b, &answer, err) : 0;
}

int nft_netlink_commit(struct mnl_socket *socket, const struct nft_txn *txn,
		       const struct nft_devices *devices, struct vnet_error *err)
{
	AUTO(nft_txn_free) struct nft_txn *swept = NULL;
	struct vnet_error first = { 0 };
	bool is_unknown_in_deletion = false;
	int r;

	if (nft_txn_is_empty(txn))
		return 0;
	r = commit_once(socket, txn, devices, false, &is_unknown_in_deletion, &first);
	if (r == -ENODEV && is_unknown_in_deletion) {
		vnet_error_clear(&first);
		swept = nft_txn_new();
		r = replace_unknown(socket, txn, devices, swept, &first);
		if (r == 0)
			r = commit_once(socket, swept, devices, false, &is_unknown_in_deletion, &first);
		txn = swept;
	}
	/*
	 * Something to delete is not there.  If that is an element, adding it
	 * just before makes the deletion right; everything else fails again.
	 */
	if (r == -ENOENT && has_element_deletion(txn)) {
		vnet_error_clear(&first);
		r = commit_once(socket, txn, devices, true, &is_unknown_in_deletion, &first);
	}
	if (r < 0 && err && !vnet_error_is_set(err))
		*err = first;
	return r;
}

int nft_netlink_open(struct mnl_socket **ret, struct vnet_error *err)
{
	struct timeval timeout = { .tv_sec = SOCKET_TIMEOUT_S };
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int on = 1, number;

	if (!s)
		return vnet_error_set(err, -errno, "no-netlink", "nftables: netlink socket: %s",
				      strerror(errno));
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &on, sizeof(on)) < 0 ||
	    mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &on, sizeof(on)) < 0 ||
	    setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0) {
		number = -errno;
		mnl_socket_close(s);
		return vnet_error_set(err, number, "no-netlink", "nftables: netlink socket: %s",
				      strerror(-number));
	}
	*ret = s;
	return 0;
}

uint32_t nft_reserve_seq(uint32_t n)
{
	static uint32_t next = 1;
	uint32_t first = next;

	next += n;
	return first;
}
