/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_networks.c - what a start makes of networks that were read, on the fake kernel. */

#include "tests/netd/fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct host host;

/* NULL: no file. */
static void write_networks(const char *text)
{
	AUTO_FREE char *dir = mem_printf("%s/networks.d", host.dir);
	AUTO_FREE char *path = mem_printf("%s/a.yaml", dir);
	FILE *f;

	mkdir(dir, 0755);
	unlink(path);
	f = text ? fopen(path, "we") : NULL;
	assert_true(!text || (f && fputs(text, f) >= 0 && fclose(f) == 0));
}

static void start(void)
{
	struct vnet_error err = { 0 };

	if (fake_host_start(&host, &err) < 0)
		fail_msg("%s", err.message);
}

static void restart(void)
{
	fake_host_stop(&host);
	start();
}

static int make_host(void **state)
{
	(void)state;
	fake_host_make(&host, "/tmp");
	return 0;
}

static int free_host(void **state)
{
	(void)state;
	fake_host_end(&host);
	return 0;
}

static const struct network_entry *blue(void)
{
	return registry_network(&host.d.registry, "blue");
}

static bool has_bridge(void)
{
	return snapshot_link(kernel_fake_state(host.d.kernel), "vn-blue");
}

static void assert_refused(const char *code)
{
	assert_int_equal(blue()->state, NETWORK_FAILED);
	assert_string_equal(blue()->problem.code, code);
	assert_false(blue()->is_wanted);
}

/* Its own copy in the state is not what ran before. */
static void what_was_refused_is_refused_at_the_next_start(void **state)
{
	(void)state;
	write_networks("networks: {blue: {mode: isolated, dns: false, ports: {groups: [web]}}}\n");
	start();
	assert_refused("group-unknown");
	restart();
	assert_refused("group-unknown");
	assert_false(has_bridge());
}

static void a_foreign_device_is_in_the_way_at_each_start(void **state)
{
	(void)state;
	write_networks("networks: {blue: {mode: isolated, dns: false}}\n");
	fake_host_add_nic(&host, 20, "vn-blue", 1500);
	for (int i = 0; i < 3; i++) {
		i ? restart() : start();
		assert_refused("device-exists");
	}
}

static void one_that_could_be_started_later_has_its_place_from_then_on(void **state)
{
	(void)state;
	write_networks("networks: {blue: {mode: isolated, dns: false, addresses: [10.5.0.1/24]}}\n");
	fake_host_add_nic(&host, 20, "vn-blue", 1500);
	start();
	assert_refused("device-exists");
	kernel_fake_link_gone(host.d.kernel, "vn-blue");
	assert_int_equal(reconcile(&host.d, NULL, NULL), 0);
	assert_int_equal(blue()->state, NETWORK_RUNNING);
	/* A NIC got the same subnet meanwhile: no reason to end what runs. */
	vec_push(&kernel_fake_state(host.d.kernel)->addrs, (struct addr){ .ifindex = 10 });
	assert_int_equal(prefix_parse("10.5.0.9/24", &kernel_fake_state(host.d.kernel)->addrs.v[
		kernel_fake_state(host.d.kernel)->addrs.n - 1].prefix), 0);
	restart();
	assert_int_equal(blue()->state, NETWORK_RUNNING);
	assert_true(has_bridge());
}

static void one_that_is_not_defined_any_more_goes(void **state)
{
	(void)state;
	write_networks("networks: {blue: {mode: isolated, dns: false}}\n");
	start();
	assert_true(has_bridge());
	write_networks(NULL);
	restart();
	assert_null(blue());
	assert_false(has_bridge());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_refused_is_refused_at_the_next_start, make_host, free_host),
		cmocka_unit_test_setup_teardown(a_foreign_device_is_in_the_way_at_each_start, make_host, free_host),
		cmocka_unit_test_setup_teardown(one_that_could_be_started_later_has_its_place_from_then_on, make_host,
						free_host),
		cmocka_unit_test_setup_teardown(one_that_is_not_defined_any_more_goes, make_host, free_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
