/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_nft_kernel.c - our rules in a real kernel, with nft(8) as the witness
 *
 * Each test has a network namespace of its own.  Needs root and nft.
 */

#include "tests/support/nft_cases.h"

#include "nft/ast.h"
#include "base/strbuf.h"
#include "nft/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct mnl_socket *sock;

/* Devices: the namespace's, or numbered ones that exist only in the test. */

static unsigned real_index(void *context, const char *name)
{
	(void)context;
	return if_nametoindex(name);
}

static bool real_name(void *context, unsigned index, char ret_name[16])
{
	(void)context;
	return if_indextoname(index, ret_name) != NULL;
}

static const struct nft_devices real = { real_index, real_name, NULL, false };

static unsigned numbered_index(void *context, const char *name)
{
	(void)context;
	return (unsigned)strtoul(name + 2, NULL, 10) + 1000;
}

static bool numbered_name(void *context, unsigned index, char ret_name[16])
{
	(void)context;
	snprintf(ret_name, 16, "vp%u", index - 1000);
	return true;
}

static const struct nft_devices numbered = { numbered_index, numbered_name, NULL, false };

/* Commands. */

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static char *output_of(const char *command)
{
	FILE *f = popen(command, "re");
	char *text = mem_alloc(1 << 22);
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, (1 << 22) - 1, f);
	text[n] = '\0';
	assert_int_equal(pclose(f), 0);
	return text;
}

/* Line by line, because cmocka cuts long strings. */
static void assert_text_equal(const char *a, const char *b)
{
	while (*a && *b) {
		size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

		if (n != m || memcmp(a, b, n) != 0)
			fail_msg("%.*s\n\tis not\n%.*s", (int)n, a, (int)m, b);
		a += n + (a[n] != '\0');
		b += m + (b[m] != '\0');
	}
	assert_string_equal(a, b);
}

static int setup(void **state)
{
	struct vnet_error err = { 0 };

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("no network namespace (%s): needs root\n", strerror(errno));
		sock = NULL;
		return 0;
	}
	if (nft_netlink_open(&sock, &err) < 0)
		return -1;
	nft_cases_have_conntrack = nft_netlink_has_conntrack(sock);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (sock)
		mnl_socket_close(sock);
	return 0;
}

#define NEED_KERNEL() \
	do { \
		if (!sock) \
			skip(); \
	} while (0)

static struct nft_ruleset *compile_case(const char *name);

/* What the cases name, as devices that cost nothing. */
static void make_devices(void)
{
	run("ip link set lo up");
	for (int i = 1; i <= 10; i++)
		run("ip link add vp%d type bridge", i);
	for (size_t i = 0; i < ARRAY_SIZE(nft_cases); i++) {
		AUTO(nft_ruleset_free) struct nft_ruleset *rs = compile_case(nft_cases[i]);

		vec_each (elem, &rs->sets[NFT_SET_MEMBERS].elems)
			if (!if_nametoindex((const char *)elem->key))
				run("ip link add %s type bridge", (const char *)elem->key);
	}
}

static struct nft_ruleset *compile_case(const char *name)
{
	struct nft_case c;
	struct nft_ruleset *rs;

	assert_int_equal(nft_case_load(name, &c), 0);
	rs = nft_case_compile(&c);
	nft_case_free(&c);
	return rs;
}

static void commit(const struct nft_txn *txn, const struct nft_devices *devices)
{
	struct vnet_error err = { 0 };

	if (nft_netlink_commit(sock, txn, devices, &err) < 0)
		fail_msg("%s: %s (kernel: %s)", err.code, err.message, err.kernel);
}

static struct nft_ruleset *dump(const struct nft_devices *devices)
{
	struct vnet_error err = { 0 };
	struct nft_ruleset *rs = NULL;

	if (nft_netlink_dump(sock, devices, &rs, &err) < 0)
		fail_msg("%s: %s", err.code, err.message);
	return rs;
}

/* Brings the kernel to want from whatever it has. */
static void converge(const struct nft_ruleset *want, const struct nft_devices *devices)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *have = dump(devices);
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(want, have);

	commit(txn, devices);
}

static void assert_kernel_has(const struct nft_ruleset *want, const struct nft_devices *devices)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *have = dump(devices);
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(want, have);
	AUTO_FREE char *text = nft_txn_to_text(txn);

	assert_string_equal(text, "");
}

/*
 * A worker of the kernel grows a large set's hash table after the batch is done;
 * while it does, a dump in several parts may miss elements that are there.
 */
static void wait_for_kernel_to_have(const struct nft_ruleset *want, const struct nft_devices *devices)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; i < 100; i++) {
		AUTO(nft_ruleset_free) struct nft_ruleset *have = dump(devices);

		if (nft_ruleset_equal(want, have))
			return;
		nanosleep(&pause, NULL);
	}
	assert_kernel_has(want, devices);
}

/*
 * nft lists a place in a packet that it has no name for inside a concatenation, but
 * does not read it there.  So such places are replaced by ones that it knows, in
 * what it reads and in what it lists of ours alike: the listing has shown that the
 * place is the right one.
 */
