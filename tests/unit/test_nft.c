/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_nft.c - rules as values: golden files, and what must hold between any two
 *
 * UPDATE_GOLDEN=1 makes the golden files anew; read the difference before committing.
 */

#include "tests/support/nft_cases.h"

#include "nft/ast.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct nft_ruleset *compile_case(const char *name)
{
	struct nft_case c;
	struct nft_ruleset *rs;

	assert_int_equal(nft_case_load(name, &c), 0);
	rs = nft_case_compile(&c);
	nft_case_free(&c);
	return rs;
}

static void check_golden(const char *name)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = compile_case(name);
	AUTO_FREE char *text = nft_ruleset_to_text(rs);
	AUTO_FREE char *path = mem_printf(NFT_CASE_DIR "%s.nft", name);
	AUTO_FREE char *want = NULL;

	if (getenv("UPDATE_GOLDEN")) {
		FILE *f = fopen(path, "we");

		assert_non_null(f);
		fputs(text, f);
		fclose(f);
	}
	want = nft_case_read(name, ".nft");
	assert_non_null(want);
	assert_string_equal(text, want);
}

static void test_golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nft_cases); i++)
		check_golden(nft_cases[i]);
}

/* apply(diff(a, b), b) == a, in as few steps as it claims. */
static void check_pair(const struct nft_ruleset *want, const struct nft_ruleset *have)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = nft_ruleset_copy(have);
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(want, have);
	AUTO_FREE char *text = nft_txn_to_text(txn);
	AUTO_FREE char *got = NULL, *wanted = nft_ruleset_to_text(want);
	struct vnet_error err = { 0 };

	if (nft_txn_apply(txn, &rs, &err) < 0)
		fail_msg("%s\n%s", err.message, text);
	got = nft_ruleset_to_text(rs);
	assert_string_equal(got, wanted);
	assert_true(nft_ruleset_equal(want, rs));
	assert_true(nft_ruleset_equal(rs, want));
}

static void test_diff_of_every_pair(void **state)
{
	struct nft_ruleset *all[ARRAY_SIZE(nft_cases) + 2];
	size_t n = 0;

	(void)state;
	for (; n < ARRAY_SIZE(nft_cases); n++)
		all[n] = compile_case(nft_cases[n]);
	all[n++] = nft_compile(NULL, 0, NULL, 0);
	all[n++] = NULL;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			check_pair(all[i], all[j]);
	for (size_t i = 0; i < n; i++)
		nft_ruleset_free(all[i]);
}

static void test_nothing_wanted_is_no_table(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *none = nft_compile(NULL, 0, NULL, 0);
	AUTO(nft_ruleset_free) struct nft_ruleset *some = compile_case("nat");
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(none, some);
	AUTO_FREE char *text = nft_txn_to_text(txn);
	AUTO_FREE char *summary = nft_txn_summary(txn);
	struct vnet_error err = { 0 };

	(void)state;
	assert_string_equal(text, "delete table bridge vnet\ndelete table inet vnet\n");
	assert_string_equal(summary, "2 tables deleted");
	assert_int_equal(nft_txn_apply(txn, &some, &err), 0);
	assert_null(some);
}

static struct nft_ruleset *compile_yaml(const char *yaml)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	if (networks_from_yaml(yaml, strlen(yaml), "test", &nets, &err) < 0)
		fail_msg("%s", err.message);
	return nft_compile((const struct network *const *)nets.v, nets.n, NULL, 0);
}

static void check_change(const char *before, const char *after, const char *want)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *old = compile_yaml(before);
	AUTO(nft_ruleset_free) struct nft_ruleset *new = compile_yaml(after);
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(new, old);
	AUTO_FREE char *text = nft_txn_to_text(txn);

	assert_string_equal(text, want);
	check_pair(new, old);
}

#define BLUE "networks:\n  blue:\n    mode: nat\n    addresses: [10.1.0.1/24]\n"
#define RED "  red:\n    mode: nat\n    addresses: [10.2.0.1/24]\n"

