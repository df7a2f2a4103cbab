/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_port.c - ports from requests, updates and state files. */

#include "model/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>

static json_t *json(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!value)
		fail_msg("%s: %s", text, error.text);
	return value;
}

static int request(const char *text, struct port **ret, struct vnet_error *err)
{
	json_t *value = json(text);
	int r = port_from_request(value, ret, err);

	json_decref(value);
	return r;
}

static struct port *must_request(const char *text)
{
	struct port *port = NULL;
	struct vnet_error err = { 0 };
	char buf[1024];

	if (request(text, &port, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, buf, sizeof(buf)));
	return port;
}

static const char everything[] =
	"{\"network\": \"blue\", \"name\": \"web\", \"ifname\": \"tap0\", \"kind\": \"tap\","
	" \"mac\": \"52:54:00:00:00:05\", \"learnMac\": false, \"addresses\": [\"10.0.0.5\", "
	"\"fd00::5\"],"
	" \"queues\": 4, \"vhost\": \"off\", \"vnetHdr\": false, \"offload\": false, \"mtu\": 9000,"
	" \"txqueuelen\": 500, \"isolated\": false, \"persistent\": true, \"adopt\": false,"
	" \"linkDown\": true, \"ownerPid\": 4711}";

static void test_request(void **state)
{
	AUTO(port_free) struct port *all = must_request(everything);
	AUTO(port_free) struct port *least = must_request("{\"network\": \"blue\", \"mac\": null}");

	(void)state;
	assert_string_equal(all->network, "blue");
	assert_string_equal(all->ifname, "tap0");
	assert_true(all->has_mac && all->mac.b[5] == 5);
	assert_int_equal(all->addresses.n, 2);
	assert_int_equal(all->queues, 4);
	assert_int_equal(all->vhost, VHOST_OFF);
	assert_false(all->vnet_hdr || all->offload || all->isolated);
	assert_true(all->has_isolated && all->persistent && all->link_down);
	assert_int_equal(all->owner_pid, 4711);
	assert_null(least->name);
	assert_true(least->vnet_hdr && least->offload);
	assert_false(least->has_mac || least->has_isolated);
	assert_int_equal(least->vhost, VHOST_AUTO);
	assert_string_equal(port_kind_name(least->kind), "tap");
}

