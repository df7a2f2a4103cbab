/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_server.c - varlink's framing with descriptors: what a client sends, in what pieces
 *
 * The first byte: as root, if it is odd. The rest are pieces: two bytes with the
 * number of bytes, little endian; one that says what happens: how many descriptors
 * come with the piece (bits 0-1), whether the loop is turned after it (bit 2) and
 * what has come is read (bit 3: up to 64 bytes; bit 4: all); and the bytes.
 *
 * Whatever was sent: answers are messages, none too many, no descriptor stays
 * behind, and who talks on after that is served.
 */

#include "netd/log.h"
#include "netd/server.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static struct loop *loop;
static struct server *server;
static struct call *kept; /* by Keep, answered by the next Echo */
static bool has_kept, is_streaming;
static size_t n_given;

static void answer_kept(void)
{
	if (has_kept)
		call_reply(kept, json_object());
	has_kept = false;
}

static void echo(void *context, struct call *call, const json_t *parameters)
{
	(void)context;
	answer_kept();
	call_reply(call, json_deep_copy(parameters));
}

static void keep(void *context, struct call *call, const json_t *parameters)
{
	(void)context;
	(void)parameters;
	answer_kept();
	kept = call;
	has_kept = true;
}

static void give(void *context, struct call *call, const json_t *parameters)
{
	json_int_t n = json_integer_value(json_object_get(parameters, "n"));
	int fds[CALL_FDS_MAX];

	(void)context;
	n = n < 0 || n > 16 ? 1 : n;
	for (json_int_t i = 0; i < n; i++)
		must((fds[i] = dup(0)) >= 0);
	n_given += (size_t)n;
	call_reply_with_fds(call, NULL, fds, (size_t)n);
}

/* More than a socket takes at once. */
static void much(void *context, struct call *call, const json_t *parameters)
{
	static char text[400 * 1024];

	(void)context;
	(void)parameters;
	memset(text, 'a', sizeof(text) - 1);
	call_reply(call, json_pack("{s:s}", "text", text));
}

static void fail(void *context, struct call *call, const json_t *parameters)
{
	const char *text = json_string_value(json_object_get(parameters, "text"));
	struct vnet_error err = { 0 };

	(void)context;
	vnet_error_set(&err, -EINVAL, "code", "%s", text ? text : "");
	vnet_error_at(&err, text, 1, 2, text);
	call_fail(call, &err, json_pack("{s:i}", "more", 1));
}

static void on_close(void *arg)
{
	(void)arg;
	is_streaming = false;
}

static void stream(void *context, struct call *call, const json_t *parameters)
{
	(void)context;
	is_streaming = true;
	call_on_close(call, on_close, NULL);
	for (int i = 0; i < 3; i++)
		call_stream(call, json_deep_copy(parameters));
}

static void open_once(void)
{
	static const struct method methods[] = {
		{ .name = "Echo", .fn = echo }, { .name = "Keep", .fn = keep }, { .name = "Give", .fn = give },
		{ .name = "Much", .fn = much }, { .name = "Fail", .fn = fail },
		{ .name = "Root", .fn = echo, .is_for_root = true },
		{ .name = "Stream", .fn = stream, .is_stream = true },
	};
	static const struct server_interface interface = { "t.T", "interface t.T\n", methods,
							   ARRAY_SIZE(methods), NULL };

	if (server)
		return;
	log_init(-1);
	snprintf(path, sizeof(path), "/tmp/vnet-fuzz-server-%d.sock", getpid());
	must(loop_new(&loop) == 0);
	must(server_new(loop, talk_listen(path), &interface, &server, NULL) == 0);
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		loop_once(loop, 0);
}

/* False: the connection ended. */
static bool say_piece(struct talk *t, const uint8_t **data, size_t *size)
{
	size_t n = *size >= 3 ? (*data)[0] | (size_t)(*data)[1] << 8 : 0;
	uint8_t how = *size >= 3 ? (*data)[2] : 0;
	bool is_alive = true;

	*data += *size >= 3 ? 3 : *size;
	*size -= *size >= 3 ? 3 : *size;
	n = n < *size ? n : *size;
	if (n && !talk_send(t, *data, n, how & 3))
		is_alive = false;
	*data += n;
	*size -= n;
	if (how & 4)
		turn();
	if (how & 8)
		is_alive &= talk_receive(t, 64);
	if (how & 16)
		is_alive &= talk_receive(t, SIZE_MAX);
	return is_alive;
}

/* Until nothing more comes. */
static void hear_out(struct talk *t)
{
	size_t n;

	do {
		n = t->n_answers + t->n_continued + t->in.len;
		turn();
		if (!talk_receive(t, SIZE_MAX))
			return;
	} while (t->n_answers + t->n_continued + t->in.len != n);
}

static void must_serve(void)
{
	static const char call[] = "{\"method\":\"t.T.Echo\"}";
	struct talk t;

	talk_dial(&t, path, false);
	must(talk_send(&t, (const uint8_t *)call, sizeof(call), 0));
	hear_out(&t);
	must(t.n_answers == 1 && t.in.len == 0);
	talk_close(&t);
	turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t before;
	struct talk t;

	if (!size)
		return 0;
	open_once();
	before = open_descriptors();
	n_given = 0;
	talk_dial(&t, path, data[0] & 1);
	data++;
	size--;
	while (size && say_piece(&t, &data, &size))
		;
	hear_out(&t);
	/* One more where the connection was broken off. */
	must(t.n_answers <= t.n_sent + 1 && t.n_fds <= n_given);
	talk_close(&t);
	turn();
	must_serve();
	must(!is_streaming && !has_kept);
	must(server_n_connections(server) == 0 && open_descriptors() == before);
	return 0;
}
