/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_access.c - who may attach to what: access.yaml, bridge.conf, owners. */

#include "base/strbuf.h"
#include "model/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#define ALICE 1000
#define BOB   1001
#define KVM   36

static int resolve_user(const char *name, uint32_t *ret_id)
{
	if (strcmp(name, "alice") != 0 && strcmp(name, "bob") != 0)
		return -ENOENT;
	*ret_id = name[0] == 'a' ? ALICE : BOB;
	return 0;
}

static int resolve_group(const char *name, uint32_t *ret_id)
{
	if (strcmp(name, "kvm") != 0)
		return -ENOENT;
	*ret_id = KVM;
	return 0;
}

static const struct access_resolver resolver = { resolve_user, resolve_group };

static struct access_policy *read_policy(const char *text)
{
	struct access_policy *policy = NULL;
	struct vnet_error err = { 0 };
	char buf[1024];

	if (access_policy_from_yaml(text, strlen(text), "access.yaml", &resolver, &policy, &err) <
	    0)
		fail_msg("%s", vnet_error_text(&err, buf, sizeof(buf)));
	return policy;
}

/* A network, a port on it and a peer, to be changed by each test. */
struct scene {
	struct network *net;
	struct port *port;
	struct peer peer;
	bool mac_chosen;
	size_t n_ports;
};

static struct network *make_network(const char *name)
{
	AUTO_FREE char *yaml = mem_printf("networks: {%s: {mode: isolated}}", name);
	AUTO_NETWORKS network_vec nets = { 0 };

	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), NULL, &nets, NULL), 0);
	return TAKE(nets.v[0]);
}

static void scene_init(struct scene *s, const char *network, uint32_t uid)
{
	json_t *json = json_pack("{s:s,s:s}", "network", network, "name", "web");

	memset(s, 0, sizeof(*s));
	s->net = make_network(network);
	assert_int_equal(port_from_request(json, &s->port, NULL), 0);
	port_complete(s->port, s->net);
	s->peer.uid = s->peer.gid = uid;
	json_decref(json);
}

static void scene_free(struct scene *s)
{
	network_free(s->net);
	port_free(s->port);
	vec_free(&s->peer.groups);
}

static int attach(const struct access_policy *policy, const struct scene *s, struct vnet_error *err)
{
	const struct access_request request = {
		.network = s->net,
		.port = s->port,
		.mac_chosen = s->mac_chosen,
		.n_ports_of_owner = s->n_ports,
	};

	vnet_error_clear(err);
	return access_check_attach(policy, &s->peer, &request, err);
}

static int attach_as(const struct access_policy *policy, const char *network, uint32_t uid)
{
	struct vnet_error err = { 0 };
	struct scene s;
	int r;

	scene_init(&s, network, uid);
	r = attach(policy, &s, &err);
	assert_int_equal(r < 0, vnet_error_is_set(&err));
	assert_int_equal(access_may_see(policy, &s.peer, s.net), r == 0);
	scene_free(&s);
	return r;
}

static void test_no_policy(void **state)
{
	AUTO(access_policy_free) struct access_policy *empty = access_policy_new();
	AUTO(access_policy_free) struct access_policy *comments = read_policy("# rules: later\n");

	(void)state;
	assert_int_equal(attach_as(NULL, "blue", 0), 0);
	assert_int_equal(attach_as(NULL, "blue", ALICE), -EACCES);
	assert_int_equal(attach_as(empty, "blue", 0), 0);
	assert_int_equal(attach_as(empty, "blue", ALICE), -EACCES);
	assert_int_equal(attach_as(comments, "blue", ALICE), -EACCES);
}

static void test_first_match_decides(void **state)
{
	AUTO(access_policy_free)
	struct access_policy *policy = read_policy("rules:\n"
						   "  - {deny: [lab-secret], everyone: true}\n"
						   "  - {allow: [blue, 'lab-*'], users: [alice]}\n"
						   "  - {deny: [blue], users: [bob]}\n"
						   "  - {allow: [blue], users: [bob]}\n"
						   "  - {allow: ['?'], groups: [kvm]}\n"
						   "  - {allow: [open-to-all], everyone: true}\n"
						   "  - {allow: [numbers], users: [1001]}\n");
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	assert_int_equal(attach_as(policy, "blue", ALICE), 0);
	assert_int_equal(attach_as(policy, "lab-1", ALICE), 0);
	assert_int_equal(attach_as(policy, "lab-secret", ALICE), -EACCES);
	assert_int_equal(attach_as(policy, "lab-secret", 0), 0);
	assert_int_equal(attach_as(policy, "lab", ALICE), -EACCES);
	assert_int_equal(attach_as(policy, "blue", BOB), -EACCES);
	assert_int_equal(attach_as(policy, "numbers", BOB), 0);
	assert_int_equal(attach_as(policy, "numbers", ALICE), -EACCES);
	assert_int_equal(attach_as(policy, "open-to-all", 4711), 0);
	assert_int_equal(attach_as(policy, "x", ALICE), -EACCES);
	assert_int_equal(attach_as(policy, "x", KVM), 0); /* as primary group */

	scene_init(&s, "x", ALICE);
	vec_push(&s.peer.groups, 7);
	vec_push(&s.peer.groups, KVM);
	assert_int_equal(attach(policy, &s, &err), 0);
	scene_free(&s);
}

