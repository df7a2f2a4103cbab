/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * broker_server.c - the broker: answers netd's requests, one after the other
 *
 * What asks is taken for an attacker who has netd's user and capabilities: each
 * function below checks that what it is asked for is what netd is for, and not a
 * way to something else. See docs/security.md for what is left to such an attacker.
 */

#include "netd/broker.h"

#include "netd/broker_wire.h"
#include "netd/dnsmasq_process.h"
#include "netd/log.h"
#include "netd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLICY_SIZE_MAX (1024 * 1024)

struct broker {
	const char *run_dir;
	const struct users *users;
	struct checksum_program programs[CHECKSUM_PROGRAMS];
	int programs_result;    /* of loading them */
};

struct exchange {
	struct broker_request request;
	struct broker_reply reply;
	int in[BROKER_FDS_MAX], out[BROKER_FDS_MAX];
	size_t n_in, n_out;
};

typedef int (*answer_fn)(struct broker *b, struct exchange *x);

/* ---- kernel/privileged.h ---- */

static int answer_sysfs(struct broker *b, struct exchange *x)
{
	int r;

	(void)b;
	x->out[0] = -1;
	r = privileged_self.sysfs(&x->out[0], &x->reply.err);
	x->n_out = r == 0;
	return r;
}

static int answer_enter(struct broker *b, struct exchange *x)
{
	int r = privileged_self.enter(x->request.path, &x->out[0], &x->out[1], &x->reply.err);

	(void)b;
	x->n_out = r == 0 ? 2 : 0;
	return r;
}

static int answer_namespace(struct broker *b, struct exchange *x)
{
	int r = privileged_self.enter(x->request.path, &x->out[0], NULL, &x->reply.err);

	(void)b;
	x->n_out = r == 0;
	return r;
}

static int answer_macvtap(struct broker *b, struct exchange *x)
{
	int r = -EINVAL;

	(void)b;
	if (x->request.n && x->request.n <= PORT_QUEUES_MAX)
		r = privileged_self.macvtap(x->request.name, x->request.number, x->request.n, x->out,
					    &x->reply.err);
	x->n_out = r == 0 ? x->request.n : 0;
	return r;
}

static int answer_legacy(struct broker *b, struct exchange *x)
{
	int domain = x->request.number, r;

	(void)b;
	if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNSPEC)
		return -EINVAL;
	r = privileged_self.legacy(domain, &x->out[0], &x->out[1]);
	x->n_out = r < 0 ? 0 : x->out[1] < 0 ? 1 : 2;
	return r;
}

static int answer_checksum(struct broker *b, struct exchange *x)
{
	for (x->n_out = 0; b->programs_result == 0 && x->n_out < CHECKSUM_PROGRAMS; x->n_out++) {
		x->reply.programs[x->n_out] = b->programs[x->n_out];
		x->out[x->n_out] = fcntl(b->programs[x->n_out].fd, F_DUPFD_CLOEXEC, 0);
		if (x->out[x->n_out] < 0)
			return -errno;
	}
	return b->programs_result;
}

static int answer_owners(struct broker *b, struct exchange *x)
{
	(void)b;
	if (x->request.n > SOCKET_OWNERS_MAX)
		return -EINVAL;
	privileged_self.owners(x->request.inodes, x->request.n, x->reply.owners);
	return 0;
}

/* ---- processes ---- */

static int answer_look(struct broker *b, struct exchange *x)
{
	(void)b;
	return process_look(x->request.number, &x->reply.uid, &x->reply.started);
}

/* RUN_DIR/dnsmasq/NETWORK, and nothing else. */
static bool is_dnsmasq_dir(const struct broker *b, const char *path)
{
	AUTO_FREE char *parent = mem_printf("%s/dnsmasq/", b->run_dir);
	size_t n = strlen(parent);

	return strncmp(path, parent, n) == 0 && name_check(path + n, NETWORK_NAME_MAX, NULL) == 0;
}

