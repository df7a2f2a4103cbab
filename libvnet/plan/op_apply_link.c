/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * op_apply_link.c - devices: made, changed, deleted
 *
 * What stands on another device (kinds vlan, macvlan, macvtap, vxlan) ends with
 * it; the first three never have a larger MTU; a VLAN device is raised and
 * lowered with the one below (vlan_device_event()) and cannot be up without.
 */

#include "plan/op_apply.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <stdio.h>

/* linux/if_bridge.h's BR_STATE_* drag in all of linux/if_ether.h. */
enum { PORT_DISABLED = 0, PORT_FORWARDING = 3 };

#define BRIDGE_PORT_FIELDS (LINK_SET_ISOLATED | LINK_SET_ROOT_GUARD | LINK_SET_STATE | \
			    LINK_SET_LEARNING | LINK_SET_FLOOD | LINK_SET_MCAST_FLOOD | \
			    LINK_SET_HAIRPIN | LINK_SET_PROXY_ARP)

/* Names. */

static size_t hash_name(const char *name)
{
	size_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 ^ (unsigned char)*name;
	return hash;
}

static void put_name(struct link_names *names, const struct link *link)
{
	size_t i = hash_name(link->name) & (names->size - 1);

	while (names->slots[i] > 0)
		i = (i + 1) & (names->size - 1);
	names->n_used += !names->slots[i];
	names->slots[i] = link->ifindex;
}

static uint8_t *below_bit(struct link_names *names, int ifindex, uint8_t *ret_bit)
{
	*ret_bit = (uint8_t)(1 << (ifindex & 7));
	return &names->is_below[(unsigned)ifindex / 8 % sizeof(names->is_below)];
}

static void note_below(struct link_names *names, int parent)
{
	uint8_t bit, *byte = below_bit(names, parent, &bit);

	*byte |= bit;
}

/* False: nothing stands on it, and nobody needs to look. */
static bool may_be_below(const struct applier *a, const struct link *link)
{
	uint8_t bit, *byte;

	if (!a->names)
		return true;
	byte = below_bit(a->names, link->ifindex, &bit);
	return *byte & bit;
}

void link_names_build(struct link_names *names, const struct snapshot *snap)
{
	free(names->slots);
	names->size = 64;
	while (names->size < snap->links.n * 4)
		names->size *= 2;
	names->n_used = 0;
	names->slots = mem_alloc(names->size * sizeof(*names->slots));
	vec_each(link, &snap->links) {
		put_name(names, link);
		if (link->parent)
			note_below(names, link->parent);
	}
}

void link_names_free(struct link_names *names)
{
	free(names->slots);
	*names = (struct link_names){ 0 };
}

/* Its slot, or names->size. */
static size_t find_slot(const struct link_names *names, const struct snapshot *snap,
			const char *name)
{
	size_t i = hash_name(name) & (names->size - 1);

	for (; names->slots[i]; i = (i + 1) & (names->size - 1)) {
		const struct link *link = snapshot_link_by_index(snap, names->slots[i]);

		if (link && strcmp(link->name, name) == 0)
			return i;
	}
	return names->size;
}

const struct link *link_names_find(const struct link_names *names, const struct snapshot *snap,
				   const char *name)
{
	size_t i = find_slot(names, snap, name);

	return i < names->size ? snapshot_link_by_index(snap, names->slots[i]) : NULL;
}

static void add_name(struct applier *a, const struct link *link)
{
	if (!a->names)
		return;
	if (a->names->n_used * 2 > a->names->size)
		link_names_build(a->names, a->snap);
	else
		put_name(a->names, link);
}

struct link *apply_find_link(const struct applier *a, const char *name)
{
	if (a->names)
		return (struct link *)link_names_find(a->names, a->snap, name);
	return (struct link *)snapshot_link(a->snap, name);
}

int apply_no_device(const struct applier *a, const char *name)
{
	return vnet_error_set(a->err, -ENODEV, "no-device", "no device %s", name);
}

/* Making. */

/* As the kernel counts: always up. */
static void skip_index(struct snapshot *snap, int ifindex)
{
	if (snap->next_ifindex <= ifindex)
		snap->next_ifindex = ifindex + 1;
}

static struct link *add_link(struct applier *a, const char *name, const char *kind)
{
	struct snapshot *snap = a->snap;
	struct link *link;

	if (snap->links.n) /* sorted: the last is the highest */
		skip_index(snap, snap->links.v[snap->links.n - 1].ifindex);
	if (!snap->next_ifindex)
		snap->next_ifindex = 1;
	link = vec_add(&snap->links);
	link->ifindex = snap->next_ifindex++;
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	link->flags = IFF_BROADCAST | IFF_MULTICAST;
	link->mtu = 1500;
	link->txqueuelen = 1000;
	add_name(a, link);
	apply_new_conf(a, link->name);
	return link;
}

