/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_STORE_H
#define NETD_STORE_H

/*
 * store.h - state files: small JSON objects, one file each
 *
 * Each write goes to a temporary file beside the target and is renamed over it,
 * so a reader finds the old or the new state, never a part. Durable areas are
 * also synced to disk, file and folder. Every object has "version": 1; a newer
 * version or a damaged file is reported and left where it is, renamed to
 * NAME.json.bad, so that nothing is lost.
 */

#include "vnet/error.h"

#include <jansson.h>

enum store_area {
	STORE_DEFINITIONS, /* durable: networks applied over the API */
	STORE_SUBNETS,     /* durable: what `subnet: auto` chose */
	STORE_NETWORKS,    /* runtime: what runs, as it was when it started */
	STORE_HOST,        /* runtime: saved sysctls, NICs taken over */
	STORE_AREAS
};

struct store;

/* Makes the folders. */
int store_new(const char *run_dir, const char *state_dir, struct store **ret,
	      struct vnet_error *err);
struct store *store_free(struct store *store);

/* Adds "version" to object. The name is one of ours: checked by name_check(). */
int store_put(struct store *store, enum store_area area, const char *name, json_t *object,
	      struct vnet_error *err);
/* A missing file is fine. */
int store_remove(struct store *store, enum store_area area, const char *name,
		 struct vnet_error *err);

typedef void (*store_fn)(void *arg, const char *name, json_t *object);
/* Calls fn with each object, in the order of their names; damaged ones are logged and set aside. */
int store_each(struct store *store, enum store_area area, store_fn fn, void *arg,
	       struct vnet_error *err);

#endif
