/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nwfilter.c - a filter of libvirt's as a guard and a security group; see nwfilter.h. */

#include "import/nwfilter.h"

#include "base/addr.h"
#include "base/strbuf.h"
#include "model/definitions.h"
#include "model/guard.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#define PRIORITY_DEFAULT 500
#define RULES_MAX 1024

enum { FAMILY_4 = 1, FAMILY_6 = 2, FAMILY_BOTH = 3 };
enum direction { TO_GUEST, FROM_GUEST };

struct rule {
	struct xml_element *e, *match; /* match NULL: everything */
	long priority;
	bool accepts;
	bool is_in, is_out;
};

struct filter {
	struct import_report *report;
	enum guard_policy guard;
	json_t *rules[2];       /* by direction */
	unsigned closed[2];     /* families whose rest is dropped */
	const char *chain;
};

static void read_references(struct filter *f, struct xml_element *root);
static void take_name(struct filter *f, const struct xml_element *e, const char *name);
static bool read_rule(struct filter *f, struct xml_element *e, struct rule *ret);
static void translate(struct filter *f, const struct rule *rule);
static void finish(struct filter *f, const char *name, struct nwfilter_import *ret);

void nwfilter_import_free(struct nwfilter_import *filter)
{
	json_decref(filter->guard);
	json_decref(filter->groups);
	*filter = (struct nwfilter_import){ 0 };
}

static int refuse(const struct xml_element *e, const char *file, struct vnet_error *err,
		  const char *code, const char *message)
{
	vnet_error_set(err, -EINVAL, code, "%s", message);
	vnet_error_at(err, file, e->line, 0, NULL);
	return -EINVAL;
}

static int compare_rules(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return (x->e->line > y->e->line) - (x->e->line < y->e->line);
}

/* Is it one of libvirt's own?  Then its name says what it does. */
static bool is_stock(const char *name);

int nwfilter_import(struct xml_element *root, const char *file, struct nwfilter_import *ret,
		    struct import_report *report, struct vnet_error *err)
{
	struct filter f = { .report = report };
	const char *name = element_attribute(root, "name");
	VEC(struct rule) rules = { 0 };

	if (strcmp(root->name, "filter") || root->ns)
		return refuse(root, file, err, "not-a-filter",
			      "the document's root is not libvirt's <filter>");
	if (!name || !*name)
		return refuse(root, file, err, "missing-key", "a filter needs a name");
	if (is_stock(name)) {
		element_ignore(root);
		import_report_element(report, "filter-stock", root, "name", "%.60s", name);
		take_name(&f, root, name);
		finish(&f, name, ret);
		return 0;
	}
	root->is_read = true;
	f.rules[TO_GUEST] = json_array();
	f.rules[FROM_GUEST] = json_array();
	f.chain = element_attribute(root, "chain");
	if (element_child(root, "uuid")) {
		import_report_element(report, "uuid", element_child(root, "uuid"), NULL, NULL);
		element_ignore(element_child(root, "uuid"));
	}
	if (element_attribute(root, "priority"))
		import_report_element(report, "filter-priority", root, "priority", NULL);
	read_references(&f, root);
	for (struct xml_element *e = NULL; (e = element_next(root, "rule", e));) {
		struct rule rule;

		if (rules.n < RULES_MAX && read_rule(&f, e, &rule))
			vec_push(&rules, rule);
		else if (rules.n == RULES_MAX)
			import_report_element(report, "filter-rule", e, NULL, "too many rules");
		element_ignore(e);
	}
	vec_sort(&rules, compare_rules);
	vec_each(rule, &rules)
		translate(&f, rule);
	vec_free(&rules);
	finish(&f, name, ret);
	import_report_unread(report, root);
	import_report_sort(report);
	return 0;
}

/* --- libvirt's own filters --------------------------------------------------------------- */