static char *with_named_places(char *text)
{
	static const struct { const char *place, *stand_in; } places[] = {
		{ ". @th,64,128 ", ". ip6 daddr " },   { ". @th,80,48 ", ". ether daddr " },
		{ ". @th,208,48 ", ". ether daddr " }, { ". @th,288,48 ", ". ether daddr " },
		{ ". @nh,64,48 ", ". ether daddr " },  { ". @nh,144,48 ", ". ether daddr " },
	};
	struct strbuf out = { 0 };

	for (const char *c = text; *c; c++) {
		size_t i = 0;

		while (i < ARRAY_SIZE(places) &&
		       strncmp(c, places[i].place, strlen(places[i].place)) != 0)
			i++;
		if (i < ARRAY_SIZE(places)) {
			strbuf_append(&out, places[i].stand_in);
			c += strlen(places[i].place) - 1;
		} else {
			strbuf_printf(&out, "%c", *c);
		}
	}
	free(text);
	return strbuf_take(&out);
}

static void read_by_nft(const char *text)
{
	FILE *f = popen("nft -f -", "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(pclose(f), 0);
}

/* Our batch and nft's own reading of our text must make the same rules. */
static void test_encoded_as_nft_does(void **state)
{
	(void)state;
	NEED_KERNEL();
	make_devices();
	for (size_t i = 0; i < ARRAY_SIZE(nft_cases); i++) {
		AUTO(nft_ruleset_free) struct nft_ruleset *want = compile_case(nft_cases[i]);
		AUTO_FREE char *ours = NULL, *theirs = NULL;
		AUTO_FREE char *text = with_named_places(nft_ruleset_to_text(want));

		converge(want, &real);
		assert_kernel_has(want, &real);
		ours = with_named_places(output_of("nft -s list ruleset"));
		run("nft flush ruleset");
		read_by_nft(text);
		theirs = output_of("nft -s list ruleset");
		assert_text_equal(ours, theirs);
		run("nft flush ruleset");
	}
}

static void test_every_change(void **state)
{
	(void)state;
	NEED_KERNEL();
	make_devices();
	for (size_t i = 0; i < ARRAY_SIZE(nft_cases); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(nft_cases); j++) {
			AUTO(nft_ruleset_free) struct nft_ruleset *a = compile_case(nft_cases[i]);
			AUTO(nft_ruleset_free) struct nft_ruleset *b = compile_case(nft_cases[j]);

			converge(a, &real);
			converge(b, &real);
			assert_kernel_has(b, &real);
		}
	}
	converge(NULL, &real);
	assert_null(dump(&real));
}

static void test_the_text_of_a_transaction_is_true(void **state)
{
	(void)state;
	NEED_KERNEL();
	make_devices();
	for (size_t i = 0; i + 1 < ARRAY_SIZE(nft_cases); i++) {
		AUTO(nft_ruleset_free) struct nft_ruleset *a = compile_case(nft_cases[i]);
		AUTO(nft_ruleset_free) struct nft_ruleset *b = compile_case(nft_cases[i + 1]);
		AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(b, a);
		AUTO_FREE char *text = with_named_places(nft_txn_to_text(txn));
		AUTO_FREE char *ours = NULL, *theirs = NULL;

		converge(a, &real);
		commit(txn, &real);
		ours = with_named_places(output_of("nft -s list ruleset"));
		converge(NULL, &real);
		converge(a, &real);
		read_by_nft(text);
		theirs = with_named_places(output_of("nft -s list ruleset"));
		assert_text_equal(ours, theirs);
		converge(NULL, &real);
	}
}

#define MANY 4000

static struct port *numbered_port(int i)
{
	char ifname[16], mac[32];

	snprintf(ifname, sizeof(ifname), "vp%d", i);
	snprintf(mac, sizeof(mac), "52:54:00:01:%02x:%02x", i >> 8, i & 255);
	return nft_case_port(ifname, "blue", ifname, mac);
}

static void test_many_ports(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *want = NULL;
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_new();
	nft_counter_vec counters = { 0 };
	struct vnet_error err = { 0 };
	struct nft_case c;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(nft_case_load("nat", &c), 0);
	for (int i = 100; i < 100 + MANY; i++)
		vec_push(&c.ports, numbered_port(i));
	want = nft_case_compile(&c);
	converge(want, &numbered); /* one batch of 12,000 elements */
	wait_for_kernel_to_have(want, &numbered);
	assert_int_equal(nft_netlink_counters(sock, NULL, &numbered, &counters, &err), 0);
	assert_int_equal(counters.n, 0); /* nothing was dropped */

	/* all of them away again, port by port in one transaction of 12,000 messages */
	for (int i = 100; i < 100 + MANY; i++) {
		port_free(c.ports.v[c.ports.n - 1]);
		c.ports.n--;
	}
	for (int i = 100; i < 100 + MANY; i++) {
		AUTO(port_free) struct port *port = numbered_port(i);

		nft_txn_add_port(txn, c.nets.v[0], port, NULL);
	}
	commit(txn, &numbered);
	nft_ruleset_free(want);
	want = nft_case_compile(&c);
	wait_for_kernel_to_have(want, &numbered);
	vec_free(&counters);
	nft_case_free(&c);
}

