/* SPDX-License-Identifier: GPL-2.0-or-later */
/* notify.c - systemd's documented environment protocols; see notify.h. */

#include "netd/notify.h"

#include "netd/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FDS_START 3

void notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

void notify_reloading(void)
{
	char text[64];

	/* The same clock: it tells this reload from one that was asked for before. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, loop_now());
	notify_send(text);
}

/* A number of the environment, or 0. */
static unsigned long long environment_number(const char *name)
{
	const char *text = getenv(name);
	unsigned long long n;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	return errno || *end || end == text ? 0 : n;
}

int notify_listen_fd(void)
{
	int flags;

	if (environment_number("LISTEN_PID") != (unsigned long long)getpid() ||
	    environment_number("LISTEN_FDS") < 1)
		return -1;
	flags = fcntl(LISTEN_FDS_START, F_GETFL);
	if (flags < 0 || fcntl(LISTEN_FDS_START, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(LISTEN_FDS_START, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	return LISTEN_FDS_START;
}

void notify_close_others(void)
{
	unsigned n = environment_number("LISTEN_PID") == (unsigned long long)getpid() ?
			     (unsigned)environment_number("LISTEN_FDS") : 0;

	close_range(LISTEN_FDS_START + n, ~0u, 0);
}

int notify_accept(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, -1);
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

uint64_t notify_watchdog_usec(void)
{
	const char *pid = getenv("WATCHDOG_PID");

	if (pid && environment_number("WATCHDOG_PID") != (unsigned long long)getpid())
		return 0;
	return environment_number("WATCHDOG_USEC");
}
