/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VNET_BENCH_H
#define VNET_BENCH_H

/*
 * bench.h - what the programs of this benchmark share
 *
 * Each of them makes COUNT ports one after the other, prints the microseconds
 * of each on a line of its own, then "done", holds what it made until its
 * standard input ends, and takes it away.  So the driver decides how many
 * ports exist while another program is measured.
 */

#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BENCH_COUNT_MAX 1000

static inline uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline void bench_print(uint64_t start)
{
	printf("%.1f\n", (double)(bench_now() - start) / 1000);
}

static inline unsigned bench_count(const char *text)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (!n || n > BENCH_COUNT_MAX)
		error(2, 0, "count must be 1..%u", BENCH_COUNT_MAX);
	return (unsigned)n;
}

static inline void bench_hold(void)
{
	char c;

	puts("done");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
}

/* One message with at most one descriptor; returns it, or -1 when there was none. */
static inline int bench_recv(int sock, void *data, size_t size, ssize_t *ret_len)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg;
	int fd = -1;

	*ret_len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	if (*ret_len < 0)
		error(1, errno, "recvmsg");
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

#endif
