/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * early.c - what a transaction must add before the rest
 *
 * To packets a transaction is not quite one step.  One that is on its way goes by the
 * rules that were in force when it entered the hook, but each look-up finds the elements
 * of its moment: should these send it to a chain that the transaction makes, that has
 * no rules yet for a packet that is older (nft_do_chain() reads the generation once).
 * And elements of intervals can be found a little later than the rules that ask for
 * them (nf_tables_commit() calls nft_pipapo_commit() last).  Either way the packet would
 * fall through to a refusal.  So where packets that pass already are sent another way,
 * new chains, and new sets with what is in them, go in a transaction of their own, which
 * nothing refers to until the next one, right after it.
 */

#include "nft/ast.h"
#include "nft/ruleset.h"

#include <string.h>

static bool has_chain_op(const struct nft_txn *txn, enum nft_op_kind kind, enum nft_family family,
			 const char *chain)
{
	vec_each(op, &txn->ops)
		if (op->kind == kind && op->family == family && strcmp(op->chain, chain) == 0 &&
		    !op->base.is_base)
			return true;
	return false;
}

static bool has_set_op(const struct nft_txn *txn, enum nft_op_kind kind, const struct nft_op *like)
{
	vec_each(op, &txn->ops)
		if (op->kind == kind && op->set == like->set &&
		    strcmp(op->instance, like->instance) == 0)
			return true;
	return false;
}

static bool is_other_verdict(const struct nft_txn *txn, const struct nft_op *op)
{
	return op->kind == NFT_OP_DEL_ELEMS && nft_sets[op->set].n_data &&
	       nft_sets[op->set].data[0] == NFT_T_VERDICT && has_set_op(txn, NFT_OP_ADD_ELEMS, op);
}

/* Packets that pass already are sent another way. */
static bool redirects(const struct nft_txn *txn, enum nft_family family)
{
	vec_each(op, &txn->ops)
		if (op->family == family &&
		    (op->kind == NFT_OP_FLUSH_CHAIN || is_other_verdict(txn, op)))
			return true;
	return false;
}

static bool has_table_op(const struct nft_txn *txn, enum nft_family family)
{
	vec_each(op, &txn->ops)
		if (op->family == family &&
		    (op->kind == NFT_OP_ADD_TABLE || op->kind == NFT_OP_DEL_TABLE))
			return true;
	return false;
}

/* It makes something that nothing in force refers to. */
static bool is_early(const struct nft_txn *txn, const struct nft_op *op)
{
	switch (op->kind) {
	case NFT_OP_ADD_SET:
		return true;
	case NFT_OP_ADD_CHAIN:
		return !op->base.is_base;
	case NFT_OP_ADD_RULE:
		return has_chain_op(txn, NFT_OP_ADD_CHAIN, op->family, op->chain);
	case NFT_OP_ADD_ELEMS:
		return has_set_op(txn, NFT_OP_ADD_SET, op);
	default:
		return false;
	}
}

static bool has_early(const struct nft_txn *txn, enum nft_family family)
{
	vec_each(op, &txn->ops)
		if (op->family == family && is_early(txn, op))
			return true;
	return false;
}

struct nft_txn *nft_txn_split_early(struct nft_txn *txn)
{
	struct nft_txn *early = nft_txn_new(), rest = { 0 };
	bool splits[NFT_FAMILIES], any = false;

	for (int f = 0; f < NFT_FAMILIES; f++) {
		splits[f] = !has_table_op(txn, f) && has_early(txn, f) && redirects(txn, f);
		any |= splits[f];
	}
	if (!any) {
		nft_txn_free(early);
		return NULL;
	}
	vec_each(op, &txn->ops)
		nft_txn_copy_op(splits[op->family] && is_early(txn, op) ? early : &rest, txn, op);
	vec_each(op, &txn->ops)
		nft_rule_free(&op->rule);
	vec_free(&txn->ops);
	vec_free(&txn->elems);
	*txn = rest;
	return early;
}
