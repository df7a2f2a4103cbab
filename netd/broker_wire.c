/* SPDX-License-Identifier: GPL-2.0-or-later */
/* broker_wire.c - one message between netd and its broker; see broker_wire.h. */

#include "netd/broker_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int broker_send(int fd, const void *message, size_t size, const int *fds, size_t n_fds)
{
	char control[CMSG_SPACE(BROKER_FDS_MAX * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *)message, .iov_len = size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (n_fds) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)), .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static size_t take_descriptors(struct msghdr *m, int fds[BROKER_FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* There is room for no more, and the kernel closes the rest. */
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	return n;
}

int broker_receive(int fd, void *message, size_t size, int fds[BROKER_FDS_MAX], size_t *ret_n_fds)
{
	char control[CMSG_SPACE(BROKER_FDS_MAX * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = { .iov_base = message, .iov_len = size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*ret_n_fds = 0;
	if (n <= 0)
		return n < 0 ? -errno : 0;
	*ret_n_fds = take_descriptors(&m, fds);
	if ((size_t)n == size && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return (int)n;
	while (*ret_n_fds)
		close(fds[--*ret_n_fds]);
	return -EPROTO;
}
