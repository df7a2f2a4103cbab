/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_backend_l2.c - kinds of devices, VLANs, forwarding entries and groups on both back ends */

#include "base/strbuf.h"
#include "kernel/nl.h"
#include "tests/backend/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEEDS_VLAN() \
	NEEDS("802.1Q devices", "ip link add br0 type bridge && " \
				"ip link add link br0 name v0 type vlan id 2")
#define NEEDS_FILTERING() \
	NEEDS("VLAN filtering of bridges", "ip link add br0 type bridge vlan_filtering 1")
#define NEEDS_KIND(kind, options) \
	NEEDS(kind " devices", "ip link add x0 type " kind " " options)
#define NEEDS_MACVLAN(kind) \
	NEEDS(kind " devices", "ip link add br0 type bridge && ip link add link br0 name m0 type " kind)
#define GROUP 0x7e57

static struct op create_op(const char *kind, const char *name, const char *parent)
{
	struct op op = { .kind = OP_LINK_CREATE };

	snprintf(op.link.kind, sizeof(op.link.kind), "%s", kind);
	snprintf(op.link.name, sizeof(op.link.name), "%s", name);
	snprintf(op.link.parent, sizeof(op.link.parent), "%s", parent);
	snprintf(op.link.alias, sizeof(op.link.alias), "vnet:%s:%s", kind, name);
	return op;
}

static struct op vlan_op(const char *name, const char *parent, uint16_t id, uint16_t protocol)
{
	struct op op = create_op("vlan", name, parent);

	op.link.vlan = (struct vlan_state){ id, protocol };
	return op;
}

static struct ip ip(const char *text)
{
	struct ip ret;

	assert_int_equal(ip_parse(text, &ret), 0);
	return ret;
}

static void make_bridge(const char *name)
{
	struct op op = bridge_op(name);

	run(&op, 1);
}

/* Something else of our name, made by somebody else. */
static void make_foreign(const char *name)
{
	struct op op = bridge_op(name);

	snprintf(op.link.alias, sizeof(op.link.alias), "theirs");
	run_on(f->other, &op, 1);
}

static void assert_exists(const struct op *op)
{
	assert_int_equal(refuse(op), -EEXIST);
	assert_string_equal(f->err.code, "device-exists");
	assert_non_null(strstr(f->err.message, op->link.name));
}

/* Making devices. */

static void vlan_devices(void **state)
{
	struct op inner = vlan_op("vl-blue", "vs-1", 100, ETH_P_8021Q);
	struct op outer = vlan_op("vs-1", "up0", 7, ETH_P_8021AD);
	struct op other = vlan_op("vl-blue", "vs-1", 101, ETH_P_8021Q);
	struct link link, below;

	(void)state;
	NEEDS_VLAN();
	make_bridge("up0");
	outer.link.mtu = 1400;
	outer.link.mac = (struct mac){ { 0x52, 0x54, 0, 9, 9, 9 } };
	inner.link.set = LINK_SET_ADDR_GEN;
	inner.link.addr_gen_mode = 1;
	/* In one call: the second stands on the first. */
	run((struct op[]){ outer, inner }, 2);
	run_twice(&outer);
	run_twice(&inner);
	below = get_link("vs-1");
	assert_string_equal(below.kind, "vlan");
	assert_string_equal(below.alias, outer.link.alias);
	assert_int_equal(below.parent, get_link("up0").ifindex);
	assert_int_equal(below.vlan.id, 7);
	assert_int_equal(below.vlan.protocol, ETH_P_8021AD);
	assert_int_equal(below.mtu, 1400);
	assert_memory_equal(&below.mac, &outer.link.mac, sizeof(below.mac));
	assert_false(below.flags & IFF_UP);
	link = get_link("vl-blue");
	assert_int_equal(link.parent, below.ifindex);
	assert_int_equal(link.vlan.id, 100);
	assert_int_equal(link.vlan.protocol, ETH_P_8021Q);
	assert_int_equal(link.addr_gen_mode, 1);
	witness("7", "link show vs-1|linkinfo.info_data.id");
	witness("\"802.1ad\"", "link show vs-1|linkinfo.info_data.protocol");
	witness("\"vs-1\"", "link show vl-blue|link");
	witness("\"vnet:vlan:vl-blue\"", "link show vl-blue|ifalias");

	/* The same id on the same parent by another name, and what is no id. */
	snprintf(other.link.name, sizeof(other.link.name), "vl-red");
	other.link.vlan.id = 100;
	assert_exists(&other);
	no_link("vl-red");
}

