/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check_uplinks.c - what must hold between networks that share wires: uplinks,
 * VLANs on them, devices of ours below others of ours, and tunnels.
 *
 * Sorted and compared with neighbours, like check_networks.c.
 */

#include "model/check_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

/* --- devices that we make --- */

#define NEST_MAX 7 /* devices on a NIC and each other: the kernel's MAX_NEST_DEV, less the NIC */

struct device {
	char name[16];
	const struct network *net;
	bool is_bridge; /* may carry something */
};
typedef VEC(struct device) device_vec;

static int device_order(const void *a, const void *b)
{
	return strcmp(((const struct device *)a)->name, ((const struct device *)b)->name);
}

static int device_compare(const void *key, const void *item)
{
	return strcmp(key, ((const struct device *)item)->name);
}

static void add_device(device_vec *devices, const struct network *net, const char *name,
		       bool is_bridge)
{
	struct device *device = vec_add(devices);

	snprintf(device->name, sizeof(device->name), "%s", name);
	device->net = net;
	device->is_bridge = is_bridge;
}

static void list_devices(struct network *const *nets, size_t n, device_vec *ret)
{
	char name[16];

	for (size_t i = 0; i < n; i++) {
		const struct network *net = nets[i];

		if (network_owns_bridge(net))
			add_device(ret, net, network_bridge(net, name), true);
		else if (net->macvtap.companion)
			add_device(ret, net, network_bridge(net, name), false);
		if (net->vlan.id && network_has_bridge(net))
			add_device(ret, net, network_device(net, NETWORK_VLAN_PREFIX, name), false);
		add_device(ret, net, network_device(net, NETWORK_IFB_PREFIX, name), false);
	}
	vec_sort(ret, device_order);
}

static const struct device *find_device(const device_vec *devices, const char *name)
{
	bool found;
	size_t i = vec_search(devices, name, device_compare, &found);

	return found ? &devices->v[i] : NULL;
}

/* The network whose bridge carries this one's VLAN, or NULL. */
static const struct network *network_below(const device_vec *devices, const struct network *net)
{
	const struct device *device = net->uplink ? find_device(devices, net->uplink) : NULL;

	return device ? device->net : NULL;
}

static int check_nesting(const device_vec *devices, const struct network *net,
			 struct vnet_error *err)
{
	unsigned levels = 0;

	for (const struct network *at = net; at; at = network_below(devices, at)) {
		levels += 1 + !!at->vlan.id + !!at->vlan.service;
		if (levels > NEST_MAX)
			return check_refuse(net, NULL, "uplink", err, "interface-conflict",
					    "more than %d devices would be on each other from here "
					    "down, or they form a circle; the kernel refuses both",
					    NEST_MAX);
	}
	return 0;
}

/* An uplink that is ours has to be a bridge, and one which lets VLANs through to itself. */
static int check_own_uplink(const device_vec *devices, const struct network *net,
			    struct vnet_error *err)
{
	const struct device *below = net->uplink ? find_device(devices, net->uplink) : NULL;
	char other[OTHER_MAX];

	if (!below)
		return 0;
	if (!below->is_bridge || net->mode == NETWORK_SRIOV)
		return check_refuse(net, NULL, "uplink", err, "interface-conflict",
				    "%s is a device that netd makes for %s; name a NIC, a bond or a "
				    "bridge",
				    net->uplink, check_other(below->net, NULL, other));
	if (net->vlan.id && below->net->bridge.vlan_filtering)
		return check_refuse(net, NULL, "vlan", err, "vlan-conflict",
				    "%s is VLAN-aware: its VLANs are for its ports, so attach there "
				    "with vlan: %u",
				    net->uplink, net->vlan.id);
	return check_nesting(devices, net, err);
}

/* --- networks on one uplink --- */

struct user {
	const struct network *net;
	size_t order; /* of declaration: the later one is refused */
};
typedef VEC(struct user) user_vec;