/* A ruleset as a resolver has filled it. */
static struct nft_ruleset *compile_filled(const char *yaml, const char *address)
{
	struct nft_ruleset *rs = compile_yaml(yaml);

	vec_each(instance, &rs->instances) {
		struct ip ip;

		assert_int_equal(ip_parse(address, &ip), 0);
		if (nft_sets[instance->set].key[0] == NFT_T_IP4)
			memcpy(vec_add(&instance->elems)->key, ip.b, 4);
	}
	return rs;
}

static size_t count_filled(const struct nft_ruleset *rs)
{
	size_t n = 0;

	vec_each(instance, &rs->instances)
		n += instance->elems.n;
	return n;
}

static struct nft_ruleset *change_filled(const char *before, const char *after)
{
	struct nft_ruleset *rs = compile_filled(before, "192.0.2.1");
	AUTO(nft_ruleset_free) struct nft_ruleset *new = compile_yaml(after);
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(new, rs);
	struct vnet_error err = { 0 };

	assert_int_equal(count_filled(rs), 2);
	if (nft_txn_apply(txn, &rs, &err) < 0)
		fail_msg("%s", err.message);
	assert_true(nft_ruleset_equal(new, rs));
	return rs;
}

/* What names led to stays until one of them is taken away. */
static void test_names_that_come_and_go(void **state)
{
	static const struct {
		const char *after;
		size_t n;
	} cases[] = {
		{ BLUE "    egress: [b.test, a.test]\n", 2 },
		{ BLUE "    egress: [a.test, 203.0.113.0/24, b.test]\n" RED, 2 },
		{ BLUE "    egress: [a.test, b.test, c.test]\n", 2 },
		{ BLUE "    egress: [a.test]\n", 0 },
		{ BLUE "    egress: [a.test, c.test]\n", 0 },
		{ BLUE "    egress: [a.test, \"*.b.test\"]\n", 0 },
		{ BLUE "    egress: []\n", 0 },
		{ RED "    egress: [a.test, b.test]\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *yaml = cases[i].after[0] == ' ' ?
					       mem_printf("networks:\n%s", cases[i].after) :
					       mem_strdup(cases[i].after);
		AUTO(nft_ruleset_free) struct nft_ruleset *rs =
			change_filled(BLUE "    egress: [a.test, b.test]\n", yaml);

		if (count_filled(rs) != cases[i].n)
			fail_msg("%zu addresses are left, not %zu: %s", count_filled(rs), cases[i].n,
				 yaml);
	}
}

/* An address that is answered no more is out of both sets after two turns. */
static void test_aging(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs =
		compile_filled(BLUE "    egress: [a.test]\n" RED "    egress: [b.test]\n", "192.0.2.1");
	AUTO_NETWORKS network_vec nets = { 0 };
	static const char yaml[] =
		BLUE "    egress: [a.test]\n" RED "    egress: [192.0.2.0/24]\n";
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), "test", &nets, &err), 0);
	for (unsigned generation = 0; generation < EGRESS_GENERATIONS; generation++) {
		AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_for_aging(
			(const struct network *const *)nets.v, nets.n, generation);
		AUTO_FREE char *text = nft_txn_to_text(txn);
		AUTO_FREE char *summary = nft_txn_summary(txn);

		assert_non_null(strstr(text, generation ? "flush set inet vnet names4b.blue." :
							  "flush set inet vnet names4a.blue."));
		assert_null(strstr(text, "red"));
		assert_string_equal(summary, "2 sets emptied");
		assert_int_equal(nft_txn_apply(txn, &rs, &err), 0);
		assert_int_equal(count_filled(rs), 3 - generation);
	}
}

/* The resolver's configuration and the rules speak of the same sets. */
static void test_names_of_sets(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = compile_yaml(BLUE "    egress: [a.test]\n");
	AUTO_FREE char *text = nft_ruleset_to_text(rs);
	AUTO_NETWORKS network_vec nets = { 0 };
	static const char yaml[] = BLUE "    egress: [a.test]\n";
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), "test", &nets, &err), 0);
	for (unsigned generation = 0; generation < EGRESS_GENERATIONS; generation++) {
		char four[EGRESS_SET_MAX], six[EGRESS_SET_MAX];

		assert_non_null(strstr(text, egress_set(nets.v[0], AF_INET, generation, four)));
		assert_non_null(strstr(text, egress_set(nets.v[0], AF_INET6, generation, six)));
		assert_string_not_equal(four, six);
	}
}

