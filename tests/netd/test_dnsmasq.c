/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_dnsmasq.c - supervision of real dnsmasqs
 *
 * Runs in network, mount and process namespaces of its own, so that nothing it
 * starts or makes outlives it.  That needs root; without, all is skipped.
 */

#include "netd/dnsmasq.h"
#include "netd/child.h"
#include "netd/log.h"
#include "netd/loop.h"
#include "vnet/error.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <arpa/inet.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 20000 /* generous: sanitizers, emulation */

static const char *why_skipped;

struct world {
	char dir[32];
	char run_dir[64], state_dir[64], resolv_conf[64];
	struct loop *loop;
	struct dnsmasq_set *set;
	VEC(char *) events;     /* "state blue running", "lease blue added 10.0.0.5" */
	unsigned resolver_changes;
	network_vec nets;
};

/* --- the world of a test --- */

static void sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void sh(const char *format, ...)
{
	AUTO_FREE char *command = NULL;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&command, format, args) >= 0);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void on_lease(void *context, const char *network, enum lease_change change,
		     const struct lease *lease)
{
	static const char *const words[] = { "added", "removed", "renewed" };
	struct world *w = context;
	char text[ADDR_TEXT_MAX];

	vec_push(&w->events, mem_printf("lease %s %s %s", network, words[change],
					ip_format(&lease->address, text)));
}

static void on_state(void *context, const char *network, enum dnsmasq_state state,
		     const struct vnet_error *problem)
{
	static const char *const words[] = { "stopped", "starting", "running", "failed" };
	struct world *w = context;

	vec_push(&w->events, mem_printf("state %s %s%s%s", network, words[state],
					problem ? ": " : "", problem ? problem->message : ""));
}

static void on_resolvers(void *context)
{
	((struct world *)context)->resolver_changes++;
}

static const struct dnsmasq_callbacks callbacks = { on_lease, on_state, NULL, on_resolvers };

static int new_set(struct world *w, const char *program)
{
	struct dnsmasq_options options = { .run_dir = w->run_dir, .state_dir = w->state_dir,
					   .program = program, .resolv_conf = w->resolv_conf };
	struct vnet_error err = { 0 };
	int r = dnsmasq_set_new(w->loop, &options, &callbacks, w, &w->set, &err);

	if (r < 0)
		fail_msg("%s", err.message);
	return r;
}

static int setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	*state = w;
	if (why_skipped)
		return 0;
	strcpy(w->dir, "/tmp/test_dnsmasq.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(chmod(w->dir, 0755), 0);
	snprintf(w->run_dir, sizeof(w->run_dir), "%s/run", w->dir);
	snprintf(w->state_dir, sizeof(w->state_dir), "%s/state", w->dir);
	snprintf(w->resolv_conf, sizeof(w->resolv_conf), "%s/resolv.conf", w->dir);
	assert_int_equal(mkdir(w->run_dir, 0755), 0);
	assert_int_equal(mkdir(w->state_dir, 0755), 0);
	write_text(w->resolv_conf, "nameserver 192.0.2.1\n");
	sh("ip link add vn-blue type bridge && ip link set vn-blue up &&"
	   " ip addr add 10.9.0.1/24 dev vn-blue && ip addr add fd00:9::1/64 dev vn-blue nodad");
	assert_int_equal(loop_new(&w->loop), 0);
	new_set(w, NULL);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (!why_skipped) {
		dnsmasq_set_free(w->set);
		loop_free(w->loop);
		sh("for p in %s/dnsmasq/*/run/pid; do [ -e $p ] && kill -9 $(cat $p) 2>/dev/null; done; "
		   "ip link del vn-blue; rm -r %s", w->run_dir, w->dir);
	}
	vec_each(event, &w->events)
		free(*event);
	vec_free(&w->events);
	network_vec_free(&w->nets);
	free(w);
	return 0;
}

