/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network_check.c - may a network be? What is told before anything is done
 *
 * A definition is looked at alone, beside all others, against the host, and against
 * the ports that are there. What `subnet: auto` stands for is chosen first, for the
 * checks to see it.
 */

#include "netd/netd.h"

#include "model/check.h"
#include "netd/groups.h"
#include "netd/log.h"
#include "netd/uplink.h"

#include <errno.h>

static bool has_family(const struct network *net, int family)
{
	vec_each(p, &net->addresses)
		if (p->addr.family == family)
			return true;
	return false;
}

/* The subnet that this name got before, so that it keeps it for ever. */
static void recall_subnet(struct netd *d, struct network *net)
{
	const char *const keys[] = { "ipv4", "ipv6" };
	json_t *object = store_get(d->store, STORE_SUBNETS, net->name);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *text = json_string_value(json_object_get(object, keys[i]));
		bool wanted = i == 0 ? net->auto4 : net->auto6;
		struct prefix p;

		if (text && wanted && prefix_parse(text, &p) == 0 && !has_family(net, p.addr.family))
			vec_push(&net->addresses, p);
	}
	json_decref(object);
}


/* Every prefix that is in use: routes and addresses of the host, other networks. */
static void taken_prefixes(struct netd *d, const struct network *for_net, const network_vec *nets,
			   const struct snapshot *snap, prefix_vec *ret)
{
	char bridge[16];
	const struct link *own = snapshot_link(snap, network_bridge(for_net, bridge));

	vec_each(route, &snap->routes)
		if (route->dst.len && (!own || route->oif != own->ifindex))
			vec_push(ret, route->dst);
	vec_each(addr, &snap->addrs)
		if (!own || addr->ifindex != own->ifindex)
			vec_push(ret, addr->prefix);
	vec_each(entry, &d->registry.networks)
		vec_each(p, &(*entry)->net->addresses)
			if (strcmp((*entry)->net->name, for_net->name) != 0)
				vec_push(ret, *p);
	vec_each(net, nets)
		vec_each(p, &(*net)->addresses)
			vec_push(ret, *p);
}

static int choose_subnet(struct netd *d, struct network *net, const network_vec *nets, int family,
			 const struct snapshot *snap, struct vnet_error *err)
{
	const struct prefix *pool = family == AF_INET ? &d->settings.pool4 : &d->settings.pool6;
	unsigned len = family == AF_INET ? d->settings.pool4_len : d->settings.pool6_len;
	prefix_vec taken = { 0 };
	struct prefix chosen;
	int r;

	if (has_family(net, family))
		return 0;
	taken_prefixes(d, net, nets, snap, &taken);
	r = subnet_choose(pool, len, taken.v, taken.n, &chosen, err);
	vec_free(&taken);
	if (r < 0) {
		vnet_error_at(err, net->source.file, net->source.line, net->source.column, net->name);
		return r;
	}
	vec_push(&net->addresses, chosen);
	return 0;
}

/* Fills in what `subnet: auto` stands for. */
static int resolve_auto(struct netd *d, struct network *net, const network_vec *nets,
			const struct snapshot *snap, struct vnet_error *err)
{
	int r = 0;

	if (!net->auto4 && !net->auto6)
		return 0;
	recall_subnet(d, net);
	if (net->auto4)
		r = choose_subnet(d, net, nets, AF_INET, snap, err);
	if (r == 0 && net->auto6)
		r = choose_subnet(d, net, nets, AF_INET6, snap, err);
	return r;
}

/* The networks as they would be: nets, and the others that are defined. */
static int check_together(struct netd *d, const network_vec *nets, struct vnet_error *err)
{
	VEC(struct network *) all = { 0 };
	int r;

	/* Those that are new last: an error names what the operator just wrote. */
	registry_mark_replaced(&d->registry, nets->v, nets->n);
	vec_each(entry, &d->registry.networks)
		if (!(*entry)->is_replaced)
			vec_push(&all, (*entry)->net);
	vec_each(net, nets)
		vec_push(&all, *net);
	r = all.n > NETWORKS_MAX
		    ? vnet_error_set(err, -EUSERS, "too-many-networks",
				     "%zu networks would be defined; %d is the most", all.n, NETWORKS_MAX)
		    : networks_check(all.v, all.n, err);
	vec_free(&all);
	return r;
}

/* Guests that are there must fit what the network becomes. */
static int check_ports(struct netd *d, const struct network *net, struct vnet_error *err)
{
	const struct network_entry *entry = registry_network(&d->registry, net->name);
	port_ptr_vec ports = { 0 };
	int r = 0;

	if (!entry || !entry->n_ports)
		return 0;
	registry_port_list(&d->registry, &ports);
	vec_each(port, &ports) {
		if (r == 0 && strcmp((*port)->network, net->name) == 0) {
			r = port_check(*port, net, ports.v, ports.n, err);
			if (r < 0)
				vnet_error_prefix(err, "port %s", (*port)->name);
		}
	}
	vec_free(&ports);
	return r;
}