static void test_a_forward_is_elements(void **state)
{
	(void)state;
	check_change(BLUE "    forwards: [tcp 80 -> 10.1.0.5:80, tcp 90 -> 10.1.0.5:90]\n",
		     BLUE "    forwards: [tcp 80 -> 10.1.0.6:80, udp 80-81 -> 10.1.0.5:80-81]\n",
		     "delete element inet vnet forwards4_any { tcp . 80 : 10.1.0.5 . 80, "
		     "tcp . 90 : 10.1.0.5 . 90 }\n"
		     "add element inet vnet forwards4_any { tcp . 80 : 10.1.0.6 . 80, "
		     "udp . 80 : 10.1.0.5 . 80, udp . 81 : 10.1.0.5 . 81 }\n");
}

#define MESH(peers) \
	"networks:\n  lan:\n    mode: open\n    links:\n" \
	"      - {name: m, kind: vxlan, vni: 42, local: 192.0.2.1, peers: [" peers "]}\n"

static void test_a_vxlan_peer_is_an_element(void **state)
{
	(void)state;
	check_change(MESH("192.0.2.2, 192.0.2.3"), MESH("192.0.2.2, 192.0.2.4"),
		     "delete element inet vnet vxlan_peers4 { 4789 . 0x2a00 . 192.0.2.3 }\n"
		     "add element inet vnet vxlan_peers4 { 4789 . 0x2a00 . 192.0.2.4 }\n");
}

static void test_a_subnet_touches_one_chain(void **state)
{
	(void)state;
	check_change(BLUE RED, BLUE "  red:\n    mode: nat\n    addresses: [10.3.0.1/24]\n",
		     "flush chain inet vnet from/red\n"
		     "add rule inet vnet from/red oifname \"vn-red\" accept comment \"inside\"\n"
		     "add rule inet vnet from/red meta nfproto ipv4 ip saddr 10.3.0.0/24 "
		     "goto nat_from comment \"its addresses\"\n"
		     "add rule inet vnet from/red counter drop comment \"not an address of this network\"\n");
}

static void test_a_network_more_touches_no_other(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *old = compile_yaml(BLUE);
	AUTO(nft_ruleset_free) struct nft_ruleset *new = compile_yaml(BLUE RED);
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(new, old);
	AUTO_FREE char *text = nft_txn_to_text(txn);

	(void)state;
	assert_null(strstr(text, "flush"));
	assert_null(strstr(text, "delete"));
	assert_null(strstr(text, "blue"));
}

/* Ports. */

static size_t count_rules(const struct nft_ruleset *rs)
{
	size_t n = 0;

	for (int f = 0; f < NFT_FAMILIES; f++)
		vec_each (chain, &rs->tables[f].chains)
			n += chain->rules.n;
	return n;
}

static void test_rules_do_not_grow_with_ports(void **state)
{
	struct nft_case c;
	struct nft_ruleset *few, *many;

	(void)state;
	assert_int_equal(nft_case_load("nat", &c), 0);
	few = nft_case_compile(&c);
	for (int i = 100; i < 5000; i++) {
		char ifname[16], mac[32];

		snprintf(ifname, sizeof(ifname), "vp%d", i);
		snprintf(mac, sizeof(mac), "52:54:00:00:%02x:%02x", i >> 8, i & 255);
		vec_push(&c.ports, nft_case_port(ifname, "blue", ifname, mac));
	}
	many = nft_case_compile(&c);
	assert_int_equal(count_rules(few), count_rules(many));
	assert_int_equal(many->sets[NFT_SET_MACS].elems.n, few->sets[NFT_SET_MACS].elems.n + 4900);
	check_pair(few, many);
	check_pair(many, few);
	nft_ruleset_free(few);
	nft_ruleset_free(many);
	nft_case_free(&c);
}

