/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt_dhcp.c - <ip>: addresses, DHCP, TFTP and network boot. */

#include "import/libvirt_internal.h"

#include "base/strbuf.h"
#include "model/names.h"

#include <ctype.h>
#include <limits.h>
#include <strings.h>
#include <sys/socket.h>

/* What is said of one family's DHCP. */
struct service {
	int family;
	const char *key;        /* "dhcp" */
	bool has_lease;         /* of ranges; libvirt has one for each, ours are alike */
	unsigned lease;
	unsigned n_ranges, n_hosts;
};

static void import_dhcp(struct libvirt_import *im, struct xml_element *dhcp, struct service *s);
static void import_boot(struct libvirt_import *im, struct xml_element *ip, struct xml_element *dhcp);

static void import_ip_element(struct libvirt_import *im, struct xml_element *ip, struct service *s4,
			      struct service *s6)
{
	struct xml_element *dhcp = element_child(ip, "dhcp");
	struct prefix prefix;
	char text[ADDR_TEXT_MAX];
	struct service *s;
	bool local;

	if (!import_prefix(im, ip, &prefix))
		return;
	s = prefix.addr.family == AF_INET ? s4 : s6;
	import_put_text(im, ip->line, "addresses[]", prefix_format(&prefix, text));
	im->has_address[s == s6] = true;
	if (import_yes_no(im, ip, "localPtr", &local) && local)
		import_report_element(im->report, "local-ptr", ip, "localPtr", NULL);
	if (dhcp && (s->n_ranges || s->n_hosts)) {
		import_refuse(im, dhcp, NULL, "duplicate",
			      "DHCP of a family belongs to one <ip> alone; libvirt refuses it, too");
		return;
	}
	if (dhcp)
		import_dhcp(im, dhcp, s);
	if (s == s4)
		import_boot(im, ip, dhcp);
}

/* Where the segment has its addresses from somebody else. */
static void report_addresses(struct libvirt_import *im)
{
	for (struct xml_element *ip = NULL; (ip = element_next(im->root, "ip", ip));) {
		element_ignore(ip);
		import_report_element(im->report, "address-of-segment", ip, NULL, NULL);
	}
}

static void finish_service(struct libvirt_import *im, const struct service *s)
{
	AUTO_FREE char *reserved = mem_printf("%s.reserved_only", s->key);

	if (!s->n_ranges && s->n_hosts)
		import_put(im, im->root->line, reserved, json_true());
	else if (s->n_ranges && !import_has(im, s->key))
		import_put(im, im->root->line, s->key, json_true());
}

void import_addresses(struct libvirt_import *im)
{
	struct service s4 = { .family = AF_INET, .key = "dhcp" };
	struct service s6 = { .family = AF_INET6, .key = "dhcp6" };

	if (!im->has_own_bridge) {
		report_addresses(im);
		return;
	}
	for (struct xml_element *ip = NULL; !im->result && (ip = element_next(im->root, "ip", ip));)
		import_ip_element(im, ip, &s4, &s6);
	finish_service(im, &s4);
	finish_service(im, &s6);
}

/* --- DHCP ------------------------------------------------------------------------------- */

/* <lease>: seconds, UINT_MAX for ever; false when there is none. */
static bool import_lease(struct libvirt_import *im, struct xml_element *e, unsigned *ret)
{
	static const struct { const char *name; unsigned seconds; } units[] = {
		{ "seconds", 1 }, { "minutes", 60 }, { "hours", 3600 },
	};
	struct xml_element *lease = element_child(e, "lease");
	const char *unit;
	unsigned long n;

	if (!lease || !import_required(im, lease, "expiry") ||
	    !import_number(im, lease, "expiry", 0, UINT_MAX / 3600, &n))
		return false;
	unit = element_attribute(lease, "unit");
	unit = unit ? unit : "minutes";
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(unit, units[i].name)) {
			*ret = n ? (unsigned)n * units[i].seconds : UINT_MAX;
			return true;
		}
	import_refuse(im, lease, "unit", "bad-value", "a lease's unit is seconds, minutes or hours");
	return false;
}

static json_t *lease_to_json(unsigned seconds)
{
	return seconds == UINT_MAX ? json_string("infinite") : json_integer(seconds);
}

static void import_range(struct libvirt_import *im, struct xml_element *e, struct service *s)
{
	AUTO_FREE char *ranges = mem_printf("%s.ranges[]", s->key);
	AUTO_FREE char *time = mem_printf("%s.lease_time", s->key);
	struct ip_range range;
	unsigned seconds = 0;
	char text[ADDR_TEXT_MAX];
	bool has_lease;

	if (!import_required(im, e, "start") || !import_required(im, e, "end") ||
	    !import_ip(im, e, "start", &range.first) || !import_ip(im, e, "end", &range.last))
		return;
	import_put_text(im, e->line, ranges, ip_range_format(&range, text));
	has_lease = import_lease(im, e, &seconds);
	if (has_lease && !s->has_lease && !s->n_ranges)
		import_put(im, e->line, time, lease_to_json(seconds));
	else if (s->n_ranges && seconds != s->lease)
		import_report_element(im->report, "lease-per-range", e, NULL, NULL);
	if (!s->n_ranges++) {
		s->has_lease = has_lease;
		s->lease = seconds;
	}
}

