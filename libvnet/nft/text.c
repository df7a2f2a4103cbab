/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text.c - rulesets and transactions in nft(8) syntax. */

#include "nft/ast.h"
#include "nft/ruleset.h"

#include "base/strbuf.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

struct named { uint32_t value; const char *name; };

static const struct named protocols[] = { { 6, "tcp" }, { 17, "udp" }, { 58, "ipv6-icmp" }, { 0, NULL } };
static const struct named nfprotos[] = { { 2, "ipv4" }, { 10, "ipv6" }, { 0, NULL } };
static const struct named directions[] = { { 0, "original" }, { NFT_CT_REPLY, "reply" }, { 0, NULL } };
static const struct named ct_states[] = {
	{ NFT_CT_INVALID, "invalid" }, { NFT_CT_ESTABLISHED, "established" }, { NFT_CT_RELATED, "related" },
	{ NFT_CT_NEW, "new" },
	{ NFT_CT_UNTRACKED, "untracked" }, { 0, NULL },
};
static const struct named ct_statuses[] = { { NFT_CT_DNAT, "dnat" }, { 0, NULL } };
static const struct named fib_types[] = {
	{ NFT_RTN_LOCAL, "local" }, { NFT_RTN_BROADCAST, "broadcast" },
	{ NFT_RTN_MULTICAST, "multicast" }, { 0, NULL },
};
static const struct named icmp6_types[] = {
	{ 130, "mld-listener-query" }, { 131, "mld-listener-report" },
	{ 132, "mld-listener-done" }, { 133, "nd-router-solicit" },
	{ 134, "nd-router-advert" }, { 135, "nd-neighbor-solicit" },
	{ 136, "nd-neighbor-advert" }, { 137, "nd-redirect" },
	{ 143, "mld2-listener-report" }, { 0, NULL },
};

static const struct named icmp_types[] = {
	{ 0, "echo-reply" }, { 3, "destination-unreachable" }, { 5, "redirect" },
	{ 8, "echo-request" }, { 11, "time-exceeded" }, { 12, "parameter-problem" },
	{ 13, "timestamp-request" }, { 14, "timestamp-reply" }, { 0, NULL }
};
static const struct named tcp_flags[] = {
	{ NFT_TCP_FIN, "fin" }, { NFT_TCP_SYN, "syn" }, { NFT_TCP_RST, "rst" },
	{ NFT_TCP_ACK, "ack" }, { 0, NULL }
};
static const struct named pkttypes[] = { { 1, "broadcast" }, { 2, "multicast" }, { 0, NULL } };
static const struct named arp_operations[] = { { 1, "request" }, { 2, "reply" }, { 0, NULL } };
static const struct named hardware_types[] = { { 1, "ether" }, { 0, NULL } };

static void text_named(struct strbuf *b, const struct named *table, uint32_t value)
{
	for (; table->name; table++) {
		if (table->value == value) {
			strbuf_append(b, table->name);
			return;
		}
	}
	strbuf_printf(b, "%" PRIu32, value);
}

static void text_ip(struct strbuf *b, int family, const uint8_t *bytes)
{
	struct ip ip = { .family = (uint8_t)family };
	char buf[ADDR_TEXT_MAX];

	memcpy(ip.b, bytes, family == AF_INET ? 4 : 16);
	strbuf_append(b, ip_format(&ip, buf));
}

static void text_mac(struct strbuf *b, const uint8_t *bytes)
{
	struct mac mac;
	char buf[ADDR_TEXT_MAX];

	memcpy(mac.b, bytes, 6);
	strbuf_append(b, mac_format(&mac, buf));
}

static void text_bytes(struct strbuf *b, const uint8_t *bytes, size_t size)
{
	strbuf_append(b, "0x");
	for (size_t i = 0; i < size; i++)
		strbuf_printf(b, "%02x", bytes[i]);
}

