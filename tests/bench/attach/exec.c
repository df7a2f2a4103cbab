/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec.c - what a VMM waits for when it starts a program for its TAP
 *
 * usage: exec COUNT helper PROGRAM [ARG...]
 *        exec COUNT script PROGRAM
 *
 * helper: QEMU's helper contract.  PROGRAM runs with the arguments, where
 * "%fd" is the number of a socket, and sends one byte and the descriptor over
 * it.  script: QEMU's script= contract.  A TAP is made, PROGRAM runs with its
 * name.  Measured from before the fork until the descriptor can be used.
 */

#include "bench.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#define ARGS_MAX 32

extern char **environ;

static int by_helper(char **argv);
static int by_script(const char *program, unsigned number);
static pid_t start(char **argv);
static void finish(pid_t pid, const char *program);

int main(int argc, char **argv)
{
	static int fds[BENCH_COUNT_MAX];
	unsigned count;

	if (argc < 4 || argc > ARGS_MAX)
		error(2, 0, "usage: exec COUNT helper|script PROGRAM [ARG...]");
	count = bench_count(argv[1]);
	for (unsigned i = 0; i < count; i++) {
		uint64_t begin = bench_now();

		fds[i] = strcmp(argv[2], "script") ? by_helper(argv + 3) : by_script(argv[3], i);
		bench_print(begin);
	}
	bench_hold();
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	return 0;
}

static int by_helper(char **argv)
{
	char *args[ARGS_MAX + 1] = {0};
	char fd_args[ARGS_MAX][64];
	int pair[2], fd;
	ssize_t len;
	pid_t pid;
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		error(1, errno, "socketpair");
	if (fcntl(pair[1], F_SETFD, 0))
		error(1, errno, "fcntl");
	for (unsigned i = 0; argv[i]; i++) {
		char *mark = strstr(argv[i], "%fd");

		args[i] = argv[i];
		if (mark) {
			snprintf(fd_args[i], sizeof(fd_args[i]), "%.*s%d", (int)(mark - argv[i]),
				 argv[i], pair[1]);
			args[i] = fd_args[i];
		}
	}
	pid = start(args);
	close(pair[1]);
	fd = bench_recv(pair[0], &byte, 1, &len);
	if (len != 1 || fd < 0)
		error(1, 0, "%s sent no descriptor", argv[0]);
	close(pair[0]);
	/* QEMU waits for its helper too. */
	finish(pid, argv[0]);
	return fd;
}

static int by_script(const char *program, unsigned number)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	char *args[] = {(char *)program, ifr.ifr_name, NULL};
	char name[2 * IFNAMSIZ];

	snprintf(name, sizeof(name), "s%u.%u", (unsigned)getpid() % 1000000, number % 1000);
	memcpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		error(1, errno, "TUNSETIFF");
	finish(start(args), program);
	return fd;
}

static pid_t start(char **argv)
{
	pid_t pid;
	int r = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);

	if (r)
		error(1, r, "%s", argv[0]);
	return pid;
}

static void finish(pid_t pid, const char *program)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
		error(1, 0, "%s failed", program);
}
