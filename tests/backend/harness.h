/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VNET_TESTS_BACKEND_HARNESS_H
#define VNET_TESTS_BACKEND_HARNESS_H

/*
 * harness.h - one suite for both back ends of the kernel
 *
 * A suite is compiled once and run twice: on the fake and, in a fresh network
 * namespace for each test, on Linux.  What it says of the fake is what the rest
 * of the tests rely on; what it says of Linux is checked by `ip` as well where
 * an error of ours in both directions (writing and reading) could hide.
 */

#include "kernel/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define WAIT_MS 5000

struct fixture {
	struct kernel *k;
	struct kernel *other; /* Linux: somebody else; fake: the same */
	struct vnet_error err;
	VEC(struct kernel_event) events;
};

extern bool is_linux;
extern struct fixture *f;

int set_up(void **state);
int tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
/* Runs the suite on both back ends; main()'s result. */
int run_on_both(const struct CMUnitTest *tests, size_t n);

/* cmocka's word for a test that the fake (or Linux) cannot have. */
#define ONLY_LINUX() do { if (!is_linux) return; } while (0)
#define ONLY_FAKE() do { if (is_linux) return; } while (0)
/*
 * What this machine's kernel lacks: the test is skipped and says so.  try: an
 * `ip` command that works where the kernel has it, run in a namespace that is
 * thrown away.
 */
#define NEEDS(what, try) do { if (is_linux && !kernel_can(what, try)) skip(); } while (0)
bool kernel_can(const char *what, const char *try);

void ok(int r);
void run_on(struct kernel *k, const struct op *ops, size_t n);
void run(const struct op *ops, size_t n);
/* Every operation may have run before: its answer was lost. */
void run_twice(const struct op *op);
/* The operation must fail; its error is in f->err. */
int refuse(const struct op *op);
/* A command that must succeed; Linux only. */
__attribute__((format(printf, 1, 2))) void command(const char *format, ...);

struct op bridge_op(const char *name);
struct op link_op(const char *name, uint32_t set);
struct op master_op(const char *name, const char *master);
struct op up_op(const char *name);
struct op delete_op(const char *name, bool force);
struct op addr_op(enum op_kind kind, const char *ifname, const char *prefix);
struct op route_op(enum op_kind kind, const char *ifname, const char *to, const char *via);
struct op sysctl_op(const char *path, int64_t value, bool optional);

bool find_link(const char *name, struct link *ret);
struct link get_link(const char *name);
void no_link(const char *name);
/* The index, or negative errno. */
int tap(const char *name, unsigned queues, int *fds, bool persistent, bool must_exist);
int open_tap(const char *name);

/* kernel_dispatch()'s handler, with the fixture: adds to its events. */
void keep_event(void *context, const struct kernel_event *event);
/* Dispatches until an event of the kind about the device (0: any) came. */
struct kernel_event wait_event(enum kernel_event_kind kind, int ifindex);
/* Reads and forgets what came so far. */
void forget_events(void);

/* The independent witness: one value of `ip -j -d ARGS|KEYS`, as JSON text, by keys "a.b.c". */
__attribute__((format(printf, 2, 3))) void witness(const char *expected, const char *format, ...);
/* The same of another program's JSON: `COMMAND|KEYS`. */
__attribute__((format(printf, 2, 3))) void witness_of(const char *expected, const char *format,
						       ...);

#endif
