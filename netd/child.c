/* SPDX-License-Identifier: GPL-2.0-or-later */
/* child.c - runs dnsmasq until it has become a daemon, or has failed; see child.h. */

#include "netd/child.h"

#include "base/mem.h"
#include "netd/broker.h"
#include "netd/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX 4096 /* what is kept of standard error: its end */

struct child {
	struct loop *loop;
	child_fn fn;
	void *arg;
	pid_t pid;
	int pidfd, error_fd;
	struct loop_source *pid_source, *error_source, *timer;
	char output[OUTPUT_MAX];
	size_t n_output;
};

static void on_exit_of_child(void *arg, uint32_t events);
static void on_output(void *arg, uint32_t events);
static void on_timeout(void *arg);

int child_start(struct loop *loop, const struct child_job *job, uint64_t timeout_usec, child_fn fn,
		void *arg, struct child **ret)
{
	struct child *child = mem_alloc(sizeof(*child));
	int pipe_fds[2], r;

	*child = (struct child){ .loop = loop, .fn = fn, .arg = arg, .pidfd = -1, .error_fd = -1 };
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = -errno;
		child_free(child);
		return r;
	}
	child->error_fd = pipe_fds[0];
	r = broker_run(job->program, job->dir, job->is_test, pipe_fds[1], &child->pid);
	close(pipe_fds[1]);
	if (r == 0) {
		/* Not reaped before we ask for it, so the number is still its own. */
		child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
		if (child->pidfd < 0)
			r = -errno; /* it ends by itself, and does not matter to anybody */
	}
	if (r == 0)
		r = loop_add(loop, child->pidfd, EPOLLIN, on_exit_of_child, child,
			     &child->pid_source);
	if (r == 0)
		r = loop_add(loop, child->error_fd, EPOLLIN, on_output, child,
			     &child->error_source);
	if (r == 0)
		r = loop_timer_add(loop, timeout_usec, on_timeout, child, &child->timer);
	if (r < 0) {
		child_free(child);
		return r;
	}
	*ret = child;
	return 0;
}

struct child *child_free(struct child *child)
{
	if (!child)
		return NULL;
	loop_remove(child->pid_source);
	loop_remove(child->error_source);
	loop_remove(child->timer);
	if (child->pidfd >= 0)
		close(child->pidfd);
	if (child->error_fd >= 0)
		close(child->error_fd);
	free(child);
	return NULL;
}

int child_spawn(const char *const argv[], int error_fd, pid_t *ret_pid)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *const environment[] = { path, locale, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, error_fd, 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);

	r = -posix_spawn(ret_pid, argv[0], &actions, &attributes, (char *const *)argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

bool child_wait(pid_t pid, int *ret_status)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0)
		*ret_status = -SIGCHLD; /* somebody else took it: not known, so not good */
	else if (!info.si_pid)
		return false;
	else
		*ret_status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
	return true;
}

/* --- what it says --- */

static void keep(struct child *child, const char *text, size_t n)
{
	size_t kept = child->n_output;

	if (n > OUTPUT_MAX - 1) {
		text += n - (OUTPUT_MAX - 1);
		n = OUTPUT_MAX - 1;
	}
	if (kept + n > OUTPUT_MAX - 1) {
		size_t drop = kept + n - (OUTPUT_MAX - 1);

		memmove(child->output, child->output + drop, kept - drop);
		kept -= drop;
	}
	memcpy(child->output + kept, text, n);
	child->n_output = kept + n;
	child->output[child->n_output] = '\0';
}

/* False at the end of the stream.  Bounded: the rest comes in the next round. */
static bool read_output(struct child *child)
{
	char buffer[4096];

	for (int rounds = 0; rounds < 32; rounds++) {
		ssize_t n = read(child->error_fd, buffer, sizeof(buffer));

		if (n == 0)
			return false;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		keep(child, buffer, (size_t)n);
	}
	return true;
}

static void on_output(void *arg, uint32_t events)
{
	struct child *child = arg;

	(void)events;
	if (!read_output(child)) {
		loop_remove(child->error_source);
		child->error_source = NULL;
	}
}

/* --- how it ends --- */

static const char *last_line(struct child *child)
{
	char *end = child->output + child->n_output, *line;

	while (end > child->output && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
		*--end = '\0';
	line = strrchr(child->output, '\n');
	return line ? line + 1 : child->output;
}

static void on_exit_of_child(void *arg, uint32_t events)
{
	struct child *child = arg;
	child_fn fn = child->fn;
	AUTO_FREE char *line = NULL;
	int status;

	(void)events;
	if (!broker_wait(child->pid, &status))
		return;
	read_output(child);
	line = mem_strdup(last_line(child));
	arg = child->arg;
	child_free(child);
	fn(arg, status, line);
}

static void on_timeout(void *arg)
{
	struct child *child = arg;
	static const char message[] = "\nit took too long and was ended";

	keep(child, message, sizeof(message) - 1);
	broker_signal(child->pidfd, SIGKILL);
}