static void text_tcp_flags(struct strbuf *b, uint8_t flags)
{
	const char *before = "";

	for (const struct named *flag = tcp_flags; flag->name; flag++) {
		if (!(flags & flag->value))
			continue;
		strbuf_printf(b, "%s%s", before, flag->name);
		before = " | ";
	}
}

static void text_verdict(struct strbuf *b, enum nft_verdict code, const char *chain)
{
	static const char *const names[] = { "accept", "drop", "return", "jump", "goto" };

	strbuf_append(b, names[code]);
	if (code == NFT_V_JUMP || code == NFT_V_GOTO)
		strbuf_printf(b, " %s", chain);
}

static void text_value(struct strbuf *b, enum nft_type type, const uint8_t *v)
{
	uint32_t n;

	switch (type) {
	case NFT_T_IFINDEX:
	case NFT_T_IFNAME:
		strbuf_printf(b, "\"%.16s\"", (const char *)v);
		break;
	case NFT_T_ETHER:
		text_mac(b, v);
		break;
	case NFT_T_IP4:
		text_ip(b, AF_INET, v);
		break;
	case NFT_T_IP6:
		text_ip(b, AF_INET6, v);
		break;
	case NFT_T_PROTO:
		text_named(b, protocols, *v);
		break;
	case NFT_T_PORT:
		strbuf_printf(b, "%u", (unsigned)(v[0] << 8 | v[1]));
		break;
	case NFT_T_ICMP6_TYPE:
		text_named(b, icmp6_types, *v);
		break;
	case NFT_T_FIB_TYPE:
		text_named(b, fib_types, *v);
		break;
	case NFT_T_FIB_PRESENT:
		strbuf_append(b, *v ? "exists" : "missing");
		break;
	case NFT_T_ETHER_TYPE:
		strbuf_printf(b, "0x%02x%02x", v[0], v[1]);
		break;
	case NFT_T_VNI:
		memcpy(&n, v, sizeof(n));
		strbuf_printf(b, "0x%x", ntohl(n));
		break;
	case NFT_T_NFPROTO:
		text_named(b, nfprotos, *v);
		break;
	case NFT_T_CT_DIRECTION:
		text_named(b, directions, *v);
		break;
	case NFT_T_CT_STATE:
	case NFT_T_CT_STATUS:
		memcpy(&n, v, sizeof(n));
		text_named(b, type == NFT_T_CT_STATE ? ct_states : ct_statuses, n);
		break;
	case NFT_T_VERDICT:
		text_verdict(b, v[0], (const char *)v + 1);
		break;
	case NFT_T_MARK:
		memcpy(&n, v, sizeof(n));
		strbuf_printf(b, "0x%08" PRIx32, n);
		break;
	case NFT_T_DEVGROUP:
		memcpy(&n, v, sizeof(n));
		strbuf_printf(b, "%" PRIu32, n);
		break;
	case NFT_T_ICMP_TYPE:
		text_named(b, icmp_types, *v);
		break;
	case NFT_T_TCP_FLAGS:
		text_tcp_flags(b, *v);
		break;
	case NFT_T_PKTTYPE:
		text_named(b, pkttypes, *v);
		break;
	case NFT_T_ARP_HEADER: /* the field's text says the rest */
		text_named(b, arp_operations, v[7]);
		break;
	case NFT_T_PREFIX4:
	case NFT_T_PREFIX6:
		text_ip(b, type == NFT_T_PREFIX4 ? AF_INET : AF_INET6, v);
		strbuf_printf(b, "/%u", v[nft_types[type].size - 1]);
		break;
	case NFT_T_BYTES8:
	case NFT_T_BYTES3:
	case NFT_T_BYTES2:
	case NFT_T_BITS16:
		text_bytes(b, v, nft_types[type].size);
		break;
	case NFT_T_BYTE:
		strbuf_printf(b, "%u", *v);
		break;
	case NFT_T_FRAG_OFF:
		strbuf_printf(b, "%u", (unsigned)(v[0] << 8 | v[1]) >> 3);
		break;
	case NFT_T_ARPHRD:
		text_named(b, hardware_types, *v);
		break;
	}
}

