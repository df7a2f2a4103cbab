/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_plan_host.c - what the host must offer; and the hot path of one port */

#include "base/strbuf.h"
#include "nft/ruleset.h"
#include "plan/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HOST \
	"link 1 lo up loopback flags 0x0 mtu 65536\n" \
	"link 2 eth0 up\n" \
	"link 3 eth1 up\n" \
	"link 4 br0 kind bridge up\n" \
	"link 5 tap0 kind tun\n" \
	"link 6 vn-old kind bridge up alias vnet:bridge:old\n" \
	"link 7 vp0 kind tun alias vnet:port:old:vm1\n" \
	"link 8 eth2 master br0 up\n" \
	"link 9 eth3 master vn-old up\n" \
	"link 10 wlan0 up wireless\n" \
	"link 11 br1 kind bridge up vlan_filtering\n" \
	"link 12 eth4 master br1 up\n" \
	"link 13 bond0 kind bond up\n" \
	"link 14 eth5 master bond0 up\n" \
	"link 15 eth0.7 kind vlan parent eth0 id 7\n" \
	"link 16 vn-trunk kind bridge up vlan_filtering alias vnet:bridge:trunk\n" \
	"link 17 vc-taken\n" \
	"link 18 vl-old kind vlan parent eth0 id 8 alias vnet:vlan:old\n" \
	"link 19 small mtu 1200 up\n" \
	"link 20 pf0 up\n" \
	"vlan 5-9 dev eth4\n" \
	"vf 0 dev pf0\nvf 1 dev pf0\n" \
	"addr 127.0.0.1/8 dev lo\n" \
	"addr ::1/128 dev lo\n" \
	"addr 192.0.2.2/24 dev eth0\n" \
	"addr fe80::1/64 dev eth0\n" \
	"addr 2001:db8:1::2/64 dev eth0\n" \
	"addr 10.50.0.1/24 dev vn-old\n" \
	"route 0.0.0.0/0 via 192.0.2.1 dev eth0\n" \
	"route ::/0 via fe80::9 dev eth0\n" \
	"route 192.0.2.0/24 dev eth0 proto kernel src 192.0.2.2\n" \
	"route 10.0.0.0/8 via 192.0.2.7 dev eth0\n" \
	"route 172.16.0.0/12 dev eth1\n" \
	"route 10.20.30.0/24 via 192.0.2.8 dev eth0\n" \
	"route 10.50.0.0/24 dev vn-old proto kernel\n" \
	"route 203.0.113.0/24 dev small\n" \
	"route 10.99.0.0/16 via 10.50.0.9 dev vn-old proto vnet\n"

