/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hosts.c - who has which address and name reserved; see hosts.h. */

#include "dhcp/hosts.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <strings.h>

struct mac_index { struct mac mac; size_t entry; };

/* What the static hosts hold, sorted for bsearch(): there may be thousands of hosts and ports. */
struct taken {
	VEC(struct mac_index) macs;
	VEC(struct ip) ips;
	VEC(const char *) names;
};

static int check_names(const struct network *net, struct vnet_error *err);
static void take_static_hosts(const struct network *net, struct dhcp_host_list *list,
			      struct taken *taken);
static void add_port(const struct port *port, struct dhcp_host_list *list, struct taken *taken);

static int compare_ports(const void *a, const void *b)
{
	const struct port *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int dhcp_host_list_make(const struct network *net, const struct port *const *ports, size_t n_ports,
			struct dhcp_host_list *ret, struct vnet_error *err)
{
	VEC(const struct port *) sorted = { 0 };
	struct taken taken = { 0 };
	int r = check_names(net, err);

	memset(ret, 0, sizeof(*ret));
	if (r < 0)
		return r;
	take_static_hosts(net, ret, &taken);

	for (size_t i = 0; i < n_ports; i++)
		if (ports[i]->has_mac && ports[i]->addresses.n && ports[i]->name &&
		    ports[i]->network && !strcmp(ports[i]->network, net->name))
			vec_push(&sorted, ports[i]);
	vec_sort(&sorted, compare_ports);
	vec_each(port, &sorted)
		add_port(*port, ret, &taken);

	vec_free(&sorted);
	vec_free(&taken.macs);
	vec_free(&taken.ips);
	vec_free(&taken.names);
	return 0;
}

void dhcp_host_list_free(struct dhcp_host_list *list)
{
	vec_each(e, &list->entries)
		vec_free(&e->addresses6);
	vec_free(&list->entries);
}

bool dhcp_name_is_plain(const char *name)
{
	if (!*name)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.*", *name))
			return false;
	return true;
}

static int check_name(const char *name, const struct source *source, struct vnet_error *err)
{
	int r;

	if (dhcp_name_is_plain(name))
		return 0;
	r = vnet_error_set(err, -EINVAL, "dns-name",
			   "'%s' cannot be a host name: use letters, digits, '-', '_' and '.'", name);
	vnet_error_at(err, source->file, source->line, source->column, NULL);
	return r;
}

static int check_names(const struct network *net, struct vnet_error *err)
{
	int r = 0;

	vec_each(h, &net->dhcp.hosts)
		if (!r && h->name)
			r = check_name(h->name, &h->source, err);
	vec_each(h, &net->dns.hosts) {
		if (!r)
			r = check_name(h->name, &h->source, err);
		vec_each(alias, &h->aliases)
			if (!r)
				r = check_name(*alias, &h->source, err);
	}
	return r;
}

/* --- the two sources --- */

static int compare_macs(const void *a, const void *b)
{
	const struct mac_index *x = a, *y = b;

	return mac_cmp(&x->mac, &y->mac);
}

static int compare_ips(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static int compare_names(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static void take_static_hosts(const struct network *net, struct dhcp_host_list *list,
			      struct taken *taken)
{
	vec_each(h, &net->dhcp.hosts) {
		struct dhcp_host_entry *e = vec_add(&list->entries);

		e->has_mac = h->has_mac;
		e->mac = h->mac;
		e->name = h->name;
		e->duid = h->duid;
		e->address = h->address;
		e->lease_time = h->lease_time;
		if (h->address6.family)
			vec_push(&e->addresses6, h->address6);
		if (h->has_mac)
			vec_push(&taken->macs,
				 ((struct mac_index){ h->mac, list->entries.n - 1 }));
		if (h->address.family)
			vec_push(&taken->ips, h->address);
		if (h->address6.family)
			vec_push(&taken->ips, h->address6);
		if (h->name)
			vec_push(&taken->names, h->name);
	}
	vec_each(h, &net->dns.hosts) {
		vec_push(&taken->names, h->name);
		vec_each(alias, &h->aliases)
			vec_push(&taken->names, *alias);
	}
	vec_sort(&taken->macs, compare_macs);
	vec_sort(&taken->ips, compare_ips);
	vec_sort(&taken->names, compare_names);
}

#define find(vec, key, compare) \
	((vec)->n ? bsearch((key), (vec)->v, (vec)->n, sizeof(*(vec)->v), (compare)) : NULL)

/* A label of our own choosing that a DNS client would look up; not the default name vp12. */
static bool port_name_is_host_name(const struct port *port)
{
	if (!strcmp(port->name, port->ifname) || strlen(port->name) > 63 || port->name[0] == '-')
		return false;
	for (const char *s = port->name; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '-')
			return false;
	return true;
}

static void add_port(const struct port *port, struct dhcp_host_list *list, struct taken *taken)
{
	const char *name = port->name;
	struct mac_index key = { .mac = port->mac };
	struct mac_index *known = find(&taken->macs, &key, compare_macs);
	struct dhcp_host_entry entry = { .has_mac = true, .mac = port->mac };
	struct dhcp_host_entry *e = known ? &list->entries.v[known->entry] : &entry;
	bool has_static6 = e->addresses6.n > 0;

	vec_each(ip, &port->addresses) {
		if (find(&taken->ips, ip, compare_ips))
			continue;
		if (ip->family == AF_INET && !e->address.family)
			e->address = *ip;
		else if (ip->family == AF_INET6 && !has_static6)
			vec_push(&e->addresses6, *ip);
	}
	if (!e->name && port_name_is_host_name(port) && !find(&taken->names, &name, compare_names))
		e->name = name;
	if (!known && (e->address.family || e->addresses6.n))
		vec_push(&list->entries, *e);
}

/* --- the two files --- */

/* dnsmasq takes a word of digits with a unit, and some others, for something else than a name. */
static bool name_is_ambiguous(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return !strcmp(name, "infinite") || !strcmp(name, "ignore") ||
	       (digits && (!name[digits] || (strchr("smhdwSMHDW", name[digits]) && !name[digits + 1])));
}

static void write_entry(const struct dhcp_host_entry *e, struct strbuf *b)
{
	const char *name = e->name && !name_is_ambiguous(e->name) ? e->name : NULL;
	char text[ADDR_TEXT_MAX];

	bool has_id = e->has_mac || e->duid;

	if (!has_id && !name)
		return;
	if (!e->address.family && !e->addresses6.n && !e->lease_time && !(has_id && name))
		return; /* says nothing */
	if (e->has_mac || !e->duid)
		strbuf_append(b, e->has_mac ? mac_format(&e->mac, text) : name);
	if (e->duid)
		strbuf_printf(b, "%sid:%s", e->has_mac ? "," : "", e->duid);
	if (e->address.family)
		strbuf_printf(b, ",%s", ip_format(&e->address, text));
	vec_each(ip, &e->addresses6)
		strbuf_printf(b, ",[%s]", ip_format(ip, text));
	if (has_id && name)
		strbuf_printf(b, ",%s", name);
	if (e->lease_time == UINT_MAX)
		strbuf_append(b, ",infinite");
	else if (e->lease_time)
		strbuf_printf(b, ",%u", e->lease_time);
	strbuf_append(b, "\n");
}

void dhcp_host_list_write(const struct dhcp_host_list *list, struct strbuf *b)
{
	vec_each(e, &list->entries)
		write_entry(e, b);
}

void dhcp_host_list_write_records(const struct network *net, const struct dhcp_host_list *list,
				  struct strbuf *b)
{
	char text[ADDR_TEXT_MAX];

	vec_each(h, &net->dns.hosts) {
		vec_each(ip, &h->addresses) {
			strbuf_printf(b, "%s %s", ip_format(ip, text), h->name);
			vec_each(alias, &h->aliases)
				strbuf_printf(b, " %s", *alias);
			strbuf_append(b, "\n");
		}
	}
	/* A reserved address answers to its name before its guest asks for it. */
	vec_each(e, &list->entries) {
		if (!e->name)
			continue;
		if (e->address.family)
			strbuf_printf(b, "%s %s\n", ip_format(&e->address, text), e->name);
		vec_each(ip, &e->addresses6)
			strbuf_printf(b, "%s %s\n", ip_format(ip, text), e->name);
	}
}