static void text_parts(struct strbuf *b, const uint8_t *types, unsigned n, const uint8_t *v)
{
	for (unsigned i = 0; i < n; i++) {
		strbuf_append(b, i ? " . " : "");
		text_value(b, types[i], v);
		v += nft_types[types[i]].size;
	}
}

static void text_limit(struct strbuf *b, uint32_t rate, uint32_t burst)
{
	strbuf_printf(b, "limit rate %" PRIu32 "/second burst %" PRIu32 " packets", rate, burst);
}

void nft_text_elem(struct strbuf *b, enum nft_set_id set, const struct nft_elem *elem)
{
	const struct nft_set_def *def = &nft_sets[set];

	text_parts(b, def->key, def->n_key, elem->key);
	if (def->kind == NFT_LIMITED) {
		uint32_t limit[2];

		memcpy(limit, elem->data, sizeof(limit));
		strbuf_append(b, " ");
		text_limit(b, limit[0], limit[1]);
	}
	if (!def->n_data)
		return;
	strbuf_append(b, " : ");
	text_parts(b, def->data, def->n_data, elem->data);
}

static void text_fields(struct strbuf *b, const struct nft_expr *e)
{
	for (unsigned i = 0; i < e->n_fields; i++)
		strbuf_printf(b, "%s%s", i ? " . " : "", nft_fields[e->fields[i]].text);
}

static void text_match(struct strbuf *b, const struct nft_expr *e)
{
	enum nft_type type = nft_fields[e->fields[0]].type;
	bool is_address = type == NFT_T_IP4 || type == NFT_T_IP6;

	text_fields(b, e);
	if (e->match.is_masked &&
	    (type == NFT_T_ETHER || type == NFT_T_BITS16 || type == NFT_T_PORT ||
	     type == NFT_T_TCP_FLAGS)) {
		strbuf_append(b, type == NFT_T_TCP_FLAGS ? " & (" : " & ");
		text_value(b, type, e->match.mask);
		strbuf_append(b, type == NFT_T_TCP_FLAGS ? ")" : "");
		strbuf_append(b, e->negate ? "" : " ==");
	}
	strbuf_append(b, e->kind == NFT_E_LESS ? " < " : e->negate ? " != " : " ");
	text_value(b, type, e->match.value);
	if (e->match.is_masked && is_address)
		strbuf_printf(b, "/%u", e->match.prefix_len);
}

static void text_port_range(struct strbuf *b, const struct port_range *ports)
{
	if (!ports->first)
		return;
	strbuf_printf(b, ":%u", ports->first);
	if (ports->last != ports->first)
		strbuf_printf(b, "-%u", ports->last);
}

static void text_snat(struct strbuf *b, const struct nft_expr *e)
{
	const struct ip_range *to = &e->nat.to;
	bool is_range = ip_cmp(&to->first, &to->last) != 0;
	/* nft wants brackets where a port follows an IPv6 address. */
	bool brackets = to->first.family == AF_INET6 && e->nat.ports.first;
	char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX];
	const char *open = brackets ? "[" : "", *close = brackets ? "]" : "";

	strbuf_printf(b, "snat %s to %s%s%s", to->first.family == AF_INET ? "ip" : "ip6", open,
		      ip_format(&to->first, first), close);
	if (is_range)
		strbuf_printf(b, "-%s%s%s", open, ip_format(&to->last, last), close);
	text_port_range(b, &e->nat.ports);
	if (is_range)
		strbuf_append(b, " persistent");
}

