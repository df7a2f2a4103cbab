/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* schema_types.c - the kinds of single values that the tables name. */

#include "base/addr.h"
#include "base/strbuf.h"
#include "model/schema.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>

const char *decode_text(struct decoder *d, const struct node *n, const char *wanted)
{
	if (n->kind == NODE_SCALAR)
		return n->text;
	node_error(n, d->err, "bad-type", "%s is wanted here, not a %s", wanted,
		   n->kind == NODE_MAPPING ? "mapping" : "list");
	return NULL;
}

static int bad_value(struct decoder *d, const struct node *n, const char *wanted)
{
	char buf[TEXT_QUOTE_MAX];

	return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(n->text, buf), wanted);
}

/* --- bool --- */

static int bool_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		       void *value)
{
	const char *text = decode_text(d, n, "true or false");

	(void)f;
	if (!text)
		return -EINVAL;
	if (n->quoted || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
		return bad_value(d, n,
				 n->quoted ? "true or false without quotes" : "true or false");
	*(bool *)value = strcmp(text, "true") == 0;
	return 0;
}

static unsigned long long number_default(const struct schema_field *f, const void *root)
{
	return f->default_of ? f->default_of(root) : f->def;
}

static bool bool_is_default(const struct schema_field *f, const void *value, const void *root)
{
	return *(const bool *)value == (number_default(f, root) != 0);
}

static json_t *bool_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_boolean(*(const bool *)value);
}

const struct schema_type type_bool = {
	.size = sizeof(bool),
	.decode = bool_decode,
	.encode = bool_encode,
	.is_default = bool_is_default,
};

/* --- numbers --- */

int number_parse(const char *text, unsigned long long *ret)
{
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = is_hex ? text + 2 : text;
	char *end;

	if (digits[strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789")] || !*digits)
		return -EINVAL;
	if (!is_hex && digits[0] == '0' && digits[1])
		return -EINVAL;
	errno = 0;
	*ret = strtoull(digits, &end, is_hex ? 16 : 10);
	return errno ? -ERANGE : 0;
}

static int out_of_range(struct decoder *d, const struct schema_field *f, const struct node *n,
			const char *unit)
{
	char buf[TEXT_QUOTE_MAX];

	return node_error(n, d->err, "out-of-range", "%s is %s; accepted: %llu to %llu%s", f->key,
			  text_quote(n->text, buf), f->min, f->max, unit);
}

static int number_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 unsigned long long *ret)
{
	unsigned long long number;
	const char *text = decode_text(d, n, "a whole number");
	int r;

	if (!text)
		return -EINVAL;
	r = n->quoted ? -EINVAL : number_parse(text, &number);
	if (r == -EINVAL)
		return bad_value(d, n,
				 n->quoted ? "a whole number without quotes" : "a whole number");
	if (r < 0 || number < f->min || number > f->max)
		return out_of_range(d, f, n, "");
	*ret = number;
	return 0;
}

static int uint_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		       void *value)
{
	unsigned long long number;
	int r = number_decode(d, f, n, &number);

	if (r == 0)
		*(unsigned *)value = (unsigned)number;
	return r;
}

static bool uint_is_default(const struct schema_field *f, const void *value, const void *root)
{
	return *(const unsigned *)value == number_default(f, root);
}

static json_t *uint_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_integer(*(const unsigned *)value);
}

const struct schema_type type_uint = {
	.size = sizeof(unsigned),
	.decode = uint_decode,
	.encode = uint_encode,
	.is_default = uint_is_default,
};

static int uint64_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	unsigned long long number;
	int r = number_decode(d, f, n, &number);

	if (r == 0)
		*(uint64_t *)value = number;
	return r;
}

static json_t *uint64_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_integer((json_int_t)(*(const uint64_t *)value));
}

const struct schema_type type_uint64 = {
	.size = sizeof(uint64_t),
	.decode = uint64_decode,
	.encode = uint64_encode,
};

/* --- durations --- */

#define DURATION_WANTED "a duration in seconds, or like 90s, 10m, 2h, 1d"

