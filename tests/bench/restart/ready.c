/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ready.c - how long a daemon takes from exec to READY=1
 *
 * usage: ready SOCKET COMMAND...
 *
 * Binds SOCKET as $NOTIFY_SOCKET, starts COMMAND, prints the milliseconds until
 * it says READY=1 there (sd_notify(3)), ends it by SIGTERM and waits for that.
 * exit: 1 when it was not ready within a minute, or failed.
 */

#include <errno.h>
#include <error.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		error(2, 0, "%s is too long", path);
	strcpy(address.sun_path, path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setenv("NOTIFY_SOCKET", path, 1) < 0)
		error(1, errno, "%s", path);
	return fd;
}

static bool is_ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	double end = now_ms() + PATIENCE_MS, left;
	char text[4096];
	ssize_t n;

	while ((left = end - now_ms()) > 0) {
		if (poll(&p, 1, (int)left + 1) < 1)
			continue;
		n = recv(fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		if (strstr(text, "READY=1"))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	double start;
	bool ready;
	int fd, status;
	pid_t pid;

	if (argc < 3)
		error(2, 0, "usage: ready SOCKET COMMAND...");
	fd = listen_at(argv[1]);
	start = now_ms();
	pid = vfork();
	if (pid < 0)
		error(1, errno, "vfork");
	if (pid == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	ready = is_ready(fd);
	start = now_ms() - start;
	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) < 0 || !ready ||
	    (status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)))
		error(1, 0, "%s was not ready, or failed", argv[2]);
	printf("%.2f\n", start);
	return 0;
}
