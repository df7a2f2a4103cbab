/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * group_rule.c - one rule of a group: in one line, or as a mapping
 *
 *	tcp 80,443 from 10.0.0.0/8
 *	{protocol: tcp, ports: [80, 443], from: 10.0.0.0/8}
 *
 * The line is cut into the same parts that the mapping names, and each part is
 * read by one function.
 */

#include "model/group_rule.h"

#include "base/strbuf.h"
#include "model/group.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

const char *const group_direction_names[GROUP_DIRECTIONS] = { "ingress", "egress" };
static const char *const remote_words[GROUP_DIRECTIONS] = { "from", "to" };
static const char *const examples[GROUP_DIRECTIONS] = { "\"tcp 80,443 from 10.0.0.0/8\"",
							"\"tcp 80,443 to 10.0.0.0/8\"" };

struct word { const char *name; uint8_t number; };

static const struct word protocols[] = {
	{ "tcp", IPPROTO_TCP },	    { "udp", IPPROTO_UDP },   { "sctp", IPPROTO_SCTP },
	{ "icmp", IPPROTO_ICMP },   { "icmpv6", IPPROTO_ICMPV6 }, { "esp", IPPROTO_ESP },
	{ "ah", IPPROTO_AH },	    { "gre", IPPROTO_GRE },
};
#define PROTOCOLS_ACCEPTED \
	"any, tcp, udp, sctp, icmp, icmpv6, esp, ah, gre, or a number from 1 to 255"

static const struct word icmp_types[] = {
	{ "echo-reply", 0 },	    { "destination-unreachable", 3 }, { "redirect", 5 },
	{ "echo-request", 8 },	    { "time-exceeded", 11 },	      { "parameter-problem", 12 },
	{ "timestamp-request", 13 }, { "timestamp-reply", 14 },
};
static const struct word icmp6_types[] = {
	{ "destination-unreachable", 1 }, { "packet-too-big", 2 }, { "time-exceeded", 3 },
	{ "parameter-problem", 4 },	  { "echo-request", 128 }, { "echo-reply", 129 },
};

static bool has_ports(const struct group_rule *rule)
{
	return rule->has_protocol && (rule->protocol == IPPROTO_TCP || rule->protocol == IPPROTO_UDP ||
				      rule->protocol == IPPROTO_SCTP);
}

static bool has_types(const struct group_rule *rule)
{
	return rule->has_protocol &&
	       (rule->protocol == IPPROTO_ICMP || rule->protocol == IPPROTO_ICMPV6);
}

/* --- the parts --- */

static bool parse_byte(const char *text, unsigned min, uint8_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long number = digits && digits <= 3 ? strtoul(text, NULL, 10) : 256;

	if (text[digits] || number < min || number > 255 || (digits > 1 && *text == '0'))
		return false;
	*ret = (uint8_t)number;
	return true;
}

static bool find_word(const struct word *words, size_t n, const char *text, uint8_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i].name, text) != 0)
			continue;
		*ret = words[i].number;
		return true;
	}
	return false;
}

static int parse_protocol(const struct node *n, const char *text, struct group_rule *rule,
			  struct vnet_error *err)
{
	char buf[TEXT_QUOTE_MAX];

	if (strcmp(text, "any") == 0)
		return 0;
	rule->has_protocol = true;
	if (find_word(protocols, ARRAY_SIZE(protocols), text, &rule->protocol) ||
	    parse_byte(text, 1, &rule->protocol))
		return 0;
	return node_error(n, err, "bad-value", "%s is not a protocol; accepted: " PROTOCOLS_ACCEPTED,
			  text_quote(text, buf));
}

static int parse_port(const struct node *n, const char *text, struct group_rule *rule,
		      struct vnet_error *err)
{
	char buf[TEXT_QUOTE_MAX];

	if (rule->n_ports >= GROUP_RULE_PORTS_MAX)
		return node_error(n, err, "too-many",
				  "more than %d ports and ranges in a rule; write several rules",
				  GROUP_RULE_PORTS_MAX);
	if (port_range_parse(text, &rule->ports[rule->n_ports]) < 0)
		return node_error(n, err, "bad-value",
				  "%s is no port; write 80, 8000-8010 or several with commas between",
				  text_quote(text, buf));
	rule->n_ports++;
	return 0;
}

