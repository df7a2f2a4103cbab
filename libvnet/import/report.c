/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.c - what a foreign definition says that ours does not; see report.h. */

#include "import/report.h"

#include <stdarg.h>
#include <stdio.h>

static void add(struct import_report *report, const char *code, unsigned line, const char *what,
		const char *format, va_list args) __attribute__((format(printf, 5, 0)));
static void unread(void *context, const struct xml_element *e,
		   const struct xml_attribute *attribute);

void import_report_free(struct import_report *report)
{
	vec_each(item, &report->items) {
		free(item->what);
		free(item->detail);
	}
	vec_free(&report->items);
}

static const struct import_code *find_code(const char *code)
{
	for (const struct import_code *c = import_codes; c->code; c++)
		if (!strcmp(c->code, code))
			return c;
	abort(); /* a code that is in no table: no input leads here */
}

static void add(struct import_report *report, const char *code, unsigned line, const char *what,
		const char *format, va_list args)
{
	struct import_item *item = vec_add(&report->items);
	char detail[512];

	item->code = find_code(code);
	item->line = line;
	item->what = mem_strdup(what);
	if (format) {
		vsnprintf(detail, sizeof(detail), format, args);
		item->detail = mem_strdup(detail);
	}
}

void import_report_add(struct import_report *report, const char *code, unsigned line,
		       const char *what, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(report, code, line, what, format, args);
	va_end(args);
}

void import_report_element(struct import_report *report, const char *code,
			   const struct xml_element *e, const char *attribute, const char *format,
			   ...)
{
	const struct xml_attribute *a = attribute ? element_find_attribute(e, attribute) : NULL;
	char path[ELEMENT_PATH_MAX];
	AUTO_FREE char *what = mem_printf("%s%s%.64s", element_path(e, path), attribute ? "@" : "",
					  attribute ? attribute : "");
	va_list args;

	va_start(args, format);
	add(report, code, a ? a->line : e->line, what, format, args);
	va_end(args);
}

void import_report_unread(struct import_report *report, const struct xml_element *root)
{
	element_unread(root, unread, report);
}

static bool is_foreign(const char *ns, const struct xml_element *e)
{
	const struct xml_element *root = e;

	while (root->parent)
		root = root->parent;
	return ns && (!root->ns || strcmp(ns, root->ns) != 0);
}

static void unread(void *context, const struct xml_element *e,
		   const struct xml_attribute *attribute)
{
	const char *ns = attribute ? attribute->ns : e->ns;

	const char *code = is_foreign(ns, e) ? "foreign-namespace" : "unknown";

	/* An attribute of another namespace is not found by its name: the element's line is as good. */
	if (attribute || !e->is_read)
		import_report_element(context, code, e, attribute ? attribute->name : NULL, NULL);
	else
		import_report_element(context, code, e, NULL, "its text");
}

struct place { size_t index; unsigned line; };

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

void import_report_sort(struct import_report *report)
{
	size_t n = report->items.n;
	AUTO_FREE struct place *places = mem_alloc((n + 1) * sizeof(*places));
	struct import_item *sorted = mem_alloc((n + 1) * sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		places[i] = (struct place){ i, report->items.v[i].line };
	qsort(places, n, sizeof(*places), compare_places);
	for (size_t i = 0; i < n; i++)
		sorted[i] = report->items.v[places[i].index];
	free(report->items.v);
	report->items.v = sorted;
	report->items.cap = n + 1;
}

bool import_report_has_loss(const struct import_report *report)
{
	vec_each(item, &report->items)
		if (item->code->loss == IMPORT_LOST)
			return true;
	return false;
}

const char *import_loss_name(enum import_loss loss)
{
	static const char *const names[] = { "note", "changed", "lost" };

	return names[loss];
}

json_t *import_report_to_json(const struct import_report *report)
{
	json_t *list = json_array();

	vec_each(item, &report->items) {
		const struct import_code *c = item->code;
		json_t *json = json_object();

		if (item->line)
			json_object_set_new(json, "line", json_integer(item->line));
		json_object_set_new(json, "what", json_string(item->what));
		json_object_set_new(json, "code", json_string(c->code));
		json_object_set_new(json, "loss", json_string(import_loss_name(c->loss)));
		json_object_set_new(json, "reason", json_string(c->reason));
		if (item->detail)
			json_object_set_new(json, "detail", json_string(item->detail));
		if (c->remedy)
			json_object_set_new(json, "remedy", json_string(c->remedy));
		json_array_append_new(list, json);
	}
	return list;
}
