/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_op.c - operations in words and JSON, and what they make of a snapshot */

#include "nft/ruleset.h"
#include "plan/op.h"
#include "plan/op_apply.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct op link_op(enum op_kind kind, const char *name, uint32_t set)
{
	struct op op = { .kind = kind, .network = "blue" };

	snprintf(op.link.name, sizeof(op.link.name), "%s", name);
	op.link.set = set;
	return op;
}

static struct op addr_op(enum op_kind kind, const char *ifname, const char *prefix)
{
	struct op op = { .kind = kind, .network = "blue" };

	snprintf(op.addr.ifname, sizeof(op.addr.ifname), "%s", ifname);
	assert_int_equal(prefix_parse(prefix, &op.addr.addr.prefix), 0);
	op.addr.addr.valid = op.addr.addr.preferred = UINT32_MAX;
	return op;
}

static struct op create_op(const char *kind, const char *name, const char *parent)
{
	struct op op = link_op(OP_LINK_CREATE, name, 0);

	snprintf(op.link.kind, sizeof(op.link.kind), "%s", kind);
	snprintf(op.link.parent, sizeof(op.link.parent), "%s", parent);
	snprintf(op.link.alias, sizeof(op.link.alias), "vnet:link:%s", name);
	return op;
}

static struct op vlan_op(enum op_kind kind, const char *ifname, unsigned first, unsigned last)
{
	struct op op = { .kind = kind, .network = "blue" };

	snprintf(op.vlan.ifname, sizeof(op.vlan.ifname), "%s", ifname);
	op.vlan.vlan.first = (uint16_t)first;
	op.vlan.vlan.last = (uint16_t)last;
	return op;
}

static struct op fdb_op(enum op_kind kind, const char *ifname, const char *dst)
{
	struct op op = { .kind = kind, .network = "blue" };

	snprintf(op.fdb.ifname, sizeof(op.fdb.ifname), "%s", ifname);
	assert_int_equal(ip_parse(dst, &op.fdb.fdb.dst), 0);
	return op;
}

static struct op shape_op(const char *ifname, uint64_t in, uint64_t out)
{
	struct op op = { .kind = OP_SHAPE, .network = "blue",
			 .shape = { .ifb = "vi-blue", .shaper = { .slot = 3 } } };

	snprintf(op.shape.ifname, sizeof(op.shape.ifname), "%s", ifname);
	op.shape.shaper.in = (struct bandwidth){ .rate = in, .burst = in ? 15140 : 0 };
	op.shape.shaper.out = (struct bandwidth){ .rate = out, .burst = out ? 15140 : 0 };
	return op;
}

static struct op route_op(enum op_kind kind, const char *ifname, const char *dst, const char *via)
{
	struct op op = { .kind = kind, .network = "blue" };
	struct route *route = &op.route.route;

	snprintf(op.route.ifname, sizeof(op.route.ifname), "%s", ifname);
	assert_int_equal(prefix_parse(dst, &route->dst), 0);
	if (via)
		assert_int_equal(ip_parse(via, &route->gateway), 0);
	route->family = route->dst.addr.family;
	route->table = RT_TABLE_MAIN;
	route->type = RTN_UNICAST;
	route->protocol = ROUTE_PROTOCOL_VNET;
	return op;
}

static struct op sysctl_op(const char *path, int64_t value)
{
	struct op op = { .kind = OP_SYSCTL };

	snprintf(op.sysctl.sysctl.path, sizeof(op.sysctl.sysctl.path), "%s", path);
	op.sysctl.sysctl.value = value;
	return op;
}

/* Words. */

static void assert_text(const struct op *op, const char *wanted)
{
	AUTO_FREE char *text = op_to_text(op);

	assert_string_equal(text, wanted);
}

static void test_link_text(void **state)
{
	struct op op = link_op(OP_LINK_SET, "vp0", 0);

	(void)state;
	assert_text(&op, "set vp0: nothing");
	op.link.set = LINK_SET_MASTER;
	assert_text(&op, "set vp0: leave its bridge");
	strcpy(op.link.old_name, "lost0");
	strcpy(op.link.master, "vn-blue");
	strcpy(op.link.alias, "vnet:port:blue:vm1");
	mac_parse("fe:54:00:00:00:01", &op.link.mac);
	op.link.mtu = 9000;
	op.link.txqueuelen = 500;
	op.link.group = 3;
	op.link.addr_gen_mode = 1;
	op.link.port.isolated = op.link.port.root_guard = true;
	op.link.port.state = 4;
	op.link.set = ~(uint32_t)(LINK_SET_BRIDGE | LINK_SET_KIND);
	assert_text(&op, "set vp0: no longer called lost0, join vn-blue, mac fe:54:00:00:00:01, mtu 9000, txqueuelen 500, group "
			 "3, ipv6 link-local none, alias \"vnet:port:blue:vm1\", isolated, root "
			 "guard, no learning, no flood, no multicast flood, no hairpin, no proxy arp, "
			 "state blocking, down");
	op.link.up = true;
	op.link.set = LINK_SET_UP;
	assert_text(&op, "set vp0: up");
	op = link_op(OP_LINK_DELETE, "vp0", 0);
	assert_text(&op, "delete device vp0");
}

static void test_bridge_text(void **state)
{
	struct op op = link_op(OP_BRIDGE_CREATE, "vn-blue", 0);

	(void)state;
	mac_parse("52:54:00:00:00:01", &op.link.mac);
	op.link.mtu = 1500;
	op.link.bridge = (struct bridge_state){ .ageing = 30000 };
	assert_text(&op, "create bridge vn-blue (52:54:00:00:00:01, mtu 1500, stp off, forward delay 0 s, "
			 "ageing 300 s, multicast snooping off)");
	op.link.bridge = (struct bridge_state){ .stp = true, .forward_delay = 250, .hello_time = 100,
						.max_age = 600, .priority = 4096, .ageing = 5,
						.multicast_snooping = true, .group_fwd_mask = 8,
						.nf_call_arptables = true };
	op.kind = OP_LINK_SET;
	op.link.set = LINK_SET_BRIDGE;
	assert_text(&op, "set vn-blue: stp on, forward delay 2.50 s, hello 1 s, max age 6 s, priority "
			 "4096, ageing 0.05 s, multicast snooping on, group_fwd_mask 0x0008, nf_call on");
}