static const struct {
	const char *name, *definition;
	int number;            /* 0: fine */
	const char *code, *path, *message;
} cases[] = {
	{ "free subnet", "mode: nat\naddresses: [10.1.0.1/24, 'fd00::1/64']", 0, NULL, NULL, NULL },
	{ "part of a routed prefix", "mode: routed\naddresses: [10.20.31.1/24]", 0, NULL, NULL, NULL },
	{ "no address at all", "mode: isolated\nhost_access: false", 0, NULL, NULL, NULL },
	{ "beside networks of ours", "mode: nat\naddresses: [10.50.0.1/24]", 0, NULL, NULL, NULL },
	{ "where only our route was", "mode: nat\naddresses: [10.99.1.1/24]", 0, NULL, NULL, NULL },
	{ "our bridge under another network's mark", "mode: nat\nbridge: {name: vn-old}", 0, NULL, NULL,
	  NULL },
	{ "address of the host", "mode: nat\naddresses: [10.1.0.1/24, 192.0.2.129/25]", -EADDRINUSE,
	  "subnet-in-use", "blue.addresses[1]",
	  "192.0.2.129/25 overlaps 192.0.2.2/24 on interface eth0; choose another subnet, or subnet: "
	  "auto" },
	{ "address of the host, IPv6", "mode: nat\naddresses: ['2001:db8:1::1/64']", -EADDRINUSE,
	  "subnet-in-use", "blue.addresses[0]",
	  "2001:db8:1::1/64 overlaps 2001:db8:1::2/64 on interface eth0; choose another subnet, or "
	  "subnet: auto" },
	{ "the same as a route", "mode: nat\naddresses: [10.20.30.1/24]", -EADDRINUSE, "subnet-in-use",
	  "blue.addresses[0]",
	  "10.20.30.1/24 overlaps the route to 10.20.30.0/24 through eth0; choose another subnet, or "
	  "subnet: auto" },
	{ "covers a route", "mode: nat\naddresses: [10.20.0.1/16]", -EADDRINUSE, "subnet-in-use",
	  "blue.addresses[0]",
	  "10.20.0.1/16 overlaps the route to 10.20.30.0/24 through eth0; choose another subnet, or "
	  "subnet: auto" },
	{ "part of what is on link", "mode: nat\naddresses: [172.20.0.1/24]", -EADDRINUSE, "subnet-in-use",
	  "blue.addresses[0]",
	  "172.20.0.1/24 overlaps the route to 172.16.0.0/12 through eth1; choose another subnet, or "
	  "subnet: auto" },
	{ "static route that exists",
	  "mode: nat\naddresses: [10.1.0.1/24]\nroutes: [{to: 10.0.0.0/8, via: 10.1.0.2}]", -EEXIST,
	  "route-exists", "blue.routes[0].to",
	  "a route to 10.0.0.0/8 with this metric exists already, through eth0; give another metric" },
	{ "static route of another metric",
	  "mode: nat\naddresses: [10.1.0.1/24]\nroutes: [{to: 10.0.0.0/8, via: 10.1.0.2, metric: 5}]", 0,
	  NULL, NULL, NULL },
	{ "foreign bridge by our name", "mode: nat\nbridge: {name: br0}", -EEXIST, "device-exists",
	  "blue.bridge.name",
	  "a bridge named br0 exists already and is not ours; give the network another bridge.name, or "
	  "remove that device" },
	{ "foreign NIC by our name", "mode: isolated\nbridge: {name: eth1}", -EEXIST, "device-exists",
	  "blue.bridge.name",
	  "a network device named eth1 exists already and is not ours; give the network another "
	  "bridge.name, or remove that device" },
	{ "existing bridge", "mode: bridged\nbridge: {name: br0}", 0, NULL, NULL, NULL },
	{ "no such bridge", "mode: bridged\nbridge: {name: br9}", -ENODEV, "no-bridge",
	  "blue.bridge.name",
	  "there is no bridge br9 on this host; create it, or give the network an uplink instead" },
	{ "not a bridge", "mode: bridged\nbridge: {name: eth1}", -EINVAL, "not-a-bridge",
	  "blue.bridge.name",
	  "eth1 is a network device, not a bridge; name a bridge, or take the device into a bridge of "
	  "ours with uplink: eth1" },
	{ "uplink", "mode: bridged\nuplink: eth0", 0, NULL, NULL, NULL },
	{ "uplink in a bridge of ours", "mode: bridged\nuplink: eth3", 0, NULL, NULL, NULL },
	{ "no such uplink", "mode: bridged\nuplink: eth9", -ENODEV, "bad-uplink", "blue.uplink",
	  "uplink eth9 does not exist on this host" },
	{ "uplink in another bridge", "mode: bridged\nuplink: eth2", -EBUSY, "bad-uplink", "blue.uplink",
	  "uplink eth2 belongs to br0 already; take it out first" },
	{ "loopback as uplink", "mode: bridged\nuplink: lo", -EINVAL, "bad-uplink", "blue.uplink",
	  "uplink lo is the loopback device" },
	{ "bridge as uplink", "mode: bridged\nuplink: br0", -EINVAL, "bad-uplink", "blue.uplink",
	  "uplink br0 is a bridge itself; give it as bridge.name, without uplink" },
	{ "port as uplink", "mode: bridged\nuplink: vp0", -EINVAL, "bad-uplink", "blue.uplink",
	  "uplink vp0 is a guest's port" },
	{ "VLAN of a NIC", "mode: nat\nuplink: eth0\nvlan: 5", 0, NULL, NULL, NULL },
	{ "VLAN of a bridge", "mode: nat\nuplink: br0\nvlan: 5", 0, NULL, NULL, NULL },
	{ "VLAN of a bridge of ours", "mode: nat\nuplink: vn-old\nvlan: 5", 0, NULL, NULL, NULL },
	{ "VLAN that we have ourselves", "mode: nat\nuplink: eth0\nvlan: 8", 0, NULL, NULL, NULL },
	{ "VLAN beside a plain bridge", "mode: nat\nuplink: eth2\nvlan: 5", 0, NULL, NULL, NULL },
	{ "VLAN that the aware bridge lacks", "mode: nat\nuplink: eth4\nvlan: 4", 0, NULL, NULL, NULL },
	{ "VLAN of another protocol", "mode: nat\nuplink: eth4\nvlan: {id: 5, protocol: 802.1ad}", 0,
	  NULL, NULL, NULL },
	{ "outer tag of another protocol", "mode: nat\nuplink: eth0\nvlan: {id: 9, service: 7}", 0, NULL,
	  NULL, NULL },
	{ "VLAN without uplink", "mode: nat\nuplink: eth9\nvlan: 5", -ENODEV, "bad-uplink",
	  "blue.uplink", "uplink eth9 does not exist on this host" },
	{ "VLAN of the loopback", "mode: nat\nuplink: lo\nvlan: 5", -EINVAL, "bad-uplink", "blue.uplink",
	  "uplink lo is the loopback device" },
	{ "VLAN on the air", "mode: nat\nuplink: wlan0\nvlan: 5", -EOPNOTSUPP, "bad-uplink",
	  "blue.uplink", "uplink wlan0 is wireless, and its access point takes frames of its own address "
	  "only; use mode: nat or routed instead" },
	{ "VLAN of a guest's port", "mode: nat\nuplink: vp0\nvlan: 5", -EINVAL, "bad-uplink",
	  "blue.uplink", "uplink vp0 is a device of ours; name the interface that it stands on, or a "
	  "bridge" },
	{ "VLAN of a VLAN-aware bridge", "mode: nat\nuplink: vn-trunk\nvlan: 5", -EINVAL, "bad-uplink",
	  "blue.uplink", "uplink vn-trunk is a VLAN-aware bridge, whose VLANs are for its ports; attach "
	  "guests there with vlan" },
	{ "VLAN that the aware bridge has", "mode: nat\nuplink: eth4\nvlan: 5", -EBUSY, "vlan-conflict",
	  "blue.vlan", "VLAN 5 of eth4 belongs to the VLAN-aware bridge br1, which eth4 is in; take it out "
	  "there, or choose another id" },
	{ "VLAN of a bond's NIC", "mode: nat\nuplink: eth5\nvlan: 5", -EBUSY, "bad-uplink",
	  "blue.uplink", "uplink eth5 belongs to bond0; name that as the uplink" },
	{ "VLAN that somebody has", "mode: nat\nuplink: eth0\nvlan: 7", -EEXIST, "vlan-conflict",
	  "blue.vlan", "VLAN 7 of eth0 is device eth0.7 already, which is not ours; remove that, or choose "
	  "another id" },
	{ "wireless taken over", "mode: bridged\nuplink: wlan0", -EOPNOTSUPP, "bad-uplink", "blue.uplink",
	  "uplink wlan0 is wireless, and its access point takes frames of its own address only; use mode: "
	  "nat or routed instead" },
	{ "macvtap", "mode: macvtap\nuplink: eth0", 0, NULL, NULL, NULL },
	{ "companion with the way to its guests",
	  "mode: macvtap\nuplink: eth0\nmacvtap: {companion: true}\naddresses: [192.0.2.10/32]\n"
	  "routes: [{to: 192.0.2.16/28}]", 0, NULL, NULL, NULL },
	{ "companion in the NIC's subnet",
	  "mode: macvtap\nuplink: eth0\nmacvtap: {companion: true}\naddresses: [192.0.2.10/24]",
	  -EADDRINUSE, "subnet-in-use", "blue.addresses[0]",
	  "192.0.2.10/24 is in the subnet of eth0, so answers to guests would leave by that; give the "
	  "companion 192.0.2.10/32, and routes to the guests' addresses" },
	{ "macvtap on the air", "mode: macvtap\nuplink: wlan0", -EOPNOTSUPP, "bad-uplink", "blue.uplink",
	  "uplink wlan0 is wireless, and its access point takes frames of its own address only; use mode: "
	  "nat or routed instead" },
	{ "macvtap without NIC", "mode: macvtap\nuplink: eth9", -ENODEV, "bad-uplink", "blue.uplink",
	  "uplink eth9 does not exist on this host" },
	{ "macvtap on a bridge port", "mode: macvtap\nuplink: eth2", -EBUSY, "bad-uplink", "blue.uplink",
	  "uplink eth2 belongs to br0 already, which takes all its frames" },
	{ "companion with the NIC's address",
	  "mode: macvtap\nuplink: eth0\nmacvtap: {companion: true}\naddresses: [192.0.2.2/24]",
	  -EADDRINUSE, "address-in-use", "blue.addresses[0]",
	  "192.0.2.2 is an address of eth0; the companion needs one of its own" },
	{ "functions", "mode: sriov\nuplink: pf0\nsriov: {vfs: 0-1}", 0, NULL, NULL, NULL },
	{ "no functions", "mode: sriov\nuplink: eth0", -ENODEV, "bad-uplink", "blue.uplink",
	  "uplink eth0 has no virtual functions; make some, as in: echo 8 > "
	  "/sys/class/net/eth0/device/sriov_numvfs" },
	{ "functions that are not there", "mode: sriov\nuplink: pf0\nsriov: {vfs: 0-2}", -ERANGE,
	  "no-such-vf", "blue.sriov.vfs",
	  "pf0 has 2 virtual functions, 0 to 1; name some of these" },
	{ "functions of no NIC", "mode: sriov\nuplink: pf9", -ENODEV, "bad-uplink", "blue.uplink",
	  "uplink pf9 does not exist on this host" },
#define LINK(more) "links: [{name: a, kind: gretap, local: 192.0.2.2, peers: [192.0.2.3]" more "}]"
	{ "link", "mode: isolated\nhost_access: false\n" LINK(""), 0, NULL, NULL, NULL },
	{ "link from an address of nobody",
	  "mode: isolated\nhost_access: false\nlinks: [{name: a, kind: gretap, local: 192.0.2.9, peers: "
	  "[192.0.2.3]}]", -EADDRNOTAVAIL, "no-local-address", "blue.links[0].local",
	  "192.0.2.9 is no address of this host; give one that the other hosts know it by" },
	{ "link over no device", "mode: isolated\nhost_access: false\n" LINK(", device: eth9"), -ENODEV,
	  "no-device", "blue.links[0].device", "device eth9 does not exist on this host" },
	{ "MTU that fits", "mode: isolated\nhost_access: false\nbridge: {mtu: 1462}\n" LINK(""), 0, NULL,
	  NULL, NULL },
	{ "MTU that does not", "mode: isolated\nhost_access: false\nbridge: {mtu: 1463}\n" LINK(""),
	  -EMSGSIZE, "mtu-too-large", "blue.bridge.mtu",
	  "link a can carry an MTU of 1462 over eth0; leave bridge.mtu out, or give no more, or let outer "
	  "packets be fragmented with pmtudisc: false" },
	{ "MTU that is fragmented",
	  "mode: isolated\nhost_access: false\nbridge: {mtu: 1500}\n" LINK(", pmtudisc: false"), 0, NULL,
	  NULL, NULL },
	{ "VXLAN bound to a device",
	  "mode: isolated\nhost_access: false\nbridge: {mtu: 1500}\nlinks: [{name: a, kind: vxlan, vni: 5, "
	  "local: 192.0.2.2, device: eth0, pmtudisc: false, peers: [192.0.2.3]}]",
	  -EMSGSIZE, "mtu-too-large", "blue.bridge.mtu",
	  "link a can carry an MTU of 1450 over eth0; leave bridge.mtu out, or give no more" },
	{ "too small for IPv6",
	  "mode: isolated\naddresses: ['fd00:7::1/64']\nlinks: [{name: a, kind: gretap, local: 192.0.2.2, "
	  "peers: [192.0.2.3, 203.0.113.9]}]", -EMSGSIZE, "mtu-too-small", "blue.links[0]",
	  "link a can carry an MTU of 1162 over small, and IPv6 needs 1280 (RFC 8200); raise the MTU of "
	  "small, or leave IPv6 addresses out" },
	{ "small, but IPv4",
	  "mode: isolated\nhost_access: false\nlinks: [{name: a, kind: gretap, local: 192.0.2.2, "
	  "peers: [203.0.113.9]}]", 0, NULL, NULL, NULL },
	{ "no route to the peer",
	  "mode: isolated\nhost_access: false\nbridge: {mtu: 1400}\nlinks: [{name: a, kind: gretap, "
	  "local: '2001:db8:1::2', peers: ['2001:db8:9::3']}]", 0, NULL, NULL, NULL },
};