static void unequal_devices_are_left(void **state)
{
	struct op made = vlan_op("vl-1", "up0", 5, ETH_P_8021Q), op = made;
	const char *alias = "vnet:vlan:someone";

	(void)state;
	NEEDS_VLAN();
	make_bridge("up0");
	make_bridge("up1");
	make_foreign("vl-2");
	run(&made, 1);
	snprintf(op.link.alias, sizeof(op.link.alias), "%s", alias);
	assert_exists(&op);
	assert_string_equal(get_link("vl-1").alias, made.link.alias);
	/* Not marked, not even for a moment. */
	op = vlan_op("vl-2", "up0", 6, ETH_P_8021Q);
	forget_events();
	assert_exists(&op);
	assert_string_equal(get_link("vl-2").alias, "theirs");
	assert_string_equal(get_link("vl-2").kind, "bridge");
	ok(kernel_dispatch(f->k, keep_event, f, &f->err));
	assert_int_equal(f->events.n, 0);
	ONLY_LINUX();
	op = vlan_op("vl-1", "up1", 5, ETH_P_8021Q);
	assert_exists(&op);
	op = vlan_op("vl-1", "up0", 8, ETH_P_8021Q);
	assert_exists(&op);
	op = vlan_op("vl-1", "up0", 5, ETH_P_8021AD);
	assert_exists(&op);
}

static void creation_that_fails(void **state)
{
	struct op ops[] = { bridge_op("vn-a"), vlan_op("vl-1", "up0", 5, ETH_P_8021Q),
			    vlan_op("vl-2", "up0", 5, ETH_P_8021Q), link_op("vl-2", LINK_SET_MTU),
			    bridge_op("vn-b") };
	struct op op = vlan_op("vl-3", "none0", 5, ETH_P_8021Q);
	size_t done;

	(void)state;
	NEEDS_VLAN();
	make_bridge("up0");
	make_foreign("vl-0");
	ops[3].link.mtu = 1300;
	assert_int_equal(kernel_execute(f->k, ops, ARRAY_SIZE(ops), &done, &f->err), -EEXIST);
	assert_int_equal(done, 2);
	assert_non_null(strstr(f->err.message, "vl-2"));
	get_link("vl-1");
	no_link("vl-2");
	no_link("vn-b"); /* behind something that waited for vl-2 */
	assert_int_equal(refuse(&op), -ENODEV);
	assert_non_null(strstr(f->err.message, "none0"));
	op = vlan_op("bad/name", "up0", 5, ETH_P_8021Q);
	assert_int_equal(refuse(&op), -EINVAL);
	ONLY_LINUX();
	op = vlan_op("vl-3", "up0", 4095, ETH_P_8021Q);
	assert_int_equal(refuse(&op), -ERANGE);
	assert_true(f->err.kernel[0]);
	op = create_op("nosuch", "vl-3", "");
	assert_int_equal(refuse(&op), -EINVAL);
	no_link("vl-3");
}

/* Devices without relation go in one send; what stands on a new one waits for it. */
static void many_creations(void **state)
{
	enum { N = 40 };
	struct op ops[3 * N];
	struct link link;

	(void)state;
	NEEDS_VLAN();
	make_bridge("up0");
	for (int i = 0; i < N; i++) {
		char bridge[16], vlan[16];

		snprintf(bridge, sizeof(bridge), "vn-%d", i);
		snprintf(vlan, sizeof(vlan), "vl-%d", i);
		ops[i] = bridge_op(bridge);
		ops[N + i] = vlan_op(vlan, "up0", (uint16_t)(100 + i), ETH_P_8021Q);
		ops[2 * N + i] = master_op(vlan, bridge);
	}
	ops[3 * N - 1].link.up = false;
	for (int twice = 0; twice < 2; twice++) {
		struct op up = up_op("up0");

		run(&up, 1);
		run(ops, ARRAY_SIZE(ops));
	}
	for (int i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vl-%d", i);
		link = get_link(name);
		assert_int_equal(link.vlan.id, 100 + i);
		assert_int_equal(!!(link.flags & IFF_UP), i != N - 1);
		snprintf(name, sizeof(name), "vn-%d", i);
		assert_int_equal(link.master, get_link(name).ifindex);
	}
}

static void parent_takes_its_devices_along(void **state)
{
	struct op op = vlan_op("vl-1", "up0", 5, ETH_P_8021Q), delete = delete_op("up0", false);
	int ifindex;

	(void)state;
	NEEDS_VLAN();
	make_bridge("up0");
	run(&op, 1);
	ifindex = get_link("vl-1").ifindex;
	assert_int_equal(wait_event(KERNEL_EVENT_LINK_NEW, ifindex).link.vlan.id, 5);
	run(&delete, 1);
	no_link("vl-1");
	wait_event(KERNEL_EVENT_LINK_GONE, ifindex);
}

