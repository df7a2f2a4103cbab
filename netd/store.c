/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.c - state: small JSON objects, each by a name; see store.h.
 *
 * Before there were journals each object had a file, NAME.json in a folder for each
 * area. Such folders are taken over at start and go then.
 */

#include "netd/store.h"

#include "base/mem.h"
#include "netd/journal.h"
#include "netd/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define STORE_VERSION 1

struct store {
	struct journal *areas[STORE_AREAS];
};

static const struct {
	const char *file, *old_dir; /* NULL: former versions had none */
	bool is_durable;
} areas[STORE_AREAS] = {
	[STORE_DEFINITIONS] = { "definitions", "networks", true },
	[STORE_GROUPS] = { "security-groups", NULL, true },
	[STORE_SUBNETS] = { "chosen-subnets", "subnets", true },
	[STORE_NETWORKS] = { "running", "networks", false },
	[STORE_DOCTOR] = { "doctor", NULL, true },
	[STORE_HOST] = { "host-before", "host", false },
};

/* ---- folders of former versions ---- */

static int is_state_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static json_t *read_object(const char *path)
{
	json_t *object = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(object))
		return object;
	json_decref(object);
	return NULL;
}

static int take_over_file(struct journal *journal, const char *dir, const char *file,
			  struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, file);
	AUTO_FREE char *name = mem_strndup(file, strlen(file) - 5);
	json_t *object = read_object(path);
	int r;

	if (!object) {
		log_error("state file %s is damaged; left there", path);
		return 0;
	}
	r = journal_put(journal, name, object, err);
	json_decref(object);
	return r;
}

/* The files go when their content is safe in the journal: an interrupted start begins anew. */
static int take_over_dir(struct journal *journal, const char *dir, struct vnet_error *err)
{
	struct dirent **files;
	int n = scandir(dir, &files, is_state_file, alphasort), r = 0;

	if (n < 0)
		return 0;
	journal_begin(journal);
	for (int i = 0; i < n && r == 0; i++)
		r = take_over_file(journal, dir, files[i]->d_name, err);
	if (r == 0)
		r = journal_commit(journal, err);
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, files[i]->d_name);
		json_t *object = r == 0 ? read_object(path) : NULL;

		if (object)
			unlink(path);
		json_decref(object);
		free(files[i]);
	}
	free(files);
	/* What is damaged keeps it there. */
	if (r == 0)
		rmdir(dir);
	return r;
}

/* ---- the store ---- */

int store_new(const char *run_dir, const char *state_dir, struct store **ret,
	      struct vnet_error *err)
{
	struct store *store = mem_alloc(sizeof(*store));
	int r = 0;

	for (int i = 0; i < STORE_AREAS && r == 0; i++) {
		const char *parent = areas[i].is_durable ? state_dir : run_dir;
		AUTO_FREE char *old = areas[i].old_dir ? mem_printf("%s/%s", parent, areas[i].old_dir) : NULL;

		r = journal_open(parent, areas[i].file, areas[i].is_durable, &store->areas[i], err);
		if (r == 0 && old)
			r = take_over_dir(store->areas[i], old, err);
	}
	if (r < 0)
		store_free(store);
	else
		*ret = store;
	return r;
}

struct store *store_free(struct store *store)
{
	if (!store)
		return NULL;
	for (int i = 0; i < STORE_AREAS; i++)
		journal_free(store->areas[i]);
	free(store);
	return NULL;
}

int store_put(struct store *store, enum store_area area, const char *name, json_t *object,
	      struct vnet_error *err)
{
	json_object_set_new(object, "version", json_integer(STORE_VERSION));
	return journal_put(store->areas[area], name, object, err);
}

int store_remove(struct store *store, enum store_area area, const char *name,
		 struct vnet_error *err)
{
	return journal_del(store->areas[area], name, err);
}

/* False: it is a newer netd's. */
static bool check_version(json_t *object)
{
	bool is_known = json_integer_value(json_object_get(object, "version")) == STORE_VERSION;

	if (is_known)
		json_object_del(object, "version");
	return is_known;
}

json_t *store_get(struct store *store, enum store_area area, const char *name)
{
	json_t *object = journal_get(store->areas[area], name);

	if (!object || check_version(object))
		return object;
	json_decref(object);
	return NULL;
}

void store_begin(struct store *store)
{
	for (int i = 0; i < STORE_AREAS; i++)
		journal_begin(store->areas[i]);
}

int store_commit(struct store *store, struct vnet_error *err)
{
	int result = 0;

	for (int i = 0; i < STORE_AREAS; i++) {
		int r = journal_commit(store->areas[i], result < 0 ? NULL : err);

		if (result == 0)
			result = r;
	}
	return result;
}

struct each {
	enum store_area area;
	store_fn fn;
	void *arg;
};

static void each_object(void *arg, const char *name, json_t *object)
{
	const struct each *each = arg;

	if (check_version(object))
		each->fn(each->arg, name, object);
	else
		log_error("state %s: %s has a version that this netd does not know; left out",
			  areas[each->area].file, name);
}

void store_each(struct store *store, enum store_area area, store_fn fn, void *arg)
{
	struct each each = { area, fn, arg };

	journal_each(store->areas[area], each_object, &each);
}