static void indent(const char *definition, struct strbuf *ret)
{
	strbuf_append(ret, "networks:\n  blue:\n");
	while (*definition) {
		size_t n = strcspn(definition, "\n");

		strbuf_printf(ret, "    %.*s\n", (int)n, definition);
		definition += n + (definition[n] == '\n');
	}
}

static void read_network(const char *definition, network_vec *ret)
{
	AUTO_STRBUF struct strbuf yaml = { 0 };
	struct vnet_error err = { 0 };
	char buf[512];

	indent(definition, &yaml);
	if (networks_from_yaml(yaml.s, yaml.len, "blue.yaml", ret, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, buf, sizeof(buf)));
}

static void test_check_host(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };

	(void)state;
	assert_int_equal(snapshot_from_text(HOST, &snap, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_NETWORKS network_vec nets = { 0 };
		struct vnet_error err = { 0 };

		read_network(cases[i].definition, &nets);
		if (plan_check_host(nets.v[0], nets.v, nets.n, &snap, &err) != cases[i].number)
			fail_msg("%s: %d, %s", cases[i].name, err.number, err.message);
		if (!cases[i].number)
			continue;
		assert_string_equal(err.message, cases[i].message);
		assert_string_equal(err.code, cases[i].code);
		assert_string_equal(err.path, cases[i].path);
		assert_string_equal(err.file, "blue.yaml");
		assert_int_not_equal(err.line, 0);
		assert_int_equal(plan_check_host(nets.v[0], nets.v, nets.n, &snap, NULL), cases[i].number);
	}
}

