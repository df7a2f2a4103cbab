/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.c - what the kernel tells, and what follows
 *
 * Events are hints, not truth: they arrive late, tell intermediate states of our
 * own work, and can be lost. So an event only marks something as suspect; what
 * is done about it is decided a moment later, when events have settled, from a
 * fresh look at the kernel. Only two act at once: a device that vanished (its
 * rules go) and the first frame of a port that learns its address.
 */

#include "netd/netd.h"

#include "netd/devices.h"
#include "netd/groups.h"
#include "netd/held.h"
#include "netd/log.h"
#include "netd/uplink.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/epoll.h>

#define STRANGER_USEC 3000000     /* a machine with many cards is some seconds between TAPs and hook */
#define STRANGERS_MAX 64          /* told of at once */
#define LOOK_USEC 1000000         /* at most this often where our own changes are told, or others' affairs */
#define UNTOLD_USEC 60000000      /* some changes no event tells of: a look now and then */

/* Something was not as wanted, and now it is. */
static void check(void *arg)
{
	struct netd *d = arg;
	struct outcome outcome = { 0 };

	d->last_check = loop_now();
	ports_end_unowned(d);
	networks_drop_orphans(d);
	groups_drop_orphans(d);
	reconcile_repair(d, &outcome, NULL);
	outcome_free(&outcome);
	reconcile_later(d, UNTOLD_USEC);
}

void reconcile_later(struct netd *d, uint64_t usec)
{
	uint64_t due = loop_now() + usec;

	if (d->check_timer && d->check_due <= due)
		return;
	/* Patience with one who undoes our work must not delay what has another cause. */
	loop_remove(d->check_timer);
	d->check_due = due;
	loop_timer_add(d->loop, usec, check, d, &d->check_timer);
}

/* At once after a while, and then no more often than that. */
static void look_soon(struct netd *d)
{
	uint64_t next = d->last_check + LOOK_USEC, now = loop_now();

	reconcile_later(d, next > now + DRIFT_SETTLE_USEC ? next - now : DRIFT_SETTLE_USEC);
}

/*
 * The events of one action come together, and tell of each state in between: a
 * new port is first down and on no bridge, a new bridge is down. Only what the
 * last one tells counts, or each attach would cost a look at the whole host.
 */
static void look_at_suspects(struct netd *d)
{
	struct device *devices;
	size_t n;

	if (!d->has_suspects)
		return;
	d->has_suspects = false;
	vec_each(entry, &d->registry.ports) {
		if ((*entry)->is_suspect)
			drift_port(d, *entry);
		/* A new one: so it is to stay. */
		else if (!(*entry)->look.device)
			(*entry)->look = (*entry)->seen;
		(*entry)->is_suspect = false;
	}
	devices = devices_all(&d->registry, &n);
	for (size_t i = 0; i < n; i++) {
		if (devices[i].is_suspect)
			drift_network(d, devices[i].network);
		else if (!devices[i].look.device)
			devices[i].look = devices[i].seen;
		devices[i].is_suspect = false;
	}
}

/* It is not what the last plan left. What an event of a bridge port does not tell is as before. */
static bool looks_other(const struct link_look *look, const struct link_look *seen)
{
	return look->device && ((seen->device && look->device != seen->device) ||
				look->port != seen->port);
}

/* ---- ports ---- */

/*
 * Whoever holds a TAP's descriptor may change its MAC (tun.c asks for no
 * capability), and the bridge takes frames to a port's own MAC for the host's: a
 * guest's VMM could so swallow what is meant for another guest. A macvtap device
 * has the guest's own, and gets the frames for it.
 */
static bool has_other_mac(const struct port *port, const struct link *link)
{
	if (!port->has_mac)
		return false;
	if (port->kind == PORT_MACVTAP)
		return mac_cmp(&link->mac, &port->mac) != 0;
	return link->mac.b[0] != 0xfe || memcmp(link->mac.b + 1, port->mac.b + 1, 5) != 0;
}

