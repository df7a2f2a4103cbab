/* SPDX-License-Identifier: GPL-2.0-or-later */
/* broker.c - netd's side of the broker: asks, and waits for the answer; see broker.h. */

#include "netd/broker.h"

#include "netd/broker_wire.h"
#include "netd/child.h"
#include "netd/dnsmasq_process.h"
#include "netd/log.h"
#include "netd/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 10 /* more than the slowest request takes on a machine that swaps */

static int broker = -1; /* which process asks whom is as much its own as its capabilities */

static const struct privileged asking;

/* ---- how to get one ---- */

static int use(int fd, struct vnet_error *err)
{
	struct timeval timeout = { .tv_sec = ANSWER_SECONDS };

	uint64_t started;
	uint32_t uid;
	int r;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	broker = fd;
	privileged_set(&asking);
	/* Is it there, and confined? It says itself why not. */
	r = broker_look(getpid(), &uid, &started);
	if (r == 0)
		return 0;
	broker_close();
	return vnet_error_set(err, r, "broker", "the broker does not answer: %s", strerror(-r));
}

int broker_fork(const char *run_dir, const struct users *users, struct vnet_error *err)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return vnet_error_set(err, -errno, "broker", "cannot make a socket: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		setsid(); /* Ctrl-C is for netd */
		_exit(broker_serve(pair[1], run_dir, users));
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return vnet_error_set(err, -errno, "broker", "cannot start it: %s", strerror(errno));
	}
	return use(pair[0], err);
}

