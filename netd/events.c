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

#define SETTLE_USEC 30000         /* events of one action come within this */
#define REPAIRS_BEFORE_PATIENCE 5 /* in REPAIR_INTERVAL_USEC; then each repair waits twice as long */
#define REPAIR_INTERVAL_USEC 10000000ull
#define PATIENCE_MAX_USEC 30000000ull
#define STRANGER_USEC 3000000     /* a machine with many cards is some seconds between TAPs and hook */
#define STRANGERS_MAX 64          /* told of at once */
#define LOOK_USEC 1000000         /* at most this often where our own changes are told, too */

/*
 * How long to wait before the next repair: someone who undoes our work again and
 * again must not make us spin. Counted apart by who it can be: a guest's VMM may
 * change its own device for ever, and that must not delay the repair of the rules.
 */
enum cause { CAUSE_PORT, CAUSE_HOST, CAUSE_RULES, N_CAUSES };

static uint64_t patience(enum cause cause)
{
	static struct { uint64_t since; unsigned repairs; } past[N_CAUSES];
	uint64_t now = loop_now(), wait = SETTLE_USEC;

	if (now - past[cause].since > REPAIR_INTERVAL_USEC) {
		past[cause].since = now;
		past[cause].repairs = 0;
	}
	past[cause].repairs++;
	for (unsigned i = REPAIRS_BEFORE_PATIENCE;
	     i < past[cause].repairs && wait < PATIENCE_MAX_USEC; i++)
		wait *= 2;
	return wait;
}

static void check(void *arg)
{
	struct netd *d = arg;
	struct outcome outcome = { 0 };

	ports_end_unowned(d);
	networks_drop_orphans(d);
	groups_drop_orphans(d);
	reconcile(d, &outcome, NULL);
	/* Something was not as wanted, and now it is. */
	vec_each(op, &outcome.ops) {
		AUTO_FREE char *text = op_to_text(op);

		monitor_emit(d, "repaired", op->network[0] ? op->network : NULL, NULL, NULL, "%s", text);
	}
	outcome_free(&outcome);
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

static void suspect(struct netd *d, enum cause cause)
{
	/* One that comes at once covers this one, too. */
	if (!d->check_timer || d->check_due > loop_now() + SETTLE_USEC)
		reconcile_later(d, patience(cause));
}

/*
 * The events of one action come together, and tell of each state in between: a
 * new port is first down and on no bridge, a new bridge is down. Only what the
 * last one tells counts, or each attach would cost a look at the whole host.
 */
static void look_at_suspects(struct netd *d)
{
	bool port = false, device = false;
	struct device *devices;
	size_t n;

	if (!d->has_suspects)
		return;
	d->has_suspects = false;
	vec_each(entry, &d->registry.ports) {
		port |= (*entry)->is_suspect;
		(*entry)->is_suspect = false;
	}
	devices = devices_all(&d->registry, &n);
	for (size_t i = 0; i < n; i++) {
		device |= devices[i].is_suspect;
		devices[i].is_suspect = false;
	}
	if (port)
		suspect(d, CAUSE_PORT);
	if (device)
		suspect(d, CAUSE_HOST);
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

	return has_other_mac(entry->port, link) || !!(link->flags & IFF_UP) == entry->port->link_down ||
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

static void device_changed(struct netd *d, struct device *device, const struct link *link)
{
	if (device->role == DEVICE_BRIDGE) {
		device->network->bridge_ifindex = link->ifindex;
		device->network->bridge_mtu = link->mtu;
	}
	device->is_suspect = device_is_wrong(device, link);
	/* Of an uplink the last look counts, for the plan was made by that. */
	if (device->role == DEVICE_LINK)
		device->ifindex = link->ifindex;
	d->has_suspects |= device->is_suspect;
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
static void check_unknown(struct netd *d, const struct link *link)
{
	if (!link_is_ours(link) || is_marked_port(link))
		return;
	if (has_mark(link, NULL)) {
		if (!(link->flags & IFF_UP))
			suspect(d, CAUSE_HOST);
		return;
	}
	vec_each(entry, &d->registry.networks)
		if ((*entry)->is_wanted && has_mark(link, (*entry)->net->name))
			suspect(d, CAUSE_HOST);
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

static void link_changed(struct netd *d, const struct link *link)
{
	struct port_entry *port = registry_port_by_ifindex(&d->registry, link->ifindex);
	struct device *devices;
	size_t n;

	if (port) {
		port->is_suspect = port_is_wrong(port, link);
		d->has_suspects |= port->is_suspect;
		return;
	}
	devices = devices_find(&d->registry, link->name, &n);
	for (size_t i = 0; i < n; i++)
		device_changed(d, &devices[i], link);
	if (!n)
		check_unknown(d, link);
	if (devices_narrows(&d->registry, link))
		suspect(d, CAUSE_HOST);
	note_stranger(d, link);
}

static void device_gone(struct netd *d, struct device *device, const struct link *link)
{
	struct network_entry *network = device->network;

	if (device->role == DEVICE_BRIDGE && network->bridge_ifindex == link->ifindex)
		network->bridge_ifindex = 0;
	device->is_suspect = network->is_wanted;
	d->has_suspects |= device->is_suspect;
}

static void link_gone(struct netd *d, const struct link *link)
{
	struct port_entry *port = registry_port_by_ifindex(&d->registry, link->ifindex);
	struct device *devices;
	size_t n;

	if (port) {
		port_set_gone(d, port);
		return;
	}
	devices = devices_find(&d->registry, link->name, &n);
	for (size_t i = 0; i < n; i++)
		device_gone(d, &devices[i], link);
}

/*
 * A bridge port changed. Of ports of ours it is told in what; of VLANs it is not, and
 * our own changes are told like anybody's: a look soon, one for all.
 */
static void bridge_port_changed(struct netd *d, const struct link *link)
{
	const struct port_entry *port = registry_port_by_ifindex(&d->registry, link->ifindex);
	const struct network_entry *entry =
		registry_network_by_ifindex(&d->registry, link->master ? link->master : link->ifindex);

	if (port)
		link_changed(d, link);
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

/* An address changed on a bridge of ours? */
static void address_changed(struct netd *d, int ifindex)
{
	struct network_entry *entry = registry_network_by_ifindex(&d->registry, ifindex);

	if (entry && entry->is_wanted &&
	    (network_owns_bridge(entry->net) || !network_has_bridge(entry->net)))
		suspect(d, CAUSE_HOST);
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
	suspect(d, CAUSE_RULES);
}

static void on_event(void *context, const struct kernel_event *event)
{
	struct netd *d = context;

	switch (event->kind) {
	case KERNEL_EVENT_LINK_NEW:
		link_changed(d, &event->link);
		break;
	case KERNEL_EVENT_LINK_GONE:
		link_gone(d, &event->link);
		break;
	case KERNEL_EVENT_ADDR:
		address_changed(d, event->link.ifindex);
		break;
	case KERNEL_EVENT_NFT:
		if (event->touches_ours)
			rules_touched(d, event);
		doctor_look_soon(d);
		trace_rules_changed(d);
		break;
	case KERNEL_EVENT_ROUTE:
		if (d->registry.networks.n)
			suspect(d, CAUSE_HOST);
		break;
	case KERNEL_EVENT_BRIDGE_PORT:
		bridge_port_changed(d, &event->link);
		break;
	case KERNEL_EVENT_FILTER:
		if (registry_port_by_ifindex(&d->registry, event->link.ifindex))
			suspect(d, CAUSE_PORT);
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
		suspect(d, CAUSE_RULES);
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
	return 0;
}
