/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link_look.c - a device at a glance, by the tables of the snapshot's text; see link_look.h. */

#include "plan/link_look.h"

#include "plan/snapshot_fields.h"

#include <stddef.h>

/* FNV-1a: what a foe could make collide, the next look at the host finds all the same. */
static void mix(uint64_t *hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		*hash = (*hash ^ bytes[i]) * 0x100000001b3ull;
}

static void mix_ip(uint64_t *hash, const struct ip *ip)
{
	char text[ADDR_TEXT_MAX];

	/* Bytes that IPv4 does not use say nothing. */
	if (ip->family)
		mix(hash, ip_format(ip, text), strlen(text));
}

static void mix_field(uint64_t *hash, const struct link *link, const struct field *f)
{
	const void *member = (const char *)link + f->offset;
	uint64_t value;

	switch (f->type) {
	case FIELD_NAME:
		mix(hash, member, strlen(member) + 1);
		break;
	case FIELD_MAC:
		mix(hash, member, f->size);
		break;
	case FIELD_IP:
		mix_ip(hash, member);
		break;
	case FIELD_BIT:
		value = field_get(link, f) & f->value;
		/* Others tell what the device does, not what was asked of it. */
		if (f->value == IFF_UP)
			mix(hash, &value, sizeof(value));
		break;
	case FIELD_BITS:
		break;
	default:
		value = field_get(link, f);
		mix(hash, &value, sizeof(value));
	}
}

/* What is told only when it is asked for, or told by nobody's doing. */
static bool is_passing(const struct link *link, const struct field *f)
{
	/* Shortened while the spanning tree changes. */
	if (f->offset == offsetof(struct link, bridge.ageing))
		return link->bridge.stp;
	return f->offset == offsetof(struct link, port.state) ||
	       f->offset == offsetof(struct link, checksum) ||
	       f->offset == offsetof(struct link, is_wireless) ||
	       f->offset == offsetof(struct link, has_netns_peer) ||
	       (f->offset >= offsetof(struct link, features) &&
		f->offset < offsetof(struct link, features) + sizeof(struct feature_state));
}

static void mix_fields(uint64_t *hash, const struct link *link, const struct field *fields)
{
	for (const struct field *f = fields; f->word; f++)
		if (!is_passing(link, f))
			mix_field(hash, link, f);
}

#define HASH_START 0xcbf29ce484222325ull

static bool is_port(const struct link_table *table)
{
	return table->word && strcmp(table->word, "master") == 0;
}

uint64_t link_look_port(const struct link *link)
{
	uint64_t hash = HASH_START;

	mix(&hash, &link->master, sizeof(link->master));
	for (const struct link_table *t = link_tables; link->master && t->fields; t++)
		if (is_port(t))
			mix_fields(&hash, link, t->fields);
	return hash;
}

void link_look(const struct link *link, struct link_look *ret)
{
	ret->device = HASH_START;
	mix(&ret->device, link->name, strlen(link->name));
	mix_fields(&ret->device, link, link_fields);
	for (const struct link_table *t = link_tables; t->fields; t++)
		if (!is_port(t) && t->applies(link))
			mix_fields(&ret->device, link, t->fields);
	ret->port = link_look_port(link);
}