static int user_order(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	int r = strcmp(x->net->uplink, y->net->uplink);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

/* Of the two, the one that was declared last. */
static const struct network *later(const struct user *a, const struct user *b)
{
	return a->order > b->order ? a->net : b->net;
}

static const struct network *earlier(const struct user *a, const struct user *b)
{
	return a->order > b->order ? b->net : a->net;
}

static bool is_passthru(const struct network *net)
{
	return net->mode == NETWORK_MACVTAP && net->macvtap.mode == MACVTAP_PASSTHRU;
}

/* A NIC gives its frames to a bridge, to macvtap devices, or to one device which has its MAC. */
static int check_sharing(const struct user *a, const struct user *b, struct vnet_error *err)
{
	const struct network *x = a->net, *y = b->net, *refused = later(a, b);
	char other[OTHER_MAX];

	if ((x->mode == NETWORK_MACVTAP && network_takes_uplink(y)) ||
	    (y->mode == NETWORK_MACVTAP && network_takes_uplink(x)))
		return check_refuse(refused, NULL, "uplink", err, "interface-conflict",
				    "%s is in use by %s: a NIC gives its frames to a bridge or to "
				    "macvtap devices, not to both",
				    refused->uplink, check_other(earlier(a, b), NULL, other));
	if (is_passthru(x) || is_passthru(y))
		return check_refuse(refused, NULL, "uplink", err, "interface-conflict",
				    "%s is in use by %s: macvtap mode passthru has its NIC for one "
				    "port alone",
				    refused->uplink, check_other(earlier(a, b), NULL, other));
	return 0;
}

static int check_functions(const struct user *a, const struct user *b, struct vnet_error *err)
{
	const struct network *x = a->net, *y = b->net, *refused = later(a, b);
	char other[OTHER_MAX];

	if (x->mode != NETWORK_SRIOV || y->mode != NETWORK_SRIOV)
		return 0;
	if (x->sriov.has_vfs && y->sriov.has_vfs &&
	    (x->sriov.last_vf < y->sriov.first_vf || y->sriov.last_vf < x->sriov.first_vf))
		return 0;
	return check_refuse(refused, NULL, refused->sriov.has_vfs ? "sriov.vfs" : "uplink", err,
			    "interface-conflict",
			    "virtual functions of %s would belong to %s too; give both networks "
			    "sriov.vfs that do not overlap",
			    refused->uplink, check_other(earlier(a, b), NULL, other));
}

/* The tag that is outside on the uplink. */
static unsigned outer_id(const struct network *net)
{
	return net->vlan.service ? net->vlan.service : net->vlan.id;
}

static enum vlan_protocol outer_protocol(const struct network *net)
{
	return net->vlan.service ? VLAN_8021AD : net->vlan.protocol;
}

/* What the bridge in x has of the uplink, the VLAN device of y would take away. */
static int check_carried(const struct user *a, const struct user *b, struct vnet_error *err)
{
	const struct network *x = a->net, *y = b->net, *refused = later(a, b);
	const struct bridge_options *bridge = &x->bridge;
	unsigned id = outer_id(y);
	char other[OTHER_MAX];

	if (!network_takes_uplink(x) || !bridge->vlan_filtering || !y->vlan.id ||
	    y->mode == NETWORK_SRIOV || bridge->vlan_protocol != outer_protocol(y))
		return 0;
	if (bridge->uplink_vlans.n && !vlan_ranges_contain(&bridge->uplink_vlans, id) &&
	    id != network_native_vlan(x))
		return 0;
	return check_refuse(refused, NULL, refused == y ? "vlan" : "bridge.uplink_vlans", err,
			    "vlan-conflict",
			    "VLAN %u of %s would be in the VLAN-aware bridge and in a network of its "
			    "own: %s has it too; leave it out of bridge.uplink_vlans, or attach ports "
			    "with vlan: %u",
			    id, refused->uplink, check_other(earlier(a, b), NULL, other), id);
}

/* Pairs that matter have one side which is rare: a takeover, macvtap or SR-IOV. */
static int check_pair(const struct user *a, const struct user *b, struct vnet_error *err)
{
	int r = check_sharing(a, b, err);

	if (r == 0)
		r = check_functions(a, b, err);
	if (r == 0)
		r = check_carried(a, b, err);
	return r < 0 ? r : check_carried(b, a, err);
}

static bool is_plain_vlan(const struct network *net)
{
	return net->vlan.id && network_has_bridge(net);
}

/* v[0..n) have one uplink. */
static int check_users(const struct user *v, size_t n, struct vnet_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (is_plain_vlan(v[i].net))
			continue; /* among themselves: check_same_vlans() */
		for (size_t k = 0; r == 0 && k < n; k++)
			if (is_plain_vlan(v[k].net) || k < i)
				r = check_pair(&v[i], &v[k], err);
	}
	return r;
}

