/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * events.c - what the kernel tells by itself
 *
 * Sockets: rtnetlink groups, nftables' group, NFLOG for the first frames of ports
 * that learn, and one for packets that are traced, which is silent until then.  What nobody here wants is dropped inside the
 * kernel by a socket filter, so that it costs neither a wake-up nor room in the
 * buffer: forwarding entries (a guest can make thousands a second), the local
 * routing table, our own routes and filters, and the notifications of our own
 * nftables transactions.
 *
 * A notification that does not fit the buffer, or came when it was full, makes
 * KERNEL_EVENT_OVERRUN; so nothing is ever lost unnoticed.
 */

#include "kernel/events.h"
#include "dhcp/log_frame.h"
#include "kernel/addr.h"
#include "kernel/backend.h"
#include "kernel/link.h"
#include "kernel/neigh.h"
#include "kernel/nl.h"
#include "kernel/route.h"
#include "kernel/trace.h"
#include "nft/ruleset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_AT_ONCE 16
#define READ_SIZE 8192          /* a link's notification has 1.3 KiB, nftables' are cut at a page */
#define LOG_COPY_RANGE 512      /* bytes of a frame at most; each rule says how many it needs */
#define TRACE_RCVBUF (4 * 1024 * 1024) /* a second of all that rules let be told */

typedef void (*read_function)(const void *data, size_t size, struct events_sink *sink);

struct event_source {
	int fd;
	read_function read;
};

struct events {
	struct event_source sources[KERNEL_FDS_MAX];
	size_t n;
	uint32_t route_port;    /* of our own requests */
	int fdb_fd;             /* one of them, of no group before events_want_fdb() */
	int trace_fd;           /* the same, before events_trace() */
	bool nft_touches_ours;  /* from one dispatch to the next */
	char notes[2][256];
	size_t n_notes;
	char buffers[READ_AT_ONCE][READ_SIZE];
};

static int open_route(struct events *ev, uint32_t own_port, struct vnet_error *err);
static int open_nft(struct events *ev, uint32_t own_port, struct vnet_error *err);
static int open_log(struct events *ev, struct vnet_error *err);
static int open_fdb(struct events *ev, struct vnet_error *err);
static int open_trace(struct events *ev, struct vnet_error *err);
static int drain(struct events *ev, const struct event_source *src, struct events_sink *sink,
		 struct vnet_error *err);

int events_open(uint32_t route_port, uint32_t nft_port, struct events **ret, struct vnet_error *err)
{
	struct events *ev = mem_alloc(sizeof(*ev));
	int r;

	ev->route_port = route_port;
	if ((r = open_route(ev, route_port, err)) < 0 || (r = open_nft(ev, nft_port, err)) < 0 ||
	    (r = open_log(ev, err)) < 0 || (r = open_fdb(ev, err)) < 0 ||
	    (r = open_trace(ev, err)) < 0) {
		events_close(ev);
		return r;
	}
	*ret = ev;
	return 0;
}

void events_close(struct events *ev)
{
	if (!ev)
		return;
	for (size_t i = 0; i < ev->n; i++)
		close(ev->sources[i].fd);
	free(ev);
}

size_t events_fds(struct events *ev, int ret_fds[KERNEL_FDS_MAX])
{
	for (size_t i = 0; i < ev->n; i++)
		ret_fds[i] = ev->sources[i].fd;
	return ev->n;
}

const char *events_note(const struct events *ev, size_t i)
{
	return i < ev->n_notes ? ev->notes[i] : NULL;
}

int events_dispatch(struct events *ev, kernel_handler handler, void *context,
		    struct vnet_error *err)
{
	const struct kernel_event route = {.kind = KERNEL_EVENT_ROUTE};
	struct events_sink sink = {handler, context, .own_port = ev->route_port,
				   .touches_ours = ev->nft_touches_ours};
	int r = 0;

