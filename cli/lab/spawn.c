/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spawn.c - processes of a lab's machines; see spawn.h. */

#include "cli/lab/spawn.h"

#include "cli/lab/small_file.h"
#include "cli/lab/space.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_READ_MAX (1024 * 1024)

/* What the first process blocks and ignores is not for its children. */
static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
}

static void redirect(const char *log)
{
	AUTO_FREE char *path = mem_printf(SPACE_RUN "/log/%s", log);
	int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
}

pid_t spawn_function(const char *machine, const char *log, int (*run)(const void *context), const void *context,
		     struct vnet_error *err)
{
	struct vnet_error inside = { 0 };
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return vnet_error_set(err, -errno, "no-process", "cannot start a process: %s", strerror(errno));
	if (pid > 0)
		return pid;
	setsid();
	reset_signals();
	redirect(log);
	if (space_become(machine, &inside) < 0) {
		fprintf(stderr, "%s\n", inside.message);
		_exit(126);
	}
	/* A function of ours is not executed: what closes then has to be closed here. */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	_exit(run(context));
}

static int run_command(const void *context)
{
	const char *const *argv = context;

	execvp(argv[0], (char *const *)argv);
	fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
	return 127;
}

pid_t spawn(const char *machine, const char *log, const char *const *argv, struct vnet_error *err)
{
	return spawn_function(machine, log, run_command, argv, err);
}

char *spawn_last_words(const char *log)
{
	AUTO_FREE char *path = mem_printf(SPACE_RUN "/log/%s", log), *text = NULL;
	size_t size;
	char *line;

	if (small_file_read(AT_FDCWD, path, LOG_READ_MAX, &text, &size) < 0)
		return mem_strdup("");
	while (size && text[size - 1] == '\n')
		text[--size] = '\0';
	line = strrchr(text, '\n');
	return mem_strdup(line ? line + 1 : text);
}
