/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * node.c - the node tree: built from libyaml's events or from jansson's values.
 *
 * libyaml's own document loader is not used: it resolves aliases (which blow
 * up) and drops the positions of keys.
 */

#include "model/node.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

struct builder {
	const char *file;
	struct vnet_error *err;
	struct node *root;
	struct node *open; /* the container that is being filled, NULL at the top */
	char *key;	   /* read, its value comes next */
	unsigned key_line, key_column;
	unsigned depth;
	unsigned documents;
	size_t n_nodes;
};

/* --- building --- */

static int builder_error(struct builder *b, unsigned line, unsigned column, int number,
			 const char *code, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

static int builder_error(struct builder *b, unsigned line, unsigned column, int number,
			 const char *code, const char *format, ...)
{
	char path[NODE_PATH_MAX] = "";
	va_list args;

	va_start(args, format);
	vnet_error_setv(b->err, number, code, format, args);
	va_end(args);
	if (b->open)
		node_path(b->open, path, sizeof(path));
	if (b->key) {
		size_t used = strlen(path);

		snprintf(path + used, sizeof(path) - used, "%s%.63s", used ? "." : "", b->key);
	}
	vnet_error_at(b->err, b->file, line, column, path);
	return number;
}

/* Appends a node to the open container, or makes it the root. */
static struct node *builder_add(struct builder *b, enum node_kind kind, unsigned line,
				unsigned column)
{
	struct node *n = mem_alloc(sizeof(*n));

	n->kind = kind;
	n->line = line;
	n->column = column;
	n->file = b->file;
	n->parent = b->open;
	n->key = TAKE(b->key);
	n->key_line = b->key_line;
	n->key_column = b->key_column;
	/* Definitions are named by what is below this key, in every text that has it. */
	n->is_path_root = b->open && !b->open->parent && n->key && strcmp(n->key, "networks") == 0;
	if (b->open) {
		n->index = b->open->items.n;
		vec_push(&b->open->items, n);
	} else {
		b->root = n;
	}
	b->n_nodes++;
	return n;
}

static int check_limits(struct builder *b, unsigned line, unsigned column)
{
	if (b->n_nodes >= NODE_COUNT_MAX)
		return builder_error(b, line, column, -E2BIG, "too-many-values",
				     "more than %d values in one text; split it into several files",
				     NODE_COUNT_MAX);
	return 0;
}

static int open_container(struct builder *b, enum node_kind kind, unsigned line, unsigned column)
{
	int r = check_limits(b, line, column);

	if (r < 0)
		return r;
	if (b->depth >= NODE_DEPTH_MAX)
		return builder_error(b, line, column, -E2BIG, "nested-too-deep",
				     "nested deeper than %d levels; no definition needs that",
				     NODE_DEPTH_MAX);
	b->open = builder_add(b, kind, line, column);
	b->depth++;
	return 0;
}

static int key_cmp(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
	int r = strcmp(x->key, y->key);

	return r ? r : (x->index > y->index) - (x->index < y->index);
}

/* Sorted, so that a hostile mapping of many keys costs n log n. */
static int check_unique_keys(struct builder *b, const struct node *mapping)
{
	const struct node *again = NULL, *first = NULL;
	VEC(struct node *) sorted = { 0 };
	char buf[TEXT_QUOTE_MAX];

	if (mapping->items.n < 2)
		return 0;
	vec_reserve(&sorted, mapping->items.n);
	memcpy(sorted.v, mapping->items.v, mapping->items.n * sizeof(*sorted.v));
	sorted.n = mapping->items.n;
	vec_sort(&sorted, key_cmp);
	for (size_t i = 1; i < sorted.n; i++) {
		if (strcmp(sorted.v[i - 1]->key, sorted.v[i]->key) != 0)
			continue;
		if (again && again->index < sorted.v[i]->index)
			continue;
		first = sorted.v[i - 1];
		again = sorted.v[i];
	}
	vec_free(&sorted);
	if (!again)
		return 0;
	return builder_error(b, again->key_line, again->key_column, -EINVAL, "duplicate-key",
			     "key %s is given twice, first in line %u; keep one of them",
			     text_quote(again->key, buf), first->key_line);
}

static int close_container(struct builder *b)
{
	struct node *n = b->open;
	int r = 0;

	if (n->kind == NODE_MAPPING && n->line)
		r = check_unique_keys(b, n);
	b->open = (struct node *)n->parent;
	b->depth--;
	return r;
}

/* ASCII controls, DEL, and the C1 controls U+0080..U+009F. */
static bool has_control(const char *text, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < size; i++) {
		if (s[i] < 0x20 || s[i] == 0x7f)
			return true;
		if (s[i] == 0xc2 && i + 1 < size && s[i + 1] >= 0x80 && s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static int check_text(struct builder *b, const char *text, size_t size, size_t max, unsigned line,
		      unsigned column)
{
	if (size > max)
		return builder_error(b, line, column, -E2BIG, "text-too-long",
				     "a text of %zu bytes; at most %zu are accepted", size, max);
	if (has_control(text, size))
		return builder_error(
			b, line, column, -EINVAL, "control-character",
			"control characters (line ends and tabs included) are not accepted "
			"in a value; write it on one line");
	return 0;
}

static int add_key(struct builder *b, const char *text, size_t size, unsigned line, unsigned column)
{
	int r = check_text(b, text, size, NODE_KEY_MAX, line, column);

	if (r < 0)
		return r;
	b->key = mem_strndup(text, size);
	b->key_line = line;
	b->key_column = column;
	return 0;
}

static int add_scalar(struct builder *b, const char *text, size_t size, bool quoted, unsigned line,
		      unsigned column)
{
	struct node *n;
	int r = check_limits(b, line, column);

	if (r < 0)
		return r;
	r = check_text(b, text, size, NODE_SCALAR_MAX, line, column);
	if (r < 0)
		return r;
	n = builder_add(b, NODE_SCALAR, line, column);
	n->text = mem_strndup(text, size);
	n->quoted = quoted;
	return 0;
}

static int add_null(struct builder *b, unsigned line, unsigned column)
{
	int r = check_limits(b, line, column);

	if (r == 0)
		builder_add(b, NODE_NULL, line, column);
	return r;
}

/* Nothing but white space and comments is a null. */
static struct node *builder_finish(struct builder *b)
{
	struct node *root = TAKE(b->root);

	return root ? root : mem_alloc(sizeof(*root));
}

static void builder_abort(struct builder *b)
{
	free(b->key);
	b->key = NULL;
	if (b->root)
		node_free(TAKE(b->root));
}

/* --- YAML --- */

static bool is_null_word(const char *text, size_t size)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i]) == size && memcmp(text, words[i], size) == 0)
			return true;
	return false;
}

