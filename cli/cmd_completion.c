/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_completion.c - shell completion from the command table
 *
 * The shells' scripts are a few lines that ask `vnetctl __complete WORD...`
 * (the last word is the one being typed) and offer the lines it prints.  So
 * they never go stale, and know the networks and ports that exist.
 */

#include "cli/output.h"

#include <dirent.h>
#include <pwd.h>

#define COMPLETE_TIMEOUT_MS 1000 /* a shell must not hang on Tab */

static void complete_word(struct cli *cli, const text_vec *words);
static void offer_commands(const text_vec *words, const char *prefix);
static void offer_options(const struct cli_option *options, const char *prefix);
static void offer_choices(const char *choices, const char *prefix);
static void offer_values(struct cli *cli, enum completion what, const char *prefix);

/* Same text as configs/completions/; a test compares them. */
static const char bash_script[] =
	"# bash completion of vnetctl(8)\n"
	"_vnetctl()\n"
	"{\n"
	"\tlocal line\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tCOMPREPLY+=(\"$line\")\n"
	"\tdone < <(\"${COMP_WORDS[0]}\" __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
	"}\n"
	"complete -o default -F _vnetctl vnetctl\n";
static const char zsh_script[] =
	"#compdef vnetctl\n"
	"# zsh completion of vnetctl(8)\n"
	"_vnetctl()\n"
	"{\n"
	"\tlocal -a lines\n"
	"\tlines=(\"${(@f)$(${words[1]} __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
	"\tif [[ -n \"${lines[*]}\" ]]; then\n"
	"\t\tcompadd -- \"${lines[@]}\"\n"
	"\telse\n"
	"\t\t_files\n"
	"\tfi\n"
	"}\n"
	"# autoloaded from fpath, or sourced\n"
	"if [[ ${funcstack[1]} == _vnetctl ]]; then\n"
	"\t_vnetctl \"$@\"\n"
	"else\n"
	"\tcompdef _vnetctl vnetctl\n"
	"fi\n";

static int run_completion(struct cli *cli, const void *options, const text_vec *words,
			  const text_vec *rest)
{
	(void)options;
	(void)rest;
	if (!strcmp(words->v[0], "bash"))
		fputs(bash_script, stdout);
	else if (!strcmp(words->v[0], "zsh"))
		fputs(zsh_script, stdout);
	else
		return report_usage(cli, "there is completion for bash and zsh, not for '%s'",
				    words->v[0]);
	return EXIT_OK;
}

static int run_complete(struct cli *cli, const void *options, const text_vec *words,
			const text_vec *rest)
{
	(void)options;
	(void)rest;
	if (words->n)
		complete_word(cli, words);
	return EXIT_OK;
}

/* What the words before the last one say: which command, which option wants a value. */
struct line {
	text_vec positional;    /* command words included */
	const struct command *command;
	size_t command_words;
	const struct cli_option *wanting;
	bool after_dashes;
};

static void read_line(const text_vec *words, struct line *ret)
{
	for (size_t i = 0; i + 1 < words->n; i++) {
		const struct option_set sets[] = {
			{ ret->command ? ret->command->options : NULL, NULL },
			{ global_options, NULL },
		};
		const char *word = words->v[i], *value;
		size_t set;

		if (ret->wanting) {
			ret->wanting = NULL;
		} else if (!strcmp(word, "--")) {
			ret->after_dashes = true;
			return;
		} else if (word[0] == '-' && word[1]) {
			const struct cli_option *o = option_find(sets, 2, word, &value, &set);

			if (o && o->kind != OPTION_FLAG && !value)
				ret->wanting = o;
		} else {
			vec_push(&ret->positional, word);
			if (!ret->command)
				ret->command = command_find(&ret->positional,
							    &ret->command_words);
		}
	}
}