static struct mac random_mac(const struct link *link)
{
	return (struct mac){ { 0x02, 0, 0, 0, (uint8_t)(link->ifindex >> 8),
			       (uint8_t)link->ifindex } };
}

static int exists(const struct applier *a, const char *name)
{
	return vnet_error_set(a->err, -EEXIST, "device-exists",
			      "a device named %s exists already", name);
}

/* Without a protocol VLAN settings stay as they are; a new bridge has Linux's. */
static struct bridge_state next_bridge(const struct bridge_state *is, const struct bridge_state *op)
{
	struct bridge_state next = *op;

	if (!op->vlan_protocol) {
		next.vlan_filtering = is && is->vlan_filtering;
		next.vlan_protocol = is ? is->vlan_protocol : ETH_P_8021Q;
		next.default_pvid = is ? is->default_pvid : 1;
	}
	return next;
}

int apply_bridge_create(const struct op_link *op, struct applier *a)
{
	struct link *link = apply_find_link(a, op->name);

	if (link && (strcmp(link->kind, "bridge") != 0 || strcmp(link->alias, op->alias) != 0))
		return exists(a, op->name);
	if (link)
		return 0;
	link = add_link(a, op->name, "bridge");
	link->mac = op->mac;
	link->mtu = op->mtu ? op->mtu : 1500;
	memcpy(link->alias, op->alias, sizeof(link->alias));
	link->bridge = next_bridge(NULL, &op->bridge);
	if (op->set & LINK_SET_ADDR_GEN)
		link->addr_gen_mode = op->addr_gen_mode;
	if (link->bridge.vlan_filtering)
		apply_vlans_joined(a->snap, link->ifindex, &link->bridge);
	return 0;
}

static bool is_kind(const char *kind, const char *first, const char *second)
{
	return strcmp(kind, first) == 0 || strcmp(kind, second) == 0;
}

static bool is_macvlan(const struct link *link)
{
	return is_kind(link->kind, "macvlan", "macvtap");
}

static bool is_vlan(const struct link *link)
{
	return strcmp(link->kind, "vlan") == 0;
}

/* What the kernel refuses to have twice. */
static bool is_twin(const struct link *link, const struct op_link *op, int parent)
{
	if (strcmp(link->kind, op->kind) != 0)
		return false;
	if (is_vlan(link))
		return link->parent == parent && link->vlan.id == op->vlan.id &&
		       link->vlan.protocol == op->vlan.protocol;
	if (is_kind(link->kind, "gretap", "ip6gretap"))
		return link->parent == parent && ip_cmp(&link->gre.local, &op->gre.local) == 0 &&
		       ip_cmp(&link->gre.remote, &op->gre.remote) == 0 &&
		       link->gre.has_key == op->gre.has_key && link->gre.key == op->gre.key;
	return strcmp(link->kind, "vxlan") == 0 && link->vxlan.vni == op->vxlan.vni &&
	       link->vxlan.port == op->vxlan.port && link->parent == parent &&
	       link->vxlan.local.family == op->vxlan.local.family;
}

/* The planner, which has names, asks before. */
static int check_twins(const struct op_link *op, int parent, const struct applier *a)
{
	if (a->names)
		return 0;
	vec_each(link, &a->snap->links)
		if (is_twin(link, op, parent))
			return vnet_error_set(a->err, -EEXIST, "device-exists",
					      "%s: %s is the same already", op->name, link->name);
	return 0;
}

static int check_mtu(const struct applier *a, const struct link *link, const char *kind, int parent,
		     uint32_t mtu)
{
	const struct link *below = snapshot_link_by_index(a->snap, parent);

	if (!below || mtu <= below->mtu ||
	    (strcmp(kind, "vlan") != 0 && !is_kind(kind, "macvlan", "macvtap")))
		return 0;
	return vnet_error_set(a->err, strcmp(kind, "vlan") ? -EINVAL : -ERANGE, "mtu-too-large",
			      "%s: MTU %u is above that of %s", link ? link->name : "new device",
			      mtu, below->name);
}

static void fill_link(struct link *link, const struct op_link *op, const struct link *below)
{
	link->parent = below ? below->ifindex : 0;
	link->mtu = op->mtu ? op->mtu : below ? below->mtu : 1500;
	link->mac = op->mac;
	if (mac_is_zero(&op->mac))
		link->mac = below && is_vlan(link) ? below->mac : random_mac(link);
	memcpy(link->alias, op->alias, sizeof(link->alias));
	link->addr_gen_mode = op->set & LINK_SET_ADDR_GEN ? op->addr_gen_mode : 0;
	link->vlan = op->vlan;
	link->macvlan = op->macvlan;
	link->gre = op->gre;
	link->vxlan = op->vxlan;
}

