/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.c - the one event loop; see loop.h. */

#include "netd/loop.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_ROUND 64

struct loop_source {
	struct loop *loop;
	int fd;                 /* -1: a timer */
	bool is_removed;        /* freed at the end of the round */
	loop_io_fn io;
	loop_timer_fn timer;
	void *arg;
	uint64_t due;
	struct loop_source **owner; /* a timer's handle, cleared when it fires */
	size_t position;        /* of a timer in the heap, of a descriptor in sources */
};

struct loop {
	int epoll;
	bool quit;
	VEC(struct loop_source *) sources; /* descriptors */
	VEC(struct loop_source *) timers;  /* a binary heap by due time */
	VEC(struct loop_source *) removed;
};

uint64_t loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int loop_new(struct loop **ret)
{
	struct loop *loop = mem_alloc(sizeof(*loop));

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		int number = -errno;

		free(loop);
		return number;
	}
	*ret = loop;
	return 0;
}

static void free_removed(struct loop *loop)
{
	vec_each(source, &loop->removed)
		free(*source);
	loop->removed.n = 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	vec_each(source, &loop->sources)
		free(*source);
	vec_each(source, &loop->timers)
		free(*source);
	free_removed(loop);
	vec_free(&loop->sources);
	vec_free(&loop->timers);
	vec_free(&loop->removed);
	close(loop->epoll);
	free(loop);
	return NULL;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *arg,
	     struct loop_source **ret)
{
	struct loop_source *source = mem_alloc(sizeof(*source));
	struct epoll_event event = { .events = events, .data.ptr = source };

	*source = (struct loop_source){
		.loop = loop, .fd = fd, .io = fn, .arg = arg, .position = loop->sources.n
	};
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int number = -errno;

		free(source);
		return number;
	}
	vec_push(&loop->sources, source);
	*ret = source;
	return 0;
}

int loop_modify(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(source->loop->epoll, EPOLL_CTL_MOD, source->fd, &event) < 0 ? -errno : 0;
}

/* The heap of timers: each parent is due no later than its children. */

static void heap_put(struct loop *loop, size_t i, struct loop_source *timer)
{
	loop->timers.v[i] = timer;
	timer->position = i;
}

static void heap_up(struct loop *loop, size_t i)
{
	struct loop_source *timer = loop->timers.v[i];

	while (i > 0 && loop->timers.v[(i - 1) / 2]->due > timer->due) {
		heap_put(loop, i, loop->timers.v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(loop, i, timer);
}

static void heap_down(struct loop *loop, size_t i)
{
	struct loop_source *timer = loop->timers.v[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < loop->timers.n &&
		    loop->timers.v[child + 1]->due < loop->timers.v[child]->due)
			child++;
		if (child >= loop->timers.n || loop->timers.v[child]->due >= timer->due)
			break;
		heap_put(loop, i, loop->timers.v[child]);
		i = child;
	}
	heap_put(loop, i, timer);
}

static void heap_remove(struct loop *loop, size_t i)
{
	struct loop_source *last = loop->timers.v[--loop->timers.n];

	if (i == loop->timers.n)
		return;
	heap_put(loop, i, last);
	heap_up(loop, i);
	heap_down(loop, last->position);
}

int loop_timer_add(struct loop *loop, uint64_t usec_from_now, loop_timer_fn fn, void *arg,
		   struct loop_source **ret)
{
	struct loop_source *timer = mem_alloc(sizeof(*timer));

	*timer = (struct loop_source){
		.loop = loop, .fd = -1, .timer = fn, .arg = arg,
		.due = loop_now() + usec_from_now, .owner = ret, .position = loop->timers.n
	};
	vec_push(&loop->timers, timer);
	heap_up(loop, timer->position);
	*ret = timer;
	return 0;
}

void loop_remove(struct loop_source *source)
{
	struct loop *loop;

	if (!source || source->is_removed)
		return;
	loop = source->loop;
	source->is_removed = true;
	if (source->fd >= 0) {
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
		loop->sources.n--;
		loop->sources.v[source->position] = loop->sources.v[loop->sources.n];
		loop->sources.v[source->position]->position = source->position;
	} else {
		heap_remove(loop, source->position);
	}
	/* The round in progress may still hold a pointer to it. */
	vec_push(&loop->removed, source);
}

static void run_timers(struct loop *loop)
{
	uint64_t now = loop_now();

	while (loop->timers.n && loop->timers.v[0]->due <= now) {
		struct loop_source *timer = loop->timers.v[0];

		*timer->owner = NULL;
		loop_remove(timer);
		timer->timer(timer->arg);
	}
}

static int wait_ms(const struct loop *loop, int timeout_ms)
{
	uint64_t now = loop_now(), due;

	if (!loop->timers.n)
		return timeout_ms;
	due = loop->timers.v[0]->due;
	if (due <= now)
		return 0;
	due = (due - now + 999) / 1000;
	return timeout_ms < 0 || due < (uint64_t)timeout_ms ? (int)(due < 60000 ? due : 60000)
							     : timeout_ms;
}

int loop_once(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int n = epoll_wait(loop->epoll, events, EVENTS_PER_ROUND, wait_ms(loop, timeout_ms));

	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		struct loop_source *source = events[i].data.ptr;

		if (!source->is_removed)
			source->io(source->arg, events[i].events);
	}
	run_timers(loop);
	free_removed(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	loop->quit = false;
	while (!loop->quit && r >= 0)
		r = loop_once(loop, -1);
	return r;
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
}
