/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.c - varlink over a UNIX stream socket; see server.h.
 *
 * Theory of operation. A connection is reading (no call in work, EPOLLIN armed),
 * working (a method holds its call) or writing (a reply has not left the
 * buffer, EPOLLOUT armed). Only a reading connection takes bytes in, so each
 * holds at most one message and one reply; only streams may queue more, up to
 * STREAM_BACKLOG_MAX.
 */

#include "netd/server.h"

#include "base/mem.h"
#include "netd/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_CHUNK (16 * 1024)
#define ACCEPTS_PER_ROUND 64
#define BUFFER_KEEP (64 * 1024) /* a larger buffer is given back when it is empty */
#define TURN_USEC 2000 /* of one client's calls that came at once; then it is the others' turn */

struct call {
	struct connection *connection; /* NULL: the client is gone */
	bool wants_more;
	bool is_oneway;
	bool is_stream;
	void (*on_close)(void *arg);
	void *on_close_arg;
};

struct connection {
	struct server *server;
	struct connection *next, *prev; /* least recently active first */
	struct loop_source *source;
	int fd;
	uint32_t events;
	struct peer peer;
	char *in;
	size_t in_size, in_cap, in_scanned;
	char *out;
	size_t out_size, out_cap, out_sent;
	int fds[CALL_FDS_MAX];  /* go with the first byte of the output */
	size_t n_fds;
	struct call *call;      /* being worked on, or a stream */
	bool has_called;        /* it is a client, not only a connection */
	bool is_closing;        /* when the output has left */
};

struct server {
	struct loop *loop;
	int fd;
	struct loop_source *source;
	const struct server_interface *interface;
	struct connection *first, *last;
	size_t n_connections;
};

static const char service_interface[] = "org.varlink.service";
/* The text of the varlink specification, https://varlink.org/Service. */
static const char service_description[] =
	"# The Varlink Service Interface is provided by every varlink service.\n"
	"interface org.varlink.service\n\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n  product: string,\n  version: string,\n  url: string,\n"
	"  interfaces: []string\n)\n\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

static void connection_io(void *arg, uint32_t events);
static void connection_close(struct connection *c);
static void connection_update(struct connection *c);

/* ---- listening ---- */

int server_listen(const char *path, int *ret_fd, struct vnet_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return vnet_error_set(err, -ENAMETOOLONG, "socket-path",
				      "socket path %s has more than %zu bytes", path,
				      sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return vnet_error_set(err, -errno, "socket", "cannot make a socket: %s",
				      strerror(errno));
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		int number = -errno;

		close(fd);
		return vnet_error_set(err, number, "socket", "cannot listen on %s: %s", path,
				      strerror(-number));
	}
	*ret_fd = fd;
	return 0;
}

/* ---- the list of connections, least recently active first ---- */

static void list_remove(struct connection *c)
{
	struct server *s = c->server;

	*(c->prev ? &c->prev->next : &s->first) = c->next;
	*(c->next ? &c->next->prev : &s->last) = c->prev;
	c->next = c->prev = NULL;
}

static void list_append(struct connection *c)
{
	struct server *s = c->server;

	c->prev = s->last;
	c->next = NULL;
	*(s->last ? &s->last->next : &s->first) = c;
	s->last = c;
}

static bool connection_is_idle(const struct connection *c)
{
	return !c->call && c->out_size == 0;
}

/* The one of the two to close: idle, rather one that never called, rather the longer idle (old). */
static struct connection *rather(struct connection *old, struct connection *c)
{
	if (!connection_is_idle(c) || (old && (c->has_called || !old->has_called)))
		return old;
	return c;
}

/*
 * Room for one more of this peer: past the limits an idle connection goes, of
 * the same user first, so that one user's idle crowd locks out nobody, not even
 * that user's next call.
 */
static bool make_room(struct server *s, const struct peer *peer)
{
	struct connection *idle_own = NULL, *idle_any = NULL;
	size_t n_own = 0;

	for (struct connection *c = s->first; c; c = c->next) {
		idle_any = rather(idle_any, c);
		if (c->peer.uid != peer->uid)
			continue;
		n_own++;
		idle_own = rather(idle_own, c);
	}
	if (n_own >= CONNECTIONS_PER_UID_MAX) {
		if (!idle_own)
			return false;
		connection_close(idle_own);
	} else if (s->n_connections >= CONNECTIONS_MAX) {
		/* Root gets in at the cost of another; others do not push anyone out. */
		if (peer->uid != 0 || !idle_any)
			return false;
		connection_close(idle_any);
	}
	return true;
}

