/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt_dns.c - <domain>, <dns> and <dnsmasq:options>. */

#include "import/libvirt_internal.h"

#include "model/names.h"
#include "model/schema.h"

#include <strings.h>

static void import_options(struct libvirt_import *im);
static void import_forwarders(struct libvirt_import *im, struct xml_element *dns);
static void import_hosts(struct libvirt_import *im, struct xml_element *dns);

static void import_domain(struct libvirt_import *im, bool has_dns)
{
	struct xml_element *domain = element_child(im->root, "domain");
	const char *name = domain ? import_required(im, domain, "name") : NULL;
	bool local_only = false;

	if (!name)
		return;
	import_put_text(im, domain->line, "domain", name);
	im->domain = (char *)name;
	import_yes_no(im, domain, "localOnly", &local_only);
	/* Ours keeps a domain to itself unless it is told otherwise. */
	if (!local_only && has_dns)
		import_put(im, domain->line, "dns.local_only", json_false());
}

static void import_txt(struct libvirt_import *im, struct xml_element *e)
{
	const char *name = import_required(im, e, "name"), *value = element_attribute(e, "value");

	if (!name)
		return;
	import_put(im, e->line, "dns.txt[]", json_object());
	import_put_text(im, e->line, "dns.txt[-1].name", name);
	import_put_text(im, e->line, "dns.txt[-1].value", value ? value : "");
}

static void import_srv(struct libvirt_import *im, struct xml_element *e)
{
	static const struct { const char *attribute, *path; } numbers[] = {
		{ "port", "dns.srv[-1].port" },
		{ "priority", "dns.srv[-1].priority" },
		{ "weight", "dns.srv[-1].weight" },
	};
	const char *service = import_required(im, e, "service");
	const char *protocol = import_required(im, e, "protocol");
	const char *domain = element_attribute(e, "domain"), *target = element_attribute(e, "target");
	/* RFC 2782: "." says that the service is decidedly not there, which ours says without a target. */
	bool is_offered = target && strcmp(target, ".") != 0;
	unsigned long n;

	if (!service || !protocol)
		return;
	if (!domain && !im->domain) {
		element_ignore(e);
		import_report_element(im->report, "srv-domain", e, NULL, "_%.20s._%.10s", service,
				      protocol);
		return;
	}
	import_put(im, e->line, "dns.srv[]", json_object());
	import_put_text(im, e->line, "dns.srv[-1].service", service);
	import_put_text(im, e->line, "dns.srv[-1].protocol", protocol);
	if (domain)
		import_put_text(im, e->line, "dns.srv[-1].domain", domain);
	if (is_offered)
		import_put_text(im, e->line, "dns.srv[-1].target", target);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (import_number(im, e, numbers[i].attribute, 0, 65535, &n) && is_offered)
			import_put(im, e->line, numbers[i].path, json_integer((json_int_t)n));
	/* dnsmasq's own default. */
	if (is_offered && !element_find_attribute(e, "port"))
		import_put(im, e->line, "dns.srv[-1].port", json_integer(1));
}

void import_dns(struct libvirt_import *im)
{
	struct xml_element *dns = element_child(im->root, "dns");
	bool has_dns = im->has_address[0] || im->has_address[1], enabled = true, plain = true;
	unsigned line = dns ? dns->line : im->root->line;

	import_yes_no(im, dns, "enable", &enabled);
	if (dns && dns->children.n && !enabled) {
		import_refuse(im, dns, NULL, "mode-conflict",
			      "DNS is switched off, but has records; libvirt refuses it, too");
		return;
	}
	import_domain(im, has_dns && enabled);
	if (!has_dns) {
		if (dns)
			import_refuse(im, dns, NULL, "no-address", "DNS needs an <ip> to answer on");
		return;
	}
	if (!enabled) {
		import_put(im, line, "dns", json_false());
		return;
	}
	import_yes_no(im, dns, "forwardPlainNames", &plain);
	if (plain)
		import_put(im, line, "dns.forward_plain_names", json_true());
	import_forwarders(im, dns);
	for (struct xml_element *e = NULL; (e = element_next(dns, "txt", e));)
		import_txt(im, e);
	for (struct xml_element *e = NULL; (e = element_next(dns, "srv", e));)
		import_srv(im, e);
	import_hosts(im, dns);
	import_options(im);
}

/* --- whom DNS asks ---------------------------------------------------------------------- */

