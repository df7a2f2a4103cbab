/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_dhcp.c - from a definition to dnsmasq's files
 *
 * Each tests/golden/dhcp/NAME.yaml has the files that follow from it in
 * NAME.expected; UPDATE_GOLDEN=1 writes them.  Comments of the YAML give
 * what is beside the definition:
 *
 *   #port NAME IFNAME NETWORK MAC [ADDRESS...]
 *   #resolver ADDRESS
 *
 * Where dnsmasq is installed, it has to accept all of them.
 */

#include "base/strbuf.h"
#include "dhcp/conf.h"
#include "model/check.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/golden.h"

#define GOLDEN "tests/golden/dhcp"

struct input {
	network_vec nets;
	VEC(struct port *) ports;
	dhcp_resolver_vec resolvers;
};

static void add_port(struct input *in, char *words)
{
	struct port *port = mem_alloc(sizeof(*port));
	char *rest;
	struct ip ip;

	port->name = mem_strdup(strtok_r(words, " ", &rest));
	snprintf(port->ifname, sizeof(port->ifname), "%s", strtok_r(NULL, " ", &rest));
	port->network = mem_strdup(strtok_r(NULL, " ", &rest));
	assert_int_equal(mac_parse(strtok_r(NULL, " ", &rest), &port->mac), 0);
	port->has_mac = true;
	for (char *word; (word = strtok_r(NULL, " ", &rest));) {
		assert_int_equal(ip_parse(word, &ip), 0);
		vec_push(&port->addresses, ip);
	}
	vec_push(&in->ports, port);
}

static void load(const char *path, struct input *in)
{
	AUTO_FREE char *text = golden_read(path, NULL);
	struct vnet_error err = { 0 };
	char message[1024], *rest;

	memset(in, 0, sizeof(*in));
	assert_non_null(text);
	if (networks_from_yaml(text, strlen(text), path, &in->nets, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, message, sizeof(message)));
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!strncmp(line, "#port ", 6))
			add_port(in, line + 6);
		if (!strncmp(line, "#resolver ", 10))
			vec_push(&in->resolvers, mem_strdup(line + 10));
	}
}

static void unload(struct input *in)
{
	network_vec_free(&in->nets);
	vec_each(port, &in->ports)
		port_free(*port);
	vec_free(&in->ports);
	dhcp_resolvers_free(&in->resolvers);
}

static int make(const struct input *in, const struct network *net, const char *dir,
		struct dhcp_files *ret, struct vnet_error *err)
{
	AUTO_FREE char *leases = mem_printf("%s/%s.leases", dir, net->name);
	struct dhcp_params params = { .ifindex = 7, .dir = dir, .lease_file = leases,
				      .resolvers = &in->resolvers };

	return dhcp_files_make(net, (const struct port *const *)in->ports.v, in->ports.n, &params,
			       ret, err);
}

static bool dnsmasq_accepts(const char *conf)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		AUTO_FREE char *option = mem_printf("--conf-file=%s", conf);

		dup2(2, 1);
		execl("/usr/sbin/dnsmasq", "dnsmasq", "--test", option, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void check_with_dnsmasq(const struct input *in, const struct network *net)
{
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };
	AUTO_FREE char *text = NULL;
	char dir[] = "/tmp/test_dhcp.XXXXXX";
	AUTO_FREE char *conf = NULL;
	bool accepted;

	assert_non_null(mkdtemp(dir));
	conf = mem_printf("%s/dnsmasq.conf", dir);
	assert_int_equal(make(in, net, dir, &files, NULL), 0);
	text = dhcp_files_test_text(&files);
	golden_write(conf, text);
	accepted = dnsmasq_accepts(conf);
	unlink(conf);
	rmdir(dir);
	if (!accepted)
		fail_msg("dnsmasq does not accept:\n%s", text);
}

