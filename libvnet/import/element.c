/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* element.c - a foreign XML document as a tree; see element.h. */

#include "import/element.h"

#include "base/strbuf.h"

#include <errno.h>
#include <stdio.h>

static int decode(const json_t *json, unsigned depth, struct xml_element **ret);

void element_free(struct xml_element *root)
{
	if (!root)
		return;
	vec_each(attribute, &root->attributes) {
		free(attribute->name);
		free(attribute->ns);
		free(attribute->value);
	}
	vec_each(child, &root->children)
		element_free(*child);
	vec_free(&root->attributes);
	vec_free(&root->children);
	free(root->name);
	free(root->ns);
	free(root->text);
	free(root);
}

int element_from_json(const json_t *json, struct xml_element **ret, struct vnet_error *err)
{
	if (decode(json, 0, ret) < 0)
		return vnet_error_set(err, -EINVAL, "xml-failed",
				      "the reader of XML answered nonsense");
	return 0;
}

static int decode_attribute(const json_t *json, struct xml_element *e)
{
	const char *name = json_string_value(json_array_get(json, 0));
	const char *value = json_string_value(json_array_get(json, 1));
	const json_t *line = json_array_get(json, 2);
	struct xml_attribute *attribute;

	if (!name || !value || !json_is_integer(line))
		return -EINVAL;
	attribute = vec_add(&e->attributes);
	attribute->name = mem_strdup(name);
	attribute->value = mem_strdup(value);
	attribute->line = (unsigned)json_integer_value(line);
	attribute->ns = mem_strdup(json_string_value(json_array_get(json, 3)));
	return 0;
}

static char *trim(const char *text)
{
	static const char blanks[] = " \t\r\n";
	size_t n;

	text += strspn(text, blanks);
	for (n = strlen(text); n && strchr(blanks, text[n - 1]);)
		n--;
	return mem_strndup(text, n);
}

static int decode_children(const json_t *children, unsigned depth, struct xml_element *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)children, i, item) {
		struct xml_element *child = NULL;

		if (json_is_string(item)) {
			strbuf_append(&text, json_string_value(item));
			continue;
		}
		if (decode(item, depth + 1, &child) < 0)
			return -EINVAL;
		child->parent = e;
		vec_push(&e->children, child);
	}
	e->text = trim(text.s ? text.s : "");
	return 0;
}

static int decode(const json_t *json, unsigned depth, struct xml_element **ret)
{
	AUTO(element_free) struct xml_element *e = mem_alloc(sizeof(*e));
	const char *name = json_string_value(json_object_get(json, "name"));
	const json_t *line = json_object_get(json, "line"), *item;
	size_t i;

	if (depth >= XML_DEPTH_MAX || !name || !json_is_integer(line))
		return -EINVAL;
	e->name = mem_strdup(name);
	e->ns = mem_strdup(json_string_value(json_object_get(json, "ns")));
	e->line = (unsigned)json_integer_value(line);
	json_array_foreach(json_object_get(json, "attributes"), i, item)
		if (decode_attribute(item, e) < 0)
			return -EINVAL;
	if (decode_children(json_object_get(json, "children"), depth, e) < 0)
		return -EINVAL;
	*ret = TAKE(e);
	return 0;
}

/* C0, DEL and C1: what could end a line in a file that is made of it, or drive a terminal. */
static bool has_control(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7F || (*c == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0))
			return true;
	return false;
}

/* What libvirt keeps for people may have several lines. */
static bool is_prose(const struct xml_element *e)
{
	return !e->ns && (!strcmp(e->name, "description") || !strcmp(e->name, "title"));
}

int element_check(const struct xml_element *root, const char *file, struct vnet_error *err)
{
	int r = 0;

	vec_each(attribute, &root->attributes)
		if (has_control(attribute->value)) {
			vnet_error_set(err, -EINVAL, "control-character",
				       "attribute %.40s of <%.40s> holds a control character",
				       attribute->name, root->name);
			vnet_error_at(err, file, attribute->line, 0, NULL);
			return -EINVAL;
		}
	/* Text between elements is for people; it counts where it is all that an element holds. */
	if (!root->children.n && !is_prose(root) && has_control(root->text)) {
		vnet_error_set(err, -EINVAL, "control-character",
			       "the text of <%.40s> holds a line end or another control character",
			       root->name);
		vnet_error_at(err, file, root->line, 0, NULL);
		return -EINVAL;
	}
	/* Other programs' own, and no business of ours. */
	if (!root->ns && !strcmp(root->name, "metadata"))
		return 0;
	vec_each(child, &root->children)
		if (r == 0)
			r = element_check(*child, file, err);
	return r;
}

static bool same_ns(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

const struct xml_attribute *element_find_attribute(const struct xml_element *e, const char *name)
{
	if (!e)
		return NULL;
	vec_each(attribute, &e->attributes)
		if (!attribute->ns && !strcmp(attribute->name, name))
			return attribute;
	return NULL;
}

const char *element_attribute(struct xml_element *e, const char *name)
{
	struct xml_attribute *attribute = (struct xml_attribute *)element_find_attribute(e, name);

	if (!attribute)
		return NULL;
	attribute->is_read = true;
	return attribute->value;
}

struct xml_element *element_child(struct xml_element *e, const char *name)
{
	return element_next(e, name, NULL);
}

struct xml_element *element_next(struct xml_element *e, const char *name,
				 const struct xml_element *after)
{
	bool is_due = !after;

	if (!e)
		return NULL;
	vec_each(child, &e->children) {
		if (is_due && same_ns((*child)->ns, e->ns) && !strcmp((*child)->name, name)) {
			(*child)->is_read = true;
			return *child;
		}
		is_due |= *child == after;
	}
	return NULL;
}

const char *element_text(struct xml_element *e)
{
	if (!e)
		return NULL;
	e->text_is_read = true;
	return e->text;
}

void element_ignore(struct xml_element *e)
{
	e->is_read = e->text_is_read = true;
	vec_each(attribute, &e->attributes)
		attribute->is_read = true;
	vec_each(child, &e->children)
		element_ignore(*child);
}

char *element_path(const struct xml_element *e, char buf[ELEMENT_PATH_MAX])
{
	size_t n = ELEMENT_PATH_MAX - 1;

	if (!e->parent) {
		snprintf(buf, ELEMENT_PATH_MAX, "%s", e->name);
		return buf;
	}
	buf[n] = '\0';
	/* From the end; what does not fit goes from the front. */
	for (; e->parent; e = e->parent) {
		size_t size = strlen(e->name), slash = buf[n] != '\0';

		if (size + slash > n)
			break;
		if (slash)
			buf[--n] = '/';
		n -= size;
		memcpy(buf + n, e->name, size);
	}
	return memmove(buf, buf + n, ELEMENT_PATH_MAX - n);
}

void element_unread(const struct xml_element *root, element_unread_fn tell, void *context)
{
	if (!root->is_read) {
		tell(context, root, NULL);
		return;
	}
	vec_each(attribute, &root->attributes)
		if (!attribute->is_read)
			tell(context, root, attribute);
	if (root->text[0] && !root->text_is_read)
		tell(context, root, NULL);
	vec_each(child, &root->children)
		element_unread(*child, tell, context);
}
