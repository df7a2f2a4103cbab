/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain.c - from a libvirt domain to ports; see domain.h
 *
 * A mistake in the metadata must not leave a guest with less of a guard than
 * was meant, so what is not understood is refused.  An entry without its interface
 * is a card that was unplugged, unless some other card has no entry: then it may
 * be that one's, misspelt.
 */

#include "cli/domain.h"

#include "base/addr.h"
#include "base/strbuf.h"
#include "cli/xml.h"
#include "model/names.h"
#include "model/port.h"

#include <ctype.h>
#include <errno.h>

#define ALIAS_MAX 24 /* of it in a port's name */

#define PORT(field) offsetof(struct domain_port, options.field)
static const struct cli_option settings[] = {
	{ .name = "name", .kind = OPTION_TEXT, .offset = PORT(name) },
	{ .name = "address", .kind = OPTION_TEXTS, .offset = PORT(addresses) },
	{ .name = "queues", .kind = OPTION_NUMBER, .offset = PORT(queues), .min = 1,
	  .max = PORT_QUEUES_MAX },
	{ .name = "mtu", .kind = OPTION_NUMBER, .offset = PORT(mtu), .min = 68, .max = 65535 },
	{ .name = "txqueuelen", .kind = OPTION_NUMBER, .offset = PORT(txqueuelen), .min = 1,
	  .max = 1000000 },
	{ .name = "isolated", .kind = OPTION_CHOICE, .offset = PORT(isolated), .choices = "on|off" },
	SETTING_OPTIONS(struct domain_port, options.settings),
	{ 0 },
};

static int read_interface(struct xml_element *e, struct domain *domain, struct vnet_error *err);
static int read_metadata(struct xml_element *root, struct domain *domain, struct vnet_error *err);
static int read_settings(struct domain_port *port, struct vnet_error *err);
static char *port_name(const struct domain *domain, const char *alias);

