/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_network.c - networks read, written, copied and compared.
 *
 * tests/golden/model/NAME.yaml goes through the parser and all checks; what
 * comes out is NAME.json (the canonical form) or NAME.err (the error with its
 * code).  UPDATE_GOLDEN=1 rewrites them: read the difference before committing.
 */

#include "model/check.h"
#include "model/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/golden.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define GOLDEN "tests/golden/model/"

static int read_and_check(const char *text, size_t size, const char *file, network_vec *ret,
			  struct vnet_error *err)
{
	int r = networks_from_yaml(text, size, file, ret, err);

	for (size_t i = 0; r == 0 && i < ret->n; i++)
		r = network_check(ret->v[i], err);
	return r < 0 ? r : networks_check(ret->v, ret->n, err);
}

/* What was written reads back equal, and a copy is equal and independent. */
static void assert_round_trip(const network_vec *nets, const json_t *json)
{
	AUTO_NETWORKS network_vec again = { 0 };
	struct vnet_error err = { 0 };
	char text[1024];

	if (networks_from_json(json, &again, &err) < 0)
		fail_msg("the canonical form is refused: %s",
			 vnet_error_text(&err, text, sizeof(text)));
	assert_int_equal(again.n, nets->n);
	for (size_t i = 0; i < nets->n; i++) {
		AUTO(network_free) struct network *copy = network_copy(nets->v[i]);

		assert_true(network_equal(nets->v[i], again.v[i]));
		network_free(again.v[i]);
		again.v[i] = network_copy(copy);
		assert_true(network_equal(copy, nets->v[i]));
	}
}

/* Returns what the golden file should hold. */
static char *run_case(const char *path, const char *name, bool *ret_is_error)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	AUTO_FREE char *file = mem_printf("%s.yaml", name);
	AUTO_FREE char *dump = NULL;
	AUTO_FREE char *text = NULL;
	char message[1024];
	json_t *json;
	size_t size = 0;

	text = golden_read(path, &size);
	assert_non_null(text);
	*ret_is_error = read_and_check(text, size, file, &nets, &err) < 0;
	if (*ret_is_error) {
		assert_true(err.number < 0 && err.code[0] && err.message[0]);
		return mem_printf("%s [%s]\n", vnet_error_text(&err, message, sizeof(message)),
				  err.code);
	}
	assert_false(vnet_error_is_set(&err));
	json = networks_to_json(nets.v, nets.n);
	assert_round_trip(&nets, json);
	dump = json_dumps(json, JSON_INDENT(2));
	json_decref(json);
	return mem_printf("%s\n", dump);
}

static bool check_case(const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	AUTO_FREE char *name = mem_strndup(base, strlen(base) - strlen(".yaml"));
	AUTO_FREE char *json_path = mem_printf(GOLDEN "%s.json", name);
	AUTO_FREE char *err_path = mem_printf(GOLDEN "%s.err", name);
	bool is_error;
	AUTO_FREE char *got = run_case(path, name, &is_error);

	if (getenv("UPDATE_GOLDEN"))
		unlink(is_error ? json_path : err_path);
	return golden_holds(is_error ? err_path : json_path, got);
}

