/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linux.c - the Linux back end: life cycle, snapshots, small queries; execute.c runs operations */

#include "kernel/linux.h"
#include "kernel/addr.h"
#include "kernel/checksum.h"
#include "kernel/conntrack.h"
#include "kernel/fdb.h"
#include "kernel/filters.h"
#include "kernel/inside.h"
#include "kernel/link.h"
#include "kernel/listeners.h"
#include "kernel/macvtap.h"
#include "kernel/neigh.h"
#include "kernel/privileged.h"
#include "kernel/route.h"
#include "kernel/shaper.h"
#include "kernel/sysctl.h"
#include "kernel/tap.h"
#include "kernel/vf.h"
#include "kernel/vlan.h"
#include "nft/fix.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PORT_ALIAS LINK_ALIAS_PREFIX "port:"

static const struct kernel_ops linux_ops;
static void linux_free(struct kernel *base);
static unsigned nft_device_index(void *context, const char *name);
static bool nft_device_name(void *context, unsigned index, char ret_name[16]);

static struct kernel_linux *self(struct kernel *base)
{
	return (struct kernel_linux *)base;
}

/* Tables can be owned and outlive their owner since Linux 6.9. */
static bool kernel_has_owned_tables(void)
{
	unsigned major, minor;
	struct utsname name;

	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 9);
}

static int open_nft(struct kernel_linux *k, struct vnet_error *err)
{
	int r = nft_netlink_open(&k->nft, err);

	k->devices.owns_tables = kernel_has_owned_tables();
	if (r == 0 && k->devices.owns_tables)
		nft_netlink_adopt(k->nft);
	return r;
}

int kernel_linux_new(struct kernel **ret, struct vnet_error *err)
{
	struct kernel_linux *k = mem_alloc(sizeof(*k));
	int r;

	k->base.ops = &linux_ops;
	k->rt.fd = k->query.fd = k->conntrack.fd = k->proc_sys = k->sysfs = -1;
	k->control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	k->devices = (struct nft_devices){nft_device_index, nft_device_name, k, false};
	if (k->control < 0) {
		r = kernel_error(err, -errno, NULL, "cannot open a control socket");
		goto fail;
	}
	k->proc_sys = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (k->proc_sys < 0) {
		r = kernel_error(err, -errno, NULL, "/proc/sys");
		goto fail;
	}
	if ((r = nl_open(&k->rt, NETLINK_ROUTE, err)) < 0 ||
	    (r = nl_open(&k->query, NETLINK_ROUTE, err)) < 0 ||
	    (r = open_nft(k, err)) < 0 ||
	    (r = events_open(k->rt.port, mnl_socket_get_portid(k->nft), &k->events, err)) < 0)
		goto fail;
	*ret = &k->base;
	return 0;
fail:
	linux_free(&k->base);
	return r;
}

static void linux_free(struct kernel *base)
{
	struct kernel_linux *k = self(base);

	events_close(k->events);
	checksum_forget(k);
	if (k->nft)
		mnl_socket_close(k->nft);
	nl_close(&k->rt);
	nl_close(&k->query);
	nl_close(&k->conntrack);
	vec_free(&k->hardware);
	if (k->sysfs >= 0)
		close(k->sysfs);
	if (k->proc_sys >= 0)
		close(k->proc_sys);
	if (k->control >= 0)
		close(k->control);
	free(k);
}

static size_t linux_fds(struct kernel *base, int ret_fds[KERNEL_FDS_MAX])
{
	return events_fds(self(base)->events, ret_fds);
}

static int linux_dispatch(struct kernel *base, kernel_handler handler, void *context,
			  struct vnet_error *err)
{
	return events_dispatch(self(base)->events, handler, context, err);
}

/* Snapshot. */

struct link_dump { struct kernel_linux *k; struct snapshot *snap; };

static void each_link(const struct nlmsghdr *m, void *context)
{
	struct link_dump *d = context;
	struct link link;

	if (m->nlmsg_type != RTM_NEWLINK || link_parse(m, &link) < 0)
		return;
	vec_push(&d->snap->links, link);
	if (vf_is_candidate(m))
		vec_push(&d->k->hardware, link.ifindex);
}

static void each_addr(const struct nlmsghdr *m, void *context)
{
	struct snapshot *snap = context;
	struct addr addr;

	if (m->nlmsg_type == RTM_NEWADDR && addr_parse(m, &addr) == 0)
		vec_push(&snap->addrs, addr);
}