static void check_port_txn(const struct network *net, const struct port *before,
			   const struct port *after, const char *want)
{
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_for_port(net, before, after);
	AUTO_FREE char *text = nft_txn_to_text(txn);

	assert_string_equal(text, want);
}

static void test_one_port(void **state)
{
	AUTO(port_free) struct port *own = nft_case_port("a", "blue", "vp1", "52:54:00:00:00:01");
	AUTO(port_free) struct port *other = nft_case_port("a", "blue", "vp1", "52:54:00:00:00:02");
	AUTO(port_free) struct port *learning = nft_case_port("a", "blue", "vp1", "learn");
	struct network net = { .name = (char []){ "blue" }, .mode = NETWORK_NAT, .host_access = true };
	struct network foreign = { .name = (char []){ "theirs" }, .mode = NETWORK_BRIDGED };

	(void)state;
	check_port_txn(&net, NULL, own,
		       "add element bridge vnet guards { \"vp1\" : goto guard/mac }\n"
		       "add element bridge vnet members { \"vp1\" }\n"
		       "add element bridge vnet macs { \"vp1\" . 52:54:00:00:00:01 }\n");
	check_port_txn(&net, own, NULL,
		       "delete element bridge vnet guards { \"vp1\" : goto guard/mac }\n"
		       "delete element bridge vnet members { \"vp1\" }\n"
		       "delete element bridge vnet macs { \"vp1\" . 52:54:00:00:00:01 }\n");
	check_port_txn(&net, own, other,
		       "delete element bridge vnet macs { \"vp1\" . 52:54:00:00:00:01 }\n"
		       "add element bridge vnet macs { \"vp1\" . 52:54:00:00:00:02 }\n");
	check_port_txn(&net, learning, own,
		       "delete element bridge vnet guards { \"vp1\" : goto guard/learn }\n"
		       "add element bridge vnet guards { \"vp1\" : goto guard/mac }\n"
		       "add element bridge vnet macs { \"vp1\" . 52:54:00:00:00:01 }\n");
	check_port_txn(&net, own, own, "");
	check_port_txn(&foreign, NULL, learning,
		       "add element bridge vnet guards { \"vp1\" : goto guard/learn }\n"
		       "add element bridge vnet no_host { \"vp1\" }\n"
		       "add element inet vnet ports { \"vp1\" }\n");
}

static struct port *port_of(const char *what, const char *mac)
{
	struct port *port = nft_case_port("a", "wire", "vp1", mac);

	nft_case_port_is(port, what);
	return port;
}

static void test_a_port_that_tags(void **state)
{
	AUTO(port_free) struct port *access = port_of("veth", "52:54:00:00:00:01");
	AUTO(port_free) struct port *trunk = port_of("trunk", "52:54:00:00:00:01");
	struct network aware = { .name = (char []){ "wire" }, .mode = NETWORK_ISOLATED,
				 .host_access = true, .bridge.vlan_filtering = true };
	struct network one_id = { .name = (char []){ "wire" }, .mode = NETWORK_ISOLATED,
				  .host_access = true, .vlan.id = 5 };

	(void)state;
	check_port_txn(&aware, NULL, access,
		       "add element bridge vnet guards { \"vp1\" : goto guard/mac }\n"
		       "add element bridge vnet members { \"vp1\" }\n"
		       "add element bridge vnet vlan_ports { \"vp1\" }\n"
		       "add element bridge vnet macs { \"vp1\" . 52:54:00:00:00:01 }\n");
	check_port_txn(&aware, access, trunk,
		       "add element bridge vnet trunk { \"vp1\" . 0x8100 }\n");
	aware.bridge.vlan_protocol = VLAN_8021AD;
	check_port_txn(&aware, trunk, access,
		       "delete element bridge vnet trunk { \"vp1\" . 0x88a8 }\n");
	/* What a port may tag means something on a VLAN-aware bridge only. */
	check_port_txn(&one_id, access, trunk, "");
}

