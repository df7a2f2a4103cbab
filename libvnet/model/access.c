/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * access.c - the access policy: /etc/vnet/access.yaml read and applied.
 *
 * The first rule that names both the network and the peer decides; its limits
 * then say how.  A limit that is not met denies, no later rule is asked: two
 * rules for the same people on the same network would otherwise add up to what
 * neither of them says.
 */

#include "model/access_internal.h"

#include "base/strbuf.h"
#include "model/names.h"
#include "model/schema_wire.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define LIST_MAX 256

/* --- reading --- */

struct resolving {
	const struct access_resolver *resolver;
};

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")] && strlen(text) <= 10;
}

/* A name, or a number which needs no account. */
static int subject_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			  void *value)
{
	const struct access_resolver *resolver = ((const struct resolving *)d->context)->resolver;
	bool is_group = strcmp(f->key, "groups") == 0;
	const char *text = decode_text(d, n, is_group ? "a group" : "a user");
	struct access_subject *subject = value;
	char buf[TEXT_QUOTE_MAX];

	if (!text)
		return -EINVAL;
	if (is_number(text) && strtoull(text, NULL, 10) < UINT32_MAX) {
		subject->id = (uint32_t)strtoull(text, NULL, 10);
		return 0;
	}
	if ((is_group ? resolver->group : resolver->user)(text, &subject->id) == 0)
		return 0;
	return node_error(n, d->err, "unknown-account",
			  "there is no %s %s on this host; correct the name or give the number",
			  is_group ? "group" : "user", text_quote(text, buf));
}

static const struct schema_type type_subject = {
	.size = sizeof(struct access_subject),
	.decode = subject_decode,
};

/* "52:54:00": the first one to six bytes. */
static int mac_prefix_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			     void *value)
{
	static const char wanted[] = "the first bytes of a MAC address, like 52:54:00";
	const char *text = decode_text(d, n, wanted);
	char full[] = "00:00:00:00:00:00", buf[TEXT_QUOTE_MAX];
	size_t len = text ? strlen(text) : 0;
	struct mac_prefix *prefix = value;
	struct mac mac;

	(void)f;
	if (!text)
		return -EINVAL;
	if (len >= sizeof(full) || len % 3 != 2)
		return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf),
				  wanted);
	memcpy(full, text, len);
	if (mac_parse(full, &mac) < 0)
		return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf),
				  wanted);
	memcpy(prefix->b, mac.b, sizeof(prefix->b));
	prefix->size = (uint8_t)((len + 1) / 3);
	return 0;
}

static const struct schema_type type_mac_prefix = {
	.size = sizeof(struct mac_prefix),
	.decode = mac_prefix_decode,
};

/* A prefix, or one address. */
static int address_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			  void *value)
{
	struct prefix *prefix = value;
	struct ip ip;

	if (n->kind != NODE_SCALAR || ip_parse(n->text, &ip) < 0)
		return type_prefix.decode(d, f, n, value);
	*prefix = (struct prefix){ .addr = ip, .len = (uint8_t)ip_bits(&ip) };
	return 0;
}

static const struct schema_type type_address = {
	.size = sizeof(struct prefix),
	.decode = address_decode,
};

static const struct schema_field network_item = ITEM("networks", type_string, .check = glob_check);
static const struct schema_field user_item = ITEM("users", type_subject);
static const struct schema_field group_item = ITEM("groups", type_subject);
static const struct schema_field kind_item = ITEM("kinds", type_enum, .names = port_kind_names);
static const struct schema_field mac_item = ITEM("macs", type_mac_prefix);
static const struct schema_field address_item = ITEM("addresses", type_address);
static const struct schema_field port_group_item =
	ITEM("port_groups", type_string, .check = glob_check);
static const struct schema_field ifname_item = ITEM("ifnames", type_string, .check = glob_check);