static void macvlan_devices(void **state)
{
	struct op op = create_op("macvlan", "vc-blue", "up0");
	struct link link;

	(void)state;
	NEEDS_MACVLAN("macvlan");
	make_bridge("up0");
	op.link.macvlan.mode = MACVLAN_MODE_BRIDGE;
	op.link.mac = (struct mac){ { 0x52, 0x54, 0, 7, 7, 7 } };
	op.link.mtu = 1400;
	run_twice(&op);
	link = get_link("vc-blue");
	assert_string_equal(link.kind, "macvlan");
	assert_int_equal(link.parent, get_link("up0").ifindex);
	assert_int_equal(link.macvlan.mode, MACVLAN_MODE_BRIDGE);
	assert_int_equal(link.mtu, 1400);
	assert_memory_equal(&link.mac, &op.link.mac, sizeof(link.mac));
	witness("\"bridge\"", "link show vc-blue|linkinfo.info_data.mode");
}

static void ifb_devices(void **state)
{
	struct op op = create_op("ifb", "vi-blue", "");

	(void)state;
	NEEDS_KIND("ifb", "");
	run_twice(&op);
	assert_string_equal(get_link("vi-blue").kind, "ifb");
	assert_string_equal(get_link("vi-blue").alias, op.link.alias);
}

/* Tunnels. */

static struct op gretap_op(void)
{
	struct op op = create_op("gretap", "vg0", "");

	op.link.gre = (struct gre_state){ .local = ip("192.0.2.1"), .remote = ip("192.0.2.2"),
					  .has_key = true, .key = 42, .ttl = 64, .tos = 16,
					  .pmtudisc = true };
	op.link.mtu = 1400;
	return op;
}

static void assert_gre(const char *name, const struct gre_state *wanted)
{
	struct gre_state have = get_link(name).gre;

	assert_int_equal(ip_cmp(&have.local, &wanted->local), 0);
	assert_int_equal(ip_cmp(&have.remote, &wanted->remote), 0);
	assert_int_equal(have.has_key, wanted->has_key);
	assert_int_equal(have.key, wanted->key);
	assert_int_equal(have.ttl, wanted->ttl);
	assert_int_equal(have.tos, wanted->tos);
	assert_int_equal(have.pmtudisc, wanted->pmtudisc);
	assert_int_equal(have.ignore_df, wanted->ignore_df);
	assert_int_equal(have.has_encap_limit, wanted->has_encap_limit);
}

static struct op change_op(const struct op *made)
{
	struct op op = *made;

	op.kind = OP_LINK_SET;
	op.link.set = LINK_SET_KIND;
	return op;
}

static void gretap_devices(void **state)
{
	struct op op = gretap_op(), twin = op, change = change_op(&op);

	(void)state;
	NEEDS_KIND("gretap", "local 192.0.2.1 remote 192.0.2.2");
	make_bridge("up0");
	run_twice(&op);
	assert_gre("vg0", &op.link.gre);
	assert_string_equal(get_link("vg0").kind, "gretap");
	assert_int_equal(get_link("vg0").mtu, 1400);
	assert_int_equal(get_link("vg0").parent, 0);
	witness("\"192.0.2.2\"", "link show vg0|linkinfo.info_data.remote");
	witness("\"0.0.0.42\"", "link show vg0|linkinfo.info_data.ikey");
	witness("64", "link show vg0|linkinfo.info_data.ttl");
	/* The same tunnel under another name. */
	snprintf(twin.link.name, sizeof(twin.link.name), "vg1");
	assert_int_equal(refuse(&twin), -EEXIST);
	no_link("vg1");

	/* Live, with all that is not named in the change kept. */
	change.link.gre.ttl = 32;
	change.link.gre.tos = 1;
	change.link.gre.pmtudisc = false;
	change.link.gre.ignore_df = true;
	run_twice(&change);
	assert_gre("vg0", &change.link.gre);
	witness("\"0x1\"", "link show vg0|linkinfo.info_data.tos");
	witness("false", "link show vg0|linkinfo.info_data.pmtudisc");
	assert_int_equal(get_link("vg0").mtu, 1400);
	run_twice(&op); /* made already, whatever was changed since */
}

static void gretap_on_a_device(void **state)
{
	struct op op = gretap_op(), change;

	(void)state;
	NEEDS_KIND("gretap", "local 192.0.2.1 remote 192.0.2.2");
	make_bridge("up0");
	snprintf(op.link.parent, sizeof(op.link.parent), "up0");
	op.link.gre.has_key = false;
	op.link.gre.key = 0;
	run_twice(&op);
	assert_int_equal(get_link("vg0").parent, get_link("up0").ifindex);
	change = change_op(&op);
	change.link.gre.ttl = 9;
	run_twice(&change);
	assert_int_equal(get_link("vg0").parent, get_link("up0").ifindex);
	assert_gre("vg0", &change.link.gre);
	/* Unlike what stands on a device, it outlives it. */
	change = delete_op("up0", false);
	run(&change, 1);
	get_link("vg0");
}