/* What stands on a bridge that another network makes need not wait for that. */
static void test_check_chain(void **state)
{
	static const char yaml[] = "networks:\n"
				   "  blue: {mode: bridged, uplink: br7, vlan: 5}\n"
				   "  base: {mode: isolated, host_access: false, bridge: {name: br7}}\n"
				   "  tap: {mode: macvtap, uplink: br7}\n";
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(snapshot_from_text(HOST, &snap, NULL), 0);
	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), "x.yaml", &nets, &err), 0);
	for (size_t i = 0; i < nets.n; i++)
		assert_int_equal(plan_check_host(nets.v[i], nets.v, nets.n, &snap, &err), 0);
	assert_int_equal(plan_check_host(nets.v[0], NULL, 0, &snap, &err), -ENODEV);
	assert_string_equal(err.code, "bad-uplink");
}

static void test_host_without_ipv6(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(snapshot_from_text("link 1 lo up loopback addrgen off\n", &snap, NULL), 0);
	read_network("mode: nat\naddresses: [10.1.0.1/24, 'fd00::1/64']", &nets);
	assert_int_equal(plan_check_host(nets.v[0], nets.v, nets.n, &snap, &err), -EAFNOSUPPORT);
	assert_string_equal(err.code, "no-ipv6");
	assert_string_equal(err.path, "blue.addresses[1]");
}

/* The hot path. */

static struct port *read_port(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct vnet_error err = { 0 };
	struct port *port = NULL;

	assert_non_null(json);
	if (port_from_json(json, &port, &err) < 0)
		fail_msg("%s", err.message);
	json_decref(json);
	return port;
}

static void assert_ops(const op_vec *ops, const char *wanted)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	vec_each(op, ops) {
		AUTO_FREE char *words = op_to_text(op);

		assert_string_equal(op->network, "blue");
		strbuf_printf(&text, "%s%s\n", op->loses_traffic ? "! " : "", words);
	}
	assert_string_equal(text.s ? text.s : "", wanted);
}

#define VM "\"name\": \"vm1\", \"network\": \"blue\", \"ifname\": \"vp0\""

static void test_attach(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO(port_free) struct port *port = read_port("{" VM ", \"mac\": \"52:54:00:00:00:01\"}");
	AUTO_OPS op_vec ops = { 0 };

	(void)state;
	read_network("mode: nat\naddresses: [10.1.0.1/24]\nports: {mtu: 1400}", &nets);
	plan_port_attach(nets.v[0], port, &ops);
	assert_ops(&ops, "firewall: 3 elements added\n"
			 "guard the checksums of vp0\n"
			 "set vp0: join vn-blue, mac fe:54:00:00:00:01, mtu 1400, txqueuelen 1000, "
			 "group of ports, ipv6 link-local none, alias \"vnet:port:blue:vm1\", up\n");
}