static void test_ports_come_and_go_twice(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *without = NULL, *with = NULL;
	struct port *port = numbered_port(7);
	AUTO(nft_txn_free) struct nft_txn *come = NULL, *go = NULL;
	struct nft_case c;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(nft_case_load("nat", &c), 0);
	without = nft_case_compile(&c);
	converge(without, &numbered);
	come = nft_txn_for_port(c.nets.v[0], NULL, port);
	go = nft_txn_for_port(c.nets.v[0], port, NULL);
	vec_push(&c.ports, port);
	with = nft_case_compile(&c);

	commit(come, &numbered);
	assert_kernel_has(with, &numbered);
	commit(come, &numbered);
	assert_kernel_has(with, &numbered);
	run("nft delete element bridge vnet members { 1007 }");
	commit(go, &numbered);
	assert_kernel_has(without, &numbered);
	commit(go, &numbered);
	assert_kernel_has(without, &numbered);
	nft_case_free(&c);
}

static unsigned counted_index(void *context, const char *name)
{
	++*(unsigned *)context;
	return numbered_index(NULL, name);
}

static void test_a_device_is_asked_for_once(void **state)
{
	unsigned n = 0;
	const struct nft_devices counted = { .index = counted_index, .name = numbered_name,
					     .context = &n };
	AUTO(port_free) struct port *one = numbered_port(7), *other = numbered_port(8);
	AUTO(nft_ruleset_free) struct nft_ruleset *rules = NULL;
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_new();
	struct nft_case c;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(nft_case_load("nat", &c), 0);
	rules = nft_case_compile(&c);
	converge(rules, &numbered);
	nft_txn_add_port(txn, c.nets.v[0], NULL, one);
	nft_txn_add_port(txn, c.nets.v[0], NULL, other);
	commit(txn, &counted);
	assert_int_equal(n, 2);
	nft_case_free(&c);
}

static void test_flushed_by_hand(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *want = compile_case("nat");
	AUTO(port_free) struct port *port = numbered_port(7);
	AUTO(nft_txn_free) struct nft_txn *come = NULL, *go = NULL;
	struct vnet_error err = { 0 };
	nft_counter_vec counters = { 0 };
	struct network net = { .name = (char []){ "blue" }, .mode = NETWORK_NAT, .host_access = true };

	(void)state;
	NEED_KERNEL();
	converge(want, &numbered);
	run("nft flush ruleset");
	assert_null(dump(&numbered));
	come = nft_txn_for_port(&net, NULL, port);
	go = nft_txn_for_port(&net, port, NULL);
	assert_int_equal(nft_netlink_commit(sock, come, &numbered, &err), -ENOENT);
	assert_string_equal(err.code, "rules-missing");
	assert_non_null(strstr(err.message, "\"vp7\" : goto guard/mac of set guards of table bridge vnet"));
	vnet_error_clear(&err);
	assert_int_equal(nft_netlink_commit(sock, go, &numbered, &err), -ENOENT);
	assert_int_equal(nft_netlink_counters(sock, NULL, &numbered, &counters, &err), 0);
	assert_int_equal(nft_netlink_counters(sock, "vp7", &numbered, &counters, &err), 0);
	assert_int_equal(counters.n, 0);
	converge(want, &numbered);
	assert_kernel_has(want, &numbered);
}

/* Everything an administrator may try on our tables is seen and undone. */
static void test_tampering(void **state)
{
	static const char *const deeds[] = {
		"flush table bridge vnet",
		"flush map bridge vnet guards",
		"flush chain bridge vnet guard/refuse",
		("delete rule bridge vnet guard/mac handle $(nft -a list chain bridge vnet guard/mac | "
		 "sed -n \"s/.*@macs.*handle //p\")"),
		"flush chain bridge vnet prerouting",
		"insert rule bridge vnet prerouting accept",
		"add rule inet vnet nat_to accept",
		"add chain inet vnet mine",
		"add chain inet vnet mine { type filter hook input priority 5; }",
		"add chain bridge vnet forward { policy drop; }",
		"add set bridge vnet mine { type ether_addr; }",
		"add element inet vnet bridges { other }",
		"delete element inet vnet from_bridge { vn-blue }",
		"delete table inet vnet",
		"delete table bridge vnet",
		"delete table bridge vnet; add table bridge vnet",
		"delete table bridge vnet; add table bridge vnet { comment mine; }",
	};
	AUTO(nft_ruleset_free) struct nft_ruleset *want = compile_case("nat");

	(void)state;
	NEED_KERNEL();
	converge(want, &numbered);
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
		AUTO(nft_ruleset_free) struct nft_ruleset *have = NULL;

		run("nft \"%s\"", deeds[i]);
		have = dump(&numbered);
		if (nft_ruleset_equal(want, have))
			fail_msg("not seen: %s", deeds[i]);
		converge(want, &numbered);
		assert_kernel_has(want, &numbered);
	}
}

static void test_other_tables_are_not_touched(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *want = compile_case("forwards");
	AUTO_FREE char *before = NULL, *after = NULL;

	(void)state;
	NEED_KERNEL();
	run("nft 'table inet other { chain c { type filter hook forward priority 0; ct state invalid drop; }; }'");
	run("nft 'table bridge other { set macs { type iface_index; }; }; table ip vnet { chain forward { }; }'");
	before = output_of("nft list ruleset");
	converge(want, &numbered);
	assert_kernel_has(want, &numbered);
	converge(NULL, &numbered);
	after = output_of("nft list ruleset");
	assert_string_equal(before, after);
}

