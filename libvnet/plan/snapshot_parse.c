/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot_parse.c - the text form of a snapshot (snapshot_text.c), read back
 *
 * Also takes empty lines, lines in any order, and comments from '#' at the
 * start of a word.
 */

#include "plan/snapshot_fields.h"

#include "vnet/error.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

struct reader {
	struct snapshot *snap;
	struct vnet_error *err;
	unsigned line;
	char **words; /* of the line, decoded in place */
	size_t n, next;
};

static int bad(struct reader *r, const char *what, const char *word)
{
	vnet_error_set(r->err, -EINVAL, "bad-snapshot", "%s: %s", word ? word : "end of line",
		       what);
	vnet_error_at(r->err, NULL, r->line, 1, NULL);
	return -EINVAL;
}

static const char *next_word(struct reader *r)
{
	return r->next < r->n ? r->words[r->next++] : NULL;
}

static bool parse_uint(const char *text, uint64_t *ret)
{
	char *end;

	if (strcmp(text, "forever") == 0) {
		*ret = UINT32_MAX;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 0);
	return !*end && !errno;
}

static bool parse_enum(const struct field *f, const char *text, uint64_t *ret)
{
	for (const struct word *w = f->words; w->name; w++)
		if (strcmp(w->name, text) == 0) {
			*ret = w->value;
			return true;
		}
	return parse_uint(text, ret);
}

static bool parse_device(struct reader *r, const char *text, uint64_t *ret)
{
	const struct link *link = snapshot_link(r->snap, text);

	if (link) {
		*ret = (uint64_t)link->ifindex;
		return true;
	}
	return text[0] == '\x01' && parse_uint(text + 1, ret);
}

static int read_value(struct reader *r, const struct field *f, void *object)
{
	char *p = (char *)object + f->offset;
	const char *text = next_word(r);
	uint64_t u;
	bool ok;

	if (!text)
		return bad(r, "wants a value", f->word);
	switch (f->type) {
	case FIELD_NAME:
		ok = strlen(text) < f->size;
		if (ok)
			memcpy(p, text, strlen(text) + 1);
		break;
	case FIELD_MAC:
		ok = mac_parse(text, (struct mac *)p) == 0;
		break;
	case FIELD_IP:
		ok = ip_parse(text, (struct ip *)p) == 0;
		break;
	case FIELD_DEVICE:
		ok = parse_device(r, text, &u) && field_set(object, f, u);
		break;
	case FIELD_ENUM:
		ok = parse_enum(f, text, &u) && field_set(object, f, u);
		break;
	case FIELD_BITS:
		ok = parse_uint(text, &u) && field_set(object, f, field_get(object, f) | u);
		break;
	default:
		ok = parse_uint(text, &u) && field_set(object, f, u);
		break;
	}
	return ok ? 0 : bad(r, "is not a value for this field", text);
}

/* 1 when the word is none of these fields. */
static int read_field(struct reader *r, const struct field *fields, void *object, const char *word)
{
	for (const struct field *f = fields; f->word; f++) {
		if (strcmp(f->word, word) != 0)
			continue;
		if (f->type == FIELD_TRUE || f->type == FIELD_FALSE) {
			*(bool *)((char *)object + f->offset) = f->type == FIELD_TRUE;
			return 0;
		}
		if (f->type == FIELD_BIT) {
			field_set(object, f, field_get(object, f) | f->value);
			return 0;
		}
		return read_value(r, f, object);
	}
	return 1;
}

/* A word that makes a table apply brings that table's defaults. */
static void set_table_defaults(struct link *link, const char *word)
{
	for (const struct link_table *table = link_tables; table->fields; table++)
		if (table->applies(link) &&
		    strcmp(word, table->word ? table->word : "kind") == 0)
			field_set_defaults(table->fields, link);
}

static int read_link_field(struct reader *r, struct link *link, const char *word)
{
	int rc = read_field(r, link_fields, link, word);

	/* What a device is may be told by a table that does not apply yet. */
	if (rc == 1 && strcmp(word, "features") == 0) {
		link->features.is_known = true;
		rc = 0;
	}
	if (!rc)
		set_table_defaults(link, word);
	for (const struct link_table *table = link_tables; rc == 1 && table->fields; table++)
		if (table->applies(link))
			rc = read_field(r, table->fields, link, word);
	return rc;
}

