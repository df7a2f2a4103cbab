/* SPDX-License-Identifier: GPL-2.0-or-later */
/* place.c - see place.h. */

#include "cli/lab/place.h"

#include "cli/lab/small_file.h"
#include "kernel/started.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define END_MS 30000

static void base_folder(char *ret, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		snprintf(ret, size, "/run/vnet-labs");
	else if (runtime && runtime[0] == '/')
		snprintf(ret, size, "%s/vnet-labs", runtime);
	else
		snprintf(ret, size, "/tmp/vnet-labs-%u", geteuid());
}

/* Nobody else's: a folder in /tmp may have been put there for us. */
static int make_base(char *ret, size_t size, struct vnet_error *err)
{
	struct stat st;

	base_folder(ret, size);
	if ((mkdir(ret, 0700) < 0 && errno != EEXIST) || lstat(ret, &st) < 0)
		return vnet_error_set(err, -errno, "no-folder", "cannot make %s: %s", ret, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return vnet_error_set(err, -EACCES, "no-folder", "%s is not a folder of ours", ret);
	return 0;
}

static pid_t read_pid(const char *folder)
{
	AUTO_FREE char *path = mem_printf("%s/pid", folder), *text = NULL;
	uint64_t start;
	size_t size;
	int pid;

	if (small_file_read(AT_FDCWD, path, 64, &text, &size) < 0 || sscanf(text, "%d %" SCNu64, &pid, &start) != 2 || pid < 2)
		return 0;
	return start && process_started(pid) == start ? pid : 0;
}

int place_find(const char *name, struct place *ret, struct vnet_error *err)
{
	struct place place = { .lock = -1 };
	char base[PATH_MAX / 2];
	int r = lab_name_check(name, err);

	if (r < 0)
		return r;
	base_folder(base, sizeof(base));
	strcpy(place.name, name);
	snprintf(place.folder, sizeof(place.folder), "%s/%s", base, name);
	place.pid = read_pid(place.folder);
	*ret = place;
	return 0;
}

int place_find_up(const char *name, struct place *ret, struct vnet_error *err)
{
	int r = place_find(name, ret, err);

	if (r == 0 && !ret->pid)
		return vnet_error_set(err, -ENOENT, "not-up",
				      access(ret->folder, F_OK) == 0 ?
					      "lab %s has died; `vnetctl lab down %s` removes what it left" :
					      "lab %s is not up; `vnetctl lab up %s.yaml` starts it",
				      name, name);
	return r;
}

int place_take(const char *name, const char *text, size_t size, struct place *ret, struct vnet_error *err)
{
	struct place place;
	char base[PATH_MAX / 2];
	int r = make_base(base, sizeof(base), err);

	if (r == 0)
		r = place_find(name, &place, err);
	if (r < 0)
		return r;
	if (mkdir(place.folder, 0700) < 0 && errno != EEXIST)
		return vnet_error_set(err, -errno, "no-folder", "cannot make %s: %s", place.folder, strerror(errno));
	place.lock = open(place.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place.lock < 0 || flock(place.lock, LOCK_EX | LOCK_NB) < 0) {
		place_release(&place);
		return vnet_error_set(err, -EBUSY, "busy", "somebody else is working on lab %s", name);
	}
	place.pid = read_pid(place.folder);
	if (place.pid) {
		place_release(&place);
		return vnet_error_set(err, -EEXIST, "already-up",
				      "lab %s is up already; `vnetctl lab down %s` ends it", name, name);
	}
	r = small_file_write(place.lock, "lab.yaml", text, size);
	if (r < 0) {
		place_remove(&place);
		return vnet_error_set(err, r, "no-folder", "cannot write into %s: %s", place.folder, strerror(-r));
	}
	*ret = place;
	return 0;
}

int place_set_pid(struct place *place, pid_t pid, struct vnet_error *err)
{
	AUTO_FREE char *text = mem_printf("%d %" PRIu64 "\n", pid, process_started(pid));
	int r = small_file_write(place->lock, "pid", text, strlen(text));

	if (r < 0)
		return vnet_error_set(err, r, "no-folder", "cannot write into %s: %s", place->folder, strerror(-r));
	place->pid = pid;
	return 0;
}

void place_remove(struct place *place)
{
	static const char *const files[] = { "pid", "lab.yaml", "log" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", place->folder, files[i]);

		unlink(path);
	}
	rmdir(place->folder);
	place_release(place);
}

void place_release(struct place *place)
{
	if (place->lock >= 0)
		close(place->lock);
	place->lock = -1;
}

static int order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void place_list(place_names *ret)
{
	char base[PATH_MAX / 2];
	struct dirent *entry;
	DIR *dir;

	base_folder(base, sizeof(base));
	dir = opendir(base);
	while (dir && (entry = readdir(dir)))
		if (lab_name_check(entry->d_name, NULL) == 0)
			vec_push(ret, mem_strdup(entry->d_name));
	if (dir)
		closedir(dir);
	vec_sort(ret, order);
}

int place_read(const struct place *place, char **ret_text, size_t *ret_size, struct vnet_error *err)
{
	AUTO_FREE char *path = mem_printf("%s/lab.yaml", place->folder);
	int r = small_file_read(AT_FDCWD, path, LAB_TEXT_MAX, ret_text, ret_size);

	if (r < 0)
		return vnet_error_set(err, r, "unreadable", "cannot read %s: %s", path, strerror(-r));
	return 0;
}

int place_kill(struct place *place, struct vnet_error *err)
{
	int fd = (int)syscall(SYS_pidfd_open, place->pid, 0);
	struct pollfd end = { .fd = fd, .events = POLLIN };
	int r = 0;

	if (fd < 0)
		return errno == ESRCH ? 0 : vnet_error_set(err, -errno, "no-process", "lab %s: process %d: %s",
							   place->name, place->pid, strerror(errno));
	/* The first process of a PID namespace ends after all others of it: then everything is gone. */
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		r = vnet_error_set(err, -errno, "not-ours", "lab %s: cannot end process %d: %s", place->name,
				   place->pid, strerror(errno));
	else if (poll(&end, 1, END_MS) != 1)
		r = vnet_error_set(err, -ETIMEDOUT, "timed-out", "lab %s: process %d does not end", place->name,
				   place->pid);
	close(fd);
	return r;
}