int apply_link_create(const struct op_link *op, struct applier *a)
{
	const struct link *below = op->parent[0] ? apply_find_link(a, op->parent) : NULL;
	struct link *link = apply_find_link(a, op->name);
	int parent, rc;

	if (op->parent[0] && !below)
		return apply_no_device(a, op->parent);
	if (link && (strcmp(link->kind, op->kind) != 0 || strcmp(link->alias, op->alias) != 0))
		return exists(a, op->name);
	if (link)
		return 0;
	parent = below ? below->ifindex : 0;
	if ((rc = check_twins(op, parent, a)) < 0 ||
	    (rc = check_mtu(a, NULL, op->kind, parent, op->mtu)) < 0)
		return rc;
	link = add_link(a, op->name, op->kind);
	fill_link(link, op, parent ? snapshot_link_by_index(a->snap, parent) : NULL);
	if (parent && a->names)
		note_below(a->names, parent);
	return 0;
}

int apply_tap_create(const struct op_tap *op, struct applier *a)
{
	struct link *link = apply_find_link(a, op->name);

	if (link && (strcmp(link->kind, "tun") != 0 || !link->tun.is_tap))
		return exists(a, op->name);
	if (!link) {
		link = add_link(a, op->name, "tun");
		link->mac = random_mac(link);
		link->tun.is_tap = true;
	}
	link->tun.is_persistent = true;
	link->tun.is_multi_queue = op->multi_queue;
	link->tun.has_vnet_hdr = op->vnet_hdr;
	link->tun.owner = op->owner;
	link->tun.group = op->group;
	memcpy(link->alias, op->alias, sizeof(link->alias));
	return 0;
}

/* Changing. */

static void raise_link(const struct applier *a, struct link *link)
{
	if (link->flags & IFF_UP)
		return;
	link->flags |= IFF_UP;
	if (link->master && link->flags & IFF_LOWER_UP)
		link->port.state = PORT_FORWARDING;
	apply_ip_raised(a->snap, link);
	if (!may_be_below(a, link))
		return;
	vec_each(above, &a->snap->links)
		if (is_vlan(above) && above->parent == link->ifindex)
			raise_link(a, above);
}

static void lower_link(const struct applier *a, struct link *link)
{
	if (!(link->flags & IFF_UP))
		return;
	link->flags &= ~(uint32_t)IFF_UP;
	link->port.state = PORT_DISABLED;
	apply_ip_lowered(a->snap, link);
	if (!may_be_below(a, link))
		return;
	vec_each(above, &a->snap->links)
		if (is_vlan(above) && above->parent == link->ifindex)
			lower_link(a, above);
}

static void set_mtu(const struct applier *a, struct link *link, uint32_t mtu)
{
	link->mtu = mtu;
	if (!may_be_below(a, link))
		return;
	vec_each(above, &a->snap->links)
		if ((is_vlan(above) || is_macvlan(above)) && above->parent == link->ifindex &&
		    above->mtu > mtu)
			set_mtu(a, above, mtu);
}

static int set_master(const struct applier *a, struct link *link, const char *master)
{
	const struct link *bridge = NULL;

	if (master[0] && !(bridge = apply_find_link(a, master)))
		return apply_no_device(a, master);
	if (bridge && strcmp(bridge->kind, "bridge") != 0)
		return vnet_error_set(a->err, -EINVAL, "not-a-bridge", "%s is not a bridge", master);
	if ((bridge ? bridge->ifindex : 0) == link->master)
		return 0;
	link->master = bridge ? bridge->ifindex : 0;
	link->port = (struct bridge_port_state){ 0 };
	apply_vlans_left(a->snap, link->ifindex);
	if (!bridge)
		return 0;
	apply_vlans_joined(a->snap, link->ifindex, &bridge->bridge);
	link->port.learning = link->port.flood = link->port.multicast_flood = true;
	if (link->flags & IFF_UP)
		link->port.state = PORT_FORWARDING;
	return 0;
}

