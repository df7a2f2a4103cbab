/* SPDX-License-Identifier: GPL-2.0-or-later */
/* talk.c - a client of netd's server, for fuzzers; see talk.h. */

#include "tests/fuzz/talk.h"

#include "base/mem.h"
#include "netd/server.h"
#include "tests/fuzz/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 253 /* SCM_MAX_FD */
#define DESCRIPTORS_LOOKED_AT 256

size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < DESCRIPTORS_LOOKED_AT; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int talk_listen(const char *path)
{
	int fd = -1;

	must(server_listen(path, &fd, NULL) == 0);
	return fd;
}

void talk_dial(struct talk *t, const char *path, bool is_root)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uid_t uid = geteuid();

	*t = (struct talk){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
	must(t->fd >= 0 && strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	if (!is_root && uid == 0)
		must(seteuid(TALK_NOBODY) == 0);
	must(connect(t->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	must(seteuid(uid) == 0);
}

void talk_close(struct talk *t)
{
	close(t->fd);
	strbuf_free(&t->in);
}

bool talk_send(struct talk *t, const uint8_t *data, size_t size, unsigned n_fds)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(8 * sizeof(int))];
	} control;
	ssize_t n;

	memset(&control, 0, sizeof(control));
	if (n_fds) {
		int fds[8] = { 0 };

		message.msg_control = control.buf;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(n_fds * sizeof(int)) };
		memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
	}
	n = sendmsg(t->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	for (ssize_t i = 0; i < n; i++)
		t->n_sent += !data[i];
	return n == (ssize_t)size;
}

static void check_message(struct talk *t, const char *text, size_t size)
{
	json_t *message = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const json_t *error = json_object_get(message, "error");
	bool continues = json_is_true(json_object_get(message, "continues"));

	must(json_is_object(json_object_get(message, "parameters")));
	must(json_object_size(message) == (error || continues ? 2 : 1));
	must(!error || strchr(json_string_value(error), '.'));
	t->n_answers += !continues;
	t->n_continued += continues;
	json_decref(message);
}

static void check_messages(struct talk *t)
{
	size_t at = 0;
	char *end;

	while (at < t->in.len && (end = memchr(t->in.s + at, '\0', t->in.len - at))) {
		check_message(t, t->in.s + at, (size_t)(end - t->in.s) - at);
		at = (size_t)(end - t->in.s) + 1;
	}
	if (at) {
		memmove(t->in.s, t->in.s + at, t->in.len - at);
		t->in.len -= at;
	}
}

static void close_received(struct talk *t, struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			must(close(fd) == 0);
			t->n_fds++;
		}
}

bool talk_receive(struct talk *t, size_t limit)
{
	static char buf[65536];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = limit < sizeof(buf) ? limit : sizeof(buf) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(t->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	must(!(message.msg_flags & MSG_CTRUNC));
	close_received(t, &message);
	strbuf_append_n(&t->in, buf, (size_t)n);
	check_messages(t);
	return true;
}
