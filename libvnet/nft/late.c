/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * late.c - what a transaction must not take away yet
 *
 * A frame on its way through the guard asks first which chain judges its port, and
 * then, in that chain, what the port may send; each look-up finds what is there at
 * its moment.  Should a transaction come in between that moves the port to another
 * chain and takes away what only the old one asks for, the frame would be refused by
 * a chain that does not hold the port any more.  So that goes in a transaction of
 * its own, which follows at once.
 */

#include "nft/ast.h"
#include "nft/ruleset.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE_MAX 16

typedef VEC(const char *) name_vec; /* borrowed: of chains, and keys, which need not end with NUL */

static int cmp_name(const void *a, const void *b)
{
	return strncmp(*(const char *const *)a, *(const char *const *)b, DEVICE_MAX);
}

/* names: sorted. */
static bool has_name(const name_vec *names, const char *name)
{
	return names->n && bsearch(&name, names->v, names->n, sizeof(*names->v), cmp_name);
}

static void collect_names(const struct nft_txn *txn, enum nft_op_kind kind, name_vec *ret)
{
	vec_each(op, &txn->ops)
		for (size_t i = 0; op->kind == kind && i < op->n; i++)
			if (op->set == NFT_MAP_GUARDS || op->set == NFT_MAP_TRACED_GUARDS)
				vec_push(ret, (const char *)txn->elems.v[op->first + i].key);
	vec_sort(ret, cmp_name);
}

/* Whose frames go to another chain from now on?  Sorted. */
static void find_moved(const struct nft_txn *txn, name_vec *ret)
{
	name_vec from = { 0 }, to = { 0 };

	collect_names(txn, NFT_OP_DEL_ELEMS, &from);
	collect_names(txn, NFT_OP_ADD_ELEMS, &to);
	vec_each(name, &from)
		if (has_name(&to, *name))
			vec_push(ret, *name);
	vec_each(op, &txn->ops)
		if (op->kind == NFT_OP_FLUSH_CHAIN && op->family == NFT_NETDEV)
			vec_push(ret, op->chain);
	vec_sort(ret, cmp_name);
	vec_free(&from);
	vec_free(&to);
}

static bool adds_to(const struct nft_txn *txn, enum nft_set_id set)
{
	vec_each(op, &txn->ops)
		if (op->kind == NFT_OP_ADD_ELEMS && op->set == set)
			return true;
	return false;
}

/* Sets in which a chain has to find the port.  New prefixes may overlap old ones: not both at once. */
static bool is_asked_for(const struct nft_txn *txn, enum nft_family family, enum nft_set_id set)
{
#define SET(name) nft_guard_set(family, NFT_SET_##name)
	if (set == SET(PREFIXES4) || set == SET(PREFIXES6))
		return !adds_to(txn, set);
	return set == SET(MACS) || set == SET(SOURCES4) || set == SET(SOURCES6) ||
	       set == SET(ETHERTYPES) || set == SET(WAIVED);
#undef SET
}

/* Moves the operation to now, but for the elements that are taken away late. */
static void split_op(const struct nft_txn *txn, const struct nft_op *op, const name_vec *moved,
		     struct nft_txn *now, struct nft_txn *late)
{
	bool may_wait = op->kind == NFT_OP_DEL_ELEMS && is_asked_for(txn, op->family, op->set);
	struct nft_op kept = *op;

	kept.first = now->elems.n;
	for (size_t i = op->first; i < op->first + op->n; i++) {
		const struct nft_elem *elem = &txn->elems.v[i];

		if (may_wait && has_name(moved, (const char *)elem->key))
			nft_txn_add_elem(late, op->kind, op->set, elem);
		else
			vec_push(&now->elems, *elem);
	}
	kept.n = now->elems.n - kept.first;
	if (kept.n || !op->n)
		vec_push(&now->ops, kept);
}

struct nft_txn *nft_txn_split_late(struct nft_txn *txn)
{
	struct nft_txn *late = nft_txn_new(), now = { 0 };
	name_vec moved = { 0 };

	find_moved(txn, &moved);
	if (moved.n) {
		vec_each(op, &txn->ops)
			split_op(txn, op, &moved, &now, late);
		vec_free(&txn->ops);
		vec_free(&txn->elems);
		*txn = now;
	}
	vec_free(&moved);
	if (!nft_txn_is_empty(late))
		return late;
	nft_txn_free(late);
	return NULL;
}