static void text_flags(struct strbuf *b, const struct nft_expr *e)
{
	const char *separator = " ";

	text_fields(b, e);
	for (uint32_t left = e->flags; left; left &= left - 1) {
		uint32_t bit = left & -left;
		uint8_t value[4];

		memcpy(value, &bit, sizeof(value));
		strbuf_append(b, separator);
		text_value(b, nft_fields[e->fields[0]].type, value);
		separator = ",";
	}
}

static void text_expr(struct strbuf *b, const struct nft_expr *e)
{
	switch (e->kind) {
	case NFT_E_MATCH:
	case NFT_E_LESS:
		text_match(b, e);
		break;
	case NFT_E_FLAGS:
		text_flags(b, e);
		break;
	case NFT_E_LOOKUP:
		text_fields(b, e);
		strbuf_printf(b, " %s@%s", e->negate ? "!= " : "",
			      nft_set_name(e->set, e->instance, (char[NFT_SET_NAME_MAX]){ 0 }));
		break;
	case NFT_E_VMAP:
		text_fields(b, e);
		strbuf_printf(b, " vmap @%s", nft_sets[e->set].name);
		break;
	case NFT_E_DNAT:
		strbuf_printf(b, "dnat %s to ",
			      nft_sets[e->set].data[0] == NFT_T_IP4 ? "ip" : "ip6");
		text_fields(b, e);
		strbuf_printf(b, " map @%s", nft_sets[e->set].name);
		break;
	case NFT_E_VERDICT:
		text_verdict(b, e->verdict.code, e->verdict.chain);
		break;
	case NFT_E_COUNTER:
		strbuf_append(b, "counter");
		break;
	case NFT_E_LOG:
		strbuf_append(b, "log");
		if (e->log.prefix[0])
			strbuf_printf(b, " prefix \"%s\"", e->log.prefix);
		strbuf_printf(b, " group %u snaplen %u", e->log.group, e->log.snaplen);
		break;
	case NFT_E_LIMIT:
		text_limit(b, e->limit.rate, e->limit.burst);
		break;
	case NFT_E_REJECT:
		strbuf_append(b, "reject with icmpx admin-prohibited");
		break;
	case NFT_E_MASQUERADE:
		strbuf_append(b, "masquerade");
		if (e->nat.ports.first)
			strbuf_append(b, " to ");
		text_port_range(b, &e->nat.ports);
		break;
	case NFT_E_SNAT:
		text_snat(b, e);
		break;
	case NFT_E_RANGE:
		text_fields(b, e);
		strbuf_printf(b, " %u-%u", e->nat.ports.first, e->nat.ports.last);
		break;
	case NFT_E_LABEL:
		strbuf_printf(b, "ct label %d", NFT_CUT_LABEL);
		break;
	case NFT_E_SET_LABEL:
		strbuf_printf(b, "ct label set %d", NFT_CUT_LABEL);
		break;
	case NFT_E_SET_ZONE:
		strbuf_printf(b, "ct zone set %" PRIu32, e->mark);
		break;
	case NFT_E_SET_MARK:
		strbuf_printf(b, "meta mark set 0x%08" PRIx32, e->mark);
		break;
	case NFT_E_TRACE:
		strbuf_append(b, "meta nftrace set 1");
		break;
	case NFT_E_COUNT:
		strbuf_printf(b, "update @%s { ", nft_sets[e->set].name);
		text_fields(b, e);
		strbuf_append(b, " }");
		break;
	}
}

void nft_text_rule(struct strbuf *b, const struct nft_rule *rule)
{
	if (!rule->exprs.n)     /* from a dump: nft reads it as a comment line */
		strbuf_append(b, "#");
	vec_each (e, &rule->exprs) {
		strbuf_append(b, e == rule->exprs.v ? "" : " ");
		text_expr(b, e);
	}
	if (rule->comment[0])
		strbuf_printf(b, " comment \"%s\"", rule->comment);
}