#define CHAIN "netdev vnet vp1"
#define NEW_CHAIN                                                                                  \
	"add chain " CHAIN " { type filter hook egress device \"vp1\" priority 0; policy drop; }\n" \
	"flush chain " CHAIN "\n"                                                                  \
	"add rule " CHAIN " goto guard/mac comment \"what the port is held to\"\n"
#define MAC(last) "element netdev vnet macs { \"vp1\" . 52:54:00:00:00:" last " }\n"

static void test_a_port_without_bridge(void **state)
{
	static const char *const kinds[] = { "macvlan", "vf" };
	AUTO(port_free) struct port *own = port_of("macvtap", "52:54:00:00:00:01");
	AUTO(port_free) struct port *other = port_of("macvtap", "52:54:00:00:00:02");
	struct network net = { .name = (char []){ "wire" }, .mode = NETWORK_MACVTAP,
			       .uplink = (char []){ "eth0" }, .host_access = false };
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL;

	(void)state;
	check_port_txn(&net, NULL, own, "add " MAC("01") NEW_CHAIN);
	check_port_txn(&net, own, other, "delete " MAC("01") "add " MAC("02"));
	check_port_txn(&net, own, own, "");
	check_port_txn(&net, own, NULL, "delete " MAC("01") "delete chain " CHAIN "\n");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		AUTO(port_free) struct port *port = port_of(kinds[i], "52:54:00:00:00:01");

		check_port_txn(&net, NULL, port, "");
		check_port_txn(&net, port, NULL, "");
	}

	rs = nft_compile(&(const struct network *){ &net }, 1, &(const struct port *){ own }, 1);
	assert_false(rs->tables[NFT_BRIDGE].exists);
	assert_false(rs->tables[NFT_INET].exists);
	assert_true(rs->tables[NFT_NETDEV].exists);
}

/* Without an address nothing may pass, rather than everything. */
static void test_a_macvtap_port_without_mac_is_closed(void **state)
{
	AUTO(port_free) struct port *port = port_of("macvtap", "learn");

	(void)state;
	check_port_txn(NULL, NULL, port, NEW_CHAIN);
}

/* Its device is gone, and the kernel has taken the chain, or has left it there without device. */
static void test_a_macvtap_device_is_gone(void **state)
{
	AUTO(port_free) struct port *port = port_of("macvtap", "52:54:00:00:00:01");
	AUTO(nft_txn_free) struct nft_txn *go = nft_txn_for_port(NULL, port, NULL);
	AUTO(nft_ruleset_free) struct nft_ruleset *with = NULL, *without = NULL, *have = NULL;
	AUTO(nft_txn_free) struct nft_txn *txn = NULL;
	AUTO_FREE char *text = NULL;
	struct network net = { .name = (char []){ "wire" }, .mode = NETWORK_MACVTAP,
			       .uplink = (char []){ "eth0" } };
	struct vnet_error err = { 0 };

	(void)state;
	with = nft_compile(&(const struct network *){ &net }, 1, &(const struct port *){ port }, 1);
	without = nft_compile(&(const struct network *){ &net }, 1, NULL, 0);
	have = nft_ruleset_copy(with);
	assert_int_equal(nft_txn_apply(go, &have, &err), 0);
	assert_true(nft_ruleset_equal(have, without));
	assert_int_equal(nft_txn_apply(go, &have, &err), 0);

	nft_ruleset_free(have);
	have = nft_ruleset_copy(with);
	nft_chain_find(have, NFT_NETDEV, "vp1")->base.is_base = false;
	check_pair(with, have);
	txn = nft_diff(without, have);
	text = nft_txn_to_text(txn);
	assert_string_equal(text, "delete " MAC("01") "delete chain " CHAIN "\n");
}

