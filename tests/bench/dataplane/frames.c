/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames.c - small frames from one guest's TAP to another's, by many ways in turns
 *
 * usage: frames KIND ROUNDS NAME:FROM:TO...
 *
 * FROM and TO are descriptors of two TAPs on one bridge, inherited.  A frame is
 * written to one and read from the other; the kernel carries it through the
 * bridge and its rules while the write lasts, so the processor time of this
 * thread is what the frame costs.  In each round every way has a slice of some
 * milliseconds, in this order and then in the opposite one, so that what else
 * the machine does falls on all alike.
 *
 * First a foreign source address is tried, on a line "NAME spoofed N": how many
 * of SPOOFED_FRAMES arrived.  Then a line "NAME NANOSECONDS" for each slice: of
 * processor time, for each frame.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define WAYS_MAX 64
#define BURST 64 /* written before any is read; a TAP's queue has room for 1,000 */
#define SPOOFED_FRAMES 64
#define SLICE_NS 2500000
#define SLICE_MIN BURST
#define SLICE_MAX 2048
#define HEADER_MAX 64 /* of a TAP: struct virtio_net_hdr */
#define FRAME_SIZE 74 /* the least that holds IPv6 and TCP; IPv4's is padded */

struct way {
	const char *name;
	int from, to;
	size_t from_header, to_header;
	unsigned slice;
};

struct frame {
	uint8_t header[HEADER_MAX]; /* zeros; a TAP's frame starts in its last bytes */
	uint8_t data[FRAME_SIZE];
};

struct kind {
	const char *name;
	uint16_t ethertype;
	uint8_t protocol;
};

static const struct kind kinds[] = {
    {"udp4", ETH_P_IP, IPPROTO_UDP},
    {"tcp4", ETH_P_IP, IPPROTO_TCP},
    {"udp6", ETH_P_IPV6, IPPROTO_UDP},
    {"tcp6", ETH_P_IPV6, IPPROTO_TCP},
};

static struct way parse_way(char *text);
static const struct kind *find_kind(const char *name);
static struct frame build(const struct kind *kind, unsigned from, unsigned to);
static unsigned carry(const struct way *way, const struct frame *frame, unsigned n);
static void prepare(struct way *way, const struct kind *kind);
static void measure(const struct way *way, const struct kind *kind);
static void stay_on_one_processor(void);

int main(int argc, char **argv)
{
	static struct way ways[WAYS_MAX];
	const struct kind *kind;
	unsigned long rounds;
	int n = argc - 3;

	if (n < 1 || n > WAYS_MAX)
		error(2, 0, "usage: frames KIND ROUNDS NAME:FROM:TO...");
	kind = find_kind(argv[1]);
	rounds = strtoul(argv[2], NULL, 10);
	stay_on_one_processor();
	for (int i = 0; i < n; i++) {
		ways[i] = parse_way(argv[i + 3]);
		prepare(&ways[i], kind);
	}
	for (unsigned long round = 0; round < rounds; round++)
		for (int i = 0; i < n; i++)
			measure(&ways[round % 2 ? n - 1 - i : i], kind);
	return 0;
}

static uint64_t processor_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Moving from one to another costs caches. */
static void stay_on_one_processor(void)
{
	cpu_set_t allowed, one;
	int cpu = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		error(1, errno, "sched_getaffinity");
	while (!CPU_ISSET(cpu, &allowed))
		cpu--;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static size_t header_size(int fd)
{
	struct ifreq ifr = {0};
	int size = 0;

	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) || ioctl(fd, TUNGETIFF, &ifr))
		error(1, errno, "descriptor %d is no TAP", fd);
	if (ifr.ifr_flags & IFF_VNET_HDR && ioctl(fd, TUNGETVNETHDRSZ, &size))
		error(1, errno, "TUNGETVNETHDRSZ");
	if (size > HEADER_MAX)
		error(1, 0, "descriptor %d: a header of %d bytes", fd, size);
	return (size_t)size;
}

static struct way parse_way(char *text)
{
	struct way way = {.name = strsep(&text, ":")};
	const char *from = strsep(&text, ":");

	if (!from || !text)
		error(2, 0, "%s: NAME:FROM:TO is wanted", way.name);
	way.from = atoi(from);
	way.to = atoi(text);
	way.from_header = header_size(way.from);
	way.to_header = header_size(way.to);
	return way;
}

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(name, kinds[i].name) == 0)
			return &kinds[i];
	error(2, 0, "%s: udp4, tcp4, udp6 or tcp6 is wanted", name);
	return NULL;
}

/* The guests: 52:54:00:00:00:0N, 10.66.1.N, fd66::1:N. */

static void put_mac(uint8_t *at, unsigned guest)
{
	memcpy(at, (uint8_t[]){0x52, 0x54, 0, 0, 0, (uint8_t)guest}, ETH_ALEN);
}