	for (size_t i = 0; i < ev->n && r >= 0; i++)
		r = drain(ev, &ev->sources[i], &sink, err);
	ev->nft_touches_ours = sink.touches_ours;
	if (sink.route_changed)
		handler(context, &route);
	return r;
}

static void overrun(struct events_sink *sink)
{
	const struct kernel_event event = {.kind = KERNEL_EVENT_OVERRUN};

	sink->handler(sink->context, &event);
}

/* Reads what is there, KERNEL_EVENTS_PER_DISPATCH datagrams at most. */
static int drain(struct events *ev, const struct event_source *src, struct events_sink *sink,
		 struct vnet_error *err)
{
	struct sockaddr_nl from[READ_AT_ONCE];
	struct iovec iov[READ_AT_ONCE];
	struct mmsghdr msgs[READ_AT_ONCE];

	for (int total = 0, n = READ_AT_ONCE;
	     total < KERNEL_EVENTS_PER_DISPATCH && n == READ_AT_ONCE; total += n) {
		for (int i = 0; i < READ_AT_ONCE; i++) {
			iov[i] = (struct iovec){ev->buffers[i], READ_SIZE};
			msgs[i] = (struct mmsghdr){.msg_hdr = {
				.msg_name = &from[i], .msg_namelen = sizeof(from[i]),
				.msg_iov = &iov[i], .msg_iovlen = 1}};
		}
		n = recvmmsg(src->fd, msgs, READ_AT_ONCE, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == ENOBUFS) {
			overrun(sink);
			n = READ_AT_ONCE; /* there is more behind the gap */
			continue;
		}
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 :
				kernel_error(err, -errno, NULL, "cannot read the kernel's events");
		for (int i = 0; i < n; i++) {
			if (from[i].nl_pid)
				continue; /* another process, not the kernel */
			if (msgs[i].msg_hdr.msg_flags & MSG_TRUNC)
				overrun(sink);
			else
				src->read(ev->buffers[i], msgs[i].msg_len, sink);
		}
	}
	return 0;
}

/* Opening. */

static int add_source(struct events *ev, int protocol, read_function read,
		      const struct sock_fprog *filter, int buffer, struct vnet_error *err)
{
	struct sockaddr_nl local = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0)
		return kernel_error(err, -errno, NULL, "cannot open a netlink socket for events");
	ev->sources[ev->n++] = (struct event_source){fd, read};
	if (filter && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof(*filter)) < 0)
		return kernel_error(err, -errno, NULL, "cannot filter the kernel's events");
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0)
		return kernel_error(err, -errno, NULL, "cannot bind a netlink socket");
	/* Without CAP_NET_ADMIN in the first user namespace the system's limit stays. */
	if (buffer && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	return fd;
}

static int join(int fd, int group, struct vnet_error *err)
{
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return kernel_error(err, -errno, NULL, "cannot subscribe to netlink group %d", group);
	return 0;
}

/*
 * Offsets in the filters: nlmsg_type is at 4 and nlmsg_pid, the port of the
 * request that caused the notification, at 12; behind the 16 bytes of struct
 * nlmsghdr ndm_family is the first byte, ndm_state at 8, rtm_table the fifth.
 * Loads are in network order.
 */
static int open_route(struct events *ev, uint32_t own_port, struct vnet_error *err)
{
	/* RTNLGRP_NEIGH: see events_want_neighbours(). */
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				     RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
				     RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_TC};
	struct sock_filter code[] = {
		/*  0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		/*  1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNEIGH), 9, 0),
		/*  2 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEIGH), 17, 0),
		/*  3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 11, 0),
		/*  4 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 10, 0),
		/*  5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWQDISC), 11, 0),
		/*  6 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELQDISC), 10, 0),
		/*  7 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWTCLASS), 9, 0),
		/*  8 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELTCLASS), 8, 0),
		/*  9 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWTFILTER), 7, 0),
		/* 10 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELTFILTER), 6, 8),
		/* 11 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 16),
		/* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 7, 0),
		/* 13 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 24),
		/* 14 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NUD_REACHABLE | NUD_FAILED), 4, 5),
		/* 15 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
		/* 16 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_TABLE_LOCAL, 3, 0),
		/* 17 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12),
		/* 18 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(own_port), 1, 0),
		/* 19 */ BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		/* 20 */ BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = {ARRAY_SIZE(code), code};
	int r, fd;

	fd = add_source(ev, NETLINK_ROUTE, events_read_route, &filter, KERNEL_EVENT_RCVBUF, err);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if ((r = join(fd, groups[i], err)) < 0)
			return r;
	return 0;
}

