/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_IMPORT_REPORT_H
#define VNET_IMPORT_REPORT_H

/*
 * report.h - what a foreign definition says that ours does not, or says otherwise
 *
 * Each item has a code that does not change; report_codes has, for each, what
 * follows and what to do about it.  docs/reference-import.md is the manual.
 */

#include "import/element.h"

#include <jansson.h>

enum import_loss {
	IMPORT_NOTE,    /* nobody will notice */
	IMPORT_CHANGED, /* guests or operators may notice */
	IMPORT_LOST,    /* has no effect any more */
};

struct import_code {
	const char *code;
	enum import_loss loss;
	const char *reason;
	const char *remedy;     /* or NULL: there is nothing to do */
};
extern const struct import_code import_codes[]; /* ended by one without a code */

struct import_item {
	const struct import_code *code;
	unsigned line;          /* 0: none */
	char *what;             /* "forward/nat@ipv6", "iptables -A FORWARD ..." */
	char *detail;           /* or NULL */
};

struct import_report {
	VEC(struct import_item) items;
};
void import_report_free(struct import_report *report);
#define AUTO_IMPORT_REPORT __attribute__((cleanup(import_report_free)))

/* code is one of import_codes; format NULL: no detail. */
void import_report_add(struct import_report *report, const char *code, unsigned line,
		       const char *what, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* An element, or its attribute. */
void import_report_element(struct import_report *report, const char *code,
			   const struct xml_element *e, const char *attribute, const char *format,
			   ...) __attribute__((format(printf, 5, 6)));
/* All that was not read, by the code "unknown" or, of another namespace, "foreign-namespace". */
void import_report_unread(struct import_report *report, const struct xml_element *root);
/* By line; items of one line stay in their order. */
void import_report_sort(struct import_report *report);
bool import_report_has_loss(const struct import_report *report);
/* [{line, what, code, loss, reason, detail?, remedy?}] */
json_t *import_report_to_json(const struct import_report *report);
const char *import_loss_name(enum import_loss loss); /* "note", "changed", "lost" */

#endif
