/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe_net.c - packets that probes send and wait for; see probe_net.h. */

#include "cli/lab/probe_net.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/lab/space.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRY_MS 1000
#define ANSWER_MS 3000
#define BODY_MAX 65536
#define RATE_START_MS 300       /* while TCP finds its pace */

/* Readable, or writable, before the deadline? */
static bool is_ready(int fd, short events, int64_t deadline)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int64_t left = deadline - clock_now_ms();

	return left > 0 && poll(&pfd, 1, (int)left) == 1;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t fill(const struct ip *ip, unsigned port, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (ip->family == AF_INET) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)port);
		memcpy(&ret->v4.sin_addr, ip->b, 4);
		return sizeof(ret->v4);
	}
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons((uint16_t)port);
	memcpy(&ret->v6.sin6_addr, ip->b, 16);
	return sizeof(ret->v6);
}

/* --- ping --- */

static uint16_t checksum(const void *data, size_t size)
{
	const uint8_t *b = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* RFC 792; <netinet/ip_icmp.h> brings a struct ip of its own. */
enum { ICMP_ECHOREPLY = 0, ICMP_DEST_UNREACH = 3, ICMP_ECHO = 8 };

struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	uint8_t token[16];
};

/* An answer of ours, an ICMP error (its type), or nothing. */
static int read_echo(int fd, int family, const struct echo *sent)
{
	uint8_t buf[2048];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	size_t header = family == AF_INET && n > 0 ? (size_t)(buf[0] & 15) * 4 : 0;
	struct echo echo;

	if (n < 0 || (size_t)n < header + 8)
		return -1;
	memset(&echo, 0, sizeof(echo));
	memcpy(&echo, buf + header, (size_t)n - header < sizeof(echo) ? (size_t)n - header : sizeof(echo));
	if (echo.type == (family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
	    memcmp(echo.token, sent->token, sizeof(echo.token)) == 0)
		return 0;
	if (family == AF_INET && echo.type == ICMP_DEST_UNREACH)
		return echo.type;
	return family == AF_INET6 && echo.type == ICMP6_DST_UNREACH ? echo.type : -1;
}

static bool wait_for_echo(int fd, int family, const struct echo *sent, int64_t deadline, bool *ret_unreachable)
{
	while (is_ready(fd, POLLIN, deadline)) {
		int type = read_echo(fd, family, sent);

		if (type == 0)
			return true;
		*ret_unreachable |= type > 0;
	}
	return false;
}

bool net_ping(const struct ip *to, unsigned tries, char *reason, size_t size)
{
	bool is_v4 = to->family == AF_INET, is_unreachable = false, is_answered = false;
	int fd = socket(to->family, SOCK_RAW | SOCK_CLOEXEC, is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	struct echo echo = { .type = is_v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST, .id = htons((uint16_t)getpid()) };
	union address address;
	socklen_t len = fill(to, 0, &address);

	snprintf(reason, size, "no answer");
	if (fd < 0 || getrandom(echo.token, sizeof(echo.token), 0) < 0) {
		snprintf(reason, size, "cannot send: %s", strerror(errno));
		tries = 0;
	}
	for (unsigned i = 0; i < tries && !is_answered; i++) {
		int64_t deadline = clock_now_ms() + TRY_MS;

		echo.sequence = htons((uint16_t)i);
		echo.checksum = 0;
		if (is_v4)
			echo.checksum = checksum(&echo, sizeof(echo));
		if (sendto(fd, &echo, sizeof(echo), 0, &address.any, len) < 0) {
			snprintf(reason, size, "%s", strerror(errno));
			if (i + 1 < tries)
				poll(NULL, 0, TRY_MS);
			continue;
		}
		is_answered = wait_for_echo(fd, to->family, &echo, deadline, &is_unreachable);
	}
	if (is_unreachable)
		snprintf(reason, size, "somebody on the way says that it is unreachable");
	if (fd >= 0)
		close(fd);
	return is_answered;
}

/* --- connections --- */

/* A connected socket, or -1 with the reason. */
static int dial(const struct ip *to, unsigned port, char *reason, size_t size)
{
	int fd = socket(to->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
	int64_t deadline = clock_now_ms() + ANSWER_MS;
	socklen_t length = sizeof(error);
	union address address;
	socklen_t len = fill(to, port, &address);

	if (fd < 0 || (connect(fd, &address.any, len) < 0 && errno != EINPROGRESS))
		error = errno;
	else if (!is_ready(fd, POLLOUT, deadline))
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (!error)
		return fd;
	snprintf(reason, size, "%s", strerror(error));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool net_connect(const struct ip *to, unsigned port, char *reason, size_t size)
{
	int fd = dial(to, port, reason, size);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool net_ask_udp(const struct ip *to, unsigned port, char *reason, size_t size)
{
	int fd = socket(to->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_answered = false;
	union address address;
	socklen_t len = fill(to, port, &address);
	char buf[64];

	snprintf(reason, size, "no answer");
	if (fd < 0 || connect(fd, &address.any, len) < 0)
		snprintf(reason, size, "%s", strerror(errno));
	for (int i = 0; i < 3 && fd >= 0 && !is_answered; i++) {
		int64_t deadline = clock_now_ms() + TRY_MS;

		if (send(fd, "?\n", 2, 0) < 0)
			snprintf(reason, size, "%s", strerror(errno));
		if (!is_ready(fd, POLLIN, deadline))
			continue;
		is_answered = recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0;
		if (!is_answered)
			snprintf(reason, size, "%s", strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return is_answered;
}

static size_t read_all(int fd, char *buf, size_t size, int64_t deadline)
{
	size_t n = 0;
	ssize_t got = 1;

	while (got > 0 && n + 1 < size && is_ready(fd, POLLIN, deadline)) {
		got = read(fd, buf + n, size - n - 1);
		n += got > 0 ? (size_t)got : 0;
	}
	buf[n] = '\0';
	return n;
}

bool net_get(const struct ip *to, unsigned port, char **ret_body, char *reason, size_t size)
{
	char buf[ADDR_TEXT_MAX];
	AUTO_FREE char *request = mem_printf("GET / HTTP/1.0\r\nHost: %s%s%s\r\n\r\n", to->family == AF_INET6 ? "[" : "",
					     ip_format(to, buf), to->family == AF_INET6 ? "]" : "");
	AUTO_FREE char *answer = mem_alloc(BODY_MAX);
	int fd = dial(to, port, reason, size);
	const char *body;

	if (fd < 0)
		return false;
	signal(SIGPIPE, SIG_IGN);
	if (write(fd, request, strlen(request)) < 0)
		snprintf(reason, size, "%s", strerror(errno));
	else if (!read_all(fd, answer, BODY_MAX, clock_now_ms() + ANSWER_MS))
		snprintf(reason, size, "it connects, but no answer comes");
	close(fd);
	body = strstr(answer, "\r\n\r\n");
	*ret_body = mem_strdup(body ? body + 4 : answer);
	if (body && !strncmp(answer, "HTTP/1.", 7) && !strncmp(answer + 8, " 200", 4))
		return true;
	if (*answer)
		snprintf(reason, size, "it answers \"%.*s\"", (int)strcspn(answer, "\r\n"), answer);
	return false;
}

/* --- names --- */

bool net_resolve(const char *machine, const char *name, int family, struct ip *ret, char *reason, size_t size)
{
	struct addrinfo hints = { .ai_family = family ? family : AF_UNSPEC, .ai_socktype = SOCK_DGRAM }, *list = NULL;
	struct vnet_error err = { 0 };
	int r;

	if (space_become(machine, &err) < 0) {
		snprintf(reason, size, "%.200s", err.message);
		return false;
	}
	setenv("RES_OPTIONS", "timeout:1 attempts:2", true);
	r = getaddrinfo(name, NULL, &hints, &list);
	if (r != 0) {
		snprintf(reason, size, "%s", gai_strerror(r));
		return false;
	}
	ret->family = (uint8_t)list->ai_family;
	memset(ret->b, 0, sizeof(ret->b));
	if (list->ai_family == AF_INET)
		memcpy(ret->b, &((struct sockaddr_in *)list->ai_addr)->sin_addr, 4);
	else
		memcpy(ret->b, &((struct sockaddr_in6 *)list->ai_addr)->sin6_addr, 16);
	freeaddrinfo(list);
	return true;
}

/* --- rates --- */

/* The kernel chooses the port; net_measure() asks for it. */
int net_listen(const struct ip *address)
{
	int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;
	union address own;
	socklen_t len = fill(address, 0, &own);

	if (fd < 0)
		return -errno;
	if (bind(fd, &own.any, len) == 0 && listen(fd, 1) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static unsigned port_of(int fd)
{
	union address own;
	socklen_t len = sizeof(own);

	if (getsockname(fd, &own.any, &len) < 0)
		return 0;
	return ntohs(own.any.sa_family == AF_INET ? own.v4.sin_port : own.v6.sin6_port);
}

static void send_for_ever(int fd)
{
	static const char zeros[65536];

	alarm(30);
	for (;;)
		if (write(fd, zeros, sizeof(zeros)) < 0) {
			if (errno != EAGAIN)
				_exit(0);
			is_ready(fd, POLLOUT, clock_now_ms() + TRY_MS);
		}
}

/* Bytes that arrive until the deadline. */
static uint64_t count_bytes(int fd, int64_t deadline)
{
	static char sink[262144];
	uint64_t bytes = 0;

	while (is_ready(fd, POLLIN, deadline)) {
		ssize_t n = read(fd, sink, sizeof(sink));

		if (n <= 0)
			break;
		bytes += (uint64_t)n;
	}
	return bytes;
}

double net_measure(const struct ip *to, int listener, unsigned ms, char *reason, size_t size)
{
	int out = dial(to, port_of(listener), reason, size), in = -1;
	double rate = -1;
	int64_t start;
	pid_t sender;

	if (out >= 0)
		in = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	sender = in >= 0 ? fork() : -1;
	if (sender == 0)
		send_for_ever(out);
	if (sender > 0) {
		count_bytes(in, clock_now_ms() + RATE_START_MS);
		start = clock_now_ms();
		rate = (double)count_bytes(in, start + ms) * 8000;
		rate /= (double)(clock_now_ms() - start);
		kill(sender, SIGKILL);
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return rate;
}

/* --- broadcasts --- */

struct ip net_token(void)
{
	struct ip token = { .family = AF_INET, .b = { 169, 254, 1, 1 } };

	if (getrandom(token.b + 2, 2, 0) < 0 || token.b[2] == 0 || token.b[2] == 255)
		token.b[2] = 77;
	return token;
}

int net_listen_raw(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ARP));
}

static bool own_mac(const char *interface, uint8_t ret[6])
{
	struct ifaddrs *list;
	bool is_found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		const struct sockaddr_ll *ll = (const struct sockaddr_ll *)i->ifa_addr;

		if (!ll || ll->sll_family != AF_PACKET || strcmp(i->ifa_name, interface) != 0)
			continue;
		memcpy(ret, ll->sll_addr, 6);
		is_found = ll->sll_halen == 6;
	}
	freeifaddrs(list);
	return is_found;
}

struct arp_frame {
	struct ether_header ethernet;
	struct ether_arp arp;
} __attribute__((packed));

static void ask_on(int fd, const char *interface, const struct in_addr *own, const struct ip *token)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface) };
	struct arp_frame frame = { 0 };
	uint8_t mac[6];

	if (!own_mac(interface, mac))
		return;
	memset(frame.ethernet.ether_dhost, 0xff, 6);
	memcpy(frame.ethernet.ether_shost, mac, 6);
	frame.ethernet.ether_type = htons(ETHERTYPE_ARP);
	frame.arp.arp_hrd = htons(ARPHRD_ETHER);
	frame.arp.arp_pro = htons(ETHERTYPE_IP);
	frame.arp.arp_hln = 6;
	frame.arp.arp_pln = 4;
	frame.arp.arp_op = htons(ARPOP_REQUEST);
	memcpy(frame.arp.arp_sha, mac, 6);
	memcpy(frame.arp.arp_spa, own, 4);
	memcpy(frame.arp.arp_tpa, token->b, 4);
	sendto(fd, &frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to));
}

static struct in_addr own_address(const struct ifaddrs *list, const char *interface)
{
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && strcmp(i->ifa_name, interface) == 0)
			return ((const struct sockaddr_in *)i->ifa_addr)->sin_addr;
	return (struct in_addr){ 0 };
}

void net_broadcast(const struct ip *token)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct if_nameindex *names = if_nameindex();
	struct ifaddrs *list = NULL;

	if (fd >= 0 && names && getifaddrs(&list) == 0)
		for (const struct if_nameindex *i = names; i->if_name; i++) {
			struct in_addr own = own_address(list, i->if_name);

			if (strcmp(i->if_name, "lo") != 0)
				ask_on(fd, i->if_name, &own, token);
		}
	if (list)
		freeifaddrs(list);
	if (names)
		if_freenameindex(names);
	if (fd >= 0)
		close(fd);
}

static bool hears(int fd, const struct ip *token)
{
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	struct arp_frame frame;
	bool is_heard = false;
	ssize_t n;

	while ((n = recvfrom(fd, &frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&from, &len)) >= 0)
		is_heard |= (size_t)n == sizeof(frame) && from.sll_pkttype != PACKET_OUTGOING &&
			    memcmp(frame.arp.arp_tpa, token->b, 4) == 0;
	return is_heard;
}

void net_hear(struct net_listener *listeners, size_t n, const struct ip *token, unsigned ms)
{
	int64_t deadline = clock_now_ms() + ms;

	while (clock_now_ms() < deadline) {
		for (size_t i = 0; i < n; i++)
			listeners[i].has_heard |= listeners[i].fd >= 0 && hears(listeners[i].fd, token);
		poll(NULL, 0, 10);
	}
}
