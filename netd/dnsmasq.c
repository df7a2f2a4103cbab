/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsmasq.c - one dnsmasq for each network; see dnsmasq.h.
 *
 * Theory of operation.  Each network has an instance with two sets of texts:
 * `current`, which the process has read (or is about to, while it starts), and
 * `next`, which is wanted and differs from it.  advance() looks at the two and
 * at the phase and takes the one step that is due; it is called after every
 * change of what is wanted and every event, and does nothing when the event it
 * waits for is still to come.  So a definition that changes while dnsmasq
 * starts, stops or is being tested is picked up when that is done.
 *
 * dnsmasq's own start is the synchronisation: the process that we spawn exits
 * with 0 only after the daemon has bound its sockets, written its pid file and
 * dropped its privileges, and prints the reason otherwise.
 */

#include "netd/dnsmasq.h"

#include "dhcp/conf.h"
#include "netd/child.h"
#include "netd/dnsmasq_process.h"
#include "netd/leases.h"
#include "netd/log.h"
#include "netd/loop.h"
#include "netd/release.h"
#include "netd/resolvers.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
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

enum phase {
	PHASE_IDLE,     /* no process */
	PHASE_STARTING, /* child is dnsmasq on its way to be a daemon */
	PHASE_RUNNING,
	PHASE_TESTING,  /* running; child is dnsmasq --test of next's conf */
	PHASE_STOPPING, /* SIGTERM sent */
	PHASE_WAITING,  /* no process; the timer starts one */
};

struct instance {
	struct dnsmasq_set *set;
	char *network, *dir;
	enum phase phase;
	bool is_wanted;
	bool is_claimed;        /* applied or stopped since it was adopted */
	bool must_reload;       /* adopted: its files may be newer than what it has read */
	bool forgets_leases;
	bool must_test_again;   /* next changed while it was tested */
	bool has_next, has_current;
	struct dhcp_files next, current;
	char *refused;          /* the conf that --test did not accept, or NULL */
	pid_t pid;
	int pidfd;
	struct loop_source *pid_source, *timer;
	struct child *child;
	unsigned failures;
	uint64_t started, logged;
	struct vnet_error problem;
	/* For release: where the leases' server is. */
	char bridge[16];
	VEC(struct prefix) addresses;
	/* What subscribers were told last. */
	enum dnsmasq_state told_state;
	char told_problem[sizeof(((struct vnet_error *)0)->message)];
};

struct dnsmasq_set {
	struct loop *loop;
	char *run_dir, *lease_dir;
	char *program;          /* given, or NULL: looked for at each start */
	char *user, *group;     /* NULL: dnsmasq's own choice */
	struct dnsmasq_callbacks callbacks;
	void *context;
	struct lease_watch *leases;
	struct resolvers *resolvers;
	VEC(struct instance *) instances; /* by network */
	VEC(struct instance *) gone; /* freed by the timer: somebody up the stack may hold one */
	struct loop_source *tell_timer;
};

static void advance(struct instance *in);
static void tell_later(struct dnsmasq_set *set);
static void on_process_end(void *arg, uint32_t events);

/* --- the set --- */

static int make_folder(const char *path, struct vnet_error *err)
{
	/* dnsmasq's user must get through, whatever our umask. */
	if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0)
		return vnet_error_set(err, -errno, "dnsmasq-folder", "cannot make %s: %s", path,
				      strerror(errno));
	return 0;
}

/*
 * Debian's package makes the user; elsewhere dnsmasq falls back to nobody by
 * itself.  The group is named because dnsmasq's default, dip, may read the
 * secrets of PPP.
 */
static void choose_user(struct dnsmasq_set *set)
{
	const struct passwd *user = geteuid() == 0 ? getpwnam("dnsmasq") : NULL;
	const struct group *group;

	if (!user)
		return;
	set->user = mem_strdup(user->pw_name);
	group = getgrgid(user->pw_gid);
	set->group = group ? mem_strdup(group->gr_name) : NULL;
}

static void on_lease(void *arg, const char *network, enum lease_change change,
		     const struct lease *lease)
{
	struct dnsmasq_set *set = arg;

	if (set->callbacks.lease)
		set->callbacks.lease(set->context, network, change, lease);
}

static void on_resolvers(void *arg)
{
	struct dnsmasq_set *set = arg;

	if (set->callbacks.resolvers_changed)
		set->callbacks.resolvers_changed(set->context);
}