static void complete_word(struct cli *cli, const text_vec *words)
{
	const char *prefix = words->v[words->n - 1];
	struct line line = { 0 };

	read_line(words, &line);
	if (line.after_dashes) {
		/* COMMAND of run: the shell's own business */
	} else if (line.wanting) {
		offer_choices(line.wanting->choices, prefix);
		offer_values(cli, line.wanting->completes, prefix);
	} else if (prefix[0] == '-') {
		offer_options(line.command ? line.command->options : NULL, prefix);
		offer_options(global_options, prefix);
	} else if (!line.command) {
		offer_commands(&line.positional, prefix);
	} else {
		size_t n = line.positional.n - line.command_words;

		if (line.command->run == run_completion)
			offer_choices("bash|zsh", prefix);
		if (line.command->max_words < 0 || n < (size_t)line.command->max_words)
			offer_values(cli, line.command->completes, prefix);
	}
	vec_free(&line.positional);
}

static void offer(const char *word, const char *prefix)
{
	if (word && !strncmp(word, prefix, strlen(prefix)))
		puts(word);
}

static void offer_commands(const text_vec *words, const char *prefix)
{
	const char *last_group = "";

	for (const struct command *const *table = command_tables; *table; table++)
		for (const struct command *c = *table; c->name; c++) {
			if (c->is_hidden)
				continue;
			if (words->n) {
				if (c->group && !strcmp(c->group, words->v[0]))
					offer(c->name, prefix);
			} else if (!c->group) {
				offer(c->name, prefix);
			} else if (strcmp(c->group, last_group)) {
				offer(c->group, prefix);
				last_group = c->group;
			}
		}
}

static void offer_options(const struct cli_option *options, const char *prefix)
{
	for (const struct cli_option *o = options; o && o->name; o++) {
		AUTO_FREE char *word = mem_printf("--%s", o->name);

		offer(word, prefix);
	}
}

static void offer_choices(const char *choices, const char *prefix)
{
	for (const char *c = choices; c && *c; c += strcspn(c, "|"), c += *c == '|') {
		AUTO_FREE char *word = mem_strndup(c, strcspn(c, "|"));

		offer(word, prefix);
	}
}

/* Names that netd knows; silently none if it is not there. */
static void offer_names(struct cli *cli, const char *method, const char *key, const char *prefix)
{
	struct vnet_error err = { 0 };
	json_t *reply = NULL;
	const json_t *item;
	size_t i;

	if (!cli->client && vnet_client_connect(cli->socket, &cli->client, &err) < 0)
		return;
	vnet_client_set_timeout(cli->client, COMPLETE_TIMEOUT_MS);
	if (client_call(cli->client, method, NULL, &reply, &err) < 0)
		return;
	json_array_foreach(json_object_get(reply, key), i, item)
		offer(json_string_value(json_object_get(item, "name")), prefix);
	json_decref(reply);
}

/* What ip netns made. */
static void offer_namespaces(const char *prefix)
{
	DIR *folder = opendir("/run/netns");
	struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			offer(entry->d_name, prefix);
	if (folder)
		closedir(folder);
}

static void offer_values(struct cli *cli, enum completion what, const char *prefix)
{
	struct passwd *pw;

	switch (what) {
	case COMPLETE_NETWORK:
		offer_names(cli, "ListNetworks", "networks", prefix);
		break;
	case COMPLETE_PORT:
		offer_names(cli, "ListPorts", "ports", prefix);
		break;
	case COMPLETE_GROUP:
		offer_names(cli, "ListGroups", "groups", prefix);
		break;
	case COMPLETE_USER:
		setpwent();
		while ((pw = getpwent()))
			offer(pw->pw_name, prefix);
		endpwent();
		break;
	case COMPLETE_NETNS:
		offer_namespaces(prefix);
		break;
	case COMPLETE_FILE: /* the shell's own default */
	case COMPLETE_NOTHING:
		break;
	}
}

const struct command completion_commands[] = {
	{ .name = "completion", .arguments = "bash|zsh", .min_words = 1, .max_words = 1,
	  .run = run_completion, .summary = "Print a completion script for the shell" },
	{ .name = "__complete", .arguments = "-- WORD...", .max_words = -1, .is_hidden = true,
	  .run = run_complete, .summary = "What could follow" },
	{ 0 },
};