/* A port's transaction and a whole compile must never disagree. */
static void test_port_by_port_is_the_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nft_cases); i++) {
		AUTO(nft_ruleset_free) struct nft_ruleset *want = NULL, *rs = NULL;
		AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_new();
		struct vnet_error err = { 0 };
		VEC(struct port *) ports = { 0 };
		struct nft_case c;

		assert_int_equal(nft_case_load(nft_cases[i], &c), 0);
		want = nft_case_compile(&c);
		while (c.ports.n)
			vec_push(&ports, c.ports.v[--c.ports.n]);
		rs = nft_case_compile(&c);
		while (ports.n)
			vec_push(&c.ports, ports.v[--ports.n]);
		vec_each (port, &c.ports)
			vec_each (net, &c.nets)
				if (strcmp((*net)->name, (*port)->network) == 0)
					nft_txn_add_port(txn, *net, NULL, *port);
		if (strcmp(nft_cases[i], "trace") == 0)
			nft_txn_add_tracing(txn, true);
		assert_int_equal(nft_txn_apply(txn, &rs, &err), 0);
		assert_true(nft_ruleset_equal(want, rs));
		vec_free(&ports);
		nft_case_free(&c);
	}
}

/* While nobody traces, no rule mentions it: that alone would cost every packet of the host something. */
static void test_tracing_comes_and_goes(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL, *before = NULL, *traced = compile_case("trace");
	AUTO(nft_txn_free) struct nft_txn *begin = nft_txn_new(), *end = nft_txn_new();
	AUTO_FREE char *text = NULL, *while_traced = nft_ruleset_to_text(traced);
	struct vnet_error err = { 0 };
	struct nft_case c;

	(void)state;
	assert_int_equal(nft_case_load("trace", &c), 0);
	nft_txn_add_tracing(begin, true);
	nft_txn_add_tracing(end, false);
	vec_each(port, &c.ports) {
		struct network *net = strcmp((*port)->network, "wire") == 0 ? c.nets.v[1] : c.nets.v[0];
		struct port untraced = **port;

		untraced.is_traced = false;
		nft_txn_add_port(begin, net, &untraced, *port);
		nft_txn_add_port(end, net, *port, &untraced);
	}
	vec_each(port, &c.ports)
		(*port)->is_traced = false;
	rs = nft_case_compile(&c);
	before = nft_ruleset_copy(rs);
	text = nft_ruleset_to_text(rs);
	assert_null(strstr(text, "nftrace"));
	assert_non_null(strstr(while_traced, "nftrace"));
	assert_int_equal(nft_txn_apply(begin, &rs, &err), 0);
	assert_true(nft_ruleset_equal(rs, traced));
	assert_int_equal(nft_txn_apply(end, &rs, &err), 0);
	assert_true(nft_ruleset_equal(rs, before));
	nft_case_free(&c);
}

/* What a port is in and nobody defines accepts nothing, but has its chains. */
static void test_unknown_group_is_closed(void **state)
{
	AUTO(port_free) struct port *port = nft_case_port("a", "blue", "vp1", "52:54:00:00:00:01");
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL;
	struct nft_case c;

	(void)state;
	assert_int_equal(nft_case_load("nat", &c), 0);
	vec_push(&port->groups, mem_strdup("gone"));
	port->has_groups = true;
	rs = nft_compile((const struct network *const *)c.nets.v, c.nets.n,
			 &(const struct port *){ port }, 1);
	assert_int_equal(nft_chain_find(rs, NFT_BRIDGE, "ingress/gone")->rules.n, 0);
	assert_int_equal(nft_chain_find(rs, NFT_BRIDGE, "egress/gone")->rules.n, 0);
	assert_int_equal(rs->sets[NFT_SET_GROUPED].elems.n, 1);
	/* Without connection tracking nothing looks at groups, and nothing passes. */
	assert_int_equal(nft_chain_find(rs, NFT_BRIDGE, "egress")->rules.n, 2);
	assert_int_equal(nft_chain_find(rs, NFT_BRIDGE, "ingress")->rules.n, 2);
	assert_null(nft_chain_find(rs, NFT_BRIDGE, "groups/pass"));
	nft_case_free(&c);
}

/* A port whose network is not known is guarded, but on no bridge of ours. */
static void test_orphan_port_is_guarded(void **state)
{
	AUTO(port_free) struct port *port = nft_case_port("a", "gone", "vp1", "52:54:00:00:00:01");
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = NULL;

	(void)state;
	rs = nft_compile(NULL, 0, &(const struct port *){ port }, 1);
	assert_int_equal(rs->sets[NFT_MAP_GUARDS].elems.n, 1);
	assert_int_equal(rs->sets[NFT_SET_MEMBERS].elems.n, 0);
}