static void check_golden(const char *name)
{
	AUTO_FREE char *yaml = mem_printf(GOLDEN "/%s.yaml", name);
	AUTO_FREE char *golden = mem_printf(GOLDEN "/%s.expected", name);
	AUTO_STRBUF struct strbuf b = { 0 };
	struct input in;

	load(yaml, &in);
	vec_each(net, &in.nets) {
		AUTO_DHCP_FILES struct dhcp_files files = { 0 };
		AUTO_FREE char *dir = mem_printf("/run/vnet/dnsmasq/%s", (*net)->name);
		struct vnet_error err = { 0 };

		assert_true(network_wants_dnsmasq(*net));
		if (network_check(*net, &err) < 0)
			fail_msg("%s: %s: %s", name, (*net)->name, err.message);
		if (make(&in, *net, dir, &files, &err) < 0)
			fail_msg("%s: %s: %s", name, (*net)->name, err.message);
		for (size_t i = 0; i < DHCP_N_FILES; i++)
			strbuf_printf(&b, "=== %s/%s\n%s", (*net)->name, dhcp_file_name(i),
				      files.text[i]);
		if (!access("/usr/sbin/dnsmasq", X_OK))
			check_with_dnsmasq(&in, *net);
	}
	unload(&in);
	assert_true(golden_holds(golden, b.s));
}

static void test_goldens(void **state)
{
	struct dirent **entries;
	int n = scandir(GOLDEN, &entries, NULL, alphasort), checked = 0;

	(void)state;
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		char *dot = strrchr(entries[i]->d_name, '.');

		if (dot && !strcmp(dot, ".yaml")) {
			*dot = '\0';
			check_golden(entries[i]->d_name);
			checked++;
		}
		free(entries[i]);
	}
	free(entries);
	assert_true(checked >= 6);
}

/* --- one network from a text --- */

static struct network *parse(const char *text, network_vec *nets)
{
	struct vnet_error err = { 0 };
	char message[1024];

	if (networks_from_yaml(text, strlen(text), "test", nets, &err) < 0)
		fail_msg("%s", vnet_error_text(&err, message, sizeof(message)));
	return nets->v[0];
}

static enum dhcp_change change(const char *before, const char *after)
{
	AUTO_NETWORKS network_vec a = { 0 }, b = { 0 };
	AUTO_DHCP_FILES struct dhcp_files x = { 0 }, y = { 0 };
	struct input none = { 0 };

	assert_int_equal(make(&none, parse(before, &a), "/run", &x, NULL), 0);
	assert_int_equal(make(&none, parse(after, &b), "/run", &y, NULL), 0);
	return dhcp_files_compare(&x, &y);
}

#define NET "networks: {n: {mode: nat, addresses: [10.0.0.1/24]"

static void test_what_a_change_needs(void **state)
{
	(void)state;
	assert_int_equal(change(NET ", dhcp: true}}", NET ", dhcp: true}}"), DHCP_SAME);
	assert_int_equal(change(NET ", dhcp: true}}",
				NET ", dhcp: {hosts: [{name: a, address: 10.0.0.5}]}}}"),
			 DHCP_RELOAD);
	assert_int_equal(change(NET ", dhcp: true}}",
				NET ", dhcp: {options: [{number: 42, value: 10.0.0.9}]}}}"),
			 DHCP_RELOAD);
	assert_int_equal(change(NET "}}", NET ", dns: {hosts: [{name: a, addresses: [10.0.0.5]}]}}}"),
			 DHCP_RELOAD);
	assert_int_equal(change(NET "}}", NET ", dns: {forwarders: [192.0.2.1]}}}"), DHCP_RELOAD);
	assert_int_equal(change(NET ", dhcp: true}}", NET ", dhcp: true, bridge: {mtu: 9000}}}"),
			 DHCP_RELOAD);
	assert_int_equal(change(NET "}}", NET ", dhcp: true}}"), DHCP_RESTART);
	assert_int_equal(change(NET "}}", NET ", dns: {txt: [{name: a.b, value: x}]}}}"),
			 DHCP_RESTART);
}

/*
 * An MTU that links left room for comes in a copy of the network: guests are told
 * it, and one who knows better says so.
 */
