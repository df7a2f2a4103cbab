/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_client.c - framing, descriptors, errors and streams of the client library
 *
 * The other end of a socket pair plays netd.  What it answers is written before
 * the call, where one write is enough, or by a thread, in the pieces that the
 * test wants.  Every test ends with as many open descriptors as it began with.
 */

#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct vnet_client *client;
	int peer;
	int n_open; /* descriptors before the test */
};

static int count_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void open_pair(struct fixture *f)
{
	struct vnet_error err = { 0 };
	int pair[2];

	f->n_open = count_open();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->peer = pair[1];
	assert_int_equal(vnet_client_from_fd(pair[0], &f->client, &err), 0);
	vnet_client_set_timeout(f->client, 10000);
}

static void close_pair(struct fixture *f)
{
	vnet_client_free(f->client);
	f->client = NULL;
	if (f->peer >= 0)
		close(f->peer);
	f->peer = -1;
	assert_int_equal(count_open(), f->n_open);
}

/* A broken connection is replaced within a test. */
static void next_pair(struct fixture *f)
{
	close_pair(f);
	open_pair(f);
}

static int setup(void **state)
{
	*state = mem_alloc(sizeof(struct fixture));
	open_pair(*state);
	return 0;
}

static int teardown(void **state)
{
	close_pair(*state);
	free(*state);
	return 0;
}

/* Sends size bytes with n copies of the descriptor of path. */
static void answer_fds(int peer, const void *data, size_t size, const char *path, int n)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[WIRE_FDS_MAX];

	for (int i = 0; i < n; i++) {
		fds[i] = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	if (n) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	}
	assert_int_equal(sendmsg(peer, &msg, MSG_NOSIGNAL), size);
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

static void answer(int peer, const char *text)
{
	answer_fds(peer, text, strlen(text) + 1, NULL, 0);
}

/* What the client sent: exactly one message. */
static void assert_asked(int peer, const char *text)
{
	char got[4096];
	ssize_t n = recv(peer, got, sizeof(got), MSG_DONTWAIT);

	assert_int_equal(n, strlen(text) + 1);
	assert_string_equal(got, text);
}

static void test_call(void **state)
{
	struct fixture *f = *state;
	struct vnet_error err = { 0 };
	char *reply = NULL;

	answer(f->peer, "{\"parameters\":{\"networks\":[]}}");
	assert_int_equal(vnet_client_call(f->client, "ListPorts", "{\"network\": \"blue\"}",
					  &reply, &err), 0);
	assert_string_equal(reply, "{\"networks\":[]}");
	free(reply);
	assert_asked(f->peer, "{\"method\":\"io.vnet.Netd.ListPorts\","
			      "\"parameters\":{\"network\":\"blue\"}}");
	answer(f->peer, "{}");
	assert_int_equal(vnet_client_call(f->client, "org.varlink.service.GetInfo", NULL, &reply,
					  &err), 0);
	assert_string_equal(reply, "{}");
	free(reply);
	assert_asked(f->peer, "{\"method\":\"org.varlink.service.GetInfo\"}");
	assert_int_equal(vnet_client_call(f->client, "GetInfo", "[]", NULL, &err), -EINVAL);
	assert_string_equal(err.code, "invalid-json");
	vnet_error_clear(&err);
	assert_int_equal(vnet_client_call(f->client, "GetInfo", "{\n \"a\" 1}", NULL, &err),
			 -EINVAL);
	assert_int_equal(err.line, 2);
}

