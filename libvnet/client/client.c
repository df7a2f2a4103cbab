/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.c - calls and streams over one connection to netd
 *
 * wire.c moves messages; this file gives them varlink's meaning: one call, one
 * reply, unless `more` was asked for.  After anything that leaves the two sides
 * out of step the socket is closed, so that a late answer to an old question
 * can never be taken for the answer to a new one.
 */

#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define INTERFACE "io.vnet.Netd."

struct vnet_client {
	struct wire wire;
	int timeout_ms;
	bool is_stream;
	char *error_name;       /* of the last call, or NULL */
	json_t *error_parameters;
	char *error_text;       /* the same as text, made on demand */
};

/* What netd's errors mean as errno; the names are those of the varlink file. */
static const struct {
	const char *name;
	int number;
} error_numbers[] = {
	{ "io.vnet.Netd.NotFound", -ENOENT },
	{ "io.vnet.Netd.AlreadyExists", -EEXIST },
	{ "io.vnet.Netd.InvalidDefinition", -EINVAL },
	{ "io.vnet.Netd.InvalidParameter", -EINVAL },
	{ "io.vnet.Netd.PermissionDenied", -EACCES },
	{ "io.vnet.Netd.InUse", -EBUSY },
	{ "io.vnet.Netd.NotRunning", -ENETDOWN },
	{ "io.vnet.Netd.NeedsDisruption", -EBUSY },
	{ "io.vnet.Netd.LimitExceeded", -EDQUOT },
	{ "io.vnet.Netd.KernelFailure", -EIO },
	{ "org.varlink.service.InvalidParameter", -EINVAL },
	{ "org.varlink.service.PermissionDenied", -EACCES },
	{ "org.varlink.service.InterfaceNotFound", -ENOSYS },
	{ "org.varlink.service.MethodNotFound", -ENOSYS },
	{ "org.varlink.service.MethodNotImplemented", -ENOSYS },
};

static int connect_to(int fd, const char *path, struct vnet_error *err);
static int send_call(struct vnet_client *c, const char *method, const json_t *parameters,
		     bool more, int64_t deadline, struct vnet_error *err);
static int receive_reply(struct vnet_client *c, int64_t deadline, json_t **ret, bool *ret_continues,
			 fd_vec *ret_fds, struct vnet_error *err);
static int check_fds(const json_t *reply, size_t n, struct vnet_error *err);
static int remote_error(struct vnet_client *c, const char *name, json_t *parameters,
			struct vnet_error *err);
static void forget_error(struct vnet_client *c);

const char *vnet_version(void)
{
	return VNET_VERSION;
}

int vnet_client_connect(const char *path, struct vnet_client **ret, struct vnet_error *err)
{
	int fd, r;

	if (!path)
		path = secure_getenv("VNET_SOCKET");
	if (!path || !path[0])
		path = VNET_SOCKET_DEFAULT;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vnet_error_set(err, -errno, "netd-unreachable", "cannot make a socket: %s",
				      strerror(errno));
	r = connect_to(fd, path, err);
	if (r == 0)
		r = vnet_client_from_fd(fd, ret, err);
	if (r < 0)
		close(fd);
	return r;
}

int vnet_client_from_fd(int fd, struct vnet_client **ret, struct vnet_error *err)
{
	struct vnet_client *c;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return vnet_error_set(err, -errno, "netd-unreachable", "descriptor %d: %s", fd,
				      strerror(errno));
	c = mem_alloc(sizeof(*c));
	c->wire.fd = fd;
	c->timeout_ms = VNET_TIMEOUT_DEFAULT_MS;
	*ret = c;
	return 0;
}

void vnet_client_free(struct vnet_client *c)
{
	if (!c)
		return;
	forget_error(c);
	wire_close(&c->wire);
	free(c);
}

void vnet_client_set_timeout(struct vnet_client *c, int timeout_ms)
{
	c->timeout_ms = timeout_ms;
}

int vnet_client_fd(const struct vnet_client *c)
{
	return c->wire.fd;
}