/* One device that somebody has just deleted does not keep the rules of the others from standing. */
static void test_unknown_device(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *want = compile_case("nat");
	AUTO(nft_ruleset_free) struct nft_ruleset *is = NULL;
	AUTO(nft_txn_free) struct nft_txn *txn = nft_diff(want, NULL);
	AUTO(nft_txn_free) struct nft_txn *rest = NULL;

	(void)state;
	NEED_KERNEL();
	commit(txn, &real);
	is = dump(&real);
	rest = nft_diff(want, is);
	assert_false(nft_txn_is_empty(rest));
	/* When it is there, the next plan adds what is missing. */
	make_devices();
	converge(want, &real);
}

/* A guest's device dies before anybody can ask for its index. */
static void test_device_gone(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *want = NULL;
	AUTO(nft_txn_free) struct nft_txn *go = NULL;
	struct port *gone;
	struct nft_case c;

	(void)state;
	NEED_KERNEL();
	make_devices();
	assert_int_equal(nft_case_load("nat", &c), 0);
	want = nft_case_compile(&c);
	converge(want, &real);
	run("ip link del vp1");
	gone = c.ports.v[0];
	vec_remove(&c.ports, 0);
	nft_ruleset_free(want);
	want = nft_case_compile(&c);
	go = nft_txn_for_port(c.nets.v[0], gone, NULL);
	commit(go, &real);
	assert_kernel_has(want, &real);

	/* and the same found by a dump */
	vec_push(&c.ports, gone);
	run("ip link add vp1 type bridge");
	nft_ruleset_free(want);
	want = nft_case_compile(&c);
	converge(want, &real);
	run("ip link del vp1");
	c.ports.n--;
	nft_ruleset_free(want);
	want = nft_case_compile(&c);
	converge(want, &real);
	assert_kernel_has(want, &real);
	port_free(gone);
	nft_case_free(&c);
}

static void test_not_permitted(void **state)
{
	int status = 0;
	pid_t child;

	(void)state;
	NEED_KERNEL();
	child = fork();
	if (child == 0) {
		AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_new();
		struct mnl_socket *s = NULL;
		struct vnet_error err = { 0 };

		nft_txn_add(txn, NFT_OP_ADD_TABLE, NFT_INET);
		if (setuid(65534) < 0 || nft_netlink_open(&s, &err) < 0)
			_exit(1);
		_exit(nft_netlink_commit(s, txn, &numbered, &err) == -EPERM &&
		      strcmp(err.code, "not-permitted") == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Dumps while another process commits all the time: right, or refused as busy. */
static void test_dump_under_changes(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *want = NULL;
	struct nft_case c;
	int good = 0;
	pid_t child;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(nft_case_load("nat", &c), 0);
	for (int i = 100; i < 1100; i++)
		vec_push(&c.ports, numbered_port(i));
	want = nft_case_compile(&c);
	nft_case_free(&c);
	converge(want, &numbered);
	wait_for_kernel_to_have(want, &numbered);
	child = fork();
	if (child == 0) {
		execlp("sh", "sh", "-c",
		       "for i in $(seq 300); do nft 'add table ip x; delete table ip x'; done", NULL);
		_exit(1);
	}
	for (int i = 0; i < 100; i++) {
		struct nft_ruleset *have = NULL;
		struct vnet_error err = { 0 };
		int r = nft_netlink_dump(sock, &numbered, &have, &err);

		if (r == 0) {
			assert_true(nft_ruleset_equal(want, have));
			good++;
		} else {
			assert_int_equal(r, -EAGAIN);
		}
		nft_ruleset_free(have);
	}
	waitpid(child, NULL, 0);
	assert_true(good > 0);
}

/* The answer is the same whatever is there, and leaves everything as it is. */
static void test_conntrack_is_tried_without_a_trace(void **state)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *want = compile_case("nat");

	(void)state;
	NEED_KERNEL();
	if (!nft_cases_have_conntrack)
		print_message("this kernel cannot track connections on bridges: groups are closed\n");
	assert_null(dump(&real));
	make_devices();
	converge(want, &real);
	assert_int_equal(nft_netlink_has_conntrack(sock), nft_cases_have_conntrack);
	assert_kernel_has(want, &real);
}

/* Frames. */

struct frame { uint8_t to[6], from[6], type[2], data[50]; };
#define TAGS_MAX 3

static int packet_socket(const char *ifname)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	struct timeval timeout = { .tv_usec = 300000 };

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
	return fd;
}

/* tags: "8100/10 8100/20", the outer one first. */
static void send_tagged(int fd, const char *to, const char *from, const char *tags, uint8_t mark)
{
	struct frame frame = { .type = { 0x88, 0xb5 }, .data = { mark } };
	uint8_t buf[sizeof(frame) + TAGS_MAX * 4];
	size_t n = 12;
	unsigned type, id;
	struct mac mac;
	int used;

	assert_int_equal(mac_parse(to, &mac), 0);
	memcpy(buf, mac.b, 6);
	assert_int_equal(mac_parse(from, &mac), 0);
	memcpy(buf + 6, mac.b, 6);
	for (; sscanf(tags, "%x/%u%n", &type, &id, &used) == 2; tags += used) {
		uint16_t tag[2] = { htons((uint16_t)type), htons((uint16_t)id) };

		memcpy(buf + n, tag, sizeof(tag));
		n += sizeof(tag);
	}
	memcpy(buf + n, frame.type, sizeof(frame) - 12);
	n += sizeof(frame) - 12;
	/* What a rule on the way out of the sender's own device drops, the sender is told. */
	assert_true(write(fd, buf, n) == (ssize_t)n || errno == ENOBUFS);
}

static void send_frame(int fd, const char *to, const char *from, uint8_t mark)
{
	send_tagged(fd, to, from, "", mark);
}

/* The mark of a frame of the test's, behind whatever tags the kernel has left in it; 0: another's. */
static uint8_t mark_of(const uint8_t *buf, size_t size)
{
	static const uint8_t type[2] = { 0x88, 0xb5 };

	for (size_t i = 12; i + 3 <= size && i <= 12 + 4 * TAGS_MAX; i += 4)
		if (memcmp(buf + i, type, 2) == 0)
			return buf[i + 2];
	return 0;
}

/* The marks of the test's frames that have arrived; veth and bridge deliver while sending. */
static void expect_marks(int fd, const char *want)
{
	char got[64] = "";
	uint8_t buf[256];

	for (int i = 0; i < 100; i++) {
		struct sockaddr_ll from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size);
		uint8_t mark;

		if (n < 0)
			break;
		mark = mark_of(buf, (size_t)n);
		if (mark && from.sll_pkttype != PACKET_OUTGOING)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%c", mark);
	}
	assert_string_equal(got, want);
}