static void test_request_wires(void **state)
{
	AUTO(port_free)
	struct port *tap = must_request(
		"{\"network\": \"blue\", \"vlan\": {\"native\": 1, \"tagged\": [10, \"20-30\"]},"
		" \"learning\": false, \"flood\": true, \"multicastFlood\": false, \"hairpin\": true,"
		" \"proxyArp\": false, \"offloads\": {\"tso\": false, \"gro\": true},"
		" \"bandwidth\": {\"in\": {\"rate\": \"10mbit\", \"guaranteed\": 1000000, \"burst\": "
		"\"64k\"}, \"out\": 0}}");
	AUTO(port_free)
	struct port *veth = must_request(
		"{\"network\": \"blue\", \"kind\": \"veth\", \"netns\": \"/run/netns/web\","
		" \"inside\": {\"addresses\": [\"10.0.0.5/24\"], \"routes\": ["
		"{\"to\": \"default\", \"via\": \"10.0.0.1\"}, {\"to\": \"::/0\", \"via\": "
		"\"fe80::1\", \"metric\": 5}, {\"to\": \"0.0.0.0/0\", \"metric\": 7}]}}");
	AUTO(port_free)
	struct port *vf = must_request("{\"network\": \"blue\", \"kind\": \"vf\", \"vf\": 0}");
	AUTO(port_free) struct port *access = must_request("{\"network\": \"blue\", \"vlan\": 10}");

	(void)state;
	assert_false(tap->has_kind);
	assert_true(tap->vlan.is_given);
	assert_int_equal(tap->vlan.native, 1);
	assert_int_equal(tap->vlan.tagged.n, 2);
	assert_int_equal(tap->vlan.tagged.v[1].last, 30);
	assert_int_equal(tap->options.learning, TRI_FALSE);
	assert_int_equal(tap->options.flood, TRI_TRUE);
	assert_int_equal(tap->options.hairpin, TRI_TRUE);
	assert_int_equal(tap->options.tso, TRI_FALSE);
	assert_int_equal(tap->options.gro, TRI_TRUE);
	assert_int_equal(tap->options.rx, TRI_DEFAULT);
	assert_int_equal(tap->in.rate, 10000000);
	assert_int_equal(tap->in.guaranteed, 1000000);
	assert_int_equal(tap->in.burst, 65536);
	assert_true(tap->has_in && tap->has_out);
	assert_int_equal(tap->out.rate, 0);

	assert_int_equal(veth->kind, PORT_VETH);
	assert_string_equal(veth->netns, "/run/netns/web");
	assert_int_equal(veth->inside.addresses.n, 1);
	assert_int_equal(veth->inside.routes.n, 3);
	assert_int_equal(veth->inside.routes.v[0].to.addr.family, AF_INET);
	assert_int_equal(veth->inside.routes.v[0].to.len, 0);
	assert_int_equal(veth->inside.routes.v[1].to.addr.family, AF_INET6);
	assert_int_equal(veth->inside.routes.v[2].via.family, 0);

	assert_true(vf->has_vf && vf->has_kind);
	assert_int_equal(vf->vf, 0);
	assert_true(access->vlan.is_given);
	assert_int_equal(access->vlan.native, 10);
	assert_int_equal(access->vlan.tagged.n, 0);
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *text, *code, *path;
	} cases[] = {
		{ "{}", "missing-key", "" },
		{ "[]", "bad-type", "" },
		{ "{\"network\": \"blue\", \"ifName\": \"x\"}", "unknown-key", "ifName" },
		{ "{\"network\": \"blue\", \"ownerUid\": 0}", "unknown-key", "ownerUid" },
		{ "{\"network\": \"blue\", \"created\": 1}", "unknown-key", "created" },
		{ "{\"network\": \"../blue\"}", "bad-name", "network" },
		{ "{\"network\": \"blue\", \"name\": \"a/b\"}", "bad-name", "name" },
		{ "{\"network\": \"blue\", \"name\": \"\"}", "bad-name", "name" },
		{ "{\"network\": \"blue\", \"ifname\": \"sixteen-bytes-xy\"}", "bad-interface-name",
		  "ifname" },
		{ "{\"network\": \"blue\", \"kind\": \"ipvtap\"}", "bad-value", "kind" },
		{ "{\"network\": \"blue\", \"mac\": \"ff:ff:ff:ff:ff:ff\"}", "bad-value", "mac" },
		{ "{\"network\": \"blue\", \"mac\": \"00:00:00:00:00:00\"}", "bad-value", "mac" },
		{ "{\"network\": \"blue\", \"queues\": 0}", "out-of-range", "queues" },
		{ "{\"network\": \"blue\", \"queues\": 65}", "out-of-range", "queues" },
		{ "{\"network\": \"blue\", \"queues\": \"4\"}", "bad-value", "queues" },
		{ "{\"network\": \"blue\", \"queues\": 1.5}", "bad-value", "queues" },
		{ "{\"network\": \"blue\", \"queues\": -1}", "bad-value", "queues" },
		{ "{\"network\": \"blue\", \"mtu\": 67}", "out-of-range", "mtu" },
		{ "{\"network\": \"blue\", \"persistent\": 1}", "bad-value", "persistent" },
		{ "{\"network\": \"blue\", \"addresses\": [\"10.0.0.5/24\"]}", "bad-value",
		  "addresses[0]" },
		{ "{\"network\": \"blue\", \"addresses\": \"10.0.0.5\"}", "bad-type", "addresses" },
		{ "{\"network\": \"blue\", \"mac\": \"52:54:00:00:00:05\", \"learnMac\": true}",
		  "bad-request", "learnMac" },
		{ "{\"network\": \"blue\", \"adopt\": true}", "bad-request", "adopt" },
		{ "{\"network\": \"blue\", \"adopt\": true, \"ifname\": \"tap0\", \"persistent\": "
		  "true}",
		  "bad-request", "persistent" },
		{ "{\"network\": {\"a\": 1}}", "bad-type", "network" },
		{ "{\"network\": \"blue\", \"slot\": 1}", "unknown-key", "slot" },
		{ "{\"network\": \"blue\", \"vlan\": 0}", "bad-value", "vlan" },
		{ "{\"network\": \"blue\", \"vlan\": 4095}", "bad-vlan", "vlan" },
		{ "{\"network\": \"blue\", \"vlan\": -1}", "bad-value", "vlan" },
		{ "{\"network\": \"blue\", \"vlan\": [10]}", "bad-type", "vlan" },
		{ "{\"network\": \"blue\", \"vlan\": {\"tagged\": [0]}}", "bad-vlan",
		  "vlan.tagged[0]" },
		{ "{\"network\": \"blue\", \"vlan\": {\"tagged\": [\"4000-4095\"]}}", "bad-vlan",
		  "vlan.tagged[0]" },
		{ "{\"network\": \"blue\", \"vlan\": {\"tagged\": [\"10-20\", 20]}}",
		  "vlan-overlap", "vlan.tagged[1]" },
		{ "{\"network\": \"blue\", \"vlan\": {\"native\": 10, \"tagged\": [\"9-11\"]}}",
		  "vlan-overlap", "vlan.tagged" },
		{ "{\"network\": \"blue\", \"vlan\": {\"native\": 0, \"tagged\": []}}",
		  "bad-value", "vlan" },
		{ "{\"network\": \"blue\", \"vlan\": {\"tagged\": {\"a\": 1}}}", "bad-type",
		  "vlan.tagged" },
		{ "{\"network\": \"blue\", \"learning\": \"true\"}", "bad-value", "learning" },
		{ "{\"network\": \"blue\", \"multicast_flood\": true}", "unknown-key",
		  "multicast_flood" },
		{ "{\"network\": \"blue\", \"offloads\": {\"lro\": true}}", "unknown-key",
		  "offloads.lro" },
		{ "{\"network\": \"blue\", \"offloads\": false}", "bad-type", "offloads" },
		{ "{\"network\": \"blue\", \"bandwidth\": {\"in\": 7999}}", "out-of-range",
		  "bandwidth.in" },
		{ "{\"network\": \"blue\", \"bandwidth\": {\"in\": {\"burst\": 5000}}}",
		  "missing-key", "bandwidth.in" },
		{ "{\"network\": \"blue\", \"bandwidth\": \"10mbit\"}", "bad-type", "bandwidth" },
		{ "{\"network\": \"blue\", \"bandwidth\": {\"in\": {\"rate\": 10000, "
		  "\"guaranteed\": 10001}}}",
		  "bad-guarantee", "bandwidth.in.guaranteed" },
		{ "{\"network\": \"blue\", \"netns\": \"web\"}", "bad-path", "netns" },
		{ "{\"network\": \"blue\", \"netns\": \"/run/../etc\"}", "bad-path", "netns" },
		{ "{\"network\": \"blue\", \"inside\": {\"ifname\": \"a/b\"}}",
		  "bad-interface-name", "inside.ifname" },
		{ "{\"network\": \"blue\", \"inside\": {\"addresses\": [\"10.0.0.1\"]}}",
		  "bad-value", "inside.addresses[0]" },
		{ "{\"network\": \"blue\", \"inside\": {\"routes\": [{\"to\": \"default\"}]}}",
		  "missing-key", "inside.routes[0]" },
		{ "{\"network\": \"blue\", \"inside\": {\"routes\": [{\"to\": \"10.0.0.0/8\", "
		  "\"via\": \"fd00::1\"}]}}",
		  "family-mismatch", "inside.routes[0].via" },
		{ "{\"network\": \"blue\", \"inside\": {\"routes\": [{\"to\": \"10.0.0.1/8\"}]}}",
		  "bad-address", "inside.routes[0].to" },
		{ "{\"network\": \"blue\", \"vf\": 65535}", "out-of-range", "vf" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vnet_error err = { 0 };
		struct port *port = NULL;

		if (request(cases[i].text, &port, &err) >= 0)
			fail_msg("accepted: %s", cases[i].text);
		assert_null(port);
		if (strcmp(err.code, cases[i].code) != 0 || strcmp(err.path, cases[i].path) != 0)
			fail_msg("%s: got [%s] at \"%s\"", cases[i].text, err.code, err.path);
	}
}

