/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices.c - which networks a device by some name matters to; see devices.h. */

#include "netd/devices.h"

#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct devices {
	VEC(struct device) all; /* by name, then network */
	bool is_outdated;
	bool follow_routes;     /* some link does not say which device it takes */
	VEC(struct mtu { int ifindex; uint32_t mtu; }) mtus; /* of all devices then, by index */
};

static int compare(const void *a, const void *b)
{
	const struct device *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : strcmp(x->network->net->name, y->network->net->name);
}

static void add(struct devices *devices, struct network_entry *network, enum device_role role,
		const char *name)
{
	struct device device = { .role = role, .network = network };

	snprintf(device.name, sizeof(device.name), "%s", name);
	vec_push(&devices->all, device);
}

static void add_link(struct devices *devices, struct network_entry *network,
		     const struct network_link *link)
{
	char buf[16];

	if (link->device)
		add(devices, network, DEVICE_UNDERLAY, link->device);
	else
		devices->follow_routes = true;
	if (link->kind == LINK_VXLAN)
		add(devices, network, DEVICE_LINK,
		    network_link_device(network->net, link, NULL, buf));
	else
		vec_each(peer, &link->peers)
			add(devices, network, DEVICE_LINK,
			    network_link_device(network->net, link, peer, buf));
}

static void add_network(struct devices *devices, struct network_entry *network)
{
	const struct network *net = network->net;
	char buf[16];

	if (network_bridge(net, buf)[0])
		add(devices, network, DEVICE_BRIDGE, buf);
	if (network_has_bridge(net) && net->vlan.id)
		add(devices, network, DEVICE_VLAN, network_device(net, NETWORK_VLAN_PREFIX, buf));
	/* A port may bring it about that traffic is shaped: the name is known in any case. */
	if (net->mode != NETWORK_SRIOV)
		add(devices, network, DEVICE_SHAPER, network_device(net, NETWORK_IFB_PREFIX, buf));
	if (net->uplink)
		add(devices, network, DEVICE_UPLINK, net->uplink);
	vec_each(link, &net->links)
		add_link(devices, network, link);
}

static int compare_name(const void *name, const void *item)
{
	/* Before all of its name: the search ends at the first. */
	return strcmp(name, ((const struct device *)item)->name) > 0 ? 1 : -1;
}

/* How the device was is as true of it in the new table. The old one's networks may be gone. */
static void carry_over(struct devices *from, struct device *to)
{
	bool found;
	size_t i = vec_search(&from->all, to->name, compare_name, &found);

	for (; i < from->all.n && strcmp(from->all.v[i].name, to->name) == 0; i++) {
		struct device *was = &from->all.v[i];

		if (was->role != to->role)
			continue;
		was->network = to->network;
		free(to->mark);
		*to = *was;
		was->mark = mem_strdup(was->mark);
		return;
	}
}

static struct devices *table(struct registry *reg)
{
	struct devices *old = reg->devices;

	if (old && !old->is_outdated)
		return old;
	reg->devices = mem_alloc(sizeof(*reg->devices));
	vec_each(entry, &reg->networks)
		add_network(reg->devices, *entry);
	vec_sort(&reg->devices->all, compare);
	if (!old)
		return reg->devices;
	vec_each(device, &reg->devices->all)
		carry_over(old, device);
	vec_each(mtu, &old->mtus)
		vec_push(&reg->devices->mtus, *mtu);
	devices_free(old);
	return reg->devices;
}

struct device *devices_find(struct registry *reg, const char *name, size_t *ret_n)
{
	struct devices *devices = table(reg);
	bool found;
	size_t i = vec_search(&devices->all, name, compare_name, &found), n = 0;

	while (i + n < devices->all.n && strcmp(devices->all.v[i + n].name, name) == 0)
		n++;
	*ret_n = n;
	return n ? &devices->all.v[i] : NULL;
}

struct device *devices_all(struct registry *reg, size_t *ret_n)
{
	struct devices *devices = table(reg);

	*ret_n = devices->all.n;
	return devices->all.v;
}

/* ---- how they are ---- */

static int compare_links(const void *a, const void *b)
{
	return strcmp((*(const struct link *const *)a)->name, (*(const struct link *const *)b)->name);
}

bool device_is_own(const struct device *device)
{
	switch (device->role) {
	case DEVICE_BRIDGE:
		return network_owns_bridge(device->network->net) ||
		       !network_has_bridge(device->network->net);
	case DEVICE_VLAN:
	case DEVICE_LINK:
	case DEVICE_SHAPER:
		return true;
	case DEVICE_UPLINK:
	case DEVICE_UNDERLAY:
		break;
	}
	return false;
}

bool device_differs(const struct device *device, const struct link *link)
{
	return device->ifindex != link->ifindex || device->mtu != link->mtu ||
	       device->is_up != !!(link->flags & IFF_UP);
}

/* One that is made by the very plan that needs it is not missing. */
static bool is_made_by_us(struct registry *reg, const char *name)
{
	size_t n;
	const struct device *device = devices_find(reg, name, &n);

	for (size_t i = 0; i < n; i++)
		if (device[i].role == DEVICE_BRIDGE && device[i].network->is_wanted)
			return true;
	return false;
}

