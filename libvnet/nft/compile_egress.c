/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compile_egress.c - `egress:`: where the guests of a network may connect to
 *
 * A chain for each such network, between its sources and the rules of its mode.
 * Connections that were let out go on without a lookup; the first packet of one
 * is for a declared prefix, or for an address that the network's resolver has
 * answered for a declared name and put into the network's sets (model/egress.h).
 * Whoever answers for a name can put there what he likes, so names lead neither
 * into other networks of this host nor to link-local addresses, where clouds
 * keep secrets for the host; the host's own addresses do not come by here.
 */

#include "nft/build.h"

#include <stdio.h>
#include <string.h>

static void add_prefix(struct nft_ruleset *rs, const char *bridge, const struct prefix *prefix)
{
	struct nft_elem elem = { 0 };
	struct elem_writer w = { elem.key };

	elem_put_name(&w, bridge);
	elem_put_ip(&w, &prefix->addr);
	elem_put(&w, &prefix->len, 1);
	elem_add(rs, prefix->addr.family == AF_INET ? NFT_SET_EGRESS4 : NFT_SET_EGRESS6, &elem);
}

static void add_note(struct nft_ruleset *rs, const struct network *net,
		     const struct egress *egress)
{
	const uint32_t hashes[] = { egress_network_hash(net->name), egress_name_hash(egress) };
	struct nft_elem elem = { 0 };

	memcpy(elem.key, hashes, sizeof(hashes));
	elem_add(rs, NFT_SET_EGRESS_NAMES, &elem);
}

static bool has_prefixes(const struct network *net, int family)
{
	vec_each (egress, &net->egress)
		if (!egress->name && egress->prefix.addr.family == family)
			return true;
	return false;
}

static void compile_names(struct nft_ruleset *rs, const struct network *net, const char *chain,
			  const struct nft_expr *next)
{
	static const struct prefix link_local = { { AF_INET, { 169, 254 } }, 16 };
	static const struct {
		enum nft_set_id set;
		enum nft_field field;
		uint8_t nfproto;
	} sets[] = {
		{ NFT_SET_NAMES4A, NFT_F_IP_DADDR, 2 },
		{ NFT_SET_NAMES4B, NFT_F_IP_DADDR, 2 },
		{ NFT_SET_NAMES6A, NFT_F_IP6_DADDR, 10 },
		{ NFT_SET_NAMES6B, NFT_F_IP6_DADDR, 10 },
	};
	char instance[EGRESS_INSTANCE_MAX];

	RULE(chain, "no name leads to another network", IN_SET(NFT_SET_OTHERS, NFT_F_OIFNAME), REJECT);
	RULE(chain, "no name leads to link-local addresses", IS_IPV4,
	     expr_match_prefix(NFT_F_IP_DADDR, &link_local), REJECT);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		RULE(chain, "answered for a declared name",
		     expr_match_byte(NFT_F_NFPROTO, sets[i].nfproto),
		     expr_in_instance(sets[i].set, egress_instance(net, instance), sets[i].field),
		     *next);
}

void nft_compile_egress(struct nft_ruleset *rs, const struct network *net, const char *bridge,
			const struct nft_expr *next)
{
	char chain[NFT_NAME_MAX];

	snprintf(chain, sizeof(chain), "egress/%s", net->name);
	chain_begin(rs, NFT_INET, chain);
	RULE(chain, "of no connection", HAS_NO_CONNECTION, DROP);
	RULE(chain, "replies", IS_REPLY, *next);
	RULE(chain, "connections that were let out, and errors about what came in",
	     expr_match_flags(NFT_F_CT_STATE, NFT_CT_ESTABLISHED | NFT_CT_RELATED), *next);
	if (has_prefixes(net, AF_INET))
		RULE(chain, "declared addresses", IS_IPV4,
		     IN_SET(NFT_SET_EGRESS4, NFT_F_IIFNAME, NFT_F_IP_DADDR), *next);
	if (has_prefixes(net, AF_INET6))
		RULE(chain, "declared addresses", IS_IPV6,
		     IN_SET(NFT_SET_EGRESS6, NFT_F_IIFNAME, NFT_F_IP6_DADDR), *next);
	if (network_has_egress_names(net))
		compile_names(rs, net, chain, next);
	RULE(chain, "nothing that egress names", REJECT);
	vec_each (egress, &net->egress) {
		if (egress->name)
			add_note(rs, net, egress);
		else
			add_prefix(rs, bridge, &egress->prefix);
	}
}

struct nft_txn *nft_txn_for_aging(const struct network *const *nets, size_t n, unsigned generation)
{
	const enum nft_set_id sets[] = { generation ? NFT_SET_NAMES4B : NFT_SET_NAMES4A,
					 generation ? NFT_SET_NAMES6B : NFT_SET_NAMES6A };
	struct nft_txn *txn = nft_txn_new();

	for (size_t i = 0; i < n; i++) {
		if (!network_has_egress_names(nets[i]))
			continue;
		for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
			struct nft_op *op = nft_txn_add(txn, NFT_OP_FLUSH_SET, NFT_INET);

			op->set = sets[s];
			egress_instance(nets[i], op->instance);
		}
	}
	return txn;
}

bool nft_txn_adds_names(const struct nft_txn *txn, const struct network *net)
{
	char instance[EGRESS_INSTANCE_MAX];

	egress_instance(net, instance);
	vec_each (op, &txn->ops)
		if (op->kind == NFT_OP_ADD_SET && strcmp(op->instance, instance) == 0)
			return true;
	return false;
}