/* A state file gives the same port back, with what only the daemon knows. */
static void test_state(void **state)
{
	AUTO(port_free) struct port *port = must_request(everything);
	AUTO(port_free) struct port *again = NULL;
	AUTO(port_free) struct port *copy = NULL;
	json_t *value;

	(void)state;
	port->learns_mac = true; /* and has learned */
	port->owner_uid = 4294967294;
	port->owner_gid = 100;
	port->created = 1700000000;
	value = port_to_json(port);
	assert_int_equal(port_from_json(value, &again, NULL), 0);
	json_decref(value);
	assert_true(port_equal(port, again));
	copy = port_copy(port);
	assert_true(port_equal(port, copy));
	copy->owner_uid--;
	assert_false(port_equal(port, copy));
	copy->owner_uid++;
	copy->addresses.v[1].b[15] = 6;
	assert_false(port_equal(port, copy));
	assert_true(port_equal(port, again));
	again->has_mac = false;
	assert_false(port_equal(port, again));
}

static void test_state_wires(void **state)
{
	AUTO(port_free)
	struct port *port = must_request(
		"{\"network\": \"blue\", \"kind\": \"veth\", \"netns\": \"/run/netns/web\", \"vlan\": "
		"{\"tagged\": [5]}, \"inside\": {\"ifname\": \"lan0\", \"addresses\": [\"10.0.0.5/24\"], "
		"\"routes\": [{\"to\": \"default\", \"via\": \"10.0.0.1\"}]}, \"bandwidth\": {\"in\": 0}, "
		"\"offloads\": {\"sg\": true}, \"proxyArp\": true}");
	AUTO(port_free) struct port *again = NULL;
	AUTO(port_free) struct port *copy = NULL;
	json_t *value;

	(void)state;
	port->slot = PORT_SLOT_MAX;
	port->has_vf = true;
	value = port_to_json(port);
	assert_int_equal(port_from_json(value, &again, NULL), 0);
	json_decref(value);
	assert_true(port_equal(port, again));
	copy = port_copy(port);
	assert_true(port_equal(port, copy));
	copy->inside.routes.v[0].via.b[3] = 9;
	assert_false(port_equal(port, copy));
	copy->inside.routes.v[0].via.b[3] = 1;
	copy->vlan.tagged.v[0].last = 6;
	assert_false(port_equal(port, copy));
	copy->vlan.tagged.v[0].last = 5;
	assert_true(port_equal(port, copy));
	copy->has_in = false;
	assert_false(port_equal(port, copy));
	copy->has_in = true;
	copy->slot = 1;
	assert_false(port_equal(port, copy));
}

