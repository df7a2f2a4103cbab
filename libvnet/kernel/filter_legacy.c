/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * filter_legacy.c - tables of iptables without nftables, read as values
 *
 * iptables asks for them by getsockopt() on any IP socket: one block of entries,
 * in which chains are only offsets.  A user's chain begins with an ERROR target
 * that holds its name, a built-in one where hook_entry says, and the policy is the
 * entry where underflow says.
 */

#include "kernel/filters.h"
#include "kernel/privileged.h"

#include <errno.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENTRIES_MAX (16 * 1024 * 1024)

/* Both families' entries differ in their first part only. */
struct shape {
	enum filter_family family;
	int domain, level, get_info, get_entries;
	size_t entry_size, target_offset, next_offset;
};
static const struct shape shapes[] = {
	{ FILTER_IP, AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES,
	  sizeof(struct ipt_entry), offsetof(struct ipt_entry, target_offset), offsetof(struct ipt_entry, next_offset) },
	{ FILTER_IP6, AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES,
	  sizeof(struct ip6t_entry), offsetof(struct ip6t_entry, target_offset), offsetof(struct ip6t_entry, next_offset) },
};

struct head { size_t first; const char *name; };

struct legacy {
	const struct shape *shape;
	struct filter_table *table;
	const uint8_t *entries;
	size_t size;
	uint32_t valid_hooks;
	const uint32_t *hook_entry, *underflow;
	VEC(struct head) heads; /* of users' chains, by the offset of their first rule */
};

static uint16_t u16_at(const uint8_t *entry, size_t offset)
{
	uint16_t v;

	memcpy(&v, entry + offset, sizeof(v));
	return v;
}

/* The entry's whole length, or 0: it is cut off. */
static size_t entry_length(const struct legacy *l, size_t at)
{
	size_t left = l->size - at, next, target;

	if (left < l->shape->entry_size)
		return 0;
	next = u16_at(l->entries + at, l->shape->next_offset);
	target = u16_at(l->entries + at, l->shape->target_offset);
	if (next > left || target < l->shape->entry_size || target + sizeof(struct xt_entry_target) > next)
		return 0;
	return next;
}

