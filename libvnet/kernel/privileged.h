/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_PRIVILEGED_H
#define VNET_KERNEL_PRIVILEGED_H

/*
 * privileged.h - the few things for which CAP_NET_ADMIN is not enough
 *
 * Each is done by this process itself, or by another one on its behalf: which,
 * belongs to the process as its capabilities do, so it is said once, at start.
 * Beside each function is what it needs.
 */

#include "vnet/error.h"

#include <stddef.h>
#include <stdint.h>

#define SOCKET_OWNERS_MAX 256

/* Of checksum.bpf.c, by the direction in which a port's frames pass its device. */
enum { CHECKSUM_IN, CHECKSUM_OUT, CHECKSUM_PROGRAMS };
struct checksum_program {
	int fd;
	uint8_t tag[8]; /* a digest of its instructions */
};

struct socket_owner {
	int32_t pid; /* 0: not known */
	char name[16];
};

struct privileged {
	/* As detached_sysfs(). CAP_SYS_ADMIN. */
	int (*sysfs)(int *fd, struct vnet_error *err);
	/*
	 * A descriptor of the network namespace at path and, unless ret_socket is NULL, a
	 * NETLINK_ROUTE socket in it; -ENOENT and -EINVAL as kernel.h has them. CAP_SYS_ADMIN
	 * to enter; CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH for the way to others' namespaces.
	 */
	int (*enter)(const char *path, int *ret_netns, int *ret_socket, struct vnet_error *err);
	/* The character device of a macvtap, n times. CAP_SYS_ADMIN, CAP_MKNOD. */
	int (*macvtap)(const char *name, int ifindex, unsigned n, int *ret_fds, struct vnet_error *err);
	/*
	 * The list of tables that one of the former packet filters has, and (for AF_INET and
	 * AF_INET6) a socket on which to ask for them; AF_UNSPEC: arptables. Its file is
	 * root's, its socket a raw one: CAP_DAC_READ_SEARCH, CAP_NET_RAW.
	 */
	int (*legacy)(int domain, int *ret_names, int *ret_socket);
	/* Loads the programs; a negative errno. CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN. */
	int (*checksum)(struct checksum_program ret[CHECKSUM_PROGRAMS]);
	/* Whose are the sockets with these inodes? CAP_SYS_PTRACE. */
	void (*owners)(const uint32_t *inodes, size_t n, struct socket_owner *ret);
};

/* Done by the calling process. */
extern const struct privileged privileged_self;

/* privileged_self, unless another one was set. */
const struct privileged *privileged_get(void);
void privileged_set(const struct privileged *p);

#endif