/* A port's device as it is now does not fit what was declared. */
static bool port_is_wrong(const struct port_entry *entry, const struct link *link)
{
	int master = entry->port->kind == PORT_MACVTAP ? 0 : entry->network->bridge_ifindex;

	return looks_other(&entry->look, &entry->seen) || has_other_mac(entry->port, link) || !!(link->flags & IFF_UP) == entry->port->link_down ||
	       link->master != master || strcmp(link->name, entry->port->ifname) != 0;
}

static void learn(struct netd *d, const struct kernel_event *event)
{
	struct port_entry *entry = registry_port_by_ifindex(&d->registry, event->link.ifindex);
	struct vnet_error err = { 0 };
	char mac[ADDR_TEXT_MAX];
	struct port *after;

	if (!entry || !entry->port->learns_mac || entry->port->has_mac)
		return;
	mac_format(&event->mac, mac);
	if (mac_is_multicast(&event->mac) || mac_is_zero(&event->mac))
		return;
	after = port_copy(entry->port);
	after->mac = event->mac;
	after->has_mac = true;
	/* port_check() in there refuses an address that another port or the bridge has. */
	if (port_change(d, entry, after, false, &err) < 0) {
		static struct log_limit limit = LOG_LIMIT(10, 5);

		if (log_limit_pass(&limit)) {
			vnet_error_prefix(&err, "MAC address %s not learned", mac);
			port_set_blocked(d, entry, &err);
		}
		return;
	}
	log_info("port %s: learned MAC address %s", entry->port->name, mac);
}

/* ---- links that are not ports ---- */

/* One of our bridges, in a way that matters to us. */
static bool bridge_is_wrong(const struct network_entry *entry, const struct link *link)
{
	const struct network *net = entry->net;
	struct mac mac = network_bridge_mac(net);

	return !(link->flags & IFF_UP) || link->master ||
	       (net->bridge.mtu && link->mtu != net->bridge.mtu) ||
	       (network_owns_bridge(net) && !network_takes_uplink(net) &&
		mac_cmp(&link->mac, &mac) != 0);
}

/* An uplink that comes (back), or is not as it was when the plan was made. */
static bool uplink_is_wrong(const struct device *device, const struct link *link)
{
	const struct network *net = device->network->net;

	if (device->role == DEVICE_UPLINK && network_takes_uplink(net))
		return !link->master;
	return device_differs(device, link);
}

static bool device_is_wrong(const struct device *device, const struct link *link)
{
	const struct network_entry *entry = device->network;

	if (entry->is_due && (device->role == DEVICE_UPLINK || device->role == DEVICE_UNDERLAY))
		return uplink_is_wrong(device, link);
	if (!entry->is_wanted)
		return false;
	switch (device->role) {
	case DEVICE_BRIDGE:
		return bridge_is_wrong(entry, link);
	case DEVICE_VLAN:
	case DEVICE_LINK:
		return !link_is_ours(link) || !(link->flags & IFF_UP) ||
		       link->master != entry->bridge_ifindex;
	case DEVICE_SHAPER:
		return !link_is_ours(link) || !(link->flags & IFF_UP);
	case DEVICE_UPLINK:
	case DEVICE_UNDERLAY:
		break;
	}
	return uplink_is_wrong(device, link);
}

static void device_changed(struct netd *d, struct device *device, const struct link *link, int by)
{
	if (device->role == DEVICE_BRIDGE) {
		device->network->bridge_ifindex = link->ifindex;
		device->network->bridge_mtu = link->mtu;
	}
	if (device_is_own(device))
		link_look(link, &device->seen);
	device->is_suspect = device_is_wrong(device, link) ||
			     (device->network->is_wanted && looks_other(&device->look, &device->seen));
	if (device->is_suspect)
		drift_seen(&device->network->drift, by, NULL);
	/* Of an uplink the last look counts, for the plan was made by that. */
	if (device->role == DEVICE_LINK)
		device->ifindex = link->ifindex;
	d->has_suspects |= device->is_suspect || (device_is_own(device) && !device->look.device);
}

