/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_devices.c - the Linux back end's devices that no values in memory can stand for
 *
 * macvtaps carry frames, interfaces appear in other namespaces, limits hold,
 * offloads change.  Each test has a network namespace of its own; what a kernel
 * lacks is skipped by name.  What is written is read back by `ip`, `tc` and
 * `ethtool` as well where an error of ours in both directions could hide.
 */

#include "plan/shaper.h"
#include "tests/backend/harness.h"
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
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADER_SIZE 12 /* virtio's */
#define ETHERTYPE 0x88b5 /* for experiments: no host answers */

/* Small helpers. */

static bool try_sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool try_sh(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	return system(line) == 0; /* NOLINT(cert-env33-c) */
}

static char printed[16384]; /* by the last command */

/* What the command prints holds the text. */
static bool prints(const char *line, const char *text)
{
	FILE *out = popen(line, "re"); /* NOLINT(cert-env33-c) */
	size_t n;

	assert_non_null(out);
	n = fread(printed, 1, sizeof(printed) - 1, out);
	printed[n] = '\0';
	pclose(out);
	return strstr(printed, text);
}

#define assert_prints(line, text) \
	do { if (!prints(line, text)) \
		fail_msg("%s: no \"%s\" in: %s", line, text, printed); } while (0)

static bool exists(const char *ifname)
{
	return if_nametoindex(ifname) != 0;
}

#define assert_prints_in(netns, line, text) \
	do { if (!prints_in(netns, line, text)) \
		fail_msg("%s: no \"%s\" in: %s", line, text, printed); } while (0)

/* prints(), in the namespace. */
static bool prints_in(int netns, const char *line, const char *text)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	bool is_there;

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	is_there = prints(line, text);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	return is_there;
}

/*
 * Skips the test, naming what this kernel lacks, unless the commands work in a
 * scratch namespace.  Found out once for each.
 */
static void need(const char *what, const char *line)
{
	static struct { const char *what; bool is_there; } known[8];
	size_t i = 0;

	while (i < ARRAY_SIZE(known) - 1 && known[i].what && strcmp(known[i].what, what) != 0)
		i++;
	if (!known[i].what || strcmp(known[i].what, what) != 0) {
		known[i].what = what;
		known[i].is_there = try_sh("unshare -n sh -c '%s' >/dev/null 2>&1", line);
	}
	if (known[i].is_there)
		return;
	print_message("[  SKIPPED ] this kernel lacks %s\n", what);
	skip();
}

static struct mac mac_of(uint8_t last)
{
	return (struct mac){{0x52, 0x54, 0, 0, 0, last}};
}

/* A socket for all types would see frames before they are shaped. */
static int packet_socket(const char *ifname)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE),
				 .sll_ifindex = (int)if_nametoindex(ifname)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static size_t make_frame(uint8_t *buf, struct mac to, struct mac from, uint8_t mark)
{
	memset(buf, 0, 60);
	memcpy(buf, to.b, 6);
	memcpy(buf + 6, from.b, 6);
	buf[12] = ETHERTYPE >> 8;
	buf[13] = ETHERTYPE & 0xff;
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

		if (n >= (ssize_t)before + 15 && buf[before + 12] == ETHERTYPE >> 8 &&
		    buf[before + 13] == (ETHERTYPE & 0xff) && buf[before + 14] == mark)
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
	command("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	m = macvtap_of("vp1", "v0", &fd, 1);
	ok(kernel_macvtap_open(f->k, &m, &f->err));
	assert_int_equal(m.ret_ifindex, if_nametoindex("vp1"));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_prints("ip -d link show vp1", "macvtap mode bridge");
	assert_prints("ip -d link show vp1", "alias vnet:port:lab:vp1");
	assert_prints("ip -d link show vp1", "addrgenmode none");
	assert_prints("ip -d link show vp1", "state DOWN");
	command("ip link set vp1 up");

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
	command("ip link add v0 type veth peer name v1");
	m = macvtap_of("vp1", "v0", fds, 4);
	ok(kernel_macvtap_open(f->k, &m, &f->err));
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
	ok(kernel_macvtap_open(f->k, &again, &f->err));
	assert_int_equal(again.ret_ifindex, m.ret_ifindex);
	close_all(more, 4);
	memcpy(again.alias, "vnet:port:lab:other", sizeof("vnet:port:lab:other"));
	assert_int_equal(kernel_macvtap_open(f->k, &again, &f->err), -EEXIST);
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
	command("ip link add v0 type veth peer name v1");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct kernel_macvtap m;
		char text[32];
		int fd;

		m = macvtap_of("vp1", "v0", &fd, 1);
		m.mode = modes[i].mode;
		m.vnet_hdr = m.offload = false;
		ok(kernel_macvtap_open(f->k, &m, &f->err));
		snprintf(text, sizeof(text), "macvtap mode %s", modes[i].name);
		assert_prints("ip -d link show vp1", text);
		/* passthru would take the parent's. */
		assert_prints("ip -d link show vp1", "52:54:00:00:00:11");
		close(fd);
		command("ip link del vp1");
	}
}

