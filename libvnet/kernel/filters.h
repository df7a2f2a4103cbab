/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_FILTERS_H
#define VNET_KERNEL_FILTERS_H

/* filters.h - other people's packet filters, read as values; private to kernel/ */

#include "doctor/filter.h"
#include "nft/netlink.h"

#include <linux/netlink.h>

struct nlattr;

/* ---- filters.c: nftables' tables, all but ours ---- */

/*
 * Reads tables, base chains, rules and the sets that rules look things up in.  A
 * dump that was interrupted by a change is taken again, a few times; then -EAGAIN.
 */
int filters_read(const struct nft_devices *devices, filter_table_vec *ret, struct vnet_error *err);

/*
 * Reads of one table, ours too, the names of its chains and the rule of that place; of a
 * set only the name.  Appended, also when the rule is gone.
 */
int filters_read_place(const struct nft_devices *devices, const struct filter_place *place,
		       filter_table_vec *ret, struct vnet_error *err);

/* ---- filter_rule.c: one rule's expressions ---- */

/* A rule that looks something up in a set whose elements are not known yet. */
struct filter_lookup {
	const struct filter_table *table;
	struct filter_chain *chain;
	size_t rule;            /* index in chain->rules */
	char set[FILTER_NAME_MAX + 1];
	size_t match;           /* index in the rule's matches; of a verdict map, unused */
	bool is_map;            /* the elements are the rule's cases */
	bool is_host_order;     /* of their keys */
	bool is_index;          /* keys are indexes of interfaces, to be told by name */
	uint8_t key_size;
};
typedef VEC(struct filter_lookup) filter_lookup_vec;

/*
 * Reads NFTA_RULE_EXPRESSIONS (NULL: none) into rule.  Lookups are appended with what
 * they concern but table, chain and rule; lookups NULL: they are not understood.
 */
void filter_rule_read(const struct nlattr *expressions, enum filter_family family,
		      const struct nft_devices *devices, struct filter_rule *rule,
		      filter_lookup_vec *lookups);
/* A field's value as the kernel has it, in network order: of size bytes, at most FILTER_VALUE_MAX. */
void filter_value_read(const void *data, size_t size, bool is_host_order, uint8_t ret[FILTER_VALUE_MAX]);
enum rule_verdict filter_verdict_read(const struct nlattr *verdict, char **ret_chain);

/* ---- filter_xt.c: what iptables brings in from xtables, and its own tables ---- */

/* An extension match, or one that is not understood, which becomes FIELD_OTHER. */
void filter_xt_match(struct filter_rule *rule, const char *name, unsigned revision,
		     const void *info, size_t size);
enum rule_verdict filter_xt_target(const char *name);

/* ---- filter_legacy.c: tables of iptables without nftables ---- */

/* Asks for no table that is not loaded already: asking would load it. */
void filters_read_legacy(filter_table_vec *ret);
/* The reply to IPT_SO_GET_ENTRIES (IP6T_ with is_v6), entries only; hooks and policies as INFO has them. */
void filter_legacy_parse(struct filter_table *table, const void *entries, size_t size,
			 uint32_t valid_hooks, const uint32_t hook_entry[5], const uint32_t underflow[5]);

#endif