/* For whatever reason. */
static uint64_t dropped(const char *ifname)
{
	nft_counter_vec counters = { 0 };
	struct vnet_error err = { 0 };
	uint64_t packets = 0;

	assert_int_equal(nft_netlink_counters(sock, ifname, &real, &counters, &err), 0);
	vec_each(counter, &counters) {
		assert_string_equal(counter->ifname, ifname);
		packets += counter->packets;
	}
	vec_free(&counters);
	return packets;
}

#define OWN "52:54:00:00:00:01"
#define OTHER "52:54:00:00:00:02"
#define ALL "ff:ff:ff:ff:ff:ff"

static void make_bridge_with_ports(void)
{
	run("ip link add vn-blue type bridge mcast_snooping 0 && ip link set vn-blue up");
	for (int i = 1; i <= 3; i++)
		run("ip link add vp%d type veth peer name g%d && ip link set vp%d master vn-blue up && "
		    "ip link set g%d up && sysctl -qw net.ipv6.conf.g%d.disable_ipv6=1", i, i, i, i, i);
}

static void test_a_port_carries_only_its_own_mac(void **state)
{
	struct nft_case c = { 0 };
	AUTO(nft_ruleset_free) struct nft_ruleset *want = NULL;
	AUTO_FREE char *fdb = NULL;
	int one, two, three;

	(void)state;
	NEED_KERNEL();
	make_bridge_with_ports();
	assert_int_equal(nft_case_load("nat", &c), 0);
	while (c.ports.n > 2) /* vp3 is on the bridge without anybody's leave */
		port_free(c.ports.v[--c.ports.n]);
	want = nft_case_compile(&c);
	converge(want, &real);
	one = packet_socket("g1");
	two = packet_socket("g2");
	three = packet_socket("g3");

	send_frame(one, ALL, OWN, 'a');
	send_frame(one, ALL, OTHER, 'b');
	send_frame(one, OTHER, "02:00:00:00:00:09", 'c');
	send_frame(one, OTHER, OWN, 'd');
	send_frame(three, ALL, "02:00:00:00:00:03", 'e');
	send_frame(three, OTHER, "02:00:00:00:00:03", 'f');
	send_frame(one, "01:80:c2:00:00:03", "02:00:00:00:00:0a", 'g');
	send_frame(two, ALL, OTHER, 'h');
	expect_marks(one, "h");
	expect_marks(two, "ad");
	expect_marks(three, "");
	assert_int_equal(dropped("vp1"), 3); /* b, c, g */
	fdb = output_of("bridge fdb show br vn-blue");
	assert_non_null(strstr(fdb, OWN " dev vp1"));
	assert_non_null(strstr(fdb, OTHER " dev vp2"));
	assert_null(strstr(fdb, "02:00:00:00:00:09"));
	assert_null(strstr(fdb, "02:00:00:00:00:0a"));
	close(one);
	close(two);
	close(three);
	nft_case_free(&c);
}

