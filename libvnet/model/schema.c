/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * schema.c - walks a schema's table: decode, encode, copy, compare, free.
 *
 * The kinds of single values live in schema_types.c.
 */

#include "model/schema.h"

#include "base/strbuf.h"

#include <ctype.h>
#include <errno.h>

/* Values are reached through offsets; these are the only places that cast. */
static inline void *at(void *value, size_t offset)
{
	return (char *)value + offset;
}

static inline const void *at_const(const void *value, size_t offset)
{
	return (const char *)value + offset;
}

static inline bool flag_get(const void *value, size_t has)
{
	return *(const bool *)at_const(value, has - 1);
}

static inline void flag_set(void *value, size_t has, bool is_set)
{
	*(bool *)at(value, has - 1) = is_set;
}

/* --- keys --- */

#define WORD_MAX 40

/* Edit distance with transpositions (optimal string alignment), case ignored. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t d[WORD_MAX + 1][WORD_MAX + 1];

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			int ca = tolower((unsigned char)a[i - 1]),
			    cb = tolower((unsigned char)b[j - 1]);
			size_t best = d[i - 1][j - 1] + (ca != cb);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]) && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t n)
{
	size_t best = strlen(word) / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t far = distance(word, candidates[i]);

		if (far < best || (far == best && !found && far < strlen(word))) {
			best = far;
			found = candidates[i];
		}
	}
	return found;
}

/* From *next on, round and round: what we wrote ourselves has its keys in the table's order. */
static const struct schema_field *find_field_from(const struct schema *s, const char *key,
						  size_t *next)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct schema_field *f = &s->fields[(*next + i) % s->n_fields];

		if (strcmp(f->key, key) == 0) {
			*next = (size_t)(f - s->fields) + 1;
			return f;
		}
	}
	return NULL;
}

static const struct schema_field *find_field(const struct schema *s, const char *key)
{
	return find_field_from(s, key, &(size_t){ 0 });
}

static void list_keys(const struct schema *s, struct strbuf *b)
{
	for (size_t i = 0; i < s->n_fields; i++)
		strbuf_printf(b, "%s%s", i ? ", " : "", s->fields[i].key);
}

static int unknown_key(struct decoder *d, const struct schema *s, const struct node *n)
{
	const char *keys[64] = { 0 }, *near;
	char buf[TEXT_QUOTE_MAX];
	AUTO_STRBUF struct strbuf list = { 0 };
	size_t count = 0;

	for (; count < s->n_fields && count < ARRAY_SIZE(keys); count++)
		keys[count] = s->fields[count].key;
	near = nearest_word(n->key, keys, count);
	list_keys(s, &list);
	return node_key_error(n, d->err, "unknown-key", "%s has no key %s%s%s%s; accepted: %s",
			      s->what, text_quote(n->key, buf), near ? " (did you mean \"" : "",
			      near ? near : "", near ? "\"?)" : "", list.s);
}

/* --- decode --- */

static void record_key(struct decoder *d, const struct node *n)
{
	char path[NODE_PATH_MAX];
	size_t skip;

	if (!d->keys || d->in_item || !n->line)
		return;
	skip = d->base && d->base->key ? strlen(d->base->key) + 1 : 0;
	node_path(n, path, sizeof(path));
	if (strlen(path) <= skip)
		return;
	*vec_add(d->keys) = (struct key_source){
		.path = mem_strdup(path + skip),
		.line = n->key ? n->key_line : n->line,
		.column = n->key ? n->key_column : n->column,
	};
}

static int decode_field(struct decoder *d, const struct schema_field *f, const struct node *n,
			void *value)
{
	int r;

	record_key(d, n);
	r = f->type->decode(d, f, n, at(value, f->offset));
	if (r == 0 && f->has)
		flag_set(value, f->has, true);
	return r;
}