static void set_port_options(struct link *link, const struct op_link *op)
{
	if (op->set & LINK_SET_ISOLATED)
		link->port.isolated = op->port.isolated;
	if (op->set & LINK_SET_ROOT_GUARD)
		link->port.root_guard = op->port.root_guard;
	if (op->set & LINK_SET_LEARNING)
		link->port.learning = op->port.learning;
	if (op->set & LINK_SET_FLOOD)
		link->port.flood = op->port.flood;
	if (op->set & LINK_SET_MCAST_FLOOD)
		link->port.multicast_flood = op->port.multicast_flood;
	if (op->set & LINK_SET_HAIRPIN)
		link->port.hairpin = op->port.hairpin;
	if (op->set & LINK_SET_PROXY_ARP)
		link->port.proxy_arp = op->port.proxy_arp;
	if (op->set & LINK_SET_STATE)
		link->port.state = op->port.state;
}

/*
 * VLANs of a bridge that does not look at them are not seen.  A port that is in
 * the default VLAN only by default moves to the next one.
 */
static void set_bridge(struct snapshot *snap, struct link *link, const struct bridge_state *op)
{
	struct bridge_state was = link->bridge, is = next_bridge(&was, op);

	link->bridge = is;
	if (was.vlan_filtering == is.vlan_filtering && was.default_pvid == is.default_pvid)
		return;
	vec_each(port, &snap->links) {
		if (port->master != link->ifindex && port != link)
			continue;
		if (was.vlan_filtering && is.vlan_filtering) {
			apply_vlans_default(snap, port->ifindex, was.default_pvid, is.default_pvid);
			continue;
		}
		apply_vlans_left(snap, port->ifindex);
		apply_vlans_joined(snap, port->ifindex, &is);
	}
}

static void set_kind(struct link *link, const struct op_link *op)
{
	if (is_kind(link->kind, "gretap", "ip6gretap")) {
		link->gre.ttl = op->gre.ttl;
		link->gre.tos = op->gre.tos;
		link->gre.pmtudisc = op->gre.pmtudisc;
		link->gre.ignore_df = op->gre.ignore_df;
		link->gre.has_encap_limit = op->gre.has_encap_limit;
	} else if (strcmp(link->kind, "vxlan") == 0) {
		link->vxlan.ttl = op->vxlan.ttl;
		link->vxlan.tos = op->vxlan.tos;
		link->vxlan.learning = op->vxlan.learning;
		link->vxlan.df = op->vxlan.df;
	}
}

static void set_fields(const struct applier *a, struct link *link, const struct op_link *op)
{
	if (op->set & LINK_SET_MAC)
		link->mac = op->mac;
	if (op->set & LINK_SET_MTU)
		set_mtu(a, link, op->mtu);
	if (op->set & LINK_SET_TXQUEUELEN)
		link->txqueuelen = op->txqueuelen;
	if (op->set & LINK_SET_GROUP)
		link->group = op->group;
	if (op->set & LINK_SET_ALIAS)
		memcpy(link->alias, op->alias, sizeof(link->alias));
	if (op->set & LINK_SET_ADDR_GEN)
		link->addr_gen_mode = op->addr_gen_mode;
	if (op->set & LINK_SET_BRIDGE)
		set_bridge(a->snap, link, &op->bridge);
	if (op->set & LINK_SET_KIND)
		set_kind(link, op);
	set_port_options(link, op);
	if (op->set & LINK_SET_UP && op->up)
		raise_link(a, link);
	else if (op->set & LINK_SET_UP)
		lower_link(a, link);
}

/* What the kernel would refuse. */
static int check_set(const struct applier *a, const struct link *link, const struct op_link *op)
{
	const struct link *below = snapshot_link_by_index(a->snap, link->parent);

	if (op->set & BRIDGE_PORT_FIELDS && !link->master &&
	    !(op->set & LINK_SET_MASTER && op->master[0]))
		return vnet_error_set(a->err, -EOPNOTSUPP, "no-bridge-port", "%s is on no bridge",
				      op->name);
	if (op->set & LINK_SET_UP && op->up && is_vlan(link) && below && !(below->flags & IFF_UP))
		return vnet_error_set(a->err, -ENETDOWN, "device-down", "%s: %s is down", op->name,
				      below->name);
	return op->set & LINK_SET_MTU ? check_mtu(a, link, link->kind, link->parent, op->mtu) : 0;
}

int apply_link_set(const struct op_link *op, struct applier *a)
{
	struct link *link = apply_find_link(a, op->name);
	int rc;

	if (!link)
		return apply_no_device(a, op->name);
	if ((rc = check_set(a, link, op)) < 0)
		return rc;
	if (op->set & LINK_SET_MASTER && (rc = set_master(a, link, op->master)) < 0)
		return rc;
	set_fields(a, link, op);
	return 0;
}

/* Deleting. */

/* One pass over each array, however many devices go. */
struct doomed {
	bool *is_gone; /* beside snap->links */
	size_t n;
};