static int parse_ports(const struct node *n, const char *text, struct group_rule *rule,
		       struct vnet_error *err)
{
	AUTO_FREE char *copy = mem_strdup(text);
	char *rest = copy, *item;
	int r = 0;

	while (r == 0 && (item = strsep(&rest, ",")))
		r = parse_port(n, item, rule, err);
	return r;
}

static int parse_type(const struct node *n, const char *text, struct group_rule *rule,
		      struct vnet_error *err)
{
	bool is_v6 = rule->protocol == IPPROTO_ICMPV6;
	const struct word *words = is_v6 ? icmp6_types : icmp_types;
	size_t n_words = is_v6 ? ARRAY_SIZE(icmp6_types) : ARRAY_SIZE(icmp_types);
	AUTO_STRBUF struct strbuf list = { 0 };
	char buf[TEXT_QUOTE_MAX];

	rule->has_type = true;
	if (find_word(words, n_words, text, &rule->type) || parse_byte(text, 0, &rule->type))
		return 0;
	for (size_t i = 0; i < n_words; i++)
		strbuf_printf(&list, "%s, ", words[i].name);
	return node_error(n, err, "bad-value",
			  "%s is no type of %s; accepted: %sor a number from 0 to 255",
			  text_quote(text, buf), is_v6 ? "icmpv6" : "icmp", list.s);
}

static int parse_member(const struct node *n, const char *name, struct group_rule *rule,
			struct vnet_error *err)
{
	int r = group_name_check(name, err);

	if (r == 0)
		snprintf(rule->group, sizeof(rule->group), "%s", name);
	else
		node_locate(n, err);
	return r;
}

/* One address, a prefix, or group:NAME. */
static int parse_remote(const struct node *n, const char *text, struct group_rule *rule,
			struct vnet_error *err)
{
	static const char group[] = "group:";
	struct prefix *remote = &rule->remote, clean;
	char buf[TEXT_QUOTE_MAX];

	if (strncmp(text, group, sizeof(group) - 1) == 0)
		return parse_member(n, text + sizeof(group) - 1, rule, err);
	if (ip_parse(text, &remote->addr) == 0)
		remote->len = (uint8_t)ip_bits(&remote->addr);
	else if (prefix_parse(text, remote) < 0)
		return node_error(n, err, "bad-value",
				  "%s is not an address, a prefix or group:NAME, like 10.0.0.0/8 or group:app",
				  text_quote(text, buf));
	clean = prefix_network(remote);
	if (prefix_cmp(&clean, remote) != 0)
		return node_error(n, err, "bad-address",
				  "the prefix %s has host bits set; clear what is behind its length",
				  text_quote(text, buf));
	if (rule->has_protocol && has_types(rule) &&
	    (rule->protocol == IPPROTO_ICMPV6) != (remote->addr.family == AF_INET6))
		return node_error(n, err, "family-mismatch", "icmp is IPv4's and icmpv6 IPv6's; %s is of the other family",
				  text_quote(text, buf));
	return 0;
}

/* --- in one line --- */

static char *next_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " ");
	while (word && !*word);
	return word;
}

static int line_error(const struct node *n, enum group_direction direction, struct vnet_error *err)
{
	char buf[TEXT_QUOTE_MAX];

	return node_error(n, err, "bad-value",
			  "%s is no rule; write a protocol, its ports or type where it has them, and "
			  "\"%s\" with an address, a prefix or group:NAME, like %s",
			  text_quote(n->text, buf), remote_words[direction], examples[direction]);
}

static int parse_line(const struct node *n, enum group_direction direction,
		      struct group_rule *rule, struct vnet_error *err)
{
	AUTO_FREE char *copy = mem_strdup(n->text);
	char *rest = copy, *word = next_word(&rest), *remote;
	int r;

	if (!word)
		return line_error(n, direction, err);
	r = parse_protocol(n, word, rule, err);
	word = next_word(&rest);
	if (r == 0 && word && strcmp(word, "from") != 0 && strcmp(word, "to") != 0) {
		if (!has_ports(rule) && !has_types(rule))
			return line_error(n, direction, err);
		r = has_ports(rule) ? parse_ports(n, word, rule, err)
				    : parse_type(n, word, rule, err);
		word = next_word(&rest);
	}
	if (r < 0 || !word)
		return r;
	remote = next_word(&rest);
	if (!remote || next_word(&rest) || strcmp(word, remote_words[direction]) != 0)
		return line_error(n, direction, err);
	return parse_remote(n, remote, rule, err);
}

