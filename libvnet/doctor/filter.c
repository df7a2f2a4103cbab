/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* filter.c - other people's packet filters as values; judge.c follows packets through them */

#include "doctor/filter.h"

#include <endian.h>
#include <linux/netfilter.h>
#include <stdio.h>

const struct packet_field_def packet_fields[PACKET_FIELDS] = {
	[FIELD_OTHER] = { "(not understood)", 0 },
	[FIELD_IIFNAME] = { "iifname", 16 },
	[FIELD_OIFNAME] = { "oifname", 16 },
	[FIELD_NFPROTO] = { "meta nfproto", 1 },
	[FIELD_ETHERTYPE] = { "meta protocol", 2 },
	[FIELD_L4PROTO] = { "meta l4proto", 1 },
	[FIELD_SADDR4] = { "ip saddr", 4 },
	[FIELD_DADDR4] = { "ip daddr", 4 },
	[FIELD_SADDR6] = { "ip6 saddr", 16 },
	[FIELD_DADDR6] = { "ip6 daddr", 16 },
	[FIELD_SPORT] = { "th sport", 2 },
	[FIELD_DPORT] = { "th dport", 2 },
	[FIELD_ICMP_TYPE] = { "icmp type", 1 },
	[FIELD_CT_STATE] = { "ct state", 4 },
	[FIELD_CT_STATUS] = { "ct status", 4 },
	[FIELD_CT_DIRECTION] = { "ct direction", 1 },
	[FIELD_MARK] = { "meta mark", 4 },
	[FIELD_CT_MARK] = { "ct mark", 4 },
	[FIELD_FIB_OIF] = { "fib saddr . iif oif", 4 },
	[FIELD_DADDR_TYPE] = { "fib daddr type", 4 },
	[FIELD_EXTENSION] = { "(extension header)", 0 },
};

const char *filter_family_name(enum filter_family family)
{
	static const char *const names[FILTER_FAMILIES] = { "inet", "ip", "ip6", "arp", "bridge",
							    "netdev" };

	return names[family];
}

const char *filter_hook_name(enum filter_hook hook)
{
	static const char *const names[FILTER_HOOKS] = { "prerouting", "input",   "forward", "output",
							 "postrouting", "ingress", "egress" };

	return names[hook];
}

/* ---- life ---- */

void filter_rule_free(struct filter_rule *rule)
{
	vec_each (match, &rule->matches) {
		vec_free(&match->ranges);
		free(match->set);
	}
	vec_free(&rule->matches);
	vec_each (c, &rule->cases)
		free(c->chain);
	vec_free(&rule->cases);
	free(rule->chain);
	free(rule->comment);
}

void filter_tables_free(filter_table_vec *tables)
{
	vec_each (table, tables) {
		vec_each (chain, &table->chains) {
			vec_each (rule, &chain->rules)
				filter_rule_free(rule);
			vec_free(&chain->rules);
			vec_free(&chain->devices);
			free(chain->name);
		}
		vec_free(&table->chains);
		free(table->name);
	}
	vec_free(tables);
}

static int compare_chain(const void *key, const void *item)
{
	return strcmp(key, ((const struct filter_chain *)item)->name);
}

const struct filter_chain *filter_chain_find(const struct filter_table *table, const char *name)
{
	bool found;
	size_t i = vec_search(&table->chains, name, compare_chain, &found);

	return found ? &table->chains.v[i] : NULL;
}

struct filter_chain *filter_chain_add(struct filter_table *table, const char *name)
{
	bool found;
	size_t i = vec_search(&table->chains, name, compare_chain, &found);
	struct filter_chain *chain;

	if (found)
		return &table->chains.v[i];
	vec_add(&table->chains);
	chain = &table->chains.v[i];
	memmove(chain + 1, chain, (table->chains.n - 1 - i) * sizeof(*chain));
	*chain = (struct filter_chain){ .name = mem_strndup(name, FILTER_NAME_MAX) };
	return chain;
}

struct rule_match *filter_match_add(struct filter_rule *rule, enum packet_field field)
{
	struct rule_match *match = vec_add(&rule->matches);

	match->field = (uint8_t)field;
	match->size = packet_fields[field].size;
	memset(match->mask, 0xff, sizeof(match->mask));
	return match;
}

void filter_match_value(struct rule_match *match, const void *value, size_t size)
{
	struct value_range *range = vec_add(&match->ranges);

	if (!size)
		size = match->size;
	memcpy(range->first, value, size);
	memcpy(range->last, value, size);
}

/* ---- text ---- */

static void bits_text(uint32_t bits, struct strbuf *ret)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
		{ CT_INVALID, "invalid" }, { CT_ESTABLISHED, "established" },
		{ CT_RELATED, "related" }, { CT_NEW, "new" }, { CT_UNTRACKED, "untracked" },
	};
	const char *sep = "";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(bits & names[i].bit))
			continue;
		strbuf_printf(ret, "%s%s", sep, names[i].name);
		sep = ",";
	}
}