static void ip6gretap_devices(void **state)
{
	struct op op = gretap_op(), change;

	(void)state;
	NEEDS_KIND("ip6gretap", "local 2001:db8::1 remote 2001:db8::2");
	snprintf(op.link.kind, sizeof(op.link.kind), "ip6gretap");
	op.link.gre.local = ip("2001:db8::1");
	op.link.gre.remote = ip("2001:db8::2");
	op.link.gre.pmtudisc = false; /* IPv4's */
	run_twice(&op);
	assert_string_equal(get_link("vg0").kind, "ip6gretap");
	assert_gre("vg0", &op.link.gre);
	witness("\"2001:db8::1\"", "link show vg0|linkinfo.info_data.local");
	change = change_op(&op);
	change.link.gre.ttl = 7;
	change.link.gre.tos = 1;
	run_twice(&change);
	assert_gre("vg0", &change.link.gre);
	witness("7", "link show vg0|linkinfo.info_data.ttl");
	change.link.gre.tos = 32;
	run(&change, 1);
	assert_gre("vg0", &change.link.gre);
}

static struct op vxlan_op(const char *local)
{
	struct op op = create_op("vxlan", "vx0", "");

	op.link.vxlan = (struct vxlan_state){ .vni = 4242, .local = ip(local), .port = 4789,
					      .ttl = 64, .tos = 1, .learning = true,
					      .df = VXLAN_DF_SET };
	op.link.mtu = 1400;
	return op;
}

static void assert_vxlan(const char *name, const struct vxlan_state *wanted)
{
	struct vxlan_state have = get_link(name).vxlan;

	assert_int_equal(have.vni, wanted->vni);
	assert_int_equal(ip_cmp(&have.local, &wanted->local), 0);
	assert_int_equal(have.port, wanted->port);
	assert_int_equal(have.ttl, wanted->ttl);
	assert_int_equal(have.tos, wanted->tos);
	assert_int_equal(have.learning, wanted->learning);
	assert_int_equal(have.df, wanted->df);
}

static void vxlan_devices(void **state)
{
	struct op op = vxlan_op("192.0.2.1"), change, other;

	(void)state;
	NEEDS_KIND("vxlan", "id 1 dstport 4789");
	make_bridge("up0");
	snprintf(op.link.parent, sizeof(op.link.parent), "up0");
	run_twice(&op);
	assert_vxlan("vx0", &op.link.vxlan);
	assert_int_equal(get_link("vx0").parent, get_link("up0").ifindex);
	assert_int_equal(get_link("vx0").mtu, 1400);
	witness("4242", "link show vx0|linkinfo.info_data.id");
	witness("\"up0\"", "link show vx0|linkinfo.info_data.link");
	witness("4789", "link show vx0|linkinfo.info_data.port");
	change = change_op(&op);
	change.link.vxlan.ttl = 3;
	change.link.vxlan.tos = 0;
	change.link.vxlan.learning = false;
	change.link.vxlan.df = VXLAN_DF_UNSET;
	run_twice(&change);
	assert_vxlan("vx0", &change.link.vxlan);
	witness("3", "link show vx0|linkinfo.info_data.ttl");
	/* What is fixed for life makes it another device. */
	other = op;
	snprintf(other.link.name, sizeof(other.link.name), "vx1");
	assert_int_equal(refuse(&other), -EEXIST);
	ONLY_LINUX();
	other = op;
	other.link.vxlan.vni = 5;
	assert_exists(&other);
	other = op;
	other.link.vxlan.port = 8472;
	assert_exists(&other);
}

static void vxlan_over_ipv6(void **state)
{
	struct op op = vxlan_op("2001:db8::1");

	(void)state;
	NEEDS_KIND("vxlan", "id 1 dstport 4789 local 2001:db8::1");
	run_twice(&op);
	assert_vxlan("vx0", &op.link.vxlan);
	witness("\"2001:db8::1\"", "link show vx0|linkinfo.info_data.local6");
}

/* Forwarding entries. */

static struct op fdb_op(enum op_kind kind, const char *mac, const char *dst)
{
	struct op op = { .kind = kind, .fdb = { .ifname = "vx0", .fdb.dst = ip(dst) } };

	assert_int_equal(mac_parse(mac, &op.fdb.fdb.mac), 0);
	return op;
}

