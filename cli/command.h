/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/*
 * command.h - vnetctl's commands as one table
 *
 * Dispatch, usage and shell completion all come from struct command.  Each
 * cmd_*.c brings one table, ended by a command without a name.  run() returns
 * the exit status and has reported what went wrong.
 */

#include "cli/options.h"
#include "client/client.h"

/* Documented in vnetctl(8): scripts rely on them. */
enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_DENIED = 4,
	EXIT_UNREACHABLE = 5,
	EXIT_IN_USE = 6,        /* or running guests would notice */
	EXIT_INVALID = 7,       /* a definition or parameter */
	EXIT_EXISTS = 8,
	EXIT_LIMIT = 9,
	EXIT_TIMED_OUT = 10,
	EXIT_NOT_EXECUTABLE = 126, /* run: as env(1) has it */
	EXIT_NO_COMMAND = 127,
};

/* One run of vnetctl. */
struct cli {
	const char *format;     /* "table", "json", "yaml", or NULL: table */
	const char *socket;
	bool no_color, quiet, help, version;
	bool color_out, color_err;
	struct vnet_client *client; /* cli_connect() */
};

struct command {
	const char *group;      /* "network", or NULL */
	const char *name;
	const char *arguments;  /* for usage: "NAME..." */
	const char *summary;
	const char *details;    /* further lines of --help, or NULL */
	const struct cli_option *options; /* or NULL */
	size_t options_size;    /* of the structure that they fill */
	int min_words, max_words; /* positional; max -1: any number */
	enum completion completes; /* what they are */
	bool takes_rest;        /* "-- COMMAND..." */
	bool is_hidden;
	int (*run)(struct cli *cli, const void *options, const text_vec *words,
		   const text_vec *rest);
};

extern const struct command lab_commands[], lab_inside_commands[], lab_show_commands[];
extern const struct command apply_commands[], network_commands[], port_commands[], group_commands[],
	run_commands[], list_commands[], monitor_commands[], trace_commands[], doctor_commands[],
	import_commands[], libvirt_commands[], general_commands[], completion_commands[];
/* All of them, ended by NULL. */
extern const struct command *const command_tables[];
extern const struct cli_option global_options[];

/* The command that words name, or NULL; *ret_used: how many words that took.  A group alone gives NULL and 1. */
const struct command *command_find(const text_vec *words, size_t *ret_used);
bool command_is_group(const char *name);

/* Makes cli->client.  Reports; 0 or an exit status. */
int cli_connect(struct cli *cli);
/* {key: value}; NULL without a value.  A value that is no UTF-8 names nothing that exists. */
json_t *cli_parameters(const char *key, const char *value);
/* Calls with a fresh parameters object (its reference is taken over).  Reports; 0 or an exit status. */
int cli_call(struct cli *cli, const char *method, json_t *parameters, json_t **ret_reply);
/*
 * Calls once for each name, saying "WHAT NAME: DONE" of each that succeeded.  One that fails does
 * not stop the others; the first exit status that is not 0.
 */
int cli_call_each(struct cli *cli, const char *method, const text_vec *names, const char *what,
		  const char *done);

/* cmd_apply.c: defines networks ({NAME: ...}) and starts them, telling what apply tells. */
int apply_networks(struct cli *cli, json_t *networks);

/* The exit status that stands for an error. */
int error_status(const struct vnet_error *err);
/* Prints "vnetctl: …" and returns error_status(). */
int report_error(const struct cli *cli, const struct vnet_error *err);
/* The same, with the line of the input that the error points to. */
int report_error_in(const struct cli *cli, const struct vnet_error *err, const char *text,
		    size_t size);
/* A problem inside a reply. */
void report_problem(const struct cli *cli, const json_t *problem, const char *what);
int report_usage(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "note: …" on stderr, unless quiet. */
void report_notes(const struct cli *cli, const json_t *notes);

#endif
