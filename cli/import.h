/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

/* import.h - what the commands of import and export share: reports for people and for programs */

#include "cli/output.h"
#include "import/report.h"

/* Lines "FILE:LINE: what: reason; remedy [code]" on stderr; notes are left out with --quiet. */
void import_print_report(const struct cli *cli, const char *file,
			 const struct import_report *report);
/* Appends the items, each with its file, to a list. */
void import_add_report(json_t *list, const char *file, const struct import_report *report);

/* Commands in files of their own. */
int run_import_nwfilter(struct cli *cli, const void *options, const text_vec *words,
			const text_vec *rest);
int run_import_qemu(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest);

/* The XML in a file ("-": standard input); *ret_text is for excerpts, to be freed. Reports; 0 or an exit status. */
int import_read_xml(const struct cli *cli, const char *path, struct xml_element **ret,
		    struct strbuf *ret_text);

#endif