int dnsmasq_set_new(struct loop *loop, const struct dnsmasq_options *options,
		    const struct dnsmasq_callbacks *callbacks, void *context,
		    struct dnsmasq_set **ret, struct vnet_error *err)
{
	struct dnsmasq_set *set = mem_alloc(sizeof(*set));
	int r;

	set->loop = loop;
	set->run_dir = mem_printf("%s/dnsmasq", options->run_dir);
	set->lease_dir = mem_printf("%s/dnsmasq", options->state_dir);
	set->program = mem_strdup(options->program);
	set->callbacks = *callbacks;
	set->context = context;
	choose_user(set);
	r = make_folder(set->run_dir, err);
	if (r == 0)
		r = make_folder(set->lease_dir, err);
	if (r == 0)
		r = lease_watch_new(loop, set->lease_dir, on_lease, set, &set->leases, err);
	if (r == 0)
		r = resolvers_new(loop,
				  options->resolv_conf ? options->resolv_conf : "/etc/resolv.conf",
				  on_resolvers, set, &set->resolvers, err);
	if (r < 0) {
		dnsmasq_set_free(set);
		return r;
	}
	*ret = set;
	return 0;
}

static void instance_free(struct instance *in)
{
	loop_remove(in->pid_source);
	loop_remove(in->timer);
	child_free(in->child);
	if (in->pidfd >= 0)
		close(in->pidfd);
	dhcp_files_free(&in->next);
	dhcp_files_free(&in->current);
	vec_free(&in->addresses);
	free(in->refused);
	free(in->network);
	free(in->dir);
	free(in);
}

struct dnsmasq_set *dnsmasq_set_free(struct dnsmasq_set *set)
{
	if (!set)
		return NULL;
	vec_each(in, &set->instances)
		instance_free(*in);
	vec_free(&set->instances);
	vec_each(in, &set->gone)
		instance_free(*in);
	vec_free(&set->gone);
	loop_remove(set->tell_timer);
	lease_watch_free(set->leases);
	resolvers_free(set->resolvers);
	free(set->run_dir);
	free(set->lease_dir);
	free(set->program);
	free(set->user);
	free(set->group);
	free(set);
	return NULL;
}

static struct instance *find(const struct dnsmasq_set *set, const char *network, size_t *ret_at)
{
	size_t low = 0, high = set->instances.n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(network, set->instances.v[middle]->network);

		if (!order) {
			low = middle;
			break;
		}
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (ret_at)
		*ret_at = low;
	return low < high ? set->instances.v[low] : NULL;
}

static struct instance *instance_new(struct dnsmasq_set *set, const char *network)
{
	struct instance *in = mem_alloc(sizeof(*in));
	size_t at;

	in->set = set;
	in->network = mem_strdup(network);
	in->dir = mem_printf("%s/%s", set->run_dir, network);
	in->pidfd = -1;
	find(set, network, &at);
	vec_push(&set->instances, in);
	memmove(&set->instances.v[at + 1], &set->instances.v[at],
		(set->instances.n - 1 - at) * sizeof(in));
	set->instances.v[at] = in;
	lease_watch_add(set->leases, network);
	return in;
}

/* Its process has ended and nobody wants another. */
static void instance_remove(struct instance *in)
{
	struct dnsmasq_set *set = in->set;
	size_t at;

	dnsmasq_files_remove(in->dir);
	if (in->forgets_leases) {
		AUTO_FREE char *path = mem_printf("%s/%s%s", set->lease_dir, in->network,
						  LEASE_FILE_SUFFIX);

		unlink(path);
	}
	lease_watch_remove(set->leases, in->network);
	if (find(set, in->network, &at))
		vec_remove(&set->instances, at);
	vec_push(&set->gone, in);
	tell_later(set);
}

/* --- what is told, from the loop only --- */

static enum dnsmasq_state state_of(const struct instance *in)
{
	switch (in->phase) {
	case PHASE_RUNNING:
	case PHASE_TESTING:
		return DNSMASQ_RUNNING;
	case PHASE_WAITING:
		return DNSMASQ_FAILED;
	case PHASE_STARTING:
		return in->problem.number ? DNSMASQ_FAILED : DNSMASQ_STARTING;
	case PHASE_IDLE:
	case PHASE_STOPPING:
		break;
	}
	return in->is_wanted ? DNSMASQ_STARTING : DNSMASQ_STOPPED;
}