#define NEED_ROOT() \
	do { \
		if (why_skipped) { \
			print_message("[ SKIPPED  ] %s: %s\n", __func__, why_skipped); \
			skip(); \
		} \
	} while (0)

/* --- verbs --- */

#define BLUE "networks: {blue: {mode: nat, domain: blue.test, addresses: [10.9.0.1/24, 'fd00:9::1/64']"

/* Applies the definition with a port of this address (or NULL); the return value, and the action's name. */
static int apply_with(struct world *w, const char *yaml, const char *address, const char **ret_action)
{
	static const char *const names[] = { "start", "reload", "restart", "stop" };
	struct port port = { .name = (char *)"web", .network = (char *)"blue", .ifname = "vp1",
			     .has_mac = true, .mac = { { 0x52, 0x54, 0, 0, 0, 9 } } };
	const struct port *ports[] = { &port };
	enum service_action action = SERVICE_STOP, would = SERVICE_STOP;
	struct vnet_error err = { 0 };
	struct ip ip;
	int r, expected;

	network_vec_free(&w->nets);
	if (networks_from_yaml(yaml, strlen(yaml), "test", &w->nets, &err) < 0)
		fail_msg("%s", err.message);
	if (address) {
		assert_int_equal(ip_parse(address, &ip), 0);
		vec_push(&port.addresses, ip);
	}
	expected = dnsmasq_would(w->set, w->nets.v[0], ports, 1, &would, NULL);
	r = dnsmasq_apply(w->set, w->nets.v[0], ports, 1, &action, &err);
	vec_free(&port.addresses);
	/* What the dry run said is what was done. */
	assert_int_equal(r < 0 ? 1 : r, expected);
	if (r > 0)
		assert_int_equal(action, would);
	*ret_action = r > 0 ? names[action] : r < 0 ? err.code : "nothing";
	return r;
}

static const char *apply(struct world *w, const char *yaml)
{
	const char *action;

	apply_with(w, yaml, NULL, &action);
	return action;
}

static bool has_event(const struct world *w, const char *text)
{
	vec_each(event, &w->events)
		if (strstr(*event, text))
			return true;
	return false;
}

static void forget_events(struct world *w)
{
	vec_each(event, &w->events)
		free(*event);
	w->events.n = 0;
}

static void await(struct world *w, const char *text)
{
	uint64_t end = loop_now() + WAIT_MS * 1000;

	while (!has_event(w, text)) {
		if (loop_now() > end) {
			vec_each(event, &w->events)
				print_message("  %s\n", *event);
			fail_msg("waited in vain for: %s", text);
		}
		loop_once(w->loop, 100);
	}
}

static void run_for(struct world *w, unsigned ms)
{
	uint64_t end = loop_now() + ms * 1000;

	while (loop_now() < end)
		loop_once(w->loop, 10);
}

/* Lets the loop run until the condition holds. */
#define AWAIT(w, condition) \
	do { \
		uint64_t end_ = loop_now() + WAIT_MS * 1000; \
\
		while (!(condition)) { \
			if (loop_now() > end_) \
				fail_msg("waited in vain for: %s", #condition); \
			loop_once((w)->loop, 20); \
		} \
	} while (0)

static void await_end(struct world *w, pid_t pid)
{
	AWAIT(w, kill(pid, 0) == -1);
}

static pid_t pid_of(const struct world *w)
{
	return dnsmasq_pid(w->set, "blue");
}

/* An A record, asked of 10.9.0.1 by UDP; false: no answer, or none with this address. */
static bool resolves(struct world *w, const char *name, const char *address)
{
	uint8_t message[512] = { 0x12, 0x34, 1, 0, 0, 1 }, wanted[4], *p = message + 12;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	run_for(w, 1);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_usec = 300000 },
		   sizeof(struct timeval));
	inet_pton(AF_INET, "10.9.0.1", &to.sin_addr);
	inet_pton(AF_INET, address, wanted);
	for (const char *label = name; *label;) {
		size_t len = strcspn(label, ".");

		*p++ = (uint8_t)len;
		memcpy(p, label, len);
		p += len;
		label += len + (label[len] == '.');
	}
	memcpy(p, "\0\0\1\0\1", 5);
	p += 5;
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	n = send(fd, message, (size_t)(p - message), 0);
	if (n > 0)
		n = recv(fd, message, sizeof(message), 0);
	close(fd);
	return n > 16 && message[7] == 1 && !memcmp(message + n - 4, wanted, 4);
}

