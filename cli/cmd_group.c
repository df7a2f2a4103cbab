/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_group.c - group list, show, delete: security groups */

#include "cli/output.h"

static const struct column group_columns[] = {
	{ "NAME", "name", COLUMN_TEXT, SHOW_ALWAYS },
	{ "INGRESS", "ingressRules", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "EGRESS", "egressRules", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "LOG", "log", COLUMN_TEXT, SHOW_ALWAYS },
	{ "PORTS", "ports", COLUMN_NUMBER, SHOW_ALWAYS },
	{ "SOURCE", "source", COLUMN_TEXT, SHOW_ALWAYS },
	{ 0 },
};
/* Of `group show`: who uses it. */
static const struct column user_columns[] = {
	{ "NETWORKS", "networks", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "GROUPS", "groups", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ "MEMBERS", "ports", COLUMN_TEXT, SHOW_RECORD_IF_ANY },
	{ 0 },
};

struct group_options {
	bool definition;
};

static int run_list(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	json_t *reply = NULL;
	int status = cli_call(cli, "ListGroups", NULL, &reply);

	(void)options;
	(void)words;
	(void)rest;
	if (!status)
		output_list(cli, group_columns, json_object_get(reply, "groups"), "groups");
	json_decref(reply);
	return status;
}

static void print_rules(const json_t *definition, const char *key, const char *nothing)
{
	const json_t *rules = json_object_get(definition, key), *rule;
	size_t i;

	printf("%s:", key);
	if (!json_is_array(rules))
		printf(" %s\n", json_is_string(rules) ? json_string_value(rules) : nothing);
	else if (!json_array_size(rules))
		puts(" nothing");
	else
		putchar('\n');
	json_array_foreach((json_t *)rules, i, rule)
		printf("  %s\n", json_string_value(rule));
}

/* The canonical definition, in the shape that apply takes. */
static void print_definition(const struct cli *cli, const char *name, const json_t *reply)
{
	json_t *file = json_pack("{s:{s:O}}", "groups", name, json_object_get(reply, "definition"));

	if (output_format(cli) == FORMAT_TABLE)
		yaml_print(stdout, file);
	else
		output_value(cli, file);
	json_decref(file);
}

static bool has_users(const json_t *reply)
{
	return json_array_size(json_object_get(reply, "ports")) ||
	       json_array_size(json_object_get(reply, "networks")) ||
	       json_array_size(json_object_get(reply, "groups"));
}

static int run_show(struct cli *cli, const void *options, const text_vec *words,
		    const text_vec *rest)
{
	const struct group_options *o = options;
	json_t *reply = NULL;
	int status = cli_call(cli, "DescribeGroup", cli_parameters("name", words->v[0]), &reply);

	(void)rest;
	if (status)
		return status;
	if (o->definition) {
		print_definition(cli, words->v[0], reply);
	} else if (output_format(cli) != FORMAT_TABLE) {
		output_value(cli, reply);
	} else {
		const json_t *definition = json_object_get(reply, "definition");

		output_record(cli, group_columns, json_object_get(reply, "group"));
		putchar('\n');
		print_rules(definition, "ingress", "nothing");
		print_rules(definition, "egress", "any");
		if (has_users(reply)) {
			putchar('\n');
			output_record(cli, user_columns, reply);
		}
	}
	json_decref(reply);
	return EXIT_OK;
}

static int run_delete(struct cli *cli, const void *options, const text_vec *words,
		      const text_vec *rest)
{
	(void)options;
	(void)rest;
	return cli_call_each(cli, "DeleteGroup", words, "group", "deleted");
}

static const struct cli_option show_options[] = {
	{ .name = "definition", .letter = 'd', .kind = OPTION_FLAG,
	  .offset = offsetof(struct group_options, definition),
	  .help = "print the definition as apply takes it" },
	{ 0 },
};

#define GROUP(verb, args, min, max, opts, function, text) \
	{ .group = "group", .name = verb, .arguments = args, .min_words = min, .max_words = max, \
	  .options = opts, .options_size = sizeof(struct group_options), \
	  .completes = COMPLETE_GROUP, .run = function, .summary = text }

const struct command group_commands[] = {
	GROUP("list", "", 0, 0, NULL, run_list, "All security groups"),
	GROUP("show", "NAME", 1, 1, show_options, run_show, "One group, its rules and who uses it"),
	GROUP("delete", "NAME...", 1, -1, NULL, run_delete, "Forget a group that nobody uses"),
	{ 0 },
};
