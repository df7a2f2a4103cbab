/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * filter_rule.c - a rule's expressions, read as matches
 *
 * nftables' machine has sixteen registers of four bytes, of which the old names
 * are groups of four.  A load puts a field there, a bitwise narrows it, a compare
 * or lookup uses it: we follow what is in each register, not its value.
 */

#include "kernel/filters.h"

#include "kernel/nl.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdio.h>

#define REGISTERS 16

struct loaded {
	enum packet_field field;
	uint8_t size;           /* bytes of it that were loaded */
	bool is_host_order;
	bool is_index;          /* an interface's, where field is its name */
	bool has_mask;
	uint8_t mask[FILTER_VALUE_MAX];
};

struct reader {
	enum filter_family family;
	int ip_family;          /* AF_INET, AF_INET6 where the rule has said so, else 0 */
	const struct nft_devices *devices;
	struct filter_rule *rule;
	filter_lookup_vec *lookups;
	struct loaded registers[REGISTERS];
};

static uint32_t be32_of(const struct nlattr *attr)
{
	return ntohl(nl_u32(attr));
}

/* The register's place; NULL: there is none such. */
static struct loaded *reg(struct reader *r, const struct nlattr *attr)
{
	uint32_t number = be32_of(attr);

	if (number >= NFT_REG_1 && number <= NFT_REG_4)
		return &r->registers[(number - NFT_REG_1) * 4];
	if (number >= NFT_REG32_00 && number < NFT_REG32_00 + REGISTERS)
		return &r->registers[number - NFT_REG32_00];
	return NULL;
}

static void load(struct reader *r, const struct nlattr *dreg, enum packet_field field)
{
	struct loaded *to = reg(r, dreg);

	if (to)
		*to = (struct loaded){ .field = field, .size = packet_fields[field].size };
}

static void add_unknown(struct reader *r)
{
	filter_match_add(r->rule, FIELD_OTHER);
}

/* ---- loads ---- */

static void read_meta(struct reader *r, const struct nlattr *const *tb)
{
	static const struct { uint32_t key; enum packet_field field; bool is_index, is_host_order; } keys[] = {
		{ NFT_META_IIFNAME, FIELD_IIFNAME, false, false },
		{ NFT_META_OIFNAME, FIELD_OIFNAME, false, false },
		{ NFT_META_IIF, FIELD_IIFNAME, true, true },
		{ NFT_META_OIF, FIELD_OIFNAME, true, true },
		{ NFT_META_NFPROTO, FIELD_NFPROTO, false, false },
		{ NFT_META_PROTOCOL, FIELD_ETHERTYPE, false, false },
		{ NFT_META_L4PROTO, FIELD_L4PROTO, false, false },
		{ NFT_META_MARK, FIELD_MARK, false, true },
	};
	uint32_t key = be32_of(tb[NFTA_META_KEY]);

	if (!tb[NFTA_META_DREG])
		return;
	load(r, tb[NFTA_META_DREG], FIELD_OTHER);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct loaded *to = reg(r, tb[NFTA_META_DREG]);

		if (keys[i].key != key || !to)
			continue;
		load(r, tb[NFTA_META_DREG], keys[i].field);
		to->is_index = keys[i].is_index;
		to->is_host_order = keys[i].is_host_order;
	}
}

static void read_ct(struct reader *r, const struct nlattr *const *tb)
{
	static const struct { uint32_t key; enum packet_field field; } keys[] = {
		{ NFT_CT_STATE, FIELD_CT_STATE },
		{ NFT_CT_STATUS, FIELD_CT_STATUS },
		{ NFT_CT_DIRECTION, FIELD_CT_DIRECTION },
		{ NFT_CT_MARK, FIELD_CT_MARK },
	};
	uint32_t key = be32_of(tb[NFTA_CT_KEY]);

	if (!tb[NFTA_CT_DREG])
		return;
	load(r, tb[NFTA_CT_DREG], FIELD_OTHER);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct loaded *to = reg(r, tb[NFTA_CT_DREG]);

		if (keys[i].key != key || !to)
			continue;
		load(r, tb[NFTA_CT_DREG], keys[i].field);
		to->is_host_order = to->size > 1;
	}
}