static void assert_fdb(const char *expected)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };
	char mac[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];

	ok(kernel_snapshot(f->k, SNAPSHOT_FDB, &snap, &f->err));
	vec_each(fdb, &snap.fdb) {
		const struct link *link = snapshot_link_by_index(&snap, fdb->ifindex);

		assert_non_null(link);
		strbuf_printf(&text, "%s %s %s%s\n", link->name, mac_format(&fdb->mac, mac),
			    ip_format(&fdb->dst, dst), fdb->is_external ? " external" : "");
	}
	assert_string_equal(text.s ? text.s : "", expected);
}

#define ZERO_MAC "00:00:00:00:00:00"
#define GUEST_MAC "52:54:00:00:00:01"

static void fdb_entries(void **state)
{
	struct op made = vxlan_op("192.0.2.1"), foreign = vxlan_op("192.0.2.1");
	struct op first = fdb_op(OP_FDB_ADD, ZERO_MAC, "192.0.2.2");
	struct op second = fdb_op(OP_FDB_ADD, ZERO_MAC, "192.0.2.3");
	struct op guest = fdb_op(OP_FDB_ADD, GUEST_MAC, "192.0.2.2");

	(void)state;
	NEEDS_KIND("vxlan", "id 1 dstport 4789");
	run((struct op[]){ made, first, second }, 3);
	assert_fdb("vx0 " ZERO_MAC " 192.0.2.2\nvx0 " ZERO_MAC " 192.0.2.3\n");
	run_twice(&first);
	run_twice(&second);
	guest.fdb.fdb.is_external = true;
	run_twice(&guest);
	assert_fdb("vx0 " ZERO_MAC " 192.0.2.2\nvx0 " ZERO_MAC " 192.0.2.3\n"
		   "vx0 " GUEST_MAC " 192.0.2.2 external\n");
	/* One guest is behind one remote. */
	guest.fdb.fdb.dst = ip("192.0.2.3");
	if (is_linux) {
		run_twice(&guest);
		assert_fdb("vx0 " ZERO_MAC " 192.0.2.2\nvx0 " ZERO_MAC " 192.0.2.3\n"
			   "vx0 " GUEST_MAC " 192.0.2.3 external\n");
		/*
		 * Learnt ones are not told, nor are those of other people's devices.  They go
		 * with their peer, the others' stay.
		 */
		command("bridge fdb add 52:54:00:00:00:02 dev vx0 dst 192.0.2.2 self dynamic");
		command("bridge fdb add 52:54:00:00:00:03 dev vx0 dst 192.0.2.3 self dynamic");
		snprintf(foreign.link.name, sizeof(foreign.link.name), "vxlan9");
		snprintf(foreign.link.alias, sizeof(foreign.link.alias), "theirs");
		foreign.link.vxlan.vni = 9;
		run(&foreign, 1);
		command("bridge fdb append " ZERO_MAC " dev vxlan9 dst 192.0.2.7");
	} else {
		guest.fdb.fdb.dst = ip("192.0.2.2");
	}
	guest.kind = first.kind = OP_FDB_DEL;
	run_twice(&guest);
	run_twice(&first);
	assert_fdb("vx0 " ZERO_MAC " 192.0.2.3\n");
	if (is_linux) {
		witness_of("\"52:54:00:00:00:03\"", "bridge -j fdb show dev vx0 dynamic|mac");
		command("bridge fdb del 52:54:00:00:00:03 dev vx0 dst 192.0.2.3 self");
	}
	witness_of("\"192.0.2.3\"", "bridge -j fdb show dev vx0|dst");
	made = delete_op("vx0", false);
	run(&made, 1);
	run_twice(&first);
	assert_int_equal(refuse(&second), -ENODEV);
	second.fdb.fdb.dst.family = 0;
	ONLY_LINUX();
	made = vxlan_op("192.0.2.1");
	run(&made, 1);
	assert_int_equal(refuse(&second), -EINVAL);
}

/* VLANs of bridge ports. */

static struct op member_op(enum op_kind kind, const char *ifname, uint16_t first, uint16_t last)
{
	struct op op = { .kind = kind, .vlan.vlan = { .first = first, .last = last } };

	snprintf(op.vlan.ifname, sizeof(op.vlan.ifname), "%s", ifname);
	return op;
}

static struct op native_op(const char *ifname, uint16_t id, bool is_bridge)
{
	struct op op = member_op(OP_VLAN_ADD, ifname, id, id);

	op.vlan.is_bridge = is_bridge;
	op.vlan.vlan.is_pvid = op.vlan.vlan.is_untagged = true;
	return op;
}