int broker_connect(const char *path, struct vnet_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return vnet_error_set(err, -ENAMETOOLONG, "broker", "the path %s is too long", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return use(fd, err);
	r = -errno;
	if (fd >= 0)
		close(fd);
	return vnet_error_set(err, r, "broker",
			      "no broker listens on %s: %s; start netd as root, or by its systemd units",
			      path, strerror(-r));
}

int broker_fd(void)
{
	return broker;
}

void broker_close(void)
{
	if (broker >= 0)
		close(broker);
	broker = -1;
	privileged_set(&privileged_self);
}

/* ---- asking ---- */

struct answer {
	struct broker_reply reply;
	int fds[BROKER_FDS_MAX];
	size_t n_fds;
};

/* A successful answer has n_fds descriptors, exactly. */
static int ask(const struct broker_request *request, const int *fds, size_t n_fds, struct answer *ret,
	       size_t n_wanted, struct vnet_error *err)
{
	struct broker_reply *reply = &ret->reply;
	int r = broker_send(broker, request, sizeof(*request), fds, n_fds);

	if (r == 0)
		r = broker_receive(broker, reply, sizeof(*reply), ret->fds, &ret->n_fds);
	if (r <= 0) {
		/* Whoever watches the descriptor ends netd: a late answer would be another request's. */
		shutdown(broker, SHUT_RDWR);
		return vnet_error_set(err, r ? r : -EPIPE, "broker", "the broker does not answer: %s",
				      strerror(r ? -r : EPIPE));
	}
	if (reply->result >= 0 && ret->n_fds == n_wanted)
		return reply->result;
	while (ret->n_fds)
		close(ret->fds[--ret->n_fds]);
	if (reply->result >= 0)
		return vnet_error_set(err, -EPROTO, "broker", "the broker's answer is none");
	if (err && !vnet_error_is_set(err))
		*err = reply->err;
	return reply->result;
}

static int set_path(struct broker_request *request, const char *path, struct vnet_error *err)
{
	if (strlen(path) >= sizeof(request->path))
		return vnet_error_set(err, -ENAMETOOLONG, "broker", "the path %.64s… is too long", path);
	strcpy(request->path, path);
	return 0;
}

/* ---- kernel/privileged.h ---- */

static int ask_sysfs(int *fd, struct vnet_error *err)
{
	struct broker_request request = { .call = BROKER_SYSFS };
	struct answer answer;
	int r = *fd >= 0 ? 0 : ask(&request, NULL, 0, &answer, 1, err);

	if (r == 0 && *fd < 0)
		*fd = answer.fds[0];
	return r;
}

static int ask_enter(const char *path, int *ret_netns, int *ret_socket, struct vnet_error *err)
{
	struct broker_request request = { .call = ret_socket ? BROKER_ENTER : BROKER_NAMESPACE };
	struct answer answer;
	int r = set_path(&request, path, err);

	if (r == 0)
		r = ask(&request, NULL, 0, &answer, ret_socket ? 2 : 1, err);
	if (r < 0)
		return r;
	*ret_netns = answer.fds[0];
	if (ret_socket)
		*ret_socket = answer.fds[1];
	return 0;
}

static int ask_macvtap(const char *name, int ifindex, unsigned n, int *ret_fds, struct vnet_error *err)
{
	struct broker_request request = { .call = BROKER_MACVTAP, .number = ifindex, .n = n };
	struct answer answer;
	int r;

	snprintf(request.name, sizeof(request.name), "%s", name);
	r = ask(&request, NULL, 0, &answer, n, err);
	for (unsigned i = 0; i < n; i++)
		ret_fds[i] = r < 0 ? -1 : answer.fds[i];
	return r;
}

static int ask_legacy(int domain, int *ret_names, int *ret_socket)
{
	struct broker_request request = { .call = BROKER_LEGACY, .number = domain };
	bool has_socket = domain != AF_UNSPEC;
	struct answer answer;
	int r = ask(&request, NULL, 0, &answer, has_socket ? 2 : 1, NULL);

	if (r < 0)
		return r;
	*ret_names = answer.fds[0];
	*ret_socket = has_socket ? answer.fds[1] : -1;
	return 0;
}

static int ask_checksum(struct checksum_program ret[CHECKSUM_PROGRAMS])
{
	struct broker_request request = { .call = BROKER_CHECKSUM };
	struct answer answer;
	int r = ask(&request, NULL, 0, &answer, CHECKSUM_PROGRAMS, NULL);

	for (unsigned i = 0; r == 0 && i < CHECKSUM_PROGRAMS; i++) {
		ret[i] = answer.reply.programs[i];
		ret[i].fd = answer.fds[i];
	}
	return r;
}

static void ask_owners(const uint32_t *inodes, size_t n, struct socket_owner *ret)
{
	struct broker_request request = { .call = BROKER_OWNERS, .n = (uint32_t)n };
	struct answer answer;

	if (!n)
		return; /* and there may be no arrays */
	memset(ret, 0, n * sizeof(*ret));
	memcpy(request.inodes, inodes, n * sizeof(*inodes));
	if (ask(&request, NULL, 0, &answer, 0, NULL) == 0)
		memcpy(ret, answer.reply.owners, n * sizeof(*ret));
}

static const struct privileged asking = {
	.sysfs = ask_sysfs, .enter = ask_enter, .macvtap = ask_macvtap, .legacy = ask_legacy,
	.checksum = ask_checksum, .owners = ask_owners
};

/* ---- broker.h ---- */

int broker_look(pid_t pid, uint32_t *ret_uid, uint64_t *ret_started)
{
	struct broker_request request = { .call = BROKER_LOOK, .number = pid };
	struct answer answer;
	int r;

	if (broker < 0)
		return process_look(pid, ret_uid, ret_started);
	r = ask(&request, NULL, 0, &answer, 0, NULL);
	if (r == 0) {
		*ret_uid = answer.reply.uid;
		*ret_started = answer.reply.started;
	}
	return r;
}

bool broker_is_dnsmasq(pid_t pid, const char *dir)
{
	struct broker_request request = { .call = BROKER_IS_DNSMASQ, .number = pid };
	struct answer answer;

	if (broker < 0)
		return dnsmasq_process_is_ours(pid, dir);
	return set_path(&request, dir, NULL) == 0 && ask(&request, NULL, 0, &answer, 0, NULL) == 1;
}

int broker_run(const char *program, const char *dir, bool is_test, int error_fd, pid_t *ret_pid)
{
	struct broker_request request = { .call = BROKER_RUN, .number = is_test };
	struct answer answer;
	int r;

	if (broker < 0) {
		AUTO_FREE char *conf = dnsmasq_conf_argument(dir, is_test);
		const char *const argv[] = { program, conf, is_test ? "--test" : NULL, NULL };

		return child_spawn(argv, error_fd, ret_pid);
	}
	/* The broker knows its program itself. */
	r = set_path(&request, dir, NULL);
	if (r == 0)
		r = ask(&request, &error_fd, 1, &answer, 0, NULL);
	if (r == 0)
		*ret_pid = answer.reply.number;
	return r;
}

bool broker_wait(pid_t pid, int *ret_status)
{
	struct broker_request request = { .call = BROKER_WAIT, .number = pid };
	struct answer answer;
	int r;

	if (broker < 0)
		return child_wait(pid, ret_status);
	r = ask(&request, NULL, 0, &answer, 0, NULL);
	*ret_status = r < 0 ? -SIGCHLD : answer.reply.number;
	return r != 1;
}

int broker_signal(int pidfd, int number)
{
	struct broker_request request = { .call = BROKER_SIGNAL, .number = number };
	struct answer answer;

	return broker < 0 ? dnsmasq_process_signal(pidfd, number) : ask(&request, &pidfd, 1, &answer, 0, NULL);
}

int broker_release(const char *bridge, const struct ip *server, const void *message, size_t size)
{
	struct broker_request request = { .call = BROKER_RELEASE, .address = *server, .n = (uint32_t)size };
	struct answer answer;

	if (broker < 0)
		return release_transmit(bridge, server, message, size);
	if (size > sizeof(request.message))
		return -EMSGSIZE;
	snprintf(request.name, sizeof(request.name), "%s", bridge);
	memcpy(request.message, message, size);
	return ask(&request, NULL, 0, &answer, 0, NULL);
}

int broker_open_policy(const char *path, int *ret_fd)
{
	struct broker_request request = { .call = BROKER_POLICY };
	struct answer answer;
	int r = broker < 0 ? -EACCES : set_path(&request, path, NULL);

	if (r == 0)
		r = ask(&request, NULL, 0, &answer, 1, NULL);
	if (r == 0)
		*ret_fd = answer.fds[0];
	return r;
}
