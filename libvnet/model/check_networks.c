/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check_networks.c - what must hold between networks.
 *
 * Everything is sorted and compared with its neighbour, so 4,096 networks stay
 * a matter of milliseconds.
 */

#include "model/check_internal.h"

#include <errno.h>
#include <stdio.h>

/* --- names, bridges, uplinks, MACs: things that only one network may have --- */

struct claim {
	const struct network *net;
	char text[20];
	const char *path;
	size_t order; /* of declaration: the later one is refused */
};
typedef VEC(struct claim) claim_vec;

static int claim_order(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

static void claim(claim_vec *claims, const struct network *net, const char *path, const char *text)
{
	struct claim *c = vec_add(claims);

	c->net = net;
	c->path = path;
	c->order = claims->n;
	snprintf(c->text, sizeof(c->text), "%s", text);
}

static int check_claims(claim_vec *claims, const char *code, const char *what,
			struct vnet_error *err)
{
	char other[OTHER_MAX];
	int r = 0;

	vec_sort(claims, claim_order);
	for (size_t i = 1; r == 0 && i < claims->n; i++) {
		const struct claim *a = &claims->v[i - 1], *b = &claims->v[i];

		if (strcmp(a->text, b->text) == 0)
			r = check_refuse(b->net, NULL, b->path, err, code,
					 "%s %s is taken by %s; choose another", what, b->text,
					 check_other(a->net, NULL, other));
	}
	vec_free(claims);
	return r;
}

static int check_names(struct network *const *nets, size_t n, struct vnet_error *err)
{
	claim_vec claims = { 0 };

	for (size_t i = 0; i < n; i++)
		claim(&claims, nets[i], "", nets[i]->name);
	return check_claims(&claims, "name-conflict", "the name", err);
}

/* The bridge ports that links are, each under the name it will have. */
static void claim_links(claim_vec *claims, const struct network *net)
{
	char name[16];

	vec_each(link, &net->links) {
		if (link->kind == LINK_VXLAN)
			claim(claims, net, "links", network_link_device(net, link, NULL, name));
		else
			vec_each(peer, &link->peers)
				claim(claims, net, "links",
				      network_link_device(net, link, peer, name));
	}
}

/*
 * Devices that we make, and those that we take into a bridge.  An uplink that is
 * one of our bridges cannot be enslaved; the kernel says ELOOP.
 */
static int check_interfaces(struct network *const *nets, size_t n, struct vnet_error *err)
{
	claim_vec claims = { 0 };
	char name[16];

	for (size_t i = 0; i < n; i++) {
		const struct network *net = nets[i];

		if (network_has_bridge(net) || net->macvtap.companion)
			claim(&claims, net, net->bridge.name ? "bridge.name" : "",
			      network_bridge(net, name));
		if (network_takes_uplink(net))
			claim(&claims, net, "uplink", net->uplink);
		if (net->vlan.id && network_has_bridge(net))
			claim(&claims, net, "", network_device(net, NETWORK_VLAN_PREFIX, name));
		claim(&claims, net, "", network_device(net, NETWORK_IFB_PREFIX, name));
		claim_links(&claims, net);
	}
	return check_claims(&claims, "interface-conflict", "the interface", err);
}

static int check_macs(struct network *const *nets, size_t n, struct vnet_error *err)
{
	claim_vec claims = { 0 };
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		if (nets[i]->bridge.has_mac)
			claim(&claims, nets[i], "bridge.mac",
			      mac_format(&nets[i]->bridge.mac, text));
	return check_claims(&claims, "mac-conflict", "the MAC", err);
}

/* --- subnets and routes --- */

struct subnet {
	const struct network *net;
	struct prefix prefix; /* host bits cleared */
	size_t index;
};
typedef VEC(struct subnet) subnet_vec;

static int subnet_order(const void *a, const void *b)
{
	const struct subnet *x = a, *y = b;

	return prefix_cmp(&x->prefix, &y->prefix);
}

/* Sorted by address then length, a prefix that overlaps an earlier one lies within it. */
static int check_subnet_overlap(const subnet_vec *subnets, struct vnet_error *err)
{
	const struct subnet *widest = NULL;
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX], other[OTHER_MAX];

	vec_each(s, subnets) {
		if (widest && widest->net != s->net && prefix_overlaps(&widest->prefix, &s->prefix))
			return check_refuse(s->net, NULL, PATH("addresses[%zu]", s->index), err,
					    "subnet-overlap", "the subnet %s overlaps %s of %s",
					    prefix_format(&s->prefix, a),
					    prefix_format(&widest->prefix, b),
					    check_other(widest->net, NULL, other));
		if (!widest || !prefix_overlaps(&widest->prefix, &s->prefix))
			widest = s;
	}
	return 0;
}