/* The error names the peer, the network, the rule and the remedy. */
static void test_messages(void **state)
{
	AUTO(access_policy_free)
	struct access_policy *policy = read_policy("rules:\n  - {deny: [blue], users: [bob]}\n");
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	scene_init(&s, "blue", BOB);
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_string_equal(err.code, "access-denied");
	assert_string_equal(
		err.message,
		"uid 1001 may not attach to network blue: this rule denies it; to allow "
		"it, root writes the rule \"- {allow: [blue], users: [1001]}\" first under "
		"rules in access.yaml");
	assert_string_equal(err.file, "access.yaml");
	assert_int_equal(err.line, 2);
	s.peer.uid = s.peer.gid = ALICE;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "no rule allows it"));
	assert_int_equal(err.line, 0);
	scene_free(&s);
}

/* A rule that says no more than who and where allows no more than a plain port. */
static void test_plain_rule(void **state)
{
	AUTO(access_policy_free)
	struct access_policy *policy = read_policy("rules: [{allow: [blue], users: [alice]}]");
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	scene_init(&s, "blue", ALICE);
	assert_int_equal(attach(policy, &s, &err), 0);

	s.n_ports = ACCESS_PORTS_DEFAULT;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "max_ports"));
	s.n_ports = ACCESS_PORTS_DEFAULT - 1;
	assert_int_equal(attach(policy, &s, &err), 0);

	s.port->queues = ACCESS_QUEUES_DEFAULT + 1;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "max_queues"));
	s.port->queues = ACCESS_QUEUES_DEFAULT;
	assert_int_equal(attach(policy, &s, &err), 0);

	s.mac_chosen = true;
	assert_int_equal(attach(policy, &s, &err), 0);

	ip_parse("10.0.0.5", vec_add(&s.port->addresses));
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "the address 10.0.0.5"));
	s.port->addresses.n = 0;

	strcpy(s.port->ifname, "tap0");
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "ifnames"));
	strcpy(s.port->ifname, "vp12x");
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	strcpy(s.port->ifname, "vp");
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	strcpy(s.port->ifname, "vp12");
	assert_int_equal(attach(policy, &s, &err), 0);

	s.port->persistent = true;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "the key persistent"));
	s.port->persistent = false;
	s.port->adopted = true;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "the key adopt"));
	s.port->adopted = false;

	s.net->port_defaults.isolated = true;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "lift_isolation"));
	s.port->isolated = true;
	assert_int_equal(attach(policy, &s, &err), 0);
	s.peer.uid = 0;
	s.port->persistent = s.port->adopted = true;
	s.port->isolated = false;
	assert_int_equal(attach(policy, &s, &err), 0);
	scene_free(&s);
}

static void test_generous_rule(void **state)
{
	AUTO(access_policy_free)
	struct access_policy *policy = read_policy("rules:\n"
						   "- allow: [blue]\n"
						   "  users: [alice]\n"
						   "  kinds: [tap]\n"
						   "  macs: ['52:54:00', '02:00:00:00:00:01']\n"
						   "  addresses: [10.0.0.0/28, 'fd00::5']\n"
						   "  ifnames: ['tap?', 'vm-*']\n"
						   "  persistent: true\n"
						   "  adopt: true\n"
						   "  lift_isolation: true\n"
						   "  max_ports: 2\n"
						   "  max_queues: 64\n");
	static const struct {
		const char *mac;
		int r;
	} macs[] = {
		{ "52:54:00:ff:00:01", 0 },
		{ "02:00:00:00:00:01", 0 },
		{ "02:00:00:00:00:02", -EACCES },
		{ "52:54:01:00:00:01", -EACCES },
	};
	static const struct {
		const char *ip;
		int r;
	} ips[] = {
		{ "10.0.0.15", 0 },
		{ "10.0.0.16", -EACCES },
		{ "fd00::5", 0 },
		{ "fd00::6", -EACCES },
	};
	static const struct {
		const char *name;
		int r;
	} ifnames[] = {
		{ "tap0", 0 },	 { "tap10", -EACCES }, { "vm-", 0 },
		{ "vm-web", 0 }, { "eth0", -EACCES },
	};
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	scene_init(&s, "blue", ALICE);
	s.port->persistent = s.port->adopted = true;
	s.net->port_defaults.isolated = true;
	s.port->queues = 64;
	assert_int_equal(attach(policy, &s, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(macs); i++) {
		mac_parse(macs[i].mac, &s.port->mac);
		s.mac_chosen = true;
		assert_int_equal(attach(policy, &s, &err), macs[i].r);
		s.mac_chosen = false; /* derived from the name: the daemon's choice */
		assert_int_equal(attach(policy, &s, &err), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ips); i++) {
		ip_parse(ips[i].ip, vec_add(&s.port->addresses));
		assert_int_equal(attach(policy, &s, &err), ips[i].r);
		s.port->addresses.n = 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(ifnames); i++) {
		strcpy(s.port->ifname, ifnames[i].name);
		assert_int_equal(attach(policy, &s, &err), ifnames[i].r);
	}
	s.port->ifname[0] = '\0';
	s.n_ports = 2;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	s.n_ports = 0;
	/* A learned MAC would pass by the list of MACs. */
	s.port->learns_mac = true;
	s.port->has_mac = false;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "learn_mac"));
	scene_free(&s);
}

