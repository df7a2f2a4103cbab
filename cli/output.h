/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

/*
 * output.h - one description of what is shown, three writers
 *
 * What netd answers is printed unchanged as JSON or YAML; columns choose and
 * name the parts that people see.  Text from guests (host names, for example)
 * never reaches the terminal with control characters in it.
 */

#include "cli/command.h"
#include "cli/safe.h"

#define COLOR_ERROR "\033[1;31m"
#define COLOR_GOOD "\033[32m"
#define COLOR_BAD "\033[31m"
#define COLOR_DIM "\033[2m"
#define COLOR_RESET "\033[0m"

enum column_kind {
	COLUMN_TEXT,    /* numbers, strings, yes/no, lists with commas; "-" for nothing */
	COLUMN_NUMBER,  /* the same, to the right */
	COLUMN_STATE,   /* coloured */
	COLUMN_TIME,    /* seconds since the epoch; 0: never */
	COLUMN_PROBLEM, /* its message */
	COLUMN_VLAN,    /* an id, or what a port of a VLAN-aware bridge has */
	COLUMN_LIMIT,   /* a rate with its guarantee and burst */
	COLUMN_SWITCHES, /* an object of booleans: on, off */
	COLUMN_ROUTES,  /* as ip(8) writes them */
};

/* Where a column appears. */
enum column_show {
	SHOW_ALWAYS,
	SHOW_IF_ANY,    /* where it has something to say */
	SHOW_RECORD,    /* too much for a list */
	SHOW_RECORD_IF_ANY,
};

struct column {
	const char *title;      /* NULL ends the table */
	const char *key;        /* or a path: "inside.ifname" */
	enum column_kind kind;
	enum column_show show;
};

enum output_format { FORMAT_TABLE, FORMAT_JSON, FORMAT_YAML };
enum output_format output_format(const struct cli *cli);

/* A list of objects; where a table would have none, "no WHAT" goes to stderr. */
void output_list(const struct cli *cli, const struct column *columns, const json_t *array,
		 const char *what);
/* One object: "Title: value" lines. */
void output_record(const struct cli *cli, const struct column *columns, const json_t *object);
/* Any value, as JSON or YAML; as a table: JSON. */
void output_value(const struct cli *cli, const json_t *value);

/* The text of a cell.  Free with free(). */
char *cell_text(const struct column *column, const json_t *object);

/* YAML 1.2 that every YAML 1.1 parser reads the same. */
void yaml_print(FILE *f, const json_t *value);

#endif