/*
 * Only from then on: on a host of a thousand guests the state of neighbours
 * changes many times a second, and nobody asked.
 */
int events_want_neighbours(struct events *ev, struct vnet_error *err)
{
	return join(ev->sources[0].fd, RTNLGRP_NEIGH, err);
}

/* A socket of its own, for what L3 neighbours do is told in the same group. Offsets as above. */
static int open_fdb(struct events *ev, struct vnet_error *err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 16),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 24),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NUD_PERMANENT | NUD_NOARP), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = {ARRAY_SIZE(code), code};
	int fd = add_source(ev, NETLINK_ROUTE, events_read_fdb, &filter, KERNEL_EVENT_RCVBUF, err);

	ev->fdb_fd = fd;
	return fd < 0 ? fd : 0;
}

int events_want_fdb(struct events *ev, struct vnet_error *err)
{
	return join(ev->fdb_fd, RTNLGRP_NEIGH, err);
}

static int open_nft(struct events *ev, uint32_t own_port, struct vnet_error *err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(own_port), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = {ARRAY_SIZE(code), code};
	int fd;

	fd = add_source(ev, NETLINK_NETFILTER, events_read_nft, &filter, KERNEL_EVENT_RCVBUF, err);
	return fd < 0 ? fd : join(fd, NFNLGRP_NFTABLES, err);
}

/* Sends the one message and waits for its answer, past packets that may come first. */
static int log_configure(int fd, struct nlmsghdr *m)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO)));

	if (send(fd, m, m->nlmsg_len, 0) < 0)
		return -errno;
	/* nfnetlink answers inside send(): what is not there now never comes. */
	for (int i = 0; i < 64; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		struct nl_reader reader = {buf, n < 0 ? 0 : (size_t)n};
		const struct nlmsghdr *a = nl_next(&reader);

		if (n < 0)
			return -errno;
		if (a && a->nlmsg_type == NLMSG_ERROR &&
		    mnl_nlmsg_get_payload_len(a) >= sizeof(struct nlmsgerr))
			return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(a))->error;
	}
	return -ETIMEDOUT;
}

/* Takes a group with so many bytes of each frame, or leaves it. */
static int log_set(int fd, uint16_t group, uint8_t command, uint32_t copy_range)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
	struct nfulnl_msg_config_cmd cmd = {.command = command};
	struct nfulnl_msg_config_mode mode = {.copy_range = htonl(copy_range),
					      .copy_mode = NFULNL_COPY_PACKET};
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	m->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nfg = mnl_nlmsg_put_extra_header(m, sizeof(*nfg));
	nfg->res_id = htons(group);
	mnl_attr_put(m, NFULA_CFG_CMD, sizeof(cmd), &cmd);
	if (command == NFULNL_CFG_CMD_BIND) {
		mnl_attr_put(m, NFULA_CFG_MODE, sizeof(mode), &mode);
		mnl_attr_put_u32(m, NFULA_CFG_QTHRESH, htonl(1)); /* at once, not in bundles */
	}
	return log_configure(fd, m);
}

/* A frame that is lost there comes again: no reason to read the whole kernel anew. */
static int add_lossy_source(struct events *ev, read_function read, int buffer, struct vnet_error *err)
{
	int on = 1, fd = add_source(ev, NETLINK_NETFILTER, read, NULL, buffer, err);

	if (fd >= 0)
		setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	return fd;
}

