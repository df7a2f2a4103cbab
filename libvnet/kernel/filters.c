/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* filters.c - other people's nftables tables, read as values */

#include "kernel/filters.h"

#include "kernel/backend.h"
#include "kernel/nl.h"
#include "nft/ast.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#define ATTEMPTS 5
#define ELEMENTS_MAX 16384      /* of a set; of a larger one nothing is known */
#define TABLE_OWNED 2           /* NFT_TABLE_F_OWNER, Linux 5.12 */
#define UDATA_COMMENT 0         /* in a rule's user data, as nft and iptables-nft write it */

struct dump {
	struct nl *nl;
	const struct nft_devices *devices;
	filter_table_vec *tables;
	filter_lookup_vec lookups;
};

static const uint8_t family_numbers[FILTER_FAMILIES] = { NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6,
							 NFPROTO_ARP, NFPROTO_BRIDGE, NFPROTO_NETDEV };

static bool family_of(uint8_t number, enum filter_family *ret)
{
	for (int i = 0; i < FILTER_FAMILIES; i++) {
		if (family_numbers[i] != number)
			continue;
		*ret = (enum filter_family)i;
		return true;
	}
	return false;
}

/* The attributes of an object of this kind, and its family; false: it is something else. */
static bool parse(const struct nlmsghdr *m, uint16_t type, const struct nlattr **tb, size_t n,
		  enum filter_family *ret_family)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(m);

	if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | type) || mnl_nlmsg_get_payload_len(m) < sizeof(*gen))
		return false;
	nl_attrs_of(m, sizeof(*gen), tb, n);
	return family_of(gen->nfgen_family, ret_family);
}

static bool is_ours(enum filter_family family, const char *table)
{
	return strcmp(table, NFT_TABLE_NAME) == 0 &&
	       (family == FILTER_INET || family == FILTER_BRIDGE || family == FILTER_NETDEV);
}

