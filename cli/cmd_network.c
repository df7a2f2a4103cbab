/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_network.c - network list, show, start, stop, delete */

#include "cli/output.h"

static const struct column network_columns[] = {
	{ "NAME", "name", COLUMN_TEXT, false },
	{ "MODE", "mode", COLUMN_TEXT, false },
	{ "STATE", "state", COLUMN_STATE, false },
	{ "BRIDGE", "bridge", COLUMN_TEXT, false },
	{ "MTU", "mtu", COLUMN_NUMBER, true },
	{ "PORTS", "ports", COLUMN_NUMBER, false },
	{ "ADDRESSES", "addresses", COLUMN_TEXT, false },
	{ "AUTOSTART", "autostart", COLUMN_TEXT, true },
	{ "SOURCE", "source", COLUMN_TEXT, true },
	{ "PROBLEM", "problem", COLUMN_PROBLEM, true },
	{ 0 },
};
/* Of the ports in `network show`. */
static const struct column port_columns[] = {
	{ "PORT", "name", COLUMN_TEXT, false },
	{ "INTERFACE", "ifname", COLUMN_TEXT, false },
	{ "STATE", "state", COLUMN_STATE, false },
	{ "MAC", "mac", COLUMN_TEXT, false },
	{ "LEASES", "leases", COLUMN_TEXT, false },
	{ 0 },
};

struct network_options {
	bool force, definition;
};

static int run_list(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	json_t *reply = NULL;
	int status = cli_call(cli, "ListNetworks", NULL, &reply);

	(void)options;
	(void)words;
	(void)rest;
	if (!status)
		output_list(cli, network_columns, json_object_get(reply, "networks"), "networks");
	json_decref(reply);
	return status;
}

/* The canonical definition, in the shape that apply takes. */
static void print_definition(const struct cli *cli, const char *name, const json_t *reply)
{
	json_t *file = json_pack("{s:{s:O}}", "networks", name,
				 json_object_get(reply, "definition"));

	if (output_format(cli) == FORMAT_TABLE)
		yaml_print(stdout, file);
	else
		output_value(cli, file);
	json_decref(file);
}

static int run_show(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	const struct network_options *o = options;
	json_t *reply = NULL;
	const json_t *ports;
	int status;

	(void)rest;
	status = cli_call(cli, "DescribeNetwork", cli_parameters("name", words->v[0]), &reply);
	if (status)
		return status;
	ports = json_object_get(reply, "ports");
	if (o->definition) {
		print_definition(cli, words->v[0], reply);
	} else if (output_format(cli) != FORMAT_TABLE) {
		output_value(cli, reply);
	} else {
		output_record(cli, network_columns, json_object_get(reply, "network"));
		if (json_array_size(ports)) {
			putchar('\n');
			output_list(cli, port_columns, ports, "ports");
		}
	}
	json_decref(reply);
	return EXIT_OK;
}

/* Calls method for every name; goes on after a failure and returns the first one's status. */
static int for_each_name(struct cli *cli, const char *method, const char *done, bool force,
			 const text_vec *words)
{
	int first = EXIT_OK;

	vec_each(name, words) {
		json_t *parameters = cli_parameters("name", *name), *reply = NULL;
		int status;

		if (force)
			json_object_set_new(parameters, "force", json_true());
		status = cli_call(cli, method, parameters, &reply);
		if (!status) {
			report_notes(cli, json_object_get(reply, "notes"));
			if (output_format(cli) != FORMAT_TABLE)
				output_value(cli, reply);
			else if (!cli->quiet)
				printf("network %s: %s\n", *name, done);
		}
		json_decref(reply);
		if (!first)
			first = status;
		if (status == EXIT_UNREACHABLE)
			break;
	}
	return first;
}

static int run_start(struct cli *cli, const void *options, const text_vec *words,
		     const text_vec *rest)
{
	(void)options;
	(void)rest;
	return for_each_name(cli, "StartNetwork", "started", false, words);
}

static int run_stop(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	(void)rest;
	return for_each_name(cli, "StopNetwork", "stopped",
			     ((const struct network_options *)options)->force, words);
}

static int run_delete(struct cli *cli, const void *options, const text_vec *words,
		      const text_vec *rest)
{
	(void)rest;
	return for_each_name(cli, "DeleteNetwork", "deleted",
			     ((const struct network_options *)options)->force, words);
}

#define FIELD(member) offsetof(struct network_options, member)
static const struct cli_option show_options[] = {
	{ .name = "definition", .letter = 'd', .kind = OPTION_FLAG, .offset = FIELD(definition),
	  .help = "print the definition as apply takes it" },
	{ 0 },
};
static const struct cli_option force_options[] = {
	{ .name = "force", .kind = OPTION_FLAG, .offset = FIELD(force),
	  .help = "although guests are attached" },
	{ 0 },
};

#define NETWORK(verb, args, min, max, opts, function, text) \
	{ .group = "network", .name = verb, .arguments = args, .min_words = min, \
	  .max_words = max, .options = opts, .options_size = sizeof(struct network_options), \
	  .completes = COMPLETE_NETWORK, .run = function, .summary = text }

const struct command network_commands[] = {
	NETWORK("list", "", 0, 0, NULL, run_list, "All networks that you may see"),
	NETWORK("show", "NAME", 1, 1, show_options, run_show, "One network, its state and ports"),
	NETWORK("start", "NAME...", 1, -1, NULL, run_start, "Build it"),
	NETWORK("stop", "NAME...", 1, -1, force_options, run_stop, "Take it down, keep its definition"),
	NETWORK("delete", "NAME...", 1, -1, force_options, run_delete, "Take it down and forget it"),
	{ 0 },
};