static void macvtap_refused(void **state)
{
	struct rlimit full, low = {0};
	struct kernel_macvtap m;
	int fds[2];

	(void)state;
	need_macvtap();
	command("ip link add v0 type veth peer name v1 && ip link add v2 type veth peer name v3");
	m = macvtap_of("vp1", "none", fds, 2);
	assert_int_equal(kernel_macvtap_open(f->k, &m, &f->err), -ENODEV);
	assert_non_null(strstr(f->err.message, "none"));
	vnet_error_clear(&f->err);

	m = macvtap_of("v2", "v0", fds, 2);
	assert_int_equal(kernel_macvtap_open(f->k, &m, &f->err), -EEXIST);
	assert_false(prints("ip link show v2", "alias"));
	vnet_error_clear(&f->err);

	m = macvtap_of("vp1", "v0", fds, 2);
	m.must_exist = true;
	assert_int_equal(kernel_macvtap_open(f->k, &m, &f->err), -ENODEV);
	vnet_error_clear(&f->err);

	/* One user of the whole device, or none. */
	command("ip link add link v0 name mv0 type macvlan mode bridge");
	m = macvtap_of("vp1", "v0", fds, 2);
	m.mode = MACVLAN_MODE_PASSTHRU;
	assert_true(kernel_macvtap_open(f->k, &m, &f->err) < 0);
	assert_non_null(strstr(f->err.message, "vp1"));
	assert_false(exists("vp1"));
	vnet_error_clear(&f->err);

	/* Too few descriptors: all is undone, and the next try works. */
	m = macvtap_of("vp1", "v0", fds, 2);
	ok(kernel_macvtap_open(f->k, &m, &f->err));
	close_all(fds, 2);
	command("ip link del vp1");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &full), 0);
	low = full;
	low.rlim_cur = (rlim_t)fds[0] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(kernel_macvtap_open(f->k, &m, &f->err), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], -1);
	assert_false(exists("vp1"));
	vnet_error_clear(&f->err);
	ok(kernel_macvtap_open(f->k, &m, &f->err));
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
	ok(kernel_inside_create(f->k, &v, &f->err));
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

	ok(kernel_inside_delete(f->k, path, "lan0", &f->err));
	assert_false(exists("vp1"));
	/* Gone already is fine, and so is a namespace that is gone. */
	ok(kernel_inside_delete(f->k, path, "lan0", &f->err));
	ok(kernel_inside_delete(f->k, "/run/netns/never-was", "lan0", &f->err));
	close(netns);
	free_inside(&inside);
}

