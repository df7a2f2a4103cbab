/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batch.c - netlink messages of one transaction, written into one growing buffer. */

#include "nft/batch.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

void batch_free(struct batch *b)
{
	free(b->buf);
	free(b->known);
	vec_free(&b->op_of_message);
}

/* NULL data: zeros.  Padded to 4. */
static void put(struct batch *b, const void *data, size_t size)
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
}

void batch_attr(struct batch *b, uint16_t type, const void *data, size_t size)
{
	struct nlattr attr = { .nla_len = (uint16_t)(sizeof(attr) + size), .nla_type = type };

	put(b, &attr, sizeof(attr));
	put(b, data, size);
}

void batch_string(struct batch *b, uint16_t type, const char *s)
{
	batch_attr(b, type, s, strlen(s) + 1);
}

void batch_u8(struct batch *b, uint16_t type, uint8_t value)
{
	batch_attr(b, type, &value, sizeof(value));
}

void batch_be16(struct batch *b, uint16_t type, uint16_t value)
{
	value = htons(value);
	batch_attr(b, type, &value, sizeof(value));
}

void batch_be32(struct batch *b, uint16_t type, uint32_t value)
{
	value = htonl(value);
	batch_attr(b, type, &value, sizeof(value));
}

void batch_be64(struct batch *b, uint16_t type, uint64_t value)
{
	value = htobe64(value);
	batch_attr(b, type, &value, sizeof(value));
}

size_t batch_begin_nest(struct batch *b, uint16_t type)
{
	size_t at = b->len;

	batch_attr(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void batch_end_nest(struct batch *b, size_t at)
{
	((struct nlattr *)(void *)(b->buf + at))->nla_len = (uint16_t)(b->len - at);
}

void batch_begin_message(struct batch *b, uint16_t type, uint8_t family, uint16_t flags,
			 uint16_t res_id)
{
	struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags };
	struct nfgenmsg gen = { .nfgen_family = family,
				.version = NFNETLINK_V0,
				.res_id = htons(res_id) };

	b->message = b->len;
	put(b, &head, sizeof(head));
	put(b, &gen, sizeof(gen));
}

void batch_end_message(struct batch *b, uint32_t seq)
{
	struct nlmsghdr *head = (void *)(b->buf + b->message);

	head->nlmsg_len = (uint32_t)(b->len - b->message);
	head->nlmsg_seq = seq;
}

void batch_begin(struct batch *b)
{
	b->seq = nft_reserve_seq(0);
	batch_begin_message(b, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES);
	batch_end_message(b, b->seq);
}

void batch_end(struct batch *b)
{
	if (b->op_of_message.n) /* still the open one */
		((struct nlmsghdr *)(void *)(b->buf + b->message))->nlmsg_flags |= NLM_F_ACK;
	batch_begin_message(b, NFNL_MSG_BATCH_END, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES);
	batch_end_message(b, b->seq + (uint32_t)b->op_of_message.n + 1);
	nft_reserve_seq((uint32_t)b->op_of_message.n + 2);
}

void batch_begin_op(struct batch *b, uint16_t type, enum nft_family family, uint16_t flags,
		    size_t op)
{
	vec_push(&b->op_of_message, (uint32_t)op);
	batch_begin_message(b, NFNL_SUBSYS_NFTABLES << 8 | type, nft_kernel_family(family), flags, 0);
}

void batch_end_op(struct batch *b)
{
	batch_end_message(b, b->seq + (uint32_t)b->op_of_message.n);
}

void batch_begin_expr(struct batch *b, size_t ret_nests[2], uint16_t type, const char *name)
{
	ret_nests[0] = batch_begin_nest(b, type);
	batch_string(b, NFTA_EXPR_NAME, name);
	ret_nests[1] = batch_begin_nest(b, NFTA_EXPR_DATA);
}

void batch_end_expr(struct batch *b, const size_t nests[2])
{
	batch_end_nest(b, nests[1]);
	batch_end_nest(b, nests[0]);
}

void batch_value(struct batch *b, uint16_t type, const void *value, size_t size)
{
	size_t nest = batch_begin_nest(b, type);

	batch_attr(b, NFTA_DATA_VALUE, value, size);
	batch_end_nest(b, nest);
}

void batch_verdict(struct batch *b, uint16_t type, enum nft_verdict code, const char *chain)
{
	static const int codes[] = {
		[NFT_V_ACCEPT] = NF_ACCEPT, [NFT_V_DROP] = NF_DROP,  [NFT_V_RETURN] = NFT_RETURN,
		[NFT_V_JUMP] = NFT_JUMP,    [NFT_V_GOTO] = NFT_GOTO,
	};
	size_t data = batch_begin_nest(b, type), nest = batch_begin_nest(b, NFTA_DATA_VERDICT);

	batch_be32(b, NFTA_VERDICT_CODE, (uint32_t)codes[code]);
	if (code == NFT_V_JUMP || code == NFT_V_GOTO)
		batch_string(b, NFTA_VERDICT_CHAIN, chain);
	batch_end_nest(b, nest);
	batch_end_nest(b, data);
}
