/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_base.c - errors, strings, vectors and addresses. */

#include "base/addr.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "vnet/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void error_keeps_the_first(void **state)
{
	struct vnet_error err = { 0 };
	char text[1024];

	(void)state;
	assert_int_equal(vnet_error_set(&err, -EBUSY, "busy", "device %s is busy", "br0"), -EBUSY);
	assert_int_equal(vnet_error_set(&err, -EPERM, "other", "second"), -EPERM);
	vnet_error_prefix(&err, "network %s", "blue");
	vnet_error_at(&err, "a.yaml", 3, 7, "blue.bridge");
	assert_string_equal(err.code, "busy");
	assert_int_equal(err.number, -EBUSY);
	assert_string_equal(vnet_error_text(&err, text, sizeof(text)),
			    "a.yaml:3:7: blue.bridge: network blue: device br0 is busy");
	assert_string_equal(vnet_error_text(&err, text, 8), "a.yaml:");
	vnet_error_clear(&err);
	assert_false(vnet_error_is_set(&err));
	assert_int_equal(vnet_error_set(NULL, -EIO, "x", "y"), -EIO);
}

static void error_never_overflows(void **state)
{
	struct vnet_error err = { 0 };
	char longest[2000];

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	vnet_error_set(&err, -EINVAL, longest, "%s", longest);
	for (int i = 0; i < 5; i++)
		vnet_error_prefix(&err, "%s", longest);
	vnet_error_at(&err, longest, 1, 1, longest);
	assert_int_equal(strlen(err.code), sizeof(err.code) - 1);
	assert_int_equal(strlen(err.path), sizeof(err.path) - 1);
	assert_true(strlen(err.message) < sizeof(err.message));
}

static void strings_grow(void **state)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	AUTO_FREE char *taken = NULL;

	(void)state;
	for (int i = 0; i < 1000; i++)
		strbuf_printf(&b, "%d,", i % 10);
	assert_int_equal(b.len, 2000);
	strbuf_reset(&b);
	strbuf_append(&b, "end");
	taken = strbuf_take(&b);
	assert_string_equal(taken, "end");
	assert_null(b.s);
}

static void vectors_grow(void **state)
{
	VEC(int) v = { 0 };
	int sum = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		vec_push(&v, i);
	*vec_add(&v) += 7;
	vec_remove(&v, 0);
	vec_each(it, &v)
		sum += *it;
	assert_int_equal(v.n, 100);
	assert_int_equal(sum, 99 * 50 + 7);
	vec_free(&v);
	vec_each(it, &v)
		sum = 0;
	assert_int_equal(sum, 99 * 50 + 7);
}

static int compare_ints(const void *key, const void *item)
{
	return *(const int *)key - *(const int *)item;
}

static void searches_find_the_place(void **state)
{
	VEC(int) v = { 0 };
	bool found;

	(void)state;
	assert_int_equal(vec_search(&v, &(int){ 1 }, compare_ints, &found), 0);
	assert_false(found);
	for (int i = 0; i < 9; i++)
		vec_push(&v, 2 * i);
	for (int i = -1; i <= 18; i++) {
		assert_int_equal(vec_search(&v, &i, compare_ints, &found), (i + 1) / 2);
		assert_int_equal(found, i % 2 == 0 && i < 18);
	}
	vec_free(&v);
}

static void macs(void **state)
{
	static const char *const bad[] = { "", "52:54:00:12:34", "52:54:00:12:34:5", "52-54-00-12-34-56",
					   "52:54:00:12:34:56 ", "52:54:00:12:34:56:78", "5g:54:00:12:34:56" };
	char buf[ADDR_TEXT_MAX];
	struct mac mac;

	(void)state;
	assert_int_equal(mac_parse("52:54:00:AB:cd:0f", &mac), 0);
	assert_string_equal(mac_format(&mac, buf), "52:54:00:ab:cd:0f");
	assert_false(mac_is_multicast(&mac));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(mac_parse(bad[i], &mac), -EINVAL);
	assert_string_equal(mac_format(&mac, buf), "52:54:00:ab:cd:0f");
}