/* --- as a mapping --- */

static int ports_from_node(const struct node *n, struct group_rule *rule, struct vnet_error *err)
{
	int r = 0;

	if (!has_ports(rule))
		return node_key_error(n, err, "bad-value", "only tcp, udp and sctp have ports");
	if (n->kind == NODE_SCALAR)
		return parse_ports(n, n->text, rule, err);
	if (n->kind != NODE_SEQUENCE || !n->items.n)
		return node_error(n, err, "bad-type", "ports are one port or range, or a list of them");
	vec_each(item, &n->items) {
		if ((*item)->kind != NODE_SCALAR)
			return node_error(*item, err, "bad-type", "a port or a range of ports is wanted here");
		r = parse_ports(*item, (*item)->text, rule, err);
		if (r < 0)
			break;
	}
	return r;
}

static int type_from_node(const struct node *n, struct group_rule *rule, struct vnet_error *err)
{
	if (!has_types(rule))
		return node_key_error(n, err, "bad-value", "only icmp and icmpv6 have a type");
	if (n->kind != NODE_SCALAR)
		return node_error(n, err, "bad-type", "a type is one word or number");
	return parse_type(n, n->text, rule, err);
}

static int check_keys(const struct node *n, enum group_direction direction, struct vnet_error *err)
{
	const char *const accepted[] = { "protocol", "ports", "type", remote_words[direction] };
	char buf[TEXT_QUOTE_MAX];

	vec_each(item, &n->items) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
			is_known |= strcmp((*item)->key, accepted[i]) == 0;
		if (!is_known)
			return node_key_error(*item, err, "unknown-key",
					      "a rule of %s has no key %s; accepted: protocol, ports, type, %s",
					      group_direction_names[direction],
					      text_quote((*item)->key, buf), remote_words[direction]);
	}
	return 0;
}

static int parse_mapping(const struct node *n, enum group_direction direction,
			 struct group_rule *rule, struct vnet_error *err)
{
	const struct node *protocol = node_get(n, "protocol"), *ports = node_get(n, "ports"),
			  *type = node_get(n, "type"), *remote = node_get(n, remote_words[direction]);
	int r = check_keys(n, direction, err);

	if (r < 0)
		return r;
	if (!protocol || protocol->kind != NODE_SCALAR)
		return node_error(protocol ? protocol : n, err, "missing-key",
				  "a rule needs a protocol: " PROTOCOLS_ACCEPTED);
	r = parse_protocol(protocol, protocol->text, rule, err);
	if (r == 0 && ports)
		r = ports_from_node(ports, rule, err);
	if (r == 0 && type)
		r = type_from_node(type, rule, err);
	if (r < 0 || !remote)
		return r;
	if (remote->kind != NODE_SCALAR)
		return node_error(remote, err, "bad-type", "%s is one address, prefix or group:NAME",
				  remote_words[direction]);
	return parse_remote(remote, remote->text, rule, err);
}

static int rule_from_node(const struct node *n, enum group_direction direction,
			  struct group_rule *rule, struct vnet_error *err)
{
	rule->source = (struct source){ mem_strdup(n->file), n->line, n->column };
	if (n->kind == NODE_SCALAR)
		return parse_line(n, direction, rule, err);
	if (n->kind == NODE_MAPPING)
		return parse_mapping(n, direction, rule, err);
	return node_error(n, err, "bad-type", "a rule is a line like %s, or a mapping",
			  examples[direction]);
}

/* --- written --- */

static void append_word(struct strbuf *b, const struct word *words, size_t n, uint8_t number)
{
	for (size_t i = 0; i < n; i++) {
		if (words[i].number != number)
			continue;
		strbuf_append(b, words[i].name);
		return;
	}
	strbuf_printf(b, "%u", number);
}

