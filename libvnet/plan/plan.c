/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan.c - the phases of a plan; each part is in a file of its own (planner.h) */

#include "plan/planner.h"

#include "nft/ruleset.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static void begin(struct planner *p, const struct desired *d, const struct snapshot *snap,
		  struct plan *plan, struct vnet_error *err);
static void resolve_networks(struct planner *p);
static void plan_rules(struct planner *p);
static void end(struct planner *p);

int plan_make(const struct desired *d, const struct snapshot *snap, struct plan *ret,
	      struct vnet_error *err)
{
	struct plan plan = { 0 };
	struct planner p;

	begin(&p, d, snap, &plan, err);
	resolve_networks(&p);

	/* 1. Away with what is no longer wanted. */
	plan_give_back(&p);
	plan_bridges_delete(&p, false);
	plan_orphans(&p);
	plan_strays(&p);
	plan_routes_remove(&p);
	plan_addresses_remove(&p);

	/* 2. Devices, down. */
	plan_bridges(&p);
	plan_taps_create(&p);

	/* 3. Rules stand before a frame can pass. */
	plan_rules(&p);

	/* 4. Now frames may pass. */
	plan_bridges_raise(&p);
	plan_addresses_add(&p);
	plan_take_over(&p);
	plan_ports(&p);
	plan_routes_add(&p);
	plan_bridges_delete(&p, true);

	/* 5. And leave the host. */
	plan_forwarding(&p);

	end(&p);
	if (p.result < 0) {
		plan_free(&plan);
		return p.result;
	}
	*ret = plan;
	return 0;
}

static void copy_into_now(struct planner *p)
{
	vec_each(link, &p->snap->links)
		vec_push(&p->now.links, *link);
	vec_each(addr, &p->snap->addrs)
		vec_push(&p->now.addrs, *addr);
	vec_each(route, &p->snap->routes)
		vec_push(&p->now.routes, *route);
	vec_each(sysctl, &p->snap->sysctls)
		vec_push(&p->now.sysctls, *sysctl);
	snapshot_sort(&p->now);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct plan_name *)a)->name, ((const struct plan_name *)b)->name);
}

static void begin(struct planner *p, const struct desired *d, const struct snapshot *snap,
		  struct plan *plan, struct vnet_error *err)
{
	*p = (struct planner){ .d = d, .snap = snap, .plan = plan, .err = err };
	copy_into_now(p);
	vec_each(link, &snap->links) {
		vec_push(&p->link_names, (struct plan_name){ link->name, link->ifindex });
		if (link->ifindex > p->snap_highest)
			p->snap_highest = link->ifindex;
	}
	vec_sort(&p->link_names, compare_names);
	for (size_t i = 0; i < d->ports.n; i++)
		vec_push(&p->port_names, (struct plan_name){ d->ports.v[i]->ifname, (int)i });
	vec_sort(&p->port_names, compare_names);
}

/* Of several networks on one bridge the one that makes it. */
static void index_bridges(struct planner *p)
{
	size_t n = 0;

	vec_each(pn, &p->nets)
		vec_push(&p->bridge_names, (struct plan_name){ pn->bridge, (int)(pn - p->nets.v) });
	vec_sort(&p->bridge_names, compare_names);
	vec_each(name, &p->bridge_names) {
		struct plan_name *last = n ? &p->bridge_names.v[n - 1] : NULL;

		if (!last || strcmp(last->name, name->name) != 0)
			p->bridge_names.v[n++] = *name;
		else if (p->nets.v[name->value].is_ours)
			*last = *name;
	}
	p->bridge_names.n = n;
}

static void end(struct planner *p)
{
	snapshot_free(&p->now);
	vec_free(&p->nets);
	vec_free(&p->link_names);
	vec_free(&p->net_names);
	vec_free(&p->bridge_names);
	vec_free(&p->port_names);
}

/* The device that the network's bridge must not be. */
static bool check_bridge(struct planner *p, const struct planned_network *pn)
{
	const struct link *link = plan_link(p, pn->bridge);

	if (pn->is_ours) {
		if (!link || plan_bridge_is_ours(link, pn->net))
			return true;
		plan_note(p,
			  "network %s: device %s exists and is not ours; the network is left out",
			  pn->net->name, pn->bridge);
		return false;
	}
	if (link && strcmp(link->kind, "bridge") == 0)
		return true;
	plan_note(p, "network %s: there is no bridge %s; the network is left out", pn->net->name,
		  pn->bridge);
	return false;
}

static bool check_uplink(struct planner *p, const struct planned_network *pn)
{
	const char *uplink = pn->net->uplink;
	const struct link *nic = plan_link(p, uplink), *master;

	if (!nic) {
		plan_note(p, "network %s: uplink %s is not there; the guests only reach each other",
			  pn->net->name, uplink);
		return false;
	}
	master = nic->master ? snapshot_link_by_index(&p->now, nic->master) : NULL;
	if (nic->master &&
	    !(master && (link_is_ours(master) || strcmp(master->name, pn->bridge) == 0))) {
		plan_note(p, "network %s: uplink %s belongs to %s; it is left there", pn->net->name,
			  uplink, master ? master->name : "another device");
		return false;
	}
	return true;
}