static void text_set_type(struct strbuf *b, const struct nft_set_def *def)
{
	bool by_field = nft_set_is_typeof(def);

	strbuf_append(b, by_field ? "typeof " : "type ");
	for (unsigned i = 0; i < def->n_key; i++)
		strbuf_printf(b, "%s%s", i ? " . " : "",
			      by_field ? nft_fields[nft_type_field(def->key[i])].text
				       : nft_types[def->key[i]].name);
	for (unsigned i = 0; i < def->n_data; i++)
		strbuf_printf(b, "%s%s", i ? " . " : " : ", nft_types[def->data[i]].name);
}

static void text_set_kind(struct strbuf *b, const struct nft_set_def *def, const char *before,
			  const char *after)
{
	if (nft_set_max(def))
		strbuf_printf(b, "%ssize %u%s", before, nft_set_max(def), after);
	if (def->kind == NFT_COUNTED)
		strbuf_printf(b, "%sflags dynamic%s%scounter%s", before, after, before, after);
	if (def->kind == NFT_INTERVALS)
		strbuf_printf(b, "%sflags interval%s", before, after);
	if (def->kind == NFT_FILLED)
		strbuf_printf(b, "%stimeout %ds%s", before, NFT_FILLED_TIMEOUT, after);
	if (def->kind == NFT_LIMITED)
		strbuf_printf(b, "%slimit rate %d/second%s", before, NFT_LIMITED_RATE, after);
}

static void text_set_head(struct strbuf *b, enum nft_set_id id, const char *instance)
{
	const struct nft_set_def *def = &nft_sets[id];
	char name[NFT_SET_NAME_MAX];

	strbuf_printf(b, "\t%s %s {\n\t\t", def->n_data ? "map" : "set",
		      nft_set_name(id, instance, name));
	text_set_type(b, def);
	strbuf_append(b, "\n");
	text_set_kind(b, def, "\t\t", "\n");
}

static void text_set(struct strbuf *b, enum nft_set_id id, const struct nft_set *set)
{
	text_set_head(b, id, "");
	if (set->elems.n) {
		strbuf_append(b, "\t\telements = {\n");
		vec_each (elem, &set->elems) {
			strbuf_append(b, "\t\t\t");
			nft_text_elem(b, id, elem);
			strbuf_append(b, elem == &set->elems.v[set->elems.n - 1] ? "\n" : ",\n");
		}
		strbuf_append(b, "\t\t}\n");
	}
	strbuf_append(b, "\t}\n\n");
}

static void text_base(struct strbuf *b, const struct nft_base *base, const char *chain)
{
	bool has_device = base->hook == NFT_HOOK_EGRESS;

	strbuf_printf(b, "type %s hook %s ", base->is_nat ? "nat" : "filter",
		      nft_hook_names[base->hook]);
	if (has_device)
		strbuf_printf(b, "device \"%s\" ", chain);
	strbuf_printf(b, "priority %d; policy %s;", base->priority, has_device ? "drop" : "accept");
}

static void text_chain(struct strbuf *b, const struct nft_chain *chain)
{
	strbuf_printf(b, "\tchain %s {\n", chain->name);
	if (chain->base.is_base) {
		strbuf_append(b, "\t\t");
		text_base(b, &chain->base, chain->name);
		strbuf_append(b, "\n");
	}
	vec_each (rule, &chain->rules) {
		strbuf_append(b, "\t\t");
		nft_text_rule(b, rule);
		strbuf_append(b, "\n");
	}
	strbuf_append(b, "\t}\n\n");
}