static void test_golden(void **state)
{
	size_t failed = 0;
	glob_t found;

	(void)state;
	assert_int_equal(glob(GOLDEN "*.yaml", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		failed += !check_case(found.gl_pathv[i]);
	print_message("%zu golden cases\n", found.gl_pathc);
	assert_true(found.gl_pathc > 50);
	globfree(&found);
	assert_int_equal(failed, 0);
}

/* --- what is shipped and documented --- */

static void assert_accepted(const char *text, const char *name)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	char message[1024];

	if (read_and_check(text, strlen(text), name, &nets, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, message, sizeof(message)));
	assert_true(nets.n > 0);
}

static void test_examples(void **state)
{
	glob_t found;

	(void)state;
	assert_int_equal(glob("configs/examples/*.yaml", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 5);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		AUTO_FREE char *text = golden_read(found.gl_pathv[i], NULL);

		assert_accepted(text, found.gl_pathv[i]);
	}
	globfree(&found);
}

/* Each block fenced as ```yaml is a whole definition. */
static void test_reference(void **state)
{
	static const char open[] = "```yaml\n", close[] = "\n```";
	AUTO_FREE char *text = golden_read("docs/reference-network.md", NULL);
	size_t n_blocks = 0;

	(void)state;
	assert_non_null(text);
	for (char *p = text; (p = strstr(p, open)); n_blocks++) {
		char *end = strstr(p, close);
		AUTO_FREE char *block = NULL;

		assert_non_null(end);
		p += strlen(open);
		block = mem_strndup(p, (size_t)(end + 1 - p));
		assert_accepted(block, "docs/reference-network.md");
	}
	assert_true(n_blocks >= 5);
}

/* The error codes that definitions can meet, as the golden files have them: each is in the reference. */
static void test_reference_of_codes(void **state)
{
	AUTO_FREE char *reference = golden_read("docs/reference-network.md", NULL);
	size_t missing = 0;
	glob_t found;

	(void)state;
	assert_non_null(reference);
	assert_int_equal(glob(GOLDEN "*.err", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		AUTO_FREE char *text = golden_read(found.gl_pathv[i], NULL);
		char *open = strrchr(text, '['), *close = strrchr(text, ']');
		AUTO_FREE char *code = NULL;

		assert_true(open && close && open < close);
		code = mem_printf("`%.*s`", (int)(close - open - 1), open + 1);
		if (!strstr(reference, code)) {
			print_error("%s: %s is not in the reference\n", found.gl_pathv[i], code);
			missing++;
		}
	}
	globfree(&found);
	assert_int_equal(missing, 0);
}

/* --- without files --- */

static struct network *read_one(const char *yaml)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	char text[1024];

	if (networks_from_yaml(yaml, strlen(yaml), "test.yaml", &nets, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, text, sizeof(text)));
	assert_int_equal(nets.n, 1);
	return TAKE(nets.v[0]);
}

static void test_defaults(void **state)
{
	AUTO(network_free)
	struct network *net =
		read_one("networks: {blue: {mode: nat, addresses: [192.168.10.1/24]}}");
	char bridge[16];

	(void)state;
	assert_true(net->autostart);
	assert_true(net->host_access);
	assert_true(net->nat.ipv4);
	assert_false(net->nat.ipv6);
	assert_true(net->dns.enabled);
	assert_true(net->dns.use_host_resolvers);
	assert_false(net->dns.local_only);
	assert_false(net->dhcp.enabled);
	assert_true(net->dhcp.authoritative);
	assert_false(net->bridge.multicast_snooping);
	assert_int_equal(network_mtu(net), 1500);
	assert_string_equal(network_bridge(net, bridge), "vn-blue");
	assert_true(network_owns_bridge(net));
	assert_int_equal(network_ra(net), RA_OFF);
	assert_true(network_wants_dnsmasq(net));
	assert_true(network_has_family(net, AF_INET));
	assert_false(network_has_family(net, AF_INET6));
	assert_string_equal(net->source.file, "test.yaml");
	assert_int_equal(net->source.line, 1);
	assert_int_equal(net->source.column, 12);
}

static void test_defaults_that_follow(void **state)
{
	AUTO(network_free)
	struct network *bridged = read_one("networks: {lan: {mode: bridged, bridge: {name: br0}}}");
	AUTO(network_free)
	struct network *six =
		read_one("networks: {six: {mode: routed, domain: six.test, addresses: [fd00::1/64],"
			 " dhcp6: true, dns: {forwarders: [fd00:f::1]}}}");
	AUTO(network_free)
	struct network *slaac =
		read_one("networks: {s: {mode: isolated, addresses: [fe80::1/64, fd00::1/64]}}");
	AUTO(network_free)
	struct network *local =
		read_one("networks: {s: {mode: isolated, addresses: [fe80::1/64], dns: false}}");

	(void)state;
	assert_false(network_owns_bridge(bridged));
	assert_false(bridged->dns.enabled);
	assert_false(bridged->nat.ipv4);
	assert_false(network_wants_dnsmasq(bridged));
	assert_true(six->dns.local_only);
	assert_false(six->dns.use_host_resolvers);
	assert_false(six->nat.ipv4);
	assert_int_equal(network_ra(six), RA_MANAGED);
	assert_int_equal(network_ra(slaac), RA_SLAAC);
	assert_int_equal(network_ra(local), RA_OFF);
	assert_false(network_wants_dnsmasq(local));
}

/* Every difference counts, sources do not. */
static void test_equal(void **state)
{
	static const char *const variants[] = {
		"{mode: nat, addresses: [10.0.0.1/24]}",
		"{mode: nat, addresses: [10.0.0.1/24, 10.0.0.2/24]}",
		"{mode: nat, addresses: [10.0.0.1/25]}",
		"{mode: nat, addresses: [10.0.0.1/24], autostart: false}",
		"{mode: nat, addresses: [10.0.0.1/24], bridge: {priority: 0}}",
		"{mode: nat, addresses: [10.0.0.1/24], bridge: {mac: 52:54:00:00:00:01}}",
		"{mode: nat, addresses: [10.0.0.1/24], dhcp: true}",
		"{mode: nat, addresses: [10.0.0.1/24], dhcp: {hosts: [{name: a}]}}",
		"{mode: nat, addresses: [10.0.0.1/24], dhcp: {hosts: [{name: b}]}}",
		"{mode: nat, addresses: [10.0.0.1/24], dns: false}",
		"{mode: nat, addresses: [10.0.0.1/24], dns: {forwarders: [1.1.1.1]}}",
		"{mode: nat, addresses: [10.0.0.1/24], dns: {forwarders: ['1.1.1.1:54']}}",
		"{mode: nat, addresses: [10.0.0.1/24], domain: x.test}",
		"{mode: nat, addresses: [10.0.0.1/24], ra: off}",
		"{mode: nat, addresses: [10.0.0.1/24], forwards: [tcp 80 -> 10.0.0.2]}",
		"{mode: nat, addresses: [10.0.0.1/24], forwards: [udp 80 -> 10.0.0.2]}",
		"{mode: nat, addresses: [10.0.0.1/24], forwards: [tcp 81 -> 10.0.0.2:80]}",
		"{mode: nat, addresses: [10.0.0.1/24], forwards: [tcp 80 -> 10.0.0.2:81]}",
		"{mode: nat, subnet: auto}",
		"{mode: nat, subnet: {ipv6: auto}}",
		"{mode: nat, subnet: auto, uplink: e, vlan: 5}",
		"{mode: nat, subnet: auto, uplink: e, vlan: 6}",
		"{mode: nat, subnet: auto, uplink: e, vlan: {id: 5, protocol: 802.1ad}}",
		"{mode: nat, subnet: auto, uplink: e, vlan: {id: 5, service: 6}}",
		"{mode: nat, subnet: auto, bridge: {vlan_filtering: true}}",
		"{mode: nat, subnet: auto, bridge: {vlan_filtering: true, native: 1}}",
		"{mode: nat, subnet: auto, bridge: {vlan_filtering: true}, ports: {vlan: 5}}",
		"{mode: nat, subnet: auto, bridge: {vlan_filtering: true}, ports: {vlan: {tagged: 5}}}",
		"{mode: bridged, uplink: e, bridge: {vlan_filtering: true, uplink_vlans: 5-6}}",
		"{mode: bridged, uplink: e, bridge: {vlan_filtering: true, uplink_vlans: 5-7}}",
		"{mode: nat, subnet: auto, links: [{name: a, kind: gretap, local: 1.1.1.1}]}",
		"{mode: nat, subnet: auto, links: [{name: a, kind: gretap, local: 1.1.1.1, key: 0}]}",
		"{mode: nat, subnet: auto, links: [{name: a, kind: vxlan, local: 1.1.1.1, vni: 1}]}",
		"{mode: nat, subnet: auto, links: [{name: a, kind: vxlan, local: 1.1.1.1, vni: 2}]}",
		"{mode: nat, subnet: auto, links: [{name: a, kind: vxlan, local: 1.1.1.1, vni: 1, learning: false}]}",
		"{mode: macvtap, uplink: e}",
		"{mode: macvtap, uplink: e, macvtap: vepa}",
		"{mode: macvtap, uplink: e, macvtap: {companion: true}}",
		"{mode: sriov, uplink: e}",
		"{mode: sriov, uplink: e, sriov: {vfs: 0}}",
		"{mode: sriov, uplink: e, sriov: {trust: true}}",
		"{mode: nat, subnet: auto, bandwidth: {in: 1mbit}}",
		"{mode: nat, subnet: auto, bandwidth: {out: 1mbit}}",
		"{mode: nat, subnet: auto, ports: {bandwidth: {in: 1mbit}}}",
		"{mode: nat, subnet: auto, ports: {learning: true}}",
		"{mode: nat, subnet: auto, ports: {learning: false}}",
		"{mode: nat, subnet: auto, ports: {offloads: {tso: false}}}",
	};
	struct network *nets[ARRAY_SIZE(variants)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		AUTO_FREE char *yaml = mem_printf("%*snetworks: {n: %s}", (int)i, "", variants[i]);

		nets[i] = read_one(yaml);
	}
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		AUTO_FREE char *yaml = mem_printf("networks:\n  n: %s\n", variants[i]);
		AUTO(network_free) struct network *twin = read_one(yaml);

		for (size_t k = 0; k < ARRAY_SIZE(variants); k++)
			assert_int_equal(network_equal(twin, nets[k]), i == k);
	}
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		network_free(nets[i]);
}