/* dnsmasq reads its files a moment after SIGHUP. */
static void await_name(struct world *w, const char *name, const char *address)
{
	for (int i = 0; i < WAIT_MS / 50; i++) {
		if (resolves(w, name, address))
			return;
		run_for(w, 50);
	}
	fail_msg("%s does not resolve to %s", name, address);
}

static void start_blue(struct world *w)
{
	assert_string_equal(apply(w, BLUE ", dhcp: true}}"), "start");
	await(w, "state blue running");
	assert_true(pid_of(w) > 0);
	forget_events(w);
}

/* --- tests --- */

static void test_start_reload_restart_stop(void **state)
{
	struct world *w = *state;
	const char *action;
	pid_t pid;

	NEED_ROOT();
	start_blue(w);
	pid = pid_of(w);
	assert_string_equal(apply(w, BLUE ", dhcp: true}}"), "nothing");

	/* A record: the same process. */
	assert_string_equal(apply(w, BLUE ", dhcp: true, dns: {hosts: [{name: db, addresses: [10.9.0.20]}]}}}"),
			    "reload");
	await_name(w, "db.blue.test", "10.9.0.20");
	assert_int_equal(pid_of(w), pid);
	/* A port with an address. */
	apply_with(w, BLUE ", dhcp: true}}", "10.9.0.77", &action);
	assert_string_equal(action, "reload");
	await_name(w, "web.blue.test", "10.9.0.77");
	assert_int_equal(pid_of(w), pid);
	assert_false(resolves(w, "db.blue.test", "10.9.0.20"));
	/* An option, which is tested before. */
	assert_string_equal(apply(w, BLUE ", dhcp: {options: [{number: 42, value: 10.9.0.1}]}}}"), "reload");
	run_for(w, 300);
	assert_int_equal(pid_of(w), pid);

	/* A range: another one. */
	assert_string_equal(apply(w, BLUE ", dhcp: {ranges: [10.9.0.50-10.9.0.60]}}}"), "restart");
	await(w, "state blue running");
	run_for(w, 200);
	assert_true(pid_of(w) > 0);
	assert_int_not_equal(pid_of(w), pid);
	await_end(w, pid);

	pid = pid_of(w);
	forget_events(w);
	assert_string_equal(apply(w, "networks: {blue: {mode: nat, addresses: [10.9.0.1/24], dns: false}}"), "stop");
	await(w, "state blue stopped");
	await_end(w, pid);
	assert_int_equal(dnsmasq_state(w->set, "blue", NULL), DNSMASQ_STOPPED);
	assert_string_equal(apply(w, "networks: {blue: {mode: nat, addresses: [10.9.0.1/24], dns: false}}"), "nothing");
	sh("[ ! -e %s/dnsmasq/blue ]", w->run_dir);
}

static void test_killed_comes_back(void **state)
{
	struct world *w = *state;
	pid_t pid;

	NEED_ROOT();
	start_blue(w);
	pid = pid_of(w);
	kill(pid, SIGKILL);
	await(w, "state blue failed: its dnsmasq");
	await(w, "state blue running");
	assert_int_not_equal(pid_of(w), pid);
	assert_int_equal(dnsmasq_state(w->set, "blue", NULL), DNSMASQ_RUNNING);
}