static int open_log(struct events *ev, struct vnet_error *err)
{
	int r, fd = add_lossy_source(ev, events_read_log, 0, err);

	if (fd < 0)
		return fd;
	r = log_set(fd, NFLOG_GROUP_LEARN, NFULNL_CFG_CMD_BIND, LOG_COPY_RANGE);
	if (r < 0)
		snprintf(ev->notes[ev->n_notes++], sizeof(ev->notes[0]),
			 "ports cannot learn their address: log group %d is not to be had (%s)",
			 NFLOG_GROUP_LEARN, r == -EBUSY || r == -EPERM ?
			 "another process has it" : strerrordesc_np(-r));
	return 0;
}

static int open_trace(struct events *ev, struct vnet_error *err)
{
	int fd = add_lossy_source(ev, events_read_trace, TRACE_RCVBUF, err);

	ev->trace_fd = fd;
	return fd < 0 ? fd : 0;
}

int events_trace(struct events *ev, bool is_on, struct vnet_error *err)
{
	int group = NFNLGRP_NFTRACE, r;

	if (!is_on) {
		log_set(ev->trace_fd, NFLOG_GROUP_TRACE, NFULNL_CFG_CMD_UNBIND, 0);
		setsockopt(ev->trace_fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
		return 0;
	}
	r = log_set(ev->trace_fd, NFLOG_GROUP_TRACE, NFULNL_CFG_CMD_BIND, FRAME_HEAD_MAX);
	if (r == -EBUSY || r == -EPERM)
		return vnet_error_set(err, -EBUSY, "trace-busy",
				      "another process reads log group %d, by which dropped frames are told",
				      NFLOG_GROUP_TRACE);
	if (r < 0)
		return kernel_error(err, r, NULL, "cannot read log group %d", NFLOG_GROUP_TRACE);
	return join(ev->trace_fd, group, err);
}

/* Reading. */

/* Calls each() for every complete message of a datagram. */
static void each_message(const void *data, size_t size, struct events_sink *sink,
			 void (*each)(const struct nlmsghdr *m, struct events_sink *sink))
{
	struct nl_reader reader = {data, size};
	const struct nlmsghdr *m;

	while ((m = nl_next(&reader)))
		each(m, sink);
}

/* Who asked for it, as far as the kernel tells. */
static struct kernel_event event_of(const struct nlmsghdr *m, const struct events_sink *sink)
{
	bool is_own = m->nlmsg_pid && m->nlmsg_pid == sink->own_port;

	return (struct kernel_event){.is_own = is_own, .pid = is_own ? 0 : (int)m->nlmsg_pid};
}

static void read_link(const struct nlmsghdr *m, struct events_sink *sink)
{
	struct kernel_event event = event_of(m, sink);
	int family = link_message_family(m), r;

	/* RTM_DELLINK of AF_BRIDGE: it left its bridge, and lives. */
	if (family == AF_BRIDGE && m->nlmsg_type == RTM_DELLINK)
		return;
	if (family == AF_BRIDGE) {
		event.kind = KERNEL_EVENT_BRIDGE_PORT;
		r = link_parse_port(m, &event.link);
	} else {
		event.kind = m->nlmsg_type == RTM_NEWLINK ? KERNEL_EVENT_LINK_NEW
							  : KERNEL_EVENT_LINK_GONE;
		r = link_parse(m, &event.link);
	}
	if (r == 0)
		sink->handler(sink->context, &event);
}

/*
 * Switches of an interface. A new interface tells all of its own at once, and nobody changed
 * anything: only what comes alone is told.
 */
static void read_netconf(const struct nlmsghdr *m, struct events_sink *sink)
{
	struct kernel_event event = {.kind = KERNEL_EVENT_FORWARDING};
	const struct nlattr *tb[NETCONFA_MAX + 1];

	if (mnl_nlmsg_get_payload_len(m) < sizeof(struct netconfmsg))
		return;
	nl_attrs_of(m, sizeof(struct netconfmsg), tb, ARRAY_SIZE(tb));
	if (!tb[NETCONFA_FORWARDING] || tb[NETCONFA_MC_FORWARDING] || !tb[NETCONFA_IFINDEX])
		return;
	event.link.ifindex = (int)nl_u32(tb[NETCONFA_IFINDEX]);
	sink->handler(sink->context, &event);
}

/* Of which filter it tells is not looked at: a look at the port is cheap, and this is rare. */
static void read_filter(const struct nlmsghdr *m, struct events_sink *sink)
{
	struct kernel_event event = event_of(m, sink);
	const struct tcmsg *tc = mnl_nlmsg_get_payload(m);

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*tc))
		return;
	event.kind = KERNEL_EVENT_FILTER;
	event.link.ifindex = tc->tcm_ifindex;
	sink->handler(sink->context, &event);
}

