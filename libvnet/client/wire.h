/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_CLIENT_WIRE_H
#define VNET_CLIENT_WIRE_H

/*
 * wire.h - varlink's framing on a UNIX stream socket, descriptors included
 *
 * A message is bytes ended by NUL.  Descriptors arrive with some byte of the
 * message they belong to.  Because a client has one call under way at a time,
 * all descriptors that arrived until a message is complete are that message's.
 *
 * Deadlines are wire_deadline() values; WIRE_NOW never waits.
 */

#include "base/mem.h"
#include "base/strbuf.h"
#include "vnet/error.h"

#include <stdint.h>

#define WIRE_FDS_MAX 253 /* SCM_MAX_FD of the kernel: more cannot come with one message */
#define WIRE_NOW INT64_MIN
#define WIRE_FOREVER INT64_MAX

typedef VEC(int) fd_vec;
void fd_vec_close(fd_vec *fds);
#define AUTO_FDS __attribute__((cleanup(fd_vec_close)))

struct wire {
	int fd;              /* owned, non-blocking; -1: closed */
	struct strbuf in;    /* received */
	size_t start;        /* what lies before was handed out */
	size_t scanned;      /* no NUL between start and here */
	fd_vec fds;          /* received, of the message that is being completed */
};

/* Closes the socket and every descriptor that nobody took. */
void wire_close(struct wire *w);

/* Monotonic time in ms, timeout_ms from now; -1: WIRE_FOREVER. */
int64_t wire_deadline(int timeout_ms);

/*
 * Sends text and its NUL.  -ETIMEDOUT, -EMSGSIZE, -ECONNRESET.  A peer that
 * hung up may have said why: read before giving up on -ECONNRESET.
 */
int wire_send(struct wire *w, const char *text, size_t size, int64_t deadline,
	      struct vnet_error *err);

/*
 * Takes the next message: *ret_text (NUL-terminated, valid until the next call)
 * and the descriptors that came with it, appended to ret_fds.  -EAGAIN: not
 * complete and WIRE_NOW (err untouched); -ETIMEDOUT, -ECONNRESET (the peer closed the
 * connection), -EMSGSIZE, -EMFILE (descriptors were lost to our own limit), -EPROTO.
 */
int wire_receive(struct wire *w, int64_t deadline, const char **ret_text, size_t *ret_size,
		 fd_vec *ret_fds, struct vnet_error *err);

/* True when bytes or descriptors beyond the last message are waiting here. */
bool wire_has_more(const struct wire *w);

#endif