static void put_forwarder(struct libvirt_import *im, unsigned line, const char *address,
			  const char *domain)
{
	import_put(im, line, "dns.forwarders[]", json_object());
	import_put_text(im, line, "dns.forwarders[-1].address", address);
	if (domain)
		import_put_text(im, line, "dns.forwarders[-1].domain", domain);
}

/*
 * A forwarder without an address names a domain that the general ones answer
 * for, although a wider domain has one of its own: written out, once for each.
 */
static void import_exception(struct libvirt_import *im, struct xml_element *dns,
			     struct xml_element *e, const char *domain)
{
	bool found = false;

	for (struct xml_element *other = NULL; (other = element_next(dns, "forwarder", other));) {
		const char *address = element_attribute(other, "addr");

		if (!address || element_find_attribute(other, "domain"))
			continue;
		put_forwarder(im, e->line, address, domain);
		found = true;
	}
	if (!found)
		import_report_element(im->report, "forwarder-exception", e, NULL, "%.100s", domain);
}

/* The host's own resolvers are asked unless there is a general forwarder, or nothing is forwarded. */
static void import_forwarders(struct libvirt_import *im, struct xml_element *dns)
{
	bool has_general = false, has_any = false;
	struct ip ip;

	for (struct xml_element *e = NULL; (e = element_next(dns, "forwarder", e));) {
		const char *address = element_attribute(e, "addr");
		const char *domain = element_attribute(e, "domain");

		if (address && import_ip(im, e, "addr", &ip))
			put_forwarder(im, e->line, address, domain);
		else if (domain)
			import_exception(im, dns, e, domain);
		else
			import_refuse(im, e, NULL, "missing-key",
				      "a forwarder needs an addr or a domain");
		has_general |= address && !domain;
		has_any |= address != NULL;
	}
	if (im->mode == NETWORK_ISOLATED && !has_general)
		import_put(im, im->root->line, "dns.use_host_resolvers", json_false());
	else if (has_any && !has_general)
		import_put(im, im->root->line, "dns.use_host_resolvers", json_true());
}

/* --- hosts ---------------------------------------------------------------------------------- */

/* The host with exactly these names, whose addresses the new one joins. */
static json_t *find_host(const struct libvirt_import *im, const json_t *names)
{
	json_t *host, *hosts = json_object_get(json_object_get(im->net, "dns"), "hosts");
	size_t i;

	json_array_foreach(hosts, i, host) {
		const json_t *aliases = json_object_get(host, "aliases");
		json_t *all = json_array();
		bool same;

		json_array_append(all, json_object_get(host, "name"));
		if (aliases)
			json_array_extend(all, (json_t *)aliases);
		same = json_equal(all, names);
		json_decref(all);
		if (same)
			return host;
	}
	return NULL;
}

static void put_host(struct libvirt_import *im, unsigned line, const char *address,
		     const json_t *names)
{
	import_put(im, line, "dns.hosts[]", json_object());
	import_put(im, line, "dns.hosts[-1].name", json_incref(json_array_get(names, 0)));
	import_put_text(im, line, "dns.hosts[-1].addresses[]", address);
	for (size_t i = 1; i < json_array_size(names); i++)
		import_put(im, line, "dns.hosts[-1].aliases[]",
			   json_incref(json_array_get(names, i)));
}

static void import_dns_host(struct libvirt_import *im, struct xml_element *e)
{
	const char *address = import_required(im, e, "ip");
	json_t *names = json_array(), *known;
	struct ip ip;

	for (struct xml_element *name = NULL; (name = element_next(e, "hostname", name));)
		json_array_append_new(names, json_string(element_text(name)));
	if (!json_array_size(names))
		import_refuse(im, e, NULL, "missing-key", "a DNS host needs a <hostname>");
	else if (address && import_ip(im, e, "ip", &ip)) {
		known = find_host(im, names);
		if (known)
			json_array_append_new(json_object_get(known, "addresses"),
					      json_string(address));
		else
			put_host(im, e->line, address, names);
	}
	json_decref(names);
}

static void import_hosts(struct libvirt_import *im, struct xml_element *dns)
{
	for (struct xml_element *e = NULL; (e = element_next(dns, "host", e));)
		import_dns_host(im, e);
}

/* --- lines that libvirt hands to dnsmasq as they are -------------------------------------------- */

