/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_backend.c - bridges, ports, addresses, routes, TAPs, rules and events on both back ends */

#include "nft/ruleset.h"
#include "tests/backend/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Bridges. */

static void assert_bridge(const struct bridge_state *have, const struct bridge_state *wanted)
{
	assert_int_equal(have->stp, wanted->stp);
	assert_int_equal(have->forward_delay, wanted->forward_delay);
	assert_int_equal(have->hello_time, wanted->hello_time);
	assert_int_equal(have->max_age, wanted->max_age);
	assert_int_equal(have->ageing, wanted->ageing);
	assert_int_equal(have->priority, wanted->priority);
	assert_int_equal(have->multicast_snooping, wanted->multicast_snooping);
	assert_int_equal(have->group_fwd_mask, wanted->group_fwd_mask);
	assert_int_equal(have->vlan_filtering, wanted->vlan_filtering);
	assert_int_equal(have->nf_call_iptables, wanted->nf_call_iptables);
	assert_int_equal(have->nf_call_ip6tables, wanted->nf_call_ip6tables);
	assert_int_equal(have->nf_call_arptables, wanted->nf_call_arptables);
	assert_int_equal(have->linklocal_learn, wanted->linklocal_learn);
	assert_int_equal(have->vlan_protocol, wanted->vlan_protocol);
	assert_int_equal(have->default_pvid, wanted->default_pvid);
}

static void bridge_with_all_options(void **state)
{
	struct op op = bridge_op("vn-blue");
	struct link link;

	(void)state;
	op.link.bridge = (struct bridge_state){
		.stp = true, .forward_delay = 400, .hello_time = 300, .max_age = 1000,
		.ageing = 12300, .priority = 4096, .multicast_snooping = true,
		.group_fwd_mask = 0x4008, .linklocal_learn = true, .vlan_protocol = 0x8100 };
	op.link.mtu = 9000;
	op.link.set = LINK_SET_ADDR_GEN;
	op.link.addr_gen_mode = 1;
	run_twice(&op);
	link = get_link("vn-blue");
	assert_string_equal(link.kind, "bridge");
	assert_string_equal(link.alias, "vnet:bridge:vn-blue");
	assert_int_equal(link.mtu, 9000);
	assert_int_equal(link.addr_gen_mode, 1);
	assert_false(link.flags & IFF_UP);
	assert_memory_equal(&link.mac, &op.link.mac, sizeof(link.mac));
	assert_bridge(&link.bridge, &op.link.bridge);
	witness("1", "link show vn-blue|linkinfo.info_data.stp_state");
	witness("400", "link show vn-blue|linkinfo.info_data.forward_delay");
	witness("300", "link show vn-blue|linkinfo.info_data.hello_time");
	witness("1000", "link show vn-blue|linkinfo.info_data.max_age");
	witness("12300", "link show vn-blue|linkinfo.info_data.ageing_time");
	witness("4096", "link show vn-blue|linkinfo.info_data.priority");
	witness("1", "link show vn-blue|linkinfo.info_data.mcast_snooping");
	witness("\"0x4008\"", "link show vn-blue|linkinfo.info_data.group_fwd_mask");
	witness("0", "link show vn-blue|linkinfo.info_data.no_linklocal_learn");
	witness("\"vnet:bridge:vn-blue\"", "link show vn-blue|ifalias");
	witness("\"52:54:00:01:02:03\"", "link show vn-blue|address");
	witness("\"none\"", "link show vn-blue|inet6_addr_gen_mode");

	/* STP off with the delay of no STP, which the kernel refuses while STP runs. */
	op = link_op("vn-blue", LINK_SET_BRIDGE);
	op.link.bridge = bridge_op("x").link.bridge;
	run_twice(&op);
	link = get_link("vn-blue");
	assert_bridge(&link.bridge, &op.link.bridge);
	witness("0", "link show vn-blue|linkinfo.info_data.stp_state");
	witness("0", "link show vn-blue|linkinfo.info_data.forward_delay");
	witness("0", "link show vn-blue|linkinfo.info_data.mcast_snooping");
	witness("1", "link show vn-blue|linkinfo.info_data.no_linklocal_learn");
	/* And on again. */
	op.link.bridge.stp = true;
	op.link.bridge.forward_delay = 200;
	run_twice(&op);
	witness("1", "link show vn-blue|linkinfo.info_data.stp_state");
}

static void bridge_keeps_mtu_and_mac(void **state)
{
	const char *const bridges[] = { "vn-a", "vn-b" };
	const struct mac pinned = bridge_op("x").link.mac;
	struct op op;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bridges); i++) {
		char port[16];
		struct link link;
		int fd;

		snprintf(port, sizeof(port), "vp%zu", i);
		op = bridge_op(bridges[i]);
		op.link.mtu = i ? 4000 : 1500;
		run(&op, 1);
		fd = open_tap(port);
		op = master_op(port, bridges[i]);
		op.link.set |= LINK_SET_MTU | LINK_SET_MAC;
		op.link.mtu = 1300;
		op.link.mac = (struct mac){ { 0x02, 0, 0, 0, 0, 1 } }; /* lower than the bridge's */
		run_twice(&op);
		link = get_link(bridges[i]);
		assert_int_equal(link.mtu, i ? 4000 : 1500);
		assert_memory_equal(&link.mac, &pinned, sizeof(link.mac));
		close(fd);
	}
}

static void bridge_leaves_foreign_devices(void **state)
{
	struct op op = bridge_op("vn-blue"), other = bridge_op("vn-blue");
	int fd = open_tap("vn-tap");
	struct link link;

	(void)state;
	/* A device that is no bridge. */
	snprintf(op.link.name, sizeof(op.link.name), "vn-tap");
	assert_int_equal(refuse(&op), -EEXIST);
	assert_string_equal(f->err.code, "device-exists");
	assert_non_null(strstr(f->err.message, "vn-tap"));
	link = get_link("vn-tap");
	assert_string_equal(link.kind, "tun");
	assert_string_equal(link.alias, "");
	close(fd);
	/* A bridge of another network, or of somebody without mark. */
	run(&other, 1);
	op = bridge_op("vn-blue");
	snprintf(op.link.alias, sizeof(op.link.alias), "vnet:bridge:red");
	assert_int_equal(refuse(&op), -EEXIST);
	link = get_link("vn-blue");
	assert_string_equal(link.alias, "vnet:bridge:vn-blue");
}

static void bridge_option_out_of_range(void **state)
{
	struct op op = bridge_op("vn-blue");

	(void)state;
	ONLY_LINUX();
	op.link.bridge.group_fwd_mask = 1;
	assert_int_equal(refuse(&op), -EINVAL);
	assert_non_null(strstr(f->err.message, "vn-blue"));
	no_link("vn-blue");
	op = bridge_op("vn-blue");
	op.link.mtu = 9000000;
	assert_true(refuse(&op) < 0);
}

/* Fields of devices. */

