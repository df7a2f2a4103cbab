/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tapguest.c - a guest that is a network namespace
 *
 * usage: tapguest IFNAME MAC FD [FD...]
 *
 * Stands where QEMU stands: it holds the descriptors of a port's TAP and moves
 * frames between them and a TAP of its own, IFNAME with the guest's MAC, in
 * the network namespace it was started in.  The programs of that namespace
 * then are the guest, behind the same device, offload headers included, as a
 * real one, but started in milliseconds.  Prints "ready" once frames move, and
 * ends when either side ends.
 */

#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUES_MAX 64
#define FRAME_MAX (65536 + 256)
#define BATCH 64   /* frames of one side before the other has its turn */

static int open_inner(const char *name, const char *mac, int outer);
static int move(int from, int to);
static void set_nonblocking(int fd);

int main(int argc, char **argv)
{
	struct pollfd polls[QUEUES_MAX + 1];
	unsigned n_queues = (unsigned)argc - 3;
	int inner;

	if (argc < 4 || n_queues > QUEUES_MAX)
		error(2, 0, "usage: tapguest IFNAME MAC FD [FD...]");
	for (unsigned i = 0; i < n_queues; i++) {
		polls[i] = (struct pollfd){.fd = atoi(argv[3 + i]), .events = POLLIN};
		set_nonblocking(polls[i].fd);
	}
	inner = open_inner(argv[1], argv[2], polls[0].fd);
	polls[n_queues] = (struct pollfd){.fd = inner, .events = POLLIN};
	puts("ready");
	fflush(stdout);

	for (;;) {
		if (poll(polls, n_queues + 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			error(1, errno, "poll");
		}
		for (unsigned i = 0; i <= n_queues; i++) {
			if (!polls[i].revents)
				continue;
			if (polls[i].revents & (POLLERR | POLLHUP | POLLNVAL) &&
			    !(polls[i].revents & POLLIN))
				return 0; /* the device was taken away */
			if (move(polls[i].fd, i < n_queues ? inner : polls[0].fd))
				return 0;
		}
	}
}

/* The same header and offloads on both sides, so that frames pass as they are. */
static int open_inner(const char *name, const char *mac, int outer)
{
	struct ifreq ifr = {0}, outer_ifr = {0};
	unsigned char *b = (unsigned char *)ifr.ifr_hwaddr.sa_data;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), sock, size;

	if (ioctl(outer, TUNGETIFF, &outer_ifr))
		error(1, errno, "TUNGETIFF");
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (outer_ifr.ifr_flags & IFF_VNET_HDR));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		error(1, errno, "TUNSETIFF %s", name);
	if (outer_ifr.ifr_flags & IFF_VNET_HDR) {
		size = 12;
		if (ioctl(outer, TUNSETVNETHDRSZ, &size) || ioctl(fd, TUNSETVNETHDRSZ, &size))
			error(1, errno, "TUNSETVNETHDRSZ");
		if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN))
			error(1, errno, "TUNSETOFFLOAD");
	}
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6)
		error(2, 0, "%s is not a MAC address", mac);
	if (sock < 0 || ioctl(sock, SIOCSIFHWADDR, &ifr))
		error(1, errno, "SIOCSIFHWADDR");
	ifr.ifr_flags = IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr))
		error(1, errno, "SIOCSIFFLAGS");
	close(sock);
	set_nonblocking(fd);
	return fd;
}

/* Returns non-zero when a side is gone.  A full or downed receiver loses the frame, as a wire does. */
static int move(int from, int to)
{
	static unsigned char frame[FRAME_MAX];

	for (unsigned i = 0; i < BATCH; i++) {
		ssize_t n = read(from, frame, sizeof(frame));

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : errno;
		if (n == 0)
			return ENODEV;
		if (write(to, frame, (size_t)n) < 0 && errno == EBADFD)
			return EBADFD;
	}
	return 0;
}

static void set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		error(1, errno, "descriptor %d", fd);
}
