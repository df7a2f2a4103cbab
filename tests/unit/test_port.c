/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_port.c - ports from requests, updates and state files. */

#include "model/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

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
		cmocka_unit_test(test_mac_spread),
	};

	return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