/* An address chosen for `subnet: auto` is used, compared, but not written. */
static void test_chosen_address(void **state)
{
	AUTO(network_free)
	struct network *net = read_one("networks: {n: {mode: nat, subnet: auto}}");
	AUTO(network_free) struct network *declared = network_copy(net);
	struct vnet_error err = { 0 };
	json_t *json;

	(void)state;
	assert_int_equal(network_check(net, &err), 0);
	assert_int_equal(prefix_parse("10.80.0.1/24", vec_add(&net->addresses)), 0);
	assert_int_equal(network_check(net, &err), 0);
	assert_false(network_equal(net, declared));
	json = network_to_json(net);
	assert_null(json_object_get(json, "addresses"));
	assert_string_equal(json_string_value(json_object_get(json, "subnet")), "auto");
	json_decref(json);
	assert_int_equal(net->addresses.n, 1);
}

/* Both shapes of JSON; null means not given; errors have a path and no line. */
static void test_json(void **state)
{
	struct vnet_error err = { 0 };
	AUTO_NETWORKS network_vec bare = { 0 };
	AUTO_NETWORKS network_vec wrapped = { 0 };
	AUTO_NETWORKS network_vec none = { 0 };
	json_t *json = json_pack("{s:{s:s,s:[s],s:n}}", "blue", "mode", "routed", "addresses",
				 "10.1.0.1/24", "domain");
	json_t *outer = json_pack("{s:O}", "networks", json);
	json_t *wrong =
		json_pack("{s:{s:s,s:{s:s}}}", "blue", "mode", "nat", "bridge", "stp", "true");

	(void)state;
	assert_int_equal(networks_from_json(json, &bare, &err), 0);
	assert_int_equal(networks_from_json(outer, &wrapped, &err), 0);
	assert_true(network_equal(bare.v[0], wrapped.v[0]));
	assert_int_equal(bare.v[0]->source.line, 0);
	assert_null(bare.v[0]->domain);
	assert_int_equal(networks_from_json(wrong, &none, &err), -EINVAL);
	assert_string_equal(err.path, "blue.bridge.stp");
	assert_int_equal(err.line, 0);
	assert_int_equal(none.n, 0);
	json_decref(json);
	json_decref(outer);
	json_decref(wrong);
}