static int read_link(struct reader *r, const char *index)
{
	struct link *link;
	const char *word;
	uint64_t u;
	int rc;

	if (!parse_uint(index, &u) ||
	    !(link = (struct link *)snapshot_link_by_index(r->snap, (int)u)))
		return bad(r, "is not an interface index", index);
	next_word(r); /* the name, read by read_link_names() */
	while ((word = next_word(r)))
		if ((rc = read_link_field(r, link, word)))
			return rc < 0 ? rc : bad(r, "unknown word", word);
	return 0;
}

/* The rest of a line, into an object that has a table. */
static int read_fields(struct reader *r, const struct field *fields, void *object)
{
	const char *word;
	int rc;

	while ((word = next_word(r)))
		if ((rc = read_field(r, fields, object, word)))
			return rc < 0 ? rc : bad(r, "unknown word", word);
	return 0;
}

static int read_addr(struct reader *r, const char *text)
{
	struct addr addr = { 0 };

	field_set_defaults(addr_fields, &addr);
	if (prefix_parse(text, &addr.prefix) < 0)
		return bad(r, "is not ADDRESS/LENGTH", text);
	if (read_fields(r, addr_fields, &addr) < 0)
		return -EINVAL;
	if (!addr.ifindex)
		return bad(r, "wants dev NAME", text);
	if (addr.scope == RT_SCOPE_NOWHERE)
		addr.scope = addr_default_scope(&addr);
	/* As in the kernel, where what routers advertise is not permanent even if for ever. */
	if (addr.valid == UINT32_MAX && !(addr.flags & IFA_F_MANAGETEMPADDR))
		addr.flags |= IFA_F_PERMANENT;
	vec_push(&r->snap->addrs, addr);
	return 0;
}

static int read_route(struct reader *r, const char *text)
{
	struct route route = { 0 };

	field_set_defaults(route_fields, &route);
	if (prefix_parse(text, &route.dst) < 0)
		return bad(r, "is not ADDRESS/LENGTH", text);
	route.family = route.dst.addr.family;
	if (read_fields(r, route_fields, &route) < 0)
		return -EINVAL;
	if (route.scope == RT_SCOPE_NOWHERE)
		route.scope = route_default_scope(&route);
	vec_push(&r->snap->routes, route);
	return 0;
}

static int read_sysctl(struct reader *r, const char *path)
{
	struct sysctl *sysctl;
	const char *value = next_word(r);
	char *end;

	if (strlen(path) >= sizeof(sysctl->path))
		return bad(r, "path is too long", path);
	if (!value || !*value)
		return bad(r, "wants a value", path);
	sysctl = vec_add(&r->snap->sysctls);
	strcpy(sysctl->path, path);
	sysctl->value = strtoll(value, &end, 10);
	return *end || next_word(r) ? bad(r, "is not one number", value) : 0;
}

static int read_vlan(struct reader *r, const char *range)
{
	struct vlan_member vlan = { 0 };
	unsigned first, last;
	char end;

	if (sscanf(range, "%4u-%4u%c", &first, &last, &end) != 2) {
		if (sscanf(range, "%4u%c", &first, &end) != 1)
			return bad(r, "is not a VLAN id or range", range);
		last = first;
	}
	if (!first || first > last || last > VLAN_ID_MAX)
		return bad(r, "is not a VLAN id or range", range);
	vlan.first = (uint16_t)first;
	vlan.last = (uint16_t)last;
	field_set_defaults(vlan_fields, &vlan);
	if (read_fields(r, vlan_fields, &vlan) < 0)
		return -EINVAL;
	vec_push(&r->snap->vlans, vlan);
	return vlan.ifindex ? 0 : bad(r, "wants dev NAME", range);
}

static int read_fdb(struct reader *r, const char *mac)
{
	struct vxlan_fdb fdb = { 0 };

	if (mac_parse(mac, &fdb.mac) < 0)
		return bad(r, "is not a MAC", mac);
	field_set_defaults(fdb_fields, &fdb);
	if (read_fields(r, fdb_fields, &fdb) < 0)
		return -EINVAL;
	vec_push(&r->snap->fdb, fdb);
	return fdb.ifindex ? 0 : bad(r, "wants dev NAME", mac);
}

static int read_shaper(struct reader *r, const char *name)
{
	struct shaper shaper = { 0 };
	uint64_t index;

	if (!parse_device(r, name, &index))
		return bad(r, "is no device", name);
	shaper.ifindex = (int)index;
	field_set_defaults(shaper_fields, &shaper);
	if (read_fields(r, shaper_fields, &shaper) < 0)
		return -EINVAL;
	vec_push(&r->snap->shapers, shaper);
	return 0;
}

