/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_trace.c - trace: which rule took a port's frames, whoever's it is */

#include "cli/stream.h"

struct trace_options {
	bool all, drops;
	unsigned count;
};

/* "TIME dropped FRAME (REASON: MESSAGE)" */
static void print_frame(const struct cli *cli, const json_t *event)
{
	const char *verdict = json_string_value(json_object_get(event, "verdict"));
	const char *frame = json_string_value(json_object_get(event, "frame"));
	const char *reason = json_string_value(json_object_get(event, "reason"));
	const char *message = json_string_value(json_object_get(event, "message"));
	const json_t *time = json_object_get(event, "time");
	bool is_passed = verdict && !strcmp(verdict, "passed");

	if (time) {
		stream_print_time(json_integer_value(time), false);
		putchar(' ');
	}
	fputs(cli->color_out ? is_passed ? COLOR_GOOD : COLOR_BAD : "", stdout);
	print_safe(stdout, verdict ? verdict : "?");
	fputs(cli->color_out ? COLOR_RESET : "", stdout);
	if (frame) {
		putchar(' ');
		print_safe(stdout, frame);
	}
	fputs(" (", stdout);
	if (reason) {
		print_safe(stdout, reason);
		fputs(": ", stdout);
	}
	print_safe(stdout, message ? message : "");
	puts(")");
}

static int run_trace(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const struct trace_options *o = options;
	json_t *parameters;

	(void)rest;
	if (o->all && o->drops)
		return report_usage(cli, "--all and --drops exclude each other");
	parameters = cli_parameters("port", words->v[0]);
	if (o->all)
		json_object_set_new(parameters, "all", json_true());
	return stream_run(cli, "Trace", parameters, o->count, print_frame);
}

#define OPTION(member) offsetof(struct trace_options, member)
static const struct cli_option trace_options[] = {
	{ .name = "drops", .kind = OPTION_FLAG, .offset = OPTION(drops),
	  .help = "frames that a rule took (default)" },
	{ .name = "all", .kind = OPTION_FLAG, .offset = OPTION(all), .help = "those that passed, too" },
	{ .name = "count", .kind = OPTION_NUMBER, .offset = OPTION(count), .value = "N", .min = 1,
	  .max = 1000000000, .help = "end after N frames" },
	{ 0 },
};

const struct command trace_commands[] = {
	{ .name = "trace", .arguments = "PORT", .min_words = 1, .max_words = 1,
	  .completes = COMPLETE_PORT, .run = run_trace, .options = trace_options,
	  .options_size = sizeof(struct trace_options),
	  .summary = "Show which rule takes a port's frames",
	  .details = "A sample of the frames that the port's guest sends and a rule drops, of ours\n"
		     "or of anybody else's on this host: Docker's, firewalld's, your own.  Ends with\n"
		     "Ctrl-C." },
	{ 0 },
};