static void test_other_text(void **state)
{
	struct op tap = { .kind = OP_TAP_CREATE, .tap = { .name = "vp0", .vnet_hdr = true,
							  .owner = UINT32_MAX, .group = UINT32_MAX } };
	struct op addr = addr_op(OP_ADDR_ADD, "vn-blue", "10.0.0.1/24");
	struct op route = route_op(OP_ROUTE_ADD, "vn-blue", "10.1.0.0/16", "10.0.0.2");
	struct op sysctl = sysctl_op("net/ipv4/ip_forward", -1);
	struct op service = { .kind = OP_SERVICE, .service = SERVICE_RELOAD };

	(void)state;
	assert_text(&tap, "create persistent tap vp0 (one queue, vnet_hdr on)");
	tap.tap.owner = 1000;
	tap.tap.group = 1001;
	tap.tap.multi_queue = true;
	tap.tap.vnet_hdr = false;
	assert_text(&tap, "create persistent tap vp0 (many queues, vnet_hdr off, owner 1000, group 1001)");
	assert_text(&addr, "add address 10.0.0.1/24 to vn-blue");
	addr.addr.addr.metric = 7;
	addr.addr.addr.valid = 60;
	ip_parse("10.0.0.9", &addr.addr.addr.peer);
	assert_text(&addr, "add address 10.0.0.1/24 to vn-blue, peer 10.0.0.9, metric 7, valid 60 s");
	addr.kind = OP_ADDR_DEL;
	assert_text(&addr, "remove address 10.0.0.1/24 from vn-blue");
	assert_text(&route, "add route 10.1.0.0/16 via 10.0.0.2 dev vn-blue");
	route.kind = OP_ROUTE_DEL;
	route.route.route.metric = 5;
	route.route.route.table = 100;
	route.route.route.flags = RTNH_F_ONLINK;
	ip_parse("10.0.0.1", &route.route.route.prefsrc);
	assert_text(&route, "remove route 10.1.0.0/16 via 10.0.0.2 dev vn-blue metric 5 src 10.0.0.1 "
			    "table 100 onlink");
	route = route_op(OP_ROUTE_ADD, "", "2001:db8::/32", NULL);
	route.route.route.type = RTN_BLACKHOLE;
	assert_text(&route, "add route blackhole 2001:db8::/32");
	assert_text(&sysctl, "set sysctl net/ipv4/ip_forward to -1");
	assert_text(&service, "reload dnsmasq");
}

static void test_create_text(void **state)
{
	struct op op = create_op("vlan", "vl-blue", "eth0");

	(void)state;
	op.link.vlan = (struct vlan_state){ 100, ETH_P_8021Q };
	assert_text(&op, "create vlan vl-blue on eth0 (id 100)");
	op.link.vlan.protocol = ETH_P_8021AD;
	op.link.mtu = 1496;
	op.link.set = LINK_SET_ADDR_GEN;
	op.link.addr_gen_mode = 1;
	assert_text(&op, "create vlan vl-blue on eth0 (id 100, 802.1ad, mtu 1496, ipv6 link-local none)");
	op = create_op("macvlan", "vc-lan", "eth0");
	op.link.macvlan.mode = MACVLAN_MODE_BRIDGE;
	mac_parse("52:54:00:00:00:01", &op.link.mac);
	assert_text(&op, "create macvlan vc-lan on eth0 (mode bridge, mac 52:54:00:00:00:01)");
	op = create_op("gretap", "vg1", "");
	ip_parse("10.0.0.1", &op.link.gre.local);
	ip_parse("10.0.0.2", &op.link.gre.remote);
	op.link.gre.ttl = 64;
	assert_text(&op, "create gretap vg1 (10.0.0.1 to 10.0.0.2, ttl 64, tos 0, path MTU discovery off)");
	op.link.gre.has_key = op.link.gre.pmtudisc = true;
	op.link.gre.key = 7;
	assert_text(&op, "create gretap vg1 (10.0.0.1 to 10.0.0.2, key 7, ttl 64, tos 0, path MTU "
			 "discovery on)");
	op.kind = OP_LINK_SET;
	op.link.set = LINK_SET_KIND;
	assert_text(&op, "set vg1: ttl 64, tos 0, path MTU discovery on");
	op = create_op("vxlan", "vx1", "eth0");
	op.link.vxlan = (struct vxlan_state){ .vni = 42, .port = 4789, .ttl = 3, .learning = true };
	ip_parse("10.0.0.1", &op.link.vxlan.local);
	assert_text(&op, "create vxlan vx1 on eth0 (vni 42, local 10.0.0.1, port 4789, ttl 3, tos 0, "
			 "learning on, don't fragment off)");
	op.kind = OP_LINK_SET;
	op.link.set = LINK_SET_KIND;
	op.link.vxlan.df = 1;
	assert_text(&op, "set vx1: ttl 3, tos 0, learning on, don't fragment on");
	op = create_op("ifb", "vi-blue", "");
	assert_text(&op, "create ifb vi-blue");
	op = link_op(OP_LINK_SET, "vl-blue", LINK_SET_GROUP);
	op.link.group = LINK_GROUP_DELETE;
	assert_text(&op, "set vl-blue: marked for deletion");
	op.kind = OP_GROUP_DELETE;
	assert_text(&op, "delete the marked devices");
	op.link.group = 7;
	assert_text(&op, "delete the devices of group 7");
}