/* The local table mirrors the addresses. */
static void each_route(const struct nlmsghdr *m, void *context)
{
	struct snapshot *snap = context;
	struct route route;

	if (m->nlmsg_type == RTM_NEWROUTE && route_parse(m, &route) == 0 &&
	    route.table != RT_TABLE_LOCAL)
		vec_push(&snap->routes, route);
}

static void restart_links(void *context)
{
	struct link_dump *d = context;

	d->snap->links.n = d->k->hardware.n = 0;
}

static void restart_addrs(void *context)
{
	((struct snapshot *)context)->addrs.n = 0;
}

/* IPv4 is read before IPv6. */
static void restart_routes(void *context)
{
	struct snapshot *snap = context;
	size_t kept = 0;

	while (kept < snap->routes.n && snap->routes.v[kept].family == AF_INET)
		kept++;
	snap->routes.n = kept;
}

static void restart_all_routes(void *context)
{
	((struct snapshot *)context)->routes.n = 0;
}

/* "eth0" as the label of an address of eth0 is what the kernel puts there by itself: none. */
static void drop_default_labels(struct kernel_linux *k, struct snapshot *snap)
{
	char name[16];

	vec_each(addr, &snap->addrs)
		if (addr->label[0] && device_name(k->control, addr->ifindex, name) &&
		    !strcmp(addr->label, name))
			addr->label[0] = '\0';
}

static int dump(struct kernel_linux *k, const struct nl_dump *d, const char *what,
		struct vnet_error *err)
{
	int r = nl_dump(&k->query, d);

	return r < 0 ? kernel_error(err, r, nl_text(&k->query, 0), "cannot list %s", what) : 0;
}

static int snapshot_routes(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err)
{
	int r;

	route_add_dump(&k->query, AF_INET);
	r = dump(k, &(struct nl_dump){each_route, restart_all_routes, snap}, "IPv4 routes", err);
	if (r < 0)
		return r;
	route_add_dump(&k->query, AF_INET6);
	return dump(k, &(struct nl_dump){each_route, restart_routes, snap}, "IPv6 routes", err);
}

/*
 * Asked in sysfs: rtnetlink does not tell, SIOCGIWNAME makes the kernel warn of
 * whoever still uses it, and looking nl80211 up may load a module.
 */
static bool is_wireless(struct kernel_linux *k, const struct link *link)
{
	char path[64];

	if (link->kind[0] || link->flags & IFF_LOOPBACK || privileged_get()->sysfs(&k->sysfs, NULL) < 0)
		return false;
	snprintf(path, sizeof(path), "class/net/%s/phy80211", link->name);
	return faccessat(k->sysfs, path, F_OK, 0) == 0;
}

static void read_port(struct kernel_linux *k, struct link *link)
{
	features_read(k->control, &k->features, link->name, &link->features);
	link->checksum = checksum_read(k, link);
}

static int snapshot_links(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err)
{
	struct link_dump d = {k, snap};
	int r;

	k->hardware.n = 0;
	link_add_get(&k->query, NULL);
	r = dump(k, &(struct nl_dump){each_link, restart_links, &d}, "devices", err);
	vec_each(link, &snap->links) {
		link->is_wireless = is_wireless(k, link);
		if (r >= 0 && !strncmp(link->alias, PORT_ALIAS, strlen(PORT_ALIAS)))
			read_port(k, link);
	}
	snapshot_sort(snap); /* the other parts look devices up */
	return r;
}

static int snapshot_addrs(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err)
{
	int r;

	addr_add_dump(&k->query);
	r = dump(k, &(struct nl_dump){each_addr, restart_addrs, snap}, "addresses", err);
	drop_default_labels(k, snap);
	return r;
}

/*
 * Names as the snapshot has them: asking the kernel for each element of each port
 * took as long as reading these.  In an array of their own, which fits a cache.
 */
struct device_names {
	struct kernel_linux *k;
	VEC(struct { int ifindex; char name[16]; }) known;
};

static int compare_index(const void *index, const void *item)
{
	return (*(const int *)index > *(const int *)item) - (*(const int *)index < *(const int *)item);
}

static bool snapshot_device_name(void *context, unsigned index, char ret_name[16])
{
	const struct device_names *names = context;
	int ifindex = (int)index;
	bool found;
	size_t i = vec_search(&names->known, &ifindex, compare_index, &found);

	if (!found)
		return nft_device_name(names->k, index, ret_name);
	memcpy(ret_name, names->known.v[i].name, sizeof(names->known.v[i].name));
	return true;
}

