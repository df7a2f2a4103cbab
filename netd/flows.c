/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flows.c - open connections, judged anew; see flows.h. */

#include "netd/flows.h"

#include "model/group.h"
#include "netd/groups.h"
#include "netd/log.h"

#include <netinet/in.h>

/* Between two looks at least so many times what one takes. */
#define REST 10

struct holder { struct ip ip; const struct port_entry *port; };
struct member { uint32_t number; struct ip ip; };
struct departed { struct ip ip; uint16_t zone; };

struct flows {
	VEC(struct departed) departed; /* whose connections are to be forgotten */
	struct loop_source *timer;
	uint64_t not_before;
};

/* What a look needs to know, sorted. */
struct review {
	struct netd *d;
	group_vec groups;           /* borrowed */
	VEC(struct holder) holders; /* addresses of ports in groups */
	VEC(struct member) members;
};

static struct flows *flows_of(struct netd *d)
{
	if (!d->flows)
		d->flows = mem_alloc(sizeof(*d->flows));
	return d->flows;
}

void flows_free(struct netd *d)
{
	if (d->flows)
		vec_free(&d->flows->departed);
	free(TAKE(d->flows));
}

static void port_addresses(struct netd *d, const struct port_entry *entry, ip_vec *ret)
{
	port_own_addresses(entry->port, entry->network->net, ret);
	dhcp_port_addresses(d, entry, ret);
}

/* ---- what is there ---- */

static int order_holders(const void *a, const void *b)
{
	return ip_cmp(&((const struct holder *)a)->ip, &((const struct holder *)b)->ip);
}

static int order_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return ip_cmp(&x->ip, &y->ip);
}

static void review_begin(struct review *v)
{
	groups_list(v->d, NULL, &v->groups);
	vec_each(entry, &v->d->registry.ports) {
		const group_name_vec *names = port_groups((*entry)->port, (*entry)->network->net);
		ip_vec addresses = { 0 };

		if (!names->n)
			continue;
		port_addresses(v->d, *entry, &addresses);
		vec_each(ip, &addresses) {
			vec_push(&v->holders, (struct holder){ *ip, *entry });
			vec_each(name, names)
				vec_push(&v->members, (struct member){ group_number(*name), *ip });
		}
		vec_free(&addresses);
	}
	vec_sort(&v->holders, order_holders);
	vec_sort(&v->members, order_members);
}

static void review_end(struct review *v)
{
	vec_free(&v->groups);
	vec_free(&v->holders);
	vec_free(&v->members);
}

/* ---- one connection ---- */

/* Without zone it is one that the host knows, too, whichever network its ends are on. */
static bool is_zone_of(uint16_t zone, const struct port_entry *entry)
{
	return !zone || zone == network_zone(entry->network->net);
}

static int compare_holder(const void *ip, const void *item)
{
	return ip_cmp(ip, &((const struct holder *)item)->ip);
}

static const struct port_entry *find_port(const struct review *v, const struct ip *ip, uint16_t zone)
{
	bool found;
	size_t i = vec_search(&v->holders, ip, compare_holder, &found);

	while (found && i > 0 && ip_cmp(&v->holders.v[i - 1].ip, ip) == 0)
		i--;
	for (; found && i < v->holders.n && ip_cmp(&v->holders.v[i].ip, ip) == 0; i++)
		if (is_zone_of(zone, v->holders.v[i].port))
			return v->holders.v[i].port;
	return NULL;
}

static bool has_member(const void *context, const char *group, const struct ip *address)
{
	const struct review *v = context;
	const struct member wanted = { group_number(group), *address };
	bool found;

	vec_search(&v->members, &wanted, order_members, &found);
	return found;
}

/* At each end that is a port in groups, as that end sees it: behind NAT on its side. */
static bool is_accepted(const struct review *v, const struct kernel_flow *flow)
{
	const struct port_entry *from = find_port(v, &flow->src, flow->zone);
	const struct port_entry *to = find_port(v, &flow->reply_src, flow->zone);
	struct group_flow out = { GROUP_EGRESS, flow->protocol, flow->dport, flow->type, flow->dst };
	struct group_flow in = { GROUP_INGRESS, flow->protocol, flow->reply_sport, flow->type,
				 flow->reply_dst };

	if (from && !groups_accept(v->groups.v, v->groups.n,
				   port_groups(from->port, from->network->net), &out, has_member, v))
		return false;
	return !to || groups_accept(v->groups.v, v->groups.n,
				    port_groups(to->port, to->network->net), &in, has_member, v);
}

