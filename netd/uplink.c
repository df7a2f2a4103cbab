/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uplink.c - a NIC is taken into a bridge under watch of its gateway; see uplink.h. */

#include "netd/uplink.h"

#include "netd/log.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#define PROBE_INTERVAL_MSEC 500

enum phase {
	ASKING,   /* does the gateway answer on the NIC? */
	WATCHING, /* does it still, on the bridge? */
};

struct uplink_watch {
	struct uplink_watch *next;
	struct netd *d;
	struct network_entry *entry;
	enum phase phase;
	struct ip gateway;       /* family 0: the host has none through this NIC */
	bool answered;           /* in this phase */
	bool answered_before;
	uint64_t since, until; /* answers count from, and up to */
	struct loop_source *timer;
	VEC(struct waiter { uplink_fn fn; void *arg; }) waiters;
};

static void tick(void *arg);

static struct uplink_watch *find(const struct netd *d, const struct network_entry *entry)
{
	struct uplink_watch *w = d->uplinks;

	while (w && w->entry != entry)
		w = w->next;
	return w;
}

bool uplink_must_watch(const struct netd *d, const struct network *net)
{
	if (!network_takes_uplink(net))
		return false;
	vec_each(t, &d->host.takeovers)
		if (strcmp(t->network, net->name) == 0 && strcmp(t->uplink, net->uplink) == 0)
			return false;
	return true;
}

/* Takes w out of the list and tells who waits. problem: NULL where there is none. */
static void finish(struct uplink_watch *w, struct vnet_error *problem)
{
	struct uplink_watch **place = &w->d->uplinks;

	while (*place != w)
		place = &(*place)->next;
	*place = w->next;
	w->entry->is_due = false;
	loop_remove(w->timer);
	vec_each(waiter, &w->waiters)
		waiter->fn(waiter->arg, problem);
	vec_free(&w->waiters);
	free(w);
}

/* The default gateway behind the NIC: IPv4 before IPv6, lowest metric first. */
static struct ip find_gateway(const struct snapshot *snap, const char *uplink)
{
	const struct link *link = snapshot_link(snap, uplink);
	const struct route *best = NULL;

	if (link)
		vec_each(route, &snap->routes) {
			if (route->dst.len || !route->gateway.family || route->oif != link->ifindex)
				continue;
			if (!best || route->family < best->family ||
			    (route->family == best->family && route->metric < best->metric))
				best = route;
		}
	return best ? best->gateway : (struct ip){ 0 };
}

static const char *device_of(const struct uplink_watch *w, char buf[16])
{
	if (w->phase == ASKING)
		return w->entry->net->uplink;
	return network_bridge(w->entry->net, buf);
}

static void probe(struct uplink_watch *w)
{
	char buf[16];

	kernel_probe_neigh(w->d->kernel, device_of(w, buf), &w->gateway, NULL);
	loop_timer_add(w->d->loop, PROBE_INTERVAL_MSEC * 1000, tick, w, &w->timer);
}

static void give_back(struct uplink_watch *w)
{
	struct netd *d = w->d;
	struct network_entry *entry = w->entry;
	struct vnet_error err = { 0 };
	char gateway[ADDR_TEXT_MAX];

	vnet_error_set(&err, -EHOSTUNREACH, "gateway-lost",
		       "the default gateway %s did not answer any more with %s in the bridge, so the step was undone; check the switch port (port security, spanning tree) and try again",
		       ip_format(&w->gateway, gateway), entry->net->uplink);
	vnet_error_prefix(&err, "network %s", entry->net->name);
	entry->is_wanted = false;
	reconcile(d, NULL, NULL);
	network_set_failed(d, entry, &err);
	network_save_runtime(d, entry, NULL);
	finish(w, &err);
}