static void test_error_is_passed_on(void **state)
{
	struct fixture *f = *state;
	struct vnet_error err = { 0 };

	answer(f->peer, "{\"error\":\"io.vnet.Netd.NeedsDisruption\",\"parameters\":{"
			"\"problem\":{\"code\":\"needs-disruption\",\"message\":\"m\",\"file\":\"b.yaml\","
			"\"line\":4,\"column\":7,\"path\":\"blue.mtu\",\"kernel\":\"k\"},"
			"\"operations\":[1]}}");
	assert_int_equal(vnet_client_call(f->client, "Apply", NULL, NULL, &err), -EBUSY);
	assert_int_equal(err.number, -EBUSY);
	assert_string_equal(err.code, "needs-disruption");
	assert_string_equal(err.message, "m");
	assert_string_equal(err.file, "b.yaml");
	assert_int_equal(err.line, 4);
	assert_int_equal(err.column, 7);
	assert_string_equal(err.path, "blue.mtu");
	assert_string_equal(err.kernel, "k");
	assert_string_equal(vnet_client_error_name(f->client), "io.vnet.Netd.NeedsDisruption");
	assert_non_null(strstr(vnet_client_error_parameters(f->client), "\"operations\":[1]"));
	/* The first error set stays, the number is passed through. */
	answer(f->peer, "{\"error\":\"io.vnet.Netd.NotFound\",\"parameters\":{\"problem\":{"
			"\"code\":\"no-such-network\",\"message\":\"n\"}}}");
	assert_int_equal(vnet_client_call(f->client, "Apply", NULL, NULL, &err), -ENOENT);
	assert_string_equal(err.message, "m");
	/* An error that nobody foresaw still says what it is, and the connection goes on. */
	vnet_error_clear(&err);
	answer(f->peer, "{\"error\":\"org.example.Odd\",\"parameters\":{\"x\":1}}");
	assert_int_equal(vnet_client_call(f->client, "Apply", NULL, NULL, &err), -EREMOTEIO);
	assert_string_equal(err.code, "Odd");
	assert_string_equal(err.message, "netd answered org.example.Odd {\"x\":1}");
	vnet_error_clear(&err);
	answer(f->peer, "{\"parameters\":{}}");
	assert_int_equal(vnet_client_call(f->client, "GetInfo", NULL, NULL, &err), 0);
	assert_null(vnet_client_error_name(f->client));
	assert_null(vnet_client_error_parameters(f->client));
}

static void test_error_numbers(void **state)
{
	static const struct {
		const char *name;
		int number;
	} cases[] = {
		{ "AlreadyExists", -EEXIST },	 { "InvalidDefinition", -EINVAL },
		{ "InvalidParameter", -EINVAL }, { "PermissionDenied", -EACCES },
		{ "InUse", -EBUSY },		 { "LimitExceeded", -EDQUOT },
		{ "KernelFailure", -EIO },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *text = mem_printf("{\"error\":\"io.vnet.Netd.%s\"}", cases[i].name);

		answer(f->peer, text);
		assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, NULL),
				 cases[i].number);
	}
	answer(f->peer, "{\"error\":\"org.varlink.service.MethodNotFound\"}");
	assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, NULL), -ENOSYS);
}

#define TWO_FDS \
	"\"fds\":[{\"index\":0,\"role\":\"tap\",\"queue\":0},{\"index\":1,\"role\":\"vhost\",\"queue\":0}]"
#define ATTACHED(fds, arguments) \
	"{\"parameters\":{\"port\":{\"name\":\"web1\",\"network\":\"blue\",\"ifname\":\"vp0\"," \
	"\"mac\":null,\"mtu\":1450,\"queues\":1}," fds ",\"qemuArgs\":[" arguments "]," \
	"\"notes\":[\"first\",\"second\"]}}"

static int attach(struct fixture *f, struct vnet_port **ret, struct vnet_error *err)
{
	struct vnet_attach_request request = VNET_ATTACH_REQUEST_INIT;

	request.network = "blue";
	return vnet_client_attach(f->client, &request, ret, err);
}