static void test_attach_options(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO(port_free) struct port *port =
		read_port("{" VM ", \"learnMac\": true, \"isolated\": true, \"linkDown\": true, "
			  "\"mtu\": 9000, \"txqueuelen\": 10}");
	AUTO_OPS op_vec ops = { 0 };

	(void)state;
	read_network("mode: isolated\nbridge: {mtu: 9000, name: br7}", &nets);
	plan_port_attach(nets.v[0], port, &ops);
	assert_ops(&ops, "firewall: 2 elements added\n"
			 "guard the checksums of vp0\n"
			 "set vp0: join br7, mtu 9000, txqueuelen 10, group of ports, "
			 "ipv6 link-local none, alias \"vnet:port:blue:vm1\", isolated, down\n");
}

static void test_detach(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO(port_free) struct port *port = read_port("{" VM ", \"mac\": \"52:54:00:00:00:01\"}");
	AUTO(port_free) struct port *persistent = port_copy(port), *adopted = port_copy(port);
	AUTO_OPS op_vec gone = { 0 }, held = { 0 }, deleted = { 0 }, left = { 0 };

	(void)state;
	persistent->persistent = true;
	adopted->adopted = true;
	read_network("mode: nat\naddresses: [10.1.0.1/24]", &nets);
	plan_port_detach(nets.v[0], port, false, &gone);
	assert_ops(&gone, "firewall: 3 elements deleted\n");
	plan_port_detach(nets.v[0], port, true, &held);
	assert_ops(&held, "! set vp0: leave its bridge, group 0, alias \"\", down\n"
			  "firewall: 3 elements deleted\n");
	plan_port_detach(nets.v[0], persistent, true, &deleted);
	assert_ops(&deleted, "! set vp0: leave its bridge, down\n"
			     "firewall: 3 elements deleted\n"
			     "delete device vp0\n");
	plan_port_detach(nets.v[0], adopted, true, &left);
	assert_ops(&left, "! set vp0: leave its bridge, alias \"\", down\n"
			  "no longer guard the checksums of vp0\n"
			  "firewall: 4 elements deleted\n");
}

static void test_update(void **state)
{
	static const struct { const char *change, *ops; } updates[] = {
		{ "", "" },
		{ ", \"mtu\": 1400", "set vp0: mtu 1400\n" },
		{ ", \"txqueuelen\": 5", "! set vp0: txqueuelen 5\n" },
		{ ", \"linkDown\": true", "set vp0: down\n" },
		{ ", \"isolated\": true", "set vp0: isolated\n" },
		{ ", \"isolated\": false", "" },
		{ ", \"addresses\": [\"10.1.0.9\"]", "" },
		{ ", \"mac\": \"52:54:00:00:00:02\", \"mtu\": 1400, \"isolated\": true",
		  "firewall: 1 element added, 1 element deleted\n"
		  "set vp0: mac fe:54:00:00:00:02, mtu 1400, isolated\n" },
	};
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO(port_free) struct port *before = read_port("{" VM ", \"mac\": \"52:54:00:00:00:01\"}");

	(void)state;
	read_network("mode: nat\naddresses: [10.1.0.1/24]", &nets);
	for (size_t i = 0; i < ARRAY_SIZE(updates); i++) {
		AUTO_FREE char *text = mem_printf("{" VM "%s%s}", updates[i].change,
						  strstr(updates[i].change, "\"mac\"") ? "" :
						  ", \"mac\": \"52:54:00:00:00:01\"");
		AUTO(port_free) struct port *after = read_port(text);
		AUTO_OPS op_vec ops = { 0 };

		plan_port_update(nets.v[0], before, after, &ops);
		assert_ops(&ops, updates[i].ops);
	}
}

/* A port that learned its MAC: the guard changes, and the TAP's own address. */
static void test_learned(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO(port_free) struct port *before = read_port("{" VM ", \"learnMac\": true}");
	AUTO(port_free) struct port *after = port_copy(before);
	AUTO_OPS op_vec ops = { 0 };

	(void)state;
	after->has_mac = true;
	after->mac = (struct mac){ { 0x52, 0x54, 0, 0, 0, 7 } };
	read_network("mode: nat\naddresses: [10.1.0.1/24]", &nets);
	plan_port_update(nets.v[0], before, after, &ops);
	assert_ops(&ops, "firewall: 2 elements added, 1 element deleted\nset vp0: mac fe:54:00:00:00:07\n");
}

static void assert_attach(const char *definition, const char *port_text, const char *wanted)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO(port_free) struct port *port = read_port(port_text);
	AUTO_OPS op_vec ops = { 0 };

	read_network(definition, &nets);
	plan_port_attach(nets.v[0], port, &ops);
	assert_ops(&ops, wanted);
}

static void assert_detach(const char *definition, const char *port_text, bool device_exists,
			  const char *wanted)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO(port_free) struct port *port = read_port(port_text);
	AUTO_OPS op_vec ops = { 0 };

	read_network(definition, &nets);
	plan_port_detach(nets.v[0], port, device_exists, &ops);
	assert_ops(&ops, wanted);
}