/* What the rules let pass without asking groups. */
static bool is_exempt(const struct kernel_flow *flow)
{
	static const uint16_t pairs[][2] = { { 67, 68 }, { 68, 67 }, { 546, 547 }, { 547, 546 } };

	if (flow->is_expected || flow->protocol == IPPROTO_IGMP)
		return true;
	for (size_t i = 0; flow->protocol == IPPROTO_UDP && i < ARRAY_SIZE(pairs); i++)
		if (flow->sport == pairs[i][0] && flow->dport == pairs[i][1])
			return true;
	return false;
}

static bool has_departed(const struct flows *flows, const struct kernel_flow *flow)
{
	vec_each(one, &flows->departed)
		if ((!flow->zone || flow->zone == one->zone) &&
		    (ip_cmp(&one->ip, &flow->src) == 0 || ip_cmp(&one->ip, &flow->reply_src) == 0))
			return true;
	return false;
}

/* ---- all of them ---- */

struct count { size_t cut, restored, forgotten; };

static void judge(const struct review *v, const struct kernel_flow *flow, struct count *count)
{
	struct netd *d = v->d;
	bool is_accepted_now;

	if (has_departed(d->flows, flow)) {
		count->forgotten += kernel_change_flow(d->kernel, flow, FLOW_FORGET, NULL) == 0;
		return;
	}
	if (is_exempt(flow))
		return;
	is_accepted_now = is_accepted(v, flow);
	if (is_accepted_now && flow->is_cut)
		count->restored += kernel_change_flow(d->kernel, flow, FLOW_RESTORE, NULL) == 0;
	else if (!is_accepted_now && !flow->is_cut)
		count->cut += kernel_change_flow(d->kernel, flow, FLOW_CUT, NULL) == 0;
}

static void collect_addresses(const struct review *v, ip_vec *ret)
{
	vec_each(holder, &v->holders)
		vec_push(ret, holder->ip);
	vec_each(one, &v->d->flows->departed)
		vec_push(ret, one->ip);
}

static void look(struct netd *d)
{
	struct review review = { .d = d };
	struct vnet_error err = { 0 };
	struct count count = { 0 };
	flow_vec found = { 0 };
	ip_vec addresses = { 0 };

	review_begin(&review);
	collect_addresses(&review, &addresses);
	if (addresses.n && kernel_list_flows(d->kernel, &addresses, &found, &err) < 0)
		log_error("%s; connections that are open stay as they are", err.message);
	vec_each(flow, &found)
		judge(&review, flow, &count);
	if (count.cut || count.restored || count.forgotten)
		log_info("security groups: connections cut: %zu, let go on: %zu, of ports that left: %zu",
			 count.cut, count.restored, count.forgotten);
	d->flows->departed.n = 0;
	vec_free(&found);
	vec_free(&addresses);
	review_end(&review);
}

static void on_timer(void *arg)
{
	struct netd *d = arg;
	uint64_t begin = loop_now();

	d->flows->timer = NULL;
	look(d);
	d->flows->not_before = loop_now() + REST * (loop_now() - begin);
}

static bool is_needed(struct netd *d)
{
	return d->groups.n && kernel_has_conntrack(d->kernel);
}

void flows_changed(struct netd *d)
{
	struct flows *flows;
	uint64_t now = loop_now();

	if (!is_needed(d))
		return;
	flows = flows_of(d);
	if (!flows->timer)
		loop_timer_add(d->loop, flows->not_before > now ? flows->not_before - now : 0,
			       on_timer, d, &flows->timer);
}

void flows_forget_port(struct netd *d, const struct port_entry *entry)
{
	ip_vec addresses = { 0 };

	if (!is_needed(d))
		return;
	port_addresses(d, entry, &addresses);
	vec_each(ip, &addresses)
		vec_push(&flows_of(d)->departed,
			 (struct departed){ *ip, network_zone(entry->network->net) });
	vec_free(&addresses);
	flows_changed(d);
}