static void test_learning(void **state)
{
	AUTO(access_policy_free)
	struct access_policy *plain = read_policy("rules: [{allow: [blue], users: [alice]}]");
	AUTO(access_policy_free)
	struct access_policy *no =
		read_policy("rules: [{allow: [blue], users: [alice], learn_mac: false}]");
	AUTO(access_policy_free)
	struct access_policy *both = read_policy(
		"rules: [{allow: [blue], users: [alice], learn_mac: true, macs: ['52:54:00']}]");
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	scene_init(&s, "blue", ALICE);
	s.port->learns_mac = true;
	s.port->has_mac = false;
	assert_int_equal(attach(plain, &s, &err), 0);
	assert_int_equal(attach(no, &s, &err), -EACCES);
	assert_int_equal(attach(both, &s, &err), 0);
	scene_free(&s);
}

static void test_update(void **state)
{
	AUTO(access_policy_free)
	struct access_policy *policy =
		read_policy("rules: [{allow: [blue], users: [alice], macs: ['52:54:00']}]");
	AUTO(port_free) struct port *after = NULL;
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	scene_init(&s, "blue", ALICE);
	s.port->owner_uid = ALICE;
	after = port_copy(s.port);
	after->link_down = true;
	assert_int_equal(access_check_update(policy, &s.peer, s.net, s.port, after, &err), 0);
	mac_parse("02:00:00:00:00:02", &after->mac);
	assert_int_equal(access_check_update(policy, &s.peer, s.net, s.port, after, &err), -EACCES);
	vnet_error_clear(&err);
	mac_parse("52:54:00:00:00:02", &after->mac);
	assert_int_equal(access_check_update(policy, &s.peer, s.net, s.port, after, &err), 0);
	s.port->owner_uid = BOB;
	assert_int_equal(access_check_update(policy, &s.peer, s.net, s.port, after, &err), -EACCES);
	scene_free(&s);
}

static void test_owner(void **state)
{
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	scene_init(&s, "blue", ALICE);
	s.port->owner_uid = ALICE;
	assert_int_equal(access_check_port(&s.peer, s.port, &err), 0);
	assert_int_equal(access_check_configure(&s.peer, &err), -EACCES);
	vnet_error_clear(&err);
	s.peer.uid = BOB;
	assert_int_equal(access_check_port(&s.peer, s.port, &err), -EACCES);
	assert_non_null(strstr(err.message, "port web belongs to uid 1000"));
	s.peer.uid = 0;
	vnet_error_clear(&err);
	assert_int_equal(access_check_port(&s.peer, s.port, &err), 0);
	assert_int_equal(access_check_configure(&s.peer, &err), 0);
	scene_free(&s);
}

/* What a rule has to say before others than root have it: VLANs, bridge options, more bandwidth. */
#define AWARE "bridge: {vlan_filtering: true, native: 5}"
#define GROUPED "mode: isolated, ports: {groups: [base]}"
#define STRICT                                                                                     \
	"mode: isolated, ports: {guard: {policy: strict, allow: [llc], ethertypes: [lldp], "       \
	"storm: {broadcast: 50}}}"
