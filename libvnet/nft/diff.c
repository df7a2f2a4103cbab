/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * diff.c - transactions: from what is there to what is wanted, and their meaning
 *
 * The kernel runs a transaction as one step, but reads it in order, and refuses
 * to delete what is still referred to.  So per table: new sets and chains;
 * elements away; rules of changed chains flushed and written; chains and sets
 * away; new elements last, when every chain they jump to exists.
 */

#include "nft/ast.h"
#include "nft/ruleset.h"

#include <errno.h>
#include <string.h>

struct nft_txn *nft_txn_new(void)
{
	return mem_alloc(sizeof(struct nft_txn));
}

void nft_txn_free(struct nft_txn *txn)
{
	if (!txn)
		return;
	vec_each (op, &txn->ops)
		nft_rule_free(&op->rule);
	vec_free(&txn->ops);
	vec_free(&txn->elems);
	free(txn);
}

bool nft_txn_is_empty(const struct nft_txn *txn)
{
	return !txn || !txn->ops.n;
}

struct nft_op *nft_txn_add(struct nft_txn *txn, enum nft_op_kind kind, enum nft_family family)
{
	struct nft_op *op = vec_add(&txn->ops);

	op->kind = kind;
	op->family = family;
	return op;
}

void nft_txn_add_elem(struct nft_txn *txn, enum nft_op_kind kind, enum nft_set_id set,
		      const struct nft_elem *elem)
{
	struct nft_op *op = txn->ops.n ? &txn->ops.v[txn->ops.n - 1] : NULL;

	if (!op || op->kind != kind || op->set != set || op->instance[0]) {
		op = nft_txn_add(txn, kind, nft_sets[set].family);
		op->set = set;
		op->first = txn->elems.n;
	}
	vec_push(&txn->elems, *elem);
	op->n++;
}

void nft_txn_copy_op(struct nft_txn *txn, const struct nft_txn *from, const struct nft_op *op)
{
	struct nft_op *copy = vec_push(&txn->ops, *op);

	nft_rule_copy(&copy->rule, &op->rule);
	copy->first = txn->elems.n;
	for (size_t i = 0; i < op->n; i++)
		vec_push(&txn->elems, from->elems.v[op->first + i]);
}

static void add_chain_op(struct nft_txn *txn, enum nft_op_kind kind, enum nft_family family,
			 const struct nft_chain *chain)
{
	struct nft_op *op = nft_txn_add(txn, kind, family);

	memcpy(op->chain, chain->name, sizeof(op->chain));
	op->base = chain->base;
}

static void add_set_op(struct nft_txn *txn, enum nft_op_kind kind, enum nft_set_id set)
{
	nft_txn_add(txn, kind, nft_sets[set].family)->set = set;
}

static bool rules_equal(const struct nft_chain *a, const struct nft_chain *b)
{
	if (a->rules.n != b->rules.n)
		return false;
	for (size_t i = 0; i < a->rules.n; i++)
		if (a->rules.v[i].fingerprint != b->rules.v[i].fingerprint)
			return false;
	return true;
}

static bool base_equal(const struct nft_base *a, const struct nft_base *b)
{
	return a->is_base == b->is_base && a->is_nat == b->is_nat && a->hook == b->hook &&
	       a->priority == b->priority;
}

/* A chain that hangs elsewhere can't be moved. */
static bool table_must_be_replaced(const struct nft_ruleset *want, const struct nft_ruleset *have,
				   enum nft_family family)
{
	if (have->tables[family].is_foreign)
		return true;
	vec_each (chain, &want->tables[family].chains) {
		const struct nft_chain *old = nft_chain_find(have, family, chain->name);

		if (old && !base_equal(&old->base, &chain->base))
			return true;
	}
	return false;
}

/* What rules have added counts on, but for devices that are gone. */
static bool is_kept(enum nft_set_id set, const struct nft_elem *elem)
{
	return nft_sets[set].kind == NFT_COUNTED && elem->key[0] != '#';
}