#define MAC ", \"mac\": \"52:54:00:00:00:01\", \"mtu\": 1500"
#define NAT "mode: nat\naddresses: [10.1.0.1/24]"
#define AWARE NAT "\nbridge: {vlan_filtering: true, native: 5}"
#define WIRE "mode: macvtap\nuplink: eth0"
#define SRIOV "mode: sriov\nuplink: eth0\nvlan: 100"
#define JOIN "join vn-blue, mac fe:54:00:00:00:01, mtu 1500, txqueuelen 1000, group of ports, " \
	     "ipv6 link-local none, alias \"vnet:port:blue:vm1\""
#define OWN "mac 52:54:00:00:00:01, mtu 1500, txqueuelen 1000, ipv6 link-local none, " \
	    "alias \"vnet:port:blue:vm1\""

/* In the order that lets nothing pass before it may. */
static void test_attach_kinds(void **state)
{
	(void)state;
	assert_attach(NAT, "{" VM MAC ", \"kind\": \"veth\", \"netns\": \"/run/netns/a\"}",
		      "firewall: 3 elements added\nguard the checksums of vp0\nset vp0: " JOIN ", up\n");
	assert_attach(AWARE, "{" VM MAC ", \"vlan\": {\"native\": 7, \"tagged\": [10, \"20-30\"]}}",
		      "firewall: 5 elements added\n"
		      "guard the checksums of vp0\n"
		      "set vp0: " JOIN "\n"
		      "add VLAN 10 to vp0 (tagged)\nadd VLANs 20-30 to vp0 (tagged)\n"
		      "add VLAN 7 to vp0 (native, untagged)\n"
		      "set vp0: up\n");
	assert_attach(AWARE, "{" VM MAC ", \"linkDown\": true}",
		      "firewall: 4 elements added\nguard the checksums of vp0\nset vp0: " JOIN "\n"
		      "add VLAN 5 to vp0 (native, untagged)\nset vp0: down\n");
	assert_attach(WIRE, "{" VM MAC ", \"kind\": \"macvtap\"}",
		      "firewall: 1 chain added, 1 rule written, 1 element added\nguard the checksums of vp0\nset vp0: " OWN ", up\n");
	assert_attach(WIRE, "{" VM MAC ", \"kind\": \"macvlan\", \"netns\": \"/run/netns/a\"}", "");
	assert_attach(SRIOV, "{" VM MAC ", \"kind\": \"vf\", \"vf\": 3, \"bandwidth\": {\"out\": \"1gbit\"}}",
		      "set virtual function 3 of eth0: mac 52:54:00:00:00:01, vlan 100, spoofchk on, trust "
		      "off, at most 1000 Mbit/s, link auto\n");
	assert_attach(NAT "\nports: {flood: false}",
		      "{" VM MAC ", \"learning\": false, \"multicastFlood\": false, \"hairpin\": true, "
		      "\"proxyArp\": true, \"offloads\": {\"tso\": false, \"rx\": true}}",
		      "firewall: 3 elements added\noffloads of vp0: rx on, tso off\n"
		      "guard the checksums of vp0\n"
		      "set vp0: " JOIN ", no learning, no flood, no multicast flood, hairpin, proxy arp, up\n");
}

/* The network has its IFB from the start where it declares a limit; else the port brings it. */
static void test_attach_shaped(void **state)
{
#define SLOW MAC ", \"slot\": 9, \"bandwidth\": {\"in\": \"10mbit\"}"
	(void)state;
	assert_attach(NAT, "{" VM SLOW "}",
		      "firewall: 3 elements added\n"
		      "create ifb vi-blue (ipv6 link-local none)\n"
		      "limit of all on vi-blue: in unlimited, out unlimited\n"
		      "set vi-blue: up\n"
		      "shape vp0 by vi-blue: in 10mbit burst 15140, out unlimited, slot 9\n"
		      "guard the checksums of vp0\n"
		      "set vp0: " JOIN ", up\n");
	assert_attach(NAT "\nbandwidth: {out: 1gbit}", "{" VM SLOW "}",
		      "firewall: 3 elements added\n"
		      "shape vp0 by vi-blue: in 10mbit burst 15140, out 1gbit burst 625000, slot 9\n"
		      "guard the checksums of vp0\n"
		      "set vp0: " JOIN ", up\n");
	assert_attach(NAT "\nbandwidth: {out: 1gbit}", "{" VM MAC "}",
		      "firewall: 3 elements added\nguard the checksums of vp0\nset vp0: " JOIN ", up\n"); /* no slot, no classes */
	assert_attach(WIRE "\nbandwidth: {out: 1gbit}", "{" VM SLOW ", \"kind\": \"macvtap\"}",
		      "firewall: 1 chain added, 1 rule written, 1 element added\n"
		      "shape vp0 by vi-blue: in 1gbit burst 625000, out 10mbit burst 15140, slot 9\n"
		      "guard the checksums of vp0\n"
		      "set vp0: " OWN ", up\n");
}

