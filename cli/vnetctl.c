/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vnetctl.c - the command line of netd: finds the command, parses its options, runs it. */

#include "cli/command.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

static int run_command(struct cli *cli, const struct command *command, int argc, char **argv,
		       size_t n_words);
static int unknown_command(struct cli *cli, const text_vec *words);
static void print_usage(FILE *f, const char *group);
static void print_help(const struct command *command);

/* On a terminal that can, unless the user wants none: no-color.org. */
static bool wants_color(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct option_set globals = { global_options, &cli };
	text_vec words = { 0 }, rest = { 0 };
	struct vnet_error err = { 0 };
	const struct command *command;
	size_t used = 0;
	bool has_rest;
	int status, n;

	setlocale(LC_ALL, "");
	signal(SIGPIPE, SIG_DFL); /* `vnetctl monitor | head` ends quietly, whatever our parent ignores */
	cli.color_err = wants_color(STDERR_FILENO);
	/* Options before the command are global; the command's words end with the next option. */
	n = options_parse(&globals, 1, argc - 1, argv + 1, true, &words, &rest, &has_rest, &err);
	if (n < 0)
		return report_error(&cli, &err);
	for (int i = n + 1; i < argc && i < n + 3; i++) {
		if (argv[i][0] == '-')
			break;
		vec_push(&words, argv[i]);
	}
	command = command_find(&words, &used);
	if (cli.version && !words.n) {
		printf("vnetctl %s\n", vnet_version());
		status = EXIT_OK;
	} else if (command) {
		status = run_command(&cli, command, argc - 1 - n, argv + 1 + n, used);
	} else {
		bool wants_help = cli.help;

		for (int i = n + 1; i < argc; i++)
			wants_help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
		if (wants_help && (!words.n || used)) {
			print_usage(stdout, words.n ? words.v[0] : NULL);
			status = EXIT_OK;
		} else {
			status = unknown_command(&cli, &words);
		}
	}
	vnet_client_free(cli.client);
	vec_free(&words);
	vec_free(&rest);
	if (fflush(stdout) < 0 && status == EXIT_OK) {
		fprintf(stderr, "vnetctl: cannot write the output: %s\n", strerror(errno));
		status = EXIT_FAILED;
	}
	return status;
}

/* argv starts with the command's own words, n_words of them. */
static int run_command(struct cli *cli, const struct command *command, int argc, char **argv,
		       size_t n_words)
{
	void *values = mem_alloc(command->options_size);
	struct option_set sets[] = { { command->options, values }, { global_options, cli } };
	text_vec words = { 0 }, rest = { 0 };
	struct vnet_error err = { 0 };
	bool has_rest = false;
	int status;

	if (options_parse(sets, 2, argc - (int)n_words, argv + n_words, false, &words, &rest,
			  &has_rest, &err) < 0) {
		status = command->takes_rest && words.n > 1 ?
			report_usage(cli, "%s; the command and its options stand behind --",
				     err.message) :
			report_error(cli, &err);
	} else if (cli->help) {
		print_help(command);
		status = EXIT_OK;
	} else {
		cli->color_err &= !cli->no_color;
		cli->color_out = wants_color(STDOUT_FILENO) && !cli->no_color;
		if (has_rest && !command->takes_rest) {
			/* "--" only protects words that look like options. */
			vec_each(word, &rest)
				vec_push(&words, *word);
			rest.n = 0;
		}
		if ((int)words.n < command->min_words ||
		    (command->max_words >= 0 && (int)words.n > command->max_words))
			status = report_usage(cli, "usage: vnetctl %s%s%s [options] %s",
					      command->group ? command->group : "",
					      command->group ? " " : "", command->name,
					      command->arguments);
		else
			status = command->run(cli, values, &words, &rest);
	}
	options_free(&sets[0]);
	vec_free(&words);
	vec_free(&rest);
	free(values);
	return status;
}

static int unknown_command(struct cli *cli, const text_vec *words)
{
	if (!words->n) {
		print_usage(stderr, NULL);
		return EXIT_USAGE;
	}
	if (command_is_group(words->v[0])) {
		if (words->n > 1)
			report_usage(cli, "there is no command '%s %s'", words->v[0], words->v[1]);
		print_usage(stderr, words->v[0]);
		return EXIT_USAGE;
	}
	return report_usage(cli, "there is no command '%s'; vnetctl --help lists them",
			    words->v[0]);
}

static void print_usage(FILE *f, const char *group)
{
	fprintf(f, "Usage: vnetctl [options] %s%sCOMMAND [arguments]\n\nCommands:\n",
		group ? group : "", group ? " " : "");
	for (const struct command *const *table = command_tables; *table; table++)
		for (const struct command *c = *table; c->name; c++) {
			char left[64];

			if (c->is_hidden || (group && (!c->group || strcmp(c->group, group))))
				continue;
			snprintf(left, sizeof(left), "%s%s%s %s", c->group ? c->group : "",
				 c->group ? " " : "", c->name, c->arguments);
			if (strlen(left) > 30)
				fprintf(f, "  %s\n  %-30s %s\n", left, "", c->summary);
			else
				fprintf(f, "  %-30s %s\n", left, c->summary);
		}
	fputs("\nOptions of all commands:\n", f);
	options_print(global_options, f);
	if (!group)
		fputs("\n`vnetctl COMMAND --help` explains one; vnetctl(8) is the manual.\n", f);
}

static void print_help(const struct command *command)
{
	printf("Usage: vnetctl %s%s%s [options] %s\n\n%s\n", command->group ? command->group : "",
	       command->group ? " " : "", command->name, command->arguments, command->summary);
	if (command->details)
		printf("\n%s\n", command->details);
	if (command->options) {
		puts("\nOptions:");
		options_print(command->options, stdout);
	}
	puts("\nOptions of all commands:");
	options_print(global_options, stdout);
}
