/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_kinds.c - the device of a port: what differs between the kinds
 *
 * tap      the kernel takes it away with its last descriptor; persistent, or made
 *          by somebody else (adopted), it stays
 * macvtap  stays when its descriptors are closed: netd watches the owner instead
 * veth     one end here on the bridge, one in a namespace; both go when either goes
 * macvlan  in a namespace alone: nothing is here to be seen, so it is looked after
 *          from time to time
 * vf       part of a NIC: it is set and reset, and was there before
 */

#include "netd/port.h"

#include "kernel/privileged.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMESPACE_LOOK_USEC 2000000

bool port_device_is_there(int ifindex)
{
	char name[IF_NAMESIZE];

	return ifindex && if_indextoname((unsigned)ifindex, name);
}

void port_close_fds(struct attachment *a)
{
	for (size_t i = 0; i < a->n_taps + a->n_vhosts; i++)
		close(a->fds[i]);
	a->n_taps = a->n_vhosts = 0;
}

/* The mark by which the planner knows whose device this is. */
static void port_alias(const struct port *port, char ret[LINK_ALIAS_MAX])
{
	snprintf(ret, LINK_ALIAS_MAX, LINK_ALIAS_PREFIX "port:%s:%s", port->network, port->name);
}

static bool link_is(const struct link *link, const struct port *port, const char *kind)
{
	/* The index alone proves nothing: the record may be older than this network namespace. */
	return link && strcmp(link->name, port->ifname) == 0 && strcmp(link->kind, kind) == 0;
}

/* An index of ours that another port has: somebody renamed devices behind our back. */
static int take_index(struct netd *d, struct port_entry *entry, int ifindex, struct vnet_error *err)
{
	const struct port_entry *other = registry_port_by_ifindex(&d->registry, ifindex);

	if (other && other != entry)
		return vnet_error_set(err, -EBUSY, "ifname-conflict",
				      "interface %s belongs to another port", entry->port->ifname);
	if (!other)
		registry_set_ifindex(&d->registry, entry, ifindex);
	return 0;
}

static int delete_device(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	struct op op = { .kind = OP_LINK_DELETE };
	size_t done;

	if (!entry->ifindex)
		return 0;
	snprintf(op.link.name, sizeof(op.link.name), "%s", entry->port->ifname);
	op.link.force = true;
	return kernel_execute(d->kernel, &op, 1, &done, err);
}

/* ---- descriptors ---- */

static int open_vhost(struct netd *d, const struct port *port, struct attachment *ret,
		      struct vnet_error *err)
{
	int r;

	if (port->vhost == VHOST_OFF)
		return 0;
	r = kernel_vhost_open(d->kernel, port->queues, ret->fds + ret->n_taps, err);
	if (r == 0) {
		ret->n_vhosts = port->queues;
	} else if (port->vhost == VHOST_AUTO) {
		vnet_error_clear(err);
		ret->no_vhost = true;
		r = 0;
	} else {
		vnet_error_set(err, r, "no-vhost",
			       "this host has no /dev/vhost-net; load the module vhost_net or use vhost: auto");
	}
	return r;
}

/* The device's queues are open in ret->fds: now what goes with them. */
static int take_queues(struct netd *d, struct port_entry *entry, int ifindex,
		       struct attachment *ret, struct vnet_error *err)
{
	int r;

	ret->n_taps = entry->port->queues;
	r = take_index(d, entry, ifindex, err);
	return r < 0 ? r : open_vhost(d, entry->port, ret, err);
}

/* By the virtio header a guest says where checksums are to be written: only where that is guarded. */
static bool has_header(struct netd *d, const struct port_entry *entry, struct attachment *ret)
{
	const struct network net = network_entry_in_force(entry->network);
	const char *why;

	ret->no_header = entry->port->vnet_hdr && port_wants_checksum_guard(&net, entry->port) &&
			 !kernel_guards_checksums(d->kernel, &why);
	return entry->port->vnet_hdr && !ret->no_header;
}

