/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_devices.c - which networks a device's name leads to, and how devices were last seen. */

#include "netd/devices.h"

#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const char DEFINITIONS[] =
	"networks:\n"
	"  plain: {mode: isolated}\n"
	"  a: {mode: isolated, uplink: eth0, vlan: 100}\n"
	"  b: {mode: isolated, uplink: eth0, vlan: 200}\n"
	"  inner: {mode: isolated, uplink: vn-plain, vlan: 5}\n"
	"  direct: {mode: macvtap, uplink: eth1, macvtap: {companion: true}}\n"
	"  far:\n"
	"    mode: isolated\n"
	"    links:\n"
	"    - {name: g, kind: gretap, local: 192.0.2.1, device: eth2, peers: [192.0.2.2, 192.0.2.3]}\n"
	"    - {name: x, kind: vxlan, local: 192.0.2.1, vni: 7, peers: [192.0.2.2, 192.0.2.3]}\n";

static int make_registry(void **state)
{
	struct registry *reg = mem_alloc(sizeof(*reg));
	network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	if (networks_from_yaml(DEFINITIONS, strlen(DEFINITIONS), "test", &nets, &err) < 0)
		print_error("%s\n", err.message);
	assert_int_equal(nets.n, 6);
	vec_each(net, &nets)
		registry_put_network(reg, *net)->is_wanted = true;
	nets.n = 0;
	network_vec_free(&nets);
	*state = reg;
	return 0;
}

static int free_registry(void **state)
{
	registry_free(*state);
	free(*state);
	return 0;
}

static void assert_leads_to(struct registry *reg, const char *name, enum device_role role,
			    const char *network)
{
	size_t n;
	const struct device *device = devices_find(reg, name, &n);

	for (size_t i = 0; i < n; i++)
		if (device[i].role == role && strcmp(device[i].network->net->name, network) == 0)
			return;
	fail_msg("%s does not lead to %s", name, network);
}

static size_t count(struct registry *reg, const char *name)
{
	size_t n;

	devices_find(reg, name, &n);
	return n;
}

static void names_lead_to_their_networks(void **state)
{
	struct registry *reg = *state;
	const struct network *far = registry_network(reg, "far")->net;
	char buf[16];

	assert_leads_to(reg, "vn-a", DEVICE_BRIDGE, "a");
	assert_leads_to(reg, "vl-a", DEVICE_VLAN, "a");
	assert_leads_to(reg, "vi-a", DEVICE_SHAPER, "a");
	assert_int_equal(count(reg, "vl-plain"), 0);
	/* An uplink may be many networks', and a bridge of ours. */
	assert_int_equal(count(reg, "eth0"), 2);
	assert_leads_to(reg, "eth0", DEVICE_UPLINK, "a");
	assert_leads_to(reg, "eth0", DEVICE_UPLINK, "b");
	assert_int_equal(count(reg, "vn-plain"), 2);
	assert_leads_to(reg, "vn-plain", DEVICE_UPLINK, "inner");
	assert_leads_to(reg, "vn-plain", DEVICE_BRIDGE, "plain");
	assert_leads_to(reg, "vc-direct", DEVICE_BRIDGE, "direct");
	assert_leads_to(reg, "vi-direct", DEVICE_SHAPER, "direct");
	assert_leads_to(reg, "eth2", DEVICE_UNDERLAY, "far");
	for (size_t i = 0; i < 2; i++)
		assert_leads_to(reg, network_link_device(far, &far->links.v[0],
							 &far->links.v[0].peers.v[i], buf),
				DEVICE_LINK, "far");
	assert_leads_to(reg, network_link_device(far, &far->links.v[1], NULL, buf), DEVICE_LINK, "far");
	assert_int_equal(count(reg, "lo"), 0);
	assert_int_equal(count(reg, "zz"), 0);
}

static void a_network_that_goes_takes_its_names(void **state)
{
	struct registry *reg = *state;

	assert_int_equal(count(reg, "eth0"), 2);
	registry_remove_network(reg, registry_network(reg, "a"));
	assert_int_equal(count(reg, "eth0"), 1);
	assert_int_equal(count(reg, "vl-a"), 0);
}

static void add_link(struct snapshot *snap, int ifindex, const char *name, uint32_t mtu)
{
	struct link *link = vec_add(&snap->links);

	*link = (struct link){ .ifindex = ifindex, .mtu = mtu, .flags = IFF_UP };
	snprintf(link->name, sizeof(link->name), "%s", name);
}