static void test_port_text(void **state)
{
	struct op vlan = vlan_op(OP_VLAN_ADD, "vp0", 10, 10), fdb = fdb_op(OP_FDB_ADD, "vx1", "10.0.0.2");
	struct op shape = shape_op("vp0", 10000000, 1500000), root = { .kind = OP_SHAPE_ROOT };
	struct op features = { .kind = OP_FEATURES, .features = { .ifname = "vp0" } };
	struct op vf = { .kind = OP_VF, .vf = { .ifname = "eth0", .vf = { .index = 3 } } };
	struct op checksum = { .kind = OP_CHECKSUM_ADD, .checksum = { .ifname = "vp0" } };

	(void)state;
	assert_text(&checksum, "guard the checksums of vp0");
	checksum.kind = OP_CHECKSUM_DEL;
	assert_text(&checksum, "no longer guard the checksums of vp0");
	assert_text(&vlan, "add VLAN 10 to vp0 (tagged)");
	vlan.vlan.vlan.is_pvid = vlan.vlan.vlan.is_untagged = true;
	assert_text(&vlan, "add VLAN 10 to vp0 (native, untagged)");
	vlan = vlan_op(OP_VLAN_DEL, "vp0", 20, 30);
	assert_text(&vlan, "remove VLANs 20-30 from vp0");
	assert_text(&fdb, "add peer 10.0.0.2 to vx1");
	fdb.kind = OP_FDB_DEL;
	assert_text(&fdb, "remove peer 10.0.0.2 from vx1");
	mac_parse("52:54:00:00:00:01", &fdb.fdb.fdb.mac);
	assert_text(&fdb, "remove forwarding of 52:54:00:00:00:01 to 10.0.0.2 by vx1");
	assert_text(&shape, "shape vp0 by vi-blue: in 10mbit burst 15140, out 1500kbit burst 15140, slot 3");
	shape.shape.shaper.in.guaranteed = 8001;
	shape.shape.shaper.out = (struct bandwidth){ 0 };
	assert_text(&shape, "shape vp0 by vi-blue: in 10mbit guaranteed 8001bit burst 15140, out unlimited, "
			    "slot 3");
	shape.shape.shaper.in = (struct bandwidth){ 0 };
	assert_text(&shape, "stop shaping vp0");
	strcpy(root.shape_root.ifb, "vi-blue");
	root.shape_root.in = (struct bandwidth){ .rate = 2000000000, .burst = 9 };
	assert_text(&root, "limit of all on vi-blue: in 2gbit burst 9, out unlimited");
	features.features.options.tso = TRI_FALSE;
	features.features.options.rx = TRI_TRUE;
	assert_text(&features, "offloads of vp0: rx on, tso off");
	assert_text(&vf, "set virtual function 3 of eth0: mac 00:00:00:00:00:00, no vlan, spoofchk off, "
			 "trust off, link auto");
	vf.vf.vf = (struct vf){ .index = 3, .vlan = 9, .vlan_protocol = ETH_P_8021AD, .spoofchk = true,
				.trust = true, .max_rate = 100, .min_rate = 1, .link_state = 2 };
	assert_text(&vf, "set virtual function 3 of eth0: mac 00:00:00:00:00:00, vlan 9 (802.1ad), spoofchk "
			 "on, trust on, at most 100 Mbit/s, at least 1 Mbit/s, link off");
}

static void test_json(void **state)
{
	struct op op = link_op(OP_LINK_DELETE, "vp0", 0);
	json_t *json = op_to_json(&op);
	AUTO_FREE char *text = json_dumps(json, JSON_SORT_KEYS);

	(void)state;
	assert_string_equal(text, "{\"losesTraffic\": false, \"network\": \"blue\", \"op\": "
				  "\"link-delete\", \"text\": \"delete device vp0\"}");
	json_decref(json);

	/* The kernel takes any byte in a name; JSON does not. */
	op = link_op(OP_LINK_DELETE, "a\xff", 0);
	op_loses(&op, true, "the wire goes");
	json = op_to_json(&op);
	assert_non_null(json);
	assert_true(json_is_true(json_object_get(json, "losesTraffic")));
	assert_string_equal(json_string_value(json_object_get(json, "why")), "the wire goes");
	json_decref(json);
}

static void test_list(void **state)
{
	AUTO_OPS op_vec ops = { 0 };

	(void)state;
	op_add(&ops, OP_NFT, "blue")->nft = nft_txn_new(); /* freed with the list */
	op_add(&ops, OP_SERVICE, NULL)->service = SERVICE_STOP;
	op_add(&ops, OP_SERVICE, "a-name-of-sixteen-and-more");
	assert_int_equal(ops.n, 3);
	assert_string_equal(ops.v[0].network, "blue");
	assert_string_equal(ops.v[1].network, "");
	assert_string_equal(ops.v[2].network, "a-name-of-sixte");
}

/* Effects. */

struct host {
	struct snapshot snap;
};

static void set_up(struct host *host, const char *text)
{
	host->snap = (struct snapshot){ 0 };
	assert_int_equal(snapshot_from_text(text, &host->snap, NULL), 0);
}

