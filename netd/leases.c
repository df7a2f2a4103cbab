/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leases.c - follows the lease files of all networks; see leases.h.
 *
 * An event marks a file, and one timer reads the marked ones a moment later:
 * a hundred guests that boot together cost a few readings, not a hundred.
 */

#include "netd/leases.h"

#include "netd/log.h"
#include "netd/loop.h"
#include "vnet/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLE_USEC 20000   /* after an event, until the file is read */
#define CONFIRM_USEC 50000  /* until what seems cut or gone is looked at again */
#define POLL_USEC 2000000   /* without inotify */
/*
 * After so many looks a file is taken as it is.  Its writer is dead, or has been
 * done for long: on a busy host dnsmasq may well lose the processor for a tenth
 * of a second between emptying its file and filling it.
 */
#define READINGS_MAX 6

struct followed {
	char *network;
	struct lease_file file;
	unsigned readings;      /* since marked, without a result */
	bool is_marked;
};

struct lease_watch {
	struct loop *loop;
	char *dir;
	lease_watch_fn fn;
	void *arg;
	int inotify;            /* -1: none to be had */
	struct loop_source *source, *timer;
	VEC(struct followed *) files; /* by network */
	struct followed *telling; /* in use: whoever removes it leaves it to update() */
	bool is_telling_removed;
};

static void on_inotify(void *arg, uint32_t events);
static void on_timer(void *arg);

static void arm(struct lease_watch *watch, uint64_t usec)
{
	if (!watch->timer &&
	    loop_timer_add(watch->loop, usec, on_timer, watch, &watch->timer) < 0)
		log_error("leases: cannot set a timer; changes of leases are not seen");
}

static int start_inotify(struct lease_watch *watch, struct vnet_error *err)
{
	int r;

	watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->inotify < 0) {
		log_warning("leases: %s; lease files are read every 2 s instead "
			    "(raise fs.inotify.max_user_instances)", strerror(errno));
		arm(watch, POLL_USEC);
		return 0;
	}
	/* Not IN_CLOSE_WRITE: dnsmasq keeps its file open. */
	if (inotify_add_watch(watch->inotify, watch->dir,
			      IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return vnet_error_set(err, -errno, "lease-watch", "cannot watch %s: %s", watch->dir,
				      strerror(errno));
	r = loop_add(watch->loop, watch->inotify, EPOLLIN, on_inotify, watch, &watch->source);
	if (r < 0)
		return vnet_error_set(err, r, "lease-watch", "cannot watch %s: %s", watch->dir,
				      strerror(-r));
	return 0;
}

int lease_watch_new(struct loop *loop, const char *dir, lease_watch_fn fn, void *arg,
		    struct lease_watch **ret, struct vnet_error *err)
{
	struct lease_watch *watch = mem_alloc(sizeof(*watch));
	int r;

	watch->loop = loop;
	watch->dir = mem_strdup(dir);
	watch->fn = fn;
	watch->arg = arg;
	r = start_inotify(watch, err);
	if (r < 0) {
		lease_watch_free(watch);
		return r;
	}
	*ret = watch;
	return 0;
}

static void followed_free(struct followed *f)
{
	free(f->network);
	lease_file_free(&f->file);
	free(f);
}

struct lease_watch *lease_watch_free(struct lease_watch *watch)
{
	if (!watch)
		return NULL;
	loop_remove(watch->source);
	loop_remove(watch->timer);
	if (watch->inotify >= 0)
		close(watch->inotify);
	vec_each(f, &watch->files)
		followed_free(*f);
	vec_free(&watch->files);
	free(watch->dir);
	free(watch);
	return NULL;
}

/* --- the table --- */

/* Where network is, or belongs. */
static size_t position(const struct lease_watch *watch, const char *network, bool *ret_found)
{
	size_t low = 0, high = watch->files.n;

	*ret_found = false;
	while (low < high && !*ret_found) {
		size_t middle = (low + high) / 2;
		int order = strcmp(network, watch->files.v[middle]->network);

		if (order > 0)
			low = middle + 1;
		else
			high = middle;
		if (!order) {
			low = middle;
			*ret_found = true;
		}
	}
	return low;
}

static struct followed *find(const struct lease_watch *watch, const char *network)
{
	bool found;
	size_t i = position(watch, network, &found);

	return found ? watch->files.v[i] : NULL;
}

/* 0 with an empty file when there is none. */
static int read_leases(const struct lease_watch *watch, const char *network,
		       struct lease_file *ret)
{
	AUTO_FREE char *path = mem_printf("%s/%s%s", watch->dir, network, LEASE_FILE_SUFFIX);
	AUTO_FREE char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t size = 0;
	struct stat st;
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size > LEASES_MAX_FILE_SIZE)
		r = -EFBIG;
	if (r == 0)
		text = mem_alloc((size_t)st.st_size + 1);
	while (r == 0 && size < (size_t)st.st_size) {
		ssize_t n = read(fd, text + size, (size_t)st.st_size - size);

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n == 0)
			break; /* emptied meanwhile */
		if (n > 0)
			size += (size_t)n;
	}
	close(fd);
	if (r == 0)
		lease_file_parse(text, size, ret);
	return r;
}

