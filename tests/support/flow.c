/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow.c - numbered frames at a steady rate, and which of them arrive
 *
 * usage: flow RATE OUT:IN:FRAME...
 *
 * For each path RATE times a second the FRAME (hexadecimal) is written to the
 * descriptor OUT, with the path's and the frame's number in its last 16 bytes, and
 * expected at IN.  Descriptors are TAPs' or packet sockets'.  For each line on
 * standard input, a number, it stops as soon as each path has sent that many since
 * the last one, waits for what is under way, prints a line "SENT LOST TWICE" for
 * each path, and goes on with new numbers.
 *
 * One thread writes and reads in turns and has at most WINDOW frames under way, so
 * no queue between the two ends overflows because this program was not scheduled:
 * a frame that does not arrive was lost by the network.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PATHS_MAX 16
#define FRAME_MAX 2048
#define HEADER_MAX 12           /* struct virtio_net_hdr_mrg_rxbuf: all zero, nothing is offloaded */
#define NUMBERS_MAX (1u << 22)  /* of one path between two reports */
#define WINDOW 200
#define STALL_MS 20             /* who waits longer for a frame takes it for lost, and sends on */
#define DRAIN_MS 1000

struct tail {                   /* in network byte order */
	char magic[4];
	uint32_t path, number, round;
};

struct path {
	int out, in;
	size_t out_header, in_header;
	unsigned char frame[HEADER_MAX + FRAME_MAX];
	size_t size;            /* without the header */
	uint32_t sent, received, twice;
	uint64_t last;          /* when something arrived, or was sent into an empty window */
	unsigned char *seen;    /* a byte for each number */
};

static struct path paths[PATHS_MAX];
static uint32_t n_paths, current_round;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static size_t header_size(int fd)
{
	struct ifreq ifr = {0};

	return ioctl(fd, TUNGETIFF, &ifr) == 0 && ifr.ifr_flags & IFF_VNET_HDR ? HEADER_MAX : 0;
}

static void add_path(const char *text)
{
	struct path *p = &paths[n_paths++];
	int at;

	if (sscanf(text, "%d:%d:%n", &p->out, &p->in, &at) != 2)
		error(2, 0, "%s is not OUT:IN:FRAME", text);
	p->out_header = header_size(p->out);
	p->in_header = header_size(p->in);
	fcntl(p->out, F_SETFL, fcntl(p->out, F_GETFL) | O_NONBLOCK);
	fcntl(p->in, F_SETFL, fcntl(p->in, F_GETFL) | O_NONBLOCK);
	for (text += at; text[0] && text[1] && p->size < FRAME_MAX; text += 2) {
		unsigned byte;

		if (sscanf(text, "%2x", &byte) != 1)
			error(2, 0, "a frame is hexadecimal");
		p->frame[p->out_header + p->size++] = (unsigned char)byte;
	}
	if (p->size < 60)
		error(2, 0, "a frame has 60 bytes at least");
	p->seen = calloc(NUMBERS_MAX, 1);
	if (!p->seen)
		error(1, errno, "memory");
}

/* A frame that cannot leave (the device is down, its queue full) is a frame lost. */
static void send_one(struct path *p, uint64_t now)
{
	struct tail tail = {.magic = "flow", .path = htonl((uint32_t)(p - paths)),
			    .number = htonl(p->sent), .round = htonl(current_round)};

	if (p->sent == NUMBERS_MAX)
		error(1, 0, "no report was asked for");
	if (p->sent == p->received)
		p->last = now;
	memcpy(p->frame + p->out_header + p->size - sizeof(tail), &tail, sizeof(tail));
	p->sent++;
	if (write(p->out, p->frame, p->out_header + p->size) < 0 && errno != EIO && errno != EAGAIN &&
	    errno != ENETDOWN && errno != ENOBUFS && errno != EINVAL)
		error(1, errno, "write");
}

/* in: where it was read.  An ICMP error that goes back to the sender has the number in it, too. */
static void take(int in, const unsigned char *frame, size_t size, uint64_t now)
{
	struct tail tail;
	struct path *p;

	if (size < 60)
		return;
	memcpy(&tail, frame + size - sizeof(tail), sizeof(tail));
	if (memcmp(tail.magic, "flow", 4) || ntohl(tail.path) >= n_paths ||
	    ntohl(tail.round) != current_round || ntohl(tail.number) >= NUMBERS_MAX)
		return;
	p = &paths[ntohl(tail.path)];
	if (p->in != in)
		return;
	if (p->seen[ntohl(tail.number)]++)
		p->twice++;
	else
		p->received++;
	p->last = now;
}

static void receive_all(uint64_t now)
{
	unsigned char buf[HEADER_MAX + FRAME_MAX];

	for (uint32_t i = 0; i < n_paths; i++) {
		ssize_t n;

		while ((n = read(paths[i].in, buf, sizeof(buf))) > (ssize_t)paths[i].in_header)
			take(paths[i].in, buf + paths[i].in_header, (size_t)n - paths[i].in_header,
			     now);
	}
}

static void send_due(uint64_t now)
{
	for (uint32_t i = 0; i < n_paths; i++)
		if (paths[i].sent - paths[i].received < WINDOW ||
		    now - paths[i].last > STALL_MS * 1000)
			send_one(&paths[i], now);
}

static bool is_under_way(void)
{
	for (uint32_t i = 0; i < n_paths; i++)
		if (paths[i].received < paths[i].sent)
			return true;
	return false;
}

static void report(void)
{
	uint64_t end = now_us() + DRAIN_MS * 1000;

	for (receive_all(now_us()); is_under_way() && now_us() < end; receive_all(now_us()))
		usleep(100);
	for (uint32_t i = 0; i < n_paths; i++) {
		struct path *p = &paths[i];

		printf("%u %u %u\n", p->sent, p->sent - p->received, p->twice);
		memset(p->seen, 0, p->sent);
		p->sent = p->received = p->twice = 0;
	}
	fflush(stdout);
	current_round++;
}

static bool have_sent(uint32_t wanted)
{
	for (uint32_t i = 0; i < n_paths; i++)
		if (paths[i].sent < wanted)
			return false;
	return true;
}

/* Is a report asked for? False, too, when whoever asks for them is gone: *ret_end. */
static bool read_request(uint32_t *ret_wanted, bool *ret_end)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	char line[32];
	ssize_t n;

	if (poll(&p, 1, 0) < 1)
		return false;
	n = read(0, line, sizeof(line) - 1);
	*ret_end = n < 1;
	line[n > 0 ? n : 0] = '\0';
	*ret_wanted = (uint32_t)strtoul(line, NULL, 10);
	return n > 0;
}

int main(int argc, char **argv)
{
	unsigned rate = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
	uint64_t due = now_us();
	bool is_asked = false, is_end = false;
	uint32_t wanted = 0;

	if (!rate || argc > PATHS_MAX + 2)
		error(2, 0, "usage: flow RATE OUT:IN:FRAME...");
	for (int i = 2; i < argc; i++)
		add_path(argv[i]);
	while (!is_end) {
		uint64_t now = now_us();

		is_asked = is_asked || read_request(&wanted, &is_end);
		if (is_asked && have_sent(wanted)) {
			report();
			is_asked = false;
		}
		receive_all(now);
		if (now < due) {
			usleep((useconds_t)(due - now));
			continue;
		}
		send_due(now);
		/* What was missed while others ran is made up for, but not more than a little. */
		due = due + 10000 < now ? now : due + 1000000 / rate;
	}
	return 0;
}