static int snapshot_nft(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err)
{
	struct device_names names = {.k = k};
	struct nft_devices devices = k->devices;
	int r;

	vec_reserve(&names.known, snap->links.n);
	vec_each(link, &snap->links) {
		vec_add(&names.known)->ifindex = link->ifindex;
		memcpy(names.known.v[names.known.n - 1].name, link->name, sizeof(link->name));
	}
	devices.name = snapshot_device_name;
	devices.context = &names;
	r = nft_netlink_dump(k->nft, &devices, &snap->nft, err);
	vec_free(&names.known);
	return r;
}

/* Ports of bridges that do not look at VLANs have some, too, and nobody asks. */
static bool is_vlan_aware(const struct snapshot *snap, int ifindex)
{
	const struct link *link = snapshot_link_by_index(snap, ifindex);

	if (link && link->master)
		link = snapshot_link_by_index(snap, link->master);
	return link && !strcmp(link->kind, "bridge") && link->bridge.vlan_filtering;
}

static void each_vlans(const struct nlmsghdr *m, void *context)
{
	vlan_parse(m, context);
}

static void restart_vlans(void *context)
{
	((vlan_member_vec *)context)->n = 0;
}

static int snapshot_vlans(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err)
{
	vlan_member_vec members = {0};
	bool is_wanted = false;
	int r;

	vec_each(link, &snap->links)
		is_wanted |= !strcmp(link->kind, "bridge") && link->bridge.vlan_filtering;
	if (!is_wanted)
		return 0;
	vlan_add_dump(&k->query);
	r = dump(k, &(struct nl_dump){each_vlans, restart_vlans, &members}, "VLANs", err);
	vlan_normalise(&members);
	vec_each(member, &members)
		if (r >= 0 && is_vlan_aware(snap, member->ifindex))
			vec_push(&snap->vlans, *member);
	vec_free(&members);
	return r;
}

struct fdb_dump { struct snapshot *snap; size_t begin; int ifindex; };

static void each_fdb(const struct nlmsghdr *m, void *context)
{
	struct fdb_dump *d = context;
	struct vxlan_fdb fdb;

	if (fdb_parse_vxlan(m, &fdb) == 0 && fdb.ifindex == d->ifindex)
		vec_push(&d->snap->fdb, fdb);
}

static void restart_fdb(void *context)
{
	struct fdb_dump *d = context;

	d->snap->fdb.n = d->begin;
}

static int snapshot_fdb(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err)
{
	int r = 0;

	for (size_t i = 0; i < snap->links.n && r >= 0; i++) {
		const struct link *link = &snap->links.v[i];
		struct fdb_dump d = {snap, snap->fdb.n, link->ifindex};

		if (strcmp(link->kind, "vxlan") || !link_is_ours(link))
			continue;
		fdb_add_dump(&k->query, link->ifindex);
		r = dump(k, &(struct nl_dump){each_fdb, restart_fdb, &d},
			 "the entries of a VXLAN device", err);
	}
	return r;
}

static int snapshot_vfs(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err)
{
	int r = 0;

	for (size_t i = 0; i < k->hardware.n && r >= 0; i++)
		r = vf_snapshot(k, k->hardware.v[i], snap, err);
	return r;
}

static int linux_snapshot(struct kernel *base, unsigned parts, struct snapshot *ret,
			  struct vnet_error *err)
{
	static const struct {
		unsigned part;
		int (*read)(struct kernel_linux *k, struct snapshot *snap, struct vnet_error *err);
	} readers[] = {
		/* First: the others go by the devices that it found. */
		{SNAPSHOT_LINKS, snapshot_links},
		{SNAPSHOT_ADDRS, snapshot_addrs},
		{SNAPSHOT_ROUTES, snapshot_routes},
		{SNAPSHOT_NFT, snapshot_nft},
		{SNAPSHOT_VLANS, snapshot_vlans},
		{SNAPSHOT_FDB, snapshot_fdb},
		{SNAPSHOT_SHAPERS, shaper_snapshot},
		{SNAPSHOT_VFS, snapshot_vfs},
	};
	int r = 0;

	if (parts & SNAPSHOT_BY_LINK)
		parts |= SNAPSHOT_LINKS;
	for (size_t i = 0; i < ARRAY_SIZE(readers) && r >= 0; i++)
		if (parts & readers[i].part)
			r = readers[i].read(self(base), ret, err);
	return r;
}

static int linux_read_sysctls(struct kernel *base, struct snapshot *snap, struct vnet_error *err)
{
	struct kernel_linux *k = self(base);
	size_t kept = 0;

	for (size_t i = 0; i < snap->sysctls.n; i++) {
		struct sysctl *s = &snap->sysctls.v[i];
		int r = sysctl_read(k->proc_sys, s->path, &s->value);

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return kernel_error(err, r, NULL, "/proc/sys/%s: cannot read it", s->path);
		snap->sysctls.v[kept++] = *s;
	}
	snap->sysctls.n = kept;
	return 0;
}