/* Walks both sorted lists once: kind says which side's surplus is wanted. */
static void diff_elems(struct nft_txn *txn, enum nft_set_id set, enum nft_op_kind kind,
		       const struct nft_set *from, const struct nft_set *without)
{
	size_t j = 0;

	vec_each (elem, &from->elems) {
		while (j < without->elems.n && nft_elem_cmp_key(&without->elems.v[j], elem) < 0)
			j++;
		if (j < without->elems.n && nft_elem_equal(&without->elems.v[j], elem))
			continue;
		if (is_kept(set, elem))
			continue;
		nft_txn_add_elem(txn, kind, set, elem);
	}
}

/* ---- sets that others fill ---- */

static struct nft_op *add_instance_op(struct nft_txn *txn, enum nft_op_kind kind,
				      const struct nft_instance *instance)
{
	struct nft_op *op = nft_txn_add(txn, kind, nft_sets[instance->set].family);

	op->set = instance->set;
	memcpy(op->instance, instance->of, sizeof(op->instance));
	return op;
}

/* "blue" of "blue.1a2b3c4d" is written to buf. */
static const char *network_of(const struct nft_instance *instance, char buf[NFT_INSTANCE_MAX])
{
	memcpy(buf, instance->of, NFT_INSTANCE_MAX);
	*strrchr(buf, '.') = '\0';
	return buf;
}

/* A name that the network's sets were filled for is one no more. */
static bool lost_a_name(const struct nft_ruleset *want, const struct nft_ruleset *have,
			const char *network)
{
	const struct nft_set *before = &have->sets[NFT_SET_EGRESS_NAMES];
	const struct nft_set *after = &want->sets[NFT_SET_EGRESS_NAMES];
	const uint32_t hash = egress_network_hash(network);

	vec_each (elem, &before->elems) {
		bool is_kept;

		vec_search(&after->elems, elem, nft_elem_cmp_key, &is_kept);
		if (!is_kept && memcmp(elem->key, &hash, sizeof(hash)) == 0)
			return true;
	}
	return false;
}

/* What the network's former set holds, when all that may be in it may be in the new one. */
static const struct nft_instance *predecessor(const struct nft_ruleset *want,
					      const struct nft_ruleset *have,
					      const struct nft_instance *instance)
{
	char network[NFT_INSTANCE_MAX], other[NFT_INSTANCE_MAX];

	network_of(instance, network);
	if (lost_a_name(want, have, network))
		return NULL;
	vec_each (old, &have->instances)
		if (old->set == instance->set && strcmp(network_of(old, other), network) == 0)
			return old;
	return NULL;
}

static void add_instances(struct nft_txn *txn, const struct nft_ruleset *want,
			  const struct nft_ruleset *have, enum nft_family family)
{
	vec_each (instance, &want->instances)
		if (nft_sets[instance->set].family == family &&
		    !nft_instance_find(have, instance->set, instance->of))
			add_instance_op(txn, NFT_OP_ADD_SET, instance);
}

static void fill_instances(struct nft_txn *txn, const struct nft_ruleset *want,
			   const struct nft_ruleset *have, enum nft_family family)
{
	vec_each (instance, &want->instances) {
		const struct nft_instance *old;
		struct nft_op *op;

		if (nft_sets[instance->set].family != family ||
		    nft_instance_find(have, instance->set, instance->of))
			continue;
		old = predecessor(want, have, instance);
		if (!old || !old->elems.n)
			continue;
		op = add_instance_op(txn, NFT_OP_ADD_ELEMS, instance);
		op->first = txn->elems.n;
		op->n = old->elems.n;
		vec_each (elem, &old->elems)
			vec_push(&txn->elems, *elem);
	}
}