static void text_table(struct strbuf *b, const struct nft_ruleset *rs, enum nft_family family)
{
	const struct nft_table *table = &rs->tables[family];

	strbuf_printf(b, "table %s " NFT_TABLE_NAME " {\n\tcomment \"" NFT_TABLE_COMMENT_PREFIX "%d\"\n\n",
		      nft_family_names[family], NFT_LAYOUT);
	for (int i = 0; i < NFT_SETS; i++)
		if (nft_sets[i].family == family && rs->sets[i].exists)
			text_set(b, i, &rs->sets[i]);
	vec_each (instance, &rs->instances)
		if (nft_sets[instance->set].family == family) {
			text_set_head(b, instance->set, instance->of);
			strbuf_append(b, "\t}\n\n");
		}
	for (int is_base = 1; is_base >= 0; is_base--)
		vec_each (chain, &table->chains)
			if (chain->base.is_base == is_base)
				text_chain(b, chain);
	b->s[--b->len] = '\0'; /* the blank line after the comment or the last block */
	strbuf_append(b, "}\n\n");
}

char *nft_ruleset_to_text(const struct nft_ruleset *rs)
{
	struct strbuf b = { 0 };

	for (int f = 0; rs && f < NFT_FAMILIES; f++)
		if (rs->tables[f].exists)
			text_table(&b, rs, f);
	if (b.len)
		b.s[--b.len] = '\0';
	return strbuf_take(&b);
}

static void text_add_chain(struct strbuf *b, const struct nft_op *op)
{
	strbuf_printf(b, "add chain %s " NFT_TABLE_NAME " %s", nft_family_names[op->family], op->chain);
	if (op->base.is_base) {
		strbuf_append(b, " { ");
		text_base(b, &op->base, op->chain);
		strbuf_append(b, " }");
	}
}

static void text_add_set(struct strbuf *b, const struct nft_op *op)
{
	const struct nft_set_def *def = &nft_sets[op->set];

	strbuf_printf(b, "add %s %s " NFT_TABLE_NAME " %s { ", def->n_data ? "map" : "set",
		      nft_family_names[op->family],
		      nft_set_name(op->set, op->instance, (char[NFT_SET_NAME_MAX]){ 0 }));
	text_set_type(b, def);
	strbuf_append(b, "; ");
	text_set_kind(b, def, "", "; ");
	strbuf_append(b, "}");
}

static void text_elems(struct strbuf *b, const struct nft_txn *txn, const struct nft_op *op)
{
	bool is_add = op->kind == NFT_OP_ADD_ELEMS;

	strbuf_printf(b, "%s element %s " NFT_TABLE_NAME " %s { ", is_add ? "add" : "delete",
		      nft_family_names[op->family],
		      nft_set_name(op->set, op->instance, (char[NFT_SET_NAME_MAX]){ 0 }));
	for (size_t i = 0; i < op->n; i++) {
		strbuf_append(b, i ? ", " : "");
		nft_text_elem(b, op->set, &txn->elems.v[op->first + i]);
	}
	strbuf_append(b, " }");
}

static void text_op(struct strbuf *b, const struct nft_txn *txn, const struct nft_op *op)
{
	const char *family = nft_family_names[op->family];

	switch (op->kind) {
	case NFT_OP_ADD_TABLE:
		strbuf_printf(b, "add table %s " NFT_TABLE_NAME " { comment \"" NFT_TABLE_COMMENT_PREFIX
			      "%d\"; }", family, NFT_LAYOUT);
		break;
	case NFT_OP_DEL_TABLE:
		strbuf_printf(b, "delete table %s " NFT_TABLE_NAME, family);
		break;
	case NFT_OP_ADD_CHAIN:
		text_add_chain(b, op);
		break;
	case NFT_OP_DEL_CHAIN:
	case NFT_OP_FLUSH_CHAIN:
		strbuf_printf(b, "%s chain %s " NFT_TABLE_NAME " %s",
			      op->kind == NFT_OP_DEL_CHAIN ? "delete" : "flush", family, op->chain);
		break;
	case NFT_OP_ADD_RULE:
		strbuf_printf(b, "add rule %s " NFT_TABLE_NAME " %s ", family, op->chain);
		nft_text_rule(b, &op->rule);
		break;
	case NFT_OP_ADD_SET:
		text_add_set(b, op);
		break;
	case NFT_OP_DEL_SET:
	case NFT_OP_FLUSH_SET:
		strbuf_printf(b, "%s %s %s " NFT_TABLE_NAME " %s",
			      op->kind == NFT_OP_DEL_SET ? "delete" : "flush",
			      nft_sets[op->set].n_data ? "map" : "set", family,
			      nft_set_name(op->set, op->instance, (char[NFT_SET_NAME_MAX]){ 0 }));
		break;
	case NFT_OP_ADD_ELEMS:
	case NFT_OP_DEL_ELEMS:
		text_elems(b, txn, op);
		break;
	}
	strbuf_append(b, "\n");
}

