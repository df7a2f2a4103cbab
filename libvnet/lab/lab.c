/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lab.c - a lab file read into values; what must hold between them is lab_check.c's. */

#include "lab/lab.h"

#include "base/strbuf.h"
#include "lab/lab_internal.h"
#include "model/mac_name.h"
#include "model/names.h"
#include "model/schema.h"
#include "model/schema_wire.h"

#include <errno.h>
#include <limits.h>

#define DELAY_MAX 60000000 /* us */

/* --- times below a second --- */

#define DELAY_WANTED "a time like 20ms, 500us or 1s, at most 60s"

static const struct {
	const char *name;
	unsigned us;
} time_units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000000 } };

static int delay_decode(struct decoder *d, const struct schema_field *f, const struct node *n, void *value)
{
	const char *text = decode_text(d, n, DELAY_WANTED);
	char buf[TEXT_QUOTE_MAX];
	size_t len;

	(void)f;
	if (!text)
		return -EINVAL;
	len = strspn(text, "0123456789");
	for (size_t i = 0; i < ARRAY_SIZE(time_units); i++) {
		AUTO_FREE char *digits = mem_strndup(text, len);
		unsigned long long count;

		if (strcmp(text + len, time_units[i].name) != 0 || number_parse(digits, &count) < 0 ||
		    count > DELAY_MAX / time_units[i].us)
			continue;
		*(unsigned *)value = (unsigned)count * time_units[i].us;
		return 0;
	}
	return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf), DELAY_WANTED);
}

static const struct schema_type type_delay = { .size = sizeof(unsigned), .decode = delay_decode };

/* --- shares: "1%", "0.5%", in thousandths of a percent --- */

#define LOSS_WANTED "a share like 1% or 0.5%, at most 100%"

static int loss_decode(struct decoder *d, const struct schema_field *f, const struct node *n, void *value)
{
	const char *text = decode_text(d, n, LOSS_WANTED);
	unsigned whole = 0, part = 0;
	char buf[TEXT_QUOTE_MAX];
	size_t i = 0;

	(void)f;
	if (!text)
		return -EINVAL;
	for (; text[i] >= '0' && text[i] <= '9' && i < 3; i++)
		whole = whole * 10 + (unsigned)(text[i] - '0');
	if (i && text[i] == '.') {
		unsigned unit = 100;

		for (i++; text[i] >= '0' && text[i] <= '9' && unit; i++, unit /= 10)
			part += unit * (unsigned)(text[i] - '0');
	}
	if (!i || strcmp(text + i, "%") != 0 || whole * 1000 + part > 100000)
		return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(text, buf), LOSS_WANTED);
	*(unsigned *)value = whole * 1000 + part;
	return 0;
}

static const struct schema_type type_loss = { .size = sizeof(unsigned), .decode = loss_decode };

/* --- wires --- */

#define I(member) offsetof(struct lab_impairment, member)
#define W(member) offsetof(struct lab_wire, member)
/* base: where the impairment lies in the structure. */
#define IMPAIRMENT(base) \
	FIELD("delay", type_delay, (base) + I(delay)), \
	FIELD("jitter", type_delay, (base) + I(jitter)), \
	FIELD("loss", type_loss, (base) + I(loss)), \
	FIELD("rate", type_rate, (base) + I(rate))
static const struct schema_field impairment_fields[] = { IMPAIRMENT(0) };
static const struct schema impairment_schema = {
	.what = "an impairment",
	.size = sizeof(struct lab_impairment),
	SCHEMA_FIELDS(impairment_fields),
};
static const struct schema_field wire_fields[] = {
	IMPAIRMENT(W(impairment)),
	FIELD("transparent", type_bool, W(transparent)),
	FIELD("mtu", type_uint, W(mtu), .min = 68, .max = 65535),
};
static const struct schema wire_schema = {
	.what = "a wire",
	.size = sizeof(struct lab_wire),
	SCHEMA_FIELDS(wire_fields),
	.source = HAS(struct lab_wire, source),
};

