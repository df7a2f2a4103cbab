/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_devices.c - the Linux back end's devices that no values in memory can stand for
 *
 * macvtaps carry frames, interfaces appear in other namespaces, limits hold,
 * offloads change.  Each test has a network namespace of its own; what a kernel
 * lacks is skipped by name.  What is written is read back by `ip`, `tc` and
 * `ethtool` as well where an error of ours in both directions could hide.
 */

#include "kernel/kernel.h"
#include "tests/support/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define HEADER_SIZE 12 /* virtio's */
#define WAIT_MS 5000

static struct kernel *k;
static struct vnet_error err;

/* Fixture and small helpers. */

static int set_up(void **state)
{
	(void)state;
	vnet_error_clear(&err);
	if (netns_enter() < 0 || kernel_linux_new(&k, &err) < 0) {
		print_message("%s\n", err.message);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kernel_free(k);
	k = NULL;
	return 0;
}

static void ok(int r)
{
	char text[1024];

	if (r < 0)
		fail_msg("%d: %s", r, vnet_error_text(&err, text, sizeof(text)));
}

static bool try_sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool try_sh(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command) == 0; /* NOLINT(cert-env33-c) */
}

#define sh(...) do { if (!try_sh(__VA_ARGS__)) fail_msg("failed: " __VA_ARGS__); } while (0)

static char printed[16384]; /* by the last command */

/* What the command prints holds the text. */
static bool prints(const char *command, const char *text)
{
	FILE *f = popen(command, "re"); /* NOLINT(cert-env33-c) */
	size_t n;

	assert_non_null(f);
	n = fread(printed, 1, sizeof(printed) - 1, f);
	printed[n] = '\0';
	pclose(f);
	return strstr(printed, text);
}

#define assert_prints(command, text) \
	do { if (!prints(command, text)) \
		fail_msg("%s: no \"%s\" in: %s", command, text, printed); } while (0)

static bool exists(const char *ifname)
{
	return if_nametoindex(ifname) != 0;
}

#define assert_prints_in(netns, command, text) \
	do { if (!prints_in(netns, command, text)) \
		fail_msg("%s: no \"%s\" in: %s", command, text, printed); } while (0)

/* prints(), in the namespace. */
static bool prints_in(int netns, const char *command, const char *text)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	bool is_there;

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	is_there = prints(command, text);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	return is_there;
}

/* Skips the test, naming what this kernel lacks, unless the command works in a scratch namespace. */
static void need(const char *what, const char *command)
{
	if (try_sh("unshare -n sh -c '%s' >/dev/null 2>&1", command))
		return;
	print_message("[  SKIPPED ] this kernel lacks %s\n", what);
	skip();
}

static struct mac mac_of(uint8_t last)
{
	return (struct mac){{0x52, 0x54, 0, 0, 0, last}};
}

static int packet_socket(const char *ifname)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex(ifname)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* A frame of an experimental EtherType, so that no host stack answers. */
static size_t make_frame(uint8_t *buf, struct mac to, struct mac from, uint8_t mark)
{
	memset(buf, 0, 60);
	memcpy(buf, to.b, 6);
	memcpy(buf + 6, from.b, 6);
	buf[12] = 0x88;
	buf[13] = 0xb5;
	buf[14] = mark;
	return 60;
}

/* A frame with this mark comes out of fd, skip bytes before it. */
static bool comes(int fd, size_t before, uint8_t mark, int wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t buf[2048];

	while (poll(&p, 1, wait_ms) == 1) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n >= (ssize_t)before + 15 && buf[before + 12] == 0x88 &&
		    buf[before + 13] == 0xb5 && buf[before + 14] == mark)
			return true;
	}
	return false;
}

/* macvtap. */

static void need_macvtap(void)
{
	need("macvtap", "ip link add v0 type veth peer name v1 && ip link add link v0 type macvtap");
}

static struct kernel_macvtap macvtap_of(const char *name, const char *parent, int *fds, unsigned n)
{
	struct kernel_macvtap m = {.mode = MACVLAN_MODE_BRIDGE, .queues = n, .vnet_hdr = true,
				   .offload = true, .ret_fds = fds};

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.parent, sizeof(m.parent), "%s", parent);
	snprintf(m.alias, sizeof(m.alias), "vnet:port:lab:%s", name);
	m.mac = mac_of(0x11);
	return m;
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