static int answer_is_dnsmasq(struct broker *b, struct exchange *x)
{
	return is_dnsmasq_dir(b, x->request.path) && dnsmasq_process_is_ours(x->request.number, x->request.path);
}

/* Only async-signal-safe calls would be needed if this process had threads, which it has not. */
static void become_dnsmasq(const struct broker *b, const char *program, const char *conf, bool is_test, int error_fd)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *const environment[] = { path, locale, NULL };
	/* dnsmasq itself wants to be nobody where it finds itself root, and to leave its groups. */
	const char *const alone[] = { program, conf, "--user=root", "--group=", is_test ? "--test" : NULL, NULL };
	const char *const with_user[] = { program, conf, is_test ? "--test" : NULL, NULL };
	const char *const *argv = b->users->is_alone ? alone : with_user;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct vnet_error err = { 0 };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(error_fd, 2) < 0)
		_exit(127);
	close_range(3, ~0u, 0);
	umask(0022);
	if (confine(ROLE_DNSMASQ, b->users, &err) == 0) {
		execve(program, (char *const *)argv, environment);
		vnet_error_set(&err, -errno, "exec", "cannot run %s: %s", program, strerror(errno));
	}
	dprintf(2, "%s\n", err.message);
	_exit(127);
}

static int answer_run(struct broker *b, struct exchange *x)
{
	bool is_test = x->request.number;
	AUTO_FREE char *program = dnsmasq_find_program();
	AUTO_FREE char *conf = dnsmasq_conf_argument(x->request.path, is_test);
	pid_t pid;

	if (x->n_in != 1 || !is_dnsmasq_dir(b, x->request.path))
		return -EINVAL;
	if (!program)
		return -ENOENT;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_dnsmasq(b, program, conf, is_test, x->in[0]);
	x->reply.number = pid;
	return 0;
}

static int answer_wait(struct broker *b, struct exchange *x)
{
	siginfo_t info = { 0 };

	(void)b;
	if (x->request.number <= 0 || waitid(P_PID, (id_t)x->request.number, &info, WEXITED | WNOHANG) < 0)
		return x->request.number <= 0 ? -EINVAL : -errno;
	if (!info.si_pid)
		return 1;
	x->reply.number = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
	return 0;
}

/* Whose command line says that it is a dnsmasq of ours: a user who makes his own say so may lose it. */
static bool is_our_dnsmasq(const struct broker *b, pid_t pid)
{
	AUTO_FREE char *dir = dnsmasq_process_dir(pid);

	return dir && is_dnsmasq_dir(b, dir);
}

static int answer_signal(struct broker *b, struct exchange *x)
{
	int number = x->request.number, r;
	pid_t pid;

	if (x->n_in != 1 ||
	    (number != SIGHUP && number != SIGCONT && number != SIGTERM && number != SIGKILL))
		return -EINVAL;
	r = process_of_pidfd(x->in[0], &pid);
	if (r < 0)
		return r;
	/* Should it end now and its number be another's, it is the pidfd that the signal goes to. */
	if (!is_our_dnsmasq(b, pid))
		return -EPERM;
	return dnsmasq_process_signal(x->in[0], number);
}

static int answer_release(struct broker *b, struct exchange *x)
{
	const struct broker_request *request = &x->request;

	(void)b;
	if (request->n > sizeof(request->message) ||
	    (request->address.family != AF_INET && request->address.family != AF_INET6))
		return -EINVAL;
	return release_transmit(request->name, &request->address, request->message, request->n);
}

/* ---- files ---- */

/* Blank, a comment, or one of bridge.conf's words. */
static bool is_policy_line(const char *line, size_t n)
{
	static const char *const words[] = { "allow", "deny", "include" };

	while (n && (*line == ' ' || *line == '\t' || *line == '\r')) {
		line++;
		n--;
	}
	if (!n || *line == '#')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t size = strlen(words[i]);

		if (n > size && strncmp(line, words[i], size) == 0 && (line[size] == ' ' || line[size] == '\t'))
			return true;
	}
	return false;
}