static int tap_open(struct netd *d, struct port_entry *entry, bool exists, struct attachment *ret,
		    struct vnet_error *err)
{
	const struct port *port = entry->port;
	struct kernel_tap tap = {
		.queues = port->queues, .multi_queue = port->queues > 1, .vnet_hdr = has_header(d, entry, ret),
		.offload = port->offload, .persistent = port->persistent, .must_exist = exists,
		.ret_fds = ret->fds,
	};
	int ifindex, r;

	/* Somebody's own: only its index is wanted. */
	if (port->adopted) {
		r = kernel_find_tap(d->kernel, port->ifname, entry->network->bridge_ifindex, &ifindex,
				    err);
		return r < 0 ? r : take_index(d, entry, ifindex, err);
	}
	snprintf(tap.name, sizeof(tap.name), "%s", port->ifname);
	port_alias(port, tap.alias);
	r = kernel_tap_open(d->kernel, &tap, err);
	return r < 0 ? r : take_queues(d, entry, tap.ret_ifindex, ret, err);
}

static int tap_remove(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	return entry->port->persistent ? delete_device(d, entry, err) : 0;
}

static bool tap_is_there(struct netd *d, struct port_entry *entry, const struct link *link,
			 const struct snapshot *snap)
{
	(void)d;
	(void)snap;
	return link_is(link, entry->port, "tun");
}

/* ---- on a NIC ---- */

static uint32_t macvlan_mode(const struct network *net)
{
	static const uint32_t modes[] = {
		[MACVTAP_BRIDGE] = MACVLAN_MODE_BRIDGE, [MACVTAP_VEPA] = MACVLAN_MODE_VEPA,
		[MACVTAP_PRIVATE] = MACVLAN_MODE_PRIVATE, [MACVTAP_PASSTHRU] = MACVLAN_MODE_PASSTHRU,
	};

	return modes[net->macvtap.mode];
}

static int macvtap_open(struct netd *d, struct port_entry *entry, bool exists,
			struct attachment *ret, struct vnet_error *err)
{
	const struct port *port = entry->port;
	const struct network *net = entry->network->net;
	struct kernel_macvtap macvtap = {
		.mode = macvlan_mode(net), .mac = port->mac, .queues = port->queues,
		.vnet_hdr = has_header(d, entry, ret), .offload = port->offload, .must_exist = exists,
		.ret_fds = ret->fds,
	};
	int r;

	snprintf(macvtap.name, sizeof(macvtap.name), "%s", port->ifname);
	snprintf(macvtap.parent, sizeof(macvtap.parent), "%s", net->uplink);
	port_alias(port, macvtap.alias);
	r = kernel_macvtap_open(d->kernel, &macvtap, err);
	return r < 0 ? r : take_queues(d, entry, macvtap.ret_ifindex, ret, err);
}

static bool macvtap_is_there(struct netd *d, struct port_entry *entry, const struct link *link,
			     const struct snapshot *snap)
{
	(void)d;
	(void)snap;
	return link_is(link, entry->port, "macvtap");
}

/* ---- in a namespace ---- */

static int inside_create(struct netd *d, const struct port_entry *entry, const char *kind,
			 int *ret_ifindex, struct vnet_error *err)
{
	const struct port *port = entry->port;
	const struct network *net = entry->network->net;
	struct kernel_inside inside = {
		.mode = macvlan_mode(net), .netns = port->netns, .inside = &port->inside,
		.mac = port->mac, .mtu = port->mtu,
	};
	int r;

	snprintf(inside.kind, sizeof(inside.kind), "%s", kind);
	snprintf(inside.name, sizeof(inside.name), "%s", port->ifname);
	snprintf(inside.parent, sizeof(inside.parent), "%s", net->uplink ? net->uplink : "");
	port_alias(port, inside.alias);
	r = kernel_inside_create(d->kernel, &inside, err);
	*ret_ifindex = inside.ret_ifindex;
	return r;
}

static int veth_open(struct netd *d, struct port_entry *entry, bool exists, struct attachment *ret,
		     struct vnet_error *err)
{
	int ifindex, r;

	(void)exists;
	(void)ret;
	r = inside_create(d, entry, "veth", &ifindex, err);
	return r < 0 ? r : take_index(d, entry, ifindex, err);
}

static bool veth_is_there(struct netd *d, struct port_entry *entry, const struct link *link,
			  const struct snapshot *snap)
{
	(void)d;
	(void)snap;
	return link_is(link, entry->port, "veth");
}