/* The header field at an offset, of which rules may load only the beginning (a prefix). */
static enum packet_field header_field(const struct reader *r, uint32_t base, uint32_t offset, uint32_t size)
{
	static const struct {
		uint32_t base;
		int family;             /* 0: any */
		uint32_t offset, size;
		bool is_partial;
		enum packet_field field;
	} fields[] = {
		{ NFT_PAYLOAD_NETWORK_HEADER, AF_INET, 12, 4, true, FIELD_SADDR4 },
		{ NFT_PAYLOAD_NETWORK_HEADER, AF_INET, 16, 4, true, FIELD_DADDR4 },
		{ NFT_PAYLOAD_NETWORK_HEADER, AF_INET, 9, 1, false, FIELD_L4PROTO },
		{ NFT_PAYLOAD_NETWORK_HEADER, AF_INET6, 8, 16, true, FIELD_SADDR6 },
		{ NFT_PAYLOAD_NETWORK_HEADER, AF_INET6, 24, 16, true, FIELD_DADDR6 },
		{ NFT_PAYLOAD_NETWORK_HEADER, AF_INET6, 6, 1, false, FIELD_L4PROTO },
		{ NFT_PAYLOAD_TRANSPORT_HEADER, 0, 0, 2, false, FIELD_SPORT },
		{ NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, 2, false, FIELD_DPORT },
		{ NFT_PAYLOAD_TRANSPORT_HEADER, 0, 0, 1, false, FIELD_ICMP_TYPE },
		{ NFT_PAYLOAD_LL_HEADER, 0, 12, 2, false, FIELD_ETHERTYPE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].base == base && fields[i].offset == offset &&
		    (!fields[i].family || fields[i].family == r->ip_family) &&
		    (fields[i].is_partial ? size && size <= fields[i].size : size == fields[i].size))
			return fields[i].field;
	return FIELD_OTHER;
}

static void read_payload(struct reader *r, const struct nlattr *const *tb)
{
	uint32_t size = be32_of(tb[NFTA_PAYLOAD_LEN]);
	struct loaded *to = reg(r, tb[NFTA_PAYLOAD_DREG]);

	if (!tb[NFTA_PAYLOAD_DREG] || !to)
		return;
	load(r, tb[NFTA_PAYLOAD_DREG],
	     header_field(r, be32_of(tb[NFTA_PAYLOAD_BASE]), be32_of(tb[NFTA_PAYLOAD_OFFSET]), size));
	if (to->field != FIELD_OTHER)
		to->size = (uint8_t)size;
}

static void read_fib(struct reader *r, const struct nlattr *const *tb)
{
	uint32_t result = be32_of(tb[NFTA_FIB_RESULT]), flags = be32_of(tb[NFTA_FIB_FLAGS]);
	bool is_back = (flags & NFTA_FIB_F_SADDR) && !(flags & NFTA_FIB_F_DADDR);
	struct loaded *to = reg(r, tb[NFTA_FIB_DREG]);

	if (!to)
		return;
	load(r, tb[NFTA_FIB_DREG],
	     is_back && result != NFT_FIB_RESULT_ADDRTYPE ? FIELD_FIB_OIF :
	     (flags & NFTA_FIB_F_DADDR) && result == NFT_FIB_RESULT_ADDRTYPE ? FIELD_DADDR_TYPE :
									       FIELD_OTHER);
	to->is_host_order = true;
}

/* Of IPv6's extension headers, whose absence ends the rule; TCP options and "exists" are not followed. */
static void read_exthdr(struct reader *r, const struct nlattr *const *tb)
{
	bool is_header = be32_of(tb[NFTA_EXTHDR_OP]) == NFT_EXTHDR_OP_IPV6 &&
			 !(be32_of(tb[NFTA_EXTHDR_FLAGS]) & NFT_EXTHDR_F_PRESENT);

	load(r, tb[NFTA_EXTHDR_DREG], FIELD_OTHER);
	if (is_header)
		filter_match_add(r->rule, FIELD_EXTENSION);
}

static bool data_of(const struct nlattr *nest, const void **ret, size_t *ret_size)
{
	const struct nlattr *tb[NFTA_DATA_MAX + 1];

	nl_attrs_nested(nest, tb, ARRAY_SIZE(tb));
	if (!tb[NFTA_DATA_VALUE] || mnl_attr_get_payload_len(tb[NFTA_DATA_VALUE]) > FILTER_VALUE_MAX)
		return false;
	*ret = mnl_attr_get_payload(tb[NFTA_DATA_VALUE]);
	*ret_size = mnl_attr_get_payload_len(tb[NFTA_DATA_VALUE]);
	return true;
}