static void delete_instances(struct nft_txn *txn, const struct nft_ruleset *want,
			     const struct nft_ruleset *have, enum nft_family family)
{
	vec_each (instance, &have->instances)
		if (nft_sets[instance->set].family == family &&
		    !nft_instance_find(want, instance->set, instance->of))
			add_instance_op(txn, NFT_OP_DEL_SET, instance);
}

static void add_rule_ops(struct nft_txn *txn, enum nft_family family, const struct nft_chain *chain)
{
	vec_each (rule, &chain->rules) {
		struct nft_op *op = nft_txn_add(txn, NFT_OP_ADD_RULE, family);

		memcpy(op->chain, chain->name, sizeof(op->chain));
		nft_rule_copy(&op->rule, rule);
	}
}

static void diff_rules(struct nft_txn *txn, enum nft_family family, const struct nft_chain *want,
		       const struct nft_chain *have)
{
	if (have && rules_equal(want, have))
		return;
	if (have && have->rules.n)
		add_chain_op(txn, NFT_OP_FLUSH_CHAIN, family, want);
	add_rule_ops(txn, family, want);
}

/* In table netdev: not a device's. No device has a '/' in its name. */
static bool is_shared(const struct nft_chain *chain)
{
	return strchr(chain->name, '/') != NULL;
}

static void diff_table(struct nft_txn *txn, const struct nft_ruleset *want,
		       const struct nft_ruleset *have, enum nft_family family)
{
	const struct nft_table *table = &want->tables[family], *old = &have->tables[family];

	if (!old->exists)
		nft_txn_add(txn, NFT_OP_ADD_TABLE, family);

	for (int i = 0; i < NFT_SETS; i++)
		if (nft_sets[i].family == family && want->sets[i].exists && !have->sets[i].exists)
			add_set_op(txn, NFT_OP_ADD_SET, i);
	add_instances(txn, want, have, family);
	/* The order in which nft lists them: what hangs on hooks first. */
	for (int is_base = 1; is_base >= 0; is_base--)
		vec_each (chain, &table->chains)
			if (chain->base.is_base == is_base &&
			    !nft_chain_find(have, family, chain->name))
				add_chain_op(txn, NFT_OP_ADD_CHAIN, family, chain);

	for (int i = 0; i < NFT_SETS; i++)
		if (nft_sets[i].family == family)
			diff_elems(txn, i, NFT_OP_DEL_ELEMS, &have->sets[i], &want->sets[i]);

	/* Doomed chains may refer to each other; those of devices may be gone already. */
	vec_each (chain, &old->chains)
		if (!nft_chain_find(want, family, chain->name) && chain->rules.n &&
		    (family != NFT_NETDEV || is_shared(chain)))
			add_chain_op(txn, NFT_OP_FLUSH_CHAIN, family, chain);
	vec_each (chain, &table->chains)
		diff_rules(txn, family, chain, nft_chain_find(have, family, chain->name));

	vec_each (chain, &old->chains)
		if (!nft_chain_find(want, family, chain->name))
			add_chain_op(txn, NFT_OP_DEL_CHAIN, family, chain);
	for (int i = 0; i < NFT_SETS; i++)
		if (nft_sets[i].family == family && have->sets[i].exists && !want->sets[i].exists)
			add_set_op(txn, NFT_OP_DEL_SET, i);
	delete_instances(txn, want, have, family);

	for (int i = 0; i < NFT_SETS; i++)
		if (nft_sets[i].family == family)
			diff_elems(txn, i, NFT_OP_ADD_ELEMS, &want->sets[i], &have->sets[i]);
	fill_instances(txn, want, have, family);
}

struct nft_txn *nft_diff(const struct nft_ruleset *desired, const struct nft_ruleset *observed)
{
	static const struct nft_ruleset nothing;
	struct nft_txn *txn = nft_txn_new();