/* "0:3:0:1" is how libvirt writes "00:03:00:01". To be freed. */
static char *normal_duid(const char *text)
{
	struct strbuf b = { 0 };
	size_t n;

	for (;; text += n + 1) {
		n = strcspn(text, ":");
		strbuf_printf(&b, "%s%.*s", n == 1 ? "0" : "", (int)n, text);
		if (!text[n])
			return strbuf_take(&b);
		strbuf_append(&b, ":");
	}
}

/* dnsmasq drops the domain of a host's name unless it is the network's, and then adds it itself. */
static void import_host_name(struct libvirt_import *im, struct xml_element *e, const char *name)
{
	size_t label = strcspn(name, ".");
	struct xml_element *domain = element_child(im->root, "domain");
	const struct xml_attribute *own = element_find_attribute(domain, "name");
	AUTO_FREE char *host = mem_strndup(name, label);

	if (name[label] && (!own || strcasecmp(own->value, name + label + 1)))
		import_report_element(im->report, "host-domain", e, "name", "%.100s", name);
	import_put_text(im, e->line, "dhcp.hosts[-1].name", host);
}

/* The host of that name alone, which has an address of the other family. */
static json_t *find_named(struct libvirt_import *im, const char *name)
{
	json_t *host, *hosts = json_object_get(json_object_get(im->net, "dhcp"), "hosts");
	size_t i;

	json_array_foreach(hosts, i, host) {
		const char *other = json_string_value(json_object_get(host, "name"));

		if (other && !strcmp(other, name) && !json_object_get(host, "mac") &&
		    !json_object_get(host, "duid") && !json_object_get(host, "address6"))
			return host;
	}
	return NULL;
}

static void import_host(struct libvirt_import *im, struct xml_element *e, struct service *s)
{
	const char *mac = element_attribute(e, "mac"), *id = element_attribute(e, "id");
	const char *name = element_attribute(e, "name");
	json_t *known;
	struct ip ip;
	unsigned seconds;
	char text[ADDR_TEXT_MAX];

	s->n_hosts++;
	if (!import_required(im, e, "ip") || !import_ip(im, e, "ip", &ip))
		return;
	ip_format(&ip, text);
	known = name && !mac && !id && s->family == AF_INET6 ? find_named(im, name) : NULL;
	if (known) {
		json_object_set_new(known, "address6", json_string(text));
		if (import_lease(im, e, &seconds) && !json_object_get(known, "lease_time"))
			json_object_set_new(known, "lease_time", lease_to_json(seconds));
		return;
	}
	import_put(im, e->line, "dhcp.hosts[]", json_object());
	if (mac)
		import_put_text(im, e->line, "dhcp.hosts[-1].mac", mac);
	if (id) {
		AUTO_FREE char *duid = normal_duid(id);

		import_put_text(im, e->line, "dhcp.hosts[-1].duid", duid);
	}
	if (name)
		import_host_name(im, e, name);
	import_put_text(im, e->line,
			ip.family == AF_INET6 ? "dhcp.hosts[-1].address6" : "dhcp.hosts[-1].address",
			text);
	if (import_lease(im, e, &seconds))
		import_put(im, e->line, "dhcp.hosts[-1].lease_time", lease_to_json(seconds));
}

static void import_dhcp(struct libvirt_import *im, struct xml_element *dhcp, struct service *s)
{
	for (struct xml_element *e = NULL; (e = element_next(dhcp, "range", e));)
		import_range(im, e, s);
	for (struct xml_element *e = NULL; (e = element_next(dhcp, "host", e));)
		import_host(im, e, s);
	if (s->family == AF_INET6 && element_child(dhcp, "bootp"))
		import_refuse(im, element_child(dhcp, "bootp"), NULL, "mode-conflict",
			      "network boot is of IPv4; libvirt refuses it here, too");
}

/* --- network boot -------------------------------------------------------------------------- */

static void import_bootp(struct libvirt_import *im, struct xml_element *bootp)
{
	const char *file = import_required(im, bootp, "file");
	const char *server = element_attribute(bootp, "server");
	struct ip ip;

	if (file)
		import_put_text(im, bootp->line, "dhcp.boot.file", file);
	if (server && ip_parse(server, &ip) == 0 && ip.family == AF_INET)
		import_put_text(im, bootp->line, "dhcp.boot.server", server);
	else if (server)
		import_report_element(im->report, "boot-server", bootp, "server", "%.100s", server);
}

/* libvirt's TFTP needs no DHCP; ours is a part of it, which then knows nobody. */
static void import_boot(struct libvirt_import *im, struct xml_element *ip, struct xml_element *dhcp)
{
	struct xml_element *tftp = element_child(ip, "tftp");
	struct xml_element *bootp = element_child(dhcp, "bootp");
	const char *root = tftp ? element_attribute(tftp, "root") : NULL;

	if (root)
		import_put_text(im, tftp->line, "dhcp.boot.tftp_root", root);
	if (bootp)
		import_bootp(im, bootp);
	if (!import_has(im, "dhcp.boot") || element_child(dhcp, "range") || element_child(dhcp, "host"))
		return;
	import_put(im, ip->line, "dhcp.reserved_only", json_true());
	import_put(im, ip->line, "dhcp.authoritative", json_false());
	import_report_element(im->report, "tftp-without-dhcp", tftp ? tftp : bootp, NULL, NULL);
}
