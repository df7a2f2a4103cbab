/* SPDX-License-Identifier: GPL-2.0-or-later */
/* owner.c - the process that a port is for; see owner.h. */

#include "netd/owner.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

struct owner {
	int fd;
	uint64_t started;
	bool has_ended;
	struct loop_source *source;
	void (*fn)(void *arg);
	void *arg;
};

/* From a process that lives: "" when it does not. */
static void read_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
}

static uint64_t read_started(pid_t pid)
{
	char text[1024];
	uint64_t started;
	char *after;

	read_proc(pid, "stat", text, sizeof(text));
	/* The second field is the name in brackets, which may hold anything; the third follows. */
	after = strrchr(text, ')');
	if (!after || sscanf(after + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d"
			     " %*d %" SCNu64, &started) != 1)
		return 0;
	return started;
}

static bool is_over(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static int no_process(pid_t pid, struct vnet_error *err)
{
	return vnet_error_set(err, -ESRCH, "owner-unknown",
			      "there is no process %d here that the port could be for; name one in ownerPid, or make the port persistent",
			      (int)pid);
}

/* What is read of a number below is the process's own: the descriptor tells that it lives still. */
static int open_process(pid_t pid, struct vnet_error *err)
{
	int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd < 0 && pid > 0 && errno != ESRCH && errno != EINVAL)
		return vnet_error_set(err, -errno, "owner-unknown", "cannot watch process %d: %s",
				      (int)pid, strerror(errno));
	return fd < 0 ? no_process(pid, err) : fd;
}

int owner_check(pid_t pid, uint32_t uid, struct vnet_error *err)
{
	int fd = open_process(pid, err);
	char text[2048];
	uint32_t real = UINT32_MAX;
	const char *line;
	bool ended;

	if (fd < 0)
		return fd;
	read_proc(pid, "status", text, sizeof(text));
	ended = is_over(fd);
	close(fd);
	if (ended)
		return no_process(pid, err);
	line = strstr(text, "\nUid:");
	if (line && sscanf(line, "\nUid: %" SCNu32, &real) == 1 && real == uid)
		return 0;
	return vnet_error_set(err, -EPERM, "owner-foreign",
			      "process %d is not one of yours: name one of your own in ownerPid, or leave it out",
			      (int)pid);
}

static void on_end(void *arg, uint32_t events)
{
	struct owner *owner = arg;

	(void)events;
	/* It stays readable for ever. */
	loop_remove(owner->source);
	owner->source = NULL;
	owner->has_ended = true;
	owner->fn(owner->arg);
}

int owner_watch(struct loop *loop, pid_t pid, uint64_t started, void (*fn)(void *arg), void *arg,
		struct owner **ret, struct vnet_error *err)
{
	struct owner *owner;
	int fd = open_process(pid, err), r;
	uint64_t now;

	if (fd < 0)
		return fd;
	now = read_started(pid);
	if (is_over(fd) || !now || (started && started != now)) {
		close(fd);
		return no_process(pid, err);
	}
	owner = mem_alloc(sizeof(*owner));
	*owner = (struct owner){ .fd = fd, .started = now, .fn = fn, .arg = arg };
	r = loop_add(loop, fd, EPOLLIN, on_end, owner, &owner->source);
	if (r < 0) {
		owner_free(owner);
		return vnet_error_set(err, r, "owner-unknown", "cannot watch process %d: %s",
				      (int)pid, strerror(-r));
	}
	*ret = owner;
	return 0;
}

struct owner *owner_free(struct owner *owner)
{
	if (!owner)
		return NULL;
	loop_remove(owner->source);
	close(owner->fd);
	free(owner);
	return NULL;
}

bool owner_has_ended(const struct owner *owner)
{
	return owner->has_ended;
}

uint64_t owner_started(const struct owner *owner)
{
	return owner->started;
}