#define HAS(address) "\"guard\": {\"addresses\": [\"" address "\"], \"storm\": {\"broadcast\": 50}}"
static const struct wire_case {
	const char *network; /* keys of blue */
	const char *request; /* keys of the port */
	const char *rule;    /* more keys of the rule */
	const char *lacks;   /* the key that would allow it; NULL: it is allowed */
} wire_cases[] = {
	{ "mode: isolated, " AWARE, "", "", NULL },
	{ "mode: isolated, " AWARE, "\"vlan\": 5", "", NULL },
	{ "mode: isolated, " AWARE, "\"vlan\": 6", "", "vlans" },
	{ "mode: isolated, " AWARE, "\"vlan\": 6", "vlans: 7", "vlans" },
	{ "mode: isolated, " AWARE, "\"vlan\": 6", "vlans: [6]", NULL },
	{ "mode: isolated, " AWARE, "\"vlan\": {\"native\": 5, \"tagged\": [6]}", "vlans: 6", "vlans" },
	{ "mode: isolated, " AWARE, "\"vlan\": {\"native\": 5, \"tagged\": [6]}", "vlans: 5-6", NULL },
	{ "mode: isolated, " AWARE, "\"vlan\": {\"tagged\": [\"6-9\"]}", "vlans: [6-7, 9]", "vlans" },
	{ "mode: isolated, " AWARE, "\"vlan\": {\"tagged\": [\"6-9\"]}", "vlans: [6-7, 8-10]", NULL },
	{ "mode: isolated, " AWARE ", ports: {vlan: {native: 5, tagged: 6}}", "", "", NULL },
	{ "mode: isolated, " AWARE ", ports: {vlan: {native: 5, tagged: 6}}", "\"vlan\": 5", "",
	  "vlans" },
	{ "mode: isolated", "\"hairpin\": true", "", "options" },
	{ "mode: isolated", "\"hairpin\": true", "options: true", NULL },
	{ "mode: isolated, ports: {flood: false}", "", "", NULL },
	{ "mode: isolated, ports: {flood: false}", "\"flood\": true", "", "options" },
	{ "mode: isolated", "\"offloads\": {\"tso\": false}", "", NULL },
	{ "mode: isolated", "\"bandwidth\": {\"in\": \"10mbit\"}", "", NULL },
	{ "mode: isolated, ports: {bandwidth: {in: 10mbit}}", "", "", NULL },
	{ "mode: isolated, ports: {bandwidth: {in: 10mbit}}", "\"bandwidth\": {\"in\": \"9mbit\"}", "",
	  NULL },
	{ "mode: isolated, ports: {bandwidth: {in: 10mbit}}", "\"bandwidth\": {\"in\": \"11mbit\"}", "",
	  "lift_limits" },
	{ "mode: isolated, ports: {bandwidth: {in: 10mbit}}", "\"bandwidth\": {\"in\": 0}", "",
	  "lift_limits" },
	{ "mode: isolated, ports: {bandwidth: {out: 10mbit}}",
	  "\"bandwidth\": {\"out\": {\"rate\": \"9mbit\", \"burst\": \"1m\"}}", "", "lift_limits" },
	{ "mode: isolated, ports: {bandwidth: {in: 10mbit}}", "\"bandwidth\": {\"in\": 0}",
	  "lift_limits: true", NULL },
	{ "mode: isolated", "\"bandwidth\": {\"in\": {\"guaranteed\": 10000}}", "", "lift_limits" },
	{ "mode: isolated", "\"guard\": \"strict\"", "", NULL },
	{ "mode: isolated", "\"guard\": \"off\"", "", "lift_guard" },
	{ "mode: isolated", "\"guard\": \"off\"", "lift_guard: true", NULL },
	{ "mode: isolated", "\"guard\": {\"storm\": {\"broadcast\": 5}}", "", NULL },
	{ STRICT, "", "", NULL },
	{ STRICT, "\"guard\": \"strict\"", "", "lift_guard" }, /* without the storm limit */
	{ STRICT, "\"guard\": {\"allow\": [\"llc\"], \"storm\": {\"broadcast\": 50}}", "", NULL },
	{ STRICT, "\"guard\": {\"ethertypes\": [\"lldp\"], \"storm\": {\"broadcast\": 49, "
		  "\"multicast\": 1}}", "", NULL },
	{ STRICT, "\"guard\": {\"storm\": {\"broadcast\": 51}}", "", "lift_guard" },
	{ STRICT, "\"guard\": {\"policy\": \"mac\", \"storm\": {\"broadcast\": 50}}", "", "lift_guard" },
	{ STRICT, "\"guard\": {\"allow\": [\"llc\", \"router\"], \"storm\": {\"broadcast\": 50}}", "",
	  "lift_guard" },
	{ STRICT, "\"guard\": {\"ethertypes\": [\"lldp\", \"wol\"], \"storm\": {\"broadcast\": 50}}", "",
	  "lift_guard" },
	{ STRICT, "\"guard\": {\"allow\": [\"router\"]}", "lift_guard: true", NULL },
	{ "mode: isolated, ports: {guard: {policy: strict, learn: false}}", "\"guard\": \"strict\"", "",
	  "lift_guard" },
	{ "mode: isolated, ports: {guard: {policy: strict, learn: false}}",
	  "\"guard\": {\"policy\": \"strict\", \"learn\": false}", "", NULL },
	{ "mode: isolated", "\"guard\": {\"macs\": [\"00:00:5e:00:01:33\"]}", "", NULL },
	{ "mode: isolated", "\"guard\": {\"macs\": [\"00:00:5e:00:01:33\"]}", "macs: ['52:54:00']",
	  "macs" },
	{ "mode: isolated", "\"guard\": {\"macs\": [\"00:00:5e:00:01:33\"]}",
	  "macs: ['52:54:00', '00:00:5e']", NULL },
	{ "mode: isolated, ports: {guard: {policy: strict, learn: false}}",
	  "\"guard\": {\"storm\": {\"broadcast\": 5}}", "", "lift_guard" },
	{ "mode: isolated, ports: {guard: {policy: strict, learn: false}}",
	  "\"guard\": {\"storm\": {\"broadcast\": 5}, \"learn\": false}", "", NULL },
	{ STRICT, HAS("10.7.0.0/24"), "", "addresses" },
	{ STRICT, HAS("10.7.0.0/24"), "addresses: [10.7.0.0/25]", "addresses" },
	{ STRICT, HAS("10.7.0.0/24"), "addresses: [10.7.0.0/16]", NULL },
	{ STRICT, HAS("10.7.0.9"), "addresses: [10.7.0.0/24]", NULL },
	{ STRICT, HAS("fd00::/16"), "addresses: [10.7.0.0/8]", "addresses" },
	{ GROUPED, "", "", NULL },
	{ GROUPED, "\"groups\": [\"base\"]", "", NULL },
	{ GROUPED, "\"groups\": []", "", "port_groups" },
	{ GROUPED, "\"groups\": []", "port_groups: ['*']", "port_groups" },
	{ GROUPED, "\"groups\": [\"web\"]", "port_groups: [web]", "port_groups" },
	{ GROUPED, "\"groups\": [\"base\", \"web\"]", "", "port_groups" },
	{ GROUPED, "\"groups\": [\"base\", \"web\"]", "port_groups: ['w*']", NULL },
	{ "mode: isolated", "\"groups\": [\"web\"]", "", "port_groups" },
	{ "mode: macvtap, uplink: e", "", "", NULL },
	{ "mode: macvtap, uplink: e", "", "kinds: [tap]", "kinds" },
	{ "mode: sriov, uplink: e", "", "", "kinds" },
	{ "mode: sriov, uplink: e", "", "kinds: [tap, vf]", NULL },
	{ "mode: isolated", "\"kind\": \"veth\"", "kinds: [tap]", "kinds" },
};