static void assert_refused(const char *text, size_t size, int number, const char *code)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	assert_int_equal(networks_from_yaml(text, size, "big.yaml", &nets, &err), number);
	assert_string_equal(err.code, code);
	assert_int_equal(nets.n, 0);
}

static void test_limits(void **state)
{
	size_t size = 100 * 1024 * 1024;
	AUTO_FREE char *text = mem_alloc(size);
	AUTO_FREE char *hosts = NULL;
	size_t pos;

	(void)state;
	memset(text, ' ', size);
	assert_refused(text, size, -E2BIG, "text-too-long");
	memset(text, '[', 1000);
	assert_refused(text, 1000, -E2BIG, "nested-too-deep");
	for (size_t i = 0; i < NETWORKS_TEXT_MAX; i += 2)
		memcpy(text + i, i ? "1," : "[ ", 2);
	assert_refused(text, NETWORKS_TEXT_MAX, -E2BIG, "too-many-values");

	hosts = mem_alloc(1024 * 1024);
	pos = (size_t)sprintf(hosts, "networks: {n: {mode: nat, dhcp: {hosts: [");
	for (unsigned i = 0; i <= NETWORK_HOSTS_MAX; i++)
		pos += (size_t)sprintf(hosts + pos, "{name: h%u},", i);
	pos += (size_t)sprintf(hosts + pos, "]}}}");
	assert_refused(hosts, pos, -EINVAL, "too-many");
}