static void assert_vlans(const char *expected)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };

	ok(kernel_snapshot(f->k, SNAPSHOT_VLANS, &snap, &f->err));
	vec_each(vlan, &snap.vlans) {
		const struct link *link = snapshot_link_by_index(&snap, vlan->ifindex);

		assert_non_null(link);
		strbuf_printf(&text, "%s %u-%u%s%s\n", link->name, vlan->first, vlan->last,
			    vlan->is_pvid ? " pvid" : "", vlan->is_untagged ? " untagged" : "");
	}
	assert_string_equal(text.s ? text.s : "", expected);
}

static struct op aware_bridge_op(const char *name)
{
	struct op op = bridge_op(name);

	op.link.bridge.vlan_filtering = true;
	return op;
}

static void vlan_members(void **state)
{
	struct op bridge = aware_bridge_op("vn-v"), plain = bridge_op("vn-p"), op;
	int one, two;

	(void)state;
	NEEDS_FILTERING();
	run_twice(&bridge);
	run(&plain, 1);
	assert_true(get_link("vn-v").bridge.vlan_filtering);
	assert_int_equal(get_link("vn-v").bridge.default_pvid, 0);
	witness("1", "link show vn-v|linkinfo.info_data.vlan_filtering");
	one = open_tap("vp1");
	two = open_tap("vp2");
	run((struct op[]){ master_op("vp1", "vn-v"), master_op("vp2", "vn-p") }, 2);
	assert_vlans(""); /* nobody is in VLAN 1 by accident */

	run((struct op[]){ native_op("vn-v", 7, true), native_op("vp1", 10, false),
			   member_op(OP_VLAN_ADD, "vp1", 20, 30),
			   member_op(OP_VLAN_ADD, "vp1", 31, 31),
			   member_op(OP_VLAN_ADD, "vp1", 32, 4094) }, 5);
	assert_vlans("vn-v 7-7 pvid untagged\nvp1 10-10 pvid untagged\nvp1 20-4094\n");
	witness_of("10", "bridge -j vlan show dev vp1|vlans.0.vlan");
	/* The next native VLAN takes that from the one before. */
	op = native_op("vp1", 11, false);
	run_twice(&op);
	assert_vlans("vn-v 7-7 pvid untagged\nvp1 10-10 untagged\nvp1 11-11 pvid untagged\n"
		     "vp1 20-4094\n");
	op = member_op(OP_VLAN_ADD, "vp1", 10, 11); /* other flags */
	run_twice(&op);
	assert_vlans("vn-v 7-7 pvid untagged\nvp1 10-11\nvp1 20-4094\n");
	op = member_op(OP_VLAN_DEL, "vp1", 25, 4000);
	run_twice(&op);
	op = member_op(OP_VLAN_DEL, "vn-v", 7, 7);
	op.vlan.is_bridge = true;
	run_twice(&op);
	assert_vlans("vp1 10-11\nvp1 20-24\nvp1 4001-4094\n");
	close(one);
	close(two);
}

static void vlan_members_refused(void **state)
{
	struct op bridge = aware_bridge_op("vn-v"), op = native_op("vp1", 10, false);
	int fd;

	(void)state;
	NEEDS_FILTERING();
	run(&bridge, 1);
	fd = open_tap("vp1");
	assert_int_equal(refuse(&op), -EOPNOTSUPP); /* in no bridge */
	op = member_op(OP_VLAN_DEL, "vp1", 10, 20);
	run_twice(&op);
	op = member_op(OP_VLAN_DEL, "vp9", 10, 20);
	run_twice(&op);
	op = member_op(OP_VLAN_ADD, "vp9", 10, 20);
	assert_int_equal(refuse(&op), -ENODEV);
	op = member_op(OP_VLAN_ADD, "vp1", 20, 10);
	assert_int_equal(refuse(&op), -EINVAL);
	op = member_op(OP_VLAN_ADD, "vp1", 1, 4095);
	assert_int_equal(refuse(&op), -EINVAL);
	op.vlan.vlan = (struct vlan_member){ .first = 10, .last = 11, .is_pvid = true };
	assert_int_equal(refuse(&op), -EINVAL);
	close(fd);
}

static void vlan_changes_are_told(void **state)
{
	struct op bridge = aware_bridge_op("vn-v"), op = master_op("vp1", "vn-v");
	int fd;

	(void)state;
	ONLY_LINUX();
	NEEDS_FILTERING();
	run(&bridge, 1);
	fd = open_tap("vp1");
	run(&op, 1);
	forget_events();
	command("bridge vlan add dev vp1 vid 5");
	wait_event(KERNEL_EVENT_BRIDGE_PORT, get_link("vp1").ifindex);
	forget_events();
	command("bridge vlan del dev vp1 vid 5");
	wait_event(KERNEL_EVENT_BRIDGE_PORT, get_link("vp1").ifindex);
	forget_events();
	command("bridge vlan add dev vn-v vid 6 self");
	wait_event(KERNEL_EVENT_BRIDGE_PORT, get_link("vn-v").ifindex);
	close(fd);
}

