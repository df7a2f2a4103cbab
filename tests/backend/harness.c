/* SPDX-License-Identifier: GPL-2.0-or-later */
/* harness.c - one suite for both back ends of the kernel; see harness.h */

#include "tests/backend/harness.h"
#include "tests/support/netns.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool is_linux;
struct fixture *f;

void ok(int r)
{
	char text[1024];

	if (r < 0)
		fail_msg("%d: %s", r, vnet_error_text(&f->err, text, sizeof(text)));
}

int set_up(void **state)
{
	int r = 0;

	*state = f = mem_alloc(sizeof(*f));
	if (is_linux && netns_enter() < 0)
		return -1;
	r = is_linux ? kernel_linux_new(&f->k, &f->err) : kernel_fake_new(&f->k, &f->err);
	if (r >= 0 && is_linux)
		r = kernel_linux_new(&f->other, &f->err);
	else
		f->other = f->k;
	if (r < 0)
		print_message("%s\n", f->err.message);
	return r;
}

int tear_down(void **state)
{
	(void)state;
	if (is_linux)
		kernel_free(f->other);
	kernel_free(f->k);
	vec_free(&f->events);
	free(f);
	f = NULL;
	return 0;
}

void run_on(struct kernel *k, const struct op *ops, size_t n)
{
	size_t done = 0;

	ok(kernel_execute(k, ops, n, &done, &f->err));
	assert_int_equal(done, n);
}

void run(const struct op *ops, size_t n)
{
	run_on(f->k, ops, n);
}

void run_twice(const struct op *op)
{
	run(op, 1);
	run(op, 1);
}

int refuse(const struct op *op)
{
	size_t done = 1;
	int r;

	vnet_error_clear(&f->err);
	r = kernel_execute(f->k, op, 1, &done, &f->err);
	assert_true(r < 0);
	assert_int_equal(done, 0);
	assert_int_equal(f->err.number, r);
	return r;
}

struct op bridge_op(const char *name)
{
	struct op op = { .kind = OP_BRIDGE_CREATE };

	snprintf(op.link.name, sizeof(op.link.name), "%s", name);
	snprintf(op.link.alias, sizeof(op.link.alias), "vnet:bridge:%s", name);
	op.link.mtu = 1500;
	op.link.mac = (struct mac){ { 0x52, 0x54, 0, 1, 2, 3 } };
	op.link.bridge = (struct bridge_state){ .hello_time = 200, .max_age = 2000, .ageing = 30000,
						.priority = 32768, .vlan_protocol = 0x8100 };
	return op;
}

struct op link_op(const char *name, uint32_t set)
{
	struct op op = { .kind = OP_LINK_SET };

	snprintf(op.link.name, sizeof(op.link.name), "%s", name);
	op.link.set = set;
	return op;
}

struct op master_op(const char *name, const char *master)
{
	struct op op = link_op(name, LINK_SET_MASTER | LINK_SET_UP);

	snprintf(op.link.master, sizeof(op.link.master), "%s", master);
	op.link.up = true;
	return op;
}

struct op up_op(const char *name)
{
	struct op op = link_op(name, LINK_SET_UP);

	op.link.up = true;
	return op;
}

struct op delete_op(const char *name, bool force)
{
	struct op op = link_op(name, 0);

	op.kind = OP_LINK_DELETE;
	op.link.force = force;
	return op;
}

struct op addr_op(enum op_kind kind, const char *ifname, const char *prefix)
{
	struct op op = { .kind = kind };

	snprintf(op.addr.ifname, sizeof(op.addr.ifname), "%s", ifname);
	assert_int_equal(prefix_parse(prefix, &op.addr.addr.prefix), 0);
	op.addr.addr.valid = op.addr.addr.preferred = UINT32_MAX;
	return op;
}

struct op route_op(enum op_kind kind, const char *ifname, const char *to, const char *via)
{
	struct op op = { .kind = kind };

	snprintf(op.route.ifname, sizeof(op.route.ifname), "%s", ifname);
	assert_int_equal(prefix_parse(to, &op.route.route.dst), 0);
	op.route.route.family = op.route.route.dst.addr.family;
	op.route.route.table = RT_TABLE_MAIN;
	op.route.route.protocol = ROUTE_PROTOCOL_VNET;
	op.route.route.type = RTN_UNICAST;
	if (via)
		assert_int_equal(ip_parse(via, &op.route.route.gateway), 0);
	return op;
}

struct op sysctl_op(const char *path, int64_t value, bool optional)
{
	struct op op = { .kind = OP_SYSCTL };

	snprintf(op.sysctl.sysctl.path, sizeof(op.sysctl.sysctl.path), "%s", path);
	op.sysctl.sysctl.value = value;
	op.sysctl.optional = optional;
	return op;
}