static int fail_at(struct vnet_error *err, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_at(struct vnet_error *err, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnet_error_setv(err, -EINVAL, "domain-invalid", format, args);
	va_end(args);
	vnet_error_at(err, NULL, line, 0, NULL);
	return -EINVAL;
}

int domain_read(const char *text, size_t size, const char *file, struct domain **ret,
		struct vnet_error *err)
{
	struct xml_element *root;
	int r = xml_read(text, size, file, &root, err);

	return r < 0 ? r : domain_from_element(root, file, ret, err);
}

void domain_free(struct domain *domain)
{
	if (!domain)
		return;
	vec_each(port, &domain->ports) {
		const struct option_set set = { settings, port };

		options_free(&set);
		vec_each(text, &port->texts)
			free(*text);
		vec_free(&port->texts);
		vec_free(&port->words);
		free(port->name);
	}
	vec_free(&domain->ports);
	element_free(domain->root);
	free(domain);
}

static int read_domain(struct xml_element *root, struct domain *domain, struct vnet_error *err)
{
	struct xml_element *e = !strcmp(root->name, "domstatus") ? element_child(root, "domain") : root;
	struct xml_element *devices, *interface = NULL;
	int r = 0;

	if (!e || e->ns || strcmp(e->name, "domain") != 0)
		return fail_at(err, root->line, "this is <%.40s>, not a domain of libvirt",
			       root->name);
	domain->name = element_text(element_child(e, "name"));
	domain->uuid = element_text(element_child(e, "uuid"));
	if (!domain->name || !*domain->name || !domain->uuid ||
	    port_name_check(domain->uuid, NULL) < 0)
		return fail_at(err, e->line, "the domain has no name or no uuid");
	devices = element_child(e, "devices");
	while (r == 0 && (interface = element_next(devices, "interface", interface)))
		r = read_interface(interface, domain, err);
	if (r == 0)
		r = read_metadata(e, domain, err);
	vec_each(port, &domain->ports)
		if (r == 0)
			r = read_settings(port, err);
	return r;
}

int domain_from_element(struct xml_element *root, const char *file, struct domain **ret,
			struct vnet_error *err)
{
	AUTO(domain_free) struct domain *domain = mem_alloc(sizeof(*domain));
	int r;

	domain->root = root;
	r = read_domain(root, domain, err);
	if (r == 0)
		*ret = TAKE(domain);
	else if (err && file)
		vnet_error_at(err, file, err->line, 0, NULL);
	return r;
}

/* ---- libvirt's own elements ---- */

/* The bridge that libvirt puts it on: its own choice, or what came of a network. */
static const char *bridge_of(struct xml_element *e)
{
	const char *bridge = element_attribute(element_child(e, "source"), "bridge");

	return bridge ? bridge
		      : element_attribute(element_child(element_child(e, "actual"), "source"), "bridge");
}

static char *keep(struct domain_port *port, char *text)
{
	vec_push(&port->texts, text);
	return text;
}

/* As an option, so that what stands in the metadata replaces it in the same table. */
static void add_word(struct domain_port *port, const char *name, const char *value)
{
	vec_push(&port->words, keep(port, mem_printf("--%s=%s", name, value)));
}

/* What libvirt sets on a device of its own, and netd would take back if it did not know. */
static void add_facts(struct xml_element *e, struct domain_port *port)
{
	const char *queues = element_attribute(element_child(e, "driver"), "queues");
	const char *mtu = element_attribute(element_child(e, "mtu"), "size");
	const char *isolated = element_attribute(element_child(e, "port"), "isolated");

	if (queues && port->is_ours_to_make)
		add_word(port, "queues", queues);
	if (mtu)
		add_word(port, "mtu", mtu);
	if (isolated && !strcmp(isolated, "yes"))
		add_word(port, "isolated", "on");
}

/* libvirt counts its aliases over all interfaces but those that are PCI devices of the host. */
static unsigned number_of(const struct xml_element *interface)
{
	unsigned n = 0;

	vec_each(other, &interface->parent->children) {
		const struct xml_attribute *type = element_find_attribute(*other, "type");

		if (*other == interface)
			break;
		n += !strcmp((*other)->name, "interface") && type && strcmp(type->value, "hostdev") != 0;
	}
	return n;
}

static int read_interface(struct xml_element *e, struct domain *domain, struct vnet_error *err)
{
	const char *type = element_attribute(e, "type");
	struct xml_element *target = element_child(e, "target");
	const char *managed = element_attribute(target, "managed");
	struct domain_port port = {
		.line = e->line,
		.mac = element_attribute(element_child(e, "mac"), "address"),
		.alias = element_attribute(element_child(e, "alias"), "name"),
		.dev = element_attribute(target, "dev"),
		.bridge = bridge_of(e),
		.is_ours_to_make = type && !strcmp(type, "ethernet") && managed && !strcmp(managed, "no"),
	};
	char number[16];
	int r = element_check(e, NULL, err);

	if (r < 0)
		return r;
	if (!type || (!port.bridge && !port.is_ours_to_make && strcmp(type, "network") != 0))
		return 0;
	if (!port.mac)
		return fail_at(err, e->line, "the interface has no MAC address");
	snprintf(number, sizeof(number), "net%u", number_of(e));
	port.name = port_name(domain, port.alias ? port.alias : number);
	add_facts(e, &port);
	vec_push(&domain->ports, port);
	return 0;
}

/* Letters, digits, '-', '_' and '.' stay; two names that others make alike differ by the UUID. */
static char *port_name(const struct domain *domain, const char *alias)
{
	AUTO_STRBUF struct strbuf name = { 0 };
	size_t alias_size = strlen(alias) < ALIAS_MAX ? strlen(alias) : ALIAS_MAX;
	size_t room = PORT_NAME_MAX - alias_size - 1, tail = strlen("-12345678");
	bool differs = strlen(domain->name) > room || !isalnum((unsigned char)domain->name[0]);

	for (const char *c = domain->name; *c; c++) {
		bool is_fine = isalnum((unsigned char)*c) || strchr("-_.", *c);

		strbuf_printf(&name, "%c", is_fine ? *c : '_');
		differs |= !is_fine;
	}
	if (differs) {
		if (!isalnum((unsigned char)name.s[0]))
			name.s[0] = 'x';
		if (name.len > room - tail)
			name.s[room - tail] = '\0';
		return mem_printf("%s-%.8s.%.*s", name.s, domain->uuid, (int)alias_size, alias);
	}
	return mem_printf("%s.%.*s", name.s, (int)alias_size, alias);
}

/* ---- metadata ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static bool same_mac(const char *a, const char *b)
{
	struct mac x, y;

	return mac_parse(a, &x) == 0 && mac_parse(b, &y) == 0 && mac_cmp(&x, &y) == 0;
}

/* The interface that an entry is about; NULL: none. */
static int find_port(struct domain *domain, struct xml_element *entry, struct domain_port **ret,
		     struct vnet_error *err)
{
	const char *mac = element_attribute(entry, "mac");
	const char *alias = element_attribute(entry, "alias");
	const char *dev = element_attribute(entry, "dev");
	struct mac parsed;

	*ret = NULL;
	if (!!mac + !!alias + !!dev != 1)
		return fail_at(err, entry->line,
			       "<port> names its interface by one of mac, alias and dev");
	if (mac && mac_parse(mac, &parsed) < 0)
		return fail_at(err, entry->line, "'%.40s' is no MAC address", mac);
	vec_each(port, &domain->ports)
		if ((mac && same_mac(port->mac, mac)) || same_text(port->alias, alias) ||
		    same_text(port->dev, dev)) {
			if (port->metadata)
				return fail_at(err, entry->line,
					       "the interface %s has an entry in line %u already",
					       port->mac, port->metadata->line);
			*ret = port;
			return 0;
		}
	return 0;
}

/* An entry whose interface is not there, and an interface without entry that it may be meant for. */
static int check_stray(const struct domain *domain, const struct xml_element *stray,
		       struct vnet_error *err)
{
	vec_each(port, &domain->ports)
		if (stray && !port->metadata)
			return fail_at(err, stray->line,
				       "no interface fits this <port>, and that with the MAC %s has none; correct the one, or take it out",
				       port->mac);
	return 0;
}

static int read_metadata(struct xml_element *root, struct domain *domain, struct vnet_error *err)
{
	struct xml_element *metadata = element_child(root, "metadata"), *entry = NULL, *ports = NULL;
	const struct xml_element *stray = NULL;
	struct domain_port *port;
	int r = 0;

	if (metadata)
		vec_each(child, &metadata->children)
			if (same_text((*child)->ns, DOMAIN_METADATA_NS))
				ports = *child;
	if (!ports)
		return 0;
	if (strcmp(ports->name, "ports") != 0)
		return fail_at(err, ports->line, "<%.40s> is not known in our metadata; <ports> is",
			       ports->name);
	vec_each(child, &ports->children)
		if (strcmp((*child)->name, "port") != 0 || !same_text((*child)->ns, DOMAIN_METADATA_NS))
			return fail_at(err, (*child)->line,
				       "<%.40s> is not known in our metadata; <port> is", (*child)->name);
	r = element_check(ports, NULL, err);
	while (r == 0 && (entry = element_next(ports, "port", entry))) {
		r = find_port(domain, entry, &port, err);
		if (port)
			port->metadata = entry;
		else
			stray = entry;
	}
	return r < 0 ? r : check_stray(domain, stray, err);
}

/* "10.0.0.5,fd00::5" as one option each. */
static void add_addresses(struct domain_port *port, const char *list)
{
	for (const char *s = list; *s; s += strspn(s, ",")) {
		size_t n = strcspn(s, ",");

		vec_push(&port->words, keep(port, mem_printf("--address=%.*s", (int)n, s)));
		s += n;
	}
}

static bool is_selector(const char *name)
{
	return !strcmp(name, "mac") || !strcmp(name, "alias") || !strcmp(name, "dev");
}

static int add_attributes(struct domain_port *port, struct vnet_error *err)
{
	const struct option_set set = { settings, port };

	vec_each(attribute, &port->metadata->attributes) {
		AUTO_FREE char *word = mem_printf("--%s", attribute->name);
		const char *value;
		size_t i;

		if (attribute->ns)
			return fail_at(err, attribute->line, "attribute %.40s has a namespace of its own",
				       attribute->name);
		if (is_selector(attribute->name))
			continue;
		if (!strcmp(attribute->name, "network"))
			port->network = attribute->value;
		else if (!option_find(&set, 1, word, &value, &i))
			return fail_at(err, attribute->line, "attribute %.40s is not known to <port>",
				       attribute->name);
		else if (!strcmp(attribute->name, "address"))
			add_addresses(port, attribute->value);
		else
			add_word(port, attribute->name, attribute->value);
	}
	return 0;
}

static bool names_option(const char *word, const char *other)
{
	size_t n = strcspn(word, "=");

	return strncmp(word, other, n) == 0 && other[n] == '=';
}

/* Of the same option, what the metadata says stays. */
static void drop_replaced(struct domain_port *port, size_t n_facts)
{
	size_t n = 0;

	for (size_t i = 0; i < port->words.n; i++) {
		bool is_replaced = false;

		for (size_t k = n_facts; i < n_facts && k < port->words.n; k++)
			is_replaced |= names_option(port->words.v[i], port->words.v[k]);
		if (!is_replaced)
			port->words.v[n++] = port->words.v[i];
	}
	port->words.n = n;
}

static int read_settings(struct domain_port *port, struct vnet_error *err)
{
	const struct option_set set = { settings, port };
	size_t n_facts = port->words.n;
	text_vec words = { 0 }, rest = { 0 };
	bool has_rest;
	int r = port->metadata ? add_attributes(port, err) : 0;

	if (r == 0) {
		drop_replaced(port, n_facts);
		r = options_parse(&set, 1, (int)port->words.n, (char *const *)port->words.v, false,
				  &words, &rest, &has_rest, err);
		if (r < 0)
			vnet_error_at(err, NULL, port->metadata ? port->metadata->line : port->line, 0,
				      NULL);
	}
	vec_free(&words);
	vec_free(&rest);
	if (r < 0)
		return r;
	if (!port->options.name)
		port->options.name = port->name;
	port->options.mac = port->mac;
	return 0;
}