	if (!desired)
		desired = &nothing;
	if (!observed)
		observed = &nothing;
	for (int f = 0; f < NFT_FAMILIES; f++) {
		bool wanted = desired->tables[f].exists, is_there = observed->tables[f].exists;
		bool replace = wanted && is_there && table_must_be_replaced(desired, observed, f);

		if (is_there && (!wanted || replace))
			nft_txn_add(txn, NFT_OP_DEL_TABLE, f);
		if (wanted)
			diff_table(txn, desired, replace ? &nothing : observed, f);
	}
	return txn;
}

/* One port. */

static bool has_port_elem(const nft_port_elem_vec *elems, const struct nft_port_elem *e)
{
	vec_each(other, elems)
		if (other->set == e->set && nft_elem_equal(&other->elem, &e->elem))
			return true;
	return false;
}

/* The chain is made right whatever is there, so it need not be looked at. */
static void add_port_chain(struct nft_txn *txn, const struct network *net,
			   const struct port *before, const struct port *after)
{
	struct nft_chain old = { 0 }, new = { 0 };
	bool is_there = before && nft_port_chain(net, before, &old);
	bool is_wanted = after && nft_port_chain(net, after, &new);
	bool is_same = is_there && is_wanted && strcmp(old.name, new.name) == 0;

	if (is_there && !is_same)
		add_chain_op(txn, NFT_OP_DEL_CHAIN, NFT_NETDEV, &old);
	if (is_wanted && (!is_same || !rules_equal(&old, &new))) {
		add_chain_op(txn, NFT_OP_ADD_CHAIN, NFT_NETDEV, &new);
		add_chain_op(txn, NFT_OP_FLUSH_CHAIN, NFT_NETDEV, &new);
		add_rule_ops(txn, NFT_NETDEV, &new);
	}
	nft_chain_free(&old);
	nft_chain_free(&new);
}

void nft_txn_add_port(struct nft_txn *txn, const struct network *net, const struct port *before,
		      const struct port *after)
{
	nft_port_elem_vec old = { 0 }, new = { 0 };

	if (before)
		nft_port_elems(net, before, &old);
	if (after)
		nft_port_elems(net, after, &new);
	vec_each(e, &old)
		if (!has_port_elem(&new, e))
			nft_txn_add_elem(txn, NFT_OP_DEL_ELEMS, e->set, &e->elem);
	vec_each(e, &new)
		if (!has_port_elem(&old, e))
			nft_txn_add_elem(txn, NFT_OP_ADD_ELEMS, e->set, &e->elem);
	add_port_chain(txn, net, before, after);
	vec_free(&old);
	vec_free(&new);
}

void nft_txn_add_tracing(struct nft_txn *txn, bool is_used)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = nft_ruleset_new();

	nft_compile_trace_chain(rs, is_used);
	vec_each(chain, &rs->tables[NFT_BRIDGE].chains) {
		add_chain_op(txn, NFT_OP_FLUSH_CHAIN, NFT_BRIDGE, chain);
		add_rule_ops(txn, NFT_BRIDGE, chain);
	}
}

struct nft_txn *nft_txn_for_port(const struct network *net, const struct port *before,
				 const struct port *after)
{
	struct nft_txn *txn = nft_txn_new();

	nft_txn_add_port(txn, net, before, after);
	return txn;
}

/* What a transaction makes of a ruleset. */

static bool expr_refers_to_chain(const struct nft_expr *e, const char *chain)
{
	return e->kind == NFT_E_VERDICT && strcmp(e->verdict.chain, chain) == 0;
}

static bool elem_refers_to_chain(enum nft_set_id set, const struct nft_elem *elem, const char *chain)
{
	return nft_sets[set].n_data && nft_sets[set].data[0] == NFT_T_VERDICT &&
	       strncmp((const char *)elem->data + 1, chain, NFT_DATA_MAX - 1) == 0;
}