static const struct {
	const char *name;
	enum guard_policy guard;
	const char *code;       /* of what is different, or NULL */
} stock[] = {
	{ "clean-traffic", GUARD_STRICT, "filter-ipv6" },
	{ "clean-traffic-gateway", GUARD_STRICT, "filter-gateway" },
	{ "no-mac-spoofing", GUARD_MAC, NULL },
	{ "no-ip-spoofing", GUARD_STRICT, "filter-more" },
	{ "no-ipv6-spoofing", GUARD_STRICT, "filter-more" },
	{ "no-arp-spoofing", GUARD_STRICT, "filter-more" },
	{ "no-arp-mac-spoofing", GUARD_STRICT, "filter-more" },
	{ "no-arp-ip-spoofing", GUARD_STRICT, "filter-more" },
	{ "no-other-l2-traffic", GUARD_STRICT, "filter-more" },
	{ "no-other-rarp-traffic", GUARD_STRICT, "filter-more" },
	{ "allow-arp", GUARD_INHERIT, "filter-implied" },
	{ "allow-dhcp", GUARD_INHERIT, "filter-implied" },
	{ "allow-dhcpv6", GUARD_INHERIT, "filter-implied" },
	{ "allow-dhcp-server", GUARD_INHERIT, "filter-dhcp-server" },
	{ "allow-dhcpv6-server", GUARD_INHERIT, "filter-dhcp-server" },
	{ "allow-incoming-ipv4", GUARD_INHERIT, "filter-implied" },
	{ "allow-incoming-ipv6", GUARD_INHERIT, "filter-implied" },
	{ "allow-ipv4", GUARD_INHERIT, "filter-implied" },
	{ "allow-ipv6", GUARD_INHERIT, "filter-implied" },
	{ "qemu-announce-self", GUARD_INHERIT, "filter-implied" },
	{ "qemu-announce-self-rarp", GUARD_INHERIT, "filter-implied" },
	{ "no-mac-broadcast", GUARD_INHERIT, "filter-broadcast" },
	{ "no-ip-multicast", GUARD_INHERIT, "filter-broadcast" },
	{ "no-ipv6-multicast", GUARD_INHERIT, "filter-broadcast" },
};

static bool is_stock(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(stock); i++)
		if (!strcmp(stock[i].name, name))
			return true;
	return false;
}

static void take_name(struct filter *f, const struct xml_element *e, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(stock); i++) {
		if (strcmp(stock[i].name, name) != 0)
			continue;
		if (stock[i].guard > f->guard)
			f->guard = stock[i].guard;
		if (stock[i].code)
			import_report_element(f->report, stock[i].code, e, NULL, "%s", name);
		return;
	}
	import_report_element(f->report, "filter-reference", e, NULL, "%.60s", name);
}

static void read_references(struct filter *f, struct xml_element *root)
{
	for (struct xml_element *e = NULL; (e = element_next(root, "filterref", e));) {
		const char *name = element_attribute(e, "filter");

		take_name(f, e, name ? name : "");
		for (struct xml_element *p = NULL; (p = element_next(e, "parameter", p));) {
			element_ignore(p);
			import_report_element(f->report, "filter-parameter", p, NULL, NULL);
		}
	}
}

/* --- rules as values ------------------------------------------------------------------------ */

static bool read_rule(struct filter *f, struct xml_element *e, struct rule *ret)
{
	const char *action = element_attribute(e, "action");
	const char *direction = element_attribute(e, "direction");
	const char *priority = element_attribute(e, "priority");
	const char *stateless = element_attribute(e, "statematch");
	bool is_root = !f->chain || !strcmp(f->chain, "root");

	action = action ? action : "";
	direction = direction ? direction : "";
	*ret = (struct rule){ .e = e, .match = e->children.n ? e->children.v[0] : NULL,
			      .priority = priority ? strtol(priority, NULL, 0) : PRIORITY_DEFAULT };
	ret->is_in = !strcasecmp(direction, "in") || !strcasecmp(direction, "inout");
	ret->is_out = !strcasecmp(direction, "out") || !strcasecmp(direction, "inout");
	/* Back from the root chain is through. */
	ret->accepts = !strcasecmp(action, "accept") || (!strcasecmp(action, "return") && is_root);
	if (!ret->accepts && strcasecmp(action, "drop") && strcasecmp(action, "reject")) {
		import_report_element(f->report, "filter-rule", e, NULL, "action %.20s", action);
		return false;
	}
	if ((!ret->is_in && !ret->is_out) || e->children.n > 1) {
		import_report_element(f->report, "filter-rule", e, NULL, "direction %.20s", direction);
		return false;
	}
	if (!strcasecmp(action, "reject"))
		import_report_element(f->report, "filter-reject", e, NULL, NULL);
	if (stateless && strcmp(stateless, "1") && strcasecmp(stateless, "true"))
		import_report_element(f->report, "filter-stateless", e, "statematch", NULL);
	return true;
}