static void apply(struct host *host, struct op op)
{
	struct vnet_error err = { 0 };

	if (op_apply(&op, &host->snap, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(op_apply(&op, &host->snap, &err), 0); /* safe to run twice */
}

static void assert_refused(struct host *host, struct op op, int number, const char *code)
{
	AUTO_FREE char *before = snapshot_to_text(&host->snap);
	struct vnet_error err = { 0 };

	assert_int_equal(op_apply(&op, &host->snap, &err), number);
	assert_string_equal(err.code, code);

	AUTO_FREE char *after = snapshot_to_text(&host->snap);

	assert_string_equal(before, after);
}

static void assert_host(struct host *host, const char *wanted)
{
	AUTO_FREE char *text = snapshot_to_text(&host->snap);

	assert_string_equal(text, wanted);
}

static void test_bridge_create(void **state)
{
	struct op op = link_op(OP_BRIDGE_CREATE, "vn-blue", LINK_SET_MTU);
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0\nlink 9 br0 kind bridge\n"
		      "sysctl net/ipv4/conf/default/forwarding 1\nsysctl net/ipv6/conf/all/forwarding 0\n");
	strcpy(op.link.alias, "vnet:bridge:blue");
	op.link.bridge.ageing = 30000;
	op.link.mtu = 9000;
	apply(&host, op);
	assert_host(&host, "link 2 eth0\nlink 9 br0 kind bridge\n"
			   "link 10 vn-blue kind bridge mtu 9000 alias vnet:bridge:blue forward_delay 0 "
			   "hello_time 0 max_age 0 priority 0 no_mcast_snooping\n"
			   "sysctl net/ipv4/conf/default/forwarding 1\n"
			   "sysctl net/ipv4/conf/vn-blue/forwarding 1\n"
			   "sysctl net/ipv6/conf/all/forwarding 0\n");
	strcpy(op.link.name, "eth0");
	assert_refused(&host, op, -EEXIST, "device-exists");
	strcpy(op.link.name, "br0");
	assert_refused(&host, op, -EEXIST, "device-exists");
	snapshot_free(&host.snap);
}

static void test_tap_create(void **state)
{
	struct op op = { .kind = OP_TAP_CREATE, .tap = { .name = "vp0", .multi_queue = true,
							 .owner = 7, .group = UINT32_MAX,
							 .alias = "vnet:port:blue:vm1" } };
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0\n");
	apply(&host, op);
	assert_host(&host, "link 2 eth0\nlink 3 vp0 kind tun mac 02:00:00:00:00:03 alias "
			   "vnet:port:blue:vm1 persistent multi_queue tun_owner 7\n");
	strcpy(op.tap.name, "eth0");
	assert_refused(&host, op, -EEXIST, "device-exists");
	snapshot_free(&host.snap);
}

static void test_link_set(void **state)
{
	struct op op = link_op(OP_LINK_SET, "vp0", LINK_SET_MASTER | LINK_SET_UP);
	struct host host;

	(void)state;
	set_up(&host, "link 3 br0 kind bridge\nlink 4 vp0 kind tun lower_up\nlink 5 br1 kind bridge\n");
	strcpy(op.link.master, "br0");
	op.link.up = true;
	apply(&host, op);
	op = link_op(OP_LINK_SET, "vp0", LINK_SET_ISOLATED | LINK_SET_STATE);
	op.link.port.isolated = true;
	op.link.port.state = 4;
	apply(&host, op);
	assert_host(&host, "link 3 br0 kind bridge\n"
			   "link 4 vp0 kind tun master br0 up lower_up state blocking isolated\n"
			   "link 5 br1 kind bridge\n");

	/* Another bridge: its options are the defaults again. */
	op = link_op(OP_LINK_SET, "vp0", LINK_SET_MASTER);
	strcpy(op.link.master, "br1");
	apply(&host, op);
	assert_host(&host, "link 3 br0 kind bridge\nlink 4 vp0 kind tun master br1 up lower_up\n"
			   "link 5 br1 kind bridge\n");
	strcpy(op.link.master, "br9");
	assert_refused(&host, op, -ENODEV, "no-device");
	strcpy(op.link.master, "vp0");
	assert_refused(&host, op, -EINVAL, "not-a-bridge");
	op.link.master[0] = '\0';
	apply(&host, op);
	assert_host(&host, "link 3 br0 kind bridge\nlink 4 vp0 kind tun up lower_up\nlink 5 br1 kind "
			   "bridge\n");
	op = link_op(OP_LINK_SET, "vp0", LINK_SET_ISOLATED);
	assert_refused(&host, op, -EOPNOTSUPP, "no-bridge-port");
	op = link_op(OP_LINK_SET, "vp9", LINK_SET_MTU);
	assert_refused(&host, op, -ENODEV, "no-device");
	snapshot_free(&host.snap);
}

static void test_link_delete(void **state)
{
	struct op op = link_op(OP_LINK_DELETE, "vn-blue", 0);
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0\nlink 3 vn-blue kind bridge up alias vnet:bridge:blue\n"
		      "link 4 vp0 kind tun master vn-blue up\n"
		      "addr 10.0.0.1/24 dev vn-blue\nroute 10.0.0.0/24 dev vn-blue proto kernel\n"
		      "route 10.1.0.0/24 dev eth0\n"
		      "sysctl net/ipv4/conf/vn-blue/forwarding 1\nsysctl net/ipv4/conf/vn-blue2/forwarding 1\n");
	apply(&host, op);
	assert_host(&host, "link 2 eth0\nlink 4 vp0 kind tun up\nroute 10.1.0.0/24 dev eth0\n"
			   "sysctl net/ipv4/conf/vn-blue2/forwarding 1\n");
	strcpy(op.link.name, "vp0");
	assert_refused(&host, op, -EPERM, "foreign-device");
	op.link.force = true;
	apply(&host, op);
	snapshot_free(&host.snap);
}

static void test_link_create(void **state)
{
	struct op vlan = create_op("vlan", "vl1", "eth0"), gre = create_op("gretap", "vg1", "");
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0 mac 02:00:00:00:00:02 mtu 1400 up\nsysctl net/ipv4/conf/default/forwarding "
		      "1\n");
	vlan.link.vlan = (struct vlan_state){ 5, ETH_P_8021Q };
	apply(&host, vlan);
	gre.link.set = LINK_SET_ADDR_GEN;
	gre.link.addr_gen_mode = 1;
	ip_parse("10.0.0.1", &gre.link.gre.local);
	ip_parse("10.0.0.2", &gre.link.gre.remote);
	gre.link.gre.pmtudisc = true;
	gre.link.mtu = 1462;
	apply(&host, gre);
	assert_host(&host, "link 2 eth0 mac 02:00:00:00:00:02 mtu 1400 up\n"
			   "link 3 vl1 kind vlan parent eth0 mac 02:00:00:00:00:02 mtu 1400 alias "
			   "vnet:link:vl1 id 5\n"
			   "link 4 vg1 kind gretap mac 02:00:00:00:00:04 mtu 1462 addrgen none alias "
			   "vnet:link:vg1 local 10.0.0.1 remote 10.0.0.2 ttl 0\n"
			   "sysctl net/ipv4/conf/default/forwarding 1\n"
			   "sysctl net/ipv4/conf/vg1/forwarding 1\nsysctl net/ipv4/conf/vl1/forwarding 1\n");
	strcpy(vlan.link.name, "vl2");
	assert_refused(&host, vlan, -EEXIST, "device-exists");
	vlan.link.vlan.id = 6;
	vlan.link.mtu = 1500;
	assert_refused(&host, vlan, -ERANGE, "mtu-too-large");
	strcpy(vlan.link.kind, "macvlan");
	assert_refused(&host, vlan, -EINVAL, "mtu-too-large");
	strcpy(vlan.link.parent, "eth9");
	assert_refused(&host, vlan, -ENODEV, "no-device");
	strcpy(gre.link.name, "vg2");
	assert_refused(&host, gre, -EEXIST, "device-exists");
	gre.link.gre.has_key = true;
	apply(&host, gre);
	strcpy(gre.link.name, "eth0");
	assert_refused(&host, gre, -EEXIST, "device-exists");
	snapshot_free(&host.snap);
}

