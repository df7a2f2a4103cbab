/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_server.c - varlink framing, limits and streams against a live socket. */

#include "base/mem.h"
#include "netd/log.h"
#include "netd/server.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
	char path[64];
	struct loop *loop;
	struct server *server;
	struct server_interface interface;
	struct call *kept;
	int closed;
	unsigned n_slow, n_slow_at_echo;
};

static void echo(void *context, struct call *call, const json_t *parameters)
{
	struct world *w = context;

	w->n_slow_at_echo = w->n_slow;
	call_reply(call, json_deep_copy(parameters));
}

static void slow(void *context, struct call *call, const json_t *parameters)
{
	struct world *w = context;

	(void)parameters;
	w->n_slow++;
	usleep(1000);
	call_reply(call, NULL);
}

static void keep(void *context, struct call *call, const json_t *parameters)
{
	struct world *w = context;

	(void)parameters;
	w->kept = call;
}

static void give(void *context, struct call *call, const json_t *parameters)
{
	int fds[2];

	(void)context;
	(void)parameters;
	assert_int_equal(pipe(fds), 0);
	call_reply_with_fds(call, NULL, fds, 2);
}

static void on_close(void *arg)
{
	struct world *w = arg;

	w->closed++;
	w->kept = NULL;
}

static void stream(void *context, struct call *call, const json_t *parameters)
{
	struct world *w = context;

	(void)parameters;
	w->kept = call;
	call_on_close(call, on_close, w);
	call_stream(call, json_object());
}

static const struct method methods[] = {
	{ .name = "Echo", .fn = echo },   { .name = "Keep", .fn = keep },
	{ .name = "Slow", .fn = slow },
	{ .name = "Give", .fn = give },   { .name = "Stream", .fn = stream, .is_stream = true },
};

static int start(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct vnet_error err = { 0 };
	int fd;

	log_init(LOG_ERR);
	snprintf(w->path, sizeof(w->path), "/tmp/vnet-server-%d.sock", getpid());
	w->interface = (struct server_interface){ "test.Interface", "interface test.Interface\n",
						  methods, ARRAY_SIZE(methods), w };
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(server_listen(w->path, &fd, &err), 0);
	assert_int_equal(server_new(w->loop, fd, &w->interface, &w->server, &err), 0);
	*state = w;
	return 0;
}

static int stop(void **state)
{
	struct world *w = *state;

	server_free(w->server);
	loop_free(w->loop);
	unlink(w->path);
	free(w);
	return 0;
}

static int dial(const struct world *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void turn(struct world *w)
{
	for (int i = 0; i < 20; i++)
		loop_once(w->loop, 1);
}

static void say(int fd, const char *text, size_t size)
{
	assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), (ssize_t)size);
}

#define SAY(fd, text) say(fd, text, sizeof(text)) /* with its NUL */

