/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store.c - state files: small JSON objects, one file each; see store.h. */

#include "netd/store.h"

#include "base/mem.h"
#include "netd/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_VERSION 1
#define OBJECT_SIZE_MAX (8 * 1024 * 1024)

struct store {
	int dirs[STORE_AREAS];
};

static const struct {
	const char *name;
	bool is_durable;
} areas[STORE_AREAS] = {
	[STORE_DEFINITIONS] = { "networks", true },
	[STORE_SUBNETS] = { "subnets", true },
	[STORE_NETWORKS] = { "networks", false },
	[STORE_HOST] = { "host", false },
};

static int open_area(const char *parent, const char *name, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf("%s/%s", parent, name);
	int fd;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return vnet_error_set(err, -errno, "state-dir", "cannot make %s: %s", path,
				      strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vnet_error_set(err, -errno, "state-dir", "cannot open %s: %s", path,
				      strerror(errno));
	return fd;
}

int store_new(const char *run_dir, const char *state_dir, struct store **ret,
	      struct vnet_error *err)
{
	struct store *store = mem_alloc(sizeof(*store));

	for (int i = 0; i < STORE_AREAS; i++)
		store->dirs[i] = -1;
	for (int i = 0; i < STORE_AREAS; i++) {
		store->dirs[i] = open_area(areas[i].is_durable ? state_dir : run_dir,
					   areas[i].name, err);
		if (store->dirs[i] < 0) {
			int number = store->dirs[i];

			store_free(store);
			return number;
		}
	}
	*ret = store;
	return 0;
}

struct store *store_free(struct store *store)
{
	if (!store)
		return NULL;
	for (int i = 0; i < STORE_AREAS; i++)
		if (store->dirs[i] >= 0)
			close(store->dirs[i]);
	free(store);
	return NULL;
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_file(int dir, const char *name, int flags, const char *text, bool is_durable)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, text, strlen(text));
	if (r == 0 && is_durable && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int to_text(json_t *object, const char *name, char **ret, struct vnet_error *err)
{
	json_object_set_new(object, "version", json_integer(STORE_VERSION));
	*ret = json_dumps(object, JSON_COMPACT);
	return *ret ? 0 : vnet_error_set(err, -EINVAL, "state-encoding",
					 "%s cannot be written as JSON", name);
}

int store_put(struct store *store, enum store_area area, const char *name, json_t *object,
	      struct vnet_error *err)
{
	AUTO_FREE char *target = mem_printf("%s.json", name);
	AUTO_FREE char *temporary = mem_printf(".%s.tmp", name);
	AUTO_FREE char *text = NULL;
	bool is_durable = areas[area].is_durable;
	int dir = store->dirs[area], r;

	r = to_text(object, name, &text, err);
	if (r < 0)
		return r;
	r = write_file(dir, temporary, O_TRUNC, text, is_durable);
	if (r == 0 && renameat(dir, temporary, dir, target) < 0)
		r = -errno;
	if (r == 0 && is_durable && fsync(dir) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, temporary, 0);
		return vnet_error_set(err, r, "state-write", "cannot write state %s/%s: %s",
				      areas[area].name, target, strerror(-r));
	}
	return 0;
}

int store_remove(struct store *store, enum store_area area, const char *name,
		 struct vnet_error *err)
{
	AUTO_FREE char *target = mem_printf("%s.json", name);

	if (unlinkat(store->dirs[area], target, 0) < 0) {
		if (errno == ENOENT)
			return 0;
		return vnet_error_set(err, -errno, "state-write", "cannot remove state %s/%s: %s",
				      areas[area].name, target, strerror(errno));
	}
	if (areas[area].is_durable)
		fsync(store->dirs[area]);
	return 0;
}

/* The whole file, or NULL: not readable, too large. */
static json_t *read_object(int dir, const char *file, const char **ret_problem)
{
	AUTO_FREE char *text = NULL;
	json_error_t problem;
	struct stat st;
	json_t *object;
	ssize_t n;
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	*ret_problem = "cannot be read";
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > OBJECT_SIZE_MAX) {
		close(fd);
		return NULL;
	}
	text = mem_alloc((size_t)st.st_size + 1);
	n = read(fd, text, (size_t)st.st_size);
	close(fd);
	if (n != st.st_size)
		return NULL;
	*ret_problem = "is damaged";
	object = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &problem);
	if (!json_is_object(object)) {
		json_decref(object);
		return NULL;
	}
	if (json_integer_value(json_object_get(object, "version")) != STORE_VERSION) {
		*ret_problem = "has a version that this netd does not know";
		json_decref(object);
		return NULL;
	}
	json_object_del(object, "version");
	return object;
}

static int is_state_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

int store_each(struct store *store, enum store_area area, store_fn fn, void *arg,
	       struct vnet_error *err)
{
	struct dirent **files;
	int dir = store->dirs[area];
	int n = scandirat(dir, ".", &files, is_state_file, alphasort);

	if (n < 0)
		return vnet_error_set(err, -errno, "state-read", "cannot list state %s: %s",
				      areas[area].name, strerror(errno));
	for (int i = 0; i < n; i++) {
		const char *file = files[i]->d_name, *problem;
		AUTO_FREE char *name = mem_strndup(file, strlen(file) - 5);
		json_t *object = read_object(dir, file, &problem);

		if (object) {
			fn(arg, name, object);
			json_decref(object);
		} else {
			AUTO_FREE char *bad = mem_printf("%s.bad", file);

			log_error("state file %s/%s %s; set aside as %s", areas[area].name, file,
				  problem, bad);
			renameat(dir, file, dir, bad);
		}
		free(files[i]);
	}
	free(files);
	return 0;
}