/* host_access: false where the host's own address is on the guests' wire. */
static void test_bridged_guests_do_not_see_the_host(void **state)
{
	static const char yaml[] = "networks:\n"
				   "  wire:\n"
				   "    mode: bridged\n"
				   "    host_access: false\n"
				   "    uplink: vp2\n"
				   "    bridge: {name: vn-blue, mac: \"02:00:00:00:00:01\"}\n";
	AUTO(port_free) struct port *port = nft_case_port("web", "wire", "vp1", OWN);
	AUTO(nft_ruleset_free) struct nft_ruleset *want = NULL;
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	int host, guest, wire;

	(void)state;
	NEED_KERNEL();
	make_bridge_with_ports();
	run("ip link set vn-blue address 02:00:00:00:00:01");
	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), "test", &nets, &err), 0);
	want = nft_compile((const struct network *const *)nets.v, 1, &(const struct port *){ port }, 1);
	converge(want, &real);
	host = packet_socket("vn-blue");
	guest = packet_socket("g1");
	wire = packet_socket("g2");

	send_frame(guest, "02:00:00:00:00:01", OWN, 'a');
	send_frame(guest, ALL, OWN, 'b');
	send_frame(wire, "02:00:00:00:00:01", OTHER, 'c');
	send_frame(wire, ALL, OTHER, 'd');
	send_frame(host, ALL, "02:00:00:00:00:01", 'e');
	send_frame(host, OWN, "02:00:00:00:00:01", 'f');
	expect_marks(host, "cd");
	expect_marks(guest, "d");
	expect_marks(wire, "be");
	close(host);
	close(guest);
	close(wire);
}

static struct nft_ruleset *compile_yaml(const char *yaml, const struct port *const *ports, size_t n)
{
	AUTO_NETWORKS network_vec nets = { 0 };
	struct vnet_error err = { 0 };

	if (networks_from_yaml(yaml, strlen(yaml), "test", &nets, &err) < 0)
		fail_msg("%s", err.message);
	return nft_compile((const struct network *const *)nets.v, nets.n, ports, n);
}

/* Guest 1 sends with each stack of tags; which frames guest 2 and the counter see. */
static void check_tags(const char *yaml, bool is_trunk, const char *passed)
{
	static const struct { const char *tags; uint8_t mark; } cases[] = {
		{ "", 'u' },			{ "8100/0", '0' },
		{ "8100/10", 'q' },		{ "88a8/10", 's' },
		{ "9100/10", 'o' },		{ "8100/10 8100/20", 'A' },
		{ "88a8/10 8100/20", 'B' },	{ "8100/10 88a8/20", 'C' },
		{ "8100/0 9100/20", 'D' },	{ "9100/10 8100/20", 'E' },
		{ "88a8/1 8100/2 8100/3", 'F' },
	};
	struct port *ports[] = { nft_case_port("a", "blue", "vp1", OWN),
				 nft_case_port("b", "blue", "vp2", OTHER) };
	AUTO(nft_ruleset_free) struct nft_ruleset *want = NULL;
	uint64_t before;
	int one, two;

	if (is_trunk)
		nft_case_port_is(ports[0], "trunk");
	want = compile_yaml(yaml, (const struct port *const *)ports, 2);
	converge(want, &real);
	before = dropped("vp1");
	one = packet_socket("g1");
	two = packet_socket("g2");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		send_tagged(one, ALL, OWN, cases[i].tags, cases[i].mark);
	expect_marks(two, passed);
	assert_int_equal(dropped("vp1") - before, ARRAY_SIZE(cases) - strlen(passed));

	/* A tag does not help with a false address. */
	before = dropped("vp1");
	send_tagged(one, ALL, "02:00:00:00:00:09", "8100/10", 'x');
	send_tagged(one, ALL, "02:00:00:00:00:09", "88a8/10 8100/10", 'y');
	expect_marks(two, "");
	assert_int_equal(dropped("vp1") - before, 2);
	close(one);
	close(two);
	port_free(ports[0]);
	port_free(ports[1]);
}

/*
 * The kernel takes the outer 802.1Q or 802.1ad tag out of the frame before the
 * bridge sees it; nftables puts it back for those who look at the header.
 */
static void test_tags_from_guests(void **state)
{
	static const char plain[] = "networks: {blue: {mode: isolated}, r: {mode: isolated, vlan: 5, uplink: vp3}}";
	static const char one_id[] = "networks: {blue: {mode: isolated, vlan: 5, uplink: vp3}}";
	static const char aware[] = "networks: {blue: {mode: isolated, bridge: {vlan_filtering: true}}}";

	static const char provider[] =
		"networks: {blue: {mode: isolated, bridge: {vlan_filtering: true, vlan_protocol: 802.1ad}}}";

	(void)state;
	NEED_KERNEL();
	make_bridge_with_ports();
	run("ip link add vl-blue type bridge && ip link add vl-r type bridge");
	check_tags(plain, false, "u0qsoABCDEF");
	check_tags(one_id, false, "u");
	check_tags(aware, false, "u");
	check_tags(aware, true, "u0q");
	check_tags(provider, true, "us");
	check_tags(plain, false, "u0qsoABCDEF");
}

/* macvtap: a chain on the device. */

static struct nft_ruleset *compile_macvtap(const struct port *port)
{
	return compile_yaml("networks: {wire: {mode: macvtap, uplink: eth0}}", &port, port ? 1 : 0);
}

static struct port *macvtap_port(const char *mac)
{
	struct port *port = nft_case_port("a", "wire", "mt0", mac);

	port->kind = PORT_MACVTAP;
	return port;
}

static void make_nic(void)
{
	run("ip link add eth0 type veth peer name g1 && ip link set eth0 up && ip link set g1 up && "
	    "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1");
}

