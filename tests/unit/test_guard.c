/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_guard.c - what holds for a port: its own guard, its network's, and the addresses of a strict one. */

#include "base/strbuf.h"
#include "model/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>

#define OWN_MAC "52:54:00:00:00:01"

static json_t *json(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (!value)
		fail_msg("%s: %s", text, error.text);
	return value;
}

/* keys: more of the request. */
static int make_port(const char *keys, struct port **ret, struct vnet_error *err)
{
	AUTO_FREE char *text = mem_printf("{\"network\": \"blue\", \"name\": \"web\"%s%s}",
					  *keys ? ", " : "", keys);
	json_t *request = json(text);
	int r = port_from_request(request, ret, err);

	json_decref(request);
	return r;
}

static struct port *must_make_port(const char *keys)
{
	struct vnet_error err = { 0 };
	struct port *port = NULL;

	if (make_port(keys, &port, &err) < 0)
		fail_msg("%s: %s: %s", keys, err.path, err.message);
	return port;
}

static struct network *make_network(const char *definition)
{
	AUTO_FREE char *yaml = mem_printf("networks: {blue: {%s}}", definition);
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	if (networks_from_yaml(yaml, strlen(yaml), NULL, &nets, &err) < 0)
		fail_msg("%s: %s", yaml, err.message);
	return TAKE(nets.v[0]);
}

static void assert_in_force(const struct port *port, const struct network *net, const char *wanted)
{
	struct port_guard guard = port_guard(port, net);
	json_t *is = port_guard_to_json(&guard), *expected = json(wanted);

	if (!json_equal(is, expected)) {
		AUTO_FREE char *text = json_dumps(is, JSON_SORT_KEYS);

		fail_msg("wanted %s, got %s", wanted, text);
	}
	json_decref(is);
	json_decref(expected);
}