/* What has come, "" if nothing, "EOF" at the end; the NULs between messages as '\n'. */
static const char *hear(struct world *w, int fd)
{
	static char text[65536];
	ssize_t n;

	turn(w);
	n = recv(fd, text, sizeof(text) - 1, 0);
	if (n == 0)
		return "EOF";
	if (n < 0)
		return errno == EAGAIN ? "" : "error";
	text[n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = '\n';
	return text;
}

static void calls_are_answered_in_order(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	SAY(fd, "{\"method\":\"test.Interface.Echo\",\"parameters\":{\"a\":1}}");
	assert_string_equal(hear(w, fd), "{\"parameters\":{\"a\":1}}\n");
	/* Two at once, and a third in pieces. */
	SAY(fd, "{\"method\":\"test.Interface.Echo\"}\0{\"method\":\"test.Interface.Echo\",\"parameters\":{\"b\":2}}");
	say(fd, "{\"method\":\"test.In", 18);
	assert_string_equal(hear(w, fd), "{\"parameters\":{}}\n{\"parameters\":{\"b\":2}}\n");
	SAY(fd, "terface.Echo\",\"oneway\":true}");
	SAY(fd, "{\"method\":\"test.Interface.Echo\",\"parameters\":{\"c\":3}}");
	assert_string_equal(hear(w, fd), "{\"parameters\":{\"c\":3}}\n");
	close(fd);
	turn(w);
	assert_int_equal(server_n_connections(w->server), 0);
}

static void errors_have_varlink_names(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	SAY(fd, "{\"method\":\"test.Interface.Nothing\"}");
	assert_non_null(strstr(hear(w, fd), "org.varlink.service.MethodNotFound"));
	SAY(fd, "{\"method\":\"other.Interface.Echo\"}");
	assert_non_null(strstr(hear(w, fd), "org.varlink.service.InterfaceNotFound"));
	SAY(fd, "{\"method\":\"test.Interface.Stream\"}");
	assert_non_null(strstr(hear(w, fd), "org.varlink.service.ExpectedMore"));
	SAY(fd, "{\"method\":\"test.Interface.Echo\",\"parameters\":[]}");
	assert_non_null(strstr(hear(w, fd), "org.varlink.service.InvalidParameter"));
	SAY(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"test.Interface\"}}");
	assert_non_null(strstr(hear(w, fd), "interface test.Interface"));
	SAY(fd, "this is not JSON");
	assert_non_null(strstr(hear(w, fd), "message-invalid"));
	assert_string_equal(hear(w, fd), "EOF");
	close(fd);
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void descriptors_go_out_and_never_in(void **state)
{
	struct world *w = *state;
	int fd = dial(w), received[2];
	char text[256];
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(received))];
	} control;
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
				  .msg_controllen = sizeof(control.buf) };
	size_t before;

	turn(w);
	before = open_descriptors();
	SAY(fd, "{\"method\":\"test.Interface.Give\"}");
	turn(w);
	assert_true(recvmsg(fd, &message, 0) > 0);
	assert_int_equal(control.align.cmsg_len, CMSG_LEN(sizeof(received)));
	memcpy(received, CMSG_DATA(&control.align), sizeof(received));
	assert_int_equal(open_descriptors(), before + 2); /* ours; the server's are closed */

	/* The same two sent back unasked. */
	iov.iov_base = (char *)"{}";
	iov.iov_len = 3;
	message.msg_controllen = sizeof(control.buf);
	assert_int_equal(sendmsg(fd, &message, 0), 3);
	assert_non_null(strstr(hear(w, fd), "descriptors-unasked"));
	close(received[0]);
	close(received[1]);
	close(fd);
	turn(w);
	assert_int_equal(open_descriptors(), before - 2);
}

/* A message without end stops at the limit, not at the end of memory. */
static void an_endless_message_is_cut_off(void **state)
{
	struct world *w = *state;
	static char chunk[65536];
	int fd = dial(w);
	size_t sent = 0;

	memset(chunk, ' ', sizeof(chunk));
	for (int i = 0; i < 4096 && sent < 2ul * MESSAGE_SIZE_MAX; i++) {
		ssize_t n = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0)
			sent += (size_t)n;
		loop_once(w->loop, 1);
	}
	assert_true(sent > MESSAGE_SIZE_MAX && sent < 2ul * MESSAGE_SIZE_MAX);
	assert_non_null(strstr(hear(w, fd), "message-too-large"));
	close(fd);
}

static void a_call_outlives_its_client(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	SAY(fd, "{\"method\":\"test.Interface.Keep\"}");
	turn(w);
	assert_non_null(w->kept);
	assert_true(call_is_alive(w->kept));
	close(fd);
	turn(w);
	assert_false(call_is_alive(w->kept));
	call_reply(w->kept, NULL);
}

static void a_stream_tells_of_its_end_and_is_bounded(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	bool full = false;

	SAY(fd, "{\"method\":\"test.Interface.Stream\",\"more\":true}");
	assert_string_equal(hear(w, fd), "{\"parameters\":{},\"continues\":true}\n");
	for (int i = 0; i < 1000000 && !full; i++)
		full = !call_stream(w->kept, json_pack("{s:s}", "text", "0123456789012345678901234567890123456789"));
	assert_true(full);
	close(fd);
	turn(w);
	assert_int_equal(w->closed, 1);
}

/* What came behind a call that took its time is read when that is answered. */
static void a_call_waits_for_the_one_before_it(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	SAY(fd, "{\"method\":\"test.Interface.Keep\"}\0{\"method\":\"test.Interface.Echo\",\"parameters\":{\"b\":2}}");
	assert_string_equal(hear(w, fd), "");
	call_reply(w->kept, NULL);
	assert_string_equal(hear(w, fd), "{\"parameters\":{}}\n{\"parameters\":{\"b\":2}}\n");
	close(fd);
}

