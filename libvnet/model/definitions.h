/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_DEFINITIONS_H
#define VNET_MODEL_DEFINITIONS_H

/*
 * definitions.h - what one file of an administrator, or one Apply, defines
 *
 *	networks: {NAME: ...}
 *	groups: {NAME: ...}
 *
 * Either key may be missing, not both.  Every problem is an error with its
 * position; nothing is returned from a text with an error.
 */

#include "model/group.h"
#include "model/network.h"
#include "model/node.h"

struct definitions {
	network_vec networks;
	group_vec groups;
};
void definitions_free(struct definitions *definitions); /* what it holds */
#define AUTO_DEFINITIONS __attribute__((cleanup(definitions_free)))

int definitions_from_yaml(const char *text, size_t size, const char *file, struct definitions *ret,
			  struct vnet_error *err);
/* {"networks": ..., "groups": ...}, or what is below networks alone. */
int definitions_from_json(const json_t *json, struct definitions *ret, struct vnet_error *err);

/* network.c: the value of `networks:`. */
int networks_from_node(const struct node *map, network_vec *ret, struct vnet_error *err);

#endif
