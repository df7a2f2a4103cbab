/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* schema_wire.c - VLANs, limits and switches as values; see schema_wire.h. */

#include "model/schema_wire.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define RATE_MIN 8000ULL             /* a byte a millisecond: below, a full frame takes seconds */
#define RATE_MAX 1000000000000ULL
#define BURST_MIN 1600               /* a full frame */
#define BURST_MAX (1024U * 1024 * 1024)

static int bad_value(struct decoder *d, const struct node *n, const char *wanted)
{
	char buf[TEXT_QUOTE_MAX];

	return node_error(n, d->err, "bad-value", "%s is not %s", text_quote(n->text, buf), wanted);
}

/* --- a switch that may be left as it is --- */

static int tristate_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			   void *value)
{
	bool is_on;
	int r = type_bool.decode(d, f, n, &is_on);

	if (r == 0)
		*(enum tristate *)value = is_on ? TRI_TRUE : TRI_FALSE;
	return r;
}

static json_t *tristate_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_boolean(*(const enum tristate *)value == TRI_TRUE);
}

const struct schema_type type_tristate = {
	.size = sizeof(enum tristate),
	.decode = tristate_decode,
	.encode = tristate_encode,
};

/* --- VLAN ids --- */

/* Digits alone, without a leading zero; *end is what follows.  -EINVAL. */
static int parse_digits(const char *text, const char **end, unsigned long long *ret)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 15 || (digits > 1 && *text == '0'))
		return -EINVAL;
	*ret = strtoull(text, NULL, 10);
	*end = text + digits;
	return 0;
}

static int refuse_vlan_id(struct decoder *d, const struct node *n, unsigned long long id,
			  unsigned long long min)
{
	const char *why = id == 0    ? "it is the priority tag, which names no VLAN" :
			  id == 4095 ? "IEEE 802.1Q reserves it" :
				       "the tag has 12 bits for it";

	return node_error(n, d->err, "bad-vlan",
			  "VLAN id %llu cannot be used: %s; accepted: %llu to %d", id, why, min,
			  VLAN_ID_MAX);
}

static int vlan_id_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			  void *value)
{
	static const char wanted[] = "a VLAN id, 1 to 4094";
	const char *text = decode_text(d, n, wanted), *end;
	unsigned long long id;

	if (!text)
		return -EINVAL;
	if (parse_digits(text, &end, &id) < 0 || *end)
		return bad_value(d, n, wanted);
	if (id < f->min || id > VLAN_ID_MAX || (id == 0 && f->min))
		return refuse_vlan_id(d, n, id, f->min);
	*(unsigned *)value = (unsigned)id;
	return 0;
}

static json_t *vlan_id_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return json_integer(*(const unsigned *)value);
}

const struct schema_type type_vlan_id = {
	.size = sizeof(unsigned),
	.decode = vlan_id_decode,
	.encode = vlan_id_encode,
};

/* --- sets of VLAN ids --- */

#define RANGE_WANTED "a VLAN id or a range of them, like 10 or 20-30"
#define RANGES_WANTED "VLAN ids: 10, 20-30, or a list of them"

int uint_range_parse(const char *text, unsigned *ret_first, unsigned *ret_last)
{
	unsigned long long first, last;

	if (parse_digits(text, &text, &first) < 0)
		return -EINVAL;
	last = first;
	if (*text == '-' && parse_digits(text + 1, &text, &last) < 0)
		return -EINVAL;
	if (*text || last < first || last > UINT_MAX)
		return -EINVAL;
	*ret_first = (unsigned)first;
	*ret_last = (unsigned)last;
	return 0;
}

char *vlan_range_format(const struct vlan_range *range, char buf[12])
{
	if (range->first == range->last)
		snprintf(buf, 12, "%u", range->first);
	else
		snprintf(buf, 12, "%u-%u", range->first, range->last);
	return buf;
}

