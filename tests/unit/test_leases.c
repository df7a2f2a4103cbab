/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_leases.c - dnsmasq's lease file: what is read from it, and what is not. */

#include "dhcp/leases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void parse(const char *text, struct lease_file *ret)
{
	lease_file_parse(text, strlen(text), ret);
}

static const struct lease *find(const struct lease_file *file, const char *address)
{
	struct ip ip;

	assert_int_equal(ip_parse(address, &ip), 0);
	return lease_find(file, &ip);
}

/* As dnsmasq 2.90 wrote it for a udhcpc, a dhclient -6 and a client without name. */
static const char both[] =
	"1795400000 52:54:00:12:34:56 192.168.7.20 web 01:52:54:00:12:34:56\n"
	"0 52:54:00:AA:bb:01 192.168.7.3 * *\n"
	"duid 00:01:00:01:2e:d0:01:02:52:54:00:00:00:01\n"
	"1795400001 1193046 fd00:7::20 web 00:03:00:01:52:54:00:12:34:56\n"
	"1795400002 T77 fd00:7::21 * 00:04:b6:1e:00:00:11:22:33:44:55:66:77:88:99:aa:bb:cc\n";

static void test_reads_both_families(void **state)
{
	AUTO_LEASES struct lease_file file;
	char text[ADDR_TEXT_MAX];
	const struct lease *l;

	(void)state;
	parse(both, &file);
	assert_int_equal(file.leases.n, 4);
	assert_false(file.is_cut);
	assert_string_equal(file.server_duid, "00:01:00:01:2e:d0:01:02:52:54:00:00:00:01");

	l = find(&file, "192.168.7.20");
	assert_non_null(l);
	assert_true(l->has_mac);
	assert_string_equal(mac_format(&l->mac, text), "52:54:00:12:34:56");
	assert_int_equal(l->expires, 1795400000);
	assert_string_equal(l->hostname, "web");
	assert_string_equal(l->client_id, "01:52:54:00:12:34:56");

	l = find(&file, "192.168.7.3");
	assert_non_null(l);
	assert_int_equal(l->expires, 0);
	assert_null(l->hostname);
	assert_null(l->client_id);

	l = find(&file, "fd00:7::20");
	assert_non_null(l);
	assert_int_equal(l->iaid, 1193046);
	assert_false(l->is_temporary);
	assert_true(l->has_mac); /* the DUID is DUID-LL of Ethernet */
	assert_string_equal(mac_format(&l->mac, text), "52:54:00:12:34:56");

	l = find(&file, "fd00:7::21");
	assert_non_null(l);
	assert_true(l->is_temporary);
	assert_int_equal(l->iaid, 77);
	assert_false(l->has_mac); /* DUID-UUID */
	assert_null(find(&file, "192.168.7.4"));
}

/* Whatever the moment at which a rewrite is seen: whole lines count, the rest is told. */
static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t size = 0; size <= strlen(both); size++) {
		AUTO_LEASES struct lease_file file;
		AUTO_FREE char *exact = mem_alloc(size); /* so that reading past it is found */
		size_t lines = 0;

		memcpy(exact, both, size);
		for (size_t i = 0; i < size; i++)
			lines += both[i] == '\n';
		lease_file_parse(exact, size, &file);
		assert_int_equal(file.is_cut, size && both[size - 1] != '\n');
		assert_int_equal(file.leases.n, lines < 3 ? lines : lines - 1);
	}
}

static void test_skips_what_is_no_lease(void **state)
{
	static const char *const lines[] = {
		"\n",
		"1 52:54:00:00:00:01 192.168.7.20 web\n",
		"1 52:54:00:00:00:01 192.168.7.20 web * *\n",
		"1  52:54:00:00:00:01 192.168.7.20 web *\n",
		" 1 52:54:00:00:00:01 192.168.7.20 web *\n",
		"-1 52:54:00:00:00:01 192.168.7.20 web *\n",
		"1x 52:54:00:00:00:01 192.168.7.20 web *\n",
		"99999999999999999999 52:54:00:00:00:01 192.168.7.20 web *\n",
		"1 52:54:00:00:00:01 192.168.7.256 web *\n",
		"1 x fd00::1 web 00:01\n",
		"1 4294967296 fd00::1 web 00:01\n",
		"1 T fd00::1 web 00:01\n",
		"1\t52:54:00:00:00:01\t192.168.7.20\tweb\t*\n",
		"duid \n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		AUTO_LEASES struct lease_file file;

		parse(lines[i], &file);
		if (file.leases.n)
			fail_msg("taken for a lease: %s", lines[i]);
	}
}

