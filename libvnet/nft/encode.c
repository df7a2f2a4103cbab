/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * encode.c - transactions as netlink batches
 *
 * A port's transaction is three short messages and costs no allocation per
 * object.
 */

#include "nft/batch.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A nested attribute holds at most 64 KiB; an element takes 120 bytes at most. */
#define ELEMS_PER_MESSAGE 500

static void encode_table(struct batch *b, const struct nft_op *op, size_t i)
{
	bool is_add = op->kind == NFT_OP_ADD_TABLE;

	batch_begin_op(b, is_add ? NFT_MSG_NEWTABLE : NFT_MSG_DELTABLE, op->family,
		       is_add ? NLM_F_CREATE : 0, i);
	batch_string(b, NFTA_TABLE_NAME, NFT_TABLE_NAME);
	if (is_add) {
		struct {
			uint8_t type, size;
			char text[64];
		} udata = { .type = NFT_UDATA_COMMENT };
		int n = snprintf(udata.text, sizeof(udata.text), NFT_TABLE_COMMENT_PREFIX "%d",
				 NFT_LAYOUT);

		if (nft_is_owned(b->devices, op->family))
			batch_be32(b, NFTA_TABLE_FLAGS, NFT_TABLE_OWNED);
		udata.size = (uint8_t)(n + 1);
		batch_attr(b, NFTA_TABLE_USERDATA, &udata, 2u + udata.size);
	}
	batch_end_op(b);
}

static void put_base(struct batch *b, const struct nft_op *op)
{
	bool has_device = op->family == NFT_NETDEV; /* every base chain there */
	size_t nest = batch_begin_nest(b, NFTA_CHAIN_HOOK);

	batch_be32(b, NFTA_HOOK_HOOKNUM, nft_kernel_hook(op->base.hook));
	batch_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)op->base.priority);
	if (has_device)
		batch_string(b, NFTA_HOOK_DEV, op->chain);
	batch_end_nest(b, nest);
	batch_be32(b, NFTA_CHAIN_POLICY, has_device ? NF_DROP : NF_ACCEPT);
	batch_string(b, NFTA_CHAIN_TYPE, op->base.is_nat ? "nat" : "filter");
}

static void encode_chain(struct batch *b, const struct nft_op *op, size_t i, bool is_add)
{
	batch_begin_op(b, is_add ? NFT_MSG_NEWCHAIN : NFT_MSG_DELCHAIN, op->family,
		       is_add ? NLM_F_CREATE : 0, i);
	batch_string(b, NFTA_CHAIN_TABLE, NFT_TABLE_NAME);
	batch_string(b, NFTA_CHAIN_NAME, op->chain);
	if (op->kind == NFT_OP_ADD_CHAIN && op->base.is_base)
		put_base(b, op);
	batch_end_op(b);
}

/*
 * A device's chain.  Linux 6.1 takes it away with the device, 6.12 keeps it
 * without one, 6.18 keeps it for the next device of that name.  So it is added
 * by the device's name, whatever is there, and before it is deleted once more
 * without a hook: that changes no chain, but makes one where there is none.
 */
static int encode_device_chain(struct batch *b, const struct nft_op *op, size_t i)
{
	bool is_add = op->kind == NFT_OP_ADD_CHAIN;

	encode_chain(b, op, i, true);
	if (!is_add)
		encode_chain(b, op, i, false);
	b->unknown_device = op->chain;
	return !is_add || nft_device_index(b->devices, op->chain) ? 0 : -ENODEV;
}

static void encode_flush(struct batch *b, const struct nft_op *op, size_t i)
{
	batch_begin_op(b, NFT_MSG_DELRULE, op->family, 0, i);
	batch_string(b, NFTA_RULE_TABLE, NFT_TABLE_NAME);
	batch_string(b, NFTA_RULE_CHAIN, op->chain);
	batch_end_op(b);
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
	batch_attr(b, NFTA_RULE_USERDATA, udata, n + 8);
}

static void encode_rule(struct batch *b, const struct nft_op *op, size_t i)
{
	size_t nest;

	batch_begin_op(b, NFT_MSG_NEWRULE, op->family, NLM_F_CREATE | NLM_F_APPEND, i);
	batch_string(b, NFTA_RULE_TABLE, NFT_TABLE_NAME);
	batch_string(b, NFTA_RULE_CHAIN, op->chain);
	nest = batch_begin_nest(b, NFTA_RULE_EXPRESSIONS);
	vec_each (e, &op->rule.exprs)
		nft_encode_expr(b, e);
	batch_end_nest(b, nest);
	put_rule_udata(b, &op->rule);
	batch_end_op(b);
}