static void macvtap_carries_frames(void **state)
{
	uint8_t buf[HEADER_SIZE + 64] = {0};
	struct kernel_macvtap m;
	int fd, wire;

	(void)state;
	need_macvtap();
	sh("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	m = macvtap_of("vp1", "v0", &fd, 1);
	ok(kernel_macvtap_open(k, &m, &err));
	assert_int_equal(m.ret_ifindex, if_nametoindex("vp1"));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_prints("ip -d link show vp1", "macvtap mode bridge");
	assert_prints("ip -d link show vp1", "alias vnet:port:lab:vp1");
	assert_prints("ip -d link show vp1", "addrgenmode none");
	assert_prints("ip -d link show vp1", "state DOWN");
	sh("ip link set vp1 up");

	wire = packet_socket("v1");
	make_frame(buf + HEADER_SIZE, mac_of(0x22), m.mac, 1);
	assert_int_equal(write(fd, buf, HEADER_SIZE + 60), HEADER_SIZE + 60);
	assert_true(comes(wire, 0, 1, WAIT_MS));
	make_frame(buf, m.mac, mac_of(0x22), 2);
	assert_int_equal(write(wire, buf, 60), 60);
	assert_true(comes(fd, HEADER_SIZE, 2, WAIT_MS));
	close(wire);
	close(fd);
	/* The device stays when its descriptors go. */
	assert_true(exists("vp1"));
}

static void macvtap_queues_and_flags(void **state)
{
	struct kernel_macvtap m, again;
	int fds[4], more[4];

	(void)state;
	need_macvtap();
	sh("ip link add v0 type veth peer name v1");
	m = macvtap_of("vp1", "v0", fds, 4);
	ok(kernel_macvtap_open(k, &m, &err));
	for (unsigned i = 0; i < 4; i++) {
		struct ifreq ifr = {0};
		int size = 0;

		assert_int_equal(ioctl(fds[i], TUNGETIFF, &ifr), 0);
		assert_string_equal(ifr.ifr_name, "vp1");
		assert_int_equal(ifr.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
						  IFF_MULTI_QUEUE),
				 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
		assert_int_equal(ioctl(fds[i], TUNGETVNETHDRSZ, &size), 0);
		assert_int_equal(size, HEADER_SIZE);
	}
	close_all(fds, 4);

	/* The next owner's queues, of the same device. */
	again = macvtap_of("vp1", "v0", more, 4);
	again.must_exist = true;
	ok(kernel_macvtap_open(k, &again, &err));
	assert_int_equal(again.ret_ifindex, m.ret_ifindex);
	close_all(more, 4);
	memcpy(again.alias, "vnet:port:lab:other", sizeof("vnet:port:lab:other"));
	assert_int_equal(kernel_macvtap_open(k, &again, &err), -EEXIST);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(more[i], -1);
}

static void macvtap_modes(void **state)
{
	static const struct { uint32_t mode; const char *name; } modes[] = {
		{MACVLAN_MODE_PRIVATE, "private"}, {MACVLAN_MODE_VEPA, "vepa"},
		{MACVLAN_MODE_BRIDGE, "bridge"}, {MACVLAN_MODE_PASSTHRU, "passthru"},
	};

	(void)state;
	need_macvtap();
	sh("ip link add v0 type veth peer name v1");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct kernel_macvtap m;
		char text[32];
		int fd;

		m = macvtap_of("vp1", "v0", &fd, 1);
		m.mode = modes[i].mode;
		m.vnet_hdr = m.offload = false;
		ok(kernel_macvtap_open(k, &m, &err));
		snprintf(text, sizeof(text), "macvtap mode %s", modes[i].name);
		assert_prints("ip -d link show vp1", text);
		/* passthru would take the parent's. */
		assert_prints("ip -d link show vp1", "52:54:00:00:00:11");
		close(fd);
		sh("ip link del vp1");
	}
}

