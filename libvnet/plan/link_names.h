/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_LINK_NAMES_H
#define VNET_PLAN_LINK_NAMES_H

/*
 * link_names.h - devices by name, for a plan of thousands of operations
 *
 * A hash table of indexes beside a snapshot, whose links are sorted.  Whoever
 * adds or removes links tells it.
 */

#include "plan/snapshot.h"

struct link_names {
	int *slots; /* ifindex; 0: free, -1: was one */
	size_t size, n_used;
	uint8_t is_below[8192]; /* by bits of ifindex: something may stand on it */
};
void link_names_build(struct link_names *names, const struct snapshot *snap);
void link_names_free(struct link_names *names);
const struct link *link_names_find(const struct link_names *names, const struct snapshot *snap,
				   const char *name);
/* link is in snap already; it is still when it is removed. */
void link_names_add(struct link_names *names, const struct snapshot *snap, const struct link *link);
void link_names_remove(struct link_names *names, const struct snapshot *snap, const char *name);
/* A device stands on parent.  False: none does, and nobody needs to look. */
void link_names_note_below(struct link_names *names, int parent);
bool link_names_may_be_below(const struct link_names *names, int ifindex);

#endif