static struct filter_table *find_table(struct dump *d, enum filter_family family, const char *name)
{
	vec_each (table, d->tables)
		if (table->family == family && strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

static void request(struct nl *nl, uint16_t type, uint8_t family)
{
	struct nlmsghdr *m = nl_add(nl, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0);
	struct nfgenmsg *gen = nl_header(m, sizeof(*gen));

	gen->nfgen_family = family;
	gen->version = NFNETLINK_V0;
}

/* ---- tables and chains ---- */

static void each_table(const struct nlmsghdr *m, void *context)
{
	const struct nlattr *tb[NFTA_TABLE_MAX + 1];
	struct dump *d = context;
	enum filter_family family;
	char name[FILTER_NAME_MAX + 1];
	struct filter_table *table;

	if (!parse(m, NFT_MSG_NEWTABLE, tb, ARRAY_SIZE(tb), &family))
		return;
	nl_str(tb[NFTA_TABLE_NAME], name, sizeof(name));
	if (is_ours(family, name))
		return;
	table = vec_add(d->tables);
	table->family = family;
	table->name = mem_strdup(name);
	table->has_owner = ntohl(nl_u32(tb[NFTA_TABLE_FLAGS])) & TABLE_OWNED;
}

static bool hook_of(enum filter_family family, uint32_t number, enum filter_hook *ret)
{
	static const enum filter_hook inet[] = { HOOK_PREROUTING, HOOK_INPUT, HOOK_FORWARD, HOOK_OUTPUT,
						 HOOK_POSTROUTING, HOOK_INGRESS };
	static const enum filter_hook netdev[] = { HOOK_INGRESS, HOOK_EGRESS };
	static const enum filter_hook arp[] = { HOOK_INPUT, HOOK_OUTPUT, HOOK_FORWARD };
	const enum filter_hook *hooks = family == FILTER_NETDEV ? netdev : family == FILTER_ARP ? arp : inet;
	size_t n = family == FILTER_NETDEV ? ARRAY_SIZE(netdev) : family == FILTER_ARP ? ARRAY_SIZE(arp) :
											 ARRAY_SIZE(inet);

	if (number >= n)
		return false;
	*ret = hooks[number];
	return true;
}

static void add_device(struct filter_chain *chain, const struct nlattr *name)
{
	nl_str(name, vec_add(&chain->devices)->s, sizeof(chain->devices.v->s));
}

static void read_devices(struct filter_chain *chain, const struct nlattr *const *hook)
{
	struct nl_attr_reader names;
	const struct nlattr *name;

	/* The list, since Linux 5.5, has the one as well. */
	if (!hook[NFTA_HOOK_DEVS]) {
		if (hook[NFTA_HOOK_DEV])
			add_device(chain, hook[NFTA_HOOK_DEV]);
		return;
	}
	names = nl_attr_reader(hook[NFTA_HOOK_DEVS]);
	while ((name = nl_attr_next(&names)))
		add_device(chain, name);
}

static void each_chain(const struct nlmsghdr *m, void *context)
{
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct dump *d = context;
	enum filter_family family;
	char name[FILTER_NAME_MAX + 1];
	struct filter_table *table;
	struct filter_chain *chain;

	if (!parse(m, NFT_MSG_NEWCHAIN, tb, ARRAY_SIZE(tb), &family))
		return;
	nl_str(tb[NFTA_CHAIN_TABLE], name, sizeof(name));
	table = find_table(d, family, name);
	nl_str(tb[NFTA_CHAIN_NAME], name, sizeof(name));
	if (!table || !name[0])
		return;
	chain = filter_chain_add(table, name);
	if (!tb[NFTA_CHAIN_HOOK])
		return;
	nl_attrs_nested(tb[NFTA_CHAIN_HOOK], hook, ARRAY_SIZE(hook));
	chain->is_base = hook_of(family, ntohl(nl_u32(hook[NFTA_HOOK_HOOKNUM])), &chain->hook);
	chain->priority = (int32_t)ntohl(nl_u32(hook[NFTA_HOOK_PRIORITY]));
	chain->drops = tb[NFTA_CHAIN_POLICY] && ntohl(nl_u32(tb[NFTA_CHAIN_POLICY])) == NF_DROP;
	read_devices(chain, hook);
}

/* ---- rules ---- */

static void read_comment(struct filter_rule *rule, const struct nlattr *udata)
{
	const uint8_t *at = udata ? mnl_attr_get_payload(udata) : NULL;
	size_t left = udata ? mnl_attr_get_payload_len(udata) : 0;

	while (left >= 2 && left - 2 >= at[1]) {
		if (at[0] == UDATA_COMMENT && !rule->comment)
			rule->comment = mem_strndup((const char *)at + 2, at[1]);
		left -= 2u + at[1];
		at += 2 + at[1];
	}
	rule->is_tagged = rule->comment && strcmp(rule->comment, FILTER_TAG) == 0;
}

static void each_rule(const struct nlmsghdr *m, void *context)
{
	const struct nlattr *tb[NFTA_RULE_MAX + 1];
	struct dump *d = context;
	size_t first = d->lookups.n;
	enum filter_family family;
	char name[FILTER_NAME_MAX + 1];
	struct filter_table *table;
	struct filter_chain *chain;
	struct filter_rule *rule;

	if (!parse(m, NFT_MSG_NEWRULE, tb, ARRAY_SIZE(tb), &family))
		return;
	nl_str(tb[NFTA_RULE_TABLE], name, sizeof(name));
	table = find_table(d, family, name);
	nl_str(tb[NFTA_RULE_CHAIN], name, sizeof(name));
	/* One that was made since: the generation tells. */
	if (!table || !filter_chain_find(table, name))
		return;
	chain = filter_chain_add(table, name);
	rule = vec_add(&chain->rules);
	rule->handle = be64toh(nl_u64(tb[NFTA_RULE_HANDLE]));
	read_comment(rule, tb[NFTA_RULE_USERDATA]);
	filter_rule_read(tb[NFTA_RULE_EXPRESSIONS], family, d->devices, rule, &d->lookups);
	for (size_t i = first; i < d->lookups.n; i++) {
		d->lookups.v[i].table = table;
		d->lookups.v[i].chain = chain;
		d->lookups.v[i].rule = chain->rules.n - 1;
	}
}

/* ---- sets ---- */

struct element {
	uint8_t key[FILTER_VALUE_MAX];
	bool is_end;            /* of an interval: the first key behind it */
	enum rule_verdict verdict;
	char *chain;
};
typedef VEC(struct element) element_vec;
struct element_dump {
	const struct filter_lookup *lookup;
	const struct nft_devices *devices;
	element_vec elements;
	bool is_strange;        /* a key that does not fit, a catch-all, or too many */
};

static void restart_elements(void *context)
{
	struct element_dump *d = context;

	vec_each (e, &d->elements)
		free(e->chain);
	d->elements.n = 0;
}

static bool read_key(const struct element_dump *d, const struct nlattr *nest, uint8_t ret[FILTER_VALUE_MAX])
{
	const struct nlattr *tb[NFTA_DATA_MAX + 1];
	const struct filter_lookup *lookup = d->lookup;
	unsigned index;
	size_t size;

	nl_attrs_nested(nest, tb, ARRAY_SIZE(tb));
	size = tb[NFTA_DATA_VALUE] ? mnl_attr_get_payload_len(tb[NFTA_DATA_VALUE]) : 0;
	if (!size || size > FILTER_VALUE_MAX || size != (lookup->is_index ? sizeof(index) : lookup->key_size))
		return false;
	filter_value_read(mnl_attr_get_payload(tb[NFTA_DATA_VALUE]), size, lookup->is_host_order, ret);
	if (!lookup->is_index)
		return true;
	memcpy(&index, mnl_attr_get_payload(tb[NFTA_DATA_VALUE]), sizeof(index));
	memset(ret, 0, FILTER_VALUE_MAX);
	if (!d->devices->name(d->devices->context, index, (char *)ret))
		snprintf((char *)ret, FILTER_VALUE_MAX, "#%u", index);
	return true;
}

static void read_element(struct element_dump *d, const struct nlattr *item)
{
	const struct nlattr *tb[NFTA_SET_ELEM_MAX + 1], *data[NFTA_DATA_MAX + 1];
	struct element *element;

	nl_attrs_nested(item, tb, ARRAY_SIZE(tb));
	if (d->elements.n >= ELEMENTS_MAX) {
		d->is_strange = true;
		return;
	}
	element = vec_add(&d->elements);
	element->is_end = ntohl(nl_u32(tb[NFTA_SET_ELEM_FLAGS])) & NFT_SET_ELEM_INTERVAL_END;
	if (tb[NFTA_SET_ELEM_KEY_END] || !read_key(d, tb[NFTA_SET_ELEM_KEY], element->key))
		d->is_strange = true;
	if (!d->lookup->is_map)
		return;
	nl_attrs_nested(tb[NFTA_SET_ELEM_DATA], data, ARRAY_SIZE(data));
	element->verdict = filter_verdict_read(data[NFTA_DATA_VERDICT], &element->chain);
}

static void each_elements(const struct nlmsghdr *m, void *context)
{
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *item;
	struct element_dump *d = context;
	struct nl_attr_reader items;
	enum filter_family family;

	if (!parse(m, NFT_MSG_NEWSETELEM, tb, ARRAY_SIZE(tb), &family) || !tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	items = nl_attr_reader(tb[NFTA_SET_ELEM_LIST_ELEMENTS]);
	while ((item = nl_attr_next(&items)))
		read_element(d, item);
}

/* By key; where one interval ends and the next begins, the end first. */
static int compare_elements(const void *a, const void *b)
{
	const struct element *x = a, *y = b;
	int r = memcmp(x->key, y->key, sizeof(x->key));

	return r ? r : (int)y->is_end - (int)x->is_end;
}

static void one_less(uint8_t *value, size_t size)
{
	while (size-- && value[size]-- == 0)
		;
}

/* What one element stands for: its key, or all from it to where its interval ends. */
static struct value_range range_of(const struct element *e, const struct element *next, bool has_intervals,
				   size_t size)
{
	struct value_range range;

	memcpy(range.first, e->key, sizeof(range.first));
	memcpy(range.last, e->key, sizeof(range.last));
	if (has_intervals && !next) {
		memset(range.last, 0xff, sizeof(range.last));
	} else if (has_intervals) {
		memcpy(range.last, next->key, sizeof(range.last));
		one_less(range.last, size);
	}
	return range;
}

static void put_elements(const struct filter_lookup *lookup, element_vec *elements)
{
	struct filter_rule *rule = &lookup->chain->rules.v[lookup->rule];
	bool has_intervals = false;

	vec_sort(elements, compare_elements);
	vec_each (e, elements)
		has_intervals |= e->is_end;
	for (size_t i = 0; i < elements->n; i++) {
		struct element *e = &elements->v[i];
		struct value_range range = range_of(e, i + 1 < elements->n ? e + 1 : NULL, has_intervals,
						    lookup->key_size);

		if (e->is_end)
			continue;
		if (lookup->is_map)
			vec_push(&rule->cases, (struct verdict_case){ range, e->verdict, TAKE(e->chain) });
		else
			vec_push(&rule->matches.v[lookup->match].ranges, range);
	}
}

/* The keys can't be told: any case may be the packet's, and so may be any match. */
static void put_strange(const struct filter_lookup *lookup)
{
	struct filter_rule *rule = &lookup->chain->rules.v[lookup->rule];

	if (lookup->is_map)
		rule->map_field = FIELD_OTHER;
	else
		rule->matches.v[lookup->match].field = FIELD_OTHER;
}

static int read_set(struct dump *dump, const struct filter_lookup *lookup)
{
	struct element_dump d = { .lookup = lookup, .devices = dump->devices };
	int r;

	request(dump->nl, NFT_MSG_GETSETELEM, family_numbers[lookup->table->family]);
	mnl_attr_put_strz(dump->nl->last, NFTA_SET_ELEM_LIST_TABLE, lookup->table->name);
	mnl_attr_put_strz(dump->nl->last, NFTA_SET_ELEM_LIST_SET, lookup->set);
	r = nl_dump(dump->nl, &(struct nl_dump){ each_elements, restart_elements, &d });
	if (r == 0 && d.is_strange)
		put_strange(lookup);
	if (r == 0 && (!d.is_strange || lookup->is_map))
		put_elements(lookup, &d.elements);
	restart_elements(&d);
	vec_free(&d.elements);
	return r;
}

/* ---- the whole ---- */

static void restart_tables(void *context)
{
	filter_tables_free(((struct dump *)context)->tables);
}

static void restart_chains(void *context)
{
	vec_each (table, ((struct dump *)context)->tables) {
		vec_each (chain, &table->chains) {
			vec_free(&chain->devices);
			free(chain->name);
		}
		vec_free(&table->chains);
	}
}

static void restart_rules(void *context)
{
	struct dump *d = context;

	d->lookups.n = 0;
	vec_each (table, d->tables)
		vec_each (chain, &table->chains) {
			vec_each (rule, &chain->rules)
				filter_rule_free(rule);
			chain->rules.n = 0;
		}
}

static int read_generation(struct nl *nl, uint32_t *ret)
{
	const struct nlattr *tb[NFTA_GEN_MAX + 1];
	const struct nlmsghdr *answer;
	int r;

	request(nl, NFT_MSG_GETGEN, NFPROTO_UNSPEC);
	r = nl_get(nl, &answer);
	if (r < 0)
		return r;
	nl_attrs_of(answer, sizeof(struct nfgenmsg), tb, ARRAY_SIZE(tb));
	*ret = ntohl(nl_u32(tb[NFTA_GEN_ID]));
	return 0;
}

/* -EAGAIN: it changed meanwhile. */
static int read_once(struct dump *d)
{
	static const struct {
		uint16_t type;
		void (*each)(const struct nlmsghdr *, void *);
		void (*restart)(void *);
	} parts[] = {
		{ NFT_MSG_GETTABLE, each_table, restart_tables },
		{ NFT_MSG_GETCHAIN, each_chain, restart_chains },
		{ NFT_MSG_GETRULE, each_rule, restart_rules },
	};
	uint32_t before, after;
	int r = read_generation(d->nl, &before);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++) {
		request(d->nl, parts[i].type, NFPROTO_UNSPEC);
		r = nl_dump(d->nl, &(struct nl_dump){ parts[i].each, parts[i].restart, d });
	}
	for (size_t i = 0; r == 0 && i < d->lookups.n; i++)
		r = read_set(d, &d->lookups.v[i]);
	if (r == -ENOENT) /* a set that a rule had */
		return -EAGAIN;
	if (r == 0)
		r = read_generation(d->nl, &after);
	return r == 0 && before != after ? -EAGAIN : r;
}

int filters_read(const struct nft_devices *devices, filter_table_vec *ret, struct vnet_error *err)
{
	filter_table_vec tables = { 0 };
	struct nl nl = { 0 };
	struct dump d = { .nl = &nl, .devices = devices, .tables = &tables };
	int r = nl_open(&nl, NETLINK_NETFILTER, err);

	if (r < 0)
		return r;
	r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < ATTEMPTS; i++) {
		filter_tables_free(&tables);
		d.lookups.n = 0;
		r = read_once(&d);
	}
	nl_close(&nl);
	vec_free(&d.lookups);
	if (r < 0) {
		filter_tables_free(&tables);
		return kernel_error(err, r, NULL, "nftables: cannot read the tables");
	}
	vec_each (table, &tables)
		vec_push(ret, *table);
	vec_free(&tables);
	return 0;
}

/* ---- one rule ---- */

static int read_rule(struct dump *d, const struct filter_place *place)
{
	const struct nlmsghdr *answer;
	int r;

	request(d->nl, NFT_MSG_GETRULE, family_numbers[place->family]);
	mnl_attr_put_strz(d->nl->last, NFTA_RULE_TABLE, place->table);
	mnl_attr_put_strz(d->nl->last, NFTA_RULE_CHAIN, place->chain);
	mnl_attr_put_u64(d->nl->last, NFTA_RULE_HANDLE, htobe64(place->handle));
	r = nl_get(d->nl, &answer);
	if (r < 0)
		return r;
	each_rule(answer, d);
	vec_each (lookup, &d->lookups)
		if (!lookup->is_map)
			lookup->chain->rules.v[lookup->rule].matches.v[lookup->match].set =
				mem_strdup(lookup->set);
	return 0;
}

int filters_read_place(const struct nft_devices *devices, const struct filter_place *place,
		       filter_table_vec *ret, struct vnet_error *err)
{
	struct filter_table table = { .family = place->family, .name = mem_strdup(place->table) };
	filter_table_vec tables = { 0 };
	struct nl nl = { 0 };
	struct dump d = { .nl = &nl, .devices = devices, .tables = &tables };
	int r = nl_open(&nl, NETLINK_NETFILTER, err);

	vec_push(&tables, table);
	if (r == 0) {
		request(&nl, NFT_MSG_GETCHAIN, family_numbers[place->family]);
		r = nl_dump(&nl, &(struct nl_dump){ each_chain, restart_chains, &d });
		if (r == 0 && place->handle)
			r = read_rule(&d, place);
	}
	nl_close(&nl);
	vec_free(&d.lookups);
	vec_push(ret, tables.v[0]);
	vec_free(&tables);
	return r < 0 ? kernel_error(err, r, NULL, "nftables: cannot read a rule") : 0;
}