static int decode_range(struct decoder *d, const struct node *n, struct vlan_range *ret)
{
	const char *text = decode_text(d, n, RANGE_WANTED);
	unsigned first, last;

	if (!text)
		return -EINVAL;
	if (uint_range_parse(text, &first, &last) < 0)
		return bad_value(d, n, RANGE_WANTED);
	if (first < 1 || first > VLAN_ID_MAX)
		return refuse_vlan_id(d, n, first, 1);
	if (last > VLAN_ID_MAX)
		return refuse_vlan_id(d, n, last, 1);
	*ret = (struct vlan_range){ (uint16_t)first, (uint16_t)last };
	return 0;
}

/* Puts the range where it belongs; the others are sorted and disjoint. */
static int add_range(struct decoder *d, const struct node *n, vlan_range_vec *ranges)
{
	struct vlan_range range;
	char mine[12], theirs[12];
	size_t i = 0;
	int r = decode_range(d, n, &range);

	if (r < 0)
		return r;
	while (i < ranges->n && ranges->v[i].last < range.first)
		i++;
	if (i < ranges->n && ranges->v[i].first <= range.last)
		return node_error(n, d->err, "vlan-overlap", "%s is in %s already; give each id once",
				  vlan_range_format(&range, mine),
				  vlan_range_format(&ranges->v[i], theirs));
	vec_add(ranges);
	memmove(&ranges->v[i + 1], &ranges->v[i], (ranges->n - 1 - i) * sizeof(range));
	ranges->v[i] = range;
	return 0;
}

/* 20-29 and 30 are 20-30: one set has one form. */
static void join_neighbours(vlan_range_vec *ranges)
{
	for (size_t i = 1; i < ranges->n;) {
		if (ranges->v[i - 1].last + 1 != ranges->v[i].first) {
			i++;
			continue;
		}
		ranges->v[i - 1].last = ranges->v[i].last;
		vec_remove(ranges, i);
	}
}

static int vlan_ranges_decode(struct decoder *d, const struct schema_field *f,
			      const struct node *n, void *value)
{
	vlan_range_vec ranges = { 0 };
	int r = 0;

	if (n->kind == NODE_MAPPING)
		return node_error(n, d->err, "bad-type", "%s has " RANGES_WANTED ", not a mapping",
				  f->key);
	if (n->kind == NODE_SEQUENCE && n->items.n > VLAN_RANGES_MAX)
		return node_error(n, d->err, "too-many", "%zu items in %s; at most %d are accepted",
				  n->items.n, f->key, VLAN_RANGES_MAX);
	if (n->kind == NODE_SCALAR)
		r = add_range(d, n, &ranges);
	for (size_t i = 0; r == 0 && n->kind == NODE_SEQUENCE && i < n->items.n; i++)
		r = add_range(d, n->items.v[i], &ranges);
	join_neighbours(&ranges);
	vec_free((vlan_range_vec *)value);
	if (r == 0)
		*(vlan_range_vec *)value = ranges;
	else
		vec_free(&ranges);
	return r;
}

static json_t *vlan_ranges_encode(const struct schema_field *f, const void *value, const void *root)
{
	const vlan_range_vec *ranges = value;
	json_t *json = json_array();
	char text[12];

	(void)f;
	(void)root;
	vec_each(range, ranges)
		json_array_append_new(json, range->first == range->last
						    ? json_integer(range->first)
						    : json_string(vlan_range_format(range, text)));
	return json;
}

static bool vlan_ranges_is_default(const struct schema_field *f, const void *value,
				   const void *root)
{
	(void)f;
	(void)root;
	return ((const vlan_range_vec *)value)->n == 0;
}

static void vlan_ranges_copy(const struct schema_field *f, void *to)
{
	vlan_range_vec from = *(vlan_range_vec *)to, copy = { 0 };

	(void)f;
	vec_each(range, &from)
		vec_push(&copy, *range);
	*(vlan_range_vec *)to = copy;
}

static void vlan_ranges_clear(const struct schema_field *f, void *value)
{
	(void)f;
	vec_free((vlan_range_vec *)value);
}

static bool vlan_ranges_equal(const struct schema_field *f, const void *a, const void *b)
{
	const vlan_range_vec *x = a, *y = b;

	(void)f;
	return x->n == y->n && (!x->n || memcmp(x->v, y->v, x->n * sizeof(*x->v)) == 0);
}