static const char *hook_chain(int hook)
{
	static const char *const names[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

	return names[hook];
}

static const char *target_name(const struct legacy *l, size_t at, const uint8_t **ret_data, size_t *ret_size)
{
	const uint8_t *target = l->entries + at + u16_at(l->entries + at, l->shape->target_offset);

	*ret_data = target + sizeof(struct xt_entry_target);
	*ret_size = (size_t)(l->entries + at + u16_at(l->entries + at, l->shape->next_offset) - *ret_data);
	return (const char *)target + offsetof(struct xt_entry_target, u.user.name);
}

/* The name of the chain that begins at this offset, or NULL: none does. */
static const char *chain_at(const struct legacy *l, size_t at, size_t *ret_first)
{
	const uint8_t *data;
	size_t size, length;

	*ret_first = at;
	for (int i = 0; i < NF_INET_NUMHOOKS; i++)
		if ((l->valid_hooks & 1u << i) && l->hook_entry[i] == at)
			return hook_chain(i);
	length = entry_length(l, at);
	if (!length || strcmp(target_name(l, at, &data, &size), XT_ERROR_TARGET) != 0 ||
	    size < 1 || !memchr(data, '\0', size) || strcmp((const char *)data, XT_ERROR_TARGET) == 0)
		return NULL;
	*ret_first = at + length;
	return (const char *)data;
}

/* ---- one entry ---- */

static void put_name(struct filter_rule *rule, enum packet_field field, const char *name,
		     const unsigned char *mask, bool is_negated)
{
	struct rule_match *match;
	size_t n = 0;

	while (n < IFNAMSIZ && mask[n])
		n++;
	if (!n)
		return;
	match = filter_match_add(rule, field);
	match->is_negated = is_negated;
	match->size = (uint8_t)n;
	filter_match_value(match, name, n);
}

static void put_address(struct filter_rule *rule, enum packet_field field, const void *address,
			const void *mask, size_t size, bool is_negated)
{
	static const uint8_t zero[16];
	struct rule_match *match;

	if (memcmp(mask, zero, size) == 0)
		return;
	match = filter_match_add(rule, field);
	match->is_negated = is_negated;
	memcpy(match->mask, mask, size);
	filter_match_value(match, address, 0);
}

static void put_protocol(struct filter_rule *rule, uint16_t protocol, bool is_negated)
{
	uint8_t value = (uint8_t)protocol;
	struct rule_match *match;

	if (!protocol)
		return;
	match = filter_match_add(rule, FIELD_L4PROTO);
	match->is_negated = is_negated;
	filter_match_value(match, &value, sizeof(value));
}

static void read_head4(struct filter_rule *rule, const uint8_t *entry)
{
	struct ipt_ip ip;

	memcpy(&ip, entry + offsetof(struct ipt_entry, ip), sizeof(ip));
	put_name(rule, FIELD_IIFNAME, ip.iniface, ip.iniface_mask, ip.invflags & IPT_INV_VIA_IN);
	put_name(rule, FIELD_OIFNAME, ip.outiface, ip.outiface_mask, ip.invflags & IPT_INV_VIA_OUT);
	put_address(rule, FIELD_SADDR4, &ip.src, &ip.smsk, 4, ip.invflags & IPT_INV_SRCIP);
	put_address(rule, FIELD_DADDR4, &ip.dst, &ip.dmsk, 4, ip.invflags & IPT_INV_DSTIP);
	put_protocol(rule, ip.proto, ip.invflags & XT_INV_PROTO);
	if (ip.flags & IPT_F_FRAG)
		filter_match_add(rule, FIELD_OTHER);
}

static void read_head6(struct filter_rule *rule, const uint8_t *entry)
{
	struct ip6t_ip6 ip;

	memcpy(&ip, entry + offsetof(struct ip6t_entry, ipv6), sizeof(ip));
	put_name(rule, FIELD_IIFNAME, ip.iniface, ip.iniface_mask, ip.invflags & IP6T_INV_VIA_IN);
	put_name(rule, FIELD_OIFNAME, ip.outiface, ip.outiface_mask, ip.invflags & IP6T_INV_VIA_OUT);
	put_address(rule, FIELD_SADDR6, &ip.src, &ip.smsk, 16, ip.invflags & IP6T_INV_SRCIP);
	put_address(rule, FIELD_DADDR6, &ip.dst, &ip.dmsk, 16, ip.invflags & IP6T_INV_DSTIP);
	put_protocol(rule, ip.proto, ip.invflags & XT_INV_PROTO);
}

static void read_matches(const struct legacy *l, size_t at, struct filter_rule *rule)
{
	size_t offset = l->shape->entry_size, end = u16_at(l->entries + at, l->shape->target_offset);

	while (offset + sizeof(struct xt_entry_match) <= end) {
		const uint8_t *m = l->entries + at + offset;
		size_t size = u16_at(m, offsetof(struct xt_entry_match, u.match_size));
		char name[XT_EXTENSION_MAXNAMELEN + 1] = "";

		if (size < sizeof(struct xt_entry_match) || offset + size > end)
			break;
		memcpy(name, m + offsetof(struct xt_entry_match, u.user.name), XT_EXTENSION_MAXNAMELEN);
		filter_xt_match(rule, name, m[offsetof(struct xt_entry_match, u.user.revision)],
				m + sizeof(struct xt_entry_match), size - sizeof(struct xt_entry_match));
		offset += size;
	}
}

static int compare_head(const void *key, const void *item)
{
	size_t offset = (size_t)*(const int *)key, first = ((const struct head *)item)->first;

	return offset < first ? -1 : offset > first;
}

/* A standard target: a verdict, or where to jump to. */
static void read_standard(const struct legacy *l, size_t at, const uint8_t *data, size_t size,
			  struct filter_rule *rule)
{
	bool is_goto = l->shape->family == FILTER_IP &&
		       l->entries[at + offsetof(struct ipt_entry, ip.flags)] & IPT_F_GOTO;
	size_t i;
	int verdict;
	bool found;

	rule->verdict = RULE_OTHER;
	if (size < sizeof(verdict))
		return;
	memcpy(&verdict, data, sizeof(verdict));
	if (verdict == XT_RETURN)
		rule->verdict = RULE_RETURN;
	else if (verdict == -NF_ACCEPT - 1)
		rule->verdict = RULE_ACCEPT;
	else if (verdict == -NF_DROP - 1)
		rule->verdict = RULE_DROP;
	if (verdict < 0)
		return;
	i = vec_search(&l->heads, &verdict, compare_head, &found);
	if (found) {
		rule->verdict = is_goto ? RULE_GOTO : RULE_JUMP;
		rule->chain = mem_strndup(l->heads.v[i].name, FILTER_NAME_MAX);
	} else if ((size_t)verdict == at + entry_length(l, at)) {
		/* To the next entry: that is what a rule without target does. */
		rule->verdict = RULE_CONTINUE;
	}
}

static void read_entry(const struct legacy *l, size_t at, struct filter_rule *rule)
{
	const uint8_t *data;
	size_t size;
	const char *name = target_name(l, at, &data, &size);

	if (l->shape->family == FILTER_IP)
		read_head4(rule, l->entries + at);
	else
		read_head6(rule, l->entries + at);
	read_matches(l, at, rule);
	if (name[0])
		rule->verdict = filter_xt_target(name);
	else
		read_standard(l, at, data, size, rule);
}

/* ---- a table ---- */

static int base_hook(const struct legacy *l, const char *name)
{
	for (int i = 0; i < NF_INET_NUMHOOKS; i++)
		if ((l->valid_hooks & 1u << i) && strcmp(hook_chain(i), name) == 0)
			return i;
	return -1;
}

/* The last entry of all is an error that nothing reaches. */
static bool is_end(const struct legacy *l, size_t at)
{
	const uint8_t *data;
	size_t size;

	return strcmp(target_name(l, at, &data, &size), XT_ERROR_TARGET) == 0;
}

/* The policy's entry, behind the chain's rules; true: it was one. */
static bool read_policy(const struct legacy *l, size_t at, struct filter_chain *chain)
{
	struct filter_rule rule = { 0 };
	int hook = base_hook(l, chain->name);

	if (hook < 0 || l->underflow[hook] != at)
		return false;
	read_entry(l, at, &rule);
	chain->drops = rule.verdict == RULE_DROP;
	filter_rule_free(&rule);
	return true;
}

static struct filter_chain *begin_chain(const struct legacy *l, const char *name)
{
	struct filter_chain *chain = filter_chain_add(l->table, name);
	int hook = base_hook(l, name);

	chain->is_base = hook >= 0;
	if (hook >= 0)
		chain->hook = (enum filter_hook)hook; /* the same order */
	return chain;
}

/* A user's chain is jumped to behind its head. */
static void find_heads(struct legacy *l)
{
	size_t length;

	for (size_t at = 0; at < l->size && (length = entry_length(l, at)); at += length) {
		size_t first;
		const char *name = chain_at(l, at, &first);

		if (name && first > at)
			vec_push(&l->heads, (struct head){ first, name });
	}
}

void filter_legacy_parse(struct filter_table *table, const void *entries, size_t size, uint32_t valid_hooks,
			 const uint32_t hook_entry[5], const uint32_t underflow[5])
{
	struct legacy l = { &shapes[table->family == FILTER_IP6], table, entries, size, valid_hooks,
			    hook_entry, underflow, { 0 } };
	struct filter_chain *chain = NULL;
	size_t length;

	find_heads(&l);
	for (size_t at = 0; at < size && (length = entry_length(&l, at)); at += length) {
		size_t first;
		const char *name = chain_at(&l, at, &first);

		if (name)
			chain = begin_chain(&l, name);
		if ((name && first > at) || !chain || is_end(&l, at) || read_policy(&l, at, chain))
			continue;
		read_entry(&l, at, vec_add(&chain->rules));
	}
	vec_free(&l.heads);
}

static int get_entries(int fd, const struct shape *shape, struct filter_table *table)
{
	struct ipt_getinfo info = { 0 }; /* IPv6's is the same */
	AUTO_FREE struct ipt_get_entries *get = NULL;
	socklen_t size = sizeof(info);

	snprintf(info.name, sizeof(info.name), "%s", table->name);
	if (getsockopt(fd, shape->level, shape->get_info, &info, &size) < 0)
		return -errno;
	if (info.size > ENTRIES_MAX)
		return -EFBIG;
	size = (socklen_t)(sizeof(*get) + info.size);
	get = mem_alloc(size);
	memcpy(get->name, info.name, sizeof(get->name));
	get->size = info.size;
	if (getsockopt(fd, shape->level, shape->get_entries, get, &size) < 0)
		return -errno;
	filter_legacy_parse(table, get->entrytable, get->size, info.valid_hooks, info.hook_entry,
			    info.underflow);
	return 0;
}

static int32_t priority_of(const char *table)
{
	static const struct { const char *name; int32_t priority; } tables[] = {
		{ "raw", -300 }, { "mangle", -150 }, { "nat", -100 }, { "filter", 0 }, { "security", 50 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (strcmp(tables[i].name, table) == 0)
			return tables[i].priority;
	return 0;
}

static void read_table(int fd, const struct shape *shape, const char *name, filter_table_vec *ret)
{
	struct filter_table *table = vec_add(ret);

	table->family = shape->family;
	table->name = mem_strdup(name);
	table->is_legacy = true;
	get_entries(fd, shape, table); /* one that is gone by now stays empty */
	vec_each (chain, &table->chains)
		chain->priority = priority_of(name);
}

static void read_tables(const struct shape *shape, filter_table_vec *ret)
{
	char name[XT_TABLE_MAXNAMELEN];
	int names, fd;
	FILE *f;

	if (privileged_get()->legacy(shape->domain, &names, &fd) < 0)
		return;
	f = fdopen(names, "re");
	while (f && fscanf(f, "%31s", name) == 1)
		read_table(fd, shape, name, ret);
	if (f)
		fclose(f);
	else
		close(names);
	close(fd);
}

void filters_read_legacy(filter_table_vec *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		read_tables(&shapes[i], ret);
}