static void read_bitwise(struct reader *r, const struct nlattr *const *tb)
{
	struct loaded *from = reg(r, tb[NFTA_BITWISE_SREG]), *to = reg(r, tb[NFTA_BITWISE_DREG]);
	static const uint8_t zero[FILTER_VALUE_MAX];
	const void *mask, *xor;
	size_t mask_size, xor_size;

	if (!from || !to)
		return;
	*to = *from;
	if (be32_of(tb[NFTA_BITWISE_OP]) != NFT_BITWISE_MASK_XOR || from->is_index ||
	    !data_of(tb[NFTA_BITWISE_MASK], &mask, &mask_size) ||
	    !data_of(tb[NFTA_BITWISE_XOR], &xor, &xor_size) || memcmp(xor, zero, xor_size) != 0) {
		to->field = FIELD_OTHER;
		return;
	}
	to->has_mask = true;
	filter_value_read(mask, mask_size, from->is_host_order, to->mask);
}

static void read_byteorder(struct reader *r, const struct nlattr *const *tb)
{
	struct loaded *from = reg(r, tb[NFTA_BYTEORDER_SREG]), *to = reg(r, tb[NFTA_BYTEORDER_DREG]);

	if (!from || !to)
		return;
	*to = *from;
	if (from->is_index)
		to->field = FIELD_OTHER;
	else
		to->is_host_order = !from->is_host_order;
}

/* ---- matches ---- */

void filter_value_read(const void *data, size_t size, bool is_host_order, uint8_t ret[FILTER_VALUE_MAX])
{
	uint32_t number;

	memset(ret, 0, FILTER_VALUE_MAX);
	memcpy(ret, data, size < FILTER_VALUE_MAX ? size : FILTER_VALUE_MAX);
	if (!is_host_order || size != sizeof(number))
		return;
	memcpy(&number, data, sizeof(number));
	number = htobe32(number);
	memcpy(ret, &number, sizeof(number));
}

static struct rule_match *begin_match(struct reader *r, const struct loaded *from)
{
	struct rule_match *match = filter_match_add(r->rule, from->field);

	match->size = from->size;
	if (from->has_mask)
		memcpy(match->mask, from->mask, sizeof(match->mask));
	return match;
}

static void put_name(struct reader *r, const void *index, uint8_t ret[FILTER_VALUE_MAX])
{
	unsigned number;

	memcpy(&number, index, sizeof(number));
	memset(ret, 0, FILTER_VALUE_MAX);
	if (!r->devices || !r->devices->name(r->devices->context, number, (char *)ret))
		snprintf((char *)ret, FILTER_VALUE_MAX, "#%u", number);
}

/* A compared value; false: it does not fit the field. */
static bool read_value(struct reader *r, struct loaded *from, const struct nlattr *attr,
		       uint8_t ret[FILTER_VALUE_MAX])
{
	const void *data;
	size_t size;

	if (from->field == FIELD_OTHER || !data_of(attr, &data, &size))
		return false;
	if (from->is_index) {
		if (size != sizeof(unsigned))
			return false;
		put_name(r, data, ret);
		return true;
	}
	/* "missing" and "exists" are a byte. */
	if (from->field == FIELD_FIB_OIF && size == 1) {
		memset(ret, 0, FILTER_VALUE_MAX);
		ret[from->size - 1] = *(const uint8_t *)data;
		return true;
	}
	if (!size || size > from->size)
		return false;
	filter_value_read(data, size, from->is_host_order, ret);
	/* "vn-*" is a comparison of the first bytes. */
	from->size = (uint8_t)size;
	return true;
}

/* From here on it is known which family's header follows. */
static void note_family(struct reader *r, const struct rule_match *match)
{
	const uint8_t *value = match->ranges.n == 1 && !match->is_negated ? match->ranges.v[0].first : NULL;

	if (value && match->field == FIELD_NFPROTO)
		r->ip_family = value[0] == NFPROTO_IPV4 ? AF_INET : value[0] == NFPROTO_IPV6 ? AF_INET6 : 0;
	if (value && match->field == FIELD_ETHERTYPE)
		r->ip_family = (value[0] << 8 | value[1]) == ETH_P_IP ? AF_INET :
			       (value[0] << 8 | value[1]) == ETH_P_IPV6 ? AF_INET6 : 0;
}