static void test_bad_configuration_keeps_the_former(void **state)
{
	static const char bad[] = BLUE ", dhcp: {options: [{number: 6, value: '10.9.0.1,nonsense,3'}]}}}";
	struct vnet_error problem;
	struct world *w = *state;
	pid_t pid;

	NEED_ROOT();
	start_blue(w);
	pid = pid_of(w);
	apply(w, bad);
	await(w, "dnsmasq does not accept the new configuration");
	assert_true(has_event(w, "dhcp-option=6,10.9.0.1,nonsense,3"));
	assert_int_equal(pid_of(w), pid);
	assert_int_equal(dnsmasq_state(w->set, "blue", &problem), DNSMASQ_RUNNING);
	assert_string_equal(problem.code, "dnsmasq-refuses");
	/* Not tried again and again. */
	assert_string_equal(apply(w, bad), "nothing");
	/* The rest of a definition with a bad option is served. */
	assert_string_equal(apply(w, BLUE ", dhcp: {options: [{number: 6, value: '10.9.0.1,nonsense,3'}]},"
				     " dns: {hosts: [{name: db, addresses: [10.9.0.20]}]}}}"), "reload");
	await_name(w, "db.blue.test", "10.9.0.20");
	assert_int_equal(dnsmasq_state(w->set, "blue", &problem), DNSMASQ_RUNNING);
	assert_string_equal(problem.code, "dnsmasq-refuses");

	forget_events(w);
	apply(w, BLUE ", dhcp: true}}");
	AWAIT(w, dnsmasq_state(w->set, "blue", &problem) == DNSMASQ_RUNNING && !problem.number);
	assert_int_equal(pid_of(w), pid);
}

/* Without a former one there is nothing to serve; the next definition is tried at once. */
static void test_bad_configuration_at_first(void **state)
{
	struct world *w = *state;

	NEED_ROOT();
	assert_string_equal(apply(w, BLUE ", dhcp: {options: [{number: 6, value: '10.9.0.1,nonsense'}]}}}"),
			    "start");
	await(w, "state blue failed: dnsmasq does not accept its configuration: bad IP address: "
		 "dhcp-option=6,10.9.0.1,nonsense");
	assert_int_equal(dnsmasq_state(w->set, "blue", NULL), DNSMASQ_FAILED);
	apply(w, BLUE ", dhcp: true}}");
	await(w, "state blue running");
	assert_int_equal(dnsmasq_state(w->set, "blue", NULL), DNSMASQ_RUNNING);
}