/* The last subnet that does not begin after ip: the only one that can hold it. */
static const struct subnet *subnet_before(const subnet_vec *subnets, const struct ip *ip)
{
	size_t low = 0, high = subnets->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_cmp(&subnets->v[middle].prefix.addr, ip) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &subnets->v[low - 1] : NULL;
}

/* A route to what another network has on its bridge would take its traffic away. */
static int check_route_into_subnet(const subnet_vec *subnets, const struct network *net, size_t i,
				   struct vnet_error *err)
{
	const struct static_route *route = &net->routes.v[i];
	const struct subnet *s = subnet_before(subnets, &route->to.addr);
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX], other[OTHER_MAX];

	if (!s || s->net == net || s->prefix.len > route->to.len ||
	    !prefix_contains(&s->prefix, &route->to.addr))
		return 0;
	return check_refuse(net, &route->source, PATH("routes[%zu].to", i), err, "subnet-overlap",
			    "%s lies in %s of %s", prefix_format(&route->to, a),
			    prefix_format(&s->prefix, b), check_other(s->net, NULL, other));
}

struct route_ref {
	const struct network *net;
	const struct static_route *route;
	size_t index;
};

static int route_order(const void *a, const void *b)
{
	const struct route_ref *x = a, *y = b;
	int r = prefix_cmp(&x->route->to, &y->route->to);

	return r ? r
		 : (x->route->metric > y->route->metric) - (x->route->metric < y->route->metric);
}

static int check_same_routes(struct network *const *nets, size_t n, struct vnet_error *err)
{
	VEC(struct route_ref) refs = { 0 };
	char text[ADDR_TEXT_MAX], other[OTHER_MAX];
	int r = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < nets[i]->routes.n; k++)
			vec_push(&refs, (struct route_ref){ nets[i], &nets[i]->routes.v[k], k });
	vec_sort(&refs, route_order);
	for (size_t i = 1; r == 0 && i < refs.n; i++) {
		const struct route_ref *a = &refs.v[i - 1], *b = &refs.v[i];

		if (route_order(a, b) == 0)
			r = check_refuse(
				b->net, &b->route->source, PATH("routes[%zu].to", b->index), err,
				"route-conflict",
				"%s is routed by %s with the same metric; one metric must differ",
				prefix_format(&b->route->to, text),
				check_other(a->net, &a->route->source, other));
	}
	vec_free(&refs);
	return r;
}

static int check_subnets(struct network *const *nets, size_t n, struct vnet_error *err)
{
	subnet_vec subnets = { 0 };
	int r;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < nets[i]->addresses.n; k++) {
			struct prefix p = prefix_network(&nets[i]->addresses.v[k]);

			/* Link-local subnets are one per link, not one per host. */
			if (!ip_is_link_local(&p.addr))
				vec_push(&subnets, (struct subnet){ nets[i], p, k });
		}
	vec_sort(&subnets, subnet_order);
	r = check_subnet_overlap(&subnets, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		for (size_t k = 0; r == 0 && k < nets[i]->routes.n; k++)
			r = check_route_into_subnet(&subnets, nets[i], k, err);
	vec_free(&subnets);
	return r < 0 ? r : check_same_routes(nets, n, err);
}