/* --- rules as lines of a group ----------------------------------------------------------------- */

static const struct {
	const char *name;       /* of the element */
	unsigned families;
	const char *protocol;   /* of a group's rule; NULL: the attribute says it */
} protocols[] = {
	{ "tcp", FAMILY_4, "tcp" },       { "tcp-ipv6", FAMILY_6, "tcp" },
	{ "udp", FAMILY_4, "udp" },       { "udp-ipv6", FAMILY_6, "udp" },
	{ "sctp", FAMILY_4, "sctp" },     { "sctp-ipv6", FAMILY_6, "sctp" },
	{ "icmp", FAMILY_4, "icmp" },     { "icmpv6", FAMILY_6, "icmpv6" },
	{ "esp", FAMILY_4, "esp" },       { "esp-ipv6", FAMILY_6, "esp" },
	{ "ah", FAMILY_4, "ah" },         { "ah-ipv6", FAMILY_6, "ah" },
	{ "udplite", FAMILY_4, "136" },   { "udplite-ipv6", FAMILY_6, "136" },
	{ "igmp", FAMILY_4, "2" },        { "all", FAMILY_4, "any" },
	{ "all-ipv6", FAMILY_6, "any" },  { "ip", FAMILY_4, NULL },
	{ "ipv6", FAMILY_6, NULL },
};

/* What a rule of the filter says, in one direction. */
struct line {
	unsigned families;
	const char *protocol;
	const char *address, *mask, *port, *last_port, *type;
	bool is_whole;          /* everything of its families */
	bool is_reply;          /* of connections that exist */
	char odd[160];          /* attributes that a group's rule has not */
};

static bool chain_is(const struct filter *f, const char *protocol)
{
	return f->chain && !strncmp(f->chain, protocol, strlen(protocol));
}

/* A rule without a protocol, or for a type of frames alone. */
static bool read_frames(const struct filter *f, const struct xml_element *match, struct line *ret)
{
	const struct xml_attribute *id = element_find_attribute(match, "protocolid");
	bool is_plain = !match || !match->attributes.n ||
			(id && match->attributes.n == 1);

	if (!is_plain || (match && strcmp(match->name, "mac")))
		return false;
	ret->protocol = "any";
	ret->families = chain_is(f, "ipv4") ? FAMILY_4 :
			chain_is(f, "ipv6") ? FAMILY_6 :
			!f->chain || !strcmp(f->chain, "root") ? FAMILY_BOTH :
								 0;
	if (id)
		ret->families = !strcasecmp(id->value, "ipv4") ? FAMILY_4 :
				!strcasecmp(id->value, "ipv6") ? FAMILY_6 :
								 0;
	return ret->families;
}

/* "ESTABLISHED,RELATED": connections that exist need no rule; NEW is what a rule speaks of. */
static void read_state(const char *state, struct line *ret)
{
	bool is_new = strcasestr(state, "NEW"), is_old = strcasestr(state, "ESTABLISHED");

	if (is_old && !is_new)
		ret->is_reply = true;
	else if (!is_new)
		strncat(ret->odd, " state", sizeof(ret->odd) - strlen(ret->odd) - 1);
}