static void run_wire_case(const struct wire_case *c, uint32_t uid)
{
	AUTO_FREE char *yaml = mem_printf("networks: {blue: {%s}}", c->network);
	AUTO_FREE char *text = mem_printf("{\"network\": \"blue\", \"name\": \"web\"%s%s}",
					  *c->request ? ", " : "", c->request);
	AUTO_FREE char *rules = mem_printf("rules: [{allow: [blue], users: [alice]%s%s}]",
					   *c->rule ? ", " : "", c->rule);
	AUTO(access_policy_free) struct access_policy *policy = read_policy(rules);
	AUTO_NETWORKS network_vec nets = { 0 };
	struct scene s = { .peer = { .uid = uid, .gid = uid } };
	AUTO_FREE char *wanted = mem_printf("by the key %s ", c->lacks ? c->lacks : "");
	struct vnet_error err = { 0 };
	json_t *json = json_loads(text, 0, NULL);
	int r;

	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), NULL, &nets, NULL), 0);
	assert_int_equal(port_from_request(json, &s.port, NULL), 0);
	json_decref(json);
	s.net = nets.v[0];
	port_complete(s.port, s.net);
	r = attach(policy, &s, &err);
	if (c->lacks && uid ? r != -EACCES || !strstr(err.message, wanted) : r != 0)
		fail_msg("%s, %s, %s: got %d %s", yaml, text, rules, r, err.message);
	port_free(s.port);
}

static void test_wires(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wire_cases); i++) {
		run_wire_case(&wire_cases[i], ALICE);
		run_wire_case(&wire_cases[i], 0);
	}
}

/* A path that netd opens as root is root's to name, whatever a rule says. */
static void test_namespaces_are_for_root(void **state)
{
	AUTO(access_policy_free)
	struct access_policy *policy = read_policy("rules: [{allow: [blue], everyone: true}]");
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	scene_init(&s, "blue", ALICE);
	s.port->netns = mem_strdup("/run/netns/web");
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "only root"));
	s.peer.uid = 0;
	assert_int_equal(attach(policy, &s, &err), 0);
	scene_free(&s);
}

/* bridge.conf speaks of bridges: `allow all` opens no NIC. */
static void test_bridge_conf_is_about_bridges(void **state)
{
	AUTO(access_policy_free) struct access_policy *policy = access_policy_new();
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	assert_int_equal(access_policy_add_bridge_conf(policy, "allow all\n", "bridge.conf", NULL, NULL,
						       &err),
			 0);
	scene_init(&s, "blue", ALICE);
	assert_int_equal(attach(policy, &s, &err), 0);
	s.port->kind = PORT_MACVTAP;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_non_null(strstr(err.message, "kinds"));
	scene_free(&s);
}