static int linux_find_link(struct kernel *base, const char *name, struct link *ret,
			   struct vnet_error *err)
{
	return linux_find(self(base), name, ret, err);
}

int linux_find(struct kernel_linux *k, const char *name, struct link *ret, struct vnet_error *err)
{
	const struct nlmsghdr *m;
	int r;

	if (!kernel_ifname_ok(name))
		return -ENODEV;
	link_add_get(&k->query, name);
	r = nl_get(&k->query, &m);
	if (r == -ENODEV)
		return r;
	if (r >= 0)
		r = m->nlmsg_type == RTM_NEWLINK ? link_parse(m, ret) : -EPROTO;
	if (r < 0)
		kernel_error(err, r, nl_text(&k->query, 0), "device %s: cannot read it", name);
	return r < 0 ? r : 0;
}

void linux_delete_marked(struct kernel_linux *k, const char *name, const char *alias)
{
	struct link link;

	if (linux_find(k, name, &link, NULL) < 0 || strcmp(link.alias, alias) != 0)
		return;
	link_add_delete(&k->rt, link.ifindex);
	nl_send(&k->rt);
}

/* Devices for nftables. */

static unsigned nft_device_index(void *context, const char *name)
{
	struct kernel_linux *k = context;
	struct link link;
	char now[16];

	/* Of the TAP just made: one cheap look in a transaction that it is still the same. */
	if (k->opened_index && !strcmp(k->opened, name)) {
		if (!k->opened_is_checked)
			k->opened_is_checked = device_name(k->control, k->opened_index, now) &&
					       !strcmp(now, name);
		if (k->opened_is_checked)
			return (unsigned)k->opened_index;
	}
	return linux_find(k, name, &link, NULL) == 0 ? (unsigned)link.ifindex : 0;
}

static bool nft_device_name(void *context, unsigned index, char ret_name[16])
{
	struct kernel_linux *k = context;

	return device_name(k->control, (int)index, ret_name);
}

/* Small queries. */

/* Marked before it is kept: should netd die in between, the device goes with it. */
static int keep_tap(struct kernel_linux *k, const struct kernel_tap *tap, struct vnet_error *err)
{
	struct op_tap op = {.owner = UINT32_MAX, .group = UINT32_MAX};
	int r;

	memcpy(op.name, tap->name, sizeof(op.name));
	link_add_alias(&k->rt, tap->ret_ifindex, tap->alias);
	r = nl_send_all(&k->rt, NULL);
	return r < 0 ? kernel_error(err, r, nl_text(&k->rt, 0), "TAP %s: cannot mark it", tap->name)
		     : tap_keep(tap->ret_fds[0], &op, err);
}

static int linux_tap_open(struct kernel *base, struct kernel_tap *tap, struct vnet_error *err)
{
	struct kernel_linux *k = self(base);
	int r = tap_open(k->control, tap, err);

	if (r < 0)
		return r;
	if (tap->persistent && !tap->must_exist)
		r = keep_tap(k, tap, err);
	if (r < 0) {
		tap_close(tap);
		return r;
	}
	memcpy(k->opened, tap->name, sizeof(k->opened));
	k->opened_index = tap->ret_ifindex;
	return 0;
}

static int linux_vhost_open(struct kernel *base, unsigned n, int *ret_fds, struct vnet_error *err)
{
	(void)base;
	return vhost_open(n, ret_fds, err);
}

static int linux_list_fdb(struct kernel *base, int bridge, fdb_vec *ret, struct vnet_error *err)
{
	return neigh_list_fdb(&self(base)->query, bridge, ret, err);
}

static int linux_drop_counters(struct kernel *base, const char *ifname, drop_counter_vec *ret,
			       struct vnet_error *err)
{
	struct kernel_linux *k = self(base);
	nft_counter_vec counters = {0};
	int r = nft_netlink_counters(k->nft, ifname, &k->devices, &counters, err);

	vec_each(c, &counters) {
		struct drop_counter *counter = vec_add(ret);

		memcpy(counter->ifname, c->ifname, sizeof(counter->ifname));
		counter->reason = c->reason;
		counter->packets = c->packets;
		counter->bytes = c->bytes;
	}
	vec_free(&counters);
	return r;
}

static int linux_read_filters(struct kernel *base, filter_table_vec *ret, struct vnet_error *err)
{
	int r = filters_read(&self(base)->devices, ret, err);

	if (r == 0)
		filters_read_legacy(ret);
	return r;
}