void lease_watch_add(struct lease_watch *watch, const char *network)
{
	struct followed *f;
	bool found;
	size_t at = position(watch, network, &found);

	if (found)
		return;
	f = mem_alloc(sizeof(*f));
	f->network = mem_strdup(network);
	if (read_leases(watch, network, &f->file) < 0)
		memset(&f->file, 0, sizeof(f->file));
	/* Its dnsmasq may be writing right now. */
	f->is_marked = f->file.is_cut;
	if (f->is_marked)
		arm(watch, CONFIRM_USEC);
	vec_push(&watch->files, f);
	memmove(&watch->files.v[at + 1], &watch->files.v[at],
		(watch->files.n - 1 - at) * sizeof(f));
	watch->files.v[at] = f;
}

void lease_watch_remove(struct lease_watch *watch, const char *network)
{
	bool found;
	size_t at = position(watch, network, &found);

	if (!found)
		return;
	if (watch->files.v[at] == watch->telling)
		watch->is_telling_removed = true;
	else
		followed_free(watch->files.v[at]);
	vec_remove(&watch->files, at);
}

const struct lease_file *lease_watch_get(const struct lease_watch *watch, const char *network)
{
	const struct followed *f = find(watch, network);

	return f ? &f->file : NULL;
}

/* --- events --- */

static void mark_by_file(struct lease_watch *watch, const char *name)
{
	size_t len = strlen(name), suffix = sizeof(LEASE_FILE_SUFFIX) - 1;
	AUTO_FREE char *network = NULL;
	struct followed *f;

	if (len <= suffix || strcmp(name + len - suffix, LEASE_FILE_SUFFIX))
		return;
	network = mem_strndup(name, len - suffix);
	f = find(watch, network);
	if (!f)
		return;
	f->is_marked = true;
	arm(watch, SETTLE_USEC);
}

static void mark_all(struct lease_watch *watch)
{
	vec_each(f, &watch->files)
		(*f)->is_marked = true;
	arm(watch, SETTLE_USEC);
}

static void on_inotify(void *arg, uint32_t events)
{
	char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct lease_watch *watch = arg;
	ssize_t n = read(watch->inotify, buffer, sizeof(buffer));

	(void)events;
	for (char *p = buffer; n > 0 && p < buffer + n;) {
		struct inotify_event *e = (struct inotify_event *)p;

		if (e->mask & IN_Q_OVERFLOW)
			mark_all(watch);
		else if (e->len)
			mark_by_file(watch, e->name);
		p += sizeof(*e) + e->len;
	}
}

struct teller { struct lease_watch *watch; const char *network; };

static void tell(void *context, enum lease_change change, const struct lease *lease)
{
	const struct teller *teller = context;

	teller->watch->fn(teller->watch->arg, teller->network, change, lease);
}

/* False when the file must be looked at once more. */
static bool update(struct lease_watch *watch, struct followed *f)
{
	struct lease_file now, before;
	bool is_last = ++f->readings >= READINGS_MAX;
	bool is_doubtful;
	int r = read_leases(watch, f->network, &now);

	if (is_last)
		f->readings = 0;
	if (r < 0) {
		if (is_last)
			log_warning("network %s: cannot read its leases: %s", f->network,
				    strerror(-r));
		return is_last;
	}
	is_doubtful = now.is_cut || leases_compare(&f->file, &now, NULL, NULL) > 0;
	if (is_doubtful && !is_last) {
		lease_file_free(&now);
		return false;
	}
	before = f->file;
	f->file = now;
	f->readings = 0;
	watch->telling = f;
	watch->is_telling_removed = false;
	leases_compare(&before, &f->file, tell, &(struct teller){ watch, f->network });
	lease_file_free(&before);
	watch->telling = NULL;
	if (watch->is_telling_removed)
		followed_free(f);
	return true;
}

/*
 * The callbacks may add and remove networks, so the table is walked by name
 * rather than by position.
 */
static void on_timer(void *arg)
{
	struct lease_watch *watch = arg;
	AUTO_FREE char *last = NULL;
	bool again = false, found;

	for (size_t i = 0; i < watch->files.n;) {
		struct followed *f = watch->files.v[i];

		mem_replace(&last, f->network);
		if (watch->inotify < 0 || f->is_marked) {
			f->is_marked = false;
			if (!update(watch, f)) {
				f->is_marked = true;
				again = true;
			}
		}
		i = position(watch, last, &found);
		i += found ? 1 : 0;
	}
	if (again)
		arm(watch, CONFIRM_USEC);
	else if (watch->inotify < 0)
		arm(watch, POLL_USEC);
}