/* What somebody else did to our tables. */

static void test_strange_things_are_undone(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *want = compile_case("modes");
	AUTO(nft_ruleset_free) struct nft_ruleset *have = nft_ruleset_copy(want);
	AUTO(nft_txn_free) struct nft_txn *txn = NULL;
	AUTO_FREE char *text = NULL;

	(void)state;
	/* a chain of somebody's, a rule of ours replaced, an element whose device is gone */
	nft_chain_add(have, NFT_INET, "zz");
	nft_chain_find(have, NFT_INET, "nat_to")->rules.v[0].fingerprint = 0;
	memset(have->sets[NFT_SET_MEMBERS].elems.v[0].key, 0, 16);
	memcpy(have->sets[NFT_SET_MEMBERS].elems.v[0].key, "#12", 3);
	txn = nft_diff(want, have);
	text = nft_txn_to_text(txn);
	assert_non_null(strstr(text, "delete chain inet vnet zz\n"));
	assert_non_null(strstr(text, "flush chain inet vnet nat_to\n"));
	assert_non_null(strstr(text, "delete element bridge vnet members { \"#12\" }\n"));
	assert_null(strstr(text, "delete table"));
	check_pair(want, have);

	/* what can't be mended is replaced, in the same transaction */
	have->tables[NFT_BRIDGE].is_foreign = true;
	check_pair(want, have);
	nft_chain_find(have, NFT_INET, "forward")->base.priority = 5;
	check_pair(want, have);
}

static void test_apply_refuses_what_the_kernel_refuses(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = compile_case("nat");
	AUTO(nft_ruleset_free) struct nft_ruleset *before = nft_ruleset_copy(rs);
	AUTO(port_free) struct port *port = nft_case_port("a", "blue", "vp1", "52:54:00:00:00:01");
	struct network net = { .name = (char []){ "blue" }, .mode = NETWORK_NAT, .host_access = true };
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_for_port(&net, NULL, port);
	AUTO(nft_txn_free) struct nft_txn *busy = nft_txn_new();
	AUTO(nft_ruleset_free) struct nft_ruleset *nothing = NULL;
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(nft_txn_apply(txn, &nothing, &err), -ENOENT);
	assert_string_equal(err.code, "rules-missing");
	assert_null(nothing);

	vnet_error_clear(&err);
	nft_txn_add(busy, NFT_OP_FLUSH_CHAIN, NFT_BRIDGE);
	strcpy(busy->ops.v[0].chain, "prerouting");
	nft_txn_add(busy, NFT_OP_DEL_SET, NFT_BRIDGE)->set = NFT_SET_MEMBERS;
	assert_int_equal(nft_txn_apply(busy, &rs, &err), -EBUSY);
	assert_true(nft_ruleset_equal(rs, before)); /* all or nothing */
	assert_non_null(strstr(err.message, "set members of table bridge vnet"));
}

static struct port *port_held_to(const char *guard)
{
	json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:[s],s:o}", "network", "blue", "name", "a", "ifname", "vp1",
				 "mac", "52:54:00:00:00:01", "addresses", "10.0.0.5", "guard",
				 json_loads(guard, JSON_DECODE_ANY, NULL));
	struct port *port = NULL;

	assert_int_equal(port_from_request(json, &port, NULL), 0);
	json_decref(json);
	return port;
}

static void check_split(const char *before_guard, const char *after_guard, const char *now, const char *late)
{
	AUTO(port_free) struct port *before = port_held_to(before_guard);
	AUTO(port_free) struct port *after = port_held_to(after_guard);
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_for_port(NULL, before, after);
	AUTO(nft_txn_free) struct nft_txn *rest = nft_txn_split_late(txn);
	AUTO_FREE char *text = nft_txn_to_text(txn);

	assert_string_equal(text, now);
	assert_true(!rest == !late);
	if (rest) {
		AUTO_FREE char *rest_text = nft_txn_to_text(rest);

		assert_string_equal(rest_text, late);
	}
}

