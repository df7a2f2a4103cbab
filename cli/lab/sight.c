/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sight.c - frames as they are seen in a lab's machines; see sight.h. */

#include "cli/lab/sight.h"

#include "cli/lab/host.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SNAP_SIZE 65536
#define PCAP_MAGIC 0xa1b23c4d   /* times in ns, in the writer's byte order */
#define LINKTYPE_ETHERNET 1
#define WATCHERS_MAX 512        /* machines; more are not looked at */

/* --- recorded --- */

static volatile sig_atomic_t is_over;

static void note_signal(int number)
{
	(void)number;
	is_over = 1;
}

static bool put(int fd, const void *data, size_t size)
{
	return write(fd, data, size) == (ssize_t)size;
}

static bool put_header(int fd)
{
	const struct { uint32_t magic; uint16_t major, minor; uint32_t zone, precision, snap, link; } header = {
		PCAP_MAGIC, 2, 4, 0, 0, SNAP_SIZE, LINKTYPE_ETHERNET,
	};

	return put(fd, &header, sizeof(header));
}

static bool put_frame(int fd, const void *frame, size_t size, size_t whole)
{
	struct timespec now;
	uint32_t header[4];

	clock_gettime(CLOCK_REALTIME, &now);
	header[0] = (uint32_t)now.tv_sec;
	header[1] = (uint32_t)now.tv_nsec;
	header[2] = (uint32_t)size;
	header[3] = (uint32_t)whole;
	return put(fd, header, sizeof(header)) && put(fd, frame, size);
}

/* -1 with errno. */
static int open_tap(const char *interface)
{
	struct sockaddr_ll own = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), big = 16 * 1024 * 1024;

	own.sll_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || !own.sll_ifindex)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	return bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 ? -1 : fd;
}

int sight_capture(const struct capture *c, struct vnet_error *err)
{
	static uint8_t frame[SNAP_SIZE];
	const struct sigaction action = { .sa_handler = note_signal };
	unsigned n = 0;
	int fd;

	probe_enter(c->machine);
	fd = open_tap(c->interface);
	if (fd < 0)
		return vnet_error_set(err, -errno, "no-device", "cannot listen on %s of %s: %s", c->interface, c->machine,
				      strerror(errno));
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!put_header(c->fd))
		is_over = 1;
	while (!is_over && (!c->count || n < c->count)) {
		ssize_t size = recv(fd, frame, sizeof(frame), MSG_TRUNC);
		size_t kept = size > SNAP_SIZE ? SNAP_SIZE : (size_t)size;

		if (size < 0 && errno != EINTR)
			break;
		if (size > 0 && !put_frame(c->fd, frame, kept, (size_t)size))
			break; /* nobody reads on */
		n += size > 0;
	}
	close(fd);
	return 0;
}

/* --- followed --- */

struct sighting {
	struct timespec when;
	const char *machine;
	char interface[IF_NAMESIZE];
	bool is_out;
};

struct watcher {
	const char *machine;
	int fd;
};

/* Where the packets to, and those from the target were seen last. */
struct trail {
	struct sighting there, back;
};

static bool is_address(const uint8_t *at, const struct ip *ip)
{
	return memcmp(at, ip->b, ip_size(ip)) == 0;
}

/* 1: on its way to the target, 2: from it, 0: another. */
static int direction_of(const uint8_t *packet, size_t size, const struct ip *target)
{
	bool is_v4 = target->family == AF_INET;
	size_t src = is_v4 ? 12 : 8, dst = is_v4 ? 16 : 24;

	if (size < (is_v4 ? 20u : 40u) || packet[0] >> 4 != (is_v4 ? 4 : 6))
		return 0;
	return is_address(packet + dst, target) ? 1 : is_address(packet + src, target) ? 2 : 0;
}