/* A hundred calls sent at once are no one call: others have their turn in between. */
static void many_calls_at_once_take_turns(void **state)
{
	static const char text[] = "{\"method\":\"test.Interface.Slow\"}";
	struct world *w = *state;
	char heard[4096];
	int greedy = dial(w), fd = dial(w);

	turn(w);
	for (int i = 0; i < 100; i++)
		say(greedy, text, sizeof(text));
	loop_once(w->loop, 1);
	SAY(fd, "{\"method\":\"test.Interface.Echo\"}");
	for (int i = 0; i < 1000 && w->n_slow < 100; i++) {
		loop_once(w->loop, 1);
		if (recv(greedy, heard, sizeof(heard), 0) < 0)
			assert_int_equal(errno, EAGAIN);
	}
	assert_int_equal(w->n_slow, 100);
	assert_in_range(w->n_slow_at_echo, 1, 20);
	assert_string_equal(hear(w, fd), "{\"parameters\":{}}\n");
	close(greedy);
	close(fd);
}

/* The end of a client is told by epoll for as long as it is not heard: it must not spin. */
static void a_client_that_ends_with_words_unread_is_let_go(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	SAY(fd, "{\"method\":\"test.Interface.Keep\"}");
	turn(w);
	SAY(fd, "{\"method\":\"test.Interface.Echo\"}");
	close(fd);
	turn(w);
	assert_int_equal(server_n_connections(w->server), 0);
	assert_false(call_is_alive(w->kept));
	call_reply(w->kept, NULL);
}

/* A subscriber who reads, but is always behind, holds no more memory than its backlog. */
static void a_slow_reader_does_not_make_the_buffer_grow(void **state)
{
	static char text[4096], heard[8192];
	struct world *w = *state;
	int fd = dial(w);
	size_t before, n_bytes = 0;

	SAY(fd, "{\"method\":\"test.Interface.Stream\",\"more\":true}");
	turn(w);
	memset(text, 'x', sizeof(text) - 1);
	while (call_stream(w->kept, json_pack("{s:s}", "text", text)))
		;
	loop_once(w->loop, 1);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (int i = 0; i < 20000; i++) {
		ssize_t n = recv(fd, heard, sizeof(heard), 0);

		n_bytes += n > 0 ? (size_t)n : 0;
		loop_once(w->loop, 0);
		while (call_stream(w->kept, json_pack("{s:s}", "text", text)))
			;
	}
	assert_true(n_bytes > 32ul * 1024 * 1024);
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd < before + 4ul * 1024 * 1024);
	close(fd);
	turn(w);
}

static void an_idle_crowd_locks_nobody_out(void **state)
{
	struct world *w = *state;
	int crowd[CONNECTIONS_PER_UID_MAX + 40], fd;

	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++) {
		crowd[i] = dial(w);
		loop_once(w->loop, 1);
	}
	turn(w);
	assert_int_equal(server_n_connections(w->server), CONNECTIONS_PER_UID_MAX);
	fd = dial(w);
	SAY(fd, "{\"method\":\"test.Interface.Echo\"}");
	assert_string_equal(hear(w, fd), "{\"parameters\":{}}\n");
	assert_string_equal(hear(w, crowd[0]), "EOF");
	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++)
		close(crowd[i]);
	close(fd);
}

/* A child of a netd that was killed may hold the old socket for a moment. */
static void a_socket_left_behind_is_replaced(void **state)
{
	struct world *w = *state;
	struct vnet_error err = { 0 };
	int fd;

	assert_int_equal(server_listen(w->path, &fd, &err), 0);
	close(fd);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(calls_are_answered_in_order),
		TEST(errors_have_varlink_names),
		TEST(descriptors_go_out_and_never_in),
		TEST(an_endless_message_is_cut_off),
		TEST(a_call_outlives_its_client),
		TEST(a_stream_tells_of_its_end_and_is_bounded),
		TEST(a_call_waits_for_the_one_before_it),
		TEST(many_calls_at_once_take_turns),
		TEST(a_client_that_ends_with_words_unread_is_let_go),
		TEST(a_slow_reader_does_not_make_the_buffer_grow),
		TEST(an_idle_crowd_locks_nobody_out),
		TEST(a_socket_left_behind_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