static uint32_t number(const uint8_t *value, size_t size)
{
	uint32_t n = 0;

	for (size_t i = 0; i < size && i < 4; i++)
		n = n << 8 | value[i];
	return n;
}

static void value_text(const struct rule_match *match, const uint8_t *value, struct strbuf *ret)
{
	bool is_v4 = match->field == FIELD_SADDR4 || match->field == FIELD_DADDR4;
	struct ip ip = { .family = is_v4 ? AF_INET : AF_INET6 };
	char text[ADDR_TEXT_MAX];

	switch (match->field) {
	case FIELD_IIFNAME:
	case FIELD_OIFNAME:
		strbuf_printf(ret, "\"%.*s%s\"", (int)strnlen((const char *)value, match->size), value,
			      match->size < 16 && value[match->size - 1] ? "*" : "");
		break;
	case FIELD_SADDR4:
	case FIELD_DADDR4:
	case FIELD_SADDR6:
	case FIELD_DADDR6:
		memcpy(ip.b, value, match->size);
		strbuf_append(ret, ip_format(&ip, text));
		break;
	case FIELD_CT_STATE:
		bits_text(number(value, match->size), ret);
		break;
	case FIELD_NFPROTO:
		strbuf_append(ret, value[0] == NFPROTO_IPV6 ? "ipv6" : "ipv4");
		break;
	case FIELD_ETHERTYPE:
	case FIELD_MARK:
	case FIELD_CT_MARK:
	case FIELD_CT_STATUS:
		strbuf_printf(ret, "0x%x", number(value, match->size));
		break;
	default:
		strbuf_printf(ret, "%u", number(value, match->size));
	}
}

/* " & 0xffff", or "/24" of an address. */
static void mask_text(const struct rule_match *match, struct strbuf *ret)
{
	bool is_name = match->field == FIELD_IIFNAME || match->field == FIELD_OIFNAME;
	unsigned bits = 0;

	if (match->is_bits || is_name)
		return;
	for (unsigned i = 0; i < match->size; i++)
		bits += (unsigned)__builtin_popcount(match->mask[i]);
	if (bits == packet_fields[match->field].size * 8u)
		return;
	if (match->field >= FIELD_SADDR4 && match->field <= FIELD_DADDR6)
		strbuf_printf(ret, "/%u", bits);
	else
		strbuf_printf(ret, " & 0x%x", number(match->mask, match->size));
}

static void match_text(const struct rule_match *match, struct strbuf *ret)
{
	const char *sep = match->ranges.n > 1 ? "{ " : "";

	strbuf_append(ret, packet_fields[match->field].name);
	if (match->field == FIELD_OTHER || match->field == FIELD_EXTENSION)
		return;
	strbuf_append(ret, match->is_negated ? " != " : " ");
	if (match->set)
		strbuf_printf(ret, "@%s", match->set);
	if (match->is_bits)
		value_text(match, match->mask, ret);
	vec_each (range, &match->ranges) {
		strbuf_append(ret, sep);
		value_text(match, range->first, ret);
		if (memcmp(range->first, range->last, match->size) != 0) {
			strbuf_append(ret, "-");
			value_text(match, range->last, ret);
		}
		sep = ", ";
	}
	strbuf_append(ret, match->ranges.n > 1 ? " }" : "");
	mask_text(match, ret);
}

void filter_rule_text(const struct filter_rule *rule, struct strbuf *ret)
{
	static const char *const verdicts[] = {
		[RULE_CONTINUE] = "", [RULE_ACCEPT] = "accept", [RULE_DROP] = "drop",
		[RULE_REJECT] = "reject", [RULE_RETURN] = "return", [RULE_JUMP] = "jump ",
		[RULE_GOTO] = "goto ", [RULE_OTHER] = "(verdict not understood)",
	};

	vec_each (match, &rule->matches) {
		match_text(match, ret);
		strbuf_append(ret, " ");
	}
	if (rule->has_map)
		strbuf_printf(ret, "%s vmap { %zu elements }", packet_fields[rule->map_field].name,
			      rule->cases.n);
	else
		strbuf_append(ret, verdicts[rule->verdict]);
	if (rule->chain)
		strbuf_append(ret, rule->chain);
}

/* ---- packets ---- */

void packet_set(struct packet *packet, enum packet_field field, const void *value, size_t size)
{
	packet->known |= 1u << field;
	memset(packet->fields[field], 0, FILTER_VALUE_MAX);
	memcpy(packet->fields[field], value, size);
}

void packet_set_number(struct packet *packet, enum packet_field field, uint32_t value)
{
	uint32_t be = htobe32(value);
	size_t size = packet_fields[field].size;

	packet_set(packet, field, (const uint8_t *)&be + sizeof(be) - size, size);
}

void packet_set_name(struct packet *packet, enum packet_field field, const char *ifname)
{
	packet_set(packet, field, ifname, strnlen(ifname, FILTER_VALUE_MAX - 1));
}