static void test_detach_kinds(void **state)
{
	(void)state;
	assert_detach(NAT, "{" VM SLOW "}", true,
		      "! set vp0: leave its bridge, group 0, alias \"\", down\n"
		      "stop shaping vp0\nfirewall: 3 elements deleted\n");
	assert_detach(NAT, "{" VM SLOW "}", false, "stop shaping vp0\nfirewall: 3 elements deleted\n");
	assert_detach(NAT, "{" VM MAC ", \"kind\": \"veth\", \"netns\": \"/run/netns/a\"}", true,
		      "! set vp0: leave its bridge, down\nfirewall: 3 elements deleted\n"
		      "delete device vp0\n");
	assert_detach(WIRE, "{" VM MAC ", \"kind\": \"macvtap\"}", true,
		      "! set vp0: down\nfirewall: 1 chain deleted, 1 element deleted\ndelete device vp0\n");
	assert_detach(WIRE, "{" VM MAC ", \"kind\": \"macvtap\"}", false, "firewall: 1 chain deleted, 1 element deleted\n");
	assert_detach(WIRE, "{" VM MAC ", \"kind\": \"macvlan\", \"netns\": \"/run/netns/a\"}", true, "");
	assert_detach(SRIOV, "{" VM MAC ", \"kind\": \"vf\", \"vf\": 3}", true,
		      "set virtual function 3 of eth0: mac 00:00:00:00:00:00, no vlan, spoofchk on, trust "
		      "off, link auto\n");
}