static int parse_duration(const char *text, unsigned long long *ret)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = {
		{ 's', 1 },
		{ 'm', 60 },
		{ 'h', 3600 },
		{ 'd', 86400 },
	};
	size_t len = strlen(text), digits = strspn(text, "0123456789");
	unsigned long long number;
	char copy[16];

	if (digits == 0 || digits > 12 || len > digits + 1)
		return -EINVAL;
	memcpy(copy, text, digits);
	copy[digits] = '\0';
	number = strtoull(copy, NULL, 10);
	if (len == digits) {
		*ret = number;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (text[digits] != units[i].unit)
			continue;
		*ret = number * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

static int duration_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			   void *value)
{
	unsigned long long seconds;
	const char *text = decode_text(d, n, DURATION_WANTED);

	if (!text)
		return -EINVAL;
	if (f->may_be_infinite && strcmp(text, "infinite") == 0) {
		*(unsigned *)value = UINT_MAX;
		return 0;
	}
	if (parse_duration(text, &seconds) < 0)
		return bad_value(d, n,
				 f->may_be_infinite ? DURATION_WANTED " or infinite"
						    : DURATION_WANTED);
	if (seconds < f->min || seconds > f->max)
		return out_of_range(d, f, n, " s");
	*(unsigned *)value = (unsigned)seconds;
	return 0;
}

static json_t *duration_encode(const struct schema_field *f, const void *value, const void *root)
{
	unsigned seconds = *(const unsigned *)value;

	(void)root;
	return f->may_be_infinite && seconds == UINT_MAX ? json_string("infinite")
							 : json_integer(seconds);
}

const struct schema_type type_duration = {
	.size = sizeof(unsigned),
	.decode = duration_decode,
	.encode = duration_encode,
	.is_default = uint_is_default,
};

/* --- text --- */

static int checked_text(struct decoder *d, const struct schema_field *f, const struct node *n,
			const char **ret)
{
	const char *text = decode_text(d, n, "a text");
	int r;

	if (!text)
		return -EINVAL;
	if (f->max && strlen(text) > f->max)
		return node_error(n, d->err, "text-too-long",
				  "%s has %zu bytes; at most %llu are accepted", f->key,
				  strlen(text), f->max);
	r = f->check ? f->check(text, d->err) : 0;
	if (r < 0)
		node_locate(n, d->err);
	else
		*ret = text;
	return r;
}

static int string_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	const char *text;
	int r = checked_text(d, f, n, &text);

	if (r == 0)
		mem_replace(value, text);
	return r;
}

json_t *string_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_string(*(char *const *)value);
}

void string_copy(const struct schema_field *f, void *to)
{
	(void)f;
	*(char **)to = mem_strdup(*(char **)to);
}

void string_clear(const struct schema_field *f, void *value)
{
	(void)f;
	mem_replace(value, NULL);
}

bool string_equal(const struct schema_field *f, const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	(void)f;
	return x && y ? strcmp(x, y) == 0 : x == y;
}

const struct schema_type type_string = {
	.size = sizeof(char *),
	.decode = string_decode,
	.encode = string_encode,
	.copy = string_copy,
	.clear = string_clear,
	.equal = string_equal,
};

static int ifname_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	const char *text;
	int r = checked_text(d, f, n, &text);

	if (r == 0)
		snprintf(value, 16, "%s", text); /* f->check bounds it */
	return r;
}

static bool ifname_is_default(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return *(const char *)value == '\0';
}

static json_t *ifname_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_string(value);
}

static bool ifname_equal(const struct schema_field *f, const void *a, const void *b)
{
	(void)f;
	return strcmp(a, b) == 0;
}

const struct schema_type type_ifname = {
	.size = 16,
	.decode = ifname_decode,
	.encode = ifname_encode,
	.is_default = ifname_is_default,
	.equal = ifname_equal,
};

/* --- words --- */

static int unknown_word(struct decoder *d, const struct schema_field *f, const struct node *n,
			size_t count)
{
	const char *near = nearest_word(n->text, f->names, count);
	AUTO_STRBUF struct strbuf list = { 0 };
	char buf[TEXT_QUOTE_MAX];

	for (size_t i = 0; i < count; i++)
		strbuf_printf(&list, "%s%s", i ? ", " : "", f->names[i]);
	return node_error(n, d->err, "bad-value", "%s cannot be %s%s%s%s; accepted: %s", f->key,
			  text_quote(n->text, buf), near ? " (did you mean \"" : "",
			  near ? near : "", near ? "\"?)" : "", list.s);
}

static int enum_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		       void *value)
{
	unsigned i = 0;
	const char *text = decode_text(d, n, "a word");

	if (!text)
		return -EINVAL;
	for (; f->names[i]; i++) {
		if (strcmp(text, f->names[i]) == 0) {
			*(unsigned *)value = i;
			return 0;
		}
	}
	return unknown_word(d, f, n, i);
}

static json_t *enum_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)root;
	return json_string(f->names[*(const unsigned *)value]);
}

const struct schema_type type_enum = {
	.size = sizeof(unsigned),
	.decode = enum_decode,
	.encode = enum_encode,
	.is_default = uint_is_default,
};