static bool is_policy(const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;

		if (!is_policy_line(text, (size_t)(stop - text)))
			return false;
		text = stop + 1;
	}
	return true;
}

static int check_policy(int fd)
{
	AUTO_FREE char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & 022 || st.st_size > POLICY_SIZE_MAX)
		return -EACCES;
	text = mem_alloc((size_t)st.st_size + 1);
	n = pread(fd, text, (size_t)st.st_size, 0);
	return n < 0 ? -errno : n == st.st_size && is_policy(text, (size_t)n) ? 0 : -EACCES;
}

static int answer_policy(struct broker *b, struct exchange *x)
{
	/* What a path leads to is looked at before it is opened: to open a device may do something. */
	int seen = open(x->request.path, O_PATH | O_CLOEXEC), fd, r;
	char again[32];
	struct stat st;

	(void)b;
	if (seen < 0)
		return -errno;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", seen);
	fd = fstat(seen, &st) == 0 && S_ISREG(st.st_mode) ? open(again, O_RDONLY | O_CLOEXEC) : -1;
	close(seen);
	if (fd < 0)
		return -EACCES;
	r = check_policy(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	x->out[0] = fd;
	x->n_out = 1;
	return 0;
}

/* ---- the rounds ---- */

static const struct {
	answer_fn fn;
	bool has_path, has_name;
} calls[BROKER_N_CALLS] = {
	[BROKER_SYSFS] = { answer_sysfs, false, false },
	[BROKER_ENTER] = { answer_enter, true, false },
	[BROKER_NAMESPACE] = { answer_namespace, true, false },
	[BROKER_MACVTAP] = { answer_macvtap, false, true },
	[BROKER_LEGACY] = { answer_legacy, false, false },
	[BROKER_CHECKSUM] = { answer_checksum, false, false },
	[BROKER_OWNERS] = { answer_owners, false, false },
	[BROKER_LOOK] = { answer_look, false, false },
	[BROKER_IS_DNSMASQ] = { answer_is_dnsmasq, true, false },
	[BROKER_RUN] = { answer_run, true, false },
	[BROKER_WAIT] = { answer_wait, false, false },
	[BROKER_SIGNAL] = { answer_signal, false, false },
	[BROKER_RELEASE] = { answer_release, false, true },
	[BROKER_POLICY] = { answer_policy, true, false },
};

static int answer(struct broker *b, struct exchange *x)
{
	const struct broker_request *request = &x->request;

	if (request->call >= BROKER_N_CALLS ||
	    (calls[request->call].has_path && !memchr(request->path, 0, sizeof(request->path))) ||
	    (calls[request->call].has_name && !memchr(request->name, 0, sizeof(request->name))))
		return -EINVAL;
	return calls[request->call].fn(b, x);
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

int broker_serve(int fd, const char *run_dir, const struct users *users)
{
	struct broker b = { .run_dir = run_dir, .users = users };
	AUTO_FREE struct exchange *x = mem_alloc(sizeof(*x));
	struct vnet_error err = { 0 };
	int r = 1;

	prctl(PR_SET_NAME, "netd-broker");
	/* bpf(2) is in no filter: these are the only programs that any of us ever loads. */
	b.programs_result = privileged_self.checksum(b.programs);
	if (confine(ROLE_BROKER, users, &err) < 0) {
		log_error("broker: %s", err.message);
		return 1;
	}
	while (r > 0) {
		memset(x, 0, sizeof(*x));
		r = broker_receive(fd, &x->request, sizeof(x->request), x->in, &x->n_in);
		if (r <= 0)
			break;
		x->reply.result = answer(&b, x);
		if (x->reply.result < 0)
			vnet_error_set(&x->reply.err, x->reply.result, "broker", "%s", strerror(-x->reply.result));
		close_all(x->in, x->n_in);
		r = broker_send(fd, &x->reply, sizeof(x->reply), x->out, x->n_out) < 0 ? 0 : 1;
		close_all(x->out, x->n_out);
	}
	return 0;
}