char *nft_txn_to_text(const struct nft_txn *txn)
{
	struct strbuf b = { 0 };

	vec_each (op, &txn->ops)
		text_op(&b, txn, op);
	return strbuf_take(&b);
}

char *nft_op_object(const struct nft_txn *txn, const struct nft_op *op)
{
	const char *family = nft_family_names[op->family];
	char buf[NFT_SET_NAME_MAX];
	const char *name = nft_set_name(op->set, op->instance, buf);
	struct strbuf b = { 0 };

	switch (op->kind) {
	case NFT_OP_ADD_TABLE:
	case NFT_OP_DEL_TABLE:
		break;
	case NFT_OP_ADD_CHAIN:
	case NFT_OP_DEL_CHAIN:
	case NFT_OP_FLUSH_CHAIN:
		strbuf_printf(&b, "chain %s of ", op->chain);
		break;
	case NFT_OP_ADD_RULE:
		strbuf_printf(&b, "rule \"%s\" in chain %s of ", op->rule.comment, op->chain);
		break;
	case NFT_OP_ADD_SET:
	case NFT_OP_DEL_SET:
	case NFT_OP_FLUSH_SET:
		strbuf_printf(&b, "set %s of ", name);
		break;
	case NFT_OP_ADD_ELEMS:
	case NFT_OP_DEL_ELEMS:
		strbuf_append(&b, "element ");
		nft_text_elem(&b, op->set, &txn->elems.v[op->first]);
		strbuf_printf(&b, "%s of set %s of ", op->n > 1 ? " and following" : "", name);
		break;
	}
	strbuf_printf(&b, "table %s " NFT_TABLE_NAME, family);
	return strbuf_take(&b);
}

static void summarize(struct strbuf *b, size_t n, const char *what, const char *done)
{
	if (n)
		strbuf_printf(b, "%s%zu %s%s %s", b->len ? ", " : "", n, what, n == 1 ? "" : "s", done);
}

char *nft_txn_summary(const struct nft_txn *txn)
{
	size_t n[NFT_OP_DEL_ELEMS + 1] = { 0 };
	struct strbuf b = { 0 };

	vec_each (op, &txn->ops)
		n[op->kind] += op->n ? op->n : 1;
	summarize(&b, n[NFT_OP_ADD_TABLE], "table", "added");
	summarize(&b, n[NFT_OP_DEL_TABLE], "table", "deleted");
	summarize(&b, n[NFT_OP_ADD_SET], "set", "added");
	summarize(&b, n[NFT_OP_DEL_SET], "set", "deleted");
	summarize(&b, n[NFT_OP_FLUSH_SET], "set", "emptied");
	summarize(&b, n[NFT_OP_ADD_CHAIN], "chain", "added");
	summarize(&b, n[NFT_OP_DEL_CHAIN], "chain", "deleted");
	summarize(&b, n[NFT_OP_ADD_RULE], "rule", "written");
	summarize(&b, n[NFT_OP_ADD_ELEMS], "element", "added");
	summarize(&b, n[NFT_OP_DEL_ELEMS], "element", "deleted");
	if (!b.len)
		strbuf_append(&b, "nothing to do");
	return strbuf_take(&b);
}