const struct schema_type type_vlan_ranges = {
	.size = sizeof(vlan_range_vec),
	.decode = vlan_ranges_decode,
	.encode = vlan_ranges_encode,
	.is_default = vlan_ranges_is_default,
	.copy = vlan_ranges_copy,
	.clear = vlan_ranges_clear,
	.equal = vlan_ranges_equal,
};

/* --- rates and sizes --- */

struct unit {
	const char *name;
	unsigned long long factor;
};

/* The largest first, for the canonical form; those of tc(8). */
static const struct unit rate_units[] = {
	{ "tbit", 1000000000000ULL }, { "gbit", 1000000000 }, { "mbit", 1000000 },
	{ "kbit", 1000 },	      { "bit", 1 },
};
static const struct unit size_units[] = {
	{ "g", 1024 * 1024 * 1024 },
	{ "m", 1024 * 1024 },
	{ "k", 1024 },
};

/* A whole number and a unit, or the number alone.  -EINVAL; -ERANGE past 64 bits. */
static int parse_amount(const char *text, const struct unit *units, size_t n_units,
			unsigned long long *ret)
{
	const char *end;

	if (parse_digits(text, &end, ret) < 0)
		return -EINVAL;
	if (!*end)
		return 0;
	for (size_t i = 0; i < n_units; i++)
		if (strcmp(end, units[i].name) == 0)
			return __builtin_mul_overflow(*ret, units[i].factor, ret) ? -ERANGE : 0;
	return -EINVAL;
}

int rate_parse(const char *text, unsigned long long *ret)
{
	return parse_amount(text, rate_units, ARRAY_SIZE(rate_units), ret);
}

static json_t *encode_amount(unsigned long long amount, const struct unit *units, size_t n_units)
{
	for (size_t i = 0; amount && i < n_units; i++) {
		AUTO_FREE char *text = NULL;

		if (amount % units[i].factor || units[i].factor == 1)
			continue;
		text = mem_printf("%llu%s", amount / units[i].factor, units[i].name);
		return json_string(text);
	}
	return json_integer((json_int_t)amount);
}

#define RATE_WANTED "a rate like 10mbit, 1gbit, 500kbit, or a whole number of bit/s"
#define BURST_WANTED "a size like 64k, 1m, or a whole number of bytes"

static int rate_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		       void *value)
{
	const char *text = decode_text(d, n, RATE_WANTED);
	unsigned long long rate;
	char buf[TEXT_QUOTE_MAX];
	int r;

	if (!text)
		return -EINVAL;
	r = rate_parse(text, &rate);
	if (r == -EINVAL)
		return bad_value(d, n, RATE_WANTED);
	if (r < 0 || (rate < RATE_MIN && (rate || f->min)) || rate > RATE_MAX)
		return node_error(n, d->err, "out-of-range",
				  "%s is %s; accepted: 8kbit to 1tbit%s", f->key,
				  text_quote(text, buf), f->min ? "" : ", or 0 for no limit");
	*(uint64_t *)value = rate;
	return 0;
}

static json_t *rate_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return encode_amount(*(const uint64_t *)value, rate_units, ARRAY_SIZE(rate_units));
}

const struct schema_type type_rate = {
	.size = sizeof(uint64_t),
	.decode = rate_decode,
	.encode = rate_encode,
};

static int burst_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			void *value)
{
	const char *text = decode_text(d, n, BURST_WANTED);
	unsigned long long size;
	char buf[TEXT_QUOTE_MAX];
	int r;

	if (!text)
		return -EINVAL;
	r = parse_amount(text, size_units, ARRAY_SIZE(size_units), &size);
	if (r == -EINVAL)
		return bad_value(d, n, BURST_WANTED);
	if (r < 0 || size < BURST_MIN || size > BURST_MAX)
		return node_error(n, d->err, "out-of-range",
				  "%s is %s; accepted: %d bytes (a full frame) to 1g", f->key,
				  text_quote(text, buf), BURST_MIN);
	*(uint32_t *)value = (uint32_t)size;
	return 0;
}

static json_t *burst_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return encode_amount(*(const uint32_t *)value, size_units, ARRAY_SIZE(size_units));
}

