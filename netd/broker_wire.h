/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_BROKER_WIRE_H
#define NETD_BROKER_WIRE_H

/*
 * broker_wire.h - messages between netd and its broker, which are one program
 *
 * A SOCK_SEQPACKET socket: a message is a structure as it is in memory, with
 * descriptors beside it. Texts end with a zero byte, which the broker checks.
 */

#include "kernel/kernel.h"
#include "kernel/privileged.h"
#include "model/port.h"
#include "netd/release.h"

#include <limits.h>

#define BROKER_FDS_MAX 64 /* of one message */
_Static_assert(BROKER_FDS_MAX >= PORT_QUEUES_MAX, "a macvtap's queues travel together");

enum broker_call {
	/* kernel/privileged.h */
	BROKER_SYSFS, BROKER_ENTER, BROKER_NAMESPACE, BROKER_MACVTAP, BROKER_LEGACY, BROKER_CHECKSUM,
	BROKER_OWNERS,
	/* broker.h */
	BROKER_LOOK, BROKER_IS_DNSMASQ, BROKER_RUN, BROKER_WAIT, BROKER_SIGNAL, BROKER_RELEASE, BROKER_POLICY,
	BROKER_N_CALLS
};

struct broker_request {
	uint32_t call;
	int32_t number;         /* a process, an interface index, a signal, a family; 1: a test */
	uint32_t n;             /* descriptors wanted, inodes, bytes */
	struct ip address;
	char name[16];          /* a device */
	union {
		char path[PATH_MAX];
		uint32_t inodes[SOCKET_OWNERS_MAX];
		uint8_t message[RELEASE_SIZE_MAX];
	};
};

struct broker_reply {
	int32_t result;         /* as the function returns it */
	int32_t number;         /* a process, an exit status */
	uint32_t uid;
	uint64_t started;
	struct vnet_error err;
	struct socket_owner owners[SOCKET_OWNERS_MAX];
	struct checksum_program programs[CHECKSUM_PROGRAMS]; /* their descriptors are beside it */
};

/* One message. A received one is of exactly this size, or -EPROTO; 0: the other end is closed. */
int broker_send(int fd, const void *message, size_t size, const int *fds, size_t n_fds);
int broker_receive(int fd, void *message, size_t size, int fds[BROKER_FDS_MAX], size_t *ret_n_fds);

#endif