static void read_route_message(const struct nlmsghdr *m, struct events_sink *sink)
{
	struct kernel_event event = event_of(m, sink);
	struct route route;
	struct addr addr;

	switch (m->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		read_link(m, sink);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (addr_parse(m, &addr) < 0)
			break;
		event.kind = KERNEL_EVENT_ADDR;
		event.link.ifindex = addr.ifindex;
		sink->handler(sink->context, &event);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (route_parse(m, &route) < 0 || route.table == RT_TABLE_LOCAL)
			break;
		if (route.protocol != ROUTE_PROTOCOL_VNET) {
			sink->route_changed = true;
			break;
		}
		event.kind = KERNEL_EVENT_ROUTE;
		event.link.ifindex = route.oif;
		sink->handler(sink->context, &event);
		break;
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
	case RTM_NEWTCLASS:
	case RTM_DELTCLASS:
	case RTM_NEWTFILTER:
	case RTM_DELTFILTER:
		read_filter(m, sink);
		break;
	case RTM_NEWNEIGH:
		if (neigh_parse(m, &event) == 0)
			sink->handler(sink->context, &event);
		break;
	case RTM_NEWNETCONF:
		read_netconf(m, sink);
		break;
	}
}

static void read_fdb_message(const struct nlmsghdr *m, struct events_sink *sink)
{
	struct kernel_event event = {.kind = KERNEL_EVENT_FDB};
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(m);

	if ((m->nlmsg_type != RTM_NEWNEIGH && m->nlmsg_type != RTM_DELNEIGH) ||
	    mnl_nlmsg_get_payload_len(m) < sizeof(*ndm) || ndm->ndm_family != AF_BRIDGE)
		return;
	event.link.ifindex = ndm->ndm_ifindex;
	sink->handler(sink->context, &event);
}

void events_read_fdb(const void *data, size_t size, struct events_sink *sink)
{
	each_message(data, size, sink, read_fdb_message);
}

void events_read_route(const void *data, size_t size, struct events_sink *sink)
{
	each_message(data, size, sink, read_route_message);
}

/*
 * A transaction is told object by object, in several datagrams, and ends with
 * NFT_MSG_NEWGEN, which says whose it was.  Attribute 1 is the table's name in
 * the messages of all kinds of objects.
 */
