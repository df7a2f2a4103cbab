/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_registry.c - names and indexes find their entries, in whatever order they come and go. */

#include "netd/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define N 200

static struct network *make_network(int number)
{
	struct network *net = mem_alloc(sizeof(*net));

	net->name = mem_printf("n%d", number);
	return net;
}

static struct port *make_port(const char *network, int number)
{
	struct port *port = mem_alloc(sizeof(*port));

	port->name = mem_printf("p%d", number);
	port->network = mem_strdup(network);
	snprintf(port->ifname, sizeof(port->ifname), "vp%d", number);
	port->owner_uid = (uint32_t)number % 3;
	return port;
}

/* 0..N-1 in a mixed order: 77 is coprime to 200. */
static int mixed(int i)
{
	return i * 77 % N;
}

static void networks_are_found_by_name_and_index(void **state)
{
	struct registry reg = { 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < N; i++)
		registry_put_network(&reg, make_network(mixed(i)))->bridge_ifindex = 1000 + mixed(i);
	assert_int_equal(reg.networks.n, N);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_string_equal(registry_network(&reg, name)->net->name, name);
		assert_string_equal(registry_network_by_ifindex(&reg, 1000 + i)->net->name, name);
	}
	assert_null(registry_network(&reg, "n"));
	assert_null(registry_network(&reg, "n200"));
	assert_null(registry_network_by_ifindex(&reg, 0));
	for (int i = 0; i < N; i += 2) {
		snprintf(name, sizeof(name), "n%d", i);
		registry_remove_network(&reg, registry_network(&reg, name));
	}
	assert_null(registry_network(&reg, "n10"));
	assert_non_null(registry_network(&reg, "n11"));
	registry_free(&reg);
}

static void a_new_definition_keeps_entry_and_ports(void **state)
{
	struct registry reg = { 0 };
	struct network_entry *entry = registry_put_network(&reg, make_network(1));

	(void)state;
	registry_add_port(&reg, entry, make_port("n1", 1));
	assert_ptr_equal(registry_put_network(&reg, make_network(1)), entry);
	assert_int_equal(entry->n_ports, 1);
	registry_free(&reg);
}

static void ports_are_found_by_name_index_and_device(void **state)
{
	struct registry reg = { 0 };
	struct network_entry *network = registry_put_network(&reg, make_network(1));
	char name[16];

	(void)state;
	for (int i = 0; i < N; i++) {
		struct port_entry *entry =
			registry_add_port(&reg, network, make_port("n1", mixed(i)));

		registry_set_ifindex(&reg, entry, 5000 - mixed(i));
	}
	assert_int_equal(network->n_ports, N);
	assert_int_equal(registry_count_ports_of(&reg, 1), 67);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		assert_string_equal(registry_port_by_ifindex(&reg, 5000 - i)->port->name, name);
		assert_int_equal(registry_port(&reg, name)->ifindex, 5000 - i);
	}
	assert_string_equal(registry_port_by_ifname(&reg, "vp42")->port->name, "p42");
	/* A device made anew has another number. */
	registry_set_ifindex(&reg, registry_port(&reg, "p42"), 9);
	assert_null(registry_port_by_ifindex(&reg, 5000 - 42));
	assert_string_equal(registry_port_by_ifindex(&reg, 9)->port->name, "p42");
	for (int i = 0; i < N; i += 2) {
		snprintf(name, sizeof(name), "p%d", mixed(i));
		registry_remove_port(&reg, registry_port(&reg, name));
	}
	assert_int_equal(network->n_ports, N / 2);
	assert_int_equal(reg.by_ifindex.n, N / 2);
	registry_free(&reg);
}

static void new_names_are_nobodys(void **state)
{
	struct snapshot snap = { 0 };
	struct registry reg = { 0 };
	char ifname[16];

	(void)state;
	strcpy(vec_add(&snap.links)->name, "vp7");
	strcpy(vec_add(&snap.links)->name, "eth0");
	strcpy(vec_add(&snap.links)->name, "vp3");
	registry_avoid_ifnames(&reg, &snap);
	registry_new_ifname(&reg, ifname);
	assert_string_equal(ifname, "vp8");
	registry_new_ifname(&reg, ifname);
	assert_string_equal(ifname, "vp9");
	snapshot_free(&snap);
	registry_free(&reg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_found_by_name_and_index),
		cmocka_unit_test(a_new_definition_keeps_entry_and_ports),
		cmocka_unit_test(ports_are_found_by_name_index_and_device),
		cmocka_unit_test(new_names_are_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
