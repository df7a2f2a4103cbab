/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_SERVER_H
#define NETD_SERVER_H

/*
 * server.h - varlink over a UNIX stream socket
 *
 * The server frames messages, identifies the peer by the kernel, and hands each
 * call to a method of the table. One call of a connection is worked on at a
 * time; the next is read when the reply has left, so a client that does not
 * read costs others nothing. Descriptors that a client sends are never taken
 * in: no method wants any, so no control buffer is offered and the kernel
 * drops them.
 *
 * A method answers by exactly one of call_reply(), call_fail() or, for a stream,
 * call_stream() - at once, or later through the call it kept. call_is_alive()
 * tells whether the client still waits.
 */

#include "model/access.h"
#include "netd/loop.h"
#include "vnet/error.h"

#include <jansson.h>

#define CONNECTIONS_MAX 4096          /* in all */
#define CONNECTIONS_PER_UID_MAX 256   /* past it the peer's longest idle one is closed */
#define MESSAGE_SIZE_MAX (8 * 1024 * 1024)      /* from root */
#define MESSAGE_SIZE_OTHERS_MAX (64 * 1024)     /* from others, who only attach */
#define STREAM_BACKLOG_MAX (1024 * 1024)        /* unsent bytes of a subscriber */
#define CALL_FDS_MAX 128

struct server;
struct call;

typedef void (*method_fn)(void *context, struct call *call, const json_t *parameters);

struct method {
	const char *name;       /* without the interface: "AttachPort" */
	method_fn fn;
	bool is_for_root;       /* configures */
	bool is_stream;         /* needs "more" */
};

struct server_interface {
	const char *name;         /* "io.vnet.Netd" */
	const char *description;  /* its .varlink text */
	const struct method *methods;
	size_t n_methods;
	void *context;
};

/* fd: a listening socket, taken. */
int server_new(struct loop *loop, int fd, const struct server_interface *interface,
	       struct server **ret, struct vnet_error *err);
struct server *server_free(struct server *server);
/* A listening socket at path (mode 0666), in place of one that is there: the caller holds the lock. */
int server_listen(const char *path, int *ret_fd, struct vnet_error *err);
size_t server_n_connections(const struct server *server);

const struct peer *call_peer(const struct call *call);
bool call_wants_more(const struct call *call);
bool call_is_alive(const struct call *call);
/* Takes parameters (NULL: {}). */
void call_reply(struct call *call, json_t *parameters);
/* Takes parameters and the descriptors, which are closed when they have been sent. */
void call_reply_with_fds(struct call *call, json_t *parameters, const int *fds, size_t n_fds);
/* The varlink error that fits err->number and code, with the problem object; more is added to it (taken, or NULL). */
void call_fail(struct call *call, const struct vnet_error *err, json_t *more);
/* One reply of a stream. False: the subscriber's backlog is full, nothing was sent. */
bool call_stream(struct call *call, json_t *parameters);
/* Called when the client of a stream is gone; the call must not be used after it. */
void call_on_close(struct call *call, void (*fn)(void *arg), void *arg);

json_t *problem_to_json(const struct vnet_error *err);

#endif