static void make_macvtap(void)
{
	run("ip link add link eth0 name mt0 address " OWN " type macvtap mode bridge && "
	    "sysctl -qw net.ipv6.conf.mt0.disable_ipv6=1 && ip link set mt0 up");
}

static void commit_port(const struct port *before, const struct port *after)
{
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_for_port(NULL, before, after);

	commit(txn, &real);
}

/* What of two frames, with these addresses, comes out of the NIC below. */
static void check_macvtap_sends(const char *first, const char *second, const char *want)
{
	int guest = packet_socket("mt0"), wire = packet_socket("g1");

	send_frame(guest, ALL, first, 'a');
	send_tagged(guest, ALL, first, "8100/10", 'b');
	send_frame(guest, ALL, second, 'c');
	expect_marks(wire, want);
	close(guest);
	close(wire);
}

static void test_a_macvtap_port_carries_only_its_own_mac(void **state)
{
	AUTO(port_free) struct port *own = macvtap_port(OWN), *other = macvtap_port(OTHER);
	AUTO(nft_ruleset_free) struct nft_ruleset *empty = NULL, *with = NULL, *moved = NULL;

	(void)state;
	NEED_KERNEL();
	make_nic();
	make_macvtap();
	empty = compile_macvtap(NULL);
	with = compile_macvtap(own);
	moved = compile_macvtap(other);
	converge(empty, &real);
	check_macvtap_sends(OWN, OTHER, "abc"); /* as it would be without us */

	commit_port(NULL, own);
	assert_kernel_has(with, &real);
	check_macvtap_sends(OWN, OTHER, "ab");
	assert_int_equal(dropped("mt0"), 1);
	commit_port(NULL, own); /* as after a lost answer */
	assert_kernel_has(with, &real);
	commit_port(own, other);
	assert_kernel_has(moved, &real);
	check_macvtap_sends(OTHER, OWN, "ab");
	assert_int_equal(dropped("mt0"), 2); /* of this device, whatever changed meanwhile */

	commit_port(other, NULL);
	assert_kernel_has(empty, &real);
	commit_port(other, NULL);
	assert_kernel_has(empty, &real);
	converge(NULL, &real);
	assert_null(dump(&real));
}

/* Kernels do three different things with the chain of a device that goes. */
static void test_a_macvtap_device_that_goes_and_comes_back(void **state)
{
	AUTO(port_free) struct port *own = macvtap_port(OWN), *other = macvtap_port(OTHER);
	AUTO(nft_ruleset_free) struct nft_ruleset *empty = NULL, *with = NULL, *moved = NULL;

	(void)state;
	NEED_KERNEL();
	make_nic();
	make_macvtap();
	empty = compile_macvtap(NULL);
	with = compile_macvtap(own);
	moved = compile_macvtap(other);

	converge(with, &real); /* gone, and the port with it */
	run("ip link del mt0");
	commit_port(own, NULL);
	assert_kernel_has(empty, &real);

	make_macvtap(); /* gone, and found by a dump */
	commit_port(NULL, own);
	run("ip link del mt0");
	converge(empty, &real);
	assert_kernel_has(empty, &real);

	make_macvtap(); /* gone, and another port takes the name */
	commit_port(NULL, own);
	run("ip link del mt0");
	make_macvtap();
	commit_port(NULL, other);
	check_macvtap_sends(OTHER, OWN, "ab");
	converge(moved, &real); /* elements of an index that nobody has any more */
	assert_kernel_has(moved, &real);

	run("ip link del mt0"); /* gone, and made again behind our back */
	make_macvtap();
	converge(with, &real);
	assert_kernel_has(with, &real);
	check_macvtap_sends(OWN, OTHER, "ab");
	assert_int_equal(dropped("mt0"), 1);
}

static void test_tampering_with_a_macvtap_port(void **state)
{
	static const char *const deeds[] = {
		"flush chain netdev vnet mt0",
		"insert rule netdev vnet mt0 accept",
		"add chain netdev vnet mt0 { policy accept; }",
		"delete chain netdev vnet mt0",
		"delete chain netdev vnet mt0; add chain netdev vnet mt0 "
		"{ type filter hook egress device g1 priority 0; policy drop; }",
		"delete chain netdev vnet mt0; add chain netdev vnet mt0 "
		"{ type filter hook ingress device mt0 priority 0; policy drop; }",
		"add chain netdev vnet g1 { type filter hook egress device g1 priority 0; policy drop; }",
		"add chain netdev vnet mine",
		"add set netdev vnet mine { type ether_addr; }",
		"delete table netdev vnet",
	};
	AUTO(port_free) struct port *own = macvtap_port(OWN);
	AUTO(nft_ruleset_free) struct nft_ruleset *want = NULL;

	(void)state;
	NEED_KERNEL();
	make_nic();
	make_macvtap();
	want = compile_macvtap(own);
	converge(want, &real);
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
		AUTO(nft_ruleset_free) struct nft_ruleset *have = NULL;

		run("nft '%s'", deeds[i]);
		have = dump(&real);
		if (nft_ruleset_equal(want, have))
			fail_msg("not seen: %s", deeds[i]);
		converge(want, &real);
		assert_kernel_has(want, &real);
		check_macvtap_sends(OWN, OTHER, "ab");
	}
}