/* A packet's head, where it was, and when by the kernel's clock; false when there is none. */
static bool receive(int fd, uint8_t packet[64], size_t *ret_size, struct sockaddr_ll *ret_from, struct timespec *ret_when)
{
	char control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec part = { packet, 64 };
	struct msghdr message = { .msg_name = ret_from, .msg_namelen = sizeof(*ret_from), .msg_iov = &part,
				  .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);

	if (size < 0)
		return false;
	*ret_when = (struct timespec){ 0 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(ret_when, CMSG_DATA(c), sizeof(*ret_when));
	*ret_size = (size_t)size;
	return true;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec >= b->tv_nsec;
}

static void note(const struct watcher *w, const struct ip *target, struct trail *trail)
{
	uint8_t packet[64];
	struct sockaddr_ll from;
	struct timespec when;
	size_t size;

	while (receive(w->fd, packet, &size, &from, &when)) {
		int direction = direction_of(packet, size, target);
		struct sighting *sighting = direction == 1 ? &trail->there : &trail->back;

		if (!direction || !is_later(&when, &sighting->when))
			continue;
		*sighting = (struct sighting){ .when = when, .machine = w->machine,
					       .is_out = from.sll_pkttype == PACKET_OUTGOING };
		probe_enter(w->machine);
		if (!if_indextoname((unsigned)from.sll_ifindex, sighting->interface))
			strcpy(sighting->interface, "?");
	}
}

static size_t open_watchers(const struct lab *lab, struct watcher *ret)
{
	size_t n = 0;
	int on = 1;

	vec_each(m, &lab->machines) {
		if (n == WATCHERS_MAX)
			break;
		probe_enter((*m)->name);
		ret[n].machine = (*m)->name;
		ret[n].fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
		setsockopt(ret[n].fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
		n += ret[n].fd >= 0;
	}
	return n;
}

static void watch(const struct watcher *watchers, size_t n, const struct ip *target, pid_t probe_pid,
		  struct trail *trail)
{
	struct pollfd fds[WATCHERS_MAX];

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = watchers[i].fd, .events = POLLIN };
	while (waitpid(probe_pid, NULL, WNOHANG) == 0) {
		if (poll(fds, n, 50) <= 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (fds[i].revents & POLLIN)
				note(&watchers[i], target, trail);
	}
}

static void append(struct probe_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(struct probe_result *result, const char *format, ...)
{
	size_t used = strlen(result->reason);
	va_list args;

	va_start(args, format);
	vsnprintf(result->reason + used, sizeof(result->reason) - used, format, args);
	va_end(args);
}

/* Frames that the machine's ports lost to their guards. */
static json_int_t count_drops(const struct lab_machine *m, char ret_reason[64])
{
	json_int_t sum = 0;

	vec_each(interface, &m->interfaces) {
		AUTO_FREE char *name = host_port_name(m, interface);
		json_t *parameters = json_pack("{s:s}", "name", name), *reply = NULL, *packets;
		struct vnet_client *client = NULL;
		const char *reason;

		if (interface->host && host_connect(interface->host, &client, NULL) == 0)
			client_call(client, "DescribePort", parameters, &reply, NULL);
		json_object_foreach(json_object_get(json_object_get(reply, "port"), "drops"), reason, packets) {
			sum += json_integer_value(packets);
			if (json_integer_value(packets))
				snprintf(ret_reason, 64, "%s", reason);
		}
		json_decref(reply);
		json_decref(parameters);
		vnet_client_free(client);
	}
	return sum;
}

void sight_explain(const struct lab *lab, const struct expectation *e, struct probe_result *result)
{
	struct watcher watchers[WATCHERS_MAX];
	struct trail trail = { 0 };
	char reason[64] = "";
	const struct lab_machine *from = lab_find_machine(lab, e->from);
	json_int_t before = count_drops(from, reason);
	size_t n = open_watchers(lab, watchers);
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct probe_result again;

		probe(lab, e, &again);
		_exit(0);
	}
	if (pid > 0)
		watch(watchers, n, &result->to, pid, &trail);
	for (size_t i = 0; i < n; i++)
		close(watchers[i].fd);
	if (trail.back.machine)
		append(result, "; answers were seen last at %s %s (%s)", trail.back.machine, trail.back.interface,
		       trail.back.is_out ? "leaving" : "arriving");
	else if (trail.there.machine)
		append(result, "; its packets were seen last at %s %s (%s)", trail.there.machine,
		       trail.there.interface, trail.there.is_out ? "leaving" : "arriving");
	else
		append(result, "; no packet left %s", e->from);
	if (count_drops(from, reason) > before)
		append(result, "; the guard of %s's port drops (%s)", e->from, reason);
}