static void test_bad_policies(void **state)
{
	static const struct {
		const char *text, *code;
		unsigned line;
		const char *path;
	} cases[] = {
		{ "rules: [{users: [alice]}]", "missing-key", 1, "rules[0]" },
		{ "rules:\n- {allow: [blue], deny: [red], users: [alice]}", "missing-key", 2,
		  "rules[0]" },
		{ "rules: [{allow: [blue]}]", "missing-key", 1, "rules[0]" },
		{ "rules: [{allow: [], everyone: true}]", "missing-key", 1, "rules[0]" },
		{ "rules: [{allow: [blue], users: []}]", "missing-key", 1, "rules[0]" },
		{ "rules: [{allow: [blue], users: [alice], everyone: true}]", "mode-conflict", 1,
		  "rules[0]" },
		{ "rules: [{allow: [blue], users: [mallory]}]", "unknown-account", 1,
		  "rules[0].users[0]" },
		{ "rules: [{allow: [blue], groups: [alice]}]", "unknown-account", 1,
		  "rules[0].groups[0]" },
		{ "rules: [{allow: [blue], users: [99999999999]}]", "unknown-account", 1,
		  "rules[0].users[0]" },
		{ "rules: [{allow: [blue], users: [4294967295]}]", "unknown-account", 1,
		  "rules[0].users[0]" },
		{ "rules: [{deny: [blue], everyone: true, max_ports: 1}]", "mode-conflict", 1,
		  "rules[0].max_ports" },
		{ "rules: [{allow: ['blue net'], everyone: true}]", "bad-pattern", 1,
		  "rules[0].allow[0]" },
		{ "rules: [{allow: blue, everyone: true}]", "bad-type", 1, "rules[0].allow" },
		{ "rules: [{allow: [blue], everyone: yes}]", "bad-value", 1, "rules[0].everyone" },
		{ "rules: [{allow: [blue], everyone: true, macs: ['52:54:0']}]", "bad-value", 1,
		  "rules[0].macs[0]" },
		{ "rules: [{allow: [blue], everyone: true, macs: ['52:54:00:00:00:00:01']}]",
		  "bad-value", 1, "rules[0].macs[0]" },
		{ "rules: [{allow: [blue], everyone: true, macs: ['']}]", "bad-value", 1,
		  "rules[0].macs[0]" },
		{ "rules: [{allow: [blue], everyone: true, addresses: [10.0.0.0/33]}]", "bad-value",
		  1, "rules[0].addresses[0]" },
		{ "rules: [{allow: [blue], everyone: true, kinds: [ipvtap]}]", "bad-value", 1,
		  "rules[0].kinds[0]" },
		{ "rules: [{allow: [blue], everyone: true, kinds: [tap, veth]}]", "bad-value", 1,
		  "rules[0].kinds" },
		{ "rules: [{allow: [blue], everyone: true, vlans: 0}]", "bad-vlan", 1,
		  "rules[0].vlans" },
		{ "rules: [{allow: [blue], everyone: true, vlans: [1-5, 5]}]", "vlan-overlap", 1,
		  "rules[0].vlans[1]" },
		{ "rules: [{deny: [blue], everyone: true, vlans: 5}]", "mode-conflict", 1,
		  "rules[0].vlans" },
		{ "rules: [{allow: [blue], everyone: true, max_ports: 0}]", "out-of-range", 1,
		  "rules[0].max_ports" },
		{ "rules: [{allow: [blue], everyone: true, max_port: 1}]", "unknown-key", 1,
		  "rules[0].max_port" },
		{ "rules: [{allow: [blue], allow: [red], everyone: true}]", "duplicate-key", 1,
		  "rules[0]" },
		{ "rules:\n", "no-value", 1, "rules" },
		{ "bridge_conf: bridge.conf\n", "bad-path", 1, "bridge_conf" },
		{ "- allow\n", "bad-type", 1, "" },
		{ "rules: [", "yaml-syntax", 2, "rules" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct access_policy *policy = NULL;
		struct vnet_error err = { 0 };
		int r = access_policy_from_yaml(cases[i].text, strlen(cases[i].text), "access.yaml",
						&resolver, &policy, &err);

		if (r >= 0)
			fail_msg("accepted: %s", cases[i].text);
		assert_null(policy);
		if (strcmp(err.code, cases[i].code) != 0 || strcmp(err.path, cases[i].path) != 0)
			fail_msg("%s: got [%s] at \"%s\"", cases[i].text, err.code, err.path);
		assert_int_equal(err.line, cases[i].line);
		assert_string_equal(err.file, "access.yaml");
	}
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	AUTO_STRBUF struct strbuf text = { 0 };
	char buf[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(buf, 1, sizeof(buf), file)) > 0)
		strbuf_append_n(&text, buf, n);
	fclose(file);
	return strbuf_take(&text);
}

/* The shipped file, as it is and with its example's comments taken off; the reference's blocks. */
static void test_shipped(void **state)
{
	AUTO_FREE char *shipped = read_file("configs/access.yaml");
	AUTO_FREE char *reference = read_file("docs/reference-access.md");
	AUTO_STRBUF struct strbuf example = { 0 };
	unsigned n_blocks = 0;

	(void)state;
	access_policy_free(read_policy(shipped));
	for (char *p = strstr(shipped, "#rules:"); p && *p; p += strcspn(p, "\n") + 1)
		if (*p == '#')
			strbuf_printf(&example, "%.*s\n", (int)strcspn(p + 1, "\n"), p + 1);
	access_policy_free(read_policy(example.s));
	for (char *p = reference; (p = strstr(p, "```yaml\n")); n_blocks++) {
		char *end = strstr(p, "\n```");
		AUTO_FREE char *block = NULL;

		assert_non_null(end);
		p += strlen("```yaml\n");
		block = mem_strndup(p, (size_t)(end + 1 - p));
		access_policy_free(read_policy(block));
	}
	assert_int_equal(n_blocks, 2);
}

