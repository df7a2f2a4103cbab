/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_trace.c - who may trace a port, and what those are told who do not read
 *
 * By netd's own methods over its socket, on the fake kernel; what the kernel tells of
 * frames is made here.
 */

#include "netd/api.h"
#include "tests/netd/fake_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY 65534
#define ROUNDS_MAX 500 /* of the loop, 10 ms each at most, for what must come */

static struct host host;
static char path[128];
static char heard[8 * 1024 * 1024];
static size_t n_heard;

static struct port_entry *attach(const char *name, const char *network, uint32_t uid)
{
	json_t *request = json_pack("{s:s,s:s,s:s,s:b}", "network", network, "name", name, "vhost", "off",
				    "persistent", true);
	struct peer peer = { .uid = 0, .pid = getpid() };
	struct vnet_error err = { 0 };
	struct port *port = NULL;
	struct attachment a = { 0 };

	assert_int_equal(port_from_request(request, &port, &err), 0);
	json_decref(request);
	if (port_attach(&host.d, port, false, &peer, &a, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < a.n_taps + a.n_vhosts; i++)
		close(a.fds[i]);
	a.entry->port->owner_uid = uid;
	return a.entry;
}

static int make_host(void **state)
{
	static const char yaml[] = "networks:\n"
				   "  blue: {mode: isolated, dns: false}\n"
				   "  fast: {mode: sriov, uplink: pf0, sriov: {vfs: 1-2}}\n";
	struct vnet_error err = { 0 };
	AUTO_OUTCOMES network_outcome_vec outcomes = { 0 };
	network_vec nets = { 0 };
	int fd;

	(void)state;
	n_heard = 0;
	fake_host_make(&host, "/tmp");
	assert_int_equal(chmod(host.dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/sock", host.run);
	assert_int_equal(fake_host_start(&host, &err), 0);
	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), "test", &nets, &err), 0);
	assert_int_equal(networks_apply(&host.d, &nets, false, NULL, &outcomes, &err), 0);
	network_vec_free(&nets);
	assert_int_equal(server_listen(path, &fd, &err), 0);
	assert_int_equal(server_new(host.d.loop, fd, api_init(&host.d), &host.d.server, &err), 0);
	return 0;
}

static int free_host(void **state)
{
	(void)state;
	fake_host_end(&host);
	return 0;
}

/* ---- a client ---- */

static int dial(uint32_t uid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	strcpy(address.sun_path, path);
	if (uid != geteuid() && seteuid(uid) < 0)
		skip(); /* needs root */
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	assert_int_equal(seteuid(getuid()), 0);
	assert_int_equal(r, 0);
	return fd;
}

static void trace(int fd, const char *port)
{
	char call[160];
	int n = snprintf(call, sizeof(call), "{\"method\":\"io.vnet.Netd.Trace\",\"more\":true,"
			 "\"parameters\":{\"port\":\"%s\"}}", port) + 1;

	assert_int_equal(send(fd, call, (size_t)n, MSG_NOSIGNAL), n);
}

/* Takes what is there, as text; NULs between messages become newlines. */
static void listen_to(int fd)
{
	ssize_t n;

	while ((n = recv(fd, heard + n_heard, sizeof(heard) - 1 - n_heard, MSG_DONTWAIT)) > 0)
		n_heard += (size_t)n;
	for (size_t i = 0; i < n_heard; i++)
		heard[i] = heard[i] ? heard[i] : '\n';
	heard[n_heard] = '\0';
}

static void hear(int fd, const char *wanted)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		loop_once(host.d.loop, 10);
		listen_to(fd);
		if (strstr(heard, wanted))
			return;
	}
	fail_msg("\"%s\" did not come, but: %.400s", wanted, heard);
}

static void assert_answer(uint32_t uid, const char *port, const char *wanted)
{
	int fd = dial(uid);

	n_heard = 0;
	trace(fd, port);
	hear(fd, wanted);
	close(fd);
	loop_once(host.d.loop, 10);
	loop_once(host.d.loop, 0);
}

/* ---- who may ---- */

static void only_root_and_the_owner_may(void **state)
{
	const struct port_entry *mine, *roots;

	(void)state;
	roots = attach("roots", "blue", 0);
	mine = attach("mine", "blue", NOBODY);
	assert_answer(NOBODY, "roots", "io.vnet.Netd.PermissionDenied");
	assert_false(roots->port->is_traced);
	assert_answer(NOBODY, "mine", "{\"events\":[]}");
	assert_answer(NOBODY - 1, "mine", "io.vnet.Netd.PermissionDenied");
	assert_answer(0, "mine", "{\"events\":[]}");
	assert_answer(0, "roots", "{\"events\":[]}");
	/* Nobody looks any more. */
	assert_false(mine->port->is_traced);
	assert_false(roots->port->is_traced);
}

