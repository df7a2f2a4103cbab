/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_monitor.c - monitor: events as they happen, one per line */

#include "cli/output.h"

#include <errno.h>
#include <time.h>

struct monitor_options {
	unsigned count;
};

static void print_event(const struct cli *cli, const json_t *event);

static int run_monitor(struct cli *cli, const void *options, const text_vec *words,
		       const text_vec *rest)
{
	const struct monitor_options *o = options;
	json_t *parameters = cli_parameters("network", words->n ? words->v[0] : NULL);
	struct vnet_error err = { 0 };
	unsigned printed = 0;
	int status, r;

	(void)rest;
	status = cli_connect(cli);
	if (status) {
		json_decref(parameters);
		return status;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = client_subscribe(cli->client, "Monitor", parameters, &err);
	json_decref(parameters);
	while (r == 0) {
		json_t *answer = NULL;
		const json_t *event;
		size_t i;

		r = client_next(cli->client, -1, &answer, &err);
		json_array_foreach(json_object_get(answer, "events"), i, event) {
			print_event(cli, event);
			if (++printed == o->count) {
				json_decref(answer);
				return EXIT_OK;
			}
		}
		json_decref(answer);
	}
	if (r > 0)
		vnet_error_set(&err, -ECONNRESET, "connection-closed", "netd ended the stream");
	return report_error(cli, &err);
}

static void print_time(json_int_t microseconds)
{
	time_t seconds = (time_t)(microseconds / 1000000);
	char text[64] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%F %T", &tm);
	printf("%s.%03d", text, (int)(microseconds / 1000 % 1000));
}

/* "TIME EVENT NETWORK/PORT: message"; JSON: one object per line; YAML: one document each. */
static void print_event(const struct cli *cli, const json_t *event)
{
	const char *what = json_string_value(json_object_get(event, "event"));
	const char *network = json_string_value(json_object_get(event, "network"));
	const char *port = json_string_value(json_object_get(event, "port"));
	const char *message = json_string_value(json_object_get(event, "message"));

	switch (output_format(cli)) {
	case FORMAT_JSON:
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	case FORMAT_YAML:
		puts("---");
		yaml_print(stdout, event);
		fflush(stdout);
		return;
	case FORMAT_TABLE:
		break;
	}
	print_time(json_integer_value(json_object_get(event, "time")));
	printf(" %-16s ", what ? what : "?");
	print_safe(stdout, network ? network : "");
	if (port) {
		putchar('/');
		print_safe(stdout, port);
	}
	fputs(network || port ? ": " : "", stdout);
	print_safe(stdout, message ? message : "");
	putchar('\n');
}

static const struct cli_option monitor_options[] = {
	{ .name = "count", .kind = OPTION_NUMBER, .offset = offsetof(struct monitor_options, count),
	  .value = "N", .min = 1, .max = 1000000000, .help = "end after N events" },
	{ 0 },
};

const struct command monitor_commands[] = {
	{ .name = "monitor", .arguments = "[NETWORK]", .max_words = 1,
	  .completes = COMPLETE_NETWORK, .run = run_monitor, .options = monitor_options,
	  .options_size = sizeof(struct monitor_options),
	  .summary = "Print events as they happen" },
	{ 0 },
};
