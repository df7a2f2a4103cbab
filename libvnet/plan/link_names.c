/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link_names.c - devices of a snapshot by name; see link_names.h */

#include "plan/link_names.h"

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

void link_names_note_below(struct link_names *names, int parent)
{
	uint8_t bit, *byte = below_bit(names, parent, &bit);

	*byte |= bit;
}

bool link_names_may_be_below(const struct link_names *names, int ifindex)
{
	uint8_t bit, *byte = below_bit((struct link_names *)names, ifindex, &bit);

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
			link_names_note_below(names, link->parent);
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

void link_names_add(struct link_names *names, const struct snapshot *snap, const struct link *link)
{
	if (names->n_used * 2 > names->size)
		link_names_build(names, snap);
	else
		put_name(names, link);
}

void link_names_remove(struct link_names *names, const struct snapshot *snap, const char *name)
{
	size_t i = find_slot(names, snap, name);

	if (i < names->size)
		names->slots[i] = -1;
}