static void link_set_all_fields(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue") };
	struct op op = master_op("vp1", "vn-blue");
	int fd = open_tap("vp1");
	struct link link;

	(void)state;
	run(ops, 2);
	op.link.set |= LINK_SET_MTU | LINK_SET_MAC | LINK_SET_ALIAS | LINK_SET_TXQUEUELEN |
		       LINK_SET_ADDR_GEN | LINK_SET_ISOLATED | LINK_SET_GROUP;
	op.link.mtu = 1400;
	op.link.txqueuelen = 77;
	op.link.group = 4711;
	op.link.addr_gen_mode = 1;
	op.link.port.isolated = true;
	op.link.mac = (struct mac){ { 0xfe, 0x54, 0, 9, 8, 7 } };
	snprintf(op.link.alias, sizeof(op.link.alias), "vnet:port:blue:p");
	run_twice(&op);
	link = get_link("vp1");
	assert_int_equal(link.mtu, 1400);
	assert_int_equal(link.txqueuelen, 77);
	assert_int_equal(link.group, 4711);
	assert_int_equal(link.addr_gen_mode, 1);
	assert_int_equal(link.master, get_link("vn-blue").ifindex);
	assert_true(link.port.isolated);
	assert_true(link.port.learning && link.port.flood && link.port.multicast_flood);
	assert_true(link.flags & IFF_UP);
	assert_string_equal(link.alias, "vnet:port:blue:p");
	assert_memory_equal(&link.mac, &op.link.mac, sizeof(link.mac));
	witness("1400", "link show vp1|mtu");
	witness("77", "link show vp1|txqlen");
	witness("\"4711\"", "link show vp1|group");
	witness("\"vn-blue\"", "link show vp1|master");
	witness("true", "link show vp1|linkinfo.info_slave_data.isolated");
	witness("\"none\"", "link show vp1|inet6_addr_gen_mode");
	witness("\"fe:54:00:09:08:07\"", "link show vp1|address");
	/* No IPv6 address came up on the port, not even for a moment before addrgenmode. */
	witness("none", "addr show vp1|addr_info.0.local");

	op = link_op("vp1", LINK_SET_ISOLATED | LINK_SET_ROOT_GUARD);
	op.link.port.root_guard = true;
	run_twice(&op);
	assert_false(get_link("vp1").port.isolated);
	assert_true(get_link("vp1").port.root_guard);
	witness("true", "link show vp1|linkinfo.info_slave_data.root_block");
	/* Somebody held the port; it forwards again. */
	if (is_linux) {
		assert_int_equal(system("bridge link set dev vp1 state 0"), 0);
		assert_int_equal(get_link("vp1").port.state, 0);
	}
	op = link_op("vp1", LINK_SET_STATE);
	op.link.port.state = 3;
	run_twice(&op);
	assert_int_equal(get_link("vp1").port.state, 3);
	/* It went down meanwhile: the bridge forwards by itself when it is back. */
	op = link_op("vp1", LINK_SET_UP);
	run_twice(&op);
	op = link_op("vp1", LINK_SET_STATE);
	op.link.port.state = 3;
	run_twice(&op);
	/* Out and down. */
	op = link_op("vp1", LINK_SET_MASTER | LINK_SET_UP);
	run_twice(&op);
	link = get_link("vp1");
	assert_int_equal(link.master, 0);
	assert_false(link.flags & IFF_UP);
	close(fd);
}

/*
 * A port must not be up outside of its bridge: its frames would reach the
 * host past all rules of the bridge.
 */
static void failed_enslave_stays_down(void **state)
{
	struct op op = master_op("vp1", "lo");
	int fd = open_tap("vp1");
	struct link link;

	(void)state;
	op.link.set |= LINK_SET_ADDR_GEN;
	op.link.addr_gen_mode = 1;
	assert_true(refuse(&op) < 0);
	assert_non_null(strstr(f->err.message, "vp1"));
	link = get_link("vp1");
	assert_false(link.flags & IFF_UP);
	assert_int_equal(link.master, 0);
	op = master_op("vp1", "vn-none");
	assert_int_equal(refuse(&op), -ENODEV);
	assert_non_null(strstr(f->err.message, "vn-none"));
	assert_false(get_link("vp1").flags & IFF_UP);
	/* The option fails: not raised without it. */
	op = link_op("vp1", LINK_SET_UP | LINK_SET_ISOLATED);
	op.link.up = op.link.port.isolated = true;
	assert_true(refuse(&op) < 0);
	assert_false(get_link("vp1").flags & IFF_UP);
	close(fd);
}

/* `ip monitor` sees every state that others could: never up without its master. */
static void never_up_outside_the_bridge(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue") };
	struct op op = master_op("vp1", "vn-blue");
	int fd = open_tap("vp1"), ifindex = get_link("vp1").ifindex;
	bool was_up = false;

	(void)state;
	run(ops, 2);
	op.link.set |= LINK_SET_ADDR_GEN;
	op.link.addr_gen_mode = 1;
	run(&op, 1);
	op = link_op("vp1", LINK_SET_MASTER | LINK_SET_UP);
	run(&op, 1);
	close(fd);
	wait_event(KERNEL_EVENT_LINK_GONE, ifindex);
	vec_each(event, &f->events) {
		if (event->kind != KERNEL_EVENT_LINK_NEW || event->link.ifindex != ifindex)
			continue;
		was_up |= event->link.flags & IFF_UP;
		if (event->link.flags & IFF_UP && !event->link.master)
			fail_msg("up without master in event %zu", (size_t)(event - f->events.v));
		if (event->link.flags & IFF_UP)
			assert_int_equal(event->link.addr_gen_mode, 1);
	}
	assert_true(was_up);
}

/* Below 1280 bytes a device has no IPv6, and refuses IPv6 settings. */
static void small_mtu_has_no_ipv6(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue") };
	struct op op = master_op("vp1", "vn-blue");
	int fd = open_tap("vp1");
	struct link link;

	(void)state;
	ONLY_LINUX();
	run(ops, 2);
	op.link.set |= LINK_SET_ADDR_GEN | LINK_SET_MTU;
	op.link.addr_gen_mode = 1;
	op.link.mtu = 576;
	run_twice(&op);
	link = get_link("vp1");
	assert_int_equal(link.mtu, 576);
	assert_int_equal(link.addr_gen_mode, -1);
	assert_true(link.flags & IFF_UP && link.master);
	close(fd);
}

static void delete_guard(void **state)
{
	struct op op = bridge_op("vn-blue");
	int fd = open_tap("vp1");
	struct link link;

	(void)state;
	op = delete_op("vp1", false);
	assert_int_equal(refuse(&op), -EPERM);
	assert_string_equal(f->err.code, "foreign-device");
	assert_true(find_link("vp1", &link));
	op = delete_op("vp1", true);
	run_twice(&op);
	no_link("vp1");
	close(fd);
	op = bridge_op("vn-blue");
	run(&op, 1);
	op = delete_op("vn-blue", false);
	run_twice(&op);
	no_link("vn-blue");
}

/* Addresses, routes, sysctls. */