/* The mark of a network's device, or of the outer tag that several share. */
static bool has_mark(const struct link *link, const char *network)
{
	static const char service[] = LINK_ALIAS_PREFIX "service:";
	const char *colon = link_is_ours(link) ? strchr(link->alias + strlen(LINK_ALIAS_PREFIX), ':')
					       : NULL;
	size_t len = network ? strlen(network) : 0;

	if (!network)
		return strncmp(link->alias, service, strlen(service)) == 0;
	return colon && strncmp(colon + 1, network, len) == 0 &&
	       (!colon[1 + len] || colon[1 + len] == ':');
}

static bool is_marked_port(const struct link *link)
{
	return strncmp(link->alias, LINK_ALIAS_PREFIX "port:", strlen(LINK_ALIAS_PREFIX "port:")) == 0;
}

/* A device of ours by a name that we did not give: somebody renamed it. */
static void check_unknown(struct netd *d, const struct link *link, int by)
{
	if (!link_is_ours(link) || is_marked_port(link))
		return;
	if (has_mark(link, NULL)) {
		if (!(link->flags & IFF_UP))
			drift_network(d, NULL);
		return;
	}
	vec_each(entry, &d->registry.networks) {
		if (!(*entry)->is_wanted || !has_mark(link, (*entry)->net->name))
			continue;
		drift_seen(&(*entry)->drift, by, NULL);
		drift_network(d, *entry);
	}
}

/* ---- devices on our bridges that are nobody's ---- */

/* The network whose bridge the device is on, though it is no part of it; or NULL. */
static const struct network_entry *network_of_stranger(struct netd *d, const struct link *link)
{
	const struct network_entry *entry =
		link->master ? registry_network_by_ifindex(&d->registry, link->master) : NULL;
	struct device *devices;
	size_t n;

	if (!entry || !entry->is_wanted || !network_owns_bridge(entry->net) ||
	    registry_port_by_ifindex(&d->registry, link->ifindex))
		return NULL;
	devices = devices_find(&d->registry, link->name, &n);
	for (size_t i = 0; i < n; i++)
		if (devices[i].network == entry)
			return NULL;
	return entry;
}

static void tell_of_stranger(struct netd *d, const struct network_entry *entry,
			     const struct link *link)
{
	static struct log_limit limit = LOG_LIMIT(10, 5);
	char bridge[16];

	if (!log_limit_pass(&limit))
		return;
	log_warning("network %s: device %s is on bridge %s without being one of its ports; nothing is forwarded to or from it",
		    entry->net->name, link->name, network_bridge(entry->net, bridge));
	monitor_emit(d, "interference", entry->net->name, NULL, NULL,
		     "device %s is on the bridge without being one of its ports", link->name);
}

static void look_at_strangers(void *arg)
{
	struct netd *d = arg;
	AUTO_SNAPSHOT struct snapshot snap = { 0 };

	if (kernel_snapshot(d->kernel, SNAPSHOT_LINKS, &snap, NULL) == 0)
		vec_each(ifindex, &d->strangers) {
			const struct link *link = snapshot_link_by_index(&snap, *ifindex);
			const struct network_entry *entry = link ? network_of_stranger(d, link) : NULL;

			if (entry)
				tell_of_stranger(d, entry, link);
		}
	d->strangers.n = 0;
}

/*
 * Whoever put it there may be about to have it adopted, as libvirt and its hook are; and
 * the event may be of a moment ago, of a port that was taken off since.  It forwards
 * nothing meanwhile, so there is time to see.
 */
static void note_stranger(struct netd *d, const struct link *link)
{
	if (!network_of_stranger(d, link) || d->strangers.n >= STRANGERS_MAX)
		return;
	vec_each(ifindex, &d->strangers)
		if (*ifindex == link->ifindex)
			return;
	vec_push(&d->strangers, link->ifindex);
	if (!d->stranger_timer)
		loop_timer_add(d->loop, STRANGER_USEC, look_at_strangers, d, &d->stranger_timer);
}