int client_call(struct vnet_client *c, const char *method, const json_t *parameters,
		json_t **ret_reply, struct vnet_error *err)
{
	AUTO_FDS fd_vec fds = { 0 }; /* nobody claims them: closed on the way out */

	return client_call_fds(c, method, parameters, ret_reply, &fds, err);
}

int client_call_fds(struct vnet_client *c, const char *method, const json_t *parameters,
		    json_t **ret_reply, fd_vec *ret_fds, struct vnet_error *err)
{
	int64_t deadline = wire_deadline(c->timeout_ms);
	AUTO_FDS fd_vec fds = { 0 };
	json_t *reply = NULL;
	bool continues = false;
	int r;

	if (c->is_stream)
		return vnet_error_set(err, -EBUSY, "client-busy",
				      "this client serves a stream; connect another one");
	r = send_call(c, method, parameters, false, deadline, err);
	if (r == 0)
		r = receive_reply(c, deadline, &reply, &continues, &fds, err);
	if (continues || wire_has_more(&c->wire)) {
		wire_close(&c->wire); /* what comes next would answer nobody's question */
		if (r == 0)
			r = vnet_error_set(err, -EPROTO, "protocol-error",
					   "netd answered more than once");
	}
	if (r < 0) {
		json_decref(reply);
		return r;
	}
	*ret_fds = fds;
	fds = (fd_vec){ 0 };
	if (ret_reply)
		*ret_reply = reply;
	else
		json_decref(reply);
	return 0;
}

int client_subscribe(struct vnet_client *c, const char *method, const json_t *parameters,
		     struct vnet_error *err)
{
	int r;

	if (c->is_stream)
		return vnet_error_set(err, -EBUSY, "client-busy",
				      "this client serves a stream already; connect another one");
	r = send_call(c, method, parameters, true, wire_deadline(c->timeout_ms), err);
	c->is_stream = r == 0;
	return r;
}

static int next_answer(struct vnet_client *c, int64_t deadline, json_t **ret,
		       struct vnet_error *err)
{
	AUTO_FDS fd_vec fds = { 0 };
	bool continues = false;
	int r;

	if (!c->is_stream)
		return vnet_error_set(err, -EINVAL, "no-stream", "nothing was subscribed to");
	r = receive_reply(c, deadline, ret, &continues, &fds, err);
	if (r < 0)
		return r;
	if (!continues)
		c->is_stream = false;
	return !continues;
}

int client_next(struct vnet_client *c, int timeout_ms, json_t **ret, struct vnet_error *err)
{
	return next_answer(c, wire_deadline(timeout_ms), ret, err);
}

int client_dispatch(struct vnet_client *c, client_handler handler, void *context,
		    struct vnet_error *err)
{
	for (;;) {
		json_t *parameters = NULL;
		int r = next_answer(c, WIRE_NOW, &parameters, err);

		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		handler(context, parameters);
		json_decref(parameters);
		if (r > 0)
			return r;
	}
}

const json_t *client_error_parameters(const struct vnet_client *c)
{
	return c->error_parameters;
}

const char *vnet_client_error_name(const struct vnet_client *c)
{
	return c->error_name;
}

const char *vnet_client_error_parameters(const struct vnet_client *c)
{
	return c->error_text;
}

/* --- the same with text --- */

static int parse_parameters(const char *text, json_t **ret, struct vnet_error *err)
{
	json_error_t e;
	json_t *json;

	if (!text) {
		*ret = NULL;
		return 0;
	}
	json = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	if (json_is_object(json)) {
		*ret = json;
		return 0;
	}
	if (json)
		vnet_error_set(err, -EINVAL, "invalid-json", "parameters must be a JSON object");
	else {
		vnet_error_set(err, -EINVAL, "invalid-json", "parameters: %s", e.text);
		vnet_error_at(err, NULL, (unsigned)e.line, (unsigned)e.column, NULL);
	}
	json_decref(json);
	return -EINVAL;
}

