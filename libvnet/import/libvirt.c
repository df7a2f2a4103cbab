/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt.c - a network of libvirt's as one of ours; see libvirt.h. */

#include "import/libvirt_internal.h"

#include "model/check.h"
#include "model/names.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

/* libvirt makes files of it. */
#define LIBVIRT_NAME_MAX 250

static char *choose_name(struct libvirt_import *im, const char *wanted);
static void import_general(struct libvirt_import *im);
static void import_bridge(struct libvirt_import *im);
static void import_routes(struct libvirt_import *im);
static int decode(struct libvirt_import *im, const char *name, struct network **ret);

int libvirt_network_import(struct xml_element *root, const char *file, const char *name,
			   struct network **ret, struct import_report *report,
			   struct vnet_error *err)
{
	static void (*const parts[])(struct libvirt_import *im) = {
		import_general, import_forward, import_bridge, import_addresses,
		import_routes,	import_dns,	import_ports,
	};
	struct libvirt_import im = { .file = file, .report = report, .err = err, .root = root };
	AUTO_FREE char *chosen = NULL;

	if (strcmp(root->name, "network") || root->ns) {
		vnet_error_set(err, -EINVAL, "not-a-network",
			       "the document's root is <%.40s>%s, not libvirt's <network>",
			       root->name, root->ns ? " of another namespace" : "");
		vnet_error_at(err, file, root->line, 0, NULL);
		return -EINVAL;
	}
	root->is_read = true;
	im.net = json_object();
	chosen = choose_name(&im, name);
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !im.result; i++)
		parts[i](&im);
	if (!im.result)
		im.result = decode(&im, chosen, ret);
	if (!im.result) {
		import_report_unread(report, root);
		import_report_sort(report);
	}
	json_decref(im.net);
	vec_each(place, &im.places)
		free(place->path);
	vec_free(&im.places);
	return im.result;
}

/* --- the definition that grows ------------------------------------------------------ */

void import_refuse(struct libvirt_import *im, const struct xml_element *e, const char *attribute,
		   const char *code, const char *format, ...)
{
	const struct xml_attribute *a = attribute ? element_find_attribute(e, attribute) : NULL;
	char path[ELEMENT_PATH_MAX];
	AUTO_FREE char *where = mem_printf("%s%s%s", element_path(e, path), attribute ? "@" : "",
					   attribute ? attribute : "");
	va_list args;

	if (im->result)
		return;
	va_start(args, format);
	im->result = vnet_error_setv(im->err, -EINVAL, code, format, args);
	va_end(args);
	vnet_error_at(im->err, im->file, a ? a->line : e->line, 0, where);
}

/* The next step of a path, cut off: "hosts[-1].name" gives "hosts", true and "name". */
static const char *next_step(const char *path, char key[64], bool *ret_is_item)
{
	size_t n = strcspn(path, ".[");

	snprintf(key, 64, "%.*s", (int)n, path);
	path += n;
	*ret_is_item = *path == '[';
	if (*ret_is_item)
		path += strcspn(path, "]") + 1;
	return *path == '.' ? path + 1 : NULL;
}

static json_t *last_item(json_t *array)
{
	return json_array_get(array, json_array_size(array) - 1);
}

void import_put(struct libvirt_import *im, unsigned line, const char *path, json_t *value)
{
	char done[NODE_PATH_MAX] = "";
	json_t *at = im->net, *next;
	const char *rest = path;
	size_t n = 0;

	while (rest) {
		bool is_item;
		char key[64];

		rest = next_step(rest, key, &is_item);
		n += (size_t)snprintf(done + n, sizeof(done) - n, "%s%s", n ? "." : "", key);
		next = json_object_get(at, key);
		if (is_item) {
			if (!next)
				json_object_set_new(at, key, next = json_array());
			if (!rest)
				json_array_append_new(next, value);
			n += (size_t)snprintf(done + n, sizeof(done) - n, "[%zu]",
					      json_array_size(next) - 1);
			next = last_item(next);
		} else if (!rest) {
			json_object_set_new(at, key, value);
		} else if (!json_is_object(next)) {
			/* In place of `true`, too. */
			json_object_set_new(at, key, next = json_object());
		}
		at = next;
	}
	vec_push(&im->places, ((struct import_place){ mem_strdup(done), line }));
}