static void test_mtu_in_force(void **state)
{
	static const struct {
		const char *yaml;
		unsigned mtu;
		const char *wanted; /* all options */
	} cases[] = {
		{ NET ", dhcp: true}}", 0, "" },
		{ NET ", dhcp: true}}", 1500, "" },
		{ NET ", dhcp: true}}", 1450, "option:mtu,1450\n" },
		{ NET ", dhcp: {options: [{number: 26, value: 1400}]}}}", 1450, "26,1400\n" },
		{ NET ", dhcp: {options: [{name: mtu, value: 1400}]}}}", 1450, "option:mtu,1400\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_NETWORKS network_vec nets = { 0 };
		AUTO_DHCP_FILES struct dhcp_files files = { 0 };
		struct network *net = parse(cases[i].yaml, &nets);
		struct input none = { 0 };

		net->bridge.mtu = cases[i].mtu;
		assert_int_equal(make(&none, net, "/run", &files, NULL), 0);
		assert_string_equal(files.text[DHCP_FILE_OPTIONS], cases[i].wanted);
	}
}

static void test_order_of_ports_does_not_matter(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO_DHCP_FILES struct dhcp_files a = { 0 }, b = { 0 };
	struct network *net = parse(NET ", dhcp: true}}", &nets);
	struct input in = { 0 };
	char one[] = "one vp1 n 52:54:00:00:00:01 10.0.0.11", two[] = "two vp2 n 52:54:00:00:00:02 10.0.0.12";
	struct port *first;

	(void)state;
	add_port(&in, one);
	add_port(&in, two);
	assert_int_equal(make(&in, net, "/run", &a, NULL), 0);
	first = in.ports.v[0];
	in.ports.v[0] = in.ports.v[1];
	in.ports.v[1] = first;
	assert_int_equal(make(&in, net, "/run", &b, NULL), 0);
	assert_string_equal(a.text[DHCP_FILE_HOSTS], b.text[DHCP_FILE_HOSTS]);
	assert_int_equal(dhcp_files_compare(&a, &b), DHCP_SAME);
	unload(&in);
}

/*
 * Texts that would write configuration of their own.  The parser of definitions
 * refuses them; here is the second door, so the values are put in by hand.
 */
static void test_no_text_becomes_configuration(void **state)
{
	static const char *const bad[] = { "a\nserver=/x/192.0.2.1", "a b", "a,b", "a/b", "a#b",
					   "a\"b", "a\\b", "", "a\tb", "\x7f", "a\rb" };
	struct input none = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (int where = 0; where < 5; where++) {
			AUTO_NETWORKS network_vec nets = { 0 };
			AUTO_DHCP_FILES struct dhcp_files files = { 0 };
			struct vnet_error err = { 0 };
			struct network *net = parse(
				NET ", domain: d.test, dhcp: {hosts: [{name: a, address: 10.0.0.5}]},"
				    " dns: {hosts: [{name: b, addresses: [10.0.0.6], aliases: [c]}],"
				    " cname: [{name: d, target: e}]}}}", &nets);
			char **const places[] = { &net->domain, &net->dhcp.hosts.v[0].name,
						  &net->dns.hosts.v[0].name,
						  &net->dns.hosts.v[0].aliases.v[0],
						  &net->dns.cname.v[0].target };

			mem_replace(places[where], bad[i]);
			if (make(&none, net, "/run", &files, &err) != -EINVAL)
				fail_msg("'%s' was taken at place %d", bad[i], where);
			assert_string_equal(err.code, "dns-name");
			assert_true(err.line > 0);
			assert_null(files.text[0]);
		}
	}
}

static void test_values_stay_one_line(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };
	struct input none = { 0 };
	struct network *net = parse(NET ", dhcp: {options: [{number: 42, value: 10.0.0.9}],"
					" boot: {file: x}}, dns: {txt: [{name: a, value: x}]}}}",
				    &nets);

	(void)state;
	mem_replace(&net->dhcp.options.v[0].value, "1\nport=0");
	assert_int_equal(make(&none, net, "/run", &files, NULL), -EINVAL);
	mem_replace(&net->dhcp.options.v[0].value, "1");
	mem_replace(&net->dhcp.boot.file, "x\ny");
	assert_int_equal(make(&none, net, "/run", &files, NULL), -EINVAL);
	mem_replace(&net->dhcp.boot.file, "x\"y\\");
	mem_replace(&net->dns.txt.v[0].value, "x\r");
	assert_int_equal(make(&none, net, "/run", &files, NULL), -EINVAL);
	mem_replace(&net->dns.txt.v[0].value, "# \"x\"");
	assert_int_equal(make(&none, net, "/run", &files, NULL), 0);
	assert_non_null(strstr(files.text[DHCP_FILE_CONF], "\ndhcp-boot=\"x\\\"y\\\\\"\n"));
	assert_non_null(strstr(files.text[DHCP_FILE_CONF], "\ntxt-record=a,\"# \\\"x\\\"\"\n"));
}

