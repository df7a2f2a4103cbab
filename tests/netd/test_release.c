/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_release.c - the messages that give a lease back, byte by byte. */

#include "netd/release.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct lease lease_of(const char *line, const char *address, struct lease_file *file)
{
	const struct lease *lease;
	struct ip ip;

	lease_file_parse(line, strlen(line), file);
	assert_int_equal(ip_parse(address, &ip), 0);
	lease = lease_find(file, &ip);
	assert_non_null(lease);
	return *lease;
}

static void test_dhcpv4(void **state)
{
	AUTO_LEASES struct lease_file file;
	struct lease lease = lease_of("9 52:54:00:12:34:56 192.168.7.20 web ff:01:02\n",
				      "192.168.7.20", &file);
	static const uint8_t options[] = { 99, 130, 83, 99, 53, 1, 7, 54, 4, 192, 168, 7, 1,
					   61, 3, 0xff, 1, 2, 255, 0 };
	uint8_t message[RELEASE_SIZE_MAX];
	struct ip server;

	(void)state;
	ip_parse("192.168.7.1", &server);
	/* RFC 1542: 300 bytes at least. */
	assert_int_equal(release_build4(&lease, &server, htonl(0x11223344), message), 300);
	assert_memory_equal(message, "\1\1\6\0\x11\x22\x33\x44\0\0\0\0\xc0\xa8\7\x14", 16);
	for (size_t i = 16; i < 28; i++) /* yiaddr, siaddr, giaddr */
		assert_int_equal(message[i], 0);
	assert_memory_equal(message + 28, "\x52\x54\0\x12\x34\x56\0\0", 8);
	assert_memory_equal(message + 236, options, sizeof(options));
}

static void test_dhcpv4_without_client_id(void **state)
{
	AUTO_LEASES struct lease_file file;
	struct lease lease = lease_of("9 52:54:00:12:34:56 192.168.7.20 * *\n", "192.168.7.20",
				      &file);
	uint8_t message[RELEASE_SIZE_MAX];
	struct ip server, server6;

	(void)state;
	ip_parse("192.168.7.1", &server);
	ip_parse("fd00::1", &server6);
	assert_int_equal(release_build4(&lease, &server, 1, message), 300);
	assert_int_equal(message[249], 255);
	assert_int_equal(release_build4(&lease, &server6, 1, message), 0);
	assert_int_equal(release_build6(&lease, "00:01", 1, message), 0);
	lease.has_mac = false;
	assert_int_equal(release_build4(&lease, &server, 1, message), 0);
}

static void test_longest_client_id(void **state)
{
	AUTO_LEASES struct lease_file file;
	char line[1024] = "9 52:54:00:12:34:56 192.168.7.20 * 00";
	uint8_t message[RELEASE_SIZE_MAX];
	struct ip server;
	struct lease lease;

	(void)state;
	for (int i = 1; i < LEASE_CLIENT_ID_MAX; i++)
		strcat(line, ":7f");
	strcat(line, "\n");
	lease = lease_of(line, "192.168.7.20", &file);
	assert_non_null(lease.client_id);
	ip_parse("192.168.7.1", &server);
	assert_int_equal(release_build4(&lease, &server, 1, message),
			 236 + 4 + 3 + 6 + 2 + LEASE_CLIENT_ID_MAX + 1);
	lease.address.family = AF_INET6;
	assert_true(release_build6(&lease, lease.client_id, 1, message) < RELEASE_SIZE_MAX);
}

static void test_dhcpv6(void **state)
{
	AUTO_LEASES struct lease_file file;
	struct lease lease = lease_of("duid 00:01:aa:bb\n9 77 fd00:7::20 web 00:03:00:01:52:54:00:12:34:56\n",
				      "fd00:7::20", &file);
	static const uint8_t expected[] = {
		8, 1, 2, 3,                                               /* RELEASE, transaction */
		0, 1, 0, 10, 0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, /* client */
		0, 2, 0, 4, 0, 1, 0xaa, 0xbb,                             /* server */
		0, 8, 0, 2, 0, 0,                                         /* elapsed */
		0, 3, 0, 40, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0,         /* IA_NA, T1, T2 */
		0, 5, 0, 24, 0xfd, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20,
		0, 0, 0, 0, 0, 0, 0, 0,
	};
	uint8_t message[RELEASE_SIZE_MAX];

	(void)state;
	assert_int_equal(release_build6(&lease, file.server_duid, htonl(0x99010203), message),
			 sizeof(expected));
	assert_memory_equal(message, expected, sizeof(expected));
	/* A temporary address is in an IA_TA, which has no times. */
	lease.is_temporary = true;
	assert_int_equal(release_build6(&lease, file.server_duid, 0, message),
			 sizeof(expected) - 8);
	assert_memory_equal(message + 32, "\0\4\0\x20\0\0\0\x4d\0\5\0\x18\xfd", 13);
	assert_int_equal(release_build6(&lease, NULL, 0, message), 0);
	lease.client_id = NULL;
	assert_int_equal(release_build6(&lease, file.server_duid, 0, message), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dhcpv4),
		cmocka_unit_test(test_dhcpv4_without_client_id),
		cmocka_unit_test(test_longest_client_id),
		cmocka_unit_test(test_dhcpv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
