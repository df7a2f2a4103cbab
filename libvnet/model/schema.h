/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_SCHEMA_H
#define VNET_MODEL_SCHEMA_H

/*
 * schema.h - tables that say how a struct looks in YAML and JSON
 *
 * A schema lists the keys of a mapping and where each value lives in a struct.
 * The same table decodes (with every check that one value allows), encodes to
 * the canonical form (defaults left out), copies, compares and frees, so the
 * five cannot drift apart.
 *
 *	static const struct schema_field route_fields[] = {
 *		FIELD("to", type_prefix, offsetof(struct static_route, to), .required = true),
 *		FIELD("via", type_ip, offsetof(struct static_route, via)),
 *	};
 */

#include "model/node.h"
#include "model/source.h"

#include <stdint.h>

struct schema;
struct schema_field;

struct decoder {
	struct vnet_error *err;
	key_source_vec *keys;   /* or NULL; filled for YAML only */
	const struct node *base;
	unsigned in_item;       /* within list items, which have their own source */
	const void *context;    /* for the types of whoever decodes */
};

/* How one kind of value is read, written and kept. */
struct schema_type {
	size_t size;            /* of a list's item; 0: schema->size */
	int (*decode)(struct decoder *d, const struct schema_field *f, const struct node *n,
		      void *value);
	/* Never NULL for a value that is set. */
	json_t *(*encode)(const struct schema_field *f, const void *value, const void *root);
	/* The value is what leaving the key out gives; NULL: all bytes are zero. */
	bool (*is_default)(const struct schema_field *f, const void *value, const void *root);
	void (*copy)(const struct schema_field *f, void *to); /* *to is a flat copy; NULL: enough */
	void (*clear)(const struct schema_field *f, void *value); /* NULL: owns nothing */
	bool (*equal)(const struct schema_field *f, const void *a, const void *b); /* NULL: memcmp */
};

typedef int (*schema_check)(const char *text, struct vnet_error *err);

struct schema_field {
	const char *key;
	const struct schema_type *type;
	size_t offset;
	bool required;
	bool input_only;        /* read, but written in another key's value */
	size_t has;             /* HAS(type, member): the bool that says it is given */
	unsigned long long min, max; /* of a number or duration; max also items of a list */
	unsigned long long def; /* of a bool, number or enum left out */
	unsigned long long (*default_of)(const void *root); /* a default that follows the rest */
	bool may_be_infinite;   /* a duration; UINT_MAX in memory */
	schema_check check;     /* of a string */
	const char *const *names; /* of an enum, NULL at the end */
	int family;             /* of addresses; 0: both */
	const struct schema *schema; /* of a struct */
	const struct schema_field *item; /* of a list */
};
#define HAS(type, member) (offsetof(type, member) + 1)
#define FIELD(key_, type_, offset_, ...) \
	{ .key = (key_), .type = &(type_), .offset = (offset_), __VA_ARGS__ }
/* What a list holds; key: the list's, for messages. */
#define ITEM(key_, type_, ...) { .key = (key_), .type = &(type_), __VA_ARGS__ }

struct schema {
	const char *what;       /* "a route": for messages */
	size_t size;
	const struct schema_field *fields;
	size_t n_fields;
	size_t source;          /* HAS() of its struct source, or 0 */
	/* `key: true|false` beside the mapping form, which means true; HAS() of the bool. */
	size_t enabled;
	unsigned long long (*enabled_default)(const void *root);
	/* What the struct holds already is dropped before it is decoded again. */
	bool starts_anew;
	/* A bare scalar or list stands for this key alone. */
	const char *short_key;
	/* A bare scalar in a notation of its own. */
	int (*short_form)(struct decoder *d, const struct node *n, void *value);
	/* After all keys: what one value alone cannot tell. */
	int (*finish)(struct decoder *d, const struct node *n, void *value);
};
#define SCHEMA_FIELDS(table) .fields = (table), .n_fields = ARRAY_SIZE(table)

/* In memory and in text: */
extern const struct schema_type type_bool;        /* bool */
extern const struct schema_type type_uint;        /* unsigned */
extern const struct schema_type type_uint64;      /* uint64_t */
extern const struct schema_type type_duration;    /* unsigned; 90, "90s", "10m", "2h", "1d", "infinite" */
extern const struct schema_type type_string;      /* char * */
/* For types that are strings in all but how they are read. */
json_t *string_encode(const struct schema_field *f, const void *value, const void *root);
void string_copy(const struct schema_field *f, void *to);
void string_clear(const struct schema_field *f, void *value);
bool string_equal(const struct schema_field *f, const void *a, const void *b);
extern const struct schema_type type_ifname;      /* char[16] */
extern const struct schema_type type_enum;        /* an enum */
extern const struct schema_type type_mac;         /* struct mac; unicast, not zero */
extern const struct schema_type type_ip;          /* struct ip */
extern const struct schema_type type_ip_range;    /* struct ip_range */
extern const struct schema_type type_prefix;      /* struct prefix */
extern const struct schema_type type_port_range;  /* struct port_range */
extern const struct schema_type type_struct;      /* the schema's struct */
extern const struct schema_type type_list;        /* VEC() of the item */

/* Defaults of the table, into a zeroed struct. */
void schema_init(const struct schema *s, void *value);
int schema_decode(struct decoder *d, const struct schema *s, const struct node *n, void *value);
/* Defaults that follow other values; n: what value was decoded from, or NULL. */
void schema_defaults(const struct schema *s, const struct node *n, void *value, const void *root);
/* The canonical form; NULL when all is default. */
json_t *schema_encode(const struct schema *s, const void *value, const void *root);
void schema_copy(const struct schema *s, void *to); /* *to is a flat copy */
void schema_clear(const struct schema *s, void *value);
bool schema_equal(const struct schema *s, const void *a, const void *b);

/* For decoders of types defined elsewhere: the scalar's text, or NULL and an error naming what was wanted. */
const char *decode_text(struct decoder *d, const struct node *n, const char *wanted);
/* Decimal, or 0x and hexadecimal digits (masks); no sign, no leading zero: 0, -EINVAL or -ERANGE. */
int number_parse(const char *text, unsigned long long *ret);
/* "did you mean": the candidate nearest to word, or NULL when none is near. */
const char *nearest_word(const char *word, const char *const *candidates, size_t n);

#endif