/* --- interfaces --- */

/* What AttachPort takes: words that look like numbers or booleans are such, unless quoted. */
static json_t *json_of_node(const struct node *n)
{
	unsigned long long number;
	json_t *json;

	switch (n->kind) {
	case NODE_MAPPING:
		json = json_object();
		vec_each(item, &n->items)
			json_object_set_new(json, (*item)->key, json_of_node(*item));
		return json;
	case NODE_SEQUENCE:
		json = json_array();
		vec_each(item, &n->items)
			json_array_append_new(json, json_of_node(*item));
		return json;
	case NODE_SCALAR:
		if (!n->quoted && (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0))
			return json_boolean(n->text[0] == 't');
		if (!n->quoted && number_parse(n->text, &number) == 0 && number <= LLONG_MAX)
			return json_integer((json_int_t)number);
		return json_string(n->text);
	case NODE_NULL:
		break;
	}
	return json_null();
}

static int port_decode(struct decoder *d, const struct schema_field *f, const struct node *n, void *value)
{
	struct lab_interface *interface = value;
	static const char *const ours[] = { "network", "name", "kind", "netns", "inside" };

	(void)f;
	if (n->kind != NODE_MAPPING)
		return node_error(n, d->err, "bad-type", "port is a mapping of AttachPort's parameters, "
							 "like {guard: strict}");
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (node_get(n, ours[i]))
			return node_key_error(node_get(n, ours[i]), d->err, "bad-key",
					      "%s follows from the rest of the lab and cannot be given here", ours[i]);
	json_decref(interface->port);
	interface->port = json_of_node(n);
	interface->port_source = (struct source){ .line = n->line, .column = n->column };
	return 0;
}

static const struct schema_type type_port = { .decode = port_decode };

static int wire_name_check(const char *text, struct vnet_error *err)
{
	return name_check(text, LAB_NAME_MAX, err);
}

/* HOST/NETWORK */
static int on_decode(struct decoder *d, const struct schema_field *f, const struct node *n, void *value)
{
	const char *text = decode_text(d, n, "a host and its network, like h1/blue");
	const char *slash = text ? strchr(text, '/') : NULL;
	struct lab_interface *interface = value;
	char buf[TEXT_QUOTE_MAX];

	(void)f;
	if (!text)
		return -EINVAL;
	if (!slash || slash == text || !slash[1])
		return node_error(n, d->err, "bad-value", "%s is not a host and its network, like h1/blue",
				  text_quote(text, buf));
	free(interface->host);
	interface->host = mem_strndup(text, (size_t)(slash - text));
	mem_replace(&interface->network, slash + 1);
	return 0;
}

static const struct schema_type type_on = { .decode = on_decode };

static const struct schema_field address_item = ITEM("addresses", type_prefix);
static const struct schema_field gateway_item = ITEM("gateway", type_ip);
#define F(member) offsetof(struct lab_interface, member)
static const struct schema_field interface_fields[] = {
	FIELD("on", type_on, 0),
	FIELD("wire", type_string, F(wire), .check = wire_name_check),
	FIELD("mac", type_mac, F(mac), .has = HAS(struct lab_interface, has_mac)),
	FIELD("dhcp", type_bool, F(dhcp), .has = HAS(struct lab_interface, has_dhcp)),
	FIELD("addresses", type_list, F(addresses), .item = &address_item, .max = NETWORK_ADDRESSES_MAX),
	FIELD("gateway", type_list, F(gateway), .item = &gateway_item, .max = 2),
	FIELD("port", type_port, 0),
};