/* --- VLANs of one uplink --- */

static int tag_order(const struct user *x, const struct user *y)
{
	int r = strcmp(x->net->uplink, y->net->uplink);

	if (!r)
		r = (int)outer_protocol(x->net) - (int)outer_protocol(y->net);
	return r ? r : (int)outer_id(x->net) - (int)outer_id(y->net);
}

/* By the outer tag; whoever has no other comes first; then by the inner one. */
static int vlan_order(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	int r = tag_order(x, y);

	if (!r)
		r = !!x->net->vlan.service - !!y->net->vlan.service;
	if (!r)
		r = (int)x->net->vlan.protocol - (int)y->net->vlan.protocol;
	if (!r)
		r = (int)x->net->vlan.id - (int)y->net->vlan.id;
	return r ? r : (x->order > y->order) - (x->order < y->order);
}

/* Two networks with one outer tag on their uplink. */
static int check_same_tag(const struct user *a, const struct user *b, struct vnet_error *err)
{
	const struct network *x = a->net, *y = b->net, *refused = later(a, b);
	char other[OTHER_MAX];

	check_other(earlier(a, b), NULL, other);
	if (!x->vlan.service != !y->vlan.service)
		return check_refuse(refused, NULL, "vlan", err, "vlan-conflict",
				    "the 802.1ad tag %u of %s would be a VLAN by itself and the outer "
				    "tag of others: %s has it too; choose another id",
				    outer_id(refused), refused->uplink, other);
	if (x->vlan.service &&
	    (x->vlan.protocol != y->vlan.protocol || x->vlan.id != y->vlan.id))
		return 0;
	return check_refuse(refused, NULL, "vlan", err, "vlan-conflict",
			    "VLAN %u of %s belongs to %s already; choose another id",
			    refused->vlan.id, refused->uplink, other);
}

static int check_same_vlans(user_vec *users, struct vnet_error *err)
{
	int r = 0;

	vec_sort(users, vlan_order);
	for (size_t i = 1; r == 0 && i < users->n; i++)
		if (tag_order(&users->v[i - 1], &users->v[i]) == 0)
			r = check_same_tag(&users->v[i - 1], &users->v[i], err);
	return r;
}

static int check_shared_uplinks(struct network *const *nets, size_t n, struct vnet_error *err)
{
	user_vec users = { 0 }, vlans = { 0 };
	size_t first = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (!nets[i]->uplink)
			continue;
		vec_push(&users, (struct user){ nets[i], i });
		if (is_plain_vlan(nets[i]))
			vec_push(&vlans, (struct user){ nets[i], i });
	}
	vec_sort(&users, user_order);
	for (size_t i = 1; r == 0 && i <= users.n; i++) {
		if (i < users.n &&
		    strcmp(users.v[i].net->uplink, users.v[first].net->uplink) == 0)
			continue;
		r = check_users(users.v + first, i - first, err);
		first = i;
	}
	if (r == 0)
		r = check_same_vlans(&vlans, err);
	vec_free(&users);
	vec_free(&vlans);
	return r;
}