static int decode_mapping(struct decoder *d, const struct schema *s, const struct node *n,
			  void *value)
{
	size_t next = 0;

	for (size_t i = 0; i < n->items.n; i++) {
		const struct node *item = n->items.v[i];
		const struct schema_field *f = find_field_from(s, item->key, &next);
		int r;

		if (!f)
			return unknown_key(d, s, item);
		if (item->kind == NODE_NULL && !item->line)
			continue; /* JSON: null is not given */
		if (item->kind == NODE_NULL)
			return node_error(item, d->err, "no-value",
					  "%s has no value; give one or remove the line", f->key);
		r = decode_field(d, f, item, value);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s->n_fields; i++)
		if (s->fields[i].required && !node_get(n, s->fields[i].key))
			return node_key_error(n, d->err, "missing-key", "%s needs the key %s",
					      s->what, s->fields[i].key);
	return 0;
}

static int wrong_shape(struct decoder *d, const struct schema *s, const struct node *n)
{
	AUTO_STRBUF struct strbuf list = { 0 };

	list_keys(s, &list);
	return node_error(n, d->err, "bad-type",
			  "%s must be %sa mapping like {%s: ...} with some of the keys %s", s->what,
			  s->enabled ? "true, false or " : "", s->fields[0].key, list.s);
}

static int decode_switch(struct decoder *d, const struct schema *s, const struct node *n,
			 void *value)
{
	static const struct schema_field boolean = { .key = "", .type = &type_bool };

	if (n->kind != NODE_SCALAR)
		return wrong_shape(d, s, n);
	return type_bool.decode(d, &boolean, n, at(value, s->enabled - 1));
}

static int decode_shape(struct decoder *d, const struct schema *s, const struct node *n,
			void *value)
{
	if (n->kind == NODE_MAPPING) {
		if (s->enabled)
			flag_set(value, s->enabled, true);
		return decode_mapping(d, s, n, value);
	}
	if (n->kind == NODE_NULL)
		return wrong_shape(d, s, n);
	if (s->enabled)
		return decode_switch(d, s, n, value);
	if (s->short_key)
		return decode_field(d, find_field(s, s->short_key), n, value);
	if (s->short_form && n->kind == NODE_SCALAR)
		return s->short_form(d, n, value);
	return wrong_shape(d, s, n);
}

int schema_decode(struct decoder *d, const struct schema *s, const struct node *n, void *value)
{
	int r;

	if (s->source)
		*(struct source *)at(value, s->source - 1) = (struct source){
			.file = mem_strdup(n->file), .line = n->line, .column = n->column
		};
	r = decode_shape(d, s, n, value);
	if (r == 0 && s->finish)
		r = s->finish(d, n, value);
	return r;
}

/* --- defaults --- */

static void set_number(const struct schema_field *f, void *value, unsigned long long number)
{
	if (f->type == &type_bool)
		*(bool *)value = number != 0;
	else
		*(unsigned *)value = (unsigned)number;
}

void schema_init(const struct schema *s, void *value)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct schema_field *f = &s->fields[i];

		if (f->type == &type_struct)
			schema_init(f->schema, at(value, f->offset));
		else if (f->def)
			set_number(f, at(value, f->offset), f->def);
	}
}

void schema_defaults(const struct schema *s, const struct node *n, void *value, const void *root)
{
	if (s->enabled_default && !n)
		flag_set(value, s->enabled, s->enabled_default(root) != 0);
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct schema_field *f = &s->fields[i];
		const struct node *item = node_get(n, f->key);

		if (f->type == &type_struct)
			schema_defaults(f->schema, item, at(value, f->offset), root);
		else if (f->default_of && !item)
			set_number(f, at(value, f->offset), f->default_of(root));
	}
}

/* --- encode --- */

static bool is_zero(const void *value, size_t size)
{
	const unsigned char *b = value;

	for (size_t i = 0; i < size; i++)
		if (b[i])
			return false;
	return true;
}

static bool field_is_default(const struct schema_field *f, const void *base, const void *root)
{
	const void *value = at_const(base, f->offset);

	if (f->input_only)
		return true;
	if (f->has)
		return !flag_get(base, f->has);
	if (f->type->is_default)
		return f->type->is_default(f, value, root);
	return is_zero(value, f->type->size);
}