static void take(struct uplink_watch *w)
{
	struct netd *d = w->d;
	struct network_entry *entry = w->entry;
	struct vnet_error err = { 0 };

	entry->is_wanted = true;
	entry->is_due = false;
	reconcile(d, NULL, &err);
	if (entry->state == NETWORK_FAILED || vnet_error_is_set(&err)) {
		/* Half a step is worse than none. */
		struct vnet_error problem = entry->state == NETWORK_FAILED ? entry->problem : err;

		entry->is_wanted = false;
		reconcile(d, NULL, NULL);
		network_set_failed(d, entry, &problem);
		finish(w, &problem);
		return;
	}
	network_save_runtime(d, entry, NULL);
	if (!w->answered_before) {
		finish(w, NULL);
		return;
	}
	w->phase = WATCHING;
	w->answered = false;
	w->since = loop_now() + UPLINK_SETTLE_SEC * 1000000ull;
	w->until = loop_now() + UPLINK_WATCH_SEC * 1000000ull;
	probe(w);
}

static void step(struct uplink_watch *w)
{
	if (w->phase == ASKING) {
		w->answered_before = w->answered;
		if (!w->answered && w->gateway.family)
			log_notice("network %s: the gateway of %s does not answer now, so it is not watched",
				   w->entry->net->name, w->entry->net->uplink);
		take(w);
		return;
	}
	if (!w->answered) {
		give_back(w);
		return;
	}
	log_info("network %s: the gateway answers through the bridge", w->entry->net->name);
	finish(w, NULL);
}

static void tick(void *arg)
{
	struct uplink_watch *w = arg;

	if (w->answered || loop_now() >= w->until)
		step(w);
	else
		probe(w);
}

void uplink_neighbour(struct netd *d, const struct kernel_event *event)
{
	for (struct uplink_watch *w = d->uplinks; w; w = w->next) {
		AUTO_SNAPSHOT struct snapshot snap = { 0 };
		const struct link *link;
		char buf[16];

		if (!event->is_reachable || ip_cmp(&w->gateway, &event->ip) != 0 || w->answered ||
		    loop_now() < w->since)
			continue;
		if (kernel_snapshot(d->kernel, SNAPSHOT_LINKS, &snap, NULL) < 0)
			return;
		link = snapshot_link(&snap, device_of(w, buf));
		if (!link || link->ifindex != event->link.ifindex)
			continue;
		w->answered = true;
		/* The next step from the loop, not from under the event. */
		loop_remove(w->timer);
		loop_timer_add(d->loop, 0, tick, w, &w->timer);
	}
}

void uplink_begin(struct netd *d, struct network_entry *entry)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	struct uplink_watch *w;

	if (find(d, entry))
		return;
	w = mem_alloc(sizeof(*w));
	w->d = d;
	w->entry = entry;
	entry->is_due = true;
	w->next = d->uplinks;
	d->uplinks = w;
	if (kernel_snapshot(d->kernel, SNAPSHOT_LINKS | SNAPSHOT_ROUTES, &snap, NULL) == 0)
		w->gateway = find_gateway(&snap, entry->net->uplink);
	w->phase = ASKING;
	w->until = loop_now() + (w->gateway.family ? UPLINK_ASK_MSEC * 1000ull : 0);
	if (w->gateway.family)
		probe(w);
	else
		loop_timer_add(d->loop, 0, tick, w, &w->timer);
}

bool uplink_is_under_way(const struct netd *d, const struct network_entry *entry)
{
	return find(d, entry) != NULL;
}

void uplink_cancel(struct netd *d, struct network_entry *entry)
{
	struct uplink_watch *w = find(d, entry);

	if (w)
		finish(w, NULL);
}

void uplink_when_done(struct netd *d, struct network_entry *entry, uplink_fn fn, void *arg)
{
	struct uplink_watch *w = find(d, entry);

	if (w)
		vec_push(&w->waiters, (struct waiter){ .fn = fn, .arg = arg });
	else
		fn(arg, entry->state == NETWORK_FAILED ? &entry->problem : NULL);
}

void uplink_free_all(struct netd *d)
{
	while (d->uplinks)
		finish(d->uplinks, NULL);
}