static void filtering_is_switched(void **state)
{
	struct op bridge = bridge_op("vn-v"), op = link_op("vn-v", LINK_SET_BRIDGE);

	(void)state;
	NEEDS_FILTERING();
	run(&bridge, 1);
	op.link.bridge = bridge.link.bridge;
	op.link.bridge.vlan_filtering = true;
	op.link.bridge.vlan_protocol = ETH_P_8021AD;
	run_twice(&op);
	assert_true(get_link("vn-v").bridge.vlan_filtering);
	assert_int_equal(get_link("vn-v").bridge.vlan_protocol, ETH_P_8021AD);
	witness("\"802.1ad\"", "link show vn-v|linkinfo.info_data.vlan_protocol");
	op.link.bridge.vlan_filtering = false;
	op.link.bridge.vlan_protocol = ETH_P_8021Q;
	run_twice(&op);
	assert_false(get_link("vn-v").bridge.vlan_filtering);
	assert_int_equal(get_link("vn-v").bridge.vlan_protocol, ETH_P_8021Q);
	assert_vlans("");
}

/* On any kernel: one without VLAN filtering refuses to switch it off. */
static void bridge_without_filtering(void **state)
{
	struct op bridge = bridge_op("vn-v"), op = link_op("vn-v", LINK_SET_BRIDGE | LINK_SET_MTU);

	(void)state;
	run(&bridge, 1);
	op.link.bridge = bridge.link.bridge;
	op.link.bridge.ageing = 12300;
	op.link.mtu = 1400;
	run_twice(&op);
	assert_int_equal(get_link("vn-v").bridge.ageing, 12300);
	assert_int_equal(get_link("vn-v").mtu, 1400);
	assert_int_equal(get_link("vn-v").bridge.vlan_protocol, ETH_P_8021Q);
}

/* Options of bridge ports. */

static void port_options(void **state)
{
	const uint32_t all = LINK_SET_LEARNING | LINK_SET_FLOOD | LINK_SET_MCAST_FLOOD |
			     LINK_SET_HAIRPIN | LINK_SET_PROXY_ARP;
	struct op op = master_op("vp1", "vn-blue"), set = link_op("vp1", all);
	struct bridge_port_state port;
	int fd;

	(void)state;
	make_bridge("vn-blue");
	fd = open_tap("vp1");
	run(&op, 1);
	port = get_link("vp1").port;
	assert_true(port.learning && port.flood && port.multicast_flood);
	assert_false(port.hairpin || port.proxy_arp);
	set.link.port = (struct bridge_port_state){ .hairpin = true, .proxy_arp = true };
	run_twice(&set);
	port = get_link("vp1").port;
	assert_false(port.learning || port.flood || port.multicast_flood);
	assert_true(port.hairpin && port.proxy_arp);
	witness("true", "link show vp1|linkinfo.info_slave_data.hairpin");
	witness("false", "link show vp1|linkinfo.info_slave_data.learning");
	witness("false", "link show vp1|linkinfo.info_slave_data.flood");
	witness("false", "link show vp1|linkinfo.info_slave_data.mcast_flood");
	witness("true", "link show vp1|linkinfo.info_slave_data.proxy_arp");
	/* One alone leaves the others. */
	set.link.set = LINK_SET_LEARNING;
	set.link.port = (struct bridge_port_state){ .learning = true };
	run_twice(&set);
	port = get_link("vp1").port;
	assert_true(port.learning && port.hairpin && port.proxy_arp && !port.flood);
	close(fd);
}

/* Groups. */

static void put_in_group(const char *name, uint32_t group)
{
	struct op op = link_op(name, LINK_SET_GROUP);

	op.link.group = group;
	run_on(f->other, &op, 1);
}

static void groups(void **state)
{
	struct op delete = { .kind = OP_GROUP_DELETE, .link.group = GROUP };
	int gone[3];

	(void)state;
	run_twice(&delete); /* nobody is in it */
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vn-%d", i);
		make_bridge(name);
		put_in_group(name, GROUP);
		gone[i] = get_link(name).ifindex;
	}
	make_bridge("vn-stays");
	make_foreign("theirs");
	put_in_group("theirs", GROUP);
	assert_int_equal(refuse(&delete), -EPERM);
	assert_string_equal(f->err.code, "foreign-device");
	assert_non_null(strstr(f->err.message, "theirs"));
	get_link("vn-0");
	put_in_group("theirs", 0);
	run_twice(&delete);
	for (int i = 0; i < 3; i++)
		wait_event(KERNEL_EVENT_LINK_GONE, gone[i]);
	no_link("vn-0");
	no_link("vn-2");
	get_link("vn-stays");
	get_link("theirs");
	ONLY_LINUX();
	delete.link.group = 0;
	assert_int_equal(refuse(&delete), -EINVAL);
}