static const struct schema_field rule_fields[] = {
#define R(member) offsetof(struct access_rule, member)
	FIELD("allow", type_list, R(allow), .item = &network_item, .max = LIST_MAX),
	FIELD("deny", type_list, R(deny), .item = &network_item, .max = LIST_MAX),
	FIELD("users", type_list, R(users), .item = &user_item, .max = LIST_MAX),
	FIELD("groups", type_list, R(groups), .item = &group_item, .max = LIST_MAX),
	FIELD("everyone", type_bool, R(everyone)),
	FIELD("kinds", type_list, R(kinds), .item = &kind_item, .max = LIST_MAX),
	FIELD("macs", type_list, R(macs), .item = &mac_item, .max = LIST_MAX),
	FIELD("learn_mac", type_bool, R(learn_mac), .has = HAS(struct access_rule, has_learn_mac)),
	FIELD("addresses", type_list, R(addresses), .item = &address_item, .max = LIST_MAX),
	FIELD("ifnames", type_list, R(ifnames), .item = &ifname_item, .max = LIST_MAX),
	FIELD("port_groups", type_list, R(port_groups), .item = &port_group_item, .max = LIST_MAX),
	FIELD("persistent", type_bool, R(persistent)),
	FIELD("adopt", type_bool, R(adopt)),
	FIELD("lift_isolation", type_bool, R(lift_isolation)),
	FIELD("lift_guard", type_bool, R(lift_guard)),
	FIELD("lift_limits", type_bool, R(lift_limits)),
	FIELD("options", type_bool, R(options)),
	FIELD("vlans", type_vlan_ranges, R(vlans)),
	FIELD("max_ports", type_uint, R(max_ports), .min = 1, .max = UINT_MAX,
	      .def = ACCESS_PORTS_DEFAULT),
	FIELD("max_queues", type_uint, R(max_queues), .min = 1, .max = PORT_QUEUES_MAX,
	      .def = ACCESS_QUEUES_DEFAULT),
#undef R
};