static void macvlan_inside(void **state)
{
	struct port_inside inside = {0};
	struct kernel_inside v = {.kind = "macvlan", .name = "vp1", .parent = "eth0",
				  .mode = MACVLAN_MODE_BRIDGE, .mac = mac_of(0x44),
				  .inside = &inside, .alias = "vnet:port:lab:c1"};
	char path[32], name[16];
	int netns;

	(void)state;
	need("macvlan", "ip link add v0 type veth && ip link add link v0 type macvlan");
	/* Here as inside there is an eth0. */
	command("ip link add eth0 type veth peer name v1 && ip link set eth0 up && "
		"ip link set v1 up");
	netns = new_namespace(path);
	v.netns = path;
	add_prefix(&inside, "10.1.2.3/24");
	ok(kernel_inside_create(f->k, &v, &f->err));
	assert_true(v.ret_ifindex > 0);
	assert_prints_in(netns, "ip -d link show eth0", "macvlan mode bridge");
	assert_prints_in(netns, "ip -d link show eth0", "alias vnet:port:lab:c1");
	assert_prints_in(netns, "ip addr show eth0", "10.1.2.3/24");
	assert_false(exists("vp1") || prints_in(netns, "ip link", "vp1"));
	ok(kernel_inside_find(f->k, path, v.ret_ifindex, name, &f->err));
	assert_string_equal(name, "eth0");
	ok(kernel_inside_delete(f->k, path, "eth0", &f->err));
	assert_false(prints_in(netns, "ip link", "eth0"));
	assert_int_equal(kernel_inside_find(f->k, path, v.ret_ifindex, name, &f->err), -ENOENT);
	assert_int_equal(kernel_inside_find(f->k, "/run/netns/never-was", 2, name, NULL), -ENOENT);
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
	assert_int_equal(kernel_inside_create(f->k, &v, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.message, "never-was"));
	vnet_error_clear(&f->err);
	v.netns = "/proc/self/ns/mnt"; /* a namespace, but of another kind */
	assert_int_equal(kernel_inside_create(f->k, &v, &f->err), -EINVAL);
	vnet_error_clear(&f->err);
	v.netns = "/proc/self/status";
	assert_int_equal(kernel_inside_create(f->k, &v, &f->err), -EINVAL);
	vnet_error_clear(&f->err);

	/* A route that the kernel refuses: nothing is left on either side. */
	add_prefix(&inside, "10.1.2.3/24");
	add_static_route(&inside, "0.0.0.0/0", "10.99.0.1");
	v.netns = path;
	assert_true(kernel_inside_create(f->k, &v, &f->err) < 0);
	assert_non_null(strstr(f->err.message, "0.0.0.0/0"));
	assert_non_null(strstr(f->err.kernel, "gateway"));
	assert_false(exists("vp1"));
	assert_false(prints_in(netns, "ip link", "lan0"));
	vnet_error_clear(&f->err);
	inside.routes.n = 0;

	/* Names that are taken, there and here. */
	ok(kernel_inside_create(f->k, &v, &f->err));
	v = veth_of("vp2", path, &inside);
	assert_int_equal(kernel_inside_create(f->k, &v, &f->err), -EEXIST);
	assert_non_null(strstr(f->err.message, "lan0"));
	assert_false(exists("vp2"));
	vnet_error_clear(&f->err);
	snprintf(inside.ifname, sizeof(inside.ifname), "lan1");
	v = veth_of("vp1", path, &inside);
	assert_int_equal(kernel_inside_create(f->k, &v, &f->err), -EEXIST);
	assert_non_null(strstr(f->err.message, "vp1"));
	assert_true(exists("vp1"));
	vnet_error_clear(&f->err);

	/* Somebody else's device is left alone. */
	assert_prints_in(netns, "ip link add foreign type veth peer name f1 && echo made",
			      "made");
	assert_int_equal(kernel_inside_delete(f->k, path, "foreign", &f->err), -EPERM);
	assert_prints_in(netns, "ip link", "foreign");
	close(netns);
	free_inside(&inside);
}

/* Offloads. */

