/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_TALK_H
#define TESTS_FUZZ_TALK_H

/*
 * talk.h - a client of netd's server, for fuzzers
 *
 * The server runs in the same process: what the client sends is worked on when
 * the caller turns the loop. Every answer is held to varlink's form.
 */

#include "base/strbuf.h"
#include "netd/loop.h"

#include <stdint.h>

#define TALK_NOBODY 65534

struct talk {
	int fd;
	struct strbuf in;       /* received, up to the last message that was looked at */
	size_t n_sent;          /* messages: NULs that were sent */
	size_t n_answers, n_continued, n_fds;
};

/* A listening socket at path, which is replaced, for server_new(). */
int talk_listen(const char *path);
/* As root or as TALK_NOBODY, by what the kernel tells of us at this moment. */
void talk_dial(struct talk *t, const char *path, bool is_root);
void talk_close(struct talk *t);
/* With so many descriptors at its first byte. False: the server has hung up, or takes no more now. */
bool talk_send(struct talk *t, const uint8_t *data, size_t size, unsigned n_fds);
/* Takes what has come, at most limit bytes at a time, and checks it. False: the end. */
bool talk_receive(struct talk *t, size_t limit);

/* As many as are open; what one input opened must be closed after it. */
size_t open_descriptors(void);

#endif