/* --- forwards --- */

/* Protocol and target family, then those on every address, then by address and port. */
static int forward_order(const void *a, const void *b)
{
	const struct forward_ref *x = a, *y = b;
	const struct forward *f = x->forward, *g = y->forward;
	int r = (f->protocol > g->protocol) - (f->protocol < g->protocol);

	if (!r)
		r = (int)f->to.family - (int)g->to.family;
	if (!r)
		r = ip_cmp(&f->listen, &g->listen);
	return r ? r : (int)f->ports.first - (int)g->ports.first;
}

static bool ports_overlap(const struct forward *a, const struct forward *b)
{
	return a->ports.first <= b->ports.last && b->ports.first <= a->ports.last;
}

static int refuse_collision(const struct forward_ref *a, const struct forward_ref *b,
			    struct vnet_error *err)
{
	char ports[ADDR_TEXT_MAX], other[OTHER_MAX];

	if (a->order > b->order)
		return refuse_collision(b, a, err);
	return check_refuse(
		b->net, &b->forward->source, PATH("forwards[%zu].listen", b->index), err,
		"forward-conflict",
		"%s port %s is forwarded already by forwards[%zu] of %s; use another port "
		"or listen on different addresses",
		b->forward->protocol == FORWARD_TCP ? "tcp" : "udp",
		port_range_format(&b->forward->ports, ports), a->index,
		check_other(a->net, &a->forward->source, other));
}

/* Those of one protocol and family that listen on every address, v[0..n), sorted: one with b's
 * ports. */
static const struct forward_ref *find_overlap(const struct forward_ref *v, size_t n,
					      const struct forward_ref *b)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v[middle].forward->ports.last < b->forward->ports.first)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && ports_overlap(v[low].forward, b->forward) ? &v[low] : NULL;
}

int check_forward_collisions(struct forward_ref *v, size_t n, struct vnet_error *err)
{
	size_t any = 0, n_any = 0; /* the run on every address of this protocol and family */

	if (n > 1)
		qsort(v, n, sizeof(*v), forward_order);
	for (size_t i = 0; i < n; i++) {
		const struct forward *f = v[i].forward, *before = i ? v[i - 1].forward : f;
		const struct forward_ref *hit;

		if (f->protocol != before->protocol || f->to.family != before->to.family) {
			any = i;
			n_any = 0;
		} else if (i && ip_cmp(&f->listen, &before->listen) == 0 &&
			   ports_overlap(f, before)) {
			return refuse_collision(&v[i - 1], &v[i], err);
		}
		if (!f->listen.family) {
			n_any = i + 1 - any;
			continue;
		}
		hit = find_overlap(v + any, n_any, &v[i]);
		if (hit)
			return refuse_collision(hit, &v[i], err);
	}
	return 0;
}

static int check_all_forwards(struct network *const *nets, size_t n, struct vnet_error *err)
{
	VEC(struct forward_ref) refs = { 0 };
	int r;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < nets[i]->forwards.n; k++)
			vec_push(&refs, (struct forward_ref){ nets[i], &nets[i]->forwards.v[k], k,
							      refs.n });
	r = check_forward_collisions(refs.v, refs.n, err);
	vec_free(&refs);
	return r;
}

int networks_check(struct network *const *nets, size_t n, struct vnet_error *err)
{
	static int (*const checks[])(struct network *const *, size_t, struct vnet_error *) = {
		check_names,   check_interfaces, check_macs,	      check_uplinks,
		check_tunnels, check_subnets,	 check_all_forwards,
	};

	if (n > NETWORKS_MAX)
		return vnet_error_set(err, -E2BIG, "too-many",
				      "%zu networks; at most %d are accepted", n, NETWORKS_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](nets, n, err);

		if (r < 0)
			return r;
	}
	return 0;
}
