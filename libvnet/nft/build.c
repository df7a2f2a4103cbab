/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* build.c - expressions, rules and elements, put together. */

#include "nft/build.h"

#include <stdio.h>
#include <string.h>

struct nft_expr expr_verdict(enum nft_verdict code)
{
	return (struct nft_expr){ .kind = NFT_E_VERDICT, .verdict.code = code };
}

struct nft_expr expr_to_chain(enum nft_verdict code, const char *chain)
{
	struct nft_expr e = expr_verdict(code);

	strncpy(e.verdict.chain, chain, sizeof(e.verdict.chain) - 1);
	return e;
}

struct nft_expr expr_simple(enum nft_expr_kind kind)
{
	return (struct nft_expr){ .kind = kind };
}

struct nft_expr expr_on_fields(enum nft_expr_kind kind, enum nft_set_id set, unsigned n,
			       const enum nft_field *fields)
{
	struct nft_expr e = { .kind = kind, .set = set, .n_fields = (uint8_t)n };

	for (unsigned i = 0; i < n; i++)
		e.fields[i] = (uint8_t)fields[i];
	return e;
}

struct nft_expr expr_in_instance(enum nft_set_id set, const char *instance, enum nft_field field)
{
	struct nft_expr e = expr_on_fields(NFT_E_LOOKUP, set, 1, &field);

	snprintf(e.instance, sizeof(e.instance), "%s", instance);
	return e;
}

struct nft_expr expr_not_in(struct nft_expr e)
{
	e.negate = true;
	return e;
}

struct nft_expr expr_match(enum nft_field field, const void *value, size_t size)
{
	struct nft_expr e = expr_on_fields(NFT_E_MATCH, 0, 1, &field);

	memcpy(e.match.value, value, size);
	return e;
}

struct nft_expr expr_match_byte(enum nft_field field, uint8_t value)
{
	return expr_match(field, &value, 1);
}

struct nft_expr expr_match_be16(enum nft_field field, uint16_t value)
{
	return expr_match(field, (const uint8_t[]){ (uint8_t)(value >> 8), (uint8_t)value }, 2);
}

struct nft_expr expr_less(enum nft_field field, const void *value, size_t size)
{
	struct nft_expr e = expr_match(field, value, size);

	e.kind = NFT_E_LESS;
	return e;
}

struct nft_expr expr_has_bit_be16(enum nft_field field, uint16_t bits)
{
	struct nft_expr e = expr_match_be16(field, 0);

	e.match.mask[0] = (uint8_t)(bits >> 8);
	e.match.mask[1] = (uint8_t)bits;
	e.match.is_masked = true;
	return expr_not_in(e);
}

struct nft_expr is_fragment(enum nft_field field)
{
	return expr_has_bit_be16(field, field == NFT_F_IP_FRAGMENT ? 0x1fff : 0xfff8);
}

struct nft_expr expr_set_mark(uint32_t mark)
{
	struct nft_expr e = expr_simple(NFT_E_SET_MARK);

	e.mark = mark;
	return e;
}

struct nft_expr expr_log(uint16_t group, uint16_t snaplen)
{
	struct nft_expr e = expr_simple(NFT_E_LOG);

	e.log.group = group;
	e.log.snaplen = snaplen;
	return e;
}

struct nft_expr expr_match_name(enum nft_field field, const char *name)
{
	return expr_match(field, name, strlen(name));
}

struct nft_expr expr_match_prefix(enum nft_field field, const struct prefix *p)
{
	struct ip mask = prefix_netmask(p);
	struct nft_expr e = expr_match(field, p->addr.b, ip_size(&p->addr));

	memcpy(e.match.mask, mask.b, sizeof(e.match.mask));
	e.match.is_masked = p->len < ip_bits(&p->addr);
	e.match.prefix_len = p->len;
	return e;
}

struct nft_expr expr_port_range(enum nft_field field, const struct port_range *ports)
{
	struct nft_expr e = expr_on_fields(NFT_E_RANGE, 0, 1, &field);

	if (ports->first == ports->last)
		return expr_match_be16(field, ports->first);
	e.nat.ports = *ports;
	return e;
}

struct nft_expr expr_match_flags(enum nft_field field, uint32_t flags)
{
	struct nft_expr e = expr_on_fields(NFT_E_FLAGS, 0, 1, &field);

	e.flags = flags;
	return e;
}

void rule_add(struct nft_ruleset *rs, enum nft_family family, const char *chain,
	      const char *comment, const struct nft_expr *exprs, size_t n)
{
	struct nft_rule *rule = vec_add(&nft_chain_add(rs, family, chain)->rules);

	for (size_t i = 0; i < n; i++)
		vec_push(&rule->exprs, exprs[i]);
	snprintf(rule->comment, sizeof(rule->comment), "%s", comment);
	nft_rule_seal(rule);
}

bool chain_begin(struct nft_ruleset *rs, enum nft_family family, const char *name)
{
	if (nft_chain_find(rs, family, name))
		return false;
	rs->tables[family].exists = true;
	nft_chain_add(rs, family, name);
	return true;
}

bool chain_begin_base(struct nft_ruleset *rs, enum nft_family family, const char *name,
		      enum nft_hook hook, int priority, bool is_nat)
{
	if (!chain_begin(rs, family, name))
		return false;
	nft_chain_find(rs, family, name)->base = (struct nft_base){
		.is_base = true,
		.is_nat = is_nat,
		.hook = (uint8_t)hook,
		.priority = priority,
	};
	return true;
}

void elem_put(struct elem_writer *w, const void *value, size_t size)
{
	memcpy(w->at, value, size);
	w->at += size;
}

void elem_put_name(struct elem_writer *w, const char *name)
{
	memcpy(w->at, name, strnlen(name, 15));
	w->at += 16;
}

void elem_put_port(struct elem_writer *w, uint16_t port)
{
	*w->at++ = (uint8_t)(port >> 8);
	*w->at++ = (uint8_t)port;
}

void elem_put_vni(struct elem_writer *w, uint32_t vni)
{
	elem_put_port(w, (uint16_t)(vni >> 8));
	*w->at++ = (uint8_t)vni;
	*w->at++ = 0;
}

void elem_put_ip(struct elem_writer *w, const struct ip *ip)
{
	elem_put(w, ip->b, ip_size(ip));
}

void elem_add(struct nft_ruleset *rs, enum nft_set_id set, const struct nft_elem *elem)
{
	vec_push(&rs->sets[set].elems, *elem);
}

void elem_add_name(struct nft_ruleset *rs, enum nft_set_id set, const char *first,
		   const char *second)
{
	struct nft_elem elem = { 0 };
	struct elem_writer w = { elem.key };

	elem_put_name(&w, first);
	if (second)
		elem_put_name(&w, second);
	elem_add(rs, set, &elem);
}

void elem_add_byte(struct nft_ruleset *rs, enum nft_set_id set, uint8_t value)
{
	struct nft_elem elem = { .key = { value } };

	elem_add(rs, set, &elem);
}

void elem_add_jump(struct nft_ruleset *rs, enum nft_set_id map, const char *bridge,
		   const char *chain)
{
	struct nft_elem elem = { .data = { NFT_V_JUMP } };
	struct elem_writer w = { elem.key };

	elem_put_name(&w, bridge);
	memcpy(elem.data + 1, chain, strlen(chain));
	elem_add(rs, map, &elem);
}
