/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vlan_map.c - the VLANs of one bridge port by id */

#include "plan/vlan_map.h"

static size_t first_vlan(const struct snapshot *snap, int ifindex)
{
	const struct vlan_member key = { .ifindex = ifindex };
	size_t low = 0, high = snap->vlans.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (snapshot_cmp_vlans(&snap->vlans.v[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t count_vlans(const struct snapshot *snap, int ifindex)
{
	size_t first = first_vlan(snap, ifindex), i = first;

	while (i < snap->vlans.n && snap->vlans.v[i].ifindex == ifindex)
		i++;
	return i - first;
}

void vlan_map_read(const struct snapshot *snap, int ifindex, struct vlan_map *ret)
{
	size_t first = first_vlan(snap, ifindex), n = count_vlans(snap, ifindex);

	*ret = (struct vlan_map){ 0 };
	for (size_t i = first; i < first + n; i++) {
		const struct vlan_member *m = &snap->vlans.v[i];

		for (unsigned id = m->first; id <= m->last && id <= VLAN_ID_MAX; id++)
			ret->flags[id] = (uint8_t)(VLAN_MEMBER | (m->is_pvid ? VLAN_PVID : 0) |
						   (m->is_untagged ? VLAN_UNTAGGED : 0));
	}
}

void vlan_map_write(struct snapshot *snap, int ifindex, const struct vlan_map *map)
{
	size_t first, was = count_vlans(snap, ifindex), tail;
	VEC(struct vlan_member) new = { 0 };

	for (unsigned id = 1; id <= VLAN_ID_MAX; id++) {
		uint8_t flags = map->flags[id];

		if (flags && flags == map->flags[id - 1])
			new.v[new.n - 1].last = (uint16_t)id;
		else if (flags)
			vec_push(&new, (struct vlan_member){ ifindex, (uint16_t)id, (uint16_t)id,
							     flags & VLAN_PVID,
							     flags & VLAN_UNTAGGED });
	}
	first = first_vlan(snap, ifindex);
	tail = snap->vlans.n - first - was;
	vec_reserve(&snap->vlans, snap->vlans.n - was + new.n);
	if (tail)
		memmove(&snap->vlans.v[first + new.n], &snap->vlans.v[first + was],
			tail * sizeof(*new.v));
	if (new.n)
		memcpy(&snap->vlans.v[first], new.v, new.n * sizeof(*new.v));
	snap->vlans.n = first + new.n + tail;
	vec_free(&new);
}

bool vlan_map_is_empty(const struct snapshot *snap, int ifindex)
{
	return !count_vlans(snap, ifindex);
}

void vlan_map_add(struct vlan_map *map, const struct vlan_member *vlan)
{
	for (unsigned id = 0; vlan->is_pvid && id <= VLAN_ID_MAX; id++)
		map->flags[id] &= (uint8_t)~VLAN_PVID;
	for (unsigned id = vlan->first; id <= vlan->last; id++)
		map->flags[id] = (uint8_t)(VLAN_MEMBER | (vlan->is_pvid ? VLAN_PVID : 0) |
					   (vlan->is_untagged ? VLAN_UNTAGGED : 0));
}