/*
 * User data of sets: notes of nft(8) for itself, which the kernel only keeps.
 * They are type, size and value, one after the other, and may be nested.
 */
struct udata {
	uint8_t bytes[128];
	size_t n;
};

static size_t udata_begin(struct udata *u, uint8_t type)
{
	u->bytes[u->n++] = type;
	return u->n++;
}

static void udata_end(struct udata *u, size_t at)
{
	u->bytes[at] = (uint8_t)(u->n - at - 1);
}

static void udata_u32(struct udata *u, uint8_t type, uint32_t value)
{
	size_t at = udata_begin(u, type);

	memcpy(u->bytes + u->n, &value, sizeof(value));
	u->n += sizeof(value);
	udata_end(u, at);
}

/* Fields in the numbers of nft, which gave them to user data for good. */
struct udata_field {
	uint8_t protocol, field;     /* 0: of none that nft knows, but */
	uint8_t base, offset, bits;  /* there */
};
static const struct udata_field udata_fields[NFT_FIELDS] = {
	[NFT_F_DPORT] = { 11, 2, 0, 0, 0 },
	[NFT_F_IP_SADDR] = { 12, 11, 0, 0, 0 },
	[NFT_F_IP6_SADDR] = { 13, 8, 0, 0, 0 },
	[NFT_F_VNI] = { 0, 0, 3, 96, 32 },
};

static void udata_field(struct udata *u, uint8_t position, enum nft_field field)
{
	enum { KIND = 0, PAYLOAD = 7, DATA = 1 };
	const struct udata_field *f = &udata_fields[field];
	const uint8_t values[] = { f->protocol, f->field, f->base, f->offset, f->bits };
	size_t whole = udata_begin(u, position), data;

	udata_u32(u, KIND, PAYLOAD);
	data = udata_begin(u, DATA);
	for (uint8_t i = 0; i < (f->protocol ? 2 : ARRAY_SIZE(values)); i++)
		udata_u32(u, i, values[i]);
	udata_end(u, data);
	udata_end(u, whole);
}

/* "typeof": the fields that the parts of the key are read from. */
static void udata_typeof(struct udata *u, const struct nft_set_def *def)
{
	enum { KEY_TYPEOF = 3, KIND = 0, CONCATENATION = 13, DATA = 1 };
	size_t whole = udata_begin(u, KEY_TYPEOF), data;

	udata_u32(u, KIND, CONCATENATION);
	data = udata_begin(u, DATA);
	for (uint8_t i = 0; i < def->n_key; i++)
		udata_field(u, i, nft_type_field(def->key[i]));
	udata_end(u, data);
	udata_end(u, whole);
}

/* Without, nft(8) could not print indexes, names, and what has no type of its own. */
static void put_set_udata(struct batch *b, const struct nft_set_def *def)
{
	enum { KEY_BYTE_ORDER = 0, HOST_ORDER = 1, NETWORK_ORDER = 2 };
	bool is_host = def->key[0] == NFT_T_IFINDEX || def->key[0] == NFT_T_IFNAME ||
		       def->key[0] == NFT_T_FIB_TYPE;
	struct udata udata = { 0 };

	udata_u32(&udata, KEY_BYTE_ORDER, is_host ? HOST_ORDER : NETWORK_ORDER);
	if (nft_set_is_typeof(def))
		udata_typeof(&udata, def);
	batch_attr(b, NFTA_SET_USERDATA, udata.bytes, udata.n);
}

/* How many elements at most; of intervals how long each part of the key is. */
static void put_set_desc(struct batch *b, const struct nft_set_def *def)
{
	size_t desc, concat, part;

	if (def->kind != NFT_INTERVALS && !nft_set_max(def))
		return;
	desc = batch_begin_nest(b, NFTA_SET_DESC);
	if (nft_set_max(def))
		batch_be32(b, NFTA_SET_DESC_SIZE, nft_set_max(def));
	if (def->kind == NFT_INTERVALS) {
		concat = batch_begin_nest(b, NFTA_SET_DESC_CONCAT);
		for (unsigned i = 0; i < def->n_key; i++) {
			part = batch_begin_nest(b, NFTA_LIST_ELEM);
			batch_be32(b, NFTA_SET_FIELD_LEN, nft_types[def->key[i]].kernel_size);
			batch_end_nest(b, part);
		}
		batch_end_nest(b, concat);
	}
	batch_end_nest(b, desc);
}