static int interface_finish(struct decoder *d, const struct node *n, void *value)
{
	struct lab_interface *interface = value;

	if (!interface->host == !interface->wire)
		return node_error(n, d->err, "bad-interface",
				  "interface %s is either on a network (on: HOST/NETWORK) or at a wire (wire: NAME)",
				  interface->name);
	if (interface->port && !interface->host)
		return node_error(n, d->err, "bad-interface", "interface %s has no port: it is at a wire",
				  interface->name);
	if (interface->gateway.n == 2 && interface->gateway.v[0].family == interface->gateway.v[1].family)
		return node_error(n, d->err, "bad-interface", "interface %s has two gateways of one family",
				  interface->name);
	return 0;
}

static const struct schema interface_schema = {
	.what = "an interface",
	.size = sizeof(struct lab_interface),
	SCHEMA_FIELDS(interface_fields),
	.source = HAS(struct lab_interface, source),
	.short_key = "on",
	.finish = interface_finish,
};

static int interfaces_decode(struct decoder *d, const struct schema_field *f, const struct node *map, void *value)
{
	struct lab_machine *m = value;

	(void)f;
	if (map->kind != NODE_MAPPING)
		return node_error(map, d->err, "bad-type",
				  "interfaces is a mapping from names to where they are, like {eth0: h1/blue}");
	if (map->items.n > LAB_INTERFACES_MAX)
		return node_error(map, d->err, "too-many", "%zu interfaces; at most %d are accepted", map->items.n,
				  LAB_INTERFACES_MAX);
	vec_each(item, &map->items) {
		struct lab_interface *interface = vec_add(&m->interfaces);
		int r = ifname_check((*item)->key, d->err);

		if (r < 0) {
			node_locate(*item, d->err);
			return r;
		}
		strcpy(interface->name, (*item)->key);
		r = schema_decode(d, &interface_schema, *item, interface);
		if (r < 0)
			return r;
	}
	return 0;
}

static void interfaces_clear(const struct schema_field *f, void *value)
{
	struct lab_machine *m = value;

	(void)f;
	vec_each(interface, &m->interfaces) {
		schema_clear(&interface_schema, interface);
		free(interface->host);
		free(interface->network);
		json_decref(interface->port);
	}
	vec_free(&m->interfaces);
}

static const struct schema_type type_interfaces = { .decode = interfaces_decode, .clear = interfaces_clear };

/* --- what a host has, and a node --- */

static int definitions_decode(struct decoder *d, const struct schema_field *f, const struct node *n, void *value)
{
	struct lab_machine *m = value;

	m->has_definitions = true;
	return strcmp(f->key, "networks") == 0 ? networks_from_node(n, &m->definitions.networks, d->err) :
						 groups_from_node(n, &m->definitions.groups, d->err);
}

static void definitions_clear(const struct schema_field *f, void *value)
{
	struct lab_machine *m = value;

	(void)f;
	definitions_free(&m->definitions);
	m->definitions = (struct definitions){ 0 };
	json_decref(m->definitions_json);
	m->definitions_json = NULL;
}

static const struct schema_type type_definitions = { .decode = definitions_decode, .clear = definitions_clear };

static int dns_decode(struct decoder *d, const struct schema_field *f, const struct node *n, void *value)
{
	struct lab_services *services = value;

	(void)f;
	if (n->kind != NODE_MAPPING)
		return node_error(n, d->err, "bad-type",
				  "dns is a mapping from names to addresses, like {www.example.org: 203.0.113.80}");
	vec_each(item, &n->items) {
		const char *text = decode_text(d, *item, "an address");
		struct lab_record record = { 0 };
		char buf[TEXT_QUOTE_MAX];

		if (!text || domain_check((*item)->key, d->err) < 0) {
			node_locate(*item, d->err);
			return -EINVAL;
		}
		if (ip_parse(text, &record.address) < 0)
			return node_error(*item, d->err, "bad-value", "%s is not an address", text_quote(text, buf));
		record.name = mem_strdup((*item)->key);
		vec_push(&services->dns, record);
	}
	return 0;
}

