/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_snapshot.c - snapshots: text there and back, lookups, bad text */

#include "plan/link_look.h"
#include "plan/snapshot.h"
#include "vnet/error.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct snapshot parse(const char *text)
{
	struct snapshot snap = { 0 };
	struct vnet_error err = { 0 };
	char buf[512];

	if (snapshot_from_text(text, &snap, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, buf, sizeof(buf)));
	return snap;
}

static void assert_round_trip(const char *text)
{
	AUTO_SNAPSHOT struct snapshot snap = parse(text);
	AUTO_FREE char *again = snapshot_to_text(&snap);

	assert_string_equal(again, text);
}

static void test_defaults_are_left_out(void **state)
{
	(void)state;
	assert_round_trip("");
	assert_round_trip("link 2 eth0\n");
	assert_round_trip("link 3 br0 kind bridge\n"
			  "link 4 vp0 kind tun master br0\n");
	assert_round_trip("link 2 eth0\n"
			  "addr 192.0.2.2/24 dev eth0\n"
			  "route 0.0.0.0/0 via 192.0.2.1 dev eth0\n"
			  "route 192.0.2.0/24 dev eth0 proto kernel src 192.0.2.2\n"
			  "sysctl net/ipv4/ip_forward 1\n");
}

static void test_every_field(void **state)
{
	(void)state;
	assert_round_trip(
		"link 1 lo mtu 65536 txqueuelen 0 group 7 up running lower_up loopback addrgen off\n"
		"link 2 br0 kind bridge mac 02:00:00:00:00:10 pointopoint flags 0x100 alias "
		"a%20b%25%23%40 stp forward_delay 200 hello_time 100 max_age 1000 ageing 0 "
		"priority 4096 no_mcast_snooping group_fwd_mask 8 vlan_filtering nf_call_iptables "
		"nf_call_ip6tables nf_call_arptables linklocal_learn vlan_protocol 802.1ad "
		"default_pvid 0\n"
		"link 3 vp0 kind tun master br0 parent lo addrgen none state blocking isolated "
		"no_learning hairpin no_flood no_mcast_flood root_guard proxy_arp tun persistent multi_queue vnet_hdr "
		"tun_owner 1000 tun_group 2000\n"
		"addr 10.0.0.1/32 dev br0 peer 10.0.0.2 scope link valid 60 preferred 30 metric 5 "
		"label br0:x proto 118 temporary nodad dadfailed deprecated tentative mngtmpaddr "
		"noprefixroute flags 0x800\n"
		"route 10.0.0.0/8 type blackhole via fe80::1 dev br0 table 100 proto dhcp "
		"scope link metric 9 src 10.0.0.1 onlink flags 0x1 mtu 1400\n"
		"route ::/0 dev br0 pref 1 expires 1800\n");
}

static void test_every_wire(void **state)
{
	(void)state;
	assert_round_trip(
		"link 2 eth0 wireless\n"
		"link 3 vl0 kind vlan parent eth0 id 100\n"
		"link 4 vs0 kind vlan parent eth0 id 200 protocol 802.1ad\n"
		"link 5 vc0 kind macvlan parent eth0\n"
		"link 6 vp0 kind macvtap parent eth0 mode passthru macvlan_flags 1\n"
		"link 7 vg0 kind gretap local 10.0.0.1 remote 10.0.0.2\n"
		"link 8 vg1 kind ip6gretap parent eth0 local 2001:db8::1 remote 2001:db8::2 keyed key 7 "
		"ttl 3 tos 1 no_pmtudisc ignore_df encap_limit\n"
		"link 9 vx0 kind vxlan vni 42 local 10.0.0.1\n"
		"link 10 vx1 kind vxlan vni 43 local 10.0.0.1 port 4790 ttl 1 tos 2 no_peer_learning df 1\n"
		"link 11 vi0 kind ifb\n"
		"link 12 vp1 kind veth netns_peer features no_rx no_tx no_sg no_tso no_gso no_gro\n"
		"link 13 vp2 kind tun features no_tso\n"
		"vlan 1 dev vp0 pvid untagged\n"
		"vlan 20-30 dev vp0\n"
		"vlan 40 dev vp0 untagged\n"
		"fdb 00:00:00:00:00:00 dev vx0 dst 10.0.0.2\n"
		"fdb 00:00:00:00:00:00 dev vx0 dst 10.0.0.3\n"
		"fdb 52:54:00:00:00:01 dev vx0 dst 10.0.0.3 external\n"
		"shaper vp0 ifb vi0 slot 1 in 1000000000000 in_guaranteed 8000 in_burst 5 out 6 "
		"out_guaranteed 7 out_burst 8\n"
		"shaper vp1 ifb @99 slot 1023 out 10000000\n"
		"shaper_root vi0 in 1 out 2\n"
		"vf 0 dev eth0\n"
		"vf 1 dev eth0 mac 52:54:00:00:00:01 vlan 100 protocol 802.1ad qos 3 no_spoofchk trust "
		"min_rate 1 max_rate 100 link off\n");
}

