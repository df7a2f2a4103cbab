/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_import_nwfilter.c - import nwfilter: filters of libvirt's as guards and security groups */

#include "base/strbuf.h"
#include "cli/import.h"
#include "import/nwfilter.h"

#include <errno.h>

/* The groups are a file for apply; where guard and groups belong is said beside. */
static void print_filter(const char *file, const struct nwfilter_import *filter)
{
	const char *guard = json_string_value(filter->guard), *name;
	json_t *groups, *group;

	fputs("# ", stdout);
	print_safe(stdout, file);
	fputs(": of a network, or of a port by --guard and --group:\n", stdout);
	if (guard)
		printf("#   ports: {guard: %s}\n", guard);
	json_object_foreach(filter->groups, name, group)
		printf("#   ports: {groups: [%s]}\n", name);
	if (!guard && !filter->groups)
		puts("#   nothing: what it drops, if anything, is in the report");
	if (!filter->groups)
		return;
	groups = json_pack("{s:O}", "groups", filter->groups);
	yaml_print(stdout, groups);
	json_decref(groups);
}

static int import_filter(struct cli *cli, const char *path, json_t *list)
{
	const char *file = strcmp(path, "-") ? path : "<stdin>";
	AUTO_IMPORT_REPORT struct import_report report = { 0 };
	AUTO_NWFILTER struct nwfilter_import filter = { 0 };
	AUTO(element_free) struct xml_element *root = NULL;
	AUTO_STRBUF struct strbuf text = { 0 };
	struct vnet_error err = { 0 };
	int status = import_read_xml(cli, path, &root, &text);
	json_t *items;

	if (status)
		return status;
	if (nwfilter_import(root, file, &filter, &report, &err) < 0)
		return report_error_in(cli, &err, text.s, text.len);
	if (output_format(cli) == FORMAT_TABLE) {
		print_filter(file, &filter);
		import_print_report(cli, file, &report);
	}
	items = json_array();
	import_add_report(items, file, &report);
	json_array_append_new(list, json_pack("{s:s, s:O*, s:O*, s:O}", "file", file, "guard",
					      filter.guard, "groups", filter.groups, "report",
					      items));
	json_decref(items);
	return EXIT_OK;
}

int run_import_nwfilter(struct cli *cli, const void *options, const text_vec *words,
			const text_vec *rest)
{
	json_t *list = json_array();
	int first = EXIT_OK;

	(void)options;
	(void)rest;
	vec_each(word, words) {
		int status = import_filter(cli, *word, list);

		first = first ? first : status;
	}
	if (output_format(cli) != FORMAT_TABLE)
		output_value(cli, list);
	json_decref(list);
	return first;
}