static void dns_clear(const struct schema_field *f, void *value)
{
	struct lab_services *services = value;

	(void)f;
	vec_each(record, &services->dns)
		free(record->name);
	vec_free(&services->dns);
}

static const struct schema_type type_dns = { .decode = dns_decode, .clear = dns_clear };

static const struct schema_field service_port_item = ITEM("ports", type_uint, .min = 1, .max = 65535);
#define S(member) offsetof(struct lab_services, member)
static const struct schema_field service_fields[] = {
	FIELD("http", type_list, S(http), .item = &service_port_item, .max = 16),
	FIELD("tcp", type_list, S(tcp), .item = &service_port_item, .max = 16),
	FIELD("udp", type_list, S(udp), .item = &service_port_item, .max = 16),
	FIELD("dns", type_dns, 0),
};
static const struct schema services_schema = {
	.what = "services",
	.size = sizeof(struct lab_services),
	SCHEMA_FIELDS(service_fields),
};

#define R(member) offsetof(struct lab_route, member)
static const struct schema_field route_fields[] = {
	FIELD("to", type_prefix, R(to), .required = true),
	FIELD("via", type_ip, R(via), .required = true),
};
static const struct schema route_schema = {
	.what = "a route",
	.size = sizeof(struct lab_route),
	SCHEMA_FIELDS(route_fields),
	.source = HAS(struct lab_route, source),
};

static const struct schema_field route_item = ITEM("routes", type_struct, .schema = &route_schema);
static const struct schema_field command_item = ITEM("run", type_string);
static const struct schema_field word_item = ITEM("qemu", type_string);
#define M(member) offsetof(struct lab_machine, member)
#define ANY_MACHINE \
	FIELD("interfaces", type_interfaces, 0), \
	FIELD("routes", type_list, M(routes), .item = &route_item, .max = NETWORK_ROUTES_MAX), \
	FIELD("run", type_list, M(run), .item = &command_item, .max = LAB_COMMANDS_MAX)
static const struct schema_field host_fields[] = {
	ANY_MACHINE,
	FIELD("networks", type_definitions, 0),
	FIELD("groups", type_definitions, 0),
};
static const struct schema_field node_fields[] = {
	ANY_MACHINE,
	FIELD("forwarding", type_bool, M(forwarding)),
	FIELD("services", type_struct, M(services), .schema = &services_schema),
	FIELD("qemu", type_list, M(qemu), .item = &word_item, .max = 256),
};
#undef M
static const struct schema host_schema = {
	.what = "a host", .size = sizeof(struct lab_machine), SCHEMA_FIELDS(host_fields),
	.source = HAS(struct lab_machine, source),
};
static const struct schema node_schema = {
	.what = "a node", .size = sizeof(struct lab_machine), SCHEMA_FIELDS(node_fields),
	.source = HAS(struct lab_machine, source),
};

/* --- the file --- */

static void machine_free(struct lab_machine *m)
{
	/* A zeroed machine of the other kind has nothing that the wrong table would miss. */
	schema_clear(m->is_host ? &host_schema : &node_schema, m);
	free(m->name);
	free(m);
}

void lab_free(struct lab *lab)
{
	if (!lab)
		return;
	vec_each(wire, &lab->wires) {
		schema_clear(&wire_schema, *wire);
		free((*wire)->name);
		free(*wire);
	}
	vec_free(&lab->wires);
	vec_each(m, &lab->machines)
		machine_free(*m);
	vec_free(&lab->machines);
	vec_each(e, &lab->expectations)
		expectation_clear(e);
	vec_free(&lab->expectations);
	free(lab->title);
	free(lab);
}

static int check_map(const struct node *map, const char *what, size_t n_before, size_t max, struct vnet_error *err)
{
	if (map->kind != NODE_MAPPING)
		return node_error(map, err, "bad-type", "%s is a mapping from names to definitions", what);
	if (n_before + map->items.n > max)
		return node_error(map, err, "too-many", "%zu %s; at most %zu are accepted", n_before + map->items.n,
				  what, max);
	return 0;
}

