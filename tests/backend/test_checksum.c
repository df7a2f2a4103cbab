/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_checksum.c - the checksum guard of ports, on both back ends
 *
 * That it keeps frames from changing behind the rules is tests/lab/test_checksum.py's.
 */

#include "harness.h"

#include <errno.h>
#include <unistd.h>

static struct op checksum_op(enum op_kind kind, const char *ifname)
{
	struct op op = {.kind = kind};

	snprintf(op.checksum.ifname, sizeof(op.checksum.ifname), "%s", ifname);
	return op;
}

static struct op alias_op(const char *ifname)
{
	struct op op = link_op(ifname, LINK_SET_ALIAS);

	snprintf(op.link.alias, sizeof(op.link.alias), LINK_ALIAS_PREFIX "port:lab:%s", ifname);
	return op;
}

static enum checksum_guard guard_of(const char *ifname)
{
	AUTO_SNAPSHOT struct snapshot snap = {0};
	const struct link *link;

	ok(kernel_snapshot(f->k, SNAPSHOT_LINKS, &snap, &f->err));
	link = snapshot_link(&snap, ifname);
	assert_non_null(link);
	return link->checksum;
}

static void it_comes_and_goes(void **state)
{
	struct op add = checksum_op(OP_CHECKSUM_ADD, "vp0"), delete = checksum_op(OP_CHECKSUM_DEL, "vp0");
	struct op alias = alias_op("vp0");
	int fd = open_tap("vp0");
	const char *why;

	(void)state;
	assert_true(kernel_guards_checksums(f->k, &why));
	run_twice(&alias);
	assert_int_equal(guard_of("vp0"), CHECKSUM_OPEN);
	run_twice(&delete);
	run_twice(&add);
	assert_int_equal(guard_of("vp0"), CHECKSUM_GUARDED);
	if (is_linux)
		command("tc filter show dev vp0 ingress | grep -q 'pref 1 bpf.*vnet_checksum_in.*direct-action'");
	run_twice(&delete);
	assert_int_equal(guard_of("vp0"), CHECKSUM_OPEN);
	if (is_linux)
		command("! tc qdisc show dev vp0 | grep clsact");
	close(fd);
}

static void without_a_device(void **state)
{
	struct op add = checksum_op(OP_CHECKSUM_ADD, "vp9"), delete = checksum_op(OP_CHECKSUM_DEL, "vp9");

	(void)state;
	assert_int_equal(refuse(&add), -ENODEV);
	run_twice(&delete);
}

/* Another's program in its place is not taken for it, and makes way. */
static void another_is_in_its_place(void **state)
{
	struct op add = checksum_op(OP_CHECKSUM_ADD, "vp0"), alias = alias_op("vp0");
	int fd;

	(void)state;
	ONLY_LINUX();
	fd = open_tap("vp0");
	run_twice(&alias);
	command("tc qdisc add dev vp0 ingress && tc filter add dev vp0 ingress prio 1 handle 0x766e "
		"bpf da bytecode '1,6 0 0 4294967295,'");
	assert_int_equal(guard_of("vp0"), CHECKSUM_STALE);
	run_twice(&add);
	assert_int_equal(guard_of("vp0"), CHECKSUM_GUARDED);
	close(fd);
}

/* Others' changes are told, our own are not. */
static void others_changes_are_told(void **state)
{
	struct op add = checksum_op(OP_CHECKSUM_ADD, "vp0"), alias = alias_op("vp0");
	int fd, ifindex;

	(void)state;
	ONLY_LINUX();
	fd = open_tap("vp0");
	ifindex = get_link("vp0").ifindex;
	run_twice(&alias);
	run_twice(&add);
	forget_events();
	ok(kernel_dispatch(f->k, keep_event, f, &f->err));
	vec_each(event, &f->events)
		assert_int_not_equal(event->kind, KERNEL_EVENT_FILTER);
	command("tc filter del dev vp0 ingress");
	wait_event(KERNEL_EVENT_FILTER, ifindex);
	assert_int_equal(guard_of("vp0"), CHECKSUM_OPEN);
	run_twice(&add);
	command("tc qdisc del dev vp0 clsact");
	wait_event(KERNEL_EVENT_FILTER, ifindex);
	assert_int_equal(guard_of("vp0"), CHECKSUM_OPEN);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_comes_and_goes),
		TEST(without_a_device),
		TEST(another_is_in_its_place),
		TEST(others_changes_are_told),
	};

	return run_on_both(tests, ARRAY_SIZE(tests));
}