static int read_shaper_root(struct reader *r, const char *name)
{
	struct shaper_root root = { 0 };
	uint64_t index;

	if (!parse_device(r, name, &index))
		return bad(r, "is no device", name);
	root.ifindex = (int)index;
	field_set_defaults(shaper_root_fields, &root);
	if (read_fields(r, shaper_root_fields, &root) < 0)
		return -EINVAL;
	vec_push(&r->snap->shaper_roots, root);
	return 0;
}

static int read_vf(struct reader *r, const char *number)
{
	struct vf vf = { 0 };
	uint64_t index;

	if (!parse_uint(number, &index) || index > UINT32_MAX)
		return bad(r, "is not a number", number);
	vf.index = (uint32_t)index;
	field_set_defaults(vf_fields, &vf);
	if (read_fields(r, vf_fields, &vf) < 0)
		return -EINVAL;
	vec_push(&r->snap->vfs, vf);
	return vf.ifindex ? 0 : bad(r, "wants dev NAME", number);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * %XX to its byte.  "@12" is an index whose device is not in the snapshot; the
 * '@' becomes a control character here, so that a device named "@12" (written
 * %4012) is not taken for it.
 */
static void decode_word(char *word)
{
	char *out = word;

	if (*word == '@')
		*word = '\x01';
	for (const char *in = word; *in; in++) {
		if (*in == '%' && hex_digit(in[1]) >= 0 && hex_digit(in[2]) >= 0 &&
		    hex_digit(in[1]) * 16 + hex_digit(in[2])) {
			*out++ = (char)(hex_digit(in[1]) * 16 + hex_digit(in[2]));
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

typedef VEC(char *) word_vec;

static void split_line(char *line, word_vec *ret)
{
	char *save = NULL;

	ret->n = 0;
	for (char *w = strtok_r(line, " \t\r", &save); w; w = strtok_r(NULL, " \t\r", &save)) {
		if (*w == '#')
			break;
		decode_word(w);
		vec_push(ret, w);
	}
}

/* First pass: every link's index and name, so that lines may refer to later ones. */
static int read_link_name(struct reader *r)
{
	const char *index, *name;
	struct link *link;
	uint64_t u;

	if (strcmp(r->words[0], "link") != 0)
		return 0;
	r->next = 1;
	index = next_word(r);
	name = next_word(r);
	if (!index || !parse_uint(index, &u) || !u || u > INT32_MAX)
		return bad(r, "is not an interface index", index);
	if (!name || strlen(name) >= sizeof(link->name))
		return bad(r, "is not an interface name", name);
	vec_each(other, &r->snap->links)
		if (other->ifindex == (int)u || strcmp(other->name, name) == 0)
			return bad(r, "index or name stands twice", name);
	link = vec_add(&r->snap->links);
	field_set_defaults(link_fields, link);
	link->ifindex = (int)u;
	link->flags = LINK_FLAGS_DEFAULT;
	strcpy(link->name, name);
	return 0;
}

static int read_object(struct reader *r)
{
	static const struct {
		const char *word;
		int (*read)(struct reader *r, const char *first);
	} objects[] = {
		{ "link", read_link },	   { "addr", read_addr },
		{ "route", read_route },   { "sysctl", read_sysctl },
		{ "vlan", read_vlan },	   { "fdb", read_fdb },
		{ "shaper", read_shaper }, { "shaper_root", read_shaper_root },
		{ "vf", read_vf },
	};

	r->next = 2;
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (strcmp(objects[i].word, r->words[0]) != 0)
			continue;
		return r->n > 1 ? objects[i].read(r, r->words[1]) : bad(r, "is alone", r->words[0]);
	}
	return bad(r, "is no object of a snapshot", r->words[0]);
}

static int read_lines(struct reader *r, const char *text, int (*read)(struct reader *r))
{
	AUTO_FREE char *copy = mem_strdup(text);
	char *line = copy;
	word_vec words = { 0 };
	int rc = 0;

	for (r->line = 1; line && !rc; r->line++) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		split_line(line, &words);
		r->words = words.v;
		r->n = words.n;
		if (words.n)
			rc = read(r);
		line = end;
	}
	vec_free(&words);
	return rc;
}

int snapshot_from_text(const char *text, struct snapshot *ret, struct vnet_error *err)
{
	struct snapshot snap = { 0 };
	struct reader r = { .snap = &snap, .err = err };
	int rc;

	rc = read_lines(&r, text, read_link_name);
	snapshot_sort(&snap);
	if (!rc)
		rc = read_lines(&r, text, read_object);
	if (rc < 0) {
		snapshot_free(&snap);
		return rc;
	}
	snapshot_sort(&snap);
	*ret = snap;
	return 0;
}
