/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_NFT_BUILD_H
#define VNET_NFT_BUILD_H

/* build.h - the words in which compile*.c say rules and elements; private to nft/ */

#include "nft/ast.h"

/* Expressions, named as nft(8) spells them. */
struct nft_expr expr_verdict(enum nft_verdict code);
struct nft_expr expr_to_chain(enum nft_verdict code, const char *chain);
struct nft_expr expr_simple(enum nft_expr_kind kind);
struct nft_expr expr_on_fields(enum nft_expr_kind kind, enum nft_set_id set, unsigned n,
			       const enum nft_field *fields);
struct nft_expr expr_in_instance(enum nft_set_id set, const char *instance, enum nft_field field);
struct nft_expr expr_not_in(struct nft_expr e);
struct nft_expr expr_match(enum nft_field field, const void *value, size_t size);
struct nft_expr expr_match_byte(enum nft_field field, uint8_t value);
struct nft_expr expr_match_be16(enum nft_field field, uint16_t value);
struct nft_expr expr_less(enum nft_field field, const void *value, size_t size);
/* One of these bits of a 16-bit field is set. */
struct nft_expr expr_has_bit_be16(enum nft_field field, uint16_t bits);
/* A fragment, but not the first. */
struct nft_expr is_fragment(enum nft_field field);
struct nft_expr expr_set_mark(uint32_t mark);
struct nft_expr expr_log(uint16_t group, uint16_t snaplen);
struct nft_expr expr_match_name(enum nft_field field, const char *name);
struct nft_expr expr_match_prefix(enum nft_field field, const struct prefix *p);
struct nft_expr expr_port_range(enum nft_field field, const struct port_range *ports);
struct nft_expr expr_match_flags(enum nft_field field, uint32_t flags);

#define FIELDS(...)                                                                                \
	sizeof((enum nft_field[]){ __VA_ARGS__ }) / sizeof(enum nft_field), (enum nft_field[])     \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define IN_SET(set, ...) expr_on_fields(NFT_E_LOOKUP, set, FIELDS(__VA_ARGS__))
#define VMAP(set, ...) expr_on_fields(NFT_E_VMAP, set, FIELDS(__VA_ARGS__))
#define DNAT(set, ...) expr_on_fields(NFT_E_DNAT, set, FIELDS(__VA_ARGS__))

/* Takes the frame for this reason, unless the port is waived from it: then it goes on. */
#define REFUSE_FOR(reason) expr_set_mark(reason), expr_to_chain(NFT_V_JUMP, NFT_CHAIN_REFUSE)
#define ACCEPT expr_verdict(NFT_V_ACCEPT)
#define DROP expr_simple(NFT_E_COUNTER), expr_verdict(NFT_V_DROP)
#define REJECT expr_simple(NFT_E_COUNTER), expr_simple(NFT_E_REJECT)
#define IS_IPV4 expr_match_byte(NFT_F_NFPROTO, 2)
#define IS_IPV6 expr_match_byte(NFT_F_NFPROTO, 10)
#define IS_REPLY expr_match_byte(NFT_F_CT_DIRECTION, NFT_CT_REPLY)
#define IS_RELATED expr_match_flags(NFT_F_CT_STATE, NFT_CT_RELATED)
#define HAS_NO_CONNECTION expr_match_flags(NFT_F_CT_STATE, NFT_CT_INVALID | NFT_CT_UNTRACKED)
#define IS_DNATED expr_match_flags(NFT_F_CT_STATUS, NFT_CT_DNAT)

/* Rules are appended to their chain, complete. */
void rule_add(struct nft_ruleset *rs, enum nft_family family, const char *chain,
	      const char *comment, const struct nft_expr *exprs, size_t n);
#define EXPRS(...)                                                                                 \
	(struct nft_expr[]){ __VA_ARGS__ },                                                        \
		sizeof((struct nft_expr[]){ __VA_ARGS__ }) / sizeof(struct nft_expr)
#define BRIDGE_RULE(chain, comment, ...)                                                           \
	rule_add(rs, NFT_BRIDGE, chain, comment, EXPRS(__VA_ARGS__))
#define DEVICE_RULE(chain, comment, ...)                                                           \
	rule_add(rs, NFT_NETDEV, chain, comment, EXPRS(__VA_ARGS__))
#define RULE(chain, comment, ...) rule_add(rs, NFT_INET, chain, comment, EXPRS(__VA_ARGS__))

/* False when the chain exists already: its rules are written then. */
bool chain_begin(struct nft_ruleset *rs, enum nft_family family, const char *name);
bool chain_begin_base(struct nft_ruleset *rs, enum nft_family family, const char *name,
		      enum nft_hook hook, int priority, bool is_nat);

/* Elements.  Parts are appended in the order of the set's key. */
struct elem_writer {
	uint8_t *at;
};
void elem_put(struct elem_writer *w, const void *value, size_t size);
void elem_put_name(struct elem_writer *w, const char *name);
void elem_put_port(struct elem_writer *w, uint16_t port); /* or an ethertype */
void elem_put_vni(struct elem_writer *w, uint32_t vni);
void elem_put_ip(struct elem_writer *w, const struct ip *ip);
/* Sorted later, all at once. */
void elem_add(struct nft_ruleset *rs, enum nft_set_id set, const struct nft_elem *elem);
/* One device name, or two. */
void elem_add_name(struct nft_ruleset *rs, enum nft_set_id set, const char *first,
		   const char *second);
void elem_add_byte(struct nft_ruleset *rs, enum nft_set_id set, uint8_t value);
void elem_add_jump(struct nft_ruleset *rs, enum nft_set_id map, const char *bridge,
		   const char *chain);

#endif