static void test_copy(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = parse("link 2 eth0\naddr 10.0.0.1/8 dev eth0\n"
						   "route 10.9.0.0/16 dev eth0\nsysctl a 1\n"
						   "vlan 5 dev eth0\nvf 7 dev eth0\n"
						   "fdb 00:00:00:00:00:00 dev eth0 dst 10.0.0.2\n"
						   "shaper eth0 slot 1\nshaper_root eth0 in 5\n");
	AUTO_SNAPSHOT struct snapshot copy = { 0 };
	AUTO_FREE char *text = snapshot_to_text(&snap), *again = NULL;

	(void)state;
	snap.next_ifindex = 12;
	snapshot_copy(&snap, &copy);
	again = snapshot_to_text(&copy);
	assert_string_equal(again, text);
	assert_int_equal(copy.next_ifindex, 12);
	assert_ptr_not_equal(copy.links.v, snap.links.v);
}

static void test_values(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = parse(
		"# a comment, then lines in any order\n"
		"addr fe80::1/64 dev vp0  # link-local\n"
		"\n"
		"link 7 vp0 kind tun master br0 up\n"
		"link 3 br0 kind bridge\n"
		"route ::1/128 type local dev br0 table local\n"
		"route 10.0.0.1/32 type local dev br0 table local\n");
	const struct link *br0 = snapshot_link(&snap, "br0"), *vp0 = snapshot_link(&snap, "vp0");

	(void)state;
	assert_non_null(br0);
	assert_non_null(vp0);
	assert_int_equal(vp0->ifindex, 7);
	assert_int_equal(vp0->master, 3);
	assert_int_equal(vp0->mtu, 1500);
	assert_int_equal(vp0->txqueuelen, 1000);
	assert_int_equal(vp0->flags, IFF_UP | IFF_BROADCAST | IFF_MULTICAST);
	assert_int_equal(vp0->port.state, 3);
	assert_true(vp0->port.learning);
	assert_true(vp0->tun.is_tap);
	assert_int_equal(vp0->tun.owner, UINT32_MAX);
	assert_int_equal(br0->bridge.forward_delay, 1500);
	assert_true(br0->bridge.multicast_snooping);
	assert_ptr_equal(snapshot_link_by_index(&snap, 7), vp0);
	assert_null(snapshot_link_by_index(&snap, 4));
	assert_null(snapshot_link(&snap, "vp"));
	assert_int_equal(snap.addrs.v[0].scope, RT_SCOPE_LINK);
	assert_int_equal(snap.addrs.v[0].flags, IFA_F_PERMANENT);
	assert_int_equal(snap.addrs.v[0].valid, UINT32_MAX);
	assert_int_equal(snap.routes.v[0].family, AF_INET);
	assert_int_equal(snap.routes.v[0].scope, RT_SCOPE_HOST);
	assert_int_equal(snap.routes.v[0].table, RT_TABLE_LOCAL);
	assert_int_equal(snap.routes.v[1].scope, RT_SCOPE_UNIVERSE);
}

/* An index whose device is gone, and a device whose name looks like that. */
static void test_unknown_device(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = parse("link 3 %4012\naddr 10.0.0.1/8 dev @12\n"
						   "addr 10.0.0.2/8 dev %4012\n");

	(void)state;
	assert_string_equal(snap.links.v[0].name, "@12");
	assert_int_equal(snap.addrs.v[0].ifindex, 3);
	assert_int_equal(snap.addrs.v[1].ifindex, 12);
	assert_round_trip("link 3 %4012\naddr 10.0.0.2/8 dev %4012\naddr 10.0.0.1/8 dev @12\n");
}