int vnet_client_call(struct vnet_client *c, const char *method, const char *parameters,
		     char **ret_reply, struct vnet_error *err)
{
	json_t *json = NULL, *reply = NULL;
	int r = parse_parameters(parameters, &json, err);

	if (r == 0)
		r = client_call(c, method, json, &reply, err);
	if (r == 0 && ret_reply)
		*ret_reply = json_dumps(reply, JSON_COMPACT);
	json_decref(json);
	json_decref(reply);
	return r;
}

int vnet_client_subscribe(struct vnet_client *c, const char *method, const char *parameters,
			  struct vnet_error *err)
{
	json_t *json = NULL;
	int r = parse_parameters(parameters, &json, err);

	if (r == 0)
		r = client_subscribe(c, method, json, err);
	json_decref(json);
	return r;
}

struct text_handler {
	vnet_client_handler handler;
	void *context;
};

static void handle_as_text(void *context, const json_t *parameters)
{
	struct text_handler *h = context;
	char *text = json_dumps(parameters, JSON_COMPACT);

	h->handler(h->context, text);
	free(text);
}

int vnet_client_dispatch(struct vnet_client *c, vnet_client_handler handler, void *context,
			 struct vnet_error *err)
{
	struct text_handler h = { handler, context };

	return client_dispatch(c, handle_as_text, &h, err);
}

/* --- how --- */