/* A frame in the chain that the port leaves must still find it there. */
static void test_what_a_chain_asks_for_goes_late(void **state)
{
	(void)state;
	check_split("\"strict\"", "\"mac\"",
		    "delete element bridge vnet guards { \"vp1\" : goto guard/strict }\n"
		    "delete element bridge vnet learners { \"vp1\" limit rate 1/second burst 20 packets }\n"
		    "add element bridge vnet guards { \"vp1\" : goto guard/mac }\n",
		    "delete element bridge vnet sources4 { \"vp1\" . 52:54:00:00:00:01 . 10.0.0.5 }\n"
		    "delete element bridge vnet sources6 { \"vp1\" . 52:54:00:00:00:01 . "
		    "fe80::5054:ff:fe00:1 }\n");
	/* In the same chain, what is taken away is taken away. */
	check_split("{\"policy\": \"strict\", \"addresses\": [\"10.0.0.9\"]}", "\"strict\"",
		    "delete element bridge vnet sources4 { \"vp1\" . 52:54:00:00:00:01 . 10.0.0.9 }\n", NULL);
}

/* A packet that is older than the transaction finds rules in a chain that it is sent to. */
static void test_new_chains_go_early(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *have = compile_yaml(
		"networks: {blue: {mode: nat, addresses: [10.0.0.1/24]}}");
	AUTO(nft_ruleset_free) struct nft_ruleset *want = compile_yaml(
		"networks: {blue: {mode: nat, addresses: [10.0.0.1/24], egress: [192.0.2.0/24]}}");
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(want, have), *back = nft_diff(have, want);
	AUTO(nft_txn_free) struct nft_txn *early = nft_txn_split_early(txn);
	AUTO_FREE char *first = NULL, *then = nft_txn_to_text(txn);

	(void)state;
	assert_non_null(early);
	first = nft_txn_to_text(early);
	assert_non_null(strstr(first, "add chain inet vnet "));
	assert_null(strstr(first, "delete "));
	assert_null(strstr(first, "flush "));
	assert_non_null(strstr(first, "add element inet vnet egress4 "));
	assert_null(strstr(then, "add chain inet vnet "));
	assert_null(strstr(then, "add set "));
	assert_non_null(strstr(then, "add rule inet vnet from/blue "));
	assert_int_equal(nft_txn_apply(early, &have, NULL), 0);
	assert_int_equal(nft_txn_apply(txn, &have, NULL), 0);
	assert_true(nft_ruleset_equal(want, have));
	/* Nothing new to go to: one transaction. */
	assert_null(nft_txn_split_early(back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_chain_asks_for_goes_late),
		cmocka_unit_test(test_new_chains_go_early),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_diff_of_every_pair),
		cmocka_unit_test(test_nothing_wanted_is_no_table),
		cmocka_unit_test(test_a_forward_is_elements),
		cmocka_unit_test(test_names_that_come_and_go),
		cmocka_unit_test(test_aging),
		cmocka_unit_test(test_names_of_sets),
		cmocka_unit_test(test_a_vxlan_peer_is_an_element),
		cmocka_unit_test(test_a_subnet_touches_one_chain),
		cmocka_unit_test(test_a_network_more_touches_no_other),
		cmocka_unit_test(test_rules_do_not_grow_with_ports),
		cmocka_unit_test(test_one_port),
		cmocka_unit_test(test_a_port_that_tags),
		cmocka_unit_test(test_a_port_without_bridge),
		cmocka_unit_test(test_a_macvtap_port_without_mac_is_closed),
		cmocka_unit_test(test_a_macvtap_device_is_gone),
		cmocka_unit_test(test_port_by_port_is_the_whole),
		cmocka_unit_test(test_tracing_comes_and_goes),
		cmocka_unit_test(test_unknown_group_is_closed),
		cmocka_unit_test(test_orphan_port_is_guarded),
		cmocka_unit_test(test_strange_things_are_undone),
		cmocka_unit_test(test_apply_refuses_what_the_kernel_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