/*
 * The rules name devices; one that is missing cannot be named.  The bridge
 * stands in for it: as an entry point of frames it means nothing.
 */
static void resolve_uplink(struct planner *p, struct planned_network *pn)
{
	pn->has_takeover = pn->is_usable && check_uplink(p, pn);
	if (!pn->has_takeover)
		pn->effective.uplink = pn->bridge;
	pn->effective.bridge.has_mac = true;
	pn->effective.bridge.mac = plan_uplink_bridge_mac(p, pn);
}

static void resolve_networks(struct planner *p)
{
	vec_reserve(&p->nets, p->d->networks.n);
	vec_each(net, &p->d->networks) {
		struct planned_network *pn = vec_add(&p->nets);

		pn->net = *net;
		pn->effective = **net;
		pn->is_ours = network_owns_bridge(*net);
		network_bridge(*net, pn->bridge);
		pn->is_usable = check_bridge(p, pn);
		if (pn->net->mode == NETWORK_BRIDGED && pn->net->uplink)
			resolve_uplink(p, pn);
		vec_push(&p->net_names, (struct plan_name){ pn->net->name, (int)(pn - p->nets.v) });
	}
	vec_sort(&p->net_names, compare_names);
	index_bridges(p);
}

static struct nft_ruleset *wanted_rules(struct planner *p)
{
	VEC(const struct network *) nets = { 0 };
	VEC(const struct port *) ports = { 0 };
	struct nft_ruleset *rules;

	vec_each(pn, &p->nets)
		if (pn->is_usable)
			vec_push(&nets, &pn->effective);
	vec_each(port, &p->d->ports)
		if (plan_port_is_usable(p, *port))
			vec_push(&ports, *port);
	/* Without networks there is nothing to guard: our tables go too. */
	rules = nets.n ? nft_compile(nets.v, nets.n, ports.v, ports.n) : nft_ruleset_new();
	vec_free(&nets);
	vec_free(&ports);
	return rules;
}

static void plan_rules(struct planner *p)
{
	struct nft_ruleset *rules = wanted_rules(p);
	struct nft_txn *txn = nft_diff(rules, p->snap->nft);

	if (nft_txn_is_empty(txn))
		nft_txn_free(txn);
	else
		op_add(&p->plan->ops, OP_NFT, NULL)->nft = txn;
	nft_ruleset_free(rules);
}

void plan_free(struct plan *plan)
{
	op_vec_free(&plan->ops);
	vec_free(&plan->to_save);
	vec_free(&plan->to_forget);
	vec_each(takeover, &plan->to_take_over)
		takeover_free(takeover);
	vec_free(&plan->to_take_over);
	vec_free(&plan->given_back);
	vec_each(note, &plan->notes)
		free(*note);
	vec_free(&plan->notes);
}

void takeover_free(struct takeover *takeover)
{
	vec_free(&takeover->addrs);
	vec_free(&takeover->routes);
}

void desired_free(struct desired *d)
{
	vec_free(&d->networks);
	vec_free(&d->ports);
	vec_free(&d->saved);
	vec_each(takeover, &d->takeovers)
		takeover_free(takeover);
	vec_free(&d->takeovers);
}

/* What the parts share. */

struct op plan_op(enum op_kind kind, const char *network)
{
	struct op op = { .kind = kind };

	snprintf(op.network, sizeof(op.network), "%s", network ? network : "");
	return op;
}

void plan_emit(struct planner *p, const struct op *op)
{
	struct vnet_error err = { 0 };
	int result;

	vec_push(&p->plan->ops, *op);
	result = op_apply(op, &p->now, &err);
	if (result >= 0 || p->result < 0)
		return;
	p->result = vnet_error_set(p->err, result, "inconsistent-plan", "%s", err.message);
	vnet_error_prefix(p->err, "the planner contradicts itself, please report this");
}

void plan_emit_sysctl(struct planner *p, const char *network, const char *path, int64_t value)
{
	struct op op = plan_op(OP_SYSCTL, network);

	snprintf(op.sysctl.sysctl.path, sizeof(op.sysctl.sysctl.path), "%s", path);
	op.sysctl.sysctl.value = value;
	op.sysctl.optional = true; /* the device may go, and its files with it, at any time */
	plan_emit(p, &op);
}

void plan_emit_addr(struct planner *p, enum op_kind kind, const char *network, const char *ifname,
		    const struct addr *addr)
{
	struct op op = plan_op(kind, network);

	snprintf(op.addr.ifname, sizeof(op.addr.ifname), "%s", ifname);
	op.addr.addr = *addr;
	op.addr.addr.ifindex = 0;
	plan_emit(p, &op);
}

