/* SPDX-License-Identifier: GPL-2.0-or-later */
/* owner.c - the process that a port is for; see owner.h. */

#include "netd/owner.h"

#include "base/mem.h"
#include "netd/broker.h"

#include <errno.h>
#include <poll.h>
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
	uint32_t real;
	uint64_t started;
	bool ended;
	int r;

	if (fd < 0)
		return fd;
	r = broker_look(pid, &real, &started);
	ended = is_over(fd);
	close(fd);
	if (ended)
		return no_process(pid, err);
	if (r == 0 && real == uid)
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
	uint64_t now = 0;
	uint32_t uid;

	if (fd < 0)
		return fd;
	broker_look(pid, &uid, &now);
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
