/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan.c - the phases of a plan; each part is in a file of its own (planner.h) */

#include "plan/planner.h"

#include "nft/ruleset.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static void begin(struct planner *p, const struct desired *d, const struct snapshot *snap,
		  struct plan *plan, struct vnet_error *err);
static void plan_rules(struct planner *p);
static void end(struct planner *p);

int plan_make(const struct desired *d, const struct snapshot *snap, struct plan *ret,
	      struct vnet_error *err)
{
	struct plan plan = { 0 };
	struct planner p;

	begin(&p, d, snap, &plan, err);
	plan_resolve(&p);

	/* 1. Away with what is no longer wanted. */
	plan_give_back(&p);
	plan_delete(&p);
	plan_strays(&p);
	plan_routes_remove(&p);
	plan_addresses_remove(&p);

	/* 2. Devices, down. */
	plan_bridges(&p);
	plan_devices_make(&p);
	plan_companions_sysctls(&p);
	plan_shape_roots(&p);
	plan_taps_create(&p);

	/* 3. Rules stand before a frame can pass. */
	plan_rules(&p);
	plan_peers(&p);

	/* 4. Now frames may pass. */
	plan_bridges_raise(&p);
	plan_devices_join(&p);
	plan_addresses_add(&p);
	plan_take_over(&p);
	plan_ports(&p);
	plan_vfs(&p);
	plan_routes_add(&p);
	plan_delete_left(&p);

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

static void free_links(struct planned_network *pn)
{
	vec_each(link, &pn->links)
		vec_free(&link->peers);
	vec_free(&pn->links);
}

/* Only the devices whose switches the planner looks at: bridges and companions. */
static void expect_conf(struct planner *p)
{
	VEC(const char *) names = { 0 };
	VEC(char *) held = { 0 };

	vec_each(net, &p->d->networks) {
		char name[16];

		network_bridge(*net, name);
		if (!plan_network_has_interface(*net) ||
		    link_names_find(&p->now_names, &p->now, name))
			continue;
		vec_push(&held, mem_strdup(name));
		vec_push(&names, held.v[held.n - 1]);
	}
	apply_expect_conf(&p->now, names.v, names.n);
	vec_each(name, &held)
		free(*name);
	vec_free(&held);
	vec_free(&names);
}

static void begin(struct planner *p, const struct desired *d, const struct snapshot *snap,
		  struct plan *plan, struct vnet_error *err)
{
	struct snapshot without_rules = *snap;

	*p = (struct planner){ .d = d, .snap = snap, .plan = plan, .err = err };
	without_rules.nft = NULL;
	snapshot_copy(&without_rules, &p->now);
	snapshot_sort(&p->now);
	link_names_build(&p->now_names, &p->now);
	expect_conf(p);
	for (size_t i = 0; i < d->ports.n; i++)
		vec_push(&p->port_names, (struct plan_name){ d->ports.v[i]->ifname, (int)i });
	plan_sort_names(&p->port_names);
}

static void end(struct planner *p)
{
	snapshot_free(&p->now);
	link_names_free(&p->now_names);
	nft_ruleset_free(p->rules);
	vec_each(pn, &p->nets)
		free_links(pn);
	vec_free(&p->nets);
	vec_free(&p->devices);
	vec_free(&p->strangers);
	vec_free(&p->net_names);
	vec_free(&p->bridge_names);
	vec_free(&p->port_names);
	vec_free(&p->device_names);
}

static int compare_devices(const void *a, const void *b)
{
	return strcmp(a, b);
}

/*
 * A VLAN whose uplink is away is named by the rules and cannot be: all else that
 * they say of such a network holds, what its guests may send above all.
 */
static void drop_missing_vlans(const struct planner *p, struct nft_ruleset *rules)
{
	VEC(struct { char name[16]; }) missing = { 0 };
	VEC(const char *) names = { 0 };

	vec_each(pn, &p->nets)
		if (pn->net->vlan.id && pn->is_ours && !pn->has_vlan)
			network_device(pn->net, NETWORK_VLAN_PREFIX, vec_add(&missing)->name);
	vec_sort(&missing, compare_devices);
	vec_each(device, &missing)
		vec_push(&names, device->name);
	if (names.n)
		nft_ruleset_drop_devices(rules, names.v, names.n);
	vec_free(&names);
	vec_free(&missing);
}

static struct nft_ruleset *wanted_rules(struct planner *p)
{
	VEC(const struct network *) nets = { 0 };
	VEC(const struct port *) ports = { 0 };
	const struct nft_groups groups = { p->d->groups.v, p->d->groups.n, p->d->has_conntrack };
	struct nft_ruleset *rules;

	vec_each(pn, &p->nets)
		if (pn->is_usable)
			vec_push(&nets, &pn->effective);
	vec_each(port, &p->d->ports)
		if (plan_port_is_usable(p, *port))
			vec_push(&ports, *port);
	/* Without networks there is nothing to guard: our tables go too. */
	rules = nets.n ? nft_compile_grouped(&groups, nets.v, nets.n, ports.v, ports.n) :
			 nft_ruleset_new();
	drop_missing_vlans(p, rules);
	vec_free(&nets);
	vec_free(&ports);
	return rules;
}

static void emit_rules(struct planner *p, const struct nft_ruleset *wanted)
{
	plan_add_nft(&p->plan->ops, NULL, nft_diff(wanted, p->rules ? p->rules : p->snap->nft));
}

void plan_rules_forget(struct planner *p, const char *const *names, size_t n)
{
	struct nft_ruleset *left;

	if (!p->snap->nft)
		return;
	left = nft_ruleset_copy(p->snap->nft);
	nft_ruleset_drop_devices(left, names, n);
	emit_rules(p, left);
	p->rules = left;
}

static void plan_rules(struct planner *p)
{
	struct nft_ruleset *rules = wanted_rules(p);

	emit_rules(p, rules);
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
	vec_free(&d->groups);
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
	struct applier a = { &p->now, &p->now_names, &err };
	int result;

	vec_push(&p->plan->ops, *op);
	result = op_apply_to(op, &a);
	if (result >= 0 || p->result < 0)
		return;
	p->result = vnet_error_set(p->err, result, "inconsistent-plan", "%s", err.message);
	vnet_error_prefix(p->err, "the planner contradicts itself, please report this");
}

void plan_emit_all(struct planner *p, op_vec *ops)
{
	vec_each(op, ops)
		plan_emit(p, op);
	vec_free(ops);
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

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct plan_name *)a)->name, ((const struct plan_name *)b)->name);
}

void plan_sort_names(plan_names *names)
{
	vec_sort(names, compare_names);
}

const struct plan_name *plan_find_name(const plan_names *names, const char *name)
{
	const struct plan_name key = { .name = name };

	return names->n ? bsearch(&key, names->v, names->n, sizeof(key), compare_names) : NULL;
}

const struct link *plan_link(const struct planner *p, const char *name)
{
	return link_names_find(&p->now_names, &p->now, name);
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
	const struct plan_name *found = plan_find_name(&p->net_names, name);

	return found ? &p->nets.v[found->value] : NULL;
}

const struct port *plan_port(const struct planner *p, const char *ifname)
{
	const struct plan_name *found = plan_find_name(&p->port_names, ifname);

	return found ? p->d->ports.v[found->value] : NULL;
}

const struct planned_network *plan_network_of_bridge(const struct planner *p, const char *bridge)
{
	const struct plan_name *found = plan_find_name(&p->bridge_names, bridge);

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