int networks_prepare(struct netd *d, network_vec *nets, const struct snapshot *snap,
		     struct vnet_error *err)
{
	int r = 0;

	vec_each(net, nets)
		if (r == 0)
			r = resolve_auto(d, *net, nets, snap, err);
	vec_each(net, nets)
		if (r == 0)
			r = network_check(*net, err);
	vec_each(net, nets)
		if (r == 0)
			r = groups_check_network(d, *net, d->planned_groups, err);
	if (r == 0)
		r = check_together(d, nets, err);
	vec_each(net, nets) {
		if (r == 0)
			r = plan_check_host(*net, nets->v, nets->n, snap, err);
		if (r == 0)
			r = check_ports(d, *net, err);
	}
	return r;
}

/* A definition that is in the registry, alone and beside the others that are sound, up to `last`. */
static int check_defined(struct netd *d, struct network_entry *entry,
			 const struct network_entry *last, const struct snapshot *snap,
			 struct vnet_error *err)
{
	VEC(struct network *) all = { 0 };
	network_vec none = { 0 };
	int r = resolve_auto(d, entry->net, &none, snap, err);

	if (r == 0)
		r = network_check(entry->net, err);
	if (r == 0)
		r = groups_check_network(d, entry->net, NULL, err);
	vec_each(other, &d->registry.networks) {
		if (*other == last)
			break;
		if (*other != entry && (*other)->state != NETWORK_FAILED)
			vec_push(&all, (*other)->net);
	}
	vec_push(&all, entry->net);
	if (r == 0)
		r = networks_check(all.v, all.n, err);
	vec_free(&all);
	return r;
}

/* Its uplink may be the bridge of another one that is to run. */
static int check_host(struct netd *d, const struct network_entry *entry,
		      const struct snapshot *snap, struct vnet_error *err)
{
	VEC(struct network *) others = { 0 };
	int r;

	vec_each(other, &d->registry.networks)
		if ((*other)->is_wanted && (*other)->state != NETWORK_FAILED)
			vec_push(&others, (*other)->net);
	r = plan_check_host(entry->net, others.v, others.n, snap, err);
	vec_free(&others);
	return r;
}

/* One of those that were read at start, beside those before it in the registry. */
static int check_at_start(struct netd *d, struct network_entry *entry, const struct snapshot *snap,
			  struct vnet_error *err)
{
	int r = check_defined(d, entry, entry, snap, err);

	/* What runs already has its place on this host, whatever came beside it since. */
	if (r == 0 && !entry->fallback && entry->is_wanted)
		r = check_host(d, entry, snap, err);
	return r;
}

int network_check_to_start(struct netd *d, struct network_entry *entry, const struct snapshot *snap,
			  struct vnet_error *err)
{
	int r = check_defined(d, entry, NULL, snap, err);

	return r < 0 ? r : check_host(d, entry, snap, err);
}

static void refuse_at_start(struct netd *d, struct network_entry *entry, struct vnet_error *err)
{
	vnet_error_prefix(err, "network %s", entry->net->name);
	if (entry->fallback) {
		char text[1024];

		log_error("%s; it runs on as it was before", vnet_error_text(err, text, sizeof(text)));
		registry_put_network(&d->registry, TAKE(entry->fallback));
	} else {
		entry->is_due = entry->is_wanted;
		entry->is_wanted = false;
		network_set_failed(d, entry, err);
	}
}

size_t networks_retry_refused(struct netd *d, const struct snapshot *snap)
{
	size_t n = 0;

	vec_each(entry, &d->registry.networks) {
		struct vnet_error err = { 0 };

		if (!(*entry)->is_due || uplink_is_under_way(d, *entry))
			continue;
		if (network_check_to_start(d, *entry, snap, &err) < 0) {
			vnet_error_prefix(&err, "network %s", (*entry)->net->name);
			network_set_failed(d, *entry, &err);
			n++;
			continue;
		}
		(*entry)->state = NETWORK_STOPPED;
		if (uplink_must_watch(d, (*entry)->net)) {
			uplink_begin(d, *entry);
		} else {
			(*entry)->is_due = false;
			(*entry)->is_wanted = true;
			if (network_save_runtime(d, *entry, &err) < 0)
				log_error("%s", err.message);
		}
	}
	return n;
}

void networks_check_at_start(struct netd *d, const struct snapshot *snap)
{
	vec_each(entry, &d->registry.networks) {
		struct vnet_error err = { 0 };

		if (check_at_start(d, *entry, snap, &err) < 0)
			refuse_at_start(d, *entry, &err);
		network_free(TAKE((*entry)->fallback));
		if ((*entry)->is_wanted && uplink_must_watch(d, (*entry)->net))
			uplink_begin(d, *entry), (*entry)->is_wanted = false;
		if (network_save_subnets(d, (*entry)->net, &err) < 0 ||
		    network_save_runtime(d, *entry, &err) < 0)
			log_error("%s", err.message);
	}
}