/* Which namespace a path leads to now; false: to none. */
static bool read_namespace(const char *path, struct port_namespace *ret)
{
	struct stat st;
	int fd, r;

	if (!path || privileged_get()->enter(path, &fd, NULL, NULL) < 0)
		return false;
	r = fstat(fd, &st);
	close(fd);
	if (r < 0)
		return false;
	*ret = (struct port_namespace){ .device = st.st_dev, .inode = st.st_ino };
	return true;
}

static int macvlan_open(struct netd *d, struct port_entry *entry, bool exists,
			struct attachment *ret, struct vnet_error *err)
{
	int r;

	(void)exists;
	(void)ret;
	r = inside_create(d, entry, "macvlan", &entry->inside_ifindex, err);
	if (r < 0)
		return r;
	entry->is_elsewhere = true;
	read_namespace(entry->port->netns, &entry->namespace);
	port_watch_namespaces(d);
	return 0;
}

/* Where it is, and by which name; -ENOENT: it is gone, or its namespace is. */
static int find_macvlan(struct netd *d, const struct port_entry *entry, char ret_name[16],
			struct vnet_error *err)
{
	struct port_namespace now;

	if (!entry->is_elsewhere || !read_namespace(entry->port->netns, &now) ||
	    now.inode != entry->namespace.inode || now.device != entry->namespace.device)
		return -ENOENT;
	return kernel_inside_find(d->kernel, entry->port->netns, entry->inside_ifindex, ret_name, err);
}

static int macvlan_remove(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	struct vnet_error problem = { 0 };
	char name[16];
	int r = find_macvlan(d, entry, name, &problem);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		if (err)
			*err = problem;
		return r;
	}
	return kernel_inside_delete(d->kernel, entry->port->netns, name, err);
}

static bool macvlan_is_there(struct netd *d, struct port_entry *entry, const struct link *link,
			     const struct snapshot *snap)
{
	char name[16];

	(void)link;
	(void)snap;
	/* What cannot be told now may be told the next time. */
	if (find_macvlan(d, entry, name, NULL) == -ENOENT)
		return false;
	port_watch_namespaces(d);
	return true;
}

/*
 * The kernel tells of devices in this namespace only, and a descriptor of the other
 * one, which could be watched, would keep it alive.
 */
static void look_at_namespaces(void *arg)
{
	struct netd *d = arg;
	bool any = false;

	vec_each(entry, &d->registry.ports) {
		if (!(*entry)->is_elsewhere || (*entry)->is_gone)
			continue;
		if (macvlan_is_there(d, *entry, NULL, NULL))
			any = true;
		else
			port_set_gone(d, *entry);
	}
	ports_forget_gone(d);
	if (any)
		port_watch_namespaces(d);
}

void port_watch_namespaces(struct netd *d)
{
	if (!d->namespace_timer)
		loop_timer_add(d->loop, NAMESPACE_LOOK_USEC, look_at_namespaces, d,
			       &d->namespace_timer);
}

/* ---- virtual functions ---- */

static bool vf_is_taken(const struct registry *reg, const struct port_entry *but, const char *uplink,
			unsigned vf)
{
	vec_each(entry, &reg->ports) {
		const struct port *port = (*entry)->port;
		const char *other = (*entry)->network->net->uplink;

		if (*entry != but && port->kind == PORT_VF && port->has_vf && port->vf == vf &&
		    other && strcmp(other, uplink) == 0)
			return true;
	}
	return false;
}

static const struct vf *find_vf(const struct snapshot *snap, const char *uplink, unsigned index)
{
	const struct link *pf = snapshot_link(snap, uplink);

	vec_each(vf, &snap->vfs)
		if (pf && vf->ifindex == pf->ifindex && vf->index == index)
			return vf;
	return NULL;
}

/* "0-7", or "those of enp3s0" */
static const char *vf_range(const struct network *net, char *buf, size_t size)
{
	if (net->sriov.has_vfs)
		snprintf(buf, size, "%u-%u", net->sriov.first_vf, net->sriov.last_vf);
	else
		snprintf(buf, size, "those of %s", net->uplink);
	return buf;
}

