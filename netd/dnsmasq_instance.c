/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsmasq_instance.c - one network's dnsmasq, from start to end
 *
 * Theory of operation.  Each network has an instance with two sets of texts:
 * `current`, which the process has read (or is about to, while it starts), and
 * `next`, which is wanted and differs from it.  instance_advance() looks at the
 * two and at the phase and takes the one step that is due; it is called after
 * every change of what is wanted and every event, and does nothing when the
 * event it waits for is still to come.  So a definition that changes while
 * dnsmasq starts, stops or is being tested is picked up when that is done.
 *
 * dnsmasq's own start is the synchronisation: the process that we spawn exits
 * with 0 only after the daemon has bound its sockets, written its pid file and
 * dropped its privileges, and prints the reason otherwise.
 */

#include "netd/dnsmasq_instance.h"

#include "netd/broker.h"
#include "netd/child.h"
#include "netd/dnsmasq_process.h"
#include "netd/leases.h"
#include "netd/log.h"
#include "netd/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_TIMEOUT_USEC 15000000
#define TEST_TIMEOUT_USEC 5000000
#define STOP_TIMEOUT_USEC 5000000
#define BACKOFF_MIN_USEC 200000
#define BACKOFF_MAX_USEC 30000000
#define RELOAD_RETRY_USEC 5000000 /* its files could not be written */
#define HEALTHY_USEC 60000000   /* after running this long, a failure is a first one */
#define LOG_AGAIN_USEC 300000000 /* the same failure is logged this often */

/* What the administrator's own words may spoil. */
static const enum dhcp_file tested_files[] = { DHCP_FILE_CONF, DHCP_FILE_OPTIONS };
#define N_TESTED ARRAY_SIZE(tested_files)
_Static_assert(N_TESTED == DNSMASQ_N_TESTED, "refused[] holds one text for each");

static void on_process_end(void *arg, uint32_t events);
static void on_reload_retry(void *arg);

int instance_make_folder(const char *path, struct vnet_error *err)
{
	/* dnsmasq's user must get through, whatever our umask. */
	if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0)
		return vnet_error_set(err, -errno, "dnsmasq-folder", "cannot make %s: %s", path,
				      strerror(errno));
	return 0;
}

void instance_free(struct instance *in)
{
	loop_remove(in->pid_source);
	loop_remove(in->timer);
	child_free(in->child);
	if (in->pidfd >= 0)
		close(in->pidfd);
	dhcp_files_free(&in->next);
	dhcp_files_free(&in->current);
	vec_free(&in->addresses);
	for (size_t i = 0; i < N_TESTED; i++)
		free(in->refused[i]);
	free(in->network);
	free(in->dir);
	free(in);
}

enum dnsmasq_state instance_state(const struct instance *in)
{
	switch (in->phase) {
	case PHASE_RUNNING:
		return DNSMASQ_RUNNING;
	case PHASE_WAITING:
		return DNSMASQ_FAILED;
	case PHASE_TESTING:
	case PHASE_STARTING:
		if (in->pid)
			return DNSMASQ_RUNNING;
		return in->problem.number ? DNSMASQ_FAILED : DNSMASQ_STARTING;
	case PHASE_STOPPING: /* not stopped before it has ended */
		return in->is_wanted ? DNSMASQ_STARTING : in->told_state;
	case PHASE_IDLE:
		break;
	}
	return in->is_wanted ? DNSMASQ_STARTING : DNSMASQ_STOPPED;
}

bool instance_has_refused(const struct instance *in, const struct dhcp_files *files)
{
	for (size_t i = 0; i < N_TESTED; i++)
		if (!in->has_refused || strcmp(in->refused[i], files->text[tested_files[i]]) != 0)
			return false;
	return true;
}

void instance_replace_refused(const struct instance *in, struct dhcp_files *files)
{
	const struct dhcp_files *kept = instance_files(in);

	for (size_t i = 0; i < N_TESTED; i++)
		mem_replace(&files->text[tested_files[i]], kept->text[tested_files[i]]);
}