int check_uplinks(struct network *const *nets, size_t n, struct vnet_error *err)
{
	device_vec devices = { 0 };
	int r = 0;

	list_devices(nets, n, &devices);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = check_own_uplink(&devices, nets[i], err);
	vec_free(&devices);
	return r < 0 ? r : check_shared_uplinks(nets, n, err);
}

/* --- tunnels --- */

/* What the kernel tells tunnels apart by; of VXLAN without ends, for one socket serves all. */
struct tunnel {
	const struct network *net;
	const struct network_link *link;
	struct ip local, peer;
	size_t index, order;
};

static unsigned vxlan_port(const struct network_link *link)
{
	return link->kind == LINK_VXLAN && !link->port ? VXLAN_PORT : link->port;
}

static int number_order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int tunnel_cmp(const struct tunnel *x, const struct tunnel *y)
{
	int r = number_order(x->link->kind, y->link->kind);

	if (!r)
		r = number_order(x->link->local.family, y->link->local.family);
	/* To ip6_gre no key is key 0; to ip_gre they differ. */
	if (!r && x->link->local.family == AF_INET)
		r = number_order(x->link->has_key, y->link->has_key);
	if (!r)
		r = number_order(x->link->key, y->link->key);
	if (!r)
		r = number_order(vxlan_port(x->link), vxlan_port(y->link));
	if (!r)
		r = ip_cmp(&x->local, &y->local);
	return r ? r : ip_cmp(&x->peer, &y->peer);
}

static int tunnel_order(const void *a, const void *b)
{
	const struct tunnel *x = a, *y = b;
	int r = tunnel_cmp(x, y);

	return r ? r : number_order(x->order, y->order);
}

static int refuse_tunnel(const struct tunnel *a, const struct tunnel *b, struct vnet_error *err)
{
	char peer[ADDR_TEXT_MAX], other[OTHER_MAX];

	check_other(a->net, &a->link->source, other);
	if (b->link->kind == LINK_VXLAN)
		return check_refuse(b->net, &b->link->source, PATH("links[%zu].vni", b->index), err,
				    "link-conflict",
				    "VXLAN %u on UDP port %u is link %s of %s already; choose another "
				    "vni or port",
				    b->link->key, vxlan_port(b->link), a->link->name, other);
	return check_refuse(b->net, &b->link->source, PATH("links[%zu].key", b->index), err,
			    "link-conflict",
			    "link %s of %s goes to %s with %s too; frames of the two could not be "
			    "told apart, so give them different keys",
			    a->link->name, other, ip_format(&b->peer, peer),
			    b->link->has_key ? "the same key" : "no key");
}

int check_tunnels(struct network *const *nets, size_t n, struct vnet_error *err)
{
	VEC(struct tunnel) tunnels = { 0 };
	int r = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < nets[i]->links.n; k++) {
			const struct network_link *link = &nets[i]->links.v[k];
			struct tunnel t = { .net = nets[i], .link = link, .index = k,
					    .order = tunnels.n };

			if (link->kind == LINK_VXLAN)
				vec_push(&tunnels, t);
			t.local = link->local;
			for (size_t m = 0; link->kind != LINK_VXLAN && m < link->peers.n; m++) {
				t.peer = link->peers.v[m];
				vec_push(&tunnels, t);
			}
		}
	vec_sort(&tunnels, tunnel_order);
	for (size_t i = 1; r == 0 && i < tunnels.n; i++)
		if (tunnel_cmp(&tunnels.v[i - 1], &tunnels.v[i]) == 0)
			r = refuse_tunnel(&tunnels.v[i - 1], &tunnels.v[i], err);
	vec_free(&tunnels);
	return r;
}
