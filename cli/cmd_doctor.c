/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_doctor.c - doctor: what else on this host stops our traffic */

#include "cli/output.h"

struct doctor_options {
	bool fix, unfix;
};

/* How each severity is called, and shown. */
static const struct severity {
	const char *name, *title, *color;
} severities[] = {
	{ "stops", "STOPS TRAFFIC", COLOR_ERROR },
	{ "may-stop", "MAY STOP TRAFFIC", COLOR_BAD },
	{ "note", "NOTE", COLOR_DIM },
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool is_severity(const json_t *finding, const char *name)
{
	const char *is = text_of(finding, "severity");

	return is && !strcmp(is, name);
}

static void print_line(const char *title, const char *text)
{
	printf("  %-9s ", title);
	print_safe(stdout, text);
	putchar('\n');
}

/* In one line, or each in its own below the title. */
static void print_list(const char *title, const json_t *list, bool is_one_line)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!i || !is_one_line)
			printf("  %-9s ", i ? "" : title);
		print_safe(stdout, text ? text : "?");
		fputs(!is_one_line || i + 1 == json_array_size(list) ? "\n" : ", ", stdout);
	}
}

static void print_finding(const struct cli *cli, const json_t *finding)
{
	const char *owner = text_of(finding, "owner"), *id = text_of(finding, "id");
	const char *found = text_of(finding, "found"), *why = text_of(finding, "why");

	for (size_t i = 0; i < ARRAY_SIZE(severities); i++)
		if (is_severity(finding, severities[i].name))
			printf("%s%s%s  ", cli->color_out ? severities[i].color : "", severities[i].title,
			       cli->color_out ? COLOR_RESET : "");
	print_safe(stdout, id ? id : "?");
	if (owner) {
		fputs(" (", stdout);
		print_safe(stdout, owner);
		putchar(')');
	}
	putchar('\n');
	print_list("networks", json_object_get(finding, "networks"), true);
	print_list("traffic", json_object_get(finding, "traffic"), true);
	print_line("found", found ? found : "?");
	print_line("why", why ? why : "?");
	print_list("remedy", json_object_get(finding, "remedies"), false);
	putchar('\n');
}

static size_t count(const json_t *findings, const char *severity)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(findings); i++)
		n += is_severity(json_array_get(findings, i), severity);
	return n;
}

static void print_report(const struct cli *cli, const json_t *reply)
{
	const json_t *findings = json_object_get(reply, "findings"), *changes = json_object_get(reply, "changes");

	for (size_t i = 0; i < json_array_size(changes); i++) {
		print_safe(stdout, json_string_value(json_array_get(changes, i)));
		putchar('\n');
	}
	if (json_array_size(changes))
		putchar('\n');
	for (size_t i = 0; i < json_array_size(findings); i++)
		print_finding(cli, json_array_get(findings, i));
	if (cli->quiet)
		return;
	if (!json_array_size(findings))
		puts("nothing found that stops traffic");
	else
		printf("%zu found: %zu stop traffic, %zu may, %zu notes\n", json_array_size(findings),
		       count(findings, "stops"), count(findings, "may-stop"), count(findings, "note"));
}

static int run_doctor(struct cli *cli, const void *options, const text_vec *words, const text_vec *rest)
{
	const struct doctor_options *o = options;
	json_t *reply = NULL;
	int status;

	(void)words;
	(void)rest;
	if (o->fix && o->unfix)
		return report_usage(cli, "give --fix or --unfix, not both");
	status = cli_call(cli, o->fix ? "Fix" : o->unfix ? "Unfix" : "Diagnose", NULL, &reply);
	if (status)
		return status;
	if (output_format(cli) == FORMAT_TABLE)
		print_report(cli, reply);
	else
		output_value(cli, reply);
	status = count(json_object_get(reply, "findings"), "stops") ? EXIT_FAILED : EXIT_OK;
	json_decref(reply);
	return status;
}

static const struct cli_option doctor_options[] = {
	{ .name = "fix", .kind = OPTION_FLAG, .offset = offsetof(struct doctor_options, fix),
	  .help = "keep rules in others' chains that let our networks pass (root)" },
	{ .name = "unfix", .kind = OPTION_FLAG, .offset = offsetof(struct doctor_options, unfix),
	  .help = "take them away again (root)" },
	{ 0 },
};

const struct command doctor_commands[] = {
	{ .name = "doctor", .arguments = "", .run = run_doctor, .options = doctor_options,
	  .options_size = sizeof(struct doctor_options),
	  .summary = "What else on this host stops our traffic, and the remedy for each",
	  .details = "Exit status 1: something stops traffic.  --fix adds rules with the comment\n"
		     "\"vnet-doctor\" to others' chains where only a policy would drop our packets,\n"
		     "and netd keeps them there until --unfix." },
	{ 0 },
};