static void addresses(void **state)
{
	const char *const texts[] = {"192.0.2.1/24", "198.51.100.1/32", "2001:db8::1/64",
				     "fe80::1/64"};
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue") };
	struct op op;
	int ifindex;

	(void)state;
	run(ops, 2);
	ifindex = get_link("vn-blue").ifindex;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		op = addr_op(OP_ADDR_ADD, "vn-blue", texts[i]);
		op.addr.addr.flags = IFA_F_NODAD;
		if (!i)
			op.addr.addr.metric = 42;
		run_twice(&op);
	}
	ok(kernel_snapshot(f->k, SNAPSHOT_ADDRS, &snap, &f->err));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct addr *found = NULL;

		op = addr_op(OP_ADDR_ADD, "vn-blue", texts[i]);
		vec_each(addr, &snap.addrs) {
			if (addr->ifindex != ifindex ||
			    prefix_cmp(&addr->prefix, &op.addr.addr.prefix))
				continue;
			assert_null(found);
			found = addr;
		}
		assert_non_null(found);
		assert_int_equal(found->valid, UINT32_MAX);
		assert_int_equal(found->metric, i ? 0 : 42);
		assert_int_equal(found->peer.family, 0);
		assert_string_equal(found->label, "");
	}
	witness("\"192.0.2.1\"", "-4 addr show vn-blue|addr_info.0.local");
	witness("\"192.0.2.255\"", "-4 addr show vn-blue|addr_info.0.broadcast");
	witness("24", "-4 addr show vn-blue|addr_info.0.prefixlen");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		op = addr_op(OP_ADDR_DEL, "vn-blue", texts[i]);
		run_twice(&op);
	}
	snapshot_free(&snap);
	ok(kernel_snapshot(f->k, SNAPSHOT_ADDRS, &snap, &f->err));
	vec_each(addr, &snap.addrs)
		if (addr->ifindex == ifindex)
			assert_true(addr->prefix.addr.family == AF_INET6 &&
				    ip_is_link_local(&addr->prefix.addr));
	op = addr_op(OP_ADDR_DEL, "vn-none", "192.0.2.1/24");
	run(&op, 1); /* went with its device */
	op = addr_op(OP_ADDR_ADD, "vn-none", "192.0.2.1/24");
	assert_int_equal(refuse(&op), -ENODEV);
}

static const struct route *find_route(const struct snapshot *snap, const char *to, uint32_t metric)
{
	struct prefix dst;

	assert_int_equal(prefix_parse(to, &dst), 0);
	vec_each(route, &snap->routes)
		if (!prefix_cmp(&route->dst, &dst) && route->metric == metric &&
		    route->table == RT_TABLE_MAIN)
			return route;
	return NULL;
}

static void routes(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"),
			    addr_op(OP_ADDR_ADD, "vn-blue", "192.0.2.1/24"),
			    addr_op(OP_ADDR_ADD, "vn-blue", "2001:db8::1/64") };
	struct op added[] = { route_op(OP_ROUTE_ADD, "vn-blue", "203.0.113.0/24", "192.0.2.9"),
			      route_op(OP_ROUTE_ADD, "vn-blue", "2001:db8:9::/48", "2001:db8::9"),
			      route_op(OP_ROUTE_ADD, "vn-blue", "0.0.0.0/0", "192.0.2.254"),
			      route_op(OP_ROUTE_ADD, "vn-blue", "10.99.0.0/16", NULL),
			      route_op(OP_ROUTE_ADD, "", "10.98.0.0/16", NULL),
			      route_op(OP_ROUTE_ADD, "", "2001:db8:98::/48", NULL) };
	const struct route *route;

	(void)state;
	ops[3].addr.addr.flags = IFA_F_NODAD;
	run(ops, ARRAY_SIZE(ops));
	added[0].route.route.metric = 7;
	added[2].route.route.mtu = 1400;
	added[3].route.route.scope = RT_SCOPE_LINK;
	added[4].route.route.type = added[5].route.route.type = RTN_BLACKHOLE;
	for (size_t i = 0; i < ARRAY_SIZE(added); i++)
		run_twice(&added[i]);
	ok(kernel_snapshot(f->k, SNAPSHOT_ROUTES, &snap, &f->err));
	route = find_route(&snap, "203.0.113.0/24", 7);
	assert_non_null(route);
	assert_int_equal(route->protocol, ROUTE_PROTOCOL_VNET);
	assert_int_equal(route->oif, get_link("vn-blue").ifindex);
	assert_int_equal(ip_cmp(&route->gateway, &added[0].route.route.gateway), 0);
	route = find_route(&snap, "2001:db8:9::/48", 1024);
	assert_non_null(route);
	assert_int_equal(ip_cmp(&route->gateway, &added[1].route.route.gateway), 0);
	route = find_route(&snap, "0.0.0.0/0", 0);
	assert_non_null(route);
	assert_int_equal(route->mtu, 1400);
	assert_non_null(find_route(&snap, "192.0.2.0/24", 0)); /* connected */
	assert_int_equal(find_route(&snap, "2001:db8:98::/48", 1024)->type, RTN_BLACKHOLE);
	vec_each(r, &snap.routes)
		assert_int_not_equal(r->table, RT_TABLE_LOCAL);
	witness("\"192.0.2.9\"", "route show 203.0.113.0/24|gateway");
	witness("\"118\"", "route show 203.0.113.0/24|protocol");

	for (size_t i = 0; i < ARRAY_SIZE(added); i++) {
		added[i].kind = OP_ROUTE_DEL;
		run_twice(&added[i]);
	}
	snapshot_free(&snap);
	ok(kernel_snapshot(f->k, SNAPSHOT_ROUTES, &snap, &f->err));
	vec_each(r, &snap.routes)
		assert_int_not_equal(r->protocol, ROUTE_PROTOCOL_VNET);
	added[0].kind = OP_ROUTE_ADD;
	snprintf(added[0].route.ifname, sizeof(added[0].route.ifname), "vn-none");
	assert_int_equal(refuse(&added[0]), -ENODEV);
}

static void foreign_route_is_left(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"),
			    addr_op(OP_ADDR_ADD, "vn-blue", "192.0.2.1/24") };
	struct op op = route_op(OP_ROUTE_ADD, "vn-blue", "203.0.113.0/24", "192.0.2.9");
	const struct route *route;

	(void)state;
	ONLY_LINUX();
	run(ops, ARRAY_SIZE(ops));
	op.route.route.protocol = RTPROT_STATIC;
	run(&op, 1);
	op.route.route.protocol = ROUTE_PROTOCOL_VNET;
	assert_int_equal(refuse(&op), -EEXIST);
	assert_non_null(strstr(f->err.message, "203.0.113.0/24"));
	op.kind = OP_ROUTE_DEL;
	run(&op, 1); /* of ours there is none */
	ok(kernel_snapshot(f->k, SNAPSHOT_ROUTES, &snap, &f->err));
	route = find_route(&snap, "203.0.113.0/24", 0);
	assert_non_null(route);
	assert_int_equal(route->protocol, RTPROT_STATIC);
	/* An older route of ours gives way. */
	op = route_op(OP_ROUTE_ADD, "vn-blue", "198.51.100.0/24", "192.0.2.9");
	run(&op, 1);
	assert_int_equal(ip_parse("192.0.2.10", &op.route.route.gateway), 0);
	run_twice(&op);
	witness("\"192.0.2.10\"", "route show 198.51.100.0/24|gateway");
}

static void sysctls(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	struct op create = bridge_op("vn-blue");
	struct op op = sysctl_op("net/ipv4/conf/vn-blue/forwarding", 1, false);
	const struct sysctl missing = { .path = "net/ipv4/conf/vn-none/forwarding" };

	(void)state;
	run(&create, 1);
	run_twice(&op);
	vec_push(&snap.sysctls, op.sysctl.sysctl);
	snap.sysctls.v[0].value = -1;
	vec_push(&snap.sysctls, missing);
	ok(kernel_read_sysctls(f->k, &snap, &f->err));
	assert_int_equal(snap.sysctls.n, 1);
	assert_int_equal(snap.sysctls.v[0].value, 1);
	op = sysctl_op(missing.path, 1, true);
	run(&op, 1);
	op.sysctl.optional = false;
	assert_int_equal(refuse(&op), -ENOENT);
	assert_non_null(strstr(f->err.message, "vn-none"));
	op = sysctl_op("kernel/hostname", 1, false);
	assert_true(refuse(&op) < 0);
	op = sysctl_op("net/../kernel/panic", 1, false);
	assert_true(refuse(&op) < 0);
}