/* --- addresses --- */

static int mac_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		      void *value)
{
	struct mac mac;
	const char *text = decode_text(d, n, "a MAC address like 52:54:00:12:34:56");

	(void)f;
	if (!text)
		return -EINVAL;
	if (mac_parse(text, &mac) < 0)
		return bad_value(d, n, "a MAC address like 52:54:00:12:34:56");
	if (mac_is_multicast(&mac) || mac_is_zero(&mac))
		return bad_value(d, n,
				 "the MAC address of one device (it is a group address or zero)");
	*(struct mac *)value = mac;
	return 0;
}

static json_t *mac_encode(const struct schema_field *f, const void *value, const void *root)
{
	char buf[ADDR_TEXT_MAX];

	(void)f;
	(void)root;
	return json_string(mac_format(value, buf));
}

const struct schema_type type_mac = {
	.size = sizeof(struct mac),
	.decode = mac_decode,
	.encode = mac_encode,
};

static const char *family_wanted(int family, const char *v4, const char *v6, const char *both)
{
	return family == AF_INET ? v4 : family == AF_INET6 ? v6 : both;
}

static int ip_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		     void *value)
{
	const char *wanted =
		family_wanted(f->family, "an IPv4 address like 192.168.10.1",
			      "an IPv6 address like fd00::1", "an IPv4 or IPv6 address");
	struct ip ip;
	const char *text = decode_text(d, n, wanted);

	if (!text)
		return -EINVAL;
	if (ip_parse(text, &ip) < 0 || (f->family && ip.family != f->family))
		return bad_value(d, n, wanted);
	*(struct ip *)value = ip;
	return 0;
}

static json_t *ip_encode(const struct schema_field *f, const void *value, const void *root)
{
	char buf[ADDR_TEXT_MAX];

	(void)f;
	(void)root;
	return json_string(ip_format(value, buf));
}

const struct schema_type type_ip = {
	.size = sizeof(struct ip),
	.decode = ip_decode,
	.encode = ip_encode,
};

static int ip_range_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			   void *value)
{
	const char *wanted = family_wanted(
		f->family, "an IPv4 range like 192.168.10.100-192.168.10.199 (first to last)",
		"an IPv6 range like fd00::100-fd00::1ff (first to last)",
		"an address or a range of addresses, first to last");
	struct ip_range range;
	const char *text = decode_text(d, n, wanted);

	if (!text)
		return -EINVAL;
	if (ip_range_parse(text, &range) < 0 || (f->family && range.first.family != f->family))
		return bad_value(d, n, wanted);
	*(struct ip_range *)value = range;
	return 0;
}

static json_t *ip_range_encode(const struct schema_field *f, const void *value, const void *root)
{
	char buf[ADDR_TEXT_MAX];

	(void)f;
	(void)root;
	return json_string(ip_range_format(value, buf));
}

const struct schema_type type_ip_range = {
	.size = sizeof(struct ip_range),
	.decode = ip_range_decode,
	.encode = ip_range_encode,
};

static int prefix_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	static const char wanted[] =
		"an address with its prefix length, like 192.168.10.1/24 or fd00::1/64";
	struct prefix prefix;
	const char *text = decode_text(d, n, wanted);

	if (!text)
		return -EINVAL;
	if (prefix_parse(text, &prefix) < 0 || (f->family && prefix.addr.family != f->family))
		return bad_value(d, n, wanted);
	*(struct prefix *)value = prefix;
	return 0;
}

static json_t *prefix_encode(const struct schema_field *f, const void *value, const void *root)
{
	char buf[ADDR_TEXT_MAX];

	(void)f;
	(void)root;
	return json_string(prefix_format(value, buf));
}

const struct schema_type type_prefix = {
	.size = sizeof(struct prefix),
	.decode = prefix_decode,
	.encode = prefix_encode,
};

static int port_range_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			     void *value)
{
	struct port_range range;
	const char *text = decode_text(d, n, "a port or a range of ports like 8000-8010");

	(void)f;
	if (!text)
		return -EINVAL;
	if (port_range_parse(text, &range) < 0)
		return bad_value(d, n, "a port or a range of ports like 8000-8010 (1 to 65535)");
	*(struct port_range *)value = range;
	return 0;
}

static json_t *port_range_encode(const struct schema_field *f, const void *value, const void *root)
{
	char buf[ADDR_TEXT_MAX];

	(void)f;
	(void)root;
	return json_string(port_range_format(value, buf));
}

const struct schema_type type_port_range = {
	.size = sizeof(struct port_range),
	.decode = port_range_decode,
	.encode = port_range_encode,
};