static void tell(struct dnsmasq_set *set, struct instance *in, enum dnsmasq_state state)
{
	bool same_problem = !strcmp(in->told_problem, in->problem.message);

	if (in->told_state == state && same_problem)
		return;
	in->told_state = state;
	memcpy(in->told_problem, in->problem.message, sizeof(in->told_problem));
	if (set->callbacks.state)
		set->callbacks.state(set->context, in->network, state,
				     in->problem.number ? &in->problem : NULL);
}

/* A callback may apply and stop networks, which moves entries; the worst is that one is told in the next round. */
static void on_tell(void *arg)
{
	struct dnsmasq_set *set = arg;

	while (set->gone.n) {
		struct instance *in = set->gone.v[set->gone.n - 1];

		set->gone.n--;
		vnet_error_clear(&in->problem);
		if (!find(set, in->network, NULL))
			tell(set, in, DNSMASQ_STOPPED);
		instance_free(in);
	}
	for (size_t i = 0; i < set->instances.n; i++)
		tell(set, set->instances.v[i], state_of(set->instances.v[i]));
}

static void tell_later(struct dnsmasq_set *set)
{
	if (!set->tell_timer && loop_timer_add(set->loop, 0, on_tell, set, &set->tell_timer) < 0)
		log_error("dnsmasq: cannot set a timer; a change of state is not told");
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
	tell_later(in->set);
}

static void clear_problem(struct instance *in)
{
	vnet_error_clear(&in->problem);
	in->logged = 0;
	tell_later(in->set);
}

/* --- the process --- */

/* Takes hold of what runs; false when nothing does. */
static bool hold_process(struct instance *in)
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
	advance(in);
}

static void wait_and_retry(struct instance *in)
{
	uint64_t delay = BACKOFF_MIN_USEC << (in->failures < 8 ? in->failures : 8);

	in->failures++;
	in->phase = PHASE_WAITING;
	set_timer(in, delay < BACKOFF_MAX_USEC ? delay : BACKOFF_MAX_USEC, on_retry);
	tell_later(in->set);
}

static void on_process_end(void *arg, uint32_t events)
{
	struct instance *in = arg;
	pid_t pid = in->pid;
	bool was_stopping = in->phase == PHASE_STOPPING;

	(void)events;
	drop_process(in);
	drop_timer(in);
	in->child = child_free(in->child);
	in->phase = PHASE_IDLE;
	if (!in->is_claimed)
		in->is_wanted = false; /* nobody asked for it yet; who does starts one */
	if (!was_stopping && in->is_wanted) {
		if (loop_now() - in->started > HEALTHY_USEC)
			in->failures = 0;
		set_problem(in, -ECHILD, "dnsmasq-ended",
			    "its dnsmasq (pid %d) ended unexpectedly and is started again; "
			    "its last messages are in the system log", pid);
		wait_and_retry(in);
		return;
	}
	advance(in);
}

static void on_stop_timeout(void *arg)
{
	struct instance *in = arg;

	log_warning("network %s: dnsmasq (pid %d) does not end; it is killed", in->network,
		    in->pid);
	dnsmasq_process_signal(in->pidfd, SIGKILL);
}

static void stop_process(struct instance *in)
{
	in->child = child_free(in->child);
	in->phase = PHASE_STOPPING;
	set_timer(in, STOP_TIMEOUT_USEC, on_stop_timeout);
	dnsmasq_process_signal(in->pidfd, SIGTERM); /* -ESRCH: the pidfd tells */
	tell_later(in->set);
}

/* --- texts --- */

static const struct dhcp_files *wanted_files(const struct instance *in)
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
}

/* Those of next which differ from current, or all.  conf only when nothing runs with the old one. */
static int write_files(struct instance *in, const struct dhcp_files *files, bool all,
		       struct vnet_error *err)
{
	int r = all ? make_folder(in->dir, err) : 0;

	for (size_t i = 0; i < DHCP_N_FILES && r == 0; i++) {
		bool differs = all || (i != DHCP_FILE_CONF &&
				       strcmp(files->text[i], in->current.text[i]) != 0);

		if (differs)
			r = dnsmasq_file_write(in->dir, dhcp_file_name(i), files->text[i], err);
	}
	return r;
}

/* --- steps --- */

static char *program_path(const struct instance *in)
{
	return in->set->program ? mem_strdup(in->set->program) : dnsmasq_find_program();
}