/* TAPs. */

#define VNET_HDR 12

/* An Ethernet frame behind an empty virtio header. */
static size_t make_frame(uint8_t *buf, struct mac to, struct mac from, const char *payload)
{
	memset(buf, 0, VNET_HDR);
	memcpy(buf + VNET_HDR, &to, 6);
	memcpy(buf + VNET_HDR + 6, &from, 6);
	buf[VNET_HDR + 12] = 0x88; /* IEEE 802 local experimental */
	buf[VNET_HDR + 13] = 0xb5;
	memset(buf + VNET_HDR + 14, 0, 60);
	memcpy(buf + VNET_HDR + 14, payload, strlen(payload));
	return VNET_HDR + 14 + 60;
}

static const struct mac broadcast = { { 255, 255, 255, 255, 255, 255 } };
static const struct mac guest_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };

/* Reads frames until one has the payload; false after the time. */
static bool receives(int fd, const char *payload, int ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	uint8_t buf[2048];

	for (int i = 0; i < 100 && poll(&polled, 1, ms) > 0; i++) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n >= VNET_HDR + 14 + (ssize_t)strlen(payload) &&
		    !memcmp(buf + VNET_HDR + 14, payload, strlen(payload)))
			return true;
	}
	return false;
}

static void tap_carries_frames(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"), master_op("vp1", "vn-blue"),
			    master_op("vp2", "vn-blue") };
	int a = open_tap("vp1"), b = open_tap("vp2");
	fdb_vec fdb = { 0 };
	bool is_known = false;
	uint8_t frame[200];
	size_t size = make_frame(frame, broadcast, guest_mac, "hello");
	struct link link;

	(void)state;
	run(ops, ARRAY_SIZE(ops));
	assert_int_equal(write(a, frame, size), size);
	assert_true(fcntl(a, F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(a, F_GETFL) & O_NONBLOCK);
	link = get_link("vp1");
	assert_int_equal(link.tun.owner, 0); /* of nobody, any user could add a queue to it */
	assert_true(link.tun.is_tap && link.tun.has_vnet_hdr);
	assert_false(link.tun.is_persistent || link.tun.is_multi_queue);
	if (is_linux) {
		assert_true(receives(b, "hello", WAIT_MS));
		ok(kernel_list_fdb(f->k, get_link("vn-blue").ifindex, &fdb, &f->err));
		vec_each(entry, &fdb) {
			if (mac_cmp(&entry->mac, &guest_mac))
				continue;
			is_known = true;
			assert_int_equal(entry->ifindex, link.ifindex);
			assert_false(entry->is_local || entry->is_static);
			assert_in_range(entry->age_ms, 0, WAIT_MS);
		}
		assert_true(is_known);
		/* Isolated ports do not talk to each other. */
		for (int i = 1; i <= 2; i++) {
			struct op op = link_op(i == 1 ? "vp1" : "vp2", LINK_SET_ISOLATED);

			op.link.port.isolated = true;
			run(&op, 1);
		}
		size = make_frame(frame, broadcast, guest_mac, "again");
		assert_int_equal(write(a, frame, size), size);
		assert_false(receives(b, "again", 100));
	}
	vec_free(&fdb);
	close(a);
	close(b);
}

static void fake_lists_fdb(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), master_op("vp1", "vn-blue") };
	int fd = open_tap("vp1");
	struct fdb_entry entry = { .mac = guest_mac };
	fdb_vec fdb = { 0 };

	(void)state;
	ONLY_FAKE();
	run(ops, 2);
	entry.ifindex = get_link("vp1").ifindex;
	kernel_fake_add_fdb(f->k, &entry);
	ok(kernel_list_fdb(f->k, get_link("vn-blue").ifindex, &fdb, &f->err));
	assert_int_equal(fdb.n, 1);
	ok(kernel_list_fdb(f->k, 1, &fdb, &f->err));
	assert_int_equal(fdb.n, 1);
	vec_free(&fdb);
	close(fd);
}

static void tap_multi_queue(void **state)
{
	int fds[4], more[4], one;
	struct link link;

	(void)state;
	ok(tap("vp1", 4, fds, false, false));
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < i; j++)
			assert_int_not_equal(fds[i], fds[j]);
	link = get_link("vp1");
	assert_true(link.tun.is_multi_queue);
	witness("4", "link show vp1|linkinfo.info_data.numqueues");
	/* The name is taken, whatever is asked for; nothing is left open after a failure. */
	more[0] = more[3] = 99;
	assert_int_equal(tap("vp1", 4, more, false, false), -EEXIST);
	assert_int_equal(more[0], -1);
	assert_int_equal(more[3], -1);
	assert_non_null(strstr(f->err.message, "vp1"));
	assert_true(tap("vp1", 1, &one, false, true) < 0);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	assert_int_equal(get_link("vp1").ifindex, link.ifindex); /* one queue is left */
	close(fds[3]);
	wait_event(KERNEL_EVENT_LINK_GONE, link.ifindex);
	no_link("vp1");
}

static void tap_offloads(void **state)
{
	int fd = open_tap("vp1"), size = 0;

	(void)state;
	ONLY_LINUX();
	assert_int_equal(ioctl(fd, _IOR('T', 215, int), &size), 0); /* TUNGETVNETHDRSZ */
	assert_int_equal(size, VNET_HDR);
	close(fd);
}

static void tap_goes_with_its_descriptor(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"), master_op("vp1", "vn-blue") };
	struct kernel_event gone;
	int fd = open_tap("vp1"), copy = dup(fd), ifindex;
	pid_t holder;

	(void)state;
	run(ops, 3);
	ifindex = get_link("vp1").ifindex;
	forget_events();
	close(fd);
	/* A copy in another process holds it, as QEMU's does; SIGKILL lets go. */
	holder = fork();
	if (holder == 0) {
		pause();
		_exit(0);
	}
	close(copy);
	assert_int_equal(get_link("vp1").ifindex, ifindex);
	kill(holder, SIGKILL);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
	gone = wait_event(KERNEL_EVENT_LINK_GONE, ifindex);
	assert_string_equal(gone.link.name, "vp1");
	no_link("vp1");
	assert_int_equal(refuse(&ops[2]), -ENODEV);
	assert_non_null(strstr(f->err.message, "vp1"));
}