static void test_update_kinds(void **state)
{
	static const struct { const char *definition, *port, *before, *after, *ops; } updates[] = {
		{ AWARE, "", "", "", "" },
		{ AWARE, "", ", \"vlan\": {\"native\": 7, \"tagged\": [10, \"20-30\"]}",
		  ", \"vlan\": {\"native\": 10, \"tagged\": [\"25-40\"]}",
		  "remove VLAN 7 from vp0\nremove VLANs 20-24 from vp0\n"
		  "add VLANs 31-40 to vp0 (tagged)\nadd VLAN 10 to vp0 (native, untagged)\n" },
		{ NAT, ", \"slot\": 9", "", ", \"bandwidth\": {\"in\": \"10mbit\"}",
		  "create ifb vi-blue (ipv6 link-local none)\n"
		  "limit of all on vi-blue: in unlimited, out unlimited\nset vi-blue: up\n"
		  "shape vp0 by vi-blue: in 10mbit burst 15140, out unlimited, slot 9\n" },
		{ NAT "\nbandwidth: {in: 1gbit}", ", \"slot\": 9", ", \"bandwidth\": {\"in\": \"10mbit\"}",
		  ", \"bandwidth\": {\"in\": \"20mbit\"}",
		  "shape vp0 by vi-blue: in 20mbit burst 15140, out unlimited, slot 9\n" },
		{ NAT, ", \"slot\": 9", ", \"bandwidth\": {\"in\": \"10mbit\"}", "", "stop shaping vp0\n" },
		{ NAT, ", \"slot\": 9", ", \"bandwidth\": {\"in\": \"10mbit\"}",
		  ", \"bandwidth\": {\"in\": \"10mbit\"}", "" },
		{ NAT, "", ", \"offloads\": {\"tso\": false, \"gro\": false}",
		  ", \"offloads\": {\"gro\": false, \"tx\": false}", "offloads of vp0: tx off, tso on\n" },
		{ NAT, "", ", \"flood\": false", ", \"hairpin\": true", "set vp0: flood, hairpin\n" },
		{ WIRE, ", \"kind\": \"macvtap\"", "", ", \"linkDown\": true", "set vp0: down\n" },
		/* Guarded for as long as a rule looks at its frames. */
		{ NAT, "", ", \"guard\": {\"policy\": \"off\"}", "",
		  "guard the checksums of vp0\nfirewall: 2 elements added, 1 element deleted\n" },
		{ NAT, "", "", ", \"guard\": {\"policy\": \"off\"}",
		  "firewall: 1 element added, 1 element deleted\nfirewall: 1 element deleted\n"
		  "no longer guard the checksums of vp0\n" },
		{ SRIOV, ", \"kind\": \"vf\", \"vf\": 3", "", ", \"linkDown\": true",
		  "set virtual function 3 of eth0: mac 52:54:00:00:00:01, vlan 100, spoofchk on, trust off, "
		  "link off\n" },
		{ SRIOV, ", \"kind\": \"vf\", \"vf\": 3", "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(updates); i++) {
		AUTO_FREE char *old = mem_printf("{" VM MAC "%s%s}", updates[i].port, updates[i].before);
		AUTO_FREE char *new = mem_printf("{" VM MAC "%s%s}", updates[i].port, updates[i].after);
		AUTO(port_free) struct port *before = read_port(old), *after = read_port(new);
		AUTO_NETWORKS network_vec nets = { 0 };
		AUTO_OPS op_vec ops = { 0 };

		read_network(updates[i].definition, &nets);
		plan_port_update(nets.v[0], before, after, &ops);
		assert_ops(&ops, updates[i].ops);
	}
}

/* Guests of a bridge of ours stay on it until all devices go at once: the rules hold them. */
static void test_detach_many(void **state)
{
	AUTO_NETWORKS network_vec ours = { 0 }, foreign = { 0 }, wire = { 0 }, sriov = { 0 };
	AUTO(port_free) struct port *tap = read_port("{" VM MAC "}"), *adopted = port_copy(tap);
	AUTO(port_free) struct port *macvtap = read_port("{" VM MAC ", \"kind\": \"macvtap\"}");
	AUTO(port_free) struct port *vf = read_port("{" VM MAC ", \"kind\": \"vf\", \"vf\": 3}");
	AUTO_OPS op_vec ops = { 0 }, none = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	read_network(NAT, &ours);
	read_network("mode: bridged\nbridge: {name: br0}", &foreign);
	read_network(WIRE, &wire);
	read_network(SRIOV, &sriov);
	strcpy(adopted->ifname, "tap1");
	adopted->adopted = true;
	const struct plan_detach all[] = { { ours.v[0], tap, true }, { ours.v[0], adopted, true },
					   { foreign.v[0], tap, true }, { wire.v[0], macvtap, true },
					   { sriov.v[0], vf, false }, { ours.v[0], tap, false } };

	plan_ports_detach(all, ARRAY_SIZE(all), &ops);
	vec_each(op, &ops) {
		AUTO_FREE char *words = op_to_text(op);

		strbuf_printf(&text, "%s%s\n", op->loses_traffic ? "! " : "", words);
	}
	assert_string_equal(text.s, "! set vp0: marked for deletion\n"
				    "! set tap1: leave its bridge, alias \"\", down\n"
				    "no longer guard the checksums of tap1\n"
				    "! set vp0: leave its bridge, marked for deletion, down\n"
				    "! set vp0: marked for deletion, down\n"
				    "set virtual function 3 of eth0: mac 00:00:00:00:00:00, no vlan, spoofchk "
				    "on, trust off, link auto\n"
				    "firewall: 1 chain deleted, 14 elements deleted\n"
				    "delete the marked devices\n");
	plan_ports_detach(&all[4], 1, &none);
	assert_int_equal(none.n, 1);
}

/* The hot path and a full plan come to the same end: the second finds nothing to do. */
static void test_hot_path_is_complete(void **state)
{
	static const struct { const char *definition, *device, *port; } attached[] = {
#define ISOLATED "mode: isolated\naddresses: [10.1.0.1/24]"
#define TAP "link 9 vp0 kind tun lower_up\n"
		{ ISOLATED, TAP, "{" VM ", \"mac\": \"52:54:00:00:00:01\"}" },
		{ ISOLATED, TAP, "{" VM ", \"learnMac\": true, \"isolated\": true, \"mtu\": 1300}" },
		{ ISOLATED, TAP, "{" VM ", \"mac\": \"fe:54:00:00:00:01\", \"linkDown\": true, "
		  "\"txqueuelen\": 7}" },
		{ ISOLATED "\nbridge: {vlan_filtering: true}", TAP, "{" VM MAC "}" },
		{ ISOLATED "\nbridge: {vlan_filtering: true}", TAP,
		  "{" VM MAC ", \"vlan\": {\"native\": 7, \"tagged\": [10, \"20-30\"]}}" },
		{ ISOLATED, TAP, "{" VM SLOW ", \"offloads\": {\"tso\": false}, \"flood\": false}" },
		{ ISOLATED "\nbandwidth: {in: 1gbit}", TAP, "{" VM SLOW "}" },
		/* Without its uplink, too, a network holds its guests to their VLAN. */
		{ "mode: bridged\nuplink: eth9\nvlan: 5", TAP, "{" VM MAC "}" },
		{ ISOLATED, "link 9 vp0 kind veth lower_up\n",
		  "{" VM MAC ", \"kind\": \"veth\", \"netns\": \"/run/netns/a\"}" },
		{ WIRE, "link 2 eth0 up\nlink 9 vp0 kind macvtap parent eth0 lower_up\n",
		  "{" VM SLOW ", \"kind\": \"macvtap\"}" },
		{ SRIOV, "link 2 eth0 up\nvf 3 dev eth0\n", "{" VM MAC ", \"kind\": \"vf\", \"vf\": 3}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(attached); i++) {
		AUTO_NETWORKS network_vec nets = { 0 };
		AUTO(port_free) struct port *port = read_port(attached[i].port);
		AUTO_FREE char *host = mem_printf("link 1 lo up loopback\n%s", attached[i].device);
		AUTO_SNAPSHOT struct snapshot snap = { 0 };
		AUTO_PLAN struct plan start = { 0 }, again = { 0 };
		AUTO_OPS op_vec attach = { 0 };
		struct vnet_error err = { 0 };
		struct desired d = { 0 };

		read_network(attached[i].definition, &nets);
		vec_push(&d.networks, nets.v[0]);
		assert_int_equal(snapshot_from_text(host, &snap, NULL), 0);
		assert_int_equal(plan_make(&d, &snap, &start, NULL), 0);
		vec_each(op, &start.ops)
			assert_int_equal(op_apply(op, &snap, NULL), 0);
		plan_port_attach(nets.v[0], port, &attach);
		vec_each(op, &attach)
			if (op_apply(op, &snap, &err) < 0)
				fail_msg("%s: %s", attached[i].port, err.message);
		vec_push(&d.ports, port);
		assert_int_equal(plan_make(&d, &snap, &again, NULL), 0);
		if (again.ops.n) {
			AUTO_FREE char *words = op_to_text(again.ops.v);

			fail_msg("%s: %s", attached[i].port, words);
		}
		desired_free(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_host),
		cmocka_unit_test(test_check_chain),
		cmocka_unit_test(test_host_without_ipv6),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_attach_options),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_learned),
		cmocka_unit_test(test_attach_kinds),
		cmocka_unit_test(test_attach_shaped),
		cmocka_unit_test(test_detach_kinds),
		cmocka_unit_test(test_update_kinds),
		cmocka_unit_test(test_detach_many),
		cmocka_unit_test(test_hot_path_is_complete),
	};

	return cmocka_run_group_tests_name("plan_host", tests, NULL, NULL);
}
