/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_device.c - devices of ours beside bridges: made, adjusted, joined and raised
 *
 * VLAN devices, tunnels, companions and IFBs differ in what they are to be; that
 * is gathered in p->devices (plan_vlan.c, plan_link.c, plan_macvtap.c,
 * plan_shape.c).  Here is what they have in common.
 */

#include "plan/planner.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>

struct planned_device *plan_add_device(struct planner *p, const struct planned_network *pn,
				       const char *kind, const char *name, const char *alias)
{
	struct planned_device *device = vec_add(&p->devices);
	struct op_link *link = &device->link;

	snprintf(device->network, sizeof(device->network), "%s", pn ? pn->net->name : "");
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->alias, sizeof(link->alias), "%s", alias);
	link->set = LINK_SET_ADDR_GEN;
	link->addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	link->up = true;
	return device;
}

void plan_devices_index(struct planner *p)
{
	vec_each(device, &p->devices)
		vec_push(&p->device_names,
			 (struct plan_name){ device->link.name, (int)(device - p->devices.v) });
	plan_sort_names(&p->device_names);
}

static const struct planned_device *find_device(const struct planner *p, const char *name)
{
	const struct plan_name *found = plan_find_name(&p->device_names, name);

	return found ? &p->devices.v[found->value] : NULL;
}

static bool is_gre(const char *kind)
{
	return strcmp(kind, "gretap") == 0 || strcmp(kind, "ip6gretap") == 0;
}

/* What cannot be changed once the device is made, but for where it stands. */
static bool is_alike(const struct link *link, const struct op_link *wanted)
{
	if (strcmp(link->kind, wanted->kind) != 0)
		return false;
	if (strcmp(link->kind, "vlan") == 0)
		return link->vlan.id == wanted->vlan.id &&
		       link->vlan.protocol == wanted->vlan.protocol;
	if (strcmp(link->kind, "macvlan") == 0)
		return link->macvlan.mode == wanted->macvlan.mode;
	if (strcmp(link->kind, "vxlan") == 0)
		return link->vxlan.vni == wanted->vxlan.vni &&
		       link->vxlan.port == wanted->vxlan.port &&
		       ip_cmp(&link->vxlan.local, &wanted->vxlan.local) == 0;
	if (is_gre(link->kind))
		return ip_cmp(&link->gre.local, &wanted->gre.local) == 0 &&
		       ip_cmp(&link->gre.remote, &wanted->gre.remote) == 0 &&
		       link->gre.has_key == wanted->gre.has_key &&
		       link->gre.key == wanted->gre.key;
	return true;
}

static bool stands_where_wanted(const struct planner *p, const struct link *link,
				const struct op_link *wanted)
{
	const struct link *parent = wanted->parent[0] ? plan_link(p, wanted->parent) : NULL;

	if (wanted->parent[0])
		return parent && link->parent == parent->ifindex;
	return !link->parent;
}

/* By our mark, or (someone took that off) as what only we would make of that name. */
static bool is_ours(const struct planner *p, const struct link *link, const struct op_link *wanted)
{
	return link_is_ours(link) || (!link->alias[0] && is_alike(link, wanted) &&
				      stands_where_wanted(p, link, wanted));
}

/* The kernel has these only once; Linux looks at less of a VXLAN device than is_alike(). */
static bool is_twin(const struct planner *p, const struct link *link, const struct op_link *wanted)
{
	if (strcmp(link->kind, wanted->kind) != 0 || !stands_where_wanted(p, link, wanted))
		return false;
	if (strcmp(link->kind, "vxlan") == 0)
		return link->vxlan.vni == wanted->vxlan.vni &&
		       link->vxlan.port == wanted->vxlan.port &&
		       link->vxlan.local.family == wanted->vxlan.local.family;
	return is_alike(link, wanted);
}

bool plan_device_can_be(struct planner *p, const struct planned_device *device)
{
	const struct op_link *wanted = &device->link;
	const struct link *link = plan_link(p, wanted->name);

	if (link && !is_ours(p, link, wanted)) {
		plan_note(p, "network %s: device %s exists and is not ours", device->network,
			  wanted->name);
		return false;
	}
	vec_each(stranger, &p->strangers)
		if (*stranger != link && is_twin(p, *stranger, wanted)) {
			plan_note(p, "network %s: %s, which is not ours, is already what %s was "
				     "to be", device->network, (*stranger)->name, wanted->name);
			return false;
		}
	return true;
}