static void read_cmp(struct reader *r, const struct nlattr *const *tb)
{
	static const uint8_t zero[FILTER_VALUE_MAX];
	struct loaded *from = reg(r, tb[NFTA_CMP_SREG]);
	uint32_t op = be32_of(tb[NFTA_CMP_OP]);
	uint8_t value[FILTER_VALUE_MAX];
	struct rule_match *match;
	struct value_range *range;

	if (!from || !read_value(r, from, tb[NFTA_CMP_DATA], value)) {
		add_unknown(r);
		return;
	}
	match = begin_match(r, from);
	match->is_negated = op == NFT_CMP_NEQ || op == NFT_CMP_GT || op == NFT_CMP_LT;
	if (from->has_mask && from->field == FIELD_CT_STATE && memcmp(value, zero, sizeof(zero)) == 0 &&
	    (op == NFT_CMP_EQ || op == NFT_CMP_NEQ)) {
		match->is_bits = true;
		match->is_negated = op == NFT_CMP_EQ;
		return;
	}
	range = vec_add(&match->ranges);
	/* Greater than is not "at most": LT and GT are the opposites of GTE and LTE. */
	if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ || op == NFT_CMP_GTE || op == NFT_CMP_LT)
		memcpy(range->first, value, sizeof(value));
	if (op == NFT_CMP_GTE || op == NFT_CMP_LT)
		memset(range->last, 0xff, sizeof(range->last));
	else
		memcpy(range->last, value, sizeof(value));
	note_family(r, match);
}

static void read_range(struct reader *r, const struct nlattr *const *tb)
{
	struct loaded *from = reg(r, tb[NFTA_RANGE_SREG]);
	uint8_t first[FILTER_VALUE_MAX], last[FILTER_VALUE_MAX];
	struct rule_match *match;
	struct value_range *range;

	if (!from || from->is_index || !read_value(r, from, tb[NFTA_RANGE_FROM_DATA], first) ||
	    !read_value(r, from, tb[NFTA_RANGE_TO_DATA], last)) {
		add_unknown(r);
		return;
	}
	match = begin_match(r, from);
	match->is_negated = be32_of(tb[NFTA_RANGE_OP]) == NFT_RANGE_NEQ;
	range = vec_add(&match->ranges);
	memcpy(range->first, first, sizeof(first));
	memcpy(range->last, last, sizeof(last));
}

/* What is concatenated is loaded into registers one after the other: we can't tell from here. */
static bool is_concatenation(const struct reader *r, const struct loaded *from)
{
	const struct loaded *next = from + (from->size + 3) / 4;

	return next < r->registers + REGISTERS && next->size;
}