static void test_sysctl(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = parse("sysctl c 3\nsysctl a -1\nsysctl b 2\n");
	int64_t value = 7;

	(void)state;
	assert_int_equal(snapshot_sysctl(&snap, "a", &value), 0);
	assert_int_equal(value, -1);
	assert_int_equal(snapshot_sysctl(&snap, "c", &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(snapshot_sysctl(&snap, "bb", &value), -ENOENT);
	assert_int_equal(value, 3);
}

static void test_mark(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = parse("link 1 a alias vnet:bridge:x\nlink 2 b alias vne\n"
						   "link 3 c\nlink 4 d alias xvnet:\n");

	(void)state;
	assert_true(link_is_ours(&snap.links.v[0]));
	for (int i = 1; i < 4; i++)
		assert_false(link_is_ours(&snap.links.v[i]));
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *text, *message;
		unsigned line;
	} cases[] = {
		{ "lonk 2 eth0\n", "lonk: is no object of a snapshot", 1 },
		{ "link 2 eth0\nlink x eth1\n", "x: is not an interface index", 2 },
		{ "link 0 eth0\n", "0: is not an interface index", 1 },
		{ "link 4294967296 eth0\n", "4294967296: is not an interface index", 1 },
		{ "link 2\n", "end of line: is not an interface name", 1 },
		{ "link 2 abcdefghijklmnop\n", "abcdefghijklmnop: is not an interface name", 1 },
		{ "link 2 a\nlink 2 b\n", "b: index or name stands twice", 2 },
		{ "link 2 a\nlink 3 a\n", "a: index or name stands twice", 2 },
		{ "link 2 a colour red\n", "colour: unknown word", 1 },
		{ "link 2 a stp\n", "stp: unknown word", 1 },
		{ "link 2 a mtu\n", "mtu: wants a value", 1 },
		{ "link 2 a mtu -1\n", "-1: is not a value for this field", 1 },
		{ "link 2 a mtu 4294967296\n", "4294967296: is not a value for this field", 1 },
		{ "link 2 a kind bridge priority 65536\n", "65536: is not a value for this field", 1 },
		{ "link 2 a master b\n", "b: is not a value for this field", 1 },
		{ "link 2 a mac 02:00\n", "02:00: is not a value for this field", 1 },
		{ "addr 10.0.0.1 dev a\n", "10.0.0.1: is not ADDRESS/LENGTH", 1 },
		{ "link 2 a\n\naddr 10.0.0.1/8\n", "10.0.0.1/8: wants dev NAME", 3 },
		{ "route default\n", "default: is not ADDRESS/LENGTH", 1 },
		{ "route 0.0.0.0/0 via x\n", "x: is not a value for this field", 1 },
		{ "route\n", "route: is alone", 1 },
		{ "link 2 a\nvlan 0 dev a\n", "0: is not a VLAN id or range", 2 },
		{ "link 2 a\nvlan 4095 dev a\n", "4095: is not a VLAN id or range", 2 },
		{ "link 2 a\nvlan 9-8 dev a\n", "9-8: is not a VLAN id or range", 2 },
		{ "link 2 a\nvlan 9x dev a\n", "9x: is not a VLAN id or range", 2 },
		{ "vlan 9\n", "9: wants dev NAME", 1 },
		{ "fdb 9 dev a\n", "9: is not a MAC", 1 },
		{ "fdb 00:00:00:00:00:00\n", "00:00:00:00:00:00: wants dev NAME", 1 },
		{ "link 2 a\nfdb 00:00:00:00:00:00 dev a via 1\n", "via: unknown word", 2 },
		{ "shaper a\n", "a: is no device", 1 },
		{ "shaper_root a\n", "a: is no device", 1 },
		{ "link 2 a\nvf x dev a\n", "x: is not a number", 2 },
		{ "vf 1\n", "1: wants dev NAME", 1 },
		{ "link 2 a\nvf 1 dev a vlan 65536\n", "65536: is not a value for this field", 2 },
		{ "link 2 a id 5\n", "id: unknown word", 1 },
		{ "link 2 a kind vlan mode bridge\n", "mode: unknown word", 1 },
		{ "link 2 a no_tso\n", "no_tso: unknown word", 1 },
		{ "sysctl a\n", "a: wants a value", 1 },
		{ "sysctl a 1x\n", "1x: is not one number", 1 },
		{ "sysctl a 1 2\n", "1: is not one number", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct snapshot snap = { 0 };
		struct vnet_error err = { 0 };

		assert_int_equal(snapshot_from_text(cases[i].text, &snap, &err), -EINVAL);
		assert_string_equal(err.code, "bad-snapshot");
		assert_string_equal(err.message, cases[i].message);
		assert_int_equal(err.line, cases[i].line);
		assert_int_equal(snap.links.n, 0);
	}
}

static struct link_look look_of(const char *text)
{
	AUTO_SNAPSHOT struct snapshot snap = parse(text);
	struct link_look look;

	link_look(&snap.links.v[snap.links.n - 1], &look);
	return look;
}

/* What is done to a device makes it look other; what it does by itself does not. */
static void test_look(void **state)
{
	static const struct {
		const char *text;
		bool is_same, is_same_port;
	} others[] = {
		{ "link 3 vp0 kind tun master br0 up running lower_up flags 0x100\n", true, true },
		{ "link 3 vp0 kind tun master br0 up state blocking\n", true, true },
		{ "link 3 vp1 kind tun master br0 up\n", false, true },
		{ "link 3 vp0 kind tun master br0\n", false, true },
		{ "link 3 vp0 kind tun up\n", false, false },
		{ "link 3 vp0 kind tun master br0 up mtu 1400\n", false, true },
		{ "link 3 vp0 kind tun master br0 up mac 02:00:00:00:00:01\n", false, true },
		{ "link 3 vp0 kind tun master br0 up alias mine\n", false, true },
		{ "link 3 vp0 kind tun master br0 up persistent\n", false, true },
		{ "link 3 vp0 kind tun master br0 up isolated\n", true, false },
		{ "link 3 vp0 kind tun master br0 up no_learning\n", true, false },
	};
	struct link_look first = look_of("link 2 br0 kind bridge\nlink 3 vp0 kind tun master br0 up\n");
	struct link_look bridge = look_of("link 2 br0 kind bridge stp\n"), other;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		AUTO_FREE char *text = mem_printf("link 2 br0 kind bridge\n%s", others[i].text);
		struct link_look look = look_of(text);

		if ((look.device == first.device) != others[i].is_same ||
		    (look.port == first.port) != others[i].is_same_port)
			fail_msg("%s", others[i].text);
	}
	other = look_of("link 2 br0 kind bridge stp ageing 400\n");
	assert_true(other.device == bridge.device);
	other = look_of("link 2 br0 kind bridge stp vlan_filtering\n");
	assert_true(other.device != bridge.device);
}

static void test_sort(void **state)
{
	(void)state;
	AUTO_SNAPSHOT struct snapshot snap = parse("link 9 a\nlink 3 b\n"
						   "route 10.2.0.0/16 dev a\nroute ::/0 dev a\n"
						   "route 10.1.0.0/16 dev a metric 2\n"
						   "route 10.1.0.0/16 dev a metric 1\n"
						   "addr 10.0.0.2/8 dev a\naddr 10.0.0.9/8 dev b\n"
						   "addr 10.0.0.1/8 dev a\n");
	AUTO_FREE char *text = snapshot_to_text(&snap);

	assert_string_equal(text, "link 3 b\nlink 9 a\n"
				  "addr 10.0.0.9/8 dev b\naddr 10.0.0.1/8 dev a\naddr 10.0.0.2/8 dev a\n"
				  "route 10.1.0.0/16 dev a metric 1\nroute 10.1.0.0/16 dev a metric 2\n"
				  "route 10.2.0.0/16 dev a\nroute ::/0 dev a\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_left_out),
		cmocka_unit_test(test_every_field),
		cmocka_unit_test(test_every_wire),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_unknown_device),
		cmocka_unit_test(test_sysctl),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_look),
		cmocka_unit_test(test_sort),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