static void read_nft_message(const struct nlmsghdr *m, struct events_sink *sink)
{
	struct kernel_event event = {.kind = KERNEL_EVENT_NFT};
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(m);
	const struct nlattr *tb[NFTA_GEN_MAX + 1];
	char table[sizeof(NFT_TABLE_NAME) + 1];

	if (m->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(m) < sizeof(*nfg))
		return;
	nl_attrs_of(m, sizeof(*nfg), tb, ARRAY_SIZE(tb));
	if ((m->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
		nl_str(tb[1], table, sizeof(table));
		if ((nfg->nfgen_family == NFPROTO_BRIDGE || nfg->nfgen_family == NFPROTO_INET ||
		     nfg->nfgen_family == NFPROTO_NETDEV) &&
		    !strcmp(table, NFT_TABLE_NAME))
			sink->touches_ours = true;
		return;
	}
	event.pid = (int)ntohl(nl_u32(tb[NFTA_GEN_PROC_PID]));
	nl_str(tb[NFTA_GEN_PROC_NAME], event.process, sizeof(event.process));
	event.touches_ours = sink->touches_ours;
	sink->touches_ours = false;
	sink->handler(sink->context, &event);
}

void events_read_nft(const void *data, size_t size, struct events_sink *sink)
{
	each_message(data, size, sink, read_nft_message);
}

static int device_of(const struct nlattr *const *tb, int physical, int plain)
{
	return (int)ntohl(nl_u32(tb[physical] ? tb[physical] : tb[plain]));
}

/* On its way to a port. */
static bool read_acknowledgement(const struct nlattr *const *tb, struct kernel_event *event)
{
	const struct nlattr *payload = tb[NFULA_PAYLOAD];

	event->link.ifindex = device_of(tb, NFULA_IFINDEX_PHYSOUTDEV, NFULA_IFINDEX_OUTDEV);
	if (event->link.ifindex <= 0 || !payload ||
	    !log_frame_acknowledged(mnl_attr_get_payload(payload), mnl_attr_get_payload_len(payload),
				    &event->mac, &event->ip, &event->seconds))
		return false;
	event->kind = KERNEL_EVENT_DHCP_ACK;
	return true;
}

/* From a port; what a macvtap device sends goes out by it, and has no address beside it. */
static bool read_frame(const struct nlattr *const *tb, struct kernel_event *event)
{
	int in = device_of(tb, NFULA_IFINDEX_PHYSINDEV, NFULA_IFINDEX_INDEV);
	const struct nlattr *payload = tb[NFULA_PAYLOAD];
	struct nfulnl_msg_packet_hw hw;
	bool is_solicitation = payload && log_frame_solicited(mnl_attr_get_payload(payload),
							      mnl_attr_get_payload_len(payload),
							      &event->ip);

	if (in > 0)
		event->link.ifindex = in;
	if (event->link.ifindex <= 0)
		return false;
	if (!tb[NFULA_HWADDR] || mnl_attr_get_payload_len(tb[NFULA_HWADDR]) < sizeof(hw))
		return is_solicitation;
	memcpy(&hw, mnl_attr_get_payload(tb[NFULA_HWADDR]), sizeof(hw));
	if (ntohs(hw.hw_addrlen) != sizeof(event->mac))
		return false;
	memcpy(&event->mac, hw.hw_addr, sizeof(event->mac));
	return true;
}

/*
 * The bridge family names the bridge as device when br_netfilter is built, and
 * the port as physical one; without it, the port is the device.
 */
static void read_log_message(const struct nlmsghdr *m, struct events_sink *sink)
{
	struct kernel_event event = {.kind = KERNEL_EVENT_FRAME};
	const struct nlattr *tb[NFULA_MAX + 1];

	if (m->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
		return;
	nl_attrs_of(m, sizeof(struct nfgenmsg), tb, ARRAY_SIZE(tb));
	if (read_acknowledgement(tb, &event) || read_frame(tb, &event))
		sink->handler(sink->context, &event);
}

void events_read_log(const void *data, size_t size, struct events_sink *sink)
{
	each_message(data, size, sink, read_log_message);
}

static void read_trace_message(const struct nlmsghdr *m, struct events_sink *sink)
{
	struct trace_message message;
	struct trace_sample sample;
	struct kernel_event event = {0};

	if (trace_parse(m, &message) == 0) {
		event.kind = KERNEL_EVENT_TRACE;
		event.trace = &message;
	} else if (trace_parse_sample(m, &sample) == 0) {
		event.kind = KERNEL_EVENT_SAMPLE;
		event.sample = &sample;
	} else {
		return;
	}
	sink->handler(sink->context, &event);
}

void events_read_trace(const void *data, size_t size, struct events_sink *sink)
{
	each_message(data, size, sink, read_trace_message);
}
