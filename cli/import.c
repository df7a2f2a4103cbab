/* SPDX-License-Identifier: GPL-2.0-or-later */
/* import.c - what the commands of import and export share; see import.h. */

#include "cli/import.h"

#include "cli/file.h"
#include "cli/xml.h"

static const char *loss_color(enum import_loss loss)
{
	return loss == IMPORT_LOST ? COLOR_BAD : loss == IMPORT_CHANGED ? COLOR_ERROR : COLOR_DIM;
}

static void print_item(const struct cli *cli, const char *file, const struct import_item *item)
{
	const struct import_code *c = item->code;

	print_safe(stderr, file);
	if (item->line)
		fprintf(stderr, ":%u", item->line);
	fprintf(stderr, ": %s%s%s: ", cli->color_err ? loss_color(c->loss) : "",
		import_loss_name(c->loss), cli->color_err ? COLOR_RESET : "");
	print_safe(stderr, item->what);
	if (item->detail) {
		fputs(" (", stderr);
		print_safe(stderr, item->detail);
		fputc(')', stderr);
	}
	fprintf(stderr, ": %s", c->reason);
	if (c->remedy)
		fprintf(stderr, "; %s", c->remedy);
	fprintf(stderr, " [%s]\n", c->code);
}

void import_print_report(const struct cli *cli, const char *file,
			 const struct import_report *report)
{
	vec_each(item, &report->items)
		if (item->code->loss != IMPORT_NOTE || !cli->quiet)
			print_item(cli, file, item);
}

void import_add_report(json_t *list, const char *file, const struct import_report *report)
{
	json_t *items = import_report_to_json(report), *item;
	size_t i;

	json_array_foreach(items, i, item) {
		json_object_set_new(item, "file", json_string(file));
		json_array_append(list, item);
	}
	json_decref(items);
}

int import_read_xml(const struct cli *cli, const char *path, struct xml_element **ret,
		    struct strbuf *ret_text)
{
	const char *name = strcmp(path, "-") ? path : "<stdin>";
	struct vnet_error err = { 0 };
	int r = file_read(path, ret_text, &err);

	if (r == 0)
		r = file_check_text(ret_text->s, ret_text->len, name, &err);
	if (r == 0)
		r = xml_read(ret_text->s, ret_text->len, name, ret, &err);
	return r < 0 ? report_error_in(cli, &err, ret_text->s, ret_text->len) : EXIT_OK;
}
