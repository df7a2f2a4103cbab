/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* addr.c - MAC and IP addresses, prefixes and ranges as plain values; see addr.h. */

#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, struct mac *ret)
{
	struct mac mac;

	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i == 5 ? '\0' : ':'))
			return -EINVAL;
		mac.b[i] = (uint8_t)(high << 4 | low);
		text += 3;
	}
	*ret = mac;
	return 0;
}

char *mac_format(const struct mac *mac, char *buf)
{
	snprintf(buf, ADDR_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac->b[0], mac->b[1],
		 mac->b[2], mac->b[3], mac->b[4], mac->b[5]);
	return buf;
}

int mac_cmp(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool mac_is_zero(const struct mac *mac)
{
	static const struct mac zero;

	return mac_cmp(mac, &zero) == 0;
}

bool mac_is_multicast(const struct mac *mac)
{
	return mac->b[0] & 1;
}

int ip_parse(const char *text, struct ip *ret)
{
	struct ip ip = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	/* inet_pton() takes neither white space, octal, nor zones. */
	if (inet_pton(ip.family, text, ip.b) != 1)
		return -EINVAL;
	*ret = ip;
	return 0;
}

char *ip_format(const struct ip *ip, char *buf)
{
	if (!ip_size(ip) || !inet_ntop(ip->family, ip->b, buf, ADDR_TEXT_MAX))
		snprintf(buf, ADDR_TEXT_MAX, "none");
	return buf;
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

size_t ip_size(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : ip->family == AF_INET6 ? 16 : 0;
}

unsigned ip_bits(const struct ip *ip)
{
	return (unsigned)ip_size(ip) * 8;
}

bool ip_is_multicast(const struct ip *ip)
{
	return ip->family == AF_INET ? (ip->b[0] & 0xf0) == 0xe0 : ip->b[0] == 0xff;
}

bool ip_is_loopback(const struct ip *ip)
{
	static const uint8_t one[16] = { [15] = 1 };

	return ip->family == AF_INET ? ip->b[0] == 127 : memcmp(ip->b, one, 16) == 0;
}

bool ip_is_link_local(const struct ip *ip)
{
	if (ip->family == AF_INET)
		return ip->b[0] == 169 && ip->b[1] == 254;
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

bool ip_is_any(const struct ip *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->b, zero, ip_size(ip)) == 0;
}

struct ip ip_add(const struct ip *ip, uint64_t n)
{
	struct ip sum = *ip;
	uint64_t carry = n;

	for (size_t i = ip_size(ip); i-- > 0 && carry;) {
		uint64_t byte = sum.b[i] + (carry & 0xff);

		sum.b[i] = (uint8_t)byte;
		carry = (carry >> 8) + (byte >> 8);
	}
	return sum;
}

/* A decimal number without sign or leading zero, in [low, high], ended by end. */
static int number_parse(const char *text, size_t len, unsigned low, unsigned high, unsigned *ret)
{
	unsigned n = 0;

	if (len == 0 || len > 5 || (text[0] == '0' && len > 1))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		n = n * 10 + (unsigned)(text[i] - '0');
	}
	if (n < low || n > high)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* The address before the separator at `end`. */
static int ip_parse_until(const char *text, const char *end, struct ip *ret)
{
	char buf[INET6_ADDRSTRLEN];
	size_t len = (size_t)(end - text);

	if (len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return ip_parse(buf, ret);
}

int prefix_parse(const char *text, struct prefix *ret)
{
	const char *slash = strchr(text, '/');
	struct prefix p = { 0 };
	unsigned len;

	if (!slash || ip_parse_until(text, slash, &p.addr) < 0 ||
	    number_parse(slash + 1, strlen(slash + 1), 0, ip_bits(&p.addr), &len) < 0)
		return -EINVAL;
	p.len = (uint8_t)len;
	*ret = p;
	return 0;
}

char *prefix_format(const struct prefix *p, char *buf)
{
	char ip[ADDR_TEXT_MAX];

	snprintf(buf, ADDR_TEXT_MAX, "%.100s/%u", ip_format(&p->addr, ip), p->len);
	return buf;
}

int prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int order = ip_cmp(&a->addr, &b->addr);

	return order ? order : (int)a->len - (int)b->len;
}

struct ip prefix_netmask(const struct prefix *p)
{
	struct ip mask = { .family = p->addr.family };

	for (unsigned bit = 0; bit < p->len; bit++)
		mask.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return mask;
}

struct prefix prefix_network(const struct prefix *p)
{
	struct prefix net = *p;
	struct ip mask = prefix_netmask(p);

	for (size_t i = 0; i < ip_size(&net.addr); i++)
		net.addr.b[i] &= mask.b[i];
	return net;
}

struct ip prefix_last(const struct prefix *p)
{
	struct ip last = p->addr, mask = prefix_netmask(p);

	for (size_t i = 0; i < ip_size(&last); i++)
		last.b[i] |= (uint8_t)~mask.b[i];
	return last;
}

bool prefix_contains(const struct prefix *p, const struct ip *ip)
{
	struct prefix other = { .addr = *ip, .len = p->len };
	struct prefix a, b;

	if (ip->family != p->addr.family)
		return false;
	a = prefix_network(p);
	b = prefix_network(&other);
	return ip_cmp(&a.addr, &b.addr) == 0;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len ? prefix_contains(a, &b->addr) : prefix_contains(b, &a->addr);
}

int ip_range_parse(const char *text, struct ip_range *ret)
{
	const char *dash = strchr(text, '-');
	struct ip_range r;

	if (!dash) {
		if (ip_parse(text, &r.first) < 0)
			return -EINVAL;
		r.last = r.first;
	} else if (ip_parse_until(text, dash, &r.first) < 0 || ip_parse(dash + 1, &r.last) < 0) {
		return -EINVAL;
	}
	if (r.first.family != r.last.family || ip_cmp(&r.first, &r.last) > 0)
		return -EINVAL;
	*ret = r;
	return 0;
}

char *ip_range_format(const struct ip_range *r, char *buf)
{
	char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX];

	ip_format(&r->first, first);
	if (ip_cmp(&r->first, &r->last) == 0)
		snprintf(buf, ADDR_TEXT_MAX, "%s", first);
	else
		snprintf(buf, ADDR_TEXT_MAX, "%.50s-%.50s", first, ip_format(&r->last, last));
	return buf;
}

bool ip_range_contains(const struct ip_range *r, const struct ip *ip)
{
	return ip->family == r->first.family && ip_cmp(&r->first, ip) <= 0 &&
	       ip_cmp(ip, &r->last) <= 0;
}

bool ip_range_overlaps(const struct ip_range *a, const struct ip_range *b)
{
	return a->first.family == b->first.family && ip_cmp(&a->first, &b->last) <= 0 &&
	       ip_cmp(&b->first, &a->last) <= 0;
}

uint64_t ip_range_count(const struct ip_range *r)
{
	uint64_t high = 0, low = 0; /* last - first, as 128 bits */
	int borrow = 0;

	for (size_t i = ip_size(&r->first); i-- > 0;) {
		int digit = r->last.b[i] - r->first.b[i] - borrow;
		size_t position = ip_size(&r->first) - 1 - i;

		borrow = digit < 0;
		if (position < 8)
			low |= (uint64_t)(uint8_t)digit << 8 * position;
		else
			high |= (uint64_t)(uint8_t)digit << 8 * (position - 8);
	}
	return high || low == UINT64_MAX ? UINT64_MAX : low + 1;
}

int port_range_parse(const char *text, struct port_range *ret)
{
	const char *dash = strchr(text, '-');
	unsigned first, last;

	if (number_parse(text, dash ? (size_t)(dash - text) : strlen(text), 1, 65535, &first) < 0)
		return -EINVAL;
	last = first;
	if (dash && number_parse(dash + 1, strlen(dash + 1), first, 65535, &last) < 0)
		return -EINVAL;
	*ret = (struct port_range){ .first = (uint16_t)first, .last = (uint16_t)last };
	return 0;
}

char *port_range_format(const struct port_range *r, char *buf)
{
	if (r->first == r->last)
		snprintf(buf, ADDR_TEXT_MAX, "%u", r->first);
	else
		snprintf(buf, ADDR_TEXT_MAX, "%u-%u", r->first, r->last);
	return buf;
}