static void tap_persistent(void **state)
{
	struct op op = { .kind = OP_TAP_CREATE };
	struct link link;
	int fds[2], r;

	(void)state;
	snprintf(op.tap.name, sizeof(op.tap.name), "vp1");
	snprintf(op.tap.alias, sizeof(op.tap.alias), "vnet:port:blue:p");
	op.tap.multi_queue = op.tap.vnet_hdr = true;
	op.tap.owner = 1234;
	op.tap.group = UINT32_MAX;
	run_twice(&op);
	link = get_link("vp1");
	assert_true(link.tun.is_tap && link.tun.is_persistent && link.tun.is_multi_queue);
	assert_int_equal(link.tun.owner, 1234);
	assert_int_equal(link.tun.group, UINT32_MAX);
	assert_string_equal(link.alias, "vnet:port:blue:p");
	witness("true", "link show vp1|linkinfo.info_data.persist");
	r = tap("vp1", 2, fds, false, true);
	ok(r);
	assert_int_equal(r, link.ifindex);
	close(fds[0]);
	close(fds[1]);
	ok(kernel_dispatch(f->k, keep_event, f, &f->err));
	assert_int_equal(get_link("vp1").ifindex, link.ifindex);
	/* Another port's. */
	snprintf(op.tap.alias, sizeof(op.tap.alias), "vnet:port:blue:other");
	if (is_linux)
		assert_int_equal(refuse(&op), -EEXIST);
	op = delete_op("vp1", false);
	run_twice(&op);
	no_link("vp1");
	assert_int_equal(tap("vp1", 2, fds, false, true), -ENODEV);
	no_link("vp1"); /* looking for it did not make it */
	/* What stays is marked from the start, so that it is never nobody's. */
	ok(tap("vp1", 1, fds, true, false));
	close(fds[0]);
	link = get_link("vp1");
	assert_true(link.tun.is_persistent);
	assert_string_equal(link.alias, "vnet:port:blue:p");
}

static void tap_of_somebody_else(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), master_op("vp1", "vn-blue") };
	int fd = open_tap("vp1"), found = 0;

	(void)state;
	ok(kernel_find_tap(f->k, "vp1", 0, &found, &f->err));
	assert_int_equal(found, get_link("vp1").ifindex);
	assert_int_equal(kernel_find_tap(f->k, "vp2", 0, &found, &f->err), -ENODEV);
	vnet_error_clear(&f->err);
	assert_int_equal(kernel_find_tap(f->k, "lo", 0, &found, &f->err), -EINVAL);
	assert_string_equal(f->err.code, "device-kind");
	run(ops, 2);
	vnet_error_clear(&f->err);
	assert_int_equal(kernel_find_tap(f->k, "vp1", 0, &found, &f->err), -EBUSY);
	assert_string_equal(f->err.code, "device-in-use");
	vnet_error_clear(&f->err);
	ok(kernel_find_tap(f->k, "vp1", get_link("vn-blue").ifindex, &found, &f->err));
	close(fd);
}

static void bad_names(void **state)
{
	const char *const names[] = { "", ".", "..", "a/b", "tap%d", "a b", "a:b", "a\tb",
				      "0123456789abcdef" };
	int fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct kernel_tap t = { .queues = 1, .ret_fds = &fd };
		struct op op = link_op("", LINK_SET_UP), create = bridge_op("");

		memcpy(t.name, names[i], strnlen(names[i], 16));
		memcpy(op.link.name, names[i], strnlen(names[i], 16));
		memcpy(create.link.name, names[i], strnlen(names[i], 16));
		vnet_error_clear(&f->err);
		fd = 99;
		assert_int_equal(kernel_tap_open(f->k, &t, &f->err), -EINVAL);
		assert_string_equal(f->err.code, "bad-name");
		assert_int_equal(fd, -1);
		assert_int_equal(refuse(&op), -EINVAL);
		assert_string_equal(f->err.code, "bad-name");
		assert_int_equal(refuse(&create), -EINVAL);
		assert_string_equal(f->err.code, "bad-name");
	}
	assert_int_equal(tap("vp1", 0, &fd, false, false), -EINVAL);
	{
		struct kernel_tap t = { .name = "vp1", .queues = 2, .ret_fds = (int[2]){ 0 } };

		vnet_error_clear(&f->err);
		assert_int_equal(kernel_tap_open(f->k, &t, &f->err), -EINVAL);
	}
	no_link("vp1");
}

static void vhost(void **state)
{
	int fds[2], r;

	(void)state;
	r = kernel_vhost_open(f->k, 2, fds, &f->err);
	if (access("/dev/vhost-net", F_OK) < 0 || !is_linux) {
		assert_int_equal(r, -ENOENT);
		assert_int_equal(fds[1], -1);
	}
	for (int i = 0; i < 2 && r >= 0; i++)
		close(fds[i]);
}

/* nftables. */

static struct network *make_network(void)
{
	const char *text =
	    "networks:\n  blue:\n    mode: isolated\n    addresses: [192.0.2.1/24]\n";
	AUTO_NETWORKS network_vec nets = { 0 };

	ok(networks_from_yaml(text, strlen(text), "test.yaml", &nets, &f->err));
	assert_int_equal(nets.n, 1);
	return TAKE(nets.v[0]);
}

static struct port *make_port(const struct network *net, const char *ifname, bool learns)
{
	AUTO_FREE char *text =
	    mem_printf("{\"network\":\"blue\",\"name\":\"%s\"%s}", ifname,
		       learns ? ",\"learnMac\":true" : ",\"mac\":\"52:54:00:aa:bb:cc\"");
	json_t *json = json_loads(text, 0, NULL);
	struct port *port = NULL;

	ok(port_from_json(json, &port, &f->err));
	json_decref(json);
	snprintf(port->ifname, sizeof(port->ifname), "%s", ifname);
	port_complete(port, net);
	return port;
}

static void commit(struct nft_txn *txn)
{
	struct op op = { .kind = OP_NFT, .nft = txn };

	run(&op, 1);
	nft_txn_free(txn);
}

/* What is still to be done for the ruleset to be this. */
static struct nft_txn *difference(const struct nft_ruleset *wanted)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };

	ok(kernel_snapshot(f->k, SNAPSHOT_NFT, &snap, &f->err));
	return nft_diff(wanted, snap.nft);
}

static void is_equal(const struct nft_ruleset *wanted)
{
	struct nft_txn *txn = difference(wanted);
	AUTO_FREE char *text = nft_txn_to_text(txn);

	if (!nft_txn_is_empty(txn))
		fail_msg("left to do:\n%s", text);
	nft_txn_free(txn);
}

static void nft_transactions(void **state)
{
	AUTO(network_free) struct network *net = make_network();
	AUTO(port_free) struct port *port = make_port(net, "vp1", false);
	const struct network *nets[] = { net };
	const struct port *ports[] = { port };
	AUTO(nft_ruleset_free) struct nft_ruleset *none = nft_compile(nets, 1, NULL, 0);
	AUTO(nft_ruleset_free) struct nft_ruleset *one = nft_compile(nets, 1, ports, 1);
	struct op create = bridge_op("vn-blue");
	int fd = open_tap("vp1"), ifindex = get_link("vp1").ifindex;
	drop_counter_vec drops = { 0 };

	(void)state;
	run(&create, 1);
	commit(difference(none));
	is_equal(none);
	commit(nft_txn_for_port(net, NULL, port));
	is_equal(one);
	if (is_linux) {
		ok(kernel_drop_counters(f->k, "vp1", &drops, &f->err));
		assert_int_equal(drops.n, 0); /* nothing was dropped yet */
	}
	/* After the device is gone its elements can still be named. */
	close(fd);
	wait_event(KERNEL_EVENT_LINK_GONE, ifindex);
	commit(nft_txn_for_port(net, port, NULL));
	is_equal(none);
}