void import_put_text(struct libvirt_import *im, unsigned line, const char *path, const char *text)
{
	import_put(im, line, path, json_string(text));
}

bool import_has(const struct libvirt_import *im, const char *path)
{
	const json_t *at = im->net;
	const char *rest = path;

	while (rest && at) {
		bool is_item;
		char key[64];

		rest = next_step(rest, key, &is_item);
		at = json_object_get(at, key);
	}
	return at;
}

/* --- attributes ------------------------------------------------------------------------ */

const char *import_required(struct libvirt_import *im, struct xml_element *e, const char *name)
{
	const char *value = element_attribute(e, name);

	if (value && *value)
		return value;
	import_refuse(im, e, value ? name : NULL, "missing-key", "<%s> needs %s", e->name, name);
	return NULL;
}

bool import_yes_no(struct libvirt_import *im, struct xml_element *e, const char *name, bool *ret)
{
	const char *value = element_attribute(e, name);

	if (!value)
		return false;
	if (strcmp(value, "yes") && strcmp(value, "no")) {
		import_refuse(im, e, name, "bad-value", "%s is \"%.40s\"; libvirt takes yes or no",
			      name, value);
		return false;
	}
	*ret = value[0] == 'y';
	return true;
}

bool import_number(struct libvirt_import *im, struct xml_element *e, const char *name,
		   unsigned long min, unsigned long max, unsigned long *ret)
{
	const char *value = element_attribute(e, name);
	unsigned long n;
	char *end;

	if (!value)
		return false;
	errno = 0;
	n = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || errno || n < min || n > max) {
		import_refuse(im, e, name, "bad-value", "%s is \"%.40s\", not a number from %lu to %lu",
			      name, value, min, max);
		return false;
	}
	*ret = n;
	return true;
}

bool import_ip(struct libvirt_import *im, struct xml_element *e, const char *name, struct ip *ret)
{
	const char *value = element_attribute(e, name);

	if (!value)
		return false;
	if (ip_parse(value, ret) == 0)
		return true;
	import_refuse(im, e, name, "bad-address", "%s is \"%.60s\", not an address", name, value);
	return false;
}

/* By the classes of RFC 791, as libvirt does where nobody says how long the prefix is. */
static unsigned default_length(const struct ip *ip)
{
	if (ip->family == AF_INET6)
		return 64;
	return ip->b[0] < 128 ? 8 : ip->b[0] < 192 ? 16 : 24;
}

/* 255.255.255.0 is 24; -1 when the ones are not all in front. */
static int netmask_length(const struct ip *mask)
{
	for (uint8_t len = 0; len <= 32; len++) {
		struct prefix p = { { AF_INET, { 0 } }, len };
		struct ip other = prefix_netmask(&p);

		if (ip_cmp(mask, &other) == 0)
			return len;
	}
	return -1;
}

bool import_prefix(struct libvirt_import *im, struct xml_element *e, struct prefix *ret)
{
	const char *family = element_attribute(e, "family");
	unsigned long length;
	struct ip mask;

	if (!import_required(im, e, "address") || !import_ip(im, e, "address", &ret->addr))
		return false;
	if ((family && strcmp(family, "ipv6") == 0 ? AF_INET6 : AF_INET) != ret->addr.family) {
		import_refuse(im, e, "address", "family-mismatch",
			      "the address is not of family %.10s", family ? family : "ipv4");
		return false;
	}
	ret->len = (uint8_t)default_length(&ret->addr);
	if (import_ip(im, e, "netmask", &mask)) {
		int n = mask.family == ret->addr.family ? netmask_length(&mask) : -1;

		if (n < 0)
			import_refuse(im, e, "netmask", "bad-value", "this is no netmask of IPv4");
		ret->len = (uint8_t)n;
	} else if (import_number(im, e, "prefix", 0, ip_bits(&ret->addr), &length)) {
		ret->len = (uint8_t)length;
	}
	return !im->result;
}

/* --- name, and what stands at the top ---------------------------------------------------- */