static void offloads(void **state)
{
	struct op op = {.kind = OP_FEATURES, .features.ifname = "vp1"};
	struct link link;
	int fd;

	(void)state;
	fd = open_tap("vp1");
	command("ip link set vp1 alias vnet:port:lab:p1");
	op.features.options.tso = op.features.options.gro = TRI_FALSE;
	run_twice(&op);
	assert_prints("ethtool -k vp1", "tcp-segmentation-offload: off");
	assert_prints("ethtool -k vp1", "generic-receive-offload: off");
	assert_prints("ethtool -k vp1", "generic-segmentation-offload: on");
	link = get_link("vp1");
	assert_true(link.features.is_known);
	assert_false(link.features.tso || link.features.gro);
	assert_true(link.features.gso && link.features.sg && link.features.tx);

	/* A guest that takes no offloads: what was asked for counts, or it would be set for ever. */
	op.features.options.tx = TRI_TRUE;
	assert_int_equal(ioctl(fd, TUNSETOFFLOAD, 0UL), 0);
	run(&op, 1);
	assert_prints("ethtool -k vp1", "tx-checksumming: off");
	assert_true(get_link("vp1").features.tx);

	op.features.options.rx = TRI_TRUE; /* a TAP has none */
	assert_int_equal(refuse(&op), -EOPNOTSUPP);
	assert_non_null(strstr(f->err.message, "rx"));
	close(fd);
	assert_int_equal(refuse(&op), -ENODEV);

	/* Of devices that are not ours nobody asks. */
	command("ip link add v0 type veth peer name v1");
	assert_false(get_link("v0").features.is_known);
}

/* Limits. */

#define SHAPER_NEEDS "clsact, HTB, IFB, matchall, skbedit, mirred and fq_codel"

static void need_shaper(void)
{
	need(SHAPER_NEEDS,
	     "ip link add i0 type ifb && ip link add v0 type veth && "
	     "tc qdisc add dev i0 root handle 1: htb && "
	     "tc class add dev i0 parent 1: classid 1:2 htb rate 1mbit && "
	     "tc qdisc add dev i0 parent 1:2 fq_codel && tc qdisc add dev v0 clsact && "
	     "tc filter add dev v0 ingress matchall action skbedit priority 1:2 pipe "
	     "action mirred egress redirect dev i0");
}

static struct op shape_op(const char *port, unsigned slot, uint64_t in, uint64_t out)
{
	struct op op = {.kind = OP_SHAPE, .shape = {.ifb = "vi-lab", .shaper.slot = (uint16_t)slot}};

	snprintf(op.shape.ifname, sizeof(op.shape.ifname), "%s", port);
	op.shape.shaper.in = shaper_normal(&(struct bandwidth){.rate = in});
	op.shape.shaper.out = shaper_normal(&(struct bandwidth){.rate = out});
	return op;
}

static struct op shape_root_op(uint64_t in, uint64_t out)
{
	struct op op = {.kind = OP_SHAPE_ROOT, .shape_root.ifb = "vi-lab"};

	op.shape_root.in = shaper_normal(&(struct bandwidth){.rate = in});
	op.shape_root.out = shaper_normal(&(struct bandwidth){.rate = out});
	return op;
}

static void make_shaped(const char *port)
{
	if (!exists("vi-lab"))
		command("ip link add vi-lab type ifb && "
			"ip link set vi-lab alias vnet:ifb:lab up");
	command("ip link add %s type veth peer name %s.g && "
		"ip link set %s alias vnet:port:lab:%s up && ip link set %s.g up",
		port, port, port, port, port);
}

static void assert_bandwidth(const struct bandwidth *a, const struct bandwidth *b)
{
	assert_int_equal(a->rate, b->rate);
	assert_int_equal(a->guaranteed, b->guaranteed);
	assert_int_equal(a->burst, b->burst);
}

/* What the snapshot has for the port is what was asked for, or there is nothing. */
static void assert_shaped(const struct op *op, bool is_there)
{
	AUTO_SNAPSHOT struct snapshot snap = {0};
	int port = (int)if_nametoindex(op->shape.ifname);
	const struct shaper *found = NULL;

	ok(kernel_snapshot(f->k, SNAPSHOT_SHAPERS, &snap, &f->err));
	vec_each(s, &snap.shapers)
		if (s->ifindex == port)
			found = s;
	assert_int_equal(found != NULL, is_there);
	if (!found)
		return;
	assert_int_equal(found->ifb, if_nametoindex(op->shape.ifb));
	assert_int_equal(found->slot, op->shape.shaper.slot);
	assert_bandwidth(&found->in, &op->shape.shaper.in);
	assert_bandwidth(&found->out, &op->shape.shaper.out);
}