/* --- bridge.conf --- */

struct test_file {
	const char *path, *text;
	uint32_t uid, gid, mode;
};

static int load(void *context, const char *path, struct access_file *ret, struct vnet_error *err)
{
	(void)err;
	for (const struct test_file *f = context; f->path; f++) {
		if (strcmp(f->path, path) != 0)
			continue;
		*ret = (struct access_file){ mem_strdup(f->text), strlen(f->text), f->uid, f->gid,
					     f->mode };
		return 0;
	}
	return -ENOENT;
}

static int load_conf(struct access_policy *policy, const struct test_file *files,
		     struct vnet_error *err)
{
	return access_policy_load_bridge_conf(policy, files[0].path, load, (void *)files, err);
}

static void test_bridge_conf(void **state)
{
	static const struct test_file files[] = {
		{ "/etc/qemu/bridge.conf",
		  "# who may\n\n  allow vn-blue  \n\tallow\tred\r\nallow both\n"
		  "include /etc/qemu/more.conf\ninclude /etc/qemu/missing.conf\n",
		  0, 0, 0644 },
		{ "/etc/qemu/more.conf", "deny both\nallow green", 0, 0, 0644 },
		{ 0 },
	};
	AUTO(access_policy_free)
	struct access_policy *policy =
		read_policy("bridge_conf: /etc/qemu/bridge.conf\n"
			    "rules: [{deny: [green], users: [bob]}, {allow: [own], users: [bob]}]");
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	assert_string_equal(access_policy_bridge_conf(policy), "/etc/qemu/bridge.conf");
	assert_int_equal(load_conf(policy, files, &err), 0);
	assert_int_equal(attach_as(policy, "blue", ALICE), 0); /* by its bridge's name */
	assert_int_equal(attach_as(policy, "red", ALICE), 0);  /* by its own */
	assert_int_equal(attach_as(policy, "both", ALICE), -EACCES);
	assert_int_equal(attach_as(policy, "green", ALICE), 0);
	assert_int_equal(attach_as(policy, "green", BOB), -EACCES); /* access.yaml comes first */
	assert_int_equal(attach_as(policy, "own", BOB), 0);
	assert_int_equal(attach_as(policy, "other", ALICE), -EACCES);

	scene_init(&s, "both", ALICE);
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	assert_string_equal(err.file, "/etc/qemu/more.conf");
	assert_int_equal(err.line, 1);
	scene_free(&s);
	/* What the helper cannot ask for is not granted by its file. */
	scene_init(&s, "blue", ALICE);
	s.port->learns_mac = true;
	s.port->has_mac = false;
	assert_int_equal(attach(policy, &s, &err), 0);
	s.port->queues = 2;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	s.port->queues = 1;
	s.port->persistent = true;
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	scene_free(&s);
}

static void test_bridge_conf_all(void **state)
{
	static const struct test_file allow[] = {
		{ "/b", "allow all\ndeny red\n", 0, 0, 0644 },
		{ 0 },
	};
	static const struct test_file deny[] = {
		{ "/b", "allow blue\nallow all\ndeny all\n", 0, 0, 0644 },
		{ 0 },
	};
	AUTO(access_policy_free) struct access_policy *open = access_policy_new();
	AUTO(access_policy_free) struct access_policy *closed = access_policy_new();

	(void)state;
	assert_int_equal(load_conf(open, allow, NULL), 0);
	assert_int_equal(attach_as(open, "blue", ALICE), 0);
	assert_int_equal(attach_as(open, "red", ALICE), -EACCES);
	assert_int_equal(load_conf(closed, deny, NULL), 0);
	assert_int_equal(attach_as(closed, "blue", ALICE), -EACCES);
}

/* Who may not read a file is not spoken of by it: QEMU's way to grant a bridge to one user. */
static void test_bridge_conf_readers(void **state)
{
	static const struct test_file files[] = {
		{ "/b", "allow public\ninclude /alice\ninclude /kvm\n", 0, 0, 0644 },
		{ "/alice", "allow blue\ninclude /below\n", 0, ALICE, 0640 },
		{ "/kvm", "allow green\ndeny public\n", 0, KVM, 0640 },
		{ "/below", "allow deep\n", 0, 0, 0644 },
		{ 0 },
	};
	static const struct test_file hidden[] = { { "/b", "allow all\n", 0, 0, 0600 }, { 0 } };
	static const struct test_file owner[] = { { "/b", "allow all\n", ALICE, ALICE, 0044 },
						  { 0 } };
	AUTO(access_policy_free) struct access_policy *policy = access_policy_new();
	AUTO(access_policy_free) struct access_policy *closed = access_policy_new();
	AUTO(access_policy_free) struct access_policy *odd = access_policy_new();
	struct vnet_error err = { 0 };
	struct scene s;

	(void)state;
	assert_int_equal(load_conf(policy, files, NULL), 0);
	assert_int_equal(attach_as(policy, "blue", ALICE), 0);
	assert_int_equal(attach_as(policy, "deep", ALICE), 0);
	assert_int_equal(attach_as(policy, "blue", BOB), -EACCES);
	assert_int_equal(attach_as(policy, "deep", BOB), -EACCES);
	assert_int_equal(attach_as(policy, "public", BOB), 0);
	assert_int_equal(attach_as(policy, "public", KVM), -EACCES);
	/* The helper drops supplementary groups before it reads. */
	scene_init(&s, "green", BOB);
	vec_push(&s.peer.groups, KVM);
	assert_int_equal(attach(policy, &s, &err), -EACCES);
	scene_free(&s);

	assert_int_equal(load_conf(closed, hidden, NULL), 0);
	assert_int_equal(attach_as(closed, "blue", ALICE), -EACCES);
	assert_int_equal(load_conf(odd, owner, NULL), 0);
	assert_int_equal(attach_as(odd, "blue", ALICE), -EACCES); /* the owner's bits alone count */
	assert_int_equal(attach_as(odd, "blue", BOB), 0);
}

