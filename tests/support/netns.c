/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netns.c - fresh network namespaces for C tests */

#include "tests/support/netns.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int netns_enter(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd, r = 0;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ifr.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		r = -errno;
	close(fd);
	return r;
}

const char *netns_missing(void)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return "root (network namespaces)";
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		return "/dev/net/tun";
	pid = fork();
	if (pid == 0)
		_exit(netns_enter() < 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return "the right to make network namespaces";
	return NULL;
}