static void assert_root(const struct op *op)
{
	AUTO_SNAPSHOT struct snapshot snap = {0};

	ok(kernel_snapshot(f->k, SNAPSHOT_SHAPERS, &snap, &f->err));
	assert_int_equal(snap.shaper_roots.n, 1);
	assert_int_equal(snap.shaper_roots.v[0].ifindex, if_nametoindex("vi-lab"));
	assert_bandwidth(&snap.shaper_roots.v[0].in, &op->shape_root.in);
	assert_bandwidth(&snap.shaper_roots.v[0].out, &op->shape_root.out);
}

static void limits_come_back(void **state)
{
	static const uint64_t rates[] = {8000, 8009, 64000, 999999, 1000000, 10000000, 123456789,
					 1000000000, 34359738360, 34359738368, 100000000000,
					 999999999999, 1000000000000};
	struct op root = shape_root_op(0, 0), op;

	(void)state;
	need_shaper();
	make_shaped("vp1");
	run_twice(&root);
	assert_root(&root);
	op = shape_op("vp1", 1, 1000000, 0);
	assert_shaped(&op, false);
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		op = shape_op("vp1", PORT_SLOT_MAX, rates[i], 1000000);
		op.shape.shaper.in.guaranteed = rates[i] / 16 * 8;
		run_twice(&op);
		assert_shaped(&op, true);
		op = shape_op("vp1", PORT_SLOT_MAX, 0, rates[i]);
		op.shape.shaper.out.burst = 0xffffffff;
		op.shape.shaper.out = shaper_normal(&op.shape.shaper.out);
		run_twice(&op);
		assert_shaped(&op, true);
		root = shape_root_op(rates[i], i % 2 ? rates[i] : 0);
		run_twice(&root);
		assert_root(&root);
	}
	/* Seen by others. */
	assert_prints("tc class show dev vi-lab", "htb 766e:7fe0 parent 766e:2 leaf");
	assert_prints("tc class show dev vi-lab", "rate 1Tbit ceil 1Tbit");
	assert_prints("tc qdisc show dev vi-lab", "fq_codel");
	assert_prints("tc filter show dev vp1 ingress", "priority 766e:7fe0");
	assert_prints("tc filter show dev vp1 ingress", "Egress Redirect to device vi-lab");

	/* Another slot, another port in the old one. */
	op = shape_op("vp1", 2, 3000000, 4000000);
	run_twice(&op);
	assert_shaped(&op, true);
	make_shaped("vp2");
	op = shape_op("vp2", PORT_SLOT_MAX, 5000000, 6000000);
	run_twice(&op);
	assert_shaped(&op, true);

	/* And away. */
	op = shape_op("vp1", 2, 0, 0);
	run_twice(&op);
	assert_shaped(&op, false);
	assert_false(prints("tc qdisc show dev vp1", "clsact"));
	assert_false(prints("tc class show dev vi-lab", "766e:40 "));
	assert_prints("tc class show dev vi-lab", "766e:7fe0 ");
	command("ip link del vp2");
	op = shape_op("vp2", PORT_SLOT_MAX, 0, 0);
	run_twice(&op);
	assert_false(prints("tc class show dev vi-lab", "766e:7fe0 "));
}