static void macvtap_refused(void **state)
{
	struct rlimit full, low = {0};
	struct kernel_macvtap m;
	int fds[2];

	(void)state;
	need_macvtap();
	sh("ip link add v0 type veth peer name v1 && ip link add v2 type veth peer name v3");
	m = macvtap_of("vp1", "none", fds, 2);
	assert_int_equal(kernel_macvtap_open(k, &m, &err), -ENODEV);
	assert_non_null(strstr(err.message, "none"));
	vnet_error_clear(&err);

	m = macvtap_of("v2", "v0", fds, 2);
	assert_int_equal(kernel_macvtap_open(k, &m, &err), -EEXIST);
	assert_false(prints("ip link show v2", "alias"));
	vnet_error_clear(&err);

	m = macvtap_of("vp1", "v0", fds, 2);
	m.must_exist = true;
	assert_int_equal(kernel_macvtap_open(k, &m, &err), -ENODEV);
	vnet_error_clear(&err);

	/* One user of the whole device, or none. */
	sh("ip link add link v0 name mv0 type macvlan mode bridge");
	m = macvtap_of("vp1", "v0", fds, 2);
	m.mode = MACVLAN_MODE_PASSTHRU;
	assert_true(kernel_macvtap_open(k, &m, &err) < 0);
	assert_non_null(strstr(err.message, "vp1"));
	assert_false(exists("vp1"));
	vnet_error_clear(&err);

	/* Too few descriptors: all is undone, and the next try works. */
	m = macvtap_of("vp1", "v0", fds, 2);
	ok(kernel_macvtap_open(k, &m, &err));
	close_all(fds, 2);
	sh("ip link del vp1");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &full), 0);
	low = full;
	low.rlim_cur = (rlim_t)fds[0] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(kernel_macvtap_open(k, &m, &err), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], -1);
	assert_false(exists("vp1"));
	vnet_error_clear(&err);
	ok(kernel_macvtap_open(k, &m, &err));
	close_all(fds, 2);
}

/* Interfaces in other namespaces. */