/* A port forwards nothing but frames from its own MAC, and what is dropped is counted. */
static void nft_guards(void **state)
{
	AUTO(network_free) struct network *net = make_network();
	AUTO(port_free) struct port *p1 = make_port(net, "vp1", false);
	AUTO(port_free) struct port *p2 = make_port(net, "vp2", false);
	const struct network *nets[] = { net };
	const struct port *ports[] = { p1, p2 };
	AUTO(nft_ruleset_free) struct nft_ruleset *rules = nft_compile(nets, 1, ports, 2);
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"), master_op("vp1", "vn-blue"),
			    master_op("vp2", "vn-blue") };
	struct mac spoofed = { { 0x52, 0x54, 0, 6, 6, 6 } };
	int a = open_tap("vp1"), b = open_tap("vp2");
	drop_counter_vec drops = { 0 };
	uint8_t frame[200];
	size_t size;

	(void)state;
	ONLY_LINUX();
	commit(difference(rules));
	run(ops, ARRAY_SIZE(ops));
	size = make_frame(frame, broadcast, spoofed, "spoofed");
	assert_int_equal(write(a, frame, size), size);
	size = make_frame(frame, broadcast, guest_mac, "honest");
	assert_int_equal(write(a, frame, size), size);
	assert_true(receives(b, "honest", WAIT_MS)); /* behind the other in the same queue */
	ok(kernel_drop_counters(f->k, NULL, &drops, &f->err));
	assert_int_equal(drops.n, 1);
	assert_string_equal(drops.v[0].ifname, "vp1");
	assert_int_equal(drops.v[0].reason, GUARD_REASON_MAC);
	assert_int_equal(drops.v[0].packets, 1);
	vec_free(&drops);
	close(a);
	close(b);
}

static void learning_port_tells_its_frame(void **state)
{
	AUTO(network_free) struct network *net = make_network();
	AUTO(port_free) struct port *port = make_port(net, "vp1", true);
	const struct network *nets[] = { net };
	const struct port *ports[] = { port };
	AUTO(nft_ruleset_free) struct nft_ruleset *rules = nft_compile(nets, 1, ports, 1);
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"), master_op("vp1", "vn-blue") };
	int fd = open_tap("vp1"), ifindex = get_link("vp1").ifindex;
	struct kernel_event event;
	uint8_t frame[200];
	size_t size = make_frame(frame, broadcast, guest_mac, "first");

	(void)state;
	ONLY_LINUX();
	commit(difference(rules));
	run(ops, ARRAY_SIZE(ops));
	assert_int_equal(write(fd, frame, size), size);
	event = wait_event(KERNEL_EVENT_FRAME, ifindex);
	assert_memory_equal(&event.mac, &guest_mac, sizeof(guest_mac));
	close(fd);
	/* The log group has one owner: the second handle says that it goes without. */
	assert_null(kernel_note(f->k, 0));
	assert_non_null(strstr(kernel_note(f->other, 0), "learn"));
	assert_null(kernel_note(f->other, 1));
}

static void drop_counters_of_the_fake(void **state)
{
	drop_counter_vec drops = { 0 };

	(void)state;
	ONLY_FAKE();
	kernel_fake_count_drops(f->k, "vp1", GUARD_REASON_MAC, 3, 180);
	kernel_fake_count_drops(f->k, "vp2", GUARD_REASON_MAC, 1, 60);
	ok(kernel_drop_counters(f->k, "vp2", &drops, &f->err));
	ok(kernel_drop_counters(f->k, NULL, &drops, &f->err));
	assert_int_equal(drops.n, 3);
	assert_int_equal(drops.v[0].packets, 1);
	vec_free(&drops);
}

/* Events. */

/* Somebody else changes our devices, addresses, routes. */
static void foreign_changes_are_told(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"), master_op("vp1", "vn-blue") };
	struct op change = link_op("vp1", LINK_SET_MTU);
	struct op addr = addr_op(OP_ADDR_ADD, "vn-blue", "192.0.2.1/24");
	struct op route = route_op(OP_ROUTE_ADD, "vn-blue", "203.0.113.0/24", "192.0.2.9");
	struct op gone = delete_op("vn-blue", false);
	const struct kernel_event route_event = { .kind = KERNEL_EVENT_ROUTE };
	int fd = open_tap("vp1"), bridge, port;
	struct kernel_event event;

	(void)state;
	run(ops, ARRAY_SIZE(ops));
	bridge = get_link("vn-blue").ifindex;
	port = get_link("vp1").ifindex;
	forget_events();
	change.link.mtu = 1333;
	run_on(f->other, &change, 1);
	event = wait_event(KERNEL_EVENT_LINK_NEW, port);
	assert_string_equal(event.link.name, "vp1");
	assert_string_equal(event.link.kind, "tun");
	assert_int_equal(event.link.mtu, 1333);
	assert_int_equal(event.link.master, bridge);
	run_on(f->other, &addr, 1);
	wait_event(KERNEL_EVENT_ADDR, bridge);
	forget_events();
	run_on(f->other, &route, 1);
	if (!is_linux)
		kernel_fake_event(f->other, &route_event);
	wait_event(KERNEL_EVENT_ROUTE, 0);
	run_on(f->other, &gone, 1);
	event = wait_event(KERNEL_EVENT_LINK_GONE, bridge);
	assert_string_equal(event.link.name, "vn-blue");
	/* The port left its bridge, and lives. */
	vec_each(e, &f->events)
		assert_false(e->kind == KERNEL_EVENT_LINK_GONE && e->link.ifindex == port);
	assert_int_equal(get_link("vp1").master, 0);
	close(fd);
}

/* What we do to routes and rules is no news to us. */
static void own_routes_and_rules_are_not_told(void **state)
{
	AUTO(network_free) struct network *net = make_network();
	const struct network *nets[] = { net };
	AUTO(nft_ruleset_free) struct nft_ruleset *rules = nft_compile(nets, 1, NULL, 0);
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"),
			    addr_op(OP_ADDR_ADD, "vn-blue", "192.0.2.1/24") };
	struct op route = route_op(OP_ROUTE_ADD, "vn-blue", "203.0.113.0/24", "192.0.2.9");

	(void)state;
	run(ops, ARRAY_SIZE(ops));
	forget_events();
	run(&route, 1);
	route.kind = OP_ROUTE_DEL;
	run(&route, 1);
	commit(difference(rules));
	for (int i = 0; i < 5; i++) {
		poll(NULL, 0, 10);
		ok(kernel_dispatch(f->k, keep_event, f, &f->err));
	}
	vec_each(event, &f->events) {
		assert_int_not_equal(event->kind, KERNEL_EVENT_ROUTE);
		assert_int_not_equal(event->kind, KERNEL_EVENT_NFT);
	}
}

static void foreign_rules_are_told(void **state)
{
	AUTO(network_free) struct network *net = make_network();
	const struct network *nets[] = { net };
	AUTO(nft_ruleset_free) struct nft_ruleset *rules = nft_compile(nets, 1, NULL, 0);
	struct kernel_event event;

	(void)state;
	ONLY_LINUX();
	commit(difference(rules));
	forget_events();
	assert_int_equal(system("nft add table inet somebody"), 0);
	event = wait_event(KERNEL_EVENT_NFT, 0);
	assert_false(event.touches_ours);
	assert_string_equal(event.process, "nft");
	assert_true(event.pid > 0 && event.pid != getpid());
	f->events.n = 0;
	assert_int_equal(system("nft flush ruleset"), 0);
	event = wait_event(KERNEL_EVENT_NFT, 0);
	assert_true(event.touches_ours);
	f->events.n = 0;
	assert_int_equal(system("nft add table inet somebody"), 0);
	event = wait_event(KERNEL_EVENT_NFT, 0);
	assert_false(event.touches_ours); /* not what was said of the one before */
}

