/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_netlink.c - what comes from the kernel's sockets, with any bytes in it
 *
 * The first byte says whose: 0 rtnetlink events, 1 nftables events, 2 NFLOG,
 * 3 answers to an RTM_GETLINK of one device, 4 the parts of a dump, 5 answers
 * to three changes, 6 traced packets, 7 connections.  From 3 to 5 the rest are datagrams, each behind a byte with
 * its length in units of 4; ours is sequence number 1.
 *
 * What was parsed must be usable by others without checks of their own, and
 * addresses, routes, tunnels and the like must survive being written and read
 * again.
 */

#include "kernel/addr.h"
#include "kernel/conntrack.h"
#include "kernel/events.h"
#include "kernel/fdb.h"
#include "kernel/link.h"
#include "kernel/link_kind.h"
#include "kernel/neigh.h"
#include "kernel/nl.h"
#include "kernel/route.h"
#include "kernel/vlan.h"
#include "tests/fuzz/must.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nl nl;
static struct nl scratch; /* for what is written while answers are read from the other */
static int peer;

/* A socket whose other end is ours, in place of the kernel's. */
static void open_once(void)
{
	struct vnet_error err = { 0 };
	int pair[2];

	if (nl.out)
		return;
	must(nl_open(&nl, NETLINK_ROUTE, &err) == 0);
	must(nl_open(&scratch, NETLINK_ROUTE, &err) == 0);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	must(dup2(pair[0], nl.fd) == nl.fd);
	close(pair[0]);
	must(fcntl(nl.fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
	peer = pair[1];
}

static void drain(int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* What the kind has, written as for a new device and read again. */
static void check_kind(const struct link *link)
{
	struct op_link op = { .bridge = link->bridge, .vlan = link->vlan, .macvlan = link->macvlan,
			      .gre = link->gre, .vxlan = link->vxlan };
	const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	struct link again = { .parent = link->parent };
	struct nlmsghdr *m = nl_add(&scratch, RTM_NEWLINK, 0);

	memcpy(op.kind, link->kind, sizeof(op.kind));
	memcpy(again.kind, link->kind, sizeof(again.kind));
	nl_header(m, sizeof(struct ifinfomsg));
	link_kind_put(m, op.kind, &op, link->parent, true);
	must(m->nlmsg_len < NL_MESSAGE_MAX);
	nl_attrs_of(m, sizeof(struct ifinfomsg), tb, ARRAY_SIZE(tb));
	nl_attrs_nested(tb[IFLA_LINKINFO], info, ARRAY_SIZE(info));
	must(info[IFLA_INFO_KIND]);
	link_kind_parse(info[IFLA_INFO_DATA], &again);
	must(link_kind_is_same(&again, &op, link->parent));
	must(again.gre.ttl == link->gre.ttl && again.gre.tos == link->gre.tos);
	must(again.gre.has_encap_limit == link->gre.has_encap_limit);
	must(again.vxlan.learning == link->vxlan.learning && again.vxlan.df == link->vxlan.df);
	must(again.bridge.priority == link->bridge.priority);
	nl_reset(&scratch);
}

static void check_link(const struct link *link)
{
	must(link->ifindex > 0 && link->name[0]);
	must(strnlen(link->name, sizeof(link->name)) < sizeof(link->name));
	must(strnlen(link->kind, sizeof(link->kind)) < sizeof(link->kind));
	must(strnlen(link->alias, sizeof(link->alias)) < sizeof(link->alias));
	if (link_kind_find(link->kind))
		check_kind(link);
}

static void check_vlans(const struct nlmsghdr *m)
{
	vlan_member_vec members = { 0 };

	vlan_parse(m, &members);
	vlan_normalise(&members);
	for (size_t i = 0; i < members.n; i++) {
		const struct vlan_member *now = &members.v[i], *before = now - 1;

		must(now->ifindex > 0 && now->first && now->first <= now->last);
		must(now->last < 4095 && (!now->is_pvid || now->first == now->last));
		if (i)
			must(before->first <= now->first &&
				(before->last + 1 < now->first || before->is_pvid || now->is_pvid ||
				 before->is_untagged != now->is_untagged));
	}
	vec_free(&members);
}

static void check_vxlan_fdb(const struct vxlan_fdb *fdb)
{
	struct vxlan_fdb again;

	must(ip_size(&fdb->dst) > 0 && fdb->ifindex > 0);
	must(fdb_add_request(&scratch, true, fdb, fdb->ifindex) == 0);
	must(fdb_parse_vxlan(scratch.last, &again) == 0);
	must(!mac_cmp(&fdb->mac, &again.mac) && !ip_cmp(&fdb->dst, &again.dst));
	must(fdb->is_external == again.is_external && fdb->ifindex == again.ifindex);
	nl_reset(&scratch);
}

static bool is_name(const char name[TRACE_NAME_MAX])
{
	return strnlen(name, TRACE_NAME_MAX) < TRACE_NAME_MAX;
}

static void check_head(const struct frame_head *head)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	must(head->size <= sizeof(head->bytes));
	frame_text(head, &text);
	must(text.len > 0);
}

static void check_packet(void *context, const struct trace_packet *packet)
{
	(void)context;
	must(packet->n_steps <= FLIGHT_STEPS_MAX && (!packet->is_dropped || packet->n_steps));
	check_head(packet->head);
}

static void check_trace(const struct trace_message *m)
{
	static uint64_t now;
	static struct flights *flights;

	must(is_name(m->step.table) && is_name(m->step.chain) && is_name(m->step.to));
	must(trace_verdict_name(m->step.verdict) != NULL);
	check_head(&m->head);
	if (!flights)
		flights = flights_new(check_packet, NULL);
	flights_add(flights, now += FLIGHT_SILENCE_USEC / 10, m);
	flights_expire(flights, now);
}

static void check_event(void *context, const struct kernel_event *event)
{
	(void)context;
	if (event->kind == KERNEL_EVENT_TRACE)
		check_trace(event->trace);
	if (event->kind == KERNEL_EVENT_SAMPLE)
		check_head(&event->sample->head);
	if (event->kind == KERNEL_EVENT_LINK_NEW || event->kind == KERNEL_EVENT_LINK_GONE ||
	    event->kind == KERNEL_EVENT_BRIDGE_PORT)
		check_link(&event->link);
	if (event->kind == KERNEL_EVENT_NEIGH)
		must(ip_size(&event->ip) > 0);
	must(strnlen(event->process, sizeof(event->process)) < sizeof(event->process));
}

/* Written as a request and read again. */
static void check_addr(const struct addr *addr)
{
	struct addr again;

	must(addr->prefix.len <= ip_bits(&addr->prefix.addr));
	addr_add_request(&nl, RTM_NEWADDR, 0, addr);
	must(nl.last->nlmsg_len < NL_MESSAGE_MAX);
	must(addr_parse(nl.last, &again) == 0);
	must(!prefix_cmp(&addr->prefix, &again.prefix) && !ip_cmp(&addr->peer, &again.peer));
	must(again.metric == addr->metric && again.ifindex == addr->ifindex);
	nl_reset(&nl);
}

static void check_route(const struct route *route)
{
	struct route again;

	must(route->dst.len <= ip_bits(&route->dst.addr));
	route_add_request(&nl, RTM_NEWROUTE, 0, route);
	must(nl.last->nlmsg_len < NL_MESSAGE_MAX);
	must(route_parse(nl.last, &again) == 0);
	must(route_same_key(route, &again) && !ip_cmp(&route->gateway, &again.gateway));
	must(again.oif == route->oif && again.mtu == route->mtu);
	nl_reset(&nl);
}

/* Its tuple is sent back as it came, in a message that must hold it. */
static void check_flow(const struct kernel_flow *flow)
{
	must(flow->tuple_size <= sizeof(flow->tuple));
	must(ip_size(&flow->src) > 0 && flow->src.family == flow->dst.family);
	must(flow->reply_src.family == flow->reply_dst.family);
	conntrack_change(&nl, flow, FLOW_CUT, NULL);
	drain(peer);
	nl_reset(&nl);
}

static void check_message(const struct nlmsghdr *m, void *context)
{
	struct kernel_event event;
	struct vxlan_fdb remote;
	struct fdb_entry fdb;
	struct route route;
	struct link link;
	struct addr addr;

	(void)context;
	if (link_parse(m, &link) == 0)
		check_link(&link);
	if (link_parse_port(m, &link) == 0)
		check_link(&link);
	if (addr_parse(m, &addr) == 0)
		check_addr(&addr);
	if (route_parse(m, &route) == 0)
		check_route(&route);
	neigh_parse(m, &event);
	fdb_parse(m, &fdb);
	if (fdb_parse_vxlan(m, &remote) == 0)
		check_vxlan_fdb(&remote);
	check_vlans(m);
}

/* Aligned as a receive buffer is, and no larger: what is read past its end is seen. */
static void read_events(const uint8_t *data, size_t size, uint8_t source)
{
	struct events_sink sink = { .handler = check_event };
	AUTO_FREE uint8_t *copy = malloc(size ? size : 1);
	struct nl_reader reader = { (const char *)copy, size };
	const struct nlmsghdr *m;

	memcpy(copy, data, size);
	if (source == 1) {
		events_read_nft(copy, size, &sink);
	} else if (source == 2) {
		events_read_log(copy, size, &sink);
	} else if (source == 6) {
		events_read_trace(copy, size, &sink);
	} else if (source == 7) {
		struct kernel_flow flow;

		while ((m = nl_next(&reader)))
			if (conntrack_parse(m, &flow) == 0)
				check_flow(&flow);
	} else {
		events_read_route(copy, size, &sink);
		while ((m = nl_next(&reader)))
			check_message(m, NULL);
	}
}

static void restart(void *context)
{
	++*(unsigned *)context;
}

static void each(const struct nlmsghdr *m, void *context)
{
	struct link link;

	(void)context;
	if (link_parse(m, &link) == 0)
		check_link(&link);
}

static void read_answers(const uint8_t *data, size_t size, uint8_t how)
{
	const struct nlmsghdr *answer;
	unsigned restarts = 0;
	int r;

	for (size_t i = 0; size; i++) {
		size_t n = data[0] * 4u < size - 1 ? data[0] * 4u : size - 1;

		if (send(peer, data + 1, n, 0) < 0)
			break;
		data += 1 + n;
		size -= 1 + n;
	}
	nl.seq = how == 5 ? 0xfffffffeu : 0; /* three requests go past the wrap */
	link_add_get(&nl, how == 4 ? NULL : "eth0");
	if (how == 4) {
		r = nl_dump(&nl, &(struct nl_dump){ each, restart, &restarts });
		must(restarts < NL_DUMP_TRIES);
	} else if (how == 3) {
		r = nl_get(&nl, &answer);
		if (r == 0)
			each(answer, NULL);
	} else {
		link_add_delete(&nl, 1);
		link_add_delete(&nl, 2);
		r = nl_send(&nl);
		for (unsigned i = 0; r == 0 && i < 3; i++)
			must(nl.answers[i].result <= 0);
	}
	must(r <= 0 && nl.n == 0);
	for (unsigned i = 0; i < NL_BATCH_MAX; i++)
		must(memchr(nl_text(&nl, i), '\0', sizeof(nl.answers[i].text)) != NULL);
	drain(peer);
	drain(nl.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	open_once();
	if (data[0] % 8 < 3 || data[0] % 8 > 5)
		read_events(data + 1, size - 1, data[0] % 8);
	else
		read_answers(data + 1, size - 1, data[0] % 8);
	return 0;
}