static int update(struct port *port, const char *text, struct vnet_error *err)
{
	json_t *value = json(text);
	int r;

	vnet_error_clear(err);
	r = port_update_from_json(port, value, err);
	json_decref(value);
	return r;
}

static void test_update(void **state)
{
	AUTO(port_free) struct port *port = must_request(everything);
	AUTO(port_free) struct port *before = port_copy(port);
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(update(port, "{\"name\": \"web\", \"mtu\": null}", &err), 0);
	assert_true(port_equal(port, before));
	assert_int_equal(update(port,
				"{\"name\": \"web\", \"mtu\": 1400, \"addresses\": [\"10.0.0.9\"]}",
				&err),
			 0);
	assert_int_equal(port->mtu, 1400);
	assert_int_equal(port->addresses.n, 1);
	assert_int_equal(port->addresses.v[0].b[3], 9);
	assert_int_equal(update(port, "{\"addresses\": []}", &err), 0);
	assert_int_equal(port->addresses.n, 0);
	assert_int_equal(port->queues, 4);

	port_free(before);
	before = port_copy(port);
	assert_int_equal(update(port, "{\"mtu\": 1300, \"txqueuelen\": 0}", &err), -EINVAL);
	assert_string_equal(err.path, "txqueuelen");
	assert_int_equal(update(port, "{\"mtu\": 1300, \"queues\": 2}", &err), -EINVAL);
	assert_string_equal(err.code, "unknown-key");
	assert_int_equal(update(port, "{\"mtu\": 1300, \"network\": \"red\"}", &err), -EINVAL);
	assert_int_equal(update(port, "{\"name\": \"other\", \"mtu\": 1300}", &err), -EINVAL);
	assert_string_equal(err.path, "name");
	assert_true(port_equal(port, before));

	port->learns_mac = true;
	port->has_mac = false;
	assert_int_equal(update(port, "{\"linkDown\": false, \"mac\": null}", &err), 0);
	assert_true(port->learns_mac);
	assert_int_equal(update(port, "{\"mac\": \"52:54:00:00:00:09\"}", &err), 0);
	assert_true(port->has_mac);
	assert_false(port->learns_mac);
}