static void ips(void **state)
{
	static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", " 1.2.3.4", "1.2.3.4 ",
					   "::g", "fe80::1%eth0", "1:2", ":::" };
	char buf[ADDR_TEXT_MAX];
	struct ip ip, next;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ip_parse(bad[i], &ip), -EINVAL);
	assert_int_equal(ip_parse("2001:DB8:0::1", &ip), 0);
	assert_string_equal(ip_format(&ip, buf), "2001:db8::1");
	assert_int_equal(ip_parse("10.0.255.255", &ip), 0);
	next = ip_add(&ip, 1);
	assert_string_equal(ip_format(&next, buf), "10.1.0.0");
	next = ip_add(&ip, 0x01000001);
	assert_string_equal(ip_format(&next, buf), "11.1.0.0");
	assert_int_equal(ip_parse("::ffff:ffff:ffff:ffff", &ip), 0);
	next = ip_add(&ip, 2);
	assert_string_equal(ip_format(&next, buf), "::1:0:0:0:1");
	ip_parse("255.255.255.255", &ip);
	next = ip_add(&ip, 1);
	assert_true(ip_is_any(&next));
	ip_parse("fe80::1", &ip);
	assert_true(ip_is_link_local(&ip));
	ip_parse("::1", &ip);
	assert_true(ip_is_loopback(&ip));
	ip_parse("239.1.1.1", &ip);
	assert_true(ip_is_multicast(&ip));
}

static void prefixes(void **state)
{
	static const char *const bad[] = { "10.0.0.1", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/08", "10.0.0.1/-1", "::/129",
					   "10.0.0.1/8 ", "/8" };
	char buf[ADDR_TEXT_MAX];
	struct prefix p, q, net;
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(prefix_parse(bad[i], &p), -EINVAL);
	assert_int_equal(prefix_parse("192.168.10.1/22", &p), 0);
	net = prefix_network(&p);
	assert_string_equal(prefix_format(&net, buf), "192.168.8.0/22");
	ip = prefix_last(&p);
	assert_string_equal(ip_format(&ip, buf), "192.168.11.255");
	ip = prefix_netmask(&p);
	assert_string_equal(ip_format(&ip, buf), "255.255.252.0");
	ip_parse("192.168.11.9", &ip);
	assert_true(prefix_contains(&p, &ip));
	ip_parse("192.168.12.0", &ip);
	assert_false(prefix_contains(&p, &ip));
	ip_parse("::1", &ip);
	assert_false(prefix_contains(&p, &ip));
	prefix_parse("192.168.0.0/16", &q);
	assert_true(prefix_overlaps(&p, &q));
	assert_true(prefix_overlaps(&q, &p));
	prefix_parse("0.0.0.0/0", &q);
	assert_true(prefix_overlaps(&q, &p));
	prefix_parse("192.168.12.0/24", &q);
	assert_false(prefix_overlaps(&q, &p));
}

static void ranges(void **state)
{
	char buf[ADDR_TEXT_MAX];
	struct ip_range r, s;
	struct port_range p;

	(void)state;
	assert_int_equal(ip_range_parse("10.0.0.5-10.0.1.4", &r), 0);
	assert_int_equal(ip_range_count(&r), 256);
	assert_string_equal(ip_range_format(&r, buf), "10.0.0.5-10.0.1.4");
	assert_int_equal(ip_range_parse("10.0.0.9-10.0.0.5", &s), -EINVAL);
	assert_int_equal(ip_range_parse("10.0.0.9-::1", &s), -EINVAL);
	assert_int_equal(ip_range_parse("10.0.1.4", &s), 0);
	assert_true(ip_range_overlaps(&r, &s));
	assert_int_equal(ip_range_count(&s), 1);
	assert_int_equal(ip_range_parse("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &s), 0);
	assert_true(ip_range_count(&s) == UINT64_MAX);
	assert_int_equal(ip_range_parse("::-::ffff:ffff:ffff:ffff", &s), 0);
	assert_true(ip_range_count(&s) == UINT64_MAX);
	assert_int_equal(ip_range_parse("2001:db8::10-2001:db8::1:f", &s), 0);
	assert_int_equal(ip_range_count(&s), 0x10000);

	assert_int_equal(port_range_parse("8000-8010", &p), 0);
	assert_string_equal(port_range_format(&p, buf), "8000-8010");
	assert_int_equal(port_range_parse("65535", &p), 0);
	assert_int_equal(port_range_parse("0", &p), -EINVAL);
	assert_int_equal(port_range_parse("65536", &p), -EINVAL);
	assert_int_equal(port_range_parse("80-79", &p), -EINVAL);
	assert_int_equal(port_range_parse("80-", &p), -EINVAL);
	assert_int_equal(port_range_parse("", &p), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_keeps_the_first), cmocka_unit_test(error_never_overflows),
		cmocka_unit_test(strings_grow),		 cmocka_unit_test(vectors_grow),
		cmocka_unit_test(searches_find_the_place), cmocka_unit_test(macs),			 cmocka_unit_test(ips),
		cmocka_unit_test(prefixes),		 cmocka_unit_test(ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
