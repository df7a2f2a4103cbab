/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lab_check.c - what must hold between the parts of a lab, and what is merely suspicious. */

#include "lab/lab_internal.h"

#include "base/strbuf.h"
#include "model/check.h"
#include "model/schema.h"

#include <errno.h>

static int refuse(const struct source *source, const char *code, struct vnet_error *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(const struct source *source, const char *code, struct vnet_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnet_error_setv(err, -EINVAL, code, format, args);
	va_end(args);
	vnet_error_at(err, source->file, source->line, source->column, NULL);
	return -EINVAL;
}

static int order_machines(const void *a, const void *b)
{
	return strcmp((*(struct lab_machine *const *)a)->name, (*(struct lab_machine *const *)b)->name);
}

static int name_to_machine(const void *key, const void *item)
{
	return strcmp(key, (*(struct lab_machine *const *)item)->name);
}

static int name_to_wire(const void *key, const void *item)
{
	return strcmp(key, (*(struct lab_wire *const *)item)->name);
}

static int order_wires(const void *a, const void *b)
{
	return strcmp((*(struct lab_wire *const *)a)->name, (*(struct lab_wire *const *)b)->name);
}

/* What the checks share: the parts by name. */
struct checker {
	struct lab *lab;
	lab_machine_vec machines;
	VEC(struct lab_wire *) wires;
	struct vnet_error *err;
	struct strbuf warnings;
};

static struct lab_machine *machine_of(const struct checker *c, const char *name)
{
	bool is_found;
	size_t i = vec_search(&c->machines, name, name_to_machine, &is_found);

	return is_found ? c->machines.v[i] : NULL;
}

static struct lab_wire *wire_of(const struct checker *c, const char *name)
{
	bool is_found;
	size_t i = vec_search(&c->wires, name, name_to_wire, &is_found);

	return is_found ? c->wires.v[i] : NULL;
}

static const char *near_machine(const struct checker *c, const char *name)
{
	VEC(const char *) names = { 0 };
	const char *near;

	vec_each(m, &c->machines)
		vec_push(&names, (*m)->name);
	near = nearest_word(name, names.v, names.n);
	vec_free(&names);
	return near;
}

static struct network *network_of(const struct lab_machine *host, const char *name)
{
	vec_each(net, &host->definitions.networks)
		if (strcmp((*net)->name, name) == 0)
			return *net;
	return NULL;
}

/* --- one machine --- */

static int check_definitions(struct checker *c, struct lab_machine *host)
{
	const struct definitions *d = &host->definitions;
	json_t *groups = json_object();
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->networks.n; i++)
		r = network_check(d->networks.v[i], c->err);
	if (r == 0)
		r = networks_check(d->networks.v, d->networks.n, c->err);
	if (r == 0)
		r = groups_check(d->groups.v, d->groups.n, c->err);
	host->definitions_json = networks_to_json(d->networks.v, d->networks.n);
	vec_each(group, &d->groups)
		json_object_set_new(groups, (*group)->name, group_to_json(*group));
	json_object_set_new(host->definitions_json, "groups", groups);
	return r;
}

/* Its own, or somebody's on a wire or at the other end of a link. */
static bool may_have_dhcp(const struct network *net)
{
	return net->dhcp.enabled || net->links.n || net->mode == NETWORK_BRIDGED || net->mode == NETWORK_MACVTAP;
}

static int check_on(struct checker *c, struct lab_machine *m, struct lab_interface *interface)
{
	struct lab_machine *host = machine_of(c, interface->host);
	struct network *net;

	if (m->is_host)
		return refuse(&interface->source, "bad-interface", c->err,
			      "%s is a host: its interfaces are at wires, its networks below networks", m->name);
	if (!host || !host->is_host)
		return refuse(&interface->source, "unknown-host", c->err, "there is no host %s for interface %s of %s",
			      interface->host, interface->name, m->name);
	net = network_of(host, interface->network);
	if (!net)
		return refuse(&interface->source, "unknown-network", c->err,
			      "host %s has no network %s, where interface %s of %s should be", interface->host,
			      interface->network, interface->name, m->name);
	if (!interface->has_dhcp)
		interface->dhcp = !interface->addresses.n && may_have_dhcp(net);
	return 0;
}

