/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_check.c - ports beside ports, subnets from a pool, and the cost of many.
 *
 * What one definition or several must hold is in tests/golden/model, see
 * test_network.c.
 */

#include "base/strbuf.h"
#include "model/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>

static void read_networks(const char *yaml, network_vec *ret)
{
	struct vnet_error err = { 0 };
	char buf[1024];

	if (networks_from_yaml(yaml, strlen(yaml), "t.yaml", ret, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, buf, sizeof(buf)));
}

static struct port *make_port(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct port *port = NULL;
	struct vnet_error err = { 0 };

	assert_non_null(json);
	if (port_from_request(json, &port, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	json_decref(json);
	return port;
}

/* --- ports --- */

static const char lan[] = "networks:\n"
			  "  blue:\n"
			  "    mode: nat\n"
			  "    bridge: {mac: 52:54:00:00:00:99}\n"
			  "    addresses: [10.0.0.1/24, 'fd00::1/64']\n"
			  "    dhcp6: true\n"
			  "    dhcp: {hosts: [{mac: 52:54:00:00:00:07, address: 10.0.0.7}, {name: "
			  "db, address: 10.0.0.8}]}\n"
			  "  red: {mode: isolated}\n";

static void test_port(void **state)
{
	static const struct {
		const char *request;
		int r;
		const char *code, *path;
	} cases[] = {
		{ "{\"network\": \"blue\", \"name\": \"a\"}", 0, "", "" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"10.0.0.6\", "
		  "\"fd00::6\"]}",
		  0, "", "" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"mac\": \"52:54:00:00:00:07\", "
		  "\"addresses\": [\"10.0.0.7\"]}",
		  0, "", "" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"10.0.0.7\"]}",
		  -EEXIST, "address-conflict", "addresses[0]" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"10.0.0.8\"]}",
		  -EEXIST, "address-conflict", "addresses[0]" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"10.0.0.1\"]}",
		  -EEXIST, "address-conflict", "addresses[0]" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"10.0.0.6\", "
		  "\"10.0.1.6\"]}",
		  -EINVAL, "outside-subnet", "addresses[1]" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"10.0.0.255\"]}",
		  -EINVAL, "outside-subnet", "addresses[0]" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"10.0.0.6\", "
		  "\"10.0.0.6\"]}",
		  -EINVAL, "duplicate", "addresses[1]" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"224.0.0.1\"]}",
		  -EINVAL, "bad-address", "addresses[0]" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"addresses\": [\"10.0.0.20\"]}",
		  -EEXIST, "address-conflict", "addresses[0]" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"mac\": \"52:54:00:00:00:20\"}",
		  -EEXIST, "mac-conflict", "mac" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"mac\": \"52:54:00:00:00:30\"}", 0, "",
		  "" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"mac\": \"52:54:00:00:00:99\"}",
		  -EEXIST, "mac-conflict", "mac" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"mac\": \"fe:54:00:00:00:01\"}",
		  -EINVAL, "bad-mac", "mac" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"mtu\": 1501}", -EINVAL,
		  "mtu-too-large", "mtu" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"mtu\": 1279}", -EINVAL,
		  "mtu-too-small", "mtu" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"mtu\": 1280}", 0, "", "" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"ifname\": \"vn-blue\"}", -EINVAL,
		  "bad-interface-name", "ifname" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"ifname\": \"vn-other\"}", -EINVAL,
		  "bad-interface-name", "ifname" },
		{ "{\"network\": \"blue\", \"name\": \"a\", \"ifname\": \"vp9\"}", -EEXIST,
		  "interface-conflict", "ifname" },
		/* its older self */
		{ "{\"network\": \"blue\", \"name\": \"b\", \"ifname\": \"vp8\", \"mac\": "
		  "\"52:54:00:00:00:20\", \"addresses\": [\"10.0.0.20\"]}",
		  0, "", "" },
	};
	AUTO_NETWORKS network_vec nets = { 0 };
	struct port *others[] = {
		make_port("{\"network\": \"blue\", \"name\": \"b\", \"ifname\": \"vp8\", \"mac\": "
			  "\"52:54:00:00:00:20\", \"addresses\": [\"10.0.0.20\"]}"),
		make_port("{\"network\": \"red\", \"name\": \"c\", \"ifname\": \"vp9\", \"mac\": "
			  "\"52:54:00:00:00:30\", \"addresses\": [\"10.0.0.6\"]}"),
	};

	(void)state;
	read_networks(lan, &nets);
	assert_int_equal(network_check(nets.v[0], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(port_free) struct port *port = make_port(cases[i].request);
		struct vnet_error err = { 0 };
		int r = port_check(port, nets.v[0], others, ARRAY_SIZE(others), &err);

		if (r != cases[i].r || strcmp(err.code, cases[i].code) != 0 ||
		    strcmp(err.path, cases[i].path) != 0)
			fail_msg("%s: got %d [%s] at \"%s\": %s", cases[i].request, r, err.code,
				 err.path, err.message);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		port_free(others[i]);
}

/* On a bridge that is not ours its owner's MTU counts, which we do not know. */
static void test_port_on_foreign_bridge(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO(port_free)
	struct port *port = make_port("{\"network\": \"lan\", \"name\": \"a\", \"mtu\": 9000, "
				      "\"addresses\": [\"192.0.2.7\"]}");
	struct vnet_error err = { 0 };

	(void)state;
	read_networks("networks: {lan: {mode: bridged, bridge: {name: br0}}}", &nets);
	assert_int_equal(port_check(port, nets.v[0], NULL, 0, &err), 0);
}

/* Each kind on each mode, and what only some kinds can have. */
static const char wires[] =
	"networks:\n"
	"  lan: {mode: nat, addresses: [10.0.0.1/24, 'fd00::1/64'], bandwidth: {in: 10mbit, out: 10mbit}}\n"
	"  aware: {mode: isolated, bridge: {vlan_filtering: true, native: 0}}\n"
	"  foreign: {mode: bridged, bridge: {name: br0}}\n"
	"  wire: {mode: macvtap, uplink: eth0, macvtap: {companion: true}, addresses: [192.0.2.1/24]}\n"
	"  alone: {mode: macvtap, uplink: eth1, macvtap: passthru}\n"
	"  card: {mode: sriov, uplink: eth2, sriov: {vfs: 0-3}}\n"
	"  whole: {mode: sriov, uplink: eth3}\n"
	"  strict: {mode: isolated, addresses: [10.3.0.1/24], ports: {guard: {policy: strict, allow: [llc]}}}\n"
	"  held: {mode: macvtap, uplink: eth4, ports: {guard: strict}}\n";

#define NETNS "\"netns\": \"/run/netns/web\""
static const struct wire_case {
	const char *network, *request; /* the rest of it */
	int r;
	const char *code, *path;
} wire_cases[] = {
	{ "lan", "", 0, "", "" },
	{ "lan", "\"kind\": \"tap\"", 0, "", "" },
	{ "lan", "\"kind\": \"veth\", " NETNS, 0, "", "" },
	{ "foreign", "\"kind\": \"veth\", " NETNS, 0, "", "" },
	{ "wire", "", 0, "", "" },
	{ "wire", "\"queues\": 4, \"vhost\": \"on\", \"persistent\": true", 0, "", "" },
	{ "wire", "\"kind\": \"macvlan\", " NETNS, 0, "", "" },
	{ "card", "", 0, "", "" },
	{ "card", "\"kind\": \"vf\", \"vf\": 3, \"persistent\": true", 0, "", "" },
	{ "whole", "\"vf\": 200", 0, "", "" },
	{ "lan", "\"kind\": \"macvtap\"", -EINVAL, "kind-conflict", "kind" },
	{ "lan", "\"kind\": \"macvlan\", " NETNS, -EINVAL, "kind-conflict", "kind" },
	{ "lan", "\"kind\": \"vf\"", -EINVAL, "kind-conflict", "kind" },
	{ "wire", "\"kind\": \"tap\"", -EINVAL, "kind-conflict", "kind" },
	{ "wire", "\"kind\": \"veth\", " NETNS, -EINVAL, "kind-conflict", "kind" },
	{ "card", "\"kind\": \"tap\"", -EINVAL, "kind-conflict", "kind" },
	/* namespaces */
	{ "lan", NETNS, -EINVAL, "kind-conflict", "netns" },
	{ "lan", "\"inside\": {\"ifname\": \"x\"}", -EINVAL, "kind-conflict", "inside" },
	{ "lan", "\"kind\": \"veth\"", -EINVAL, "missing-key", "netns" },
	{ "wire", "\"kind\": \"macvlan\"", -EINVAL, "missing-key", "netns" },
	{ "wire", NETNS, -EINVAL, "kind-conflict", "netns" },
	{ "lan", "\"kind\": \"veth\", \"persistent\": true, " NETNS, -EINVAL, "kind-conflict",
	  "persistent" },
	{ "lan", "\"kind\": \"veth\", \"queues\": 2, " NETNS, -EINVAL, "kind-conflict", "queues" },
	{ "lan", "\"kind\": \"veth\", \"vhost\": \"on\", " NETNS, -EINVAL, "kind-conflict", "vhost" },
	{ "lan", "\"kind\": \"veth\", \"learnMac\": true, " NETNS, -EINVAL, "kind-conflict",
	  "learnMac" },
	{ "lan", "\"kind\": \"veth\", \"adopt\": true, \"ifname\": \"x\", " NETNS, -EINVAL,
	  "kind-conflict", "adopt" },
	{ "lan",
	  "\"kind\": \"veth\", \"inside\": {\"addresses\": [\"10.0.0.5/24\", \"fd00::5/64\"], "
	  "\"routes\": [{\"to\": \"default\", \"via\": \"10.0.0.1\"}, {\"to\": \"default\", \"via\": "
	  "\"fe80::1\"}, {\"to\": \"10.9.0.0/16\"}, {\"to\": \"10.8.0.0/16\", \"via\": "
	  "\"10.9.0.1\"}]}, " NETNS,
	  0, "", "" },
	{ "lan", "\"kind\": \"veth\", \"inside\": {\"addresses\": [\"10.0.0.0/24\"]}, " NETNS,
	  -EINVAL, "bad-address", "inside.addresses[0]" },
	{ "lan", "\"kind\": \"veth\", \"inside\": {\"addresses\": [\"127.0.0.5/8\"]}, " NETNS,
	  -EINVAL, "bad-address", "inside.addresses[0]" },
	{ "lan", "\"kind\": \"veth\", \"inside\": {\"addresses\": [\"10.0.0.1/24\"]}, " NETNS,
	  -EEXIST, "address-conflict", "inside.addresses[0]" },
	{ "lan",
	  "\"kind\": \"veth\", \"inside\": {\"addresses\": [\"10.0.0.5/24\", \"10.0.0.5/32\"]}, " NETNS,
	  -EINVAL, "duplicate", "inside.addresses[1]" },
	{ "lan",
	  "\"kind\": \"veth\", \"inside\": {\"addresses\": [\"10.0.0.5/24\"], \"routes\": [{\"to\": "
	  "\"default\", \"via\": \"10.0.1.1\"}]}, " NETNS,
	  -EINVAL, "outside-subnet", "inside.routes[0].via" },
	{ "lan",
	  "\"kind\": \"veth\", \"inside\": {\"addresses\": [\"10.0.0.5/24\"], \"routes\": [{\"to\": "
	  "\"default\", \"via\": \"10.0.0.1\"}, {\"to\": \"0.0.0.0/0\", \"via\": \"10.0.0.2\"}]}, " NETNS,
	  -EINVAL, "duplicate", "inside.routes[1]" },
	/* no bridge */
	{ "wire", "\"isolated\": true", -EINVAL, "kind-conflict", "isolated" },
	{ "wire", "\"isolated\": false", 0, "", "" },
	{ "wire", "\"vlan\": 10", -EINVAL, "kind-conflict", "vlan" },
	{ "wire", "\"hairpin\": true", -EINVAL, "kind-conflict", "learning" },
	{ "wire", "\"learning\": true", 0, "", "" },
	{ "wire", "\"learnMac\": true", -EINVAL, "kind-conflict", "learnMac" },
	{ "wire", "\"offloads\": {\"tso\": false}", 0, "", "" },
	{ "wire", "\"kind\": \"macvlan\", \"linkDown\": true, " NETNS, -EINVAL, "kind-conflict",
	  "linkDown" },
	{ "wire", "\"kind\": \"macvlan\", \"bandwidth\": {\"out\": 10000}, " NETNS, -EINVAL,
	  "kind-conflict", "bandwidth.out" },
	{ "card", "\"offloads\": {\"tso\": false}", -EINVAL, "kind-conflict", "offloads" },
	{ "card", "\"queues\": 2", -EINVAL, "kind-conflict", "queues" },
	{ "card", "\"bandwidth\": {\"in\": \"1gbit\"}", -EINVAL, "kind-conflict", "bandwidth.in" },
	{ "card", "\"bandwidth\": {\"out\": {\"rate\": \"1gbit\", \"guaranteed\": \"1mbit\"}}", 0,
	  "", "" },
	{ "card", "\"bandwidth\": {\"out\": \"1500kbit\"}", -EINVAL, "bad-value", "bandwidth.out" },
	{ "card", "\"bandwidth\": {\"out\": {\"rate\": \"1mbit\", \"burst\": 5000}}", -EINVAL,
	  "bad-value", "bandwidth.out" },
	/* functions */
	{ "lan", "\"vf\": 0", -EINVAL, "kind-conflict", "vf" },
	{ "card", "\"vf\": 4", -EINVAL, "out-of-range", "vf" },
	{ "card", "\"vf\": 1", -EEXIST, "interface-conflict", "vf" },
	{ "whole", "\"vf\": 1", 0, "", "" },
	/* one port has the NIC alone */
	{ "alone", "", -EDQUOT, "too-many", "network" },
	/* VLANs */
	{ "aware", "\"vlan\": 10", 0, "", "" },
	{ "aware", "\"vlan\": {\"tagged\": [10]}", 0, "", "" },
	{ "aware", "", -EINVAL, "missing-key", "vlan" },
	{ "lan", "\"vlan\": 10", -EINVAL, "vlan-conflict", "vlan" },
	{ "foreign", "\"vlan\": 10", -EINVAL, "vlan-conflict", "vlan" },
	/* limits: another port has 4 of the 10 Mbit/s */
	{ "lan", "\"bandwidth\": {\"in\": {\"guaranteed\": \"6mbit\"}}", 0, "", "" },
	{ "lan", "\"bandwidth\": {\"in\": {\"guaranteed\": 6001000}}", -EDQUOT, "bad-guarantee",
	  "bandwidth.in" },
	{ "lan", "\"bandwidth\": {\"out\": {\"guaranteed\": \"10mbit\"}}", 0, "", "" },
	{ "aware", "\"vlan\": 10, \"bandwidth\": {\"out\": {\"guaranteed\": \"1mbit\"}}", -EINVAL,
	  "bad-guarantee", "bandwidth.out" },
	{ "foreign", "\"bandwidth\": {\"out\": \"1mbit\"}", 0, "", "" },
	/* what it is held to */
	{ "lan", "\"guard\": \"strict\"", 0, "", "" },
	{ "lan", "\"guard\": {\"policy\": \"strict\", \"addresses\": [\"10.0.0.0/30\"]}", -EINVAL,
	  "address-conflict", "guard.addresses[0]" },
	{ "lan", "\"guard\": {\"policy\": \"strict\", \"addresses\": [\"10.0.0.64/26\", \"fd00::1\"]}",
	  -EINVAL, "address-conflict", "guard.addresses[1]" },
	{ "lan", "\"guard\": {\"policy\": \"strict\", \"addresses\": [\"10.0.0.255\"]}", -EINVAL,
	  "bad-address", "guard.addresses[0]" },
	{ "lan", "\"guard\": {\"allow\": [\"router\"]}", -EINVAL, "guard-conflict", "guard.allow" },
	{ "lan", "\"guard\": {\"policy\": \"off\", \"storm\": {\"broadcast\": 5}}", -EINVAL,
	  "guard-conflict", "guard.storm" },
	{ "lan", "\"guard\": {\"storm\": {\"broadcast\": 5}}", 0, "", "" },
	{ "strict", "\"guard\": {\"allow\": [\"router\"], \"ethertypes\": [\"lldp\"]}", 0, "", "" },
	{ "strict", "\"guard\": \"mac\"", 0, "", "" },
	{ "strict", "\"guard\": {\"policy\": \"mac\", \"ethertypes\": [\"lldp\"]}", -EINVAL,
	  "guard-conflict", "guard.ethertypes" },
	{ "strict", "\"guard\": {\"macs\": [\"fe:00:5e:00:01:33\"]}", -EINVAL, "bad-mac",
	  "guard.macs[0]" },
	{ "wire", "\"guard\": {\"storm\": {\"multicast\": 5}}", -EINVAL, "guard-conflict",
	  "guard.storm" },
	{ "wire", "\"guard\": {\"policy\": \"strict\", \"addresses\": [\"192.0.2.0/24\"]}", -EINVAL,
	  "address-conflict", "guard.addresses[0]" },
	{ "held", "", 0, "", "" },
	{ "held", "\"kind\": \"macvlan\", " NETNS, -EINVAL, "kind-conflict", "guard" },
	{ "held", "\"kind\": \"macvlan\", \"guard\": \"off\", " NETNS, 0, "", "" },
	{ "wire", "\"kind\": \"macvlan\", \"guard\": \"strict\", " NETNS, -EINVAL, "kind-conflict",
	  "guard" },
	{ "card", "\"guard\": \"mac\"", -EINVAL, "kind-conflict", "guard" },
	{ "card", "\"guard\": \"default\"", 0, "", "" },
	/* a router's MAC is shared, a port's own is not */
	{ "strict", "\"guard\": {\"macs\": [\"00:00:5e:00:01:33\"]}", 0, "", "" },
	{ "strict", "\"guard\": {\"macs\": [\"00:00:5e:00:01:33\", \"52:54:00:00:00:0e\"]}", -EEXIST,
	  "mac-conflict", "guard.macs[1]" },
	{ "strict", "\"mac\": \"00:00:5e:00:01:33\"", -EEXIST, "mac-conflict", "mac" },
	{ "lan", "\"guard\": {\"macs\": [\"52:54:00:00:00:0e\"]}", 0, "", "" },
	/* names of devices that netd makes */
	{ "lan", "\"ifname\": \"vl-x\"", -EINVAL, "bad-interface-name", "ifname" },
	{ "lan", "\"ifname\": \"vi-x\"", -EINVAL, "bad-interface-name", "ifname" },
	{ "lan", "\"ifname\": \"vg01234567\"", -EINVAL, "bad-interface-name", "ifname" },
	{ "lan", "\"ifname\": \"vg012345678\"", 0, "", "" },
	{ "lan", "\"ifname\": \"vgateway\"", 0, "", "" },
	{ "wire", "\"ifname\": \"vc-wire\"", -EINVAL, "bad-interface-name", "ifname" },
	{ "wire", "\"ifname\": \"eth0\"", -EINVAL, "bad-interface-name", "ifname" },
};

static const char *const wire_others[] = {
	"{\"network\": \"lan\", \"name\": \"b\", \"bandwidth\": {\"in\": {\"guaranteed\": 4000000}}}",
	"{\"network\": \"alone\", \"name\": \"c\"}",
	"{\"network\": \"card\", \"name\": \"d\", \"vf\": 1}",
	("{\"network\": \"strict\", \"name\": \"e\", \"mac\": \"52:54:00:00:00:0e\","
	 " \"guard\": {\"macs\": [\"00:00:5e:00:01:33\"]}}"),
};

static struct network *find_network(const network_vec *nets, const char *name)
{
	vec_each(net, nets)
		if (strcmp((*net)->name, name) == 0)
			return *net;
	fail_msg("no network %s", name);
	return NULL;
}

static void run_wire_case(const struct wire_case *c, const network_vec *nets, struct port **others)
{
	AUTO_FREE char *request = mem_printf("{\"network\": \"%s\", \"name\": \"a\"%s%s}", c->network,
					     *c->request ? ", " : "", c->request);
	AUTO(port_free) struct port *port = make_port(request);
	struct network *net = find_network(nets, c->network);
	struct vnet_error err = { 0 };
	int r;

	port_complete(port, net);
	r = port_check(port, net, others, ARRAY_SIZE(wire_others), &err);
	if (r != c->r || strcmp(err.code, c->code) != 0 || strcmp(err.path, c->path) != 0)
		fail_msg("%s: got %d [%s] at \"%s\": %s", request, r, err.code, err.path, err.message);
}

static void test_port_kinds(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	struct port *others[ARRAY_SIZE(wire_others)];

	(void)state;
	read_networks(wires, &nets);
	vec_each(net, &nets)
		assert_int_equal(network_check(*net, NULL), 0);
	assert_int_equal(networks_check(nets.v, nets.n, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		others[i] = make_port(wire_others[i]);
		port_complete(others[i], find_network(&nets, others[i]->network));
		/* each fits beside the others: its own older self does not count */
		assert_int_equal(port_check(others[i], find_network(&nets, others[i]->network), others,
					    i + 1, NULL),
				 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wire_cases); i++)
		run_wire_case(&wire_cases[i], &nets, others);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		port_free(others[i]);
}

/* --- subnet: auto --- */

struct choice {
	const char *pool;
	unsigned len;
	const char *taken;  /* separated by blanks */
	const char *wanted; /* NULL: none is free */
};

static void assert_choice(const struct choice *c)
{
	struct prefix pool, got = { 0 };
	VEC(struct prefix) taken = { 0 };
	AUTO_FREE char *copy = mem_strdup(c->taken);
	struct vnet_error err = { 0 };
	char text[ADDR_TEXT_MAX];
	int r;

	assert_int_equal(prefix_parse(c->pool, &pool), 0);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		assert_int_equal(prefix_parse(word, vec_add(&taken)), 0);
	r = subnet_choose(&pool, c->len, taken.v, taken.n, &got, &err);
	if (r == 0)
		prefix_format(&got, text);
	if (!c->wanted ? r != -EADDRNOTAVAIL : (r != 0 || strcmp(text, c->wanted) != 0))
		fail_msg("%s /%u without %s: got %d %s", c->pool, c->len, c->taken, r,
			 r ? err.message : text);
	vec_free(&taken);
}

static void test_subnet_choose(void **state)
{
	static const struct choice cases[] = {
		{ "10.80.0.0/16", 24, "", "10.80.0.1/24" },
		{ "10.80.7.9/16", 24, "", "10.80.0.1/24" },
		{ "10.80.0.0/16", 24, "10.80.0.0/24", "10.80.1.1/24" },
		{ "10.80.0.0/16", 24, "10.80.1.0/24 10.80.0.5/32", "10.80.2.1/24" },
		{ "10.80.0.0/16", 24, "10.80.1.0/24", "10.80.0.1/24" },
		{ "10.80.0.0/16", 24, "10.80.0.0/23 10.80.3.0/24", "10.80.2.1/24" },
		{ "10.80.0.0/16", 24, "10.80.0.0/17", "10.80.128.1/24" },
		{ "10.80.0.0/16", 24, "10.80.128.0/17 10.80.0.0/17", NULL },
		{ "10.80.0.0/16", 24, "10.0.0.0/8", NULL },
		{ "10.80.0.0/16", 24, "0.0.0.0/0", "10.80.0.1/24" },
		{ "10.80.0.0/16", 24, "0.0.0.0/1 128.0.0.0/1", "10.80.0.1/24" },
		{ "10.80.0.0/16", 24, "10.79.255.0/24 10.81.0.0/24 fd00::/8", "10.80.0.1/24" },
		{ "10.80.0.0/24", 24, "10.80.0.200/32", NULL },
		{ "10.80.0.0/24", 26, "10.80.0.1/32 10.80.0.64/26 10.80.0.130/32",
		  "10.80.0.193/26" },
		{ "10.80.0.0/24", 30, "10.80.0.0/25 10.80.0.128/26 10.80.0.192/27",
		  "10.80.0.225/30" },
		{ "255.255.255.0/24", 26, "255.255.255.0/25 255.255.255.128/26 255.255.255.255/32",
		  NULL },
		{ "fd00:80::/48", 64, "", "fd00:80::1/64" },
		{ "fd00:80::/48", 64, "fd00:80::/64 fd00:80:0:1::/64 10.0.0.0/8",
		  "fd00:80:0:2::1/64" },
		{ "fd00:80::/48", 64, "fd00:80::/49", "fd00:80:0:8000::1/64" },
		{ "ffff:ffff:ffff:ffff::/64", 64, "ffff:ffff:ffff:ffff::1/128", NULL },
	};
	struct prefix pool, got;
	struct vnet_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_choice(&cases[i]);
	prefix_parse("10.80.0.0/16", &pool);
	assert_int_equal(subnet_choose(&pool, 15, NULL, 0, &got, &err), -EINVAL);
	assert_int_equal(subnet_choose(&pool, 31, NULL, 0, &got, NULL), -EINVAL);
	assert_string_equal(err.code, "bad-prefix-length");
}

/* What is chosen overlaps nothing, and nothing before it was free: held against a plain search. */
static void test_subnet_choose_random(void **state)
{
	struct prefix pool;
	unsigned seed = 1;

	(void)state;
	prefix_parse("10.0.0.0/20", &pool);
	for (unsigned round = 0; round < 2000; round++) {
		VEC(struct prefix) taken = { 0 };
		struct prefix got, wanted = { .addr = pool.addr, .len = 25 };
		bool is_free = false;
		int r;

		for (unsigned i = rand_r(&seed) % 24; i > 0; i--) {
			struct prefix *p = vec_add(&taken);

			p->addr = ip_add(&pool.addr, (unsigned)rand_r(&seed) % 4096);
			p->len = (uint8_t)(22 + rand_r(&seed) % 11);
		}
		for (unsigned k = 0; k < 32 && !is_free; k++) {
			wanted.addr = ip_add(&pool.addr, k * 128);
			is_free = true;
			vec_each(p, &taken)
				is_free = is_free && !prefix_overlaps(p, &wanted);
		}
		r = subnet_choose(&pool, 25, taken.v, taken.n, &got, NULL);
		assert_int_equal(r, is_free ? 0 : -EADDRNOTAVAIL);
		wanted.addr = ip_add(&wanted.addr, 1);
		if (is_free)
			assert_int_equal(prefix_cmp(&got, &wanted), 0);
		vec_free(&taken);
	}
}

/* --- many --- */

/* The most of everything is checked in a moment: no check is quadratic in what has no small limit.
 */
static void test_many(void **state)
{
	AUTO_STRBUF struct strbuf yaml = { 0 };
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	(void)state;
	strbuf_append(&yaml, "networks:\n");
	for (unsigned i = 1; i < NETWORKS_MAX; i++)
		strbuf_printf(
			&yaml,
			"  n%u: {mode: nat, addresses: [10.%u.%u.1/24], routes: [{to: "
			"11.%u.%u.0/24}], "
			"forwards: [tcp %u-%u -> 10.%u.%u.2, tcp 192.0.2.1:%u -> 10.%u.%u.2]}\n",
			i, i / 256, i % 256, i / 256, i % 256, 10000 + 2 * i, 10001 + 2 * i,
			i / 256, i % 256, i, i / 256, i % 256);
	strbuf_append(&yaml, "  last:\n    mode: nat\n    addresses: [172.16.0.1/16]\n    dhcp:\n  "
			     "    hosts:\n");
	for (unsigned i = 0; i < NETWORK_HOSTS_MAX; i++)
		strbuf_printf(&yaml,
			      "      - {mac: 52:54:00:00:%02x:%02x, address: 172.16.%u.%u}\n",
			      i / 256, i % 256, 1 + i / 250, 1 + i % 250);
	strbuf_append(&yaml, "    dns: {cname: [");
	for (unsigned i = 0; i < NETWORK_RECORDS_MAX; i++)
		strbuf_printf(&yaml, "{name: c%u, target: t%u},", i, i);
	strbuf_append(&yaml, "]}\n");
	assert_true(yaml.len < NETWORKS_TEXT_MAX);

	read_networks(yaml.s, &nets);
	assert_int_equal(nets.n, NETWORKS_MAX);
	for (size_t i = 0; i < nets.n; i++)
		if (network_check(nets.v[i], &err) < 0)
			fail_msg("%s: %s", err.path, err.message);
	if (networks_check(nets.v, nets.n, &err) < 0)
		fail_msg("%s: %s", err.path, err.message);
}

/* All networks on one uplink, and as many tunnels as a text can hold. */
static void test_many_wires(void **state)
{
	AUTO_STRBUF struct strbuf yaml = { 0 };
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	(void)state;
	strbuf_append(&yaml, "networks:\n  v: {mode: bridged, uplink: eth0, vlans: 1-2000}\n"
			     "  taken: {mode: bridged, uplink: eth0, bridge: {vlan_filtering: true, "
			     "uplink_vlans: 2001-2002, native: 2003}}\n");
	for (unsigned i = 0; i < 1000; i++)
		strbuf_printf(&yaml, "  m%u: {mode: macvtap, uplink: eth1}\n", i);
	for (unsigned i = 0; i < 64; i++) {
		strbuf_printf(&yaml, "  l%u: {mode: isolated, links: [{name: a, kind: gretap, key: %u, "
				     "local: 10.255.0.1, peers: [", i, i);
		for (unsigned k = 0; k < NETWORK_PEERS_MAX; k++)
			strbuf_printf(&yaml, "10.0.%u.%u, ", k / 250, 1 + k % 250);
		strbuf_append(&yaml, "]}]}\n");
	}
	read_networks(yaml.s, &nets);
	assert_int_equal(nets.n, 3065);
	for (size_t i = 0; i < nets.n; i++)
		if (network_check(nets.v[i], &err) < 0)
			fail_msg("%s: %s", err.path, err.message);
	if (networks_check(nets.v, nets.n, &err) < 0)
		fail_msg("%s: %s", err.path, err.message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port),	      cmocka_unit_test(test_port_on_foreign_bridge),
		cmocka_unit_test(test_subnet_choose), cmocka_unit_test(test_subnet_choose_random),
		cmocka_unit_test(test_many),	      cmocka_unit_test(test_port_kinds),
		cmocka_unit_test(test_many_wires),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