static void read_attribute(const struct xml_attribute *a, enum direction direction,
			   struct line *ret)
{
	bool to_guest = direction == TO_GUEST;
	const struct { const char *name, **value; } known[] = {
		{ to_guest ? "srcipaddr" : "dstipaddr", &ret->address },
		{ to_guest ? "srcipmask" : "dstipmask", &ret->mask },
		{ "dstportstart", &ret->port },
		{ "dstportend", &ret->last_port },
		{ "type", &ret->type },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, a->name)) {
			*known[i].value = a->value;
			return;
		}
	if (!strcmp(a->name, "state"))
		read_state(a->value, ret);
	else if (!strcmp(a->name, "protocol") && !ret->protocol)
		ret->protocol = a->value;
	else if (strcmp(a->name, "comment") && (strcmp(a->name, "match") || strcmp(a->value, "yes")))
		snprintf(ret->odd + strlen(ret->odd), sizeof(ret->odd) - strlen(ret->odd), " %.20s",
			 a->name);
}

static bool read_packets(const struct xml_element *match, enum direction direction,
			 struct line *ret)
{
	size_t i = 0;

	while (match && i < ARRAY_SIZE(protocols) && strcmp(protocols[i].name, match->name) != 0)
		i++;
	if (!match || i == ARRAY_SIZE(protocols))
		return false;
	ret->families = protocols[i].families;
	ret->protocol = protocols[i].protocol;
	vec_each(a, &match->attributes)
		read_attribute(a, direction, ret);
	ret->protocol = ret->protocol ? ret->protocol : "any";
	return true;
}

/* "10.1.2.0/24" of an address and a mask in either notation; NULL: not to be said. */
static char *prefix_text(const struct line *line)
{
	static const char *const all[] = { [FAMILY_4] = "0.0.0.0/0", [FAMILY_6] = "::/0" };
	struct prefix p = { 0 };
	struct ip mask;
	char text[ADDR_TEXT_MAX];

	if (!line->address)
		return mem_strdup(all[line->families]);
	if (ip_parse(line->address, &p.addr) < 0)
		return NULL;
	p.len = (uint8_t)ip_bits(&p.addr);
	if (line->mask && ip_parse(line->mask, &mask) == 0) {
		for (p.len = 0; p.len < ip_bits(&p.addr); p.len++)
			if (!(mask.b[p.len / 8] & (0x80 >> p.len % 8)))
				break;
	} else if (line->mask) {
		unsigned long n = strtoul(line->mask, NULL, 10);

		if (n > p.len)
			return NULL;
		p.len = (uint8_t)n;
	}
	p = prefix_network(&p);
	return mem_strdup(prefix_format(&p, text));
}

/* One line of a group; NULL: not to be said. To be freed. */
static char *rule_text(const struct line *line, enum direction direction)
{
	AUTO_FREE char *prefix = line->families == FAMILY_BOTH ? NULL : prefix_text(line);
	struct strbuf b = { 0 };

	if (line->families != FAMILY_BOTH && !prefix)
		return NULL;
	strbuf_append(&b, line->protocol);
	if (line->type)
		strbuf_printf(&b, " %lu", strtoul(line->type, NULL, 0));
	if (line->port)
		strbuf_printf(&b, " %lu", strtoul(line->port, NULL, 0));
	if (line->port && line->last_port)
		strbuf_printf(&b, "-%lu", strtoul(line->last_port, NULL, 0));
	/* ICMP is of one family anyway. */
	if (prefix && (line->address || strncmp(line->protocol, "icmp", 4)))
		strbuf_printf(&b, " %s %s", direction == TO_GUEST ? "from" : "to", prefix);
	return strbuf_take(&b);
}

/* The model's own reader has the last word on a rule. */
static bool is_rule(const char *text, enum direction direction)
{
	AUTO_DEFINITIONS struct definitions definitions = { 0 };
	json_t *json = json_pack("{s:{s:{s:[s]}}}", "groups", "x",
				 direction == TO_GUEST ? "ingress" : "egress", text);
	bool good = json && definitions_from_json(json, &definitions, NULL) == 0;

	json_decref(json);
	return good;
}

static void add_rule(struct filter *f, enum direction direction, const char *text)
{
	size_t i;
	json_t *item;

	json_array_foreach(f->rules[direction], i, item)
		if (!strcmp(json_string_value(item), text))
			return;
	json_array_append_new(f->rules[direction], json_string(text));
}