static void set_problem(struct instance *in, int number, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void set_problem(struct instance *in, int number, const char *code, const char *format, ...)
{
	uint64_t now = loop_now();
	struct vnet_error problem = { 0 };
	va_list args;

	va_start(args, format);
	vnet_error_setv(&problem, number, code, format, args);
	va_end(args);
	if (!in->logged || strcmp(problem.message, in->problem.message) ||
	    now - in->logged > LOG_AGAIN_USEC) {
		log_warning("network %s: %s", in->network, problem.message);
		in->logged = now;
	}
	in->problem = problem;
	dnsmasq_tell_later(in->set);
}

void instance_clear_problem(struct instance *in)
{
	vnet_error_clear(&in->problem);
	in->logged = 0;
	dnsmasq_tell_later(in->set);
}

/* --- the process --- */

/* Takes hold of what runs; false when nothing does. */
bool instance_hold_process(struct instance *in)
{
	pid_t pid;
	int pidfd = dnsmasq_process_open(in->dir, &pid);

	if (pidfd < 0)
		return false;
	if (loop_add(in->set->loop, pidfd, EPOLLIN, on_process_end, in, &in->pid_source) < 0) {
		close(pidfd);
		return false;
	}
	in->pidfd = pidfd;
	in->pid = pid;
	in->phase = PHASE_RUNNING;
	in->started = loop_now();
	return true;
}

static void drop_process(struct instance *in)
{
	loop_remove(in->pid_source);
	in->pid_source = NULL;
	if (in->pidfd >= 0)
		close(in->pidfd);
	in->pidfd = -1;
	in->pid = 0;
}

static void drop_timer(struct instance *in)
{
	loop_remove(in->timer);
	in->timer = NULL;
}

static void set_timer(struct instance *in, uint64_t usec, loop_timer_fn fn)
{
	drop_timer(in);
	if (loop_timer_add(in->set->loop, usec, fn, in, &in->timer) < 0)
		log_error("network %s: cannot set a timer for its dnsmasq", in->network);
}

static void on_retry(void *arg)
{
	struct instance *in = arg;

	in->phase = PHASE_IDLE;
	instance_advance(in);
}

static void wait_and_retry(struct instance *in)
{
	uint64_t delay = BACKOFF_MIN_USEC << (in->failures < 8 ? in->failures : 8);

	in->failures++;
	in->phase = PHASE_WAITING;
	set_timer(in, delay < BACKOFF_MAX_USEC ? delay : BACKOFF_MAX_USEC, on_retry);
	dnsmasq_tell_later(in->set);
}

static void on_process_end(void *arg, uint32_t events)
{
	struct instance *in = arg;
	pid_t pid = in->pid;
	bool was_stopping = in->phase == PHASE_STOPPING;

	(void)events;
	drop_process(in);
	drop_timer(in);
	if (!in->is_claimed)
		in->is_wanted = false; /* nobody asked for it yet; who does starts one */
	if (!was_stopping && in->is_wanted) {
		if (loop_now() - in->started > HEALTHY_USEC)
			in->failures = 0;
		set_problem(in, -ECHILD, "dnsmasq-ended",
			    "its dnsmasq (pid %d) ended unexpectedly and is started again; "
			    "its last messages are in the system log", pid);
	}
	if (in->phase == PHASE_TESTING) /* on_tested() goes on */
		return;
	in->phase = PHASE_IDLE;
	if (!was_stopping && in->is_wanted)
		wait_and_retry(in);
	else
		instance_advance(in);
}

static void on_stop_timeout(void *arg)
{
	struct instance *in = arg;

	log_warning("network %s: dnsmasq (pid %d) does not end; it is killed", in->network,
		    in->pid);
	broker_signal(in->pidfd, SIGKILL);
}

static void stop_process(struct instance *in)
{
	in->phase = PHASE_STOPPING;
	set_timer(in, STOP_TIMEOUT_USEC, on_stop_timeout);
	broker_signal(in->pidfd, SIGTERM); /* -ESRCH: the pidfd tells */
	dnsmasq_tell_later(in->set);
}

/* --- texts --- */

const struct dhcp_files *instance_files(const struct instance *in)
{
	return in->has_next ? &in->next : in->has_current ? &in->current : NULL;
}

static void next_becomes_current(struct instance *in)
{
	if (!in->has_next)
		return;
	dhcp_files_free(&in->current);
	in->current = in->next;
	memset(&in->next, 0, sizeof(in->next));
	in->has_next = false;
	in->has_current = true;
	dnsmasq_tell_later(in->set);
}

/*
 * The file that was just put in its place is read when somebody closes it.  An empty
 * one promises nothing, and without DHCP it is read by nobody.
 */
static void watch_hosts(struct instance *in, const char *text)
{
	AUTO_FREE char *path = mem_printf("%s/%s", in->dir, dhcp_file_name(DHCP_FILE_HOSTS));

	in->hosts_watch = -1;
	if (in->set->inotify >= 0 && text[0])
		in->hosts_watch = inotify_add_watch(in->set->inotify, path,
						    IN_CLOSE_NOWRITE | IN_ONESHOT);
}

/* Those of next which differ from current, or all.  conf only when nothing runs with the old one. */
static int write_files(struct instance *in, const struct dhcp_files *files, bool all,
		       struct vnet_error *err)
{
	int r = all ? instance_make_folder(in->dir, err) : 0;

	for (size_t i = 0; i < DHCP_N_FILES && r == 0; i++) {
		bool differs = all || (i != DHCP_FILE_CONF &&
				       strcmp(files->text[i], in->current.text[i]) != 0);

		if (differs)
			r = dnsmasq_file_write(in->dir, dhcp_file_name(i), files->text[i], err);
		if (differs && r == 0 && i == DHCP_FILE_HOSTS)
			watch_hosts(in, files->text[i]);
	}
	return r;
}

/* What dnsmasq itself writes: where it notes its number, and its leases. */
static int make_writable(const struct instance *in, struct vnet_error *err)
{
	AUTO_FREE char *run = mem_printf("%s/run", in->dir);
	AUTO_FREE char *leases = mem_printf("%s/%s%s", in->set->lease_dir, in->network, LEASE_FILE_SUFFIX);
	int r = instance_make_folder(run, err);

	if (r == 0 && in->set->has_group)
		r = dnsmasq_share(run, S_IFDIR | 0770, in->set->group, err);
	return r < 0 || !in->set->has_group ? r : dnsmasq_share(leases, S_IFREG | 0660, in->set->group, err);
}

/* --- steps --- */

/* To be freed; NULL with err set: there is none. */
static char *program_path(const struct instance *in, struct vnet_error *err)
{
	const char *given = in->set->program;
	char *program = !given ? dnsmasq_find_program() :
			access(given, X_OK) < 0 ? NULL : mem_strdup(given);

	if (!program)
		vnet_error_set(err, -ENOENT, "dnsmasq-missing",
			       "dnsmasq is not installed; install the package dnsmasq-base");
	return program;
}

/* "dnsmasq: bad option at line 7 of FILE" → "bad option: LINE 7" */
static char *reason_of(const char *last_line, const char *text)
{
	static const char name[] = "dnsmasq: ", at[] = " at line ";
	const char *place;
	unsigned long number;

	if (!strncmp(last_line, name, sizeof(name) - 1))
		last_line += sizeof(name) - 1;
	place = text ? strstr(last_line, at) : NULL;
	if (!place)
		return mem_strdup(*last_line ? last_line : "it gave no reason");
	number = strtoul(place + sizeof(at) - 1, NULL, 10);
	while (number-- > 1 && strchr(text, '\n'))
		text = strchr(text, '\n') + 1;
	return mem_printf("%.*s: %.*s", (int)(place - last_line), last_line,
			  (int)strcspn(text, "\n"), text);
}

static void on_started(void *arg, int status, const char *last_line)
{
	struct instance *in = arg;

	in->child = NULL;
	in->phase = PHASE_IDLE;
	if (status == 0 && instance_hold_process(in)) {
		log_info("network %s: dnsmasq serves (pid %d)", in->network, in->pid);
		instance_clear_problem(in);
	} else if (!in->is_wanted) {
		/* instance_advance() removes it */
	} else if (status == 0) {
		set_problem(in, -ECHILD, "dnsmasq-failed",
			    "its dnsmasq ended right after its start; its last messages are in the "
			    "system log");
	} else {
		AUTO_FREE char *reason = reason_of(last_line, NULL);

		set_problem(in, -EIO, "dnsmasq-failed", "its dnsmasq did not start: %s", reason);
	}
	if (in->phase == PHASE_IDLE && in->is_wanted)
		wait_and_retry(in);
	else
		instance_advance(in);
}

static void start(struct instance *in)
{
	struct vnet_error err = { 0 };
	AUTO_FREE char *program = program_path(in, &err);
	const struct child_job job = { program, in->dir, false };
	int r;

	/* One may run that we lost sight of: its start outlived its time, or an earlier netd. */
	if (instance_hold_process(in)) {
		stop_process(in);
		return;
	}
	next_becomes_current(in);
	r = program ? write_files(in, &in->current, true, &err) : -ENOENT;
	if (r == 0)
		r = make_writable(in, &err);
	if (r == 0) {
		r = child_start(in->set->loop, &job, START_TIMEOUT_USEC, on_started, in,
				&in->child);
		if (r < 0)
			vnet_error_set(&err, r, "dnsmasq-failed", "cannot run %s: %s", program,
				       strerror(-r));
	}
	if (r < 0) {
		set_problem(in, r, err.code, "%s", err.message);
		wait_and_retry(in);
		return;
	}
	in->phase = PHASE_STARTING;
	dnsmasq_tell_later(in->set);
}

/* With a former configuration that one stays; without, it is tried again later. */
static void refuse_next(struct instance *in, const char *reason)
{
	if (!in->has_current) {
		set_problem(in, -EINVAL, "dnsmasq-refuses",
			    "dnsmasq does not accept its configuration: %s", reason);
		wait_and_retry(in);
		return;
	}
	for (size_t i = 0; i < N_TESTED; i++) {
		char **text = &in->next.text[tested_files[i]];

		free(in->refused[i]);
		in->refused[i] = *text;
		*text = mem_strdup(in->current.text[tested_files[i]]);
	}
	in->has_refused = true;
	in->next_is_tested = true;
	set_problem(in, -EINVAL, "dnsmasq-refuses",
		    "dnsmasq does not accept the new configuration, the former serves on: %s",
		    reason);
}

static void on_tested(void *arg, int status, const char *last_line)
{
	struct instance *in = arg;
	AUTO_FREE char *path = mem_printf("%s/dnsmasq.conf.new", in->dir);

	unlink(path);
	in->child = NULL;
	in->phase = in->pid ? PHASE_RUNNING : PHASE_IDLE;
	if (in->must_test_again || !in->is_wanted) {
		in->must_test_again = false;
	} else if (status == 0) {
		in->next_is_tested = true;
	} else {
		AUTO_FREE char *text = dhcp_files_test_text(&in->next);
		AUTO_FREE char *reason = reason_of(last_line, text);

		refuse_next(in, reason);
		if (in->phase == PHASE_WAITING)
			return;
	}
	instance_advance(in);
}

static void test_next(struct instance *in)
{
	struct vnet_error err = { 0 };
	AUTO_FREE char *program = program_path(in, &err);
	AUTO_FREE char *text = dhcp_files_test_text(&in->next);
	const struct child_job job = { program, in->dir, true };
	int r;

	r = program ? instance_make_folder(in->dir, &err) : -ENOENT;
	if (r == 0)
		r = dnsmasq_file_write(in->dir, "dnsmasq.conf.new", text, &err);
	if (r == 0) {
		r = child_start(in->set->loop, &job, TEST_TIMEOUT_USEC, on_tested, in, &in->child);
		if (r < 0)
			vnet_error_set(&err, r, "dnsmasq-failed", "cannot run %s: %s", program,
				       strerror(-r));
	}
	if (r == 0) {
		in->phase = PHASE_TESTING;
		dnsmasq_tell_later(in->set);
		return;
	}
	set_problem(in, r, err.code, "%s", err.message);
	if (in->pid)
		set_timer(in, RELOAD_RETRY_USEC, on_reload_retry);
	else
		wait_and_retry(in);
}

static void on_reload_retry(void *arg)
{
	instance_advance(arg);
}

static void reload(struct instance *in)
{
	struct vnet_error err = { 0 };

	if (in->has_next && write_files(in, &in->next, false, &err) < 0) {
		set_problem(in, err.number, err.code, "%s; the former serves on", err.message);
		set_timer(in, RELOAD_RETRY_USEC, on_reload_retry);
		return;
	}
	if (!in->has_refused)
		instance_clear_problem(in);
	next_becomes_current(in);
	in->must_reload = false;
	broker_signal(in->pidfd, SIGHUP);
}

static bool must_test(const struct instance *in)
{
	if (!in->has_next || in->next_is_tested)
		return false;
	for (size_t i = 0; i < N_TESTED; i++)
		if (!in->has_current || strcmp(in->next.text[tested_files[i]],
					       in->current.text[tested_files[i]]) != 0)
			return true;
	return false;
}

static void advance_running(struct instance *in)
{
	enum dhcp_change change;

	if (must_test(in)) {
		test_next(in);
		return;
	}
	/* Adopted without its texts: there is nothing to compare with. */
	change = !in->has_next		? DHCP_SAME :
		 !in->has_current	? DHCP_RESTART :
					  dhcp_files_compare(&in->current, &in->next);
	if (change == DHCP_RESTART)
		stop_process(in);
	else if (change == DHCP_RELOAD || (in->must_reload && in->is_claimed))
		reload(in);
	else
		next_becomes_current(in);
}

static void advance_idle(struct instance *in)
{
	drop_timer(in);
	in->phase = PHASE_IDLE;
	if (!in->is_wanted)
		instance_remove(in);
	else if (must_test(in))
		test_next(in);
	else
		start(in);
}

/* The files that it has read, or is to read at its next start, as they were written. */
static bool restore_files(struct instance *in, char *text, size_t size)
{
	AUTO_DHCP_FILES struct dhcp_files found = { 0 };
	struct vnet_error err = { 0 };
	bool must_reload = false, is_changed = false;

	if (!in->has_current || in->has_next)
		return false;
	/* One that cannot be read is as good as changed. */
	dnsmasq_files_read(in->dir, &found);
	for (size_t i = 0; i < DHCP_N_FILES; i++) {
		if (found.text[i] && strcmp(found.text[i], in->current.text[i]) == 0)
			continue;
		is_changed = true;
		must_reload |= i != DHCP_FILE_CONF;
	}
	if (!is_changed)
		return false;
	if (write_files(in, &in->current, true, &err) < 0) {
		set_problem(in, err.number, err.code, "%s", err.message);
		return false;
	}
	if (must_reload)
		broker_signal(in->pidfd, SIGHUP);
	snprintf(text, size, "files of its dnsmasq");
	return true;
}

bool instance_look_after(struct instance *in, char *text, size_t size)
{
	if (in->phase != PHASE_RUNNING || !in->is_wanted)
		return false;
	if (dnsmasq_process_is_stopped(in->pid)) {
		if (broker_signal(in->pidfd, SIGCONT) < 0)
			return false;
		snprintf(text, size, "its dnsmasq (pid %d) goes on", in->pid);
		return true;
	}
	return restore_files(in, text, size);
}

void instance_advance(struct instance *in)
{
	switch (in->phase) {
	case PHASE_IDLE:
	case PHASE_WAITING:
		advance_idle(in);
		break;
	case PHASE_RUNNING:
		if (in->is_wanted)
			advance_running(in);
		else
			stop_process(in);
		break;
	case PHASE_TESTING:  /* on_tested() */
	case PHASE_STARTING: /* on_started() */
	case PHASE_STOPPING: /* on_process_end() */
		break;
	}
}
