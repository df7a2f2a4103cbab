/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_SNAPSHOT_FIELDS_H
#define VNET_PLAN_SNAPSHOT_FIELDS_H

/*
 * snapshot_fields.h - the words of a snapshot's text form
 *
 * One table per object drives both the writer (snapshot_text.c) and the parser
 * (snapshot_parse.c).  A field at its default is left out, so that a case
 * written by hand stays short.
 */

#include "plan/snapshot.h"

#include <net/if.h>

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1 << 16) /* linux/if.h, which net/if.h excludes */
#endif

/* Every device that vnet touches is a broadcast device; leave the pair out. */
#define LINK_FLAGS_DEFAULT (IFF_BROADCAST | IFF_MULTICAST)

enum field_type {
	FIELD_UINT,  /* "word N" unless value */
	FIELD_TRUE,  /* "word" when the bool is true */
	FIELD_FALSE, /* "word" when the bool is false */
	FIELD_BIT,   /* "word" when the bit `value` is set */
	FIELD_BITS,  /* "word 0x…": the bits outside of the mask `value` */
	FIELD_NAME,  /* "word text" unless empty */
	FIELD_MAC,
	FIELD_IP,
	FIELD_DEVICE, /* an ifindex, written as the device's name */
	FIELD_ENUM,  /* "word name" or "word N" unless value */
};

struct word {
	const char *name;
	uint64_t value;
};

struct field {
	const char *word;
	enum field_type type;
	size_t offset, size;
	uint64_t value; /* default, bit or mask */
	const struct word *words;
};

/* Of every device; then by what it is. */
extern const struct field link_fields[];
struct link_table {
	const struct field *fields;
	bool (*applies)(const struct link *link);
	const char *word; /* that makes it apply: the defaults are set then; NULL: "kind" */
};
extern const struct link_table link_tables[]; /* to fields NULL */

/* Objects of a line each: "addr PREFIX ...". */
extern const struct field addr_fields[], route_fields[], vlan_fields[], fdb_fields[],
	shaper_fields[], shaper_root_fields[], vf_fields[];

uint64_t field_get(const void *object, const struct field *f);
/* False when the value does not fit. */
bool field_set(void *object, const struct field *f, uint64_t value);
void field_set_defaults(const struct field *fields, void *object);

/* What the kernel gives when nobody says otherwise. */
uint8_t addr_default_scope(const struct addr *addr);
uint8_t route_default_scope(const struct route *route);

#endif