char *group_rule_to_text(const struct group_rule *rule, enum group_direction direction)
{
	struct strbuf b = { 0 };
	char text[ADDR_TEXT_MAX];

	if (rule->has_protocol)
		append_word(&b, protocols, ARRAY_SIZE(protocols), rule->protocol);
	else
		strbuf_append(&b, "any");
	for (size_t i = 0; i < rule->n_ports; i++)
		strbuf_printf(&b, "%c%s", i ? ',' : ' ', port_range_format(&rule->ports[i], text));
	if (rule->has_type) {
		strbuf_append(&b, " ");
		if (rule->protocol == IPPROTO_ICMPV6)
			append_word(&b, icmp6_types, ARRAY_SIZE(icmp6_types), rule->type);
		else
			append_word(&b, icmp_types, ARRAY_SIZE(icmp_types), rule->type);
	}
	if (rule->group[0])
		strbuf_printf(&b, " %s group:%s", remote_words[direction], rule->group);
	else if (rule->remote.addr.family)
		strbuf_printf(&b, " %s %s", remote_words[direction],
			      rule->remote.len == ip_bits(&rule->remote.addr) ?
				      ip_format(&rule->remote.addr, text) :
				      prefix_format(&rule->remote, text));
	return b.s;
}

/* --- the list, for the table --- */

static void rules_free(struct group_rules *rules)
{
	vec_each(rule, &rules->list)
		free(rule->source.file);
	vec_free(&rules->list);
}

static int rules_decode(struct decoder *d, const struct node *n, struct group_rules *rules,
			enum group_direction direction)
{
	int r = 0;

	rules_free(rules);
	rules->is_any = n->kind == NODE_SCALAR && strcmp(n->text, "any") == 0;
	if (rules->is_any)
		return 0;
	if (n->kind != NODE_SEQUENCE)
		return node_error(n, d->err, "bad-type",
				  "%s is the word any, or a list of rules like %s; [] for none",
				  group_direction_names[direction], examples[direction]);
	if (n->items.n > GROUP_RULES_MAX)
		return node_error(n, d->err, "too-many", "%zu rules; at most %d are accepted",
				  n->items.n, GROUP_RULES_MAX);
	for (size_t i = 0; r == 0 && i < n->items.n; i++)
		r = rule_from_node(n->items.v[i], direction, vec_add(&rules->list), d->err);
	return r;
}

static json_t *rules_encode(const struct group_rules *rules, enum group_direction direction)
{
	json_t *list = rules->is_any ? json_string("any") : json_array();

	vec_each(rule, &rules->list) {
		AUTO_FREE char *text = group_rule_to_text(rule, direction);

		json_array_append_new(list, json_string(text));
	}
	return list;
}

static bool rule_equal(const struct group_rule *a, const struct group_rule *b)
{
	struct group_rule x = *a, y = *b;

	x.source = y.source = (struct source){ 0 };
	return memcmp(&x, &y, sizeof(x)) == 0;
}

static int ingress_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			  void *value)
{
	(void)f;
	return rules_decode(d, n, value, GROUP_INGRESS);
}

static int egress_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	(void)f;
	return rules_decode(d, n, value, GROUP_EGRESS);
}

static json_t *ingress_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return rules_encode(value, GROUP_INGRESS);
}

static json_t *egress_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return rules_encode(value, GROUP_EGRESS);
}

static bool ingress_is_default(const struct schema_field *f, const void *value, const void *root)
{
	const struct group_rules *rules = value;

	(void)f;
	(void)root;
	return !rules->is_any && !rules->list.n;
}

static bool egress_is_default(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return ((const struct group_rules *)value)->is_any;
}

static void rules_copy(const struct schema_field *f, void *to)
{
	struct group_rules *rules = to;
	const group_rule_vec from = { rules->list.v, rules->list.n, rules->list.cap };

	(void)f;
	memset(&rules->list, 0, sizeof(rules->list));
	vec_each(rule, &from)
		vec_push(&rules->list, *rule)->source.file = mem_strdup(rule->source.file);
}

static void rules_clear(const struct schema_field *f, void *value)
{
	(void)f;
	rules_free(value);
}

static bool rules_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct group_rules *x = a, *y = b;

	(void)f;
	if (x->is_any != y->is_any || x->list.n != y->list.n)
		return false;
	for (size_t i = 0; i < x->list.n; i++)
		if (!rule_equal(&x->list.v[i], &y->list.v[i]))
			return false;
	return true;
}

const struct schema_type type_ingress_rules = {
	.size = sizeof(struct group_rules),
	.decode = ingress_decode,
	.encode = ingress_encode,
	.is_default = ingress_is_default,
	.copy = rules_copy,
	.clear = rules_clear,
	.equal = rules_equal,
};

const struct schema_type type_egress_rules = {
	.size = sizeof(struct group_rules),
	.decode = egress_decode,
	.encode = egress_encode,
	.is_default = egress_is_default,
	.copy = rules_copy,
	.clear = rules_clear,
	.equal = rules_equal,
};