bool plan_has_device(const struct planner *p, const char *name)
{
	return find_device(p, name);
}

bool plan_device_is_wanted(const struct planner *p, const struct link *link)
{
	const struct planned_device *device = find_device(p, link->name);

	return device && is_alike(link, &device->link) &&
	       stands_where_wanted(p, link, &device->link);
}

/* Making. */

static void create(struct planner *p, const struct planned_device *device)
{
	struct op op = plan_op(OP_LINK_CREATE, device->network);

	op.link = device->link;
	op.link.up = false;
	op.link.master[0] = '\0';
	plan_emit(p, &op);
}

static bool same_kind_settings(const struct link *link, const struct op_link *wanted)
{
	const struct vxlan_state *vx = &link->vxlan, *wanted_vx = &wanted->vxlan;
	const struct gre_state *gre = &link->gre, *wanted_gre = &wanted->gre;

	if (strcmp(link->kind, "vxlan") == 0)
		return vx->ttl == wanted_vx->ttl && vx->tos == wanted_vx->tos &&
		       vx->learning == wanted_vx->learning && vx->df == wanted_vx->df;
	if (is_gre(link->kind))
		return gre->ttl == wanted_gre->ttl && gre->tos == wanted_gre->tos &&
		       gre->pmtudisc == wanted_gre->pmtudisc &&
		       gre->ignore_df == wanted_gre->ignore_df &&
		       gre->has_encap_limit == wanted_gre->has_encap_limit;
	return true;
}

static void adjust(struct planner *p, const struct planned_device *device, const struct link *is)
{
	struct op op = plan_op(OP_LINK_SET, device->network);

	op.link = device->link;
	op.link.set = 0;
	if (strcmp(is->alias, op.link.alias) != 0)
		op.link.set |= LINK_SET_ALIAS;
	if (op.link.mtu && is->mtu != op.link.mtu)
		op.link.set |= LINK_SET_MTU;
	if (!mac_is_zero(&op.link.mac) && mac_cmp(&is->mac, &op.link.mac) != 0)
		op.link.set |= LINK_SET_MAC;
	if (device->link.set & LINK_SET_ADDR_GEN && is->addr_gen_mode >= 0 &&
	    is->addr_gen_mode != op.link.addr_gen_mode)
		op.link.set |= LINK_SET_ADDR_GEN;
	if (!same_kind_settings(is, &op.link))
		op.link.set |= LINK_SET_KIND;
	if (op.link.set)
		plan_emit(p, &op);
}

void plan_devices_make(struct planner *p)
{
	vec_each(device, &p->devices) {
		const struct link *link = plan_link(p, device->link.name);

		if (link)
			adjust(p, device, link);
		else
			create(p, device);
	}
}

/* Joining and raising. */

/* A VLAN device cannot be up while the one below is down; the kernel raises both together. */
static bool can_be_up(const struct planner *p, const struct link *link)
{
	const struct link *below = snapshot_link_by_index(&p->now, link->parent);

	return strcmp(link->kind, "vlan") != 0 || !below || below->flags & IFF_UP;
}

/*
 * The kernel raises a VLAN device with the one below.  It is told so all the
 * same: what it was seen to be counts, not what it should have become.
 */
static bool is_up(const struct planner *p, const struct link *link)
{
	const struct link *seen = snapshot_link_by_index(p->snap, link->ifindex);

	return link->flags & IFF_UP && seen && seen->flags & IFF_UP;
}

static void join(struct planner *p, const struct planned_device *device)
{
	const struct link *link = plan_link(p, device->link.name);
	const struct link *master =
		device->link.master[0] ? plan_link(p, device->link.master) : NULL;
	bool stays = link->master == (master ? master->ifindex : 0);
	struct op op = plan_op(OP_LINK_SET, device->network);

	op.link = device->link;
	op.link.set = stays ? 0 : LINK_SET_MASTER;
	if (master && (stays && link->port.isolated) != device->link.port.isolated)
		op.link.set |= LINK_SET_ISOLATED;
	if (!can_be_up(p, link))
		plan_vlan_note_down(p, device);
	else if (!is_up(p, link))
		op.link.set |= LINK_SET_UP;
	if (op.link.set)
		plan_emit(p, &op);
}

void plan_devices_join(struct planner *p)
{
	vec_each(device, &p->devices)
		join(p, device);
}