static uint16_t checksum(const void *data, size_t size)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i + 1 < size; i += 2) {
		memcpy(&word, (const uint8_t *)data + i, 2);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t put_ipv4(uint8_t *at, uint8_t protocol, unsigned from, unsigned to)
{
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5,
	    .ttl = 64,
	    .protocol = protocol,
	    .tot_len = htons(FRAME_SIZE - ETH_HLEN),
	    .saddr = htonl(0x0a420100 + from),
	    .daddr = htonl(0x0a420100 + to),
	};

	ip.check = checksum(&ip, sizeof(ip));
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t put_ipv6(uint8_t *at, uint8_t protocol, unsigned from, unsigned to)
{
	struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28), .ip6_hops = 64, .ip6_nxt = protocol};

	ip.ip6_plen = htons(FRAME_SIZE - ETH_HLEN - sizeof(ip));
	inet_pton(AF_INET6, "fd66::1:0", &ip.ip6_src);
	ip.ip6_dst = ip.ip6_src;
	ip.ip6_src.s6_addr[15] = (uint8_t)from;
	ip.ip6_dst.s6_addr[15] = (uint8_t)to;
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

/* From port 40000 to 9999; of TCP an acknowledgement without data. */
static void put_transport(uint8_t *at, uint8_t protocol, size_t size)
{
	at[0] = 40000 >> 8;
	at[1] = 40000 & 255;
	at[2] = 9999 >> 8;
	at[3] = 9999 & 255;
	if (protocol == IPPROTO_UDP) {
		at[5] = (uint8_t)size;
	} else {
		at[12] = 5 << 4;
		at[13] = 0x10;
	}
}

static struct frame build(const struct kind *kind, unsigned from, unsigned to)
{
	struct frame frame = {0};
	uint8_t *at = frame.data + ETH_HLEN;

	put_mac(frame.data, to);
	put_mac(frame.data + ETH_ALEN, from);
	frame.data[12] = (uint8_t)(kind->ethertype >> 8);
	frame.data[13] = (uint8_t)kind->ethertype;
	at += (kind->ethertype == ETH_P_IP ? put_ipv4 : put_ipv6)(at, kind->protocol, from, to);
	put_transport(at, kind->protocol, (size_t)(frame.data + FRAME_SIZE - at));
	return frame;
}

/* How many of n arrived; others on the bridge, such as its own IPv6, are not counted. */
static unsigned carry(const struct way *way, const struct frame *frame, unsigned n)
{
	const uint8_t *data = frame->data - way->from_header;
	size_t size = FRAME_SIZE + way->from_header;
	unsigned arrived = 0;
	uint8_t buf[2048];

	for (unsigned sent = 0; sent < n; sent += BURST) {
		for (unsigned i = 0; i < BURST; i++)
			if (write(way->from, data, size) != (ssize_t)size)
				error(1, errno, "%s: write", way->name);
		while (read(way->to, buf, sizeof(buf)) > 0)
			arrived += memcmp(buf + way->to_header, frame->data, 2 * ETH_ALEN) == 0;
	}
	return arrived;
}

static void must_carry(const struct way *way, const struct frame *frame, unsigned n)
{
	unsigned arrived = carry(way, frame, n);

	if (arrived != n)
		error(1, 0, "%s: %u of %u frames arrived", way->name, arrived, n);
}

/* The bridge learns where the addresses are, before it is asked. */
static void let_bridge_learn(const struct way *way, const struct kind *kind)
{
	struct way back = *way;
	struct frame answer = build(kind, 2, 1);

	back.from = way->to;
	back.from_header = way->to_header;
	back.to = way->from;
	back.to_header = way->from_header;
	carry(&back, &answer, BURST);
}

static void prepare(struct way *way, const struct kind *kind)
{
	struct frame frame = build(kind, 1, 2), spoofed = frame;
	uint64_t start;
	double cost;

	let_bridge_learn(way, kind);
	put_mac(spoofed.data + ETH_ALEN, 66);
	printf("%s spoofed %u\n", way->name, carry(way, &spoofed, SPOOFED_FRAMES));
	must_carry(way, &frame, SLICE_MIN);
	start = processor_time();
	must_carry(way, &frame, SLICE_MIN);
	cost = (double)(processor_time() - start) / SLICE_MIN;
	way->slice = SLICE_MAX;
	while (way->slice > SLICE_MIN && way->slice * cost > SLICE_NS)
		way->slice /= 2;
}

static void measure(const struct way *way, const struct kind *kind)
{
	struct frame frame = build(kind, 1, 2);
	uint64_t start;

	let_bridge_learn(way, kind);
	must_carry(way, &frame, BURST); /* its code and data come into the caches */
	start = processor_time();
	must_carry(way, &frame, way->slice);
	printf("%s %.1f\n", way->name, (double)(processor_time() - start) / way->slice);
}
