/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_VLAN_MAP_H
#define VNET_PLAN_VLAN_MAP_H

/* vlan_map.h - the VLANs of one bridge port by id, for comparing and changing them */

#include "plan/snapshot.h"

enum { VLAN_MEMBER = 1, VLAN_PVID = 2, VLAN_UNTAGGED = 4 };

struct vlan_map { uint8_t flags[VLAN_ID_MAX + 1]; }; /* 0: not in it */

/* What the snapshot has of the device, and back: ranges as long as can be, as the kernel tells them. */
void vlan_map_read(const struct snapshot *snap, int ifindex, struct vlan_map *ret);
void vlan_map_write(struct snapshot *snap, int ifindex, const struct vlan_map *map);
bool vlan_map_is_empty(const struct snapshot *snap, int ifindex);
/* A device has one native VLAN: the next one takes that from the one before. */
void vlan_map_add(struct vlan_map *map, const struct vlan_member *vlan);

#endif
