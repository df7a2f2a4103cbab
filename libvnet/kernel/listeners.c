/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * listeners.c - sockets on the ports of DNS and DHCP, by sock_diag(7)
 *
 * The kernel names a socket's inode, and /proc which process has it open.  Where
 * either is not to be had, less is told.
 */

#include "kernel/listeners.h"

#include "kernel/nl.h"
#include "kernel/privileged.h"
#include "kernel/tap.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <unistd.h>

#define LISTENERS_MAX 1024

static const uint16_t ports[] = { 53, 67, 547 };

struct listing {
	int control;
	uint8_t protocol;
	doctor_socket_vec *sockets;
	VEC(uint32_t) inodes;   /* of sockets, in the same order */
	size_t first;           /* of the dump at hand */
};

static bool is_wanted(uint16_t port)
{
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		if (ports[i] == port)
			return true;
	return false;
}

static void each_socket(const struct nlmsghdr *m, void *context)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(m);
	struct listing *l = context;
	struct doctor_socket *socket;

	if (m->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(m) < sizeof(*diag) ||
	    !is_wanted(ntohs(diag->id.idiag_sport)) || l->sockets->n >= LISTENERS_MAX)
		return;
	socket = vec_add(l->sockets);
	socket->protocol = l->protocol;
	socket->port = ntohs(diag->id.idiag_sport);
	socket->address.family = diag->idiag_family;
	memcpy(socket->address.b, diag->id.idiag_src, ip_size(&socket->address));
	if (diag->id.idiag_if && !device_name(l->control, (int)diag->id.idiag_if, socket->device))
		snprintf(socket->device, sizeof(socket->device), "#%u", diag->id.idiag_if);
	vec_push(&l->inodes, diag->idiag_inode);
}

static void restart(void *context)
{
	struct listing *l = context;

	l->sockets->n = l->inodes.n = l->first;
}

static void list(struct nl *nl, struct listing *l, uint8_t family)
{
	struct inet_diag_req_v2 *request = nl_header(nl_add(nl, SOCK_DIAG_BY_FAMILY, 0), sizeof(*request));

	l->first = l->sockets->n;
	request->sdiag_family = family;
	request->sdiag_protocol = l->protocol;
	/* TCP_LISTEN; a UDP socket without a peer is in TCP_CLOSE. */
	request->idiag_states = l->protocol == IPPROTO_TCP ? 1u << 10 : 1u << 7;
	nl_dump(nl, &(struct nl_dump){ each_socket, restart, l });
}

/* ---- whose ---- */

static void find_processes(struct listing *l)
{
	size_t n = l->inodes.n < SOCKET_OWNERS_MAX ? l->inodes.n : SOCKET_OWNERS_MAX;
	struct socket_owner owners[SOCKET_OWNERS_MAX];

	privileged_get()->owners(l->inodes.v, n, owners);
	for (size_t i = 0; i < n; i++) {
		l->sockets->v[i].pid = owners[i].pid;
		snprintf(l->sockets->v[i].process, sizeof(l->sockets->v[i].process), "%.15s", owners[i].name);
	}
}

void listeners_list(int control, doctor_socket_vec *ret)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP }, families[] = { AF_INET, AF_INET6 };
	doctor_socket_vec sockets = { 0 };
	struct listing l = { .control = control, .sockets = &sockets };
	struct nl nl;

	if (nl_open(&nl, NETLINK_SOCK_DIAG, NULL) < 0)
		return;
	for (size_t p = 0; p < ARRAY_SIZE(protocols); p++)
		for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
			l.protocol = protocols[p];
			list(&nl, &l, families[f]);
		}
	nl_close(&nl);
	find_processes(&l);
	vec_each (socket, &sockets)
		vec_push(ret, *socket);
	vec_free(&sockets);
	vec_free(&l.inodes);
}