static int on_scalar(struct builder *b, const yaml_event_t *event, unsigned line, unsigned column)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length;
	bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	bool is_null = !quoted && is_null_word(text, size);

	if (b->open && b->open->kind == NODE_MAPPING && !b->key) {
		if (is_null)
			return builder_error(b, line, column, -EINVAL, "empty-key",
					     "a key is missing here");
		if (!quoted && size == 2 && memcmp(text, "<<", 2) == 0)
			return builder_error(
				b, line, column, -EINVAL, "yaml-subset",
				"merge keys (<<) are not accepted; write the values out");
		return add_key(b, text, size, line, column);
	}
	return is_null ? add_null(b, line, column)
		       : add_scalar(b, text, size, quoted, line, column);
}

/* Anchors and tags, wherever they may stand. */
static int check_properties(struct builder *b, const yaml_char_t *anchor, const yaml_char_t *tag,
			    unsigned line, unsigned column)
{
	if (anchor)
		return builder_error(b, line, column, -EINVAL, "yaml-subset",
				     "anchors (&name) are not accepted; write the values out");
	if (tag)
		return builder_error(b, line, column, -EINVAL, "yaml-subset",
				     "tags (!type) are not accepted; each key knows its type");
	return 0;
}

static int on_container(struct builder *b, enum node_kind kind, unsigned line, unsigned column)
{
	if (b->open && b->open->kind == NODE_MAPPING && !b->key)
		return builder_error(b, line, column, -EINVAL, "bad-key",
				     "a key must be a plain word, not a list or a mapping; quote a text "
				     "that begins with [ or {");
	return open_container(b, kind, line, column);
}