/* A VLAN device follows the one below: raised, lowered, never wider. */
static void test_stacked(void **state)
{
	struct op up = link_op(OP_LINK_SET, "eth0", LINK_SET_UP), mtu = link_op(OP_LINK_SET, "eth0", LINK_SET_MTU);
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0\nlink 3 vl1 kind vlan parent eth0 id 1\n"
		      "link 4 vl2 kind vlan parent vl1 id 2\nlink 5 mv kind macvlan parent eth0 up\n"
		      "link 6 vx kind vxlan parent eth0\nlink 7 vg kind gretap parent eth0\n");
	up.link.up = true;
	strcpy(up.link.name, "vl2");
	assert_refused(&host, up, -ENETDOWN, "device-down");
	strcpy(up.link.name, "eth0");
	apply(&host, up);
	mtu.link.mtu = 1300;
	apply(&host, mtu);
	assert_host(&host, "link 2 eth0 mtu 1300 up\nlink 3 vl1 kind vlan parent eth0 mtu 1300 up id 1\n"
			   "link 4 vl2 kind vlan parent vl1 mtu 1300 up id 2\n"
			   "link 5 mv kind macvlan parent eth0 mtu 1300 up\n"
			   "link 6 vx kind vxlan parent eth0\nlink 7 vg kind gretap parent eth0\n");
	strcpy(mtu.link.name, "vl2");
	mtu.link.mtu = 1301;
	assert_refused(&host, mtu, -ERANGE, "mtu-too-large");
	up.link.up = false;
	apply(&host, up);
	up = link_op(OP_LINK_DELETE, "eth0", 0);
	up.link.force = true;
	apply(&host, up);
	assert_host(&host, "link 7 vg kind gretap parent @2\n");
	snapshot_free(&host.snap);
}

static void test_group_delete(void **state)
{
	struct op op = link_op(OP_GROUP_DELETE, "", 0);
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0\nlink 3 a group 7 alias vnet:x\nlink 4 b group 7\n"
		      "link 5 c kind vlan parent a\nlink 6 d group 8 alias vnet:x\n"
		      "addr 10.0.0.1/8 dev a\nsysctl net/ipv4/conf/a/forwarding 1\n"
		      "sysctl net/ipv4/conf/aa/forwarding 1\n"
		      "fdb 00:00:00:00:00:00 dev a dst 10.0.0.9\nshaper eth0 ifb a slot 1 in 5\n"
		      "shaper_root a in 5\nvf 0 dev a\n");
	op.link.group = 7;
	assert_refused(&host, op, -EPERM, "foreign-device");
	op.link.force = true;
	apply(&host, op);
	assert_host(&host, "link 2 eth0\nlink 6 d group 8 alias vnet:x\n"
			   "sysctl net/ipv4/conf/aa/forwarding 1\nshaper eth0 ifb @3 slot 1 in 5\n");
	op.link.group = 9; /* of nobody */
	apply(&host, op);
	snapshot_free(&host.snap);
}

#define AWARE "link 2 br0 kind bridge vlan_filtering default_pvid 0\n"

static void test_vlans(void **state)
{
	struct op op = vlan_op(OP_VLAN_ADD, "vp0", 10, 20), bridge = vlan_op(OP_VLAN_ADD, "br0", 5, 5);
	struct host host;

	(void)state;
	set_up(&host, AWARE "link 3 vp0 kind tun master br0\nlink 4 eth0\n");
	apply(&host, op);
	apply(&host, vlan_op(OP_VLAN_DEL, "vp0", 12, 13));
	op = vlan_op(OP_VLAN_ADD, "vp0", 15, 15);
	op.vlan.vlan.is_pvid = op.vlan.vlan.is_untagged = true;
	apply(&host, op);
	bridge.vlan.is_bridge = bridge.vlan.vlan.is_pvid = true;
	apply(&host, bridge);
	apply(&host, vlan_op(OP_VLAN_DEL, "vp9", 1, 1));
	apply(&host, vlan_op(OP_VLAN_DEL, "eth0", 1, 1));
	assert_host(&host, AWARE "link 3 vp0 kind tun master br0\nlink 4 eth0\n"
			   "vlan 5 dev br0 pvid\nvlan 10-11 dev vp0\nvlan 14 dev vp0\n"
			   "vlan 15 dev vp0 pvid untagged\nvlan 16-20 dev vp0\n");
	/* One native VLAN at a time. */
	op.vlan.vlan.first = op.vlan.vlan.last = 16;
	apply(&host, op);
	assert_host(&host, AWARE "link 3 vp0 kind tun master br0\nlink 4 eth0\n"
			   "vlan 5 dev br0 pvid\nvlan 10-11 dev vp0\nvlan 14 dev vp0\n"
			   "vlan 15 dev vp0 untagged\nvlan 16 dev vp0 pvid untagged\n"
			   "vlan 17-20 dev vp0\n");
	assert_refused(&host, vlan_op(OP_VLAN_ADD, "eth0", 1, 1), -EOPNOTSUPP, "no-bridge-port");
	assert_refused(&host, vlan_op(OP_VLAN_ADD, "vp9", 1, 1), -ENODEV, "no-device");
	assert_refused(&host, vlan_op(OP_VLAN_ADD, "vp0", 0, 1), -EINVAL, "bad-vlan");
	assert_refused(&host, vlan_op(OP_VLAN_ADD, "vp0", 1, 4095), -EINVAL, "bad-vlan");
	op.vlan.vlan.last = 17;
	assert_refused(&host, op, -EINVAL, "bad-vlan");
	/* They are the bridge's: gone with the port's place on it. */
	op = link_op(OP_LINK_SET, "vp0", LINK_SET_MASTER);
	apply(&host, op);
	assert_int_equal(host.snap.vlans.n, 1);
	snapshot_free(&host.snap);
}