/* VLANs and each direction of a limit are replaced whole; offloads one by one. */
static void test_update_wires(void **state)
{
	AUTO(port_free)
	struct port *port = must_request(
		"{\"network\": \"blue\", \"name\": \"web\", \"vlan\": {\"native\": 1, \"tagged\": [10]},"
		" \"offloads\": {\"tso\": false, \"gso\": false}, \"bandwidth\": {\"in\": {\"rate\": "
		"\"10mbit\", \"burst\": \"1m\"}, \"out\": \"20mbit\"}}");
	AUTO(port_free) struct port *before = NULL;
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(update(port, "{\"vlan\": 20}", &err), 0);
	assert_int_equal(port->vlan.native, 20);
	assert_int_equal(port->vlan.tagged.n, 0);
	assert_int_equal(update(port, "{\"vlan\": {\"tagged\": [\"5-6\"]}}", &err), 0);
	assert_int_equal(port->vlan.native, 0);
	assert_int_equal(port->vlan.tagged.n, 1);
	assert_int_equal(update(port, "{\"bandwidth\": {\"in\": \"5mbit\"}}", &err), 0);
	assert_int_equal(port->in.rate, 5000000);
	assert_int_equal(port->in.burst, 0);
	assert_int_equal(port->out.rate, 20000000);
	assert_int_equal(update(port, "{\"bandwidth\": {\"out\": 0}}", &err), 0);
	assert_int_equal(port->in.rate, 5000000);
	assert_int_equal(port->out.rate, 0);
	assert_true(port->has_out);
	assert_int_equal(update(port, "{\"bandwidth\": {}}", &err), 0);
	assert_int_equal(port->in.rate, 0);
	assert_false(port->has_in || port->has_out);
	assert_int_equal(update(port, "{\"offloads\": {\"tso\": true}, \"hairpin\": true}", &err), 0);
	assert_int_equal(port->options.tso, TRI_TRUE);
	assert_int_equal(port->options.gso, TRI_FALSE);
	assert_int_equal(port->options.hairpin, TRI_TRUE);

	before = port_copy(port);
	assert_int_equal(update(port, "{\"vlan\": 7, \"bandwidth\": {\"in\": \"x\"}}", &err),
			 -EINVAL);
	assert_string_equal(err.path, "bandwidth.in");
	assert_int_equal(update(port, "{\"kind\": \"veth\"}", &err), -EINVAL);
	assert_int_equal(update(port, "{\"netns\": \"/run/netns/web\"}", &err), -EINVAL);
	assert_int_equal(update(port, "{\"inside\": {}}", &err), -EINVAL);
	assert_int_equal(update(port, "{\"vf\": 1}", &err), -EINVAL);
	assert_true(port_equal(port, before));
}

static struct network *make_network(const char *definition)
{
	AUTO_FREE char *yaml = mem_printf("networks: {blue: %s}", definition);
	AUTO_NETWORKS network_vec nets = { 0 };

	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), NULL, &nets, NULL), 0);
	return TAKE(nets.v[0]);
}

static void test_complete(void **state)
{
	AUTO(network_free) struct network *plain = make_network("{mode: isolated}");
	AUTO(network_free)
	struct network *rich = make_network("{mode: isolated, bridge: {mtu: 9000}, ports: "
					    "{isolated: true, queues: 4, txqueuelen: 50}}");
	AUTO(port_free) struct port *a = must_request("{\"network\": \"blue\", \"name\": \"web\"}");
	AUTO(port_free)
	struct port *b = must_request("{\"network\": \"blue\", \"ifname\": \"tap0\", \"learnMac\": "
				      "true, \"queues\": 1, \"isolated\": false}");
	AUTO(port_free) struct port *c = must_request("{\"network\": \"blue\", \"name\": \"web\"}");

	(void)state;
	port_complete(a, plain);
	assert_int_equal(a->queues, 1);
	assert_int_equal(a->mtu, 1500);
	assert_int_equal(a->txqueuelen, 1000);
	assert_false(a->isolated);
	assert_true(a->has_mac);
	port_complete(b, rich);
	assert_string_equal(b->name, "tap0");
	assert_int_equal(b->queues, 1);
	assert_int_equal(b->mtu, 9000);
	assert_int_equal(b->txqueuelen, 50);
	assert_false(b->isolated);
	assert_false(b->has_mac);
	port_complete(c, rich);
	assert_int_equal(c->queues, 4);
	assert_true(c->isolated);
	assert_int_equal(mac_cmp(&a->mac, &c->mac), 0);
}