/* The checks of definitions come before; what gets past them is no crash and no bad file. */
static void test_ranges_that_do_not_fit(void **state)
{
	static const char *const texts[] = {
		"networks: {n: {mode: nat, addresses: [10.0.0.1/24], dhcp: {ranges: [10.0.1.5-10.0.1.9]}}}",
		"networks: {n: {mode: nat, addresses: [10.0.0.1/24], dhcp: {ranges: [10.0.0.9-10.0.1.9]}}}",
		"networks: {n: {mode: nat, addresses: ['fd00::1/48'], dhcp6: {ranges: ['fd00:0:0:1::5-fd00:0:0:1::9']}}}",
		"networks: {n: {mode: nat, addresses: ['fd00::1/64'], dhcp6: {ranges: ['fd01::5-fd01::9']}}}",
		"networks: {n: {mode: nat, addresses: ['fd00::1/80'], ra: slaac}}",
	};
	struct input none = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO_NETWORKS network_vec nets = { 0 };
		AUTO_DHCP_FILES struct dhcp_files files = { 0 };
		struct vnet_error err = { 0 };

		if (make(&none, parse(texts[i], &nets), "/run", &files, &err) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
		assert_true(err.line > 0);
	}
}

static void test_ten_thousand_ports(void **state)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };
	struct network *net = parse("networks: {n: {mode: nat, addresses: [10.0.0.1/8], dhcp: true}}",
				    &nets);
	struct input in = { 0 };
	size_t lines = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		char words[128];

		snprintf(words, sizeof(words), "p%u vp%u n 52:54:00:00:%02x:%02x 10.1.%u.%u", i, i,
			 i >> 8, i & 255, i >> 8, i & 255);
		add_port(&in, words);
	}
	assert_int_equal(make(&in, net, "/run", &files, NULL), 0);
	for (const char *s = files.text[DHCP_FILE_HOSTS]; *s; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 10000);
	unload(&in);
}

/* --- resolv.conf --- */

static void test_resolv_conf(void **state)
{
	static const char text[] =
		"# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\n"
		"nameserver\t2001:db8::1 # the other\n  nameserver 192.0.2.8\n"
		"nameserver fe80::1%eth0\nnameserver fe80::1%eth0/x\nnameserver 192.0.2.1%eth0\n"
		"nameserver 192.0.2.1\nnameserver 0.0.0.0\nnameserver x\nnameserver \n"
		"nameservers 192.0.2.7\nnameserver 192.0.2.2;x\nnameserver 192.0.2.3";
	dhcp_resolver_vec r = { 0 };

	(void)state;
	dhcp_resolvers_parse(text, sizeof(text) - 1, &r);
	assert_int_equal(r.n, 5);
	assert_string_equal(r.v[0], "192.0.2.1");
	assert_string_equal(r.v[1], "2001:db8::1");
	assert_string_equal(r.v[2], "fe80::1%eth0");
	assert_string_equal(r.v[3], "192.0.2.2");
	assert_string_equal(r.v[4], "192.0.2.3");
	dhcp_resolvers_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goldens),
		cmocka_unit_test(test_what_a_change_needs),
		cmocka_unit_test(test_mtu_in_force),
		cmocka_unit_test(test_order_of_ports_does_not_matter),
		cmocka_unit_test(test_no_text_becomes_configuration),
		cmocka_unit_test(test_values_stay_one_line),
		cmocka_unit_test(test_ranges_that_do_not_fit),
		cmocka_unit_test(test_ten_thousand_ports),
		cmocka_unit_test(test_resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