static void test_address_in_use_is_told_and_retried(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct world *w = *state;

	NEED_ROOT();
	inet_pton(AF_INET, "10.9.0.1", &address.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_string_equal(apply(w, BLUE ", dhcp: true}}"), "start");
	await(w, "state blue failed: its dnsmasq did not start: failed to create listening socket "
		 "for 10.9.0.1: Address already in use");
	assert_int_equal(dnsmasq_state(w->set, "blue", NULL), DNSMASQ_FAILED);
	close(fd);
	await(w, "state blue running");
	dnsmasq_stop(w->set, "blue");
	await(w, "state blue stopped");
}

static void test_missing_program(void **state)
{
	struct world *w = *state;
	const char *code;

	NEED_ROOT();
	dnsmasq_set_free(w->set);
	new_set(w, "/nonexistent/dnsmasq");
	assert_int_equal(apply_with(w, BLUE ", dhcp: true}}", NULL, &code), -ENOENT);
	assert_string_equal(code, "dnsmasq-missing");
	await(w, "state blue failed: dnsmasq is not installed; install the package dnsmasq-base");
	dnsmasq_stop(w->set, "blue");
	await(w, "state blue stopped");
}

static void test_adopted_by_the_next_netd(void **state)
{
	struct world *w = *state;
	pid_t pid;

	NEED_ROOT();
	start_blue(w);
	pid = pid_of(w);
	dnsmasq_set_free(w->set);
	assert_int_equal(kill(pid, 0), 0);

	new_set(w, NULL);
	assert_int_equal(dnsmasq_adopt(w->set, NULL), 0);
	assert_int_equal(pid_of(w), pid);
	assert_string_equal(apply(w, BLUE ", dhcp: true}}"), "nothing");
	await(w, "state blue running");
	assert_int_equal(pid_of(w), pid);
	dnsmasq_stop_unclaimed(w->set);
	run_for(w, 100);
	assert_int_equal(pid_of(w), pid);

	/* It is not our child, and its end is seen all the same. */
	kill(pid, SIGKILL);
	await(w, "state blue failed");
	forget_events(w);
	await(w, "state blue running");

	/* Nobody wants it: it goes. */
	pid = pid_of(w);
	dnsmasq_set_free(w->set);
	new_set(w, NULL);
	assert_int_equal(dnsmasq_adopt(w->set, NULL), 0);
	assert_int_equal(pid_of(w), pid);
	run_for(w, 20);
	forget_events(w);
	dnsmasq_stop_unclaimed(w->set);
	await(w, "state blue stopped");
	await_end(w, pid);
}

/* A pid file that names somebody else's process, ours even. */
static void test_stale_pid_file(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *path = mem_printf("%s/dnsmasq/blue/run/pid", w->run_dir);
	AUTO_FREE char *text = mem_printf("%d\n", getpid());

	NEED_ROOT();
	start_blue(w);
	dnsmasq_set_free(w->set);
	sh("kill -9 $(cat %s)", path);
	write_text(path, text);
	new_set(w, NULL);
	assert_int_equal(dnsmasq_adopt(w->set, NULL), 0);
	assert_int_equal(pid_of(w), 0);
	start_blue(w);
	assert_int_not_equal(pid_of(w), getpid());
}

/* The bridge was taken away and made again: the socket of the old one hears nothing. */
static void test_new_bridge_restarts(void **state)
{
	struct world *w = *state;
	pid_t pid;

	NEED_ROOT();
	start_blue(w);
	pid = pid_of(w);
	sh("ip link del vn-blue && ip link add dummy-br type bridge && ip link add vn-blue type bridge &&"
	   " ip link set vn-blue up && ip addr add 10.9.0.1/24 dev vn-blue &&"
	   " ip addr add fd00:9::1/64 dev vn-blue nodad && ip link del dummy-br");
	assert_string_equal(apply(w, BLUE ", dhcp: true}}"), "restart");
	await(w, "state blue running");
	run_for(w, 100);
	assert_int_not_equal(pid_of(w), pid);
}

static void put_leases(struct world *w, long expires)
{
	AUTO_FREE char *path = mem_printf("%s/dnsmasq/blue.leases", w->state_dir);
	AUTO_FREE char *text = mem_printf(
		"%ld 52:54:00:00:00:09 10.9.0.50 guest 01:52:54:00:00:00:09\n"
		"%ld 52:54:00:00:00:08 10.9.0.51 * *\n"
		"duid 00:01:00:01:2e:d0:01:02:52:54:00:00:00:01\n"
		"%ld 77 fd00:9::150 guest 00:03:00:01:52:54:00:00:00:09\n", expires, expires, expires);

	write_text(path, text);
}

static void test_leases_are_seen_and_released(void **state)
{
	static const char yaml[] = BLUE ", dhcp: true, dhcp6: {ranges: ['fd00:9::100-fd00:9::1ff']}}}";
	const struct mac mac = { { 0x52, 0x54, 0, 0, 0, 9 } };
	struct world *w = *state;

	NEED_ROOT();
	put_leases(w, time(NULL) + 3600);
	assert_null(dnsmasq_leases(w->set, "blue"));
	assert_string_equal(apply(w, yaml), "start");
	assert_int_equal(dnsmasq_leases(w->set, "blue")->leases.n, 3);
	await(w, "state blue running");
	run_for(w, 200);
	assert_false(has_event(w, "lease"));
	await_name(w, "guest.blue.test", "10.9.0.50");

	/* Only what that MAC has, and both families. */
	dnsmasq_release(w->set, "blue", &mac);
	await(w, "lease blue removed 10.9.0.50");
	await(w, "lease blue removed fd00:9::150");
	run_for(w, 200);
	assert_int_equal(dnsmasq_leases(w->set, "blue")->leases.n, 1);
	assert_false(resolves(w, "guest.blue.test", "10.9.0.50"));

	/* The rest outlives the service, until the network is deleted. */
	dnsmasq_stop(w->set, "blue");
	await(w, "state blue stopped");
	sh("grep -q 10.9.0.51 %s/dnsmasq/blue.leases", w->state_dir);
	dnsmasq_forget(w->set, "blue");
	sh("[ ! -e %s/dnsmasq/blue.leases ]", w->state_dir);
}

/*
 * As dnsmasq does it: emptied, then written bit by bit.  False: this took so long
 * (the processor was away) that the leases may rightly count as gone.
 */
static bool rewrite(struct world *w, FILE *f, const char *text)
{
	uint64_t start = loop_now();
	size_t half = strlen(text) / 2;

	rewind(f);
	assert_int_equal(ftruncate(fileno(f), 0), 0);
	run_for(w, 35);
	fwrite(text, 1, half, f);
	fflush(f);
	run_for(w, 5);
	fputs(text + half, f);
	fflush(f);
	return loop_now() - start < 150000;
}

/* Nothing may seem to go. */
static void test_a_rewrite_is_no_loss(void **state)
{
	static const char yaml[] = BLUE ", dns: true}}";
	struct world *w = *state;
	AUTO_FREE char *path = mem_printf("%s/dnsmasq/blue.leases", w->state_dir);
	AUTO_FREE char *text = NULL;
	FILE *f;

	NEED_ROOT();
	/* Slaac only, so that dnsmasq itself leaves the file alone. */
	put_leases(w, time(NULL) + 3600);
	assert_string_equal(apply(w, yaml), "start");
	await(w, "state blue running");
	run_for(w, 200);
	put_leases(w, time(NULL) + 3600);
	run_for(w, 200);
	forget_events(w);

	f = fopen(path, "r+e");
	assert_non_null(f);
	text = mem_alloc(4096);
	assert_true(fread(text, 1, 4095, f) > 0);
	for (int good = 0, i = 0; good < 20 && i < 200; i++) {
		bool in_time = rewrite(w, f, text);

		run_for(w, in_time ? 60 : 600);
		if (in_time)
			assert_false(has_event(w, "removed"));
		forget_events(w);
		good += in_time;
	}
	fclose(f);
	run_for(w, 500);
	assert_false(has_event(w, "removed"));
	write_text(path, "");
	await(w, "lease blue removed 10.9.0.50");
	await(w, "lease blue removed 10.9.0.51");
	await(w, "lease blue removed fd00:9::150");
}

static void test_resolvers_are_followed(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *other = mem_printf("%s/other", w->dir);
	pid_t pid;

	NEED_ROOT();
	start_blue(w);
	pid = pid_of(w);
	sh("grep -qx server=192.0.2.1 %s/dnsmasq/blue/servers", w->run_dir);
	/* By rename, as NetworkManager does. */
	write_text(other, "nameserver 192.0.2.2\n");
	assert_int_equal(rename(other, w->resolv_conf), 0);
	AWAIT(w, w->resolver_changes == 1);
	assert_string_equal(apply(w, BLUE ", dhcp: true}}"), "reload");
	sh("grep -qx server=192.0.2.2 %s/dnsmasq/blue/servers", w->run_dir);
	assert_int_equal(pid_of(w), pid);
	/* As a link to a file elsewhere, which then changes. */
	write_text(other, "nameserver 192.0.2.3\n");
	sh("mkdir %s/elsewhere && mv %s %s/elsewhere/r && ln -sf elsewhere/r %s", w->dir, other,
	   w->dir, w->resolv_conf);
	AWAIT(w, w->resolver_changes == 2);
	sh("echo nameserver 192.0.2.4 >%s/elsewhere/r", w->dir);
	AWAIT(w, w->resolver_changes >= 3);
}

/* A definition that changes faster than dnsmasq starts: the last one wins. */
static void test_changes_while_starting(void **state)
{
	struct world *w = *state;

	NEED_ROOT();
	apply(w, BLUE ", dhcp: true}}");
	apply(w, BLUE ", dhcp: {ranges: [10.9.0.50-10.9.0.60]}}}");
	apply(w, BLUE ", dhcp: {ranges: [10.9.0.70-10.9.0.80]}, dns: {hosts: [{name: a, addresses: [10.9.0.21]}]}}}");
	loop_once(w->loop, 0);
	dnsmasq_stop(w->set, "blue");
	apply(w, BLUE ", dhcp: {ranges: [10.9.0.90-10.9.0.99]}, dns: {hosts: [{name: a, addresses: [10.9.0.22]}]}}}");
	await_name(w, "a.blue.test", "10.9.0.22");
	AWAIT(w, dnsmasq_state(w->set, "blue", NULL) == DNSMASQ_RUNNING);
	sh("grep -q 10.9.0.90 %s/dnsmasq/blue/dnsmasq.conf", w->run_dir);
	assert_string_equal(apply(w, BLUE ", dhcp: {ranges: [10.9.0.90-10.9.0.99]},"
				     " dns: {hosts: [{name: a, addresses: [10.9.0.22]}]}}}"), "nothing");
	/* Stopped before it is up. */
	dnsmasq_stop(w->set, "blue");
	apply(w, BLUE ", dhcp: true}}");
	dnsmasq_stop(w->set, "blue");
	forget_events(w);
	await(w, "state blue stopped");
	AWAIT(w, system("pgrep -x dnsmasq >/dev/null") != 0);
}

/* --- namespaces --- */

static int all_tests(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_start_reload_restart_stop),
		TEST(test_killed_comes_back),
		TEST(test_bad_configuration_keeps_the_former),
		TEST(test_bad_configuration_at_first),
		TEST(test_address_in_use_is_told_and_retried),
		TEST(test_missing_program),
		TEST(test_adopted_by_the_next_netd),
		TEST(test_stale_pid_file),
		TEST(test_new_bridge_restarts),
		TEST(test_leases_are_seen_and_released),
		TEST(test_a_rewrite_is_no_loss),
		TEST(test_resolvers_are_followed),
		TEST(test_changes_while_starting),
	};

	log_init(getenv("VNET_TEST_VERBOSE") ? LOG_DEBUG : LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Process 1 of the namespace: with it ends everything that was started, and it
 * reaps the daemons, which are nobody else's children.
 */
static int be_init(void)
{
	int status, result = 1;
	pid_t tests, pid;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
	    system("ip link set lo up") != 0)
		why_skipped = "this machine does not let root mount /proc";
	tests = fork();
	if (tests == 0)
		exit(all_tests());
	while ((pid = waitpid(-1, &status, 0)) > 0 && pid != tests)
		;
	if (pid == tests && WIFEXITED(status))
		result = WEXITSTATUS(status);
	_exit(result);
}

int main(void)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		why_skipped = "needs root, for namespaces and dnsmasq's user";
	else if (access("/usr/sbin/dnsmasq", X_OK) < 0)
		why_skipped = "dnsmasq is not installed";
	else if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID) < 0)
		why_skipped = "this machine does not let root make namespaces";
	if (why_skipped)
		return all_tests();
	pid = fork();
	if (pid == 0)
		return be_init();
	/* No leak check here: it would have to fork into a namespace that is gone. */
	_exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}
