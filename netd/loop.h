/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_LOOP_H
#define NETD_LOOP_H

/*
 * loop.h - the one event loop: descriptors and one-shot timers on epoll
 *
 * No threads. A callback may add and remove any source, its own too. Sources
 * ready in one round are called once each, so that a busy one starves nobody.
 */

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_source;

typedef void (*loop_io_fn)(void *arg, uint32_t events); /* EPOLL* bits */
typedef void (*loop_timer_fn)(void *arg);

/* 0, or a negative errno. */
int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop); /* returns NULL; sources still there are freed, not closed */

/* Calls fn while fd has one of events. The descriptor stays the caller's: remove before close. */
int loop_add(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *arg,
	     struct loop_source **ret);
int loop_modify(struct loop_source *source, uint32_t events);
/* Calls fn once, usec from now on the monotonic clock, then forgets the source and sets *ret to NULL. */
int loop_timer_add(struct loop *loop, uint64_t usec_from_now, loop_timer_fn fn, void *arg,
		   struct loop_source **ret);
/* NULL is fine; works for both kinds. */
void loop_remove(struct loop_source *source);

/* Until loop_quit(). */
int loop_run(struct loop *loop);
/* One round, waiting timeout_ms at most (-1: until something happens). */
int loop_once(struct loop *loop, int timeout_ms);
void loop_quit(struct loop *loop);

uint64_t loop_now(void); /* us, CLOCK_MONOTONIC */

#endif