static void test_complete_wires(void **state)
{
	AUTO(network_free)
	struct network *net = make_network(
		"{mode: isolated, bandwidth: {in: 1gbit}, bridge: {vlan_filtering: true, native: 7},"
		" ports: {vlan: {native: 5, tagged: 10-20}, flood: false, learning: false,"
		" offloads: {tso: false}, bandwidth: {in: {rate: 10mbit, guaranteed: 1mbit}}}}");
	AUTO(network_free)
	struct network *macvtap = make_network("{mode: macvtap, uplink: e, ports: {queues: 4}}");
	AUTO(network_free) struct network *sriov = make_network("{mode: sriov, uplink: e}");
	AUTO(port_free) struct port *a = must_request("{\"network\": \"blue\"}");
	AUTO(port_free)
	struct port *b = must_request("{\"network\": \"blue\", \"vlan\": 9, \"learning\": true, "
				      "\"offloads\": {\"gro\": true}, \"bandwidth\": {\"in\": 0}}");
	AUTO(port_free) struct port *c = must_request("{\"network\": \"blue\"}");
	AUTO(port_free)
	struct port *d = must_request("{\"network\": \"blue\", \"kind\": \"macvlan\"}");
	AUTO(port_free) struct port *e = must_request("{\"network\": \"blue\"}");
	AUTO(port_free) struct port *twice = NULL;

	(void)state;
	port_complete(a, net);
	assert_true(a->has_kind);
	assert_int_equal(a->kind, PORT_TAP);
	assert_int_equal(a->vlan.native, 5);
	assert_true(vlan_ranges_contain(&a->vlan.tagged, 20));
	assert_int_equal(a->options.flood, TRI_FALSE);
	assert_int_equal(a->options.tso, TRI_FALSE);
	assert_int_equal(a->in.guaranteed, 1000000);
	assert_false(a->has_out);
	twice = port_copy(a);
	port_complete(twice, net);
	assert_true(port_equal(a, twice));
	port_complete(b, net);
	assert_int_equal(b->vlan.native, 9);
	assert_int_equal(b->vlan.tagged.n, 0);
	assert_int_equal(b->options.learning, TRI_TRUE);
	assert_int_equal(b->options.flood, TRI_FALSE);
	assert_int_equal(b->options.gro, TRI_TRUE);
	assert_int_equal(b->options.tso, TRI_FALSE);
	assert_int_equal(b->in.rate, 0);
	port_complete(c, macvtap);
	assert_int_equal(c->kind, PORT_MACVTAP);
	assert_int_equal(c->queues, 4);
	port_complete(d, macvtap);
	assert_int_equal(d->kind, PORT_MACVLAN);
	assert_int_equal(d->queues, 1);
	port_complete(e, sriov);
	assert_int_equal(e->kind, PORT_VF);
}

static void test_limits(void **state)
{
	AUTO(network_free)
	struct network *net = make_network("{mode: isolated, bandwidth: {in: 1gbit}}");
	AUTO(port_free)
	struct port *port = must_request("{\"network\": \"blue\", \"bandwidth\": {\"in\": "
					 "{\"guaranteed\": \"1mbit\"}, \"out\": \"10mbit\"}}");
	struct bandwidth in, out;

	(void)state;
	port_limits(port, net, &in, &out);
	assert_int_equal(in.rate, 1000000000);
	assert_int_equal(in.guaranteed, 1000000);
	assert_int_equal(in.burst, 625000);
	assert_int_equal(out.rate, 10000000);
	assert_int_equal(out.burst, 15140);
	port->out = (struct bandwidth){ 0 };
	port_limits(port, net, &in, &out);
	assert_int_equal(out.rate, 0);
	assert_int_equal(out.burst, 0);
}

