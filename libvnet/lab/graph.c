/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* graph.c - what is joined to what in a lab; see graph.h. */

#include "lab/graph.h"

#include "base/strbuf.h"

static size_t add_item(struct graph *g, enum graph_kind kind, char *id, const char *host, const char *name, char *details)
{
	vec_push(&g->items, (struct graph_item){ .kind = kind, .id = id, .host = host, .name = mem_strdup(name),
						 .details = details });
	return g->items.n - 1;
}

static size_t find_item(const struct graph *g, const char *id)
{
	for (size_t i = 0; i < g->items.n; i++)
		if (strcmp(g->items.v[i].id, id) == 0)
			return i;
	return SIZE_MAX;
}

/* Nothing is drawn to what is not there. */
static void add_edge(struct graph *g, const char *from, const char *to, enum graph_line line, char *label)
{
	size_t a = find_item(g, from), b = find_item(g, to);

	if (a != SIZE_MAX && b != SIZE_MAX)
		vec_push(&g->edges, (struct graph_edge){ a, b, line, label });
	else
		free(label);
}

static void put_word(struct strbuf *b, const char *word)
{
	strbuf_printf(b, "%s%s", b->len ? " " : "", word);
}

static void put_addresses(struct strbuf *b, const struct prefix *v, size_t n)
{
	char buf[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		put_word(b, prefix_format(&v[i], buf));
}

/* --- items --- */

static char *network_details(const struct network *net)
{
	struct strbuf b = { 0 };

	put_word(&b, network_mode_name(net->mode));
	put_addresses(&b, net->addresses.v, net->addresses.n);
	if (net->auto4 || net->auto6)
		put_word(&b, "subnet chosen");
	if (net->dhcp.enabled)
		put_word(&b, "dhcp");
	if (network_ra(net) != RA_OFF)
		put_word(&b, "ra");
	if (net->bridge.vlan_filtering)
		put_word(&b, "vlan-aware");
	if (!net->host_access)
		put_word(&b, "no host access");
	return strbuf_take(&b);
}

static char *interface_details(const struct lab_interface *interface)
{
	struct strbuf b = { 0 };

	put_addresses(&b, interface->addresses.v, interface->addresses.n);
	return strbuf_take(&b);
}

static char *wire_id(const char *name)
{
	return mem_printf("wire %s", name);
}

static char *interface_id(const char *host, const char *interface)
{
	return mem_printf("%s %s", host, interface);
}

static char *network_id(const char *host, const char *network)
{
	return mem_printf("%s/%s", host, network);
}

static void add_items(struct graph *g)
{
	vec_each(wire, &g->lab->wires)
		add_item(g, GRAPH_WIRE, wire_id((*wire)->name), NULL, (*wire)->name,
			 lab_impairment_text(&(*wire)->impairment));
	vec_each(m, &g->lab->machines) {
		if (!(*m)->is_host) {
			add_item(g, GRAPH_NODE, mem_strdup((*m)->name), NULL, (*m)->name,
				 mem_strdup((*m)->qemu.n ? "guest" : (*m)->forwarding ? "router" : ""));
			continue;
		}
		vec_each(interface, &(*m)->interfaces)
			add_item(g, GRAPH_INTERFACE, interface_id((*m)->name, interface->name), (*m)->name,
				 interface->name, interface_details(interface));
		vec_each(net, &(*m)->definitions.networks)
			add_item(g, GRAPH_NETWORK, network_id((*m)->name, (*net)->name), (*m)->name, (*net)->name,
				 network_details(*net));
	}
}

/* --- edges --- */

static char *node_label(const struct lab_interface *interface)
{
	struct strbuf b = { 0 };

	put_word(&b, interface->name);
	if (interface->dhcp)
		put_word(&b, "dhcp");
	put_addresses(&b, interface->addresses.v, interface->addresses.n);
	return strbuf_take(&b);
}

static void join_machine(struct graph *g, const struct lab_machine *m)
{
	vec_each(interface, &m->interfaces) {
		AUTO_FREE char *id = m->is_host ? interface_id(m->name, interface->name) : mem_strdup(m->name);
		AUTO_FREE char *to = interface->wire ? wire_id(interface->wire) :
						       network_id(interface->host, interface->network);

		add_edge(g, id, to, GRAPH_SOLID, m->is_host ? mem_strdup("") : node_label(interface));
	}
}

/* The interface by which a network's packets leave that has none named: where the gateway is. */
static const char *way_out(const struct lab_machine *host)
{
	vec_each(interface, &host->interfaces)
		if (interface->gateway.n)
			return interface->name;
	return NULL;
}

static char *uplink_label(const struct network *net)
{
	struct strbuf b = { 0 };

	if (net->vlan.service)
		strbuf_printf(&b, "vlan %u.%u", net->vlan.service, net->vlan.id);
	else if (net->vlan.id)
		strbuf_printf(&b, "vlan %u", net->vlan.id);
	else if (net->mode != NETWORK_BRIDGED)
		put_word(&b, network_mode_name(net->mode));
	return strbuf_take(&b);
}

static void join_uplink(struct graph *g, const struct lab_machine *host, const struct network *net)
{
	bool is_translated = net->mode == NETWORK_NAT && (net->nat.ipv4 || net->nat.ipv6);
	const char *uplink = net->uplink ? net->uplink : is_translated && net->nat.uplink ? net->nat.uplink :
			     net->mode == NETWORK_NAT || net->mode == NETWORK_ROUTED ? way_out(host) : NULL;
	AUTO_FREE char *from = network_id(host->name, net->name), *to = uplink ? interface_id(host->name, uplink) : NULL;

	if (to)
		add_edge(g, from, to, net->uplink ? GRAPH_SOLID : GRAPH_DASHED, uplink_label(net));
}

static bool has_address(const struct lab_machine *m, const struct ip *ip)
{
	vec_each(interface, &m->interfaces)
		vec_each(address, &interface->addresses)
			if (ip_cmp(&address->addr, ip) == 0)
				return true;
	return false;
}

static const struct network_link *other_end(const struct network *net, const struct network_link *link)
{
	vec_each(other, &net->links)
		if (other->kind == link->kind && other->has_key == link->has_key && other->key == link->key &&
		    other->port == link->port)
			return other;
	return NULL;
}

static char *link_label(const struct network_link *link)
{
	if (!link->has_key)
		return mem_strdup(link_kind_name(link->kind));
	return mem_printf("%s %u", link_kind_name(link->kind), link->key);
}

/* Each tunnel once: from the host that comes first. */
static void join_link(struct graph *g, size_t host, const struct network *net, const struct network_link *link)
{
	const struct lab_machine *here = g->lab->machines.v[host];

	vec_each(peer, &link->peers)
		for (size_t i = host + 1; i < g->lab->machines.n; i++) {
			const struct lab_machine *there = g->lab->machines.v[i];

			if (!has_address(there, peer))
				continue;
			vec_each(theirs, &there->definitions.networks) {
				AUTO_FREE char *from = network_id(here->name, net->name),
					       *to = network_id(there->name, (*theirs)->name);

				if (other_end(*theirs, link))
					add_edge(g, from, to, GRAPH_BOLD, link_label(link));
			}
		}
}

struct graph *graph_new(const struct lab *lab)
{
	struct graph *g = mem_alloc(sizeof(*g));

	g->lab = lab;
	add_items(g);
	for (size_t i = 0; i < lab->machines.n; i++) {
		const struct lab_machine *m = lab->machines.v[i];

		join_machine(g, m);
		vec_each(net, &m->definitions.networks) {
			join_uplink(g, m, *net);
			vec_each(link, &(*net)->links)
				join_link(g, i, *net, link);
		}
	}
	return g;
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	vec_each(item, &g->items) {
		free(item->id);
		free(item->name);
		free(item->details);
	}
	vec_each(edge, &g->edges)
		free(edge->label);
	vec_free(&g->items);
	vec_free(&g->edges);
	free(g);
}