static void test_bad_bridge_conf(void **state)
{
	static const struct {
		const char *text, *code;
		unsigned line;
	} cases[] = {
		{ "allow br0\nallow\n", "bad-name", 2 },
		{ "allow a-name-of-16-byt\n", "bad-name", 1 },
		{ "\npermit br0\n", "unknown-key", 2 },
		{ "include more.conf\n", "bad-path", 1 },
		{ "include /b\n", "nested-too-deep", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(access_policy_free) struct access_policy *policy = access_policy_new();
		const struct test_file files[] = { { "/b", cases[i].text, 0, 0, 0644 }, { 0 } };
		struct vnet_error err = { 0 };

		assert_int_equal(load_conf(policy, files, &err), -EINVAL);
		assert_string_equal(err.code, cases[i].code);
		assert_string_equal(err.file, "/b");
		assert_int_equal(err.line, cases[i].line);
		/* Nothing of the part that was read stays. */
		assert_int_equal(attach_as(policy, "br0", ALICE), -EACCES);
	}
}

static void test_bridge_conf_limits(void **state)
{
	AUTO(access_policy_free) struct access_policy *policy = access_policy_new();
	struct vnet_error err = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };
	const struct test_file absent[] = { { "/absent", NULL, 0, 0, 0 }, { 0 } };

	(void)state;
	for (unsigned i = 0; i <= ACCESS_RULES_MAX; i++)
		strbuf_printf(&text, "allow br%u\n", i);
	assert_int_equal(access_policy_add_bridge_conf(policy, text.s, "/b", NULL, NULL, &err),
			 -EINVAL);
	assert_string_equal(err.code, "too-many");
	vnet_error_clear(&err);
	while (text.len <= ACCESS_TEXT_MAX)
		strbuf_append(&text,
			      "# .............................................................\n");
	assert_int_equal(access_policy_add_bridge_conf(policy, text.s, "/b", NULL, NULL, &err),
			 -EINVAL);
	assert_string_equal(err.code, "text-too-long");
	vnet_error_clear(&err);
	assert_int_equal(
		access_policy_load_bridge_conf(policy, "/none", load, (void *)(absent + 1), &err),
		-ENOENT);
	assert_string_equal(err.code, "unreadable");
}

static int read_plain(void *context, const char *path, char **ret_text, size_t *ret_size,
		      struct vnet_error *err)
{
	(void)context;
	if (strcmp(path, "/refused") == 0)
		return vnet_error_set(err, -EPERM, "config-owner", "%s is not root's", path);
	*ret_text = mem_strdup("allow red\n");
	*ret_size = strlen(*ret_text);
	return 0;
}

static void test_plain_bridge_conf(void **state)
{
	AUTO(access_policy_free) struct access_policy *policy = access_policy_new();
	struct vnet_error err = { 0 };

	(void)state;
	assert_int_equal(access_policy_add_bridge_conf(policy, "allow blue\ninclude /more\n", "/b",
						       read_plain, NULL, &err),
			 0);
	assert_int_equal(attach_as(policy, "blue", ALICE), 0);
	assert_int_equal(attach_as(policy, "red", ALICE), 0);
	assert_int_equal(access_policy_add_bridge_conf(policy, "include /refused\n", "/b",
						       read_plain, NULL, &err),
			 -EPERM);
	assert_string_equal(err.code, "config-owner");
	assert_int_equal(attach_as(policy, "blue", ALICE), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_policy),
		cmocka_unit_test(test_first_match_decides),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_plain_rule),
		cmocka_unit_test(test_generous_rule),
		cmocka_unit_test(test_learning),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_wires),
		cmocka_unit_test(test_namespaces_are_for_root),
		cmocka_unit_test(test_bridge_conf_is_about_bridges),
		cmocka_unit_test(test_bad_policies),
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_bridge_conf),
		cmocka_unit_test(test_bridge_conf_all),
		cmocka_unit_test(test_bridge_conf_readers),
		cmocka_unit_test(test_bad_bridge_conf),
		cmocka_unit_test(test_bridge_conf_limits),
		cmocka_unit_test(test_plain_bridge_conf),
	};

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
