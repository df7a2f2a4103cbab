/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_general.c - info, call and version */

#include "cli/output.h"

#include <errno.h>

static const struct column info_columns[] = {
	{ "VERSION", "version", COLUMN_TEXT, SHOW_ALWAYS },
	{ "PROTOCOL", "protocol", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "PID", "pid", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "UPTIME (s)", "uptime", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "NETWORKS", "networks", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "PORTS", "ports", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "LIMITS", "limits", COLUMN_TEXT, SHOW_ALWAYS },
	{ 0 },
};

static int run_info(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	json_t *reply = NULL;
	int status = cli_call(cli, "GetInfo", NULL, &reply);

	(void)options;
	(void)words;
	(void)rest;
	if (status)
		return status;
	output_record(cli, info_columns, reply);
	if (output_format(cli) == FORMAT_TABLE)
		report_notes(cli, json_object_get(reply, "notes"));
	json_decref(reply);
	return EXIT_OK;
}

/* netd's version too, but its absence is no failure of this command. */
static int run_version(struct cli *cli, const void *options, const text_vec *words,
		       const text_vec *rest)
{
	struct vnet_error err = { 0 };
	json_t *reply = NULL, *versions;
	int r;

	(void)options;
	(void)words;
	(void)rest;
	r = vnet_client_connect(cli->socket, &cli->client, &err);
	if (r == 0)
		r = client_call(cli->client, "GetInfo", NULL, &reply, &err);
	if (output_format(cli) != FORMAT_TABLE) {
		versions = json_pack("{s:s, s:O?}", "vnetctl", vnet_version(), "netd",
				     json_object_get(reply, "version"));
		output_value(cli, versions);
		json_decref(versions);
	} else {
		const char *netd = json_string_value(json_object_get(reply, "version"));

		printf("vnetctl %s\nnetd    ", vnet_version());
		print_safe(stdout, r < 0 ? err.message : netd ? netd : "?");
		putchar('\n');
		report_notes(cli, json_object_get(reply, "notes"));
	}
	json_decref(reply);
	return EXIT_OK;
}

struct call_options {
	bool more;
};

static int call_stream(struct cli *cli, const char *method, const json_t *parameters,
		       struct vnet_error *err)
{
	int r = client_subscribe(cli->client, method, parameters, err);

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (r == 0) {
		json_t *answer = NULL;

		r = client_next(cli->client, -1, &answer, err);
		if (answer && output_format(cli) == FORMAT_YAML)
			puts("---");
		if (answer)
			output_value(cli, answer);
		fflush(stdout);
		json_decref(answer);
	}
	return r < 0 ? r : 0;
}

static int run_call(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	const struct call_options *o = options;
	const char *text = words->n > 1 ? words->v[1] : "{}";
	json_t *parameters, *reply = NULL;
	struct vnet_error err = { 0 };
	json_error_t e;
	int r, status;

	(void)rest;
	parameters = !strcmp(text, "-") ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &e) :
					  json_loads(text, JSON_REJECT_DUPLICATES, &e);
	if (!parameters)
		return report_usage(cli, "parameters:%d:%d: %s", e.line, e.column, e.text);
	if (!json_is_object(parameters)) {
		json_decref(parameters);
		return report_usage(cli, "parameters must be a JSON object");
	}
	status = cli_connect(cli);
	if (status) {
		json_decref(parameters);
		return status;
	}
	if (o->more)
		r = call_stream(cli, words->v[0], parameters, &err);
	else
		r = client_call(cli->client, words->v[0], parameters, &reply, &err);
	json_decref(parameters);
	if (r < 0 && !strcmp(err.code, "ExpectedMore"))
		return report_usage(cli, "%s answers again and again: give --more", words->v[0]);
	if (r < 0)
		return report_error(cli, &err);
	if (reply)
		output_value(cli, reply);
	json_decref(reply);
	return EXIT_OK;
}

static const struct cli_option call_options[] = {
	{ .name = "more", .kind = OPTION_FLAG, .offset = offsetof(struct call_options, more),
	  .help = "ask for a stream of answers" },
	{ 0 },
};

const struct command general_commands[] = {
	{ .name = "info", .arguments = "", .run = run_info,
	  .summary = "What netd says of itself and of this kernel" },
	{ .name = "call", .arguments = "METHOD [JSON]", .min_words = 1, .max_words = 2,
	  .run = run_call, .options = call_options, .options_size = sizeof(struct call_options),
	  .summary = "Call a method of the API; - reads the parameters from standard input",
	  .details = "METHOD is of io.vnet.Netd unless it has a dot.  The answer is JSON unless\n"
		     "-o yaml is given.  Descriptors that come with it are closed." },
	{ .name = "version", .arguments = "", .run = run_version,
	  .summary = "Versions of vnetctl and netd" },
	{ 0 },
};