json_t *schema_encode(const struct schema *s, const void *value, const void *root)
{
	json_t *json = json_object();

	for (size_t i = 0; i < s->n_fields; i++) {
		const struct schema_field *f = &s->fields[i];

		if (f->required || !field_is_default(f, value, root))
			json_object_set_new(json, f->key,
					    f->type->encode(f, at_const(value, f->offset), root));
	}
	return json;
}

/* --- copy, compare, free --- */

void schema_copy(const struct schema *s, void *to)
{
	if (s->source) {
		struct source *source = at(to, s->source - 1);

		source->file = mem_strdup(source->file);
	}
	for (size_t i = 0; i < s->n_fields; i++)
		if (s->fields[i].type->copy)
			s->fields[i].type->copy(&s->fields[i], at(to, s->fields[i].offset));
}

void schema_clear(const struct schema *s, void *value)
{
	if (s->source)
		free(((struct source *)at(value, s->source - 1))->file);
	for (size_t i = 0; i < s->n_fields; i++)
		if (s->fields[i].type->clear)
			s->fields[i].type->clear(&s->fields[i], at(value, s->fields[i].offset));
}

static bool field_equal(const struct schema_field *f, const void *a, const void *b)
{
	if (f->has && flag_get(a, f->has) != flag_get(b, f->has))
		return false;
	if (f->has && !flag_get(a, f->has))
		return true;
	a = at_const(a, f->offset);
	b = at_const(b, f->offset);
	return f->type->equal ? f->type->equal(f, a, b) : memcmp(a, b, f->type->size) == 0;
}

bool schema_equal(const struct schema *s, const void *a, const void *b)
{
	if (s->enabled && flag_get(a, s->enabled) != flag_get(b, s->enabled))
		return false;
	for (size_t i = 0; i < s->n_fields; i++)
		if (!field_equal(&s->fields[i], a, b))
			return false;
	return true;
}

/* --- a struct as a value --- */

static int struct_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			 void *value)
{
	if (f->schema->starts_anew) {
		schema_clear(f->schema, value);
		memset(value, 0, f->schema->size);
		schema_init(f->schema, value);
	}
	return schema_decode(d, f->schema, n, value);
}

static bool all_default(const struct schema *s, const void *value, const void *root)
{
	for (size_t i = 0; i < s->n_fields; i++)
		if (!field_is_default(&s->fields[i], value, root))
			return false;
	return true;
}

static bool struct_is_default(const struct schema_field *f, const void *value, const void *root)
{
	const struct schema *s = f->schema;
	bool enabled, wanted;

	if (!s->enabled)
		return all_default(s, value, root);
	enabled = flag_get(value, s->enabled);
	wanted = s->enabled_default && s->enabled_default(root);
	return enabled == wanted && (!enabled || all_default(s, value, root));
}

static json_t *struct_encode(const struct schema_field *f, const void *value, const void *root)
{
	const struct schema *s = f->schema;
	json_t *json, *only;

	if (s->enabled && !flag_get(value, s->enabled))
		return json_false();
	json = schema_encode(s, value, root);
	if (s->enabled && json_object_size(json) == 0) {
		json_decref(json);
		return json_true();
	}
	only = s->short_key ? json_object_get(json, s->short_key) : NULL;
	if (only && json_object_size(json) == 1) {
		json_incref(only);
		json_decref(json);
		return only;
	}
	return json;
}

static void struct_copy(const struct schema_field *f, void *to)
{
	schema_copy(f->schema, to);
}

static void struct_clear(const struct schema_field *f, void *value)
{
	schema_clear(f->schema, value);
}

static bool struct_equal(const struct schema_field *f, const void *a, const void *b)
{
	return schema_equal(f->schema, a, b);
}

const struct schema_type type_struct = {
	.decode = struct_decode,
	.encode = struct_encode,
	.is_default = struct_is_default,
	.copy = struct_copy,
	.clear = struct_clear,
	.equal = struct_equal,
};

/* --- a list --- */

