/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolvers.c - the host's resolvers; see resolvers.h.
 *
 * resolv.conf is often a symbolic link (systemd-resolved, resolvconf), and is
 * replaced by rename: the folder of the link and the one of its target are
 * watched.  A target that does not exist yet has no folder to watch, so then
 * the path is looked at every 10 s.
 */

#include "netd/resolvers.h"

#include "netd/log.h"
#include "netd/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SETTLE_USEC 200000
#define POLL_USEC 10000000
#define FILE_SIZE_MAX 65536
#define MASK (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR)

struct resolvers {
	struct loop *loop;
	char *path;
	char *target;           /* where path leads now, or NULL */
	void (*fn)(void *arg);
	void *arg;
	int inotify;            /* -1: none to be had */
	int watches[2];         /* folder of path, folder of target; -1: none */
	struct loop_source *source, *timer;
	dhcp_resolver_vec list;
};

static void on_timer(void *arg);

static void arm(struct resolvers *r, uint64_t usec)
{
	if (!r->timer && loop_timer_add(r->loop, usec, on_timer, r, &r->timer) < 0)
		log_error("resolvers: cannot set a timer; changes of %s are not seen", r->path);
}

static int watch_folder(struct resolvers *r, const char *path)
{
	AUTO_FREE char *folder = mem_strdup(path);
	char *slash = strrchr(folder, '/');

	if (!slash)
		return -1;
	*(slash == folder ? slash + 1 : slash) = '\0';
	return inotify_add_watch(r->inotify, folder, MASK);
}

/* The link may lead elsewhere since last time; watching a folder again is harmless. */
static void watch(struct resolvers *r)
{
	int former = r->watches[1];

	free(r->target);
	r->target = realpath(r->path, NULL);
	if (r->inotify >= 0) {
		r->watches[0] = watch_folder(r, r->path);
		r->watches[1] = r->target ? watch_folder(r, r->target) : -1;
		if (former >= 0 && former != r->watches[0] && former != r->watches[1])
			inotify_rm_watch(r->inotify, former);
	}
	if (r->inotify < 0 || r->watches[0] < 0 || r->watches[1] < 0)
		arm(r, POLL_USEC);
}

static void read_list(const struct resolvers *r, dhcp_resolver_vec *ret)
{
	AUTO_FREE char *text = mem_alloc(FILE_SIZE_MAX);
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t size = 0;
	ssize_t n = 1;

	if (fd < 0)
		return;
	while (n > 0 && size < FILE_SIZE_MAX) {
		n = read(fd, text + size, FILE_SIZE_MAX - size);
		size += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	dhcp_resolvers_parse(text, size, ret);
}

static bool lists_equal(const dhcp_resolver_vec *a, const dhcp_resolver_vec *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]))
			return false;
	return true;
}

static void on_timer(void *arg)
{
	struct resolvers *r = arg;
	dhcp_resolver_vec list = { 0 };

	watch(r);
	read_list(r, &list);
	if (lists_equal(&list, &r->list)) {
		dhcp_resolvers_free(&list);
		return;
	}
	dhcp_resolvers_free(&r->list);
	r->list = list;
	log_info("the host has %zu resolvers now", r->list.n);
	r->fn(r->arg);
}

static bool is_about(const struct resolvers *r, const struct inotify_event *e)
{
	const char *const paths[] = { r->path, r->target };

	if (e->mask & (IN_Q_OVERFLOW | IN_IGNORED))
		return true;
	for (int i = 0; i < 2; i++)
		if (e->wd == r->watches[i] && paths[i] && e->len &&
		    !strcmp(strrchr(paths[i], '/') + 1, e->name))
			return true;
	return false;
}

static void on_inotify(void *arg, uint32_t events)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct resolvers *r = arg;
	ssize_t n = read(r->inotify, buffer, sizeof(buffer));
	bool about = false;

	(void)events;
	for (char *p = buffer; n > 0 && p < buffer + n;) {
		struct inotify_event *e = (struct inotify_event *)p;

		about = about || is_about(r, e);
		p += sizeof(*e) + e->len;
	}
	if (!about)
		return;
	loop_remove(r->timer); /* the slow one, maybe */
	r->timer = NULL;
	arm(r, SETTLE_USEC);
}

int resolvers_new(struct loop *loop, const char *path, void (*fn)(void *arg), void *arg,
		  struct resolvers **ret, struct vnet_error *err)
{
	struct resolvers *r = mem_alloc(sizeof(*r));
	int number;

	*r = (struct resolvers){ .loop = loop, .path = mem_strdup(path), .fn = fn, .arg = arg,
				 .watches = { -1, -1 } };
	r->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->inotify >= 0) {
		number = loop_add(loop, r->inotify, EPOLLIN, on_inotify, r, &r->source);
		if (number < 0) {
			resolvers_free(r);
			return vnet_error_set(err, number, "resolvers", "cannot watch %s: %s", path,
					      strerror(-number));
		}
	}
	watch(r);
	read_list(r, &r->list);
	*ret = r;
	return 0;
}

struct resolvers *resolvers_free(struct resolvers *r)
{
	if (!r)
		return NULL;
	loop_remove(r->source);
	loop_remove(r->timer);
	if (r->inotify >= 0)
		close(r->inotify);
	dhcp_resolvers_free(&r->list);
	free(r->target);
	free(r->path);
	free(r);
	return NULL;
}

const dhcp_resolver_vec *resolvers_get(const struct resolvers *resolvers)
{
	return &resolvers->list;
}