/* Does a rule of the table look the set up? */
static bool is_looked_up(const struct nft_ruleset *rs, const struct nft_op *op)
{
	vec_each (c, &rs->tables[op->family].chains)
		vec_each (rule, &c->rules)
			vec_each (e, &rule->exprs)
				if (nft_expr_uses_set(e) && e->set == op->set &&
				    strcmp(e->instance, op->instance) == 0)
					return true;
	return false;
}

/* Does a rule or an element of the table refer to the chain? */
static bool is_referred_to(const struct nft_ruleset *rs, enum nft_family family, const char *chain)
{
	vec_each (c, &rs->tables[family].chains)
		vec_each (rule, &c->rules)
			vec_each (e, &rule->exprs)
				if (expr_refers_to_chain(e, chain))
					return true;
	for (int i = 0; i < NFT_SETS; i++)
		if (nft_sets[i].family == family)
			vec_each (elem, &rs->sets[i].elems)
				if (elem_refers_to_chain(i, elem, chain))
					return true;
	return false;
}

static bool verdict_resolves(const struct nft_ruleset *rs, enum nft_family family,
			     enum nft_verdict code, const char *chain)
{
	return (code != NFT_V_JUMP && code != NFT_V_GOTO) || nft_chain_find(rs, family, chain);
}

static int apply_add_rule(struct nft_ruleset *rs, const struct nft_op *op)
{
	struct nft_chain *chain = nft_chain_find(rs, op->family, op->chain);

	if (!chain)
		return -ENOENT;
	vec_each (e, &op->rule.exprs) {
		if (nft_expr_uses_set(e) && !nft_expr_has_set(rs, e))
			return -ENOENT;
		if (e->kind == NFT_E_VERDICT &&
		    !verdict_resolves(rs, op->family, e->verdict.code, e->verdict.chain))
			return -ENOENT;
	}
	nft_rule_copy(vec_add(&chain->rules), &op->rule);
	return 0;
}

static int cmp_elem_key(const void *key, const void *elem)
{
	return nft_elem_cmp_key(key, elem);
}

/* The index of the element with this key, or of the first one after it. */
static size_t elem_index(const struct nft_set *set, const struct nft_elem *elem, bool *ret_found)
{
	return vec_search(&set->elems, elem, cmp_elem_key, ret_found);
}

static int apply_filled_elem(struct nft_ruleset *rs, const struct nft_op *op,
			     const struct nft_elem *elem)
{
	struct nft_instance *instance = nft_instance_find(rs, op->set, op->instance);

	if (!instance)
		return -ENOENT;
	vec_push(&instance->elems, *elem); /* those of another one: sorted, unique */
	return 0;
}

static int apply_elem(struct nft_ruleset *rs, const struct nft_op *op, const struct nft_elem *elem)
{
	struct nft_set *set = &rs->sets[op->set];
	bool found;
	size_t i = elem_index(set, elem, &found);

	if (op->kind == NFT_OP_DEL_ELEMS) {
		if (found)
			vec_remove(&set->elems, i);
		return 0;
	}
	if (found)
		return nft_elem_equal(&set->elems.v[i], elem) ? 0 : -EEXIST;
	if (nft_sets[op->set].n_data && nft_sets[op->set].data[0] == NFT_T_VERDICT &&
	    !verdict_resolves(rs, op->family, elem->data[0], (const char *)elem->data + 1))
		return -ENOENT;
	vec_add(&set->elems);
	memmove(&set->elems.v[i + 1], &set->elems.v[i], (set->elems.n - 1 - i) * sizeof(*elem));
	set->elems.v[i] = *elem;
	return 0;
}