/* What others did to it is noticed, and repaired by the same operation. */
static void limits_are_repaired(void **state)
{
	struct op root = shape_root_op(0, 0), op;

	(void)state;
	need_shaper();
	make_shaped("vp1");
	run(&root, 1);
	op = shape_op("vp1", 1, 1000000, 2000000);
	run(&op, 1);
	command("tc class del dev vi-lab classid 766e:20");
	{
		AUTO_SNAPSHOT struct snapshot snap = {0};

		ok(kernel_snapshot(f->k, SNAPSHOT_SHAPERS, &snap, &f->err));
		assert_int_equal(snap.shapers.n, 1);
		assert_int_not_equal(snap.shapers.v[0].out.rate, op.shape.shaper.out.rate);
		assert_int_not_equal(snap.shapers.v[0].out.rate, 0);
	}
	run(&op, 1);
	assert_shaped(&op, true);
	command("ip link del vi-lab");
	assert_shaped(&op, false);
	assert_int_equal(refuse(&op), -ENODEV);
	assert_non_null(strstr(f->err.message, "vi-lab"));
	command("ip link add vi-lab type ifb && ip link set vi-lab alias vnet:ifb:lab up");
	vnet_error_clear(&f->err);
	run(&root, 1);
	run(&op, 1);
	assert_shaped(&op, true);

	/* Somebody's own filter stays, and clsact with it. */
	command("tc filter add dev vp1 ingress prio 5 matchall action pass");
	assert_shaped(&op, true);
	op = shape_op("vp1", 1, 0, 0);
	run(&op, 1);
	assert_prints("tc filter show dev vp1 ingress", "pref 5 matchall");
}

static struct mac frame_to = {{0x52, 0x54, 0, 0, 0, 1}};

