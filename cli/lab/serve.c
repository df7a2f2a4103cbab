/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve.c - HTTP, TCP and UDP servers that tell who answered
 *
 * A connection is served by a child of its own, so a silent client holds up nobody;
 * CHILDREN_MAX of them, CONNECTION_S each, is all that they can take.
 */

#include "cli/lab/serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVERS_MAX 48
#define CHILDREN_MAX 64
#define CONNECTION_S 30

enum service { SERVICE_HTTP, SERVICE_TCP, SERVICE_UDP };

struct server {
	enum service service;
	const char *name;       /* whose answer it is */
};

static int listen_on(enum service service, unsigned port)
{
	int fd = socket(AF_INET6, (service == SERVICE_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	int off = 0, on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (service != SERVICE_UDP && listen(fd, 64) < 0)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* Reads on until the client has said all, or hangs up: what is closed before is reset. */
static void drain(int fd, bool until_blank_line)
{
	char last[4] = "", buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			memmove(last, last + 1, 3);
			last[3] = buf[i];
			if (until_blank_line && (!memcmp(last, "\r\n\r\n", 4) || !memcmp(last + 2, "\n\n", 2)))
				return;
		}
	}
}

static void answer(const struct server *server, int fd)
{
	char text[256];
	int size;

	alarm(CONNECTION_S);
	if (server->service == SERVICE_HTTP) {
		drain(fd, true);
		size = snprintf(text, sizeof(text),
				"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s\n",
				strlen(server->name) + 1, server->name);
	} else {
		size = snprintf(text, sizeof(text), "%s\n", server->name);
	}
	if (write(fd, text, (size_t)size) < 0)
		return;
	shutdown(fd, SHUT_WR);
	drain(fd, false);
}

static void accept_one(const struct server *server, int fd, unsigned *n_children)
{
	int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (connection < 0)
		return;
	if (*n_children < CHILDREN_MAX) {
		pid_t pid = fork();

		if (pid == 0) {
			answer(server, connection);
			_exit(0);
		}
		*n_children += pid > 0;
	}
	close(connection);
}

static void answer_datagram(const struct server *server, int fd)
{
	struct sockaddr_in6 from;
	socklen_t size = sizeof(from);
	char text[256];

	if (recvfrom(fd, text, sizeof(text), MSG_DONTWAIT, (struct sockaddr *)&from, &size) < 0)
		return;
	snprintf(text, sizeof(text), "%s\n", server->name);
	sendto(fd, text, strlen(text), MSG_DONTWAIT, (struct sockaddr *)&from, size);
}

int serve(const void *context)
{
	const struct lab_machine *m = context;
	const struct { enum service service; size_t n; const unsigned *ports; } kinds[] = {
		{ SERVICE_HTTP, m->services.http.n, m->services.http.v },
		{ SERVICE_TCP, m->services.tcp.n, m->services.tcp.v },
		{ SERVICE_UDP, m->services.udp.n, m->services.udp.v },
	};
	struct server servers[SERVERS_MAX];
	struct pollfd fds[SERVERS_MAX];
	unsigned n = 0, n_children = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t k = 0; k < kinds[i].n && n < SERVERS_MAX; k++) {
			int fd = listen_on(kinds[i].service, kinds[i].ports[k]);

			if (fd < 0) {
				fprintf(stderr, "cannot listen on port %u: %s\n", kinds[i].ports[k], strerror(-fd));
				return 1;
			}
			fds[n] = (struct pollfd){ .fd = fd, .events = POLLIN };
			servers[n++] = (struct server){ kinds[i].service, m->name };
		}
	/* Whoever waits for us knows that it can be asked now. */
	if (fork() > 0)
		return 0;
	for (;;) {
		while (n_children && waitpid(-1, NULL, WNOHANG) > 0)
			n_children--;
		if (poll(fds, n, n_children ? 100 : -1) < 0 && errno != EINTR)
			return 1;
		for (unsigned i = 0; i < n; i++) {
			if (!(fds[i].revents & POLLIN))
				continue;
			if (servers[i].service == SERVICE_UDP)
				answer_datagram(&servers[i], fds[i].fd);
			else
				accept_one(&servers[i], fds[i].fd, &n_children);
		}
	}
}