static void test_attach(void **state)
{
	static const char text[] = ATTACHED(TWO_FDS, "\"-netdev\",\"tap,fd=%fd0%,vhostfd=%fd1%,"
						     "id=100%,x=%fdx%,y=%fd\"");
	struct fixture *f = *state;
	struct vnet_error err = { 0 };
	struct vnet_port *port = NULL;
	AUTO_FREE char *expected = NULL;
	int fd;

	answer_fds(f->peer, text, sizeof(text), "/dev/null", 2);
	assert_int_equal(attach(f, &port, &err), 0);
	assert_asked(f->peer, "{\"method\":\"io.vnet.Netd.AttachPort\","
			      "\"parameters\":{\"network\":\"blue\"}}");
	assert_string_equal(port->name, "web1");
	assert_string_equal(port->network, "blue");
	assert_string_equal(port->ifname, "vp0");
	assert_string_equal(port->mac, "");
	assert_int_equal(port->mtu, 1450);
	assert_int_equal(port->queues, 1);
	assert_int_equal(port->n_fds, 2);
	assert_string_equal(port->fds[0].role, "tap");
	assert_string_equal(port->fds[1].role, "vhost");
	expected = mem_printf("tap,fd=%d,vhostfd=%d,id=100%%,x=%%fdx%%,y=%%fd", port->fds[0].fd,
			      port->fds[1].fd);
	assert_string_equal(port->qemu_args[0], "-netdev");
	assert_string_equal(port->qemu_args[1], expected);
	assert_null(port->qemu_args[2]);
	assert_string_equal(port->notes[1], "second");
	assert_null(port->notes[2]);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fcntl(port->fds[i].fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(vnet_port_keep_on_exec(port, &err), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fcntl(port->fds[i].fd, F_GETFD), 0);
	fd = vnet_port_take_fd(port, 1);
	assert_true(fd >= 0);
	assert_int_equal(vnet_port_take_fd(port, 1), -1);
	assert_int_equal(vnet_port_take_fd(port, 2), -1);
	vnet_port_free(port);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(fd);
}

/* Pieces that a thread writes, with pauses, so that the client meets cut messages. */
struct piece {
	const char *data;
	size_t size;
	int n_fds;
};
struct writer {
	int peer;
	const struct piece *pieces;
	size_t n;
};

static void *write_pieces(void *argument)
{
	const struct writer *w = argument;

	for (size_t i = 0; i < w->n; i++) {
		answer_fds(w->peer, w->pieces[i].data, w->pieces[i].size, "/dev/null",
			   w->pieces[i].n_fds);
		usleep(20000);
	}
	return NULL;
}

static void test_message_in_pieces(void **state)
{
	static const char text[] = ATTACHED(TWO_FDS, "\"a\"");
	const struct piece pieces[] = {
		{ text, 1, 2 }, { text + 1, 20, 0 }, { text + 21, sizeof(text) - 22, 0 },
		{ text + sizeof(text) - 1, 1, 0 },
	};
	struct fixture *f = *state;
	struct writer writer = { f->peer, pieces, ARRAY_SIZE(pieces) };
	struct vnet_error err = { 0 };
	struct vnet_port *port = NULL;
	pthread_t thread;

	pthread_create(&thread, NULL, write_pieces, &writer);
	assert_int_equal(attach(f, &port, &err), 0);
	pthread_join(thread, NULL);
	assert_int_equal(port->n_fds, 2);
	vnet_port_free(port);
}

/* Descriptors that do not fit their description are closed; teardown counts. */
static void test_wrong_descriptors(void **state)
{
	static const struct {
		const char *text;
		const char *path;
		int n;
	} cases[] = {
		{ ATTACHED(TWO_FDS, ""), "/dev/null", 1 },
		{ ATTACHED(TWO_FDS, ""), "/dev/null", 3 },
		{ ATTACHED(TWO_FDS, ""), NULL, 0 },
		{ ATTACHED("\"fds\":[]", ""), "/dev/null", 1 },
		{ ATTACHED("\"x\":1", ""), "/dev/null", WIRE_FDS_MAX },
		{ ATTACHED("\"fds\":[{\"index\":1,\"role\":\"tap\",\"queue\":0}]", ""), "/dev/null", 1 },
		{ ATTACHED("\"fds\":[{\"index\":0,\"queue\":0}]", ""), "/dev/null", 1 },
		/* these come whole, but are not what they are called */
		{ ATTACHED(TWO_FDS, "\"fd=%fd2%\""), "/dev/null", 2 },
		{ ATTACHED(TWO_FDS, "\"fd=%fd99999999999999999999%\""), "/dev/null", 2 },
		{ ATTACHED(TWO_FDS, ""), "/tmp", 2 },
		{ "{\"parameters\":{" TWO_FDS "}}", "/dev/null", 2 },
	};

	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *path = cases[i].path;
		char file[] = "/tmp/test-client-XXXXXX";
		struct vnet_error err = { 0 };
		struct vnet_port *port = NULL;
		int fd = -1;

		next_pair(f);
		if (path && !strcmp(path, "/tmp")) {
			fd = mkstemp(file);
			path = file;
		}
		answer_fds(f->peer, cases[i].text, strlen(cases[i].text) + 1, path, cases[i].n);
		assert_int_equal(attach(f, &port, &err), -EPROTO);
		assert_string_equal(err.code, "protocol-error");
		assert_null(port);
		if (fd >= 0) {
			close(fd);
			unlink(file);
		}
	}
}

static void test_unwanted_descriptors(void **state)
{
	static const char good[] = "{\"parameters\":{" TWO_FDS "}}";
	static const char bad[] = "{\"error\":\"io.vnet.Netd.NotFound\"}";
	struct fixture *f = *state;

	answer_fds(f->peer, good, sizeof(good), "/dev/null", 2);
	assert_int_equal(vnet_client_call(f->client, "AttachPort", NULL, NULL, NULL), 0);
	answer_fds(f->peer, bad, sizeof(bad), "/dev/null", 5);
	assert_int_equal(vnet_client_call(f->client, "AttachPort", NULL, NULL, NULL), -ENOENT);
	assert_int_equal(count_open(), f->n_open + 2);
}

