/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_STORE_H
#define NETD_STORE_H

/*
 * store.h - state: small JSON objects, each by a name, in a journal for each area
 *
 * A reader finds of each object the old state or the new, never a part. Durable
 * areas are synced to disk. Every object has "version": 1; one of a newer version is
 * reported and left where it is, and a damaged file is kept beside the new one
 * (journal.h), so that nothing is lost.
 */

#include "vnet/error.h"

#include <jansson.h>

enum store_area {
	STORE_DEFINITIONS, /* durable: networks applied over the API */
	STORE_GROUPS,      /* durable: security groups */
	STORE_SUBNETS,     /* durable: what `subnet: auto` chose */
	STORE_NETWORKS,    /* runtime: what runs, as it was when it started */
	STORE_DOCTOR,      /* durable: whether fixes are kept */
	STORE_HOST,        /* runtime: saved sysctls, NICs taken over */
	STORE_AREAS
};

struct store;

int store_new(const char *run_dir, const char *state_dir, struct store **ret,
	      struct vnet_error *err);
struct store *store_free(struct store *store);

/* Adds "version" to object. The name is one of ours: checked by name_check(). */
int store_put(struct store *store, enum store_area area, const char *name, json_t *object,
	      struct vnet_error *err);
/* One that is not there is fine. */
int store_remove(struct store *store, enum store_area area, const char *name,
		 struct vnet_error *err);
/* A new reference, or NULL. */
json_t *store_get(struct store *store, enum store_area area, const char *name);
/* What happens to many objects between the two is written and synced at once (journal.h). */
void store_begin(struct store *store);
int store_commit(struct store *store, struct vnet_error *err);

typedef void (*store_fn)(void *arg, const char *name, json_t *object);
/* Calls fn with each object, in the order of their names; fn may remove that one. */
void store_each(struct store *store, enum store_area area, store_fn fn, void *arg);

#endif