/* The key's place goes into source, which errors about the whole speak of. */
static int name_of(const struct node *n, size_t max, char **ret, struct vnet_error *err)
{
	int r = name_check(n->key, max, err);

	*ret = mem_strdup(n->key);
	if (r < 0)
		vnet_error_at(err, n->file, n->key_line, n->key_column, n->key);
	return r;
}

static void point_at_key(const struct node *n, struct source *source)
{
	source->line = n->key_line;
	source->column = n->key_column;
}

/* `a:` alone is a machine with nothing. */
static int decode_or_nothing(struct decoder *d, const struct schema *schema, const struct node *n, void *value,
			     struct source *source)
{
	int r = 0;

	if (n->kind == NODE_NULL)
		source->file = mem_strdup(n->file);
	else
		r = schema_decode(d, schema, n, value);
	point_at_key(n, source);
	return r;
}

static int read_wires(struct decoder *d, const struct node *map, struct lab *lab)
{
	int r = check_map(map, "wires", 0, LAB_WIRES_MAX, d->err);

	for (size_t i = 0; r == 0 && i < map->items.n; i++) {
		const struct node *n = map->items.v[i];
		struct lab_wire *wire = *vec_push(&lab->wires, mem_alloc(sizeof(*wire)));

		r = name_of(n, LAB_NAME_MAX, &wire->name, d->err);
		if (r == 0)
			r = decode_or_nothing(d, &wire_schema, n, wire, &wire->source);
	}
	return r;
}

static int read_machines(struct decoder *d, const struct node *map, bool is_host, struct lab *lab)
{
	int r = check_map(map, is_host ? "hosts" : "nodes", lab->machines.n, LAB_MACHINES_MAX, d->err);

	for (size_t i = 0; r == 0 && i < map->items.n; i++) {
		const struct node *n = map->items.v[i];
		struct lab_machine *m = *vec_push(&lab->machines, mem_alloc(sizeof(*m)));

		m->is_host = is_host;
		r = name_of(n, LAB_MACHINE_NAME_MAX, &m->name, d->err);
		if (r == 0)
			r = decode_or_nothing(d, is_host ? &host_schema : &node_schema, n, m, &m->source);
	}
	return r;
}

static int read_expectations(struct decoder *d, const struct node *list, struct lab *lab)
{
	if (list->kind != NODE_SEQUENCE)
		return node_error(list, d->err, "bad-type", "expect is a list of sentences, like [a can ping b]");
	if (list->items.n > LAB_EXPECTATIONS_MAX)
		return node_error(list, d->err, "too-many", "%zu expectations; at most %d are accepted",
				  list->items.n, LAB_EXPECTATIONS_MAX);
	vec_each(item, &list->items) {
		const char *text = decode_text(d, *item, "a sentence");
		struct expectation *e;

		if (!text)
			return -EINVAL;
		e = vec_add(&lab->expectations);
		if (expectation_parse(text, e, d->err) < 0) {
			node_locate(*item, d->err);
			return -EINVAL;
		}
		e->source = (struct source){ .file = mem_strdup((*item)->file),
					     .line = (*item)->line,
					     .column = (*item)->column };
	}
	return 0;
}

static int read_title(struct decoder *d, const struct node *n, struct lab *lab)
{
	const char *text = decode_text(d, n, "a title");

	lab->title = mem_strdup(text);
	return text ? 0 : -EINVAL;
}

static const char *const top_keys[] = { "title", "wires", "hosts", "nodes", "expect" };