/* "name,target": the two keys of a record. */
static bool put_pair(struct libvirt_import *im, unsigned line, const char *list, const char *first,
		     const char *second, const char *value)
{
	const char *comma = strchr(value, ',');
	AUTO_FREE char *name = comma ? mem_strndup(value, (size_t)(comma - value)) : NULL;
	AUTO_FREE char *item = mem_printf("dns.%s[]", list);
	AUTO_FREE char *key1 = mem_printf("dns.%s[-1].%s", list, first);
	AUTO_FREE char *key2 = mem_printf("dns.%s[-1].%s", list, second);
	bool is_text = !strcmp(second, "value");

	if (!comma || record_name_check(name, NULL) < 0 ||
	    (!is_text && domain_check(comma + 1, NULL) < 0) ||
	    (is_text && (printable_check(comma + 1, NULL) < 0 || strpbrk(comma, "\"\\"))))
		return false;
	import_put(im, line, item, json_object());
	import_put_text(im, line, key1, name);
	import_put_text(im, line, key2, comma + 1);
	return true;
}

static bool put_cname(struct libvirt_import *im, unsigned line, const char *value)
{
	return !strchr(value, '*') && put_pair(im, line, "cname", "name", "target", value);
}

static bool put_txt(struct libvirt_import *im, unsigned line, const char *value)
{
	return put_pair(im, line, "txt", "name", "value", value);
}

static bool put_ptr(struct libvirt_import *im, unsigned line, const char *value)
{
	return put_pair(im, line, "ptr", "name", "target", value);
}

/* "option:NAME,VALUE" or "NUMBER,VALUE"; what has tags or vendors is more than ours can say. */
static bool put_option(struct libvirt_import *im, unsigned line, const char *value, bool force)
{
	bool is_v6 = !strncmp(value, "option6:", 8);
	const char *word = is_v6 ? value + 8 : !strncmp(value, "option:", 7) ? value + 7 : value;
	size_t n = strcspn(word, ",");
	AUTO_FREE char *name = mem_strndup(word, n);
	unsigned long long number;
	bool is_number = number_parse(name, &number) == 0;

	if (!n || (!is_number && (word == value || strpbrk(name, ":="))) ||
	    !import_has(im, is_v6 ? "dhcp6" : "dhcp") || option_value_check(word, NULL) < 0)
		return false;
	import_put(im, line, "dhcp.options[]", json_object());
	if (is_number)
		import_put(im, line, "dhcp.options[-1].number", json_integer((json_int_t)number));
	else
		import_put_text(im, line, "dhcp.options[-1].name", name);
	if (word[n])
		import_put_text(im, line, "dhcp.options[-1].value", word + n + 1);
	if (is_v6)
		import_put(im, line, "dhcp.options[-1].ipv6", json_true());
	if (force)
		import_put(im, line, "dhcp.options[-1].force", json_true());
	return true;
}

static bool put_dhcp_option(struct libvirt_import *im, unsigned line, const char *value)
{
	return put_option(im, line, value, false);
}

static bool put_dhcp_option_force(struct libvirt_import *im, unsigned line, const char *value)
{
	return put_option(im, line, value, true);
}

static const struct {
	const char *key;
	bool (*put)(struct libvirt_import *im, unsigned line, const char *value);
} option_keys[] = {
	{ "cname", put_cname },
	{ "txt-record", put_txt },
	{ "ptr-record", put_ptr },
	{ "dhcp-option", put_dhcp_option },
	{ "dhcp-option-force", put_dhcp_option_force },
};

static bool import_line(struct libvirt_import *im, unsigned line, const char *text)
{
	size_t n = strcspn(text, "=");

	for (size_t i = 0; text[n] && i < ARRAY_SIZE(option_keys); i++)
		if (strlen(option_keys[i].key) == n && !strncmp(option_keys[i].key, text, n))
			return option_keys[i].put(im, line, text + n + 1);
	return false;
}

static struct xml_element *find_options(struct libvirt_import *im)
{
	vec_each(child, &im->root->children)
		if (!strcmp((*child)->name, "options") && (*child)->ns &&
		    !strcmp((*child)->ns, LIBVIRT_DNSMASQ_NS))
			return *child;
	return NULL;
}

static void import_options(struct libvirt_import *im)
{
	struct xml_element *options = find_options(im);

	if (!options)
		return;
	options->is_read = true;
	for (struct xml_element *e = NULL; (e = element_next(options, "option", e));) {
		const char *value = import_required(im, e, "value");

		if (value && !import_line(im, e->line, value))
			import_report_element(im->report, "dnsmasq-option", e, NULL, "%.200s", value);
	}
}