/* The keys that say which networks and who; all others say how. */
static bool is_selector(const char *key)
{
	static const char *const keys[] = { "deny", "users", "groups", "everyone" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static int rule_finish(struct decoder *d, const struct node *n, void *value)
{
	const struct access_rule *rule = value;

	if (!rule->allow.n == !rule->deny.n)
		return node_error(n, d->err, "missing-key",
				  "a rule allows or denies: give one of allow and deny, a list of "
				  "networks (\"*\" for all)");
	if (!rule->everyone && !rule->users.n && !rule->groups.n)
		return node_error(
			n, d->err, "missing-key",
			"the rule speaks of nobody; give users, groups or everyone: true");
	if (rule->everyone && (rule->users.n || rule->groups.n))
		return node_error(n, d->err, "mode-conflict",
				  "everyone includes the users and groups; keep one of the two");
	vec_each(kind, &rule->kinds)
		if (*kind == PORT_VETH || *kind == PORT_MACVLAN)
			return node_error(node_get(n, "kinds"), d->err, "bad-value",
					  "ports of kind %s go into namespaces, which only root may "
					  "name; accepted: tap, macvtap, vf",
					  port_kind_name(*kind));
	for (size_t i = 0; i < n->items.n && rule->deny.n; i++)
		if (!is_selector(n->items.v[i]->key))
			return node_key_error(
				n->items.v[i], d->err, "mode-conflict",
				"%s limits what is allowed; a rule that denies has no limits",
				n->items.v[i]->key);
	return 0;
}

static const struct schema rule_schema = {
	.what = "a rule",
	.size = sizeof(struct access_rule),
	SCHEMA_FIELDS(rule_fields),
	.source = HAS(struct access_rule, source),
	.finish = rule_finish,
};

static const struct schema_field rule_item = ITEM("rules", type_struct, .schema = &rule_schema);
static const struct schema_field policy_fields[] = {
	FIELD("rules", type_list, offsetof(struct access_policy, rules), .item = &rule_item,
	      .max = ACCESS_RULES_MAX),
	FIELD("bridge_conf", type_string, offsetof(struct access_policy, bridge_conf), .max = 1023,
	      .check = path_check),
};
static const struct schema policy_schema = {
	.what = "the access policy",
	.size = sizeof(struct access_policy),
	SCHEMA_FIELDS(policy_fields),
};

struct access_policy *access_policy_new(void)
{
	return mem_alloc(sizeof(struct access_policy));
}

void access_policy_free(struct access_policy *policy)
{
	if (!policy)
		return;
	schema_clear(&policy_schema, policy);
	bridge_conf_clear(policy);
	free(policy->file);
	free(policy);
}

const char *access_policy_bridge_conf(const struct access_policy *policy)
{
	return policy->bridge_conf;
}

int access_policy_from_yaml(const char *text, size_t size, const char *file,
			    const struct access_resolver *resolver, struct access_policy **ret,
			    struct vnet_error *err)
{
	AUTO(access_policy_free) struct access_policy *policy = access_policy_new();
	const struct resolving resolving = { resolver };
	struct decoder d = { .err = err, .context = &resolving };
	AUTO(node_free) struct node *root = NULL;
	int r = node_from_yaml(text, size, file, &root, err);

	if (r < 0)
		return r;
	policy->file = mem_strdup(file);
	if (root->kind != NODE_NULL || root->line)
		r = schema_decode(&d, &policy_schema, root, policy);
	if (r == 0)
		*ret = TAKE(policy);
	return r;
}

/* --- matching --- */

/* '*' any run, '?' any one; one step back suffices, so the time is bounded by the product. */
static bool glob_matches(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool any_glob_matches(char *const *patterns, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (glob_matches(patterns[i], text))
			return true;
	return false;
}

static bool in_group(const struct peer *peer, uint32_t gid)
{
	vec_each(group, &peer->groups)
		if (*group == gid)
			return true;
	return peer->gid == gid;
}

static bool speaks_of(const struct access_rule *rule, const struct peer *peer)
{
	if (rule->everyone)
		return true;
	vec_each(user, &rule->users)
		if (user->id == peer->uid)
			return true;
	vec_each(group, &rule->groups)
		if (in_group(peer, group->id))
			return true;
	return false;
}

static const struct access_rule *find_rule(const struct access_policy *policy,
					   const struct peer *peer, const struct network *net)
{
	vec_each(rule, &policy->rules) {
		const char *name = net->name;

		if (!speaks_of(rule, peer))
			continue;
		if (any_glob_matches(rule->allow.v, rule->allow.n, name) ||
		    any_glob_matches(rule->deny.v, rule->deny.n, name))
			return rule;
	}
	return NULL;
}

/* --- limits --- */

/* "vp" and digits: the names that netd gives. */
static bool is_chosen_ifname(const char *name)
{
	size_t skip = strlen(PORT_IFNAME_PREFIX);

	if (!*name)
		return false;
	return strncmp(name, PORT_IFNAME_PREFIX, skip) != 0 ||
	       !isdigit((unsigned char)name[skip]) ||
	       name[skip + strspn(name + skip, "0123456789")];
}

static bool kind_is_allowed(const struct access_rule *rule, enum port_kind kind)
{
	vec_each(allowed, &rule->kinds)
		if (*allowed == kind)
			return true;
	return !rule->kinds.n && (kind == PORT_TAP || kind == PORT_MACVTAP);
}

static bool mac_is_allowed(const struct access_rule *rule, const struct mac *mac)
{
	vec_each(prefix, &rule->macs)
		if (memcmp(prefix->b, mac->b, prefix->size) == 0)
			return true;
	return !rule->macs.n;
}

/* A learned MAC is whatever the guest says: no less than a free choice. */
static bool learning_is_allowed(const struct access_rule *rule)
{
	return rule->has_learn_mac ? rule->learn_mac : !rule->macs.n;
}

static bool address_is_allowed(const struct access_rule *rule, const struct ip *ip)
{
	vec_each(prefix, &rule->addresses)
		if (prefix_contains(prefix, ip))
			return true;
	return false;
}

static bool same_vlans(const struct port_vlans *a, const struct port_vlans *b)
{
	return a->native == b->native && a->tagged.n == b->tagged.n &&
	       (!a->tagged.n ||
		memcmp(a->tagged.v, b->tagged.v, a->tagged.n * sizeof(*a->tagged.v)) == 0);
}

static bool range_is_allowed(const struct access_rule *rule, const struct vlan_range *range)
{
	for (unsigned id = range->first; id <= range->last; id++)
		if (!vlan_ranges_contain(&rule->vlans, id))
			return false;
	return true;
}

/* What the network gives to every port needs no rule. */
static bool vlans_are_allowed(const struct access_rule *rule, const struct network *net,
			      const struct port_vlans *vlans)
{
	struct port_vlans usual = net->port_defaults.vlan;

	if (!usual.is_given)
		usual.native = network_native_vlan(net);
	if (!vlans->is_given || same_vlans(vlans, &usual))
		return true;
	vec_each(range, &vlans->tagged)
		if (!range_is_allowed(rule, range))
			return false;
	return !vlans->native || vlan_ranges_contain(&rule->vlans, vlans->native);
}

static bool is_lifted(const struct bandwidth *limit, const struct bandwidth *usual)
{
	if (limit->guaranteed > usual->guaranteed)
		return true;
	return usual->rate && (!limit->rate || limit->rate > usual->rate ||
			       shaper_burst(limit) > shaper_burst(usual));
}

static bool options_differ(const struct port_options *a, const struct port_options *b)
{
	return a->learning != b->learning || a->flood != b->flood ||
	       a->multicast_flood != b->multicast_flood || a->hairpin != b->hairpin ||
	       a->proxy_arp != b->proxy_arp;
}

/* How much a policy holds a port to. */
static unsigned strength(enum guard_policy policy)
{
	return policy == GUARD_STRICT ? 2 : policy == GUARD_MAC;
}

static bool allows(const struct guard *guard, unsigned allow)
{
	vec_each(other, &guard->allow)
		if (*other == allow)
			return true;
	return false;
}

static bool passes(const struct guard *guard, uint16_t ethertype)
{
	vec_each(other, &guard->ethertypes)
		if (*other == ethertype)
			return true;
	return false;
}

static bool is_more_at_once(unsigned limit, unsigned usual)
{
	return usual && (!limit || limit > usual);
}

/* Is the port held to less than the network's ports are? */
static bool guard_is_lifted(const struct port *port, const struct network *net)
{
	const struct port usual_port = { .kind = port->kind };
	struct port_guard is = port_guard(port, net), usual = port_guard(&usual_port, net);

	if (strength(is.policy) < strength(usual.policy) ||
	    (usual.guard->learn == TRI_FALSE && port_learns_addresses(port, net)))
		return true;
	vec_each(allow, &is.guard->allow)
		if (!allows(usual.guard, *allow))
			return true;
	vec_each(type, &is.guard->ethertypes)
		if (!passes(usual.guard, *type))
			return true;
	if (is.guard->learn != TRI_FALSE && usual.guard->learn == TRI_FALSE)
		return true;
	return is_more_at_once(is.guard->broadcast, usual.guard->broadcast) ||
	       is_more_at_once(is.guard->multicast, usual.guard->multicast);
}

/*
 * What groups accept adds up, and without any a port is open: the network's stay,
 * whatever the rule says, and others come with its leave.
 */
static bool groups_are_allowed(const struct access_rule *rule, const struct port *port,
			       const struct port_defaults *defaults, struct strbuf *what)
{
	vec_each(name, &defaults->groups)
		if (!group_names_have(&port->groups, *name)) {
			strbuf_printf(what, "a port outside of the network's security group %s", *name);
			return false;
		}
	vec_each(name, &port->groups)
		if (!group_names_have(&defaults->groups, *name) &&
		    !any_glob_matches(rule->port_groups.v, rule->port_groups.n, *name)) {
			strbuf_printf(what, "the security group %s", *name);
			return false;
		}
	return true;
}

static bool prefix_is_allowed(const struct access_rule *rule, const struct prefix *prefix)
{
	vec_each(allowed, &rule->addresses)
		if (allowed->len <= prefix->len && prefix_contains(allowed, &prefix->addr))
			return true;
	return false;
}

/* Says in *what what the rule does not allow, and in *key which of its keys would; false: all is.
 */
static bool exceeds(const struct access_rule *rule, const struct access_request *request,
		    struct strbuf *what, const char **key)
{
	const struct port *port = request->port;
	char text[ADDR_TEXT_MAX];

#define EXCEEDS(key_, ...) (*key = (key_), strbuf_printf(what, __VA_ARGS__), true)
	if (!kind_is_allowed(rule, port->kind))
		return EXCEEDS("kinds", "a port of kind %s", port_kind_name(port->kind));
	if (request->n_ports_of_owner >= rule->max_ports)
		return EXCEEDS("max_ports", "more than %u ports at once", rule->max_ports);
	if (port->queues > rule->max_queues)
		return EXCEEDS("max_queues", "%u queues (at most %u)", port->queues,
			       rule->max_queues);
	if (request->mac_chosen && port->has_mac && !mac_is_allowed(rule, &port->mac))
		return EXCEEDS("macs", "the MAC %s", mac_format(&port->mac, text));
	if (port->learns_mac && !learning_is_allowed(rule))
		return EXCEEDS("learn_mac", "a MAC learned from the guest");
	vec_each(ip, &port->addresses)
		if (!address_is_allowed(rule, ip))
			return EXCEEDS("addresses", "the address %s", ip_format(ip, text));
	if (is_chosen_ifname(port->ifname) &&
	    !any_glob_matches(rule->ifnames.v, rule->ifnames.n, port->ifname))
		return EXCEEDS("ifnames", "the interface name %s", port->ifname);
	if (port->persistent && !rule->persistent)
		return EXCEEDS("persistent", "a persistent port");
	if (port->adopted && !rule->adopt)
		return EXCEEDS("adopt", "an existing device");
	if (request->network->port_defaults.isolated && !port->isolated && !rule->lift_isolation)
		return EXCEEDS("lift_isolation", "a port that is not isolated");
	if (port->has_guard && guard_is_lifted(port, request->network) && !rule->lift_guard)
		return EXCEEDS("lift_guard", "a weaker guard than the network's");
	if (port->has_groups && !groups_are_allowed(rule, port, &request->network->port_defaults, what)) {
		*key = "port_groups";
		return true;
	}
	vec_each(mac, &port->guard.macs)
		if (!mac_is_allowed(rule, mac))
			return EXCEEDS("macs", "the MAC %s in guard.macs", mac_format(mac, text));
	vec_each(prefix, &port->guard.addresses)
		if (!prefix_is_allowed(rule, prefix))
			return EXCEEDS("addresses", "%s in guard.addresses", prefix_format(prefix, text));
	if (!vlans_are_allowed(rule, request->network, &port->vlan))
		return EXCEEDS("vlans", "VLANs of its own choice");
	if (options_differ(&port->options, &request->network->port_defaults.options) &&
	    !rule->options)
		return EXCEEDS("options", "bridge options that differ from the network's");
	if ((is_lifted(&port->in, &request->network->port_defaults.in) ||
	     is_lifted(&port->out, &request->network->port_defaults.out)) &&
	    !rule->lift_limits)
		return EXCEEDS("lift_limits", "more bandwidth than the network gives to a port");
#undef EXCEEDS
	return false;
}

/* --- decisions --- */

static const char *policy_file(const struct access_policy *policy)
{
	return policy && policy->file ? policy->file : "access.yaml";
}

static int deny(const struct access_policy *policy, const struct peer *peer,
		const struct access_request *request, const char *why, const struct source *source,
		struct vnet_error *err)
{
	const char *name = request->network->name;

	vnet_error_set(err, -EACCES, "access-denied",
		       "uid %u may not attach to network %s: %s; to allow it, root writes the rule "
		       "\"- {allow: [%s], users: [%u]}\" first under rules in %s",
		       peer->uid, name, why, name, peer->uid, policy_file(policy));
	if (source)
		vnet_error_at(err, source->file, source->line, source->column, NULL);
	return -EACCES;
}

static int check_limits(const struct access_policy *policy, const struct access_rule *rule,
			const struct source *source, const struct peer *peer,
			const struct access_request *request, struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf what = { 0 };
	const char *key;

	if (!exceeds(rule, request, &what, &key))
		return 0;
	vnet_error_set(err, -EACCES, "access-denied",
		       "uid %u may attach to network %s, but not with %s; root can allow it by the "
		       "key %s of %s in %s",
		       peer->uid, request->network->name, what.s, key,
		       rule->source.line ? "that rule" : "a rule of its own", policy_file(policy));
	vnet_error_at(err, source->file, source->line, source->column, NULL);
	return -EACCES;
}

static int check_by_bridge_conf(const struct access_policy *policy, const struct peer *peer,
				const struct access_request *request, struct vnet_error *err)
{
	static enum port_kind tap[] = { PORT_TAP };
	static const struct access_rule plain = { .max_ports = ACCESS_PORTS_DEFAULT,
						  .max_queues = 1,
						  .kinds = { .v = tap, .n = 1 } };
	const struct conf_rule *line = NULL;
	enum conf_verdict verdict = bridge_conf_decide(policy, peer, request->network, &line);
	struct source source = { 0 };

	if (line)
		source = (struct source){ policy->conf_files.v[line->file].path, line->line, 1 };
	if (verdict == CONF_ALLOW)
		return check_limits(policy, &plain, &source, peer, request, err);
	return deny(policy, peer, request, line ? "this line denies it" : "no rule allows it",
		    line ? &source : NULL, err);
}

int access_check_attach(const struct access_policy *policy, const struct peer *peer,
			const struct access_request *request, struct vnet_error *err)
{
	const struct access_rule *rule;

	if (peer->uid == 0)
		return 0;
	if (!policy)
		return deny(policy, peer, request, "there is no access policy", NULL, err);
	if (request->port->netns)
		return vnet_error_set(err, -EACCES, "access-denied",
				      "only root may put a port into a namespace, and the caller is "
				      "uid %u",
				      peer->uid);
	rule = find_rule(policy, peer, request->network);
	if (!rule)
		return check_by_bridge_conf(policy, peer, request, err);
	if (rule->deny.n)
		return deny(policy, peer, request, "this rule denies it", &rule->source, err);
	return check_limits(policy, rule, &rule->source, peer, request, err);
}

int access_check_update(const struct access_policy *policy, const struct peer *peer,
			const struct network *net, const struct port *before,
			const struct port *after, struct vnet_error *err)
{
	const struct access_request request = {
		.network = net,
		.port = after,
		.mac_chosen = before->has_mac != after->has_mac ||
			      mac_cmp(&before->mac, &after->mac) != 0,
	};
	int r = access_check_port(peer, before, err);

	return r < 0 ? r : access_check_attach(policy, peer, &request, err);
}

int access_check_port(const struct peer *peer, const struct port *port, struct vnet_error *err)
{
	if (peer->uid == 0 || peer->uid == port->owner_uid)
		return 0;
	return vnet_error_set(err, -EACCES, "access-denied",
			      "port %s belongs to uid %u; uid %u may not touch it, root may",
			      port->name, port->owner_uid, peer->uid);
}

int access_check_configure(const struct peer *peer, struct vnet_error *err)
{
	if (peer->uid == 0)
		return 0;
	return vnet_error_set(
		err, -EACCES, "access-denied",
		"only root configures networks, and the caller is uid %u; run it as root",
		peer->uid);
}

bool access_may_see(const struct access_policy *policy, const struct peer *peer,
		    const struct network *net)
{
	const struct conf_rule *line = NULL;
	const struct access_rule *rule;

	if (peer->uid == 0)
		return true;
	rule = policy ? find_rule(policy, peer, net) : NULL;
	if (rule)
		return rule->allow.n > 0;
	return policy && bridge_conf_decide(policy, peer, net, &line) == CONF_ALLOW;
}