static bool is_gone(const struct snapshot *snap, const struct doomed *d, int ifindex)
{
	const struct link *link = snapshot_link_by_index(snap, ifindex);

	return link && d->is_gone[link - snap->links.v];
}

static bool stands_on_another(const struct link *link)
{
	return link->parent && (is_vlan(link) || is_macvlan(link) ||
				strcmp(link->kind, "vxlan") == 0);
}

static void doom_those_above(const struct snapshot *snap, struct doomed *d)
{
	bool grows = true;

	while (grows) {
		grows = false;
		for (size_t i = 0; i < snap->links.n; i++) {
			const struct link *link = &snap->links.v[i];

			if (d->is_gone[i] || !stands_on_another(link) ||
			    !is_gone(snap, d, link->parent))
				continue;
			d->is_gone[i] = grows = true;
			d->n++;
		}
	}
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void drop_switches(struct applier *a, const struct doomed *d)
{
	VEC(const char *) names = { 0 };

	for (size_t i = 0; i < a->snap->links.n; i++)
		if (d->is_gone[i])
			vec_push(&names, a->snap->links.v[i].name);
	vec_sort(&names, compare_text);
	apply_drop_conf(a, names.v, names.n);
	vec_free(&names);
}

#define drop_gone(snap, d, member, index) \
	do { \
		size_t kept_ = 0; \
		for (size_t i_ = 0; i_ < (snap)->member.n; i_++) \
			if (!is_gone(snap, d, (snap)->member.v[i_].index)) \
				(snap)->member.v[kept_++] = (snap)->member.v[i_]; \
		(snap)->member.n = kept_; \
	} while (0)

/* A port that is shaped by an IFB that goes stays so: its frames are lost until it is told otherwise. */
static void drop_objects(struct applier *a, const struct doomed *d)
{
	struct snapshot *snap = a->snap;

	drop_switches(a, d);
	drop_gone(snap, d, addrs, ifindex);
	drop_gone(snap, d, routes, oif);
	drop_gone(snap, d, fdb, ifindex);
	drop_gone(snap, d, shapers, ifindex);
	drop_gone(snap, d, shaper_roots, ifindex);
	drop_gone(snap, d, vfs, ifindex);
	vec_each(link, &snap->links)
		if (link->master && is_gone(snap, d, link->master)) {
			link->master = 0;
			link->port = (struct bridge_port_state){ 0 };
			apply_vlans_left(snap, link->ifindex);
		}
	drop_gone(snap, d, vlans, ifindex);
}

static void delete_doomed(struct applier *a, struct doomed *d)
{
	struct snapshot *snap = a->snap;
	size_t kept = 0;

	doom_those_above(snap, d);
	drop_objects(a, d);
	for (size_t i = 0; i < snap->links.n; i++) {
		if (d->is_gone[i] && a->names)
			a->names->slots[find_slot(a->names, snap, snap->links.v[i].name)] = -1;
		if (d->is_gone[i])
			skip_index(snap, snap->links.v[i].ifindex);
	}
	for (size_t i = 0; i < snap->links.n; i++)
		if (!d->is_gone[i])
			snap->links.v[kept++] = snap->links.v[i];
	snap->links.n = kept;
}

static int refuse_foreign(const struct applier *a, const struct link *link)
{
	return vnet_error_set(a->err, -EPERM, "foreign-device",
			      "%s does not carry our mark; it is left alone", link->name);
}

int apply_link_delete(const struct op_link *op, struct applier *a)
{
	const struct link *link = apply_find_link(a, op->name);
	struct doomed d = { .n = 1 };

	if (!link)
		return 0;
	if (!link_is_ours(link) && !op->force)
		return refuse_foreign(a, link);
	d.is_gone = mem_alloc(a->snap->links.n * sizeof(*d.is_gone));
	d.is_gone[link - a->snap->links.v] = true;
	delete_doomed(a, &d);
	free(d.is_gone);
	return 0;
}

int apply_group_delete(const struct op_link *op, struct applier *a)
{
	struct doomed d = { 0 };

	vec_each(link, &a->snap->links)
		if (link->group == op->group && !link_is_ours(link) && !op->force)
			return refuse_foreign(a, link);
	d.is_gone = mem_alloc((a->snap->links.n + 1) * sizeof(*d.is_gone));
	for (size_t i = 0; i < a->snap->links.n; i++)
		if (a->snap->links.v[i].group == op->group) {
			d.is_gone[i] = true;
			d.n++;
		}
	if (d.n)
		delete_doomed(a, &d);
	free(d.is_gone);
	return 0;
}