const struct schema_type type_burst = {
	.size = sizeof(uint32_t),
	.decode = burst_decode,
	.encode = burst_encode,
};

/* --- limits --- */

static int limit_finish(struct decoder *d, const struct node *n, void *value)
{
	const struct bandwidth *limit = value;
	const struct node *at = node_get(n, "guaranteed");

	if (limit->rate && limit->guaranteed > limit->rate)
		return node_error(at ? at : n, d->err, "bad-guarantee",
				  "more is guaranteed than the rate lets pass; lower guaranteed or "
				  "raise rate");
	if (limit->burst && !limit->rate)
		return node_error(n, d->err, "missing-key", "a burst belongs to a rate; give one");
	return 0;
}

#define L(member) offsetof(struct bandwidth, member)
static const struct schema_field network_limit_fields[] = {
	FIELD("rate", type_rate, L(rate), .required = true, .min = RATE_MIN),
	FIELD("burst", type_burst, L(burst)),
};
const struct schema network_limit_schema = {
	.what = "a limit",
	.size = sizeof(struct bandwidth),
	SCHEMA_FIELDS(network_limit_fields),
	.short_key = "rate",
};

static const struct schema_field limit_fields[] = {
	FIELD("rate", type_rate, L(rate), .min = RATE_MIN),
	FIELD("guaranteed", type_rate, L(guaranteed), .min = RATE_MIN),
	FIELD("burst", type_burst, L(burst)),
};
const struct schema limit_schema = {
	.what = "a limit",
	.size = sizeof(struct bandwidth),
	SCHEMA_FIELDS(limit_fields),
	.short_key = "rate",
	.finish = limit_finish,
};

static const struct schema_field port_limit_fields[] = {
	FIELD("rate", type_rate, L(rate)),
	FIELD("guaranteed", type_rate, L(guaranteed)),
	FIELD("burst", type_burst, L(burst)),
};
const struct schema port_limit_schema = {
	.what = "a limit",
	.size = sizeof(struct bandwidth),
	SCHEMA_FIELDS(port_limit_fields),
	.short_key = "rate",
	.starts_anew = true,
	.finish = limit_finish,
};
#undef L

/* --- VLANs of a port --- */

static int port_vlans_finish(struct decoder *d, const struct node *n, void *value)
{
	const struct port_vlans *vlans = value;
	const struct node *at = node_get(n, "tagged");

	if (!vlans->native && !vlans->tagged.n)
		return node_error(n, d->err, "bad-value",
				  "a port in no VLAN at all reaches nothing; give a native id, tagged "
				  "ids or both");
	if (vlans->native && vlan_ranges_contain(&vlans->tagged, vlans->native))
		return node_error(at ? at : n, d->err, "vlan-overlap",
				  "%u is the native id, whose frames have no tag; take it out of tagged",
				  vlans->native);
	return 0;
}

static const struct schema_field port_vlans_fields[] = {
	FIELD("native", type_vlan_id, offsetof(struct port_vlans, native)),
	FIELD("tagged", type_vlan_ranges, offsetof(struct port_vlans, tagged)),
};
const struct schema port_vlans_schema = {
	.what = "vlan",
	.size = sizeof(struct port_vlans),
	SCHEMA_FIELDS(port_vlans_fields),
	.short_key = "native",
	.starts_anew = true,
	.finish = port_vlans_finish,
};

/* --- offloads --- */

static const struct schema_field offloads_fields[] = {
#define O(member) offsetof(struct port_options, member)
	FIELD("rx", type_tristate, O(rx)),   FIELD("tx", type_tristate, O(tx)),
	FIELD("sg", type_tristate, O(sg)),   FIELD("tso", type_tristate, O(tso)),
	FIELD("gso", type_tristate, O(gso)), FIELD("gro", type_tristate, O(gro)),
#undef O
};
const struct schema offloads_schema = {
	.what = "offloads",
	.size = sizeof(struct port_options),
	SCHEMA_FIELDS(offloads_fields),
};

const char *const vlan_protocol_names[] = { [VLAN_8021Q] = "802.1Q", [VLAN_8021AD] = "802.1ad",
					    NULL };
