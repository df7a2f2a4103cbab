/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * op_apply_link.c - devices: made and changed
 *
 * Of what stands on another device kinds vlan, macvlan and macvtap never have a
 * larger MTU; a VLAN device is raised and lowered with the one below
 * (vlan_device_event()) and cannot be up without.
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

/* Finding. */

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
void apply_skip_index(struct snapshot *snap, int ifindex)
{
	if (snap->next_ifindex <= ifindex)
		snap->next_ifindex = ifindex + 1;
}

static struct link *add_link(struct applier *a, const char *name, const char *kind)
{
	struct snapshot *snap = a->snap;
	struct link *link;

	if (snap->links.n) /* sorted: the last is the highest */
		apply_skip_index(snap, snap->links.v[snap->links.n - 1].ifindex);
	if (!snap->next_ifindex)
		snap->next_ifindex = 1;
	link = vec_add(&snap->links);
	link->ifindex = snap->next_ifindex++;
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	link->flags = IFF_BROADCAST | IFF_MULTICAST;
	link->mtu = 1500;
	link->txqueuelen = 1000;
	if (a->names)
		link_names_add(a->names, snap, link);
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
		link_names_note_below(a->names, parent);
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

static bool nothing_above(const struct applier *a, const struct link *link)
{
	return a->names && !link_names_may_be_below(a->names, link->ifindex);
}

static void raise_link(const struct applier *a, struct link *link)
{
	if (link->flags & IFF_UP)
		return;
	link->flags |= IFF_UP;
	if (link->master && link->flags & IFF_LOWER_UP)
		link->port.state = PORT_FORWARDING;
	apply_ip_raised(a->snap, link);
	if (nothing_above(a, link))
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
	if (nothing_above(a, link))
		return;
	vec_each(above, &a->snap->links)
		if (is_vlan(above) && above->parent == link->ifindex)
			lower_link(a, above);
}

static void set_mtu(const struct applier *a, struct link *link, uint32_t mtu)
{
	link->mtu = mtu;
	if (nothing_above(a, link))
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

static int set_name(const struct applier *a, struct link *link, const struct op_link *op)
{
	if (apply_find_link(a, op->name))
		return exists(a, op->name);
	lower_link(a, link);
	if (a->names)
		link_names_remove(a->names, a->snap, link->name);
	memcpy(link->name, op->name, sizeof(link->name));
	if (a->names)
		link_names_add(a->names, a->snap, link);
	return 0;
}

int apply_link_set(const struct op_link *op, struct applier *a)
{
	struct link *link = apply_find_link(a, op->set & LINK_SET_NAME ? op->old_name : op->name);
	int rc;

	if (!link)
		return apply_no_device(a, op->name);
	if (op->set & LINK_SET_NAME && (rc = set_name(a, link, op)) < 0)
		return rc;
	if ((rc = check_set(a, link, op)) < 0)
		return rc;
	if (op->set & LINK_SET_MASTER && (rc = set_master(a, link, op->master)) < 0)
		return rc;
	set_fields(a, link, op);
	return 0;
}