static void port_changed(struct netd *d, struct port_entry *port, const struct link *link, int by)
{
	port->is_suspect = port_is_wrong(port, link);
	d->has_suspects |= port->is_suspect || !port->look.device;
	if (port->is_suspect)
		drift_seen(&port->drift, by, NULL);
}

static void link_changed(struct netd *d, const struct kernel_event *event)
{
	const struct link *link = &event->link;
	struct port_entry *port = registry_port_by_ifindex(&d->registry, link->ifindex);
	struct device *devices;
	size_t n;

	if (port) {
		link_look(link, &port->seen);
		port_changed(d, port, link, event->pid);
		return;
	}
	devices = devices_find(&d->registry, link->name, &n);
	for (size_t i = 0; i < n; i++)
		device_changed(d, &devices[i], link, event->pid);
	if (!n)
		check_unknown(d, link, event->pid);
	if (devices_narrows(&d->registry, link))
		look_soon(d);
	note_stranger(d, link);
}

static void device_gone(struct netd *d, struct device *device, const struct link *link, int by)
{
	struct network_entry *network = device->network;

	if (device->role == DEVICE_BRIDGE && network->bridge_ifindex == link->ifindex)
		network->bridge_ifindex = 0;
	device->look = (struct link_look){ 0 };
	device->is_suspect = network->is_wanted;
	if (device->is_suspect && device_is_own(device))
		drift_seen(&network->drift, by, NULL);
	d->has_suspects |= device->is_suspect;
}

static void link_gone(struct netd *d, const struct kernel_event *event)
{
	const struct link *link = &event->link;
	struct port_entry *port = registry_port_by_ifindex(&d->registry, link->ifindex);
	struct device *devices;
	size_t n;

	if (port) {
		port_set_gone(d, port);
		return;
	}
	devices = devices_find(&d->registry, link->name, &n);
	for (size_t i = 0; i < n; i++)
		device_gone(d, &devices[i], link, event->pid);
}

/*
 * A bridge port changed. Of ports of ours it is told in what; of VLANs it is not, and
 * our own changes are told like anybody's: a look soon, one for all.
 */
static void bridge_port_changed(struct netd *d, const struct kernel_event *event)
{
	const struct link *link = &event->link;
	struct port_entry *port = registry_port_by_ifindex(&d->registry, link->ifindex);
	const struct network_entry *entry =
		registry_network_by_ifindex(&d->registry, link->master ? link->master : link->ifindex);

	if (port) {
		port->seen.port = link_look_port(link);
		port_changed(d, port, link, event->pid);
	}
	if (entry && entry->is_wanted && entry->net->bridge.vlan_filtering)
		reconcile_later(d, LOOK_USEC);
}

static void fdb_changed(struct netd *d, int ifindex)
{
	struct device *devices;
	size_t n;

	devices = devices_all(&d->registry, &n);
	for (size_t i = 0; i < n; i++)
		if (devices[i].role == DEVICE_LINK && devices[i].ifindex == ifindex &&
		    devices[i].network->is_wanted)
			reconcile_later(d, LOOK_USEC);
}

/* An address changed on a bridge of ours, or a route by it? */
static void address_changed(struct netd *d, const struct kernel_event *event)
{
	struct network_entry *entry = registry_network_by_ifindex(&d->registry, event->link.ifindex);

	if (event->is_own || !entry || !entry->is_wanted ||
	    !(network_owns_bridge(entry->net) || !network_has_bridge(entry->net)))
		return;
	drift_seen(&entry->drift, event->pid, NULL);
	drift_network(d, entry);
}

