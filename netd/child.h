/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_CHILD_H
#define NETD_CHILD_H

/*
 * child.h - runs dnsmasq until it has become a daemon or has failed, without waiting for it
 *
 * It is the broker's child where there is a broker, else ours.  No shell, an
 * environment of our own, its own session, standard input and output from and
 * to nowhere, no descriptor but those.  The process that calls must not ignore
 * SIGCHLD, or the exit status is lost.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child;
struct loop;

/*
 * status as waitid() gives it for a normal exit (0..255), negative: the signal
 * that ended it, negated.  last_line is the last one of its standard error, or
 * "".  The child is freed by then.
 */
typedef void (*child_fn)(void *arg, int status, const char *last_line);

struct child_job {
	const char *program;    /* the broker has its own opinion */
	const char *dir;        /* with dnsmasq.conf, or for a test dnsmasq.conf.new */
	bool is_test;
};

/* It is killed after timeout_usec.  0, or a negative errno; fn is not called then. */
int child_start(struct loop *loop, const struct child_job *job, uint64_t timeout_usec, child_fn fn,
		void *arg, struct child **ret);
/*
 * At the end of our own process: lets it run, fn is not called.  Earlier it
 * would stay a zombie.  Returns NULL.
 */
struct child *child_free(struct child *child);

/* Without a broker: as broker_run() and broker_wait(). */
int child_spawn(const char *const argv[], int error_fd, pid_t *ret_pid);
bool child_wait(pid_t pid, int *ret_status);

#endif