static int linux_fix_filters(struct kernel *base, const fix_rule_vec *add, const fix_present_vec *remove,
			     struct vnet_error *err)
{
	return nft_fix(self(base)->nft, add, remove, err);
}

static int linux_ask_route(struct kernel *base, const char *iif, const struct ip *from, const struct ip *to,
			   char ret_oif[16])
{
	struct kernel_linux *k = self(base);
	int ifindex = device_index(k->control, iif), oif = 0, r;

	ret_oif[0] = '\0';
	r = ifindex ? route_ask(&k->query, ifindex, from, to, &oif) : -ENODEV;
	if (r == 0 && oif)
		device_name(k->control, oif, ret_oif);
	return r;
}

static void linux_list_listeners(struct kernel *base, doctor_socket_vec *ret)
{
	listeners_list(self(base)->control, ret);
}

static bool linux_has_conntrack(struct kernel *base)
{
	struct kernel_linux *k = self(base);

	if (!k->conntrack_was_tried)
		k->has_conntrack = nft_netlink_has_conntrack(k->nft);
	k->conntrack_was_tried = true;
	return k->has_conntrack;
}

/* Its socket is opened when it is first needed: most hosts have no security groups. */
static int open_conntrack(struct kernel_linux *k, struct vnet_error *err)
{
	return k->conntrack.fd >= 0 ? 0 : nl_open(&k->conntrack, NETLINK_NETFILTER, err);
}

static int linux_list_flows(struct kernel *base, ip_vec *addresses, flow_vec *ret,
			    struct vnet_error *err)
{
	int r = open_conntrack(self(base), err);

	return r < 0 ? r : conntrack_list(&self(base)->conntrack, addresses, ret, err);
}

static int linux_change_flow(struct kernel *base, const struct kernel_flow *flow,
			     enum flow_change change, struct vnet_error *err)
{
	int r = open_conntrack(self(base), err);

	return r < 0 ? r : conntrack_change(&self(base)->conntrack, flow, change, err);
}

static const char *linux_note(struct kernel *base, size_t i)
{
	return events_note(self(base)->events, i);
}

static bool linux_guards_checksums(struct kernel *base, const char **ret_why)
{
	const struct checksum_program *programs = checksum_programs(self(base));

	*ret_why = self(base)->checksum_problem;
	return programs;
}

static int linux_probe_neigh(struct kernel *base, const char *ifname, const struct ip *ip,
			     struct vnet_error *err)
{
	struct kernel_linux *k = self(base);
	int ifindex = device_index(k->control, ifname);
	int r;

	if (!ifindex)
		return vnet_error_set(err, -ENODEV, "no-device", "no device %s", ifname);
	r = events_want_neighbours(k->events, err);
	return r < 0 ? r : neigh_probe(&k->query, ifindex, ip, err);
}

static int linux_trace(struct kernel *base, bool is_on, struct vnet_error *err)
{
	return events_trace(self(base)->events, is_on, err);
}

static int linux_read_place(struct kernel *base, const struct filter_place *place, filter_table_vec *ret,
			    struct vnet_error *err)
{
	return filters_read_place(&self(base)->devices, place, ret, err);
}

static int linux_watch_fdb(struct kernel *base, struct vnet_error *err)
{
	return events_want_fdb(self(base)->events, err);
}

static const struct kernel_ops linux_ops = {
	.free = linux_free,
	.fds = linux_fds,
	.dispatch = linux_dispatch,
	.snapshot = linux_snapshot,
	.read_sysctls = linux_read_sysctls,
	.execute = linux_execute,
	.find_link = linux_find_link,
	.tap_open = linux_tap_open,
	.macvtap_open = linux_macvtap_open,
	.inside_create = linux_inside_create,
	.inside_delete = linux_inside_delete,
	.inside_find = linux_inside_find,
	.vf_address = linux_vf_address,
	.vhost_open = linux_vhost_open,
	.list_fdb = linux_list_fdb,
	.drop_counters = linux_drop_counters,
	.read_filters = linux_read_filters,
	.fix_filters = linux_fix_filters,
	.ask_route = linux_ask_route,
	.list_listeners = linux_list_listeners,
	.watch_fdb = linux_watch_fdb,
	.trace = linux_trace,
	.read_place = linux_read_place,
	.probe_neigh = linux_probe_neigh,
	.note = linux_note,
	.has_conntrack = linux_has_conntrack,
	.guards_checksums = linux_guards_checksums,
	.list_flows = linux_list_flows,
	.change_flow = linux_change_flow,
};