/* The network's, the port's, and what the port leaves open. */
static void test_in_force(void **state)
{
	static const struct {
		const char *network, *port, *wanted;
	} cases[] = {
		{ "", "", "{\"policy\": \"mac\"}" },
		{ "guard: strict", "", "{\"policy\": \"strict\"}" },
		{ "guard: strict", "\"guard\": \"mac\"", "{\"policy\": \"mac\"}" },
		{ "guard: off", "\"guard\": {\"policy\": \"strict\"}", "{\"policy\": \"strict\"}" },
		{ "guard: strict", "\"guard\": \"default\"", "{\"policy\": \"strict\"}" },
		{ "guard: strict", "\"guard\": {}", "{\"policy\": \"strict\"}" },
		{ "guard: strict", "\"guard\": null", "{\"policy\": \"strict\"}" },
		{ "guard: {policy: strict, allow: [router], storm: {broadcast: 5}}", "",
		  "{\"policy\": \"strict\", \"allow\": [\"router\"], \"storm\": {\"broadcast\": 5}}" },
		/* A port's guard is its own as a whole; of the network's remains the policy. */
		{ "guard: {policy: strict, allow: [router], storm: {broadcast: 5}}",
		  "\"guard\": {\"allow\": [\"llc\"]}", "{\"policy\": \"strict\", \"allow\": [\"llc\"]}" },
		{ "", "\"guard\": {\"macs\": [\"00:00:5e:00:01:33\"]}",
		  "{\"policy\": \"mac\", \"macs\": [\"00:00:5e:00:01:33\"]}" },
		{ "guard: mac",
		  "\"guard\": {\"policy\": \"strict\", \"allow\": [\"dhcp-server\"], \"addresses\": "
		  "[\"10.7.0.0/24\", \"192.0.2.9/32\"], \"ethertypes\": [34958, \"0x88b5\", \"lldp\"], "
		  "\"storm\": {\"multicast\": 7}}",
		  "{\"policy\": \"strict\", \"allow\": [\"dhcp-server\"], \"addresses\": "
		  "[\"10.7.0.0/24\", \"192.0.2.9\"], \"ethertypes\": [\"eapol\", \"0x88b5\", \"lldp\"], "
		  "\"storm\": {\"multicast\": 7}}" },
		{ "guard: {policy: strict, learn: false}", "", "{\"policy\": \"strict\", \"learn\": false}" },
		{ "guard: {policy: strict, learn: false}", "\"guard\": {\"learn\": true}",
		  "{\"policy\": \"strict\", \"learn\": true}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *definition =
			mem_printf("mode: isolated, ports: {%s}", cases[i].network);
		AUTO(network_free) struct network *net = make_network(definition);
		AUTO(port_free) struct port *port = must_make_port(cases[i].port);

		assert_in_force(port, net, cases[i].wanted);
	}
}

/* A port whose network is not known has its own, or the least that is always held. */
static void test_without_network(void **state)
{
	AUTO(port_free) struct port *plain = must_make_port("");
	AUTO(port_free) struct port *strict = must_make_port("\"guard\": \"strict\"");

	(void)state;
	assert_in_force(plain, NULL, "{\"policy\": \"mac\"}");
	assert_in_force(strict, NULL, "{\"policy\": \"strict\"}");
}

/* What JSON says wrong has its path; test_network.c has the same in YAML. */
static void test_bad_guards(void **state)
{
	static const struct {
		const char *guard, *code, *path;
	} cases[] = {
		{ "\"strickt\"", "bad-value", "guard" },
		{ "5", "bad-value", "guard" },
		{ "true", "bad-value", "guard" },
		{ "[\"strict\"]", "bad-type", "guard" },
		{ "{\"polcy\": \"strict\"}", "unknown-key", "guard.polcy" },
		{ "{\"allow\": [\"routers\"]}", "bad-value", "guard.allow[0]" },
		{ "{\"allow\": \"router\"}", "bad-type", "guard.allow" },
		{ "{\"addresses\": [\"10.0.0.9\", \"10.0.0.9/24\"]}", "bad-address",
		  "guard.addresses[1]" },
		{ "{\"addresses\": [\"10.0.0\"]}", "bad-value", "guard.addresses[0]" },
		{ "{\"addresses\": [\"10.0.0.0/33\"]}", "bad-value", "guard.addresses[0]" },
		{ "{\"macs\": [\"01:00:5e:00:00:01\"]}", "bad-value", "guard.macs[0]" },
		{ "{\"ethertypes\": [2048]}", "bad-value", "guard.ethertypes[0]" },
		{ "{\"ethertypes\": [\"lldp\", \"0x8100\"]}", "bad-value", "guard.ethertypes[1]" },
		{ "{\"ethertypes\": [1500]}", "bad-value", "guard.ethertypes[0]" },
		{ "{\"ethertypes\": [-1]}", "bad-value", "guard.ethertypes[0]" },
		{ "{\"ethertypes\": [34958.5]}", "bad-value", "guard.ethertypes[0]" },
		{ "{\"storm\": {\"broadcast\": 0}}", "out-of-range", "guard.storm.broadcast" },
		{ "{\"storm\": {\"unicast\": 5}}", "unknown-key", "guard.storm.unicast" },
		{ "{\"storm\": 5}", "bad-type", "guard.storm" },
		{ "{\"learn\": \"no\"}", "bad-value", "guard.learn" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *keys = mem_printf("\"guard\": %s", cases[i].guard);
		struct vnet_error err = { 0 };
		struct port *port = NULL;

		if (make_port(keys, &port, &err) >= 0)
			fail_msg("accepted: %s", keys);
		assert_null(port);
		if (strcmp(err.code, cases[i].code) != 0 || strcmp(err.path, cases[i].path) != 0)
			fail_msg("%s: got [%s] at \"%s\": %s", keys, err.code, err.path, err.message);
	}
}

static void assert_updated(struct port *port, const char *changes, const char *in_force)
{
	struct vnet_error err = { 0 };
	json_t *value = json(changes);

	if (port_update_from_json(port, value, &err) < 0)
		fail_msg("%s: %s", changes, err.message);
	json_decref(value);
	assert_in_force(port, NULL, in_force);
}

/* Replaced as a whole; other changes leave it alone, and a wrong one everything. */
static void test_update(void **state)
{
	AUTO(port_free) struct port *port = must_make_port(
		"\"guard\": {\"policy\": \"strict\", \"allow\": [\"router\"], \"storm\": {\"broadcast\": 5}}");
	AUTO(port_free) struct port *before = NULL;
	json_t *wrong = json("{\"mtu\": 1400, \"guard\": {\"policy\": \"strict\", \"allow\": [\"x\"]}}");

	(void)state;
	assert_updated(port, "{\"guard\": {\"policy\": \"strict\", \"allow\": [\"llc\"]}}",
		       "{\"policy\": \"strict\", \"allow\": [\"llc\"]}");
	assert_updated(port, "{\"linkDown\": true}", "{\"policy\": \"strict\", \"allow\": [\"llc\"]}");
	assert_updated(port, "{\"guard\": null}", "{\"policy\": \"strict\", \"allow\": [\"llc\"]}");
	assert_updated(port, "{\"guard\": {\"storm\": {\"multicast\": 9}}}",
		       "{\"policy\": \"mac\", \"storm\": {\"multicast\": 9}}");
	assert_true(port->has_guard);
	before = port_copy(port);
	assert_int_equal(port_update_from_json(port, wrong, NULL), -EINVAL);
	json_decref(wrong);
	assert_true(port_equal(port, before));
	assert_updated(port, "{\"guard\": \"default\"}", "{\"policy\": \"mac\"}");
	assert_false(port->has_guard);
	assert_updated(port, "{\"guard\": \"off\"}", "{\"policy\": \"off\"}");
	assert_updated(port, "{\"guard\": {}}", "{\"policy\": \"mac\"}");
	assert_false(port->has_guard);
}

/* The state file gives it back, and a copy is its own. */
static void test_state(void **state)
{
	AUTO(port_free) struct port *port = must_make_port(
		"\"guard\": {\"policy\": \"strict\", \"allow\": [\"router\", \"llc\"], \"addresses\": "
		"[\"fd00:7::/48\", \"10.0.0.9\"], \"macs\": [\"00:00:5e:00:01:33\"], \"ethertypes\": "
		"[\"lldp\", \"0x88b5\"], \"storm\": {\"broadcast\": 5, \"multicast\": 6}}");
	AUTO(port_free) struct port *again = NULL;
	AUTO(port_free) struct port *copy = port_copy(port);
	json_t *value = port_to_json(port);

	(void)state;
	assert_int_equal(port_from_json(value, &again, NULL), 0);
	json_decref(value);
	assert_true(again->has_guard);
	assert_true(port_equal(port, again));
	assert_true(port_equal(port, copy));
	copy->guard.addresses.v[0].len = 47;
	assert_false(port_equal(port, copy));
	copy->guard.addresses.v[0].len = 48;
	assert_true(port_equal(port, copy));
	copy->guard.multicast++;
	assert_false(port_equal(port, copy));
}

/* "10.0.0.5 fd00::5 10.7.0.0/24": addresses, then prefixes, in the order in which they are found. */
static char *sources_text(const struct port *port, const struct network *net)
{
	ip_vec addresses = { 0 };
	prefix_vec prefixes = { 0 };
	struct strbuf b = { 0 };
	char text[ADDR_TEXT_MAX];

	port_sources(port, net, &addresses, &prefixes);
	vec_each(ip, &addresses)
		strbuf_printf(&b, "%s%s", b.len ? " " : "", ip_format(ip, text));
	vec_each(prefix, &prefixes)
		strbuf_printf(&b, "%s%s", b.len ? " " : "", prefix_format(prefix, text));
	vec_free(&addresses);
	vec_free(&prefixes);
	return b.len ? strbuf_take(&b) : mem_strdup("");
}

#define LL "fe80::5054:ff:fe00:1"
#define NET6 "addresses: [10.0.0.1/24, 'fd00::1/64', 'fd01::1/56']"

static void test_sources(void **state)
{
	static const struct {
		const char *network, *port, *wanted;
	} cases[] = {
		/* Nothing is said: what the MAC makes of the link. */
		{ "mode: isolated", "", LL },
		{ "mode: isolated", "\"addresses\": [\"10.0.0.5\", \"fd00::5\"]", "10.0.0.5 fd00::5 " LL },
		/* The guard's own, whole prefixes among them; the port's in place of the network's. */
		{ "mode: isolated, ports: {guard: {policy: strict, addresses: [10.7.0.0/24, 10.8.0.9]}}", "",
		  "10.8.0.9 " LL " 10.7.0.0/24" },
		{ "mode: isolated, ports: {guard: {policy: strict, addresses: [10.7.0.0/24]}}",
		  "\"guard\": {\"addresses\": [\"fd07::/48\", \"192.0.2.9/32\"]}", "192.0.2.9 " LL " fd07::/48" },
		/* Reserved in DHCP: by MAC, whatever the name; by name, for who has no MAC there. */
		{ "mode: isolated, " NET6 ", ra: off, dhcp6: true, dhcp: {hosts: ["
		  "{mac: '" OWN_MAC "', name: other, address: 10.0.0.7, address6: 'fd00::7'},"
		  "{mac: '52:54:00:00:00:02', name: web, address: 10.0.0.8},"
		  "{name: web, address: 10.0.0.9}, {name: webb, address: 10.0.0.10}]}",
		  "", "10.0.0.7 fd00::7 10.0.0.9 " LL },
		{ "mode: isolated, " NET6 ", dhcp: {hosts: [{mac: '" OWN_MAC "', name: web}]}, ra: off", "",
		  LL },
		/* Of the prefixes that are announced for it, those of 64 bits. */
		{ "mode: isolated, " NET6, "", LL " fd00::5054:ff:fe00:1" },
		{ "mode: isolated, " NET6 ", ra: stateless, dhcp6: true", "", LL " fd00::5054:ff:fe00:1" },
		{ "mode: isolated, " NET6 ", ra: managed, dhcp6: true", "", LL },
		{ "mode: isolated, " NET6 ", ra: off", "", LL },
		/* Twice is as good as once: whoever makes elements of them leaves one out. */
		{ "mode: isolated, " NET6 ", ra: off, dhcp: {hosts: [{mac: '" OWN_MAC "', address: 10.0.0.5}]}",
		  "\"addresses\": [\"10.0.0.5\"], \"guard\": {\"policy\": \"strict\", \"addresses\": "
		  "[\"10.0.0.5\"]}",
		  "10.0.0.5 10.0.0.5 10.0.0.5 " LL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *keys = mem_printf("\"mac\": \"" OWN_MAC "\"%s%s",
						  *cases[i].port ? ", " : "", cases[i].port);
		AUTO(network_free) struct network *net = make_network(cases[i].network);
		AUTO(port_free) struct port *port = must_make_port(keys);
		AUTO_FREE char *text = sources_text(port, net);

		if (strcmp(text, cases[i].wanted) != 0)
			fail_msg("%s, %s: wanted \"%s\", got \"%s\"", cases[i].network, keys,
				 cases[i].wanted, text);
	}
}

/* Nothing follows from a MAC that is not known yet, nor from a network that is not. */
static void test_sources_that_nobody_knows(void **state)
{
	AUTO(network_free) struct network *net = make_network("mode: isolated, " NET6);
	AUTO(port_free) struct port *learner = must_make_port("\"learnMac\": true");
	AUTO(port_free) struct port *orphan = must_make_port("\"mac\": \"" OWN_MAC "\"");
	AUTO_FREE char *none = sources_text(learner, net);
	AUTO_FREE char *alone = sources_text(orphan, NULL);

	(void)state;
	assert_string_equal(none, "");
	assert_string_equal(alone, LL);
}

/* RFC 4291, appendix A: the second bit of the first byte is turned over. */
static void test_eui64(void **state)
{
	static const struct {
		const char *prefix, *mac, *ip;
	} cases[] = {
		{ "fe80::/64", "52:54:00:12:34:56", "fe80::5054:ff:fe12:3456" },
		{ "2001:db8:0:1::/64", "00:00:5e:00:01:33", "2001:db8:0:1:200:5eff:fe00:133" },
		{ "fd00::1/64", "fe:ff:ff:ff:ff:ff", "fd00::fcff:ffff:feff:ffff" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[ADDR_TEXT_MAX];
		struct prefix prefix;
		struct mac mac;
		struct ip ip;

		assert_int_equal(prefix_parse(cases[i].prefix, &prefix), 0);
		assert_int_equal(mac_parse(cases[i].mac, &mac), 0);
		ip = ip_from_eui64(&prefix, &mac);
		assert_string_equal(ip_format(&ip, text), cases[i].ip);
	}
}

/* Numbers are in the kernel and names in the API: neither may move. */
static void test_reasons(void **state)
{
	static const char *const names[] = {
		NULL,	     "mac",	  "vlan-tag",	  "ethertype",	  "ipv4-source", "ipv6-source",
		"arp",	     "arp-address", "nd",	  "nd-target",	  "router",	 "dhcp-server",
		"dhcp-client", "header",  "llc",	  "tunnel",	  "storm",	 NULL,
		"egress-group", "ingress-group", "checksum", NULL,
	};
	static const struct {
		enum guard_allow allow;
		uint32_t reasons;
	} waived[] = {
		{ GUARD_ALLOW_ANY_ADDRESS, 1u << 4 | 1u << 5 | 1u << 7 | 1u << 9 },
		{ GUARD_ALLOW_ANY_ETHERTYPE, 1u << 3 },
		{ GUARD_ALLOW_DHCP_SERVER, 1u << 11 },
		{ GUARD_ALLOW_LLC, 1u << 14 },
		{ GUARD_ALLOW_ROUTER, 1u << 10 },
		{ GUARD_ALLOW_TUNNELS, 1u << 15 },
		{ GUARD_ALLOW_VLAN_TAGS, 1u << 2 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		const char *name = guard_reason_name(i);

		assert_true(names[i] ? name && strcmp(name, names[i]) == 0 : !name);
	}
	assert_int_equal(ARRAY_SIZE(waived), GUARD_ALLOWS);
	for (size_t i = 0; i < ARRAY_SIZE(waived); i++)
		assert_int_equal(guard_allow_reasons(waived[i].allow), waived[i].reasons);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_force),
		cmocka_unit_test(test_without_network),
		cmocka_unit_test(test_bad_guards),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_sources_that_nobody_knows),
		cmocka_unit_test(test_eui64),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
