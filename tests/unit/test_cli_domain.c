/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_cli_domain.c - a libvirt domain's interfaces and metadata as ports */

#include "cli/domain.h"

#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define UUID "<uuid>f460e4c3-a0ea-4319-9068-278310564ea9</uuid>\n"
#define BRIDGE \
	"<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='vn-blue'/>" \
	"<target dev='vnet0'/></interface>\n"
#define ETHERNET \
	"<interface type='ethernet'><mac address='52:54:00:00:00:02'/>" \
	"<target dev='web0' managed='no'/><driver queues='4'/><mtu size='1400'/>" \
	"<port isolated='yes'/></interface>\n"
#define PORTS "<vnet:ports xmlns:vnet='urn:vnet:libvirt:1'>\n"

static int read_text(const char *text, struct domain **ret, struct vnet_error *err)
{
	return domain_read(text, strlen(text), "domain", ret, err);
}

static struct domain *read_domain(const char *name, const char *metadata, const char *interfaces)
{
	AUTO_FREE char *text = mem_printf("<domain type='kvm'><name>%s</name>\n" UUID
					  "<description>of two\nlines</description>"
					  "<metadata>%s</metadata><devices>%s</devices></domain>",
					  name, metadata, interfaces);
	struct vnet_error err = { 0 };
	struct domain *domain = NULL;

	if (read_text(text, &domain, &err) < 0)
		fail_msg("%s", err.message);
	return domain;
}

static void assert_refused(const char *metadata, const char *expected)
{
	AUTO_FREE char *text = mem_printf("<domain type='kvm'><name>web</name>\n" UUID
					  "<metadata>%s</metadata><devices>" BRIDGE ETHERNET
					  "</devices></domain>", metadata);
	struct vnet_error err = { 0 };
	struct domain *domain = NULL;
	char found[1024];

	assert_true(read_text(text, &domain, &err) < 0);
	assert_null(domain);
	assert_string_equal(vnet_error_text(&err, found, sizeof(found)), expected);
}

static void test_unchanged(void **state)
{
	AUTO(domain_free) struct domain *domain = read_domain("web", "",
		"<interface type='user'><mac address='52:54:00:00:00:09'/></interface>" BRIDGE ETHERNET
		"<interface type='hostdev'><mac address='52:54:00:00:00:08'/></interface>"
		"<interface type='network'><mac address='52:54:00:00:00:03'/><source network='pub'/>"
		"<alias name='ua-mine'/></interface>");
	const struct domain_port *port = domain->ports.v;

	(void)state;
	assert_int_equal(domain->ports.n, 3);
	assert_string_equal(port[0].name, "web.net1");
	assert_string_equal(port[0].bridge, "vn-blue");
	assert_string_equal(port[0].dev, "vnet0");
	assert_false(port[0].is_ours_to_make);
	assert_null(port[0].metadata);
	assert_string_equal(port[1].name, "web.net2");
	assert_true(port[1].is_ours_to_make);
	assert_int_equal(port[1].options.queues, 4);
	assert_int_equal(port[1].options.mtu, 1400);
	assert_string_equal(port[1].options.isolated, "on");
	assert_string_equal(port[2].name, "web.ua-mine");
	assert_null(port[2].bridge);
}