void plan_emit_route(struct planner *p, enum op_kind kind, const char *network, const char *ifname,
		     const struct route *route)
{
	struct op op = plan_op(kind, network);

	snprintf(op.route.ifname, sizeof(op.route.ifname), "%s", ifname);
	op.route.route = *route;
	op.route.route.oif = 0;
	plan_emit(p, &op);
}

void plan_note(struct planner *p, const char *format, ...)
{
	va_list args;
	char *note;

	va_start(args, format);
	if (vasprintf(&note, format, args) >= 0)
		vec_push(&p->plan->notes, note);
	va_end(args);
}

const struct addr *plan_first_addr(const struct planner *p, int ifindex)
{
	size_t low = 0, high = p->now.addrs.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->now.addrs.v[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == p->now.addrs.n || p->now.addrs.v[low].ifindex != ifindex)
		return NULL;
	return &p->now.addrs.v[low];
}

const struct addr *plan_next_addr(const struct planner *p, const struct addr *addr)
{
	const struct addr *next = addr + 1;

	return next < p->now.addrs.v + p->now.addrs.n && next->ifindex == addr->ifindex ? next : NULL;
}

static const struct plan_name *find_name(const plan_names *names, const char *name)
{
	const struct plan_name key = { .name = name };

	return names->n ? bsearch(&key, names->v, names->n, sizeof(key), compare_names) : NULL;
}

/* Devices that the plan makes get higher indexes than those it found, so they stand behind. */
const struct link *plan_link(const struct planner *p, const char *name)
{
	const struct plan_name *found = find_name(&p->link_names, name);
	const struct link *link = found ? snapshot_link_by_index(&p->now, found->value) : NULL;
	int highest = p->snap_highest;

	if (link)
		return link;
	for (size_t i = p->now.links.n; i-- > 0 && p->now.links.v[i].ifindex > highest;)
		if (strcmp(p->now.links.v[i].name, name) == 0)
			return &p->now.links.v[i];
	return NULL;
}

bool plan_bridge_has_ports(const struct planner *p, const char *bridge)
{
	const struct link *master = plan_link(p, bridge);

	vec_each(link, &p->now.links)
		if (master && link->master == master->ifindex)
			return true;
	return false;
}

const struct planned_network *plan_network(const struct planner *p, const char *name)
{
	const struct plan_name *found = find_name(&p->net_names, name);

	return found ? &p->nets.v[found->value] : NULL;
}

const struct port *plan_port(const struct planner *p, const char *ifname)
{
	const struct plan_name *found = find_name(&p->port_names, ifname);

	return found ? p->d->ports.v[found->value] : NULL;
}

const struct planned_network *plan_network_of_bridge(const struct planner *p, const char *bridge)
{
	const struct plan_name *found = find_name(&p->bridge_names, bridge);

	return found ? &p->nets.v[found->value] : NULL;
}

void plan_conf_path(char ret[96], int family, const char *ifname, const char *leaf)
{
	snprintf(ret, 96, "net/ipv%c/conf/%.15s/%s", family == AF_INET ? '4' : '6', ifname, leaf);
}

void plan_want_conf(struct planner *p, const char *network, int family, const char *ifname,
		    const char *leaf, int64_t value)
{
	char path[96];
	int64_t is;

	plan_conf_path(path, family, ifname, leaf);
	if (snapshot_sysctl(&p->now, path, &is) == 0 && is != value)
		plan_emit_sysctl(p, network, path, value);
}

int64_t plan_conf(const struct planner *p, int family, const char *ifname, const char *leaf,
		  int64_t fallback)
{
	char path[96];
	int64_t value;

	plan_conf_path(path, family, ifname, leaf);
	return snapshot_sysctl(&p->now, path, &value) < 0 ? fallback : value;
}

static const struct saved_sysctl *find_saved(const struct saved_sysctl *v, size_t n,
					     const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].sysctl.path, path) == 0)
			return &v[i];
	return NULL;
}

bool plan_has_path(const struct saved_sysctl *v, size_t n, const char *path)
{
	return find_saved(v, n, path) != NULL;
}

bool plan_saved(const struct planner *p, const char *path, int64_t *ret)
{
	const struct saved_sysctl *saved = find_saved(p->d->saved.v, p->d->saved.n, path);

	if (saved)
		*ret = saved->sysctl.value;
	return saved != NULL;
}

void plan_save(struct planner *p, const char *path, int64_t was)
{
	struct saved_sysctl *saved;

	if (plan_has_path(p->d->saved.v, p->d->saved.n, path) ||
	    plan_has_path(p->plan->to_save.v, p->plan->to_save.n, path))
		return;
	saved = vec_add(&p->plan->to_save);
	snprintf(saved->sysctl.path, sizeof(saved->sysctl.path), "%s", path);
	saved->sysctl.value = was;
}

void plan_forget(struct planner *p, const char *path)
{
	struct saved_sysctl *saved;

	if (plan_has_path(p->plan->to_forget.v, p->plan->to_forget.n, path))
		return;
	saved = vec_add(&p->plan->to_forget);
	snprintf(saved->sysctl.path, sizeof(saved->sysctl.path), "%s", path);
}