static void what_is_missing_is_known(void **state)
{
	struct registry *reg = *state;
	struct snapshot snap = { 0 };
	size_t n;

	add_link(&snap, 7, "vn-far", 1458);
	add_link(&snap, 3, "eth1", 9000);
	add_link(&snap, 2, "eth0", 1500);
	devices_note(reg, &snap);
	assert_string_equal(registry_network(reg, "a")->missing, "");
	assert_string_equal(registry_network(reg, "far")->missing, "eth2");
	/* The bridge of a network that runs is on its way. */
	assert_string_equal(registry_network(reg, "inner")->missing, "");
	registry_network(reg, "plain")->is_wanted = false;
	devices_note(reg, &snap);
	assert_string_equal(registry_network(reg, "inner")->missing, "vn-plain");
	assert_int_equal(registry_network(reg, "far")->bridge_ifindex, 7);
	assert_int_equal(registry_network(reg, "a")->bridge_ifindex, 0);

	assert_false(device_differs(devices_find(reg, "eth0", &n), &snap.links.v[2]));
	snap.links.v[2].mtu = 1400;
	assert_true(device_differs(devices_find(reg, "eth0", &n), &snap.links.v[2]));
	snap.links.v[2].mtu = 1500;
	snap.links.v[2].flags = 0;
	assert_true(device_differs(devices_find(reg, "eth0", &n), &snap.links.v[2]));
	snapshot_free(&snap);
}

static void the_mtu_of_the_way_to_a_peer_matters(void **state)
{
	struct registry *reg = *state;
	struct snapshot snap = { 0 };

	add_link(&snap, 2, "eth0", 1500);
	add_link(&snap, 9, "other", 1500);
	assert_false(devices_narrows(reg, &snap.links.v[1]));
	devices_note(reg, &snap);
	assert_false(devices_narrows(reg, &snap.links.v[1]));
	snap.links.v[1].mtu = 1400;
	assert_true(devices_narrows(reg, &snap.links.v[1]));
	devices_note(reg, &snap);
	assert_false(devices_narrows(reg, &snap.links.v[1]));
	/* Where each link names its device no other one matters. */
	registry_remove_network(reg, registry_network(reg, "far"));
	devices_note(reg, &snap);
	snap.links.v[1].mtu = 1300;
	assert_false(devices_narrows(reg, &snap.links.v[1]));
	snapshot_free(&snap);
}

static void the_mtu_follows_what_is_below(void **state)
{
	struct registry *reg = *state;
	struct network_entry *far = registry_network(reg, "far"), *a = registry_network(reg, "a");
	struct network_entry *plain = registry_network(reg, "plain");
	struct network_entry *direct = registry_network(reg, "direct");
	struct network net = network_entry_in_force(far);

	assert_true(network_entry_derives_mtu(far));
	assert_true(network_entry_derives_mtu(a));
	assert_false(network_entry_derives_mtu(registry_network(reg, "plain")));
	assert_int_equal(network_mtu(&net), 1500);
	far->bridge_mtu = a->bridge_mtu = plain->bridge_mtu = 1458;
	net = network_entry_in_force(far);
	assert_int_equal(network_mtu(&net), 1458);
	net = network_entry_in_force(a);
	assert_int_equal(network_mtu(&net), 1458);
	net = network_entry_in_force(plain);
	assert_int_equal(network_mtu(&net), 1500);
	direct->uplink_mtu = 9000;
	net = network_entry_in_force(direct);
	assert_int_equal(network_mtu(&net), 1500);
	direct->uplink_mtu = 1400;
	net = network_entry_in_force(direct);
	assert_int_equal(network_mtu(&net), 1400);
	far->net->bridge.mtu = 1300;
	net = network_entry_in_force(far);
	assert_int_equal(network_mtu(&net), 1300);
}

static void parse(const char *text, struct snapshot *ret)
{
	struct vnet_error err = { 0 };

	snapshot_free(ret);
	if (snapshot_from_text(text, ret, &err) < 0)
		fail_msg("%s", err.message);
}

/* By its index a device is still known when its name or its mark is gone; not a stranger's. */
static void a_device_is_known_by_its_index(void **state)
{
	struct registry *reg = *state;
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	AUTO_OPS op_vec ops = { 0 };
	AUTO_FREE char *name = NULL, *mark = NULL;

	parse("link 3 vn-plain kind bridge alias vnet:bridge:plain\nlink 4 vn-a kind bridge\n", &snap);
	devices_note(reg, &snap);
	devices_claim(reg, &snap, &ops);
	assert_int_equal(ops.n, 0);
	parse("link 3 lost0 kind bridge alias vnet:bridge:plain\nlink 4 vn-a kind bridge alias x\n",
	      &snap);
	devices_claim(reg, &snap, &ops);
	assert_int_equal(ops.n, 1);
	name = op_to_text(&ops.v[0]);
	assert_string_equal(name, "set vn-plain: no longer called lost0");
	/* Somebody has its name: only the mark can be given back. */
	parse("link 3 lost0 kind bridge alias x\nlink 5 vn-plain kind bridge\n", &snap);
	devices_claim(reg, &snap, &ops);
	assert_int_equal(ops.n, 2);
	mark = op_to_text(&ops.v[1]);
	assert_string_equal(mark, "set lost0: alias \"vnet:bridge:plain\"");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_registry, free_registry)
	const struct CMUnitTest tests[] = {
		TEST(names_lead_to_their_networks),
		TEST(a_network_that_goes_takes_its_names),
		TEST(what_is_missing_is_known),
		TEST(the_mtu_of_the_way_to_a_peer_matters),
		TEST(the_mtu_follows_what_is_below),
		TEST(a_device_is_known_by_its_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
