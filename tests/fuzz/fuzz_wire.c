/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_wire.c - the client's side of the framing, against a netd that sends anything
 *
 * The input is pieces as fuzz_server.c has them: two bytes of length, one that says
 * how many descriptors come with the piece (bits 0-2), and whether the client looks
 * after it (bit 3). Messages come out as they went in, cut or joined as they were, and
 * every descriptor comes out once.
 */

#include "client/wire.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct taken {
	size_t n_bytes, n_fds;
	bool has_ended;
};

/* The messages that are there. */
static void take(struct wire *w, const struct strbuf *sent, struct taken *taken)
{
	struct vnet_error err = { 0 };
	const char *text;
	size_t size;

	while (!taken->has_ended) {
		AUTO_FDS fd_vec fds = { 0 };
		int r = wire_receive(w, WIRE_NOW, &text, &size, &fds, &err);

		must(r == 0 || r == -EAGAIN || vnet_error_is_set(&err));
		taken->has_ended = r < 0 && r != -EAGAIN;
		if (r < 0)
			return;
		must(strlen(text) == size && taken->n_bytes + size < sent->len);
		must(memcmp(sent->s + taken->n_bytes, text, size + 1) == 0);
		taken->n_bytes += size + 1;
		taken->n_fds += fds.n;
		vec_each (fd, &fds)
			must(fcntl(*fd, F_GETFD) == FD_CLOEXEC);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t before = open_descriptors(), n_fds = 0;
	AUTO_STRBUF struct strbuf sent = { 0 };
	struct taken taken = { 0 };
	struct talk server = { 0 };
	struct wire w = { 0 };
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	w.fd = pair[0];
	server.fd = pair[1];
	while (size >= 3) {
		size_t n = data[0] | (size_t)data[1] << 8;
		uint8_t how = data[2];

		data += 3;
		size -= 3;
		n = n < size ? n : size;
		if (n && !talk_send(&server, data, n, how & 7))
			break;
		strbuf_append_n(&sent, (const char *)data, n);
		n_fds += n ? how & 7 : 0;
		data += n;
		size -= n;
		if (how & 8)
			take(&w, &sent, &taken);
	}
	talk_close(&server);
	take(&w, &sent, &taken);
	must(taken.has_ended && taken.n_fds <= n_fds);
	for (size_t i = taken.n_bytes; i < sent.len; i++)
		must(sent.s[i]); /* all messages have come */
	wire_close(&w);
	must(open_descriptors() == before);
	return 0;
}