/* Forwarding of some interface, by us or by others; limits of a device. */
static void other_changed(struct netd *d, const struct kernel_event *event)
{
	struct port_entry *port = registry_port_by_ifindex(&d->registry, event->link.ifindex);
	struct device *devices;
	size_t n;

	if (event->kind == KERNEL_EVENT_FORWARDING) {
		/* Who wrote below /proc is not told: after a plan of ours that did this costs a look. */
		if (d->registry.networks.n)
			look_soon(d);
		return;
	}
	if (event->is_own)
		return;
	if (port) {
		drift_seen(&port->drift, event->pid, NULL);
		drift_port(d, port);
		return;
	}
	devices = devices_all(&d->registry, &n);
	for (size_t i = 0; i < n; i++) {
		if (devices[i].role != DEVICE_SHAPER || devices[i].ifindex != event->link.ifindex)
			continue;
		drift_seen(&devices[i].network->drift, event->pid, NULL);
		drift_network(d, devices[i].network);
	}
}

static void rules_touched(struct netd *d, const struct kernel_event *event)
{
	static struct log_limit limit = LOG_LIMIT(10, 5);

	if (log_limit_pass(&limit)) {
		log_warning("process %d (%s) changed our nftables tables; putting them back", event->pid,
			    event->process);
		monitor_emit(d, "interference", NULL, NULL, NULL,
			     "process %d (%s) changed our nftables tables", event->pid, event->process);
	}
	drift_seen(&d->rules_drift, event->pid, event->process);
	drift_rules(d);
}

static void on_event(void *context, const struct kernel_event *event)
{
	struct netd *d = context;

	switch (event->kind) {
	case KERNEL_EVENT_LINK_NEW:
		link_changed(d, event);
		break;
	case KERNEL_EVENT_LINK_GONE:
		link_gone(d, event);
		break;
	case KERNEL_EVENT_ADDR:
		address_changed(d, event);
		break;
	case KERNEL_EVENT_NFT:
		if (event->touches_ours)
			rules_touched(d, event);
		doctor_look_soon(d);
		trace_rules_changed(d);
		break;
	case KERNEL_EVENT_ROUTE:
		address_changed(d, event);
		if (d->registry.networks.n && !event->link.ifindex)
			look_soon(d);
		break;
	case KERNEL_EVENT_FORWARDING:
	case KERNEL_EVENT_FILTER:
		other_changed(d, event);
		break;
	case KERNEL_EVENT_BRIDGE_PORT:
		bridge_port_changed(d, event);
		break;
	case KERNEL_EVENT_FDB:
		fdb_changed(d, event->link.ifindex);
		break;
	case KERNEL_EVENT_FRAME:
		learn(d, event);
		held_learn(d, event);
		break;
	case KERNEL_EVENT_DHCP_ACK:
		held_learn(d, event);
		break;
	case KERNEL_EVENT_TRACE:
	case KERNEL_EVENT_SAMPLE:
		trace_event(d, event);
		break;
	case KERNEL_EVENT_NEIGH:
		uplink_neighbour(d, event);
		break;
	case KERNEL_EVENT_OVERRUN:
		log_notice("kernel events were lost; looking at everything again");
		look_soon(d);
		break;
	}
}

void events_catch_up(struct netd *d)
{
	static struct log_limit limit = LOG_LIMIT(60, 3);
	struct vnet_error err = { 0 };

	if (kernel_dispatch(d->kernel, on_event, d, &err) < 0 && log_limit_pass(&limit))
		log_error("kernel events: %s", err.message);
	ports_forget_gone(d);
	look_at_suspects(d);
}

/*
 * At once, though they could wait: right after an attach this is the work to do
 * while its client wakes up. Gathering them by a timer was slower, for netd was
 * asleep when the next request came.
 */
static void on_readable(void *arg, uint32_t events)
{
	(void)events;
	events_catch_up(arg);
}

int events_start(struct netd *d, struct vnet_error *err)
{
	int fds[KERNEL_FDS_MAX];
	size_t n = kernel_fds(d->kernel, fds);

	for (size_t i = 0; i < n; i++) {
		int r = loop_add(d->loop, fds[i], EPOLLIN, on_readable, d, &d->kernel_sources[i]);

		if (r < 0)
			return vnet_error_set(err, r, "events", "cannot watch kernel events: %s",
					      strerror(-r));
	}
	reconcile_later(d, UNTOLD_USEC);
	return 0;
}