static void test_names(void **state)
{
	static const struct { const char *name, *port; } cases[] = {
		{ "web", "web.net0" },
		{ "host.example-2_x", "host.example-2_x.net0" },
		{ "web one", "web_one-f460e4c3.net0" },
		{ "-x", "xx-f460e4c3.net0" },
		{ "caf\xc3\xa9", "caf__-f460e4c3.net0" },
		{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffff",
		  "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffff.net0" },
		{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffffffffff",
		  "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeee-f460e4c3.net0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(domain_free) struct domain *domain = read_domain(cases[i].name, "", BRIDGE);

		assert_string_equal(domain->ports.v[0].options.name, cases[i].port);
	}
}

static void test_metadata(void **state)
{
	AUTO(domain_free) struct domain *domain = read_domain("web",
		"<other xmlns='urn:other' text='a&#10;b'>of two\nlines</other>" PORTS
		"<vnet:port mac='52:54:00:00:00:01' network='blue' guard='strict,allow=llc' in='10mbit'"
		" address='10.0.0.5,fd00::5' group='web,ssh' vlan='native=1,tagged=10'/>"
		"<vnet:port dev='web0' network='green' name='second' isolated='off' queues='2'/>"
		"</vnet:ports>", BRIDGE ETHERNET);
	const struct domain_port *port = domain->ports.v;

	(void)state;
	assert_string_equal(port[0].network, "blue");
	assert_string_equal(port[0].options.settings.guard, "strict,allow=llc");
	assert_string_equal(port[0].options.settings.in, "10mbit");
	assert_string_equal(port[0].options.settings.groups, "web,ssh");
	assert_int_equal(port[0].options.addresses.n, 2);
	assert_string_equal(port[0].options.addresses.v[1], "fd00::5");
	assert_string_equal(port[1].options.name, "second");
	/* Said here, it counts instead of libvirt's own element. */
	assert_string_equal(port[1].options.isolated, "off");
	assert_int_equal(port[1].options.queues, 2);
	assert_int_equal(port[1].options.mtu, 1400);
}

static void test_record_of_a_running_domain(void **state)
{
	static const char text[] =
		"<domstatus state='running' pid='7'><domain type='kvm' id='1'><name>web</name>" UUID
		"<devices><interface type='network'><mac address='52:54:00:00:00:01'/>"
		"<source network='pub'/><actual type='bridge'><source bridge='vn-blue'/></actual>"
		"<target dev='vnet3'/><alias name='net0'/></interface></devices></domain></domstatus>";
	AUTO(domain_free) struct domain *domain = NULL;

	(void)state;
	assert_int_equal(read_text(text, &domain, NULL), 0);
	assert_string_equal(domain->ports.v[0].bridge, "vn-blue");
	assert_string_equal(domain->ports.v[0].dev, "vnet3");
}

static void test_refused(void **state)
{
	(void)state;
	assert_refused("<vnet:port xmlns:vnet='urn:vnet:libvirt:1'/>",
		       "domain:3: <port> is not known in our metadata; <ports> is");
	assert_refused(PORTS "<vnet:card/></vnet:ports>",
		       "domain:4: <card> is not known in our metadata; <port> is");
	assert_refused(PORTS "<port dev='web0'/></vnet:ports>",
		       "domain:4: <port> is not known in our metadata; <port> is");
	assert_refused(PORTS "<vnet:port network='blue'/></vnet:ports>",
		       "domain:4: <port> names its interface by one of mac, alias and dev");
	assert_refused(PORTS "<vnet:port mac='52:54' dev='web0'/></vnet:ports>",
		       "domain:4: <port> names its interface by one of mac, alias and dev");
	assert_refused(PORTS "<vnet:port mac='52:54'/></vnet:ports>",
		       "domain:4: '52:54' is no MAC address");
	assert_refused(PORTS "<vnet:port dev='web1'/></vnet:ports>",
		       "domain:4: no interface fits this <port>, and that with the MAC "
		       "52:54:00:00:00:01 has none; correct the one, or take it out");
	assert_refused(PORTS "<vnet:port dev='web0'/>\n<vnet:port mac='52:54:00:00:00:02'/></vnet:ports>",
		       "domain:5: the interface 52:54:00:00:00:02 has an entry in line 4 already");
	assert_refused(PORTS "<vnet:port dev='web0' gaurd='off'/></vnet:ports>",
		       "domain:4: attribute gaurd is not known to <port>");
	assert_refused(PORTS "<vnet:port dev='web0' netns='/run/netns/x'/></vnet:ports>",
		       "domain:4: attribute netns is not known to <port>");
	assert_refused(PORTS "<vnet:port dev='web0' isolated='yes'/></vnet:ports>",
		       "domain:4: --isolated is one of on|off, not 'yes'");
	assert_refused(PORTS "<vnet:port dev='web0' network='a&#10;b'/></vnet:ports>",
		       "domain:4: attribute network of <port> holds a control character");
}

static void test_no_domain(void **state)
{
	static const struct { const char *text, *expected; } cases[] = {
		{ "<network><name>x</name></network>",
		  "domain:1: this is <network>, not a domain of libvirt" },
		{ "<domain><name>x</name></domain>", "domain:1: the domain has no name or no uuid" },
		{ "<domain><name>x</name><uuid>a b</uuid></domain>",
		  "domain:1: the domain has no name or no uuid" },
		{ "<domain><name>x</name>" UUID "<devices><interface type='bridge'>"
		  "<source bridge='b'/></interface></devices></domain>",
		  "domain:2: the interface has no MAC address" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vnet_error err = { 0 };
		struct domain *domain = NULL;
		char found[1024];

		assert_true(read_text(cases[i].text, &domain, &err) < 0);
		assert_string_equal(vnet_error_text(&err, found, sizeof(found)), cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unchanged),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_record_of_a_running_domain),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