static void encode_set(struct batch *b, const struct nft_op *op, size_t i)
{
	const struct nft_set_def *def = &nft_sets[op->set];
	bool is_add = op->kind == NFT_OP_ADD_SET;
	char name[NFT_SET_NAME_MAX];
	size_t nests[2];

	batch_begin_op(b, is_add ? NFT_MSG_NEWSET : NFT_MSG_DELSET, op->family,
		       is_add ? NLM_F_CREATE : 0, i);
	batch_string(b, NFTA_SET_TABLE, NFT_TABLE_NAME);
	batch_string(b, NFTA_SET_NAME, nft_set_name(op->set, op->instance, name));
	if (is_add) {
		batch_be32(b, NFTA_SET_FLAGS, nft_kernel_set_flags(def));
		batch_be32(b, NFTA_SET_KEY_TYPE, nft_kernel_type(def->key, def->n_key));
		batch_be32(b, NFTA_SET_KEY_LEN, (uint32_t)nft_kernel_size(def->key, def->n_key));
		batch_be32(b, NFTA_SET_ID, (uint32_t)i + 1);
		if (def->n_data && def->data[0] == NFT_T_VERDICT) {
			batch_be32(b, NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
		} else if (def->n_data) {
			batch_be32(b, NFTA_SET_DATA_TYPE, nft_kernel_type(def->data, def->n_data));
			batch_be32(b, NFTA_SET_DATA_LEN,
				   (uint32_t)nft_kernel_size(def->data, def->n_data));
		}
		if (def->kind == NFT_FILLED)
			batch_be64(b, NFTA_SET_TIMEOUT, NFT_FILLED_TIMEOUT * UINT64_C(1000));
		put_set_desc(b, def);
		put_set_udata(b, def);
		if (def->kind == NFT_COUNTED) {
			batch_begin_expr(b, nests, NFTA_SET_EXPR, "counter");
			batch_end_expr(b, nests);
		}
		if (def->kind == NFT_LIMITED) {
			batch_begin_expr(b, nests, NFTA_SET_EXPR, "limit");
			nft_put_limit(b, NFT_LIMITED_RATE, NFT_LIMITED_BURST);
			batch_end_expr(b, nests);
		}
	}
	batch_end_op(b);
}

static void make_room_for_names(struct batch *b, size_t n)
{
	b->n_known = 8;
	while (b->n_known < 2 * n)
		b->n_known *= 2;
	b->known = mem_alloc(b->n_known * sizeof(*b->known));
}

static size_t hash_name(const char name[16])
{
	uint32_t h = 0x811c9dc5;

	for (int i = 0; i < 16 && name[i]; i++)
		h = (h ^ (uint8_t)name[i]) * 0x01000193;
	return h;
}

/* Asking costs a system call, and a port's name is in each of its elements. */
static unsigned device_index(struct batch *b, const char name[16])
{
	struct known_device *known;
	size_t i = hash_name(name);

	for (; (known = &b->known[i & (b->n_known - 1)])->name[0]; i++)
		if (strncmp(known->name, name, sizeof(known->name)) == 0)
			return known->index;
	memcpy(known->name, name, sizeof(known->name));
	known->index = nft_device_index(b->devices, name);
	return known->index;
}

/*
 * From our form (names, no padding) to the kernel's; false: a device that nobody knows.
 * Where intervals are told apart by order, an index goes big end first, as nft has it.
 */
static bool to_kernel(struct batch *b, bool is_ordered, const uint8_t *types,
		      unsigned n, const uint8_t *v, uint8_t *ret)
{
	for (unsigned i = 0; i < n; i++) {
		const struct nft_type_def *def = &nft_types[types[i]];
		uint32_t word;

		switch (types[i]) {
		case NFT_T_IFINDEX:
			word = device_index(b, (const char *)v);
			if (!word)
				return false;
			if (is_ordered)
				word = htonl(word);
			memcpy(ret, &word, sizeof(word));
			break;
		case NFT_T_FIB_TYPE:
			word = *v;
			memcpy(ret, &word, sizeof(word));
			break;
		default: /* a prefix: its first address */
			memcpy(ret, v, def->kernel_size);
			break;
		}
		v += def->size;
		ret += NFT_PAD(def->kernel_size);
	}
	return true;
}

/* The last address of the prefix, behind the other parts of the key. */
static void put_key_end(struct batch *b, const struct nft_set_def *def, const struct nft_elem *elem,
			uint8_t *bytes)
{
	const struct nft_type_def *last = &nft_types[def->key[def->n_key - 1]];
	const uint8_t *v = elem->key + nft_set_key_size(def) - last->size;
	size_t size = nft_kernel_size(def->key, def->n_key);
	struct prefix prefix = { .addr.family = last->kernel_size == 4 ? AF_INET : AF_INET6,
				 .len = v[last->kernel_size] };
	struct ip end;

	memcpy(prefix.addr.b, v, last->kernel_size);
	end = prefix_last(&prefix);
	memcpy(bytes + size - last->kernel_size, end.b, last->kernel_size);
	batch_value(b, NFTA_SET_ELEM_KEY_END, bytes, size);
}

static void put_elem_limit(struct batch *b, const struct nft_elem *elem)
{
	uint32_t limit[2];
	size_t nests[2];

	memcpy(limit, elem->data, sizeof(limit));
	batch_begin_expr(b, nests, NFTA_SET_ELEM_EXPR, "limit");
	nft_put_limit(b, limit[0], limit[1]);
	batch_end_expr(b, nests);
}

static bool put_elem(struct batch *b, enum nft_set_id set, const struct nft_elem *elem)
{
	const struct nft_set_def *def = &nft_sets[set];
	uint8_t bytes[NFT_KERNEL_KEY_MAX] = { 0 };
	size_t nest;

	if (!to_kernel(b, def->kind == NFT_INTERVALS, def->key, def->n_key, elem->key,
		       bytes))
		return false;
	nest = batch_begin_nest(b, NFTA_LIST_ELEM);
	batch_value(b, NFTA_SET_ELEM_KEY, bytes, nft_kernel_size(def->key, def->n_key));
	if (def->kind == NFT_INTERVALS)
		put_key_end(b, def, elem, bytes);
	if (def->kind == NFT_LIMITED)
		put_elem_limit(b, elem);
	if (def->n_data && def->data[0] == NFT_T_VERDICT) {
		batch_verdict(b, NFTA_SET_ELEM_DATA, elem->data[0], (const char *)elem->data + 1);
	} else if (def->n_data) {
		memset(bytes, 0, sizeof(bytes));
		to_kernel(b, false, def->data, def->n_data, elem->data, bytes);
		batch_value(b, NFTA_SET_ELEM_DATA, bytes, nft_kernel_size(def->data, def->n_data));
	}
	batch_end_nest(b, nest);
	return true;
}

static void encode_flush_set(struct batch *b, const struct nft_op *op, size_t i)
{
	char name[NFT_SET_NAME_MAX];

	batch_begin_op(b, NFT_MSG_DELSETELEM, op->family, 0, i);
	batch_string(b, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE_NAME);
	batch_string(b, NFTA_SET_ELEM_LIST_SET, nft_set_name(op->set, op->instance, name));
	batch_end_op(b);
}

/* One message. */
static int encode_some_elems(struct batch *b, const struct nft_txn *txn, size_t i, bool is_add,
			     size_t first, size_t n)
{
	const struct nft_op *op = &txn->ops.v[i];
	char name[NFT_SET_NAME_MAX];
	size_t nest;

	batch_begin_op(b, is_add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, op->family,
		       is_add ? NLM_F_CREATE : 0, i);
	batch_string(b, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE_NAME);
	batch_string(b, NFTA_SET_ELEM_LIST_SET, nft_set_name(op->set, op->instance, name));
	nest = batch_begin_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t j = first; j < first + n; j++) {
		if (put_elem(b, op->set, &txn->elems.v[op->first + j]))
			continue;
		b->unknown_device = (const char *)txn->elems.v[op->first + j].key;
		return -ENODEV;
	}
	batch_end_nest(b, nest);
	batch_end_op(b);
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
		if (op->family == NFT_NETDEV && !strchr(op->chain, '/'))
			return encode_device_chain(b, op, i);
		encode_chain(b, op, i, op->kind == NFT_OP_ADD_CHAIN);
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
	case NFT_OP_FLUSH_SET:
		encode_flush_set(b, op, i);
		return 0;
	case NFT_OP_ADD_ELEMS:
	case NFT_OP_DEL_ELEMS:
		return encode_elems(b, txn, i);
	}
	return 0;
}

int nft_encode(struct batch *b, const struct nft_txn *txn)
{
	make_room_for_names(b, txn->elems.n);
	batch_begin(b);
	for (size_t i = 0; i < txn->ops.n; i++) {
		int r = encode_op(b, txn, i);

		if (r < 0)
			return r;
	}
	batch_end(b);
	return 0;
}