/* Bounded by SO_SNDTIMEO: connect() waits while netd's backlog is full. */
static int connect_to(int fd, const char *path, struct vnet_error *err)
{
	struct timeval patience = { .tv_sec = VNET_TIMEOUT_DEFAULT_MS / 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *hint;

	if (strlen(path) >= sizeof(address.sun_path))
		return vnet_error_set(err, -ENAMETOOLONG, "netd-unreachable",
				      "the socket's path %.80s... has more than %zu characters",
				      path, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	switch (errno) {
	case ENOENT:
	case ECONNREFUSED:
		hint = "; is netd running?";
		break;
	case EAGAIN:
		hint = "; netd is too busy to accept connections";
		break;
	default:
		hint = "";
	}
	return vnet_error_set(err, -errno, "netd-unreachable", "cannot reach netd at %s: %s%s",
			      path, strerror(errno), hint);
}

static int send_call(struct vnet_client *c, const char *method, const json_t *parameters,
		     bool more, int64_t deadline, struct vnet_error *err)
{
	AUTO_FREE char *name = strchr(method, '.') ? mem_strdup(method) :
						     mem_printf(INTERFACE "%s", method);
	AUTO_FREE char *text = NULL;
	json_t *call;
	int r;

	forget_error(c);
	if (c->wire.fd < 0)
		return vnet_error_set(err, -ENOTCONN, "connection-closed",
				      "this connection broke earlier; connect again");
	call = json_pack("{s:s, s:O*}", "method", name, "parameters", parameters);
	if (more && call)
		json_object_set_new(call, "more", json_true());
	text = call ? json_dumps(call, JSON_COMPACT) : NULL;
	json_decref(call);
	if (!text)
		return vnet_error_set(err, -EINVAL, "invalid-parameter",
				      "the request is not valid UTF-8");
	r = wire_send(&c->wire, text, strlen(text), deadline, err);
	if (r == -EMSGSIZE)
		return r; /* nothing was sent: still in step */
	if (r == -ECONNRESET) {
		/* It hung up on us, perhaps after saying why: receive_reply() will see. */
		vnet_error_clear(err);
		return 0;
	}
	if (r < 0)
		wire_close(&c->wire);
	return r;
}

static int receive_reply(struct vnet_client *c, int64_t deadline, json_t **ret, bool *ret_continues,
			 fd_vec *ret_fds, struct vnet_error *err)
{
	json_t *message, *parameters;
	const char *text, *name;
	json_error_t e;
	size_t size;
	int r;

	forget_error(c);
	if (c->wire.fd < 0)
		return vnet_error_set(err, -ENOTCONN, "connection-closed",
				      "this connection broke earlier; connect again");
	r = wire_receive(&c->wire, deadline, &text, &size, ret_fds, err);
	if (r == -EAGAIN)
		return r;
	if (r < 0) {
		wire_close(&c->wire);
		return r;
	}
	message = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);
	parameters = json_object_get(message, "parameters");
	if (!json_is_object(message) || (parameters && !json_is_object(parameters))) {
		vnet_error_set(err, -EPROTO, "protocol-error", "netd's answer is not varlink: %s",
			       message ? "not an object" : e.text);
		json_decref(message);
		wire_close(&c->wire);
		return -EPROTO;
	}
	parameters = parameters ? json_incref(parameters) : json_object();
	name = json_string_value(json_object_get(message, "error"));
	if (name)
		r = remote_error(c, name, parameters, err);
	else
		r = check_fds(parameters, ret_fds->n, err);
	if (r == -EPROTO && !name)
		wire_close(&c->wire);
	*ret_continues = json_is_true(json_object_get(message, "continues"));
	json_decref(message);
	if (r < 0) {
		json_decref(parameters);
		return r;
	}
	*ret = parameters;
	return 0;
}

/* As many descriptors must have come as the reply's `fds` describes, each once. */
static int check_fds(const json_t *reply, size_t n, struct vnet_error *err)
{
	const json_t *fds = json_object_get(reply, "fds");

	if (json_array_size(fds) != n)
		return vnet_error_set(err, -EPROTO, "protocol-error",
				      "netd sent %zu descriptors and described %zu", n,
				      json_array_size(fds));
	for (size_t i = 0; i < n; i++) {
		const json_t *fd = json_array_get(fds, i);

		if (json_integer_value(json_object_get(fd, "index")) != (json_int_t)i ||
		    !json_is_string(json_object_get(fd, "role")))
			return vnet_error_set(err, -EPROTO, "protocol-error",
					      "netd's description of descriptor %zu is wrong", i);
	}
	return 0;
}

static void copy_string(char *to, size_t size, const json_t *problem, const char *key)
{
	const char *s = json_string_value(json_object_get(problem, key));

	if (s)
		snprintf(to, size, "%s", s);
}

/* Keeps the error for those who ask, and decodes its problem unchanged into err. */
static int remote_error(struct vnet_client *c, const char *name, json_t *parameters,
			struct vnet_error *err)
{
	const json_t *problem = json_object_get(parameters, "problem");
	const char *which = strrchr(name, '.');
	struct vnet_error e = { .number = -EREMOTEIO };

	for (size_t i = 0; i < ARRAY_SIZE(error_numbers); i++)
		if (!strcmp(name, error_numbers[i].name))
			e.number = error_numbers[i].number;
	c->error_name = mem_strdup(name);
	c->error_parameters = json_incref(parameters);
	c->error_text = json_dumps(parameters, JSON_COMPACT);
	snprintf(e.code, sizeof(e.code), "%s", which ? which + 1 : name);
	snprintf(e.message, sizeof(e.message), "netd answered %s %s", name,
		 json_object_size(parameters) ? c->error_text : "");
	copy_string(e.code, sizeof(e.code), problem, "code");
	copy_string(e.message, sizeof(e.message), problem, "message");
	copy_string(e.file, sizeof(e.file), problem, "file");
	copy_string(e.path, sizeof(e.path), problem, "path");
	copy_string(e.kernel, sizeof(e.kernel), problem, "kernel");
	e.line = (unsigned)json_integer_value(json_object_get(problem, "line"));
	e.column = (unsigned)json_integer_value(json_object_get(problem, "column"));
	if (err && !vnet_error_is_set(err))
		*err = e;
	return e.number;
}

static void forget_error(struct vnet_client *c)
{
	free(c->error_name);
	free(c->error_text);
	json_decref(c->error_parameters);
	c->error_name = c->error_text = NULL;
	c->error_parameters = NULL;
}
