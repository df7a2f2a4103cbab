/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire.c - varlink's framing on a UNIX stream socket; see wire.h. */

#include "client/wire.h"

#include "base/clock.h"
#include "vnet/vnet.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (64UL * 1024)

static int wait_for(struct wire *w, short events, int64_t deadline, struct vnet_error *err);
static int read_some(struct wire *w, struct vnet_error *err);
static int keep_fds(struct wire *w, struct msghdr *msg, struct vnet_error *err);
static void compact(struct wire *w);

void fd_vec_close(fd_vec *fds)
{
	vec_each(fd, fds)
		close(*fd);
	vec_free(fds);
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	strbuf_free(&w->in);
	w->start = w->scanned = 0;
	fd_vec_close(&w->fds);
}

int64_t wire_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? WIRE_FOREVER : clock_now_ms() + timeout_ms;
}

int wire_send(struct wire *w, const char *text, size_t size, int64_t deadline,
	      struct vnet_error *err)
{
	size_t sent = 0;

	if (size > VNET_MESSAGE_MAX)
		return vnet_error_set(err, -EMSGSIZE, "message-too-large",
				      "the request has %zu bytes, more than the %lu that netd takes",
				      size, VNET_MESSAGE_MAX);
	size++; /* the NUL that ends the string ends the message */
	while (sent < size) {
		ssize_t n = send(w->fd, text + sent, size - sent, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return vnet_error_set(err, -ECONNRESET, "connection-closed",
					      "netd closed the connection: %s", strerror(errno));
		r = wait_for(w, POLLOUT, deadline, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int wire_receive(struct wire *w, int64_t deadline, const char **ret_text, size_t *ret_size,
		 fd_vec *ret_fds, struct vnet_error *err)
{
	char *end;
	int r;

	for (;;) {
		end = w->in.len > w->scanned ?
			memchr(w->in.s + w->scanned, '\0', w->in.len - w->scanned) : NULL;
		if (end)
			break;
		w->scanned = w->in.len;
		if (w->in.len - w->start > VNET_MESSAGE_MAX)
			return vnet_error_set(err, -EMSGSIZE, "message-too-large",
					      "netd sent a message of more than %lu bytes",
					      VNET_MESSAGE_MAX);
		r = read_some(w, err);
		if (r == -EAGAIN && deadline != WIRE_NOW)
			r = wait_for(w, POLLIN, deadline, err);
		if (r < 0)
			return r;
	}
	*ret_text = w->in.s + w->start;
	*ret_size = (size_t)(end - *ret_text);
	w->start = w->scanned = (size_t)(end - w->in.s) + 1;
	vec_each(fd, &w->fds)
		vec_push(ret_fds, *fd);
	w->fds.n = 0;
	return 0;
}

bool wire_has_more(const struct wire *w)
{
	return w->in.len > w->start || w->fds.n;
}

static int wait_for(struct wire *w, short events, int64_t deadline, struct vnet_error *err)
{
	for (;;) {
		struct pollfd p = { .fd = w->fd, .events = events };
		int64_t left = deadline == WIRE_FOREVER ? -1 : deadline - clock_now_ms();
		int n;

		if (deadline != WIRE_FOREVER && left < 0)
			left = 0;
		n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n > 0)
			return 0;
		if (n == 0 && deadline != WIRE_FOREVER && clock_now_ms() >= deadline)
			return vnet_error_set(err, -ETIMEDOUT, "timeout",
					      "netd did not answer in time");
		if (n < 0 && errno != EINTR)
			return vnet_error_set(err, -errno, "internal", "poll: %s", strerror(errno));
	}
}

/* One recvmsg(): bytes go to w->in, descriptors to w->fds. */
static int read_some(struct wire *w, struct vnet_error *err)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	} control;
	struct iovec iov;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n;
	int r;

	compact(w);
	mem_vec_grow((void **)&w->in.s, &w->in.cap, w->in.len + CHUNK + 1, 1);
	iov = (struct iovec){ .iov_base = w->in.s + w->in.len, .iov_len = CHUNK };
	do
		n = recvmsg(w->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n < 0)
		return vnet_error_set(err, -ECONNRESET, "connection-closed",
				      "the connection to netd broke: %s", strerror(errno));
	r = keep_fds(w, &msg, err);
	if (r < 0)
		return r;
	if (n == 0)
		return vnet_error_set(err, -ECONNRESET, "connection-closed",
				      w->in.len > w->start ?
				      "netd closed the connection in the middle of its answer" :
				      "netd closed the connection without an answer");
	w->in.len += (size_t)n;
	return 0;
}

/* Every descriptor the kernel installed is recorded first, so that none leaks whatever follows. */
static int keep_fds(struct wire *w, struct msghdr *msg, struct vnet_error *err)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			vec_push(&w->fds, fd);
		}
	}
	if (msg->msg_flags & MSG_CTRUNC)
		return vnet_error_set(err, -EMFILE, "too-many-descriptors",
				      "this process may not open all descriptors that netd sent; "
				      "raise its limit (ulimit -n)");
	if (w->fds.n > WIRE_FDS_MAX)
		return vnet_error_set(err, -EPROTO, "protocol-error",
				      "netd sent more than %d descriptors with one message",
				      WIRE_FDS_MAX);
	return 0;
}

/* Drops what was handed out, but moves the rest only when that is cheap. */
static void compact(struct wire *w)
{
	size_t rest = w->in.len - w->start;

	if (!w->start || rest > w->start)
		return;
	memmove(w->in.s, w->in.s + w->start, rest);
	w->scanned -= w->start;
	w->in.len = rest;
	w->start = 0;
}