static void test_hostile_words(void **state)
{
	AUTO_LEASES struct lease_file file;
	AUTO_FREE char *longest = mem_alloc(70001);
	AUTO_FREE char *text = NULL;

	(void)state;
	memset(longest, 'a', 70000);
	text = mem_printf("1 52:54:00:00:00:01 10.0.0.1 %s *\n"
			  "1 52:54:00:00:00:01 10.0.0.2 we\x1b[31mb *\n"
			  "1 52:54:00:00:00:01 10.0.0.3 we;b zz:zz\n"
			  "1 06-52:54:00:00:00:01 10.0.0.4 ok 0\n", longest);
	parse(text, &file);
	assert_int_equal(file.leases.n, 2);
	assert_non_null(find(&file, "10.0.0.3"));
	assert_null(find(&file, "10.0.0.3")->hostname);
	assert_null(find(&file, "10.0.0.3")->client_id);
	assert_non_null(find(&file, "10.0.0.4")); /* a lease, but not of an Ethernet guest */
	assert_false(find(&file, "10.0.0.4")->has_mac);
	assert_null(find(&file, "10.0.0.4")->client_id);
}

static void test_one_lease_an_address(void **state)
{
	AUTO_LEASES struct lease_file file;

	(void)state;
	parse("5 52:54:00:00:00:01 10.0.0.1 a *\n9 52:54:00:00:00:02 10.0.0.1 b *\n"
	      "7 52:54:00:00:00:03 10.0.0.1 c *\n0 52:54:00:00:00:04 10.0.0.2 d *\n"
	      "7 52:54:00:00:00:05 10.0.0.2 e *\n", &file);
	assert_int_equal(file.leases.n, 2);
	assert_string_equal(find(&file, "10.0.0.1")->hostname, "b");
	assert_string_equal(find(&file, "10.0.0.2")->hostname, "d");
}

static void record(void *context, enum lease_change change, const struct lease *lease)
{
	char *log = context, text[ADDR_TEXT_MAX];

	sprintf(log + strlen(log), "%c%s ", "+-=" [change], ip_format(&lease->address, text));
}

static void test_differences(void **state)
{
	AUTO_LEASES struct lease_file before, after;
	char log[256] = "";

	(void)state;
	parse("5 52:54:00:00:00:01 10.0.0.1 a *\n5 52:54:00:00:00:02 10.0.0.2 b *\n"
	      "5 52:54:00:00:00:03 10.0.0.3 c *\n5 52:54:00:00:00:04 10.0.0.4 d *\n", &before);
	parse("5 52:54:00:00:00:01 10.0.0.1 a *\n6 52:54:00:00:00:02 10.0.0.2 b *\n"
	      "5 52:54:00:00:00:09 10.0.0.3 c *\n5 52:54:00:00:00:05 10.0.0.10 e *\n", &after);
	assert_int_equal(leases_compare(&before, &after, record, log), 2);
	assert_string_equal(log, "=10.0.0.2 -10.0.0.3 +10.0.0.3 -10.0.0.4 +10.0.0.10 ");
	log[0] = '\0';
	assert_int_equal(leases_compare(&after, &after, record, log), 0);
	assert_string_equal(log, "");
}

static void test_client_id_bytes(void **state)
{
	uint8_t b[4];

	(void)state;
	assert_int_equal(lease_client_id_bytes("01:aB:00:ff", b, sizeof(b)), 4);
	assert_memory_equal(b, "\x01\xab\x00\xff", 4);
	assert_int_equal(lease_client_id_bytes("01", b, sizeof(b)), 1);
	assert_int_equal(lease_client_id_bytes("01:02:03:04:05", b, sizeof(b)), 0);
	assert_int_equal(lease_client_id_bytes("01:", b, sizeof(b)), 0);
	assert_int_equal(lease_client_id_bytes("1:2", b, sizeof(b)), 0);
	assert_int_equal(lease_client_id_bytes("", b, sizeof(b)), 0);
	assert_int_equal(lease_client_id_bytes("*", b, sizeof(b)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_both_families),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_skips_what_is_no_lease),
		cmocka_unit_test(test_hostile_words),
		cmocka_unit_test(test_one_lease_an_address),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_client_id_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
