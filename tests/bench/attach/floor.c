/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor.c - the least that attaching a guarded port can cost
 *
 * usage: floor BRIDGE COUNT [served]
 *
 * No protocol, no state: TUNSETIFF, one nftables batch of three elements, one
 * RTM_SETLINK with all that netd sets, and the descriptor through a socket
 * pair.  By itself it is one process that hands the descriptor to itself, the
 * floor below every design; "served", another process asks for it by one byte,
 * and what that adds is what any daemon pays.  The driver has made the bridge,
 * and the table that floor.nft holds.
 */

#include "bench.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#define PORT_MTU 1500
#define PORT_TXQUEUELEN 1000

struct floor_port {
	uint32_t ifindex;
	uint8_t mac[6];
};

struct floor {
	struct mnl_socket *route, *nft;
	uint32_t bridge;
	unsigned n;
	struct floor_port ports[BENCH_COUNT_MAX];
};

static void attach(struct floor *floor, int out);
static void take_away(struct floor *floor);
static void serve(struct floor *floor, int sock);
static struct mnl_socket *netlink_open(int bus);
static void transact(struct mnl_socket *nl, const void *data, size_t len);
static int tap_open(const char *name);
static void guard(struct mnl_socket *nl, const struct floor_port *port, uint16_t message);
static void enslave(struct mnl_socket *nl, const struct floor_port *port, uint32_t bridge);
static void send_fd(int sock, int fd);

int main(int argc, char **argv)
{
	static struct floor floor;
	static int fds[BENCH_COUNT_MAX];
	bool is_served = argc == 4 && strcmp(argv[3], "served") == 0;
	unsigned count;
	char byte = 0;
	int pair[2];

	if (argc != 3 && !is_served)
		error(2, 0, "usage: floor BRIDGE COUNT [served]");
	floor.bridge = if_nametoindex(argv[1]);
	if (!floor.bridge)
		error(1, errno, "%s", argv[1]);
	count = bench_count(argv[2]);
	floor.route = netlink_open(NETLINK_ROUTE);
	floor.nft = netlink_open(NETLINK_NETFILTER);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		error(1, errno, "socketpair");
	if (is_served && fork() == 0) {
		close(pair[1]);
		serve(&floor, pair[0]);
	}

	for (unsigned i = 0; i < count; i++) {
		uint64_t start = bench_now();
		ssize_t len;

		if (!is_served)
			attach(&floor, pair[0]);
		else if (write(pair[1], &byte, 1) != 1)
			error(1, errno, "request");
		fds[i] = bench_recv(pair[1], &byte, 1, &len);
		bench_print(start);
	}
	bench_hold();
	take_away(&floor);
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	close(pair[1]); /* the server's end */
	return 0;
}

static void attach(struct floor *floor, int out)
{
	struct floor_port *port = &floor->ports[floor->n];
	char name[2 * IFNAMSIZ];
	int tap;

	/* A chosen name: "fl%d" would let the kernel look at every device for a free one. */
	snprintf(name, sizeof(name), "f%u.%u", (unsigned)getpid() % 1000000, floor->n++ % 1000);
	tap = tap_open(name);
	port->ifindex = if_nametoindex(name);
	memcpy(port->mac, (uint8_t[]){0x52, 0x54, 0, 0, (uint8_t)(port->ifindex >> 8),
				      (uint8_t)port->ifindex}, 6);
	guard(floor->nft, port, NFT_MSG_NEWSETELEM);
	enslave(floor->route, port, floor->bridge);
	send_fd(out, tap);
	close(tap);
}

static void take_away(struct floor *floor)
{
	for (unsigned i = 0; i < floor->n; i++)
		guard(floor->nft, &floor->ports[i], NFT_MSG_DELSETELEM);
}

static void serve(struct floor *floor, int sock)
{
	char byte;

	while (read(sock, &byte, 1) == 1)
		attach(floor, sock);
	take_away(floor);
	_exit(0);
}

static struct mnl_socket *netlink_open(int bus)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		error(1, errno, "netlink");
	return nl;
}

/* Sends what ends in one request that asks for an acknowledgement, and takes it. */
static void transact(struct mnl_socket *nl, const void *data, size_t len)
{
	char buf[4096];
	ssize_t n;

	if (mnl_socket_sendto(nl, data, len) < 0)
		error(1, errno, "netlink send");
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) < 0)
		error(1, errno, "netlink reply");
}

static int tap_open(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	memcpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		error(1, errno, "TUNSETIFF");
	return fd;
}

static void add_element(struct mnl_nlmsg_batch *batch, uint16_t message, uint32_t seq,
			const char *set_name, const void *key, size_t key_len)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nftnl_set_elem *elem = nftnl_set_elem_alloc();
	/* The last one's acknowledgement answers for the transaction. */
	uint16_t flags = seq == 3 ? NLM_F_ACK : 0;
	struct nlmsghdr *nlh;

	if (message == NFT_MSG_NEWSETELEM)
		flags |= NLM_F_CREATE;
	nftnl_set_set_str(set, NFTNL_SET_TABLE, "floor");
	nftnl_set_set_str(set, NFTNL_SET_NAME, set_name);
	nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, key, (uint32_t)key_len);
	nftnl_set_elem_add(set, elem);
	nlh = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), message, NFPROTO_BRIDGE, flags,
				    seq);
	nftnl_set_elems_nlmsg_build_payload(nlh, set);
	mnl_nlmsg_batch_next(batch);
	nftnl_set_free(set);
}

static void guard(struct mnl_socket *nl, const struct floor_port *port, uint16_t message)
{
	char buf[4096] __attribute__((aligned(8)));
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buf, sizeof(buf));
	/* Each part of a concatenation takes whole 32-bit registers. */
	struct { uint32_t ifindex; uint8_t mac[8]; } pair = {.ifindex = port->ifindex};

	memcpy(pair.mac, port->mac, 6);
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), 0);
	mnl_nlmsg_batch_next(batch);
	add_element(batch, message, 1, "macs", &pair, sizeof(pair));
	add_element(batch, message, 2, "guarded", &port->ifindex, sizeof(port->ifindex));
	add_element(batch, message, 3, "members", &port->ifindex, sizeof(port->ifindex));
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), 4);
	mnl_nlmsg_batch_next(batch);
	transact(nl, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch));
	mnl_nlmsg_batch_stop(batch);
}

static void enslave(struct mnl_socket *nl, const struct floor_port *port, uint32_t bridge)
{
	char buf[1024] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;
	struct nlattr *af_spec, *inet6;
	uint8_t mac[6];

	memcpy(mac, port->mac, 6);
	mac[0] = 0xfe;
	nlh->nlmsg_type = RTM_SETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)port->ifindex;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, PORT_MTU);
	mnl_attr_put_u32(nlh, IFLA_TXQLEN, PORT_TXQUEUELEN);
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, "vnet:port:floor:floor");
	mnl_attr_put_u32(nlh, IFLA_MASTER, bridge);
	af_spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, af_spec);
	transact(nl, nlh, nlh->nlmsg_len);
}

static void send_fd(int sock, int fd)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.hdr = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			     .cmsg_len = CMSG_LEN(sizeof(int))}};
	char byte = 0;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) != 1)
		error(1, errno, "sendmsg");
}