static void what_is_not_there_or_meets_no_rule_is_refused(void **state)
{
	json_t *request = json_pack("{s:s,s:s,s:i}", "network", "fast", "name", "f", "ownerPid", (int)getpid());
	struct peer peer = { .pid = getpid() };
	struct attachment a = { 0 };
	struct port *port = NULL;

	(void)state;
	assert_int_equal(port_from_request(request, &port, NULL), 0);
	json_decref(request);
	assert_int_equal(port_attach(&host.d, port, false, &peer, &a, NULL), 0);
	assert_answer(getuid(), "none", "port-unknown");
	assert_answer(getuid(), "f", "not-traceable");
}

/* A user's tracers are few, and those of others are not counted with them. */
static void one_user_has_so_many_tracers_and_no_more(void **state)
{
	int fds[64];
	size_t n = 0;

	(void)state;
	attach("mine", "blue", NOBODY);
	for (n_heard = 0; n < 64; n++) {
		n_heard = 0;
		fds[n] = dial(NOBODY);
		trace(fds[n], "mine");
		hear(fds[n], "\n");
		if (strstr(heard, "too-many-subscribers"))
			break;
	}
	assert_in_range(n, 2, 32);
	assert_answer(0, "mine", "{\"events\":[]}");
	/* One goes, another may come. */
	close(fds[0]);
	loop_once(host.d.loop, 10);
	assert_answer(NOBODY, "mine", "{\"events\":[]}");
	for (size_t i = 1; i <= n && i < 64; i++)
		close(fds[i]);
}

/* ---- those who do not read ---- */

static void a_frame_is_taken(const struct port_entry *entry)
{
	static const uint8_t frame[64] = { 0x52, 0x54 };
	struct trace_sample sample = { .ifindex = entry->ifindex, .reason = 1 };

	sample.head.link_size = 14;
	frame_put(&sample.head, frame, sizeof(frame));
	trace_event(&host.d, &(struct kernel_event){ .kind = KERNEL_EVENT_SAMPLE, .sample = &sample });
}

static size_t occurrences(const char *text, const char *wanted)
{
	size_t n = 0;

	for (; (text = strstr(text, wanted)); text += strlen(wanted))
		n++;
	return n;
}

static void who_does_not_read_is_told_once_and_goes_on(void **state)
{
	const struct port_entry *entry = attach("mine", "blue", 0);
	size_t sent = 20000, told;
	int fd = dial(getuid());

	(void)state;
	trace(fd, "mine");
	hear(fd, "{\"events\":[]}");
	for (size_t i = 0; i < sent; i++)
		a_frame_is_taken(entry);
	/* What waited, up to the limit; what came then is gone. */
	for (int i = 0; i < 200; i++) {
		loop_once(host.d.loop, 0);
		listen_to(fd);
	}
	told = occurrences(heard, "\"verdict\":\"dropped\"");
	assert_in_range(told, 100, sent - 1);
	assert_int_equal(occurrences(heard, "\"verdict\":\"lost\""), 0);
	/* The next one brings the news, and is not lost itself. */
	a_frame_is_taken(entry);
	hear(fd, "\"verdict\":\"lost\"");
	for (int i = 0; i < 5; i++) {
		a_frame_is_taken(entry);
		loop_once(host.d.loop, 0);
	}
	hear(fd, "\n");
	assert_int_equal(occurrences(heard, "\"verdict\":\"lost\""), 1);
	assert_int_equal(occurrences(heard, "\"verdict\":\"dropped\""), told + 6);
	close(fd);
}

static void a_reader_is_not_hindered_by_one_who_does_not(void **state)
{
	const struct port_entry *entry = attach("mine", "blue", 0);
	int lazy = dial(getuid()), reader = dial(getuid());
	size_t sent = 20000;

	(void)state;
	trace(lazy, "mine");
	trace(reader, "mine");
	hear(reader, "{\"events\":[]}");
	for (size_t i = 0; i < sent; i++) {
		a_frame_is_taken(entry);
		if (i % 16 == 0) {
			loop_once(host.d.loop, 0);
			listen_to(reader);
			n_heard = n_heard > 65536 ? 0 : n_heard;
		}
	}
	assert_null(strstr(heard, "\"verdict\":\"lost\""));
	close(lazy);
	close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_root_and_the_owner_may, make_host, free_host),
		cmocka_unit_test_setup_teardown(what_is_not_there_or_meets_no_rule_is_refused, make_host, free_host),
		cmocka_unit_test_setup_teardown(one_user_has_so_many_tracers_and_no_more, make_host, free_host),
		cmocka_unit_test_setup_teardown(who_does_not_read_is_told_once_and_goes_on, make_host, free_host),
		cmocka_unit_test_setup_teardown(a_reader_is_not_hindered_by_one_who_does_not, make_host, free_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
