/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fix.c - the doctor's accept rules in others' chains */

#include "nft/fix.h"

#include "nft/batch.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdio.h>

/* EXPR (b, name) { attributes } */
#define EXPR(b, name)                                                                              \
	for (size_t nests_[2], once_ = (batch_begin_expr(b, nests_, NFTA_LIST_ELEM, name), 1);     \
	     once_; once_ = (batch_end_expr(b, nests_), 0))

static void begin(struct batch *b, uint16_t type, uint16_t flags, const struct fix_rule *rule, size_t op)
{
	static const uint8_t families[FILTER_FAMILIES] = { NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6,
							   NFPROTO_ARP, NFPROTO_BRIDGE, NFPROTO_NETDEV };

	vec_push(&b->op_of_message, (uint32_t)op);
	batch_begin_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), families[rule->family], flags, 0);
	batch_string(b, NFTA_RULE_TABLE, rule->table);
	batch_string(b, NFTA_RULE_CHAIN, rule->chain);
}

static void put_compare(struct batch *b, const void *value, size_t size)
{
	EXPR (b, "cmp") {
		batch_be32(b, NFTA_CMP_SREG, NFT_REG_1);
		batch_be32(b, NFTA_CMP_OP, NFT_CMP_EQ);
		batch_value(b, NFTA_CMP_DATA, value, size);
	}
}

static void put_meta(struct batch *b, uint32_t key, const void *value, size_t size)
{
	EXPR (b, "meta") {
		batch_be32(b, NFTA_META_DREG, NFT_REG_1);
		batch_be32(b, NFTA_META_KEY, key);
	}
	put_compare(b, value, size);
}

static void put_name(struct batch *b, uint32_t key, const char name[IFNAMSIZ])
{
	char padded[IFNAMSIZ] = "";

	if (!name[0])
		return;
	memcpy(padded, name, strnlen(name, sizeof(padded) - 1));
	put_meta(b, key, padded, sizeof(padded));
}

static void put_port(struct batch *b, uint16_t port)
{
	uint16_t be = htobe16(port);

	if (!port)
		return;
	EXPR (b, "payload") {
		batch_be32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
		batch_be32(b, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
		batch_be32(b, NFTA_PAYLOAD_OFFSET, 2);
		batch_be32(b, NFTA_PAYLOAD_LEN, sizeof(be));
	}
	put_compare(b, &be, sizeof(be));
}

static void put_add(struct batch *b, const struct fix_rule *rule, size_t op)
{
	static const char tag[] = "\0\x0c" FILTER_TAG; /* a comment of 12 bytes, its NUL among them */
	size_t list;

	_Static_assert(sizeof(FILTER_TAG) == 0x0c, "length in tag");
	begin(b, NFT_MSG_NEWRULE, (uint16_t)(NLM_F_CREATE | (rule->before ? 0 : NLM_F_APPEND)), rule, op);
	if (rule->before) /* without NLM_F_APPEND: before that rule */
		batch_be64(b, NFTA_RULE_POSITION, rule->before);
	list = batch_begin_nest(b, NFTA_RULE_EXPRESSIONS);
	put_name(b, NFT_META_IIFNAME, rule->iifname);
	put_name(b, NFT_META_OIFNAME, rule->oifname);
	if (rule->l4proto)
		put_meta(b, NFT_META_L4PROTO, &rule->l4proto, sizeof(rule->l4proto));
	put_port(b, rule->dport);
	EXPR (b, "counter")
		;
	EXPR (b, "immediate") {
		batch_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
		batch_verdict(b, NFTA_IMMEDIATE_DATA, NFT_V_ACCEPT, NULL);
	}
	batch_end_nest(b, list);
	batch_attr(b, NFTA_RULE_USERDATA, tag, sizeof(tag));
	batch_end_op(b);
}

static void put_remove(struct batch *b, const struct fix_present *present, size_t op)
{
	begin(b, NFT_MSG_DELRULE, 0, &present->rule, op);
	batch_be64(b, NFTA_RULE_HANDLE, present->handle);
	batch_end_op(b);
}

/* Removals are numbered first. */
static int refused(const struct batch *b, const struct batch_answer *a, const fix_rule_vec *add,
		   const fix_present_vec *remove, struct vnet_error *err)
{
	uint32_t message = a->seq - b->seq - 1;
	const struct fix_rule *rule = message < remove->n ? &remove->v[message].rule :
				      message - remove->n < add->n ? &add->v[message - remove->n] : NULL;
	AUTO_FREE char *text = rule ? fix_rule_text(rule) : mem_strdup("rules of others");
	int number = a->number == -ENOENT ? -EAGAIN : a->number;

	vnet_error_set(err, number, number == -EPERM ? "not-permitted" : "rules-refused", "nftables: %s: %s",
		       text, strerror(-a->number));
	if (err && !err->kernel[0])
		snprintf(err->kernel, sizeof(err->kernel), "%s", a->text);
	return number;
}

int nft_fix(struct mnl_socket *socket, const fix_rule_vec *add, const fix_present_vec *remove,
	    struct vnet_error *err)
{
	struct batch b __attribute__((cleanup(batch_free))) = { 0 };
	struct batch_answer answer = { 0 };
	size_t op = 0;
	int r;

	if (!add->n && !remove->n)
		return 0;
	batch_begin(&b);
	vec_each (present, remove)
		put_remove(&b, present, op++);
	vec_each (rule, add)
		put_add(&b, rule, op++);
	batch_end(&b);
	r = batch_send(socket, &b, &answer);
	if (r < 0)
		return vnet_error_set(err, r, "rules-refused", "nftables: sending %zu bytes: %s", b.len,
				      strerror(-r));
	return answer.number ? refused(&b, &answer, add, remove, err) : 0;
}