/* ---- accepting ---- */

static int read_peer(int fd, struct peer *ret)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	uint32_t groups[256];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	ret->uid = cred.uid;
	ret->gid = cred.gid;
	ret->pid = cred.pid;
	/* Linux 4.13. Someone in more than 256 groups is judged by uid and gid alone. */
	size = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
		for (size_t i = 0; i < size / sizeof(groups[0]); i++)
			vec_push(&ret->groups, groups[i]);
	return 0;
}

static void connection_add(struct server *s, int fd)
{
	struct connection *c = mem_alloc(sizeof(*c));
	int r;

	c->server = s;
	c->fd = fd;
	r = read_peer(fd, &c->peer);
	if (r == 0 && !make_room(s, &c->peer))
		r = -EUSERS;
	if (r == 0) {
		c->events = EPOLLIN;
		r = loop_add(s->loop, fd, c->events, connection_io, c, &c->source);
	}
	if (r < 0) {
		log_debug("connection of uid %u refused: %s", c->peer.uid, strerror(-r));
		vec_free(&c->peer.groups);
		close(fd);
		free(c);
		return;
	}
	s->n_connections++;
	list_append(c);
}

static void server_accept(void *arg, uint32_t events)
{
	static struct log_limit limit = LOG_LIMIT(60, 3);
	struct server *s = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			connection_add(s, fd);
		} else {
			if (errno != EAGAIN && errno != ECONNABORTED && log_limit_pass(&limit))
				log_error("cannot accept a connection: %s", strerror(errno));
			/* Out of descriptors: someone idle must go, or accept() spins. */
			if ((errno == EMFILE || errno == ENFILE) && s->first)
				connection_close(s->first);
			return;
		}
	}
}

int server_new(struct loop *loop, int fd, const struct server_interface *interface,
	       struct server **ret, struct vnet_error *err)
{
	struct server *s = mem_alloc(sizeof(*s));
	int r;

	s->loop = loop;
	s->fd = fd;
	s->interface = interface;
	r = loop_add(loop, fd, EPOLLIN, server_accept, s, &s->source);
	if (r < 0) {
		free(s);
		return vnet_error_set(err, r, "socket", "cannot watch the socket: %s", strerror(-r));
	}
	*ret = s;
	return 0;
}

struct server *server_free(struct server *s)
{
	if (!s)
		return NULL;
	while (s->first)
		connection_close(s->first);
	loop_remove(s->source);
	close(s->fd);
	free(s);
	return NULL;
}

size_t server_n_connections(const struct server *s)
{
	return s->n_connections;
}

static void close_fds(struct connection *c)
{
	for (size_t i = 0; i < c->n_fds; i++)
		close(c->fds[i]);
	c->n_fds = 0;
}

static void connection_close(struct connection *c)
{
	struct call *call = TAKE(c->call);

	loop_remove(c->source);
	list_remove(c);
	c->server->n_connections--;
	close(c->fd);
	close_fds(c);
	vec_free(&c->peer.groups);
	free(c->in);
	free(c->out);
	free(c);
	if (!call)
		return;
	/* A method may hold the call: it learns by call_is_alive(), or now if it streams. */
	call->connection = NULL;
	if (call->is_stream) {
		if (call->on_close)
			call->on_close(call->on_close_arg);
		free(call);
	}
}

/* ---- writing ---- */

static int send_some(struct connection *c)
{
	struct iovec iov = { .iov_base = c->out + c->out_sent, .iov_len = c->out_size - c->out_sent };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(CALL_FDS_MAX * sizeof(int))];
	} control;
	ssize_t n;

	if (c->n_fds) {
		struct cmsghdr *cmsg = &control.align;

		memset(&control, 0, sizeof(control)); /* its padding is sent as well */
		message.msg_control = control.buf;
		message.msg_controllen = CMSG_SPACE(c->n_fds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(c->n_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), c->fds, c->n_fds * sizeof(int));
	}
	n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	close_fds(c);
	c->out_sent += (size_t)n;
	return 0;
}

/* Sends what the socket takes; false: the connection is closed. */
static bool connection_flush(struct connection *c)
{
	if (c->out_sent < c->out_size && send_some(c) < 0) {
		connection_close(c);
		return false;
	}
	if (c->out_sent == c->out_size) {
		c->out_sent = c->out_size = 0;
		if (c->out_cap > BUFFER_KEEP) {
			free(c->out);
			c->out = NULL;
			c->out_cap = 0;
		}
		if (c->is_closing) {
			connection_close(c);
			return false;
		}
	}
	return true;
}