static void test_default_vlan(void **state)
{
	struct op join = link_op(OP_LINK_SET, "vp0", LINK_SET_MASTER);
	struct op bridge = link_op(OP_LINK_SET, "br0", LINK_SET_BRIDGE);
	struct host host;

	(void)state;
	set_up(&host, "link 2 br0 kind bridge vlan_filtering\nlink 3 vp0\nvlan 1 dev br0 pvid untagged\n");
	strcpy(join.link.master, "br0");
	apply(&host, join);
	assert_int_equal(host.snap.vlans.n, 2);
	bridge.link.bridge = (struct bridge_state){ .vlan_filtering = true, .vlan_protocol = ETH_P_8021Q,
						    .default_pvid = 7 };
	apply(&host, bridge);
	assert_int_equal(host.snap.vlans.v[1].first, 7);
	apply(&host, vlan_op(OP_VLAN_ADD, "vp0", 8, 9)); /* beside it */
	bridge.link.bridge.default_pvid = 0;
	apply(&host, bridge);
	assert_int_equal(host.snap.vlans.n, 1);
	assert_int_equal(host.snap.vlans.v[0].first, 8);
	/* Without a protocol nothing of VLANs is said. */
	bridge.link.bridge = (struct bridge_state){ .ageing = 5 };
	apply(&host, bridge);
	assert_true(host.snap.links.v[0].bridge.vlan_filtering);
	bridge.link.bridge.vlan_protocol = ETH_P_8021Q;
	apply(&host, bridge);
	assert_false(host.snap.links.v[0].bridge.vlan_filtering);
	assert_int_equal(host.snap.vlans.n, 0);
	snapshot_free(&host.snap);
}

static void test_port_objects(void **state)
{
	struct op root = { .kind = OP_SHAPE_ROOT, .shape_root = { .ifb = "vi-blue", .in = { .rate = 9 } } };
	struct op features = { .kind = OP_FEATURES, .features = { .ifname = "vp0" } };
	struct op vf = { .kind = OP_VF, .vf = { .ifname = "eth0", .vf = { .index = 1, .vlan = 5 } } };
	struct op checksum = { .kind = OP_CHECKSUM_ADD, .checksum = { .ifname = "vp0" } };
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0\nlink 3 vp0 kind tun\nlink 4 vi-blue kind ifb\nlink 5 vx kind vxlan\n"
		      "vf 1 dev eth0 trust\n");
	apply(&host, fdb_op(OP_FDB_ADD, "vx", "10.0.0.3"));
	apply(&host, fdb_op(OP_FDB_ADD, "vx", "10.0.0.2"));
	apply(&host, fdb_op(OP_FDB_DEL, "vx", "10.0.0.4"));
	apply(&host, fdb_op(OP_FDB_DEL, "vx9", "10.0.0.4"));
	apply(&host, root);
	apply(&host, shape_op("vp0", 10000000, 0));
	apply(&host, shape_op("vp9", 0, 0));
	features.features.options.tso = TRI_FALSE;
	apply(&host, features);
	apply(&host, checksum);
	apply(&host, vf);
	assert_host(&host, "link 2 eth0\nlink 3 vp0 kind tun checksum guarded features no_tso\nlink 4 vi-blue kind ifb\n"
			   "link 5 vx kind vxlan\n"
			   "fdb 00:00:00:00:00:00 dev vx dst 10.0.0.2\n"
			   "fdb 00:00:00:00:00:00 dev vx dst 10.0.0.3\n"
			   "shaper vp0 ifb vi-blue slot 3 in 10000000 in_burst 15140\n"
			   "shaper_root vi-blue in 9\nvf 1 dev eth0 vlan 5 protocol 0 no_spoofchk\n");
	apply(&host, fdb_op(OP_FDB_DEL, "vx", "10.0.0.2"));
	apply(&host, shape_op("vp0", 5, 6));
	assert_int_equal(host.snap.shapers.v[0].out.rate, 6);
	apply(&host, shape_op("vp0", 0, 0));
	root.shape_root.in.rate = 8;
	apply(&host, root);
	checksum.kind = OP_CHECKSUM_DEL;
	apply(&host, checksum);
	strcpy(checksum.checksum.ifname, "vp9");
	apply(&host, checksum);
	features.features.options = (struct port_options){ .gro = TRI_FALSE, .tso = TRI_TRUE };
	apply(&host, features);
	assert_host(&host, "link 2 eth0\nlink 3 vp0 kind tun features no_gro\nlink 4 vi-blue kind ifb\n"
			   "link 5 vx kind vxlan\n"
			   "fdb 00:00:00:00:00:00 dev vx dst 10.0.0.3\n"
			   "shaper_root vi-blue in 8\nvf 1 dev eth0 vlan 5 protocol 0 no_spoofchk\n");
	assert_refused(&host, fdb_op(OP_FDB_ADD, "vx9", "10.0.0.3"), -ENODEV, "no-device");
	assert_refused(&host, shape_op("vp9", 1, 1), -ENODEV, "no-device");
	strcpy(root.shape_root.ifb, "vi9");
	assert_refused(&host, root, -ENODEV, "no-device");
	strcpy(features.features.ifname, "vp9");
	assert_refused(&host, features, -ENODEV, "no-device");
	vf.vf.vf.index = 2;
	assert_refused(&host, vf, -EINVAL, "no-vf");
	strcpy(vf.vf.ifname, "eth9");
	assert_refused(&host, vf, -ENODEV, "no-device");
	snapshot_free(&host.snap);
}