static void read_lookup(struct reader *r, const struct nlattr *const *tb)
{
	struct loaded *from = reg(r, tb[NFTA_LOOKUP_SREG]);
	bool is_map = tb[NFTA_LOOKUP_DREG], is_verdict = is_map && !be32_of(tb[NFTA_LOOKUP_DREG]);
	bool is_known = r->lookups && from && from->field != FIELD_OTHER && !is_concatenation(r, from);
	struct filter_lookup *lookup;
	struct rule_match *match;

	if (is_map && !is_verdict) {
		load(r, tb[NFTA_LOOKUP_DREG], FIELD_OTHER);
		add_unknown(r); /* whether there is an element */
		return;
	}
	if (!r->lookups || (!is_known && !is_verdict)) {
		add_unknown(r);
		if (is_verdict)
			r->rule->verdict = RULE_OTHER;
		return;
	}
	lookup = vec_add(r->lookups);
	nl_str(tb[NFTA_LOOKUP_SET], lookup->set, sizeof(lookup->set));
	lookup->is_map = is_verdict;
	if (is_known) {
		lookup->is_host_order = from->is_host_order;
		lookup->is_index = from->is_index;
		lookup->key_size = from->size;
	}
	if (is_verdict) {
		r->rule->has_map = true;
		r->rule->map_field = (uint8_t)(is_known && !from->has_mask ? from->field : FIELD_OTHER);
		return;
	}
	match = begin_match(r, from);
	match->is_negated = be32_of(tb[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV;
	lookup->match = r->rule->matches.n - 1;
}

/* ---- verdicts ---- */

enum rule_verdict filter_verdict_read(const struct nlattr *verdict, char **ret_chain)
{
	const struct nlattr *tb[NFTA_VERDICT_MAX + 1];
	char chain[FILTER_NAME_MAX + 1];

	nl_attrs_nested(verdict, tb, ARRAY_SIZE(tb));
	switch ((int32_t)be32_of(tb[NFTA_VERDICT_CODE])) {
	case NF_ACCEPT:
		return RULE_ACCEPT;
	case NF_DROP:
		return RULE_DROP;
	case NFT_RETURN:
		return RULE_RETURN;
	case NFT_CONTINUE:
		return RULE_CONTINUE;
	case NFT_JUMP:
	case NFT_GOTO:
		nl_str(tb[NFTA_VERDICT_CHAIN], chain, sizeof(chain));
		free(*ret_chain);
		*ret_chain = mem_strdup(chain);
		return (int32_t)be32_of(tb[NFTA_VERDICT_CODE]) == NFT_JUMP ? RULE_JUMP : RULE_GOTO;
	}
	return RULE_OTHER;
}

static void read_immediate(struct reader *r, const struct nlattr *const *tb)
{
	const struct nlattr *data[NFTA_DATA_MAX + 1];

	nl_attrs_nested(tb[NFTA_IMMEDIATE_DATA], data, ARRAY_SIZE(data));
	if (data[NFTA_DATA_VERDICT])
		r->rule->verdict = filter_verdict_read(data[NFTA_DATA_VERDICT], &r->rule->chain);
	else
		load(r, tb[NFTA_IMMEDIATE_DREG], FIELD_OTHER);
}

static void read_accept(struct reader *r, const struct nlattr *const *tb)
{
	(void)tb;
	r->rule->verdict = RULE_ACCEPT; /* NAT is done, and that was it for this chain */
}

static void read_reject(struct reader *r, const struct nlattr *const *tb)
{
	(void)tb;
	r->rule->verdict = RULE_REJECT;
}

static void read_other_verdict(struct reader *r, const struct nlattr *const *tb)
{
	(void)tb;
	r->rule->verdict = RULE_OTHER;
}

static void read_condition(struct reader *r, const struct nlattr *const *tb)
{
	(void)tb;
	add_unknown(r);
}

static void read_match(struct reader *r, const struct nlattr *const *tb)
{
	char name[32];

	nl_str(tb[NFTA_MATCH_NAME], name, sizeof(name));
	filter_xt_match(r->rule, name, be32_of(tb[NFTA_MATCH_REV]),
			tb[NFTA_MATCH_INFO] ? mnl_attr_get_payload(tb[NFTA_MATCH_INFO]) : NULL,
			tb[NFTA_MATCH_INFO] ? mnl_attr_get_payload_len(tb[NFTA_MATCH_INFO]) : 0);
}

static void read_target(struct reader *r, const struct nlattr *const *tb)
{
	char name[32];

	nl_str(tb[NFTA_TARGET_NAME], name, sizeof(name));
	r->rule->verdict = filter_xt_target(name);
}

static void read_nothing(struct reader *r, const struct nlattr *const *tb)
{
	(void)r;
	(void)tb;
}

/* ---- the whole ---- */

#define ATTRS_MAX 16

static void read_expression(struct reader *r, const struct nlattr *item)
{
	static const struct { const char *name; void (*read)(struct reader *, const struct nlattr *const *); } kinds[] = {
		{ "meta", read_meta }, { "ct", read_ct }, { "payload", read_payload }, { "fib", read_fib }, { "exthdr", read_exthdr },
		{ "bitwise", read_bitwise }, { "byteorder", read_byteorder }, { "cmp", read_cmp },
		{ "range", read_range }, { "lookup", read_lookup }, { "immediate", read_immediate },
		{ "match", read_match }, { "target", read_target }, { "reject", read_reject },
		{ "nat", read_accept }, { "masq", read_accept }, { "redir", read_accept },
		{ "queue", read_other_verdict }, { "fwd", read_other_verdict },
		{ "tproxy", read_nothing }, { "counter", read_nothing }, { "log", read_nothing },
		{ "notrack", read_nothing }, { "objref", read_nothing }, { "dynset", read_nothing },
		{ "last", read_nothing }, { "dup", read_nothing }, { "flow_offload", read_nothing },
		{ "limit", read_condition }, { "quota", read_condition }, { "connlimit", read_condition },
	};
	const struct nlattr *tb[NFTA_EXPR_MAX + 1], *data[ATTRS_MAX];
	char name[32];

	nl_attrs_nested(item, tb, ARRAY_SIZE(tb));
	nl_attrs_nested(tb[NFTA_EXPR_DATA], data, ARRAY_SIZE(data));
	nl_str(tb[NFTA_EXPR_NAME], name, sizeof(name));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		kinds[i].read(r, data);
		return;
	}
	/* Whatever it does, the registers are not to be trusted any more. */
	memset(r->registers, 0, sizeof(r->registers));
	add_unknown(r);
}

void filter_rule_read(const struct nlattr *expressions, enum filter_family family,
		      const struct nft_devices *devices, struct filter_rule *rule,
		      filter_lookup_vec *lookups)
{
	struct reader r = { .family = family, .devices = devices, .rule = rule, .lookups = lookups,
			    .ip_family = family == FILTER_IP ? AF_INET : family == FILTER_IP6 ? AF_INET6 : 0 };
	struct nl_attr_reader items;
	const struct nlattr *item;

	if (!expressions)
		return;
	items = nl_attr_reader(expressions);
	while ((item = nl_attr_next(&items)))
		read_expression(&r, item);
}
