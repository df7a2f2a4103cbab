/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_log_frame.c - addresses in logged frames, and frames that only look like it */

#include "dhcp/log_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* IPv6 header, solicitation for fd10::77, nonce option. */
static const uint8_t solicitation[72] = {
	0x60, 0, 0, 0, 0, 32, 58, 255,
	[24] = 0xff, 0x02, [35] = 1, 0xff, 0, 0, 0x77,
	[40] = 135, 0, 0x12, 0x34, [48] = 0xfd, 0x10, [63] = 0x77,
	[64] = 14, 1, 1, 2, 3, 4, 5, 6,
};

static void test_solicitation(void **state)
{
	uint8_t frame[14 + sizeof(solicitation)] = { 0x33, 0x33, [12] = 0x86, 0xdd };
	struct ip ip = { 0 }, want;

	(void)state;
	ip_parse("fd10::77", &want);
	assert_true(log_frame_solicited(solicitation, sizeof(solicitation), &ip));
	assert_int_equal(ip_cmp(&ip, &want), 0);
	memcpy(frame + 14, solicitation, sizeof(solicitation));
	memset(&ip, 0, sizeof(ip));
	assert_true(log_frame_solicited(frame, sizeof(frame), &ip));
	assert_int_equal(ip_cmp(&ip, &want), 0);
	for (size_t size = 0; size < 64; size++)
		assert_false(log_frame_solicited(solicitation, size, &ip));
}

static void test_what_is_no_solicitation(void **state)
{
	static const struct { size_t at; uint8_t value; } changes[] = {
		{ 0, 0x40 }, { 6, 0 }, { 8, 1 }, { 23, 1 }, { 40, 136 }, { 41, 1 },
	};
	struct ip ip = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		uint8_t packet[sizeof(solicitation)];

		memcpy(packet, solicitation, sizeof(packet));
		packet[changes[i].at] = changes[i].value;
		assert_false(log_frame_solicited(packet, sizeof(packet), &ip));
	}
	assert_int_equal(ip.family, 0);
}

#define BOOTP 28
#define OPTIONS (BOOTP + 240)
#define ACK_SIZE (OPTIONS + 16)

static void make_ack(uint8_t packet[ACK_SIZE])
{
	static const uint8_t bootp[] = { 2, 1, 6 }, address[] = { 10, 10, 0, 5 };
	static const uint8_t mac[] = { 0x52, 0x54, 0, 0, 0, 5 }, cookie[] = { 99, 130, 83, 99 };
	static const uint8_t options[16] = { 0, 54, 4, 10, 10, 0, 1, 51, 4, 0, 0, 14, 16, 53, 1, 5 };

	memset(packet, 0, ACK_SIZE);
	packet[0] = 0x45;
	packet[9] = 17;
	packet[21] = 67;
	packet[23] = 68;
	memcpy(packet + BOOTP, bootp, sizeof(bootp));
	memcpy(packet + BOOTP + 16, address, sizeof(address));
	memcpy(packet + BOOTP + 28, mac, sizeof(mac));
	memcpy(packet + BOOTP + 236, cookie, sizeof(cookie));
	memcpy(packet + OPTIONS, options, sizeof(options));
}

static bool is_ack(const uint8_t *packet, size_t size, struct ip *ip, uint32_t *seconds)
{
	struct mac mac = { 0 };

	return log_frame_acknowledged(packet, size, &mac, ip, seconds) && mac.b[5] == 5;
}

static void test_acknowledgement(void **state)
{
	uint8_t packet[ACK_SIZE];
	struct ip ip = { 0 }, want;
	uint32_t seconds = 0;

	(void)state;
	ip_parse("10.10.0.5", &want);
	make_ack(packet);
	assert_true(is_ack(packet, sizeof(packet), &ip, &seconds));
	assert_int_equal(ip_cmp(&ip, &want), 0);
	assert_int_equal(seconds, 3600);
	memset(packet + OPTIONS + 9, 0xff, 4); /* for ever */
	assert_true(is_ack(packet, sizeof(packet), &ip, &seconds));
	assert_int_equal(seconds, 0);
	for (size_t size = 0; size < sizeof(packet); size++)
		assert_false(is_ack(packet, size, &ip, &seconds));
}

static void test_what_is_no_acknowledgement(void **state)
{
	static const struct { size_t at; uint8_t value; const char *what; } changes[] = {
		{ 0, 0x65, "IPv6" }, { 0, 0x44, "a header of 16 bytes" }, { 9, 6, "TCP" },
		{ 6, 0x20, "a first fragment" }, { 7, 1, "a later one" }, { 23, 67, "to a server" },
		{ 22, 1, "to port 324" }, { BOOTP, 1, "a request" }, { BOOTP + 1, 6, "Token Ring" },
		{ BOOTP + 2, 16, "a long address" }, { BOOTP + 236, 0, "BOOTP" },
		{ OPTIONS + 2, 200, "an option that ends outside" }, { OPTIONS, 255, "no options" },
		{ OPTIONS + 15, 6, "a refusal" }, { OPTIONS + 14, 2, "an option that is cut" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		uint8_t packet[ACK_SIZE];
		struct ip ip = { 0 };
		uint32_t seconds;

		make_ack(packet);
		packet[changes[i].at] = changes[i].value;
		if (is_ack(packet, sizeof(packet), &ip, &seconds))
			fail_msg("taken for an acknowledgement: %s", changes[i].what);
		assert_int_equal(ip.family, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_solicitation),
		cmocka_unit_test(test_what_is_no_solicitation),
		cmocka_unit_test(test_acknowledgement),
		cmocka_unit_test(test_what_is_no_acknowledgement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
