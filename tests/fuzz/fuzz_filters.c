/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_filters.c - other people's rules, with any bytes in them
 *
 * The first byte says what follows: 0 to 5 the expressions of a rule of that family, as
 * nftables tells them; 6 and 7 a table of iptables or ip6tables: 44 bytes of hooks, then
 * its entries. What was read is put into words, and a packet goes through it.
 */

#include "base/strbuf.h"
#include "kernel/filters.h"
#include "kernel/nl.h"
#include "tests/fuzz/must.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool no_name(void *context, unsigned index, char ret_name[16])
{
	(void)context;
	(void)ret_name;
	(void)index;
	return false;
}

/* As read from the kernel: everything is judged, and nothing is read past its end. */
static void check_table(struct filter_table *table)
{
	struct packet packet = { .family = AF_INET, .hook = HOOK_FORWARD };
	struct strbuf text = { 0 };

	packet_set_name(&packet, FIELD_IIFNAME, "vn-blue");
	packet_set_number(&packet, FIELD_L4PROTO, 6);
	packet_set_number(&packet, FIELD_CT_STATE, CT_NEW);
	vec_each (chain, &table->chains) {
		struct judgement j = filter_judge(table, chain, &packet, false);

		must(j.fate == FATE_PASSES || j.chain);
		vec_each (rule, &chain->rules) {
			vec_each (match, &rule->matches)
				must(match->field < PACKET_FIELDS && match->size <= FILTER_VALUE_MAX);
			filter_rule_text(rule, &text);
		}
	}
	strbuf_free(&text);
}

static void read_rule(const uint8_t *data, size_t size, enum filter_family family)
{
	static const struct nft_devices devices = { .name = no_name };
	filter_table_vec tables = { 0 };
	struct filter_table *table = vec_add(&tables);
	filter_lookup_vec lookups = { 0 };
	struct nlattr *nest;

	if (size > UINT16_MAX - sizeof(*nest))
		size = UINT16_MAX - sizeof(*nest);
	nest = mem_alloc(sizeof(*nest) + size);
	nest->nla_len = (uint16_t)(sizeof(*nest) + size);
	memcpy(nest + 1, data, size);
	table->family = family;
	filter_rule_read(nest, family, &devices, vec_add(&filter_chain_add(table, "c")->rules), &lookups);
	vec_each (lookup, &lookups)
		must(lookup->is_map || lookup->match < table->chains.v[0].rules.v[0].matches.n);
	check_table(table);
	vec_free(&lookups);
	filter_tables_free(&tables);
	free(nest);
}

static void read_legacy(const uint8_t *data, size_t size, enum filter_family family)
{
	uint32_t hooks[11] = { 0 };
	filter_table_vec tables = { 0 };
	struct filter_table *table = vec_add(&tables);
	uint8_t *entries;

	if (size >= sizeof(hooks)) {
		memcpy(hooks, data, sizeof(hooks));
		entries = mem_alloc(size - sizeof(hooks) + 1);
		memcpy(entries, data + sizeof(hooks), size - sizeof(hooks));
		table->family = family;
		filter_legacy_parse(table, entries, size - sizeof(hooks), hooks[0], hooks + 1, hooks + 6);
		check_table(table);
		free(entries);
	}
	filter_tables_free(&tables);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] % 8 < FILTER_FAMILIES)
		read_rule(data + 1, size - 1, data[0] % 8);
	else
		read_legacy(data + 1, size - 1, data[0] % 8 == 6 ? FILTER_IP : FILTER_IP6);
	return 0;
}
