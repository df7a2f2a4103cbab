/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_op.c - operations in words and JSON, and what they make of a snapshot */

#include "nft/ruleset.h"
#include "plan/op.h"

#include <errno.h>
#include <linux/if_addr.h>
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
	assert_text(&op, "set vp0: join vn-blue, mac fe:54:00:00:00:01, mtu 9000, txqueuelen 500, group "
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
	op.loses_traffic = true;
	json = op_to_json(&op);
	assert_non_null(json);
	assert_true(json_is_true(json_object_get(json, "losesTraffic")));
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
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_bridge_create),
		cmocka_unit_test(test_tap_create),
		cmocka_unit_test(test_link_set),
		cmocka_unit_test(test_link_delete),
		cmocka_unit_test(test_up_and_down),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_source_elsewhere),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_routers_forgotten),
	};

	return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}