static int refuse_vf(const struct network *net, const struct port *port, bool is_there,
		     struct vnet_error *err)
{
	char range[48];

	vf_range(net, range, sizeof(range));
	if (!port->has_vf)
		return vnet_error_set(err, -EBUSY, "vf-in-use",
				      "network %s has no free virtual function left (%s); detach a port, or raise sriov_numvfs of %s",
				      net->name, range, net->uplink);
	if (!is_there)
		return vnet_error_set(err, -ENOENT, "vf-unknown",
				      "network %s has no virtual function %u (%s)", net->name, port->vf,
				      range);
	return vnet_error_set(err, -EBUSY, "vf-in-use",
			      "virtual function %u of %s belongs to another port", port->vf, net->uplink);
}

/* The function that was asked for, or the first free one of those that the network hands out. */
static int choose_vf(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	const struct network *net = entry->network->net;
	struct port *port = entry->port;
	const struct link *pf;
	bool is_there = false;
	int r = kernel_snapshot(d->kernel, SNAPSHOT_LINKS | SNAPSHOT_VFS, &snap, err);

	if (r < 0)
		return r;
	pf = snapshot_link(&snap, net->uplink);
	vec_each(vf, &snap.vfs) {
		if (!pf || vf->ifindex != pf->ifindex || (port->has_vf && port->vf != vf->index) ||
		    (net->sriov.has_vfs &&
		     (vf->index < net->sriov.first_vf || vf->index > net->sriov.last_vf)))
			continue;
		is_there = true;
		if (vf_is_taken(&d->registry, entry, net->uplink, vf->index))
			continue;
		port->vf = vf->index;
		port->has_vf = true;
		return 0;
	}
	return refuse_vf(net, port, is_there, err);
}

static int find_vf_address(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	return kernel_vf_address(d->kernel, entry->network->net->uplink, entry->port->vf,
				 entry->pci_address, err);
}

static int vf_open(struct netd *d, struct port_entry *entry, bool exists, struct attachment *ret,
		   struct vnet_error *err)
{
	int r = exists ? 0 : choose_vf(d, entry, err);

	(void)ret;
	return r < 0 ? r : find_vf_address(d, entry, err);
}

static int vf_remove(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	AUTO_OPS op_vec ops = { 0 };
	size_t done;

	if (!entry->port->has_vf)
		return 0;
	plan_port_detach(entry->network->net, entry->port, true, &ops);
	return kernel_execute(d->kernel, ops.v, ops.n, &done, err);
}

static bool vf_is_there(struct netd *d, struct port_entry *entry, const struct link *link,
			const struct snapshot *snap)
{
	const struct network *net = entry->network->net;

	(void)link;
	if (!entry->port->has_vf || !net->uplink || !find_vf(snap, net->uplink, entry->port->vf))
		return false;
	find_vf_address(d, entry, NULL);
	return true;
}

/* ---- the table ---- */

const struct device_kind *device_kind(const struct port *port)
{
	static const struct device_kind kinds[] = {
		[PORT_TAP] = { .open = tap_open, .remove = tap_remove, .is_there = tap_is_there,
			       .has_persistence = true, .is_remade = true },
		[PORT_MACVTAP] = { .open = macvtap_open, .remove = delete_device,
				   .is_there = macvtap_is_there, .has_owner = true,
				   .has_persistence = true },
		[PORT_MACVLAN] = { .open = macvlan_open, .remove = macvlan_remove,
				   .is_there = macvlan_is_there },
		[PORT_VETH] = { .open = veth_open, .remove = delete_device,
				.is_there = veth_is_there },
		[PORT_VF] = { .open = vf_open, .remove = vf_remove, .is_there = vf_is_there,
			      .has_owner = true, .has_persistence = true },
	};

	return &kinds[port->kind];
}

bool port_has_device(const struct port_entry *entry)
{
	return entry->ifindex || entry->is_elsewhere ||
	       (entry->port->kind == PORT_VF && entry->port->has_vf);
}

const char *port_interface(const struct port_entry *entry)
{
	const struct network *net = entry->network->net;

	return entry->port->kind == PORT_VF && net->uplink ? net->uplink : entry->port->ifname;
}