/* Every VEC() has this layout; memcpy() keeps the access within the language's rules. */
struct any_vec {
	void *v;
	size_t n, cap;
};

static struct any_vec vec_load(const void *value)
{
	struct any_vec vec;

	memcpy(&vec, value, sizeof(vec));
	return vec;
}

static size_t item_size(const struct schema_field *f)
{
	return f->item->schema ? f->item->schema->size : f->item->type->size;
}

static void list_clear(const struct schema_field *f, void *value)
{
	struct any_vec vec = vec_load(value);

	for (size_t i = 0; i < vec.n && f->item->type->clear; i++)
		f->item->type->clear(f->item, at(vec.v, i * item_size(f)));
	free(vec.v);
	memset(value, 0, sizeof(vec));
}

static int decode_item(struct decoder *d, const struct schema_field *f, const struct node *n,
		       void *value)
{
	bool has_source = f->item->schema && f->item->schema->source;
	int r;

	if (n->kind == NODE_NULL)
		return node_error(n, d->err, "no-value", "an item of %s has no value", f->key);
	if (f->item->schema)
		schema_init(f->item->schema, value);
	if (!has_source)
		record_key(d, n);
	d->in_item += has_source;
	r = f->item->type->decode(d, f->item, n, value);
	d->in_item -= has_source;
	return r;
}

static int list_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
		       void *value)
{
	size_t size = item_size(f);
	struct any_vec vec;

	if (n->kind != NODE_SEQUENCE)
		return node_error(n, d->err, "bad-type",
				  "%s is a list: write [a, b] or one \"- item\" a line", f->key);
	if (f->max && n->items.n > f->max)
		return node_error(n, d->err, "too-many",
				  "%zu items in %s; at most %llu are accepted", n->items.n, f->key,
				  f->max);
	list_clear(f, value);
	vec = (struct any_vec){ .v = n->items.n ? mem_alloc(n->items.n * size) : NULL,
				.cap = n->items.n };
	for (size_t i = 0; i < n->items.n; i++) {
		int r;

		vec.n = i + 1;
		memcpy(value, &vec, sizeof(vec)); /* what is half decoded is freed with the rest */
		r = decode_item(d, f, n->items.v[i], at(vec.v, i * size));
		if (r < 0)
			return r;
	}
	return 0;
}

static bool list_is_default(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return vec_load(value).n == 0;
}

static json_t *list_encode(const struct schema_field *f, const void *value, const void *root)
{
	struct any_vec vec = vec_load(value);
	json_t *json = json_array();

	for (size_t i = 0; i < vec.n; i++)
		json_array_append_new(
			json, f->item->type->encode(f->item, at(vec.v, i * item_size(f)), root));
	return json;
}

static void list_copy(const struct schema_field *f, void *to)
{
	struct any_vec vec = vec_load(to);
	size_t size = item_size(f);
	void *from = vec.v;

	vec.v = vec.n ? mem_alloc(vec.n * size) : NULL;
	vec.cap = vec.n;
	if (vec.n)
		memcpy(vec.v, from, vec.n * size);
	memcpy(to, &vec, sizeof(vec));
	for (size_t i = 0; i < vec.n && f->item->type->copy; i++)
		f->item->type->copy(f->item, at(vec.v, i * size));
}

static bool list_equal(const struct schema_field *f, const void *a, const void *b)
{
	struct any_vec va = vec_load(a), vb = vec_load(b);
	size_t size = item_size(f);

	if (va.n != vb.n)
		return false;
	for (size_t i = 0; i < va.n; i++) {
		const void *x = at(va.v, i * size), *y = at(vb.v, i * size);

		if (f->item->type->equal ? !f->item->type->equal(f->item, x, y)
					 : memcmp(x, y, size) != 0)
			return false;
	}
	return true;
}

const struct schema_type type_list = {
	.size = sizeof(struct any_vec),
	.decode = list_decode,
	.encode = list_encode,
	.is_default = list_is_default,
	.copy = list_copy,
	.clear = list_clear,
	.equal = list_equal,
};