static void test_no_room_for_descriptors(void **state)
{
	static const char text[] = ATTACHED(TWO_FDS, "");
	struct fixture *f = *state;
	struct rlimit old, tight;
	struct vnet_error err = { 0 };
	struct vnet_port *port = NULL;
	int r;

	answer_fds(f->peer, text, sizeof(text), "/dev/null", 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)f->peer + 2; /* one fits */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	r = attach(f, &port, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(r, -EMFILE);
	assert_string_equal(err.code, "too-many-descriptors");
	assert_int_equal(vnet_client_call(f->client, "GetInfo", NULL, NULL, NULL), -ENOTCONN);
}

/* What is no varlink breaks the connection, so that nothing can be mistaken afterwards. */
static void test_garbage(void **state)
{
	static const char *const cases[] = {
		"", "nonsense", "[]", "1", "{", "{\"parameters\":[]}", "{\"parameters\":1}",
		"{\"a\":1,\"a\":2}", "{\"parameters\":{\"a\":\"\\u0000\"}}", "\xff",
		"{\"parameters\":{},\"continues\":true}",
	};

	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vnet_error err = { 0 };

		next_pair(f);
		answer(f->peer, cases[i]);
		assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, &err), -EPROTO);
		assert_string_equal(err.code, "protocol-error");
		assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, NULL), -ENOTCONN);
		assert_int_equal(vnet_client_fd(f->client), -1);
	}
}

static void test_two_answers(void **state)
{
	static const char text[] = "{\"parameters\":{\"a\":1}}\0{\"parameters\":{\"b\":1}}";
	struct fixture *f = *state;

	answer_fds(f->peer, text, sizeof(text), NULL, 0);
	assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, NULL), -EPROTO);
	assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, NULL), -ENOTCONN);
}

static void test_silence(void **state)
{
	struct fixture *f = *state;
	struct vnet_error err = { 0 };

	vnet_client_set_timeout(f->client, 50);
	assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, &err), -ETIMEDOUT);
	assert_string_equal(err.code, "timeout");
	/* The answer that comes too late is nobody's. */
	assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, NULL), -ENOTCONN);
}

static void test_hang_up(void **state)
{
	struct fixture *f = *state;
	struct vnet_error err = { 0 };

	answer_fds(f->peer, "{\"par", 5, "/dev/null", 1);
	close(f->peer);
	f->peer = -1;
	assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, &err), -ECONNRESET);
	assert_non_null(strstr(err.message, "middle"));
}

/* netd refuses and hangs up before it read the request: its reason counts. */
static void test_refused_and_hung_up(void **state)
{
	struct fixture *f = *state;
	struct vnet_error err = { 0 };

	answer(f->peer, "{\"error\":\"io.vnet.Netd.LimitExceeded\",\"parameters\":{\"problem\":{"
			"\"code\":\"too-many-connections\",\"message\":\"m\"}}}");
	close(f->peer);
	f->peer = -1;
	assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, &err), -EDQUOT);
	assert_string_equal(err.code, "too-many-connections");
}

