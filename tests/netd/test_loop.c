/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_loop.c - timers in order, sources removed under way. */

#include "base/mem.h"
#include "netd/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
	struct loop *loop;
	struct loop_source *timers[64];
	int order[64], n;
	struct loop_source *a, *b;
	int pipe_a[2], pipe_b[2];
	int calls_a, calls_b;
};

struct tag {
	struct world *world;
	int number;
};

static void fired(void *arg)
{
	struct tag *tag = arg;

	tag->world->order[tag->world->n++] = tag->number;
}

static void timers_fire_in_order(void **state)
{
	struct world w = { 0 };
	struct tag tags[64];

	(void)state;
	assert_int_equal(loop_new(&w.loop), 0);
	/* 37 is coprime to 64: every delay once, in a mixed order. */
	for (int i = 0; i < 64; i++) {
		tags[i] = (struct tag){ &w, i * 37 % 64 };
		loop_timer_add(w.loop, (uint64_t)tags[i].number * 200, fired, &tags[i], &w.timers[i]);
	}
	/* Half of them never come. */
	for (int i = 0; i < 64; i++)
		if (tags[i].number % 2) {
			loop_remove(w.timers[i]);
			w.timers[i] = NULL;
		}
	for (int i = 0; i < 1000 && w.n < 32; i++)
		loop_once(w.loop, 50);
	assert_int_equal(w.n, 32);
	for (int i = 0; i < 32; i++)
		assert_int_equal(w.order[i], 2 * i);
	for (int i = 0; i < 64; i++)
		assert_null(w.timers[i]);
	loop_free(w.loop);
}

static void remove_other(void *arg, uint32_t events)
{
	struct world *w = arg;

	(void)events;
	w->calls_a++;
	loop_remove(TAKE(w->b));
	loop_remove(TAKE(w->a));
}

static void count_b(void *arg, uint32_t events)
{
	struct world *w = arg;

	(void)events;
	w->calls_b++;
	loop_remove(TAKE(w->b));
	loop_remove(TAKE(w->a));
}

/* Both are ready in one round; whichever comes first removes both. */
static void a_callback_may_remove_any_source(void **state)
{
	struct world w = { 0 };

	(void)state;
	assert_int_equal(loop_new(&w.loop), 0);
	assert_int_equal(pipe(w.pipe_a), 0);
	assert_int_equal(pipe(w.pipe_b), 0);
	assert_int_equal(write(w.pipe_a[1], "x", 1), 1);
	assert_int_equal(write(w.pipe_b[1], "x", 1), 1);
	assert_int_equal(loop_add(w.loop, w.pipe_a[0], EPOLLIN, remove_other, &w, &w.a), 0);
	assert_int_equal(loop_add(w.loop, w.pipe_b[0], EPOLLIN, count_b, &w, &w.b), 0);
	loop_once(w.loop, 100);
	loop_once(w.loop, 0);
	assert_int_equal(w.calls_a + w.calls_b, 1);
	loop_free(w.loop);
	for (int i = 0; i < 2; i++) {
		close(w.pipe_a[i]);
		close(w.pipe_b[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(a_callback_may_remove_any_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