/* Arms what the connection waits for now. */
static void connection_update(struct connection *c)
{
	uint32_t events = 0;

	/* Input that was not looked at yet: the next turn comes as soon as one can write. */
	if (c->out_size || (!c->call && c->in_size > c->in_scanned))
		events |= EPOLLOUT;
	else if (!c->call || c->call->is_stream)
		events |= EPOLLIN; /* a stream's client says nothing more: watched for its end */
	if (events != c->events && loop_modify(c->source, events) == 0)
		c->events = events;
}

static int append_out(const char *text, size_t size, void *arg)
{
	struct connection *c = arg;

	mem_vec_grow((void **)&c->out, &c->out_cap, c->out_size + size, 1);
	memcpy(c->out + c->out_size, text, size);
	c->out_size += size;
	return 0;
}

static void connection_queue(struct connection *c, const json_t *message)
{
	/* A reader who is never quite done must not make the buffer grow by all that it has read. */
	if (c->out_sent > BUFFER_KEEP) {
		c->out_size -= c->out_sent;
		memmove(c->out, c->out + c->out_sent, c->out_size);
		c->out_sent = 0;
	}
	json_dump_callback(message, append_out, c, JSON_COMPACT);
	append_out("", 1, c);
}

/* ---- calls ---- */

const struct peer *call_peer(const struct call *call)
{
	return &call->connection->peer;
}

bool call_wants_more(const struct call *call)
{
	return call->wants_more;
}

bool call_is_alive(const struct call *call)
{
	return call->connection != NULL;
}

void call_on_close(struct call *call, void (*fn)(void *arg), void *arg)
{
	call->on_close = fn;
	call->on_close_arg = arg;
}

/* The last message of a call: takes all arguments. */
static void call_finish(struct call *call, json_t *message, const int *fds, size_t n_fds)
{
	struct connection *c = call->connection;

	if (c && !call->is_oneway) {
		memcpy(c->fds, fds, n_fds * sizeof(*fds));
		c->n_fds = n_fds;
		connection_queue(c, message);
	} else {
		for (size_t i = 0; i < n_fds; i++)
			close(fds[i]);
	}
	json_decref(message);
	if (c) {
		c->call = NULL;
		if (connection_flush(c))
			connection_update(c);
	}
	free(call);
}

void call_reply_with_fds(struct call *call, json_t *parameters, const int *fds, size_t n_fds)
{
	call_finish(call, json_pack("{s:o}", "parameters", parameters ? parameters : json_object()),
		    fds, n_fds);
}

void call_reply(struct call *call, json_t *parameters)
{
	call_reply_with_fds(call, parameters, (int[1]){ -1 }, 0);
}

bool call_stream(struct call *call, json_t *parameters)
{
	struct connection *c = call->connection;
	json_t *message;

	if (c->out_size - c->out_sent > STREAM_BACKLOG_MAX) {
		json_decref(parameters);
		return false;
	}
	call->is_stream = true;
	message = json_pack("{s:o,s:b}", "parameters", parameters, "continues", 1);
	connection_queue(c, message);
	json_decref(message);
	/* Sent by the loop: a broken pipe must not free the call under its owner's feet. */
	connection_update(c);
	return true;
}

json_t *problem_to_json(const struct vnet_error *err)
{
	json_t *problem = json_pack("{s:s,s:s}", "code", err->code, "message", err->message);

	/* A cut inside a UTF-8 sequence makes json_pack() refuse the text. */
	if (!problem)
		problem = json_pack("{s:s,s:s}", "code", err->code, "message",
				    "the message is not valid UTF-8");
	if (err->file[0])
		json_object_set_new(problem, "file", json_string(err->file));
	if (err->line) {
		json_object_set_new(problem, "line", json_integer(err->line));
		json_object_set_new(problem, "column", json_integer(err->column));
	}
	if (err->path[0])
		json_object_set_new(problem, "path", json_string(err->path));
	if (err->kernel[0])
		json_object_set_new(problem, "kernel", json_string(err->kernel));
	return problem;
}