static void *write_without_end(void *argument)
{
	static char chunk[65536];
	int peer = *(int *)argument;

	memset(chunk, ' ', sizeof(chunk));
	for (size_t sent = 0; sent < 2 * VNET_MESSAGE_MAX; sent += sizeof(chunk))
		if (send(peer, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0)
			break;
	return NULL;
}

static void test_message_without_end(void **state)
{
	struct fixture *f = *state;
	struct vnet_error err = { 0 };
	pthread_t thread;

	pthread_create(&thread, NULL, write_without_end, &f->peer);
	assert_int_equal(vnet_client_call(f->client, "X", NULL, NULL, &err), -EMSGSIZE);
	pthread_join(thread, NULL);
	assert_string_equal(err.code, "message-too-large");
}

static void test_largest_message(void **state)
{
	static const char head[] = "{\"parameters\":{\"s\":\"", tail[] = "\"}}";
	size_t filling = VNET_MESSAGE_MAX - strlen(head) - strlen(tail);
	char *text = mem_alloc(VNET_MESSAGE_MAX + 1);
	struct fixture *f = *state;
	struct piece piece = { text, VNET_MESSAGE_MAX + 1, 0 };
	struct writer writer = { f->peer, &piece, 1 };
	struct vnet_error err = { 0 };
	json_t *reply = NULL;
	pthread_t thread;

	memcpy(text, head, strlen(head));
	memset(text + strlen(head), 'x', filling);
	memcpy(text + strlen(head) + filling, tail, strlen(tail));
	pthread_create(&thread, NULL, write_pieces, &writer);
	assert_int_equal(client_call(f->client, "X", NULL, &reply, &err), 0);
	pthread_join(thread, NULL);
	assert_int_equal(json_string_length(json_object_get(reply, "s")), filling);
	json_decref(reply);
	free(text);
}

static void test_request_too_large(void **state)
{
	struct fixture *f = *state;
	struct vnet_error err = { 0 };
	char *big = mem_alloc(VNET_MESSAGE_MAX + 1);
	json_t *parameters;

	memset(big, 'x', VNET_MESSAGE_MAX);
	parameters = json_pack("{s:s}", "yaml", big);
	assert_int_equal(client_call(f->client, "Apply", parameters, NULL, &err), -EMSGSIZE);
	json_decref(parameters);
	free(big);
	/* Nothing was sent, so nothing is broken. */
	vnet_error_clear(&err);
	answer(f->peer, "{}");
	assert_int_equal(vnet_client_call(f->client, "GetInfo", NULL, NULL, &err), 0);
	assert_asked(f->peer, "{\"method\":\"io.vnet.Netd.GetInfo\"}");
}

struct seen {
	struct strbuf text;
};

static void see(void *context, const char *parameters)
{
	struct seen *seen = context;

	strbuf_printf(&seen->text, "%s;", parameters);
}

static void test_stream(void **state)
{
	static const char two[] = "{\"parameters\":{\"n\":1},\"continues\":true}\0"
				  "{\"parameters\":{\"n\":2},\"continues\":true}\0{\"param";
	static const char rest[] = "eters\":{\"n\":3}}";
	struct fixture *f = *state;
	struct vnet_error err = { 0 };
	struct seen seen = { 0 };

	assert_int_equal(vnet_client_dispatch(f->client, see, &seen, &err), -EINVAL);
	vnet_error_clear(&err);
	assert_int_equal(vnet_client_subscribe(f->client, "Monitor", NULL, &err), 0);
	assert_asked(f->peer, "{\"method\":\"io.vnet.Netd.Monitor\",\"more\":true}");
	assert_int_equal(vnet_client_dispatch(f->client, see, &seen, &err), 0);
	assert_int_equal(vnet_client_call(f->client, "GetInfo", NULL, NULL, NULL), -EBUSY);
	answer_fds(f->peer, two, sizeof(two) - 1, NULL, 0);
	assert_int_equal(vnet_client_dispatch(f->client, see, &seen, &err), 0);
	assert_string_equal(seen.text.s, "{\"n\":1};{\"n\":2};");
	answer_fds(f->peer, rest, sizeof(rest), NULL, 0);
	assert_int_equal(vnet_client_dispatch(f->client, see, &seen, &err), 1);
	assert_string_equal(seen.text.s, "{\"n\":1};{\"n\":2};{\"n\":3};");
	/* After the last answer the connection serves calls again. */
	answer(f->peer, "{}");
	assert_int_equal(vnet_client_call(f->client, "GetInfo", NULL, NULL, &err), 0);
	strbuf_free(&seen.text);
}

static void test_stream_breaks(void **state)
{
	struct fixture *f = *state;
	struct vnet_error err = { 0 };
	struct seen seen = { 0 };
	json_t *answered = NULL;

	assert_int_equal(vnet_client_subscribe(f->client, "Monitor", NULL, &err), 0);
	assert_int_equal(client_next(f->client, 30, &answered, &err), -ETIMEDOUT);
	next_pair(f);
	vnet_error_clear(&err);
	assert_int_equal(vnet_client_subscribe(f->client, "Monitor", NULL, &err), 0);
	answer_fds(f->peer, "{}", 3, "/dev/null", 3); /* a stream brings no descriptors */
	assert_int_equal(vnet_client_dispatch(f->client, see, &seen, &err), -EPROTO);
	next_pair(f);
	vnet_error_clear(&err);
	assert_int_equal(vnet_client_subscribe(f->client, "Monitor", NULL, &err), 0);
	close(f->peer);
	f->peer = -1;
	assert_int_equal(vnet_client_dispatch(f->client, see, &seen, &err), -ECONNRESET);
	assert_null(seen.text.s);
}

static void assert_parameters(const struct vnet_attach_request *q, const char *expected)
{
	json_t *p = client_attach_parameters(q);
	AUTO_FREE char *text = json_dumps(p, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(p);
	assert_string_equal(text, expected);
}

static void test_request_parameters(void **state)
{
	static const char *const addresses[] = { "10.0.0.5", "fd00::5" };
	struct vnet_attach_request q = {
		.size = sizeof(q), .network = "blue", .name = "n", .ifname = "i", .mac = "m",
		.addresses = addresses, .n_addresses = 2, .queues = 2, .mtu = 9000,
		.txqueuelen = 500, .vhost = VNET_OFF, .vnet_hdr = VNET_OFF, .offload = VNET_ON,
		.isolated = VNET_ON, .learn_mac = true, .persistent = true, .adopt = true,
		.link_down = true, .owner_pid = 7, .machine = "vm-7",
	};

	(void)state;
	assert_parameters(&q, "{\"addresses\":[\"10.0.0.5\",\"fd00::5\"],\"adopt\":true,"
			      "\"ifname\":\"i\",\"isolated\":true,\"learnMac\":true,"
			      "\"linkDown\":true,\"mac\":\"m\",\"machine\":\"vm-7\",\"mtu\":9000,\"name\":\"n\","
			      "\"network\":\"blue\",\"offload\":true,\"ownerPid\":7,"
			      "\"persistent\":true,\"queues\":2,\"txqueuelen\":500,"
			      "\"vhost\":\"off\",\"vnetHdr\":false}");
	/* Of a guard what is said, and lists as lists. */
	q = (struct vnet_attach_request){
		.size = sizeof(q), .network = "blue",
		.guard = { .policy = "strict", .allow = "router,llc", .addresses = "10.7.0.0/24",
			   .macs = "", .ethertypes = "0x88b5", .multicast = 500,
			   .learn = VNET_OFF },
	};
	assert_parameters(&q, "{\"guard\":{\"addresses\":[\"10.7.0.0/24\"],"
			      "\"allow\":[\"router\",\"llc\"],\"ethertypes\":[\"0x88b5\"],"
			      "\"learn\":false,\"macs\":[],\"policy\":\"strict\",\"storm\":{\"multicast\":500}},"
			      "\"network\":\"blue\"}");
	/* Of a structure from an older header only its part is read. */
	q.name = "n";
	q.mac = "m";
	q.size = offsetof(struct vnet_attach_request, guard);
	assert_parameters(&q, "{\"mac\":\"m\",\"name\":\"n\",\"network\":\"blue\"}");
	q.size = offsetof(struct vnet_attach_request, mac);
	assert_parameters(&q, "{\"name\":\"n\",\"network\":\"blue\"}");
}

static void test_connect(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char directory[] = "/tmp/test-client-XXXXXX", longer[200];
	struct vnet_client *client = NULL;
	struct vnet_error err = { 0 };
	int listener;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
	assert_int_equal(vnet_client_connect(address.sun_path, &client, &err), -ENOENT);
	assert_string_equal(err.code, "netd-unreachable");
	assert_non_null(strstr(err.message, address.sun_path));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(vnet_client_connect(address.sun_path, &client, NULL), -ECONNREFUSED);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(vnet_client_connect(address.sun_path, &client, NULL), 0);
	assert_true(fcntl(vnet_client_fd(client), F_GETFD) & FD_CLOEXEC);
	vnet_client_free(client);
	setenv("VNET_SOCKET", address.sun_path, 1);
	assert_int_equal(vnet_client_connect(NULL, &client, NULL), 0);
	vnet_client_free(client);
	unsetenv("VNET_SOCKET");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(vnet_client_connect(longer, &client, NULL), -ENAMETOOLONG);
	close(listener);
	unlink(address.sun_path);
	rmdir(directory);
	vnet_client_free(NULL);
	vnet_port_free(NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_call),
		TEST(test_error_is_passed_on),
		TEST(test_error_numbers),
		TEST(test_attach),
		TEST(test_message_in_pieces),
		TEST(test_wrong_descriptors),
		TEST(test_unwanted_descriptors),
		TEST(test_no_room_for_descriptors),
		TEST(test_garbage),
		TEST(test_two_answers),
		TEST(test_silence),
		TEST(test_hang_up),
		TEST(test_refused_and_hung_up),
		TEST(test_message_without_end),
		TEST(test_largest_message),
		TEST(test_request_too_large),
		TEST(test_stream),
		TEST(test_stream_breaks),
		TEST(test_request_parameters),
		TEST(test_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
