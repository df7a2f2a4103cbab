/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * holder.c - the first process of a lab; see holder.h.
 *
 * Three processes: the caller; a short-lived one that makes the namespaces, because
 * unshare(CLONE_NEWPID) counts from the next child on; and that child.  They talk by
 * records on a pipe, which the child also watches: a closed one is a caller who left.
 */

#include "cli/lab/holder.h"

#include "cli/lab/space.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum record_kind { RECORD_PID, RECORD_PROGRESS, RECORD_ERROR, RECORD_DONE };

/* Small enough to be written in one piece (PIPE_BUF). */
struct record {
	enum record_kind kind;
	pid_t pid;
	union { char text[256]; struct vnet_error error; } what;
};
_Static_assert(sizeof(struct record) <= 4096, "a record is written in one piece");

static bool send_record(int fd, const struct record *record)
{
	return write(fd, record, sizeof(*record)) == (ssize_t)sizeof(*record);
}

static bool send_progress(void *context, const char *what)
{
	struct record record = { .kind = RECORD_PROGRESS };

	snprintf(record.what.text, sizeof(record.what.text), "%s", what);
	return send_record(*(int *)context, &record);
}

/* --- in the child --- */

static void set_log(const struct place *place)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int log = openat(place->lock, "log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
}

/* Takes orphans' statuses for ever; ends only by SIGKILL. */
static void hold(void)
{
	sigset_t set;
	int number;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sigwait(&set, &number);
	}
}

static void be_first(int fd, const struct place *place, const struct lab *lab, const struct lab_programs *programs)
{
	struct record record = { .kind = RECORD_DONE };
	int r;

	setsid();
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "vnet-lab");
	set_log(place);
	close(place->lock); /* whoever holds it is at work on the lab */
	r = space_prepare(&record.what.error);
	if (r == 0)
		r = build_lab(lab, programs, send_progress, &fd, &record.what.error);
	if (r < 0)
		record.kind = RECORD_ERROR;
	if (!send_record(fd, &record) || r < 0)
		_exit(1);
	close(fd);
	hold();
}

/* --- in the one between --- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}

/* Without root, root of a user namespace: for all that the kernel allows there. */
static int become_root(uid_t uid, gid_t gid)
{
	AUTO_FREE char *uids = mem_printf("0 %u 1\n", uid), *gids = mem_printf("0 %u 1\n", gid);
	int r = write_file("/proc/self/setgroups", "deny");

	if (r == 0)
		r = write_file("/proc/self/uid_map", uids);
	return r == 0 ? write_file("/proc/self/gid_map", gids) : r;
}

static void make_namespaces(int fd, const struct place *place, const struct lab *lab,
			    const struct lab_programs *programs)
{
	struct record record = { .kind = RECORD_ERROR };
	bool is_root = geteuid() == 0;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r = 0;

	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | (is_root ? 0 : CLONE_NEWUSER)) < 0)
		r = -errno;
	if (r == 0 && !is_root)
		r = become_root(uid, gid);
	if (r == 0) {
		record.kind = RECORD_PID;
		record.pid = fork();
		if (record.pid == 0)
			be_first(fd, place, lab, programs);
		r = record.pid < 0 ? -errno : 0;
	}
	if (r < 0)
		vnet_error_set(&record.what.error, r, "no-namespaces",
			       is_root ? "cannot make the lab's namespaces: %s" :
					 "cannot make the lab's namespaces without root: %s; run it as root, or let "
					 "users make user namespaces (kernel.unprivileged_userns_clone)",
			       strerror(-r));
	send_record(fd, &record);
	_exit(0);
}

/* --- in the caller --- */

static volatile sig_atomic_t is_interrupted;

static void note_signal(int number)
{
	(void)number;
	is_interrupted = 1;
}

struct signals { struct sigaction interrupt, terminate; };

/* Without SA_RESTART: reading ends. */
static void catch_signals(struct signals *before)
{
	struct sigaction action = { .sa_handler = note_signal };

	is_interrupted = 0;
	sigaction(SIGINT, &action, &before->interrupt);
	sigaction(SIGTERM, &action, &before->terminate);
}

static void restore_signals(const struct signals *before)
{
	sigaction(SIGINT, &before->interrupt, NULL);
	sigaction(SIGTERM, &before->terminate, NULL);
}

static int read_records(int fd, struct place *place, holder_listener listener, void *context, struct vnet_error *err)
{
	struct record record;
	bool is_done = false;
	ssize_t n;
	int r = 0;

	while (!is_interrupted && (n = read(fd, &record, sizeof(record))) == (ssize_t)sizeof(record) && r == 0) {
		switch (record.kind) {
		case RECORD_PID:
			r = place_set_pid(place, record.pid, err);
			break;
		case RECORD_PROGRESS:
			if (*record.what.text)
				listener(context, record.what.text);
			break;
		case RECORD_ERROR:
			*err = record.what.error;
			return err->number;
		case RECORD_DONE:
			is_done = true;
			break;
		}
		/* They come from two processes, in either order. */
		if (r == 0 && is_done && place->pid)
			return 0;
	}
	if (is_interrupted)
		return vnet_error_set(err, -EINTR, "interrupted", "interrupted; what was there of the lab is gone");
	return r < 0 ? r : vnet_error_set(err, -EIO, "lab-died", "the lab's first process ended; see %s/log",
					  place->folder);
}

int holder_start(struct place *place, const struct lab *lab, const struct lab_programs *programs,
		 holder_listener listener, void *context, struct vnet_error *err)
{
	struct signals before;
	int ends[2], r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return vnet_error_set(err, -errno, "no-process", "cannot make a pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		make_namespaces(ends[1], place, lab, programs);
	}
	close(ends[1]);
	catch_signals(&before);
	r = pid < 0 ? vnet_error_set(err, -errno, "no-process", "cannot start a process: %s", strerror(errno)) :
		      read_records(ends[0], place, listener, context, err);
	close(ends[0]);
	if (r < 0 && place->pid)
		place_kill(place, NULL);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	restore_signals(&before);
	return r;
}
