/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_BASE_ADDR_H
#define VNET_BASE_ADDR_H

/*
 * addr.h - MAC and IP addresses, prefixes and ranges as plain values
 *
 * Parsers take the whole string, accept no white space and only the notations
 * named here, and return 0 or -EINVAL with *ret untouched.  Formatters write
 * into the caller's buffer (ADDR_TEXT_MAX is always enough) and return it.
 * All address bytes are in network order; unused bytes are zero, so that
 * memcmp() orders addresses of one family.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_TEXT_MAX 128

struct mac {
	uint8_t b[6];
};

struct ip {
	uint8_t family; /* AF_INET, AF_INET6, or 0: none */
	uint8_t b[16];  /* IPv4 in b[0..3] */
};

struct prefix {
	struct ip addr; /* host bits kept: 192.168.1.1/24 is an interface address too */
	uint8_t len;    /* 0..32 or 0..128 */
};

struct ip_range {
	struct ip first, last; /* same family, first <= last; equal for one address */
};

struct port_range {
	uint16_t first, last; /* host order; 0,0: none */
};

/* "52:54:00:12:34:56", hexadecimal digits of either case, two each. */
int mac_parse(const char *text, struct mac *ret);
char *mac_format(const struct mac *mac, char *buf);
int mac_cmp(const struct mac *a, const struct mac *b);
bool mac_is_zero(const struct mac *mac);
bool mac_is_multicast(const struct mac *mac); /* group bit, broadcast included */

/* Dotted quad, or RFC 4291 text without zone; written by RFC 5952. */
int ip_parse(const char *text, struct ip *ret);
char *ip_format(const struct ip *ip, char *buf);
/* Family first, then the bytes. */
int ip_cmp(const struct ip *a, const struct ip *b);
unsigned ip_bits(const struct ip *ip); /* 32, 128, or 0 without family */
size_t ip_size(const struct ip *ip);   /* 4, 16, or 0 */
bool ip_is_multicast(const struct ip *ip);
bool ip_is_loopback(const struct ip *ip);
bool ip_is_link_local(const struct ip *ip); /* 169.254/16, fe80::/10 */
bool ip_is_any(const struct ip *ip);        /* 0.0.0.0, :: */
/* ip + n; wraps at the end of the family's space. */
struct ip ip_add(const struct ip *ip, uint64_t n);

/* "ADDRESS/LEN"; the length is required. */
int prefix_parse(const char *text, struct prefix *ret);
char *prefix_format(const struct prefix *p, char *buf);
int prefix_cmp(const struct prefix *a, const struct prefix *b); /* address, then length */
struct prefix prefix_network(const struct prefix *p);   /* host bits cleared */
struct ip prefix_last(const struct prefix *p);          /* all host bits set */
struct ip prefix_netmask(const struct prefix *p);
bool prefix_contains(const struct prefix *p, const struct ip *ip);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

/* "A-B" or one address "A". */
int ip_range_parse(const char *text, struct ip_range *ret);
char *ip_range_format(const struct ip_range *r, char *buf);
bool ip_range_contains(const struct ip_range *r, const struct ip *ip);
bool ip_range_overlaps(const struct ip_range *a, const struct ip_range *b);
/* Number of addresses, at most UINT64_MAX. */
uint64_t ip_range_count(const struct ip_range *r);

/* "80" or "8000-8010"; 1..65535, first <= last. */
int port_range_parse(const char *text, struct port_range *ret);
char *port_range_format(const struct port_range *r, char *buf);

#endif