static int apply_elems(struct nft_ruleset *rs, const struct nft_txn *txn, const struct nft_op *op)
{
	if (!op->instance[0] && !rs->sets[op->set].exists)
		return -ENOENT;
	for (size_t i = 0; i < op->n; i++) {
		const struct nft_elem *elem = &txn->elems.v[op->first + i];
		int r = op->instance[0] ? apply_filled_elem(rs, op, elem) : apply_elem(rs, op, elem);

		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_del_chain(struct nft_ruleset *rs, const struct nft_op *op)
{
	struct nft_table *table = &rs->tables[op->family];
	struct nft_chain *chain = nft_chain_find(rs, op->family, op->chain);

	if (!chain)
		return op->family == NFT_NETDEV ? 0 : -ENOENT;
	if (is_referred_to(rs, op->family, op->chain))
		return -EBUSY;
	nft_chain_free(chain);
	vec_remove(&table->chains, (size_t)(chain - table->chains.v));
	return 0;
}

static int apply_chain(struct nft_ruleset *rs, const struct nft_op *op)
{
	struct nft_chain *chain = nft_chain_find(rs, op->family, op->chain);

	if (op->kind == NFT_OP_ADD_CHAIN) {
		if (chain)
			return base_equal(&chain->base, &op->base) ? 0 : -EEXIST;
		nft_chain_add(rs, op->family, op->chain)->base = op->base;
		return 0;
	}
	if (!chain)
		return -ENOENT;
	nft_chain_free(chain);
	return 0;
}

static int apply_instance(struct nft_ruleset *rs, const struct nft_op *op)
{
	struct nft_instance *instance;

	if (op->kind == NFT_OP_ADD_SET) {
		nft_instance_add(rs, op->set, op->instance);
		return 0;
	}
	instance = nft_instance_find(rs, op->set, op->instance);
	if (!instance)
		return -ENOENT;
	if (op->kind == NFT_OP_FLUSH_SET) {
		instance->elems.n = 0;
		return 0;
	}
	if (is_looked_up(rs, op))
		return -EBUSY;
	nft_instance_remove(rs, instance);
	return 0;
}

static int apply_set(struct nft_ruleset *rs, const struct nft_op *op)
{
	struct nft_set *set = &rs->sets[op->set];

	if (op->instance[0])
		return apply_instance(rs, op);
	if (op->kind == NFT_OP_ADD_SET) {
		set->exists = true;
		return 0;
	}
	if (!set->exists)
		return -ENOENT;
	if (is_looked_up(rs, op))
		return -EBUSY;
	vec_free(&set->elems);
	set->exists = false;
	return 0;
}

static int apply_op(struct nft_ruleset *rs, const struct nft_txn *txn, const struct nft_op *op)
{
	if (op->kind == NFT_OP_ADD_TABLE) {
		rs->tables[op->family].exists = true;
		return 0;
	}
	if (!rs->tables[op->family].exists)
		return -ENOENT;
	switch (op->kind) {
	case NFT_OP_DEL_TABLE:
		nft_table_clear(rs, op->family);
		return 0;
	case NFT_OP_ADD_CHAIN:
	case NFT_OP_FLUSH_CHAIN:
		return apply_chain(rs, op);
	case NFT_OP_DEL_CHAIN:
		return apply_del_chain(rs, op);
	case NFT_OP_ADD_RULE:
		return apply_add_rule(rs, op);
	case NFT_OP_ADD_SET:
	case NFT_OP_DEL_SET:
	case NFT_OP_FLUSH_SET:
		return apply_set(rs, op);
	default:
		return apply_elems(rs, txn, op);
	}
}

int nft_txn_apply(const struct nft_txn *txn, struct nft_ruleset **rs, struct vnet_error *err)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *copy = *rs ? nft_ruleset_copy(*rs) :
								nft_ruleset_new();

	vec_each (op, &txn->ops) {
		int r = apply_op(copy, txn, op);
		AUTO_FREE char *object = r < 0 ? nft_op_object(txn, op) : NULL;

		if (r < 0)
			return vnet_error_set(err, r, r == -ENOENT ? "rules-missing" : "rules-refused",
					      "%s: %s", object, strerror(-r));
	}
	nft_ruleset_free(*rs);
	*rs = NULL;
	if (nft_ruleset_has_tables(copy))
		*rs = TAKE(copy);
	return 0;
}
