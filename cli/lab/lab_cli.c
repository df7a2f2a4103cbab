/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab_cli.c - what the lab commands share; see lab_cli.h. */

#include "cli/lab/lab_cli.h"

#include "cli/file.h"
#include "cli/lab/space.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int lab_load(const struct cli *cli, const char *path, struct strbuf *ret_text, struct lab **ret)
{
	AUTO_FREE char *warnings = NULL;
	struct vnet_error err = { 0 };

	if (file_read(path, ret_text, &err) < 0)
		return report_error(cli, &err);
	if (lab_from_yaml(ret_text->s, ret_text->len, path, ret, &warnings, &err) < 0)
		return report_error_in(cli, &err, ret_text->s, ret_text->len);
	if (warnings && !cli->quiet)
		fprintf(stderr, "note: %s", warnings);
	return EXIT_OK;
}

struct lab *lab_at(const struct place *place, struct vnet_error *err)
{
	AUTO_FREE char *text = NULL, *warnings = NULL;
	struct lab *lab = NULL;
	size_t size;

	if (place_read(place, &text, &size, err) == 0)
		lab_from_yaml(text, size, NULL, &lab, &warnings, err);
	return lab;
}

int lab_open(struct cli *cli, const char *name, struct place *ret_place, struct lab **ret)
{
	struct vnet_error err = { 0 };
	struct lab *lab = NULL;

	if (place_find_up(name, ret_place, &err) == 0)
		lab = lab_at(ret_place, &err);
	if (!lab)
		return report_error(cli, &err);
	*ret = lab;
	return EXIT_OK;
}

int lab_run_inside(struct cli *cli, const struct place *place, int (*run)(struct cli *cli, void *context),
		   void *context)
{
	struct vnet_error err = { 0 };
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		vnet_error_set(&err, -errno, "no-process", "cannot start a process: %s", strerror(errno));
	if (pid == 0) {
		pid_t inner;

		if (space_visit(place->pid, &err) < 0)
			_exit(report_error(cli, &err));
		inner = fork();
		if (inner == 0) {
			int r = run(cli, context);

			fflush(NULL);
			_exit(r);
		}
		signal(SIGINT, SIG_IGN);
		signal(SIGQUIT, SIG_IGN);
		while (waitpid(inner, &status, 0) < 0 && errno == EINTR)
			;
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	if (pid < 0)
		return report_error(cli, &err);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}