static int on_document(struct builder *b, const yaml_event_t *event, unsigned line, unsigned column)
{
	if (b->documents++)
		return builder_error(
			b, line, column, -EINVAL, "yaml-subset",
			"a second document (---) is not accepted; use one file for each");
	if (event->data.document_start.version_directive ||
	    event->data.document_start.tag_directives.start !=
		    event->data.document_start.tag_directives.end)
		return builder_error(
			b, line, column, -EINVAL, "yaml-subset",
			"directives (%%YAML, %%TAG) are not accepted; remove the line");
	return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
	unsigned line = (unsigned)event->start_mark.line + 1;
	unsigned column = (unsigned)event->start_mark.column + 1;
	int r;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, event, line, column);
	case YAML_ALIAS_EVENT:
		return builder_error(b, line, column, -EINVAL, "yaml-subset",
				     "aliases (*name) are not accepted; write the values out");
	case YAML_SCALAR_EVENT:
		r = check_properties(b, event->data.scalar.anchor, event->data.scalar.tag, line,
				     column);
		return r < 0 ? r : on_scalar(b, event, line, column);
	case YAML_SEQUENCE_START_EVENT:
		r = check_properties(b, event->data.sequence_start.anchor,
				     event->data.sequence_start.tag, line, column);
		return r < 0 ? r : on_container(b, NODE_SEQUENCE, line, column);
	case YAML_MAPPING_START_EVENT:
		r = check_properties(b, event->data.mapping_start.anchor,
				     event->data.mapping_start.tag, line, column);
		return r < 0 ? r : on_container(b, NODE_MAPPING, line, column);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_container(b);
	default:
		return 0;
	}
}

/* The reader's errors (bad UTF-8, control characters) know their offset only. */
static void locate_offset(const char *text, size_t offset, unsigned *ret_line, unsigned *ret_column)
{
	*ret_line = *ret_column = 1;
	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			(*ret_line)++;
			*ret_column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			(*ret_column)++;
		}
	}
}

static bool is_indented_by_tab(const char *text, size_t size, unsigned line)
{
	const char *s = text, *end = text + size;

	for (unsigned n = 1; n < line && s; n++) {
		s = memchr(s, '\n', (size_t)(end - s));
		if (s)
			s++;
	}
	while (s && s < end && *s == ' ')
		s++;
	return s && s < end && *s == '\t';
}

/* libyaml says what its grammar misses; this is what people did. */
static const char *syntax_hint(const char *problem, const char *text, size_t size, unsigned line)
{
	static const struct {
		const char *problem, *hint;
	} hints[] = {
		{ "did not find expected key",
		  "; check the indentation of this line and the quotes before it" },
		{ "did not find expected '-' indicator", "; check the indentation of this line" },
		{ "mapping values are not allowed in this context",
		  "; check the indentation, and quote a text that has \": \" in it" },
	};

	if (is_indented_by_tab(text, size, line))
		return "; indent with spaces, not with tabs";
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
		if (!strcmp(problem, hints[i].problem))
			return hints[i].hint;
	return "";
}

