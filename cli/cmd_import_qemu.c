/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_import_qemu.c - import qemu: ifup scripts and bridge.conf, explained */

#include "base/strbuf.h"
#include "cli/file.h"
#include "cli/import.h"
#include "import/qemu.h"

#include <errno.h>

static int read_script(struct cli *cli, const char *path, struct qemu_import *q, json_t *list)
{
	const char *file = strcmp(path, "-") ? path : "<stdin>";
	AUTO_IMPORT_REPORT struct import_report report = { 0 };
	AUTO_STRBUF struct strbuf text = { 0 };
	struct vnet_error err = { 0 };
	int r = file_read(path, &text, &err);

	if (r == 0)
		r = file_check_text(text.s, text.len, file, &err);
	if (r < 0)
		return report_error_in(cli, &err, text.s, text.len);
	qemu_import_read(q, text.s, &report);
	if (output_format(cli) == FORMAT_TABLE)
		import_print_report(cli, file, &report);
	import_add_report(list, file, &report);
	return EXIT_OK;
}

int run_import_qemu(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	AUTO(qemu_import_free) struct qemu_import *q = qemu_import_new();
	AUTO_IMPORT_REPORT struct import_report left = { 0 };
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	json_t *list = json_array(), *definitions;
	int status = EXIT_OK;

	(void)options;
	(void)rest;
	vec_each(word, words)
		if (!status)
			status = read_script(cli, *word, q, list);
	if (!status && qemu_import_finish(q, &nets, &left, &err) < 0)
		status = report_error(cli, &err);
	if (!status) {
		import_add_report(list, words->v[0], &left);
		if (output_format(cli) == FORMAT_TABLE)
			import_print_report(cli, words->v[0], &left);
		definitions = networks_to_json(nets.v, nets.n);
		if (output_format(cli) != FORMAT_TABLE) {
			json_object_set(definitions, "report", list);
			output_value(cli, definitions);
		} else if (nets.n) {
			yaml_print(stdout, definitions);
		}
		json_decref(definitions);
	}
	json_decref(list);
	return status;
}