/* Ten bytes and four digits of a hash (FNV-1a), so that long names that begin alike stay apart. */
static char *shorten(const char *name, size_t max)
{
	unsigned hash = 2166136261u;

	for (const char *c = name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	return mem_printf("%.*s-%04x", (int)max - 5, name, hash & 0xFFFF);
}

/*
 * libvirt takes nearly everything as a name.  A slash or a dot in front could
 * lead elsewhere and is refused; other letters become '-'.
 */
static char *choose_name(struct libvirt_import *im, const char *wanted)
{
	struct xml_element *element = element_child(im->root, "name");
	const char *own = element ? element_text(element) : "", *bridge;
	size_t max = NETWORK_NAME_MAX;
	AUTO_FREE char *name = mem_strdup(own);
	char *chosen;

	if (!element || !*own || strlen(own) > LIBVIRT_NAME_MAX || strchr(own, '/') || *own == '.') {
		import_refuse(im, element ? element : im->root, NULL, "bad-name",
			      element && *own ? "\"%.40s\" is no network's name: it has a slash, or "
						"a dot in front, or is too long" :
						"a network needs a <name>%s",
			      own);
		return NULL;
	}
	if (wanted)
		return mem_strdup(wanted);
	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			*c = '-';
	if (!isalnum((unsigned char)*name))
		*name = 'n';
	bridge = element_attribute(element_child(im->root, "bridge"), "name");
	/* Without a bridge's name, ours is made of the network's. */
	if (!bridge || strchr(bridge, '%'))
		max -= sizeof(NETWORK_BRIDGE_PREFIX) - 1;
	chosen = strlen(name) > max ? shorten(name, max) : mem_strdup(name);
	if (strcmp(chosen, own))
		import_report_element(im->report, "name-changed", element, NULL, "\"%.100s\" becomes %s",
				      own, chosen);
	return chosen;
}

static void import_general(struct libvirt_import *im)
{
	static const struct { const char *name, *code; } ignored[] = {
		{ "uuid", "uuid" }, { "metadata", "metadata" },
	};
	bool yes;

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
		struct xml_element *e = element_child(im->root, ignored[i].name);

		if (!e)
			continue;
		element_ignore(e);
		import_report_element(im->report, ignored[i].code, e, NULL, NULL);
	}
	if (element_attribute(im->root, "connections"))
		import_report_element(im->report, "runtime-state", im->root, "connections", NULL);
	if (import_yes_no(im, im->root, "ipv6", &yes) && !yes)
		import_report_element(im->report, "ipv6-between-guests", im->root, "ipv6", NULL);
}

/* --- bridge -------------------------------------------------------------------------------- */

/* libvirt switches spanning tree on, and the kernel then waits at least 2 s in each state. */
static void import_stp(struct libvirt_import *im, struct xml_element *bridge)
{
	const char *stp = element_attribute(bridge, "stp");
	unsigned line = bridge ? bridge->line : im->root->line;
	bool is_on = !stp || strcmp(stp, "off") != 0;
	unsigned long delay = 0;

	if (stp && strcmp(stp, "on") && strcmp(stp, "off"))
		import_refuse(im, bridge, "stp", "bad-value", "stp is on or off");
	import_number(im, bridge, "delay", 0, 1000000, &delay);
	if (is_on)
		import_put(im, line, "bridge.stp", json_true());
	if (delay && !is_on)
		import_report_element(im->report, "delay-without-stp", bridge, "delay", NULL);
	else if (delay > 30)
		import_report_element(im->report, "delay-too-long", bridge, "delay", NULL);
	if (is_on && delay > 2)
		import_put(im, line, "bridge.forward_delay",
			   json_integer(delay > 30 ? 30 : (json_int_t)delay));
}

static void import_bridge_options(struct libvirt_import *im, struct xml_element *bridge)
{
	const char *zone = element_attribute(bridge, "zone");
	const char *manager = element_attribute(bridge, "macTableManager");

	if (zone)
		import_report_element(im->report, "firewalld-zone", bridge, "zone", "zone %.40s",
				      zone);
	if (!manager)
		return;
	if (strcmp(manager, "libvirt") == 0)
		import_report_element(im->report, "mac-table", bridge, "macTableManager", NULL);
	else if (strcmp(manager, "kernel"))
		import_refuse(im, bridge, "macTableManager", "bad-value",
			      "macTableManager is kernel or libvirt");
}