static void on_started(void *arg, int status, const char *last_line)
{
	struct instance *in = arg;

	in->child = NULL;
	in->phase = PHASE_IDLE;
	if (status == 0 && hold_process(in)) {
		log_info("network %s: dnsmasq serves (pid %d)", in->network, in->pid);
		clear_problem(in);
	} else if (!in->is_wanted) {
		/* advance() removes it */
	} else if (status == 0) {
		set_problem(in, -ECHILD, "dnsmasq-failed",
			    "its dnsmasq ended right after its start; its last messages are in the "
			    "system log");
	} else {
		set_problem(in, -EIO, "dnsmasq-failed", "its dnsmasq did not start: %s",
			    *last_line ? last_line : "it gave no reason");
	}
	if (in->phase == PHASE_IDLE && in->is_wanted)
		wait_and_retry(in);
	else
		advance(in);
}

static void start(struct instance *in)
{
	AUTO_FREE char *program = program_path(in);
	AUTO_FREE char *conf = mem_printf("--conf-file=%s/%s", in->dir,
					  dhcp_file_name(DHCP_FILE_CONF));
	const char *const argv[] = { program, conf, NULL };
	struct vnet_error err = { 0 };
	int r;

	/* One may run that we lost sight of: its start outlived its time, or an earlier netd. */
	if (hold_process(in)) {
		stop_process(in);
		return;
	}
	next_becomes_current(in);
	if (!program)
		vnet_error_set(&err, -ENOENT, "dnsmasq-missing",
			       "dnsmasq is not installed; install the package dnsmasq-base");
	r = program ? write_files(in, &in->current, true, &err) : -ENOENT;
	if (r == 0) {
		r = child_start(in->set->loop, argv, START_TIMEOUT_USEC, on_started, in,
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
	tell_later(in->set);
}

static void refuse_next(struct instance *in, const char *reason)
{
	free(in->refused);
	in->refused = in->next.text[DHCP_FILE_CONF];
	in->next.text[DHCP_FILE_CONF] = mem_strdup(in->current.text[DHCP_FILE_CONF]);
	set_problem(in, -EINVAL, "dnsmasq-refuses",
		    "dnsmasq does not accept the new configuration, the former serves on: %s",
		    *reason ? reason : "it gave no reason");
}

/*
 * What was tested is what we write again at the start.  Should next have
 * changed meanwhile, it is tested anew.
 */
static void on_tested(void *arg, int status, const char *last_line)
{
	struct instance *in = arg;
	AUTO_FREE char *path = mem_printf("%s/dnsmasq.conf.new", in->dir);

	in->child = NULL;
	in->phase = PHASE_RUNNING;
	unlink(path);
	if (in->must_test_again)
		in->must_test_again = false;
	else if (status == 0)
		stop_process(in);
	else
		refuse_next(in, last_line);
	advance(in);
}

static void test_next(struct instance *in)
{
	AUTO_FREE char *program = program_path(in);
	AUTO_FREE char *conf = mem_printf("--conf-file=%s/dnsmasq.conf.new", in->dir);
	const char *const argv[] = { program, "--test", conf, NULL };
	struct vnet_error err = { 0 };
	int r = program ? dnsmasq_file_write(in->dir, "dnsmasq.conf.new", in->next.text[DHCP_FILE_CONF],
					     &err) :
			  -ENOENT;

	if (!program)
		vnet_error_set(&err, -ENOENT, "dnsmasq-missing",
			       "dnsmasq is not installed any more; install the package dnsmasq-base");
	if (r == 0) {
		r = child_start(in->set->loop, argv, TEST_TIMEOUT_USEC, on_tested, in, &in->child);
		if (r < 0)
			vnet_error_set(&err, r, "dnsmasq-failed", "cannot run %s: %s", program,
				       strerror(-r));
	}
	if (r < 0)
		refuse_next(in, err.message);
	else
		in->phase = PHASE_TESTING;
}

static void on_reload_retry(void *arg)
{
	advance(arg);
}

static void reload(struct instance *in)
{
	struct vnet_error err = { 0 };

	if (in->has_next && write_files(in, &in->next, false, &err) < 0) {
		set_problem(in, err.number, err.code, "%s; the former serves on", err.message);
		set_timer(in, RELOAD_RETRY_USEC, on_reload_retry);
		return;
	}
	if (!in->refused)
		clear_problem(in);
	next_becomes_current(in);
	in->must_reload = false;
	dnsmasq_process_signal(in->pidfd, SIGHUP);
}

static void advance_running(struct instance *in)
{
	enum dhcp_change change = DHCP_SAME;

	if (!in->is_wanted) {
		stop_process(in);
		return;
	}
	if (in->has_next && !in->has_current) {
		stop_process(in); /* adopted without its texts */
		return;
	}
	if (in->has_next)
		change = dhcp_files_compare(&in->current, &in->next);
	if (change == DHCP_RESTART)
		test_next(in);
	/* The test may not have begun, which leaves next with the former conf. */
	if (in->phase != PHASE_RUNNING)
		return;
	if (in->has_next)
		change = dhcp_files_compare(&in->current, &in->next);
	if (change == DHCP_RELOAD || (in->must_reload && in->is_claimed))
		reload(in);
	else
		next_becomes_current(in);
}

static void advance(struct instance *in)
{
	switch (in->phase) {
	case PHASE_IDLE:
	case PHASE_WAITING:
		drop_timer(in);
		in->phase = PHASE_IDLE;
		if (in->is_wanted)
			start(in);
		else
			instance_remove(in);
		break;
	case PHASE_RUNNING:
		advance_running(in);
		break;
	case PHASE_TESTING:
		if (!in->is_wanted)
			stop_process(in);
		break;
	case PHASE_STARTING: /* on_started() */
	case PHASE_STOPPING: /* on_process_end() */
		break;
	}
}

/* --- the verbs --- */

static void forget_refused(struct instance *in)
{
	free(in->refused);
	in->refused = NULL;
	clear_problem(in);
}

static int make_files(struct dnsmasq_set *set, const struct network *net,
		      const struct port *const *ports, size_t n_ports, struct dhcp_files *ret,
		      struct vnet_error *err)
{
	AUTO_FREE char *dir = mem_printf("%s/%s", set->run_dir, net->name);
	AUTO_FREE char *lease_file = mem_printf("%s/%s%s", set->lease_dir, net->name,
						LEASE_FILE_SUFFIX);
	struct dhcp_params params = {
		.dir = dir,
		.lease_file = lease_file,
		.user = set->user,
		.group = set->group,
		.resolvers = resolvers_get(set->resolvers),
	};

	return dhcp_files_make(net, ports, n_ports, &params, ret, err);
}

/* 1 and *ret_action, or 0: what these files mean for the instance (which may be NULL). */
static int needed_action(const struct instance *in, struct dhcp_files *files,
			 enum service_action *ret_action)
{
	const struct dhcp_files *wanted = in && in->is_wanted ? wanted_files(in) : NULL;

	if (!wanted) {
		*ret_action = SERVICE_START;
		return 1;
	}
	if (in->refused && !strcmp(in->refused, files->text[DHCP_FILE_CONF]))
		mem_replace(&files->text[DHCP_FILE_CONF], wanted->text[DHCP_FILE_CONF]);
	switch (dhcp_files_compare(wanted, files)) {
	case DHCP_SAME:
		return 0;
	case DHCP_RELOAD:
		*ret_action = SERVICE_RELOAD;
		return 1;
	case DHCP_RESTART:
		*ret_action = SERVICE_RESTART;
		return 1;
	}
	return 0;
}

int dnsmasq_would(struct dnsmasq_set *set, const struct network *net,
		  const struct port *const *ports, size_t n_ports,
		  enum service_action *ret_action, struct vnet_error *err)
{
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };
	const struct instance *in = find(set, net->name, NULL);
	int r;

	*ret_action = SERVICE_STOP;
	if (!network_wants_dnsmasq(net))
		return in && in->is_wanted;
	r = make_files(set, net, ports, n_ports, &files, err);
	return r < 0 ? r : needed_action(in, &files, ret_action);
}

static void remember_addresses(struct instance *in, const struct network *net)
{
	network_bridge(net, in->bridge);
	in->addresses.n = 0;
	vec_each(p, &net->addresses)
		vec_push(&in->addresses, *p);
}

int dnsmasq_apply(struct dnsmasq_set *set, const struct network *net,
		  const struct port *const *ports, size_t n_ports,
		  enum service_action *ret_action, struct vnet_error *err)
{
	AUTO_DHCP_FILES struct dhcp_files files = { 0 };
	struct instance *in = find(set, net->name, NULL);
	int r;

	*ret_action = SERVICE_STOP;
	if (!network_wants_dnsmasq(net)) {
		r = in && in->is_wanted;
		dnsmasq_stop(set, net->name);
		return r;
	}
	r = make_files(set, net, ports, n_ports, &files, err);
	if (r < 0)
		return r;
	if (in && in->refused && strcmp(in->refused, files.text[DHCP_FILE_CONF]) != 0)
		forget_refused(in);
	r = needed_action(in, &files, ret_action);
	if (!in)
		in = instance_new(set, net->name);
	remember_addresses(in, net);
	in->is_wanted = true;
	in->is_claimed = true;
	in->forgets_leases = false;
	if (r) {
		dhcp_files_free(&in->next);
		in->next = files;
		in->has_next = true;
		memset(&files, 0, sizeof(files));
		in->must_test_again = in->phase == PHASE_TESTING;
	}
	if (r || in->must_reload)
		advance(in);
	if (in->problem.number == -ENOENT && err)
		*err = in->problem;
	return in->problem.number == -ENOENT ? -ENOENT : r;
}

static void end(struct instance *in)
{
	in->is_claimed = true;
	if (!in->is_wanted)
		return;
	in->is_wanted = false;
	advance(in);
}

void dnsmasq_stop(struct dnsmasq_set *set, const char *network)
{
	struct instance *in = find(set, network, NULL);

	if (in)
		end(in);
}

void dnsmasq_forget(struct dnsmasq_set *set, const char *network)
{
	struct instance *in = find(set, network, NULL);
	AUTO_FREE char *path = mem_printf("%s/%s%s", set->lease_dir, network, LEASE_FILE_SUFFIX);

	if (!in) {
		unlink(path);
		return;
	}
	in->forgets_leases = true;
	end(in);
}

int dnsmasq_adopt(struct dnsmasq_set *set, struct vnet_error *err)
{
	DIR *dir = opendir(set->run_dir);
	struct dirent *entry;

	if (!dir)
		return vnet_error_set(err, -errno, "dnsmasq-folder", "cannot read %s: %s",
				      set->run_dir, strerror(errno));
	while ((entry = readdir(dir))) {
		struct instance *in;

		if (name_check(entry->d_name, NETWORK_NAME_MAX, NULL) < 0 ||
		    find(set, entry->d_name, NULL))
			continue;
		in = instance_new(set, entry->d_name);
		in->is_wanted = true;
		if (!hold_process(in)) {
			in->is_wanted = false;
			instance_remove(in);
			continue;
		}
		/* Without its texts there is nothing to compare with: then it is started anew. */
		in->has_current = dnsmasq_files_read(in->dir, &in->current) == 0;
		in->must_reload = true;
		log_info("network %s: dnsmasq (pid %d) taken over", in->network, in->pid);
	}
	closedir(dir);
	tell_later(set);
	return 0;
}

void dnsmasq_stop_unclaimed(struct dnsmasq_set *set)
{
	for (size_t i = set->instances.n; i-- > 0;)
		if (!set->instances.v[i]->is_claimed)
			end(set->instances.v[i]);
}

enum dnsmasq_state dnsmasq_state(const struct dnsmasq_set *set, const char *network,
				 struct vnet_error *ret_problem)
{
	const struct instance *in = find(set, network, NULL);

	if (ret_problem) {
		vnet_error_clear(ret_problem);
		if (in)
			*ret_problem = in->problem;
	}
	return in ? state_of(in) : DNSMASQ_STOPPED;
}

pid_t dnsmasq_pid(const struct dnsmasq_set *set, const char *network)
{
	const struct instance *in = find(set, network, NULL);

	return in ? in->pid : 0;
}

const struct lease_file *dnsmasq_leases(const struct dnsmasq_set *set, const char *network)
{
	return lease_watch_get(set->leases, network);
}

void dnsmasq_release(struct dnsmasq_set *set, const char *network, const struct mac *mac)
{
	const struct instance *in = find(set, network, NULL);
	const struct lease_file *file = dnsmasq_leases(set, network);

	if (!in || !in->pid || !file)
		return;
	vec_each(lease, &file->leases) {
		const struct prefix *server = NULL;
		char text[ADDR_TEXT_MAX];
		int r;

		if (!lease->has_mac || mac_cmp(&lease->mac, mac))
			continue;
		vec_each(p, &in->addresses)
			if (!server && prefix_contains(p, &lease->address))
				server = p;
		if (!server)
			continue;
		r = release_send(in->bridge, lease, &server->addr, file->server_duid);
		if (r < 0)
			log_debug("network %s: the lease of %s cannot be released: %s", network,
				  ip_format(&lease->address, text), strerror(-r));
	}
}