static void test_link_settings(void **state)
{
	struct op op = link_op(OP_LINK_SET, "vg", LINK_SET_KIND);
	struct op port = link_op(OP_LINK_SET, "vg", LINK_SET_LEARNING | LINK_SET_FLOOD |
						    LINK_SET_MCAST_FLOOD | LINK_SET_HAIRPIN |
						    LINK_SET_PROXY_ARP | LINK_SET_ROOT_GUARD);
	struct host host;

	(void)state;
	set_up(&host, "link 2 br0 kind bridge\n"
		      "link 3 vg kind gretap master br0 local 10.0.0.1 remote 10.0.0.2\n"
		      "link 4 vx kind vxlan vni 5 local 10.0.0.1\n");
	op.link.gre = (struct gre_state){ .ttl = 9, .tos = 1, .ignore_df = true };
	apply(&host, op);
	strcpy(op.link.name, "vx");
	op.link.vxlan = (struct vxlan_state){ .ttl = 8, .tos = 1, .df = 1 };
	apply(&host, op);
	port.link.port = (struct bridge_port_state){ .hairpin = true, .proxy_arp = true, .root_guard = true };
	apply(&host, port);
	assert_host(&host, "link 2 br0 kind bridge\n"
			   "link 3 vg kind gretap master br0 no_learning hairpin no_flood no_mcast_flood "
			   "root_guard proxy_arp local 10.0.0.1 remote 10.0.0.2 ttl 9 tos 1 no_pmtudisc "
			   "ignore_df\n"
			   "link 4 vx kind vxlan vni 5 local 10.0.0.1 ttl 8 tos 1 no_peer_learning df 1\n");
	strcpy(port.link.name, "vx");
	assert_refused(&host, port, -EOPNOTSUPP, "no-bridge-port");
	snapshot_free(&host.snap);
}

/* With names devices are found by a hash; nothing else is different. */
static void test_names(void **state)
{
	struct vnet_error err = { 0 };
	struct link_names names = { 0 };
	struct host host;
	struct applier a = { &host.snap, &names, &err };

	(void)state;
	set_up(&host, "link 2 eth0 up\n");
	link_names_build(&names, &host.snap);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 1; i <= 200; i++) {
			AUTO_FREE char *name = mem_printf("vl%u", i);
			struct op op = create_op("vlan", name, "eth0");

			op.link.vlan.id = (uint16_t)i;
			assert_int_equal(op_apply_to(&op, &a), 0);
		}
		for (unsigned i = 1; i <= 200; i++) {
			AUTO_FREE char *name = mem_printf("vl%u", i);
			const struct link *link = link_names_find(&names, &host.snap, name);

			assert_non_null(link);
			assert_int_equal(link->vlan.id, i);
			assert_ptr_equal(link, snapshot_link(&host.snap, name));
		}
		for (unsigned i = 1; i <= 200; i++) {
			AUTO_FREE char *name = mem_printf("vl%u", i);
			struct op op = link_op(OP_LINK_DELETE, name, 0);

			assert_int_equal(op_apply_to(&op, &a), 0);
			assert_null(link_names_find(&names, &host.snap, name));
		}
	}
	assert_non_null(link_names_find(&names, &host.snap, "eth0"));
	assert_int_equal(host.snap.links.n, 1);
	link_names_free(&names);
	snapshot_free(&host.snap);
}

static void test_up_and_down(void **state)
{
	struct op op = link_op(OP_LINK_SET, "eth0", LINK_SET_UP);
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0\naddr 10.0.0.1/24 dev eth0\naddr 10.0.0.2/24 dev eth0 temporary\n"
		      "addr 2001:db8::1/64 dev eth0 valid 60 preferred 60\naddr 2001:db8:1::1/128 dev eth0\n");
	op.link.up = true;
	apply(&host, op);
	assert_host(&host, "link 2 eth0 up\naddr 10.0.0.1/24 dev eth0\n"
			   "addr 10.0.0.2/24 dev eth0 temporary\n"
			   "addr 2001:db8::1/64 dev eth0 valid 60 preferred 60\n"
			   "addr 2001:db8:1::1/128 dev eth0\n"
			   "route 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.1\n"
			   "route 2001:db8::/64 dev eth0 proto kernel metric 256 expires 60\n");
	op.link.up = false;
	apply(&host, op);
	assert_host(&host, "link 2 eth0\naddr 10.0.0.1/24 dev eth0\naddr 10.0.0.2/24 dev eth0 temporary\n");
	snapshot_free(&host.snap);
}

static void test_addresses(void **state)
{
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0 up\nlink 3 eth1 up\n");
	apply(&host, addr_op(OP_ADDR_ADD, "eth0", "10.0.0.1/24"));
	apply(&host, addr_op(OP_ADDR_ADD, "eth0", "10.0.0.2/24"));
	apply(&host, addr_op(OP_ADDR_ADD, "eth0", "2001:db8::1/64"));
	assert_host(&host, "link 2 eth0 up\nlink 3 eth1 up\n"
			   "addr 10.0.0.1/24 dev eth0\naddr 10.0.0.2/24 dev eth0 temporary\n"
			   "addr 2001:db8::1/64 dev eth0\n"
			   "route 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.1\n"
			   "route 2001:db8::/64 dev eth0 proto kernel metric 256\n");
	assert_refused(&host, addr_op(OP_ADDR_ADD, "eth9", "10.0.0.1/24"), -ENODEV, "no-device");
	apply(&host, addr_op(OP_ADDR_DEL, "eth9", "10.0.0.1/24"));

	/* The secondary goes with its primary, and a route with its source. */
	struct op route = route_op(OP_ROUTE_ADD, "eth1", "10.5.0.0/24", NULL);

	ip_parse("10.0.0.1", &route.route.route.prefsrc);
	apply(&host, route);
	apply(&host, addr_op(OP_ADDR_DEL, "eth0", "10.0.0.1/24"));
	apply(&host, addr_op(OP_ADDR_DEL, "eth0", "2001:db8::1/64"));
	assert_host(&host, "link 2 eth0 up\nlink 3 eth1 up\n");
	snapshot_free(&host.snap);
}