static int syntax_error(struct builder *b, const yaml_parser_t *parser, const char *text,
			size_t size)
{
	unsigned line = (unsigned)parser->problem_mark.line + 1;
	unsigned column = (unsigned)parser->problem_mark.column + 1;
	const char *problem = parser->problem ? parser->problem : "unreadable";
	const char *hint = syntax_hint(problem, text, size, line);

	if (parser->error == YAML_READER_ERROR) {
		locate_offset(text, parser->problem_offset < size ? parser->problem_offset : size,
			      &line, &column);
		return builder_error(b, line, column, -EINVAL, "yaml-syntax",
				     "not valid YAML: %s; the text must be printable UTF-8",
				     problem);
	}
	if (parser->context && parser->context_mark.line != parser->problem_mark.line)
		return builder_error(b, line, column, -EINVAL, "yaml-syntax",
				     "not valid YAML: %s (%s that began in line %zu)%s", problem,
				     parser->context, parser->context_mark.line + 1, hint);
	return builder_error(b, line, column, -EINVAL, "yaml-syntax", "not valid YAML: %s%s%s%s%s",
			     problem, parser->context ? " (" : "",
			     parser->context ? parser->context : "", parser->context ? ")" : "",
			     hint);
}

static int build_from_events(struct builder *b, yaml_parser_t *parser, const char *text,
			     size_t size)
{
	bool at_end = false;

	while (!at_end) {
		yaml_event_t event;
		int r;

		if (!yaml_parser_parse(parser, &event))
			return syntax_error(b, parser, text, size);
		at_end = event.type == YAML_STREAM_END_EVENT;
		r = on_event(b, &event);
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	return 0;
}

int node_from_yaml(const char *text, size_t size, const char *file, struct node **ret,
		   struct vnet_error *err)
{
	struct builder b = { .err = err };
	char *own_file = mem_strdup(file);
	yaml_parser_t parser;
	int r;

	b.file = own_file;
	if (size > NODE_TEXT_MAX) {
		r = builder_error(&b, 0, 0, -E2BIG, "text-too-long",
				  "%zu bytes; at most %d MiB are read as one definition", size,
				  NODE_TEXT_MAX / (1024 * 1024));
		free(own_file);
		return r;
	}
	if (!yaml_parser_initialize(&parser))
		abort(); /* out of memory, as in mem.h */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	r = build_from_events(&b, &parser, text, size);
	yaml_parser_delete(&parser);
	if (r < 0) {
		bool has_root = b.root != NULL;

		builder_abort(&b);
		if (!has_root)
			free(own_file);
		return r;
	}
	*ret = builder_finish(&b);
	(*ret)->file = own_file;
	return 0;
}

/* --- JSON --- */

static int build_from_json(struct builder *b, const json_t *json);

static int json_members(struct builder *b, const json_t *json)
{
	const char *key;
	json_t *value;
	int r;

	/* Iterating does not change the object; jansson lacks the const form. */
	json_object_foreach((json_t *)json, key, value) {
		r = add_key(b, key, strlen(key), 0, 0);
		if (r == 0)
			r = build_from_json(b, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int json_elements(struct builder *b, const json_t *json)
{
	json_t *value;
	size_t i;
	int r;

	json_array_foreach(json, i, value) {
		r = build_from_json(b, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int json_scalar(struct builder *b, const json_t *json)
{
	char number[64];

	switch (json_typeof(json)) {
	case JSON_STRING:
		return add_scalar(b, json_string_value(json), json_string_length(json), true, 0, 0);
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		return add_scalar(b, number, strlen(number), false, 0, 0);
	case JSON_REAL:
		snprintf(number, sizeof(number), "%.17g", json_real_value(json));
		return add_scalar(b, number, strlen(number), false, 0, 0);
	case JSON_TRUE:
		return add_scalar(b, "true", 4, false, 0, 0);
	case JSON_FALSE:
		return add_scalar(b, "false", 5, false, 0, 0);
	default:
		return add_null(b, 0, 0);
	}
}

/* Depth is bounded by open_container(). */
static int build_from_json(struct builder *b, const json_t *json)
{
	int r;

	if (!json_is_object(json) && !json_is_array(json))
		return json_scalar(b, json);
	r = open_container(b, json_is_object(json) ? NODE_MAPPING : NODE_SEQUENCE, 0, 0);
	if (r < 0)
		return r;
	r = json_is_object(json) ? json_members(b, json) : json_elements(b, json);
	return r < 0 ? r : close_container(b);
}

int node_from_json(const json_t *json, struct node **ret, struct vnet_error *err)
{
	struct builder b = { .err = err };
	int r = build_from_json(&b, json);

	if (r < 0) {
		builder_abort(&b);
		return r;
	}
	*ret = builder_finish(&b);
	return 0;
}

/* --- use --- */

static void free_below(struct node *n)
{
	vec_each(item, &n->items) {
		free_below(*item);
		free(*item);
	}
	vec_free(&n->items);
	free(n->key);
	free(n->text);
}

void node_free(struct node *root)
{
	if (!root)
		return;
	free_below(root);
	free((char *)root->file);
	free(root);
}

const struct node *node_get(const struct node *n, const char *key)
{
	if (!n || n->kind != NODE_MAPPING)
		return NULL;
	vec_each(item, &n->items)
		if (strcmp((*item)->key, key) == 0)
			return (*item)->kind == NODE_NULL ? NULL : *item;
	return NULL;
}

/* A key of unknown origin may hold anything printable; keep the path one word. */
static void append_key(char *buf, size_t size, size_t *pos, const char *key)
{
	for (const char *p = key; *p && p < key + 63 && *pos + 1 < size; p++)
		buf[(*pos)++] = *p > ' ' && *p < 0x7f ? *p : '?';
	buf[*pos] = '\0';
}

char *node_path(const struct node *n, char *buf, size_t size)
{
	const struct node *chain[NODE_DEPTH_MAX + 2];
	size_t n_chain = 0, pos = 0;

	buf[0] = '\0';
	for (; n && n->parent && !n->is_path_root && n_chain < ARRAY_SIZE(chain); n = n->parent)
		chain[n_chain++] = n;
	while (n_chain-- > 0) {
		const struct node *step = chain[n_chain];

		if (!step->key) {
			int more = snprintf(buf + pos, size - pos, "[%zu]", step->index);

			pos += (size_t)more < size - pos ? (size_t)more : size - pos - 1;
			continue;
		}
		if (pos && pos + 1 < size)
			buf[pos++] = '.';
		append_key(buf, size, &pos, step->key);
	}
	return buf;
}

__attribute__((format(printf, 6, 0))) static int set_at(const struct node *n, unsigned line,
							unsigned column, struct vnet_error *err,
							const char *code, const char *format,
							va_list args)
{
	char path[NODE_PATH_MAX];

	vnet_error_setv(err, -EINVAL, code, format, args);
	vnet_error_at(err, n->file, line, column, node_path(n, path, sizeof(path)));
	return -EINVAL;
}

int node_error(const struct node *n, struct vnet_error *err, const char *code, const char *format,
	       ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = set_at(n, n->line, n->column, err, code, format, args);
	va_end(args);
	return r;
}

int node_key_error(const struct node *n, struct vnet_error *err, const char *code,
		   const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = set_at(n, n->key ? n->key_line : n->line, n->key ? n->key_column : n->column, err, code,
		   format, args);
	va_end(args);
	return r;
}

void node_locate(const struct node *n, struct vnet_error *err)
{
	char path[NODE_PATH_MAX];

	if (err && !err->path[0] && !err->line)
		vnet_error_at(err, n->file, n->line, n->column, node_path(n, path, sizeof(path)));
}

const char *text_quote(const char *text, char buf[TEXT_QUOTE_MAX])
{
	size_t pos = 0;

	buf[pos++] = '"';
	for (; *text && pos < TEXT_QUOTE_MAX - 6; text++)
		buf[pos++] = *text >= ' ' && *text < 0x7f ? *text : '?';
	if (*text)
		pos += (size_t)snprintf(buf + pos, 4, "...");
	buf[pos++] = '"';
	buf[pos] = '\0';
	return buf;
}