/* Linux 6.9: the guard's table is the daemon's alone, and the next daemon's after its end. */
static void guard_outlives_a_flush(void **state)
{
	AUTO(network_free) struct network *net = make_network();
	AUTO(port_free) struct port *port = make_port(net, "lo", false);
	const struct network *nets[] = { net };
	const struct port *ports[] = { port };
	AUTO(nft_ruleset_free) struct nft_ruleset *rules = nft_compile(nets, 1, ports, 1);
	struct kernel *heir = NULL;

	(void)state;
	ONLY_LINUX();
	commit(difference(rules));
	if (system("nft list table bridge vnet | grep -q owner") != 0) {
		/* Before that anybody may flush it, and netd puts it back. */
		assert_int_equal(system("uname -r | grep -Eq '^([1-5]|6[.][0-8])[.]'"), 0);
		return;
	}
	assert_int_equal(system("nft flush ruleset"), 0);
	assert_int_equal(system("nft list map bridge vnet guards | grep -q goto"), 0);
	assert_int_not_equal(system("nft delete table bridge vnet 2>/dev/null"), 0);
	assert_int_not_equal(system("nft list table inet vnet 2>/dev/null"), 0);

	kernel_free(f->k); /* as netd's end */
	f->k = NULL;
	assert_int_equal(system("nft list map bridge vnet guards | grep -q goto"), 0);
	ok(kernel_linux_new(&heir, &f->err));
	f->k = heir;
	assert_int_not_equal(system("nft delete table bridge vnet 2>/dev/null"), 0);
	commit(difference(rules)); /* the other table */
	is_equal(rules);
}

/* Forwarding entries come by the thousands from a guest; nobody here wants them. */
static void forwarding_entries_are_not_told(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"), master_op("vp1", "vn-blue") };
	int fd = open_tap("vp1"), fds[KERNEL_FDS_MAX];
	uint8_t frame[200];
	fdb_vec fdb = { 0 };

	(void)state;
	ONLY_LINUX();
	run(ops, ARRAY_SIZE(ops));
	forget_events();
	for (int i = 0; i < 100; i++) {
		struct mac mac = { { 0x02, 0, 0, 0, 1, (uint8_t)i } };
		size_t size = make_frame(frame, broadcast, mac, "x");

		assert_int_equal(write(fd, frame, size), size);
	}
	ok(kernel_list_fdb(f->k, get_link("vn-blue").ifindex, &fdb, &f->err));
	assert_true(fdb.n > 100);
	assert_true(kernel_fds(f->k, fds) > 0);
	for (int i = 0; i < 5; i++) { /* the bridge's own IPv6 start-up may be told, one by one */
		poll(NULL, 0, 10);
		ok(kernel_dispatch(f->k, keep_event, f, &f->err));
	}
	assert_true(f->events.n < 20);
	vec_free(&fdb);
	close(fd);
}

static void overrun_is_told(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), link_op("vn-blue", LINK_SET_MTU) };
	int fds[KERNEL_FDS_MAX], smallest = 1;

	(void)state;
	run(ops, 1);
	assert_true(kernel_fds(f->k, fds) >= 1);
	if (is_linux)
		assert_int_equal(
		    setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)), 0);
	for (int i = 0; i < (is_linux ? 100 : 70000); i++) {
		ops[1].link.mtu = 1400 + (uint32_t)i % 100;
		run_on(f->other, &ops[1], 1);
	}
	wait_event(KERNEL_EVENT_OVERRUN, 0);
	/* And life goes on. */
	forget_events();
	ops[1].link.mtu = 1234;
	run_on(f->other, &ops[1], 1);
	assert_int_equal(wait_event(KERNEL_EVENT_LINK_NEW, 0).link.mtu, 1234);
}

/* A guest that answers ARP by hand, and one that does not. */
static void neighbours_are_probed(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"), master_op("vp1", "vn-blue"),
			    addr_op(OP_ADDR_ADD, "vn-blue", "192.0.2.1/24"),
			    sysctl_op("net/ipv4/neigh/vn-blue/retrans_time_ms", 20, true) };
	struct pollfd polled = { .events = POLLIN };
	struct kernel_event event;
	bool answered = false;
	struct ip ip;

	(void)state;
	polled.fd = open_tap("vp1");
	run(ops, ARRAY_SIZE(ops));
	forget_events();
	ip_parse("192.0.2.77", &ip);
	ok(kernel_probe_neigh(f->k, "vn-blue", &ip, &f->err));
	event = wait_event(KERNEL_EVENT_NEIGH, get_link("vn-blue").ifindex);
	assert_false(event.is_reachable);
	assert_int_equal(ip_cmp(&event.ip, &ip), 0);
	f->events.n = 0;
	ip_parse("192.0.2.78", &ip);
	for (int again = 0; is_linux && again < 2; again++) { /* then a known one */
		ok(kernel_probe_neigh(f->k, "vn-blue", &ip, &f->err));
		for (answered = false; !answered && poll(&polled, 1, WAIT_MS) > 0;) {
			uint8_t b[2048], *arp = b + VNET_HDR + 14;
			ssize_t n = read(polled.fd, b, sizeof(b));

			if (n < VNET_HDR + 42 || b[VNET_HDR + 12] != 8 || b[VNET_HDR + 13] != 6 ||
			    arp[7] != 1 || memcmp(arp + 24, ip.b, 4))
				continue;
			memset(b, 0, VNET_HDR);
			memcpy(b + VNET_HDR, arp + 8, 6);
			memcpy(b + VNET_HDR + 6, &guest_mac, 6);
			memcpy(arp + 18, arp + 8, 10); /* their sender is the target */
			memcpy(arp + 8, &guest_mac, 6);
			memcpy(arp + 14, ip.b, 4);
			arp[7] = 2;
			answered = write(polled.fd, b, VNET_HDR + 60) > 0;
		}
		assert_true(answered);
		event = wait_event(KERNEL_EVENT_NEIGH, 0);
		assert_true(event.is_reachable);
		assert_memory_equal(&event.mac, &guest_mac, sizeof(guest_mac));
		f->events.n = 0;
	}
	vnet_error_clear(&f->err);
	assert_int_equal(kernel_probe_neigh(f->k, "vn-none", &ip, &f->err), -ENODEV);
	close(polled.fd);
}

/* Many operations at once. */

static void stops_at_the_failing_operation(void **state)
{
	struct op ops[] = { bridge_op("vn-blue"), up_op("vn-blue"),
			    addr_op(OP_ADDR_ADD, "vn-blue", "192.0.2.1/24"),
			    addr_op(OP_ADDR_ADD, "vn-red", "192.0.2.2/24"), /* fails */
			    addr_op(OP_ADDR_ADD, "vn-blue", "192.0.2.3/24"), bridge_op("vn-late") };
	size_t done = 99;

	(void)state;
	assert_int_equal(kernel_execute(f->k, ops, ARRAY_SIZE(ops), &done, &f->err), -ENODEV);
	assert_int_equal(done, 3);
	assert_non_null(strstr(f->err.message, "vn-red"));
	assert_true(get_link("vn-blue").flags & IFF_UP);
	no_link("vn-late");
	/* From there on, without it. */
	vnet_error_clear(&f->err);
	run(ops + 4, 2);
	get_link("vn-late");
	/* An answer in the middle of a send. */
	ops[3] = link_op("vn-blue", LINK_SET_ISOLATED); /* no port */
	vnet_error_clear(&f->err);
	assert_true(kernel_execute(f->k, ops, ARRAY_SIZE(ops), &done, &f->err) < 0);
	assert_int_equal(done, 3);
	assert_non_null(strstr(f->err.message, "vn-blue"));
	/* Nothing to do is no failure. */
	ok(kernel_execute(f->k, NULL, 0, &done, NULL));
	assert_int_equal(done, 0);
}

