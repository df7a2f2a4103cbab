/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_CONFINE_H
#define NETD_CONFINE_H

/*
 * confine.h - who netd's processes are, and what they may do
 *
 *   role     user          capabilities                               filter
 *   netd     vnet          NET_ADMIN                                  no exec, no fork, no IP sockets
 *   broker   vnet          what privileged.h and broker.h name        + setns, mknod, to be dnsmasq's user
 *   dnsmasq  vnet-dnsmasq  NET_ADMIN, NET_RAW, NET_BIND_SERVICE       what dnsmasq calls
 *
 * All have no_new_privs, so no program that any of them might run gains anything,
 * and each is confined before it reads a byte that somebody else has written. A
 * system call that the filter does not know fails with EPERM, and the kernel's
 * audit log has it: the error path of whatever wanted it is one that netd has
 * anyway, while to be killed would take the networks' repair from every guest
 * for a call that a newer libc makes.
 */

#include "vnet/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define NETD_USER "vnet"
#define DNSMASQ_USER "vnet-dnsmasq"

enum role { ROLE_NETD, ROLE_BROKER, ROLE_DNSMASQ };

struct users {
	const char *name;       /* netd's */
	uid_t uid, dnsmasq_uid;
	gid_t gid, dnsmasq_gid;
	bool is_alone;          /* root of a user namespace that has no other: nobody else to become */
};

/*
 * The user to become: name, or this process's own when it is not root. For "root"
 * there need be no user for dnsmasq, which is nobody then.
 */
int users_find(const char *name, struct users *ret, struct vnet_error *err);

/*
 * Gives what a netd that ran as root left below path to the user, as root. What has
 * several names, or is on another file system, stays as it is: others may have put
 * it there.
 */
int confine_take_over(const char *path, const struct users *users, struct vnet_error *err);

/*
 * This process is of that role from here on, and cannot go back. As root it becomes
 * the role's user; otherwise it has to have been given the role's capabilities.
 */
int confine(enum role role, const struct users *users, struct vnet_error *err);

/* ---- filter.c ---- */

/* The last step of confine(): the system calls of the role. */
int filter_load(enum role role, const struct users *users, struct vnet_error *err);

#endif