/* Sends n frames of 1000 bytes at once and counts what comes out within the time. */
static int pass_frames(int from, int to, const struct op *change, unsigned n, int wait_ms)
{
	struct pollfd p = {.fd = to, .events = POLLIN};
	int size = 4 << 20, seen = 0;
	uint8_t buf[2048] = {0};

	setsockopt(to, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(from, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	make_frame(buf, frame_to, mac_of(0x77), 9);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(write(from, buf, 1000), 1000);
	if (change)
		run(change, 1);
	while (seen < (int)n && poll(&p, 1, wait_ms) == 1)
		if (read(to, buf, sizeof(buf)) == 1000 && buf[14] == 9)
			seen++;
	return seen;
}

/*
 * Some frames wait in the class while it is changed from one to the other
 * operation: they all arrive.  On a machine that stands still for 150 ms
 * fq_codel drops some of its own accord, hence several tries.
 */
static void lose_nothing(const struct op *before, const struct op *after, int from, int to)
{
	for (unsigned i = 0; i < 5; i++) {
		run(before, 1);
		if (pass_frames(from, to, after, 40, 1000) == 40)
			return;
	}
	fail_msg("frames are lost when the limit changes");
}

static void changes_lose_nothing(void **state)
{
	const struct op slow = shape_op("vp1", 1, 3000000, 3000000);
	const struct op fast = shape_op("vp1", 1, 8000000, 8000000);
	const struct op other = shape_op("vp1", 2, 5000000, 5000000);
	const struct op none = shape_op("vp1", 1, 0, 0);
	const struct op root = shape_root_op(0, 0), low = shape_root_op(4000000, 4000000);
	int host, guest;

	(void)state;
	need_shaper();
	make_shaped("vp1");
	run(&root, 1);
	run(&slow, 1);
	host = packet_socket("vp1");
	guest = packet_socket("vp1.g");
	lose_nothing(&slow, &fast, guest, host);
	lose_nothing(&slow, &fast, host, guest);
	lose_nothing(&fast, &slow, guest, host);
	lose_nothing(&slow, &other, guest, host);
	lose_nothing(&root, &low, guest, host);
	run(&root, 1);
	lose_nothing(&slow, &none, guest, host);
	lose_nothing(&slow, &none, host, guest);
	close(host);
	close(guest);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * A megabit in frames of 1000 bytes takes as long as it must, but for the
 * bucket: never less, and not much more unless the machine stands still.
 */
static void limit_holds(int from, int to)
{
	const int n = 125, bucket = 15, idle = 500;
	int seen = 0, took = 0;

	for (unsigned i = 0; i < 5; i++) {
		int64_t start = now_ms();

		seen = pass_frames(from, to, NULL, n, idle);
		took = (int)(now_ms() - start) - (seen < n ? idle : 0); /* fq_codel drops some */
		if (took < (seen - bucket - 2) * 8)
			break;
		if (seen > n * 3 / 4 && took < n * 8 * 3 / 2)
			return;
	}
	fail_msg("%d frames in %d ms", seen, took);
}

static void limits_hold(void **state)
{
	const struct op root = shape_root_op(0, 0);
	const struct op in = shape_op("vp1", 1, 1000000, 50000000);
	const struct op out = shape_op("vp1", 1, 50000000, 1000000);
	int host, guest;

	(void)state;
	need_shaper();
	make_shaped("vp1");
	run(&root, 1);
	host = packet_socket("vp1");
	guest = packet_socket("vp1.g");
	run(&in, 1);
	limit_holds(host, guest);
	run(&out, 1);
	limit_holds(guest, host);
	close(host);
	close(guest);
}

/* A macvtap's own end is the guest's: what comes from the guest is sent by it. */
static void limits_of_macvtap(void **state)
{
	const struct op root = shape_root_op(0, 0), op = shape_op("vp1", 1, 1000000, 1000000);
	struct kernel_macvtap m;
	int fd, wire;

	(void)state;
	need_macvtap();
	need_shaper();
	command("ip link add vi-lab type ifb && ip link set vi-lab alias vnet:ifb:lab up && "
		"ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	m = macvtap_of("vp1", "v0", &fd, 1);
	m.vnet_hdr = m.offload = false;
	ok(kernel_macvtap_open(f->k, &m, &f->err));
	command("ip link set vp1 up");
	run(&root, 1);
	run(&op, 1);
	wire = packet_socket("v1");
	limit_holds(fd, wire);
	frame_to = m.mac;
	limit_holds(wire, fd);
	frame_to = mac_of(1);
	close(wire);
	close(fd);
}

static void limits_refused(void **state)
{
	struct op op = shape_op("vp1", 1, 1000000, 1000000), root = shape_root_op(0, 0);

	(void)state;
	assert_int_equal(refuse(&root), -ENODEV);
	assert_int_equal(refuse(&op), -ENODEV);
	command("ip link add vi-lab type ifb && ip link add vp1 type veth");
	op.shape.shaper.slot = 0;
	assert_int_equal(refuse(&op), -EINVAL);
	op.shape.shaper.slot = PORT_SLOT_MAX + 1;
	assert_int_equal(refuse(&op), -EINVAL);
	/* No HTB there yet. */
	op.shape.shaper.slot = 1;
	assert_true(refuse(&op) < 0);
	assert_non_null(strstr(f->err.message, "vp1"));
	/* None is there: nothing to take away. */
	op = shape_op("vp1", 1, 0, 0);
	run_twice(&op);
}

/* Virtual functions. */

static int netdevsim = -1; /* its number */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void remove_netdevsim(void)
{
	char text[16];

	if (netdevsim < 0)
		return;
	snprintf(text, sizeof(text), "%d", netdevsim);
	write_file("/sys/bus/netdevsim/del_device", text);
	netdevsim = -1;
}

/* A card of four functions; it appears in the namespace of whoever asks for it. */
static void make_netdevsim(void)
{
	char text[64], path[96];

	if (!try_sh("modprobe netdevsim 2>/dev/null; test -e /sys/bus/netdevsim/new_device")) {
		print_message("[  SKIPPED ] this kernel lacks netdevsim\n");
		skip();
	}
	netdevsim = 1000 + (int)(getpid() % 10000);
	snprintf(text, sizeof(text), "%d 1", netdevsim);
	write_file("/sys/bus/netdevsim/new_device", text);
	snprintf(path, sizeof(path), "/sys/bus/netdevsim/devices/netdevsim%d/sriov_numvfs",
		 netdevsim);
	write_file(path, "4");
	command("ip link set eth0 name pf0");
}

static struct vf get_vf(unsigned index)
{
	AUTO_SNAPSHOT struct snapshot snap = {0};
	struct vf vf = {0};

	ok(kernel_snapshot(f->k, SNAPSHOT_VFS, &snap, &f->err));
	vec_each(v, &snap.vfs)
		if (v->ifindex == (int)if_nametoindex("pf0") && v->index == index)
			vf = *v;
	assert_true(vf.ifindex);
	return vf;
}

static int tear_down_functions(void **state)
{
	remove_netdevsim();
	return tear_down(state);
}

static void virtual_functions(void **state)
{
	struct op op = {.kind = OP_VF, .vf.ifname = "pf0"};
	char address[32] = "?";
	struct vf vf;

	(void)state;
	make_netdevsim();
	assert_int_equal(get_vf(3).index, 3);
	op.vf.vf = (struct vf){.index = 2, .mac = mac_of(0x55), .vlan = 100,
			       .vlan_protocol = ETH_P_8021Q, .qos = 3, .spoofchk = true,
			       .trust = true, .max_rate = 500, .min_rate = 100,
			       .link_state = IFLA_VF_LINK_STATE_ENABLE};
	run_twice(&op);
	vf = get_vf(2);
	op.vf.vf.ifindex = vf.ifindex;
	assert_memory_equal(&vf.mac, &op.vf.vf.mac, sizeof(vf.mac));
	assert_int_equal(vf.vlan, 100);
	assert_int_equal(vf.vlan_protocol, ETH_P_8021Q);
	assert_int_equal(vf.qos, 3);
	assert_true(vf.spoofchk && vf.trust);
	assert_int_equal(vf.max_rate, 500);
	assert_int_equal(vf.min_rate, 100);
	assert_int_equal(vf.link_state, IFLA_VF_LINK_STATE_ENABLE);
	assert_prints("ip link show pf0", "vf 2     link/ether 52:54:00:00:00:55");
	assert_prints("ip link show pf0", "vlan 100, qos 3");
	/* Its neighbours are as they were. */
	vf = get_vf(1);
	assert_int_equal(vf.vlan, 0);
	assert_int_equal(vf.max_rate, 0);

	/* As it was. */
	op.vf.vf = (struct vf){.index = 2};
	run_twice(&op);
	vf = get_vf(2);
	assert_int_equal(vf.vlan, 0);
	assert_false(vf.spoofchk || vf.trust);
	assert_int_equal(vf.max_rate, 0);

	op.vf.vf = (struct vf){.index = 9};
	assert_int_equal(refuse(&op), -ENOENT);
	assert_non_null(strstr(f->err.message, "4"));
	vnet_error_clear(&f->err);
	/* What the driver refuses is named. */
	op.vf.vf = (struct vf){.index = 1, .vlan = 4096};
	assert_true(refuse(&op) < 0);
	assert_non_null(strstr(f->err.message, "VLAN"));
	vnet_error_clear(&f->err);

	ok(kernel_vf_address(f->k, "pf0", 2, address, &f->err));
	assert_string_equal(address, "");
}

static void no_functions(void **state)
{
	AUTO_SNAPSHOT struct snapshot snap = {0};
	struct op op = {.kind = OP_VF, .vf.ifname = "v0"};

	(void)state;
	assert_int_equal(refuse(&op), -ENODEV);
	command("ip link add v0 type veth peer name v1");
	assert_int_equal(refuse(&op), -ENOENT);
	ok(kernel_snapshot(f->k, SNAPSHOT_VFS, &snap, &f->err));
	assert_int_equal(snap.vfs.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(macvtap_carries_frames), TEST(macvtap_queues_and_flags), TEST(macvtap_modes),
		TEST(macvtap_refused), TEST(veth_inside), TEST(macvlan_inside),
		TEST(inside_refused), TEST(offloads), TEST(limits_come_back),
		TEST(limits_are_repaired), TEST(changes_lose_nothing), TEST(limits_hold),
		TEST(limits_of_macvtap), TEST(limits_refused), TEST(no_functions),
		cmocka_unit_test_setup_teardown(virtual_functions, set_up, tear_down_functions),
	};
	const char *missing = netns_missing();

	if (missing) {
		printf("[  SKIPPED ] %zu test(s)\n[  SKIPPED ] the Linux back end: this machine "
		       "lacks %s\n",
		       ARRAY_SIZE(tests), missing);
		return 0;
	}
	is_linux = true;
	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
