/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.c - AttachPort over netd's socket, from request to descriptor
 *
 * usage: api SOCKET NETWORK COUNT
 *
 * The least a client can do: one connection, a fixed request, and a look for
 * the end of the reply.  What it measures is netd, not a JSON parser.
 */

#include "bench.h"

#include <sys/un.h>

#define REPLY_MAX 65536

static int connect_to(const char *path);
static int attach(int sock, const char *network, const char *name);

int main(int argc, char **argv)
{
	static int fds[BENCH_COUNT_MAX];
	unsigned count;
	int sock;

	if (argc != 4)
		error(2, 0, "usage: api SOCKET NETWORK COUNT");
	count = bench_count(argv[3]);
	sock = connect_to(argv[1]);
	for (unsigned i = 0; i < count; i++) {
		char name[32];
		uint64_t start = bench_now();

		snprintf(name, sizeof(name), "b%d-%u", (int)getpid(), i);
		fds[i] = attach(sock, argv[2], name);
		bench_print(start);
	}
	bench_hold();
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)))
		error(1, errno, "%s", path);
	return sock;
}

static int attach(int sock, const char *network, const char *name)
{
	static char reply[REPLY_MAX];
	char request[512];
	size_t len = 0;
	int fd = -1;
	int size = snprintf(request, sizeof(request),
			    "{\"method\":\"io.vnet.Netd.AttachPort\",\"parameters\":"
			    "{\"network\":\"%s\",\"name\":\"%s\",\"vhost\":\"off\"}}", network, name);

	if (write(sock, request, (size_t)size + 1) != size + 1)
		error(1, errno, "request");
	do {
		ssize_t n;
		int got = bench_recv(sock, reply + len, sizeof(reply) - len, &n);

		if (n <= 0)
			error(1, 0, "netd hung up");
		if (got >= 0)
			fd = got;
		len += (size_t)n;
	} while (reply[len - 1]);
	if (fd < 0)
		error(1, 0, "no descriptor: %s", reply);
	return fd;
}