/* A new namespace beside ours, as a path; a descriptor keeps it. */
static int new_namespace(char path[32])
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	assert_true(home >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static void add_prefix(struct port_inside *p, const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	vec_push(&p->addresses, prefix);
}

static void add_static_route(struct port_inside *p, const char *to, const char *via)
{
	struct static_route *route = vec_add(&p->routes);

	assert_int_equal(prefix_parse(to, &route->to), 0);
	if (via)
		assert_int_equal(ip_parse(via, &route->via), 0);
}

static void free_inside(struct port_inside *p)
{
	vec_free(&p->addresses);
	vec_free(&p->routes);
}

static struct kernel_inside veth_of(const char *name, const char *path,
				    const struct port_inside *inside)
{
	struct kernel_inside v = {.kind = "veth", .netns = path, .inside = inside,
				  .mac = mac_of(0x33), .mtu = 1400};

	snprintf(v.name, sizeof(v.name), "%s", name);
	snprintf(v.alias, sizeof(v.alias), "vnet:port:lab:%s", name);
	return v;
}

static void veth_inside(void **state)
{
	struct port_inside inside = {.ifname = "lan0"};
	struct kernel_inside v;
	char path[32];
	int netns = new_namespace(path);

	(void)state;
	add_prefix(&inside, "10.1.2.3/24");
	add_prefix(&inside, "fd00:1::3/64");
	add_static_route(&inside, "0.0.0.0/0", "10.1.2.1");
	add_static_route(&inside, "10.9.0.0/16", NULL);
	add_static_route(&inside, "::/0", "fd00:1::1");
	v = veth_of("vp1", path, &inside);
	ok(kernel_inside_create(k, &v, &err));
	assert_int_equal(v.ret_ifindex, if_nametoindex("vp1"));
	assert_prints("ip -d link show vp1", "alias vnet:port:lab:vp1");
	assert_prints("ip -d link show vp1", "mtu 1400");
	assert_prints("ip -d link show vp1", "state DOWN");
	assert_false(exists("lan0"));
	assert_prints_in(netns, "ip -d link show lan0", "alias vnet:port:lab:vp1");
	assert_prints_in(netns, "ip -d link show lan0", "mtu 1400");
	assert_prints_in(netns, "ip -d link show lan0", "52:54:00:00:00:33");
	assert_prints_in(netns, "ip -d link show lan0", ",UP");
	assert_prints_in(netns, "ip addr show lan0", "10.1.2.3/24 brd 10.1.2.255");
	assert_prints_in(netns, "ip addr show lan0", "fd00:1::3/64 scope global nodad");
	assert_prints_in(netns, "ip route", "default via 10.1.2.1 dev lan0");
	assert_prints_in(netns, "ip route", "10.9.0.0/16 dev lan0");
	assert_prints_in(netns, "ip -6 route", "default via fd00:1::1 dev lan0");

	ok(kernel_inside_delete(k, path, "lan0", &err));
	assert_false(exists("vp1"));
	/* Gone already is fine, and so is a namespace that is gone. */
	ok(kernel_inside_delete(k, path, "lan0", &err));
	ok(kernel_inside_delete(k, "/run/netns/never-was", "lan0", &err));
	close(netns);
	free_inside(&inside);
}

static void macvlan_inside(void **state)
{
	struct port_inside inside = {0};
	struct kernel_inside v = {.kind = "macvlan", .parent = "v0", .mode = MACVLAN_MODE_BRIDGE,
				  .mac = mac_of(0x44), .inside = &inside,
				  .alias = "vnet:port:lab:c1"};
	char path[32];
	int netns;

	(void)state;
	need("macvlan", "ip link add v0 type veth && ip link add link v0 type macvlan");
	sh("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	netns = new_namespace(path);
	v.netns = path;
	add_prefix(&inside, "10.1.2.3/24");
	ok(kernel_inside_create(k, &v, &err));
	assert_true(v.ret_ifindex > 0);
	assert_prints_in(netns, "ip -d link show eth0", "macvlan mode bridge");
	assert_prints_in(netns, "ip -d link show eth0", "alias vnet:port:lab:c1");
	assert_prints_in(netns, "ip addr show eth0", "10.1.2.3/24");
	assert_false(exists("eth0"));
	ok(kernel_inside_delete(k, path, "eth0", &err));
	assert_false(prints_in(netns, "ip link", "eth0"));
	close(netns);
	free_inside(&inside);
}

static void inside_refused(void **state)
{
	struct port_inside inside = {.ifname = "lan0"};
	struct kernel_inside v;
	char path[32];
	int netns = new_namespace(path);

	(void)state;
	v = veth_of("vp1", "/run/netns/never-was", &inside);
	assert_int_equal(kernel_inside_create(k, &v, &err), -ENOENT);
	assert_non_null(strstr(err.message, "never-was"));
	vnet_error_clear(&err);
	v.netns = "/proc/self/ns/mnt"; /* a namespace, but of another kind */
	assert_int_equal(kernel_inside_create(k, &v, &err), -EINVAL);
	vnet_error_clear(&err);
	v.netns = "/proc/self/status";
	assert_int_equal(kernel_inside_create(k, &v, &err), -EINVAL);
	vnet_error_clear(&err);

	/* A route that the kernel refuses: nothing is left on either side. */
	add_prefix(&inside, "10.1.2.3/24");
	add_static_route(&inside, "0.0.0.0/0", "10.99.0.1");
	v.netns = path;
	assert_true(kernel_inside_create(k, &v, &err) < 0);
	assert_non_null(strstr(err.message, "0.0.0.0/0"));
	assert_non_null(strstr(err.kernel, "gateway"));
	assert_false(exists("vp1"));
	assert_false(prints_in(netns, "ip link", "lan0"));
	vnet_error_clear(&err);
	inside.routes.n = 0;

	/* Names that are taken, there and here. */
	ok(kernel_inside_create(k, &v, &err));
	v = veth_of("vp2", path, &inside);
	assert_int_equal(kernel_inside_create(k, &v, &err), -EEXIST);
	assert_non_null(strstr(err.message, "lan0"));
	assert_false(exists("vp2"));
	vnet_error_clear(&err);
	snprintf(inside.ifname, sizeof(inside.ifname), "lan1");
	v = veth_of("vp1", path, &inside);
	assert_int_equal(kernel_inside_create(k, &v, &err), -EEXIST);
	assert_non_null(strstr(err.message, "vp1"));
	assert_true(exists("vp1"));
	vnet_error_clear(&err);

	/* Somebody else's device is left alone. */
	assert_prints_in(netns, "ip link add foreign type veth peer name f1 && echo made",
			      "made");
	assert_int_equal(kernel_inside_delete(k, path, "foreign", &err), -EPERM);
	assert_prints_in(netns, "ip link", "foreign");
	close(netns);
	free_inside(&inside);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(macvtap_carries_frames), TEST(macvtap_queues_and_flags), TEST(macvtap_modes),
		TEST(macvtap_refused), TEST(veth_inside), TEST(macvlan_inside),
		TEST(inside_refused),
	};
	const char *missing = netns_missing();

	if (missing) {
		printf("[  SKIPPED ] %zu test(s)\n[  SKIPPED ] the Linux back end: this machine "
		       "lacks %s\n",
		       ARRAY_SIZE(tests), missing);
		return 0;
	}
	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