static void assert_described(const char *request_text, const char *wanted)
{
	AUTO(port_free) struct port *port = must_request(request_text);
	json_t *info = json_object(), *expected = json(wanted);

	port_describe(port, info);
	if (!json_equal(info, expected)) {
		AUTO_FREE char *text = json_dumps(info, JSON_SORT_KEYS);

		fail_msg("%s: got %s", request_text, text);
	}
	json_decref(info);
	json_decref(expected);
}

/* As io.vnet.Netd.varlink types it: objects, numbers, texts, never a short form. */
static void test_describe(void **state)
{
	(void)state;
	assert_described("{\"network\": \"blue\"}",
			 "{\"learning\": true, \"flood\": true, \"multicastFlood\": true, "
			 "\"hairpin\": false, \"proxyArp\": false}");
	assert_described(
		"{\"network\": \"blue\", \"vlan\": {\"native\": 5, \"tagged\": [7, \"10-20\"]}, "
		"\"flood\": false, \"proxyArp\": true, \"offloads\": {\"tx\": false}, "
		"\"bandwidth\": {\"in\": \"10mbit\", \"out\": 0}}",
		"{\"learning\": true, \"flood\": false, \"multicastFlood\": true, \"hairpin\": false, "
		"\"proxyArp\": true, \"vlan\": {\"native\": 5, \"tagged\": [\"7\", \"10-20\"]}, "
		"\"offloads\": {\"tx\": false}, \"bandwidth\": {\"in\": {\"rate\": 10000000}}}");
	assert_described("{\"network\": \"blue\", \"kind\": \"macvlan\", \"netns\": \"/n\", "
			 "\"inside\": {\"routes\": [{\"to\": \"default\", \"via\": \"10.0.0.1\"}]}}",
			 "{\"netns\": \"/n\", \"inside\": {\"routes\": [{\"to\": \"0.0.0.0/0\", "
			 "\"via\": \"10.0.0.1\"}]}}");
	assert_described("{\"network\": \"blue\", \"kind\": \"vf\", \"vf\": 0, \"bandwidth\": "
			 "{\"out\": {\"rate\": \"1gbit\", \"guaranteed\": \"1mbit\"}}}",
			 "{\"vf\": 0, \"bandwidth\": {\"out\": {\"rate\": 1000000000, "
			 "\"guaranteed\": 1000000}}}");
}

/* Worked out apart from this code, from the description in mac_name.h.  They never change. */
static void test_known_macs(void **state)
{
	static const struct {
		const char *network, *port;
		unsigned attempt;
		const char *mac;
	} known[] = {
		{ "blue", "web", 0, "52:54:00:f9:d5:3c" },
		{ "blue", "web", 1, "52:54:00:57:4d:00" },
		{ "blue", "db", 0, "52:54:00:23:b2:df" },
		{ "green", "web", 0, "52:54:00:00:0a:b8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		struct mac mac =
			port_mac_from_name(known[i].network, known[i].port, known[i].attempt);
		char text[ADDR_TEXT_MAX];

		assert_string_equal(mac_format(&mac, text), known[i].mac);
	}
}

static int mac_order(const void *a, const void *b)
{
	return mac_cmp(a, b);
}

/* 4096 names: about n²/2^25 = 0.5 pairs may share their 24 bits; a bad hash gives hundreds. */
static void test_mac_spread(void **state)
{
	enum { N = 4096 };
	AUTO_FREE struct mac *macs = mem_alloc(N * sizeof(*macs));
	unsigned equal = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		AUTO_FREE char *name = mem_printf("vm%u", i);

		macs[i] = port_mac_from_name("blue", name, 0);
	}
	qsort(macs, N, sizeof(*macs), mac_order);
	for (unsigned i = 1; i < N; i++)
		equal += mac_cmp(&macs[i - 1], &macs[i]) == 0;
	assert_true(equal <= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),	   cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_state),	   cmocka_unit_test(test_update),
		cmocka_unit_test(test_complete),   cmocka_unit_test(test_known_macs),
		cmocka_unit_test(test_mac_spread), cmocka_unit_test(test_request_wires),
		cmocka_unit_test(test_state_wires), cmocka_unit_test(test_update_wires),
		cmocka_unit_test(test_complete_wires), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
