/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command.c - the list of all commands, and what they share: the connection to netd. */

#include "cli/command.h"

#include "cli/output.h"

const struct command *const command_tables[] = {
	apply_commands, network_commands, port_commands,    group_commands,  run_commands,
	list_commands,  monitor_commands, trace_commands,   doctor_commands, import_commands, libvirt_commands,
	general_commands, completion_commands,
	lab_commands, lab_inside_commands, lab_show_commands,
	NULL,
};

#define FIELD(member) offsetof(struct cli, member)
const struct cli_option global_options[] = {
	{ .name = "output", .letter = 'o', .kind = OPTION_CHOICE, .offset = FIELD(format),
	  .value = "FORMAT", .choices = "table|json|yaml", .may_repeat = true,
	  .help = "table (default), json or yaml" },
	{ .name = "socket", .kind = OPTION_TEXT, .offset = FIELD(socket), .value = "PATH",
	  .completes = COMPLETE_FILE, .may_repeat = true,
	  .help = "netd's socket (else VNET_SOCKET, else " VNET_SOCKET_DEFAULT ")" },
	{ .name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = FIELD(quiet),
	  .help = "no notes, no confirmations" },
	{ .name = "no-color", .kind = OPTION_FLAG, .offset = FIELD(no_color),
	  .help = "plain text (as NO_COLOR in the environment)" },
	{ .name = "help", .letter = 'h', .kind = OPTION_FLAG, .offset = FIELD(help),
	  .help = "explain the command" },
	{ .name = "version", .letter = 'V', .kind = OPTION_FLAG, .offset = FIELD(version),
	  .help = "print vnetctl's version" },
	{ 0 },
};

static bool matches(const struct command *c, const text_vec *words, size_t n)
{
	if (c->group)
		return n > 1 && !strcmp(words->v[0], c->group) && !strcmp(words->v[1], c->name);
	return n > 0 && !strcmp(words->v[0], c->name);
}

const struct command *command_find(const text_vec *words, size_t *ret_used)
{
	*ret_used = words->n && command_is_group(words->v[0]);
	for (const struct command *const *table = command_tables; *table; table++)
		for (const struct command *c = *table; c->name; c++)
			if (matches(c, words, words->n)) {
				*ret_used = c->group ? 2 : 1;
				return c;
			}
	return NULL;
}

bool command_is_group(const char *name)
{
	for (const struct command *const *table = command_tables; *table; table++)
		for (const struct command *c = *table; c->name; c++)
			if (c->group && !strcmp(c->group, name))
				return true;
	return false;
}

int cli_connect(struct cli *cli)
{
	struct vnet_error err = { 0 };

	if (cli->client)
		return 0;
	if (vnet_client_connect(cli->socket, &cli->client, &err) < 0)
		return report_error(cli, &err);
	return 0;
}

json_t *cli_parameters(const char *key, const char *value)
{
	json_t *parameters;

	if (!value)
		return NULL;
	parameters = json_pack("{s:s}", key, value);
	return parameters ? parameters : json_pack("{s:s}", key, "\xEF\xBF\xBD");
}

int cli_call(struct cli *cli, const char *method, json_t *parameters, json_t **ret_reply)
{
	struct vnet_error err = { 0 };
	int status = cli_connect(cli);

	if (!status && client_call(cli->client, method, parameters, ret_reply, &err) < 0)
		status = report_error(cli, &err);
	json_decref(parameters);
	return status;
}

int cli_call_each(struct cli *cli, const char *method, const text_vec *names, const char *what,
		  const char *done)
{
	int first = EXIT_OK;

	vec_each(name, names) {
		json_t *reply = NULL;
		int status = cli_call(cli, method, cli_parameters("name", *name), &reply);

		if (!status && !cli->quiet && output_format(cli) == FORMAT_TABLE)
			printf("%s %s: %s\n", what, *name, done);
		json_decref(reply);
		if (!first)
			first = status;
		if (status == EXIT_UNREACHABLE)
			break;
	}
	return first;
}