static int compare_mtu(const void *ifindex, const void *item)
{
	return *(const int *)ifindex - ((const struct mtu *)item)->ifindex;
}

bool devices_narrows(struct registry *reg, const struct link *link)
{
	const struct devices *devices = table(reg);
	bool found;
	size_t i;

	if (!devices->follow_routes || link_is_ours(link))
		return false;
	i = vec_search(&devices->mtus, &link->ifindex, compare_mtu, &found);
	return found && devices->mtus.v[i].mtu != link->mtu;
}

static void note(struct registry *reg, struct device *device, const struct link *link)
{
	struct network_entry *network = device->network;

	device->ifindex = link ? link->ifindex : 0;
	device->mtu = link ? link->mtu : 0;
	device->is_up = link && link->flags & IFF_UP;
	mem_replace(&device->mark, link && link_is_ours(link) && device_is_own(device) ? link->alias
										      : NULL);
	device->look = (struct link_look){ 0 };
	if (link && device_is_own(device))
		link_look(link, &device->look);
	switch (device->role) {
	case DEVICE_BRIDGE:
		network->bridge_ifindex = device->ifindex;
		network->bridge_mtu = device->mtu;
		break;
	case DEVICE_UPLINK:
		network->uplink_mtu = device->mtu;
		__attribute__((fallthrough));
	case DEVICE_UNDERLAY:
		if (!link && !is_made_by_us(reg, device->name))
			snprintf(network->missing, sizeof(network->missing), "%s", device->name);
		break;
	default:
		break;
	}
}

void devices_note(struct registry *reg, const struct snapshot *snap)
{
	struct devices *devices = table(reg);
	VEC(const struct link *) links = { 0 };
	size_t i = 0;

	devices->mtus.n = 0;
	vec_each(link, &snap->links) {
		vec_push(&links, link);
		if (devices->follow_routes)
			vec_push(&devices->mtus, (struct mtu){ link->ifindex, link->mtu });
	}
	vec_sort(&links, compare_links);
	vec_each(entry, &reg->networks)
		(*entry)->missing[0] = '\0';
	vec_each(device, &devices->all) {
		const struct link *link;

		while (i < links.n && strcmp(links.v[i]->name, device->name) < 0)
			i++;
		link = i < links.n && strcmp(links.v[i]->name, device->name) == 0 ? links.v[i] : NULL;
		/* One that somebody renamed is still known, until devices_claim() has given its name back. */
		if (link || !device->mark || !snapshot_link_by_index(snap, device->ifindex))
			note(reg, device, link);
	}
	vec_free(&links);
}

/* A name that somebody else's device has by now is not to be had. */
static bool has_lost_name(const struct snapshot *snap, const struct link *link, const char *name)
{
	return strcmp(link->name, name) != 0 && !snapshot_link(snap, name);
}

static void claim(const struct snapshot *snap, const struct link *link, const char *network,
		  const char *name, const char *mark, op_vec *ops)
{
	bool has_name = !has_lost_name(snap, link, name), has_mark = !mark || link_is_ours(link);
	struct op *op;

	if (has_name && has_mark)
		return;
	op = op_add(ops, OP_LINK_SET, network);
	op->link.set = (has_name ? 0 : LINK_SET_NAME) | (has_mark ? 0 : LINK_SET_ALIAS);
	memcpy(op->link.old_name, link->name, sizeof(op->link.old_name));
	snprintf(op->link.name, sizeof(op->link.name), "%s", has_name ? link->name : name);
	/* It is lowered for that, and must not stay so should the rest of its repair have to wait. */
	if (!has_name && link->flags & IFF_UP) {
		op->link.set |= LINK_SET_UP;
		op->link.up = true;
	}
	if (!has_mark)
		snprintf(op->link.alias, sizeof(op->link.alias), "%s", mark);
}

void devices_claim(struct registry *reg, const struct snapshot *snap, op_vec *ops)
{
	vec_each(device, &table(reg)->all) {
		const struct link *link = device->mark && device->network->is_wanted
						  ? snapshot_link_by_index(snap, device->ifindex)
						  : NULL;

		if (link)
			claim(snap, link, device->network->net->name, device->name, device->mark, ops);
	}
	/* A port's mark is the plan's own business: it knows its device by name. */
	vec_each(entry, &reg->ports) {
		const struct link *link = (*entry)->ifindex && !(*entry)->is_elsewhere &&
							  (*entry)->port->kind != PORT_VF
						  ? snapshot_link_by_index(snap, (*entry)->ifindex)
						  : NULL;

		if (link)
			claim(snap, link, (*entry)->port->network, (*entry)->port->ifname, NULL, ops);
	}
}

unsigned devices_index(const char *name)
{
	static int fd = -1;
	struct ifreq request = { 0 };

	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return fd >= 0 && ioctl(fd, SIOCGIFINDEX, &request) == 0 ? (unsigned)request.ifr_ifindex : 0;
}

void devices_outdate(struct devices *devices)
{
	if (devices)
		devices->is_outdated = true;
}

struct devices *devices_free(struct devices *devices)
{
	if (!devices)
		return NULL;
	vec_each(device, &devices->all)
		free(device->mark);
	vec_free(&devices->all);
	vec_free(&devices->mtus);
	free(devices);
	return NULL;
}
