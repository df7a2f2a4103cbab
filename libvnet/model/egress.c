/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* egress.c - where guests may connect to, as values; see egress.h. */

#include "model/egress.h"

#include "model/mac_name.h"
#include "model/names.h"
#include "model/network.h"
#include "model/schema.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EGRESS_WANTED                                                                              \
	"a name like deb.debian.org, \"*.example.org\" for all names below one, an address or a "  \
	"prefix like 192.0.2.0/24"

/* Letters somewhere in the last label, as in every name that is delegated (RFC 3696, section 2). */
static bool ends_like_a_name(const char *name)
{
	const char *last = strrchr(name, '.');

	for (last = last ? last + 1 : name; *last; last++)
		if (!isdigit((unsigned char)*last))
			return true;
	return false;
}

static int decode_name(struct decoder *d, const struct node *n, const char *text,
		       struct egress *egress)
{
	bool is_below = strncmp(text, "*.", 2) == 0;
	const char *name = is_below ? text + 2 : text;
	char buf[TEXT_QUOTE_MAX];

	if (record_name_check(name, NULL) < 0 || !ends_like_a_name(name))
		return node_error(n, d->err, "bad-value", "%s is not " EGRESS_WANTED,
				  text_quote(text, buf));
	egress->is_below = is_below;
	egress->name = mem_strdup(name);
	for (char *p = egress->name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

static int egress_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	const char *text = decode_text(d, n, EGRESS_WANTED);
	struct egress *egress = value;
	struct prefix clean;
	struct ip ip;

	(void)f;
	if (!text)
		return -EINVAL;
	if (ip_parse(text, &ip) == 0) {
		egress->prefix = (struct prefix){ ip, (uint8_t)ip_bits(&ip) };
		return 0;
	}
	if (prefix_parse(text, &egress->prefix) < 0)
		return decode_name(d, n, text, egress);
	clean = prefix_network(&egress->prefix);
	if (prefix_cmp(&clean, &egress->prefix) != 0)
		return node_error(n, d->err, "bad-address",
				  "the prefix has host bits set; clear what is behind its length");
	return 0;
}

static json_t *egress_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct egress *egress = value;
	char text[ADDR_TEXT_MAX];

	(void)f;
	(void)root;
	if (egress->name)
		return json_sprintf("%s%s", egress->is_below ? "*." : "", egress->name);
	if (egress->prefix.len == ip_bits(&egress->prefix.addr))
		return json_string(ip_format(&egress->prefix.addr, text));
	return json_string(prefix_format(&egress->prefix, text));
}

static void egress_copy(const struct schema_field *f, void *to)
{
	struct egress *egress = to;

	(void)f;
	egress->name = mem_strdup(egress->name);
}

static void egress_clear(const struct schema_field *f, void *value)
{
	struct egress *egress = value;

	(void)f;
	free(egress->name);
	*egress = (struct egress){ 0 };
}

static bool egress_equal(const struct schema_field *f, const void *a, const void *b)
{
	const struct egress *x = a, *y = b;

	(void)f;
	if (!x->name || !y->name)
		return !x->name && !y->name && prefix_cmp(&x->prefix, &y->prefix) == 0;
	return x->is_below == y->is_below && strcmp(x->name, y->name) == 0;
}

const struct schema_type type_egress = {
	.size = sizeof(struct egress),
	.decode = egress_decode,
	.encode = egress_encode,
	.copy = egress_copy,
	.clear = egress_clear,
	.equal = egress_equal,
};

bool network_has_egress_names(const struct network *net)
{
	vec_each(egress, &net->egress)
		if (egress->name)
			return true;
	return false;
}

uint32_t egress_network_hash(const char *network)
{
	return (uint32_t)hash_of_names("egress", network, "", 0);
}

uint32_t egress_name_hash(const struct egress *egress)
{
	return (uint32_t)hash_of_names("egress", egress->name, "", egress->is_below);
}

/* The order of names says nothing. */
const char *egress_instance(const struct network *net, char buf[EGRESS_INSTANCE_MAX])
{
	uint64_t sum = 0;

	vec_each(egress, &net->egress)
		if (egress->name)
			sum += hash_of_names("egress", egress->name, "", egress->is_below);
	snprintf(buf, EGRESS_INSTANCE_MAX, "%s.%08x", net->name, (unsigned)(sum & 0xffffffff));
	return buf;
}

const char *egress_set(const struct network *net, int family, unsigned generation,
		       char buf[EGRESS_SET_MAX])
{
	char instance[EGRESS_INSTANCE_MAX];

	snprintf(buf, EGRESS_SET_MAX, "names%c%c.%s", family == AF_INET ? '4' : '6',
		 generation ? 'b' : 'a', egress_instance(net, instance));
	return buf;
}