static int check_top(const struct node *root, struct vnet_error *err)
{
	char buf[TEXT_QUOTE_MAX];

	if (root->kind != NODE_MAPPING)
		return node_error(root, err, "bad-type",
				  "a lab is a mapping with the keys title, wires, hosts, nodes and expect");
	vec_each(item, &root->items) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_SIZE(top_keys); i++)
			is_known |= strcmp((*item)->key, top_keys[i]) == 0;
		if (!is_known)
			return node_key_error(*item, err, "unknown-key",
					      "a lab has no key %s; accepted: title, wires, hosts, nodes, expect",
					      text_quote((*item)->key, buf));
	}
	return 0;
}

/* In the order of dependence, whatever the file's is; hosts come first. */
static int read_root(const struct node *root, struct lab *lab, struct vnet_error *err)
{
	struct decoder d = { .err = err };
	const struct node *n;
	int r = check_top(root, err);

	if (r == 0 && (n = node_get(root, "title")))
		r = read_title(&d, n, lab);
	if (r == 0 && (n = node_get(root, "wires")))
		r = read_wires(&d, n, lab);
	if (r == 0 && (n = node_get(root, "hosts")))
		r = read_machines(&d, n, true, lab);
	if (r == 0 && (n = node_get(root, "nodes")))
		r = read_machines(&d, n, false, lab);
	if (r == 0 && (n = node_get(root, "expect")))
		r = read_expectations(&d, n, lab);
	return r;
}

int lab_from_yaml(const char *text, size_t size, const char *file, struct lab **ret, char **ret_warnings,
		  struct vnet_error *err)
{
	AUTO(node_free) struct node *root = NULL;
	AUTO(lab_free) struct lab *lab = mem_alloc(sizeof(*lab));
	char *warnings = NULL;
	int r = node_from_yaml(text, size, file, &root, err);

	if (r == 0)
		r = read_root(root, lab, err);
	if (r == 0)
		r = lab_check(lab, &warnings, err);
	if (r < 0)
		return r;
	*ret = TAKE(lab);
	*ret_warnings = warnings;
	return 0;
}

/* --- look-ups and names --- */

struct lab_machine *lab_find_machine(const struct lab *lab, const char *name)
{
	vec_each(m, &lab->machines)
		if (strcmp((*m)->name, name) == 0)
			return *m;
	return NULL;
}

struct lab_wire *lab_find_wire(const struct lab *lab, const char *name)
{
	vec_each(wire, &lab->wires)
		if (strcmp((*wire)->name, name) == 0)
			return *wire;
	return NULL;
}

int lab_name_check(const char *name, struct vnet_error *err)
{
	return name_check(name, LAB_NAME_MAX, err);
}

struct mac lab_mac(const char *machine, const char *interface)
{
	return mac_from_names("lab", machine, interface, 0);
}

bool lab_impairment_is_set(const struct lab_impairment *impairment)
{
	return impairment->delay || impairment->jitter || impairment->loss || impairment->rate;
}

int lab_impairment_from_yaml(const char *text, struct lab_impairment *ret, struct vnet_error *err)
{
	AUTO(node_free) struct node *root = NULL;
	struct lab_impairment impairment = { 0 };
	struct decoder d = { .err = err };
	int r = node_from_yaml(text, strlen(text), NULL, &root, err);

	if (r == 0)
		r = schema_decode(&d, &impairment_schema, root, &impairment);
	if (r == 0)
		*ret = impairment;
	return r;
}

char *lab_impairment_text(const struct lab_impairment *impairment)
{
	struct strbuf b = { 0 };

	if (impairment->delay)
		strbuf_printf(&b, "delay %gms", impairment->delay / 1000.0);
	if (impairment->jitter)
		strbuf_printf(&b, "%sjitter %gms", b.len ? " " : "", impairment->jitter / 1000.0);
	if (impairment->loss)
		strbuf_printf(&b, "%sloss %g%%", b.len ? " " : "", impairment->loss / 1000.0);
	if (impairment->rate)
		strbuf_printf(&b, "%srate %gmbit", b.len ? " " : "", (double)impairment->rate / 1e6);
	return strbuf_take(&b);
}