/* What the guard looks at by itself. */
static bool is_arp(const struct xml_element *match)
{
	const struct xml_attribute *id = element_find_attribute(match, "protocolid");
	const char *name = id ? id->value : match ? match->name : "";

	return !strcasecmp(name, "arp") || !strcasecmp(name, "rarp");
}

static void translate_direction(struct filter *f, const struct rule *rule, enum direction direction)
{
	const struct xml_element *what = rule->match ? rule->match : rule->e;
	AUTO_FREE char *text = NULL;
	struct line line = { 0 };

	if (!read_frames(f, rule->match, &line) && !read_packets(rule->match, direction, &line)) {
		import_report_element(f->report, rule->accepts && is_arp(rule->match) ? "filter-implied" :
											"filter-frames",
				      what, NULL, NULL);
		return;
	}
	line.is_whole = !strcmp(line.protocol, "any") && !line.address && !line.port && !line.odd[0];
	if (line.odd[0]) {
		import_report_element(f->report, "filter-rule", what, NULL, "%s", line.odd + 1);
	} else if (line.is_reply) {
		import_report_element(f->report, "filter-replies", what, NULL, NULL);
	} else if ((f->closed[direction] & line.families) == line.families) {
		import_report_element(f->report, "filter-unreached", what, NULL, NULL);
	} else if (!rule->accepts) {
		if (line.is_whole)
			f->closed[direction] |= line.families;
		else
			import_report_element(f->report, "filter-drop", what, NULL, NULL);
	} else {
		text = rule_text(&line, direction);
		if (text && is_rule(text, direction))
			add_rule(f, direction, text);
		else
			import_report_element(f->report, "filter-rule", what, NULL, "%s",
					      text ? text : "variables, or no prefix");
	}
}

/* Addresses of a rule for both directions are those of one of them. */
static void translate(struct filter *f, const struct rule *rule)
{
	if (rule->match && element_find_attribute(rule->match, "comment"))
		import_report_element(f->report, "filter-comment", rule->match, "comment", NULL);
	if (rule->is_in)
		translate_direction(f, rule, TO_GUEST);
	if (rule->is_out)
		translate_direction(f, rule, FROM_GUEST);
}

/* --- what it comes to ------------------------------------------------------------------------------ */

/* What no rule drops is accepted; a group that says so for one family lists the other. */
static void add_open_families(struct filter *f, enum direction direction)
{
	const char *word = direction == TO_GUEST ? "from" : "to";
	AUTO_FREE char *all4 = mem_printf("any %s 0.0.0.0/0", word);
	AUTO_FREE char *all6 = mem_printf("any %s ::/0", word);

	if (!(f->closed[direction] & FAMILY_4))
		add_rule(f, direction, all4);
	if (!(f->closed[direction] & FAMILY_6))
		add_rule(f, direction, all6);
}

static json_t *direction_to_json(struct filter *f, enum direction direction)
{
	if (!f->closed[direction])
		return json_string("any");
	add_open_families(f, direction);
	return json_incref(f->rules[direction]);
}

static char *group_name(const char *name)
{
	char *copy = mem_strndup(name, GROUP_NAME_MAX);

	for (char *c = copy; *c; c++)
		if (!isalnum((unsigned char)*c) && (c == copy || !strchr("-_.", *c)))
			*c = c == copy ? 'g' : '-';
	return copy;
}

static void finish(struct filter *f, const char *name, struct nwfilter_import *ret)
{
	AUTO_FREE char *group = group_name(name);

	*ret = (struct nwfilter_import){ 0 };
	if (f->guard)
		ret->guard = json_string(guard_policy_name(f->guard));
	if (f->closed[TO_GUEST] || f->closed[FROM_GUEST])
		ret->groups = json_pack("{s:{s:o, s:o}}", group, "ingress",
					direction_to_json(f, TO_GUEST), "egress",
					direction_to_json(f, FROM_GUEST));
	json_decref(f->rules[TO_GUEST]);
	json_decref(f->rules[FROM_GUEST]);
}