static void many_operations(void **state)
{
	enum { N = 500 };
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	struct op create = bridge_op("vn-blue");
	struct op *ops = mem_alloc(N * sizeof(*ops));
	size_t done;
	int fds[N], n = 0;

	(void)state;
	run(&create, 1);
	for (int i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vp%d", i);
		/* Persistent, for they go faster all at once with their namespace: 8 s less. */
		ok(tap(name, 1, &fds[i], true, false));
		ops[i] = master_op(name, "vn-blue");
		ops[i].link.set |= LINK_SET_MTU | LINK_SET_ADDR_GEN;
		ops[i].link.mtu = 1000 + (uint32_t)i;
		ops[i].link.addr_gen_mode = 1;
	}
	run(ops, N);
	ok(kernel_snapshot(f->k, SNAPSHOT_LINKS, &snap, &f->err));
	vec_each(link, &snap.links)
		if (!strncmp(link->name, "vp", 2)) {
			assert_int_equal(link->mtu, 1000 + atoi(link->name + 2));
			assert_true(link->flags & IFF_UP && link->master);
			n++;
		}
	assert_int_equal(n, N);
	/* One in the middle went: all before are done, and it is named. */
	ok(kernel_execute(f->k, (struct op[]){ delete_op("vp250", true) }, 1, &done, &f->err));
	assert_int_equal(kernel_execute(f->k, ops, N, &done, &f->err), -ENODEV);
	assert_int_equal(done, 250);
	assert_non_null(strstr(f->err.message, "vp250"));
	for (int i = 0; i < N; i++)
		close(fds[i]);
	free(ops);
}

/* Every kind of operation says which object it could not change. */
static void errors_name_the_object(void **state)
{
	struct op tap_op = { .kind = OP_TAP_CREATE, .tap = { .name = "lo" } };
	struct op ops[] = { bridge_op("lo"), tap_op, up_op("vn-none"), delete_op("lo", false),
			    addr_op(OP_ADDR_ADD, "vn-none", "192.0.2.1/24"),
			    route_op(OP_ROUTE_ADD, "vn-none", "192.0.2.0/24", NULL),
			    sysctl_op("net/ipv4/conf/vn-none/forwarding", 1, false) };
	const char *const names[] = {"lo", "lo", "vn-none", "lo", "vn-none", "vn-none", "vn-none"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		refuse(&ops[i]);
		assert_non_null(strstr(f->err.message, names[i]));
		assert_true(f->err.code[0]);
	}
	ops[0].kind = OP_SERVICE;
	assert_int_equal(refuse(&ops[0]), -EINVAL);
	/* The kernel's own text is kept beside our sentence. */
	if (is_linux) {
		int fd = open_tap("vp1");
		struct op op = link_op("vp1", LINK_SET_MTU);

		op.link.mtu = 9000000;
		refuse(&op);
		assert_non_null(strstr(f->err.message, "vp1"));
		assert_true(f->err.kernel[0]);
		close(fd);
	}
}

static void fake_fails_on_demand(void **state)
{
	struct op ops[] = { bridge_op("vn-a"), bridge_op("vn-b"), bridge_op("vn-c") };
	size_t done;
	int fd;

	(void)state;
	ONLY_FAKE();
	kernel_fake_fail(f->k, 2, -EBUSY);
	assert_int_equal(kernel_execute(f->k, ops, 3, &done, &f->err), -EBUSY);
	assert_int_equal(done, 1);
	assert_non_null(strstr(f->err.message, "vn-b"));
	vnet_error_clear(&f->err);
	run(ops, 3);
	kernel_fake_fail(f->k, 1, -ENFILE);
	assert_int_equal(tap("vp1", 1, &fd, false, false), -ENFILE);
	fd = open_tap("vp1");
	kernel_fake_link_gone(f->k, "vp1");
	wait_event(KERNEL_EVENT_LINK_GONE, 0);
	no_link("vp1");
	assert_int_equal(kernel_fake_state(f->k)->links.n, 4);
	close(fd);
}

/* A dump that changes interrupt is taken again; what comes is whole, or -EAGAIN. */
static void snapshot_while_things_change(void **state)
{
	enum { N = 60 };
	int fds[N], status, whole = 0;
	pid_t changer;

	(void)state;
	ONLY_LINUX();
	for (int i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vp%d", i);
		fds[i] = open_tap(name);
	}
	changer = fork();
	if (changer == 0) {
		for (int i = 0; i < 20; i++) {
			int fd;

			if (tap("vq0", 1, &fd, false, false) < 0)
				_exit(1);
			close(fd);
		}
		_exit(0);
	}
	while (waitpid(changer, &status, WNOHANG) == 0) {
		AUTO_SNAPSHOT struct snapshot snap = { 0 };
		int r = kernel_snapshot(f->k, SNAPSHOT_LINKS, &snap, &f->err), n = 0;

		if (r == -EAGAIN) {
			vnet_error_clear(&f->err);
			continue;
		}
		ok(r);
		vec_each(link, &snap.links)
			n += !strncmp(link->name, "vp", 2);
		assert_int_equal(n, N);
		whole++;
	}
	assert_int_equal(status, 0);
	assert_true(whole > 0);
	for (int i = 0; i < N; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bridge_with_all_options), TEST(bridge_keeps_mtu_and_mac),
		TEST(bridge_leaves_foreign_devices), TEST(bridge_option_out_of_range),
		TEST(link_set_all_fields), TEST(failed_enslave_stays_down),
		TEST(never_up_outside_the_bridge), TEST(small_mtu_has_no_ipv6), TEST(delete_guard),
		TEST(addresses), TEST(routes), TEST(foreign_route_is_left), TEST(sysctls),
		TEST(tap_carries_frames), TEST(fake_lists_fdb), TEST(tap_multi_queue),
		TEST(tap_offloads), TEST(tap_goes_with_its_descriptor), TEST(tap_persistent),
		TEST(tap_of_somebody_else),
		TEST(bad_names), TEST(vhost), TEST(nft_transactions), TEST(nft_guards),
		TEST(learning_port_tells_its_frame), TEST(drop_counters_of_the_fake),
		TEST(foreign_changes_are_told), TEST(own_routes_and_rules_are_not_told),
		TEST(foreign_rules_are_told), TEST(guard_outlives_a_flush),
		TEST(forwarding_entries_are_not_told),
		TEST(overrun_is_told), TEST(neighbours_are_probed),
		TEST(stops_at_the_failing_operation), TEST(many_operations),
		TEST(errors_name_the_object), TEST(fake_fails_on_demand),
		TEST(snapshot_while_things_change),
	};
	return run_on_both(tests, ARRAY_SIZE(tests));
}