static int check_wire(struct checker *c, struct lab_machine *m, struct lab_interface *interface)
{
	struct lab_wire *wire = wire_of(c, interface->wire);

	if (!wire)
		return refuse(&interface->source, "unknown-wire", c->err,
			      "interface %s of %s leads nowhere: there is no wire %s", interface->name, m->name,
			      interface->wire);
	if (m->qemu.n)
		return refuse(&interface->source, "bad-interface", c->err,
			      "a guest's interfaces are on networks (on: HOST/NETWORK), not at wires");
	wire->n_ends++;
	return 0;
}

/* One can be reached, or DHCP may bring what it takes. */
static int check_gateways(struct checker *c, struct lab_machine *m, struct lab_interface *interface)
{
	vec_each(gateway, &interface->gateway) {
		bool is_near = interface->dhcp || ip_is_link_local(gateway);

		vec_each(address, &interface->addresses)
			is_near |= prefix_contains(address, gateway);
		if (!is_near) {
			char buf[ADDR_TEXT_MAX];

			return refuse(&interface->source, "bad-gateway", c->err,
				      "the gateway %s of %s is in no subnet of its interface %s",
				      ip_format(gateway, buf), m->name, interface->name);
		}
	}
	return 0;
}

static int check_interfaces(struct checker *c, struct lab_machine *m)
{
	vec_each(interface, &m->interfaces) {
		int r = interface->host ? check_on(c, m, interface) : check_wire(c, m, interface);

		if (r == 0 && strcmp(interface->name, "lo") == 0)
			r = refuse(&interface->source, "bad-interface", c->err, "lo is there anyway; call it eth0");
		if (r == 0)
			r = check_gateways(c, m, interface);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_guest(struct checker *c, struct lab_machine *m)
{
	const struct lab_services *s = &m->services;

	if (!m->qemu.n)
		return 0;
	if (m->run.n || m->routes.n || m->forwarding || s->http.n || s->tcp.n || s->udp.n || s->dns.n)
		return refuse(&m->source, "bad-node", c->err,
			      "%s is a guest: what it runs, its routes and its services are in it, not here", m->name);
	if (!m->interfaces.n)
		return refuse(&m->source, "bad-node", c->err, "the guest %s has no interface", m->name);
	return 0;
}

static int check_machines(struct checker *c)
{
	int r = 0;

	for (size_t i = 1; i < c->machines.n; i++)
		if (strcmp(c->machines.v[i - 1]->name, c->machines.v[i]->name) == 0)
			return refuse(&c->machines.v[i]->source, "duplicate", c->err,
				      "%s is a host and a node; give one of them another name", c->machines.v[i]->name);
	for (size_t i = 0; r == 0 && i < c->lab->machines.n; i++)
		if (c->lab->machines.v[i]->is_host)
			r = check_definitions(c, c->lab->machines.v[i]);
	for (size_t i = 0; r == 0 && i < c->lab->machines.n; i++) {
		r = check_interfaces(c, c->lab->machines.v[i]);
		if (r == 0)
			r = check_guest(c, c->lab->machines.v[i]);
	}
	return r;
}

static int check_wires(struct checker *c)
{
	vec_each(wire, &c->lab->wires)
		if ((*wire)->n_ends < 2)
			return refuse(&(*wire)->source, "loose-wire", c->err,
				      "wire %s leads nowhere: %s; it needs two ends or more", (*wire)->name,
				      (*wire)->n_ends ? "one interface is at it" : "no interface is at it");
	return 0;
}

/* --- what meets on one segment --- */

/* An address or a MAC where others see it. */
struct claim {
	const char *place, *part;       /* a wire, or a host and its network */
	struct ip ip;                   /* family 0: a MAC */
	struct mac mac;
	const struct lab_machine *machine;
	const struct lab_interface *interface;
};
typedef VEC(struct claim) claim_vec;

static int order_places(const struct claim *a, const struct claim *b)
{
	int r = strcmp(a->place, b->place);

	return r ? r : strcmp(a->part, b->part);
}

static int order_claims(const void *x, const void *y)
{
	const struct claim *a = x, *b = y;
	int r = order_places(a, b);

	if (r == 0)
		r = ip_cmp(&a->ip, &b->ip);
	return r ? r : mac_cmp(&a->mac, &b->mac);
}

static void collect_claims(const struct lab *lab, claim_vec *claims)
{
	vec_each(m, &lab->machines)
		vec_each(interface, &(*m)->interfaces) {
			struct claim claim = { .machine = *m, .interface = interface };

			claim.place = interface->wire ? interface->wire : interface->host;
			claim.part = interface->wire ? "" : interface->network;
			claim.mac = interface->mac;
			if (interface->has_mac)
				vec_push(claims, claim);
			claim.mac = (struct mac){ { 0 } };
			vec_each(address, &interface->addresses) {
				claim.ip = address->addr;
				vec_push(claims, claim);
			}
		}
}

static int check_claims(struct checker *c)
{
	claim_vec claims = { 0 };
	int r = 0;

	collect_claims(c->lab, &claims);
	vec_sort(&claims, order_claims);
	for (size_t i = 1; r == 0 && i < claims.n; i++) {
		const struct claim *a = &claims.v[i - 1], *b = &claims.v[i];
		char buf[ADDR_TEXT_MAX];

		if (order_claims(a, b) == 0)
			r = refuse(&b->interface->source, "duplicate-address", c->err,
				   "%s has the %s address %s of %s on the same segment", b->machine->name,
				   b->ip.family ? "IP" : "MAC",
				   b->ip.family ? ip_format(&b->ip, buf) : mac_format(&b->mac, buf), a->machine->name);
	}
	vec_free(&claims);
	return r;
}

/* A network's own address is the host's. */
static int check_network_claims(struct checker *c)
{
	vec_each(m, &c->lab->machines)
		vec_each(interface, &(*m)->interfaces) {
			struct network *net =
				interface->host ? network_of(machine_of(c, interface->host), interface->network) : NULL;

			if (!net)
				continue;
			vec_each(theirs, &net->addresses)
				vec_each(ours, &interface->addresses)
					if (ip_cmp(&theirs->addr, &ours->addr) == 0)
						return refuse(&interface->source, "duplicate-address", c->err,
							      "%s has the address of network %s on host %s itself",
							      (*m)->name, net->name, interface->host);
		}
	return 0;
}

/* --- loops: bridges that wires join in a ring --- */

#define TUNNELS 65536           /* beside the VLAN ids */

struct domain {
	const char *place, *part;
	unsigned vlan;          /* of the wire's frames that reach the bridge, 0: all; TUNNELS: of a mesh */
	size_t parent;
};
typedef VEC(struct domain) domain_vec;

static size_t find_root(domain_vec *domains, size_t i)
{
	while (domains->v[i].parent != i)
		i = domains->v[i].parent = domains->v[domains->v[i].parent].parent;
	return i;
}

static size_t domain_of(domain_vec *domains, const char *place, const char *part, unsigned vlan)
{
	for (size_t i = 0; i < domains->n; i++)
		if (strcmp(domains->v[i].place, place) == 0 && strcmp(domains->v[i].part, part) == 0 &&
		    domains->v[i].vlan == vlan)
			return i;
	vec_push(domains, (struct domain){ .place = place, .part = part, .vlan = vlan, .parent = domains->n });
	return domains->n - 1;
}

static const struct lab_interface *interface_of(const struct lab_machine *m, const char *name)
{
	vec_each(interface, &m->interfaces)
		if (strcmp(interface->name, name) == 0)
			return interface;
	return NULL;
}

/* Is the bridge of this network at the wire below its uplink, and is that a second way between the two? */
static void join_uplink(struct checker *c, domain_vec *domains, const struct lab_machine *host,
			const struct network *net)
{
	const struct lab_interface *interface = net->uplink ? interface_of(host, net->uplink) : NULL;
	size_t wire, bridge;

	if (!interface || !network_has_bridge(net) || (net->mode != NETWORK_BRIDGED && !net->vlan.id))
		return;
	/* Networks of one id on one host's wire are one domain with the wire's frames of that id. */
	wire = find_root(domains, domain_of(domains, interface->wire, "", net->vlan.id));
	bridge = find_root(domains, domain_of(domains, host->name, network_takes_uplink(net) && net->bridge.name ?
							       net->bridge.name : net->name, 0));
	if (wire == bridge && !net->bridge.stp)
		strbuf_printf(&c->warnings,
			      "network %s of host %s closes a loop over wire %s without spanning tree (bridge: {stp: true})\n",
			      net->name, host->name, interface->wire);
	domains->v[wire].parent = bridge;
}

/* --- and tunnels: a full mesh with split horizon is one segment, whatever its size --- */

struct tunnel {
	const struct lab_machine *host;
	const struct network *net;
	const struct network_link *link;
	size_t parent;
};
typedef VEC(struct tunnel) tunnel_vec;

static bool leads_to(const struct tunnel *from, const struct tunnel *to)
{
	if (from->link->kind != to->link->kind || from->link->has_key != to->link->has_key ||
	    from->link->key != to->link->key)
		return false;
	vec_each(peer, &from->link->peers)
		if (ip_cmp(peer, &to->link->local) == 0)
			return true;
	return false;
}

static size_t find_mesh(const tunnel_vec *tunnels, size_t i)
{
	while (tunnels->v[i].parent != i)
		i = tunnels->v[i].parent;
	return i;
}

static void collect_tunnels(const struct lab *lab, tunnel_vec *ret)
{
	vec_each(m, &lab->machines)
		vec_each(net, &(*m)->definitions.networks)
			vec_each(link, &(*net)->links)
				vec_push(ret, (struct tunnel){ *m, *net, link, ret->n });
	for (size_t i = 0; i < ret->n; i++)
		for (size_t k = 0; k < i; k++)
			if (leads_to(&ret->v[i], &ret->v[k]))
				ret->v[find_mesh(ret, i)].parent = find_mesh(ret, k);
}

static void join_tunnels(struct checker *c, domain_vec *domains)
{
	tunnel_vec tunnels = { 0 };

	collect_tunnels(c->lab, &tunnels);
	for (size_t i = 0; i < tunnels.n; i++) {
		const struct tunnel *t = &tunnels.v[i], *first = &tunnels.v[find_mesh(&tunnels, i)];
		size_t mesh = find_root(domains, domain_of(domains, first->host->name, first->link->name, TUNNELS));
		size_t bridge = find_root(domains, domain_of(domains, t->host->name, t->net->name, 0));

		if (mesh == bridge && !t->net->bridge.stp)
			strbuf_printf(&c->warnings, "link %s of network %s on host %s closes a loop without spanning tree "
						    "(bridge: {stp: true})\n",
				      t->link->name, t->net->name, t->host->name);
		domains->v[mesh].parent = bridge;
	}
	vec_free(&tunnels);
}

static void warn_of_loops(struct checker *c)
{
	domain_vec domains = { 0 };

	vec_each(m, &c->lab->machines)
		vec_each(net, &(*m)->definitions.networks)
			join_uplink(c, &domains, *m, *net);
	join_tunnels(c, &domains);
	vec_free(&domains);
}

/* --- expectations --- */

static int check_name(struct checker *c, const struct expectation *e, const char *name)
{
	const char *near;

	if (machine_of(c, name))
		return 0;
	near = near_machine(c, name);
	return refuse(&e->source, "unknown-machine", c->err, "\"%s\" speaks of %s, which is not in the lab%s%s%s", e->text,
		      name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int check_expectation(struct checker *c, const struct expectation *e)
{
	const struct lab_machine *from;
	struct ip ip;
	int r = check_name(c, e, e->from);

	if (r == 0 && e->to && e->kind != EXPECT_RESOLVE && ip_parse(e->to, &ip) < 0)
		r = check_name(c, e, e->to);
	for (size_t i = 0; r == 0 && i < e->seen_by.n; i++)
		r = check_name(c, e, e->seen_by.v[i]);
	if (r < 0)
		return r;
	from = machine_of(c, e->from);
	/* What a guest was given, its host knows. */
	if (from->qemu.n && e->kind != EXPECT_ADDRESS)
		return refuse(&e->source, "bad-expectation", c->err,
			      "\"%s\" starts in the guest %s, where nothing of ours runs; start it at another machine",
			      e->text, e->from);
	return 0;
}

int lab_check(struct lab *lab, char **ret_warnings, struct vnet_error *err)
{
	struct checker c = { .lab = lab, .err = err };
	int r;

	vec_each(m, &lab->machines)
		vec_push(&c.machines, *m);
	vec_sort(&c.machines, order_machines);
	vec_each(wire, &lab->wires)
		vec_push(&c.wires, *wire);
	vec_sort(&c.wires, order_wires);
	r = check_machines(&c);
	if (r == 0)
		r = check_wires(&c);
	if (r == 0)
		r = check_claims(&c);
	if (r == 0)
		r = check_network_claims(&c);
	for (size_t i = 0; r == 0 && i < lab->expectations.n; i++)
		r = check_expectation(&c, &lab->expectations.v[i]);
	if (r == 0)
		warn_of_loops(&c);
	*ret_warnings = r == 0 && c.warnings.len ? strbuf_take(&c.warnings) : NULL;
	strbuf_free(&c.warnings);
	vec_free(&c.machines);
	vec_free(&c.wires);
	return r;
}