/* Of a bridge that is somebody else's nothing may be said but its name. */
static void report_foreign_bridge(struct libvirt_import *im, struct xml_element *bridge)
{
	static const char *const names[] = { "stp", "delay", "zone" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (element_attribute(bridge, names[i]))
			import_report_element(im->report, "foreign-bridge", bridge, names[i], NULL);
}

static void import_bridge(struct libvirt_import *im)
{
	struct xml_element *bridge = element_child(im->root, "bridge");
	struct xml_element *mtu = element_child(im->root, "mtu");
	struct xml_element *mac = element_child(im->root, "mac");
	const char *name = element_attribute(bridge, "name");
	const char *address = mac ? import_required(im, mac, "address") : NULL;
	unsigned long size;

	if (im->mode == NETWORK_MACVTAP || im->mode == NETWORK_SRIOV) {
		if (bridge || mac || mtu)
			import_refuse(im, bridge ? bridge : mac ? mac : mtu, NULL, "mode-conflict",
				      "there is no bridge in this forward mode");
		return;
	}
	if (name && strchr(name, '%'))
		import_report_element(im->report, "bridge-pattern", bridge, "name", NULL);
	else if (name)
		import_put_text(im, bridge->line, "bridge.name", name);
	if (bridge)
		import_bridge_options(im, bridge);
	if (im->has_own_bridge)
		import_stp(im, bridge);
	else if (bridge)
		report_foreign_bridge(im, bridge);
	if (address && im->has_own_bridge)
		import_put_text(im, mac->line, "bridge.mac", address);
	else if (address)
		import_report_element(im->report, "foreign-bridge", mac, NULL, NULL);
	if (mtu && import_required(im, mtu, "size") && import_number(im, mtu, "size", 68, 65535, &size))
		import_put(im, mtu->line, im->has_own_bridge ? "bridge.mtu" : "ports.mtu",
			   json_integer((json_int_t)size));
}

/* --- routes --------------------------------------------------------------------------------- */

static void import_route(struct libvirt_import *im, struct xml_element *e)
{
	struct prefix to, network;
	struct ip via;
	unsigned long metric;
	char text[ADDR_TEXT_MAX];

	if (!import_prefix(im, e, &to) || !import_required(im, e, "gateway") ||
	    !import_ip(im, e, "gateway", &via))
		return;
	network = prefix_network(&to);
	if (!element_find_attribute(e, "netmask") && !element_find_attribute(e, "prefix") &&
	    ip_is_any(&to.addr))
		network.len = 0;
	if (!network.len) {
		element_ignore(e);
		import_report_element(im->report, "default-route", e, NULL, NULL);
		return;
	}
	import_put(im, e->line, "routes[]", json_object());
	import_put_text(im, e->line, "routes[-1].to", prefix_format(&network, text));
	import_put_text(im, e->line, "routes[-1].via", ip_format(&via, text));
	if (import_number(im, e, "metric", 1, UINT32_MAX, &metric))
		import_put(im, e->line, "routes[-1].metric", json_integer((json_int_t)metric));
	if (prefix_cmp(&to, &network))
		import_refuse(im, e, "address", "bad-address",
			      "the route's address has bits beyond its prefix");
}

static void import_routes(struct libvirt_import *im)
{
	for (struct xml_element *e = NULL; (e = element_next(im->root, "route", e));)
		import_route(im, e);
}

/* --- the model has the last word --------------------------------------------------------------- */

/* The line that the value at path, or what it is part of, came from. */
static unsigned line_of(const struct libvirt_import *im, const char *path)
{
	unsigned line = im->root->line;
	size_t best = 0;

	vec_each(place, &im->places) {
		size_t n = strlen(place->path);

		if (n >= best && !strncmp(path, place->path, n) && (!path[n] || strchr(".[", path[n]))) {
			best = n;
			line = place->line;
		}
	}
	return line;
}

static int decode(struct libvirt_import *im, const char *name, struct network **ret)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	json_t *networks = json_object();
	size_t skip = strlen(name) + 1;
	unsigned line;
	int r;

	json_object_set(networks, name, im->net);
	r = networks_from_json(networks, &nets, im->err);
	json_decref(networks);
	if (r == 0)
		r = network_check(nets.v[0], im->err);
	if (r == 0) {
		*ret = nets.v[0];
		nets.v[0] = NULL;
		nets.n = 0;
		return 0;
	}
	line = line_of(im, strlen(im->err->path) > skip ? im->err->path + skip : "");
	vnet_error_at(im->err, im->file, line, 0, NULL);
	return r;
}