bool find_link(const char *name, struct link *ret)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	const struct link *link;

	ok(kernel_snapshot(f->k, SNAPSHOT_LINKS, &snap, &f->err));
	link = snapshot_link(&snap, name);
	if (link)
		*ret = *link;
	return link;
}

struct link get_link(const char *name)
{
	struct link link;

	if (!find_link(name, &link))
		fail_msg("no device %s", name);
	return link;
}

void no_link(const char *name)
{
	struct link link;

	assert_false(find_link(name, &link));
}

int tap(const char *name, unsigned queues, int *fds, bool persistent, bool must_exist)
{
	struct kernel_tap t = { .queues = queues, .multi_queue = queues > 1, .vnet_hdr = true,
				.offload = true, .persistent = persistent, .must_exist = must_exist,
				.ret_fds = fds };
	int r;

	snprintf(t.name, sizeof(t.name), "%s", name);
	snprintf(t.alias, sizeof(t.alias), "vnet:port:blue:p");
	vnet_error_clear(&f->err);
	r = kernel_tap_open(f->k, &t, &f->err);
	return r < 0 ? r : t.ret_ifindex;
}

int open_tap(const char *name)
{
	int fd, r = tap(name, 1, &fd, false, false);

	ok(r);
	return fd;
}

void keep_event(void *context, const struct kernel_event *event)
{
	struct fixture *fixture = context;

	vec_push(&fixture->events, *event);
}

struct kernel_event wait_event(enum kernel_event_kind kind, int ifindex)
{
	struct timespec start, now;
	int fds[KERNEL_FDS_MAX];

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		struct pollfd polled[KERNEL_FDS_MAX];
		size_t n = kernel_fds(f->k, fds);

		for (size_t i = 0; i < n; i++)
			polled[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		poll(polled, n, 100);
		ok(kernel_dispatch(f->k, keep_event, f, &f->err));
		vec_each(event, &f->events)
			if (event->kind == kind && (!ifindex || event->link.ifindex == ifindex))
				return *event;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 < WAIT_MS);
	fail_msg("no event %d of device %d within %d ms; %zu others", (int)kind, ifindex, WAIT_MS,
		 f->events.n);
	return (struct kernel_event){ 0 };
}

void forget_events(void)
{
	for (int i = 0; i < 20; i++) {
		ok(kernel_dispatch(f->k, keep_event, f, &f->err));
		if (!f->events.n)
			return;
		f->events.n = 0;
	}
}

/* "COMMAND|KEYS" */
static void compare_output(const char *expected, char *question)
{
	char *rest = strchr(question, '|') + 1, *key;
	AUTO_FREE char *keys = mem_strdup(rest), *text = NULL;
	json_t *root, *at;
	FILE *p;

	rest[-1] = '\0';
	p = popen(question, "re");
	assert_non_null(p);
	root = json_loadf(p, 0, NULL);
	assert_int_equal(pclose(p), 0);
	assert_non_null(root);
	at = json_array_get(root, json_array_size(root) - 1);
	while ((key = strsep(&rest, ".")))
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key))
				       : json_object_get(at, key);
	text = at ? json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT) : mem_strdup("none");
	json_decref(root);
	if (strcmp(text, expected))
		fail_msg("%s: %s is %s, expected %s", question, keys, text, expected);
}

void witness(const char *expected, const char *format, ...)
{
	char question[256] = "ip -j -d ";
	va_list list;

	ONLY_LINUX();
	va_start(list, format);
	vsnprintf(question + strlen(question), sizeof(question) - strlen(question), format, list);
	va_end(list);
	compare_output(expected, question);
}

void witness_of(const char *expected, const char *format, ...)
{
	char question[256];
	va_list list;

	ONLY_LINUX();
	va_start(list, format);
	vsnprintf(question, sizeof(question), format, list);
	va_end(list);
	compare_output(expected, question);
}

void command(const char *format, ...)
{
	char text[256];
	va_list list;
	int status;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	status = system(text);
	if (status)
		fail_msg("%s: status %d", text, status);
}

bool kernel_can(const char *what, const char *try)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		char text[256];

		snprintf(text, sizeof(text), "{ %s; } >/dev/null 2>&1", try);
		_exit(unshare(CLONE_NEWNET) < 0 || system(text) != 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		printf("[  SKIPPED ] this kernel lacks %s\n", what);
		return false;
	}
	return true;
}

int run_on_both(const struct CMUnitTest *tests, size_t n)
{
	const char *missing = netns_missing();
	int failed = _cmocka_run_group_tests("fake", tests, n, NULL, NULL);

	if (missing) {
		printf("[  SKIPPED ] %zu test(s)\n[  SKIPPED ] the Linux back end: this machine "
		       "lacks %s\n",
		       n, missing);
		return failed;
	}
	is_linux = true;
	return failed + _cmocka_run_group_tests("linux", tests, n, NULL, NULL);
}