static void test_a_macvtap_port_that_cannot_be_held(void **state)
{
	AUTO(port_free) struct port *own = macvtap_port(OWN);
	AUTO(nft_ruleset_free) struct nft_ruleset *empty = NULL;
	AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_for_port(NULL, NULL, own);
	struct vnet_error err = { 0 };

	(void)state;
	NEED_KERNEL();
	make_nic();
	assert_int_equal(nft_netlink_commit(sock, txn, &real, &err), -ENODEV);
	assert_string_equal(err.code, "unknown-device");
	assert_string_equal(err.message, "nftables: there is no device mt0");
	vnet_error_clear(&err);

	make_macvtap();
	assert_int_equal(nft_netlink_commit(sock, txn, &real, &err), -ENOENT);
	assert_string_equal(err.code, "rules-missing");
	vnet_error_clear(&err);

	/* A hook that no kernel has, as egress where it is not built. */
	empty = compile_macvtap(NULL);
	converge(empty, &real);
	vec_each(op, &txn->ops)
		if (op->kind == NFT_OP_ADD_CHAIN)
			op->base.hook = NFT_HOOK_FORWARD;
	assert_int_equal(nft_netlink_commit(sock, txn, &real, &err), -EOPNOTSUPP);
	assert_string_equal(err.code, "no-egress-filter");
	assert_kernel_has(empty, &real);
}

static struct network *network_with(const char *egress)
{
	AUTO_FREE char *yaml = mem_printf("networks:\n  blue:\n    mode: nat\n"
					  "    addresses: [10.1.0.1/24]\n    egress: [%s]\n", egress);
	network_vec nets = { 0 };
	struct vnet_error err = { 0 };
	struct network *net;

	assert_int_equal(networks_from_yaml(yaml, strlen(yaml), "test", &nets, &err), 0);
	net = nets.v[0];
	vec_free(&nets);
	return net;
}

static struct nft_ruleset *compile_network(const struct network *net)
{
	return nft_compile(&net, 1, NULL, 0);
}

static size_t count_answers(const struct network *net, unsigned generation)
{
	AUTO(nft_ruleset_free) struct nft_ruleset *rs = dump(&real);
	char instance[EGRESS_INSTANCE_MAX];
	const struct nft_instance *found = nft_instance_find(
		rs, generation ? NFT_SET_NAMES4B : NFT_SET_NAMES4A, egress_instance(net, instance));

	assert_non_null(found);
	return found->elems.n;
}

/* As a resolver does. */
static void answer(const struct network *net, const char *address)
{
	char set[EGRESS_SET_MAX];

	for (unsigned generation = 0; generation < EGRESS_GENERATIONS; generation++)
		run("nft add element inet vnet %s '{ %s }'",
		    egress_set(net, AF_INET, generation, set), address);
}

static void test_sets_that_a_resolver_fills(void **state)
{
	AUTO(network_free) struct network *one = network_with("a.test, 192.0.2.0/24");
	AUTO(network_free) struct network *two = network_with("a.test, b.test");
	AUTO(nft_ruleset_free) struct nft_ruleset *first = compile_network(one);
	AUTO(nft_ruleset_free) struct nft_ruleset *second = compile_network(two);
	const struct network *const running[] = { two };

	(void)state;
	NEED_KERNEL();
	converge(first, &real);
	answer(one, "198.51.100.1");
	answer(one, "198.51.100.2");
	assert_kernel_has(first, &real); /* they are none of our business */

	converge(second, &real); /* a name more */
	assert_int_equal(count_answers(two, 0), 2);
	assert_int_equal(count_answers(two, 1), 2);

	for (unsigned generation = 0; generation < EGRESS_GENERATIONS; generation++) {
		AUTO(nft_txn_free) struct nft_txn *txn = nft_txn_for_aging(running, 1, generation);

		commit(txn, &real);
		answer(two, "198.51.100.2");
		assert_int_equal(count_answers(two, generation), 1);
		assert_int_equal(count_answers(two, !generation), generation ? 1 : 2);
	}

	converge(first, &real); /* a name less */
	assert_int_equal(count_answers(one, 0), 0);
	assert_int_equal(count_answers(one, 1), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_encoded_as_nft_does),
		TEST(test_every_change),
		TEST(test_the_text_of_a_transaction_is_true),
		TEST(test_sets_that_a_resolver_fills),
		TEST(test_many_ports),
		TEST(test_ports_come_and_go_twice),
		TEST(test_a_device_is_asked_for_once),
		TEST(test_flushed_by_hand),
		TEST(test_tampering),
		TEST(test_other_tables_are_not_touched),
		TEST(test_unknown_device),
		TEST(test_device_gone),
		TEST(test_not_permitted),
		TEST(test_dump_under_changes),
		TEST(test_conntrack_is_tried_without_a_trace),
		TEST(test_a_port_carries_only_its_own_mac),
		TEST(test_bridged_guests_do_not_see_the_host),
		TEST(test_tags_from_guests),
		TEST(test_a_macvtap_port_carries_only_its_own_mac),
		TEST(test_a_macvtap_device_that_goes_and_comes_back),
		TEST(test_tampering_with_a_macvtap_port),
		TEST(test_a_macvtap_port_that_cannot_be_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
