/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_monitor.c - monitor: events as they happen, one per line */

#include "cli/stream.h"

struct monitor_options {
	unsigned count;
};

/* "TIME EVENT NETWORK/PORT: message". */
static void print_event(const struct cli *cli, const json_t *event)
{
	const char *what = json_string_value(json_object_get(event, "event"));
	const char *network = json_string_value(json_object_get(event, "network"));
	const char *port = json_string_value(json_object_get(event, "port"));
	const char *message = json_string_value(json_object_get(event, "message"));

	(void)cli;
	stream_print_time(json_integer_value(json_object_get(event, "time")), true);
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

static int run_monitor(struct cli *cli, const void *options, const text_vec *words,
		       const text_vec *rest)
{
	const struct monitor_options *o = options;

	(void)rest;
	return stream_run(cli, "Monitor", cli_parameters("network", words->n ? words->v[0] : NULL),
			  o->count, print_event);
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