/* A source that another device still has keeps its routes. */
static void test_source_elsewhere(void **state)
{
	struct op route = route_op(OP_ROUTE_ADD, "eth1", "10.5.0.0/24", NULL);
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0 up\nlink 3 eth1 up\naddr 10.0.0.1/32 dev eth0\naddr 10.0.0.1/32 dev eth1\n");
	ip_parse("10.0.0.1", &route.route.route.prefsrc);
	route.route.route.scope = RT_SCOPE_LINK;
	apply(&host, route);
	apply(&host, addr_op(OP_ADDR_DEL, "eth0", "10.0.0.1/32"));
	assert_host(&host, "link 2 eth0 up\nlink 3 eth1 up\naddr 10.0.0.1/32 dev eth1\n"
			   "route 10.5.0.0/24 dev eth1 proto vnet src 10.0.0.1\n");
	snapshot_free(&host.snap);
}

static void test_routes(void **state)
{
	struct host host;

	(void)state;
	set_up(&host, "link 2 eth0 up\nlink 3 eth1\n");
	apply(&host, route_op(OP_ROUTE_ADD, "eth0", "10.1.0.0/16", "10.0.0.1"));
	apply(&host, route_op(OP_ROUTE_ADD, "eth0", "2001:db8::/32", "fe80::1"));
	assert_host(&host, "link 2 eth0 up\nlink 3 eth1\n"
			   "route 10.1.0.0/16 via 10.0.0.1 dev eth0 proto vnet\n"
			   "route 2001:db8::/32 via fe80::1 dev eth0 proto vnet metric 1024\n");
	assert_refused(&host, route_op(OP_ROUTE_ADD, "eth1", "10.2.0.0/16", "10.0.0.1"), -ENETDOWN,
		       "device-down");
	assert_refused(&host, route_op(OP_ROUTE_ADD, "eth9", "10.2.0.0/16", NULL), -ENODEV, "no-device");
	apply(&host, route_op(OP_ROUTE_DEL, "eth0", "10.1.0.0/16", "10.0.0.9")); /* another one */
	apply(&host, route_op(OP_ROUTE_DEL, "eth0", "10.1.0.0/16", "10.0.0.1"));
	apply(&host, route_op(OP_ROUTE_DEL, "eth0", "2001:db8::/32", "fe80::1"));
	apply(&host, route_op(OP_ROUTE_DEL, "eth9", "2001:db8::/32", NULL));
	assert_host(&host, "link 2 eth0 up\nlink 3 eth1\n");
	snapshot_free(&host.snap);
}

static void test_sysctls(void **state)
{
	struct op optional = sysctl_op("net/ipv4/conf/eth9/forwarding", 1);
	struct host host;

	(void)state;
	set_up(&host, "sysctl net/ipv4/conf/eth0/forwarding 0\nsysctl net/ipv4/conf/eth0/rp_filter 0\n"
		      "sysctl net/ipv4/ip_forward 0\nsysctl net/ipv6/conf/default/forwarding 0\n"
		      "sysctl net/ipv6/conf/eth0/forwarding 0\n");
	optional.sysctl.optional = true;
	apply(&host, optional);
	apply(&host, sysctl_op("net/ipv4/ip_forward", 1));
	apply(&host, sysctl_op("net/ipv6/conf/all/forwarding", 1));
	assert_host(&host, "sysctl net/ipv4/conf/eth0/forwarding 1\nsysctl net/ipv4/conf/eth0/rp_filter 0\n"
			   "sysctl net/ipv4/ip_forward 1\nsysctl net/ipv6/conf/all/forwarding 1\n"
			   "sysctl net/ipv6/conf/default/forwarding 1\n"
			   "sysctl net/ipv6/conf/eth0/forwarding 1\n");
	snapshot_free(&host.snap);
}

/* A host that begins to route forgets the routers it heard, but where accept_ra is 2. */
static void test_routers_forgotten(void **state)
{
	static const char text[] = "link 2 eth0 up\nlink 3 eth1 up\nlink 4 br0 kind bridge\n"
				   "route 2001:db8::/64 dev eth0 proto ra metric 256\n"
				   "route ::/0 via fe80::1 dev eth0 proto ra metric 1024\n"
				   "route ::/0 via fe80::2 dev eth1 proto ra metric 1024\n"
				   "sysctl net/ipv6/conf/eth0/accept_ra 1\n"
				   "sysctl net/ipv6/conf/eth1/accept_ra 2\n";
	struct host host;

	(void)state;
	set_up(&host, text);
	apply(&host, sysctl_op("net/ipv6/conf/br0/forwarding", 0));
	apply(&host, sysctl_op("net/ipv6/conf/br0/force_forwarding", 1));
	apply(&host, sysctl_op("net/ipv6/conf/default/forwarding", 1));
	assert_int_equal(host.snap.routes.n, 3);
	apply(&host, sysctl_op("net/ipv6/conf/br0/forwarding", 1));
	assert_int_equal(host.snap.routes.n, 2);
	assert_int_equal(host.snap.routes.v[0].oif, 3);
	assert_int_equal(host.snap.routes.v[1].dst.len, 64);
	snapshot_free(&host.snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_text),
		cmocka_unit_test(test_bridge_text),
		cmocka_unit_test(test_other_text),
		cmocka_unit_test(test_create_text),
		cmocka_unit_test(test_port_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_bridge_create),
		cmocka_unit_test(test_tap_create),
		cmocka_unit_test(test_link_set),
		cmocka_unit_test(test_link_delete),
		cmocka_unit_test(test_link_create),
		cmocka_unit_test(test_stacked),
		cmocka_unit_test(test_group_delete),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_default_vlan),
		cmocka_unit_test(test_port_objects),
		cmocka_unit_test(test_link_settings),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_up_and_down),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_source_elsewhere),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_routers_forgotten),
	};

	return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}