static const char *error_name(const struct vnet_error *err)
{
	static const struct {
		const char *code, *name;
	} by_code[] = {
		{ "network-unknown", "NotFound" },   { "port-unknown", "NotFound" },
		{ "network-in-use", "InUse" },	     { "needs-disruption", "NeedsDisruption" },
		{ "parameter-invalid", "InvalidParameter" }, { "owner-unknown", "NotFound" },
	};
	static const struct {
		int number;
		const char *name;
	} by_number[] = {
		{ -EACCES, "PermissionDenied" }, { -EPERM, "PermissionDenied" },
		{ -EEXIST, "AlreadyExists" },	 { -EINVAL, "InvalidDefinition" },
		{ -ENOENT, "NotFound" },	 { -EUSERS, "LimitExceeded" },
		{ -EMSGSIZE, "LimitExceeded" },	 { -E2BIG, "LimitExceeded" },
		{ -EBUSY, "InUse" },		 { -EADDRINUSE, "InUse" },
		{ -ENODEV, "NotFound" },	 { -EADDRNOTAVAIL, "LimitExceeded" },
		{ -ENETDOWN, "NotRunning" },	 { -EOPNOTSUPP, "InvalidDefinition" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(by_code); i++)
		if (strcmp(by_code[i].code, err->code) == 0)
			return by_code[i].name;
	/* What the kernel said is the kernel's failure, whatever the number. */
	for (size_t i = 0; !err->kernel[0] && i < ARRAY_SIZE(by_number); i++)
		if (by_number[i].number == err->number)
			return by_number[i].name;
	return "KernelFailure";
}

void call_fail(struct call *call, const struct vnet_error *err, json_t *more)
{
	char name[64];
	json_t *parameters = json_pack("{s:o}", "problem", problem_to_json(err));

	if (more) {
		json_object_update(parameters, more);
		json_decref(more);
	}
	snprintf(name, sizeof(name), "io.vnet.Netd.%s", error_name(err));
	call_finish(call, json_pack("{s:s,s:o}", "error", name, "parameters", parameters),
		    (int[1]){ -1 }, 0);
}

/* An error of the varlink layer: {"error": org.varlink.service.NAME, "parameters": {KEY: VALUE}}. */
static void call_fail_service(struct call *call, const char *name, const char *key,
			      const char *value)
{
	char error[64];
	json_t *parameters = json_object();

	if (key)
		json_object_set_new(parameters, key, json_string(value));
	snprintf(error, sizeof(error), "%s.%s", service_interface, name);
	call_finish(call, json_pack("{s:s,s:o}", "error", error, "parameters", parameters),
		    (int[1]){ -1 }, 0);
}

static void call_service(struct call *call, const struct server_interface *own, const char *method,
			 const json_t *parameters)
{
	if (strcmp(method, "GetInfo") == 0) {
		call_reply(call, json_pack("{s:s,s:s,s:s,s:s,s:[s,s]}", "vendor", "vnet", "product",
					   "netd", "version", VNET_VERSION, "url", "", "interfaces",
					   service_interface, own->name));
	} else if (strcmp(method, "GetInterfaceDescription") == 0) {
		const char *name = json_string_value(json_object_get(parameters, "interface"));

		if (!name)
			call_fail_service(call, "InvalidParameter", "parameter", "interface");
		else if (strcmp(name, own->name) == 0)
			call_reply(call, json_pack("{s:s}", "description", own->description));
		else if (strcmp(name, service_interface) == 0)
			call_reply(call, json_pack("{s:s}", "description", service_description));
		else
			call_fail_service(call, "InterfaceNotFound", "interface", name);
	} else {
		call_fail_service(call, "MethodNotFound", "method", method);
	}
}

static void call_own(struct call *call, const struct server_interface *own, const char *name,
		     const json_t *parameters)
{
	const struct method *method = NULL;
	struct vnet_error err = { 0 };

	for (size_t i = 0; i < own->n_methods && !method; i++)
		if (strcmp(own->methods[i].name, name) == 0)
			method = &own->methods[i];
	if (!method) {
		call_fail_service(call, "MethodNotFound", "method", name);
	} else if (method->is_stream && !call->wants_more) {
		call_fail_service(call, "ExpectedMore", NULL, NULL);
	} else if (method->is_for_root && access_check_configure(call_peer(call), &err) < 0) {
		vnet_error_prefix(&err, "%s", name);
		call_fail(call, &err, NULL);
	} else {
		method->fn(own->context, call, parameters);
	}
}

static void dispatch(struct connection *c, const json_t *message)
{
	const struct server_interface *own = c->server->interface;
	const char *full = json_string_value(json_object_get(message, "method"));
	const char *dot = full ? strrchr(full, '.') : NULL;
	const json_t *parameters = json_object_get(message, "parameters");
	AUTO_FREE char *interface = NULL;
	json_t *none = json_object();
	struct call *call = mem_alloc(sizeof(*call));

	call->connection = c;
	call->wants_more = json_is_true(json_object_get(message, "more"));
	call->is_oneway = json_is_true(json_object_get(message, "oneway"));
	c->call = call;
	c->has_called = true;
	if (!parameters || json_is_null(parameters))
		parameters = none;
	if (!dot) {
		call_fail_service(call, "InvalidParameter", "parameter", "method");
	} else if (!json_is_object(parameters)) {
		call_fail_service(call, "InvalidParameter", "parameter", "parameters");
	} else {
		interface = mem_strndup(full, (size_t)(dot - full));
		if (strcmp(interface, own->name) == 0)
			call_own(call, own, dot + 1, parameters);
		else if (strcmp(interface, service_interface) == 0)
			call_service(call, own, dot + 1, parameters);
		else
			call_fail_service(call, "InterfaceNotFound", "interface", interface);
	}
	json_decref(none);
}

/* ---- reading ---- */

/* The last words to a client that broke the protocol. */
static void connection_abort(struct connection *c, const char *code, const char *text)
{
	struct vnet_error err = { 0 };
	struct call *call = mem_alloc(sizeof(*call));

	vnet_error_set(&err, -EMSGSIZE, code, "%s", text);
	call->connection = c;
	c->call = call;
	c->is_closing = true;
	call_fail(call, &err, NULL);
}

/* Takes one whole message from the input, if there is one. False: nothing more to do now. */
static bool connection_next(struct connection *c)
{
	char *end;
	json_t *message;
	json_error_t problem;
	size_t size;

	if (c->call || c->out_size || !c->in_size)
		return false;
	end = memchr(c->in + c->in_scanned, '\0', c->in_size - c->in_scanned);
	if (!end) {
		size_t limit = c->peer.uid == 0 ? MESSAGE_SIZE_MAX : MESSAGE_SIZE_OTHERS_MAX;

		c->in_scanned = c->in_size;
		if (c->in_size > limit)
			connection_abort(c, "message-too-large",
					 c->peer.uid == 0 ? "a message may have 8 MiB at most"
							  : "a message may have 64 KiB at most");
		return false;
	}
	size = (size_t)(end - c->in);
	message = json_loadb(c->in, size, JSON_REJECT_DUPLICATES, &problem);
	c->in_size -= size + 1;
	c->in_scanned = 0;
	memmove(c->in, end + 1, c->in_size);
	if (c->in_cap > BUFFER_KEEP && !c->in_size) {
		free(c->in);
		c->in = NULL;
		c->in_cap = 0;
	}
	if (!json_is_object(message)) {
		json_decref(message);
		connection_abort(c, "message-invalid", "a message must be a JSON object that ends with a NUL byte");
		return false;
	}
	dispatch(c, message);
	json_decref(message);
	return true;
}

/* False: the connection is closed. */
static bool connection_read(struct connection *c)
{
	struct iovec iov;
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	mem_vec_grow((void **)&c->in, &c->in_cap, c->in_size + READ_CHUNK, 1);
	iov.iov_base = c->in + c->in_size;
	iov.iov_len = READ_CHUNK;
	/* No control buffer: descriptors sent to us are dropped by the kernel (unix(7)). */
	n = recvmsg(c->fd, &message, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		connection_close(c);
		return false;
	}
	if (message.msg_flags & MSG_CTRUNC) {
		connection_abort(c, "descriptors-unasked", "no method takes descriptors");
		return false;
	}
	c->in_size += (size_t)n;
	return true;
}

static void connection_io(void *arg, uint32_t events)
{
	struct connection *c = arg;
	struct server *s = c->server;
	uint64_t until = loop_now() + TURN_USEC;

	if (events & EPOLLOUT && !connection_flush(c))
		return;
	if (c->call) {
		/*
		 * In work, or a stream: input now is the end, or a client that talks out of
		 * turn. Hanging up is told whatever we wait for, so it must end it.
		 */
		if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			connection_close(c);
		else
			connection_update(c);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !c->is_closing && !connection_read(c))
		return;
	list_remove(c);
	list_append(c);
	/* A dispatched call may close the connection; if so it is no longer the last of the list. */
	while (s->last == c && connection_next(c) && loop_now() < until)
		;
	if (s->last == c)
		connection_update(c);
}