/* Definitions cut at every byte: an error or a network, never a crash. */
static void test_truncated(void **state)
{
	size_t size = 0;
	AUTO_FREE char *text = golden_read(GOLDEN "full.yaml", &size);
	size_t refused = 0;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < size; i++) {
		AUTO_NETWORKS network_vec nets = { 0 };
		struct vnet_error err = { 0 };

		refused += networks_from_yaml(text, i, NULL, &nets, &err) < 0;
	}
	assert_true(refused > size / 2);
}

/* Which devices a mode has, and what they are called. */
static void test_devices(void **state)
{
	static const struct {
		const char *definition, *bridge, *vlan;
		bool has_bridge, owns_bridge, takes_uplink;
	} cases[] = {
		{ "{mode: isolated}", "vn-blue", "vl-blue", true, true, false },
		{ "{mode: isolated, bridge: {name: br0}}", "br0", "vl-blue", true, true, false },
		{ "{mode: bridged, bridge: {name: br0}}", "br0", "vl-blue", true, false, false },
		{ "{mode: bridged, uplink: eth0}", "vn-blue", "vl-blue", true, true, true },
		{ "{mode: bridged, uplink: eth0, vlan: 5}", "vn-blue", "vl-blue", true, true, false },
		{ "{mode: isolated, uplink: eth0, vlan: 5}", "vn-blue", "vl-blue", true, true, false },
		{ "{mode: macvtap, uplink: eth0}", "vc-blue", "vl-blue", false, false, false },
		{ "{mode: sriov, uplink: eth0}", "", "vl-blue", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *yaml = mem_printf("networks: {blue: %s}", cases[i].definition);
		AUTO(network_free) struct network *net = read_one(yaml);
		char name[16];

		assert_string_equal(network_bridge(net, name), cases[i].bridge);
		assert_string_equal(network_device(net, NETWORK_VLAN_PREFIX, name), cases[i].vlan);
		assert_int_equal(network_has_bridge(net), cases[i].has_bridge);
		assert_int_equal(network_owns_bridge(net), cases[i].owns_bridge);
		assert_int_equal(network_takes_uplink(net), cases[i].takes_uplink);
	}
}

/* Names that would not fit are hashed; they are on disk and in the kernel, so they never change. */
static void test_long_names(void **state)
{
	AUTO(network_free)
	struct network *a = read_one("networks: {twelve-bytes: {mode: macvtap, uplink: e}}");
	AUTO(network_free)
	struct network *b = read_one("networks: {thirteen-byte: {mode: macvtap, uplink: e}}");
	AUTO(network_free)
	struct network *c = read_one("networks: {thirteen-bytf: {mode: macvtap, uplink: e}}");
	char name[16], other[16];

	(void)state;
	assert_string_equal(network_bridge(a, name), "vc-twelve-bytes");
	assert_string_equal(network_bridge(b, name), "vc-f39bb0b652ca");
	assert_string_equal(network_device(b, NETWORK_IFB_PREFIX, name), "vi-732ceee367be");
	assert_string_not_equal(network_bridge(b, name), network_bridge(c, other));
}

static void test_links(void **state)
{
	AUTO(network_free)
	struct network *net = read_one(
		"networks: {blue: {mode: isolated, links: ["
		"{name: a, kind: gretap, local: 192.0.2.1, peers: [192.0.2.2, 192.0.2.3]},"
		"{name: b, kind: gretap, local: 192.0.2.1, key: 0},"
		"{name: c, kind: gretap, local: '2001:db8::1'},"
		"{name: d, kind: gretap, local: '2001:db8::1', key: 7},"
		"{name: e, kind: vxlan, vni: 7, local: 192.0.2.1},"
		"{name: f, kind: vxlan, vni: 7, local: '2001:db8::1', external: true}]}}");
	static const unsigned overheads[] = { 38, 42, 58, 62, 50, 70 };
	const struct network_link *v = net->links.v;
	char first[16], second[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(overheads); i++)
		assert_int_equal(network_link_overhead(&v[i]), overheads[i]);
	assert_string_equal(network_link_device(net, &v[0], &v[0].peers.v[0], first), "vge0d718ff");
	assert_string_equal(network_link_device(net, &v[4], NULL, second), "vxbc29e305");
	network_link_device(net, &v[0], &v[0].peers.v[1], second);
	assert_string_not_equal(first, second);
	network_link_device(net, &v[1], &v[0].peers.v[0], second);
	assert_string_not_equal(first, second);
	assert_true(v[0].pmtudisc && v[0].split_horizon && v[0].learning && v[4].learning);
	assert_false(v[5].learning);
	assert_string_equal(link_kind_name(v[0].kind), "gretap");
	assert_string_equal(link_kind_name(v[4].kind), "vxlan");
}

static void test_vlans(void **state)
{
	AUTO(network_free)
	struct network *net =
		read_one("networks: {blue: {mode: bridged, uplink: e, bridge: {vlan_filtering: true, "
			 "uplink_vlans: [20-30, 10, 4094]}}}");
	AUTO(network_free)
	struct network *none = read_one("networks: {blue: {mode: isolated, bridge: "
					"{vlan_filtering: true, native: 0}}}");
	const vlan_range_vec *ids = &net->bridge.uplink_vlans;
	static const unsigned in[] = { 10, 20, 25, 30, 4094 }, out[] = { 0, 1, 9, 11, 19, 31, 4093, 4095 };

	(void)state;
	assert_int_equal(ids->n, 3);
	assert_int_equal(ids->v[0].first, 10);
	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		assert_true(vlan_ranges_contain(ids, in[i]));
	for (size_t i = 0; i < ARRAY_SIZE(out); i++)
		assert_false(vlan_ranges_contain(ids, out[i]));
	assert_int_equal(network_native_vlan(net), 1);
	assert_int_equal(network_native_vlan(none), 0);
	assert_int_equal(vlan_protocol_ethertype(VLAN_8021Q), 0x8100);
	assert_int_equal(vlan_protocol_ethertype(VLAN_8021AD), 0x88a8);
}

/* Networks made by `vlans` say where they come from, and JSON makes the same of them. */
static void test_made_networks(void **state)
{
	static const char yaml[] = "networks:\n"
				   "  lab:\n"
				   "    mode: isolated\n"
				   "    uplink: eth0\n"
				   "    vlans: [7, 100-163]\n";
	json_t *json = json_pack("{s:{s:s,s:s,s:[i,s]}}", "lab", "mode", "isolated", "uplink", "eth0",
				 "vlans", 7, "100-163");
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO_NETWORKS network_vec twins = { 0 };
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(networks_from_yaml(yaml, sizeof(yaml) - 1, "lab.yaml", &nets, &err), 0);
	assert_int_equal(networks_from_json(json, &twins, &err), 0);
	json_decref(json);
	assert_int_equal(nets.n, 65);
	assert_int_equal(twins.n, 65);
	for (size_t i = 0; i < nets.n; i++)
		assert_true(network_equal(nets.v[i], twins.v[i]));
	assert_string_equal(nets.v[0]->name, "lab.7");
	assert_string_equal(nets.v[64]->name, "lab.163");
	assert_int_equal(nets.v[64]->vlan.id, 163);
	assert_string_equal(nets.v[64]->source.file, "lab.yaml");
	assert_int_equal(nets.v[64]->source.line, 2);
	network_locate(nets.v[64], "vlan", &err); /* no error is set: stays silent */
	assert_false(vnet_error_is_set(&err));
	vnet_error_set(&err, -EINVAL, "x", "x");
	network_locate(nets.v[64], "vlan", &err);
	assert_int_equal(err.line, 5);
	assert_string_equal(err.path, "lab.163.vlan");
}

static void test_shaper_burst(void **state)
{
	static const struct {
		struct bandwidth limit;
		uint32_t burst;
	} cases[] = {
		{ { .rate = 8000 }, 15140 },
		{ { .rate = 24224000 }, 15140 },
		{ { .rate = 24225600 }, 15141 },
		{ { .rate = 1000000000 }, 625000 },
		{ { .rate = 1000000000000 }, 625000000 },
		{ { .rate = 1000000000000, .burst = 1600 }, 1600 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(shaper_burst(&cases[i].limit), cases[i].burst);
}

static void test_bridge_mac(void **state)
{
	AUTO(network_free)
	struct network *net =
		read_one("networks: {blue: {mode: isolated, bridge: {mac: 52:54:00:aa:bb:cc}}}");
	AUTO(network_free) struct network *blue = read_one("networks: {blue: {mode: isolated}}");
	AUTO(network_free) struct network *green = read_one("networks: {green: {mode: isolated}}");
	struct mac a = network_bridge_mac(blue), b = network_bridge_mac(green);
	char text[ADDR_TEXT_MAX];

	(void)state;
	a = network_bridge_mac(net);
	assert_string_equal(mac_format(&a, text), "52:54:00:aa:bb:cc");
	a = network_bridge_mac(blue);
	assert_string_equal(mac_format(&a, text), "52:54:00:7f:3c:f7");
	assert_int_not_equal(mac_cmp(&a, &b), 0);
}

/* Bridges of one name that links join must differ: the first link's end tells them apart. */
static void test_bridge_mac_with_links(void **state)
{
#define LINK(local) "{name: l, kind: gretap, local: " local "}"
	static const char *const links[] = { "[]", "[" LINK("192.0.2.1") "]",
					     "[" LINK("192.0.2.2") "]", "[" LINK("'fd00::1'") "]" };
	struct mac macs[ARRAY_SIZE(links)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		AUTO_FREE char *yaml =
			mem_printf("networks: {blue: {mode: isolated, links: %s}}", links[i]);
		AUTO(network_free) struct network *net = read_one(yaml);

		macs[i] = network_bridge_mac(net);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(mac_cmp(&macs[i], &macs[k]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_reference_of_codes),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_defaults_that_follow),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_chosen_address),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_made_networks),
		cmocka_unit_test(test_shaper_burst),
		cmocka_unit_test(test_bridge_mac),
		cmocka_unit_test(test_bridge_mac_with_links),
	};

	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