/* A process in a namespace of its own, until stay is closed. */
static pid_t elsewhere(int *ret_stay)
{
	int ready[2], stay[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(stay, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(stay[1]);
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], &c, 1) != 1)
			_exit(1);
		_exit(read(stay[0], &c, 1) != 0);
	}
	close(ready[1]);
	close(stay[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*ret_stay = stay[1];
	return pid;
}

/* An index in another namespace is no device of ours. */
static void parents_elsewhere(void **state)
{
	int stay, status;
	pid_t pid;

	(void)state;
	ONLY_LINUX();
	NEEDS_KIND("veth", "");
	NEEDS_MACVLAN("macvlan");
	pid = elsewhere(&stay);
	command("ip link add v0 type veth peer name v1");
	assert_false(get_link("v0").has_netns_peer);
	assert_int_equal(get_link("v0").parent, get_link("v1").ifindex);
	command("ip link set v1 netns %d", pid);
	command("nsenter -t %d -n ip link add link v1 name m1 type macvlan", pid);
	command("nsenter -t %d -n ip link set m1 netns %d", pid, getpid());
	assert_true(get_link("v0").has_netns_peer);
	assert_int_equal(get_link("v0").parent, 0);
	assert_int_equal(get_link("m1").parent, 0);
	assert_false(get_link("m1").has_netns_peer);
	close(stay);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* A simulated radio in this namespace, which goes with it: mac80211_hwsim's command 4. */
static void make_radio(void)
{
	enum { HWSIM_CMD_NEW_RADIO = 4 };
	const struct nlattr *tb[CTRL_ATTR_MAX + 1];
	const struct nlmsghdr *answer;
	struct genlmsghdr *genl;
	struct nlmsghdr *m;
	struct nl nl;

	ok(nl_open(&nl, NETLINK_GENERIC, &f->err));
	m = nl_add(&nl, GENL_ID_CTRL, 0);
	genl = nl_header(m, sizeof(*genl));
	*genl = (struct genlmsghdr){ .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	mnl_attr_put_strz(m, CTRL_ATTR_FAMILY_NAME, "MAC80211_HWSIM");
	ok(nl_get(&nl, &answer));
	nl_attrs_of(answer, sizeof(*genl), tb, ARRAY_SIZE(tb));
	m = nl_add(&nl, nl_u16(tb[CTRL_ATTR_FAMILY_ID]), 0);
	genl = nl_header(m, sizeof(*genl));
	*genl = (struct genlmsghdr){ .cmd = HWSIM_CMD_NEW_RADIO, .version = 1 };
	ok(nl_send(&nl)); /* its answer is the radio's number */
	nl_close(&nl);
}

static void wireless_devices(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	size_t n = 0;

	(void)state;
	ONLY_LINUX();
	/* Another machine's own radios would get a neighbour. */
	if (!getenv("VNET_KERNEL_LAB")) {
		printf("[  SKIPPED ] mac80211_hwsim is for the kernel lab\n");
		skip();
	}
	command("modprobe mac80211_hwsim radios=0");
	make_radio();
	make_bridge("vn-blue");
	ok(kernel_snapshot(f->k, SNAPSHOT_LINKS, &snap, &f->err));
	vec_each(link, &snap.links) {
		assert_int_equal(link->is_wireless, !strncmp(link->name, "wlan", 4));
		n += link->is_wireless;
	}
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vlan_devices), TEST(unequal_devices_are_left), TEST(creation_that_fails),
		TEST(many_creations), TEST(parent_takes_its_devices_along), TEST(macvlan_devices),
		TEST(ifb_devices), TEST(gretap_devices), TEST(gretap_on_a_device),
		TEST(ip6gretap_devices), TEST(vxlan_devices), TEST(vxlan_over_ipv6),
		TEST(fdb_entries), TEST(vlan_members), TEST(vlan_members_refused),
		TEST(vlan_changes_are_told), TEST(filtering_is_switched),
		TEST(bridge_without_filtering), TEST(port_options), TEST(groups),
		TEST(parents_elsewhere), TEST(wireless_devices),
	};

	return run_on_both(tests, ARRAY_SIZE(tests));
}
